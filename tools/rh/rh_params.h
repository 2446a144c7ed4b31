/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_params.h
 * Values given on the command line for a statement's `?` and `:name`.
 */
#ifndef RH_PARAMS_H
#define RH_PARAMS_H

#include "rh_memory.h"
#include "rhei/rhei.h"

struct rh_params {
    struct rhei_value *values;
    size_t count;
    char **owned; /* bytes of BLOBs, names */
    size_t owned_count;
    const char **doubtful; /* texts like "id=7", which may be meant for :id */
    size_t doubtful_count;
};

/**
 * Adds one: `int:7`, `real:1.5`, `text:x`, `blob:HEX`, `null`; anything else is an integer or a real if it is written like
 * one, and text otherwise ("007" is text). `:id=7`, with any of these behind the =, is for the parameter :id (so are @id and $id); others are for
 * each next one. Text is borrowed. On failure gives false and a sentence in `why`.
 */
bool rh_params_add(struct rh_params *params, const char *text, struct rh_buffer *why);
/** False, and a sentence in `why`: a text "id=7" was given, and the statement has a parameter :id. */
bool rh_params_check(const struct rh_params *params, const char *sql, size_t length, struct rh_buffer *why);
void rh_params_free(struct rh_params *params);

#endif
