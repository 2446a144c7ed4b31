/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's calls don't come back meanwhile, so a thread of its own writes the line. `lock` is held whenever the terminal is
 * written to by it or the line is taken away.
 */
#include "rh_waiting.h"

#include "rh_text.h"
#include "rh_units.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_US = 1000000, INTERVAL_US = 100000, STILL_US = 2000000 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    pthread_t thread;
    bool running; /* the main thread's */
    bool over, visible;
    struct rh_terminal terminal;
    const char *label;
    int64_t started_us;
    atomic_uint_fast64_t rows;
    bool told;
    struct rhei_progress progress; /* its texts are the two below, its time is that of the step */
    char doing[64], table[64];
    int64_t step_us;  /* when this step began, since the call did */
    double fraction;  /* the last one told, */
    int64_t moved_us; /* and when it was told first */
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Steps of SQLite's machine say nothing to people, and who is at work is known from the label; what is waited for isn't. */
static bool is_telling(const struct rhei_progress *told)
{
    return told != NULL && (told->fraction >= 0 || strncmp(told->doing, "waiting", 7) == 0 ||
                            strcmp(told->unit, "rows") == 0 || strcmp(told->unit, "changes") == 0);
}

/* If it goes on as it did. A step that just began says nothing of that. */
static void add_left(struct rh_buffer *line, const struct rhei_progress *told, const char *between)
{
    if (told->elapsed_us < PATIENCE_US || told->fraction < 0.01 || told->fraction >= 1)
        return;
    double left = (double)told->elapsed_us * (1 - told->fraction) / told->fraction / 1e6;
    if (left < 120)
        rh_buffer_format(line, "%s%.0f s left", between, left);
    else
        rh_buffer_format(line, "%s%.0f min left", between, left / 60);
}

static void add_told(struct rh_buffer *line, const struct rhei_progress *told, const char *between)
{
    if (told->fraction >= 0) {
        rh_buffer_format(line, "%s%d %%", between, (int)(told->fraction * 100));
        add_left(line, told, between);
    } else if (told->done > 0 && strcmp(told->unit, "steps") != 0) {
        rh_buffer_add_text(line, between);
        rh_add_count(line, (uint64_t)told->done);
        rh_buffer_format(line, " %s", told->unit);
    }
}

