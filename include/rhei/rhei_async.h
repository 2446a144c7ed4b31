/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei_async.h
 * Statements for an event loop: submitted without waiting, run by a few threads, told of by a descriptor or a callback. The rules of
 * rhei.h hold. docs/guide/async.md shows it with poll() and libuv.
 *
 * @code
 * rhei_async *async = NULL;
 * rhei_async_open(db, NULL, &async, &error);
 * rhei_async_submit(async, "SELECT id, amount FROM orders", NULL, NULL, NULL, &error);
 * struct pollfd wait = {.fd = rhei_async_fd(async), .events = POLLIN};
 * poll(&wait, 1, -1);
 * for (rhei_task *task = NULL; (task = rhei_async_take(async)) != NULL;)
 *     rhei_task_free(&task);
 * rhei_async_close(&async);
 * @endcode
 */
#ifndef RHEI_ASYNC_H
#define RHEI_ASYNC_H

#include "rhei/rhei.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A few threads that run statements of one handle; any thread. From rhei_async_open() to rhei_async_close(). */
typedef struct rhei_async rhei_async;
/** A statement that was submitted; one thread at a time. From rhei_async_submit() to rhei_task_free(). */
typedef struct rhei_task rhei_task;

/** How many there are. Zero is the default of every field. */
struct rhei_async_options {
    size_t struct_size;
    uint32_t threads; /**< 0: 4; at least 2, because one is kept for the statements of an open transaction */
    uint32_t tasks;   /**< that may be there at a time, those included that are done and not freed; 0: 1,024 */
};
/** Starts the threads. The caller owns *async, and closes it before the handle. Any thread. */
RHEI_API rhei_status rhei_async_open(rhei_db *db, const struct rhei_async_options *options, rhei_async **async,
                                     struct rhei_error *error);
/**
 * Cancels what waits or runs, waits for the threads, and frees every task that is left; those with a `done` are told of before.
 * Accepts NULL. Owner thread, and not within a `done`.
 */
RHEI_API void rhei_async_close(rhei_async **async);
/** A descriptor for poll() or an event loop, readable while there is a task for rhei_async_take(). Don't read or close it. Any thread. */
RHEI_API int rhei_async_fd(const rhei_async *async);
/** The task that was done first of those without a `done`, which is the caller's now; NULL: none is done. Never waits. Any thread. */
RHEI_API rhei_task *rhei_async_take(rhei_async *async);

/** What a task gives. */
enum rhei_task_form {
    RHEI_TASK_ROWS = 0,  /**< rows, at most 1,000 (or 1 MiB) at a time: rhei_task_value() */
    RHEI_TASK_ARROW = 1, /**< Arrow batches, one at a time: rhei_task_batch() */
    RHEI_TASK_NONE = 2,  /**< rows are dropped, as by rhei_execute() */
};
/** How a statement is submitted. Zero is the default of every field. */
struct rhei_task_options {
    size_t struct_size;
    int32_t form;   /**< enum rhei_task_form */
    int32_t unused; /**< 0 */
    /**
     * Called when the task is done, also again after rhei_task_continue(), on one of the threads: it must not wait, and may call everything here
     * but rhei_async_close(). NULL: the task goes to rhei_async_take().
     */
    void (*done)(void *context, rhei_task *task);
    void *context; /**< for `done`, and rhei_task_context() */
    /**
     * The statement runs in this session, behind those submitted for it before: each begins when the one before it is over, its rows read
     * to the end or the task freed. Nobody else may use the session while it has tasks. NULL: in none, in no order.
     */
    rhei_session *session;
    /** As of rhei_query(); copied. `timeout_ms` counts from here, `cancel` has to be NULL: rhei_task_cancel(). NULL: all defaults. */
    const struct rhei_query_options *query;
};
/**
 * Hands in a statement, and returns at once; text and parameters are copied. `*task`, which may be NULL, is set before the task can be
 * done: with a `done` that frees it, it may be gone when this returns.
 *
 * Errors: RHEI_BUSY where `tasks` are there already: try again when one was freed; RHEI_CLOSED. What is wrong with the statement is the
 * task's failure. Any thread.
 */
RHEI_API rhei_status rhei_async_submit(rhei_async *async, const char *sql, const struct rhei_params *params,
                                       const struct rhei_task_options *options, rhei_task **task,
                                       struct rhei_error *error);

/** @name A task that is done
 * What its rows and batches say is borrowed until it is continued or freed. Owner thread, all of them.
 * @{ */

/**
 * RHEI_ROW: rows are there, and rhei_task_continue() gets the next. RHEI_DONE: it is over; rows that are there are the last. RHEI_BUSY: it isn't done. Or
 * its failure, of which *error, which may be NULL, tells.
 */
RHEI_API rhei_status rhei_task_status(const rhei_task *task, struct rhei_error *error);
RHEI_API void *rhei_task_context(const rhei_task *task); /**< as it was submitted with */
/** What a statement that wrote did; zeros otherwise. */
RHEI_API void rhei_task_result(const rhei_task *task, struct rhei_result *result);
/** Number of columns of RHEI_TASK_ROWS. */
RHEI_API uint32_t rhei_task_column_count(const rhei_task *task);
/** Name of a column of RHEI_TASK_ROWS, "" if it isn't there. */
RHEI_API const char *rhei_task_column_name(const rhei_task *task, uint32_t column);
/** Number of rows that are there now, of RHEI_TASK_ROWS and RHEI_TASK_ARROW. */
RHEI_API size_t rhei_task_row_count(const rhei_task *task);
/** A value of RHEI_TASK_ROWS; NULL where there is none. */
RHEI_API struct rhei_value rhei_task_value(const rhei_task *task, size_t row, uint32_t column);
/**
 * Moves out schema and batch of RHEI_TASK_ARROW, which are the caller's then, and outlive the task, not the handle. Either may be NULL. The
 * schema comes once, with the first call; later `schema->release` is NULL, as is `array->release` where no batch is there.
 */
RHEI_API void rhei_task_batch(rhei_task *task, struct ArrowSchema *schema, struct ArrowArray *array);
/** Has the next rows read; the task is done again when they are there. Never waits. Errors: RHEI_INVALID (its status isn't RHEI_ROW), RHEI_CLOSED. */
RHEI_API rhei_status rhei_task_continue(rhei_task *task, struct rhei_error *error);
/** @} */

/** Ends a task with RHEI_CANCELLED, whether it waits or runs; it is told of as done. No effect on one that is done. Any thread, while it isn't freed. */
RHEI_API void rhei_task_cancel(rhei_task *task);
/** Frees a task. One that isn't done is cancelled, and never told of. Never waits. Accepts NULL. Owner thread. */
RHEI_API void rhei_task_free(rhei_task **task);

#ifdef __cplusplus
}
#endif
#endif
