/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the router.
 *
 * Invariants:
 * 1. A route_statement is valid for one schema version of SQLite; the cache hands it out only while that is current.
 * 2. What stands behind its lock is under it; `tables` and `work` don't change any more once they are known. All else is immutable
 *    after route_statement_get made it.
 * 3. A plan is used again only if every flag and range it counted on still holds on the snapshot at hand, and the
 *    constants are the same: bound values and, in a plan for several texts, literals. Those that sql/ calls free need only
 *    be of the same class.
 * 4. Texts that differ in literals alone have one template. The statement that was made last for it, after another text
 *    had been seen, is their model: a text whose literals fit one of its plans is a light statement, which keeps
 *    the model and uses its facts, cost and plans. All but free literals are then spelled alike, and free ones stand in
 *    WHERE and HAVING only, so SQLite would prepare it just as well and give the same names. In a direct shape
 *    (translate_direct.h) every literal is free, plan or not. A light statement is in the cache only if it is of such a shape, and
 *    never as a model.
 *
 * Lock order: route.lock before a model's lock before its light statement's; neither is held while SQLite or the executor is called, except the
 * statement's lock during its own EXPLAIN QUERY PLAN (so that it is asked once).
 */
#ifndef ROUTE_ROUTE_INTERNAL_H
#define ROUTE_ROUTE_INTERNAL_H

#include <stdatomic.h>

#include "base/base_map.h"
#include "base/base_thread.h"
#include "route/route.h"
#include "sql/sql.h"

enum {
    ROUTE_PLANS_KEPT = 4,
    ROUTE_CACHE_DEFAULT = 1024,   /* statements, and */
    ROUTE_CACHE_BYTES = 64 << 20, /* what they take up, whichever comes first; one alone may take an eighth of it */
    ROUTE_TREE_BYTES = 32,        /* of a text's byte, with tree and facts */
};

/* Tables of so few rows in all aren't worth an estimate: SQLite is done before another engine starts. */
#define ROUTE_FEW_ROWS 5000.0
/* Values outside the text are asked for row by row: beyond this many rows a new plan costs less. */
#define ROUTE_HELD_ROWS 200000.0

struct route_plan {
    atomic_uint references;
    struct translation *translation;
    struct rhei_value *params; /* as bound; text and BLOB copied behind it */
    uint32_t param_count;
    uint32_t *tables; /* mirror's table id per scan */
    struct executor_range *ranges;
    uint32_t range_count;
    struct executor_column *columns; /* what the translation relies on */
    uint32_t column_count;
    char *text; /* of the statement it was made for, and where its literals are; NULL: the owner's own text */
    struct sql_literal *literals;
    uint32_t literal_count;
    char *plan_key;
    uint64_t used;
};

struct route_work;
struct route_sampler;

/* A table that a statement reads. */
struct route_table {
    uint32_t number;  /* in the catalog of the statement's schema version */
    uint32_t id;      /* source_table.id */
    uint32_t columns; /* that the statement names */
};

struct route_statement {
    atomic_uint references;
    char *text;
    size_t len;
    uint64_t schema_version;
    struct oltp_facts facts;
    struct sql_tree *tree;         /* NULL: native; of a light statement, made when it is wanted, under its lock */
    struct route_statement *model; /* NULL: not a light statement; facts are the model's */
    struct base_buffer template;   /* the text with marks for its literals; empty: it has none */
    struct sql_normal normal;      /* its literals */
    bool holds_literals;           /* the template was seen with other literals */
    bool native;
    uint8_t *classes;         /* under the lock; NULL: SQLite wasn't asked yet */
    enum route_target target; /* what the structure alone says */
    const char *rule;
    int32_t rule_offset;
    bool direct; /* of a shape that may need no executor (translate_direct.h) */

