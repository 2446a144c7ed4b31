/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture_trigger_text.h"

#include <string.h>

#include "capture/capture_expression.h"

/* Of a look's row, whose rowid SQLite finds by none of its own names where two tables of a FROM have one name. */
#define LOOKED       "_rhei_row."
#define LOOKED_ROWID "_rhei_rowid"

/* A column of a PRIMARY KEY or UNIQUE constraint can't be dropped, nor can the rowid. */
static bool text_is_fixed(const struct capture_maker *maker, uint32_t column)
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

/* T11: whether a look can name every column, so that other programs may drop it and need no collation for that. */
static bool text_looks_whole(const struct capture_maker *maker)
{
    bool whole = maker->table->keeps;
    for (uint32_t i = 0; i < maker->source->column_count && whole; i++)
        whole = (text_is_fixed(maker, i) || capture_collation_is_known(maker->source->columns[i].collation)) &&
                base_fold_compare(maker->source->columns[i].name, LOOKED_ROWID) != 0;
    return whole;
}

void capture_make_column(struct capture_maker *maker, const char *row, uint32_t column)
{
    base_buffer_text(&maker->text, row);
    if (maker->source->columns[column].is_rowid)
        base_buffer_text(&maker->text,
                         text_looks_whole(maker) && strcmp(row, LOOKED) == 0 ? LOOKED_ROWID : maker->table->rowid_name);
    else
        base_buffer_identifier(&maker->text, maker->source->columns[column].name);
}

/* ---- Log rows. --------------------------------------------------------------------------------------------------- */

static void text_log_columns(struct capture_maker *maker, uint32_t from, uint32_t count)
{
    for (uint32_t i = 1; i <= count; i++)
        base_buffer_format(&maker->text, ",c%u", from + i);
}

void capture_make_log_head(struct capture_maker *maker, uint32_t count)
{
    base_buffer_text(&maker->text, " INSERT INTO " OLTP_LOG "(time,op,tab");
    text_log_columns(maker, 0, count);
    base_buffer_text(&maker->text, ") ");
}

void capture_make_log_row(struct capture_maker *maker, const char *word, enum capture_log_op op)
{
    base_buffer_format(&maker->text, "%s" CAPTURE_NOW ",'%c',%u", word, op, maker->id);
}

void capture_make_key(struct capture_maker *maker, const char *row, bool settled)
{
    for (uint32_t i = 0; i < maker->source->key_count; i++) {
        base_buffer_char(&maker->text, ',');
        capture_make_column(maker, row, maker->source->key_columns[i]);
    }
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        if (!maker->source->columns[i].in_primary_key)
            continue;
        base_buffer_char(&maker->text, ',');
        if (settled)
            capture_make_column(maker, row, i);
        else
            base_buffer_text(&maker->text, "NULL");
    }
}

/* `before`, the pad and `after`; nothing if no column could be dropped, so that the pad has no name but those it needs (T1). */
static void text_pad(struct capture_maker *maker, const char *before, const char *after)
{
    bool any = false;
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        if (!text_is_fixed(maker, i)) {
            base_buffer_text(&maker->text, any ? "," : before);
            base_buffer_text(&maker->text, any ? "NULL AS " : "(SELECT NULL AS ");
            base_buffer_identifier(&maker->text, maker->source->columns[i].name);
            any = true;
        }
    }
    if (any) {
        base_buffer_char(&maker->text, ')');
        base_buffer_text(&maker->text, after);
    }
}

/* NEW or OLD whole, within a FROM that has its pad (T1). */
static void text_values(struct capture_maker *maker, const char *row)
{
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        base_buffer_char(&maker->text, ',');
        if (text_is_fixed(maker, i)) {
            capture_make_column(maker, row, i);
        } else {
            base_buffer_text(&maker->text, "(SELECT ");
            capture_make_column(maker, row, i);
            base_buffer_char(&maker->text, ')');
        }
    }
}

