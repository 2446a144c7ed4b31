/* SPDX-License-Identifier: Apache-2.0 */
/* Arrow batches: held open by those who have them, and read as tuples. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

/* ---- Holding the handle ------------------------------------------------------------------------------------------------ */

struct held {
    struct ArrowArray array;
    struct native_handle *handle;
};

/* Any thread, with or without the GIL. A child of the process that opened can't tell what the engine's locks are at. */
static void release_held(struct ArrowArray *array)
{
    struct held *held = array->private_data;
    array->release = NULL;
    if (native_handle_elsewhere(held->handle))
        return;
    if (held->array.release != NULL)
        held->array.release(&held->array);
    native_handle_drop(&held->handle);
    free(held);
}

/* Columns too: a consumer may move them out and let go of the batch. */
rhei_status native_batch_hold(struct native_handle *handle, struct ArrowArray *array)
{
    if (handle == NULL)
        return RHEI_OK;
    for (int64_t i = 0; i < array->n_children; i++) {
        rhei_status status = native_batch_hold(handle, array->children[i]);
        if (status != RHEI_OK)
            return status;
    }
    struct held *held = malloc(sizeof *held);
    if (held == NULL)
        return RHEI_NO_MEMORY;
    held->array = *array;
    held->handle = handle;
    native_handle_hold(handle);
    array->release = release_held;
    array->private_data = held;
    return RHEI_OK;
}

/* ---- Tuples ------------------------------------------------------------------------------------------------------------ */

static bool known(const struct ArrowSchema *schema, bool nested)
{
    static const char *const formats[] = {"l", "g", "u", "z", "U", "Z", "vu", "vz", "b", "i", "n"};
    if (!nested && strncmp(schema->format, "+ud:", 4) == 0) {
        for (int64_t i = 0; i < schema->n_children; i++)
            if (!known(schema->children[i], true))
                return false;
        return true;
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(schema->format, formats[i]) == 0)
            return schema->dictionary == NULL;
    return false;
}

bool native_batch_has_values(const struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++)
        if (!known(schema->children[i], false))
            return false;
    return true;
}

static bool is_valid(const struct ArrowArray *array, int64_t row)
{
    const uint8_t *bits = array->n_buffers > 0 ? array->buffers[0] : NULL;
    return array->null_count == 0 || bits == NULL || (bits[row / 8] >> (row % 8) & 1) != 0;
}

static PyObject *bytes_value(const char *bytes, int64_t length, bool text)
{
    return text ? native_text(length > 0 ? bytes : "", (size_t)length)
                : PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
}

/* Text and binary as views: up to 12 bytes in place, else 4 of them, a buffer and a place in it. */
static PyObject *view_value(const struct ArrowArray *array, int64_t row, bool text)
{
    const char *view = (const char *)array->buffers[1] + row * 16;
    int32_t parts[4];
    memcpy(parts, view, sizeof parts);
    const char *bytes = parts[0] <= 12 ? view + 4 : (const char *)array->buffers[2 + parts[2]] + parts[3];
    return bytes_value(bytes, parts[0], text);
}

static PyObject *cell(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row)
{
    int64_t place = row + array->offset;
    char format = schema->format[0];
    if (format == '+') {
        int8_t type = ((const int8_t *)array->buffers[0])[place];
        int32_t member = ((const int32_t *)array->buffers[1])[place];
        return cell(schema->children[type], array->children[type], member);
    }
    if (format == 'n' || !is_valid(array, place))
        Py_RETURN_NONE;
    switch (format) {
    case 'l':
        return PyLong_FromLongLong(((const int64_t *)array->buffers[1])[place]);
    case 'i':
        return PyLong_FromLong(((const int32_t *)array->buffers[1])[place]);
    case 'b':
        return PyBool_FromLong(((const uint8_t *)array->buffers[1])[place / 8] >> (place % 8) & 1);
    case 'g':
        return PyFloat_FromDouble(((const double *)array->buffers[1])[place]);
    case 'v':
        return view_value(array, place, schema->format[1] == 'u');
    case 'U':
    case 'Z': {
        const int64_t *ends = array->buffers[1];
        return bytes_value((const char *)array->buffers[2] + ends[place], ends[place + 1] - ends[place], format == 'U');
    }
    default: {
        const int32_t *ends = array->buffers[1];
        return bytes_value((const char *)array->buffers[2] + ends[place], ends[place + 1] - ends[place], format == 'u');
    }
    }
}

PyObject *native_batch_rows(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t first,
                            int64_t count)
{
    PyObject *rows = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; rows != NULL && i < count; i++) {
        PyObject *row = PyTuple_New((Py_ssize_t)batch->n_children);
        if (row == NULL || PyList_SetItem(rows, (Py_ssize_t)i, row) != 0)
            goto failed;
        for (int64_t column = 0; column < batch->n_children; column++) {
            PyObject *value = cell(schema->children[column], batch->children[column], first + i + batch->offset);
            if (value == NULL || PyTuple_SetItem(row, (Py_ssize_t)column, value) != 0)
                goto failed;
        }
    }
    return rows;
failed:
    Py_DECREF(rows);
    return NULL;
}

/* ---- What a schema says ------------------------------------------------------------------------------------------------- */

/* Keys and values of text, each with its length in front, all behind their number (the C data interface). */
PyObject *native_schema_metadata(const struct ArrowSchema *schema)
{
    PyObject *dict = PyDict_New();
    const char *at = schema->metadata;
    int32_t pairs = 0, length;
    if (at != NULL) {
        memcpy(&pairs, at, sizeof pairs);
        at += sizeof pairs;
    }
    for (int32_t i = 0; dict != NULL && i < pairs; i++) {
        PyObject *parts[2] = {NULL, NULL};
        for (int side = 0; side < 2; side++) {
            memcpy(&length, at, sizeof length);
            parts[side] = native_text(at + sizeof length, (size_t)length);
            at += sizeof length + (size_t)length;
        }
        if (parts[0] == NULL || parts[1] == NULL || PyDict_SetItem(dict, parts[0], parts[1]) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(parts[0]);
        Py_XDECREF(parts[1]);
    }
    return dict;
}

/* ---- Capsules -------------------------------------------------------------------------------------------------------------- */

static void free_schema(PyObject *capsule)
{
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema != NULL && schema->release != NULL)
        schema->release(schema);
    free(schema);
}

static void free_array(PyObject *capsule)
{
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array != NULL && array->release != NULL)
        array->release(array);
    free(array);
}

PyObject *native_capsule_schema(struct ArrowSchema *schema)
{
    struct ArrowSchema *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        schema->release(schema);
        return PyErr_NoMemory();
    }
    *copy = *schema;
    PyObject *capsule = PyCapsule_New(copy, "arrow_schema", free_schema);
    if (capsule == NULL) {
        copy->release(copy);
        free(copy);
    }
    return capsule;
}

PyObject *native_capsule_array(struct ArrowArray *array)
{
    struct ArrowArray *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        array->release(array);
        return PyErr_NoMemory();
    }
    *copy = *array;
    PyObject *capsule = PyCapsule_New(copy, "arrow_array", free_array);
    if (capsule == NULL) {
        copy->release(copy);
        free(copy);
    }
    return capsule;
}
