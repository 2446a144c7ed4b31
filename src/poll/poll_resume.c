/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source is gone on with once it was closed: which database it was, and the numbers of its tables.
 *
 *   1. What is remembered is true of the published state: while a look that found another database isn't known to be published, nothing is.
 *   2. Another database behind the same name is lost with the first look, and every table is loaded.
 *   3. What isn't as it was written, to the last bit, is nothing to go on with.
 *   4. A table has its number again by its name; whether its rows are of it, who has them looks at (the definition), and the first look, which is a
 *      sweep, makes them those that there are.
 */
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_words.h"
#include "poll_internal.h"

enum { FORMAT = 2 };

rhei_status poll_remember(struct change_source *source, void **bytes, size_t *len, struct rhei_error *error)
{
    struct poll_source *poll = (struct poll_source *)source;
    struct base_buffer out = {0};
    *bytes = NULL;
    base_mutex_lock(&poll->lock);
    bool known = poll->identity[0] != '\0';
    uint64_t count = 0;
    for (size_t t = 0; t < poll->track_count; t++)
        count += poll->tracks[t]->id != 0;
    base_words_put(&out, FORMAT);
    base_words_put_text(&out, poll->identity);
    base_words_put(&out, (uint64_t)poll->settled_us);
    base_words_put(&out, poll->next_id);
    base_words_put(&out, count);
    for (size_t t = 0; t < poll->track_count; t++)
        if (poll->tracks[t]->id != 0) {
            base_words_put(&out, poll->tracks[t]->id);
            base_words_put_text(&out, poll->tracks[t]->name);
        }
    base_words_seal(&out);
    base_mutex_unlock(&poll->lock);
    *len = out.len;
    if (!known || out.failed) {
        bool failed = out.failed;
        base_buffer_reset(&out);
        return failed ? error_no_memory(error)
                      : error_set(error, RHEI_NOT_FOUND, "no look of this database was published yet");
    }
    *bytes = base_buffer_take(&out);
    return *bytes == NULL ? error_no_memory(error) : RHEI_OK;
}

static rhei_status take_tables(struct poll_source *poll, const char **at, const char *end, bool *wrong,
                               struct rhei_error *error)
{
    uint64_t count = base_words_take(at, end, wrong);
    for (uint64_t t = 0; t < count && !*wrong; t++) {
        uint64_t id = base_words_take(at, end, wrong);
        const char *name = base_words_take_text(at, end, wrong);
        if (*wrong || id == 0 || id > poll->next_id) {
            *wrong = true;
            break;
        }
        struct poll_track *track = poll_track_add(poll, name);
        if (track == NULL)
            return error_no_memory(error);
        track->id = (uint32_t)id;
        track->resumed = true;
    }
    return RHEI_OK;
}

rhei_status poll_resume(struct change_source *source, const void *bytes, size_t len, struct rhei_error *error)
{
    struct poll_source *poll = (struct poll_source *)source;
    const char *at = bytes, *end = at + len;
    bool wrong = false;
    base_mutex_lock(&poll->lock);
    wrong = !base_words_sealed(at, &end);
    wrong = base_words_take(&at, end, &wrong) != FORMAT || wrong;
    const char *identity = base_words_take_text(&at, end, &wrong);
    poll->last_us = poll->settled_us = (int64_t)base_words_take(&at, end, &wrong);
    poll->next_id = (uint32_t)base_words_take(&at, end, &wrong);
    rhei_status status = wrong ? RHEI_OK : take_tables(poll, &at, end, &wrong, error);
    if (!wrong && strlen(identity) < sizeof poll->kept_identity)
        memcpy(poll->kept_identity, identity, strlen(identity) + 1);
    poll->keeps = true;
    base_mutex_unlock(&poll->lock);
    return status;
}

/* ---- Looks. ------------------------------------------------------------------------------------------------------ */

/* 2. What isn't understood is of no database that there is. */
static void compare_kept(struct poll_source *poll, const char *now, struct poll_state *state)
{
    bool same = poll->kept_identity[0] != '\0' && strcmp(poll->kept_identity, now) == 0;
    poll->keeps = false;
    if (same) { /* what is shown is of it already */
        memcpy(poll->seen_identity, poll->kept_identity, sizeof poll->seen_identity);
        memcpy(poll->identity, poll->kept_identity, sizeof poll->identity);
        return;
    }
    state->lost = true;
    for (size_t t = 0; t < poll->track_count; t++) { /* their numbers are of the other one's tables */
        poll->tracks[t]->id = 0;
        poll->tracks[t]->resumed = false;
    }
    base_log_write(poll->config.log, BASE_LOG_WARN, "poll",
                   "the source isn't the database that the folder has the state of: every table is loaded anew");
}

void poll_identity_begin(struct poll_source *poll, int64_t after, struct poll_state *state)
{
    char now[POLL_IDENTITY] = "";
    if (poll->reader->ops->identity != NULL)
        poll->reader->ops->identity(poll->reader, now);
    base_mutex_lock(&poll->lock);
    if (poll->keeps)
        compare_kept(poll, now, state);
    bool other = state->lost || strcmp(now, poll->seen_identity) != 0;
    if (other) { /* 1. */
        memcpy(poll->seen_identity, now, sizeof now);
        poll->identity[0] = '\0';
        poll->identity_from = INT64_MAX;
    } else if (poll->identity[0] == '\0' && after >= poll->identity_from) {
        memcpy(poll->identity, now, sizeof now);
    }
    base_mutex_unlock(&poll->lock);
}

void poll_identity_look(struct poll_source *poll, int64_t position)
{
    if (poll->identity_from == INT64_MAX)
        poll->identity_from = position;
}
