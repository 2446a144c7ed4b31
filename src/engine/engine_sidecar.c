/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sidecars: databases of others, followed beside the engine's own file or without one. Each is a change source of its own, with a number, a schema and
 * cycles of its own (engine_shown.c), so that one that is away, slow or broken costs the others nothing.
 */
#include "engine/engine_sidecar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_map.h"
#include "base/base_thread.h"
#include "config/config_settings.h"
#include "engine/engine_history.h"
#include "engine/engine_shown.h"
#include "engine/engine_sidecar_absent.h"
#include "engine/engine_sidecar_disk.h"
#include "source_postgres/source_postgres.h"
#include "source_sqlite/sqlite_source.h"
#include "sql/sql_lexer.h"

enum {
    LOAD_CONNECTIONS = 4, /* unless more are asked for: they are somebody else's server's */
    BARE_NAME_PATIENCE_MS = 1000,
};

struct sidecar {
    const struct config_sidecar *settings;
    const struct base_log *under; /* the handle's */
    struct base_log log;          /* the same, with whose sidecar's the words are */
    struct change_source *source;
    struct sync *sync;
    struct engine_sidecar_disk disk;
    char *histories;              /* the schema of its histories; NULL: it keeps none */
    struct poll_wanted *wanted;   /* its tables, for the source */
    const char **names;           /* of them, for one that follows by logical decoding */
    char *labels;                 /* of its metrics */
    atomic_bool shown;            /* `sync` is there to be woken */
    _Atomic uint64_t asked_again; /* builds that were done when a statement was last asked again */
    atomic_bool looked;           /* by a handle that does nothing in the background, for its status */
    atomic_bool settled;          /* its tables were loaded once, or said why they can't be */
};

struct engine_sidecars {
    struct sidecar *list;
    size_t count;
};

static size_t count_of(const struct rhei_db *db)
{
    return db->sidecars == NULL ? 0 : db->sidecars->count;
}

/* ---- Opening. ---------------------------------------------------------------------------------------------------- */

/* What the settings say of its tables, which lives as long as they do; the caller frees it. */
static struct poll_wanted *wanted_of(const struct config_sidecar *settings)
{
    size_t names = 0;
    for (size_t t = 0; t < settings->table_count; t++)
        names += settings->tables[t].column_count;
    size_t bytes = (settings->table_count + 1) * sizeof(struct poll_wanted);
    struct poll_wanted *tables = base_alloc_zero(1, bytes + names * sizeof(const char *));
    const char **columns = tables == NULL ? NULL : (const char **)(void *)(tables + settings->table_count + 1);
    for (size_t t = 0; tables != NULL && t < settings->table_count; t++) {
        const struct config_sidecar_table *from = &settings->tables[t];
        tables[t] = (struct poll_wanted){.name = from->table_name,
                                         .key = (const char *const *)from->primary_key,
                                         .key_count = from->primary_key_count,
                                         .created_at = from->created_at_column,
                                         .updated_at = from->updated_at_column,
                                         .columns = columns,
                                         .column_count = from->column_count};
        for (size_t c = 0; c < from->column_count; c++)
            *columns++ = from->columns[c].name;
    }
    return tables;
}

static struct poll_wishes wishes_of(const struct rhei_db *db, const struct sidecar *sidecar)
{
    const struct config_sidecar *settings = sidecar->settings;
    return (struct poll_wishes){.tables = sidecar->wanted,
                                .table_count = settings->table_count,
                                .soft_delete =
                                    settings->delete_mode == CONFIG_DELETE_SOFT ? settings->delete_column : NULL,
                                .page_rows = settings->poll_batch_size,
                                .full_diff = settings->delete_mode == CONFIG_DELETE_FULL_DIFF,
                                .every = (uint32_t)settings->delete_every_n_cycles,
                                .seldom = db->config.manual_sync};
}

static rhei_status open_sqlite(const struct rhei_db *db, struct sidecar *sidecar, struct rhei_error *error)
{
    const struct config_sidecar *settings = sidecar->settings;
    struct sqlite_source_config config = {
        .path = settings->source_path,
        .snapshot = settings->mode == CONFIG_SOURCE_SNAPSHOT,
        .wishes = wishes_of(db, sidecar),
        .log = &sidecar->log,
    };
    return sqlite_source_open(&config, &sidecar->source, error);
}

