/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: manifest, then delta after delta, then the tables into the mirror, each as a build whose segments lie in the store's files.
 *
 *   1. Nothing is shown that isn't a state of this source: its stamp is looked up at the position before any table is made.
 *   2. A table is taken over whole or not at all; one that isn't is built again as any new table.
 *   3. What is damaged is set aside, so that people can look at it, and is never read again.
 *   4. Of a newer version nothing is touched.
 *   5. A look changes nothing. Whoever works there may replace what is being read: then it is read again, until it was the newest
 *      both before and after.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint_files.h"
#include "checkpoint_internal.h"

struct read_blob { /* bytes that the model points into */
    struct read_blob *next;
    void *bytes;
};

struct loading {
    struct checkpoint *checkpoint;
    struct checkpoint_restored *restored;
    struct checkpoint_model model;
    struct read_blob *blobs;
    bool incomplete; /* what is in the store isn't what was taken over */
    bool histories;  /* and of what is in it histories alone are: the rest isn't a state of this source */
    uint64_t delta_bytes;
};

/* ---- What goes wrong. ---------------------------------------------------------------------------------------------- */

static void tell(struct loading *loading, const char *what, const char *why)
{
    struct checkpoint_restored *restored = loading->restored;
    loading->incomplete = true;
    base_log_write(loading->checkpoint->config.log, BASE_LOG_WARN, "checkpoint", "%s: %s", what, why);
    if (restored->message[0] == '\0')
        (void)snprintf(restored->message, sizeof restored->message, "%.80s: %.160s", what, why);
}

/* `name` NULL: the manifest. */
static void set_aside(struct loading *loading, const char *name, const char *why)
{
    struct blob_store *store = loading->checkpoint->config.store;
    char file[80] = "the manifest of the mirror";
    if (name != NULL)
        (void)snprintf(file, sizeof file, "the file \"b-%.40s\" of the mirror's folder", name);
    loading->restored->damaged = true;
    loading->restored->lost_history |= name == NULL;
    if (loading->checkpoint->config.look) { /* 5. */
        tell(loading, file, why);
        return;
    }
    tell(loading, name == NULL ? "the manifest of the mirror was set aside, and is made anew" : file, why);
    if (store->ops->set_aside != NULL && store->ops->set_aside(store, name, NULL) == RHEI_OK) {
        if (name == NULL)
            loading->checkpoint->version = 0; /* there is none now */
    } else if (name != NULL) {
        (void)store->ops->remove(store, name, NULL);
    }
}

/* ---- Manifest and deltas. ------------------------------------------------------------------------------------------ */

static rhei_status keep(struct loading *loading, void *bytes, struct rhei_error *error)
{
    struct read_blob *blob = base_alloc_zero(1, sizeof *blob);
    if (blob == NULL) {
        base_free(bytes);
        return error_no_memory(error);
    }
    blob->bytes = bytes;
    blob->next = loading->blobs;
    loading->blobs = blob;
    return RHEI_OK;
}

/* RHEI_DONE: there is none that can be used. */
static rhei_status read_manifest(struct loading *loading, struct rhei_error *error)
{
    struct checkpoint *checkpoint = loading->checkpoint;
    struct blob_store *store = checkpoint->config.store;
    struct rhei_error why = RHEI_ERROR_INIT;
    void *bytes = NULL;
    size_t len = 0;
    rhei_status status = store->ops->manifest_read(store, &bytes, &len, &checkpoint->version, &why);
    if (status == RHEI_OK && checkpoint->version == 0)
        return RHEI_DONE;
    if (status == RHEI_OK)
        status = keep(loading, bytes, &why);
    if (status == RHEI_OK)
        status = checkpoint_apply(&loading->model, bytes, len, &why);
    checkpoint->manifest_bytes = len;
    if (status == RHEI_IO) {
        set_aside(loading, NULL, why.message);
        checkpoint_model_reset(&loading->model);
        return RHEI_DONE;
    }
    if (status != RHEI_OK && error != NULL)
        *error = why;
    return status;
}

