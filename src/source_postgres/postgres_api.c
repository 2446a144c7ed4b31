/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_api.h"

#include "base/base_library.h"

static const char *const names[] = {"libpq.so.5", NULL};

static const struct base_symbol symbols[] = {
#define PQ_CALL(name) {"PQ" #name, offsetof(struct postgres_api, name)},
#include "source_postgres/postgres_api.def"
#undef PQ_CALL
};

rhei_status postgres_api_load(const struct postgres_api **api, struct rhei_error *error)
{
    static struct postgres_api table;
    static struct base_library library = {
        .names = names,
        .variable = "RHEI_LIBPQ",
        .absent =
            "libpq isn't here, which a PostgreSQL source needs: install it (Debian: libpq5), or set RHEI_LIBPQ to "
            "the path of libpq.so.5",
        .file = "libpq",
        .older = "it is too old for Rhei",
        .symbols = symbols,
        .symbol_count = sizeof symbols / sizeof *symbols,
        .table = &table,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
    };
    *api = &table;
    return base_library_load(&library, error);
}
