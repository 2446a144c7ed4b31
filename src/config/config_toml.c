/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may add to a table (TOML 1.0, "Table" and "Keys"):
 *   a header [t]      once, to a table that is new or was only passed through by a longer header
 *   a dotted key t.k  to a table that is new or that dotted keys made; never to one with a header
 *   anything          never to an inline table or a written array
 */
#include "config_toml.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"
#include "config_scan.h"

enum { MAX_DEPTH = 64 }; /* of arrays and inline tables: reading them recurses */

struct toml_parser {
    struct toml_scanner scanner;
    struct toml_node *table; /* the keys of the current lines go here */
};

/* ---- The tree ----------------------------------------------------------------------------------------------------- */

static struct toml_node *node_new(uint8_t kind, int line, const char *key)
{
    struct toml_node *node = base_alloc_zero(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->kind = kind;
    node->line = line;
    if (key != NULL && (node->key = base_strdup(key)) == NULL) {
        base_free(node);
        return NULL;
    }
    return node;
}

void toml_free(struct toml_node **node)
{
    if (node == NULL || *node == NULL)
        return;
    for (size_t i = 0; i < (*node)->count; i++)
        toml_free(&(*node)->items[i]);
    base_free((*node)->items);
    base_free((*node)->key);
    base_free((*node)->text);
    base_free(*node);
    *node = NULL;
}

struct toml_node *toml_find(const struct toml_node *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->items[i]->key, key) == 0)
            return table->items[i];
    return NULL;
}

const char *toml_kind_name(const struct toml_node *node)
{
    static const char *const names[] = {"a table", "an array",  "a text", "an integer",
                                        "a float", "a boolean", "a date", "an integer beyond 64 bits"};
    return names[node->kind];
}

/* A new child at the end of `parent`, which owns it; NULL when out of memory. */
static struct toml_node *add_child(struct toml_node *parent, uint8_t kind, int line, const char *key)
{
    void *items = parent->items;
    if (!base_grow(&items, &parent->capacity, parent->count + 1, sizeof *parent->items))
        return NULL;
    parent->items = items;
    struct toml_node *child = node_new(kind, line, key);
    if (child != NULL)
        parent->items[parent->count++] = child;
    return child;
}

/* ---- Keys --------------------------------------------------------------------------------------------------------- */

/*
 * Finds or makes the table that `key` leads through. `header`: in [a.b], where arrays of tables mean their last one;
 * otherwise in a dotted key.
 */
static rhei_status enter_table(struct toml_parser *parser, struct toml_node **table, const char *key, bool header)
{
    struct toml_scanner *scanner = &parser->scanner;
    struct toml_node *child = toml_find(*table, key);
    if (child == NULL) {
        child = add_child(*table, TOML_TABLE, scanner->line, key);
        if (child == NULL)
            return error_no_memory(scanner->error);
        child->dotted = !header;
    }
    if (child->kind == TOML_ARRAY && header && !child->closed)
        child = child->items[child->count - 1];
    if (child->kind != TOML_TABLE || child->closed || (!header && !child->dotted))
        return scan_error(scanner, "\"%s\" was already given on line %d as %s; nothing can be added to it here", key,
                          child->line, toml_kind_name(child));
    *table = child;
    return RHEI_OK;
}

/* A dotted key: enters all its tables and leaves the last part in `last`. */
static rhei_status parse_path(struct toml_parser *parser, struct toml_node **table, bool header,
                              struct base_buffer *last)
{
    struct toml_scanner *scanner = &parser->scanner;
    for (;;) {
        base_buffer_clear(last);
        scan_blanks(scanner);
        rhei_status status = scan_key(scanner, last);
        if (status != RHEI_OK)
            return status;
        if (last->failed)
            return error_no_memory(scanner->error);
        scan_blanks(scanner);
        if (scan_peek(scanner, 0) != '.')
            return RHEI_OK;
        scanner->at++;
        status = enter_table(parser, table, last->data, header);
        if (status != RHEI_OK)
            return status;
    }
}

/* ---- Values ------------------------------------------------------------------------------------------------------- */

static rhei_status parse_value(struct toml_parser *parser, struct toml_node *node, int depth);
static rhei_status parse_pair(struct toml_parser *parser, struct toml_node *table, int depth);

