/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_lex.h
 * SQL that is being typed, in words and signs: for its colours and its completion, which nothing but looks depends on. What runs is read by
 * SQLite. Also its words.
 */
#ifndef RH_LEX_H
#define RH_LEX_H

#include <stdbool.h>
#include <stddef.h>

enum rh_token_kind {
    RH_TOKEN_END,
    RH_TOKEN_BLANK,
    RH_TOKEN_COMMENT,
    RH_TOKEN_STRING, /**< '..', x'..' */
    RH_TOKEN_NAME,   /**< "..", `..`, [..] */
    RH_TOKEN_NUMBER,
    RH_TOKEN_WORD,
    RH_TOKEN_SIGN, /**< one character of anything else */
};
struct rh_token {
    enum rh_token_kind kind;
    size_t start, length;
    bool open; /**< a quote or comment that the text's end ends */
};

/** The token that begins at `at`; RH_TOKEN_END there where the text ends. */
struct rh_token rh_lex(const char *text, size_t length, size_t at);
/** Whether a byte is part of a name or a number, wherever it stands; of UTF-8 all are. */
bool rh_is_word_sign(char c);
/** Whether a word is one of SQLite's. */
bool rh_is_keyword(const char *word, size_t length);
/** They, in upper case; NULL ends them. */
extern const char *const rh_keywords[];

#endif
