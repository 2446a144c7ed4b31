/* SPDX-License-Identifier: Apache-2.0 */
/* What a lane can be told; one function per verb. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "rhei/rhei_care.h"

typedef rhei_status (*command)(struct lane *lane, struct words *words, struct rhei_error *error);

const char *words_option(const struct words *words, const char *key)
{
    size_t length = strlen(key);
    for (int i = 0; i < words->count; i++)
        if (strncmp(words->word[i], key, length) == 0 && words->word[i][length] == '=')
            return words->word[i] + length + 1;
    return NULL;
}

long words_number(const struct words *words, const char *key, long fallback)
{
    const char *text = words_option(words, key);
    return text ? strtol(text, NULL, 10) : fallback;
}

static bool words_flag(const struct words *words, const char *key)
{
    return words_number(words, key, 0) != 0;
}

/* One of the names separated by '|', as its number. */
static int32_t words_choice(const struct words *words, const char *key, const char *names)
{
    const char *wanted = words_option(words, key);
    if (!wanted)
        return 0;
    size_t length = strlen(wanted);
    int32_t number = 0;
    for (const char *name = names; name; name = strchr(name, '|') ? strchr(name, '|') + 1 : NULL, number++)
        if (strncmp(name, wanted, length) == 0 && (name[length] == '|' || name[length] == 0))
            return number;
    return -1;
}

static void say(struct lane *lane, const char *kind)
{
    text_print(&lane->reply, "%s %s", lane->name, kind);
}

static struct rhei_value parse_value(char *word)
{
    uint64_t bits;
    double real;
    size_t length;
    switch (word[0]) {
    case 'i':
        return rhei_integer(strtoll(word + 1, NULL, 10));
    case 'r':
        bits = strtoull(word + 1, NULL, 16);
        memcpy(&real, &bits, sizeof real);
        return rhei_real(real);
    case 't':
        length = unhex(word + 1);
        return rhei_text_n(word + 1, length);
    case 'b':
        length = unhex(word + 1);
        return rhei_blob(word + 1, length);
    default:
        return rhei_null();
    }
}

/* The words after the statement that aren't options. */
static struct rhei_params parse_params(struct words *words, struct rhei_value *values)
{
    size_t count = 0;
    for (int i = 2; i < words->count; i++)
        if (!strchr(words->word[i], '='))
            values[count++] = parse_value(words->word[i]);
    return (struct rhei_params){values, count};
}

static char *sql_of(struct words *words)
{
    if (words->count < 2)
        driver_die("%s needs a text", words->word[0]);
    unhex(words->word[1]);
    return words->word[1];
}

static void say_result(struct lane *lane, const struct rhei_result *result)
{
    say(lane, "ok");
    text_print(&lane->reply, " %" PRId64 " %" PRId64 " %" PRId64 "\n", result->changes, result->last_insert_rowid,
               result->position);
}

/* ---- Life. ------------------------------------------------------------------------------------------------------- */

static void say_log(void *context, int level, const char *room, const char *message)
{
    struct driver *driver = context;
    struct text line = {0};
    text_print(&line, "- log %d %s ", level, room);
    text_hex(&line, message, strlen(message));
    text_add(&line, "\n", 1);
    driver_say(driver, line.data, line.length);
    free(line.data);
}

static struct rhei_freshness parse_freshness(const struct words *words)
{
    const char *text = words_option(words, "freshness");
    if (!text)
        return (struct rhei_freshness){0};
    if (strncmp(text, "bounded:", 8) == 0)
        return rhei_bounded_ms(strtoll(text + 8, NULL, 10));
    return strcmp(text, "eventual") == 0 ? rhei_eventual() : rhei_latest();
}

static void set_faults(struct faults *faults, const struct words *words)
{
    const char *point = words_option(words, "die_point");
    pthread_mutex_lock(&faults->lock);
    snprintf(faults->die_point, sizeof faults->die_point, "%s", point ? point : "");
    faults->die_at = words_number(words, "die_at", 0);
    pthread_mutex_unlock(&faults->lock);
    const char *hold = words_option(words, "hold");
    if (hold)
        faults_hold(faults, hold);
}

