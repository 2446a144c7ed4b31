/* SPDX-License-Identifier: Apache-2.0 */
/* A6, A9: the list of histories is gone or can't be read, while the histories themselves are there: nothing of them is lost, nor taken for another table's. */
#include "sync_fixture.h"

#include <stdio.h>
#include <string.h>

static bool keeps(void *context, const char *table)
{
    (void)context;
    (void)table;
    return true;
}

static uint32_t book_id(void)
{
    return (uint32_t)TABLE_HISTORY << TABLE_SOURCE_SHIFT;
}

/* Its rows are there, but the file that had some of them is known to be damaged. */
static bool book_is_lost(void *context, uint32_t table)
{
    (void)context;
    return table == book_id();
}

/* The row of generation 1. */
static void lose_row(struct fixture *fixture)
{
    const struct source_table *book = mirror_definition(fixture->mirror, book_id());
    const struct rhei_value one = list_integer(1), none = list_null();
    const struct rhei_value *columns[16];
    const uint8_t op[] = {CHANGE_DELETE};
    assert_in_range(book->column_count, 1, 16);
    for (uint32_t c = 0; c < book->column_count; c++)
        columns[c] = c == 0 ? &one : &none;
    struct change_batch batch = {
        .table = book_id(), .column_count = book->column_count, .row_count = 1, .op = op, .columns = columns};
    assert_int_equal(mirror_apply(fixture->mirror, &batch, NULL, NULL), RHEI_OK);
}

/* The same mirror and store under another sync, as after an opening that took the histories over and no table. */
static void open_again(struct fixture *fixture, bool (*lost)(void *context, uint32_t table))
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct sync_config config = {.mirror = fixture->mirror,
                                 .source = fixture->source,
                                 .keeps_history = keeps,
                                 .batch_rows = 7,
                                 .build_threads = 2,
                                 .histories = true,
                                 .histories_position = list_position(fixture->store),
                                 .lost_versions = lost};
    fixture->source->ops->close(&fixture->source);
    fixture->source = list_source_open(fixture->store);
    config.source = fixture->source;
    assert_int_equal(sync_open(&config, &fixture->sync, &error), RHEI_OK);
}

/* The generation of t that has rows now, and one that went; how many there are. */
static uint32_t find(const struct sync_book *book, const struct sync_generation **now,
                     const struct sync_generation **gone)
{
    uint32_t count = 0;
    *now = *gone = NULL;
    for (size_t g = 0; g < book->count; g++) {
        const struct sync_generation *generation = book->generations[g];
        count += strcmp(generation->table, "t") == 0;
        if (generation->gone_us == 0 && generation->current)
            *now = generation;
        else
            *gone = generation;
    }
    return count;
}

static uint64_t rows_of(const struct mirror_snapshot *snapshot, uint32_t number, bool ended)
{
    uint32_t open_id = 0, ended_id = 0;
    sync_generation_parts(0, number, &open_id, &ended_id);
    const struct mirror_table_view *view = mirror_view(snapshot, ended ? ended_id : open_id);
    return view == NULL ? UINT64_MAX : mirror_view_row_count(view);
}

static void test_versions_are_found_again(bool gone, bool remade)
{
    struct fixture fixture = {.seed = 7};
    struct sync_book book = {0};
    struct mirror_snapshot snapshot;
    const struct sync_generation *now = NULL, *was = NULL;
    fixture_open(&fixture, (struct sync_config){.keeps_history = keeps});
    list_create(fixture.store, "t", 3);
    fill_table(fixture.store, "t", 5);
    must_build(&fixture);
    for (int64_t key = 1; key <= 5; key++)
        commit_row(fixture.store, "t", key, 100 + key);
    must_cycle(&fixture);
    sync_close(&fixture.sync);
    if (gone)
        mirror_drop(fixture.mirror, book_id());
    else
        lose_row(&fixture);
    if (remade) {
        list_drop(fixture.store, "t");
        list_create(fixture.store, "t", 3);
        fill_table(fixture.store, "t", 2);
    }
    open_again(&fixture, gone ? NULL : book_is_lost);
    must_build(&fixture);
    assert_int_equal(mirror_snapshot_take(fixture.mirror, &snapshot), RHEI_OK);
    assert_int_equal(sync_book_read(&snapshot, 0, &book, NULL), RHEI_OK);
    assert_int_equal(find(&book, &now, &was), 2);
    assert_non_null(now);
    assert_non_null(was);
    /* all versions are there; none goes on, and nothing is told of before the load */
    assert_int_equal(rows_of(&snapshot, was->number, true), 5);
    assert_int_equal(rows_of(&snapshot, was->number, false), 5);
    assert_int_equal(rows_of(&snapshot, now->number, false), remade ? 2 : 5);
    assert_int_equal(rows_of(&snapshot, now->number, true), 0);
    assert_true(was->gone_us <= now->began_us && was->kept_us >= now->began_us && was->kept_us != INT64_MAX);
    sync_book_free(&book);
    mirror_snapshot_release(&snapshot);
    fixture_close(&fixture);
}

