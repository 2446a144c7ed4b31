/* SPDX-License-Identifier: Apache-2.0 */
/* What the client tells a patience (store_s3.h); NULL: nobody. Any thread. */
#ifndef STORE_S3_PATIENCE_H
#define STORE_S3_PATIENCE_H

#include "store_s3/store_s3.h"

void s3_patience_answered(struct store_s3_patience *patience);
/* Bytes of a request, or of an answer. */
void s3_patience_moved(struct store_s3_patience *patience);
/* An attempt, that may be made again. */
void s3_patience_failed(struct store_s3_patience *patience);

#endif
