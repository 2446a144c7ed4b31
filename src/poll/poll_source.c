/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source: what a look reads, and when.
 *
 * A look goes table by table: pages by each stamp, from where the last looks left off less the overlap; rows without a stamp; and, where one is due, a
 * sweep of all rows. A look that finds nothing committed since the last one reads nothing.
 */
#include "poll_internal.h"

#include <stdatomic.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_memory.h"

enum { PAGE_ROWS = 10000, WITHOUT_MOST = 10000 };

static struct poll_source *self(struct change_source *source)
{
    return (struct poll_source *)source;
}

/* What was committed is known to a look alone. */
static bool poll_may_have_changes(struct change_source *source, uint64_t token)
{
    (void)source;
    (void)token;
    return true;
}

static void poll_awaited(struct change_source *source, bool names)
{
    struct poll_source *poll = self(source);
    if (names && poll->reader->ops->renew != NULL)
        poll->reader->ops->renew(poll->reader);
}

static void poll_following(struct change_source *source, const uint32_t *tables, size_t count)
{
    struct poll_source *poll = self(source);
    base_mutex_lock(&poll->lock);
    for (size_t t = 0; t < poll->track_count; t++) {
        struct poll_track *track = poll->tracks[t];
        bool followed = false;
        for (size_t i = 0; i < count && !followed; i++)
            followed = tables[i] == track->id;
        if (followed && !track->followed)
            poll_track_follow(track);
        track->followed = followed;
    }
    base_mutex_unlock(&poll->lock);
}

/* ---- The beginning of a look. ------------------------------------------------------------------------------------ */

/* The rows of the last look are shown if the next one begins behind it. */
static void settle_last(struct poll_source *poll, int64_t after)
{
    bool published = poll->tentative && after >= poll->looked_position;
    if (published)
        poll_marks_publish(poll, base_now_ns());
    else
        poll_marks_drop(poll);
    if (published) {
        poll->owed = false;
        poll->last_us = poll->looked_us;
        base_mutex_lock(&poll->lock);
        poll->settled_us = poll->last_us;
        base_mutex_unlock(&poll->lock);
    }
    poll->tentative = false;
}

static void note_state(struct poll_source *poll, const struct poll_state *state)
{
    bool lost = state->lost || poll->lost_owed;
    poll->owed = poll->owed || state->changed || lost;
    poll->list_owed = poll->list_owed || state->schema_changed || lost;
    poll->lost_owed = lost;
    poll->changes += state->changed;
    poll->horizon = state->horizon;
    poll->moment = state->moment;
    bool now = state->doubtful ||
               (state->changed &&
                (poll->config.snapshot || (poll->config.every > 0 && poll->changes % poll->config.every == 0)));
    for (size_t t = 0; t < poll->track_count; t++) {
        struct poll_track *track = poll->tracks[t];
        track->sweep_owed = track->sweep_owed || state->changed;
        track->sweep_now = track->sweep_now || now;
        track->sweep_deletes = track->sweep_deletes || state->doubtful;
    }
}

static bool aside_is_over(const struct poll_source *poll, int64_t now_ns)
{
    bool over = false;
    for (size_t t = 0; t < poll->track_count; t++)
        over = over || (poll->tracks[t]->aside_until_ns != 0 && poll->tracks[t]->aside_until_ns <= now_ns);
    return over;
}

static rhei_status read_list(struct poll_source *poll, struct rhei_error *error)
{
    const struct poll_table *tables = NULL;
    size_t count = 0;
    if (poll->list_owed) /* what made a table unreadable may be over */
        for (size_t t = 0; t < poll->track_count; t++)
            poll->tracks[t]->aside_until_ns = 0;
    poll->table_count = 0;
    rhei_status status = poll->reader->ops->tables(poll->reader, &tables, &count, error);
    if (status == RHEI_OK)
        status = poll_tracks_take(poll, tables, count, error);
    poll->list_owed = status != RHEI_OK;
    poll->list_changed = poll->list_changed || status == RHEI_OK;
    return status;
}

static bool sweep_is_due(const struct poll_source *poll, const struct poll_track *track, int64_t now_ns)
{
    if (track->sweep_now || track->whole || (track->fresh && poll->config.snapshot))
        return true;
    return track->sweep_owed && !poll->config.snapshot && now_ns >= track->sweep_from_ns;
}

/* A sweep of what was written since the last one will do: the database knows that, whatever the rows say. */
static bool by_horizon(const struct poll_source *poll, const struct poll_track *track)
{
    return track->horizon != 0 && poll->horizon != 0 && !track->sweep_now && !poll->config.snapshot;
}

static bool is_read(const struct poll_source *poll, size_t table)
{
    const struct poll_track *track = poll->of_table[table];
    return track->followed && track->aside_until_ns == 0 && poll->list[table].unmirrored_reason == NULL;
}

