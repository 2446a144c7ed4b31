/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_args_rows.h
 * Parts of the command line that are of import and export alone. Each gives false, and a sentence in `why`, for what is wrong.
 */
#ifndef RH_ARGS_ROWS_H
#define RH_ARGS_ROWS_H

#include "rh_args.h"

bool rh_args_read_delimiter(struct rh_args *args, const char *text, struct rh_buffer *why);
bool rh_args_read_decimal(struct rh_args *args, const char *text, struct rh_buffer *why);
bool rh_args_read_quote(struct rh_args *args, const char *text, struct rh_buffer *why);
bool rh_args_read_conflict(struct rh_args *args, const char *text, struct rh_buffer *why);
bool rh_args_read_rename(struct rh_args *args, const char *text, struct rh_buffer *why);
bool rh_args_read_type(struct rh_args *args, const char *text, struct rh_buffer *why);
/** What stands behind rh import, but for options: without a table it is the one that the file is called after. */
bool rh_args_take_import(struct rh_args *args, char **words, int count, struct rh_buffer *why);
/** What stands behind rh export, but for options. */
bool rh_args_take_export(struct rh_args *args, char **words, int count, struct rh_buffer *why);
/** Whether the options of rh import go together. */
bool rh_args_check_import(const struct rh_args *args, struct rh_buffer *why);

#endif
