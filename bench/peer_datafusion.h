/* SPDX-License-Identifier: Apache-2.0 */
/* DataFusion with tables of its own in memory, in a process of its own: PyPI's package, asked by bench/peer_datafusion.py. */
#ifndef PEER_DATAFUSION_H
#define PEER_DATAFUSION_H

#include <stdint.h>

struct peer_datafusion;

/* NULL: it can't be had here, which was said. */
struct peer_datafusion *peer_datafusion_open(int threads);
/* A table of a Parquet file's rows. */
void peer_datafusion_load(struct peer_datafusion *peer, const char *table, const char *path);
/* Runs it and reads every batch: the seconds that it took there, and in `rows` how many came. */
double peer_datafusion_run(struct peer_datafusion *peer, const char *sql, uint64_t *rows);
void peer_datafusion_close(struct peer_datafusion **peer);

#endif
