/* SPDX-License-Identifier: Apache-2.0 */
/* Questions asked of a table whose rows are in the mirror alone, and of a copy of it that is SQLite's own: the same answers. */
#include "face_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"

static const char *const conditions[] = {
    "id = 5",
    "id = '5'",
    "id = ' 5 '",
    "id = 5.0",
    "id = 5.5",
    "id = 'x'",
    "id IN (1, 7, 7, 9999)",
    "id BETWEEN 10 AND 20",
    "id > 2990",
    "id >= 2990.5",
    "id < 3",
    "id <= '3'",
    "id < 'a'",
    "id > 'a'",
    "id = NULL",
    "id IS NULL",
    "id IS 5",
    "NOT id > 5",
    "grp = 7",
    "grp = '7'",
    "grp > 48 OR grp < 2",
    "grp IS NULL",
    "price = 'dear'",
    "price > 24",
    "price >= 24.5",
    "price < 1",
    "price <= 'dear'",
    "price > 'cheap'",
    "price = 12",
    "price BETWEEN 3 AND 4",
    "name = 'anna'",
    "name = 7",
    "name = '7'",
    "name = 7.0",
    "name > 'a'",
    "name < 'b'",
    "name = 'ANNA'",
    "name = x'37'",
    "nick = 'ANNA'",
    "nick = 'anna'",
    "nick > 'B'",
    "name LIKE 'a%'",
    "\"any thing\" = 7",
    "\"any thing\" = '7'",
    "\"any thing\" = 'seven'",
    "\"any thing\" = x'736576656e'",
    "\"any thing\" > 7",
    "\"any thing\" < 3",
    "\"any thing\" >= 'a'",
    "\"any thing\" = 10.5",
    "+\"any thing\" = '7'",
    "(grp, id) = (3, 4)",
    "(grp, id) > (48, 5)",
    "id IN (SELECT n FROM words)",
    "name IN (SELECT word FROM words)",
    "\"any thing\" IN (SELECT word FROM words)",
    "EXISTS (SELECT 1 FROM words WHERE word = nick)",
    "id = (SELECT max(grp) FROM %s)",
    "name = grp",
    "grp = name",
    "\"any thing\" = grp",
    "\"any thing\" = name",
    "rowid = 5",
    "rowid BETWEEN 5 AND 7",
    "id = 9223372036854775807",
    "id > -9223372036854775808",
    "id = 1e300",
};

/* Each question asked of the shown table and of a copy of it that is SQLite's own; %s in it is the table's name. */
static void test_conditions_mean_what_they_mean_on_a_local_table(void **state)
{
    struct face *face = *state;
    face_copy(&face->test, "true");
    face_expect(&face->test, "SELECT count(*) FROM local", "3000");
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        char condition[256], local[512], shown[512];
        const char *mark = strstr(conditions[i], "%s");
        size_t before = mark == NULL ? strlen(conditions[i]) : (size_t)(mark - conditions[i]);
        snprintf(condition, sizeof condition, "%.*s%s%s", (int)before, conditions[i], mark == NULL ? "" : "local",
                 mark == NULL ? "" : mark + 2);
        static const char form[] = "SELECT id, grp, price, name, nick, \"any thing\" FROM %s WHERE %s ORDER BY id";
        snprintf(local, sizeof local, form, "local", condition);
        snprintf(shown, sizeof shown, form, "items", condition);
        face_same(&face->test, local, shown);
    }
}

static void test_joins_on_columns_of_any_affinity(void **state)
{
    static const char *const columns[] = {"id", "grp", "price", "name", "nick", "\"any thing\""};
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    test_write(test, "CREATE TABLE few AS SELECT * FROM items WHERE id < 120");
    face_copy(test, "id % 3 = 0");
    test_write(test, "CREATE TABLE keys(i INTEGER, t TEXT, b, r REAL)");
    test_write(test,
               "INSERT INTO keys VALUES (7, '7', 7, 7.5), (6, 'seven', '7', 12), (NULL, 'anna', x'736576656e', 3), "
               "(30, '30', '30', 30)");
    for (size_t a = 0; a < 6; a++) {
        for (const char *key = "itbr"; *key != '\0'; key++) {
            char local[512], shown[512];
            static const char form[] =
                "SELECT k.rowid, x.id FROM keys k %s JOIN %s x ON x.%s = k.%c WHERE x.id IS NULL OR "
                "x.id %% 3 = 0 ORDER BY 1, 2";
            for (int left = 0; left < 2; left++) {
                snprintf(local, sizeof local, form, left ? "LEFT" : "", "local", columns[a], *key);
                snprintf(shown, sizeof shown, form, left ? "LEFT" : "", "(SELECT * FROM items WHERE id % 3 = 0)",
                         columns[a], *key);
                face_same(test, local, shown);
            }
        }
    }
    face_same(test, "SELECT count(*) FROM few a JOIN local b ON a.id = b.id",
              "SELECT count(*) FROM few a JOIN items b ON a.id = b.id WHERE b.id % 3 = 0");
    face_expect(test, "SELECT count(*) FROM items a JOIN items b ON a.id = b.id JOIN words w ON w.word = a.name",
                "1500");
    face_expect(test, "SELECT count(*), count(w.n) FROM items a LEFT JOIN words w ON w.word = a.name", "3000|1500");
}

