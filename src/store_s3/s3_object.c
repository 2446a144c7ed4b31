/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "store_s3/s3_store.h"
#include "store_s3/s3_url.h"
#include "store_s3/s3_xml.h"

enum { LIST_TRIES = 4, RANGE_BYTES = 8 << 20, RANGE_TEXT = 64, PIECE_BYTES = 1 << 20 };

void s3_md5(const struct store_s3 *store, const void *bytes, size_t len, struct s3_md5 *md5)
{
    const struct s3_crypto *crypto = s3_client_crypto(store->client);
    char hex[2 * S3_MD5_BYTES + 1];
    *md5 = (struct s3_md5){0};
    if (crypto->EVP_Digest(len == 0 ? "" : bytes, len, md5->bytes, NULL, crypto->EVP_md5(), NULL) != 1)
        return;
    (void)crypto->EVP_EncodeBlock((unsigned char *)md5->base64, md5->bytes, sizeof md5->bytes);
    s3_hex(md5->bytes, sizeof md5->bytes, hex);
    (void)snprintf(md5->etag, sizeof md5->etag, "\"%s\"", hex);
}

void s3_request_create(struct s3_request *request, const char *name, const void *bytes, size_t len,
                       const struct s3_md5 *md5)
{
    *request = (struct s3_request){.method = "PUT", .what = "write", .name = name, .body = bytes, .body_len = len};
    s3_request_header(request, "if-none-match", "*");
    if (md5->base64[0] != '\0')
        s3_request_header(request, "content-md5", md5->base64);
}

/* ---- Lists. ------------------------------------------------------------------------------------------------------ */

struct listing {
    struct store_s3 *store;
    rhei_status (*take)(void *context, const struct s3_entry *entry, struct rhei_error *error);
    void *context;
    struct base_buffer next; /* what the next page begins with; empty: the first one, or none */
    bool more, surely;
};

static rhei_status take_entry(const struct listing *listing, struct s3_xml entry, struct rhei_error *error)
{
    char key[1100], size[24], modified[40];
    const char *prefix = listing->store->site.prefix;
    size_t prefix_len = strlen(prefix);
    if (!s3_xml_text(entry, "Key", key, sizeof key) || !s3_xml_text(entry, "Size", size, sizeof size))
        return error_set(error, RHEI_IO, "the server's list of \"%s\" can't be read", listing->store->site.shown);
    if (strncmp(key, prefix, prefix_len) != 0)
        return error_set(error, RHEI_IO, "the server's list of \"%s\" has what isn't in it",
                         listing->store->site.shown);
    (void)s3_xml_text(entry, "LastModified", modified, sizeof modified);
    const struct s3_entry found = {key + prefix_len, strtoull(size, NULL, 10), s3_xml_time(modified)};
    return listing->take(listing->context, &found, error);
}

static rhei_status take_page(struct listing *listing, const struct s3_request *request, struct rhei_error *error)
{
    struct s3_xml all = {request->answer.data, request->answer.data + request->answer.len}, page, entry;
    char more[8] = "", token[2048] = "";
    rhei_status status = RHEI_OK;
    if (request->answer.len == 0 || !s3_xml_next(&all, "ListBucketResult", &page))
        return error_set(error, RHEI_IO, "the server's list of \"%s\" can't be read", listing->store->site.shown);
    (void)s3_xml_text(page, "IsTruncated", more, sizeof more);
    (void)s3_xml_text(page, "NextContinuationToken", token, sizeof token);
    while (status == RHEI_OK && s3_xml_next(&page, "Contents", &entry))
        status = take_entry(listing, entry, error);
    listing->more = strcmp(more, "true") == 0;
    if (status == RHEI_OK && listing->more &&
        (token[0] == '\0' || (listing->next.len > 0 && strcmp(token, listing->next.data) == 0)))
        status = error_set(error, RHEI_IO, "the server's list of \"%s\" doesn't go on", listing->store->site.shown);
    base_buffer_clear(&listing->next);
    base_buffer_text(&listing->next, token);
    return status;
}

