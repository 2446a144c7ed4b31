/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One checkpoint: what a snapshot has and the newest checkpoint doesn't.
 *
 *   1. Segments that are full get a blob each, durable before anything names them. They are written once.
 *   2. Then the delta, or a new manifest: it is the checkpoint. Before it is durable, the old one counts, and nothing of the old one was touched.
 *   3. Only then `set` and the position are the new ones, and the log may be pruned.
 *   4. What nobody names any more goes after a manifest; what a crash or failure left over goes at the next one.
 *
 * A segment is known again by its lineage, so whether rows came behind its known ones or died is all that has to be looked at.
 */
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint_dead.h"
#include "checkpoint_files.h"
#include "checkpoint_internal.h"
#include "mirror/mirror_image.h"

enum {
    BLOBS_AT_ONCE = 8,
    BYTES_AT_ONCE = 16 << 20,
    DELTA_BYTES_LEAST = 4 << 20, /* of all deltas: below, a new manifest isn't worth it for their size */
};

/* Tables of one source are kept, and their histories: the next one from *id on. */
static const struct mirror_table_view *next_kept(const struct mirror_snapshot *snapshot, uint32_t source, uint32_t *id)
{
    uint32_t own = source << TABLE_SOURCE_SHIFT, histories = (uint32_t)(TABLE_HISTORY | source) << TABLE_SOURCE_SHIFT;
    *id = *id < own ? own : *id;
    const struct mirror_table_view *view = mirror_view_next(snapshot, id);
    if (view != NULL && *id < histories && *id >> TABLE_SOURCE_SHIFT != source) {
        *id = histories;
        view = mirror_view_next(snapshot, id);
    }
    return view != NULL && source_of_table(*id) == source ? view : NULL;
}

struct blobs { /* on their way to the store */
    struct blob blob[BLOBS_AT_ONCE];
    char name[BLOBS_AT_ONCE][CHECKPOINT_NAME_BYTES];
    size_t count, bytes;
};

struct writing {
    struct checkpoint *checkpoint;
    const struct checkpoint_export *export; /* into another store than its own; NULL: a checkpoint of this handle */
    struct rhei_error *error;
    struct mirror_snapshot snapshot;
    bool whole; /* a manifest: everything is told anew, though no blob is written twice */
    uint64_t next_uid, written;
    void *state; /* [state_len] of a sidecar's source */
    size_t state_len;
    struct base_buffer out;
    struct checkpoint_set set;
    struct blobs blobs;
    struct checkpoint_dead *dead; /* of the table at hand */
};

/* The table at hand. */
struct table_writing {
    const struct mirror_table_view *view;
    uint32_t id;
    const struct checkpoint_known_table *before; /* NULL: it is new, or all is told anew */
    struct checkpoint_known_table *after;
    bool begun; /* its definition is known to whoever reads the records so far */
};

/* ---- Blobs. -------------------------------------------------------------------------------------------------------- */

static void blobs_free(struct blobs *blobs)
{
    for (size_t i = 0; i < blobs->count; i++)
        base_free((void *)(uintptr_t)blobs->blob[i].bytes);
    blobs->count = blobs->bytes = 0;
}

static rhei_status blobs_flush(struct writing *writing)
{
    struct blob_store *store = writing->checkpoint->config.store;
    struct blobs *blobs = &writing->blobs;
    if (blobs->count == 0)
        return RHEI_OK;
    rhei_status status = store->ops->put(store, blobs->blob, blobs->count, writing->error);
    if (status == RHEI_OK)
        writing->written += blobs->bytes;
    if (status == RHEI_OK && writing->export != NULL)
        status = checkpoint_export_goes_on(writing->export, blobs->bytes, writing->error);
    blobs_free(blobs);
    checkpoint_fault(writing->checkpoint, "checkpoint.segments");
    return status;
}

