/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_import.h
 * The parts of rh import: file, columns, rows, rejects.
 *
 * CSV and JSON are read record by record (rh_import_stream.c makes them an Arrow stream), Arrow and Parquet are streams already (rh_import_arrow.c).
 */
#ifndef RH_IMPORT_H
#define RH_IMPORT_H

#include "rh_csv.h"
#include "rh_input.h"
#include "rh_json.h"
#include "rh_progress.h"
#include "rh_sniff.h"
#include "rh_tool.h"
#include "rhei/rhei_doors.h"

enum rh_affinity { RH_AFFINITY_TEXT, RH_AFFINITY_INTEGER, RH_AFFINITY_REAL, RH_AFFINITY_NUMERIC, RH_AFFINITY_NONE };
/** What SQLite makes of a declared type, https://www.sqlite.org/datatype3.html#determination_of_column_affinity */
enum rh_affinity rh_affinity_of(const char *type);
/** Declared for BLOBs, not just without a type. */
bool rh_is_blob_type(const char *type);

/** What has been seen of a column so far; gives the narrowest type that keeps every value as it is written. */
struct rh_inference {
    bool any, other;      /* a value; one that is no number */
    bool blob, no_blob;   /* a bare x'..'; a value that is none */
    bool comma, no_comma; /* a number with a decimal comma; a value that is none, and no other number either */
    bool fraction, wide;  /* a REAL; an INTEGER that a REAL can't hold */
};
void rh_infer(struct rh_inference *inference, const struct rh_csv_field *field);
/** A field as SQL writes its number, where the file has a decimal comma: in `copy`, or the field itself. */
struct rh_csv_field rh_field_with_point(const struct rh_csv_field *field, char decimal, char copy[64]);
/** "INTEGER", "REAL", "TEXT" or "BLOB". */
const char *rh_inferred_type(const struct rh_inference *inference);

/**
 * The value of a field for a column. False: it isn't one (text where numbers are declared, broken UTF-8), `why` says so.
 * Text is borrowed from the field.
 */
bool rh_field_value(const struct rh_csv_field *field, enum rh_affinity affinity, const char *null_text, bool any_type,
                    struct rhei_value *value, struct rh_buffer *why);

struct rh_import_column {
    char *name;
    char *source; /* JSON, Arrow: what the file calls it; NULL: the same */
    enum rh_affinity affinity;
    char *type;       /* as declared, or inferred */
    bool is_key;      /* part of the primary key of the table that is there */
    bool is_blob;     /* declared so: x'..' as rh query writes it is one */
    bool has_commas;  /* TEXT, since all its numbers have a decimal comma */
    unsigned classes; /* JSON: of its values, 1 << enum rhei_class */
};

struct rh_import {
    struct rh_tool *tool;
    const struct rh_import_args *args;
    const char *name; /* of the file, as the user knows it */
    struct rh_input input;
    enum rh_format format; /* CSV or TSV, JSON or NDJSON, ARROW, PARQUET */
    struct rh_dialect dialect;
    struct rh_csv csv;
    struct rh_json json;
    struct ArrowArrayStream batches;  /* of ARROW and PARQUET; taken when its rows are */
    struct rh_import_column *columns; /* in the file's order */
    size_t column_count;
    char **key; /* of the table that --create makes: columns of its primary key */
    size_t key_count;
    struct rh_progress progress;
    FILE *rejects;
    uint64_t reject_count, changes, skipped;
    bool undoubted; /* what went wrong has nothing to do with how the file was read */
};

/** A place in the file and what is wrong there. */
struct rh_complaint {
    uint64_t line, column; /* column 0: the whole line; of Arrow and Parquet the row's number */
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

/** Records of CSV, or objects of JSON: what is read row by row. */
bool rh_import_is_csv(const struct rh_import *import);
bool rh_import_is_json(const struct rh_import *import);
/** Adds what was decided of the file, and not said: "csv, UTF-8, ..." */
void rh_import_describe(const struct rh_import *import, struct rh_buffer *text);
/** Tells what is wrong with the file as a whole. Always false. */
bool rh_import_refuse(struct rh_import *import, const char *why);

/** Names and types of the table that --create made, as text; what its types may be meant to be, behind it. */
void rh_import_add_types(struct rh_import *import, struct rh_buffer *text);
/** Finds the columns: of the table that is there, or of the one that --create makes. */
bool rh_import_find_columns(struct rh_import *import);
/** A column under the name that --rename gives it; `number` from 1. False: told. */
bool rh_import_add_column(struct rh_import *import, const char *name, size_t length, size_t number, bool *used);
/** Whether every --rename has found its column (`used`, one for each). False: told. */
bool rh_import_check_renames(struct rh_import *import, const bool *used);
/** NULL: there is none of this name. */
struct rh_import_column *rh_import_column_of(const struct rh_import *import, const char *name, size_t length);
/** Tells why no record came. Always false. */
bool rh_import_no_record(struct rh_import *import, enum rh_csv_result result);
/** Begins to read the file anew; CSV behind its header. */
bool rh_import_rewind(struct rh_import *import, bool skip_header);
/** Names and classes of the members of a whole file of JSON. */
bool rh_import_json_columns(struct rh_import *import);
/** The value of a member for a column. False: it isn't one, `why` says so. Text and BLOB are borrowed. */
bool rh_json_value(const struct rh_json_member *member, const struct rh_import_column *column, bool created,
                   struct rhei_value *value, struct rh_buffer *why);
/** Opens the file as batches, and finds the names of their columns. */
bool rh_import_arrow_columns(struct rh_import *import);
bool rh_import_arrow_rows(struct rh_import *import);

/** Every row of the file into the table, from where the reading stands, and committed. False: told. */
bool rh_import_rows(struct rh_import *import);
/** Takes the stream in, as the command line says. */
rhei_status rh_import_ingest(struct rh_import *import, struct ArrowArrayStream *rows,
                             bool (*reject)(void *context, const struct rhei_ingest_reject *row), void *context,
                             struct rhei_error *error);
/** The end of an ingest: true, or false and told. `told`: that was done already. */
bool rh_import_ended(struct rh_import *import, rhei_status status, bool told, struct rhei_error *error);
/** The reject file is whole on its disk. False: told. */
bool rh_import_close_rejects(struct rh_import *import);

#endif
