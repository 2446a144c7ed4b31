/* SPDX-License-Identifier: Apache-2.0 */
/* The text of Arrow's decimals, dates, times and intervals, in ISO 8601 with a space between date and time. */
#include <inttypes.h>
#include <string.h>

#include "arrow_node.h"

static const int64_t units_per_second[] = {1, 1000, 1000000, 1000000000}; /* by enum ArrowTimeUnit */
static const int digits_of_unit[] = {0, 3, 6, 9};

enum { SECONDS_PER_DAY = 86400 };

static int64_t floor_divide(int64_t value, int64_t by, int64_t *rest)
{
    int64_t quotient = value / by;
    *rest = value % by;
    if (*rest < 0) {
        *rest += by;
        quotient--;
    }
    return quotient;
}

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar: Howard Hinnant, "chrono-Compatible Low-Level
 * Date Algorithms", civil_from_days. */
static void format_date(struct base_buffer *out, int64_t days)
{
    int64_t day_of_era;
    int64_t era = floor_divide(days + 719468, 146097, &day_of_era);
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153; /* 0 is March */
    int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    base_buffer_format(out, "%s%04" PRId64 "-%02" PRId64 "-%02" PRId64, year < 0 ? "-" : "", year < 0 ? -year : year,
                       month, day);
}

/* ".25": the fraction without trailing zeros, nothing for 0. */
static void format_fraction(struct base_buffer *out, int64_t fraction, int digits)
{
    if (fraction == 0)
        return;
    for (; fraction % 10 == 0; digits--)
        fraction /= 10;
    base_buffer_format(out, ".%0*" PRId64, digits, fraction);
}

static void format_time(struct base_buffer *out, int64_t seconds, int64_t fraction, int digits)
{
    base_buffer_format(out, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, seconds / 3600, seconds / 60 % 60, seconds % 60);
    format_fraction(out, fraction, digits);
}

static void format_timestamp(struct base_buffer *out, int64_t value, enum ArrowTimeUnit unit, const char *timezone)
{
    int64_t fraction, second_of_day;
    int64_t seconds = floor_divide(value, units_per_second[unit], &fraction);
    format_date(out, floor_divide(seconds, SECONDS_PER_DAY, &second_of_day));
    base_buffer_char(out, ' ');
    format_time(out, second_of_day, fraction, digits_of_unit[unit]);
    if (timezone != NULL && timezone[0] != '\0')
        base_buffer_text(out, "+00:00");
}

static void format_time_of_day(struct base_buffer *out, int64_t value, enum ArrowTimeUnit unit)
{
    int64_t fraction;
    int64_t seconds = floor_divide(value, units_per_second[unit], &fraction);
    format_time(out, seconds, fraction, digits_of_unit[unit]);
}

/* Seconds of an ISO 8601 duration, with their sign: "-1.5S". */
static void format_seconds(struct base_buffer *out, int64_t value, int64_t per_second, int digits)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    base_buffer_format(out, "%s%" PRIu64, value < 0 ? "-" : "", size / (uint64_t)per_second);
    format_fraction(out, (int64_t)(size % (uint64_t)per_second), digits);
    base_buffer_char(out, 'S');
}

static void format_interval(struct base_buffer *out, const struct ArrowArrayView *view, int64_t row,
                            enum ArrowType type)
{
    struct ArrowInterval interval;
    memset(&interval, 0, sizeof interval);
    ArrowArrayViewGetIntervalUnsafe(view, row, &interval);
    base_buffer_char(out, 'P');
    if (type != NANOARROW_TYPE_INTERVAL_DAY_TIME)
        base_buffer_format(out, "%" PRId32 "M", interval.months);
    if (type == NANOARROW_TYPE_INTERVAL_MONTHS)
        return;
    base_buffer_format(out, "%" PRId32 "DT", interval.days);
    if (type == NANOARROW_TYPE_INTERVAL_DAY_TIME)
        format_seconds(out, interval.ms, 1000, 3);
    else
        format_seconds(out, interval.ns, 1000000000, 9);
}

static void format_decimal(const struct ArrowSchemaView *type, const struct ArrowArrayView *view, int64_t row,
                           struct base_buffer *out)
{
    struct ArrowDecimal decimal;
    ArrowDecimalInit(&decimal, type->decimal_bitwidth, type->decimal_precision, type->decimal_scale);
    ArrowArrayViewGetDecimalUnsafe(view, row, &decimal);
    struct ArrowBuffer text;
    ArrowBufferInit(&text);
    if (ArrowDecimalAppendStringToBuffer(&decimal, &text) == NANOARROW_OK)
        base_buffer_append(out, text.data, (size_t)text.size_bytes);
    else
        out->failed = true;
    ArrowBufferReset(&text);
}

static void format_uuid(const struct ArrowArrayView *view, int64_t row, struct base_buffer *out)
{
    struct ArrowBufferView bytes = ArrowArrayViewGetBytesUnsafe(view, row);
    for (int i = 0; i < 16; i++)
        base_buffer_format(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes.data.as_uint8[i]);
}

void arrow_format_scalar(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t row,
                         struct base_buffer *out)
{
    const struct ArrowSchemaView *type = &node->type;
    switch (type->type) {
    case NANOARROW_TYPE_DATE32:
        format_date(out, ArrowArrayViewGetIntUnsafe(view, row));
        break;
    case NANOARROW_TYPE_DATE64: {
        int64_t rest;
        format_date(out, floor_divide(ArrowArrayViewGetIntUnsafe(view, row), (int64_t)SECONDS_PER_DAY * 1000, &rest));
        break;
    }
    case NANOARROW_TYPE_TIME32:
    case NANOARROW_TYPE_TIME64:
        format_time_of_day(out, ArrowArrayViewGetIntUnsafe(view, row), type->time_unit);
        break;
    case NANOARROW_TYPE_TIMESTAMP:
        format_timestamp(out, ArrowArrayViewGetIntUnsafe(view, row), type->time_unit, type->timezone);
        break;
    case NANOARROW_TYPE_DURATION:
        base_buffer_text(out, "PT");
        format_seconds(out, ArrowArrayViewGetIntUnsafe(view, row), units_per_second[type->time_unit],
                       digits_of_unit[type->time_unit]);
        break;
    case NANOARROW_TYPE_INTERVAL_MONTHS:
    case NANOARROW_TYPE_INTERVAL_DAY_TIME:
    case NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO:
        format_interval(out, view, row, type->type);
        break;
    case NANOARROW_TYPE_UINT64:
        base_buffer_format(out, "%" PRIu64, ArrowArrayViewGetUIntUnsafe(view, row));
        break;
    case NANOARROW_TYPE_FIXED_SIZE_BINARY:
        format_uuid(view, row, out);
        break;
    default:
        format_decimal(type, view, row, out);
    }
}
