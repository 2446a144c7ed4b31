/* SPDX-License-Identifier: Apache-2.0 */
/* The database object: tables, sync, care and state. What runs SQL is in native_statements.c. */
#include <stdlib.h>
#include <string.h>

#include "native.h"

struct work {
    struct native_handle *handle;
    struct native_call call;
    struct rhei_call_options options;
};

/* Without the GIL from here to done(). */
static bool begin(PyObject *self, struct work *work, PyObject *cancel, long long timeout)
{
    struct native_handle *handle = ((struct native_part *)self)->handle;
    if (handle == NULL)
        native_fail(RHEI_CLOSED, "the database is closed");
    if (handle == NULL || !native_handle_usable(handle))
        return false;
    native_handle_hold(handle);
    work->handle = handle;
    if (!native_call_begin(&work->call, cancel, NULL)) {
        native_handle_drop(&work->handle);
        return false;
    }
    work->options = (struct rhei_call_options){
        .struct_size = sizeof work->options, .timeout_ms = timeout, .cancel = work->call.cancel->flag};
    return true;
}

static bool done(struct work *work, rhei_status status)
{
    native_handle_drop(&work->handle);
    return native_call_end(&work->call, status);
}

static PyObject *none(struct work *work, rhei_status status)
{
    if (!done(work, status))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *database_close(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = (struct native_part *)self;
    struct native_handle *handle = part->handle;
    part->handle = NULL;
    if (handle != NULL) {
        atomic_store(&handle->closed, true);
        PyThreadState *thread = PyEval_SaveThread();
        native_handle_drop(&handle);
        PyEval_RestoreThread(thread);
    }
    Py_RETURN_NONE;
}

static PyObject *database_closed(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(((struct native_part *)self)->handle == NULL);
}

/* register_table(name, columns or None, timeout_ms, cancel); a column: (name, type, not_null, primary_key) */
static PyObject *register_table(PyObject *self, PyObject *arguments)
{
    const char *name;
    PyObject *given, *cancel, *list = NULL, *made = NULL;
    long long timeout;
    struct work work;
    if (!PyArg_ParseTuple(arguments, "sOLO", &name, &given, &timeout, &cancel))
        return NULL;
    if (given != Py_None && (list = PySequence_List(given)) == NULL)
        return NULL;
    size_t count = list == NULL ? 0 : (size_t)PyList_Size(list);
    struct rhei_column *columns = calloc(count + 1, sizeof *columns);
    bool fine = columns != NULL;
    for (size_t i = 0; fine && i < count; i++) {
        int not_null, primary;
        fine = PyArg_ParseTuple(PyList_GetItem(list, (Py_ssize_t)i), "sspp", &columns[i].name, &columns[i].type,
                                &not_null, &primary);
        columns[i].not_null = not_null != 0;
        columns[i].primary_key = primary != 0;
    }
    if (fine && begin(self, &work, cancel, timeout))
        made = none(&work, rhei_register_table_with(work.handle->db, name, list == NULL ? NULL : columns, count,
                                                    &work.options, &work.call.error));
    free(columns);
    Py_XDECREF(list);
    return made;
}

static PyObject *unregister_table(PyObject *self, PyObject *arguments)
{
    const char *name;
    PyObject *cancel;
    long long timeout;
    struct work work;
    if (!PyArg_ParseTuple(arguments, "sLO", &name, &timeout, &cancel) || !begin(self, &work, cancel, timeout))
        return NULL;
    return none(&work, rhei_unregister_table_with(work.handle->db, name, &work.options, &work.call.error));
}

static PyObject *sync_now(PyObject *self, PyObject *arguments)
{
    PyObject *cancel;
    long long timeout;
    struct work work;
    struct rhei_sync_report report = {.struct_size = sizeof report};
    if (!PyArg_ParseTuple(arguments, "LO", &timeout, &cancel) || !begin(self, &work, cancel, timeout))
        return NULL;
    if (!done(&work, rhei_sync_now_with(work.handle->db, &work.options, &report, &work.call.error)))
        return NULL;
    return Py_BuildValue("(LKKKKKL)", (long long)report.position, (unsigned long long)report.events,
                         (unsigned long long)report.rows_inserted, (unsigned long long)report.rows_updated,
                         (unsigned long long)report.rows_deleted, (unsigned long long)report.rows_pruned,
                         (long long)report.duration_us);
}

static PyObject *initial_sync(PyObject *self, PyObject *arguments)
{
    PyObject *cancel;
    long long timeout;
    struct work work;
    if (!PyArg_ParseTuple(arguments, "LO", &timeout, &cancel) || !begin(self, &work, cancel, timeout))
        return NULL;
    return none(&work, rhei_initial_sync_with(work.handle->db, &work.options, &work.call.error));
}

static PyObject *start_sync(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct work work;
    return begin(self, &work, NULL, 0) ? none(&work, rhei_start_sync(work.handle->db, &work.call.error)) : NULL;
}

static PyObject *stop_sync(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct work work;
    return begin(self, &work, NULL, 0) ? none(&work, rhei_stop_sync(work.handle->db, &work.call.error)) : NULL;
}

static PyObject *checkpoint(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct work work;
    return begin(self, &work, NULL, 0) ? none(&work, rhei_checkpoint(work.handle->db, &work.call.error)) : NULL;
}

static PyObject *rebuild(PyObject *self, PyObject *arguments)
{
    const char *name;
    struct work work;
    if (!PyArg_ParseTuple(arguments, "z", &name) || !begin(self, &work, NULL, 0))
        return NULL;
    return none(&work, rhei_rebuild(work.handle->db, name, &work.call.error));
}

/* verify(table or None, rows_per_second, timeout_ms, cancel) */
static PyObject *verify(PyObject *self, PyObject *arguments)
{
    const char *name;
    PyObject *cancel;
    long long timeout;
    unsigned long long rate;
    uint64_t rows = 0;
    struct work work;
    if (!PyArg_ParseTuple(arguments, "zKLO", &name, &rate, &timeout, &cancel) || !begin(self, &work, cancel, timeout))
        return NULL;
    work.options.rows_per_second = rate;
    return done(&work, rhei_verify_with(work.handle->db, name, &work.options, &rows, &work.call.error))
               ? PyLong_FromUnsignedLongLong(rows)
               : NULL;
}

static PyObject *repair(PyObject *self, PyObject *arguments)
{
    const char *name;
    PyObject *cancel;
    long long timeout;
    unsigned long long rate;
    struct rhei_repair_result result = {.struct_size = sizeof result};
    struct work work;
    if (!PyArg_ParseTuple(arguments, "zKLO", &name, &rate, &timeout, &cancel) || !begin(self, &work, cancel, timeout))
        return NULL;
    work.options.rows_per_second = rate;
    if (!done(&work, rhei_repair(work.handle->db, name, &work.options, &result, &work.call.error)))
        return NULL;
    return Py_BuildValue("(KKKKKKO)", (unsigned long long)result.tables, (unsigned long long)result.rows,
                         (unsigned long long)result.repaired, (unsigned long long)result.rebuilt,
                         (unsigned long long)result.mended_pieces, (unsigned long long)result.mended_rows,
                         result.history_lost != 0 ? Py_True : Py_False);
}

static PyObject *backup(PyObject *self, PyObject *arguments)
{
    const char *folder;
    PyObject *cancel;
    long long timeout;
    struct rhei_backup_result result = {.struct_size = sizeof result};
    struct work work;
    if (!PyArg_ParseTuple(arguments, "sLO", &folder, &timeout, &cancel) || !begin(self, &work, cancel, timeout))
        return NULL;
    if (!done(&work, rhei_backup(work.handle->db, folder, &work.options, &result, &work.call.error)))
        return NULL;
    return Py_BuildValue("(LKKLL)", (long long)result.position, (unsigned long long)result.database_bytes,
                         (unsigned long long)result.olap_bytes, (long long)result.olap_position,
                         (long long)result.duration_us);
}

static PyObject *changes_drop(PyObject *self, PyObject *arguments)
{
    const char *consumer;
    struct work work;
    if (!PyArg_ParseTuple(arguments, "s", &consumer) || !begin(self, &work, NULL, 0))
        return NULL;
    return none(&work, rhei_changes_drop(work.handle->db, consumer, &work.call.error));
}

/* ---- State --------------------------------------------------------------------------------------------------------------- */

static PyObject *sync_status(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct work work;
    struct rhei_sync_status s = {.struct_size = sizeof s};
    if (!begin(self, &work, NULL, 0) || !done(&work, rhei_sync_status(work.handle->db, &s, &work.call.error)))
        return NULL;
    PyObject *dict = PyDict_New();
#define NUMBER(field) (dict == NULL || native_set(dict, #field, PyLong_FromLongLong((long long)s.field)))
#define FLAG(field)   (dict == NULL || native_set(dict, #field, PyBool_FromLong(s.field)))
#define TEXT(field)   (dict == NULL || native_set(dict, #field, native_text(s.field, strlen(s.field))))
    if (FLAG(running) && NUMBER(position) && NUMBER(log_position) && NUMBER(lag_events) && NUMBER(age_us) &&
        NUMBER(tables) && NUMBER(tables_ready) && NUMBER(cycles) && NUMBER(events) && NUMBER(rows_inserted) &&
        NUMBER(rows_updated) && NUMBER(rows_deleted) && NUMBER(rows_pruned) && NUMBER(log_rows) &&
        NUMBER(last_cycle_us) && TEXT(last_error) && TEXT(disk_folder) && NUMBER(disk_bytes) && NUMBER(disk_position) &&
        NUMBER(disk_age_us) && TEXT(disk_message) && TEXT(buffer_folder) && NUMBER(buffer_bytes) &&
        NUMBER(buffer_position) && TEXT(buffer_message) && NUMBER(log_bytes) && NUMBER(log_age_us) &&
        NUMBER(log_limit_rows) && NUMBER(log_limit_bytes) && NUMBER(log_limit_age_us) && FLAG(log_over) &&
        FLAG(log_blocks) && NUMBER(log_cut) && NUMBER(log_refused) && TEXT(log_message))
        return dict;
    Py_XDECREF(dict);
    return NULL;
}

static PyObject *tables(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct work work;
    struct rhei_table_status **list = NULL;
    size_t count = 0;
    if (!begin(self, &work, NULL, 0) || !done(&work, rhei_table_list(work.handle->db, &list, &count, &work.call.error)))
        return NULL;
    PyObject *made = PyList_New(0);
    for (size_t i = 0; made != NULL && i < count; i++) {
        PyObject *one =
            Py_BuildValue("(NiOKKKLN)", native_text(list[i]->name, strlen(list[i]->name)), (int)list[i]->state,
                          list[i]->keeps_history != 0 ? Py_True : Py_False, (unsigned long long)list[i]->rows,
                          (unsigned long long)list[i]->rows_built, (unsigned long long)list[i]->rows_expected,
                          (long long)list[i]->position, native_text(list[i]->message, strlen(list[i]->message)));
        if (one == NULL || PyList_Append(made, one) != 0)
            Py_CLEAR(made);
        Py_XDECREF(one);
    }
    rhei_free(list);
    return made;
}

static PyObject *metrics(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct work work;
    struct rhei_metric **list = NULL;
    size_t count = 0;
    if (!begin(self, &work, NULL, 0) ||
        !done(&work, rhei_metric_list(work.handle->db, &list, &count, &work.call.error)))
        return NULL;
    PyObject *made = PyList_New(0);
    for (size_t i = 0; made != NULL && i < count; i++) {
        PyObject *one = Py_BuildValue("(sssOd)", list[i]->name, list[i]->labels, list[i]->help,
                                      list[i]->counter ? Py_True : Py_False, list[i]->value);
        if (one == NULL || PyList_Append(made, one) != 0)
            Py_CLEAR(made);
        Py_XDECREF(one);
    }
    rhei_free(list);
    return made;
}

static PyObject *info_json(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct work work;
    char *json = NULL;
    if (!begin(self, &work, NULL, 0) || !done(&work, rhei_info_json(work.handle->db, &json, &work.call.error)))
        return NULL;
    PyObject *text = native_text(json, strlen(json));
    rhei_free(json);
    return text;
}

static PyObject *watch(PyObject *self, PyObject *names)
{
    struct native_handle *handle = ((struct native_part *)self)->handle;
    if (handle == NULL)
        native_fail(RHEI_CLOSED, "the database is closed");
    return handle != NULL && native_handle_usable(handle) ? native_watch_make(handle, names) : NULL;
}

static PyObject *changes(PyObject *self, PyObject *arguments)
{
    struct native_handle *handle = ((struct native_part *)self)->handle;
    if (handle == NULL)
        native_fail(RHEI_CLOSED, "the database is closed");
    return handle != NULL && native_handle_usable(handle) ? native_changes_make(handle, arguments) : NULL;
}

static PyObject *loop(PyObject *self, PyObject *threads)
{
    struct native_handle *handle = ((struct native_part *)self)->handle;
    if (handle == NULL)
        native_fail(RHEI_CLOSED, "the database is closed");
    return handle != NULL && native_handle_usable(handle) ? native_loop_make(handle, threads) : NULL;
}

/* Methods of two files are one list. */
extern PyMethodDef native_database_sql[];
static PyMethodDef database_methods[64] = {
    {"close", database_close, METH_NOARGS, NULL},
    {"register_table", register_table, METH_VARARGS, NULL},
    {"unregister_table", unregister_table, METH_VARARGS, NULL},
    {"sync_now", sync_now, METH_VARARGS, NULL},
    {"initial_sync", initial_sync, METH_VARARGS, NULL},
    {"start_sync", start_sync, METH_NOARGS, NULL},
    {"stop_sync", stop_sync, METH_NOARGS, NULL},
    {"checkpoint", checkpoint, METH_NOARGS, NULL},
    {"rebuild", rebuild, METH_VARARGS, NULL},
    {"verify", verify, METH_VARARGS, NULL},
    {"repair", repair, METH_VARARGS, NULL},
    {"backup", backup, METH_VARARGS, NULL},
    {"changes_drop", changes_drop, METH_VARARGS, NULL},
    {"sync_status", sync_status, METH_NOARGS, NULL},
    {"tables", tables, METH_NOARGS, NULL},
    {"metrics", metrics, METH_NOARGS, NULL},
    {"info_json", info_json, METH_NOARGS, NULL},
    {"watch", watch, METH_O, NULL},
    {"changes", changes, METH_O, NULL},
    {"loop", loop, METH_O, NULL},
};
static PyGetSetDef database_fields[] = {
    {"closed", database_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot database_slots[] = {
    {Py_tp_dealloc, native_part_dealloc},
    {Py_tp_methods, database_methods},
    {Py_tp_getset, database_fields},
    {0, NULL},
};
PyType_Spec native_database_spec = {"rhei._native.Database", sizeof(struct native_part), 0, Py_TPFLAGS_DEFAULT,
                                    database_slots};

void native_database_ready(void)
{
    size_t end = 0;
    while (database_methods[end].ml_name != NULL)
        end++;
    for (size_t i = 0; native_database_sql[i].ml_name != NULL; i++)
        database_methods[end++] = native_database_sql[i];
}
