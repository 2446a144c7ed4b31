/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of metadata. */
#include "adbc_build.h"

static void must(struct adbc_build *build, ArrowErrorCode code)
{
    build->failed = build->failed || code != NANOARROW_OK;
}

static void name_fields(struct adbc_build *build, struct ArrowSchema *place, const struct adbc_field *fields,
                        size_t count)
{
    for (size_t i = 0; !build->failed && i < count; i++) {
        struct ArrowSchema *child = place->children[i];
        if (fields[i].type == NANOARROW_TYPE_DENSE_UNION)
            ArrowSchemaInit(child);
        else
            must(build, ArrowSchemaSetType(child, fields[i].type));
        must(build, ArrowSchemaSetName(child, fields[i].name));
        if (fields[i].not_null)
            child->flags &= ~(int64_t)ARROW_FLAG_NULLABLE;
    }
}

void adbc_build_fields(struct adbc_build *build, struct ArrowSchema *place, const struct adbc_field *fields,
                       size_t count)
{
    if (build->failed)
        return;
    if (place->release == NULL)
        ArrowSchemaInit(place);
    must(build, ArrowSchemaSetTypeStruct(place, (int64_t)count));
    name_fields(build, place, fields, count);
}

struct ArrowSchema *adbc_build_list(struct adbc_build *build, struct ArrowSchema *list, const struct adbc_field *fields,
                                    size_t count)
{
    if (build->failed)
        return list;
    adbc_build_fields(build, list->children[0], fields, count);
    return list->children[0];
}

void adbc_build_union(struct adbc_build *build, struct ArrowSchema *place, const struct adbc_field *fields,
                      size_t count)
{
    if (build->failed)
        return;
    must(build, ArrowSchemaSetTypeUnion(place, NANOARROW_TYPE_DENSE_UNION, (int64_t)count));
    name_fields(build, place, fields, count);
}

void adbc_build_start(struct adbc_build *build)
{
    if (!build->failed)
        must(build, ArrowArrayInitFromSchema(&build->array, &build->schema, NULL));
    if (!build->failed)
        must(build, ArrowArrayStartAppending(&build->array));
}

void adbc_build_text(struct adbc_build *build, struct ArrowArray *array, const char *text)
{
    if (!build->failed)
        must(build, text == NULL ? ArrowArrayAppendNull(array, 1) : ArrowArrayAppendString(array, ArrowCharView(text)));
}

void adbc_build_int(struct adbc_build *build, struct ArrowArray *array, int64_t value)
{
    if (!build->failed)
        must(build, ArrowArrayAppendInt(array, value));
}

void adbc_build_null(struct adbc_build *build, struct ArrowArray *array)
{
    if (!build->failed)
        must(build, ArrowArrayAppendNull(array, 1));
}

void adbc_build_end(struct adbc_build *build, struct ArrowArray *array)
{
    if (!build->failed)
        must(build, ArrowArrayFinishElement(array));
}

void adbc_build_member(struct adbc_build *build, struct ArrowArray *array, int8_t member)
{
    if (!build->failed)
        must(build, ArrowArrayFinishUnionElement(array, member));
}

AdbcStatusCode adbc_build_give(struct adbc_build *build, AdbcStatusCode code, struct ArrowArrayStream *out,
                               struct AdbcError *error)
{
    if (code == ADBC_STATUS_OK && !build->failed)
        must(build, ArrowArrayFinishBuildingDefault(&build->array, NULL));
    if (code == ADBC_STATUS_OK && build->failed)
        code = adbc_no_memory(error);
    if (code == ADBC_STATUS_OK)
        return adbc_one_batch(&build->schema, &build->array, out, error);
    if (build->schema.release != NULL)
        ArrowSchemaRelease(&build->schema);
    if (build->array.release != NULL)
        ArrowArrayRelease(&build->array);
    return code;
}
