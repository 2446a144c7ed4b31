/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits into the database and out of it again.
 *
 *   W1. A commit is there once its record is, and the record is written with its last part, synced; a sync takes what was written
 *       before it along. What has no record is gone at the next open, and its keys are written again by the commit that comes instead.
 *   W2. Pruning writes the definitions that go on in the same batch as it takes the commits that had them.
 *   W3. The last commit stays, so numbers and position never begin again.
 */
#include <inttypes.h>
#include <string.h>

#include "base/base_arena.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "buffer_rocksdb/rocksdb_internal.h"
#include "feed/feed_code.h"

/* ---- Appending. -------------------------------------------------------------------------------------------------- */

static void unstage(struct rocks_buffer *buffer)
{
    base_buffer_clear(&buffer->staged);
    base_buffer_clear(&buffer->definitions);
    buffer->parts = 0;
    buffer->rows = buffer->bytes = 0;
    buffer->lost_all = false;
}

/* Into the batch of a part, or of the whole commit. */
static void put_part(struct rocks_buffer *buffer, rocksdb_writebatch_t *batch)
{
    struct rocks_key key = rocks_key_part(buffer->state.last + 1, buffer->parts++);
    buffer->api->writebatch_put(batch, key.bytes, key.len, buffer->staged.data, buffer->staged.len);
    buffer->bytes += buffer->staged.len;
    base_buffer_clear(&buffer->staged);
}

static rhei_status write_part(struct rocks_buffer *buffer, struct rhei_error *error)
{
    rocksdb_writebatch_t *batch = buffer->api->writebatch_create();
    put_part(buffer, batch);
    rhei_status status = rocks_write(buffer, batch, false, "writing the change buffer", error);
    if (status == RHEI_OK)
        rocks_fault(buffer, "buffer.part.written");
    return status;
}

/* The state after the commit that is about to be written; true: it is the first, which sets the horizon. */
static bool next_state(struct rocks_buffer *buffer, const struct change_event *event, struct change_buffer_state *state)
{
    base_mutex_lock(&buffer->lock);
    *state = buffer->state;
    base_mutex_unlock(&buffer->lock);
    bool first = state->last == state->pruned;
    state->last++;
    state->position = event->position;
    state->time_us = event->time_us;
    state->mark = event->mark;
    state->horizon = first ? event->position : state->horizon;
    state->lost_all = buffer->lost_all ? state->last : state->lost_all;
    state->definition = buffer->definitions.len > 0 ? state->last : state->definition;
    return first;
}

/* Of what came before the first commit. */
static void put_horizon(struct rocks_buffer *buffer, rocksdb_writebatch_t *batch, const struct rocks_record *first,
                        struct base_buffer *bytes)
{
    struct rocks_record none = {.number = first->number - 1, .position = first->position, .total = buffer->total};
    struct rocks_key pruned = rocks_key_one(ROCKS_KEY_PRUNED, 0);
    base_buffer_clear(bytes);
    rocks_put_record(bytes, &none);
    buffer->api->writebatch_put(batch, pruned.bytes, pruned.len, bytes->data, bytes->len);
}