static rhei_status parse_array(struct toml_parser *parser, struct toml_node *node, int depth)
{
    struct toml_scanner *scanner = &parser->scanner;
    node->kind = TOML_ARRAY;
    node->closed = true;
    scanner->at++;
    rhei_status status = scan_gap(scanner);
    while (status == RHEI_OK && scan_peek(scanner, 0) != ']') {
        struct toml_node *item = add_child(node, TOML_STRING, scanner->line, NULL);
        status = item == NULL ? error_no_memory(scanner->error) : parse_value(parser, item, depth + 1);
        if (status == RHEI_OK)
            status = scan_gap(scanner);
        if (status == RHEI_OK && scan_peek(scanner, 0) == ',')
            scanner->at++;
        else if (status == RHEI_OK && scan_peek(scanner, 0) != ']')
            return scan_error(scanner, "expected ',' or ']' in the array that begins on line %d", node->line);
        if (status == RHEI_OK)
            status = scan_gap(scanner);
    }
    scanner->at++;
    return status;
}

static void close_tables(struct toml_node *node)
{
    node->closed = true;
    for (size_t i = 0; i < node->count; i++)
        close_tables(node->items[i]);
}

static rhei_status parse_inline_table(struct toml_parser *parser, struct toml_node *node, int depth)
{
    struct toml_scanner *scanner = &parser->scanner;
    node->kind = TOML_TABLE;
    node->dotted = true; /* while its own keys are read */
    scanner->at++;
    scan_blanks(scanner);
    bool empty = scan_peek(scanner, 0) == '}';
    while (!empty) {
        rhei_status status = parse_pair(parser, node, depth + 1);
        if (status != RHEI_OK)
            return status;
        scan_blanks(scanner);
        if (scan_peek(scanner, 0) == '}')
            break;
        if (scan_peek(scanner, 0) != ',')
            return scan_error(scanner, "expected ',' or '}' in a table in braces, which has to be on one line");
        scanner->at++;
        scan_blanks(scanner);
    }
    scanner->at++;
    close_tables(node);
    return RHEI_OK;
}

static rhei_status parse_value(struct toml_parser *parser, struct toml_node *node, int depth)
{
    struct toml_scanner *scanner = &parser->scanner;
    if (depth > MAX_DEPTH)
        return scan_error(scanner, "arrays and tables are nested deeper than %d", MAX_DEPTH);
    int c = scan_peek(scanner, 0);
    if (c == '[')
        return parse_array(parser, node, depth);
    if (c == '{')
        return parse_inline_table(parser, node, depth);
    struct base_buffer text = {0};
    rhei_status status;
    if (c == '"' || c == '\'') {
        node->kind = TOML_STRING;
        status = scan_string(scanner, &text);
    } else {
        status = scan_scalar(scanner, node, &text);
    }
    node->len = text.len;
    node->text = base_buffer_take(&text);
    return status == RHEI_OK && node->text == NULL ? error_no_memory(scanner->error) : status;
}

/* key = value */
static rhei_status parse_pair(struct toml_parser *parser, struct toml_node *table, int depth)
{
    struct toml_scanner *scanner = &parser->scanner;
    struct base_buffer key = {0};
    rhei_status status = parse_path(parser, &table, false, &key);
    struct toml_node *known = status == RHEI_OK ? toml_find(table, key.data) : NULL;
    if (status == RHEI_OK && scan_peek(scanner, 0) != '=')
        status = scan_error(scanner, "expected '=' behind the key \"%s\"", key.data);
    else if (known != NULL)
        status = scan_error(scanner, "\"%s\" was already given on line %d", key.data, known->line);
    if (status == RHEI_OK) {
        scanner->at++;
        scan_blanks(scanner);
        struct toml_node *node = add_child(table, TOML_STRING, scanner->line, key.data);
        const char *outer = scanner->key;
        scanner->key = key.data;
        status = node == NULL ? error_no_memory(scanner->error) : parse_value(parser, node, depth);
        scanner->key = outer;
    }
    base_buffer_reset(&key);
    return status;
}

/* ---- Headers ------------------------------------------------------------------------------------------------------ */

