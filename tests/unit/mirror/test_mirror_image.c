/* SPDX-License-Identifier: Apache-2.0 */
/* Segments as images and back: the same values, and a mirror that goes on with them; what doesn't fit is refused. */
#include "image_fixture.h"

#include "base/base_checksum.h"
#include "base/base_thread.h"
#include "tests/support/plain_codec.h"

static int setup(void **state)
{
    *state = image_fixture_new(7, 4096);
    return 0;
}

/* A copy through bytes shows the same, and takes changes as the first one would. */
static void copy_and_go_on(struct fixture *f)
{
    struct mirror_snapshot first, second;
    const struct mirror_table_view *view = image_take(f->mirror, &first);
    struct mirror *copy = image_copy(&plain_codec, f, view);
    const struct mirror_table_view *same = image_take(copy, &second);
    image_assert_same(view, same);
    model_assert_equal(&f->model, same);
    model_assert_facts(same);
    mirror_snapshot_release(&first);
    mirror_snapshot_release(&second);
    for (uint32_t i = 0; i < 4; i++)
        image_change(f, copy, 12000, IMAGE_ROWS);
    struct mirror_compaction *compaction = NULL;
    do {
        assert_int_equal(mirror_compact_prepare(copy, &compaction, NULL), RHEI_OK);
        if (compaction == NULL)
            break;
        assert_int_equal(mirror_compact_swap(copy, &compaction, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(copy, ++f->position, NULL), RHEI_OK);
    } while (true);
    same = image_take(copy, &second);
    model_assert_equal(&f->model, same);
    model_assert_facts(same);
    mirror_snapshot_release(&second);
    mirror_close(&copy);
    assert_int_equal(image_held(), 0);
}

static void test_c3_every_value_comes_back_from_an_image(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 8; i++)
        image_change(f, f->mirror, 12000, IMAGE_ROWS);
    copy_and_go_on(f);
}

static void test_c3_from_small_and_whole_segments(void **state)
{
    (void)state;
    static const uint32_t rows[] = {64, 2048, 65536};
    for (uint32_t i = 0; i < 3; i++) {
        struct fixture *f = image_fixture_new(i + 1, rows[i]);
        void *own = f;
        image_change(f, f->mirror, 900, 1);
        image_change(f, f->mirror, 900, i == 0 ? 700 : IMAGE_ROWS);
        copy_and_go_on(f);
        (void)fixture_end(&own);
    }
}

static void test_a1_a_snapshot_holds_what_it_was_opened_from(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot first, held;
    image_change(f, f->mirror, 12000, IMAGE_ROWS);
    image_change(f, f->mirror, 12000, IMAGE_ROWS);
    struct mirror *copy = image_copy(&plain_codec, f, image_take(f->mirror, &first));
    mirror_snapshot_release(&first);
    const struct mirror_table_view *view = image_take(copy, &held);
    assert_true(image_held() > 0);
    mirror_drop(copy, 1);
    assert_int_equal(mirror_publish(copy, ++f->position, NULL), RHEI_OK);
    mirror_collect(copy);
    assert_true(image_held() > 0);
    model_assert_equal(&f->model, view); /* the first to read its strings */
    mirror_snapshot_release(&held);
    mirror_collect(copy);
    assert_int_equal(image_held(), 0);
    mirror_close(&copy);
}

/* What lies in somebody else's memory isn't counted; what comes on top is, and goes with the table. */
static void test_a11_only_its_own_memory_counts(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    for (uint32_t i = 0; i < 3; i++)
        image_change(f, f->mirror, 12000, IMAGE_ROWS);
    const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
    struct mirror *copy = image_copy(&plain_codec, f, view);
    assert_true(mirror_memory_bytes(copy) < mirror_memory_bytes(f->mirror));
    struct mirror_snapshot other;
    size_t before = mirror_memory_bytes(copy);
    model_assert_equal(&f->model, image_take(copy, &other));
    mirror_snapshot_release(&other);
    assert_int_equal(mirror_memory_bytes(copy), before); /* reading takes none */
    mirror_drop(copy, 1);
    assert_int_equal(mirror_publish(copy, ++f->position, NULL), RHEI_OK);
    mirror_collect(copy);
    struct mirror_status status;
    mirror_status(copy, &status);
    assert_int_equal(status.garbage_bytes, 0);
    mirror_snapshot_release(&snapshot);
    mirror_close(&copy);
}

static atomic_uint right; /* readers that saw what they should have */

static void read_all(void *context)
{
    const struct fixture *f = context;
    struct mirror_snapshot snapshot;
    if (mirror_snapshot_take(f->mirror, &snapshot) != RHEI_OK)
        return;
    struct model_sum sum = model_sum_vectors(mirror_view(&snapshot, 1));
    mirror_snapshot_release(&snapshot);
    atomic_fetch_add(&right, sum.hash == f->model.sum.hash ? 1u : 0u);
}

static void test_many_readers_look_first(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    for (uint32_t i = 0; i < 3; i++)
        image_change(f, f->mirror, 12000, IMAGE_ROWS);
    struct mirror *copy = image_copy(&plain_codec, f, image_take(f->mirror, &snapshot));
    mirror_snapshot_release(&snapshot);
    struct fixture shown = *f;
    shown.mirror = copy;
    base_thread threads[4];
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(base_thread_start(&threads[i], "reader", read_all, &shown, NULL), RHEI_OK);
    for (uint32_t i = 0; i < 4; i++)
        base_thread_join(&threads[i]);
    assert_int_equal(atomic_load(&right), 4);
    mirror_close(&copy);
}

