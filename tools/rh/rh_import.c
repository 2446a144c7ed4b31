/* SPDX-License-Identifier: Apache-2.0 */
/* rh import: a file of rows into a table, whole or not at all unless --reject or --batch say otherwise. */
#include "rh_import.h"

#include "rh_history.h"
#include "rh_interrupt.h"
#include "rh_target.h"
#include "rh_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_BYTES = 1 << 18 };

bool rh_import_is_csv(const struct rh_import *import)
{
    return import->format == RH_FORMAT_CSV || import->format == RH_FORMAT_TSV;
}

bool rh_import_is_json(const struct rh_import *import)
{
    return import->format == RH_FORMAT_JSON || import->format == RH_FORMAT_NDJSON;
}

/* What people take for rows by mistake. */
static bool check_beginning(struct rh_import *import, const char *bytes, size_t length)
{
    enum rh_refusal what = rh_sniff_refusal(bytes, length);
    if (what == RH_IS_DATABASE)
        rh_tell(import->tool, "%s is a SQLite database: --db opens it", import->name);
    else if (what == RH_IS_WORKBOOK)
        rh_tell(import->tool,
                "%s is a workbook of a spreadsheet program, not rows: save its sheet there as CSV, and import that",
                import->name);
    else if (what != RH_TAKES)
        rh_tell(import->tool, "%s is compressed: unpack it first (%s)", import->name,
                what == RH_IS_ZIP ? "unzip -p FILE | rh import - TABLE" : "zstdcat FILE | rh import - TABLE");
    return what == RH_TAKES;
}

/* Of CSV: what the command line doesn't say. */
static void find_dialect(struct rh_import *import, const char *bytes, size_t length)
{
    const struct rh_import_args *args = import->args;
    struct rh_buffer text = {0};
    struct rh_said said = {args->delimiter_said, args->quote_said, args->header_said};
    import->dialect =
        (struct rh_dialect){.delimiter = args->delimiter, .quote = args->quote, .header = !args->no_header};
    if (import->format == RH_FORMAT_TSV && !said.delimiter) {
        import->dialect.delimiter = '\t';
        said.delimiter = true;
    }
    rh_input_decoded(&import->input, bytes, length, &text);
    rh_sniff_dialect(text.bytes, text.length, length < LOOK_BYTES, (uint64_t)args->skip, said, &import->dialect);
    rh_buffer_free(&text);
}

/* Options of CSV mean nothing elsewhere, and who gives them takes the file for it. */
static bool check_options(struct rh_import *import)
{
    const struct rh_import_args *args = import->args;
    bool of_csv = args->delimiter_said || args->quote_said || args->header_said || args->skip > 0 ||
                  args->type_count > 0 || args->decimal != '.';
    if (rh_import_is_csv(import) || !of_csv)
        return true;
    rh_tell(import->tool,
            "%s is %s, which has no delimiter, quote, decimal sign, header, types or lines to skip: --format csv reads "
            "it as CSV",
            import->name, rh_format_name(import->format));
    return false;
}

static bool open_file(struct rh_import *import)
{
    struct rh_input *input = &import->input;
    const char *bytes;
    size_t length;
    bool good = rh_input_open(input, import->tool, import->args->file);
    import->name = input->name;
    if (!good || !rh_input_look(input, LOOK_BYTES, &bytes, &length) || !check_beginning(import, bytes, length))
        return false;
    import->format = import->tool->args->format != RH_FORMAT_DEFAULT ? import->tool->args->format
                                                                     : rh_sniff_format(import->name, bytes, length);
    const char *encoding =
        import->args->encoding != NULL ? import->args->encoding : rh_input_guess(bytes, length, length < LOOK_BYTES);
    if (import->tool->args->format == RH_FORMAT_DEFAULT && strcmp(encoding, "UTF-8") != 0 &&
        (import->format == RH_FORMAT_CSV || import->format == RH_FORMAT_NDJSON)) {
        struct rh_buffer text = {0}; /* its first characters are others than its first bytes */
        struct rh_input other = {.encoding = encoding};
        rh_input_decoded(&other, bytes, length, &text);
        import->format = rh_sniff_format(import->name, text.bytes, text.length);
        rh_buffer_free(&text);
    }
    bool text = rh_import_is_csv(import) || rh_import_is_json(import);
    if ((text && !rh_input_decode(input, encoding)) || !check_options(import))
        return false;
    if (rh_import_is_csv(import))
        find_dialect(import, bytes, length);
    bool once = import->format == RH_FORMAT_ARROW ||
                (rh_import_is_csv(import) && !import->args->create && import->dialect.header);
    return once || rh_input_keep(input, import->format == RH_FORMAT_PARQUET);
}

