/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   1. A row of the book is stored with the change that makes it true, under one publish; so every state that is shown, or kept in a
 *      folder, tells of itself what it has.
 *   4. Behind the names of its columns stand its line and from when on it has its name, behind a "@", its gaps, each behind a "!", and up to when all is known, behind a "~", for
 *      the same reason. A row without the first is of a book from before there were lines (sync_book_names.c).
 *   2. Numbers are given once: a generation that ends never comes back under its number.
 *   3. The column is_current has the origin of the table, or 1 where that is unknown, so that books have the form that they had before there
 *      were origins.
 */
#include "sync_book.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"

enum { OPEN_BIT = 1 << (TABLE_SOURCE_SHIFT - 1) };
enum { NUMBER, TABLE, NAMES, CURRENT, BEGAN, GONE_US, GONE_SEQ, KEPT_US, KEPT_SEQ, BOOK_COLUMNS };

#define INTEGER_COLUMN(text)                                                                          \
    {                                                                                                 \
        .name = text, .declared_type = "INTEGER", .collation = "BINARY", .affinity = AFFINITY_INTEGER \
    }
#define TEXT_COLUMN(text)                                                                       \
    {                                                                                           \
        .name = text, .declared_type = "TEXT", .collation = "BINARY", .affinity = AFFINITY_TEXT \
    }

static const struct source_column book_columns[BOOK_COLUMNS] = {
    [NUMBER] = {.name = "generation",
                .declared_type = "INTEGER",
                .collation = "BINARY",
                .affinity = AFFINITY_INTEGER,
                .is_rowid_alias = true},
    [TABLE] = TEXT_COLUMN("table_name"),
    [NAMES] = TEXT_COLUMN("columns"),
    [CURRENT] = INTEGER_COLUMN("is_current"),
    [BEGAN] = INTEGER_COLUMN("began"),
    [GONE_US] = INTEGER_COLUMN("gone"),
    [GONE_SEQ] = INTEGER_COLUMN("gone_seq"),
    [KEPT_US] = INTEGER_COLUMN("kept_from"),
    [KEPT_SEQ] = INTEGER_COLUMN("kept_from_seq"),
};
static const uint32_t book_key[] = {NUMBER};

static uint32_t base_of(const struct sync *sync)
{
    return (uint32_t)(TABLE_HISTORY | sync->config.source_number) << TABLE_SOURCE_SHIFT;
}

uint32_t sync_book_open_id(const struct sync *sync, uint32_t number)
{
    return base_of(sync) | OPEN_BIT | number;
}

uint32_t sync_book_ended_id(const struct sync *sync, uint32_t number)
{
    return base_of(sync) | number;
}

static struct source_table book_table(const struct sync *sync)
{
    return (struct source_table){.id = base_of(sync),
                                 .name = "tables",
                                 .column_count = BOOK_COLUMNS,
                                 .columns = book_columns,
                                 .key_count = 1,
                                 .key_columns = book_key,
                                 .key_is_integer = true,
                                 .estimated_rows = -1};
}

/* ---- Generations in memory. ---------------------------------------------------------------------------------------- */

static void generation_free(struct sync_generation *generation)
{
    if (!generation)
        return;
    for (uint32_t n = 0; generation->names && n < generation->name_count; n++)
        base_free(generation->names[n]);
    base_free(generation->names);
    base_free(generation->table);
    base_free(generation);
}

void sync_book_free(struct sync_book *book)
{
    for (size_t g = 0; g < book->count; g++)
        generation_free(book->generations[g]);
    base_free(book->generations);
    *book = (struct sync_book){.count = 0};
}

struct sync_generation *sync_book_find(const struct sync *sync, uint32_t number)
{
    for (size_t g = 0; g < sync->book.count; g++)
        if (sync->book.generations[g]->number == number)
            return sync->book.generations[g];
    return NULL;
}

struct sync_generation *sync_book_current(const struct sync *sync, const char *table)
{
    for (size_t g = sync->book.count; g-- > 0;) {
        struct sync_generation *generation = sync->book.generations[g];
        if (generation->current && generation->gone_us == 0 && base_fold_compare(generation->table, table) == 0)
            return generation;
    }
    return NULL;
}

/* Takes it, also on failure. */
static bool enter(struct sync_book *book, struct sync_generation *generation)
{
    if (!base_grow((void **)&book->generations, &book->capacity, book->count + 1, sizeof(struct sync_generation *))) {
        generation_free(generation);
        return false;
    }
    size_t at = book->count++;
    for (; at > 0 && book->generations[at - 1]->number > generation->number; at--)
        book->generations[at] = book->generations[at - 1];
    book->generations[at] = generation;
    BASE_INVARIANT(at == 0 || book->generations[at - 1]->number < generation->number); /* 2. */
    if (generation->number >= book->next_number)
        book->next_number = generation->number + 1;
    return true;
}