/* OLD whole, each column with a pad of its own: a second pad in a FROM would be a table that SQLite makes and fills for each row. */
static void text_old_values(struct capture_maker *maker)
{
    for (uint32_t i = 0; i < maker->source->column_count; i++) {
        base_buffer_char(&maker->text, ',');
        if (text_is_fixed(maker, i)) {
            capture_make_column(maker, "OLD.", i);
            continue;
        }
        base_buffer_text(&maker->text, "(SELECT (SELECT ");
        capture_make_column(maker, "OLD.", i);
        base_buffer_text(&maker->text, ") FROM (SELECT NULL AS ");
        base_buffer_identifier(&maker->text, maker->source->columns[i].name);
        base_buffer_text(&maker->text, ") AS old)");
    }
}

/* T11 */
static void text_gone(struct capture_maker *maker, const char *row)
{
    capture_make_log_head(maker, capture_key_width(maker->table) + maker->source->column_count);
    capture_make_log_row(maker, "SELECT ", CAPTURE_LOG_DELETE);
    capture_make_key(maker, row, true);
    text_values(maker, row);
    text_pad(maker, " FROM ", " AS old");
}

void capture_make_key_row(struct capture_maker *maker, enum capture_log_op op, const char *row)
{
    BASE_INVARIANT(op == CAPTURE_LOG_DELETE || op == CAPTURE_LOG_LOOK); /* T2 */
    if (maker->table->keeps && op == CAPTURE_LOG_DELETE) {
        text_gone(maker, row);
        base_buffer_char(&maker->text, ';');
        return;
    }
    capture_make_log_head(maker, capture_key_width(maker->table));
    capture_make_log_row(maker, "VALUES(", op);
    capture_make_key(maker, row, true);
    base_buffer_text(&maker->text, ");");
}

void capture_make_new_key_look(struct capture_maker *maker)
{
    capture_make_log_head(maker, capture_key_width(maker->table));
    capture_make_log_row(maker, "VALUES(", CAPTURE_LOG_LOOK);
    capture_make_key(maker, "NEW.", false);
    base_buffer_text(&maker->text, ");");
}

void capture_make_row(struct capture_maker *maker, enum capture_log_op op)
{
    if (maker->by_key) {
        capture_make_key_row(maker, CAPTURE_LOG_LOOK, "NEW.");
        return;
    }
    bool before = maker->table->keeps && op == CAPTURE_LOG_UPDATE; /* T11 */
    capture_make_log_head(maker, maker->source->column_count * (before ? 2 : 1));
    capture_make_log_row(maker, "SELECT ", op);
    text_values(maker, "NEW.");
    if (before)
        text_old_values(maker);
    text_pad(maker, " FROM ", " AS new");
    base_buffer_char(&maker->text, ';');
}

/* ---- Keys by their bits. ----------------------------------------------------------------------------------------- */

/* A zero of class REAL: 0.0 and -0.0 are equal and of one type, but not of the same bits. */
static void text_real_zero(struct capture_maker *maker, const char *row, uint32_t column)
{
    capture_make_column(maker, row, column);
    base_buffer_text(&maker->text, " = 0 AND typeof(");
    capture_make_column(maker, row, column);
    base_buffer_text(&maker->text, ") = 'real')");
}

/* OR OLD's value of a key column is another one than NEW's, by its bits. */
static void text_other(struct capture_maker *maker, uint32_t column, bool first)
{
    bool integer = maker->source->key_is_integer && maker->source->key_columns[0] == column;
    base_buffer_text(&maker->text, first ? "" : " OR ");
    capture_make_column(maker, "OLD.", column);
    base_buffer_text(&maker->text, integer ? " IS NOT " : " COLLATE BINARY IS NOT ");
    capture_make_column(maker, "NEW.", column);
    if (!integer) {
        base_buffer_text(&maker->text, " OR typeof(");
        capture_make_column(maker, "OLD.", column);
        base_buffer_text(&maker->text, ") <> typeof(");
        capture_make_column(maker, "NEW.", column);
        base_buffer_char(&maker->text, ')');
    }
    if (maker->source->columns[column].affinity == AFFINITY_BLOB) {
        base_buffer_text(&maker->text, " OR (");
        text_real_zero(maker, "NEW.", column);
    }
}

/* `any`: a column of the mirror's key or of the declared one differs; else one of the mirror's. */
static void text_differs(struct capture_maker *maker, bool any)
{
    for (uint32_t i = 0; i < maker->source->key_count; i++)
        text_other(maker, maker->source->key_columns[i], i == 0);
    for (uint32_t i = 0; any && i < maker->source->column_count; i++)
        if (maker->source->columns[i].in_primary_key)
            text_other(maker, i, false);
}

