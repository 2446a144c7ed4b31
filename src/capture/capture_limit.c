/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change log's limits: rows, bytes, age, and what happens at one of them (docs/design/log-limits.md, whose L1 to L9 these are).
 * Owner thread: the maintenance, which takes the writer to cut; only what is told of it is anybody's.
 */
#include "capture/capture_limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_bridge.h"
#include "capture/capture_folder.h"
#include "capture/capture_meter.h"
#include "capture/capture_source.h"

enum {
    LIMIT_PATIENCE_NS = 1000 * 1000 * 1000, /* L3, and between two looks at a log that is over its limit */
    LIMIT_STATUS_ROWS = 50000,              /* that a status measures at most */
    LIMIT_ROUNDS = 100,                     /* of a cut: each takes millions of rows */
};
#define LIMIT_WARN_NS INT64_C(60000000000)

enum limit_kind { LIMIT_ROWS = 1, LIMIT_BYTES = 2, LIMIT_AGE = 4, LIMIT_BUFFER = 8 };

struct limit_size {
    int64_t first, last;
    uint64_t rows, bytes;
    int64_t age_ms;
};

struct capture_limit {
    struct capture_meter *meter;
    /* the maintenance's */
    int64_t over_since_ns, warn_ns; /* 0: it isn't over its limits; nothing was said of it */
    struct limit_size over;         /* what it had when it was found over them */
    bool was_below;                 /* in this handle's life */
    bool warned;
    unsigned door; /* oltp->log_full before the last measurement */

    atomic_uint_fast64_t cut; /* changes that went before everybody had them */
    atomic_bool buffer_over;  /* the buffer beside the log is, */
    base_mutex lock;          /* which guards */
    char buffer[200];         /* what of it */
};

rhei_status capture_limit_open(struct oltp *oltp, struct rhei_error *error)
{
    struct capture_limit *limit = base_alloc_zero(1, sizeof *limit);
    if (limit == NULL)
        return error_no_memory(error);
    base_mutex_init(&limit->lock);
    capture_of(oltp)->limit = limit;
    limit->meter = capture_meter_new(oltp);
    return limit->meter == NULL ? error_no_memory(error) : RHEI_OK;
}

void capture_limit_close(struct oltp *oltp)
{
    struct capture_limit *limit = capture_of(oltp)->limit;
    if (limit == NULL)
        return;
    capture_of(oltp)->limit = NULL;
    capture_meter_free(&limit->meter);
    base_mutex_destroy(&limit->lock);
    base_free(limit);
}

/* ---- Measuring. -------------------------------------------------------------------------------------------------- */

/* With describe_lock: one row's age. */
static rhei_status limit_age_of(struct oltp *oltp, int64_t seq, int64_t *age_ms, struct rhei_error *error)
{
    char sql[160];
    (void)snprintf(
        sql, sizeof sql,
        "SELECT CAST((" CAPTURE_NOW " - time) * 86400000 AS INTEGER) FROM main." OLTP_LOG " WHERE seq = %" PRId64, seq);
    rhei_status status = oltp_query_int(oltp->describer, sql, 0, age_ms, error);
    *age_ms = *age_ms < 0 ? 0 : *age_ms; /* clocks are set */
    return status;
}

static rhei_status limit_bounds(struct oltp *oltp, bool age, struct limit_size *size, struct rhei_error *error)
{
    *size = (struct limit_size){0};
    base_mutex_lock(&oltp->describe_lock);
    rhei_status status = RHEI_OK;
    if (capture_schema_has_log(oltp)) {
        status = oltp_query_int(oltp->describer, "SELECT max(seq) FROM main." OLTP_LOG, 0, &size->last, error);
        if (status == RHEI_OK)
            status = oltp_query_int(oltp->describer, "SELECT min(seq) FROM main." OLTP_LOG, 0, &size->first, error);
    }
    size->rows = size->last == 0 || size->last < size->first ? 0 : (uint64_t)(size->last - size->first + 1);
    if (status == RHEI_OK && age && size->rows > 1) /* the oldest one may only be an engine's mark */
        status = limit_age_of(oltp, size->first + 1, &size->age_ms, error);
    base_mutex_unlock(&oltp->describe_lock);
    return status;
}

