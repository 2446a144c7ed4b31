/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei_native.h
 * Escapes to the engine below, for what Rhei doesn't offer. With great care: what is done here happens behind Rhei's back.
 */
#ifndef RHEI_NATIVE_H
#define RHEI_NATIVE_H

#include "rhei/rhei.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The writer's `sqlite3 *`, locked for this thread until rhei_sqlite_unlock(); every other write waits. Don't close it, don't
 * leave a transaction open. The library's symbols of SQLite are hidden: use functions of the same build only.
 */
RHEI_API void *rhei_sqlite_lock(rhei_db *db);
/** Lets other writes go on; by the thread that locked. */
RHEI_API void rhei_sqlite_unlock(rhei_db *db);

#ifdef __cplusplus
}
#endif
#endif
