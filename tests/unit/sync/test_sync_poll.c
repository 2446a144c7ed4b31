/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source that looks (room poll) over a database that is an array, followed by a real sync into a real mirror. What a look may rely on is
 * what poll.h says of a reader; everything else is done to it: calls that fail, rows that change while they are loaded, dates of any kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_error.h"
#include "poll/poll.h"
#include "sync/sync.h"

enum { IDS = 60, ROUNDS = 400, COLUMNS = 4, NONE = 0 };

struct cell {
    bool there, dated, gone;
    int64_t value, stamp;
};

struct fake {
    struct cell cells[IDS];
    uint64_t version; /* of what is in them */
    uint64_t seed;
    int64_t clock;
    int fail_in; /* calls until one fails; 0: none does */
    rhei_status fail_with;
    bool doubtful, lost, renamed, busy_load; /* busy_load: rows change while they are loaded */
    bool null_key;
    uint64_t pages;
};

struct fake_reader {
    struct poll_reader base;
    struct fake *fake;
    uint64_t seen;
    bool known, renamed;
    bool of_load;
    struct poll_table table;
    struct source_column columns[COLUMNS];
    uint32_t key[1];
    struct rhei_value values[COLUMNS][IDS];
    const struct rhei_value *lists[COLUMNS];
};

static uint64_t draw(struct fake *fake, uint64_t below)
{
    fake->seed = fake->seed * 6364136223846793005u + 1442695040888963407u;
    return (fake->seed >> 33) % below;
}

static bool fails(struct fake *fake)
{
    return fake->fail_in > 0 && --fake->fail_in == 0;
}

static rhei_status fail_call(const struct fake *fake, struct rhei_error *error)
{
    return error_set(error, fake->fail_with, "as it was told");
}

static rhei_status fake_begin(struct poll_reader *base, struct poll_state *state, struct rhei_error *error)
{
    struct fake_reader *reader = (struct fake_reader *)base;
    struct fake *fake = reader->fake;
    if (fails(fake))
        return fail_call(fake, error);
    *state = (struct poll_state){.changed = !reader->known || reader->seen != fake->version,
                                 .schema_changed = !reader->known || reader->renamed != fake->renamed,
                                 .doubtful = fake->doubtful,
                                 .lost = fake->lost};
    fake->doubtful = fake->lost = false;
    reader->known = true;
    reader->renamed = fake->renamed;
    reader->seen = fake->version;
    return RHEI_OK;
}

static void fake_end(struct poll_reader *base)
{
    (void)base;
}

static rhei_status fake_tables(struct poll_reader *base, const struct poll_table **tables, size_t *count,
                               struct rhei_error *error)
{
    static const char *const names[COLUMNS] = {"id", "value", "stamp", "gone"};
    struct fake_reader *reader = (struct fake_reader *)base;
    if (fails(reader->fake))
        return fail_call(reader->fake, error);
    for (int c = 0; c < COLUMNS; c++)
        reader->columns[c] = (struct source_column){.name = names[c], .declared_type = "", .collation = "BINARY"};
    reader->columns[1].name = reader->fake->renamed ? "worth" : "value";
    reader->table = (struct poll_table){.definition = {.name = "t",
                                                       .column_count = COLUMNS,
                                                       .columns = reader->columns,
                                                       .key_count = 1,
                                                       .key_columns = reader->key,
                                                       .without_rowid = true,
                                                       .estimated_rows = -1},
                                        .stamps = {2},
                                        .stamp_count = 1,
                                        .gone = 3};
    *tables = &reader->table;
    *count = 1;
    return RHEI_OK;
}

static int64_t stamp_of(const struct cell *cell)
{
    return cell->dated ? cell->stamp : INT64_MIN;
}

/* Is row a before row b in the order of the page? */
static bool is_before(const struct fake *fake, const struct poll_page *page, int a, int b)
{
    int64_t x = stamp_of(&fake->cells[a]), y = stamp_of(&fake->cells[b]);
    return page->order == POLL_BY_STAMP && x != y ? x < y : a < b;
}

static bool is_behind(const struct fake *fake, const struct poll_page *page, int id)
{
    const struct cell *cell = &fake->cells[id];
    if (page->order != POLL_BY_KEY && cell->dated != (page->order == POLL_BY_STAMP))
        return false;
    if (page->first && page->order == POLL_BY_STAMP && page->from[0].type != RHEI_NULL)
        return cell->stamp >= page->from[0].as.integer;
    if (page->first)
        return true;
    if (page->order != POLL_BY_STAMP)
        return id > page->from[0].as.integer;
    return cell->stamp > page->from[0].as.integer ||
           (cell->stamp == page->from[0].as.integer && id > page->from[1].as.integer);
}

