/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and deltas as bytes: what is read is what was written, and damage is told. */
#include "checkpoint/checkpoint_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint/checkpoint_dead.h"

static const struct source_column columns[] = {
    {.name = "id",
     .declared_type = "INTEGER",
     .collation = "BINARY",
     .affinity = AFFINITY_INTEGER,
     .is_rowid_alias = true},
    {.name = "a name", .declared_type = NULL, .collation = "NOCASE", .affinity = AFFINITY_TEXT, .not_null = true},
};
static const uint32_t keys[] = {0};
static const struct source_table definition = {.id = 7,
                                               .name = "t",
                                               .column_count = 2,
                                               .columns = columns,
                                               .key_count = 1,
                                               .key_columns = keys,
                                               .key_is_integer = true,
                                               .estimated_rows = -1};

static void put_dead(struct base_buffer *out, uint64_t uid, uint32_t first, uint32_t last)
{
    struct checkpoint_dead *dead = NULL;
    struct base_buffer bytes = {0};
    uint64_t words[CHECKPOINT_DEAD_WORDS] = {0};
    for (uint32_t place = first; place <= last; place++)
        words[place / 64] |= UINT64_C(1) << (place % 64);
    assert_int_equal(checkpoint_dead_new(&dead, NULL), RHEI_OK);
    assert_int_equal(checkpoint_dead_add(dead, uid, words, CHECKPOINT_DEAD_WORDS, NULL), RHEI_OK);
    assert_int_equal(checkpoint_dead_write(dead, &bytes, NULL), RHEI_OK);
    checkpoint_put_dead(out, 7, bytes.data, bytes.len);
    checkpoint_dead_free(&dead);
    base_buffer_reset(&bytes);
}

static void put_manifest(struct base_buffer *out)
{
    const struct checkpoint_head head = {.kind = CHECKPOINT_BASE,
                                         .base = 5,
                                         .position = 100,
                                         .made_ms = 1,
                                         .next_uid = UINT64_C(1) << 40,
                                         .stamp = {.file = "abc", .row = 9}};
    checkpoint_put_head(out, &head);
    checkpoint_put_table(out, &definition);
    checkpoint_put_segment(out, 7, 1, 65536, false);
    checkpoint_put_segment(out, 7, UINT64_C(1) << 30, 0, true);
    checkpoint_put_piece(out, 7, UINT64_C(1) << 30, 0, 3000, "0123456789", 10);
    put_dead(out, 1, 60000, 65535);
    put_dead(out, UINT64_C(1) << 30, 5, 5);
    checkpoint_put_end(out);
}

static void put_delta(struct base_buffer *out, uint64_t number)
{
    const struct checkpoint_head head = {.kind = CHECKPOINT_DELTA,
                                         .base = 5,
                                         .number = number,
                                         .position = 100 + (int64_t)number,
                                         .next_uid = UINT64_C(1) << 40,
                                         .stamp = {.file = "abc", .row = 10, .also = 11}};
    checkpoint_put_head(out, &head);
    checkpoint_put_piece(out, 7, UINT64_C(1) << 30, 2048, 1500, "abc", 3);
    checkpoint_put_segment(out, 7, 2, 10, false);
    checkpoint_put_sum(out, 7, 2, 0xabcdef);
    checkpoint_put_removed(out, 7, 1);
    put_dead(out, UINT64_C(1) << 30, 3547, 3547);
    checkpoint_put_end(out);
}

static void test_what_is_read_is_what_was_written(void **state)
{
    (void)state;
    struct base_buffer manifest = {0}, delta = {0};
    struct checkpoint_model model = {.tables = NULL};
    put_manifest(&manifest);
    put_delta(&delta, 1);
    assert_int_equal(manifest.data[8], 1); /* older versions read it */
    assert_int_equal(checkpoint_apply(&model, manifest.data, manifest.len, NULL), RHEI_OK);
    assert_int_equal(model.head.stamp.also, 0);
    const struct checkpoint_table *table = model.tables;
    assert_non_null(table);
    assert_string_equal(table->definition->name, "t");
    assert_string_equal(table->definition->columns[1].name, "a name");
    assert_null(table->definition->columns[1].declared_type);
    assert_true(table->definition->columns[0].is_rowid_alias && table->definition->columns[1].not_null);
    assert_int_equal(table->segments->dead[60000 / 64] >> (60000 % 64) & 1, 1);
    assert_int_equal(table->segments->dead[59999 / 64] >> (59999 % 64) & 1, 0);
    assert_int_equal(checkpoint_apply(&model, delta.data, delta.len, NULL), RHEI_OK);
    const struct checkpoint_segment *open = table->segments;
    assert_int_equal(open->uid, UINT64_C(1) << 30); /* the first one is gone */
    assert_int_equal(open->rows, 3548);
    assert_int_equal(open->pieces->first, 2048);
    assert_memory_equal(open->pieces->bytes, "abc", 3);
    assert_int_equal(open->dead[0], 1 << 5);
    assert_int_equal(open->dead[3547 / 64] >> (3547 % 64) & 1, 1);
    assert_int_equal(open->next->uid, 2);
    assert_int_equal(open->next->sum, 0xabcdef);
    assert_int_equal(open->sum, 0);
    assert_int_equal(model.head.position, 101);
    assert_int_equal(model.head.stamp.row, 10);
    assert_int_equal(model.head.stamp.also, 11);
    assert_int_equal(checkpoint_apply(&model, delta.data, delta.len, NULL), RHEI_IO); /* not twice */
    checkpoint_model_reset(&model);
    base_buffer_reset(&manifest);
    base_buffer_reset(&delta);
}

