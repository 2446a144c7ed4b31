/* SPDX-License-Identifier: Apache-2.0 */
#include "dashboard_view.h"

#include <stdio.h>
#include <string.h>

/* WIDE: each of four panels has the columns that one of two has at 100, so that no wider screen cuts what a narrower one shows. */
enum { LEAST_PANEL = 7, WIDE = 200, LEAST_LIST = 6 };

/* ---- Keys --------------------------------------------------------------------------------------------------------- */

static void change_focus(struct dashboard_view *view, const struct dashboard_model *model, int step)
{
    int focus = (int)view->focus;
    do
        focus = (focus + step + DASHBOARD_LISTS) % DASHBOARD_LISTS;
    while (!dashboard_list_exists(model, (enum dashboard_list)focus));
    view->focus = (enum dashboard_list)focus;
}

/* Drawing keeps it within the list. */
static void scroll(struct dashboard_view *view, const struct dashboard_model *model, int rows)
{
    int *at = &view->scroll[view->focus], length = dashboard_list_length(model, view->focus);
    int most = length > view->rows[view->focus] ? length - view->rows[view->focus] : 0;
    *at += view->focus == DASHBOARD_JOURNAL_LIST ? -rows : rows;
    *at = *at < 0 ? 0 : *at > most ? most : *at;
}

enum dashboard_action dashboard_view_key(struct dashboard_view *view, const struct dashboard_model *model,
                                         enum dashboard_key key)
{
    int page = view->rows[view->focus] > 1 ? view->rows[view->focus] - 1 : 1;
    int all = dashboard_list_length(model, view->focus);
    view->notice[0] = '\0';
    if (view->help && key != DASHBOARD_KEY_INTERRUPT && key != DASHBOARD_KEY_REDRAW) {
        view->help = false; /* any key leaves it, Esc and q too */
        return DASHBOARD_NOTHING;
    }
    switch (key) {
    case DASHBOARD_KEY_QUIT:
    case DASHBOARD_KEY_INTERRUPT:
        return DASHBOARD_QUIT;
    case DASHBOARD_KEY_PAUSE:
        view->paused = !view->paused;
        break;
    case DASHBOARD_KEY_SYNC:
        if (model->now.can_sync)
            return DASHBOARD_SYNC;
        (void)snprintf(view->notice, sizeof view->notice,
                       "This only looks: a sync is for the process that has the column store (rh sync builds one)");
        break;
    case DASHBOARD_KEY_HELP:
        view->help = true;
        break;
    case DASHBOARD_KEY_NEXT:
    case DASHBOARD_KEY_PREVIOUS:
        change_focus(view, model, key == DASHBOARD_KEY_NEXT ? 1 : -1);
        break;
    case DASHBOARD_KEY_UP:
    case DASHBOARD_KEY_DOWN:
        scroll(view, model, key == DASHBOARD_KEY_UP ? -1 : 1);
        break;
    case DASHBOARD_KEY_PAGE_UP:
    case DASHBOARD_KEY_PAGE_DOWN:
        scroll(view, model, key == DASHBOARD_KEY_PAGE_UP ? -page : page);
        break;
    case DASHBOARD_KEY_HOME:
    case DASHBOARD_KEY_END:
        scroll(view, model, key == DASHBOARD_KEY_HOME ? -all : all);
        break;
    case DASHBOARD_KEY_NONE:
    case DASHBOARD_KEY_STOP:
    case DASHBOARD_KEY_REDRAW:
    case DASHBOARD_KEY_OTHER:
        break;
    }
    return DASHBOARD_NOTHING;
}

/* ---- Where things are --------------------------------------------------------------------------------------------- */