static struct postgres_target target_of(const struct config_sidecar *settings)
{
    return (struct postgres_target){.conninfo = settings->source_path,
                                    .password_file = settings->password_file,
                                    .password_env = settings->password_env};
}

static rhei_status poll_postgres(const struct rhei_db *db, struct sidecar *sidecar, struct rhei_error *error)
{
    const struct config_sidecar *settings = sidecar->settings;
    struct source_postgres_polling config = {
        .target = target_of(settings),
        .wishes = wishes_of(db, sidecar),
        .log = &sidecar->log,
    };
    return source_postgres_poll(&config, &sidecar->source, error);
}

/* From a thread of the source, which ends before `sync` does. */
static void wake_sidecar(void *context)
{
    struct sidecar *sidecar = context;
    if (atomic_load(&sidecar->shown))
        sync_wake(sidecar->sync);
}

/*
 * Whether its slot is left alone, for one that goes with the connection: it is whose who has the folder, because he has what the slot was confirmed. Where there is no
 * folder, a handle that does nothing in the background has no use for it either, and another one may be reading it.
 */
static bool leaves_slot(const struct rhei_db *db, const struct sidecar *sidecar)
{
    return sidecar->disk.checkpoint == NULL && (sidecar->disk.status != RHEI_OK || db->config.manual_sync);
}

static rhei_status follow_postgres(const struct rhei_db *db, struct sidecar *sidecar, struct rhei_error *error)
{
    const struct config_sidecar *settings = sidecar->settings;
    sidecar->names = base_alloc_zero(settings->table_count + 1, sizeof *sidecar->names);
    if (sidecar->names == NULL)
        return error_no_memory(error);
    for (size_t t = 0; t < settings->table_count; t++)
        sidecar->names[t] = settings->tables[t].table_name;
    struct source_postgres_config config = {.target = target_of(settings),
                                            .tables = sidecar->names,
                                            .table_count = settings->table_count,
                                            .publication = settings->publication,
                                            .slot = settings->slot,
                                            .seldom = db->config.manual_sync,
                                            .log = &sidecar->log,
                                            .wake = wake_sidecar,
                                            .wake_context = sidecar,
                                            .fault = db->config.fault,
                                            .fault_context = db->config.fault_context};
    return source_postgres_open(&config, &sidecar->source, error);
}

/* A mistake of the settings is told at once, with its place, where a server that is away is waited for. */
static rhei_status check_target(const struct rhei_db *db, const struct config_sidecar *settings,
                                struct rhei_error *error)
{
    const char *key = NULL;
    struct postgres_target target = target_of(settings);
    if (settings->source_type != CONFIG_SOURCE_POSTGRES)
        return RHEI_OK;
    rhei_status status = source_postgres_check(&target, &key, error);
    if (status == RHEI_OK)
        return RHEI_OK;
    const char *origin = config_sidecar_origin(db->settings, settings, "sidecar", key);
    error_context(error, "%s%s[sidecar] %s of \"%s\": ", origin == NULL ? "" : origin, origin == NULL ? "" : ": ", key,
                  settings->name);
    return status;
}

static rhei_status open_source(struct rhei_db *db, struct sidecar *sidecar, struct rhei_error *error)
{
    sidecar->wanted = wanted_of(sidecar->settings);
    if (sidecar->wanted == NULL)
        return error_no_memory(error);
    if (sidecar->settings->source_type == CONFIG_SOURCE_SQLITE)
        return open_sqlite(db, sidecar, error);
    return sidecar->settings->mode == CONFIG_SOURCE_LOGICAL ? follow_postgres(db, sidecar, error)
                                                            : poll_postgres(db, sidecar, error);
}

static uint32_t load_threads(const struct config_sidecar *settings)
{
    int cores = base_cpu_count();
    if (settings->load_connections > 0)
        return (uint32_t)settings->load_connections;
    return cores > LOAD_CONNECTIONS ? LOAD_CONNECTIONS : 0;
}

