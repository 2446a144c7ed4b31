/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: manifest, then delta after delta, then the tables into the mirror, each as a build whose segments lie in the store's files.
 *
 *   1. Nothing is shown that isn't a state of this source: its stamp is looked up at the position before any table is made.
 *   2. A table is taken over whole or not at all; one that isn't is built again as any new table.
 *   3. What is damaged, and still is when it is asked for once more, is set aside, so that people can look at it, and is never read again. Where that
 *      can't be, nothing is taken over and nothing written: what nobody names any more would be removed.
 *   4. Of a newer version nothing is touched.
 *   5. What couldn't be asked for (blob_store.away) isn't damaged: nothing is set aside, and the opening fails as a whole.
 *   6. A look changes nothing. Whoever works there may replace what is being read: then it is read again, until it was the newest
 *      both before and after.
 *   7. Nor is anything touched where a library that files need isn't there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint_ahead.h"
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
    struct checkpoint_ahead deltas, segments;
    bool away;  /* the store couldn't be asked for the file that was opened last */
    bool stuck; /* what is damaged can't be set aside */
};

/* ---- What goes wrong. ---------------------------------------------------------------------------------------------- */

static void tell(struct loading *loading, const char *what, const char *why)
{
    struct checkpoint_restored *restored = loading->restored;
    loading->incomplete = true;
    base_log_write(loading->checkpoint->config.log, BASE_LOG_WARN, "checkpoint", "%s: %s", what, why);
    if (restored->message[0] == '\0')
        (void)snprintf(restored->message, sizeof restored->message, "%.80s: %.420s", what, why);
}

/* `name` NULL: the manifest. What can't be set aside now stays, and the opening fails as a whole: later it may be, or be read. */
static rhei_status set_aside(struct loading *loading, const char *name, const char *why, struct rhei_error *error)
{
    struct blob_store *store = loading->checkpoint->config.store;
    char file[80] = "the manifest of the mirror";
    rhei_status status = RHEI_OK;
    if (name != NULL)
        (void)snprintf(file, sizeof file, "the file \"b-%.40s\" of the mirror's folder", name);
    loading->restored->damaged = true;
    loading->restored->lost_history |= name == NULL;
    if (loading->checkpoint->config.look) { /* 6. */
        tell(loading, file, why);
        return RHEI_OK;
    }
    if (store->ops->set_aside != NULL)
        status = store->ops->set_aside(store, name, error);
    else if (name != NULL)
        status = store->ops->remove(store, name, error);
    if (status != RHEI_OK) {
        error_context(error, "%s is damaged (%.200s), and can't be set aside: ", file, why);
        return status;
    }
    if (name == NULL)
        loading->checkpoint->version = 0; /* there is none now */
    tell(loading, name == NULL ? "the manifest of the mirror was set aside, and is made anew" : file, why);
    return RHEI_OK;
}

/* 5. */
static bool is_away(const struct loading *loading, rhei_status status, const struct rhei_error *why)
{
    return status != RHEI_OK && blob_store_is_away(loading->checkpoint->config.store, why);
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
    rhei_status status = checkpoint_read_manifest(store, &bytes, &len, &checkpoint->version, &why);
    if (status == RHEI_OK && checkpoint->version == 0)
        return RHEI_DONE;
    if (status == RHEI_OK)
        status = keep(loading, bytes, &why);
    if (status == RHEI_OK)
        status = checkpoint_apply(&loading->model, bytes, len, &why);
    checkpoint->manifest_bytes = len;
    if (status == RHEI_IO && !is_away(loading, status, &why)) {
        checkpoint_model_reset(&loading->model);
        status = set_aside(loading, NULL, why.message, error);
        return status == RHEI_OK ? RHEI_DONE : status;
    }
    if (status != RHEI_OK && error != NULL)
        *error = why;
    return status;
}

