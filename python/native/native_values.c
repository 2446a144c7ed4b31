/* SPDX-License-Identifier: Apache-2.0 */
/* Values: Python's as parameters, and those of the engine as Python's. */
#include <stdlib.h>
#include <string.h>

#include "native.h"

/* Bytes that a value points into, kept alive by the list. */
static bool point_into(PyObject *taken, bool text, struct native_params *params, struct rhei_value *value)
{
    char *bytes = NULL;
    Py_ssize_t length = 0;
    if (taken == NULL)
        return false;
    int failed = PyBytes_AsStringAndSize(taken, &bytes, &length) != 0 || PyList_Append(params->kept, taken) != 0;
    Py_DECREF(taken);
    if (failed)
        return false;
    *value = text ? rhei_text_n(bytes, (size_t)length) : rhei_blob(bytes, (size_t)length);
    return true;
}

static bool read_text(PyObject *object, struct native_params *params, struct rhei_value *value)
{
    PyObject *bytes = PyUnicode_AsUTF8String(object);
    if (bytes == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        PyObject *fail = native_hook("fail_surrogates"),
                 *done = fail == NULL ? NULL : PyObject_CallFunctionObjArgs(fail, object, NULL);
        Py_XDECREF(done);
        return false;
    }
    return point_into(bytes, true, params, value);
}

static bool read_integer(PyObject *object, struct rhei_value *value)
{
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow != 0) {
        PyObject *fail = native_hook("fail_overflow"),
                 *done = fail == NULL ? NULL : PyObject_CallFunctionObjArgs(fail, object, NULL);
        Py_XDECREF(done);
        return false;
    }
    if (number == -1 && PyErr_Occurred())
        return false;
    *value = rhei_integer(number);
    return true;
}

/* `adapted`: it is what the hook made of another class, and has to be one of these. */
static bool read_value(PyObject *object, struct native_params *params, struct rhei_value *value, bool adapted)
{
    if (object == Py_None)
        *value = rhei_null();
    else if (PyLong_Check(object)) /* bool, too */
        return read_integer(object, value);
    else if (PyFloat_Check(object))
        *value = rhei_real(PyFloat_AsDouble(object));
    else if (PyUnicode_Check(object))
        return read_text(object, params, value);
    else if (PyBytes_Check(object)) {
        Py_INCREF(object);
        return point_into(object, false, params, value);
    } else if (adapted) {
        PyErr_Format(PyExc_RuntimeError, "the hook adapt gave something else");
        return false;
    } else {
        PyObject *adapt = native_hook("adapt"),
                 *other = adapt == NULL ? NULL : PyObject_CallFunctionObjArgs(adapt, object, NULL);
        bool fine = other != NULL && read_value(other, params, value, true);
        Py_XDECREF(other);
        return fine;
    }
    return true;
}

int native_sql(PyObject *object, void *place)
{
    if (!PyUnicode_Check(object)) {
        native_fail(RHEI_INVALID, "SQL is a str");
        return 0;
    }
    if (PyArg_Parse(object, "s", place))
        return 1;
    bool half = PyErr_ExceptionMatches(PyExc_UnicodeEncodeError);
    PyErr_Clear();
    if (half) {
        PyObject *fail = native_hook("fail_surrogates"),
                 *done = fail == NULL ? NULL : PyObject_CallFunctionObjArgs(fail, object, NULL);
        Py_XDECREF(done);
    } else
        native_fail(RHEI_INVALID, "SQL ends at a NUL character: give values that have one as parameters");
    return 0;
}

/* A name as in the text, `:` where it has no sign. */
static bool read_name(PyObject *key, struct native_params *params, struct rhei_value *value)
{
    if (!PyUnicode_Check(key)) {
        native_fail(RHEI_INVALID, "parameters by name have names of str");
        return false;
    }
    Py_UCS4 sign = PyUnicode_GetLength(key) > 0 ? PyUnicode_ReadChar(key, 0) : 0;
    PyObject *name =
        sign == ':' || sign == '@' || sign == '$' ? PyUnicode_FromObject(key) : PyUnicode_FromFormat(":%U", key);
    if (name == NULL || !read_text(name, params, value)) {
        Py_XDECREF(name);
        return false;
    }
    Py_DECREF(name);
    *value = rhei_name(value->as.bytes); /* bytes objects end in a NUL */
    return true;
}

static bool make_room(struct native_params *params, size_t count)
{
    params->values = count == 0 ? NULL : calloc(count, sizeof *params->values);
    params->kept = PyList_New(0);
    if (params->kept != NULL && (count == 0 || params->values != NULL))
        return true;
    native_params_free(params);
    PyErr_NoMemory();
    return false;
}

