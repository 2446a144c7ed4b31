/* SPDX-License-Identifier: Apache-2.0 */
/* A foreign library that is found at run time, as a table of functions, so that nothing needs it which doesn't use it. */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stddef.h>

#include "base/base_thread.h"
#include "rhei/rhei_types.h"

struct base_symbol {
    const char *name;
    size_t offset; /* of the pointer in the table */
};

/* Whose table is filled by the first call that can. All of it stays where it is; the library stays loaded for good. */
struct base_library {
    const char *const *names; /* tried in turn, the last is NULL */
    const char *variable;     /* of the environment: a path in place of them */
    const char *absent;       /* what it is needed for and how to get it: the loader's own words follow in brackets */
    const char *file, *older; /* "libpq" lacks a function: "it is too old for Rhei" */
    const struct base_symbol *symbols;
    size_t symbol_count;
    void *table; /* under the mutex; never changed once it is whole */
    base_mutex mutex;
    bool is_loaded;
};

/* RHEI_UNSUPPORTED: it isn't there, can't be loaded, or lacks a function. Any thread. */
rhei_status base_library_load(struct base_library *library, struct rhei_error *error);

/* Fills the table from what dlopen gave. The name of the first function that it lacks; NULL: none. */
const char *base_library_resolve(void *handle, const struct base_symbol *symbols, size_t count, void *table);

#endif
