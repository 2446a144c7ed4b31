/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load: all rows of a table by a reader of its own, by key or in the parts that it makes of it; and from where the looks after it have to begin.
 */
#include "poll_internal.h"

#include <stdatomic.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

enum { LOAD_ROWS = 16384 };

/* Of a thread. */
struct part {
    struct poll_batch batch;
    bool done;
};

struct source_load {
    struct poll_source *poll;
    struct poll_reader *reader;
    uint32_t id;
    char *name;
    uint64_t print;
    const struct poll_table *table;
    size_t index;
    bool begun, first;
    struct poll_value marks[POLL_STAMPS_MOST];
    int64_t horizon;
    struct poll_place place;
    struct part *parts; /* [part_count]; the first one's batch is that of pages, too */
    uint32_t part_count;
    bool split; /* `parts` are the reader's */
};

/* Under `lock`. */
static struct poll_track *track_of(struct poll_source *poll, uint32_t id)
{
    for (size_t t = 0; t < poll->track_count; t++)
        if (poll->tracks[t]->id == id)
            return poll->tracks[t];
    return NULL;
}

static rhei_status name_table(struct source_load *load, struct rhei_error *error)
{
    struct poll_source *poll = load->poll;
    base_mutex_lock(&poll->lock);
    const struct poll_track *track = track_of(poll, load->id);
    load->name = track == NULL ? NULL : base_strdup(track->name);
    load->print = track == NULL ? 0 : track->print;
    base_mutex_unlock(&poll->lock);
    if (track == NULL)
        return error_set(error, RHEI_NOT_FOUND, "the table isn't there any more");
    return load->name == NULL ? error_no_memory(error) : RHEI_OK;
}

static rhei_status find_table(struct source_load *load, struct rhei_error *error)
{
    const struct poll_table *tables = NULL;
    size_t count = 0;
    rhei_status status = load->reader->ops->tables(load->reader, &tables, &count, error);
    for (size_t t = 0; t < count && status == RHEI_OK; t++)
        if (strcmp(tables[t].definition.name, load->name) == 0 && tables[t].definition.unmirrored_reason == NULL) {
            load->table = &tables[t];
            load->index = t;
        }
    if (status == RHEI_OK && (load->table == NULL || poll_print(load->table) != load->print))
        status = error_set(error, RHEI_STALE, "the table changed");
    return status;
}

/*
 * Before the first row is read. Nobody knows what was the newest stamp a while ago, so the first looks reach back by rows: a transaction that commits
 * right after the load may have a stamp of before it.
 */
static rhei_status take_marks(struct source_load *load, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (uint32_t s = 0; s < load->table->stamp_count && status == RHEI_OK; s++) {
        struct rhei_value value = {0};
        status = load->reader->ops->newest(load->reader, load->index, load->table->stamps[s], POLL_OVERLAP_ROWS, &value,
                                           error);
        if (status == RHEI_OK && !poll_value_set(&load->marks[s], &value))
            status = error_no_memory(error);
    }
    return status;
}

static rhei_status split(struct source_load *load, uint32_t most, struct rhei_error *error)
{
    const struct poll_reader_ops *ops = load->reader->ops;
    uint32_t parts = 0;
    rhei_status status = ops->split == NULL ? RHEI_OK : ops->split(load->reader, load->index, most, &parts, error);
    load->split = parts > 0;
    load->part_count = parts > 0 ? parts : 1;
    load->parts = status == RHEI_OK ? base_alloc_zero(load->part_count, sizeof *load->parts) : NULL;
    return status == RHEI_OK && load->parts == NULL ? error_no_memory(error) : status;
}

