/* SPDX-License-Identifier: Apache-2.0 */
/* XXH64 with seed 0, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md: tells damage, not malice. Any thread. */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t base_checksum(const void *bytes, size_t len);

/* The same of bytes that come one part after another. Owner thread. */
struct base_summing {
    uint64_t lanes[4], total;
    unsigned char rest[32]; /* total % 32 of them */
};
void base_summing_begin(struct base_summing *summing);
void base_summing_add(struct base_summing *summing, const void *bytes, size_t len);
uint64_t base_summing_end(const struct base_summing *summing);

#endif
