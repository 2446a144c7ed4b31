/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings. docs/guide/settings.md shows it; a test compares them. */
#include <stddef.h>

#include "base/base_log.h"
#include "config_keys.h"

static const struct config_choice backends[] = {{"duckdb", CONFIG_DUCKDB, false},
                                                {"datafusion", CONFIG_DATAFUSION, false},
                                                {"none", CONFIG_NO_BACKEND, false},
                                                {NULL, 0, false}};
static const struct config_choice olap_formats[] = {
    {"arrow", CONFIG_ARROW, false}, {"vortex", CONFIG_VORTEX, false}, {NULL, 0, false}};
static const struct config_choice sync_modes[] = {
    {"destructive", CONFIG_DESTRUCTIVE, false}, {"mirror", CONFIG_DESTRUCTIVE, false},
    {"temporal", CONFIG_TEMPORAL, false},       {"scd2", CONFIG_TEMPORAL, false},
    {"scd_type_2", CONFIG_TEMPORAL, false},     {NULL, 0, false}};
static const struct config_choice synchronous_modes[] = {{"normal", CONFIG_SYNC_NORMAL, false},
                                                         {"full", CONFIG_SYNC_FULL, false},
                                                         {"off", CONFIG_SYNC_OFF, false},
                                                         {"extra", CONFIG_SYNC_EXTRA, true},
                                                         {NULL, 0, false}};
static const struct config_choice log_limits[] = {{"detach", CONFIG_LIMIT_DETACH, false},
                                                  {"grow", CONFIG_LIMIT_GROW, false},
                                                  {"block", CONFIG_LIMIT_BLOCK, false},
                                                  {NULL, 0, false}};
static const struct config_choice log_formats[] = {
    {"text", CONFIG_LOG_TEXT, false}, {"json", CONFIG_LOG_JSON, false}, {NULL, 0, false}};
static const struct config_choice log_levels[] = {{"error", BASE_LOG_ERROR, false},  {"warn", BASE_LOG_WARN, false},
                                                  {"warning", BASE_LOG_WARN, false}, {"info", BASE_LOG_INFO, false},
                                                  {"debug", BASE_LOG_DEBUG, false},  {NULL, 0, false}};
static const struct config_choice storage_modes[] = {
    {"memory", CONFIG_STORAGE_MEMORY, false}, {"vortex", CONFIG_STORAGE_VORTEX, false}, {NULL, 0, false}};
static const struct config_choice source_types[] = {{"sqlite", CONFIG_SOURCE_SQLITE, false},
                                                    {"postgres", CONFIG_SOURCE_POSTGRES, false},
                                                    {"postgresql", CONFIG_SOURCE_POSTGRES, false},
                                                    {NULL, 0, false}};
static const struct config_choice source_modes[] = {{"poll", CONFIG_SOURCE_POLL, false},
                                                    {"snapshot", CONFIG_SOURCE_SNAPSHOT, false},
                                                    {"logical", CONFIG_SOURCE_LOGICAL, false},
                                                    {NULL, 0, false}};
static const struct config_choice delete_modes[] = {{"disabled", CONFIG_DELETE_DISABLED, false},
                                                    {"soft_delete", CONFIG_DELETE_SOFT, false},
                                                    {"full_diff", CONFIG_DELETE_FULL_DIFF, false},
                                                    {NULL, 0, false}};

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define TIB (MIB * MIB)

#define AT(field)                       .offset = offsetof(struct config_settings, field)
#define KEY(in, key, text, kind_of, of) .section = (in), .name = (key), .initial = (text), AT(of), .kind = (kind_of)
#define TEXT(in, key, text, of)         KEY(in, key, text, CONFIG_KIND_TEXT, of), .range = "a text"
#define FLAG(in, key, text, of)         KEY(in, key, text, CONFIG_KIND_BOOLEAN, of), .range = "true or false"
/* The range is shown as it is written. */
#define NUMBER(in, key, text, of, from, to) \
    KEY(in, key, text, CONFIG_KIND_NUMBER, of), .least = (from), .most = (to), .range = #from " to " #to
#define CHOICE(in, key, text, of, of_these) KEY(in, key, text, CONFIG_KIND_CHOICE, of), .choices = (of_these)

#define ENGINE    "engine"
#define STORAGE   "engine.datafusion_storage"
#define SIDECAR   "sidecar"
#define DETECTION "sidecar.delete_detection"

