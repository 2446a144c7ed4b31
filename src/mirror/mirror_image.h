/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments as images (port/segment_codec.h): out of a snapshot, and into a table that is being built, where their columns may lie
 * in memory that isn't the mirror's.
 */
#ifndef MIRROR_MIRROR_IMAGE_H
#define MIRROR_MIRROR_IMAGE_H

#include "mirror/mirror.h"
#include "port/segment_codec.h"

/*
 * A segment as the view shows it, with checksums. Values of its dead rows are left out: numbers 0, text and BLOB empty. *image borrows from
 * the snapshot and owns the rest (about the bytes of its strings, outside the mirror's count): release it first. Any thread.
 * RHEI_NOT_FOUND: there is no such segment, or no row in it. RHEI_TOO_BIG: a value over 2^31-1 bytes. RHEI_NO_MEMORY.
 */
rhei_status mirror_segment_image(const struct mirror_table_view *view, uint32_t segment, struct segment_image *image,
                                 struct rhei_error *error);

/* The same from a vector on; RHEI_NOT_FOUND also where no row lies behind its first slot. */
rhei_status mirror_segment_image_from(const struct mirror_table_view *view, uint32_t segment, uint32_t first_vector,
                                      struct segment_image *image, struct rhei_error *error);
/*
 * Whose places a segment has: as long as this number is the same, each row is where it was, and other rows came behind it at
 * most. Never given twice while the mirror is open; 0: there is no such segment. Any thread.
 */
uint64_t mirror_view_segment_lineage(const struct mirror_table_view *view, uint32_t segment);
/* Whether rows may still come into the segment. Any thread. */
bool mirror_view_segment_is_open(const struct mirror_table_view *view, uint32_t segment);

struct mirror_build;

/*
 * Puts an image into a build as a sealed segment, its keys into the index; no key that lives may come twice over all segments and rows. `dead`:
 * bit = dead row, NULL none. The image's buffers are used where they lie, so they must not change, and `release` (any thread; may be NULL) is called
 * once nobody needs them any more: also when this fails, and no later than mirror_close. What the mirror adds (strings with
 * addresses: 16 bytes a row) is counted and taken now, and filled when a reader first looks at the column.
 *
 * Nothing in the image is believed: RHEI_IO says what doesn't fit, by checksum, length, bound of a string, or text that isn't what its
 * flags say; the build goes on as if nothing had been asked. RHEI_MEMORY_LIMIT, RHEI_NO_MEMORY, RHEI_TYPE (a key that is no integer),
 * RHEI_TOO_BIG: the build can't be attached any more. A thread for each loader, as mirror_build_append.
 */
rhei_status mirror_segment_adopt(struct mirror_build *build, uint32_t loader, const struct segment_image *image,
                                 const uint64_t *dead, void (*release)(void *context), void *context,
                                 struct rhei_error *error);
/* Who keeps an image that lies in his memory. */
struct mirror_keeper {
    void (*release)(void *context);                  /* any thread; may be NULL */
    void (*damaged)(void *context, const char *why); /* any thread, for each column, with a lock held; may be NULL */
    /*
     * Not NULL: the image's buffers have lengths and no bytes (segment_codec.open_tail), and these are read when somebody wants them: into
     * those buffers of the wanted column that have bytes by then. They may go from memory again, and be read again. Any thread, several at a time,
     * with a lock held.
     */
    rhei_status (*read)(void *context, uint32_t column, struct segment_column *wanted);
    void *context;
    const char *name; /* of the file, for people, until release; may be NULL */
};
/*
 * The same without a look at the buffers: a column is checked when it is first read, and the keys enter the index when a change first needs
 * it, so this takes microseconds. Room for what is read is taken then, past the limit if need be. For what is found damaged see
 * mirror_view_is_damaged. Columns in which classes mix are checked now, or, where the keeper reads, their classes are.
 */
rhei_status mirror_segment_adopt_lazily(struct mirror_build *build, uint32_t loader, const struct segment_image *image,
                                        const uint64_t *dead, const struct mirror_keeper *keeper,
                                        struct rhei_error *error);

/*
 * Appends the rows of an image but the dead ones, as mirror_build_append would; nothing of the image is kept. The same
 * errors as mirror_segment_adopt.
 */
rhei_status mirror_build_append_image(struct mirror_build *build, uint32_t loader, const struct segment_image *image,
                                      const uint64_t *dead, struct rhei_error *error);
/* Lineage of the segment that this loader adopted last; 0: none. */
uint64_t mirror_build_adopted(const struct mirror_build *build, uint32_t loader);

/* ---- Segments out of memory (mirror_evict.c). ---------------------------------------------------------------------- */

struct mirror_eviction;

