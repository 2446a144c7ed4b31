/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rh export: one question into a file or onto standard output, or several tables into a folder. Tables of a folder are read in one transaction, so
 * they show one state of the database; their files get their names when all of them are whole.
 */
#include "rh_export.h"

#include "rh_interrupt.h"
#include "rh_target.h"
#include "rh_text.h"
#include "rh_waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- One file. ------------------------------------------------------------------------------------------------------- */

static void tell_rows(uint64_t rows, const char *name, int64_t elapsed_us)
{
    struct rh_buffer line = {0};
    rh_add_count(&line, rows);
    rh_buffer_format(&line, rows == 1 ? " row into %s in " : " rows into %s in ", name);
    rh_add_duration(&line, elapsed_us);
    puts(line.bytes);
    rh_buffer_free(&line);
}

int rh_export_file(struct rh_tool *tool, const char *name, const char *sql, struct rh_pour *pour,
                   rh_export_answer answer, void *context, bool force)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_target target;
    int64_t started = rh_now_us();
    bool good = rh_target_open(tool, &target, name, force);
    if (good) {
        pour->file = target.file;
        rhei_status status = answer(context, sql, pour, &error);
        bool unwritten = ferror(target.file) != 0;
        target.reason = pour->reason;
        good = status == RHEI_OK || unwritten;
        if (!good)
            rh_tell_error(tool, &error);
    }
    good = good && rh_target_finish(tool, &target) && rh_target_keep(tool, &target, force);
    rh_target_drop(&target);
    if (good)
        tell_rows(pour->rows, name, rh_now_us() - started);
    return good ? RH_EXIT_OK : RH_EXIT_ERROR;
}

static bool is_table(struct rh_tool *tool, const char *name)
{
    rhei_rows *rows = NULL;
    bool found = rhei_oltp_query(tool->db, "SELECT 1 FROM sqlite_schema WHERE name = ? COLLATE NOCASE",
                                 RHEI_PARAMS(rhei_text(name)), &rows, NULL) == RHEI_OK &&
                 rhei_rows_next(rows, NULL) == RHEI_ROW;
    rhei_rows_close(&rows);
    return found;
}

void rh_export_question(struct rh_tool *tool, const char *text, struct rh_buffer *sql)
{
    if (strpbrk(text, " \t\n(") != NULL && !is_table(tool, text)) {
        rh_buffer_add_text(sql, text);
        return;
    }
    rh_buffer_add_text(sql, "SELECT * FROM ");
    rh_add_identifier(sql, text);
}

static rhei_status answer_query(void *context, const char *sql, struct rh_pour *pour, struct rhei_error *error)
{
    return rh_query_answer(context, sql, pour, error);
}

static int export_one(struct rh_tool *tool, struct rh_pour *pour)
{
    const struct rh_export_args *args = &tool->args->export;
    struct rh_buffer sql = {0};
    int code = RH_EXIT_OK;
    rh_export_question(tool, args->tables[0], &sql);
    if (strcmp(args->target, "-") != 0) {
        code = rh_export_file(tool, args->target, sql.bytes, pour, answer_query, tool, args->force);
    } else {
        struct rhei_error error = RHEI_ERROR_INIT;
        pour->file = stdout;
        pour->framed = false;
        if (rh_query_answer(tool, sql.bytes, pour, &error) != RHEI_OK && rh_flush_output()) {
            rh_tell_error(tool, &error);
            code = RH_EXIT_ERROR;
        }
    }
    rh_buffer_free(&sql);
    return code;
}

/* ---- A folder. ------------------------------------------------------------------------------------------------------- */

struct folder {
    struct rh_tool *tool;
    rhei_session *session;
    struct rh_target *targets;
    char **tables, **names;
    size_t count;
    uint64_t rows;
    bool made; /* the folder, by us */
};

static void add_table(struct folder *folder, const char *table)
{
    folder->tables = rh_reallocate(folder->tables, (folder->count + 1) * sizeof *folder->tables);
    folder->tables[folder->count++] = rh_copy_text(table, strlen(table));
}

