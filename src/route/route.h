/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router: which engine answers a statement, and in what words. It asks SQLite first (names, kind, plan), looks at the
 * syntax tree, and sends to the column store only what sql/ proves equal. Any thread.
 *
 * Two steps, because the second needs a snapshot: a statement (what the text is; cached by text and schema), then a plan
 * (what the column store would run on this snapshot; cached in the statement). Both look at one state, which is taken once.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "capture/capture.h"
#include "mirror/mirror.h"
#include "port/executor.h"
#include "sync/sync.h"
#include "translate/translate.h"
#include "translate/translate_direct.h"

struct route;
struct route_statement; /* counted; immutable for its users */
struct route_plan;      /* counted; immutable */

struct route_config {
    struct oltp *oltp;         /* borrowed, as are the next three */
    struct sync *sync;         /* NULL: there is no column store */
    struct mirror *mirror;     /* NULL likewise */
    struct executor *executor; /* NULL likewise */
    bool prefer_olap;          /* whatever the cost */
    bool no_olap_syntax;       /* what SQLite refuses is an error, whoever may know it */
    size_t cached_statements;  /* 0: 1,024 */
    const struct base_log *log;
};

rhei_status route_open(const struct route_config *config, struct route **route, struct rhei_error *error);
void route_close(struct route **route);

/* The engine that a statement goes to, and why. */
enum route_target {
    ROUTE_TO_OLTP,
    ROUTE_TO_OLAP,    /* if route_plan_make can prove it */
    ROUTE_TO_WRITER,  /* changes data or schema */
    ROUTE_TO_SESSION, /* BEGIN, COMMIT ... */
    ROUTE_TO_EXPLAIN, /* EXPLAIN ROUTE <statement> */
};

struct route_choice {
    enum route_target target;
    const char *rule;   /* static: "aggregate", "keyed-read", "not-ready" ... */
    const char *reason; /* for people, "" if the rule says it all; static, or `text` */
    char text[256];     /* unset unless `reason` points to it: a choice must not be copied */
    int32_t offset;     /* byte of the construct that decided, or -1 */
};

/*
 * What one execution is decided, proven and answered on: a snapshot, and the catalog of the schema whose rows it shows. All zero: nothing is
 * taken. One thread at a time.
 */
struct route_state {
    uint64_t schema_version;               /* as it was known when the snapshot was there */
    const struct capture_catalog *catalog; /* of that version; NULL: none */
    struct mirror_snapshot snapshot;
};
/*
 * Both, into a state of zeros. `demanded`: it is worth waiting until the schema is caught up with (RHEI_BUSY else). A catalog that isn't the
 * newest any more by then isn't kept. Nothing is held after an error.
 */
rhei_status route_state_take(struct route *route, bool demanded, struct route_state *state, struct rhei_error *error);
/* The newest snapshot, which may be the one at hand; the catalog goes if the schema is another one by now. */
rhei_status route_state_renew(struct route *route, struct route_state *state, struct rhei_error *error);
/* Lets go of the snapshot alone, before a wait. */
void route_state_pause(struct route_state *state);
void route_state_release(struct route_state *state);

/*
 * What the text is. SQLite's error if SQLite can't prepare it and the column store can't either. Cached. Release with
 * route_statement_release.
 */
rhei_status route_statement_get(struct route *route, const char *sql, size_t len, struct route_statement **statement,
                                struct rhei_error *error);
/* The same until `stop` (NULL: never) says that it is enough: asking the column store about a text of its own may take long. */
rhei_status route_statement_get_while(struct route *route, const char *sql, size_t len,
                                      const struct executor_stop *stop, struct route_statement **statement,
                                      struct rhei_error *error);
/* The same where the version of the schema was looked at already (capture_schema_version). */
rhei_status route_statement_get_at(struct route *route, const char *sql, size_t len, uint64_t schema_version,
                                   const struct executor_stop *stop, struct route_statement **statement,
                                   struct rhei_error *error);
/*
 * For a text that route_statement_get refused with `*error`, where the caller demands the column store: the statement in its
 * own dialect, not cached; or both engines' words in `*error`. `sql` is NUL-terminated at `len`.
 */
