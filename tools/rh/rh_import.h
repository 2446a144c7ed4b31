/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_import.h
 * The parts of rh import: file, columns, rows, rejects.
 */
#ifndef RH_IMPORT_H
#define RH_IMPORT_H

#include "rh_csv.h"
#include "rh_progress.h"
#include "rh_tool.h"

enum rh_affinity { RH_AFFINITY_TEXT, RH_AFFINITY_INTEGER, RH_AFFINITY_REAL, RH_AFFINITY_NUMERIC, RH_AFFINITY_NONE };
/** What SQLite makes of a declared type, https://www.sqlite.org/datatype3.html#determination_of_column_affinity */
enum rh_affinity rh_affinity_of(const char *type);
/** Declared for BLOBs, not just without a type. */
bool rh_is_blob_type(const char *type);

/** What has been seen of a column so far; gives the narrowest type that keeps every value as it is written. */
struct rh_inference {
    bool any, other;     /* a value; one that is no number */
    bool fraction, wide; /* a REAL; an INTEGER that a REAL can't hold */
};
void rh_infer(struct rh_inference *inference, const struct rh_csv_field *field);
/** "INTEGER", "REAL" or "TEXT". */
const char *rh_inferred_type(const struct rh_inference *inference);

/**
 * The value of a field for a column. False: it isn't one (text where numbers are declared, broken UTF-8), `why` says so.
 * Text is borrowed from the field.
 */
bool rh_field_value(const struct rh_csv_field *field, enum rh_affinity affinity, const char *null_text, bool any_type,
                    struct rhei_value *value, struct rh_buffer *why);

struct rh_import_column {
    char *name;
    enum rh_affinity affinity;
    char *type;   /* as declared, or inferred */
    bool is_key;  /* part of the primary key of the table that is there */
    bool is_blob; /* declared so: x'..' as rh query writes it is one */
};

struct rh_import {
    struct rh_tool *tool;
    const struct rh_import_args *args;
    const char *name; /* of the file, as the user knows it */
    FILE *file;
    uint64_t size;
    struct rh_csv csv;
    struct rh_import_column *columns; /* in the file's order */
    size_t column_count;
    char **key; /* of the table that --create makes: columns of its primary key */
    size_t key_count;
    struct rh_progress progress;
    FILE *rejects;
    uint64_t reject_count, changes, skipped;
};

/** A place in the file and what is wrong there. */
struct rh_complaint {
    uint64_t line, column; /* column 0: the whole line */
    const char *why;
    const char *raw;
    size_t raw_length;
};
/** Writes the line to the reject file, or tells the error. True: go on with the next line. */
bool rh_import_complain(struct rh_import *import, const struct rh_complaint *complaint);
/** Tells an error of the database. Always false. */
bool rh_import_database_error(struct rh_import *import, const struct rhei_error *error);

/** Tells that Ctrl-C ended it, and what is kept. Always false. */
bool rh_import_cancelled(struct rh_import *import);

/** Tells, behind an error, how many rows --batch has committed. */
void rh_import_tell_kept(const struct rh_import *import);

/** Tells that the file can't be read. Always false. */
bool rh_import_cannot_read(struct rh_import *import, int reason);

/** Finds the columns: of the table that is there, or of the one that --create makes. */
bool rh_import_find_columns(struct rh_import *import);
/** Begins to read the file anew, behind its header. */
bool rh_import_rewind(struct rh_import *import, bool skip_header);

/** Every row of the file into the table, from where the reading stands, and committed. False: told. */
bool rh_import_rows(struct rh_import *import);
/** The reject file is whole on its disk. False: told. */
bool rh_import_close_rejects(struct rh_import *import);

#endif
