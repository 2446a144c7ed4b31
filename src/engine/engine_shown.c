/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of other sources: who reads them for SQLite, and how long to wait until they are fresh. */
#include "engine/engine_shown.h"
#include "engine/engine_history.h"
#include "engine/engine_sidecar_disk.h"

#include <string.h>

#include "base/base_map.h"
#include "base/base_thread.h"
#include "mirror/mirror_table_reader.h"

struct shown_source {
    struct engine_source given;
    char *name;
    struct sync *sync; /* NULL: somebody else fills its tables */
    int64_t patience_ms;
    uint32_t bit;  /* source_bit_of_table of its tables */
    bool borrowed; /* it is the handle's own */
};

struct engine_shown {
    struct rhei_db *db;
    struct table_reader *reader;
    struct shown_source sources[2 * TABLE_SOURCES_MOST + 1]; /* and their histories */
    uint32_t count;
};

bool engine_rest(rhei_status (*check)(void *context), void *context, int64_t patience_ns)
{
    enum { REST_NS = 20000000 };
    atomic_uint never = 0;
    int64_t now = base_now_ns();
    if (now >= patience_ns || (check != NULL && check(context) != RHEI_OK))
        return false;
    base_word_wait(&never, 0, now + REST_NS < patience_ns ? now + REST_NS : patience_ns);
    return true;
}

rhei_status engine_say_late(const char *name, struct sync *sync, rhei_status status, const struct rhei_error *why,
                            bool there, struct rhei_error *error)
{
    struct sync_status known;
    char since[ENGINE_TIME_BYTES] = "";
    sync_get_status(sync, &known);
    bool away = known.away_ns > 0 && known.away_why[0] != '\0';
    if (away)
        engine_time_show((base_wall_ms() - known.away_ns / 1000000) * 1000, since);
    return error_set(error, status, "source \"%.60s\"%s%s: %s%s%s", name, away ? " is away since " : "", since,
                     away ? known.away_why : why->message,
                     status == RHEI_STALE ? "" : ", and the wait for it was ended",
                     there ? "; ask for less freshness to read what is there" : "");
}

/* A wait for one source. */
struct waiting {
    const struct table_freshness *freshness;
    const struct sync *sync;
    int64_t patience_ns; /* base_now_ns; what arrives is waited for beyond it */
};

static rhei_status may_wait(void *context)
{
    const struct waiting *waiting = context;
    const struct table_freshness *freshness = waiting->freshness;
    rhei_status status = freshness->check == NULL ? RHEI_OK : freshness->check(freshness->context);
    bool over = status == RHEI_OK && sync_is_asking(waiting->sync) && base_now_ns() >= waiting->patience_ns;
    return over ? RHEI_STALE : status;
}

static rhei_status wait_for(const struct shown_source *source, const struct table_freshness *freshness,
                            struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    if (source->given.fresh != NULL)
        status = source->given.fresh(source->given.context, freshness, error);
    if (status != RHEI_OK || source->sync == NULL)
        return status;
    struct rhei_error why = RHEI_ERROR_INIT;
    int64_t patience_ns = base_now_ns() + (source->given.patient ? source->patience_ms * 1000000 : 0);
    struct waiting waiting = {freshness, source->sync, source->given.patient ? patience_ns : INT64_MAX};
    const struct sync_stop stop = {may_wait, &waiting, NULL};
    do {
        error_clear(&why);
        status = freshness->most_age_ms > 0 ? sync_wait_bounded(source->sync, freshness->most_age_ms, 0, &stop, &why)
                                            : sync_wait_latest(source->sync, 0, &stop, &why);
    } while (status != RHEI_OK && source->given.patient && !sync_is_refused(source->sync) &&
             engine_rest(freshness->check, freshness->context, patience_ns));
    if (status == RHEI_OK)
        return RHEI_OK;
    rhei_status ended = freshness->check == NULL ? RHEI_OK : freshness->check(freshness->context);
    if (ended != RHEI_OK)
        status = ended;
    else if (source->given.patient)
        status = RHEI_STALE;
    return engine_say_late(source->name, source->sync, status, &why, true, error);
}

