/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   1. A history has generations, one for each set of columns that its table had. Each is asked for the columns as they are named now;
 *      a column that it hasn't is NULL.
 *   2. The versions of a table that went, or keeps no history any more, are valid until then; those of the next table of its name are behind that
 *      from then on. So at every time one table is.
 *   3. Where versions were forgotten (retention), nothing is told of times before: a part of the rows would be a wrong answer. A range of times is
 *      answered as each of its times would be: from there on, and not at all if it reaches into a gap. ALL shows what there is.
 */
#include "engine/engine_history_parts.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/base_clock.h"
#include "base/base_map.h"
#include "engine/engine_history.h"
#include "mirror/mirror_scan.h"

enum { OWN_FILE = 0 };

static const char *const own_names[] = {"_rhei_valid_from", "_rhei_valid_to", "_rhei_operation", "_rhei_seq"};
enum { OWN_FROM, OWN_TO, OWN_OPERATION, OWN_SEQ, OWN_NAMES };

bool engine_keeps_history(const struct rhei_db *db, const char *table)
{
    if (!db->keeps_history || strncmp(table, "_rhei_", 6) == 0)
        return false;
    for (size_t m = 0; m < db->mode_count; m++)
        if (base_fold_compare(db->modes[m].table, table) == 0)
            return db->modes[m].sync_mode == RHEI_SYNC_TEMPORAL;
    return db->config.sync_mode == RHEI_SYNC_TEMPORAL;
}

bool engine_table_keeps_history(const struct rhei_db *db, const struct source_table *table)
{
    return engine_keeps_history(db, table->name) && sync_history_clash(table) == NULL;
}

rhei_status engine_histories_open(struct rhei_db *db, const struct mirror_snapshot *state,
                                  struct engine_histories *histories, struct rhei_error *error)
{
    *histories = (struct engine_histories){.held = false};
    rhei_status status = RHEI_OK;
    if (state == NULL && oltp_follows(db->oltp) &&
        atomic_load(&db->look_history)) { /* what the log has by now can't be lost any more */
        status = sync_cycle(db->sync, NULL, error);
        if (status != RHEI_OK)
            return status;
        engine_disk_look_again(db);
    }
    if (engine_disk_is_elsewhere(db))
        return RHEI_OK;
    status = engine_histories_open_of(db, state, OWN_FILE, NULL, histories, error);
    if (status != RHEI_IO || state != NULL)
        return status;
    engine_histories_close(histories); /* the list is known as a whole, and a cycle writes it anew */
    error_clear(error);
    status = sync_cycle(db->sync, NULL, error);
    return status == RHEI_OK ? engine_histories_open_of(db, NULL, OWN_FILE, NULL, histories, error) : status;
}

rhei_status engine_histories_open_of(struct rhei_db *db, const struct mirror_snapshot *state, uint32_t source,
                                     const char *schema, struct engine_histories *histories, struct rhei_error *error)
{
    *histories = (struct engine_histories){.source = source, .schema = schema};
    rhei_status status = state != NULL ? mirror_snapshot_clone(state, &histories->snapshot)
                                       : mirror_snapshot_take(db->mirror, &histories->snapshot);
    if (status != RHEI_OK)
        return error_no_memory(error);
    histories->held = true;
    return sync_book_read(&histories->snapshot, source, &histories->book, error);
}

const struct source_table *engine_histories_now(const struct engine_histories *histories, const char *table)
{
    const struct mirror_table_view *view;
    uint32_t first = histories->source << TABLE_SOURCE_SHIFT, id = first;
    for (;
         (view = mirror_view_next(&histories->snapshot, &id)) != NULL && id >> TABLE_SOURCE_SHIFT == histories->source;
         id++)
        if (base_fold_compare(mirror_view_definition(view)->name, table) == 0)
            return mirror_view_definition(view);
    return NULL;
}

void engine_histories_close(struct engine_histories *histories)
{
    sync_book_free(&histories->book);
    if (histories->held)
        mirror_snapshot_release(&histories->snapshot);
    histories->held = false;
}

/* The next generation of the table from *at on. */
static const struct sync_generation *next(const struct engine_histories *histories, const char *table, size_t *at)
{
    while (*at < histories->book.count) {
        const struct sync_generation *generation = histories->book.generations[(*at)++];
        if (base_fold_compare(generation->table, table) == 0)
            return generation;
    }
    return NULL;
}