/* Bytes of memory that a sealed segment would give back if it lay in a file; 0: it is open, or lies in one. Any thread. */
size_t mirror_view_segment_resident(const struct mirror_table_view *view, uint32_t segment);
/* Whether somebody has held it since this was asked last. Any thread. */
bool mirror_view_segment_used(const struct mirror_table_view *view, uint32_t segment);
/*
 * The same segment as its file has it, in private: `image` is what codec->open_tail says of a file that mirror_segment_image
 * of the same lineage was written to. Rows that have died since are dead all the same. Any thread. Calls the keeper's release once, also
 * when it fails. RHEI_INVALID: it is no image of it, or the segment is open. RHEI_IO, RHEI_NO_MEMORY.
 */
rhei_status mirror_evict_prepare(const struct mirror_table_view *view, uint32_t segment,
                                 const struct segment_image *image, const struct mirror_keeper *keeper,
                                 struct mirror_eviction **eviction, struct rhei_error *error);
/*
 * The writer: puts it in the segment's place (microseconds), unless that is another one by now; visible with the next publish, and the memory goes
 * when no older snapshot is held. Takes it, also on error. RHEI_NO_MEMORY, RHEI_MEMORY_LIMIT: nothing has changed.
 */
rhei_status mirror_evict_swap(struct mirror *mirror, struct mirror_eviction **eviction, struct rhei_error *error);
/* Bytes of the mirror that aren't on their way out and can't be read again from files: what evicting is about. Any thread. */
size_t mirror_resident_bytes(const struct mirror *mirror);

/*
 * Where full segments of a source's tables, and of their histories, go when memory is short: called with each that a build filled while more than `above` bytes are resident, by the loader's thread, and
 * with those that a cycle filled while more than `above_in_cycle` are, by the writer. No lock of the mirror's is held. It writes the image to a file, under a name of its own for the lineage, and opens that: *file, to be released by the mirror, and *keeper.
 * Anything but RHEI_OK leaves the segment in memory.
 */
struct mirror_spill {
    rhei_status (*spill)(void *context, uint32_t table, uint64_t lineage, const struct segment_image *image,
                         struct segment_image *file, struct mirror_keeper *keeper);
    size_t above, above_in_cycle;
    void *context;
};
/* Of the source of that number. NULL: nowhere, and no call is under way when this returns. Any thread. */
void mirror_set_spill(struct mirror *mirror, uint32_t source, const struct mirror_spill *spill);

/* ---- For the room alone. ------------------------------------------------------------------------------------------- */

struct mirror_owner;
struct mirror_segment;
struct mirror_column_seen;

/* How much of an image is looked at when it is taken in. */
enum mirror_adoption {
    MIRROR_ADOPT_CHECKED, /* all of it */
    MIRROR_ADOPT_LAZILY,  /* its bookkeeping, and its columns when they are read */
    MIRROR_ADOPT_REMOTE,  /* the same, and there are no bytes: its owner reads them */
};
/* RHEI_IO, with what is wrong; everything else below may take a checked image at its word. */
rhei_status mirror_adopt_check(const struct segment_image *image, uint32_t columns, enum mirror_adoption how,
                               struct rhei_error *error);
/* The bytes of a string that lies within its heap; NULL: it doesn't, or says something else than its heap. */
const char *mirror_image_bytes(const struct segment_string *string, const struct segment_heaps *heaps);
/* What is wrong with the bytes of a column whose bookkeeping is right; NULL: nothing. */
const char *mirror_image_check_column(const struct segment_column *column, uint32_t rows);
/* The same of bytes that were checked before: their checksums. */
const char *mirror_image_check_again(const struct segment_column *column);
/* The same of a MIXED column's classes alone. */
const char *mirror_image_check_classes(const struct segment_column *column, const uint8_t *classes, uint32_t rows);
/*
 * A sealed segment without a number. Holds the owner for each buffer that it uses. RHEI_IO: its classes couldn't be read. RHEI_NO_MEMORY,
 * RHEI_MEMORY_LIMIT.
 */
rhei_status mirror_adopt_segment(struct mirror *mirror, const struct segment_image *image, const uint64_t *dead,
                                 struct mirror_owner *owner, enum mirror_adoption how, struct mirror_segment **out);
/* The same of a sealed segment that only the caller knows, without a dead row. */
rhei_status mirror_segment_image_private(const struct mirror_segment *segment, const struct source_table *definition,
                                         struct segment_image *image, struct rhei_error *error);
/* The full segment of a build, or where memory is short another in its place, which lies in a file. Nobody else knows it yet. */
struct mirror_segment *mirror_spill_built(struct mirror *mirror, const struct source_table *definition,
                                          struct mirror_segment *segment);
/* A remote segment that stands for a sealed one: everything that isn't in the image is taken from it. Its own thread. */
rhei_status mirror_evicted_new(struct mirror *mirror, const struct mirror_segment *from,
                               const struct segment_image *image, const struct mirror_keeper *keeper,
                               struct mirror_segment **out);
void mirror_evicted_inherit(struct mirror_segment *to, const struct mirror_segment *from);
void mirror_adopt_seen(const struct mirror_segment *segment, uint32_t column, struct mirror_column_seen *seen);

#endif
