/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rh dashboard: one thread draws and reads keys, another has the samples, so that keys answer whatever the database or a service does. What goes
 * between them is in `struct handover`, under its lock; the thread that draws alone has model, view and canvas.
 */
#include "rh_dashboard.h"

#include "dashboard_screen.h"
#include "rh_advice.h"
#include "rh_interrupt.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { REFRESH_MS = 1000, LOOK_MS = 200 };

struct handover {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* the thread that has the samples */
    bool wants_sample, wants_sync, over;
    bool has_sample, busy;
    struct dashboard_sample sample;
    char trouble[DASHBOARD_LINE];
    struct dashboard_journal news;
};

struct dashboard {
    struct rh_tool *tool;
    struct rh_demo *demo;
    struct rh_attached *service; /* NULL: there is none to be asked */
    bool attached;
    bool looked; /* at the file, before */
    struct handover handover;
    int event, stop; /* something was handed over; the end */
    pthread_t sampler;
    struct dashboard_model model;
    struct dashboard_view view;
    struct dashboard_canvas canvas;
};

static void signal_event(int event)
{
    (void)!write(event, &(uint64_t){1}, sizeof(uint64_t));
}

/* ---- Samples ------------------------------------------------------------------------------------------------------ */

static void add_news(struct dashboard *dashboard, enum dashboard_weight weight, const char *what, const char *text)
{
    struct handover *handover = &dashboard->handover;
    pthread_mutex_lock(&handover->lock);
    dashboard_journal_add(&handover->news, weight, "%s%s", what, text);
    pthread_mutex_unlock(&handover->lock);
    signal_event(dashboard->event);
}

/* Lines of the engine in this process. */
static void take_log(void *context, int level, const char *room, const char *message)
{
    struct rh_buffer text = {0};
    rh_buffer_format(&text, "%s: ", room);
    rh_add_in_our_words(&text, message);
    add_news(context,
             level <= RHEI_LOG_ERROR  ? DASHBOARD_BAD
             : level == RHEI_LOG_WARN ? DASHBOARD_ODD
                                      : DASHBOARD_USUAL,
             "", text.bytes);
    rh_buffer_free(&text);
}

/* A service that begins is asked from then on, and the file again when it ends. */
static bool take_of_opened(struct dashboard *dashboard, struct dashboard_sample *sample, struct dashboard_journal *news,
                           struct rhei_error *error)
{
    if (rh_attached_is_there(dashboard->service)) {
        if (rh_attached_take(dashboard->service, sample, news, error)) {
            if (!dashboard->attached && dashboard->looked) /* from the beginning it is told as what this is */
                add_news(dashboard, DASHBOARD_GOOD, "attached to ", sample->texts[DASHBOARD_SEEN_BY]);
            dashboard->attached = true;
            return true;
        }
        if (rh_attached_is_there(dashboard->service))
            return false; /* it is there, and tells what is wrong */
        dashboard_sample_reset(sample);
        dashboard_sample_init(sample, rh_now_us());
    }
    if (dashboard->attached)
        add_news(dashboard, DASHBOARD_ODD, "", "the service ended: this is a look at its file");
    dashboard->attached = false;
    dashboard->looked = true;
    return rh_dashboard_look(dashboard->tool, sample, error);
}

/* Who opened the path anew would find another file, or none yet: so do we. */
static bool open_again(struct dashboard *dashboard, struct rhei_error *error)
{
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    if (!rh_tool_look_again(dashboard->tool, error))
        return false;
    add_news(dashboard, DASHBOARD_ODD, "", "the file was replaced: this is the new one");
    return true;
}

static bool take_of_file(struct dashboard *dashboard, struct dashboard_sample *sample, struct dashboard_journal *news,
                         struct rhei_error *error)
{
    if (dashboard->tool->db == NULL && !open_again(dashboard, error))
        return false;
    if (take_of_opened(dashboard, sample, news, error))
        return true;
    if (error->code != RHEI_REPLACED || !open_again(dashboard, error))
        return false;
    dashboard_sample_reset(sample);
    dashboard_sample_init(sample, rh_now_us());
    return take_of_opened(dashboard, sample, news, error);
}

static bool take(struct dashboard *dashboard, struct dashboard_sample *sample, struct dashboard_journal *news,
                 struct rhei_error *error)
{
    if (dashboard->demo == NULL)
        return take_of_file(dashboard, sample, news, error);
    if (!rh_dashboard_own(dashboard->tool, sample, error))
        return false;
    rh_demo_take(dashboard->demo, sample);
    return true;
}

static void tell_error(struct dashboard *dashboard, const char *what, const struct rhei_error *error)
{
    struct rh_buffer words = {0};
    rh_add_in_our_words(&words, error->message);
    add_news(dashboard, DASHBOARD_BAD, what, words.bytes);
    rh_buffer_free(&words);
}

