/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers of the row store's tests: temporary files, foreign writers, and a map kept by the change source. */
#ifndef TESTS_OLTP_TEST_H
#define TESTS_OLTP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/capture.h"

struct oltp_test {
    char folder[128];
    char path[160];
    struct oltp *oltp;
    struct change_source *source;
    int64_t position;
};

void test_open(struct oltp_test *test); /* a folder of its own, database "t.db" in it */
void test_open_memory(struct oltp_test *test);
void test_reopen(struct oltp_test *test);
void test_shut(struct oltp_test *test);  /* before a fork: SQLite's locks don't survive one */
void test_close(struct oltp_test *test); /* removes the folder */
void test_default_config(const struct oltp_test *test, struct oltp_config *config);

/* Writes through the handle; fails the test on an error. */
void test_write(struct oltp_test *test, const char *sql);
rhei_status test_try(struct oltp_test *test, const char *sql, struct rhei_error *error);
void test_script(struct oltp_test *test, const char *sql);
int64_t test_int(struct oltp_test *test, const char *sql);
/* Result as text: values joined by '|', rows by newline; quote()d. Free with base_free. */
char *test_rows(struct oltp_test *test, const char *sql);
void test_expect(struct oltp_test *test, const char *sql, const char *rows);

/* Runs the stock shell / Python's module on the file; returns its exit status. */
int test_shell(const struct oltp_test *test, const char *sql);
/* A script that goes on after its errors. */
void test_shell_script(const struct oltp_test *test, const char *script, size_t len);
int test_python(const struct oltp_test *test, const char *code); /* `db` is an open connection, isolation_level=None */

/* The file anew, with the versions of every table but "plain" kept by its triggers, if `keep`. */
void test_reopen_keeping(struct oltp_test *test, bool keep);

/* What comes by chance, the same from the same seed: 64 bits; a number below another. */
uint64_t test_bits(uint64_t *seed);
uint32_t test_pick(uint64_t *seed, uint32_t below);

/* ---- A mirror of one's own: key -> row, kept by cycles and loads. ---- */

struct test_mirror;
struct test_mirror *test_mirror_new(struct oltp_test *test);
void test_mirror_free(struct test_mirror **mirror);
/* One cycle: loads tables that are new, applies the changes; asserts no error. Returns the number of changes. */
uint64_t test_mirror_cycle(struct test_mirror *mirror);
/* Cycle, then every table of the mirror must equal SQLite's, value by value, bit for bit. */
void test_mirror_check(struct test_mirror *mirror);
bool test_mirror_has(struct test_mirror *mirror, const char *table);
uint32_t test_mirror_id(struct test_mirror *mirror, const char *table);
uint64_t test_mirror_loads(struct test_mirror *mirror);
bool test_mirror_was_lost(struct test_mirror *mirror);
uint64_t test_mirror_losses(
    struct test_mirror *mirror); /* tables whose own changes were lost, and that were loaded again */

#endif
