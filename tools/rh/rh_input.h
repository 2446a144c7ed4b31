/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_input.h
 * The bytes of a file, or of standard input, that rows are read from: unpacked where gzip packed them, in UTF-8 whatever they were in, and what can be
 * told of them by a look at their beginning.
 */
#ifndef RH_INPUT_H
#define RH_INPUT_H

#include "rh_memory.h"
#include "rh_tool.h"
#include "rh_unpack.h"

#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct rh_input {
    const struct rh_tool *tool;
    const char *name;     /**< as the user knows it */
    FILE *file;           /**< regular, or a pipe that is read once */
    uint64_t size;        /**< in bytes; 0: unknown */
    bool packed;          /**< with gzip */
    const char *encoding; /**< of text: "UTF-8", "UTF-16LE", ...; borrowed */
    bool told;            /**< why it can't be read */
    struct rh_unpack *bytes;
    iconv_t decoder;   /* (iconv_t)-1: the bytes are UTF-8 already */
    char raw[1 << 16]; /* read, not yet decoded */
    size_t raw_at, raw_length;
    bool raw_ended;
    struct rh_buffer ahead; /* looked at, and not yet read by anybody */
    size_t ahead_at;
};

/** "-" is standard input. False: told. */
bool rh_input_open(struct rh_input *input, const struct rh_tool *tool, const char *path);
/** Looks at up to `size` bytes of the beginning, as they are; nothing was read before. Borrowed until the next read. False: told. */
bool rh_input_look(struct rh_input *input, size_t size, const char **bytes, size_t *length);
/** What the looked-at bytes are text in: by a byte order mark, by zeros in every other byte, or by what isn't UTF-8. `whole`: there is no more of it. A static text. */
const char *rh_input_guess(const char *bytes, size_t length, bool whole);
/** From here on reads give UTF-8 of text in this encoding. False: told, there is none of this name. */
bool rh_input_decode(struct rh_input *input, const char *encoding);
/** Text of a look as UTF-8, as much as is whole. */
void rh_input_decoded(const struct rh_input *input, const char *bytes, size_t length, struct rh_buffer *text);
/** Bytes of the file behind where reading is, packed as they are there. */
uint64_t rh_input_done(const struct rh_input *input);
/** Up to `size` bytes; 0 at the end, negative where it can't be read, which was told. */
ssize_t rh_input_read(void *input, char *bytes, size_t size);
/**
 * A pipe can't be read twice: it goes through a temporary file that has no name; so does, `unpacked`, what gzip packed. Nothing was read but by looks.
 * False: told.
 */
bool rh_input_keep(struct rh_input *input, bool unpacked);
/** Back to the beginning of a regular file, or of what was kept. False: told. */
bool rh_input_rewind(struct rh_input *input);
void rh_input_close(struct rh_input *input);

#endif
