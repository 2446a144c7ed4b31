/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_pace.h"

enum { NAP_NS = 20000000 };

rhei_status engine_pace_ended(rhei_status status, struct rhei_error *error)
{
    return error_set(error, status,
                     status == RHEI_TIMEOUT ? "the time limit ended the comparison" : "the comparison was cancelled");
}

void engine_pace_begin(struct engine_pace *pace, struct engine_limits *limits)
{
    *pace = (struct engine_pace){.limits = limits, .rate = limits->rows_per_second, .began_ns = base_now_ns()};
}

rhei_status engine_pace_keep(struct engine_pace *pace, uint64_t rows, struct rhei_error *error)
{
    pace->rows += rows;
    if (pace->rate == 0)
        return RHEI_OK;
    int64_t due = pace->began_ns + (int64_t)((double)pace->rows / (double)pace->rate * 1e9);
    rhei_status status = RHEI_OK;
    while ((status = engine_limits_check(pace->limits)) == RHEI_OK) {
        int64_t now = base_now_ns();
        if (now >= due)
            return RHEI_OK;
        base_word_wait(&pace->nap, 0, due - now < NAP_NS ? due : now + NAP_NS);
    }
    return engine_pace_ended(status, error);
}
