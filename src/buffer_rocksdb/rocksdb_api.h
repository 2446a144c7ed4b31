/* SPDX-License-Identifier: Apache-2.0 */
/* librocksdb as a table of functions, found at run time by whoever first opens a buffer. Read-only once loaded: any thread. */
#ifndef BUFFER_ROCKSDB_ROCKSDB_API_H
#define BUFFER_ROCKSDB_ROCKSDB_API_H

#include <rocksdb/c.h>

#include "rhei/rhei_types.h"

struct rocks_api {
#define ROCKS(name) __typeof__(rocksdb_##name) *name;
#include "buffer_rocksdb/rocksdb_api.def"
#undef ROCKS
};

/*
 * RHEI_UNSUPPORTED: the library isn't there, can't be loaded, or lacks a function. Looks at RHEI_ROCKSDB, then for
 * librocksdb.so.7.8, then for any librocksdb.so. The library stays loaded for good: its threads outlive its databases.
 */
rhei_status rocks_api_load(const struct rocks_api **api, struct rhei_error *error);

#endif