static rhei_status write_commit(struct rocks_buffer *buffer, const struct change_event *event, struct rhei_error *error)
{
    const struct rocks_api *api = buffer->api;
    struct change_buffer_state state;
    struct base_buffer bytes = {0};
    bool first = next_state(buffer, event, &state);
    rocksdb_writebatch_t *batch = api->writebatch_create();
    if (buffer->staged.len > 0)
        put_part(buffer, batch);
    struct rocks_record record = {.number = state.last,
                                  .position = state.position,
                                  .time_us = state.time_us,
                                  .mark = state.mark,
                                  .parts = buffer->parts,
                                  .rows = buffer->rows,
                                  .total = buffer->total + buffer->bytes,
                                  .lost_all = state.lost_all,
                                  .definition = state.definition};
    rocks_put_record(&bytes, &record);
    struct rocks_key commit = rocks_key_one(ROCKS_KEY_COMMIT, state.last),
                     position = rocks_key_position(state.position, state.last),
                     definitions = rocks_key_one(ROCKS_KEY_DEFINITIONS, state.last);
    api->writebatch_put(batch, commit.bytes, commit.len, bytes.data, bytes.len);
    api->writebatch_put(batch, position.bytes, position.len, "", 0);
    if (buffer->definitions.len > 0)
        api->writebatch_put(batch, definitions.bytes, definitions.len, buffer->definitions.data,
                            buffer->definitions.len);
    if (first && !bytes.failed)
        put_horizon(buffer, batch, &record, &bytes);
    bool failed = bytes.failed;
    base_buffer_reset(&bytes);
    if (failed) {
        api->writebatch_destroy(batch);
        return error_no_memory(error);
    }
    rocks_fault(buffer, "buffer.commit.begun");
    rhei_status status = rocks_write(buffer, batch, true, "writing the change buffer", error); /* W1 */
    if (status != RHEI_OK)
        return status;
    rocks_fault(buffer, "buffer.commit.synced");
    base_mutex_lock(&buffer->lock);
    state.pruned = buffer->state.pruned; /* pruning runs beside */
    state.horizon = first ? state.horizon : buffer->state.horizon;
    buffer->state = state;
    buffer->total = record.total;
    base_mutex_unlock(&buffer->lock);
    unstage(buffer);
    return RHEI_OK;
}

static rhei_status stage(struct rocks_buffer *buffer, const struct change_event *event, struct rhei_error *error)
{
    bool defines = event->kind == CHANGE_EVENT_TABLE || event->kind == CHANGE_EVENT_GONE;
    rhei_status status = event->kind == CHANGE_EVENT_BEFORE ? rocks_folder_has_before(&buffer->folder, error) : RHEI_OK;
    if (status == RHEI_OK)
        status = feed_encode(&buffer->staged, event, error);
    if (status == RHEI_OK && defines)
        status = feed_encode(&buffer->definitions, event, error);
    buffer->rows += event->rows != NULL ? event->rows->row_count : 1;
    buffer->lost_all |= event->kind == CHANGE_EVENT_LOST && event->table == 0;
    return status;
}

static rhei_status append_all(struct rocks_buffer *buffer, const struct change_event *events, size_t count,
                              struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    if (buffer->failed)
        return error_set(error, RHEI_INTERNAL, "an append failed and wasn't rolled back");
    if (buffer->reopen) /* D3 */
        status = rocks_database_reopen(buffer, error);
    if (status != RHEI_OK)
        return status;
    buffer->reopen = false;
    if (buffer->staged.len >= ROCKS_PART_BYTES)
        status = write_part(buffer, error);
    for (size_t i = 0; i < count && status == RHEI_OK; i++)
        if (events[i].kind != CHANGE_EVENT_COMMIT)
            status = stage(buffer, &events[i], error);
        else if (i == count - 1)
            status = write_commit(buffer, &events[i], error);
        else
            status = error_set(error, RHEI_INTERNAL, "a commit doesn't end its call");
    return status;
}

static rhei_status rocks_append(struct change_buffer *base, const struct change_event *events, size_t count,
                                struct rhei_error *error)
{
    struct rocks_buffer *buffer = rocks_of(base);
    rhei_status status = append_all(buffer, events, count, error);
    if (status != RHEI_OK) {
        buffer->failed = true;
        buffer->reopen = buffer->reopen || status != RHEI_INVALID;
    }
    return status;
}

static void rocks_rollback(struct change_buffer *base)
{
    struct rocks_buffer *buffer = rocks_of(base);
    unstage(buffer); /* parts that were written are written again, or go at the next open */
    buffer->failed = false;
    if (buffer->reopen && buffer->db == NULL) /* D3 */
        buffer->reopen = rocks_database_reopen(buffer, NULL) != RHEI_OK;
}

/* ---- State. ------------------------------------------------------------------------------------------------------ */

static void rocks_state(struct change_buffer *base, struct change_buffer_state *state)
{
    struct rocks_buffer *buffer = rocks_of(base);
    base_mutex_lock(&buffer->lock);
    *state = buffer->state;
    base_mutex_unlock(&buffer->lock);
}

