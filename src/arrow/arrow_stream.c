/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every stream of this room is a batch_stream: its private data begins with the error, and all have the same
 * get_last_error, by which arrow_stream_error knows them.
 */
#include "arrow/arrow_stream.h"

#include <errno.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

struct batch_stream {
    struct rhei_error error; /* set: the stream has failed, for good */
    struct arrow_batch_source source;
    bool done;
};

struct errno_entry {
    rhei_status status;
    int code;
};

/* The first entry of a code is the status that a foreign stream's code is taken for. */
static const struct errno_entry errno_table[] = {
    {RHEI_NO_MEMORY, ENOMEM},
    {RHEI_MEMORY_LIMIT, ENOMEM},
    {RHEI_CANCELLED, ECANCELED},
    {RHEI_TIMEOUT, ETIMEDOUT},
    {RHEI_UNSUPPORTED, ENOSYS},
    {RHEI_UNSUPPORTED, ENOTSUP},
    {RHEI_IO, EIO},
    {RHEI_INTERNAL, EIO},
    {RHEI_BUSY, EBUSY},
    {RHEI_FULL, ENOSPC},
    {RHEI_READ_ONLY, EROFS},
    {RHEI_NOT_FOUND, ENOENT},
    {RHEI_EXISTS, EEXIST},
    {RHEI_TOO_BIG, EFBIG},
    {RHEI_SQL, EINVAL},
};

static int errno_of_status(rhei_status status)
{
    for (size_t i = 0; i < sizeof errno_table / sizeof errno_table[0]; i++)
        if (errno_table[i].status == status)
            return errno_table[i].code;
    return EINVAL;
}

/* EINVAL is what Arrow's own libraries say of anything that is wrong with their data: that says nothing of SQL. */
static rhei_status status_of_errno(int code)
{
    if (code == EINVAL)
        return RHEI_IO;
    for (size_t i = 0; i < sizeof errno_table / sizeof errno_table[0]; i++)
        if (errno_table[i].code == code)
            return errno_table[i].status;
    return RHEI_IO;
}

/* Keeps the failure; a source that returned a status without filling the error still gets a message. */
static int stream_failed(struct batch_stream *self, rhei_status status)
{
    error_set(&self->error, status, "the query failed: %s", error_code_name(status));
    return errno_of_status(self->error.code);
}

static int stream_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct batch_stream *self = stream->private_data;
    memset(out, 0, sizeof *out);
    if (self->error.code != RHEI_OK)
        return errno_of_status(self->error.code);
    rhei_status status = self->source.schema(self->source.context, out, &self->error);
    return status == RHEI_OK ? 0 : stream_failed(self, status);
}

static int stream_get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    struct batch_stream *self = stream->private_data;
    memset(out, 0, sizeof *out);
    if (self->error.code != RHEI_OK)
        return errno_of_status(self->error.code);
    if (self->done)
        return 0;
    rhei_status status = self->source.next(self->source.context, out, &self->error);
    if (status == RHEI_OK)
        return 0;
    memset(out, 0, sizeof *out);
    if (status != RHEI_DONE)
        return stream_failed(self, status);
    self->done = true;
    return 0;
}

static const char *stream_get_last_error(struct ArrowArrayStream *stream)
{
    struct batch_stream *self = stream->private_data;
    return self->error.code == RHEI_OK ? NULL : self->error.message;
}

static void stream_release(struct ArrowArrayStream *stream)
{
    struct batch_stream *self = stream->private_data;
    if (self->source.release != NULL)
        self->source.release(self->source.context);
    base_free(self);
    memset(stream, 0, sizeof *stream);
}

rhei_status arrow_batch_stream(const struct arrow_batch_source *source, struct ArrowArrayStream *out,
                               struct rhei_error *error)
{
    struct batch_stream *self = base_alloc_zero(1, sizeof *self);
    if (self == NULL) {
        if (source->release != NULL)
            source->release(source->context);
        memset(out, 0, sizeof *out);
        return error_no_memory(error);
    }
    error_clear(&self->error);
    self->source = *source;
    *out = (struct ArrowArrayStream){stream_get_schema, stream_get_next, stream_get_last_error, stream_release, self};
    return RHEI_OK;
}

rhei_status arrow_stream_error(struct ArrowArrayStream *stream, int code, struct rhei_error *error)
{
    if (stream->get_last_error == stream_get_last_error) {
        const struct batch_stream *self = stream->private_data;
        if (self->error.code != RHEI_OK) {
            if (error != NULL && error->code == RHEI_OK)
                *error = self->error;
            return self->error.code;
        }
    }
    const char *text = stream->get_last_error(stream);
    if (text != NULL && text[0] != '\0')
        return error_set(error, status_of_errno(code), "%s", text);
    return error_set(error, status_of_errno(code), "the stream of result batches failed with system error %d", code);
}
