/* SPDX-License-Identifier: Apache-2.0 */
#include "line_file.h"

#include "rh_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes what is missing of the folders of a path; another's permissions stay. */
static void make_folders(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        (void)mkdir(path, 0700);
        *at = '/';
    }
}

bool line_file_path(struct rh_buffer *path, const char *program)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state != NULL && state[0] == '/') /* the specification: others are ignored */
        rh_buffer_format(path, "%s/%s/history", state, program);
    else if (home != NULL && home[0] == '/')
        rh_buffer_format(path, "%s/.local/state/%s/history", home, program);
    else
        return false;
    make_folders(path->bytes);
    return true;
}

/* The file under its lock, and surely the one that has the name; -1: errno says why not. */
static int open_locked(const char *path, int flags)
{
    struct stat held, named;
    for (;;) {
        int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
        if (fd < 0)
            return -1;
        if (fstat(fd, &held) != 0 || !S_ISREG(held.st_mode)) {
            close(fd);
            errno = EINVAL;
            return -1;
        }
        while (flock(fd, LOCK_EX) != 0)
            if (errno != EINTR) {
                close(fd);
                return -1;
            }
        if (stat(path, &named) == 0 && named.st_ino == held.st_ino && named.st_dev == held.st_dev)
            return fd;
        close(fd);
    }
}

static void add_escaped(struct rh_buffer *line, const char *text, size_t length)
{
    for (size_t at = 0; at < length; at++)
        if (text[at] == '\n')
            rh_buffer_add_text(line, "\\n");
        else if (text[at] == '\\')
            rh_buffer_add_text(line, "\\\\");
        else
            rh_buffer_add_char(line, text[at]);
    rh_buffer_add_char(line, '\n');
}

/* The entry of a line; false: it is none. */
static bool take_line(struct rh_buffer *entry, const char *line, size_t length)
{
    rh_buffer_clear(entry);
    if (length == 0 || length > 2 * LINE_FILE_ENTRY_LIMIT || rh_utf8_valid(line, length) < length)
        return false;
    for (size_t at = 0; at < length; at++) {
        char c = line[at];
        if (((unsigned char)c < 0x20 && c != '\t') || c == 127)
            return false;
        if (c == '\\' && at + 1 < length)
            c = line[++at] == 'n' ? '\n' : line[at];
        rh_buffer_add_char(entry, c);
    }
    return true;
}

static int read_all(int fd, struct rh_buffer *text)
{
    ssize_t got;
    rh_buffer_reserve(text, 0);
    do {
        rh_buffer_reserve(text, 1 << 16);
        got = read(fd, text->bytes + text->length, 1 << 16);
        text->length += got > 0 ? (size_t)got : 0;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? errno : 0;
}

static int write_all(int fd, const struct rh_buffer *text)
{
    for (size_t at = 0; at < text->length;) {
        ssize_t done = write(fd, text->bytes + at, text->length - at);
        if (done < 0 && errno != EINTR)
            return errno;
        at += done > 0 ? (size_t)done : 0;
    }
    return 0;
}

/* The newest half of what may be kept, under the lock of the file as it is. */
static void cut(const char *path, const struct line_history *history)
{
    struct rh_buffer text = {0}, name = {0};
    size_t from = history->count, size = 0;
    while (from > 0 && size < LINE_FILE_LIMIT / 2)
        size += strlen(history->entries[--from]) + 1;
    for (; from < history->count; from++)
        add_escaped(&text, history->entries[from], strlen(history->entries[from]));
    rh_buffer_format(&name, "%s.XXXXXX", path);
    int fd = mkstemp(name.bytes); /* 0600 */
    if (fd >= 0) {
        bool whole = write_all(fd, &text) == 0 && fsync(fd) == 0;
        if (close(fd) != 0 || !whole || rename(name.bytes, path) != 0)
            (void)unlink(name.bytes);
    }
    rh_buffer_free(&name);
    rh_buffer_free(&text);
}

int line_file_read(const char *path, struct line_history *history)
{
    struct rh_buffer text = {0}, entry = {0};
    int fd = open_locked(path, O_RDONLY);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    int reason = read_all(fd, &text);
    for (size_t at = 0; at < text.length;) {
        const char *end = memchr(text.bytes + at, '\n', text.length - at);
        size_t length = end != NULL ? (size_t)(end - text.bytes) - at : text.length - at;
        if (take_line(&entry, text.bytes + at, length))
            (void)line_history_add(history, entry.bytes, entry.length);
        at += length + 1;
    }
    if (reason == 0 && text.length > LINE_FILE_LIMIT)
        cut(path, history);
    close(fd);
    rh_buffer_free(&entry);
    rh_buffer_free(&text);
    return reason;
}

int line_file_append(const char *path, const char *text, size_t length)
{
    struct rh_buffer line = {0};
    char last = '\n';
    struct stat about;
    if (length > LINE_FILE_ENTRY_LIMIT)
        return 0;
    int fd = open_locked(path, O_RDWR | O_APPEND | O_CREAT);
    if (fd < 0)
        return errno;
    if (fstat(fd, &about) == 0 && about.st_size > 0)
        (void)!pread(fd, &last, 1, about.st_size - 1);
    if (last != '\n') /* of a session that was killed in the middle */
        rh_buffer_add_char(&line, '\n');
    add_escaped(&line, text, length);
    int reason = write_all(fd, &line);
    close(fd);
    rh_buffer_free(&line);
    return reason;
}
