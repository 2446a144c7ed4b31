/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PRAGMA may do where one logical connection is many. docs/guide/pragmas.md is the same table for people.
 *
 * G1. A PRAGMA that asks runs anywhere. One that sets something of the file runs on the writer. One that sets something of a
 *     connection is run on the writer and then on every reader before its next statement, so it means the same for all.
 * G2. One that asks tells of the logical connection, or is refused: what only an inner connection has (its busy handler, its
 *     query_only, a cache's size that nobody set for all) would be another value on the next one.
 * G3. What would break the engine, or make the two engines answer differently, is refused before SQLite sees it: some take
 *     effect when they are prepared.
 */
#include <stdio.h>
#include <string.h>

#include "oltp/oltp_internal.h"

/* Of every connection. */
static const char *const pragma_every[] = {"foreign_keys",
                                           "cache_size",
                                           "cache_spill",
                                           "mmap_size",
                                           "recursive_triggers",
                                           "automatic_index",
                                           "secure_delete",
                                           "cell_size_check",
                                           "checkpoint_fullfsync",
                                           "fullfsync",
                                           "analysis_limit",
                                           "threads",
                                           "trusted_schema",
                                           "read_uncommitted",
                                           "reverse_unordered_selects",
                                           "ignore_check_constraints",
                                           "synchronous",
                                           "temp_store"};

/* Those whose argument says what to look at, not what to set. */
static const char *const pragma_asks[] = {
    "table_info",       "table_xinfo",       "table_list",      "index_list",   "index_info",     "index_xinfo",
    "foreign_key_list", "foreign_key_check", "integrity_check", "quick_check",  "function_list",  "module_list",
    "pragma_list",      "collation_list",    "database_list",   "data_version", "compile_options"};

static const struct {
    const char *name;
    const char *allowed; /* the value that changes nothing, or NULL */
    bool of_database;    /* concerns one database: refused for main only */
    const char *why;
} pragma_refused[] = {
    {"journal_mode", "wal", true, "change capture and the readers need the write-ahead log"},
    {"locking_mode", "normal", true, "the readers could not open the file any more"},
    {"query_only", NULL, false, "it would stop every caller's writes: open with read_only instead"},
    {"max_page_count", NULL, true, "it would stop the change log and every caller's writes"},
    {"writable_schema", NULL, false, "what is written so is not captured"},
    {"schema_version", NULL, true, "it would hide a change of the schema from other connections"},
    {"legacy_alter_table", NULL, false, "triggers and views would keep the old names"},
    {"case_sensitive_like", NULL, false, "the column store's LIKE would differ: use GLOB"},
    {"busy_timeout", NULL, false, "the setting busy_timeout_ms is for all connections"},
    {"wal_autocheckpoint", NULL, false, "the maintenance thread does checkpoints; see the setting wal_limit"},
    {"journal_size_limit", NULL, true, "see the setting wal_limit"},
    {"encoding", NULL, true, "it is settled when the file is made"},
    {"temp_store_directory", NULL, false, "it is the whole process's"},
    {"data_store_directory", NULL, false, "it is the whole process's"},
    {"soft_heap_limit", NULL, false, "it is the whole process's"},
    {"hard_heap_limit", NULL, false, "it is the whole process's"},
    {"count_changes", NULL, false, "it changes the columns of results"},
    {"short_column_names", NULL, false, "it changes the columns of results"},
    {"full_column_names", NULL, false, "it changes the columns of results"},
    {"empty_result_callbacks", NULL, false, "it changes what results are"},
    {"lock_proxy_file", NULL, true, "the readers could not open the file any more"},
};

/* Those whose value is an inner connection's; `settable`: only as long as nobody has set it for all. */
static const struct {
    const char *name;
    bool settable;
    const char *why;
} pragma_inner[] = {
    {"busy_timeout", false,
     "how long to wait for another process's lock is the setting busy_timeout_ms, for all connections"},
    {"query_only", false, "whether writes are refused is the setting read_only, for all connections"},
    {"data_version", false, "each inner connection counts by itself: the position of an answer tells what it shows"},
    {"wal_autocheckpoint", false, "the maintenance thread does checkpoints; see the setting wal_limit"},
    {"journal_size_limit", false, "see the setting wal_limit"},
    {"cache_size", true, "each inner connection has its own until it is set for all"},
    {"temp_store", true, "each inner connection has its own until it is set for all"},
};

/* Of these, those that tell of the schema. */
static const char *const pragma_of_schema[] = {"table_info", "table_xinfo",      "table_list",        "index_list",
                                               "index_info", "foreign_key_list", "foreign_key_check", "index_xinfo"};

struct pragma {
    char name[64];  /* folded; "": the text is none */
    char value[32]; /* folded, as far as it fits */
    bool sets;      /* it has an argument */
    bool of_main;   /* no schema named, or main */
};

static void pragma_word(const char *sql, size_t start, size_t end, char *out, size_t size)
{
    char *text = oltp_token_text(sql, start, end);
    size_t len = text == NULL ? 0 : strlen(text);
    len = len < size ? len : size - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
    out[len] = '\0';
    base_free(text);
}

/* Only a PRAGMA, with or without EXPLAIN in front: SQLite carries some out under EXPLAIN too. */
static void pragma_read(const char *sql, size_t len, struct pragma *pragma)
{
    size_t at = 0, start = 0, end = 0;
    enum oltp_token token;
    *pragma = (struct pragma){.of_main = true};
    do {
        token = oltp_next_token(sql, len, &at, &start, &end);
    } while ((token == OLTP_TOKEN_OTHER && sql[start] == ';') || oltp_token_is(sql, start, end, "EXPLAIN") ||
             oltp_token_is(sql, start, end, "QUERY") || oltp_token_is(sql, start, end, "PLAN"));
    if (token != OLTP_TOKEN_NAME || !oltp_token_is(sql, start, end, "PRAGMA"))
        return;
    token = oltp_next_token(sql, len, &at, &start, &end);
    if (token == OLTP_TOKEN_END || token == OLTP_TOKEN_OTHER)
        return;
    pragma_word(sql, start, end, pragma->name, sizeof pragma->name);
    token = oltp_next_token(sql, len, &at, &start, &end);
    if (token == OLTP_TOKEN_OTHER && sql[start] == '.') {
        pragma->of_main = strcmp(pragma->name, "main") == 0;
        token = oltp_next_token(sql, len, &at, &start, &end);
        pragma_word(sql, start, end, pragma->name, sizeof pragma->name);
        token = oltp_next_token(sql, len, &at, &start, &end);
    }
    if (token == OLTP_TOKEN_OTHER && (sql[start] == '=' || sql[start] == '(')) {
        pragma->sets = true;
        oltp_next_token(sql, len, &at, &start, &end);
        pragma_word(sql, start, end, pragma->value, sizeof pragma->value);
    }
}

static bool pragma_in(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}
#define PRAGMA_IN(name, names) pragma_in(name, names, sizeof(names) / sizeof(names)[0])

static rhei_status pragma_refuse(const struct pragma *pragma, struct rhei_error *error)
{
    for (size_t i = 0; i < sizeof pragma_refused / sizeof pragma_refused[0]; i++) {
        bool same = strcmp(pragma->name, pragma_refused[i].name) == 0;
        const char *allowed = pragma_refused[i].allowed;
        if (same && (pragma->of_main || !pragma_refused[i].of_database) &&
            (allowed == NULL || strcmp(pragma->value, allowed) != 0)) {
            return error_set(error, RHEI_UNSUPPORTED, "PRAGMA %s can't be set: %s", pragma->name,
                             pragma_refused[i].why);
        }
    }
    return RHEI_OK;
}

static bool setting_exists(struct oltp *oltp, const char *name);

static rhei_status pragma_refuse_inner(struct oltp *oltp, const struct pragma *pragma, struct rhei_error *error)
{
    for (size_t i = 0; i < sizeof pragma_inner / sizeof pragma_inner[0]; i++) {
        if (strcmp(pragma->name, pragma_inner[i].name) == 0 && pragma->of_main &&
            !(pragma_inner[i].settable && setting_exists(oltp, pragma->name))) {
            return error_set(error, RHEI_UNSUPPORTED, "PRAGMA %s can't be asked: %s", pragma->name,
                             pragma_inner[i].why);
        }
    }
    return RHEI_OK;
}

rhei_status oltp_pragma_check(const struct oltp_connection *connection, const char *sql, size_t len,
                              struct rhei_error *error)
{
    struct pragma pragma;
    pragma_read(sql, len, &pragma);
    if (pragma.name[0] == '\0')
        return RHEI_OK;
    if (!pragma.sets || PRAGMA_IN(pragma.name, pragma_asks))
        return pragma_refuse_inner(connection->oltp, &pragma, error);
    if (connection->role != OLTP_WRITER) {
        return error_set(error, RHEI_READ_ONLY,
                         "this PRAGMA sets something: run it as a write, where all writes will follow it");
    }
    rhei_status status = pragma_refuse(&pragma, error);
    /* foreign_keys does nothing in a transaction, as SQLite documents it: dumps begin with it */
    if (status == RHEI_OK && PRAGMA_IN(pragma.name, pragma_every) && strcmp(pragma.name, "foreign_keys") != 0 &&
        !sqlite3_get_autocommit(connection->db)) {
        return error_set(error, RHEI_TRANSACTION, "PRAGMA %s is set for all connections: run it outside a transaction",
                         pragma.name);
    }
    return status;
}

bool oltp_pragma_of_schema(const char *sql, size_t len)
{
    struct pragma pragma;
    pragma_read(sql, len, &pragma);
    return pragma.name[0] != '\0' && PRAGMA_IN(pragma.name, pragma_of_schema);
}

/* ---- pragma_busy_timeout and the like, the tables of the same names. ---------------------------------------------- */

static int inner_connect(sqlite3 *db, void *why, int argc, const char *const *argv, sqlite3_vtab **table, char **error)
{
    (void)db;
    (void)table;
    *error = sqlite3_mprintf("%s can't be asked: %s", argc > 0 ? argv[0] : "this PRAGMA", (const char *)why);
    return SQLITE_ERROR;
}

/* Never called: no table of these is ever connected. */
static int inner_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    (void)info;
    return SQLITE_ERROR;
}

