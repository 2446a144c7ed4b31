/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read: what is this text, where does it belong, is that place fresh enough, and its rows. Whatever the column store
 * can't or may not answer, SQLite answers, and the caller sees no difference but the route.
 */
#include <string.h>

#include "engine/engine_history.h"
#include "engine/engine_internal.h"
#include "engine/engine_positions.h"
#include "engine/engine_sidecar.h"
#include "sql/sql_lexer.h"

static rhei_status take_options(struct rhei_db *db, struct engine_ask *ask, const struct rhei_query_options *options,
                                struct rhei_error *error)
{
    struct rhei_query_options given;
    rhei_status status = engine_options_copy(&given, sizeof given, options, "rhei_query_options", error);
    if (status == RHEI_OK)
        status = engine_freshness_check(&given.freshness, error);
    if (status == RHEI_OK)
        status = engine_limits_set(&ask->limits, given.timeout_ms, given.cancel, error);
    if (status == RHEI_OK && given.progress != NULL)
        status = engine_progress_open(db->ticker, given.progress, given.progress_context, &ask->limits.progress, error);
    if (status != RHEI_OK)
        return status;
    if (given.route < RHEI_ROUTE_AUTO || given.route > RHEI_ROUTE_OLAP)
        return error_set(error, RHEI_INVALID, "route %d is none of auto, oltp and olap", given.route);
    if (given.strings < RHEI_STRINGS_UTF8 || given.strings > RHEI_STRINGS_VIEW)
        return error_set(error, RHEI_INVALID, "strings %d is none of utf8 and view", given.strings);
    if (given.freshness.mode != RHEI_FRESHNESS_DEFAULT)
        ask->freshness = given.freshness;
    ask->route = given.route;
    ask->strings_view = given.strings == RHEI_STRINGS_VIEW;
    ask->memory_limit = given.memory_limit;
    ask->as_of = given.as_of;
    ask->settings = given.settings;
    ask->most_returned = given.most_returned;
    return RHEI_OK;
}

/* What there is of a table's history has to be known as of what was committed: a table that just went is one of the past. */
static rhei_status ask_past(struct rhei_db *db, struct engine_ask *ask, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    ask->pinned = engine_session_state(ask->session) != NULL;
    bool asks = engine_history_may_be(ask->sql, ask->as_of), waits = !ask->pinned && asks;
    if (waits && db->sync != NULL)
        status = engine_wait_fresh(db, ask, error);
    if (status == RHEI_OK && waits)
        engine_sidecars_know(db, ask);
    if (asks) /* who doesn't need not wait for a publish that changes them */
        ask->histories = engine_sidecars_histories(db);
    const struct engine_history_text text = {.db = db,
                                             .session = ask->session,
                                             .sql = ask->sql,
                                             .len = ask->len,
                                             .as_of = ask->as_of,
                                             .values = ask->params,
                                             .value_count = ask->param_count};
    if (status == RHEI_OK)
        status = engine_history_rewrite(&text, &ask->rewritten, &ask->times, error);
    if (ask->rewritten != NULL) {
        ask->asked = ask->sql;
        ask->asked_params = ask->params;
        ask->sql = ask->rewritten;
        ask->len = strlen(ask->sql);
    }
    ask->params = ask->times != NULL ? ask->times : ask->params;
    return status;
}

rhei_status engine_ask_anew(struct rhei_db *db, const struct engine_ask *ask, struct engine_ask *anew,
                            struct rhei_error *error)
{
    *anew = *ask;
    anew->sql = ask->asked;
    anew->len = strlen(ask->asked);
    anew->params = ask->asked_params;
    anew->rewritten = NULL;
    anew->times = NULL;
    return ask_past(db, anew, error);
}

void engine_ask_anew_reset(struct engine_ask *anew)
{
    base_free(anew->rewritten);
    base_free(anew->times);
    anew->rewritten = NULL;
    anew->times = NULL;
}

