/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text that was made of a question about the past is true of one state (engine_history_rewrite). What runs on the writer finds out whether it still is
 * when the tables are pinned that it is about, for what was written can't be taken back behind that.
 */
#include "engine/engine_internal.h"
#include "engine/engine_sidecar.h"
#include "mirror/mirror_table_reader.h"

const struct mirror_snapshot *engine_session_state(const struct rhei_session *session)
{
    const struct table_pin *pin = session == NULL ? NULL : oltp_session_pin(session->oltp);
    return pin == NULL ? NULL : mirror_table_reader_state(pin);
}

/* With the writer in somebody's hand. */
static bool past_holds(void *context)
{
    struct engine_elsewhere *elsewhere = context;
    elsewhere->outdated = engine_sidecars_histories_now(elsewhere->db) != elsewhere->histories;
    return !elsewhere->outdated;
}

void engine_elsewhere_past(struct engine_elsewhere *elsewhere, uint64_t histories, bool pinned)
{
    elsewhere->histories = histories;
    elsewhere->stop.holds = pinned ? NULL : past_holds;
    elsewhere->stop.holds_context = elsewhere;
}

bool engine_elsewhere_outdated(struct engine_elsewhere *elsewhere, rhei_status *status, struct rhei_error *error)
{
    enum { TRIES = 8 };
    bool outdated = elsewhere->outdated && *status == RHEI_STALE && elsewhere->made_anew < TRIES;
    elsewhere->outdated = false;
    elsewhere->made_anew += outdated;
    if (outdated)
        error_clear(error);
    return outdated;
}
