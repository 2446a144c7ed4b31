/* SPDX-License-Identifier: Apache-2.0 */
#include "dashboard_model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FEW = 5 };

/* ---- Rates -------------------------------------------------------------------------------------------------------- */

double dashboard_value(const struct dashboard_model *model, enum dashboard_value value)
{
    return model->samples > 0 ? model->now.values[value] : NAN;
}

/* What came between the last two samples; NAN where a counter is unknown or began anew. */
static double difference(const struct dashboard_model *model, enum dashboard_value counter)
{
    if (model->samples < 2)
        return NAN;
    double came = model->now.values[counter] - model->before.values[counter];
    return came >= 0 ? came : NAN;
}

double dashboard_rate(const struct dashboard_model *model, enum dashboard_value counter)
{
    int64_t us = model->samples < 2 ? 0 : model->now.at_us - model->before.at_us;
    return us > 0 ? difference(model, counter) / ((double)us / 1e6) : NAN;
}

double dashboard_latency(const struct dashboard_model *model, enum dashboard_histogram_of of, double share)
{
    if (model->samples < 2)
        return NAN;
    size_t back = model->samples < DASHBOARD_WINDOW ? model->samples - 1 : DASHBOARD_WINDOW - 1;
    size_t from = (model->samples - 1 - back) % DASHBOARD_WINDOW;
    return dashboard_quantile(&model->windows[from][of], &model->now.histograms[of], share);
}

double dashboard_cycle_seconds(const struct dashboard_model *model)
{
    double cycles = difference(model, DASHBOARD_CYCLES_TIMED);
    return cycles > 0 ? difference(model, DASHBOARD_CYCLE_SECONDS) / cycles : NAN;
}

static void add_points(struct dashboard_model *model)
{
    double writes = dashboard_rate(model, DASHBOARD_WRITES);
    const double points[] = {
        [DASHBOARD_LAG_SERIES] = dashboard_value(model, DASHBOARD_LAG),
        [DASHBOARD_WRITE_SERIES] = isnan(writes) ? dashboard_rate(model, DASHBOARD_LOG_POSITION) : writes,
        [DASHBOARD_CHANGE_SERIES] = dashboard_rate(model, DASHBOARD_EVENTS),
        [DASHBOARD_QUERY_SERIES] = dashboard_rate(model, DASHBOARD_QUERIES),
        [DASHBOARD_P50_SERIES] = dashboard_latency(model, DASHBOARD_QUERY_TIME, 0.5),
        [DASHBOARD_P99_SERIES] = dashboard_latency(model, DASHBOARD_QUERY_TIME, 0.99),
        [DASHBOARD_CYCLE_SERIES] = dashboard_cycle_seconds(model),
    };
    for (int at = 0; at < DASHBOARD_SERIES; at++)
        dashboard_series_add(&model->series[at], points[at]);
}

/* ---- Events ------------------------------------------------------------------------------------------------------- */

#define TELL(...) dashboard_journal_add(&model->journal, __VA_ARGS__)

