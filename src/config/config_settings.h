/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: TOML, command-line words and defaults into one struct. An unknown key or a bad value is an RHEI_CONFIG error
 * that names the file, the line and the nearest key. Owner thread; a finished struct may be read from any thread.
 *
 * Texts are never empty: a setting that isn't there is NULL.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "base/base_buffer.h"
#include "rhei/rhei_types.h"

enum config_backend { CONFIG_DUCKDB, CONFIG_DATAFUSION, CONFIG_NO_BACKEND };
enum config_format { CONFIG_ARROW, CONFIG_VORTEX };
enum config_sync_mode { CONFIG_DESTRUCTIVE, CONFIG_TEMPORAL };
enum config_freshness_kind { CONFIG_LATEST, CONFIG_BOUNDED, CONFIG_EVENTUAL };
enum config_synchronous { CONFIG_SYNC_OFF, CONFIG_SYNC_NORMAL, CONFIG_SYNC_FULL, CONFIG_SYNC_EXTRA };
enum config_log_limit { CONFIG_LIMIT_DETACH, CONFIG_LIMIT_GROW, CONFIG_LIMIT_BLOCK };
enum config_log_format { CONFIG_LOG_TEXT, CONFIG_LOG_JSON };
enum config_storage_mode { CONFIG_STORAGE_MEMORY, CONFIG_STORAGE_VORTEX };
enum config_source_type { CONFIG_SOURCE_SQLITE, CONFIG_SOURCE_POSTGRES };
enum config_source_mode { CONFIG_SOURCE_POLL, CONFIG_SOURCE_LOGICAL, CONFIG_SOURCE_SNAPSHOT };
enum config_delete_mode { CONFIG_DELETE_DISABLED, CONFIG_DELETE_SOFT, CONFIG_DELETE_FULL_DIFF };

struct config_freshness {
    int kind; /* enum config_freshness_kind */
    uint64_t bound_ms;
};

/* [engine] */
struct config_engine {
    char *oltp_path;
    char *olap_path; /* NULL: memory only */
    int olap_format; /* enum config_format */
    uint64_t checkpoint_interval_ms;
    char *rocksdb_cdc_path;
    int olap_backend;           /* enum config_backend */
    uint64_t olap_memory_limit; /* bytes */
    int sync_mode;              /* enum config_sync_mode */
    uint64_t history_max_age;   /* seconds */
    uint64_t history_max_versions;
    uint64_t sync_interval_ms;
    uint64_t sync_batch_size;
    bool prune_after_sync;
    bool auto_register;
    bool olap_syntax; /* SQL of the column store's own dialect */
    uint64_t read_pool_size;
    uint64_t wal_limit; /* bytes */
    uint64_t log_limit_rows;
    uint64_t log_limit_bytes; /* 0: none */
    uint64_t log_limit_age;   /* seconds; 0: none */
    int log_limit_policy;     /* enum config_log_limit */
    uint64_t busy_timeout_ms;
    uint64_t scrub_interval; /* seconds */
    uint64_t scrub_rate;     /* rows a second; 0: a tenth of a core's time */
    uint64_t threads;
    struct config_freshness freshness;
    int synchronous; /* enum config_synchronous */
    int log_format;  /* enum config_log_format */
    int log_level;   /* enum base_log_level */
    char *flight_listen;
    char *flight_auth_token;
    char *flight_auth_token_file;
    char *flight_users_file;
    char *flight_tls_cert;
    char *flight_tls_key;
    uint64_t flight_max_connections;
    char *metrics_listen;
    char *http_listen;
    bool http_page;
    uint64_t ready_lag_ms;
    uint64_t slow_query_ms; /* 0: none is told */
    char *trace_path;
};

/* [engine.datafusion_storage] */
struct config_storage {
    int mode; /* enum config_storage_mode */
    char *path;
    char *url;
};

enum config_type_kind {
    CONFIG_TYPE_UNKNOWN, /* not given */
    CONFIG_INT8,
    CONFIG_INT16,
    CONFIG_INT32,
    CONFIG_INT64,
    CONFIG_UINT8,
    CONFIG_UINT16,
    CONFIG_UINT32,
    CONFIG_UINT64,
    CONFIG_FLOAT32,
    CONFIG_FLOAT64,
    CONFIG_TEXT,
    CONFIG_BOOLEAN,
    CONFIG_BINARY,
    CONFIG_DATE,
    CONFIG_TIME,
    CONFIG_TIMESTAMP,
    CONFIG_TIMESTAMPTZ,
    CONFIG_DECIMAL,
    CONFIG_JSON,
    CONFIG_UUID,
};

struct config_column {
    char *name;
    char *type_text; /* as it was written; NULL: not given */
    int type;        /* enum config_type_kind */
    int precision;   /* CONFIG_DECIMAL */
    int scale;
    bool nullable;
    bool primary_key;
};

/* [[tables]] */
struct config_table {
    char *origin; /* "FILE:LINE" */
    char *name;
    char *ddl;
    int sync_mode; /* enum config_sync_mode; -1: the engine's */
    struct config_column *columns;
    size_t column_count;
};

/* [[sidecar.tables]] */
struct config_sidecar_table {
    char *table_name;
    char **primary_key;
    size_t primary_key_count;
    char *created_at_column;
    char *updated_at_column;
    struct config_column *columns;
    size_t column_count;
};

