/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's own code for single values, so that another engine computes exactly the same. */
#include <math.h>
#include <string.h>

#include "oltp/oltp_internal.h"
#include "sql/sql_number.h"

static bool function_like(const char *pattern, const char *text, uint32_t escape)
{
    return sqlite3_strlike(pattern, text, escape) == 0;
}

static bool function_glob(const char *pattern, const char *text)
{
    return sqlite3_strglob(pattern, text) == 0;
}

#ifdef SQLITE_DBCONFIG_FP_DIGITS
#define FUNCTION_REAL "%!.17g"
#else
#define FUNCTION_REAL "%!.15g" /* before the number of digits could be chosen */
#endif

/* As sqlite3VdbeMemStringify does it: so many significant digits at most, always with a point or an exponent. */
static uint32_t function_real_text(double value, char out[40])
{
    sqlite3_snprintf(40, out, FUNCTION_REAL, value);
    return (uint32_t)strlen(out);
}

#ifdef SQLITE_DBCONFIG_FP_DIGITS
static double function_round_text(double value, int digits)
{
    char text[64];
    bool is_integer;
    int64_t integer;
    double rounded;
    sqlite3_snprintf((int)sizeof text, text, "%!.*f", digits, value);
    sql_number_from_text(text, strlen(text), &is_integer, &integer,
                         &rounded); /* to the nearest double, as SQLite does */
    return rounded;
}
#else
/* Before that, SQLite's reading of a text was off by a bit at times, so only SQLite itself gives its answer. Slow. */
static double function_round_text(double value, int digits)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT round(?1, ?2)", -1, &stmt, NULL) == SQLITE_OK) {
        sqlite3_bind_double(stmt, 1, value);
        sqlite3_bind_int(stmt, 2, digits);
        value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_double(stmt, 0) : value;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}
#endif

/* https://www.sqlite.org/lang_corefunc.html#round, by its own steps: through text for one digit or more. */
static double function_round(double value, int64_t digits)
{
    const double whole = 4503599627370496.0; /* 2^52: no fraction from here on */
    digits = digits > 30 ? 30 : digits < 0 ? 0 : digits;
    if (!(value >= -whole && value <= whole)) {
        return value;
    }
    if (digits == 0) {
        return (double)(int64_t)(value + (value < 0 ? -0.5 : +0.5));
    }
    return function_round_text(value, (int)digits);
}

static const struct oltp_functions functions = {
    .like = function_like,
    .glob = function_glob,
    .real_text = function_real_text,
    .round = function_round,
};

const struct oltp_functions *oltp_functions(void)
{
    return &functions;
}
