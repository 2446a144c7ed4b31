/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nanoarrow/nanoarrow.h>

#include "arrow/arrow_cursor.h"
#include "arrow/arrow_ipc.h"
#include "arrow/arrow_stream.h"
#include "arrow_ipc_vectors.h"
#include "arrow_test_rows.h"
#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum { COLUMNS = 4, ROWS = 500 };
static const char *const names[] = {"a", "b", "c", "d"};

static void check(int code)
{
    assert_int_equal(code, NANOARROW_OK);
}

static rhei_status append_bytes(void *context, const void *bytes, size_t len, struct rhei_error *error)
{
    struct base_buffer *buffer = context;
    base_buffer_append(buffer, bytes, len);
    return buffer->failed ? error_no_memory(error) : RHEI_OK;
}

struct bytes_input {
    const struct base_buffer *buffer;
    size_t at;
    size_t step; /* at most so many bytes at a time */
    int releases;
};

static rhei_status read_bytes(void *context, void *bytes, size_t len, size_t *got, struct rhei_error *error)
{
    struct bytes_input *input = context;
    (void)error;
    *got = input->buffer->len - input->at;
    *got = *got < len ? *got : len;
    *got = *got < input->step ? *got : input->step;
    memcpy(bytes, input->buffer->data + input->at, *got);
    input->at += *got;
    return RHEI_OK;
}

static void release_bytes(void *context)
{
    ((struct bytes_input *)context)->releases++;
}

/* Column a: integers; b: texts with NULLs; c: every class; d: NULL and then reals. */
static void make_values(struct rhei_value *values)
{
    static const char *const words[] = {"", "short", "a text over twelve bytes", "\xE2\x82\xAC"};
    for (int row = 0; row < ROWS; row++) {
        struct rhei_value *cells = values + row * COLUMNS;
        struct rhei_value mixed[] = {test_null(), test_integer(row), test_real(row / 3.0), test_text(words[row % 4]),
                                     test_blob("\xFF\xFE")};
        cells[0] = test_integer((int64_t)row * 1000003);
        cells[1] = row % 3 == 0 ? test_null() : test_text(words[row % 4]);
        cells[2] = mixed[row % 5];
        cells[3] = row < 10 ? test_null() : test_real(row * 0.1);
    }
}

static void open_rows(struct test_rows *rows, bool strings_view, struct ArrowArrayStream *stream)
{
    static const uint8_t known[COLUMNS] = {RHEI_INTEGER, RHEI_TEXT, RHEI_NULL, RHEI_REAL};
    static const struct arrow_pair pair = {"rhei.route", "oltp"};
    struct arrow_row_options options = {
        .columns = {.count = COLUMNS, .names = names, .known_class = known, .strings_view = strings_view},
        .pairs = &pair,
        .pair_count = 1,
        .batch_rows = 64,
    };
    struct arrow_row_source source = test_rows_source(rows);
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_row_stream(&source, &options, stream, &error), RHEI_OK);
}

