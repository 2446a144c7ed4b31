/* SPDX-License-Identifier: Apache-2.0 */
#include "answers_data.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Values. ------------------------------------------------------------------------------------------------------ */

#define COUNT_OF(list) ((uint32_t)(sizeof(list) / sizeof((list)[0])))

/* What the contents of a column are like. */
enum profile {
    INTEGER_SMALL,
    INTEGER_WIDE,
    INTEGER_EDGE,
    REAL_MONEY,
    REAL_SMALL,
    REAL_TRAP,
    TEXT_WORD,
    TEXT_UNICODE,
    TEXT_BAD,
    TEXT_NUMBER,
    DATE_ISO,
    BOOLEAN_01,
    BLOB_SHORT,
    NUMBER_MIXED,
    ANYTHING,
    PROFILE_COUNT,
};

static const int64_t integer_edges[] = {
    0,
    1,
    -1,
    2,
    255,
    65536,
    INT64_C(2147483647),
    INT64_C(-2147483648),
    INT64_C(4294967296),
    INT64_C(9007199254740991),
    INT64_C(9007199254740992),
    INT64_C(9007199254740993),
    INT64_C(-9007199254740992),
    INT64_C(-9007199254740993),
    INT64_MAX,
    INT64_MAX - 1,
    INT64_MIN,
    INT64_MIN + 1,
    INT64_C(4611686018427387904),
};
static const double real_edges[] = {
    0.0,     -0.0,   0.1,
    0.2,     0.3,    0.30000000000000004,
    1.0,     -1.0,   2.5,
    0.5,     1.5,    67.585,
    1e15,    1e16,   123456789012345.67,
    1e300,   -1e300, DBL_MAX,
    DBL_MIN, 5e-324, -5e-324,
    1e-310,  1e-7,   9007199254740992.0,
    1e22,    1e23,   9007199254740994.0,
    -2.5,    3.0,    9223372036854775808.0,
    100.0,   1e18,   -9223372036854775808.0,
    0.15,    2.675,  1.005,
    1e100,   1e-100, 1.7976931348623155e308,
    4.35,    1.1,    2.2250738585072011e-308,
};
static const char *const words[] = {
    "",      "a",     "A",     "ab",   "Ab",  "aB",  "abc",    "ABC", "b",   "B",    "Hello", "hello",   "WORLD",
    "x y",   " a",    "a ",    "a  ",  "%",   "_",   "a%b",    "a_b", "[a]", "*",    "?",     "O'Ne",    "\"q\"",
    "\\",    "zz",    "true",  "NULL", "nan", "foo", "Foobar", "bar", "baz", "a\tb", "a\nb",  "-",       "Zebra",
    "zebra", "apple", "Apple", "pear", "10",  "9",   "abab",   "aaa", ".",   "+1",   "lemon", "Ann Lee", "ann lee",
};
static const char *const unicode_words[] = {
    "é",     "É", "éa",        "ß", "straße", "日本", "日本語", "😀", "a😀b",
    "ñandú", "Ñ", "e\xCC\x81", "Ω", "ω",      "İ",    "ı",      "ǆ", "\xEF\xBB\xBFx",
};
static const char *const number_words[] = {
    "0",
    "1",
    "-1",
    "10",
    "2",
    "1.0",
    "1.5",
    "01",
    " 1",
    "1 ",
    "1e2",
    "1e400",
    "12abc",
    "abc12",
    "0x10",
    "+5",
    "1e",
    "1.",
    ".5",
    "-0",
    "-.5",
    "1e-3",
    "--1",
    "1 2",
    "3.0",
    "100",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "1_000",
    "inf",
    "Infinity",
    "nan",
    "0.1",
    "0.30000000000000004",
    "1.9e1",
    "25e-1",
    " \t7e2 ",
    "-1e5",
    "1e18",
    "99999999999999999999",
};
static const char *const dates[] = {
    "2020-01-01",
    "2020-02-29",
    "2019-02-29",
    "2021-12-31",
    "1999-12-31 23:59:59",
    "2020-01-01T10:20:30",
    "2020-06-15 12:30:45.678",
    "2021-03-14",
    "2021-03-14 01:00",
    "0000-01-01",
    "9999-12-31",
    "1970-01-01",
    "2020-13-01",
    "2020-1-1",
    "2024-01-31",
    "2020-01-01Z",
    "2022-07-04 08:09:10",
    "2022-07-04 08:09:10+02:00",
    "-0001-01-01",
    "2023-10-05",
    "2023-10-06",
    "2023-10-05 00:00:00",
};