rhei_status engine_ask_init(struct rhei_db *db, struct rhei_session *session, struct engine_ask *ask, const char *sql,
                            const struct rhei_params *params, const struct rhei_query_options *options,
                            struct rhei_error *error)
{
    *ask =
        (struct engine_ask){.sql = sql, .route = RHEI_ROUTE_AUTO, .limits.deadline_ns = INT64_MAX, .session = session};
    if (db == NULL || sql == NULL)
        return error_set(error, RHEI_INVALID, "a database handle and an SQL text are needed");
    ask->len = strlen(sql);
    ask->freshness = db->config.freshness;
    rhei_status status = params == NULL ? RHEI_OK : engine_bind(sql, ask->len, params, &ask->bound, error);
    ask->params = ask->bound.values;
    ask->param_count = ask->bound.count;
    if (status == RHEI_OK && options != NULL)
        status = take_options(db, ask, options, error);
    if (status != RHEI_OK)
        return status;
    if (ask->freshness.mode == RHEI_FRESHNESS_DEFAULT)
        ask->freshness = rhei_latest();
    if (db->keeps_history || ask->as_of != NULL)
        status = ask_past(db, ask, error);
    if (status != RHEI_OK)
        return status;
    return oltp_check_file(db->oltp, error); /* the mirror can't know that its file is another's now */
}

void engine_ask_reset(struct engine_ask *ask, struct rhei_rows *rows)
{
    if (rows != NULL) {
        rows->progress = ask->limits.progress;
        ask->limits.progress = NULL;
    }
    engine_limits_reset(&ask->limits);
    engine_bound_reset(&ask->bound);
    base_free(ask->rewritten);
    base_free(ask->times);
    ask->rewritten = NULL;
    ask->times = NULL;
}

rhei_status engine_ask_stream(struct engine_ask *ask, rhei_status status, struct rhei_rows **rows,
                              struct ArrowArrayStream *stream, struct rhei_error *error)
{
    if (status == RHEI_OK) {
        (*rows)->progress = ask->limits.progress; /* with the rows it goes to the stream, whatever becomes of that */
        ask->limits.progress = NULL;
        status = engine_rows_to_stream(rows, ask->strings_view, stream, error);
    }
    engine_ask_reset(ask, NULL);
    return status;
}

bool engine_is_fresh(const struct rhei_db *db, const struct engine_ask *ask)
{
    if (ask->freshness.mode == RHEI_FRESHNESS_EVENTUAL)
        return true;
    return ask->freshness.mode != RHEI_FRESHNESS_BOUNDED && sync_nothing_pending(db->sync);
}

rhei_status engine_wait_fresh(struct rhei_db *db, const struct engine_ask *ask, struct rhei_error *error)
{
    struct base_progress *counts = engine_limits_counts(&ask->limits);
    struct sync_stop stop = {.check = engine_limits_check, .context = (void *)&ask->limits, .progress = counts};
    base_progress_step(counts, "waiting for the column store", NULL, BASE_PROGRESS_CHANGES, -1);
    const struct sync_stop *given = engine_limits_any(&ask->limits) ? &stop : NULL;
    int64_t deadline = ask->limits.deadline_ns == INT64_MAX ? 0 : ask->limits.deadline_ns;
    switch (ask->freshness.mode) {
    case RHEI_FRESHNESS_EVENTUAL:
        return RHEI_OK;
    case RHEI_FRESHNESS_BOUNDED:
        return sync_wait_bounded(db->sync, ask->freshness.max_age_ms, deadline, given, error);
    default:
        return sync_wait_latest(db->sync, deadline, given, error);
    }
}

/*
 * The columns as they are after the first step: SQLite may have prepared the text anew for a schema that nobody here knows yet, so
 * what it was described as may be of another one.
 */
static void use_cursor_columns(struct rhei_rows *rows)
{
    rows->names = NULL;
    rows->types = NULL;
    rows->column_count = rows->cursor != NULL ? oltp_cursor_column_count(rows->cursor) : 0;
}

/* SQLite's rows of a reading statement. */
static rhei_status answer_oltp(struct rhei_rows *rows, const struct engine_ask *ask, struct rhei_error *error)
{
    rows->kind = ANSWER_CURSOR;
    struct base_progress *counts = engine_limits_counts(&rows->limits);
    struct oltp_stop stop = {.check = engine_limits_check,
                             .context = &rows->limits,
                             .most_age_ms = engine_most_age_ms(ask),
                             .progress = counts};
    base_progress_step(counts, "reading", NULL, BASE_PROGRESS_STEPS, -1);
    bool any = engine_limits_any(&rows->limits) || (rows->db->shown != NULL && stop.most_age_ms != 0);
    rhei_status status = oltp_read(rows->db->oltp, ask->sql, ask->len, ask->params, ask->param_count,
                                   any ? &stop : NULL, ask->position_now, &rows->cursor, error);
    if (status != RHEI_OK)
        return status;
    use_cursor_columns(rows);
    rows->age_us = engine_age_us(rows, ask);
    rows->is_query = true;
    return RHEI_OK;
}

