/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrow export: the live rows of a table as a stream of struct arrays, a batch per run of a segment.
 *
 * The stream and every array that points into segments hold the export, which holds a snapshot: the last one to be
 * released lets go of it, from any thread.
 */
#include "mirror_export.h"

#include <errno.h>
#include <string.h>

#include "arrow/arrow_usual.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"

void mirror_export_unref(struct mirror_export *shared)
{
    if (shared == NULL || atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) != 1)
        return;
    mirror_scan_close(&shared->scan);
    mirror_snapshot_release(&shared->snapshot);
    for (uint32_t c = 0; shared->columns != NULL && c < shared->column_count; c++)
        base_free(shared->columns[c].name);
    base_free(shared->columns);
    base_free(shared->metadata);
    base_free(shared->places);
    base_free(shared);
}

/* ---- Schema. ---------------------------------------------------------------------------------------------------------- */

struct schema_data {
    char *name, *metadata;
    struct ArrowSchema *children;
    struct ArrowSchema **child_pointers;
};

static void schema_release(struct ArrowSchema *schema)
{
    struct schema_data *data = schema->private_data;
    for (int64_t i = 0; i < schema->n_children; i++)
        if (data->children[i].release != NULL)
            data->children[i].release(&data->children[i]);
    base_free(data->children);
    base_free(data->child_pointers);
    base_free(data->name);
    base_free(data->metadata);
    base_free(data);
    schema->release = NULL;
}

static int schema_new(struct ArrowSchema *out, const char *format, const char *name, uint32_t children)
{
    struct schema_data *data = base_alloc_zero(1, sizeof *data);
    if (data == NULL)
        return ENOMEM;
    data->name = base_strdup(name);
    data->children = children == 0 ? NULL : base_alloc_zero(children, sizeof *data->children);
    data->child_pointers = children == 0 ? NULL : base_alloc_zero(children, sizeof(struct ArrowSchema *));
    *out = (struct ArrowSchema){.format = format,
                                .name = data->name,
                                .flags = ARROW_FLAG_NULLABLE,
                                .release = schema_release,
                                .private_data = data};
    if (data->name == NULL || (children > 0 && (data->children == NULL || data->child_pointers == NULL))) {
        schema_release(out);
        return ENOMEM;
    }
    for (uint32_t i = 0; i < children; i++)
        data->child_pointers[i] = &data->children[i];
    out->children = data->child_pointers;
    out->n_children = children;
    return 0;
}

static const char *format_of(uint8_t kind, bool strings_view)
{
    switch (kind) {
    case MIRROR_EXPORT_INTEGER:
        return "l";
    case MIRROR_EXPORT_REAL:
        return "g";
    case MIRROR_EXPORT_TEXT:
        return strings_view ? "vu" : "u";
    case MIRROR_EXPORT_BLOB:
        return "z";
    default:
        return "+ud:0,1,2,3";
    }
}

static int column_schema(const struct mirror_export_column *column, bool strings_view, struct ArrowSchema *out)
{
    static const char *const names[MIRROR_EXPORT_CHILDREN] = {"integer", "real", "text", "blob"};
    bool many = column->kind == MIRROR_EXPORT_UNION;
    int code = schema_new(out, format_of(column->kind, strings_view), column->name, many ? MIRROR_EXPORT_CHILDREN : 0);
    for (uint32_t c = 0; many && code == 0 && c < MIRROR_EXPORT_CHILDREN; c++)
        code = schema_new(out->children[c], format_of((uint8_t)(c + 1), strings_view), names[c], 0);
    if (code != 0 && out->release != NULL)
        out->release(out);
    return code;
}

static size_t metadata_size(const char *metadata)
{
    const char *at = metadata;
    int32_t pairs, length;
    memcpy(&pairs, at, sizeof pairs);
    at += sizeof pairs;
    for (int32_t i = 0; i < 2 * pairs; i++) {
        memcpy(&length, at, sizeof length);
        at += sizeof length + (size_t)length;
    }
    return (size_t)(at - metadata);
}

