/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: settings by name become fields of struct rhei_config; and what needs no open database. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

enum kind { TEXT, FLAG, CHOICE, NUMBER, SIZE };
struct field {
    const char *name; /* as Python's keyword, which is the setting's where there is one */
    enum kind kind;
    size_t offset;
};
#define FIELD(name, kind, field)                        \
    {                                                   \
        name, kind, offsetof(struct rhei_config, field) \
    }
static const struct field fields[] = {
    FIELD("config_file", TEXT, config_file),
    FIELD("config_text", TEXT, config_text),
    FIELD("olap_path", TEXT, olap_path),
    FIELD("olap_format", TEXT, olap_format),
    FIELD("rocksdb_cdc_path", TEXT, rocksdb_cdc_path),
    FIELD("read_only", FLAG, read_only),
    FIELD("must_exist", FLAG, must_exist),
    FIELD("manual_sync", FLAG, manual_sync),
    FIELD("no_auto_register", FLAG, no_auto_register),
    FIELD("keep_changes", FLAG, keep_changes),
    FIELD("prefer_olap", FLAG, prefer_olap),
    FIELD("no_olap_syntax", FLAG, no_olap_syntax),
    FIELD("capture_if_present", FLAG, capture_if_present),
    FIELD("olap_backend", CHOICE, olap_backend),
    FIELD("sync_mode", CHOICE, sync_mode),
    FIELD("synchronous", CHOICE, synchronous),
    FIELD("log_level", CHOICE, log_level),
    FIELD("log_limit_policy", CHOICE, log_limit_policy),
    FIELD("read_pool_size", NUMBER, read_pool_size),
    FIELD("threads", NUMBER, threads),
    FIELD("sync_interval_ms", NUMBER, sync_interval_ms),
    FIELD("busy_timeout_ms", NUMBER, busy_timeout_ms),
    FIELD("scrub_interval", NUMBER, scrub_interval_s),
    FIELD("checkpoint_interval_ms", NUMBER, checkpoint_interval_ms),
    FIELD("history_max_age", NUMBER, history_max_age_s),
    FIELD("history_max_versions", NUMBER, history_max_versions),
    FIELD("log_limit_age", NUMBER, log_limit_age_s),
    FIELD("sync_batch_size", SIZE, sync_batch_rows),
    FIELD("olap_memory_limit", SIZE, olap_memory_limit),
    FIELD("log_limit_rows", SIZE, log_limit_rows),
    FIELD("log_limit_bytes", SIZE, log_limit_bytes),
    FIELD("wal_limit", SIZE, wal_limit_bytes),
    FIELD("scrub_rate", SIZE, scrub_rate),
};

static bool set_text(char *place, PyObject *value, PyObject *kept)
{
    PyObject *bytes = PyUnicode_AsUTF8String(value);
    if (bytes == NULL || PyList_Append(kept, bytes) != 0) {
        Py_XDECREF(bytes);
        return false;
    }
    const char *text = PyBytes_AsString(bytes);
    memcpy(place, &text, sizeof text);
    Py_DECREF(bytes); /* the list has it */
    return true;
}

static bool set_number(const struct field *field, char *place, PyObject *value)
{
    unsigned long long number = PyLong_AsUnsignedLongLong(value);
    if (PyErr_Occurred() != NULL || (field->kind != SIZE && number > UINT32_MAX)) {
        PyErr_Clear();
        native_fail(RHEI_INVALID, "%s is out of range", field->name);
        return false;
    }
    uint32_t small = (uint32_t)number;
    int32_t choice = (int32_t)number;
    uint64_t big = number;
    if (field->kind == SIZE)
        memcpy(place, &big, sizeof big);
    else if (field->kind == CHOICE)
        memcpy(place, &choice, sizeof choice);
    else
        memcpy(place, &small, sizeof small);
    return true;
}

static bool set_field(struct rhei_config *config, PyObject *name, PyObject *value, PyObject *kept)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char *place = (char *)config + fields[i].offset;
        if (PyUnicode_CompareWithASCIIString(name, fields[i].name) != 0)
            continue;
        if (fields[i].kind == TEXT)
            return set_text(place, value, kept);
        if (fields[i].kind != FLAG)
            return set_number(&fields[i], place, value);
        *(bool *)place = PyObject_IsTrue(value) == 1;
        return true;
    }
    PyErr_Format(PyExc_RuntimeError, "rhei._native knows no setting %U", name);
    return false;
}

/* (freshness mode, milliseconds) */
static bool set_freshness(struct rhei_config *config, PyObject *pair)
{
    int mode = 0;
    long long age = 0;
    if (!PyArg_ParseTuple(pair, "iL", &mode, &age))
        return false;
    config->freshness = (struct rhei_freshness){.mode = mode, .max_age_ms = age};
    return true;
}

static bool set_table_modes(struct rhei_config *config, PyObject *modes, struct rhei_table_mode **list, PyObject *kept)
{
    PyObject *items = PyMapping_Items(modes);
    Py_ssize_t count = items == NULL ? -1 : PyList_Size(items);
    *list = count < 0 ? NULL : calloc((size_t)count + 1, sizeof **list);
    bool fine = *list != NULL;
    for (Py_ssize_t i = 0; fine && i < count; i++) {
        PyObject *name;
        fine = PyArg_ParseTuple(PyList_GetItem(items, i), "Ui", &name, &(*list)[i].sync_mode) &&
               set_text((char *)&(*list)[i].table, name, kept);
    }
    config->table_modes = *list;
    config->table_mode_count = fine ? (size_t)count : 0;
    Py_XDECREF(items);
    return fine;
}

