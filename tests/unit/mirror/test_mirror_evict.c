/* SPDX-License-Identifier: Apache-2.0 */
/* Segments out of memory and back: never another answer, never more memory than the limit and what readers hold, never a signal. */
#include "image_fixture.h"
#include "mirror/mirror_cache.h"
#include "tests/support/plain_codec.h"

/* A file in memory, which can be cut, changed or taken away. */
struct file {
    char *bytes;
    size_t len;
    atomic_bool gone;
};

static atomic_uint released, damaged, reads;

static void file_release(void *context)
{
    struct file *file = context;
    atomic_fetch_add(&released, 1);
    base_free(file->bytes);
    base_free(file);
}

static void file_damaged(void *context, const char *why)
{
    (void)context;
    assert_non_null(why);
    atomic_fetch_add(&damaged, 1);
}

static rhei_status file_read(void *context, uint32_t column, struct segment_column *wanted)
{
    const struct file *file = context;
    const struct segment_buffer *buffer;
    (void)column;
    for (uint32_t i = 0; (buffer = segment_buffer_at(wanted, i)) != NULL; i++) {
        if (buffer->bytes == NULL)
            continue;
        atomic_fetch_add(&reads, 1);
        if (atomic_load(&file->gone))
            return RHEI_NOT_FOUND;
        if (buffer->offset > file->len || buffer->len > file->len - buffer->offset)
            return RHEI_IO;
        memcpy((void *)(uintptr_t)buffer->bytes, file->bytes + buffer->offset, buffer->len);
    }
    return RHEI_OK;
}

static struct file *file_open(void *bytes, size_t len, struct segment_image *image, struct mirror_keeper *keeper)
{
    struct file *file = base_alloc_zero(1, sizeof *file);
    size_t wanted;
    file->bytes = bytes;
    file->len = len;
    assert_int_equal(plain_codec.open_tail(bytes, len, len, image, &wanted, NULL), RHEI_OK);
    *keeper = (struct mirror_keeper){
        .release = file_release, .damaged = file_damaged, .read = file_read, .context = file, .name = "file"};
    return file;
}

enum { FILES_MOST = 64 };

/* Every sealed resident segment goes to a file; the number of them. The files by the order of segments, if anybody wants them. */
static uint32_t evict_all(struct mirror *mirror, struct file **files, int64_t position)
{
    struct mirror_snapshot snapshot;
    const struct mirror_table_view *view = image_take(mirror, &snapshot);
    uint32_t count = 0;
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        struct segment_image image;
        struct mirror_keeper keeper;
        struct mirror_eviction *eviction;
        struct rhei_error error = {0};
        size_t len;
        if (mirror_view_segment_resident(view, s) == 0)
            continue;
        void *bytes = image_encode(&plain_codec, view, s, &len);
        struct file *file = file_open(bytes, len, &image, &keeper);
        assert_true(count < FILES_MOST);
        if (files != NULL)
            files[count] = file;
        count++;
        if (mirror_evict_prepare(view, s, &image, &keeper, &eviction, &error) != RHEI_OK)
            fail_msg("%s", error.message);
        image.release(&image);
        assert_int_equal(mirror_evict_swap(mirror, &eviction, &error), RHEI_OK);
    }
    mirror_snapshot_release(&snapshot);
    assert_int_equal(mirror_publish(mirror, position, NULL), RHEI_OK);
    mirror_collect(mirror);
    return count;
}

static int setup(void **state)
{
    atomic_store(&released, 0);
    atomic_store(&damaged, 0);
    atomic_store(&reads, 0);
    *state = image_fixture_new(41, 4096);
    return 0;
}

/* ---- The same answers. --------------------------------------------------------------------------------------------- */