static char *copy_bytes(const char *bytes, size_t size)
{
    char *copy = base_alloc(size);
    if (copy != NULL)
        memcpy(copy, bytes, size);
    return copy;
}

static int export_schema(const struct mirror_export *shared, struct ArrowSchema *out)
{
    int code = schema_new(out, "+s", "", shared->column_count);
    if (code != 0)
        return code;
    out->flags = 0;
    struct schema_data *data = out->private_data;
    if (shared->metadata != NULL) {
        data->metadata = copy_bytes(shared->metadata, metadata_size(shared->metadata));
        out->metadata = data->metadata;
        code = data->metadata == NULL ? ENOMEM : 0;
    }
    for (uint32_t c = 0; c < shared->column_count && code == 0; c++)
        code = column_schema(&shared->columns[c], shared->strings_view, out->children[c]);
    if (code != 0)
        out->release(out);
    return code;
}

/* ---- Runs. ------------------------------------------------------------------------------------------------------------ */

/* The rows of slot's vector that leave. */
static const struct mirror_scan_batch *rows_at(struct mirror_export *shared, uint32_t slot)
{
    uint32_t vector = slot / MIRROR_VECTOR_ROWS;
    if (shared->batch_of != vector) {
        mirror_scan_vector(shared->scan, shared->segment, vector, &shared->batch);
        shared->batch_of = vector;
    }
    return &shared->batch;
}

static bool leaves_whole(const struct mirror_scan_batch *batch)
{
    return batch->count == batch->rows;
}

static uint32_t vector_end(uint32_t slot, uint32_t rows)
{
    uint32_t end = (slot / MIRROR_VECTOR_ROWS + 1) * MIRROR_VECTOR_ROWS;
    return end < rows ? end : rows;
}

/* From slot on, while whole vectors leave. */
static void clean_run(struct mirror_export *shared, uint32_t rows, struct mirror_export_run *run)
{
    run->places = NULL;
    run->first = shared->slot;
    uint32_t end = shared->slot;
    while (end < rows && leaves_whole(rows_at(shared, end)))
        end = vector_end(end, rows);
    run->count = end - shared->slot;
}

/* From slot on, while vectors leave in part or not at all: the places of the rows that do. */
static void scattered_run(struct mirror_export *shared, uint32_t rows, struct mirror_export_run *run)
{
    uint32_t count = 0, slot = shared->slot;
    for (const struct mirror_scan_batch *batch; slot < rows && !leaves_whole(batch = rows_at(shared, slot));) {
        uint32_t first = slot - slot % MIRROR_VECTOR_ROWS, end = vector_end(slot, rows);
        for (uint32_t at = batch->count == 0 ? batch->rows : mirror_scan_slot(batch, slot - first); at < batch->rows;
             at = mirror_scan_slot(batch, at + 1))
            shared->places[count++] = first + at;
        slot = end;
    }
    run->places = shared->places;
    run->first = slot; /* where the next run starts if this one is empty */
    run->count = count;
}

/* RHEI_OK; RHEI_DONE: no row is left; or what the stop said. */
static rhei_status find_run(struct mirror_export *shared, struct mirror_export_run *run)
{
    for (;;) {
        if (shared->segment >= shared->view->segment_count || shared->rows_left == 0)
            return RHEI_DONE;
        rhei_status status = shared->stop.check == NULL ? RHEI_OK : shared->stop.check(shared->stop.context);
        if (status != RHEI_OK)
            return status;
        const struct mirror_segment *segment = mirror_trie_get(&shared->view->segments, shared->segment);
        uint32_t rows = segment == NULL ? 0 : mirror_view_rows_of(shared->view, shared->segment, segment);
        if (shared->slot >= rows) {
            shared->segment++;
            shared->slot = 0;
            shared->batch_of = UINT32_MAX;
            continue;
        }
        run->segment = segment;
        if (leaves_whole(rows_at(shared, shared->slot)))
            clean_run(shared, rows, run);
        else
            scattered_run(shared, rows, run);
        if (run->count > 0)
            return RHEI_OK;
        shared->slot = run->first;
    }
}