static rhei_status do_open(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct driver *driver = lane->driver;
    char *file = (char *)words_option(words, "config_file");
    if (file)
        unhex(file);
    char *folder = (char *)words_option(words, "olap_path");
    if (folder)
        unhex(folder);
    char *buffer = (char *)words_option(words, "rocksdb_cdc_path");
    if (buffer)
        unhex(buffer);
    struct rhei_config config = {
        .struct_size = sizeof config,
        .config_file = file,
        .olap_path = folder,
        .olap_format = words_option(words, "olap_format"),
        .rocksdb_cdc_path = buffer,
        .read_only = words_flag(words, "read_only"),
        .must_exist = words_flag(words, "must_exist"),
        .manual_sync = words_flag(words, "manual_sync"),
        .no_auto_register = words_flag(words, "no_auto_register"),
        .keep_changes = words_flag(words, "keep_changes"),
        .prefer_olap = words_flag(words, "prefer_olap"),
        .olap_backend = words_choice(words, "olap_backend", "duckdb|datafusion|none"),
        .synchronous = words_choice(words, "synchronous", "normal|full|off"),
        .busy_timeout_ms = (uint32_t)words_number(words, "busy_timeout_ms", 0),
        .read_pool_size = (uint32_t)words_number(words, "read_pool_size", 0),
        .threads = (uint32_t)words_number(words, "threads", 0),
        .sync_interval_ms = (uint32_t)words_number(words, "sync_interval_ms", 0),
        .checkpoint_interval_ms = (uint32_t)words_number(words, "checkpoint_interval_ms", 0),
        .scrub_interval_s = (uint32_t)words_number(words, "scrub_interval_s", 0),
        .scrub_rate = (uint64_t)words_number(words, "scrub_rate", 0),
        .sync_batch_rows = (uint64_t)words_number(words, "sync_batch_rows", 0),
        .log_limit_rows = (uint64_t)words_number(words, "log_limit_rows", 0),
        .log_limit_bytes = (uint64_t)words_number(words, "log_limit_bytes", 0),
        .log_limit_age_s = (uint32_t)words_number(words, "log_limit_age_s", 0),
        .log_limit_policy = words_choice(words, "log_limit_policy", "detach|grow|block"),
        .wal_limit_bytes = (uint64_t)words_number(words, "wal_limit_bytes", 0),
        .olap_memory_limit = (uint64_t)words_number(words, "olap_memory_limit", 0),
        .freshness = parse_freshness(words),
        .log = say_log,
        .log_context = driver,
        .fault = faults_point,
        .fault_context = &driver->faults,
    };
    set_faults(&driver->faults, words);
    char *path = words->word[1];
    bool named = strcmp(path, "-") != 0;
    if (named)
        unhex(path);
    rhei_status status = rhei_open(named ? path : NULL, &config, &driver->db, error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

static rhei_status do_close(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    (void)error;
    rhei_close(&lane->driver->db);
    say(lane, "ok\n");
    return RHEI_OK;
}

static rhei_status do_faults(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)error;
    set_faults(&lane->driver->faults, words);
    say(lane, "ok\n");
    return RHEI_OK;
}

static rhei_status do_release(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)error;
    faults_release(&lane->driver->faults, words_flag(words, "once"));
    say(lane, "ok\n");
    return RHEI_OK;
}

static rhei_status do_wait_point(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)error;
    bool there = faults_wait(&lane->driver->faults, words->word[1], words_number(words, "hits", 0),
                             words_number(words, "timeout", 10000));
    say(lane, "ok");
    text_print(&lane->reply, " %d\n", there);
    return RHEI_OK;
}

static rhei_status do_points(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    (void)error;
    struct faults *faults = &lane->driver->faults;
    say(lane, "ok");
    pthread_mutex_lock(&faults->lock);
    for (int i = 0; i < faults->count; i++)
        text_print(&lane->reply, " %s=%ld", faults->name[i], faults->hits[i]);
    pthread_mutex_unlock(&faults->lock);
    text_add(&lane->reply, "\n", 1);
    return RHEI_OK;
}

/* ---- Writing. ---------------------------------------------------------------------------------------------------- */

static rhei_status do_execute(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_value values[DRIVER_MAX_WORDS];
    struct rhei_params params = parse_params(words, values);
    struct rhei_result result = {0};
    rhei_status status = rhei_execute(lane->driver->db, sql_of(words), &params, &result, error);
    if (status == RHEI_OK)
        say_result(lane, &result);
    return status;
}

static rhei_status do_batch(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_value values[DRIVER_MAX_WORDS];
    struct rhei_params params = parse_params(words, values);
    size_t columns = (size_t)words_number(words, "columns", 1);
    struct rhei_result result = {0};
    rhei_status status =
        rhei_execute_batch(lane->driver->db, sql_of(words), values, columns, params.count / columns, &result, error);
    if (status == RHEI_OK)
        say_result(lane, &result);
    return status;
}

static rhei_status do_script(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_result result = {0};
    rhei_status status = rhei_execute_script(lane->driver->db, sql_of(words), &result, error);
    if (status == RHEI_OK)
        say_result(lane, &result);
    return status;
}

