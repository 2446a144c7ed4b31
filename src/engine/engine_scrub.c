/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scrub: every table is compared with its mirror, piece by piece, over and over, and what differs is mended as rhei_repair does.
 *
 *   1. A step is a piece of one table. It pins both sides as any comparison does, and holds nothing when it is over: SQLite's write-ahead log and the
 *      change log wait for a fraction of a second at most (a table whose key's order only SQLite knows is one piece).
 *   2. Between two steps it rests: nine times as long as the step took, or until `scrub_rate` lets it go on.
 *   3. A step that is ended, or can't be made now, is made again; after some failures its table is left to the next round.
 *   4. What can't be mended row by row is built again, by whoever runs the steps.
 *
 * Steps run on one thread, the builder's of sync; what others look at is under `lock`, a leaf.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine_compare_parts.h"
#include "engine/engine_scrub.h"

enum {
    REST_TIMES = 9,        /* so many times as long as a step took */
    AGAIN_NS = 1000000000, /* after a step that failed */
    FAILURES_MOST = 5,     /* of one piece, in a row */
};

struct engine_scrub {
    struct engine_comparison comparison;
    struct engine_mended mended; /* of the table at hand */
    uint32_t table;              /* its number; or the least that the next one may have */
    bool within;                 /* it was begun */
    unsigned failures;
    uint64_t round_tables, round_rows;
    int64_t round_began_ns; /* 0: none is under way */

    base_mutex lock;
    struct engine_scrub_status status;
};

rhei_status engine_scrub_open(struct rhei_db *db, struct sync_config *sync, struct rhei_error *error)
{
    struct engine_scrub *scrub = db->scrub = base_alloc_zero(1, sizeof *scrub);
    if (scrub == NULL)
        return error_no_memory(error);
    base_mutex_init(&scrub->lock);
    sync->scrub = engine_scrub_step;
    sync->scrub_context = db;
    return RHEI_OK;
}

void engine_scrub_close(struct rhei_db *db)
{
    struct engine_scrub *scrub = db->scrub;
    db->scrub = NULL;
    if (scrub == NULL)
        return;
    engine_comparison_reset(&scrub->comparison);
    base_mutex_destroy(&scrub->lock);
    base_free(scrub);
}

void engine_scrub_get(struct rhei_db *db, struct engine_scrub_status *status)
{
    *status = (struct engine_scrub_status){.table = ""};
    if (db->scrub == NULL)
        return;
    base_mutex_lock(&db->scrub->lock);
    *status = db->scrub->status;
    base_mutex_unlock(&db->scrub->lock);
}

void engine_scrub_json(struct base_buffer *out, struct rhei_db *db)
{
    struct engine_scrub_status status;
    if (db->config.scrub_interval_s == 0)
        return;
    engine_scrub_get(db, &status);
    base_buffer_format(out,
                       ",\n  \"scrub\": {\"rounds\": %" PRIu64 ", \"rows\": %" PRIu64 ", \"mended_rows\": %" PRIu64
                       ", \"rebuilt\": %" PRIu64 ", \"table\": ",
                       status.rounds, status.rows, status.mended_rows, status.rebuilt);
    if (status.table[0] != '\0')
        engine_json_text(out, status.table);
    else
        base_buffer_text(out, "null");
    base_buffer_format(out, ", \"table_rows\": %" PRIu64 "}", status.table_rows);
}

/* ---- Which table. ------------------------------------------------------------------------------------------------ */

/* The mirrored table with the least number that isn't below; NULL: there is none. */
static const struct source_table *find_table(const struct capture_catalog *catalog, uint32_t least)
{
    const struct source_table *found = NULL;
    for (uint32_t t = 0; t < catalog->table_count; t++) {
        const struct capture_table *table = &catalog->tables[t];
        if (table->captured && table->schema == NULL && table->source.id >= least &&
            (found == NULL || table->source.id < found->id))
            found = &table->source;
    }
    return found;
}

static void begin_table(struct rhei_db *db, const struct source_table *table)
{
    struct engine_scrub *scrub = db->scrub;
    if (scrub->within && table->id == scrub->table)
        return;
    engine_comparison_reset(&scrub->comparison);
    engine_comparison_begin(&scrub->comparison, db, table, engine_piece_rows(db->config.scrub_rate));
    scrub->mended = (struct engine_mended){0};
    scrub->table = table->id;
    scrub->within = true;
    scrub->failures = 0;
    base_mutex_lock(&scrub->lock);
    (void)snprintf(scrub->status.table, sizeof scrub->status.table, "%s", table->name);
    scrub->status.table_rows = 0;
    base_mutex_unlock(&scrub->lock);
}

static void end_table(struct engine_scrub *scrub, bool compared)
{
    engine_comparison_reset(&scrub->comparison);
    scrub->table++;
    scrub->within = false;
    scrub->round_tables += compared;
}

static void end_round(struct rhei_db *db, struct sync_scrubbed *done)
{
    struct engine_scrub *scrub = db->scrub;
    if (scrub->within) /* its table is gone */
        end_table(scrub, false);
    base_log_write(&db->log, BASE_LOG_INFO, "engine",
                   "the scrub compared %" PRIu64 " tables, %" PRIu64 " rows, with their mirrors in %" PRId64 " ms",
                   scrub->round_tables, scrub->round_rows, (base_now_ns() - scrub->round_began_ns) / 1000000);
    scrub->table = 0;
    scrub->round_tables = scrub->round_rows = 0;
    scrub->round_began_ns = 0;
    base_mutex_lock(&scrub->lock);
    scrub->status.table[0] = '\0';
    scrub->status.table_rows = 0;
    scrub->status.rounds++;
    base_mutex_unlock(&scrub->lock);
    done->round = true;
}

/* ---- One step. --------------------------------------------------------------------------------------------------- */

/* The piece at hand came out so. */
static void judge(struct rhei_db *db, const struct source_table *table, rhei_status status, bool more,
                  struct sync_scrubbed *done, const struct rhei_error *why)
{
    struct engine_scrub *scrub = db->scrub;
    if (status == RHEI_CANCELLED || status == RHEI_CLOSED) /* 3. */
        return;
    if (status == RHEI_OK) {
        scrub->failures = 0;
        if (!more)
            end_table(scrub, true);
        return;
    }
    if (status == RHEI_STALE) { /* 4. */
        done->differs = true;
        done->table = table->id;
        base_log_write(&db->log, BASE_LOG_WARN, "engine", "the scrub: %s", why->message);
        end_table(scrub, true);
    } else if (status == RHEI_OLAP_UNAVAILABLE) { /* it is being built, or failed */
        end_table(scrub, false);
    } else if (++scrub->failures < FAILURES_MOST) {
        done->next_ns = base_now_ns() + AGAIN_NS;
    } else {
        base_log_write(&db->log, BASE_LOG_WARN, "engine", "the scrub leaves table \"%s\" to the next round: %s",
                       table->name, why->message);
        end_table(scrub, false);
    }
}

static void count(struct rhei_db *db, const struct source_table *table, uint64_t rows,
                  const struct engine_mended *before, struct sync_scrubbed *done)
{
    struct engine_scrub *scrub = db->scrub;
    uint64_t mended = scrub->mended.rows - before->rows;
    scrub->round_rows += rows;
    if (mended > 0 && !done->differs) {
        base_log_write(&db->log, BASE_LOG_WARN, "engine",
                       "table \"%s\" and its mirror differed, for a reason that no commit told: %" PRIu64
                       " of its rows were taken again",
                       table->name, mended);
        done->mended = before->rows == 0;
    }
    base_mutex_lock(&scrub->lock);
    scrub->status.rows += rows;
    scrub->status.table_rows += rows;
    scrub->status.mended_rows += mended;
    scrub->status.rebuilt += done->differs;
    base_mutex_unlock(&scrub->lock);
}

/* 2. */
static int64_t rest_ns(const struct rhei_db *db, uint64_t rows, int64_t took_ns)
{
    if (db->config.scrub_rate == 0)
        return took_ns * REST_TIMES;
    int64_t due_ns = (int64_t)((double)rows / (double)db->config.scrub_rate * 1e9);
    return due_ns > took_ns ? due_ns - took_ns : 0;
}

static void compare_piece(struct rhei_db *db, const struct source_table *table, const struct sync_stop *stop,
                          struct sync_scrubbed *done)
{
    struct engine_scrub *scrub = db->scrub;
    struct engine_limits limits = {.deadline_ns = INT64_MAX, .within = stop};
    struct engine_pace pace;
    struct rhei_error why = RHEI_ERROR_INIT;
    int64_t began_ns = base_now_ns();
    uint64_t rows = 0;
    bool more = false;
    begin_table(db, table);
    const struct engine_mended before = scrub->mended;
    engine_pace_begin(&pace, &limits);
    rhei_status status =
        engine_comparison_next(&scrub->comparison, db, table, &pace, &scrub->mended, &rows, &more, &why);
    done->next_ns = 0;
    judge(db, table, status, more, done, &why);
    count(db, table, rows, &before, done);
    int64_t now_ns = base_now_ns();
    int64_t next_ns = now_ns + rest_ns(db, rows, now_ns - began_ns);
    if (done->next_ns < next_ns)
        done->next_ns = next_ns;
}

void engine_scrub_step(void *context, const struct sync_stop *stop, struct sync_scrubbed *done)
{
    struct rhei_db *db = context;
    struct engine_scrub *scrub = db->scrub;
    const struct capture_catalog *catalog = NULL;
    done->next_ns = base_now_ns() + AGAIN_NS;
    if (capture_catalog_take(db->oltp, &catalog, NULL) != RHEI_OK)
        return;
    if (scrub->round_began_ns == 0)
        scrub->round_began_ns = base_now_ns();
    const struct source_table *table = find_table(catalog, scrub->table);
    if (table == NULL)
        end_round(db, done);
    else
        compare_piece(db, table, stop, done);
    capture_catalog_release(&catalog);
}
