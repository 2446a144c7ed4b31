/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals that are remembered: proving that a text can't be translated may cost milliseconds, at each execution. A refusal
 * follows from the text, the bound values and what the tables' columns hold, as the translator looks at them; while none
 * of these has changed it holds. Hashes stand for them: if two were ever equal by chance, SQLite answers, and rightly.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_map.h"
#include "route/route_internal.h"

static uint64_t hash_value(const struct rhei_value *value, uint64_t hash)
{
    hash = base_hash(&value->type, sizeof value->type, hash);
    if (value->type >= RHEI_TEXT)
        return base_hash(value->as.bytes, value->length, hash);
    return value->type == RHEI_NULL ? hash : base_hash(&value->as, sizeof value->as, hash);
}

uint64_t route_refusal_key(struct route_statement *statement, struct route_catalog *catalog,
                           const struct rhei_value *params, uint32_t param_count)
{
    const struct oltp_facts *facts = &statement->facts;
    uint64_t hash = 1;
    for (uint32_t i = 0; i < facts->reference_count; i++) {
        const struct translate_table *table =
            catalog->catalog.table(catalog->catalog.context, NULL, facts->references[i].table);
        uint64_t held = table != NULL ? translate_table_fingerprint(table) : 0;
        hash = base_hash(&held, sizeof held, hash);
    }
    for (uint32_t i = 0; i < param_count; i++)
        hash = hash_value(&params[i], hash);
    return hash | 1; /* 0: none */
}

bool route_refusal_holds(struct route_statement *statement, uint64_t key, struct route_choice *choice)
{
    base_mutex_lock(&statement->lock);
    bool holds = statement->refusal.key == key;
    if (holds) {
        choice->target = ROUTE_TO_OLTP;
        choice->rule = statement->refusal.rule;
        choice->offset = statement->refusal.offset;
        memcpy(choice->text, statement->refusal.reason, sizeof choice->text);
        choice->reason = choice->text;
    }
    base_mutex_unlock(&statement->lock);
    return holds;
}

void route_refusal_keep(struct route_statement *statement, uint64_t key, const struct route_choice *choice)
{
    base_mutex_lock(&statement->lock);
    statement->refusal.key = key;
    statement->refusal.rule = choice->rule;
    statement->refusal.offset = choice->offset;
    snprintf(statement->refusal.reason, sizeof statement->refusal.reason, "%s", choice->reason);
    base_mutex_unlock(&statement->lock);
}