static rhei_status limit_measure(struct oltp *oltp, struct limit_size *size, struct rhei_error *error)
{
    const struct oltp_config *config = &oltp->config;
    capture_of(oltp)->limit->door = atomic_load(&oltp->log_full); /* before it is measured: see oltp_log_open */
    rhei_status status = limit_bounds(oltp, config->log_limit_age_ms != 0, size, error);
    if (status == RHEI_OK && config->log_limit_bytes != 0 && size->last <= CAPTURE_LOG_SEQ_MAX)
        status = capture_meter_measure(capture_of(oltp)->limit->meter, size->first, size->last, UINT64_MAX,
                                       &size->bytes, error);
    atomic_store_explicit(&oltp->log_first, size->first, memory_order_relaxed);
    return status;
}

/* Which limits are passed, as bits; `times` as far. */
static unsigned limit_passed(const struct oltp *oltp, const struct limit_size *size, uint64_t times)
{
    const struct oltp_config *config = &oltp->config;
    unsigned passed = atomic_load(&capture_of(oltp)->limit->buffer_over) ? LIMIT_BUFFER : 0;
    if (size->rows < 2) /* which is never cut (P1) */
        return passed;
    if (size->rows / times > config->log_limit_rows)
        passed |= LIMIT_ROWS;
    if (config->log_limit_bytes != 0 && size->bytes / times > config->log_limit_bytes)
        passed |= LIMIT_BYTES;
    if (config->log_limit_age_ms != 0 && times == 1 && (uint64_t)size->age_ms > config->log_limit_age_ms)
        passed |= LIMIT_AGE;
    return passed;
}

/* L3: as much again as a limit came since it was passed. The transaction that passed it, however big, isn't counted. */
static bool limit_runs_away(const struct oltp *oltp, const struct limit_size *size)
{
    const struct oltp_config *config = &oltp->config;
    const struct limit_size *over = &capture_of(oltp)->limit->over;
    return (size->last > over->last && (uint64_t)(size->last - over->last) > config->log_limit_rows) ||
           (config->log_limit_bytes != 0 && size->bytes > over->bytes &&
            size->bytes - over->bytes > config->log_limit_bytes);
}

/* What was found over a limit is gone since, or of its rows as many as the limit allows are left: so the log was below in between, and passed it anew. */
static bool limit_passed_anew(const struct oltp *oltp, const struct limit_size *size, unsigned passed)
{
    int64_t left = capture_of(oltp)->limit->over.last - size->first;
    return left <= 0 || (passed == LIMIT_ROWS && (uint64_t)left < oltp->config.log_limit_rows);
}

/* The last row that is too old: rows are as old as their numbers are low. */
static rhei_status limit_cut_age(struct oltp *oltp, const struct limit_size *size, int64_t *to,
                                 struct rhei_error *error)
{
    int64_t low = size->first, high = size->last - 1;
    rhei_status status = RHEI_OK;
    base_mutex_lock(&oltp->describe_lock);
    while (low < high && status == RHEI_OK) {
        int64_t middle = low + (high - low + 1) / 2, age_ms = 0;
        status = limit_age_of(oltp, middle, &age_ms, error);
        if ((uint64_t)age_ms > oltp->config.log_limit_age_ms)
            low = middle;
        else
            high = middle - 1;
    }
    base_mutex_unlock(&oltp->describe_lock);
    *to = low;
    return status;
}