static void set_text(struct cell *cell, const char *bytes, size_t length)
{
    memcpy(cell->bytes, bytes, length);
    cell->value = rhei_text_n(cell->bytes, length);
}

static void bad_text(struct random *random, struct cell *cell)
{
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
        {"\xff", 1},         {"a\x80", 2},          {"\xc3", 1},     {"\xed\xa0\x80", 3}, {"a\0b", 3},
        {"\0", 1},           {"abc\0", 4},          {"\xc0\x80", 2}, {"A\xff", 2},        {"\xf4\x90\x80\x80", 4},
        {"\xe2\x28\xa1", 3}, {"ab\xc3\xa9\xff", 5},
    };
    uint32_t n = random_below(random, COUNT_OF(bad) + 6);
    if (n < COUNT_OF(bad))
        set_text(cell, bad[n].bytes, bad[n].length);
    else
        set_text(cell, words[n], strlen(words[n]));
}

static void random_blob(struct random *random, struct cell *cell)
{
    uint32_t length = random_below(random, 6);
    for (uint32_t i = 0; i < length; i++)
        cell->bytes[i] =
            random_chance(random, 60) ? (char)('a' + random_below(random, 4)) : (char)random_below(random, 256);
    cell->value = rhei_blob(cell->bytes, length);
}

static double random_real(struct random *random, enum profile profile)
{
    if (profile == REAL_MONEY)
        return ((double)random_below(random, 20000) - 5000) / 100.0;
    if (profile == REAL_SMALL)
        return ((double)random_below(random, 64) - 20) / 4.0;
    if (random_chance(random, 60))
        return real_edges[random_below(random, COUNT_OF(real_edges))];
    if (random_chance(random, 15))
        return random_chance(random, 50) ? INFINITY : -INFINITY;
    return ((double)random_next(random) - 9e18) / (double)(random_next(random) >> random_below(random, 60) | 1);
}

static int64_t random_integer(struct random *random, enum profile profile)
{
    if (profile == INTEGER_SMALL)
        return (int64_t)random_below(random, 24) - 6;
    if (profile == INTEGER_WIDE)
        return (int64_t)random_below(random, 2000001) - 1000000;
    if (random_chance(random, 20))
        return (int64_t)random_next(random) >> random_below(random, 63);
    return integer_edges[random_below(random, COUNT_OF(integer_edges))];
}

static void set_word(struct random *random, struct cell *cell, const char *const *list, uint32_t count)
{
    const char *word = list[random_below(random, count)];
    set_text(cell, word, strlen(word));
}

static void random_date(struct random *random, struct cell *cell)
{
    if (random_chance(random, 15)) {
        set_word(random, cell, dates, COUNT_OF(dates));
        return;
    }
    int length = snprintf(cell->bytes, sizeof cell->bytes, "20%02u-%02u-%02u", 18 + random_below(random, 5),
                          1 + random_below(random, 12), 1 + random_below(random, 28));
    cell->value = rhei_text_n(cell->bytes, (size_t)length);
}

