/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change buffer's folder (rocksdb_cdc_path; docs/design/change-buffer.md): RocksDB beside the database, and the bridge that moves the log there.
 *
 * A folder that can't be used because of what it is (in use, something else's, another database's, a newer version's), and a RocksDB that
 * isn't there, refuse the opening. What is damaged, or of another history of the file, is set aside, and the buffer begins
 * anew. One that can't be written leaves the changes in the database's own log, with a message.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_folder.h"
#include "buffer_rocksdb/rocksdb_buffer.h"
#include "capture/capture_bridge.h"
#include "engine/engine_internal.h"
#include "feed/feed.h"
#include "feed/feed_bridge.h"

struct engine_buffer {
    struct rhei_db *db;
    struct change_buffer *buffer;
    struct change_source *source; /* the bridge's own */
    struct change_source *beside; /* the mirror's; NULL: there is none */
    struct feed_bridge *bridge;
};

static struct rocksdb_buffer_config folder_config(const struct rhei_db *db, const char *file)
{
    return (struct rocksdb_buffer_config){
        .folder = db->buffer_path, .file = file, .fault = db->config.fault, .fault_context = db->config.fault_context};
}

/* ---- Opening the folder. ----------------------------------------------------------------------------------------- */

static rhei_status file_identity(struct engine_buffer *own, struct change_stamp *stamp, struct rhei_error *error)
{
    rhei_status status = own->source->ops->stamp(own->source, 0, stamp, error);
    return status == RHEI_NOT_FOUND ? RHEI_INTERNAL : status;
}

static bool was_file(void *context, const char *file)
{
    const struct engine_buffer *own = context;
    struct change_stamp kept = {.file = ""};
    (void)snprintf(kept.file, sizeof kept.file, "%s", file);
    return own->source->ops->was != NULL && own->source->ops->was(own->source, -1, &kept);
}

/* Whether the buffer's last commit is a state that this file went through. */
static rhei_status is_of_this_history(struct engine_buffer *own, bool *is, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    struct change_buffer_state state;
    struct change_stamp stamp;
    own->buffer->ops->state(own->buffer, &state);
    *is = true;
    if (state.last == state.pruned)
        return RHEI_OK;
    rhei_status status = own->source->ops->stamp(own->source, state.position, &stamp, &why);
    *is = status == RHEI_OK && feed_mark(&stamp) == state.mark;
    if (status == RHEI_OK || status == RHEI_NOT_FOUND)
        return RHEI_OK;
    if (error != NULL)
        *error = why;
    return status;
}

static rhei_status begin_anew(struct engine_buffer *own, const struct rocksdb_buffer_config *config, const char *why,
                              struct rhei_error *error)
{
    char name[32] = "";
    struct rhei_db *db = own->db;
    if (own->buffer != NULL)
        own->buffer->ops->close(&own->buffer);
    rhei_status status = rocksdb_buffer_set_aside(config, name, sizeof name, error);
    if (status != RHEI_OK)
        return status;
    (void)snprintf(db->buffer_message, sizeof db->buffer_message,
                   "what was in the folder is set aside as \"%s\", and the buffer began anew: %.380s", name, why);
    base_log_write(&db->log, BASE_LOG_WARN, "engine", "the change buffer \"%s\": %s", db->buffer_path,
                   db->buffer_message);
    return rocksdb_buffer_open(config, &own->buffer, error);
}

static rhei_status open_folder(struct engine_buffer *own, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    struct change_stamp stamp;
    struct change_buffer_state state;
    bool same = true;
    rhei_status status = file_identity(own, &stamp, error);
    if (status != RHEI_OK)
        return status;
    struct rocksdb_buffer_config config = folder_config(own->db, stamp.file);
    config.was = was_file;
    config.was_context = own;
    status = rocksdb_buffer_open(&config, &own->buffer, &why);
    if (status == RHEI_NOT_A_DATABASE)
        status = begin_anew(own, &config, why.message, error);
    else if (status != RHEI_OK && error != NULL)
        *error = why;
    if (status == RHEI_OK)
        status = is_of_this_history(own, &same, error);
    if (status == RHEI_OK && !same)
        status =
            begin_anew(own, &config, "its last change isn't in the database, which was restored or replaced", error);
    if (status != RHEI_OK)
        return status;
    own->buffer->ops->state(own->buffer, &state);
    return state.last == state.pruned ? rocksdb_buffer_renew(own->buffer, stamp.file, error) : RHEI_OK;
}

/* ---- What the bridge asks. --------------------------------------------------------------------------------------- */

static int64_t applied(void *context)
{
    const struct engine_buffer *own = context;
    const struct sync *sync = own->db->sync;
    return sync != NULL && sync_is_running(sync) ? sync_position(sync) : INT64_MAX;
}