static void test_a2_what_went_and_came_back_is_the_same(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot before, after;
    for (uint32_t i = 0; i < 6; i++)
        image_change(f, f->mirror, 20000, IMAGE_ROWS);
    const struct mirror_table_view *old = image_take(f->mirror, &before);
    assert_true(evict_all(f->mirror, NULL, ++f->position) >= 3);
    const struct mirror_table_view *view = image_take(f->mirror, &after);
    model_assert_equal(&f->model, view);
    model_assert_facts(view);
    for (int again = 0; again < 2; again++) {
        while (mirror_cache_evict(f->mirror)) /* everything that can go does */
            continue;
        assert_true(model_sum_vectors(view).hash == f->model.sum.hash);
        assert_true(model_sum_cells(view).hash == f->model.sum.hash);
    }
    assert_true(model_sum_vectors(old).hash == f->model.sum.hash); /* which still has the resident ones */
    mirror_snapshot_release(&before);
    mirror_snapshot_release(&after);
    assert_int_equal(atomic_load(&damaged), 0);
}

static void test_a1_changes_go_on_over_segments_that_went(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 30; i++) {
        struct mirror_snapshot held, snapshot;
        image_change(f, f->mirror, 9000, IMAGE_ROWS / 2);
        struct model_sum sum = model_sum_vectors(image_take(f->mirror, &held));
        if (i % 3 == 0)
            (void)evict_all(f->mirror, NULL, ++f->position);
        struct mirror_compaction *compaction = NULL;
        assert_int_equal(mirror_compact_prepare(f->mirror, &compaction, NULL), RHEI_OK);
        image_change(f, f->mirror, 9000, 300);
        assert_int_equal(mirror_compact_swap(f->mirror, &compaction, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
        if (i % 5 == 0)
            (void)mirror_cache_evict(f->mirror);
        assert_true(sum.hash == model_sum_vectors(mirror_view(&held, 1)).hash);
        mirror_snapshot_release(&held);
        const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
        model_assert_equal(&f->model, view);
        model_assert_facts(view);
        mirror_snapshot_release(&snapshot);
    }
    struct mirror_status status;
    mirror_status(f->mirror, &status);
    assert_true(status.evictions > 0 && status.cache_reads > 0 && status.cache_evictions > 0 && status.compactions > 0);
}

static void test_a2_a_segment_that_was_swapped_meanwhile_stays(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    struct segment_image image;
    struct mirror_keeper keeper;
    struct mirror_eviction *eviction;
    size_t len;
    for (uint32_t i = 0; i < 4; i++)
        image_change(f, f->mirror, 20000, IMAGE_ROWS);
    const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
    void *bytes = image_encode(&plain_codec, view, 0, &len);
    (void)file_open(bytes, len, &image, &keeper);
    assert_int_equal(mirror_evict_prepare(view, 0, &image, &keeper, &eviction, NULL), RHEI_OK);
    (void)evict_all(f->mirror, NULL, ++f->position);
    assert_int_equal(mirror_evict_swap(f->mirror, &eviction, NULL), RHEI_OK);
    assert_int_equal(atomic_load(&released), 1);
    /* and an image of another segment is none of this one */
    image.release(&image);
    bytes = image_encode(&plain_codec, view, 0, &len);
    (void)file_open(bytes, len, &image, &keeper);
    assert_int_equal(mirror_evict_prepare(view, view->tail_number, &image, &keeper, &eviction, NULL), RHEI_INVALID);
    image.release(&image);
    assert_int_equal(atomic_load(&released), 2);
    mirror_snapshot_release(&snapshot);
}

/* ---- Memory. ------------------------------------------------------------------------------------------------------- */

/* Rows of one segment after the other; as many bytes as a scan of all columns needs. */
static void load_rows(struct fixture *f, struct mirror *mirror, uint64_t rows)
{
    struct rhei_value row[IMAGE_COLUMNS] = {0};
    struct mirror_build *build;
    struct rhei_error error = {0};
    assert_int_equal(mirror_build_begin(mirror, &f->model.definition, 2, &build, NULL), RHEI_OK);
    for (uint64_t key = 1000000, end = key + rows; key < end;) {
        f->batch.batch.row_count = 0;
        for (uint32_t i = 0; i < IMAGE_ROWS && key < end; i++, key++) {
            image_row(f, key, row);
            model_batch_add(&f->batch, CHANGE_UPSERT, row);
            model_apply(&f->model, CHANGE_UPSERT, row);
        }
        if (mirror_build_append(build, (uint32_t)(key / IMAGE_ROWS % 2), &f->batch.batch, &error) != RHEI_OK)
            fail_msg("%s", error.message);
    }
    assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(mirror, ++f->position, NULL), RHEI_OK);
}

