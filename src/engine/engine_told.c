/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements that are over: how long they took, for the histograms, and for who listens (rhei_config.on_statement). A query is over with its
 * last row, the end of its rows, or its failure, whichever comes first; then `begun_ns` is 0.
 */
#include <string.h>

#include "engine/engine_internal.h"

/* The bucket of a time holds what is at most 2^bucket nanoseconds. */
static void count_time(struct engine_histogram *histogram, int64_t duration_ns)
{
    uint64_t ns = duration_ns > 1 ? (uint64_t)duration_ns : 2;
    unsigned bucket = 64u - (unsigned)__builtin_clzll(ns - 1);
    atomic_fetch_add_explicit(&histogram->bucket[bucket < 48 ? bucket : 47], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, ns, memory_order_relaxed);
}

void engine_told_statement(const struct rhei_db *db, const struct rhei_statement_event *event, int64_t duration_ns)
{
    if (db->config.on_statement == NULL)
        return;
    struct rhei_statement_event told = *event;
    told.struct_size = sizeof told;
    told.duration_us = duration_ns / 1000;
    told.begun_us = base_wall_ms() * 1000 - told.duration_us;
    db->config.on_statement(db->config.on_statement_context, &told);
}

void engine_told_asked(struct rhei_db *db, const struct engine_ask *ask, int64_t begun_ns, rhei_status status,
                       struct rhei_rows *rows)
{
    const char *sql = ask->asked != NULL ? ask->asked : ask->sql;
    size_t len = ask->asked != NULL ? strlen(ask->asked) : ask->len;
    if (status != RHEI_OK) {
        const struct rhei_statement_event failed = {
            .sql = sql, .sql_length = len, .route = "oltp", .rule = "", .status = status};
        engine_told_statement(db, &failed, base_now_ns() - begun_ns);
        return;
    }
    if (rows->is_query)
        atomic_fetch_add_explicit(&db->counters.routed[rows->kind == ANSWER_STREAM], 1, memory_order_relaxed);
    rows->begun_ns = begun_ns;
    rows->told_len = len;
    if (db->config.on_statement != NULL && (rows->told = base_alloc(len + 1)) != NULL)
        memcpy(rows->told, sql, len);
}

void engine_told_over(struct rhei_rows *rows, rhei_status status)
{
    if (rows->begun_ns == 0)
        return;
    int64_t duration_ns = base_now_ns() - rows->begun_ns;
    rows->begun_ns = 0;
    if (rows->is_query)
        count_time(&rows->db->counters.query_time[rows->kind == ANSWER_STREAM], duration_ns);
    if (rows->told == NULL)
        return;
    const struct rhei_statement_event event = {.sql = rows->told,
                                               .sql_length = rows->told_len,
                                               .route = rhei_rows_route(rows),
                                               .rule = rhei_rows_rule(rows),
                                               .status = status};
    engine_told_statement(rows->db, &event, duration_ns);
    base_free(rows->told);
    rows->told = NULL;
}