/* Whether there is anything to read. */
static bool wants_look(const struct poll_source *poll, int64_t now_ns)
{
    bool wants = poll->owed;
    for (size_t t = 0; t < poll->table_count && !wants; t++)
        wants = is_read(poll, t) && (poll->of_table[t]->fresh || sweep_is_due(poll, poll->of_table[t], now_ns));
    return wants;
}

static void start_step(struct poll_source *poll, size_t table, uint32_t step)
{
    poll->table = table;
    poll->step = step;
    poll->first = true;
    poll->begun_sweep = false;
    poll->without = 0;
}

static rhei_status poll_begin(struct change_source *source, int64_t after, struct change_cycle *cycle, uint64_t *token,
                              struct rhei_error *error)
{
    struct poll_source *poll = self(source);
    struct poll_state state = {0};
    settle_last(poll, after);
    int64_t now_ns = base_now_ns(), wall_us = base_wall_ms() * 1000;
    rhei_status status = poll->reader->ops->begin(poll->reader, &state, error);
    if (status != RHEI_OK)
        return status;
    poll_identity_begin(poll, after, &state);
    note_state(poll, &state);
    if (poll->list_owed || aside_is_over(poll, now_ns))
        status = read_list(poll, error);
    if (status != RHEI_OK) {
        poll->reader->ops->end(poll->reader);
        return status;
    }
    int64_t last = atomic_load(&poll->position);
    last = last > after ? last : after;
    poll->looking = wants_look(poll, now_ns);
    poll->looked_us = wall_us;
    poll->looked_position = poll->looking ? last + 1 : last;
    atomic_store(&poll->position, poll->looked_position);
    poll_identity_look(poll, poll->looked_position);
    for (size_t t = 0; t < poll->table_count && poll->looking; t++)
        if (is_read(poll, t) && poll->of_table[t]->whole)
            poll_track_marks(poll, t);
    *cycle = (struct change_cycle){.position = poll->looking ? poll->looked_position : after,
                                   .schema_changed = poll->list_changed,
                                   .lost = poll->lost_owed,
                                   .suspect = false};
    poll->lost_owed = false;
    start_step(poll, 0, 0);
    if (token != NULL)
        *token = 0;
    return RHEI_OK;
}

static void poll_end(struct change_source *source)
{
    struct poll_source *poll = self(source);
    poll->reader->ops->end(poll->reader);
}

static rhei_status poll_tables(struct change_source *source, const struct source_table **tables, size_t *count,
                               struct rhei_error *error)
{
    struct poll_source *poll = self(source);
    (void)error;
    *tables = poll->list;
    *count = poll->table_count;
    poll->list_changed = false;
    return RHEI_OK;
}

/* ---- Steps. ------------------------------------------------------------------------------------------------------ */

static bool step_is_wanted(const struct poll_source *poll, uint32_t step)
{
    const struct poll_table *table = &poll->tables[poll->table];
    const struct poll_track *track = poll->of_table[poll->table];
    if (step < STEP_SWEEP && track->whole) /* the sweep reads all of it */
        return false;
    if (step < STEP_WITHOUT)
        return step < table->stamp_count && !poll->config.snapshot;
    if (step == STEP_WITHOUT)
        return table->stamp_count > 0 && !poll->config.snapshot && !track->many_without &&
               !table->definition.columns[table->stamps[0]].not_null;
    if (track->swept || by_horizon(poll, track) != (step == STEP_SINCE))
        return false;
    return sweep_is_due(poll, track, base_now_ns());
}

/* The next step that has something to read; false: none is left. */
static bool find_step(struct poll_source *poll)
{
    while (poll->table < poll->table_count) {
        bool read = is_read(poll, poll->table);
        if (read && poll->step < STEP_DONE && step_is_wanted(poll, poll->step))
            return true;
        if (read && poll->step < STEP_DONE) {
            start_step(poll, poll->table, poll->step + 1);
            continue;
        }
        poll->of_table[poll->table]->looked = read;
        start_step(poll, poll->table + 1, 0);
    }
    return false;
}

static void ask_of(struct poll_source *poll, size_t most, struct poll_page *page)
{
    const struct poll_table *table = &poll->tables[poll->table];
    const struct poll_track *track = poll->of_table[poll->table];
    *page = (struct poll_page){.table = poll->table, .order = POLL_BY_KEY, .first = poll->first, .most = most};
    page->from = poll->place.from;
    page->since = poll->moment != 0 ? track->look_moment : 0; /* of the overlap, only what is new */
    if (poll->step < STEP_WITHOUT) {
        page->order = POLL_BY_STAMP;
        page->stamp = table->stamps[poll->step];
        page->from = poll->first ? &track->marks[poll->step].steps[0].value : poll->place.from;
    } else if (poll->step == STEP_WITHOUT) {
        page->order = POLL_WITHOUT_STAMP;
        page->stamp = table->stamps[0];
    } else if (poll->step == STEP_SINCE) {
        page->order = POLL_SINCE;
        page->since = track->horizon;
    }
}

