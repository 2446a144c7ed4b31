/* SPDX-License-Identifier: Apache-2.0 */
/* Loads of a source that has none of its own: upstream's, handed through. For the tables of change_source_ops; threads as there. */
#ifndef FEED_FEED_LOADS_H
#define FEED_FEED_LOADS_H

#include "port/change_source.h"

rhei_status feed_loads_begin(struct change_source *upstream, uint32_t table, uint32_t loaders,
                             struct source_load **load, struct source_load_info *info, struct rhei_error *error);
rhei_status feed_loads_next(struct source_load *load, uint32_t loader, size_t max_rows,
                            const struct change_batch **batch, struct rhei_error *error);
void feed_loads_end(struct source_load **load);
void feed_loads_rest(struct change_source *upstream);
rhei_status feed_loads_advance(struct change_source *upstream, uint32_t table, struct rhei_error *error);

#endif