/* A slot with a name is confirmed only what is in the folder; one that goes with its connection has nothing that could be gone on with. */
static void keep_positions(const struct rhei_db *db, struct sidecar *sidecar)
{
    bool named = sidecar->settings->mode == CONFIG_SOURCE_LOGICAL && sidecar->settings->slot != NULL;
    if (named && leaves_slot(db, sidecar))
        source_postgres_leave_slot(sidecar->source);
    if (!named || sidecar->disk.checkpoint == NULL)
        return;
    sidecar->disk.kept = source_postgres_keep;
    source_postgres_keep(sidecar->source, sidecar->disk.restored.any ? sidecar->disk.restored.position : 0);
}

/* There may be several, with tables of the same names. */
static void write_log(void *context, int level, const char *room, const char *message)
{
    const struct sidecar *sidecar = context;
    base_log_write(sidecar->under, level, room, "sidecar \"%s\": %s", sidecar->settings->name, message);
}

static rhei_status open_one(struct rhei_db *db, struct sidecar *sidecar, uint8_t number, struct rhei_error *error)
{
    sidecar->under = &db->log;
    sidecar->log = (struct base_log){write_log, sidecar, db->log.level};
    rhei_status status = open_source(db, sidecar, error);
    struct base_buffer histories = {0}, labels = {0};
    base_buffer_format(&labels, "source=\"%s\"", sidecar->settings->name);
    sidecar->labels = base_buffer_take(&labels);
    if (status == RHEI_OK && sidecar->labels == NULL)
        status = error_no_memory(error);
    if (status == RHEI_OK && db->config.sync_mode == RHEI_SYNC_TEMPORAL) {
        base_buffer_format(&histories, ENGINE_HISTORY "_%s", sidecar->settings->name);
        sidecar->histories = base_buffer_take(&histories);
        status = sidecar->histories == NULL ? error_no_memory(error) : RHEI_OK;
    }
    if (status == RHEI_OK)
        status = engine_sidecar_disk_open(db, sidecar->settings, number, sidecar->source, &sidecar->disk, error);
    if (status == RHEI_OK)
        keep_positions(db, sidecar);
    struct engine_source source = {.name = sidecar->settings->name,
                                   .histories = sidecar->histories,
                                   .number = number,
                                   .changes = sidecar->source,
                                   .patient = true,
                                   .remote = sidecar->settings->source_type == CONFIG_SOURCE_POSTGRES,
                                   .load_threads = load_threads(sidecar->settings),
                                   .disk = &sidecar->disk,
                                   .log = &sidecar->log,
                                   .sync = &sidecar->sync};
    if (status == RHEI_OK)
        status = engine_show_source(db, &source, error);
    atomic_store(&sidecar->shown, status == RHEI_OK);
    return status == RHEI_OK ? engine_sidecar_disk_start(db, &sidecar->disk, sidecar->sync, error) : status;
}

rhei_status engine_sidecars_open(struct rhei_db *db, struct rhei_error *error)
{
    size_t count = 0;
    while (config_sidecar_at(db->settings, count) != NULL)
        count++;
    if (count == 0)
        return RHEI_OK;
    if (count >= TABLE_SOURCES_MOST)
        return error_set(error, RHEI_CONFIG, "there are %zu [[sidecar]] sections: up to %d databases are followed",
                         count, TABLE_SOURCES_MOST - 1);
    db->sidecars = base_alloc_zero(1, sizeof *db->sidecars);
    if (db->sidecars == NULL)
        return error_no_memory(error);
    db->sidecars->list = base_alloc_zero(count, sizeof *db->sidecars->list);
    if (db->sidecars->list == NULL)
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    for (size_t s = 0; s < count && status == RHEI_OK; s++) {
        struct sidecar *sidecar = &db->sidecars->list[db->sidecars->count++];
        sidecar->settings = config_sidecar_at(db->settings, s);
        status = check_target(db, sidecar->settings, error);
        if (status != RHEI_OK)
            return status;
        status = open_one(db, sidecar, (uint8_t)(s + 1), error);
        if (status != RHEI_OK)
            error_context(error, "%s: [sidecar] \"%s\": ", sidecar->settings->origin, sidecar->settings->name);
    }
    return status;
}

