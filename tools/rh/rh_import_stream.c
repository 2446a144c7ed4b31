/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of CSV and JSON as an Arrow stream, which rhei_ingest_arrow takes in. A batch remembers where in the file its rows stand, for the
 * database may refuse one of them: it does so before it asks for the next batch. What is wrong with lines between those rows waits as
 * long, so that everything is told in the order of the file, and the first thing that is wrong ends an import that nothing may be.
 */
#include "rh_import.h"
#include "rh_import_batch.h"
#include "rh_interrupt.h"
#include "rh_text.h"
#include "rh_waiting.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_BYTES = 4 << 20 };

struct row {
    uint64_t line;
    size_t raw, raw_length; /* in `raw`, when there is a reject file */
};

/* A complaint about a line behind the first `rows` of the batch; its texts are in `waiting_bytes`. */
struct waiting {
    size_t rows;
    uint64_t line, column;
    size_t why, raw, raw_length;
};

struct rh_stream {
    struct rh_import *import;
    struct rh_batch *batch;
    struct rhei_value *values; /* of a record */
    struct rh_buffer blobs;    /* of a record */
    struct row rows[RH_BATCH_ROWS];
    struct rh_buffer raw;
    struct waiting *waiting;
    size_t waiting_count, waiting_room, waiting_told;
    struct rh_buffer waiting_bytes;
    uint64_t given; /* rows of the batches before */
    size_t *places; /* JSON: of the members of the record before, their columns */
    size_t place_count;
    uint64_t *seen; /* JSON: by column, the record that had it last */
    uint64_t records;
    bool begun, over, told; /* told: the error that ended it, on standard error */
};

/* ---- Records. ------------------------------------------------------------------------------------------------------ */

/* False: it ends the import, once the rows before it are in. */
static bool complain(struct rh_stream *stream, const struct rh_complaint *complaint)
{
    struct rh_buffer *bytes = &stream->waiting_bytes;
    if (stream->waiting_count == stream->waiting_room) {
        stream->waiting_room = stream->waiting_room == 0 ? 16 : 2 * stream->waiting_room;
        stream->waiting = rh_reallocate(stream->waiting, stream->waiting_room * sizeof *stream->waiting);
    }
    struct waiting *waiting = &stream->waiting[stream->waiting_count++];
    *waiting = (struct waiting){.rows = rh_batch_rows(stream->batch),
                                .line = complaint->line,
                                .column = complaint->column,
                                .why = bytes->length,
                                .raw_length = complaint->raw_length};
    rh_buffer_add(bytes, complaint->why, strlen(complaint->why) + 1);
    waiting->raw = bytes->length;
    rh_buffer_add(bytes, complaint->raw, complaint->raw_length);
    return stream->import->rejects != NULL;
}

/* Tells what came before the row of this number in the batch. False: the import is over. */
static bool tell_waiting(struct rh_stream *stream, size_t row)
{
    for (; stream->waiting_told < stream->waiting_count; stream->waiting_told++) {
        const struct waiting *waiting = &stream->waiting[stream->waiting_told];
        struct rh_complaint complaint = {.line = waiting->line,
                                         .column = waiting->column,
                                         .why = stream->waiting_bytes.bytes + waiting->why,
                                         .raw = stream->waiting_bytes.bytes + waiting->raw,
                                         .raw_length = waiting->raw_length};
        if (waiting->rows > row)
            return true;
        if (!rh_import_complain(stream->import, &complaint))
            return false;
    }
    stream->waiting_count = stream->waiting_told = 0;
    rh_buffer_clear(&stream->waiting_bytes);
    return true;
}

static bool complain_field(struct rh_stream *stream, const struct rh_csv_field *field, const char *why)
{
    const struct rh_csv_record *record = &stream->import->csv.record;
    struct rh_complaint complaint = {.why = why, .raw = record->raw, .raw_length = record->raw_length};
    rh_csv_place(&stream->import->csv, field->offset, &complaint.line, &complaint.column);
    return complain(stream, &complaint);
}

/* A record with another number of fields than there are columns. */
static bool complain_count(struct rh_stream *stream)
{
    const struct rh_import *import = stream->import;
    const struct rh_csv_record *record = &import->csv.record;
    struct rh_buffer why = {0};
    size_t first = record->count < import->column_count ? record->count - 1 : import->column_count;
    rh_buffer_format(&why, "%zu field%s, but %zu are needed", record->count, record->count == 1 ? "" : "s",
                     import->column_count);
    if (record->count < import->column_count)
        rh_buffer_format(&why, " ('%s' is missing)", import->columns[record->count].name);
    bool go_on = complain_field(stream, &record->fields[first], why.bytes);
    rh_buffer_free(&why);
    return go_on;
}

