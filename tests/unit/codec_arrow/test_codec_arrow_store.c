/* SPDX-License-Identifier: Apache-2.0 */
/* Segments on a medium: written, opened where they lie, and told when they are lost, torn or changed. */
#include "codec_arrow/codec_arrow.h"
#include "store_local/store_local.h"
#include "tests/support/lossy_store.h"
#include "tests/unit/mirror/image_fixture.h"

static char folder[64];

static int setup(void **state)
{
    (void)snprintf(folder, sizeof folder, "/tmp/rhei-segments-XXXXXX");
    *state = image_fixture_new(23, 4096);
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    char command[100];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return fixture_end(state) != 0 || system(command) != 0;
}

static struct blob_store *open_local(void)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = NULL;
    struct store_local_config config = {.folder = folder};
    if (store_local_open(&config, &store, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return store;
}

enum { MOST = 32, NAME = 32 };

/* Every segment of the view as a blob, in one put. */
static rhei_status write_segments(struct blob_store *store, const struct mirror_table_view *view)
{
    struct blob blobs[MOST];
    char names[MOST][NAME];
    size_t count = 0;
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        if (mirror_view_segment_rows(view, s) == 0)
            continue;
        assert_true(count < MOST);
        (void)snprintf(names[count], NAME, "segment-%u.arrow", s);
        blobs[count].name = names[count];
        blobs[count].bytes = image_encode(&codec_arrow, view, s, &blobs[count].len);
        count++;
    }
    rhei_status status = store->ops->put(store, blobs, count, NULL);
    for (size_t i = 0; i < count; i++)
        base_free((void *)(uintptr_t)blobs[i].bytes);
    return status;
}

/* A blob in memory that goes when it is released: mapped, or read where the store can't. */
static void unmap(void *context)
{
    struct blob_map *map = context;
    if (map->release != NULL)
        map->release(map);
    else
        base_free((void *)(uintptr_t)map->bytes);
    free(map);
}

static rhei_status fetch(struct blob_store *store, const char *name, struct blob_map **out, struct rhei_error *error)
{
    struct blob_map *map = *out = calloc(1, sizeof *map);
    uint64_t size;
    assert_non_null(map);
    rhei_status status = store->ops->map(store, name, map, error);
    if (status == RHEI_UNSUPPORTED) {
        if (error != NULL)
            memset(error, 0, sizeof *error);
        status = store->ops->size(store, name, &size, error);
        void *bytes = status == RHEI_OK ? base_alloc(size) : NULL;
        if (status == RHEI_OK)
            status = store->ops->get(store, name, 0, bytes, size, error);
        *map = (struct blob_map){.bytes = bytes, .len = status == RHEI_OK ? size : 0};
    }
    if (status != RHEI_OK) {
        unmap(map);
        *out = NULL;
    }
    return status;
}

static rhei_status read_segment(struct blob_store *store, const struct mirror_table_view *view, uint32_t segment,
                                struct mirror_build *build)
{
    char name[NAME];
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_map *map;
    struct segment_image image;
    uint64_t dead[MIRROR_SEGMENT_ROWS / 64];
    (void)snprintf(name, sizeof name, "segment-%u.arrow", segment);
    rhei_status status = fetch(store, name, &map, &error);
    if (status != RHEI_OK)
        return status;
    status = codec_arrow.open(map->bytes, map->len, &image, &error);
    if (status != RHEI_OK) {
        unmap(map);
        return status;
    }
    bool any_dead = image_dead(view, segment, dead);
    status = mirror_segment_adopt(build, 0, &image, any_dead ? dead : NULL, unmap, map, &error);
    image.release(&image);
    return status;
}

/* A mirror made of what the store has, or the first status that refuses it. */
static rhei_status read_segments(struct blob_store *store, const struct fixture *f,
                                 const struct mirror_table_view *view, struct mirror **out)
{
    struct mirror_build *build;
    rhei_status status = RHEI_OK;
    assert_int_equal(mirror_open(NULL, out, NULL), RHEI_OK);
    assert_int_equal(mirror_build_begin(*out, &f->model.definition, 1, &build, NULL), RHEI_OK);
    for (uint32_t s = 0; s < mirror_view_segment_count(view) && status == RHEI_OK; s++)
        if (mirror_view_segment_rows(view, s) > 0)
            status = read_segment(store, view, s, build);
    if (status == RHEI_OK) {
        assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(*out, 1, NULL), RHEI_OK);
        return RHEI_OK;
    }
    mirror_build_abandon(&build);
    mirror_close(out);
    return status;
}

static void fill(struct fixture *f)
{
    for (uint32_t i = 0; i < 6; i++)
        image_change(f, f->mirror, 9000, IMAGE_ROWS);
}