static rhei_status spill(void *context, uint32_t table, uint64_t lineage, const struct segment_image *image,
                         struct segment_image *opened, struct mirror_keeper *keeper)
{
    void *bytes;
    size_t len;
    (void)context;
    (void)table;
    assert_true(lineage > 0);
    if (plain_codec.encode(image, &bytes, &len, NULL) != RHEI_OK)
        return RHEI_NO_MEMORY;
    (void)file_open(bytes, len, opened, keeper);
    return RHEI_OK;
}

static void test_a11_a_table_bigger_than_the_limit(void **state)
{
    struct fixture *f = *state;
    struct mirror *small;
    struct mirror_status status;
    struct mirror_snapshot snapshot;
    enum { ROWS = 160000, LIMIT = 8 << 20, PARTS = 10 };
    const struct mirror_config config = {.memory_limit = LIMIT};
    assert_int_equal(mirror_open(&config, &small, NULL), RHEI_OK);
    small->segment_rows = 4096;
    const struct mirror_spill to = {.spill = spill, .above = LIMIT / 4};
    mirror_set_spill(small, 0, &to);
    load_rows(f, small, ROWS);
    mirror_status(small, &status);
    assert_true(status.remote_segments >= 30 && status.memory_bytes <= LIMIT);
    const struct mirror_table_view *view = image_take(small, &snapshot);
    size_t most = 0;
    struct model_sum sum = model_sum_vectors(view);
    for (int again = 0; again < 3; again++) {
        assert_true(sum.hash == model_sum_vectors(view).hash && sum.hash == f->model.sum.hash);
        mirror_status(small, &status);
        most = status.memory_bytes > most ? status.memory_bytes : most;
    }
    assert_true(most <= LIMIT);
    assert_true(status.cache_evictions > 0);
    assert_int_equal(sum.rows, ROWS);
    mirror_snapshot_release(&snapshot);
    assert_int_equal(atomic_load(&damaged), 0);
    mirror_close(&small);
    assert_true(atomic_load(&released) >= 30);
}

/* Changes of one cycle, told the model: rows that are new in it, are changed in it again and go in it. */
static void change_within(struct fixture *f, struct mirror *mirror, uint64_t first, uint64_t keys, uint32_t rows,
                          struct mirror_apply_counts *counts)
{
    struct rhei_value row[IMAGE_COLUMNS] = {0};
    struct rhei_error error = {0};
    for (uint32_t i = 0; i < rows;) {
        f->batch.batch.row_count = 0;
        for (uint32_t k = 0; k < IMAGE_ROWS && i < rows; k++, i++) {
            bool fresh = i < rows / 2;
            uint8_t op = !fresh && model_below(&f->random, 5) == 0 ? CHANGE_DELETE : CHANGE_UPSERT;
            image_row(f, fresh ? first + i : first + model_below(&f->random, keys), row);
            model_batch_add(&f->batch, op, row);
            model_apply(&f->model, op, row);
        }
        if (mirror_apply(mirror, &f->batch.batch, counts, &error) != RHEI_OK)
            fail_msg("%s", error.message);
    }
}

