/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four threads that live on while questions are asked, each with a kind of change an airport knows. They share the one
 * handle; Rhei combines their statements into group commits. The short rest between transactions is their traffic's pace.
 */
#include "demo.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { KINDS = 4, REST_NS = 300000 };

struct demo_writers {
    rhei_db *db;
    int64_t flights;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool paused, ended;
    int resting;
    uint64_t done[KINDS];
    struct writer {
        struct demo_writers *all;
        int kind;
        unsigned seed;
        pthread_t thread;
    } list[KINDS];
};

static int64_t some_flight(struct writer *writer)
{
    return (int64_t)((uint64_t)rand_r(&writer->seed) % (uint64_t)writer->all->flights) + 1;
}

static void execute(struct writer *writer, const char *sql, const struct rhei_params *params)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute(writer->all->db, sql, params, NULL, &error) != RHEI_OK)
        demo_fail("a writer failed", &error);
}

static void delay_flight(struct writer *writer)
{
    int64_t minutes = rand_r(&writer->seed) % 30;
    execute(writer,
            "UPDATE flights SET dep_delay = dep_delay + ?1, arr_delay = arr_delay + ?1 "
            "WHERE rowid = ?2 AND dep_time IS NOT NULL",
            RHEI_PARAMS(rhei_integer(minutes), rhei_integer(some_flight(writer))));
}

static void cancel_flight(struct writer *writer)
{
    execute(writer,
            "UPDATE flights SET dep_time = NULL, dep_delay = NULL, arr_time = NULL, arr_delay = NULL, air_time = NULL "
            "WHERE rowid = ?",
            RHEI_PARAMS(rhei_integer(some_flight(writer))));
}

static void add_flight(struct writer *writer)
{
    execute(
        writer,
        "INSERT INTO flights SELECT year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, "
        "arr_delay, carrier, flight + 9000, tailnum, origin, dest, air_time, distance, hour, minute, time_hour "
        "FROM flights WHERE rowid = ?",
        RHEI_PARAMS(rhei_integer(some_flight(writer))));
}

/* Two flights change aircraft: either both or none, also for every question that is asked meanwhile. */
static void swap_planes(struct writer *writer)
{
    static const char *const steps[] = {
        "BEGIN IMMEDIATE",
        "UPDATE flights SET tailnum = (SELECT tailnum FROM flights WHERE rowid = ?2) WHERE rowid = ?1",
        "UPDATE flights SET tailnum = ?3 WHERE rowid = ?2",
        "COMMIT",
    };
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    rhei_rows *rows = NULL;
    int64_t first = some_flight(writer), second = some_flight(writer);
    rhei_status status = rhei_session_open(writer->all->db, &session, &error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, steps[0], NULL, NULL, &error);
    if (status == RHEI_OK)
        status = rhei_session_query(session, "SELECT tailnum FROM flights WHERE rowid = ?",
                                    RHEI_PARAMS(rhei_integer(first)), NULL, &rows, &error);
    char plane[32] = "";
    if (status == RHEI_OK && rhei_rows_next(rows, &error) == RHEI_ROW && !rhei_rows_is_null(rows, 0))
        snprintf(plane, sizeof plane, "%s", rhei_rows_text(rows, 0));
    rhei_rows_close(&rows);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, steps[1], RHEI_PARAMS(rhei_integer(first), rhei_integer(second)), NULL,
                                      &error);
    if (status == RHEI_OK)
        status = rhei_session_execute(
            session, steps[2],
            RHEI_PARAMS(rhei_integer(first), rhei_integer(second), plane[0] != '\0' ? rhei_text(plane) : rhei_null()),
            NULL, &error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, steps[3], NULL, NULL, &error);
    rhei_session_close(&session);
    if (status != RHEI_OK)
        demo_fail("a writer failed", &error);
}

/* Counts what was done; waits while the writers are paused. False: the demo is over. */
static bool go_on(struct writer *writer, bool wrote)
{
    struct demo_writers *all = writer->all;
    pthread_mutex_lock(&all->lock);
    all->done[writer->kind] += wrote;
    all->resting++;
    pthread_cond_broadcast(&all->changed);
    while (all->paused && !all->ended)
        pthread_cond_wait(&all->changed, &all->lock);
    bool more = !all->ended;
    all->resting--;
    pthread_mutex_unlock(&all->lock);
    return more;
}

static void *write_on(void *argument)
{
    static void (*const kinds[KINDS])(struct writer *) = {delay_flight, cancel_flight, add_flight, swap_planes};
    struct writer *writer = argument;
    for (bool wrote = false; go_on(writer, wrote); wrote = true) {
        struct timespec rest = {.tv_nsec = REST_NS};
        kinds[writer->kind](writer);
        nanosleep(&rest, NULL);
    }
    return NULL;
}

struct demo_writers *demo_writers_start(rhei_db *db, int64_t flights)
{
    struct demo_writers *writers = demo_allocate(sizeof *writers);
    writers->db = db;
    writers->flights = flights;
    pthread_mutex_init(&writers->lock, NULL);
    pthread_cond_init(&writers->changed, NULL);
    for (int kind = 0; kind < KINDS; kind++) {
        struct writer *writer = &writers->list[kind];
        *writer = (struct writer){.all = writers, .kind = kind, .seed = (unsigned)kind + 1};
        if (pthread_create(&writer->thread, NULL, write_on, writer) != 0)
            demo_fail("a thread could not be started", NULL);
    }
    return writers;
}

void demo_writers_pause(struct demo_writers *writers)
{
    pthread_mutex_lock(&writers->lock);
    writers->paused = true;
    while (writers->resting < KINDS)
        pthread_cond_wait(&writers->changed, &writers->lock);
    pthread_mutex_unlock(&writers->lock);
}

void demo_writers_go(struct demo_writers *writers)
{
    pthread_mutex_lock(&writers->lock);
    writers->paused = false;
    pthread_cond_broadcast(&writers->changed);
    pthread_mutex_unlock(&writers->lock);
}

uint64_t demo_writers_transactions(struct demo_writers *writers)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&writers->lock);
    for (int kind = 0; kind < KINDS; kind++)
        sum += writers->done[kind];
    pthread_mutex_unlock(&writers->lock);
    return sum;
}

struct demo_writes demo_writers_stop(struct demo_writers **writers)
{
    struct demo_writers *w = *writers;
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    for (int kind = 0; kind < KINDS; kind++)
        pthread_join(w->list[kind].thread, NULL);
    struct demo_writes writes = {
        .delays = w->done[0], .cancellations = w->done[1], .extra_flights = w->done[2], .swaps = w->done[3]};
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
    *writers = NULL;
    return writes;
}