/* While the mirror's folder is being opened nobody knows yet how far its checkpoint is. */
static int64_t needed(void *context)
{
    const struct engine_buffer *own = context;
    if (own->db->sync != NULL)
        return sync_needed(own->db->sync);
    return own->db->olap_path != NULL && own->db->config.olap_backend != RHEI_OLAP_NONE ? 0 : INT64_MAX;
}

static rhei_status read_from(void *context, int64_t *position, struct rhei_error *error)
{
    const struct engine_buffer *own = context;
    return capture_bridge_read_from(own->db->oltp, position, error);
}

static rhei_status durable(void *context, int64_t position, int64_t begun, struct rhei_error *error)
{
    const struct engine_buffer *own = context;
    return capture_bridge_durable(own->db->oltp, position, begun, error);
}

static void limited(void *context, const char *text)
{
    const struct engine_buffer *own = context;
    capture_bridge_limited(own->db->oltp, text);
}

static rhei_status restarted(void *context, struct rhei_error *error)
{
    struct engine_buffer *own = context;
    struct change_stamp stamp;
    rhei_status status = file_identity(own, &stamp, error);
    return status == RHEI_OK ? rocksdb_buffer_renew(own->buffer, stamp.file, error) : status;
}

static rhei_status open_bridge(struct engine_buffer *own, struct rhei_error *error)
{
    struct rhei_db *db = own->db;
    struct feed_bridge_config config = {.buffer = own->buffer,
                                        .source = own->source,
                                        .batch_rows = 4096,
                                        .limits = {.rows = db->config.log_limit_rows,
                                                   .bytes = db->config.log_limit_bytes,
                                                   .age_ns = (int64_t)db->config.log_limit_age_s * 1000000000,
                                                   .keeps = db->config.log_limit_policy != RHEI_LOG_LIMIT_DETACH},
                                        .limited = limited,
                                        .applied = applied,
                                        .needed = needed,
                                        .read_from = read_from,
                                        .durable = durable,
                                        .restarted = restarted,
                                        .context = own,
                                        .log = &db->log,
                                        .fault = db->config.fault,
                                        .fault_context = db->config.fault_context};
    struct change_buffer_state state;
    own->buffer->ops->state(own->buffer, &state);
    int64_t begun = state.last == state.pruned ? INT64_MAX : state.horizon;
    rhei_status status =
        capture_bridge_durable(db->oltp, state.position, begun, error); /* nobody takes what is behind it */
    return status == RHEI_OK ? feed_bridge_open(&config, &own->bridge, error) : status;
}

static bool is_a_mistake(rhei_status status)
{
    return status == RHEI_BUSY || status == RHEI_INVALID || status == RHEI_EXISTS || status == RHEI_TOO_NEW ||
           status == RHEI_UNSUPPORTED || status == RHEI_NO_MEMORY;
}

static void without(struct rhei_db *db, const char *why)
{
    (void)snprintf(db->buffer_message, sizeof db->buffer_message, "%.511s", why);
    base_log_write(&db->log, BASE_LOG_WARN, "engine", "changes stay in the database's own log: %s", why);
}

/* A command next to the service whose folder it is. */
static bool goes_beside(const struct rhei_db *db)
{
    return db->config.manual_sync || db->config.capture_if_present;
}

rhei_status engine_buffer_may_begin(const struct rhei_db *db, struct rhei_error *error)
{
    const struct rocksdb_buffer_config config = folder_config(db, "");
    if (db->buffer_path == NULL)
        return RHEI_OK;
    rhei_status status = base_folder_above(db->buffer_path, RHEI_INVALID, error);
    if (status == RHEI_OK)
        status = rocksdb_buffer_may_begin(&config, error);
    if (status == RHEI_BUSY && goes_beside(db)) {
        error_clear(error);
        return RHEI_OK;
    }
    if (status != RHEI_OK)
        error_context(error, "rocksdb_cdc_path: ");
    return status;
}

rhei_status engine_buffer_open(struct rhei_db *db, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    if (db->buffer_path == NULL || db->config.read_only)
        return RHEI_OK;
    if (strcmp(db->path, ":memory:") == 0)
        return error_set(
            error, RHEI_UNSUPPORTED,
            "rocksdb_cdc_path: a database in memory has nothing that a buffer could go on from: leave it out");
    if (!oltp_captures(db->oltp)) {
        (void)snprintf(db->buffer_message, sizeof db->buffer_message,
                       "the database was opened without change capture, so there are no changes to keep");
        return RHEI_OK;
    }
    db->buffer = base_alloc_zero(1, sizeof *db->buffer);
    if (db->buffer == NULL)
        return error_no_memory(error);
    db->buffer->db = db;
    rhei_status status = capture_bridge_source(db->oltp, &db->buffer->source, &why);
    if (status == RHEI_OK)
        status = open_folder(db->buffer, &why);
    if (status == RHEI_OK)
        status = open_bridge(db->buffer, &why);
    if (status == RHEI_OK)
        return RHEI_OK;
    engine_buffer_close(db);
    error_context(&why, "rocksdb_cdc_path: ");
    if (is_a_mistake(status) && !(status == RHEI_BUSY && goes_beside(db))) {
        if (error != NULL)
            *error = why;
        return status;
    }
    db->buffer_status = status;
    without(db, why.message);
    return RHEI_OK;
}