/* Takes the bytes. */
static rhei_status blobs_add(struct writing *writing, uint64_t uid, void *bytes, size_t len)
{
    struct blobs *blobs = &writing->blobs;
    checkpoint_blob_name(uid, blobs->name[blobs->count]);
    blobs->blob[blobs->count] = (struct blob){blobs->name[blobs->count], bytes, len};
    blobs->count++;
    blobs->bytes += len;
    return blobs->count == BLOBS_AT_ONCE || blobs->bytes >= BYTES_AT_ONCE ? blobs_flush(writing) : RHEI_OK;
}

/* ---- Rows. --------------------------------------------------------------------------------------------------------- */

static rhei_status encode(struct writing *writing, const struct table_writing *table, uint32_t number,
                          uint32_t first_vector, uint32_t mark, void **bytes, size_t *len)
{
    struct segment_image image;
    rhei_status status = mirror_segment_image_from(table->view, number, first_vector, &image, writing->error);
    if (status != RHEI_OK)
        return status;
    image.mark = mark;
    image.table = mark != 0 ? image.table : NULL; /* pieces are for us alone */
    status = writing->checkpoint->config.codec->encode(&image, bytes, len, writing->error);
    image.release(&image);
    if (status != RHEI_OK || !mirror_view_segment_is_damaged(table->view, number))
        return status;
    base_free(*bytes); /* its file is gone, and it reads as nothing */
    *bytes = NULL;
    return error_set(writing->error, RHEI_IO, "a segment of table \"%.100s\" can't be read from its file any more",
                     mirror_view_definition(table->view)->name);
}

static rhei_status write_blob(struct writing *writing, const struct table_writing *table, uint32_t number,
                              struct checkpoint_known *known)
{
    void *bytes = NULL;
    size_t len = 0;
    rhei_status status = encode(writing, table, number, 0, checkpoint_blob_mark(known->uid), &bytes, &len);
    if (status != RHEI_OK)
        return status;
    known->bytes = len;
    known->sum = writing->checkpoint->config.codec->sum(bytes, len);
    return blobs_add(writing, known->uid, bytes, len);
}

/* The rows from `rows` on, beginning with the vector that they begin in. */
static rhei_status write_piece(struct writing *writing, const struct table_writing *table, uint32_t number,
                               uint32_t rows, const struct checkpoint_known *known)
{
    void *bytes = NULL;
    size_t len = 0;
    uint32_t first = rows / SEGMENT_VECTOR_ROWS;
    rhei_status status = encode(writing, table, number, first, 0, &bytes, &len);
    if (status != RHEI_OK)
        return status;
    checkpoint_put_piece(&writing->out, table->id, known->uid, first * SEGMENT_VECTOR_ROWS,
                         known->rows - first * SEGMENT_VECTOR_ROWS, bytes, len);
    base_free(bytes);
    return RHEI_OK;
}

static void begin_table(struct writing *writing, struct table_writing *table)
{
    if (!table->begun)
        checkpoint_put_table(&writing->out, mirror_view_definition(table->view));
    table->begun = true;
}

/* ---- Deaths. ------------------------------------------------------------------------------------------------------- */

/* The dead rows of a segment; NULL: none. RHEI_NO_MEMORY. */
static rhei_status look_for_dead(struct writing *writing, const struct table_writing *table, uint32_t number,
                                 uint32_t rows, uint64_t **out)
{
    uint64_t *words = NULL;
    *out = NULL;
    for (uint32_t v = 0; v * SEGMENT_VECTOR_ROWS < rows; v++) {
        struct mirror_vector vector;
        mirror_view_vector(table->view, number, v, &vector);
        if (vector.dead == NULL)
            continue;
        if (words == NULL)
            words = base_alloc_zero(CHECKPOINT_DEAD_WORDS, sizeof *words);
        if (words == NULL)
            return error_no_memory(writing->error);
        memcpy(words + v * (SEGMENT_VECTOR_ROWS / 64), vector.dead, SEGMENT_VECTOR_ROWS / 8);
    }
    *out = words;
    return RHEI_OK;
}

