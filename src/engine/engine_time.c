/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as people write them: ISO 8601, seconds since 1970, microseconds since 1970. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base_error.h"
#include "engine/engine_history.h"

#define SECONDS_BELOW INT64_C(100000000000)    /* the year 5138 */
#define MICROS_FROM   INT64_C(100000000000000) /* 1973; what lies between was probably meant as milliseconds */
#define DAY_US        (INT64_C(86400) * 1000000)

#define TIME_FORMS                                                                                                  \
    " is no point in time: give 2026-11-27T10:00:00Z (or with +01:00, or a date alone; without a zone it is UTC), " \
    "seconds since 1970, or microseconds since 1970"

/* "30d", "2 hours ago": a number with a word, which people mean as a distance from now. */
static bool is_distance(const char *text, size_t len)
{
    size_t at = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0, digits = at;
    while (at < len && text[at] >= '0' && text[at] <= '9')
        at++;
    if (at == digits)
        return false;
    while (at < len && text[at] == ' ')
        at++;
    return at < len && ((text[at] >= 'a' && text[at] <= 'z') || (text[at] >= 'A' && text[at] <= 'Z'));
}

static rhei_status unreadable(const char *text, size_t len, struct rhei_error *error)
{
    return error_set(error, RHEI_INVALID, "\"%.*s\"" TIME_FORMS "%s", (int)(len < 60 ? len : 60), text,
                     is_distance(text, len) ? "; a distance from now has no form: say when, in SQL also as "
                                              "unixepoch('now', '-30 days')"
                                            : "");
}

/* Nobody asks for what was before 1970 by a number; a distance from now is what looks like it. As a date it is a time like any. */
static rhei_status negative(double value, struct rhei_error *error)
{
    return error_set(
        error, RHEI_INVALID,
        "%.16g is before 1970, and numbers aren't counted back from now: give a date and time, seconds since "
        "1970, or microseconds since 1970; in SQL also unixepoch('now', '-30 days')",
        value);
}

static rhei_status of_integer(int64_t value, int64_t *micros, struct rhei_error *error)
{
    if (value < 0)
        return negative((double)value, error);
    if (value < SECONDS_BELOW) {
        *micros = value * 1000000;
        return RHEI_OK;
    }
    if (value < MICROS_FROM)
        return error_set(error, RHEI_INVALID,
                         "%" PRId64 " is neither seconds nor microseconds since 1970: are these milliseconds?", value);
    *micros = value;
    return RHEI_OK;
}

/* Exactly `count` digits. */
static bool digits(const char **at, const char *end, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++) {
        if (*at == end || **at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (*(*at)++ - '0');
    }
    return true;
}

