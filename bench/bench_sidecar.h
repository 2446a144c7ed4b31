/* SPDX-License-Identifier: Apache-2.0 */
/* What the figures of sidecars share, whatever is followed. */
#ifndef BENCH_SIDECAR_H
#define BENCH_SIDECAR_H

#include "bench_rhei.h"

/* Of looks one behind the other: so many are measured, and so many seconds of them before that aren't. */
enum { SIDECAR_LOOKS = 400, SIDECAR_OVERLAP_S = 8 };

/* A handle of nothing but what these settings follow. */
rhei_db *sidecar_open(const struct bench *bench, const char *settings, bool manual_sync, int32_t sync_mode);
/* The one number that the column store answers, of now or of what is there. */
int64_t sidecar_ask(rhei_db *db, const char *sql, bool latest);
void sidecar_figure(struct bench *bench, const char *name, const char *unit, struct samples *samples, const char *peer,
                    double peer_value, enum figure_sense sense, double target, const char *text);
void sidecar_figure_p99(struct bench *bench, const char *name, const char *unit, struct samples *samples,
                        const char *peer, double peer_value, double target, const char *text);
void sidecar_say_load(void);

void figures_follow(struct bench *bench); /* PostgreSQL, a part of figures_sidecar */

#endif
