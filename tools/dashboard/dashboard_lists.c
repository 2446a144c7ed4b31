/* SPDX-License-Identifier: Apache-2.0 */
/* What there are many of, in rows that scroll. */
#include "dashboard_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_NAME = 12 };

/* A row is drawn from its left, and its numbers from the right. */
struct row {
    struct dashboard_canvas *canvas;
    int x, y, width;
};

static void write_left(struct row *row, int width, enum dashboard_style style, const char *text)
{
    width = width < row->width ? width : row->width;
    (void)dashboard_canvas_text(row->canvas, row->x, row->y, width, style, text);
    row->x += width + 1 <= row->width ? width + 1 : row->width;
    row->width -= width + 1 <= row->width ? width + 1 : row->width;
}

/* Right-aligned in the last `width` columns that are left. */
static void write_right(struct row *row, int width, enum dashboard_style style, const char *text)
{
    if (width > row->width)
        return;
    int own = dashboard_canvas_width(row->canvas, text);
    own = own < width ? own : width;
    (void)dashboard_canvas_text(row->canvas, row->x + row->width - own, row->y, own, style, text);
    row->width -= width + 1 <= row->width ? width + 1 : row->width;
}

static void write_number(struct row *row, int width, enum dashboard_style style,
                         void (*add)(struct rh_buffer *, double), double value)
{
    struct rh_buffer text = {0};
    add(&text, value);
    write_right(row, width, style, text.bytes);
    rh_buffer_free(&text);
}

/* ---- One row of each ---------------------------------------------------------------------------------------------- */

static void draw_table(const struct dashboard_model *model, int at, struct row row)
{
    static const char *const names[] = {"waiting",     "building", "ready",   "failed",
                                        "SQLite only", "captured", "followed"};
    static const enum dashboard_style styles[] = {DASHBOARD_WARNING, DASHBOARD_WARNING, DASHBOARD_OK, DASHBOARD_ERROR,
                                                  DASHBOARD_DIM,     DASHBOARD_OK,      DASHBOARD_OK};
    const struct dashboard_table *table = &model->now.tables[at];
    char text[32];
    int name = row.width * 2 / 5;
    (void)snprintf(text, sizeof text, "%s", names[table->state]);
    if (table->state == DASHBOARD_BUILDING && table->rows_expected > 0)
        (void)snprintf(text, sizeof text, "built %.0f %%", fmin(100, 100 * table->rows / table->rows_expected));
    write_right(&row, 11, styles[table->state], text);
    bool tells_why = table->state == DASHBOARD_FAILED || table->state == DASHBOARD_UNMIRRORED;
    if (table->message[0] != '\0' && tells_why) {
        write_left(&row, name, DASHBOARD_PLAIN, table->name);
        write_left(&row, row.width, DASHBOARD_DIM, table->message);
        return;
    }
    bool told = !isnan(table->bytes) && row.width >= LEAST_NAME + 22; /* else the name needs the room more */
    if (told || row.width - name > 24)
        write_number(&row, 9, DASHBOARD_PLAIN, dashboard_add_bytes, table->bytes);
    write_number(&row, 11, DASHBOARD_PLAIN, told || row.width - name > 14 ? dashboard_add_count : dashboard_add_short,
                 table->rows);
    write_left(&row, row.width, DASHBOARD_PLAIN, table->name);
}

static void draw_statement(const struct dashboard_statement *statement, struct row row)
{
    char route[32];
    if (isnan(statement->seconds)) { /* a line of a log, which has all of it in words */
        write_left(&row, row.width, DASHBOARD_PLAIN, statement->text);
        return;
    }
    write_number(&row, 6, DASHBOARD_DIM, dashboard_add_short, statement->rows); /* 999.9k is the widest */
    (void)snprintf(route, sizeof route, "%s", statement->failed ? "failed" : statement->route);
    write_right(&row, 6, statement->failed ? DASHBOARD_ERROR : DASHBOARD_LABEL, route);
    struct rh_buffer took = {0};
    dashboard_add_seconds(&took, statement->seconds);
    int width = dashboard_canvas_width(row.canvas, took.bytes);
    row.x += width < 9 ? 9 - width : 0;
    row.width -= width < 9 ? 9 - width : 0;
    write_left(&row, width, DASHBOARD_STRONG, took.bytes);
    write_left(&row, row.width, DASHBOARD_PLAIN, statement->text);
    rh_buffer_free(&took);
}

static void draw_last(const struct dashboard_model *model, int at, struct row row)
{
    draw_statement(&model->now.last[at], row);
}

static void draw_slow(const struct dashboard_model *model, int at, struct row row)
{
    draw_statement(&model->now.slow[at], row);
}

static void draw_engine(const struct dashboard_model *model, int at, struct row row)
{
    const struct dashboard_engine *engine = &model->now.engines[at];
    struct rh_buffer text = {0};
    if (engine->process > 0)
        rh_buffer_format(&text, "process %" PRId64, engine->process);
    else
        rh_buffer_add_text(&text, "of another machine or container");
    if (engine->lag > 0) {
        rh_buffer_add_text(&text, ", ");
        dashboard_add_count(&text, engine->lag);
        rh_buffer_add_text(&text, " behind");
    } else {
        rh_buffer_add_text(&text, ", in step");
    }
    rh_buffer_add_text(&text, ", seen ");
    dashboard_add_seconds(&text, engine->seen_seconds);
    rh_buffer_add_text(&text, " ago");
    write_left(&row, row.width, engine->lag > 0 ? DASHBOARD_PLAIN : DASHBOARD_OK, text.bytes);
    rh_buffer_free(&text);
}

