/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that are given out.
 *
 * 1. A batch holds the handle, for its columns may be the column store's own memory: whoever keeps one keeps the database open. The same goes
 *    for each column that a consumer moves out of it.
 * 2. An answer outlives its statement and its connection's AdbcConnection; one that reads in a transaction lives until that is
 *    used again, and what it hasn't given by then is kept in memory.
 * 3. In a child of the process that opened the database nothing of an answer is read or freed: locks may be held by threads that
 *    aren't there.
 */
#include <errno.h>
#include <nanoarrow/nanoarrow.h>
#include <stdlib.h>
#include <string.h>

#include "adbc_internal.h"

struct kept_batch {
    struct ArrowArray array;
    struct kept_batch *next;
};

struct adbc_answer {
    struct ArrowArrayStream inner; /* released: there is no more than what is kept */
    struct adbc_connection *connection;
    struct adbc_run *run;
    bool in_session;
    struct ArrowSchema schema; /* where it was read to its end for another's sake */
    struct kept_batch *first, **last;
    int code; /* of the failure that it ended with, 0: none */
    struct rhei_error failure;
    struct AdbcError told; /* the same, as a caller of 1.1 gets it */
};

/* ---- Batches. ---------------------------------------------------------------------------------------------------- */

/* Instead of an array's own release. */
struct held {
    struct adbc_handle *handle;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

static void release_held(struct ArrowArray *array)
{
    struct held *held = array->private_data;
    struct adbc_handle *handle = held->handle;
    if (!adbc_handle_is_ours(handle)) {
        array->release = NULL;
        return;
    }
    array->release = held->release;
    array->private_data = held->private_data;
    free(held);
    array->release(array);
    array->release = NULL;
    adbc_handle_release(handle);
}

/* Of the array and all below it; false: without memory, and some of them hold. */
static bool hold(struct ArrowArray *array, struct adbc_handle *handle)
{
    struct held *held = malloc(sizeof *held);
    if (held == NULL)
        return false;
    *held = (struct held){adbc_handle_hold(handle), array->release, array->private_data};
    array->release = release_held;
    array->private_data = held;
    for (int64_t i = 0; i < array->n_children; i++)
        if (!hold(array->children[i], handle))
            return false;
    return array->dictionary == NULL || hold(array->dictionary, handle);
}

/* ---- Failures. --------------------------------------------------------------------------------------------------- */

static int fail_as(struct adbc_answer *answer, int code, rhei_status status, const char *sqlstate, const char *message)
{
    answer->code = code;
    answer->failure = (struct rhei_error)RHEI_ERROR_INIT;
    answer->failure.code = status;
    memcpy(answer->failure.sqlstate, sqlstate, sizeof answer->failure.sqlstate);
    memcpy(answer->failure.message, message, strlen(message) + 1);
    return code;
}

static int note_failure(struct adbc_answer *answer, int code)
{
    answer->code = code;
    (void)rhei_stream_error(&answer->inner, code, &answer->failure);
    return code;
}

/* ---- The stream. ------------------------------------------------------------------------------------------------- */

static void enter(struct adbc_answer *answer)
{
    if (answer->in_session)
        pthread_mutex_lock(&answer->connection->work);
}

static void leave(struct adbc_answer *answer)
{
    if (answer->in_session)
        pthread_mutex_unlock(&answer->connection->work);
}

/* Lets go of what is read from. */
static void end_inner(struct adbc_answer *answer)
{
    if (answer->in_session && answer->connection->open == answer)
        answer->connection->open = NULL;
    if (answer->inner.release != NULL)
        answer->inner.release(&answer->inner);
    adbc_run_free(answer->run);
    answer->run = NULL;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct adbc_answer *answer = stream->private_data;
    out->release = NULL;
    if (!adbc_handle_is_ours(answer->connection->handle))
        return EINVAL;
    enter(answer);
    int code = 0;
    if (answer->inner.release != NULL) {
        code = answer->inner.get_schema(&answer->inner, out);
        if (code != 0)
            (void)note_failure(answer, code);
    } else if (answer->schema.release != NULL) {
        code = ArrowSchemaDeepCopy(&answer->schema, out);
    } else {
        code = answer->code;
    }
    leave(answer);
    return code;
}

static int next_inner(struct adbc_answer *answer, struct ArrowArray *out)
{
    int code = answer->inner.get_next(&answer->inner, out);
    if (code != 0)
        return note_failure(answer, code);
    if (out->release != NULL && !hold(out, answer->connection->handle)) {
        out->release(out);
        return fail_as(answer, ENOMEM, RHEI_NO_MEMORY, "HY001", "out of memory");
    }
    return 0;
}

static int next_batch(struct adbc_answer *answer, struct ArrowArray *out)
{
    struct kept_batch *kept = answer->first;
    if (kept != NULL) {
        *out = kept->array;
        answer->first = kept->next;
        free(kept);
        return 0;
    }
    if (answer->code != 0)
        return answer->code;
    return answer->inner.release == NULL ? 0 : next_inner(answer, out);
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    struct adbc_answer *answer = stream->private_data;
    *out = (struct ArrowArray){0};
    if (!adbc_handle_is_ours(answer->connection->handle))
        return fail_as(answer, EINVAL, RHEI_INVALID, "55000",
                       "the database was opened by another process, and doesn't survive fork(): open it anew");
    enter(answer);
    int code = next_batch(answer, out);
    leave(answer);
    return code;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    const struct adbc_answer *answer = stream->private_data;
    return answer->code == 0 ? NULL : answer->failure.message;
}

static void release_answer(struct ArrowArrayStream *stream)
{
    struct adbc_answer *answer = stream->private_data;
    stream->release = NULL;
    if (!adbc_handle_is_ours(answer->connection->handle))
        return;
    enter(answer);
    end_inner(answer);
    leave(answer);
    while (answer->first != NULL) {
        struct kept_batch *kept = answer->first;
        answer->first = kept->next;
        kept->array.release(&kept->array);
        free(kept);
    }
    if (answer->schema.release != NULL)
        answer->schema.release(&answer->schema);
    if (answer->told.release != NULL)
        answer->told.release(&answer->told);
    adbc_connection_drop(answer->connection);
    free(answer);
}

/* Small answers and metadata are nanoarrow's streams, and a consumer may ask about one that is released: what such a one points to isn't ours. */
const struct AdbcError *adbc_answer_error(struct ArrowArrayStream *stream, AdbcStatusCode *status)
{
    if (stream == NULL || stream->release != release_answer)
        return NULL;
    struct adbc_answer *answer = stream->private_data;
    if (answer->code == 0)
        return NULL;
    if (answer->told.release == NULL)
        (void)adbc_fail_with(&answer->told, &answer->failure);
    if (status != NULL)
        *status = adbc_code_of(answer->failure.code);
    return &answer->told;
}

AdbcStatusCode adbc_answer_new(struct adbc_connection *connection, struct adbc_run *run,
                               struct ArrowArrayStream *stream, bool in_session, struct ArrowArrayStream *out,
                               struct AdbcError *error)
{
    struct adbc_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL) {
        stream->release(stream);
        adbc_run_free(run);
        return adbc_no_memory(error);
    }
    answer->inner = *stream;
    stream->release = NULL;
    answer->connection = adbc_connection_hold(connection);
    answer->run = run;
    answer->in_session = in_session;
    answer->last = &answer->first;
    answer->told = ADBC_ERROR_INIT;
    if (in_session)
        connection->open = answer;
    *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_answer, answer};
    return ADBC_STATUS_OK;
}