static void assert_reads_back(struct blob_store *store, struct fixture *f, const struct mirror_table_view *view)
{
    struct mirror *copy;
    struct mirror_snapshot snapshot;
    assert_int_equal(read_segments(store, f, view, &copy), RHEI_OK);
    const struct mirror_table_view *same = image_take(copy, &snapshot);
    image_assert_same(view, same);
    model_assert_equal(&f->model, same);
    mirror_snapshot_release(&snapshot);
    mirror_close(&copy);
}

static void test_segments_of_a_folder_come_back(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot, held;
    struct mirror *copy;
    fill(f);
    const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
    struct blob_store *store = open_local();
    assert_int_equal(write_segments(store, view), RHEI_OK);
    store->ops->close(&store);
    store = open_local();
    assert_reads_back(store, f, view);
    /* A snapshot keeps the files mapped: after they were removed, and the table was dropped. */
    assert_int_equal(read_segments(store, f, view, &copy), RHEI_OK);
    const struct mirror_table_view *same = image_take(copy, &held);
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        char name[NAME];
        (void)snprintf(name, sizeof name, "segment-%u.arrow", s);
        assert_int_equal(store->ops->remove(store, name, NULL), RHEI_OK);
    }
    mirror_drop(copy, 1);
    assert_int_equal(mirror_publish(copy, 2, NULL), RHEI_OK);
    mirror_collect(copy);
    model_assert_equal(&f->model, same);
    mirror_snapshot_release(&held);
    mirror_close(&copy);
    store->ops->close(&store);
    mirror_snapshot_release(&snapshot);
}

static void test_segments_of_a_store_that_cannot_map(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    fill(f);
    const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
    struct blob_store *store = lossy_store_new();
    lossy_store_set(store, &(struct lossy_config){.no_map = true});
    assert_int_equal(write_segments(store, view), RHEI_OK);
    assert_reads_back(store, f, view);
    store->ops->close(&store);
    mirror_snapshot_release(&snapshot);
}

static void test_lost_and_torn_segments_are_told(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    struct mirror *copy;
    fill(f);
    const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
    struct blob_store *store = lossy_store_new();
    assert_int_equal(write_segments(store, view), RHEI_OK);
    assert_int_equal(store->ops->remove(store, "segment-1.arrow", NULL), RHEI_OK);
    assert_int_equal(read_segments(store, f, view, &copy), RHEI_NOT_FOUND);
    store->ops->close(&store);

    store = lossy_store_new();
    lossy_store_set(store, &(struct lossy_config){.fail_after = 1, .tear = true});
    assert_int_equal(write_segments(store, view), RHEI_IO);
    lossy_store_set(store, &(struct lossy_config){0});
    rhei_status status = read_segments(store, f, view, &copy);
    assert_true(status == RHEI_IO || status == RHEI_NOT_FOUND);
    lossy_store_crash(store);
    status = read_segments(store, f, view, &copy);
    assert_true(status == RHEI_IO || status == RHEI_NOT_FOUND);
    store->ops->close(&store);
    mirror_snapshot_release(&snapshot);
}

/* A bit that turned on the medium is refused, or means nothing to us: then all is as it was. */
static void test_turned_bits_on_the_medium(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    uint32_t refused = 0;
    fill(f);
    const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
    struct blob_store *store = lossy_store_new();
    assert_int_equal(write_segments(store, view), RHEI_OK);
    for (uint32_t i = 0; i < 60; i++) {
        uint64_t size;
        char name[NAME];
        struct mirror *copy;
        (void)snprintf(name, sizeof name, "segment-%u.arrow",
                       (uint32_t)model_below(&f->random, mirror_view_segment_count(view)));
        assert_int_equal(store->ops->size(store, name, &size, NULL), RHEI_OK);
        uint64_t at = model_below(&f->random, size);
        assert_true(lossy_store_flip(store, name, at));
        rhei_status status = read_segments(store, f, view, &copy);
        if (status == RHEI_OK) {
            struct mirror_snapshot other;
            image_assert_same(view, image_take(copy, &other));
            mirror_snapshot_release(&other);
            mirror_close(&copy);
        } else {
            assert_int_equal(status, RHEI_IO);
            refused++;
        }
        assert_true(lossy_store_flip(store, name, at)); /* back */
    }
    assert_true(refused > 0);
    assert_reads_back(store, f, view);
    store->ops->close(&store);
    mirror_snapshot_release(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_segments_of_a_folder_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_segments_of_a_store_that_cannot_map, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_and_torn_segments_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turned_bits_on_the_medium, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
