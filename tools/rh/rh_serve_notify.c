/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_serve_notify.h"

#include "rh_number.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool rh_notify(const char *lines)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path == NULL ? 0 : strlen(path);
    if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') /* a name of the abstract kind */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    ssize_t sent = sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)close(fd);
    return sent == (ssize_t)strlen(lines);
}

static bool number_of(const char *name, int64_t *number)
{
    const char *text = getenv(name);
    return text != NULL && rh_parse_integer(text, strlen(text), number) && *number > 0;
}

int64_t rh_notify_watchdog_ms(void)
{
    int64_t us, process;
    if (!number_of("WATCHDOG_USEC", &us) || (number_of("WATCHDOG_PID", &process) && process != (int64_t)getpid()))
        return 0;
    return us / 2000 > 0 ? us / 2000 : 1;
}