/* ---- Asking. ----------------------------------------------------------------------------------------------------- */

static struct rhei_query_options parse_options(struct lane *lane, const struct words *words)
{
    return (struct rhei_query_options){
        .struct_size = sizeof(struct rhei_query_options),
        .route = words_choice(words, "route", "auto|oltp|olap"),
        .freshness = parse_freshness(words),
        .timeout_ms = words_number(words, "timeout", 0),
        .memory_limit = (uint64_t)words_number(words, "memory_limit", 0),
        .cancel = words_flag(words, "cancel") ? lane->driver->cancel : NULL,
    };
}

static void say_columns(struct lane *lane, const rhei_rows *rows)
{
    say(lane, "columns");
    for (uint32_t c = 0; c < rhei_rows_column_count(rows); c++) {
        const char *name = rhei_rows_column_name(rows, c);
        text_add(&lane->reply, " t", 2);
        text_hex(&lane->reply, name, strlen(name));
    }
    text_add(&lane->reply, "\n", 1);
}

/* At most `limit` rows; *more tells whether the end was reached. */
static rhei_status say_rows(struct lane *lane, rhei_rows *rows, long limit, bool *more, struct rhei_error *error)
{
    rhei_status status = RHEI_ROW;
    for (long n = 0; n < limit && (status = rhei_rows_next(rows, error)) == RHEI_ROW; n++) {
        say(lane, "row");
        for (uint32_t c = 0; c < rhei_rows_column_count(rows); c++) {
            text_add(&lane->reply, " ", 1);
            text_value(&lane->reply, rhei_rows_value(rows, c));
        }
        text_add(&lane->reply, "\n", 1);
    }
    *more = status == RHEI_ROW;
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

static void say_end(struct lane *lane, rhei_rows *rows, bool more)
{
    struct rhei_result result = {.struct_size = sizeof result};
    rhei_rows_result(rows, &result);
    say(lane, "ok");
    text_print(&lane->reply, " %s %s %" PRId64 " %" PRId64 " %d %" PRId64 "\n", rhei_rows_route(rows),
               rhei_rows_rule(rows), rhei_rows_position(rows), rhei_rows_age_us(rows), more, result.changes);
}

static rhei_status say_all(struct lane *lane, rhei_rows **rows, struct rhei_error *error)
{
    bool more;
    say_columns(lane, *rows);
    rhei_status status = say_rows(lane, *rows, INT64_MAX, &more, error);
    if (status == RHEI_OK)
        say_end(lane, *rows, more);
    rhei_rows_close(rows);
    return status;
}

static rhei_status do_query(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_value values[DRIVER_MAX_WORDS];
    struct rhei_params params = parse_params(words, values);
    struct rhei_query_options options = parse_options(lane, words);
    rhei_rows *rows = NULL;
    rhei_status status = rhei_query(lane->driver->db, sql_of(words), &params, &options, &rows, error);
    return status == RHEI_OK ? say_all(lane, &rows, error) : status;
}

static rhei_status do_rows_open(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_value values[DRIVER_MAX_WORDS];
    struct rhei_params params = parse_params(words, values);
    struct rhei_query_options options = parse_options(lane, words);
    rhei_status status = rhei_query(lane->driver->db, sql_of(words), &params, &options, &lane->rows, error);
    if (status != RHEI_OK)
        return status;
    say_columns(lane, lane->rows);
    say(lane, "ok\n");
    return RHEI_OK;
}

static rhei_status do_rows_next(struct lane *lane, struct words *words, struct rhei_error *error)
{
    bool more;
    rhei_status status = say_rows(lane, lane->rows, words_number(words, "count", 1), &more, error);
    if (status == RHEI_OK)
        say_end(lane, lane->rows, more);
    return status;
}

static rhei_status do_rows_close(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    (void)error;
    rhei_rows_close(&lane->rows);
    say(lane, "ok\n");
    return RHEI_OK;
}

static rhei_status do_cancel(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)error;
    if (words_flag(words, "raise"))
        rhei_cancel_raise(lane->driver->cancel);
    else
        rhei_cancel_clear(lane->driver->cancel);
    say(lane, "ok\n");
    return RHEI_OK;
}

/* ---- Sessions. --------------------------------------------------------------------------------------------------- */