/* ---- Statements made by chance. ----------------------------------------------------------------------------------- */

/* %1$s is the table; every one has one answer, whatever the plan is. */
static void make_statement(uint64_t *seed, const char *table, char *sql, size_t size)
{
    static const char *const forms[] = {
        "SELECT id, grp, nick FROM %s x WHERE %s ORDER BY id",
        "SELECT id, name FROM %s x WHERE %s ORDER BY id DESC",
        "SELECT rowid, price FROM %s x WHERE %s ORDER BY rowid, grp DESC",
        "SELECT grp, id FROM %s x WHERE %s ORDER BY grp, id DESC",
        "SELECT id, count(*), max(price) FROM %s x WHERE %s GROUP BY id",
        "SELECT DISTINCT id, grp FROM %s x WHERE %s ORDER BY id DESC, grp",
        "SELECT x.id, w.n FROM %s x JOIN words w ON w.word = x.name WHERE %s ORDER BY x.id DESC, w.n",
        "SELECT w.n, x.id FROM words w LEFT JOIN %s x ON x.id = w.n * 100 AND %s ORDER BY w.n, x.id",
        "SELECT min(id), max(id), count(*) FROM %s x WHERE %s",
        "SELECT id FROM (SELECT id, grp FROM %s x WHERE %s ORDER BY id DESC LIMIT 40) ORDER BY grp, id",
        "SELECT id, row_number() OVER (ORDER BY id DESC) FROM %s x WHERE %s ORDER BY id",
        "SELECT n, (SELECT id FROM %s x WHERE grp > n AND %s ORDER BY id DESC LIMIT 1 OFFSET 2) FROM words ORDER BY n",
    };
    const char *condition = conditions[face_chance(seed, sizeof conditions / sizeof conditions[0])];
    if (strstr(condition, "%s") != NULL)
        condition = "id IN (5, 3, 2999, 3, 4001, NULL, '17')";
    char both[300];
    if (face_chance(seed, 3) == 0)
        snprintf(both, sizeof both, "(%s) AND id %% %d <> 0", condition, 2 + (int)face_chance(seed, 5));
    else
        snprintf(both, sizeof both, "(%s)", face_chance(seed, 4) == 0 ? "true" : condition);
    int used = snprintf(sql, size, forms[face_chance(seed, sizeof forms / sizeof forms[0])], table, both);
    if (strstr(sql, "words ORDER BY n") == NULL && face_chance(seed, 2) == 0)
        snprintf(sql + used, size - (size_t)used, " LIMIT %d OFFSET %d", (int)face_chance(seed, 30),
                 (int)face_chance(seed, 60));
}

/* Statements that `make` makes give the same of the face's table as of a local copy of it; bits of `indexed`: rounds in which that has an index. */
static void face_same_by_chance(struct face *face, uint64_t seed, unsigned indexed, int count,
                                void (*make)(uint64_t *seed, const char *table, char *sql, size_t size))
{
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned round = 0; round < 3; round++) {
        if (round > 0)
            face_scatter(face, &seed);
        face_copy(&face->test, "true");
        if ((indexed >> round & 1) != 0)
            test_write(&face->test, "CREATE INDEX by_grp ON local(grp)");
        for (int i = 0; i < count; i++) {
            char local[2500], shown[2500];
            uint64_t again = seed;
            make(&seed, "local", local, sizeof local);
            make(&again, "items", shown, sizeof shown);
            face_same(&face->test, local, shown);
        }
        test_write(&face->test, "DROP TABLE local");
    }
}

static void test_q2_statements_made_by_chance(void **state)
{
    face_same_by_chance(*state, 20261127, 7, 250, make_statement);
}

