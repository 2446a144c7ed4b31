/* SPDX-License-Identifier: Apache-2.0 */
#include "buffer_rocksdb/rocksdb_api.h"

#include "base/base_library.h"

static const char *const names[] = {"librocksdb.so.7.8", "librocksdb.so.7", "librocksdb.so", NULL};

static const struct base_symbol symbols[] = {
#define ROCKS(name) {"rocksdb_" #name, offsetof(struct rocks_api, name)},
#include "buffer_rocksdb/rocksdb_api.def"
#undef ROCKS
};

rhei_status rocks_api_load(const struct rocks_api **api, struct rhei_error *error)
{
    static struct rocks_api table;
    static struct base_library library = {
        .names = names,
        .variable = "RHEI_ROCKSDB",
        .absent = "RocksDB isn't here, which rocksdb_cdc_path and watermark_path need: install it (Debian: "
                  "librocksdb7.8), or set "
                  "RHEI_ROCKSDB to the path of librocksdb.so, or leave the setting out",
        .file = "librocksdb.so",
        .older = "Rhei was made for RocksDB 7.8",
        .symbols = symbols,
        .symbol_count = sizeof symbols / sizeof *symbols,
        .table = &table,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
    };
    *api = &table;
    return base_library_load(&library, error);
}
