/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the change log, one after another, into batches. R3, R7 and R8, which say when a row is looked at, are in
 * capture_source_look.c.
 *
 *   R1. Numbers follow each other without a gap up to the cycle's position, or everything is lost: a row that somebody took
 *       out, or put in, or gave another number, may have been any table's.
 *   R2. A row counts only if it is one that our triggers write: its table's number is one of the registry, its op one of
 *       enum capture_log_op. An unknown op loses its table, an unknown table all of them.
 *   R4. A cycle that wasn't read to its end may have been cut within a commit: up to its position every event is a look.
 *   R5. A row that can't be looked at (a function or collation that this program doesn't have, a generated column that fails)
 *       loses its table alone.
 *   R6. The log's rows are read from its pages where that can be (capture_pages.h); `paged` says so of the current row. Where one
 *       can't be, a statement goes on from it, for the rest of the cycle.
 */
#include <inttypes.h>
#include <string.h>

#include "base/base_map.h"
#include "base/base_value.h"
#include "capture/capture_look.h"
#include "capture/capture_source.h"

enum {
    SOURCE_BYTES_MAX = 256 * 1024 /* of a call */,
    BIG_CYCLE = 5000 /* rows */
};

struct capture_cell capture_source_key(const struct capture_source *source, const struct capture_batch *batch,
                                       uint32_t i)
{
    int at;
    /* a row with nothing but keys has them in front */
    uint32_t column = source->key_first ? source->key_at + i : batch->table->table.source.key_columns[i];
    if (source->paged)
        return (struct capture_cell){.value = &source->cells[CAPTURE_LOG_HEAD + column]};
    sqlite3_stmt *stmt = capture_source_cell(source, column, &at);
    return (struct capture_cell){.stmt = stmt, .column = at};
}

/* How much of a logged key is read. */
static uint32_t source_key_values(const struct capture_source *source, const struct capture_batch *batch)
{
    return source->declared ? capture_key_width(batch->table) : batch->table->table.source.key_count;
}

/* The values of the current row that the batch needs are at hand. */
static rhei_status source_fetch(struct capture_source *source, const struct capture_batch *batch,
                                struct rhei_error *error)
{
    uint32_t wanted = source->key_first ? source->key_at + source_key_values(source, batch) : batch->columns;
    return capture_source_fetch(source, wanted, error);
}

/* A value from the pages into the row that is being added. */
static inline void source_put_cell(struct capture_batch *batch, uint32_t column, const struct rhei_value *cell)
{
    struct rhei_value *value = &batch->values[column][batch->count];
    *value = *cell;
    if (cell->type == RHEI_INTEGER || cell->type == RHEI_REAL)
        capture_batch_as_kept(batch, column, value);
}

static rhei_status source_put_logged(struct capture_source *source, struct capture_batch *batch,
                                     struct rhei_error *error)
{
    if (source->paged) {
        for (uint32_t i = 0; i < batch->columns; i++)
            source_put_cell(batch, i, &source->cells[CAPTURE_LOG_HEAD + i]);
        return RHEI_OK;
    }
    for (uint32_t i = 0; i < batch->columns; i++) {
        int at;
        sqlite3_stmt *stmt = capture_source_cell(source, i, &at);
        if (!capture_batch_put(batch, i, stmt, at, source->connection->utf16, &source->arena))
            return error_no_memory(error);
    }
    return RHEI_OK;
}

/* The declared key, behind the mirror's. */
static rhei_status source_put_declared(struct capture_source *source, struct capture_batch *batch,
                                       struct rhei_error *error)
{
    uint32_t from = source->key_at + batch->table->table.source.key_count;
    for (uint32_t c = 0; c < batch->columns; c++) {
        if (!batch->table->table.source.columns[c].in_primary_key)
            continue;
        int at = 0;
        uint32_t value = source->key_first ? from : c;
        sqlite3_stmt *stmt = source->paged ? NULL : capture_source_cell(source, value, &at);
        if (source->paged)
            source_put_cell(batch, c, &source->cells[CAPTURE_LOG_HEAD + value]);
        else if (!capture_batch_put(batch, c, stmt, at, source->connection->utf16, &source->arena))
            return error_no_memory(error);
        from++;
    }
    return RHEI_OK;
}

