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
 *     its change but other looks, since the table isn't exposed; so a row that was there then and isn't now went with this change. Other tables'
 *     triggers are what they were, to the letter.
 * T10. Where the mirror's key is the hidden rowid and the schema declares a PRIMARY KEY, every logged key has the declared one behind it: consumers
 *     of the log know rows by that. Its columns can't be dropped (T1). An update that changes it logs the old key as one that is gone, and
 *     the row, whose rowid may be the same, behind it. Of a key that a row doesn't have yet only the rowid is said, NULL behind it: another row may have the declared one.
 */
#include <stdio.h>
#include <string.h>

#include "capture/capture_definition.h"
#include "capture/capture_expression.h"

struct maker {
    const struct capture_table_schema *table;
    const struct source_table *source;
    uint32_t id;
    bool by_key;
    bool foretells; /* a unique index is made of the id that SQLite assigns */
    bool any_look;
    bool *reads;     /* columns that decide about a trigger: of the unique indexes that can displace, or of the key */
    bool *unsettled; /* of those, columns where a NULL isn't final */
    bool *updated;   /* of the unique indexes, as an update reads them */
    bool looks_insert, looks_update;
    struct base_buffer text;
    struct base_buffer foretold; /* the id that the row will have */
    struct rhei_error *error;
};

static void make_quoted(struct maker *maker, uint32_t column)
{
    base_buffer_identifier(&maker->text, maker->source->columns[column].name);
}

/* row."column", row being NEW, OLD or "" */
static void make_column(struct maker *maker, const char *row, uint32_t column)
{
    base_buffer_text(&maker->text, row);
    if (maker->source->columns[column].is_rowid)
        base_buffer_text(&maker->text, maker->table->rowid_name);
    else
        make_quoted(maker, column);
}

/* A column of a PRIMARY KEY or UNIQUE constraint can't be dropped, nor can the rowid. */
static bool make_is_fixed(const struct maker *maker, uint32_t column)
{
    if (maker->source->columns[column].is_rowid || maker->table->primary_position[column] > 0)
        return true;
    for (uint32_t i = 0; i < maker->table->index_count; i++) {
        const struct capture_index *index = &maker->table->indexes[i];
        for (uint32_t k = 0; index->sql == NULL && k < index->column_count && k < 64; k++)
            if (index->columns[k] == (int32_t)column)
                return true;
    }
    return false;
}

/* ---- Log rows. --------------------------------------------------------------------------------------------------- */

/* `count` value columns, from the first */
static void make_log_head(struct maker *maker, uint32_t count)
{
    base_buffer_text(&maker->text, " INSERT INTO " OLTP_LOG "(time,op,tab");
    for (uint32_t i = 1; i <= count; i++)
        base_buffer_format(&maker->text, ",c%u", i);
    base_buffer_text(&maker->text, ") ");
}

/* "time,op,tab": begins the row's values */
static void make_log_row(struct maker *maker, const char *word, enum capture_log_op op)
{
    base_buffer_format(&maker->text, "%s" CAPTURE_NOW ",'%c',%u", word, op, maker->id);
}

/* `settled`: the row has that key. Else it is one that a change would give it, and the declared one isn't said (T10). */
static void make_key_of(struct maker *maker, const char *row, bool settled)
{
    for (uint32_t i = 0; i < maker->source->key_count; i++) {
        base_buffer_char(&maker->text, ',');
        make_column(maker, row, maker->source->key_columns[i]);
    }
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        if (!maker->source->columns[i].in_primary_key)
            continue;
        base_buffer_char(&maker->text, ',');
        if (settled)
            make_column(maker, row, i);
        else
            base_buffer_text(&maker->text, "NULL");
    }
}

static void make_key(struct maker *maker, const char *row)
{
    make_key_of(maker, row, true);
}

static void make_key_row_of(struct maker *maker, enum capture_log_op op, const char *row, bool settled)
{
    BASE_INVARIANT(op == CAPTURE_LOG_DELETE || op == CAPTURE_LOG_LOOK); /* T2 */
    make_log_head(maker, capture_key_width(maker->table));
    make_log_row(maker, "VALUES(", op);
    make_key_of(maker, row, settled);
    base_buffer_text(&maker->text, ");");
}

static void make_key_row(struct maker *maker, enum capture_log_op op, const char *row)
{
    make_key_row_of(maker, op, row, true);
}