/* [name]: the table becomes the current one. */
static rhei_status open_table(struct toml_parser *parser, struct toml_node *parent, const char *key)
{
    struct toml_scanner *scanner = &parser->scanner;
    struct toml_node *table = toml_find(parent, key);
    if (table != NULL && (table->kind != TOML_TABLE || table->closed || table->defined || table->dotted))
        return scan_error(scanner, "\"%s\" was already given on line %d", key, table->line);
    if (table == NULL)
        table = add_child(parent, TOML_TABLE, scanner->line, key);
    if (table == NULL)
        return error_no_memory(scanner->error);
    table->defined = true;
    table->line = scanner->line;
    parser->table = table;
    return RHEI_OK;
}

/* [[name]]: a new table at the end of the array becomes the current one. */
static rhei_status open_array_table(struct toml_parser *parser, struct toml_node *parent, const char *key)
{
    struct toml_scanner *scanner = &parser->scanner;
    struct toml_node *array = toml_find(parent, key);
    if (array != NULL && (array->kind != TOML_ARRAY || array->closed))
        return scan_error(scanner, "\"%s\" was already given on line %d as %s, not as [[%s]]", key, array->line,
                          toml_kind_name(array), key);
    if (array == NULL)
        array = add_child(parent, TOML_ARRAY, scanner->line, key);
    struct toml_node *table = array == NULL ? NULL : add_child(array, TOML_TABLE, scanner->line, NULL);
    if (table == NULL)
        return error_no_memory(scanner->error);
    table->defined = true;
    parser->table = table;
    return RHEI_OK;
}

static rhei_status parse_header(struct toml_parser *parser, struct toml_node *root)
{
    struct toml_scanner *scanner = &parser->scanner;
    const char *closing = scan_starts(scanner, "[[") ? "]]" : "]";
    scanner->at += strlen(closing);
    struct base_buffer key = {0};
    struct toml_node *parent = root;
    rhei_status status = parse_path(parser, &parent, true, &key);
    if (status == RHEI_OK && !scan_starts(scanner, closing))
        status = scan_error(scanner, "the section's name is not closed by %s", closing);
    if (status == RHEI_OK) {
        scanner->at += strlen(closing);
        status = closing[1] == ']' ? open_array_table(parser, parent, key.data) : open_table(parser, parent, key.data);
    }
    base_buffer_reset(&key);
    return status;
}

static rhei_status parse_lines(struct toml_parser *parser, struct toml_node *root)
{
    struct toml_scanner *scanner = &parser->scanner;
    parser->table = root;
    rhei_status status = scan_gap(scanner);
    while (status == RHEI_OK && scan_peek(scanner, 0) >= 0) {
        status = scan_peek(scanner, 0) == '[' ? parse_header(parser, root) : parse_pair(parser, parser->table, 0);
        if (status == RHEI_OK)
            status = scan_line_end(scanner);
        if (status == RHEI_OK)
            status = scan_gap(scanner);
    }
    return status;
}

static rhei_status check_utf8(struct toml_scanner *scanner)
{
    for (const char *at = scanner->at; at < scanner->end;) {
        size_t size = base_utf8_character(at, (size_t)(scanner->end - at));
        if (size == 0)
            return scan_error(scanner, "the text is not UTF-8 (byte 0x%02x)", (unsigned char)*at);
        scanner->line += *at == '\n' ? 1 : 0;
        at += size;
    }
    scanner->line = 1;
    return RHEI_OK;
}

rhei_status toml_parse(const char *text, size_t len, const char *name, struct toml_node **root,
                       struct rhei_error *error)
{
    struct rhei_error unseen = RHEI_ERROR_INIT; /* the scanner always has one to fill */
    struct toml_parser parser = {.scanner = {.at = text, .end = text + len, .name = name, .line = 1}};
    parser.scanner.error = error == NULL ? &unseen : error;
    if (scan_starts(&parser.scanner, "\xEF\xBB\xBF"))
        parser.scanner.at += 3;
    *root = node_new(TOML_TABLE, 1, NULL);
    rhei_status status = *root == NULL ? error_no_memory(error) : check_utf8(&parser.scanner);
    if (status == RHEI_OK)
        status = parse_lines(&parser, *root);
    if (status != RHEI_OK)
        toml_free(root);
    return status;
}
