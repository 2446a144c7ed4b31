/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_params.h
 * Values given on the command line for a statement's `?`.
 */
#ifndef RH_PARAMS_H
#define RH_PARAMS_H

#include "rh_memory.h"
#include "rhei/rhei.h"

struct rh_params {
    struct rhei_value *values;
    size_t count;
    char **owned; /* bytes of BLOBs */
    size_t owned_count;
};

/**
 * Adds one: `int:7`, `real:1.5`, `text:x`, `blob:HEX`, `null`; anything else is an integer or a real if it is written like
 * one, and text otherwise ("007" is text). Text is borrowed. On failure gives false and a sentence in `why`.
 */
bool rh_params_add(struct rh_params *params, const char *text, struct rh_buffer *why);
void rh_params_free(struct rh_params *params);

#endif
