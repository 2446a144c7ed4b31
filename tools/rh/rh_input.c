/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three layers: the file, rh_unpack over it, which passes on what isn't packed, and iconv over that, where text isn't UTF-8. A look reads ahead in the middle
 * one.
 */
#include "rh_input.h"

#include "rh_interrupt.h"
#include "rh_text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const iconv_t no_decoder = (iconv_t)-1;

static bool cannot_read(struct rh_input *input, const char *why)
{
    if (!input->told)
        rh_tell(input->tool, "%s could not be read: %s", input->name, why);
    input->told = true;
    return false;
}

bool rh_input_open(struct rh_input *input, const struct rh_tool *tool, const char *path)
{
    struct stat about;
    bool standard = strcmp(path, "-") == 0;
    *input = (struct rh_input){
        .tool = tool, .name = standard ? "standard input" : path, .encoding = "UTF-8", .decoder = no_decoder};
    input->file = standard ? stdin : fopen(path, "rb");
    if (input->file == NULL || fstat(fileno(input->file), &about) != 0)
        return cannot_read(input, strerror(errno));
    if (S_ISDIR(about.st_mode))
        return cannot_read(input, strerror(EISDIR));
    input->size = S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
    input->bytes = rh_unpack_open(fileno(input->file));
    return true;
}

/* Bytes as they are in the file, unpacked. */
static ssize_t read_bytes(struct rh_input *input, char *bytes, size_t size)
{
    if (input->ahead_at < input->ahead.length) {
        size_t left = input->ahead.length - input->ahead_at;
        size = size < left ? size : left;
        memcpy(bytes, input->ahead.bytes + input->ahead_at, size);
        input->ahead_at += size;
        return (ssize_t)size;
    }
    struct rh_buffer why = {0};
    ssize_t got = rh_unpack_read(input->bytes, bytes, size, &why);
    if (got < 0) {
        input->told = input->told || rh_interrupted(); /* whoever asked is told that */
        (void)cannot_read(input, why.bytes);
    }
    rh_buffer_free(&why);
    return got;
}

bool rh_input_look(struct rh_input *input, size_t size, const char **bytes, size_t *length)
{
    while (input->ahead.length < size) {
        rh_buffer_reserve(&input->ahead, size - input->ahead.length);
        input->ahead_at = input->ahead.length;
        ssize_t got = read_bytes(input, input->ahead.bytes + input->ahead.length, size - input->ahead.length);
        if (got < 0)
            return false;
        if (got == 0)
            break;
        input->ahead.length += (size_t)got;
    }
    input->ahead_at = 0;
    input->packed = rh_unpack_is_packed(input->bytes);
    *bytes = input->ahead.bytes != NULL ? input->ahead.bytes : "";
    *length = input->ahead.length;
    return true;
}

/* Text of Latin letters has a zero in every other byte of UTF-16, and other text has none. */
static const char *guess_wide(const char *bytes, size_t length)
{
    size_t zeros[2] = {0, 0};
    length = length < 4096 ? length & ~(size_t)1 : 4096;
    for (size_t at = 0; at < length; at++)
        zeros[at % 2] += bytes[at] == '\0';
    if (length < 4 || zeros[0] + zeros[1] < length / 4)
        return NULL;
    return zeros[1] > 8 * zeros[0] ? "UTF-16LE" : zeros[0] > 8 * zeros[1] ? "UTF-16BE" : NULL;
}

/*
 * One line that isn't UTF-8 may be a damaged one. Several, and no character anywhere that UTF-8 has in more than one byte, are of an encoding with one byte for
 * each: of those, Windows' is the most usual, and has Latin-1 in it.
 */
static bool is_single_byte(const char *bytes, size_t length, bool whole)
{
    size_t lines = 0;
    const char *line = NULL;
    for (size_t at = 0; at < length;) {
        int32_t code;
        size_t step = rh_utf8_next(bytes + at, length - at, &code);
        if (code >= 0x80)
            return false;
        if (code < 0 && (whole || length - at >= 4)) { /* nearer to the end it may be a character that was cut */
            const char *end = memchr(bytes + at, '\n', length - at);
            lines += end != line || lines == 0;
            line = end;
        }
        at += step;
    }
    return lines > 1;
}

const char *rh_input_guess(const char *bytes, size_t length, bool whole)
{
    if (length >= 2 && memcmp(bytes, "\xFF\xFE", 2) == 0)
        return "UTF-16LE";
    if (length >= 2 && memcmp(bytes, "\xFE\xFF", 2) == 0)
        return "UTF-16BE";
    const char *wide = guess_wide(bytes, length);
    if (wide != NULL)
        return wide;
    return is_single_byte(bytes, length, whole) ? "windows-1252" : "UTF-8";
}

static bool is_utf8(const char *name)
{
    return strcasecmp(name, "UTF-8") == 0 || strcasecmp(name, "UTF8") == 0;
}

