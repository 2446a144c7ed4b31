/* SPDX-License-Identifier: Apache-2.0 */
/* Rows one by one, watchers, and readers of the change feed: what is asked again and again for the next of its kind. */
#include <stdlib.h>
#include <string.h>

#include "native.h"

/* A part with a flag of its own, which the library borrows until its end. */
static PyObject *part_with_flag(PyObject *type, struct native_handle *handle, struct native_cancel *flag, void *what,
                                void (*end)(void *))
{
    PyObject *self = native_part_new(type, handle, NULL, what, end);
    if (self == NULL)
        return NULL;
    atomic_fetch_add(&flag->users, 1);
    ((struct native_part *)self)->cancel = flag;
    return self;
}

static PyObject *part_cancel(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = (struct native_part *)self;
    if (part->cancel != NULL) {
        atomic_store(&part->cancel->wanted, true);
        rhei_cancel_raise(part->cancel->flag);
    }
    Py_RETURN_NONE;
}

/* ---- Rows ---------------------------------------------------------------------------------------------------------------- */

static void end_rows(void *what)
{
    rhei_rows *rows = what;
    rhei_rows_close(&rows);
}

PyObject *native_rows_make(struct native_handle *handle, const char *sql, PyObject *given, PyObject *tuple,
                           PyObject *cancel)
{
    struct native_params params;
    struct rhei_query_options options;
    struct native_call call;
    rhei_rows *rows = NULL;
    PyObject *made = NULL;
    if (!native_query_options(tuple, &options) || !native_params_read(given, &params))
        return NULL;
    struct native_cancel *flag = native_cancel_of(cancel);
    if (flag != NULL) {
        struct rhei_params list = {params.values, params.count};
        options.cancel = flag->flag;
        native_call_enter(&call, flag, sql);
        rhei_status status = rhei_query(handle->db, sql, &list, &options, &rows, &call.error);
        if (native_call_end(&call, status))
            made = part_with_flag(native_types.rows, handle, flag, rows, end_rows);
        else if (status == RHEI_OK)
            rhei_rows_close(&rows);
    }
    native_cancel_drop(&flag);
    native_params_free(&params);
    return made;
}

static PyObject *row_tuple(rhei_rows *rows)
{
    uint32_t count = rhei_rows_column_count(rows);
    PyObject *row = PyTuple_New((Py_ssize_t)count);
    for (uint32_t i = 0; row != NULL && i < count; i++) {
        struct rhei_value value = rhei_rows_value(rows, i);
        PyObject *item = native_value(&value);
        if (item == NULL || PyTuple_SetItem(row, (Py_ssize_t)i, item) != 0)
            Py_CLEAR(row);
    }
    return row;
}

static PyObject *rows_next(PyObject *self)
{
    struct native_part *part = (struct native_part *)self;
    struct native_call call;
    if (!native_part_use(part))
        return NULL;
    native_call_enter(&call, part->cancel, NULL);
    rhei_status status = rhei_rows_next(part->what, &call.error);
    PyObject *row = native_call_end(&call, status) && status == RHEI_ROW ? row_tuple(part->what) : NULL;
    native_part_rest(part);
    return row;
}

