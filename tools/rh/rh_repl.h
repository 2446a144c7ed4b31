/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_repl.h
 * The parts of rh repl: what is typed, the commands that begin with a dot, statements, completion. docs/design/prompt.md has the invariants.
 */
#ifndef RH_REPL_H
#define RH_REPL_H

#include "line_terminal.h"
#include "rh_statements.h"
#include "rhei/rhei_doors.h"

struct rh_repl {
    struct rh_tool *tool;
    struct rh_args settings;           /* those in force; tool->args is this */
    struct rh_buffer null_text, as_of; /* what settings point to */
    rhei_session *session;             /* NULL: the handle has none, and every statement is for itself */
    bool interactive;                  /* prompts, colours, pager */
    bool timer;                        /* facts of each answer: on a terminal, unless it is switched off */
    bool pager;
    bool quit;
    int depth;             /* of .read within .read */
    struct rh_buffer last; /* the last statement that could be asked again */
    struct line_terminal terminal;
    struct line_history history;
    struct rh_buffer history_path;
    bool history_told;
    struct rhei_catalog *catalog; /* for completion; NULL: to be read */
    char **functions;
    size_t function_count;
};

/** @name rh_repl_text.c: texts of statements and commands
 * @{ */
/** Cuts a text where its statements and its lines of dot commands are; true: nothing of it wants more lines. */
bool rh_repl_split(struct rh_script *script, const char *text, size_t length);
/** Runs a text, up to the first error; gives the exit code. `origin` is its file or NULL, `line` how many lines were before it. */
int rh_repl_run_text(struct rh_repl *repl, const char *text, size_t length, const char *origin, size_t line);
/** Runs a stream without prompts, each statement as soon as it is whole. */
int rh_repl_run_stream(struct rh_repl *repl, FILE *file, const char *origin);
/** @} */

/** @name rh_repl_habits.c: what other prompts have in place of these commands
 * @{ */
/** The command that a text means by habit ("exit", "\\d"); NULL: none. */
const char *rh_repl_habit(const char *text, size_t length);
/** A statement goes on, and its last line looks like a command: false, or true and what to do. */
bool rh_repl_misplaced(const char *text, size_t length, struct rh_buffer *note);
/** @} */

/** @name rh_repl_ask.c: one statement
 * @{ */
/** Asks it with the settings in force; builds the column store where `.olap` asks for that. The rows are the caller's. */
rhei_status rh_repl_ask(struct rh_repl *repl, const char *sql, rhei_rows **rows, struct rhei_error *error);
/** Whether a point in time can be asked for at all: else no statement could be answered. What may be another time is no error. */
rhei_status rh_repl_try_past(struct rh_repl *repl, const char *as_of, struct rhei_error *error);
/** Runs it and shows what comes of it; RHEI_OK, or the error, untold. */
rhei_status rh_repl_run_statement(struct rh_repl *repl, const char *sql, enum rh_verb verb, struct rhei_error *error);
/** Runs it, and tells an error. The exit code. */
int rh_repl_run_sql(struct rh_repl *repl, const char *sql, const char *prefix);
bool rh_repl_in_transaction(const struct rh_repl *repl);
/** Between them a signal may cancel what runs. */
void rh_repl_begin_work(struct rh_repl *repl);
void rh_repl_end_work(struct rh_repl *repl);
/** @} */

/** @name rh_repl_commands.c: commands that begin with a dot
 * @{ */
enum { RH_REPL_WORDS = 32 };
struct rh_repl_command {
    const char *name;  /* ".mode" */
    const char *usage; /* what follows it */
    const char *help;
    int (*run)(struct rh_repl *repl, const struct rh_repl_command *command, int count, char **words, const char *rest);
    const char
        *choices;    /* words that the first argument may be, for completion: "on off"; "FILE", "TABLE" or "COMMAND" */
    int least, most; /* arguments; most -1: any number */
};
extern const struct rh_repl_command rh_repl_commands[];
extern const size_t rh_repl_command_count;
/** Whether there is a command of this name, ".mode". */
bool rh_repl_is_command(const char *name);
/** Runs one line. */
int rh_repl_run_command(struct rh_repl *repl, const char *line, size_t length);
/** Tells that it was used wrongly, and how it is used: RH_EXIT_USAGE. */
/** Words up to the width of the terminal, each further line behind an indent. `used` columns of the first one are taken. */
void rh_repl_print_words(const struct rh_repl *repl, size_t indent, size_t used, const char *text);
int rh_repl_misused(struct rh_repl *repl, const struct rh_repl_command *command, const char *why);
/** @} */

/** @name The commands, by their files
 * @{ */
#define RH_REPL_COMMAND(name)                                                                                \
    int rh_repl_##name(struct rh_repl *repl, const struct rh_repl_command *command, int count, char **words, \
                       const char *rest)
RH_REPL_COMMAND(mode);
RH_REPL_COMMAND(timer);
RH_REPL_COMMAND(pager);
RH_REPL_COMMAND(null);
RH_REPL_COMMAND(width);
RH_REPL_COMMAND(route);
RH_REPL_COMMAND(freshness);
RH_REPL_COMMAND(asof);
RH_REPL_COMMAND(tables);
RH_REPL_COMMAND(schema);
RH_REPL_COMMAND(history);
RH_REPL_COMMAND(explain);
RH_REPL_COMMAND(read);
RH_REPL_COMMAND(import);
RH_REPL_COMMAND(export);
RH_REPL_COMMAND(watch);
RH_REPL_COMMAND(plot);
/** @} */

/** @name rh_repl_complete.c, rh_repl_colour.c: helpers of the editor
 * @{ */
void rh_repl_complete(void *repl, const char *text, size_t length, size_t cursor, struct line_menu *menu);
void rh_repl_style(void *repl, const char *text, size_t length, size_t cursor, uint8_t *styles);
/** The schema may be another now. */
void rh_repl_forget_names(struct rh_repl *repl);
/** @} */

#endif
