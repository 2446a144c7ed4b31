/* SPDX-License-Identifier: Apache-2.0 */
/* Tests' second source: tables whose rows are in the column store alone, taken from the file or fed by a list. */
#ifndef TESTS_SHOWN_TABLES_H
#define TESTS_SHOWN_TABLES_H

#include "list_source.h"
#include "rhei/rhei.h"

enum { SHOWN_SOURCE = 9 }; /* the source's number */

/*
 * Moves every table of the file that can be mirrored into a source named "elsewhere", and drops it here. Tables that a view names stay,
 * for SQLite's views name tables of their own file only. Nobody else uses the handle meanwhile. *moved: how many.
 */
rhei_status shown_move_tables(rhei_db *db, uint32_t *moved, struct rhei_error *error);

/*
 * Shows the tables of a list as source "elsewhere": whoever wants them fresh has the list read. Close it after the handle.
 */
struct shown_list;
struct shown_list *shown_list_open(rhei_db *db, struct list_store *store);
/* The same under another name and number. */
struct shown_list *shown_list_open_as(rhei_db *db, struct list_store *store, const char *name, uint32_t number);
void shown_list_close(struct shown_list **list);
/* From now on waiting for it ends so; RHEI_OK: no more. */
void shown_list_fail(struct shown_list *list, rhei_status status);
/* Waits until every table of the list is shown. */
void shown_list_settle(struct shown_list *list);
/* Until its last cycle failed, or until one succeeded since. */
void shown_list_await_away(struct shown_list *list, bool away);
/* The next who waits for it is cancelled on the way. */
void shown_list_cancel(struct shown_list *list, rhei_cancel *cancel);
/* How often it was read. */
uint64_t shown_list_reads(const struct shown_list *list);

#endif
