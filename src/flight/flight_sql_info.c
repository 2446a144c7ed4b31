/* SPDX-License-Identifier: Apache-2.0 */
/* What the server is and can: GetSqlInfo and GetXdbcTypeInfo. The numbers are those of FlightSql.proto. */
#include <string.h>

#include "base/base_error.h"
#include "flight_internal.h"

static const struct flight_type list_item[] = {{"item", "u", true, NULL}, {NULL, NULL, false, NULL}};
static const struct flight_type number_item[] = {{"item", "i", true, NULL}, {NULL, NULL, false, NULL}};
static const struct flight_type map_parts[] = {
    {"key", "i", false, NULL}, {"value", "+l", true, number_item}, {NULL, NULL, false, NULL}};
static const struct flight_type map_entries[] = {{"entries", "+s", false, map_parts}, {NULL, NULL, false, NULL}};
enum member { TEXT, FLAG, NUMBER, BITS, LIST, MAP };
static const struct flight_type members[] = {{"string_value", "u", true, NULL},
                                             {"bool_value", "b", true, NULL},
                                             {"bigint_value", "l", true, NULL},
                                             {"int32_bitmask", "i", true, NULL},
                                             {"string_list", "+l", true, list_item},
                                             {"int32_to_int32_list_map", "+m", true, map_entries},
                                             {NULL, NULL, false, NULL}};
const struct flight_type flight_sql_info_types[] = {
    {"info_name", "I", false, NULL}, {"value", "+ud:0,1,2,3,4,5", false, members}, {NULL, NULL, false, NULL}};

static const char *const keywords[] = {
    "ABORT", "AFTER",  "ANALYZE", "ATTACH",  "AUTOINCREMENT", "BEFORE",  "CONFLICT", "DETACH",  "EXPLAIN", "FAIL",
    "GLOB",  "IGNORE", "INDEXED", "INSTEAD", "ISNULL",        "LIMIT",   "NOTNULL",  "OFFSET",  "PRAGMA",  "QUERY",
    "RAISE", "REGEXP", "REINDEX", "RENAME",  "REPLACE",       "TRIGGER", "VACUUM",   "VIRTUAL", NULL};
static const char *const numeric_functions[] = {"abs", "max", "min", "random", "round", "sign", NULL};
static const char *const string_functions[] = {"char",   "hex",    "instr",   "length",  "lower",
                                               "ltrim",  "printf", "quote",   "replace", "rtrim",
                                               "substr", "trim",   "unicode", "upper",   NULL};
static const char *const system_functions[] = {"changes", "coalesce",       "ifnull", "iif", "last_insert_rowid",
                                               "nullif",  "sqlite_version", "typeof", NULL};
static const char *const date_functions[] = {"date", "datetime", "julianday", "strftime", "time", "unixepoch", NULL};

struct info {
    uint32_t number;
    uint8_t member; /* enum member */
    const char *text;
    int64_t value;
    const char *const *list;
};

