/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of a segment's file: what it needs beyond the bytes of its columns, in words of 64 bits.
 *
 *   the format's word, rows and mark << 32, columns
 *   for each column: layout and flags << 32; 5 counts; heaps of TEXT and heaps of BLOB << 32; low and high of each zone;
 *                    what the format says of each buffer that a column of its layout has, in the order of codec_visit
 *   what else the format says
 *   checksum of the words so far, their number
 *
 * Any thread.
 */
#ifndef CODEC_CODEC_DIRECTORY_H
#define CODEC_CODEC_DIRECTORY_H

#include "base/base_buffer.h"
#include "port/segment_codec.h"

enum { CODEC_DIRECTORY_WORDS = 5 }; /* of a segment without columns */

/* Each buffer that a column of its layout has, in order; false ends it and is returned. */
bool codec_visit(struct segment_column *column, bool (*visit)(void *context, struct segment_buffer *buffer),
                 void *context);

struct codec_directory_writer {
    uint64_t word; /* the format's */
    void (*put_buffer)(void *context, struct base_buffer *out, const struct segment_buffer *buffer);
    void (*put_more)(void *context, struct base_buffer *out); /* may be NULL */
    void *context;
};
/* RHEI_NO_MEMORY. */
rhei_status codec_directory_put(const struct codec_directory_writer *writer, const struct segment_image *image,
                                struct base_buffer *out, struct rhei_error *error);

/* What is being read: `wrong` and `no_memory` are set for good by whoever finds it so. */
struct codec_reader {
    uint64_t word;
    void (*get_buffer)(struct codec_reader *reader, struct segment_buffer *buffer);
    void (*get_more)(struct codec_reader *reader); /* behind the columns; may be NULL */
    void *context;
    struct segment_image *image;
    const char *at, *end; /* of the words */
    uint64_t begins;      /* where in the file they do: what they tell of lies in front */
    bool wrong, no_memory;
    uint64_t sum; /* of them */
};
uint64_t codec_get_word(struct codec_reader *reader);
/* A word that is a number of at most `most`; else 0. */
uint32_t codec_get_number(struct codec_reader *reader, uint64_t word, uint32_t most);
/* Zeroed memory of the image's; NULL: no memory. */
void *codec_own(struct codec_reader *reader, size_t count, size_t size);

/*
 * The words, when their number and checksum are right: `bytes`, `len` of them, end at `end` of the file, where the directory does.
 * *wanted: so many bytes at the end are needed, if these are too few.
 */
bool codec_directory_find(struct codec_reader *reader, const char *bytes, size_t len, uint64_t end, uint64_t *wanted);
/* After it was found. Buffers have checksums, and what get_buffer gives them. RHEI_IO: the words make no sense. RHEI_NO_MEMORY. */
rhei_status codec_directory_read(struct codec_reader *reader, struct rhei_error *error);
/* Its checksum, which those of all buffers are below: of a directory that ends at `end`. 0: there is none. */
uint64_t codec_directory_sum(const void *bytes, size_t end);

#endif
