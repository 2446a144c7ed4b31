/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of the capture triggers. They run inside whatever program writes the file, so they use only SQL that
 * SQLite 3.31 knows, and no function but julianday.
 *
 * T1. A column that ALTER TABLE could drop is never named so that its absence is an error: it stands as (SELECT NEW."c")
 *     within a FROM that has a table called new with a NULL of that name. SQLite resolves a name from the inside out, so
 *     the trigger's row wins while the column exists; afterwards the NULL is found and the ALTER succeeds. What the
 *     trigger logs then is of an old version of the table, which readers skip.
 * T2. A plain table logs NEW as the statement made it. An exposed one (I9) is read back, because something may have
 *     changed the row since; for the same reason its vanished keys are logged as 'K' (look again) if they are there.
 * T3. Rows that REPLACE may displace fire no DELETE trigger. Before each insert and update the keys of all rows that
 *     equal NEW in a unique index are logged as 'K'. Too many is harmless: the reader looks.
 */
#include <string.h>

#include "oltp/oltp_internal.h"

struct maker {
    const struct oltp_table_schema *table;
    const struct source_table *source;
    uint32_t id;
    struct base_buffer text;
};

static void make_quoted(struct maker *maker, uint32_t column)
{
    base_buffer_identifier(&maker->text, maker->source->columns[column].name);
}

/* row."column", row being NEW, OLD or "" */
static void make_column(struct maker *maker, const char *row, uint32_t column)
{
    base_buffer_text(&maker->text, row);
    if (maker->source->columns[column].is_rowid) {
        base_buffer_text(&maker->text, maker->table->rowid_name);
    } else {
        make_quoted(maker, column);
    }
}

/* A column of a PRIMARY KEY can't be dropped, nor can the rowid. */
static bool make_is_fixed(const struct maker *maker, uint32_t column)
{
    return maker->source->columns[column].is_rowid || maker->table->primary_position[column] > 0;
}

static void make_log_head(struct maker *maker, bool key_only)
{
    base_buffer_text(&maker->text, " INSERT INTO " OLTP_LOG "(time,op,tab");
    uint32_t count = key_only ? maker->source->key_count : maker->source->column_count;
    for (uint32_t i = 0; i < count; i++) {
        base_buffer_format(&maker->text, ",c%u", (key_only ? maker->source->key_columns[i] : i) + 1);
    }
    base_buffer_text(&maker->text, ") ");
}

static void make_key(struct maker *maker, const char *row)
{
    for (uint32_t i = 0; i < maker->source->key_count; i++) {
        base_buffer_char(&maker->text, ',');
        make_column(maker, row, maker->source->key_columns[i]);
    }
}