rhei_status engine_past_is_read(struct rhei_error *error)
{
    return error_set(error, RHEI_READ_ONLY,
                     "the past can only be read: leave as_of (--as-of) away for a statement that writes");
}

static rhei_status answer_write(struct rhei_rows *rows, const struct engine_ask *ask, struct rhei_error *error)
{
    if (ask->as_of != NULL)
        return engine_past_is_read(error);
    if (ask->route == RHEI_ROUTE_OLAP)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "a statement that writes runs on SQLite: leave the route to auto");
    const struct engine_history_of_call call = {.db = rows->db, .sql = ask->sql, .len = ask->len};
    rhei_status status = engine_history_first(&call, &rows->limits, error);
    if (status != RHEI_OK)
        return status;
    rows->kind = ANSWER_CURSOR;
    struct oltp_result result = {0};
    struct engine_elsewhere elsewhere;
    const struct oltp_stop *given = engine_elsewhere(&elsewhere, rows->db, &rows->limits, engine_most_age_ms(ask));
    elsewhere.stop.most_kept = ask->memory_limit;
    elsewhere.stop.most_rows = ask->most_returned;
    bool limited = ask->memory_limit > 0 || ask->most_returned > 0;
    if (ask->rewritten != NULL)
        engine_elsewhere_past(&elsewhere, ask->histories, ask->pinned);
    base_progress_step(engine_limits_counts(&rows->limits), "writing", NULL, BASE_PROGRESS_STEPS, -1);
    do
        status = oltp_write(rows->db->oltp, ask->sql, ask->len, ask->params, ask->param_count,
                            limited ? &elsewhere.stop : given, &result, &rows->cursor, error);
    while (engine_elsewhere_again(&elsewhere, &status, error));
    if (status != RHEI_OK)
        return status;
    use_cursor_columns(rows);
    atomic_fetch_add_explicit(&rows->db->counters.writes, 1, memory_order_relaxed);
    rows->wrote = true;
    rows->result = result;
    rows->position = result.position;
    if (elsewhere.read.sources != 0)
        rows->read = elsewhere.read;
    return RHEI_OK;
}

/* Decides, and falls back to SQLite where the column store turns out not to do. */
static rhei_status answer_routed(struct rhei_rows *rows, const struct engine_ask *ask, struct rhei_error *error)
{
    struct route_choice choice;
    if (ask->route == RHEI_ROUTE_OLTP && route_statement_is_native(rows->statement)) {
        rows->rule = "hint-oltp";
        return answer_oltp(rows, ask, error); /* SQLite's own word on a text that it doesn't know */
    }
    uint32_t wanted = route_statement_facts(rows->statement)->parameter_count;
    if (wanted != ask->param_count) /* a plan of the column store takes what it needs of them */
        return error_value_count(error, wanted, ask->param_count);
    route_choose(rows->db->route, rows->statement, ask->route, ask->params, ask->param_count, &rows->state, &choice);
    if (choice.target == ROUTE_TO_OLAP) {
        bool answered = false;
        rhei_status status = engine_answer_olap(rows, ask, &choice, &answered, error);
        if (status != RHEI_OK || answered) {
            rows->rule = choice.rule;
            return status;
        }
    }
    if (rows->state.snapshot.slot != NULL) /* SQLite has a snapshot of its own */
        route_state_release(&rows->state);
    if (ask->route == RHEI_ROUTE_OLAP || route_statement_is_native(rows->statement))
        return error_set(error, RHEI_OLAP_UNAVAILABLE, "the column store may not answer this now (%s): %s", choice.rule,
                         choice.reason[0] != '\0' ? choice.reason : "route it to auto or oltp");
    rows->rule = choice.rule;
    return answer_oltp(rows, ask, error);
}

static rhei_status answer_by_target(struct rhei_rows *rows, const struct engine_ask *ask, struct rhei_error *error)
{
    struct route_choice choice;
    const struct oltp_facts *facts = route_statement_facts(rows->statement);
    if (facts->has_tail)
        return engine_second_statement(ask->sql, ask->len, facts->statement_length, error);
    switch (route_statement_target(rows->statement, &choice)) {
    case ROUTE_TO_WRITER:
        rows->rule = choice.rule;
        return answer_write(rows, ask, error);
    case ROUTE_TO_SESSION:
        return error_set(error, RHEI_TRANSACTION,
                         "a transaction that spans calls needs a session (rhei_session_open), so that nobody else's "
                         "write becomes part of it");
    default:
        return answer_routed(rows, ask, error);
    }
}

