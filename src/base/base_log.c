/* SPDX-License-Identifier: Apache-2.0 */
#include "base_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base_utf8.h"

void base_log_write(const struct base_log *log, int level, const char *room, const char *format, ...)
{
    if (log == NULL || log->write == NULL || level > log->level)
        return;
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (wanted < 0)
        return;
    base_utf8_scrub(message, strlen(message));
    log->write(log->context, level, room, message);
}