static void put_row(struct fake_reader *reader, size_t row, int id)
{
    const struct cell *cell = &reader->fake->cells[id];
    for (int c = 0; c < COLUMNS; c++)
        reader->values[c][row] = (struct rhei_value){.type = RHEI_INTEGER};
    reader->values[0][row].as.integer = id;
    if (reader->fake->null_key && id == 7)
        reader->values[0][row].type = RHEI_NULL;
    reader->values[1][row].as.integer = cell->value;
    reader->values[2][row].as.integer = cell->stamp;
    if (!cell->dated)
        reader->values[2][row].type = RHEI_NULL;
    reader->values[3][row].as.integer = cell->gone;
}

static void change_any(struct fake *fake, bool dated);

static rhei_status fake_page(struct poll_reader *base, const struct poll_page *page, struct poll_rows *rows,
                             struct rhei_error *error)
{
    struct fake_reader *reader = (struct fake_reader *)base;
    struct fake *fake = reader->fake;
    int order[IDS], count = 0;
    if (fails(fake))
        return fail_call(fake, error);
    fake->pages++;
    if (reader->of_load && fake->busy_load)
        change_any(fake, true);
    for (int id = 0; id < IDS; id++)
        if (fake->cells[id].there && is_behind(fake, page, id))
            order[count++] = id;
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && is_before(fake, page, order[k], order[k - 1]); k--) {
            int other = order[k];
            order[k] = order[k - 1];
            order[k - 1] = other;
        }
    rows->count = (size_t)count < page->most ? (size_t)count : page->most;
    for (size_t i = 0; i < rows->count; i++)
        put_row(reader, i, order[i]);
    for (int c = 0; c < COLUMNS; c++)
        reader->lists[c] = reader->values[c];
    rows->columns = reader->lists;
    return RHEI_OK;
}

