/* SPDX-License-Identifier: Apache-2.0 */
/* Money moves between accounts of two tables; every snapshot of both has all of it. */
#include "sync_fixture.h"

#include <string.h>

enum { WRITERS = 8, READERS = 2, ACCOUNTS = 200, EACH = 1000, TRANSFERS = 3000 };
static const char *const BANKS[] = {"north", "south"};

struct bank {
    struct fixture fixture;
    atomic_bool stop;
    _Atomic uint64_t looks;
};

struct teller {
    struct bank *bank;
    base_thread thread;
    uint64_t random;
};

static int64_t balance(struct list_txn *txn, const char *bank, int64_t account)
{
    const struct rhei_value *values = NULL;
    assert_true(list_get(txn, bank, account, &values));
    return values[1].as.integer;
}

static void transfer(struct list_store *store, uint64_t *random)
{
    struct list_txn *txn = list_begin(store);
    const char *from = BANKS[test_random(random) % 2], *to = BANKS[test_random(random) % 2];
    int64_t payer = (int64_t)(test_random(random) % ACCOUNTS), payee = (int64_t)(test_random(random) % ACCOUNTS);
    int64_t amount = (int64_t)(test_random(random) % 50);
    put_row(txn, from, payer, balance(txn, from, payer) - amount);
    put_row(txn, to, payee, balance(txn, to, payee) + amount);
    list_commit(txn);
}

static void move_money(void *argument)
{
    struct teller *teller = argument;
    for (int i = 0; i < TRANSFERS; i++) {
        transfer(teller->bank->fixture.store, &teller->random);
        sync_wake(teller->bank->fixture.sync);
    }
}

static int64_t sum_vector(const struct mirror_table_view *view, uint32_t segment, uint32_t v)
{
    int64_t sum = 0;
    struct mirror_vector vector;
    mirror_view_vector(view, segment, v, &vector);
    for (uint32_t r = 0; r < vector.rows; r++) {
        struct rhei_value value;
        if (vector.dead && (vector.dead[r / 64] >> (r % 64) & 1))
            continue;
        mirror_view_value(view, segment, v * MIRROR_VECTOR_ROWS + r, 1, &value);
        sum += value.as.integer;
    }
    return sum;
}

static int64_t sum_table(const struct mirror_snapshot *snapshot, uint32_t table)
{
    int64_t sum = 0;
    const struct mirror_table_view *view = mirror_view(snapshot, table);
    assert_non_null(view);
    assert_int_equal(mirror_view_row_count(view), ACCOUNTS);
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++)
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(view, s); v++)
            sum += sum_vector(view, s, v);
    return sum;
}

static void audit(void *argument)
{
    struct bank *bank = argument;
    struct fixture *fixture = &bank->fixture;
    uint32_t north = list_table_id(fixture->store, "north"), south = list_table_id(fixture->store, "south");
    for (uint64_t look = 0; !atomic_load(&bank->stop); look++) {
        if (look % 3 == 0)
            must_latest(fixture);
        struct mirror_snapshot snapshot;
        assert_int_equal(mirror_snapshot_take(fixture->mirror, &snapshot), RHEI_OK);
        int64_t total = sum_table(&snapshot, north) + sum_table(&snapshot, south);
        assert_int_equal(total, 2 * ACCOUNTS * EACH);
        assert_int_equal(sum_table(&snapshot, north) + sum_table(&snapshot, south), total); /* and stays */
        mirror_snapshot_release(&snapshot);
        atomic_fetch_add(&bank->looks, 1);
    }
}

static void test_a1_bank(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct bank bank = {.fixture = {.seed = random}};
    fixture_open(&bank.fixture, (struct sync_config){.prune = true, .batch_rows = 5});
    for (size_t b = 0; b < 2; b++)
        list_create(bank.fixture.store, BANKS[b], 3);
    struct list_txn *txn = list_begin(bank.fixture.store);
    for (int64_t account = 0; account < ACCOUNTS; account++)
        for (size_t b = 0; b < 2; b++)
            put_row(txn, BANKS[b], account, EACH);
    list_commit(txn);
    assert_int_equal(sync_start(bank.fixture.sync, NULL), RHEI_OK);
    must_build(&bank.fixture);

    struct teller tellers[WRITERS];
    base_thread readers[READERS];
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(base_thread_start(&readers[i], "auditor", audit, &bank, NULL), RHEI_OK);
    for (size_t i = 0; i < WRITERS; i++) {
        tellers[i] = (struct teller){.bank = &bank, .random = test_random(&random) | 1};
        assert_int_equal(base_thread_start(&tellers[i].thread, "teller", move_money, &tellers[i], NULL), RHEI_OK);
    }
    for (size_t i = 0; i < WRITERS; i++)
        base_thread_join(&tellers[i].thread);
    atomic_store(&bank.stop, true);
    for (size_t i = 0; i < READERS; i++)
        base_thread_join(&readers[i]);
    assert_true(atomic_load(&bank.looks) > 0);
    must_be_current(&bank.fixture, BANKS, 2);
    fixture_close(&bank.fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a1_bank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