/* All of the user's: neither views, nor what SQLite and virtual tables keep for themselves, nor ours. */
static rhei_status list_tables(struct folder *folder, struct rhei_error *error)
{
    static const char sql[] =
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') AND "
        "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_rhei\\_%' ESCAPE '\\' "
        "ORDER BY name";
    struct rhei_query_options options = rh_pour_options(folder->tool);
    rhei_rows *rows = NULL;
    options.route = RHEI_ROUTE_OLTP;
    rhei_status status = rhei_session_query(folder->session, sql, NULL, &options, &rows, error);
    if (status == RHEI_OK)
        while ((status = rhei_rows_next(rows, error)) == RHEI_ROW)
            add_table(folder, rhei_rows_text(rows, 0));
    rhei_rows_close(&rows);
    return status == RHEI_DONE ? RHEI_OK : status;
}

/* A table's name as one of a file: what can't stand in it, or would hide it, as %XX. */
static char *file_name(const char *folder, const char *table, enum rh_format format)
{
    struct rh_buffer name = {0};
    rh_buffer_format(&name, "%s/", folder);
    for (const char *at = table; *at != '\0'; at++)
        if (*at == '/' || *at == '%' || (unsigned char)*at < 0x20 || (at == table && *at == '.'))
            rh_buffer_format(&name, "%%%02X", (unsigned)(unsigned char)*at);
        else
            rh_buffer_add_char(&name, *at);
    rh_buffer_format(&name, ".%s",
                     format == RH_FORMAT_MARKDOWN ? "md"
                     : format == RH_FORMAT_TABLE  ? "txt"
                                                  : rh_format_name(format));
    return name.bytes;
}

static bool make_folder(struct folder *folder)
{
    const char *name = folder->tool->args->export.target;
    struct stat about;
    folder->made = mkdir(name, 0777) == 0;
    if (folder->made || (errno == EEXIST && stat(name, &about) == 0 && S_ISDIR(about.st_mode)))
        return true;
    if (errno == EEXIST)
        rh_tell(folder->tool, "%s is no folder, and several tables go into one", name);
    else
        rh_tell(folder->tool, "the folder %s could not be made: %s", name, strerror(errno));
    return false;
}

static bool write_table(struct folder *folder, size_t at, struct rh_pour *pour)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_target *target = &folder->targets[at];
    struct rh_buffer sql = {0};
    rh_buffer_add_text(&sql, "SELECT * FROM ");
    rh_add_identifier(&sql, folder->tables[at]);
    pour->file = target->file;
    pour->session = folder->session;
    rhei_status status = rh_pour_run(folder->tool, sql.bytes, pour, &error);
    rh_buffer_free(&sql);
    bool good = status == RHEI_OK || ferror(target->file);
    target->reason = pour->reason;
    if (!good)
        rh_tell_error(folder->tool, &error);
    folder->rows += pour->rows;
    return good && rh_target_finish(folder->tool, target);
}

static bool write_folder(struct folder *folder, struct rh_pour *pour)
{
    const struct rh_export_args *args = &folder->tool->args->export;
    bool good = true;
    folder->targets = rh_allocate(folder->count * sizeof *folder->targets);
    folder->names = rh_allocate(folder->count * sizeof *folder->names);
    for (size_t at = 0; at < folder->count && good; at++) { /* what is there already is told before anything is read */
        folder->names[at] = file_name(args->target, folder->tables[at], pour->format);
        good = args->force || access(folder->names[at], F_OK) != 0 ||
               rh_target_open(folder->tool, &folder->targets[at], folder->names[at], false);
    }
    for (size_t at = 0; at < folder->count && good; at++)
        good = rh_target_open(folder->tool, &folder->targets[at], folder->names[at], args->force) &&
               write_table(folder, at, pour);
    for (size_t at = 0; at < folder->count && good; at++)
        good = rh_target_keep(folder->tool, &folder->targets[at], args->force);
    return good;
}

