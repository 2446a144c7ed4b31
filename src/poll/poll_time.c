/* SPDX-License-Identifier: Apache-2.0 */
/* What moment a timestamp of an application means, by its form. */
#include "poll.h"

#include <math.h>

#define SECOND_US INT64_C(1000000)
#define DAY_S     INT64_C(86400)

static bool of_integer(int64_t value, int64_t *time_us)
{
    if (value < INT64_C(100000000)) /* before 1973: rather a counter */
        return false;
    if (value < INT64_C(100000000000))
        *time_us = value * SECOND_US;
    else if (value < INT64_C(100000000000000))
        *time_us = value * 1000;
    else if (value < INT64_C(100000000000000000))
        *time_us = value;
    else
        *time_us = value / 1000;
    return true;
}

static bool of_real(double value, int64_t *time_us)
{
    if (value > 2.4e6 && value < 2.6e6) { /* a Julian day */
        *time_us = (int64_t)llround((value - 2440587.5) * 86400e6);
        return true;
    }
    if (!(value >= 1e8 && value < 9e18))
        return false;
    if (value >= 1e11)
        return of_integer((int64_t)value, time_us);
    *time_us = (int64_t)llround(value * 1e6);
    return true;
}

struct text {
    const char *at, *end;
};

static bool digits(struct text *text, int count, int64_t *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, text->at++) {
        if (text->at == text->end || *text->at < '0' || *text->at > '9')
            return false;
        *value = *value * 10 + (*text->at - '0');
    }
    return true;
}

static bool one_of(struct text *text, char a, char b)
{
    if (text->at == text->end || (*text->at != a && *text->at != b))
        return false;
    text->at++;
    return true;
}

/* Days since 1970 of a date of the proleptic Gregorian calendar (Hinnant, days_from_civil). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t fraction_of(struct text *text)
{
    int64_t value = 0, unit = 100000;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++, unit /= 10)
        value += (*text->at - '0') * unit;
    return value;
}

/* "Z", "+02:00", "-0530", "+02" or nothing, which is taken for UTC. */
static bool zone_of(struct text *text, int64_t *seconds)
{
    int64_t hours = 0, minutes = 0;
    *seconds = 0;
    if (text->at == text->end)
        return true;
    if (one_of(text, 'Z', 'z'))
        return text->at == text->end;
    bool behind = *text->at == '-';
    if (!one_of(text, '+', '-') || !digits(text, 2, &hours))
        return false;
    (void)one_of(text, ':', ':');
    if (text->at != text->end && !digits(text, 2, &minutes))
        return false;
    *seconds = (hours * 3600 + minutes * 60) * (behind ? -1 : 1);
    return text->at == text->end;
}

static bool of_text(const struct rhei_value *value, int64_t *time_us)
{
    struct text text = {value->as.bytes, (const char *)value->as.bytes + value->length};
    int64_t year, month, day, hour = 0, minute = 0, second = 0, fraction = 0, zone = 0;
    if (!digits(&text, 4, &year) || !one_of(&text, '-', '-') || !digits(&text, 2, &month) || !one_of(&text, '-', '-') ||
        !digits(&text, 2, &day) || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    if (one_of(&text, 'T', ' ')) {
        if (!digits(&text, 2, &hour) || !one_of(&text, ':', ':') || !digits(&text, 2, &minute))
            return false;
        if (one_of(&text, ':', ':') && !digits(&text, 2, &second))
            return false;
        if (one_of(&text, '.', ','))
            fraction = fraction_of(&text);
        (void)one_of(&text, ' ', ' ');
        if (!zone_of(&text, &zone))
            return false;
    } else if (text.at != text.end) {
        return false;
    }
    *time_us = (days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - zone) * SECOND_US + fraction;
    return true;
}

bool poll_time_of(const struct rhei_value *stamp, int64_t *time_us)
{
    switch (stamp->type) {
    case RHEI_INTEGER:
        return of_integer(stamp->as.integer, time_us);
    case RHEI_REAL:
        return of_real(stamp->as.real, time_us);
    case RHEI_TEXT:
        return stamp->length > 0 && of_text(stamp, time_us);
    default:
        return false;
    }
}
