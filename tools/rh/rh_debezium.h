/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_debezium.h
 * Changes in Debezium's envelope (io.debezium.data.Envelope), as Kafka Connect's JsonConverter writes and reads it.
 */
#ifndef RH_DEBEZIUM_H
#define RH_DEBEZIUM_H

#include "rh_memory.h"
#include "rhei/rhei_doors.h"

struct rh_debezium_table;

/** Zero it, and set the first two fields. */
struct rh_debezium {
    const char *database; /**< the file, borrowed */
    bool schemas;         /**< each line is the record's key, a tab and its value, both with schema and payload */
    struct rh_debezium_table *tables;
    size_t table_count;
};

/** Takes in the definition of a table (RHEI_CHANGE_TABLE): what its NULLs are called. Other kinds change nothing. */
void rh_debezium_learn(struct rh_debezium *debezium, rhei_db *db, const struct rhei_change *change);
/** Adds the line of a row; whatever else there is has no place in the envelope. */
void rh_debezium_add(struct rh_debezium *debezium, struct rh_buffer *out, const struct rhei_change *change);
void rh_debezium_reset(struct rh_debezium *debezium);

/** Whether the column is one of the key's. */
bool rh_change_key_has(const struct rhei_change *change, uint32_t column);
/** Adds a row as an object of JSON, or its key alone. */
void rh_add_change_row(struct rh_buffer *out, const struct rhei_change *change, const struct rhei_value *values,
                       bool key_only);

#endif
