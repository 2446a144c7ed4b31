/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_tool.h
 * What every command has: the command line, the open database, the terminal, and how errors are told.
 */
#ifndef RH_TOOL_H
#define RH_TOOL_H

#include "rh_args.h"
#include "rh_terminal.h"
#include "rh_units.h"
#include "rhei/rhei.h"

struct rh_tool {
    const struct rh_args *args;
    rhei_db *db;
    rhei_cancel *cancel; /* raised by Ctrl-C */
    bool look;           /* opened with RH_OPEN_LOOK */
    bool built;          /* every table of its column store, by rh_tool_build() */
    bool created;        /* the file wasn't there before */
    bool repl;           /* advice is in the REPL's words */
    char told[300]; /* the warning that a look told last, which an opening for writing behind it doesn't say again */
    struct rh_terminal out, err;
    /** Where the engine's lines go, in place of standard error. NULL: there. Any thread. */
    void (*log)(void *context, int level, const char *room, const char *message);
    void *log_context;
};

enum rh_open_flag {
    RH_OPEN_CREATE = 1,         /**< a file that isn't there is made; otherwise that is an error */
    RH_OPEN_LOOK = 2,           /**< nothing in or beside the file changes */
    RH_OPEN_WITHOUT_FOLDER = 4, /**< what olap_path names is left to others: no column store is wanted */
    RH_OPEN_LIVE =
        8, /**< it stays open: the column store is built and kept in the background, where the file has capture */
    RH_OPEN_NO_FILES = 16, /**< statements come from others: none reaches another file */
};

/**
 * Opens the database of the command line. Capture is installed only with --capture, and used where the file has it. The tool never builds a column store by itself (the engine's manual_sync): one
 * command can't pay back its price. False: the error was told.
 */
bool rh_tool_open(struct rh_tool *tool, unsigned flags);
/** The same, but the error isn't told: it is in *error. */
bool rh_tool_open_for(struct rh_tool *tool, unsigned flags, struct rhei_error *error);
/** What RH_OPEN_LOOK has open was replaced: opens what its path leads to now. False: *error, and nothing is open; it may be called again. */
bool rh_tool_look_again(struct rh_tool *tool, struct rhei_error *error);
void rh_tool_close(struct rh_tool *tool);
/** The same after a failure: a file that this command made and that is still empty goes too. */
void rh_tool_discard(struct rh_tool *tool);

/** What every call of a command obeys: --timeout and Ctrl-C. Each call may take the whole time. */
struct rhei_call_options rh_tool_limits(const struct rh_tool *tool);

/** What the engine tells of itself (rhei_info_json) at a path of JSON, as text; false: there is nothing. */
bool rh_tool_ask_info(struct rh_tool *tool, const char *path, struct rh_buffer *text);
/** A message of a status, which has `room` bytes for it: as a whole, from that path, where it fills them. */
void rh_tool_add_whole(struct rh_tool *tool, const char *path, const char *message, size_t room,
                       struct rh_buffer *text);
/** What is wrong with the folder of the column store (rhei_sync_status.disk_message), as a whole: a status has room for the beginning alone. */
void rh_tool_add_disk_message(struct rh_tool *tool, const struct rhei_sync_status *status, struct rh_buffer *text);
/** Builds the column store of the open database, with a line that tells how far it is. */
rhei_status rh_tool_build(struct rh_tool *tool, struct rhei_error *error);

/** Tells an error on standard error, as "rh: MESSAGE [NAME SQLSTATE]"; with the nearest name of a table that isn't there. */
void rh_tell_error(const struct rh_tool *tool, const struct rhei_error *error);
/**
 * The same of a statement, whose place the caller shows: with the nearest name of a column too, and without the line that an engine's own message shows.
 * `sql` NULL: as rh_tell_error().
 */
void rh_tell_error_of(const struct rh_tool *tool, const struct rhei_error *error, const char *sql, size_t length);
/** What DuckDB's messages have before the line with the error and a caret under it. */
#define RH_SHOWN_LINE "\n\nLINE "
/** The value of the metric of that name; 0: there is none. */
double rh_metric_of(struct rhei_metric *const *metrics, size_t count, const char *name);
/** Tells what the tool itself found wrong, and gives RH_EXIT_ERROR. */
int rh_tell(const struct rh_tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Flushes standard output. False: it, or something before it, could not be written, which rh_finish_output() tells with the reason. */
bool rh_flush_output(void);
/** Flushes standard output; a full disk or a closed pipe becomes an error there. Gives `code`, or RH_EXIT_ERROR. */
int rh_finish_output(const struct rh_tool *tool, int code);

/** The commands; each gives the exit code. */
int rh_exec_command(struct rh_tool *tool);
int rh_query_command(struct rh_tool *tool);
int rh_sync_command(struct rh_tool *tool);
int rh_status_command(struct rh_tool *tool);
int rh_info_command(struct rh_tool *tool);
int rh_import_command(struct rh_tool *tool);
int rh_export_command(struct rh_tool *tool);
int rh_verify_command(struct rh_tool *tool);
int rh_repair_command(struct rh_tool *tool);
int rh_backup_command(struct rh_tool *tool);
int rh_detach_command(struct rh_tool *tool);
int rh_changes_command(struct rh_tool *tool);
int rh_settings_command(struct rh_tool *tool);
int rh_config_command(struct rh_tool *tool);
int rh_serve_command(struct rh_tool *tool);
int rh_repl_command(struct rh_tool *tool);
int rh_dashboard_command(struct rh_tool *tool);
/** What the commands of these names do to the open database. */
int rh_status_run(struct rh_tool *tool);
int rh_sync_run(struct rh_tool *tool);
bool rh_import_run(struct rh_tool *tool);
/** Text of `rh help` and `rh help COMMAND`. */
const char *rh_help_text(enum rh_command command);

#endif
