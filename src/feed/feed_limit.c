/* SPDX-License-Identifier: Apache-2.0 */
#include "feed_limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MARKS_PER_AGE = 32, SECOND_NS = 1000000000 };

void feed_limit_note(struct feed_limit *limit, int64_t position, int64_t now_ns)
{
    uint32_t count = limit->mark_count;
    if (limit->limits.age_ns == 0 || count == FEED_LIMIT_MARKS ||
        (count > 0 && (limit->marks[count - 1].position >= position ||
                       now_ns - limit->marks[count - 1].time_ns < limit->limits.age_ns / MARKS_PER_AGE)))
        return;
    limit->marks[count].time_ns = now_ns;
    limit->marks[count].position = position;
    limit->mark_count = count + 1;
}

/* The last position that is too old. Marks before that one tell nothing more. */
static int64_t limit_aged(struct feed_limit *limit, int64_t now_ns)
{
    uint32_t gone = 0;
    while (gone + 1 < limit->mark_count && now_ns - limit->marks[gone + 1].time_ns > limit->limits.age_ns)
        gone++;
    limit->mark_count -= gone;
    memmove(limit->marks, limit->marks + gone, limit->mark_count * sizeof *limit->marks);
    return limit->mark_count > 0 && now_ns - limit->marks[0].time_ns > limit->limits.age_ns ? limit->marks[0].position
                                                                                            : 0;
}

static void limit_say(char text[FEED_LIMIT_TEXT], const char *what, uint64_t is, uint64_t may, const char *unit)
{
    size_t len = strlen(text);
    (void)snprintf(text + len, FEED_LIMIT_TEXT - len, "%s%" PRIu64 " %s, more than log_limit_%s (%" PRIu64 ")",
                   len == 0 ? "the change buffer has " : ", ", is, unit, what, may);
}

int64_t feed_limit_cut(struct feed_limit *limit, const struct change_buffer_state *state, uint64_t bytes,
                       int64_t now_ns, char text[FEED_LIMIT_TEXT])
{
    const struct feed_limits *limits = &limit->limits;
    int64_t to = 0, aged = limits->age_ns == 0 ? 0 : limit_aged(limit, now_ns);
    text[0] = '\0';
    if (state->last <= state->pruned + 1 || state->position <= state->horizon)
        return 0;
    uint64_t rows = (uint64_t)(state->position - state->horizon);
    if (limits->rows != 0 && rows > limits->rows) {
        to = state->position - (int64_t)limits->rows;
        limit_say(text, "rows", rows, limits->rows, "changes");
    }
    if (limits->bytes != 0 && bytes > limits->bytes) { /* as if all were of one size: the next look takes the rest */
        int64_t by_bytes =
            state->horizon + 1 + (int64_t)((double)rows * (double)(bytes - limits->bytes) / (double)bytes);
        to = by_bytes > to ? by_bytes : to;
        limit_say(text, "bytes", bytes, limits->bytes, "bytes");
    }
    if (aged > state->horizon) {
        to = aged > to ? aged : to;
        limit_say(text, "age", (uint64_t)((now_ns - limit->marks[0].time_ns) / SECOND_NS),
                  (uint64_t)(limits->age_ns / SECOND_NS), "seconds of changes");
    }
    return to;
}