static void write_stream(struct ArrowArrayStream *stream, bool file, int codec, struct base_buffer *out)
{
    struct arrow_ipc_options options = {.file = file, .codec = codec};
    struct arrow_ipc_sink sink = {append_bytes, out};
    struct rhei_error error = RHEI_ERROR_INIT;
    if (arrow_ipc_write(stream, &options, &sink, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_null(stream->release);
}

static void open_input(struct bytes_input *input, const struct base_buffer *buffer, size_t step,
                       struct arrow_cursor **cursor)
{
    *input = (struct bytes_input){.buffer = buffer, .step = step};
    struct arrow_ipc_input source = {read_bytes, release_bytes, input};
    struct ArrowArrayStream stream;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (arrow_ipc_read(&source, &stream, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(arrow_cursor_open(&stream, cursor, &error), RHEI_OK);
}

static void expect_rows(struct arrow_cursor *cursor, const struct rhei_value *values, size_t rows, uint32_t columns)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    for (size_t row = 0; row < rows; row++) {
        rhei_status status = arrow_cursor_next(cursor, &error);
        if (status != RHEI_ROW)
            fail_msg("row %zu: %s", row, error.message);
        for (uint32_t column = 0; column < columns; column++) {
            struct rhei_value value;
            assert_int_equal(arrow_cursor_value(cursor, column, &value, &error), RHEI_OK);
            assert_same_value(&value, &values[row * columns + column]);
        }
    }
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_DONE);
}

static void test_rows_come_back(void **state)
{
    (void)state;
    static struct rhei_value values[ROWS * COLUMNS];
    make_values(values);
    size_t plain_len = 0;
    for (int variant = 0; variant < 12; variant++) {
        int codec = variant % 3;
        struct test_rows rows;
        struct ArrowArrayStream stream;
        struct base_buffer bytes = {0};
        test_rows_init(&rows, values, COLUMNS, ROWS);
        open_rows(&rows, variant >= 6, &stream);
        write_stream(&stream, variant / 3 % 2 == 1, codec, &bytes);
        assert_int_equal(rows.releases, 1);
        assert_int_equal(bytes.len % 8, variant / 3 % 2 == 1 ? (bytes.len % 8) : 0);
        if (codec == ARROW_IPC_PLAIN)
            plain_len = bytes.len;
        else
            assert_true(bytes.len < plain_len);
        struct bytes_input input;
        struct arrow_cursor *cursor;
        open_input(&input, &bytes, variant % 2 == 0 ? 7 : SIZE_MAX, &cursor);
        const struct ArrowSchema *schema = arrow_cursor_schema(cursor);
        assert_memory_equal(arrow_metadata_find(schema->metadata, "rhei.route", NULL), "oltp", 4);
        assert_string_equal(schema->children[1]->format, "u");
        assert_string_equal(schema->children[2]->format, "+ud:0,1,2,3");
        assert_string_equal(schema->children[2]->children[2]->format, "u");
        expect_rows(cursor, values, ROWS, COLUMNS);
        arrow_cursor_close(&cursor);
        assert_int_equal(input.releases, 1);
        base_buffer_reset(&bytes);
    }
}

static void test_file_has_magic_and_footer(void **state)
{
    (void)state;
    struct test_rows rows;
    struct ArrowArrayStream stream;
    struct base_buffer bytes = {0};
    test_rows_init(&rows, NULL, COLUMNS, 0);
    open_rows(&rows, false, &stream);
    write_stream(&stream, true, ARROW_IPC_PLAIN, &bytes);
    assert_memory_equal(bytes.data, "ARROW1\0\0\xFF\xFF\xFF\xFF", 12);
    assert_memory_equal(bytes.data + bytes.len - 6, "ARROW1", 6);
    int32_t footer;
    memcpy(&footer, bytes.data + bytes.len - 10, sizeof footer);
    assert_in_range(footer, 8, bytes.len - 8);
    struct bytes_input input;
    struct arrow_cursor *cursor;
    open_input(&input, &bytes, SIZE_MAX, &cursor);
    expect_rows(cursor, NULL, 0, COLUMNS);
    arrow_cursor_close(&cursor);
    base_buffer_reset(&bytes);
}

/* A batch of one column; takes both. */
static void one_column(struct ArrowSchema *type, struct ArrowArray *column, struct ArrowArrayStream *stream)
{
    struct ArrowSchema schema;
    struct ArrowArray batch;
    ArrowSchemaInit(&schema);
    check(ArrowSchemaSetType(&schema, NANOARROW_TYPE_STRUCT));
    check(ArrowSchemaAllocateChildren(&schema, 1));
    ArrowSchemaMove(type, schema.children[0]);
    check(ArrowArrayInitFromType(&batch, NANOARROW_TYPE_STRUCT));
    check(ArrowArrayAllocateChildren(&batch, 1));
    batch.length = column->length;
    ArrowArrayMove(column, batch.children[0]);
    check(ArrowBasicArrayStreamInit(stream, &schema, 1));
    ArrowBasicArrayStreamSetArray(stream, 0, &batch);
}

static void append_item(struct ArrowArray *column, enum ArrowType type, int item)
{
    char text[32];
    snprintf(text, sizeof text, "item number %d", item);
    if (item % 4 == 3)
        check(ArrowArrayAppendNull(column, 1));
    else if (type == NANOARROW_TYPE_LIST || type == NANOARROW_TYPE_FIXED_SIZE_LIST) {
        check(ArrowArrayAppendInt(column->children[0], item));
        check(ArrowArrayAppendInt(column->children[0], -item));
        check(ArrowArrayFinishElement(column));
    } else if (type == NANOARROW_TYPE_STRUCT) {
        check(ArrowArrayAppendInt(column->children[0], item));
        check(ArrowArrayAppendString(column->children[1], ArrowCharView(text)));
        check(ArrowArrayFinishElement(column));
    } else if (type == NANOARROW_TYPE_DENSE_UNION || type == NANOARROW_TYPE_SPARSE_UNION) {
        if (item % 2 == 0)
            check(ArrowArrayAppendInt(column->children[0], item));
        else
            check(ArrowArrayAppendString(column->children[1], ArrowCharView(text)));
        check(ArrowArrayFinishUnionElement(column, (int8_t)(item % 2)));
    } else if (type == NANOARROW_TYPE_DICTIONARY)
        check(ArrowArrayAppendInt(column, item % 3));
    else if (type == NANOARROW_TYPE_STRING || type == NANOARROW_TYPE_LARGE_STRING ||
             type == NANOARROW_TYPE_STRING_VIEW || type == NANOARROW_TYPE_BINARY_VIEW)
        check(ArrowArrayAppendBytes(column, (struct ArrowBufferView){{text}, (int64_t)strlen(text)}));
    else
        check(ArrowArrayAppendInt(column, type == NANOARROW_TYPE_BOOL ? item % 2 : item));
}

static void make_column(enum ArrowType type, struct ArrowSchema *schema, struct ArrowArray *column)
{
    ArrowSchemaInit(schema);
    if (type == NANOARROW_TYPE_STRUCT)
        check(ArrowSchemaSetTypeStruct(schema, 2));
    else if (type == NANOARROW_TYPE_DENSE_UNION || type == NANOARROW_TYPE_SPARSE_UNION)
        check(ArrowSchemaSetTypeUnion(schema, type, 2));
    else if (type == NANOARROW_TYPE_FIXED_SIZE_LIST)
        check(ArrowSchemaSetTypeFixedSize(schema, type, 2));
    else
        check(ArrowSchemaSetType(schema, type == NANOARROW_TYPE_DICTIONARY ? NANOARROW_TYPE_INT16 : type));
    if (schema->n_children > 0) {
        check(ArrowSchemaSetType(schema->children[0], NANOARROW_TYPE_INT32));
        check(ArrowSchemaSetName(schema->children[0], "x"));
    }
    if (schema->n_children > 1) {
        check(ArrowSchemaSetType(schema->children[1], NANOARROW_TYPE_STRING));
        check(ArrowSchemaSetName(schema->children[1], "y"));
    }
    if (type == NANOARROW_TYPE_DICTIONARY) {
        check(ArrowSchemaAllocateDictionary(schema));
        check(ArrowSchemaInitFromType(schema->dictionary, NANOARROW_TYPE_STRING));
    }
    check(ArrowArrayInitFromSchema(column, schema, NULL));
    check(ArrowArrayStartAppending(column));
    if (type == NANOARROW_TYPE_DICTIONARY) {
        check(ArrowArrayAppendString(column->dictionary, ArrowCharView("red")));
        check(ArrowArrayAppendNull(column->dictionary, 1));
        check(ArrowArrayAppendString(column->dictionary, ArrowCharView("blue")));
    }
    for (int item = 0; item < 40; item++)
        append_item(column, type, item);
    check(ArrowArrayFinishBuilding(column, NANOARROW_VALIDATION_LEVEL_MINIMAL, NULL));
}

/* Every type, as a piece from its middle, is read back as the piece reads without IPC. */
static void check_piece(enum ArrowType type, int64_t offset, int64_t length, int codec)
{
    struct arrow_cursor *cursors[2];
    struct base_buffer bytes = {0};
    struct bytes_input input;
    for (int i = 0; i < 2; i++) {
        struct ArrowSchema schema;
        struct ArrowArray column;
        struct ArrowArrayStream stream;
        make_column(type, &schema, &column);
        column.offset = offset;
        column.length = length;
        column.null_count = -1;
        one_column(&schema, &column, &stream);
        struct rhei_error error = RHEI_ERROR_INIT;
        if (i == 0) {
            assert_int_equal(arrow_cursor_open(&stream, &cursors[0], &error), RHEI_OK);
        } else {
            write_stream(&stream, false, codec, &bytes);
            open_input(&input, &bytes, SIZE_MAX, &cursors[1]);
        }
    }
    struct rhei_error error = RHEI_ERROR_INIT;
    for (int64_t row = 0; row < length; row++) {
        struct rhei_value value[2];
        for (int i = 0; i < 2; i++) {
            assert_int_equal(arrow_cursor_next(cursors[i], &error), RHEI_ROW);
            rhei_status status = arrow_cursor_value(cursors[i], 0, &value[i], &error);
            if (status != RHEI_OK)
                fail_msg("type %d: %s", type, error.message);
        }
        assert_same_value(&value[1], &value[0]);
    }
    assert_int_equal(arrow_cursor_next(cursors[1], &error), RHEI_DONE);
    arrow_cursor_close(&cursors[0]);
    arrow_cursor_close(&cursors[1]);
    base_buffer_reset(&bytes);
}

static void test_pieces_of_every_type(void **state)
{
    (void)state;
    static const enum ArrowType types[] = {
        NANOARROW_TYPE_BOOL,        NANOARROW_TYPE_INT8,        NANOARROW_TYPE_INT64,
        NANOARROW_TYPE_DOUBLE,      NANOARROW_TYPE_STRING,      NANOARROW_TYPE_LARGE_STRING,
        NANOARROW_TYPE_STRING_VIEW, NANOARROW_TYPE_BINARY_VIEW, NANOARROW_TYPE_LIST,
        NANOARROW_TYPE_STRUCT,      NANOARROW_TYPE_DENSE_UNION, NANOARROW_TYPE_SPARSE_UNION,
        NANOARROW_TYPE_DICTIONARY,  NANOARROW_TYPE_DATE32,      NANOARROW_TYPE_FIXED_SIZE_LIST,
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        check_piece(types[i], 0, 40, ARROW_IPC_PLAIN);
        check_piece(types[i], 8, 16, ARROW_IPC_PLAIN);
        check_piece(types[i], 5, 30, ARROW_IPC_LZ4);
        check_piece(types[i], 3, 1, ARROW_IPC_ZSTD);
        check_piece(types[i], 17, 0, ARROW_IPC_PLAIN);
    }
}

/* A server cuts a batch by the bytes of its messages: pieces of a union may not each have all of its members. */
static void test_pieces_of_a_union_are_together_as_large_as_it(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowSchema schema, whole_schema;
    struct ArrowArray column, batch;
    struct ArrowArrayStream stream;
    struct arrow_ipc_encoder *encoder = NULL;
    struct arrow_ipc_message message;
    make_column(NANOARROW_TYPE_DENSE_UNION, &schema, &column);
    one_column(&schema, &column, &stream);
    assert_int_equal(stream.get_schema(&stream, &whole_schema), 0);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    assert_int_equal(arrow_ipc_encoder_new(&whole_schema, ARROW_IPC_PLAIN, &encoder, &error), RHEI_OK);
    assert_int_equal(arrow_ipc_encode_batch(encoder, &batch, &message, &error), RHEI_OK);
    int64_t whole = message.body_len, together = 0, pieces = 5;
    for (int64_t i = 0; i < pieces; i++) {
        struct ArrowArray piece = batch;
        piece.offset = i * 8;
        piece.length = 8;
        assert_int_equal(arrow_ipc_encode_batch(encoder, &piece, &message, &error), RHEI_OK);
        together += message.body_len;
    }
    assert_true(together <= whole + pieces * 6 * 8); /* six buffers, each filled up to 8 bytes */
    arrow_ipc_encoder_free(&encoder);
    batch.release(&batch);
    whole_schema.release(&whole_schema);
    stream.release(&stream);
}

static void test_null_column(void **state)
{
    (void)state;
    check_piece(NANOARROW_TYPE_INT64, 3, 1, ARROW_IPC_PLAIN);
    struct ArrowSchema type;
    struct ArrowArray column;
    struct ArrowArrayStream stream;
    struct base_buffer bytes = {0};
    struct bytes_input input;
    struct arrow_cursor *cursor;
    check(ArrowSchemaInitFromType(&type, NANOARROW_TYPE_NA));
    check(ArrowArrayInitFromSchema(&column, &type, NULL));
    check(ArrowArrayStartAppending(&column));
    check(ArrowArrayAppendNull(&column, 3));
    check(ArrowArrayFinishBuildingDefault(&column, NULL));
    one_column(&type, &column, &stream);
    write_stream(&stream, false, ARROW_IPC_PLAIN, &bytes);
    open_input(&input, &bytes, SIZE_MAX, &cursor);
    struct rhei_value expected[] = {test_null(), test_null(), test_null()};
    expect_rows(cursor, expected, 3, 1);
    arrow_cursor_close(&cursor);
    base_buffer_reset(&bytes);
}

static void test_types_that_can_not_be_written(void **state)
{
    (void)state;
    struct ArrowSchema type;
    struct ArrowArray column;
    struct ArrowArrayStream stream;
    struct base_buffer bytes = {0};
    check(ArrowSchemaInitFromType(&type, NANOARROW_TYPE_INT8));
    check(ArrowSchemaAllocateDictionary(&type));
    check(ArrowSchemaInitFromType(type.dictionary, NANOARROW_TYPE_DOUBLE));
    check(ArrowArrayInitFromSchema(&column, &type, NULL));
    one_column(&type, &column, &stream);
    struct arrow_ipc_options options = {.file = false};
    struct arrow_ipc_sink sink = {append_bytes, &bytes};
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_ipc_write(&stream, &options, &sink, &error), RHEI_UNSUPPORTED);
    assert_null(stream.release);
    assert_int_equal(bytes.len, 0);
    base_buffer_reset(&bytes);
}

static rhei_status full_sink(void *context, const void *bytes, size_t len, struct rhei_error *error)
{
    size_t *left = context;
    (void)bytes;
    if (len > *left)
        return error_set(error, RHEI_FULL, "the disk is full");
    *left -= len;
    return RHEI_OK;
}

static void test_failing_sink_ends_the_stream(void **state)
{
    (void)state;
    static struct rhei_value values[ROWS * COLUMNS];
    make_values(values);
    for (size_t room = 0; room < 3000; room += 250) {
        struct test_rows rows;
        struct ArrowArrayStream stream;
        test_rows_init(&rows, values, COLUMNS, ROWS);
        open_rows(&rows, false, &stream);
        struct arrow_ipc_options options = {.file = true};
        size_t left = room;
        struct arrow_ipc_sink sink = {full_sink, &left};
        struct rhei_error error = RHEI_ERROR_INIT;
        assert_int_equal(arrow_ipc_write(&stream, &options, &sink, &error), RHEI_FULL);
        assert_string_equal(error.message, "the disk is full");
        assert_null(stream.release);
        assert_int_equal(rows.releases, 1);
    }
}

static void test_failing_source_is_the_error(void **state)
{
    (void)state;
    static struct rhei_value values[ROWS * COLUMNS];
    make_values(values);
    struct test_rows rows;
    struct ArrowArrayStream stream;
    struct base_buffer bytes = {0};
    test_rows_init(&rows, values, COLUMNS, ROWS);
    rows.fail_at = 300;
    open_rows(&rows, false, &stream);
    struct arrow_ipc_options options = {.file = false};
    struct arrow_ipc_sink sink = {append_bytes, &bytes};
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_ipc_write(&stream, &options, &sink, &error), RHEI_BUSY);
    assert_int_equal(rows.releases, 1);
    base_buffer_reset(&bytes);
}

