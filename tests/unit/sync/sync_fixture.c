/* SPDX-License-Identifier: Apache-2.0 */
#include "sync_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fault(void *context, const char *point)
{
    struct fixture *fixture = context;
    if (fixture->at_point)
        fixture->at_point(fixture, point);
}

static void write_log(void *context, int level, const char *room, const char *message)
{
    (void)context;
    (void)level;
    print_message("# %s: %s\n", room, message);
}

static const struct base_log LOG = {write_log, NULL, BASE_LOG_ERROR};

void fixture_open_on(struct fixture *fixture, struct list_store *store, struct sync_config config)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct mirror_config mirror = {.memory_limit = fixture->memory_limit};
    fixture->store = store;
    fixture->source = list_source_open(store);
    assert_int_equal(mirror_open(&mirror, &fixture->mirror, &error), RHEI_OK);
    config.mirror = fixture->mirror;
    config.source = fixture->source;
    config.batch_rows = config.batch_rows ? config.batch_rows : 7;
    config.build_threads = config.build_threads ? config.build_threads : 2;
    config.log = &LOG;
    config.fault = fault;
    config.fault_context = fixture;
    assert_int_equal(sync_open(&config, &fixture->sync, &error), RHEI_OK);
}

void fixture_open(struct fixture *fixture, struct sync_config config)
{
    fixture->owns_store = true;
    fixture->seed = fixture->seed ? fixture->seed : 1;
    fixture_open_on(fixture, list_store_new(fixture->seed), config);
}

void fixture_close(struct fixture *fixture)
{
    sync_close(&fixture->sync);
    mirror_close(&fixture->mirror);
    fixture->source->ops->close(&fixture->source);
    if (!fixture->owns_store)
        return;
    assert_int_equal(list_breaches(fixture->store), 0);
    list_store_free(&fixture->store);
}

uint64_t test_seed(void)
{
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : base_random_u64();
    print_message("# RHEI_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed | 1;
}

uint64_t test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(2685821657736338717);
}

void put_row(struct list_txn *txn, const char *table, int64_t key, int64_t number)
{
    char text[64];
    snprintf(text, sizeof text, number % 3 ? "row %lld" : "a longer text that is not kept inline: %lld",
             (long long)number);
    struct rhei_value values[8] = {list_integer(key), list_integer(number), list_text(text)};
    list_put(txn, table, values); /* further columns are NULL */
}

static void patch_row(struct list_txn *txn, const char *table, int64_t key, int64_t number, uint64_t unchanged)
{
    char text[64];
    snprintf(text, sizeof text, "patched %lld", (long long)number);
    struct rhei_value values[8] = {list_integer(key), list_integer(number), list_text(text)};
    list_patch(txn, table, values, unchanged);
}

int64_t commit_row(struct list_store *store, const char *table, int64_t key, int64_t number)
{
    struct list_txn *txn = list_begin(store);
    put_row(txn, table, key, number);
    return list_commit(txn);
}

void fill_table(struct list_store *store, const char *table, int64_t rows)
{
    struct list_txn *txn = list_begin(store);
    for (int64_t key = 1; key <= rows; key++)
        put_row(txn, table, key, key);
    list_commit(txn);
}

int64_t random_transaction(struct list_store *store, uint64_t *random, const char *const *tables, size_t count,
                           int64_t keys)
{
    struct list_txn *txn = list_begin(store);
    uint64_t changes = 1 + test_random(random) % 12;
    for (uint64_t i = 0; i < changes; i++) {
        const char *table = tables[test_random(random) % count];
        int64_t key = (int64_t)(test_random(random) % (uint64_t)keys);
        uint64_t what = test_random(random) % 10;
        const struct rhei_value *old = NULL;
        if (test_random(random) % 200 == 0)
            list_clear(txn, table);
        else if (what < 3 && list_get(txn, table, key, &old))
            patch_row(txn, table, key, (int64_t)(test_random(random) % 1000), test_random(random) % 8 & ~UINT64_C(1));
        else if (what < 6)
            put_row(txn, table, key, (int64_t)(test_random(random) % 1000));
        else if (what < 8)
            list_remove(txn, table, key);
        else
            list_rekey(txn, table, key, (int64_t)(test_random(random) % (uint64_t)keys));
    }
    return list_commit(txn);
}

static void must(rhei_status status, const struct rhei_error *error)
{
    if (status != RHEI_OK)
        fail_msg("%d: %s", (int)status, error->message);
}