/* [sidecar], or one of several [[sidecar]] */
struct config_sidecar {
    bool present;
    char *origin;    /* "FILE:LINE"; NULL: it is not in a file */
    char *name;      /* the schema that its tables are in */
    int source_type; /* enum config_source_type */
    char *source_path;
    bool enable_local_oltp;
    uint64_t poll_batch_size;
    int mode; /* enum config_source_mode */
    uint64_t load_connections;
    char *password_file, *password_env;
    char *publication, *slot;
    char *watermark_path;
    int delete_mode; /* enum config_delete_mode */
    char *delete_column;
    uint64_t delete_every_n_cycles;
    struct config_sidecar_table *tables;
    size_t table_count;
    char **origins; /* of its keys, where it isn't the last one */
};

struct config_settings {
    struct config_engine engine;
    struct config_storage storage;
    struct config_sidecar sidecar;   /* the last, or only, one */
    struct config_sidecar *sidecars; /* those before it */
    size_t sidecar_count;            /* of `sidecars` */
    struct config_table *tables;
    size_t table_count;
    char **origins; /* for config_explain */
};

/* All defaults. */
rhei_status config_new(struct config_settings **settings, struct rhei_error *error);
/* Defaults, then the file. RHEI_CANT_OPEN: it can't be read. */
rhei_status config_load(const char *path, struct config_settings **settings, struct rhei_error *error);
/* The same from text; `name` stands for the file in messages. */
rhei_status config_parse(const char *text, size_t len, const char *name, struct config_settings **settings,
                         struct rhei_error *error);
/*
 * Changes one setting, given as text, as a command line does: "freshness" of [engine], or "sidecar.source_path".
 * `origin` ("--freshness") is named in messages and by config_explain. Check again afterwards.
 */
rhei_status config_set(struct config_settings *settings, const char *key, const char *value, const char *origin,
                       struct rhei_error *error);
/* The next sidecar, all of whose settings are defaults: what is set from then on is of it. `origin`: where it was given, for messages. */
rhei_status config_sidecar_begin(struct config_settings *settings, const char *origin, struct rhei_error *error);
/* One of [[sidecar.tables]]; what is NULL isn't given. */
struct config_sidecar_names {
    const char *table;
    const char *const *key;
    size_t key_count;
    const char *created_at, *updated_at;
    const char *const *columns;
    size_t column_count;
};
/* Of the sidecar that was begun last; copied. */
rhei_status config_sidecar_add_table(struct config_settings *settings, const struct config_sidecar_names *names,
                                     struct rhei_error *error);
/* Settings that are right alone but not together. Done by load and parse. */
rhei_status config_check(const struct config_settings *settings, struct rhei_error *error);
/*
 * RHEI_UNSUPPORTED for a setting or value that is known, but not offered by this version; with its place. A setting without
 * effect is never taken.
 */
rhei_status config_offered(const struct config_settings *settings, struct rhei_error *error);
/* The sidecars in the order of the file; NULL: there are no more. */
const struct config_sidecar *config_sidecar_at(const struct config_settings *settings, size_t index);
/* Where a key of a sidecar was given, "FILE:LINE", else where its section begins; NULL: neither is in a file. */
const char *config_sidecar_origin(const struct config_settings *settings, const struct config_sidecar *sidecar,
                                  const char *section, const char *name);
/* Their tables stand beside some of the engine's own; true where there is no sidecar. */
bool config_has_local(const struct config_settings *settings);
/* The nearest of the names if it is near enough to be meant, else NULL. */
const char *config_nearest(const char *name, const char *const *names, size_t count);
/* A text or secret of [engine]; NULL: it isn't set, or there is none of that name. Borrowed. */
const char *config_text(const struct config_settings *settings, const char *name);
/* Where a key was given, "FILE:LINE" or a word of the caller's; NULL: it wasn't. Borrowed. */
const char *config_origin(const struct config_settings *settings, const char *section, const char *name);
/* What a number or size of [engine] may be; false for a key that is none. */
bool config_limits(const char *name, uint64_t *least, uint64_t *most);
/* One row of the table of settings; all texts are static or in `range`, NULL where there is none. False past the end. */
struct config_row {
    const char *section, *name, *type, *unit, *initial, *field, *since, *effect;
    bool offered;
    char range[96];
};
bool config_row(size_t index, struct config_row *row);
void config_free(struct config_settings **settings);

/* Appends every effective setting and where it came from, as TOML that gives the same settings; secrets are not shown. */
rhei_status config_explain(const struct config_settings *settings, struct base_buffer *out, struct rhei_error *error);

/* One setting as it is in force. All texts are borrowed for the call. */
struct config_effective {
    const char *section, *name; /* of [[tables]]: its name */
    const char *value;          /* as TOML; NULL: it isn't set */
    const char *origin;         /* "FILE:LINE", "the environment"...; NULL: the default */
    const char *effect;         /* what it does; NULL: not of one key */
    bool hidden;                /* a secret, and set */
};
typedef void (*config_visitor)(void *context, const struct config_effective *setting);
/* Every setting in the order of the table, those of each sidecar, and the tables. */
rhei_status config_each(const struct config_settings *settings, config_visitor visit, void *context,
                        struct rhei_error *error);

/* "latest", "bounded:100", "eventual". Returns false where it is none of them. */
bool config_parse_freshness(const char *text, struct config_freshness *out);
/* "4GB" (10^9), "4GiB" (2^30), "50%" and "half" (of `whole`), "1000". False where it is none of them. */
bool config_parse_bytes(const char *text, uint64_t whole, uint64_t *out);
/* A type name of the column lists ("varchar", "decimal(10,2)"); letters' case doesn't matter. Fills type, precision, scale. */
bool config_parse_type(const char *text, struct config_column *column);

#endif
