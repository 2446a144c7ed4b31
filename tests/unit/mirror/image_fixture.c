/* SPDX-License-Identifier: Apache-2.0 */
#include "image_fixture.h"

#include <math.h>

static atomic_uint_fast64_t held;

struct fixture *image_fixture_new(uint64_t seed, uint32_t segment_rows)
{
    struct fixture *f = fixture_new(IMAGE_COLUMNS, IMAGE_ROWS);
    f->mirror->segment_rows = segment_rows;
    model_attach(f->mirror, &f->model);
    f->random.state = seed;
    return f;
}

static struct rhei_value string(struct fixture *f, uint8_t type, uint64_t longest)
{
    static const char bytes[] =
        "The quick brown fox jumps over the lazy dog, and over again until the text is long enough.";
    uint64_t length = model_below(&f->random, longest < sizeof bytes ? longest : sizeof bytes - 1);
    uint64_t from = model_below(&f->random, sizeof bytes - 1 - length);
    return (struct rhei_value){.as.bytes = bytes + from, .length = (uint32_t)length, .type = type};
}

static struct rhei_value odd_text(struct fixture *f)
{
    static const struct rhei_value odd[] = {
        {.as.bytes = "\xff\xfe", .length = 2, .type = RHEI_TEXT},
        {.as.bytes = "nul \0 inside of a long one", .length = 26, .type = RHEI_TEXT},
        {.as.bytes = "gr\xc3\xbc\xc3\x9f Gott, Ihr Herren", .length = 23, .type = RHEI_TEXT},
        {.as.bytes = "twelve bytes", .length = 12, .type = RHEI_TEXT},
        {.as.bytes = "thirteen byte", .length = 13, .type = RHEI_TEXT},
        {.as.bytes = "", .length = 0, .type = RHEI_TEXT},
    };
    return model_below(&f->random, 4) > 0 ? string(f, RHEI_TEXT, 80) : odd[model_below(&f->random, 6)];
}

static struct rhei_value real(struct fixture *f)
{
    static const double edges[] = {0.0, -0.0, INFINITY, -INFINITY, 0x1p63, 5e-324, 1.5};
    return model_below(&f->random, 8) == 0 ? model_real(edges[model_below(&f->random, 7)])
                                           : model_real((double)model_below(&f->random, 1000000) / 7);
}

static struct rhei_value any(struct fixture *f)
{
    switch (model_below(&f->random, 5)) {
    case 0:
        return model_null();
    case 1:
        return model_integer((int64_t)model_next(&f->random));
    case 2:
        return real(f);
    case 3:
        return odd_text(f);
    default:
        return string(f, RHEI_BLOB, 50);
    }
}

void image_row(struct fixture *f, uint64_t key, struct rhei_value *row)
{
    bool null = model_below(&f->random, 5) == 0;
    row[0] = model_integer((int64_t)key);
    row[1] = null ? model_null() : model_integer((int64_t)model_next(&f->random) >> 20);
    row[2] = real(f);
    row[3] = null ? model_null() : odd_text(f);
    row[4] = string(f, RHEI_BLOB, 90);
    row[5] = any(f);
    row[6] = model_null();
    row[7] = string(f, RHEI_TEXT, 12);
}

const struct mirror_table_view *image_take(struct mirror *mirror, struct mirror_snapshot *snapshot)
{
    assert_int_equal(mirror_snapshot_take(mirror, snapshot), RHEI_OK);
    const struct mirror_table_view *view = mirror_view(snapshot, 1);
    assert_non_null(view);
    return view;
}