/* The last row that has to go for what is left to be within all limits. */
static rhei_status limit_cut(struct oltp *oltp, const struct limit_size *size, unsigned passed, int64_t *to,
                             struct rhei_error *error)
{
    int64_t by_bytes = 0, by_age = 0;
    rhei_status status = RHEI_OK;
    *to = (passed & LIMIT_ROWS) != 0 ? size->last - (int64_t)oltp->config.log_limit_rows : 0;
    if ((passed & LIMIT_BYTES) != 0)
        by_bytes =
            capture_meter_cut(capture_of(oltp)->limit->meter, size->first, size->last, oltp->config.log_limit_bytes);
    if ((passed & LIMIT_AGE) != 0)
        status = limit_cut_age(oltp, size, &by_age, error);
    *to = by_bytes > *to ? by_bytes : *to;
    *to = by_age > *to ? by_age : *to;
    *to = *to < size->last ? *to : size->last - 1;
    return status;
}

/* ---- Who is behind. ---------------------------------------------------------------------------------------------- */

/* The handle's own column store needs the log, or will. */
static bool limit_follows(const struct oltp *oltp)
{
    const struct capture_state *capture = capture_of(oltp);
    bool active = oltp->config.follows || atomic_load(&capture->engine_active);
    return active && (!oltp->config.rests || atomic_load_explicit(&capture->engine_reads, memory_order_relaxed));
}

struct limit_holder {
    char name[400]; /* "": nobody that is alive */
    int64_t position;
};

static void limit_holder(struct oltp *oltp, struct limit_holder *holder)
{
    int64_t now = base_wall_ms(), own = capture_of(oltp)->engine_id;
    sqlite3_stmt *stmt = NULL;
    *holder = (struct limit_holder){.position = INT64_MAX};
    base_mutex_lock(&oltp->describe_lock);
    int rc = sqlite3_prepare_v2(
        oltp->describer->db,
        "SELECT CASE WHEN name = '" CAPTURE_BRIDGE "' THEN 'the change buffer' WHEN " CAPTURE_IS_FOLDER
        " THEN 'the folder \"' || " CAPTURE_FOLDER_PATH
        " || '\" (olap_path)' ELSE 'the consumer \"' || name || '\"' END, "
        "position "
        "FROM main._rhei_consumers WHERE ?1 < seen_ms + keep_ms AND name <> ?4 UNION ALL SELECT 'the column store of "
        "another handle', "
        "position FROM main._rhei_engines WHERE id <> ?2 AND seen_ms BETWEEN ?1 - ?3 AND ?1 + ?3 AND NOT "
        "_rhei_gone(id) ORDER BY 2 LIMIT 1",
        -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, now);
        sqlite3_bind_int64(stmt, 2, own);
        sqlite3_bind_int64(stmt, 3, CAPTURE_ENGINE_LIFE_MS);
        sqlite3_bind_text(stmt, 4, capture_folder_name(oltp), -1, SQLITE_STATIC);
    }
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        (void)snprintf(holder->name, sizeof holder->name, "%.390s", (const char *)sqlite3_column_text(stmt, 0));
        holder->position = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_finalize(stmt);
    base_mutex_unlock(&oltp->describe_lock);
    int64_t applied = atomic_load_explicit(&capture_of(oltp)->engine_position, memory_order_relaxed);
    int64_t asked = atomic_load_explicit(&capture_of(oltp)->asked, memory_order_relaxed);
    applied = applied > asked ? applied : asked;
    if (atomic_load(&capture_of(oltp)->engine_active) && limit_follows(oltp) && applied < holder->position) {
        (void)snprintf(holder->name, sizeof holder->name, "the column store of this handle");
        holder->position = applied;
    }
}

/* ---- What is said. ----------------------------------------------------------------------------------------------- */

