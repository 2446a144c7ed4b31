/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What else lies behind the prefix, and isn't ours: nobody's mistake but its owner's, who may want to know. Asked for by what stands before the first dash
 * in each name, so that one page tells it, however many blobs there are.
 */
#include <string.h>

#include "base/base_log.h"
#include "store_s3/s3_store.h"
#include "store_s3/s3_url.h"
#include "store_s3/s3_xml.h"

void s3_strays_ask(const struct store_s3 *store, struct base_buffer *query, struct s3_request *request)
{
    base_buffer_text(query, "delimiter=-&list-type=2&prefix=");
    s3_url_encode(query, store->site.prefix, false);
    *request = (struct s3_request){.method = "GET", .what = "list", .query = query->data};
}

static bool is_ours(const char *name)
{
    static const char *const ours[] = {S3_BLOB_PREFIX, S3_ASIDE_PREFIX, S3_MANIFEST_PREFIX, S3_LEASE,
                                       S3_OLD_PROBE,   "sidecar-" /* stores of their own (engine_sidecar_disk.c) */};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(name, ours[i]) == 0)
            return true;
    return false;
}

struct strays {
    char first[200];
    size_t count;
};

static void count_strays(const struct store_s3 *store, const struct s3_request *request, const char *element,
                         const char *inside, struct strays *strays)
{
    struct s3_xml all = {request->answer.data, request->answer.data + request->answer.len}, page, entry;
    size_t prefix_len = strlen(store->site.prefix);
    char name[1100];
    if (!s3_xml_next(&all, "ListBucketResult", &page))
        return;
    while (s3_xml_next(&page, element, &entry))
        if (s3_xml_text(entry, inside, name, sizeof name) && strncmp(name, store->site.prefix, prefix_len) == 0 &&
            !is_ours(name + prefix_len) && strays->count++ == 0)
            (void)snprintf(strays->first, sizeof strays->first, "%.199s", name + prefix_len);
}

void s3_strays_tell(const struct store_s3 *store, const struct s3_request *request)
{
    struct strays strays = {.count = 0};
    if (request->status != RHEI_OK || request->answer.len == 0)
        return;
    count_strays(store, request, "Contents", "Key", &strays);
    count_strays(store, request, "CommonPrefixes", "Prefix", &strays);
    if (strays.count > 0)
        base_log_write(store->log, BASE_LOG_WARN, "store_s3",
                       "\"%s\" holds \"%s\"%s, which isn't Rhei's: it is left alone", store->site.shown, strays.first,
                       strays.count == 1 ? "" : " and more of others");
}