/* As versions before this one wrote them, where the file was replaced by an older copy. */
static void test_a9_a_delta_whose_position_went_back_is_read(void **state)
{
    (void)state;
    struct base_buffer manifest = {0}, delta = {0}, none = {0};
    struct checkpoint_model model = {.tables = NULL};
    struct checkpoint_head head = {
        .kind = CHECKPOINT_DELTA, .base = 5, .number = 1, .position = 3, .next_uid = UINT64_C(1) << 40};
    put_manifest(&manifest);
    checkpoint_put_head(&delta, &head);
    checkpoint_put_segment(&delta, 7, 2, 10, false);
    checkpoint_put_end(&delta);
    head.number = 2;
    head.position = -1; /* there is none before the first */
    checkpoint_put_head(&none, &head);
    checkpoint_put_end(&none);
    assert_int_equal(checkpoint_apply(&model, manifest.data, manifest.len, NULL), RHEI_OK);
    assert_int_equal(checkpoint_apply(&model, delta.data, delta.len, NULL), RHEI_OK);
    assert_int_equal(model.head.position, 3);
    assert_int_equal(checkpoint_apply(&model, none.data, none.len, NULL), RHEI_IO);
    checkpoint_model_reset(&model);
    base_buffer_reset(&manifest);
    base_buffer_reset(&delta);
    base_buffer_reset(&none);
}

static void test_a10_each_turned_bit_and_each_cut_is_told(void **state)
{
    (void)state;
    struct base_buffer manifest = {0};
    put_manifest(&manifest);
    for (size_t at = 0; at < manifest.len; at++) {
        struct checkpoint_model model = {.tables = NULL};
        manifest.data[at] ^= (char)(1 << at % 8);
        assert_int_equal(checkpoint_apply(&model, manifest.data, manifest.len, NULL), RHEI_IO);
        checkpoint_model_reset(&model);
        manifest.data[at] ^= (char)(1 << at % 8);
        assert_int_equal(checkpoint_apply(&model, manifest.data, at, NULL), RHEI_IO);
        checkpoint_model_reset(&model);
    }
    base_buffer_reset(&manifest);
}

static void test_a_stamp_is_known_again_by_either_proof(void **state)
{
    (void)state;
    const struct change_stamp row = {.row = 1}, both = {.row = 2, .also = 1}, number = {.row = 2}, other = {.row = 3},
                              others = {.row = 4, .also = 3}, first = {.row = 0};
    assert_true(checkpoint_same_row(&row, &row) && checkpoint_same_row(&first, &first));
    assert_true(checkpoint_same_row(&both, &row) && checkpoint_same_row(&row, &both));
    assert_true(checkpoint_same_row(&both, &number) && checkpoint_same_row(&number, &both));
    assert_true(checkpoint_same_row(&both, &both));
    assert_false(checkpoint_same_row(&row, &number) || checkpoint_same_row(&number, &row));
    assert_false(checkpoint_same_row(&row, &first) || checkpoint_same_row(&first, &both));
    assert_false(checkpoint_same_row(&both, &other) || checkpoint_same_row(&both, &others));
}

static void test_a10_a_packed_file_makes_a_format_that_older_versions_leave_alone(void **state)
{
    (void)state;
    const uint64_t packed = CHECKPOINT_PACKED | 3;
    struct base_buffer manifest = {0}, again = {0};
    struct checkpoint_model model = {.tables = NULL};
    struct checkpoint_head head = {
        .kind = CHECKPOINT_BASE, .base = 5, .next_uid = 4, .stamp = {.file = "abc", .row = 9}};
    char name[CHECKPOINT_NAME_BYTES];
    uint64_t uid;
    checkpoint_put_head(&manifest, &head);
    checkpoint_put_table(&manifest, &definition);
    checkpoint_put_segment(&manifest, 7, 2, 10, false);
    checkpoint_put_segment(&manifest, 7, packed, 10, false);
    put_dead(&manifest, packed, 5, 5);
    checkpoint_put_end(&manifest);
    assert_int_equal(manifest.data[8], 3);
    assert_int_equal(checkpoint_apply(&model, manifest.data, manifest.len, NULL), RHEI_OK);
    const struct checkpoint_segment *segment = model.tables->segments->next;
    assert_true(segment->uid == packed && segment->dead[0] == 1 << 5);
    checkpoint_blob_name(packed, name);
    assert_string_equal(name, "s-0000000000000003.vortex");
    assert_true(checkpoint_blob_uid(name, &uid) && uid == packed);
    assert_true(checkpoint_blob_uid("s-0000000000000003.arrow", &uid) && uid == 3);
    assert_false(checkpoint_blob_uid("s-0000000000000003.arrow.new", &uid));
    head = (struct checkpoint_head){.base = 0};
    const struct change_stamp stamp = {.file = "def", .row = 1, .also = 2};
    assert_int_equal(checkpoint_put_again(&again, manifest.data, manifest.len, &head, &stamp, NULL), RHEI_OK);
    assert_int_equal(again.data[8], 4);
    checkpoint_model_reset(&model);
    assert_int_equal(checkpoint_apply(&model, again.data, again.len, NULL), RHEI_OK);
    assert_true(model.head.stamp.also == 2 && model.tables->segments->next->uid == packed);
    checkpoint_model_reset(&model);
    base_buffer_reset(&manifest);
    base_buffer_reset(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_read_is_what_was_written),
        cmocka_unit_test(test_a_stamp_is_known_again_by_either_proof),
        cmocka_unit_test(test_a9_a_delta_whose_position_went_back_is_read),
        cmocka_unit_test(test_a10_each_turned_bit_and_each_cut_is_told),
        cmocka_unit_test(test_a10_a_packed_file_makes_a_format_that_older_versions_leave_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