rhei_status checkpoint_read_blob(struct blob_store *store, const char *name, void **bytes, size_t *len,
                                 struct rhei_error *error)
{
    uint64_t size = 0;
    rhei_status status = store->ops->size(store, name, &size, error);
    *bytes = status == RHEI_OK ? base_alloc((size_t)size + 1) : NULL;
    *len = (size_t)size;
    if (status == RHEI_OK && *bytes == NULL)
        status = error_no_memory(error);
    if (status == RHEI_OK)
        status = store->ops->get(store, name, 0, *bytes, *len, error);
    if (status == RHEI_OK)
        return RHEI_OK;
    base_free(*bytes);
    *bytes = NULL;
    return status;
}

/* RHEI_NOT_FOUND: there is no further one. */
static rhei_status read_delta(struct loading *loading, const char *name, struct rhei_error *error)
{
    void *bytes = NULL;
    size_t len = 0;
    rhei_status status = checkpoint_read_blob(loading->checkpoint->config.store, name, &bytes, &len, error);
    if (status != RHEI_OK)
        return status;
    loading->delta_bytes += len;
    status = keep(loading, bytes, error);
    return status == RHEI_OK ? checkpoint_apply(&loading->model, bytes, len, error) : status;
}

/* A delta that is damaged ends the checkpoint: the log begins behind the newest one. What was of histories before is still right. */
static rhei_status read_deltas(struct loading *loading, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK) {
        char name[CHECKPOINT_NAME_BYTES];
        struct rhei_error why = RHEI_ERROR_INIT;
        checkpoint_delta_name(loading->model.head.base, loading->model.head.number + 1, name);
        status = read_delta(loading, name, &why);
        if (status == RHEI_IO) {
            set_aside(loading, name, why.message);
            loading->checkpoint->lost_deltas = true; /* nobody knows of which tables it told */
            loading->restored->lost_deltas = loading->restored->lost_history = true;
            loading->histories = true;
            return RHEI_OK;
        }
        if (status != RHEI_OK && status != RHEI_NOT_FOUND && error != NULL)
            *error = why;
    }
    return status == RHEI_NOT_FOUND ? RHEI_OK : status;
}

/* ---- Is it a state of this source? --------------------------------------------------------------------------------- */

static bool is_history(const struct checkpoint_table *table)
{
    return is_history_table(table->definition->id);
}

static bool has_histories(const struct checkpoint_model *model)
{
    const struct checkpoint_table *table = model->tables;
    while (table != NULL && !is_history(table))
        table = table->next;
    return table != NULL;
}

static rhei_status of_another_file(const char *file, struct rhei_error *error)
{
    return error_set(error, RHEI_EXISTS,
                     "the folder holds the history of another database file, which is nowhere else: name another "
                     "folder for this one (olap_path), or move that one away. If it is this very database, of which "
                     "change capture was taken away and made anew, say so while nobody has it open: UPDATE _rhei_meta "
                     "SET value = '%s' WHERE key = 'database_id'",
                     file);
}

/* What another file's mirror was can be built from that file, but its versions are nowhere else. */
static rhei_status check_stamp(struct loading *loading, struct rhei_error *error)
{
    struct change_source *source = loading->checkpoint->config.source;
    const struct checkpoint_head *head = &loading->model.head;
    struct change_stamp stamp = {.file = ""};
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = source->ops->stamp(source, head->position, &stamp, &why);
    const char *wrong = NULL;
    bool other = stamp.file[0] != '\0' && strcmp(stamp.file, head->stamp.file) != 0;
    bool was = other && source->ops->was != NULL && source->ops->was(source, head->position, &head->stamp);
    if (other && !was && has_histories(&loading->model))
        return of_another_file(head->stamp.file, error);
    if (was)
        wrong = "other programs dropped tables of change capture; the mirror is built anew";
    else if (other)
        wrong = "it is of another database file, and is replaced";
    else if (status == RHEI_NOT_FOUND)
        wrong =
            "the database file doesn't have the change that it ends with: the file was restored, or went on without "
            "it; the mirror is built anew";
    else if (status == RHEI_OK && !checkpoint_same_row(&head->stamp, &stamp))
        wrong = "the database file has another history than it: the file was restored or replaced; the mirror is built "
                "anew";
    if (wrong != NULL) {
        tell(loading, "the checkpoint of the mirror isn't used", wrong);
        loading->histories = true;
        return RHEI_OK;
    }
    if (status != RHEI_OK && error != NULL)
        *error = why;
    return status;
}

