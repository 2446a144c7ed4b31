/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Arrow IPC formats, https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
 * Owner thread.
 */
#ifndef ARROW_IPC_H
#define ARROW_IPC_H

#include "rhei/rhei_types.h"

enum arrow_ipc_codec { ARROW_IPC_PLAIN = 0, ARROW_IPC_LZ4 = 1, ARROW_IPC_ZSTD = 2 };

/* ---- Message by message, for who frames them himself --------------------------------------------------------------- */

struct arrow_ipc_encoder;

struct arrow_ipc_slice {
    const void *bytes;
    size_t len;
};

struct arrow_ipc_message {
    const void *header; /* the Message flatbuffer, without length or padding */
    size_t header_len;
    const struct arrow_ipc_slice *slices; /* the body, one after the other, padding included */
    size_t slice_count;
    int64_t body_len;
};

/*
 * An encoder for batches of this schema, which is copied. What IPC readers often lack is written as what they know:
 * utf8view and binaryview as utf8 and binary, dictionaries of those as their values. Other dictionaries, list views and
 * run-end encoding are RHEI_UNSUPPORTED.
 */
rhei_status arrow_ipc_encoder_new(const struct ArrowSchema *schema, int codec, struct arrow_ipc_encoder **encoder,
                                  struct rhei_error *error);
void arrow_ipc_encoder_free(struct arrow_ipc_encoder **encoder);
/* The message points into the encoder, until its next call. */
rhei_status arrow_ipc_encode_schema(struct arrow_ipc_encoder *encoder, struct arrow_ipc_message *message,
                                    struct rhei_error *error);
/* The message points into the encoder and, without copying where it can, into the batch: until either changes. */
rhei_status arrow_ipc_encode_batch(struct arrow_ipc_encoder *encoder, const struct ArrowArray *batch,
                                   struct arrow_ipc_message *message, struct rhei_error *error);

/* ---- Whole streams and files -------------------------------------------------------------------------------------- */

struct arrow_ipc_sink {
    rhei_status (*write)(void *context, const void *bytes, size_t len, struct rhei_error *error); /* all or an error */
    void *context;
};

struct arrow_ipc_options {
    bool file; /* the file format, with magic and footer; else the stream format */
    int codec; /* enum arrow_ipc_codec, for the bodies of record batches */
};

/* Writes the whole of `stream` and releases it, also when it fails. */
rhei_status arrow_ipc_write(struct ArrowArrayStream *stream, const struct arrow_ipc_options *options,
                            const struct arrow_ipc_sink *sink, struct rhei_error *error);

struct arrow_ipc_input {
    /* Up to `len` bytes into `bytes`, *got of them; 0 at the end. */
    rhei_status (*read)(void *context, void *bytes, size_t len, size_t *got, struct rhei_error *error);
    void (*release)(void *context); /* may be NULL */
    void *context;
};

/* The other way, by which tests read what was written, and doors may: either format, told apart by the first bytes; bodies may be compressed, but not those of dictionaries. Takes the input, also when it fails. */
rhei_status arrow_ipc_read(const struct arrow_ipc_input *input, struct ArrowArrayStream *out, struct rhei_error *error);

#endif