static bool is_named(const struct oltp_facts *facts, const char *source)
{
    for (uint32_t i = 0; i < facts->reference_count; i++)
        if (base_fold_compare(facts->references[i].schema, source) == 0)
            return true;
    return false;
}

/* For those that are asked for, so that one that is away fails nobody who doesn't read it. */
static rhei_status wait_for_asked(void *context, const struct table_freshness *freshness, struct rhei_error *error)
{
    const struct engine_shown *shown = context;
    rhei_status status = RHEI_OK;
    for (uint32_t s = 0; s < shown->count && status == RHEI_OK; s++)
        if ((freshness->sources & shown->sources[s].bit) != 0)
            status = wait_for(&shown->sources[s], freshness, error);
    return status;
}

static void mend(void *context)
{
    const struct engine_shown *shown = context;
    if (shown->db->sync != NULL)
        sync_mend(shown->db->sync);
    for (uint32_t s = 0; s < shown->count; s++)
        if (shown->sources[s].sync != NULL)
            sync_mend(shown->sources[s].sync);
}

static rhei_status shown_open(struct rhei_db *db, struct rhei_error *error)
{
    struct engine_shown *shown = base_alloc_zero(1, sizeof *shown);
    if (shown == NULL)
        return error_no_memory(error);
    shown->db = db;
    struct mirror_table_reader_config config = {
        .mirror = db->mirror, .fresh = wait_for_asked, .damaged = mend, .context = shown};
    rhei_status status = mirror_table_reader_open(&config, &shown->reader, error);
    if (status == RHEI_OK)
        status = oltp_show_tables(db->oltp, shown->reader, error);
    if (status != RHEI_OK) {
        mirror_table_reader_close(&shown->reader);
        base_free(shown);
        return status;
    }
    db->shown = shown;
    return RHEI_OK;
}

static bool keeps_every_history(void *context, const char *table)
{
    (void)context;
    return strncmp(table, "_rhei_", 6) != 0;
}

static rhei_status follow(struct rhei_db *db, const struct engine_source *source, struct sync **sync,
                          struct rhei_error *error)
{
    struct sync_config config = {.mirror = db->mirror,
                                 .source = source->changes,
                                 .source_number = source->number,
                                 .beside = db->sync,
                                 .batch_rows = db->config.sync_batch_rows,
                                 .interval_ms = db->config.sync_interval_ms,
                                 .build_threads = source->load_threads,
                                 .prune = true,
                                 .remote = source->remote,
                                 .keeps_history = source->histories != NULL ? keeps_every_history : NULL,
                                 .history_max_age_us = (int64_t)db->config.history_max_age_s * 1000000,
                                 .history_max_versions = db->config.history_max_versions,
                                 .build_on_demand = db->config.manual_sync,
                                 .no_verify = true, /* what is doubtful its own looks, or its stream, settle */
                                 .log = source->log != NULL ? source->log : &db->log,
                                 .fault = db->config.fault,
                                 .fault_context = db->config.fault_context};
    if (source->disk != NULL)
        engine_sidecar_disk_resume(source->disk, &config);
    rhei_status status = sync_open(&config, sync, error);
    if (status == RHEI_OK && !db->config.manual_sync)
        status = sync_start(*sync, error);
    if (status != RHEI_OK)
        sync_close(sync);
    return status;
}

/* Its name is taken by the reader, so its number is below TABLE_SOURCES_MOST and its own. */
static rhei_status add_source(struct rhei_db *db, const struct engine_source *source, struct rhei_error *error)
{
    struct shown_source *added = &db->shown->sources[db->shown->count];
    *added = (struct shown_source){.given = *source,
                                   .name = base_strdup(source->name),
                                   .patience_ms = db->config.busy_timeout_ms,
                                   .bit = source_bit_of_table((uint32_t)source->number << TABLE_SOURCE_SHIFT)};
    rhei_status status = added->name == NULL ? error_no_memory(error) : RHEI_OK;
    if (status == RHEI_OK && source->changes != NULL)
        status = follow(db, source, &added->sync, error);
    if (status != RHEI_OK) {
        base_free(added->name);
        return status;
    }
    if (source->sync != NULL)
        *source->sync = added->sync;
    db->shown->count++;
    return RHEI_OK;
}