static void test_a9_without_the_book_a_history_ends_and_begins_anew(void **state)
{
    (void)state;
    test_versions_are_found_again(true, false);
    test_versions_are_found_again(false, false);
}

/* Its rows aren't a new table's past. */
static void test_a9_without_the_book_a_table_made_anew_has_none_of_the_old_ones_versions(void **state)
{
    (void)state;
    test_versions_are_found_again(true, true);
    test_versions_are_found_again(false, true);
}

/* A row as books had them before they told lines and since when a table has its name. */
static void write_old_row(struct fixture *fixture, const struct sync_generation *generation)
{
    char names[256];
    size_t at = 0;
    for (uint32_t n = 0; n < generation->name_count; n++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%zu:%s", strlen(generation->names[n]),
                               generation->names[n]);
    const struct rhei_value none = list_null(), values[] = {
                                                    list_integer(generation->number),
                                                    {.type = RHEI_TEXT,
                                                     .length = (uint32_t)strlen(generation->table),
                                                     .as.bytes = generation->table},
                                                    {.type = RHEI_TEXT, .length = (uint32_t)at, .as.bytes = names},
                                                    list_integer(generation->current),
                                                    list_integer(generation->began_us),
                                                    generation->gone_us ? list_integer(generation->gone_us) : none,
                                                    generation->gone_seq ? list_integer(generation->gone_seq) : none,
                                                    none,
                                                    none,
                                                };
    enum { COLUMNS = sizeof values / sizeof *values };
    const struct rhei_value *columns[COLUMNS];
    assert_int_equal(mirror_definition(fixture->mirror, book_id())->column_count, COLUMNS);
    for (int c = 0; c < COLUMNS; c++)
        columns[c] = &values[c];
    struct change_batch batch = {.table = book_id(), .column_count = COLUMNS, .row_count = 1, .columns = columns};
    assert_int_equal(mirror_apply(fixture->mirror, &batch, NULL, NULL), RHEI_OK);
}

static void read_two(struct fixture *fixture, struct sync_book *book)
{
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(fixture->mirror, &snapshot), RHEI_OK);
    assert_int_equal(sync_book_read(&snapshot, 0, book, NULL), RHEI_OK);
    mirror_snapshot_release(&snapshot);
    assert_int_equal(book->count, 2);
    const struct sync_generation *gone = book->generations[0], *now = book->generations[1];
    assert_int_equal(gone->line, gone->number);
    assert_int_equal(now->line, now->number);
    assert_true(gone->gone_us > 0 && now->gone_us == 0 && gone->from_us == 0);
    assert_int_equal(now->from_us, gone->gone_us); /* one behind the other */
    assert_int_equal(now->from_seq, gone->gone_seq);
}

static void test_a9_a_name_is_one_tables_at_a_time_and_an_older_book_is_written_anew(void **state)
{
    (void)state;
    struct fixture fixture = {.seed = 7};
    struct sync_book book = {0}, anew = {0};
    fixture_open(&fixture, (struct sync_config){.keeps_history = keeps});
    list_create(fixture.store, "t", 3);
    fill_table(fixture.store, "t", 5);
    must_build(&fixture);
    list_drop(fixture.store, "t");
    must_cycle(&fixture);
    list_create(fixture.store, "t", 3);
    fill_table(fixture.store, "t", 2);
    must_build(&fixture);
    read_two(&fixture, &book);
    sync_close(&fixture.sync);
    for (size_t g = 0; g < book.count; g++)
        write_old_row(&fixture, book.generations[g]);
    open_again(&fixture, NULL);
    must_build(&fixture);
    read_two(&fixture, &anew);
    assert_int_equal(book.generations[1]->kept_us, 0);
    for (size_t g = 0; g < anew.count; g++) /* which of them went on with which it didn't say */
        assert_int_equal(anew.generations[g]->kept_us, book.generations[0]->gone_us);
    sync_book_free(&book);
    sync_book_free(&anew);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a9_without_the_book_a_history_ends_and_begins_anew),
        cmocka_unit_test(test_a9_a_name_is_one_tables_at_a_time_and_an_older_book_is_written_anew),
        cmocka_unit_test(test_a9_without_the_book_a_table_made_anew_has_none_of_the_old_ones_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
