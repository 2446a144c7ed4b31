/* SPDX-License-Identifier: Apache-2.0 */
/* Arrow and Parquet files as streams of batches, and the other way. */
#include "arrow/arrow_ipc.h"
#include "base/base_error.h"
#include "exec_duckdb/duckdb_parquet.h"
#include "rhei/rhei_doors.h"

rhei_status rhei_arrow_read(rhei_read_function read, void *context, struct ArrowArrayStream *stream,
                            struct rhei_error *error)
{
    error_clear(error);
    if (read == NULL || stream == NULL)
        return error_set(error, RHEI_INVALID, "rhei_arrow_read needs a function that gives the bytes, and a stream");
    stream->release = NULL;
    struct arrow_ipc_input input = {.read = read, .context = context};
    return arrow_ipc_read(&input, stream, error);
}

rhei_status rhei_parquet_read(int fd, struct ArrowArrayStream *stream, struct rhei_error *error)
{
    error_clear(error);
    if (fd < 0 || stream == NULL)
        return error_set(error, RHEI_INVALID, "rhei_parquet_read needs an open file and a stream");
    stream->release = NULL;
    return duckdb_parquet_read(fd, stream, error);
}

rhei_status rhei_parquet_write(struct ArrowArrayStream *stream, int fd, struct rhei_error *error)
{
    error_clear(error);
    if (stream == NULL || stream->release == NULL)
        return error_set(error, RHEI_INVALID, "rhei_parquet_write needs a stream that isn't released");
    if (fd < 0) {
        stream->release(stream);
        return error_set(error, RHEI_INVALID, "rhei_parquet_write needs an open file");
    }
    return duckdb_parquet_write(stream, fd, error);
}