/* `before`, the pad and `after`; nothing if no column could be dropped, so that the pad has no name but those it needs. */
static void make_pad(struct maker *maker, const char *before, const char *after)
{
    bool any = false;
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        if (!make_is_fixed(maker, i)) {
            base_buffer_text(&maker->text, any ? "," : before);
            base_buffer_text(&maker->text, any ? "NULL AS " : "(SELECT NULL AS ");
            make_quoted(maker, i);
            any = true;
        }
    }
    if (any) {
        base_buffer_char(&maker->text, ')');
        base_buffer_text(&maker->text, after);
    }
}

static void make_row(struct maker *maker, enum capture_log_op op)
{
    if (maker->by_key) {
        make_key_row(maker, CAPTURE_LOG_LOOK, "NEW.");
        return;
    }
    make_log_head(maker, maker->source->column_count);
    make_log_row(maker, "SELECT ", op);
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        base_buffer_char(&maker->text, ',');
        if (make_is_fixed(maker, i)) {
            make_column(maker, "NEW.", i);
        } else {
            base_buffer_text(&maker->text, "(SELECT ");
            make_column(maker, "NEW.", i);
            base_buffer_char(&maker->text, ')');
        }
    }
    make_pad(maker, " FROM ", " AS new");
    base_buffer_char(&maker->text, ';');
}

/* A zero of class REAL: 0.0 and -0.0 are equal and of one type, but not of the same bits. */
static void make_real_zero(struct maker *maker, const char *row, uint32_t column)
{
    make_column(maker, row, column);
    base_buffer_text(&maker->text, " = 0 AND typeof(");
    make_column(maker, row, column);
    base_buffer_text(&maker->text, ") = 'real')");
}

/* OR OLD's value of a key column is another one than NEW's, by its bits. */
static void make_other(struct maker *maker, uint32_t column, bool first)
{
    bool integer = maker->source->key_is_integer && maker->source->key_columns[0] == column;
    base_buffer_text(&maker->text, first ? "" : " OR ");
    make_column(maker, "OLD.", column);
    base_buffer_text(&maker->text, integer ? " IS NOT " : " COLLATE BINARY IS NOT ");
    make_column(maker, "NEW.", column);
    if (!integer) {
        base_buffer_text(&maker->text, " OR typeof(");
        make_column(maker, "OLD.", column);
        base_buffer_text(&maker->text, ") <> typeof(");
        make_column(maker, "NEW.", column);
        base_buffer_char(&maker->text, ')');
    }
    if (maker->source->columns[column].affinity == AFFINITY_BLOB) {
        base_buffer_text(&maker->text, " OR (");
        make_real_zero(maker, "NEW.", column);
    }
}

/* `any`: a column of the mirror's key or of the declared one differs; else one of the mirror's. */
static void make_differs(struct maker *maker, bool any)
{
    for (uint32_t i = 0; i < maker->source->key_count; i++)
        make_other(maker, maker->source->key_columns[i], i == 0);
    for (uint32_t i = 0; any && i < maker->source->column_count; i++)
        if (maker->source->columns[i].in_primary_key)
            make_other(maker, i, false);
}

/* The key that an update took away. */
static void make_key_changed(struct maker *maker)
{
    bool declared = maker->table->declared_count > 0;
    make_log_head(maker, capture_key_width(maker->table));
    if (maker->table->exposed && declared) { /* T10: while the rowid stays, what became of the row is told behind it */
        base_buffer_text(&maker->text, "SELECT " CAPTURE_NOW ",CASE WHEN ");
        make_differs(maker, false);
        base_buffer_format(&maker->text, " THEN '%c' ELSE '%c' END,%u", CAPTURE_LOG_LOOK, CAPTURE_LOG_DELETE,
                           maker->id);
    } else {
        make_log_row(maker, "SELECT ", maker->table->exposed ? CAPTURE_LOG_LOOK : CAPTURE_LOG_DELETE);
    }
    make_key(maker, "OLD.");
    base_buffer_text(&maker->text, " WHERE ");
    make_differs(maker, declared);
    base_buffer_char(&maker->text, ';');
}

/* ---- Rows that REPLACE may displace. ----------------------------------------------------------------------------- */