static rhei_status source_put_key(struct capture_source *source, struct capture_batch *batch, struct rhei_error *error)
{
    const struct source_table *table = &batch->table->table.source;
    for (uint32_t i = 0; i < batch->columns; i++)
        batch->values[i][batch->count] = (struct rhei_value){.type = RHEI_NULL};
    for (uint32_t i = 0; i < table->key_count; i++) {
        struct capture_cell key = capture_source_key(source, batch, i);
        if (key.value != NULL)
            source_put_cell(batch, table->key_columns[i], key.value);
        else if (!capture_batch_put(batch, table->key_columns[i], key.stmt, key.column, source->connection->utf16,
                                    &source->arena))
            return error_no_memory(error);
    }
    return source->declared && batch->table->declared_count > 0 ? source_put_declared(source, batch, error) : RHEI_OK;
}

/* ---- The mark: the newest row that was read (S6). --------------------------------------------------------------- */

static uint64_t source_hash_value(sqlite3_value *from, uint64_t seed)
{
    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
    case SQLITE_FLOAT: { /* 1 and 1.0 may be one key */
        double value = sqlite3_value_double(from);
        value = value == 0.0 ? 0.0 : value;
        return base_hash(&value, sizeof value, seed);
    }
    case SQLITE_NULL:
        return seed;
    default: {
        const void *bytes = sqlite3_value_blob(from);
        return base_hash(bytes == NULL ? "" : bytes, (size_t)sqlite3_value_bytes(from), seed + 1);
    }
    }
}

/* Time, op, table and the first values: as many as every log has, whatever the tables' widths are now. */
uint64_t capture_source_hash_row(sqlite3_stmt *row)
{
    uint64_t hash = 1;
    for (int i = 1; i < 4 + CAPTURE_LOG_MIN_COLUMNS; i++)
        hash = source_hash_value(sqlite3_column_value(row, i), hash + (uint64_t)i);
    return hash;
}

