/* SPDX-License-Identifier: Apache-2.0 */
/* The four panels of numbers: each line has a label, what is known, and where there is room the last minutes of it. */
#include "dashboard_view.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_WIDTH = 9, LEAST_SPARK = 8, MOST_SPARK = 60, GAUGE_WIDTH = 12, NARROW = 45, WIDE = 68 };

struct dashboard_pen dashboard_panel(struct dashboard_canvas *canvas, struct dashboard_area area, const char *title,
                                     bool chosen)
{
    char text[100];
    dashboard_canvas_frame(canvas, area, chosen ? DASHBOARD_CHOSEN : DASHBOARD_BORDER);
    (void)snprintf(text, sizeof text, " %s ", title);
    (void)dashboard_canvas_text(canvas, area.x + 2, area.y, area.width - 4, DASHBOARD_STRONG, text);
    return (struct dashboard_pen){
        .canvas = canvas, .area = {area.x + 2, area.y + 1, area.width - 4, area.height - 2}, .y = area.y + 1};
}

static bool has_room(const struct dashboard_pen *pen)
{
    return pen->y < pen->area.y + pen->area.height;
}

/* Writes a line and clears the text. Gives the columns that are used. */
static int write_line(struct dashboard_pen *pen, const char *label, enum dashboard_style style, struct rh_buffer *text)
{
    int used = 0;
    if (has_room(pen)) {
        (void)dashboard_canvas_text(pen->canvas, pen->area.x, pen->y, pen->area.width, DASHBOARD_LABEL, label);
        used = LABEL_WIDTH + dashboard_canvas_text(pen->canvas, pen->area.x + LABEL_WIDTH, pen->y,
                                                   pen->area.width - LABEL_WIDTH, style,
                                                   text->length > 0 ? text->bytes : "-");
    }
    pen->y++;
    rh_buffer_clear(text);
    return used;
}

/* The same, and the series to its right. All of a panel begin in one column. */
static void write_series(struct dashboard_pen *pen, const char *label, enum dashboard_style style,
                         struct rh_buffer *text, const struct dashboard_series *series, enum dashboard_style drawn)
{
    struct rh_buffer spark = {0};
    int used = write_line(pen, label, style, text) + 1, from = pen->area.width / 2;
    from = used > from ? used : from;
    int room = pen->area.width - from;
    room = room > MOST_SPARK ? MOST_SPARK : room;
    if (used > 1 && room >= LEAST_SPARK) {
        dashboard_add_spark(&spark, series, (size_t)room, pen->canvas->utf8);
        (void)dashboard_canvas_text(pen->canvas, pen->area.x + pen->area.width - room, pen->y - 1, room, drawn,
                                    spark.bytes);
    }
    rh_buffer_free(&spark);
}

/* "12 changes", "1 change" */
static void add_number(struct rh_buffer *text, double count, const char *what)
{
    dashboard_add_count(text, count);
    rh_buffer_format(text, " %s%s", what, count >= 1 && count <= 1 ? "" : "s");
}

/* A count in full where there is room for it. */
static void add_fitting(const struct dashboard_pen *pen, struct rh_buffer *text, double count)
{
    (pen->area.width < NARROW ? dashboard_add_short : dashboard_add_count)(text, count);
}

static void add_rate(struct rh_buffer *text, double rate)
{
    dashboard_add_short(text, rate);
    rh_buffer_add_text(text, "/s");
}

static bool is_known(const struct dashboard_model *model, enum dashboard_value value)
{
    return !isnan(dashboard_value(model, value));
}

/* ---- SQLite ------------------------------------------------------------------------------------------------------- */

static void write_pool(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    dashboard_add_count(text, dashboard_value(model, DASHBOARD_READERS));
    if (is_known(model, DASHBOARD_POOL)) {
        rh_buffer_add_text(text, " of ");
        dashboard_add_count(text, dashboard_value(model, DASHBOARD_POOL));
    }
    rh_buffer_add_text(text, " open, ");
    add_rate(text, dashboard_rate(model, DASHBOARD_READS));
    rh_buffer_add_text(text, " reads");
    write_line(pen, "Pool", DASHBOARD_PLAIN, text);
}