/* Tells those that `told` (may be NULL) doesn't have. */
static rhei_status tell_dead(struct writing *writing, const struct checkpoint_known *known, const uint64_t *told)
{
    uint64_t fresh[CHECKPOINT_DEAD_WORDS], any = 0;
    if (known->dead == NULL)
        return RHEI_OK;
    for (uint32_t w = 0; w < CHECKPOINT_DEAD_WORDS; w++)
        any |= fresh[w] = known->dead[w] & ~(told == NULL ? 0 : told[w]);
    return any == 0 ? RHEI_OK
                    : checkpoint_dead_add(writing->dead, known->uid, fresh, CHECKPOINT_DEAD_WORDS, writing->error);
}

/* ---- Segments. ----------------------------------------------------------------------------------------------------- */

/* What the newest checkpoint has of a segment; NULL: nothing that can be gone on with. */
static const struct checkpoint_known *known_before(const struct checkpoint_known_table *table, uint32_t number,
                                                   uint64_t lineage)
{
    if (table == NULL || number >= table->count || lineage == 0 || table->segments[number].lineage != lineage)
        return NULL;
    return &table->segments[number];
}

static rhei_status write_new(struct writing *writing, struct table_writing *table, uint32_t number,
                             struct checkpoint_known *known, bool has_blob)
{
    begin_table(writing, table);
    rhei_status status = RHEI_OK;
    if (!known->in_pieces && !has_blob)
        status = write_blob(writing, table, number, known);
    if (status != RHEI_OK)
        return status;
    checkpoint_put_segment(&writing->out, table->id, known->uid, known->in_pieces ? 0 : known->rows, known->in_pieces);
    if (!known->in_pieces)
        checkpoint_put_sum(&writing->out, table->id, known->uid, known->sum);
    if (known->in_pieces)
        status = write_piece(writing, table, number, 0, known);
    return status == RHEI_OK ? tell_dead(writing, known, NULL) : status;
}

/* A build wrote it, because memory was short: all of its rows, of which some may have died since. */
static bool has_file(const struct writing *writing, struct checkpoint_known *known)
{
    return !known->in_pieces &&
           checkpoint_files_find(writing->checkpoint->files, known->lineage, &known->uid, &known->bytes, &known->sum);
}

/* One segment of the snapshot. */
static rhei_status write_segment(struct writing *writing, struct table_writing *table, uint32_t number)
{
    const struct checkpoint_known_table *old =
        checkpoint_set_find(&writing->checkpoint->set, table->id); /* also where all is told anew: blobs stay */
    uint64_t lineage = mirror_view_segment_lineage(table->view, number);
    const struct checkpoint_known *before = known_before(old, number, lineage);
    struct checkpoint_known *known = &table->after->segments[number];
    bool open = mirror_view_segment_is_open(table->view, number);
    bool same = before != NULL && before->in_pieces == open; /* it is kept the way it was */
    *known = (struct checkpoint_known){.lineage = lineage,
                                       .uid = same   ? before->uid
                                              : open ? writing->next_uid++
                                                     : writing->next_uid++ |
                                                           checkpoint_uid_bit(writing->checkpoint->config.codec),
                                       .rows = mirror_view_segment_rows(table->view, number),
                                       .in_pieces = open,
                                       .bytes = same ? before->bytes : 0,
                                       .sum = same ? before->sum : 0};
    rhei_status status = look_for_dead(writing, table, number, known->rows, &known->dead);
    if (status != RHEI_OK)
        return status;
    if (writing->whole || !same)
        return write_new(writing, table, number, known, same || has_file(writing, known));
    if (known->rows > before->rows)
        status = write_piece(writing, table, number, before->rows, known);
    return status == RHEI_OK ? tell_dead(writing, known, before->dead) : status;
}

/* Those of the newest checkpoint that aren't in this one, or are kept in another way. */
static void tell_removed(struct writing *writing, const struct table_writing *table)
{
    for (uint32_t s = 0; !writing->whole && table->before != NULL && s < table->before->count; s++) {
        const struct checkpoint_known *before = &table->before->segments[s];
        bool stays = s < table->after->count && table->after->segments[s].lineage == before->lineage &&
                     table->after->segments[s].uid == before->uid;
        if (before->uid != 0 && !stays)
            checkpoint_put_removed(&writing->out, table->id, before->uid);
    }
}