bool engine_histories_any(const struct engine_histories *histories, const char *table)
{
    size_t at = 0;
    return next(histories, table, &at) != NULL;
}

static const struct mirror_table_view *part(const struct engine_histories *histories,
                                            const struct sync_generation *generation, bool ended)
{
    uint32_t open_id = 0, ended_id = 0;
    sync_generation_parts(histories->source, generation->number, &open_id, &ended_id);
    return mirror_view(&histories->snapshot, ended ? ended_id : open_id);
}

bool engine_histories_followed(const struct engine_histories *histories, const char *table)
{
    uint32_t id = 0;
    const struct sync_generation *generation;
    bool current = false;
    for (size_t at = 0; (generation = next(histories, table, &at)) != NULL;)
        current =
            current || (generation->current && generation->gone_us == 0 && part(histories, generation, false) != NULL);
    if (histories->source != OWN_FILE)
        return current && engine_histories_now(histories, table) != NULL;
    return current && mirror_view_named(&histories->snapshot, table, &id) != NULL &&
           id >> TABLE_SOURCE_SHIFT == OWN_FILE;
}

/*
 * Of the table's versions that ended by then not all are here any more; 0: all are. Of all its generations one: a row of the newest may have been valid
 * when a row of an older one was that was forgotten.
 */
static int64_t kept_from(const struct engine_histories *histories, const char *table, bool position)
{
    const struct sync_generation *generation;
    int64_t kept = 0;
    for (size_t at = 0; (generation = next(histories, table, &at)) != NULL;) {
        int64_t own = position ? generation->kept_seq : generation->kept_us;
        kept = generation->kept_us != 0 && own > kept ? own : kept;
    }
    return kept;
}

int64_t engine_histories_begin(const struct engine_histories *histories, const char *table)
{
    const struct sync_generation *generation;
    int64_t begin = INT64_MAX, kept = kept_from(histories, table, false);
    for (size_t at = 0; (generation = next(histories, table, &at)) != NULL;)
        begin = generation->began_us < begin ? generation->began_us : begin;
    return kept > begin ? kept : begin;
}

/* ---- What was before. ---------------------------------------------------------------------------------------------- */

/* Does the part hold a version of that position or before? By zones, but for a segment that the position cuts through. */
static bool reaches(const struct mirror_table_view *view, int64_t position)
{
    const struct source_table *definition = view == NULL ? NULL : mirror_view_definition(view);
    struct mirror_range range = {.high = {.type = RHEI_INTEGER, .as.integer = position}};
    while (definition != NULL && range.column < definition->column_count &&
           strcmp(definition->columns[range.column].name, own_names[OWN_SEQ]) != 0)
        range.column++;
    return definition != NULL && range.column < definition->column_count && mirror_scan_any(view, &range);
}

/* *kept: of what ended by that position not all is here any more, or 0. */
static bool is_before(const struct engine_histories *histories, const char *table, int64_t position, int64_t *kept)
{
    const struct sync_generation *generation;
    bool any = false;
    *kept = kept_from(histories, table, true);
    for (size_t at = 0; (generation = next(histories, table, &at)) != NULL;)
        any = any || reaches(part(histories, generation, true), position) ||
              reaches(part(histories, generation, false), position);
    return position < *kept || !any;
}

static bool is_range(const struct engine_past *past)
{
    return past->kind == PAST_RANGE || past->kind == PAST_BETWEEN;
}

/* Has anything of the table ended? */
static bool any_ended(const struct engine_histories *histories, const char *table)
{
    const struct sync_generation *generation;
    for (size_t at = 0; (generation = next(histories, table, &at)) != NULL;) {
        const struct mirror_table_view *ended = part(histories, generation, true);
        if (ended != NULL && mirror_view_row_count(ended) > 0)
            return true;
    }
    return false;
}

/* Is all of what is asked told of? One of a folder says where it begins to who asks for a time before that; one in memory begins with this handle, whatever was. */
static bool is_untold(const struct engine_histories *histories, const char *table, const struct engine_past *past,
                      bool kept, int64_t begin)
{
    bool range = is_range(past);
    if (past->kind == PAST_ALL)
        return !kept && !any_ended(histories, table);
    if (!past->known || past->kind == PAST_POSITION)
        return false;
    if (range && past->begin_known && past->begin < (kept ? kept_from(histories, table, false) : begin))
        return true;
    return past->point < begin;
}