void capture_make_key_changed(struct capture_maker *maker)
{
    bool declared = maker->table->declared_count > 0;
    if (maker->table->keeps) {
        text_gone(maker, "OLD.");
    } else {
        capture_make_log_head(maker, capture_key_width(maker->table));
        if (maker->table->exposed &&
            declared) { /* T10: while the rowid stays, what became of the row is told behind it */
            base_buffer_text(&maker->text, "SELECT " CAPTURE_NOW ",CASE WHEN ");
            text_differs(maker, false);
            base_buffer_format(&maker->text, " THEN '%c' ELSE '%c' END,%u", CAPTURE_LOG_LOOK, CAPTURE_LOG_DELETE,
                               maker->id);
        } else {
            capture_make_log_row(maker, "SELECT ", maker->table->exposed ? CAPTURE_LOG_LOOK : CAPTURE_LOG_DELETE);
        }
        capture_make_key(maker, "OLD.", true);
    }
    base_buffer_text(&maker->text, " WHERE ");
    text_differs(maker, declared);
    base_buffer_char(&maker->text, ';');
}

/* ---- Rows that REPLACE may displace. ----------------------------------------------------------------------------- */

void capture_make_look(struct capture_maker *maker, enum capture_log_op op, bool three)
{
    uint32_t keys = capture_key_width(maker->table);
    bool whole = text_looks_whole(maker);
    capture_make_log_head(maker, keys * (three ? 3 : 1));
    if (whole) {
        maker->text.len -= strlen(") ");
        text_log_columns(maker, 3 * keys, maker->source->column_count);
        base_buffer_text(&maker->text, ") ");
    }
    capture_make_log_row(maker, "SELECT ", op);
    capture_make_key(maker, LOOKED, true);
    if (three) {
        capture_make_key(maker, "NEW.", false);
        capture_make_key(maker, "OLD.", true);
    }
    for (uint32_t i = 0; whole && i < maker->source->column_count; i++) {
        base_buffer_char(&maker->text, ',');
        capture_make_column(maker, LOOKED, i);
    }
    bool hidden = maker->source->columns[maker->source->column_count - 1].is_rowid;
    base_buffer_text(&maker->text, " FROM ");
    if (whole && hidden)
        base_buffer_format(&maker->text, "(SELECT %s AS " LOOKED_ROWID ",* FROM ", maker->table->rowid_name);
    base_buffer_identifier(&maker->text, maker->source->name);
    base_buffer_text(&maker->text, whole && hidden ? ") AS _rhei_row" : " AS _rhei_row");
    if (whole)
        text_pad(maker, " NATURAL LEFT JOIN ", " AS _rhei_row");
    base_buffer_text(&maker->text, " WHERE ");
}

void capture_make_not_itself(struct capture_maker *maker)
{
    base_buffer_text(&maker->text, " AND NOT (");
    for (uint32_t i = 0; i < maker->source->key_count; i++) {
        base_buffer_text(&maker->text, i == 0 ? "+" : " AND +");
        capture_make_column(maker, LOOKED, maker->source->key_columns[i]);
        base_buffer_text(&maker->text, maker->source->key_is_integer ? " IS " : " COLLATE BINARY IS ");
        capture_make_column(maker, "OLD.", maker->source->key_columns[i]);
    }
    base_buffer_char(&maker->text, ')');
}

/* Of what the look before a change writes. Not by IN, for whose list SQLite would make a table each time. */
#define DOUBTS(op)  "(" op " = 'C' OR " op " = 'E')"
#define DOUBTED(op) "(" op " = 'C' OR " op " = 'E' OR " op " = 'P' OR " op " = 'X')"

void capture_make_confirm_when(struct capture_maker *maker)
{
    static const char body[] = " BEGIN";
    maker->text.len -= sizeof body - 1;
    base_buffer_format(&maker->text,
                       " WHEN (SELECT " DOUBTED("op") " AND tab = %u FROM " OLTP_LOG " ORDER BY seq DESC LIMIT 1)%s",
                       maker->id, body);
}

