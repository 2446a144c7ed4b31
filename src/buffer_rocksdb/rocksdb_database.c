/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database: keys, records, opening it, and opening it again after a write that failed.
 *
 *   D1. `*errptr` is NULL before each call, and what a call leaves there is freed by the library that made it.
 *   D2. Recovery takes a torn tail of the write-ahead log and nothing else: the default would drop all that follows a damaged
 *       block, without a word.
 *   D3. After a write that failed RocksDB refuses every other until it is opened again; readers are kept out meanwhile. Where it can't be, it is
 *       tried again by each rollback: who appends reads first, and would never come to the write.
 *   D4. Its diary (LOG) tells nothing once the database is open: it lies on the disk that may be full, and behind a line that failed the next
 *       one is an assertion in builds like Debian's, which ends the process.
 */
#include "buffer_rocksdb/rocksdb_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"

enum {
    WRITE_BUFFER_BYTES = 8 << 20, /* bounds recovery */
    WRITE_BUFFERS = 3,
    BACKGROUND_JOBS = 2,
    LOG_FILES = 2,
    OPEN_FILES = 64,
    LOG_NOTHING = 5, /* but a few lines at the opening */
    RECOVER_TORN_TAIL = 0,
};

void rocks_fault(const struct rocks_buffer *buffer, const char *point)
{
    if (buffer->fault != NULL)
        buffer->fault(buffer->fault_context, point);
}

/* ---- Keys and records. ------------------------------------------------------------------------------------------- */

struct rocks_key rocks_key_one(enum rocks_key_kind kind, uint64_t number)
{
    struct rocks_key key = {.bytes = {(char)kind}, .len = 9};
    rocks_put_number(key.bytes + 1, number);
    return key;
}

struct rocks_key rocks_key_part(uint64_t number, uint32_t part)
{
    struct rocks_key key = rocks_key_one(ROCKS_KEY_EVENTS, number);
    rocks_put_number(key.bytes + 9, part);
    key.len = 17;
    return key;
}

struct rocks_key rocks_key_position(int64_t position, uint64_t number)
{
    struct rocks_key key = rocks_key_one(ROCKS_KEY_POSITION, position < 0 ? 0 : (uint64_t)position);
    rocks_put_number(key.bytes + 9, number);
    key.len = 17;
    return key;
}

uint64_t rocks_key_number(const char *key, size_t len, size_t at)
{
    return len >= at + 8 ? rocks_get_number(key + at) : 0;
}

void rocks_put_record(struct base_buffer *out, const struct rocks_record *record)
{
    const uint64_t numbers[] = {record->number,
                                (uint64_t)record->position,
                                (uint64_t)record->time_us,
                                record->mark,
                                record->parts,
                                record->rows,
                                record->total,
                                record->lost_all,
                                record->definition};
    char bytes[ROCKS_RECORD_SIZE];
    size_t count = sizeof numbers / sizeof *numbers;
    for (size_t i = 0; i < count; i++)
        rocks_put_number(bytes + 8 * i, numbers[i]);
    rocks_put_number(bytes + 8 * count, base_hash(bytes, 8 * count, 1));
    base_buffer_append(out, bytes, sizeof bytes);
}

bool rocks_get_record(const char *bytes, size_t len, struct rocks_record *record)
{
    enum { COUNT = ROCKS_RECORD_SIZE / 8 - 1 };
    uint64_t numbers[COUNT];
    if (len < ROCKS_RECORD_SIZE || rocks_get_number(bytes + 8 * COUNT) != base_hash(bytes, 8 * COUNT, 1))
        return false;
    for (size_t i = 0; i < COUNT; i++)
        numbers[i] = rocks_get_number(bytes + 8 * i);
    *record = (struct rocks_record){.number = numbers[0],
                                    .position = (int64_t)numbers[1],
                                    .time_us = (int64_t)numbers[2],
                                    .mark = numbers[3],
                                    .parts = (uint32_t)numbers[4],
                                    .rows = numbers[5],
                                    .total = numbers[6],
                                    .lost_all = numbers[7],
                                    .definition = numbers[8]};
    return true;
}

static rhei_status damaged(struct rhei_error *error, const char *what)
{
    return error_set(error, RHEI_NOT_A_DATABASE, "the change buffer is damaged: %s", what);
}

/* ---- Calls. ------------------------------------------------------------------------------------------------------ */

rhei_status rocks_status(const struct rocks_api *api, char *text, const char *doing, struct rhei_error *error)
{
    if (text == NULL)
        return RHEI_OK;
    rhei_status status = strncmp(text, "Corruption", 10) == 0         ? RHEI_NOT_A_DATABASE
                         : strstr(text, "No space left") != NULL      ? RHEI_FULL
                         : strstr(text, "File too large") != NULL     ? RHEI_FULL
                         : strstr(text, "quota exceeded") != NULL     ? RHEI_FULL
                         : strstr(text, "lock ") != NULL              ? RHEI_BUSY
                         : strstr(text, "Permission denied") != NULL  ? RHEI_READ_ONLY
                         : strstr(text, "No such file") != NULL       ? RHEI_NOT_A_DATABASE /* one that it had */
                         : strstr(text, "does not exist") != NULL     ? RHEI_NOT_A_DATABASE
                         : strncmp(text, "Invalid argument", 16) == 0 ? RHEI_NOT_A_DATABASE
                                                                      : RHEI_IO;
    error_set(error, status, "%s: RocksDB says \"%.300s\"", doing, text);
    api->free(text);
    return status;
}

