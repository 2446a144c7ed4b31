/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of the capture triggers. They run inside whatever program writes the file, so they use only SQL that
 * SQLite 3.31 knows, and no function but julianday and what the schema itself uses.
 *
 * T1. A column that ALTER TABLE could drop is never named so that its absence is an error: it stands as (SELECT NEW."c")
 *     within a FROM that has a table called new with a NULL of that name. SQLite resolves a name from the inside out, so
 *     the trigger's row wins while the column exists; afterwards the NULL is found and the ALTER succeeds. What the
 *     trigger logs then is of an old version of the table, which readers skip.
 * T2. A plain table logs NEW as the statement made it. By keys alone ('K', look again) are logged: an exposed table (I9),
 *     because something may change the row after our trigger; one with a generated column that can fail, because reading
 *     it could make the statement fail; a wide one, because its row twice is more work than a look.
 * T3. Rows that REPLACE may displace fire no DELETE trigger. Before each insert and update the keys of all rows that
 *     equal NEW in a unique index are logged as 'K'. Too many is harmless: the reader looks. An index that has the whole
 *     key among its terms displaces only the row that is written anyway. Updates are looked at only if they set a column
 *     that decides about the index, its WHERE included.
 *     An update's look logs the keys of NEW and OLD beside it ('R'): where a TEMP trigger ends the row in RAISE(IGNORE) or RAISE(FAIL)
 *     before our trigger, the displaced row is gone and the updated one logged by nobody else. An insert's need no such thing: the
 *     table has a row more then than the log tells, which the cycle sees.
 * T4. NEW isn't final before the change. A NULL that REPLACE turns into the column's default: its constant is put there, and
 *     where that can't be exact 'X' (build anew) is logged when the value is really NULL. An id that SQLite assigns is -1
 *     until then: it is foretold, 'P' keeps what was foretold, and the trigger after the change logs 'X' if it was wrong.
 * T5. No trigger fails where the statement alone wouldn't: texts of the schema come through capture_expression, which takes only
 *     what can't fail. With anything else in a unique index the table isn't mirrored, and the message says why.
 * T6. Only the look of T3 names the table: the triggers of other tables outlive a rename that doesn't rewrite them
 *     (PRAGMA legacy_alter_table).
 * T7. Our triggers after a change are the newest of their table, so they fire before all that stand in the schema: SQLite fires TEMP
 *     triggers first, then a table's own, the newest first. One of others that ends the row (RAISE(IGNORE)) or the statement
 *     (RAISE(FAIL), or a failure within a statement OR FAIL) leaves the row as it was changed, and those behind it don't run. Before a change there is no
 *     such order to keep: a row that ends there wasn't changed.
 * T8. Between a row's change and the triggers behind it lie the actions of foreign keys on other rows, and those rows' triggers. One that
 *     fails by FAIL ends the statement there, the row stays changed, and no trigger of its own table runs. So where a trigger of the schema says FAIL, a table
 *     that foreign keys act on logs the keys of old and new row before the change, too. IGNORE ends only the other row, any other failure
 *     takes the change back.
 * T9. Where versions are kept, the reader must know which of the rows that were looked at REPLACE really displaced (another statement leaves them as
 *     they are), and when: a look at the cycle's state tells only what became of them. So the look says 'C' or 'E', and behind the change, before
 *     the change itself is logged, each of those rows that is gone is logged as 'D'. Nothing else of the table comes between a look and
 *     its change but other looks, since the table isn't exposed; so a row that was there then, and whose key isn't there now, or is the changed row's
 *     (which is another row than it was), went with this change. Other tables' triggers are what they were, to the letter.
 * T10. Where the mirror's key is the hidden rowid and the schema declares a PRIMARY KEY, every logged key has the declared one behind it: consumers
 *     of the log know rows by that. Its columns can't be dropped (T1). An update that changes it logs the old key as one that is gone, and
 *     the row, whose rowid may be the same, behind it. Of a key that a row doesn't have yet only the rowid is said, NULL behind it: another row may have the declared one.
 * T11. Where versions are kept, the log has rows as they were: an update's behind the new one, a deleted or displaced one's behind its key, a look's behind
 *     the room of three keys (and a look's goes where it is confirmed to). So readers that want no more than key or new row find them where
 *     they always are. A row that isn't there has NULL in the place of its key. The look includes the row whose key NEW has: what is displaced there is 'O', for
 *     a mirror takes the new row in its place anyway. A look names all columns of the table, so T1's way out is another one: the pad has the look's own
 *     name and is joined to it by NATURAL LEFT JOIN, which finds a column at the left as long as it is there. That compares the columns, so where one has a collation that
 *     not every program knows, looks have keys alone. A hidden rowid gets a name of its own: where both have one (Debian's SQLite lets
 *     subqueries have rowids), it is nobody's.
 */
#include <stdio.h>
#include <string.h>

#include "capture/capture_definition.h"
#include "capture/capture_expression.h"
#include "capture/capture_trigger_text.h"

/* ---- Rows that REPLACE may displace. ----------------------------------------------------------------------------- */

static rhei_status make_refuse(struct capture_maker *maker, const struct capture_index *index, const char *why)
{
    static const char tail[] = "what REPLACE displaces there can't be captured exactly";
    if (index->sql == NULL)
        return error_set(maker->error, RHEI_UNSUPPORTED, "one of its UNIQUE constraints has %s: %s", why, tail);
    return error_set(maker->error, RHEI_UNSUPPORTED, "its unique index \"%.80s\" has %s: %s", index->name, why, tail);
}

/* Equal in this index means: of the same key. */
static bool make_has_key(const struct capture_maker *maker, const struct capture_index *index)
{
    for (uint32_t i = 0; i < maker->source->key_count; i++) {
        uint32_t key = maker->source->key_columns[i];
        const struct source_column *column = &maker->source->columns[key];
        bool found = false;
        for (uint32_t k = 0; k < index->column_count && k < 64; k++) {
            found |= (index->columns[k] == (int32_t)key && (column->affinity != AFFINITY_BLOB) &&
                      base_fold_compare(index->collations[k], "BINARY") == 0) ||
                     (index->columns[k] == -1 && maker->source->key_is_integer);
        }
        if (!found)
            return false;
    }
    return !index->is_primary;
}

static bool make_term(struct capture_maker *maker, struct capture_expression *expression,
                      const struct capture_index *index, const struct capture_index_text *text, uint32_t i)
{
    int32_t column = index->columns[i];
    struct base_buffer *out = &maker->text;
    const char *sql = column < 0 ? index->sql + text->term_start[i] : NULL;
    size_t len = column < 0 ? text->term_end[i] - text->term_start[i] : 0;
    bool ok = true;
    if (column < 0)
        ok = capture_expression_write(expression, sql, len, CAPTURE_ROW_STORED, out);
    else
        capture_make_column(maker, "_rhei_row.", (uint32_t)column);
    base_buffer_text(out, " COLLATE ");
    base_buffer_identifier(out, index->collations[i]);
    base_buffer_text(out, " = ");
    if (!ok || column < 0)
        return ok && capture_expression_write(expression, sql, len, CAPTURE_ROW_NEW, out);
    int32_t id = capture_id_column(maker->table);
    const struct source_column *source = &maker->source->columns[column];
    bool id_before = id >= 0 && expression->reads[id];
    if (id >= 0)
        expression->reads[id] = false;
    ok = capture_expression_reads(expression, (uint32_t)column);
    bool made_of_id = id >= 0 && expression->reads[id];
    if (id >= 0)
        expression->reads[id] = made_of_id || id_before;
    if (ok && source->generated && made_of_id && expression->id_text != NULL)
        return capture_expression_generated(expression, (uint32_t)column, out);
    if (ok)
        capture_expression_new(expression, (uint32_t)column, true, out);
    return ok;
}

static void make_look_head(struct capture_maker *maker, bool update)
{
    bool three = update && capture_log_displaces(maker->table), keeps = maker->table->keeps;
    capture_make_look(maker,
                      three ? (keeps ? CAPTURE_LOG_DOUBT_UPDATE : CAPTURE_LOG_DISPLACE)
                            : (keeps ? CAPTURE_LOG_DOUBT : CAPTURE_LOG_LOOK),
                      three);
}

/* One look: the keys of the stored rows that equal NEW in this index. */
static rhei_status make_look(struct capture_maker *maker, const struct capture_index *index,
                             const struct capture_index_text *text, bool update, const char *id_text,
                             const char *condition)
{
    struct capture_expression expression = {
        .table = maker->table, .reads = maker->reads, .unsettled = maker->unsettled, .id_text = id_text};
    make_look_head(maker, update);
    base_buffer_text(&maker->text, condition);
    bool ok = true;
    if (index->partial) { /* first, so that the terms are computed only where the index has them */
        ok = capture_expression_write(&expression, index->sql + text->where_start, text->where_end - text->where_start,
                                      CAPTURE_ROW_STORED, &maker->text);
        base_buffer_text(&maker->text, " AND ");
    }
    for (uint32_t i = 0; i < index->column_count && ok; i++) {
        base_buffer_text(&maker->text, i == 0 ? "" : " AND ");
        ok = make_term(maker, &expression, index, text, i);
    }
    if (update)
        capture_make_not_itself(maker);
    base_buffer_char(&maker->text, ';');
    return ok ? RHEI_OK : make_refuse(maker, index, expression.why);
}

/* Whether NEW's id decides about the index: then an insert's look has to foretell it. */
static bool make_reads_id(struct capture_maker *maker, const struct capture_index *index,
                          const struct capture_index_text *text, rhei_status *status)
{
    int32_t id = capture_id_column(maker->table);
    size_t len = maker->text.len;
    bool before = id >= 0 && maker->reads[id];
    if (id < 0)
        return false;
    maker->reads[id] = false;
    *status = make_look(maker, index, text, false, NULL, "");
    bool reads = maker->reads[id];
    maker->reads[id] |= before;
    maker->text.len = len; /* only a look at it */
    return reads;
}

static rhei_status make_displaced(struct capture_maker *maker, const struct capture_index *index, bool update)
{
    struct capture_index_text text = {0};
    bool needs_text = index->partial;
    for (uint32_t i = 0; i < index->column_count && i < 64; i++) {
        needs_text |= index->columns[i] < 0;
        if (!capture_collation_is_known(index->collations[i]))
            return make_refuse(maker, index, "a collation that not every program knows");
    }
    if (make_has_key(maker, index))
        return RHEI_OK;
    if (index->column_count > 64)
        return make_refuse(maker, index, "more than 64 terms");
    if (needs_text &&
        (index->sql == NULL || !capture_index_split(index->sql, &text) || text.term_count != index->column_count))
        return make_refuse(maker, index, "a text that can't be read");
    rhei_status status = RHEI_OK;
    maker->any_look = true;
    bool foretell = !update && make_reads_id(maker, index, &text, &status);
    if (status != RHEI_OK || !foretell)
        return status == RHEI_OK ? make_look(maker, index, &text, update, NULL, "") : status;
    maker->foretells = true;
    status = make_look(maker, index, &text, update, maker->foretold.data, "");
    if (status == RHEI_OK) { /* -1 may have been given */
        struct base_buffer given = {0};
        base_buffer_text(&given, "NEW.");
        base_buffer_identifier(&given, maker->source->columns[capture_id_column(maker->table)].name);
        base_buffer_text(&given, " = -1 AND ");
        status =
            given.failed ? error_no_memory(maker->error) : make_look(maker, index, &text, update, "(-1)", given.data);
        base_buffer_reset(&given);
    }
    return status;
}

/* T11: the same of the row whose key is NEW's. */
static rhei_status make_replaced(struct capture_maker *maker, bool update)
{
    const struct source_table *source = maker->source;
    bool looked = false; /* where equal keys may differ, their index has its look */
    for (uint32_t i = 0; i < maker->table->index_count; i++)
        looked |= source->without_rowid && maker->table->indexes[i].is_primary;
    if (!maker->table->keeps || looked)
        return RHEI_OK;
    maker->any_look = true;
    if (!source->without_rowid) {
        make_look_head(maker, update);
        capture_make_column(maker, "_rhei_row.", source->key_columns[0]);
        base_buffer_text(&maker->text, " = ");
        capture_make_column(maker, "NEW.", source->key_columns[0]);
        if (update)
            capture_make_not_itself(maker);
        base_buffer_char(&maker->text, ';');
        maker->reads[source->key_columns[0]] |= update;
        return RHEI_OK;
    }
    int32_t columns[CAPTURE_LOG_WIDE];
    const char *collations[CAPTURE_LOG_WIDE];
    BASE_INVARIANT(source->key_count <= CAPTURE_LOG_WIDE); /* T2: such a table is logged by its rows */
    for (uint32_t i = 0; i < source->key_count; i++) {
        columns[i] = (int32_t)source->key_columns[i];
        collations[i] = "BINARY";
    }
    const struct capture_index key = {.name = "",
                                      .column_count = source->key_count,
                                      .columns = columns,
                                      .collations = collations,
                                      .is_primary = true};
    return make_look(maker, &key, &(struct capture_index_text){0}, update, NULL, "");
}

/* 'X' where a NULL isn't final and no constant can stand for it. */
static void make_unsettled(struct capture_maker *maker)
{
    bool any = false;
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        if (maker->unsettled[i]) {
            if (!any) {
                capture_make_log_head(maker, 0);
                capture_make_log_row(maker, "SELECT ", CAPTURE_LOG_REBUILD);
            }
            base_buffer_text(&maker->text, any ? " OR " : " WHERE ");
            capture_make_column(maker, "NEW.", i);
            base_buffer_text(&maker->text, " IS NULL");
            any = true;
        }
    }
    base_buffer_text(&maker->text, any ? ";" : "");
}

