/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of tables: numbers, where looks begin, who is set aside. */
#include "poll_internal.h"

#include <string.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"

#define ASIDE_NS INT64_C(30000000000) /* until a table that was set aside is tried again */

/* ---- Descriptions. ----------------------------------------------------------------------------------------------- */

static uint64_t print_text(const char *text, uint64_t seed)
{
    return text == NULL ? seed + 1 : base_hash(text, strlen(text) + 1, seed);
}

uint64_t poll_print(const struct poll_table *table)
{
    const struct source_table *definition = &table->definition;
    uint64_t print = definition->column_count + ((uint64_t)definition->key_is_integer << 32);
    for (uint32_t c = 0; c < definition->column_count; c++) {
        const struct source_column *column = &definition->columns[c];
        const unsigned char facts[] = {column->affinity, column->not_null, column->is_rowid_alias, column->generated};
        print = print_text(column->name, print);
        print = print_text(column->declared_type, print);
        print = print_text(column->collation, print);
        print = base_hash(facts, sizeof facts, print);
    }
    print = base_hash(definition->key_columns, definition->key_count * sizeof *definition->key_columns, print);
    print = base_hash(table->stamps, table->stamp_count * sizeof *table->stamps, print);
    return base_hash(&table->gone, sizeof table->gone, print);
}

/* ---- Marks. ------------------------------------------------------------------------------------------------------ */

static void marks_reset(struct poll_track *track)
{
    for (size_t s = 0; s < POLL_STAMPS_MOST; s++) {
        struct poll_mark *mark = &track->marks[s];
        for (size_t i = 0; i < POLL_STEPS; i++)
            poll_value_reset(&mark->steps[i]);
        poll_value_reset(&mark->top);
        mark->taken_ns = 0;
    }
}

void poll_mark_begin(struct poll_mark *mark, const struct rhei_value *value)
{
    bool room = poll_value_set(&mark->top, value);
    for (size_t i = 0; i < POLL_STEPS; i++)
        room = poll_value_set(&mark->steps[i], value) && room;
    for (size_t i = 0; i < POLL_STEPS && !room; i++)
        mark->steps[i].value = (struct rhei_value){0};
    if (!room)
        mark->top.value = (struct rhei_value){0};
}

/* Without memory for a text a step is what was one before, which only makes the next looks longer. */
static void move_mark(struct poll_mark *mark, int64_t now_ns, int64_t overlap_ns)
{
    int64_t share_ns = overlap_ns / (POLL_STEPS - 1),
            passed = mark->taken_ns == 0 ? 1 : (now_ns - mark->taken_ns) / share_ns;
    if (passed <= 0)
        return;
    struct poll_value *last = &mark->steps[POLL_STEPS - 1];
    for (int64_t i = passed < POLL_STEPS - 1 ? passed : POLL_STEPS - 1; i > 0; i--) {
        struct poll_value room = mark->steps[0];
        memmove(mark->steps, mark->steps + 1, (POLL_STEPS - 1) * sizeof mark->steps[0]);
        *last = room;
        (void)poll_value_set(last, i == 1 ? &mark->top.value
                                          : &last[-1].value); /* of times that nobody looked at: as before */
    }
    mark->taken_ns = now_ns;
}

void poll_marks_publish(struct poll_source *poll, int64_t now_ns)
{
    int64_t overlap_ms = poll->config.overlap_ms > 0 ? poll->config.overlap_ms : 5000;
    for (size_t t = 0; t < poll->track_count; t++) {
        struct poll_track *track = poll->tracks[t];
        for (size_t s = 0; s < POLL_STAMPS_MOST && track->looked; s++)
            move_mark(&track->marks[s], now_ns, overlap_ms * 1000000);
        if (track->looked) {
            track->fresh = false;
            track->look_moment = poll->moment;
        }
        if (track->swept) {
            int64_t least = (poll->config.sweep_ms > 0 ? poll->config.sweep_ms : 1000) * 1000000;
            int64_t took = track->sweep_cost_ns * 19; /* a twentieth of the time */
            track->sweep_owed = track->sweep_now = track->sweep_deletes = track->many_without = track->whole = false;
            track->sweep_from_ns = now_ns + (took > least ? took : least);
            track->horizon = track->horizon_next;
        }
        track->looked = track->swept = false;
    }
}

void poll_marks_drop(struct poll_source *poll)
{
    for (size_t t = 0; t < poll->track_count; t++)
        poll->tracks[t]->looked = poll->tracks[t]->swept = false;
}

/* The load's state is what the mirror has. */
void poll_track_follow(struct poll_track *track)
{
    marks_reset(track);
    for (size_t s = 0; s < POLL_STAMPS_MOST && track->loaded; s++)
        poll_mark_begin(&track->marks[s], &track->load_marks[s].value);
    track->horizon = track->look_moment = track->loaded ? track->load_horizon : 0;
    track->whole = !track->loaded;
    track->sweep_now = track->sweep_now || track->whole;
    track->sweep_deletes = track->sweep_deletes || track->whole;
    track->loaded = false;
    track->fresh = track->sweep_owed = true;
}

/* Without them the looks begin at the beginning, which only takes longer. */
void poll_track_marks(struct poll_source *poll, size_t table)
{
    struct poll_track *track = poll->of_table[table];
    const struct poll_table *described = &poll->tables[table];
    for (size_t s = 0; s < described->stamp_count; s++) {
        struct rhei_value value = {0};
        if (poll->reader->ops->newest(poll->reader, table, described->stamps[s], POLL_OVERLAP_ROWS, &value, NULL) ==
            RHEI_OK)
            poll_mark_begin(&track->marks[s], &value);
    }
}

