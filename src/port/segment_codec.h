/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket for a file format: turns a segment of the column store into bytes and back. No address is ever among the bytes, and what
 * is opened points into them, so that a segment may lie in a mapped file.
 *
 * An image is a segment as plain buffers. Whoever makes one states a checksum of each buffer, the codec carries it, and whoever takes one in
 * checks it: so a bit that turns anywhere between the two is told. A codec answers for its own bookkeeping alone: `open` must refuse
 * bytes in which a buffer doesn't lie within them, whatever they say; what is in a buffer is for the taker to check.
 *
 * An image has one form: numbers of NULLs and of rows that were dead are 0, strings of them empty; places count up in each class; long
 * strings lie in their heap in the order of rows, without gaps, and a heap begins where the next one would not have fitted. So a codec may
 * pack columns: what it unpacks has the same bytes, and the checksums that it was given.
 * Little-endian. Any thread.
 */
#ifndef PORT_SEGMENT_CODEC_H
#define PORT_SEGMENT_CODEC_H

#include "rhei/rhei_types.h"

enum {
    SEGMENT_VECTOR_ROWS = 2048,
    SEGMENT_MOST_ROWS = 65536,
    SEGMENT_MOST_COLUMNS = 32767,
    SEGMENT_MOST_HEAPS = 256, /* of one column and class */
};

enum segment_layout {                    /* those of one class carry its number */
                      SEGMENT_EMPTY = 0, /* NULL in every row; no buffers */
                      SEGMENT_INTEGER = RHEI_INTEGER,
                      SEGMENT_REAL = RHEI_REAL,
                      SEGMENT_TEXT = RHEI_TEXT,
                      SEGMENT_BLOB = RHEI_BLOB,
                      SEGMENT_MIXED = 5,
};

/*
 * Buffers of a column. One of a single class has VALID, where it has NULLs, and that of its class with an element for each row (0 where
 * NULL). A MIXED one is Arrow's dense union: CLASSES, PLACES in the buffer of that class (0 for a NULL), and as many
 * elements in each as counts[] says; no VALID.
 */
enum segment_part {
    SEGMENT_VALID = 0,    /* a bit for each row, 1: not NULL, whole bytes, 0 behind the last row */
    SEGMENT_CLASSES = 1,  /* a byte, enum rhei_class */
    SEGMENT_PLACES = 2,   /* int32_t */
    SEGMENT_INTEGERS = 3, /* int64_t */
    SEGMENT_REALS = 4,    /* double */
    SEGMENT_TEXTS = 5,    /* struct segment_string */
    SEGMENT_BLOBS = 6,    /* struct segment_string */
    SEGMENT_PARTS = 7,
};

/* As Arrow's views: up to 12 bytes inline, the rest 0; longer ones in a heap of the column and class. */
struct segment_string {
    uint32_t length;
    union {
        char inlined[12];
        struct {
            char prefix[4];
            uint32_t heap, offset;
        } far;
    } as;
};

struct segment_buffer {
    const void *bytes; /* at a multiple of 8; NULL: there is none, or it wasn't read (open_tail) */
    uint64_t offset;   /* in the file, of one that was opened and isn't packed */
    size_t len;
    uint64_t checksum; /* XXH64 with seed 0 */
};

struct segment_heaps {
    struct segment_buffer *buffers; /* each 1 to INT32_MAX bytes */
    uint32_t count;
};

/* Smallest and largest number of a vector, in the order of the layout's bits (mirror_segment.h). Low > high: none. */
struct segment_zone {
    int64_t low, high;
};

struct segment_column {
    const char *name; /* for other readers of the file; NULL when opened */
    uint8_t layout;   /* enum segment_layout */
    uint32_t flags;   /* enum mirror_column_flag */
    uint32_t counts[5];
    struct segment_buffer part[SEGMENT_PARTS];
    struct segment_heaps texts, blobs;
    struct segment_zone *zones; /* one for each vector of 2,048 rows */
};

/* Every buffer of a column, those in heaps too, one by one; NULL: there is no i-th. */
static inline struct segment_buffer *segment_buffer_at(struct segment_column *column, uint32_t i)
{
    if (i < SEGMENT_PARTS)
        return &column->part[i];
    i -= SEGMENT_PARTS;
    if (i < column->texts.count)
        return &column->texts.buffers[i];
    i -= column->texts.count;
    return i < column->blobs.count ? &column->blobs.buffers[i] : NULL;
}

struct segment_image {
    uint32_t rows; /* slots, dead ones too: which are dead is not part of it, and what they hold is left out */
    uint32_t column_count;
    const char *table; /* as it is called, for other readers of the file; NULL: not told, or opened */
    uint32_t mark;     /* tells the file of one segment from that of another; 0: it has none */
    uint64_t sum;      /* of a file that was opened: its bookkeeping's, and so of all that is in it; 0: not known */
    struct segment_column *columns;
    void *
        packing; /* of one that open_tail made: what the codec's unpack needs to know; NULL: buffers lie in the file as they are.
                    * Whoever takes it sets it to NULL, and ends it by the codec's packing_free */
    void *owner; /* of what the image is made of, but not of bytes it was opened from */
    void (*release)(struct segment_image *image);
};

static inline uint32_t segment_vectors(uint32_t rows)
{
    return (rows + SEGMENT_VECTOR_ROWS - 1) / SEGMENT_VECTOR_ROWS;
}

/* Bytes of a file. */
struct segment_bytes {
    rhei_status (*get)(void *context, uint64_t offset, void *bytes, size_t len, struct rhei_error *error);
    void *context;
};

struct segment_codec {
    const char *name; /* "arrow"; of a file: what follows the point of its name */

    /* Free *bytes with base_free. RHEI_NO_MEMORY; RHEI_TOO_BIG: more than the format can say. */
    rhei_status (*encode)(const struct segment_image *image, void **bytes, size_t *len, struct rhei_error *error);
    /* The `sum` that opening these bytes, which encode made, will find. */
    uint64_t (*sum)(const void *bytes, size_t len);
    /*
     * *image points into the bytes, which begin at a multiple of 8 and must outlive it. Reads the bookkeeping alone, not the buffers; or it
     * unpacks all of them, and they are the image's: whoever uses them ends it last. RHEI_IO: not a segment of this format, or damaged. RHEI_TOO_NEW. RHEI_NO_MEMORY.
     */
    rhei_status (*open)(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error);
    /*
     * The same of a file that isn't in memory, by its last bytes: `tail`, `len` of `size`. Buffers have an offset and a length, and no bytes.
     * *wanted: 0; or these are too few, there is no image, and so many of the last bytes are needed.
     */
    rhei_status (*open_tail)(const void *tail, size_t len, uint64_t size, struct segment_image *image, size_t *wanted,
                             struct rhei_error *error);
    /*
     * Reads what it needs and fills those buffers of column `number` that have bytes (room for `len`); the rest of *column is as open_tail had
     * it. Several at a time. NULL: this codec packs nothing. RHEI_IO, and what the reader says.
     */
    rhei_status (*unpack)(const void *packing, const struct segment_bytes *file, uint32_t number,
                          struct segment_column *column, struct rhei_error *error);
    void (*packing_free)(void *packing); /* NULL is none */
    /* Of an image with a packing: the bytes that unpack reads of the column; *len 0: they lie too far apart, or there are none. With unpack. */
    void (*span)(const struct segment_image *image, uint32_t number, uint64_t *offset, size_t *len);
};

#endif