static uint64_t rocks_bytes(struct change_buffer *base)
{
    struct rocks_buffer *buffer = rocks_of(base);
    base_mutex_lock(&buffer->lock);
    uint64_t bytes = buffer->total - buffer->pruned_total;
    base_mutex_unlock(&buffer->lock);
    return bytes;
}

static uint64_t rocks_find(struct change_buffer *base, int64_t position)
{
    struct rocks_buffer *buffer = rocks_of(base);
    const struct rocks_api *api = buffer->api;
    struct rocks_key key = rocks_key_position(position, UINT64_MAX);
    struct change_buffer_state state;
    uint64_t number = 0;
    size_t len = 0;
    if (position >= 0 && rocks_enter(buffer, NULL) == RHEI_OK) {
        rocksdb_iterator_t *iterator = api->create_iterator(buffer->db, buffer->options.reading);
        api->iter_seek_for_prev(iterator, key.bytes, key.len);
        if (api->iter_valid(iterator) != 0) {
            const char *found = api->iter_key(iterator, &len);
            number = found[0] == ROCKS_KEY_POSITION ? rocks_key_number(found, len, 9) : 0;
        }
        api->iter_destroy(iterator);
        rocks_leave(buffer);
    }
    rocks_state(base, &state);
    number = number > state.last ? state.last : number; /* one that came since isn't told yet */
    return number > state.pruned ? number : state.pruned;
}

/* ---- Pruning. ---------------------------------------------------------------------------------------------------- */

/* The record of what is pruned up to this commit, and the definitions after it. */
static rhei_status make_pruned(struct rocks_buffer *buffer, const struct rocks_record *record, struct base_buffer *out,
                               struct rhei_error *error)
{
    struct change_reader *reader = NULL;
    const struct source_table *const *tables = NULL;
    size_t count = 0;
    rocks_put_record(out, record);
    rhei_status status = rocks_reader_open(&buffer->base, &reader, error);
    if (status == RHEI_OK)
        status = rocks_tables(reader, record->number, &tables, &count, error);
    for (size_t i = 0; i < count && status == RHEI_OK; i++) {
        struct change_event event = {.kind = CHANGE_EVENT_TABLE, .definition = tables[i]};
        status = feed_encode(out, &event, error);
    }
    if (reader != NULL)
        rocks_reader_close(&reader);
    return status == RHEI_OK && out->failed ? error_no_memory(error) : status;
}

static void delete_up_to(struct rocks_buffer *buffer, rocksdb_writebatch_t *batch, const struct rocks_record *record)
{
    static const char one[] = {ROCKS_KEY_COMMIT, ROCKS_KEY_DEFINITIONS};
    const struct rocks_api *api = buffer->api;
    struct rocks_key from, to;
    for (size_t i = 0; i < sizeof one; i++) {
        from = rocks_key_one((enum rocks_key_kind)one[i], 0);
        to = rocks_key_one((enum rocks_key_kind)one[i], record->number + 1);
        api->writebatch_delete_range(batch, from.bytes, from.len, to.bytes, to.len);
    }
    from = rocks_key_part(0, 0);
    to = rocks_key_part(record->number + 1, 0);
    api->writebatch_delete_range(batch, from.bytes, from.len, to.bytes, to.len);
    from = rocks_key_position(0, 0);
    to = rocks_key_position(record->position, record->number + 1);
    api->writebatch_delete_range(batch, from.bytes, from.len, to.bytes, to.len);
}

/* Whole files go at once; what is left of them at the borders goes when they are compacted. */
static rhei_status drop_files(struct rocks_buffer *buffer, uint64_t number, struct rhei_error *error)
{
    struct rocks_key from = rocks_key_part(0, 0), to = rocks_key_part(number + 1, 0);
    char *text = NULL;
    rhei_status status = rocks_enter(buffer, error);
    if (status != RHEI_OK)
        return status;
    buffer->api->delete_file_in_range(buffer->db, from.bytes, from.len, to.bytes, to.len, &text);
    rocks_leave(buffer);
    return rocks_status(buffer->api, text, "pruning the change buffer", error);
}