void rh_waiting_line(struct rh_buffer *line, struct rh_terminal terminal, const char *label,
                     const struct rhei_progress *told, int64_t elapsed_us, uint64_t rows, unsigned frame)
{
    static const char *const dots[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
    static const char *const plain[] = {"|", "/", "-", "\\"};
    const char *between = terminal.utf8 ? " · " : ", ";
    bool telling = is_telling(told);
    rh_buffer_format(line, "%s %s", terminal.utf8 ? dots[frame % 10] : plain[frame % 4], telling ? told->doing : label);
    if (telling && told->table[0] != '\0') {
        rh_buffer_add_text(line, between);
        rh_add_visible(line, told->table, strlen(told->table));
    }
    if (telling)
        add_told(line, told, between);
    rh_buffer_format(line, "%s%lld.%lld s", between, (long long)(elapsed_us / 1000000),
                     (long long)(elapsed_us / 100000 % 10));
    if (rows > 0) {
        rh_buffer_add_text(line, between);
        rh_add_count(line, rows);
        rh_buffer_add_text(line, rows == 1 ? " row" : " rows");
    }
    rh_buffer_format(line, "%sCtrl-C cancels", between);
}

int rh_waiting_told(void *unused, const struct rhei_progress *progress)
{
    (void)unused;
    char doing[sizeof waiting.doing], table[sizeof waiting.table];
    pthread_mutex_lock(&waiting.lock);
    snprintf(doing, sizeof doing, "%s", progress->doing);
    snprintf(table, sizeof table, "%.*s", (int)rh_text_cut(progress->table, strlen(progress->table), 40),
             progress->table);
    bool goes_on = waiting.told && strcmp(doing, waiting.doing) == 0 && strcmp(table, waiting.table) == 0 &&
                   progress->elapsed_us >= waiting.step_us;
    waiting.step_us = goes_on ? waiting.step_us : progress->elapsed_us;
    if (!goes_on || progress->fraction < waiting.fraction || progress->fraction > waiting.fraction) {
        waiting.fraction = progress->fraction;
        waiting.moved_us = progress->elapsed_us;
    }
    waiting.progress = *progress;
    waiting.progress.elapsed_us = progress->elapsed_us - waiting.step_us;
    if (progress->elapsed_us - waiting.moved_us > STILL_US)
        waiting.progress.fraction =
            -1; /* what stands still says nothing of what is left: a join that has read its tables */
    memcpy(waiting.doing, doing, sizeof doing);
    memcpy(waiting.table, table, sizeof table);
    waiting.progress.doing = waiting.doing;
    waiting.progress.table = waiting.table;
    waiting.told = true;
    pthread_mutex_unlock(&waiting.lock);
    return 0;
}

static void show(unsigned frame)
{
    struct rh_buffer line = {0};
    rh_waiting_line(&line, waiting.terminal, waiting.label, waiting.told ? &waiting.progress : NULL,
                    rh_now_us() - waiting.started_us, atomic_load(&waiting.rows), frame);
    /* a line that wraps could not be taken away again */
    size_t width = waiting.terminal.width > 1 ? waiting.terminal.width - 1 : line.length;
    fprintf(stderr, "\r%.*s\033[K", (int)rh_text_cut(line.bytes, line.length, width), line.bytes);
    fflush(stderr);
    waiting.visible = true;
    rh_buffer_free(&line);
}

static void hide(void)
{
    if (waiting.visible)
        fputs("\r\033[K", stderr);
    waiting.visible = false;
    fflush(stderr);
}

static void add_us(struct timespec *at, int64_t us)
{
    at->tv_nsec += (long)(us % 1000000) * 1000;
    at->tv_sec += (time_t)(us / 1000000) + at->tv_nsec / 1000000000;
    at->tv_nsec %= 1000000000;
}

static void *work(void *unused)
{
    struct timespec next;
    (void)unused;
    clock_gettime(CLOCK_MONOTONIC, &next);
    add_us(&next, PATIENCE_US);
    pthread_mutex_lock(&waiting.lock);
    for (unsigned frame = 0; !waiting.over;) {
        if (pthread_cond_timedwait(&waiting.ended, &waiting.lock, &next) == 0)
            continue;
        if (!waiting.over)
            show(frame++);
        clock_gettime(CLOCK_MONOTONIC, &next);
        add_us(&next, INTERVAL_US);
    }
    pthread_mutex_unlock(&waiting.lock);
    return NULL;
}

/* What goes into a file may be waited for; what a pager or another program shows is theirs. */
static bool may_show(struct rh_terminal out, struct rh_terminal err)
{
    struct stat about;
    bool to_file = fstat(STDOUT_FILENO, &about) == 0 && S_ISREG(about.st_mode);
    return err.present && (out.present || to_file);
}

void rh_waiting_start(struct rh_terminal out, struct rh_terminal err, const char *label)
{
    if (waiting.running || !may_show(out, err))
        return;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&waiting.ended, &clock);
    pthread_condattr_destroy(&clock);
    waiting.terminal = err;
    waiting.label = label;
    waiting.started_us = rh_now_us();
    waiting.over = false;
    waiting.told = false;
    atomic_store(&waiting.rows, 0);
    waiting.running = pthread_create(&waiting.thread, NULL, work, NULL) == 0;
}

void rh_waiting_rows(uint64_t rows)
{
    atomic_store(&waiting.rows, rows);
}

void rh_waiting_clear(void)
{
    pthread_mutex_lock(&waiting.lock);
    hide();
    pthread_mutex_unlock(&waiting.lock);
}

void rh_waiting_stop(void)
{
    if (!waiting.running)
        return;
    pthread_mutex_lock(&waiting.lock);
    waiting.over = true;
    pthread_cond_signal(&waiting.ended);
    pthread_mutex_unlock(&waiting.lock);
    pthread_join(waiting.thread, NULL);
    pthread_cond_destroy(&waiting.ended);
    waiting.running = false;
    rh_waiting_clear();
}
