/* SPDX-License-Identifier: Apache-2.0 */
/* One column of a batch being built. For the files of this room only. Owner thread. */
#ifndef ARROW_COLUMN_H
#define ARROW_COLUMN_H

#include <nanoarrow/nanoarrow.h>

#include "rhei/rhei_types.h"

/* Where a value is kept; also the number of the union's child. */
enum arrow_slot { ARROW_SLOT_INTEGER, ARROW_SLOT_REAL, ARROW_SLOT_TEXT, ARROW_SLOT_BLOB, ARROW_SLOT_COUNT };

/* Values of one slot, laid out as the Arrow array they become. */
struct arrow_part {
    struct ArrowBuffer values; /* int64, double, or int32 offsets (one more than values), or 16-byte views */
    struct ArrowBuffer bytes;  /* what offsets and views point into */
    struct ArrowBitmap valid;  /* empty until the first NULL */
    int64_t length;
    int64_t null_count;
};

enum arrow_column_mode {
    ARROW_COLUMN_OPEN,  /* only NULLs so far: `open_nulls` of them */
    ARROW_COLUMN_PLAIN, /* all in parts[slot] */
    ARROW_COLUMN_UNION, /* types and offsets say where each row is */
};

struct arrow_column {
    uint8_t mode;
    uint8_t slot;
    bool fixed; /* the mode can't change any more */
    bool strings_view;
    int64_t open_nulls;
    struct ArrowBuffer types;   /* int8 per row */
    struct ArrowBuffer offsets; /* int32 per row */
    struct arrow_part parts[ARROW_SLOT_COUNT];
};

/* A buffer that allocates with base. */
void arrow_buffer_init(struct ArrowBuffer *buffer);

/* `known` is an enum rhei_class or RHEI_NULL. */
void arrow_column_init(struct arrow_column *column, uint8_t known, bool strings_view);
void arrow_column_reset(struct arrow_column *column);
/* RHEI_OK, RHEI_NO_MEMORY, or RHEI_INTERNAL: the value isn't of the class that was fixed. */
rhei_status arrow_column_append(struct arrow_column *column, const struct rhei_value *value);
/* See arrow_builder_fix; `usual` decides a column that has only NULLs. */
rhei_status arrow_column_fix(struct arrow_column *column, bool whole, uint8_t usual);
/* The same where values of the classes `seen` (bits) will come. */
rhei_status arrow_column_fix_seen(struct arrow_column *column, uint8_t seen, uint8_t usual);
/* The column must be fixed. Both return an errno code. */
int arrow_column_schema(const struct arrow_column *column, struct ArrowSchema *out);
/* `array` was initialised from that schema; empties the column, which keeps its mode. */
int arrow_column_finish(struct arrow_column *column, struct ArrowArray *array);

#endif
