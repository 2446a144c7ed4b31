/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that need the rows as they were: patches, clears, and versions that are handed to a sink. */
#include "mirror_fixture.h"

enum { ROWS = 20000 };

static int setup(void **state)
{
    *state = fixture_new_attached(4, ROWS);
    return 0;
}

static void add(struct fixture *f, uint8_t op, int64_t key, int64_t number, const char *text)
{
    struct rhei_value row[4] = {model_integer(key), model_integer(number), model_text(text), model_null()};
    f->batch.seq[f->batch.batch.row_count] = (int64_t)f->batch.batch.row_count + 1;
    model_batch_add(&f->batch, op, row);
    model_apply(&f->model, op, row);
}

static void patch(struct fixture *f, int64_t key, int64_t number, const char *text, uint64_t unchanged)
{
    struct rhei_value row[4] = {model_integer(key), model_integer(number), model_text(text), model_null()};
    f->batch.seq[f->batch.batch.row_count] = (int64_t)f->batch.batch.row_count + 1;
    model_batch_add_patch(&f->batch, row, unchanged);
    assert_true(model_patch(&f->model, row, unchanged));
}

static struct mirror_apply_counts apply(struct fixture *f)
{
    struct mirror_apply_counts counts = {0};
    f->batch.batch.seq = f->batch.seq;
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, &counts, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
    return counts;
}

static void publish_and_compare(struct fixture *f)
{
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    model_assert_equal(&f->model, mirror_view(&snapshot, 1));
    model_assert_facts(mirror_view(&snapshot, 1));
    mirror_snapshot_release(&snapshot);
}

static void fill(struct fixture *f, int64_t rows)
{
    for (int64_t key = 0; key < rows; key++)
        add(f, CHANGE_UPSERT, key, key, key % 2 == 0 ? "short" : "a text that does not lie in its slot");
    (void)apply(f);
    publish_and_compare(f);
}

static void assert_counts(struct mirror_apply_counts counts, uint64_t inserted, uint64_t updated, uint64_t deleted)
{
    assert_int_equal(counts.inserted, inserted);
    assert_int_equal(counts.updated, updated);
    assert_int_equal(counts.deleted, deleted);
}

enum { NUMBER = 1 << 1, TEXT = 1 << 2, LAST = 1 << 3 };

static void test_a2_patch_keeps_other_columns(void **state)
{
    struct fixture *f = *state;
    fill(f, 10);
    patch(f, 3, 33, "ignored", TEXT | LAST); /* published */
    patch(f, 3, 0, "three", NUMBER | LAST);  /* patched in this chunk */
    add(f, CHANGE_UPSERT, 20, 20, "new");
    patch(f, 20, 21, "ignored", TEXT | LAST); /* inserted in this chunk */
    add(f, CHANGE_DELETE, 4, 0, "");
    add(f, CHANGE_UPSERT, 4, 44, "again");
    patch(f, 4, 45, "ignored", TEXT);
    assert_counts(apply(f), 2, 1, 1);
    patch(f, 20, 22, "ignored", TEXT | LAST); /* inserted in this cycle */
    patch(f, 5, 0, "ignored", NUMBER | TEXT | LAST);
    assert_counts(apply(f), 0, 1, 0);
    publish_and_compare(f);
}

static void test_a2_patches_of_many_chunks(void **state)
{
    struct fixture *f = *state;
    fill(f, 3000);
    for (int64_t i = 0; i < 9000; i++)
        patch(f, i % 3000, i, "text of this patch", i % 3 == 0 ? NUMBER : i % 3 == 1 ? TEXT : 0);
    assert_counts(apply(f), 0, 3000, 0);
    publish_and_compare(f);
    for (int64_t i = 0; i < 5000; i++)
        patch(f, 7, i, "x", i % 2 == 0 ? TEXT : NUMBER);
    assert_counts(apply(f), 0, 1, 0);
    publish_and_compare(f);
}

static void test_a2_one_mask_for_a_batch(void **state)
{
    struct fixture *f = *state;
    static const uint64_t mask = TEXT | LAST;
    fill(f, 100);
    for (int64_t key = 0; key < 100; key++)
        patch(f, key, key + 1000, "ignored", mask);
    f->batch.batch.unchanged = &mask;
    f->batch.batch.unchanged_shared = true;
    assert_counts(apply(f), 0, 100, 0);
    publish_and_compare(f);
}