static void profile_value(struct random *random, enum profile profile, struct cell *cell)
{
    switch (profile) {
    case INTEGER_SMALL:
    case INTEGER_WIDE:
    case INTEGER_EDGE:
        cell->value = rhei_integer(random_integer(random, profile));
        break;
    case REAL_MONEY:
    case REAL_SMALL:
    case REAL_TRAP:
        cell->value = rhei_real(random_real(random, profile));
        break;
    case TEXT_WORD:
        set_word(random, cell, words, COUNT_OF(words));
        break;
    case TEXT_UNICODE:
        set_word(random, cell, unicode_words, COUNT_OF(unicode_words));
        break;
    case TEXT_BAD:
        bad_text(random, cell);
        break;
    case TEXT_NUMBER:
        set_word(random, cell, number_words, COUNT_OF(number_words));
        break;
    case DATE_ISO:
        random_date(random, cell);
        break;
    case BOOLEAN_01:
        cell->value = rhei_integer(random_below(random, 2));
        break;
    case BLOB_SHORT:
        random_blob(random, cell);
        break;
    case NUMBER_MIXED:
        profile_value(random, random_chance(random, 50) ? INTEGER_SMALL : REAL_SMALL, cell);
        break;
    default:
        if (random_chance(random, 10))
            cell->value = rhei_null();
        else
            profile_value(random, (enum profile)random_below(random, ANYTHING), cell);
    }
}

void data_value(struct random *random, enum flavour flavour, bool calm, struct cell *cell)
{
    static const enum profile usual[FLAVOUR_COUNT] = {INTEGER_SMALL, REAL_SMALL, TEXT_WORD, DATE_ISO,
                                                      BOOLEAN_01,    BLOB_SHORT, ANYTHING};
    static const enum profile other[FLAVOUR_COUNT][3] = {
        {INTEGER_WIDE, INTEGER_EDGE, INTEGER_SMALL}, {REAL_MONEY, REAL_TRAP, NUMBER_MIXED},
        {TEXT_UNICODE, TEXT_NUMBER, TEXT_BAD},       {DATE_ISO, DATE_ISO, DATE_ISO},
        {BOOLEAN_01, BOOLEAN_01, INTEGER_SMALL},     {BLOB_SHORT, BLOB_SHORT, TEXT_WORD},
        {ANYTHING, NUMBER_MIXED, TEXT_WORD},
    };
    if (random_chance(random, 3))
        cell->value = rhei_null();
    else if (random_chance(random, calm ? 95 : 65))
        profile_value(random, usual[flavour], cell);
    else
        profile_value(random, other[flavour][random_below(random, 3)], cell);
}

static void put_text_literal(struct text *text, const char *bytes, uint32_t length)
{
    bool plain = true;
    for (uint32_t i = 0; i < length; i++)
        plain = plain && (unsigned char)bytes[i] >= 0x20 && (unsigned char)bytes[i] < 0x7F;
    if (!plain)
        text_put(text, "CAST(x'");
    else
        text_put(text, "'");
    for (uint32_t i = 0; i < length; i++)
        if (!plain)
            text_format(text, "%02x", (unsigned char)bytes[i]);
        else
            text_format(text, bytes[i] == '\'' ? "''" : "%c", bytes[i]);
    text_put(text, plain ? "'" : "' AS TEXT)");
}

static void put_real_literal(struct text *text, double value)
{
    if (isinf(value)) {
        text_put(text, value > 0 ? "9e999" : "-9e999");
        return;
    }
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    text_put(text, digits);
    if (strpbrk(digits, ".e") == NULL)
        text_put(text, ".0");
}

void data_literal(struct text *text, const struct rhei_value *value)
{
    switch (value->type) {
    case RHEI_INTEGER:
        text_format(text, "%lld", (long long)value->as.integer);
        break;
    case RHEI_REAL:
        put_real_literal(text, value->as.real);
        break;
    case RHEI_TEXT:
        put_text_literal(text, value->as.bytes, value->length);
        break;
    case RHEI_BLOB:
        text_put(text, "x'");
        for (uint32_t i = 0; i < value->length; i++)
            text_format(text, "%02x", ((const unsigned char *)value->as.bytes)[i]);
        text_put(text, "'");
        break;
    default:
        text_put(text, "NULL");
    }
}