/* Reads to the end or the first error; counts rows. */
static rhei_status read_damaged(const struct base_buffer *bytes, size_t *rows, struct rhei_error *error)
{
    struct bytes_input input = {.buffer = bytes, .step = SIZE_MAX};
    struct arrow_ipc_input source = {read_bytes, release_bytes, &input};
    struct ArrowArrayStream stream;
    struct arrow_cursor *cursor = NULL;
    *rows = 0;
    rhei_status status = arrow_ipc_read(&source, &stream, error);
    if (status == RHEI_OK)
        status = arrow_cursor_open(&stream, &cursor, error);
    while (status == RHEI_OK && (status = arrow_cursor_next(cursor, error)) == RHEI_ROW) {
        status = RHEI_OK;
        struct rhei_value value;
        for (uint32_t i = 0; status == RHEI_OK && i < arrow_cursor_column_count(cursor); i++)
            status = arrow_cursor_value(cursor, i, &value, error);
        (*rows)++;
    }
    arrow_cursor_close(&cursor);
    assert_int_equal(input.releases, 1);
    return status;
}

static void write_sample(struct base_buffer *bytes, int codec)
{
    static struct rhei_value values[ROWS * COLUMNS];
    make_values(values);
    struct test_rows rows;
    struct ArrowArrayStream stream;
    test_rows_init(&rows, values, COLUMNS, 150);
    open_rows(&rows, false, &stream);
    write_stream(&stream, false, codec, bytes);
}