/* Lists mostly keep their order, so that it is looked for where it was. */
static const struct dashboard_table *table_before(const struct dashboard_sample *before, const char *name, size_t at)
{
    for (size_t i = 0; i < before->table_count; i++) {
        const struct dashboard_table *table = &before->tables[(at + i) % before->table_count];
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

static void tell_table(struct dashboard_model *model, const struct dashboard_table *table)
{
    switch (table->state) {
    case DASHBOARD_READY:
        TELL(DASHBOARD_GOOD, "table %s is ready", table->name);
        break;
    case DASHBOARD_BUILDING:
        TELL(DASHBOARD_USUAL, "table %s is being built", table->name);
        break;
    case DASHBOARD_FAILED:
        TELL(DASHBOARD_BAD, "table %s failed: %s", table->name, table->message);
        break;
    case DASHBOARD_UNMIRRORED:
        TELL(DASHBOARD_ODD, "table %s isn't mirrored: %s", table->name, table->message);
        break;
    case DASHBOARD_WAITING:
        TELL(DASHBOARD_USUAL, "table %s waits", table->name);
        break;
    case DASHBOARD_CAPTURED:
    case DASHBOARD_FOLLOWED:
        TELL(DASHBOARD_USUAL, "table %s is %s", table->name,
             table->state == DASHBOARD_CAPTURED ? "captured" : "followed");
        break;
    }
}

/* Many at once are one event, and not all that there is room for. */
static void tell_state(struct dashboard_model *model, enum dashboard_state state)
{
    static const char *const many[] = {"wait",         "are being built", "are ready", "failed", "aren't mirrored",
                                       "are captured", "are followed"};
    const struct dashboard_sample *now = &model->now, *before = &model->before;
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t at = 0; at < now->table_count; at++) {
            const struct dashboard_table *was = table_before(before, now->tables[at].name, at);
            if (now->tables[at].state != state || (was != NULL && was->state == state))
                continue;
            count += pass == 0;
            if (pass == 1 && count <= FEW)
                tell_table(model, &now->tables[at]);
        }
    if (count > FEW)
        TELL(state == DASHBOARD_FAILED ? DASHBOARD_BAD : DASHBOARD_USUAL, "%zu tables %s", count, many[state]);
}

static void tell_tables(struct dashboard_model *model)
{
    const struct dashboard_sample *now = &model->now, *before = &model->before;
    size_t gone = 0;
    for (int state = DASHBOARD_WAITING; state <= DASHBOARD_FOLLOWED; state++)
        tell_state(model, (enum dashboard_state)state);
    for (size_t at = 0; at < before->table_count; at++)
        if (table_before(now, before->tables[at].name, at) == NULL && ++gone <= FEW)
            TELL(DASHBOARD_ODD, "table %s is gone", before->tables[at].name);
    if (gone > FEW)
        TELL(DASHBOARD_ODD, "%zu tables more are gone", gone - FEW);
}

static void tell_sidecars(struct dashboard_model *model)
{
    const struct dashboard_sample *now = &model->now, *before = &model->before;
    for (size_t at = 0; at < now->sidecar_count && now->sidecar_count == before->sidecar_count; at++) {
        const struct dashboard_sidecar *sidecar = &now->sidecars[at], *was = &before->sidecars[at];
        if (sidecar->away && !was->away)
            TELL(DASHBOARD_BAD, "sidecar %s is away: %s", sidecar->name, sidecar->message);
        else if (!sidecar->away && was->away)
            TELL(DASHBOARD_GOOD, "sidecar %s is back", sidecar->name);
        else if (sidecar->message[0] != '\0' && strcmp(sidecar->message, was->message) != 0)
            TELL(DASHBOARD_ODD, "sidecar %s: %s", sidecar->name, sidecar->message);
    }
}

static bool has_engine(const struct dashboard_sample *sample, int64_t id)
{
    for (size_t at = 0; at < sample->engine_count; at++)
        if (sample->engines[at].id == id)
            return true;
    return false;
}

static void tell_engines(struct dashboard_model *model)
{
    const struct dashboard_sample *now = &model->now, *before = &model->before;
    for (size_t at = 0; at < now->engine_count; at++)
        if (!has_engine(before, now->engines[at].id))
            TELL(DASHBOARD_USUAL, "an engine is on the file: process %" PRId64, now->engines[at].process);
    for (size_t at = 0; at < before->engine_count; at++)
        if (!has_engine(now, before->engines[at].id))
            TELL(DASHBOARD_ODD, "the engine of process %" PRId64 " is gone", before->engines[at].process);
}

/* A message that is another than before, or that is over. */
static void tell_text(struct dashboard_model *model, enum dashboard_text text, enum dashboard_weight weight,
                      const char *label)
{
    const char *now = model->now.texts[text], *before = model->before.texts[text];
    if (strcmp(now, before) == 0)
        return;
    if (now[0] != '\0')
        TELL(weight, "%s: %s", label, now);
    else
        TELL(DASHBOARD_GOOD, "%s: it is over", label);
}

static void tell_texts(struct dashboard_model *model)
{
    tell_text(model, DASHBOARD_LAST_ERROR, DASHBOARD_BAD, "sync");
    tell_text(model, DASHBOARD_LOG_MESSAGE, DASHBOARD_ODD, "change log");
    tell_text(model, DASHBOARD_DISK_MESSAGE, DASHBOARD_BAD, "checkpoint");
}

static void tell_counter(struct dashboard_model *model, enum dashboard_value counter, const char *what)
{
    double came = difference(model, counter);
    if (came > 0)
        TELL(DASHBOARD_ODD, "%.0f %s", came, what);
}

static void tell_checkpoint(struct dashboard_model *model)
{
    struct rh_buffer size = {0};
    double position = model->now.values[DASHBOARD_DISK_POSITION];
    if (!(difference(model, DASHBOARD_DISK_POSITION) > 0))
        return;
    dashboard_add_bytes(&size, model->now.values[DASHBOARD_DISK_BYTES]);
    TELL(DASHBOARD_USUAL, "checkpoint at change %.0f, %s", position, size.bytes);
    rh_buffer_free(&size);
}

/* Counters of one process that became smaller are those of another. */
static bool began_anew(const struct dashboard_model *model)
{
    for (int at = 0; at < DASHBOARD_COUNTERS; at++)
        if (model->now.values[at] < model->before.values[at])
            return true;
    return false;
}

/* Another source knows other things of the same database: what differs then isn't news. */
static bool is_another_source(const struct dashboard_model *model)
{
    return strcmp(model->now.texts[DASHBOARD_SEEN_BY], model->before.texts[DASHBOARD_SEEN_BY]) != 0;
}

static void tell_events(struct dashboard_model *model)
{
    if (is_another_source(model))
        return;
    if (began_anew(model))
        TELL(DASHBOARD_ODD, "the counters began anew: it was opened again");
    tell_engines(model);
    tell_tables(model);
    tell_sidecars(model);
    tell_texts(model);
    tell_counter(model, DASHBOARD_ERRORS, "calls failed");
    tell_counter(model, DASHBOARD_CANCELLED, "queries were cancelled");
    tell_counter(model, DASHBOARD_FAILURES, "cycles failed");
    tell_checkpoint(model);
}

/* What isn't as it should be from the beginning. */
static void tell_first(struct dashboard_model *model)
{
    TELL(DASHBOARD_USUAL, "this is %s", model->now.texts[DASHBOARD_SEEN_BY]);
    tell_state(model, DASHBOARD_BUILDING);
    tell_state(model, DASHBOARD_FAILED);
    tell_texts(model);
}

void dashboard_model_take(struct dashboard_model *model, struct dashboard_sample *sample)
{
    dashboard_sample_reset(&model->before);
    model->before = model->now;
    model->now = *sample;
    *sample = (struct dashboard_sample){0};
    if (model->trouble[0] != '\0')
        TELL(DASHBOARD_GOOD, "it can be read again");
    model->trouble[0] = '\0';
    model->samples++;
    add_points(model);
    memcpy(model->windows[(model->samples - 1) % DASHBOARD_WINDOW], model->now.histograms,
           sizeof model->now.histograms);
    if (model->samples > 1)
        tell_events(model);
    else
        tell_first(model);
}

void dashboard_model_trouble(struct dashboard_model *model, const char *why)
{
    if (strcmp(why, model->trouble) != 0)
        TELL(DASHBOARD_BAD, "%s", why);
    (void)snprintf(model->trouble, sizeof model->trouble, "%s", why);
}

void dashboard_model_free(struct dashboard_model *model)
{
    dashboard_sample_reset(&model->now);
    dashboard_sample_reset(&model->before);
    dashboard_journal_free(&model->journal);
}