/* By the source's clock where that lies between the last look and this one; else what was told of the past before would change. */
static int64_t time_of(const struct poll_source *poll, const struct rhei_value *stamp)
{
    int64_t time_us = 0;
    if (poll_time_of(stamp, &time_us) && time_us > poll->last_us && time_us <= poll->looked_us)
        return time_us;
    return poll->looked_us;
}

static void fill_facts(struct poll_source *poll, struct change_batch *view)
{
    const struct poll_table *table = &poll->tables[poll->table];
    struct poll_batch *batch = &poll->batch;
    for (size_t i = 0; i < view->row_count || i == 0; i++) {
        bool gone = view->op != NULL && i < view->row_count && view->op[i] == CHANGE_DELETE;
        uint32_t column = gone ? (uint32_t)table->gone : table->stamps[0];
        bool stamped = i < view->row_count && (gone || table->stamp_count > 0);
        batch->seq[i] = poll->looked_position;
        batch->time_us[i] = stamped ? time_of(poll, &view->columns[column][i]) : poll->looked_us;
    }
    view->table = poll->list[poll->table].id;
    view->seq = batch->seq;
    view->time_us = batch->time_us;
    view->repeats = true;
}

/*
 * The newest stamp of the look so far; without memory for it the next look begins where this one did. Of a look that is told only what is new it may be
 * the stamp of a late row, which takes the marks of later looks back a little, and never too far on.
 */
static void note_stamp(struct poll_source *poll, const struct poll_rows *rows)
{
    struct poll_track *track = poll->of_table[poll->table];
    uint32_t column = poll->tables[poll->table].stamps[poll->step];
    (void)poll_value_set(&track->marks[poll->step].top, &rows->columns[column][rows->count - 1]);
}

/* All its rows, or all that matter, were read. */
static void note_sweep(struct poll_source *poll)
{
    struct poll_track *track = poll->of_table[poll->table];
    int64_t took = base_now_ns() - track->sweep_began_ns, before = track->sweep_took_ns;
    track->sweep_cost_ns = before > 0 && before < took ? before : took;
    track->sweep_took_ns = took;
    track->horizon_next = poll->horizon;
    track->swept = true;
}

/* Behind a page: the next one of the step, or the next step. */
static rhei_status go_on(struct poll_source *poll, const struct poll_page *page, const struct poll_rows *rows,
                         struct rhei_error *error)
{
    struct poll_track *track = poll->of_table[poll->table];
    int64_t stamp = page->order == POLL_BY_STAMP ? (int64_t)page->stamp : -1;
    if (rows->count > 0 && page->order == POLL_BY_STAMP)
        note_stamp(poll, rows);
    poll->without += poll->step == STEP_WITHOUT ? rows->count : 0;
    if (poll->without > WITHOUT_MOST) /* sweeps see them */
        track->many_without = track->sweep_owed = true;
    if (rows->count == page->most && poll->step == STEP_SINCE) { /* which has no order */
        poll->first = false;
        return RHEI_OK;
    }
    if (rows->count == page->most && !(poll->step == STEP_WITHOUT && track->many_without)) {
        poll->first = false;
        return poll_place_set(&poll->place, &poll->tables[poll->table], rows, stamp) ? RHEI_OK : error_no_memory(error);
    }
    if (poll->step == STEP_SINCE)
        note_sweep(poll);
    if (poll->step != STEP_SWEEP)
        start_step(poll, poll->table, poll->step + 1);
    else
        poll->step = STEP_DONE; /* its end is told next */
    return RHEI_OK;
}

static bool tells_gone(const struct poll_source *poll)
{
    return poll->config.deletes || poll->of_table[poll->table]->sweep_deletes;
}

/* A sweep is over. False: nobody has to be told. */
static bool end_sweep(struct poll_source *poll, struct change_batch *view)
{
    bool tell = tells_gone(poll);
    *view = (struct change_batch){.column_count = poll->list[poll->table].column_count,
                                  .columns = (const struct rhei_value *const *)poll->batch.columns,
                                  .sweep = CHANGE_SWEEP_ENDS};
    fill_facts(poll, view);
    note_sweep(poll);
    poll->begun_sweep = false;
    return tell;
}

static bool is_of_table(rhei_status status)
{
    return status == RHEI_SQL || status == RHEI_NOT_FOUND || status == RHEI_TYPE || status == RHEI_TOO_BIG;
}

