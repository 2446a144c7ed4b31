/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_script.h
 * A text of several SQL statements, cut where rhei_split() says, and what matters of each to transactions.
 */
#ifndef RH_SCRIPT_H
#define RH_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

enum rh_verb {
    RH_VERB_OTHER,
    RH_VERB_TRANSACTION, /**< BEGIN, COMMIT, END, ROLLBACK, SAVEPOINT, RELEASE */
    RH_VERB_ALONE,       /**< cannot run inside a transaction: VACUUM, ATTACH, DETACH */
    RH_VERB_PRAGMA,      /**< nor can some of these; others ask, and give rows */
};

/** One statement of a text, without its semicolon and the space and comments around it. */
struct rh_part {
    size_t start, length;
    enum rh_verb verb;
};
struct rh_script {
    const char *text; /**< borrowed */
    struct rh_part *parts;
    size_t count;
};

/** Cuts the text; it must stay while the script is used. Empty statements are left out. */
void rh_script_split(struct rh_script *script, const char *text, size_t length);
void rh_script_free(struct rh_script *script);

/** Where a byte is, counted from 1; columns are characters. */
struct rh_place {
    size_t line, column;
    size_t line_start, line_end; /**< bytes of that line in the text */
};
struct rh_place rh_place_of(const char *text, size_t length, size_t offset);

#endif
