/* SPDX-License-Identifier: Apache-2.0 */
/* A table with columns of every kind, and the way of its segments through a codec into another mirror. For tests of any codec. */
#ifndef IMAGE_FIXTURE_H
#define IMAGE_FIXTURE_H

#include "mirror/mirror_image.h"
#include "mirror_fixture.h"

enum { IMAGE_COLUMNS = 8, IMAGE_ROWS = 4000 };

/* Segments of so many slots at most. */
struct fixture *image_fixture_new(uint64_t seed, uint32_t segment_rows);
/* Random changes of the first `keys` keys, applied, published and told the model; about a fifth are deletions. */
void image_change(struct fixture *f, struct mirror *mirror, uint64_t keys, uint32_t rows);
/* A snapshot, and table 1 in it. */
const struct mirror_table_view *image_take(struct mirror *mirror, struct mirror_snapshot *snapshot);
/* A row whose values are as random as the others': what each column is like says its number. */
void image_row(struct fixture *f, uint64_t key, struct rhei_value *row);

/* Bits of the dead rows of a segment; false: none is. */
bool image_dead(const struct mirror_table_view *view, uint32_t segment, uint64_t dead[MIRROR_SEGMENT_ROWS / 64]);
/* The segment's image, encoded, in memory as aligned as a codec needs; *len bytes, free with base_free. */
void *image_encode(const struct segment_codec *codec, const struct mirror_table_view *view, uint32_t segment,
                   size_t *len);
/* Opens the bytes and puts them into the build, which takes them, also when it refuses. */
rhei_status image_adopt(const struct segment_codec *codec, struct mirror_build *build, void *bytes, size_t len,
                        const uint64_t *dead, struct rhei_error *error);
/* How many adopted bytes are still held by somebody. */
uint64_t image_held(void);
/* A new mirror with the table of the view, every segment of it through the codec. */
struct mirror *image_copy(const struct segment_codec *codec, const struct fixture *f,
                          const struct mirror_table_view *view);
/* Every slot that lives, every flag, zone and count of both views is the same. */
void image_assert_same(const struct mirror_table_view *one, const struct mirror_table_view *other);

#endif
