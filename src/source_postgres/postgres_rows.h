/* SPDX-License-Identifier: Apache-2.0 */
/* One table's rows on their way out: columns that grow, bytes in an arena or borrowed. Owner thread. */
#ifndef SOURCE_POSTGRES_POSTGRES_ROWS_H
#define SOURCE_POSTGRES_POSTGRES_ROWS_H

#include "source_postgres/postgres_catalog.h"

struct postgres_rows {
    uint32_t table, columns;
    struct rhei_value **values; /* [columns][capacity] */
    uint8_t *op;                /* NULL, as the next four, unless they are logged */
    int64_t *seq, *time_us;
    uint8_t *inserted;
    uint64_t *unchanged; /* [capacity][words] */
    size_t count, capacity;
    bool logged;
    bool patches; /* a row of CHANGE_PATCH is among them */
    const char *lost;
    int64_t lost_at, lost_us;
    struct change_batch view;
};

rhei_status postgres_rows_new(uint32_t table, uint32_t columns, bool logged, struct postgres_rows **rows,
                              struct rhei_error *error);
void postgres_rows_free(struct postgres_rows **rows);
/* The row's bitmap of columns that are as they were, of rows that are logged. */
static inline uint64_t *postgres_rows_unchanged(const struct postgres_rows *rows, size_t row)
{
    return rows->unchanged + row * change_batch_words(rows->columns);
}
/* Room for one row more, at `count`. False without memory. */
bool postgres_rows_reserve(struct postgres_rows *rows);
const struct change_batch *postgres_rows_view(struct postgres_rows *rows);

#endif
