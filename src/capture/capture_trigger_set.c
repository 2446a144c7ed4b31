/* SPDX-License-Identifier: Apache-2.0 */
/* A table's triggers as they are in the file, beside those that it must have: which are right, and stay, and in which order they fire (T7 of capture_triggers.c). */
#include <string.h>

#include "capture/capture_definition.h"

void capture_trigger_set_reset(struct capture_trigger_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        base_free(set->name[i]);
        base_free(set->sql[i]);
    }
    set->count = 0;
}

static bool trigger_ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), tail = strlen(suffix);
    return len > tail && strcmp(name + len - tail, suffix) == 0;
}

static bool trigger_is_before(const char *name)
{
    return trigger_ends_in(name, "_bi") || trigger_ends_in(name, "_bu") || trigger_ends_in(name, "_bd");
}

/* T7: whether a trigger of others is newer than this one of ours. */
static bool trigger_is_late(const struct capture_table_schema *table, const struct capture_object *own)
{
    const struct capture_definition *definition = table->definition;
    for (uint32_t i = 0; i < definition->object_count && !trigger_is_before(own->name); i++)
        if (definition->objects[i].type == CAPTURE_OBJECT_TRIGGER && definition->objects[i].rowid > own->rowid)
            return true;
    return false;
}

/* Whether the set has the trigger in the same words, and it is where it must be. */
static bool trigger_is_right(const struct capture_table_schema *table, const struct capture_object *trigger,
                             const struct capture_trigger_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (strcmp(set->name[i], trigger->name) == 0)
            return strcmp(set->sql[i], trigger->sql) == 0 && !trigger_is_late(table, trigger);
    return false;
}

bool capture_triggers_equal(const struct capture_table_schema *table, const struct capture_trigger_set *set)
{
    bool equal = table->trigger_count == set->count;
    for (uint32_t k = 0; k < table->trigger_count && equal; k++)
        equal = trigger_is_right(table, &table->triggers[k], set);
    return equal;
}

/* Which triggers stay or go together: each fires before those of its kind that were made before it. 0: alone. */
static int trigger_kind(const char *name)
{
    static const char *const suffixes[] = {"_ai", "_ci", "_au", "_ak", "_cu"};
    for (int i = 0; i < (int)(sizeof suffixes / sizeof *suffixes); i++)
        if (trigger_ends_in(name, suffixes[i]))
            return i < 2 ? 1 : 2;
    return 0;
}

uint32_t capture_triggers_kept(const struct capture_table_schema *table, const struct capture_trigger_set *set)
{
    uint32_t kept = 0, kinds[3] = {0}, same_kinds[3] = {0}, wanted_kinds[3] = {0};
    for (uint32_t i = 0; i < set->count; i++)
        wanted_kinds[trigger_kind(set->name[i])]++;
    for (uint32_t k = 0; k < table->trigger_count && k < 32; k++) {
        const struct capture_object *trigger = &table->triggers[k];
        bool same = trigger_is_right(table, trigger, set);
        int kind = trigger_kind(trigger->name);
        kept |= same ? 1u << k : 0;
        kinds[kind] |= 1u << k;
        same_kinds[kind] += same;
    }
    for (int kind = 1; kind < 3; kind++)
        kept &= same_kinds[kind] == wanted_kinds[kind] ? UINT32_MAX : ~kinds[kind];
    return kept;
}

bool capture_keeps(const struct capture_table_schema *table, bool wanted)
{
    for (uint32_t k = 0; k < table->trigger_count; k++)
        wanted |= trigger_ends_in(table->triggers[k].name, "_ci");
    return wanted && table->table.source.unmirrored_reason == NULL && !capture_logs_keys(table);
}
