/* SPDX-License-Identifier: Apache-2.0 */
#include "dashboard_screen.h"

#include <ncurses.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>
#include <wchar.h>

enum { ESCAPE_WAIT_MS = 25 };

static SCREEN *screen;
static atomic_bool is_taken;
static attr_t looks[DASHBOARD_STYLES];
static short pairs[DASHBOARD_STYLES];

/* ---- Colours ------------------------------------------------------------------------------------------------------ */

/* Of 256, of 16 and of 8 colours; -1: the terminal's own. */
struct look {
    short rich, bright, plain, ground;
    attr_t without; /* colours */
};

static const struct look styles[DASHBOARD_STYLES] = {
    [DASHBOARD_PLAIN] = {-1, -1, -1, -1, A_NORMAL},
    [DASHBOARD_DIM] = {245, 8, -1, -1, A_DIM},
    [DASHBOARD_STRONG] = {-1, -1, -1, -1, A_BOLD},
    [DASHBOARD_LABEL] = {109, 6, COLOR_CYAN, -1, A_NORMAL},
    [DASHBOARD_BORDER] = {240, 8, COLOR_BLUE, -1, A_DIM},
    [DASHBOARD_CHOSEN] = {75, 12, COLOR_CYAN, -1, A_BOLD},
    [DASHBOARD_OK] = {114, 10, COLOR_GREEN, -1, A_NORMAL},
    [DASHBOARD_WARNING] = {221, 11, COLOR_YELLOW, -1, A_BOLD},
    [DASHBOARD_ERROR] = {203, 9, COLOR_RED, -1, A_REVERSE},
    [DASHBOARD_LINE_A] = {114, 10, COLOR_GREEN, -1, A_NORMAL},
    [DASHBOARD_LINE_B] = {215, 11, COLOR_YELLOW, -1, A_NORMAL},
    [DASHBOARD_LINE_C] = {75, 12, COLOR_CYAN, -1, A_NORMAL},
    [DASHBOARD_BAR] = {252, 7, COLOR_WHITE, COLOR_BLUE, A_REVERSE},
};

static void choose_looks(bool colours)
{
    bool any = colours && has_colors() && start_color() == OK && COLORS >= 8;
    bool own = any && use_default_colors() == OK;
    for (int at = 0; at < DASHBOARD_STYLES; at++) {
        const struct look *look = &styles[at];
        short front = COLORS >= 256 ? look->rich : COLORS >= 16 ? look->bright : look->plain;
        short ground = look->ground >= 0 && COLORS >= 256 ? 236 : look->ground;
        pairs[at] = 0;
        looks[at] = look->without;
        if (!any || (front < 0 && ground < 0))
            continue;
        front = front >= 0 ? front : own ? -1 : COLOR_WHITE;
        ground = ground >= 0 ? ground : own ? -1 : COLOR_BLACK;
        if (init_pair((short)(at + 1), front, ground) != OK)
            continue;
        pairs[at] = (short)(at + 1);
        looks[at] = at == DASHBOARD_WARNING || at == DASHBOARD_ERROR ? A_BOLD : A_NORMAL;
    }
}

/* ---- The terminal ------------------------------------------------------------------------------------------------- */

bool dashboard_screen_can(char *why, size_t size)
{
    const char *term = getenv("TERM");
    int found;
    if (term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0)
        (void)snprintf(why, size, "can't move its cursor (TERM is %s)",
                       term == NULL || term[0] == '\0' ? "not set" : "dumb");
    else if (setupterm(term, STDOUT_FILENO, &found) != OK)
        (void)snprintf(why, size,
                       "is of a type that isn't known here (TERM is %s; the package ncurses-term knows more)", term);
    else if (cursor_address == NULL)
        (void)snprintf(why, size, "can't move its cursor (TERM is %s)", term);
    else
        return del_curterm(cur_term) == OK;
    return false;
}

bool dashboard_screen_open(bool colours)
{
    screen = newterm(NULL, stdout, stdin);
    if (screen == NULL)
        return false;
    atomic_store(&is_taken, true);
    set_escdelay(ESCAPE_WAIT_MS);
    (void)raw(); /* Ctrl-C is a key, which quits */
    (void)noecho();
    (void)nonl();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)leaveok(stdscr, TRUE);
    (void)curs_set(0);
    choose_looks(colours);
    return true;
}

