/* SPDX-License-Identifier: Apache-2.0 */
/* Values that compression likes to lose, through Vortex and back by the byte: images made by hand, as the socket says they are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_checksum.h"
#include "base/base_memory.h"
#include "codec_vortex/codec_vortex.h"

enum { ROWS = 5000, INVALID_UTF8 = 1 << 11 };

static const struct segment_codec *codec;
static struct segment_zone zones[SEGMENT_MOST_ROWS / SEGMENT_VECTOR_ROWS];

static void set_buffer(struct segment_buffer *buffer, const void *bytes, size_t len)
{
    *buffer = (struct segment_buffer){.bytes = bytes, .len = len, .checksum = base_checksum(bytes, len)};
}

static void assert_same(const struct segment_image *was, const struct segment_image *is)
{
    assert_int_equal(is->rows, was->rows);
    assert_int_equal(is->mark, was->mark);
    assert_int_equal(is->column_count, was->column_count);
    for (uint32_t c = 0; c < was->column_count; c++) {
        const struct segment_buffer *a, *b;
        assert_int_equal(is->columns[c].layout, was->columns[c].layout);
        assert_int_equal(is->columns[c].flags, was->columns[c].flags);
        assert_memory_equal(is->columns[c].counts, was->columns[c].counts, sizeof was->columns[c].counts);
        for (uint32_t i = 0; (a = segment_buffer_at(&was->columns[c], i)) != NULL; i++) {
            b = segment_buffer_at(&is->columns[c], i);
            assert_non_null(b);
            assert_int_equal(a->len, b->len);
            assert_true(a->checksum == b->checksum);
            if (a->len > 0)
                assert_memory_equal(a->bytes, b->bytes, a->len);
        }
    }
}

static void assert_comes_back(const struct segment_image *image)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct segment_image back;
    void *bytes, *again;
    size_t len, same;
    if (codec->encode(image, &bytes, &len, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(codec->encode(image, &again, &same, &error), RHEI_OK);
    assert_int_equal(len, same); /* the same image gives the same bytes */
    assert_memory_equal(bytes, again, len);
    if (codec->open(bytes, len, &back, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_same(image, &back);
    back.release(&back);
    base_free(bytes);
    base_free(again);
}

static struct segment_image image_of(struct segment_column *column, uint32_t rows)
{
    column->name = "c";
    column->zones = zones;
    return (struct segment_image){.rows = rows, .column_count = 1, .table = "t", .mark = 77, .columns = column};
}

static uint64_t random_word(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* One class of numbers, the value of each row by `make`, about every fifth NULL where asked for. */
static void numbers(uint8_t layout, uint64_t (*make)(uint32_t row), bool nulls)
{
    static uint64_t values[ROWS];
    static uint8_t valid[(ROWS + 7) / 8];
    static const uint32_t rows[] = {1, 7, 8, 1024, 1025, 2048, ROWS};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct segment_column column = {.layout = layout};
        memset(valid, 0, sizeof valid);
        for (uint32_t i = 0; i < rows[k]; i++) {
            bool null = nulls && random_word() % 5 == 0;
            values[i] = null ? 0 : make(i);
            valid[i >> 3] |= (uint8_t)(!null << (i & 7));
            column.counts[null ? RHEI_NULL : layout]++;
        }
        set_buffer(&column.part[layout == SEGMENT_INTEGER ? SEGMENT_INTEGERS : SEGMENT_REALS], values,
                   rows[k] * sizeof *values);
        if (column.counts[RHEI_NULL] > 0)
            set_buffer(&column.part[SEGMENT_VALID], valid, (rows[k] + 7) / 8);
        struct segment_image image = image_of(&column, rows[k]);
        assert_comes_back(&image);
    }
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t constant(uint32_t row)
{
    (void)row;
    return (uint64_t)INT64_MIN;
}

static uint64_t ascending(uint32_t row)
{
    return row * 7u;
}

static uint64_t few(uint32_t row)
{
    return (uint64_t)(int64_t) - (int32_t)(row / 40 % 6);
}

static uint64_t any(uint32_t row)
{
    static const uint64_t edges[] = {0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN, 1ull << 53, 0xff};
    return row % 9 == 0 ? edges[random_word() % 7] : random_word();
}

static uint64_t odd_real(uint32_t row)
{
    static const uint64_t nans[] = {0x7ff8000000000000u, 0xfff8000000000000u, 0x7ff0000000000001u, 0x7ffdeadbeef00000u};
    static const double edges[] = {0.0, -0.0, INFINITY, -INFINITY, 5e-324, 1.7976931348623157e308, 0.1};
    return row % 3 == 0    ? bits_of(edges[random_word() % 7])
           : row % 50 == 1 ? nans[random_word() % 4]
                           : bits_of(row / 100.0);
}

static uint64_t negative_zero(uint32_t row)
{
    (void)row;
    return bits_of(-0.0);
}

static void test_numbers_of_every_kind(void **state)
{
    (void)state;
    uint64_t (*const make[])(uint32_t) = {constant, ascending, few, any, odd_real, negative_zero};
    for (size_t i = 0; i < sizeof make / sizeof make[0]; i++)
        for (int nulls = 0; nulls < 2; nulls++) {
            numbers(SEGMENT_INTEGER, make[i], nulls != 0);
            numbers(SEGMENT_REAL, make[i], nulls != 0);
        }
}

/* ---- Strings. ------------------------------------------------------------------------------------------------------ */

struct strings {
    struct segment_string views[ROWS];
    uint8_t valid[(ROWS + 7) / 8];
    char *heap;
    size_t used;
    struct segment_buffer buffer;
};

static void add_string(struct strings *s, uint32_t row, const char *bytes, size_t len)
{
    struct segment_string *view = &s->views[row];
    view->length = (uint32_t)len;
    if (len <= sizeof view->as.inlined) {
        memcpy(view->as.inlined, bytes, len);
        return;
    }
    memcpy(view->as.far.prefix, bytes, 4);
    view->as.far.offset = (uint32_t)s->used;
    memcpy(s->heap + s->used, bytes, len);
    s->used += len;
}

static size_t a_text(uint32_t row, char *to)
{
    size_t len = random_word() % 60;
    (void)row;
    for (size_t i = 0; i < len; i++)
        to[i] = "the quick brown fox \0\n"[random_word() % 22];
    return len;
}

static size_t a_repeated_text(uint32_t row, char *to)
{
    static const char *const words[] = {"pending", "shipped and on the way", "", "returned by the customer", "x"};
    const char *word = words[row / 3 % 5];
    memcpy(to, word, strlen(word));
    return strlen(word);
}

static size_t any_bytes(uint32_t row, char *to)
{
    size_t len = random_word() % 40;
    (void)row;
    for (size_t i = 0; i < len; i++)
        to[i] = (char)random_word();
    return len;
}

static size_t a_huge_one(uint32_t row, char *to)
{
    size_t len = row == 17 ? 3u << 20 : row % 13;
    memset(to, 'a' + (char)(row % 26), len);
    return len;
}

static void strings(uint8_t layout, uint32_t flags, size_t (*make)(uint32_t row, char *to), bool nulls)
{
    char *scratch = malloc(4 << 20);
    struct strings *s = calloc(1, sizeof *s);
    struct segment_column column = {.layout = layout, .flags = flags};
    struct segment_heaps *heaps = layout == SEGMENT_TEXT ? &column.texts : &column.blobs;
    assert_true(scratch != NULL && s != NULL);
    s->heap = malloc(4 << 20);
    for (uint32_t i = 0; i < ROWS; i++) {
        bool null = nulls && random_word() % 5 == 0;
        if (!null)
            add_string(s, i, scratch, make(i, scratch));
        s->valid[i >> 3] |= (uint8_t)(!null << (i & 7));
        column.counts[null ? RHEI_NULL : layout]++;
    }
    set_buffer(&column.part[layout == SEGMENT_TEXT ? SEGMENT_TEXTS : SEGMENT_BLOBS], s->views, sizeof s->views);
    if (nulls)
        set_buffer(&column.part[SEGMENT_VALID], s->valid, sizeof s->valid);
    set_buffer(&s->buffer, s->heap, s->used);
    *heaps = (struct segment_heaps){&s->buffer, s->used > 0 ? 1 : 0};
    struct segment_image image = image_of(&column, ROWS);
    assert_comes_back(&image);
    free(s->heap);
    free(s);
    free(scratch);
}

static void test_strings_of_every_kind(void **state)
{
    (void)state;
    size_t (*const make[])(uint32_t, char *) = {a_text, a_repeated_text, any_bytes, a_huge_one};
    for (size_t i = 0; i < sizeof make / sizeof make[0]; i++)
        for (int nulls = 0; nulls < 2; nulls++) {
            strings(SEGMENT_TEXT, make[i] == any_bytes ? INVALID_UTF8 : 0, make[i], nulls != 0);
            strings(SEGMENT_BLOB, 0, make[i], nulls != 0);
        }
}

/* ---- What isn't an image as the socket says. ------------------------------------------------------------------------ */

/* A value under a NULL would be lost: it is told, not written. */
static void test_an_image_of_another_form_is_refused(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    static const int64_t values[] = {1, 99, 3};
    static const uint8_t valid[] = {5};
    struct segment_column column = {.layout = SEGMENT_INTEGER, .counts = {1, 2}};
    void *bytes;
    size_t len;
    set_buffer(&column.part[SEGMENT_INTEGERS], values, sizeof values);
    set_buffer(&column.part[SEGMENT_VALID], valid, 1);
    struct segment_image image = image_of(&column, 3);
    assert_int_equal(codec->encode(&image, &bytes, &len, &error), RHEI_INTERNAL);
    assert_null(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_every_kind),
        cmocka_unit_test(test_strings_of_every_kind),
        cmocka_unit_test(test_an_image_of_another_form_is_refused),
    };
    if (codec_vortex_load(&codec, NULL) != RHEI_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
