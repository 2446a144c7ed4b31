/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store keeps, checked. Bytes may change on their way as well as where they lie, so what is wrong is asked for once more, length and all, before
 * it counts as damaged. What a medium that may be away (blob_store.away) gives differently each time changes on its way, and nothing is known of what it
 * keeps. A store that couldn't be asked isn't asked again here: it has tried for as long as it may.
 */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint_ahead.h"
#include "checkpoint_internal.h"

enum { DELTA_ROOM = 64 << 10 }; /* most deltas are smaller */

struct asked {
    struct blob_store *store;
    const char *name;  /* NULL: the manifest, */
    uint64_t *version; /* and of which version it is */
    rhei_status (*check)(const struct asked *asked, struct rhei_error *error);
    const struct checkpoint_head *head; /* of a manifest or delta: it goes on from that */
    const struct segment_codec *codec;  /* of a segment's file: */
    uint64_t sum;                       /* as checkpoint_check_bytes */
    struct checkpoint_ahead *ahead;     /* that may have its end already; NULL: nobody has */
    void *bytes;
    size_t len;
    void *wrong; /* [wrong_len] what was asked for before */
    size_t wrong_len;
};

static rhei_status check_part(const struct asked *asked, struct rhei_error *error)
{
    struct checkpoint_head head = *asked->head;
    return checkpoint_read_head(asked->bytes, asked->len, &head, error);
}

static rhei_status check_file(const struct asked *asked, struct rhei_error *error)
{
    return checkpoint_check_bytes(asked->codec, asked->sum, asked->name, asked->bytes, asked->len, error);
}

static rhei_status ask_blob(struct asked *asked, struct rhei_error *error)
{
    uint64_t size = 0;
    const struct blob_tail *tail = asked->ahead == NULL ? NULL : checkpoint_ahead_find(asked->ahead, asked->name);
    rhei_status status = tail == NULL ? asked->store->ops->size(asked->store, asked->name, &size, error)
                                      : checkpoint_ahead_status(tail, &size, error);
    if (status != RHEI_OK)
        return status;
    size_t known = tail == NULL ? 0 : tail->len;
    asked->len = (size_t)size;
    asked->bytes = base_alloc(asked->len + 1);
    if (asked->bytes == NULL)
        return error_no_memory(error);
    if (known > 0)
        memcpy((char *)asked->bytes + (asked->len - known), tail->bytes, known);
    return known > 0 && known == asked->len
               ? RHEI_OK
               : asked->store->ops->get(asked->store, asked->name, 0, asked->bytes, asked->len - known, error);
}

static rhei_status ask(struct asked *asked, struct rhei_error *error)
{
    struct blob_store *store = asked->store;
    rhei_status status = asked->name != NULL
                             ? ask_blob(asked, error)
                             : store->ops->manifest_read(store, &asked->bytes, &asked->len, asked->version, error);
    if (status == RHEI_OK && (asked->name != NULL || *asked->version > 0))
        status = asked->check(asked, error);
    if (status == RHEI_OK)
        return RHEI_OK;
    base_free(asked->wrong);
    asked->wrong = asked->bytes;
    asked->wrong_len = asked->len;
    asked->bytes = NULL;
    asked->len = 0;
    return status;
}

/* Wrong both times, but not in the same way. */
static bool is_changing(const struct asked *asked, const void *before, size_t before_len)
{
    return asked->store->ops->away != NULL &&
           (asked->wrong_len != before_len || (before_len > 0 && memcmp(asked->wrong, before, before_len) != 0));
}

static rhei_status look_once_more(struct asked *asked, struct rhei_error *error)
{
    void *before = asked->wrong;
    size_t before_len = asked->wrong_len;
    asked->wrong = NULL;
    asked->wrong_len = 0;
    asked->ahead = NULL;
    rhei_status status = ask(asked, error);
    if (status == RHEI_IO && !blob_store_is_away(asked->store, error) && is_changing(asked, before, before_len)) {
        error_context(error, "it changes on its way here: ");
        error->engine_code = CHECKPOINT_CHANGING;
    }
    base_free(before);
    return status;
}

static rhei_status look(struct asked *asked, void **bytes, size_t *len, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = ask(asked, &why);
    if (checkpoint_look_again(asked->store, status, &why))
        status = look_once_more(asked, &why);
    base_free(asked->wrong);
    *bytes = asked->bytes;
    *len = asked->len;
    if (status != RHEI_OK && error != NULL)
        *error = why;
    return status;
}

bool checkpoint_look_again(const struct blob_store *store, rhei_status status, struct rhei_error *why)
{
    if (status != RHEI_IO || blob_store_is_away(store, why))
        return false;
    error_clear(why);
    return true;
}

rhei_status checkpoint_read_manifest(struct blob_store *store, void **bytes, size_t *len, uint64_t *version,
                                     struct rhei_error *error)
{
    const struct checkpoint_head none = {.base = 0};
    struct asked asked = {.store = store, .version = version, .check = check_part, .head = &none};
    return look(&asked, bytes, len, error);
}

rhei_status checkpoint_read_delta(struct blob_store *store, const char *name, const struct checkpoint_head *before,
                                  struct checkpoint_ahead *ahead, void **bytes, size_t *len, struct rhei_error *error)
{
    struct asked asked = {.store = store, .name = name, .check = check_part, .head = before, .ahead = ahead};
    return look(&asked, bytes, len, error);
}

rhei_status checkpoint_read_file(struct blob_store *store, const char *name, const struct segment_codec *codec,
                                 uint64_t sum, void **bytes, size_t *len, struct rhei_error *error)
{
    struct asked asked = {.store = store, .name = name, .check = check_file, .codec = codec, .sum = sum};
    return look(&asked, bytes, len, error);
}

rhei_status checkpoint_expect_deltas(struct checkpoint_ahead *ahead, struct blob_store *store,
                                     const struct checkpoint_head *head, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    *ahead = (struct checkpoint_ahead){.store = store, .room = DELTA_ROOM};
    for (uint64_t i = 1; status == RHEI_OK && i <= CHECKPOINT_MOST_DELTAS; i++) {
        char name[CHECKPOINT_NAME_BYTES];
        checkpoint_delta_name(head->base, head->number + i, name);
        status = checkpoint_ahead_add(ahead, name, error);
    }
    return status;
}
