/* SPDX-License-Identifier: Apache-2.0 */
/* rh import: a CSV file into a table, whole or not at all unless --reject or --batch say otherwise. */
#include "rh_import.h"

#include "rh_history.h"
#include "rh_interrupt.h"
#include "rh_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t read_source(void *context, char *bytes, size_t size)
{
    struct rh_import *import = context;
    size_t got = fread(bytes, 1, size, import->file);
    return got == 0 && ferror(import->file) ? -1 : (ssize_t)got;
}

bool rh_import_cannot_read(struct rh_import *import, int reason)
{
    rh_tell(import->tool, "%s could not be read: %s", import->name, strerror(reason));
    return false;
}

/* A pipe can't be read twice, and some imports read twice: it goes through a temporary file that has no name. */
static bool spool(struct rh_import *import)
{
    char bytes[1 << 16];
    size_t got;
    FILE *copy = tmpfile();
    if (copy == NULL)
        return rh_import_cannot_read(import, errno);
    while ((got = fread(bytes, 1, sizeof bytes, import->file)) > 0) {
        if (fwrite(bytes, 1, got, copy) != got) {
            int reason = errno;
            fclose(copy);
            rh_tell(import->tool, "the temporary copy of %s could not be written: %s", import->name, strerror(reason));
            return false;
        }
    }
    import->size = (uint64_t)ftello(copy);
    if (import->file != stdin)
        fclose(import->file);
    import->file = copy;
    rewind(copy);
    return true;
}

/* What people take for CSV by mistake. */
static bool check_beginning(struct rh_import *import)
{
    unsigned char start[4] = {0};
    size_t got = fread(start, 1, sizeof start, import->file);
    rewind(import->file);
    bool zip = got == 4 && memcmp(start, "PK\003\004", 4) == 0;
    bool gzip = got >= 2 && start[0] == 0x1f && start[1] == 0x8b;
    bool zstd = got == 4 && memcmp(start, "\x28\xB5\x2F\xFD", 4) == 0;
    bool utf16 = got >= 2 && ((start[0] == 0xff && start[1] == 0xfe) || (start[0] == 0xfe && start[1] == 0xff));
    if (zip || gzip || zstd)
        rh_tell(import->tool, "%s is compressed: unpack it first (%s)", import->name,
                zip    ? "unzip -p FILE | rh import - TABLE"
                : gzip ? "zcat FILE | rh import - TABLE"
                       : "zstdcat FILE | rh import - TABLE");
    else if (utf16)
        rh_tell(import->tool, "%s is UTF-16: convert it first (iconv -f UTF-16 -t UTF-8)", import->name);
    return !zip && !gzip && !zstd && !utf16;
}

static bool open_file(struct rh_import *import)
{
    struct stat about;
    bool standard = strcmp(import->args->file, "-") == 0;
    import->name = standard ? "standard input" : import->args->file;
    import->file = standard ? stdin : fopen(import->args->file, "rb");
    if (import->file == NULL || fstat(fileno(import->file), &about) != 0)
        return rh_import_cannot_read(import, errno);
    if (S_ISDIR(about.st_mode))
        return rh_import_cannot_read(import, EISDIR);
    import->size = S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
    bool twice = import->args->create || import->args->no_header;
    if (!S_ISREG(about.st_mode) && !twice)
        return true;
    return (S_ISREG(about.st_mode) || spool(import)) && check_beginning(import);
}

bool rh_import_rewind(struct rh_import *import, bool skip_header)
{
    rh_csv_free(&import->csv);
    rh_csv_init(&import->csv, read_source, import, import->args->delimiter, 0);
    import->csv.skip = (uint64_t)import->args->skip;
    if (fseeko(import->file, 0, SEEK_SET) != 0)
        return rh_import_cannot_read(import, errno);
    return !skip_header || rh_csv_next(&import->csv) == RH_CSV_RECORD;
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
    bool same = fstat(fileno(file), &there) == 0 && fstat(fileno(import->file), &input) == 0 &&
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
    if (!may_hold_rejects(import, import->args->reject))
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
    rh_progress_end(&import->progress);
    if (complaint->column > 0)
        rh_tell(import->tool, "%s, line %" PRIu64 ", column %" PRIu64 ": %s; %s", import->name, complaint->line,
                complaint->column, complaint->why, what_is_kept(import));
    else
        rh_tell(import->tool, "%s, line %" PRIu64 ": %s; %s", import->name, complaint->line, complaint->why,
                what_is_kept(import));
    tell_way_out(import, complaint->why);
    return false;
}

bool rh_import_database_error(struct rh_import *import, const struct rhei_error *error)
{
    rh_progress_end(&import->progress);
    struct rh_buffer text = {0};
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
    bool again = import->args->create || import->args->no_header; /* the first line was read and is data, or all was */
    if (again && !rh_import_rewind(import, !import->args->no_header))
        return false;
    return rh_import_rows(import);
}

static void print_outcome(const struct rh_import *import, int64_t elapsed_us)
{
    struct rh_buffer line = {0};
    rh_add_count(&line, import->changes);
    rh_buffer_format(&line, import->changes == 1 ? " row into %s in " : " rows into %s in ", import->args->table);
    rh_add_duration(&line, elapsed_us);
    rh_buffer_add_text(&line, " (");
    rh_add_count(&line, (uint64_t)((double)import->changes * 1e6 / (double)(elapsed_us > 0 ? elapsed_us : 1)));
    rh_buffer_add_text(&line, " rows/s)");
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
    puts(line.bytes);
    rh_buffer_free(&line);
}

static void release(struct rh_import *import)
{
    rh_csv_free(&import->csv);
    if (import->rejects != NULL)
        fclose(import->rejects);
    if (import->file != NULL && import->file != stdin)
        fclose(import->file);
    for (size_t at = 0; at < import->column_count; at++) {
        free(import->columns[at].name);
        free(import->columns[at].type);
    }
    free(import->columns);
    for (size_t at = 0; at < import->key_count; at++)
        free(import->key[at]);
    free(import->key);
}

int rh_import_command(struct rh_tool *tool)
{
    struct rh_import import = {.tool = tool, .args = &tool->args->import};
    int64_t started = rh_now_us();
    rh_csv_init(&import.csv, read_source, &import, import.args->delimiter, 0);
    import.csv.skip = (uint64_t)import.args->skip;
    bool good = open_file(&import) && rh_tool_open(tool, RH_OPEN_CREATE) && open_rejects(&import) && load(&import);
    if (good) {
        print_outcome(&import, rh_now_us() - started);
        if (rh_flush_output())
            rh_interrupt_done();
        rh_history_note(tool);
    }
    release(&import);
    if (good)
        rh_tool_close(tool);
    else
        rh_tool_discard(tool);
    return rh_finish_output(tool, good ? RH_EXIT_OK : RH_EXIT_ERROR);
}