void dashboard_screen_close(void)
{
    if (atomic_exchange(&is_taken, false)) {
        (void)curs_set(1);
        (void)endwin();
    }
}

void dashboard_screen_size(int *width, int *height)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    *width = known ? size.ws_col : COLS;
    *height = known ? size.ws_row : LINES;
}

void dashboard_screen_stop(void)
{
    (void)curs_set(1);
    (void)endwin();
    (void)raise(SIGSTOP);
}

void dashboard_screen_again(void)
{
    (void)curs_set(0);
    (void)clearok(stdscr, TRUE);
    (void)refresh();
}

/* What the C library thinks to be of another width would put everything behind it elsewhere than it is drawn. */
static void draw_cell(int x, int y, const struct dashboard_cell *cell)
{
    wchar_t text[DASHBOARD_CODES + 1] = {0};
    cchar_t sign;
    bool known = wcwidth((wchar_t)cell->codes[0]) == cell->width;
    text[0] = known ? (wchar_t)cell->codes[0] : L'?';
    for (int at = 1; known && at < DASHBOARD_CODES && cell->codes[at] != 0; at++)
        if (wcwidth((wchar_t)cell->codes[at]) == 0)
            text[wcslen(text)] = (wchar_t)cell->codes[at];
    if (setcchar(&sign, text, looks[cell->style], pairs[cell->style], NULL) != OK)
        return;
    (void)mvadd_wch(y, x, &sign);
    text[0] = L' ';
    text[1] = L'\0';
    if (!known && cell->width == 2 && setcchar(&sign, text, looks[cell->style], pairs[cell->style], NULL) == OK)
        (void)mvadd_wch(y, x + 1, &sign);
}

void dashboard_screen_draw(const struct dashboard_canvas *canvas)
{
    if (canvas->width != COLS || canvas->height != LINES) {
        (void)resizeterm(canvas->height, canvas->width);
        (void)clearok(stdscr, TRUE); /* what terminals make of the old rows differs */
    }
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            const struct dashboard_cell *cell = &canvas->cells[(size_t)y * (size_t)canvas->width + (size_t)x];
            if (cell->width > 0)
                draw_cell(x, y, cell);
        }
    (void)refresh();
}

/* ---- Keys --------------------------------------------------------------------------------------------------------- */

enum dashboard_key dashboard_screen_key(void)
{
    static const struct {
        int code;
        enum dashboard_key key;
    } keys[] = {
        {'q', DASHBOARD_KEY_QUIT},          {'Q', DASHBOARD_KEY_QUIT},          {27, DASHBOARD_KEY_QUIT},
        {3, DASHBOARD_KEY_INTERRUPT},       {'p', DASHBOARD_KEY_PAUSE},         {'P', DASHBOARD_KEY_PAUSE},
        {'s', DASHBOARD_KEY_SYNC},          {'S', DASHBOARD_KEY_SYNC},          {'?', DASHBOARD_KEY_HELP},
        {'h', DASHBOARD_KEY_HELP},          {'\t', DASHBOARD_KEY_NEXT},         {KEY_RIGHT, DASHBOARD_KEY_NEXT},
        {KEY_LEFT, DASHBOARD_KEY_PREVIOUS}, {KEY_BTAB, DASHBOARD_KEY_PREVIOUS}, {KEY_UP, DASHBOARD_KEY_UP},
        {KEY_DOWN, DASHBOARD_KEY_DOWN},     {KEY_PPAGE, DASHBOARD_KEY_PAGE_UP}, {KEY_NPAGE, DASHBOARD_KEY_PAGE_DOWN},
        {KEY_HOME, DASHBOARD_KEY_HOME},     {KEY_END, DASHBOARD_KEY_END},       {26, DASHBOARD_KEY_STOP},
        {12, DASHBOARD_KEY_REDRAW},
    };
    int code = getch();
    if (code == ERR)
        return DASHBOARD_KEY_NONE;
    for (size_t at = 0; at < sizeof keys / sizeof *keys; at++)
        if (keys[at].code == code) {
            if (keys[at].key == DASHBOARD_KEY_REDRAW)
                (void)clearok(stdscr, TRUE);
            return keys[at].key;
        }
    return DASHBOARD_KEY_OTHER;
}
