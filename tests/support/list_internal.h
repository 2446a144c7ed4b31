/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the list source share. */
#ifndef TESTS_LIST_INTERNAL_H
#define TESTS_LIST_INTERNAL_H

#include "base/base_thread.h"
#include "list_source.h"

struct list_source;

struct list_row {
    int64_t key;
    struct rhei_value *values;
};

struct list_rows { /* sorted by key; a removed row leaves its place, without values */
    struct list_row *at;
    size_t count, live, capacity;
};

struct list_event {
    int64_t seq;
    uint32_t table;
    enum change_op op;
    struct rhei_value *values; /* DELETE: only the first is set; CLEAR: none */
    uint64_t unchanged;        /* PATCH: bits of columns */
};

struct list_table {
    uint32_t id;
    char name[64];
    uint32_t column_count;
    char (*column_names)[16];
    struct source_column *columns;
    const char *excluded;
    bool dropped, poisoned;
    struct list_rows rows;  /* as of now */
    struct list_rows first; /* as of its creation */
    int64_t born;           /* position of its creation */
};

struct list_store {
    base_mutex lock;
    base_mutex writer; /* held by a transaction */
    uint64_t random;
    struct list_table **tables; /* every version, index = id - 1 */
    size_t table_count;
    struct list_event *events;
    size_t event_count, event_capacity;
    int64_t position, horizon;
    uint64_t schema_version;
    _Atomic uint64_t commits;
    _Atomic uint64_t breaches;
    struct {
        _Atomic uint64_t calls;
        uint64_t fail_at;
        rhei_status status, always;
    } trouble[LIST_CALLS];
    struct list_source *sources;
    void (*at_load)(void *context);
    void *load_context;
};

/* Naive on purpose: one lock, rows copied, lists searched. A test that runs out of memory here may as well stop. */
void *list_must(void *pointer);
void list_row_free(struct rhei_value *values, uint32_t count);
void list_rows_copy(struct list_rows *to, const struct list_rows *from, uint32_t column_count);
void list_rows_free(struct list_rows *rows, uint32_t column_count);
/* Under the lock: counts the call, and says whether it is to fail. */
rhei_status list_trouble(struct list_store *store, enum list_call call, struct rhei_error *error);

#endif