/* The lists that there is room for: the journal always, and the one that the arrows move. */
static int choose_lists(const struct dashboard_view *view, const struct dashboard_model *model, int places,
                        enum dashboard_list chosen[DASHBOARD_LISTS])
{
    int count = 0;
    bool focus_in = view->focus == DASHBOARD_JOURNAL_LIST;
    for (int list = 0; list < DASHBOARD_JOURNAL_LIST && count < places - 1; list++)
        if (dashboard_list_exists(model, (enum dashboard_list)list)) {
            chosen[count++] = (enum dashboard_list)list;
            focus_in = focus_in || view->focus == (enum dashboard_list)list;
        }
    if (!focus_in)
        chosen[count - 1] = view->focus;
    chosen[count++] = DASHBOARD_JOURNAL_LIST;
    return count;
}

static void draw_lists(struct dashboard_view *view, const struct dashboard_model *model,
                       struct dashboard_canvas *canvas, struct dashboard_area area)
{
    enum dashboard_list chosen[DASHBOARD_LISTS];
    int bands = area.height / LEAST_LIST < 3 ? area.height / LEAST_LIST : 3;
    memset(view->rows, 0, sizeof view->rows);
    int count = choose_lists(view, model, 2 * bands < DASHBOARD_LISTS ? 2 * bands : DASHBOARD_LISTS, chosen);
    bands = (count + 1) / 2;
    for (int at = 0; at < count; at++) {
        int band = at / 2, top = area.height * band / bands, bottom = area.height * (band + 1) / bands;
        int half = area.width / 2;
        bool alone = at % 2 == 0 && at + 1 == count;
        const struct dashboard_area place = {area.x + (at % 2 == 0 ? 0 : half), area.y + top,
                                             alone         ? area.width
                                             : at % 2 == 0 ? half
                                                           : area.width - half,
                                             bottom - top};
        dashboard_draw_list(view, model, chosen[at], canvas, place);
    }
}

static void draw_panels(const struct dashboard_model *model, struct dashboard_canvas *canvas, int columns, int height)
{
    static const struct {
        const char *title;
        void (*draw)(const struct dashboard_model *model, struct dashboard_pen pen);
    } panels[] = {{"OLTP", dashboard_draw_oltp},
                  {"OLAP", dashboard_draw_olap},
                  {"CDC sync", dashboard_draw_sync},
                  {"Queries", dashboard_draw_queries}};
    for (int at = 0; at < 4; at++) {
        int from = canvas->width * (at % columns) / columns, to = canvas->width * (at % columns + 1) / columns;
        const struct dashboard_area area = {from, 1 + at / columns * height, to - from, height};
        panels[at].draw(model, dashboard_panel(canvas, area, panels[at].title, false));
    }
}

static void fill_row(struct dashboard_canvas *canvas, int y)
{
    for (int x = 0; x < canvas->width; x++)
        (void)dashboard_canvas_text(canvas, x, y, 1, DASHBOARD_BAR, " ");
}

static void draw_top(const struct dashboard_view *view, const struct dashboard_model *model,
                     struct dashboard_canvas *canvas)
{
    struct rh_buffer text = {0};
    char right[64];
    fill_row(canvas, 0);
    (void)snprintf(right, sizeof right, "%s%s  every %g s", view->paused ? "PAUSED  " : "", view->clock,
                   (double)view->refresh_ms / 1000);
    int width = (int)strlen(right);
    rh_buffer_format(&text, "Rhei  %s", model->now.texts[DASHBOARD_SEEN_BY]);
    (void)dashboard_canvas_text(canvas, 1, 0, canvas->width - width - 4, DASHBOARD_BAR, text.bytes);
    (void)dashboard_canvas_text(canvas, canvas->width - width - 1, 0, width, DASHBOARD_BAR, right);
    rh_buffer_free(&text);
}

