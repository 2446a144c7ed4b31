/* SPDX-License-Identifier: Apache-2.0 */
#include "arrow/arrow_metadata.h"

#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

rhei_status arrow_metadata_encode(const char *existing, const struct arrow_pair *pairs, size_t pair_count,
                                  char **encoded, size_t *len, struct rhei_error *error)
{
    *encoded = NULL;
    if (len != NULL)
        *len = 0;
    if (existing == NULL && pair_count == 0)
        return RHEI_OK;
    struct ArrowBuffer buffer;
    int failure = ArrowMetadataBuilderInit(&buffer, existing);
    for (size_t i = 0; failure == NANOARROW_OK && i < pair_count; i++)
        failure = ArrowMetadataBuilderSet(&buffer, ArrowCharView(pairs[i].key), ArrowCharView(pairs[i].value));
    if (failure == NANOARROW_OK) {
        /* Copied, because callers free it with base_free and nanoarrow allocates with its own functions. */
        *encoded = base_strndup((const char *)buffer.data, (size_t)buffer.size_bytes);
        if (len != NULL && *encoded != NULL)
            *len = (size_t)buffer.size_bytes;
    }
    ArrowBufferReset(&buffer);
    return *encoded == NULL ? error_no_memory(error) : RHEI_OK;
}

const char *arrow_metadata_find(const char *encoded, const char *key, size_t *len)
{
    struct ArrowStringView value = {NULL, 0};
    if (encoded != NULL && ArrowMetadataGetValue(encoded, ArrowCharView(key), &value) != NANOARROW_OK)
        value.data = NULL;
    if (len != NULL)
        *len = value.data == NULL ? 0 : (size_t)value.size_bytes;
    return value.data;
}
