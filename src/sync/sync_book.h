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
/* A new one of a new line, which isn't stored yet. Copies the names. */
rhei_status sync_book_add(struct sync *sync, uint32_t number, const char *table, const char *const *names,
                          uint32_t name_count, struct sync_generation **generation, struct rhei_error *error);
/* As it is now, to be shown with the next publish. */
rhei_status sync_book_store(struct sync *sync, const struct sync_generation *generation, struct rhei_error *error);
/* Every table that has a name has it from when the one before it went, and that is stored. */
rhei_status sync_book_settle_names(struct sync *sync, struct rhei_error *error);
/* All generations of the line are those of a table of this name. False: no memory. */
bool sync_book_name_line(struct sync *sync, uint32_t line, const char *table);
/*
 * A table of the line has these columns now: `was` of each is the name that it had in the book (NULL: it came). In all generations of the line but `but`
 * each has its name of now, and one that went and had such a name another one. False: no memory.
 */
bool sync_book_name_columns(struct sync *sync, uint32_t line, uint32_t but, const struct source_column *columns,
                            const char *const *was, uint32_t count);
/* Not all of the versions that ended by then are here any more; of HISTORY_KEPT_NEVER: those of later ones are. It isn't stored yet. */
void sync_book_raise_kept(struct sync_generation *generation, int64_t us, int64_t seq);
/* Those of an older generation of its line, which is about to go, come before its own. It isn't stored yet. */
void sync_book_take_gaps(struct sync_generation *generation, const struct sync_generation *older);
/* Of a book that was just read: lines of generations that have none. *old: there were some. False: no memory. */
bool sync_book_find_lines(struct sync_book *book, bool *old);
/* Shows the working state, with what is stored. With the turn. */
rhei_status sync_book_publish(struct sync *sync, int64_t position, struct rhei_error *error);
/* The mirror's table of it is damaged: all of it anew. */
rhei_status sync_book_rewrite(struct sync *sync, struct rhei_error *error);
/* With all that it tells of. */
void sync_book_remove(struct sync *sync, struct sync_generation *generation);

#endif