/* ---- Tables. ------------------------------------------------------------------------------------------------------- */

static rhei_status write_dead(struct writing *writing, const struct table_writing *table)
{
    struct base_buffer bytes = {0};
    if (checkpoint_dead_is_empty(writing->dead))
        return RHEI_OK;
    rhei_status status = checkpoint_dead_write(writing->dead, &bytes, writing->error);
    if (status == RHEI_OK)
        checkpoint_put_dead(&writing->out, table->id, bytes.data, bytes.len);
    base_buffer_reset(&bytes);
    return status;
}

static rhei_status write_table(struct writing *writing, const struct mirror_table_view *view, uint32_t id)
{
    uint32_t count = mirror_view_segment_count(view);
    struct table_writing table = {.view = view, .id = id, .after = checkpoint_set_add(&writing->set, id, count)};
    if (table.after == NULL)
        return error_no_memory(writing->error);
    table.before = checkpoint_set_find(&writing->checkpoint->set, id);
    table.begun = !writing->whole && table.before != NULL;
    rhei_status status = checkpoint_dead_new(&writing->dead, writing->error);
    if (status == RHEI_OK)
        begin_table(writing, &table); /* also one without a row is a table */
    for (uint32_t s = 0; s < count && status == RHEI_OK; s++)
        if (mirror_view_segment_rows(view, s) > 0)
            status = write_segment(writing, &table, s);
    if (status == RHEI_OK)
        tell_removed(writing, &table);
    if (status == RHEI_OK)
        status = write_dead(writing, &table);
    checkpoint_dead_free(&writing->dead);
    return status;
}

static rhei_status write_tables(struct writing *writing)
{
    const struct mirror_table_view *view;
    rhei_status status = RHEI_OK;
    for (uint32_t id = 0;
         status == RHEI_OK &&
         (view = next_kept(&writing->snapshot, writing->checkpoint->config.source_number, &id)) != NULL;
         id++)
        status = write_table(writing, view, id);
    for (size_t i = 0; status == RHEI_OK && !writing->whole && i < writing->checkpoint->set.count; i++)
        if (checkpoint_set_find(&writing->set, writing->checkpoint->set.tables[i].id) == NULL)
            checkpoint_put_gone(&writing->out, writing->checkpoint->set.tables[i].id);
    return status == RHEI_OK ? blobs_flush(writing) : status;
}

/* ---- The checkpoint itself. ---------------------------------------------------------------------------------------- */

static int64_t position_of(const struct writing *writing)
{
    return mirror_snapshot_position_of(&writing->snapshot, writing->checkpoint->config.source_number);
}

static rhei_status make_head(struct writing *writing, struct checkpoint_head *head)
{
    struct checkpoint *checkpoint = writing->checkpoint;
    *head = (struct checkpoint_head){.kind = writing->whole ? CHECKPOINT_BASE : CHECKPOINT_DELTA,
                                     .base = checkpoint->head.base,
                                     .number = checkpoint->head.number + 1,
                                     .position = position_of(writing),
                                     .made_ms = base_wall_ms()};
    if (writing->whole) {
        head->number = 0;
        do
            head->base = base_random_u64();
        while (head->base == 0);
    }
    if (writing->export != NULL) {
        head->stamp = writing->export->stamp;
        return RHEI_OK;
    }
    if (checkpoint->config.source_number != 0) /* its state tells */
        return RHEI_OK;
    const struct change_source_ops *source = checkpoint->config.source->ops;
    return source->stamp(checkpoint->config.source, head->position, &head->stamp, writing->error);
}

/* The head is written first and knows only at the end which numbers were given: room is left for segments of the snapshot. */
static uint64_t count_segments(const struct mirror_snapshot *snapshot, uint32_t source)
{
    const struct mirror_table_view *view;
    uint64_t count = 0;
    for (uint32_t id = 0; (view = next_kept(snapshot, source, &id)) != NULL; id++)
        count += mirror_view_segment_count(view);
    return count;
}

