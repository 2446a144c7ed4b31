/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change feed's calls: what capture tells a consumer, in the public structs, and waiting for more.
 *
 * A wait ends when the file's write-ahead log is written (inotify) and the count of commits has moved, whoever wrote; a cancel is seen within a
 * slice. Where neither can be told, each slice is a look.
 */
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "engine/engine_changes.h"

enum { WAIT_SLICE_MS = 50, WAIT_FIRST_MS = 1, CHANGES_ROWS = 1000 };
#define CHANGES_KEEP_MS (INT64_C(7) * 24 * 3600 * 1000)

_Static_assert((int)RHEI_CHANGE_TABLE == (int)CAPTURE_CHANGE_TABLE &&
                   (int)RHEI_CHANGE_COMMIT == (int)CAPTURE_CHANGE_COMMIT,
               "kinds are handed on as they are");

static rhei_status changes_config(const struct rhei_changes_options *options, struct capture_changes_config *config,
                                  struct rhei_error *error)
{
    *config = (struct capture_changes_config){.consumer = options->consumer,
                                              .oldest = options->start == RHEI_CHANGES_OLDEST,
                                              .after = -1,
                                              .keep_ms = options->keep_ms == 0 ? CHANGES_KEEP_MS : options->keep_ms,
                                              .most_rows = CHANGES_ROWS};
    if (options->start < RHEI_CHANGES_NEW || options->start > RHEI_CHANGES_AFTER)
        return error_set(error, RHEI_INVALID, "rhei_changes_options.start %d is none of enum rhei_changes_start",
                         (int)options->start);
    if (options->keep_ms < 0)
        return error_set(error, RHEI_INVALID, "rhei_changes_options.keep_ms is below 0");
    if (options->start == RHEI_CHANGES_AFTER) {
        if (options->consumer != NULL || options->after < 0)
            return error_set(error, RHEI_INVALID,
                             "a start behind a position is for changes without a consumer, and the position is 0 or "
                             "above: a consumer goes on where it is");
        config->after = options->after;
    }
    return RHEI_OK;
}

static int changes_watch_file(const char *path)
{
    struct base_buffer name = {0};
    int fd = -1;
    base_buffer_format(&name, "%s-wal", path == NULL ? "" : path);
    if (!name.failed && path != NULL && strcmp(path, ":memory:") != 0) {
        fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (fd >= 0 && inotify_add_watch(fd, name.data, IN_MODIFY) < 0) {
            close(fd);
            fd = -1;
        }
    }
    base_buffer_reset(&name);
    return fd;
}

/* What sidecars change is their applications' to tell of. */
static rhei_status has_feed(const struct rhei_db *db, struct rhei_error *error)
{
    return !db->no_local
               ? RHEI_OK
               : error_set(error, RHEI_UNSUPPORTED,
                           "the settings name sidecars alone, and the change feed is of a file of one's own: there is "
                           "nothing to follow (enable_local_oltp = true in [sidecar] puts one beside them)");
}

rhei_status rhei_changes_open(rhei_db *db, const struct rhei_changes_options *options, rhei_changes **changes,
                              struct rhei_error *error)
{
    struct rhei_changes_options known;
    struct capture_changes_config config;
    error_clear(error);
    if (changes != NULL)
        *changes = NULL;
    if (db == NULL || changes == NULL)
        return error_set(error, RHEI_INVALID, "rhei_changes_open needs a handle and a place for the changes");
    rhei_status status = engine_options_copy(&known, sizeof known, options, "rhei_changes_options", error);
    if (status == RHEI_OK)
        status = changes_config(&known, &config, error);
    if (status == RHEI_OK)
        status = has_feed(db, error);
    config.buffer = engine_buffer_of(db);
    config.damaged = engine_buffer_damaged;
    config.damaged_context = db;
    config.buffer_folder = db->buffer_status == RHEI_OK ? NULL : db->buffer_path;
    config.buffer_why = db->buffer_message;
    config.buffer_status = db->buffer_status;
    if (status == RHEI_OK)
        status = oltp_check_file(db->oltp, error);
    if (status != RHEI_OK)
        return status;
    struct rhei_changes *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->db = db;
    made->cancel = known.cancel;
    made->written = -1;
    status = capture_changes_open(db->oltp, &config, &made->changes, error);
    if (status != RHEI_OK) {
        rhei_changes_close(&made);
        return status;
    }
    made->written = changes_watch_file(db->path);
    *changes = made;
    return RHEI_OK;
}

uint32_t engine_changes_shape(const struct source_table *table, uint32_t *keys, uint32_t *key_count)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < table->column_count; c++)
        if (table->columns[c].in_primary_key)
            keys[count++] = c;
    *key_count = count > 0 ? count : table->key_count;
    if (count == 0 && table->key_count > 0)
        memcpy(keys, table->key_columns, table->key_count * sizeof *keys);
    return count > 0 && table->columns[table->column_count - 1].is_rowid ? table->column_count - 1
                                                                         : table->column_count;
}

