/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extension rhei._native: handles, values and streams of include/rhei for Python, in its limited API of 3.9. docs/design/python-package.md has the
 * invariants. Functions here want the GIL unless they say otherwise; those that return an object or false have set Python's error.
 */
#ifndef RHEI_PYTHON_NATIVE_H
#define RHEI_PYTHON_NATIVE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03090000
#include <Python.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "rhei/rhei.h"
#include "rhei/rhei_care.h"
#include "rhei/rhei_doors.h"

/* ---- An open database, held by whoever needs it open. ------------------------------------------------------------- */

struct native_handle {
    rhei_db *db;
    pid_t process;
    atomic_int users;
    atomic_bool closed; /* by the program; the last user closes the file */
};
/* Takes the database over; NULL: no memory, and it is closed. */
struct native_handle *native_handle_new(rhei_db *db);
void native_handle_hold(struct native_handle *handle);
/* With or without the GIL. Closes for the last user, but not in a child of the process that opened. */
void native_handle_drop(struct native_handle **handle);
bool native_handle_elsewhere(const struct native_handle *handle);
bool native_handle_usable(const struct native_handle *handle);

/* ---- A flag that ends calls. ---------------------------------------------------------------------------------------- */

struct native_cancel {
    rhei_cancel *flag;
    atomic_int users;
    atomic_bool wanted; /* by the program, not by Ctrl-C */
};
/* Of the object that the program gave, or a new one where it is None or NULL. The caller drops it. */
struct native_cancel *native_cancel_of(PyObject *object);
void native_cancel_drop(struct native_cancel **cancel); /* with or without the GIL */
extern PyType_Spec native_cancel_spec;

/* ---- A call without the GIL. --------------------------------------------------------------------------------------- */

struct native_call {
    struct native_cancel *cancel;
    struct rhei_error error;
    const char *sql; /* what error.sql_offset counts in; may be NULL */
    PyThreadState *thread;
    bool watched; /* Ctrl-C ends it */
};
/* From here to native_call_end() nothing of Python's may be touched. `cancel` as of native_cancel_of(). */
bool native_call_begin(struct native_call *call, PyObject *cancel, const char *sql);
/* The same with a flag that the caller keeps. */
void native_call_enter(struct native_call *call, struct native_cancel *cancel, const char *sql);
/* True: `status` is no failure (OK, ROW, DONE), and no handler of a signal raised anything. */
bool native_call_end(struct native_call *call, rhei_status status);
bool native_call_ready(void);
PyObject *native_main_thread(PyObject *module, PyObject *ident);
void native_raise(const struct rhei_error *error, const char *sql);
/* Raises an error of Rhei's classes that was found here. */
void native_fail(rhei_status status, const char *format, ...);

/* ---- Values. --------------------------------------------------------------------------------------------------------- */

struct native_params {
    struct rhei_value *values;
    size_t count;
    PyObject *kept; /* what the values point into */
};
/* None, a sequence, or a mapping of names. */
bool native_params_read(PyObject *object, struct native_params *params);
/* Rows of one length, one after another. */
bool native_params_rows(PyObject *rows, struct native_params *params, size_t *columns, size_t *row_count);
void native_params_free(struct native_params *params);
/* For "O&": the UTF-8 of a str, borrowed from it, as a const char *. */
int native_sql(PyObject *object, void *place);
PyObject *native_value(const struct rhei_value *value);
PyObject *native_text(const char *bytes, size_t length); /* bytes, where it isn't UTF-8 */
bool native_set(PyObject *dict, const char *key, PyObject *taken);
PyObject *native_names(const char *const *names, size_t count);
extern PyObject *native_hooks; /* the functions of Python that the extension calls, by name */
PyObject *native_hook(const char *name);

/* ---- What lies in a handle: sessions, statements, rows, watchers, readers. ------------------------------------------ */

struct native_answer;
/* An object that ends by a function of the library, used by one thread at a time. */
struct native_part {
    PyObject ob_base;
    struct native_handle *handle; /* NULL: ended */
    PyObject *above;              /* what has to stay open for it: a session; NULL */
    void *what;
    void (*end)(void *what);
    struct native_cancel *cancel; /* NULL: each call has one of its own */
    struct native_answer *open;   /* of a session or statement: the answer that has to end before the next call */
    int below;                    /* parts that need this one open */
    bool busy, ending;
    bool with_database; /* it ended because that was closed */
};
PyObject *native_part_new(PyObject *type, struct native_handle *handle, PyObject *above, void *what,
                          void (*end)(void *));
