/* SPDX-License-Identifier: Apache-2.0 */
/* Scans of the mirror by any executor: types, dead rows, ranges, snapshots, names. */
#include "tests/support/executor_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_memory.h"

enum { SALES = 7, MANY = 150000 };

/* Row i: amount i / 4, name by i % 100 (every 10th NULL), code text over 12 bytes. */
static void add_sale(struct rows *rows, int64_t i, char (*text)[40])
{
    snprintf(*text, sizeof *text, "a rather long code %06lld", (long long)i);
    rows_add(rows,
             (struct rhei_value[]){value_int(i), value_real((double)i / 4),
                                   i % 10 == 0 ? value_null() : value_text(i % 2 == 0 ? "even" : "odd"),
                                   value_text(*text)},
             4);
}

static void fill_sales(struct fixture *fixture, int64_t count)
{
    fixture_table(fixture, SALES, "sales", "id I, amount R, parity T, code T");
    char(*texts)[40] = base_alloc((size_t)count * sizeof *texts);
    struct rows rows = {0};
    for (int64_t i = 0; i < count; i++)
        add_sale(&rows, i, &texts[i]);
    fixture_apply(fixture, SALES, &rows);
    fixture_publish(fixture);
    base_free(texts);
}

static void test_columns_have_the_types_of_what_they_hold(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "id I, whole N, part N, word B, bytes B, none T");
    struct rows rows = {0};
    rows_add(&rows,
             (struct rhei_value[]){value_int(1), value_int(INT64_MIN), value_real(0.1), value_text("h\xc3\xa9"),
                                   value_blob("\0\1", 2), value_null()},
             6);
    rows_add(&rows,
             (struct rhei_value[]){value_int(2), value_null(), value_null(), value_null(), value_null(), value_null()},
             6);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    assert_answer(fixture, "SELECT * FROM mirror_scan(1, 0) ORDER BY id",
                  "1|-9223372036854775808|0.10000000000000001|h\xc3\xa9|x'0001'|NULL\n2|NULL|NULL|NULL|NULL|NULL");
    char sql[400], types[200];
    const struct executor_words *w = &fixture_words;
    snprintf(sql, sizeof sql,
             "SELECT %s(id), %s(whole), %s(part), %s(word), %s(bytes), %s(none) FROM mirror_scan(1, 0) LIMIT 1",
             w->type_of, w->type_of, w->type_of, w->type_of, w->type_of, w->type_of);
    snprintf(types, sizeof types, "%s|%s|%s|%s|%s|%s", w->integer, w->integer, w->real, w->text, w->blob, w->integer);
    assert_answer(fixture, sql, types);
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(1, 0)", "2");
}

static void test_q6_numbers_of_two_classes_keep_their_class(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "prices", "id I, price N");
    struct rows rows = {0};
    rows_add(&rows, (struct rhei_value[]){value_int(1), value_int(18)}, 2);
    rows_add(&rows, (struct rhei_value[]){value_int(2), value_real(18.5)}, 2);
    rows_add(&rows, (struct rhei_value[]){value_int(3), value_null()}, 2);
    rows_add(&rows, (struct rhei_value[]){value_int(4), value_real(7.0)}, 2);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    assert_answer(fixture, "SELECT id, price, price__int FROM mirror_scan(1, 0) ORDER BY id",
                  "1|18|1\n2|18.5|0\n3|NULL|NULL\n4|7|0");
    assert_answer(fixture, "SELECT id FROM mirror_scan(1, 0) WHERE price__int ORDER BY id", "1");
}

