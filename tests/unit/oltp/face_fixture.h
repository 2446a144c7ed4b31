/* SPDX-License-Identifier: Apache-2.0 */
/* A row store that shows two tables of a mirror, of schema "far", for the tests of those tables. */
#ifndef TESTS_FACE_FIXTURE_H
#define TESTS_FACE_FIXTURE_H

#include "oltp_test.h"

#include "mirror/mirror_table_reader.h"

enum { FACE_FAR = 5, FACE_ROWS = 3000 };
/* items(id INTEGER PRIMARY KEY, grp, price, name, nick NOCASE, "any thing") of FACE_ROWS rows; words(word PRIMARY KEY, n) of four. */
static const uint32_t face_items = (uint32_t)FACE_FAR << TABLE_SOURCE_SHIFT | 1,
                      face_words = (uint32_t)FACE_FAR << TABLE_SOURCE_SHIFT | 2;
extern const struct source_column face_word_columns[2];
extern const uint32_t face_first_column[1];

struct face {
    struct oltp_test test;
    struct mirror *mirror;
    struct table_reader *reader;
    int64_t asked_age; /* of the last wait */
    rhei_status fresh; /* what it comes to */
};
int face_setup(void **state);
int face_teardown(void **state);
void face_open(struct face *face); /* over a row store that is open */

struct rhei_value face_integer(int64_t value);
struct rhei_value face_text(const char *value);
void face_apply(struct face *face, uint32_t table, uint32_t columns, const struct rhei_value *const *values,
                size_t rows, const uint8_t *op);
void face_attach(struct face *face, const struct source_table *table);
void face_publish(struct face *face);
/* Changes 500 items, which then lie behind the others: the key's order isn't that of the store any more. */
void face_scatter(struct face *face, uint64_t *seed);

/* `rows` without the newline behind the last. */
void face_expect(struct oltp_test *test, const char *sql, const char *rows);
/* Two statements with the same answer. */
void face_same(struct oltp_test *test, const char *with_local, const char *with_shown);
/* Table `local`: a copy of items that is SQLite's own. */
void face_copy(struct oltp_test *test, const char *where);
uint64_t face_chance(uint64_t *state, uint64_t below);

#endif
