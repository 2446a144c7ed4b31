/* SPDX-License-Identifier: Apache-2.0 */
#include "store_s3/s3_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The place of the next "<name" or "</name" that is the whole name; NULL: none. */
static const char *find_tag(struct s3_xml xml, const char *open, const char *name)
{
    size_t open_len = strlen(open), len = strlen(name);
    for (const char *at = xml.at; at < xml.end; at++) {
        at = memchr(at, '<', (size_t)(xml.end - at));
        if (at == NULL || (size_t)(xml.end - at) <= open_len + len)
            return NULL;
        char behind = at[open_len + len];
        if (memcmp(at, open, open_len) == 0 && memcmp(at + open_len, name, len) == 0 &&
            strchr("> /\t\r\n", behind) != NULL)
            return at;
    }
    return NULL;
}

bool s3_xml_next(struct s3_xml *xml, const char *name, struct s3_xml *inside)
{
    const char *open = find_tag(*xml, "<", name);
    const char *begin = open == NULL ? NULL : memchr(open, '>', (size_t)(xml->end - open));
    if (begin == NULL)
        return false;
    *inside = (struct s3_xml){begin + 1, begin + 1};
    if (begin[-1] != '/') {
        const char *close = find_tag((struct s3_xml){begin + 1, xml->end}, "</", name);
        if (close == NULL)
            return false;
        inside->end = close;
    }
    xml->at = inside->end + 1;
    return true;
}

/* One character for "&...;" at `at`; where it is none, '&' itself. */
static char entity(const char **at, const char *end)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    size_t left = (size_t)(end - *at);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (left >= strlen(names[i].name) && memcmp(*at, names[i].name, strlen(names[i].name)) == 0) {
            *at += strlen(names[i].name);
            return names[i].c;
        }
    char number[8] = "";
    const char *close = memchr(*at, ';', left);
    if (left > 3 && (*at)[1] == '#' && close != NULL && close - *at - 2 < (ptrdiff_t)sizeof number) {
        bool hex = (*at)[2] == 'x';
        memcpy(number, *at + 2 + hex, (size_t)(close - *at - 2 - hex));
        *at = close + 1;
        unsigned long code = strtoul(number, NULL, hex ? 16 : 10);
        return code < 128 ? (char)code : '?'; /* nothing that is read has others */
    }
    (*at)++;
    return '&';
}

bool s3_xml_text(struct s3_xml xml, const char *name, char *text, size_t size)
{
    struct s3_xml inside;
    size_t len = 0;
    bool found = s3_xml_next(&xml, name, &inside);
    while (found && inside.at < inside.end && len + 1 < size)
        text[len++] = *inside.at == '&' ? entity(&inside.at, inside.end) : *inside.at++;
    found = found && inside.at == inside.end;
    text[found ? len : 0] = '\0';
    return found;
}

int64_t s3_xml_time(const char *text)
{
    int year, month, day, hour, minute, second;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) != 6 || month < 1 ||
        month > 12)
        return 0;
    /* days since 1970 of a year that begins in March: Howard Hinnant, chrono-compatible low-level date algorithms */
    int64_t y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return ((days * 24 + hour) * 60 + minute) * 60 + second;
}
