/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_message.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_utf8.h"

#define AT(type, number, kind, field)              \
    {                                              \
        number, kind, offsetof(struct type, field) \
    }
#define END     \
    {           \
        0, 0, 0 \
    }
#define SHAPE(which, words, ...)                                            \
    static const struct flight_field which##_fields[] = {__VA_ARGS__, END}; \
    const struct flight_shape which##_shape = {words, which##_fields}

SHAPE(flight_descriptor, "FlightDescriptor", AT(flight_descriptor, 1, FLIGHT_NUMBER, type),
      AT(flight_descriptor, 2, FLIGHT_BYTES, cmd));
SHAPE(flight_ticket, "Ticket", AT(flight_ticket, 1, FLIGHT_BYTES, ticket));
SHAPE(flight_action, "Action", AT(flight_action, 1, FLIGHT_TEXT, type), AT(flight_action, 2, FLIGHT_BYTES, body));
SHAPE(flight_any, "Any", AT(flight_any, 1, FLIGHT_TEXT, type_url), AT(flight_any, 2, FLIGHT_BYTES, value));
SHAPE(flight_data, "FlightData", AT(flight_data, 1, FLIGHT_BYTES, descriptor), AT(flight_data, 2, FLIGHT_BYTES, header),
      AT(flight_data, 3, FLIGHT_BYTES, metadata), AT(flight_data, 1000, FLIGHT_BYTES, body));
SHAPE(flight_info, "FlightInfo", AT(flight_info, 3, FLIGHT_BLOBS, endpoints));
SHAPE(flight_wrapped, "CancelFlightInfoRequest", AT(flight_wrapped, 1, FLIGHT_BYTES, inner));
SHAPE(flight_endpoint, "FlightEndpoint", AT(flight_endpoint, 1, FLIGHT_BYTES, ticket));
SHAPE(flight_entries, "SetSessionOptionsRequest", AT(flight_entries, 1, FLIGHT_BLOBS, entries));
SHAPE(flight_entry, "an entry of a map", AT(flight_entry, 1, FLIGHT_TEXT, key),
      AT(flight_entry, 2, FLIGHT_BYTES, value));
SHAPE(flight_option_value, "SessionOptionValue", AT(flight_option_value, 1, FLIGHT_TEXT, text),
      AT(flight_option_value, 2, FLIGHT_NUMBER, boolean));

SHAPE(flight_statement, "the statement's command", AT(flight_statement, 1, FLIGHT_TEXT, query),
      AT(flight_statement, 2, FLIGHT_BYTES, transaction));
SHAPE(flight_handle, "the command with a handle", AT(flight_handle, 1, FLIGHT_BYTES, handle));
SHAPE(flight_end, "the request to end a transaction or savepoint", AT(flight_end, 1, FLIGHT_BYTES, handle),
      AT(flight_end, 2, FLIGHT_NUMBER, action));
SHAPE(flight_savepoint, "ActionBeginSavepointRequest", AT(flight_savepoint, 1, FLIGHT_BYTES, transaction),
      AT(flight_savepoint, 2, FLIGHT_TEXT, name));
SHAPE(flight_ingest, "CommandStatementIngest", AT(flight_ingest, 1, FLIGHT_BYTES, definition),
      AT(flight_ingest, 2, FLIGHT_TEXT, table), AT(flight_ingest, 3, FLIGHT_TEXT, schema),
      AT(flight_ingest, 4, FLIGHT_TEXT, catalog), AT(flight_ingest, 5, FLIGHT_NUMBER, temporary),
      AT(flight_ingest, 6, FLIGHT_BYTES, transaction), AT(flight_ingest, 1000, FLIGHT_BLOBS, options));
SHAPE(flight_definition, "TableDefinitionOptions", AT(flight_definition, 1, FLIGHT_NUMBER, if_not_exist),
      AT(flight_definition, 2, FLIGHT_NUMBER, if_exists));
SHAPE(flight_sql_info, "CommandGetSqlInfo", AT(flight_sql_info, 1, FLIGHT_NUMBERS, info));
SHAPE(flight_type_info, "CommandGetXdbcTypeInfo", AT(flight_type_info, 1, FLIGHT_NUMBER, data_type));
SHAPE(flight_schemas, "CommandGetDbSchemas", AT(flight_schemas, 1, FLIGHT_TEXT, catalog),
      AT(flight_schemas, 2, FLIGHT_TEXT, pattern));
SHAPE(flight_tables, "CommandGetTables", AT(flight_tables, 1, FLIGHT_TEXT, catalog),
      AT(flight_tables, 2, FLIGHT_TEXT, schema_pattern), AT(flight_tables, 3, FLIGHT_TEXT, table_pattern),
      AT(flight_tables, 4, FLIGHT_TEXTS, types), AT(flight_tables, 5, FLIGHT_NUMBER, include_schema));
