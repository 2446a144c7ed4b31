/* SPDX-License-Identifier: Apache-2.0 */
/* Commands over files: .read, .import and .export. */
#include "rh_export.h"
#include "rh_interrupt.h"
#include "rh_repl.h"
#include "rh_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_LIMIT = 16 };

RH_REPL_COMMAND(read)
{
    struct stat about;
    (void)command, (void)count, (void)rest;
    if (repl->depth == DEPTH_LIMIT)
        return rh_tell(repl->tool, ".read %s: files that read files are %d deep here: it reads itself", words[0],
                       DEPTH_LIMIT);
    FILE *file = fopen(words[0], "rb");
    if (file != NULL && fstat(fileno(file), &about) == 0 && S_ISDIR(about.st_mode)) {
        fclose(file);
        file = NULL;
        errno = EISDIR;
    }
    if (file == NULL)
        return rh_tell(repl->tool, "%s could not be read: %s", words[0], strerror(errno));
    repl->depth++;
    int code = rh_repl_run_stream(repl, file, words[0]);
    repl->depth--;
    fclose(file);
    return code;
}

RH_REPL_COMMAND(import)
{
    char *argv[RH_REPL_WORDS + 3] = {"rh", "import"};
    struct rh_args args;
    struct rh_buffer why = {0};
    (void)command, (void)rest;
    if (rh_repl_in_transaction(repl))
        return rh_tell(repl->tool,
                       ".import is a transaction of its own, and one is open here: COMMIT or ROLLBACK first");
    for (int at = 0; at < count; at++)
        argv[at + 2] = words[at];
    bool good = rh_args_read(&args, count + 2, argv, false, &why);
    bool ours = good && (args.command != RH_COMMAND_IMPORT || args.db != NULL || args.config != NULL || args.capture);
    int code = RH_EXIT_USAGE;
    if (!good || ours) {
        rh_tell(repl->tool, "%s",
                good ? ".import takes the options of rh import but --db, --config and --capture" : why.bytes);
    } else {
        struct rh_tool inner = *repl->tool;
        inner.args = &args;
        rh_repl_begin_work(repl);
        code = rh_import_run(&inner) ? RH_EXIT_OK : RH_EXIT_ERROR;
        rh_repl_end_work(repl);
        rh_interrupt_kept(0);
        rh_repl_forget_names(repl);
    }
    rh_args_free(&args);
    rh_buffer_free(&why);
    return code;
}

static rhei_status answer(void *context, const char *sql, struct rh_pour *pour, struct rhei_error *error)
{
    struct rh_repl *repl = context;
    const struct rh_args *args = repl->tool->args;
    pour->session = repl->session;
    repl->tool->args = &repl->settings;
    pour->options = rh_pour_options(repl->tool);
    rhei_status status = rh_pour_run(repl->tool, sql, pour, error);
    repl->tool->args = args;
    return status;
}

RH_REPL_COMMAND(export)
{
    struct rh_pour pour = {.question = true};
    struct rh_buffer sql = {0}, why = {0};
    const char *name = words[0];
    if (!rh_format_of_name(name, &pour.format, &pour.framed)) {
        rh_buffer_format(&why, "goes by the file's ending: %s", rh_known_endings);
        int code = rh_repl_misused(repl, command, why.bytes);
        rh_buffer_free(&why);
        return code;
    }
    if (count == 1 && repl->last.bytes == NULL)
        return rh_repl_misused(repl, command, "has no statement yet");
    if (count == 1) {
        rh_buffer_add_text(&sql, repl->last.bytes);
    } else if (count == 2) {
        rh_buffer_add_text(&sql, "SELECT * FROM ");
        rh_add_identifier(&sql, words[1]);
    } else { /* as it stands: SQL has its own quotes */
        char quote = *rest == '"' || *rest == '\'' ? *rest : '\0';
        const char *end = quote != '\0' ? strchr(rest + 1, quote) : rest + strcspn(rest, " \t");
        rh_buffer_add_text(&sql, end != NULL ? end + (quote != '\0') : rest);
    }
    rh_repl_begin_work(repl);
    int code = rh_export_file(repl->tool, name, sql.bytes, &pour, answer, repl, false);
    rh_repl_end_work(repl);
    rh_buffer_free(&sql);
    return code;
}