/*
 * SQLite computes NEW's generated columns for a BEFORE UPDATE trigger, but out of those columns alone that the trigger names or the
 * statement sets; the others are NULL by then. So what they are made of is named.
 */
static void make_sources(struct capture_maker *maker)
{
    bool generated = false, any = false;
    for (uint32_t i = 0; i < maker->source->column_count; i++)
        generated |= maker->reads[i] && maker->source->columns[i].generated;
    for (uint32_t i = 0; i < maker->source->column_count && generated; i++) {
        if (maker->reads[i] && !maker->source->columns[i].generated) {
            base_buffer_text(&maker->text, any ? "," : " SELECT ");
            capture_make_column(maker, "NEW.", i);
            any = true;
        }
    }
    base_buffer_text(&maker->text, any ? ";" : "");
}

/* ---- Ids that SQLite will assign. -------------------------------------------------------------------------------- */

static bool make_is_autoincrement(const struct capture_maker *maker)
{
    const char *sql = maker->table->sql;
    size_t len = strlen(sql), at = 0, start, end;
    enum oltp_token token;
    while ((token = oltp_next_token(sql, len, &at, &start, &end)) != OLTP_TOKEN_END)
        if (token == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, "AUTOINCREMENT"))
            return true;
    return false;
}

/* The id that NEW will have: the largest and one, or what was given. */
static void make_foretold(struct capture_maker *maker)
{
    int32_t id = capture_id_column(maker->table);
    if (id < 0)
        return;
    struct base_buffer *out = &maker->foretold;
    base_buffer_text(out, "(CASE WHEN NEW.");
    base_buffer_identifier(out, maker->source->columns[id].name);
    base_buffer_text(out, " = -1 THEN (SELECT ");
    bool counted = make_is_autoincrement(maker);
    base_buffer_text(out, counted ? "max(" : "");
    base_buffer_text(out, "ifnull(max(");
    base_buffer_identifier(out, maker->source->columns[id].name);
    base_buffer_text(out, "),0)");
    if (counted) {
        base_buffer_text(out, ",ifnull((SELECT max(seq) FROM sqlite_sequence WHERE name = ");
        base_buffer_literal(out, maker->source->name, strlen(maker->source->name));
        base_buffer_text(out, "),0))");
    }
    base_buffer_text(out, "+1 FROM ");
    base_buffer_identifier(out, maker->source->name);
    base_buffer_text(out, ") ELSE NEW.");
    base_buffer_identifier(out, maker->source->columns[id].name);
    base_buffer_text(out, " END)");
}