void adbc_answer_drain(struct adbc_answer *answer)
{
    int code = answer->inner.get_schema(&answer->inner, &answer->schema);
    if (code != 0)
        (void)note_failure(answer, code);
    while (answer->code == 0) {
        struct kept_batch *kept = calloc(1, sizeof *kept);
        if (kept == NULL) {
            (void)fail_as(answer, ENOMEM, RHEI_NO_MEMORY, "HY001", "out of memory");
            break;
        }
        if (next_inner(answer, &kept->array) != 0 || kept->array.release == NULL) {
            free(kept);
            break;
        }
        *answer->last = kept;
        answer->last = &kept->next;
    }
    end_inner(answer);
}

void adbc_answer_cut(struct adbc_answer *answer)
{
    (void)fail_as(answer, ECANCELED, RHEI_CLOSED, "08003", "the connection was closed before its answer was read");
    end_inner(answer);
}

/* ---- Small answers. ---------------------------------------------------------------------------------------------- */

AdbcStatusCode adbc_one_batch(struct ArrowSchema *schema, struct ArrowArray *array, struct ArrowArrayStream *out,
                              struct AdbcError *error)
{
    if (ArrowBasicArrayStreamInit(out, schema, 1) == NANOARROW_OK) {
        ArrowBasicArrayStreamSetArray(out, 0, array);
        return ADBC_STATUS_OK;
    }
    if (schema->release != NULL)
        ArrowSchemaRelease(schema);
    ArrowArrayRelease(array);
    return adbc_no_memory(error);
}

AdbcStatusCode adbc_no_rows(struct ArrowArrayStream *out, struct AdbcError *error)
{
    struct ArrowSchema schema;
    ArrowSchemaInit(&schema);
    if (ArrowSchemaSetTypeStruct(&schema, 0) != NANOARROW_OK ||
        ArrowBasicArrayStreamInit(out, &schema, 0) != NANOARROW_OK) {
        if (schema.release != NULL)
            ArrowSchemaRelease(&schema);
        return adbc_no_memory(error);
    }
    return ADBC_STATUS_OK;
}