rhei_status poll_load_begin(struct change_source *source, uint32_t table, uint32_t loaders, struct source_load **slot,
                            struct source_load_info *info, struct rhei_error *error)
{
    struct poll_source *poll = (struct poll_source *)source;
    struct source_load *load = base_alloc_zero(1, sizeof *load);
    struct poll_state state = {0};
    *slot = load;
    if (load == NULL)
        return error_no_memory(error);
    load->poll = poll;
    load->id = table;
    load->first = true;
    info->position = atomic_load(&poll->position); /* before the state is read, which may have more */
    rhei_status status = name_table(load, error);
    if (status == RHEI_OK)
        status = poll->config.open(poll->config.context, &load->reader, error);
    if (status == RHEI_OK)
        status = load->reader->ops->begin(load->reader, &state, error);
    load->begun = status == RHEI_OK;
    load->horizon = state.horizon;
    if (status == RHEI_OK)
        status = find_table(load, error);
    if (status == RHEI_OK)
        status = take_marks(load, error);
    if (status == RHEI_OK)
        status = split(load, loaders, error);
    info->loader_count = load->part_count;
    if (status != RHEI_OK)
        poll_load_end(slot);
    return status;
}

static rhei_status next_page(struct source_load *load, size_t max_rows, struct poll_rows *rows,
                             struct rhei_error *error)
{
    struct poll_page page = {.table = load->index,
                             .order = POLL_BY_KEY,
                             .first = load->first,
                             .from = load->place.from,
                             .most = max_rows < LOAD_ROWS ? max_rows : LOAD_ROWS};
    rhei_status status = load->reader->ops->page(load->reader, &page, rows, error);
    if (status != RHEI_OK)
        return status;
    load->first = false;
    load->parts[0].done = rows->count < page.most;
    if (!load->parts[0].done && !poll_place_set(&load->place, load->table, rows, -1))
        return error_no_memory(error);
    return RHEI_OK;
}

static rhei_status next_of_part(struct source_load *load, uint32_t number, size_t max_rows, struct poll_rows *rows,
                                struct rhei_error *error)
{
    rhei_status status =
        load->reader->ops->part(load->reader, number, max_rows < LOAD_ROWS ? max_rows : LOAD_ROWS, rows, error);
    load->parts[number].done = status == RHEI_OK && rows->count == 0;
    return status;
}

rhei_status poll_load_next(struct source_load *load, uint32_t loader, size_t max_rows,
                           const struct change_batch **batch, struct rhei_error *error)
{
    struct part *part = &load->parts[loader];
    *batch = NULL;
    while (!part->done) {
        struct poll_rows rows = {0};
        rhei_status status =
            load->split ? next_of_part(load, loader, max_rows, &rows, error) : next_page(load, max_rows, &rows, error);
        if (status == RHEI_OK)
            status = poll_batch_fill(&part->batch, load->table, &rows, true, error);
        if (status != RHEI_OK)
            return status;
        if (part->batch.view.row_count == 0)
            continue;
        part->batch.view.table = load->id;
        *batch = &part->batch.view;
        return RHEI_OK;
    }
    return RHEI_OK;
}

static bool is_done(const struct source_load *load)
{
    bool done = load->parts != NULL;
    for (uint32_t p = 0; p < load->part_count && done; p++)
        done = load->parts[p].done;
    return done;
}

/* From where the looks go on, once the table is followed. */
static void hand_over(struct source_load *load)
{
    struct poll_source *poll = load->poll;
    base_mutex_lock(&poll->lock);
    struct poll_track *track = track_of(poll, load->id);
    for (size_t s = 0; track != NULL && s < POLL_STAMPS_MOST; s++) {
        struct poll_value old = track->load_marks[s];
        track->load_marks[s] = load->marks[s];
        load->marks[s] = old;
    }
    if (track != NULL) {
        track->load_horizon = load->horizon;
        track->loaded = true;
    }
    base_mutex_unlock(&poll->lock);
}

void poll_load_end(struct source_load **slot)
{
    struct source_load *load = *slot;
    *slot = NULL;
    if (load == NULL)
        return;
    if (is_done(load))
        hand_over(load);
    if (load->begun)
        load->reader->ops->end(load->reader);
    if (load->reader != NULL)
        load->reader->ops->close(&load->reader);
    for (size_t s = 0; s < POLL_STAMPS_MOST; s++)
        poll_value_reset(&load->marks[s]);
    poll_place_reset(&load->place);
    for (uint32_t p = 0; load->parts != NULL && p < load->part_count; p++)
        poll_batch_reset(&load->parts[p].batch);
    base_free(load->parts);
    base_free(load->name);
    base_free(load);
}