/* All long strings of a sealed segment, and no more than that of any run of it. Of the tail only the writer knows. */
static uint64_t most_long_bytes(const struct mirror_export *shared, const struct mirror_segment *segment)
{
    if (shared->segment == shared->view->tail_number)
        return UINT64_MAX;
    return segment->remote ? segment->far_bytes : segment->heap == NULL ? 0 : segment->heap->bytes;
}

/* Bytes of text and BLOB that one column brings. */
static uint64_t column_bytes(const struct mirror_export *shared, uint32_t c, const struct mirror_export_run *run)
{
    const struct mirror_column *column = &run->segment->column[shared->columns[c].number];
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_acquire);
    uint64_t bytes = 0;
    if (layout == MIRROR_LAYOUT_TEXT || layout == MIRROR_LAYOUT_BLOB) {
        mirror_column_touch(column);
        const struct mirror_string *strings = column->data;
        for (uint32_t i = 0; i < run->count; i++)
            bytes += strings[mirror_run_place(run, i)].as.inlined.length; /* 0 where it is NULL */
    }
    for (uint32_t i = 0; layout == MIRROR_LAYOUT_MIXED && i < run->count; i++) {
        struct rhei_value value;
        mirror_segment_value(run->segment, shared->columns[c].number, mirror_run_place(run, i), &value);
        bytes += value.type == RHEI_TEXT || value.type == RHEI_BLOB ? value.length : 0;
    }
    return bytes;
}

/* Arrow's offsets end at 2^31 in each column; the caller's limit is for all of them. */
static bool is_too_long(const struct mirror_export *shared, const struct mirror_export_run *run)
{
    enum { INLINE_BYTES = 12 };
    uint64_t most = most_long_bytes(shared, run->segment), all = (uint64_t)run->count * shared->column_count * 8;
    uint64_t inlined = (uint64_t)run->count * shared->column_count * INLINE_BYTES;
    if (most <= INT32_MAX - inlined && (shared->most_bytes == 0 || all + inlined + most <= shared->most_bytes))
        return false;
    for (uint32_t c = 0; c < shared->column_count; c++) {
        uint64_t bytes = column_bytes(shared, c, run);
        if (bytes > INT32_MAX)
            return true;
        all += bytes;
    }
    return shared->most_bytes > 0 && all > shared->most_bytes;
}

static rhei_status next_run(struct mirror_export *shared, struct mirror_export_run *run, struct mirror_hold *hold)
{
    rhei_status status = find_run(shared, run);
    if (status != RHEI_OK)
        return status;
    mirror_hold(shared->view, shared->segment, hold);
    if (run->count > shared->rows_left)
        run->count = (uint32_t)shared->rows_left;
    while (is_too_long(shared, run)) {
        if (run->count == 1)
            return shared->most_bytes > 0 ? RHEI_MEMORY_LIMIT : RHEI_OK;
        run->count /= 2;
    }
    shared->slot = mirror_run_place(run, run->count - 1) + 1;
    shared->rows_left -= run->count;
    return RHEI_OK;
}

/* ---- Stream. ---------------------------------------------------------------------------------------------------------- */

static int fail(struct mirror_export *shared, int code)
{
    shared->message = "out of memory";
    return code;
}

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct mirror_export *shared = stream->private_data;
    int code = export_schema(shared, out);
    return code == 0 ? 0 : fail(shared, code);
}

static int fill_batch(struct mirror_export *shared, const struct mirror_export_run *run, struct ArrowArray *out)
{
    int code = mirror_export_struct(shared->column_count, out);
    if (code != 0)
        return fail(shared, code);
    out->length = run->count;
    for (uint32_t c = 0; c < shared->column_count && code == 0; c++)
        code = mirror_export_array(shared, &shared->columns[c], run, out->children[c]);
    if (code == 0)
        return 0;
    out->release(out);
    return fail(shared, code);
}