static bool skip(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    (*at)++;
    return true;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + of_year - 719468;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool read_zone(const char **at, const char *end, int64_t *minutes)
{
    int hours = 0, rest = 0;
    *minutes = 0;
    if (*at == end || skip(at, end, 'Z') || skip(at, end, 'z'))
        return *at == end;
    bool west = **at == '-';
    if (!west && **at != '+')
        return false;
    (*at)++;
    if (!digits(at, end, 2, &hours))
        return false;
    (void)skip(at, end, ':');
    if (*at != end && !digits(at, end, 2, &rest))
        return false;
    *minutes = (hours * 60 + rest) * (west ? -1 : 1);
    return *at == end && hours < 24 && rest < 60;
}

static bool read_clock(const char **at, const char *end, int64_t *micros)
{
    int hour = 0, minute = 0, second = 0;
    int64_t fraction = 0;
    if (!digits(at, end, 2, &hour) || !skip(at, end, ':') || !digits(at, end, 2, &minute))
        return false;
    if (skip(at, end, ':') && !digits(at, end, 2, &second))
        return false;
    if (skip(at, end, '.'))
        for (int64_t unit = 100000; *at != end && **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
            fraction += (**at - '0') * unit;
    *micros = ((hour * 60 + minute) * INT64_C(60) + second) * 1000000 + fraction;
    return hour < 24 && minute < 60 && second < 60;
}

static bool read_iso(const char *text, size_t len, int64_t *micros)
{
    const char *at = text, *end = text + len;
    int year = 0, month = 0, day = 0;
    int64_t clock = 0, zone = 0;
    if (!digits(&at, end, 4, &year) || !skip(&at, end, '-') || !digits(&at, end, 2, &month) || !skip(&at, end, '-') ||
        !digits(&at, end, 2, &day) || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return false;
    if (at != end) {
        if (!skip(&at, end, 'T') && !skip(&at, end, 't') && !skip(&at, end, ' '))
            return false;
        if (!read_clock(&at, end, &clock))
            return false;
        (void)skip(&at, end, ' ');
        if (!read_zone(&at, end, &zone))
            return false;
    }
    *micros = days_of(year, month, day) * DAY_US + clock - zone * 60 * 1000000;
    return true;
}

static rhei_status of_real(double value, int64_t *micros, struct rhei_error *error)
{
    if (value < 0)
        return negative(value, error);
    if (!(value < (double)SECONDS_BELOW))
        return value < 9e18 ? of_integer((int64_t)value, micros, error)
                            : error_set(error, RHEI_INVALID, "%g" TIME_FORMS, value);
    *micros = (int64_t)(value * 1e6 + 0.5);
    return RHEI_OK;
}

rhei_status engine_time_text(const char *text, size_t len, int64_t *micros, struct rhei_error *error)
{
    char copy[64], *end = copy;
    while (len > 0 && *text == ' ') {
        text++;
        len--;
    }
    while (len > 0 && text[len - 1] == ' ')
        len--;
    if (read_iso(text, len, micros))
        return RHEI_OK;
    if (len == 0 || len >= sizeof copy || strspn(text, "+-0123456789.eE") < len)
        return unreadable(text, len, error);
    memcpy(copy, text, len);
    copy[len] = '\0';
    errno = 0;
    int64_t whole = strtoll(copy, &end, 10);
    if (*end == '\0' && errno != ERANGE)
        return of_integer(whole, micros, error);
    double real =
        strtod(copy, &end); /* digits, a point and an exponent: what a locale may do to the point makes it unreadable */
    return *end == '\0' ? of_real(real, micros, error) : unreadable(text, len, error);
}

bool engine_time_is_number(const struct rhei_value *value)
{
    const char *text = value->type == RHEI_TEXT ? value->as.bytes : NULL;
    uint32_t at = 0;
    int64_t micros = 0;
    while (text != NULL && at < value->length && text[at] == ' ')
        at++;
    return text != NULL ? !read_iso(text + at, value->length - at, &micros)
                        : value->type == RHEI_INTEGER || value->type == RHEI_REAL;
}

rhei_status engine_time_value(const struct rhei_value *value, struct rhei_value *micros, struct rhei_error *error)
{
    int64_t time = 0;
    rhei_status status = RHEI_OK;
    *micros = (struct rhei_value){.type = RHEI_NULL};
    switch (value->type) {
    case RHEI_NULL:
        return error_set(error, RHEI_INVALID, "NULL" TIME_FORMS);
    case RHEI_INTEGER:
        status = of_integer(value->as.integer, &time, error);
        break;
    case RHEI_REAL:
        status = of_real(value->as.real, &time, error);
        break;
    case RHEI_TEXT:
        status = engine_time_text(value->as.bytes, value->length, &time, error);
        break;
    default:
        return error_set(error, RHEI_INVALID, "a BLOB" TIME_FORMS);
    }
    *micros = (struct rhei_value){.type = RHEI_INTEGER, .as.integer = time};
    return status;
}

void engine_time_show(int64_t micros, char text[ENGINE_TIME_BYTES])
{
    int64_t rest = micros % 1000000;
    time_t seconds = (time_t)((micros - rest) / 1000000 - (rest < 0));
    struct tm utc;
    rest += rest < 0 ? 1000000 : 0;
    if (gmtime_r(&seconds, &utc) == NULL || utc.tm_year + 1900 > 9999 || utc.tm_year + 1900 < 0) {
        (void)snprintf(text, ENGINE_TIME_BYTES, "%" PRId64, micros);
        return;
    }
    (void)snprintf(text, ENGINE_TIME_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                   utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)rest);
}