/* What the text is; known already if it is the one that was asked last, under the same schema, whose version is looked at here alone. */
static rhei_status find_statement(struct rhei_rows *rows, const struct engine_ask *ask, struct rhei_error *error)
{
    struct rhei_db *db = rows->db;
    uint64_t schema_version = capture_schema_version(db->oltp);
    if (rows->statement != NULL && route_statement_is(rows->statement, ask->sql, ask->len, schema_version))
        return RHEI_OK;
    route_statement_release(&rows->statement);
    struct executor_stop stop = {engine_limits_check, (void *)(uintptr_t)&ask->limits, NULL};
    const struct executor_stop *given = engine_limits_any(&ask->limits) ? &stop : NULL;
    rhei_status status =
        route_statement_get_at(db->route, ask->sql, ask->len, schema_version, given, &rows->statement, error);
    if (status == RHEI_SQL && ask->route == RHEI_ROUTE_OLAP)
        status = route_statement_native(db->route, ask->sql, ask->len, given, &rows->statement, error);
    return status;
}

/* What describes a statement may not run it, and so refuses a PRAGMA that does at once what it says. */
static rhei_status answer_setting(struct rhei_rows *rows, const struct engine_ask *ask, struct rhei_error *error)
{
    error_clear(error);
    rows->limits = ask->limits;
    rows->rule = "write";
    return answer_write(rows, ask, error);
}

static rhei_status answer(struct rhei_rows *rows, const struct engine_ask *ask, struct rhei_error *error)
{
    rhei_status status = find_statement(rows, ask, error);
    if (status == RHEI_READ_ONLY && ask->settings)
        return answer_setting(rows, ask, error);
    if (status != RHEI_OK)
        return status;
    const struct oltp_facts *facts = route_statement_facts(rows->statement);
    rows->column_count = facts->column_count;
    rows->names = facts->column_names;
    rows->types = facts->column_types;
    rows->limits = ask->limits;
    status = engine_limits_check(&rows->limits);
    if (status != RHEI_OK)
        return error_set(error, status, "the statement was ended before it began");
    return answer_by_target(rows, ask, error);
}

/* The statement was described under another schema than the one that is known by now, or under one that isn't yet. */
static bool is_outdated(struct rhei_db *db, const struct route_statement *statement)
{
    return !route_statement_is_native(statement) &&
           route_statement_facts(statement)->schema_version != capture_schema_version(db->oltp);
}

/* Who demands the column store waits until it knows the schema, as long as the busy time-out allows. */
static bool settle(struct rhei_db *db)
{
    const struct capture_catalog *catalog = NULL;
    bool settled = capture_catalog_take(db->oltp, &catalog, NULL) == RHEI_OK;
    capture_catalog_release(&catalog);
    return settled;
}

/*
 * A table that was built and is being built again (its changes could not be told row by row) is waited for where the column store
 * is demanded with everything that was committed; elsewhere SQLite answers. RHEI_OK and *again: it is worth asking anew.
 */
static rhei_status await_tables(struct rhei_db *db, const struct engine_ask *ask,
                                const struct route_statement *statement, uint64_t built, bool *again,
                                struct rhei_error *error)
{
    static const int64_t patience_ns = INT64_C(10000000000);
    *again = false;
    if (ask->route != RHEI_ROUTE_OLAP || ask->freshness.mode != RHEI_FRESHNESS_LATEST || db->sync == NULL ||
        route_statement_is_native(statement))
        return RHEI_OK;
    const struct oltp_facts *facts = route_statement_facts(statement);
    int64_t until = base_now_ns() + patience_ns;
    int64_t deadline = ask->limits.deadline_ns < until ? ask->limits.deadline_ns : until;
    struct sync_stop stop = {.check = engine_limits_check, .context = (void *)(uintptr_t)&ask->limits};
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < facts->reference_count && status == RHEI_OK; i++)
        status = sync_wait_again(db->sync, facts->references[i].table, deadline, &stop, again, error);
    *again = *again || sync_built(db->sync) != built; /* it was ready again before we looked: so not before the looks */
    return status;
}

/*
 * A schema that another process changed is noticed while the statement is on its way. Left to itself it goes to SQLite then,
 * which prepares it anew; where the column store is demanded, it begins again.
 */
