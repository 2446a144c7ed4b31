/* SPDX-License-Identifier: Apache-2.0 */
/* The Arrow export, read back by a small reader of its own and compared with the view. */
#include "mirror_fixture.h"

enum { COLUMNS = 6 };

static int setup(void **state)
{
    struct fixture *f = fixture_new(COLUMNS, 100000);
    static const char *const types[COLUMNS] = {"INTEGER", "DOUBLE", "VARCHAR(20)", "BLOB", "", "float"};
    for (uint32_t c = 0; c < COLUMNS; c++)
        f->model.columns[c].declared_type = types[c];
    model_attach(f->mirror, &f->model);
    *state = f;
    return 0;
}

static void flush(struct fixture *f)
{
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
}

/* id, real, text, blob, anything, NULL */
static void fill(struct fixture *f, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        struct rhei_value row[COLUMNS] = {model_integer(i),
                                          i % 9 == 0 ? model_null() : model_real((double)i / 8),
                                          i % 5 == 0 ? model_text("a text beyond twelve bytes") : model_text("short"),
                                          model_blob("\0\1\2\3", (uint32_t)(i % 5)),
                                          model_null(),
                                          model_null()};
        if (i % 4 == 1)
            row[4] = model_integer(-i);
        if (i % 4 == 2)
            row[4] = i % 8 == 2 ? model_text("\xff not utf-8, and long") : model_text("mixed");
        if (i % 4 == 3)
            row[4] = i % 8 == 3 ? model_real(0.5) : model_blob("blob of some length", 19);
        model_batch_add(&f->batch, CHANGE_UPSERT, row);
    }
    flush(f);
}

static void delete_some(struct fixture *f, int64_t rows, int64_t every)
{
    for (int64_t i = 0; i < rows; i += every) {
        struct rhei_value row[COLUMNS] = {model_integer(i)};
        model_batch_add(&f->batch, CHANGE_DELETE, row);
    }
    flush(f);
}