static void make_foretell(struct capture_maker *maker)
{
    capture_make_log_head(maker, 1);
    capture_make_log_row(maker, "VALUES(", CAPTURE_LOG_FORETOLD);
    base_buffer_format(&maker->text, ",%s);", maker->foretold.data);
}

static void make_check_foretold(struct capture_maker *maker)
{
    capture_make_log_head(maker, 0);
    capture_make_log_row(maker, "SELECT ", CAPTURE_LOG_REBUILD);
    base_buffer_text(&maker->text, " WHERE ");
    capture_make_column(maker, "NEW.", (uint32_t)capture_id_column(maker->table));
    base_buffer_text(&maker->text, " <> -1 AND ");
    capture_make_column(maker, "NEW.", (uint32_t)capture_id_column(maker->table));
    base_buffer_format(&maker->text,
                       " IS NOT (SELECT c1 FROM " OLTP_LOG " WHERE tab = %u AND op = '%c' ORDER BY seq DESC LIMIT 1);",
                       maker->id, CAPTURE_LOG_FORETOLD);
}

/* ---- The set. ---------------------------------------------------------------------------------------------------- */

static void make_begin(struct capture_maker *maker, const char *suffix, const char *when)
{
    base_buffer_format(&maker->text, "CREATE TRIGGER \"" CAPTURE_TRIGGER "%u_%s\" %s ON ", maker->id, suffix, when);
    base_buffer_identifier(&maker->text, maker->source->name);
    base_buffer_text(&maker->text, " BEGIN");
}