/* ---- Tables. ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *type;
    enum flavour flavour;
    enum profile profiles[4];
} declarations[] = {
    {"INTEGER", FLAVOUR_INTEGER, {INTEGER_SMALL, INTEGER_SMALL, INTEGER_WIDE, INTEGER_EDGE}},
    {"INT", FLAVOUR_INTEGER, {INTEGER_SMALL, INTEGER_WIDE, INTEGER_EDGE, BOOLEAN_01}},
    {"BIGINT", FLAVOUR_INTEGER, {INTEGER_SMALL, INTEGER_WIDE, INTEGER_EDGE, NUMBER_MIXED}},
    {"REAL", FLAVOUR_REAL, {REAL_MONEY, REAL_SMALL, REAL_TRAP, REAL_SMALL}},
    {"DOUBLE", FLAVOUR_REAL, {REAL_MONEY, REAL_SMALL, REAL_TRAP, INTEGER_SMALL}},
    {"TEXT", FLAVOUR_TEXT, {TEXT_WORD, TEXT_WORD, TEXT_UNICODE, TEXT_NUMBER}},
    {"VARCHAR(20)", FLAVOUR_TEXT, {TEXT_WORD, TEXT_UNICODE, TEXT_BAD, TEXT_WORD}},
    {"TEXT COLLATE NOCASE", FLAVOUR_TEXT, {TEXT_WORD, TEXT_WORD, TEXT_UNICODE, TEXT_BAD}},
    {"TEXT COLLATE RTRIM", FLAVOUR_TEXT, {TEXT_WORD, TEXT_WORD, TEXT_WORD, TEXT_WORD}},
    {"NUMERIC", FLAVOUR_REAL, {NUMBER_MIXED, REAL_MONEY, INTEGER_SMALL, REAL_TRAP}},
    {"DECIMAL(10,2)", FLAVOUR_REAL, {REAL_MONEY, NUMBER_MIXED, REAL_MONEY, TEXT_NUMBER}},
    {"DATE", FLAVOUR_DATE, {DATE_ISO, DATE_ISO, DATE_ISO, INTEGER_SMALL}},
    {"DATETIME", FLAVOUR_DATE, {DATE_ISO, DATE_ISO, DATE_ISO, TEXT_WORD}},
    {"TEXT", FLAVOUR_DATE, {DATE_ISO, DATE_ISO, DATE_ISO, DATE_ISO}},
    {"BOOLEAN", FLAVOUR_BOOLEAN, {BOOLEAN_01, BOOLEAN_01, BOOLEAN_01, INTEGER_SMALL}},
    {"", FLAVOUR_INTEGER, {INTEGER_SMALL, INTEGER_SMALL, NUMBER_MIXED, INTEGER_EDGE}},
    {"", FLAVOUR_REAL, {REAL_SMALL, REAL_MONEY, REAL_TRAP, NUMBER_MIXED}},
    {"", FLAVOUR_TEXT, {TEXT_WORD, TEXT_WORD, TEXT_BAD, TEXT_NUMBER}},
    {"BLOB", FLAVOUR_BLOB, {BLOB_SHORT, BLOB_SHORT, BLOB_SHORT, ANYTHING}},
    {"", FLAVOUR_ANY, {ANYTHING, ANYTHING, NUMBER_MIXED, ANYTHING}},
};

enum { CALM_DECLARATIONS = 18 }; /* the first of them hold one class, and no bad text */

static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "k", "\"order\"", "\"x y\"", "Név"};

static void add_statement(struct schema *schema, const char *words_of_it)
{
    if (schema->statement_count == schema->statement_capacity) {
        schema->statement_capacity = schema->statement_capacity * 2 + 64;
        schema->statements = realloc(schema->statements, schema->statement_capacity * sizeof *schema->statements);
        if (schema->statements == NULL)
            abort();
    }
    char *copy = strdup(words_of_it);
    if (copy == NULL)
        abort();
    schema->statements[schema->statement_count++] = copy;
}

/* How the columns of one table are filled. */
struct filling {
    enum profile profile;
    uint32_t nulls; /* percent */
};

