/* SPDX-License-Identifier: Apache-2.0 */
/* Between the threads that run tasks and what a task is. */
#ifndef ENGINE_ASYNC_H
#define ENGINE_ASYNC_H

#include "base/base_arena.h"
#include "engine/engine_internal.h"
#include "rhei/rhei_async.h"

enum task_place {
    TASK_WAITS,   /* for a thread */
    TASK_RUNS,    /* on one */
    TASK_IS_DONE, /* for rhei_async_take */
    TASK_IS_HELD, /* by the caller, or by its `done` */
};

struct rhei_task {
    /* Under the lock of `async`. */
    struct rhei_async *async;
    struct rhei_task *before, *behind; /* in the list of all tasks */
    struct rhei_task *next;            /* in the list of those that wait, or are done */
    struct rhei_task *next_occupier;
    enum task_place place;
    bool cancelled; /* its flag is raised: one that hasn't begun isn't run */
    bool abandoned; /* freed by its owner: it ends on a thread, and nobody is told */
    bool occupies;  /* its session: nothing else of that may run */
    /* As it was submitted. */
    struct base_arena arena; /* of what follows */
    char *sql;
    struct rhei_params params;
    int32_t form;
    void (*done)(void *context, rhei_task *task);
    void *context;
    rhei_session *session;
    struct rhei_query_options query;
    int64_t deadline_ns;
    rhei_cancel *cancel;
    /* Of who has it: the thread that runs it, or the caller. */
    bool began;
    rhei_status status;
    struct rhei_error error;
    struct rhei_result result;
    rhei_rows *rows;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    uint32_t columns;
    const char **names;        /* [columns] */
    struct rhei_value *values; /* [row_count][columns] */
    size_t capacity, row_count;
    struct base_buffer bytes; /* of the values */
};

/* Copies everything; the cancel flag is the task's own. */
rhei_status engine_task_new(const char *sql, const struct rhei_params *params, const struct rhei_task_options *options,
                            struct rhei_task **task, struct rhei_error *error);
void engine_task_destroy(struct rhei_task *task);
/* Begins it, or reads on. Its status tells what came of it. */
void engine_task_run(struct rhei_task *task, struct rhei_db *db);
/* It was cancelled before it began. */
void engine_task_refuse(struct rhei_task *task);
/* Lets go of what it reads from. */
void engine_task_end(struct rhei_task *task);
/* Is there nothing more to come? */
bool engine_task_is_over(const struct rhei_task *task);

#endif