static int compare_stamps(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static rhei_status fake_newest(struct poll_reader *base, size_t table, uint32_t stamp, size_t above,
                               struct rhei_value *value, struct rhei_error *error)
{
    struct fake_reader *reader = (struct fake_reader *)base;
    int64_t stamps[IDS];
    size_t count = 0;
    (void)table;
    (void)error;
    assert_int_equal(stamp, 2);
    reader->of_load = true;
    for (int id = 0; id < IDS; id++)
        if (reader->fake->cells[id].there && reader->fake->cells[id].dated)
            stamps[count++] = reader->fake->cells[id].stamp;
    qsort(stamps, count, sizeof *stamps, compare_stamps);
    above = above * 5 / 1000; /* there are few rows here */
    *value = (struct rhei_value){0};
    if (above < count)
        *value = (struct rhei_value){.type = RHEI_INTEGER, .as.integer = stamps[above]};
    return RHEI_OK;
}

static void fake_identity(const struct poll_reader *reader, char word[POLL_IDENTITY])
{
    (void)reader;
    strcpy(word, "the only one");
}

static void fake_close(struct poll_reader **reader)
{
    free(*reader);
    *reader = NULL;
}

static rhei_status fake_open(void *context, struct poll_reader **result, struct rhei_error *error)
{
    static const struct poll_reader_ops ops = {.begin = fake_begin,
                                               .end = fake_end,
                                               .tables = fake_tables,
                                               .page = fake_page,
                                               .newest = fake_newest,
                                               .identity = fake_identity,
                                               .close = fake_close};
    struct fake_reader *reader = calloc(1, sizeof *reader);
    (void)error;
    assert_non_null(reader);
    reader->base.ops = &ops;
    reader->fake = context;
    *result = &reader->base;
    return RHEI_OK;
}

/* ---- What an application does. ----------------------------------------------------------------------------------- */

static void change_one(struct fake *fake, int id, bool dated)
{
    struct cell *cell = &fake->cells[id];
    cell->value++;
    cell->there = true;
    cell->gone = draw(fake, 8) == 0;
    cell->dated = true;
    fake->clock += (int64_t)draw(fake, 2); /* equal ones are common */
    if (dated)
        cell->stamp = fake->clock;
    else if (draw(fake, 3) == 0)
        cell->stamp = (int64_t)draw(fake, 1000) - 500;
    else if (draw(fake, 3) == 0)
        cell->dated = false;
    fake->version++;
}

static void change_any(struct fake *fake, bool dated)
{
    change_one(fake, (int)draw(fake, IDS), dated);
}

/* ---- The mirror. ------------------------------------------------------------------------------------------------- */

struct world {
    struct fake fake;
    struct mirror *mirror;
    struct change_source *source;
    struct sync *sync;
};

static void start(struct world *world, const struct poll_config *config)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct mirror_config mirror = {0};
    struct poll_config poll = *config;
    memset(world, 0, sizeof *world);
    world->fake.seed = 20261128;
    world->fake.clock = 1000;
    world->fake.fail_with = RHEI_IO;
    for (int i = 0; i < IDS; i++)
        change_any(&world->fake, true);
    poll.open = fake_open;
    poll.context = &world->fake;
    assert_int_equal(mirror_open(&mirror, &world->mirror, &error), RHEI_OK);
    assert_int_equal(poll_source_open(&poll, &world->source, &error), RHEI_OK);
    struct sync_config sync = {
        .mirror = world->mirror, .source = world->source, .batch_rows = 7, .build_on_demand = true, .no_verify = true};
    assert_int_equal(sync_open(&sync, &world->sync, &error), RHEI_OK);
    if (sync_build(world->sync, true, 0, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

static void stop(struct world *world)
{
    sync_close(&world->sync);
    world->source->ops->close(&world->source);
    mirror_close(&world->mirror);
}

static uint32_t table_of(struct world *world, enum sync_table_state *state, char message[256])
{
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    assert_int_equal(sync_get_tables(world->sync, &tables, &count, NULL), RHEI_OK);
    assert_int_equal(count, 1);
    uint32_t id = tables[0].id;
    *state = tables[0].state;
    memcpy(message, tables[0].message, 256);
    free(tables);
    return id;
}

struct met {
    const struct fake *fake;
    size_t rows;
    bool stale_allowed;
};

static rhei_status meet_row(void *context, const struct rhei_value *row)
{
    struct met *met = context;
    assert_in_range(row[0].as.integer, 0, IDS - 1);
    const struct cell *cell = &met->fake->cells[row[0].as.integer];
    met->rows++;
    assert_true(cell->there && !cell->gone);
    assert_int_equal(row[1].as.integer, cell->value);
    assert_int_equal(row[2].type != RHEI_NULL, cell->dated);
    if (cell->dated)
        assert_int_equal(row[2].as.integer, cell->stamp);
    return RHEI_OK;
}

static void assert_same(struct world *world)
{
    struct met met = {.fake = &world->fake};
    enum sync_table_state state;
    char message[256];
    uint32_t id = table_of(world, &state, message);
    size_t there = 0;
    assert_int_equal(state, SYNC_TABLE_READY);
    assert_int_equal(mirror_working_each(world->mirror, id, meet_row, &met, NULL), RHEI_OK);
    for (int i = 0; i < IDS; i++)
        there += world->fake.cells[i].there && !world->fake.cells[i].gone;
    assert_int_equal(met.rows, there);
}

/* Until one succeeds. */
static struct sync_report look(struct world *world)
{
    struct sync_report report = {0};
    struct rhei_error error;
    for (int tries = 0; tries < 100; tries++) {
        error_clear(&error);
        if (sync_cycle(world->sync, &report, &error) == RHEI_OK)
            return report;
    }
    fail_msg("%s", error.message);
    return report;
}

/* ---- Tests. ------------------------------------------------------------------------------------------------------ */

/* Rows with new or equal dates arrive with the next look, however many looks failed before it, and are told once. */
static void test_s1_s2_dated_rows_arrive_with_the_next_look(void **unused)
{
    (void)unused;
    struct world world;
    start(&world, &(struct poll_config){.page_rows = 5, .overlap_ms = 1, .sweep_ms = 3600000});
    look(&world);
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t n = draw(&world.fake, 4); n > 0; n--)
            change_any(&world.fake, true);
        if (draw(&world.fake, 3) == 0)
            world.fake.fail_in = 1 + (int)draw(&world.fake, 12);
        look(&world);
        world.fake.fail_in = 0;
        assert_same(&world);
        assert_int_equal(look(&world).events, 0);
    }
    stop(&world);
}

/* A commit with a stamp older than the newest that was seen, within the overlap. */
static void test_s1_late_commits_arrive_with_the_next_look(void **unused)
{
    (void)unused;
    struct world world;
    start(&world, &(struct poll_config){.page_rows = 5, .overlap_ms = 3600000, .sweep_ms = 3600000});
    int64_t loaded = world.fake.clock;
    for (int round = 0; round < ROUNDS; round++) {
        change_any(&world.fake, true);
        struct cell *late = &world.fake.cells[draw(&world.fake, IDS)];
        *late = (struct cell){true, true, false, round, loaded + (int64_t)draw(&world.fake, 3)};
        if (draw(&world.fake, 3) == 0)
            world.fake.fail_in = 1 + (int)draw(&world.fake, 12);
        look(&world);
        world.fake.fail_in = 0;
        assert_same(&world);
    }
    stop(&world);
}

static void test_s1_s3_a_sweep_finds_whatever_happened(void **unused)
{
    (void)unused;
    struct world world;
    start(&world, &(struct poll_config){.page_rows = 5, .deletes = true, .every = 1});
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t n = draw(&world.fake, 4); n > 0; n--)
            change_any(&world.fake, false);
        if (draw(&world.fake, 3) == 0)
            world.fake.cells[draw(&world.fake, IDS)].there = false;
        if (draw(&world.fake, 50) == 0)
            for (int i = 0; i < IDS; i++)
                world.fake.cells[i].there = false;
        world.fake.version++;
        if (draw(&world.fake, 3) == 0)
            world.fake.fail_in = 1 + (int)draw(&world.fake, 20);
        look(&world);
        world.fake.fail_in = 0;
        assert_same(&world);
    }
    stop(&world);
}