static void sync_now(struct dashboard *dashboard)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_sync_report report = {.struct_size = sizeof report};
    struct rh_buffer text = {0};
    bool good;
    if (dashboard->demo != NULL) {
        const struct rhei_call_options limits = rh_tool_limits(dashboard->tool);
        good = rhei_sync_now_with(dashboard->tool->db, &limits, &report, &error) == RHEI_OK;
        rh_add_count(&text, report.events);
        rh_buffer_add_text(&text, report.events == 1 ? " change in " : " changes in ");
        rh_add_duration(&text, report.duration_us);
    } else {
        good = rh_attached_sync(dashboard->service, &text, &error);
    }
    if (good)
        add_news(dashboard, DASHBOARD_GOOD, "in step now: ", text.bytes);
    else
        tell_error(dashboard, "no sync: ", &error);
    rh_buffer_free(&text);
}

static void hand_over_sample(struct dashboard *dashboard)
{
    struct handover *handover = &dashboard->handover;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct dashboard_sample sample;
    struct dashboard_journal *news = rh_allocate(sizeof *news);
    struct rh_buffer words = {0};
    *news = (struct dashboard_journal){0};
    dashboard_sample_init(&sample, rh_now_us());
    bool good = take(dashboard, &sample, news, &error);
    rh_add_in_our_words(&words, good ? "" : error.message);
    pthread_mutex_lock(&handover->lock);
    dashboard_journal_move(news, &handover->news);
    dashboard_sample_reset(good ? &handover->sample : &sample);
    if (good)
        handover->sample = sample;
    handover->has_sample = handover->has_sample || good;
    (void)snprintf(handover->trouble, sizeof handover->trouble, "%s", words.length > 0 ? words.bytes : "");
    handover->busy = false;
    pthread_mutex_unlock(&handover->lock);
    signal_event(dashboard->event);
    rh_buffer_free(&words);
    free(news);
}

static void *have_samples(void *context)
{
    struct dashboard *dashboard = context;
    struct handover *handover = &dashboard->handover;
    pthread_mutex_lock(&handover->lock);
    while (!handover->over) {
        bool sync = handover->wants_sync, sample = handover->wants_sample;
        if (!sync && !sample) {
            pthread_cond_wait(&handover->wake, &handover->lock);
            continue;
        }
        handover->wants_sync = handover->wants_sample = false;
        pthread_mutex_unlock(&handover->lock);
        if (sync)
            sync_now(dashboard);
        hand_over_sample(dashboard);
        pthread_mutex_lock(&handover->lock);
    }
    pthread_mutex_unlock(&handover->lock);
    return NULL;
}

/* Nothing more is asked for while the last isn't there: a service that hangs is asked once. */
static void want(struct dashboard *dashboard, bool sync)
{
    struct handover *handover = &dashboard->handover;
    pthread_mutex_lock(&handover->lock);
    handover->wants_sync = handover->wants_sync || sync;
    handover->wants_sample = handover->wants_sample || !handover->busy;
    handover->busy = true;
    pthread_cond_signal(&handover->wake);
    pthread_mutex_unlock(&handover->lock);
}

static void stop_sampler(struct dashboard *dashboard)
{
    pthread_mutex_lock(&dashboard->handover.lock);
    dashboard->handover.over = true;
    pthread_cond_signal(&dashboard->handover.wake);
    pthread_mutex_unlock(&dashboard->handover.lock);
    signal_event(dashboard->stop);
    rhei_cancel_raise(dashboard->tool->cancel);
    pthread_join(dashboard->sampler, NULL);
}

/* ---- The screen --------------------------------------------------------------------------------------------------- */

static void take_handed_over(struct dashboard *dashboard)
{
    struct handover *handover = &dashboard->handover;
    uint64_t count;
    (void)!read(dashboard->event, &count, sizeof count);
    pthread_mutex_lock(&handover->lock);
    dashboard_journal_move(&handover->news, &dashboard->model.journal);
    if (handover->has_sample) {
        dashboard_model_take(&dashboard->model, &handover->sample);
        dashboard_clock(time(NULL), dashboard->view.clock);
    }
    if (handover->trouble[0] != '\0')
        dashboard_model_trouble(&dashboard->model, handover->trouble);
    handover->has_sample = false;
    handover->trouble[0] = '\0';
    pthread_mutex_unlock(&handover->lock);
}

static void draw(struct dashboard *dashboard)
{
    int width, height;
    dashboard_screen_size(&width, &height);
    dashboard_canvas_clear(&dashboard->canvas, width, height);
    dashboard_view_draw(&dashboard->view, &dashboard->model, &dashboard->canvas);
    dashboard_screen_draw(&dashboard->canvas);
}

/* False: it is to end. */
static bool take_keys(struct dashboard *dashboard)
{
    for (enum dashboard_key key; (key = dashboard_screen_key()) != DASHBOARD_KEY_NONE;) {
        switch (dashboard_view_key(&dashboard->view, &dashboard->model, key)) {
        case DASHBOARD_QUIT:
            return false;
        case DASHBOARD_SYNC:
            want(dashboard, true);
            break;
        case DASHBOARD_NOTHING:
            break;
        }
        if (key == DASHBOARD_KEY_STOP)
            dashboard_screen_stop();
    }
    return true;
}

