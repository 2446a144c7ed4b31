/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dashboard_view.h"
#include "rh_text.h"

static void fill(struct dashboard_model *model, size_t tables, const char *name)
{
    struct dashboard_sample sample;
    dashboard_sample_init(&sample, 0);
    sample.tables = rh_allocate((tables + 1) * sizeof *sample.tables);
    for (size_t at = 0; at < tables; at++) {
        struct dashboard_table *table = &sample.tables[sample.table_count++];
        *table = (struct dashboard_table){.state = DASHBOARD_READY, .rows = (double)at, .bytes = NAN};
        (void)snprintf(table->name, sizeof table->name, "%s%zu", name, at);
    }
    dashboard_model_take(model, &sample);
}

/* Draws it, proves that every row is as wide as the screen, and gives all of them. */
static void draw(struct dashboard_view *view, const struct dashboard_model *model, int width, int height, bool utf8,
                 struct rh_buffer *out)
{
    struct dashboard_canvas canvas = {.utf8 = utf8};
    rh_buffer_clear(out);
    dashboard_canvas_clear(&canvas, width, height);
    dashboard_view_draw(view, model, &canvas);
    for (int y = 0; y < height; y++) {
        int columns = 0;
        for (int x = 0; x < width; x++)
            columns += canvas.cells[y * width + x].width;
        assert_int_equal(columns, width);
        dashboard_canvas_row(&canvas, y, out);
        rh_buffer_add_char(out, '\n');
    }
    dashboard_canvas_free(&canvas);
}

static bool shows(const struct rh_buffer *screen, const char *text)
{
    return strstr(screen->bytes, text) != NULL;
}

static void test_nothing_known_is_no_zero(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_JOURNAL_LIST, .refresh_ms = 1000};
    struct rh_buffer screen = {0};
    (void)state;
    draw(&view, &model, 80, 24, true, &screen); /* before the first sample */
    fill(&model, 0, "");
    draw(&view, &model, 80, 24, true, &screen);
    assert_true(shows(&screen, "Tables (none)"));
    assert_true(shows(&screen, "Writes   -/s changes"));
    assert_true(shows(&screen, "Lag      - "));
    assert_true(shows(&screen, "Queries  known to its process alone"));
    assert_true(shows(&screen, "start rh serve --db FILE to"));
    assert_null(strstr(strstr(screen.bytes, "process alone") + 1, "process alone")); /* once */
    assert_false(shows(&screen, "nan"));
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

static void test_memory_is_the_mirrors_of_the_mirrors_limit(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_JOURNAL_LIST, .refresh_ms = 1000};
    struct dashboard_sample sample;
    struct rh_buffer screen = {0};
    (void)state;
    dashboard_sample_init(&sample, 0);
    sample.values[DASHBOARD_MIRROR_BYTES] = 30 << 20;
    sample.values[DASHBOARD_EXECUTOR_BYTES] = 50 << 20;
    sample.values[DASHBOARD_MEMORY_LIMIT] = 60 << 20;
    dashboard_model_take(&model, &sample);
    draw(&view, &model, 80, 48, false, &screen);
    assert_true(shows(&screen, "Memory   30.0 MiB of 60.0 MiB"));
    assert_false(shows(&screen, "executor"));
    draw(&view, &model, 160, 48, false, &screen);
    assert_true(shows(&screen, "executor 50.0 MiB"));
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

static void test_only_who_can_sync_is_offered_it(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_JOURNAL_LIST, .refresh_ms = 1000};
    struct rh_buffer screen = {0};
    (void)state;
    for (int can = 0; can < 2; can++) {
        struct dashboard_sample sample;
        dashboard_sample_init(&sample, 0);
        sample.can_sync = can != 0;
        dashboard_model_take(&model, &sample);
        view.help = false;
        draw(&view, &model, 80, 24, false, &screen);
        assert_true(shows(&screen, "q quit"));
        assert_int_equal(shows(&screen, "sync now"), can);
        view.help = true;
        draw(&view, &model, 80, 24, false, &screen);
        assert_int_equal(shows(&screen, "sync now"), can);
    }
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