    base_mutex lock;
    bool plan_known, tables_known;
    struct oltp_plan oltp_plan;
    struct route_work *work; /* of that plan; NULL: it has none */
    struct route_table *tables;
    uint32_t table_count;
    struct route_plan *plans[ROUTE_PLANS_KEPT];
    uint64_t clock;
    atomic_bool keyed; /* SQLite's plan is a few rows by key: settled for this schema */
    atomic_bool avoided;
    atomic_bool held;     /* a plan holds constants */
    atomic_bool hold_off; /* such a plan failed: write constants into the text */
    char avoided_why[200];
    struct {
        uint64_t key; /* what it was found under; 0: none */
        const char *rule;
        char reason[256];
        int32_t offset;
    } refusal; /* the last one, under the lock */

    struct route_statement *newer, *older; /* the cache's list by use */
};

struct route {
    struct route_config config;
    base_mutex lock;
    struct base_map *by_text, *by_template;
    struct route_statement *newest, *oldest;
    size_t cached_bytes;
    struct route_sampler *sampler;
};

/* ---- route_refusal.c ---- */
struct route_catalog;
/* Of everything that a refusal may depend on. */
uint64_t route_refusal_key(struct route_statement *statement, struct route_catalog *catalog,
                           const struct rhei_value *params, uint32_t param_count);
/* Was the statement refused under this key? Then the choice is what it was. */
bool route_refusal_holds(struct route_statement *statement, uint64_t key, struct route_choice *choice);
void route_refusal_keep(struct route_statement *statement, uint64_t key, const struct route_choice *choice);

/* ---- route_native.c ---- */
/*
 * SQLite refused the text: is it the column store's to answer in its own words? Then its parameters are counted, which SQLite can't do.
 * `demanded`: the caller asked for the column store, so it may be asked about any text. Else adds to the refusal what the column store says
 * of it.
 */
bool route_is_native(struct route *route, struct route_statement *statement, bool demanded,
                     const struct executor_stop *stop, struct rhei_error *refusal);

void route_structure(struct route_statement *statement);
/* Does SQLite's plan of this very text have what `test` looks for? */
/* SQLite's plan, once a statement; under its lock. A plan of another schema than the statement's says nothing about it. */
void route_learn_plan(struct route *route, struct route_statement *statement);
bool route_oltp_plan_has(struct route *route, struct route_statement *statement, bool (*test)(const char *text));

/* ---- route_light.c ---- */
/* Fills template and normal for a text that may share plans; leaves them empty otherwise. */
rhei_status route_template_make(struct route_statement *statement, struct rhei_error *error);
/* Has `model` a plan for the literals of `statement`, which has its template? */
bool route_model_fits(struct route_statement *model, const struct route_statement *statement);
void route_light_make(struct route_statement *statement, struct route_statement *model);
/* The tree, parsed now if it wasn't. */
rhei_status route_statement_tree(struct route_statement *statement, struct rhei_error *error);
struct route_statement *route_plans_owner(struct route_statement *statement);
rhei_status route_plan_keep_literals(struct route_plan *plan, const struct route_statement *statement,
                                     struct rhei_error *error);
bool route_plan_takes(const struct route_plan *plan, const struct route_statement *statement,
                      const struct rhei_value *params, uint32_t param_count);
void route_plan_fill(const struct route_plan *plan, const struct route_statement *statement,
                     const struct rhei_value *params, struct route_filled *filled, struct executor_query *query);
bool route_value_same(const struct rhei_value *a, const struct rhei_value *b);
/* Do the held values and their ranges fit into struct route_filled? */
bool route_held_fits(const struct translation *translation);

/* ---- route_state.c ---- */
/* Is its catalog that of the statement's schema? */
bool route_state_serves(const struct route_state *state, const struct route_statement *statement);

/* Answers the translator's questions about tables on one snapshot. */
struct route_catalog {
    struct translate_catalog catalog; /* give this to translate_select */
    const struct capture_catalog *tables;
    const struct mirror_snapshot *snapshot;
    struct route_catalog_entry *entries;
    bool failed; /* out of memory on the way */
};
struct route_catalog_entry {
    struct route_catalog_entry *next;
    const struct capture_table *of;
    struct translate_table table;
};
/* Borrows from the state, which has a catalog. */
void route_catalog_open(struct route *route, const struct route_state *state, struct route_catalog *catalog);
void route_catalog_close(struct route_catalog *catalog);
const struct translate_table *route_catalog_by_id(struct route_catalog *catalog, uint32_t id);

#endif
