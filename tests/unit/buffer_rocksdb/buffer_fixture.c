/* SPDX-License-Identifier: Apache-2.0 */
#include "buffer_fixture.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_error.h"
#include "feed/feed_code.h"

enum { MOST_FOLDERS = 64, MOST_ROWS = 20000, MOST_COLUMNS = 8, MOST_TEXT = 4096 };

const char *fixture_folder(void)
{
    static char names[MOST_FOLDERS][64];
    static int count;
    char *name = names[count++ % MOST_FOLDERS];
    (void)snprintf(name, sizeof names[0], "/tmp/rhei-buffer-XXXXXX");
    assert_non_null(mkdtemp(name));
    return name;
}

static int remove_one(const char *path, const struct stat *facts, int type, struct FTW *place)
{
    (void)facts;
    (void)type;
    (void)place;
    return remove(path);
}

void fixture_remove(const char *folder)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct rocksdb_buffer_config fixture_config(const char *folder)
{
    return (struct rocksdb_buffer_config){.folder = folder, .file = "this file"};
}

struct change_buffer *fixture_open(const char *folder)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rocksdb_buffer_config config = fixture_config(folder);
    struct change_buffer *buffer = NULL;
    if (rocksdb_buffer_open(&config, &buffer, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return buffer;
}

struct change_event fixture_table(uint32_t id, uint32_t columns)
{
    static struct source_column all[MOST_COLUMNS];
    static char names[MOST_COLUMNS][16], name[16];
    static const uint32_t key = 0;
    static struct source_table table;
    for (uint32_t c = 0; c < columns; c++) {
        (void)snprintf(names[c], sizeof names[c], "c%u", c);
        all[c] = (struct source_column){.name = names[c], .declared_type = "", .collation = "BINARY"};
    }
    (void)snprintf(name, sizeof name, "t%u", id);
    table = (struct source_table){.id = id,
                                  .name = name,
                                  .column_count = columns,
                                  .columns = all,
                                  .key_count = 1,
                                  .key_columns = &key,
                                  .estimated_rows = -1};
    return (struct change_event){.kind = CHANGE_EVENT_TABLE, .table = id, .definition = &table};
}

struct change_event fixture_rows(uint32_t table, int64_t from, size_t count, size_t text)
{
    static struct rhei_value first[MOST_ROWS], second[MOST_ROWS];
    static const struct rhei_value *columns[] = {first, second};
    static int64_t seq[MOST_ROWS], time_us[MOST_ROWS];
    static uint8_t inserted[MOST_ROWS];
    static struct change_batch batch;
    static char bytes[MOST_TEXT];
    memset(bytes, 'x', sizeof bytes);
    assert_true(count <= MOST_ROWS && text <= MOST_TEXT);
    for (size_t i = 0; i < count; i++) {
        seq[i] = from + (int64_t)i;
        time_us[i] = seq[i] * 1000;
        inserted[i] = (uint8_t)(i % 2);
        first[i] = (struct rhei_value){.type = RHEI_INTEGER, .as.integer = seq[i]};
        second[i] = (struct rhei_value){.type = RHEI_TEXT, .as.bytes = bytes, .length = (uint32_t)text};
    }
    batch = (struct change_batch){.table = table,
                                  .column_count = 2,
                                  .row_count = count,
                                  .columns = columns,
                                  .seq = seq,
                                  .time_us = time_us,
                                  .inserted = inserted};
    return (struct change_event){.kind = CHANGE_EVENT_ROWS, .table = table, .rows = &batch};
}

struct change_event fixture_commit(int64_t position)
{
    return (struct change_event){.kind = CHANGE_EVENT_COMMIT,
                                 .position = position,
                                 .time_us = position * 1000,
                                 .mark = (uint64_t)position * 7 + 1};
}

void fixture_append(struct change_buffer *buffer, const struct change_event *event)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (buffer->ops->append(buffer, event, 1, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

void fixture_append_rows(struct change_buffer *buffer, uint32_t table, int64_t position, size_t count, size_t text)
{
    struct change_event rows = fixture_rows(table, position - (int64_t)count + 1, count, text);
    struct change_event commit = fixture_commit(position);
    fixture_append(buffer, &rows);
    fixture_append(buffer, &commit);
}

struct change_reader *fixture_reader(struct change_buffer *buffer)
{
    struct change_reader *reader = NULL;
    assert_int_equal(buffer->ops->reader_open(buffer, &reader, NULL), RHEI_OK);
    return reader;
}

void fixture_read(struct change_reader *reader, uint64_t after, uint64_t until, size_t rows, struct base_buffer *bytes)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct change_cursor cursor = {.number = after};
    for (;;) {
        const struct change_event *events = NULL;
        size_t count = 0;
        if (reader->buffer->ops->read(reader, &cursor, until, rows, &events, &count, &error) != RHEI_OK)
            fail_msg("%s", error.message);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(feed_encode(bytes, &events[i], &error), RHEI_OK);
        if (count == 0)
            return;
    }
}

void fixture_tables(struct change_reader *reader, uint64_t number, struct base_buffer *text)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct source_table *const *tables = NULL;
    size_t count = 0;
    if (reader->buffer->ops->tables(reader, number, &tables, &count, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    base_buffer_clear(text);
    base_buffer_text(text, "");
    for (size_t i = 0; i < count; i++)
        base_buffer_format(text, "%s:%u ", tables[i]->name, tables[i]->column_count);
}
