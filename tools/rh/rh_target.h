/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_target.h
 * A file that is there whole, or not at all: it is written under another name beside its own, FILE.XXXXXX, and takes its own when it is on the disk.
 */
#ifndef RH_TARGET_H
#define RH_TARGET_H

#include "rh_memory.h"
#include "rh_tool.h"

#include <stdio.h>

struct rh_target {
    const char *name; /**< borrowed */
    char *part;       /**< what it is called until then; NULL: there is none */
    FILE *file;
    int reason; /* errno of a write that failed, from whoever wrote; 0: unknown */
};

/** False, and told: it is a file of the open database's own, or would be one in its folders. `writer`: "an export". */
bool rh_target_allowed(const struct rh_tool *tool, const char *name, const char *writer);
/** False, and told: it can't be written; it is a file of the open database's own; or it is there already, and `force` doesn't say that it may be replaced. */
bool rh_target_open(const struct rh_tool *tool, struct rh_target *target, const char *name, bool force);
/** All was written: closes it, on its disk. False, and told: it isn't. */
bool rh_target_finish(const struct rh_tool *tool, struct rh_target *target);
/** Gives a finished one its name. False, and told: without `force`, one came meanwhile, say. */
bool rh_target_keep(const struct rh_tool *tool, struct rh_target *target, bool force);
/** Takes away what isn't kept, and forgets it. */
void rh_target_drop(struct rh_target *target);

#endif
