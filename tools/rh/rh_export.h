/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_export.h
 * What rh export and .export of the REPL share: one question into one file.
 */
#ifndef RH_EXPORT_H
#define RH_EXPORT_H

#include "rh_pour.h"

/** The rows of a question into a file; `answer` runs it. Gives the exit code; what went wrong was told, and nothing of the file is there then. */
typedef rhei_status (*rh_export_answer)(void *context, const char *sql, struct rh_pour *pour, struct rhei_error *error);
int rh_export_file(struct rh_tool *tool, const char *name, const char *sql, struct rh_pour *pour,
                   rh_export_answer answer, void *context, bool force);
/** SELECT of a table, or a text that is a question already: one that has blanks and names no table. */
void rh_export_question(struct rh_tool *tool, const char *text, struct rh_buffer *sql);

#endif