/* RHEI_NOT_FOUND: there is no further one. */
static rhei_status read_delta(struct loading *loading, const char *name, struct rhei_error *error)
{
    void *bytes = NULL;
    size_t len = 0;
    rhei_status status = checkpoint_read_delta(loading->checkpoint->config.store, name, &loading->model.head,
                                               &loading->deltas, &bytes, &len, error);
    if (status != RHEI_OK)
        return status;
    loading->delta_bytes += len;
    status = keep(loading, bytes, error);
    return status == RHEI_OK ? checkpoint_apply(&loading->model, bytes, len, error) : status;
}

/* Deltas follow each other without a gap: where a later one is there, one is gone. RHEI_DONE: there is none, and none is wanted. */
static rhei_status is_gone(struct loading *loading, struct rhei_error *error)
{
    for (uint64_t number = loading->model.head.number + 2; number <= CHECKPOINT_MOST_DELTAS; number++) {
        char name[CHECKPOINT_NAME_BYTES];
        uint64_t size;
        checkpoint_delta_name(loading->model.head.base, number, name);
        const struct blob_tail *tail = checkpoint_ahead_find(&loading->deltas, name);
        rhei_status status = tail == NULL ? RHEI_NOT_FOUND : checkpoint_ahead_status(tail, &size, error);
        if (status != RHEI_NOT_FOUND)
            return status;
        error_clear(error);
    }
    return RHEI_DONE;
}

static rhei_status lose_deltas(struct loading *loading, const char *name, const char *why, struct rhei_error *error)
{
    rhei_status status = set_aside(loading, name, why, error);
    loading->checkpoint->lost_deltas = true; /* nobody knows of which tables it told */
    loading->restored->lost_deltas = loading->restored->lost_history = true;
    loading->histories = true;
    return status;
}

