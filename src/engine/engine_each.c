/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A statement run once for each row of an Arrow stream of parameters.
 *
 * 1. What writes is one transaction: rows are gathered to blocks, and a block is one batch; several blocks are of a transaction of
 *    their own, or of a savepoint within the session's. What they return is kept until all are written.
 * 2. What reads is asked when its rows are wanted, one question after another, with what is left of the call's time.
 * 3. One row alone is run as any statement with parameters, so its answer isn't copied.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"

enum { BLOCK_ROWS = 1000, BLOCK_BYTES = 1 << 20 };

/* Rows of parameters, whose bytes are the block's own: offsets until it is lent out. */
struct block {
    struct arrow_cursor *cursor;
    uint32_t columns;
    struct rhei_value *values; /* [capacity][columns] */
    size_t capacity, rows;
    int64_t before; /* rows of the blocks before this one */
    struct base_buffer bytes;
};

static void block_reset(struct block *block)
{
    arrow_cursor_close(&block->cursor);
    base_buffer_reset(&block->bytes);
    base_free(block->values);
}

/* Takes the stream. */
static rhei_status block_open(struct block *block, struct ArrowArrayStream *parameters, uint32_t needed, size_t rows,
                              struct rhei_error *error)
{
    rhei_status status = arrow_cursor_open(parameters, &block->cursor, error);
    if (status != RHEI_OK)
        return status;
    block->columns = arrow_cursor_column_count(block->cursor);
    block->capacity = rows;
    if (block->columns != needed)
        return error_set(error, RHEI_INVALID,
                         "the statement has %u parameters, and the rows bound to it have %u columns", needed,
                         block->columns);
    block->values = base_alloc_zero(rows * block->columns + 1, sizeof *block->values);
    return block->values == NULL ? error_no_memory(error) : RHEI_OK;
}

static rhei_status take_row(struct block *block, struct rhei_error *error)
{
    struct rhei_value *row = block->values + block->rows * block->columns;
    for (uint32_t c = 0; c < block->columns; c++) {
        rhei_status status = arrow_cursor_value(block->cursor, c, &row[c], error);
        if (status != RHEI_OK) {
            error_context(error, "row %lld, parameter %u: ", (long long)(block->before + (int64_t)block->rows) + 1,
                          c + 1);
            return status;
        }
        if (row[c].type < RHEI_TEXT)
            continue;
        size_t at = block->bytes.len;
        base_buffer_append(&block->bytes, row[c].as.bytes, row[c].length);
        row[c].as.integer = (int64_t)at;
    }
    block->rows++;
    return block->bytes.failed ? error_no_memory(error) : RHEI_OK;
}

/* RHEI_ROW: the block is full, and there may be more rows; RHEI_DONE: these are the last. Its bytes are lent until the next fill. */
static rhei_status block_fill(struct block *block, struct rhei_error *error)
{
    rhei_status status = RHEI_ROW;
    block->before += (int64_t)block->rows;
    block->rows = 0;
    base_buffer_clear(&block->bytes);
    while (status == RHEI_ROW && block->rows < block->capacity && block->bytes.len < BLOCK_BYTES) {
        status = arrow_cursor_next(block->cursor, error);
        rhei_status taken = status == RHEI_ROW ? take_row(block, error) : RHEI_OK;
        if (taken != RHEI_OK)
            return taken;
    }
    for (size_t i = 0; i < block->rows * block->columns; i++)
        if (block->values[i].type >= RHEI_TEXT)
            block->values[i].as.bytes =
                block->bytes.data == NULL ? "" : block->bytes.data + block->values[i].as.integer;
    return status;
}

/* What is left of a call's time, in its own unit; 0 is no limit there, so the least is 1. */
static int64_t time_left(int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX)
        return 0;
    int64_t left = (deadline_ns - base_now_ns()) / 1000000;
    return left > 0 ? left : 1;
}

