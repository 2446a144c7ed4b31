/* SPDX-License-Identifier: Apache-2.0 */
/* What most tests of the room start from: a mirror, one table in it with its model, and a batch to fill. */
#ifndef MIRROR_FIXTURE_H
#define MIRROR_FIXTURE_H

#include "mirror_model.h"

struct fixture {
    struct mirror *mirror;
    size_t empty; /* bytes of a mirror that holds nothing */
    struct model_table model;
    struct model_batch batch;
    struct model_random random; /* the tests' own, like what follows */
    int64_t position;
};

/* Table 1 with so many columns, the first its integer key; not attached yet. */
struct fixture *fixture_new(uint32_t columns, uint32_t batch_rows);
/* The same, attached. */
struct fixture *fixture_new_attached(uint32_t columns, uint32_t batch_rows);
/* The teardown of each test. */
int fixture_end(void **state);

#endif
