/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding/): fields out of bytes that anybody may have sent, and
 * fields to the end of a buffer. Pure; any thread.
 */
#ifndef FLIGHT_WIRE_H
#define FLIGHT_WIRE_H

#include "base/base_buffer.h"

/* Borrowed bytes; `there` tells an empty field from one that is left out. */
struct flight_bytes {
    const void *bytes;
    size_t len;
    bool there;
};

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;
    uint8_t type;              /* enum wire_type */
    uint64_t value;            /* of all but WIRE_LENGTH */
    struct flight_bytes bytes; /* of WIRE_LENGTH; borrowed from the reader's */
};

struct wire_reader {
    const uint8_t *at, *end;
    bool wrong; /* these bytes are no message; set for good */
};

static inline struct wire_reader wire_open(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    return (struct wire_reader){at, len == 0 ? at : at + len, false};
}
/* The next field; false at the end, and where it is wrong. Groups, which proto3 doesn't have, are wrong. */
bool wire_next(struct wire_reader *reader, struct wire_field *field);

void wire_put_number(struct base_buffer *out, uint32_t number,
                     uint64_t value); /* a varint; negative ones as two's complement */
void wire_put_fixed64(struct base_buffer *out, uint32_t number, uint64_t value);
void wire_put_bytes(struct base_buffer *out, uint32_t number, const void *bytes, size_t len);
void wire_put_text(struct base_buffer *out, uint32_t number, const char *text);
/* The key and length of a field whose `len` bytes are sent behind what is in the buffer. */
void wire_put_head(struct base_buffer *out, uint32_t number, size_t len);
/* A message as a field of another one, and `inner` emptied. */
void wire_put_message(struct base_buffer *out, uint32_t number, struct base_buffer *inner);

#endif