static void test_a5_patch_without_row_loses_the_table(void **state)
{
    struct fixture *f = *state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value row[4] = {model_integer(5), model_integer(1), model_null(), model_null()};
    fill(f, 3);
    model_batch_add_patch(&f->batch, row, TEXT);
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, &error), RHEI_STALE);
    assert_non_null(strstr(error.message, "table \"t\""));
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_INVALID); /* unsound */
    f->batch.batch.row_count = 0;
    publish_and_compare(f); /* what was published stays */
}

static void test_a5_patch_of_a_row_deleted_before(void **state)
{
    struct fixture *f = *state;
    struct rhei_value row[4] = {model_integer(1), model_integer(1), model_null(), model_null()};
    fill(f, 3);
    model_batch_add(&f->batch, CHANGE_DELETE, row);
    model_batch_add_patch(&f->batch, row, TEXT);
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_STALE);
}

static void test_a5_patch_after_clear(void **state)
{
    struct fixture *f = *state;
    struct rhei_value row[4] = {model_integer(1), model_integer(1), model_null(), model_null()};
    fill(f, 3);
    model_batch_add(&f->batch, CHANGE_CLEAR, row);
    model_batch_add_patch(&f->batch, row, TEXT);
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_STALE);
}

static void test_unknown_change_is_refused(void **state)
{
    struct fixture *f = *state;
    struct rhei_value row[4] = {model_integer(1), model_integer(1), model_null(), model_null()};
    fill(f, 3);
    model_batch_add(&f->batch, 5, row);
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_INVALID);
}

static void test_a1_clear_leaves_snapshots_their_rows(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot held;
    struct model_sum before;
    fill(f, ROWS);
    before = f->model.sum;
    assert_int_equal(mirror_snapshot_take(f->mirror, &held), RHEI_OK);
    add(f, CHANGE_UPSERT, 1, 100, "changed before the clear");
    add(f, CHANGE_UPSERT, ROWS, 1, "came before the clear");
    add(f, CHANGE_CLEAR, 0, 0, "");
    add(f, CHANGE_UPSERT, 2, 2, "after");
    assert_counts(apply(f), 1, 0, ROWS);
    publish_and_compare(f);
    assert_int_equal(mirror_rows(f->mirror, 1), 1);
    struct model_sum after = model_sum_vectors(mirror_view(&held, 1));
    assert_int_equal(after.rows, before.rows);
    assert_true(after.hash == before.hash);
    mirror_snapshot_release(&held);
}

static void test_a2_clear_twice_and_again_filled(void **state)
{
    struct fixture *f = *state;
    fill(f, 5000);
    for (int round = 0; round < 3; round++) {
        for (int64_t key = 0; key < 2000; key++)
            add(f, CHANGE_UPSERT, key * 3, key, "text");
        add(f, CHANGE_CLEAR, 0, 0, "");
    }
    add(f, CHANGE_CLEAR, 0, 0, "");
    assert_counts(apply(f), 0, 0, 5000);
    publish_and_compare(f);
    for (int64_t key = 0; key < 100; key++)
        add(f, CHANGE_UPSERT, key, key, "text");
    assert_counts(apply(f), 100, 0, 0);
    publish_and_compare(f);
}

/* A column whose classes were mixed is of one class again, as in a new table. */
static void test_clear_forgets_what_columns_held(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    struct rhei_value row[4] = {model_integer(1), model_text("not a number"), model_real(0.5), model_null()};
    fill(f, 100);
    model_batch_add(&f->batch, CHANGE_UPSERT, row);
    model_apply(&f->model, CHANGE_UPSERT, row);
    (void)apply(f);
    publish_and_compare(f);
    add(f, CHANGE_CLEAR, 0, 0, "");
    add(f, CHANGE_UPSERT, 1, 7, "text");
    (void)apply(f);
    publish_and_compare(f);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    assert_int_equal(mirror_view_column_flags(mirror_view(&snapshot, 1), 1), MIRROR_HAS_INTEGER);
    double low, high;
    assert_true(mirror_view_range(mirror_view(&snapshot, 1), 1, &low, &high));
    assert_true(low == 7 && high == 7);
    mirror_snapshot_release(&snapshot);
}

/* ---- Sinks. ---------------------------------------------------------------------------------------------------------- */

struct collected {
    struct mirror_ended version[64];
    struct rhei_value cells[64][4];
    char text[64][64];
    size_t count, refuse_at;
    rhei_status failed;
};

static rhei_status collect(void *context, const struct mirror_ended *version)
{
    struct collected *collected = context;
    if (collected->refuse_at > 0 && collected->count + 1 == collected->refuse_at)
        return RHEI_FULL;
    size_t i = collected->count++;
    assert_true(i < 64);
    collected->version[i] = *version;
    memcpy(collected->cells[i], version->row, sizeof collected->cells[i]);
    (void)snprintf(collected->text[i], sizeof collected->text[i], "%.*s", (int)version->row[2].length,
                   (const char *)version->row[2].as.bytes);
    return RHEI_OK;
}

