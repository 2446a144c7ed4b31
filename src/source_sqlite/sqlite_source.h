/* SPDX-License-Identifier: Apache-2.0 */
/* A sidecar source: somebody else's SQLite file, read and never written. README.md says what that means. */
#ifndef SOURCE_SQLITE_SQLITE_SOURCE_H
#define SOURCE_SQLITE_SQLITE_SOURCE_H

#include "poll/poll.h"

struct sqlite_source_config {
    const char *path;
    bool snapshot;              /* all rows are compared when something was committed; no timestamps are needed */
    struct poll_wishes wishes;  /* copied */
    const struct base_log *log; /* borrowed; may be NULL */
};

/* A file that isn't there is no error here: begin says so until it is. */
rhei_status sqlite_source_open(const struct sqlite_source_config *config, struct change_source **source,
                               struct rhei_error *error);

#endif
