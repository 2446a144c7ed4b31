/* SPDX-License-Identifier: Apache-2.0 */
/* A1: a transaction is visible to analytics whole or not at all, across tables, while eight writers move money about. */
#include "tests/support/engine_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { ACCOUNTS = 512, WRITERS = 8, TRANSFERS = 250, MONEY = 1000 };

struct bank {
    struct fixture fixture;
    atomic_int running;
    atomic_int failures;
    unsigned seed;
};
struct writer {
    struct bank *bank;
    unsigned number;
};

/* Half of the accounts are in each table; a transfer may cross. One script is one transaction. */
static void *transfer(void *argument)
{
    struct writer *writer = argument;
    unsigned seed = writer->bank->seed + writer->number;
    for (int i = 0; i < TRANSFERS; i++) {
        char sql[256];
        int amount = rand_r(&seed) % 50;
        snprintf(
            sql, sizeof sql,
            "UPDATE %s SET balance = balance - %d WHERE id = %d; UPDATE %s SET balance = balance + %d WHERE id = %d",
            rand_r(&seed) % 2 ? "left_side" : "right_side", amount, rand_r(&seed) % ACCOUNTS,
            rand_r(&seed) % 2 ? "left_side" : "right_side", amount, rand_r(&seed) % ACCOUNTS);
        if (rhei_execute_script(writer->bank->fixture.db, sql, NULL, NULL) != RHEI_OK)
            atomic_fetch_add(&writer->bank->failures, 1);
    }
    atomic_fetch_sub(&writer->bank->running, 1);
    return NULL;
}

static const char *const total = "SELECT (SELECT sum(balance) FROM left_side) + (SELECT sum(balance) FROM right_side)";

static int64_t ask_total(rhei_db *db, const struct rhei_query_options *options, bool *olap)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    if (rhei_query(db, total, NULL, options, &rows, &error) != RHEI_OK || rhei_rows_next(rows, &error) != RHEI_ROW)
        fail_msg("%s", error.message);
    int64_t sum = rhei_rows_int64(rows, 0);
    *olap = rhei_rows_route(rows)[1] == 'l' && rhei_rows_route(rows)[2] == 'a';
    rhei_rows_close(&rows);
    return sum;
}

static void test_a1_no_half_transaction_is_ever_seen(void **state)
{
    (void)state;
    struct bank bank = {.seed = 20240229};
    printf("# seed %u\n", bank.seed);
    struct rhei_config config = {.struct_size = sizeof config, .prefer_olap = true};
    fixture_init(&bank.fixture);
    fixture_open(&bank.fixture, &config);
    static const char *const sides[] = {"left_side", "right_side"};
    for (int s = 0; s < 2; s++) {
        char sql[300];
        snprintf(sql, sizeof sql, "CREATE TABLE %s (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)", sides[s]);
        must_execute(bank.fixture.db, sql);
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d) "
                 "INSERT INTO %s SELECT i, %d FROM c",
                 ACCOUNTS - 1, sides[s], MONEY);
        must_execute(bank.fixture.db, sql);
    }
    must_be_built(bank.fixture.db);
    const int64_t expected = 2 * (int64_t)ACCOUNTS * MONEY;
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    atomic_store(&bank.running, WRITERS);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&bank, i};
        assert_int_equal(pthread_create(&threads[i], NULL, transfer, &writers[i]), 0);
    }
    int asked = 0, by_olap = 0;
    struct rhei_query_options latest = {.struct_size = sizeof latest};
    struct rhei_query_options eventual = {.struct_size = sizeof eventual, .freshness = rhei_eventual()};
    while (atomic_load(&bank.running) > 0 || asked < 20) {
        bool olap = false;
        assert_int_equal(ask_total(bank.fixture.db, asked % 2 ? &latest : &eventual, &olap), expected);
        asked++;
        by_olap += olap;
    }
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&bank.failures), 0);
    assert_true(by_olap > asked / 2);
    must_verify(bank.fixture.db);
    fixture_end(&bank.fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a1_no_half_transaction_is_ever_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
