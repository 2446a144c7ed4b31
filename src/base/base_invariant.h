/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants that a room's README or a file's head states, looked at where they must hold. Debug and test builds stop with
 * file, line and condition; release builds (NDEBUG) have no code for them. The condition must have no effect.
 */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

#ifdef NDEBUG
#define BASE_INVARIANT(condition) ((void)sizeof((condition) ? 1 : 0))
#else
#include <assert.h>
#define BASE_INVARIANT(condition) assert(condition)
#endif

#endif