/* ---- Refusals. ----------------------------------------------------------------------------------------------------- */

/* One segment of the table, encoded; and a build to put it in. */
static void *one_segment(struct fixture *f, size_t *len, struct mirror_build **build)
{
    struct mirror_snapshot snapshot;
    image_change(f, f->mirror, 900, 900);
    void *bytes = image_encode(&plain_codec, image_take(f->mirror, &snapshot), 0, len);
    mirror_snapshot_release(&snapshot);
    assert_int_equal(mirror_build_begin(f->mirror, &f->model.definition, 1, build, NULL), RHEI_OK);
    return bytes;
}

static void test_damage_is_told(void **state)
{
    struct fixture *f = *state;
    struct mirror_build *build;
    size_t len;
    void *whole = one_segment(f, &len, &build);
    for (uint32_t i = 0; i < 3000; i++) {
        char *bytes = base_alloc(len);
        struct rhei_error error = {0};
        memcpy(bytes, whole, len);
        size_t at = model_below(&f->random, len);
        bytes[at] ^= (char)(1 << model_below(&f->random, 8));
        size_t cut = i % 10 == 0 ? model_below(&f->random, len) : len;
        rhei_status status = image_adopt(&plain_codec, build, bytes, cut, NULL, &error);
        if (status == RHEI_OK) /* a byte that only fills up */
            continue;
        assert_int_equal(status, RHEI_IO);
        assert_true(error.message[0] != '\0');
    }
    mirror_build_abandon(&build);
    assert_int_equal(image_held(), 0);
    base_free(whole);
}

/* An enemy's image: right checksums, wrong contents. */
struct hostile {
    uint32_t column;
    enum segment_part part;
    uint32_t at; /* word of 32 bits in the buffer */
    uint32_t value;
};

static void test_an_enemy_leads_nobody_outside(void **state)
{
    struct fixture *f = *state;
    static const struct hostile all[] = {
        {3, SEGMENT_TEXTS, 0, 1u << 31},   {3, SEGMENT_TEXTS, 0, UINT32_MAX},  {4, SEGMENT_BLOBS, 0, 4000000},
        {5, SEGMENT_PLACES, 1, 0x7ffffff}, {5, SEGMENT_PLACES, 1, UINT32_MAX}, {5, SEGMENT_CLASSES, 0, 0x05050505},
        {7, SEGMENT_TEXTS, 0, 13},         {7, SEGMENT_TEXTS, 1, 0xfffefdfc},
    };
    struct mirror_build *build;
    size_t len;
    void *bytes = one_segment(f, &len, &build);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct segment_image image;
        struct rhei_error error = {0};
        char *copy = base_alloc(len);
        memcpy(copy, bytes, len);
        assert_int_equal(plain_codec.open(copy, len, &image, &error), RHEI_OK);
        struct segment_buffer *buffer = &image.columns[all[i].column].part[all[i].part];
        assert_true(buffer->len > all[i].at * 4 + 4);
        memcpy((char *)(uintptr_t)buffer->bytes + all[i].at * 4, &all[i].value, 4);
        buffer->checksum = base_checksum(buffer->bytes, buffer->len);
        assert_int_equal(mirror_segment_adopt(build, 0, &image, NULL, NULL, NULL, &error), RHEI_IO);
        image.release(&image);
        base_free(copy);
    }
    mirror_build_abandon(&build);
    base_free(bytes);
}

/* Whichever allocation fails, nothing leaks and the owner is told. */
static void test_d6_without_memory(void **state)
{
    struct fixture *f = *state;
    struct mirror_build *build;
    size_t len;
    void *whole = one_segment(f, &len, &build);
    mirror_build_abandon(&build);
    for (uint64_t n = 1;; n++) {
        struct segment_image image;
        struct rhei_error error = {0};
        assert_int_equal(mirror_build_begin(f->mirror, &f->model.definition, 1, &build, NULL), RHEI_OK);
        assert_int_equal(plain_codec.open(whole, len, &image, &error), RHEI_OK);
        base_memory_fail_after(n);
        rhei_status status = mirror_segment_adopt(build, 0, &image, NULL, NULL, NULL, &error);
        base_memory_fail_after(0);
        image.release(&image);
        if (status != RHEI_OK) {
            assert_int_equal(status, RHEI_NO_MEMORY);
            assert_int_equal(mirror_build_attach(&build, &error), RHEI_INVALID);
            continue;
        }
        mirror_build_abandon(&build);
        break;
    }
    base_free(whole);
}

static void test_an_image_without_memory(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    image_change(f, f->mirror, 900, 900);
    const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
    for (uint64_t n = 1;; n++) {
        struct segment_image image;
        base_memory_fail_after(n);
        rhei_status status = mirror_segment_image(view, 0, &image, NULL);
        base_memory_fail_after(0);
        if (status == RHEI_OK) {
            image.release(&image);
            break;
        }
        assert_int_equal(status, RHEI_NO_MEMORY);
    }
    mirror_snapshot_release(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_c3_every_value_comes_back_from_an_image, setup, fixture_end),
        cmocka_unit_test(test_c3_from_small_and_whole_segments),
        cmocka_unit_test_setup_teardown(test_a1_a_snapshot_holds_what_it_was_opened_from, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_only_its_own_memory_counts, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_many_readers_look_first, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_damage_is_told, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_an_enemy_leads_nobody_outside, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_d6_without_memory, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_an_image_without_memory, setup, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