/* table.key = row.key, exactly as the table's own key finds it */
static void make_key_match(struct maker *maker, const char *table, const char *row)
{
    for (uint32_t i = 0; i < maker->source->key_count; i++) {
        base_buffer_text(&maker->text, i == 0 ? "" : " AND ");
        make_column(maker, table, maker->source->key_columns[i]);
        base_buffer_text(&maker->text, " = ");
        make_column(maker, row, maker->source->key_columns[i]);
    }
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

static void make_row_from_new(struct maker *maker, char op)
{
    make_log_head(maker, false);
    base_buffer_format(&maker->text, "SELECT " OLTP_NOW ",'%c',%u", op, maker->id);
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

/* NATURAL LEFT JOIN with the pad: a name that both have is the table's, one that the table lost is the pad's NULL. */
static void make_row_read_back(struct maker *maker, char op)
{
    make_log_head(maker, false);
    base_buffer_format(&maker->text, "SELECT " OLTP_NOW ",'%c',%u", op, maker->id);
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        base_buffer_char(&maker->text, ',');
        make_column(maker, make_is_fixed(maker, i) ? "_rhei_row." : "", i);
    }
    base_buffer_text(&maker->text, " FROM ");
    base_buffer_identifier(&maker->text, maker->source->name);
    base_buffer_text(&maker->text, " AS _rhei_row");
    make_pad(maker, " NATURAL LEFT JOIN ", "");
    base_buffer_text(&maker->text, " WHERE ");
    make_key_match(maker, "_rhei_row.", "NEW.");
    base_buffer_char(&maker->text, ';');
}

static void make_row(struct maker *maker, char op)
{
    if (maker->table->exposed) {
        make_row_read_back(maker, op);
    } else {
        make_row_from_new(maker, op);
    }
}

static void make_gone(struct maker *maker)
{
    make_log_head(maker, true);
    if (maker->table->exposed) {
        base_buffer_text(&maker->text, "SELECT " OLTP_NOW ",CASE WHEN EXISTS(SELECT 1 FROM ");
        base_buffer_identifier(&maker->text, maker->source->name);
        base_buffer_text(&maker->text, " AS _rhei_row WHERE ");
        make_key_match(maker, "_rhei_row.", "OLD.");
        base_buffer_text(&maker->text, ") THEN 'K' ELSE 'D' END");
    } else {
        base_buffer_text(&maker->text, "SELECT " OLTP_NOW ",'D'");
    }
    base_buffer_format(&maker->text, ",%u", maker->id);
    make_key(maker, "OLD.");
}

static void make_key_changed(struct maker *maker)
{
    base_buffer_text(&maker->text, " WHERE ");
    for (uint32_t i = 0; i < maker->source->key_count; i++) {
        uint32_t column = maker->source->key_columns[i];
        base_buffer_text(&maker->text, i == 0 ? "" : " OR ");
        make_column(maker, "OLD.", column);
        base_buffer_text(&maker->text, maker->source->key_is_integer ? " IS NOT " : " COLLATE BINARY IS NOT ");
        make_column(maker, "NEW.", column);
        if (!maker->source->key_is_integer) {
            base_buffer_text(&maker->text, " OR typeof(");
            make_column(maker, "OLD.", column);
            base_buffer_text(&maker->text, ") <> typeof(");
            make_column(maker, "NEW.", column);
            base_buffer_char(&maker->text, ')');
        }
        if (maker->source->columns[column].affinity == AFFINITY_BLOB) {
            /* 0.0 and -0.0 are equal and of one type, but not of the same bits */
            base_buffer_text(&maker->text, " OR (");
            make_column(maker, "NEW.", column);
            base_buffer_text(&maker->text, " = 0 AND typeof(");
            make_column(maker, "NEW.", column);
            base_buffer_text(&maker->text, ") = 'real')");
        }
    }
}

/* ---- Rows that REPLACE may displace. ----------------------------------------------------------------------------- */

/* NEW."c"; for NOT NULL with a default, what a NULL becomes where the conflict is REPLACE, which is after this trigger ran. */
static void make_new_value(const struct oltp_table_schema *table, uint32_t column, struct base_buffer *out)
{
    const char *fallback = table->table.source.columns[column].not_null ? table->defaults[column] : NULL;
    base_buffer_text(out, fallback == NULL ? "NEW." : "ifnull(NEW.");
    base_buffer_identifier(out, table->table.source.columns[column].name);
    if (fallback != NULL) {
        base_buffer_format(out, ", (%s))", fallback);
    }
}

static void make_index_term(struct maker *maker, const struct oltp_index *index, const struct oltp_index_text *text,
                            uint32_t i)
{
    int32_t column = index->columns[i];
    struct base_buffer *out = &maker->text;
    if (column >= 0) {
        base_buffer_identifier(out, maker->source->columns[column].name);
        base_buffer_text(out, " COLLATE ");
        base_buffer_identifier(out, index->collations[i]);
        base_buffer_text(out, " = ");
        make_new_value(maker->table, (uint32_t)column, out);
    } else if (column == -1) {
        base_buffer_format(out, "%s = NEW.%s", maker->table->rowid_name, maker->table->rowid_name);
    } else {
        size_t len = text->term_end[i] - text->term_start[i];
        base_buffer_char(out, '(');
        base_buffer_append(out, index->sql + text->term_start[i], len);
        base_buffer_text(out, ") = (");
        oltp_rewrite_new(maker->table, index->sql + text->term_start[i], len, out);
        base_buffer_char(out, ')');
    }
}

static bool make_displaced(struct maker *maker, const struct oltp_index *index, bool update)
{
    struct oltp_index_text text = {0};
    bool needs_text = index->partial;
    for (uint32_t i = 0; i < index->column_count && i < 64; i++) {
        needs_text |= index->columns[i] == -2;
    }
    if (index->column_count > 64 || (needs_text && (index->sql == NULL || !oltp_index_split(index->sql, &text) ||
                                                    text.term_count != index->column_count))) {
        return false;
    }
    make_log_head(maker, true);
    base_buffer_format(&maker->text, "SELECT " OLTP_NOW ",'K',%u", maker->id);
    make_key(maker, "_rhei_row.");
    base_buffer_text(&maker->text, " FROM ");
    base_buffer_identifier(&maker->text, maker->source->name);
    base_buffer_text(&maker->text, " AS _rhei_row WHERE ");
    for (uint32_t i = 0; i < index->column_count; i++) {
        base_buffer_text(&maker->text, i == 0 ? "" : " AND ");
        make_index_term(maker, index, &text, i);
    }
    if (index->partial && text.where_end > text.where_start) {
        base_buffer_text(&maker->text, " AND (");
        base_buffer_append(&maker->text, index->sql + text.where_start, text.where_end - text.where_start);
        base_buffer_char(&maker->text, ')');
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
    return true;
}

/* ---- The set. ---------------------------------------------------------------------------------------------------- */

static void make_begin(struct maker *maker, const char *suffix, const char *when)
{
    base_buffer_format(&maker->text, "CREATE TRIGGER \"" OLTP_TRIGGER "%u_%s\" %s ON ", maker->id, suffix, when);
    base_buffer_identifier(&maker->text, maker->source->name);
    base_buffer_text(&maker->text, " BEGIN");
}

static bool make_end(struct maker *maker, struct oltp_trigger_set *set, const char *suffix)
{
    base_buffer_text(&maker->text, " END");
    struct base_buffer name = {0};
    base_buffer_format(&name, OLTP_TRIGGER "%u_%s", maker->id, suffix);
    char *name_text = base_buffer_take(&name);
    char *sql = base_buffer_take(&maker->text);
    if (name_text == NULL || sql == NULL) {
        base_free(name_text);
        base_free(sql);
        return false;
    }
    set->name[set->count] = name_text;
    set->sql[set->count++] = sql;
    return true;
}

static bool make_before(struct maker *maker, struct oltp_trigger_set *set, bool update, bool *readable)
{
    make_begin(maker, update ? "bu" : "bi", update ? "BEFORE UPDATE" : "BEFORE INSERT");
    for (uint32_t i = 0; i < maker->table->index_count; i++) {
        *readable &= make_displaced(maker, &maker->table->indexes[i], update);
    }
    return make_end(maker, set, update ? "bu" : "bi");
}

static bool make_after(struct maker *maker, struct oltp_trigger_set *set)
{
    make_begin(maker, "ai", "AFTER INSERT");
    make_row(maker, 'I');
    bool ok = make_end(maker, set, "ai");

    make_begin(maker, "au", "AFTER UPDATE");
    make_gone(maker);
    make_key_changed(maker);
    base_buffer_char(&maker->text, ';');
    make_row(maker, 'U');
    ok = ok && make_end(maker, set, "au");

    make_begin(maker, "ad", "AFTER DELETE");
    make_gone(maker);
    base_buffer_char(&maker->text, ';');
    return ok && make_end(maker, set, "ad");
}

rhei_status oltp_triggers_make(const struct oltp_table_schema *table, uint32_t id, struct oltp_trigger_set *set,
                               struct rhei_error *error)
{
    *set = (struct oltp_trigger_set){0};
    struct maker maker = {.table = table, .source = &table->table.source, .id = id};
    bool readable = true;
    bool ok = make_after(&maker, set);
    if (table->index_count > 0) {
        ok = ok && make_before(&maker, set, false, &readable) && make_before(&maker, set, true, &readable);
    }
    base_buffer_reset(&maker.text);
    if (!ok || !readable) {
        oltp_trigger_set_reset(set);
        return ok ? error_set(error, RHEI_UNSUPPORTED, "a unique index has a text that can't be read")
                  : error_no_memory(error);
    }
    return RHEI_OK;
}

void oltp_trigger_set_reset(struct oltp_trigger_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        base_free(set->name[i]);
        base_free(set->sql[i]);
    }
    set->count = 0;
}

/* ---- Texts of indexes. ------------------------------------------------------------------------------------------- */

static int32_t rewrite_column(const struct oltp_table_schema *table, const char *name)
{
    for (uint32_t i = 0; i < table->table.source.column_count; i++) {
        if (!table->table.source.columns[i].is_rowid &&
            base_fold_compare(table->table.source.columns[i].name, name) == 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

void oltp_rewrite_new(const struct oltp_table_schema *table, const char *expression, size_t len,
                      struct base_buffer *out)
{
    size_t at = 0, start, end, copied = 0;
    bool after_collate = false, after_as = false;
    enum oltp_token token;
    while ((token = oltp_next_token(expression, len, &at, &start, &end)) != OLTP_TOKEN_END) {
        size_t peek = at, next_start, next_end;
        bool call = oltp_next_token(expression, len, &peek, &next_start, &next_end) == OLTP_TOKEN_OTHER &&
                    expression[next_start] == '(';
        int32_t column = -1;
        if ((token == OLTP_TOKEN_NAME || token == OLTP_TOKEN_QUOTED) && !call && !after_collate && !after_as) {
            char *name = oltp_token_text(expression, start, end);
            column = name == NULL ? -1 : rewrite_column(table, name);
            out->failed |= name == NULL;
            base_free(name);
        }
        if (column >= 0) {
            base_buffer_append(out, expression + copied, start - copied);
            make_new_value(table, (uint32_t)column, out);
            copied = end;
        }
        after_collate = token == OLTP_TOKEN_NAME && oltp_token_is(expression, start, end, "COLLATE");
        /* AS begins the type of a CAST, which ends with its bracket */
        if (token == OLTP_TOKEN_NAME && oltp_token_is(expression, start, end, "AS")) {
            after_as = true;
        } else if (token == OLTP_TOKEN_OTHER && expression[start] == ')') {
            after_as = false;
        }
    }
    base_buffer_append(out, expression + copied, len - copied);
}

/* Cuts ASC, DESC from the end of a term; SQLite takes them only there. */
static size_t split_trim(const char *sql, size_t start, size_t end)
{
    size_t at = start, token_start, token_end, last_start = start, last_end = start, before_end = start;
    while (at < end && oltp_next_token(sql, end, &at, &token_start, &token_end) != OLTP_TOKEN_END) {
        before_end = last_end;
        last_start = token_start;
        last_end = token_end;
    }
    bool order = oltp_token_is(sql, last_start, last_end, "ASC") || oltp_token_is(sql, last_start, last_end, "DESC");
    return order ? before_end : last_end;
}

bool oltp_index_split(const char *sql, struct oltp_index_text *text)
{
    size_t len = strlen(sql), at = 0, start, end, term = 0;
    int depth = 0;
    bool in_terms = false;
    *text = (struct oltp_index_text){0};
    /* CREATE UNIQUE INDEX name ON table ( */
    for (;;) {
        enum oltp_token token = oltp_next_token(sql, len, &at, &start, &end);
        if (token == OLTP_TOKEN_END) {
            return false;
        }
        if (token == OLTP_TOKEN_OTHER && sql[start] == '(') {
            depth++;
            if (!in_terms) {
                in_terms = true;
                term = end;
            }
        } else if (token == OLTP_TOKEN_OTHER && (sql[start] == ')' || (sql[start] == ',' && depth == 1))) {
            depth -= sql[start] == ')';
            if (depth == 0 || sql[start] == ',') {
                if (text->term_count == 64) {
                    return false;
                }
                text->term_start[text->term_count] = term;
                text->term_end[text->term_count++] = split_trim(sql, term, start);
                term = end;
            }
            if (depth == 0) {
                break;
            }
        }
    }
    if (oltp_next_token(sql, len, &at, &start, &end) == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, "WHERE")) {
        text->where_start = end;
        text->where_end = len;
    }
    return true;
}
