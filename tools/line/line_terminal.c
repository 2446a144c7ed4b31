/* SPDX-License-Identifier: Apache-2.0 */
#include "line_terminal.h"

#include "line_text.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { ESCAPE_MS = 50, LEAST_WIDTH = 10, TAKE = 1 << 16 };

static const char begin_paste[] = "\033[?2004h", end_paste[] = "\033[?2004l";

/* What the terminal was, for whoever ends the process meanwhile. */
static struct termios found_modes, raw_modes;
static int found_fd = -1, found_out = -1;
static atomic_bool is_raw;

/* What other threads have to say meanwhile, under the lock; the event wakes whoever waits for a key. */
static pthread_mutex_t note_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rh_buffer notes;
static int note_event = -1;

static void write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, bytes, length);
        if (done < 0 && errno != EINTR)
            return;
        bytes += done > 0 ? done : 0;
        length -= done > 0 ? (size_t)done : 0;
    }
}

static bool set_raw(const struct line_terminal *terminal)
{
    if (tcsetattr(terminal->in, TCSADRAIN, &raw_modes) != 0)
        return false;
    atomic_store(&is_raw, true);
    write_all(terminal->out, begin_paste, sizeof begin_paste - 1);
    return true;
}

static bool enter_raw(const struct line_terminal *terminal)
{
    if (tcgetattr(terminal->in, &found_modes) != 0)
        return false;
    raw_modes = found_modes;
    raw_modes.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | IXON | ISTRIP | BRKINT);
    raw_modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw_modes.c_cc[VMIN] = 1;
    raw_modes.c_cc[VTIME] = 0;
    found_fd = terminal->in;
    found_out = terminal->out;
    return set_raw(terminal);
}

void line_terminal_restore(void)
{
    if (!atomic_exchange(&is_raw, false))
        return;
    write_all(found_out, end_paste, sizeof end_paste - 1);
    (void)tcsetattr(found_fd, TCSADRAIN, &found_modes);
}

