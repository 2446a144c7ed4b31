/* SPDX-License-Identifier: Apache-2.0 */
#include "dashboard_units.h"

#include "rh_units.h"

#include <math.h>
#include <stdint.h>

void dashboard_series_add(struct dashboard_series *series, double value)
{
    series->points[series->next] = value;
    series->next = (series->next + 1) % DASHBOARD_POINTS;
    series->count += series->count < DASHBOARD_POINTS;
}

double dashboard_series_back(const struct dashboard_series *series, size_t back)
{
    if (back >= series->count)
        return NAN;
    return series->points[(series->next + DASHBOARD_POINTS - 1 - back) % DASHBOARD_POINTS];
}

static bool is_unknown(struct rh_buffer *out, double value)
{
    if (!isnan(value))
        return false;
    rh_buffer_add_char(out, '-');
    return true;
}

void dashboard_add_short(struct rh_buffer *out, double value)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    int unit = 0;
    if (is_unknown(out, value))
        return;
    if (fabs(value) >= 999.5e18) {
        rh_buffer_format(out, "%.1e", value);
        return;
    }
    /* compared with what it would be rounded to: 999.96 is 1.0k, and never 1000.0 */
    for (; fabs(value) >= (unit == 0 ? 999.5 : 999.95); unit++)
        value /= 1000;
    bool whole = unit == 0 && (fabs(value) >= 9.95 || value == floor(value));
    rh_buffer_format(out, whole ? "%.0f%s" : "%.1f%s", value, units[unit]);
}

void dashboard_add_count(struct rh_buffer *out, double value)
{
    if (value >= 0 && value < 9007199254740992.0)
        rh_add_count(out, (uint64_t)value);
    else
        dashboard_add_short(out, value);
}

void dashboard_add_seconds(struct rh_buffer *out, double seconds)
{
    if (is_unknown(out, seconds))
        return;
    if (seconds < 0)
        seconds = 0; /* a wall's clock that was set back */
    rh_add_duration(out, seconds < 9e12 ? (int64_t)(seconds * 1e6 + 0.5) : INT64_MAX);
}

void dashboard_add_bytes(struct rh_buffer *out, double bytes)
{
    if (!is_unknown(out, bytes))
        rh_add_size(out, bytes);
}

void dashboard_add_spark(struct rh_buffer *out, const struct dashboard_series *series, size_t width, bool utf8)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const signs[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    double most = 0;
    for (size_t back = 0; back < width; back++) {
        double value = dashboard_series_back(series, back);
        most = isfinite(value) && value > most ? value : most;
    }
    for (size_t back = width; back > 0; back--) {
        double value = dashboard_series_back(series, back - 1);
        int level = isinf(value) && value > 0 ? 7 : value > 0 ? 1 + (int)(value / most * 6) : 0;
        rh_buffer_add_text(out, isnan(value) ? " " : (utf8 ? blocks : signs)[level]);
    }
}
