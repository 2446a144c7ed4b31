/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sum, avg and total with SQLite's rules for classes, and REAL sums that depend on no order: the exact sum, rounded once.
 * So the row store and the column store give the same bits. Integers are added exactly; SQLite's "integer overflow" is raised
 * when the sum itself is too big for an integer, not when an order of adding passes through such a value.
 */
#include "base/base_exact_sum.h"
#include "oltp/oltp_internal.h"

__extension__ typedef __int128 sum_wide;
__extension__ typedef unsigned __int128 sum_bits;

struct sum {
    struct base_exact_sum exact; /* of all values once there was a REAL */
    uint64_t low;                /* of the integers before that: 128 bits, in an 8-byte aligned struct */
    int64_t high;
    int64_t count;
    bool approximate; /* there was a REAL: the result is one, as in SQLite */
    bool no_memory;
};

/* by unsigned bits: C leaves the shift of a negative number undefined */
static sum_wide sum_total(const struct sum *sum)
{
    return (sum_wide)((sum_bits)(uint64_t)sum->high << 64 | sum->low);
}

static void sum_add_integer(struct sum *sum, int64_t value, bool take)
{
    sum_wide total = sum_total(sum);
    total = take ? total - value : total + value;
    sum->low = (uint64_t)total;
    sum->high = (int64_t)(total >> 64);
}

static void sum_go_approximate(struct sum *sum)
{
    sum_wide total = sum_total(sum);
    sum->approximate = true;
    while (total != 0 && !sum->no_memory) {
        sum_wide part = total > INT64_MAX ? INT64_MAX : total < INT64_MIN ? INT64_MIN : total;
        sum->no_memory = !base_exact_sum_add_integer(&sum->exact, (int64_t)part);
        total -= part;
    }
}

static void sum_take(sqlite3_context *context, sqlite3_value *value, bool inverse)
{
    struct sum *sum = sqlite3_aggregate_context(context, sizeof *sum);
    int type = sqlite3_value_numeric_type(value);
    if (sum == NULL || type == SQLITE_NULL)
        return;
    sum->count += inverse ? -1 : 1;
    if (type != SQLITE_INTEGER && !sum->approximate)
        sum_go_approximate(sum);
    bool ok = true;
    if (!sum->approximate) {
        sum_add_integer(sum, sqlite3_value_int64(value), inverse);
    } else if (type == SQLITE_INTEGER) {
        int64_t integer = sqlite3_value_int64(value);
        ok = inverse ? base_exact_sum_subtract_integer(&sum->exact, integer)
                     : base_exact_sum_add_integer(&sum->exact, integer);
    } else {
        double real = sqlite3_value_double(value);
        ok = inverse ? base_exact_sum_subtract(&sum->exact, real) : base_exact_sum_add(&sum->exact, real);
    }
    sum->no_memory |= !ok;
}

static void sum_step(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    sum_take(context, argv[0], false);
}

static void sum_inverse(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    sum_take(context, argv[0], true);
}

static double sum_real(const struct sum *sum)
{
    return sum->approximate ? base_exact_sum_result(&sum->exact) : (double)sum_total(sum);
}

enum sum_kind { SUM_SUM, SUM_AVG, SUM_TOTAL };

static void sum_result(sqlite3_context *context, const struct sum *sum, enum sum_kind kind)
{
    if (sum != NULL && sum->no_memory)
        sqlite3_result_error_nomem(context);
    else if (kind == SUM_TOTAL)
        sqlite3_result_double(context, sum == NULL ? 0.0 : sum_real(sum));
    else if (sum == NULL || sum->count == 0)
        sqlite3_result_null(context);
    else if (kind == SUM_AVG)
        sqlite3_result_double(context, sum_real(sum) / (double)sum->count);
    else if (sum->approximate)
        sqlite3_result_double(context, sum_real(sum));
    else if (sum->high == ((int64_t)sum->low < 0 ? -1 : 0))
        sqlite3_result_int64(context, (int64_t)sum->low);
    else
        sqlite3_result_error(context, "integer overflow", -1);
}

static void sum_value(sqlite3_context *context)
{
    sum_result(context, sqlite3_aggregate_context(context, 0), (enum sum_kind)(uintptr_t)sqlite3_user_data(context));
}

static void sum_final(sqlite3_context *context)
{
    struct sum *sum = sqlite3_aggregate_context(context, 0);
    sum_result(context, sum, (enum sum_kind)(uintptr_t)sqlite3_user_data(context));
    if (sum != NULL)
        base_exact_sum_reset(&sum->exact);
}

int oltp_sum_register(sqlite3 *db)
{
    static const char *const names[] = {"sum", "avg", "total"};
    int rc = SQLITE_OK;
    for (uintptr_t kind = SUM_SUM; kind <= SUM_TOTAL && rc == SQLITE_OK; kind++) {
        rc = sqlite3_create_window_function(db, names[kind], 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                            (void *)kind, sum_step, sum_final, sum_value, sum_inverse, NULL);
    }
    return rc;
}