static rhei_status make_end(struct capture_maker *maker, struct capture_trigger_set *set, const char *suffix)
{
    base_buffer_text(&maker->text, " END");
    struct base_buffer name = {0};
    base_buffer_format(&name, CAPTURE_TRIGGER "%u_%s", maker->id, suffix);
    char *name_text = base_buffer_take(&name);
    char *sql = base_buffer_take(&maker->text);
    if (name_text == NULL || sql == NULL) {
        base_free(name_text);
        base_free(sql);
        return error_no_memory(maker->error);
    }
    set->name[set->count] = name_text;
    BASE_INVARIANT(set->count < CAPTURE_TRIGGERS_MAX);
    set->sql[set->count++] = sql;
    return RHEI_OK;
}

/*
 * "BEFORE UPDATE OF ..." the columns that are flagged. SQLite goes by the names in SET, so the rowid is listed by all that it has, and
 * it takes names there that are no columns.
 */
static void make_begin_update(struct capture_maker *maker, const char *suffix, const char *when, const bool *columns)
{
    bool any = false, rowid = false;
    struct base_buffer text = {0};
    base_buffer_text(&text, when);
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        const struct source_column *column = &maker->source->columns[i];
        if (columns[i] && !column->generated && !column->is_rowid) {
            base_buffer_text(&text, any ? "," : " OF ");
            base_buffer_identifier(&text, column->name);
            any = true;
        }
        rowid |= columns[i] && (column->is_rowid || column->is_rowid_alias);
    }
    if (rowid)
        base_buffer_format(&text, "%srowid,oid,_rowid_", any ? "," : " OF ");
    maker->text.failed |= text.failed;
    make_begin(maker, suffix, text.data == NULL ? when : text.data);
    base_buffer_reset(&text);
}

