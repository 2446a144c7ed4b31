/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs are created, never replaced. Small ones are one request each; a large one is uploaded in parts and is there once the upload is completed, with
 * If-None-Match as well. Whatever a failed put made is taken away again (s3_undo).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "store_s3/s3_store.h"
#include "store_s3/s3_url.h"
#include "store_s3/s3_xml.h"

enum { WHOLE_MAX = 16 << 20, PART_BYTES = 8 << 20, PARTS_MAX = 10000, QUERY_MAX = 1100, UPLOAD_ID_MAX = 1024 };

/* A blob on its way. */
struct put {
    char name[S3_NAME_MAX];
    struct s3_md5 md5;
    bool made, doubtful; /* it is there by us; it may be */
    bool in_parts;
};

/* What the answer to a request that creates says. */
static rhei_status judge(struct store_s3 *store, struct put *put, const struct blob *blob,
                         const struct s3_request *request, const char *etag, struct rhei_error *error)
{
    bool same = false;
    bool taken = request->http == 412;
    if (request->status == RHEI_OK) {
        put->made = true;
        return RHEI_OK;
    }
    put->doubtful = request->unheard && !taken;
    if ((taken || request->http == 404) &&
        request->unheard) { /* by this very request, whose first answer never came? */
        put->doubtful = s3_object_is(store, put->name, blob->bytes, blob->len, etag, &same, NULL) != RHEI_OK;
        put->made = same;
    }
    if (put->made)
        return RHEI_OK;
    if (taken && !put->doubtful)
        return error_set(error, RHEI_EXISTS, "there is a blob \"%s\" already", blob->name);
    return s3_request_failed(request, error);
}

/* ---- Whole ones. ------------------------------------------------------------------------------------------------- */

static rhei_status put_whole(struct store_s3 *store, struct put *puts, const struct blob *blobs, size_t count,
                             struct rhei_error *error)
{
    size_t asked = 0, at = 0;
    struct s3_request *requests = base_alloc_zero(count, sizeof *requests);
    if (requests == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < count; i++)
        if (!puts[i].in_parts) {
            s3_md5(store, blobs[i].bytes, blobs[i].len, &puts[i].md5);
            s3_request_create(&requests[asked++], puts[i].name, blobs[i].bytes, blobs[i].len, &puts[i].md5);
        }
    (void)s3_client_run(store->client, requests, asked, NULL);
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < count; i++) {
        if (puts[i].in_parts)
            continue;
        rhei_status one =
            judge(store, &puts[i], &blobs[i], &requests[at], puts[i].md5.etag, status == RHEI_OK ? error : NULL);
        status = status == RHEI_OK ? one : status;
        s3_request_reset(&requests[at++]);
    }
    base_free(requests);
    return status;
}

/* ---- In parts. --------------------------------------------------------------------------------------------------- */

struct upload {
    const char *name;
    char id[UPLOAD_ID_MAX]; /* as the server says it */
    size_t part_len, count;
    struct s3_request *parts;
    struct s3_md5 *sums;
    char (*queries)[QUERY_MAX];
};

static rhei_status query_of(const char *id, size_t part, char query[QUERY_MAX], struct rhei_error *error)
{
    struct base_buffer text = {0};
    if (part > 0)
        base_buffer_format(&text, "partNumber=%zu&", part);
    base_buffer_text(&text, "uploadId=");
    s3_url_encode(&text, id, false);
    rhei_status status =
        text.failed ? error_no_memory(error)
        : text.len >= QUERY_MAX
            ? error_set(error, RHEI_IO, "the server's name of an upload is longer than any that is known")
            : RHEI_OK;
    if (status == RHEI_OK)
        memcpy(query, text.data, text.len + 1);
    base_buffer_reset(&text);
    return status;
}

static rhei_status begin_upload(struct store_s3 *store, struct upload *upload, struct rhei_error *error)
{
    struct s3_request request = {.method = "POST", .what = "write", .name = upload->name, .query = "uploads="};
    rhei_status status = s3_client_run(store->client, &request, 1, error);
    struct s3_xml xml = {request.answer.data, request.answer.data + request.answer.len};
    if (status == RHEI_OK && (request.answer.len == 0 || !s3_xml_text(xml, "UploadId", upload->id, sizeof upload->id) ||
                              upload->id[0] == '\0'))
        status = error_set(error, RHEI_IO, "the server at %s began an upload without a name", store->site.endpoint);
    s3_request_reset(&request);
    return status;
}