/* x'..' as rh query writes BLOBs, for a column that is declared for them. It holds the place among the record's BLOBs, which may move. */
static bool take_blob(struct rh_stream *stream, const struct rh_import_column *column, const struct rh_csv_field *field,
                      struct rhei_value *value)
{
    size_t place = stream->blobs.length;
    if (!column->is_blob || field->quoted || !rh_parse_blob(field->text, field->length, &stream->blobs)) {
        stream->blobs.length = place;
        return false;
    }
    *value = (struct rhei_value){
        .as.integer = (int64_t)place, .length = (uint32_t)(stream->blobs.length - place), .type = RHEI_BLOB};
    return true;
}

static bool take_field(struct rh_stream *stream, size_t at, struct rh_buffer *why)
{
    const struct rh_import *import = stream->import;
    const struct rh_import_column *column = &import->columns[at];
    const struct rh_csv_field *field = &import->csv.record.fields[at];
    struct rhei_value *value = &stream->values[at];
    if (take_blob(stream, column, field, value))
        return true;
    char copy[64];
    bool number = column->affinity != RH_AFFINITY_TEXT && column->affinity != RH_AFFINITY_NONE;
    struct rh_csv_field point = rh_field_with_point(field, number ? import->args->decimal : '.', copy);
    if (!rh_field_value(&point, column->affinity, import->args->null_text, import->args->any_type, value, why))
        return false;
    if (point.text == copy && value->type == RHEI_TEXT) /* as it is written, and for longer than the copy */
        value->as.bytes = field->text;
    if (!import->args->create || rh_batch_takes(stream->batch, at, value))
        return true; /* in a table that is there a column is of whatever its affinity lets in */
    rh_buffer_add_text(why, "the file was another one when the types of its columns were found");
    return false;
}

/* The values into the batch. */
static void add_row(struct rh_stream *stream, uint64_t line, const char *raw, size_t raw_length)
{
    struct row *row = &stream->rows[rh_batch_rows(stream->batch)];
    *row = (struct row){.line = line, .raw = stream->raw.length};
    if (stream->import->rejects != NULL) {
        row->raw_length = raw_length;
        rh_buffer_add(&stream->raw, raw, raw_length);
    }
    rh_batch_add(stream->batch, stream->values);
}

/* The record into the batch, or a complaint about it. False: no more records. */
static bool add_record(struct rh_stream *stream)
{
    struct rh_import *import = stream->import;
    const struct rh_csv_record *record = &import->csv.record;
    if (record->count != import->column_count)
        return complain_count(stream);
    rh_buffer_clear(&stream->blobs);
    for (size_t at = 0; at < record->count; at++) {
        struct rh_buffer why = {0};
        if (take_field(stream, at, &why))
            continue;
        rh_buffer_format(&why, " (column %s %s)", import->columns[at].name, import->columns[at].type);
        bool go_on = complain_field(stream, &record->fields[at], why.bytes);
        rh_buffer_free(&why);
        return go_on;
    }
    for (size_t at = 0; at < record->count; at++)
        if (stream->values[at].type == RHEI_BLOB)
            stream->values[at].as.bytes = stream->blobs.bytes + stream->values[at].as.integer;
    add_row(stream, record->line, record->raw, record->raw_length);
    return true;
}

static bool has_room(const struct rh_stream *stream)
{
    return rh_batch_rows(stream->batch) < RH_BATCH_ROWS &&
           rh_batch_bytes(stream->batch) + stream->raw.length + stream->waiting_bytes.length < BATCH_BYTES;
}

/* As fill_from_json, of CSV. */
static bool fill_from_csv(struct rh_stream *stream)
{
    struct rh_import *import = stream->import;
    while (has_room(stream)) {
        const struct rh_csv_record *record = &import->csv.record;
        enum rh_csv_result result = rh_csv_next(&import->csv);
        if (result == RH_CSV_END) {
            stream->over = true;
            return true;
        }
        if (result == RH_CSV_IO_ERROR)
            return false;
        if (result == RH_CSV_BAD) {
            struct rh_complaint complaint = {.line = import->csv.bad_line,
                                             .column = import->csv.bad_column,
                                             .why = import->csv.why,
                                             .raw = record->raw,
                                             .raw_length = record->raw_length};
            if (!complain(stream, &complaint))
                return true;
            continue;
        }
        /* an empty line is a row only where a row is one field */
        if (import->column_count > 1 && record->raw_length == 0)
            continue;
        if (!add_record(stream))
            return true;
    }
    return true;
}