/* Marks it busy, and reads an open answer of it, and of what is above it, into memory. */
bool native_part_use(struct native_part *part);
void native_part_rest(struct native_part *part);
void native_part_dealloc(PyObject *self);
PyObject *native_part_close(PyObject *self, PyObject *nothing);
PyObject *native_part_closed(PyObject *self, void *closure);

/* ---- Answers. --------------------------------------------------------------------------------------------------------- */

/* Arrow batches of an answer, for one reader at a time; shared with those that it was handed on to. */
struct native_answer {
    atomic_int users;
    pthread_mutex_t lock;
    struct ArrowArrayStream stream; /* release NULL: it is read to its end */
    struct ArrowSchema schema;
    struct ArrowArray *kept; /* what was read ahead */
    size_t kept_count, kept_next;
    struct native_handle *handle; /* NULL: the stream is somebody else's, who knows how long it lives */
    struct native_cancel *cancel;
    struct rhei_error failure;
    bool finished;
};
/* Takes over the stream; `part`, which may be NULL, is the session or statement that it reads in. */
PyObject *native_answer_object(struct native_handle *handle, struct native_part *part, struct native_cancel *cancel,
                               struct ArrowArrayStream *stream);
PyObject *native_answer_fed(struct native_handle *handle, PyObject *object, struct ArrowSchema *schema,
                            struct ArrowArray *batch);
PyObject *native_answer_foreign(PyObject *module, PyObject *object);
void native_answer_drop(struct native_answer **answer);
rhei_status native_answer_gather(struct native_answer *answer); /* the rest into memory; without the GIL */
extern PyType_Spec native_answer_spec;
/* Makes batch and columns hold the handle. */
rhei_status native_batch_hold(struct native_handle *handle, struct ArrowArray *array);
/* Rows from `first` on, as tuples; false and no error where a type has no value here. */
PyObject *native_batch_rows(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t first,
                            int64_t count);
bool native_batch_has_values(const struct ArrowSchema *schema);
PyObject *native_schema_metadata(const struct ArrowSchema *schema);
PyObject *native_capsule_schema(struct ArrowSchema *schema);
PyObject *native_capsule_array(struct ArrowArray *array);

/* ---- Types and functions of the module. -------------------------------------------------------------------------------- */

struct native_types {
    PyObject *cancel, *database, *session, *statement, *answer, *rows, *watch, *changes, *loop, *task;
};
extern struct native_types native_types;
extern PyType_Spec native_database_spec, native_session_spec, native_statement_spec, native_rows_spec,
    native_watch_spec, native_changes_spec, native_loop_spec, native_task_spec;
PyObject *native_open(PyObject *module, PyObject *arguments);
PyObject *native_detach(PyObject *module, PyObject *arguments);
PyObject *native_split(PyObject *module, PyObject *text);
PyObject *native_settings(PyObject *module, PyObject *nothing);
void native_database_ready(void); /* before its type is made */
PyObject *native_result(const struct rhei_result *result);
/* The stream in a capsule, or that an object gives by __arrow_c_stream__; the caller releases it. */
bool native_stream_take(PyObject *object, struct ArrowArrayStream *stream);
/* Options of a query: (freshness mode, its milliseconds, route, strings, timeout_ms, memory_limit, as_of, settings). */
bool native_query_options(PyObject *tuple, struct rhei_query_options *options);
PyObject *native_session_make(struct native_handle *handle);
PyObject *native_statement_make(struct native_handle *handle, PyObject *session, const char *sql, PyObject *cancel);
PyObject *native_rows_make(struct native_handle *handle, const char *sql, PyObject *params, PyObject *options,
                           PyObject *cancel);
PyObject *native_loop_make(struct native_handle *handle, PyObject *number);
PyObject *native_watch_make(struct native_handle *handle, PyObject *tables);
PyObject *native_changes_make(struct native_handle *handle, PyObject *arguments);

#endif
