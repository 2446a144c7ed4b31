/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nanoarrow's decoder takes for granted in a message and untrusted bytes may not have. For the IPC files of this
 * room. Any thread.
 */
#ifndef ARROW_IPC_VERIFY_H
#define ARROW_IPC_VERIFY_H

#include "rhei/rhei_types.h"

/* RHEI_IO: "the Arrow input can't be read: ...". `what` may be NULL or empty. */
rhei_status ipc_damaged(struct rhei_error *error, const char *what);
/* The Message flatbuffer, verified by the decoder, has every part that will be looked at. */
rhei_status ipc_verify_header(const void *message, struct rhei_error *error);
/* The lengths of a record batch or dictionary are possible, and its buffers lie in the body, at multiples of 8. */
rhei_status ipc_verify_body(const void *message, const uint8_t *body, int64_t body_len, struct rhei_error *error);
/*
 * A dictionary's batch has the nodes and buffers of its values' type, and isn't compressed (RHEI_UNSUPPORTED), which the
 * decoder doesn't look at.
 */
rhei_status ipc_verify_dictionary(const void *message, const struct ArrowSchema *values, struct rhei_error *error);

#endif
