/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_fixture.h"

struct fixture *fixture_new(uint32_t columns, uint32_t batch_rows)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(mirror_open(NULL, &f->mirror, NULL), RHEI_OK);
    f->empty = mirror_memory_bytes(f->mirror);
    model_init(&f->model, 1, columns, 1, true);
    model_batch_init(&f->batch, 1, columns, batch_rows);
    return f;
}

struct fixture *fixture_new_attached(uint32_t columns, uint32_t batch_rows)
{
    struct fixture *f = fixture_new(columns, batch_rows);
    model_attach(f->mirror, &f->model);
    return f;
}

int fixture_end(void **state)
{
    struct fixture *f = *state;
    mirror_close(&f->mirror);
    model_reset(&f->model);
    model_batch_reset(&f->batch);
    free(f);
    return 0;
}
