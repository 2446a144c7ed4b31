/* SPDX-License-Identifier: Apache-2.0 */
/* Statements for an event loop, over rhei_async.h: nothing here waits, so the GIL is kept. */
#include <string.h>

#include "native.h"
#include "rhei/rhei_async.h"

/* A statement on its way; what is in flight holds itself until it is taken. */
struct task_object {
    PyObject ob_base;
    PyObject *loop;
    struct native_part *session; /* busy as long as the task is there; NULL: none */
    PyObject *sql;
    rhei_task *task;
    bool in_flight;
};

static void end_loop(void *what)
{
    rhei_async *async = what;
    rhei_async_close(&async);
}

/* loop(threads): of a database. */
PyObject *native_loop_make(struct native_handle *handle, PyObject *number)
{
    struct native_call call;
    rhei_async *async = NULL;
    struct rhei_async_options options = {.struct_size = sizeof options,
                                         .threads = (uint32_t)PyLong_AsUnsignedLong(number)};
    if (PyErr_Occurred() || !native_call_begin(&call, NULL, NULL))
        return NULL;
    rhei_status status = rhei_async_open(handle->db, &options, &async, &call.error);
    if (native_call_end(&call, status))
        return native_part_new(native_types.loop, handle, NULL, async, end_loop);
    if (status == RHEI_OK)
        end_loop(async);
    return NULL;
}

static struct native_part *open_loop(PyObject *self)
{
    struct native_part *part = (struct native_part *)self;
    if (part->what == NULL)
        native_fail(RHEI_CLOSED, "the database is closed");
    return part->what != NULL && native_handle_usable(part->handle) ? part : NULL;
}

static void drop_task(struct task_object *self)
{
    bool in_flight = self->in_flight;
    self->in_flight = false;
    if (self->task != NULL && !native_handle_elsewhere(((struct native_part *)self->loop)->handle) &&
        ((struct native_part *)self->loop)->what != NULL)
        rhei_task_free(&self->task);
    self->task = NULL; /* a loop that is closed has freed it */
    if (self->session != NULL)
        native_part_rest(self->session);
    Py_CLEAR(self->session);
    if (in_flight)
        Py_DECREF(self);
}

static rhei_status submit(struct task_object *task, rhei_async *async, const struct rhei_params *params,
                          const struct rhei_query_options *query, int form)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_task_options options = {.struct_size = sizeof options,
                                        .form = form,
                                        .context = task,
                                        .query = query,
                                        .session = task->session != NULL ? task->session->what : NULL};
    const char *sql = PyBytes_AsString(task->sql);
    rhei_status status = rhei_async_submit(async, sql, params, &options, &task->task, &error);
    if (status != RHEI_OK)
        native_raise(&error, sql);
    return status;
}