void engine_sidecars_interrupt(struct rhei_db *db)
{
    for (size_t s = 0; s < count_of(db); s++)
        if (db->sidecars->list[s].source != NULL &&
            db->sidecars->list[s].settings->source_type == CONFIG_SOURCE_POSTGRES)
            source_postgres_interrupt(db->sidecars->list[s].source);
}

bool engine_sidecars_keep(const struct rhei_db *db)
{
    bool keep = false;
    for (size_t s = 0; s < count_of(db) && !keep; s++)
        keep = engine_sidecar_disk_has(db, db->sidecars->list[s].settings);
    return keep;
}

rhei_status engine_sidecars_write(struct rhei_db *db, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t s = 0; s < count_of(db) && status == RHEI_OK; s++)
        status = engine_sidecar_disk_write(&db->sidecars->list[s].disk, error);
    return status;
}

void engine_sidecars_finish(struct rhei_db *db)
{
    for (size_t s = 0; s < count_of(db); s++)
        engine_sidecar_disk_finish(&db->sidecars->list[s].disk);
}

void engine_sidecars_close(struct rhei_db *db)
{
    if (db->sidecars == NULL)
        return;
    for (size_t s = 0; s < db->sidecars->count; s++) {
        struct sidecar *sidecar = &db->sidecars->list[s];
        if (sidecar->source != NULL)
            sidecar->source->ops->close(&sidecar->source);
        base_free(sidecar->wanted);
        base_free(sidecar->names);
    }
}

void engine_sidecars_free(struct rhei_db *db)
{
    if (db->sidecars == NULL)
        return;
    for (size_t s = 0; s < db->sidecars->count; s++) {
        engine_sidecar_disk_close(&db->sidecars->list[s].disk);
        base_free(db->sidecars->list[s].histories);
        base_free(db->sidecars->list[s].labels);
    }
    base_free(db->sidecars->list);
    base_free(db->sidecars);
    db->sidecars = NULL;
}

/* ---- Tables that aren't there. ----------------------------------------------------------------------------------- */

/* As a word of its own; in a comment or a text, too. */
static bool is_named(const char *sql, const char *table)
{
    size_t len = strlen(table);
    for (const char *at = sql; (at = strcasestr(at, table)) != NULL; at++)
        if ((at == sql || !sql_is_name_byte((unsigned char)at[-1])) && !sql_is_name_byte((unsigned char)at[len]))
            return true;
    return false;
}

/* A column may be missed of any table that the text names. */
static bool is_missed(const struct engine_absent *absent, const char *sql, const char *table)
{
    return absent->table != NULL ? base_fold_compare(table, absent->table) == 0 : is_named(sql, table);
}

/*
 * A table that the source changed is away while it is loaded anew. One that is here by now came between the statement's preparation and this look: once
 * for each build, so that a name that SQLite can't find isn't asked for for ever. *may: it is worth asking the source.
 */
static bool comes_back(struct sidecar *sidecar, const struct engine_absent *absent, const char *sql, bool *may)
{
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    bool comes = false;
    *may = absent->table != NULL; /* it may be new */
    if (sync_get_tables(sidecar->sync, &tables, &count, NULL) != RHEI_OK)
        return false;
    for (size_t t = 0; t < count && !comes; t++) {
        if (!is_missed(absent, sql, tables[t].name))
            continue;
        *may = true;
        uint64_t built = sync_built(sidecar->sync);
        comes = tables[t].state == SYNC_TABLE_WAITING || tables[t].state == SYNC_TABLE_BUILDING ||
                (tables[t].state == SYNC_TABLE_READY && atomic_exchange(&sidecar->asked_again, built) != built);
    }
    base_free(tables);
    return comes;
}

static rhei_status settle_one(struct sidecar *sidecar, const struct engine_limits *limits, struct rhei_error *error)
{
    struct base_progress *counts = engine_limits_counts(limits);
    struct sync_stop stop = {engine_limits_check, (void *)(uintptr_t)limits, counts};
    int64_t deadline = limits->deadline_ns == INT64_MAX ? 0 : limits->deadline_ns;
    base_progress_step(counts, "loading", sidecar->settings->name, BASE_PROGRESS_ROWS, -1);
    rhei_status status = sync_build(sidecar->sync, true, deadline, &stop, error);
    if (status == RHEI_OK)
        atomic_store(&sidecar->settled, true);
    return status;
}

