/* SPDX-License-Identifier: Apache-2.0 */
/* Events as bytes: every event comes back as it was, and bytes that are none are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_clock.h"
#include "base/base_map.h"
#include "feed/feed_code.h"
#include "feed/feed_internal.h"

enum { MOST_ROWS = 20, MOST_COLUMNS = 70, ROUNDS = 3000 };

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random * UINT64_C(2685821657736338717);
}

static uint64_t below(uint64_t *random, uint64_t limit)
{
    return next(random) % limit;
}

struct made {
    struct change_event event;
    struct change_batch batch;
    struct source_table table;
    struct source_column columns[MOST_COLUMNS];
    uint32_t keys[2];
    uint8_t op[MOST_ROWS];
    int64_t seq[MOST_ROWS];
    uint64_t unchanged[MOST_ROWS * 2];
    struct rhei_value values[MOST_COLUMNS][MOST_ROWS];
    const struct rhei_value *pointers[MOST_COLUMNS];
};

static struct rhei_value make_value(uint64_t *random)
{
    static const char bytes[] = "bytes with a \0 in between, and \xff\xfe";
    struct rhei_value value = {.type = (uint8_t)below(random, 5)};
    if (value.type == RHEI_INTEGER)
        value.as.integer = (int64_t)next(random);
    if (value.type == RHEI_REAL)
        value.as.real = (double)(int64_t)next(random) / 3;
    if (value.type >= RHEI_TEXT) {
        value.as.bytes = bytes;
        value.length = (uint32_t)below(random, sizeof bytes);
    }
    return value;
}

static void make_rows(struct made *made, uint64_t *random)
{
    struct change_batch *batch = &made->batch;
    *batch = (struct change_batch){.table = made->event.table,
                                   .column_count = (uint32_t)(1 + below(random, MOST_COLUMNS)),
                                   .row_count = 1 + below(random, MOST_ROWS),
                                   .columns = made->pointers};
    made->keys[0] = 0;
    made->table = (struct source_table){.id = made->event.table,
                                        .name = "t",
                                        .column_count = batch->column_count,
                                        .columns = made->columns,
                                        .key_count = 1,
                                        .key_columns = made->keys};
    made->event.definition = &made->table;
    memset(made->columns, 0, sizeof made->columns);
    for (uint32_t c = 0; c < batch->column_count; c++)
        made->columns[c].in_primary_key = below(random, 3) == 0; /* a deleted row has these too */
    batch->op = below(random, 4) == 0 ? NULL : made->op;
    batch->seq = below(random, 4) == 0 ? NULL : made->seq;
    if (made->event.kind == CHANGE_EVENT_BEFORE) { /* rows by numbers, and nothing else */
        batch->op = NULL;
        batch->seq = made->seq;
    }
    batch->unchanged = below(random, 3) == 0 ? NULL : made->unchanged;
    batch->unchanged_shared = batch->unchanged != NULL && below(random, 2) == 0;
    for (size_t i = 0; i < batch->row_count; i++) {
        made->op[i] = (uint8_t)(1 + below(random, 4));
        if (made->op[i] == CHANGE_PATCH && batch->unchanged == NULL)
            made->op[i] = CHANGE_DELETE;
        made->seq[i] = (int64_t)next(random);
    }
    for (size_t i = 0; i < MOST_ROWS * 2; i++)
        made->unchanged[i] = next(random);
    for (uint32_t c = 0; c < batch->column_count; c++) {
        made->pointers[c] = made->values[c];
        for (size_t i = 0; i < batch->row_count; i++) {
            made->values[c][i] = make_value(random);
            if (!feed_is_set(&(struct change_event){.rows = batch, .definition = &made->table}, i, c))
                made->values[c][i] =
                    (struct rhei_value){.type = 99, .as.bytes = (const void *)(uintptr_t)1}; /* anything */
        }
    }
    made->event.rows = batch;
}

static void make_definition(struct made *made, uint64_t *random)
{
    struct source_table *table = &made->table;
    *table = (struct source_table){.id = made->event.table,
                                   .name = "a table",
                                   .column_count = (uint32_t)(1 + below(random, MOST_COLUMNS)),
                                   .columns = made->columns,
                                   .key_count = (uint32_t)below(random, 3),
                                   .key_columns = made->keys,
                                   .key_is_integer = below(random, 2) == 0,
                                   .without_rowid = below(random, 2) == 0,
                                   .estimated_rows = (int64_t)below(random, 100) - 1,
                                   .unmirrored_reason = below(random, 2) == 0 ? NULL : ""};
    for (uint32_t c = 0; c < table->column_count; c++)
        made->columns[c] = (struct source_column){.name = "column \"x\"",
                                                  .declared_type = below(random, 2) == 0 ? "" : "TEXT",
                                                  .collation = below(random, 2) == 0 ? NULL : "NOCASE",
                                                  .affinity = (uint8_t)below(random, 5),
                                                  .not_null = below(random, 2) == 0,
                                                  .is_rowid_alias = below(random, 2) == 0,
                                                  .is_rowid = below(random, 2) == 0,
                                                  .generated = below(random, 2) == 0,
                                                  .in_primary_key = below(random, 2) == 0};
    for (uint32_t k = 0; k < 2; k++)
        made->keys[k] = (uint32_t)below(random, table->column_count);
    made->event.definition = table;
}