rhei_status sync_book_add(struct sync *sync, uint32_t number, const char *table, const char *const *names,
                          uint32_t name_count, struct sync_generation **result, struct rhei_error *error)
{
    struct sync_generation *made = base_alloc_zero(1, sizeof *made);
    *result = NULL;
    if (!made)
        return error_no_memory(error);
    made->number = made->line = number;
    made->table = base_strdup(table);
    made->names = base_alloc_zero((size_t)name_count + 1, sizeof *made->names);
    bool ok = made->table && made->names;
    for (uint32_t n = 0; ok && n < name_count; n++) {
        made->names[n] = base_strdup(names[n]);
        made->name_count = n + 1;
        ok = made->names[n];
    }
    if (!ok)
        generation_free(made);
    if (!ok || !enter(&sync->book, made))
        return error_no_memory(error);
    *result = made;
    return RHEI_OK;
}

/* Of more than there is room for the oldest become one. */
void sync_book_take_gaps(struct sync_generation *generation, const struct sync_generation *older)
{
    struct sync_gap all[2 * SYNC_GAPS_MOST];
    uint32_t count = older->gap_count + generation->gap_count;
    BASE_INVARIANT(older->line == generation->line && older->number < generation->number);
    if (older->gap_count == 0)
        return;
    memcpy(all, older->gaps, older->gap_count * sizeof *all);
    memcpy(all + older->gap_count, generation->gaps, generation->gap_count * sizeof *all);
    uint32_t first = count > SYNC_GAPS_MOST ? count - SYNC_GAPS_MOST : 0;
    all[first].from_us = all[0].from_us;
    all[first].from_seq = all[0].from_seq;
    generation->gap_count = count - first;
    memcpy(generation->gaps, all + first, generation->gap_count * sizeof *all);
}

/* ---- As rows. ------------------------------------------------------------------------------------------------------ */

static struct rhei_value integer(int64_t value)
{
    return (struct rhei_value){.type = RHEI_INTEGER, .as.integer = value};
}

static struct rhei_value integer_or_null(int64_t value)
{
    return value == 0 ? (struct rhei_value){.type = RHEI_NULL} : integer(value);
}

static struct rhei_value text(const char *bytes, size_t len)
{
    return (struct rhei_value){.type = RHEI_TEXT, .length = (uint32_t)len, .as.bytes = bytes};
}

static int64_t number_of(const struct rhei_value *value)
{
    return value->type == RHEI_INTEGER ? value->as.integer : 0;
}

/* Each name behind its length, since a name may have any byte. */
static void write_names(const struct sync_generation *generation, struct base_buffer *out)
{
    for (uint32_t n = 0; n < generation->name_count; n++) {
        base_buffer_format(out, "%zu:", strlen(generation->names[n]));
        base_buffer_text(out, generation->names[n]);
    }
    base_buffer_format(out, "@%" PRIu32 ",%" PRId64 ",%" PRId64, generation->line, generation->from_us,
                       generation->from_seq);
    for (uint32_t g = 0; g < generation->gap_count; g++) {
        const struct sync_gap *gap = &generation->gaps[g];
        base_buffer_format(out, "!%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64, gap->from_us, gap->to_us,
                           gap->from_seq, gap->to_seq);
    }
    if (generation->known_us != 0)
        base_buffer_format(out, "~%" PRId64, generation->known_us);
}

static char *read_numbers(char *at, int64_t *const *numbers, int count)
{
    for (int n = 0; n < count; n++)
        *numbers[n] = strtoll(at + (*at != '\0'), &at, 10);
    return at;
}

/* 4. */
static bool read_rest(const char *from, const char *end, struct sync_generation *generation)
{
    char *rest = base_strndup(from, (size_t)(end - from)), *at = rest;
    bool ok = rest != NULL;
    if (ok && *at == '@') {
        int64_t line = 0;
        at = read_numbers(at, (int64_t *const[]){&line, &generation->from_us, &generation->from_seq}, 3);
        ok = line > 0 && line <= generation->number;
        generation->line = (uint32_t)line;
    }
    while (ok && *at == '!' && generation->gap_count < SYNC_GAPS_MOST) {
        struct sync_gap *gap = &generation->gaps[generation->gap_count++];
        at = read_numbers(at, (int64_t *const[]){&gap->from_us, &gap->to_us, &gap->from_seq, &gap->to_seq}, 4);
    }
    if (ok && *at == '~')
        at = read_numbers(at, (int64_t *const[]){&generation->known_us}, 1);
    ok = ok && *at == '\0';
    base_free(rest);
    return ok;
}

