/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of Flight.proto and FlightSql.proto (Apache Arrow 18) that a client sends, one struct each with a table of its fields. What is
 * decoded points into the bytes it came from. Pure; any thread.
 */
#ifndef FLIGHT_MESSAGE_H
#define FLIGHT_MESSAGE_H

#include "base/base_arena.h"
#include "flight_wire.h"

struct flight_list {
    struct flight_bytes *items;
    size_t count, capacity;
};
struct flight_numbers {
    uint64_t *items;
    size_t count, capacity;
};

enum flight_kind {
    FLIGHT_BYTES,   /* struct flight_bytes; the last one wins */
    FLIGHT_TEXT,    /* the same, UTF-8 without NUL */
    FLIGHT_NUMBER,  /* uint64_t, of a varint */
    FLIGHT_TEXTS,   /* struct flight_list, of texts */
    FLIGHT_BLOBS,   /* struct flight_list, of messages or bytes */
    FLIGHT_NUMBERS, /* struct flight_numbers, packed or not */
};
struct flight_field {
    uint32_t number;
    uint8_t kind; /* enum flight_kind */
    size_t offset;
};
/* A message's name and its fields, which end with number 0. What isn't in the table is passed over, as newer versions need it. */
struct flight_shape {
    const char *name;
    const struct flight_field *fields;
};

/* Fills *message, whose struct was zeroed. Lists are in the arena. RHEI_INVALID names the message. */
rhei_status flight_decode(const struct flight_shape *shape, struct flight_bytes bytes, void *message,
                          struct base_arena *arena, struct rhei_error *error);

/* ---- Flight ------------------------------------------------------------------------------------------------------- */

struct flight_descriptor {
    uint64_t type;
    struct flight_bytes cmd;
};
struct flight_ticket {
    struct flight_bytes ticket;
};
struct flight_action {
    struct flight_bytes type, body;
};
struct flight_any {
    struct flight_bytes type_url, value;
};
struct flight_data {
    struct flight_bytes descriptor, header, metadata, body;
};
struct flight_info { /* and what CancelFlightInfo and CancelQuery wrap around it */
    struct flight_list endpoints;
};
struct flight_wrapped {
    struct flight_bytes inner;
};
struct flight_endpoint {
    struct flight_bytes ticket;
};
struct flight_entries { /* SetSessionOptionsRequest: entries of a map */
    struct flight_list entries;
};
struct flight_entry {
    struct flight_bytes key, value;
};
struct flight_option_value {
    struct flight_bytes text;
    uint64_t boolean;
};
extern const struct flight_shape flight_descriptor_shape, flight_ticket_shape, flight_action_shape, flight_any_shape,
    flight_data_shape, flight_info_shape, flight_wrapped_shape, flight_endpoint_shape, flight_entries_shape,
    flight_entry_shape, flight_option_value_shape;

/* ---- Flight SQL --------------------------------------------------------------------------------------------------- */

struct flight_statement { /* CommandStatementQuery, CommandStatementUpdate, ActionCreatePreparedStatementRequest */
    struct flight_bytes query, transaction;
};
struct flight_handle { /* what has one handle as its field 1 */
    struct flight_bytes handle;
};
struct flight_end { /* ActionEndTransactionRequest, ActionEndSavepointRequest */
    struct flight_bytes handle;
    uint64_t action; /* 1: commit or release, 2: roll back */
};
struct flight_savepoint {
    struct flight_bytes transaction, name;
};
struct flight_ingest {
    struct flight_bytes definition, table, schema, catalog, transaction;
    uint64_t temporary;
    struct flight_list options;
};
struct flight_definition {
    uint64_t if_not_exist, if_exists;
};
struct flight_sql_info {
    struct flight_numbers info;
};
struct flight_type_info {
    uint64_t data_type;
};
struct flight_schemas {
    struct flight_bytes catalog, pattern;
};
struct flight_tables {
    struct flight_bytes catalog, schema_pattern, table_pattern;
    struct flight_list types;
    uint64_t include_schema;
};
struct flight_key_table { /* CommandGetPrimaryKeys, ExportedKeys, ImportedKeys */
    struct flight_bytes catalog, schema, table;
};
struct flight_cross_reference {
    struct flight_key_table parent, child;
};
extern const struct flight_shape flight_statement_shape, flight_handle_shape, flight_end_shape, flight_savepoint_shape,
    flight_ingest_shape, flight_definition_shape, flight_sql_info_shape, flight_type_info_shape, flight_schemas_shape,
    flight_tables_shape, flight_key_table_shape, flight_cross_reference_shape;

#endif
