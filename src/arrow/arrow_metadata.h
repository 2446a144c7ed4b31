/* SPDX-License-Identifier: Apache-2.0 */
/* Key and value pairs of an Arrow schema, in the encoding of the C data interface. Any thread. */
#ifndef ARROW_METADATA_H
#define ARROW_METADATA_H

#include "rhei/rhei_types.h"

struct arrow_pair {
    const char *key;   /* "rhei.route" */
    const char *value; /* NUL-terminated UTF-8 */
};

/*
 * Encodes `pairs` after those of `existing` (encoded, may be NULL); a key that is in both takes the new value. Gives
 * *encoded to base_free, or NULL where there is no pair at all. *len (may be NULL) is its size in bytes.
 */
rhei_status arrow_metadata_encode(const char *existing, const struct arrow_pair *pairs, size_t pair_count,
                                  char **encoded, size_t *len, struct rhei_error *error);
/* The other way, which tests alone need: the value of a key, borrowed from `encoded`, not NUL-terminated; NULL if there is none. `encoded` may be NULL. */
const char *arrow_metadata_find(const char *encoded, const char *key, size_t *len);

#endif