/* The row of number `seq`, its hash if it is there. The newest one was read when the state was pinned. */
static rhei_status source_find_row(struct capture_source *source, int64_t seq, bool *there, uint64_t *hash,
                                   struct rhei_error *error)
{
    if (seq == source->position) {
        *there = seq != 0;
        *hash = source->last_hash;
        return RHEI_OK;
    }
    sqlite3_bind_int64(source->mark, 1, seq);
    rhei_status status = capture_source_step(source, source->mark, error);
    *there = status == RHEI_ROW;
    *hash = *there ? capture_source_hash_row(source->mark) : 0;
    sqlite3_reset(source->mark);
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

/* S6: *held if the mark's row is there as it was, and so is any row of number `after`, the new mark. */
static rhei_status source_check_marks(struct capture_source *source, int64_t after, bool *held,
                                      struct rhei_error *error)
{
    bool there = true;
    uint64_t hash = 0;
    rhei_status status = RHEI_OK;
    *held = true;
    if (source->mark_seq != 0) {
        status = source_find_row(source, source->mark_seq, &there, &hash, error);
        *held = status == RHEI_OK && there && hash == source->mark_hash;
    }
    if (!*held || after == source->mark_seq || after == 0) /* nobody was at 0: there it begins */
        return status;
    status = source_find_row(source, after, held, &hash, error);
    *held = *held && status == RHEI_OK;
    if (*held) {
        source->mark_seq = after;
        source->mark_hash = hash;
    }
    return status;
}

/* ---- Rows into batches. ------------------------------------------------------------------------------------------ */

/* The key's row as the pinned state has it, or its absence: then the key is what was put. */
static rhei_status source_add_looked(struct capture_source *source, struct capture_batch *batch, bool key_is_put,
                                     uint8_t *kind, struct rhei_error *error)
{
    bool found = false;
    rhei_status status = capture_source_look(source, batch, &found, error);
    if (status == RHEI_OK && !found && !key_is_put)
        status = source_put_key(source, batch, error);
    *kind = found ? CHANGE_UPSERT : CHANGE_DELETE;
    return status;
}

/* R5 */
static rhei_status source_lose_table(struct capture_source *source, struct capture_batch *batch,
                                     const struct rhei_error *why, struct rhei_error *error)
{
    char *text = base_arena_text(&source->arena, why->message);
    if (text == NULL)
        return error_no_memory(error);
    batch->lost = text;
    batch->lost_at = source->next_seq - 1;
    return RHEI_OK;
}

rhei_status capture_source_stand_at(struct capture_source *source, int64_t seq, struct rhei_error *error)
{
    rhei_status status = capture_source_leave_pages(source, seq, error);
    return status == RHEI_ROW ? RHEI_OK : status;
}

static enum capture_log_op source_op(const struct capture_source *source)
{
    if (source->paged) {
        const struct rhei_value *cell = &source->cells[2];
        bool letter = cell->type == RHEI_TEXT && cell->length == 1;
        return letter ? (enum capture_log_op)((const unsigned char *)cell->as.bytes)[0] : (enum capture_log_op)0;
    }
    sqlite3_value *op = sqlite3_column_value(source->log, 1);
    const unsigned char *text = sqlite3_value_text(op);
    bool one = text != NULL && sqlite3_value_bytes(op) == 1;
    return one ? (enum capture_log_op)text[0] : (enum capture_log_op)0;
}

bool capture_source_is_doubt(const struct capture_source *source)
{
    enum capture_log_op op = source_op(source);
    return op == CAPTURE_LOG_DOUBT || op == CAPTURE_LOG_DOUBT_UPDATE;
}

rhei_status capture_source_put_twice(struct capture_source *source, struct capture_batch *batch, bool *whole,
                                     bool *there, struct rhei_error *error)
{
    uint8_t kind = CHANGE_DELETE;
    sqlite3_value *op = sqlite3_column_value(source->log, 1);
    const unsigned char *text = sqlite3_value_text(op);
    *whole = text != NULL && (text[0] == CAPTURE_LOG_INSERT || text[0] == CAPTURE_LOG_UPDATE);
    source->key_first = !*whole;
    rhei_status status = source_fetch(source, batch, error);
    if (status == RHEI_OK)
        status = *whole ? source_put_logged(source, batch, error) : source_put_key(source, batch, error);
    batch->count++;
    if (status == RHEI_OK)
        status = source_add_looked(source, batch, true, &kind, error);
    batch->count--;
    *there = kind == CHANGE_UPSERT;
    return status;
}

/* The last two rows of a batch change places. */
static void source_swap(struct capture_batch *batch)
{
    for (uint32_t c = 0; c < batch->columns; c++) {
        struct rhei_value *values = &batch->values[c][batch->count], kept = values[0];
        values[0] = values[1];
        values[1] = kept;
    }
}

/*
 * A key that is put, and its row now. Where that has another declared key, the one in the log is told as gone before it (H6 of
 * capture_changes.c).
 */
static rhei_status source_add_declared(struct capture_source *source, struct capture_batch *batch, uint8_t *kind,
                                       struct rhei_error *error)
{
    const struct source_table *table = &batch->table->table.source;
    bool other = false, settled = false; /* settled: the row had the key (T10) */
    if (!capture_batch_reserve(batch, batch->count + 2))
        return error_no_memory(error);
    for (uint32_t c = 0; c < batch->columns; c++)
        batch->values[c][batch->count + 1] = batch->values[c][batch->count];
    rhei_status status = source_add_looked(source, batch, true, kind, error);
    for (uint32_t c = 0; c < batch->columns && status == RHEI_OK && *kind == CHANGE_UPSERT; c++) {
        const struct rhei_value *now = &batch->values[c][batch->count];
        other |= table->columns[c].in_primary_key && !base_same_value(now, now + 1);
        settled |= table->columns[c].in_primary_key && now[1].type != RHEI_NULL;
    }
    if (!other || !settled)
        return status;
    source_swap(batch);
    batch->op[batch->count] = CHANGE_DELETE;
    batch->seq[batch->count] = source->next_seq - 1;
    if (batch->timed) {
        batch->time_us[batch->count + 1] = batch->time_us[batch->count];
        batch->inserted[batch->count + 1] = false;
    }
    batch->plain = false;
    batch->count++;
    return RHEI_OK;
}

static rhei_status source_add(struct capture_source *source, struct capture_batch *batch, enum capture_log_op op,
                              struct rhei_error *error)
{
    bool whole = op == CAPTURE_LOG_INSERT || op == CAPTURE_LOG_UPDATE;
    uint8_t kind = whole ? CHANGE_UPSERT : CHANGE_DELETE;
    if (!capture_batch_reserve(batch, batch->count + 1))
        return error_no_memory(error);
    rhei_status status = source_fetch(source, batch, error);
    if (status == RHEI_OK)
        status = whole ? source_put_logged(source, batch, error) : source_put_key(source, batch, error);
    if (status != RHEI_OK)
        return status;
    BASE_INVARIANT(batch->listed && batch->lost == NULL && batch->count < batch->capacity);
    bool looks = (!source->ordered && capture_source_see(source, batch)) || batch->looks;
    if (batch->count == 0)
        batch->first_us = capture_source_time_us(source);
    if (batch->timed) {
        batch->time_us[batch->count] = capture_source_time_us(source);
        batch->inserted[batch->count] = op == CAPTURE_LOG_INSERT;
        if (looks && (whole || op == CAPTURE_LOG_DELETE)) { /* V2 */
            status = capture_versions_note(source, batch, source->next_seq - 1, 0, error);
            looks = false;
        }
    }
    if (status == RHEI_OK && (looks || op == CAPTURE_LOG_LOOK || op == CAPTURE_LOG_DISPLACE)) {
        struct rhei_error why = RHEI_ERROR_INIT;
        bool declared = source->declared && !whole && batch->table->declared_count > 0;
        status = declared ? source_add_declared(source, batch, &kind, &why)
                          : source_add_looked(source, batch, !whole, &kind, &why);
        if (capture_look_is_tables_own(status))
            return source_lose_table(source, batch, &why, error);
        if (status != RHEI_OK && error != NULL)
            *error = why;
    }
    if (batch->timed && status == RHEI_OK && (op == CAPTURE_LOG_LOOK || op == CAPTURE_LOG_DISPLACE))
        capture_versions_settle(source, batch);
    batch->plain &= kind == CHANGE_UPSERT;
    BASE_INVARIANT(batch->count == 0 || batch->seq[batch->count - 1] <= source->next_seq - 1); /* R1 */
    batch->op[batch->count] = kind;
    batch->seq[batch->count] = source->next_seq - 1;
    batch->count += status == RHEI_OK;
    bool has_before = source->declared && (op == CAPTURE_LOG_UPDATE || op == CAPTURE_LOG_DELETE);
    return status == RHEI_OK && has_before ? capture_source_add_before(source, batch, op, error) : status;
}

/*
 * A key that a look names, of a table whose versions are kept (T9). What happened to it is told by itself, so it is only proven that nothing else did
 * (V4). `part`: which of the row's keys.
 */
static rhei_status source_doubt(struct capture_source *source, struct capture_batch *batch, uint32_t part,
                                struct rhei_error *error)
{
    if (!capture_batch_reserve(batch, batch->count + 1))
        return error_no_memory(error);
    source->key_at = part * capture_key_width(batch->table);
    rhei_status status = source_fetch(source, batch, error);
    if (status == RHEI_OK)
        status = source_put_key(source, batch, error);
    source->key_at = 0;
    if (status != RHEI_OK)
        return status;
    (void)capture_source_see(source, batch);
    return capture_versions_note(source, batch, source->next_seq - 1, part, error);
}

rhei_status capture_source_settle(struct capture_source *source, struct capture_batch *batch, uint32_t part,
                                  struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    uint8_t kind = CHANGE_DELETE;
    if (!batch->listed)
        capture_source_list(source, batch);
    if (!capture_batch_reserve(batch, batch->count + 1))
        return error_no_memory(error);
    source->key_first = true;
    source->key_at = part * capture_key_width(batch->table);
    rhei_status status = source_fetch(source, batch, error);
    if (status == RHEI_OK)
        status = source_put_key(source, batch, error);
    if (status == RHEI_OK)
        status = source_add_looked(source, batch, true, &kind, &why);
    source->key_at = 0;
    if (capture_look_is_tables_own(status)) {
        capture_source_lose(source, batch, "its rows can't be read in this program");
        return RHEI_OK;
    }
    if (status != RHEI_OK && why.code != RHEI_OK && error != NULL)
        *error = why;
    batch->plain &= kind == CHANGE_UPSERT;
    batch->op[batch->count] = kind;
    batch->seq[batch->count] = source->position;
    batch->time_us[batch->count] = capture_source_time_us(source);
    batch->inserted[batch->count] = false;
    batch->count +=
        status == RHEI_OK && (part > 0 || kind == CHANGE_DELETE); /* one that wasn't displaced is as it was */
    return status;
}

/* Three keys to look at, one behind the other. */
static rhei_status source_add_displaced(struct capture_source *source, struct capture_batch *batch, bool doubts,
                                        struct rhei_error *error)
{
    uint32_t keys = capture_key_width(batch->table);
    rhei_status status = RHEI_OK;
    if (3 * keys > source->width) {
        batch->lost = "the change log has a row for it that it has no room for";
        batch->lost_at = source->next_seq - 1;
    }
    for (uint32_t i = 0; i < 3 && status == RHEI_OK && batch->lost == NULL; i++) {
        source->key_at = i * keys;
        BASE_INVARIANT(source->key_first && (i + 1) * keys <= source->width);
        status =
            doubts ? source_doubt(source, batch, i, error) : source_add(source, batch, CAPTURE_LOG_DISPLACE, error);
    }
    source->key_at = 0;
    return status;
}

/*
 * Whether every row is looked at: after a cycle that was cut (R4), or where no page of the table was written (E2), unless the row
 * is older than the watch. That can't change within a call of next, but by a row's number.
 */
static bool source_looks(const struct capture_source *source, const struct capture_batch *batch)
{
    return source->look_at_all ||
           (source->pages_known && batch->touched != source->cycle && batch->newest > source->judged);
}

/* A row of no table that is followed now: of an older version of one, or not ours. */
static rhei_status source_pass_over(struct capture_source *source, int64_t id, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    if (source->table_max < 0) {
        status =
            oltp_query_int(source->connection, "SELECT max(id) FROM main._rhei_tables", 0, &source->table_max, error);
    }
    bool mark = id == 0 && source_op(source) == CAPTURE_LOG_REBUILD; /* G1 of capture_guard.c */
    if (status == RHEI_OK && (id <= 0 || id > source->table_max))
        source->lost_all = mark ? CAPTURE_GUARD_SAYS : "the change log names a table that was never registered";
    return status;
}

/* The number of the current row's table; -1: it has none. */
static int64_t source_table_id(const struct capture_source *source)
{
    if (source->paged)
        return source->cells[3].type == RHEI_INTEGER ? source->cells[3].as.integer : -1;
    sqlite3_value *number = sqlite3_column_value(source->log, 2);
    return sqlite3_value_type(number) == SQLITE_INTEGER ? sqlite3_value_int64(number) : -1;
}

/* R6. A row has its own number nowhere but in the b-tree: one that has something in that place is left to a statement. */
static rhei_status source_open_row(struct capture_source *source, struct rhei_error *error)
{
    if (!source->paged)
        return RHEI_OK;
    source->cells = capture_pages_columns(source->pages, CAPTURE_LOG_HEAD);
    if (source->cells != NULL && source->cells[0].type == RHEI_NULL)
        return RHEI_OK;
    rhei_status status = capture_source_leave_pages(source, capture_pages_rowid(source->pages), error);
    return status == RHEI_ROW ? RHEI_OK : status;
}

static int64_t source_row_number(const struct capture_source *source)
{
    return source->paged ? capture_pages_rowid(source->pages) : sqlite3_column_int64(source->log, 0);
}

static rhei_status source_take_row(struct capture_source *source, struct rhei_error *error)
{
    rhei_status status = source_open_row(source, error);
    if (status != RHEI_OK)
        return status;
    int64_t seq = source_row_number(source);
    if (seq != source->next_seq || seq > source->position) {
        source->lost_all = "the change log has a gap";
        return RHEI_OK;
    }
    source->next_seq++;
    source->torn = source->position;
    if (seq == source->position) {
        source->mark_seq = seq;
        source->mark_hash = source->last_hash;
    }
    int64_t id = source_table_id(source);
    struct capture_batch *last = source->last_batch;
    bool again = last != NULL && last->table->table.source.id == id;
    struct capture_batch *batch = again ? last : capture_source_batch(source, id);
    if (batch == NULL)
        return source_pass_over(source, id, error);
    BASE_INVARIANT(batch->table->table.source.id == id);
    enum capture_log_op op = source_op(source);
    if (op == CAPTURE_LOG_FORETOLD) /* it tells of no change */
        return RHEI_OK;
    batch->newest = seq;
    if (!batch->listed)
        capture_source_list(source, batch);
    batch->looks = source_looks(source, batch);
    if (batch->lost != NULL)
        return RHEI_OK;
    source->key_first = op != CAPTURE_LOG_INSERT && op != CAPTURE_LOG_UPDATE;
    switch (op) {
    case CAPTURE_LOG_INSERT:
    case CAPTURE_LOG_UPDATE:
        if (batch->columns > source->width) {
            batch->lost = "the change log has a row for it that it has no room for";
            break;
        }
        return source_add(source, batch, op, error);
    case CAPTURE_LOG_DELETE:
    case CAPTURE_LOG_LOOK:
        return source_add(source, batch, op, error);
    case CAPTURE_LOG_DISPLACE:
        return source_add_displaced(source, batch, false, error);
    case CAPTURE_LOG_DOUBT:
    case CAPTURE_LOG_DOUBT_UPDATE:
        if (source->ordered && !batch->looks) /* R8: nobody changes a row but by what is logged */
            return RHEI_OK;
        if (op == CAPTURE_LOG_DOUBT_UPDATE)
            return source_add_displaced(source, batch, batch->timed && !batch->looks, error);
        return batch->timed && !batch->looks ? source_doubt(source, batch, 0, error)
                                             : source_add(source, batch, CAPTURE_LOG_LOOK, error);
    case CAPTURE_LOG_REPLACED: /* the row in its place is told behind it */
        return source->declared ? capture_source_add_before(source, batch, op, error) : RHEI_OK;
    case CAPTURE_LOG_REBUILD:
        batch->lost = "it was changed in a way that its triggers can't tell row by row";
        break;
    default:
        batch->lost = "the change log has a row of an unknown kind for it";
        break;
    }
    batch->lost_at = seq;
    return RHEI_OK;
}

/* The cycle's own cells are of no use any more: every table has to be built again. */
static void source_lose_all(struct capture_source *source)
{
    for (uint32_t i = 0; i < source->batch_count; i++)
        capture_source_lose(source, source->batches[i], source->lost_all);
    source->lost_all = NULL;
    source->drained = true;
    source->mark_seq = 0;
}

/* The first row whose number is `seq` or higher. */
static rhei_status source_seek(struct capture_source *source, int64_t seq, struct rhei_error *error)
{
    enum capture_pages_result result =
        source->pages == NULL ? CAPTURE_PAGES_UNFIT : capture_pages_seek(source->pages, seq, &source->arena);
    source->paged = result != CAPTURE_PAGES_UNFIT;
    if (source->paged)
        return result == CAPTURE_PAGES_ROW ? RHEI_ROW : RHEI_DONE;
    sqlite3_reset(source->log);
    sqlite3_bind_int64(source->log, 1, seq);
    return capture_source_step(source, source->log, error);
}

/* ---- How large the log is (P4). ---------------------------------------------------------------------------------- */

/* A cycle that reads on from `after`. */
static void source_size_begin(struct capture_source *source, int64_t after)
{
    bool known = source->paged && atomic_load(&source->read_from) != INT64_MAX && source->read_to == after;
    if (known && atomic_load(&source->oltp->log_first) < after)
        return;
    atomic_store(&source->read_from, source->paged ? after : INT64_MAX);
    atomic_store(&source->read_bytes, 0);
    source->read_to = after;
}

/* All of its rows were read. */
static void source_size_end(struct capture_source *source)
{
    if (source->read_to == source->position)
        return;
    if (source->paged)
        atomic_fetch_add(&source->read_bytes, capture_pages_bytes(source->pages));
    else
        atomic_store(&source->read_from, INT64_MAX);
    source->read_to = source->position;
}

rhei_status capture_source_first_row(struct capture_source *source, int64_t after, bool *lost, struct rhei_error *error)
{
    bool held = true;
    source->drained = true;
    source->row_waits = false;
    source->lost_all = NULL;
    source->next_seq = after + 1;
    source->look_at_all = after < source->torn;
    capture_versions_forget(source);
    *lost |= source->position < after;
    rhei_status status = *lost ? RHEI_OK : source_check_marks(source, after, &held, error);
    *lost |= status == RHEI_OK && !held;
    if (status != RHEI_OK || *lost) {
        source->mark_seq = 0;
        return status;
    }
    if (source->position == after)
        return RHEI_OK;
    status = source_seek(source, after + 1, error);
    if (status != RHEI_ROW && status != RHEI_DONE)
        return status;
    if (status == RHEI_DONE || source_row_number(source) != after + 1) {
        *lost = true;
        source->mark_seq = 0;
        return RHEI_OK;
    }
    source->row_waits = true;
    source->drained = false;
    source_size_begin(source, after);
    if (source->position - after > BIG_CYCLE)
        capture_source_widen_cache(source);
    BASE_INVARIANT(source->position > after && source->next_seq == after + 1); /* S2 */
    return source->ordered ? RHEI_OK : capture_source_clear_seen(source, source->position - after, error);
}

/* The next row of the log is the one to take; RHEI_DONE: there is none. */
static rhei_status source_advance(struct capture_source *source, struct rhei_error *error)
{
    if (source->row_waits) {
        source->row_waits = false;
        return RHEI_ROW;
    }
    enum capture_pages_result result = source->paged ? capture_pages_next(source->pages) : CAPTURE_PAGES_UNFIT;
    rhei_status status = result == CAPTURE_PAGES_ROW   ? RHEI_ROW
                         : result == CAPTURE_PAGES_END ? RHEI_DONE
                         : source->paged               ? capture_source_leave_pages(source, source->next_seq, error)
                                                       : capture_source_step(source, source->log, error);
    if (status == RHEI_DONE && source->next_seq != source->position + 1)
        source->lost_all = "the change log ends too early";
    if (status == RHEI_DONE)
        source_size_end(source);
    return status;
}

rhei_status capture_source_next(struct change_source *base, size_t max_rows, const struct change_batch **batches,
                                size_t *count, struct rhei_error *error)
{
    struct capture_source *source = (struct capture_source *)base;
    rhei_status status = RHEI_OK;
    size_t rows = 0;
    *count = 0;
    source->asked = true;
    base_arena_clear(&source->arena);
    if (source->paged)
        capture_pages_cleared(source->pages);
    source->ready_count = 0;
    /* rows that nobody wants don't end a call: count = 0 means that all were delivered */
    while (status == RHEI_OK && !source->drained && source->lost_all == NULL &&
           (source->ready_count == 0 || (rows < max_rows && source->arena.total < SOURCE_BYTES_MAX))) {
        status = source_advance(source, error);
        source->drained = status == RHEI_DONE;
        if (status == RHEI_ROW) {
            status = source_take_row(source, error);
            rows++;
        } else if (status == RHEI_DONE) {
            status = RHEI_OK;
        }
    }
    if (status == RHEI_OK && source->lost_all != NULL) {
        source_lose_all(source);
    } else if (status == RHEI_OK && source->drained && source->ready_count == 0) {
        status = source->last_count == 0 ? RHEI_OK : capture_versions_prove(source, error);
        status = status == RHEI_OK ? capture_source_judge(source, error) : status;
    }
    uint32_t ready = 0;
    for (uint32_t i = 0; i < source->ready_count; i++) {
        struct capture_batch *batch = source->order[i];
        BASE_INVARIANT(batch->listed && (i == 0 || batch != source->order[i - 1]));
        source->ready[ready++] = *capture_batch_view(batch);
        if (batch->were != NULL && batch->were->count > 0 && batch->lost == NULL) {
            source->ready[ready] = *capture_batch_view(batch->were);
            source->ready[ready++].as_were = true;
        }
        batch->listed = false;
    }
    if (status != RHEI_OK)
        return status;
    if (source->ready_count == 0) {
        BASE_INVARIANT(source->drained); /* count = 0 means that all were delivered */
        source->torn = 0;                /* whoever asks again has applied all that was given */
    }
    *batches = source->ready;
    *count = ready;
    return RHEI_OK;
}
