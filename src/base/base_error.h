/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a struct rhei_error. Every function accepts error == NULL. Any thread. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <string.h>

#include "rhei/rhei_types.h"

/*
 * Sets code, SQLSTATE (from the code) and message unless an error is already there, and returns `code`, so that a
 * caller writes `return error_set(error, RHEI_INVALID, "...")`.
 */
rhei_status error_set(struct rhei_error *error, rhei_status code, const char *format, ...) RHEI_PRINTF(3, 4);
/* Puts text in front of the message of an error that is set ("table \"orders\": "). */
void error_context(struct rhei_error *error, const char *format, ...) RHEI_PRINTF(2, 3);
rhei_status error_no_memory(struct rhei_error *error);
/* RHEI_INVALID: another number of values than the statement has parameters. */
rhei_status error_value_count(struct rhei_error *error, uint32_t wanted, size_t given);
/* RHEI_TIMEOUT or RHEI_CANCELLED, by which whoever was asked ended a call. */
rhei_status error_ended(struct rhei_error *error, rhei_status status);
/* Not the whole message: every call begins with this. What it leaves is no error, whatever the struct held before. */
static inline void error_clear(struct rhei_error *error)
{
    if (error == NULL)
        return;
    error->code = RHEI_OK;
    memcpy(error->sqlstate, "00000", sizeof error->sqlstate);
    error->sql_offset = -1;
    error->engine_code = 0;
    error->message[0] = '\0';
}
/* "CONSTRAINT" and the default SQLSTATE "23000". Static storage. */
const char *error_code_name(rhei_status code);
const char *error_code_sqlstate(rhei_status code);

#endif