rhei_status engine_changes_show(struct rhei_changes *changes, const struct capture_change *found,
                                struct rhei_change *change, struct rhei_error *error)
{
    enum { CHANGE_FIRST_SIZE = 104 };
    struct rhei_change known = {.struct_size = sizeof known,
                                .kind = (int32_t)found->kind,
                                .table_number = found->number,
                                .position = found->position,
                                .time_us = found->time_us,
                                .table = found->name,
                                .values = found->values,
                                .reason = found->reason,
                                .before = found->before};
    const struct source_table *table = found->table;
    if (table != NULL) {
        if (!base_grow((void **)&changes->names, &changes->names_room, (size_t)table->column_count + 1,
                       sizeof *changes->names) ||
            !base_grow((void **)&changes->keys, &changes->keys_room, (size_t)table->column_count + 1,
                       sizeof *changes->keys))
            return error_no_memory(error);
        known.column_count = engine_changes_shape(table, changes->keys, &known.key_count);
        for (uint32_t c = 0; c < table->column_count; c++)
            changes->names[c] = table->columns[c].name;
        known.columns = changes->names;
        known.key_columns = changes->keys;
    }
    engine_struct_give(change, &known, sizeof known, CHANGE_FIRST_SIZE);
    return RHEI_OK;
}

rhei_status rhei_changes_next(rhei_changes *changes, struct rhei_change *change, struct rhei_error *error)
{
    error_clear(error);
    if (changes == NULL || change == NULL)
        return error_set(error, RHEI_INVALID, "rhei_changes_next needs changes and a place for one");
    if (changes->gathered != NULL)
        return error_set(
            error, RHEI_INVALID,
            "this reader has rows for rhei_changes_next_arrow: take everything up to a commit by one of the "
            "two calls");
    const struct capture_change *found = NULL;
    rhei_status status = capture_changes_next(changes->changes, &found, error);
    if (status == RHEI_ROW)
        status = engine_changes_show(changes, found, change, error);
    return status == RHEI_OK ? RHEI_ROW : status;
}

/* Takes what the descriptor tells, so that it tells of the next write. */
static void changes_drain(int fd)
{
    char bytes[4096];
    while (read(fd, bytes, sizeof bytes) > 0)
        continue;
}

rhei_status rhei_changes_wait(rhei_changes *changes, int64_t timeout_ms, struct rhei_error *error)
{
    error_clear(error);
    if (changes == NULL)
        return error_set(error, RHEI_INVALID, "rhei_changes_wait needs changes");
    int64_t deadline = INT64_MAX, now = base_now_ns();
    if (timeout_ms >= 0 && timeout_ms < (INT64_MAX - now) / 1000000)
        deadline = now + timeout_ms * 1000000;
    for (int slice = WAIT_SLICE_MS; !capture_changes_news(changes->changes);) {
        if (changes->cancel != NULL && atomic_load_explicit(&changes->cancel->raised, memory_order_acquire))
            return error_set(error, RHEI_CANCELLED, "waiting for changes was cancelled");
        now = base_now_ns();
        if (now >= deadline)
            return error_set(error, RHEI_TIMEOUT, "nothing was committed in %lld ms", (long long)timeout_ms);
        int64_t left = (deadline - now + 999999) / 1000000;
        struct pollfd look = {.fd = changes->written, .events = POLLIN}; /* -1: only the time */
        if (poll(&look, 1, left < slice ? (int)left : slice) > 0) {      /* the frames are there, the commit is near */
            changes_drain(changes->written);
            slice = WAIT_FIRST_MS;
        } else {
            slice = slice * 2 > WAIT_SLICE_MS ? WAIT_SLICE_MS : slice * 2;
        }
    }
    return oltp_check_file(changes->db->oltp, error);
}

rhei_status rhei_changes_acknowledge(rhei_changes *changes, int64_t position, struct rhei_error *error)
{
    error_clear(error);
    if (changes == NULL)
        return error_set(error, RHEI_INVALID, "rhei_changes_acknowledge needs changes");
    rhei_status status = oltp_check_file(changes->db->oltp, error);
    return status == RHEI_OK ? capture_changes_acknowledge(changes->changes, position, error) : status;
}

int64_t rhei_changes_position(const rhei_changes *changes)
{
    return changes == NULL ? 0 : capture_changes_position(changes->changes);
}

rhei_status rhei_changes_drop(rhei_db *db, const char *consumer, struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL || consumer == NULL)
        return error_set(error, RHEI_INVALID, "rhei_changes_drop needs a handle and a consumer's name");
    rhei_status status = has_feed(db, error);
    if (status == RHEI_OK)
        status = oltp_check_file(db->oltp, error);
    return status == RHEI_OK ? capture_consumer_drop(db->oltp, consumer, error) : status;
}

void rhei_changes_close(rhei_changes **changes)
{
    if (changes == NULL || *changes == NULL)
        return;
    struct rhei_changes *closing = *changes;
    *changes = NULL;
    engine_changes_forget(closing);
    capture_changes_close(&closing->changes);
    if (closing->written >= 0)
        close(closing->written);
    base_free(closing->names);
    base_free(closing->keys);
    base_free(closing);
}
