/* SPDX-License-Identifier: Apache-2.0 */
/* Bare SQLite, the peer of writes and point reads: the same build and pragmas, its own files, no capture. */
#ifndef PEER_SQLITE_H
#define PEER_SQLITE_H

#include <sqlite3.h>
#include <stdint.h>

sqlite3 *peer_open(const char *path);
void peer_exec(sqlite3 *db, const char *sql);
sqlite3_stmt *peer_prepare(sqlite3 *db, const char *sql);
void peer_close(sqlite3 *db);

#endif
