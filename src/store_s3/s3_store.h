/* SPDX-License-Identifier: Apache-2.0 */
/* A store, for the files of this room. Any thread. */
#ifndef STORE_S3_STORE_H
#define STORE_S3_STORE_H

#include "base/base_thread.h"
#include "store_s3/s3_client.h"
#include "store_s3/s3_site.h"

#define S3_BLOB_PREFIX     "b-"
#define S3_ASIDE_PREFIX    "x-"
#define S3_MANIFEST_PREFIX "manifest-"
#define S3_LEASE           "lease"
#define S3_OLD_PROBE       "probe" /* of an older version that was killed */

enum { S3_NAME_MAX = BLOB_NAME_MAX + 16, S3_OWNER = 33, S3_HOST_MAX = 65, S3_PATH_MAX = 4096 };

/* The right to write: s3_lease.c. */
struct s3_lease {
    bool held, fenced;
    char owner[S3_OWNER], etag[S3_ETAG_MAX];
    uint64_t epoch, renewals;
    int64_t confirmed_ns, confirmed_ms; /* by both of our clocks, from before the request that renewed it */
    uint32_t seconds;
    char database[S3_PATH_MAX], database_host[S3_HOST_MAX]; /* whose the place is; "": nobody said */
};

struct store_s3 {
    struct blob_store store; /* first */
    struct s3_site site;
    struct s3_client *client;
    bool read_only;
    uint32_t keep_s;
    const struct base_log *log; /* may be NULL */
    void (*fault)(void *context, const char *point);
    void *fault_context;
    base_mutex lock; /* of the lease, of what is unsure, and of the manifest: held while those are asked for */
    struct s3_lease lease;
    struct base_buffer
        unsure; /* names of objects that may have come to be by requests that failed, each with its NUL */
};

static inline void s3_fault(const struct store_s3 *store, const char *point)
{
    if (store->fault != NULL)
        store->fault(store->fault_context, point);
}

/* ---- Objects: s3_object.c. --------------------------------------------------------------------------------------- */

struct s3_entry {
    const char *name; /* behind the prefix */
    uint64_t size;
    int64_t modified; /* by the server's clock; 0: it doesn't say */
};
/*
 * Every object whose name begins so; *now, unless NULL, is the server's time. The first status but RHEI_OK of `take` ends it. `surely`: each page is asked for
 * twice, side by side, until both say the same: no sum tells whether a list changed on its way, and a name that is missing there reads as one that isn't.
 */
rhei_status s3_object_list(struct store_s3 *store, const char *begin, bool surely,
                           rhei_status (*take)(void *context, const struct s3_entry *entry, struct rhei_error *error),
                           void *context, int64_t *now, struct rhei_error *error);
/* RHEI_OK also where there is none. */
rhei_status s3_object_remove(struct store_s3 *store, const char *name, struct rhei_error *error);
/* Side by side; the first that failed is told. */
rhei_status s3_objects_remove(struct store_s3 *store, char (*names)[S3_NAME_MAX], size_t count,
                              struct rhei_error *error);
/* Replaces what has the other name. RHEI_NOT_FOUND. */
rhei_status s3_object_copy(struct store_s3 *store, const char *from, const char *to, struct rhei_error *error);
rhei_status s3_object_size(struct store_s3 *store, const char *name, uint64_t *size, struct rhei_error *error);
/* Exactly `len` bytes from there. RHEI_NOT_FOUND; RHEI_IO where it ends before. */
rhei_status s3_object_read(struct store_s3 *store, const char *name, uint64_t offset, void *bytes, size_t len,
                           struct rhei_error *error);
/* As blob_store_ops.tails; `names`: of the objects. */
void s3_object_tails(struct store_s3 *store, char (*names)[S3_NAME_MAX], struct blob_tail *tails, size_t count);
/* Whether the object has just these bytes; `etag`, unless "": what the server calls them if it goes by MD5. */
rhei_status s3_object_is(struct store_s3 *store, const char *name, const void *bytes, size_t len, const char *etag,
                         bool *same, struct rhei_error *error);