bool rh_input_decode(struct rh_input *input, const char *encoding)
{
    input->encoding = encoding;
    if (is_utf8(encoding))
        return true;
    if (strcasecmp(encoding, "latin-1") == 0) /* as Python and browsers call what iconv calls latin1 */
        input->encoding = "latin1";
    input->decoder = iconv_open("UTF-8", input->encoding);
    if (input->decoder != no_decoder)
        return true;
    rh_tell(
        input->tool,
        "--encoding %s: there is no encoding of this name (UTF-8, UTF-16, latin1, windows-1252; iconv -l lists all)",
        encoding);
    input->told = true;
    return false;
}

void rh_input_decoded(const struct rh_input *input, const char *bytes, size_t length, struct rh_buffer *text)
{
    rh_buffer_reserve(text, 4 * length);
    if (input->decoder == no_decoder) {
        rh_buffer_add(text, bytes, length);
        return;
    }
    iconv_t decoder = iconv_open("UTF-8", input->encoding);
    if (decoder == no_decoder)
        return;
    char *from = (char *)(uintptr_t)bytes, *to = text->bytes + text->length;
    size_t room = 4 * length;
    (void)iconv(decoder, &from, &length, &to, &room);
    text->length = (size_t)(to - text->bytes);
    (void)iconv_close(decoder);
}

/* More raw bytes behind those that are left of a character. False: told. */
static bool fill_raw(struct rh_input *input)
{
    memmove(input->raw, input->raw + input->raw_at, input->raw_length - input->raw_at);
    input->raw_length -= input->raw_at;
    input->raw_at = 0;
    ssize_t got = read_bytes(input, input->raw + input->raw_length, sizeof input->raw - input->raw_length);
    input->raw_ended = got <= 0;
    input->raw_length += got > 0 ? (size_t)got : 0;
    return got >= 0;
}

static ssize_t cannot_decode(struct rh_input *input)
{
    struct rh_buffer why = {0};
    rh_buffer_format(&why, "the byte %02x, behind %llu bytes of the file, is not %s here (--encoding names another)",
                     (unsigned)(unsigned char)input->raw[input->raw_at],
                     (unsigned long long)(rh_unpack_given(input->bytes) - (input->raw_length - input->raw_at)),
                     input->encoding);
    (void)cannot_read(input, why.bytes);
    rh_buffer_free(&why);
    return -1;
}

static ssize_t read_decoded(struct rh_input *input, char *bytes, size_t size)
{
    for (;;) {
        char *from = input->raw + input->raw_at, *to = bytes;
        size_t left = input->raw_length - input->raw_at, room = size;
        size_t code = left > 0 ? iconv(input->decoder, &from, &left, &to, &room) : 0;
        int reason = code == (size_t)-1 ? errno : 0;
        input->raw_at = input->raw_length - left;
        if (to != bytes)
            return to - bytes;
        if (reason == EILSEQ || (reason == EINVAL && input->raw_ended))
            return cannot_decode(input);
        if (input->raw_ended)
            return 0;
        if (!fill_raw(input))
            return -1;
    }
}

ssize_t rh_input_read(void *context, char *bytes, size_t size)
{
    struct rh_input *input = context;
    return input->decoder == no_decoder ? read_bytes(input, bytes, size) : read_decoded(input, bytes, size);
}

uint64_t rh_input_done(const struct rh_input *input)
{
    return rh_unpack_taken(input->bytes);
}

bool rh_input_keep(struct rh_input *input, bool unpacked)
{
    struct stat about;
    char bytes[1 << 16];
    ssize_t got;
    if (fstat(fileno(input->file), &about) == 0 && S_ISREG(about.st_mode) && !(unpacked && input->packed))
        return true;
    FILE *copy = tmpfile();
    if (copy == NULL)
        return cannot_read(input, strerror(errno));
    while ((got = read_bytes(input, bytes, sizeof bytes)) > 0) {
        if (fwrite(bytes, 1, (size_t)got, copy) == (size_t)got)
            continue;
        rh_tell(input->tool, "the temporary copy of %s could not be written: %s", input->name, strerror(errno));
        input->told = true;
        fclose(copy);
        return false;
    }
    if (got < 0 || fflush(copy) != 0) {
        fclose(copy);
        return got < 0 ? false : cannot_read(input, strerror(errno));
    }
    rh_unpack_close(&input->bytes);
    input->size = (uint64_t)ftello(copy);
    if (input->file != stdin)
        fclose(input->file);
    input->file = copy;
    rewind(copy);
    input->bytes = rh_unpack_open(fileno(copy));
    return true;
}

bool rh_input_rewind(struct rh_input *input)
{
    rh_buffer_free(&input->ahead);
    input->ahead_at = input->raw_at = input->raw_length = 0;
    input->raw_ended = false;
    if (input->decoder != no_decoder)
        (void)iconv(input->decoder, NULL, NULL, NULL, NULL);
    return rh_unpack_rewind(input->bytes) || cannot_read(input, strerror(errno));
}

void rh_input_close(struct rh_input *input)
{
    rh_unpack_close(&input->bytes);
    if (input->decoder != no_decoder && input->tool != NULL)
        (void)iconv_close(input->decoder);
    if (input->file != NULL && input->file != stdin)
        fclose(input->file);
    rh_buffer_free(&input->ahead);
    *input = (struct rh_input){.decoder = no_decoder};
}