/* Nothing is read where nothing was committed, and what is as it was is none of the changes. */
static void test_s2_what_is_as_it_was_is_no_change(void **unused)
{
    (void)unused;
    struct world world;
    start(&world, &(struct poll_config){.deletes = true, .every = 1});
    look(&world);
    uint64_t publishes = mirror_publishes(world.mirror), pages = world.fake.pages;
    assert_int_equal(look(&world).events, 0);
    assert_int_equal(world.fake.pages, pages);
    assert_int_equal(mirror_publishes(world.mirror), publishes);
    world.fake.version++; /* a commit that changed nothing */
    struct sync_report report = look(&world);
    assert_true(world.fake.pages > pages);
    assert_int_equal(report.events + report.inserted + report.updated + report.deleted, 0);
    change_one(&world.fake, 3, true);
    world.fake.cells[3].gone = false;
    report = look(&world);
    assert_int_equal(report.events, 1);
    stop(&world);
}

static void test_s2_rows_that_change_while_they_are_loaded_are_seen(void **unused)
{
    (void)unused;
    struct world world;
    struct rhei_error error = RHEI_ERROR_INIT;
    start(&world, &(struct poll_config){.page_rows = 5, .overlap_ms = 1, .sweep_ms = 3600000});
    for (int round = 0; round < 20; round++) {
        world.fake.busy_load = true;
        assert_int_equal(sync_rebuild(world.sync, "t", &error), RHEI_OK);
        assert_int_equal(sync_build(world.sync, true, 0, NULL, &error), RHEI_OK);
        world.fake.busy_load = false;
        look(&world);
        assert_same(&world);
    }
    stop(&world);
}

static void test_s3_a_database_that_was_restored_is_swept_and_another_one_is_loaded(void **unused)
{
    (void)unused;
    struct world world;
    struct rhei_error error = RHEI_ERROR_INIT;
    start(&world, &(struct poll_config){.sweep_ms = 3600000});
    look(&world);
    for (int i = 0; i < 20; i++)
        world.fake.cells[i] = (struct cell){.there = i % 2 == 0, .dated = true, .stamp = 5, .value = 77};
    world.fake.version++;
    world.fake.doubtful = true;
    look(&world);
    assert_same(&world);
    for (int i = 0; i < 20; i++)
        world.fake.cells[i].value = 78;
    world.fake.lost = true;
    look(&world);
    assert_int_equal(sync_build(world.sync, true, 0, NULL, &error), RHEI_OK);
    assert_same(&world);
    world.fake.renamed = true;
    look(&world);
    assert_int_equal(sync_build(world.sync, true, 0, NULL, &error), RHEI_OK);
    assert_same(&world);
    stop(&world);
}

