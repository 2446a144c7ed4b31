/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dashboard_journal.h
 * What happened, the newest last: a line with its time and how much it matters. The oldest go.
 */
#ifndef DASHBOARD_JOURNAL_H
#define DASHBOARD_JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { DASHBOARD_ENTRIES = 500 };
enum dashboard_weight { DASHBOARD_USUAL, DASHBOARD_GOOD, DASHBOARD_ODD, DASHBOARD_BAD };

struct dashboard_entry {
    time_t at;
    enum dashboard_weight weight;
    char *text;
};

/** Zero it to start. */
struct dashboard_journal {
    struct dashboard_entry entries[DASHBOARD_ENTRIES];
    size_t count, next;
};
void dashboard_journal_add(struct dashboard_journal *journal, enum dashboard_weight weight, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** The same of what happened at that time. */
void dashboard_journal_add_at(struct dashboard_journal *journal, time_t at, enum dashboard_weight weight,
                              const char *text);
/** The one so many before the newest; NULL: there is none. */
const struct dashboard_entry *dashboard_journal_back(const struct dashboard_journal *journal, size_t back);
/** Moves all of one behind those of the other. */
void dashboard_journal_move(struct dashboard_journal *from, struct dashboard_journal *to);
/** "12:34:56" of this machine's zone. */
void dashboard_clock(time_t at, char text[9]);
void dashboard_journal_free(struct dashboard_journal *journal);

#endif