static void say_before(const struct engine_histories *histories, struct rhei_db *db, const char *table,
                       const struct engine_past *past)
{
    char begun[ENGINE_TIME_BYTES], given[ENGINE_TIME_BYTES];
    int64_t begin = engine_histories_begin(histories, table), from = 0;
    bool position = past->kind == PAST_POSITION, known = past->known || past->kind == PAST_ALL;
    bool kept = histories->sidecar != NULL ? histories->kept : db->checkpoint != NULL;
    if (!known || atomic_load(&db->said_before))
        return;
    if (position ? !is_before(histories, table, past->point, &from) : !is_untold(histories, table, past, kept, begin))
        return;
    if (atomic_exchange(&db->said_before, true))
        return;
    const char *memory = kept ? "" : ": it is kept in memory, from when the database was opened";
    const char *schema = histories->sidecar != NULL ? histories->sidecar : "", *dot = schema[0] != '\0' ? "." : "";
    engine_time_show(begin == INT64_MAX ? base_wall_ms() * 1000 : begin, begun);
    engine_time_show(past->point, given);
    if (position && past->point < from)
        base_log_write(&db->log, BASE_LOG_WARN, "engine",
                       "the history of table \"%s%s%s\" is kept from position %" PRId64 " on, and is empty before",
                       schema, dot, table, from);
    else if (position)
        base_log_write(&db->log, BASE_LOG_WARN, "engine",
                       "the history of table \"%s%s%s\" has no version of position %" PRId64
                       " or before, and is empty there; it begins at %s%s",
                       schema, dot, table, past->point, begun, memory);
    else
        base_log_write(&db->log, BASE_LOG_WARN, "engine",
                       "the history of table \"%s%s%s\" begins at %s, and is empty before%s%s%s", schema, dot, table,
                       begun, memory,
                       past->number ? "; a number is seconds or microseconds since 1970: this one is read as " : "",
                       past->number ? given : "");
}

/*
 * The next of the table's gaps, as the generation's going ends it, and as far as the table was behind its name: what it was before, under another one,
 * nobody asks.
 */
static bool next_gap(const struct engine_histories *histories, const char *table, size_t *at, uint32_t *gap,
                     struct sync_gap *found)
{
    const struct sync_generation *generation;
    for (; *at < histories->book.count; ++*at, *gap = 0) {
        generation = histories->book.generations[*at];
        if (base_fold_compare(generation->table, table) != 0 || *gap >= generation->gap_count)
            continue;
        *found = generation->gaps[(*gap)++];
        if (generation->gone_us != 0 && found->to_seq == INT64_MAX) {
            found->to_us = generation->gone_us;
            found->to_seq = generation->gone_seq;
        }
        found->from_us = generation->from_us > found->from_us ? generation->from_us - 1 : found->from_us;
        found->from_seq = generation->from_seq > found->from_seq ? generation->from_seq - 1 : found->from_seq;
        return true;
    }
    return false;
}

/* Does what is asked reach between the two ends? A range does with any of its times. */
static bool reaches_into(const struct engine_past *past, int64_t from, int64_t to)
{
    if (is_range(past))
        return past->begin < to && past->point - (past->kind == PAST_RANGE) > from && past->begin <= past->point;
    return past->point > from && past->point < to;
}

/* What isn't known is refused: the rows of before, or none, would be taken for those of then. */
static rhei_status check_gaps(const struct engine_histories *histories, const char *table,
                              const struct engine_past *past, struct rhei_error *error)
{
    bool position = past->kind == PAST_POSITION, range = is_range(past);
    char from[ENGINE_TIME_BYTES], to[ENGINE_TIME_BYTES];
    int64_t kept = kept_from(histories, table, position);
    struct engine_past asked = *past;
    struct sync_gap gap;
    size_t at = 0;
    uint32_t number = 0;
    if (past->kind == PAST_ALL || !past->known || (range && !past->begin_known) ||
        past->point < kept) /* nothing is told of then, and that is said */
        return RHEI_OK;
    asked.begin = past->begin < kept ? kept : past->begin;
    while (next_gap(histories, table, &at, &number, &gap)) {
        if (!reaches_into(&asked, position ? gap.from_seq : gap.from_us, position ? gap.to_seq : gap.to_us))
            continue;
        if (position)
            return error_set(error, RHEI_NOT_FOUND,
                             "the history of table \"%s\" doesn't know what the table was between position %" PRId64
                             " and %" PRId64
                             ", where it was loaded again (its schema changed, or its changes couldn't be followed): "
                             "ask as of one of the two, or of before or later",
                             table, gap.from_seq, gap.to_seq);
        engine_time_show(gap.from_us, from);
        engine_time_show(gap.to_us, to);
        return error_set(error, RHEI_NOT_FOUND,
                         "the history of table \"%s\" doesn't know what the table was between %s and %s, when it was "
                         "loaded again (its schema changed, or its changes couldn't be followed): %s",
                         table, from, to,
                         range
                             ? "ask for a time that ends before or begins later, or for ALL, which shows what there is"
                             : "ask as of before or later");
    }
    return RHEI_OK;
}

