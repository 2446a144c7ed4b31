/* SPDX-License-Identifier: Apache-2.0 */
/* How many bytes the change log's rows have: of their values, and CAPTURE_METER_ROW for each row. Any thread. */
#ifndef CAPTURE_CAPTURE_METER_H
#define CAPTURE_CAPTURE_METER_H

#include "capture/capture_internal.h"

enum { CAPTURE_METER_ROW = 24 };

struct capture_meter; /* opaque */

struct capture_meter *capture_meter_new(struct oltp *oltp); /* NULL: no memory */
void capture_meter_free(struct capture_meter **meter);
/*
 * *bytes of the rows from `first` to `last`. Measures no more than `budget` rows that weren't measured yet; the rest is
 * taken to be as those that were. In read transactions of a few milliseconds.
 */
rhei_status capture_meter_measure(struct capture_meter *meter, int64_t first, int64_t last, uint64_t budget,
                                  uint64_t *bytes, struct rhei_error *error);
/* The least row number, at most `last`, behind which no more than `bytes` are left of what was measured. */
int64_t capture_meter_cut(struct capture_meter *meter, int64_t first, int64_t last, uint64_t bytes);

#endif
