/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static size_t usual(const char *variable, size_t otherwise)
{
    const char *said = getenv(variable);
    int number = said != NULL ? atoi(said) : 0;
    return number > 0 ? (size_t)number : otherwise;
}

static void measure(int fd, struct rh_terminal *terminal)
{
    struct winsize size;
    bool known = ioctl(fd, TIOCGWINSZ, &size) == 0;
    terminal->width = known && size.ws_col > 0 ? size.ws_col : usual("COLUMNS", 80);
    terminal->height = known && size.ws_row > 0 ? size.ws_row : usual("LINES", 24);
}

struct rh_terminal rh_terminal_of(FILE *file)
{
    struct rh_terminal terminal = {.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    int fd = fileno(file);
    if (fd < 0 || !isatty(fd))
        return terminal;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    terminal.present = true;
    measure(fd, &terminal);
    terminal.colours =
        (no_color == NULL || no_color[0] == '\0') && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
    return terminal;
}

const char *rh_style(const struct rh_terminal *terminal, enum rh_style style)
{
    static const char *const escapes[] = {"\033[0m", "\033[2m", "\033[1m", "\033[31m", "\033[32m", "\033[33m"};
    return terminal->colours ? escapes[style] : "";
}