rhei_status engine_histories_say_before(const struct engine_histories *histories, struct rhei_db *db, const char *table,
                                        const struct engine_past *past, struct rhei_error *error)
{
    uint64_t damages = mirror_damages(db->mirror);
    const struct sync_generation *generation;
    rhei_status status = check_gaps(histories, table, past, error);
    if (status == RHEI_OK)
        say_before(histories, db, table, past);
    for (size_t at = 0; status == RHEI_OK && mirror_damages(db->mirror) != damages &&
                        (generation = next(histories, table, &at)) != NULL;)
        for (int ended = 0; ended < 2 && status == RHEI_OK; ended++) {
            const struct mirror_table_view *view = part(histories, generation, ended == 1);
            status = view == NULL ? RHEI_OK : mirror_view_check(view, error);
        }
    return status;
}

/* ---- Columns. ------------------------------------------------------------------------------------------------------ */

struct column {
    const char *name;
    uint8_t affinity;
};

struct columns {
    struct column *items;
    size_t count, capacity;
    bool failed;
};

static void add(struct columns *columns, const char *name, uint8_t affinity)
{
    for (size_t c = 0; c < columns->count; c++)
        if (base_fold_compare(columns->items[c].name, name) == 0)
            return;
    if (!base_grow((void **)&columns->items, &columns->capacity, columns->count + 1, sizeof *columns->items)) {
        columns->failed = true;
        return;
    }
    columns->items[columns->count++] = (struct column){name, affinity};
}

static void add_all(const struct engine_histories *histories, struct columns *columns,
                    const struct sync_generation *generation)
{
    const struct mirror_table_view *view = generation == NULL ? NULL : part(histories, generation, true);
    const struct source_table *definition = view == NULL ? NULL : mirror_view_definition(view);
    for (uint32_t n = 0; generation != NULL && n < generation->name_count; n++)
        add(columns, generation->names[n],
            definition != NULL && n < definition->column_count ? definition->columns[n].affinity : AFFINITY_BLOB);
}

/* Those of the table as it is, or was; with versions also those that it had before. */
static void list_columns(const struct engine_histories *histories, const char *table, const struct source_table *now,
                         bool versions, struct columns *columns)
{
    const struct sync_generation *generation, *newest = NULL; /* that went last */
    for (uint32_t c = 0; now != NULL && c < now->column_count; c++)
        if (!now->columns[c].is_rowid)
            add(columns, now->columns[c].name, now->columns[c].affinity);
    for (size_t at = 0; (generation = next(histories, table, &at)) != NULL;)
        if (newest == NULL || generation->gone_us >= newest->gone_us)
            newest = generation;
    if (now == NULL)
        add_all(histories, columns, newest);
    for (size_t at = 0; versions && (generation = next(histories, table, &at)) != NULL;)
        add_all(histories, columns, generation);
}

static uint32_t find_name(const struct sync_generation *generation, const char *name)
{
    uint32_t n = 0;
    while (n < generation->name_count && base_fold_compare(generation->names[n], name) != 0)
        n++;
    return n;
}

/* Did the table go without that column? Versions that went on without it have it no more, so none is told with it. */
static bool went_before(const struct engine_histories *histories, const struct sync_generation *generation,
                        const char *name)
{
    for (size_t g = 0; g < histories->book.count; g++) {
        const struct sync_generation *last = histories->book.generations[g];
        if (last->line == generation->line && last->current)
            return find_name(last, name) == last->name_count;
    }
    return false;
}

