/* SPDX-License-Identifier: Apache-2.0 */
/* The module: its types, its functions, and what of Python's it calls. */
#include "native.h"

struct native_types native_types;

static PyObject *set_hooks(PyObject *module, PyObject *hooks)
{
    (void)module;
    Py_INCREF(hooks);
    Py_XDECREF(native_hooks);
    native_hooks = hooks;
    Py_RETURN_NONE;
}

static PyObject *version(PyObject *module, PyObject *nothing)
{
    (void)module;
    (void)nothing;
    return PyUnicode_FromString(rhei_version());
}

static PyMethodDef functions[] = {
    {"set_hooks", set_hooks, METH_O, NULL},
    {"set_main_thread", native_main_thread, METH_O, NULL},
    {"version", version, METH_NOARGS, NULL},
    {"open", native_open, METH_VARARGS, NULL},
    {"detach", native_detach, METH_VARARGS, NULL},
    {"split", native_split, METH_O, NULL},
    {"answer", native_answer_foreign, METH_O, NULL},
    {"settings", native_settings, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "rhei._native", NULL, -1, functions, NULL, NULL, NULL, NULL};

static bool add_type(PyObject *module, const char *name, PyType_Spec *spec, PyObject **kept)
{
    *kept = PyType_FromSpec(spec);
    if (*kept == NULL)
        return false;
    Py_INCREF(*kept);
    return PyModule_AddObject(module, name, *kept) == 0;
}

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&definition);
    native_database_ready();
    if (module != NULL && native_call_ready() &&
        add_type(module, "Cancel", &native_cancel_spec, &native_types.cancel) &&
        add_type(module, "Database", &native_database_spec, &native_types.database) &&
        add_type(module, "Session", &native_session_spec, &native_types.session) &&
        add_type(module, "Statement", &native_statement_spec, &native_types.statement) &&
        add_type(module, "Answer", &native_answer_spec, &native_types.answer) &&
        add_type(module, "Rows", &native_rows_spec, &native_types.rows) &&
        add_type(module, "Watch", &native_watch_spec, &native_types.watch) &&
        add_type(module, "Loop", &native_loop_spec, &native_types.loop) &&
        add_type(module, "Task", &native_task_spec, &native_types.task) &&
        add_type(module, "Changes", &native_changes_spec, &native_types.changes))
        return module;
    Py_XDECREF(module);
    return NULL;
}
