/* SPDX-License-Identifier: Apache-2.0 */
/* Open databases and cancel flags, counted by those who need them; parts of a database, used by one thread at a time. */
#include <stdlib.h>
#include <unistd.h>

#include "native.h"

struct native_handle *native_handle_new(rhei_db *db)
{
    struct native_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL) {
        rhei_close(&db);
        return NULL;
    }
    handle->db = db;
    handle->process = getpid();
    handle->users = 1;
    return handle;
}

void native_handle_hold(struct native_handle *handle)
{
    if (handle != NULL)
        atomic_fetch_add(&handle->users, 1);
}

bool native_handle_elsewhere(const struct native_handle *handle)
{
    return handle != NULL && handle->process != getpid();
}

void native_handle_drop(struct native_handle **handle)
{
    struct native_handle *old = *handle;
    *handle = NULL;
    if (old == NULL || atomic_fetch_sub(&old->users, 1) != 1 || native_handle_elsewhere(old))
        return;
    rhei_close(&old->db);
    free(old);
}

bool native_handle_usable(const struct native_handle *handle)
{
    if (native_handle_elsewhere(handle))
        native_fail(RHEI_INVALID, "the database was opened by process %ld: a process that is forked opens its own",
                    (long)handle->process);
    else if (atomic_load(&handle->closed))
        native_fail(RHEI_CLOSED, "the database is closed");
    else
        return true;
    return false;
}

/* ---- Cancel ---------------------------------------------------------------------------------------------------------- */

struct cancel_object {
    PyObject ob_base;
    struct native_cancel *cancel;
};

static struct native_cancel *cancel_new(void)
{
    struct native_cancel *cancel = calloc(1, sizeof *cancel);
    if (cancel != NULL && rhei_cancel_create(&cancel->flag, NULL) == RHEI_OK) {
        cancel->users = 1;
        return cancel;
    }
    free(cancel);
    PyErr_NoMemory();
    return NULL;
}

struct native_cancel *native_cancel_of(PyObject *object)
{
    if (object == NULL || object == Py_None)
        return cancel_new();
    if (!PyObject_TypeCheck(object, (PyTypeObject *)native_types.cancel)) {
        native_fail(RHEI_INVALID, "cancel is a rhei.Cancel");
        return NULL;
    }
    struct native_cancel *cancel = ((struct cancel_object *)object)->cancel;
    atomic_fetch_add(&cancel->users, 1);
    return cancel;
}

void native_cancel_drop(struct native_cancel **cancel)
{
    struct native_cancel *old = *cancel;
    *cancel = NULL;
    if (old == NULL || atomic_fetch_sub(&old->users, 1) != 1)
        return;
    rhei_cancel_destroy(&old->flag);
    free(old);
}