/* A delta that is damaged or gone ends the checkpoint: the log begins behind the newest one. What was of histories before is still right. */
static rhei_status read_deltas(struct loading *loading, struct rhei_error *error)
{
    struct blob_store *store = loading->checkpoint->config.store;
    rhei_status status = checkpoint_expect_deltas(&loading->deltas, store, &loading->model.head, error);
    while (status == RHEI_OK) {
        char name[CHECKPOINT_NAME_BYTES];
        struct rhei_error why = RHEI_ERROR_INIT;
        checkpoint_delta_name(loading->model.head.base, loading->model.head.number + 1, name);
        status = read_delta(loading, name, &why);
        if (status == RHEI_NOT_FOUND) {
            error_clear(&why);
            status = is_gone(loading, &why);
            if (status == RHEI_OK)
                return lose_deltas(loading, name, "it is gone, and a later one is there", error);
        }
        if (status == RHEI_IO && !is_away(loading, status, &why))
            return lose_deltas(loading, name, why.message, error);
        if (status != RHEI_OK && status != RHEI_DONE && error != NULL)
            *error = why;
    }
    return status == RHEI_DONE ? RHEI_OK : status;
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

#define OF_ANOTHER_FILE                                                                                               \
    "the folder holds the history of another database file, which is nowhere else: name another folder for this one " \
    "(olap_path), or move that one away. If it is this very database, "
#define SAY_SO "say so while nobody has it open: UPDATE _rhei_meta SET value = '%s' WHERE key = 'database_id'"

static rhei_status of_another_file(const char *file, struct rhei_error *error)
{
    return error_set(error, RHEI_EXISTS,
                     OF_ANOTHER_FILE "of which change capture was taken away and made anew, " SAY_SO, file);
}

static rhei_status of_owner(const char *owner, struct rhei_error *error)
{
    return error_set(error, RHEI_EXISTS,
                     "the folder holds the column store of the database \"%.300s\": name another folder for this one "
                     "(olap_path), or remove that one, which is built anew from its database",
                     owner);
}

/* Nothing is wrong with it. */
static rhei_status in_buffer(struct loading *loading)
{
    (void)snprintf(loading->restored->message, sizeof loading->restored->message, "%s", CHECKPOINT_IN_BUFFER);
    loading->incomplete = loading->histories = true;
    return RHEI_OK;
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
    if (other && !was && loading->checkpoint->config.owner != NULL)
        return of_owner(loading->checkpoint->config.owner, error);
    if (was)
        wrong = "other programs dropped tables of change capture; the mirror is built anew";
    else if (other)
        wrong = "it is of another database file, and the next checkpoint takes its place";
    else if (status == RHEI_NOT_FOUND && loading->restored->lost_deltas)
        return RHEI_OK; /* where it ends now the log may have begun behind, and what is wrong was told */
    else if (status == RHEI_NOT_FOUND && loading->checkpoint->config.buffered)
        return in_buffer(loading);
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

static rhei_status adopt_file(struct loading *loading, struct mirror_build *build, uint32_t table,
                              const struct checkpoint_segment *segment, struct checkpoint_known *known,
                              struct rhei_error *error)
{
    struct segment_image image;
    struct mirror_keeper keeper;
    uint64_t bytes = 0;
    rhei_status status = checkpoint_files_open(loading->checkpoint->files, table, segment->uid, segment->rows,
                                               segment->sum, &image, &keeper, &bytes, error);
    if (status != RHEI_OK)
        return status;
    *known = (struct checkpoint_known){.uid = segment->uid, .rows = segment->rows, .bytes = bytes, .sum = image.sum};
    status = mirror_segment_adopt_lazily(build, 0, &image, segment->dead, &keeper, error);
    image.release(&image);
    return status;
}

static rhei_status adopt(struct loading *loading, struct mirror_build *build, uint32_t table,
                         const struct checkpoint_segment *segment, struct checkpoint_known *known,
                         struct rhei_error *error)
{
    char name[CHECKPOINT_NAME_BYTES];
    struct checkpoint_known found = {0};
    checkpoint_blob_name(segment->uid, name);
    rhei_status status = adopt_file(loading, build, table, segment, &found, error);
    loading->away = is_away(loading, status, error);
    if ((status == RHEI_IO || status == RHEI_NOT_FOUND) && !loading->away) {
        char why[RHEI_ERROR_MESSAGE_SIZE];
        (void)snprintf(why, sizeof why, "%s", error->message);
        error_clear(error);
        status = set_aside(loading, name, why, error);
        loading->stuck = status != RHEI_OK;
        return status == RHEI_OK ? error_set(error, RHEI_IO, "%s", why) : status;
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
        status = adopt(loading, build, table->definition->id, s, &known->segments[at++], error);
        if (status == RHEI_IO && is_history(table) && !loading->away &&
            !loading->stuck) /* versions that are nowhere else: what is right stays */
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
        bool whole = status == RHEI_NO_MEMORY || status == RHEI_TOO_NEW || status == RHEI_OLAP_UNAVAILABLE; /* 4., 7. */
        if (whole || (status != RHEI_OK && (loading->away || loading->stuck))) {                            /* 3., 5. */
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
    rhei_status status = checkpoint_read_manifest(store, &bytes, len, &version, error);
    if (status == RHEI_OK && version == 0)
        status = error_set(error, RHEI_NOT_FOUND, "there is no checkpoint yet");
    if (status == RHEI_OK)
        status = checkpoint_read_head(bytes, *len, head, error);
    base_free(bytes);
    struct checkpoint_ahead deltas = {.store = store};
    if (status == RHEI_OK)
        status = checkpoint_expect_deltas(&deltas, store, head, error);
    for (bool more = status == RHEI_OK; more;) {
        char name[CHECKPOINT_NAME_BYTES];
        size_t size = 0;
        checkpoint_delta_name(head->base, head->number + 1, name);
        more = checkpoint_read_delta(store, name, head, &deltas, &bytes, &size, NULL) == RHEI_OK &&
               checkpoint_read_head(bytes, size, head, NULL) == RHEI_OK;
        base_free(bytes);
    }
    checkpoint_ahead_reset(&deltas);
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
    checkpoint_ahead_reset(&loading->deltas);
    checkpoint_ahead_reset(&loading->segments);
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

/* What was taken over by then belongs to nothing. */
static void drop_tables(struct checkpoint *checkpoint)
{
    for (size_t t = 0; t < checkpoint->set.count; t++)
        mirror_drop(checkpoint->config.mirror, checkpoint->set.tables[t].id);
    checkpoint_set_reset(&checkpoint->set);
}

/* 6., known by any packed file before a table is made. What else is wrong with it is found when it is taken in. */
static rhei_status can_unpack(struct loading *loading, struct rhei_error *error)
{
    for (const struct checkpoint_table *t = loading->model.tables; t != NULL; t = t->next)
        for (const struct checkpoint_segment *s = t->segments; s != NULL; s = s->next) {
            struct segment_image image;
            struct mirror_keeper keeper;
            struct rhei_error why = RHEI_ERROR_INIT;
            uint64_t bytes;
            if (s->in_pieces || (s->uid & CHECKPOINT_PACKED) == 0)
                continue;
            rhei_status status = checkpoint_files_open(loading->checkpoint->files, t->definition->id, s->uid, s->rows,
                                                       s->sum, &image, &keeper, &bytes, &why);
            if (status == RHEI_OLAP_UNAVAILABLE)
                return error_set(error, status, "%s", why.message);
            if (status != RHEI_OK)
                continue;
            image.release(&image);
            keeper.release(keeper.context);
            return RHEI_OK;
        }
    return RHEI_OK;
}

/* In the order in which they are taken in. */
static rhei_status expect_segments(struct loading *loading, struct rhei_error *error)
{
    const struct checkpoint_table *table;
    rhei_status status = RHEI_OK;
    loading->segments =
        (struct checkpoint_ahead){.store = loading->checkpoint->config.store, .room = CHECKPOINT_TAIL_BYTES};
    for (int64_t after = -1;
         status == RHEI_OK && (table = next_table(&loading->model, loading->histories, after)) != NULL;
         after = table->definition->id)
        for (const struct checkpoint_segment *s = table->segments; status == RHEI_OK && s != NULL; s = s->next) {
            char name[CHECKPOINT_NAME_BYTES];
            checkpoint_blob_name(s->uid, name);
            if (!s->in_pieces)
                status = checkpoint_ahead_add(&loading->segments, name, error);
        }
    return status;
}

static rhei_status load(struct loading *loading, struct rhei_error *error)
{
    enum { TRIES = 50 };
    struct checkpoint *checkpoint = loading->checkpoint;
    rhei_status status = read_all(loading, error);
    for (int i = 0; i < TRIES && checkpoint->config.look && status == RHEI_OK &&
                    !is_newest(checkpoint->config.store, &loading->model.head);
         i++) { /* 6. */
        forget_read(loading);
        *loading = (struct loading){.checkpoint = checkpoint, .restored = loading->restored};
        *loading->restored = (struct checkpoint_restored){.message = ""};
        status = read_all(loading, error);
    }
    if (status == RHEI_OK && checkpoint->config.look)
        status = note_names(loading, error);
    if (status == RHEI_OK)
        status = expect_segments(loading, error);
    checkpoint_files_expect(checkpoint->files, &loading->segments);
    if (status == RHEI_OK)
        status = can_unpack(loading, error);
    if (status == RHEI_OK)
        status = restore_tables(loading, error);
    checkpoint_files_expect(checkpoint->files, NULL);
    if (status != RHEI_OK && status != RHEI_DONE)
        drop_tables(loading->checkpoint);
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

rhei_status checkpoint_may_begin(struct blob_store *store, const char *owner, struct rhei_error *error)
{
    struct checkpoint_model model = {.tables = NULL};
    void *bytes = NULL;
    size_t len = 0;
    uint64_t version = 0;
    rhei_status status = checkpoint_read_manifest(store, &bytes, &len, &version, error);
    if (status == RHEI_OK && version == 0)
        status = error_set(error, RHEI_NOT_FOUND, "there is no checkpoint yet");
    if (status == RHEI_OK)
        status = checkpoint_apply(&model, bytes, len, error);
    if (status == RHEI_OK && has_histories(&model))
        status =
            error_set(error, RHEI_EXISTS,
                      OF_ANOTHER_FILE "which had change capture taken away, have that made anew without olap_path, "
                                      "and " SAY_SO,
                      model.head.stamp.file);
    else if (status == RHEI_OK && owner != NULL)
        status = of_owner(owner, error);
    checkpoint_model_reset(&model);
    base_free(bytes);
    return status;
}