uint32_t engine_shown_bits(const struct rhei_db *db, const struct oltp_facts *facts)
{
    uint32_t bits = facts->sources;
    for (uint32_t s = 0; engine_reads_shown(db, facts) && s < db->shown->count; s++)
        bits |= is_named(facts, db->shown->sources[s].name) ? db->shown->sources[s].bit : 0;
    return bits;
}

uint32_t engine_shown_next(const struct rhei_db *db, uint32_t sources, uint32_t at, const char **name, uint32_t *number)
{
    for (; db->shown != NULL && at < db->shown->count; at++) {
        const struct shown_source *source = &db->shown->sources[at];
        *name = source->name;
        *number = source->given.number;
        if ((sources & source->bit) != 0)
            return at + 1;
    }
    return 0;
}

int64_t engine_shown_fresh_at_ns(const struct rhei_db *db, uint32_t sources, int64_t now_ns)
{
    int64_t oldest = now_ns;
    for (uint32_t s = 0; db->shown != NULL && s < db->shown->count; s++) {
        const struct shown_source *source = &db->shown->sources[s];
        int64_t at = (sources & source->bit) == 0 ? now_ns : source->sync == NULL ? 0 : sync_fresh_at_ns(source->sync);
        oldest = at < oldest ? at : oldest;
    }
    return oldest;
}

/* The histories of a source, which its own cycles keep. */
static rhei_status show_histories(struct rhei_db *db, uint8_t number, const char *name, struct sync *sync,
                                  struct rhei_error *error)
{
    rhei_status status = mirror_table_reader_name(db->shown->reader, (uint8_t)(TABLE_HISTORY | number), name, error);
    if (status != RHEI_OK)
        return status;
    struct shown_source *added = &db->shown->sources[db->shown->count];
    *added = (struct shown_source){.given = {.name = name, .number = number},
                                   .name = base_strdup(name),
                                   .bit = source_bit_of_table((uint32_t)(TABLE_HISTORY | number) << TABLE_SOURCE_SHIFT),
                                   .sync = sync,
                                   .borrowed = true};
    if (added->name == NULL)
        return error_no_memory(error);
    db->shown->count++;
    return RHEI_OK;
}

rhei_status engine_show_source(struct rhei_db *db, const struct engine_source *source, struct rhei_error *error)
{
    if (db->mirror == NULL)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "tables of source \"%s\" live in the column store, and this handle keeps none", source->name);
    if (source->number == 0 || source->number >= TABLE_SOURCES_MOST)
        return error_set(error, RHEI_INVALID, "source \"%.60s\": a number from 1 to %d is needed", source->name,
                         TABLE_SOURCES_MOST - 1);
    rhei_status status = db->shown == NULL ? shown_open(db, error) : RHEI_OK;
    if (status == RHEI_OK)
        status = mirror_table_reader_name(db->shown->reader, source->number, source->name, error);
    if (status == RHEI_OK)
        status = add_source(db, source, error);
    if (status != RHEI_OK || source->histories == NULL)
        return status;
    return show_histories(db, source->number, source->histories, db->shown->sources[db->shown->count - 1].sync, error);
}

rhei_status engine_show_history(struct rhei_db *db, struct rhei_error *error)
{
    rhei_status status = db->shown == NULL ? shown_open(db, error) : RHEI_OK;
    return status == RHEI_OK ? show_histories(db, 0, ENGINE_HISTORY, db->sync, error) : status;
}

void engine_shown_stop(struct rhei_db *db)
{
    for (uint32_t s = 0; db->shown != NULL && s < db->shown->count; s++)
        if (!db->shown->sources[s].borrowed)
            sync_close(&db->shown->sources[s].sync);
}