static rhei_status send_parts(struct store_s3 *store, struct upload *upload, const struct blob *blob,
                              struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < upload->count; i++) {
        size_t at = i * upload->part_len, len = blob->len - at < upload->part_len ? blob->len - at : upload->part_len;
        const char *bytes = (const char *)blob->bytes + at;
        s3_md5(store, bytes, len, &upload->sums[i]);
        upload->parts[i] = (struct s3_request){.method = "PUT",
                                               .what = "write",
                                               .name = upload->name,
                                               .query = upload->queries[i],
                                               .body = bytes,
                                               .body_len = len};
        if (upload->sums[i].base64[0] != '\0')
            s3_request_header(&upload->parts[i], "content-md5", upload->sums[i].base64);
        status = query_of(upload->id, i + 1, upload->queries[i], error);
    }
    return status == RHEI_OK ? s3_client_run(store->client, upload->parts, upload->count, error) : status;
}

static void list_parts(const struct upload *upload, struct base_buffer *body)
{
    base_buffer_text(body, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < upload->count; i++)
        base_buffer_format(body, "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>", i + 1,
                           upload->parts[i].etag);
    base_buffer_text(body, "</CompleteMultipartUpload>");
}

/* The MD5 of the parts' MD5s and their number, as servers call what was uploaded so. */
static void etag_of_parts(const struct store_s3 *store, const struct upload *upload, char etag[64])
{
    struct base_buffer sums = {0};
    struct s3_md5 md5;
    for (size_t i = 0; i < upload->count; i++)
        base_buffer_append(&sums, upload->sums[i].bytes, S3_MD5_BYTES);
    s3_md5(store, sums.data, sums.len, &md5);
    etag[0] = '\0';
    if (!sums.failed && md5.etag[0] != '\0')
        (void)snprintf(etag, 64, "\"%.32s-%zu\"", md5.etag + 1, upload->count);
    base_buffer_reset(&sums);
}

static rhei_status complete(struct store_s3 *store, struct upload *upload, struct put *put, const struct blob *blob,
                            struct rhei_error *error)
{
    char query[QUERY_MAX], etag[64];
    uint64_t size = 0;
    struct base_buffer body = {0};
    struct rhei_error absent = RHEI_ERROR_INIT;
    list_parts(upload, &body);
    rhei_status status = body.failed ? error_no_memory(error) : query_of(upload->id, 0, query, error);
    /* parts may take long; and a server may know the condition of a PUT, but not of a completion */
    base_mutex_lock(&store->lock);
    if (status == RHEI_OK)
        status = s3_lease_confirm(store, error);
    base_mutex_unlock(&store->lock);
    if (status == RHEI_OK) {
        status = s3_object_size(store, upload->name, &size, &absent);
        status = status == RHEI_OK ? error_set(error, RHEI_EXISTS, "there is a blob \"%s\" already", blob->name)
                 : status == RHEI_NOT_FOUND ? RHEI_OK
                                            : error_set(error, status, "%s", absent.message);
    }
    if (status == RHEI_OK) {
        struct s3_request request = {.method = "POST",
                                     .what = "write",
                                     .name = upload->name,
                                     .query = query,
                                     .body = body.data,
                                     .body_len = body.len};
        s3_request_header(&request, "if-none-match", "*");
        etag_of_parts(store, upload, etag);
        (void)s3_client_run(store->client, &request, 1, NULL);
        status = judge(store, put, blob, &request, etag, error);
        s3_request_reset(&request);
    }
    base_buffer_reset(&body);
    return status;
}

/* What isn't ended here is by the next opening (s3_put_sweep). */
static void abort_upload(struct store_s3 *store, const char *name, const char *id, bool last)
{
    char query[QUERY_MAX];
    struct s3_request request = {
        .method = "DELETE", .what = "end the upload of", .name = name, .query = query, .last = last};
    if (query_of(id, 0, query, NULL) == RHEI_OK)
        (void)s3_client_run(store->client, &request, 1, NULL);
    s3_request_reset(&request);
}

