/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging: a value that is handed down, never a global. A zeroed logger says nothing. Any thread, as far as the
 * callback allows it. Never log values of the user's data, SQL parameters or secrets above DEBUG.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "rhei/rhei_types.h"

enum base_log_level { BASE_LOG_ERROR = 1, BASE_LOG_WARN = 2, BASE_LOG_INFO = 3, BASE_LOG_DEBUG = 4 };

struct base_log {
    void (*write)(void *context, int level, const char *room, const char *message);
    void *context;
    int level; /* messages above it are dropped before they are formatted */
};

void base_log_write(const struct base_log *log, int level, const char *room, const char *format, ...) RHEI_PRINTF(4, 5);

#endif
