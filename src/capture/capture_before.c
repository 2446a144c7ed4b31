/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture_before.h"

#include "capture/capture_look.h"

/* Of REAL zeros SQL can't tell whether they are of the same bits, so the triggers take them for different. */
static bool before_is_same(const struct source_column *column, const struct rhei_value *before,
                           const struct rhei_value *now)
{
    bool zero = column->affinity == AFFINITY_BLOB && now->type == RHEI_REAL && now->as.real == 0.0;
    return !zero && capture_same_value(before, now);
}

bool capture_before_has_key(const struct source_table *table, const struct rhei_value *before,
                            const struct rhei_value *now)
{
    bool same = true;
    for (uint32_t i = 0; i < table->key_count && same; i++) {
        uint32_t c = table->key_columns[i];
        same = before_is_same(&table->columns[c], &before[c], &now[c]);
    }
    for (uint32_t c = 0; c < table->column_count && same; c++)
        same = !table->columns[c].in_primary_key || before_is_same(&table->columns[c], &before[c], &now[c]);
    return same;
}