void line_terminal_open(struct line_terminal *terminal, int in, int out)
{
    const char *term = getenv("TERM");
    sigset_t set;
    *terminal = (struct line_terminal){.in = in, .out = out, .signals = -1};
    terminal->plain = term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGCONT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    terminal->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    note_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void line_terminal_size(const struct line_terminal *terminal, size_t *width, size_t *height)
{
    struct winsize size;
    bool known = ioctl(terminal->out, TIOCGWINSZ, &size) == 0;
    *width = known && size.ws_col > 0 ? size.ws_col : 80;
    *height = known && size.ws_row > 0 ? size.ws_row : 24;
}

static void draw(struct line_terminal *terminal, struct line_look *look, bool finish)
{
    struct rh_buffer out = {0};
    size_t width;
    line_terminal_size(terminal, &width, &look->height);
    if (width != look->width)
        line_screen_resized(&terminal->screen, width);
    look->width = width;
    if (finish)
        line_screen_finish(&terminal->screen, &terminal->editor, look, &out);
    else
        line_screen_draw(&terminal->screen, &terminal->editor, look, &out);
    write_all(terminal->out, out.bytes, out.length);
    rh_buffer_free(&out);
}

bool line_terminal_note(const char *text, size_t length)
{
    pthread_mutex_lock(&note_lock);
    bool taken = note_event >= 0 && atomic_load(&is_raw);
    if (taken) {
        rh_buffer_add(&notes, text, length);
        (void)!write(note_event, &(uint64_t){1}, sizeof(uint64_t));
    }
    pthread_mutex_unlock(&note_lock);
    return taken;
}

/* Where the text was; it is drawn anew below. */
static void show_notes(struct line_terminal *terminal)
{
    struct rh_buffer out = {0};
    uint64_t count;
    (void)!read(note_event, &count, sizeof count);
    pthread_mutex_lock(&note_lock);
    if (notes.length > 0) {
        line_screen_clear(&terminal->screen, &out);
        rh_buffer_add(&out, notes.bytes, notes.length);
        rh_buffer_clear(&notes);
    }
    pthread_mutex_unlock(&note_lock);
    write_all(terminal->out, out.bytes, out.length);
    rh_buffer_free(&out);
}

static void stop(struct line_terminal *terminal)
{
    line_terminal_restore();
    line_screen_forget(&terminal->screen);
    (void)kill(0, SIGTSTP); /* as the terminal would: the whole job */
    (void)set_raw(terminal);
}

/* Another size, or the program goes on after somebody stopped it: then the modes are another's. */
static void take_signals(const struct line_terminal *terminal)
{
    struct signalfd_siginfo info;
    while (read(terminal->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGCONT)
            (void)set_raw(terminal);
}

/* Bytes behind those that are there already; false: the terminal is gone. *quiet: none came in time. */
static bool take_bytes(struct line_terminal *terminal, bool *quiet)
{
    struct pollfd from[3] = {{.fd = terminal->in, .events = POLLIN},
                             {.fd = terminal->signals, .events = POLLIN},
                             {.fd = note_event, .events = POLLIN}};
    struct rh_buffer *ahead = &terminal->ahead;
    *quiet = false;
    int ready = poll(from, 3, line_keys_wait(&terminal->editor.keys) ? ESCAPE_MS : -1);
    if (ready < 0)
        return errno == EINTR;
    *quiet = ready == 0;
    if (from[1].revents != 0)
        take_signals(terminal);
    if (from[2].revents != 0)
        show_notes(terminal);
    if (from[0].revents == 0)
        return true;
    rh_buffer_reserve(ahead, TAKE);
    ssize_t got = read(terminal->in, ahead->bytes + ahead->length, TAKE);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    ahead->length += (size_t)got;
    return got > 0;
}

static bool more_is_there(const struct line_terminal *terminal)
{
    struct pollfd from = {.fd = terminal->in, .events = POLLIN};
    return poll(&from, 1, 0) > 0 && (from.revents & POLLIN) != 0;
}

static enum line_outcome feed(struct line_terminal *terminal)
{
    struct rh_buffer *ahead = &terminal->ahead;
    size_t used;
    enum line_outcome outcome = line_editor_feed(&terminal->editor, ahead->bytes, ahead->length, &used);
    memmove(ahead->bytes, ahead->bytes + used, ahead->length - used);
    ahead->length -= used;
    return outcome;
}

static enum line_outcome edit(struct line_terminal *terminal, struct line_look *look)
{
    for (;;) {
        bool quiet;
        enum line_outcome outcome = LINE_EDITING;
        if (terminal->ahead.length > 0)
            outcome = feed(terminal);
        while (outcome == LINE_EDITING) {
            if (!more_is_there(terminal))
                draw(terminal, look, false);
            if (!take_bytes(terminal, &quiet))
                return LINE_ENDED;
            outcome = quiet                        ? line_editor_settle(&terminal->editor)
                      : terminal->ahead.length > 0 ? feed(terminal)
                                                   : LINE_EDITING;
        }
        if (outcome == LINE_CLEAR) {
            write_all(terminal->out, "\033[H\033[2J", 7);
            line_screen_forget(&terminal->screen);
        } else if (outcome == LINE_STOP) {
            draw(terminal, look, true);
            stop(terminal);
        } else {
            return outcome;
        }
    }
}

/*
 * Until the terminal's driver has a line; false: Ctrl-C came, which took away what was typed by then, so the line to come is another one. Whoever takes the signal
 * doesn't wake this thread, and a person doesn't notice how often it is looked.
 */
static bool await_line(const struct line_terminal *terminal)
{
    enum { LOOK_MS = 50 };
    const struct line_helper *helper = terminal->editor.helper;
    struct pollfd input = {.fd = terminal->in, .events = POLLIN};
    for (;;) {
        int ready = poll(&input, 1, LOOK_MS);
        if (helper != NULL && helper->interrupted != NULL && helper->interrupted(helper->context))
            return false;
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true;
    }
}

/*
 * The next line of the terminal's driver, behind the text. LINE_ENDED: there is none, or the last one has no end. It is read as a whole: a driver
 * leaves out a Ctrl-D behind a line that was read in pieces.
 */
static enum line_outcome take_line(struct line_terminal *terminal)
{
    struct line_editor *editor = &terminal->editor;
    struct rh_buffer *ahead = &terminal->ahead, clean = {0};
    const char *end;
    ssize_t got = 1;
    while ((end = memchr(ahead->bytes, '\n', ahead->length)) == NULL && (got > 0 || errno == EINTR)) {
        if (!await_line(terminal)) {
            ahead->length = 0;
            return LINE_DROPPED;
        }
        rh_buffer_reserve(ahead, TAKE);
        got = read(terminal->in, ahead->bytes + ahead->length, TAKE);
        if (got == 0)
            break;
        ahead->length += got > 0 ? (size_t)got : 0;
    }
    size_t length = end != NULL ? (size_t)(end - ahead->bytes) : ahead->length;
    if (editor->text.length > 0)
        rh_buffer_add_char(&clean, '\n');
    line_add_clean(&clean, ahead->bytes, length);
    line_editor_replace(editor, editor->text.length, 0, clean.bytes, clean.length);
    rh_buffer_free(&clean);
    length += end != NULL;
    memmove(ahead->bytes, ahead->bytes + length, ahead->length - length);
    ahead->length -= length;
    return end != NULL ? LINE_ACCEPTED : LINE_ENDED;
}

/* As the terminal's driver edits it: line by line until it is whole. */
static enum line_outcome read_plain(struct line_terminal *terminal, const struct line_look *look)
{
    struct line_editor *editor = &terminal->editor;
    const struct line_helper *helper = editor->helper;
    const char *prompt = look->prompt;
    for (;;) {
        write_all(terminal->out, prompt, strlen(prompt));
        enum line_outcome outcome = take_line(terminal);
        if (outcome == LINE_DROPPED)
            write_all(terminal->out, "\n", 1); /* behind the driver's ^C */
        if (outcome != LINE_ACCEPTED)
            return outcome;
        if (helper == NULL || helper->whole == NULL ||
            helper->whole(helper->context, editor->text.bytes, editor->text.length))
            return LINE_ACCEPTED;
        prompt = look->more;
    }
}

enum line_outcome line_terminal_read(struct line_terminal *terminal, const struct line_look *given,
                                     const struct line_helper *helper, struct line_history *history)
{
    struct line_look look = *given;
    line_editor_begin(&terminal->editor, helper, history);
    rh_buffer_reserve(&terminal->ahead, 0);
    line_screen_forget(&terminal->screen);
    line_terminal_size(terminal, &look.width, &look.height);
    if (terminal->plain || look.width < LEAST_WIDTH || !enter_raw(terminal))
        return read_plain(terminal, given);
    enum line_outcome outcome = edit(terminal, &look);
    draw(terminal, &look, true);
    line_terminal_restore();
    show_notes(terminal); /* that came in the last moment */
    return outcome;
}

void line_terminal_close(struct line_terminal *terminal)
{
    line_terminal_restore();
    if (terminal->signals >= 0)
        close(terminal->signals);
    pthread_mutex_lock(&note_lock);
    if (note_event >= 0)
        close(note_event);
    note_event = -1;
    rh_buffer_free(&notes);
    pthread_mutex_unlock(&note_lock);
    rh_buffer_free(&terminal->ahead);
    line_editor_free(&terminal->editor);
    line_screen_free(&terminal->screen);
}