static void make_columns(struct random *random, bool calm, struct relation *table, struct filling *filling,
                         struct text *sql)
{
    uint32_t first = random_below(random, COUNT_OF(names));
    table->column_count = 3 + random_below(random, 6);
    for (uint32_t c = 0; c < table->column_count; c++) {
        uint32_t d = random_below(random, calm ? CALM_DECLARATIONS : COUNT_OF(declarations));
        struct column *column = &table->columns[c];
        snprintf(column->name, sizeof column->name, "%s", names[(first + c) % COUNT_OF(names)]);
        column->flavour = declarations[d].flavour;
        filling[c].profile = declarations[d].profiles[random_below(random, calm ? 2 : 4)];
        if (!calm && random_chance(random, 5))
            filling[c].profile = (enum profile)random_below(random, PROFILE_COUNT);
        filling[c].nulls = random_chance(random, 40) ? 0 : random_chance(random, 80) ? 15 : 70;
        text_format(sql, "%s%s %s", c > 0 ? ", " : "", column->name, declarations[d].type);
        if (filling[c].nulls == 0 && random_chance(random, 30))
            text_put(sql, " NOT NULL");
    }
}

/* The key comes first, so that a table has one of: an integer, a text, several columns, none. */
static void make_table(struct random *random, struct schema *schema, struct relation *table, struct filling *filling)
{
    struct text sql = {0}, columns = {0};
    make_columns(random, schema->calm, table, filling, &columns);
    text_format(&sql, "CREATE TABLE %s (", table->name);
    uint32_t kind = random_below(random, 10);
    if (kind < 6 && table->column_count < MOST_COLUMNS) {
        memmove(table->columns + 1, table->columns, table->column_count * sizeof *table->columns);
        memmove(filling + 1, filling, table->column_count * sizeof *filling);
        table->column_count++;
        static const char *const kinds[] = {"id INTEGER PRIMARY KEY", "id INTEGER PRIMARY KEY",
                                            "id INTEGER PRIMARY KEY", "id INT PRIMARY KEY",
                                            "id TEXT PRIMARY KEY",    "id TEXT COLLATE NOCASE PRIMARY KEY"};
        bool whole = kind < 4;
        table->columns[0].flavour = whole ? FLAVOUR_INTEGER : FLAVOUR_TEXT;
        snprintf(table->columns[0].name, sizeof table->columns[0].name, "id");
        filling[0] = (struct filling){whole ? INTEGER_SMALL : TEXT_WORD, 0};
        text_format(&sql, "%s, ", kinds[kind]);
    }
    text_put(&sql, columns.at);
    if (kind == 6 || kind == 7)
        text_format(&sql, ", PRIMARY KEY (%s, %s)", table->columns[0].name, table->columns[1].name);
    table->given_count = table->column_count;
    bool generated = random_chance(random, 8) && table->column_count < MOST_COLUMNS;
    if (generated) {
        struct column *column = &table->columns[table->column_count++];
        snprintf(column->name, sizeof column->name, "made");
        column->flavour = FLAVOUR_INTEGER;
        text_format(&sql, ", made INTEGER AS (length(%s)) %s", table->columns[0].name,
                    random_chance(random, 50) ? "STORED" : "VIRTUAL");
    }
    text_put(&sql, kind >= 3 && kind <= 7 && random_chance(random, 40) ? ") WITHOUT ROWID" : ")");
    add_statement(schema, sql.at);
    text_free(&sql);
    text_free(&columns);
}

static void add_row(struct random *random, struct schema *schema, const struct relation *table,
                    const struct filling *filling)
{
    struct text sql = {0};
    text_format(&sql, "INSERT OR IGNORE INTO %s VALUES (", table->name);
    for (uint32_t c = 0; c < table->given_count; c++) {
        struct cell cell = {.value = rhei_null()};
        if (!random_chance(random, filling[c].nulls))
            profile_value(random, filling[c].profile, &cell);
        text_put(&sql, c > 0 ? ", " : "");
        data_literal(&sql, &cell.value);
    }
    text_put(&sql, ")");
    add_statement(schema, sql.at);
    text_free(&sql);
}