static int64_t deadline_of(int64_t timeout_ms)
{
    return timeout_ms <= 0 || timeout_ms > INT64_MAX / 4000000 ? INT64_MAX : base_now_ns() + timeout_ms * 1000000;
}

/* ---- The transaction of what writes. ------------------------------------------------------------------------------ */

struct each_transaction {
    rhei_session *session; /* the statement's, or one of our own */
    bool own;
    bool inside; /* the statement's session has a transaction of its own */
    bool began;
};

static rhei_status begin(struct each_transaction *transaction, const rhei_statement *statement,
                         struct rhei_error *error)
{
    *transaction = (struct each_transaction){.session = statement->session, .own = statement->session == NULL};
    rhei_status status = transaction->own ? rhei_session_open(statement->db, &transaction->session, error) : RHEI_OK;
    transaction->inside = rhei_session_in_transaction(transaction->session);
    if (status == RHEI_OK)
        status = rhei_session_execute(transaction->session, transaction->inside ? "SAVEPOINT _rhei_each" : "BEGIN",
                                      NULL, NULL, error);
    transaction->began = status == RHEI_OK;
    return status;
}

static void take_back(const struct each_transaction *transaction)
{
    rhei_session *session = transaction->session;
    if (!rhei_session_in_transaction(session))
        return;
    if (!transaction->inside)
        (void)rhei_session_execute(session, "ROLLBACK", NULL, NULL, NULL);
    else if (rhei_session_execute(session, "ROLLBACK TO _rhei_each", NULL, NULL, NULL) == RHEI_OK)
        (void)rhei_session_execute(session, "RELEASE _rhei_each", NULL, NULL, NULL);
}

/* With what the rows came to: all are kept, or none. */
static rhei_status end(struct each_transaction *transaction, rhei_status status, struct rhei_result *done,
                       struct rhei_error *error)
{
    if (status == RHEI_OK)
        status = rhei_session_execute(transaction->session, transaction->inside ? "RELEASE _rhei_each" : "COMMIT", NULL,
                                      done, error);
    if (status != RHEI_OK && transaction->began)
        take_back(transaction);
    if (transaction->own)
        rhei_session_close(&transaction->session);
    return status;
}

/* ---- What writes. ------------------------------------------------------------------------------------------------ */

struct each_write {
    rhei_statement *statement;
    struct rhei_call_options options;
    int64_t deadline_ns;
    struct block block;
    rhei_session *session; /* of the blocks: the statement's, one of our own, or NULL while one batch may do */
    struct rhei_result done;
};

/* The row of an error counts over all blocks. */
static void count_row(const struct each_write *each, struct rhei_error *error)
{
    static const char row[] = "row ";
    char *end = NULL;
    if (each->block.before == 0 || error == NULL || strncmp(error->message, row, sizeof row - 1) != 0)
        return;
    long long number = strtoll(error->message + sizeof row - 1, &end, 10);
    if (*end != ':')
        return;
    memmove(error->message, end, strlen(end) + 1);
    error_context(error, "row %lld", number + (long long)each->block.before);
}

static rhei_status write_block(struct each_write *each, struct rhei_error *error)
{
    const struct block *block = &each->block;
    struct rhei_result done = {.struct_size = sizeof done};
    each->options.timeout_ms = time_left(each->deadline_ns);
    rhei_status status = each->session != NULL
                             ? rhei_session_execute_batch(each->session, each->statement->sql, block->values,
                                                          block->columns, block->rows, &each->options, &done, error)
                             : rhei_execute_batch_with(each->statement->db, each->statement->sql, block->values,
                                                       block->columns, block->rows, &each->options, &done, error);
    if (status != RHEI_OK) {
        count_row(each, error);
        return status;
    }
    each->done.changes += done.changes;
    each->done.last_insert_rowid = done.last_insert_rowid;
    each->done.position = done.position > 0 ? done.position : each->done.position;
    return RHEI_OK;
}