void engine_shown_close(struct rhei_db *db)
{
    if (db->shown == NULL)
        return;
    mirror_table_reader_close(&db->shown->reader);
    for (uint32_t s = 0; s < db->shown->count; s++)
        base_free(db->shown->sources[s].name);
    base_free(db->shown);
    db->shown = NULL;
}

int64_t engine_most_age_ms(const struct engine_ask *ask)
{
    switch (ask->freshness.mode) {
    case RHEI_FRESHNESS_EVENTUAL:
        return -1;
    case RHEI_FRESHNESS_BOUNDED:
        return ask->freshness.max_age_ms;
    default:
        return 0;
    }
}

bool engine_reads_shown(const struct rhei_db *db, const struct oltp_facts *facts)
{
    return db->shown != NULL && facts->reads_elsewhere;
}

rhei_status engine_wait_shown(struct rhei_db *db, const struct oltp_facts *facts, int64_t most_age_ms,
                              const struct engine_limits *limits, struct rhei_error *error)
{
    if (!engine_reads_shown(db, facts) || most_age_ms < 0)
        return RHEI_OK;
    struct table_freshness freshness = {most_age_ms, engine_limits_check, (void *)(uintptr_t)limits,
                                        engine_shown_bits(db, facts)};
    return wait_for_asked(db->shown, &freshness, error);
}

const struct oltp_stop *engine_elsewhere(struct engine_elsewhere *elsewhere, struct rhei_db *db,
                                         struct engine_limits *limits, int64_t most_age_ms)
{
    *elsewhere = (struct engine_elsewhere){.db = db, .limits = limits};
    const struct oltp_stop *given = engine_stop(limits, &elsewhere->stop);
    if (db->shown == NULL)
        return given;
    elsewhere->stop.read = &elsewhere->read;
    if (most_age_ms < 0)
        return &elsewhere->stop;
    elsewhere->stop.most_age_ms = most_age_ms;
    elsewhere->stop.elsewhere = &elsewhere->sources;
    return &elsewhere->stop;
}

/*
 * What stays pinned through a transaction is read by statements that nobody knows yet, so whoever can be had is; those who can't, fail them
 * alone. Who is known to be away isn't asked: he may take his time to say so, and the transaction has the writer.
 */
static void wait_for_rest(struct engine_elsewhere *elsewhere, struct table_freshness *freshness)
{
    for (uint32_t s = 0; s < elsewhere->db->shown->count; s++) {
        const struct shown_source *source = &elsewhere->db->shown->sources[s];
        bool away = source->sync != NULL && !source->borrowed && sync_is_away(source->sync);
        freshness->sources = source->bit & ~elsewhere->sources.waited;
        if (freshness->sources != 0 && !away && wait_for_asked(elsewhere->db->shown, freshness, NULL) == RHEI_OK)
            elsewhere->sources.waited |= freshness->sources;
    }
}

/*
 * A wait that the call's own limits ended isn't the last word: run anew, the statement is ended by them at once, with all that a time-out
 * means for a session's transaction.
 */
bool engine_elsewhere_again(struct engine_elsewhere *elsewhere, rhei_status *status, struct rhei_error *error)
{
    uint32_t wanted = elsewhere->sources.wanted;
    if (*status != RHEI_OK)
        elsewhere->read.sources = 0; /* it was taken back */
    if (*status != RHEI_STALE || wanted == 0)
        return false;
    struct table_freshness freshness = {elsewhere->stop.most_age_ms, engine_limits_check, elsewhere->limits, wanted};
    error_clear(error);
    elsewhere->sources.wanted = 0;
    *status = wait_for_asked(elsewhere->db->shown, &freshness, error);
    if (*status == RHEI_OK) {
        elsewhere->sources.waited |= wanted;
        if (elsewhere->in_session)
            wait_for_rest(elsewhere, &freshness);
        return true;
    }
    if (engine_limits_check(elsewhere->limits) == RHEI_OK)
        return false;
    error_clear(error);
    return true;
}