/* As S5 has it of one that is away: tried again for as long as the call may last, or the busy time-out; of one that refuses us it is told at once. */
static rhei_status settle_patiently(const struct rhei_db *db, struct sidecar *sidecar,
                                    const struct engine_limits *limits, struct rhei_error *why)
{
    int64_t patience_ns = base_now_ns() + (int64_t)db->config.busy_timeout_ms * 1000000;
    struct sync_status known;
    rhei_status status;
    do {
        error_clear(why);
        status = settle_one(sidecar, limits, why);
        sync_get_status(sidecar->sync, &known);
    } while (status != RHEI_OK && known.away_ns > 0 && !sync_is_refused(sidecar->sync) &&
             engine_rest(engine_limits_check, (void *)(uintptr_t)limits, patience_ns));
    return status;
}

static void look_once(struct sidecar *sidecar)
{
    struct sync_report report;
    if (!atomic_load(&sidecar->settled) && !atomic_exchange(&sidecar->looked, true))
        (void)sync_cycle(sidecar->sync, &report, NULL);
}

/*
 * `eventual` waits for nothing, but where nothing is done in the background nobody else asks the source whether what is in the folder is of it. True: so it is there
 * now.
 */
static bool judged_now(const struct rhei_db *db, struct sidecar *sidecar)
{
    struct sync_status status;
    if (!db->config.manual_sync || atomic_load(&sidecar->settled) || atomic_load(&sidecar->looked))
        return false;
    look_once(sidecar);
    sync_get_status(sidecar->sync, &status);
    return status.tables_ready > 0;
}

/*
 * Whether there is something to wait for. Of a sidecar that is loaded the source itself is asked once which names there are: what it hasn't by then is nobody's.
 * One that is known to be away isn't.
 */
static bool may_come(struct rhei_db *db, struct sidecar *sidecar, const struct engine_absent *absent, const char *sql,
                     const struct engine_limits *limits)
{
    bool may = false;
    if (!atomic_load(&sidecar->settled) || comes_back(sidecar, absent, sql, &may))
        return true;
    if (!may || sync_is_away(sidecar->sync))
        return false;
    struct sync_stop stop = {engine_limits_check, (void *)(uintptr_t)limits, NULL};
    /* a name without a schema is most likely a slip, and anybody's: not for long */
    int64_t patience_ms = db->config.busy_timeout_ms;
    if (absent->schema == NULL && patience_ms > BARE_NAME_PATIENCE_MS)
        patience_ms = BARE_NAME_PATIENCE_MS;
    int64_t patience_ns = base_now_ns() + patience_ms * INT64_C(1000000);
    return sync_wait_names(sidecar->sync, patience_ns, &stop, NULL) == RHEI_OK &&
           comes_back(sidecar, absent, sql, &may);
}

static void explain_absent(const struct rhei_db *db, const struct engine_absent *absent, struct rhei_error *error)
{
    struct engine_absent_place places[TABLE_SOURCES_MOST];
    for (size_t s = 0; s < count_of(db); s++)
        places[s] = (struct engine_absent_place){db->sidecars->list[s].settings->name, db->sidecars->list[s].sync,
                                                 db->sidecars->list[s].histories != NULL};
    engine_absent_explain(places, count_of(db), !db->no_local, absent, error);
}

