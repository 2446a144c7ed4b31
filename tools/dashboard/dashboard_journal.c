/* SPDX-License-Identifier: Apache-2.0 */
#include "dashboard_journal.h"

#include "rh_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dashboard_clock(time_t at, char text[9])
{
    struct tm local;
    text[0] = '\0';
    if (localtime_r(&at, &local) != NULL)
        (void)strftime(text, 9, "%H:%M:%S", &local);
}

void dashboard_journal_add_at(struct dashboard_journal *journal, time_t at, enum dashboard_weight weight,
                              const char *text)
{
    struct dashboard_entry *entry = &journal->entries[journal->next];
    free(entry->text);
    *entry = (struct dashboard_entry){.at = at, .weight = weight, .text = rh_copy_text(text, strlen(text))};
    journal->next = (journal->next + 1) % DASHBOARD_ENTRIES;
    journal->count += journal->count < DASHBOARD_ENTRIES;
}

void dashboard_journal_add(struct dashboard_journal *journal, enum dashboard_weight weight, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dashboard_journal_add_at(journal, time(NULL), weight, text);
}

void dashboard_journal_move(struct dashboard_journal *from, struct dashboard_journal *to)
{
    for (size_t back = from->count; back > 0; back--) {
        const struct dashboard_entry *entry = dashboard_journal_back(from, back - 1);
        dashboard_journal_add_at(to, entry->at, entry->weight, entry->text);
    }
    dashboard_journal_free(from);
}

const struct dashboard_entry *dashboard_journal_back(const struct dashboard_journal *journal, size_t back)
{
    if (back >= journal->count)
        return NULL;
    return &journal->entries[(journal->next + DASHBOARD_ENTRIES - 1 - back) % DASHBOARD_ENTRIES];
}

void dashboard_journal_free(struct dashboard_journal *journal)
{
    for (size_t at = 0; at < DASHBOARD_ENTRIES; at++)
        free(journal->entries[at].text);
    *journal = (struct dashboard_journal){0};
}