static void test_q6_segments_of_one_class_each_make_one_column(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "id I, number N");
    struct rows rows = {0};
    for (int64_t i = 0; i < MIRROR_SEGMENT_ROWS; i++)
        rows_add(&rows, (struct rhei_value[]){value_int(i), value_int(2)}, 2);
    for (int64_t i = MIRROR_SEGMENT_ROWS; i < 2 * MIRROR_SEGMENT_ROWS; i++)
        rows_add(&rows, (struct rhei_value[]){value_int(i), value_real(0.5)}, 2);
    for (int64_t i = 2 * MIRROR_SEGMENT_ROWS; i < 3 * MIRROR_SEGMENT_ROWS; i++)
        rows_add(&rows, (struct rhei_value[]){value_int(i), value_null()}, 2);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    char sql[200], expected[80];
    snprintf(sql, sizeof sql,
             "SELECT count(*), count(number), sum(number), count(*) FILTER (WHERE number__int), %s(max(number)) "
             "FROM mirror_scan(1, 0)",
             fixture_words.type_of);
    snprintf(expected, sizeof expected, "196608|131072|163840|65536|%s", fixture_words.real);
    assert_answer(fixture, sql, expected);
}

static void test_q6_a_column_without_a_type_fails_only_who_reads_it(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "id I, any B, dirty T, nul T, big N");
    struct rows rows = {0};
    rows_add(&rows,
             (struct rhei_value[]){value_int(1),
                                   value_int(5),
                                   value_text("\xff"),
                                   {.type = RHEI_TEXT, .as.bytes = "a\0b", .length = 3},
                                   value_int((INT64_C(1) << 53) + 1)},
             5);
    rows_add(
        &rows,
        (struct rhei_value[]){value_int(2), value_text("five"), value_text("fine"), value_text("x"), value_real(0.5)},
        5);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    assert_answer(fixture, "SELECT sum(id) FROM mirror_scan(1, 0)", "3");
    assert_fails(fixture, "SELECT any FROM mirror_scan(1, 0)", RHEI_SQL, "\"any\"");
    assert_fails(fixture, "SELECT dirty FROM mirror_scan(1, 0)", RHEI_SQL, "\"dirty\"");
    assert_fails(fixture, "SELECT count(nul) FROM mirror_scan(1, 0)", RHEI_SQL, "\"nul\"");
    assert_fails(fixture, "SELECT big FROM mirror_scan(1, 0)", RHEI_SQL, "\"big\"");
    assert_fails(fixture, "SELECT * FROM mirror_scan(2, 0)", RHEI_SQL, "no such table");
}

static void test_all_rows_on_all_threads(void **state)
{
    struct fixture *fixture = *state;
    fill_sales(fixture, MANY);
    assert_answer(fixture,
                  "SELECT count(*), sum(id), sum(amount), count(parity), count(DISTINCT code), min(code), max(code) "
                  "FROM mirror_scan(7, 0)",
                  "150000|11249925000|2812481250|135000|150000|a rather long code 000000|a rather long code 149999");
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(7, 0)", "150000");
    assert_answer(fixture, "SELECT sum(amount) FROM mirror_scan(7, 0) WHERE parity = 'odd' AND code LIKE '%7'",
                  "281257500");
}

/* What is left after random deletions is counted by a model: few, some and most rows of a vector are dead. */
static void test_dead_rows_are_never_seen(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = base_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)random);
    fill_sales(fixture, MANY);
    uint8_t *dead = base_alloc_zero(MANY, 1);
    static const unsigned per_thousand[] = {0, 2, 8, 12, 200, 700, 999, 1000};
    struct rows rows = {0};
    for (int64_t i = 0; i < MANY; i++) {
        dead[i] = fixture_random(&random) % 1000 < per_thousand[i / MIRROR_VECTOR_ROWS % 8];
        if (dead[i])
            rows_delete(&rows, i, 4);
    }
    fixture_apply(fixture, SALES, &rows);
    fixture_publish(fixture);
    int64_t count = 0;
    int64_t keys = 0;
    int64_t with_parity = 0;
    for (int64_t i = 0; i < MANY; i++) {
        count += !dead[i];
        keys += dead[i] ? 0 : i;
        with_parity += !dead[i] && i % 10 != 0;
    }
    char expected[200];
    snprintf(expected, sizeof expected, "%lld|%lld|%.17g|%lld|%lld", (long long)count, (long long)keys,
             (double)keys / 4, (long long)with_parity, (long long)count);
    assert_answer(fixture,
                  "SELECT count(*), sum(id), sum(amount), count(parity), count(DISTINCT code) FROM mirror_scan(7, 0)",
                  expected);
    snprintf(expected, sizeof expected, "%lld", (long long)count);
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(7, 0)", expected);
    assert_answer(fixture,
                  "SELECT count(*) FROM mirror_scan(7, 0) WHERE code <> concat('a rather long code ', lpad(CAST(id AS "
                  "VARCHAR), 6, '0')) "
                  "OR amount <> id / 4.0 OR (parity = 'odd') <> (id % 2 = 1) OR (id % 10 = 0) <> (parity IS NULL)",
                  "0");
    base_free(dead);
}

