/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_progress.h"

#include "rh_text.h"
#include "rh_units.h"

/* The one that is on the terminal: an error must not be written into its line. */
static struct rh_progress *shown;

void rh_progress_clear(void)
{
    if (shown != NULL)
        rh_progress_end(shown);
}

enum { BAR_WIDTH = 24, INTERVAL_US = 100000 };

void rh_progress_start(struct rh_progress *progress, FILE *file, struct rh_terminal terminal, const char *label,
                       uint64_t total, int64_t now_us)
{
    *progress = (struct rh_progress){.file = file,
                                     .terminal = terminal,
                                     .label = label,
                                     .total = total,
                                     .started_us = now_us,
                                     .shown_us = now_us - INTERVAL_US};
}

static void add_bar(struct rh_buffer *line, double share, bool utf8)
{
    int full = (int)(share * BAR_WIDTH);
    rh_buffer_add_text(line, utf8 ? "▕" : "[");
    for (int at = 0; at < BAR_WIDTH; at++)
        rh_buffer_add_text(line, at < full ? (utf8 ? "█" : "#") : utf8 ? "·" : "-");
    rh_buffer_add_text(line, utf8 ? "▏" : "]");
    rh_buffer_format(line, " %3d %%  ", (int)(share * 100));
}

void rh_progress_line(struct rh_buffer *line, const struct rh_progress *progress, uint64_t done, uint64_t rows,
                      int64_t now_us)
{
    double seconds = (double)(now_us - progress->started_us) / 1e6;
    double share = progress->total > 0 ? (double)done / (double)progress->total : 0;
    share = share > 1 ? 1 : share;
    rh_buffer_format(line, "%s ", progress->label);
    if (progress->total > 0)
        add_bar(line, share, progress->terminal.utf8);
    rh_add_count(line, rows);
    rh_buffer_add_text(line, " rows");
    if (seconds <= 0)
        return;
    rh_buffer_add_text(line, ", ");
    rh_add_count(line, (uint64_t)((double)rows / seconds));
    rh_buffer_add_text(line, " rows/s");
    if (share > 0) {
        rh_buffer_add_text(line, ", ");
        rh_add_duration(line, (int64_t)(seconds * 10 / share * (1 - share)) * 100000);
        rh_buffer_add_text(line, " left");
    }
}

void rh_progress_update(struct rh_progress *progress, uint64_t done, uint64_t rows, int64_t now_us)
{
    struct rh_buffer line = {0};
    if (!progress->terminal.present || now_us - progress->shown_us < INTERVAL_US)
        return;
    progress->shown_us = now_us;
    progress->visible = true;
    shown = progress;
    rh_progress_line(&line, progress, done, rows, now_us);
    /* a line that wraps could not be taken away again */
    size_t width = progress->terminal.width > 1 ? progress->terminal.width - 1 : line.length;
    fprintf(progress->file, "\r%.*s\033[K", (int)rh_text_cut(line.bytes, line.length, width), line.bytes);
    fflush(progress->file);
    rh_buffer_free(&line);
}

void rh_progress_end(struct rh_progress *progress)
{
    if (progress->visible)
        fputs("\r\033[K", progress->file);
    fflush(progress->file);
    progress->visible = false;
    if (shown == progress)
        shown = NULL;
}
