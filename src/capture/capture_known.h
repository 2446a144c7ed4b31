/* SPDX-License-Identifier: Apache-2.0 */
/* Which versions of tables a consumer of the log knows. Owner thread. */
#ifndef CAPTURE_CAPTURE_KNOWN_H
#define CAPTURE_CAPTURE_KNOWN_H

#include "base/base_buffer.h"
#include "rhei/rhei_types.h"

struct capture_known_version {
    uint32_t number;
    char *name;
    bool told; /* by this reader, not only by one before */
    bool gone; /* and that was told, too: it goes before the next events are read */
};

struct capture_known {
    struct capture_known_version *list;
    size_t count, room;
    bool changed; /* since it was kept with the consumer's position */
};

/* Finds it, or adds it; the pointer lives until the next call. */
rhei_status capture_known_add(struct capture_known *known, uint32_t number, const char *name, size_t length,
                              struct capture_known_version **version, struct rhei_error *error);
void capture_known_gone(struct capture_known *known, uint32_t number);
/* What was told as gone is forgotten; or, after a failure, all is to be told again. */
void capture_known_settle(struct capture_known *known, bool failed);
/* As text, which `read` understands: what isn't of its form ends the list. */
void capture_known_write(const struct capture_known *known, struct base_buffer *text);
rhei_status capture_known_read(struct capture_known *known, const char *text, struct rhei_error *error);
void capture_known_reset(struct capture_known *known);

#endif