/* ---- Objects of JSON. ------------------------------------------------------------------------------------------------ */

static bool complain_member(struct rh_stream *stream, const struct rh_json_member *member, const char *why)
{
    const struct rh_json *json = &stream->import->json;
    struct rh_complaint complaint = {.why = why, .raw = json->raw, .raw_length = json->raw_length};
    rh_json_place(json, member->offset, &complaint.line, &complaint.column);
    return complain(stream, &complaint);
}

/*
 * The column of a member; most objects have theirs in the order of the one before. None (the number of columns): the file is no longer what it was
 * when they were found.
 */
static size_t column_of_member(struct rh_stream *stream, size_t number, const struct rh_json_member *member)
{
    const struct rh_import *import = stream->import;
    if (number >= stream->place_count) {
        stream->places = rh_reallocate(stream->places, (number + 1) * sizeof *stream->places);
        for (; stream->place_count <= number; stream->place_count++)
            stream->places[stream->place_count] = 0;
    }
    for (size_t at = 0; at <= import->column_count; at++) {
        size_t place = at == 0 ? stream->places[number] : at - 1;
        const char *known = import->columns[place].source;
        if (!rh_same_name(known, strlen(known), member->name, member->name_length))
            continue;
        stream->places[number] = place;
        return place;
    }
    return import->column_count;
}

static const char file_changed[] = "the file was another one when its columns were found";

/* False: a complaint was made, and *go_on says whether more objects are read. */
static bool take_member(struct rh_stream *stream, size_t number, bool *go_on)
{
    struct rh_import *import = stream->import;
    const struct rh_json_member *member = &import->json.members[number];
    size_t at = column_of_member(stream, number, member);
    const struct rh_import_column *column = &import->columns[at];
    struct rh_buffer why = {0};
    bool good = false;
    if (at == import->column_count) {
        *go_on = complain_member(stream, member, file_changed);
        return false;
    }
    if (stream->seen[at] == stream->records)
        rh_buffer_format(&why, "the name '%s' comes twice in one object", column->source);
    else
        good = rh_json_value(member, column, import->args->create, &stream->values[at], &why);
    if (good && import->args->create && !rh_batch_takes(stream->batch, at, &stream->values[at])) {
        rh_buffer_add_text(&why, file_changed);
        good = false;
    }
    stream->seen[at] = stream->records;
    if (!good) {
        rh_buffer_format(&why, " (column %s %s)", column->name, column->type);
        *go_on = complain_member(stream, member, why.bytes);
    }
    rh_buffer_free(&why);
    return good;
}

static bool add_object(struct rh_stream *stream)
{
    struct rh_import *import = stream->import;
    const struct rh_json *json = &import->json;
    bool go_on = true;
    stream->records++;
    for (size_t at = 0; at < import->column_count; at++)
        stream->values[at] = (struct rhei_value){.type = RHEI_NULL};
    for (size_t at = 0; at < json->count; at++)
        if (!take_member(stream, at, &go_on))
            return go_on;
    add_row(stream, json->record_line, json->raw, json->raw_length);
    return true;
}

/* Records until the batch is full, the file ends, or a line is wrong that may not be. False: the file can't be read; told. */
static bool fill_from_json(struct rh_stream *stream)
{
    struct rh_import *import = stream->import;
    struct rh_json *json = &import->json;
    while (has_room(stream)) {
        enum rh_csv_result result = rh_json_next(json);
        if (result == RH_CSV_END) {
            stream->over = true;
            return true;
        }
        if (result == RH_CSV_IO_ERROR)
            return false;
        if (result == RH_CSV_RECORD) {
            if (!add_object(stream))
                return true;
            continue;
        }
        struct rh_complaint complaint = {.line = json->bad_line,
                                         .column = json->bad_column,
                                         .why = json->why,
                                         .raw = json->raw,
                                         .raw_length = json->raw_length};
        if (!complain(stream, &complaint))
            return true;
    }
    return true;
}