static void make_indexes(struct random *random, struct schema *schema, const struct relation *table)
{
    for (uint32_t i = random_below(random, 3); i > 0; i--) {
        struct text sql = {0};
        const struct column *one = &table->columns[random_below(random, table->column_count)];
        const struct column *two = &table->columns[random_below(random, table->column_count)];
        text_format(&sql, "CREATE INDEX i%s%u ON %s (%s%s", table->name, i, table->name, one->name,
                    random_chance(random, 30) ? " DESC" : "");
        if (random_chance(random, 40) && one != two)
            text_format(&sql, ", %s", two->name);
        text_put(&sql, random_chance(random, 15) ? ") WHERE " : ")");
        if (sql.at[sql.length - 1] == ' ')
            text_format(&sql, "%s IS NOT NULL", one->name);
        add_statement(schema, sql.at);
        text_free(&sql);
    }
}

/* Appends the statement that makes the view. */
static void put_view(struct random *random, const struct schema *schema, uint32_t number, struct relation *view,
                     struct text *sql)
{
    view->base = random_below(random, schema->table_count);
    const struct relation *table = &schema->relations[view->base];
    snprintf(view->name, sizeof view->name, "v%u", number);
    text_format(sql, "CREATE VIEW %s AS SELECT %s", view->name, random_chance(random, 20) ? "DISTINCT " : "");
    view->column_count = 0;
    for (uint32_t c = 0; c < table->column_count; c++) {
        text_format(sql, "%s%s", c > 0 ? ", " : "", table->columns[c].name);
        view->columns[view->column_count++] = table->columns[c];
    }
    text_format(sql, " FROM %s", table->name);
    if (random_chance(random, 50))
        text_format(sql, " WHERE %s IS NOT NULL", table->columns[random_below(random, table->column_count)].name);
}

static void make_view(struct random *random, struct schema *schema, uint32_t number)
{
    struct text sql = {0};
    put_view(random, schema, number, &schema->relations[schema->relation_count++], &sql);
    add_statement(schema, sql.at);
    text_free(&sql);
}

void data_make(struct random *random, bool calm, bool large, struct schema *schema)
{
    *schema = (struct schema){.calm = calm, .large = large};
    schema->table_count = 3 + random_below(random, 3);
    for (uint32_t t = 0; t < schema->table_count; t++) {
        struct relation *table = &schema->relations[t];
        struct filling filling[MOST_COLUMNS];
        snprintf(table->name, sizeof table->name, "t%u", t);
        make_table(random, schema, table, filling);
        uint32_t rows = random_chance(random, 8) ? random_below(random, 2) : 4 + random_below(random, 32);
        rows = large && t == 0 ? 3000 : rows;
        for (uint32_t r = 0; r < rows; r++)
            add_row(random, schema, table, filling);
        make_indexes(random, schema, table);
    }
    schema->relation_count = schema->table_count;
    for (uint32_t v = 0; v < MOST_VIEWS; v++)
        make_view(random, schema, v);
}

void data_change(struct random *random, struct schema *schema, uint32_t count)
{
    for (; count > 0; count--) {
        const struct relation *table = &schema->relations[random_below(random, schema->table_count)];
        const struct column *column = &table->columns[random_below(random, table->column_count)];
        const struct column *where = &table->columns[random_below(random, table->column_count)];
        struct text sql = {0};
        struct cell cell, other;
        data_value(random, column->flavour, schema->calm, &cell);
        data_value(random, where->flavour, schema->calm, &other);
        if (random_chance(random, 65)) {
            text_format(&sql, "UPDATE OR IGNORE %s SET %s = ", table->name, column->name);
            data_literal(&sql, &cell.value);
        } else {
            text_format(&sql, "DELETE FROM %s", table->name);
        }
        text_format(&sql, " WHERE %s = ", where->name);
        data_literal(&sql, &other.value);
        add_statement(schema, sql.at);
        text_free(&sql);
    }
}

/* ---- Changes of the schema. --------------------------------------------------------------------------------------- */

/*
 * SQLite 3.40, which the shell may be, takes it for an integer as the default of a column without a type, and an index that it makes
 * has integers then, where the table has REALs to a newer SQLite.
 */
static bool is_whole_real(const struct rhei_value *value)
{
    return value->type == RHEI_REAL && value->as.real == trunc(value->as.real);
}