static bool begin(struct folder *folder)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct rh_export_args *args = &folder->tool->args->export;
    rhei_status status = rhei_session_open(folder->tool->db, &folder->session, &error);
    if (status == RHEI_OK)
        status = rhei_session_execute(folder->session, "BEGIN", NULL, NULL, &error);
    if (status == RHEI_OK && args->all)
        status = list_tables(folder, &error);
    for (size_t at = 0; at < args->table_count; at++)
        add_table(folder, args->tables[at]);
    if (status != RHEI_OK)
        rh_tell_error(folder->tool, &error);
    else if (folder->count == 0)
        rh_tell(folder->tool, "there is no table to export");
    return status == RHEI_OK && folder->count > 0;
}

static int export_folder(struct rh_tool *tool, struct rh_pour *pour)
{
    struct folder folder = {.tool = tool};
    int64_t started = rh_now_us();
    bool good = begin(&folder) && make_folder(&folder) && write_folder(&folder, pour);
    for (size_t at = 0; at < folder.count; at++) {
        if (folder.targets != NULL)
            rh_target_drop(&folder.targets[at]);
        if (folder.names != NULL)
            free(folder.names[at]);
        free(folder.tables[at]);
    }
    if (!good && folder.made)
        (void)rmdir(tool->args->export.target);
    free(folder.targets);
    free(folder.names);
    free(folder.tables);
    rhei_session_close(&folder.session);
    if (good) {
        struct rh_buffer line = {0};
        rh_buffer_format(&line, "%zu table%s, ", folder.count, folder.count == 1 ? "" : "s");
        rh_add_count(&line, folder.rows);
        rh_buffer_format(&line, folder.rows == 1 ? " row into %s in " : " rows into %s in ", tool->args->export.target);
        rh_add_duration(&line, rh_now_us() - started);
        puts(line.bytes);
        rh_buffer_free(&line);
    }
    return good ? RH_EXIT_OK : RH_EXIT_ERROR;
}

/* ---- The command. ---------------------------------------------------------------------------------------------------- */

/* By --format, else by the file's ending; what has neither is CSV. False: told. */
static bool choose_format(const struct rh_tool *tool, struct rh_pour *pour)
{
    const struct rh_export_args *args = &tool->args->export;
    enum rh_format named = RH_FORMAT_CSV;
    bool whole = args->all || args->table_count > 1 || strcmp(args->target, "-") == 0;
    bool ending = !whole && rh_format_of_name(args->target, &named, &pour->framed);
    bool binary;
    pour->format = tool->args->format == RH_FORMAT_DEFAULT ? named : tool->args->format;
    if (tool->args->format == RH_FORMAT_ARROW && !(ending && named == RH_FORMAT_ARROW))
        pour->framed = true; /* a file, whatever it is called */
    if (tool->args->format == RH_FORMAT_DEFAULT && !whole && !ending) {
        rh_tell(tool, "the format of %s is not told by its ending (%s): name it with --format", args->target,
                rh_known_endings);
        return false;
    }
    binary = pour->format == RH_FORMAT_ARROW || pour->format == RH_FORMAT_PARQUET;
    if (binary && tool->out.present && strcmp(args->target, "-") == 0) {
        rh_tell(tool, "%s is bytes that are no text: send them to a file or a program", rh_format_name(pour->format));
        return false;
    }
    return true;
}

int rh_export_command(struct rh_tool *tool)
{
    const struct rh_export_args *args = &tool->args->export;
    struct rh_pour pour = {
        .null_text = tool->args->null_text, .no_header = tool->args->import.no_header, .question = true};
    if (!choose_format(tool, &pour))
        return RH_EXIT_USAGE;
    bool several = args->all || args->table_count > 1;
    if (!rh_tool_open(tool, several ? 0 : RH_OPEN_LOOK)) /* a look has no transactions */
        return RH_EXIT_ERROR;
    pour.options = rh_pour_options(tool);
    int code = several ? export_folder(tool, &pour) : export_one(tool, &pour);
    rh_tool_close(tool);
    return code;
}