static bool read_names(const struct rhei_value *value, struct sync_generation *generation)
{
    const char *at = value->as.bytes, *end = value->type == RHEI_TEXT ? at + value->length : at;
    size_t capacity = 0;
    while (at < end) {
        size_t len = 0;
        if (*at == '!' || *at == '@')
            return read_rest(at, end, generation);
        for (; at < end && *at >= '0' && *at <= '9' && len < UINT32_MAX; at++)
            len = len * 10 + (size_t)(*at - '0');
        if (at == end || *at != ':' || len > (size_t)(end - at - 1))
            return false;
        if (!base_grow((void **)&generation->names, &capacity, generation->name_count + 1, sizeof(char *)))
            return false;
        char *name = base_strndup(at + 1, len);
        if (!name)
            return false;
        generation->names[generation->name_count++] = name;
        at += 1 + len;
    }
    return true;
}

static bool read_generation(const struct rhei_value *row, struct sync_generation **result)
{
    struct sync_generation *made = base_alloc_zero(1, sizeof *made);
    *result = NULL;
    if (!made)
        return false;
    made->number = (uint32_t)number_of(&row[NUMBER]);
    made->table = row[TABLE].type == RHEI_TEXT ? base_strndup(row[TABLE].as.bytes, row[TABLE].length) : NULL;
    made->current = number_of(&row[CURRENT]) != 0;
    made->origin = number_of(&row[CURRENT]) == 1 ? 0 : number_of(&row[CURRENT]); /* 3. */
    made->began_us = number_of(&row[BEGAN]);
    made->gone_us = number_of(&row[GONE_US]);
    made->gone_seq = number_of(&row[GONE_SEQ]);
    made->kept_us = number_of(&row[KEPT_US]);
    made->kept_seq = number_of(&row[KEPT_SEQ]);
    if (!made->table || made->number == 0 || made->number >= OPEN_BIT || !read_names(&row[NAMES], made)) {
        generation_free(made);
        return false;
    }
    *result = made;
    return true;
}

static rhei_status make_table(struct sync *sync, struct rhei_error *error)
{
    struct source_table table = book_table(sync);
    struct mirror_build *build = NULL;
    if (sync->book.in_mirror)
        return RHEI_OK;
    rhei_status status = mirror_build_begin(sync->config.mirror, &table, 1, &build, error);
    if (status == RHEI_OK)
        status = mirror_build_attach(&build, error);
    sync->book.in_mirror = status == RHEI_OK;
    return status;
}

static rhei_status apply_row(struct sync *sync, const struct rhei_value *row, enum change_op op,
                             struct rhei_error *error)
{
    const struct rhei_value *columns[BOOK_COLUMNS];
    const uint8_t ops[] = {(uint8_t)op};
    for (int c = 0; c < BOOK_COLUMNS; c++)
        columns[c] = &row[c];
    struct change_batch batch = {
        .table = base_of(sync), .column_count = BOOK_COLUMNS, .row_count = 1, .op = ops, .columns = columns};
    sync->dirty = sync->histories_shown = true;
    return mirror_apply(sync->config.mirror, &batch, NULL, error);
}

/* The count is odd from before others can see the state until behind that: whoever finds the same even number twice saw it on one side alone. */
rhei_status sync_book_publish(struct sync *sync, int64_t position, struct rhei_error *error)
{
    bool shows = sync->histories_shown;
    if (shows)
        atomic_fetch_add(&sync->histories_changed, 1);
    rhei_status status = mirror_publish_source(sync->config.mirror, sync->config.source_number, position, error);
    if (shows)
        atomic_fetch_add(&sync->histories_changed, 1);
    sync->histories_shown = shows && status != RHEI_OK;
    return status;
}

uint64_t sync_histories_changed(struct sync *sync)
{
    uint64_t changed = atomic_load(&sync->histories_changed);
    if (changed % 2 == 0)
        return changed;
    sync_turn_take(sync); /* until that publish is over */
    changed = atomic_load(&sync->histories_changed);
    sync_turn_give(sync);
    BASE_INVARIANT(changed % 2 == 0);
    return changed;
}

uint64_t sync_histories_now(const struct sync *sync)
{
    return atomic_load(&sync->histories_changed);
}

