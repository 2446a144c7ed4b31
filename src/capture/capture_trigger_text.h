/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of a trigger's text: columns, and the rows that triggers put into the log (capture_triggers.c has the rules). Owner thread. */
#ifndef CAPTURE_CAPTURE_TRIGGER_TEXT_H
#define CAPTURE_CAPTURE_TRIGGER_TEXT_H

#include "capture/capture_internal.h"

struct capture_maker {
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

/* row."column", row being NEW., OLD., another one's or "". */
void capture_make_column(struct capture_maker *maker, const char *row, uint32_t column);
/* INSERT INTO the log: `count` value columns from the first. */
void capture_make_log_head(struct capture_maker *maker, uint32_t count);
/* "time,op,tab": begins the row's values. */
void capture_make_log_row(struct capture_maker *maker, const char *word, enum capture_log_op op);
/* The row's key. `settled`: the row has it. Else it is one that a change would give it, and the declared one isn't said (T10). */
void capture_make_key(struct capture_maker *maker, const char *row, bool settled);
/* A row of the log with nothing but a key, and of a DELETE the row as it was where that is kept (T11). */
void capture_make_key_row(struct capture_maker *maker, enum capture_log_op op, const char *row);
/* A look at a key that a row may get. */
void capture_make_new_key_look(struct capture_maker *maker);
/* The row as it is, of an INSERT or UPDATE. */
void capture_make_row(struct capture_maker *maker, enum capture_log_op op);
/* The key that an update took away. */
void capture_make_key_changed(struct capture_maker *maker);
/*
 * The begin of a look at rows of the table that a change may displace, up to their WHERE. `three`: with the keys of an update's new and old row; where rows are
 * kept, with the row.
 */
void capture_make_look(struct capture_maker *maker, enum capture_log_op op, bool three);
/* Its end, of an update: not the row that is updated itself. */
void capture_make_not_itself(struct capture_maker *maker);
/* T9: those rows of the looks at the log's end that the change behind which the trigger fires displaced. */
void capture_make_confirm(struct capture_maker *maker, bool update);
/* And the trigger that was begun fires only where the newest row of the log is a look's. */
void capture_make_confirm_when(struct capture_maker *maker);

#endif
