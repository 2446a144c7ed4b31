/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei_care.h
 * Looking after a database: mending its column store, copying all of it. The rules of rhei.h hold.
 */
#ifndef RHEI_CARE_H
#define RHEI_CARE_H

#include "rhei/rhei.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What rhei_repair() found and did. */
struct rhei_repair_result {
    size_t struct_size;     /**< set it to sizeof before the call; after it, the bytes that were filled */
    uint64_t tables;        /**< that were compared and are equal now */
    uint64_t rows;          /**< of them */
    uint64_t repaired;      /**< tables that differed, or could not be followed, and are equal now */
    uint64_t rebuilt;       /**< of those, built again as a whole */
    uint64_t mended_pieces; /**< parts that differed in the other ones, by the order of their keys, */
    uint64_t mended_rows;   /**< and their rows that were taken again */
    uint64_t
        history_lost; /**< 1: versions that the folder had are lost, as this handle found at its opening (RHEI_OK all
                                 the same); `kept_from` of `history.tables` tells from when on there are all. 0: none is */
    uint64_t
        sidecar_tables; /**< of `tables`, those of sidecars: their files were read, or they were loaded anew, and nothing was compared */
    uint64_t sidecar_rows; /**< of `rows`, theirs */
};
/**
 * Waits for tables that are being built, compares as rhei_verify_with(), piece by piece, and mends what differs: up to a tenth of a table's rows are
 * taken again one by one, through the change log, so for a consumer of the change feed they are updates. A table that differs in more, whose file is damaged, or
 * that its mirror could not follow (RHEI_TABLE_FAILED) is built anew, and SQLite answers for it meanwhile. What was mended is compared again. A table that can't be mended doesn't stop the others; the error
 * of the first is returned after the last: RHEI_STALE (it differs again), RHEI_OLAP_UNAVAILABLE (its build failed, the message says
 * why), RHEI_NOT_FOUND (`table` isn't mirrored). A table of a sidecar (`app.orders`; `app`: all of them) is loaded anew from its source where a file of it is damaged, where it couldn't be followed, and where it is named. RHEI_BUSY: nothing was done, for another handle has the folder (`olap_path`), so that what
 * this one has is in its memory alone; or, as another code, for the folder couldn't be opened. A folder that couldn't be written in the end is an error, too (RHEI_IO, RHEI_FULL). Also RHEI_TIMEOUT and RHEI_CANCELLED. *result, which may be NULL, is filled in any case. Any thread.
 */
RHEI_API rhei_status rhei_repair(rhei_db *db, const char *table, const struct rhei_call_options *options,
                                 struct rhei_repair_result *result, struct rhei_error *error);

/**
 * Writes what the column store shows to its folder (`olap_path`) now, and returns when it is there for good; by itself that is done every
 * `checkpoint_interval_ms` and at the close, where a failure is only logged. RHEI_OK also where the folder has it already. Errors: RHEI_OLAP_UNAVAILABLE
 * (no folder is named), RHEI_READ_ONLY; what kept the handle from having the folder, so RHEI_BUSY if another one has it, RHEI_UNSUPPORTED without change
 * capture; RHEI_BUSY too where this is the folder's first and a transaction, this thread's for one, keeps the database from noting in time that its change
 * log is kept for the folder; RHEI_IO, RHEI_FULL, RHEI_NO_MEMORY: the column store goes on in memory, and the next checkpoint tries again. Any thread.
 */
RHEI_API rhei_status rhei_checkpoint(rhei_db *db, struct rhei_error *error);

/** What rhei_backup() made. */
struct rhei_backup_result {
    size_t struct_size;      /**< set it to sizeof before the call; after it, the bytes that were filled */
    int64_t position;        /**< of the change log: the copy has all of this and nothing of later; 0 without capture */
    uint64_t database_bytes; /**< of rhei.db */
    uint64_t olap_bytes;     /**< of the files in rhei.mirror; 0: there is none */
    int64_t olap_position;   /**< from which the copy's column store goes on by the log in rhei.db; -1: there is none */
    int64_t duration_us;
};
/**
 * Copies the database beside running writers, of whatever process, into `folder`, which is empty or is made there (the folder above it must
 * be there). The copy shows one position: what was committed when the call began is in it, whole transactions, histories included; nothing that
 * is committed after it is pinned, soon after the beginning. In the folder are
 *
 *   rhei.db       the SQLite file, byte by byte but for its identity, which is its own
 *   rhei.mirror   the column store (olap_path), where the handle keeps it in a folder, or has histories in memory. It goes on in the copy
 *                 by the log in rhei.db. A handle that is read-only, or beside one that has the folder, copies that one's files
 *   backup.json   positions, sizes and checksums (XXH64) of all files. It comes last: a folder without it is no backup
 *
 * Opening rhei.db with rhei.mirror as its olap_path is the restore. A change buffer (rocksdb_cdc_path) isn't copied: the copy begins one of
 * its own. Neither are tables of other sources, temporary tables and attached files.
 *
 * Writers go on; SQLite's write-ahead log isn't cut before the call ends. In a file without one (no capture) they wait for it. After an error,
 * RHEI_CANCELLED and RHEI_TIMEOUT, nothing of it is left; after a crash a folder without backup.json.
 *
 * RHEI_EXISTS: there is something in the folder, or olap_path has another database's. RHEI_INVALID: it is in a folder of the database itself.
 * RHEI_FULL, RHEI_IO, RHEI_READ_ONLY, RHEI_NOT_FOUND. RHEI_STALE: the column store is another process's, and what is between its newest
 * checkpoint and now is in its change buffer alone: make the backup there. RHEI_BUSY. `options` and `result` may be NULL. Any thread, also
 * while sessions have transactions open, of which nothing is in the copy.
 */
RHEI_API rhei_status rhei_backup(rhei_db *db, const char *folder, const struct rhei_call_options *options,
                                 struct rhei_backup_result *result, struct rhei_error *error);

#ifdef __cplusplus
}
#endif

#endif
