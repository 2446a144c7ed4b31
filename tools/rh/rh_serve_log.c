/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_serve_log.h"

#include "rh_advice.h"
#include "rh_text.h"
#include "rh_tool.h"
#include "rh_writer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEPT_LINES = 100, REFUSALS_MOST = 20 };
static const int64_t refusals_us = 10000000; /* in which there may be as many */

/* Each as the JSON object that is told of it. */
struct rh_log_kept {
    pthread_mutex_t lock;
    char *lines[KEPT_LINES];
    size_t next;
    int64_t refusals_since_us;
    unsigned refusals, left_out; /* since then */
};

int64_t rh_log_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void rh_log_start(struct rh_log *log)
{
    log->kept = rh_allocate(sizeof *log->kept);
    *log->kept = (struct rh_log_kept){0};
    (void)pthread_mutex_init(&log->kept->lock, NULL);
}

void rh_log_free(struct rh_log *log)
{
    for (size_t at = 0; at < KEPT_LINES; at++)
        free(log->kept->lines[at]);
    pthread_mutex_destroy(&log->kept->lock);
    free(log->kept);
    log->kept = NULL;
}

static const char *level_name(int level)
{
    return level <= RHEI_LOG_ERROR  ? "error"
           : level == RHEI_LOG_WARN ? "warn"
           : level == RHEI_LOG_INFO ? "info"
                                    : "debug";
}

static void add_time(struct rh_buffer *out, int64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&seconds, &utc) != NULL)
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    rh_buffer_format(out, "%s.%03dZ", text, (int)(us / 1000 % 1000));
}

/* The message as a JSON text: a line of the engine's own is one already where log_format is json. */
static void add_message(struct rh_buffer *out, const char *message)
{
    const char *inner = strncmp(message, "{\"time\": ", 9) == 0 ? strstr(message, ", \"message\": ") : NULL;
    size_t length = strlen(message);
    if (inner != NULL && message[length - 1] == '}')
        rh_buffer_add(out, inner + 13, length - 1 - (size_t)(inner + 13 - message));
    else
        rh_add_json_text(out, message, length);
}

static void keep(struct rh_log_kept *kept, const struct rh_buffer *line)
{
    pthread_mutex_lock(&kept->lock);
    free(kept->lines[kept->next]);
    kept->lines[kept->next] = rh_copy_text(line->bytes, line->length);
    kept->next = (kept->next + 1) % KEPT_LINES;
    pthread_mutex_unlock(&kept->lock);
}

void rh_log_line(void *context, int level, const char *room, const char *message)
{
    struct rh_log *log = context;
    struct rh_buffer text = {0}, words = {0}, line = {0};
    int64_t now_us = rh_log_now_us();
    rh_buffer_add_text(&words, "");
    rh_add_in_our_words(&words, message);
    add_message(&text, words.bytes);
    rh_buffer_format(&line, "{\"time_us\":%" PRId64 ",\"level\":\"%s\",\"room\":\"%s\",\"message\":%s}", now_us,
                     level_name(level), room, text.bytes);
    keep(log->kept, &line);
    rh_buffer_clear(&line);
    if (log->json) {
        rh_buffer_add_text(&line, "{\"time\": \"");
        add_time(&line, now_us);
        rh_buffer_format(&line, "\", \"level\": \"%s\", \"room\": \"%s\", \"message\": %s}\n", level_name(level), room,
                         text.bytes);
    } else {
        rh_buffer_clear(&text);
        rh_add_visible(&text, words.bytes, words.length);
        if (log->headless) {
            add_time(&line, now_us);
            rh_buffer_format(&line, " %s %s: %s\n", level_name(level), room, text.length > 0 ? text.bytes : "");
        } else {
            rh_buffer_format(&line, "%srh: %s: %s: %s%s\n",
                             rh_style(&log->terminal, level <= RHEI_LOG_WARN ? RH_YELLOW : RH_PLAIN),
                             level == RHEI_LOG_WARN ? "warning" : level_name(level), room,
                             text.length > 0 ? text.bytes : "", rh_style(&log->terminal, RH_PLAIN));
        }
    }
    fputs(line.bytes, stderr);
    rh_buffer_free(&line);
    rh_buffer_free(&words);
    rh_buffer_free(&text);
}

void rh_log_format(struct rh_log *log, int level, const char *room, const char *format, ...)
{
    va_list arguments;
    char *message = NULL;
    va_start(arguments, format);
    int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    if (length >= 0)
        rh_log_line(log, level, room, message);
    free(message);
}

static bool is_one_too_many(struct rh_log_kept *kept)
{
    pthread_mutex_lock(&kept->lock);
    bool many = kept->refusals >= REFUSALS_MOST;
    if (kept->refusals == 0)
        kept->refusals_since_us = rh_log_now_us();
    kept->refusals += !many;
    kept->left_out += many;
    pthread_mutex_unlock(&kept->lock);
    return many;
}

void rh_log_door_line(void *context, int level, const char *room, const char *message)
{
    struct rh_log *log = context;
    rh_log_tell_left_out(log, false);
    if (level != RHEI_LOG_WARN || strncmp(message, "refused ", 8) != 0 || !is_one_too_many(log->kept))
        rh_log_line(log, level, room, message);
}

void rh_log_tell_left_out(struct rh_log *log, bool now)
{
    struct rh_log_kept *kept = log->kept;
    unsigned left_out = 0;
    pthread_mutex_lock(&kept->lock);
    int64_t since_us = rh_log_now_us() - kept->refusals_since_us;
    if (now || since_us < 0 || since_us >= refusals_us) {
        left_out = kept->left_out;
        kept->refusals = kept->left_out = 0;
    }
    pthread_mutex_unlock(&kept->lock);
    if (left_out > 0)
        rh_log_format(log, RHEI_LOG_WARN, "serve",
                      "refused %u more within %" PRId64 " s, which have no line of their own", left_out,
                      (since_us + 999999) / 1000000);
}

void rh_log_add_json(const struct rh_log *log, struct rh_buffer *json)
{
    struct rh_log_kept *kept = log->kept;
    const char *before = "";
    rh_buffer_add_char(json, '[');
    pthread_mutex_lock(&kept->lock);
    for (size_t at = 0; at < KEPT_LINES; at++) {
        const char *line = kept->lines[(kept->next + at) % KEPT_LINES];
        if (line == NULL)
            continue;
        rh_buffer_format(json, "%s%s", before, line);
        before = ",";
    }
    pthread_mutex_unlock(&kept->lock);
    rh_buffer_add_char(json, ']');
}
