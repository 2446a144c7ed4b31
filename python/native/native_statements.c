/* SPDX-License-Identifier: Apache-2.0 */
/* What runs SQL: the database itself, a session and a prepared statement, by the same functions. */
#include <stdlib.h>
#include <string.h>

#include "native.h"

/* Where a call goes; `part` is NULL for the database itself. */
struct target {
    struct native_handle *handle;
    struct native_part *part;
    rhei_session *session;
    rhei_statement *statement;
};

static bool target_take(PyObject *self, struct target *target)
{
    struct native_part *part = (struct native_part *)self;
    *target = (struct target){.handle = part->handle};
    if ((PyObject *)Py_TYPE(self) == native_types.database) {
        if (target->handle == NULL)
            native_fail(RHEI_CLOSED, "the database is closed");
        if (target->handle == NULL || !native_handle_usable(target->handle))
            return false;
    } else {
        if (!native_part_use(part))
            return false;
        target->part = part;
        if ((PyObject *)Py_TYPE(self) == native_types.session)
            target->session = part->what;
        else
            target->statement = part->what;
    }
    native_handle_hold(target->handle);
    return true;
}

static void target_leave(struct target *target)
{
    if (target->part != NULL)
        native_part_rest(target->part);
    PyThreadState *thread = PyEval_SaveThread();
    native_handle_drop(&target->handle);
    PyEval_RestoreThread(thread);
}

PyObject *native_result(const struct rhei_result *result)
{
    return Py_BuildValue("(LLL)", (long long)result->changes, (long long)result->last_insert_rowid,
                         (long long)result->position);
}

/* execute(sql, params, timeout_ms, cancel); of a statement without the text. */
static PyObject *run(PyObject *self, const char *sql, PyObject *given, long long timeout, PyObject *cancel)
{
    struct native_params params;
    struct target target;
    struct native_call call;
    struct rhei_result result = {.struct_size = sizeof result};
    struct rhei_call_options options = {.struct_size = sizeof options, .timeout_ms = timeout};
    PyObject *made = NULL;
    if (!native_params_read(given, &params))
        return NULL;
    if (!target_take(self, &target)) {
        native_params_free(&params);
        return NULL;
    }
    struct rhei_params list = {params.values, params.count};
    if (native_call_begin(&call, cancel, sql)) {
        rhei_status status;
        options.cancel = call.cancel->flag;
        if (target.statement != NULL)
            status = rhei_statement_execute_with(target.statement, &list, &options, &result, &call.error);
        else if (target.session != NULL)
            status = rhei_session_execute_with(target.session, sql, &list, &options, &result, &call.error);
        else
            status = rhei_execute_with(target.handle->db, sql, &list, &options, &result, &call.error);
        if (native_call_end(&call, status))
            made = native_result(&result);
    }
    target_leave(&target);
    native_params_free(&params);
    return made;
}

static PyObject *execute(PyObject *self, PyObject *arguments)
{
    const char *sql;
    PyObject *params, *cancel;
    long long timeout;
    return PyArg_ParseTuple(arguments, "O&OLO", native_sql, &sql, &params, &timeout, &cancel)
               ? run(self, sql, params, timeout, cancel)
               : NULL;
}

static PyObject *statement_execute(PyObject *self, PyObject *arguments)
{
    PyObject *params, *cancel;
    long long timeout;
    return PyArg_ParseTuple(arguments, "OLO", &params, &timeout, &cancel) ? run(self, NULL, params, timeout, cancel)
                                                                          : NULL;
}

/* execute_batch(sql, rows, timeout_ms, cancel) */
static PyObject *execute_batch(PyObject *self, PyObject *arguments)
{
    const char *sql;
    PyObject *rows, *cancel, *made = NULL;
    long long timeout;
    struct native_params params;
    struct target target;
    struct native_call call;
    size_t columns, count;
    struct rhei_result result = {.struct_size = sizeof result};
    if (!PyArg_ParseTuple(arguments, "O&OLO", native_sql, &sql, &rows, &timeout, &cancel) ||
        !native_params_rows(rows, &params, &columns, &count))
        return NULL;
    if (target_take(self, &target)) {
        if (native_call_begin(&call, cancel, sql)) {
            struct rhei_call_options options = {
                .struct_size = sizeof options, .timeout_ms = timeout, .cancel = call.cancel->flag};
            rhei_status status = target.session != NULL
                                     ? rhei_session_execute_batch(target.session, sql, params.values, columns, count,
                                                                  &options, &result, &call.error)
                                     : rhei_execute_batch_with(target.handle->db, sql, params.values, columns, count,
                                                               &options, &result, &call.error);
            if (native_call_end(&call, status))
                made = native_result(&result);
        }
        target_leave(&target);
    }
    native_params_free(&params);
    return made;
}