static rhei_status make_before(struct capture_maker *maker, struct capture_trigger_set *set, bool update)
{
    rhei_status status = RHEI_OK;
    memset(maker->reads, 0, maker->source->column_count);
    memset(maker->unsettled, 0, maker->source->column_count);
    maker->any_look = false;
    for (uint32_t i = 0; i < maker->table->index_count && status == RHEI_OK; i++)
        status = make_displaced(maker, &maker->table->indexes[i], update);
    if (status == RHEI_OK)
        status = make_replaced(maker, update);
    if (status != RHEI_OK || !(maker->any_look || maker->table->cut)) {
        base_buffer_clear(&maker->text);
        return status;
    }
    *(update ? &maker->looks_update : &maker->looks_insert) = maker->any_look;
    if (update)
        memcpy(maker->updated, maker->reads, maker->source->column_count);
    make_unsettled(maker);
    if (update)
        make_sources(maker);
    if (!update && maker->foretells)
        make_foretell(maker);
    if (maker->table->cut) {
        capture_make_new_key_look(maker);
        if (update)
            capture_make_key_row(maker, CAPTURE_LOG_LOOK, "OLD.");
    }
    struct base_buffer body = maker->text;
    maker->text = (struct base_buffer){.failed = body.failed};
    if (update && maker->table->cut)
        make_begin(maker, "bu", "BEFORE UPDATE");
    else if (update)
        make_begin_update(maker, "bu", "BEFORE UPDATE", maker->reads);
    else
        make_begin(maker, "bi", "BEFORE INSERT");
    base_buffer_append(&maker->text, body.data, body.len);
    base_buffer_reset(&body);
    return make_end(maker, set, update ? "bu" : "bi");
}

