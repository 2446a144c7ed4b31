/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 1952: a file that gzip packed is one member or several, one behind the other, each with a check sum and a length at its end. Behind the last one
 * gzip(1) takes zeros, with which tapes are filled up, and so does this; it only warns of anything else, which here is refused: it may be
 * a member that was damaged, and its rows would be missed by nobody.
 */
#include "rh_unpack.h"

#include "rh_interrupt.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { PIECE = 1 << 18, GZIP_ONLY = 16 + MAX_WBITS };

enum state {
    UNKNOWN, /* nothing was read */
    DIRECT,  /* not packed */
    MEMBER,  /* inside of one */
    BETWEEN, /* behind one: another, zeros, or the end */
    ENDED
};

struct rh_unpack {
    int fd;
    off_t start;
    enum state state;
    bool packed, inflating; /* inflating: `zlib` is to be ended */
    z_stream zlib;
    size_t at, length; /* of `bytes` */
    uint64_t read;     /* of the file */
    uint64_t given;
    uint64_t member_at, members;
    unsigned char bytes[PIECE];
};

struct rh_unpack *rh_unpack_open(int fd)
{
    struct rh_unpack *unpack = rh_allocate(sizeof *unpack);
    memset(unpack, 0, offsetof(struct rh_unpack, bytes));
    unpack->fd = fd;
    unpack->start = lseek(fd, 0, SEEK_CUR);
    return unpack;
}

uint64_t rh_unpack_taken(const struct rh_unpack *unpack)
{
    return unpack->read - (unpack->length - unpack->at);
}

uint64_t rh_unpack_given(const struct rh_unpack *unpack)
{
    return unpack->given;
}

bool rh_unpack_is_packed(const struct rh_unpack *unpack)
{
    return unpack->packed;
}

/* At least `least` bytes, unless the file ends before. False: told. */
static bool fill(struct rh_unpack *unpack, size_t least, struct rh_buffer *why)
{
    if (unpack->length - unpack->at >= least)
        return true;
    unpack->length -= unpack->at;
    memmove(unpack->bytes, unpack->bytes + unpack->at, unpack->length);
    unpack->at = 0;
    while (unpack->length < least) {
        ssize_t got = read(unpack->fd, unpack->bytes + unpack->length, PIECE - unpack->length);
        if (got < 0 && errno == EINTR && !rh_interrupted())
            continue;
        if (got < 0)
            rh_buffer_add_text(why, strerror(errno));
        if (got <= 0)
            return got == 0;
        unpack->length += (size_t)got;
        unpack->read += (uint64_t)got;
    }
    return true;
}

static bool starts_member(const struct rh_unpack *unpack)
{
    return unpack->length - unpack->at >= 2 && unpack->bytes[unpack->at] == 0x1f &&
           unpack->bytes[unpack->at + 1] == 0x8b;
}

static bool begin_member(struct rh_unpack *unpack, struct rh_buffer *why)
{
    int code = unpack->inflating ? inflateReset2(&unpack->zlib, GZIP_ONLY) : inflateInit2(&unpack->zlib, GZIP_ONLY);
    if (code != Z_OK) {
        rh_buffer_add_text(why, zError(code));
        return false;
    }
    unpack->inflating = unpack->packed = true;
    unpack->state = MEMBER;
    unpack->member_at = rh_unpack_taken(unpack);
    unpack->members++;
    return true;
}

/* Which member it is, where there are several. */
static void add_member(const struct rh_unpack *unpack, struct rh_buffer *why)
{
    if (unpack->members > 1)
        rh_buffer_format(why, " (its member %" PRIu64 ", which begins behind %" PRIu64 " bytes of the file)",
                         unpack->members, unpack->member_at);
}

