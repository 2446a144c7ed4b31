/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the database with its keys, and the folder. */
#ifndef BUFFER_ROCKSDB_ROCKSDB_INTERNAL_H
#define BUFFER_ROCKSDB_ROCKSDB_INTERNAL_H

#include "base/base_buffer.h"
#include "base/base_thread.h"
#include "buffer_rocksdb/rocksdb_api.h"
#include "buffer_rocksdb/rocksdb_buffer.h"

enum {
    ROCKS_FILE_SIZE = 64, /* of a file's identity */
    ROCKS_KEY_SIZE = 17,
    ROCKS_RECORD_SIZE = 80,
    ROCKS_PART_BYTES = 256 << 10, /* a part of a commit is written when it has so many */
};

/* The first byte of a key; what follows are numbers. */
enum rocks_key_kind {
    ROCKS_KEY_COMMIT = 'c',      /* number: its record */
    ROCKS_KEY_DEFINITIONS = 'd', /* number: its TABLE and GONE events */
    ROCKS_KEY_EVENTS = 'e',      /* number, part: events, encoded one behind the other */
    ROCKS_KEY_POSITION = 'p',    /* position, number: nothing */
    ROCKS_KEY_PRUNED = 's',      /* a record of the last commit that was pruned, and the definitions after it */
};

/* What is kept of a commit beside its events. */
struct rocks_record {
    uint64_t number;
    int64_t position, time_us;
    uint64_t mark;
    uint32_t parts;
    uint64_t rows;
    uint64_t total;                /* bytes of all events since the buffer was made */
    uint64_t lost_all, definition; /* as change_buffer_state has them, after this commit */
};

/* A number of a key or a value: eight bytes, big-endian, so that keys are in the order of their numbers. */
static inline void rocks_put_number(char *bytes, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(number >> (56 - 8 * i) & 0xff);
}
static inline uint64_t rocks_get_number(const char *bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | (uint8_t)bytes[i];
    return number;
}

struct rocks_key {
    char bytes[ROCKS_KEY_SIZE];
    size_t len;
};
struct rocks_key rocks_key_one(enum rocks_key_kind kind, uint64_t number);
struct rocks_key rocks_key_part(uint64_t number, uint32_t part);
struct rocks_key rocks_key_position(int64_t position, uint64_t number);
uint64_t rocks_key_number(const char *key, size_t len, size_t at); /* the number at that byte; 0: it isn't so long */

/* What is in a folder: neither is taken for the other. */
enum rocks_folder_kind { ROCKS_BUFFER, ROCKS_STORE };

/* The folder: identity and lock (rocksdb_folder.c). */
struct rocks_folder {
    int folder, lock; /* -1: not open */
    enum rocks_folder_kind kind;
    char *path;
    char *database; /* path of what RocksDB has */
    char file[ROCKS_FILE_SIZE];
    unsigned version; /* of the form, in the identity */
    _Atomic uint64_t id;
};
/* Opens and locks it; makes it where it isn't there. `file`: whose it is, where nobody's name is in it: *fresh. */
rhei_status rocks_folder_open(struct rocks_folder *folder, enum rocks_folder_kind kind, const char *path,
                              const char *file, bool *fresh, struct rhei_error *error);
/* Writes the identity, with a new number. Durable when it returns. */
/* RHEI_EXISTS. */
rhei_status rocks_folder_of_another(const char *path, struct rhei_error *error);
rhei_status rocks_folder_identify(struct rocks_folder *folder, const char *file, struct rhei_error *error);
/* Before an event goes in that a program of the first form doesn't know: it is told so by the identity, RHEI_TOO_NEW. The appending thread. */
rhei_status rocks_folder_has_before(struct rocks_folder *folder, struct rhei_error *error);
/* Moves the database aside. */
rhei_status rocks_folder_set_aside(struct rocks_folder *folder, char *name, size_t size, struct rhei_error *error);
void rocks_folder_close(struct rocks_folder *folder);

