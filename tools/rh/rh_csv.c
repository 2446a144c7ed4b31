/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buffer always begins with the record that is being read, so that a record that turns out to be bad can be taken
 * back to its first line: whoever forgot a closing quote loses one line, not the rest of the file. When more bytes are
 * needed the record is read anew from its start; reads double the buffer, so that costs twice the bytes at most.
 *
 * Invariants:
 * 1. data.bytes[start] is the first byte of a line of the file, number `line`;
 * 2. fields point into data.bytes or `unquoted`, and neither moves before the next call.
 */
#include "rh_csv.h"

#include "rh_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_READ_SIZE = 1 << 20 };

void rh_csv_init(struct rh_csv *csv, rh_csv_source source, void *context, char delimiter, size_t read_size)
{
    *csv = (struct rh_csv){
        .source = source,
        .context = context,
        .delimiter = delimiter,
        .quote = '"',
        .read_size = read_size > 0 ? read_size : DEFAULT_READ_SIZE,
        .line = 1,
    };
}

void rh_csv_free(struct rh_csv *csv)
{
    rh_buffer_free(&csv->data);
    rh_buffer_free(&csv->unquoted);
    free(csv->record.fields);
    *csv = (struct rh_csv){0};
}

/* Reads more behind what is there, after moving it to the front. False: the source failed. */
static bool fill(struct rh_csv *csv)
{
    size_t kept = csv->data.length - csv->start;
    if (csv->start > 0) {
        memmove(csv->data.bytes, csv->data.bytes + csv->start, kept);
        csv->data.length = kept;
        csv->start = 0;
    }
    size_t want = kept > csv->read_size ? kept : csv->read_size;
    rh_buffer_reserve(&csv->data, want);
    ssize_t got = csv->source(csv->context, csv->data.bytes + kept, want);
    if (got < 0)
        return false;
    csv->at_end = got == 0;
    csv->data.length += (size_t)got;
    return true;
}

static struct rh_csv_field *add_field(struct rh_csv *csv)
{
    struct rh_csv_record *record = &csv->record;
    if (record->count == csv->field_capacity) {
        csv->field_capacity = csv->field_capacity == 0 ? 32 : csv->field_capacity * 2;
        record->fields = rh_reallocate(record->fields, csv->field_capacity * sizeof *record->fields);
    }
    return &record->fields[record->count++];
}

enum scan { SCAN_FIELD, SCAN_LINE_END, SCAN_MORE, SCAN_BAD };

static enum scan bad(struct rh_csv *csv, size_t at, const char *why)
{
    csv->record.raw = csv->data.bytes + csv->start;
    csv->record.line = csv->line;
    rh_csv_place(csv, at - csv->start, &csv->bad_line, &csv->bad_column);
    snprintf(csv->why, sizeof csv->why, "%s", why);
    return SCAN_BAD;
}

/* Bytes of the line end at `at`: 1 or 2, 0 if there is none, -1 if more bytes must be read to tell. */
static int line_end_at(const struct rh_csv *csv, size_t at)
{
    const char *bytes = csv->data.bytes;
    if (bytes[at] == '\n')
        return 1;
    if (bytes[at] != '\r')
        return 0;
    if (at + 1 < csv->data.length)
        return bytes[at + 1] == '\n' ? 2 : 0;
    return csv->at_end ? 1 : -1;
}

/* What stands behind a field: a delimiter, a line end or the end of the file. *at moves past it. */
static enum scan scan_separator(struct rh_csv *csv, size_t *at)
{
    if (*at == csv->data.length)
        return csv->at_end ? SCAN_LINE_END : SCAN_MORE;
    if (csv->data.bytes[*at] == csv->delimiter) {
        *at += 1;
        return SCAN_FIELD;
    }
    int line_end = line_end_at(csv, *at);
    if (line_end < 0)
        return SCAN_MORE;
    if (line_end == 0)
        return bad(csv, *at, "text behind a closing quote; a quote inside a quoted field is written twice");
    *at += (size_t)line_end;
    return SCAN_LINE_END;
}

static enum scan scan_bare(struct rh_csv *csv, size_t *at)
{
    const char *bytes = csv->data.bytes;
    size_t end = csv->data.length, start = *at, to = start;
    for (; to < end; to++) {
        char c = bytes[to];
        if (c == csv->delimiter || c == '\n' || (c == '\r' && line_end_at(csv, to) != 0))
            break;
        if (c == '\r' && csv->lone_return == 0)
            csv->lone_return = to + 1 - csv->start;
        if (c == csv->quote)
            return bad(csv, to,
                       "a quote inside a field that isn't quoted; write \"...\" around the field and double the quote");
    }
    if (to == end && !csv->at_end)
        return SCAN_MORE;
    *add_field(csv) = (struct rh_csv_field){.text = bytes + start, .length = to - start, .offset = start - csv->start};
    *at = to;
    return scan_separator(csv, at);
}

static enum scan scan_quoted(struct rh_csv *csv, size_t *at)
{
    const char *bytes = csv->data.bytes;
    size_t end = csv->data.length, open = *at, to = open + 1;
    bool doubled = false;
    for (;;) {
        const char *quote = to < end ? memchr(bytes + to, csv->quote, end - to) : NULL;
        if (quote == NULL)
            return csv->at_end ? bad(csv, open, "this quote is never closed") : SCAN_MORE;
        to = (size_t)(quote - bytes);
        if (to + 1 == end && !csv->at_end)
            return SCAN_MORE;
        if (to + 1 == end || bytes[to + 1] != csv->quote)
            break;
        doubled = true;
        to += 2;
    }
    *add_field(csv) = (struct rh_csv_field){.text = bytes + open + 1,
                                            .length = to - open - 1,
                                            .offset = open - csv->start,
                                            .quoted = true,
                                            .doubled = doubled};
    *at = to + 1;
    return scan_separator(csv, at);
}

