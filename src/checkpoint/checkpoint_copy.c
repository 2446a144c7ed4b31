/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint_copy.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "checkpoint_ahead.h"
#include "checkpoint_files.h"
#include "checkpoint_internal.h"

rhei_status checkpoint_export_goes_on(const struct checkpoint_export *export, uint64_t bytes, struct rhei_error *error)
{
    base_progress_add(export->progress, BASE_PROGRESS_BYTES, (int64_t)bytes);
    rhei_status status = export->check == NULL ? RHEI_OK : export->check(export->check_context);
    return status == RHEI_OK ? RHEI_OK : error_ended(error, status);
}

/* ---- Of a snapshot. ------------------------------------------------------------------------------------------------ */

rhei_status checkpoint_export(const struct checkpoint_export *export, struct rhei_error *error)
{
    struct checkpoint *target = base_alloc_zero(1, sizeof *target);
    if (target == NULL)
        return error_no_memory(error);
    target->config = (struct checkpoint_config){
        .store = export->to, .codec = export->codec, .fault = export->fault, .fault_context = export->fault_context};
    target->next_uid = 1;
    base_mutex_init(&target->run_lock);
    base_mutex_init(&target->lock);
    rhei_status status = checkpoint_files_new(&target->config, &target->files, error);
    if (status == RHEI_OK)
        status = checkpoint_write_export(target, export, error);
    checkpoint_set_reset(&target->set);
    checkpoint_files_drop(&target->files);
    base_mutex_destroy(&target->lock);
    base_mutex_destroy(&target->run_lock);
    base_free(target);
    return status;
}

/* ---- Of another handle's store. ------------------------------------------------------------------------------------ */

struct part { /* the manifest, then delta after delta */
    void *bytes;
    size_t len;
};

struct checkpoint_newest {
    struct blob_store *from;
    struct part *parts;
    size_t count, capacity;
    struct checkpoint_model model;
};

/* Takes the bytes. */
static rhei_status add_part(struct checkpoint_newest *newest, void *bytes, size_t len, struct rhei_error *error)
{
    if (!base_grow((void **)&newest->parts, &newest->capacity, newest->count + 1, sizeof *newest->parts)) {
        base_free(bytes);
        return error_no_memory(error);
    }
    newest->parts[newest->count++] = (struct part){bytes, len};
    return checkpoint_apply(&newest->model, bytes, len, error);
}

static rhei_status read_parts(struct checkpoint_newest *newest, struct rhei_error *error)
{
    struct blob_store *store = newest->from;
    void *bytes = NULL;
    size_t len = 0;
    uint64_t version = 0;
    rhei_status status = checkpoint_read_manifest(store, &bytes, &len, &version, error);
    if (status == RHEI_OK && version == 0)
        return error_set(error, RHEI_NOT_FOUND, "there is no checkpoint yet");
    struct checkpoint_ahead deltas = {.store = store};
    if (status == RHEI_OK)
        status = add_part(newest, bytes, len, error);
    if (status == RHEI_OK)
        status = checkpoint_expect_deltas(&deltas, store, &newest->model.head, error);
    while (status == RHEI_OK) {
        char name[CHECKPOINT_NAME_BYTES];
        checkpoint_delta_name(newest->model.head.base, newest->model.head.number + 1, name);
        struct rhei_error why = RHEI_ERROR_INIT;
        status = checkpoint_read_delta(store, name, &newest->model.head, &deltas, &bytes, &len, &why);
        if (status == RHEI_OK)
            status = add_part(newest, bytes, len, &why);
        if (status != RHEI_OK && status != RHEI_NOT_FOUND && error != NULL)
            *error = why;
    }
    checkpoint_ahead_reset(&deltas);
    return status == RHEI_NOT_FOUND ? RHEI_OK : status;
}

rhei_status checkpoint_newest_read(struct blob_store *from, struct checkpoint_newest **result, int64_t *position,
                                   struct change_stamp *stamp, struct rhei_error *error)
{
    struct checkpoint_newest *newest = *result = base_alloc_zero(1, sizeof *newest);
    if (newest == NULL)
        return error_no_memory(error);
    newest->from = from;
    rhei_status status = read_parts(newest, error);
    *position = newest->model.head.position;
    *stamp = newest->model.head.stamp;
    if (status != RHEI_OK)
        checkpoint_newest_free(result);
    return status;
}

static rhei_status copy_segment(const struct checkpoint_newest *newest, const struct checkpoint_export *export,
                                const struct checkpoint_segment *segment, struct rhei_error *error)
{
    char name[CHECKPOINT_NAME_BYTES];
    void *bytes = NULL;
    size_t len = 0;
    checkpoint_blob_name(segment->uid, name);
    rhei_status status = checkpoint_read_file(newest->from, name, export->codec, segment->sum, &bytes, &len, error);
    if (status != RHEI_OK)
        return status;
    const struct blob blob = {name, bytes, len};
    status = export->to->ops->put(export->to, &blob, 1, error);
    base_free(bytes);
    return status == RHEI_OK ? checkpoint_export_goes_on(export, len, error) : status;
}

