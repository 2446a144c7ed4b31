/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_statements.h
 * The SQL of a command: where it comes from, its statements, and errors that point into it.
 */
#ifndef RH_STATEMENTS_H
#define RH_STATEMENTS_H

#include "rh_script.h"
#include "rh_tool.h"

struct rh_statements {
    struct rh_buffer text;
    struct rh_script script;
    const char *origin; /* file's name, or NULL */
    size_t line;        /* lines of it that were before the text */
};

/** Reads the argument, the file or standard input. Anything but RH_EXIT_OK was told. */
int rh_statements_read(struct rh_statements *statements, const struct rh_tool *tool);
void rh_statements_free(struct rh_statements *statements);
/** A copy of one statement with `prefix` before it; the caller frees it. */
char *rh_statements_copy(const struct rh_statements *statements, size_t index, const char *prefix);
/** Tells an error of statement `index`: which one, where in the text, the line and a caret. */
void rh_statements_tell(const struct rh_statements *statements, const struct rh_tool *tool, size_t index,
                        size_t prefix_length, const struct rhei_error *error);

/**
 * Writes the rows of a statement to standard output in the format of the command line; closes them. RHEI_OK or the error.
 * `started` is rh_now_us() when the statement was begun. Nothing is written before the first row has come.
 */
rhei_status rh_write_rows(struct rh_tool *tool, rhei_rows **rows, int64_t started, struct rhei_error *error);
/** The rows alone, to a stream; how many in *count. They stay open. */
rhei_status rh_write_rows_to(struct rh_tool *tool, rhei_rows *rows, FILE *file, uint64_t *count,
                             struct rhei_error *error);
/** What is worth knowing about an answer, in one line on standard error. */
void rh_tell_facts(struct rh_tool *tool, rhei_rows *rows, uint64_t count, int64_t elapsed_us);
/** That the pager was left before the last row. */
void rh_tell_left(const struct rh_tool *tool, uint64_t count);
/** The format of the command line, or what suits the output. */
enum rh_format rh_effective_format(const struct rh_tool *tool);
/** The same for rows of sentences: on a terminal a line for each value, since a table of them is wider than most and would be cut. */
enum rh_format rh_sentence_format(const struct rh_tool *tool);
/** False for formats that aren't offered; told. */
bool rh_check_format(const struct rh_tool *tool);

#endif