/* Under prune_lock. */
static rhei_status prune_to(struct rocks_buffer *buffer, uint64_t number, struct rhei_error *error)
{
    struct rocks_record record;
    struct base_buffer bytes = {0};
    rhei_status status = rocks_enter(buffer, error);
    if (status != RHEI_OK)
        return status;
    status = rocks_find_record(buffer, number, &record, error);
    rocks_leave(buffer);
    if (status == RHEI_OK)
        status = make_pruned(buffer, &record, &bytes, error);
    if (status == RHEI_OK) {
        struct rocks_key key = rocks_key_one(ROCKS_KEY_PRUNED, 0);
        rocksdb_writebatch_t *batch = buffer->api->writebatch_create();
        buffer->api->writebatch_put(batch, key.bytes, key.len, bytes.data, bytes.len); /* W2 */
        delete_up_to(buffer, batch, &record);
        status = rocks_write(buffer, batch, false, "pruning the change buffer", error);
    }
    base_buffer_reset(&bytes);
    if (status != RHEI_OK)
        return status;
    rocks_fault(buffer, "buffer.prune.written");
    base_mutex_lock(&buffer->lock);
    buffer->state.pruned = number;
    buffer->state.horizon = record.position;
    buffer->pruned_total = record.total;
    base_mutex_unlock(&buffer->lock);
    status = drop_files(buffer, number, error);
    rocks_fault(buffer, "buffer.prune.done");
    return status;
}

static rhei_status rocks_prune(struct change_buffer *base, int64_t position, uint64_t *pruned, struct rhei_error *error)
{
    struct rocks_buffer *buffer = rocks_of(base);
    struct change_buffer_state state;
    *pruned = 0;
    base_mutex_lock(&buffer->prune_lock);
    uint64_t number = rocks_find(base, position);
    rocks_state(base, &state);
    number = number >= state.last && number > 0 ? state.last - 1 : number; /* W3 */
    rhei_status status = RHEI_OK;
    if (number > state.pruned) {
        status = prune_to(buffer, number, error);
        *pruned = status == RHEI_OK ? number - state.pruned : 0;
    }
    base_mutex_unlock(&buffer->prune_lock);
    return status;
}

static rhei_status clear_all(struct rocks_buffer *buffer, struct rhei_error *error)
{
    const struct rocks_api *api = buffer->api;
    struct rocks_record record = {.number = buffer->state.last, .position = INT64_MAX, .total = buffer->total};
    struct base_buffer bytes = {0};
    rocks_put_record(&bytes, &record);
    if (bytes.failed) {
        base_buffer_reset(&bytes);
        return error_no_memory(error);
    }
    static const char first = ROCKS_KEY_COMMIT, behind = ROCKS_KEY_PRUNED; /* every kind but the pruned record's */
    struct rocks_key key = rocks_key_one(ROCKS_KEY_PRUNED, 0);
    rocksdb_writebatch_t *batch = api->writebatch_create();
    api->writebatch_delete_range(batch, &first, 1, &behind, 1);
    api->writebatch_put(batch, key.bytes, key.len, bytes.data, bytes.len);
    base_buffer_reset(&bytes);
    rhei_status status = rocks_write(buffer, batch, true, "emptying the change buffer", error);
    if (status != RHEI_OK)
        return status;
    rocks_fault(buffer, "buffer.cleared");
    base_mutex_lock(&buffer->lock);
    buffer->state = (struct change_buffer_state){.last = record.number, .pruned = record.number, .horizon = INT64_MAX};
    buffer->pruned_total = buffer->total;
    base_mutex_unlock(&buffer->lock);
    return drop_files(buffer, record.number, error);
}

static rhei_status rocks_clear(struct change_buffer *base, struct rhei_error *error)
{
    struct rocks_buffer *buffer = rocks_of(base);
    unstage(buffer);
    buffer->failed = false;
    rhei_status status = buffer->reopen ? rocks_database_reopen(buffer, error) : RHEI_OK;
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&buffer->prune_lock);
    status = clear_all(buffer, error);
    base_mutex_unlock(&buffer->prune_lock);
    buffer->reopen = status != RHEI_OK;
    return status;
}