static bool is_valid(const struct ArrowArray *array, int64_t i)
{
    const uint8_t *bits = array->buffers[0];
    return bits == NULL || (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void read_view(const struct ArrowArray *array, int64_t i, uint8_t type, struct rhei_value *out)
{
    const char *view = (const char *)array->buffers[1] + 16 * i;
    int32_t length, where[2];
    memcpy(&length, view, 4);
    memcpy(where, view + 8, 8);
    out->type = type;
    out->length = (uint32_t)length;
    out->as.bytes = length <= 12 ? view + 4 : (const char *)array->buffers[2 + where[0]] + where[1];
    if (length > 12)
        assert_memory_equal(view + 4, out->as.bytes, 4);
}

static void read_value(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t i,
                       struct rhei_value *out)
{
    memset(out, 0, sizeof *out);
    if (schema->format[0] == '+') {
        int8_t child = ((const int8_t *)array->buffers[0])[i];
        int32_t at = ((const int32_t *)array->buffers[1])[i];
        assert_in_range(at, 0, array->children[child]->length - 1);
        read_value(schema->children[child], array->children[child], at, out);
        return;
    }
    if (!is_valid(array, i))
        return;
    const int32_t *offsets = array->buffers[1];
    switch (schema->format[0]) {
    case 'l':
        *out = model_integer(((const int64_t *)array->buffers[1])[i]);
        break;
    case 'g':
        *out = model_real(((const double *)array->buffers[1])[i]);
        break;
    case 'v':
        read_view(array, i, RHEI_TEXT, out);
        break;
    default:
        out->type = schema->format[0] == 'u' ? RHEI_TEXT : RHEI_BLOB;
        out->length = (uint32_t)(offsets[i + 1] - offsets[i]);
        out->as.bytes = (const char *)array->buffers[2] + offsets[i];
        break;
    }
}

/* What the view holds, with text that is not UTF-8 as BLOB, as the export says. */
static struct model_sum expected(const struct mirror_table_view *view)
{
    struct model_sum sum = {0};
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        for (uint32_t i = 0; i < mirror_view_segment_rows(view, s); i++) {
            struct mirror_vector vector;
            struct rhei_value row[COLUMNS];
            mirror_view_vector(view, s, i / MIRROR_VECTOR_ROWS, &vector);
            uint32_t bit = i % MIRROR_VECTOR_ROWS;
            if (vector.dead != NULL && (vector.dead[bit >> 6] >> (bit & 63) & 1) != 0)
                continue;
            for (uint32_t c = 0; c < COLUMNS; c++) {
                mirror_view_value(view, s, i, c, &row[c]);
                if (row[c].type == RHEI_TEXT &&
                    (mirror_text_flags(row[c].as.bytes, row[c].length, 0) & MIRROR_INVALID_UTF8) != 0)
                    row[c].type = RHEI_BLOB;
            }
            sum.rows++;
            sum.hash += model_row_hash(row, COLUMNS);
        }
    }
    return sum;
}

static struct model_sum read_stream(struct ArrowArrayStream *stream, const char *const *formats)
{
    struct ArrowSchema schema;
    struct ArrowArray array, last = {0};
    struct model_sum sum = {0};
    assert_int_equal(stream->get_schema(stream, &schema), 0);
    assert_string_equal(schema.format, "+s");
    for (uint32_t c = 0; c < COLUMNS; c++)
        assert_string_equal(schema.children[c]->format, formats[c]);
    while (stream->get_next(stream, &array) == 0 && array.release != NULL) {
        assert_int_equal(array.n_children, COLUMNS);
        for (int64_t i = 0; i < array.length; i++) {
            struct rhei_value row[COLUMNS];
            for (uint32_t c = 0; c < COLUMNS; c++)
                read_value(schema.children[c], array.children[c], i, &row[c]);
            sum.rows++;
            sum.hash += model_row_hash(row, COLUMNS);
        }
        if (last.release != NULL)
            last.release(&last);
        last = array;
    }
    stream->release(stream);
    if (last.release != NULL) { /* outlives its stream */
        assert_int_equal(last.children[0]->length, last.length);
        last.release(&last);
    }
    schema.release(&schema);
    return sum;
}

static const uint32_t all_columns[COLUMNS] = {0, 1, 2, 3, 4, 5};

static void check_as(struct fixture *f, bool views, const char *anything)
{
    const char *const formats[COLUMNS] = {"l", "g", views ? "vu" : "u", "z", anything, "g"};
    struct mirror_snapshot snapshot;
    struct ArrowArrayStream stream;
    struct mirror_export_options options = {.strings_view = views};
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    struct model_sum wanted = expected(mirror_view(&snapshot, 1));
    assert_int_equal(mirror_export(f->mirror, &snapshot, 1, all_columns, NULL, COLUMNS, &options, &stream, NULL),
                     RHEI_OK);
    mirror_snapshot_release(&snapshot); /* the stream holds one of its own */
    for (int i = 0; i < 100; i++)
        assert_int_equal(mirror_publish(f->mirror, i, NULL), RHEI_OK);
    struct model_sum sum = read_stream(&stream, formats);
    assert_int_equal(sum.rows, wanted.rows);
    assert_true(sum.hash == wanted.hash);
}

static void check(struct fixture *f, bool views)
{
    check_as(f, views, "+ud:0,1,2,3");
}

static void test_a5_every_value_leaves_as_it_is(void **state)
{
    struct fixture *f = *state;
    fill(f, 90000);
    check(f, false);
    check(f, true);
    delete_some(f, 30000, 7);
    check(f, false);
    check(f, true);
    delete_some(f, 90000, 1);
    check_as(f, true, "l"); /* nothing is left that would need a union */
}

/* Columns whose classes parted again while their segments are still MIXED; every class in turn is the one that stays. */
static void test_a_mended_column_leaves_as_one_class(void **state)
{
    struct fixture *f = *state;
    const struct rhei_value kept[] = {model_integer(-5), model_real(0.5), model_text("a text beyond twelve bytes"),
                                      model_text("short"), model_blob("blob of some length", 19)};
    static const char *const formats[] = {"l", "g", "vu", "vu", "z"};
    for (size_t k = 0; k < 5; k++) {
        for (int64_t i = 0; i < 5000; i++) {
            struct rhei_value row[COLUMNS] = {model_integer(i),   model_real(1.5), model_text("short"),
                                              model_blob("b", 1), model_null(),    model_null()};
            row[4] = i % 3 == 0 ? model_null() : i % 40 == 1 ? kept[(k + 2) % 5] : kept[k];
            model_batch_add(&f->batch, CHANGE_UPSERT, row);
        }
        flush(f);
        check(f, true);
        for (int64_t i = 1; i < 5000; i += 40) {
            struct rhei_value row[COLUMNS] = {model_integer(i),
                                              model_real(1.5),
                                              model_text("short"),
                                              model_blob("b", 1),
                                              i % 3 == 0 ? model_null() : kept[k],
                                              model_null()};
            model_batch_add(&f->batch, CHANGE_UPSERT, row);
        }
        flush(f);
        check_as(f, true, formats[k]);
        delete_some(f, 5000, 3);
        check_as(f, true, formats[k]);
    }
}

static void test_numbers_are_not_copied(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    fill(f, 5000);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    assert_int_equal(mirror_export(f->mirror, &snapshot, 1, all_columns, NULL, 2, NULL, &stream, NULL), RHEI_OK);
    assert_int_equal(stream.get_next(&stream, &array), 0);
    struct mirror_column_data data;
    mirror_view_column(mirror_view(&snapshot, 1), 0, 0, 0, &data);
    assert_ptr_equal(array.children[0]->buffers[1], data.data);
    mirror_view_column(mirror_view(&snapshot, 1), 0, 0, 1, &data);
    assert_ptr_equal(array.children[1]->buffers[1], data.data);
    array.release(&array);
    stream.release(&stream);
    mirror_snapshot_release(&snapshot);
}

static void test_names_metadata_and_row_limit(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray array;
    const char *const names[] = {"first", "bad \xff name"};
    const char metadata[] = "\1\0\0\0\1\0\0\0k\2\0\0\0vv";
    struct mirror_export_options options = {.metadata = metadata, .metadata_len = sizeof metadata - 1, .max_rows = 7};
    fill(f, 100);
    delete_some(f, 3, 1);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    assert_int_equal(mirror_export(f->mirror, &snapshot, 1, all_columns, names, 2, &options, &stream, NULL), RHEI_OK);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_string_equal(schema.children[0]->name, "first");
    assert_string_equal(schema.children[1]->name, "bad ? name");
    assert_memory_equal(schema.metadata, metadata, sizeof metadata - 1);
    schema.release(&schema);
    assert_int_equal(stream.get_next(&stream, &array), 0);
    assert_int_equal(array.length, 7);
    assert_int_equal(((const int64_t *)array.children[0]->buffers[1])[0], 3);
    array.release(&array);
    assert_int_equal(stream.get_next(&stream, &array), 0);
    assert_null(array.release);
    stream.release(&stream);
    assert_int_equal(mirror_export(f->mirror, &snapshot, 2, all_columns, NULL, 1, NULL, &stream, NULL), RHEI_NOT_FOUND);
    const uint32_t beyond[] = {COLUMNS};
    assert_int_equal(mirror_export(f->mirror, &snapshot, 1, beyond, NULL, 1, NULL, &stream, NULL), RHEI_INVALID);
    mirror_snapshot_release(&snapshot);
}

static void test_d6_failing_memory_ends_a_stream_cleanly(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    fill(f, 3000);
    delete_some(f, 3000, 10);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    bool finished = false;
    for (uint64_t n = 1; !finished; n++) {
        struct ArrowArrayStream stream;
        struct ArrowSchema schema = {0};
        struct ArrowArray array = {0};
        struct mirror_export_options options = {.strings_view = n % 2 == 0};
        base_memory_fail_after(n);
        int code = (int)mirror_export(f->mirror, &snapshot, 1, all_columns, NULL, COLUMNS, &options, &stream, NULL);
        if (code == 0) {
            code = stream.get_schema(&stream, &schema);
            if (code == 0)
                code = stream.get_next(&stream, &array);
            if (code != 0)
                assert_non_null(stream.get_last_error(&stream));
        }
        base_memory_fail_after(0);
        finished = code == 0;
        if (schema.release != NULL)
            schema.release(&schema);
        if (array.release != NULL)
            array.release(&array);
        if (stream.release != NULL)
            stream.release(&stream);
        assert_true(n < 1000);
    }
    mirror_snapshot_release(&snapshot);
    struct mirror_status status;
    mirror_status(f->mirror, &status);
    assert_int_equal(status.snapshots_held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a5_every_value_leaves_as_it_is, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a_mended_column_leaves_as_one_class, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_numbers_are_not_copied, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_names_metadata_and_row_limit, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_d6_failing_memory_ends_a_stream_cleanly, setup, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