static void write_commits(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    double p99 = dashboard_latency(model, DASHBOARD_COMMIT_TIME, 0.99);
    add_rate(text, dashboard_rate(model, DASHBOARD_COMMITS));
    if (!isnan(p99)) {
        rh_buffer_add_text(text, ", p99 ");
        dashboard_add_seconds(text, p99);
    }
    write_line(pen, "Commits", DASHBOARD_PLAIN, text);
    dashboard_add_count(text, dashboard_value(model, DASHBOARD_BUSY));
    rh_buffer_add_text(text, " waits for locks timed out");
    write_line(pen, "Busy", DASHBOARD_PLAIN, text);
}

void dashboard_draw_oltp(const struct dashboard_model *model, struct dashboard_pen pen)
{
    struct rh_buffer text = {0};
    rh_buffer_add_text(&text, model->now.texts[DASHBOARD_PATH]);
    write_line(&pen, "Path", DASHBOARD_PLAIN, &text);
    dashboard_add_bytes(&text, dashboard_value(model, DASHBOARD_FILE_BYTES));
    rh_buffer_add_text(&text, ", WAL ");
    dashboard_add_bytes(&text, dashboard_value(model, DASHBOARD_WAL_BYTES));
    write_line(&pen, "File", DASHBOARD_PLAIN, &text);
    /* what others write to the file is no write of the process that counts */
    if (is_known(model, DASHBOARD_WRITES)) {
        add_rate(&text, dashboard_rate(model, DASHBOARD_WRITES));
        rh_buffer_add_text(&text, ", ");
    }
    add_rate(&text, dashboard_rate(model, DASHBOARD_LOG_POSITION));
    rh_buffer_add_text(&text, " changes");
    write_series(&pen, "Writes", DASHBOARD_STRONG, &text, &model->series[DASHBOARD_WRITE_SERIES], DASHBOARD_LINE_A);
    double commits = dashboard_value(model, DASHBOARD_COMMITS),
           statements = dashboard_value(model, DASHBOARD_STATEMENTS);
    if (!isnan(commits)) {
        add_fitting(&pen, &text, statements);
        rh_buffer_add_text(&text, " writes in ");
        add_fitting(&pen, &text, commits);
        rh_buffer_add_text(&text, " commits");
        write_line(&pen, "Writer", DASHBOARD_PLAIN, &text);
        write_pool(model, &pen, &text);
        write_commits(model, &pen, &text);
    }
    rh_buffer_free(&text);
}

/* ---- The column store --------------------------------------------------------------------------------------------- */

static void add_gauge(struct rh_buffer *text, double share, bool utf8)
{
    int full = share >= 1 ? GAUGE_WIDTH : share > 0 ? (int)(share * GAUGE_WIDTH + 0.5) : 0;
    rh_buffer_add_text(text, utf8 ? " ▕" : " [");
    for (int at = 0; at < GAUGE_WIDTH; at++)
        rh_buffer_add_text(text, at < full ? (utf8 ? "█" : "#") : utf8 ? "░" : ".");
    rh_buffer_add_text(text, utf8 ? "▏" : "]");
}

/* The limit is the mirror's, so the executor's bytes, which have another, are told beside it. */
static void write_memory(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    double mirror = dashboard_value(model, DASHBOARD_MIRROR_BYTES),
           limit = dashboard_value(model, DASHBOARD_MEMORY_LIMIT);
    double executor = dashboard_value(model, DASHBOARD_EXECUTOR_BYTES);
    double share = limit > 0 ? mirror / limit : 0;
    dashboard_add_bytes(text, mirror);
    if (limit > 0) {
        rh_buffer_add_text(text, " of ");
        dashboard_add_bytes(text, limit);
        if (pen->area.width >= NARROW)
            add_gauge(text, share, pen->canvas->utf8);
    }
    if (executor > 0 && pen->area.width >= WIDE) {
        rh_buffer_add_text(text, ", executor ");
        dashboard_add_bytes(text, executor);
    }
    write_line(pen, "Memory", share > 0.9 ? DASHBOARD_WARNING : DASHBOARD_PLAIN, text);
}

