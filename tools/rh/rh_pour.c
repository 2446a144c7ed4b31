/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_pour.h"

#include "rh_statements.h"
#include "rh_waiting.h"
#include "rhei/rhei_doors.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

const char rh_known_endings[] = ".csv .tsv .json .ndjson .parquet .arrow .arrows .md .txt";

bool rh_format_of_name(const char *name, enum rh_format *format, bool *framed)
{
    static const struct {
        const char *ending;
        enum rh_format format;
        bool framed;
    } known[] = {{".csv", RH_FORMAT_CSV, false},         {".tsv", RH_FORMAT_TSV, false},
                 {".tab", RH_FORMAT_TSV, false},         {".json", RH_FORMAT_JSON, false},
                 {".ndjson", RH_FORMAT_NDJSON, false},   {".jsonl", RH_FORMAT_NDJSON, false},
                 {".md", RH_FORMAT_MARKDOWN, false},     {".txt", RH_FORMAT_TABLE, false},
                 {".parquet", RH_FORMAT_PARQUET, false}, {".pq", RH_FORMAT_PARQUET, false},
                 {".arrow", RH_FORMAT_ARROW, true},      {".feather", RH_FORMAT_ARROW, true},
                 {".arrows", RH_FORMAT_ARROW, false}};
    const char *ending = strrchr(name, '.');
    for (size_t at = 0; ending != NULL && at < sizeof known / sizeof *known; at++) {
        if (strcasecmp(ending, known[at].ending) != 0)
            continue;
        *format = known[at].format;
        *framed = known[at].framed;
        return true;
    }
    return false;
}

struct rhei_query_options rh_pour_options(const struct rh_tool *tool)
{
    const struct rh_args *args = tool->args;
    return (struct rhei_query_options){.struct_size = sizeof(struct rhei_query_options),
                                       .freshness = args->freshness,
                                       .as_of = args->as_of,
                                       .route = args->route,
                                       .timeout_ms = args->timeout_ms,
                                       .cancel = tool->cancel,
                                       .progress = rh_waiting_told};
}

/* ---- Rows of batches, counted. --------------------------------------------------------------------------------------- */

struct counted {
    struct ArrowArrayStream inner;
    uint64_t *rows;
};

static int counted_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    struct counted *counted = self->private_data;
    return counted->inner.get_schema(&counted->inner, out);
}

static int counted_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    struct counted *counted = self->private_data;
    int code = counted->inner.get_next(&counted->inner, out);
    if (code == 0 && out->release != NULL) {
        *counted->rows += (uint64_t)out->length;
        rh_waiting_rows(*counted->rows);
    }
    return code;
}

static const char *counted_error(struct ArrowArrayStream *self)
{
    struct counted *counted = self->private_data;
    return counted->inner.get_last_error(&counted->inner);
}

static void counted_release(struct ArrowArrayStream *self)
{
    struct counted *counted = self->private_data;
    counted->inner.release(&counted->inner);
    self->release = NULL;
}

/* ---- Formats. -------------------------------------------------------------------------------------------------------- */

static rhei_status to_file(void *context, const void *bytes, size_t length, struct rhei_error *error)
{
    struct rh_pour *pour = context;
    (void)error; /* the file's own error is told */
    if (fwrite(bytes, 1, length, pour->file) == length)
        return RHEI_OK;
    pour->reason = errno;
    return RHEI_IO;
}

static bool is_regular(FILE *file)
{
    struct stat about;
    return fstat(fileno(file), &about) == 0 && S_ISREG(about.st_mode) && lseek(fileno(file), 0, SEEK_CUR) == 0;
}

/* The end of a Parquet file tells where all else is, so it is made in a file without a name, and sent when it is whole. */
static rhei_status send_parquet(struct ArrowArrayStream *stream, struct rh_pour *pour, struct rhei_error *error)
{
    char bytes[1 << 16];
    size_t got;
    FILE *whole = tmpfile();
    if (whole == NULL) {
        stream->release(stream);
        snprintf(error->message, sizeof error->message, "no temporary file can be made for Parquet: %m");
        return error->code = RHEI_IO;
    }
    rhei_status status = rhei_parquet_write(stream, fileno(whole), error);
    rewind(whole);
    while (status == RHEI_OK && (got = fread(bytes, 1, sizeof bytes, whole)) > 0)
        if (fwrite(bytes, 1, got, pour->file) != got) {
            pour->reason = errno;
            break;
        }
    fclose(whole);
    return status;
}

