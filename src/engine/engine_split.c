/* SPDX-License-Identifier: Apache-2.0 */
/* Where the statements of a text lie: for who reads them from people or files. */
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"
#include "sql/sql.h"

enum { SPLIT_FIRST_SIZE = 40 }; /* of struct rhei_split in its first version */

rhei_status rhei_split(const char *text, size_t length, struct rhei_split *split, struct rhei_error *error)
{
    error_clear(error);
    if (split == NULL || split->struct_size < SPLIT_FIRST_SIZE || (text == NULL && length > 0))
        return error_set(error, RHEI_INVALID,
                         "rhei_split needs a text and a struct rhei_split with its struct_size set");
    bool open = false;
    enum sql_split_state state = sql_split(text, length, &split->position, &split->offset, &split->length, &open);
    split->state = state == SQL_SPLIT_STATEMENT ? RHEI_SPLIT_STATEMENT
                   : state == SQL_SPLIT_REST    ? RHEI_SPLIT_REST
                                                : RHEI_SPLIT_END;
    split->open = open;
    return RHEI_OK;
}

bool rhei_is_complete(const char *text, size_t length)
{
    struct rhei_split part = {.struct_size = sizeof part};
    do {
        if (rhei_split(text, length, &part, NULL) != RHEI_OK)
            return false;
    } while (part.state == RHEI_SPLIT_STATEMENT);
    return part.state == RHEI_SPLIT_END && !part.open;
}
