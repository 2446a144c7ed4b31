/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei_care.h
 * Looking after a database: mending its column store. The rules of rhei.h hold.
 */
#ifndef RHEI_CARE_H
#define RHEI_CARE_H

#include "rhei/rhei.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What rhei_repair() found and did. */
struct rhei_repair_result {
    size_t struct_size; /**< set it to sizeof before the call; after it, the bytes that were filled */
    uint64_t tables;    /**< that were compared and are equal now */
    uint64_t rows;      /**< of them */
    uint64_t repaired;  /**< tables that differed, or could not be followed, and were built again */
};
/**
 * Compares as rhei_verify_with(), builds each table anew that differs or that its mirror could not follow (RHEI_TABLE_FAILED), waits for
 * that, and compares it again. SQLite answers for a table meanwhile. A table that can't be mended doesn't stop the others; the error
 * of the first is returned after the last: RHEI_STALE (it differs again), RHEI_OLAP_UNAVAILABLE (its build failed, the message says
 * why), RHEI_NOT_FOUND (`table` isn't mirrored). Also RHEI_TIMEOUT and RHEI_CANCELLED. *result, which may be NULL, is filled in any
 * case. Any thread.
 */
RHEI_API rhei_status rhei_repair(rhei_db *db, const char *table, const struct rhei_call_options *options,
                                 struct rhei_repair_result *result, struct rhei_error *error);

#ifdef __cplusplus
}
#endif

#endif