/* MD5 of bytes, in base64 for Content-MD5 and as an ETag; both "" where the library offers none (FIPS): the signed SHA-256 tells the same. */
struct s3_md5 {
    unsigned char bytes[S3_MD5_BYTES];
    char base64[25], etag[35];
};
void s3_md5(const struct store_s3 *store, const void *bytes, size_t len, struct s3_md5 *md5);
/* Adds what says to the server what is sent, and to create only. `md5` must outlive the run. */
void s3_request_create(struct s3_request *request, const char *name, const void *bytes, size_t len,
                       const struct s3_md5 *md5);

/* ---- What may have come to be. ----------------------------------------------------------------------------------- */

/*
 * A request failed, and it isn't known whether the server carried it out: what it made is taken away again, now or, where that fails, by the next
 * s3_settle. Under the lock.
 */
void s3_undo(struct store_s3 *store, const char *name);
/* Nothing is unsure when it returns RHEI_OK. Under the lock. */
rhei_status s3_settle(struct store_s3 *store, struct rhei_error *error);

/* ---- Others. ----------------------------------------------------------------------------------------------------- */

rhei_status s3_lease_take(struct store_s3 *store, struct rhei_error *error);
/* Its bytes as they are, appended. Of who has it. */
void s3_lease_text(const struct store_s3 *store, struct base_buffer *text);
/* That nobody else may write now. RHEI_BUSY: somebody else does, for good. Under the lock. */
rhei_status s3_lease_confirm(struct store_s3 *store, struct rhei_error *error);
/* What an opening that only reads asks first: whether it can be read. RHEI_OK also where there is none. */
rhei_status s3_lease_read(struct store_s3 *store, struct rhei_error *error);
/* RHEI_BUSY: another one has it. */
rhei_status s3_lease_look(struct store_s3 *store, struct rhei_error *error);
/* Whose the place is, by now; and to say it. */
void s3_lease_owner(struct store_s3 *store, char *path, size_t size, bool *here);
void s3_lease_claim(struct store_s3 *store, const char *path);
/* Of a close: as well as it goes. `remove`: as if it had never been taken. */
void s3_lease_give_back(struct store_s3 *store, bool remove);

rhei_status s3_put(struct store_s3 *store, const struct blob *blobs, size_t count, struct rhei_error *error);
/* Ends uploads that nobody will complete: those that the answer has. `query`, behind the request's, must outlive it. */
void s3_put_sweep_ask(const struct store_s3 *store, struct base_buffer *query, struct s3_request *request);
void s3_put_sweep(struct store_s3 *store, const struct s3_request *request);

rhei_status s3_manifest_read(struct store_s3 *store, void **bytes, size_t *len, uint64_t *version,
                             struct rhei_error *error);
rhei_status s3_manifest_swap(struct store_s3 *store, uint64_t *version, const void *bytes, size_t len,
                             struct rhei_error *error);
rhei_status s3_manifest_set_aside(struct store_s3 *store, struct rhei_error *error);

/* Others' objects among ours: the log says so, once for each opening. As s3_put_sweep_ask. */
void s3_strays_ask(const struct store_s3 *store, struct base_buffer *query, struct s3_request *request);
void s3_strays_tell(const struct store_s3 *store, const struct s3_request *request);

/* RHEI_UNSUPPORTED: the server doesn't keep its word on conditions. `lease`, the bytes that it has, must outlive the requests. */
enum { S3_PROBES = 2 };
void s3_probe_ask(const struct base_buffer *lease, struct s3_request requests[S3_PROBES]);
rhei_status s3_probe_judge(const struct store_s3 *store, const struct s3_request requests[S3_PROBES],
                           struct rhei_error *error);

#endif