static void limit_describe(const struct oltp *oltp, const struct limit_size *size, unsigned passed,
                           const struct limit_holder *holder, struct base_buffer *text)
{
    const struct oltp_config *config = &oltp->config;
    const char *more = "the change log has ";
    if ((passed & LIMIT_ROWS) != 0) {
        base_buffer_format(text, "%s%" PRIu64 " rows, more than log_limit_rows (%" PRIu64 ")", more, size->rows,
                           config->log_limit_rows);
        more = ", ";
    }
    if ((passed & LIMIT_BYTES) != 0) {
        base_buffer_format(text, "%s%" PRIu64 " bytes, more than log_limit_bytes (%" PRIu64 ")", more, size->bytes,
                           config->log_limit_bytes);
        more = ", ";
    }
    if ((passed & LIMIT_AGE) != 0)
        base_buffer_format(text, "%srows that are %" PRId64 " s old, older than log_limit_age (%" PRIu64 " s)", more,
                           size->age_ms / 1000, config->log_limit_age_ms / 1000);
    if ((passed & LIMIT_BUFFER) != 0) {
        struct capture_limit *limit = capture_of(oltp)->limit;
        base_mutex_lock(&limit->lock);
        base_buffer_format(text, "%s%s", text->len == 0 ? "" : ", ", limit->buffer);
        base_mutex_unlock(&limit->lock);
    }
    if (holder->name[0] != '\0' && holder->position < size->last)
        base_buffer_format(text, "; %s is %" PRId64 " changes behind", holder->name, size->last - holder->position);
    else if ((passed & LIMIT_BUFFER) == 0)
        base_buffer_text(text, "; nobody that is alive needs them");
}

void capture_bridge_limited(struct oltp *oltp, const char *text)
{
    struct capture_limit *limit = capture_of(oltp)->limit;
    base_mutex_lock(&limit->lock);
    (void)snprintf(limit->buffer, sizeof limit->buffer, "%s", text == NULL ? "" : text);
    base_mutex_unlock(&limit->lock);
    if (atomic_exchange(&limit->buffer_over, text != NULL) != (text != NULL))
        oltp_limit_due(oltp);
}

static void limit_warn(struct oltp *oltp, const char *what, const char *message)
{
    struct capture_limit *limit = capture_of(oltp)->limit;
    int64_t now = base_now_ns();
    if (limit->warn_ns != 0 && now < limit->warn_ns)
        return;
    limit->warn_ns = now + LIMIT_WARN_NS;
    limit->warned = true;
    base_log_write(oltp->config.log, BASE_LOG_WARN, "capture", "%s: %s", message, what);
}

/* ---- What is done. ----------------------------------------------------------------------------------------------- */

/* L2: up to `to`, what nobody needs. */
static rhei_status limit_take_needless(struct oltp *oltp, int64_t to, struct rhei_error *error)
{
    uint64_t pruned = 0;
    int64_t own =
        limit_follows(oltp) ? atomic_load_explicit(&capture_of(oltp)->asked, memory_order_relaxed) : INT64_MAX;
    to = own < to ? own : to + 1; /* the row at a position stays */
    rhei_status status = RHEI_OK;
    if (to > 0 && oltp->config.log_limit_policy == OLTP_LOG_BLOCK) /* else it is for the cut, which has patience */
        status = capture_folder_pass(oltp, to, true, error);
    if (status != RHEI_OK)
        return status;
    return to > 0 ? capture_prune_run(oltp, to, false, &pruned, error) : RHEI_OK;
}