static void test_what_is_not_arrow(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "hello", "SQLite format 3", "{\"a\": 1, \"b\": [1, 2, 3]}"};
    for (size_t i = 0; i < 4; i++) {
        struct base_buffer bytes = {0};
        base_buffer_text(&bytes, texts[i]);
        struct rhei_error error = RHEI_ERROR_INIT;
        size_t rows;
        assert_int_equal(read_damaged(&bytes, &rows, &error), RHEI_IO);
        assert_non_null(strstr(error.message, "the Arrow input can't be read: "));
        base_buffer_reset(&bytes);
    }
}

static void test_stream_of_another_writer(void **state)
{
    (void)state;
    struct base_buffer bytes = {0};
    base_buffer_append(&bytes, stream_plain, sizeof stream_plain);
    struct bytes_input input;
    struct arrow_cursor *cursor;
    open_input(&input, &bytes, SIZE_MAX, &cursor);
    struct rhei_value expected[] = {
        test_text("red"),  test_text("[1,2]"), test_text("1970-01-01 00:00:00+00:00"),
        test_text("blue"), test_null(),        test_text("1970-01-01 00:00:00.001+00:00"),
        test_null(),       test_text("[]"),    test_text("1970-01-01 00:00:00.002+00:00"),
        test_text("red"),  test_text("[3]"),   test_null(),
    };
    expect_rows(cursor, expected, 4, 3);
    arrow_cursor_close(&cursor);
    base_buffer_reset(&bytes);
}

