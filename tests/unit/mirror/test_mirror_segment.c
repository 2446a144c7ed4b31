/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of one segment: values of every class bit for bit, flags, zones, NULLs, class counters. */
#include "mirror_model.h"

#include <math.h>

enum { ROWS = 4096 };

struct fixture {
    struct mirror *mirror;
    struct mirror_segment *segment;
    uint32_t targets[ROWS];
    struct rhei_value values[ROWS];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(mirror_open(NULL, &f->mirror, NULL), RHEI_OK);
    assert_int_equal(mirror_segment_new(f->mirror, 1, ROWS, &f->segment), RHEI_OK);
    for (uint32_t i = 0; i < ROWS; i++)
        f->targets[i] = i;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mirror_segment_free(f->mirror, f->segment);
    mirror_close(&f->mirror);
    free(f);
    return 0;
}

static struct mirror_column_seen write(struct fixture *f, uint8_t layout, uint32_t count)
{
    struct mirror_column_seen seen;
    if (layout != MIRROR_LAYOUT_EMPTY)
        assert_int_equal(mirror_segment_materialise(f->mirror, f->segment, 0, layout, 0), RHEI_OK);
    assert_int_equal(mirror_segment_write(f->mirror, f->segment, 0, f->values, f->targets, count, &seen), RHEI_OK);
    for (uint32_t i = 0; i < count; i++) {
        struct rhei_value value;
        mirror_segment_value(f->segment, 0, i, &value);
        assert_true(model_row_hash(&value, 1) == model_row_hash(&f->values[i], 1));
    }
    return seen;
}

static void test_a5_integers(void **state)
{
    struct fixture *f = *state;
    f->values[0] = model_integer(INT64_MAX);
    f->values[1] = model_null();
    f->values[2] = model_integer(-5);
    struct mirror_column_seen seen = write(f, MIRROR_LAYOUT_INTEGER, 3);
    assert_int_equal(seen.flags, MIRROR_HAS_NULL | MIRROR_HAS_INTEGER | MIRROR_BIG_INTEGER);
    assert_true(seen.low == -5 && seen.high == 0x1p63);
    mirror_segment_seal(f->segment, 3);
    assert_int_equal(f->segment->column[0].counts[RHEI_NULL], 1);
    assert_int_equal(f->segment->column[0].counts[RHEI_INTEGER], 2);
}

static void test_a5_reals_and_their_flags(void **state)
{
    struct fixture *f = *state;
    static const struct {
        double value;
        uint32_t flags;
    } cases[] = {{1, 0},
                 {-0.0, MIRROR_NEGATIVE_ZERO},
                 {0.5, MIRROR_NOT_WHOLE},
                 {0x1p53, 0},
                 {0x1p54, MIRROR_NOT_WHOLE},
                 {-INFINITY, MIRROR_NOT_WHOLE | MIRROR_INFINITE},
                 {5e-324, MIRROR_NOT_WHOLE}};
    struct mirror_column_seen seen;
    assert_int_equal(mirror_segment_materialise(f->mirror, f->segment, 0, MIRROR_LAYOUT_REAL, 0), RHEI_OK);
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        f->values[0] = model_real(cases[i].value);
        assert_int_equal(mirror_segment_write(f->mirror, f->segment, 0, f->values, &f->targets[i], 1, &seen), RHEI_OK);
        assert_int_equal(seen.flags, cases[i].flags | MIRROR_HAS_REAL);
        struct rhei_value value;
        mirror_segment_value(f->segment, 0, i, &value);
        assert_memory_equal(&value.as.real, &cases[i].value, 8);
    }
}

