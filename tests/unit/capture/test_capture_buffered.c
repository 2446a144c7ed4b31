/* SPDX-License-Identifier: Apache-2.0 */
/* What a consumer is told from a buffer that isn't as a bridge writes it: it goes on, whatever is in there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_memory.h"
#include "capture/capture_buffered.h"
#include "tests/support/memory_buffer.h"

static void append(struct change_buffer *buffer, const struct change_event *events, size_t count)
{
    assert_int_equal(buffer->ops->append(buffer, events, count, NULL), RHEI_OK);
}

/* Rows of a number that no definition has: the consumer is told once that any table may have lost changes, then what follows. */
static void test_a8_rows_without_a_definition_are_told_as_lost(void **state)
{
    (void)state;
    static const uint32_t key[] = {0};
    static const struct source_column columns[] = {
        {.name = "id", .declared_type = "INTEGER", .collation = "BINARY", .affinity = AFFINITY_INTEGER}};
    const struct source_table table = {
        .id = 1, .name = "t", .columns = columns, .column_count = 1, .key_columns = key, .key_count = 1};
    const struct rhei_value values[] = {{.type = RHEI_INTEGER, .as.integer = 5},
                                        {.type = RHEI_INTEGER, .as.integer = 6}};
    const struct rhei_value *const cells[] = {values};
    const int64_t unknown_at[] = {2, 3}, known_at[] = {4, 5};
    const struct change_batch unknown = {
        .table = 9, .column_count = 1, .row_count = 2, .columns = cells, .seq = unknown_at};
    const struct change_batch known = {
        .table = 1, .column_count = 1, .row_count = 2, .columns = cells, .seq = known_at};
    const struct change_event first[] = {{.kind = CHANGE_EVENT_TABLE, .table = 1, .definition = &table},
                                         {.kind = CHANGE_EVENT_COMMIT, .position = 1}};
    const struct change_event second[] = {
        {.kind = CHANGE_EVENT_ROWS, .table = 9, .rows = &unknown, .definition = &table},
        {.kind = CHANGE_EVENT_ROWS, .table = 1, .rows = &known, .definition = &table},
        {.kind = CHANGE_EVENT_COMMIT, .position = 5}};
    static const enum capture_change_kind kinds[] = {CAPTURE_CHANGE_TABLE, CAPTURE_CHANGE_LOST, CAPTURE_CHANGE_UPDATE,
                                                     CAPTURE_CHANGE_UPDATE, CAPTURE_CHANGE_COMMIT};
    struct capture_buffered_events events = {0};
    struct capture_buffered *buffered = NULL;
    struct change_buffer *buffer = memory_buffer_new();
    append(buffer, first, 2);
    append(buffer, second, 3);
    assert_int_equal(capture_buffered_open(buffer, &buffered, NULL), RHEI_OK);
    assert_true(capture_buffered_covers(buffered, 1));
    assert_int_equal(capture_buffered_next(buffered, 1, 1000, &events, NULL), RHEI_OK);
    assert_int_equal(events.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(events.list[i].kind, kinds[i]);
    assert_true(events.list[1].number == 0 && events.list[1].name == NULL && events.list[1].reason != NULL);
    assert_int_equal(events.list[4].position, 5);
    capture_buffered_close(&buffered);
    base_free(events.list);
    buffer->ops->close(&buffer);
}

/* A part that can't be read stays so: all up to the buffer's end is told as lost, and what comes behind it is told. */
static void test_a8_what_is_damaged_is_told_as_lost(void **state)
{
    (void)state;
    struct capture_buffered_events events = {0};
    struct capture_buffered *buffered = NULL;
    struct change_buffer *buffer = memory_buffer_new();
    for (int64_t position = 1; position <= 3; position++)
        append(buffer, &(struct change_event){.kind = CHANGE_EVENT_COMMIT, .position = position}, 1);
    assert_int_equal(capture_buffered_open(buffer, &buffered, NULL), RHEI_OK);
    memory_buffer_fail_read(buffer, 1, RHEI_BUSY);
    assert_int_equal(capture_buffered_next(buffered, 1, 1000, &events, NULL), RHEI_BUSY);
    memory_buffer_fail_read(buffer, 1, RHEI_NOT_A_DATABASE);
    assert_int_equal(capture_buffered_next(buffered, 1, 1000, &events, NULL), RHEI_OK);
    assert_true(events.damaged);
    assert_int_equal(events.count, 2);
    assert_int_equal(events.list[0].kind, CAPTURE_CHANGE_LOST);
    assert_true(events.list[0].number == 0 && strcmp(events.list[0].reason, "injected failure") == 0);
    assert_int_equal(events.list[1].kind, CAPTURE_CHANGE_COMMIT);
    assert_int_equal(events.list[1].position, 3);
    assert_false(capture_buffered_covers(buffered, 3));
    append(buffer, &(struct change_event){.kind = CHANGE_EVENT_COMMIT, .position = 4}, 1);
    assert_int_equal(capture_buffered_next(buffered, 3, 1000, &events, NULL), RHEI_OK);
    assert_true(!events.damaged && events.count == 1 && events.list[0].position == 4);
    capture_buffered_close(&buffered);
    base_free(events.list);
    buffer->ops->close(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a8_rows_without_a_definition_are_told_as_lost),
        cmocka_unit_test(test_a8_what_is_damaged_is_told_as_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
