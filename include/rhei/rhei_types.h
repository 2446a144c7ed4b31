/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei_types.h
 * Status codes, errors, values and the Arrow C data interface: the words that every other header uses.
 *
 * Plain data only; nothing here allocates and everything may be used from any thread.
 */
#ifndef RHEI_TYPES_H
#define RHEI_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
/** Marks what the library exports. */
#define RHEI_API __attribute__((visibility("default")))
/** Lets the compiler check arguments against a printf format. */
#define RHEI_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define RHEI_API
#define RHEI_PRINTF(format_index, first_argument)
#endif

/**
 * What a call came to. The numbers are stable: they never change meaning and are never reused.
 * `rhei_status_name()` gives the name without its prefix ("CONSTRAINT").
 */
typedef enum rhei_status {
    RHEI_OK = 0,
    RHEI_ROW = 1,               /**< rhei_rows_next: a row is there */
    RHEI_DONE = 2,              /**< rhei_rows_next: no more rows */
    RHEI_INVALID = 10,          /**< an argument or option that cannot be right */
    RHEI_NO_MEMORY = 11,        /**< the system or the configured limit has no memory left */
    RHEI_INTERNAL = 12,         /**< a defect of Rhei: please report it */
    RHEI_UNSUPPORTED = 13,      /**< legal, but not offered here; the message says what is */
    RHEI_CONFIG = 20,           /**< a configuration key or value is wrong; message names line and nearest key */
    RHEI_CANT_OPEN = 21,        /**< the file or folder cannot be opened or created */
    RHEI_NOT_A_DATABASE = 22,   /**< the file is something else, or damaged */
    RHEI_IO = 23,               /**< the system reported an I/O error */
    RHEI_FULL = 24,             /**< the disk, or the file's size limit, is full */
    RHEI_READ_ONLY = 25,        /**< a write on something that may only be read */
    RHEI_TOO_NEW = 26,          /**< written by a newer version of Rhei */
    RHEI_SQL = 30,              /**< the statement is wrong: syntax, unknown name, wrong use */
    RHEI_CONSTRAINT = 31,       /**< a constraint refused the change; nothing of it was kept, but by OR FAIL */
    RHEI_BUSY = 32,             /**< another writer held the lock for longer than the time-out */
    RHEI_TRANSACTION = 33,      /**< BEGIN, COMMIT or ROLLBACK where it cannot be */
    RHEI_NOT_FOUND = 34,        /**< no table, column or statement of that name */
    RHEI_EXISTS = 35,           /**< it is already there */
    RHEI_TOO_BIG = 36,          /**< text, BLOB or statement over the limit */
    RHEI_TYPE = 37,             /**< a value's class is not the one that was asked for */
    RHEI_CANCELLED = 40,        /**< rhei_cancel or an interrupt ended it */
    RHEI_TIMEOUT = 41,          /**< the time limit ended it */
    RHEI_MEMORY_LIMIT = 42,     /**< the query's memory limit ended it */
    RHEI_OLAP_UNAVAILABLE = 50, /**< the column store was demanded and may not answer this now; message says why */
    RHEI_STALE = 51,            /**< the freshness that was asked for could not be reached in time */
    RHEI_CLOSED = 60,           /**< the handle is closing */
    RHEI_REPLACED = 61, /**< the database's file was moved, deleted or replaced: close the handle, open it again */
} rhei_status;

enum { RHEI_ERROR_MESSAGE_SIZE = 1024 };

/**
 * Where a failing call says what was wrong. The caller owns it; it holds no pointers and needs no release.
 * Start it with RHEI_ERROR_INIT. Every call starts it anew, so it tells of the last call it was given to.
 */
struct rhei_error {
    rhei_status code;
    char sqlstate[6];                      /**< five characters of SQLSTATE and a NUL; "00000" when there is no error */
    int32_t sql_offset;                    /**< byte in the SQL text where the error is, or -1 */
    int32_t engine_code;                   /**< extended result code of the engine below, or 0 */
    char message[RHEI_ERROR_MESSAGE_SIZE]; /**< what was wrong, where, and what to do; UTF-8, NUL-terminated */
};
/** Initialiser of a struct rhei_error: no error. */
#define RHEI_ERROR_INIT             \
    {                               \
        RHEI_OK, "00000", -1, 0, "" \
    }

/** An open database; any number of threads may use one. From rhei_open() to rhei_close(). */
typedef struct rhei_db rhei_db;

/** SQLite's five storage classes; each value has its own. */
enum rhei_class {
    RHEI_NULL = 0,
    RHEI_INTEGER = 1,
    RHEI_REAL = 2,
    RHEI_TEXT = 3,
    RHEI_BLOB = 4,
};
/** Beside them, in a list of parameters only: the name of the parameter that the next value is for, made by rhei_name(). */
enum { RHEI_NAME = 5 };

/**
 * One value. Text and BLOB are borrowed, `length` bytes, not NUL-terminated, at most 2^31 - 1; text is UTF-8 but
 * is never checked: what an application stored comes back bit for bit.
 */
struct rhei_value {
    union {
        int64_t integer;
        double real;
        const void *bytes;
    } as;
    uint32_t length; /**< bytes of text or BLOB */
    uint8_t type;    /**< enum rhei_class */
};

/** @name The Arrow C data and stream interfaces
 * As https://arrow.apache.org/docs/format/CDataInterface.html defines them.
 * @{ */
/** @cond the specification documents these */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif
/** @endcond */
/** @} */

#ifdef __cplusplus
}
#endif
#endif