bool engine_sidecars_await(struct rhei_db *db, const char *sql, bool eventual, const struct engine_limits *limits,
                           rhei_status *status, struct rhei_error *error)
{
    struct engine_absent absent;
    bool again = false;
    if (db->sidecars == NULL || *status != RHEI_SQL || error == NULL)
        return false;
    const struct rhei_error said = *error; /* the names are in it */
    if (!engine_absent_of(&said, &absent))
        return false;
    for (size_t s = 0; s < db->sidecars->count; s++) {
        struct sidecar *sidecar = &db->sidecars->list[s];
        struct rhei_error why = RHEI_ERROR_INIT;
        bool named = absent.schema != NULL; /* a name alone may be anybody's */
        if (!engine_absent_may_be_of(&absent, sidecar->settings->name))
            continue;
        if (eventual) {
            again = judged_now(db, sidecar) || again;
            continue;
        }
        if (!may_come(db, sidecar, &absent, sql, limits))
            continue;
        rhei_status settled = named ? settle_patiently(db, sidecar, limits, &why) : settle_one(sidecar, limits, &why);
        again = again || settled == RHEI_OK;
        if (settled == RHEI_OK || !named)
            continue;
        rhei_status ended = engine_limits_check((void *)(uintptr_t)limits);
        error_clear(error);
        *status = engine_say_late(sidecar->settings->name, sidecar->sync, ended != RHEI_OK ? ended : RHEI_STALE, &why,
                                  false, error);
        return false;
    }
    if (again)
        error_clear(error);
    else if (absent.table != NULL)
        explain_absent(db, &absent, error);
    if (!again)
        *status = error->code;
    return again;
}

/* ---- With the engine's own tables. ------------------------------------------------------------------------------- */

/* Of a call whose sidecar failed: whether the caller's own limit is why. */
static rhei_status ended(const struct sync_stop *stop, rhei_status failed, const struct rhei_error *why,
                         struct rhei_error *error)
{
    bool stopped =
        failed == RHEI_STALE || (stop != NULL && stop->check != NULL && stop->check(stop->context) != RHEI_OK);
    return failed != RHEI_OK && stopped ? error_set(error, failed, "%s", why->message) : RHEI_OK;
}

rhei_status engine_sidecars_look(struct rhei_db *db, const struct sync_stop *stop, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t s = 0; s < count_of(db) && status == RHEI_OK; s++) {
        struct rhei_error why = RHEI_ERROR_INIT;
        struct sync_report report;
        status = ended(stop, sync_cycle_while(db->sidecars->list[s].sync, stop, &report, &why), &why, error);
    }
    return status;
}

rhei_status engine_sidecars_load(struct rhei_db *db, int64_t deadline_ns, const struct sync_stop *stop,
                                 struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t s = 0; s < count_of(db) && status == RHEI_OK; s++) {
        struct sidecar *sidecar = &db->sidecars->list[s];
        struct rhei_error why = RHEI_ERROR_INIT;
        rhei_status loaded = sync_build(sidecar->sync, true, deadline_ns, stop, &why);
        if (loaded == RHEI_OK)
            atomic_store(&sidecar->settled, true);
        status = ended(stop, loaded, &why, error);
    }
    return status;
}

rhei_status engine_sidecars_start(struct rhei_db *db, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t s = 0; s < count_of(db) && status == RHEI_OK; s++)
        status = sync_start(db->sidecars->list[s].sync, error);
    return status;
}

void engine_sidecars_rest(struct rhei_db *db)
{
    for (size_t s = 0; s < count_of(db); s++)
        sync_stop(db->sidecars->list[s].sync);
}

/* ---- Histories. -------------------------------------------------------------------------------------------------- */

uint32_t engine_sidecars_next(const struct rhei_db *db, uint32_t at, const char **name, const char **shown)
{
    if (at >= count_of(db))
        return 0;
    *name = db->sidecars->list[at].settings->name;
    *shown = db->sidecars->list[at].histories;
    return at + 1;
}

void engine_sidecars_know(struct rhei_db *db, const struct engine_ask *ask)
{
    struct sync_stop stop = {engine_limits_check, (void *)(uintptr_t)&ask->limits, NULL};
    bool eventual = ask->freshness.mode == RHEI_FRESHNESS_EVENTUAL;
    for (size_t s = 0; s < count_of(db); s++) {
        struct sidecar *sidecar = &db->sidecars->list[s];
        int64_t deadline = ask->limits.deadline_ns == INT64_MAX ? 0 : ask->limits.deadline_ns;
        if (sidecar->histories == NULL || strcasestr(ask->sql, sidecar->settings->name) == NULL)
            continue;
        if (sidecar->disk.status != RHEI_OK && (ask->as_of != NULL || strcasestr(ask->sql, "SYSTEM_TIME") != NULL))
            continue; /* it is refused, whatever it has */
        if (eventual)
            (void)judged_now(db, sidecar);
        else if (!atomic_load(&sidecar->settled))
            (void)settle_one(sidecar, &ask->limits, NULL);
        else if (ask->freshness.mode == RHEI_FRESHNESS_BOUNDED)
            (void)sync_wait_bounded(sidecar->sync, ask->freshness.max_age_ms, deadline, &stop, NULL);
        else
            (void)sync_wait_latest(sidecar->sync, deadline, &stop, NULL);
    }
}

