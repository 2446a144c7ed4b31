/* SPDX-License-Identifier: Apache-2.0 */
/* librhei_datafusion.so, found at run time by whoever first asks for DataFusion, and its failures in Rhei's codes. */
#include "base/base_error.h"
#include "base/base_library.h"
#include "exec_datafusion/datafusion_internal.h"

struct df_symbols {
    const struct rhei_df_library *(*library)(uint32_t abi);
};

static struct df_symbols symbols;
static const struct base_symbol wanted[] = {{"rhei_datafusion_library", offsetof(struct df_symbols, library)}};
static const char *const names[] = {RHEI_DATAFUSION_INSTALLED_PATH, RHEI_DATAFUSION_PATH, "librhei_datafusion.so",
                                    NULL};

static struct base_library library = {
    .names = names,
    .variable = "RHEI_DATAFUSION",
    .absent = "olap_backend datafusion needs Rhei's DataFusion library, librhei_datafusion.so, which isn't there: "
              "build it with `./dev setup --with datafusion`, name it with RHEI_DATAFUSION, or use olap_backend duckdb",
    .file = "librhei_datafusion.so",
    .older = "it isn't Rhei's",
    .symbols = wanted,
    .symbol_count = 1,
    .table = &symbols,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
};

rhei_status df_library_load(const struct rhei_df_library **out, struct rhei_error *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    *out = NULL;
    if (base_library_load(&library, &failure) != RHEI_OK)
        return error_set(error, RHEI_OLAP_UNAVAILABLE, "%s", failure.message);
    *out = symbols.library(RHEI_DF_ABI);
    if (*out == NULL)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "librhei_datafusion.so is of another version of Rhei (its boundary isn't number %d): build it "
                         "again with `./dev setup --with datafusion`",
                         RHEI_DF_ABI);
    return RHEI_OK;
}

rhei_status df_error(int32_t status, const struct rhei_df_error *failure, struct rhei_error *error)
{
    static const rhei_status codes[] = {
        [RHEI_DF_OK] = RHEI_OK,         [RHEI_DF_SQL] = RHEI_SQL,        [RHEI_DF_UNSUPPORTED] = RHEI_UNSUPPORTED,
        [RHEI_DF_COMPUTE] = RHEI_SQL,   [RHEI_DF_DISK] = RHEI_IO,        [RHEI_DF_STOPPED] = RHEI_CANCELLED,
        [RHEI_DF_HOST] = RHEI_INTERNAL, [RHEI_DF_PANIC] = RHEI_INTERNAL, [RHEI_DF_INTERNAL] = RHEI_INTERNAL,
    };
    if (status == RHEI_DF_MEMORY)
        return error_set(error, RHEI_MEMORY_LIMIT,
                         "DataFusion needs more memory than it may take; raise olap_memory_limit or the statement's "
                         "own limit: %s",
                         failure->message);
    bool known = status > 0 && (size_t)status < sizeof codes / sizeof *codes;
    return error_set(error, known ? codes[status] : RHEI_INTERNAL, "DataFusion: %s", failure->message);
}