static rhei_status write_blocks(struct each_write *each, rhei_status filled, struct rhei_error *error)
{
    struct each_transaction transaction;
    struct rhei_result done = {.struct_size = sizeof done};
    rhei_status status = begin(&transaction, each->statement, error);
    each->session = transaction.session;
    while (status == RHEI_OK) {
        status = each->block.rows > 0 ? write_block(each, error) : RHEI_OK;
        if (status != RHEI_OK || filled == RHEI_DONE)
            break;
        filled = block_fill(&each->block, error);
        status = filled == RHEI_ROW || filled == RHEI_DONE ? RHEI_OK : filled;
    }
    status = end(&transaction, status, &done, error);
    each->done.position = done.position > 0 ? done.position : each->done.position;
    return status;
}

static rhei_status write_all(struct each_write *each, struct ArrowArrayStream *parameters, struct rhei_error *error)
{
    rhei_status status =
        block_open(&each->block, parameters, each->statement->shape.parameter_count, BLOCK_ROWS, error);
    if (status == RHEI_OK)
        status = block_fill(&each->block, error);
    if (status == RHEI_ROW)
        return write_blocks(each, status, error);
    if (status != RHEI_DONE || each->block.rows == 0)
        return status == RHEI_DONE ? RHEI_OK : status;
    each->session = each->statement->session;
    return write_block(each, error);
}

rhei_status rhei_statement_execute_each(rhei_statement *statement, struct ArrowArrayStream *parameters,
                                        const struct rhei_call_options *options, struct rhei_result *result,
                                        struct rhei_error *error)
{
    error_clear(error);
    if (parameters == NULL || parameters->release == NULL)
        return error_set(error, RHEI_INVALID, "rhei_statement_execute_each needs a stream that isn't released");
    struct each_write each = {.statement = statement, .done.struct_size = sizeof each.done};
    struct rhei_error own = RHEI_ERROR_INIT;
    if (error == NULL)
        error = &own;
    rhei_status status =
        statement == NULL
            ? error_set(error, RHEI_INVALID, "there is no statement: rhei_prepare failed, or it was closed")
            : engine_options_copy(&each.options, sizeof each.options, options, "rhei_call_options", error);
    if (status == RHEI_OK && each.options.timeout_ms < 0)
        status = error_set(error, RHEI_INVALID, "a time-out of %lld ms is none: 0 means no limit",
                           (long long)each.options.timeout_ms);
    if (status != RHEI_OK) {
        parameters->release(parameters);
        return status;
    }
    each.options.struct_size = sizeof each.options;
    each.deadline_ns = deadline_of(each.options.timeout_ms);
    status = write_all(&each, parameters, error);
    block_reset(&each.block);
    if (result != NULL) {
        enum { FIRST_SIZE = 32 };
        struct rhei_result none = {0};
        engine_struct_give(result, status == RHEI_OK ? &each.done : &none, sizeof each.done, FIRST_SIZE);
    }
    return status;
}

/* ---- What reads. ------------------------------------------------------------------------------------------------- */

struct each_read {
    rhei_db *db;
    rhei_session *session;
    char *sql;
    struct rhei_query_options options;
    int64_t deadline_ns;
    struct block block;
    rhei_status filled; /* RHEI_DONE: there is no block behind this one */
    size_t at;          /* the row of the block that is asked next */
    rhei_rows *rows;    /* of the row asked last; NULL: they are over */
    uint32_t columns;
};

static void read_free(void *context)
{
    struct each_read *each = context;
    rhei_rows_close(&each->rows);
    block_reset(&each->block);
    base_free(each->sql);
    base_free(each);
}

#define UNKNOWN UINT32_MAX /* columns of a text in the column store's own words, before its first answer */