rhei_status rocks_enter(struct rocks_buffer *buffer, struct rhei_error *error)
{
    base_mutex_lock(&buffer->lock);
    bool there = !buffer->closed && buffer->db != NULL;
    buffer->users += there;
    if (!there)
        (void)error_set(error, RHEI_IO, "the change buffer is closed after a write that failed: %s", buffer->why);
    base_mutex_unlock(&buffer->lock);
    return there ? RHEI_OK : RHEI_IO;
}

void rocks_leave(struct rocks_buffer *buffer)
{
    base_mutex_lock(&buffer->lock);
    if (--buffer->users == 0)
        base_cond_broadcast(&buffer->idle);
    base_mutex_unlock(&buffer->lock);
}

rhei_status rocks_write(struct rocks_buffer *buffer, rocksdb_writebatch_t *batch, bool durable, const char *doing,
                        struct rhei_error *error)
{
    char *text = NULL;
    rhei_status status = rocks_enter(buffer, error);
    if (status == RHEI_OK) {
        buffer->api->write(buffer->db, durable ? buffer->options.durable : buffer->options.quick, batch, &text);
        status = rocks_status(buffer->api, text, doing, error);
        rocks_leave(buffer);
    }
    buffer->api->writebatch_destroy(batch);
    return status;
}

static rhei_status find_value(struct rocks_buffer *buffer, const struct rocks_key *key, char **value, size_t *len,
                              struct rhei_error *error)
{
    char *text = NULL;
    *value = buffer->api->get(buffer->db, buffer->options.reading, key->bytes, key->len, len, &text);
    rhei_status status = rocks_status(buffer->api, text, "reading the change buffer", error);
    return status == RHEI_OK && *value == NULL ? RHEI_NOT_FOUND : status;
}

rhei_status rocks_find_record(struct rocks_buffer *buffer, uint64_t number, struct rocks_record *record,
                              struct rhei_error *error)
{
    struct rocks_key key = rocks_key_one(ROCKS_KEY_COMMIT, number);
    char *value = NULL;
    size_t len = 0;
    rhei_status status = find_value(buffer, &key, &value, &len, error);
    if (status != RHEI_OK)
        return status;
    if (!rocks_get_record(value, len, record) || record->number != number)
        status = damaged(error, "a record of a commit is none");
    buffer->api->free(value);
    return status;
}

rhei_status rocks_find_pruned(struct rocks_buffer *buffer, rocksdb_iterator_t *iterator, struct rocks_record *record,
                              struct base_buffer *definitions, struct rhei_error *error)
{
    const struct rocks_api *api = buffer->api;
    struct rocks_key key = rocks_key_one(ROCKS_KEY_PRUNED, 0);
    char *text = NULL;
    size_t len = 0;
    api->iter_seek(iterator, key.bytes, key.len);
    api->iter_get_error(iterator, &text);
    rhei_status status = rocks_status(api, text, "reading the change buffer", error);
    *record = (struct rocks_record){.position = INT64_MAX};
    if (status != RHEI_OK || api->iter_valid(iterator) == 0)
        return status;
    const char *value = api->iter_value(iterator, &len);
    if (!rocks_get_record(value, len, record))
        return damaged(error, "the record of what was pruned is none");
    if (definitions != NULL)
        base_buffer_append(definitions, value + ROCKS_RECORD_SIZE, len - ROCKS_RECORD_SIZE);
    return RHEI_OK;
}

/* ---- Opening. ---------------------------------------------------------------------------------------------------- */

void rocks_options_make(const struct rocks_api *api, struct rocks_options *made)
{
    rocksdb_options_t *options = made->options = api->options_create();
    api->options_set_create_if_missing(options, 1);
    api->options_set_paranoid_checks(options, 1);
    api->options_set_info_log_level(options, LOG_NOTHING);
    api->options_set_keep_log_file_num(options, LOG_FILES);
    api->options_set_write_buffer_size(options, WRITE_BUFFER_BYTES);
    api->options_set_max_write_buffer_number(options, WRITE_BUFFERS);
    api->options_set_max_background_jobs(options, BACKGROUND_JOBS);
    api->options_set_max_open_files(options, OPEN_FILES);
    api->options_set_compression(options, rocksdb_no_compression);
    api->options_set_stats_dump_period_sec(options, 0);
    api->options_set_wal_recovery_mode(options, RECOVER_TORN_TAIL); /* D2 */
    made->quick = api->writeoptions_create();
    made->durable = api->writeoptions_create();
    api->writeoptions_set_sync(made->durable, 1);
    made->reading = api->readoptions_create();
    api->readoptions_set_verify_checksums(made->reading, 1);
    api->readoptions_set_fill_cache(made->reading, 0);
}

