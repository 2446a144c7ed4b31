/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: one Arrow stream, read as tuples here, or handed on by the Arrow PyCapsule interface.
 *
 * The state is shared and has a lock, because a consumer may read on any thread without the GIL while the program uses the session that the stream
 * reads in: then the rest is gathered into memory, and both go on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

static void let_go_of_stream(struct native_answer *answer)
{
    if (answer->stream.release != NULL && !native_handle_elsewhere(answer->handle))
        answer->stream.release(&answer->stream);
    answer->stream.release = NULL;
}

void native_answer_drop(struct native_answer **answer)
{
    struct native_answer *old = *answer;
    *answer = NULL;
    if (old == NULL || atomic_fetch_sub(&old->users, 1) != 1)
        return;
    let_go_of_stream(old);
    for (; old->kept_next < old->kept_count; old->kept_next++)
        old->kept[old->kept_next].release(&old->kept[old->kept_next]);
    free(old->kept);
    if (old->schema.release != NULL)
        old->schema.release(&old->schema);
    native_cancel_drop(&old->cancel);
    native_handle_drop(&old->handle);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

static rhei_status failed(struct native_answer *answer, rhei_status status, int code)
{
    if (code != 0)
        status = rhei_stream_error(&answer->stream, code, &answer->failure);
    answer->failure.code = status;
    if (answer->failure.message[0] == '\0')
        (void)snprintf(answer->failure.message, sizeof answer->failure.message, "out of memory");
    answer->finished = true;
    let_go_of_stream(answer);
    return status;
}

/* From the stream; released at its end. The lock is held. */
static rhei_status read_stream(struct native_answer *answer, struct ArrowArray *batch)
{
    memset(batch, 0, sizeof *batch);
    if (answer->finished || answer->stream.release == NULL)
        return answer->failure.code;
    int code = answer->stream.get_next(&answer->stream, batch);
    if (code != 0)
        return failed(answer, RHEI_IO, code);
    if (batch->release == NULL) {
        answer->finished = true;
        let_go_of_stream(answer);
        return RHEI_OK;
    }
    if (native_batch_hold(answer->handle, batch) == RHEI_OK)
        return RHEI_OK;
    batch->release(batch);
    batch->release = NULL;
    return failed(answer, RHEI_NO_MEMORY, 0);
}

/* The next batch; release NULL: there is none. Without the GIL. */
static rhei_status next_batch(struct native_answer *answer, struct ArrowArray *batch)
{
    pthread_mutex_lock(&answer->lock);
    rhei_status status = RHEI_OK;
    if (answer->kept_next < answer->kept_count)
        *batch = answer->kept[answer->kept_next++];
    else
        status = read_stream(answer, batch);
    pthread_mutex_unlock(&answer->lock);
    return status;
}

static bool keep(struct native_answer *answer, const struct ArrowArray *batch)
{
    struct ArrowArray *more = realloc(answer->kept, (answer->kept_count + 1) * sizeof *more);
    if (more == NULL)
        return false;
    answer->kept = more;
    answer->kept[answer->kept_count++] = *batch;
    return true;
}

rhei_status native_answer_gather(struct native_answer *answer)
{
    rhei_status status = RHEI_OK;
    pthread_mutex_lock(&answer->lock);
    while (status == RHEI_OK && answer->stream.release != NULL) {
        struct ArrowArray batch;
        status = read_stream(answer, &batch);
        if (status != RHEI_OK || batch.release == NULL || keep(answer, &batch))
            continue;
        batch.release(&batch);
        status = failed(answer, RHEI_NO_MEMORY, 0);
    }
    pthread_mutex_unlock(&answer->lock);
    return status;
}

/* ---- The object -------------------------------------------------------------------------------------------------------- */

struct answer_object {
    PyObject ob_base;
    struct native_answer *answer; /* NULL: closed */
    struct ArrowArray batch;      /* that tuples are made of */
    int64_t row;                  /* the next of it */
    bool handed_on, busy;
};

/* Ends reading, whoever else knows of the answer, unless somebody was given it. */
static void close_answer(struct answer_object *self)
{
    struct native_answer *answer = self->answer;
    self->answer = NULL;
    if (answer == NULL)
        return;
    PyThreadState *thread = PyEval_SaveThread();
    if (self->batch.release != NULL)
        self->batch.release(&self->batch);
    self->batch.release = NULL;
    if (!self->handed_on) {
        pthread_mutex_lock(&answer->lock);
        answer->finished = true;
        let_go_of_stream(answer);
        pthread_mutex_unlock(&answer->lock);
    }
    native_answer_drop(&answer);
    PyEval_RestoreThread(thread);
}

static void answer_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    close_answer((struct answer_object *)self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *answer_close(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    if (((struct answer_object *)self)->busy) {
        native_fail(RHEI_INVALID, "another thread reads the answer: cancel it instead");
        return NULL;
    }
    close_answer((struct answer_object *)self);
    Py_RETURN_NONE;
}

PyObject *native_answer_object(struct native_handle *handle, struct native_part *part, struct native_cancel *cancel,
                               struct ArrowArrayStream *stream)
{
    struct native_answer *answer = calloc(1, sizeof *answer);
    PyTypeObject *type = (PyTypeObject *)native_types.answer;
    struct answer_object *self = (struct answer_object *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (answer == NULL || self == NULL) {
        stream->release(stream);
        free(answer);
        Py_XDECREF(self);
        return PyErr_NoMemory();
    }
    pthread_mutex_init(&answer->lock, NULL);
    answer->users = 1;
    answer->stream = *stream;
    native_handle_hold(handle);
    answer->handle = handle;
    atomic_fetch_add(&cancel->users, 1);
    answer->cancel = cancel;
    self->answer = answer;
    int code = answer->stream.get_schema(&answer->stream, &answer->schema);
    if (code != 0) {
        (void)failed(answer, RHEI_IO, code);
        native_raise(&answer->failure, NULL);
        Py_DECREF(self);
        return NULL;
    }
    for (; part != NULL; part = (struct native_part *)part->above) {
        atomic_fetch_add(&answer->users, 1);
        native_answer_drop(&part->open);
        part->open = answer;
    }
    return (PyObject *)self;
}

/* answer(stream): of somebody else's stream, a driver's. */
PyObject *native_answer_foreign(PyObject *module, PyObject *object)
{
    (void)module;
    struct ArrowArrayStream stream;
    struct native_cancel *flag = native_cancel_of(NULL);
    PyObject *made = NULL;
    if (flag != NULL && native_stream_take(object, &stream))
        made = native_answer_object(NULL, NULL, flag, &stream);
    native_cancel_drop(&flag);
    return made;
}

/*
 * An answer that is fed: object None makes one of the schema, else it gets the batch. Both are taken over, also where this fails; one whose release is
 * NULL isn't there.
 */
PyObject *native_answer_fed(struct native_handle *handle, PyObject *object, struct ArrowSchema *schema,
                            struct ArrowArray *batch)
{
    struct answer_object *self = NULL;
    if (object == Py_None) {
        struct native_answer *answer = calloc(1, sizeof *answer);
        PyTypeObject *type = (PyTypeObject *)native_types.answer;
        self = answer == NULL ? NULL : (struct answer_object *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
        if (self == NULL) {
            free(answer);
            goto no_memory;
        }
        pthread_mutex_init(&answer->lock, NULL);
        answer->users = 1;
        answer->finished = true; /* of itself it has no more than it was fed */
        native_handle_hold(handle);
        answer->handle = handle;
        self->answer = answer;
        answer->cancel = native_cancel_of(NULL);
        if (answer->cancel == NULL)
            goto no_memory;
        answer->schema = *schema;
        schema->release = NULL;
    } else {
        self = (struct answer_object *)object;
        Py_INCREF(object);
        if (self->answer == NULL) {
            native_fail(RHEI_CLOSED, "the answer is closed");
            goto failed;
        }
    }
    if (batch->release != NULL) {
        bool kept = native_batch_hold(handle, batch) == RHEI_OK;
        pthread_mutex_lock(&self->answer->lock);
        kept = kept && keep(self->answer, batch);
        pthread_mutex_unlock(&self->answer->lock);
        if (!kept)
            goto no_memory;
    }
    if (schema->release != NULL)
        schema->release(schema);
    return (PyObject *)self;
no_memory:
    PyErr_NoMemory();
failed:
    if (schema->release != NULL)
        schema->release(schema);
    if (batch->release != NULL)
        batch->release(batch);
    Py_XDECREF(self);
    return NULL;
}

static struct native_answer *usable(struct answer_object *self)
{
    if (self->answer == NULL)
        native_fail(RHEI_CLOSED, "the answer is closed");
    else if (self->handed_on)
        native_fail(
            RHEI_INVALID,
            "the answer was handed on, and can be read once: keep what took it, or use arrow(), which keeps a table");
    else if (self->busy)
        native_fail(RHEI_INVALID, "another thread reads the answer");
    else if (native_handle_elsewhere(self->answer->handle))
        return native_handle_usable(self->answer->handle) ? self->answer : NULL;
    else
        return self->answer;
    return NULL;
}

/* Makes a batch with an unread row the current one, if there is one. */
static bool have_rows(struct answer_object *self)
{
    struct native_answer *answer = self->answer;
    while (self->batch.release == NULL || self->row >= self->batch.length) {
        struct native_call call;
        self->busy = true;
        native_call_enter(&call, answer->cancel, NULL);
        if (self->batch.release != NULL)
            self->batch.release(&self->batch);
        self->row = 0;
        rhei_status status = next_batch(answer, &self->batch);
        call.error = answer->failure;
        bool fine = native_call_end(&call, status);
        self->busy = false;
        if (!fine)
            return false;
        if (self->batch.release == NULL)
            return true;
    }
    return true;
}

static bool can_be_tuples(const struct native_answer *answer)
{
    if (native_batch_has_values(&answer->schema))
        return true;
    native_fail(RHEI_UNSUPPORTED, "a column is of an Arrow type that is no value of SQLite: read the answer as Arrow");
    return false;
}

/* Up to `most` rows as tuples, all where it is negative. */
static PyObject *answer_fetch(PyObject *object, PyObject *number)
{
    struct answer_object *self = (struct answer_object *)object;
    Py_ssize_t most = PyLong_AsSsize_t(number);
    if ((most == -1 && PyErr_Occurred()) || usable(self) == NULL || !can_be_tuples(self->answer))
        return NULL;
    PyObject *rows = PyList_New(0);
    while (rows != NULL && (most < 0 || PyList_Size(rows) < most)) {
        if (!have_rows(self))
            goto lost;
        if (self->batch.release == NULL)
            break;
        int64_t count = self->batch.length - self->row;
        if (most >= 0 && count > most - PyList_Size(rows))
            count = most - PyList_Size(rows);
        PyObject *more = native_batch_rows(&self->answer->schema, &self->batch, self->row, count);
        Py_ssize_t end = PyList_Size(rows);
        if (more == NULL || PyList_SetSlice(rows, end, end, more) != 0) {
            Py_XDECREF(more);
            goto lost;
        }
        Py_DECREF(more);
        self->row += count;
    }
    return rows;
lost:
    Py_DECREF(rows);
    return NULL;
}

/* Reads the rest into memory: then whoever takes it waits for nothing, and neither Ctrl-C nor a failure comes in between. */
static PyObject *answer_gather(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    struct answer_object *self = (struct answer_object *)object;
    struct native_answer *answer = usable(self);
    struct native_call call;
    if (answer == NULL)
        return NULL;
    self->busy = true;
    native_call_enter(&call, answer->cancel, NULL);
    rhei_status status = native_answer_gather(answer);
    if (status == RHEI_OK)
        status = answer->failure.code; /* of before */
    call.error = answer->failure;
    bool fine = native_call_end(&call, status);
    self->busy = false;
    if (!fine)
        return NULL;
    Py_RETURN_NONE;
}

/* Up to `most` rows of the batch that comes next, which stay unread; and whether there are more. */
static PyObject *answer_peek(PyObject *object, PyObject *number)
{
    struct answer_object *self = (struct answer_object *)object;
    Py_ssize_t most = PyLong_AsSsize_t(number);
    if ((most == -1 && PyErr_Occurred()) || usable(self) == NULL || !can_be_tuples(self->answer) || !have_rows(self))
        return NULL;
    if (self->batch.release == NULL)
        return PyList_New(0);
    int64_t count = self->batch.length - self->row;
    return native_batch_rows(&self->answer->schema, &self->batch, self->row, count < most ? count : most);
}

static PyObject *answer_columns(PyObject *object, void *closure)
{
    (void)closure;
    struct answer_object *self = (struct answer_object *)object;
    if (self->answer == NULL)
        return PyTuple_New(0);
    const struct ArrowSchema *schema = &self->answer->schema;
    PyObject *tuple = PyTuple_New((Py_ssize_t)schema->n_children);
    for (int64_t i = 0; tuple != NULL && i < schema->n_children; i++) {
        const struct ArrowSchema *column = schema->children[i];
        PyObject *name =
            native_text(column->name != NULL ? column->name : "", column->name != NULL ? strlen(column->name) : 0);
        PyObject *pair = name == NULL ? NULL : Py_BuildValue("(Ns)", name, column->format);
        if (pair == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, pair) != 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *answer_metadata(PyObject *object, void *closure)
{
    (void)closure;
    struct answer_object *self = (struct answer_object *)object;
    return self->answer == NULL ? PyDict_New() : native_schema_metadata(&self->answer->schema);
}

/* ---- Handing on -------------------------------------------------------------------------------------------------------- */

struct handed {
    struct native_answer *answer;
    char words[RHEI_ERROR_MESSAGE_SIZE];
};

/* A schema is small: copied by the stream, or where that is over by hand. */
static rhei_status copy_schema(const struct ArrowSchema *from, struct ArrowSchema *to);

static void release_copy(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL)
            schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    free(schema->children);
    free(schema->private_data);
    schema->release = NULL;
}

static size_t metadata_size(const char *metadata)
{
    const char *at = metadata;
    int32_t pairs, length;
    if (at == NULL)
        return 0;
    memcpy(&pairs, at, sizeof pairs);
    at += sizeof pairs;
    for (int32_t i = 0; i < 2 * pairs; i++) {
        memcpy(&length, at, sizeof length);
        at += sizeof length + (size_t)length;
    }
    return (size_t)(at - metadata);
}

/* Format, name and metadata are in one block. */
static bool copy_texts(const struct ArrowSchema *from, struct ArrowSchema *to)
{
    size_t format = strlen(from->format) + 1, name = from->name != NULL ? strlen(from->name) + 1 : 0,
           metadata = metadata_size(from->metadata);
    char *block = malloc(format + name + metadata);
    if (block == NULL)
        return false;
    to->private_data = block;
    to->format = memcpy(block, from->format, format);
    to->name = name > 0 ? memcpy(block + format, from->name, name) : NULL;
    to->metadata = metadata > 0 ? memcpy(block + format + name, from->metadata, metadata) : NULL;
    return true;
}

static rhei_status copy_schema(const struct ArrowSchema *from, struct ArrowSchema *to)
{
    memset(to, 0, sizeof *to);
    to->flags = from->flags;
    to->children = calloc((size_t)from->n_children + 1, sizeof *to->children);
    if (to->children == NULL || !copy_texts(from, to)) {
        free(to->children);
        return RHEI_NO_MEMORY;
    }
    to->release = release_copy;
    for (int64_t i = 0; i < from->n_children; i++) {
        to->children[i] = calloc(1, sizeof **to->children);
        to->n_children += to->children[i] != NULL;
        if (to->children[i] != NULL && copy_schema(from->children[i], to->children[i]) == RHEI_OK)
            continue;
        to->release(to);
        return RHEI_NO_MEMORY;
    }
    return RHEI_OK;
}

static int handed_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct handed *handed = stream->private_data;
    return copy_schema(&handed->answer->schema, out) == RHEI_OK ? 0 : ENOMEM;
}

static int errno_of(rhei_status status)
{
    return status == RHEI_CANCELLED                                  ? ECANCELED
           : status == RHEI_TIMEOUT                                  ? ETIMEDOUT
           : status == RHEI_NO_MEMORY || status == RHEI_MEMORY_LIMIT ? ENOMEM
                                                                     : EIO;
}

static int handed_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    struct handed *handed = stream->private_data;
    memset(out, 0, sizeof *out);
    if (native_handle_elsewhere(handed->answer->handle))
        return EIO;
    rhei_status status = next_batch(handed->answer, out);
    if (status == RHEI_OK)
        return 0;
    memset(out, 0, sizeof *out);
    memcpy(handed->words, handed->answer->failure.message, sizeof handed->words);
    return errno_of(status);
}

static const char *handed_error(struct ArrowArrayStream *stream)
{
    struct handed *handed = stream->private_data;
    return handed->words[0] == '\0' ? NULL : handed->words;
}

static void handed_release(struct ArrowArrayStream *stream)
{
    struct handed *handed = stream->private_data;
    stream->release = NULL;
    struct native_answer *answer = handed->answer;
    pthread_mutex_lock(&answer->lock);
    answer->finished = true; /* nobody else may read it */
    let_go_of_stream(answer);
    pthread_mutex_unlock(&answer->lock);
    native_answer_drop(&answer);
    free(handed);
}

static void free_capsule(PyObject *capsule)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream != NULL && stream->release != NULL)
        stream->release(stream);
    free(stream);
}

/* In the columns: readers take no batch that has an offset of its own. */
static void skip_rows(struct ArrowArray *batch, int64_t count)
{
    batch->length -= count;
    for (int64_t i = 0; i < batch->n_children; i++) {
        struct ArrowArray *column = batch->children[i];
        column->offset += count;
        column->length = batch->length;
        if (column->null_count > 0)
            column->null_count = -1; /* nobody counted */
    }
}

/* A batch that was begun goes first, from its next row on. */
static bool give_back(struct answer_object *self)
{
    struct native_answer *answer = self->answer;
    if (self->batch.release == NULL)
        return true;
    struct ArrowArray *kept = calloc(answer->kept_count - answer->kept_next + 1, sizeof *kept);
    if (kept == NULL)
        return false;
    skip_rows(&self->batch, self->row);
    kept[0] = self->batch;
    self->batch.release = NULL;
    size_t rest = answer->kept_count - answer->kept_next;
    if (rest > 0)
        memcpy(kept + 1, answer->kept + answer->kept_next, rest * sizeof *kept);
    free(answer->kept);
    answer->kept = kept;
    answer->kept_next = 0;
    answer->kept_count = rest + 1;
    return true;
}

static PyObject *answer_stream(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    struct answer_object *self = (struct answer_object *)object;
    if (usable(self) == NULL)
        return NULL;
    struct ArrowArrayStream *stream = calloc(1, sizeof *stream);
    struct handed *handed = calloc(1, sizeof *handed);
    if (stream == NULL || handed == NULL || !give_back(self)) {
        free(stream);
        free(handed);
        return PyErr_NoMemory();
    }
    *stream = (struct ArrowArrayStream){handed_schema, handed_next, handed_error, handed_release, handed};
    handed->answer = self->answer;
    atomic_fetch_add(&self->answer->users, 1);
    PyObject *capsule = PyCapsule_New(stream, "arrow_array_stream", free_capsule);
    if (capsule == NULL) {
        stream->release(stream);
        free(stream);
        return NULL;
    }
    self->handed_on = true;
    return capsule;
}

static PyObject *answer_schema(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    struct answer_object *self = (struct answer_object *)object;
    struct ArrowSchema copy;
    if (self->answer == NULL) {
        native_fail(RHEI_CLOSED, "the answer is closed");
        return NULL;
    }
    if (copy_schema(&self->answer->schema, &copy) != RHEI_OK)
        return PyErr_NoMemory();
    return native_capsule_schema(&copy);
}

/* Rows that are in memory, and unread. */
static PyObject *answer_ready(PyObject *object, void *closure)
{
    (void)closure;
    struct answer_object *self = (struct answer_object *)object;
    long long rows = self->batch.release != NULL ? self->batch.length - self->row : 0;
    for (size_t i = self->answer == NULL ? 0 : self->answer->kept_next;
         self->answer != NULL && i < self->answer->kept_count; i++)
        rows += self->answer->kept[i].length;
    return PyLong_FromLongLong(rows);
}

static PyObject *answer_state(PyObject *object, void *closure)
{
    (void)closure;
    struct answer_object *self = (struct answer_object *)object;
    return PyUnicode_FromString(self->answer == NULL ? "closed" : self->handed_on ? "handed on" : "open");
}

static PyObject *answer_cancel(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    struct answer_object *self = (struct answer_object *)object;
    if (self->answer != NULL) {
        atomic_store(&self->answer->cancel->wanted, true);
        rhei_cancel_raise(self->answer->cancel->flag);
    }
    Py_RETURN_NONE;
}

static PyMethodDef answer_methods[] = {
    {"fetch", answer_fetch, METH_O, NULL},        {"gather", answer_gather, METH_NOARGS, NULL},
    {"peek", answer_peek, METH_O, NULL},          {"stream", answer_stream, METH_NOARGS, NULL},
    {"schema", answer_schema, METH_NOARGS, NULL}, {"cancel", answer_cancel, METH_NOARGS, NULL},
    {"close", answer_close, METH_NOARGS, NULL},   {NULL, NULL, 0, NULL},
};
static PyGetSetDef answer_fields[] = {
    {"columns", answer_columns, NULL, NULL, NULL},
    {"metadata", answer_metadata, NULL, NULL, NULL},
    {"state", answer_state, NULL, NULL, NULL},
    {"ready", answer_ready, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot answer_slots[] = {
    {Py_tp_dealloc, answer_dealloc},
    {Py_tp_methods, answer_methods},
    {Py_tp_getset, answer_fields},
    {0, NULL},
};
PyType_Spec native_answer_spec = {"rhei._native.Answer", sizeof(struct answer_object), 0, Py_TPFLAGS_DEFAULT,
                                  answer_slots};