static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    struct mirror_export *shared = stream->private_data;
    struct mirror_export_run run;
    struct mirror_hold hold = {NULL};
    *out = (struct ArrowArray){0};
    rhei_status status = next_run(shared, &run, &hold);
    int code = 0;
    if (status == RHEI_OK) {
        code = fill_batch(shared, &run, out);
    } else if (status != RHEI_DONE) {
        shared->message = status == RHEI_MEMORY_LIMIT ? "a row is beyond the memory limit" : "stopped";
        code = status == RHEI_MEMORY_LIMIT ? EFBIG : ECANCELED;
    }
    mirror_hold_end(&hold);
    return code;
}

static const char *stream_error(struct ArrowArrayStream *stream)
{
    const struct mirror_export *shared = stream->private_data;
    return shared->message;
}

static void stream_release(struct ArrowArrayStream *stream)
{
    mirror_export_unref(stream->private_data);
    stream->release = NULL;
}

/* ---- The call. -------------------------------------------------------------------------------------------------------- */

/* Bits of the classes, NULL apart, that the column has in the rows of a vector that leave; ends at the second. */
static uint32_t classes_in(const struct mirror_scan *scan, const struct mirror_scan_batch *batch, uint32_t column)
{
    struct mirror_column_data data;
    uint32_t classes = 0;
    mirror_scan_column(scan, batch, column, &data);
    for (uint32_t w = 0; w * 64 < batch->rows; w++) {
        uint32_t left = batch->rows - w * 64;
        uint64_t bits = left >= 64 ? UINT64_MAX : (1ull << left) - 1;
        bits &= (batch->skip == NULL ? UINT64_MAX : ~batch->skip[w]) & (data.has_nulls ? data.valid[w] : UINT64_MAX);
        if (data.layout != MIRROR_LAYOUT_MIXED && bits != 0)
            return 1u << data.layout;
        for (; bits != 0; bits &= bits - 1)
            classes |= 1u << data.classes[w * 64 + (uint32_t)__builtin_ctzll(bits)];
    }
    return classes & ~(uint32_t)MIRROR_HAS_NULL;
}

static uint32_t live_classes(struct mirror_export *shared, uint32_t column)
{
    uint32_t classes = 0, wanted = mirror_view_column_flags(shared->view, column) & 0x1e;
    bool many = (wanted & (wanted - 1)) != 0;
    bool known = false;
    struct mirror_scan_batch batch;
    struct mirror_hold hold = {NULL};
    for (uint32_t s = 0; s < mirror_view_segment_count(shared->view) && !known; s++)
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(shared->view, s) && !known; v++) {
            mirror_scan_vector(shared->scan, s, v, &batch);
            mirror_scan_hold(shared->scan, &batch, &hold);
            classes |= batch.count == 0 ? 0 : classes_in(shared->scan, &batch, column);
            known = (classes & (classes - 1)) != 0 || (classes != 0 && !many);
        }
    mirror_hold_end(&hold);
    return classes;
}

/*
 * By what the column holds in the rows that leave. Where it has only held what its declaration calls usual, that is known;
 * else its rows are looked at: all of them if it may be of several classes, up to the first value if of another one.
 */
static void choose_kind(struct mirror_export *shared, struct mirror_export_column *column)
{
    uint32_t flags = mirror_view_column_flags(shared->view, column->number);
    const struct source_column *declared = &mirror_view_definition(shared->view)->columns[column->number];
    uint8_t usual = arrow_usual_class(declared->declared_type);
    uint32_t classes = flags & 0x1e;
    column->check_utf8 = (flags & MIRROR_INVALID_UTF8) != 0;
    if (classes != 0 && classes != 1u << usual && !declared->is_rowid)
        classes = live_classes(shared, column->number);
    uint8_t layout = mirror_layout_of(classes);
    if (layout == MIRROR_LAYOUT_EMPTY)
        column->kind = usual;
    else if (layout == MIRROR_LAYOUT_MIXED || (column->check_utf8 && layout == MIRROR_LAYOUT_TEXT))
        column->kind = MIRROR_EXPORT_UNION;
    else
        column->kind = layout;
}

