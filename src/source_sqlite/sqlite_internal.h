/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef SQLITE_INTERNAL_H
#define SQLITE_INTERNAL_H

#include <sqlite3.h>
#include <sys/types.h>

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "base/base_thread.h"
#include "poll/poll.h"
#include "sqlite_source.h"

/* ---- The file (sqlite_file.c). ------------------------------------------------------------------------------------ */

/* What tells one state of a file that nobody has open from another. */
struct sqlite_print {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns;
    int64_t made_ns; /* 0: the file system doesn't tell */
};

struct sqlite_connection {
    struct sqlite_connection *next; /* of those that wait to be closed */
    sqlite3 *db;
    bool still; /* nobody else has the file open: it is read as it lies there, without locks or an index of the WAL */
    bool wal;   /* journal_mode */
    struct sqlite_print print;
};

/* What the readers of one source share. */
struct sqlite_file {
    char *path, *wal_path;
    struct sqlite_source_config config; /* strings are its own */
    struct base_arena arena;            /* of them */
    base_mutex lock;
    uint32_t live; /* connections that take locks */
    struct sqlite_connection
        *retired; /* closed once none of those is open: closing any lets go of all the locks of this process */
};

rhei_status sqlite_file_print(const struct sqlite_file *file, struct sqlite_print *print, struct rhei_error *error);
/* A log of commits is there, so somebody has the file open, or left it in a hurry. */
bool sqlite_file_has_wal(const struct sqlite_file *file);
rhei_status sqlite_connect(struct sqlite_file *file, struct sqlite_connection **connection, struct rhei_error *error);
void sqlite_disconnect(struct sqlite_file *file, struct sqlite_connection **connection);
/* 100 bytes from the beginning of the file, as they are on the medium. */
bool sqlite_read_header(sqlite3 *db, unsigned char header[100]);
/* What `db` says, as an error about the file. */
rhei_status sqlite_error_of(const struct sqlite_file *file, sqlite3 *db, int code, struct rhei_error *error);

/* ---- Tables (sqlite_tables.c). ------------------------------------------------------------------------------------ */

struct sqlite_tables {
    struct base_arena arena;
    struct poll_table *list;
    bool *rowids; /* of each: a row can be asked for by _rowid_ */
    size_t count, capacity, rowid_capacity;
};
rhei_status sqlite_tables_read(const struct sqlite_file *file, sqlite3 *db, struct sqlite_tables *tables,
                               struct rhei_error *error);
void sqlite_tables_reset(struct sqlite_tables *tables);

/* ---- Readers (sqlite_reader.c). ----------------------------------------------------------------------------------- */

rhei_status sqlite_reader_open(void *file, struct poll_reader **reader, struct rhei_error *error);

#endif
