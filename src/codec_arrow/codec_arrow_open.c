/* SPDX-License-Identifier: Apache-2.0 */
/* Opening looks at the directory alone: what Arrow's own headers say is for other readers. */
#include <string.h>

#include "arrow/arrow_ipc_raw.h"
#include "base/base_error.h"
#include "codec/codec_directory.h"
#include "codec_arrow_internal.h"

/* Its bytes are those of the file, where these are in memory: the reader's context. */
static void get_buffer(struct codec_reader *reader, struct segment_buffer *buffer)
{
    const char *bytes = reader->context;
    uint64_t offset = codec_get_word(reader), len = codec_get_word(reader);
    buffer->checksum = codec_get_word(reader);
    if (reader->wrong || offset % 8 != 0 || offset > reader->begins || len > reader->begins - offset) {
        reader->wrong = true;
        return;
    }
    buffer->bytes = len == 0 || bytes == NULL ? NULL : bytes + offset;
    buffer->offset = offset;
    buffer->len = (size_t)len;
}

static struct codec_reader reader_of(const void *bytes, struct segment_image *image)
{
    memset(image, 0, sizeof *image);
    return (struct codec_reader){
        .word = codec_arrow_word, .get_buffer = get_buffer, .context = (void *)(uintptr_t)bytes, .image = image};
}

static rhei_status not_one(uint64_t len, struct rhei_error *error)
{
    return error_set(error, RHEI_IO, "these %llu bytes are not a segment's Arrow file, or they are damaged",
                     (unsigned long long)len);
}

uint64_t codec_arrow_sum(const void *bytes, size_t len)
{
    return codec_directory_sum(bytes, arrow_ipc_raw_extra_end(bytes, len));
}

rhei_status codec_arrow_open(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error)
{
    struct codec_reader reader = reader_of(bytes, image);
    size_t end = arrow_ipc_raw_extra_end(bytes, len);
    uint64_t wanted;
    if (!codec_directory_find(&reader, bytes, end, end, &wanted))
        return not_one(len, error);
    return codec_directory_read(&reader, error);
}

rhei_status codec_arrow_open_tail(const void *tail, size_t len, uint64_t size, struct segment_image *image,
                                  size_t *wanted, struct rhei_error *error)
{
    struct codec_reader reader = reader_of(NULL, image);
    uint64_t more = 0, footer = arrow_ipc_raw_footer(tail, len, size);
    *wanted = 0;
    if (footer == 0 || len > size)
        return not_one(size, error);
    if (codec_directory_find(&reader, tail, footer < len ? (size_t)(len - footer) : 0, size - footer, &more))
        return codec_directory_read(&reader, error);
    uint64_t least = footer + more;
    if (more == 0 || least <= len || least > size)
        return not_one(size, error);
    *wanted = (size_t)least;
    return RHEI_OK;
}
