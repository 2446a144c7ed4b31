/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Days and microseconds since 2000-01-01, as ISO 8601 writes them and PostgreSQL prints them: proleptic Gregorian, years before 1
 * as years BC. Days to dates as in "chrono-Compatible Low-Level Date Algorithms" (H. Hinnant).
 */
#include <stdio.h>
#include <string.h>

#include "source_postgres/postgres_type.h"

enum { DATE_TEXT = 64 };
#define DAY_US INT64_C(86400000000)

struct civil {
    int64_t year;
    int month, day;
};

static struct civil civil_of(int64_t days_since_2000)
{
    int64_t days = days_since_2000 + 730425; /* since 0000-03-01 */
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct civil civil = {.year = year + era * 400 + (month >= 10),
                          .month = (int)(month < 10 ? month + 3 : month - 9),
                          .day = (int)(of_year - (153 * month + 2) / 5 + 1)};
    return civil;
}

static bool keep_text(char *text, char *end, struct base_arena *arena, struct rhei_value *value)
{
    *end = '\0';
    const char *copy = base_arena_text(arena, text);
    if (copy != NULL)
        postgres_bytes(value, RHEI_TEXT, copy, (size_t)(end - text));
    return copy != NULL;
}

/* Two digits at a time: printf costs ten times as much, and most rows have a time. */
static char *put_two(char *out, unsigned number)
{
    *out++ = (char)('0' + number / 10 % 10);
    *out++ = (char)('0' + number % 10);
    return out;
}

static char *put_date(char *out, const struct civil *civil)
{
    int64_t year = civil->year > 0 ? civil->year : 1 - civil->year;
    if (year < 10000)
        out = put_two(put_two(out, (unsigned)year / 100), (unsigned)year % 100);
    else
        out += snprintf(out, 24, "%lld", (long long)year);
    *out++ = '-';
    out = put_two(out, (unsigned)civil->month);
    *out++ = '-';
    return put_two(out, (unsigned)civil->day);
}

static char *put_clock(char *out, int64_t us)
{
    unsigned seconds = (unsigned)(us / 1000000), rest = (unsigned)(us % 1000000);
    out = put_two(out, seconds / 3600);
    *out++ = ':';
    out = put_two(out, seconds / 60 % 60);
    *out++ = ':';
    out = put_two(out, seconds % 60);
    if (rest == 0)
        return out;
    *out++ = '.';
    out = put_two(put_two(put_two(out, rest / 10000), rest / 100 % 100), rest % 100);
    while (out[-1] == '0')
        out--;
    return out;
}

static bool endless(bool positive, struct rhei_value *value)
{
    postgres_bytes(value, RHEI_TEXT, positive ? "infinity" : "-infinity", positive ? 8 : 9);
    return true;
}

bool postgres_date_text(int32_t days, struct base_arena *arena, struct rhei_value *value)
{
    char text[DATE_TEXT];
    if (days == INT32_MAX || days == INT32_MIN)
        return endless(days > 0, value);
    struct civil civil = civil_of(days);
    char *out = put_date(text, &civil);
    if (civil.year <= 0)
        out = stpcpy(out, " BC");
    return keep_text(text, out, arena, value);
}

bool postgres_timestamp_text(int64_t us, bool zoned, struct base_arena *arena, struct rhei_value *value)
{
    char text[DATE_TEXT];
    if (us == INT64_MAX || us == INT64_MIN)
        return endless(us > 0, value);
    int64_t days = us / DAY_US, of_day = us % DAY_US;
    if (of_day < 0) {
        of_day += DAY_US;
        days--;
    }
    struct civil civil = civil_of(days);
    char *out = put_date(text, &civil);
    *out++ = ' ';
    out = put_clock(out, of_day);
    if (zoned)
        out = stpcpy(out, "+00:00");
    if (civil.year <= 0)
        out = stpcpy(out, " BC");
    return keep_text(text, out, arena, value);
}

bool postgres_time_text(int64_t us, struct base_arena *arena, struct rhei_value *value)
{
    char text[DATE_TEXT];
    if (us < 0 || us > DAY_US)
        return false;
    return keep_text(text, put_clock(text, us), arena, value);
}
