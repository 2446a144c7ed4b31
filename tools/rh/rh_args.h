/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_args.h
 * The command line, read and checked.
 */
#ifndef RH_ARGS_H
#define RH_ARGS_H

#include "rh_params.h"
#include "rhei/rhei.h"

enum rh_exit { RH_EXIT_OK = 0, RH_EXIT_ERROR = 1, RH_EXIT_USAGE = 2 };

enum rh_command {
    RH_COMMAND_EXEC,
    RH_COMMAND_QUERY,
    RH_COMMAND_SYNC,
    RH_COMMAND_STATUS,
    RH_COMMAND_INFO,
    RH_COMMAND_IMPORT,
    RH_COMMAND_EXPORT,
    RH_COMMAND_VERIFY,
    RH_COMMAND_REPAIR,
    RH_COMMAND_BACKUP,
    RH_COMMAND_DETACH,
    RH_COMMAND_CHANGES,
    RH_COMMAND_SETTINGS,
    RH_COMMAND_CONFIG,
    RH_COMMAND_SERVE,
    RH_COMMAND_REPL,
    RH_COMMAND_MCP,
    RH_COMMAND_AGENT,
    RH_COMMAND_DASHBOARD,
    RH_COMMAND_HELP,
    RH_COMMAND_VERSION,
    RH_COMMAND_COUNT,
};
/** "exec" ...; NULL-terminated, in the order of enum rh_command up to HELP. */
extern const char *const rh_command_names[];

enum rh_format {
    RH_FORMAT_DEFAULT, /**< table on a terminal, csv into a pipe or file */
    RH_FORMAT_TABLE,
    RH_FORMAT_CSV,
    RH_FORMAT_JSON,
    RH_FORMAT_NDJSON,
    RH_FORMAT_MARKDOWN,
    RH_FORMAT_TSV,
    RH_FORMAT_VERTICAL,
    RH_FORMAT_ARROW,
    RH_FORMAT_PARQUET,
    RH_FORMAT_DEBEZIUM,
    RH_FORMAT_BOX,
};

/** What import does with a row whose key is there already. */
enum rh_conflict { RH_CONFLICT_ABORT, RH_CONFLICT_SKIP, RH_CONFLICT_REPLACE, RH_CONFLICT_UPDATE };

struct rh_import_args {
    const char *file, *table;
    char *stem;            /* the table where none is named: of the file's name */
    const char *null_text; /* a bare field with this text is NULL; "" by default */
    const char *reject;    /* file for bad lines, or NULL */
    const char *key;       /* columns of the primary key with --create, or NULL */
    const char *encoding;  /* NULL: by the file's beginning */
    char delimiter;
    char decimal; /* ',' or '.' */
    int quote;
    bool delimiter_said, quote_said, header_said; /* else by the file's beginning */
    bool create, replace, no_header, any_type;
    int64_t batch; /* rows per transaction; 0: the whole file is one */
    int64_t skip;  /* lines before the header */
    enum rh_conflict conflict;
    const char **renames; /* "OLD=NEW" or "#3=NEW" */
    size_t rename_count;
    const char **types; /* "COLUMN=TYPE", of a table that is made */
    size_t type_count;
};

struct rh_export_args {
    const char *target; /* a file, "-", or the folder of several tables */
    char **tables;      /* or one question */
    size_t table_count;
    bool all, force;
};

struct rh_serve_args {
    const char *flight; /* HOST:PORT; NULL: the settings say */
    const char *token_file, *users_file, *tls_cert, *tls_key, *tls_client_ca;
    const char *make_user;      /* NULL: serve */
    const char *metrics, *http; /* HOST:PORT; NULL: the settings say */
    bool no_auth, no_page, headless;
    int64_t drain_ms, max_rows, idle_ms; /* 0: no limit of rows, the usual time of an idle transaction */
    int64_t max_connections;             /* 0: the usual */
};

struct rh_args {
    enum rh_command command;
    enum rh_command help_of; /* HELP of one command, else RH_COMMAND_COUNT */
    const char *db, *config;
    bool read_only, capture;
    const char *sql, *file; /* the SQL: an argument, a file, or neither (standard input) */
    const char *table;      /* verify, repair: one table only */
    const char *folder;     /* backup: where to */
    struct rh_params params;
    struct rhei_freshness freshness;
    const char *as_of; /* NULL: the present */
    int32_t route;
    int64_t timeout_ms;
    int64_t rate; /* verify, repair: rows a second; 0: as fast as it goes */
    enum rh_format format;
    bool explain, stats, json;
    bool demo;             /* dashboard: over a database of its own, with a load */
    int64_t refresh_ms;    /* dashboard; 0: the usual time */
    const char *null_text; /* of output; NULL: the format's */
    int64_t width;         /* of a table; 0: the terminal's */
    const char *consumer;  /* changes */
    bool follow, drop, oldest, schemas;
    bool write;        /* mcp, agent: statements may change something */
    int64_t max_bytes; /* mcp, agent: of one answer; 0: as is usual */
    struct rh_import_args import;
    struct rh_export_args export;
    char **words; /* of the line, but for options */
    struct rh_serve_args serve;
};

/**
 * Reads the command line. False: what is wrong is in `why`, one sentence, and the exit is RH_EXIT_USAGE. `terminal`: a person types it, so a
 * database without a command (--db, --config, or rhei.db in this folder) opens the REPL.
 */
bool rh_args_read(struct rh_args *args, int argc, char **argv, bool terminal, struct rh_buffer *why);
/** A format by its name; false: there is none of it. */
bool rh_format_of(const char *name, enum rh_format *format);
/** Its name; not of RH_FORMAT_DEFAULT. */
const char *rh_format_name(enum rh_format format);
/** A route, a freshness by the words of the command line; else what is wrong. `option` is how the user calls it. */
bool rh_args_route(struct rh_args *args, const char *option, const char *text, struct rh_buffer *why);
bool rh_args_freshness(struct rh_args *args, const char *option, const char *text, struct rh_buffer *why);
void rh_args_free(struct rh_args *args);

#endif
