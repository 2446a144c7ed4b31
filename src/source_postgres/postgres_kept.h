/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a source beside a position, so that a stream can go on there: whose slot that is, on which server and timeline, since when that was up, which transaction was the last, the tables' numbers by
 * their shapes, and in which files their rows lay and what was written with them (K3), for a rewriting ALTER is told by nothing else. Pure: bytes in, bytes out.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_KEPT_H
#define SOURCE_POSTGRES_POSTGRES_KEPT_H

#include "source_postgres/postgres_catalog.h"
#include "source_postgres/postgres_check.h"

struct postgres_kept {
    const char *slot;
    char system[40], up_since[24];
    /* The last transaction of the newest state that may be published, and of the one before it: of these the later that doesn't end behind the position is its. */
    struct postgres_mark mark, earlier;
    uint32_t next_id;
    /* Read: of its tables shape, number and leaves alone, each with a reason, so that nobody takes it for one to read from. */
    struct postgres_catalog *catalog;
};

rhei_status postgres_kept_write(const struct postgres_kept *kept, void **bytes, size_t *len, struct rhei_error *error);
/* `slot` lies in the bytes. What isn't understood is RHEI_OK without a catalogue. RHEI_NO_MEMORY. */
rhei_status postgres_kept_read(const void *bytes, size_t len, struct postgres_kept *kept, struct rhei_error *error);

#endif