static void test_s2_a_table_that_cannot_be_read_is_set_aside_with_its_reason(void **unused)
{
    (void)unused;
    struct world world;
    enum sync_table_state state;
    char message[256];
    struct rhei_error error = RHEI_ERROR_INIT;
    start(&world, &(struct poll_config){.every = 1});
    world.fake.null_key = true;
    world.fake.cells[7] = (struct cell){.there = true, .dated = true, .stamp = world.fake.clock + 1};
    world.fake.version++;
    look(&world);
    look(&world);
    table_of(&world, &state, message);
    assert_int_equal(state, SYNC_TABLE_UNMIRRORED);
    assert_non_null(strstr(message, "NULL in its key column \"id\""));
    world.fake.null_key = false;
    world.fake.renamed = true; /* another schema: it is tried again */
    look(&world);
    assert_int_equal(sync_build(world.sync, true, 0, NULL, &error), RHEI_OK);
    assert_same(&world);
    stop(&world);
}

/* A page that failed is none, and not the last one. */
static void test_s2_a_load_whose_page_failed_goes_on_there(void **unused)
{
    (void)unused;
    struct world world;
    struct source_load *load = NULL;
    struct source_load_info info = {0};
    const struct change_batch *batch = NULL;
    enum sync_table_state state;
    char message[256];
    start(&world, &(struct poll_config){.page_rows = 5});
    uint32_t id = table_of(&world, &state, message);
    const struct change_source_ops *ops = world.source->ops;
    assert_int_equal(ops->load_begin(world.source, id, 1, &load, &info, NULL), RHEI_OK);
    world.fake.fail_in = 1;
    assert_int_equal(ops->load_next(load, 0, 7, &batch, NULL), RHEI_IO);
    assert_int_equal(ops->load_next(load, 0, 7, &batch, NULL), RHEI_OK);
    assert_non_null(batch);
    ops->load_end(&load);
    stop(&world);
}

static void assert_time(struct rhei_value value, bool is_time, int64_t expected)
{
    int64_t time_us = 0;
    assert_int_equal(poll_time_of(&value, &time_us), is_time);
    if (is_time)
        assert_int_equal(time_us, expected);
}

static struct rhei_value text(const char *words)
{
    return (struct rhei_value){.type = RHEI_TEXT, .as.bytes = words, .length = (uint32_t)strlen(words)};
}

static struct rhei_value integer(int64_t value)
{
    return (struct rhei_value){.type = RHEI_INTEGER, .as.integer = value};
}

static void test_s1_timestamps_of_every_form(void **unused)
{
    (void)unused;
    const int64_t second = 1700000000, us = second * 1000000;
    assert_time(integer(second), true, us);
    assert_time(integer(second * 1000 + 5), true, us + 5000);
    assert_time(integer(us + 7), true, us + 7);
    assert_time(integer(us * 1000 + 7999), true, us + 7);
    assert_time(integer(17), false, 0);
    assert_time((struct rhei_value){.type = RHEI_REAL, .as.real = 1700000000.25}, true, us + 250000);
    assert_time((struct rhei_value){.type = RHEI_REAL, .as.real = 2440588.5}, true, INT64_C(86400000000));
    assert_time((struct rhei_value){.type = RHEI_REAL, .as.real = 0.5}, false, 0);
    assert_time(text("2023-11-14 22:13:20"), true, us);
    assert_time(text("2023-11-14T22:13:20.000007Z"), true, us + 7);
    assert_time(text("2023-11-15T00:13:20+02:00"), true, us);
    assert_time(text("2023-11-14 17:13:20-05"), true, us);
    assert_time(text("2023-11-14"), true, (second - 22 * 3600 - 13 * 60 - 20) * 1000000);
    assert_time(text("1969-12-31 23:59:59"), true, -1000000);
    assert_time(text("2023-11-14 22:13:20 o'clock"), false, 0);
    assert_time(text("2023-13-01"), false, 0);
    assert_time(text(""), false, 0);
    assert_time((struct rhei_value){0}, false, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_s2_dated_rows_arrive_with_the_next_look),
        cmocka_unit_test(test_s1_late_commits_arrive_with_the_next_look),
        cmocka_unit_test(test_s1_s3_a_sweep_finds_whatever_happened),
        cmocka_unit_test(test_s2_what_is_as_it_was_is_no_change),
        cmocka_unit_test(test_s2_rows_that_change_while_they_are_loaded_are_seen),
        cmocka_unit_test(test_s3_a_database_that_was_restored_is_swept_and_another_one_is_loaded),
        cmocka_unit_test(test_s2_a_table_that_cannot_be_read_is_set_aside_with_its_reason),
        cmocka_unit_test(test_s2_a_load_whose_page_failed_goes_on_there),
        cmocka_unit_test(test_s1_timestamps_of_every_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