static void test_compressed_dictionary_is_refused(void **state)
{
    (void)state;
    struct base_buffer bytes = {0};
    base_buffer_append(&bytes, stream_packed, sizeof stream_packed);
    struct rhei_error error = RHEI_ERROR_INIT;
    size_t rows;
    assert_int_equal(read_damaged(&bytes, &rows, &error), RHEI_UNSUPPORTED);
    assert_non_null(strstr(error.message, "a compressed dictionary"));
    base_buffer_reset(&bytes);
}

static void test_cut_streams(void **state)
{
    (void)state;
    struct base_buffer bytes = {0};
    write_sample(&bytes, ARROW_IPC_PLAIN);
    for (size_t len = 0; len < bytes.len; len += 37) {
        struct base_buffer cut = {.data = base_strndup(bytes.data, len), .len = len};
        struct rhei_error error = RHEI_ERROR_INIT;
        size_t rows;
        rhei_status status = read_damaged(&cut, &rows, &error);
        assert_true(status != RHEI_OK);
        assert_true(rows < 150 || len >= bytes.len - 8); /* without the end mark, the end is the end */
        base_buffer_reset(&cut);
    }
    base_buffer_reset(&bytes);
}

static void test_damaged_streams(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t random = (given != NULL ? strtoull(given, NULL, 0) : base_random_u64()) | 1;
    print_message("RHEI_TEST_SEED=%llu\n", (unsigned long long)random);
    for (int codec = 0; codec < 4; codec++) {
        struct base_buffer bytes = {0};
        if (codec < 3)
            write_sample(&bytes, codec);
        else
            base_buffer_append(&bytes, stream_plain, sizeof stream_plain);
        size_t refused = 0;
        for (int round = 0; round < 700; round++) {
            struct base_buffer damaged = {.data = base_strndup(bytes.data, bytes.len), .len = bytes.len};
            for (int change = 0; change < 1 + round % 3; change++) {
                random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
                size_t range =
                    round % 2 == 0 && bytes.len > 1500 ? 1500 : bytes.len; /* half of them among the first headers */
                damaged.data[(random >> 33) % range] = (char)(random >> 24);
            }
            size_t rows;
            refused += read_damaged(&damaged, &rows, NULL) != RHEI_DONE;
            base_buffer_reset(&damaged);
        }
        assert_true(refused > 0);
        base_buffer_reset(&bytes);
    }
}