/* submit(sql, params, options, arrow, session or None) */
static PyObject *loop_submit(PyObject *self, PyObject *arguments)
{
    PyObject *sql, *given, *tuple, *session;
    int arrow;
    struct native_params params;
    struct rhei_query_options options;
    struct native_part *loop = open_loop(self);
    if (loop == NULL || !PyArg_ParseTuple(arguments, "UOOpO", &sql, &given, &tuple, &arrow, &session) ||
        !native_query_options(tuple, &options) || !native_params_read(given, &params))
        return NULL;
    PyTypeObject *type = (PyTypeObject *)native_types.task;
    struct task_object *task = (struct task_object *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (task != NULL) {
        Py_INCREF(self);
        task->loop = self;
        task->sql = PyUnicode_AsUTF8String(sql);
        struct native_part *part = session == Py_None ? NULL : (struct native_part *)session;
        bool fine = task->sql != NULL && (part == NULL || native_part_use(part));
        if (fine) {
            Py_XINCREF(part);
            task->session = part;
            struct rhei_params list = {params.values, params.count};
            Py_INCREF(task); /* until it is taken */
            task->in_flight = true;
            fine = submit(task, loop->what, &list, &options, arrow ? RHEI_TASK_ARROW : RHEI_TASK_NONE) == RHEI_OK;
        }
        if (!fine) {
            drop_task(task);
            Py_CLEAR(task);
        }
    }
    native_params_free(&params);
    return (PyObject *)task;
}

/* The task that was done first, or None. */
static PyObject *loop_take(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = (struct native_part *)self;
    rhei_task *done = part->what == NULL || native_handle_elsewhere(part->handle) ? NULL : rhei_async_take(part->what);
    if (done == NULL)
        Py_RETURN_NONE;
    struct task_object *task = rhei_task_context(done);
    task->in_flight = false;
    return (PyObject *)task; /* with the reference that it had of itself */
}

static PyObject *loop_fd(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = open_loop(self);
    return part == NULL ? NULL : PyLong_FromLong(rhei_async_fd(part->what));
}

static PyMethodDef loop_methods[] = {
    {"submit", loop_submit, METH_VARARGS, NULL},
    {"take", loop_take, METH_NOARGS, NULL},
    {"fileno", loop_fd, METH_NOARGS, NULL},
    {"close", native_part_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef loop_fields[] = {
    {"closed", native_part_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot loop_slots[] = {
    {Py_tp_dealloc, native_part_dealloc},
    {Py_tp_methods, loop_methods},
    {Py_tp_getset, loop_fields},
    {0, NULL},
};
PyType_Spec native_loop_spec = {"rhei._native.Loop", sizeof(struct native_part), 0, Py_TPFLAGS_DEFAULT, loop_slots};

/* ---- A task ------------------------------------------------------------------------------------------------------------ */

static struct task_object *done_task(PyObject *self)
{
    struct task_object *task = (struct task_object *)self;
    if (task->task == NULL || open_loop(task->loop) == NULL) {
        if (!PyErr_Occurred())
            native_fail(RHEI_CLOSED, "the statement is over");
        return NULL;
    }
    return task;
}

/* Whether more rows may come; raises its failure. */
static PyObject *task_more(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct task_object *task = done_task(self);
    struct rhei_error error = RHEI_ERROR_INIT;
    if (task == NULL)
        return NULL;
    rhei_status status = rhei_task_status(task->task, &error);
    if (status == RHEI_ROW || status == RHEI_DONE)
        return PyBool_FromLong(status == RHEI_ROW);
    native_raise(&error, PyBytes_AsString(task->sql));
    return NULL;
}

static PyObject *task_result(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct task_object *task = done_task(self);
    struct rhei_result result = {.struct_size = sizeof result};
    if (task == NULL)
        return NULL;
    rhei_task_result(task->task, &result);
    return native_result(&result);
}

/* feed(answer or None): the answer with the batch that is there. */
static PyObject *task_feed(PyObject *self, PyObject *answer)
{
    struct task_object *task = done_task(self);
    struct ArrowSchema schema = {.release = NULL};
    struct ArrowArray array = {.release = NULL};
    if (task == NULL)
        return NULL;
    rhei_task_batch(task->task, &schema, &array);
    return native_answer_fed(((struct native_part *)task->loop)->handle, answer, &schema, &array);
}

/* Has the next rows read; it will be taken again. */
static PyObject *task_continue(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct task_object *task = done_task(self);
    struct rhei_error error = RHEI_ERROR_INIT;
    if (task == NULL)
        return NULL;
    Py_INCREF(task);
    task->in_flight = true;
    if (rhei_task_continue(task->task, &error) == RHEI_OK)
        Py_RETURN_NONE;
    task->in_flight = false;
    Py_DECREF(task);
    native_raise(&error, NULL);
    return NULL;
}

static PyObject *task_cancel(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct task_object *task = (struct task_object *)self;
    if (task->task != NULL && open_loop(task->loop) != NULL)
        rhei_task_cancel(task->task);
    PyErr_Clear();
    Py_RETURN_NONE;
}

static PyObject *task_free(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    Py_INCREF(self);
    drop_task((struct task_object *)self);
    Py_DECREF(self);
    Py_RETURN_NONE;
}

static void task_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct task_object *task = (struct task_object *)self;
    if (task->loop != NULL)
        drop_task(task);
    Py_CLEAR(task->loop);
    Py_CLEAR(task->sql);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef task_methods[] = {
    {"more", task_more, METH_NOARGS, NULL},
    {"result", task_result, METH_NOARGS, NULL},
    {"feed", task_feed, METH_O, NULL},
    {"resume", task_continue, METH_NOARGS, NULL},
    {"cancel", task_cancel, METH_NOARGS, NULL},
    {"free", task_free, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot task_slots[] = {
    {Py_tp_dealloc, task_dealloc},
    {Py_tp_methods, task_methods},
    {0, NULL},
};
PyType_Spec native_task_spec = {"rhei._native.Task", sizeof(struct task_object), 0, Py_TPFLAGS_DEFAULT, task_slots};