static void sink_failed(void *context, uint32_t table, rhei_status status)
{
    assert_int_equal(table, 1);
    ((struct collected *)context)->failed = status;
}

static void set_sink(struct fixture *f, struct collected *collected)
{
    struct mirror_sink sink = {.ended = collect, .failed = sink_failed, .context = collected};
    assert_int_equal(mirror_set_sink(f->mirror, 1, &sink, NULL), RHEI_OK);
}

static void assert_version(const struct collected *collected, size_t i, uint8_t how, int64_t key, int64_t number,
                           const char *text, int64_t began, int64_t ended)
{
    assert_true(i < collected->count);
    assert_int_equal(collected->version[i].how, how);
    assert_int_equal(collected->cells[i][0].as.integer, key);
    assert_int_equal(collected->cells[i][1].as.integer, number);
    assert_string_equal(collected->text[i], text);
    assert_int_equal(collected->version[i].began, began);
    assert_int_equal(collected->version[i].ended, ended);
}

static void test_sink_takes_every_version(void **state)
{
    struct fixture *f = *state;
    static struct collected collected;
    memset(&collected, 0, sizeof collected);
    fill(f, 3);
    set_sink(f, &collected);
    add(f, CHANGE_UPSERT, 0, 10, "ten");    /* 1 */
    add(f, CHANGE_UPSERT, 0, 11, "eleven"); /* 2 */
    patch(f, 0, 12, "ignored", TEXT);       /* 3 */
    add(f, CHANGE_DELETE, 0, 0, "");        /* 4 */
    add(f, CHANGE_DELETE, 99, 0, "");       /* 5: not there */
    add(f, CHANGE_UPSERT, 0, 13, "back");   /* 6 */
    (void)apply(f);
    assert_int_equal(collected.count, 4);
    assert_version(&collected, 0, CHANGE_UPSERT, 0, 0, "short", MIRROR_NO_SEQUENCE, 1);
    assert_version(&collected, 1, CHANGE_UPSERT, 0, 10, "ten", 1, 2);
    assert_version(&collected, 2, CHANGE_PATCH, 0, 11, "eleven", 2, 3);
    assert_version(&collected, 3, CHANGE_DELETE, 0, 12, "eleven", 3, 4);
    f->batch.batch.row_count = 0;
    struct rhei_value row[4] = {model_integer(0), model_integer(14), model_text("later"), model_null()};
    model_batch_add(&f->batch, CHANGE_UPSERT, row);
    model_apply(&f->model, CHANGE_UPSERT, row);
    f->batch.seq[0] = 8;
    (void)apply(f);
    assert_version(&collected, 4, CHANGE_UPSERT, 0, 13, "back", 6, 8);
    publish_and_compare(f);
    add(f, CHANGE_CLEAR, 0, 0, "");
    (void)apply(f);
    assert_int_equal(collected.count, 8);
    for (size_t i = 5; i < 8; i++) {
        assert_int_equal(collected.version[i].how, CHANGE_CLEAR);
        assert_int_equal(collected.version[i].began, MIRROR_NO_SEQUENCE);
    }
    publish_and_compare(f);
}

static void test_sink_that_fails_is_taken_off(void **state)
{
    struct fixture *f = *state;
    static struct collected collected;
    memset(&collected, 0, sizeof collected);
    fill(f, 10);
    set_sink(f, &collected);
    collected.refuse_at = 3;
    for (int64_t key = 0; key < 10; key++)
        add(f, CHANGE_UPSERT, key, key + 1, "new");
    assert_counts(apply(f), 0, 10, 0);
    assert_int_equal(collected.count, 2);
    assert_int_equal(collected.failed, RHEI_FULL);
    publish_and_compare(f);
    assert_int_equal(mirror_set_sink(f->mirror, 2, NULL, NULL), RHEI_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a2_patch_keeps_other_columns, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a2_patches_of_many_chunks, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a2_one_mask_for_a_batch, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a5_patch_without_row_loses_the_table, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a5_patch_of_a_row_deleted_before, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a5_patch_after_clear, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_unknown_change_is_refused, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a1_clear_leaves_snapshots_their_rows, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a2_clear_twice_and_again_filled, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_clear_forgets_what_columns_held, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_sink_takes_every_version, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_sink_that_fails_is_taken_off, setup, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