static bool fill_batch(struct rh_stream *stream)
{
    return rh_import_is_json(stream->import) ? fill_from_json(stream) : fill_from_csv(stream);
}

/* ---- The stream. --------------------------------------------------------------------------------------------------- */

/* The transaction is open: from here on the import's own line tells how far it is. */
static void begin(struct rh_stream *stream)
{
    struct rh_import *import = stream->import;
    stream->begun = true;
    rh_waiting_stop();
    rh_progress_start(&import->progress, stderr, import->tool->err, "importing", import->input.size, rh_now_us());
}

/* Every row is in or among the rejects; what is left is the commit. */
static bool end(struct rh_stream *stream)
{
    struct rh_import *import = stream->import;
    rh_progress_end(&import->progress);
    if (!rh_import_close_rejects(import))
        return false;
    rh_waiting_start(import->tool->out, import->tool->err, "committing");
    return true;
}

static int stream_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    rh_batch_schema(((struct rh_stream *)self->private_data)->batch, out);
    return 0;
}

static int stream_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    struct rh_stream *stream = self->private_data;
    struct rh_import *import = stream->import;
    *out = (struct ArrowArray){0};
    if (!stream->begun)
        begin(stream);
    stream->given += rh_batch_rows(stream->batch);
    rh_progress_update(&import->progress, rh_input_done(&import->input), stream->given, rh_now_us());
    rh_batch_clear(stream->batch);
    rh_buffer_clear(&stream->raw);
    if (import->args->batch >
        0) /* whole batches of what was given are committed: the ingest asks for more when they are */
        rh_interrupt_kept(stream->given - stream->given % (uint64_t)import->args->batch);
    if (rh_interrupted())
        return ECANCELED;
    do { /* a batch of complaints alone is told at once */
        bool told = tell_waiting(stream, SIZE_MAX);
        if (!told || (!stream->over && !fill_batch(stream))) {
            stream->told = !told || !rh_interrupted();
            return EIO;
        }
    } while (rh_batch_rows(stream->batch) == 0 && (!stream->over || stream->waiting_count > 0));
    if (rh_batch_rows(stream->batch) > 0)
        rh_batch_array(stream->batch, out);
    else if (rh_interrupted()) /* while the pipe was waited for that has no more */
        return ECANCELED;
    else
        stream->told = !end(stream);
    return stream->told ? EIO : 0;
}

static const char *stream_error(struct ArrowArrayStream *self)
{
    (void)self;
    return "the file could not be imported";
}

static void stream_release(struct ArrowArrayStream *self)
{
    self->release = NULL;
}

/* ---- Into the database. -------------------------------------------------------------------------------------------- */

static bool on_reject(void *context, const struct rhei_ingest_reject *reject)
{
    struct rh_stream *stream = context;
    struct rh_import *import = stream->import;
    size_t number = (size_t)((uint64_t)reject->row - stream->given);
    const struct row *row = &stream->rows[number];
    if (!tell_waiting(stream, number)) {
        stream->told = true;
        return false;
    }
    if (reject->rolled_back) {
        /* ON CONFLICT ROLLBACK, or RAISE(ROLLBACK): going on would be another transaction */
        rh_tell(import->tool,
                "%s, line %" PRIu64 ": %s; this rolled back the whole transaction, so nothing of it was imported",
                import->name, row->line, reject->error->message);
        stream->told = true;
        return false;
    }
    struct rh_complaint complaint = {.line = row->line,
                                     .why = reject->error->message,
                                     .raw = stream->raw.bytes + row->raw,
                                     .raw_length = row->raw_length};
    stream->told = !rh_import_complain(import, &complaint);
    return !stream->told;
}

static enum rh_member member_of_classes(unsigned classes)
{
    return classes == 0 || classes == 1U << RHEI_TEXT ? RH_MEMBER_TEXT
           : classes == 1U << RHEI_INTEGER            ? RH_MEMBER_INTEGER
           : classes == 1U << RHEI_REAL               ? RH_MEMBER_REAL
           : classes == 1U << RHEI_BLOB               ? RH_MEMBER_BLOB
                                                      : RH_MEMBER_ANY;
}

