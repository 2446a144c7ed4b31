/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The book: which tables of the mirror are whose history. Generations of a table's history follow each other where its columns
 * changed; each has a table of the versions that ended, and the newest one of those that are valid.
 *
 * Changed by the owner, under `lock` and with the turn; read by him, or under `lock`.
 */
#ifndef SYNC_SYNC_BOOK_H
#define SYNC_SYNC_BOOK_H

#include "sync_internal.h"

/* The `round` of a generation that no table goes on with: which one it was of isn't known. */
#define SYNC_NO_HEIR UINT64_MAX

/* Numbers of tables in the mirror. */
uint32_t sync_book_open_id(const struct sync *sync, uint32_t number);
uint32_t sync_book_ended_id(const struct sync *sync, uint32_t number);

/* From the mirror's working state, where it was taken over. Parts that it doesn't name go. Nothing is there: an empty book. */
rhei_status sync_book_restore(struct sync *sync, struct rhei_error *error);
/* The generation that goes on with the table's changes; NULL: there is none. */
struct sync_generation *sync_book_current(const struct sync *sync, const char *table);
struct sync_generation *sync_book_find(const struct sync *sync, uint32_t number);
/* A new one, which isn't stored yet. Copies the names. */
rhei_status sync_book_add(struct sync *sync, uint32_t number, const char *table, const char *const *names,
                          uint32_t name_count, struct sync_generation **generation, struct rhei_error *error);
/* As it is now, to be shown with the next publish. */
rhei_status sync_book_store(struct sync *sync, const struct sync_generation *generation, struct rhei_error *error);
/* Shows the working state, with what is stored. With the turn. */
rhei_status sync_book_publish(struct sync *sync, int64_t position, struct rhei_error *error);
/* The mirror's table of it is damaged: all of it anew. */
rhei_status sync_book_rewrite(struct sync *sync, struct rhei_error *error);
/* With all that it tells of. */
void sync_book_remove(struct sync *sync, struct sync_generation *generation);

#endif