void image_change(struct fixture *f, struct mirror *mirror, uint64_t keys, uint32_t rows)
{
    struct rhei_value row[IMAGE_COLUMNS] = {0};
    f->batch.batch.row_count = 0;
    for (uint32_t i = 0; i < rows; i++) {
        uint8_t op = model_below(&f->random, 5) == 0 ? CHANGE_DELETE : CHANGE_UPSERT;
        image_row(f, model_below(&f->random, keys), row);
        model_batch_add(&f->batch, op, row);
        model_apply(&f->model, op, row);
    }
    assert_int_equal(mirror_apply(mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(mirror, ++f->position, NULL), RHEI_OK);
}

bool image_dead(const struct mirror_table_view *view, uint32_t segment, uint64_t dead[MIRROR_SEGMENT_ROWS / 64])
{
    bool any_dead = false;
    memset(dead, 0, MIRROR_SEGMENT_ROWS / 8);
    for (uint32_t v = 0; v < MIRROR_SEGMENT_VECTORS; v++) {
        struct mirror_vector vector;
        mirror_view_vector(view, segment, v, &vector);
        if (vector.dead == NULL)
            continue;
        memcpy(&dead[v * (MIRROR_VECTOR_ROWS / 64)], vector.dead, MIRROR_VECTOR_ROWS / 8);
        any_dead = true;
    }
    return any_dead;
}

void *image_encode(const struct segment_codec *codec, const struct mirror_table_view *view, uint32_t segment,
                   size_t *len)
{
    struct segment_image image;
    struct rhei_error error = {0};
    void *bytes;
    assert_int_equal(mirror_segment_image(view, segment, &image, &error), RHEI_OK);
    assert_int_equal(codec->encode(&image, &bytes, len, &error), RHEI_OK);
    image.release(&image);
    return bytes;
}

/* What an adopted segment lies in: the bytes, or where the codec unpacks them, the image. */
struct kept {
    void *bytes;
    struct segment_image image;
};

static void let_go(void *context)
{
    struct kept *kept = context;
    kept->image.release(&kept->image);
    base_free(kept->bytes);
    free(kept);
    atomic_fetch_sub(&held, 1);
}

uint64_t image_held(void)
{
    return atomic_load(&held);
}

rhei_status image_adopt(const struct segment_codec *codec, struct mirror_build *build, void *bytes, size_t len,
                        const uint64_t *dead, struct rhei_error *error)
{
    struct kept *kept = calloc(1, sizeof *kept);
    assert_non_null(kept);
    kept->bytes = bytes;
    rhei_status status = codec->open(bytes, len, &kept->image, error);
    if (status != RHEI_OK) {
        base_free(bytes);
        free(kept);
        return status;
    }
    atomic_fetch_add(&held, 1);
    struct segment_image image = kept->image;
    return mirror_segment_adopt(build, 0, &image, dead, let_go, kept, error);
}

struct mirror *image_copy(const struct segment_codec *codec, const struct fixture *f,
                          const struct mirror_table_view *view)
{
    struct mirror *copy;
    struct mirror_build *build;
    struct rhei_error error = {0};
    uint64_t dead[MIRROR_SEGMENT_ROWS / 64];
    assert_int_equal(mirror_open(NULL, &copy, &error), RHEI_OK);
    copy->segment_rows = f->mirror->segment_rows;
    assert_int_equal(mirror_build_begin(copy, &f->model.definition, 1, &build, &error), RHEI_OK);
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        size_t len;
        if (mirror_view_segment_rows(view, s) == 0)
            continue;
        void *bytes = image_encode(codec, view, s, &len);
        bool any_dead = image_dead(view, s, dead);
        if (image_adopt(codec, build, bytes, len, any_dead ? dead : NULL, &error) != RHEI_OK)
            fail_msg("segment %u: %s", s, error.message);
    }
    assert_int_equal(mirror_build_attach(&build, &error), RHEI_OK);
    assert_int_equal(mirror_publish(copy, 1, &error), RHEI_OK);
    return copy;
}

static void assert_same_column(const struct mirror_table_view *one, uint32_t a, const struct mirror_table_view *other,
                               uint32_t b, uint32_t column)
{
    const struct mirror_segment *from = mirror_trie_get(&one->segments, a), *to = mirror_trie_get(&other->segments, b);
    const struct mirror_column *source = &from->column[column], *copy = &to->column[column];
    assert_int_equal(atomic_load(&source->layout), atomic_load(&copy->layout));
    assert_int_equal(atomic_load(&source->flags), atomic_load(&copy->flags));
    if (a != one->tail_number)
        assert_memory_equal(source->counts, copy->counts, sizeof copy->counts);
    for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < to->rows; v++) {
        assert_true(atomic_load(&source->zones[v].low) == atomic_load(&copy->zones[v].low));
        assert_true(atomic_load(&source->zones[v].high) == atomic_load(&copy->zones[v].high));
    }
    struct mirror_hold holds[2] = {{NULL}, {NULL}};
    mirror_hold(one, a, &holds[0]);
    mirror_hold(other, b, &holds[1]);
    for (uint32_t i = 0; i < to->rows; i++) {
        struct rhei_value x, y;
        struct mirror_vector vector;
        mirror_view_vector(one, a, i / MIRROR_VECTOR_ROWS, &vector);
        uint32_t bit = i % MIRROR_VECTOR_ROWS;
        if (vector.dead != NULL && (vector.dead[bit >> 6] >> (bit & 63) & 1) != 0)
            continue;
        mirror_view_value(one, a, i, column, &x);
        mirror_view_value(other, b, i, column, &y);
        assert_true(model_row_hash(&x, 1) == model_row_hash(&y, 1));
    }
    mirror_hold_end(&holds[0]);
    mirror_hold_end(&holds[1]);
}

void image_assert_same(const struct mirror_table_view *one, const struct mirror_table_view *other)
{
    uint32_t b = 0;
    assert_int_equal(mirror_view_row_count(one), mirror_view_row_count(other));
    for (uint32_t a = 0; a < mirror_view_segment_count(one); a++) {
        uint64_t dead[2][MIRROR_SEGMENT_ROWS / 64];
        if (mirror_view_segment_rows(one, a) == 0)
            continue;
        assert_int_equal(mirror_view_segment_rows(one, a), mirror_view_segment_rows(other, b));
        assert_int_equal(image_dead(one, a, dead[0]), image_dead(other, b, dead[1]));
        assert_memory_equal(dead[0], dead[1], sizeof dead[0]);
        for (uint32_t c = 0; c < mirror_view_column_count(one); c++)
            assert_same_column(one, a, other, b, c);
        b++;
    }
    assert_int_equal(b, mirror_view_segment_count(other));
}
