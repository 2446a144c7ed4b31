/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file demo.h
 * The parts of the demo: questions, answers, writers, and the screen.
 */
#ifndef DEMO_H
#define DEMO_H

#include "rhei/rhei.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* ---- Questions ---- */

struct demo_question {
    const char *words; /* as somebody would ask it */
    const char *label; /* short, for tables */
    const char *sql;
};
extern const struct demo_question demo_questions[];
extern const int demo_question_count;

/* ---- Answers ---- */

/** A whole result, kept to be shown and compared. */
struct demo_answer {
    char **names;
    uint32_t column_count;
    struct rhei_value *values; /* row by row; text and BLOBs are owned */
    uint64_t row_count;
    size_t capacity;
    const char *route, *rule;
    int64_t position, age_us, elapsed_us;
};
/** Asks, by the router or SQLite by itself, and reads every row. An error ends the demo. */
struct demo_answer demo_ask(rhei_db *db, const char *sql, bool only_sqlite);
void demo_answer_free(struct demo_answer *answer);
/** The same columns, rows and order, every value in class and bits. */
bool demo_same(const struct demo_answer *a, const struct demo_answer *b);
/** Why the router sends this text where it does, in EXPLAIN ROUTE's words; valid until the next call. */
const char *demo_reason(rhei_db *db, const char *sql);
bool demo_by_column_store(const struct demo_answer *answer);

/* ---- Writers ---- */

struct demo_writers;
struct demo_writers *demo_writers_start(rhei_db *db, int64_t flights);
/** Returns when every writer stands still; demo_writers_go lets them on. */
void demo_writers_pause(struct demo_writers *writers);
void demo_writers_go(struct demo_writers *writers);
uint64_t demo_writers_transactions(struct demo_writers *writers);
/** Ends and joins the threads, tells each kind's count in `delays` ..., frees. */
struct demo_writes {
    uint64_t delays, cancellations, extra_flights, swaps;
};
struct demo_writes demo_writers_stop(struct demo_writers **writers);

/* ---- Screen ---- */

void demo_screen_start(void);
/** Ends the demo with an error. */
_Noreturn void demo_fail(const char *what, const struct rhei_error *error);
void demo_heading(const char *words);
/** A paragraph, wrapped. */
void demo_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void demo_good(const char *format, ...) __attribute__((format(printf, 1, 2)));
void demo_show_sql(const char *sql);
/** The first rows of an answer as a table. */
void demo_show_rows(const struct demo_answer *answer, uint64_t rows);
/** "3.2 ms", "336,776", "107 times": each into a small buffer that several calls share in turn. */
const char *demo_time(int64_t us);
const char *demo_count(uint64_t count);
const char *demo_ratio(double ratio);
const char *demo_bold(const char *text);
const char *demo_dim(const char *text);

int64_t demo_now_us(void);
int64_t demo_median(int64_t *values, size_t count);
void *demo_allocate(size_t size);
void *demo_reallocate(void *memory, size_t size);

#endif
