/* SPDX-License-Identifier: Apache-2.0 */
#include "config_scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"

rhei_status scan_error(struct toml_scanner *scanner, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return error_set(scanner->error, RHEI_CONFIG, "%s:%d: %s", scanner->name, scanner->line, message);
}

int scan_peek(const struct toml_scanner *scanner, size_t ahead)
{
    return ahead < (size_t)(scanner->end - scanner->at) ? (unsigned char)scanner->at[ahead] : -1;
}

bool scan_starts(const struct toml_scanner *scanner, const char *text)
{
    size_t len = strlen(text);
    return len <= (size_t)(scanner->end - scanner->at) && memcmp(scanner->at, text, len) == 0;
}

void scan_blanks(struct toml_scanner *scanner)
{
    while (scan_peek(scanner, 0) == ' ' || scan_peek(scanner, 0) == '\t')
        scanner->at++;
}

/* Passes "\n" or "\r\n" if one is here. */
static bool scan_newline(struct toml_scanner *scanner)
{
    size_t size = scan_starts(scanner, "\r\n") ? 2 : scan_peek(scanner, 0) == '\n' ? 1 : 0;
    scanner->at += size;
    scanner->line += size > 0 ? 1 : 0;
    return size > 0;
}

static bool is_control(int c)
{
    return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7F;
}

static rhei_status scan_comment(struct toml_scanner *scanner)
{
    if (scan_peek(scanner, 0) != '#')
        return RHEI_OK;
    while (scan_peek(scanner, 0) >= 0 && scan_peek(scanner, 0) != '\n' && !scan_starts(scanner, "\r\n")) {
        if (is_control(scan_peek(scanner, 0)))
            return scan_error(scanner, "a comment holds a control character");
        scanner->at++;
    }
    return RHEI_OK;
}

rhei_status scan_line_end(struct toml_scanner *scanner)
{
    scan_blanks(scanner);
    rhei_status status = scan_comment(scanner);
    if (status != RHEI_OK || scan_peek(scanner, 0) < 0 || scan_newline(scanner))
        return status;
    return scan_error(scanner, "expected the end of the line, but found '%c'; one setting a line, texts in quotes",
                      scan_peek(scanner, 0));
}

rhei_status scan_gap(struct toml_scanner *scanner)
{
    rhei_status status;
    do {
        scan_blanks(scanner);
        status = scan_comment(scanner);
    } while (status == RHEI_OK && scan_newline(scanner));
    return status;
}

/* ---- Strings ------------------------------------------------------------------------------------------------------ */

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void append_code_point(struct base_buffer *out, uint32_t code)
{
    if (code < 0x80) {
        base_buffer_char(out, (char)code);
        return;
    }
    int tails = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char heads[] = {0, 0xC0, 0xE0, 0xF0};
    base_buffer_char(out, (char)(heads[tails] | code >> (6 * tails)));
    while (tails-- > 0)
        base_buffer_char(out, (char)(0x80 | (code >> (6 * tails) & 0x3F)));
}

/* \uXXXX or \UXXXXXXXX, behind the letter. */
static rhei_status scan_unicode(struct toml_scanner *scanner, size_t digits, struct base_buffer *out)
{
    uint32_t code = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = hex_value(scan_peek(scanner, i));
        if (digit < 0)
            return scan_error(scanner, "\\%c needs %zu hexadecimal digits", digits == 4 ? 'u' : 'U', digits);
        code = code << 4 | (uint32_t)digit;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return scan_error(scanner, "U+%X is no character", code);
    scanner->at += digits;
    append_code_point(out, code);
    return RHEI_OK;
}

static rhei_status scan_escape(struct toml_scanner *scanner, struct base_buffer *out)
{
    static const char letters[] = "btnfr\"\\";
    static const char meanings[] = "\b\t\n\f\r\"\\";
    int c = scan_peek(scanner, 1);
    const char *known = c <= 0 ? NULL : strchr(letters, c);
    if (known == NULL && c != 'u' && c != 'U')
        return scan_error(scanner,
                          "unknown escape in a text; write \\\\ for a backslash, or put the text in single quotes");
    scanner->at += 2;
    if (known == NULL)
        return scan_unicode(scanner, c == 'u' ? 4 : 8, out);
    base_buffer_char(out, meanings[known - letters]);
    return RHEI_OK;
}