static rhei_status read_page(struct poll_source *poll, size_t max_rows, struct rhei_error *error)
{
    struct poll_track *track = poll->of_table[poll->table];
    const struct poll_table *table = &poll->tables[poll->table];
    struct poll_rows rows = {0};
    struct poll_page page;
    size_t most = poll->config.page_rows > 0 ? poll->config.page_rows : PAGE_ROWS;
    uint8_t sweep = CHANGE_SWEEP_NONE;
    if (poll->step == STEP_SWEEP && tells_gone(poll))
        sweep = poll->begun_sweep ? CHANGE_SWEEP_GOES_ON : CHANGE_SWEEP_BEGINS;
    if (poll->step == STEP_SWEEP ? !poll->begun_sweep : poll->first)
        track->sweep_began_ns = base_now_ns();
    ask_of(poll, most < max_rows ? most : max_rows, &page);
    rhei_status status = poll->reader->ops->page(poll->reader, &page, &rows, error);
    if (status == RHEI_OK)
        status = poll_batch_fill(&poll->batch, table, &rows, false, error);
    if (status != RHEI_OK)
        return status;
    poll->begun_sweep = poll->step == STEP_SWEEP;
    poll->batch.view.sweep = sweep;
    fill_facts(poll, &poll->batch.view);
    return go_on(poll, &page, &rows, error);
}

static rhei_status poll_next(struct change_source *source, size_t max_rows, const struct change_batch **batches,
                             size_t *count, struct rhei_error *error)
{
    struct poll_source *poll = self(source);
    *count = 0;
    while (poll->looking) {
        if (poll->begun_sweep && poll->step == STEP_DONE && end_sweep(poll, &poll->batch.view))
            break;
        if (!find_step(poll)) {
            poll->looking = false;
            break;
        }
        struct rhei_error why = RHEI_ERROR_INIT;
        rhei_status status = read_page(poll, max_rows, &why);
        if (is_of_table(status)) { /* 4. */
            poll_set_aside(poll, poll->of_table[poll->table], &why);
            poll->list_changed = true;
            poll->list[poll->table].unmirrored_reason = poll->of_table[poll->table]->aside;
            continue;
        }
        if (status != RHEI_OK)
            return error_set(error, status, "%s", why.message);
        break;
    }
    if (!poll->looking) {
        poll->tentative = true;
        return RHEI_OK;
    }
    *batches = &poll->batch.view;
    *count = 1;
    return RHEI_OK;
}

/* ---- The rest. --------------------------------------------------------------------------------------------------- */

/* Nothing is kept for anybody. */
static rhei_status poll_prune(struct change_source *source, int64_t position, uint64_t *pruned,
                              struct rhei_error *error)
{
    (void)source;
    (void)position;
    (void)error;
    *pruned = 0;
    return RHEI_OK;
}

static void poll_close(struct change_source **slot)
{
    struct poll_source *poll = *slot == NULL ? NULL : self(*slot);
    *slot = NULL;
    if (poll == NULL)
        return;
    if (poll->reader != NULL)
        poll->reader->ops->close(&poll->reader);
    poll_tracks_free(poll);
    poll_batch_reset(&poll->batch);
    poll_place_reset(&poll->place);
    base_mutex_destroy(&poll->lock);
    if (poll->config.close != NULL)
        poll->config.close(poll->config.context);
    base_free(poll);
}

static const struct change_source_ops poll_ops = {
    .name = "poll",
    .may_have_changes = poll_may_have_changes,
    .following = poll_following,
    .awaited = poll_awaited,
    .begin = poll_begin,
    .next = poll_next,
    .end = poll_end,
    .tables = poll_tables,
    .load_begin = poll_load_begin,
    .load_next = poll_load_next,
    .load_end = poll_load_end,
    .prune = poll_prune,
    .remember = poll_remember,
    .resume = poll_resume,
    .close = poll_close,
};

void poll_source_interrupt(struct change_source *source)
{
    struct poll_source *poll = self(source);
    if (poll->config.interrupt != NULL)
        poll->config.interrupt(poll->config.context);
}

rhei_status poll_source_open(const struct poll_config *config, struct change_source **source, struct rhei_error *error)
{
    struct poll_source *poll = base_alloc_zero(1, sizeof *poll);
    *source = NULL;
    if (poll == NULL) {
        if (config->close != NULL)
            config->close(config->context);
        return error_no_memory(error);
    }
    poll->base.ops = &poll_ops;
    poll->config = *config;
    poll->list_owed = poll->owed = true;
    base_mutex_init(&poll->lock);
    *source = &poll->base;
    rhei_status status = config->open(config->context, &poll->reader, error);
    if (status != RHEI_OK)
        poll_close(source);
    return status;
}
