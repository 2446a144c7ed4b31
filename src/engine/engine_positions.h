/* SPDX-License-Identifier: Apache-2.0 */
/* The other sources of which an answer was read, with their positions, one after another. */
#ifndef ENGINE_ENGINE_POSITIONS_H
#define ENGINE_ENGINE_POSITIONS_H

#include "engine/engine_internal.h"

struct engine_positions {
    const struct rhei_rows *rows;
    uint32_t sources, at;
};
struct engine_positions engine_positions_of(const struct rhei_rows *rows);
/* 0: there are no more. *name lives as long as the handle. Our own file isn't among them. */
uint32_t engine_position_next(struct engine_positions *positions, const char **name, int64_t *position);
/* The greatest age of what was read, once that is pinned; -1: of some of it that isn't known. */
int64_t engine_age_us(const struct rhei_rows *rows, const struct engine_ask *ask);

#endif
