/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a table of an SQLite file as segments, for readers of their format that aren't ours: segment_driver FILE TABLE FOLDER FORMAT. The rowid comes
 * first, as column "rowid"; the segments are FOLDER/0.arrow and so on.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"
#include "codec_arrow/codec_arrow.h"
#include "codec_vortex/codec_vortex.h"
#include "mirror/mirror_image.h"

enum { MOST_COLUMNS = 32 };

static struct rhei_error failure = RHEI_ERROR_INIT;

/* A status or one of SQLite's codes: 0 is what has to come. */
static void must(long code, const char *what)
{
    if (code == 0)
        return;
    (void)fprintf(stderr, "segment_driver: %s: %ld %s\n", what, code, failure.message);
    exit(1);
}

static struct rhei_value value_of(sqlite3_stmt *statement, int column)
{
    struct rhei_value value = {.type = RHEI_NULL};
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        value.as.integer = sqlite3_column_int64(statement, column);
        value.type = RHEI_INTEGER;
        break;
    case SQLITE_FLOAT:
        value.as.real = sqlite3_column_double(statement, column);
        value.type = RHEI_REAL;
        break;
    case SQLITE_TEXT:
        value.as.bytes = (const char *)sqlite3_column_text(statement, column);
        value.length = (uint32_t)sqlite3_column_bytes(statement, column);
        value.type = RHEI_TEXT;
        break;
    case SQLITE_BLOB:
        value.as.bytes = sqlite3_column_blob(statement, column);
        value.length = (uint32_t)sqlite3_column_bytes(statement, column);
        value.type = RHEI_BLOB;
        break;
    default:
        break;
    }
    return value;
}

/* Row by row, so that what SQLite lends for a step needn't be copied. */
static void load(sqlite3_stmt *statement, struct mirror_build *build, uint32_t columns)
{
    struct rhei_value row[MOST_COLUMNS];
    const struct rhei_value *pointers[MOST_COLUMNS];
    struct change_batch batch = {.table = 1, .column_count = columns, .row_count = 1, .columns = pointers};
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        for (uint32_t c = 0; c < columns; c++) {
            row[c] = value_of(statement, (int)c);
            pointers[c] = &row[c];
        }
        must(mirror_build_append(build, 0, &batch, &failure), "append");
    }
    must(code != SQLITE_DONE, "step");
}

static void write_segment(const struct segment_codec *codec, const struct mirror_table_view *view, uint32_t segment,
                          const char *folder)
{
    struct segment_image image;
    void *bytes;
    size_t len;
    char path[4096];
    must(mirror_segment_image(view, segment, &image, &failure), "image");
    must(codec->encode(&image, &bytes, &len, &failure), "encode");
    image.release(&image);
    (void)snprintf(path, sizeof path, "%s/%u.%s", folder, segment, codec->name);
    FILE *file = fopen(path, "wb");
    must(file == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0, path);
    base_free(bytes);
}

int main(int argc, char **argv)
{
    sqlite3 *database;
    sqlite3_stmt *statement;
    struct mirror *mirror;
    struct mirror_build *build;
    struct mirror_snapshot snapshot;
    struct source_column columns[MOST_COLUMNS] = {{0}};
    static const uint32_t key = 0;
    const struct segment_codec *codec = &codec_arrow;
    must(argc != 5, "FILE TABLE FOLDER FORMAT");
    if (strcmp(argv[4], "vortex") == 0)
        must(codec_vortex_load(&codec, &failure), "load");
    char *sql = sqlite3_mprintf("SELECT rowid AS rowid, * FROM \"%w\" ORDER BY 1", argv[2]);
    must(sqlite3_open_v2(argv[1], &database, SQLITE_OPEN_READONLY, NULL), "open");
    must(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), sql);
    struct source_table table = {.id = 1,
                                 .name = argv[2],
                                 .column_count = (uint32_t)sqlite3_column_count(statement),
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .key_is_integer = true,
                                 .estimated_rows = -1};
    must(table.column_count > MOST_COLUMNS, "too many columns");
    for (uint32_t c = 0; c < table.column_count; c++)
        columns[c] = (struct source_column){
            .name = sqlite3_column_name(statement, (int)c), .declared_type = "", .collation = "BINARY"};
    must(mirror_open(NULL, &mirror, &failure), "mirror");
    must(mirror_build_begin(mirror, &table, 1, &build, &failure), "build");
    load(statement, build, table.column_count);
    must(mirror_build_attach(&build, &failure), "attach");
    must(mirror_publish(mirror, 1, &failure), "publish");
    must(mirror_snapshot_take(mirror, &snapshot), "snapshot");
    const struct mirror_table_view *view = mirror_view(&snapshot, 1);
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++)
        write_segment(codec, view, s, argv[3]);
    mirror_snapshot_release(&snapshot);
    mirror_close(&mirror);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(database);
    sqlite3_free(sql);
    return 0;
}