static void make_event(struct made *made, uint64_t *random)
{
    memset(made, 0, sizeof *made);
    made->event.kind = (uint8_t)(1 + below(random, 7));
    if (made->event.kind != CHANGE_EVENT_COMMIT)
        made->event.table = (uint32_t)next(random);
    if (feed_has_rows(made->event.kind))
        make_rows(made, random);
    else if (made->event.kind == CHANGE_EVENT_TABLE)
        make_definition(made, random);
    else if (made->event.kind != CHANGE_EVENT_GONE)
        made->event.position = (int64_t)next(random);
    if (made->event.kind == CHANGE_EVENT_COMMIT)
        made->event.time_us = (int64_t)next(random);
    if (made->event.kind == CHANGE_EVENT_LOST)
        made->event.reason = below(random, 2) == 0 ? NULL : "because";
}

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL)
        assert_string_equal(a, b);
}

static void same_value(const struct rhei_value *a, const struct rhei_value *b)
{
    assert_int_equal(a->type, b->type);
    if (a->type == RHEI_INTEGER || a->type == RHEI_REAL)
        assert_memory_equal(&a->as, &b->as, sizeof a->as);
    if (a->type >= RHEI_TEXT) {
        assert_int_equal(a->length, b->length);
        assert_memory_equal(a->as.bytes, b->as.bytes, a->length);
    }
}

static void same_rows(const struct change_event *a, const struct change_event *b)
{
    static const struct rhei_value null = {.type = RHEI_NULL};
    const struct change_batch *x = a->rows, *y = b->rows;
    assert_int_equal(y->table, x->table);
    assert_int_equal(y->column_count, x->column_count);
    assert_int_equal(y->row_count, x->row_count);
    assert_null(y->lost);
    assert_int_equal(x->op == NULL, y->op == NULL);
    assert_int_equal(x->seq == NULL, y->seq == NULL);
    assert_int_equal(x->unchanged == NULL, y->unchanged == NULL);
    for (size_t i = 0; i < x->row_count; i++) {
        if (x->op != NULL)
            assert_int_equal(x->op[i], y->op[i]);
        if (x->seq != NULL)
            assert_true(x->seq[i] == y->seq[i]);
        for (uint32_t c = 0; c < x->column_count; c++) {
            assert_int_equal(change_batch_unchanged(x, i, c), change_batch_unchanged(y, i, c));
            same_value(feed_is_set(a, i, c) ? &x->columns[c][i] : &null, &y->columns[c][i]);
        }
    }
}

static void same_definition(const struct source_table *a, const struct source_table *b)
{
    assert_int_equal(a->id, b->id);
    same_text(a->name, b->name);
    same_text(a->unmirrored_reason, b->unmirrored_reason);
    assert_int_equal(a->column_count, b->column_count);
    assert_int_equal(a->key_count, b->key_count);
    assert_int_equal(a->key_is_integer, b->key_is_integer);
    assert_int_equal(a->without_rowid, b->without_rowid);
    assert_int_equal(a->estimated_rows, b->estimated_rows);
    for (uint32_t k = 0; k < a->key_count; k++)
        assert_int_equal(a->key_columns[k], b->key_columns[k]);
    for (uint32_t c = 0; c < a->column_count; c++) {
        const struct source_column *x = &a->columns[c], *y = &b->columns[c];
        same_text(x->name, y->name);
        same_text(x->declared_type, y->declared_type);
        same_text(x->collation, y->collation);
        assert_int_equal(x->affinity, y->affinity);
        assert_true(x->not_null == y->not_null && x->is_rowid_alias == y->is_rowid_alias &&
                    x->is_rowid == y->is_rowid && x->generated == y->generated &&
                    x->in_primary_key == y->in_primary_key);
    }
}

static uint64_t seed(void)
{
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t value = given != NULL ? strtoull(given, NULL, 0) : base_random_u64();
    print_message("# RHEI_TEST_SEED=%llu\n", (unsigned long long)value);
    return value | 1;
}

static void test_events_come_back(void **state)
{
    (void)state;
    uint64_t random = seed();
    struct made *made = calloc(1, sizeof *made);
    assert_non_null(made);
    for (int i = 0; i < ROUNDS; i++) {
        struct base_buffer bytes = {0};
        struct base_arena arena = {0};
        struct change_event event;
        size_t used = 0;
        make_event(made, &random);
        base_buffer_append(&bytes, "before", below(&random, 7));
        size_t start = bytes.len;
        assert_int_equal(feed_encode(&bytes, &made->event, NULL), RHEI_OK);
        size_t end = bytes.len;
        base_buffer_append(&bytes, "behind", 6);
        assert_int_equal(feed_decode(bytes.data + start, bytes.len - start, &arena, &event, &used, NULL), RHEI_OK);
        assert_int_equal(used, end - start);
        assert_int_equal(event.kind, made->event.kind);
        assert_int_equal(event.table, made->event.table);
        assert_true(event.position == made->event.position && event.time_us == made->event.time_us);
        same_text(event.reason, made->event.reason);
        if (feed_has_rows(event.kind))
            same_rows(&made->event, &event);
        assert_int_equal(bytes.data[start + 4],
                         event.kind == CHANGE_EVENT_BEFORE ? 2 : 1); /* what older programs know stays */
        if (event.kind == CHANGE_EVENT_TABLE)
            same_definition(made->event.definition, event.definition);
        base_arena_reset(&arena);
        base_buffer_reset(&bytes);
    }
    free(made);
}