static void write_disk(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    const char *storage = model->now.texts[DASHBOARD_STORAGE];
    double position = dashboard_value(model, DASHBOARD_DISK_POSITION);
    bool wrong = model->now.texts[DASHBOARD_DISK_MESSAGE][0] != '\0';
    if (wrong) {
        rh_buffer_add_text(text, model->now.texts[DASHBOARD_DISK_MESSAGE]);
    } else if (position >= 0) {
        dashboard_add_seconds(text, dashboard_value(model, DASHBOARD_DISK_SECONDS));
        rh_buffer_add_text(text, " ago, ");
        dashboard_add_bytes(text, dashboard_value(model, DASHBOARD_DISK_BYTES));
        rh_buffer_add_text(text, ", at change ");
        dashboard_add_count(text, position);
    } else if (position < 0) {
        rh_buffer_add_text(text, "none yet");
    } else if (strcmp(storage, "memory") == 0) {
        rh_buffer_add_text(text, "none, it is in memory alone");
    }
    write_line(pen, strncmp(storage, "s3:", 3) == 0 ? "Bucket" : "Disk", wrong ? DASHBOARD_ERROR : DASHBOARD_PLAIN,
               text);
}

static void write_buffer(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    if (is_known(model, DASHBOARD_BUFFER_BYTES)) {
        dashboard_add_bytes(text, dashboard_value(model, DASHBOARD_BUFFER_BYTES));
        if (is_known(model, DASHBOARD_BUFFER_LAG)) {
            rh_buffer_add_text(text, ", ");
            add_number(text, dashboard_value(model, DASHBOARD_BUFFER_LAG), "change");
            rh_buffer_add_text(text, " not in it yet");
        }
        write_line(pen, "Buffer", DASHBOARD_PLAIN, text);
    }
}

static void write_tables(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    double tables = dashboard_value(model, DASHBOARD_TABLES), ready = dashboard_value(model, DASHBOARD_TABLES_READY);
    double rows = dashboard_value(model, DASHBOARD_ROWS), dead = dashboard_value(model, DASHBOARD_DEAD_ROWS);
    if (isnan(ready)) {
        add_number(text, tables, "table");
    } else {
        dashboard_add_count(text, ready);
        rh_buffer_add_text(text, " of ");
        dashboard_add_count(text, tables);
        rh_buffer_add_text(text, " ready, ");
        add_fitting(pen, text, rows);
        rh_buffer_add_text(text, " rows");
    }
    if (dead > 0) {
        rh_buffer_add_text(text, ", ");
        add_fitting(pen, text, dead);
        rh_buffer_add_text(text, " dead");
    }
    write_line(pen, "Tables", ready < tables ? DASHBOARD_WARNING : DASHBOARD_PLAIN, text);
}

void dashboard_draw_olap(const struct dashboard_model *model, struct dashboard_pen pen)
{
    struct rh_buffer text = {0};
    const char *backend = model->now.texts[DASHBOARD_BACKEND], *storage = model->now.texts[DASHBOARD_STORAGE];
    if (backend[0] != '\0')
        rh_buffer_format(&text, "%s, in %s", backend, storage);
    else
        rh_buffer_add_text(&text, model->now.texts[DASHBOARD_CAPTURE]);
    write_line(&pen, backend[0] != '\0' ? "Backend" : "Capture", DASHBOARD_PLAIN, &text);
    write_tables(model, &pen, &text);
    if (is_known(model, DASHBOARD_MIRROR_BYTES))
        write_memory(model, &pen, &text);
    write_disk(model, &pen, &text);
    write_buffer(model, &pen, &text);
    rh_buffer_free(&text);
}

/* ---- Change capture ----------------------------------------------------------------------------------------------- */

