/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's own code for single values, so that another engine computes exactly the same; and the list of it. */
#include <math.h>
#include <string.h>

#include "oltp/oltp_internal.h"
#include "sql/sql_number.h"

static bool function_like(const char *pattern, const char *text, uint32_t escape)
{
    return sqlite3_strlike(pattern, text, escape) == 0;
}

static bool function_glob(const char *pattern, const char *text, uint32_t none)
{
    (void)none;
    return sqlite3_strglob(pattern, text) == 0;
}

#ifdef SQLITE_DBCONFIG_FP_DIGITS
#define FUNCTION_REAL "%!.17g"
#else
#define FUNCTION_REAL "%!.15g" /* before the number of digits could be chosen */
#endif

/* As sqlite3VdbeMemStringify does it: so many significant digits at most, always with a point or an exponent. */
uint32_t oltp_real_text(double value, char out[EXECUTOR_TEXT_BYTES])
{
    sqlite3_snprintf(EXECUTOR_TEXT_BYTES, out, FUNCTION_REAL, value);
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
    if (!(value >= -whole && value <= whole))
        return value;
    if (digits == 0)
        return (double)(int64_t)(value + (value < 0 ? -0.5 : +0.5));
    return function_round_text(value, (int)digits);
}

/* SQLite takes any number of modifiers; who writes the texts gives seven at most. */
/* clang-format off */
#define DATED(called, fewest, most, form) \
    {"rhei_" called, fewest, most, form, .as.evaluated = {.function = called, .dated = true}}
/* clang-format on */

static const struct executor_helper list[] = {
    {"rhei_like", 2, 3, EXECUTOR_TEXTS_TRUTH, .as.texts_truth = function_like},
    {"rhei_glob", 2, 2, EXECUTOR_TEXTS_TRUTH, .as.texts_truth = function_glob},
    {"rhei_real_text", 1, 1, EXECUTOR_REAL_TEXT, .as.real_text = oltp_real_text},
    {"rhei_round", 1, 2, EXECUTOR_REAL_REAL, .as.real_real = function_round},
    {"rhei_text_real", 1, 1, EXECUTOR_EVALUATED_REAL, .as.evaluated = {.expression = "CAST(?1 AS REAL)"}},
    {"rhei_text_is_integer", 1, 1, EXECUTOR_EVALUATED_TRUTH,
     .as.evaluated = {.expression = "typeof(?1 + 0) = 'integer'"}},
    DATED("date", 1, 8, EXECUTOR_EVALUATED_TEXT),
    DATED("time", 1, 8, EXECUTOR_EVALUATED_TEXT),
    DATED("datetime", 1, 8, EXECUTOR_EVALUATED_TEXT),
    DATED("strftime", 2, 9, EXECUTOR_EVALUATED_TEXT),
    DATED("julianday", 1, 8, EXECUTOR_EVALUATED_REAL),
    DATED("unixepoch", 1, 8, EXECUTOR_EVALUATED_INTEGER),
};

const struct executor_helpers *oltp_helpers(void)
{
    static const struct executor_helpers helpers = {
        .list = list,
        .count = sizeof list / sizeof list[0],
        .evaluator = {.open = oltp_evaluator_open, .evaluate = oltp_evaluate, .close = oltp_evaluator_close},
    };
    return &helpers;
}