/* How a database is opened, written and read (rocksdb_database.c). */
struct rocks_options {
    rocksdb_options_t *options; /* NULL: not made */
    rocksdb_writeoptions_t *durable, *quick;
    rocksdb_readoptions_t *reading;
};
void rocks_options_make(const struct rocks_api *api, struct rocks_options *options);
void rocks_options_free(const struct rocks_api *api, struct rocks_options *options);

struct rocks_buffer {
    struct change_buffer base;
    const struct rocks_api *api;
    struct rocks_folder folder;
    void (*fault)(void *context, const char *point);
    void *fault_context;

    base_mutex lock; /* guards the rest up to `staged` */
    base_cond idle;  /* nobody is in `db` */
    uint32_t users;  /* who are in it */
    bool closed;     /* nobody may enter: it is being opened again, or could not be */
    char why[200];   /* it couldn't */
    rocksdb_t *db;
    struct rocks_options options;
    struct change_buffer_state state;
    uint64_t total, pruned_total; /* rocks_record.total of the last commit, and of the last one pruned */

    /* Of the appending thread. */
    struct base_buffer staged; /* the next part */
    struct base_buffer definitions;
    uint32_t parts;
    uint64_t rows, bytes;
    bool lost_all, failed; /* failed: nothing is taken before a rollback */
    bool reopen;           /* a write failed: RocksDB takes no other before it is opened anew */

    base_mutex prune_lock; /* one at a time */
};
static inline struct rocks_buffer *rocks_of(const struct change_buffer *buffer)
{
    return (struct rocks_buffer *)(uintptr_t)buffer;
}
void rocks_fault(const struct rocks_buffer *buffer, const char *point);

/* rocksdb_database.c: the database below all of it. */
/* Takes the text of a failed call and makes an error of it; RHEI_OK for NULL. */
rhei_status rocks_status(const struct rocks_api *api, char *text, const char *doing, struct rhei_error *error);
rhei_status rocks_database_open(struct rocks_buffer *buffer, struct rhei_error *error);
void rocks_database_close(struct rocks_buffer *buffer);
/* After a failed write: no reader is in it meanwhile. */
rhei_status rocks_database_reopen(struct rocks_buffer *buffer, struct rhei_error *error);
/* Between the two the database stays; RHEI_IO: it couldn't be opened again. */
rhei_status rocks_enter(struct rocks_buffer *buffer, struct rhei_error *error);
void rocks_leave(struct rocks_buffer *buffer);
/* Takes the batch. */
rhei_status rocks_write(struct rocks_buffer *buffer, rocksdb_writebatch_t *batch, bool durable, const char *doing,
                        struct rhei_error *error);
void rocks_put_record(struct base_buffer *out, const struct rocks_record *record);
bool rocks_get_record(const char *bytes, size_t len, struct rocks_record *record);
/* RHEI_NOT_FOUND. Inside enter and leave. */
rhei_status rocks_find_record(struct rocks_buffer *buffer, uint64_t number, struct rocks_record *record,
                              struct rhei_error *error);
/*
 * The pruned record (position INT64_MAX: there is none) and the definitions behind it, which are appended to `definitions` (may be
 * NULL), as the iterator sees them.
 */
rhei_status rocks_find_pruned(struct rocks_buffer *buffer, rocksdb_iterator_t *iterator, struct rocks_record *record,
                              struct base_buffer *definitions, struct rhei_error *error);

/* rocksdb_read.c */
rhei_status rocks_reader_open(struct change_buffer *buffer, struct change_reader **reader, struct rhei_error *error);
void rocks_reader_close(struct change_reader **reader);
rhei_status rocks_read(struct change_reader *reader, struct change_cursor *cursor, uint64_t until, size_t max_rows,
                       const struct change_event **events, size_t *count, struct rhei_error *error);
rhei_status rocks_tables(struct change_reader *reader, uint64_t number, const struct source_table *const **tables,
                         size_t *count, struct rhei_error *error);

#endif
