/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of a snapshot row by row, as port/table_reader.h wants them: the reader, its pins, and a pin's first invariant.
 *
 *  1. A pin is one snapshot; whatever its cursors give lives as long as it does.
 */
#include "mirror_table_reader.h"

#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror_table_cursor.h"

struct mirror_reader {
    struct table_reader base;
    struct mirror_table_reader_config config;
    char *names[256];
    _Atomic uint64_t named;
};

/* ---- The reader and its pins. ------------------------------------------------------------------------------------- */

static uint64_t reader_generation(struct table_reader *base)
{
    struct mirror_reader *reader = (struct mirror_reader *)base;
    return mirror_foreign_generation(reader->config.mirror) +
           (atomic_load_explicit(&reader->named, memory_order_relaxed) << 48);
}

static rhei_status reader_pin(struct table_reader *base, const struct table_freshness *freshness,
                              struct table_pin **result, struct rhei_error *error)
{
    struct mirror_reader *reader = (struct mirror_reader *)base;
    *result = NULL;
    if (freshness != NULL && freshness->most_age_ms >= 0 && reader->config.fresh != NULL) {
        rhei_status status = reader->config.fresh(reader->config.context, freshness, error);
        if (status != RHEI_OK)
            return status;
    }
    struct table_pin *pin = base_alloc_zero(1, sizeof *pin);
    if (pin == NULL || mirror_snapshot_take(reader->config.mirror, &pin->snapshot) != RHEI_OK) {
        base_free(pin);
        return error_no_memory(error);
    }
    pin->reader = reader;
    *result = pin;
    return RHEI_OK;
}

static uint64_t reader_generation_of(struct table_pin *pin)
{
    return pin->snapshot.version->foreign + (atomic_load_explicit(&pin->reader->named, memory_order_relaxed) << 48);
}

static void reader_unpin(struct table_pin **slot)
{
    struct table_pin *pin = slot == NULL ? NULL : *slot;
    if (pin == NULL)
        return;
    *slot = NULL;
    mirror_cursor_unpin(pin);
    mirror_snapshot_release(&pin->snapshot);
    base_free(pin);
}

const struct mirror_snapshot *mirror_table_reader_state(const struct table_pin *pin)
{
    return &pin->snapshot;
}

static int64_t reader_position_of(struct table_pin *pin, uint32_t source)
{
    return mirror_snapshot_position_of(&pin->snapshot, source);
}

static rhei_status reader_tables(struct table_pin *pin, struct readable_table **tables, uint32_t *count,
                                 struct rhei_error *error)
{
    void *items = NULL;
    size_t capacity = 0, found = 0;
    uint32_t number = UINT32_C(1) << TABLE_SOURCE_SHIFT;
    *tables = NULL;
    *count = 0;
    for (; mirror_trie_next(&pin->snapshot.version->catalog, &number) != NULL; number++) {
        const struct mirror_table_view *view = mirror_view(&pin->snapshot, number);
        const char *name = pin->reader->names[number >> TABLE_SOURCE_SHIFT];
        if (view != NULL && name != NULL) {
            if (!base_grow(&items, &capacity, found + 1, sizeof **tables)) {
                base_free(items);
                return error_no_memory(error);
            }
            ((struct readable_table *)items)[found++] = (struct readable_table){name, &view->table->definition};
        }
        if (number == UINT32_MAX)
            break;
    }
    *tables = items;
    *count = (uint32_t)found;
    return RHEI_OK;
}

static bool reader_rows(struct table_pin *pin, uint32_t table, uint64_t *rows)
{
    const struct mirror_table_view *view = mirror_view(&pin->snapshot, table);
    *rows = view == NULL ? 0 : mirror_view_row_count(view);
    return view != NULL;
}

static bool cursor_whole(struct table_cursor *cursor, struct rhei_error *why)
{
    const struct mirror_table_reader_config *config = &cursor->pin->reader->config;
    uint64_t damages = mirror_damages(config->mirror);
    if (damages != cursor->damages && !cursor->damaged && mirror_view_is_damaged(cursor->view)) {
        cursor->damaged = true;
        if (config->damaged != NULL)
            config->damaged(config->context);
    }
    cursor->damages = damages;
    return !cursor->damaged || mirror_view_check(cursor->view, why) == RHEI_OK;
}

/* ---- Opening. ----------------------------------------------------------------------------------------------------- */

static const struct table_reader_ops reader_ops = {
    .generation = reader_generation,
    .pin = reader_pin,
    .unpin = reader_unpin,
    .generation_of = reader_generation_of,
    .position_of = reader_position_of,
    .tables = reader_tables,
    .rows = reader_rows,
    .open = mirror_cursor_open,
    .seek = mirror_cursor_seek,
    .next = mirror_cursor_next,
    .value = mirror_cursor_value,
    .whole = cursor_whole,
    .close = mirror_cursor_close,
};

rhei_status mirror_table_reader_open(const struct mirror_table_reader_config *config, struct table_reader **result,
                                     struct rhei_error *error)
{
    struct mirror_reader *reader = base_alloc_zero(1, sizeof *reader);
    *result = NULL;
    if (reader == NULL)
        return error_no_memory(error);
    reader->base.ops = &reader_ops;
    reader->config = *config;
    *result = &reader->base;
    return RHEI_OK;
}

void mirror_table_reader_close(struct table_reader **slot)
{
    if (slot == NULL || *slot == NULL)
        return;
    struct mirror_reader *reader = (struct mirror_reader *)*slot;
    for (size_t i = 0; i < sizeof reader->names / sizeof reader->names[0]; i++)
        base_free(reader->names[i]);
    base_free(reader);
    *slot = NULL;
}

rhei_status mirror_table_reader_name(struct table_reader *base, uint8_t number, const char *name,
                                     struct rhei_error *error)
{
    struct mirror_reader *reader = (struct mirror_reader *)base;
    if (number == 0 || reader->names[number] != NULL)
        return error_set(error, RHEI_INVALID, "source %u can't be named \"%s\": it is our own file, or has a name",
                         number, name);
    reader->names[number] = base_strdup(name);
    if (reader->names[number] == NULL)
        return error_no_memory(error);
    atomic_fetch_add_explicit(&reader->named, 1, memory_order_release);
    return RHEI_OK;
}