static void test_a5_texts_of_every_length(void **state)
{
    struct fixture *f = *state;
    static char bytes[1500000], half[300000];
    memset(bytes, 'x', sizeof bytes);
    for (uint32_t i = 0; i < 40; i++)
        f->values[i] = (struct rhei_value){.as.bytes = bytes + i, .length = i, .type = RHEI_TEXT};
    f->values[40] = (struct rhei_value){.as.bytes = bytes, .length = sizeof bytes, .type = RHEI_TEXT};
    f->values[41] = (struct rhei_value){.as.bytes = half, .length = sizeof half, .type = RHEI_TEXT};
    memset(half, 'y', sizeof half);
    for (uint32_t i = 42; i < ROWS; i++)
        f->values[i] = (struct rhei_value){.as.bytes = bytes + i, .length = i % 60, .type = RHEI_TEXT};
    struct mirror_column_seen seen = write(f, MIRROR_LAYOUT_TEXT, ROWS);
    assert_int_equal(seen.flags, MIRROR_HAS_TEXT);
    const struct mirror_string *strings = f->segment->column[0].data;
    for (uint32_t i = 0; i <= 12; i++)
        for (uint32_t b = i; b < 12; b++)
            assert_int_equal(strings[i].as.inlined.bytes[b], 0);
}

/* A constant is one pointer for many rows, and texts that share their beginning are one of several lengths. */
static void test_a5_short_texts_of_one_pointer(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < ROWS; i++) {
        bool empty = i % 7 == 6;
        f->values[i] = (struct rhei_value){.as.bytes = empty ? NULL : "abcdefghijkl", .type = RHEI_TEXT};
        f->values[i].length = empty ? 0 : 12 - i / 3 % 12;
    }
    f->values[ROWS - 4] = (struct rhei_value){.as.bytes = "\xff", .length = 1, .type = RHEI_TEXT};
    f->values[ROWS - 3] = (struct rhei_value){.as.bytes = "longer than its slot", .length = 20, .type = RHEI_TEXT};
    f->values[ROWS - 2] = (struct rhei_value){.type = RHEI_NULL};
    struct mirror_column_seen seen = write(f, MIRROR_LAYOUT_TEXT, ROWS);
    assert_int_equal(seen.flags, MIRROR_HAS_TEXT | MIRROR_HAS_NULL | MIRROR_NON_ASCII | MIRROR_INVALID_UTF8);
}

static uint32_t text_flags(struct fixture *f, const char *bytes, uint32_t length)
{
    struct mirror_column_seen seen;
    f->values[0] = (struct rhei_value){.as.bytes = bytes, .length = length, .type = RHEI_TEXT};
    assert_int_equal(mirror_segment_write(f->mirror, f->segment, 0, f->values, f->targets, 1, &seen), RHEI_OK);
    return seen.flags & ~(uint32_t)MIRROR_HAS_TEXT;
}

static void test_text_flags(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mirror_segment_materialise(f->mirror, f->segment, 0, MIRROR_LAYOUT_TEXT, 0), RHEI_OK);
    char bytes[40];
    for (uint32_t length = 1; length < sizeof bytes; length++) {
        for (uint32_t at = 0; at < length; at++) {
            memset(bytes, 'a', sizeof bytes);
            assert_int_equal(text_flags(f, bytes, length), 0);
            bytes[at] = '\0';
            assert_int_equal(text_flags(f, bytes, length), MIRROR_HAS_NUL);
            bytes[at] = '\x01'; /* next to a NUL in value, and none */
            assert_int_equal(text_flags(f, bytes, length), 0);
            bytes[at] = '\xff';
            assert_int_equal(text_flags(f, bytes, length), MIRROR_NON_ASCII | MIRROR_INVALID_UTF8);
            if (at + 1 < length) {
                memcpy(bytes + at, "\xc3\xa9", 2);
                assert_int_equal(text_flags(f, bytes, length), MIRROR_NON_ASCII);
            }
        }
    }
}

static void test_q6_mixed_column_keeps_every_class(void **state)
{
    struct fixture *f = *state;
    const struct rhei_value kinds[] = {model_integer(7), model_real(-0.5),        model_text("a long enough text"),
                                       model_null(),     model_blob("\0\1\2", 3), model_text("short")};
    for (uint32_t i = 0; i < ROWS; i++)
        f->values[i] = kinds[i % 6];
    struct mirror_column_seen seen = write(f, MIRROR_LAYOUT_MIXED, ROWS);
    assert_int_equal(seen.flags & 0x1f, 0x1f);
    assert_true(seen.low == -0.5 && seen.high == 7);
    mirror_segment_seal(f->segment, ROWS);
    uint32_t total = 0;
    for (uint32_t c = 0; c < 5; c++)
        total += f->segment->column[0].counts[c];
    assert_int_equal(total, ROWS);
    assert_int_equal(f->segment->column[0].counts[RHEI_TEXT], ROWS / 6 * 2 + 1);
}