static void write_lag(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    double lag = dashboard_value(model, DASHBOARD_LAG), seconds = dashboard_value(model, DASHBOARD_LAG_SECONDS);
    enum dashboard_style style = lag <= 0 ? DASHBOARD_OK : seconds > 10 ? DASHBOARD_ERROR : DASHBOARD_PLAIN;
    if (!isnan(lag)) {
        /* engines tell a file now and then how far they are */
        rh_buffer_add_text(text, lag > 0 && !is_known(model, DASHBOARD_EVENTS) ? "at most " : "");
        add_number(text, lag, "change");
        if (!isnan(seconds)) {
            rh_buffer_add_text(text, ", ");
            dashboard_add_seconds(text, lag > 0 ? seconds : 0);
        }
    }
    if (isnan(lag) && model->now.texts[DASHBOARD_CAPTURE][0] != '\0')
        rh_buffer_add_text(text, "no engine reads the log");
    write_series(pen, "Lag", style, text, &model->series[DASHBOARD_LAG_SERIES], DASHBOARD_LINE_B);
}

static void write_position(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    double position = dashboard_value(model, DASHBOARD_POSITION),
           newest = dashboard_value(model, DASHBOARD_LOG_POSITION);
    if (!isnan(position)) {
        dashboard_add_count(text, position);
        rh_buffer_add_text(text, " of ");
    }
    dashboard_add_count(text, newest);
    write_line(pen, "Position", DASHBOARD_PLAIN, text);
}

static void write_cycles(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    if (is_known(model, DASHBOARD_CYCLES)) {
        add_rate(text, dashboard_rate(model, DASHBOARD_CYCLES));
        double p99 = dashboard_latency(model, DASHBOARD_CYCLE_TIME, 0.99);
        rh_buffer_add_text(text, isnan(p99) ? ", last " : ", p99 ");
        dashboard_add_seconds(text, isnan(p99) ? dashboard_value(model, DASHBOARD_LAST_CYCLE_SECONDS) : p99);
    }
    write_series(pen, "Cycles", DASHBOARD_PLAIN, text, &model->series[DASHBOARD_CYCLE_SERIES], DASHBOARD_LINE_B);
}

static void write_log(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    bool over = model->now.texts[DASHBOARD_LOG_MESSAGE][0] != '\0';
    add_number(text, dashboard_value(model, DASHBOARD_LOG_ROWS), "row");
    rh_buffer_add_text(text, ", ");
    dashboard_add_bytes(text, dashboard_value(model, DASHBOARD_LOG_BYTES));
    if (dashboard_value(model, DASHBOARD_LOG_SECONDS) > 0) {
        rh_buffer_add_text(text, ", ");
        dashboard_add_seconds(text, dashboard_value(model, DASHBOARD_LOG_SECONDS));
        rh_buffer_add_text(text, " old");
    }
    write_line(pen, "Log", over ? DASHBOARD_WARNING : DASHBOARD_PLAIN, text);
}

void dashboard_draw_sync(const struct dashboard_model *model, struct dashboard_pen pen)
{
    struct rh_buffer text = {0};
    write_lag(model, &pen, &text);
    write_position(model, &pen, &text);
    bool applies = is_known(model, DASHBOARD_EVENTS);
    if (applies) {
        add_rate(&text, dashboard_rate(model, DASHBOARD_EVENTS));
        rh_buffer_add_text(&text, ", ");
        dashboard_add_count(&text, dashboard_value(model, DASHBOARD_EVENTS));
        write_series(&pen, "Events", DASHBOARD_STRONG, &text, &model->series[DASHBOARD_CHANGE_SERIES],
                     DASHBOARD_LINE_A);
        rh_buffer_add_char(&text, '+');
        dashboard_add_short(&text, dashboard_value(model, DASHBOARD_INSERTED));
        rh_buffer_add_text(&text, " ~");
        dashboard_add_short(&text, dashboard_value(model, DASHBOARD_UPDATED));
        rh_buffer_add_text(&text, pen.canvas->utf8 ? " −" : " -");
        dashboard_add_short(&text, dashboard_value(model, DASHBOARD_DELETED));
        rh_buffer_add_text(&text, ", pruned ");
        dashboard_add_short(&text, dashboard_value(model, DASHBOARD_PRUNED));
        write_line(&pen, "Applied", DASHBOARD_PLAIN, &text);
        write_cycles(model, &pen, &text);
    }
    write_log(model, &pen, &text);
    if (model->now.texts[DASHBOARD_LAST_ERROR][0] != '\0') {
        rh_buffer_add_text(&text, model->now.texts[DASHBOARD_LAST_ERROR]);
        write_line(&pen, "Error", DASHBOARD_ERROR, &text);
    }
    if (applies) {
        dashboard_add_count(&text, dashboard_value(model, DASHBOARD_CYCLES));
        rh_buffer_add_text(&text, " cycles, ");
        dashboard_add_count(&text, dashboard_value(model, DASHBOARD_FAILURES));
        rh_buffer_add_text(&text, " failed");
        write_line(&pen, "All", DASHBOARD_PLAIN, &text);
    }
    rh_buffer_free(&text);
}