/* RHEI_OK, or RHEI_DONE: there is no row left to ask. */
static rhei_status ask_next(struct each_read *each, struct rhei_error *error)
{
    while (each->at == each->block.rows) {
        if (each->filled == RHEI_DONE)
            return RHEI_DONE;
        each->filled = block_fill(&each->block, error);
        each->at = 0;
        if (each->filled != RHEI_ROW && each->filled != RHEI_DONE)
            return each->filled;
    }
    struct rhei_params params = {each->block.values + each->at * each->block.columns, each->block.columns};
    each->at++;
    each->options.timeout_ms = time_left(each->deadline_ns);
    rhei_status status = each->session != NULL
                             ? rhei_session_query(each->session, each->sql, &params, &each->options, &each->rows, error)
                             : rhei_query(each->db, each->sql, &params, &each->options, &each->rows, error);
    if (status == RHEI_OK && each->columns != UNKNOWN && rhei_rows_column_count(each->rows) != each->columns)
        status = error_set(error, RHEI_SQL, "the schema was changed while the statement was asked row by row");
    return status;
}

static rhei_status read_next(void *context, struct rhei_value *row, struct rhei_error *error)
{
    struct each_read *each = context;
    rhei_status status = RHEI_DONE;
    while (status == RHEI_DONE) {
        if (each->rows == NULL && (status = ask_next(each, error)) != RHEI_OK)
            return status;
        status = rhei_rows_next(each->rows, error);
        if (status == RHEI_DONE)
            rhei_rows_close(&each->rows);
    }
    for (uint32_t c = 0; status == RHEI_ROW && c < each->columns; c++)
        row[c] = rhei_rows_value(each->rows, c);
    return status;
}

/* Their columns are those of the first answer, which is kept to be read. */
static rhei_status learn_columns(struct each_read *each, const char ***names, struct rhei_error *error)
{
    each->columns = UNKNOWN;
    rhei_status status = ask_next(each, error);
    if (status != RHEI_OK && status != RHEI_DONE)
        return status;
    each->columns = each->rows == NULL ? 0 : rhei_rows_column_count(each->rows);
    *names = base_alloc_zero((size_t)each->columns + 1, sizeof **names);
    for (uint32_t c = 0; *names != NULL && c < each->columns; c++)
        (*names)[c] = rhei_rows_column_name(each->rows, c);
    return *names == NULL ? error_no_memory(error) : RHEI_OK;
}

/* Takes `each`, also when it fails. */
static rhei_status native_to_stream(struct each_read *each, struct ArrowArrayStream *stream, struct rhei_error *error)
{
    const char **names = NULL;
    rhei_status status = learn_columns(each, &names, error);
    uint8_t *usual = base_alloc_zero((size_t)each->columns % UNKNOWN + 1, 1);
    if (status == RHEI_OK && usual == NULL)
        status = error_no_memory(error);
    if (status == RHEI_OK) {
        struct arrow_row_source source = {.next = read_next, .release = read_free, .context = each};
        struct arrow_row_options options = {.columns = {.count = each->columns,
                                                        .names = names,
                                                        .usual_class = usual,
                                                        .strings_view = each->options.strings == RHEI_STRINGS_VIEW}};
        status = arrow_row_stream(&source, &options, stream, error);
    } else {
        read_free(each);
    }
    base_free(usual);
    base_free(names);
    return status;
}

/* Takes `each`, also when it fails. */
static rhei_status read_to_stream(struct each_read *each, const rhei_statement *statement,
                                  struct ArrowArrayStream *stream, struct rhei_error *error)
{
    const struct oltp_shape *shape = &statement->shape;
    if (engine_statement_is_native(statement))
        return native_to_stream(each, stream, error);
    uint8_t *usual = base_alloc_zero((size_t)shape->column_count + 1, 1);
    if (usual == NULL) {
        read_free(each);
        return error_no_memory(error);
    }
    engine_usual_classes(each->db, statement->described, NULL, shape->column_types, shape->column_count, usual);
    struct arrow_row_source source = {.next = read_next, .release = read_free, .context = each};
    struct arrow_row_options options = {
        .columns = {.count = shape->column_count,
                    .names = shape->column_names,
                    .usual_class = usual,
                    .strings_view = each->options.strings == RHEI_STRINGS_VIEW},
    };
    rhei_status status = arrow_row_stream(&source, &options, stream, error);
    base_free(usual);
    return status;
}