/* L4 */
static rhei_status limit_detach(struct oltp *oltp, struct limit_size *size, unsigned *passed, struct rhei_error *error)
{
    struct limit_holder holder;
    struct base_buffer text = {0};
    uint64_t cut = 0;
    limit_holder(oltp, &holder);
    limit_describe(oltp, size, *passed, &holder, &text);
    rhei_status status = RHEI_OK;
    bool more = true, needed = false;
    for (int i = 0; i < LIMIT_ROUNDS && more && status == RHEI_OK && !atomic_load(&oltp->upkeep_ends); i++) {
        int64_t to = 0;
        uint64_t pruned = 0;
        status = limit_cut(oltp, size, *passed, &to, error);
        oltp_fault(oltp, "capture.limit");
        if (status == RHEI_OK)
            status = capture_prune_run(oltp, to, true, &pruned, error);
        needed = needed || (pruned > 0 && holder.position < to);
        cut += needed ? pruned : 0;
        if (status == RHEI_OK && pruned > 0)
            status = capture_folder_pass(oltp, to + 1, false, error);
        if (status == RHEI_OK)
            status = limit_measure(oltp, size, error);
        *passed = limit_passed(oltp, size, 1);
        more = *passed != 0 && pruned > 0;
    }
    atomic_fetch_add_explicit(&capture_of(oltp)->limit->cut, cut, memory_order_relaxed);
    if (needed)
        limit_warn(
            oltp,
            "its oldest changes were dropped (log_limit_policy is detach), and who still needed them begins anew: a "
            "column store builds its tables, a consumer is told \"lost\"",
            text.failed ? "the change log passed a limit" : text.data);
    base_buffer_reset(&text);
    return status;
}

/* When to look again. */
static void limit_plan(struct oltp *oltp, const struct limit_size *size, unsigned passed)
{
    const struct oltp_config *config = &oltp->config;
    bool over = passed != 0, cuts = config->log_limit_policy == OLTP_LOG_DETACH;
    int64_t rows = config->log_limit_rows < INT64_MAX / 4 ? (int64_t)config->log_limit_rows : INT64_MAX / 4;
    const struct limit_size *passing = &capture_of(oltp)->limit->over;
    int64_t at = !over ? size->first + rows : cuts ? passing->last + rows + 1 : INT64_MAX;
    if (config->log_limit_age_ms != 0 && size->rows < 2) /* the next commit begins to age */
        at = size->last + 1;
    uint64_t written = atomic_load_explicit(&oltp->log_written, memory_order_relaxed), pages = UINT64_MAX;
    if (config->log_limit_bytes != 0 && !(over && !cuts)) {
        uint64_t room = config->log_limit_bytes + (over ? passing->bytes : 0);
        room = room > size->bytes ? room - size->bytes : 0;
        pages = written + room / (uint64_t)oltp->page_size + 1;
    }
    atomic_store_explicit(&oltp->log_look_at, at, memory_order_relaxed);
    atomic_store_explicit(&oltp->log_look_written, pages, memory_order_relaxed);
    if (over)
        oltp_upkeep_later(oltp, base_now_ns() + LIMIT_PATIENCE_NS);
    else if (config->log_limit_age_ms != 0 && size->rows > 1)
        oltp_upkeep_later(oltp,
                          base_now_ns() + ((int64_t)config->log_limit_age_ms - size->age_ms + 1) * INT64_C(1000000));
}

/* It is over its limit, and not to be cut, or not yet. */
static void limit_bear(struct oltp *oltp, const struct limit_size *size, unsigned passed)
{
    enum oltp_log_policy policy = oltp->config.log_limit_policy;
    struct limit_holder holder;
    struct base_buffer text = {0};
    if (policy == OLTP_LOG_DETACH || base_now_ns() - capture_of(oltp)->limit->over_since_ns < LIMIT_PATIENCE_NS)
        return;
    limit_holder(oltp, &holder);
    limit_describe(oltp, size, passed, &holder, &text);
    limit_warn(oltp,
               policy == OLTP_LOG_GROW ? "it grows (log_limit_policy is grow)"
                                       : "writes through this handle that would add to it are refused until there is "
                                         "room (log_limit_policy is block)",
               text.failed ? "the change log passed a limit" : text.data);
    base_buffer_reset(&text);
}

