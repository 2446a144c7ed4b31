/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_advice.h
 * Messages of the engine for people at a command line.
 */
#ifndef RH_ADVICE_H
#define RH_ADVICE_H

#include "rh_memory.h"

/** Appends a message of the engine; where it advises a call or a field of the C API, the command or option instead. */
void rh_add_in_our_words(struct rh_buffer *out, const char *message);
/** The same for who asks over HTTP. */
void rh_add_in_words_of_door(struct rh_buffer *out, const char *message);
/** From here on it is in the words of the REPL, where they are others. */
void rh_advise_at_prompt(void);
/** From here on the words are those of rh mcp and rh --agent. */
void rh_advise_at_tools(void);

#endif
