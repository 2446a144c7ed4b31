/* SPDX-License-Identifier: Apache-2.0 */
/* Something to be seen: a shop in a temporary folder, to which this process writes and of which it asks. */
#include "rh_dashboard.h"

#include "rh_interrupt.h"

#include <ftw.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WRITERS = 2, ASKERS = 2, LAST = 50, SLOW = 20 };

struct rh_demo {
    struct rh_tool *tool;
    char folder[DASHBOARD_LINE], path[DASHBOARD_LINE + 16], mirror[DASHBOARD_LINE + 16];
    pthread_t threads[WRITERS + ASKERS];
    size_t thread_count;
    pthread_mutex_t lock; /* of what is below */
    pthread_cond_t ended;
    bool over;
    int64_t statements;
    struct dashboard_histogram times;
    struct dashboard_statement last[LAST], slow[SLOW]; /* the newest first; the slowest first */
    size_t last_count, slow_count;
};

static const char *const schema[] = {
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, amount REAL NOT NULL, state TEXT)",
    "CREATE TABLE 注文 (id INTEGER PRIMARY KEY, orders INTEGER, 数 INTEGER)",
    "CREATE TABLE readings (sensor INTEGER, at INTEGER, value REAL, PRIMARY KEY (sensor, at)) WITHOUT ROWID",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO customers "
    "SELECT i, 'customer ' || i, 'city ' || i % 37 FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO orders "
    "SELECT i, 1 + i * 7919 % 2000, round(i * 7.31 % 500, 2), 'paid' FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO readings "
    "SELECT i % 40, i / 40, i % 97 FROM n",
};

static const char *const writes[] = {
    "INSERT INTO orders (customer, amount, state) VALUES (1 + abs(random()) % 2000, abs(random()) % 500 + 0.5, 'new')",
    "UPDATE orders SET state = 'paid' WHERE id = (SELECT max(id) - abs(random()) % 100 FROM orders)",
    "INSERT INTO 注文 (orders, 数) VALUES (1 + abs(random()) % 50000, abs(random()) % 9)",
    "INSERT OR REPLACE INTO readings VALUES (abs(random()) % 40, 500 + abs(random()) % 2000, abs(random()) % 97)",
    "INSERT INTO orders (customer, amount, state) VALUES (1 + abs(random()) % 2000, 9.5, 'new')",
    "DELETE FROM orders WHERE id = 1 + abs(random()) % 50000",
};

static const char *const questions[] = {
    "SELECT city, count(*), sum(amount) FROM orders JOIN customers ON customers.id = customer GROUP BY city",
    "SELECT name, city FROM customers WHERE id = 1 + abs(random()) % 2000",
    "SELECT state, count(*), avg(amount) FROM orders GROUP BY state",
    "SELECT id, amount FROM orders ORDER BY id DESC LIMIT 20",
    "SELECT sensor, min(value), max(value) FROM readings GROUP BY sensor ORDER BY sensor",
    "SELECT customer, sum(amount) AS spent FROM orders GROUP BY customer ORDER BY spent DESC LIMIT 10",
};

/* ---- The load ----------------------------------------------------------------------------------------------------- */

/* Waits for a while, or until the end. True: goes on. */
static bool rest(struct rh_demo *demo, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (int64_t)(seconds * 1e9);
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&demo->lock);
    while (!demo->over && pthread_cond_timedwait(&demo->ended, &demo->lock, &until) == 0)
        continue;
    bool goes_on = !demo->over;
    pthread_mutex_unlock(&demo->lock);
    return goes_on;
}

/* It comes and goes, as the load of a shop does; what is seen is what was measured of it. */
static double pause_of(unsigned *seed, double least, double most)
{
    double tide = 0.5 + 0.5 * sin((double)rh_now_us() / 1e6 / 7), chance = (double)rand_r(seed) / RAND_MAX;
    return least + (most - least) * tide * chance;
}

static void *write_on(void *context)
{
    struct rh_demo *demo = context;
    unsigned seed = (unsigned)rh_now_us();
    do {
        struct rhei_call_options options = {.struct_size = sizeof options, .cancel = demo->tool->cancel};
        const char *sql = writes[(size_t)rand_r(&seed) % (sizeof writes / sizeof *writes)];
        (void)rhei_execute_with(demo->tool->db, sql, NULL, &options, NULL, NULL);
    } while (rest(demo, pause_of(&seed, 0.004, 0.04)));
    return NULL;
}

static void keep_slow(struct rh_demo *demo, const struct dashboard_statement *statement)
{
    size_t at = demo->slow_count;
    while (at > 0 && demo->slow[at - 1].seconds < statement->seconds)
        at--;
    if (at == SLOW)
        return;
    demo->slow_count += demo->slow_count < SLOW;
    memmove(&demo->slow[at + 1], &demo->slow[at], (demo->slow_count - at - 1) * sizeof *demo->slow);
    demo->slow[at] = *statement;
}

static void keep(struct rh_demo *demo, struct dashboard_statement *statement)
{
    pthread_mutex_lock(&demo->lock);
    statement->number = ++demo->statements;
    dashboard_histogram_add(&demo->times, statement->seconds);
    demo->last_count += demo->last_count < LAST;
    memmove(&demo->last[1], &demo->last[0], (demo->last_count - 1) * sizeof *demo->last);
    demo->last[0] = *statement;
    keep_slow(demo, statement);
    pthread_mutex_unlock(&demo->lock);
}

