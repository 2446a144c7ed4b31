/* SPDX-License-Identifier: Apache-2.0 */
/* A real mirror with a real executor over it; which one, and how it is opened, the rooms say. */
#ifndef TESTS_SUPPORT_EXECUTOR_FIXTURE_H
#define TESTS_SUPPORT_EXECUTOR_FIXTURE_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "mirror/mirror.h"
#include "port/executor.h"

enum { FIXTURE_COLUMNS = 8 };

struct fixture {
    struct mirror *mirror;
    struct executor *executor;
    _Atomic int64_t position;
};

/* What an executor's dialect calls what all of them have, for tests that all of them share. A room's fixture defines it. */
struct executor_words {
    const char *type_of;                      /* a function of a value */
    const char *integer, *real, *text, *blob; /* what it gives of these */
    const char *long_blob;                    /* FIXTURE_LONG_BLOB as a literal */
    /* Over 200,000 rows of mirror_scan(1, 0) with an integer column v, or over nothing: computes for minutes; the second sorts. */
    const char *endless, *endless_sort;
    const char *values[2];  /* of executor_query.values, as integers */
    const char *text_value; /* the first one, as a text */
    const char *recursive;  /* gives 1|6000 of a fixture_pair of 3,000 rows; NULL: recursion isn't computed */
};
extern const struct executor_words fixture_words;
#define FIXTURE_LONG_BLOB "\0 a BLOB that is longer than what lies inline"

/* cmocka's set-up, of the room: *state is the fixture, with an executor of two threads and a gigabyte. */
int fixture_set_up(void **state);
/* A mirror, and no executor yet. */
struct fixture *fixture_begin(void);
/* cmocka's; *state is the fixture. */
int fixture_tear_down(void **state);
void must(rhei_status status, const struct rhei_error *error);

/* The tests that all executors share, run as a group; the exit code of the program. */
int executor_scan_tests(void);
int executor_statement_tests(void);
int executor_stream_tests(void);

uint64_t fixture_random(uint64_t *state); /* xorshift; the state isn't 0 */
/* Doubles of twenty decades and both signs: any other order of adding gives other bits. */
double fixture_random_double(uint64_t *state);

/*
 * A table whose first column is the integer key. `columns` names them with affinities: "id I, name T, amount R, any B";
 * N is NUMERIC. A column called "rowid" is the hidden one.
 */
void fixture_table(struct fixture *fixture, uint32_t id, const char *name, const char *columns);

/* Tables 1 and 2 of pairs (id, version): every published state has one version number in all rows of both. */
void fixture_pair(struct fixture *fixture, int64_t rows_each);
void fixture_write_version(struct fixture *fixture, int64_t version, int64_t rows_each);

struct rhei_value value_null(void);
struct rhei_value value_int(int64_t integer);
struct rhei_value value_real(double real);
struct rhei_value value_text(const char *text);
struct rhei_value value_blob(const void *bytes, uint32_t length);

/* Rows collected, then applied as one batch; several batches are seen at once after fixture_publish. */
struct rows {
    uint32_t column_count;
    size_t count, capacity;
    struct rhei_value *columns[FIXTURE_COLUMNS];
    uint8_t *op;
};
void rows_add(struct rows *rows, const struct rhei_value *values, uint32_t count);
void rows_delete(struct rows *rows, int64_t key, uint32_t column_count);
void fixture_apply(struct fixture *fixture, uint32_t table, struct rows *rows); /* empties the rows */
void fixture_publish(struct fixture *fixture);

/* Fills {sql, snapshot}; the snapshot is a new one of the fixture's. */
struct question {
    struct executor_query query;
    struct mirror_snapshot snapshot;
};
void question_open(struct fixture *fixture, const char *sql, struct question *question);
void question_close(struct question *question);

/* The whole answer as text: cells between '|', rows between '\n'. Free with base_free. */
char *answer_of(struct fixture *fixture, const struct executor_query *query);
char *ask(struct fixture *fixture, const char *sql);
void assert_answer(struct fixture *fixture, const char *sql, const char *expected);
int64_t ask_integer(struct fixture *fixture, const char *sql);
/* Fails in run; the message must contain `word`. */
void assert_refused(struct fixture *fixture, const struct executor_query *query, rhei_status status, const char *word);
void assert_fails(struct fixture *fixture, const char *sql, rhei_status status, const char *word);

#endif