static void test_the_key_s_order_is_the_face_s_own(void **state)
{
    struct face *face = *state;
    uint64_t seed = 1;
    static const char *const kept[] = {"SELECT id FROM items ORDER BY id LIMIT 5",
                                       "SELECT * FROM items WHERE grp > 3 ORDER BY id DESC",
                                       "SELECT * FROM items WHERE id = 7 ORDER BY name, price"};
    static const char *const sorted[] = {"SELECT id FROM items ORDER BY grp", "SELECT id FROM items ORDER BY grp, id",
                                         "SELECT n FROM words ORDER BY word"};
    face_scatter(face, &seed);
    for (size_t i = 0; i < 6; i++) {
        struct oltp_plan plan = {0};
        const char *sql = i < 3 ? kept[i] : sorted[i - 3];
        assert_int_equal(oltp_explain(face->test.oltp, sql, strlen(sql), &plan, NULL), RHEI_OK);
        if ((strstr(plan.text, "USE TEMP B-TREE") == NULL) != (i < 3))
            fail_msg("%s: %s", sql, plan.text);
        base_free(plan.text);
    }
    face_expect(&face->test, "SELECT id FROM items ORDER BY id LIMIT 4", "1\n2\n3\n4");
    face_expect(&face->test, "SELECT id FROM items ORDER BY id DESC LIMIT 2 OFFSET 1", "2999\n2998");
}

/* ---- Lists, limits and offsets. ------------------------------------------------------------------------------------ */

static const char *any(uint64_t *seed, const char *const *texts, size_t count)
{
    return texts[face_chance(seed, count)];
}
#define ANY(seed, texts) any(seed, texts, sizeof(texts) / sizeof(texts)[0])

static const char *const listed[] = {"1",
                                     "7",
                                     "3",
                                     "2999",
                                     "48",
                                     "2.0",
                                     "12.5",
                                     "7.5",
                                     "'7'",
                                     "' 5 '",
                                     "'5'",
                                     "NULL",
                                     "'anna'",
                                     "'ANNA'",
                                     "''",
                                     "x'37'",
                                     "-3",
                                     "-0.0",
                                     "1e300",
                                     "'x'",
                                     "x'736576656e'",
                                     "'seven'",
                                     "9007199254740993",
                                     "9007199254740992.0",
                                     "-9223372036854775808",
                                     "9223372036854775807",
                                     "(SELECT 4)"};