rhei_status route_statement_native(struct route *route, const char *sql, size_t len, const struct executor_stop *stop,
                                   struct route_statement **statement, struct rhei_error *error);
void route_statement_release(struct route_statement **statement);
/* One more user of it; released like the first. */
struct route_statement *route_statement_share(struct route_statement *statement);
/* Whether route_statement_get_at would give this one, or its like. Any thread. */
bool route_statement_is(const struct route_statement *statement, const char *sql, size_t len, uint64_t schema_version);
/* May be kept to be asked about again: a small text of SQLite's grammar that changes no schema. */
bool route_statement_is_lasting(const struct route_statement *statement);
const struct oltp_facts *route_statement_facts(const struct route_statement *statement);
/* The text behind EXPLAIN ROUTE; borrowed from `sql`. */
const char *route_explained_text(const char *sql, size_t len, size_t *inner_len);

/* Formats a reason into the choice's own text. */
void route_choice_reason(struct route_choice *choice, const char *format, ...) RHEI_PRINTF(2, 3);

/* What the structure alone says: target and rule. */
enum route_target route_statement_target(const struct route_statement *statement, struct route_choice *choice);

/*
 * First step: costs little. hint: enum rhei_route. Whatever stands in the way of a decision means that SQLite answers, and nothing
 * here waits for a writer unless the column store is demanded. `state`, of zeros, is taken if the tables have to be looked at, and is the
 * caller's then, whatever is chosen.
 */
void route_choose(struct route *route, struct route_statement *statement, int32_t hint, const struct rhei_value *params,
                  uint32_t param_count, struct route_state *state, struct route_choice *choice);

/* What the choice went by, for people. */
struct route_costs {
    double rows; /* that SQLite visits */
    double oltp_ns, olap_ns;
};
/* False: nothing is known of it (no plan, or a table isn't mirrored). */
bool route_statement_costs(struct route *route, struct route_statement *statement, const struct rhei_value *params,
                           uint32_t param_count, const struct route_state *state, struct route_costs *costs);

/* What one execution puts into a plan that serves many: the constants that aren't in its text. */
enum { ROUTE_HELD_MAX = 16 };
struct route_filled {
    struct rhei_value values[ROUTE_HELD_MAX]; /* borrowed from the statement and the caller's parameters */
    struct executor_range ranges[ROUTE_HELD_MAX];
};

/*
 * Second step: the text for the executor on this snapshot, or *plan = NULL and the choice says why SQLite must answer.
 * `query` gets everything but stop and limits; it borrows from the plan, the statement, `params` and `filled`.
 */
rhei_status route_plan_make(struct route *route, struct route_statement *statement, struct route_state *state,
                            const struct rhei_value *params, uint32_t param_count, struct route_plan **plan,
                            struct route_filled *filled, struct executor_query *query, struct route_choice *choice,
                            struct rhei_error *error);
/*
 * Instead of it, for statements that need no executor: what to read of the mirror, or TRANSLATE_DIRECT_NONE. The caller's
 * (translate_direct_reset).
 */
rhei_status route_direct_make(struct route *route, struct route_statement *statement, const struct route_state *state,
                              const struct rhei_value *params, uint32_t param_count, struct translate_direct *direct,
                              struct rhei_error *error);
/* What the executor's columns mean, which are hidden, and which ties must be given back to SQLite. */
const struct translation *route_plan_translation(const struct route_plan *plan);
void route_plan_release(struct route_plan **plan);

/* The executor refused or failed on this statement: don't try again before the schema changes. */
void route_statement_avoid_olap(struct route_statement *statement, const char *why);
/* The statement goes to the column store in its own words, as SQLite can't prepare it. */
/* Classes that all values of a column surely have (oltp_describe_classes), asked of SQLite once. [count], the statement's columns. */
rhei_status route_statement_classes(struct route *route, struct route_statement *statement, uint8_t *classes,
                                    uint32_t count, struct rhei_error *error);
bool route_statement_is_native(const struct route_statement *statement);

/* Gives the same rows whenever it runs on one snapshot: it is a SELECT that names no function of chance or of the session. */
bool route_statement_repeats(struct route_statement *statement);

/* Statements in the cache now: for tests of its limits. */
size_t route_statements_cached(struct route *route);

#endif