static void draw_sidecar(const struct dashboard_model *model, int at, struct row row)
{
    const struct dashboard_sidecar *sidecar = &model->now.sidecars[at];
    struct rh_buffer text = {0};
    if (sidecar->away) {
        rh_buffer_add_text(&text, "away for ");
        dashboard_add_seconds(&text, sidecar->away_seconds);
    } else if (isnan(sidecar->lag_seconds)) {
        rh_buffer_add_text(&text, isnan(sidecar->tables_ready) ? "lag known to its process" : "not loaded");
    } else {
        dashboard_add_seconds(&text, sidecar->lag_seconds);
        rh_buffer_add_text(&text, " behind");
    }
    if (sidecar->lag_bytes > 0) {
        rh_buffer_add_text(&text, ", ");
        dashboard_add_bytes(&text, sidecar->lag_bytes);
    }
    write_right(&row, row.width / 2, sidecar->away ? DASHBOARD_ERROR : DASHBOARD_OK, text.bytes);
    rh_buffer_clear(&text);
    rh_buffer_format(&text, "%s (%s, %s", sidecar->name, sidecar->source, sidecar->mode);
    if (!isnan(sidecar->tables_ready))
        rh_buffer_format(&text, ", %.0f of %.0f tables", sidecar->tables_ready, sidecar->tables);
    rh_buffer_add_char(&text, ')');
    if (sidecar->message[0] != '\0')
        rh_buffer_format(&text, " %s", sidecar->message);
    write_left(&row, row.width, DASHBOARD_PLAIN, text.bytes);
    rh_buffer_free(&text);
}

static void draw_entry(const struct dashboard_model *model, int at, struct row row)
{
    static const enum dashboard_style styles[] = {DASHBOARD_PLAIN, DASHBOARD_OK, DASHBOARD_WARNING, DASHBOARD_ERROR};
    const struct dashboard_entry *entry =
        dashboard_journal_back(&model->journal, model->journal.count - 1 - (size_t)at);
    char clock[9];
    dashboard_clock(entry->at, clock);
    write_left(&row, 8, DASHBOARD_DIM, clock);
    write_left(&row, row.width, styles[entry->weight], entry->text);
}

/* ---- All of them -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *title;
    void (*draw)(const struct dashboard_model *model, int at, struct row row);
} lists[DASHBOARD_LISTS] = {
    [DASHBOARD_TABLE_LIST] = {"Tables", draw_table},
    [DASHBOARD_LAST_LIST] = {"Last queries", draw_last},
    [DASHBOARD_SLOW_LIST] = {"Slow queries", draw_slow},
    [DASHBOARD_ENGINE_LIST] = {"Engines on this file", draw_engine},
    [DASHBOARD_SIDECAR_LIST] = {"Sidecars", draw_sidecar},
    [DASHBOARD_JOURNAL_LIST] = {"Activity", draw_entry},
};

int dashboard_list_length(const struct dashboard_model *model, enum dashboard_list list)
{
    const size_t lengths[] = {
        [DASHBOARD_TABLE_LIST] = model->now.table_count,     [DASHBOARD_LAST_LIST] = model->now.last_count,
        [DASHBOARD_SLOW_LIST] = model->now.slow_count,       [DASHBOARD_ENGINE_LIST] = model->now.engine_count,
        [DASHBOARD_SIDECAR_LIST] = model->now.sidecar_count, [DASHBOARD_JOURNAL_LIST] = model->journal.count,
    };
    return (int)lengths[list];
}

bool dashboard_list_exists(const struct dashboard_model *model, enum dashboard_list list)
{
    return list == DASHBOARD_TABLE_LIST || list == DASHBOARD_JOURNAL_LIST || dashboard_list_length(model, list) > 0;
}

/* A service's are calls of its doors, whose log says by which one and not by which engine. */
static const char *title_of(const struct dashboard_model *model, enum dashboard_list list)
{
    bool calls = list == DASHBOARD_LAST_LIST && model->now.last_count > 0 && model->now.last[0].by_door;
    return calls ? "Last calls: door, rows" : lists[list].title;
}

/* The journal grows at its end, and stays there until it is scrolled: its distance from there is kept. */
static int first_row(struct dashboard_view *view, enum dashboard_list list, int length, int rows)
{
    int most = length > rows ? length - rows : 0;
    int *scroll = &view->scroll[list];
    *scroll = *scroll > most ? most : *scroll < 0 ? 0 : *scroll;
    return list == DASHBOARD_JOURNAL_LIST ? most - *scroll : *scroll;
}

void dashboard_draw_list(struct dashboard_view *view, const struct dashboard_model *model, enum dashboard_list list,
                         struct dashboard_canvas *canvas, struct dashboard_area area)
{
    int length = dashboard_list_length(model, list), rows = area.height - 2;
    int first = first_row(view, list, length, rows);
    char title[64];
    const char *name = title_of(model, list);
    view->rows[list] = rows;
    if (length > rows)
        (void)snprintf(title, sizeof title, "%s %d-%d of %d", name, first + 1,
                       first + rows < length ? first + rows : length, length);
    else
        (void)snprintf(title, sizeof title, "%s%s", name, length == 0 ? " (none)" : "");
    struct dashboard_pen pen = dashboard_panel(canvas, area, title, view->focus == list);
    for (int at = 0; at < rows && first + at < length; at++)
        lists[list].draw(
            model, first + at,
            (struct row){.canvas = canvas, .x = pen.area.x, .y = pen.area.y + at, .width = pen.area.width});
}
