/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_sidecars.h
 * How the databases of [sidecar] stand, for people and as JSON.
 */
#ifndef RH_SIDECARS_H
#define RH_SIDECARS_H

#include "rh_tool.h"
#include "rh_writer.h"

/** Whether there are sidecars alone: no file of the engine's own beside them. */
bool rh_sidecars_alone(struct rh_tool *tool);
/** Whether what is known of the first one is kept somewhere, for the next command to go on from. */
bool rh_sidecars_kept(struct rh_tool *tool);
/** The folder that they are kept in (olap_path), into `text`; nothing where there is none. */
void rh_sidecars_add_folder(struct rh_tool *tool, struct rh_buffer *text);
/** Adds "away for 3.2 s", or how far it is behind. */
void rh_sidecars_add_lag(struct rh_buffer *text, const struct rhei_sidecar_status *sidecar);
/** Why the one of that index is away, or what it lost: as a whole, where its status has room for the beginning alone. */
void rh_sidecars_add_message(struct rh_tool *tool, size_t index, const struct rhei_sidecar_status *sidecar,
                             struct rh_buffer *text);
/** Some lines for each, to standard output. */
void rh_sidecars_print(struct rh_tool *tool, struct rhei_sidecar_status *const *sidecars, size_t count);
/** Adds "sidecars":[...] */
void rh_sidecars_add_json(struct rh_buffer *json, struct rhei_sidecar_status *const *sidecars, size_t count);

#endif
