/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_history.h
 * When the histories of a database begin (sync_mode temporal), for who changes it by single commands.
 */
#ifndef RH_HISTORY_H
#define RH_HISTORY_H

#include "rh_tool.h"
#include "rh_writer.h"

/** Whether the settings have the column store keep every version of some table. */
bool rh_history_kept(struct rh_tool *tool);
/** Why there is no history yet; NULL: there is one, or it can't be told. `captured`: the file has change capture. `any`: the folder has one. */
const char *rh_history_missing(const struct rhei_sync_status *sync, bool captured, bool any);
/** "price since 2026-11-27T10:00:00Z", with commas, of the tables that have one, each with its gaps; `gaps`: those of all as a list in JSON. */
void rh_history_add(struct rh_tool *tool, struct rh_buffer *text, struct rh_buffer *gaps);
/** A note on standard error where what the command changed has no history. */
void rh_history_note(struct rh_tool *tool);

#endif