/* All rows are written, and what they return is kept, before the first is shown. Takes `each`, also when it fails. */
static rhei_status write_to_stream(struct each_read *each, const rhei_statement *statement,
                                   struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct each_transaction transaction;
    struct ArrowArrayStream returned;
    rhei_status status = begin(&transaction, statement, error);
    each->session = transaction.session;
    if (status == RHEI_OK)
        status = read_to_stream(each, statement, &returned, error);
    else
        read_free(each);
    if (status == RHEI_OK)
        status = arrow_keep_stream(&returned, stream, error);
    bool kept = status == RHEI_OK;
    status = end(&transaction, status, NULL, error);
    if (status != RHEI_OK && kept)
        stream->release(stream);
    return status;
}

static rhei_status read_only_row(struct each_read *each, struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct rhei_params params = {each->block.values, each->block.columns};
    each->options.timeout_ms = time_left(each->deadline_ns);
    return each->session != NULL
               ? rhei_session_query_arrow(each->session, each->sql, &params, &each->options, stream, error)
               : rhei_query_arrow(each->db, each->sql, &params, &each->options, stream, error);
}

/* Takes `each`, also when it fails. */
static rhei_status read_all(struct each_read *each, const rhei_statement *statement, struct ArrowArrayStream *stream,
                            struct rhei_error *error)
{
    each->filled = block_fill(&each->block, error);
    rhei_status status = each->filled;
    bool all_here = status == RHEI_DONE, only = all_here && each->block.rows == 1;
    if ((status == RHEI_ROW || all_here) && !only)
        return statement->shape.read_only ? read_to_stream(each, statement, stream, error)
                                          : write_to_stream(each, statement, stream, error);
    if (only)
        status = read_only_row(each, stream, error);
    read_free(each);
    return status;
}

rhei_status rhei_statement_query_each(rhei_statement *statement, struct ArrowArrayStream *parameters,
                                      const struct rhei_query_options *options, struct ArrowArrayStream *stream,
                                      struct rhei_error *error)
{
    error_clear(error);
    if (parameters == NULL || parameters->release == NULL)
        return error_set(error, RHEI_INVALID, "rhei_statement_query_each needs a stream that isn't released");
    struct each_read *each = statement == NULL || stream == NULL ? NULL : base_alloc_zero(1, sizeof *each);
    if (each == NULL) {
        parameters->release(parameters);
        return statement == NULL || stream == NULL
                   ? error_set(error, RHEI_INVALID, "a statement and a place for the stream are needed")
                   : error_no_memory(error);
    }
    each->db = statement->db;
    each->session = statement->session;
    each->columns = rhei_statement_column_count(statement);
    each->sql = base_strdup(statement->sql);
    rhei_status status =
        engine_options_copy(&each->options, sizeof each->options, options, "rhei_query_options", error);
    if (status == RHEI_OK && each->sql == NULL)
        status = error_no_memory(error);
    if (status == RHEI_OK && each->options.timeout_ms < 0)
        status = error_set(error, RHEI_INVALID, "a time-out of %lld ms is none: 0 means no limit",
                           (long long)each->options.timeout_ms);
    each->options.struct_size = sizeof each->options;
    each->deadline_ns = deadline_of(each->options.timeout_ms);
    if (status != RHEI_OK)
        parameters->release(parameters);
    else
        status = block_open(&each->block, parameters, statement->shape.parameter_count, BLOCK_ROWS, error);
    if (status != RHEI_OK) {
        read_free(each);
        return status;
    }
    return read_all(each, statement, stream, error);
}

rhei_status rhei_stream_error(struct ArrowArrayStream *stream, int code, struct rhei_error *error)
{
    error_clear(error);
    if (stream == NULL || stream->release == NULL || code == 0)
        return error_set(error, RHEI_INVALID, "rhei_stream_error needs a stream that isn't released, and its errno");
    return arrow_stream_error(stream, code, error);
}