static void limit_settle(struct oltp *oltp, const struct limit_size *size, unsigned passed)
{
    struct capture_limit *limit = capture_of(oltp)->limit;
    if (passed != 0) {
        limit_bear(oltp, size, passed);
    } else {
        if (limit->warned && oltp->config.log_limit_policy != OLTP_LOG_DETACH)
            base_log_write(oltp->config.log, BASE_LOG_INFO, "capture", "the change log is within its limits again");
        limit->warned = limit->warned && oltp->config.log_limit_policy == OLTP_LOG_DETACH;
        limit->warn_ns = limit->warned ? limit->warn_ns : 0;
        limit->over_since_ns = 0;
        limit->was_below = true;
    }
    limit_plan(oltp, size, passed);
    if (oltp->config.log_limit_policy == OLTP_LOG_BLOCK) {
        if (passed == 0)
            oltp_log_open(oltp, capture_of(oltp)->limit->door);
        else if (!oltp_log_is_full(oltp))
            oltp_log_close(oltp);
        /* what was committed since it was measured; a commit that comes now sees the number to look at */
        if (passed == 0 && atomic_load(&oltp->position) >= atomic_load(&oltp->log_look_at))
            oltp_limit_due(oltp);
    }
}

rhei_status capture_log_limit(struct oltp *oltp, struct rhei_error *error)
{
    struct capture_limit *limit = capture_of(oltp)->limit;
    struct limit_size size = {0};
    rhei_status status = limit_measure(oltp, &size, error);
    if (status == RHEI_OK && size.last > CAPTURE_LOG_SEQ_MAX)
        return capture_prune_mend(oltp, error);
    if (status != RHEI_OK || !oltp_captures(oltp))
        return status;
    unsigned passed = limit_passed(oltp, &size, 1);
    if (passed != 0 && (limit->over_since_ns == 0 || limit_passed_anew(oltp, &size, passed))) {
        limit->over_since_ns = base_now_ns();
        limit->over = size;
    }
    if ((passed & ~(unsigned)LIMIT_BUFFER) != 0 && oltp->config.log_limit_policy != OLTP_LOG_GROW) {
        int64_t to = 0;
        status = limit_cut(oltp, &size, passed, &to, error);
        if (status == RHEI_OK)
            status = limit_take_needless(oltp, to, error);
        if (status == RHEI_OK)
            status = limit_measure(oltp, &size, error);
        passed = limit_passed(oltp, &size, 1);
    }
    bool patient = passed == 0 || (base_now_ns() - limit->over_since_ns < LIMIT_PATIENCE_NS &&
                                   !(limit->was_below && limit_runs_away(oltp, &size)));
    if (status == RHEI_OK && !patient && oltp->config.log_limit_policy == OLTP_LOG_DETACH)
        status = limit_detach(oltp, &size, &passed, error);
    limit_settle(oltp, &size, passed); /* also after an error: it is tried again */
    return status;
}

/* L9: who grows or blocks says so at the last look too, which is the only one of a handle that lives a moment. */
static void limit_end_warn(struct oltp *oltp, const struct limit_size *size, unsigned passed)
{
    struct capture_limit *limit = capture_of(oltp)->limit;
    if (passed == 0 || limit->warned || oltp->config.log_limit_policy == OLTP_LOG_DETACH)
        return;
    limit->over_since_ns = base_now_ns() - LIMIT_PATIENCE_NS; /* nothing comes any more that it would wait for */
    limit_bear(oltp, size, passed);
}

/* Cuts what is beyond the limits, needless or not. */
static rhei_status limit_end_over(struct oltp *oltp, struct limit_size *size, struct rhei_error *error)
{
    int64_t to = 0;
    rhei_status status = limit_measure(oltp, size, error);
    unsigned passed = limit_passed(oltp, size, 1);
    if (status == RHEI_OK)
        status = limit_cut(oltp, size, passed, &to, error);
    if (status == RHEI_OK)
        status = limit_take_needless(oltp, to, error);
    if (status == RHEI_OK)
        status = limit_measure(oltp, size, error);
    passed = limit_passed(oltp, size, 1) & ~(unsigned)LIMIT_BUFFER;
    return status == RHEI_OK && passed != 0 && oltp->config.log_limit_policy == OLTP_LOG_DETACH
               ? limit_detach(oltp, size, &passed, error)
               : status;
}

