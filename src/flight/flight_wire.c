/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_wire.h"

#include <string.h>

/* At most ten bytes, of which the last may hold one bit. */
static uint64_t take_varint(struct wire_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    reader->wrong = true;
    return 0;
}

static uint64_t take_fixed(struct wire_reader *reader, size_t width)
{
    uint64_t value = 0;
    if ((size_t)(reader->end - reader->at) < width) {
        reader->wrong = true;
        return 0;
    }
    for (size_t i = 0; i < width; i++)
        value |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += width;
    return value;
}

static struct flight_bytes take_bytes(struct wire_reader *reader)
{
    uint64_t len = take_varint(reader);
    if (reader->wrong || len > (uint64_t)(reader->end - reader->at)) {
        reader->wrong = true;
        return (struct flight_bytes){0};
    }
    struct flight_bytes bytes = {reader->at, (size_t)len, true};
    reader->at += len;
    return bytes;
}

bool wire_next(struct wire_reader *reader, struct wire_field *field)
{
    if (reader->wrong || reader->at == reader->end)
        return false;
    uint64_t key = take_varint(reader);
    *field = (struct wire_field){.number = (uint32_t)(key >> 3), .type = key & 7};
    if (key > UINT32_MAX || field->number == 0)
        reader->wrong = true;
    else if (field->type == WIRE_VARINT)
        field->value = take_varint(reader);
    else if (field->type == WIRE_LENGTH)
        field->bytes = take_bytes(reader);
    else if (field->type == WIRE_FIXED64 || field->type == WIRE_FIXED32)
        field->value = take_fixed(reader, field->type == WIRE_FIXED64 ? 8 : 4);
    else
        reader->wrong = true;
    return !reader->wrong;
}

static void put_varint(struct base_buffer *out, uint64_t value)
{
    while (value >= 0x80) {
        base_buffer_char(out, (char)(value | 0x80));
        value >>= 7;
    }
    base_buffer_char(out, (char)value);
}

static void put_key(struct base_buffer *out, uint32_t number, enum wire_type type)
{
    put_varint(out, (uint64_t)number << 3 | type);
}

void wire_put_number(struct base_buffer *out, uint32_t number, uint64_t value)
{
    put_key(out, number, WIRE_VARINT);
    put_varint(out, value);
}

void wire_put_fixed64(struct base_buffer *out, uint32_t number, uint64_t value)
{
    put_key(out, number, WIRE_FIXED64);
    for (int i = 0; i < 8; i++)
        base_buffer_char(out, (char)(value >> (8 * i)));
}

void wire_put_head(struct base_buffer *out, uint32_t number, size_t len)
{
    put_key(out, number, WIRE_LENGTH);
    put_varint(out, len);
}

void wire_put_bytes(struct base_buffer *out, uint32_t number, const void *bytes, size_t len)
{
    wire_put_head(out, number, len);
    base_buffer_append(out, bytes, len);
}

void wire_put_text(struct base_buffer *out, uint32_t number, const char *text)
{
    wire_put_bytes(out, number, text, strlen(text));
}

void wire_put_message(struct base_buffer *out, uint32_t number, struct base_buffer *inner)
{
    wire_put_bytes(out, number, inner->data, inner->len);
    out->failed = out->failed || inner->failed;
    base_buffer_clear(inner);
}
