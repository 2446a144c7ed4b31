/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_unpack.h
 * The bytes of a file, unpacked where gzip packed them. Not by zlib's own gzread, which takes a damaged member behind a whole one for the end of the file.
 */
#ifndef RH_UNPACK_H
#define RH_UNPACK_H

#include "rh_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct rh_unpack;

/** Reads on from where the descriptor is, which is borrowed. Never NULL. */
struct rh_unpack *rh_unpack_open(int fd);
/** Up to `size` (not 0) bytes; 0 at the end, which is one of the last member too; negative: `why` has been told, with the place in the file. */
ssize_t rh_unpack_read(struct rh_unpack *unpack, char *bytes, size_t size, struct rh_buffer *why);
/** Back to where it began, of a regular file. False: errno. */
bool rh_unpack_rewind(struct rh_unpack *unpack);
/** Whether gzip packed them, once something was read. */
bool rh_unpack_is_packed(const struct rh_unpack *unpack);
/** Bytes of the file that were unpacked, and those that they gave. */
uint64_t rh_unpack_taken(const struct rh_unpack *unpack);
uint64_t rh_unpack_given(const struct rh_unpack *unpack);
void rh_unpack_close(struct rh_unpack **unpack);

#endif
