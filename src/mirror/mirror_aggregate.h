/* SPDX-License-Identifier: Apache-2.0 */
/* What vectors come to, kept beside them: the part of mirror_aggregate.c that segments know. */
#ifndef MIRROR_MIRROR_AGGREGATE_H
#define MIRROR_MIRROR_AGGREGATE_H

#include "mirror_internal.h"

/* With the segment, when nobody can reach it any more. */
void mirror_parts_free(struct mirror *mirror, const struct mirror_segment *segment, struct mirror_column *column);

#endif