/* ---- Life. ------------------------------------------------------------------------------------------------------- */

static uint64_t buffer_id(void *context)
{
    const struct engine_buffer *own = context;
    return rocksdb_buffer_id(own->buffer);
}

rhei_status engine_buffer_source(struct rhei_db *db, struct change_source **source, struct rhei_error *error)
{
    if (db->buffer == NULL)
        return RHEI_OK;
    struct feed_beside_config config = {.bridge = db->buffer->bridge,
                                        .buffer = db->buffer->buffer,
                                        .upstream = *source,
                                        .id = buffer_id,
                                        .id_context = db->buffer,
                                        .fault = db->config.fault,
                                        .fault_context = db->config.fault_context};
    return feed_beside_open(&config, source, error);
}

rhei_status engine_buffer_start(struct rhei_db *db, struct rhei_error *error)
{
    if (db->buffer == NULL)
        return RHEI_OK;
    if (db->sync == NULL)
        (void)feed_bridge_needless(db->buffer->bridge, INT64_MAX);
    return feed_bridge_start(db->buffer->bridge, error);
}

void engine_buffer_finish(struct rhei_db *db)
{
    if (db->buffer != NULL)
        feed_bridge_stop(db->buffer->bridge, true);
}

void engine_buffer_close(struct rhei_db *db)
{
    struct engine_buffer *own = db->buffer;
    if (own == NULL)
        return;
    db->buffer = NULL;
    feed_bridge_close(&own->bridge);
    if (own->source != NULL)
        own->source->ops->close(&own->source);
    if (own->buffer != NULL)
        own->buffer->ops->close(&own->buffer);
    base_free(own);
}

struct change_buffer *engine_buffer_of(const struct rhei_db *db)
{
    return db->buffer == NULL ? NULL : db->buffer->buffer;
}

void engine_buffer_damaged(void *context)
{
    struct rhei_db *db = context;
    if (db->buffer != NULL && db->buffer->bridge != NULL)
        feed_bridge_damaged(db->buffer->bridge);
}

/* ---- Status. ----------------------------------------------------------------------------------------------------- */

void engine_buffer_status(struct rhei_db *db, struct rhei_sync_status *status)
{
    struct feed_bridge_status bridge = {.position = -1, .horizon = -1};
    if (db->buffer != NULL) {
        feed_bridge_get_status(db->buffer->bridge, &bridge);
        bridge.horizon = bridge.commits > 0 ? bridge.horizon : bridge.position;
    } else if (db->buffer_path != NULL) { /* another handle's */
        struct change_stamp stamp;
        bridge.position = capture_bridge_position(db->oltp, &stamp);
        struct rocksdb_buffer_config config = folder_config(db, stamp.file);
        bridge.bytes = rocksdb_buffer_peek(&config, bridge.error, sizeof bridge.error);
        bridge.position = bridge.error[0] == '\0' ? bridge.position : -1;
    }
    (void)snprintf(status->buffer_folder, sizeof status->buffer_folder, "%s",
                   db->buffer_path == NULL ? "" : db->buffer_path);
    status->buffer_bytes = bridge.bytes;
    status->buffer_position = bridge.position;
    status->buffer_horizon = bridge.horizon;
    status->buffer_moved = bridge.moved;
    const char *message = db->buffer == NULL && db->buffer_message[0] != '\0' ? db->buffer_message
                          : bridge.error[0] != '\0'                           ? bridge.error
                                                                              : db->buffer_message;
    engine_message_give(status->buffer_message, sizeof status->buffer_message, message);
}

uint64_t engine_buffer_failures(struct rhei_db *db)
{
    struct feed_bridge_status bridge = {0};
    if (db->buffer != NULL)
        feed_bridge_get_status(db->buffer->bridge, &bridge);
    return bridge.failures;
}

void engine_buffer_json(struct base_buffer *out, struct rhei_db *db)
{
    struct rhei_sync_status status = {0};
    if (db->buffer_path == NULL)
        return;
    engine_buffer_status(db, &status);
    base_buffer_text(out, ",\n  \"buffer\": {\"folder\": ");
    engine_json_text(out, db->buffer_path);
    base_buffer_format(out,
                       ", \"bytes\": %" PRIu64 ", \"position\": %" PRId64 ", \"horizon\": %" PRId64
                       ", \"moved\": %" PRIu64 ", \"failures\": %" PRIu64 ", \"message\": ",
                       status.buffer_bytes, status.buffer_position, status.buffer_horizon, status.buffer_moved,
                       engine_buffer_failures(db));
    engine_json_text(out,
                     db->buffer == NULL && db->buffer_message[0] != '\0' ? db->buffer_message : status.buffer_message);
    base_buffer_char(out, '}');
}
