/* SPDX-License-Identifier: Apache-2.0 */
/* Flatbuffer messages of the IPC format. For the IPC files of this room. Owner thread. */
#ifndef ARROW_IPC_ENCODE_H
#define ARROW_IPC_ENCODE_H

#include "arrow_ipc_body.h"

/* The schema as it is written; borrowed from the encoder. */
const struct ArrowSchema *ipc_encoder_schema(const struct arrow_ipc_encoder *encoder);

#endif