/* A column that the import makes has the type of all its values; one that is there may let in more than its affinity says. */
static enum rh_member member_of(const struct rh_import *import, const struct rh_import_column *column)
{
    bool made = import->args->create;
    if (rh_import_is_json(import))
        return made ? member_of_classes(column->classes) : RH_MEMBER_ANY;
    if (made && column->is_blob)
        return RH_MEMBER_BLOB;
    if (column->affinity == RH_AFFINITY_TEXT)
        return RH_MEMBER_TEXT;
    if (column->affinity == RH_AFFINITY_REAL && (made || !import->args->any_type))
        return RH_MEMBER_REAL;
    return made ? RH_MEMBER_INTEGER : RH_MEMBER_ANY;
}

rhei_status rh_import_ingest(struct rh_import *import, struct ArrowArrayStream *rows,
                             bool (*reject)(void *context, const struct rhei_ingest_reject *row), void *context,
                             struct rhei_error *error)
{
    const struct rh_import_args *args = import->args;
    struct rhei_call_options limits = rh_tool_limits(import->tool);
    struct rhei_ingest_options options = {.struct_size = sizeof options,
                                          .mode = args->replace  ? RHEI_INGEST_REPLACE
                                                  : args->create ? RHEI_INGEST_CREATE
                                                                 : RHEI_INGEST_APPEND,
                                          .on_conflict = (int32_t)args->conflict,
                                          .chunk_rows = (uint64_t)args->batch,
                                          .timeout_ms = limits.timeout_ms,
                                          .cancel = limits.cancel,
                                          .progress = limits.progress,
                                          .key_columns = (const char *const *)import->key,
                                          .key_count = import->key_count,
                                          .reject = reject,
                                          .reject_context = context};
    struct rhei_ingest_result result = {.struct_size = sizeof result};
    rh_waiting_start(import->tool->out, import->tool->err, "beginning");
    rhei_status status = rhei_ingest_arrow(import->tool->db, args->table, rows, &options, &result, error);
    rh_waiting_stop();
    import->changes = (uint64_t)result.changed;
    import->skipped = (uint64_t)result.skipped;
    return status;
}

bool rh_import_ended(struct rh_import *import, rhei_status status, bool told, struct rhei_error *error)
{
    if (status == RHEI_OK)
        return true;
    if (told) {
        rh_import_tell_kept(import);
        return false;
    }
    if (status == RHEI_CANCELLED || rh_interrupted())
        return rh_import_cancelled(import);
    if (status == RHEI_EXISTS)
        snprintf(error->message, sizeof error->message,
                 "the table \"%.200s\" already exists: leave --create away, or let --replace take its place",
                 import->args->table);
    return rh_import_database_error(import, error);
}

/* The ingest counts rows of the stream; who has the file counts its lines. */
static void name_line(const struct rh_stream *stream, struct rhei_error *error)
{
    static const char prefix[] = "row ";
    struct rh_buffer message = {0};
    char *end;
    if (strncmp(error->message, prefix, sizeof prefix - 1) != 0)
        return;
    uint64_t row = strtoull(error->message + sizeof prefix - 1, &end, 10) - 1 - stream->given;
    if (*end != ':' || row >= rh_batch_rows(stream->batch))
        return;
    rh_buffer_format(&message, "line %" PRIu64 "%s", stream->rows[row].line, end);
    snprintf(error->message, sizeof error->message, "%s", message.bytes);
    rh_buffer_free(&message);
}

bool rh_import_rows(struct rh_import *import)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_stream *stream = rh_allocate(sizeof *stream);
    stream->import = import;
    stream->batch = rh_batch_new(import->column_count);
    stream->values = rh_allocate(import->column_count * sizeof *stream->values);
    for (size_t at = 0; at < import->column_count; at++)
        rh_batch_column(stream->batch, at, import->columns[at].name, member_of(import, &import->columns[at]));
    stream->seen = rh_allocate(import->column_count * sizeof *stream->seen);
    struct ArrowArrayStream rows = {stream_schema, stream_next, stream_error, stream_release, stream};
    rhei_status status = rh_import_ingest(import, &rows, on_reject, stream, &error);
    bool told = stream->told;
    name_line(stream, &error);
    rh_batch_free(&stream->batch);
    rh_buffer_free(&stream->blobs);
    rh_buffer_free(&stream->raw);
    rh_buffer_free(&stream->waiting_bytes);
    free(stream->waiting);
    free(stream->values);
    free(stream->places);
    free(stream->seen);
    free(stream);
    return rh_import_ended(import, status, told, &error);
}