/* Integers in one segment, REALs in the next, BLOBs and NULLs between, a third dead; who came before sees all of it. */
static void test_a1_dead_rows_among_numbers_of_two_layouts(void **state)
{
    struct fixture *fixture = *state;
    enum { EACH = MIRROR_SEGMENT_ROWS };
    static const char blob[] = FIXTURE_LONG_BLOB;
    fixture_table(fixture, 1, "t", "id I, number N, bytes B");
    struct rows rows = {0};
    int64_t live = 0, numbers = 0, blobs = 0;
    for (int64_t i = 0; i < 2 * EACH; i++) {
        struct rhei_value number = i < EACH ? value_int(i) : value_real((double)i + 0.5);
        struct rhei_value bytes = i % 5 == 0 ? value_null() : value_blob(blob, sizeof blob - 1);
        rows_add(&rows, (struct rhei_value[]){value_int(i), i % 11 == 0 ? value_null() : number, bytes}, 3);
    }
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    char sql[600];
    snprintf(
        sql, sizeof sql,
        "SELECT count(*), count(number), count(bytes), count(*) FILTER (WHERE (number IS NULL) <> (id %% 11 = 0) OR "
        "(bytes IS NULL) <> (id %% 5 = 0) OR number <> id + CASE WHEN id < 65536 THEN 0 ELSE 0.5 END OR "
        "number__int <> (id < 65536) OR bytes <> %s) FROM mirror_scan(1, 0)",
        fixture_words.long_blob);
    struct question before;
    question_open(fixture, sql, &before);
    for (int64_t i = 0; i < 2 * EACH; i++) {
        bool dies = i % 3 == 1;
        if (dies)
            rows_delete(&rows, i, 3);
        live += !dies;
        numbers += !dies && i % 11 != 0;
        blobs += !dies && i % 5 != 0;
    }
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    char expected[100];
    snprintf(expected, sizeof expected, "%lld|%lld|%lld|0", (long long)live, (long long)numbers, (long long)blobs);
    assert_answer(fixture, sql, expected);
    char *all = answer_of(fixture, &before.query);
    assert_string_equal(all, "131072|119156|104857|0");
    base_free(all);
    question_close(&before);
}

/* Mixed cells go row by row, whatever is dead around them. */
static void test_dead_rows_of_a_mixed_column(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "id I, number N");
    struct rows rows = {0};
    int64_t live = 0;
    int64_t integers = 0;
    for (int64_t i = 0; i < 10000; i++)
        rows_add(&rows, (struct rhei_value[]){value_int(i), i % 3 == 0 ? value_int(i) : value_real((double)i)}, 2);
    fixture_apply(fixture, 1, &rows);
    for (int64_t i = 0; i < 10000; i++) {
        if (i % 7 < 4)
            rows_delete(&rows, i, 2);
        live += i % 7 >= 4;
        integers += i % 7 >= 4 && i % 3 == 0;
    }
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    char expected[100];
    snprintf(expected, sizeof expected, "%lld|%lld|0", (long long)live, (long long)integers);
    assert_answer(
        fixture,
        "SELECT count(*), count(*) FILTER (WHERE number__int), count(*) FILTER (WHERE number <> id OR number__int "
        "<> (id % 3 = 0)) "
        "FROM mirror_scan(1, 0)",
        expected);
}

