/* SPDX-License-Identifier: Apache-2.0 */
/* Drives a mirror and a model by a stream of decisions, from a seed or from a fuzzer's bytes, and compares them. */
#ifndef MIRROR_DRIVER_H
#define MIRROR_DRIVER_H

#include "mirror_model.h"

struct driver_options {
    uint64_t seed;        /* used when bytes is NULL */
    const uint8_t *bytes; /* decisions; the run ends with them */
    size_t size;
    uint64_t operations; /* changes to apply at the most */
    bool failing_memory; /* let allocations fail now and then */
};

struct driver_result {
    uint64_t operations, publishes, snapshots, compactions, rebuilds, failures;
};

/* Asserts all along (cmocka). */
struct driver_result driver_run(const struct driver_options *options);

#endif