/* execute_script(sql, timeout_ms, cancel) */
static PyObject *execute_script(PyObject *self, PyObject *arguments)
{
    const char *sql;
    PyObject *cancel, *made = NULL;
    long long timeout;
    struct target target;
    struct native_call call;
    struct rhei_result result = {.struct_size = sizeof result};
    if (!PyArg_ParseTuple(arguments, "O&LO", native_sql, &sql, &timeout, &cancel) || !target_take(self, &target))
        return NULL;
    if (native_call_begin(&call, cancel, sql)) {
        struct rhei_call_options options = {
            .struct_size = sizeof options, .timeout_ms = timeout, .cancel = call.cancel->flag};
        rhei_status status = target.session != NULL
                                 ? rhei_session_execute_script(target.session, sql, &options, &result, &call.error)
                                 : rhei_execute_script_with(target.handle->db, sql, &options, &result, &call.error);
        if (native_call_end(&call, status))
            made = native_result(&result);
    }
    target_leave(&target);
    return made;
}

bool native_query_options(PyObject *tuple, struct rhei_query_options *options)
{
    int mode, route, strings, settings;
    long long age, timeout;
    unsigned long long memory;
    const char *as_of;
    if (!PyArg_ParseTuple(tuple, "iLiiLKzp", &mode, &age, &route, &strings, &timeout, &memory, &as_of, &settings))
        return false;
    *options = (struct rhei_query_options){.struct_size = sizeof *options,
                                           .freshness = {.mode = mode, .max_age_ms = age},
                                           .route = route,
                                           .strings = strings,
                                           .timeout_ms = timeout,
                                           .memory_limit = memory,
                                           .as_of = as_of,
                                           .settings = settings != 0};
    return true;
}

/* `olap`: in the column store's own dialect. */
static PyObject *ask(PyObject *self, const char *sql, PyObject *given, PyObject *tuple, PyObject *cancel, bool olap)
{
    struct native_params params;
    struct rhei_query_options options;
    struct target target;
    struct native_call call;
    struct ArrowArrayStream stream = {.release = NULL};
    PyObject *made = NULL;
    if (!native_query_options(tuple, &options) || !native_params_read(given, &params))
        return NULL;
    struct native_cancel *flag = native_cancel_of(cancel);
    if (flag == NULL || !target_take(self, &target)) {
        native_cancel_drop(&flag);
        native_params_free(&params);
        return NULL;
    }
    struct rhei_params list = {params.values, params.count};
    options.cancel = flag->flag; /* which the answer keeps */
    native_call_enter(&call, flag, sql);
    rhei_status status;
    if (olap)
        status = rhei_olap_query_arrow(target.handle->db, sql, &options, &stream, &call.error);
    else if (target.statement != NULL)
        status = rhei_statement_query_arrow(target.statement, &list, &options, &stream, &call.error);
    else if (target.session != NULL)
        status = rhei_session_query_arrow(target.session, sql, &list, &options, &stream, &call.error);
    else
        status = rhei_query_arrow(target.handle->db, sql, &list, &options, &stream, &call.error);
    if (native_call_end(&call, status))
        made = native_answer_object(target.handle, target.part, flag, &stream);
    else if (status == RHEI_OK)
        stream.release(&stream); /* a signal's handler raised */
    target_leave(&target);
    native_cancel_drop(&flag);
    native_params_free(&params);
    return made;
}

/* query(sql, params, options, cancel); of a statement without the text. */
static PyObject *query(PyObject *self, PyObject *arguments)
{
    const char *sql;
    PyObject *params, *options, *cancel;
    return PyArg_ParseTuple(arguments, "O&OOO", native_sql, &sql, &params, &options, &cancel)
               ? ask(self, sql, params, options, cancel, false)
               : NULL;
}

static PyObject *statement_query(PyObject *self, PyObject *arguments)
{
    PyObject *params, *options, *cancel;
    return PyArg_ParseTuple(arguments, "OOO", &params, &options, &cancel)
               ? ask(self, NULL, params, options, cancel, false)
               : NULL;
}