static bool read_mapping(PyObject *object, struct native_params *params)
{
    PyObject *items = PyMapping_Items(object);
    Py_ssize_t count = items == NULL ? -1 : PyList_Size(items);
    bool fine = count >= 0 && make_room(params, (size_t)count * 2);
    for (Py_ssize_t i = 0; fine && i < count; i++) {
        PyObject *item = PyList_GetItem(items, i);
        PyObject *key = item == NULL ? NULL : PySequence_GetItem(item, 0),
                 *given = key == NULL ? NULL : PySequence_GetItem(item, 1);
        fine = given != NULL && read_name(key, params, &params->values[2 * i]) &&
               read_value(given, params, &params->values[2 * i + 1], false) && PyList_Append(params->kept, given) == 0;
        Py_XDECREF(key);
        Py_XDECREF(given);
    }
    params->count = fine ? (size_t)count * 2 : 0;
    Py_XDECREF(items);
    return fine;
}

/* Values of one row behind the `params->count` that are there. */
static bool read_row(PyObject *row, struct native_params *params, size_t columns)
{
    for (size_t i = 0; i < columns; i++) {
        PyObject *item = PySequence_GetItem(row, (Py_ssize_t)i);
        bool fine = item != NULL && read_value(item, params, &params->values[params->count], false);
        Py_XDECREF(item);
        if (!fine)
            return false;
        params->count++;
    }
    return true;
}

static bool is_row(PyObject *object)
{
    if (PySequence_Check(object) && !PyUnicode_Check(object) && !PyBytes_Check(object) && !PyByteArray_Check(object))
        return true;
    native_fail(RHEI_INVALID, "parameters are a tuple, a list or a mapping of names: for one value, (value,)");
    return false;
}

bool native_params_read(PyObject *object, struct native_params *params)
{
    *params = (struct native_params){0};
    if (object == NULL || object == Py_None)
        return true;
    bool fine;
    if (PyDict_Check(object) || (PyMapping_Check(object) && PyObject_HasAttrString(object, "keys")))
        fine = read_mapping(object, params);
    else {
        Py_ssize_t count = is_row(object) ? PySequence_Size(object) : -1;
        fine = count >= 0 && make_room(params, (size_t)count) && read_row(object, params, (size_t)count);
    }
    if (!fine)
        native_params_free(params);
    return fine;
}

bool native_params_rows(PyObject *rows, struct native_params *params, size_t *columns, size_t *row_count)
{
    *params = (struct native_params){0};
    *columns = *row_count = 0;
    PyObject *list = PySequence_List(rows);
    Py_ssize_t count = list == NULL ? -1 : PyList_Size(list);
    bool fine = count >= 0;
    for (Py_ssize_t i = 0; fine && i < count; i++) {
        PyObject *row = PyList_GetItem(list, i);
        Py_ssize_t size = is_row(row) ? PySequence_Size(row) : -1;
        fine = size >= 0;
        if (fine && i == 0) {
            *columns = (size_t)size;
            fine = make_room(params, (size_t)size * (size_t)count);
        } else if (fine && (size_t)size != *columns) {
            native_fail(RHEI_INVALID, "row %zd has %zd values, and the first row %zu", i + 1, size, *columns);
            fine = false;
        }
        fine = fine && read_row(row, params, *columns);
    }
    Py_XDECREF(list);
    *row_count = fine ? (size_t)count : 0;
    if (!fine)
        native_params_free(params);
    return fine;
}

void native_params_free(struct native_params *params)
{
    free(params->values);
    Py_XDECREF(params->kept);
    *params = (struct native_params){0};
}

/* ---- Out ---------------------------------------------------------------------------------------------------------------- */

PyObject *native_text(const char *bytes, size_t length)
{
    PyObject *text = PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)length, NULL);
    if (text != NULL || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
        return text;
    PyErr_Clear(); /* as in Arrow: what isn't UTF-8 is bytes */
    return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
}

PyObject *native_value(const struct rhei_value *value)
{
    switch (value->type) {
    case RHEI_INTEGER:
        return PyLong_FromLongLong(value->as.integer);
    case RHEI_REAL:
        return PyFloat_FromDouble(value->as.real);
    case RHEI_TEXT:
        return native_text(value->length > 0 ? value->as.bytes : "", value->length);
    case RHEI_BLOB:
        return PyBytes_FromStringAndSize(value->as.bytes, (Py_ssize_t)value->length);
    default:
        Py_RETURN_NONE;
    }
}

bool native_set(PyObject *dict, const char *key, PyObject *taken)
{
    if (taken == NULL)
        return false;
    int failed = PyDict_SetItemString(dict, key, taken);
    Py_DECREF(taken);
    return failed == 0;
}

PyObject *native_names(const char *const *names, size_t count)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *name = native_text(names[i], strlen(names[i]));
        if (name == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, name) != 0) {
            Py_DECREF(tuple);
            return NULL;
        }
    }
    return tuple;
}