static void *ask_on(void *context)
{
    struct rh_demo *demo = context;
    unsigned seed = (unsigned)rh_now_us() + 1;
    do {
        struct rhei_query_options options = {.struct_size = sizeof options, .cancel = demo->tool->cancel};
        const char *sql = questions[(size_t)rand_r(&seed) % (sizeof questions / sizeof *questions)];
        struct dashboard_statement statement = {.rows = 0};
        rhei_rows *rows = NULL;
        int64_t began = rh_now_us();
        rhei_status status = rhei_query(demo->tool->db, sql, NULL, &options, &rows, NULL);
        while (status == RHEI_OK || status == RHEI_ROW) {
            status = rhei_rows_next(rows, NULL);
            statement.rows += status == RHEI_ROW;
        }
        statement.seconds = (double)(rh_now_us() - began) / 1e6;
        statement.failed = status != RHEI_DONE;
        (void)snprintf(statement.text, sizeof statement.text, "%s", sql);
        (void)snprintf(statement.route, sizeof statement.route, "%s", rows == NULL ? "" : rhei_rows_route(rows));
        rhei_rows_close(&rows);
        keep(demo, &statement);
    } while (rest(demo, pause_of(&seed, 0.02, 0.2)));
    return NULL;
}

/* ---- Its beginning and its end ------------------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind, (void)place;
    return remove(path);
}

static rhei_status open_shop(struct rh_tool *tool, const struct rh_demo *demo, struct rhei_error *error)
{
    const struct rhei_config config = {
        .struct_size = sizeof config, .olap_path = demo->mirror, .log = tool->log, .log_context = tool->log_context};
    rhei_status status = rhei_cancel_create(&tool->cancel, error);
    const struct rhei_call_options options = {.struct_size = sizeof options, .cancel = tool->cancel};
    rh_interrupt_guard(tool->cancel); /* who ends it meanwhile leaves no folder */
    if (status == RHEI_OK)
        status = rhei_open(demo->path, &config, &tool->db, error);
    for (size_t at = 0; status == RHEI_OK && at < sizeof schema / sizeof *schema; at++)
        status = rhei_execute_with(tool->db, schema[at], NULL, &options, NULL, error);
    return status;
}

static void init_lock(struct rh_demo *demo)
{
    pthread_condattr_t clock;
    pthread_mutex_init(&demo->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&demo->ended, &clock);
    pthread_condattr_destroy(&clock);
}

static void start_threads(struct rh_demo *demo)
{
    for (int at = 0; at < WRITERS + ASKERS; at++)
        if (pthread_create(&demo->threads[demo->thread_count], NULL, at < WRITERS ? write_on : ask_on, demo) == 0)
            demo->thread_count++;
}

struct rh_demo *rh_demo_start(struct rh_tool *tool, struct rhei_error *error)
{
    struct rh_demo *demo = rh_allocate(sizeof *demo);
    const char *temporary = getenv("TMPDIR");
    *demo = (struct rh_demo){.tool = tool};
    (void)snprintf(demo->folder, sizeof demo->folder, "%s/rh-demo-XXXXXX",
                   temporary != NULL && temporary[0] != '\0' ? temporary : "/tmp");
    if (mkdtemp(demo->folder) == NULL) {
        error->code = RHEI_CANT_OPEN;
        (void)snprintf(error->sqlstate, sizeof error->sqlstate, "58030");
        (void)snprintf(error->message, sizeof error->message,
                       "the folder of the demo, %s, can't be made: set TMPDIR to one that can be written",
                       demo->folder);
        free(demo);
        return NULL;
    }
    (void)snprintf(demo->path, sizeof demo->path, "%s/shop.db", demo->folder);
    (void)snprintf(demo->mirror, sizeof demo->mirror, "%s/shop.mirror", demo->folder);
    init_lock(demo);
    if (open_shop(tool, demo, error) == RHEI_OK)
        start_threads(demo);
    else
        rh_demo_end(tool, &demo);
    return demo;
}

void rh_demo_take(struct rh_demo *demo, struct dashboard_sample *sample)
{
    pthread_mutex_lock(&demo->lock);
    if (sample->histograms[DASHBOARD_QUERY_TIME].count == 0)
        sample->histograms[DASHBOARD_QUERY_TIME] = demo->times;
    sample->last = rh_allocate(sizeof demo->last);
    sample->slow = rh_allocate(sizeof demo->slow);
    memcpy(sample->last, demo->last, sizeof demo->last);
    memcpy(sample->slow, demo->slow, sizeof demo->slow);
    sample->last_count = demo->last_count;
    sample->slow_count = demo->slow_count;
    pthread_mutex_unlock(&demo->lock);
    dashboard_sample_text(sample, DASHBOARD_SEEN_BY, "the demo's load in %s", demo->folder);
}

void rh_demo_end(struct rh_tool *tool, struct rh_demo **demo)
{
    struct rh_demo *ended = *demo;
    pthread_mutex_lock(&ended->lock);
    ended->over = true;
    pthread_cond_broadcast(&ended->ended);
    pthread_mutex_unlock(&ended->lock);
    if (tool->cancel != NULL)
        rhei_cancel_raise(tool->cancel);
    for (size_t at = 0; at < ended->thread_count; at++)
        pthread_join(ended->threads[at], NULL);
    rh_tool_close(tool);
    (void)nftw(ended->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    pthread_cond_destroy(&ended->ended);
    pthread_mutex_destroy(&ended->lock);
    free(ended);
    *demo = NULL;
}
