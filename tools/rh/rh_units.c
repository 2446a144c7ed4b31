/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_units.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

int64_t rh_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void rh_add_duration(struct rh_buffer *out, int64_t us)
{
    if (us < 1000)
        rh_buffer_format(out, "%" PRId64 " us", us);
    else if (us < 1000000)
        rh_buffer_format(out, "%.1f ms", (double)us / 1e3);
    else if (us < 120000000)
        rh_buffer_format(out, "%.2f s", (double)us / 1e6);
    else if (us < 7200000000)
        rh_buffer_format(out, "%" PRId64 " min %" PRId64 " s", us / 60000000, us / 1000000 % 60);
    else if (us < 172800000000)
        rh_buffer_format(out, "%" PRId64 " h %" PRId64 " min", us / 3600000000, us / 60000000 % 60);
    else
        rh_buffer_format(out, "%" PRId64 " days %" PRId64 " h", us / 86400000000, us / 3600000000 % 24);
}

void rh_add_age(struct rh_buffer *out, int64_t us)
{
    if (us < 1000)
        rh_buffer_add_text(out, us < 0 ? "unknown" : "less than 1 ms");
    else
        rh_add_duration(out, us);
}

void rh_print_line(const char *label, struct rh_buffer *text)
{
    printf("%-13s%s\n", label, text->length > 0 ? text->bytes : "");
    rh_buffer_clear(text);
}

void rh_add_count(struct rh_buffer *out, uint64_t count)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    for (int at = 0; at < length; at++) {
        if (at > 0 && (length - at) % 3 == 0)
            rh_buffer_add_char(out, ',');
        rh_buffer_add_char(out, digits[at]);
    }
}

void rh_add_equal(struct rh_buffer *out, uint64_t tables, uint64_t rows)
{
    rh_add_count(out, tables);
    rh_buffer_add_text(out, tables == 1 ? " table and " : " tables and ");
    rh_add_count(out, rows);
    rh_buffer_add_text(out, rows == 1 ? " row are" : " rows are");
    rh_buffer_add_text(out, " equal in SQLite and the column store");
}

void rh_add_size(struct rh_buffer *out, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    for (; bytes >= 1024 && unit < 4; unit++)
        bytes /= 1024;
    rh_buffer_format(out, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}
