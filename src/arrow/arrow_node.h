/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of any Arrow type as values or as text. For the files of this room only. Owner thread. */
#ifndef ARROW_NODE_H
#define ARROW_NODE_H

#include <nanoarrow/nanoarrow.h>

#include "base/base_buffer.h"
#include "rhei/rhei_types.h"

/* A column's type, taken apart once. Pairs with the ArrowArrayView of the same place in the tree. */
struct arrow_node {
    struct ArrowSchemaView type; /* for a dictionary, the type of its indices */
    bool is_uuid;
    uint32_t child_count;
    struct arrow_node *children;
    struct arrow_node *dictionary; /* NULL: none */
};

/* `schema` must outlive the node. RHEI_UNSUPPORTED: a type that can't be read. */
rhei_status arrow_node_init(struct arrow_node *node, const struct ArrowSchema *schema, struct rhei_error *error);
void arrow_node_reset(struct arrow_node *node);

/* The cell at `row` of the view (its offset not counted in). Text that has to be made goes into `scratch`. */
rhei_status arrow_node_value(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t row,
                             struct base_buffer *scratch, struct rhei_value *out, struct rhei_error *error);

/* Appends the text of a cell of a type that has no storage class: decimals, dates and times, and their kin. */
void arrow_format_scalar(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t row,
                         struct base_buffer *out);
/* Appends any cell as JSON. */
rhei_status arrow_format_json(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t row,
                              struct base_buffer *out, struct rhei_error *error);

#endif