static void draw_bottom(const struct dashboard_view *view, const struct dashboard_model *model,
                        struct dashboard_canvas *canvas)
{
    int y = canvas->height - 1;
    const char *text = view->notice[0] != '\0'     ? view->notice
                       : model->trouble[0] != '\0' ? model->trouble
                       : model->now.can_sync       ? "q quit  p pause  s sync now  Tab next list  arrows scroll  ? help"
                                                   : "q quit  p pause  Tab next list  arrows scroll  ? help";
    fill_row(canvas, y);
    (void)dashboard_canvas_text(canvas, 1, y, canvas->width - 2,
                                model->trouble[0] != '\0' && view->notice[0] == '\0' ? DASHBOARD_ERROR : DASHBOARD_BAR,
                                text);
}

static void draw_help(const struct dashboard_model *model, struct dashboard_canvas *canvas)
{
    const char *const rows[] = {
        "q, Esc, Ctrl-C   quit",
        "p                pause: no new numbers until it is pressed again",
        model->now.can_sync ? "s                sync now"
                            : "s                nothing here: this only looks (rh serve can sync)",
        "Tab, left, right choose a list; its frame is bright",
        "up, down         scroll it; also PgUp, PgDn, Home, End",
        "?                this text; any key leaves it",
        "",
        "Rates are differences of counters over measured time.",
        "A dash is what isn't known here, and no zero.",
        "Series are scaled to the largest of what is shown.",
    };
    enum { ROWS = sizeof rows / sizeof *rows, WIDTH = 70 };
    const struct dashboard_area area = {(canvas->width - WIDTH) / 2, (canvas->height - ROWS - 2) / 2, WIDTH, ROWS + 2};
    for (int y = 0; y < area.height; y++)
        for (int x = 0; x < area.width; x++)
            (void)dashboard_canvas_text(canvas, area.x + x, area.y + y, 1, DASHBOARD_PLAIN, " ");
    struct dashboard_pen pen = dashboard_panel(canvas, area, "Keys", true);
    for (int at = 0; at < ROWS; at++)
        (void)dashboard_canvas_text(canvas, pen.area.x, pen.area.y + at, pen.area.width, DASHBOARD_PLAIN, rows[at]);
}

/* By words, on as many rows as it takes. */
static void draw_too_small(struct dashboard_canvas *canvas)
{
    char text[160], *word = text;
    int x = 0, y = 0;
    (void)snprintf(text, sizeof text,
                   "This terminal has %d x %d cells, and the dashboard needs %d x %d: make it larger, or q quits.",
                   canvas->width, canvas->height, DASHBOARD_LEAST_WIDTH, DASHBOARD_LEAST_HEIGHT);
    while (*word != '\0' && y < canvas->height) {
        int length = (int)strcspn(word, " ");
        char end = word[length];
        word[length] = '\0';
        if (x > 0 && x + length > canvas->width) {
            x = 0;
            y++;
        }
        if (y < canvas->height)
            x += dashboard_canvas_text(canvas, x, y, canvas->width - x, DASHBOARD_PLAIN, word) + 1;
        word += length + (end != '\0');
    }
}

void dashboard_view_draw(struct dashboard_view *view, const struct dashboard_model *model,
                         struct dashboard_canvas *canvas)
{
    int columns = canvas->width >= WIDE ? 4 : 2, bands = 4 / columns;
    if (canvas->width < DASHBOARD_LEAST_WIDTH || canvas->height < DASHBOARD_LEAST_HEIGHT) {
        draw_too_small(canvas);
        return;
    }
    if (!dashboard_list_exists(model, view->focus))
        view->focus = DASHBOARD_JOURNAL_LIST;
    int more = (canvas->height - DASHBOARD_LEAST_HEIGHT) / 6, height = LEAST_PANEL + (more > 2 ? 2 : more);
    draw_top(view, model, canvas);
    draw_panels(model, canvas, columns, height);
    const struct dashboard_area rest = {0, 1 + bands * height, canvas->width, canvas->height - 2 - bands * height};
    draw_lists(view, model, canvas, rest);
    draw_bottom(view, model, canvas);
    if (view->help)
        draw_help(model, canvas);
}