rhei_status sync_book_store(struct sync *sync, const struct sync_generation *generation, struct rhei_error *error)
{
    struct base_buffer names = {0};
    write_names(generation, &names);
    rhei_status status = names.failed ? error_no_memory(error) : make_table(sync, error);
    if (status == RHEI_OK) {
        const struct rhei_value row[BOOK_COLUMNS] = {
            [NUMBER] = integer(generation->number),
            [TABLE] = text(generation->table, strlen(generation->table)),
            [NAMES] = text(names.data, names.len),
            [CURRENT] = integer(!generation->current      ? 0
                                : generation->origin != 0 ? generation->origin
                                                          : 1), /* 3. */
            [BEGAN] = integer(generation->began_us),
            [GONE_US] = integer_or_null(generation->gone_us),
            [GONE_SEQ] = integer_or_null(generation->gone_seq),
            [KEPT_US] = integer_or_null(generation->kept_us),
            [KEPT_SEQ] = integer_or_null(generation->kept_seq),
        };
        status = apply_row(sync, row, CHANGE_UPSERT, error);
    }
    base_buffer_reset(&names);
    return status;
}

rhei_status sync_book_rewrite(struct sync *sync, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    mirror_drop(sync->config.mirror, base_of(sync));
    sync->book.in_mirror = false;
    for (size_t g = 0; g < sync->book.count && status == RHEI_OK; g++)
        status = sync_book_store(sync, sync->book.generations[g], error);
    return status;
}

void sync_book_remove(struct sync *sync, struct sync_generation *generation)
{
    struct sync_book *book = &sync->book;
    const struct rhei_value row[BOOK_COLUMNS] = {[NUMBER] = integer(generation->number)};
    mirror_drop(sync->config.mirror, sync_book_open_id(sync, generation->number));
    mirror_drop(sync->config.mirror, sync_book_ended_id(sync, generation->number));
    sync->dirty = true;
    if (book->in_mirror)
        (void)apply_row(sync, row, CHANGE_DELETE,
                        NULL); /* what it tells of is gone, which a reader finds out as well */
    size_t at = 0;
    while (at < book->count && book->generations[at] != generation)
        at++;
    BASE_INVARIANT(at < book->count);
    book->count--;
    memmove(&book->generations[at], &book->generations[at + 1], (book->count - at) * sizeof(struct sync_generation *));
    generation_free(generation);
}

/* ---- Taken over. --------------------------------------------------------------------------------------------------- */

static rhei_status take_row(void *context, const struct rhei_value *row)
{
    struct sync_generation *generation = NULL;
    return read_generation(row, &generation) && enter(context, generation) ? RHEI_OK : RHEI_NO_MEMORY;
}

/* The length of the name of the table that the part is of, and *visible of its columns; 0: it is no part. */
static size_t read_part(const struct source_table *part, uint32_t *visible)
{
    *visible = 0;
    while (*visible < part->column_count && strcmp(part->columns[*visible].name, "_rhei_valid_from") != 0)
        ++*visible;
    return *visible < part->column_count ? history_part_of(part->name) : 0;
}

/*
 * A part whose row of the book is lost says by itself what it is, but not which table it is of, which may be another one under this name by now, nor what
 * was forgotten. So its versions end here, nobody goes on with them, and nothing is told of before the load that follows.
 */
static rhei_status adopt(struct sync *sync, uint32_t id, struct rhei_error *error)
{
    const struct source_table *part = mirror_definition(sync->config.mirror, id);
    uint32_t visible = 0, number = id & (OPEN_BIT - 1);
    size_t len = read_part(part, &visible);
    if (len == 0) {
        mirror_drop(sync->config.mirror, id);
        return RHEI_OK;
    }
    struct sync_generation *made = NULL;
    const char **names = base_alloc_zero((size_t)visible + 1, sizeof *names);
    char *table = base_strndup(part->name, len);
    for (uint32_t c = 0; names && c < visible; c++)
        names[c] = part->columns[c].name;
    rhei_status status =
        names && table ? sync_book_add(sync, number, table, names, visible, &made, error) : error_no_memory(error);
    if (status == RHEI_OK) {
        made->current = mirror_definition(sync->config.mirror, sync_book_open_id(sync, number)) != NULL;
        made->began_us = made->gone_us = base_wall_ms() * 1000;
        made->round = SYNC_NO_HEIR;
        made->kept_us = made->kept_seq = HISTORY_KEPT_NEVER;
        base_log_write(
            sync->config.log, BASE_LOG_WARN, "sync",
            "the list of histories is damaged or gone: that of table \"%s\" was found again by its versions, which end "
            "here; of before, nothing is told",
            table);
    }
    base_free(names);
    base_free(table);
    return status;
}