/*
 * Of a sidecar: the source itself sees whether it goes on from there, once it can be had. Tables have the number that it has in the settings now.
 */
static rhei_status take_state(struct loading *loading, struct rhei_error *error)
{
    struct checkpoint *checkpoint = loading->checkpoint;
    uint32_t number = checkpoint->config.source_number;
    for (struct checkpoint_table *table = loading->model.tables; table != NULL; table = table->next) {
        uint32_t id = table->definition->id;
        loading->incomplete |= source_of_table(id) != number; /* the next one is told anew */
        table->definition->id = (id & ((UINT32_C(1) << TABLE_SOURCE_SHIFT) - 1)) |
                                (number | (is_history(table) ? (uint32_t)TABLE_HISTORY : 0)) << TABLE_SOURCE_SHIFT;
    }
    loading->histories |= loading->model.state_len == 0;
    if (loading->histories)
        return RHEI_OK;
    checkpoint->state = base_alloc(loading->model.state_len);
    if (checkpoint->state == NULL)
        return error_no_memory(error);
    memcpy(checkpoint->state, loading->model.state, loading->model.state_len);
    checkpoint->state_len = loading->model.state_len;
    return RHEI_OK;
}

/* ---- Tables. ------------------------------------------------------------------------------------------------------- */

static rhei_status adopt_file(struct loading *loading, struct mirror_build *build,
                              const struct checkpoint_segment *segment, struct checkpoint_known *known,
                              struct rhei_error *error)
{
    struct segment_image image;
    struct mirror_keeper keeper;
    uint64_t bytes = 0;
    rhei_status status = checkpoint_files_open(loading->checkpoint->files, segment->uid, segment->rows, segment->sum,
                                               &image, &keeper, &bytes, error);
    if (status != RHEI_OK)
        return status;
    *known = (struct checkpoint_known){.uid = segment->uid, .rows = segment->rows, .bytes = bytes, .sum = image.sum};
    status = mirror_segment_adopt_lazily(build, 0, &image, segment->dead, &keeper, error);
    image.release(&image);
    return status;
}

static rhei_status adopt(struct loading *loading, struct mirror_build *build, const struct checkpoint_segment *segment,
                         struct checkpoint_known *known, struct rhei_error *error)
{
    char name[CHECKPOINT_NAME_BYTES];
    struct checkpoint_known found = {0};
    checkpoint_blob_name(segment->uid, name);
    rhei_status status = adopt_file(loading, build, segment, &found, error);
    if (status == RHEI_IO || status == RHEI_NOT_FOUND) {
        set_aside(loading, name, error->message);
        return RHEI_IO;
    }
    if (status != RHEI_OK)
        return status;
    *known = found;
    known->lineage = mirror_build_adopted(build, 0);
    if (segment->dead == NULL)
        return RHEI_OK;
    known->dead = base_alloc(CHECKPOINT_DEAD_WORDS * sizeof *known->dead);
    if (known->dead == NULL)
        return error_no_memory(error);
    memcpy(known->dead, segment->dead, CHECKPOINT_DEAD_WORDS * sizeof *known->dead);
    return RHEI_OK;
}

