/* SPDX-License-Identifier: Apache-2.0 */
/* Samples, figures and how they are printed: as a table for people, as JSON for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_SAMPLES = 4096 };

struct samples {
    double values[BENCH_SAMPLES];
    size_t count;
};
void samples_add(struct samples *samples, double value);
double samples_median(struct samples *samples);
/* 0.99: what 99 of 100 don't surpass. */
double samples_at(struct samples *samples, double part);
double samples_min(struct samples *samples);
double samples_max(struct samples *samples);

enum figure_sense { AT_LEAST, AT_MOST };

struct figure {
    const char *name;
    const char *unit; /* of value and peer: "rows/s", "us", "" */
    double value;     /* median */
    double low, high; /* its range over the runs */
    const char *peer; /* what it is compared with, or NULL */
    double peer_value;
    double compared; /* what the target speaks of: a ratio, or the value itself */
    const char *target_text;
    double target;
    enum figure_sense sense;
};

struct report {
    struct figure figures[320];
    size_t count;
};
void report_add(struct report *report, const struct figure *figure);
/* Its value and range from these. */
void report_add_samples(struct report *report, struct figure *figure, struct samples *samples);
/* One number of its own, without a unit or a range, which is to be at least or at most `target`. Copies the name. */
void report_add_value(struct report *report, const char *name, double value, double target, enum figure_sense sense);
/* Everything as a table on standard output; returns how many fall short. */
size_t report_print(const struct report *report);
bool report_write_json(const struct report *report, const char *path);

double bench_now_s(void);
void bench_die(const char *what, const char *why);
/* "measuring ..." on standard error. */
void bench_say(const char *format, ...);

#endif
