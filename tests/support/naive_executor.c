/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/naive_executor.h"

#include <sqlite3.h>
#include <string.h>

#include "arrow/arrow_stream.h"
#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror/mirror_scan.h"

struct naive {
    struct executor base;
    uint32_t *tables;
    uint32_t count;
    uint64_t statements;
    const struct executor_helpers *helpers; /* NULL: none were offered */
};

struct naive_run { /* behind one stream */
    sqlite3 *db;
    sqlite3_stmt *statement;
    struct executor_stop stop;
};

static rhei_status sqlite_failed(sqlite3 *db, struct rhei_error *error)
{
    return error_set(error, RHEI_SQL, "%s", sqlite3_errmsg(db));
}

static void bind(sqlite3_stmt *statement, int at, const struct rhei_value *value)
{
    switch (value->type) {
    case RHEI_INTEGER:
        sqlite3_bind_int64(statement, at, value->as.integer);
        break;
    case RHEI_REAL:
        sqlite3_bind_double(statement, at, value->as.real);
        break;
    case RHEI_TEXT:
        sqlite3_bind_text(statement, at, value->as.bytes, (int)value->length, SQLITE_TRANSIENT);
        break;
    case RHEI_BLOB:
        sqlite3_bind_blob(statement, at, value->length > 0 ? value->as.bytes : "", (int)value->length,
                          SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_bind_null(statement, at);
    }
}

/* ---- Helpers: an adapter for each form. ---------------------------------------------------------------------------- */

struct offered {
    const struct executor_helper *helper;
    const struct executor_evaluator *evaluator;
};

static bool any_null(int count, sqlite3_value **arguments)
{
    for (int i = 0; i < count; i++)
        if (sqlite3_value_type(arguments[i]) == SQLITE_NULL)
            return true;
    return false;
}

static uint32_t first_character(const unsigned char *text)
{
    int more = text[0] < 0x80 ? 0 : text[0] < 0xe0 ? 1 : text[0] < 0xf0 ? 2 : 3;
    uint32_t character = more == 0 ? text[0] : text[0] & (0x3fU >> more);
    for (int i = 1; i <= more; i++)
        character = character << 6 | (text[i] & 0x3fU);
    return character;
}

static void texts_truth(sqlite3_context *out, int count, sqlite3_value **arguments)
{
    const struct offered *offered = sqlite3_user_data(out);
    if (any_null(count, arguments))
        return;
    const char *first = (const char *)sqlite3_value_text(arguments[0]);
    const char *second = (const char *)sqlite3_value_text(arguments[1]);
    uint32_t character = count > 2 ? first_character(sqlite3_value_text(arguments[2])) : 0;
    sqlite3_result_int(out, offered->helper->as.texts_truth(first, second, character));
}

static void real_text(sqlite3_context *out, int count, sqlite3_value **arguments)
{
    const struct offered *offered = sqlite3_user_data(out);
    char text[EXECUTOR_TEXT_BYTES];
    if (!any_null(count, arguments))
        sqlite3_result_text(out, text, (int)offered->helper->as.real_text(sqlite3_value_double(arguments[0]), text),
                            SQLITE_TRANSIENT);
}

static void real_real(sqlite3_context *out, int count, sqlite3_value **arguments)
{
    const struct offered *offered = sqlite3_user_data(out);
    if (!any_null(count, arguments))
        sqlite3_result_double(out, offered->helper->as.real_real(sqlite3_value_double(arguments[0]),
                                                                 count > 1 ? sqlite3_value_int64(arguments[1]) : 0));
}

static void expression_of(const struct executor_helper *helper, int count, struct base_buffer *expression)
{
    if (helper->as.evaluated.function == NULL) {
        base_buffer_text(expression, helper->as.evaluated.expression);
        return;
    }
    base_buffer_format(expression, "%s(", helper->as.evaluated.function);
    for (int i = 1; i <= count; i++)
        base_buffer_format(expression, i > 1 ? ",?%d" : "?%d", i);
    base_buffer_char(expression, ')');
}

static void give_value(sqlite3_context *out, const struct rhei_value *value)
{
    switch (value->type) {
    case RHEI_INTEGER:
        sqlite3_result_int64(out, value->as.integer);
        break;
    case RHEI_REAL:
        sqlite3_result_double(out, value->as.real);
        break;
    case RHEI_TEXT:
        sqlite3_result_text(out, value->as.bytes, (int)value->length, SQLITE_TRANSIENT);
        break;
    default:
        break;
    }
}

static void evaluated(sqlite3_context *out, int count, sqlite3_value **arguments)
{
    const struct offered *offered = sqlite3_user_data(out);
    struct rhei_value values[EXECUTOR_MOST_ARGUMENTS], result = {.type = RHEI_NULL};
    struct base_buffer expression = {0};
    if (any_null(count, arguments))
        return;
    for (int i = 0; i < count; i++)
        values[i] = (struct rhei_value){.type = RHEI_TEXT,
                                        .as.bytes = sqlite3_value_text(arguments[i]),
                                        .length = (uint32_t)sqlite3_value_bytes(arguments[i])};
    expression_of(offered->helper, count, &expression);
    void *evaluator = offered->evaluator->open();
    if (evaluator != NULL && offered->evaluator->evaluate(evaluator, expression.data, values, (uint32_t)count, &result))
        give_value(out, &result);
    else
        sqlite3_result_error(out, "SQLite can't compute this function here", -1);
    offered->evaluator->close(evaluator);
    base_buffer_reset(&expression);
}

typedef void (*adapter)(sqlite3_context *out, int count, sqlite3_value **arguments);
static const adapter adapters[EXECUTOR_FORMS] = {
    [EXECUTOR_TEXTS_TRUTH] = texts_truth,   [EXECUTOR_REAL_TEXT] = real_text,
    [EXECUTOR_REAL_REAL] = real_real,       [EXECUTOR_EVALUATED_TEXT] = evaluated,
    [EXECUTOR_EVALUATED_REAL] = evaluated,  [EXECUTOR_EVALUATED_INTEGER] = evaluated,
    [EXECUTOR_EVALUATED_TRUTH] = evaluated,
};

static rhei_status register_helpers(sqlite3 *db, const struct executor_helpers *helpers, struct rhei_error *error)
{
    for (uint32_t i = 0; helpers != NULL && i < helpers->count; i++) {
        const struct executor_helper *helper = &helpers->list[i];
        for (int count = helper->fewest; count <= helper->most; count++) {
            struct offered *offered = base_alloc_zero(1, sizeof *offered);
            if (offered == NULL)
                return error_no_memory(error);
            *offered = (struct offered){helper, &helpers->evaluator};
            if (sqlite3_create_function_v2(db, helper->name, count, SQLITE_UTF8 | SQLITE_DETERMINISTIC, offered,
                                           adapters[helper->form], NULL, NULL, base_free) != SQLITE_OK)
                return sqlite_failed(db, error);
        }
    }
    return RHEI_OK;
}

/* ---- Tables. -------------------------------------------------------------------------------------------------------- */

/* Columns without a type, so that every value keeps its class. */
static char *insert_text(const struct source_table *table, char **create)
{
    struct base_buffer made = {0}, insert = {0};
    base_buffer_text(&made, "CREATE TABLE ");
    base_buffer_identifier(&made, table->name);
    base_buffer_text(&insert, "INSERT INTO ");
    base_buffer_identifier(&insert, table->name);
    base_buffer_text(&insert, " VALUES ");
    for (uint32_t c = 0; c < table->column_count; c++) {
        base_buffer_char(&made, c == 0 ? '(' : ',');
        base_buffer_identifier(&made, table->columns[c].name);
        base_buffer_text(&insert, c == 0 ? "(?" : ",?");
    }
    base_buffer_char(&made, ')');
    base_buffer_char(&insert, ')');
    *create = base_buffer_take(&made);
    return base_buffer_take(&insert);
}

/* The ranges of one table that a scan can be given: those of numbers. */
static uint32_t ranges_of(const struct executor_query *query, uint32_t scan, struct mirror_range *ranges)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < query->range_count && count < MIRROR_MOST_RANGES; r++) {
        const struct executor_range *range = &query->ranges[r];
        if (range->scan == scan && range->low.type < RHEI_TEXT && range->high.type < RHEI_TEXT)
            ranges[count++] = (struct mirror_range){.column = range->column, .low = range->low, .high = range->high};
    }
    return count;
}

