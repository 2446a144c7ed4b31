/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are batches of columns already: Parquet and Arrow. Their values become what rhei_ingest_arrow makes of them (docs/guide/arrow.md). */
#include "rh_import.h"
#include "rh_interrupt.h"
#include "rh_text.h"
#include "rh_waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static rhei_status read_bytes(void *context, void *bytes, size_t length, size_t *got, struct rhei_error *error)
{
    struct rh_import *import = context;
    ssize_t count = rh_input_read(&import->input, bytes, length);
    *got = count > 0 ? (size_t)count : 0;
    if (count >= 0)
        return RHEI_OK;
    error->code = RHEI_IO; /* told already */
    return RHEI_IO;
}

/* What is wrong with the file, in the library's words. Always false. */
static bool tell_file(struct rh_import *import, const struct rhei_error *error)
{
    struct rhei_error named = *error;
    if (import->input.told)
        return false;
    (void)snprintf(named.message, sizeof named.message, "%.200s: %.280s", import->name, error->message);
    rh_tell_error(import->tool, &named);
    return false;
}

/* ---- The stream, with the names that columns are to have. ------------------------------------------------------------ */

struct renamed {
    struct rh_import *import;
    uint64_t rows;  /* given */
    size_t current; /* of them, in the last batch */
    bool begun, told;
};

/* A schema whose columns have other names for as long as it is lent: its own ones go back before it is released. */
struct lent_schema {
    void (*release)(struct ArrowSchema *schema);
    void *private_data;
    const char *names[];
};

static void release_schema(struct ArrowSchema *schema)
{
    struct lent_schema *lent = schema->private_data;
    for (int64_t at = 0; at < schema->n_children; at++)
        schema->children[at]->name = lent->names[at];
    schema->release = lent->release;
    schema->private_data = lent->private_data;
    free(lent);
    schema->release(schema);
}

static int renamed_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    const struct renamed *renamed = self->private_data;
    struct rh_import *import = renamed->import;
    int code = import->batches.get_schema(&import->batches, out);
    if (code != 0)
        return code;
    struct lent_schema *lent = rh_allocate(sizeof *lent + import->column_count * sizeof *lent->names);
    lent->release = out->release;
    lent->private_data = out->private_data;
    for (size_t at = 0; at < import->column_count; at++) {
        lent->names[at] = out->children[at]->name;
        out->children[at]->name = import->columns[at].name;
    }
    out->release = release_schema;
    out->private_data = lent;
    return 0;
}

static int renamed_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    struct renamed *renamed = self->private_data;
    struct rh_import *import = renamed->import;
    bool parquet = import->format == RH_FORMAT_PARQUET; /* where in it DuckDB reads isn't known */
    uint64_t size = parquet ? 0 : import->input.size, done = parquet ? 0 : rh_input_done(&import->input);
    out->release = NULL;
    if (!renamed->begun) {
        renamed->begun = true;
        rh_waiting_stop();
        rh_progress_start(&import->progress, stderr, import->tool->err, "importing", size, rh_now_us());
    }
    renamed->rows += renamed->current;
    renamed->current = 0;
    rh_progress_update(&import->progress, done, renamed->rows, rh_now_us());
    if (import->args->batch > 0) /* as of lines: whole batches of what was given are committed */
        rh_interrupt_kept(renamed->rows - renamed->rows % (uint64_t)import->args->batch);
    if (rh_interrupted())
        return ECANCELED;
    int code = import->batches.get_next(&import->batches, out);
    if (code != 0) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rh_progress_end(&import->progress);
        (void)rhei_stream_error(&import->batches, code, &error);
        renamed->told = !rh_interrupted();
        if (renamed->told)
            (void)tell_file(import, &error);
    } else if (out->release != NULL) {
        renamed->current = (size_t)out->length;
    } else if (rh_interrupted()) { /* while what has no more was waited for */
        code = ECANCELED;
    } else {
        rh_progress_end(&import->progress);
        renamed->told = !rh_import_close_rejects(import);
        if (!renamed->told)
            rh_waiting_start(import->tool->out, import->tool->err, "committing");
        code = renamed->told ? EIO : 0;
    }
    return code;
}

static const char *renamed_error(struct ArrowArrayStream *self)
{
    (void)self;
    return "the file could not be imported";
}

static void renamed_release(struct ArrowArrayStream *self)
{
    self->release = NULL;
}

/* ---- Into the database. ---------------------------------------------------------------------------------------------- */

static bool open_batches(struct rh_import *import)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = import->format == RH_FORMAT_PARQUET
                             ? rhei_parquet_read(fileno(import->input.file), &import->batches, &error)
                             : rhei_arrow_read(read_bytes, import, &import->batches, &error);
    return status == RHEI_OK || tell_file(import, &error);
}

bool rh_import_arrow_columns(struct rh_import *import)
{
    struct ArrowSchema schema;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (!open_batches(import))
        return false;
    int code = import->batches.get_schema(&import->batches, &schema);
    if (code != 0) {
        (void)rhei_stream_error(&import->batches, code, &error);
        return tell_file(import, &error);
    }
    bool *used = rh_allocate((import->args->rename_count + 1) * sizeof *used);
    bool good = true;
    for (int64_t at = 0; at < schema.n_children && good; at++) {
        const char *name = schema.children[at]->name;
        struct rh_buffer own = {0};
        if (name == NULL || name[0] == '\0')
            rh_buffer_format(&own, "column%lld", (long long)at + 1);
        else
            rh_buffer_add_text(&own, name);
        good = rh_import_add_column(import, own.bytes, own.length, (size_t)at + 1, used);
        rh_buffer_free(&own);
    }
    schema.release(&schema);
    good = good && rh_import_check_renames(import, used);
    if (good && import->column_count == 0)
        good = rh_import_refuse(import, "it has no columns");
    free(used);
    return good;
}

static bool on_reject(void *context, const struct rhei_ingest_reject *reject)
{
    struct renamed *renamed = context;
    struct rh_import *import = renamed->import;
    uint64_t row = (uint64_t)reject->row + 1;
    renamed->told = true;
    if (reject->rolled_back) {
        rh_tell(import->tool, "%s, row %llu: %s; this rolled back the whole transaction, so nothing of it was imported",
                import->name, (unsigned long long)row, reject->error->message);
        return false;
    }
    renamed->told =
        !rh_import_complain(import, &(struct rh_complaint){.line = row, .why = reject->error->message, .raw = ""});
    return !renamed->told;
}

bool rh_import_arrow_rows(struct rh_import *import)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct renamed renamed = {.import = import};
    struct ArrowArrayStream rows = {renamed_schema, renamed_next, renamed_error, renamed_release, &renamed};
    rhei_status status = rh_import_ingest(import, &rows, on_reject, &renamed, &error);
    rh_progress_end(&import->progress);
    return rh_import_ended(import, status, renamed.told, &error);
}