static void test_every_failing_allocation_is_an_error(void **state)
{
    (void)state;
    static struct rhei_value values[ROWS * COLUMNS];
    make_values(values);
    uint64_t failed = 0;
    for (uint64_t nth = 1;; nth++) {
        struct test_rows rows;
        struct ArrowArrayStream stream;
        test_rows_init(&rows, values, COLUMNS, 70);
        open_rows(&rows, true, &stream);
        struct arrow_ipc_options options = {.file = true, .codec = ARROW_IPC_ZSTD};
        size_t left = SIZE_MAX;
        struct arrow_ipc_sink sink = {full_sink, &left};
        struct rhei_error error = RHEI_ERROR_INIT;
        base_memory_fail_after(nth);
        rhei_status status = arrow_ipc_write(&stream, &options, &sink, &error);
        base_memory_fail_after(0);
        assert_null(stream.release);
        assert_int_equal(rows.releases, 1);
        if (status == RHEI_OK)
            break;
        assert_int_equal(status, RHEI_NO_MEMORY);
        failed++;
    }
    assert_true(failed > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_come_back),
        cmocka_unit_test(test_file_has_magic_and_footer),
        cmocka_unit_test(test_pieces_of_every_type),
        cmocka_unit_test(test_pieces_of_a_union_are_together_as_large_as_it),
        cmocka_unit_test(test_null_column),
        cmocka_unit_test(test_types_that_can_not_be_written),
        cmocka_unit_test(test_failing_sink_ends_the_stream),
        cmocka_unit_test(test_failing_source_is_the_error),
        cmocka_unit_test(test_what_is_not_arrow),
        cmocka_unit_test(test_stream_of_another_writer),
        cmocka_unit_test(test_compressed_dictionary_is_refused),
        cmocka_unit_test(test_cut_streams),
        cmocka_unit_test(test_damaged_streams),
        cmocka_unit_test(test_every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
