/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, as ADBC tells it: to a caller of 1.1 with details, to one of 1.0 with the vendor's code. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adbc_object.h"

enum { DETAILS = 3, DETAIL_SIZE = 24 };

/* Of a caller that knows details; what `private_data` points to. */
struct details {
    int count;
    struct {
        const char *key;
        char value[DETAIL_SIZE];
    } list[DETAILS];
};

static void release_error(struct AdbcError *error)
{
    free(error->message);
    if (error->vendor_code == ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA)
        free(error->private_data);
    error->message = NULL;
    error->release = NULL;
    if (error->vendor_code == ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA)
        error->private_data = NULL;
}

static void take_message(struct AdbcError *error, const char *message, const char *sqlstate)
{
    if (error->release != NULL)
        error->release(error);
    error->message = strdup(message);
    memcpy(error->sqlstate, sqlstate, sizeof error->sqlstate);
    error->release = release_error;
    if (error->vendor_code == ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA)
        error->private_data = NULL;
}

static const char *sqlstate_of(AdbcStatusCode code)
{
    switch (code) {
    case ADBC_STATUS_NOT_IMPLEMENTED:
        return "0A000";
    case ADBC_STATUS_NOT_FOUND:
        return "42704";
    case ADBC_STATUS_ALREADY_EXISTS:
        return "42710";
    case ADBC_STATUS_INVALID_ARGUMENT:
        return "22023";
    case ADBC_STATUS_INVALID_STATE:
        return "55000";
    case ADBC_STATUS_UNAUTHORIZED:
        return "25006";
    case ADBC_STATUS_CANCELLED:
        return "57014";
    default:
        return "XX000";
    }
}

AdbcStatusCode adbc_fail(struct AdbcError *error, AdbcStatusCode code, const char *format, ...)
{
    char message[RHEI_ERROR_MESSAGE_SIZE];
    if (error == NULL)
        return code;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    take_message(error, message, sqlstate_of(code));
    return code;
}

AdbcStatusCode adbc_no_memory(struct AdbcError *error)
{
    return adbc_fail(error, ADBC_STATUS_INTERNAL, "out of memory");
}

AdbcStatusCode adbc_code_of(rhei_status status)
{
    switch (status) {
    case RHEI_OK:
    case RHEI_ROW:
    case RHEI_DONE:
        return ADBC_STATUS_OK;
    case RHEI_INVALID:
    case RHEI_CONFIG:
    case RHEI_SQL:
        return ADBC_STATUS_INVALID_ARGUMENT;
    case RHEI_UNSUPPORTED:
        return ADBC_STATUS_NOT_IMPLEMENTED;
    case RHEI_CANT_OPEN:
    case RHEI_IO:
    case RHEI_FULL:
    case RHEI_BUSY:
    case RHEI_MEMORY_LIMIT:
        return ADBC_STATUS_IO; /* of the system's resources; callers tell them apart by SQLSTATE */
    case RHEI_NOT_A_DATABASE:
    case RHEI_TOO_NEW:
    case RHEI_TOO_BIG:
    case RHEI_TYPE:
        return ADBC_STATUS_INVALID_DATA;
    case RHEI_READ_ONLY:
        return ADBC_STATUS_UNAUTHORIZED;
    case RHEI_CONSTRAINT:
        return ADBC_STATUS_INTEGRITY;
    case RHEI_TRANSACTION:
    case RHEI_OLAP_UNAVAILABLE:
    case RHEI_CLOSED:
    case RHEI_REPLACED:
        return ADBC_STATUS_INVALID_STATE;
    case RHEI_NOT_FOUND:
        return ADBC_STATUS_NOT_FOUND;
    case RHEI_EXISTS:
        return ADBC_STATUS_ALREADY_EXISTS;
    case RHEI_CANCELLED:
        return ADBC_STATUS_CANCELLED;
    case RHEI_TIMEOUT:
    case RHEI_STALE:
        return ADBC_STATUS_TIMEOUT;
    case RHEI_NO_MEMORY:
    case RHEI_INTERNAL:
        return ADBC_STATUS_INTERNAL;
    }
    return ADBC_STATUS_UNKNOWN;
}

static void add_detail(struct details *details, const char *key, const char *value)
{
    details->list[details->count].key = key;
    (void)snprintf(details->list[details->count].value, DETAIL_SIZE, "%s", value);
    details->count++;
}

static struct details *details_of(const struct rhei_error *from)
{
    char number[DETAIL_SIZE];
    struct details *details = calloc(1, sizeof *details);
    if (details == NULL)
        return NULL;
    add_detail(details, "rhei.status", rhei_status_name(from->code));
    (void)snprintf(number, sizeof number, "%d", from->sql_offset);
    if (from->sql_offset >= 0)
        add_detail(details, "rhei.sql_offset", number);
    (void)snprintf(number, sizeof number, "%d", from->engine_code);
    if (from->engine_code != 0)
        add_detail(details, "rhei.engine_code", number);
    return details;
}

/* The engine gives its advice to programs that call it; this is how a driver's user does that. */
static void in_words_of_adbc(char message[RHEI_ERROR_MESSAGE_SIZE], const char *engines)
{
    static const char engine[] = "run a script with rhei_execute_script",
                      ours[] = "a script is run where no rows are asked for (as by executescript() of DB-API)";
    const char *found = strstr(engines, engine);
    if (found == NULL)
        (void)snprintf(message, RHEI_ERROR_MESSAGE_SIZE, "%s", engines);
    else
        (void)snprintf(message, RHEI_ERROR_MESSAGE_SIZE, "%.*s%s%s", (int)(found - engines), engines, ours,
                       found + strlen(engine));
}

AdbcStatusCode adbc_fail_with(struct AdbcError *error, const struct rhei_error *from)
{
    char message[RHEI_ERROR_MESSAGE_SIZE];
    if (error == NULL)
        return adbc_code_of(from->code);
    in_words_of_adbc(message, from->message);
    take_message(error, message, from->sqlstate);
    if (error->vendor_code == ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA)
        error->private_data = details_of(from);
    else
        error->vendor_code = (int32_t)from->code;
    return adbc_code_of(from->code);
}

int adbc_error_detail_count(const struct AdbcError *error)
{
    const struct details *details =
        error->vendor_code != ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA || error->release != release_error
            ? NULL
            : error->private_data;
    return details == NULL ? 0 : details->count;
}

struct AdbcErrorDetail adbc_error_detail(const struct AdbcError *error, int index)
{
    if (index < 0 || index >= adbc_error_detail_count(error))
        return (struct AdbcErrorDetail){0};
    const struct details *details = error->private_data;
    const char *value = details->list[index].value;
    return (struct AdbcErrorDetail){details->list[index].key, (const uint8_t *)value, strlen(value)};
}