bool rh_import_rewind(struct rh_import *import, bool skip_header)
{
    rh_csv_free(&import->csv);
    rh_json_free(&import->json);
    rh_csv_init(&import->csv, rh_input_read, &import->input, import->dialect.delimiter, 0);
    rh_json_init(&import->json, rh_input_read, &import->input, 0);
    import->csv.quote = import->dialect.quote;
    import->csv.skip = (uint64_t)import->args->skip;
    if (!rh_input_rewind(&import->input))
        return false;
    return !skip_header || rh_csv_next(&import->csv) == RH_CSV_RECORD;
}

static void add_sign(struct rh_buffer *text, int sign)
{
    if (sign == '\t')
        rh_buffer_add_text(text, "tab");
    else
        rh_buffer_format(text, sign == '\'' ? "\"%c\"" : "'%c'", sign);
}

void rh_import_describe(const struct rh_import *import, struct rh_buffer *text)
{
    rh_buffer_format(text, "read as %s", rh_format_name(import->format));
    if (import->input.packed)
        rh_buffer_add_text(text, " packed by gzip");
    if (rh_import_is_csv(import) || rh_import_is_json(import))
        rh_buffer_format(text, " in %s", import->input.encoding);
    if (!rh_import_is_csv(import))
        return;
    rh_buffer_add_text(text, ", delimiter ");
    add_sign(text, import->dialect.delimiter);
    if (import->dialect.quote != '"') {
        rh_buffer_add_text(text, import->dialect.quote == RH_CSV_NO_QUOTE ? ", no quotes" : ", quote ");
        if (import->dialect.quote != RH_CSV_NO_QUOTE)
            add_sign(text, import->dialect.quote);
    }
    rh_buffer_add_text(text, import->dialect.header ? ", names in the first line" : ", no header");
}

static const char reject_header[] = "line,column,reason,record\n";

/* Whether a file may be written over: it isn't there, is empty, or is of an import before; and isn't what is being imported. */
static bool may_hold_rejects(struct rh_import *import, const char *path)
{
    char head[sizeof reject_header];
    struct stat there, input;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return true;
    size_t length = fread(head, 1, sizeof reject_header - 1, file);
    bool same = fstat(fileno(file), &there) == 0 && fstat(fileno(import->input.file), &input) == 0 &&
                there.st_dev == input.st_dev && there.st_ino == input.st_ino;
    bool ours = length == 0 || (length == sizeof reject_header - 1 && memcmp(head, reject_header, length) == 0);
    fclose(file);
    if (same)
        rh_tell(import->tool, "the reject file %s is the file to import: name another; nothing was imported", path);
    else if (!ours)
        rh_tell(
            import->tool,
            "the reject file %s is there already, and is no reject file: name another, or remove it first; nothing was "
            "imported",
            path);
    return ours && !same;
}

static bool open_rejects(struct rh_import *import)
{
    if (import->args->reject == NULL)
        return true;
    if (!rh_target_allowed(import->tool, import->args->reject, "an import") ||
        !may_hold_rejects(import, import->args->reject))
        return false;
    import->rejects = fopen(import->args->reject, "wb");
    if (import->rejects == NULL) {
        rh_tell(import->tool, "the reject file %s could not be written: %s", import->args->reject, strerror(errno));
        return false;
    }
    fputs(reject_header, import->rejects);
    return true;
}