rhei_status engine_sidecars_past(const struct rhei_db *db, uint32_t number, struct rhei_error *error)
{
    if (number == 0 || number > count_of(db))
        return RHEI_OK;
    const struct sidecar *sidecar = &db->sidecars->list[number - 1];
    return sidecar->disk.status == RHEI_OK
               ? RHEI_OK
               : error_set(error, sidecar->disk.status, "the history of sidecar \"%.60s\" is in a folder: %s",
                           sidecar->settings->name, sidecar->disk.message);
}

const char *engine_sidecars_named(const struct rhei_db *db, uint32_t number, bool *kept)
{
    if (number == 0 || number > count_of(db))
        return NULL;
    *kept = db->sidecars->list[number - 1].disk.checkpoint != NULL;
    return db->sidecars->list[number - 1].settings->name;
}

uint64_t engine_sidecars_histories(const struct rhei_db *db)
{
    uint64_t changed = db->sync == NULL ? 0 : sync_histories_changed(db->sync);
    for (size_t s = 0; s < count_of(db); s++)
        changed += sync_histories_changed(db->sidecars->list[s].sync);
    return changed;
}

uint64_t engine_sidecars_histories_now(const struct rhei_db *db)
{
    uint64_t changed = db->sync == NULL ? 0 : sync_histories_now(db->sync);
    for (size_t s = 0; s < count_of(db); s++)
        changed += sync_histories_now(db->sidecars->list[s].sync);
    return changed;
}

/* ---- Status. ----------------------------------------------------------------------------------------------------- */

bool engine_sidecar_at(const struct rhei_db *db, size_t index, struct engine_sidecar *sidecar)
{
    if (index >= count_of(db))
        return false;
    struct sidecar *at = &db->sidecars->list[index];
    *sidecar = (struct engine_sidecar){db, at->settings, at->source, at->sync, at->labels, &at->disk};
    return true;
}

/* One that is away says why in its status. */
void engine_sidecars_look_once(struct rhei_db *db)
{
    for (size_t s = 0; s < count_of(db) && db->config.manual_sync; s++)
        look_once(&db->sidecars->list[s]);
}

/* Those of one that aren't shown, at the end of the list. */
static rhei_status add_tables(const struct rhei_db *db, const struct sidecar *sidecar, struct sync_table_status **list,
                              size_t *count, size_t *capacity, struct rhei_error *error)
{
    struct sync_table_status *tables = NULL;
    size_t table_count = 0;
    rhei_status status = sync_get_tables(sidecar->sync, &tables, &table_count, error);
    for (size_t t = 0; t < table_count && status == RHEI_OK; t++) {
        if (tables[t].state == SYNC_TABLE_READY)
            continue;
        if (!base_grow((void **)list, capacity, *count + 1, sizeof **list)) {
            status = error_no_memory(error);
            break;
        }
        struct sync_table_status *added = &(*list)[(*count)++];
        *added = tables[t];
        snprintf(added->name, sizeof added->name, "%.100s.%.150s", sidecar->settings->name, tables[t].name);
        bool by_reader = db->config.manual_sync && tables[t].state == SYNC_TABLE_WAITING;
        if (by_reader && added->message[0] == '\0')
            snprintf(added->message, sizeof added->message,
                     "a table of sidecar \"%.60s\", which is loaded when it is read", sidecar->settings->name);
        else if (tables[t].state == SYNC_TABLE_BUILDING && tables[t].message[0] != '\0')
            snprintf(added->message, sizeof added->message, "a table of sidecar \"%.60s\": %.160s",
                     sidecar->settings->name, tables[t].message);
        else if (added->message[0] == '\0')
            snprintf(added->message, sizeof added->message, "a table of sidecar \"%.60s\", which isn't loaded yet",
                     sidecar->settings->name);
    }
    base_free(tables);
    return status;
}