void must_build(struct fixture *fixture)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(sync_build(fixture->sync, true, base_now_ns() + LIMIT_NS, NULL, &error), &error);
}

void must_cycle(struct fixture *fixture)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(sync_cycle(fixture->sync, NULL, &error), &error);
}

void must_latest(struct fixture *fixture)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(sync_wait_latest(fixture->sync, base_now_ns() + LIMIT_NS, NULL, &error), &error);
}

void must_equal(struct fixture *fixture)
{
    char message[256] = "";
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(fixture->mirror, &snapshot), RHEI_OK);
    bool equal = list_equals_snapshot(fixture->store, &snapshot, message, sizeof message);
    mirror_snapshot_release(&snapshot);
    if (!equal)
        fail_msg("%s", message);
}

void must_be_current(struct fixture *fixture, const char *const *tables, size_t count)
{
    int64_t position = list_position(fixture->store);
    must_latest(fixture);
    assert_true(sync_position(fixture->sync) >= position);
    must_equal(fixture);
    for (size_t i = 0; i < count; i++)
        assert_true(sync_table_ready(fixture->sync, list_table_id(fixture->store, tables[i])));
}

bool snapshot_has(struct fixture *fixture, uint32_t table)
{
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(fixture->mirror, &snapshot), RHEI_OK);
    bool has = mirror_view(&snapshot, table) != NULL;
    mirror_snapshot_release(&snapshot);
    return has;
}

uint64_t snapshot_rows(struct fixture *fixture, uint32_t table)
{
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(fixture->mirror, &snapshot), RHEI_OK);
    const struct mirror_table_view *view = mirror_view(&snapshot, table);
    uint64_t rows = view ? mirror_view_row_count(view) : UINT64_MAX;
    mirror_snapshot_release(&snapshot);
    return rows;
}

struct sync_table_status table_status(struct fixture *fixture, const char *name)
{
    struct sync_table_status *tables = NULL, result = {.state = SYNC_TABLE_UNMIRRORED, .message = "not in the list"};
    size_t count = 0;
    assert_int_equal(sync_get_tables(fixture->sync, &tables, &count, NULL), RHEI_OK);
    for (size_t i = 0; i < count; i++)
        if (strcmp(tables[i].name, name) == 0)
            result = tables[i];
    base_free(tables);
    return result;
}

enum sync_table_state table_state(struct fixture *fixture, const char *name)
{
    return table_status(fixture, name).state;
}

bool wait_until(bool (*done)(struct fixture *fixture), struct fixture *fixture)
{
    int64_t limit = base_now_ns() + LIMIT_NS;
    base_mutex mutex;
    base_cond never;
    base_mutex_init(&mutex);
    base_cond_init(&never);
    base_mutex_lock(&mutex);
    bool result = done(fixture);
    while (!result && base_now_ns() < limit) {
        base_cond_wait_until(&never, &mutex, base_now_ns() + MILLISECOND); /* between two looks */
        result = done(fixture);
    }
    base_mutex_unlock(&mutex);
    base_cond_destroy(&never);
    base_mutex_destroy(&mutex);
    return result;
}

void gate_init(struct gate *gate)
{
    *gate = (struct gate){.open = false};
    base_mutex_init(&gate->mutex);
    base_cond_init(&gate->cond);
}

void gate_destroy(struct gate *gate)
{
    base_cond_destroy(&gate->cond);
    base_mutex_destroy(&gate->mutex);
}

bool gate_wait(struct gate *gate)
{
    int64_t limit = base_now_ns() + LIMIT_NS;
    base_mutex_lock(&gate->mutex);
    gate->waiting++;
    base_cond_broadcast(&gate->cond);
    bool in_time = true;
    while (!gate->open && in_time)
        in_time = base_cond_wait_until(&gate->cond, &gate->mutex, limit);
    gate->waiting--;
    base_mutex_unlock(&gate->mutex);
    return in_time;
}

void gate_open(struct gate *gate)
{
    base_mutex_lock(&gate->mutex);
    gate->open = true;
    base_cond_broadcast(&gate->cond);
    base_mutex_unlock(&gate->mutex);
}

bool gate_wait_for_waiter(struct gate *gate)
{
    int64_t limit = base_now_ns() + LIMIT_NS;
    base_mutex_lock(&gate->mutex);
    bool in_time = true;
    while (gate->waiting == 0 && in_time)
        in_time = base_cond_wait_until(&gate->cond, &gate->mutex, limit);
    base_mutex_unlock(&gate->mutex);
    return in_time;
}