/* Last what names the others: deltas, and the manifest that they are of behind them. */
static rhei_status copy_parts(const struct checkpoint_newest *newest, const struct checkpoint_export *export,
                              struct rhei_error *error)
{
    struct checkpoint_head head = {0};
    struct base_buffer manifest = {0};
    uint64_t version = 0;
    rhei_status status =
        checkpoint_put_again(&manifest, newest->parts[0].bytes, newest->parts[0].len, &head, &export->stamp, error);
    for (size_t p = 1; p < newest->count && status == RHEI_OK; p++) {
        struct base_buffer delta = {0};
        char name[CHECKPOINT_NAME_BYTES];
        status =
            checkpoint_put_again(&delta, newest->parts[p].bytes, newest->parts[p].len, &head, &export->stamp, error);
        checkpoint_delta_name(head.base, head.number, name);
        const struct blob blob = {name, delta.data, delta.len};
        if (status == RHEI_OK)
            status = export->to->ops->put(export->to, &blob, 1, error);
        base_buffer_reset(&delta);
    }
    if (status == RHEI_OK)
        status = export->to->ops->manifest_swap(export->to, &version, manifest.data, manifest.len, error);
    base_buffer_reset(&manifest);
    return status;
}

rhei_status checkpoint_newest_copy(const struct checkpoint_newest *newest, const struct checkpoint_export *export,
                                   struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (const struct checkpoint_table *t = newest->model.tables; t != NULL && status == RHEI_OK; t = t->next)
        for (const struct checkpoint_segment *s = t->segments; s != NULL && status == RHEI_OK; s = s->next)
            if (!s->in_pieces)
                status = copy_segment(newest, export, s, error);
    return status == RHEI_OK ? copy_parts(newest, export, error) : status;
}

static rhei_status check_segment(const struct checkpoint_newest *newest, const struct segment_codec *codec,
                                 const struct checkpoint_segment *segment, const struct checkpoint_checking *checking,
                                 uint32_t *damaged, struct rhei_error *error)
{
    char name[CHECKPOINT_NAME_BYTES];
    void *bytes = NULL;
    size_t len = 0;
    checkpoint_blob_name(segment->uid, name);
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = checkpoint_read_file(newest->from, name, codec, segment->sum, &bytes, &len, &why);
    bool away = status != RHEI_OK && blob_store_is_away(newest->from, &why);
    base_free(bytes);
    if (status == RHEI_IO && !away) {
        ++*damaged;
        checking->damaged(checking->context, name);
        status = RHEI_OK;
    }
    if (status != RHEI_OK)
        return error_set(error, away ? RHEI_CANT_OPEN : status, "%s", why.message); /* nobody takes that for damage */
    return checking->goes_on(checking->context, segment->rows, error);
}

static bool is_own(const struct checkpoint_table *t, const char *table)
{
    return t->definition != NULL && !is_history_table(t->definition->id) &&
           (table == NULL || base_fold_compare(t->definition->name, table) == 0);
}

static uint64_t living_rows(const struct checkpoint_segment *segment)
{
    uint64_t rows = segment->rows;
    for (size_t w = 0; segment->dead != NULL && w < CHECKPOINT_DEAD_WORDS; w++)
        rows -= (uint64_t)__builtin_popcountll(segment->dead[w]);
    return rows;
}

void checkpoint_newest_count(const struct checkpoint_newest *newest, const char *table, uint32_t *tables,
                             uint64_t *rows)
{
    *tables = 0;
    *rows = 0;
    for (const struct checkpoint_table *t = newest->model.tables; t != NULL; t = t->next) {
        if (!is_own(t, table))
            continue;
        ++*tables;
        for (const struct checkpoint_segment *s = t->segments; s != NULL; s = s->next)
            *rows += living_rows(s);
    }
}

rhei_status checkpoint_newest_check(const struct checkpoint_newest *newest, const struct segment_codec *codec,
                                    const char *table, const struct checkpoint_checking *checking, uint32_t *damaged,
                                    struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    *damaged = 0;
    for (const struct checkpoint_table *t = newest->model.tables; t != NULL && status == RHEI_OK; t = t->next) {
        bool named = table != NULL && is_own(t, table);
        for (const struct checkpoint_segment *s = t->segments; s != NULL && status == RHEI_OK; s = s->next)
            if (!s->in_pieces && (named || table == NULL))
                status = check_segment(newest, codec, s, checking, damaged, error);
    }
    return status;
}

void checkpoint_newest_free(struct checkpoint_newest **handle)
{
    struct checkpoint_newest *newest = *handle;
    if (newest == NULL)
        return;
    *handle = NULL;
    checkpoint_model_reset(&newest->model);
    for (size_t p = 0; p < newest->count; p++)
        base_free(newest->parts[p].bytes);
    base_free(newest->parts);
    base_free(newest);
}
