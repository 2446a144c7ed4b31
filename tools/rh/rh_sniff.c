/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_sniff.h"

#include "rh_csv.h"
#include "rh_number.h"
#include "rh_pour.h"

#include <string.h>

enum { LOOK_RECORDS = 200 };

/* .xlsx and .ods are zip files too, whose members have names that no other has; .xls is one of Microsoft's compound files. */
static bool is_workbook(const char *bytes, size_t length)
{
    static const char *const parts[] = {"xl/workbook.xml", "xl/worksheets/", "xl/theme/",
                                        "mimetypeapplication/vnd.oasis.opendocument"};
    if (length >= 8 && memcmp(bytes, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8) == 0)
        return true;
    bool found = false;
    for (size_t at = 0; at < sizeof parts / sizeof *parts && length > 4 && memcmp(bytes, "PK\003\004", 4) == 0; at++)
        found = found || memmem(bytes, length, parts[at], strlen(parts[at])) != NULL;
    return found;
}

enum rh_refusal rh_sniff_refusal(const char *bytes, size_t length)
{
    static const struct {
        const char *magic;
        size_t length;
        enum rh_refusal what;
    } known[] = {
        {"PK\003\004", 4, RH_IS_ZIP}, {"\x28\xB5\x2F\xFD", 4, RH_IS_ZSTD}, {"SQLite format 3", 16, RH_IS_DATABASE}};
    if (is_workbook(bytes, length))
        return RH_IS_WORKBOOK;
    for (size_t at = 0; at < sizeof known / sizeof *known; at++)
        if (length >= known[at].length && memcmp(bytes, known[at].magic, known[at].length) == 0)
            return known[at].what;
    return RH_TAKES;
}

static size_t behind_blanks(const char *bytes, size_t length, size_t at)
{
    while (at < length && strchr(" \t\r\n", bytes[at]) != NULL && bytes[at] != '\0')
        at++;
    return at;
}

static bool is_object(const char *bytes, size_t length, size_t at)
{
    size_t inside = behind_blanks(bytes, length, at + 1);
    return at < length && bytes[at] == '{' && inside < length && (bytes[inside] == '"' || bytes[inside] == '}');
}

static bool has_json(const char *bytes, size_t length, enum rh_format *format)
{
    size_t at = length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    at = behind_blanks(bytes, length, at);
    *format = RH_FORMAT_NDJSON;
    if (is_object(bytes, length, at))
        return true;
    size_t inside = behind_blanks(bytes, length, at + 1);
    *format = RH_FORMAT_JSON;
    return at < length && bytes[at] == '[' && inside < length &&
           (bytes[inside] == ']' || is_object(bytes, length, inside));
}

enum rh_format rh_sniff_format(const char *name, const char *bytes, size_t length)
{
    enum rh_format format = RH_FORMAT_CSV;
    size_t named = strlen(name);
    bool framed;
    if (length >= 4 && memcmp(bytes, "PAR1", 4) == 0)
        return RH_FORMAT_PARQUET;
    if ((length >= 6 && memcmp(bytes, "ARROW1", 6) == 0) || (length >= 8 && memcmp(bytes, "\xFF\xFF\xFF\xFF", 4) == 0))
        return RH_FORMAT_ARROW;
    char ending[16] = "";
    if (named > 3 && strcmp(name + named - 3, ".gz") == 0)
        named -= 3;
    for (size_t at = named; at > 0 && named - at < sizeof ending - 1; at--)
        if (name[at - 1] == '.') {
            memcpy(ending, name + at - 1, named - at + 1);
            break;
        }
    bool known = rh_format_of_name(ending, &format, &framed);
    if (known && (format == RH_FORMAT_CSV || format == RH_FORMAT_TSV))
        return format;
    enum rh_format json;
    return has_json(bytes, length, &json)                                       ? json
           : known && format != RH_FORMAT_MARKDOWN && format != RH_FORMAT_TABLE ? format
                                                                                : RH_FORMAT_CSV;
}

/* ---- The dialect. ---------------------------------------------------------------------------------------------------- */

struct source {
    const char *text;
    size_t length;
};

static ssize_t read_text(void *context, char *bytes, size_t size)
{
    struct source *source = context;
    size = size < source->length ? size : source->length;
    memcpy(bytes, source->text, size);
    source->text += size;
    source->length -= size;
    return (ssize_t)size;
}

/* What a reading of the first lines with one delimiter and quote has found. */
struct reading {
    size_t first;          /* fields of the first record */
    size_t records, alike; /* how many of the records have as many */
    size_t quoted, bad;    /* fields in quotes; records that are none */
    bool number;           /* a field of the first record is one */
};

static bool is_number(const struct rh_csv_field *field)
{
    double real;
    return rh_is_canonical_integer(field->text, field->length) ||
           (rh_parse_real(field->text, field->length, &real) && memchr(field->text, '.', field->length) != NULL);
}

static void note_record(struct reading *reading, const struct rh_csv_record *record)
{
    if (reading->records++ == 0) {
        reading->first = record->count;
        for (size_t at = 0; at < record->count; at++)
            reading->number = reading->number || is_number(&record->fields[at]);
    }
    reading->alike += record->count == reading->first;
    for (size_t at = 0; at < record->count; at++)
        reading->quoted += record->fields[at].quoted;
}

static struct reading read_with(const char *text, size_t length, bool whole, uint64_t skip, char delimiter, int quote)
{
    struct reading reading = {0};
    struct source source = {text, length};
    struct rh_csv csv;
    enum rh_csv_result result;
    rh_csv_init(&csv, read_text, &source, delimiter, length + 1);
    csv.skip = skip;
    csv.quote = quote;
    while (reading.records < LOOK_RECORDS && (result = rh_csv_next(&csv)) != RH_CSV_END && result != RH_CSV_IO_ERROR) {
        bool cut = !whole && csv.at_end && csv.start == csv.data.length;
        if (result == RH_CSV_RECORD && (!cut || reading.records == 0))
            note_record(&reading, &csv.record);
        else if (result == RH_CSV_BAD && !cut)
            reading.bad++;
    }
    rh_csv_free(&csv);
    return reading;
}

/* Where no delimiter gives the first record more than one field: `usual`. */
static char find_delimiter(const char *text, size_t length, bool whole, uint64_t skip, int quote, char usual)
{
    static const char delimiters[] = ",;\t|";
    double best = 0;
    for (const char *at = delimiters; *at != '\0'; at++) {
        struct reading reading = read_with(text, length, whole, skip, *at, quote);
        double share = reading.first > 1 ? (double)reading.alike / (double)(reading.records + reading.bad) : 0;
        if (share > best) {
            best = share;
            usual = *at;
        }
    }
    return usual;
}

void rh_sniff_dialect(const char *text, size_t length, bool whole, uint64_t skip, struct rh_said said,
                      struct rh_dialect *dialect)
{
    char given = dialect->delimiter;
    bool doubles = length > 0 && memchr(text, '"', length) != NULL;
    if (!said.quote && !doubles) { /* single quotes are meant where all of them are around fields */
        char with = said.delimiter ? given : find_delimiter(text, length, whole, skip, '\'', given);
        struct reading reading = read_with(text, length, whole, skip, with, '\'');
        dialect->quote = reading.quoted >= 2 && reading.bad == 0 ? '\'' : dialect->quote;
    }
    if (!said.delimiter)
        dialect->delimiter = find_delimiter(text, length, whole, skip, dialect->quote, given);
    if (!said.header)
        dialect->header = !read_with(text, length, whole, skip, dialect->delimiter, dialect->quote).number;
}