/* Nothing of it is published before all of it is, and far more comes than fits. */
static void test_a11_a_cycle_bigger_than_the_limit(void **state)
{
    struct fixture *f = *state;
    struct mirror *small;
    struct mirror_status status;
    struct mirror_snapshot snapshot;
    struct mirror_apply_counts counts = {0};
    enum { ROWS = 160000, KEYS = ROWS / 2, LIMIT = 8 << 20 };
    const struct mirror_config config = {.memory_limit = LIMIT};
    assert_int_equal(mirror_open(&config, &small, NULL), RHEI_OK);
    small->segment_rows = 4096;
    const struct mirror_spill to = {.spill = spill, .above = LIMIT / 2, .above_in_cycle = LIMIT / 2};
    mirror_set_spill(small, 0, &to);
    model_attach(small, &f->model);
    change_within(f, small, 1000000, KEYS, ROWS, &counts);
    assert_int_equal(counts.inserted, f->model.sum.rows); /* whatever lies in files: nothing was there before */
    assert_true(counts.updated == 0 && counts.deleted == 0);
    assert_int_equal(mirror_publish(small, ++f->position, NULL), RHEI_OK);
    mirror_status(small, &status);
    assert_true(status.remote_segments >= 10 && status.memory_bytes <= LIMIT + LIMIT / 4);
    uint64_t there = f->model.sum.rows;
    counts = (struct mirror_apply_counts){0};
    change_within(f, small, 1000000, KEYS, ROWS, &counts); /* over segments of files, into others */
    assert_int_equal(there + counts.inserted - counts.deleted, f->model.sum.rows);
    assert_int_equal(mirror_publish(small, ++f->position, NULL), RHEI_OK);
    const struct mirror_table_view *view = image_take(small, &snapshot);
    model_assert_equal(&f->model, view);
    model_assert_facts(view);
    mirror_snapshot_release(&snapshot);
    mirror_status(small, &status);
    assert_true(status.memory_bytes <= LIMIT + LIMIT / 4);
    assert_int_equal(atomic_load(&damaged), 0);
    uint32_t files = atomic_load(&released);
    mirror_close(&small);
    assert_true(atomic_load(&released) > files);
}

struct watching {
    struct mirror *mirror;
    uint32_t most_held;
    size_t versions;
};

static rhei_status watch(void *context, const struct mirror_ended_some *versions)
{
    struct watching *watching = context;
    watching->versions += versions->count;
    watching->most_held =
        watching->mirror->held_count > watching->most_held ? watching->mirror->held_count : watching->most_held;
    return RHEI_OK;
}

/* Rows as they were lie all over the files: no more of them is held at a time than a few segments. */
static void test_a11_a_sink_over_segments_that_went(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    struct watching watching = {.mirror = f->mirror};
    const struct mirror_sink sink = {.ended_some = watch, .no_began = true, .context = &watching};
    for (uint32_t i = 0; i < 20; i++)
        image_change(f, f->mirror, 40000, IMAGE_ROWS);
    assert_true(evict_all(f->mirror, NULL, ++f->position) >= 12);
    assert_int_equal(mirror_set_sink(f->mirror, 1, &sink, NULL), RHEI_OK);
    uint64_t before = f->model.ended.rows;
    image_change(f, f->mirror, 40000, IMAGE_ROWS);
    assert_int_equal(watching.versions, f->model.ended.rows - before);
    assert_true(watching.versions > 1000 && watching.most_held > 2 && watching.most_held <= 8);
    model_assert_equal(&f->model, image_take(f->mirror, &snapshot));
    mirror_snapshot_release(&snapshot);
}

/* ---- Files that aren't as they were. ------------------------------------------------------------------------------- */

static void test_a10_a_file_that_changed_is_told_and_never_believed(void **state)
{
    struct fixture *f = *state;
    struct file *files[FILES_MOST];
    for (uint32_t i = 0; i < 4; i++)
        image_change(f, f->mirror, 20000, IMAGE_ROWS);
    uint32_t count = evict_all(f->mirror, files, ++f->position);
    for (uint32_t i = 0; i < 120; i++) {
        struct mirror_snapshot snapshot;
        struct file *file = files[model_below(&f->random, count)];
        size_t at = model_below(&f->random, file->len), len = file->len;
        char was = file->bytes[at];
        const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
        bool whole = i % 3 == 0; /* nothing was done to it */
        while (mirror_cache_evict(f->mirror))
            continue;
        if (i % 3 == 1)
            file->bytes[at] ^= (char)(1 << model_below(&f->random, 8));
        else if (i % 3 == 2)
            file->len = at;
        atomic_store(&file->gone, i % 7 == 6 && !whole);
        struct model_sum sum = model_sum_cells(view);
        bool right = sum.hash == f->model.sum.hash && sum.rows == f->model.sum.rows;
        assert_true(right || mirror_view_is_damaged(view));
        assert_true(!whole || right);
        file->bytes[at] = was;
        file->len = len;
        atomic_store(&file->gone, false);
        bool told = mirror_view_is_damaged(view);
        assert_int_equal(told, mirror_table_is_damaged(f->mirror, 1));
        mirror_snapshot_release(&snapshot);
        if (!told)
            continue;
        /* the table is built again, from the model's rows: they are what SQLite has */
        (void)fixture_end(state);
        *state = f = image_fixture_new(1000 + i, 4096);
        for (uint32_t k = 0; k < 4; k++)
            image_change(f, f->mirror, 20000, IMAGE_ROWS);
        count = evict_all(f->mirror, files, ++f->position);
    }
    assert_true(atomic_load(&damaged) > 20);
}

