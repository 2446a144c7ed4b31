/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_message.h"

#include <string.h>

#include "source_postgres/postgres_type.h"

struct reader {
    const char *at, *end;
    bool wrong;
};

static const char *take(struct reader *reader, size_t length)
{
    static const char zeros[8];
    if ((size_t)(reader->end - reader->at) < length) {
        reader->wrong = true;
        reader->at = reader->end;
        return zeros;
    }
    reader->at += length;
    return reader->at - length;
}

static uint8_t take_u8(struct reader *reader)
{
    return (uint8_t)*take(reader, 1);
}

static uint16_t take_u16(struct reader *reader)
{
    return postgres_u16(take(reader, 2));
}

static uint32_t take_u32(struct reader *reader)
{
    return postgres_u32(take(reader, 4));
}

static uint64_t take_u64(struct reader *reader)
{
    return postgres_u64(take(reader, 8));
}

static const char *take_text(struct reader *reader)
{
    const char *nul = memchr(reader->at, '\0', (size_t)(reader->end - reader->at));
    const char *text = reader->at;
    if (nul == NULL) {
        reader->wrong = true;
        reader->at = reader->end;
        return "";
    }
    reader->at = nul + 1;
    return text;
}

static void skip_cell(struct reader *reader)
{
    char kind = (char)take_u8(reader);
    if (kind == 'n' || kind == 'u')
        return;
    if (kind != 't' && kind != 'b')
        reader->wrong = true;
    take(reader, take_u32(reader));
}

static void take_tuple(struct reader *reader, struct postgres_tuple *tuple)
{
    tuple->columns = take_u16(reader);
    tuple->bytes = reader->at;
    for (uint16_t i = 0; i < tuple->columns && !reader->wrong; i++)
        skip_cell(reader);
}

static void take_relation(struct reader *reader, struct postgres_message *message)
{
    message->relation = take_u32(reader);
    take_text(reader); /* its schema and name: the catalogue has them by its number */
    take_text(reader);
    message->identity = (char)take_u8(reader);
    message->columns.columns = take_u16(reader);
    message->columns.bytes = reader->at;
    for (uint16_t i = 0; i < message->columns.columns && !reader->wrong; i++) {
        take_u8(reader);
        take_text(reader);
        take_u64(reader);
    }
}

static void take_change(struct reader *reader, struct postgres_message *message)
{
    message->relation = take_u32(reader);
    char kind = (char)take_u8(reader);
    if (message->kind != POSTGRES_INSERT && (kind == 'K' || kind == 'O')) {
        message->old_kind = kind;
        take_tuple(reader, &message->old_tuple);
        kind = message->kind == POSTGRES_UPDATE ? (char)take_u8(reader) : 0;
    } else if (message->kind == POSTGRES_DELETE) {
        reader->wrong = true;
    }
    if (message->kind == POSTGRES_DELETE)
        return;
    if (kind != 'N')
        reader->wrong = true;
    take_tuple(reader, &message->new_tuple);
}

static void take_truncate(struct reader *reader, struct postgres_message *message)
{
    message->relation_count = take_u32(reader);
    take_u8(reader); /* CASCADE, RESTART IDENTITY: the tables that it came to are all named */
    message->relations = take(reader, 4 * (size_t)message->relation_count);
}

static void take_commit(struct reader *reader, struct postgres_message *message)
{
    take_u8(reader);
    take_u64(reader); /* of the commit's record */
    message->end = take_u64(reader);
    message->time_us = (int64_t)(take_u64(reader) + (uint64_t)POSTGRES_EPOCH_US);
}

static void take_logical(struct reader *reader)
{
    take_u8(reader);
    take_u64(reader);
    take_text(reader);
    take(reader, take_u32(reader));
}

static void take_body(struct reader *reader, struct postgres_message *message)
{
    switch (message->kind) {
    case POSTGRES_BEGIN:
        take_u64(reader); /* of the commit, which comes, with its time */
        take_u64(reader);
        message->xid = take_u32(reader);
        return;
    case POSTGRES_STREAM_COMMIT:
        message->xid = take_u32(reader);
        take_commit(reader, message);
        return;
    case POSTGRES_COMMIT:
        take_commit(reader, message);
        return;
    case POSTGRES_ORIGIN:
        take_u64(reader);
        take_text(reader);
        return;
    case POSTGRES_RELATION:
        take_relation(reader, message);
        return;
    case POSTGRES_TYPE_NAME:
        take_u32(reader);
        take_text(reader);
        take_text(reader);
        return;
    case POSTGRES_INSERT:
    case POSTGRES_UPDATE:
    case POSTGRES_DELETE:
        take_change(reader, message);
        return;
    case POSTGRES_TRUNCATE:
        take_truncate(reader, message);
        return;
    case POSTGRES_LOGICAL:
        take_logical(reader);
        return;
    case POSTGRES_STREAM_START:
        message->xid = take_u32(reader);
        take_u8(reader);
        return;
    case POSTGRES_STREAM_STOP:
        return;
    case POSTGRES_STREAM_ABORT:
        message->xid = take_u32(reader);
        message->subxid = take_u32(reader);
        return;
    default:
        reader->wrong = true;
    }
}

bool postgres_message_read(const char *bytes, size_t length, bool in_block, struct postgres_message *message)
{
    struct reader reader = {bytes, bytes + length, false};
    *message = (struct postgres_message){.kind = (enum postgres_message_kind)take_u8(&reader)};
    if (in_block && message->kind != POSTGRES_STREAM_STOP && !reader.wrong) {
        if (message->kind == 0 || strchr("RYIUDTMO", (int)message->kind) == NULL)
            return false;
        if (message->kind != POSTGRES_ORIGIN) /* which is of all of the transaction */
            message->xid = take_u32(&reader);
    }
    take_body(&reader, message);
    return !reader.wrong && reader.at == reader.end;
}

void postgres_tuple_take(struct postgres_tuple *tuple, struct postgres_cell *cell)
{
    *cell = (struct postgres_cell){.kind = tuple->bytes[0]};
    tuple->bytes++;
    if (cell->kind == 'n' || cell->kind == 'u')
        return;
    cell->length = postgres_u32(tuple->bytes);
    cell->bytes = tuple->bytes + 4;
    tuple->bytes = cell->bytes + cell->length;
}

void postgres_relation_take(struct postgres_tuple *columns, struct postgres_relation_column *column)
{
    const char *at = columns->bytes;
    column->key = (at[0] & 1) != 0;
    column->name = at + 1;
    at = column->name + strlen(column->name) + 1;
    column->type = postgres_u32(at);
    column->modifier = (int32_t)postgres_u32(at + 4);
    columns->bytes = at + 8;
}