int oltp_pragma_register(sqlite3 *db)
{
    static const sqlite3_module refusing = {.xConnect = inner_connect, .xBestIndex = inner_best_index};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof pragma_inner / sizeof pragma_inner[0] && rc == SQLITE_OK; i++) {
        char name[80];
        snprintf(name, sizeof name, "pragma_%s", pragma_inner[i].name);
        rc = sqlite3_create_module(db, name, &refusing, (void *)(uintptr_t)pragma_inner[i].why);
    }
    return rc;
}

/* ---- Settings of every connection. ------------------------------------------------------------------------------- */

struct oltp_setting {
    char name[64];
    char *sql;
    struct oltp_setting *next;
};

/* Remembers the text instead of an older one of that name; false without memory. */
static bool setting_put(struct oltp *oltp, const char *name, const char *sql, size_t len)
{
    char *copy = base_strndup(sql, len);
    base_mutex_lock(&oltp->pool_lock);
    struct oltp_setting *at = oltp->settings;
    while (at != NULL && strcmp(at->name, name) != 0)
        at = at->next;
    if (at == NULL && copy != NULL && (at = base_alloc_zero(1, sizeof *at)) != NULL) {
        snprintf(at->name, sizeof at->name, "%s", name);
        at->next = oltp->settings;
        oltp->settings = at;
    }
    bool ok = at != NULL && copy != NULL;
    if (ok) {
        base_free(at->sql);
        at->sql = copy;
        atomic_fetch_add_explicit(&oltp->settings_version, 1, memory_order_release);
    }
    base_mutex_unlock(&oltp->pool_lock);
    if (!ok)
        base_free(copy);
    return ok;
}