/* Fills `requests`, of which the first has the answer. */
static rhei_status ask_page(const struct listing *listing, const char *query, struct s3_request requests[2],
                            struct rhei_error *error)
{
    struct store_s3 *store = listing->store;
    size_t count = listing->surely ? 2 : 1;
    for (int i = 0; i < LIST_TRIES; i++) {
        for (size_t r = 0; r < 2; r++) {
            s3_request_reset(&requests[r]);
            requests[r] = (struct s3_request){.method = "GET", .what = "list", .query = query};
        }
        rhei_status status = s3_client_run(store->client, requests, count, error);
        const struct base_buffer *one = &requests[0].answer, *other = &requests[count - 1].answer;
        if (status != RHEI_OK ||
            (one->len == other->len && (one->len == 0 || memcmp(one->data, other->data, one->len) == 0)))
            return status;
    }
    rhei_status status =
        error_set(error, RHEI_IO, "the server's list of \"%s\" says something else each time", store->site.shown);
    if (error != NULL)
        error->engine_code = S3_UNHEARD;
    return status;
}

static rhei_status list_page(struct listing *listing, const char *begin, int64_t *now, struct rhei_error *error)
{
    struct base_buffer query = {0};
    struct s3_request requests[2] = {0};
    if (listing->next.len > 0) {
        base_buffer_text(&query, "continuation-token=");
        s3_url_encode(&query, listing->next.data, false);
        base_buffer_char(&query, '&');
    }
    base_buffer_text(&query, "list-type=2&prefix=");
    s3_url_encode(&query, listing->store->site.prefix, false);
    s3_url_encode(&query, begin, false);
    rhei_status status =
        query.failed || listing->next.failed ? error_no_memory(error) : ask_page(listing, query.data, requests, error);
    if (now != NULL)
        *now = requests[0].date;
    bool heard = status == RHEI_OK;
    if (heard)
        status = take_page(listing, &requests[0], error);
    if (heard && status == RHEI_IO && error != NULL)
        error->engine_code = S3_UNHEARD; /* what answers isn't the server */
    s3_request_reset(&requests[0]);
    s3_request_reset(&requests[1]);
    base_buffer_reset(&query);
    return status;
}

rhei_status s3_object_list(struct store_s3 *store, const char *begin, bool surely,
                           rhei_status (*take)(void *context, const struct s3_entry *entry, struct rhei_error *error),
                           void *context, int64_t *now, struct rhei_error *error)
{
    struct listing listing = {.store = store, .take = take, .context = context, .more = true, .surely = surely};
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK && listing.more)
        status = list_page(&listing, begin, now, error);
    base_buffer_reset(&listing.next);
    return status;
}

/* ---- One. -------------------------------------------------------------------------------------------------------- */

/* `request` is answered; resets it. */
static rhei_status removed(struct s3_request *request, struct rhei_error *error)
{
    bool gone = request->status == RHEI_OK || (request->http == 404 && !request->no_bucket);
    s3_request_reset(request);
    return gone ? RHEI_OK : s3_request_failed(request, error);
}

rhei_status s3_object_remove(struct store_s3 *store, const char *name, struct rhei_error *error)
{
    struct s3_request request = {.method = "DELETE", .what = "remove", .name = name};
    (void)s3_client_run(store->client, &request, 1, NULL);
    return removed(&request, error);
}

rhei_status s3_objects_remove(struct store_s3 *store, char (*names)[S3_NAME_MAX], size_t count,
                              struct rhei_error *error)
{
    struct s3_request *requests = base_alloc_zero(count + 1, sizeof *requests);
    if (requests == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < count; i++)
        requests[i] = (struct s3_request){.method = "DELETE", .what = "remove", .name = names[i]};
    if (count > 0)
        (void)s3_client_run(store->client, requests, count, NULL);
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < count; i++) {
        rhei_status one = removed(&requests[i], status == RHEI_OK ? error : NULL);
        status = status == RHEI_OK ? one : status;
    }
    base_free(requests);
    return status;
}

rhei_status s3_object_copy(struct store_s3 *store, const char *from, const char *to, struct rhei_error *error)
{
    struct base_buffer source = {0};
    struct s3_request request = {.method = "PUT", .what = "copy to", .name = to};
    base_buffer_format(&source, "/%s/", store->site.bucket);
    s3_url_encode(&source, store->site.prefix, true);
    s3_url_encode(&source, from, true);
    s3_request_header(&request, "x-amz-copy-source", source.failed ? "" : source.data);
    rhei_status status = source.failed ? error_no_memory(error) : s3_client_run(store->client, &request, 1, error);
    s3_request_reset(&request);
    base_buffer_reset(&source);
    return status;
}

rhei_status s3_object_size(struct store_s3 *store, const char *name, uint64_t *size, struct rhei_error *error)
{
    struct s3_request request = {.method = "HEAD", .what = "look at", .name = name};
    rhei_status status = s3_client_run(store->client, &request, 1, error);
    *size = request.length;
    s3_request_reset(&request);
    return status;
}