/* ---- Beside readers and a writer. ---------------------------------------------------------------------------------- */

struct beside {
    struct mirror *mirror;
    atomic_bool *stop;
    atomic_uint wrong, right;
};

/* Column 0 and 1 say the same in every row; and the number of rows is always the same. */
static void read_beside(void *context)
{
    struct beside *beside = context;
    while (!atomic_load(beside->stop)) {
        struct mirror_snapshot snapshot;
        if (mirror_snapshot_take(beside->mirror, &snapshot) != RHEI_OK)
            continue;
        const struct mirror_table_view *view = mirror_view(&snapshot, 1);
        struct mirror_hold hold = {NULL};
        uint64_t rows = 0, wrong = 0;
        for (uint32_t s = 0; s < mirror_view_segment_count(view); s++)
            for (uint32_t v = 0; v < MIRROR_SEGMENT_VECTORS; v++) {
                struct mirror_vector vector;
                struct mirror_column_data key, text;
                mirror_view_vector(view, s, v, &vector);
                if (vector.rows == 0)
                    continue;
                (void)mirror_cache_evict(beside->mirror); /* whatever anybody reads */
                mirror_hold(view, s, &hold);
                mirror_view_column(view, s, v, 0, &key);
                mirror_view_column(view, s, v, 1, &text);
                for (uint32_t i = 0; i < vector.rows; i++) {
                    uint32_t length;
                    char expected[40];
                    if (vector.dead != NULL && (vector.dead[i / 64] >> (i % 64) & 1) != 0)
                        continue;
                    rows++;
                    int len = snprintf(expected, sizeof expected, "a text of the key %lld",
                                       (long long)((const int64_t *)key.data)[i]);
                    const char *bytes = mirror_string_bytes(&((const struct mirror_string *)text.data)[i], &length);
                    wrong += (int)length != len || memcmp(bytes, expected, length) != 0;
                }
            }
        mirror_hold_end(&hold);
        mirror_snapshot_release(&snapshot);
        atomic_fetch_add(wrong == 0 && rows == 12000 ? &beside->right : &beside->wrong, 1);
    }
}