static enum scan scan_field(struct rh_csv *csv, size_t *at)
{
    if (*at == csv->data.length && !csv->at_end)
        return SCAN_MORE;
    if (*at < csv->data.length && csv->data.bytes[*at] == csv->quote)
        return scan_quoted(csv, at);
    return scan_bare(csv, at);
}

/* Makes "" one quote, in a copy: the record's own bytes stay as they are in the file. */
static void make_quotes_single(struct rh_csv *csv)
{
    size_t room = 0;
    for (size_t at = 0; at < csv->record.count; at++)
        room += csv->record.fields[at].doubled ? csv->record.fields[at].length : 0;
    if (room == 0)
        return;
    rh_buffer_clear(&csv->unquoted);
    rh_buffer_reserve(&csv->unquoted, room); /* once, so that nothing moves below */
    for (size_t at = 0; at < csv->record.count; at++) {
        struct rh_csv_field *field = &csv->record.fields[at];
        if (!field->doubled)
            continue;
        char *to = csv->unquoted.bytes + csv->unquoted.length;
        size_t length = 0;
        for (size_t from = 0; from < field->length; from++) {
            to[length++] = field->text[from];
            from += field->text[from] == csv->quote;
        }
        field->text = to;
        field->length = length;
        csv->unquoted.length += length;
    }
}

/* Steps over the bytes before `next`, which begins a line. */
static void leave(struct rh_csv *csv, size_t next)
{
    const char *at = csv->data.bytes + csv->start, *end = csv->data.bytes + next;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        csv->line++;
        csv->had_newline = true;
        at++;
    }
    csv->consumed += next - csv->start;
    csv->start = next;
}

static void set_raw(struct rh_csv *csv, size_t next)
{
    const char *raw = csv->data.bytes + csv->start;
    size_t length = next - csv->start;
    if (length > 0 && raw[length - 1] == '\n')
        length--;
    if (length > 0 && raw[length - 1] == '\r')
        length--;
    csv->record.raw = raw;
    csv->record.raw_length = length;
    csv->record.line = csv->line;
}

/* Takes the first line of a bad record as the record, so that the next call reads on behind it. */
static enum rh_csv_result give_up_line(struct rh_csv *csv)
{
    const char *end;
    for (;;) {
        size_t length = csv->data.length - csv->start;
        end = memchr(csv->data.bytes + csv->start, '\n', length);
        if (end != NULL || csv->at_end)
            break;
        if (!fill(csv))
            return RH_CSV_IO_ERROR;
    }
    size_t next = end != NULL ? (size_t)(end - csv->data.bytes) + 1 : csv->data.length;
    csv->record.count = 0;
    set_raw(csv, next);
    leave(csv, next);
    return RH_CSV_BAD;
}

/* Steps over one line, whatever is in it. */
static bool skip_line(struct rh_csv *csv)
{
    const char *end;
    for (;;) {
        size_t length = csv->data.length - csv->start;
        end = length > 0 ? memchr(csv->data.bytes + csv->start, '\n', length) : NULL;
        if (end != NULL || csv->at_end)
            break;
        if (!fill(csv))
            return false;
    }
    leave(csv, end != NULL ? (size_t)(end - csv->data.bytes) + 1 : csv->data.length);
    return true;
}

static bool begin(struct rh_csv *csv)
{
    while (csv->data.length - csv->start < 3 && !csv->at_end)
        if (!fill(csv))
            return false;
    const char *bytes = csv->data.bytes + csv->start;
    size_t length = csv->data.length - csv->start;
    if (length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        csv->start += 3;
        csv->consumed += 3;
    }
    csv->begun = true;
    for (; csv->skip > 0; csv->skip--)
        if (!skip_line(csv))
            return false;
    return true;
}

enum rh_csv_result rh_csv_next(struct rh_csv *csv)
{
    if (!csv->begun && !begin(csv))
        return RH_CSV_IO_ERROR;
    for (;;) {
        if (csv->at_end && csv->start == csv->data.length)
            return RH_CSV_END;
        size_t at = csv->start;
        enum scan scan = SCAN_FIELD;
        csv->record.count = 0;
        csv->lone_return = 0;
        while (scan == SCAN_FIELD)
            scan = scan_field(csv, &at);
        /* one line in the whole file, and returns in it: their maker took them for line ends */
        if (scan == SCAN_LINE_END && csv->lone_return > 0 && !csv->had_newline && csv->data.bytes[at - 1] != '\n')
            scan = bad(csv, csv->start + csv->lone_return - 1,
                       "the lines of this file end in carriage returns alone: convert it first (tr '\\r' '\\n')");
        if (scan == SCAN_BAD)
            return give_up_line(csv);
        if (scan == SCAN_LINE_END) {
            make_quotes_single(csv);
            set_raw(csv, at);
            leave(csv, at);
            return RH_CSV_RECORD;
        }
        if (!fill(csv))
            return RH_CSV_IO_ERROR;
    }
}

void rh_csv_place(const struct rh_csv *csv, size_t offset, uint64_t *line, uint64_t *column)
{
    const char *raw = csv->record.raw;
    size_t line_start = 0;
    *line = csv->record.line;
    *column = 1;
    for (size_t at = 0; at < offset; at++) {
        if (raw[at] == '\n') {
            *line += 1;
            line_start = at + 1;
        }
    }
    for (size_t at = line_start; at < offset; *column += 1) {
        int32_t code;
        at += rh_utf8_next(raw + at, offset - at, &code);
    }
}