/* ---- The list. --------------------------------------------------------------------------------------------------- */

static struct poll_track *find_track(struct poll_source *poll, const char *name)
{
    for (size_t t = 0; t < poll->track_count; t++)
        if (strcmp(poll->tracks[t]->name, name) == 0)
            return poll->tracks[t];
    return NULL;
}

struct poll_track *poll_track_add(struct poll_source *poll, const char *name)
{
    struct poll_track *track = base_alloc_zero(1, sizeof *track);
    if (track == NULL)
        return NULL;
    track->name = base_strdup(name);
    if (track->name == NULL ||
        !base_grow((void **)&poll->tracks, &poll->track_capacity, poll->track_count + 1, sizeof(struct poll_track *))) {
        base_free(track->name);
        base_free(track);
        return NULL;
    }
    return poll->tracks[poll->track_count++] = track;
}

/* Under `lock`. */
static void describe(struct poll_source *poll, struct poll_track *track, const struct poll_table *table)
{
    uint64_t print = poll_print(table);
    if (track->resumed) { /* whoever has rows of it knows whether it is the table that they are of */
        track->print = print;
        track->identity = table->identity;
        track->resumed = false;
    }
    if (track->id != 0 && track->print == print) {
        bool elsewhere = track->identity != table->identity;
        track->identity = table->identity;
        track->sweep_owed = track->sweep_owed || elsewhere;
        track->sweep_now = track->sweep_now || elsewhere;
        track->sweep_deletes = track->sweep_deletes || elsewhere;
        return;
    }
    marks_reset(track);
    track->advised = false;
    track->identity = table->identity;
    track->print = print;
    track->id = ++poll->next_id;
    track->loaded = track->followed = track->fresh = false;
}

static bool is_aside(struct poll_track *track, int64_t now_ns)
{
    if (track->aside_until_ns <= now_ns)
        track->aside_until_ns = 0;
    return track->aside_until_ns != 0;
}

const char *poll_unseen(const struct poll_wishes *wishes, bool all, struct base_arena *arena)
{
    struct base_buffer text = {0};
    if (wishes->soft_delete == NULL)
        return NULL;
    base_buffer_format(&text, "it has no column \"%.60s\", which [sidecar.delete_detection] names, so %s",
                       wishes->soft_delete,
                       all ? "none of its rows is taken for deleted" : "rows that are deleted there stay here");
    const char *said = text.failed ? NULL : base_arena_text(arena, text.data);
    base_buffer_reset(&text);
    return said;
}

static void advise(const struct poll_source *poll, struct poll_track *track, const struct poll_table *table)
{
    bool tell = !track->advised && table->definition.unmirrored_reason == NULL;
    if (tell && table->unseen != NULL)
        base_log_write(poll->config.log, BASE_LOG_WARN, "poll", "table %s: %s", track->name, table->unseen);
    if (tell && table->advice != NULL)
        base_log_write(poll->config.log, poll->config.seldom ? BASE_LOG_INFO : BASE_LOG_WARN, "poll", "table %s: %s",
                       track->name, table->advice);
    track->advised = true;
}

rhei_status poll_tracks_take(struct poll_source *poll, const struct poll_table *tables, size_t count,
                             struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    int64_t now_ns = base_now_ns();
    if (!base_grow((void **)&poll->list, &poll->list_capacity, count + 1, sizeof *poll->list) ||
        !base_grow((void **)&poll->of_table, &poll->of_capacity, count + 1, sizeof(struct poll_track *)))
        return error_no_memory(error);
    base_mutex_lock(&poll->lock);
    for (size_t t = 0; t < count && status == RHEI_OK; t++) {
        struct poll_track *track = find_track(poll, tables[t].definition.name);
        track = track == NULL ? poll_track_add(poll, tables[t].definition.name) : track;
        if (track == NULL) {
            status = error_no_memory(error);
            break;
        }
        describe(poll, track, &tables[t]);
        poll->of_table[t] = track;
        poll->list[t] = tables[t].definition;
        poll->list[t].id = track->id;
        if (poll->list[t].unmirrored_reason == NULL && is_aside(track, now_ns))
            poll->list[t].unmirrored_reason = track->aside;
    }
    base_mutex_unlock(&poll->lock);
    poll->tables = tables;
    poll->table_count = status == RHEI_OK ? count : 0;
    for (size_t t = 0; t < poll->table_count; t++)
        advise(poll, poll->of_table[t], &tables[t]);
    return status;
}

void poll_set_aside(struct poll_source *poll, struct poll_track *track, const struct rhei_error *why)
{
    size_t len = base_utf8_cut(why->message, strlen(why->message), sizeof track->aside - 1);
    base_mutex_lock(&poll->lock);
    memcpy(track->aside, why->message, len);
    track->aside[len] = 0;
    track->aside_until_ns = base_now_ns() + ASIDE_NS;
    base_mutex_unlock(&poll->lock);
}

void poll_tracks_free(struct poll_source *poll)
{
    for (size_t t = 0; t < poll->track_count; t++) {
        struct poll_track *track = poll->tracks[t];
        marks_reset(track);
        for (size_t s = 0; s < POLL_STAMPS_MOST; s++)
            poll_value_reset(&track->load_marks[s]);
        base_free(track->name);
        base_free(track);
    }
    base_free(poll->tracks);
    base_free(poll->list);
    base_free(poll->of_table);
}