static void put_keys(struct fixture *f, int64_t from, int64_t count)
{
    static char texts[4096][40];
    f->batch.batch.row_count = 0;
    for (int64_t i = 0; i < count; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "a text of the key %lld", (long long)(from + i));
        const struct rhei_value row[] = {model_integer(from + i), model_text(texts[i])};
        model_batch_add(&f->batch, CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
}

static void test_a1_beside_readers_and_a_writer(void **state)
{
    struct fixture *f = fixture_new(2, 4096);
    atomic_bool stop = false;
    (void)state;
    f->mirror->segment_rows = 2048;
    model_attach(f->mirror, &f->model);
    for (int64_t k = 0; k < 12000; k += 4000)
        put_keys(f, k, 4000);
    assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
    struct beside beside = {.mirror = f->mirror, .stop = &stop};
    base_thread threads[3];
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(base_thread_start(&threads[i], "reader", read_beside, &beside, NULL), RHEI_OK);
    uint32_t rounds = 0;
    for (; rounds < 30 || atomic_load(&beside.right) + atomic_load(&beside.wrong) < 30; rounds++) {
        put_keys(f, (int64_t)model_below(&f->random, 11000), 500);
        assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
        if (rounds % 4 == 0)
            (void)evict_all(f->mirror, NULL, ++f->position);
        struct mirror_compaction *compaction = NULL;
        assert_int_equal(mirror_compact_prepare(f->mirror, &compaction, NULL), RHEI_OK);
        assert_int_equal(mirror_compact_swap(f->mirror, &compaction, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
    }
    atomic_store(&stop, true);
    for (uint32_t i = 0; i < 3; i++)
        base_thread_join(&threads[i]);
    assert_int_equal(atomic_load(&beside.wrong), 0);
    assert_true(atomic_load(&beside.right) > 0);
    void *going = f;
    fixture_end(&going);
}

/* ---- Gone on without. ---------------------------------------------------------------------------------------------- */

/* Of keys from 0 on, in segments of LOSE_SEGMENT, those of one can't be read any more. */
static void lose_one(bool integer_key)
{
    enum { LOSE_SEGMENT = 2048, KEYS = 8192, AT_ONCE = 4096 };
    struct fixture *f = fixture_new(2, AT_ONCE);
    struct file *files[FILES_MOST];
    struct mirror_snapshot before, snapshot;
    struct mirror_apply_counts counts = {0};
    uint64_t rows = 0;
    model_reset(&f->model);
    model_init(&f->model, 1, 2, 1, integer_key);
    f->mirror->segment_rows = LOSE_SEGMENT;
    model_attach(f->mirror, &f->model);
    for (int64_t k = 0; k < KEYS; k += AT_ONCE)
        put_keys(f, k, AT_ONCE);
    assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
    assert_true(evict_all(f->mirror, files, ++f->position) >= 3);
    assert_int_equal(mirror_lose_damaged(f->mirror, 1, &rows, NULL), RHEI_OK);
    assert_int_equal(rows, 0); /* all are whole */
    while (mirror_cache_evict(f->mirror))
        continue;
    atomic_store(&files[1]->gone, true);
    (void)model_sum_cells(image_take(f->mirror, &before));
    assert_true(mirror_table_is_damaged(f->mirror, 1));
    assert_int_equal(mirror_lose_damaged(f->mirror, 1, &rows, NULL), RHEI_OK);
    assert_int_equal(rows, LOSE_SEGMENT);
    assert_int_equal(mirror_rows(f->mirror, 1), KEYS - LOSE_SEGMENT);
    assert_false(mirror_table_is_damaged(f->mirror, 1));
    assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
    const struct mirror_table_view *view = image_take(f->mirror, &snapshot);
    assert_false(mirror_view_is_damaged(view));
    assert_int_equal(model_sum_vectors(view).rows, KEYS - LOSE_SEGMENT);
    assert_true(mirror_view_is_damaged(mirror_view(&before, 1))); /* an older state stays one that can't be read */
    mirror_snapshot_release(&snapshot);
    mirror_snapshot_release(&before);
    /* the keys that went are none that the index knows, and the others are */
    static char text[] = "anew";
    f->batch.batch.row_count = 0;
    for (int64_t k = 0; k < AT_ONCE; k++) {
        const struct rhei_value row[] = {model_integer(k), model_text(text)};
        model_batch_add(&f->batch, CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, &counts, NULL), RHEI_OK);
    assert_int_equal(counts.inserted, LOSE_SEGMENT);
    assert_int_equal(counts.updated, AT_ONCE - LOSE_SEGMENT);
    assert_int_equal(mirror_rows(f->mirror, 1), KEYS);
    void *going = f;
    fixture_end(&going);
}

static void test_a9_a_table_goes_on_without_what_cannot_be_read(void **state)
{
    (void)state;
    lose_one(true);
    lose_one(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a2_what_went_and_came_back_is_the_same, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a1_changes_go_on_over_segments_that_went, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a2_a_segment_that_was_swapped_meanwhile_stays, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_a_table_bigger_than_the_limit, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_a_cycle_bigger_than_the_limit, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_a_sink_over_segments_that_went, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a10_a_file_that_changed_is_told_and_never_believed, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a1_beside_readers_and_a_writer, setup, fixture_end),
        cmocka_unit_test(test_a9_a_table_goes_on_without_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