static rhei_status store_it(struct writing *writing, const struct checkpoint_head *head)
{
    struct checkpoint *checkpoint = writing->checkpoint;
    struct blob_store *store = checkpoint->config.store;
    if (writing->out.failed)
        return error_no_memory(writing->error);
    if (writing->whole)
        return store->ops->manifest_swap(store, &checkpoint->version, writing->out.data, writing->out.len,
                                         writing->error);
    char name[CHECKPOINT_NAME_BYTES];
    checkpoint_delta_name(head->base, head->number, name);
    struct blob blob = {name, writing->out.data, writing->out.len};
    return store->ops->put(store, &blob, 1, writing->error);
}

/* `position`: of what is to be written. Where it went back, the file was replaced by an older copy while it was open: no delta leads there. */
static bool whole_is_due(const struct checkpoint *checkpoint, int64_t position)
{
    uint64_t most = checkpoint->manifest_bytes < DELTA_BYTES_LEAST ? DELTA_BYTES_LEAST : checkpoint->manifest_bytes;
    return checkpoint->head.base == 0 || checkpoint->whole_wanted || position < checkpoint->head.position ||
           checkpoint->head.number >= CHECKPOINT_MOST_DELTAS || checkpoint->delta_bytes > most;
}

/* ---- All of it. ---------------------------------------------------------------------------------------------------- */

static uint64_t bytes_of(const struct checkpoint *checkpoint)
{
    uint64_t bytes = checkpoint->manifest_bytes + checkpoint->delta_bytes;
    for (size_t t = 0; t < checkpoint->set.count; t++)
        for (uint32_t s = 0; s < checkpoint->set.tables[t].count; s++)
            bytes += checkpoint->set.tables[t].segments[s].bytes;
    return bytes;
}

static void take_over(struct writing *writing, const struct checkpoint_head *head)
{
    struct checkpoint *checkpoint = writing->checkpoint;
    checkpoint_set_reset(&checkpoint->set);
    checkpoint->set = writing->set;
    writing->set = (struct checkpoint_set){.tables = NULL};
    checkpoint->head = *head;
    writing->written += writing->out.len;
    if (writing->whole) {
        checkpoint->manifest_bytes = writing->out.len;
        checkpoint->delta_bytes = 0;
        checkpoint->whole_wanted = false;
    } else {
        checkpoint->delta_bytes += writing->out.len;
    }
    base_mutex_lock(&checkpoint->lock);
    checkpoint->status.position = head->position;
    checkpoint->status.made_ms = head->made_ms;
    checkpoint->status.bytes = bytes_of(checkpoint);
    checkpoint->status.tables = checkpoint->set.count;
    checkpoint->status.written += writing->written;
    checkpoint->status.checkpoints++;
    base_mutex_unlock(&checkpoint->lock);
    checkpoint_fault(checkpoint, "checkpoint.written");
    if (writing->whole)
        checkpoint_sweep(checkpoint);
}

static rhei_status run(struct writing *writing)
{
    struct checkpoint_head head;
    rhei_status status = make_head(writing, &head);
    if (status != RHEI_OK)
        return status;
    head.next_uid = checkpoint_take_numbers(
        writing->checkpoint, count_segments(&writing->snapshot, writing->checkpoint->config.source_number),
        &writing->next_uid);
    checkpoint_put_head(&writing->out, &head);
    if (writing->checkpoint->config.source_number != 0)
        checkpoint_put_state(&writing->out, writing->state, writing->state_len);
    checkpoint_fault(writing->checkpoint, "checkpoint.begun");
    status = write_tables(writing);
    BASE_INVARIANT(writing->next_uid <= head.next_uid);
    checkpoint_put_end(&writing->out);
    checkpoint_fault(writing->checkpoint, "checkpoint.encoded");
    if (status == RHEI_OK)
        status = store_it(writing, &head);
    if (status == RHEI_OK)
        take_over(writing, &head);
    return status;
}

