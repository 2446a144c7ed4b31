/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls without the GIL, what ends them, and their errors.
 *
 * Ctrl-C while the main thread is in a call: Python's handler notes the signal, but nobody runs Python's code. Ours stands in front of it while such a
 * call lasts, and wakes a thread that raises the call's cancel flag (which takes a lock, so the handler can't).
 */
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "native.h"

PyObject *native_hooks;

static struct {
    pthread_mutex_t lock;
    sem_t wanted;
    pid_t process;                 /* whose thread it is; 0: there is none */
    struct native_cancel *current; /* of the main thread's call */
    struct sigaction python;       /* what Ctrl-C did before the call */
    volatile sig_atomic_t pressed;
    unsigned long main_thread;
    PyObject *getsignal, *default_handler, *number;
} interrupts = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *raise_flags(void *nothing)
{
    (void)nothing;
    for (;;) {
        while (sem_wait(&interrupts.wanted) != 0)
            ;
        pthread_mutex_lock(&interrupts.lock);
        if (interrupts.pressed && interrupts.current != NULL)
            rhei_cancel_raise(interrupts.current->flag);
        pthread_mutex_unlock(&interrupts.lock);
    }
    return NULL;
}

static void on_interrupt(int number)
{
    interrupts.pressed = 1;
    sem_post(&interrupts.wanted);
    interrupts.python.sa_handler(number);
}

/* One thread for the life of the process, which sleeps; a forked child makes its own. */
static bool have_thread(void)
{
    if (interrupts.process == getpid())
        return true;
    pthread_t thread;
    sigset_t all, before;
    if (sem_init(&interrupts.wanted, 0, 0) != 0)
        return false;
    pthread_mutex_init(&interrupts.lock, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, raise_flags, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return false;
    pthread_detach(thread);
    interrupts.process = getpid();
    return true;
}

/* Whether this is the main thread, where SIGINT means KeyboardInterrupt. */
static bool wants_watch(void)
{
    bool yes = PyThread_get_thread_ident() == interrupts.main_thread;
    if (yes) {
        PyObject *handler = PyObject_CallFunctionObjArgs(interrupts.getsignal, interrupts.number, NULL);
        yes = handler == interrupts.default_handler;
        Py_XDECREF(handler);
    }
    PyErr_Clear();
    return yes && have_thread();
}

static void watch(struct native_call *call)
{
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    pthread_mutex_lock(&interrupts.lock);
    interrupts.pressed = 0;
    interrupts.current = call->cancel;
    pthread_mutex_unlock(&interrupts.lock);
    sigaction(SIGINT, NULL, &interrupts.python);
    if ((interrupts.python.sa_flags & SA_SIGINFO) != 0 || interrupts.python.sa_handler == SIG_DFL ||
        interrupts.python.sa_handler == SIG_IGN || interrupts.python.sa_handler == on_interrupt) {
        call->watched = false;
        return;
    }
    ours = interrupts.python;
    ours.sa_handler = on_interrupt;
    sigaction(SIGINT, &ours, NULL);
}

static void unwatch(struct native_call *call)
{
    sigaction(SIGINT, &interrupts.python, NULL);
    pthread_mutex_lock(&interrupts.lock);
    interrupts.current = NULL;
    pthread_mutex_unlock(&interrupts.lock);
    if (interrupts.pressed && !atomic_load(&call->cancel->wanted))
        rhei_cancel_clear(call->cancel->flag); /* the program never raised it */
}

void native_call_enter(struct native_call *call, struct native_cancel *cancel, const char *sql)
{
    *call = (struct native_call){.cancel = cancel, .sql = sql, .error = RHEI_ERROR_INIT};
    atomic_fetch_add(&cancel->users, 1);
    call->watched = wants_watch();
    if (call->watched)
        watch(call);
    call->thread = PyEval_SaveThread();
}

bool native_call_begin(struct native_call *call, PyObject *cancel, const char *sql)
{
    struct native_cancel *flag = native_cancel_of(cancel);
    if (flag == NULL)
        return false;
    native_call_enter(call, flag, sql);
    native_cancel_drop(&flag);
    return true;
}

bool native_call_end(struct native_call *call, rhei_status status)
{
    PyEval_RestoreThread(call->thread);
    if (call->watched)
        unwatch(call);
    native_cancel_drop(&call->cancel);
    if (PyErr_CheckSignals() != 0)
        return false;
    if (status == RHEI_OK || status == RHEI_ROW || status == RHEI_DONE)
        return true;
    native_raise(&call->error, call->sql);
    return false;
}

bool native_call_ready(void)
{
    PyObject *signals = PyImport_ImportModule("_signal");
    if (signals == NULL)
        return false;
    interrupts.getsignal = PyObject_GetAttrString(signals, "getsignal");
    interrupts.default_handler = PyObject_GetAttrString(signals, "default_int_handler");
    interrupts.number = PyLong_FromLong(SIGINT);
    Py_DECREF(signals);
    return interrupts.getsignal != NULL && interrupts.default_handler != NULL && interrupts.number != NULL;
}

/* At the import, and in a forked child. */
PyObject *native_main_thread(PyObject *module, PyObject *ident)
{
    (void)module;
    interrupts.main_thread = PyLong_AsUnsignedLong(ident);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

PyObject *native_hook(const char *name)
{
    PyObject *function = native_hooks != NULL ? PyDict_GetItemString(native_hooks, name) : NULL;
    if (function == NULL)
        PyErr_Format(PyExc_RuntimeError, "rhei._native has no hook %s: import rhei, not rhei._native", name);
    return function;
}

/* Characters before a byte of UTF-8. */
static long characters(const char *text, int32_t bytes)
{
    long count = 0;
    for (int32_t i = 0; i < bytes && text[i] != '\0'; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

void native_raise(const struct rhei_error *error, const char *sql)
{
    PyObject *make = native_hook("make_error");
    if (make == NULL)
        return;
    long where = error->sql_offset < 0 ? -1 : sql != NULL ? characters(sql, error->sql_offset) : error->sql_offset;
    PyObject *message = PyUnicode_DecodeUTF8(error->message, (Py_ssize_t)strlen(error->message), "replace");
    PyObject *made = message == NULL
                         ? NULL
                         : PyObject_CallFunction(make, "issliO", (int)error->code, rhei_status_name(error->code),
                                                 error->sqlstate, where, (int)error->engine_code, message);
    Py_XDECREF(message);
    if (made == NULL)
        return;
    PyErr_SetObject((PyObject *)Py_TYPE(made), made);
    Py_DECREF(made);
}

void native_fail(rhei_status status, const char *format, ...)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    error.code = status;
    memcpy(error.sqlstate, "HY000", sizeof error.sqlstate);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    native_raise(&error, NULL);
}