static bool setting_exists(struct oltp *oltp, const char *name)
{
    base_mutex_lock(&oltp->pool_lock);
    const struct oltp_setting *at = oltp->settings;
    while (at != NULL && strcmp(at->name, name) != 0)
        at = at->next;
    base_mutex_unlock(&oltp->pool_lock);
    return at != NULL;
}

rhei_status oltp_pragma_done(struct oltp *oltp, const char *sql, size_t len, struct rhei_error *error)
{
    struct pragma pragma;
    pragma_read(sql, len, &pragma);
    if (!pragma.sets || !PRAGMA_IN(pragma.name, pragma_every))
        return RHEI_OK;
    return setting_put(oltp, pragma.name, sql, len) ? RHEI_OK : error_no_memory(error);
}

rhei_status oltp_settings_apply(struct oltp_connection *connection, struct rhei_error *error)
{
    struct oltp *oltp = connection->oltp;
    unsigned version = atomic_load_explicit(&oltp->settings_version, memory_order_acquire);
    if (connection->settings_version == version)
        return RHEI_OK;
    rhei_status status = RHEI_OK;
    base_mutex_lock(&oltp->pool_lock); /* settings change so seldom that the lock is held meanwhile */
    version = atomic_load_explicit(&oltp->settings_version, memory_order_relaxed);
    for (struct oltp_setting *at = oltp->settings; at != NULL && status == RHEI_OK; at = at->next)
        status = oltp_exec(connection, at->sql, error);
    base_mutex_unlock(&oltp->pool_lock);
    if (status == RHEI_OK)
        connection->settings_version = version;
    return status;
}

void oltp_settings_free(struct oltp *oltp)
{
    while (oltp->settings != NULL) {
        struct oltp_setting *at = oltp->settings;
        oltp->settings = at->next;
        base_free(at->sql);
        base_free(at);
    }
}
