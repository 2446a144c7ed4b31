/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_thread.h"
#include "mirror_model.h"

enum { ROWS = 150000, LOADERS = 3, BATCH = 7000 };

static void make_row(int64_t i, bool text_key, char *buffer, size_t size, struct rhei_value *row)
{
    int length = snprintf(buffer, size, "key %lld of this table", (long long)i);
    row[0] = text_key ? (struct rhei_value){.as.bytes = buffer, .length = (uint32_t)length, .type = RHEI_TEXT}
                      : model_integer(i * 3 - 1000);
    row[1] = i % 11 == 0 ? model_null() : model_real((double)i / 4);
    row[2] = i > ROWS / 2 && i % 1000 == 0 ? model_text("a text among integers") : model_integer(i);
    row[3] = i < ROWS / 3 ? model_null() : model_blob("0123456789abcdef", (uint32_t)(i % 17));
}

struct part {
    struct mirror_build *build;
    uint32_t number;
    bool text_key;
    rhei_status status;
};

static void load_part(void *argument)
{
    static _Thread_local char keys[BATCH][48];
    struct part *part = argument;
    struct model_batch batch;
    model_batch_init(&batch, 1, 4, BATCH);
    batch.batch.op = NULL;
    int64_t end = (int64_t)ROWS * (part->number + 1) / LOADERS;
    for (int64_t i = (int64_t)ROWS * part->number / LOADERS; i < end && part->status == RHEI_OK; i++) {
        struct rhei_value row[4];
        make_row(i, part->text_key, keys[batch.batch.row_count], sizeof keys[0], row);
        model_batch_add(&batch, CHANGE_UPSERT, row);
        if (batch.batch.row_count == BATCH || i + 1 == end) {
            part->status = mirror_build_append(part->build, part->number, &batch.batch, NULL);
            batch.batch.row_count = 0;
        }
    }
    model_batch_reset(&batch);
}

static void build_and_compare(bool text_key)
{
    struct mirror *mirror;
    struct model_table model;
    struct part parts[LOADERS];
    base_thread threads[LOADERS];
    struct mirror_build *build;
    char key[48];
    struct rhei_value row[4];
    model_init(&model, 1, 4, 1, !text_key);
    for (int64_t i = 0; i < ROWS; i++) {
        make_row(i, text_key, key, sizeof key, row);
        model_apply(&model, CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_open(NULL, &mirror, NULL), RHEI_OK);
    assert_int_equal(mirror_build_begin(mirror, &model.definition, LOADERS, &build, NULL), RHEI_OK);
    for (uint32_t i = 0; i < LOADERS; i++) {
        parts[i] = (struct part){.build = build, .number = i, .text_key = text_key};
        assert_int_equal(base_thread_start(&threads[i], "load", load_part, &parts[i], NULL), RHEI_OK);
    }
    for (uint32_t i = 0; i < LOADERS; i++) {
        base_thread_join(&threads[i]);
        assert_int_equal(parts[i].status, RHEI_OK);
    }
    assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
    struct model_batch batch;
    struct mirror_apply_counts counts = {0};
    model_batch_init(&batch, 1, 4, ROWS); /* changes of the same cycle */
    static char keys[3][48];
    const uint8_t ops[] = {CHANGE_UPSERT, CHANGE_DELETE, CHANGE_UPSERT};
    const int64_t numbers[] = {77777, 5, ROWS + 10};
    for (int i = 0; i < 3; i++) {
        make_row(numbers[i], text_key, keys[i], sizeof keys[i], row);
        row[1] = model_text("changed");
        model_batch_add(&batch, ops[i], row);
        model_apply(&model, ops[i], row);
    }
    assert_int_equal(mirror_apply(mirror, &batch.batch, &counts, NULL), RHEI_OK);
    assert_true(counts.inserted == 1 && counts.updated == 1 && counts.deleted == 1);
    assert_int_equal(mirror_publish(mirror, 1, NULL), RHEI_OK);
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(mirror, &snapshot), RHEI_OK);
    model_assert_equal(&model, mirror_view(&snapshot, 1));
    model_assert_facts(mirror_view(&snapshot, 1));
    mirror_snapshot_release(&snapshot);
    mirror_close(&mirror);
    model_reset(&model);
    model_batch_reset(&batch);
}

static void test_a3_three_loaders_with_integer_keys(void **state)
{
    (void)state;
    build_and_compare(false);
}

static void test_a3_three_loaders_with_text_keys(void **state)
{
    (void)state;
    build_and_compare(true);
}