/* Pieces are listed with the newest first: the part of each that no newer one tells anew. */
static rhei_status append_piece(struct loading *loading, struct mirror_build *build,
                                const struct checkpoint_segment *segment, const struct checkpoint_piece *piece,
                                uint32_t end, struct rhei_error *error)
{
    struct segment_image image;
    uint64_t dead[CHECKPOINT_DEAD_WORDS];
    rhei_status status = loading->checkpoint->config.codec->open(piece->bytes, piece->len, &image, error);
    if (status != RHEI_OK)
        return status;
    uint32_t first_word = piece->first / 64, words = (image.rows + 63) / 64;
    if (image.rows != piece->rows)
        status = error_set(error, RHEI_IO, "a piece has %u rows instead of %u", image.rows, piece->rows);
    for (uint32_t w = 0; w < words && status == RHEI_OK; w++) {
        dead[w] = segment->dead == NULL ? 0 : segment->dead[first_word + w];
        if (piece->first + w * 64 >= end) /* `end` is a whole number of vectors, or behind all rows */
            dead[w] = UINT64_MAX;
    }
    if (status == RHEI_OK)
        status = mirror_build_append_image(build, 0, &image, dead, error);
    image.release(&image);
    return status;
}

static rhei_status append_pieces(struct loading *loading, struct mirror_build *build,
                                 const struct checkpoint_segment *segment, const struct checkpoint_piece *piece,
                                 uint32_t end, struct rhei_error *error)
{
    for (; piece != NULL && end > 0; piece = piece->next) {
        if (piece->first >= end)
            continue;
        rhei_status status = append_piece(loading, build, segment, piece, end, error);
        if (status != RHEI_OK)
            return status;
        end = piece->first;
    }
    return end == 0 ? RHEI_OK : error_set(error, RHEI_IO, "rows of the open segment are missing");
}

static uint32_t count_segments(const struct checkpoint_table *table, bool in_pieces)
{
    uint32_t count = 0;
    for (const struct checkpoint_segment *s = table->segments; s != NULL; s = s->next)
        count += s->in_pieces == in_pieces;
    return count;
}

static rhei_status go_on_without(struct loading *loading, const struct checkpoint_table *table,
                                 struct rhei_error *error)
{
    char what[128];
    (void)snprintf(what, sizeof what, "versions of \"%.60s\" are lost", table->definition->name);
    tell(loading, what, error->message);
    struct checkpoint *checkpoint = loading->checkpoint;
    if (!base_grow((void **)&checkpoint->lost, &checkpoint->lost_room, checkpoint->lost_count + 1,
                   sizeof *checkpoint->lost))
        return error_no_memory(error);
    checkpoint->lost[checkpoint->lost_count++] = table->definition->id;
    loading->restored->lost_history = true;
    error_clear(error);
    return RHEI_OK;
}

/* Segments in files take the first numbers, in this order; rows that come in pieces are appended behind them. */
static rhei_status fill(struct loading *loading, struct mirror_build *build, const struct checkpoint_table *table,
                        struct checkpoint_known_table *known, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    uint32_t at = 0;
    for (const struct checkpoint_segment *s = table->segments; s != NULL && status == RHEI_OK; s = s->next) {
        if (s->in_pieces)
            continue;
        status = adopt(loading, build, s, &known->segments[at++], error);
        if (status == RHEI_IO && is_history(table)) /* versions that are nowhere else: what is right stays */
            status = go_on_without(loading, table, error);
    }
    /* they are here, but not at the places that the checkpoint knows: numbers of their own, so that they are taken out of it */
    for (const struct checkpoint_segment *s = table->segments; s != NULL && status == RHEI_OK; s = s->next)
        if (s->in_pieces) {
            known->segments[at++] = (struct checkpoint_known){.uid = s->uid, .rows = s->rows, .in_pieces = true};
            status = append_pieces(loading, build, s, s->pieces, s->rows, error);
        }
    return status;
}

/* RHEI_IO: this table can't be taken over, others may be. */
static rhei_status restore_table(struct loading *loading, const struct checkpoint_table *table,
                                 struct rhei_error *error)
{
    struct checkpoint *checkpoint = loading->checkpoint;
    struct mirror_build *build = NULL;
    uint32_t count = count_segments(table, false) + count_segments(table, true);
    struct checkpoint_known_table *known = checkpoint_set_add(&checkpoint->set, table->definition->id, count);
    if (known == NULL)
        return error_no_memory(error);
    rhei_status status = mirror_build_begin(checkpoint->config.mirror, table->definition, 1, &build, error);
    if (status == RHEI_OK)
        status = fill(loading, build, table, known, error);
    if (status == RHEI_OK)
        status = mirror_build_attach(&build, error);
    if (status == RHEI_OK) {
        if (is_history(table))
            loading->restored->histories++;
        else
            loading->restored->tables++;
        return RHEI_OK;
    }
    mirror_build_abandon(&build);
    checkpoint_set_drop_last(&checkpoint->set);
    return status;
}