/* The order in which two keys of the table are one. */
static const char *text_key_collation(const struct capture_maker *maker, uint32_t column)
{
    for (uint32_t i = 0; i < maker->table->index_count && maker->source->without_rowid; i++) {
        const struct capture_index *index = &maker->table->indexes[i];
        for (uint32_t k = 0; index->is_primary && k < index->column_count && k < 64; k++)
            if (index->columns[k] == (int32_t)column)
                return index->collations[k];
    }
    return "BINARY";
}

/* The look's key is that of the row, which the table can have only once. */
static void text_has_key(struct capture_maker *maker, const char *row)
{
    for (uint32_t i = 0; i < maker->source->key_count; i++) {
        uint32_t column = maker->source->key_columns[i];
        base_buffer_text(&maker->text, i == 0 ? "" : " AND ");
        capture_make_column(maker, row, column);
        if (!maker->source->key_is_integer) {
            base_buffer_text(&maker->text, " COLLATE ");
            base_buffer_identifier(&maker->text, text_key_collation(maker, column));
        }
        base_buffer_format(&maker->text, " = _rhei_log.c%u", i + 1);
    }
}

/* AND the look's value of a key column is NEW's, by its bits; of REAL zeros nobody can tell. */
static void text_same(struct capture_maker *maker, uint32_t column, uint32_t value)
{
    bool integer = maker->source->key_is_integer && maker->source->key_columns[0] == column;
    base_buffer_text(&maker->text, value == 1 ? "" : " AND ");
    base_buffer_format(&maker->text, "_rhei_log.c%u%s IS ", value, integer ? "" : " COLLATE BINARY");
    capture_make_column(maker, "NEW.", column);
    if (integer)
        return;
    base_buffer_format(&maker->text, " AND typeof(_rhei_log.c%u) = typeof(", value);
    capture_make_column(maker, "NEW.", column);
    base_buffer_char(&maker->text, ')');
    if (maker->source->columns[column].affinity == AFFINITY_BLOB) {
        base_buffer_text(&maker->text, " AND NOT (");
        text_real_zero(maker, "NEW.", column);
    }
}

void capture_make_confirm(struct capture_maker *maker, bool update)
{
    struct base_buffer *out = &maker->text;
    const struct source_table *source = maker->source;
    uint32_t keys = capture_key_width(maker->table), at = 0;
    bool whole = text_looks_whole(maker);
    capture_make_log_head(maker, keys + (whole ? source->column_count : 0));
    base_buffer_text(out, "SELECT DISTINCT " CAPTURE_NOW ",CASE WHEN ");
    for (uint32_t i = 0; i < source->key_count; i++)
        text_same(maker, source->key_columns[i], ++at);
    for (uint32_t i = 0; i < source->column_count; i++)
        if (source->columns[i].in_primary_key)
            text_same(maker, i, ++at);
    base_buffer_format(out, " THEN '%c' ELSE '%c' END,%u", CAPTURE_LOG_REPLACED, CAPTURE_LOG_DELETE, maker->id);
    for (uint32_t i = 1; i <= keys; i++)
        base_buffer_format(out, ",_rhei_log.c%u", i);
    for (uint32_t i = 1; whole && i <= source->column_count; i++)
        base_buffer_format(out, ",_rhei_log.c%u", 3 * keys + i);
    base_buffer_format(out,
                       " FROM " OLTP_LOG
                       " AS _rhei_log WHERE _rhei_log.seq > ifnull((SELECT _rhei_end.seq FROM " OLTP_LOG
                       " AS _rhei_end WHERE NOT (_rhei_end.tab IS %u AND " DOUBTED(
                           "_rhei_end.op") ") ORDER BY _rhei_end.seq DESC LIMIT 1),0) AND _rhei_log.tab = %u "
                                           "AND " DOUBTS("_rhei_log.op") " AND (",
                       maker->id, maker->id);
    text_has_key(maker, "NEW.");
    base_buffer_text(out, " OR NOT EXISTS (SELECT 1 FROM ");
    base_buffer_identifier(out, source->name);
    base_buffer_text(out, " AS _rhei_had WHERE ");
    text_has_key(maker, "_rhei_had.");
    base_buffer_text(out, "))");
    if (update) { /* what became of the row itself is told behind this */
        base_buffer_text(out, " AND NOT (");
        text_has_key(maker, "OLD.");
        base_buffer_char(out, ')');
    }
    base_buffer_char(out, ';');
}
