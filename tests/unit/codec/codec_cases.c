/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_cases.h"

#include "tests/support/plain_codec.h"
#include "tests/unit/mirror/image_fixture.h"

static const struct segment_codec *codec;

static int setup(void **state)
{
    *state = image_fixture_new(11, 4096);
    return 0;
}

static void assert_comes_back(struct fixture *f)
{
    struct mirror_snapshot first, second, third;
    const struct mirror_table_view *view = image_take(f->mirror, &first);
    struct mirror *copy = image_copy(codec, f, view);
    const struct mirror_table_view *same = image_take(copy, &second);
    image_assert_same(view, same);
    model_assert_equal(&f->model, same);
    model_assert_facts(same);
    struct mirror *again = image_copy(&plain_codec, f, same); /* what was opened can go out in another format */
    image_assert_same(view, image_take(again, &third));
    mirror_snapshot_release(&third);
    mirror_close(&again);
    mirror_snapshot_release(&first);
    mirror_snapshot_release(&second);
    for (uint32_t i = 0; i < 3; i++)
        image_change(f, copy, 12000, IMAGE_ROWS);
    model_assert_equal(&f->model, image_take(copy, &second));
    mirror_snapshot_release(&second);
    mirror_close(&copy);
    assert_int_equal(image_held(), 0);
}

static void test_c3_every_value_comes_back_from_a_file(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 8; i++)
        image_change(f, f->mirror, 12000, IMAGE_ROWS);
    assert_comes_back(f);
}

static void test_c3_of_any_size(void **state)
{
    (void)state;
    static const uint32_t rows[] = {1, 63, 64, 65, 2047, 2048, 2049, IMAGE_ROWS};
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture *f = image_fixture_new(i + 1, 65536);
        void *own = f;
        struct rhei_value row[IMAGE_COLUMNS];
        for (uint32_t r = 0; r < rows[i]; r++) {
            image_row(f, r, row);
            model_batch_add(&f->batch, CHANGE_UPSERT, row);
            model_apply(&f->model, CHANGE_UPSERT, row);
        }
        assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
        assert_comes_back(f);
        (void)fixture_end(&own);
    }
}

/* ---- Damage. ------------------------------------------------------------------------------------------------------- */

struct damage {
    struct fixture *f;
    struct mirror_snapshot snapshot;
    const struct mirror_table_view *view;
    char *whole;
    size_t len;
    uint64_t dead[MIRROR_SEGMENT_ROWS / 64];
    uint64_t refused, same;
};

static void damage_init(struct damage *d, struct fixture *f)
{
    memset(d, 0, sizeof *d);
    d->f = f;
    image_change(f, f->mirror, 900, 600);
    d->view = image_take(f->mirror, &d->snapshot);
    assert_int_equal(mirror_view_segment_count(d->view), 1);
    d->whole = image_encode(codec, d->view, 0, &d->len);
    (void)image_dead(d->view, 0, d->dead);
}

static void damage_reset(struct damage *d)
{
    mirror_snapshot_release(&d->snapshot);
    base_free(d->whole);
    assert_int_equal(image_held(), 0);
}

/* Bytes that were damaged are refused, or what they say is what was written. */
static void try_bytes(struct damage *d, char *bytes, size_t len)
{
    struct mirror *other;
    struct mirror_build *build;
    struct rhei_error error = {0};
    assert_int_equal(mirror_open(NULL, &other, NULL), RHEI_OK);
    assert_int_equal(mirror_build_begin(other, &d->f->model.definition, 1, &build, NULL), RHEI_OK);
    rhei_status status = image_adopt(codec, build, bytes, len, d->dead, &error);
    if (status == RHEI_OK) {
        struct mirror_snapshot snapshot;
        d->same++;
        assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(other, 1, NULL), RHEI_OK);
        image_assert_same(d->view, image_take(other, &snapshot));
        mirror_snapshot_release(&snapshot);
    } else {
        d->refused++;
        assert_int_equal(status, RHEI_IO);
        assert_true(error.message[0] != '\0');
        mirror_build_abandon(&build);
    }
    mirror_close(&other);
}

static void test_ten_thousand_turned_bits(void **state)
{
    struct damage d;
    damage_init(&d, *state);
    for (uint32_t i = 0; i < 10000; i++) {
        char *bytes = base_alloc(d.len);
        memcpy(bytes, d.whole, d.len);
        size_t at = model_below(&d.f->random, d.len);
        bytes[at] ^= (char)(1 << model_below(&d.f->random, 8));
        if (i % 4 == 0) /* where most meaning is: the directory and the footer */
            bytes[d.len - 1 - model_below(&d.f->random, 4096)] ^= (char)(1 << model_below(&d.f->random, 8));
        try_bytes(&d, bytes, d.len);
    }
    assert_true(d.refused > d.same); /* a bit of the padding, or of what other readers need, changes no value */
    damage_reset(&d);
}