static const struct info all_info[] = {
    {0, TEXT, "Rhei", 0, NULL},
    {1, TEXT, NULL, 0, NULL}, /* rhei_version() */
    {2, TEXT, "1.3", 0, NULL},
    {3, FLAG, NULL, 0, NULL},   /* read-only: the user's */
    {4, FLAG, NULL, 1, NULL},   /* SQL */
    {5, FLAG, NULL, 0, NULL},   /* Substrait */
    {8, BITS, NULL, 2, NULL},   /* transactions and savepoints */
    {9, FLAG, NULL, 1, NULL},   /* cancelling */
    {10, FLAG, NULL, 1, NULL},  /* ingest */
    {11, FLAG, NULL, 1, NULL},  /* within a transaction */
    {100, BITS, NULL, 0, NULL}, /* ms of a statement, 0: no limit */
    {101, BITS, NULL, 0, NULL}, /* ms of an idle transaction */
    {500, FLAG, NULL, 0, NULL}, /* DDL of catalogs, schemas, tables */
    {501, FLAG, NULL, 0, NULL},
    {502, FLAG, NULL, 1, NULL},
    {503, NUMBER, NULL, 1, NULL}, /* names without case, quoted or not */
    {504, TEXT, "\"", 0, NULL},
    {505, NUMBER, NULL, 1, NULL},
    {506, FLAG, NULL, 1, NULL},
    {507, NUMBER, NULL, 1, NULL}, /* NULL sorts low */
    {508, LIST, NULL, 0, keywords},
    {509, LIST, NULL, 0, numeric_functions},
    {510, LIST, NULL, 0, string_functions},
    {511, LIST, NULL, 0, system_functions},
    {512, LIST, NULL, 0, date_functions},
    {513, TEXT, "\\", 0, NULL},
    {514, TEXT, "", 0, NULL},
    {515, FLAG, NULL, 1, NULL}, /* column aliases */
    {516, FLAG, NULL, 1, NULL}, /* NULL + NULL is NULL */
    {517, MAP, NULL, 0, NULL},  /* CONVERT, which there is none of */
    {518, FLAG, NULL, 1, NULL}, /* table aliases */
    {519, FLAG, NULL, 0, NULL},
    {520, FLAG, NULL, 1, NULL}, /* expressions in ORDER BY */
    {521, FLAG, NULL, 1, NULL},
    {522, BITS, NULL, 3, NULL}, /* GROUP BY of anything */
    {523, FLAG, NULL, 1, NULL}, /* LIKE ... ESCAPE */
    {524, FLAG, NULL, 1, NULL}, /* NOT NULL */
    {525, BITS, NULL, 7, NULL},
    {526, BITS, NULL, 1, NULL},
    {527, FLAG, NULL, 1, NULL},
    {528, BITS, NULL, 6, NULL}, /* outer joins, full too */
    {529, TEXT, "schema", 0, NULL},
    {530, TEXT, "", 0, NULL},
    {531, TEXT, "", 0, NULL}, /* there are no catalogs */
    {532, FLAG, NULL, 0, NULL},
    {533, BITS, NULL, 0, NULL},
    {534, BITS, NULL, 0, NULL},
    {535, BITS, NULL, 0, NULL},
    {536, FLAG, NULL, 0, NULL},
    {537, FLAG, NULL, 0, NULL},
    {538, BITS, NULL, 7, NULL}, /* subqueries in comparisons, EXISTS, IN */
    {539, FLAG, NULL, 1, NULL},
    {540, BITS, NULL, 3, NULL}, /* UNION, UNION ALL */
    {541, NUMBER, NULL, 1000000000, NULL},
    {542, NUMBER, NULL, 1000000000, NULL},
    {543, NUMBER, NULL, 0, NULL}, /* 0: no limit of its own */
    {544, NUMBER, NULL, 2000, NULL},
    {545, NUMBER, NULL, 2000, NULL},
    {546, NUMBER, NULL, 2000, NULL},
    {547, NUMBER, NULL, 2000, NULL},
    {548, NUMBER, NULL, 2000, NULL},
    {549, NUMBER, NULL, 0, NULL},
    {550, NUMBER, NULL, 0, NULL},
    {551, NUMBER, NULL, 0, NULL},
    {552, NUMBER, NULL, 0, NULL},
    {553, NUMBER, NULL, 0, NULL},
    {554, NUMBER, NULL, 0, NULL},
    {555, NUMBER, NULL, 1000000000, NULL},
    {556, FLAG, NULL, 1, NULL},
    {557, NUMBER, NULL, 1000000000, NULL},
    {558, NUMBER, NULL, FLIGHT_HANDLES, NULL},
    {559, NUMBER, NULL, 0, NULL},
    {560, NUMBER, NULL, 64, NULL},
    {561, NUMBER, NULL, 0, NULL},
    {562, NUMBER, NULL, 2, NULL}, /* read committed, until its first write */
    {563, FLAG, NULL, 1, NULL},
    {564, BITS, NULL, 1 << 2, NULL},
    {565, FLAG, NULL, 0, NULL}, /* DDL commits nothing */
    {566, FLAG, NULL, 0, NULL},
    {567, BITS, NULL, 2, NULL}, /* forward only */
    {572, FLAG, NULL, 1, NULL}, /* batches of updates */
    {573, FLAG, NULL, 1, NULL}, /* savepoints */
    {574, FLAG, NULL, 1, NULL}, /* named parameters */
    {575, FLAG, NULL, 0, NULL},
    {576, FLAG, NULL, 0, NULL},
};

static struct info of_this_server(const struct flight_work *work, struct info info)
{
    if (info.number == 1)
        info.text = rhei_version();
    else if (info.number == 3)
        info.value = work->user->read_only;
    else if (info.number == 100)
        info.value = flight_limits(work).timeout_ms;
    else if (info.number == 101)
        info.value = work->server->transaction_ns / 1000000;
    return info;
}

static void put_info(struct flight_rows *rows, const struct info *info)
{
    flight_put_number(flight_rows_column(rows, 0), info->number);
    struct flight_column *member = flight_put_member(flight_rows_column(rows, 1), info->member);
    if (info->member == TEXT) {
        flight_put_text(member, info->text);
    } else if (info->member == LIST || info->member == MAP) {
        for (const char *const *word = info->list; word != NULL && *word != NULL; word++)
            flight_put_text(&member->children[0], *word);
        flight_put_list(member);
    } else {
        flight_put_number(member, info->value);
    }
    flight_rows_end_row(rows);
}