static void test_small_tables_take_little_memory(void **state)
{
    (void)state;
    struct mirror *mirror;
    struct model_table model;
    struct model_batch batch;
    struct mirror_status status;
    assert_int_equal(mirror_open(NULL, &mirror, NULL), RHEI_OK);
    for (uint32_t id = 1; id <= 100; id++) {
        struct rhei_value row[4] = {model_integer(1), model_integer(2), model_text("x"), model_null()};
        model_init(&model, id, 4, 1, true);
        model_attach(mirror, &model);
        model_batch_init(&batch, id, 4, 1);
        model_batch_add(&batch, CHANGE_UPSERT, row);
        assert_int_equal(mirror_apply(mirror, &batch.batch, NULL, NULL), RHEI_OK);
        model_batch_reset(&batch);
        model_reset(&model);
    }
    assert_int_equal(mirror_publish(mirror, 1, NULL), RHEI_OK);
    mirror_status(mirror, &status);
    assert_int_equal(status.tables, 100);
    assert_true(status.memory_bytes < 100 * 100000);
    mirror_close(&mirror);
}

static void test_memory_limit_stops_a_build_and_readers_go_on(void **state)
{
    (void)state;
    struct mirror *mirror;
    struct model_table model;
    struct mirror_config config = {.memory_limit = 8 << 20};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct mirror_snapshot snapshot;
    struct mirror_status status;
    struct mirror_build *build;
    struct model_batch batch;
    assert_int_equal(mirror_open(&config, &mirror, NULL), RHEI_OK);
    model_init(&model, 1, 4, 1, true);
    model_attach(mirror, &model);
    assert_int_equal(mirror_build_begin(mirror, &model.definition, 1, &build, NULL), RHEI_OK);
    model_batch_init(&batch, 1, 4, BATCH);
    rhei_status failed = RHEI_OK;
    for (int64_t i = 0; failed == RHEI_OK && i < 10 * ROWS; i++) {
        struct rhei_value row[4] = {model_integer(i), model_real(1), model_integer(1), model_text("x")};
        model_batch_add(&batch, CHANGE_UPSERT, row);
        if (batch.batch.row_count == BATCH) {
            failed = mirror_build_append(build, 0, &batch.batch, &error);
            batch.batch.row_count = 0;
        }
    }
    assert_int_equal(failed, RHEI_MEMORY_LIMIT);
    assert_non_null(strstr(error.message, "olap_memory_limit"));
    mirror_status(mirror, &status);
    assert_true(status.memory_bytes <= config.memory_limit);
    mirror_build_abandon(&build);
    assert_int_equal(mirror_snapshot_take(mirror, &snapshot), RHEI_OK);
    assert_int_equal(mirror_view_row_count(mirror_view(&snapshot, 1)), 0);
    mirror_snapshot_release(&snapshot);
    model_batch_reset(&batch);
    model_reset(&model);
    mirror_close(&mirror);
}

static void test_wrong_definitions_and_batches_are_refused(void **state)
{
    (void)state;
    struct mirror *mirror;
    struct model_table model;
    struct mirror_build *build;
    struct model_batch batch;
    assert_int_equal(mirror_open(NULL, &mirror, NULL), RHEI_OK);
    model_init(&model, 1, 2, 1, true);
    assert_int_equal(mirror_build_begin(mirror, &model.definition, 0, &build, NULL), RHEI_INVALID);
    model.key_columns[0] = 2;
    assert_int_equal(mirror_build_begin(mirror, &model.definition, 1, &build, NULL), RHEI_INVALID);
    assert_null(build);
    model.key_columns[0] = 0;
    assert_int_equal(mirror_build_begin(mirror, &model.definition, 1, &build, NULL), RHEI_OK);
    struct rhei_value row[2] = {model_integer(1), model_integer(1)};
    model_batch_init(&batch, 1, 2, 1);
    model_batch_add(&batch, CHANGE_UPSERT, row);
    assert_int_equal(mirror_build_append(build, 1, &batch.batch, NULL), RHEI_INVALID);
    assert_int_equal(mirror_build_append(build, 0, &batch.batch, NULL), RHEI_OK);
    batch.op[0] = CHANGE_DELETE;
    assert_int_equal(mirror_build_append(build, 0, &batch.batch, NULL), RHEI_INVALID);
    assert_int_equal(mirror_build_attach(&build, NULL), RHEI_INVALID);
    assert_null(build);
    model_batch_reset(&batch);
    model_reset(&model);
    mirror_close(&mirror);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a3_three_loaders_with_integer_keys),
        cmocka_unit_test(test_a3_three_loaders_with_text_keys),
        cmocka_unit_test(test_small_tables_take_little_memory),
        cmocka_unit_test(test_memory_limit_stops_a_build_and_readers_go_on),
        cmocka_unit_test(test_wrong_definitions_and_batches_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