/* Smallest number first, as sets are sorted. */
static struct checkpoint_table *next_table(const struct checkpoint_model *model, bool histories, int64_t after)
{
    struct checkpoint_table *best = NULL;
    for (struct checkpoint_table *table = model->tables; table != NULL; table = table->next)
        if ((int64_t)table->definition->id > after && (!histories || is_history(table)) &&
            (best == NULL || table->definition->id < best->definition->id))
            best = table;
    return best;
}

static rhei_status restore_tables(struct loading *loading, struct rhei_error *error)
{
    const struct checkpoint_table *table;
    for (int64_t after = -1; (table = next_table(&loading->model, loading->histories, after)) != NULL;
         after = table->definition->id) {
        struct rhei_error why = RHEI_ERROR_INIT;
        rhei_status status = restore_table(loading, table, &why);
        if (status == RHEI_NO_MEMORY) {
            if (error != NULL)
                *error = why;
            return status;
        }
        if (status != RHEI_OK) { /* one table's trouble: it is loaded as any new one */
            char what[128];
            (void)snprintf(what, sizeof what, "table \"%.60s\" is loaded again", table->definition->name);
            tell(loading, what, why.message);
        }
    }
    return RHEI_OK;
}

/* ---- All of it. ---------------------------------------------------------------------------------------------------- */

/* Of the newest checkpoint, deltas and all; *len: of its manifest. RHEI_NOT_FOUND: there is none. */
static rhei_status read_newest_head(struct blob_store *store, struct checkpoint_head *head, size_t *len,
                                    struct rhei_error *error)
{
    void *bytes = NULL;
    uint64_t version = 0;
    rhei_status status = store->ops->manifest_read(store, &bytes, len, &version, error);
    if (status == RHEI_OK && version == 0)
        status = error_set(error, RHEI_NOT_FOUND, "there is no checkpoint yet");
    if (status == RHEI_OK)
        status = checkpoint_read_head(bytes, *len, head, error);
    base_free(bytes);
    for (bool more = status == RHEI_OK; more;) {
        char name[CHECKPOINT_NAME_BYTES];
        size_t size = 0;
        checkpoint_delta_name(head->base, head->number + 1, name);
        more = checkpoint_read_blob(store, name, &bytes, &size, NULL) == RHEI_OK &&
               checkpoint_read_head(bytes, size, head, NULL) == RHEI_OK;
        base_free(bytes);
    }
    return status;
}

static bool is_newest(struct blob_store *store, const struct checkpoint_head *head)
{
    struct checkpoint_head newest = {.base = 0};
    size_t len = 0;
    if (read_newest_head(store, &newest, &len, NULL) != RHEI_OK) /* nobody replaced it by that */
        return true;
    return newest.base == head->base && newest.number == head->number;
}

bool checkpoint_is_overtaken(struct checkpoint *checkpoint)
{
    return checkpoint->config.look && checkpoint->head.base > 0 &&
           !is_newest(checkpoint->config.store, &checkpoint->head);
}

static void forget_read(struct loading *loading)
{
    checkpoint_model_reset(&loading->model);
    while (loading->blobs != NULL) {
        struct read_blob *blob = loading->blobs;
        loading->blobs = blob->next;
        base_free(blob->bytes);
        base_free(blob);
    }
}

static rhei_status read_all(struct loading *loading, struct rhei_error *error)
{
    rhei_status status = read_manifest(loading, error);
    if (status == RHEI_OK)
        status = read_deltas(loading, error);
    if (status == RHEI_OK)
        status =
            loading->checkpoint->config.source_number == 0 ? check_stamp(loading, error) : take_state(loading, error);
    return status;
}

