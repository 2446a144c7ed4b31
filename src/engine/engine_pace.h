/* SPDX-License-Identifier: Apache-2.0 */
/* The pace at which rows are compared, by which a comparison leaves the machine to others. */
#ifndef ENGINE_ENGINE_PACE_H
#define ENGINE_ENGINE_PACE_H

#include "engine/engine_internal.h"

/* How many rows a second may be compared, and how many were. */
struct engine_pace {
    struct engine_limits *limits;
    uint64_t rate; /* rows a second; 0: as fast as it goes */
    uint64_t rows;
    int64_t began_ns;
    atomic_uint nap; /* 0; nobody wakes it */
};
void engine_pace_begin(struct engine_pace *pace, struct engine_limits *limits);
/* Counts rows, and waits until they are due; what ends the call is noticed meanwhile. */
rhei_status engine_pace_keep(struct engine_pace *pace, uint64_t rows, struct rhei_error *error);

/* A comparison that its limits ended, in words. */
rhei_status engine_pace_ended(rhei_status status, struct rhei_error *error);

#endif