static void put_column(struct base_buffer *out, const struct sync_generation *generation,
                       const struct source_table *definition, const struct column *column, bool gone)
{
    static const char *const nulls[] = {[AFFINITY_BLOB] = "NULL",
                                        [AFFINITY_TEXT] = "CAST(NULL AS TEXT)",
                                        [AFFINITY_NUMERIC] = "CAST(NULL AS NUMERIC)",
                                        [AFFINITY_INTEGER] = "CAST(NULL AS INTEGER)",
                                        [AFFINITY_REAL] = "CAST(NULL AS REAL)"};
    const char *name = column->name;
    uint32_t n = find_name(generation, name);
    bool there = n < generation->name_count && n < definition->column_count && !gone;
    if (there)
        base_buffer_identifier(out, definition->columns[n].name);
    else
        base_buffer_text(out, nulls[column->affinity]);
    if (there && strcmp(definition->columns[n].name, name) == 0)
        return;
    base_buffer_text(out, " AS ");
    base_buffer_identifier(out, name);
}

static void put_columns(struct base_buffer *out, const struct engine_histories *histories,
                        const struct sync_generation *generation, const struct source_table *definition,
                        const struct columns *columns, bool versions, bool ended)
{
    for (size_t c = 0; c < columns->count; c++) {
        base_buffer_text(out, c > 0 ? ", " : "");
        put_column(out, generation, definition, &columns->items[c],
                   !versions && !generation->current && went_before(histories, generation, columns->items[c].name));
    }
    for (int o = 0; o < OWN_NAMES && versions; o++) {
        base_buffer_text(out, columns->count > 0 || o > 0 ? ", " : "");
        if (o == OWN_TO && !ended && generation->gone_us != 0)
            base_buffer_format(out, "%" PRId64 " AS ", generation->gone_us);
        base_buffer_text(out, own_names[o]);
    }
}

/* ---- Rows. --------------------------------------------------------------------------------------------------------- */

/* What holds for all parts of the table: no row of a range that reaches where not all is known. */
static void put_range_bounds(struct base_buffer *out, const struct engine_histories *histories, const char *table,
                             const struct engine_past *past)
{
    const char *first = past->first.data, *second = past->second.data;
    bool open = past->kind == PAST_RANGE; /* without its end */
    struct sync_gap gap;
    size_t at = 0;
    uint32_t number = 0;
    int64_t kept = kept_from(histories, table, false);
    if (kept != 0)
        base_buffer_format(out, " AND %s %s %" PRId64, second, open ? ">" : ">=", kept);
    while (next_gap(histories, table, &at, &number, &gap))
        if (gap.to_us > kept)
            base_buffer_format(out, " AND (%s >= %" PRId64 " OR %s <= %" PRId64 ")", first, gap.to_us, second,
                               gap.from_us + open);
}

/* The same of a point. */
static void put_bounds(struct base_buffer *out, const struct engine_histories *histories, const char *table,
                       const char *point, bool position)
{
    struct sync_gap gap;
    size_t at = 0;
    uint32_t number = 0;
    int64_t kept = kept_from(histories, table, position);
    if (kept != 0)
        base_buffer_format(out, " AND %s >= %" PRId64, point, kept);
    while (next_gap(histories, table, &at, &number, &gap))
        base_buffer_format(out, " AND (%s <= %" PRId64 " OR %s >= %" PRId64 ")", point,
                           position ? gap.from_seq : gap.from_us, point, position ? gap.to_seq : gap.to_us);
}

static void put_point(struct base_buffer *out, const struct sync_generation *generation, const char *point,
                      bool position, bool ended)
{
    int64_t gone = position ? generation->gone_seq : generation->gone_us;
    int64_t from = position ? generation->from_seq : generation->from_us;
    base_buffer_text(out, " WHERE "); /* no format: each question about the past is written anew */
    base_buffer_text(out, own_names[position ? OWN_SEQ : OWN_FROM]);
    base_buffer_text(out, " <= ");
    base_buffer_text(out, point);
    if (ended) {
        base_buffer_text(out, position ? " AND _rhei_ended_seq > " : " AND _rhei_valid_to > ");
        base_buffer_text(out, point);
    } else if (generation->gone_us != 0)
        base_buffer_format(out, " AND %s < %" PRId64, point, gone);
    if (from != 0)
        base_buffer_format(out, " AND %s >= %" PRId64, point, from);
}

