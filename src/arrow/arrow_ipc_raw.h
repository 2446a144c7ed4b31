/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrow IPC files of one batch whose buffers are the caller's, as they are: views stay views, and the caller learns where each buffer lies, so
 * that he can map the file and use them there. Any thread.
 */
#ifndef ARROW_ARROW_IPC_RAW_H
#define ARROW_ARROW_IPC_RAW_H

#include "base/base_buffer.h"

enum arrow_raw_type { /* and the buffers that it has, in order */
                      ARROW_RAW_NULL,
                      ARROW_RAW_INT64,       /* bitmap, values */
                      ARROW_RAW_DOUBLE,      /* bitmap, values */
                      ARROW_RAW_UTF8_VIEW,   /* bitmap, views, any number of others */
                      ARROW_RAW_BINARY_VIEW, /* bitmap, views, any number of others */
                      ARROW_RAW_DENSE_UNION, /* type numbers, offsets; type i is child i */
};

struct arrow_raw_buffer {
    const void *bytes; /* len 0: none, a bitmap then says that nothing is NULL */
    size_t len;
    uint64_t offset; /* set by the writer: where it begins in the file, a multiple of 64 */
};

struct arrow_raw_field {
    const char *name;
    enum arrow_raw_type type;
    uint32_t rows, nulls;
    struct arrow_raw_buffer *buffers;
    uint32_t buffer_count;
    struct arrow_raw_field *children;
    uint32_t child_count;
    const char *note; /* value of the metadata key "rhei:class"; NULL: none */
};

struct arrow_raw_schema {
    struct arrow_raw_field *fields;
    uint32_t count;
    const char *table; /* value of the metadata key "rhei:table"; NULL: none */
};

/*
 * Writes the file to the end of `out`, which must be empty. `extra`, called when all offsets are set, may append what it likes, in whole words of 8
 * bytes: it lies behind the end of the stream and in front of the footer, where no reader looks. RHEI_NO_MEMORY, or what extra returns.
 */
rhei_status arrow_ipc_write_raw(const struct arrow_raw_schema *schema, uint32_t rows,
                                rhei_status (*extra)(void *context, struct base_buffer *out, struct rhei_error *error),
                                void *context, struct base_buffer *out, struct rhei_error *error);
/* Where the footer of a file begins, which is where `extra` ends; 0: these bytes aren't a whole file. */
size_t arrow_ipc_raw_extra_end(const void *bytes, size_t len);
/* The same by the last `len` bytes of a file of `size`: how many bytes lie behind `extra`; 0: it isn't one. */
uint64_t arrow_ipc_raw_footer(const void *tail, size_t len, uint64_t size);

#endif
