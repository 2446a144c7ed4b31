/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nanoarrow/nanoarrow.h>

#include "arrow/arrow_builder.h"
#include "arrow_test_rows.h"

struct built {
    struct ArrowSchema schema;
    struct ArrowArray array;
};

/* One column "c" of `count` values, as the whole result. */
static void build(struct built *built, const struct rhei_value *values, size_t count, struct arrow_columns columns)
{
    static const char *const names[] = {"c"};
    columns.count = 1;
    columns.names = names;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_builder *builder;
    assert_int_equal(arrow_builder_new(&columns, &builder, &error), RHEI_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(arrow_builder_append(builder, &values[i], &error), RHEI_OK);
    assert_int_equal(arrow_builder_rows(builder), count);
    assert_int_equal(arrow_builder_fix(builder, true, &error), RHEI_OK);
    assert_int_equal(arrow_builder_schema(builder, NULL, &built->schema, &error), RHEI_OK);
    assert_int_equal(arrow_builder_finish(builder, &built->array, &error), RHEI_OK);
    assert_int_equal(arrow_builder_rows(builder), 0);
    assert_int_equal(arrow_builder_bytes(builder), 0);
    assert_int_equal(built->array.length, count);
    arrow_builder_free(&builder);
    assert_null(builder);
}

static void release(struct built *built)
{
    built->schema.release(&built->schema);
    built->array.release(&built->array);
}

static void expect_format(const struct rhei_value *values, size_t count, struct arrow_columns columns,
                          const char *format)
{
    struct built built;
    build(&built, values, count, columns);
    assert_string_equal(built.schema.format, "+s");
    assert_string_equal(built.schema.children[0]->name, "c");
    assert_string_equal(built.schema.children[0]->format, format);
    release(&built);
}

static void test_uniform_columns_have_their_class(void **state)
{
    (void)state;
    struct arrow_columns plain = {0};
    struct arrow_columns view = {.strings_view = true};
    struct rhei_value integers[] = {test_null(), test_integer(1), test_null()};
    struct rhei_value reals[] = {test_real(1.5), test_null()};
    struct rhei_value texts[] = {test_null(), test_null(), test_text("\xC3\xA9")};
    struct rhei_value blobs[] = {test_blob("\xFF"), test_null()};
    expect_format(integers, 3, plain, "l");
    expect_format(reals, 2, plain, "g");
    expect_format(texts, 3, plain, "u");
    expect_format(texts, 3, view, "vu");
    expect_format(blobs, 2, plain, "z");
    expect_format(blobs, 2, view, "z");
}

static void test_column_without_values(void **state)
{
    (void)state;
    struct rhei_value nulls[] = {test_null(), test_null()};
    uint8_t text = RHEI_TEXT;
    uint8_t blob = RHEI_BLOB;
    expect_format(nulls, 2, (struct arrow_columns){0}, "l");
    expect_format(nulls, 0, (struct arrow_columns){0}, "l");
    expect_format(nulls, 2, (struct arrow_columns){.usual_class = &text}, "u");
    expect_format(nulls, 0, (struct arrow_columns){.usual_class = &text, .known_class = &blob}, "z");
}

static void test_values_decide_over_the_usual_class(void **state)
{
    (void)state;
    struct rhei_value integers[] = {test_integer(1)};
    uint8_t text = RHEI_TEXT;
    expect_format(integers, 1, (struct arrow_columns){.usual_class = &text}, "l");
}

static void test_nulls_are_nulls(void **state)
{
    (void)state;
    struct rhei_value values[] = {test_null(), test_text("ab"), test_null(), test_text(""), test_text("cde")};
    struct built built;
    build(&built, values, 5, (struct arrow_columns){0});
    const struct ArrowArray *column = built.array.children[0];
    assert_int_equal(column->length, 5);
    assert_int_equal(column->null_count, 2);
    assert_int_equal(((const uint8_t *)column->buffers[0])[0] & 0x1F, 0x1A);
    assert_memory_equal(column->buffers[1], ((int32_t[]){0, 0, 2, 2, 2, 5}), 6 * sizeof(int32_t));
    assert_memory_equal(column->buffers[2], "abcde", 5);
    release(&built);
}

static void test_column_without_nulls_has_no_bitmap(void **state)
{
    (void)state;
    struct rhei_value values[] = {test_integer(7), test_integer(-8)};
    struct built built;
    build(&built, values, 2, (struct arrow_columns){0});
    assert_int_equal(built.array.children[0]->null_count, 0);
    assert_null(built.array.children[0]->buffers[0]);
    assert_memory_equal(built.array.children[0]->buffers[1], ((int64_t[]){7, -8}), 16);
    release(&built);
}

static void test_string_views(void **state)
{
    (void)state;
    struct rhei_value values[] = {test_text("exactly 12 b"), test_null(), test_text("thirteen byte"),
                                  test_text("and another long one")};
    struct built built;
    build(&built, values, 4, (struct arrow_columns){.strings_view = true});
    const struct ArrowArray *column = built.array.children[0];
    assert_int_equal(column->n_buffers, 4);
    const union ArrowBinaryView *views = column->buffers[1];
    assert_int_equal(views[0].inlined.size, 12);
    assert_memory_equal(views[0].inlined.data, "exactly 12 b", 12);
    assert_int_equal(views[2].ref.size, 13);
    assert_memory_equal(views[2].ref.prefix, "thir", 4);
    assert_int_equal(views[3].ref.offset, 13);
    assert_memory_equal(column->buffers[2], "thirteen byteand another long one", 33);
    assert_int_equal(((const int64_t *)column->buffers[3])[0], 33);
    release(&built);
}

/* Q6: each value keeps its class; NULL is a null of the integers. */
static void check_union(const struct ArrowArray *column, const char *types, const int32_t *offsets,
                        const int64_t *lengths)
{
    for (int64_t i = 0; i < column->length; i++)
        assert_int_equal(((const int8_t *)column->buffers[0])[i], types[i] - '0');
    assert_memory_equal(column->buffers[1], offsets, (size_t)column->length * sizeof *offsets);
    for (int child = 0; child < 4; child++)
        assert_int_equal(column->children[child]->length, lengths[child]);
}

static void test_q6_mixed_column_becomes_a_union(void **state)
{
    (void)state;
    struct rhei_value values[] = {test_null(),      test_text("a"), test_null(),       test_text("bc"),
                                  test_integer(42), test_real(0.5), test_blob("\xFF"), test_null()};
    struct built built;
    build(&built, values, 8, (struct arrow_columns){0});
    const struct ArrowSchema *schema = built.schema.children[0];
    assert_string_equal(schema->format, "+ud:0,1,2,3");
    static const char *const names[] = {"integer", "real", "text", "blob"};
    static const char *const formats[] = {"l", "g", "u", "z"};
    for (int child = 0; child < 4; child++) {
        assert_string_equal(schema->children[child]->name, names[child]);
        assert_string_equal(schema->children[child]->format, formats[child]);
    }
    const struct ArrowArray *column = built.array.children[0];
    check_union(column, "02020130", (int32_t[]){0, 0, 1, 1, 2, 0, 0, 3}, (int64_t[]){4, 1, 2, 1});
    assert_int_equal(column->children[0]->null_count, 3);
    assert_int_equal(((const int64_t *)column->children[0]->buffers[1])[2], 42);
    assert_int_equal(column->children[2]->null_count, 0);
    assert_memory_equal(column->children[2]->buffers[1], ((int32_t[]){0, 1, 3}), 12);
    assert_memory_equal(column->children[2]->buffers[2], "abc", 3);
    release(&built);
}

static void test_q6_integers_with_nulls_become_a_union(void **state)
{
    (void)state;
    struct rhei_value values[] = {test_integer(1), test_null(), test_integer(2), test_real(2.5)};
    struct built built;
    build(&built, values, 4, (struct arrow_columns){0});
    check_union(built.array.children[0], "0001", (int32_t[]){0, 1, 2, 0}, (int64_t[]){3, 1, 0, 0});
    assert_int_equal(built.array.children[0]->children[0]->null_count, 1);
    release(&built);
}

static void test_text_that_is_not_utf8_is_bytes(void **state)
{
    (void)state;
    struct rhei_value mixed[] = {test_text("ok"), test_text("\xFF\xFE")};
    struct rhei_value all[] = {test_text("\x80"), test_text("\xC3"), test_null()};
    struct built built;
    build(&built, mixed, 2, (struct arrow_columns){0});
    check_union(built.array.children[0], "23", (int32_t[]){0, 0}, (int64_t[]){0, 0, 1, 1});
    assert_memory_equal(built.array.children[0]->children[3]->buffers[2], "\xFF\xFE", 2);
    release(&built);
    expect_format(all, 3, (struct arrow_columns){0}, "z");
}

static void test_proven_class_is_held_to(void **state)
{
    (void)state;
    static const char *const names[] = {"free", "proven"};
    uint8_t known[] = {RHEI_NULL, RHEI_INTEGER};
    struct arrow_columns columns = {.count = 2, .names = names, .known_class = known};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_builder *builder;
    assert_int_equal(arrow_builder_new(&columns, &builder, &error), RHEI_OK);
    struct rhei_value good[] = {test_text("x"), test_null()};
    struct rhei_value bad[] = {test_text("x"), test_real(1.0)};
    assert_int_equal(arrow_builder_append(builder, good, &error), RHEI_OK);
    assert_int_equal(arrow_builder_append(builder, bad, &error), RHEI_INTERNAL);
    assert_non_null(strstr(error.message, "\"proven\""));
    assert_non_null(strstr(error.message, "REAL"));
    arrow_builder_free(&builder);
}

static void test_types_stay_over_batches(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b"};
    uint8_t known[] = {RHEI_NULL, RHEI_TEXT};
    struct arrow_columns columns = {.count = 2, .names = names, .known_class = known};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_builder *builder;
    assert_int_equal(arrow_builder_new(&columns, &builder, &error), RHEI_OK);
    struct rhei_value row[] = {test_integer(1), test_text("x")};
    struct rhei_value second[] = {test_blob("y"), test_null()};
    struct ArrowSchema schema;
    struct ArrowArray array;
    assert_int_equal(arrow_builder_append(builder, row, &error), RHEI_OK);
    assert_int_equal(arrow_builder_fix(builder, false, &error), RHEI_OK);
    assert_int_equal(arrow_builder_schema(builder, NULL, &schema, &error), RHEI_OK);
    assert_string_equal(schema.children[0]->format, "+ud:0,1,2,3");
    assert_string_equal(schema.children[1]->format, "u");
    schema.release(&schema);
    assert_int_equal(arrow_builder_finish(builder, &array, &error), RHEI_OK);
    array.release(&array);
    assert_int_equal(arrow_builder_append(builder, second, &error), RHEI_OK);
    assert_int_equal(arrow_builder_finish(builder, &array, &error), RHEI_OK);
    check_union(array.children[0], "3", (int32_t[]){0}, (int64_t[]){0, 0, 0, 1});
    assert_int_equal(array.children[1]->null_count, 1);
    array.release(&array);
    arrow_builder_free(&builder);
}

/* The second row is refused by its length alone, before a byte of it is read. */
static void test_batch_stays_below_2_gib(void **state)
{
    (void)state;
    struct arrow_columns columns = {.count = 1};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_builder *builder;
    assert_int_equal(arrow_builder_new(&columns, &builder, &error), RHEI_OK);
    struct rhei_value small = test_blob("x");
    struct rhei_value huge = test_blob("x");
    huge.length = INT32_MAX;
    assert_int_equal(arrow_builder_append(builder, &small, &error), RHEI_OK);
    assert_int_equal(arrow_builder_append(builder, &huge, &error), RHEI_TOO_BIG);
    assert_int_equal(error.code, RHEI_OK);
    assert_int_equal(arrow_builder_rows(builder), 1);
    arrow_builder_free(&builder);
}

static void test_names_that_are_not_utf8_are_mended(void **state)
{
    (void)state;
    static const char *const names[] = {"a\xFF"};
    struct arrow_columns columns = {.count = 1, .names = names};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_builder *builder;
    struct ArrowSchema schema;
    assert_int_equal(arrow_builder_new(&columns, &builder, &error), RHEI_OK);
    assert_int_equal(arrow_builder_fix(builder, true, &error), RHEI_OK);
    assert_int_equal(arrow_builder_schema(builder, NULL, &schema, &error), RHEI_OK);
    assert_string_equal(schema.children[0]->name, "a?");
    schema.release(&schema);
    arrow_builder_free(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform_columns_have_their_class),
        cmocka_unit_test(test_column_without_values),
        cmocka_unit_test(test_values_decide_over_the_usual_class),
        cmocka_unit_test(test_nulls_are_nulls),
        cmocka_unit_test(test_column_without_nulls_has_no_bitmap),
        cmocka_unit_test(test_string_views),
        cmocka_unit_test(test_q6_mixed_column_becomes_a_union),
        cmocka_unit_test(test_q6_integers_with_nulls_become_a_union),
        cmocka_unit_test(test_text_that_is_not_utf8_is_bytes),
        cmocka_unit_test(test_proven_class_is_held_to),
        cmocka_unit_test(test_types_stay_over_batches),
        cmocka_unit_test(test_batch_stays_below_2_gib),
        cmocka_unit_test(test_names_that_are_not_utf8_are_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
