/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dashboard_model.h
 * What is shown, made of samples: rates are differences of counters over measured time, events are differences of states.
 */
#ifndef DASHBOARD_MODEL_H
#define DASHBOARD_MODEL_H

#include "dashboard_journal.h"
#include "dashboard_sample.h"
#include "dashboard_units.h"

enum dashboard_series_of {
    DASHBOARD_LAG_SERIES,    /* changes behind */
    DASHBOARD_WRITE_SERIES,  /* a second */
    DASHBOARD_CHANGE_SERIES, /* a second */
    DASHBOARD_QUERY_SERIES,  /* a second */
    DASHBOARD_P50_SERIES,    /* seconds, of queries */
    DASHBOARD_P99_SERIES,
    DASHBOARD_CYCLE_SERIES, /* seconds, the mean */
    DASHBOARD_SERIES,
};

enum { DASHBOARD_WINDOW = 10 }; /* samples that quantiles look back on: of one alone they would jump */

/** Zero it to start; one thread. */
struct dashboard_model {
    struct dashboard_sample now, before;
    size_t samples;
    struct dashboard_series series[DASHBOARD_SERIES];
    struct dashboard_histogram windows[DASHBOARD_WINDOW][DASHBOARD_HISTOGRAMS];
    struct dashboard_journal journal;
    char trouble[DASHBOARD_LINE]; /* why there is no newer sample; "": there is */
};

/** Takes the sample over; the one before the last goes. */
void dashboard_model_take(struct dashboard_model *model, struct dashboard_sample *sample);
/** There was no sample to be had: what was known stays, marked with the reason. */
void dashboard_model_trouble(struct dashboard_model *model, const char *why);
void dashboard_model_free(struct dashboard_model *model);

/** As it is known now; NAN: it isn't. */
double dashboard_value(const struct dashboard_model *model, enum dashboard_value value);
/** A second, between the last two samples; NAN: not known, also where the counter began anew. Never negative. */
double dashboard_rate(const struct dashboard_model *model, enum dashboard_value counter);
/** Seconds, of what came in the last DASHBOARD_WINDOW samples; NAN: nothing did, or nobody counts. */
double dashboard_latency(const struct dashboard_model *model, enum dashboard_histogram_of of, double share);
/** Mean seconds of a cycle between the last two samples; NAN: there was none, or nobody tells. */
double dashboard_cycle_seconds(const struct dashboard_model *model);

#endif