static const struct info *find_info(uint64_t number)
{
    for (size_t i = 0; i < sizeof all_info / sizeof all_info[0]; i++)
        if (all_info[i].number == number)
            return &all_info[i];
    return NULL;
}

rhei_status flight_fill_sql_info(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    struct flight_sql_info asked = {0};
    rhei_status status = flight_decode(&flight_sql_info_shape, command, &asked, &work->arena, &work->error);
    if (status != RHEI_OK)
        return status;
    for (size_t i = 0; asked.info.count == 0 && i < sizeof all_info / sizeof all_info[0]; i++) {
        const struct info info = of_this_server(work, all_info[i]);
        put_info(rows, &info);
    }
    for (size_t i = 0; i < asked.info.count; i++) {
        const struct info *known = find_info(asked.info.items[i]);
        if (known == NULL)
            return error_set(&work->error, RHEI_NOT_FOUND, "the SQL info %llu isn't known here",
                             (unsigned long long)asked.info.items[i]);
        const struct info info = of_this_server(work, *known);
        put_info(rows, &info);
    }
    return RHEI_OK;
}

/* ---- Types -------------------------------------------------------------------------------------------------------- */

const struct flight_type flight_type_info_types[] = {
    {"type_name", "u", false, NULL},         {"data_type", "i", false, NULL},
    {"column_size", "i", true, NULL},        {"literal_prefix", "u", true, NULL},
    {"literal_suffix", "u", true, NULL},     {"create_params", "+l", true, list_item},
    {"nullable", "i", false, NULL},          {"case_sensitive", "b", false, NULL},
    {"searchable", "i", false, NULL},        {"unsigned_attribute", "b", true, NULL},
    {"fixed_prec_scale", "b", false, NULL},  {"auto_increment", "b", true, NULL},
    {"local_type_name", "u", true, NULL},    {"minimum_scale", "i", true, NULL},
    {"maximum_scale", "i", true, NULL},      {"sql_data_type", "i", false, NULL},
    {"datetime_subcode", "i", true, NULL},   {"num_prec_radix", "i", true, NULL},
    {"interval_precision", "i", true, NULL}, {NULL, NULL, false, NULL}};

static const struct sql_type {
    const char *name;
    int32_t xdbc, size;
    const char *prefix, *suffix;
    bool case_sensitive, number;
} sql_types[] = {
    {"BLOB", -4, 1000000000, "x'", "'", false, false},
    {"INTEGER", -5, 19, NULL, NULL, false, true},
    {"REAL", 8, 15, NULL, NULL, false, true},
    {"TEXT", 12, 1000000000, "'", "'", true, false},
};

static void put_type(struct flight_rows *rows, const struct sql_type *type)
{
    struct flight_column *columns = flight_rows_column(rows, 0);
    flight_put_text(&columns[0], type->name);
    flight_put_number(&columns[1], type->xdbc);
    flight_put_number(&columns[2], type->size);
    flight_put_text(&columns[3], type->prefix);
    flight_put_text(&columns[4], type->suffix);
    flight_put_null(&columns[5]);
    flight_put_number(&columns[6], 1); /* nullable */
    flight_put_number(&columns[7], type->case_sensitive);
    flight_put_number(&columns[8], 3); /* in any condition */
    if (type->number)
        flight_put_number(&columns[9], 0);
    else
        flight_put_null(&columns[9]);
    flight_put_number(&columns[10], 0);
    flight_put_number(&columns[11], 0);
    flight_put_text(&columns[12], type->name);
    flight_put_null(&columns[13]);
    flight_put_null(&columns[14]);
    flight_put_number(&columns[15], type->xdbc);
    flight_put_null(&columns[16]);
    if (type->number)
        flight_put_number(&columns[17], 10);
    else
        flight_put_null(&columns[17]);
    flight_put_null(&columns[18]);
    flight_rows_end_row(rows);
}

rhei_status flight_fill_type_info(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    struct flight_type_info asked = {.data_type = UINT64_MAX / 2};
    const uint64_t all = asked.data_type;
    rhei_status status = flight_decode(&flight_type_info_shape, command, &asked, &work->arena, &work->error);
    for (size_t i = 0; status == RHEI_OK && i < sizeof sql_types / sizeof sql_types[0]; i++)
        if (asked.data_type == all || (int32_t)asked.data_type == sql_types[i].xdbc)
            put_type(rows, &sql_types[i]);
    return status;
}
