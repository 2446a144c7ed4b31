/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_sqlite.h"

#include <stdlib.h>

#include "bench_report.h"

sqlite3 *peer_open(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        bench_die(path, sqlite3_errmsg(db));
    peer_exec(db, "PRAGMA journal_mode = WAL");
    peer_exec(db, "PRAGMA synchronous = NORMAL");
    peer_exec(db, "PRAGMA wal_autocheckpoint = 10000");
    return db;
}

void peer_exec(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        bench_die(sql, message != NULL ? message : "failed");
}

sqlite3_stmt *peer_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
        bench_die(sql, sqlite3_errmsg(db));
    return statement;
}

void peer_close(sqlite3 *db)
{
    if (sqlite3_close(db) != SQLITE_OK)
        bench_die("closing the peer", sqlite3_errmsg(db));
}
