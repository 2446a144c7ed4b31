/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_registry.h
 * What the file itself says of change capture and of the engines that read it, whoever they are.
 */
#ifndef RH_REGISTRY_H
#define RH_REGISTRY_H

#include "rh_tool.h"

struct rh_engine {
    int64_t id, position; /* the change that it had applied when it was last seen */
    int64_t seen_ms;      /* milliseconds ago */
    int64_t process;      /* 0: of another machine or container */
};

struct rh_consumer {
    char *name;
    int64_t position; /* the change that it acknowledged last */
    int64_t seen_ms;  /* milliseconds ago */
    bool kept;        /* the log is kept for it; false: it was away for too long */
    bool buffered;    /* a change buffer beside the log is, instead */
};

struct rh_registry {
    bool installed; /* the file has change capture */
    struct rh_engine *engines;
    size_t engine_count;
    struct rh_consumer *consumers; /* of the change feed */
    size_t consumer_count;
    struct rh_consumer *folders; /* of column stores, by their paths, that lack something of the log */
    size_t folder_count;
    bool has_consumers; /* there is a place for them: not in a file of an early version */
    char **captured;    /* names of the tables */
    size_t captured_count;
};

/** Whether the file has change capture; false also where it can't be read. */
bool rh_registry_installed(struct rh_tool *tool);
/** Reads it; rh_registry_free() afterwards in any case. False: the error was told. */
bool rh_registry_read(struct rh_tool *tool, struct rh_registry *registry);
/** The same, but the error isn't told: it is in *error. */
bool rh_registry_read_for(struct rh_tool *tool, struct rh_registry *registry, struct rhei_error *error);
/**
 * Adds the paths of all folders with a column store of this file that it knows, quoted: of those with a history, or of all. Nothing where it can't be read.
 */
void rh_registry_add_folders(struct rh_tool *tool, bool histories, struct rh_buffer *out);
bool rh_registry_captures(const struct rh_registry *registry, const char *table);
void rh_registry_free(struct rh_registry *registry);

#endif