static rhei_status scan_one_line(struct toml_scanner *scanner, char quote, struct base_buffer *out)
{
    scanner->at++;
    for (;;) {
        int c = scan_peek(scanner, 0);
        if (c < 0 || c == '\n' || scan_starts(scanner, "\r\n"))
            return scan_error(scanner, "a text has no closing %c on its line", quote);
        if (is_control(c))
            return scan_error(scanner, "a text holds a control character; write it as \\u%04x", (unsigned)c);
        if (c == quote)
            break;
        if (c == '\\' && quote == '"') {
            rhei_status status = scan_escape(scanner, out);
            if (status != RHEI_OK)
                return status;
            continue;
        }
        base_buffer_char(out, (char)c);
        scanner->at++;
    }
    scanner->at++;
    return RHEI_OK;
}

/* A backslash at the end of a line: it and all white space up to the next word go. */
static bool skip_line_join(struct toml_scanner *scanner)
{
    size_t ahead = 1;
    while (scan_peek(scanner, ahead) == ' ' || scan_peek(scanner, ahead) == '\t')
        ahead++;
    int c = scan_peek(scanner, ahead);
    if (c != '\n' && !(c == '\r' && scan_peek(scanner, ahead + 1) == '\n'))
        return false;
    scanner->at += ahead;
    do
        scan_blanks(scanner);
    while (scan_newline(scanner));
    return true;
}

/* Three quotes close; up to two more before them belong to the text. */
static bool scan_closing(struct toml_scanner *scanner, char quote, struct base_buffer *out)
{
    size_t quotes = 0;
    while (quotes < 5 && scan_peek(scanner, quotes) == quote)
        quotes++;
    if (quotes < 3)
        return false;
    for (size_t i = 3; i < quotes; i++)
        base_buffer_char(out, quote);
    scanner->at += quotes;
    return true;
}

static rhei_status scan_many_lines(struct toml_scanner *scanner, char quote, struct base_buffer *out)
{
    int first_line = scanner->line;
    scanner->at += 3;
    scan_newline(scanner);
    while (!scan_closing(scanner, quote, out)) {
        int c = scan_peek(scanner, 0);
        if (c < 0) {
            scanner->line = first_line;
            return scan_error(scanner, "a text of several lines is never closed");
        }
        if (scan_newline(scanner)) {
            base_buffer_char(out, '\n');
        } else if (is_control(c)) {
            return scan_error(scanner, "a text holds a control character; write it as \\u%04x", (unsigned)c);
        } else if (c == '\\' && quote == '"') {
            rhei_status status = skip_line_join(scanner) ? RHEI_OK : scan_escape(scanner, out);
            if (status != RHEI_OK)
                return status;
        } else {
            base_buffer_char(out, (char)c);
            scanner->at++;
        }
    }
    return RHEI_OK;
}

rhei_status scan_string(struct toml_scanner *scanner, struct base_buffer *out)
{
    char quote = scanner->at[0];
    base_buffer_append(out, "", 0);
    if (scan_peek(scanner, 1) == quote && scan_peek(scanner, 2) == quote)
        return scan_many_lines(scanner, quote, out);
    return scan_one_line(scanner, quote, out);
}