rhei_status engine_sidecars_tables(struct rhei_db *db, struct sync_table_status **tables, size_t *count,
                                   struct rhei_error *error)
{
    size_t capacity = 0;
    rhei_status status = RHEI_OK;
    *tables = NULL;
    *count = 0;
    engine_sidecars_look_once(db);
    for (size_t s = 0; s < count_of(db) && status == RHEI_OK; s++)
        status = add_tables(db, &db->sidecars->list[s], tables, count, &capacity, error);
    if (status != RHEI_OK) {
        base_free(*tables);
        *tables = NULL;
    }
    return status;
}

static void json_text(struct base_buffer *out, const char *name, const char *text)
{
    base_buffer_format(out, ", \"%s\": ", name);
    engine_json_text(out, text);
}

static void json_tables(struct base_buffer *out, const struct sidecar *sidecar)
{
    static const char *const states[] = {"waiting", "building", "ready", "failed", "unmirrored"};
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    base_buffer_text(out, ", \"tables\": [");
    if (sync_get_tables(sidecar->sync, &tables, &count, NULL) == RHEI_OK)
        for (size_t t = 0; t < count; t++) {
            base_buffer_text(out, t == 0 ? "{\"name\": " : ", {\"name\": ");
            engine_json_text(out, tables[t].name);
            base_buffer_format(out, ", \"state\": \"%s\", \"rows\": %" PRIu64, states[tables[t].state], tables[t].rows);
            json_text(out, "message", tables[t].message);
            base_buffer_text(out, "}");
        }
    base_free(tables);
    base_buffer_text(out, "]");
}

void engine_sidecars_json(struct base_buffer *out, struct rhei_db *db)
{
    if (db->sidecars == NULL)
        return;
    engine_sidecars_look_once(db);
    base_buffer_text(out, ",\n  \"sidecars\": [");
    for (size_t s = 0; s < db->sidecars->count; s++) {
        const struct sidecar *sidecar = &db->sidecars->list[s];
        struct rhei_sidecar_status shown;
        struct engine_sidecar at;
        struct sync_status status;
        sync_get_status(sidecar->sync, &status);
        engine_sidecar_at(db, s, &at);
        engine_sidecar_status(&at, &shown);
        base_buffer_text(out, s == 0 ? "{\"name\": " : ", {\"name\": ");
        engine_json_text(out, sidecar->settings->name);
        json_text(out, "source_type", shown.source_type);
        json_text(out, "mode", shown.mode);
        if (strcmp(shown.source_type, "sqlite") == 0) /* a server's says more than a place */
            json_text(out, "source_path", sidecar->settings->source_path);
        if (sidecar->settings->watermark_path != NULL)
            json_text(out, "watermark_path", sidecar->settings->watermark_path);
        base_buffer_format(out, ", \"running\": %s, \"away\": %s, \"away_ms\": %" PRId64,
                           status.running ? "true" : "false", shown.away ? "true" : "false", shown.away_us / 1000);
        json_text(out, "message", status.away_why[0] != '\0' ? status.away_why : shown.message);
        base_buffer_format(out,
                           ", \"position\": %" PRId64 ", \"age_ms\": %" PRId64 ", \"lag_ms\": %" PRId64
                           ", \"lag_bytes\": %" PRId64,
                           status.position, status.age_ns == INT64_MAX ? -1 : status.age_ns / 1000000,
                           shown.lag_us < 0 ? -1 : shown.lag_us / 1000, shown.lag_bytes);
        base_buffer_format(out,
                           ", \"cycles\": %" PRIu64 ", \"inserted\": %" PRIu64 ", \"updated\": %" PRIu64
                           ", \"deleted\": %" PRIu64 ", \"failures\": %" PRIu64,
                           status.cycles, status.inserted, status.updated, status.deleted, status.failures);
        json_text(out, "last_error", status.last_error);
        engine_sidecar_json(out, &at);
        json_tables(out, sidecar);
        if (engine_sidecar_disk_has(db, sidecar->settings))
            engine_sidecar_disk_json(out, &sidecar->disk);
        base_buffer_text(out, "}");
    }
    base_buffer_text(out, "]");
}