const struct config_key config_keys[] = {
    {TEXT(ENGINE, "oltp_path", "rhei.db", engine.oltp_path), .field = "first argument of rhei_open",
     .effect = "the SQLite file; :memory: is one database shared by all threads of the handle"},
    {CHOICE(ENGINE, "olap_backend", "duckdb", engine.olap_backend, backends), .field = "olap_backend",
     .effect = "the analytical engine; datafusion needs its library (./dev setup --with datafusion); none: no column "
               "store, SQLite answers everything"},
    {KEY(ENGINE, "olap_memory_limit", "half", CONFIG_KIND_BYTES, engine.olap_memory_limit), .least = 64 * MIB,
     .most = 1024 * TIB, .range = "64MiB to 1024TiB", .unit = "bytes", .field = "olap_memory_limit",
     .effect = "memory of mirror and executor together; half is half the machine's"},
    {NUMBER(ENGINE, "sync_interval_ms", "0", engine.sync_interval_ms, 0, 86400000), .unit = "milliseconds",
     .field = "sync_interval_ms",
     .effect = "time between two syncs in the background; 0: driven by commits, those of other processes are noticed "
               "within 50 ms. Under latest every commit is seen at once either way"},
    {NUMBER(ENGINE, "sync_batch_size", "65536", engine.sync_batch_size, 1, 16777216), .unit = "rows",
     .field = "sync_batch_rows",
     .effect = "rows that a sync holds at a time; what becomes visible together is always a whole state"},
    {FLAG(ENGINE, "prune_after_sync", "true", engine.prune_after_sync), .field = "keep_changes (inverted)",
     .effect = "forget applied changes"},
    {NUMBER(ENGINE, "read_pool_size", "4", engine.read_pool_size, 1, 1024), .unit = "connections",
     .field = "read_pool_size", .effect = "reading connections that are kept open"},
    {KEY(ENGINE, "freshness", "latest", CONFIG_KIND_FRESHNESS, engine.freshness),
     .range = "latest, bounded:MS or eventual", .unit = "MS: milliseconds", .field = "freshness",
     .effect = "how old an answer may be, where the query doesn't say"},
    {KEY(ENGINE, "wal_limit", "64MiB", CONFIG_KIND_BYTES, engine.wal_limit), .least = 64 * KIB, .most = TIB,
     .range = "64KiB to 1TiB", .unit = "bytes", .field = "wal_limit_bytes",
     .effect = "SQLite's write-ahead log is cut off above it as soon as nobody reads from it; while somebody does, a "
               "warning names the reader and its age"},
    {NUMBER(ENGINE, "log_limit_rows", "50000000", engine.log_limit_rows, 1, 1000000000000), .unit = "rows",
     .field = "log_limit_rows",
     .effect = "rows that the change log may have for longer than a second; log_limit_policy says what "
               "happens then"},
    {KEY(ENGINE, "log_limit_bytes", NULL, CONFIG_KIND_BYTES, engine.log_limit_bytes), .least = 64 * KIB,
     .most = 1024 * TIB, .range = "64KiB to 1024TiB", .unit = "bytes", .field = "log_limit_bytes",
     .effect = "bytes that the change log may have: of its values, and 24 for each row; left out: no such limit"},
    {NUMBER(ENGINE, "log_limit_age", "0", engine.log_limit_age, 0, 3155760000), .unit = "seconds",
     .field = "log_limit_age_s", .effect = "how old a change in the change log may become; 0: no such limit"},
    {CHOICE(ENGINE, "log_limit_policy", "detach", engine.log_limit_policy, log_limits), .field = "log_limit_policy",
     .effect = "at a limit of the change log: detach: the oldest changes go, and who still needed them begins anew; "
               "grow: a warning; block: writes through this handle that would add to it wait, and then fail"},
    {NUMBER(ENGINE, "busy_timeout_ms", "5000", engine.busy_timeout_ms, 1, 86400000), .unit = "milliseconds",
     .field = "busy_timeout_ms", .effect = "how long to wait for another process's lock"},
    {NUMBER(ENGINE, "scrub_interval", "0", engine.scrub_interval, 0, 2592000), .unit = "seconds",
     .field = "scrub_interval_s",
     .effect = "time between two comparisons of every table with its mirror, in the background; 0: only after a "
               "commit that left open what it changed"},
    {NUMBER(ENGINE, "scrub_rate", "0", engine.scrub_rate, 0, 1000000000000), .unit = "rows a second",
     .field = "scrub_rate",
     .effect = "rows a second that those comparisons read; 0: as many as a tenth of one core's time compares"},
    {FLAG(ENGINE, "auto_register", "true", engine.auto_register), .field = "no_auto_register (inverted)",
     .effect = "mirror every table with a usable key; [[tables]] narrows"},
    {FLAG(ENGINE, "olap_syntax", "true", engine.olap_syntax), .field = "no_olap_syntax (inverted)",
     .effect = "take SQL of the column store's own dialect; off: it is an error"},
    {CHOICE(ENGINE, "synchronous", "normal", engine.synchronous, synchronous_modes), .field = "synchronous",
     .effect = "as SQLite's: full loses nothing at a power failure either"},
    {NUMBER(ENGINE, "threads", NULL, engine.threads, 1, 1024), .unit = "threads", .field = "threads",
     .effect = "of the analytical engine; left out: one for each core"},
    {CHOICE(ENGINE, "log_format", "text", engine.log_format, log_formats),
     .effect =
         "what rhei_config.log gets as a message, and rh writes: a text, or a line of JSON with time, level, room "
         "and message"},
    {CHOICE(ENGINE, "log_level", "warn", engine.log_level, log_levels), .field = "log_level",
     .effect = "the least grave of what rhei_config.log gets"},
    {CHOICE(ENGINE, "sync_mode", "destructive", engine.sync_mode, sync_modes), .field = "sync_mode",
     .effect = "whether the column store holds the rows as they are now alone, or every version of them, too"},
    {NUMBER(ENGINE, "history_max_age", "0", engine.history_max_age, 0, 3155760000), .unit = "seconds",
     .field = "history_max_age_s",
     .effect = "with sync_mode temporal: versions that ended so long ago are forgotten; 0: never for their age"},
    {NUMBER(ENGINE, "history_max_versions", "0", engine.history_max_versions, 0, 4294967295), .unit = "versions",
     .field = "history_max_versions",
     .effect = "with sync_mode temporal: of each row so many versions that ended are kept; 0: all"},
    {TEXT(ENGINE, "olap_path", NULL, engine.olap_path), .field = "olap_path",
     .effect =
         "folder, or bucket (s3://bucket/prefix), in which the column store is kept, so that the next opening takes "
         "it over; left out: in memory alone, and built at open"},
    {CHOICE(ENGINE, "olap_format", "arrow", engine.olap_format, olap_formats), .field = "olap_format",
     .effect = "what is written to olap_path: Arrow files or Vortex files; what is there is read whichever it is"},
    {NUMBER(ENGINE, "checkpoint_interval_ms", "10000", engine.checkpoint_interval_ms, 1, 86400000),
     .unit = "milliseconds", .field = "checkpoint_interval_ms",
     .effect = "time between two checkpoints into olap_path while there are changes; one is made after a million "
               "changes or 64 MiB of rows "
               "and at the close, too"},
    {TEXT(ENGINE, "rocksdb_cdc_path", NULL, engine.rocksdb_cdc_path), .field = "rocksdb_cdc_path",
     .effect =
         "folder of a change buffer, into which changes are moved out of the database file; left out: they stay in its "
         "change log until they are applied"},
    {TEXT(ENGINE, "flight_listen", NULL, engine.flight_listen),
     .effect = "HOST:PORT on which rh serve answers Arrow Flight SQL; left out: nowhere"},
    {KEY(ENGINE, "flight_auth_token", NULL, CONFIG_KIND_SECRET, engine.flight_auth_token), .range = "a text",
     .effect = "secret that clients of rh serve show as a bearer token; better in a file of its own"},
    {TEXT(ENGINE, "flight_auth_token_file", NULL, engine.flight_auth_token_file),
     .effect = "file with that secret in its first line"},
    {TEXT(ENGINE, "flight_users_file", NULL, engine.flight_users_file),
     .effect = "file of users of rh serve, NAME:HASH in each line"},
    {TEXT(ENGINE, "flight_tls_cert", NULL, engine.flight_tls_cert),
     .effect = "PEM file of the certificate that rh serve shows"},
    {TEXT(ENGINE, "flight_tls_key", NULL, engine.flight_tls_key), .effect = "PEM file of its key"},
    {NUMBER(ENGINE, "flight_max_connections", "1000", engine.flight_max_connections, 1, 1000000), .unit = "connections",
     .effect = "connections that rh serve has by Arrow Flight SQL at a time; of more, those that came last are ended"},
    {TEXT(ENGINE, "metrics_listen", NULL, engine.metrics_listen),
     .effect = "HOST:PORT, or a PORT of 127.0.0.1, on which rh serve answers /metrics, /healthz and /readyz; left out: "
               "nowhere"},
    {TEXT(ENGINE, "http_listen", NULL, engine.http_listen),
     .effect =
         "HOST:PORT of a loopback address, or a PORT of 127.0.0.1, on which rh serve answers POST /sql and a web page "
         "to who has the credentials of flight_; left out: nowhere"},
    {FLAG(ENGINE, "http_page", "true", engine.http_page),
     .effect = "the web page is answered at http_listen, too; off: POST /sql and GET /status alone"},
    {NUMBER(ENGINE, "ready_lag_ms", "10000", engine.ready_lag_ms, 0, 86400000), .unit = "milliseconds",
     .effect = "how old the column store of rh serve may be, sidecars included, for /readyz to say that it is ready; "
               "0: as old as it is"},
    {NUMBER(ENGINE, "slow_query_ms", "0", engine.slow_query_ms, 0, 86400000), .unit = "milliseconds",
     .effect = "rh serve logs each statement that took as long: its text, never the values of its parameters; 0: none"},
    {TEXT(ENGINE, "trace_path", NULL, engine.trace_path),
     .effect = "file to which rh serve appends a span of each statement, as lines of OTLP in JSON; left out: nowhere"},
    {CHOICE(STORAGE, "mode", "memory", storage.mode, storage_modes),
     .effect =
         "other words for olap_path and olap_format, whichever olap_backend there is: memory: neither; vortex: Vortex "
         "files at path or url"},
    {TEXT(STORAGE, "path", NULL, storage.path), .field = "olap_path", .effect = "of mode vortex: olap_path"},
    {TEXT(STORAGE, "url", NULL, storage.url), .field = "olap_path", .effect = "the same"},
    {TEXT(SIDECAR, "name", "source", sidecar.name),
     .effect = "the schema that its tables are in: source.orders; each of several [[sidecar]] needs one of its own"},
    {CHOICE(SIDECAR, "source_type", "sqlite", sidecar.source_type, source_types),
     .effect = "what kind of database is followed"},
    {TEXT(SIDECAR, "source_path", NULL, sidecar.source_path),
     .effect =
         "the database: of sqlite its file, which is only ever read; of postgres \"host=... dbname=... user=...\" or "
         "\"postgresql://user@host/database\", without a password"},
    {FLAG(SIDECAR, "enable_local_oltp", "false", sidecar.enable_local_oltp),
     .effect =
         "have tables of the engine's own beside it, in oltp_path; off: there is no such file, and nothing to write "
         "to"},
    {NUMBER(SIDECAR, "poll_batch_size", "10000", sidecar.poll_batch_size, 1, 16777216), .unit = "rows",
     .effect = "rows that are read at a time"},
    {CHOICE(SIDECAR, "mode", "poll", sidecar.mode, source_modes),
     .effect =
         "poll: rows with new timestamps, and all rows now and then; snapshot: all rows whenever something was "
         "committed, which needs no timestamps (of sqlite); logical: the server tells of each commit (of postgres)"},
    {NUMBER(SIDECAR, "load_connections", "0", sidecar.load_connections, 0, 16), .unit = "connections",
     .effect = "of postgres: connections that a big table is loaded by, beside one that holds the state that they "
               "read; 0: one per core, up to 4"},
    {TEXT(SIDECAR, "password_file", NULL, sidecar.password_file),
     .effect = "of postgres: a file whose first line is the password"},
    {TEXT(SIDECAR, "password_env", NULL, sidecar.password_env),
     .effect = "of postgres: the environment variable that holds the password"},
    {TEXT(SIDECAR, "publication", NULL, sidecar.publication),
     .effect =
         "of mode logical: which changes the server tells; made where it isn't there and the role may; left out: rhei"},
    {TEXT(SIDECAR, "slot", NULL, sidecar.slot), .effect =
                                                    "of mode logical: a replication slot of that name, which stays at "
                                                    "the server; left out: one that goes with the "
                                                    "connection, so that a broken one has every table loaded again"},
    {TEXT(SIDECAR, "watermark_path", NULL, sidecar.watermark_path),
     .effect = "a folder in which RocksDB keeps its rows and the position that they are of, in place of the folder in "
               "olap_path"},
    {CHOICE(DETECTION, "mode", "disabled", sidecar.delete_mode, delete_modes),
     .effect =
         "disabled: rows that are deleted stay in the mirror; soft_delete: those whose column says so go; full_diff: "
         "all keys are compared"},
    {TEXT(DETECTION, "column", NULL, sidecar.delete_column),
     .effect = "of soft_delete: a time, a flag or a text; NULL, 0, false and empty mean that the row is there"},
    {NUMBER(DETECTION, "every_n_cycles", "10", sidecar.delete_every_n_cycles, 1, 1000000000), .unit = "cycles",
     .effect = "of full_diff: with every so many cycles that found something committed"},
    {.section = NULL},
};

size_t config_key_count(void)
{
    return sizeof config_keys / sizeof config_keys[0] - 1;
}
