/* SPDX-License-Identifier: Apache-2.0 */
/* XXH64 with seed 0, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md: tells damage, not malice. Any thread. */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t base_checksum(const void *bytes, size_t len);

#endif