static void test_ranges_leave_out_vectors_but_no_row(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = base_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)random);
    fill_sales(fixture, MANY);
    for (int round = 0; round < 30; round++) {
        int64_t low = (int64_t)(fixture_random(&random) % MANY);
        int64_t high = low + (int64_t)(fixture_random(&random) % (round % 2 == 0 ? 3000 : MANY));
        struct executor_range ranges[] = {
            {.scan = 3, .column = 0, .low = value_int(low), .high = value_int(high)},
            {.scan = 4, .column = 0, .low = value_int(-5), .high = value_int(-1)}, /* another scan's */
        };
        char sql[300];
        char expected[100];
        int64_t last = high < MANY ? high : MANY - 1;
        snprintf(sql, sizeof sql,
                 "SELECT count(*), min(id), max(id), (SELECT count(*) FROM mirror_scan(7, 3)) <= %lld "
                 "FROM mirror_scan(7, 3) WHERE id BETWEEN %lld AND %lld",
                 (long long)(last - low + 1 + 2 * (MIRROR_VECTOR_ROWS - 1)), (long long)low, (long long)high);
        snprintf(expected, sizeof expected, "%lld|%lld|%lld|1", (long long)(last - low + 1), (long long)low,
                 (long long)last);
        struct question question;
        question_open(fixture, sql, &question);
        question.query.ranges = ranges;
        question.query.range_count = 2;
        char *answer = answer_of(fixture, &question.query);
        assert_string_equal(answer, expected);
        base_free(answer);
        question_close(&question);
    }
}

/* Ranges of texts, and what a sample of the rows says, are for the plan alone: also where they are wrong. */
static void test_ranges_of_texts_leave_out_nothing(void **state)
{
    struct fixture *fixture = *state;
    fill_sales(fixture, MANY);
    static const struct executor_column columns[] = {
        {.scan = 0, .column = 0, .flags = MIRROR_HAS_INTEGER},
        {.scan = 0, .column = 3, .flags = MIRROR_HAS_TEXT},
        {.scan = 1, .column = 0, .flags = MIRROR_HAS_INTEGER},
    };
    static const char *const texts[] = {"", "a rather long code 07", "a rather long code 149999", "zzz"};
    for (size_t low = 0; low < 4; low++) {
        for (size_t high = 0; high < 4; high++) {
            struct executor_range ranges[] = {
                {.scan = 0, .column = 3, .low = value_text(texts[low]), .high = value_text(texts[high])},
                {.scan = 0, .column = 3, .low = value_text(texts[low])},
                {.scan = 1, .column = 0, .low = value_int(0), .high = value_real(1e9)},
            };
            struct question question;
            question_open(
                fixture,
                "SELECT count(*), count(DISTINCT s1.code) FROM mirror_scan(7, 0) AS s1, mirror_scan(7, 1) AS s2 "
                "WHERE s1.id = s2.id",
                &question);
            question.query.ranges = ranges;
            question.query.range_count = 3;
            question.query.columns = columns;
            question.query.column_count = 3;
            char *answer = answer_of(fixture, &question.query);
            assert_string_equal(answer, "150000|150000");
            base_free(answer);
            question_close(&question);
        }
    }
}

/*
 * A column without values gets its first ones: they give the segment its layout while an older snapshot is being read, whose
 * rows are NULL as they were.
 */