static rhei_status fill_columns(struct mirror_export *shared, const uint32_t *columns, const char *const *names)
{
    const struct source_table *table = mirror_view_definition(shared->view);
    for (uint32_t c = 0; c < shared->column_count; c++) {
        struct mirror_export_column *column = &shared->columns[c];
        if (columns[c] >= table->column_count)
            return RHEI_INVALID;
        column->number = columns[c];
        column->name = base_strdup(names != NULL ? names[c] : table->columns[columns[c]].name);
        if (column->name == NULL)
            return RHEI_NO_MEMORY;
        base_utf8_scrub(column->name, strlen(column->name));
        choose_kind(shared, column);
    }
    return RHEI_OK;
}

static rhei_status fill(struct mirror_export *shared, const struct mirror_export_options *options)
{
    shared->strings_view = options != NULL && options->strings_view;
    shared->rows_left = options == NULL || options->max_rows == 0 ? UINT64_MAX : options->max_rows;
    shared->batch_of = UINT32_MAX;
    shared->most_bytes = options == NULL ? 0 : options->most_bytes;
    if (options != NULL)
        shared->stop = options->stop;
    struct mirror_scan_options scan = {.exact = true};
    if (options != NULL) {
        scan.ranges = options->ranges;
        scan.range_count = options->range_count;
    }
    rhei_status status = mirror_scan_open(shared->view, &scan, &shared->scan, NULL);
    if (status != RHEI_OK)
        return status;
    shared->columns = base_alloc_zero(shared->column_count, sizeof *shared->columns);
    shared->places = base_alloc(MIRROR_SEGMENT_ROWS * sizeof *shared->places);
    bool keep = options != NULL && options->metadata != NULL && options->metadata_len > 0;
    if (keep)
        shared->metadata = copy_bytes(options->metadata, options->metadata_len);
    bool complete = shared->columns != NULL && shared->places != NULL && (!keep || shared->metadata != NULL);
    return complete ? RHEI_OK : RHEI_NO_MEMORY;
}

rhei_status mirror_export(struct mirror *mirror, const struct mirror_snapshot *snapshot, uint32_t table,
                          const uint32_t *columns, const char *const *names, uint32_t column_count,
                          const struct mirror_export_options *options, struct ArrowArrayStream *stream,
                          struct rhei_error *error)
{
    (void)mirror;
    memset(stream, 0, sizeof *stream);
    const struct mirror_table_view *view = mirror_view(snapshot, table);
    if (view == NULL)
        return error_set(error, RHEI_NOT_FOUND, "the snapshot has no table %u", table);
    struct mirror_export *shared = base_alloc_zero(1, sizeof *shared);
    if (shared == NULL)
        return error_no_memory(error);
    atomic_init(&shared->references, 1);
    shared->view = view;
    shared->column_count = column_count;
    rhei_status status = mirror_snapshot_clone(snapshot, &shared->snapshot);
    if (status == RHEI_OK)
        status = fill(shared, options);
    if (status == RHEI_OK)
        status = fill_columns(shared, columns, names);
    if (status != RHEI_OK) {
        mirror_export_unref(shared);
        return status == RHEI_INVALID
                   ? error_set(error, status,
                               "the number of an exported column, or of a range's, is beyond the table's columns")
                   : error_no_memory(error);
    }
    *stream = (struct ArrowArrayStream){.get_schema = stream_schema,
                                        .get_next = stream_next,
                                        .get_last_error = stream_error,
                                        .release = stream_release,
                                        .private_data = shared};
    return RHEI_OK;
}
