/* SPDX-License-Identifier: Apache-2.0 */
/* A result drawn, and a statement asked again and again. */
#include "rh_interrupt.h"
#include "rh_number.h"
#include "rh_plot.h"
#include "rh_repl.h"
#include "rh_waiting.h"
#include "rh_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PLOT_ROWS = 100000, BAR_ROWS = 200, PLOT_HEIGHT = 15 };

/* The statement that a command is about: what follows it, or the last one; NULL: there is none yet. The caller frees it. */
static char *statement_of(const struct rh_repl *repl, const char *rest)
{
    return *rest != '\0'              ? rh_copy_text(rest, strlen(rest))
           : repl->last.bytes != NULL ? rh_copy_text(repl->last.bytes, repl->last.length)
                                      : NULL;
}

struct points {
    char **labels;
    double *values;
    size_t count, capacity;
    bool more; /* than are drawn */
};

static double number_of(rhei_rows *rows, uint32_t column)
{
    const struct rhei_value value = rhei_rows_value(rows, column);
    return value.type == RHEI_INTEGER ? (double)value.as.integer : value.type == RHEI_REAL ? value.as.real : NAN;
}

static void add_point(struct points *points, rhei_rows *rows, double value)
{
    struct rh_buffer text = {0};
    const struct rhei_value shown = rhei_rows_value(rows, 0);
    rh_add_value_text(&text, &shown, "NULL");
    rh_buffer_add(&text, "", 0);
    if (points->count == points->capacity) {
        points->capacity = points->capacity == 0 ? 64 : points->capacity * 2;
        points->labels = rh_reallocate(points->labels, points->capacity * sizeof *points->labels);
        points->values = rh_reallocate(points->values, points->capacity * sizeof *points->values);
    }
    points->labels[points->count] = text.bytes;
    points->values[points->count++] = value;
}

/* The last column of this row that has a number; UINT32_MAX: none has. */
static uint32_t number_column(rhei_rows *rows)
{
    for (uint32_t at = rhei_rows_column_count(rows); at > 0; at--) {
        uint8_t type = rhei_rows_value(rows, at - 1).type;
        if (type == RHEI_INTEGER || type == RHEI_REAL)
            return at - 1;
    }
    return UINT32_MAX;
}

/* The first column names the points; drawn is the last column of numbers in the first row that has any. NULL: there are none. */
static rhei_status gather(rhei_rows *rows, struct points *points, const char **name, struct rhei_error *error)
{
    uint32_t drawn = UINT32_MAX;
    rhei_status status = rhei_rows_next(rows, error);
    for (; status == RHEI_ROW && points->count < PLOT_ROWS; status = rhei_rows_next(rows, error)) {
        drawn = drawn == UINT32_MAX ? number_column(rows) : drawn;
        add_point(points, rows, drawn == UINT32_MAX ? NAN : number_of(rows, drawn));
    }
    points->more = status == RHEI_ROW;
    *name = drawn == UINT32_MAX ? NULL : rhei_rows_column_name(rows, drawn);
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

static void draw(const struct rh_repl *repl, const struct points *points, const char *name, bool line)
{
    const struct rh_terminal *out = &repl->tool->out;
    struct rh_buffer picture = {0};
    size_t bars = points->count < BAR_ROWS ? points->count : BAR_ROWS;
    const struct rh_plot plot = {.labels = (const char *const *)points->labels,
                                 .values = points->values,
                                 .count = line ? points->count : bars,
                                 .width = out->present ? out->width - 1 : 79,
                                 .height = PLOT_HEIGHT,
                                 .utf8 = out->utf8};
    (line ? rh_plot_line : rh_plot_bars)(&picture, &plot);
    printf("%s%s%s\n%s", rh_style(out, RH_BOLD), name, rh_style(out, RH_PLAIN), picture.bytes);
    if (points->more || plot.count < points->count)
        printf("%sThe first %zu rows are drawn; there are more.%s\n", rh_style(out, RH_DIM), plot.count,
               rh_style(out, RH_PLAIN));
    rh_buffer_free(&picture);
}

static int plot_statement(struct rh_repl *repl, const char *sql, bool line)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct points points = {0};
    rhei_rows *rows = NULL;
    const char *name = "";
    int code = RH_EXIT_OK;
    rh_repl_begin_work(repl);
    rhei_status status = rh_repl_ask(repl, sql, &rows, &error);
    if (status == RHEI_OK)
        status = gather(rows, &points, &name, &error);
    rh_repl_end_work(repl);
    if (status != RHEI_OK) {
        rh_tell_error(repl->tool, &error);
        code = RH_EXIT_ERROR;
    } else if (points.count == 0) {
        puts("There are no rows to be drawn.");
    } else if (name == NULL) {
        code = rh_tell(repl->tool, "no column of the result has a number: there is nothing to draw");
    } else {
        draw(repl, &points, name, line);
    }
    for (size_t at = 0; at < points.count; at++)
        free(points.labels[at]);
    free(points.labels);
    free(points.values);
    rhei_rows_close(&rows);
    return code;
}