/* ---- Reading. ---------------------------------------------------------------------------------------------------- */

static rhei_status check_read(struct store_s3 *store, const struct s3_request *request, uint64_t offset,
                              struct rhei_error *error)
{
    if (request->http == 416 || (request->status == RHEI_OK && request->http == 206 && request->got < request->room))
        return error_set(error, RHEI_IO, "\"%s\" in \"%s\" ends before byte %llu, though that is asked for",
                         request->name, store->site.shown, (unsigned long long)(offset + request->room));
    bool whole = request->http == 200 && offset == 0 && request->got == request->room; /* all of it was asked for */
    if (request->status == RHEI_OK && request->http != 206 && !whole)
        return error_set(error, RHEI_UNSUPPORTED, "the server at %s gives whole objects only, not parts of them",
                         store->site.endpoint);
    return request->status == RHEI_OK ? RHEI_OK : s3_request_failed(request, error);
}

/* One request for each range, since a single connection is slower than the line. */
rhei_status s3_object_read(struct store_s3 *store, const char *name, uint64_t offset, void *bytes, size_t len,
                           struct rhei_error *error)
{
    uint64_t size = 0;
    if (len == 0)
        return s3_object_size(store, name, &size, error);
    size_t count = len < 2 * RANGE_BYTES ? 1 : (len + RANGE_BYTES - 1) / RANGE_BYTES,
           each = count == 1 ? len : RANGE_BYTES;
    struct s3_request *requests = base_alloc_zero(count, sizeof *requests);
    char(*ranges)[RANGE_TEXT] = base_alloc_zero(count, sizeof *ranges);
    rhei_status status = requests == NULL || ranges == NULL ? error_no_memory(error) : RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < count; i++) {
        size_t at = i * each, part = len - at < each ? len - at : each;
        (void)snprintf(ranges[i], sizeof ranges[i], "bytes=%llu-%llu", (unsigned long long)(offset + at),
                       (unsigned long long)(offset + at + part - 1));
        requests[i] = (struct s3_request){
            .method = "GET", .what = "read", .name = name, .into = (char *)bytes + at, .room = part};
        s3_request_header(&requests[i], "range", ranges[i]);
    }
    if (status == RHEI_OK)
        (void)s3_client_run(store->client, requests, count, NULL);
    for (size_t i = 0; requests != NULL && i < count; i++) {
        if (status == RHEI_OK)
            status = check_read(store, &requests[i], offset + i * each, error);
        s3_request_reset(&requests[i]);
    }
    base_free(requests);
    base_free(ranges);
    return status;
}

/* One by one, of servers that know of no such ranges, and of empty objects, which have none. */
static rhei_status read_tail(struct store_s3 *store, const char *name, struct blob_tail *tail)
{
    if (tail->is_part) {
        tail->len = tail->room;
        return s3_object_read(store, name, tail->offset, tail->bytes, tail->len, &tail->error);
    }
    rhei_status status = s3_object_size(store, name, &tail->size, &tail->error);
    tail->len = status == RHEI_OK ? (size_t)(tail->size < tail->room ? tail->size : tail->room) : 0;
    return status != RHEI_OK || tail->len == 0
               ? status
               : s3_object_read(store, name, tail->size - tail->len, tail->bytes, tail->len, &tail->error);
}

static bool is_end(const struct s3_request *request, struct blob_tail *tail)
{
    const char *whole = strchr(request->range, '/');
    tail->size = whole == NULL ? 0 : strtoull(whole + 1, NULL, 10);
    tail->len = request->got;
    return request->status == RHEI_OK && request->http == 206 && tail->size > 0 &&
           tail->len == (tail->is_part || tail->size > tail->room ? tail->room : tail->size);
}

struct tails {
    struct s3_request *requests; /* [count], as the next */
    char (*ranges)[RANGE_TEXT];
    char (*names)[S3_NAME_MAX];
    struct blob_tail *tails;
    size_t count;
};