static rhei_status ask_until_settled(struct rhei_db *db, const struct engine_ask *ask, struct rhei_rows **rows,
                                     struct rhei_error *error)
{
    enum { SCHEMA_TRIES = 8, BUILD_TRIES = 8 };
    struct rhei_error why;
    rhei_status status;
    bool again;
    int tries = 0, builds = 0;
    do {
        struct rhei_rows *made;
        uint64_t built = db->sync == NULL ? 0 : sync_built(db->sync);
        error_clear(&why);
        status = engine_rows_again(db, &made, &why);
        if (status != RHEI_OK)
            break;
        status = answer(made, ask, &why);
        if (status == RHEI_OK) {
            *rows = made;
            return RHEI_OK;
        }
        bool known = made->statement != NULL;
        bool eventual = ask->freshness.mode == RHEI_FRESHNESS_EVENTUAL;
        /* of a known one, too: what it waited for may have told that a table has to be loaded again */
        bool loaded = engine_sidecars_await(db, ask->sql, eventual, &ask->limits, &status, &why);
        again = status == RHEI_OLAP_UNAVAILABLE && known && is_outdated(db, made->statement) &&
                ++tries < SCHEMA_TRIES && settle(db);
        if (status == RHEI_OLAP_UNAVAILABLE && known && !again && ++builds < BUILD_TRIES) {
            struct rhei_error late = RHEI_ERROR_INIT;
            rhei_status waited = await_tables(db, ask, made->statement, built, &again, &late);
            if (waited != RHEI_OK) { /* as before, with the true reason */
                status = waited == RHEI_STALE ? RHEI_OLAP_UNAVAILABLE : waited;
                why = late;
                why.code = status;
                again = false;
            }
        }
        again = again || loaded;
        rhei_rows_close(&made);
    } while (again);
    if (error != NULL && error->code == RHEI_OK)
        *error = why;
    return status;
}

typedef rhei_status ask_function(struct rhei_db *db, const struct engine_ask *ask, struct rhei_rows **rows,
                                 struct rhei_error *error);

/*
 * A history may get another form, or a table of it cease to be followed, between the making of the text and the state that the rows are
 * of: then the text is made anew. What writes can't be taken back when that is found out, so it is looked at before it reads (engine_elsewhere_past).
 */
static rhei_status ask_of_past(struct rhei_db *db, const struct engine_ask *ask, ask_function *once,
                               struct rhei_rows **rows, struct rhei_error *error)
{
    enum { PAST_TRIES = 8 };
    engine_fault(db, "query.past");
    rhei_status status = once(db, ask, rows, error);
    engine_history_place(ask->asked, ask->sql, error);
    uint64_t known = ask->histories;
    for (int tries = 0; status != RHEI_IO && known != engine_sidecars_histories(db); tries++) {
        if (*rows != NULL && (*rows)->wrote)
            break; /* it was looked at before it read, and is done */
        rhei_rows_close(rows);
        error_clear(error);
        if (tries == PAST_TRIES)
            return error_set(error, RHEI_STALE, "histories change all the time while they are asked: ask again");
        struct engine_ask anew;
        status = engine_ask_anew(db, ask, &anew, error);
        known = anew.histories;
        if (status == RHEI_OK)
            status = once(db, &anew, rows, error);
        engine_history_place(ask->asked, anew.rewritten, error);
        engine_ask_anew_reset(&anew);
    }
    return status;
}

/* Blanks, comments and semicolons: nothing to do, and nothing comes of it. */
static bool is_blank(const char *sql, size_t len)
{
    if (len > 0 && (unsigned char)((sql[0] | 0x20) - 'a') < 26)
        return false; /* nearly every text begins with a word: no need to know which */
    for (;;) {
        struct sql_token token = sql_lex_word(sql, len);
        if (token.code == SQL_LEX_END)
            return true;
        if (token.text[0] != ';')
            return false;
        len -= (size_t)(token.text - sql) + token.length;
        sql = token.text + token.length;
    }
}

/* EXPLAIN ROUTE begins with that word, perhaps behind blanks. */
static bool may_explain(const char *sql)
{
    return (sql[0] | 0x20) == 'e' || sql[0] <= ' ';
}

static rhei_status ask_nothing(struct rhei_db *db, struct rhei_rows **rows, struct rhei_error *error)
{
    rhei_status status = engine_rows_new(db, rows, error);
    if (status == RHEI_OK)
        (*rows)->rule = "empty";
    return status;
}