/* SIGWINCH and SIGCONT only have all drawn anew; a terminal that went away ends it. */
static bool take_signals(int signals)
{
    struct signalfd_siginfo about;
    bool goes_on = true;
    while (read(signals, &about, sizeof about) == (ssize_t)sizeof about) {
        goes_on = goes_on && about.ssi_signo != SIGHUP;
        if (about.ssi_signo == SIGCONT)
            dashboard_screen_again();
    }
    return goes_on;
}

static void watch(struct dashboard *dashboard, int signals)
{
    int64_t next_us = rh_now_us(), period_us = dashboard->view.refresh_ms * 1000;
    bool goes_on = true;
    while (goes_on && !rh_interrupted()) {
        int64_t now_us = rh_now_us();
        if (now_us >= next_us) {
            if (!dashboard->view.paused)
                want(dashboard, false);
            next_us = next_us + period_us > now_us ? next_us + period_us : now_us + period_us;
        }
        struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = signals, .events = POLLIN},
                               {.fd = dashboard->event, .events = POLLIN}};
        int64_t left_ms = (next_us - now_us + 999) / 1000;
        if (poll(fds, 3, (int)(left_ms < LOOK_MS ? left_ms : LOOK_MS)) <= 0)
            continue;
        if (fds[2].revents != 0)
            take_handed_over(dashboard);
        goes_on = (fds[1].revents == 0 || take_signals(signals)) && (fds[0].revents == 0 || take_keys(dashboard)) &&
                  (fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
        if (goes_on)
            draw(dashboard);
    }
}

/* ---- The command -------------------------------------------------------------------------------------------------- */

static bool open_database(struct dashboard *dashboard)
{
    struct rh_tool *tool = dashboard->tool;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (!tool->args->demo)
        return rh_tool_open(tool, RH_OPEN_LOOK);
    dashboard->demo = rh_demo_start(tool, &error);
    if (dashboard->demo == NULL) {
        rh_tell_error(tool, &error);
        return false;
    }
    return true;
}

static void close_database(struct dashboard *dashboard)
{
    rh_attached_free(&dashboard->service);
    if (dashboard->demo != NULL)
        rh_demo_end(dashboard->tool, &dashboard->demo);
    else
        rh_tool_close(dashboard->tool);
}

static int show(struct dashboard *dashboard, int signals)
{
    rh_interrupt_restores(dashboard_screen_close);
    if (!dashboard_screen_open(dashboard->tool->out.colours))
        return rh_tell(dashboard->tool, "the terminal can't be drawn on");
    rh_interrupt_rest(true); /* a signal is a usual end */
    if (pthread_create(&dashboard->sampler, NULL, have_samples, dashboard) == 0) {
        watch(dashboard, signals);
        rh_interrupt_done();
        dashboard_screen_close();
        stop_sampler(dashboard);
    }
    dashboard_screen_close();
    rh_interrupt_restores(NULL);
    return RH_EXIT_OK;
}

static void release(struct dashboard *dashboard)
{
    dashboard_model_free(&dashboard->model);
    dashboard_canvas_free(&dashboard->canvas);
    dashboard_sample_reset(&dashboard->handover.sample);
    dashboard_journal_free(&dashboard->handover.news);
    close(dashboard->event);
    close(dashboard->stop);
    free(dashboard);
}

static bool has_terminal(const struct rh_tool *tool)
{
    char why[200];
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        (void)rh_tell(tool,
                      "rh dashboard draws on a terminal, and its standard %s is none: rh status tells the same once",
                      isatty(STDIN_FILENO) ? "output" : "input");
    else if (!dashboard_screen_can(why, sizeof why))
        (void)rh_tell(tool, "rh dashboard draws on the whole terminal, and this one %s: rh status tells the same once",
                      why);
    else
        return true;
    return false;
}

int rh_dashboard_command(struct rh_tool *tool)
{
    sigset_t set;
    int code = RH_EXIT_ERROR;
    if (!has_terminal(tool))
        return RH_EXIT_USAGE;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGCONT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    struct dashboard *dashboard = rh_allocate(sizeof *dashboard);
    *dashboard = (struct dashboard){
        .tool = tool,
        .handover = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER},
        .event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
        .stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
        .view = {.focus = DASHBOARD_JOURNAL_LIST,
                 .refresh_ms = tool->args->refresh_ms > 0 ? tool->args->refresh_ms : REFRESH_MS},
        .canvas = {.utf8 = tool->out.utf8},
    };
    tool->log = take_log;
    tool->log_context = dashboard;
    if (open_database(dashboard)) {
        if (dashboard->demo == NULL)
            dashboard->service = rh_attached_new(tool, dashboard->stop);
        code = show(dashboard, signals);
        close_database(dashboard);
    }
    tool->log = NULL;
    release(dashboard);
    close(signals);
    return code;
}