/* Those that nobody answered yet, by their last bytes or, of objects that a server finds too short for that, by their first. */
static void ask_tails(struct store_s3 *store, const struct tails *asked, bool from_end)
{
    size_t count = 0;
    for (size_t i = 0; i < asked->count; i++) {
        struct blob_tail *tail = &asked->tails[i];
        if (tail->status != RHEI_DONE || (tail->is_part && !from_end))
            continue;
        if (tail->is_part)
            (void)snprintf(asked->ranges[count], RANGE_TEXT, "bytes=%llu-%llu", (unsigned long long)tail->offset,
                           (unsigned long long)(tail->offset + tail->room - 1));
        else
            (void)snprintf(asked->ranges[count], RANGE_TEXT, from_end ? "bytes=-%zu" : "bytes=0-%zu",
                           from_end ? tail->room : tail->room - 1);
        struct s3_request *request = &asked->requests[count];
        *request = (struct s3_request){
            .method = "GET", .what = "read", .name = asked->names[i], .into = tail->bytes, .room = tail->room};
        s3_request_header(request, "range", asked->ranges[count++]);
    }
    if (count > 0)
        (void)s3_client_run(store->client, asked->requests, count, NULL);
    for (size_t i = 0, at = 0; i < asked->count; i++) {
        struct blob_tail *tail = &asked->tails[i];
        if (tail->status != RHEI_DONE || (tail->is_part && !from_end))
            continue;
        struct s3_request *request = &asked->requests[at++];
        bool answered = is_end(request, tail) && (from_end || tail->len == tail->size);
        bool odd = request->status == RHEI_OK || request->http == 416 || request->http == 206 || request->http == 200;
        tail->status = answered ? RHEI_OK : odd ? RHEI_DONE : s3_request_failed(request, &tail->error);
        s3_request_reset(request);
    }
}

void s3_object_tails(struct store_s3 *store, char (*names)[S3_NAME_MAX], struct blob_tail *tails, size_t count)
{
    struct tails asked = {base_alloc_zero(count, sizeof *asked.requests), base_alloc_zero(count, sizeof *asked.ranges),
                          names, tails, count};
    bool asks = asked.requests != NULL && asked.ranges != NULL;
    for (size_t i = 0; i < count; i++) {
        tails[i].error = (struct rhei_error)RHEI_ERROR_INIT;
        tails[i].status = asks ? RHEI_DONE : error_no_memory(&tails[i].error);
    }
    if (asks) {
        ask_tails(store, &asked, true);
        ask_tails(store, &asked, false);
    }
    for (size_t i = 0; i < count; i++)
        if (tails[i].status == RHEI_DONE)
            tails[i].status = read_tail(store, names[i], &tails[i]);
    base_free(asked.requests);
    base_free(asked.ranges);
}

static rhei_status compare_bytes(struct store_s3 *store, const char *name, const void *bytes, size_t len, bool *same,
                                 struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    char *piece = base_alloc(PIECE_BYTES);
    if (piece == NULL)
        return error_no_memory(error);
    for (size_t at = 0; status == RHEI_OK && *same && at < len; at += PIECE_BYTES) {
        size_t part = len - at < PIECE_BYTES ? len - at : PIECE_BYTES;
        status = s3_object_read(store, name, at, piece, part, error);
        *same = status == RHEI_OK && memcmp(piece, (const char *)bytes + at, part) == 0;
    }
    base_free(piece);
    return status;
}

rhei_status s3_object_is(struct store_s3 *store, const char *name, const void *bytes, size_t len, const char *etag,
                         bool *same, struct rhei_error *error)
{
    struct s3_request request = {.method = "HEAD", .what = "look at", .name = name};
    rhei_status status = s3_client_run(store->client, &request, 1, error);
    *same = status == RHEI_OK && request.length == len;
    bool surely = *same && etag[0] != '\0' && strcmp(request.etag, etag) == 0;
    s3_request_reset(&request);
    /* an ETag of another kind, of an encrypted object say, tells nothing */
    return status == RHEI_OK && *same && !surely ? compare_bytes(store, name, bytes, len, same, error) : status;
}

/* ---- What may have come to be. ----------------------------------------------------------------------------------- */

void s3_undo(struct store_s3 *store, const char *name)
{
    struct s3_request request = {.method = "DELETE", .what = "remove", .name = name, .last = true};
    bool waits = store->unsure.len > 0; /* for the next one to settle it, too: the server is away */
    if (waits || (s3_client_run(store->client, &request, 1, NULL) != RHEI_OK && request.http != 404))
        base_buffer_append(&store->unsure, name, strlen(name) + 1);
    s3_request_reset(&request);
}

rhei_status s3_settle(struct store_s3 *store, struct rhei_error *error)
{
    rhei_status status = store->unsure.failed ? error_no_memory(error) : RHEI_OK;
    for (size_t at = 0; status == RHEI_OK && at < store->unsure.len; at += strlen(store->unsure.data + at) + 1)
        status = s3_object_remove(store, store->unsure.data + at, error);
    if (status == RHEI_OK)
        base_buffer_clear(&store->unsure);
    return status;
}