SHAPE(flight_key_table, "the command for keys", AT(flight_key_table, 1, FLIGHT_TEXT, catalog),
      AT(flight_key_table, 2, FLIGHT_TEXT, schema), AT(flight_key_table, 3, FLIGHT_TEXT, table));
SHAPE(flight_cross_reference, "CommandGetCrossReference", AT(flight_cross_reference, 1, FLIGHT_TEXT, parent.catalog),
      AT(flight_cross_reference, 2, FLIGHT_TEXT, parent.schema),
      AT(flight_cross_reference, 3, FLIGHT_TEXT, parent.table),
      AT(flight_cross_reference, 4, FLIGHT_TEXT, child.catalog),
      AT(flight_cross_reference, 5, FLIGHT_TEXT, child.schema),
      AT(flight_cross_reference, 6, FLIGHT_TEXT, child.table));

/* Room for one item more; in the arena, so old room goes with it. */
static void *grow(struct base_arena *arena, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    size_t room = *capacity == 0 ? 4 : *capacity * 2;
    void *larger = base_arena_alloc(arena, room * size);
    if (larger == NULL)
        return NULL;
    if (count > 0)
        memcpy(larger, items, count * size);
    *capacity = room;
    return larger;
}

static bool add_bytes(struct flight_list *list, struct flight_bytes bytes, struct base_arena *arena)
{
    struct flight_bytes *items = grow(arena, list->items, list->count, &list->capacity, sizeof *list->items);
    if (items == NULL)
        return false;
    list->items = items;
    list->items[list->count++] = bytes;
    return true;
}

static bool add_number(struct flight_numbers *list, uint64_t number, struct base_arena *arena)
{
    uint64_t *items = grow(arena, list->items, list->count, &list->capacity, sizeof *list->items);
    if (items == NULL)
        return false;
    list->items = items;
    list->items[list->count++] = number;
    return true;
}

static bool is_text(struct flight_bytes bytes)
{
    return bytes.len == 0 || (memchr(bytes.bytes, '\0', bytes.len) == NULL && base_utf8_valid(bytes.bytes, bytes.len));
}

/* A packed list is one field of varints. */
static rhei_status take_numbers(struct flight_numbers *list, const struct wire_field *field, struct base_arena *arena)
{
    if (field->type == WIRE_VARINT)
        return add_number(list, field->value, arena) ? RHEI_OK : RHEI_NO_MEMORY;
    const uint8_t *at = field->bytes.bytes, *end = at + field->bytes.len;
    uint64_t value = 0;
    unsigned shift = 0;
    for (; at < end; at++) {
        if (shift > 63)
            return RHEI_INVALID;
        value |= (uint64_t)(*at & 0x7f) << shift;
        shift += 7;
        if (*at >= 0x80)
            continue;
        if (!add_number(list, value, arena))
            return RHEI_NO_MEMORY;
        value = 0;
        shift = 0;
    }
    return shift == 0 ? RHEI_OK : RHEI_INVALID;
}

static rhei_status take_field(const struct flight_field *known, const struct wire_field *field, void *message,
                              struct base_arena *arena)
{
    void *place = (char *)message + known->offset;
    bool number = known->kind == FLIGHT_NUMBER, numbers = known->kind == FLIGHT_NUMBERS;
    if (numbers)
        return field->type == WIRE_VARINT || field->type == WIRE_LENGTH ? take_numbers(place, field, arena)
                                                                        : RHEI_INVALID;
    if (field->type != (number ? WIRE_VARINT : WIRE_LENGTH))
        return RHEI_INVALID;
    if (number) {
        memcpy(place, &field->value, sizeof field->value);
        return RHEI_OK;
    }
    if ((known->kind == FLIGHT_TEXT || known->kind == FLIGHT_TEXTS) && !is_text(field->bytes))
        return RHEI_TYPE;
    if (known->kind == FLIGHT_TEXTS || known->kind == FLIGHT_BLOBS)
        return add_bytes(place, field->bytes, arena) ? RHEI_OK : RHEI_NO_MEMORY;
    memcpy(place, &field->bytes, sizeof field->bytes);
    return RHEI_OK;
}

rhei_status flight_decode(const struct flight_shape *shape, struct flight_bytes bytes, void *message,
                          struct base_arena *arena, struct rhei_error *error)
{
    struct wire_reader reader = wire_open(bytes.bytes, bytes.len);
    struct wire_field field;
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK && wire_next(&reader, &field)) {
        const struct flight_field *known = shape->fields;
        while (known->number != 0 && known->number != field.number)
            known++;
        if (known->number != 0)
            status = take_field(known, &field, message, arena);
    }
    if (status == RHEI_NO_MEMORY)
        return error_no_memory(error);
    if (status == RHEI_TYPE)
        return error_set(error, RHEI_INVALID, "%s has a text that isn't UTF-8, or has a NUL in it", shape->name);
    if (status != RHEI_OK || reader.wrong)
        return error_set(error, RHEI_INVALID, "%s can't be read: its bytes are no such message", shape->name);
    return RHEI_OK;
}
