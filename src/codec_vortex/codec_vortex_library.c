/* SPDX-License-Identifier: Apache-2.0 */
/* librhei_datafusion.so, in which Vortex is too, found at run time by whoever first asks for the codec; and its failures in Rhei's codes. */
#include "base/base_error.h"
#include "base/base_library.h"
#include "codec_vortex/codec_vortex_internal.h"

struct vortex_symbols {
    const struct rhei_vortex_library *(*library)(uint32_t abi);
};

static struct vortex_symbols symbols;
static const struct base_symbol wanted[] = {{"rhei_vortex_library", offsetof(struct vortex_symbols, library)}};
static const char *const names[] = {RHEI_DATAFUSION_INSTALLED_PATH, RHEI_DATAFUSION_PATH, "librhei_datafusion.so",
                                    NULL};

static struct base_library library = {
    .names = names,
    .variable = "RHEI_DATAFUSION",
    .absent =
        "Vortex files need Rhei's DataFusion library, librhei_datafusion.so, which isn't there: build it with `./dev "
        "setup --with datafusion`, or name it with RHEI_DATAFUSION",
    .file = "librhei_datafusion.so",
    .older = "it is of a version of Rhei that had no Vortex files: build it again with `./dev setup --with datafusion`",
    .symbols = wanted,
    .symbol_count = 1,
    .table = &symbols,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
};

const struct rhei_vortex_library *vortex_library(void)
{
    return symbols.library(RHEI_VORTEX_ABI);
}

rhei_status vortex_library_load(struct rhei_error *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    if (base_library_load(&library, &failure) != RHEI_OK)
        return error_set(error, RHEI_OLAP_UNAVAILABLE, "%s", failure.message);
    if (vortex_library() == NULL)
        return error_set(
            error, RHEI_OLAP_UNAVAILABLE,
            "librhei_datafusion.so is of another version of Rhei (its boundary for Vortex isn't number %d): "
            "build it again with `./dev setup --with datafusion`",
            RHEI_VORTEX_ABI);
    return RHEI_OK;
}

rhei_status vortex_error(int32_t status, const struct rhei_vortex_error *failure, struct rhei_error *error)
{
    static const rhei_status codes[] = {
        [RHEI_VORTEX_OK] = RHEI_OK,
        [RHEI_VORTEX_DAMAGED] = RHEI_IO,
        [RHEI_VORTEX_FAILED] = RHEI_TOO_BIG,
        [RHEI_VORTEX_PANIC] = RHEI_INTERNAL,
    };
    bool known = status > 0 && (size_t)status < sizeof codes / sizeof *codes;
    return error_set(error, known ? codes[status] : RHEI_INTERNAL, "Vortex: %s", failure->message);
}