static rhei_status do_session_open(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    rhei_status status = rhei_session_open(lane->driver->db, &lane->session, error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

static rhei_status do_session_execute(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_value values[DRIVER_MAX_WORDS];
    struct rhei_params params = parse_params(words, values);
    struct rhei_result result = {0};
    rhei_status status = rhei_session_execute(lane->session, sql_of(words), &params, &result, error);
    if (status == RHEI_OK)
        say_result(lane, &result);
    return status;
}

static rhei_status do_session_query(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_value values[DRIVER_MAX_WORDS];
    struct rhei_params params = parse_params(words, values);
    struct rhei_query_options options = parse_options(lane, words);
    rhei_rows *rows = NULL;
    rhei_status status = rhei_session_query(lane->session, sql_of(words), &params, &options, &rows, error);
    return status == RHEI_OK ? say_all(lane, &rows, error) : status;
}

static rhei_status do_session_close(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    (void)error;
    rhei_session_close(&lane->session);
    say(lane, "ok\n");
    return RHEI_OK;
}

/* ---- Tables and sync. -------------------------------------------------------------------------------------------- */

static const char *table_of(struct words *words)
{
    if (words->count < 2 || strchr(words->word[1], '='))
        return NULL;
    unhex(words->word[1]);
    return words->word[1];
}

static rhei_status do_register(struct lane *lane, struct words *words, struct rhei_error *error)
{
    rhei_status status = rhei_register_table(lane->driver->db, table_of(words), NULL, 0, error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

static rhei_status do_unregister(struct lane *lane, struct words *words, struct rhei_error *error)
{
    rhei_status status = rhei_unregister_table(lane->driver->db, table_of(words), error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

static rhei_status do_sync(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    struct rhei_sync_report report = {0};
    rhei_status status = rhei_sync_now(lane->driver->db, &report, error);
    if (status != RHEI_OK)
        return status;
    say(lane, "ok");
    text_print(&lane->reply, " %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
               report.position, report.events, report.rows_inserted, report.rows_updated, report.rows_deleted,
               report.rows_pruned);
    return RHEI_OK;
}

static rhei_status do_checkpoint(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    rhei_status status = rhei_checkpoint(lane->driver->db, error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

static rhei_status do_start_sync(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    rhei_status status = rhei_start_sync(lane->driver->db, error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

static rhei_status do_stop_sync(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    rhei_status status = rhei_stop_sync(lane->driver->db, error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

static rhei_status do_initial_sync(struct lane *lane, struct words *words, struct rhei_error *error)
{
    rhei_status status = rhei_initial_sync(lane->driver->db, words_number(words, "timeout", 30000), error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

static rhei_status do_rebuild(struct lane *lane, struct words *words, struct rhei_error *error)
{
    rhei_status status = rhei_rebuild(lane->driver->db, table_of(words), error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

static rhei_status do_verify(struct lane *lane, struct words *words, struct rhei_error *error)
{
    uint64_t rows = 0;
    rhei_status status = rhei_verify(lane->driver->db, table_of(words), &rows, error);
    if (status != RHEI_OK)
        return status;
    say(lane, "ok");
    text_print(&lane->reply, " %" PRIu64 "\n", rows);
    return RHEI_OK;
}

static rhei_status do_repair(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_repair_result done = {.struct_size = sizeof done};
    rhei_status status = rhei_repair(lane->driver->db, table_of(words), NULL, &done, error);
    if (status != RHEI_OK)
        return status;
    say(lane, "ok");
    text_print(&lane->reply, " %" PRIu64 " %" PRIu64 "\n", done.mended_rows, done.rebuilt);
    return RHEI_OK;
}

static rhei_status do_status(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    struct rhei_sync_status s = {.struct_size = sizeof s};
    rhei_status status = rhei_sync_status(lane->driver->db, &s, error);
    if (status != RHEI_OK)
        return status;
    say(lane, "ok");
    text_print(&lane->reply,
               " running=%d position=%" PRId64 " log_position=%" PRId64 " lag_events=%" PRId64 " age_us=%" PRId64
               " tables=%" PRIu64 " tables_ready=%" PRIu64 " cycles=%" PRIu64 " events=%" PRIu64
               " rows_inserted=%" PRIu64 " rows_updated=%" PRIu64 " rows_deleted=%" PRIu64 " rows_pruned=%" PRIu64
               " log_rows=%" PRIu64 " log_bytes=%" PRIu64 " log_over=%d log_blocks=%d log_cut=%" PRIu64
               " log_refused=%" PRIu64 " last_error=",
               s.running, s.position, s.log_position, s.lag_events, s.age_us, s.tables, s.tables_ready, s.cycles,
               s.events, s.rows_inserted, s.rows_updated, s.rows_deleted, s.rows_pruned, s.log_rows, s.log_bytes,
               s.log_over, s.log_blocks, s.log_cut, s.log_refused);
    text_hex(&lane->reply, s.last_error, strlen(s.last_error));
    text_add(&lane->reply, "\n", 1);
    return RHEI_OK;
}

static rhei_status do_tables(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    struct rhei_table_status **tables = NULL;
    size_t count = 0;
    rhei_status status = rhei_table_list(lane->driver->db, &tables, &count, error);
    if (status != RHEI_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        say(lane, "row");
        text_add(&lane->reply, " t", 2);
        text_hex(&lane->reply, tables[i]->name, strlen(tables[i]->name));
        text_print(&lane->reply, " i%d i%" PRIu64 " t", tables[i]->state, tables[i]->rows);
        text_hex(&lane->reply, tables[i]->message, strlen(tables[i]->message));
        text_add(&lane->reply, "\n", 1);
    }
    rhei_free(tables);
    say(lane, "ok\n");
    return RHEI_OK;
}

static rhei_status do_info(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    char *json = NULL;
    rhei_status status = rhei_info_json(lane->driver->db, &json, error);
    if (status != RHEI_OK)
        return status;
    say(lane, "ok ");
    text_hex(&lane->reply, json, strlen(json));
    text_add(&lane->reply, "\n", 1);
    rhei_free(json);
    return RHEI_OK;
}

static rhei_status do_backup(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_backup_result result = {.struct_size = sizeof result};
    struct rhei_call_options options = {
        .struct_size = sizeof options, .timeout_ms = words_number(words, "timeout", 0), .cancel = lane->driver->cancel};
    rhei_status status = rhei_backup(lane->driver->db, sql_of(words), &options, &result, error);
    if (status == RHEI_OK) {
        say(lane, "ok");
        text_print(&lane->reply, " %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n", result.position,
                   result.database_bytes, result.olap_bytes, result.olap_position);
    }
    return status;
}

static rhei_status do_bank(struct lane *lane, struct words *words, struct rhei_error *error)
{
    rhei_status status = bank_run(lane, words, error);
    if (status == RHEI_OK)
        say(lane, "ok\n");
    return status;
}

/* ------------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *verb;
    command run;
} commands[] = {
    {"open", do_open},
    {"close", do_close},
    {"faults", do_faults},
    {"release", do_release},
    {"wait_point", do_wait_point},
    {"points", do_points},
    {"execute", do_execute},
    {"batch", do_batch},
    {"script", do_script},
    {"query", do_query},
    {"rows_open", do_rows_open},
    {"rows_next", do_rows_next},
    {"rows_close", do_rows_close},
    {"cancel", do_cancel},
    {"session_open", do_session_open},
    {"session_execute", do_session_execute},
    {"session_query", do_session_query},
    {"session_close", do_session_close},
    {"register", do_register},
    {"unregister", do_unregister},
    {"sync", do_sync},
    {"checkpoint", do_checkpoint},
    {"start_sync", do_start_sync},
    {"stop_sync", do_stop_sync},
    {"initial_sync", do_initial_sync},
    {"rebuild", do_rebuild},
    {"verify", do_verify},
    {"repair", do_repair},
    {"status", do_status},
    {"tables", do_tables},
    {"info", do_info},
    {"bank", do_bank},
    {"changes_open", changes_open},
    {"changes_next", changes_next},
    {"changes_arrow", changes_arrow},
    {"changes_acknowledge", changes_acknowledge},
    {"changes_close", changes_close},
    {"changes_drop", changes_drop},
    {"backup", do_backup},
};

static void split(char *line, struct words *words)
{
    words->count = 0;
    for (char *word = strtok_r(line, " ", &line); word; word = strtok_r(NULL, " ", &line)) {
        if (words->count == DRIVER_MAX_WORDS)
            driver_die("a call has more than %d words", DRIVER_MAX_WORDS);
        words->word[words->count++] = word;
    }
}

static void say_error(struct lane *lane, rhei_status status, const struct rhei_error *error)
{
    say(lane, "error");
    text_print(&lane->reply, " %d %d %s %" PRId32 " ", (int)status, (int)error->code, error->sqlstate,
               error->sql_offset);
    text_hex(&lane->reply, error->message, strlen(error->message));
    text_add(&lane->reply, "\n", 1);
}

void driver_run(struct lane *lane, char *line)
{
    struct words words;
    split(line, &words);
    lane->reply.length = 0;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (words.count == 0 || strcmp(commands[i].verb, words.word[0]) != 0)
            continue;
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = commands[i].run(lane, &words, &error);
        if (status != RHEI_OK)
            say_error(lane, status, &error);
        driver_say(lane->driver, lane->reply.data, lane->reply.length);
        return;
    }
    driver_die("there is no verb %s", words.count ? words.word[0] : "");
}
