/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a checkpoint against their sums, for who verifies: at a pace, and the first that is damaged is remembered. */
#ifndef ENGINE_ENGINE_CHECKING_H
#define ENGINE_ENGINE_CHECKING_H

#include "checkpoint/checkpoint.h"
#include "engine/engine_pace.h"

struct engine_checking {
    struct engine_pace *pace;
    char first[CHECKPOINT_FILE_NAME]; /* "": none is */
};

/* How the checkpoint is told to do so. `checking` is borrowed. */
struct checkpoint_checking engine_checking_how(struct engine_checking *checking, bool condemn);

#endif
