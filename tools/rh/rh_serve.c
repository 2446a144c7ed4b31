/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rh serve: a database that is kept open, its column store in step, and doors to it.
 *
 * Order of the start: settings, what they say looked at, lock, database, Flight, metrics, socket, then READY. The end is the way back: the doors take nothing new and what runs has
 * --drain to end, all together; then the database is closed and the lock goes; what doesn't end even when it is cancelled is left. A failure on the way up ends what is up.
 */
#include "rh_interrupt.h"
#include "rh_registry.h"
#include "rh_serve_flight.h"
#include "rh_serve_http.h"
#include "rh_serve_leave.h"
#include "rh_serve_lock.h"
#include "rh_serve_notify.h"
#include "rh_serve_settings.h"
#include "rh_serve_sql.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DRAIN_MS = 10000, LEAVE_MS = 5000, LOOK_MS = 100, SQL_MS = 300000, SQL_BODY = 1 << 20 };

struct serving {
    struct rh_tool *tool;
    struct rh_service_settings settings;
    struct rh_serve_lock lock;
    struct rh_service service;
    struct rh_flight *flight;
    struct http_server *metrics, *watch, *sql;
    struct rh_guard *guard;
    struct rh_sql_door door;
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Going up ----------------------------------------------------------------------------------------------------- */

static void take_changeable(struct serving *serving)
{
    atomic_store(&serving->service.ready_lag_ms, rh_service_number(&serving->settings, "ready_lag_ms"));
    atomic_store(&serving->service.slow_query_ms, rh_service_number(&serving->settings, "slow_query_ms"));
}

/* Also again, at a reload: somebody may have moved the file away. */
static bool open_trace(struct serving *serving, struct rh_buffer *why)
{
    char *path = rh_service_text(&serving->settings, "trace_path");
    bool good = rh_trace_open(serving->service.trace, path, why);
    free(path);
    return good;
}

static bool start_trace(struct serving *serving)
{
    struct rh_buffer why = {0};
    serving->service.trace = rh_trace_new(&serving->service.log);
    bool good = open_trace(serving, &why);
    if (!good)
        (void)rh_service_refuse(serving->tool, &serving->settings, "trace_path", why.bytes, "CANT_OPEN 58030");
    rh_buffer_free(&why);
    return good;
}

static bool check_address(const struct serving *serving, const char *name, bool loopback)
{
    char *listen = rh_service_text(&serving->settings, name), why[600] = "";
    const char *code = "CANT_OPEN 58030";
    bool good = listen == NULL || http_check(listen, why, sizeof why);
    if (good && loopback && listen != NULL && !http_is_loopback(listen)) {
        good = false;
        code = "CONFIG F0000";
        (void)snprintf(why, sizeof why,
                       "%s isn't a loopback address: who asks from other machines comes by a proxy that has TLS",
                       listen);
    }
    free(listen);
    return good || rh_service_refuse(serving->tool, &serving->settings, name, why, code);
}

/* All that can be refused before anything is opened. */
static bool check_doors(const struct serving *serving)
{
    return check_address(serving, "metrics_listen", false) && check_address(serving, "http_listen", true) &&
           rh_flight_check(serving->tool, &serving->settings);
}

static bool lock_database(struct serving *serving)
{
    char *database = rh_service_database(serving->tool, &serving->settings);
    bool good = true;
    if (database != NULL && !serving->tool->args->read_only) /* any number may read */
        good = rh_serve_lock_take(serving->tool, database, &serving->lock);
    else if (database != NULL && rh_serve_lock_names(database) > 1)
        rh_log_format(
            &serving->service.log, RHEI_LOG_WARN, "serve",
            "%s is a file of %ju names (hard links): what is written by another of them can stay unseen here, "
            "as SQLite keeps its log beside the name that it was opened by",
            database, rh_serve_lock_names(database));
    free(database);
    return good;
}

/* Before it is opened for writing: a look changes nothing. What can't be looked at has its error told by the opening. */
static bool is_captured(struct serving *serving)
{
    struct rh_tool look = *serving->tool;
    char *database = rh_service_database(serving->tool, &serving->settings);
    const struct rhei_config config = {
        .struct_size = sizeof config, .read_only = true, .must_exist = true, .olap_backend = RHEI_OLAP_NONE};
    look.db = NULL;
    bool is =
        database == NULL || rhei_open(database, &config, &look.db, NULL) != RHEI_OK || rh_registry_installed(&look);
    rhei_close(&look.db);
    free(database);
    return is;
}

/* Triggers and tables in somebody's file are worth a line. */
static void tell_of_capture(struct serving *serving)
{
    char *database = rh_service_database(serving->tool, &serving->settings);
    if (database != NULL && rh_registry_installed(serving->tool))
        rh_log_format(&serving->service.log, RHEI_LOG_INFO, "serve",
                      "change capture installed in %s: triggers on its tables, tables _rhei_..., write-ahead logging "
                      "(rh detach takes it out)",
                      database);
    free(database);
}

static bool open_database(struct serving *serving)
{
    struct rh_tool *tool = serving->tool;
    bool captured = tool->args->read_only || is_captured(serving);
    const struct rhei_config config = {
        .struct_size = sizeof config,
        .config_file = tool->args->config,
        .read_only = tool->args->read_only,
        .must_exist = true,
        .no_files = true, /* statements come from others */
        .log = rh_log_line,
        .log_context = &serving->service.log,
        .overrides = serving->settings.overrides,
        .override_count = serving->settings.override_count,
        .on_statement = rh_service_statement,
        .on_statement_context = &serving->service,
    };
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = rhei_cancel_create(&tool->cancel, &error);
    if (status == RHEI_OK)
        status = rhei_open(tool->args->db, &config, &tool->db, &error);
    if (status != RHEI_OK)
        rh_tell_error(tool, &error);
    serving->service.db = tool->db;
    serving->service.cancel = tool->cancel;
    if (status == RHEI_OK && !captured)
        tell_of_capture(serving);
    return status == RHEI_OK;
}

/* `name` of the setting that has the address; NULL: none has it. */
static bool start_http(struct serving *serving, const struct http_options *options, const char *name,
                       struct http_server **server)
{
    char why[600];
    if (http_start(options, server, why, sizeof why))
        return true;
    if (name != NULL)
        return rh_service_refuse(serving->tool, &serving->settings, name, why, "CANT_OPEN 58030");
    (void)rh_tell(serving->tool, "%s [CANT_OPEN 58030]", why);
    return false;
}

static bool start_metrics(struct serving *serving)
{
    char *listen = rh_service_text(&serving->settings, "metrics_listen");
    const struct http_options options = {.listen = listen, .handle = rh_http_metrics, .context = &serving->service};
    bool good = listen == NULL || start_http(serving, &options, "metrics_listen", &serving->metrics);
    free(listen);
    if (serving->metrics == NULL)
        return good;
    serving->service.metrics = http_address(serving->metrics);
    printf("Metrics on http://%s/metrics\n", serving->service.metrics);
    return good;
}

static bool has_page(const struct serving *serving)
{
    return strcmp(rh_service_setting(&serving->settings, "http_page"), "true") == 0;
}

static bool start_sql(struct serving *serving)
{
    const struct rh_args *args = serving->tool->args;
    char *listen = rh_service_text(&serving->settings, "http_listen");
    const struct http_options options = {
        .listen = listen, .handle = rh_http_sql, .context = &serving->door, .body_most = SQL_BODY};
    bool good = listen == NULL || rh_guard_open(serving->tool, &serving->settings, &serving->guard);
    if (good && listen != NULL) {
        serving->door = (struct rh_sql_door){.db = serving->tool->db,
                                             .service = &serving->service,
                                             .timeout_ms = args->timeout_ms > 0 ? args->timeout_ms : SQL_MS,
                                             .max_rows = (uint64_t)args->serve.max_rows,
                                             .page = has_page(serving),
                                             .log = rh_log_door_line,
                                             .log_context = &serving->service.log};
        serving->door.guard = rh_guard_of(serving->guard, &serving->door.enter);
        good = start_http(serving, &options, "http_listen", &serving->sql);
    }
    free(listen);
    if (serving->sql == NULL)
        return good;
    serving->service.http = http_address(serving->sql);
    printf("SQL on http://%s/sql\n", serving->service.http);
    if (has_page(serving))
        printf("Page on http://%s/\n", serving->service.http);
    return true;
}

static bool start_watch(struct serving *serving)
{
    const struct http_options options = {
        .socket_path = serving->lock.socket, .handle = rh_http_watch, .context = &serving->service};
    if (serving->lock.socket == NULL || !start_http(serving, &options, NULL, &serving->watch))
        return serving->lock.socket == NULL;
    printf("Status on %s\n", serving->lock.socket);
    return true;
}

static bool go_up(struct serving *serving)
{
    serving->service.started_us = rh_log_now_us();
    serving->lock = (struct rh_serve_lock){.fd = -1};
    if (!check_doors(serving) || !lock_database(serving) || !start_trace(serving) || !open_database(serving) ||
        !rh_flight_start(serving->tool, &serving->settings, rh_log_door_line, &serving->service.log, &serving->flight))
        return false;
    serving->service.flight = rh_flight_address(serving->flight);
    return start_metrics(serving) && start_sql(serving) && start_watch(serving);
}

static void tell_ready(struct serving *serving)
{
    const struct rh_service *service = &serving->service;
    struct rh_buffer line = {0};
    rh_buffer_format(&line, "ready, process %jd", (intmax_t)getpid());
    if (service->flight != NULL)
        rh_buffer_format(&line, "; Flight SQL on %s", service->flight);
    if (service->http != NULL)
        rh_buffer_format(&line, "; SQL and the page on http://%s/", service->http);
    if (service->metrics != NULL)
        rh_buffer_format(&line, "; metrics on http://%s/metrics", service->metrics);
    if (serving->lock.socket != NULL)
        rh_buffer_format(&line, "; status on %s", serving->lock.socket);
    rh_log_line(&serving->service.log, RHEI_LOG_INFO, "serve", line.bytes);
    rh_buffer_free(&line);
}

/* ---- While it runs ------------------------------------------------------------------------------------------------ */

/* A setting that differs in the file now. What can't change goes on as it was until the next start. */
static void compare(struct serving *serving, const struct rhei_effective *old, const struct rhei_effective *new)
{
    static const char *const changeable[] = {"ready_lag_ms", "slow_query_ms", "trace_path"};
    bool changes = false;
    for (size_t at = 0; at < sizeof changeable / sizeof changeable[0]; at++)
        changes = changes || strcmp(new->name, changeable[at]) == 0;
    if (strcmp(old->value, new->value) == 0)
        return;
    rh_log_format(&serving->service.log, changes ? RHEI_LOG_INFO : RHEI_LOG_WARN, "serve",
                  changes ? "%s is %s now" : "%s is %s in the settings now: that takes a restart", new->name,
                  new->value[0] == '\0' ? "not set" : new->value);
}

static void reload(struct serving *serving)
{
    struct rh_service_settings again;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct timespec now;
    char lines[64];
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                   (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    (void)rh_notify(lines);
    if (rh_service_settings_try(serving->tool, &again, &error) != RHEI_OK) {
        rh_log_format(&serving->service.log, RHEI_LOG_ERROR, "serve", "the settings stay as they were: %s",
                      error.message);
    } else {
        bool same = again.count == serving->settings.count;
        for (size_t at = 0; at < again.count && same; at++)
            same = strcmp(again.list[at]->name, serving->settings.list[at]->name) == 0;
        for (size_t at = 0; at < again.count && same; at++)
            compare(serving, serving->settings.list[at], again.list[at]);
        if (!same)
            rh_log_line(&serving->service.log, RHEI_LOG_WARN, "serve",
                        "there are other tables or sidecars in the settings now: that takes a restart");
        struct rh_service_settings old = serving->settings;
        serving->settings = again;
        again = old;
        take_changeable(serving);
        struct rh_buffer why = {0};
        if (!open_trace(serving, &why))
            rh_log_line(&serving->service.log, RHEI_LOG_ERROR, "serve", why.bytes);
        rh_buffer_free(&why);
        rh_log_line(&serving->service.log, RHEI_LOG_INFO, "serve", "the settings were read again");
    }
    rh_service_settings_free(&again);
    (void)rh_notify("READY=1");
}

/* The watchdog hears of us as long as the database can be asked. */
static void be_watched(const struct serving *serving, int64_t every_ms, int64_t *next_ms)
{
    struct rhei_sync_status sync = {.struct_size = sizeof sync};
    if (every_ms == 0 || now_ms() < *next_ms)
        return;
    *next_ms = now_ms() + every_ms;
    if (rhei_sync_status(serving->service.db, &sync, NULL) == RHEI_OK)
        (void)rh_notify("WATCHDOG=1");
}

static void run(struct serving *serving, const sigset_t *reloads)
{
    int64_t every_ms = rh_notify_watchdog_ms(), next_ms = 0;
    int64_t wait_ms = every_ms > 0 && every_ms < LOOK_MS ? every_ms : LOOK_MS;
    const struct timespec wait = {.tv_nsec = (long)wait_ms * 1000000};
    while (!rh_interrupted()) {
        if (sigtimedwait(reloads, NULL, &wait) == SIGHUP)
            reload(serving);
        rh_log_tell_left_out(&serving->service.log, false);
        be_watched(serving, every_ms, &next_ms);
    }
}

/* ---- Going down --------------------------------------------------------------------------------------------------- */

static int64_t left_ms(int64_t until_ms)
{
    int64_t left = until_ms - now_ms();
    return left > 0 ? left : 0;
}

static const char *plural(unsigned count)
{
    return count == 1 ? "" : "s";
}

/* Who typed Ctrl-C would else see nothing for --drain. */
static unsigned tell_of_end(struct serving *serving, int64_t drain_ms)
{
    unsigned calls = rh_flight_calls(serving->flight) + http_answering(serving->sql);
    if (calls > 0)
        rh_log_format(&serving->service.log, RHEI_LOG_INFO, "serve",
                      "waits up to %g s for %u call%s; another signal (Ctrl-C) ends it at once", (double)drain_ms / 1e3,
                      calls, plural(calls));
    return calls;
}

static void tell_ended(struct serving *serving, unsigned calls, bool in_time)
{
    bool term = rh_interrupt_signal() == SIGTERM;
    rh_log_tell_left_out(&serving->service.log, true);
    rh_log_format(&serving->service.log, RHEI_LOG_INFO, "serve", "ended by %s, %u call%s drained%s",
                  term ? "SIGTERM" : "SIGINT", calls, plural(calls),
                  in_time ? "" : "; what took longer than --drain was cancelled");
}

static void go_down(struct serving *serving, bool was_up)
{
    int64_t drain_ms = serving->tool->args->serve.drain_ms;
    drain_ms = drain_ms >= 0 ? drain_ms : DRAIN_MS;
    int64_t until_ms = now_ms() + drain_ms;
    unsigned calls = was_up ? tell_of_end(serving, drain_ms) : 0;
    if (calls > 0)
        rh_interrupt_cuts("rh: ended at once by a second signal: calls that ran were cut off, and what they hadn't "
                          "committed is taken back\n");
    struct rh_leave *leave = rh_leave_within(left_ms(until_ms) + LEAVE_MS, &serving->service.log);
    atomic_store(&serving->service.stopping, true); /* /readyz says so while Flight drains */
    rh_flight_stop(&serving->flight, left_ms(until_ms));
    http_stop(&serving->sql, left_ms(until_ms));
    bool in_time = calls == 0 || left_ms(until_ms) > 0;
    rh_interrupt_cuts(NULL);
    rh_guard_close(&serving->guard);
    http_stop(&serving->watch, left_ms(until_ms));
    http_stop(&serving->metrics, left_ms(until_ms));
    rh_leave_stays(&leave);
    rh_tool_close(serving->tool);
    if (was_up)
        tell_ended(serving, calls, in_time);
    rh_trace_free(&serving->service.trace);
    rh_serve_lock_release(&serving->lock);
    rh_service_settings_free(&serving->settings);
}

int rh_serve_command(struct rh_tool *tool)
{
    static struct serving serving; /* too large for some stacks */
    sigset_t reloads;
    (void)signal(SIGPIPE, SIG_IGN);
    sigemptyset(&reloads);
    sigaddset(&reloads, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &reloads, NULL); /* before threads begin: they inherit it */
    if (tool->args->serve.make_user != NULL)
        return rh_flight_make_user(tool);
    serving.tool = tool;
    if (!rh_service_settings_read(tool, &serving.settings))
        return RH_EXIT_ERROR;
    serving.service.log = (struct rh_log){.terminal = tool->err, .headless = tool->args->serve.headless};
    serving.service.log.json = strcmp(rh_service_setting(&serving.settings, "log_format"), "\"json\"") == 0;
    rh_log_start(&serving.service.log);
    take_changeable(&serving);
    bool up = go_up(&serving);
    if (up) {
        rh_interrupt_guard(tool->cancel);
        rh_interrupt_rest(true); /* a signal is its usual end, from before anybody is told that it is up */
        (void)rh_flush_output();
        tell_ready(&serving);
        (void)rh_notify("READY=1");
        run(&serving, &reloads);
        rh_interrupt_done(); /* who watches for the signal may see it later than we */
        (void)rh_notify("STOPPING=1");
    }
    go_down(&serving, up);
    rh_log_free(&serving.service.log);
    return rh_finish_output(tool, up ? RH_EXIT_OK : RH_EXIT_ERROR);
}