/* The checksum of a damaged event is made good, so that the rules behind it are met too. */
static void mend_sum(char *bytes, size_t size)
{
    uint64_t length = 0;
    for (size_t i = 0; i < 8; i++)
        length |= (uint64_t)(uint8_t)bytes[FEED_LENGTH_AT + i] << (8 * i);
    if (size < FEED_HEAD_BYTES || length > size - FEED_HEAD_BYTES)
        return;
    uint64_t sum = feed_checksum(bytes, (size_t)length);
    for (size_t i = 0; i < 8; i++)
        bytes[FEED_SUM_AT + i] = (char)(sum >> (8 * i) & 0xff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_arena arena = {0};
    struct change_event event;
    size_t used = 0;
    char *copy = malloc(size + 1); /* its own block: reading beyond it is seen */
    assert_non_null(copy);
    memcpy(copy, data, size);
    if (size >= FEED_HEAD_BYTES)
        mend_sum(copy, size);
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = feed_decode(copy, size, &arena, &event, &used, &error);
    assert_true(status == RHEI_OK || status == RHEI_NOT_A_DATABASE);
    assert_true(used <= size && (status == RHEI_OK) == (used > 0));
    assert_true(arena.total <= 64 * size + 4096);
    if (status == RHEI_OK) { /* what is taken can be written again */
        struct base_buffer again = {0};
        assert_int_equal(feed_encode(&again, &event, NULL), RHEI_OK);
        base_buffer_reset(&again);
    } else {
        assert_true(error.message[0] != '\0');
    }
    base_arena_reset(&arena);
    free(copy);
    return 0;
}

static void test_damaged_events_are_refused(void **state)
{
    (void)state;
    uint64_t random = seed();
    struct made *made = calloc(1, sizeof *made);
    assert_non_null(made);
    for (int i = 0; i < ROUNDS; i++) {
        struct base_buffer bytes = {0};
        struct base_arena arena = {0};
        struct change_event event;
        size_t used = 0;
        make_event(made, &random);
        assert_int_equal(feed_encode(&bytes, &made->event, NULL), RHEI_OK);
        size_t cut = below(&random, bytes.len);
        assert_int_equal(feed_decode(bytes.data, cut, &arena, &event, &used, NULL), RHEI_NOT_A_DATABASE);
        size_t at = below(&random, bytes.len);
        bytes.data[at] ^= (char)(1 << below(&random, 8));
        assert_int_equal(feed_decode(bytes.data, bytes.len, &arena, &event, &used, NULL), RHEI_NOT_A_DATABASE);
        for (int k = 0; k < 10; k++) {
            bytes.data[below(&random, bytes.len)] = (char)next(&random);
            assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *)bytes.data, bytes.len), 0);
        }
        base_arena_reset(&arena);
        base_buffer_reset(&bytes);
    }
    free(made);
}

static void test_what_has_no_form_is_not_written(void **state)
{
    (void)state;
    struct base_buffer bytes = {0};
    struct rhei_value value = {.type = RHEI_NULL};
    const struct rhei_value *column = &value;
    uint8_t op = CHANGE_PATCH;
    struct change_batch batch = {.table = 1, .column_count = 1, .row_count = 1, .columns = &column, .op = &op};
    struct change_event event = {.kind = CHANGE_EVENT_ROWS, .table = 1, .rows = &batch};
    assert_int_equal(feed_encode(&bytes, &event, NULL), RHEI_INVALID); /* a patch without a mask */
    event.kind = CHANGE_EVENT_BEFORE;
    assert_int_equal(feed_encode(&bytes, &event, NULL), RHEI_INVALID); /* rows as they were, without numbers */
    event.kind = CHANGE_EVENT_ROWS;
    op = 9;
    assert_int_equal(feed_encode(&bytes, &event, NULL), RHEI_INVALID);
    op = CHANGE_UPSERT;
    value.type = 7;
    assert_int_equal(feed_encode(&bytes, &event, NULL), RHEI_INVALID);
    value.type = RHEI_NULL;
    batch.lost = "lost";
    assert_int_equal(feed_encode(&bytes, &event, NULL), RHEI_INVALID);
    batch.lost = NULL;
    event.table = 2;
    assert_int_equal(feed_encode(&bytes, &event, NULL), RHEI_INVALID);
    event.kind = 7;
    assert_int_equal(feed_encode(&bytes, &event, NULL), RHEI_INVALID);
    assert_int_equal(bytes.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_come_back),
        cmocka_unit_test(test_damaged_events_are_refused),
        cmocka_unit_test(test_what_has_no_form_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