static PyObject *olap_query(PyObject *self, PyObject *arguments)
{
    const char *sql;
    PyObject *options, *cancel;
    return PyArg_ParseTuple(arguments, "O&OO", native_sql, &sql, &options, &cancel)
               ? ask(self, sql, NULL, options, cancel, true)
               : NULL;
}

/* rows(sql, params, options, cancel) */
static PyObject *rows(PyObject *self, PyObject *arguments)
{
    const char *sql;
    PyObject *params, *options, *cancel, *made = NULL;
    struct target target;
    if (!PyArg_ParseTuple(arguments, "O&OOO", native_sql, &sql, &params, &options, &cancel) ||
        !target_take(self, &target))
        return NULL;
    made = native_rows_make(target.handle, sql, params, options, cancel);
    target_leave(&target);
    return made;
}

bool native_stream_take(PyObject *object, struct ArrowArrayStream *stream)
{
    PyObject *capsule = NULL;
    if (PyCapsule_CheckExact(object)) {
        Py_INCREF(object);
        capsule = object;
    } else
        capsule = PyObject_CallMethod(object, "__arrow_c_stream__", NULL);
    struct ArrowArrayStream *from = capsule == NULL ? NULL : PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (from != NULL && from->release == NULL)
        native_fail(RHEI_INVALID, "the Arrow stream was read already");
    bool fine = from != NULL && from->release != NULL;
    if (fine) {
        *stream = *from;
        from->release = NULL;
    }
    Py_XDECREF(capsule);
    return fine;
}

/* ingest(table, data, mode, on_conflict, chunk_rows, key_columns, temporary, timeout_ms, cancel) */
static PyObject *ingest(PyObject *self, PyObject *arguments)
{
    const char *table;
    PyObject *data, *keys, *cancel, *made = NULL;
    int mode, conflict, temporary;
    unsigned long long chunk;
    long long timeout;
    struct target target;
    struct native_call call;
    struct ArrowArrayStream stream;
    struct native_params names = {0};
    struct rhei_ingest_result result = {.struct_size = sizeof result};
    if (!PyArg_ParseTuple(arguments, "sOiiKOpLO", &table, &data, &mode, &conflict, &chunk, &keys, &temporary, &timeout,
                          &cancel) ||
        !native_params_read(keys, &names))
        return NULL;
    const char **columns = calloc(names.count + 1, sizeof *columns);
    for (size_t i = 0; columns != NULL && i < names.count; i++)
        columns[i] = names.values[i].as.bytes;
    if (columns != NULL && native_stream_take(data, &stream)) {
        if (!target_take(self, &target))
            stream.release(&stream);
        else {
            if (native_call_begin(&call, cancel, NULL)) {
                struct rhei_ingest_options options = {.struct_size = sizeof options,
                                                      .mode = mode,
                                                      .on_conflict = conflict,
                                                      .chunk_rows = chunk,
                                                      .timeout_ms = timeout,
                                                      .cancel = call.cancel->flag,
                                                      .key_columns = columns,
                                                      .key_count = names.count,
                                                      .temporary = temporary != 0};
                rhei_status status =
                    target.session != NULL
                        ? rhei_session_ingest_arrow(target.session, table, &stream, &options, &result, &call.error)
                        : rhei_ingest_arrow(target.handle->db, table, &stream, &options, &result, &call.error);
                if (native_call_end(&call, status))
                    made =
                        Py_BuildValue("(LLLLL)", (long long)result.rows, (long long)result.position,
                                      (long long)result.changed, (long long)result.skipped, (long long)result.rejected);
            } else
                stream.release(&stream);
            target_leave(&target);
        }
    }
    free(columns);
    native_params_free(&names);
    return made;
}

static void end_session(void *what)
{
    rhei_session *session = what;
    rhei_session_close(&session);
}

/* session() */
static PyObject *session(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct target target;
    struct native_call call;
    rhei_session *opened = NULL;
    PyObject *made = NULL;
    if (!target_take(self, &target))
        return NULL;
    if (native_call_begin(&call, NULL, NULL)) {
        rhei_status status = rhei_session_open(target.handle->db, &opened, &call.error);
        if (native_call_end(&call, status))
            made = native_part_new(native_types.session, target.handle, NULL, opened, end_session);
        else if (status == RHEI_OK)
            rhei_session_close(&opened);
    }
    target_leave(&target);
    return made;
}

static void end_statement(void *what)
{
    rhei_statement *statement = what;
    rhei_statement_close(&statement);
}

