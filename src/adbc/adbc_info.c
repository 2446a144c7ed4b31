/* SPDX-License-Identifier: Apache-2.0 */
/* What driver and database are, and the kinds of tables and statistics. */
#include <string.h>

#include "adbc_build.h"

enum { VALUE_TEXT = 0, VALUE_BOOL = 1, VALUE_INT = 2 };

static const struct info {
    uint32_t code;
    int8_t member;
    const char *text;
    int64_t number;
} infos[] = {
    {ADBC_INFO_VENDOR_NAME, VALUE_TEXT, "Rhei", 0},
    {ADBC_INFO_VENDOR_VERSION, VALUE_TEXT, NULL, 0},
    {ADBC_INFO_VENDOR_ARROW_VERSION, VALUE_TEXT, NANOARROW_VERSION, 0},
    {ADBC_INFO_VENDOR_SQL, VALUE_BOOL, NULL, 1},
    {ADBC_INFO_VENDOR_SUBSTRAIT, VALUE_BOOL, NULL, 0},
    {ADBC_INFO_DRIVER_NAME, VALUE_TEXT, "ADBC Rhei Driver", 0},
    {ADBC_INFO_DRIVER_VERSION, VALUE_TEXT, RHEI_VERSION, 0},
    {ADBC_INFO_DRIVER_ARROW_VERSION, VALUE_TEXT, NANOARROW_VERSION, 0},
    {ADBC_INFO_DRIVER_ADBC_VERSION, VALUE_INT, NULL, ADBC_VERSION_1_1_0},
};

static bool is_wanted(uint32_t code, const uint32_t *codes, size_t count)
{
    bool wanted = codes == NULL;
    for (size_t i = 0; i < count && codes != NULL; i++)
        wanted = wanted || codes[i] == code;
    return wanted;
}

/* map<int32, list<int32>>, of which no value is told. */
static void map_type(struct adbc_build *build, struct ArrowSchema *map)
{
    if (build->failed || ArrowSchemaSetType(map->children[0]->children[0], NANOARROW_TYPE_INT32) != NANOARROW_OK ||
        ArrowSchemaSetType(map->children[0]->children[1], NANOARROW_TYPE_LIST) != NANOARROW_OK ||
        ArrowSchemaSetType(map->children[0]->children[1]->children[0], NANOARROW_TYPE_INT32) != NANOARROW_OK)
        build->failed = true;
    else
        map->children[0]->children[0]->flags &= ~(int64_t)ARROW_FLAG_NULLABLE;
}

static void info_type(struct adbc_build *build)
{
    static const struct adbc_field fields[] = {{"info_name", NANOARROW_TYPE_UINT32, true},
                                               {"info_value", NANOARROW_TYPE_DENSE_UNION, false}};
    static const struct adbc_field members[] = {
        {"string_value", NANOARROW_TYPE_STRING, false}, {"bool_value", NANOARROW_TYPE_BOOL, false},
        {"int64_value", NANOARROW_TYPE_INT64, false},   {"int32_bitmask", NANOARROW_TYPE_INT32, false},
        {"string_list", NANOARROW_TYPE_LIST, false},    {"int32_to_int32_list_map", NANOARROW_TYPE_MAP, false},
    };
    adbc_build_fields(build, &build->schema, fields, 2);
    if (build->failed)
        return;
    struct ArrowSchema *value = build->schema.children[1];
    adbc_build_union(build, value, members, sizeof members / sizeof members[0]);
    if (build->failed)
        return;
    build->failed = ArrowSchemaSetType(value->children[4]->children[0], NANOARROW_TYPE_STRING) != NANOARROW_OK;
    map_type(build, value->children[5]);
}

AdbcStatusCode adbc_get_info(struct AdbcConnection *from, const uint32_t *codes, size_t count,
                             struct ArrowArrayStream *out, struct AdbcError *error)
{
    struct adbc_connection *connection = NULL;
    struct adbc_build build = {0};
    AdbcStatusCode code = adbc_connection_of(from, &connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    info_type(&build);
    adbc_build_start(&build);
    for (size_t i = 0; !build.failed && i < sizeof infos / sizeof infos[0]; i++) {
        const struct info *info = &infos[i];
        struct ArrowArray *value = build.array.children[1];
        if (!is_wanted(info->code, codes, count))
            continue;
        adbc_build_int(&build, build.array.children[0], info->code);
        if (info->member == VALUE_TEXT)
            adbc_build_text(&build, value->children[VALUE_TEXT], info->text == NULL ? rhei_version() : info->text);
        else
            adbc_build_int(&build, value->children[info->member], info->number);
        adbc_build_member(&build, value, info->member);
        adbc_build_end(&build, &build.array);
    }
    return adbc_build_give(&build, code, out, error);
}

/* ---- Kinds of tables. -------------------------------------------------------------------------------------------- */

static const char *const types[] = {
    [RHEI_KIND_TABLE] = "table",   [RHEI_KIND_VIEW] = "view",     [RHEI_KIND_VIRTUAL] = "virtual",
    [RHEI_KIND_SHADOW] = "shadow", [RHEI_KIND_SOURCE] = "source",
};
enum { TYPES = sizeof types / sizeof types[0] };

const char *adbc_table_type(const struct rhei_catalog_table *table)
{
    return table->kind >= 0 && table->kind < (int32_t)TYPES ? types[table->kind] : "table";
}

AdbcStatusCode adbc_get_table_types(struct AdbcConnection *from, struct ArrowArrayStream *out, struct AdbcError *error)
{
    static const struct adbc_field fields[] = {{"table_type", NANOARROW_TYPE_STRING, true}};
    struct adbc_connection *connection = NULL;
    struct adbc_build build = {0};
    AdbcStatusCode code = adbc_connection_of(from, &connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    adbc_build_fields(&build, &build.schema, fields, 1);
    adbc_build_start(&build);
    for (size_t i = 0; !build.failed && i < TYPES; i++) {
        adbc_build_text(&build, build.array.children[0], types[i]);
        adbc_build_end(&build, &build.array);
    }
    return adbc_build_give(&build, code, out, error);
}

AdbcStatusCode adbc_get_statistic_names(struct AdbcConnection *from, struct ArrowArrayStream *out,
                                        struct AdbcError *error)
{
    static const struct adbc_field fields[] = {{"statistic_name", NANOARROW_TYPE_STRING, true},
                                               {"statistic_key", NANOARROW_TYPE_INT16, true}};
    struct adbc_connection *connection = NULL;
    struct adbc_build build = {0};
    AdbcStatusCode code = adbc_connection_of(from, &connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    /* all that are told are ADBC's own */
    adbc_build_fields(&build, &build.schema, fields, 2);
    adbc_build_start(&build);
    return adbc_build_give(&build, code, out, error);
}

bool adbc_matches(const char *pattern, const char *text)
{
    if (pattern == NULL)
        return true;
    for (; *pattern != '\0' && *pattern != '%'; pattern++, text++)
        if (*text == '\0' || (*pattern != '_' && *pattern != *text))
            return false;
    if (*pattern == '\0')
        return *text == '\0';
    while (pattern[1] == '%')
        pattern++;
    do
        if (adbc_matches(pattern + 1, text))
            return true;
    while (*text++ != '\0');
    return false;
}
