/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What databases, connections and statements have in common: options, by text and by type, and errors.
 *
 * An option is kept as text. Its number, if it is one, is read from that; so every getter and setter of ADBC 1.1 works with every
 * option that it can be true of. Getters may be called from any thread, beside everything else.
 */
#ifndef ADBC_OBJECT_H
#define ADBC_OBJECT_H

#include <adbc.h>
#include <pthread.h>

#include "rhei/rhei_doors.h"

/* ---- Errors. ----------------------------------------------------------------------------------------------------- */

/* Both accept NULL for the error, and return the code. What the error held is released. */
AdbcStatusCode adbc_fail(struct AdbcError *error, AdbcStatusCode code, const char *format, ...) RHEI_PRINTF(3, 4);
/* With SQLSTATE, and what else is known as details (or as the vendor's code, for a caller of 1.0). */
AdbcStatusCode adbc_fail_with(struct AdbcError *error, const struct rhei_error *from);
AdbcStatusCode adbc_no_memory(struct AdbcError *error);
AdbcStatusCode adbc_code_of(rhei_status status);
int adbc_error_detail_count(const struct AdbcError *error);
struct AdbcErrorDetail adbc_error_detail(const struct AdbcError *error, int index);

/* ---- Options. ---------------------------------------------------------------------------------------------------- */

enum { ADBC_OPTIONS_MOST = 20 };

struct adbc_object;
struct adbc_option {
    const char *key;
    const char *initial; /* shown while it isn't set; NULL: it isn't there then */
    /* Takes the value, which isn't NULL, or says what is wrong with it. NULL: it can't be set. */
    AdbcStatusCode (*apply)(struct adbc_object *object, const char *value, struct AdbcError *error);
    /* What it is now, where that isn't what was set; writes at most `size` bytes. NULL: what was set. */
    void (*now)(struct adbc_object *object, char *value, size_t size);
};

/* How questions are asked, as options say; of connections and, taken over from there, of statements. */
struct adbc_query {
    struct rhei_freshness freshness;
    int32_t route, strings;
    int64_t timeout_ms, memory_limit;
    char *as_of; /* NULL: now */
};

/* The first member of each of the three. */
struct adbc_object {
    pthread_mutex_t lock; /* of `values` and what `apply` and `now` touch */
    const struct adbc_option *known;
    size_t count;
    char *values[ADBC_OPTIONS_MOST]; /* NULL: not set */
    const char *setting;             /* while `apply` runs: the key that it is for */
    struct adbc_query query;
};

void adbc_object_init(struct adbc_object *object, const struct adbc_option *known, size_t count);
void adbc_object_reset(struct adbc_object *object);
/* What a new statement has of its connection: the options that both know and that adbc_query_options names. */
AdbcStatusCode adbc_object_inherit(struct adbc_object *object, struct adbc_object *from, struct AdbcError *error);

AdbcStatusCode adbc_set_text(struct adbc_object *object, const char *key, const char *value, struct AdbcError *error);
AdbcStatusCode adbc_set_bytes(struct adbc_object *object, const char *key, const uint8_t *value, size_t length,
                              struct AdbcError *error);
AdbcStatusCode adbc_set_int(struct adbc_object *object, const char *key, int64_t value, struct AdbcError *error);
AdbcStatusCode adbc_set_double(struct adbc_object *object, const char *key, double value, struct AdbcError *error);
AdbcStatusCode adbc_get_text(struct adbc_object *object, const char *key, char *value, size_t *length,
                             struct AdbcError *error);
AdbcStatusCode adbc_get_bytes(struct adbc_object *object, const char *key, uint8_t *value, size_t *length,
                              struct AdbcError *error);
AdbcStatusCode adbc_get_int(struct adbc_object *object, const char *key, int64_t *value, struct AdbcError *error);
AdbcStatusCode adbc_get_double(struct adbc_object *object, const char *key, double *value, struct AdbcError *error);

/* Readers of values. */
AdbcStatusCode adbc_read_bool(const char *key, const char *value, bool *out, struct AdbcError *error);
AdbcStatusCode adbc_read_int(const char *key, const char *value, int64_t least, int64_t most, int64_t *out,
                             struct AdbcError *error);
AdbcStatusCode adbc_read_freshness(const char *value, struct rhei_freshness *out, struct AdbcError *error);

/* The options of a question, for tables of connections and statements. */
AdbcStatusCode adbc_apply_freshness(struct adbc_object *object, const char *value, struct AdbcError *error);
AdbcStatusCode adbc_apply_route(struct adbc_object *object, const char *value, struct AdbcError *error);
AdbcStatusCode adbc_apply_strings(struct adbc_object *object, const char *value, struct AdbcError *error);
AdbcStatusCode adbc_apply_timeout(struct adbc_object *object, const char *value, struct AdbcError *error);
AdbcStatusCode adbc_apply_memory(struct adbc_object *object, const char *value, struct AdbcError *error);
AdbcStatusCode adbc_apply_as_of(struct adbc_object *object, const char *value, struct AdbcError *error);
#define ADBC_QUERY_OPTIONS                                                                                      \
    {"rhei.freshness", "default", adbc_apply_freshness, NULL}, {"rhei.route", "auto", adbc_apply_route, NULL},  \
        {"rhei.strings", "utf8", adbc_apply_strings, NULL}, {"rhei.timeout_ms", "0", adbc_apply_timeout, NULL}, \
        {"rhei.memory_limit", "0", adbc_apply_memory, NULL},                                                    \
    {                                                                                                           \
        "rhei.as_of", "", adbc_apply_as_of, NULL                                                                \
    }
/* Their number, and the number of the first one in a table that has them first. */
enum { ADBC_QUERY_OPTION_COUNT = 6 };

#endif