/* Rows written before the first value are NULL in the layout that it brings. */
static void test_late_layout(void **state)
{
    struct fixture *f = *state;
    struct mirror_column_seen seen;
    for (uint32_t i = 0; i < 100; i++)
        f->values[i] = model_null();
    seen = write(f, MIRROR_LAYOUT_EMPTY, 100);
    assert_int_equal(seen.flags, MIRROR_HAS_NULL);
    assert_int_equal(mirror_segment_materialise(f->mirror, f->segment, 0, MIRROR_LAYOUT_TEXT, 100), RHEI_OK);
    f->values[0] = model_text("first");
    assert_int_equal(mirror_segment_write(f->mirror, f->segment, 0, f->values, &f->targets[50], 1, &seen), RHEI_OK);
    assert_int_equal(mirror_segment_write(f->mirror, f->segment, 0, f->values, &f->targets[100], 1, &seen), RHEI_OK);
    mirror_segment_seal(f->segment, 101);
    assert_int_equal(f->segment->column[0].counts[RHEI_NULL], 99);
    assert_int_equal(f->segment->column[0].counts[RHEI_TEXT], 2);
}

/*
 * A segment that was made for many rows and trimmed to few keeps its long bitmaps. One that takes its place, bigger than it was
 * trimmed to and smaller than it was made, gets the words that both have, and not one behind its own.
 */
static void test_a5_a_trimmed_segment_grows_within_what_it_was_made_for(void **state)
{
    enum { FEW = 3, BETWEEN = 32768, MADE = 65536 };
    struct fixture *f = *state;
    struct mirror_segment *grown = NULL;
    void *origin = NULL;
    mirror_segment_free(f->mirror, f->segment);
    assert_int_equal(mirror_segment_new(f->mirror, 1, MADE, &f->segment), RHEI_OK);
    f->values[0] = model_integer(7);
    f->values[1] = model_null();
    f->values[2] = model_integer(-9);
    write(f, MIRROR_LAYOUT_INTEGER, FEW);
    assert_int_equal(mirror_memory_alloc_zero(&f->mirror->memory, 2 * MADE / 8, &origin), RHEI_OK);
    f->segment->origin = origin;
    f->segment->origin[0] = 5;         /* of the first bitmap */
    f->segment->origin[MADE / 64] = 6; /* of the second, behind it */
    f->segment->origin[2 * MADE / 64 - 1] = ~UINT64_C(0);
    mirror_segment_trim(f->mirror, f->segment, FEW);
    assert_true(f->segment->capacity < BETWEEN && f->segment->bitmap_rows > BETWEEN);
    assert_int_equal(mirror_segment_grow(f->mirror, f->segment, BETWEEN, FEW, &grown), RHEI_OK);
    for (uint32_t i = 0; i < FEW; i++) {
        struct rhei_value value;
        mirror_segment_value(grown, 0, i, &value);
        assert_true(model_row_hash(&value, 1) == model_row_hash(&f->values[i], 1));
    }
    assert_int_equal(grown->origin[0], 5);
    assert_int_equal(grown->origin[BETWEEN / 64], 6);
    for (uint32_t w = 1; w < BETWEEN / 64; w++)
        assert_true(grown->origin[w] == 0 && grown->origin[BETWEEN / 64 + w] == 0);
    mirror_segment_free(f->mirror, grown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a5_integers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a5_reals_and_their_flags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a5_texts_of_every_length, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a5_short_texts_of_one_pointer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_flags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_q6_mixed_column_keeps_every_class, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_layout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a5_a_trimmed_segment_grows_within_what_it_was_made_for, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