/* ---- Life. ------------------------------------------------------------------------------------------------------- */

static void rocks_close(struct change_buffer **base)
{
    struct rocks_buffer *buffer = *base == NULL ? NULL : rocks_of(*base);
    if (buffer == NULL)
        return;
    *base = NULL;
    rocks_database_close(buffer);
    rocks_folder_close(&buffer->folder);
    base_buffer_reset(&buffer->staged);
    base_buffer_reset(&buffer->definitions);
    base_cond_destroy(&buffer->idle);
    base_mutex_destroy(&buffer->lock);
    base_mutex_destroy(&buffer->prune_lock);
    base_free(buffer);
}

uint64_t rocksdb_buffer_id(const struct change_buffer *base)
{
    return atomic_load(&rocks_of(base)->folder.id);
}

rhei_status rocksdb_buffer_renew(struct change_buffer *base, const char *file, struct rhei_error *error)
{
    return rocks_folder_identify(&rocks_of(base)->folder, file, error);
}

static rhei_status open_all(struct rocks_buffer *buffer, const struct rocksdb_buffer_config *config,
                            struct rhei_error *error)
{
    bool fresh = false;
    rhei_status status = rocks_api_load(&buffer->api, error);
    if (status == RHEI_OK)
        status = rocks_folder_open(&buffer->folder, ROCKS_BUFFER, config->folder, config->file, &fresh, error);
    bool other = status == RHEI_OK && strncmp(buffer->folder.file, config->file, ROCKS_FILE_SIZE - 1) != 0;
    if (other && config->was != NULL && config->was(config->was_context, buffer->folder.file))
        status = error_set(error, RHEI_NOT_A_DATABASE, "other programs dropped tables of change capture");
    else if (other)
        status = rocks_folder_of_another(config->folder, error);
    if (status == RHEI_OK)
        status = rocks_database_open(buffer, error);
    if (status == RHEI_OK)
        rocks_fault(buffer, "buffer.opened");
    return status;
}

rhei_status rocksdb_buffer_open(const struct rocksdb_buffer_config *config, struct change_buffer **result,
                                struct rhei_error *error)
{
    static const struct change_buffer_ops OPS = {
        .name = "rocksdb",
        .append = rocks_append,
        .rollback = rocks_rollback,
        .state = rocks_state,
        .find = rocks_find,
        .reader_open = rocks_reader_open,
        .reader_close = rocks_reader_close,
        .read = rocks_read,
        .tables = rocks_tables,
        .prune = rocks_prune,
        .clear = rocks_clear,
        .bytes = rocks_bytes,
        .close = rocks_close,
    };
    *result = NULL;
    struct rocks_buffer *buffer = base_alloc_zero(1, sizeof *buffer);
    if (buffer == NULL)
        return error_no_memory(error);
    buffer->base.ops = &OPS;
    buffer->folder = (struct rocks_folder){.folder = -1, .lock = -1};
    buffer->fault = config->fault;
    buffer->fault_context = config->fault_context;
    base_mutex_init(&buffer->lock);
    base_mutex_init(&buffer->prune_lock);
    base_cond_init(&buffer->idle);
    *result = &buffer->base;
    rhei_status status = open_all(buffer, config, error);
    if (status != RHEI_OK)
        rocks_close(result);
    return status;
}

rhei_status rocksdb_buffer_set_aside(const struct rocksdb_buffer_config *config, char *name, size_t size,
                                     struct rhei_error *error)
{
    struct rocks_folder folder;
    bool fresh = false;
    rhei_status status = rocks_folder_open(&folder, ROCKS_BUFFER, config->folder, config->file, &fresh, error);
    if (status != RHEI_OK)
        return status;
    status = rocks_folder_set_aside(&folder, name, size, error);
    if (status == RHEI_OK)
        status = rocks_folder_identify(&folder, config->file, error);
    rocks_folder_close(&folder);
    if (status == RHEI_OK && config->fault != NULL)
        config->fault(config->fault_context, "buffer.aside");
    return status;
}