static rhei_status insert_rows(const struct mirror_table_view *view, const struct mirror_scan_options *options,
                               sqlite3_stmt *insert, struct rhei_error *error)
{
    struct mirror_scan *scan = NULL;
    struct mirror_scan_batch batch;
    struct mirror_hold hold = {NULL};
    rhei_status status = mirror_scan_open(view, options, &scan, error);
    while (status == RHEI_OK && mirror_scan_next(scan, &batch)) {
        mirror_scan_hold(scan, &batch, &hold);
        for (uint32_t slot = mirror_scan_slot(&batch, 0); slot < batch.rows;
             slot = mirror_scan_slot(&batch, slot + 1)) {
            for (uint32_t c = 0; c < mirror_view_column_count(view); c++) {
                struct rhei_value value;
                mirror_scan_value(scan, &batch, slot, c, &value);
                bind(insert, (int)c + 1, &value);
            }
            sqlite3_step(insert);
            sqlite3_reset(insert);
        }
    }
    mirror_hold_end(&hold);
    mirror_scan_close(&scan);
    return status;
}

static rhei_status copy_table(sqlite3 *db, const struct mirror_table_view *view, const struct executor_query *query,
                              uint32_t scan, struct rhei_error *error)
{
    struct mirror_range ranges[MIRROR_MOST_RANGES];
    struct mirror_scan_options options = {
        .ranges = ranges, .range_count = ranges_of(query, scan, ranges), .exact = true};
    char *create = NULL;
    char *insert = insert_text(mirror_view_definition(view), &create);
    sqlite3_stmt *statement = NULL;
    rhei_status status = RHEI_OK;
    if (create == NULL || insert == NULL)
        status = error_no_memory(error);
    else if (sqlite3_exec(db, create, NULL, NULL, NULL) != SQLITE_OK ||
             sqlite3_prepare_v2(db, insert, -1, &statement, NULL) != SQLITE_OK)
        status = sqlite_failed(db, error);
    else
        status = insert_rows(view, &options, statement, error);
    sqlite3_finalize(statement);
    base_free(create);
    base_free(insert);
    return status;
}

