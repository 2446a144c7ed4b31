/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of TOML 1.0, https://toml.io/en/v1.0.0. Gives the document as a tree in which every node knows its
 * line. Differences: dates and floats are recognised by their form and kept as text, since no setting takes one; keys
 * can't hold a NUL. For the files of this room only. Owner thread.
 */
#ifndef CONFIG_TOML_H
#define CONFIG_TOML_H

#include "rhei/rhei_types.h"

/* BIG: an integer beyond 64 bits, which no setting takes; whoever knows the key says what it takes instead. */
enum toml_kind { TOML_TABLE, TOML_ARRAY, TOML_STRING, TOML_INTEGER, TOML_FLOAT, TOML_BOOLEAN, TOML_DATE, TOML_BIG };

struct toml_node {
    uint8_t kind; /* enum toml_kind */
    bool defined; /* a table with a header of its own */
    bool dotted;  /* a table that a dotted key made */
    bool closed;  /* an inline table or a written array: nothing can be added */
    int line;
    char *key;  /* in its table; NULL in an array and at the root */
    char *text; /* of a value, as it is written; STRING: what it means. NUL-terminated */
    size_t len; /* of text, which may hold NULs */
    int64_t integer;
    bool boolean;
    struct toml_node **items; /* members of a table, elements of an array, in the order of the text */
    size_t count;
    size_t capacity;
};

/* Errors are RHEI_CONFIG and begin with `name` and the line. */
rhei_status toml_parse(const char *text, size_t len, const char *name, struct toml_node **root,
                       struct rhei_error *error);
void toml_free(struct toml_node **node);
struct toml_node *toml_find(const struct toml_node *table, const char *key);
/* "a text", "an integer": for messages. */
const char *toml_kind_name(const struct toml_node *node);

#endif
