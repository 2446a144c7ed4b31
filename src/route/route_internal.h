/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the router.
 *
 * Invariants:
 * 1. A route_statement is valid for one schema version of SQLite; the cache hands it out only while that is current.
 * 2. Everything in it but `plans`, `cost` and `avoided` is immutable after route_statement_get made it; these three are
 *    under its lock.
 * 3. A plan is used again only if every flag and range it counted on still holds on the snapshot at hand, and the
 *    bound values are the same.
 *
 * Lock order: route.lock before route_statement.lock; neither is held while SQLite or the executor is called, except the
 * statement's lock during its own EXPLAIN QUERY PLAN (so that it is asked once).
 */
#ifndef ROUTE_ROUTE_INTERNAL_H
#define ROUTE_ROUTE_INTERNAL_H

#include <stdatomic.h>

#include "base/base_map.h"
#include "base/base_thread.h"
#include "route/route.h"
#include "sql/sql.h"

enum { ROUTE_PLANS_KEPT = 4, ROUTE_CACHE_DEFAULT = 1024 };

/* Below this many rows for SQLite to visit, starting an analytical engine costs more than it saves. */
#define ROUTE_FEW_ROWS 5000.0
/* A plain scan without aggregation pays every row twice on its way out: worth it only from here. */
#define ROUTE_SCAN_ROWS 20000.0

struct route_plan {
    atomic_uint references;
    struct sql_translation *translation;
    struct rhei_value *params; /* as bound; text and BLOB copied behind it */
    uint32_t param_count;
    uint32_t *tables; /* mirror's table id per scan */
    struct executor_range *ranges;
    uint32_t range_count;
    struct executor_column *columns; /* what the translation relies on */
    uint32_t column_count;
    char *plan_key;
    uint64_t used;
};

struct route_statement {
    atomic_uint references;
    char *text;
    size_t len;
    uint64_t schema_version;
    struct oltp_facts facts;
    struct sql_tree *tree; /* NULL: native */
    bool native;
    enum route_target target; /* what the structure alone says */
    const char *rule;
    int32_t rule_offset;
    bool rule_is_simple; /* a plain SELECT: only cost can send it to the column store */

    base_mutex lock;
    bool cost_known;
    struct oltp_plan cost;
    struct route_plan *plans[ROUTE_PLANS_KEPT];
    uint64_t clock;
    atomic_bool keyed; /* SQLite's plan is a few rows by key: settled for this schema */
    atomic_bool avoided;
    char avoided_why[200];

    struct route_statement *newer, *older; /* the cache's list by use */
};

struct route {
    struct route_config config;
    base_mutex lock;
    struct base_map *by_text;
    struct route_statement *newest, *oldest;
    atomic_uint_fast64_t hits, misses, translated, refused, fallbacks;
};

void route_structure(struct route_statement *statement);
/* Rows SQLite would visit; asks SQLite once per statement. */
double route_cost(struct route *route, struct route_statement *statement, bool *scans);

/* Answers the translator's questions about tables on one snapshot. */
struct route_catalog {
    struct sql_catalog catalog; /* give this to sql_translate */
    const struct oltp_catalog *tables;
    const struct mirror_snapshot *snapshot;
    struct route_catalog_entry *entries;
    bool failed; /* out of memory on the way */
};
struct route_catalog_entry {
    struct route_catalog_entry *next;
    struct sql_table table;
};
rhei_status route_catalog_open(struct route *route, const struct mirror_snapshot *snapshot,
                               struct route_catalog *catalog, struct rhei_error *error);
void route_catalog_close(struct route_catalog *catalog);
const struct sql_table *route_catalog_by_id(struct route_catalog *catalog, uint32_t id);

#endif