static void test_every_length_but_the_whole(void **state)
{
    struct damage d;
    damage_init(&d, *state);
    for (uint32_t i = 0; i < 400; i++) {
        size_t len = i < 100 ? d.len - 1 - i : i < 200 ? i - 100 : model_below(&d.f->random, d.len);
        char *bytes = base_alloc(len + 1);
        memcpy(bytes, d.whole, len);
        try_bytes(&d, bytes, len);
    }
    assert_int_equal(d.same, 0);
    damage_reset(&d);
}

/* ---- By its end. ---------------------------------------------------------------------------------------------------- */

struct end {
    const char *bytes;
    size_t len;
};

static rhei_status get(void *context, uint64_t offset, void *bytes, size_t len, struct rhei_error *error)
{
    const struct end *end = context;
    (void)error;
    assert_true(offset <= end->len && len <= end->len - offset);
    memcpy(bytes, end->bytes + offset, len);
    return RHEI_OK;
}

/* All buffers of a column that are asked for, in room of their own; free with the chain. */
static void read_column(const struct end *end, const void *packing, uint32_t number, struct segment_column *column,
                        uint32_t every, void **chain)
{
    struct segment_buffer *buffer;
    for (uint32_t i = 0; (buffer = segment_buffer_at(column, i)) != NULL; i++)
        if (buffer->len > 0 && (every == 1 || i == SEGMENT_CLASSES))
            buffer->bytes = base_chain_alloc(chain, 1, buffer->len);
    const struct segment_bytes file = {get, (void *)(uintptr_t)end};
    if (packing != NULL) {
        assert_int_equal(codec->unpack(packing, &file, number, column, NULL), RHEI_OK);
        return;
    }
    for (uint32_t i = 0; (buffer = segment_buffer_at(column, i)) != NULL; i++)
        if (buffer->bytes != NULL)
            (void)get((void *)(uintptr_t)end, buffer->offset, (void *)(uintptr_t)buffer->bytes, buffer->len, NULL);
}

static void test_a_file_by_its_end_column_by_column(void **state)
{
    struct damage d;
    struct segment_image whole, image;
    size_t wanted = 64;
    damage_init(&d, *state);
    const struct end end = {d.whole, d.len};
    assert_int_equal(codec->open(d.whole, d.len, &whole, NULL), RHEI_OK);
    while (wanted > 0) {
        size_t len = wanted;
        assert_int_equal(codec->open_tail(d.whole + d.len - len, len, d.len, &image, &wanted, NULL), RHEI_OK);
        assert_true(wanted == 0 || wanted > len);
    }
    assert_true(image.sum == whole.sum && image.sum == codec->sum(d.whole, d.len));
    assert_int_equal(image.packing != NULL, codec->unpack != NULL);
    for (uint32_t every = 1; every <= 2; every++) /* all buffers, and the classes alone */
        for (uint32_t c = 0; c < image.column_count; c++) {
            void *chain = NULL;
            const struct segment_buffer *is, *was;
            struct segment_column column = image.columns[c];
            read_column(&end, image.packing, c, &column, every, &chain);
            for (uint32_t i = 0; (is = segment_buffer_at(&column, i)) != NULL; i++) {
                was = segment_buffer_at(&whole.columns[c], i);
                assert_int_equal(is->len, was->len);
                assert_true(is->checksum == was->checksum);
                if (is->bytes != NULL)
                    assert_memory_equal(is->bytes, was->bytes, is->len);
                else
                    assert_true(is->len == 0 || every == 2);
            }
            for (uint32_t i = 0; (is = segment_buffer_at(&image.columns[c], i)) != NULL; i++)
                ((struct segment_buffer *)(uintptr_t)is)->bytes = NULL;
            base_chain_free(&chain);
        }
    image.release(&image);
    whole.release(&whole);
    damage_reset(&d);
}

static void test_d6_without_memory(void **state)
{
    struct damage d;
    struct segment_image image;
    void *bytes;
    size_t len;
    damage_init(&d, *state);
    assert_int_equal(mirror_segment_image(d.view, 0, &image, NULL), RHEI_OK);
    rhei_status status;
    uint64_t n = 1;
    do {
        base_memory_fail_after(n++);
        status = codec->encode(&image, &bytes, &len, NULL);
        base_memory_fail_after(0);
        assert_true(status == RHEI_NO_MEMORY || status == RHEI_OK);
    } while (status != RHEI_OK && n < 1000);
    assert_int_equal(status, RHEI_OK);
    image.release(&image);
    n = 1;
    do {
        base_memory_fail_after(n++);
        status = codec->open(bytes, len, &image, NULL);
        base_memory_fail_after(0);
        assert_true(status == RHEI_NO_MEMORY || status == RHEI_OK);
    } while (status != RHEI_OK && n < 1000);
    assert_int_equal(status, RHEI_OK);
    image.release(&image);
    base_free(bytes);
    damage_reset(&d);
}

int codec_cases_run(const struct segment_codec *tested)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_c3_every_value_comes_back_from_a_file, setup, fixture_end),
        cmocka_unit_test(test_c3_of_any_size),
        cmocka_unit_test_setup_teardown(test_ten_thousand_turned_bits, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_every_length_but_the_whole, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a_file_by_its_end_column_by_column, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_d6_without_memory, setup, fixture_end),
    };
    codec = tested;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