static void put_range(struct base_buffer *out, const struct sync_generation *generation, const struct engine_past *past,
                      int64_t kept, bool ended)
{
    base_buffer_format(out, " WHERE _rhei_valid_from %s %s", past->kind == PAST_RANGE ? "<" : "<=", past->second.data);
    if (ended)
        base_buffer_format(out, " AND _rhei_valid_to > %s", past->first.data);
    else if (generation->gone_us != 0)
        base_buffer_format(out, " AND %s < %" PRId64, past->first.data, generation->gone_us);
    if (ended && kept != 0)
        base_buffer_format(out, " AND _rhei_valid_to > %" PRId64, kept);
    else if (generation->gone_us != 0 && kept >= generation->gone_us)
        base_buffer_text(out, " AND 0");
    if (generation->from_us == 0)
        return;
    base_buffer_format(out, " AND %s %s %" PRId64, past->second.data,
                       past->kind == PAST_RANGE ? ">" : ">=", generation->from_us);
    if (ended)
        base_buffer_format(out, " AND _rhei_valid_to > %" PRId64, generation->from_us);
}

static void put_part(struct base_buffer *out, const struct engine_histories *histories,
                     const struct sync_generation *generation, const struct columns *columns,
                     const struct engine_past *past, const struct base_buffer *bounds, bool ended)
{
    const struct mirror_table_view *view = part(histories, generation, ended);
    bool versions = past->kind != PAST_AS_OF && past->kind != PAST_POSITION;
    if (view == NULL)
        return;
    const struct source_table *definition = mirror_view_definition(view);
    base_buffer_text(out, out->len > 0 && out->data[out->len - 1] == '(' ? "SELECT " : " UNION ALL SELECT ");
    put_columns(out, histories, generation, definition, columns, versions, ended);
    base_buffer_text(out, " FROM ");
    base_buffer_identifier(out, histories->schema == NULL ? ENGINE_HISTORY : histories->schema);
    base_buffer_text(out, ".");
    base_buffer_identifier(out, definition->name);
    if (!versions) {
        put_point(out, generation, past->first.data, past->kind == PAST_POSITION, ended);
        base_buffer_append(out, bounds->data, bounds->len);
    } else if (past->kind != PAST_ALL) {
        put_range(out, generation, past, kept_from(histories, generation->table, false), ended);
        base_buffer_append(out, bounds->data, bounds->len);
    }
}

static void put_nothing(struct base_buffer *out, const struct columns *columns, const struct engine_past *past)
{
    base_buffer_text(out, "SELECT ");
    for (size_t c = 0; c < columns->count; c++) {
        base_buffer_text(out, c > 0 ? ", NULL AS " : "NULL AS ");
        base_buffer_identifier(out, columns->items[c].name);
    }
    for (int o = 0; o < OWN_NAMES && past->kind != PAST_AS_OF && past->kind != PAST_POSITION; o++)
        base_buffer_format(out, ", NULL AS %s", own_names[o]);
    base_buffer_text(out, " WHERE 0");
}

void engine_histories_put(const struct engine_histories *histories, const char *table, const struct source_table *now,
                          const struct engine_past *past, struct base_buffer *out)
{
    struct columns columns = {0};
    struct base_buffer bounds = {0};
    const struct sync_generation *generation;
    bool point = past->kind == PAST_AS_OF || past->kind == PAST_POSITION;
    list_columns(histories, table, now, !point, &columns);
    if (point)
        put_bounds(&bounds, histories, table, past->first.data, past->kind == PAST_POSITION);
    else if (past->kind != PAST_ALL)
        put_range_bounds(&bounds, histories, table, past);
    base_buffer_char(out, '(');
    for (size_t at = 0; (generation = next(histories, table, &at)) != NULL && !out->failed;) {
        put_part(out, histories, generation, &columns, past, &bounds, true);
        if (generation->current)
            put_part(out, histories, generation, &columns, past, &bounds, false);
    }
    if (out->len > 0 && out->data[out->len - 1] == '(') /* all of it was damaged, and is gone */
        put_nothing(out, &columns, past);
    base_buffer_char(out, ')');
    out->failed = out->failed || columns.failed || bounds.failed;
    base_buffer_reset(&bounds);
    base_free(columns.items);
}