static void put_list(uint64_t *seed, char *list, size_t size)
{
    size_t used = 0, count = face_chance(seed, 6);
    list[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(list + used, size - used, "%s%s", i == 0 ? "" : ", ", ANY(seed, listed));
}

/* Many on the integer key alone, which OFFSET may be pushed with; others on columns of each affinity and collation. */
static void put_condition(uint64_t *seed, char *out, size_t size)
{
    static const char *const columns[] = {"id",
                                          "rowid",
                                          "id",
                                          "grp",
                                          "price",
                                          "name",
                                          "nick",
                                          "\"any thing\"",
                                          "nick COLLATE BINARY",
                                          "name COLLATE NOCASE",
                                          "+grp"};
    static const char *const of_key[] = {"id > 2990",
                                         "id <= 40",
                                         "id > 'x'",
                                         "id < 'x'",
                                         "id >= x'00'",
                                         "id <= x'00'",
                                         "id > NULL",
                                         "id BETWEEN 100 AND 190",
                                         "rowid > 2.5",
                                         "id = '17'",
                                         "id < 9007199254740993",
                                         "id >= 9007199254740992.0",
                                         "id <> 7",
                                         "true"};
    static const char *const queries[] = {"SELECT n FROM words",
                                          "SELECT word FROM words",
                                          "SELECT n * 100 FROM words WHERE n > 0",
                                          "SELECT NULL",
                                          "SELECT grp FROM items WHERE id < 9",
                                          "SELECT 7 WHERE false",
                                          "SELECT nick FROM items WHERE id < 60"};
    char list[300];
    put_list(seed, list, sizeof list);
    switch (face_chance(seed, 6)) {
    case 0:
        snprintf(out, size, "%s", ANY(seed, of_key));
        return;
    case 1:
        snprintf(out, size, "%s AND id IN (%s)", ANY(seed, of_key), list);
        return;
    case 2:
        snprintf(out, size, "%s IN (%s)", ANY(seed, columns), ANY(seed, queries));
        return;
    case 3:
        snprintf(out, size, "%s NOT IN (%s) OR id IN (%s)", ANY(seed, columns), list, list);
        return;
    case 4:
        snprintf(out, size, "%s IN (%s) AND %s", ANY(seed, columns), list, conditions[face_chance(seed, 20)]);
        return;
    default:
        snprintf(out, size, "%s IN (%s)", ANY(seed, columns), list);
    }
}

/* In the key's order, or of how many rows there are: what has one answer. */
static void put_limited(uint64_t *seed, const char *table, char *sql, size_t size)
{
    static const char *const limits[] = {"0",         "1", "7", "40", "2 + 3", "-1", "5000", "9223372036854775807",
                                         "(SELECT 9)"};
    static const char *const offsets[] = {
        "0", "1", "3", "100", "2990", "3000", "-5", "1 + 1", "9223372036854775807", "4000", "(SELECT 2)"};
    static const char *const forms[] = {
        "SELECT id, name FROM %1$s x WHERE %2$s ORDER BY id LIMIT %3$s OFFSET %4$s",
        "SELECT id, grp FROM %1$s x WHERE %2$s ORDER BY id DESC LIMIT %3$s OFFSET %4$s",
        "SELECT rowid FROM %1$s x WHERE %2$s ORDER BY rowid, name LIMIT %3$s",
        "SELECT count(*) FROM (SELECT id FROM %1$s x WHERE %2$s LIMIT %3$s OFFSET %4$s)",
        "SELECT count(*), count(DISTINCT id) FROM (SELECT * FROM %1$s x WHERE %2$s LIMIT %3$s)",
        "SELECT nick, id FROM %1$s x WHERE %2$s ORDER BY nick COLLATE BINARY, id LIMIT %3$s OFFSET %4$s",
        "SELECT DISTINCT grp FROM %1$s x WHERE %2$s ORDER BY grp LIMIT %3$s OFFSET %4$s",
        "SELECT grp, count(*) FROM %1$s x WHERE %2$s GROUP BY grp ORDER BY grp LIMIT %3$s OFFSET %4$s",
        "SELECT id FROM %1$s x WHERE %2$s UNION ALL SELECT n FROM words ORDER BY 1 LIMIT %3$s OFFSET %4$s",
        "SELECT count(*) FROM (SELECT id FROM %1$s x WHERE %2$s UNION ALL SELECT n FROM words LIMIT %3$s OFFSET %4$s)",
        "SELECT count(*) FROM (SELECT n FROM words UNION ALL SELECT id FROM %1$s x WHERE %2$s LIMIT %3$s OFFSET %4$s)",
        "SELECT n, (SELECT id FROM %1$s x WHERE id > n * 700 AND (%2$s) ORDER BY id LIMIT 1 OFFSET %4$s) FROM words "
        "ORDER BY n",
        "SELECT n, (SELECT max(id) FROM (SELECT id FROM %1$s x WHERE id <= n * 700 ORDER BY id DESC LIMIT %3$s OFFSET "
        "%4$s)) FROM words ORDER BY n",
        "SELECT n, EXISTS (SELECT 1 FROM %1$s x WHERE id > n * 900 AND (%2$s) LIMIT 1 OFFSET %4$s) FROM words ORDER BY "
        "n",
        "SELECT w.n, x.id FROM words w JOIN %1$s x ON x.name = w.word WHERE %2$s ORDER BY x.id, w.n LIMIT %3$s OFFSET "
        "%4$s",
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 9 LIMIT 7) SELECT i, (SELECT id FROM "
        "%1$s x "
        "WHERE id >= i * 300 ORDER BY id LIMIT 1 OFFSET 3) FROM r WHERE i IN (SELECT id FROM %1$s x WHERE %2$s)",
        "SELECT id, row_number() OVER (ORDER BY id) FROM %1$s x WHERE %2$s ORDER BY id LIMIT %3$s OFFSET %4$s",
        "SELECT id FROM (SELECT * FROM %1$s x WHERE %2$s ORDER BY id LIMIT %3$s OFFSET %4$s) WHERE grp > 5 ORDER BY id "
        "LIMIT 3",
        "SELECT id FROM %1$s x WHERE (id, grp) IN (SELECT n * 100, n FROM words) OR (%2$s) ORDER BY id LIMIT %3$s",
    };
    char condition[900];
    put_condition(seed, condition, sizeof condition);
    const char *form = ANY(seed, forms), *limit = ANY(seed, limits), *offset = ANY(seed, offsets);
    char *at = sql, *end = sql + size;
    for (; *form != '\0' && at < end - 1; form++) {
        if (form[0] != '%') {
            *at++ = *form;
            continue;
        }
        const char *const with[] = {table, condition, limit, offset};
        at += snprintf(at, (size_t)(end - at), "%s", with[form[1] - '1']);
        form += 3;
    }
    *at = '\0';
}

/* Keys that no double has, and the ends of their range. */
static void add_far_keys(struct face *face)
{
    enum { FAR_KEYS = 5 };
    const int64_t ids[FAR_KEYS] = {INT64_MIN, -7, (INT64_C(1) << 53) + 1, (INT64_C(1) << 53) + 2, INT64_MAX};
    struct rhei_value values[6][FAR_KEYS];
    const struct rhei_value *columns[6];
    for (int c = 0; c < 6; c++)
        columns[c] = values[c];
    for (int i = 0; i < FAR_KEYS; i++) {
        values[0][i] = face_integer(ids[i]);
        values[1][i] = face_integer(i);
        values[2][i] = (struct rhei_value){.type = RHEI_NULL};
        values[3][i] = values[4][i] = face_text("far key");
        values[5][i] = face_integer(ids[i]);
    }
    face_apply(face, face_items, 6, columns, FAR_KEYS, NULL);
    face_publish(face);
}

static void test_q2_lists_and_limits_made_by_chance(void **state)
{
    add_far_keys(*state);
    face_same_by_chance(*state, 20261128, 2, 700, put_limited);
}

/* What SQLite says that it hands over, and what it keeps for itself. */
static void test_what_is_pushed_into_the_reader(void **state)
{
    struct face *face = *state;
    static const char *const plans[][2] = {
        {"SELECT * FROM items WHERE id = 3", "INDEX 0:(id=?)"},
        {"SELECT * FROM items WHERE rowid IN (1, 2, 3)", "INDEX 0:(id IN (?))"},
        {"SELECT * FROM items WHERE grp IN (SELECT n FROM words) AND id > 3", "INDEX 0:(grp IN (?) AND id>?)"},
        {"SELECT * FROM items WHERE name IN ('anna', 'Bert')", "INDEX 0:(name IN (?))"},
        {"SELECT * FROM items WHERE nick IN ('anna', 'Bert')", "INDEX 0:"},
        {"SELECT * FROM items LIMIT 3", "INDEX 0:(LIMIT ?)"},
        {"SELECT * FROM items LIMIT 3 OFFSET 2000", "INDEX 4:(OFFSET ? AND LIMIT ?)"},
        {"SELECT * FROM items WHERE id IN (5, 6) ORDER BY id DESC LIMIT 3 OFFSET 1",
         "INDEX 7:(id IN (?) AND OFFSET ? AND LIMIT ?)"},
        {"SELECT * FROM items WHERE grp = 5 ORDER BY id LIMIT 3 OFFSET 1", "INDEX 1:(grp=? AND OFFSET ? AND LIMIT ?)"},
        {"SELECT * FROM items WHERE name LIKE 'a%' LIMIT 3 OFFSET 1", "INDEX 0:"},
        {"SELECT * FROM items WHERE length(name) = 4 AND id > 7 LIMIT 3", "INDEX 0:(id>?)"},
        {"SELECT * FROM items ORDER BY name LIMIT 3 OFFSET 1", "INDEX 0:"},
        {"SELECT grp FROM items GROUP BY grp LIMIT 3", "INDEX 0:"},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct oltp_plan plan = {0};
        assert_int_equal(oltp_explain(face->test.oltp, plans[i][0], strlen(plans[i][0]), &plan, NULL), RHEI_OK);
        const char *found = plan.text == NULL ? NULL : strstr(plan.text, "INDEX ");
        size_t len = strlen(plans[i][1]);
        if (found == NULL || strncmp(found, plans[i][1], len) != 0 || (found[len] != '\0' && found[len] != '\n'))
            fail_msg("%s: %s", plans[i][0], plan.text);
        base_free(plan.text);
    }
    face_expect(&face->test, "SELECT count(*) FROM (SELECT * FROM items LIMIT 20 OFFSET 2995)", "5");
    test_expect(&face->test, "SELECT id FROM items WHERE id > 'a' LIMIT 1 OFFSET 0", "");
}

#define FACE_TEST(name) cmocka_unit_test_setup_teardown(name, face_setup, face_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACE_TEST(test_q2_statements_made_by_chance),
        FACE_TEST(test_the_key_s_order_is_the_face_s_own),
        FACE_TEST(test_conditions_mean_what_they_mean_on_a_local_table),
        FACE_TEST(test_joins_on_columns_of_any_affinity),
        FACE_TEST(test_q2_lists_and_limits_made_by_chance),
        FACE_TEST(test_what_is_pushed_into_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