RH_REPL_COMMAND(plot)
{
    (void)count, (void)words;
    size_t word = strcspn(rest, " \t");
    bool line = word == 4 && strncmp(rest, "line", 4) == 0, bars = word == 4 && strncmp(rest, "bars", 4) == 0;
    char *sql = statement_of(repl, line || bars ? rest + word + strspn(rest + word, " \t") : rest);
    if (sql == NULL)
        return rh_repl_misused(repl, command, "has no statement yet");
    int code = plot_statement(repl, sql, line);
    free(sql);
    return code;
}

/* Waits for a while, or until Ctrl-C. True: the while is over. */
static bool rest_for(int64_t us)
{
    const struct timespec step = {.tv_nsec = 20000000};
    for (int64_t until = rh_now_us() + us; rh_now_us() < until && !rh_interrupted();)
        nanosleep(&step, NULL);
    return !rh_interrupted();
}

static void begin_round(const struct rh_repl *repl, double seconds)
{
    const struct rh_terminal *out = &repl->tool->out;
    char clock[16] = "";
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) != NULL)
        strftime(clock, sizeof clock, "%H:%M:%S", &local);
    if (repl->interactive && !repl->terminal.plain)
        fputs("\033[H\033[2J", stdout);
    printf("%severy %g s%s%s%sCtrl-C ends%s\n", rh_style(out, RH_DIM), seconds, out->utf8 ? " · " : ", ", clock,
           out->utf8 ? " · " : ", ", rh_style(out, RH_PLAIN));
}

RH_REPL_COMMAND(watch)
{
    double seconds;
    (void)count, (void)words;
    size_t word = strcspn(rest, " \t");
    bool number = rh_parse_real(rest, word, &seconds);
    int64_t whole;
    if (!number && rh_parse_integer(rest, word, &whole)) {
        seconds = (double)whole;
        number = true;
    }
    if (!number || seconds < 0.1 || seconds > 86400)
        return rh_repl_misused(repl, command, "takes seconds, from 0.1 to 86400");
    if (!repl->interactive)
        return rh_tell(repl->tool, ".watch goes on until Ctrl-C: it is for a terminal");
    char *sql = statement_of(repl, rest + word + strspn(rest + word, " \t"));
    if (sql == NULL)
        return rh_repl_misused(repl, command, "has no statement yet");
    bool pager = repl->pager;
    int code = RH_EXIT_OK;
    repl->pager = false;
    do {
        begin_round(repl, seconds);
        code = rh_repl_run_sql(repl, sql, "");
        (void)fflush(stdout);
    } while (code == RH_EXIT_OK && rest_for((int64_t)(seconds * 1e6)));
    repl->pager = pager;
    if (code == RH_EXIT_OK)
        putchar('\n'); /* behind the ^C */
    free(sql);
    return code;
}