static void run_release(void *context)
{
    struct naive_run *run = context;
    sqlite3_finalize(run->statement);
    sqlite3_close(run->db);
    base_free(run);
}

static rhei_status run_prepare(struct naive *naive, const struct executor_query *query, struct naive_run **out,
                               struct rhei_error *error)
{
    struct naive_run *run = base_alloc_zero(1, sizeof *run);
    if (run == NULL)
        return error_no_memory(error);
    run->stop = query->stop;
    rhei_status status = RHEI_OK;
    if (sqlite3_open(":memory:", &run->db) != SQLITE_OK)
        status = error_set(error, RHEI_NO_MEMORY, "SQLite could not open a database in memory");
    if (status == RHEI_OK)
        status = register_helpers(run->db, naive->helpers, error);
    sqlite3_exec(run->db, "BEGIN", NULL, NULL, NULL);
    for (uint32_t t = 0; status == RHEI_OK && t < naive->count; t++) {
        const struct mirror_table_view *view = mirror_view(query->snapshot, naive->tables[t]);
        if (view != NULL)
            status = copy_table(run->db, view, query, t, error);
    }
    if (status == RHEI_OK && sqlite3_prepare_v2(run->db, query->sql, -1, &run->statement, NULL) != SQLITE_OK)
        status = sqlite_failed(run->db, error);
    if (status == RHEI_OK && (run->statement == NULL || !sqlite3_stmt_readonly(run->statement)))
        status = error_set(error, RHEI_UNSUPPORTED, "only statements that read run here");
    for (uint32_t v = 0; status == RHEI_OK && v < query->value_count; v++)
        bind(run->statement, (int)v + 1, &query->values[v]);
    if (status != RHEI_OK)
        run_release(run);
    else
        *out = run;
    return status;
}

