/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_kept.h"

#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_words.h"

enum { FORMAT = 5 };

static void put_mark(struct base_buffer *out, const struct postgres_mark *mark)
{
    base_words_put(out, mark->end);
    base_words_put(out, mark->xid);
    base_words_put(out, (uint64_t)mark->time_us);
}

rhei_status postgres_kept_write(const struct postgres_kept *kept, void **bytes, size_t *len, struct rhei_error *error)
{
    struct base_buffer out = {0};
    uint64_t count = 0;
    for (size_t i = 0; i < kept->catalog->count; i++)
        count += kept->catalog->tables[i].reason == NULL;
    base_words_put(&out, FORMAT);
    base_words_put_text(&out, kept->slot);
    base_words_put_text(&out, kept->system);
    base_words_put_text(&out, kept->up_since);
    put_mark(&out, &kept->mark);
    put_mark(&out, &kept->earlier);
    base_words_put(&out, kept->next_id);
    base_words_put(&out, count);
    for (size_t i = 0; i < kept->catalog->count; i++) {
        const struct postgres_table *table = &kept->catalog->tables[i];
        if (table->reason != NULL)
            continue;
        base_words_put(&out, table->shape);
        base_words_put(&out, table->definition.id);
        base_words_put(&out, table->leaf_count);
        for (uint32_t l = 0; l < table->leaf_count; l++) {
            base_words_put(&out, table->leaves[l].oid);
            base_words_put(&out, table->leaves[l].file);
            base_words_put(&out, table->leaves[l].rewritten);
        }
    }
    base_words_seal(&out);
    *len = out.len;
    bool failed = out.failed;
    *bytes = failed ? NULL : base_buffer_take(&out);
    base_buffer_reset(&out);
    return *bytes == NULL ? error_no_memory(error) : RHEI_OK;
}

struct reader {
    const char *at, *end;
    bool wrong;
};

static uint64_t take(struct reader *reader)
{
    return base_words_take(&reader->at, reader->end, &reader->wrong);
}

static const char *take_text(struct reader *reader)
{
    return base_words_take_text(&reader->at, reader->end, &reader->wrong);
}

static struct postgres_mark take_mark(struct reader *reader)
{
    struct postgres_mark mark = {.end = take(reader)};
    mark.xid = (uint32_t)take(reader);
    mark.time_us = (int64_t)take(reader);
    return mark;
}

/* So many items of that many words each are there at most. */
static uint64_t take_count(struct reader *reader, uint64_t words)
{
    uint64_t count = take(reader);
    reader->wrong |= count > (uint64_t)(reader->end - reader->at) / (8 * words);
    return reader->wrong ? 0 : count;
}

static rhei_status take_table(struct reader *reader, struct postgres_catalog *catalog)
{
    struct postgres_table *table = &catalog->tables[catalog->count++];
    table->shape = take(reader);
    table->definition.id = (uint32_t)take(reader);
    table->reason = "it was kept";
    uint64_t leaves = take_count(reader, 3);
    table->leaves = base_arena_zero(&catalog->arena, leaves + 1, sizeof *table->leaves);
    if (table->leaves == NULL)
        return RHEI_NO_MEMORY;
    for (; table->leaf_count < leaves; table->leaf_count++) {
        table->leaves[table->leaf_count].oid = (uint32_t)take(reader);
        table->leaves[table->leaf_count].file = (uint32_t)take(reader);
        table->leaves[table->leaf_count].rewritten = take(reader);
    }
    return RHEI_OK;
}

static rhei_status take_tables(struct reader *reader, struct postgres_catalog *catalog)
{
    uint64_t count = take_count(reader, 3);
    rhei_status status = RHEI_OK;
    catalog->tables = base_arena_zero(&catalog->arena, count + 1, sizeof *catalog->tables);
    if (catalog->tables == NULL)
        return RHEI_NO_MEMORY;
    for (uint64_t i = 0; i < count && status == RHEI_OK && !reader->wrong; i++)
        status = take_table(reader, catalog);
    return status;
}

rhei_status postgres_kept_read(const void *bytes, size_t len, struct postgres_kept *kept, struct rhei_error *error)
{
    struct reader reader = {.at = bytes, .end = (const char *)bytes + len};
    struct postgres_catalog *catalog = base_alloc_zero(1, sizeof *catalog);
    if (catalog == NULL)
        return error_no_memory(error);
    atomic_init(&catalog->holders, 1);
    reader.wrong = !base_words_sealed(reader.at, &reader.end);
    reader.wrong = take(&reader) != FORMAT || reader.wrong;
    kept->slot = take_text(&reader);
    snprintf(kept->system, sizeof kept->system, "%s", take_text(&reader));
    snprintf(kept->up_since, sizeof kept->up_since, "%s", take_text(&reader));
    kept->mark = take_mark(&reader);
    kept->earlier = take_mark(&reader);
    kept->next_id = (uint32_t)take(&reader);
    rhei_status status = reader.wrong ? RHEI_OK : take_tables(&reader, catalog);
    if (status != RHEI_OK || reader.wrong || kept->system[0] == '\0')
        postgres_catalog_free(&catalog);
    kept->catalog = catalog;
    return status == RHEI_OK ? RHEI_OK : error_no_memory(error);
}