/* ---- Queries ------------------------------------------------------------------------------------------------------ */

/* A look at a file, which doesn't tell what the process that works on it counts: once, with what to start. */
static void write_elsewhere(struct dashboard_pen *pen, struct rh_buffer *text)
{
    static const char *const lines[] = {"known to its process alone:", "start rh serve --db FILE to",
                                        "see queries, rates and", "memory here"};
    for (size_t at = 0; at < sizeof lines / sizeof *lines; at++) {
        rh_buffer_add_text(text, lines[at]);
        write_line(pen, at == 0 ? "Queries" : "", DASHBOARD_DIM, text);
    }
}

static void write_latency(const struct dashboard_model *model, struct dashboard_pen *pen, const char *label,
                          double share, enum dashboard_series_of series)
{
    struct rh_buffer text = {0};
    dashboard_add_seconds(&text, dashboard_latency(model, DASHBOARD_QUERY_TIME, share));
    write_series(pen, label, DASHBOARD_STRONG, &text, &model->series[series], DASHBOARD_LINE_C);
    rh_buffer_free(&text);
}

static void write_routes(const struct dashboard_model *model, struct dashboard_pen *pen, struct rh_buffer *text)
{
    double oltp = dashboard_value(model, DASHBOARD_ROUTED_OLTP), olap = dashboard_value(model, DASHBOARD_ROUTED_OLAP);
    rh_buffer_add_text(text, "oltp ");
    dashboard_add_count(text, oltp);
    rh_buffer_add_text(text, ", olap ");
    dashboard_add_count(text, olap);
    if (oltp + olap > 0)
        rh_buffer_format(text, " (%.0f %%)", 100 * olap / (oltp + olap));
    write_line(pen, "Routes", DASHBOARD_PLAIN, text);
}

void dashboard_draw_queries(const struct dashboard_model *model, struct dashboard_pen pen)
{
    struct rh_buffer text = {0};
    if (!is_known(model, DASHBOARD_QUERIES)) {
        write_elsewhere(&pen, &text);
        rh_buffer_free(&text);
        return;
    }
    add_rate(&text, dashboard_rate(model, DASHBOARD_QUERIES));
    write_series(&pen, "Queries", DASHBOARD_STRONG, &text, &model->series[DASHBOARD_QUERY_SERIES], DASHBOARD_LINE_A);
    write_latency(model, &pen, "p50", 0.5, DASHBOARD_P50_SERIES);
    write_latency(model, &pen, "p99", 0.99, DASHBOARD_P99_SERIES);
    write_routes(model, &pen, &text);
    double errors = dashboard_value(model, DASHBOARD_ERRORS);
    dashboard_add_count(&text, errors);
    rh_buffer_add_text(&text, " failed, ");
    dashboard_add_count(&text, dashboard_value(model, DASHBOARD_CANCELLED));
    rh_buffer_add_text(&text, " cancelled");
    write_line(&pen, "Calls", errors > 0 ? DASHBOARD_WARNING : DASHBOARD_PLAIN, &text);
    dashboard_add_count(&text, dashboard_value(model, DASHBOARD_FALLBACKS));
    rh_buffer_add_text(&text, " went on in SQLite");
    write_line(&pen, "Fallback", DASHBOARD_PLAIN, &text);
    dashboard_add_count(&text, dashboard_value(model, DASHBOARD_QUERIES));
    write_line(&pen, "All", DASHBOARD_PLAIN, &text);
    rh_buffer_free(&text);
}