static PyObject *cancel_make(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    (void)arguments;
    (void)keywords;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct cancel_object *self = (struct cancel_object *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->cancel = cancel_new();
    if (self->cancel != NULL)
        return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

static void cancel_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    native_cancel_drop(&((struct cancel_object *)self)->cancel);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *cancel_raise(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_cancel *cancel = ((struct cancel_object *)self)->cancel;
    atomic_store(&cancel->wanted, true);
    rhei_cancel_raise(cancel->flag);
    Py_RETURN_NONE;
}

static PyObject *cancel_clear(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_cancel *cancel = ((struct cancel_object *)self)->cancel;
    atomic_store(&cancel->wanted, false);
    rhei_cancel_clear(cancel->flag);
    Py_RETURN_NONE;
}

static PyMethodDef cancel_methods[] = {
    {"cancel", cancel_raise, METH_NOARGS, "Ends what runs with this flag, and what starts later, until clear()."},
    {"clear", cancel_clear, METH_NOARGS, "Takes the flag down, so that calls may run with it again."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot cancel_slots[] = {
    {Py_tp_doc, "A flag that ends calls; any thread may raise it."},
    {Py_tp_new, cancel_make},
    {Py_tp_dealloc, cancel_dealloc},
    {Py_tp_methods, cancel_methods},
    {0, NULL},
};
PyType_Spec native_cancel_spec = {"rhei._native.Cancel", sizeof(struct cancel_object), 0, Py_TPFLAGS_DEFAULT,
                                  cancel_slots};

/* ---- Parts ------------------------------------------------------------------------------------------------------------ */

PyObject *native_part_new(PyObject *type, struct native_handle *handle, PyObject *above, void *what,
                          void (*end)(void *))
{
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    struct native_part *self = (struct native_part *)allocate((PyTypeObject *)type, 0);
    if (self == NULL) {
        end(what);
        return NULL;
    }
    native_handle_hold(handle);
    self->handle = handle;
    Py_XINCREF(above);
    self->above = above;
    if (above != NULL)
        ((struct native_part *)above)->below++;
    self->what = what;
    self->end = end;
    return (PyObject *)self;
}

/* What is still unread of an answer is needed later: the session can't go on before. */
static bool gather(struct native_part *part)
{
    struct native_answer *answer = part->open;
    if (answer == NULL)
        return true;
    part->open = NULL;
    /* nobody but this part holds it: the program let go of it */
    struct native_call call;
    native_call_enter(&call, answer->cancel, NULL);
    rhei_status status = atomic_load(&answer->users) == 1 ? RHEI_OK : native_answer_gather(answer);
    native_answer_drop(&answer);
    call.error.code = status;
    return native_call_end(&call, status == RHEI_NO_MEMORY ? status : RHEI_OK);
}

bool native_part_use(struct native_part *part)
{
    if (part->what == NULL || part->ending) {
        native_fail(RHEI_CLOSED, part->with_database ? "the database is closed" : "it is closed");
        return false;
    }
    if (!native_handle_usable(part->handle))
        return false;
    if (part->busy) {
        native_fail(RHEI_INVALID, "another thread is using it: sessions, statements and readers are for one at a time");
        return false;
    }
    if (part->above != NULL && !native_part_use((struct native_part *)part->above))
        return false;
    part->busy = true;
    if (gather(part))
        return true;
    native_part_rest(part);
    return false;
}

/* Lets go of the database, too, although the program may keep the object for as long as it likes. */
static void end_part(struct native_part *part)
{
    void *what = part->what;
    part->what = NULL;
    PyObject *above = part->above;
    part->above = NULL;
    if (what != NULL) {
        bool elsewhere = native_handle_elsewhere(part->handle);
        part->with_database = atomic_load(&part->handle->closed);
        part->busy = true;
        if (!elsewhere)
            gather(part);
        struct native_handle *handle = part->handle;
        part->handle = NULL;
        PyThreadState *thread = PyEval_SaveThread();
        if (!elsewhere)
            part->end(what);
        native_handle_drop(&handle);
        PyEval_RestoreThread(thread);
        part->busy = false;
    }
    struct native_part *parent = (struct native_part *)above;
    if (parent != NULL && --parent->below == 0 && parent->ending && !parent->busy)
        end_part(parent);
    Py_XDECREF(above);
}

void native_part_rest(struct native_part *part)
{
    part->busy = false;
    if (part->above != NULL)
        native_part_rest((struct native_part *)part->above);
    if (part->ending && part->below == 0)
        end_part(part);
}

PyObject *native_part_close(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    struct native_part *part = (struct native_part *)self;
    if (part->busy || part->below > 0)
        part->ending = true; /* who uses it, or the last that needs it, ends it */
    else
        end_part(part);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

PyObject *native_part_closed(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(((struct native_part *)self)->what == NULL);
}

void native_part_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct native_part *part = (struct native_part *)self;
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    end_part(part);
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(NULL);
    PyErr_Restore(kind, value, trace);
    native_answer_drop(&part->open);
    native_cancel_drop(&part->cancel);
    PyThreadState *thread = PyEval_SaveThread();
    native_handle_drop(&part->handle);
    PyEval_RestoreThread(thread);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}
