/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader of the source holds, kept as plainly as can be: each table's rows as texts by their keys. It follows the rules of port/change_source.h as
 * `sync` does: loads beside cycles, changes left out by number, tables lost and read again.
 */
#ifndef POSTGRES_MODEL_H
#define POSTGRES_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "source_postgres/source_postgres.h"

struct model_table {
    uint32_t id;
    char name[80];
    char reason[300];
    uint32_t column_count, key_count, key[8];
    bool loaded;
    int64_t applied;
    struct base_map *rows; /* key -> struct model_row */
    struct model_table *next;
};

struct model {
    struct change_source *source;
    struct model_table *tables;
    bool known;
    uint32_t loaders;
    size_t max_rows;
    int loads, lost, changes;
    int64_t known_us;        /* as the last cycle said */
    bool awaited;            /* somebody waits for the cycles */
    struct rhei_error error; /* of the last cycle */
};

void model_init(struct model *model, struct change_source *source);
void model_reset(struct model *model);
/* One cycle, the loads that it wants, and one cycle more where there were any. */
rhei_status model_cycle(struct model *model);
struct model_table *model_find(struct model *model, const char *name);
/* Rows as "1|a|NULL" by their keys, one a line; base_free. */
char *model_show(const struct model_table *table);

#endif
