/* SPDX-License-Identifier: Apache-2.0 */
/* Values as SQLite keeps them. */
#ifndef BASE_VALUE_H
#define BASE_VALUE_H

#include <string.h>

#include "rhei/rhei_types.h"

/* Class and bits are the same: 1 isn't 1.0, and 0.0 isn't -0.0, nor is any text of another encoding or collation. Pure. */
static inline bool base_same_value(const struct rhei_value *a, const struct rhei_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case RHEI_NULL:
        return true;
    case RHEI_INTEGER:
    case RHEI_REAL:
        return memcmp(&a->as, &b->as, sizeof a->as) == 0;
    default:
        return a->length == b->length && (a->length == 0 || memcmp(a->as.bytes, b->as.bytes, a->length) == 0);
    }
}

#endif