static rhei_status pour_batches(struct rh_tool *tool, const char *sql, const struct rhei_params *params,
                                struct rh_pour *pour, struct rhei_error *error)
{
    struct rhei_arrow_options framing = {.struct_size = sizeof framing,
                                         .framing = pour->framed ? RHEI_ARROW_FILE : RHEI_ARROW_STREAM};
    struct counted counted = {.rows = &pour->rows};
    rhei_status status =
        pour->session != NULL
            ? rhei_session_query_arrow(pour->session, sql, params, &pour->options, &counted.inner, error)
            : rhei_query_arrow(tool->db, sql, params, &pour->options, &counted.inner, error);
    struct ArrowArrayStream stream = {counted_schema, counted_next, counted_error, counted_release, &counted};
    if (status != RHEI_OK)
        return status;
    if (pour->format == RH_FORMAT_ARROW)
        return rhei_arrow_write(&stream, &framing, to_file, pour, error);
    if (!is_regular(pour->file))
        return send_parquet(&stream, pour, error);
    status = rhei_parquet_write(&stream, fileno(pour->file), error);
    (void)fseeko(pour->file, 0, SEEK_END);
    return status;
}

/* As a file has them: neither colours, nor a terminal's width. */
static rhei_status pour_text(struct rh_tool *tool, const char *sql, const struct rhei_params *params,
                             struct rh_pour *pour, struct rhei_error *error)
{
    struct rh_args args = *tool->args;
    struct rh_tool plain = *tool;
    rhei_rows *rows = NULL;
    args.format = pour->format;
    args.null_text = pour->null_text;
    args.import.no_header = pour->no_header;
    args.width = INT64_MAX;
    plain.args = &args;
    plain.out = (struct rh_terminal){.utf8 = tool->out.utf8};
    rhei_status status = pour->session != NULL
                             ? rhei_session_query(pour->session, sql, params, &pour->options, &rows, error)
                             : rhei_query(tool->db, sql, params, &pour->options, &rows, error);
    if (status == RHEI_OK)
        status = rh_write_rows_to(&plain, rows, pour->file, &pour->rows, error);
    if (ferror(pour->file))
        pour->reason = errno;
    rhei_rows_close(&rows);
    return status;
}

/* One that can't be prepared is nothing that could write, or only answered at a past: whoever runs it says what is wrong. */
static rhei_status check_question(struct rh_tool *tool, const char *sql, const struct rh_pour *pour,
                                  struct rhei_error *error)
{
    struct rhei_error ignored = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    rhei_status status = pour->session != NULL ? rhei_session_prepare(pour->session, sql, &statement, &ignored)
                                               : rhei_prepare(tool->db, sql, &statement, &ignored);
    bool writes = status == RHEI_OK && !rhei_statement_is_read_only(statement);
    rhei_statement_close(&statement);
    if (!writes)
        return RHEI_OK;
    *error = (struct rhei_error){.code = RHEI_INVALID, .sql_offset = -1};
    snprintf(error->sqlstate, sizeof error->sqlstate, "22023");
    snprintf(error->message, sizeof error->message,
             "this statement writes, and an export only reads: %s; nothing was changed",
             tool->repl ? "type it without .export" : "rh exec runs it");
    return error->code;
}

rhei_status rh_pour_run(struct rh_tool *tool, const char *sql, struct rh_pour *pour, struct rhei_error *error)
{
    struct rhei_params given = {.values = tool->args->params.values, .count = tool->args->params.count};
    const struct rhei_params *params = given.count > 0 ? &given : NULL;
    bool batches = pour->format == RH_FORMAT_ARROW || pour->format == RH_FORMAT_PARQUET;
    rh_waiting_start(tool->out, tool->err, "asking");
    pour->rows = 0;
    pour->reason = errno = 0;
    rhei_status status = pour->question ? check_question(tool, sql, pour, error) : RHEI_OK;
    if (status == RHEI_OK)
        status = batches ? pour_batches(tool, sql, params, pour, error) : pour_text(tool, sql, params, pour, error);
    rh_waiting_stop();
    return status;
}
