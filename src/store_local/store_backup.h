/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of a backup: what is in it while it is made, and when it counts (docs/design/backup.md). Owner thread.
 *
 *   rhei.db, rhei.mirror/, backup.json   what is there at the end; backup.json comes last, by a rename
 *   the same names with ".part"          while it is made: a folder with these isn't a backup
 */
#ifndef STORE_LOCAL_BACKUP_H
#define STORE_LOCAL_BACKUP_H

#include <stdbool.h>

#include "base/base_buffer.h"
#include "rhei/rhei_types.h"

struct store_backup {
    char *path;     /* absolute */
    char *database; /* of the database's file while it is made */
    char *mirror;   /* of the column store's folder while it is made; nobody has made it yet */
    int folder;
    bool made;      /* the folder wasn't there */
    bool has_files; /* ours: they go if it comes to nothing */
};

/*
 * Makes the folder, which is empty or not there; the folder above it is. `apart`: folders that it mustn't be, nor be in; NULLs are passed over.
 * RHEI_EXISTS: there is something in it. RHEI_INVALID, RHEI_READ_ONLY, RHEI_FULL, RHEI_IO, RHEI_NOT_FOUND.
 */
rhei_status store_backup_begin(const char *path, const char *const *apart, size_t apart_count,
                               struct store_backup *backup, struct rhei_error *error);
/* Takes away what is of the column store so far. */
void store_backup_clear_mirror(struct store_backup *backup);
/*
 * Makes all bytes durable and lists the files: [{"name": ..., "bytes": ..., "xxh64": ...}, ...]. `check` is asked between pieces of some MiB.
 */
struct store_backup_sums {
    uint64_t database_bytes, mirror_bytes, files;
};
rhei_status store_backup_list(struct store_backup *backup, rhei_status (*check)(void *context), void *context,
                              struct base_buffer *json, struct store_backup_sums *sums, struct rhei_error *error);
/* The files get their names. */
rhei_status store_backup_name(struct store_backup *backup, struct rhei_error *error);
/* With this text as its backup.json it is a backup, durably. */
rhei_status store_backup_seal(struct store_backup *backup, const char *text, size_t len, struct rhei_error *error);
/* `keep`: it was sealed. Else everything that was made goes again. */
void store_backup_end(struct store_backup *backup, bool keep);

#endif