/* Behind a member. False: told. */
static bool find_next(struct rh_unpack *unpack, struct rh_buffer *why)
{
    if (!fill(unpack, 2, why))
        return false;
    if (starts_member(unpack))
        return begin_member(unpack, why);
    uint64_t end = rh_unpack_taken(unpack);
    for (;;) {
        if (!fill(unpack, 1, why))
            return false;
        if (unpack->at == unpack->length) {
            unpack->state = ENDED;
            return true;
        }
        if (unpack->bytes[unpack->at] != 0)
            break;
        unpack->at++;
    }
    rh_buffer_format(why,
                     "behind %" PRIu64 " bytes of the file ends what gzip packed, and behind %" PRIu64
                     " is something else (a damaged member, or what was added later; only zeros may follow)",
                     end, rh_unpack_taken(unpack));
    return false;
}

/* What is left of a member, up to `size` bytes, which may be none at its end. Negative: told. */
static ssize_t inflate_some(struct rh_unpack *unpack, char *bytes, size_t size, struct rh_buffer *why)
{
    uInt room = size < 1 << 30 ? (uInt)size : 1 << 30;
    unpack->zlib.next_out = (Bytef *)bytes;
    unpack->zlib.avail_out = room;
    for (;;) {
        if (!fill(unpack, 1, why))
            return -1;
        unpack->zlib.next_in = unpack->bytes + unpack->at;
        unpack->zlib.avail_in = (uInt)(unpack->length - unpack->at);
        bool over = unpack->zlib.avail_in == 0;
        int code = inflate(&unpack->zlib, Z_NO_FLUSH);
        unpack->at = unpack->length - unpack->zlib.avail_in;
        if (code == Z_STREAM_END)
            unpack->state = BETWEEN;
        else if (code != Z_OK && code != Z_BUF_ERROR) {
            rh_buffer_format(why, "what gzip packed is damaged at about %" PRIu64 " bytes of the file: %s",
                             rh_unpack_taken(unpack), unpack->zlib.msg != NULL ? unpack->zlib.msg : zError(code));
            add_member(unpack, why);
            return -1;
        }
        if (code == Z_STREAM_END || unpack->zlib.avail_out < room)
            return (ssize_t)(room - unpack->zlib.avail_out);
        if (over) {
            rh_buffer_format(why, "it ends, behind %" PRIu64 " bytes, in the middle of what gzip packed",
                             rh_unpack_taken(unpack));
            add_member(unpack, why);
            return -1;
        }
    }
}

static ssize_t copy_some(struct rh_unpack *unpack, char *bytes, size_t size, struct rh_buffer *why)
{
    if (!fill(unpack, 1, why))
        return -1;
    size_t left = unpack->length - unpack->at;
    size = size < left ? size : left;
    memcpy(bytes, unpack->bytes + unpack->at, size);
    unpack->at += size;
    return (ssize_t)size;
}

ssize_t rh_unpack_read(struct rh_unpack *unpack, char *bytes, size_t size, struct rh_buffer *why)
{
    ssize_t got = 0;
    if (unpack->state == UNKNOWN) {
        if (!fill(unpack, 2, why))
            return -1;
        unpack->state = DIRECT;
        if (starts_member(unpack) && !begin_member(unpack, why))
            return -1;
    }
    if (unpack->state == DIRECT)
        got = copy_some(unpack, bytes, size, why);
    while (got == 0 && (unpack->state == MEMBER || unpack->state == BETWEEN)) {
        if (unpack->state == BETWEEN && !find_next(unpack, why))
            return -1;
        if (unpack->state == MEMBER)
            got = inflate_some(unpack, bytes, size, why);
    }
    unpack->given += got > 0 ? (uint64_t)got : 0;
    return got;
}

bool rh_unpack_rewind(struct rh_unpack *unpack)
{
    if (lseek(unpack->fd, unpack->start, SEEK_SET) < 0)
        return false;
    unpack->state = UNKNOWN;
    unpack->at = unpack->length = 0;
    unpack->read = unpack->given = unpack->members = 0;
    return true;
}

void rh_unpack_close(struct rh_unpack **unpack)
{
    if (*unpack != NULL && (*unpack)->inflating)
        (void)inflateEnd(&(*unpack)->zlib);
    free(*unpack);
    *unpack = NULL;
}