/* prepare(sql) */
static PyObject *prepare(PyObject *self, PyObject *arguments)
{
    const char *sql;
    struct target target;
    struct native_call call;
    rhei_statement *opened = NULL;
    PyObject *made = NULL;
    if (!PyArg_ParseTuple(arguments, "O&", native_sql, &sql) || !target_take(self, &target))
        return NULL;
    if (native_call_begin(&call, NULL, sql)) {
        rhei_status status = target.session != NULL ? rhei_session_prepare(target.session, sql, &opened, &call.error)
                                                    : rhei_prepare(target.handle->db, sql, &opened, &call.error);
        if (native_call_end(&call, status))
            made =
                native_part_new(native_types.statement, target.handle, (PyObject *)target.part, opened, end_statement);
        else if (status == RHEI_OK)
            rhei_statement_close(&opened);
    }
    target_leave(&target);
    return made;
}

static PyObject *session_in_transaction(PyObject *self, void *closure)
{
    (void)closure;
    struct native_part *part = (struct native_part *)self;
    if (part->what == NULL)
        Py_RETURN_FALSE;
    if (part->busy) {
        native_fail(RHEI_INVALID, "another thread is using the session");
        return NULL;
    }
    return PyBool_FromLong(rhei_session_in_transaction(part->what));
}

/* (names of parameters, names of columns, whether it only reads) */
static PyObject *statement_facts(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = (struct native_part *)self;
    if (!native_part_use(part))
        return NULL;
    uint32_t params = rhei_statement_parameter_count(part->what);
    PyThreadState *thread = PyEval_SaveThread();
    uint32_t columns = rhei_statement_column_count(part->what);
    PyEval_RestoreThread(thread);
    PyObject *names = PyList_New(0), *titles = PyList_New(0);
    for (uint32_t i = 0; names != NULL && titles != NULL && i < params + columns; i++) {
        const char *text = i < params ? rhei_statement_parameter_name(part->what, i + 1)
                                      : rhei_statement_column_name(part->what, i - params);
        PyObject *name = native_text(text, strlen(text));
        if (name == NULL || PyList_Append(i < params ? names : titles, name) != 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    PyObject *made =
        names == NULL || titles == NULL
            ? NULL
            : Py_BuildValue("(OOO)", names, titles, rhei_statement_is_read_only(part->what) ? Py_True : Py_False);
    Py_XDECREF(names);
    Py_XDECREF(titles);
    native_part_rest(part);
    return made;
}

#define SQL_METHODS                                                                                   \
    {"execute", execute, METH_VARARGS, NULL}, {"execute_batch", execute_batch, METH_VARARGS, NULL},   \
        {"execute_script", execute_script, METH_VARARGS, NULL}, {"query", query, METH_VARARGS, NULL}, \
        {"ingest", ingest, METH_VARARGS, NULL},                                                       \
    {                                                                                                 \
        "prepare", prepare, METH_VARARGS, NULL                                                        \
    }

PyMethodDef native_database_sql[] = {
    SQL_METHODS,
    {"rows", rows, METH_VARARGS, NULL},
    {"olap_query", olap_query, METH_VARARGS, NULL},
    {"session", session, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef session_methods[] = {
    SQL_METHODS,
    {"close", native_part_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef session_fields[] = {
    {"in_transaction", session_in_transaction, NULL, NULL, NULL},
    {"closed", native_part_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot session_slots[] = {
    {Py_tp_dealloc, native_part_dealloc},
    {Py_tp_methods, session_methods},
    {Py_tp_getset, session_fields},
    {0, NULL},
};
PyType_Spec native_session_spec = {"rhei._native.Session", sizeof(struct native_part), 0, Py_TPFLAGS_DEFAULT,
                                   session_slots};

static PyMethodDef statement_methods[] = {
    {"execute", statement_execute, METH_VARARGS, NULL},
    {"query", statement_query, METH_VARARGS, NULL},
    {"facts", statement_facts, METH_NOARGS, NULL},
    {"close", native_part_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef statement_fields[] = {
    {"closed", native_part_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot statement_slots[] = {
    {Py_tp_dealloc, native_part_dealloc},
    {Py_tp_methods, statement_methods},
    {Py_tp_getset, statement_fields},
    {0, NULL},
};
PyType_Spec native_statement_spec = {"rhei._native.Statement", sizeof(struct native_part), 0, Py_TPFLAGS_DEFAULT,
                                     statement_slots};