static void test_c5_first_values_of_a_column_leave_older_snapshots_alone(void **state)
{
    struct fixture *fixture = *state;
    struct rhei_value firsts[] = {value_int(5), value_real(0.5), value_text("a text of more than twelve bytes"),
                                  value_blob("\0\1", 2)};
    static const struct executor_column columns[] = {{.scan = 0, .column = 0, .flags = MIRROR_HAS_INTEGER},
                                                     {.scan = 0, .column = 1, .flags = MIRROR_HAS_NULL}};
    enum { ROWS = 3000, DEAD = 100 };
    for (uint32_t table = 1; table <= 4; table++) {
        struct rows rows = {0};
        fixture_table(fixture, table, "t", "id I, fresh B");
        for (int64_t i = 0; i < ROWS; i++)
            rows_add(&rows, (struct rhei_value[]){value_int(i), value_null()}, 2);
        fixture_apply(fixture, table, &rows);
        for (int64_t i = 0; i < DEAD; i++) /* the first vector leaves with a selection, the second in one run */
            rows_delete(&rows, i, 2);
        fixture_apply(fixture, table, &rows);
        fixture_publish(fixture);
        char sql[100];
        snprintf(sql, sizeof sql, "SELECT count(*), sum(id), count(fresh), max(fresh) FROM mirror_scan(%u, 0)", table);
        struct question question;
        question_open(fixture, sql, &question);
        question.query.columns = columns;
        question.query.column_count = 2;
        for (int again = 0; again < 2; again++) {
            char *answer = answer_of(fixture, &question.query);
            assert_string_equal(answer, "2900|4493550|0|NULL");
            base_free(answer);
            rows_add(&rows, (struct rhei_value[]){value_int(ROWS + again), firsts[table - 1]}, 2);
            fixture_apply(fixture, table, &rows);
        }
        char *answer = answer_of(fixture, &question.query);
        assert_string_equal(answer, "2900|4493550|0|NULL");
        base_free(answer);
        question_close(&question);
        fixture_publish(fixture);
        snprintf(sql, sizeof sql, "SELECT count(*), count(fresh) FROM mirror_scan(%u, 0)", table);
        assert_answer(fixture, sql, "2902|2");
    }
}

static void test_an_empty_table(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "rowid I, a R");
    assert_answer(fixture, "SELECT * FROM mirror_scan(1, 0)", "");
    assert_answer(fixture, "SELECT count(*), sum(a), max(rowid) FROM mirror_scan(1, 0)", "0|NULL|NULL");
}

static void test_awkward_names(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "rowid I, select T, a\"b I, \xc3\x84 I, x__int I, x N");
    struct rows rows = {0};
    rows_add(
        &rows,
        (struct rhei_value[]){value_int(9), value_text("s"), value_int(2), value_int(3), value_int(4), value_int(5)},
        6);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    assert_answer(fixture, "SELECT rowid, \"select\", \"a\"\"b\", \"\xc3\x84\", x__int, x FROM mirror_scan(1, 0)",
                  "9|s|2|3|4|5");
    rows_add(&rows,
             (struct rhei_value[]){value_int(10), value_text("s"), value_int(2), value_int(3), value_int(4),
                                   value_real(0.5)},
             6);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    assert_fails(fixture, "SELECT x FROM mirror_scan(1, 0)", RHEI_SQL, "__int");
    fixture_table(fixture, 2, "u", "rowid I, y__int I, x N");
    rows_add(&rows, (struct rhei_value[]){value_int(1), value_int(2), value_int(3)}, 3);
    rows_add(&rows, (struct rhei_value[]){value_int(2), value_int(2), value_real(0.5)}, 3);
    fixture_apply(fixture, 2, &rows);
    fixture_publish(fixture);
    assert_answer(fixture, "SELECT x, x__int FROM mirror_scan(2, 0) ORDER BY rowid", "3|1\n0.5|0");
}

int executor_scan_tests(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_columns_have_the_types_of_what_they_hold),
        WITH_FIXTURE(test_q6_numbers_of_two_classes_keep_their_class),
        WITH_FIXTURE(test_q6_segments_of_one_class_each_make_one_column),
        WITH_FIXTURE(test_q6_a_column_without_a_type_fails_only_who_reads_it),
        WITH_FIXTURE(test_all_rows_on_all_threads),
        WITH_FIXTURE(test_dead_rows_are_never_seen),
        WITH_FIXTURE(test_a1_dead_rows_among_numbers_of_two_layouts),
        WITH_FIXTURE(test_dead_rows_of_a_mixed_column),
        WITH_FIXTURE(test_ranges_leave_out_vectors_but_no_row),
        WITH_FIXTURE(test_ranges_of_texts_leave_out_nothing),
        WITH_FIXTURE(test_c5_first_values_of_a_column_leave_older_snapshots_alone),
        WITH_FIXTURE(test_an_empty_table),
        WITH_FIXTURE(test_awkward_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
