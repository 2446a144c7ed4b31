/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_json.h
 * Reads rows that are JSON objects: one behind another, usually one a line, or in one array. Values stay as they are written, numbers too; objects and
 * arrays within a row are checked, and otherwise left alone. What isn't JSON (https://www.rfc-editor.org/rfc/rfc8259) is reported with line and column.
 */
#ifndef RH_JSON_H
#define RH_JSON_H

#include "rh_csv.h"

enum rh_json_kind {
    RH_JSON_NULL,
    RH_JSON_FALSE,
    RH_JSON_TRUE,
    RH_JSON_NUMBER, /**< its text */
    RH_JSON_TEXT,   /**< what the string says, in UTF-8 */
    RH_JSON_BLOB,   /**< the bytes of {"base64":"..."} */
    RH_JSON_NESTED, /**< the text of an object or array */
};

struct rh_json_member {
    const char *name, *text; /**< borrowed until the next record */
    size_t name_length, length;
    size_t offset; /**< where the value starts in the record's own bytes */
    enum rh_json_kind kind;
    bool name_escaped, escaped; /* before they are made what they say */
};

struct rh_json {
    rh_csv_source source;
    void *context;
    size_t read_size;
    struct rh_buffer data; /* unread bytes from `start` on */
    size_t start;
    bool at_end, begun, in_array, over;
    bool lost;                      /**< what is bad is in an array: nothing behind it can be read */
    uint64_t line, column;          /* of data.bytes[start]; characters of that line before it */
    struct rh_json_member *members; /**< of the record */
    size_t count, capacity;
    const char *raw; /**< the record as it stands in the file */
    size_t raw_length;
    uint64_t record_line, record_column;
    struct rh_buffer said; /* names and texts that had escapes, and BLOBs */
    size_t bad_at;         /* from `start` */
    char why[160];
    uint64_t bad_line, bad_column;
};

void rh_json_init(struct rh_json *json, rh_csv_source source, void *context, size_t read_size);
/** The next object's members, in json->members. Results are those of rh_csv_next(). */
enum rh_csv_result rh_json_next(struct rh_json *json);
/** Line and column of a byte of the current record. */
void rh_json_place(const struct rh_json *json, size_t offset, uint64_t *line, uint64_t *column);
void rh_json_free(struct rh_json *json);

#endif