static rhei_status run_next(void *context, struct rhei_value *row, struct rhei_error *error)
{
    struct naive_run *run = context;
    rhei_status stopped = run->stop.check != NULL ? run->stop.check(run->stop.context) : RHEI_OK;
    if (stopped != RHEI_OK)
        return error_set(error, stopped, "the statement was ended");
    int code = sqlite3_step(run->statement);
    if (code == SQLITE_DONE)
        return RHEI_DONE;
    if (code != SQLITE_ROW)
        return sqlite_failed(run->db, error);
    for (int c = 0; c < sqlite3_column_count(run->statement); c++) {
        row[c] = (struct rhei_value){.type = RHEI_NULL};
        switch (sqlite3_column_type(run->statement, c)) {
        case SQLITE_INTEGER:
            row[c].type = RHEI_INTEGER;
            row[c].as.integer = sqlite3_column_int64(run->statement, c);
            break;
        case SQLITE_FLOAT:
            row[c].type = RHEI_REAL;
            row[c].as.real = sqlite3_column_double(run->statement, c);
            break;
        case SQLITE_TEXT:
            row[c].type = RHEI_TEXT;
            row[c].as.bytes = sqlite3_column_text(run->statement, c);
            row[c].length = (uint32_t)sqlite3_column_bytes(run->statement, c);
            break;
        case SQLITE_BLOB:
            row[c].type = RHEI_BLOB;
            row[c].as.bytes = sqlite3_column_blob(run->statement, c);
            row[c].length = (uint32_t)sqlite3_column_bytes(run->statement, c);
            break;
        default:
            break;
        }
    }
    return RHEI_ROW;
}

static rhei_status naive_run(struct executor *executor, const struct executor_query *query,
                             struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct naive *naive = (struct naive *)executor;
    struct naive_run *run = NULL;
    rhei_status status = run_prepare(naive, query, &run, error);
    if (status != RHEI_OK)
        return status;
    naive->statements++;
    uint32_t count = (uint32_t)sqlite3_column_count(run->statement);
    const char **names = base_alloc_zero((size_t)count + 1, sizeof *names);
    if (names == NULL) {
        run_release(run);
        return error_no_memory(error);
    }
    for (uint32_t c = 0; c < count; c++)
        names[c] = sqlite3_column_name(run->statement, (int)c);
    struct arrow_row_source source = {.next = run_next, .release = run_release, .context = run};
    struct arrow_row_options options = {
        .columns = {.count = count, .names = names, .strings_view = query->strings_view}};
    status = arrow_row_stream(&source, &options, stream, error);
    base_free(names);
    return status;
}

static rhei_status naive_check(struct executor *executor, const struct executor_query *query, struct rhei_error *error)
{
    struct naive_run *run = NULL;
    rhei_status status = run_prepare((struct naive *)executor, query, &run, error);
    if (status == RHEI_OK)
        run_release(run);
    return status;
}

static void naive_status(struct executor *executor, struct executor_status *status)
{
    *status = (struct executor_status){
        .loaded = true, .version = SQLITE_VERSION, .statements = ((struct naive *)executor)->statements};
}

static void naive_close(struct executor **executor)
{
    struct naive *naive = (struct naive *)*executor;
    if (naive == NULL)
        return;
    base_free(naive->tables);
    base_free(naive);
    *executor = NULL;
}

struct executor *naive_executor_open(const uint32_t *tables, uint32_t count)
{
    static const struct executor_ops ops = {
        .name = "naive",
        .dialect = "sqlite",
        .run = naive_run,
        .check = naive_check,
        .status = naive_status,
        .close = naive_close,
    };
    struct naive *naive = base_alloc_zero(1, sizeof *naive);
    if (naive == NULL)
        return NULL;
    naive->base.ops = &ops;
    naive->count = count;
    naive->tables = base_alloc_zero((size_t)count + 1, sizeof *naive->tables);
    if (naive->tables == NULL) {
        base_free(naive);
        return NULL;
    }
    if (count > 0)
        memcpy(naive->tables, tables, count * sizeof *tables);
    return &naive->base;
}

void naive_executor_offer(struct executor *executor, const struct executor_helpers *helpers)
{
    ((struct naive *)executor)->helpers = helpers;
}
