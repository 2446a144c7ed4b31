/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a manifest and of a delta: a head, records, and a checksum of all of it. Both have the same records, and reading a
 * checkpoint is applying those of the manifest and then those of each delta to a model. Pure: bytes in, bytes out. Owner thread.
 *
 *   head     "RHEICKP1", format, kind, base, number, position, time, next segment, row of the stamp, file of the stamp; in format 2
 *            what proves the same as the row, too (beside a change buffer; without one a head is of format 1). Formats 3 and 4 are these two
 *            where a segment's file is packed
 *   record   what | length of what follows, in words of 64 bits; everything is little-endian and padded to 8
 *            (one that isn't known is of a newer version)
 *   end      XXH64 of everything before it
 *
 * docs/design/checkpoints.md says what the records mean.
 */
#ifndef CHECKPOINT_CHECKPOINT_FORMAT_H
#define CHECKPOINT_CHECKPOINT_FORMAT_H

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "port/change_source.h"
#include "port/segment_codec.h"
#include "port/source_table.h"

enum {
    CHECKPOINT_FORMAT = 4, /* the newest; an older one is written where it says all */
    CHECKPOINT_DEAD_WORDS = SEGMENT_MOST_ROWS / 64,
};

/* In a segment's number: its file is packed, and so is called. Such numbers are given as others are, without it. */
#define CHECKPOINT_PACKED (UINT64_C(1) << 47)

enum checkpoint_kind { CHECKPOINT_BASE = 1, CHECKPOINT_DELTA = 2 };

struct checkpoint_head {
    uint8_t kind;
    uint64_t base;    /* which manifest: a delta belongs to the one of the same number */
    uint64_t number;  /* of the delta, from 1; 0: the manifest */
    int64_t position; /* of the source */
    int64_t made_ms;  /* since 1970 */
    uint64_t next_uid;
    struct change_stamp stamp;
    bool packed; /* read: of a format in which a file may be */
};

/* ---- Writing. `failed` of the buffer tells at the end whether there was memory. ------------------------------------ */

void checkpoint_put_head(struct base_buffer *out, const struct checkpoint_head *head);
/* A table begins, or goes on with another definition. */
void checkpoint_put_table(struct base_buffer *out, const struct source_table *table);
void checkpoint_put_gone(struct base_buffer *out, uint32_t table);
/* A segment, in a blob of its own (checkpoint_blob_name) or in pieces. */
void checkpoint_put_segment(struct base_buffer *out, uint32_t table, uint64_t uid, uint32_t rows, bool in_pieces);
/* What is in the blob of the segment that was put last (segment_image.sum; 0: it isn't known, and nothing is put). A version before this record
 * says RHEI_TOO_NEW of it. */
void checkpoint_put_sum(struct base_buffer *out, uint32_t table, uint64_t uid, uint64_t sum);
void checkpoint_put_removed(struct base_buffer *out, uint32_t table, uint64_t uid);
/* Rows of a segment from `first` on, as bytes of the codec: what was there from `first` on is not counted any more. */
void checkpoint_put_piece(struct base_buffer *out, uint32_t table, uint64_t uid, uint32_t first, uint32_t rows,
                          const void *bytes, size_t len);
/* Rows that died, as a portable Roaring bitmap of 64 bits over uid * 65,536 + place (checkpoint_dead.h). */
void checkpoint_put_dead(struct base_buffer *out, uint32_t table, const void *bytes, size_t len);
/* What the source goes on from, beside the position; in each manifest and delta, the newest counts. */
void checkpoint_put_state(struct base_buffer *out, const void *bytes, size_t len);
void checkpoint_put_end(struct base_buffer *out);
/* All of a manifest or delta again, with another stamp in its head. *head goes on as with checkpoint_read_head. RHEI_IO, RHEI_TOO_NEW. */
rhei_status checkpoint_put_again(struct base_buffer *out, const void *bytes, size_t len, struct checkpoint_head *head,
                                 const struct change_stamp *stamp, struct rhei_error *error);

enum { CHECKPOINT_NAME_BYTES = 48 };
void checkpoint_blob_name(uint64_t uid, char name[CHECKPOINT_NAME_BYTES]);
/* The number that is called so. False: it is no segment's name. */
bool checkpoint_blob_uid(const char *name, uint64_t *uid);
/* What its file says of it, so that none passes for another that was given its name. Not 0. */
uint32_t checkpoint_blob_mark(uint64_t uid);
void checkpoint_delta_name(uint64_t base, uint64_t number, char name[CHECKPOINT_NAME_BYTES]);

/* ---- Reading. ------------------------------------------------------------------------------------------------------ */

struct checkpoint_piece {
    struct checkpoint_piece *next; /* newer ones first */
    uint32_t first, rows;
    const void *bytes; /* in what was read */
    size_t len;
};

struct checkpoint_segment {
    struct checkpoint_segment *next;
    uint64_t uid;
    uint32_t rows;
    bool in_pieces;
    uint64_t sum;   /* of what is in its blob; 0: an older version wrote the record, and any with its mark is taken */
    uint64_t *dead; /* [CHECKPOINT_DEAD_WORDS], NULL: none */
    struct checkpoint_piece *pieces;
};

struct checkpoint_table {
    struct checkpoint_table *next;
    struct source_table *definition;
    struct checkpoint_segment *segments, *last;
};

struct checkpoint_model {
    struct base_arena arena;
    struct checkpoint_head head; /* of what was applied last */
    struct checkpoint_table *tables;
    const void *state; /* in what was read; NULL: there is none */
    size_t state_len;
};

/*
 * Applies a manifest (to an empty model) or a delta (to the model of the one before). The bytes begin at a multiple of 8 and must outlive
 * the model. RHEI_IO: damaged, or not what goes on here; the model may be half changed then. RHEI_TOO_NEW: of a newer
 * version. RHEI_NO_MEMORY.
 */
rhei_status checkpoint_apply(struct checkpoint_model *model, const void *bytes, size_t len, struct rhei_error *error);
/* The stamp that was kept is of the state that has this one now. */
bool checkpoint_same_row(const struct change_stamp *kept, const struct change_stamp *now);
/* The same as checkpoint_apply of the head alone, which goes on from *head (base 0: nothing is known, and it is a manifest). */
rhei_status checkpoint_read_head(const void *bytes, size_t len, struct checkpoint_head *head, struct rhei_error *error);
void checkpoint_model_reset(struct checkpoint_model *model);

#endif