static void reject(struct rh_import *import, const struct rh_complaint *complaint)
{
    struct rh_buffer line = {0};
    rh_buffer_format(&line, "%" PRIu64 ",", complaint->line);
    if (complaint->column > 0)
        rh_buffer_format(&line, "%" PRIu64, complaint->column);
    rh_buffer_add_char(&line, ',');
    rh_add_quoted(&line, complaint->why, strlen(complaint->why));
    rh_buffer_add_char(&line, ',');
    rh_add_quoted(&line, complaint->raw, complaint->raw_length);
    rh_buffer_add_char(&line, '\n');
    fwrite(line.bytes, 1, line.length, import->rejects);
    rh_buffer_free(&line);
    import->reject_count++;
}

/* While rows still go in: how many batches were committed is told when the last has ended. */
static const char *what_is_kept(const struct rh_import *import)
{
    return import->args->batch > 0 ? "batches before it are kept" : "nothing was imported";
}

static void add_kept(const struct rh_import *import, struct rh_buffer *text)
{
    if (import->changes == 0) {
        rh_buffer_add_text(text, "nothing was imported");
        return;
    }
    rh_add_count(text, import->changes);
    rh_buffer_add_text(text, import->changes == 1 ? " row of the batches before is kept"
                                                  : " rows of the batches before are kept");
}

void rh_import_tell_kept(const struct rh_import *import)
{
    struct rh_buffer text = {0};
    if (import->args->batch == 0)
        return;
    add_kept(import, &text);
    fprintf(stderr, "  %s: %s.\n", import->name, text.bytes);
    rh_buffer_free(&text);
}

static void tell_way_out(const struct rh_import *import, const char *why)
{
    if (import->args->conflict == RH_CONFLICT_ABORT && strstr(why, "UNIQUE constraint failed") != NULL)
        fputs("  --on-conflict skip, replace or update says what becomes of a row whose key is there already.\n",
              stderr);
    fputs("  --reject FILE writes lines that can't be imported there, with the reason, and imports the others.\n",
          stderr);
}

bool rh_import_complain(struct rh_import *import, const struct rh_complaint *complaint)
{
    if (import->rejects != NULL) {
        reject(import, complaint);
        return true;
    }
    bool text = rh_import_is_csv(import) || rh_import_is_json(import);
    rh_progress_end(&import->progress);
    if (complaint->column > 0)
        rh_tell(import->tool, "%s, line %" PRIu64 ", column %" PRIu64 ": %s; %s", import->name, complaint->line,
                complaint->column, complaint->why, what_is_kept(import));
    else
        rh_tell(import->tool, "%s, %s %" PRIu64 ": %s; %s", import->name, text ? "line" : "row", complaint->line,
                complaint->why, what_is_kept(import));
    tell_way_out(import, complaint->why);
    return false;
}

bool rh_import_database_error(struct rh_import *import, const struct rhei_error *error)
{
    rh_progress_end(&import->progress);
    struct rh_buffer text = {0};
    import->undoubted = true;
    rh_tell_error(import->tool, error);
    add_kept(import, &text);
    fprintf(stderr, "  %s: %s.\n", import->name, text.bytes);
    rh_buffer_free(&text);
    return false;
}

bool rh_import_cancelled(struct rh_import *import)
{
    struct rh_buffer text = {0};
    rh_progress_end(&import->progress);
    add_kept(import, &text);
    rh_tell(import->tool, "cancelled; %s [CANCELLED 57014]", text.bytes);
    rh_buffer_free(&text);
    return false;
}

bool rh_import_close_rejects(struct rh_import *import)
{
    FILE *file = import->rejects;
    import->rejects = NULL;
    if (file == NULL)
        return true;
    bool good = ferror(file) == 0;
    if (fclose(file) == 0 && good)
        return true;
    rh_tell(import->tool, "the reject file %s could not be written whole; nothing of the open transaction was imported",
            import->args->reject);
    return false;
}

static bool load(struct rh_import *import)
{
    if (!rh_import_find_columns(import))
        return false;
    if (import->format == RH_FORMAT_ARROW || import->format == RH_FORMAT_PARQUET)
        return rh_import_arrow_rows(import);
    bool csv = rh_import_is_csv(import), header = csv && import->dialect.header;
    bool again = !csv || import->args->create || !header; /* the first line was read and is data, or all was */
    if (again && !rh_import_rewind(import, header))
        return false;
    return rh_import_rows(import);
}