bool checkpoint_names(const struct checkpoint *checkpoint, uint32_t table)
{
    bool named = false;
    for (uint32_t i = 0; i < checkpoint->named_count; i++)
        named |= checkpoint->named[i] == table;
    return named;
}

static rhei_status note_names(struct loading *loading, struct rhei_error *error)
{
    struct checkpoint *checkpoint = loading->checkpoint;
    uint32_t count = 0;
    for (const struct checkpoint_table *t = loading->model.tables; t != NULL; t = t->next)
        count++;
    checkpoint->named = base_alloc(((size_t)count + 1) * sizeof *checkpoint->named);
    if (checkpoint->named == NULL)
        return error_no_memory(error);
    for (const struct checkpoint_table *t = loading->model.tables; t != NULL; t = t->next)
        checkpoint->named[checkpoint->named_count++] = t->definition->id;
    return RHEI_OK;
}

static rhei_status load(struct loading *loading, struct rhei_error *error)
{
    enum { TRIES = 50 };
    struct checkpoint *checkpoint = loading->checkpoint;
    rhei_status status = read_all(loading, error);
    for (int i = 0; i < TRIES && checkpoint->config.look && status == RHEI_OK &&
                    !is_newest(checkpoint->config.store, &loading->model.head);
         i++) { /* 5. */
        forget_read(loading);
        *loading = (struct loading){.checkpoint = checkpoint, .restored = loading->restored};
        *loading->restored = (struct checkpoint_restored){.message = ""};
        status = read_all(loading, error);
    }
    if (status == RHEI_OK && checkpoint->config.look)
        status = note_names(loading, error);
    if (status == RHEI_OK)
        status = restore_tables(loading, error);
    return status;
}

static void settle(struct loading *loading)
{
    struct checkpoint *checkpoint = loading->checkpoint;
    const struct checkpoint_head *head = &loading->model.head;
    checkpoint->head = *head;
    checkpoint->next_uid = head->next_uid > 0 ? head->next_uid : 1;
    checkpoint->delta_bytes = loading->delta_bytes;
    /* A delta tells what is new beside all that the folder has, and what wasn't taken over nobody has any more. */
    checkpoint->whole_wanted = loading->incomplete || loading->histories;
    loading->restored->any = loading->restored->tables > 0;
    loading->restored->position = head->position;
    checkpoint->status.position = head->position;
    checkpoint->status.made_ms = head->made_ms;
}

rhei_status checkpoint_load(struct checkpoint *checkpoint, struct checkpoint_restored *restored,
                            struct rhei_error *error)
{
    struct loading loading = {.checkpoint = checkpoint, .restored = restored};
    int64_t began_ns = base_now_ns();
    *restored = (struct checkpoint_restored){.message = ""};
    checkpoint->next_uid = 1;
    checkpoint->status.position = -1;
    rhei_status status = load(&loading, error);
    if (status == RHEI_OK)
        settle(&loading);
    else if (status == RHEI_DONE)
        checkpoint_set_reset(&checkpoint->set);
    if (!checkpoint->config.look && (status == RHEI_OK || status == RHEI_DONE))
        checkpoint_sweep(checkpoint);
    status = status == RHEI_DONE ? RHEI_OK : status;
    forget_read(&loading);
    restored->duration_ns = base_now_ns() - began_ns;
    return status;
}

/* ---- Only looking. ------------------------------------------------------------------------------------------------- */

static rhei_status add_size(void *context, const char *name, uint64_t size, struct rhei_error *error)
{
    (void)name;
    (void)error;
    *(uint64_t *)context += size;
    return RHEI_OK;
}

rhei_status checkpoint_peek(struct blob_store *store, struct checkpoint_status *status, struct rhei_error *error)
{
    struct checkpoint_head head = {.base = 0};
    size_t len = 0;
    *status = (struct checkpoint_status){.position = -1};
    rhei_status read = read_newest_head(store, &head, &len, error);
    if (read != RHEI_OK)
        return read;
    status->position = head.position;
    status->made_ms = head.made_ms;
    status->bytes = len;
    return store->ops->list(store, add_size, &status->bytes, error);
}