static rhei_status put_in_parts(struct store_s3 *store, struct put *put, const struct blob *blob,
                                struct rhei_error *error)
{
    struct upload upload = {.name = put->name, .part_len = PART_BYTES};
    while ((blob->len + upload.part_len - 1) / upload.part_len > PARTS_MAX)
        upload.part_len *= 2;
    upload.count = (blob->len + upload.part_len - 1) / upload.part_len;
    upload.parts = base_alloc_zero(upload.count, sizeof *upload.parts);
    upload.sums = base_alloc_zero(upload.count, sizeof *upload.sums);
    upload.queries = base_alloc_zero(upload.count, sizeof *upload.queries);
    rhei_status status = upload.parts == NULL || upload.sums == NULL || upload.queries == NULL
                             ? error_no_memory(error)
                             : begin_upload(store, &upload, error);
    if (status == RHEI_OK) {
        status = send_parts(store, &upload, blob, error);
        s3_fault(store, "store.put.sent");
        if (status == RHEI_OK)
            status = complete(store, &upload, put, blob, error);
        if (status != RHEI_OK)
            abort_upload(store, put->name, upload.id, true);
    }
    for (size_t i = 0; upload.parts != NULL && i < upload.count; i++)
        s3_request_reset(&upload.parts[i]);
    base_free(upload.parts);
    base_free(upload.sums);
    base_free(upload.queries);
    return status;
}

/* ---- All of them. ------------------------------------------------------------------------------------------------ */

static rhei_status begin_puts(struct store_s3 *store, struct put *puts, const struct blob *blobs, size_t count,
                              struct rhei_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (!blob_name_is_good(blobs[i].name))
            return error_set(error, RHEI_INVALID, "\"%.220s\" can't be the name of a blob",
                             blobs[i].name == NULL ? "" : blobs[i].name);
        (void)snprintf(puts[i].name, sizeof puts[i].name, S3_BLOB_PREFIX "%s", blobs[i].name);
        puts[i].in_parts = blobs[i].len >= WHOLE_MAX;
    }
    base_mutex_lock(&store->lock);
    rhei_status status = s3_settle(store, error);
    if (status == RHEI_OK)
        status = s3_lease_confirm(store, error);
    base_mutex_unlock(&store->lock);
    return status;
}

static void undo_puts(struct store_s3 *store, const struct put *puts, size_t count)
{
    base_mutex_lock(&store->lock);
    for (size_t i = 0; i < count; i++)
        if (puts[i].made || puts[i].doubtful)
            s3_undo(store, puts[i].name);
    base_mutex_unlock(&store->lock);
}

rhei_status s3_put(struct store_s3 *store, const struct blob *blobs, size_t count, struct rhei_error *error)
{
    struct put *puts = base_alloc_zero(count, sizeof *puts);
    if (puts == NULL)
        return error_no_memory(error);
    rhei_status status = begin_puts(store, puts, blobs, count, error);
    if (status == RHEI_OK) {
        status = put_whole(store, puts, blobs, count, error);
        for (size_t i = 0; status == RHEI_OK && i < count; i++)
            if (puts[i].in_parts)
                status = put_in_parts(store, &puts[i], &blobs[i], error);
        s3_fault(store, "store.put.written");
        if (status != RHEI_OK)
            undo_puts(store, puts, count);
        s3_fault(store, "store.put.done");
    }
    base_free(puts);
    return status;
}

/* ---- Uploads left over. ------------------------------------------------------------------------------------------ */

/* Whose lease we have isn't writing any more. A server that lists none has its own rule for them. */
void s3_put_sweep_ask(const struct store_s3 *store, struct base_buffer *query, struct s3_request *request)
{
    base_buffer_text(query, "prefix=");
    s3_url_encode(query, store->site.prefix, false);
    base_buffer_text(query, S3_BLOB_PREFIX "&uploads=");
    *request = (struct s3_request){.method = "GET", .what = "list uploads of", .query = query->data};
}

void s3_put_sweep(struct store_s3 *store, const struct s3_request *request)
{
    struct s3_xml page = {request->answer.data, request->answer.data + request->answer.len}, entry;
    size_t prefix_len = strlen(store->site.prefix);
    while (request->status == RHEI_OK && request->answer.len > 0 && s3_xml_next(&page, "Upload", &entry)) {
        char key[1100], id[UPLOAD_ID_MAX];
        if (s3_xml_text(entry, "Key", key, sizeof key) && s3_xml_text(entry, "UploadId", id, sizeof id) &&
            strncmp(key, store->site.prefix, prefix_len) == 0 &&
            strncmp(key + prefix_len, S3_BLOB_PREFIX, sizeof S3_BLOB_PREFIX - 1) == 0)
            abort_upload(store, key + prefix_len, id, false);
    }
}