static void alter_add(struct random *random, const struct schema *schema, uint32_t number, struct alter *alter)
{
    struct relation *table = &alter->after;
    uint32_t d = random_below(random, schema->calm ? CALM_DECLARATIONS : COUNT_OF(declarations));
    struct cell cell;
    if (table->column_count == MOST_COLUMNS)
        return;
    struct column *column = &table->columns[table->column_count++];
    snprintf(column->name, sizeof column->name, "n%u", number);
    column->flavour = declarations[d].flavour;
    text_format(&alter->sql, "ALTER TABLE %s ADD COLUMN %s %s", table->name, column->name, declarations[d].type);
    if (random_chance(random, 70)) {
        profile_value(random, declarations[d].profiles[random_below(random, schema->calm ? 2 : 4)], &cell);
        if (declarations[d].type[0] == '\0' && is_whole_real(&cell.value))
            return;
        text_put(&alter->sql, " DEFAULT (");
        data_literal(&alter->sql, &cell.value);
        text_put(&alter->sql, ")");
    }
}

static void alter_drop(struct alter *alter)
{
    struct relation *table = &alter->after;
    text_format(&alter->sql, "ALTER TABLE %s DROP COLUMN %s", table->name, table->columns[alter->column].name);
    table->column_count--;
    memmove(table->columns + alter->column, table->columns + alter->column + 1,
            (table->column_count - alter->column) * sizeof *table->columns);
}

static void alter_rename(struct alter *alter, uint32_t number)
{
    struct column *column = &alter->after.columns[alter->column];
    text_format(&alter->sql, "ALTER TABLE %s RENAME COLUMN %s TO r%u", alter->after.name, column->name, number);
    snprintf(column->name, sizeof column->name, "r%u", number);
}

void data_alter(struct random *random, const struct schema *schema, uint32_t number, struct alter *alter)
{
    *alter = (struct alter){.kind = (enum alter_kind)random_below(random, ALTER_COUNT)};
    bool view = alter->kind == ALTER_VIEW;
    alter->relation =
        view ? schema->table_count + random_below(random, MOST_VIEWS) : random_below(random, schema->table_count);
    alter->after = schema->relations[alter->relation];
    alter->column = random_below(random, alter->after.column_count);
    switch (alter->kind) {
    case ALTER_ADD:
        alter_add(random, schema, number, alter);
        break;
    case ALTER_DROP:
        alter_drop(alter);
        break;
    case ALTER_RENAME:
        alter_rename(alter, number);
        break;
    case ALTER_INDEX:
        text_format(&alter->sql, "CREATE INDEX j%u ON %s (%s%s)", number % 4, alter->after.name,
                    alter->after.columns[alter->column].name, random_chance(random, 30) ? " DESC" : "");
        break;
    case ALTER_NO_INDEX:
        text_format(&alter->sql, "DROP INDEX IF EXISTS j%u", number % 4);
        break;
    default:
        text_format(&alter->sql, "DROP VIEW %s; ", alter->after.name);
        alter->after.column_count = 0;
        put_view(random, schema, alter->relation - schema->table_count, &alter->after, &alter->sql);
        break;
    }
}

/* A renamed column has its new name in the views over its table too. */
static void rename_in_views(struct schema *schema, const struct alter *alter)
{
    const char *old = schema->relations[alter->relation].columns[alter->column].name;
    const char *new = alter->after.columns[alter->column].name;
    for (uint32_t v = schema->table_count; v < schema->relation_count; v++) {
        struct relation *view = &schema->relations[v];
        for (uint32_t c = 0; view->base == alter->relation && c < view->column_count; c++)
            if (strcmp(view->columns[c].name, old) == 0)
                snprintf(view->columns[c].name, sizeof view->columns[c].name, "%s", new);
    }
}

void data_altered(struct schema *schema, const struct alter *alter)
{
    if (alter->kind == ALTER_RENAME)
        rename_in_views(schema, alter);
    schema->relations[alter->relation] = alter->after;
    add_statement(schema, alter->sql.at);
}

void data_free(struct schema *schema)
{
    for (size_t i = 0; i < schema->statement_count; i++)
        free(schema->statements[i]);
    free(schema->statements);
    *schema = (struct schema){0};
}
