/* SPDX-License-Identifier: Apache-2.0 */
/* How far each source was in the state that an answer was read from. */
#include "engine/engine_positions.h"

#include <string.h>

#include "base/base_map.h"

/* Bits of source_bit_of_table. A text in the column store's own words may read any: nobody here parsed it. */
static uint32_t sources_of(const struct rhei_rows *rows)
{
    if (rows->read.sources != 0)
        return rows->read.sources;
    if (rows->kind == ANSWER_CURSOR)
        return rows->cursor == NULL ? 0 : oltp_cursor_sources(rows->cursor);
    if (rows->state.snapshot.slot == NULL)
        return 0;
    bool parsed = rows->statement != NULL && !route_statement_is_native(rows->statement);
    return parsed ? engine_shown_bits(rows->db, route_statement_facts(rows->statement)) : UINT32_MAX;
}

/* By a source's number; 0 is the histories of our own file. */
static int64_t position_of(const struct rhei_rows *rows, uint32_t number)
{
    uint32_t bit = source_bit_of_table((number == 0 ? TABLE_HISTORY : number) << TABLE_SOURCE_SHIFT);
    if (rows->read.sources != 0)
        return rows->read.positions[__builtin_ctz(bit)];
    return rows->kind == ANSWER_CURSOR ? oltp_cursor_position_of(rows->cursor, number)
                                       : mirror_snapshot_position_of(&rows->state.snapshot, number);
}

uint32_t engine_position_next(struct engine_positions *positions, const char **name, int64_t *position)
{
    uint32_t number = 0;
    positions->at = engine_shown_next(positions->rows->db, positions->sources, positions->at, name, &number);
    if (positions->at > 0)
        *position = position_of(positions->rows, number);
    if (positions->at > 0 && number == 0) /* what is kept of our own file */
        *position = engine_log_position(positions->rows->db, *position);
    return positions->at;
}

int64_t engine_log_position(const struct rhei_db *db, int64_t position)
{
    struct change_source *source = db->source;
    return source == NULL || source->ops->logged == NULL ? position : source->ops->logged(source, position);
}

struct engine_positions engine_positions_of(const struct rhei_rows *rows)
{
    return (struct engine_positions){.rows = rows, .sources = sources_of(rows)};
}

/* Tables of our own file, in the column store; SQLite's rows of them are of the moment. */
static bool reads_own(const struct rhei_rows *rows)
{
    if (rows->kind == ANSWER_CURSOR)
        return false;
    if (rows->statement == NULL || route_statement_is_native(rows->statement)) {
        struct sync_status status = {0};
        sync_get_status(rows->db->sync, &status);
        return status.tables > 0 || rows->db->checkpoint != NULL;
    }
    const struct oltp_facts *facts = route_statement_facts(rows->statement);
    bool own = false;
    for (uint32_t r = 0; r < facts->reference_count && !own; r++) {
        const char *name = NULL;
        uint32_t at = 0, number = 0;
        own = facts->references[r].schema[0] != '\0';
        while (own && (at = engine_shown_next(rows->db, UINT32_MAX, at, &name, &number)) > 0)
            own = base_fold_compare(facts->references[r].schema, name) != 0;
    }
    return own;
}

int64_t engine_age_us(const struct rhei_rows *rows, const struct engine_ask *ask)
{
    bool own = reads_own(rows);
    if (ask->freshness.mode == RHEI_FRESHNESS_LATEST || (!own && rows->db->shown == NULL))
        return 0;
    int64_t now = base_now_ns(), oldest = engine_shown_fresh_at_ns(rows->db, sources_of(rows), now);
    int64_t ours = own ? sync_fresh_at_ns(rows->db->sync) : now;
    oldest = ours < oldest ? ours : oldest;
    return oldest == 0 ? -1 : (now - oldest) / 1000;
}

static void measure(const struct rhei_rows *rows, size_t *count, size_t *text)
{
    struct engine_positions positions = engine_positions_of(rows);
    const char *name = NULL;
    int64_t position = 0;
    *count = 1;
    *text = sizeof "main";
    while (engine_position_next(&positions, &name, &position) > 0) {
        *text += strlen(name) + 1;
        ++*count;
    }
}

rhei_status rhei_rows_position_list(rhei_rows *rows, struct rhei_source_position ***list, size_t *count,
                                    struct rhei_error *error)
{
    error_clear(error);
    if (rows == NULL || list == NULL || count == NULL)
        return error_set(error, RHEI_INVALID, "rows, a place for the positions and one for their number are needed");
    size_t most = 0, text = 0, filled = 0;
    measure(rows, &most, &text);
    struct rhei_source_position **made = base_alloc_zero(1, most * (sizeof *made + sizeof **made) + text);
    if (made == NULL)
        return error_no_memory(error);
    struct rhei_source_position *items = (struct rhei_source_position *)(made + most);
    char *names = (char *)(items + most);
    struct engine_positions positions = engine_positions_of(rows);
    const char *name = "main";
    int64_t position = rhei_rows_position(rows);
    do {
        size_t len = strlen(name) + 1;
        items[filled] = (struct rhei_source_position){.source = memcpy(names, name, len), .position = position};
        made[filled] = &items[filled];
        names += len;
        filled++;
    } while (engine_position_next(&positions, &name, &position) > 0);
    *list = made;
    *count = filled;
    return RHEI_OK;
}
