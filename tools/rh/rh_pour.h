/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_pour.h
 * The rows of one question into a stream of bytes, in any format but those that are for terminals alone.
 */
#ifndef RH_POUR_H
#define RH_POUR_H

#include "rh_tool.h"

#include <stdio.h>

struct rh_pour {
    rhei_session *session; /**< whose the question is; NULL: of the tool's database */
    struct rhei_query_options options;
    enum rh_format format;
    const char *null_text; /**< of text formats; NULL: the format's */
    bool no_header;
    bool question; /**< a statement that writes is refused, before it is run */
    bool framed;   /**< Arrow as a file, with a footer; else as a stream */
    FILE *file;    /**< for Parquet any, for what can't be read back too */
    uint64_t rows; /**< that were written */
    int reason;    /**< errno of what could not be written, where ferror(file) tells of it; 0: unknown */
};

/** What the command line says of questions: freshness, route and the like. */
struct rhei_query_options rh_pour_options(const struct rh_tool *tool);
/**
 * Asks, and writes all rows. While it takes over a second, a line on the terminal tells how far it is. RHEI_OK also where bytes could not be written:
 * ferror(file) tells.
 */
rhei_status rh_pour_run(struct rh_tool *tool, const char *sql, struct rh_pour *pour, struct rhei_error *error);
/** The same as rh query does it: a handle that may write is opened, and a column store built, where the question needs that. Sets pour->options. */
rhei_status rh_query_answer(struct rh_tool *tool, const char *sql, struct rh_pour *pour, struct rhei_error *error);
/** The format that a file's name asks for by its ending, and whether Arrow is framed; false: none. */
bool rh_format_of_name(const char *name, enum rh_format *format, bool *framed);
/** The formats' endings, for messages. */
extern const char rh_known_endings[];

#endif