void rocks_options_free(const struct rocks_api *api, struct rocks_options *options)
{
    api->options_destroy(options->options);
    api->writeoptions_destroy(options->durable);
    api->writeoptions_destroy(options->quick);
    api->readoptions_destroy(options->reading);
    *options = (struct rocks_options){0};
}

/* The last commit's record; NOT_FOUND: none is kept. */
static rhei_status find_last(struct rocks_buffer *buffer, rocksdb_iterator_t *iterator, struct rocks_record *record,
                             struct rhei_error *error)
{
    const struct rocks_api *api = buffer->api;
    struct rocks_key most = rocks_key_one(ROCKS_KEY_COMMIT, UINT64_MAX);
    char *text = NULL;
    size_t key_len = 0, len = 0;
    api->iter_seek_for_prev(iterator, most.bytes, most.len);
    api->iter_get_error(iterator, &text);
    rhei_status status = rocks_status(api, text, "reading the change buffer", error);
    if (status != RHEI_OK)
        return status;
    if (api->iter_valid(iterator) == 0 || api->iter_key(iterator, &key_len)[0] != ROCKS_KEY_COMMIT)
        return RHEI_NOT_FOUND;
    const char *value = api->iter_value(iterator, &len);
    return rocks_get_record(value, len, record) ? RHEI_OK : damaged(error, "the record of its last commit is none");
}

/* What the database has, and without what a commit that never came left. */
static rhei_status recover(struct rocks_buffer *buffer, struct rhei_error *error)
{
    struct rocks_record pruned, last = {0};
    rocksdb_iterator_t *iterator = buffer->api->create_iterator(buffer->db, buffer->options.reading);
    rhei_status found = rocks_find_pruned(buffer, iterator, &pruned, NULL, error);
    if (found == RHEI_OK)
        found = find_last(buffer, iterator, &last, error);
    buffer->api->iter_destroy(iterator);
    if (found != RHEI_OK && found != RHEI_NOT_FOUND)
        return found;
    if (found == RHEI_NOT_FOUND)
        last = (struct rocks_record){.number = pruned.number, .total = pruned.total, .lost_all = pruned.lost_all};
    buffer->state = (struct change_buffer_state){.last = last.number,
                                                 .position = last.position,
                                                 .time_us = last.time_us,
                                                 .mark = last.mark,
                                                 .pruned = pruned.number,
                                                 .horizon = pruned.position,
                                                 .lost_all = last.lost_all,
                                                 .definition = last.definition};
    buffer->total = last.total;
    buffer->pruned_total = pruned.total;
    struct rocks_key from = rocks_key_part(last.number + 1, 0), to = rocks_key_part(UINT64_MAX, UINT32_MAX);
    rocksdb_writebatch_t *batch = buffer->api->writebatch_create();
    buffer->api->writebatch_delete_range(batch, from.bytes, from.len, to.bytes, to.len);
    char *text = NULL;
    buffer->api->write(buffer->db, buffer->options.quick, batch, &text);
    buffer->api->writebatch_destroy(batch);
    return rocks_status(buffer->api, text, "writing the change buffer", error);
}

rhei_status rocks_database_open(struct rocks_buffer *buffer, struct rhei_error *error)
{
    char *text = NULL;
    if (buffer->options.options == NULL)
        rocks_options_make(buffer->api, &buffer->options);
    buffer->db = buffer->api->open(buffer->options.options, buffer->folder.database, &text);
    rhei_status status = rocks_status(buffer->api, text, "opening the change buffer", error);
    if (status == RHEI_OK)
        status = recover(buffer, error);
    if (status != RHEI_OK && buffer->db != NULL) {
        buffer->api->close(buffer->db);
        buffer->db = NULL;
    }
    return status;
}

rhei_status rocks_database_reopen(struct rocks_buffer *buffer, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    base_mutex_lock(&buffer->lock);
    buffer->closed = true;
    while (buffer->users > 0)
        base_cond_wait(&buffer->idle, &buffer->lock);
    if (buffer->db != NULL)
        buffer->api->close(buffer->db);
    buffer->db = NULL;
    rhei_status status = rocks_database_open(buffer, &why);
    buffer->closed = status != RHEI_OK;
    (void)snprintf(buffer->why, sizeof buffer->why, "%.199s", why.message);
    base_mutex_unlock(&buffer->lock);
    if (status != RHEI_OK && error != NULL)
        *error = why;
    if (status == RHEI_OK)
        rocks_fault(buffer, "buffer.opened");
    return status;
}

void rocks_database_close(struct rocks_buffer *buffer)
{
    const struct rocks_api *api = buffer->api;
    if (buffer->db != NULL)
        api->close(buffer->db);
    buffer->db = NULL;
    if (buffer->options.options != NULL)
        rocks_options_free(api, &buffer->options);
}