void capture_limit_end(struct oltp *oltp)
{
    const struct oltp_config *config = &oltp->config;
    struct capture_limit *limit = capture_of(oltp)->limit;
    struct limit_size size = {0};
    if (limit == NULL || oltp->writer == NULL || oltp->describer == NULL || !oltp_captures(oltp) || config->read_only)
        return;
    bool cuts = !limit_follows(oltp) && config->log_limit_policy != OLTP_LOG_GROW;
    if ((!cuts && config->log_limit_policy == OLTP_LOG_DETACH) || oltp_check_file(oltp, NULL) != RHEI_OK)
        return;
    rhei_status status = limit_bounds(oltp, config->log_limit_age_ms != 0, &size, NULL);
    if (status == RHEI_OK && config->log_limit_bytes != 0 && size.rows > 1 && size.last <= CAPTURE_LOG_SEQ_MAX)
        status = capture_meter_measure(limit->meter, size.first, size.last, LIMIT_STATUS_ROWS, &size.bytes, NULL);
    if (status == RHEI_OK && cuts && size.last <= CAPTURE_LOG_SEQ_MAX &&
        ((limit_passed(oltp, &size, 2) | (limit_passed(oltp, &size, 1) & LIMIT_AGE)) & ~(unsigned)LIMIT_BUFFER) != 0)
        status = limit_end_over(oltp, &size, NULL); /* else the next one's */
    if (status == RHEI_OK && size.last <= CAPTURE_LOG_SEQ_MAX)
        limit_end_warn(oltp, &size, limit_passed(oltp, &size, 1) & ~(unsigned)LIMIT_BUFFER);
}

void capture_limit_begin(struct oltp *oltp, int64_t first, int64_t last)
{
    const struct oltp_config *config = &oltp->config;
    bool rows_over = last > 0 && last - first >= 0 && (uint64_t)(last - first) >= config->log_limit_rows;
    if (!oltp_captures(oltp) || config->log_limit_policy == OLTP_LOG_DETACH) /* a mirror may catch up first */
        return;
    if (rows_over && config->log_limit_policy == OLTP_LOG_BLOCK)
        oltp_log_close(oltp);
    if (rows_over || config->log_limit_bytes != 0 || config->log_limit_age_ms != 0)
        oltp_limit_due(oltp);
}

/* ---- Status. ----------------------------------------------------------------------------------------------------- */

rhei_status capture_limit_status(struct oltp *oltp, struct oltp_status *status, struct rhei_error *error)
{
    struct capture_limit *limit = capture_of(oltp)->limit;
    struct limit_size size;
    rhei_status result = limit_bounds(oltp, true, &size, error);
    if (result == RHEI_OK && size.rows > 0 && size.last <= CAPTURE_LOG_SEQ_MAX)
        result = capture_meter_measure(limit->meter, size.first, size.last, LIMIT_STATUS_ROWS, &size.bytes, error);
    if (result != RHEI_OK && !oltp_captures(oltp)) { /* a table of that name may be anybody's */
        error_clear(error);
        result = RHEI_OK;
    }
    status->log_position = size.last;
    status->log_rows = size.rows;
    status->log_bytes = size.bytes;
    status->log_age_ms = size.age_ms;
    status->log_cut = atomic_load_explicit(&limit->cut, memory_order_relaxed);
    unsigned passed = result == RHEI_OK ? limit_passed(oltp, &size, 1) : 0;
    status->log_over = passed != 0;
    if (passed != 0) {
        struct limit_holder holder;
        struct base_buffer text = {0};
        limit_holder(oltp, &holder);
        limit_describe(oltp, &size, passed, &holder, &text);
        (void)snprintf(status->log_message, sizeof status->log_message, "%.250s", text.failed ? "" : text.data);
        base_buffer_reset(&text);
    }
    return result;
}
