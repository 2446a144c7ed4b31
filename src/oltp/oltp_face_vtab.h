/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual table module: between its plans (oltp_face_plan.c) and its rows (oltp_face_module.c). */
#ifndef OLTP_OLTP_FACE_VTAB_H
#define OLTP_OLTP_FACE_VTAB_H

#include "oltp/oltp_face.h"

struct face_vtab {
    sqlite3_vtab base;
    struct face_context *context;
    struct oltp_face_set *set; /* counted */
    const struct face_table *table;
};

/* Constraints that a plan has at most, LIMIT and OFFSET beside them. */
enum { FACE_CONSTRAINTS = 14 };

/* What xBestIndex tells xFilter by its number: rows come in the key's order, from its end; the OFFSET is left out by the reader. */
enum { FACE_ORDERED = 1, FACE_BACKWARDS = 2, FACE_SKIPS = 4 };

/* And by its text: a step for each value, an enum table_comparison of a column or one of these. */
enum { FACE_LIMIT = 100, FACE_OFFSET };
struct face_step {
    uint32_t column;
    uint8_t op;
    bool binary; /* texts are compared byte by byte */
};
const char *face_plan_steps(const char *plan);
/* The step there; where the next one is. */
const char *face_plan_step(const char *steps, struct face_step *step);

int face_best_index(sqlite3_vtab *base, sqlite3_index_info *info);

/* Is it the integer key, compared as numbers are whatever it is compared with? Then what the reader finds is exactly what matches. */
bool face_key_is_exact(const struct face_table *table, uint32_t column);

static inline const struct table_reader_ops *face_ops_of(const struct face_context *context)
{
    return context->connection->oltp->face->reader->ops;
}

#endif