/* Python's log, from any thread and without the GIL: the lines wait for the main thread. */
struct line {
    struct line *next;
    int level;
    char *room, *message;
};
static struct {
    pthread_mutex_t lock;
    struct line *first, **last;
    int count;
} lines = {.lock = PTHREAD_MUTEX_INITIALIZER, .last = &lines.first};
enum { LINES_MOST = 1000 };

static int tell_lines(void *nothing)
{
    (void)nothing;
    for (;;) {
        pthread_mutex_lock(&lines.lock);
        struct line *line = lines.first;
        if (line != NULL && (lines.first = line->next) == NULL)
            lines.last = &lines.first;
        lines.count -= line != NULL;
        pthread_mutex_unlock(&lines.lock);
        if (line == NULL)
            return 0;
        PyObject *tell = native_hook("log");
        PyObject *done =
            tell == NULL ? NULL : PyObject_CallFunction(tell, "iss", line->level, line->room, line->message);
        if (done == NULL)
            PyErr_WriteUnraisable(NULL);
        Py_XDECREF(done);
        free(line->room);
        free(line->message);
        free(line);
    }
}

static void take_line(void *context, int level, const char *room, const char *message)
{
    (void)context;
    struct line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return;
    *line = (struct line){.level = level, .room = strdup(room), .message = strdup(message)};
    pthread_mutex_lock(&lines.lock);
    bool fits = lines.count < LINES_MOST && line->room != NULL && line->message != NULL;
    if (fits) {
        *lines.last = line;
        lines.last = &line->next;
        lines.count++;
    }
    pthread_mutex_unlock(&lines.lock);
    if (fits) {
        (void)Py_AddPendingCall(tell_lines, NULL);
        return;
    }
    free(line->room);
    free(line->message);
    free(line);
}

static PyObject *open_with(const char *path, const struct rhei_config *config)
{
    struct native_call call;
    rhei_db *db = NULL;
    if (!native_call_begin(&call, NULL, NULL))
        return NULL;
    rhei_status status = rhei_open(path, config, &db, &call.error);
    struct native_handle *handle = status == RHEI_OK ? native_handle_new(db) : NULL;
    if (status == RHEI_OK && handle == NULL)
        call.error.code = status = RHEI_NO_MEMORY;
    PyTypeObject *type = (PyTypeObject *)native_types.database;
    if (!native_call_end(&call, status)) {
        native_handle_drop(&handle);
        return NULL;
    }
    PyObject *self = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        native_handle_drop(&handle);
    else
        ((struct native_part *)self)->handle = handle;
    return self;
}

/* open(path, settings, freshness, table_modes): path None is the default. */
PyObject *native_open(PyObject *module, PyObject *arguments)
{
    (void)module;
    const char *path = NULL;
    PyObject *settings, *freshness, *modes, *made = NULL, *name, *value, *kept = PyList_New(0);
    struct rhei_config config = {.struct_size = sizeof config, .log = take_line};
    struct rhei_table_mode *list = NULL;
    Py_ssize_t at = 0;
    bool fine = kept != NULL && PyArg_ParseTuple(arguments, "zOOO", &path, &settings, &freshness, &modes);
    fine = fine && set_freshness(&config, freshness) && set_table_modes(&config, modes, &list, kept);
    while (fine && PyDict_Next(settings, &at, &name, &value))
        fine = set_field(&config, name, value, kept);
    if (fine)
        made = open_with(path, &config);
    free(list);
    Py_XDECREF(kept);
    return made;
}

/* detach(path, config_file, timeout_ms, cancel) */
PyObject *native_detach(PyObject *module, PyObject *arguments)
{
    (void)module;
    const char *path, *config_file;
    PyObject *cancel;
    struct rhei_call_options options = {.struct_size = sizeof options};
    struct native_call call;
    long long timeout;
    if (!PyArg_ParseTuple(arguments, "zzLO", &path, &config_file, &timeout, &cancel) ||
        !native_call_begin(&call, cancel, NULL))
        return NULL;
    options.timeout_ms = timeout;
    options.cancel = call.cancel->flag;
    rhei_status status = rhei_detach_with(path, config_file, &options, &call.error);
    if (!native_call_end(&call, status))
        return NULL;
    Py_RETURN_NONE;
}

/* The statements of a text. */
PyObject *native_split(PyObject *module, PyObject *text)
{
    (void)module;
    PyObject *bytes = PyUnicode_AsUTF8String(text), *list = bytes == NULL ? NULL : PyList_New(0);
    struct rhei_split part = {.struct_size = sizeof part};
    const char *sql = bytes == NULL ? NULL : PyBytes_AsString(bytes);
    while (list != NULL && rhei_split(sql, (size_t)PyBytes_Size(bytes), &part, NULL) == RHEI_OK &&
           part.state != RHEI_SPLIT_END) {
        PyObject *one = native_text(sql + part.offset, part.length);
        if (one == NULL || PyList_Append(list, one) != 0)
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    Py_XDECREF(bytes);
    return list;
}

/* What rhei_setting_at() tells, as tuples: section, name, type, initial, range, effect, offered. */
PyObject *native_settings(PyObject *module, PyObject *nothing)
{
    (void)module;
    (void)nothing;
    PyObject *list = PyList_New(0);
    struct rhei_setting setting = {.struct_size = sizeof setting};
    for (size_t i = 0; list != NULL && rhei_setting_at(i, &setting, NULL) == RHEI_OK; i++) {
        PyObject *one = Py_BuildValue("(ssssssO)", setting.section, setting.name, setting.type, setting.initial,
                                      setting.range, setting.effect, setting.offered ? Py_True : Py_False);
        if (one == NULL || PyList_Append(list, one) != 0)
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}