static void test_calls_of_a_door_have_their_rows_and_their_title(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_JOURNAL_LIST, .refresh_ms = 1000};
    struct dashboard_sample sample;
    struct rh_buffer screen = {0};
    (void)state;
    dashboard_sample_init(&sample, 0);
    sample.last = rh_allocate(sizeof *sample.last);
    sample.last_count = 1;
    sample.last[0] = (struct dashboard_statement){
        .number = 1, .seconds = 0.5, .rows = 200000, .route = "flight", .text = "ingest into orders", .by_door = true};
    dashboard_model_take(&model, &sample);
    draw(&view, &model, 120, 40, true, &screen);
    assert_true(shows(&screen, "flight 200.0k"));
    assert_true(shows(&screen, "Last calls: door, rows"));
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

static void test_every_size_has_its_picture(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_JOURNAL_LIST, .refresh_ms = 1000};
    struct rh_buffer screen = {0};
    (void)state;
    fill(&model, 1000, "a long name of 注文 🛒, which goes on and on and on, ");
    for (int width = 1; width < 260; width += 7)
        for (int height = 1; height < 80; height += 3)
            draw(&view, &model, width, height, width % 2 == 0, &screen);
    draw(&view, &model, 79, 24, true, &screen);
    assert_true(shows(&screen, "has 79 x 24 cells, and the dashboard needs 80 x 24"));
    draw(&view, &model, 80, 24, true, &screen);
    assert_true(shows(&screen, "Tables 1-6 of 1000"));
    assert_true(shows(&screen, "q quit"));
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

static size_t count_cuts(const struct rh_buffer *screen)
{
    size_t cuts = 0;
    for (const char *at = screen->bytes; (at = strstr(at, "…")) != NULL; at++)
        cuts++;
    return cuts;
}

/* Four panels side by side had less room each than two of a narrower screen. */
static void test_a_wider_screen_cuts_no_more(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_JOURNAL_LIST, .refresh_ms = 1000};
    struct dashboard_sample sample;
    struct rh_buffer screen = {0};
    (void)state;
    dashboard_sample_init(&sample, 0);
    for (int value = 0; value < DASHBOARD_VALUES; value++)
        sample.values[value] = 12345;
    dashboard_sample_text(&sample, DASHBOARD_PATH, "/var/lib/rhei/customers/shop.db");
    dashboard_sample_text(&sample, DASHBOARD_BACKEND, "duckdb v1.5.5");
    dashboard_sample_text(&sample, DASHBOARD_STORAGE, "/var/lib/mirror");
    dashboard_model_take(&model, &sample);
    size_t cuts = SIZE_MAX;
    for (int width = 100; width < 260; width++) {
        draw(&view, &model, width, 48, true, &screen);
        size_t here = count_cuts(&screen);
        if (here > cuts)
            fail_msg("at %d columns more is cut:\n%s", width, screen.bytes);
        cuts = width == 100 ? here : cuts;
    }
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

static void test_names_of_two_hundred_characters_leave_the_numbers(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_TABLE_LIST};
    struct rh_buffer screen = {0};
    char name[201];
    (void)state;
    memset(name, 'n', 200);
    name[200] = '\0';
    fill(&model, 3, name);
    draw(&view, &model, 80, 24, true, &screen);
    assert_true(shows(&screen, "nnn…"));
    assert_true(shows(&screen, "2       ready"));
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

static void press(struct dashboard_view *view, const struct dashboard_model *model, struct rh_buffer *screen,
                  enum dashboard_key key)
{
    assert_int_equal(dashboard_view_key(view, model, key), DASHBOARD_NOTHING);
    draw(view, model, 80, 24, true, screen);
}

