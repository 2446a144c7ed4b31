/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_writer.h
 * A result's rows on their way to a stream, in one of the formats.
 *
 * Every format streams, except that a table looks at its first rows to find the widths of its columns.
 */
#ifndef RH_WRITER_H
#define RH_WRITER_H

#include "rh_args.h"
#include "rh_terminal.h"

struct rh_writer;

/** How rows are to look. Zero is the default of every field. */
struct rh_output {
    struct rh_terminal terminal;
    const char *null_text; /**< NULL: "NULL" where people read, nothing in csv and tsv */
    bool no_header;
    size_t
        width; /**< columns that a table's line may have; 0: the terminal's, or any number elsewhere; SIZE_MAX: any number */
    const char *whole; /**< what a table says to whoever wants all columns; NULL: the command line's */
};

/** What a format does. `begin` comes once, before rows; `end` once, also when there were no rows. */
struct rh_writer_class {
    void (*begin)(struct rh_writer *writer);
    void (*row)(struct rh_writer *writer, const struct rhei_value *values);
    void (*end)(struct rh_writer *writer);
};

struct rh_writer {
    const struct rh_writer_class *class;
    FILE *file;
    struct rh_terminal terminal;
    const char *null_text;
    bool no_header;
    size_t width;   /* 0: no limit */
    char delimiter; /* of csv and tsv */
    size_t column_count;
    char **names;          /* owned; JSON's are made different from one another */
    uint64_t rows;         /* written so far */
    struct rh_buffer line; /* the row that is being written */
    bool box;              /* the table has a frame */
    const char *whole;
    size_t name_width; /* vertical: columns of the widest name */
    struct rh_table *table;
};

extern const struct rh_writer_class rh_table_class, rh_csv_class, rh_json_class, rh_ndjson_class, rh_markdown_class,
    rh_vertical_class;

/** `format` isn't DEFAULT, ARROW or PARQUET. `names` are copied; output's null_text must live as long as the writer. */
struct rh_writer *rh_writer_open(enum rh_format format, FILE *file, const struct rh_output *output,
                                 const char *const *names, size_t column_count);
void rh_writer_row(struct rh_writer *writer, const struct rhei_value *values);
/** Writes what is still held back, and frees. The stream stays open. */
void rh_writer_close(struct rh_writer **writer);

/**
 * Adds a value as people read it: BLOBs as x'0a', control characters made visible, NULL as `null_text`. Text that would be taken
 * for NULL stands in single quotes, and text that is that one in two pairs, and so on.
 */
void rh_add_value_text(struct rh_buffer *out, const struct rhei_value *value, const char *null_text);
/** A text as a value; one without a character is NULL. */
struct rhei_value rh_text_or_null(const char *text);
/** Whether text must stand in (one more pair of) single quotes to be told from NULL. */
bool rh_looks_like_null(const struct rhei_value *value, const char *null_text);
/** Adds a JSON string, quotes included. Bytes that aren't UTF-8 become U+FFFD. */
void rh_add_json_text(struct rh_buffer *out, const char *text, size_t length);
/** Adds "NAME":VALUE, */
void rh_add_json_member(struct rh_buffer *out, const char *name, int64_t value);
/** Adds "NAME":"TEXT", */
void rh_add_json_text_member(struct rh_buffer *out, const char *name, const char *text);
/** Adds a value as JSON: NULL is null, a BLOB {"base64":".."}, an infinite REAL 9e999. */
void rh_add_json_value(struct rh_buffer *out, const struct rhei_value *value);

#endif