static rhei_status make_refuse(struct maker *maker, const struct capture_index *index, const char *why)
{
    static const char tail[] = "what REPLACE displaces there can't be captured exactly";
    if (index->sql == NULL)
        return error_set(maker->error, RHEI_UNSUPPORTED, "one of its UNIQUE constraints has %s: %s", why, tail);
    return error_set(maker->error, RHEI_UNSUPPORTED, "its unique index \"%.80s\" has %s: %s", index->name, why, tail);
}

/* Equal in this index means: of the same key. */
static bool make_has_key(const struct maker *maker, const struct capture_index *index)
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

static bool make_term(struct maker *maker, struct capture_expression *expression, const struct capture_index *index,
                      const struct capture_index_text *text, uint32_t i)
{
    int32_t column = index->columns[i];
    struct base_buffer *out = &maker->text;
    const char *sql = column < 0 ? index->sql + text->term_start[i] : NULL;
    size_t len = column < 0 ? text->term_end[i] - text->term_start[i] : 0;
    bool ok = true;
    if (column < 0) {
        ok = capture_expression_write(expression, sql, len, CAPTURE_ROW_STORED, out);
    } else {
        base_buffer_text(out, "_rhei_row.");
        make_quoted(maker, (uint32_t)column);
    }
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

/* One look: the keys of the stored rows that equal NEW in this index. */
static rhei_status make_look(struct maker *maker, const struct capture_index *index,
                             const struct capture_index_text *text, bool update, const char *id_text,
                             const char *condition)
{
    struct capture_expression expression = {
        .table = maker->table, .reads = maker->reads, .unsettled = maker->unsettled, .id_text = id_text};
    bool displace = update && capture_log_displaces(maker->table), confirms = maker->table->confirms;
    make_log_head(maker, capture_key_width(maker->table) * (displace ? 3 : 1));
    make_log_row(maker, "SELECT ",
                 displace ? (confirms ? CAPTURE_LOG_DOUBT_UPDATE : CAPTURE_LOG_DISPLACE)
                          : (confirms ? CAPTURE_LOG_DOUBT : CAPTURE_LOG_LOOK));
    make_key(maker, "_rhei_row.");
    if (displace) {
        make_key_of(maker, "NEW.", false);
        make_key(maker, "OLD.");
    }
    base_buffer_text(&maker->text, " FROM ");
    base_buffer_identifier(&maker->text, maker->source->name);
    base_buffer_format(&maker->text, " AS _rhei_row WHERE %s", condition);
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
    if (update) {
        base_buffer_text(&maker->text, " AND NOT (");
        for (uint32_t i = 0; i < maker->source->key_count; i++) {
            base_buffer_text(&maker->text, i == 0 ? "+" : " AND +");
            make_column(maker, "_rhei_row.", maker->source->key_columns[i]);
            base_buffer_text(&maker->text, maker->source->key_is_integer ? " IS " : " COLLATE BINARY IS ");
            make_column(maker, "OLD.", maker->source->key_columns[i]);
        }
        base_buffer_char(&maker->text, ')');
    }
    base_buffer_char(&maker->text, ';');
    return ok ? RHEI_OK : make_refuse(maker, index, expression.why);
}

/* Whether NEW's id decides about the index: then an insert's look has to foretell it. */
static bool make_reads_id(struct maker *maker, const struct capture_index *index, const struct capture_index_text *text,
                          rhei_status *status)
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

static rhei_status make_displaced(struct maker *maker, const struct capture_index *index, bool update)
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

/* 'X' where a NULL isn't final and no constant can stand for it. */
static void make_unsettled(struct maker *maker)
{
    bool any = false;
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        if (maker->unsettled[i]) {
            if (!any) {
                make_log_head(maker, 0);
                make_log_row(maker, "SELECT ", CAPTURE_LOG_REBUILD);
            }
            base_buffer_text(&maker->text, any ? " OR " : " WHERE ");
            make_column(maker, "NEW.", i);
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
static void make_sources(struct maker *maker)
{
    bool generated = false, any = false;
    for (uint32_t i = 0; i < maker->source->column_count; i++)
        generated |= maker->reads[i] && maker->source->columns[i].generated;
    for (uint32_t i = 0; i < maker->source->column_count && generated; i++) {
        if (maker->reads[i] && !maker->source->columns[i].generated) {
            base_buffer_text(&maker->text, any ? "," : " SELECT ");
            make_column(maker, "NEW.", i);
            any = true;
        }
    }
    base_buffer_text(&maker->text, any ? ";" : "");
}

/* ---- Ids that SQLite will assign. -------------------------------------------------------------------------------- */

static bool make_is_autoincrement(const struct maker *maker)
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
static void make_foretold(struct maker *maker)
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

static void make_foretell(struct maker *maker)
{
    make_log_head(maker, 1);
    make_log_row(maker, "VALUES(", CAPTURE_LOG_FORETOLD);
    base_buffer_format(&maker->text, ",%s);", maker->foretold.data);
}

static void make_check_foretold(struct maker *maker)
{
    make_log_head(maker, 0);
    make_log_row(maker, "SELECT ", CAPTURE_LOG_REBUILD);
    base_buffer_text(&maker->text, " WHERE NEW.");
    make_quoted(maker, (uint32_t)capture_id_column(maker->table));
    base_buffer_text(&maker->text, " <> -1 AND NEW.");
    make_quoted(maker, (uint32_t)capture_id_column(maker->table));
    base_buffer_format(&maker->text,
                       " IS NOT (SELECT c1 FROM " OLTP_LOG " WHERE tab = %u AND op = '%c' ORDER BY seq DESC LIMIT 1);",
                       maker->id, CAPTURE_LOG_FORETOLD);
}

/* ---- The set. ---------------------------------------------------------------------------------------------------- */

static void make_begin(struct maker *maker, const char *suffix, const char *when)
{
    base_buffer_format(&maker->text, "CREATE TRIGGER \"" CAPTURE_TRIGGER "%u_%s\" %s ON ", maker->id, suffix, when);
    base_buffer_identifier(&maker->text, maker->source->name);
    base_buffer_text(&maker->text, " BEGIN");
}

static rhei_status make_end(struct maker *maker, struct capture_trigger_set *set, const char *suffix)
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
static void make_begin_update(struct maker *maker, const char *suffix, const char *when, const bool *columns)
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

static rhei_status make_before(struct maker *maker, struct capture_trigger_set *set, bool update)
{
    rhei_status status = RHEI_OK;
    memset(maker->reads, 0, maker->source->column_count);
    memset(maker->unsettled, 0, maker->source->column_count);
    maker->any_look = false;
    for (uint32_t i = 0; i < maker->table->index_count && status == RHEI_OK; i++)
        status = make_displaced(maker, &maker->table->indexes[i], update);
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
        make_key_row_of(maker, CAPTURE_LOG_LOOK, "NEW.", false);
        if (update)
            make_key_row(maker, CAPTURE_LOG_LOOK, "OLD.");
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

#define DOUBTS  "('C','E')"
#define DOUBTED "('C','E','P','X')" /* what the look before a change writes */

/* T9: the trigger that was begun fires only where the newest row of the log is a look's. */
static void make_confirm_when(struct maker *maker)
{
    static const char body[] = " BEGIN";
    maker->text.len -= sizeof body - 1;
    base_buffer_format(&maker->text,
                       " WHEN (SELECT op IN " DOUBTED " AND tab = %u FROM " OLTP_LOG " ORDER BY seq DESC LIMIT 1)%s",
                       maker->id, body);
}

/* AND the row's declared key column is that of the log, by its bits. */
static void make_same_declared(struct maker *maker, uint32_t column, uint32_t value)
{
    base_buffer_text(&maker->text, " AND ");
    make_column(maker, "_rhei_row.", column);
    base_buffer_format(&maker->text, " COLLATE BINARY IS _rhei_log.c%u AND typeof(", value);
    make_column(maker, "_rhei_row.", column);
    base_buffer_format(&maker->text, ") = typeof(_rhei_log.c%u)", value);
    if (maker->source->columns[column].affinity == AFFINITY_BLOB) {
        /* 0.0 and -0.0 aren't told apart: both count as gone, and the row is told behind that */
        base_buffer_text(&maker->text, " AND NOT (");
        make_real_zero(maker, "_rhei_row.", column);
    }
}

/* T9: those rows of the looks at the log's end that are gone. */
static void make_confirm(struct maker *maker)
{
    struct base_buffer *out = &maker->text;
    uint32_t keys = maker->source->key_count;
    make_log_head(maker, capture_key_width(maker->table));
    make_log_row(maker, "SELECT DISTINCT ", CAPTURE_LOG_DELETE);
    for (uint32_t i = 1; i <= capture_key_width(maker->table); i++)
        base_buffer_format(out, ",_rhei_log.c%u", i);
    base_buffer_format(out,
                       " FROM " OLTP_LOG
                       " AS _rhei_log WHERE _rhei_log.seq > ifnull((SELECT _rhei_end.seq FROM " OLTP_LOG
                       " AS _rhei_end WHERE NOT (_rhei_end.tab IS %u AND _rhei_end.op IN " DOUBTED
                       ") ORDER BY _rhei_end.seq DESC LIMIT 1),0) AND _rhei_log.tab = %u AND _rhei_log.op IN " DOUBTS
                       " AND NOT EXISTS (SELECT 1 FROM ",
                       maker->id, maker->id);
    base_buffer_identifier(out, maker->source->name);
    base_buffer_text(out, " AS _rhei_row WHERE ");
    for (uint32_t i = 0; i < keys; i++) {
        base_buffer_text(out, i == 0 ? "" : " AND ");
        make_column(maker, "_rhei_row.", maker->source->key_columns[i]);
        base_buffer_format(out, " = _rhei_log.c%u", i + 1);
    }
    for (uint32_t i = 0; i < maker->source->column_count; i++) /* T10: the rowid may be another row's by now */
        if (maker->source->columns[i].in_primary_key)
            make_same_declared(maker, i, ++keys);
    base_buffer_text(out, ");");
}

static rhei_status make_after(struct maker *maker, struct capture_trigger_set *set)
{
    make_begin(maker, "ai", "AFTER INSERT");
    if (maker->foretells)
        make_check_foretold(maker);
    make_row(maker, CAPTURE_LOG_INSERT);
    rhei_status status = make_end(maker, set, "ai");
    if (status == RHEI_OK && maker->table->confirms && maker->looks_insert) { /* made after "ai", so it fires before */
        make_begin(maker, "ci", "AFTER INSERT");
        make_confirm_when(maker);
        make_confirm(maker);
        status = make_end(maker, set, "ci");
    }

    make_begin(maker, "au", "AFTER UPDATE");
    make_row(maker, CAPTURE_LOG_UPDATE);
    status = status == RHEI_OK ? make_end(maker, set, "au") : status;

    /* made after "au", so it fires before; most updates set no key, and then it isn't even compiled */
    memset(maker->reads, 0, maker->source->column_count);
    for (uint32_t i = 0; i < maker->source->key_count; i++)
        maker->reads[maker->source->key_columns[i]] = true;
    for (uint32_t i = 0; i < maker->source->column_count; i++)
        maker->reads[i] |= maker->source->columns[i].in_primary_key;
    make_begin_update(maker, "ak", "AFTER UPDATE", maker->reads);
    make_key_changed(maker);
    status = status == RHEI_OK ? make_end(maker, set, "ak") : status;
    if (status == RHEI_OK && maker->table->confirms && maker->looks_update) {
        make_begin_update(maker, "cu", "AFTER UPDATE", maker->updated);
        make_confirm_when(maker);
        make_confirm(maker);
        status = make_end(maker, set, "cu");
    }

    make_begin(maker, "ad", "AFTER DELETE");
    make_key_row(maker, maker->table->exposed ? CAPTURE_LOG_LOOK : CAPTURE_LOG_DELETE, "OLD.");
    return status == RHEI_OK ? make_end(maker, set, "ad") : status;
}

bool capture_logs_keys(const struct capture_table_schema *table)
{
    return table->exposed || table->table.source.column_count > CAPTURE_LOG_WIDE || !capture_generated_are_safe(table);
}

bool capture_log_displaces(const struct capture_table_schema *table)
{
    return table->index_count > 0 && capture_key_width(table) <= CAPTURE_LOG_WIDE;
}

uint32_t capture_log_width(const struct capture_table_schema *table)
{
    const struct source_table *source = &table->table.source;
    uint32_t width = capture_logs_keys(table) ? capture_key_width(table) : source->column_count;
    uint32_t keys = capture_log_displaces(table) ? 3 * capture_key_width(table) : 0;
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
    struct maker maker = {.table = table,
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
        make_key_row(&maker, CAPTURE_LOG_LOOK, "OLD.");
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