static PyObject *rows_self(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

/* (names, declared types, route, rule, position, age_us) */
static PyObject *rows_facts(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = (struct native_part *)self;
    if (!native_part_use(part))
        return NULL;
    uint32_t count = rhei_rows_column_count(part->what);
    const char **texts = calloc(2 * (size_t)count + 1, sizeof *texts);
    PyObject *made = NULL;
    if (texts == NULL)
        PyErr_NoMemory();
    else {
        for (uint32_t i = 0; i < count; i++) {
            texts[i] = rhei_rows_column_name(part->what, i);
            texts[count + i] = rhei_rows_column_type(part->what, i);
        }
        PyObject *names = native_names(texts, count), *types = native_names(texts + count, count);
        if (names != NULL && types != NULL)
            made = Py_BuildValue("(OOssLL)", names, types, rhei_rows_route(part->what), rhei_rows_rule(part->what),
                                 (long long)rhei_rows_position(part->what), (long long)rhei_rows_age_us(part->what));
        Py_XDECREF(names);
        Py_XDECREF(types);
    }
    free(texts);
    native_part_rest(part);
    return made;
}

static PyMethodDef rows_methods[] = {
    {"facts", rows_facts, METH_NOARGS, NULL},
    {"cancel", part_cancel, METH_NOARGS, NULL},
    {"close", native_part_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef part_fields[] = {
    {"closed", native_part_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot rows_slots[] = {
    {Py_tp_dealloc, native_part_dealloc}, {Py_tp_methods, rows_methods},
    {Py_tp_getset, part_fields},          {Py_tp_iter, rows_self},
    {Py_tp_iternext, rows_next},          {0, NULL},
};
PyType_Spec native_rows_spec = {"rhei._native.Rows", sizeof(struct native_part), 0, Py_TPFLAGS_DEFAULT, rows_slots};

/* ---- Watchers ------------------------------------------------------------------------------------------------------------- */

static void end_watch(void *what)
{
    rhei_watcher *watcher = what;
    rhei_watch_close(&watcher);
}

PyObject *native_watch_make(struct native_handle *handle, PyObject *names)
{
    struct native_params tables;
    struct native_call call;
    rhei_watcher *watcher = NULL;
    PyObject *made = NULL;
    if (!native_params_read(names, &tables))
        return NULL;
    const char **list = calloc(tables.count + 1, sizeof *list);
    struct native_cancel *flag = list == NULL ? NULL : native_cancel_of(NULL);
    for (size_t i = 0; list != NULL && i < tables.count; i++)
        list[i] = tables.values[i].as.bytes;
    if (flag != NULL) {
        struct rhei_watch_options options = {
            .struct_size = sizeof options, .tables = list, .table_count = tables.count, .cancel = flag->flag};
        native_call_enter(&call, flag, NULL);
        rhei_status status = rhei_watch(handle->db, &options, &watcher, &call.error);
        if (native_call_end(&call, status))
            made = part_with_flag(native_types.watch, handle, flag, watcher, end_watch);
        else if (status == RHEI_OK)
            rhei_watch_close(&watcher);
    }
    native_cancel_drop(&flag);
    free(list);
    native_params_free(&tables);
    return made;
}

/* next(timeout_ms): (position, names, all), or None when there was nothing in that time */
static PyObject *watch_next(PyObject *self, PyObject *number)
{
    struct native_part *part = (struct native_part *)self;
    struct native_call call;
    struct rhei_watch_event event = {.struct_size = sizeof event};
    long long timeout = PyLong_AsLongLong(number);
    if ((timeout == -1 && PyErr_Occurred()) || !native_part_use(part))
        return NULL;
    native_call_enter(&call, part->cancel, NULL);
    rhei_status status = rhei_watch_next(part->what, timeout, &event, &call.error);
    PyObject *made = NULL;
    if (native_call_end(&call, status == RHEI_TIMEOUT ? RHEI_OK : status)) {
        if (status == RHEI_TIMEOUT) {
            Py_INCREF(Py_None);
            made = Py_None;
        } else
            made = Py_BuildValue("(LNO)", (long long)event.position, native_names(event.tables, event.table_count),
                                 event.all ? Py_True : Py_False);
    }
    native_part_rest(part);
    return made;
}

static PyObject *watch_fd(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = (struct native_part *)self;
    if (part->what == NULL) {
        native_fail(RHEI_CLOSED, "the watch is closed");
        return NULL;
    }
    return PyLong_FromLong(rhei_watch_fd(part->what));
}

static PyMethodDef watch_methods[] = {
    {"next", watch_next, METH_O, NULL},
    {"fileno", watch_fd, METH_NOARGS, NULL},
    {"cancel", part_cancel, METH_NOARGS, NULL},
    {"close", native_part_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot watch_slots[] = {
    {Py_tp_dealloc, native_part_dealloc},
    {Py_tp_methods, watch_methods},
    {Py_tp_getset, part_fields},
    {0, NULL},
};
PyType_Spec native_watch_spec = {"rhei._native.Watch", sizeof(struct native_part), 0, Py_TPFLAGS_DEFAULT, watch_slots};

/* ---- The change feed ------------------------------------------------------------------------------------------------------- */

static void end_changes(void *what)
{
    rhei_changes *changes = what;
    rhei_changes_close(&changes);
}

/* (consumer or None, start, after, keep_ms) */
PyObject *native_changes_make(struct native_handle *handle, PyObject *arguments)
{
    struct native_call call;
    rhei_changes *changes = NULL;
    PyObject *made = NULL;
    const char *consumer;
    int start;
    long long after, keep;
    if (!PyArg_ParseTuple(arguments, "ziLL", &consumer, &start, &after, &keep))
        return NULL;
    struct native_cancel *flag = native_cancel_of(NULL);
    if (flag == NULL)
        return NULL;
    struct rhei_changes_options options = {.struct_size = sizeof options,
                                           .consumer = consumer,
                                           .start = start,
                                           .after = after,
                                           .keep_ms = keep,
                                           .cancel = flag->flag};
    native_call_enter(&call, flag, NULL);
    rhei_status status = rhei_changes_open(handle->db, &options, &changes, &call.error);
    if (native_call_end(&call, status))
        made = part_with_flag(native_types.changes, handle, flag, changes, end_changes);
    else if (status == RHEI_OK)
        rhei_changes_close(&changes);
    native_cancel_drop(&flag);
    return made;
}

static PyObject *row_dict(const struct rhei_change *change, const struct rhei_value *values)
{
    if (values == NULL)
        Py_RETURN_NONE;
    PyObject *dict = PyDict_New();
    for (uint32_t i = 0; dict != NULL && i < change->column_count; i++) {
        PyObject *name = native_text(change->columns[i], strlen(change->columns[i])),
                 *value = name == NULL ? NULL : native_value(&values[i]);
        if (value == NULL || PyDict_SetItem(dict, name, value) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return dict;
}

static PyObject *optional_text(const char *text)
{
    if (text != NULL)
        return native_text(text, strlen(text));
    Py_RETURN_NONE;
}

static PyObject *key_names(const struct rhei_change *change)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)change->key_count);
    for (uint32_t i = 0; tuple != NULL && i < change->key_count; i++) {
        PyObject *name = optional_text(change->columns[change->key_columns[i]]);
        if (name == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, name) != 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* (kind, position, time_us, table, number, columns, key, values, before, reason) */
static PyObject *change_tuple(const struct rhei_change *change)
{
    bool row = change->kind >= RHEI_CHANGE_INSERT && change->kind <= RHEI_CHANGE_DELETE;
    return Py_BuildValue("(iLLNINNNNN)", (int)change->kind, (long long)change->position, (long long)change->time_us,
                         optional_text(change->table), (unsigned int)change->table_number,
                         native_names(change->columns, change->columns == NULL ? 0 : change->column_count),
                         key_names(change), row_dict(change, row ? change->values : NULL),
                         row_dict(change, row ? change->before : NULL), optional_text(change->reason));
}

static PyObject *changes_next(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = (struct native_part *)self;
    struct native_call call;
    struct rhei_change change = {.struct_size = sizeof change};
    if (!native_part_use(part))
        return NULL;
    native_call_enter(&call, part->cancel, NULL);
    rhei_status status = rhei_changes_next(part->what, &change, &call.error);
    PyObject *made = NULL;
    if (native_call_end(&call, status)) {
        if (status == RHEI_DONE) {
            Py_INCREF(Py_None);
            made = Py_None;
        } else
            made = change_tuple(&change);
    }
    native_part_rest(part);
    return made;
}

/* As next(), with two capsules behind it where it is a batch, else None and None. */
static PyObject *changes_next_arrow(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = (struct native_part *)self;
    struct native_call call;
    struct rhei_change change = {.struct_size = sizeof change};
    struct ArrowSchema schema = {.release = NULL};
    struct ArrowArray array = {.release = NULL};
    if (!native_part_use(part))
        return NULL;
    native_call_enter(&call, part->cancel, NULL);
    rhei_status status = rhei_changes_next_arrow(part->what, &change, &schema, &array, &call.error);
    PyObject *made = NULL;
    bool fine = native_call_end(&call, status);
    if (array.release == NULL || !fine) {
        if (schema.release != NULL)
            schema.release(&schema);
        if (array.release != NULL)
            array.release(&array);
        if (fine && status == RHEI_DONE) {
            Py_INCREF(Py_None);
            made = Py_None;
        } else if (fine)
            made = Py_BuildValue("(NOO)", change_tuple(&change), Py_None, Py_None);
    } else
        made =
            Py_BuildValue("(NNN)", change_tuple(&change), native_capsule_schema(&schema), native_capsule_array(&array));
    native_part_rest(part);
    return made;
}

/* wait(timeout_ms): whether something was committed */
static PyObject *changes_wait(PyObject *self, PyObject *number)
{
    struct native_part *part = (struct native_part *)self;
    struct native_call call;
    long long timeout = PyLong_AsLongLong(number);
    if ((timeout == -1 && PyErr_Occurred()) || !native_part_use(part))
        return NULL;
    native_call_enter(&call, part->cancel, NULL);
    rhei_status status = rhei_changes_wait(part->what, timeout, &call.error);
    bool fine = native_call_end(&call, status == RHEI_TIMEOUT ? RHEI_OK : status);
    native_part_rest(part);
    return fine ? PyBool_FromLong(status == RHEI_OK) : NULL;
}

static PyObject *changes_acknowledge(PyObject *self, PyObject *number)
{
    struct native_part *part = (struct native_part *)self;
    struct native_call call;
    long long position = PyLong_AsLongLong(number);
    if ((position == -1 && PyErr_Occurred()) || !native_part_use(part))
        return NULL;
    native_call_enter(&call, part->cancel, NULL);
    bool fine = native_call_end(&call, rhei_changes_acknowledge(part->what, position, &call.error));
    native_part_rest(part);
    if (!fine)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *changes_position(PyObject *self, void *closure)
{
    (void)closure;
    struct native_part *part = (struct native_part *)self;
    if (!native_part_use(part))
        return NULL;
    int64_t position = rhei_changes_position(part->what);
    native_part_rest(part);
    return PyLong_FromLongLong(position);
}

static PyMethodDef changes_methods[] = {
    {"next", changes_next, METH_NOARGS, NULL},
    {"next_arrow", changes_next_arrow, METH_NOARGS, NULL},
    {"wait", changes_wait, METH_O, NULL},
    {"acknowledge", changes_acknowledge, METH_O, NULL},
    {"cancel", part_cancel, METH_NOARGS, NULL},
    {"close", native_part_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef changes_fields[] = {
    {"position", changes_position, NULL, NULL, NULL},
    {"closed", native_part_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot changes_slots[] = {
    {Py_tp_dealloc, native_part_dealloc},
    {Py_tp_methods, changes_methods},
    {Py_tp_getset, changes_fields},
    {0, NULL},
};
PyType_Spec native_changes_spec = {"rhei._native.Changes", sizeof(struct native_part), 0, Py_TPFLAGS_DEFAULT,
                                   changes_slots};