/* What the book doesn't name, nobody could find. Of one that can't be read, or isn't there though it wrote of these, they are found again. */
static rhei_status settle_strangers(struct sync *sync, bool book_is_damaged, struct rhei_error *error)
{
    uint32_t base = base_of(sync);
    rhei_status status = RHEI_OK;
    for (uint32_t id = base + 1; status == RHEI_OK && mirror_next_table(sync->config.mirror, &id) &&
                                 id >> TABLE_SOURCE_SHIFT == base >> TABLE_SOURCE_SHIFT;
         id++) {
        if (sync_book_find(sync, id & (OPEN_BIT - 1)))
            continue;
        if (book_is_damaged)
            status = adopt(sync, id, error);
        else
            mirror_drop(sync->config.mirror, id);
    }
    return status;
}

static void forget(struct sync_book *book)
{
    struct sync_book anew = {.next_number = book->next_number, .in_mirror = book->in_mirror};
    sync_book_free(book);
    *book = anew;
}

rhei_status sync_book_restore(struct sync *sync, struct rhei_error *error)
{
    struct sync_book *book = &sync->book;
    const struct source_table *found = mirror_definition(sync->config.mirror, base_of(sync));
    rhei_status status = RHEI_OK;
    BASE_INVARIANT(book->count == 0);
    book->in_mirror = found && found->column_count == BOOK_COLUMNS;
    if (found && !book->in_mirror)
        mirror_drop(sync->config.mirror, base_of(sync));
    if (book->in_mirror)
        status = mirror_working_each(sync->config.mirror, base_of(sync), take_row, book, error);
    bool old = false;
    if (status == RHEI_OK && !sync_book_find_lines(book, &old))
        status = error_no_memory(error);
    bool (*lost)(void *context, uint32_t table) = sync->config.lost_versions;
    bool damaged = !book->in_mirror || mirror_table_is_damaged(sync->config.mirror, base_of(sync)) ||
                   (lost && lost(sync->config.lost_context, base_of(sync)));
    if (status == RHEI_OK)
        status = settle_strangers(sync, damaged, error);
    if (status == RHEI_OK && (damaged || old))
        status = sync_book_rewrite(sync, error);
    if (status != RHEI_OK) /* it is read once more */
        forget(book);
    return status;
}

/* ---- Read by others. ----------------------------------------------------------------------------------------------- */

static rhei_status read_vector(const struct mirror_table_view *view, uint32_t segment, uint32_t number,
                               struct sync_book *book)
{
    struct mirror_vector vector;
    struct rhei_value row[BOOK_COLUMNS];
    struct mirror_hold hold = {NULL};
    rhei_status status = RHEI_OK;
    mirror_hold(view, segment, &hold);
    mirror_view_vector(view, segment, number, &vector);
    for (uint32_t r = 0; r < vector.rows && status == RHEI_OK; r++) {
        if (vector.dead && (vector.dead[r / 64] >> (r % 64) & 1) != 0)
            continue;
        for (uint32_t c = 0; c < BOOK_COLUMNS; c++)
            mirror_view_value(view, segment, number * MIRROR_VECTOR_ROWS + r, c, &row[c]);
        status = take_row(book, row);
    }
    mirror_hold_end(&hold);
    return status;
}

rhei_status sync_book_read(const struct mirror_snapshot *snapshot, uint32_t source, struct sync_book *book,
                           struct rhei_error *error)
{
    const struct mirror_table_view *view =
        mirror_view(snapshot, (uint32_t)(TABLE_HISTORY | source) << TABLE_SOURCE_SHIFT);
    rhei_status status = RHEI_OK;
    *book = (struct sync_book){.count = 0};
    if (!view || mirror_view_column_count(view) != BOOK_COLUMNS)
        return RHEI_OK;
    for (uint32_t s = 0; s < mirror_view_segment_count(view) && status == RHEI_OK; s++)
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(view, s) && status == RHEI_OK; v++)
            status = read_vector(view, s, v, book);
    bool old = false;
    if (status == RHEI_OK && !sync_book_find_lines(book, &old))
        status = RHEI_NO_MEMORY;
    rhei_status whole = mirror_view_check(view, error); /* else what was read may be nothing */
    if (status == RHEI_OK && whole == RHEI_OK)
        return RHEI_OK;
    sync_book_free(book);
    return whole != RHEI_OK ? whole : error_no_memory(error);
}

void sync_generation_parts(uint32_t source, uint32_t number, uint32_t *open, uint32_t *ended)
{
    *ended = (uint32_t)(TABLE_HISTORY | source) << TABLE_SOURCE_SHIFT | number;
    *open = *ended | OPEN_BIT;
}
