/* SPDX-License-Identifier: Apache-2.0 */
/* A batch as a column of another one. Any thread. */
#ifndef ARROW_NEST_H
#define ARROW_NEST_H

#include "rhei/rhei_types.h"

/*
 * Puts a batch of as many rows behind the columns of *schema and *array, as a struct called `name`. valid[row] 0: NULL for the whole row. Takes
 * the inner ones, also when it fails; then the outer ones may be released too.
 */
rhei_status arrow_nest(struct ArrowSchema *schema, struct ArrowArray *array, const char *name,
                       struct ArrowSchema *inner_schema, struct ArrowArray *inner_array, const uint8_t *valid,
                       struct rhei_error *error);
/* Releases what isn't yet. */
void arrow_nest_release(struct ArrowSchema *schema, struct ArrowArray *array);

#endif