static void reset(struct writing *writing)
{
    blobs_free(&writing->blobs);
    checkpoint_set_reset(&writing->set);
    base_buffer_reset(&writing->out);
    base_free(writing->state);
}

/* Empty: nothing that can be gone on with. */
static rhei_status ask_state(const struct checkpoint *checkpoint, void **bytes, size_t *len, struct rhei_error *error)
{
    struct change_source *source = checkpoint->config.source;
    struct rhei_error why = RHEI_ERROR_INIT;
    *bytes = NULL;
    *len = 0;
    rhei_status status =
        source->ops->remember == NULL ? RHEI_NOT_FOUND : source->ops->remember(source, bytes, len, &why);
    if (status == RHEI_OK || status == RHEI_NOT_FOUND) {
        *len = *bytes == NULL ? 0 : *len;
        return RHEI_OK;
    }
    return error_set(error, status, "%s", why.message);
}

/* *same: a cycle didn't come in between. */
static rhei_status try_state(struct writing *writing, bool *same)
{
    struct checkpoint *checkpoint = writing->checkpoint;
    void *after = NULL;
    size_t after_len = 0;
    base_free(writing->state);
    rhei_status status = ask_state(checkpoint, &writing->state, &writing->state_len, writing->error);
    if (status == RHEI_OK && mirror_snapshot_take(checkpoint->config.mirror, &writing->snapshot) != RHEI_OK)
        status = error_no_memory(writing->error);
    if (status != RHEI_OK)
        return status;
    status = ask_state(checkpoint, &after, &after_len, writing->error);
    *same = after_len == writing->state_len && (after_len == 0 || memcmp(after, writing->state, after_len) == 0);
    base_free(after);
    if (status != RHEI_OK || !*same)
        mirror_snapshot_release(&writing->snapshot);
    return status;
}

/*
 * The snapshot, and what the source goes on from there: the same before and after it was taken, so that it is true of it. A cycle in between is a matter of
 * microseconds, so it is tried again. Where it never is, rows are kept that the next opening loads anew, with histories that go on.
 */
static rhei_status take_state(struct writing *writing)
{
    enum { TRIES = 16 };
    struct mirror *mirror = writing->checkpoint->config.mirror;
    rhei_status status = RHEI_OK;
    bool same = false;
    if (writing->checkpoint->config.source_number != 0)
        for (int tries = 0; tries < TRIES && status == RHEI_OK && !same; tries++)
            status = try_state(writing, &same);
    if (status != RHEI_OK || same)
        return status;
    writing->state_len = 0;
    return mirror_snapshot_take(mirror, &writing->snapshot) == RHEI_OK ? RHEI_OK : error_no_memory(writing->error);
}

rhei_status checkpoint_write(struct checkpoint *checkpoint, struct rhei_error *error)
{
    struct writing writing = {.checkpoint = checkpoint, .error = error};
    uint64_t publishes = mirror_publishes(checkpoint->config.mirror);
    rhei_status status = take_state(&writing);
    if (status != RHEI_OK) {
        reset(&writing);
        return status;
    }
    writing.whole = whole_is_due(checkpoint, position_of(&writing));
    status = run(&writing);
    if (status == RHEI_OK)
        checkpoint->seen_publishes = publishes;
    else
        checkpoint->whole_wanted = true; /* which takes away what this one left over */
    mirror_snapshot_release(&writing.snapshot);
    reset(&writing);
    return status;
}

rhei_status checkpoint_write_export(struct checkpoint *target, const struct checkpoint_export *export,
                                    struct rhei_error *error)
{
    struct writing writing = {
        .checkpoint = target, .export = export, .error = error, .whole = true, .snapshot = *export->snapshot};
    rhei_status status = run(&writing);
    reset(&writing);
    return status;
}

void checkpoint_count_kept(const struct mirror_snapshot *snapshot, uint32_t *tables, uint32_t *histories)
{
    *tables = *histories = 0;
    for (uint32_t id = 0; next_kept(snapshot, 0, &id) != NULL; id++)
        ++*(is_history_table(id) ? histories : tables);
}
