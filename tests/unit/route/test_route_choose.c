/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in the way of a decision means that SQLite answers, at once; and what costs what with many tables. */
#include "route_fixture.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_clock.h"

static struct routed routed;

static void end_routed(void)
{
    routed_end(&routed);
}

/* ---- A shell that is fed line by line. --------------------------------------------------------------------------- */

struct shell {
    FILE *in, *out;
    pid_t pid;
};

static void shell_open(struct shell *shell)
{
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    shell->pid = fork();
    assert_true(shell->pid >= 0);
    if (shell->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execlp("sqlite3", "sqlite3", "-batch", "-cmd", ".timeout 60000", routed.path, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    shell->in = fdopen(in[1], "w");
    shell->out = fdopen(out[0], "r");
}

/* Returns when all of it has run. */
static void shell_run(struct shell *shell, const char *sql)
{
    char line[200];
    fprintf(shell->in, "%s\nSELECT 'ran';\n", sql);
    fflush(shell->in);
    do
        assert_non_null(fgets(line, sizeof line, shell->out));
    while (strcmp(line, "ran\n") != 0);
}

static void shell_close(struct shell *shell)
{
    int status;
    fclose(shell->in);
    fclose(shell->out);
    assert_int_equal(waitpid(shell->pid, &status, 0), shell->pid);
}

/* ---- A foreign write after a change of the schema. --------------------------------------------------------------- */

static void ask(const char *sql, const char *rule)
{
    const char *got = routed_choose(&routed, sql, NULL, 0, RHEI_ROUTE_AUTO, NULL);
    if (strcmp(got, rule) != 0)
        fail_msg("%s: %s instead of %s", sql, got, rule);
}

static void test_q8_a_foreign_write_after_ddl_holds_back_no_read(void **state)
{
    (void)state;
    routed_open(&routed, NULL, 3600000); /* who waits for the foreign writer waits for ever here */
    routed_write(&routed, "CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
    routed_write(&routed, "INSERT INTO t VALUES (1, 1)");
    routed_settle(&routed);
    ask("SELECT count(*) FROM t", "small-tables");
    struct shell shell;
    shell_open(&shell);
    shell_run(&shell, "CREATE TABLE x (a); BEGIN IMMEDIATE; INSERT INTO t VALUES (2, 2);");
    static const char *const known[] = {"SELECT count(*) FROM t", "SELECT v FROM t WHERE id = 1", "SELECT a FROM x"};
    for (int again = 0; again < 3; again++)
        for (size_t i = 0; i < 3; i++)
            ask(known[i], "schema-unsettled");
    shell_run(&shell, "COMMIT;");
    shell_close(&shell);
    routed_settle(&routed);
    ask("SELECT count(*) FROM t", "small-tables");
    ask("SELECT a FROM x", "small-tables");
    end_routed();
}

/* ---- Many tables. ------------------------------------------------------------------------------------------------ */

static int64_t cheapest_choice_ns(const char *sql)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < 300; i++) {
        int64_t start = base_now_ns();
        routed_choose(&routed, sql, NULL, 0, RHEI_ROUTE_AUTO, NULL);
        int64_t took = base_now_ns() - start;
        least = took < least ? took : least;
    }
    return least;
}

/* Linear in the tables it would be forty times as much. */
static void test_a_choice_costs_what_its_tables_cost(void **state)
{
    (void)state;
    char sql[200];
    int64_t ns[2] = {0, 0};
    for (int many = 0; many < 2; many++) {
        routed_open(&routed, NULL, 0);
        struct rhei_error error = RHEI_ERROR_INIT;
        for (int i = many ? 0 : 190; i < 200; i++) {
            snprintf(sql, sizeof sql, "CREATE TABLE t%03d (id INTEGER PRIMARY KEY, a, b)", i);
            assert_int_equal(oltp_write_script(routed.oltp, sql, strlen(sql), 0, NULL, &error), RHEI_OK);
        }
        routed_write(&routed,
                     "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 6000) INSERT INTO "
                     "t199 SELECT i, i % 7, i FROM k");
        routed_settle(&routed);
        ns[many] = cheapest_choice_ns("SELECT a, count(*), sum(t199.b) FROM t199 WHERE b > 10 GROUP BY a");
        end_routed();
    }
    printf("# a choice among 10 tables %lld ns, among 200 %lld ns\n", (long long)ns[0], (long long)ns[1]);
    assert_true(ns[1] < 4 * ns[0] + 2000);
}

/* ---- Limits. ------------------------------------------------------------------------------------------------------ */

static uint64_t cached_after(int count, size_t comment)
{
    char *sql = malloc(comment + 100);
    assert_non_null(sql);
    for (int i = 0; i < count; i++) {
        int used = snprintf(sql, 100, "SELECT %d + v FROM t /*", i);
        memset(sql + used, 'x', comment);
        memcpy(sql + used + comment, "*/", 3);
        routed_choose(&routed, sql, NULL, 0, RHEI_ROUTE_AUTO, NULL);
    }
    free(sql);
    return route_statements_cached(routed.route);
}

static void test_a11_the_cache_has_a_limit_in_number_and_in_bytes(void **state)
{
    (void)state;
    routed_open(&routed, NULL, 0);
    routed_write(&routed, "CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
    assert_int_equal(cached_after(1100, 10), 1024);
    assert_in_range(cached_after(200, 100000), 5, 40);
    uint64_t before = cached_after(1, 100000);
    assert_int_equal(cached_after(3, 5000000), before);
    end_routed();
}

/* ---- A text that SQLite refuses. --------------------------------------------------------------------------------- */

static void test_a_misspelt_text_asks_nobody_else(void **state)
{
    (void)state;
    routed_open(&routed, NULL, 0);
    routed_write(&routed, "CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
    struct route_statement *statement = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    static const char sql[] = "SELECT nosuch FROM t";
    assert_int_equal(route_statement_get(routed.route, sql, sizeof sql - 1, &statement, &error), RHEI_SQL);
    assert_int_equal(error.sql_offset, 7);
    assert_null(statement);
    end_routed();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q8_a_foreign_write_after_ddl_holds_back_no_read),
        cmocka_unit_test(test_a_choice_costs_what_its_tables_cost),
        cmocka_unit_test(test_a11_the_cache_has_a_limit_in_number_and_in_bytes),
        cmocka_unit_test(test_a_misspelt_text_asks_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