static void print_outcome(struct rh_import *import, int64_t elapsed_us)
{
    struct rh_buffer line = {0};
    rh_add_count(&line, import->changes);
    rh_buffer_format(&line, import->changes == 1 ? " row into %s in " : " rows into %s in ", import->args->table);
    rh_add_duration(&line, elapsed_us);
    if (elapsed_us >= 1000000) { /* of less it says how long opening and committing take */
        rh_buffer_add_text(&line, " (");
        rh_add_count(&line, (uint64_t)((double)import->changes * 1e6 / (double)elapsed_us));
        rh_buffer_add_text(&line, " rows/s)");
    }
    if (import->skipped > 0) {
        rh_buffer_add_text(&line, "; ");
        rh_add_count(&line, import->skipped);
        rh_buffer_add_text(&line, import->skipped == 1 ? " was " : " were ");
        rh_buffer_add_text(&line, import->args->conflict == RH_CONFLICT_SKIP
                                      ? "there already and skipped"
                                      : "ignored by the table's own conflict rule");
    }
    if (import->reject_count > 0) {
        rh_buffer_add_text(&line, "; ");
        rh_add_count(&line, import->reject_count);
        rh_buffer_format(&line, import->reject_count == 1 ? " line is in %s" : " lines are in %s",
                         import->args->reject);
    }
    rh_buffer_add_text(&line, "\n  ");
    rh_import_describe(import, &line);
    rh_import_add_types(import, &line);
    puts(line.bytes);
    rh_buffer_free(&line);
}

/* Of what was guessed wrongly, perhaps. */
static void tell_reading(const struct rh_import *import)
{
    struct rh_buffer line = {0};
    if (import->undoubted || (!rh_import_is_csv(import) && !rh_import_is_json(import)))
        return;
    rh_import_describe(import, &line);
    fprintf(stderr, "  %s was %s.\n", import->name, line.bytes);
    rh_buffer_free(&line);
}

static void release(struct rh_import *import)
{
    rh_csv_free(&import->csv);
    rh_json_free(&import->json);
    if (import->batches.release != NULL)
        import->batches.release(&import->batches);
    rh_input_close(&import->input);
    if (import->rejects != NULL)
        fclose(import->rejects);
    for (size_t at = 0; at < import->column_count; at++) {
        free(import->columns[at].name);
        free(import->columns[at].source);
        free(import->columns[at].type);
    }
    free(import->columns);
    for (size_t at = 0; at < import->key_count; at++)
        free(import->key[at]);
    free(import->key);
}

/* `opens`: the database is opened, once the file could be. */
static bool run_import(struct rh_tool *tool, bool opens)
{
    struct rh_import import = {.tool = tool, .args = &tool->args->import};
    int64_t started = rh_now_us();
    bool opened = open_file(&import);
    rh_csv_init(&import.csv, rh_input_read, &import.input, import.dialect.delimiter, 0);
    import.csv.quote = import.dialect.quote;
    import.csv.skip = (uint64_t)import.args->skip;
    bool good = opened && (!opens || rh_tool_open(tool, RH_OPEN_CREATE)) && open_rejects(&import);
    bool loaded = good && load(&import);
    if (loaded)
        print_outcome(&import, rh_now_us() - started);
    else if (good && !rh_interrupted())
        tell_reading(&import);
    good = loaded;
    release(&import);
    return good;
}

bool rh_import_run(struct rh_tool *tool)
{
    return run_import(tool, false);
}

int rh_import_command(struct rh_tool *tool)
{
    bool good = run_import(tool, true);
    if (good) {
        if (rh_flush_output())
            rh_interrupt_done();
        rh_history_note(tool);
    }
    if (good)
        rh_tool_close(tool);
    else
        rh_tool_discard(tool);
    return rh_finish_output(tool, good ? RH_EXIT_OK : RH_EXIT_ERROR);
}
