/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double bench_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "rhei_bench: %s: %s\n", what, why);
    exit(1);
}

void bench_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("  ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
}

void samples_add(struct samples *samples, double value)
{
    if (samples->count < BENCH_SAMPLES)
        samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort(struct samples *samples)
{
    if (samples->count == 0)
        bench_die("a figure", "has no sample");
    qsort(samples->values, samples->count, sizeof samples->values[0], compare);
}

double samples_median(struct samples *samples)
{
    sort(samples);
    return samples->values[samples->count / 2];
}

double samples_at(struct samples *samples, double part)
{
    sort(samples);
    return samples->values[(size_t)((double)(samples->count - 1) * part)];
}

double samples_min(struct samples *samples)
{
    sort(samples);
    return samples->values[0];
}

double samples_max(struct samples *samples)
{
    sort(samples);
    return samples->values[samples->count - 1];
}

void report_add(struct report *report, const struct figure *figure)
{
    if (report->count < sizeof report->figures / sizeof report->figures[0])
        report->figures[report->count++] = *figure;
}

void report_add_samples(struct report *report, struct figure *figure, struct samples *samples)
{
    figure->value = samples_median(samples);
    figure->low = samples_min(samples);
    figure->high = samples_max(samples);
    report_add(report, figure);
}

static bool short_of(const struct figure *figure)
{
    if (isnan(figure->target))
        return false;
    return figure->sense == AT_LEAST ? figure->compared < figure->target : figure->compared > figure->target;
}

static const char *number(char *text, size_t size, double value)
{
    double magnitude = fabs(value);
    if (magnitude >= 1e6)
        snprintf(text, size, "%.2f M", value / 1e6);
    else if (magnitude >= 1e4)
        snprintf(text, size, "%.1f k", value / 1e3);
    else if (magnitude >= 100)
        snprintf(text, size, "%.0f", value);
    else
        snprintf(text, size, "%.3g", value);
    return text;
}

void report_add_value(struct report *report, const char *name, double value, double target, enum figure_sense sense)
{
    char text[16];
    snprintf(text, sizeof text, "%s %g", sense == AT_MOST ? "<=" : ">=", target);
    struct figure figure = {.name = strdup(name),
                            .unit = "",
                            .value = value,
                            .low = value,
                            .high = value,
                            .compared = value,
                            .target_text = strdup(text),
                            .target = target,
                            .sense = sense};
    report_add(report, &figure);
}

size_t report_print(const struct report *report)
{
    size_t missed = 0;
    printf("%-58s %14s %19s %14s %9s  %-12s\n", "figure", "Rhei", "range", "peer", "compared", "target");
    for (size_t i = 0; i < report->count; i++) {
        const struct figure *figure = &report->figures[i];
        char value[32], low[32], high[32], range[72], peer[32], target[48];
        snprintf(range, sizeof range, "%s..%s", number(low, sizeof low, figure->low),
                 number(high, sizeof high, figure->high));
        snprintf(target, sizeof target, "%s", figure->target_text != NULL ? figure->target_text : "-");
        bool missing = short_of(figure);
        missed += missing;
        printf("%-58s %9s %-4s %19s %14s %9.3g  %-12s%s\n", figure->name, number(value, sizeof value, figure->value),
               figure->unit, range, figure->peer != NULL ? number(peer, sizeof peer, figure->peer_value) : "-",
               figure->compared, target, missing ? "  falls short" : "");
    }
    printf("\n%zu figures, %zu fall short. Medians; peers ran in the same run, in turn.\n", report->count, missed);
    return missed;
}

bool report_write_json(const struct report *report, const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return false;
    fputs("[\n", file);
    for (size_t i = 0; i < report->count; i++) {
        const struct figure *figure = &report->figures[i];
        fprintf(file,
                "  {\"name\": \"%s\", \"unit\": \"%s\", \"median\": %.9g, \"min\": %.9g, \"max\": %.9g, \"compared\": "
                "%.9g",
                figure->name, figure->unit, figure->value, figure->low, figure->high, figure->compared);
        if (figure->peer != NULL)
            fprintf(file, ", \"peer\": \"%s\", \"peer_median\": %.9g", figure->peer, figure->peer_value);
        if (!isnan(figure->target))
            fprintf(file, ", \"target\": %.9g, \"sense\": \"%s\", \"reached\": %s", figure->target,
                    figure->sense == AT_LEAST ? "at least" : "at most", short_of(figure) ? "false" : "true");
        fprintf(file, "}%s\n", i + 1 < report->count ? "," : "");
    }
    fputs("]\n", file);
    return fclose(file) == 0;
}