static rhei_status make_after(struct capture_maker *maker, struct capture_trigger_set *set)
{
    make_begin(maker, "ai", "AFTER INSERT");
    if (maker->foretells)
        make_check_foretold(maker);
    capture_make_row(maker, CAPTURE_LOG_INSERT);
    rhei_status status = make_end(maker, set, "ai");
    if (status == RHEI_OK && maker->table->keeps && maker->looks_insert) { /* made after "ai", so it fires before */
        make_begin(maker, "ci", "AFTER INSERT");
        capture_make_confirm_when(maker);
        capture_make_confirm(maker, false);
        status = make_end(maker, set, "ci");
    }

    make_begin(maker, "au", "AFTER UPDATE");
    capture_make_row(maker, CAPTURE_LOG_UPDATE);
    status = status == RHEI_OK ? make_end(maker, set, "au") : status;

    /* made after "au", so it fires before; most updates set no key, and then it isn't even compiled */
    memset(maker->reads, 0, maker->source->column_count);
    for (uint32_t i = 0; i < maker->source->key_count; i++)
        maker->reads[maker->source->key_columns[i]] = true;
    for (uint32_t i = 0; i < maker->source->column_count; i++)
        maker->reads[i] |= maker->source->columns[i].in_primary_key;
    make_begin_update(maker, "ak", "AFTER UPDATE", maker->reads);
    capture_make_key_changed(maker);
    status = status == RHEI_OK ? make_end(maker, set, "ak") : status;
    if (status == RHEI_OK && maker->table->keeps && maker->looks_update) {
        make_begin_update(maker, "cu", "AFTER UPDATE", maker->updated);
        capture_make_confirm_when(maker);
        capture_make_confirm(maker, true);
        status = make_end(maker, set, "cu");
    }

    make_begin(maker, "ad", "AFTER DELETE");
    capture_make_key_row(maker, maker->table->exposed ? CAPTURE_LOG_LOOK : CAPTURE_LOG_DELETE, "OLD.");
    return status == RHEI_OK ? make_end(maker, set, "ad") : status;
}

_Static_assert(CAPTURE_LOG_WIDE == 64, "it is said");

bool capture_logs_keys(const struct capture_table_schema *table)
{
    return capture_logs_keys_because(table) != NULL;
}

const char *capture_logs_keys_because(const struct capture_table_schema *table)
{
    if (table->exposed)
        return "triggers of others or foreign keys may change its rows beside a statement";
    if (table->table.source.column_count > CAPTURE_LOG_WIDE)
        return "it has more than 64 columns";
    return capture_generated_are_safe(table) ? NULL : "it has a generated column that can fail";
}

bool capture_log_displaces(const struct capture_table_schema *table)
{
    return (table->index_count > 0 || table->keeps) && capture_key_width(table) <= CAPTURE_LOG_WIDE;
}

uint32_t capture_log_width(const struct capture_table_schema *table)
{
    const struct source_table *source = &table->table.source;
    uint32_t width = capture_logs_keys(table) ? capture_key_width(table) : source->column_count;
    uint32_t keys = capture_log_displaces(table) ? 3 * capture_key_width(table) : 0;
    if (table->keeps) { /* T11 */
        keys += source->column_count;
        width = 2 * source->column_count;
    }
    return keys > width ? keys : width;
}

rhei_status capture_triggers_make(const struct capture_table_schema *table, uint32_t id,
                                  struct capture_trigger_set *set, struct rhei_error *error)
{
    *set = (struct capture_trigger_set){0};
    uint32_t columns = table->table.source.column_count;
    bool *flags = base_alloc_zero((size_t)columns * 3 + 1, sizeof *flags);
    if (flags == NULL)
        return error_no_memory(error);
    struct capture_maker maker = {.table = table,
                                  .source = &table->table.source,
                                  .id = id,
                                  .by_key = capture_logs_keys(table),
                                  .reads = flags,
                                  .unsettled = flags + columns,
                                  .updated = flags + 2 * (size_t)columns,
                                  .error = error};
    make_foretold(&maker);
    rhei_status status = make_before(&maker, set, false);
    if (status == RHEI_OK)
        status = make_before(&maker, set, true);
    if (status == RHEI_OK && table->cut) {
        make_begin(&maker, "bd", "BEFORE DELETE");
        capture_make_key_row(&maker, CAPTURE_LOG_LOOK, "OLD.");
        status = make_end(&maker, set, "bd");
    }
    if (status == RHEI_OK)
        status = make_after(&maker, set);
    base_buffer_reset(&maker.text);
    base_buffer_reset(&maker.foretold);
    base_free(flags);
    if (status != RHEI_OK)
        capture_trigger_set_reset(set);
    return status;
}
