/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_metrics.h
 * Metrics as text: Prometheus' format 0.0.4, and OpenMetrics 1.0.
 */
#ifndef RH_SERVE_METRICS_H
#define RH_SERVE_METRICS_H

#include "rh_memory.h"
#include "rhei/rhei.h"

/** The media type of what rh_metrics_text() writes. */
const char *rh_metrics_type(bool open_metrics);
/** Whether OpenMetrics is wanted more than Prometheus' own: by the quality of each in an Accept header, which may be empty. */
bool rh_metrics_wants_open(const char *accept, size_t length);
/** Adds all of them, the metrics of one name together, in the order in which the names come first. */
void rh_metrics_text(struct rhei_metric *const *metrics, size_t count, bool open_metrics, struct rh_buffer *out);

#endif