static bool is_bare(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

rhei_status scan_key(struct toml_scanner *scanner, struct base_buffer *out)
{
    int c = scan_peek(scanner, 0);
    if (c == '"' || c == '\'') {
        rhei_status status = scan_one_line(scanner, (char)c, out);
        if (status == RHEI_OK && out->data != NULL && strlen(out->data) != out->len)
            return scan_error(scanner, "a key holds a NUL");
        base_buffer_append(out, "", 0);
        return status;
    }
    if (!is_bare(c))
        return scan_error(scanner,
                          c < 0 || c == '\n' || c == '\r' ? "expected a key, but the line ends"
                                                          : "expected a key, but found '%c'",
                          c);
    for (; is_bare(scan_peek(scanner, 0)); scanner->at++)
        base_buffer_char(out, *scanner->at);
    return RHEI_OK;
}

/* ---- Numbers, booleans, dates ------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits of a base with single underscores between them; passes them. */
static bool pass_digits(const char **at, int base, uint64_t *value, bool *overflow)
{
    bool after_digit = false;
    *value = 0;
    *overflow = false;
    for (;; (*at)++) {
        int digit = hex_value((unsigned char)**at);
        if (digit >= 0 && digit < base) {
            *overflow = *overflow || *value > (UINT64_MAX - (uint64_t)digit) / (uint64_t)base;
            *value = *value * (uint64_t)base + (uint64_t)digit;
            after_digit = true;
        } else if (**at == '_' && after_digit) {
            after_digit = false;
        } else {
            return after_digit;
        }
    }
}

static bool parse_integer(const char *text, int64_t *out, bool *overflow)
{
    bool negative = *text == '-';
    bool sign = negative || *text == '+';
    int base = 10;
    text += sign ? 1 : 0;
    if (text[0] == '0' && !sign && (text[1] == 'x' || text[1] == 'o' || text[1] == 'b'))
        base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : 2;
    if (base != 10)
        text += 2;
    else if (text[0] == '0' && text[1] != '\0')
        return false;
    uint64_t value;
    if (!pass_digits(&text, base, &value, overflow) || *text != '\0')
        return false;
    *overflow = *overflow || value > (uint64_t)INT64_MAX + (negative ? 1 : 0);
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static bool is_float(const char *text)
{
    uint64_t value;
    bool overflow;
    text += *text == '-' || *text == '+' ? 1 : 0;
    if (strcmp(text, "inf") == 0 || strcmp(text, "nan") == 0)
        return true;
    if ((text[0] == '0' && is_digit(text[1])) || !pass_digits(&text, 10, &value, &overflow))
        return false;
    if (*text == '.' && (text++, !pass_digits(&text, 10, &value, &overflow)))
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+' ? 1 : 0;
        if (!pass_digits(&text, 10, &value, &overflow))
            return false;
    }
    return *text == '\0';
}

/* "1979-05-27..." or "07:32:00..." */
static bool is_date(const char *text, size_t len)
{
    return (len >= 10 && is_digit(text[0]) && is_digit(text[3]) && text[4] == '-' && text[7] == '-') ||
           (len >= 8 && is_digit(text[0]) && text[2] == ':' && text[5] == ':');
}

static bool is_scalar_character(int c)
{
    return is_bare(c) || c == '+' || c == '.' || c == ':';
}

rhei_status scan_scalar(struct toml_scanner *scanner, struct toml_node *node, struct base_buffer *out)
{
    for (; is_scalar_character(scan_peek(scanner, 0)); scanner->at++)
        base_buffer_char(out, *scanner->at);
    /* a date and a time may be joined by one space */
    if (out->len == 10 && is_date(out->data, out->len) && scan_peek(scanner, 0) == ' ' &&
        scan_peek(scanner, 1) >= '0' && scan_peek(scanner, 1) <= '9')
        do
            base_buffer_char(out, *scanner->at++);
        while (is_scalar_character(scan_peek(scanner, 0)));
    if (out->failed)
        return error_no_memory(scanner->error);
    if (out->len == 0)
        return scan_error(scanner, "expected a value: a text in quotes, a number, true, false, [...] or {...}");
    bool overflow = false;
    node->boolean = strcmp(out->data, "true") == 0;
    if (node->boolean || strcmp(out->data, "false") == 0)
        node->kind = TOML_BOOLEAN;
    else if (parse_integer(out->data, &node->integer, &overflow))
        node->kind = overflow ? TOML_BIG : TOML_INTEGER;
    else if (is_float(out->data))
        node->kind = TOML_FLOAT;
    else if (is_date(out->data, out->len))
        node->kind = TOML_DATE;
    else
        return scan_error(scanner, "what is given for \"%.60s\" is no value; put a text in quotes", scanner->key);
    return RHEI_OK;
}
