/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_csv.h
 * Reads CSV after RFC 4180, with any delimiter and quote: quoted fields may hold delimiters, doubled quotes and line ends; lines end in \n or \r\n; a
 * UTF-8 byte order mark is skipped. Anything else that doubles as CSV (quotes inside bare fields, text behind a closing
 * quote, a quote that never closes) is reported with line and column instead of being guessed.
 */
#ifndef RH_CSV_H
#define RH_CSV_H

#include "rh_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { RH_CSV_NO_QUOTE = 256 /* no byte */ };

struct rh_csv_field {
    const char *text; /**< without its quotes; borrowed until the next record */
    size_t length;
    size_t offset;        /**< where it starts in the record's own bytes */
    bool quoted, doubled; /* doubled: its quoted text has "" in it */
};

struct rh_csv_record {
    struct rh_csv_field *fields;
    size_t count;
    const char *raw; /**< the record as it stands in the file, without its line end */
    size_t raw_length;
    uint64_t line; /**< of its first byte, from 1 */
};

/** Gives up to `size` bytes; 0 at the end, negative on error (errno says which). */
typedef ssize_t (*rh_csv_source)(void *context, char *bytes, size_t size);

enum rh_csv_result {
    RH_CSV_RECORD,
    RH_CSV_END,
    RH_CSV_BAD, /**< `why`, `bad_line`, `bad_column` say what and where; the next call goes on with the line after */
    RH_CSV_IO_ERROR, /**< the source failed */
};

struct rh_csv {
    rh_csv_source source;
    void *context;
    char delimiter;
    int quote;             /**< '"' unless it is set before the first call; RH_CSV_NO_QUOTE: fields are as they stand */
    struct rh_buffer data; /* unread bytes from `start` on */
    size_t start, read_size;
    bool at_end, begun, had_newline;
    size_t lone_return;        /* of the record: 1 and the place of the first return that ends no line; 0: none */
    uint64_t skip;             /* lines at the beginning that are not read: set it before the first call */
    uint64_t line;             /* of data.bytes[start] */
    uint64_t consumed;         /* bytes of the source before `start` */
    struct rh_buffer unquoted; /* text of fields that had doubled quotes */
    struct rh_csv_record record;
    size_t field_capacity;
    char why[160];
    uint64_t bad_line, bad_column;
};

/** `read_size` is how much is asked of the source at a time; 0: 1 MiB. */
void rh_csv_init(struct rh_csv *csv, rh_csv_source source, void *context, char delimiter, size_t read_size);
/** Reads the next record into csv->record. Lines with nothing in them give a record of one bare empty field. */
enum rh_csv_result rh_csv_next(struct rh_csv *csv);
/** Line and column (in characters, from 1) of a byte of the current record. */
void rh_csv_place(const struct rh_csv *csv, size_t offset, uint64_t *line, uint64_t *column);
void rh_csv_free(struct rh_csv *csv);

#endif