static void test_keys_choose_and_scroll(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_JOURNAL_LIST};
    struct rh_buffer screen = {0};
    (void)state;
    fill(&model, 20, "t");
    for (int at = 0; at < 30; at++)
        dashboard_journal_add(&model.journal, DASHBOARD_USUAL, "entry %d.", at);
    draw(&view, &model, 80, 24, true, &screen);
    assert_true(shows(&screen, "entry 29.") && !shows(&screen, "entry 20."));
    press(&view, &model, &screen, DASHBOARD_KEY_UP);
    assert_true(!shows(&screen, "entry 29.") && shows(&screen, "entry 28."));
    press(&view, &model, &screen, DASHBOARD_KEY_HOME);
    assert_true(shows(&screen, "entry 0."));
    press(&view, &model, &screen, DASHBOARD_KEY_UP); /* there is nothing above */
    press(&view, &model, &screen, DASHBOARD_KEY_DOWN);
    assert_false(shows(&screen, "this is"));
    press(&view, &model, &screen, DASHBOARD_KEY_END);
    assert_true(shows(&screen, "entry 29."));
    press(&view, &model, &screen, DASHBOARD_KEY_NEXT);
    assert_int_equal(view.focus, DASHBOARD_TABLE_LIST);
    press(&view, &model, &screen, DASHBOARD_KEY_END);
    assert_true(shows(&screen, "Tables 15-20 of 20"));
    press(&view, &model, &screen, DASHBOARD_KEY_PAGE_UP);
    assert_true(shows(&screen, "Tables 10-15 of 20"));
    press(&view, &model, &screen, DASHBOARD_KEY_NEXT); /* the other lists aren't there */
    assert_int_equal(view.focus, DASHBOARD_JOURNAL_LIST);
    press(&view, &model, &screen, DASHBOARD_KEY_PREVIOUS);
    assert_int_equal(view.focus, DASHBOARD_TABLE_LIST);
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

static void test_help_pause_sync_and_quit(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_JOURNAL_LIST};
    struct rh_buffer screen = {0};
    (void)state;
    fill(&model, 1, "t");
    press(&view, &model, &screen, DASHBOARD_KEY_HELP);
    assert_true(shows(&screen, "pause: no new numbers"));
    press(&view, &model, &screen, DASHBOARD_KEY_QUIT); /* leaves the help alone */
    assert_false(shows(&screen, "pause: no new numbers"));
    press(&view, &model, &screen, DASHBOARD_KEY_PAUSE);
    assert_true(shows(&screen, "PAUSED"));
    press(&view, &model, &screen, DASHBOARD_KEY_SYNC);
    assert_true(shows(&screen, "This only looks"));
    press(&view, &model, &screen, DASHBOARD_KEY_OTHER);
    assert_false(shows(&screen, "This only looks"));
    model.now.can_sync = true;
    assert_int_equal(dashboard_view_key(&view, &model, DASHBOARD_KEY_SYNC), DASHBOARD_SYNC);
    press(&view, &model, &screen, DASHBOARD_KEY_HELP);
    assert_int_equal(dashboard_view_key(&view, &model, DASHBOARD_KEY_INTERRUPT), DASHBOARD_QUIT);
    view.help = false;
    assert_int_equal(dashboard_view_key(&view, &model, DASHBOARD_KEY_QUIT), DASHBOARD_QUIT);
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

static void test_a_list_that_ends_takes_the_focus_with_it(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_view view = {.focus = DASHBOARD_SIDECAR_LIST, .scroll = {50, 50, 50, 50, 50, 50}};
    struct rh_buffer screen = {0};
    (void)state;
    fill(&model, 2, "t");
    draw(&view, &model, 120, 40, true, &screen);
    assert_int_equal(view.focus, DASHBOARD_JOURNAL_LIST);
    assert_true(shows(&screen, "t0") && shows(&screen, "t1"));
    rh_buffer_free(&screen);
    dashboard_model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_known_is_no_zero),
        cmocka_unit_test(test_memory_is_the_mirrors_of_the_mirrors_limit),
        cmocka_unit_test(test_only_who_can_sync_is_offered_it),
        cmocka_unit_test(test_calls_of_a_door_have_their_rows_and_their_title),
        cmocka_unit_test(test_every_size_has_its_picture),
        cmocka_unit_test(test_a_wider_screen_cuts_no_more),
        cmocka_unit_test(test_names_of_two_hundred_characters_leave_the_numbers),
        cmocka_unit_test(test_keys_choose_and_scroll),
        cmocka_unit_test(test_help_pause_sync_and_quit),
        cmocka_unit_test(test_a_list_that_ends_takes_the_focus_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
