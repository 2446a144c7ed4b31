/* SPDX-License-Identifier: Apache-2.0 */
/* What a prepared statement's Arrow result will look like, as far as that can be known before it runs. */
#include <string.h>

#include "arrow/arrow_builder.h"
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"

/* All parameters NULL: what is inferred doesn't hang on them, or isn't settled anyway. */
static rhei_status ask_with_nulls(struct engine_ask *ask, const rhei_statement *statement,
                                  const struct rhei_query_options *options, struct rhei_value **nulls,
                                  struct rhei_error *error)
{
    uint32_t count = statement->shape.parameter_count;
    *nulls = base_alloc_zero((size_t)count + 1, sizeof **nulls);
    *ask = (struct engine_ask){0};
    if (*nulls == NULL)
        return error_no_memory(error);
    struct rhei_params params = {*nulls, count};
    return engine_ask_init(statement->db, statement->session, ask, statement->sql, &params, options, error);
}

/* Known classes first; for the others what a column without a value would be. */
static rhei_status column_classes(const rhei_statement *statement, const struct engine_ask *ask, uint8_t *known,
                                  uint8_t *usual, struct rhei_error *error)
{
    const struct oltp_shape *shape = &statement->shape;
    bool outside = statement->described != NULL;
    rhei_status status =
        outside && statement->unsettled.owner == NULL
            ? route_statement_classes(statement->db->route, statement->described, known, shape->column_count, error)
            : RHEI_OK;
    if (status == RHEI_OK)
        engine_usual_classes(statement->db, statement->described, ask, shape->column_types, shape->column_count, usual);
    for (uint32_t c = 0; c < shape->column_count; c++)
        known[c] = known[c] == RHEI_TEXT ? RHEI_NULL : known[c]; /* it need not be UTF-8, and is binary then */
    return status;
}

static rhei_status make_schema(const rhei_statement *statement, const struct engine_ask *ask,
                               struct ArrowSchema *schema, bool *settled, struct rhei_error *error)
{
    uint32_t count = statement->shape.column_count;
    uint8_t *known = base_alloc_zero((size_t)count + 1, 2), *usual = known == NULL ? NULL : known + count + 1;
    if (known == NULL)
        return error_no_memory(error);
    rhei_status status = column_classes(statement, ask, known, usual, error);
    struct arrow_columns columns = {.count = count,
                                    .names = statement->shape.column_names,
                                    .known_class = known,
                                    .usual_class = usual,
                                    .strings_view = ask->strings_view};
    struct arrow_builder *builder = NULL;
    if (status == RHEI_OK)
        status = arrow_builder_new(&columns, &builder, error);
    if (status == RHEI_OK)
        status = arrow_builder_fix(builder, true, error); /* as if there were no row */
    if (status == RHEI_OK)
        status = arrow_builder_schema(builder, NULL, schema, error);
    bool sure = true;
    for (uint32_t c = 0; c < count; c++)
        sure = sure && known[c] != RHEI_NULL;
    if (settled != NULL)
        *settled = status == RHEI_OK && sure;
    arrow_builder_free(&builder);
    base_free(known);
    return status;
}

rhei_status rhei_statement_schema(rhei_statement *statement, const struct rhei_query_options *options,
                                  struct ArrowSchema *schema, bool *settled, struct rhei_error *error)
{
    error_clear(error);
    if (settled != NULL)
        *settled = false;
    if (statement == NULL || schema == NULL)
        return error_set(error, RHEI_INVALID, "rhei_statement_schema needs a statement and a place for the schema");
    schema->release = NULL;
    engine_statement_settle(statement);
    if (engine_statement_is_native(statement))
        return error_set(error, RHEI_UNSUPPORTED,
                         "a statement in the column store's own dialect shows its columns when it runs");
    struct engine_ask ask;
    struct rhei_value *nulls = NULL;
    rhei_status status = ask_with_nulls(&ask, statement, options, &nulls, error);
    if (status == RHEI_OK)
        status = make_schema(statement, &ask, schema, settled, error);
    engine_ask_reset(&ask, NULL);
    base_free(nulls);
    return status;
}