/* A literal write that gives no rows: SQLite says all there is to say when it runs. */
static rhei_status ask_plain_write(struct rhei_db *db, const struct engine_ask *ask, struct rhei_rows **rows,
                                   struct rhei_error *error)
{
    rhei_status status = engine_limits_check((void *)(uintptr_t)&ask->limits);
    if (status != RHEI_OK)
        return error_set(error, status, "the statement was ended before it began");
    status = engine_rows_new(db, rows, error);
    if (status != RHEI_OK)
        return status;
    (*rows)->limits = ask->limits;
    (*rows)->rule = "write";
    status = answer_write(*rows, ask, error);
    if (status != RHEI_OK)
        rhei_rows_close(rows);
    return status;
}

rhei_status engine_ask_sql(struct rhei_db *db, const struct engine_ask *ask, struct rhei_rows **rows,
                           struct rhei_error *error)
{
    size_t inner = 0;
    rhei_status status;
    int64_t begun_ns = base_now_ns();
    if (is_blank(ask->sql, ask->len))
        status = ask_nothing(db, rows, error);
    else if (may_explain(ask->sql) && route_explained_text(ask->sql, ask->len, &inner) != NULL)
        status = engine_explain_route(db, ask, rows, error);
    else {
        bool plain = ask->param_count == 0 && oltp_is_plain_write(ask->sql, ask->len);
        ask_function *once = plain ? ask_plain_write : ask_until_settled;
        status = ask->rewritten != NULL ? ask_of_past(db, ask, once, rows, error) : once(db, ask, rows, error);
    }
    status = engine_history_explain(db, ask->asked != NULL ? ask->asked : ask->sql, status, error);
    if (status != RHEI_OK)
        atomic_fetch_add_explicit(status == RHEI_CANCELLED ? &db->counters.cancelled : &db->counters.errors, 1,
                                  memory_order_relaxed);
    engine_told_asked(db, ask, begun_ns, status, status == RHEI_OK ? *rows : NULL);
    return status;
}

rhei_status rhei_query(rhei_db *db, const char *sql, const struct rhei_params *params,
                       const struct rhei_query_options *options, rhei_rows **rows, struct rhei_error *error)
{
    error_clear(error);
    if (rows == NULL)
        return error_set(error, RHEI_INVALID, "rhei_query needs a place for the rows");
    *rows = NULL;
    struct engine_ask ask;
    rhei_status status = engine_ask_init(db, NULL, &ask, sql, params, options, error);
    if (status == RHEI_OK)
        status = engine_ask_sql(db, &ask, rows, error);
    engine_ask_reset(&ask, *rows);
    return status;
}

rhei_status rhei_query_arrow(rhei_db *db, const char *sql, const struct rhei_params *params,
                             const struct rhei_query_options *options, struct ArrowArrayStream *stream,
                             struct rhei_error *error)
{
    error_clear(error);
    if (stream == NULL)
        return error_set(error, RHEI_INVALID, "rhei_query_arrow needs a place for the stream");
    struct engine_ask ask;
    rhei_rows *rows = NULL;
    rhei_status status = engine_ask_init(db, NULL, &ask, sql, params, options, error);
    ask.position_now = true;
    if (status == RHEI_OK)
        status = engine_ask_sql(db, &ask, &rows, error);
    if (status == RHEI_OK)
        rows->ask = &ask; /* for as long as this call */
    return engine_ask_stream(&ask, status, &rows, stream, error);
}

static rhei_status oltp_query(rhei_db *db, const struct engine_ask *ask, rhei_rows **rows, struct rhei_error *error)
{
    if (is_blank(ask->sql, ask->len))
        return ask_nothing(db, rows, error);
    rhei_status status = engine_rows_new(db, rows, error);
    if (status != RHEI_OK)
        return status;
    (*rows)->rule = "hint-oltp";
    status = answer_oltp(*rows, ask, error);
    if (status != RHEI_OK)
        rhei_rows_close(rows);
    return status;
}

rhei_status rhei_oltp_query(rhei_db *db, const char *sql, const struct rhei_params *params, rhei_rows **rows,
                            struct rhei_error *error)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .route = RHEI_ROUTE_OLTP};
    error_clear(error);
    if (rows == NULL)
        return error_set(error, RHEI_INVALID, "rhei_oltp_query needs a place for the rows");
    *rows = NULL;
    struct engine_ask ask;
    rhei_status status = engine_ask_init(db, NULL, &ask, sql, params, &options, error);
    if (status == RHEI_OK)
        status =
            ask.rewritten != NULL ? ask_of_past(db, &ask, oltp_query, rows, error) : oltp_query(db, &ask, rows, error);
    engine_ask_reset(&ask, *rows);
    return status;
}
