/* SPDX-License-Identifier: Apache-2.0 */
/* The mirror's tables row by row: everything that meets the constraints is given once, whichever way it is found. */
#include "mirror_model.h"

#include "base/base_memory.h"
#include "mirror/mirror_table_reader.h"

enum { COLUMNS = 4, ROWS = 30000, FAR = 7 };
static const uint32_t far_table = (uint32_t)FAR << TABLE_SOURCE_SHIFT | 3;
static const uint8_t any_class = 0x1f;
static const struct table_wish every_row = {.most = TABLE_ALL_ROWS};

struct fixture {
    struct mirror *mirror;
    struct model_table model, own;
    struct table_reader *reader;
};

/* id, few integers, a REAL with NULLs, anything */
static void make_row(struct model_random *random, int64_t id, struct rhei_value row[COLUMNS])
{
    row[0] = model_integer(id);
    row[1] = model_integer((int64_t)model_below(random, 500));
    row[2] = id % 7 == 0 ? model_null() : model_real((double)model_below(random, 1000) / 4);
    switch (model_below(random, 4)) {
    case 0:
        row[3] = model_integer((int64_t)model_below(random, 100));
        break;
    case 1:
        row[3] = model_text(model_below(random, 2) ? "a word" : "a text that is longer than twelve bytes");
        break;
    case 2:
        row[3] = model_real((double)model_below(random, 100));
        break;
    default:
        row[3] = model_null();
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct model_batch batch;
    struct model_random random = {20};
    assert_non_null(f);
    assert_int_equal(mirror_open(NULL, &f->mirror, NULL), RHEI_OK);
    model_init(&f->model, far_table, COLUMNS, 1, true);
    model_init(&f->own, 3, COLUMNS, 1, true);
    model_batch_init(&batch, far_table, COLUMNS, ROWS);
    model_attach(f->mirror, &f->own);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    struct mirror_table_reader_config config = {.mirror = f->mirror};
    assert_int_equal(mirror_table_reader_open(&config, &f->reader, NULL), RHEI_OK);
    assert_int_equal(mirror_table_reader_name(f->reader, FAR, "far", NULL), RHEI_OK);
    uint64_t before = f->reader->ops->generation(f->reader);
    model_attach(f->mirror, &f->model);
    assert_int_equal(mirror_publish_source(f->mirror, FAR, 1, NULL), RHEI_OK);
    assert_int_not_equal(f->reader->ops->generation(f->reader), before);
    struct rhei_value row[COLUMNS];
    for (int64_t id = 0; id < ROWS; id++) {
        make_row(&random, id, row);
        model_batch_add(&batch, CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_apply(f->mirror, &batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish_source(f->mirror, FAR, 1, NULL), RHEI_OK);
    batch.batch.row_count = 0;
    for (int64_t id = 5000; id < 9000; id += 1 + (int64_t)model_below(&random, 3)) {
        row[0] = model_integer(id);
        model_batch_add(&batch, CHANGE_DELETE, row);
    }
    assert_int_equal(mirror_apply(f->mirror, &batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish_source(f->mirror, FAR, 1, NULL), RHEI_OK);
    model_batch_reset(&batch);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mirror_table_reader_close(&f->reader);
    mirror_close(&f->mirror);
    model_reset(&f->model);
    model_reset(&f->own);
    free(f);
    return 0;
}

static struct table_pin *must_pin(struct fixture *f)
{
    struct table_pin *pin = NULL;
    assert_int_equal(f->reader->ops->pin(f->reader, NULL, &pin, NULL), RHEI_OK);
    return pin;
}

static double number_of(const struct rhei_value *value)
{
    return value->type == RHEI_INTEGER ? (double)value->as.integer : value->as.real;
}

static int class_rank(const struct rhei_value *value)
{
    return value->type == RHEI_NULL ? 0 : value->type <= RHEI_REAL ? 1 : value->type;
}

static int compare(const struct rhei_value *a, const struct rhei_value *b)
{
    if (class_rank(a) != class_rank(b))
        return class_rank(a) < class_rank(b) ? -1 : 1;
    if (a->type <= RHEI_REAL)
        return number_of(a) < number_of(b) ? -1 : number_of(a) > number_of(b);
    uint32_t least = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->as.bytes, b->as.bytes, least);
    return order != 0 ? order : a->length < b->length ? -1 : a->length > b->length;
}

static bool meets(const struct rhei_value *value, const struct table_constraint *constraint)
{
    if (value->type == RHEI_NULL)
        return false;
    int order = compare(value, &constraint->value);
    switch (constraint->op) {
    case TABLE_EQ:
        return order == 0;
    case TABLE_LT:
        return order < 0;
    case TABLE_LE:
        return order <= 0;
    case TABLE_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

/* Rows of the cursor that meet all; no id twice. *given: how many came at all. */
static uint64_t count_rows(struct fixture *f, struct table_cursor *cursor, const struct table_constraint *constraints,
                           uint32_t count, uint32_t met, uint64_t *given)
{
    static uint8_t seen[ROWS];
    uint64_t rows = 0;
    memset(seen, 0, sizeof seen);
    *given = 0;
    assert_int_equal(
        f->reader->ops->seek(
            cursor, &(struct table_wish){.constraints = constraints, .constraint_count = count, .most = TABLE_ALL_ROWS},
            NULL),
        RHEI_OK);
    while (f->reader->ops->next(cursor)) {
        struct rhei_value id, value;
        f->reader->ops->value(cursor, 0, &id);
        assert_int_equal(id.type, RHEI_INTEGER);
        assert_int_equal(seen[id.as.integer]++, 0);
        bool all = true;
        for (uint32_t i = 0; i < met; i++) {
            f->reader->ops->value(cursor, constraints[i].column, &value);
            all = all && meets(&value, &constraints[i]);
        }
        rows += all;
        ++*given;
    }
    return rows;
}

static void test_tables_are_those_of_named_sources(void **state)
{
    struct fixture *f = *state;
    struct table_pin *pin = must_pin(f);
    struct readable_table *tables = NULL;
    uint32_t count = 0;
    uint64_t rows = 0;
    assert_int_equal(f->reader->ops->tables(pin, &tables, &count, NULL), RHEI_OK);
    assert_int_equal(count, 1);
    assert_string_equal(tables[0].source, "far");
    assert_int_equal(tables[0].definition->id, far_table);
    base_free(tables);
    assert_true(f->reader->ops->rows(pin, far_table, &rows));
    struct table_cursor *cursor = NULL;
    assert_int_equal(f->reader->ops->open(pin, far_table, &cursor, NULL), RHEI_OK);
    uint64_t given = 0;
    assert_int_equal(count_rows(f, cursor, NULL, 0, 0, &given), rows);
    f->reader->ops->close(&cursor);
    assert_int_equal(f->reader->ops->open(pin, far_table + 1, &cursor, NULL), RHEI_NOT_FOUND);
    f->reader->ops->unpin(&pin);
    assert_int_equal(mirror_table_reader_name(f->reader, FAR, "again", NULL), RHEI_INVALID);
    assert_int_equal(mirror_table_reader_name(f->reader, 0, "own", NULL), RHEI_INVALID);
}

static struct rhei_value some_value(struct model_random *random)
{
    switch (model_below(random, 5)) {
    case 0:
        return model_text(model_below(random, 2) ? "a word" : "a text that is longer than twelve bytes");
    case 1:
        return model_real((double)model_below(random, 500));
    case 2:
        return model_real((double)model_below(random, 500) + 0.25);
    default:
        return model_integer((int64_t)model_below(random, model_below(random, 2) ? 500 : ROWS));
    }
}

/* Each constraint against a walk over all rows; by zones at first, by hashes from the third equality on. */
static void test_every_row_that_meets_the_constraints_comes_once(void **state)
{
    struct fixture *f = *state;
    struct table_pin *pin = must_pin(f);
    struct table_cursor *cursor = NULL, *all = NULL;
    struct model_random random = {7};
    assert_int_equal(f->reader->ops->open(pin, far_table, &cursor, NULL), RHEI_OK);
    assert_int_equal(f->reader->ops->open(pin, far_table, &all, NULL), RHEI_OK);
    for (int round = 0; round < 120; round++) {
        struct table_constraint constraints[2];
        uint32_t count = 1 + (uint32_t)model_below(&random, 2);
        for (uint32_t i = 0; i < count; i++)
            constraints[i] = (struct table_constraint){.column = (uint32_t)model_below(&random, COLUMNS),
                                                       .op = (uint8_t)model_below(&random, TABLE_GE + 1),
                                                       .classes = any_class,
                                                       .value = some_value(&random)};
        uint64_t given = 0, every = 0, wanted = 0;
        assert_int_equal(f->reader->ops->seek(all, &every_row, NULL), RHEI_OK);
        while (f->reader->ops->next(all)) {
            bool meets_all = true;
            for (uint32_t i = 0; i < count; i++) {
                struct rhei_value value;
                f->reader->ops->value(all, constraints[i].column, &value);
                meets_all = meets_all && meets(&value, &constraints[i]);
            }
            wanted += meets_all;
            every++;
        }
        assert_int_equal(count_rows(f, cursor, constraints, count, count, &given), wanted);
        assert_true(given <= every);
        if (count == 1 && constraints[0].op == TABLE_EQ && constraints[0].column <= 2 &&
            constraints[0].value.type <= RHEI_REAL)
            assert_int_equal(given, wanted); /* exactly those: a key is looked up, not searched for */
    }
    f->reader->ops->close(&all);
    f->reader->ops->close(&cursor);
    f->reader->ops->unpin(&pin);
}

/* Rows in the order of some columns, both ways, with constraints and without: the same rows, and each not before the one before it. */
static void test_rows_come_in_the_order_that_is_asked_for(void **state)
{
    struct fixture *f = *state;
    struct table_pin *pin = must_pin(f);
    struct table_cursor *cursor = NULL;
    struct model_random random = {11};
    assert_int_equal(f->reader->ops->open(pin, far_table, &cursor, NULL), RHEI_OK);
    for (int round = 0; round < 60; round++) {
        uint32_t columns[2] = {round % 3 == 0 ? 0 : (uint32_t)model_below(&random, COLUMNS), 0};
        struct table_order order = {columns, 1 + (uint32_t)model_below(&random, 2), model_below(&random, 2) != 0};
        struct table_constraint constraint = {.column = (uint32_t)model_below(&random, COLUMNS),
                                              .op = (uint8_t)model_below(&random, TABLE_GE + 1),
                                              .classes = any_class,
                                              .value = some_value(&random)};
        uint32_t count = (uint32_t)model_below(&random, 2);
        uint64_t rows = 0, given = 0, wanted = 0;
        struct rhei_value before[2], now[2];
        (void)count_rows(f, cursor, &constraint, count, count, &wanted);
        assert_int_equal(
            f->reader->ops->seek(cursor, &(struct table_wish){&constraint, count, &order, 0, TABLE_ALL_ROWS}, NULL),
            RHEI_OK);
        for (; f->reader->ops->next(cursor); given++) {
            int by = 0;
            for (uint32_t i = 0; i < order.column_count; i++) {
                f->reader->ops->value(cursor, columns[i], &now[i]);
                by = given == 0 || by != 0 ? by : compare(&before[i], &now[i]);
            }
            assert_true(order.descending ? by >= 0 : by <= 0);
            memcpy(before, now, sizeof before);
            rows += by != 0 || given == 0;
        }
        assert_int_equal(given, wanted);
        assert_true(order.column_count == 1 || rows == given); /* with the key there are no two of one place */
    }
    f->reader->ops->close(&cursor);
    f->reader->ops->unpin(&pin);
}

static struct table_constraint random_list(struct model_random *random, uint32_t column, struct rhei_value values[8])
{
    uint32_t count = (uint32_t)model_below(random, 8);
    for (uint32_t i = 0; i < count; i++)
        values[i] = some_value(random);
    return (struct table_constraint){
        .column = column, .op = TABLE_IN, .classes = any_class, .values = values, .value_count = count};
}

/* Does the row at hand have one of them? */
static bool is_listed(struct fixture *f, struct table_cursor *cursor, const struct table_constraint *list)
{
    struct rhei_value value;
    bool found = false;
    f->reader->ops->value(cursor, list->column, &value);
    for (uint32_t i = 0; i < list->value_count && value.type != RHEI_NULL; i++)
        found = found || compare(&value, &list->values[i]) == 0;
    return found;
}

/* Lists by zones at first, by hashes later: every row that has one of the values, in whatever order it is asked for. */
static void test_rows_that_have_one_of_some_values(void **state)
{
    struct fixture *f = *state;
    struct model_random random = {31};
    for (int round = 0; round < 80; round++) {
        struct table_pin *pin = must_pin(f);
        struct table_cursor *cursor = NULL, *all = NULL;
        assert_int_equal(f->reader->ops->open(pin, far_table, &cursor, NULL), RHEI_OK);
        assert_int_equal(f->reader->ops->open(pin, far_table, &all, NULL), RHEI_OK);
        uint32_t column = (uint32_t)model_below(&random, COLUMNS), key = 0;
        for (int times = 0; times < 4; times++) {
            struct rhei_value values[8];
            struct table_constraint list = random_list(&random, column, values);
            const struct table_order order = {&key, 1, model_below(&random, 2) != 0};
            const struct table_wish wish = {&list, 1, model_below(&random, 2) ? &order : NULL, 0, TABLE_ALL_ROWS};
            uint64_t wanted = 0, found = 0;
            int64_t before = 0;
            assert_int_equal(f->reader->ops->seek(all, &every_row, NULL), RHEI_OK);
            while (f->reader->ops->next(all))
                wanted += is_listed(f, all, &list);
            assert_int_equal(f->reader->ops->seek(cursor, &wish, NULL), RHEI_OK);
            while (f->reader->ops->next(cursor)) {
                struct rhei_value id;
                f->reader->ops->value(cursor, 0, &id);
                assert_true(wish.order == NULL || found == 0 || (id.as.integer < before) == order.descending);
                before = id.as.integer;
                found += is_listed(f, cursor, &list);
            }
            assert_int_equal(found, wanted);
        }
        f->reader->ops->close(&all);
        f->reader->ops->close(&cursor);
        f->reader->ops->unpin(&pin);
    }
}

/* One of the keys' constraints, or none: rows that the reader may leave out. */
static uint32_t key_constraint(struct model_random *random, struct table_constraint *constraint,
                               struct rhei_value values[8])
{
    uint32_t which = (uint32_t)model_below(random, 4);
    if (which == 0)
        return 0;
    if (which == 1) {
        *constraint = random_list(random, 0, values);
        for (uint32_t i = 0; i < constraint->value_count; i++)
            values[i] = model_integer((int64_t)model_below(random, ROWS));
        return 1;
    }
    *constraint = (struct table_constraint){.column = 0,
                                            .op = (uint8_t)model_below(random, TABLE_GE + 1),
                                            .classes = any_class,
                                            .value = model_integer((int64_t)model_below(random, ROWS))};
    return 1;
}

/* The first rows of all are left out, as many as asked for; of an order, those that come first in it. */
static void test_rows_that_are_left_out(void **state)
{
    struct fixture *f = *state;
    struct model_random random = {37};
    static int64_t ids[ROWS];
    const uint32_t key = 0;
    for (int round = 0; round < 300; round++) {
        struct table_pin *pin = must_pin(f);
        struct table_cursor *cursor = NULL;
        struct rhei_value values[8], id;
        struct table_constraint constraint;
        const struct table_order order = {&key, 1, model_below(&random, 2) != 0};
        struct table_wish wish = {.constraints = &constraint,
                                  .constraint_count = key_constraint(&random, &constraint, values),
                                  .order = model_below(&random, 3) ? &order : NULL,
                                  .most = TABLE_ALL_ROWS};
        uint64_t count = 0, left = 0;
        assert_int_equal(f->reader->ops->open(pin, far_table, &cursor, NULL), RHEI_OK);
        for (int times = 0; times < 4; times++) { /* by zones, then by a hash; chosen by a heap, then sorted */
            wish.skip = 0;
            wish.most = TABLE_ALL_ROWS;
            assert_int_equal(f->reader->ops->seek(cursor, &wish, NULL), RHEI_OK);
            for (count = 0; f->reader->ops->next(cursor); count++) {
                f->reader->ops->value(cursor, 0, &id);
                ids[count] = id.as.integer;
            }
            wish.skip = model_below(&random, model_below(&random, 2) ? 9 : ROWS);
            wish.most = model_below(&random, 2) ? TABLE_ALL_ROWS : model_below(&random, 50);
            assert_int_equal(f->reader->ops->seek(cursor, &wish, NULL), RHEI_OK);
            for (left = 0; f->reader->ops->next(cursor); left++) {
                f->reader->ops->value(cursor, 0, &id);
                assert_true(wish.skip + left < count);
                assert_true(id.as.integer == ids[wish.skip + left]);
            }
            uint64_t behind = count < wish.skip ? 0 : count - wish.skip;
            assert_true(left <= behind && left >= (wish.most < behind ? wish.most : behind));
        }
        f->reader->ops->close(&cursor);
        f->reader->ops->unpin(&pin);
    }
}

/* ---- Segments that are walked. ------------------------------------------------------------------------------------- */

enum { WALKED = 4 * 65536, GAP = 3, PIECE = 4096 }; /* full segments: what is changed lies in one of its own */
static const uint32_t walked_table = (uint32_t)FAR << TABLE_SOURCE_SHIFT | 4;

static bool lives(int64_t at)
{
    return at > 1 && at != 2047 && at != 2048 && at != 65535 && at != 65536 && at != WALKED / 2 - 1 &&
           at != WALKED / 2 && at < WALKED - 1 && (at < 10000 || at >= 14000);
}

enum { UNMOVED, MOVED, MOVED_IN_ORDER, WAYS };

/*
 * Two loaders side by side, whose segments are numbered as they came; keys are GAP apart. Some rows die, also at the ends of
 * segments and vectors. MOVED: and some are changed, so that they lie behind all others, perhaps in their own order.
 */
static void fill_walked(struct fixture *f, struct model_table *model, int way)
{
    struct mirror_build *build = NULL;
    struct model_batch batch;
    struct rhei_value row[2];
    model_init(model, walked_table, 2, 1, true);
    model_batch_init(&batch, walked_table, 2, PIECE);
    assert_int_equal(mirror_build_begin(f->mirror, &model->definition, 2, &build, NULL), RHEI_OK);
    for (int64_t piece = 0; piece < WALKED / 2 / PIECE; piece++) {
        for (uint32_t loader = 0; loader < 2; loader++) {
            for (int64_t i = 0; i < PIECE; i++) {
                row[0] = row[1] = model_integer(GAP * ((1 - loader) * (WALKED / 2) + piece * PIECE + i));
                model_batch_add(&batch, CHANGE_UPSERT, row);
            }
            assert_int_equal(mirror_build_append(build, loader, &batch.batch, NULL), RHEI_OK);
            batch.batch.row_count = 0;
        }
    }
    assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
    assert_int_equal(mirror_publish_source(f->mirror, FAR, 2, NULL), RHEI_OK);
    static const int64_t ends[] = {0, 1, 2047, 2048, 65535, 65536, WALKED / 2 - 1, WALKED / 2, WALKED - 1};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        row[0] = row[1] = model_integer(GAP * ends[i]);
        model_batch_add(&batch, CHANGE_DELETE, row);
    }
    for (int64_t i = 10000; i < 14000; i++) { /* vectors without any row */
        row[0] = row[1] = model_integer(GAP * i);
        model_batch_add(&batch, CHANGE_DELETE, row);
    }
    assert_int_equal(mirror_apply(f->mirror, &batch.batch, NULL, NULL), RHEI_OK);
    batch.batch.row_count = 0;
    for (int64_t i = 0; way != UNMOVED && i < 3000; i++) {
        int64_t at = 20000 + (way == MOVED ? i * 37009 % 100000 : i * 60);
        if (!lives(at))
            continue;
        row[0] = model_integer(GAP * at);
        row[1] = model_integer(-1);
        model_batch_add(&batch, CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_apply(f->mirror, &batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish_source(f->mirror, FAR, 3, NULL), RHEI_OK);
    model_batch_reset(&batch);
}

/* The keys from `low` to `high`, from either end, behind so many of them: one after the other, up to `most`. */
static void expect_walk(struct fixture *f, struct table_cursor *cursor, int64_t low, int64_t high, bool descending,
                        uint64_t skip, uint64_t most)
{
    const uint32_t key = 0;
    const struct table_order order = {&key, 1, descending};
    const struct table_constraint ends[2] = {
        {.column = 0, .op = TABLE_GE, .classes = any_class, .value = model_integer(low)},
        {.column = 0, .op = TABLE_LE, .classes = any_class, .value = model_integer(high)}};
    bool all = low == INT64_MIN && high == INT64_MAX;
    const struct table_wish wish = {ends, all ? 0 : 2, &order, skip, most};
    assert_int_equal(f->reader->ops->seek(cursor, &wish, NULL), RHEI_OK);
    int64_t at = descending ? WALKED - 1 : 0;
    for (uint64_t given = 0; given < most; given++) {
        for (;; at += descending ? -1 : 1) {
            bool wanted = at >= 0 && at < WALKED && lives(at) && GAP * at >= low && GAP * at <= high;
            if (at < 0 || at >= WALKED || (wanted && skip == 0))
                break;
            skip -= wanted;
        }
        if (at < 0 || at >= WALKED) {
            assert_false(f->reader->ops->next(cursor));
            return;
        }
        struct rhei_value value;
        assert_true(f->reader->ops->next(cursor));
        f->reader->ops->value(cursor, 0, &value);
        assert_true(value.as.integer == GAP * at);
        at += descending ? -1 : 1;
    }
}

/* By a search where it is there, and none where it isn't, was, or lies between two. */
static void expect_keys(struct fixture *f, struct table_cursor *cursor, struct model_random *random)
{
    for (int i = 0; i < 300; i++) {
        int64_t key = (int64_t)model_below(random, GAP * WALKED + 20) - 10, at = key / GAP;
        if (i % 5 == 0) { /* one that died */
            at = 10000 + (int64_t)model_below(random, 4000);
            key = GAP * at;
        }
        bool there = key >= 0 && key % GAP == 0 && at < WALKED && lives(at);
        struct table_constraint constraint = {.column = 0,
                                              .op = TABLE_EQ,
                                              .classes = any_class,
                                              .value = i % 2 ? model_integer(key)
                                                             : model_real((double)key + (i % 4 ? 0 : 0.5))};
        there = there && (i % 2 != 0 || i % 4 != 0);
        const struct table_wish wish = {&constraint, 1, NULL, model_below(random, 4) == 0, TABLE_ALL_ROWS};
        struct rhei_value value;
        assert_int_equal(f->reader->ops->seek(cursor, &wish, NULL), RHEI_OK);
        assert_int_equal(f->reader->ops->next(cursor), there && wish.skip == 0);
        if (there && wish.skip == 0) {
            f->reader->ops->value(cursor, 0, &value);
            assert_true(value.as.integer == key);
            assert_false(f->reader->ops->next(cursor));
        }
    }
}

static void test_segments_are_walked_from_either_end(void **state)
{
    struct fixture *f = *state;
    struct model_random random = {41};
    for (int way = 0; way < WAYS; way++) {
        struct model_table model;
        fill_walked(f, &model, way);
        struct table_pin *pin = must_pin(f);
        struct table_cursor *cursor = NULL;
        assert_int_equal(f->reader->ops->open(pin, walked_table, &cursor, NULL), RHEI_OK);
        for (int descending = 0; descending < 2; descending++) {
            expect_walk(f, cursor, INT64_MIN, INT64_MAX, descending != 0, 0, TABLE_ALL_ROWS);
            for (int i = 0; i < 40; i++) {
                int64_t low = (int64_t)model_below(&random, GAP * WALKED), few = GAP * 3000;
                int64_t high = low + (int64_t)model_below(&random, model_below(&random, 2) ? GAP * WALKED : 3000);
                bool all = model_below(&random, 4) == 0;
                expect_walk(f, cursor, all ? INT64_MIN : low, all ? INT64_MAX : high, descending != 0,
                            model_below(&random, all ? WALKED + 10 : (uint64_t)few), 1 + model_below(&random, 50));
            }
        }
        expect_keys(f, cursor, &random);
        f->reader->ops->close(&cursor);
        f->reader->ops->unpin(&pin);
        mirror_drop(f->mirror, walked_table);
        assert_int_equal(mirror_publish_source(f->mirror, FAR, 4, NULL), RHEI_OK);
        model_reset(&model);
    }
}

/* A constraint that isn't about all that the column holds takes nothing away. */
static void test_a_constraint_of_other_classes_is_left_out(void **state)
{
    struct fixture *f = *state;
    struct table_pin *pin = must_pin(f);
    struct table_cursor *cursor = NULL;
    uint64_t rows = 0, given = 0;
    struct table_constraint numbers = {
        .column = 3, .op = TABLE_EQ, .classes = 1 << RHEI_INTEGER | 1 << RHEI_REAL, .value = model_integer(5)};
    assert_true(f->reader->ops->rows(pin, far_table, &rows));
    assert_int_equal(f->reader->ops->open(pin, far_table, &cursor, NULL), RHEI_OK);
    for (int i = 0; i < 5; i++) {
        count_rows(f, cursor, &numbers, 1, 1, &given);
        assert_int_equal(given, rows);
    }
    f->reader->ops->close(&cursor);
    f->reader->ops->unpin(&pin);
}

static void test_a_pin_shows_its_state_whatever_happens(void **state)
{
    struct fixture *f = *state;
    struct table_pin *pin = must_pin(f);
    struct table_cursor *cursor = NULL;
    uint64_t rows = 0, now = 0, given = 0, generation = f->reader->ops->generation(f->reader);
    assert_true(f->reader->ops->rows(pin, far_table, &rows));
    assert_int_equal(f->reader->ops->open(pin, far_table, &cursor, NULL), RHEI_OK);
    mirror_drop(f->mirror, far_table);
    assert_int_equal(mirror_publish(f->mirror, 2, NULL), RHEI_OK);
    assert_int_not_equal(f->reader->ops->generation(f->reader), generation);
    assert_int_equal(count_rows(f, cursor, NULL, 0, 0, &given), rows);
    struct table_pin *later = must_pin(f);
    assert_false(f->reader->ops->rows(later, far_table, &now));
    f->reader->ops->unpin(&later);
    f->reader->ops->close(&cursor);
    f->reader->ops->unpin(&pin);
}

static void test_without_memory_it_says_so(void **state)
{
    struct fixture *f = *state;
    for (uint64_t n = 1; n < 4; n++) {
        struct table_pin *pin = NULL;
        struct table_cursor *cursor = NULL;
        base_memory_fail_after(n);
        rhei_status status = f->reader->ops->pin(f->reader, NULL, &pin, NULL);
        if (status == RHEI_OK)
            status = f->reader->ops->open(pin, far_table, &cursor, NULL);
        if (status == RHEI_OK)
            status = f->reader->ops->seek(cursor, &every_row, NULL);
        base_memory_fail_after(0);
        assert_int_equal(status, RHEI_NO_MEMORY);
        f->reader->ops->close(&cursor);
        f->reader->ops->unpin(&pin);
    }
}

/* Where a hash can't be had for want of memory, zones answer as well. */
static void test_a_hash_that_cannot_be_made_is_done_without(void **state)
{
    struct fixture *f = *state;
    for (uint64_t n = 1; n < 9; n++) {
        struct table_pin *pin = must_pin(f);
        struct table_cursor *cursor = NULL;
        struct table_constraint key = {.column = 0, .op = TABLE_EQ, .classes = any_class, .value = model_integer(17)};
        assert_int_equal(f->reader->ops->open(pin, far_table, &cursor, NULL), RHEI_OK);
        uint64_t given = 0;
        for (int i = 0; i < 2; i++)
            assert_int_equal(count_rows(f, cursor, &key, 1, 1, &given), 1);
        base_memory_fail_after(n);
        rhei_status status = f->reader->ops->seek(cursor, &(struct table_wish){&key, 1, NULL, 0, TABLE_ALL_ROWS}, NULL);
        base_memory_fail_after(0);
        assert_true(status == RHEI_OK || status == RHEI_NO_MEMORY);
        for (int i = 0; i < 3; i++)
            assert_int_equal(count_rows(f, cursor, &key, 1, 1, &given), 1);
        f->reader->ops->close(&cursor);
        f->reader->ops->unpin(&pin);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tables_are_those_of_named_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_row_that_meets_the_constraints_comes_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_come_in_the_order_that_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_that_have_one_of_some_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_that_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_segments_are_walked_from_either_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_constraint_of_other_classes_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_pin_shows_its_state_whatever_happens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory_it_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_hash_that_cannot_be_made_is_done_without, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
