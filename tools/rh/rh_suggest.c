/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_suggest.h"

#include "rh_lex.h"
#include "rh_text.h"
#include "rhei/rhei_doors.h"

#include <stdlib.h>
#include <string.h>

static const char no_table[] = "no such table: ", no_column[] = "no such column: ";

const char *rh_missing_name(const char *message, size_t *length)
{
    bool table = strncmp(message, no_table, sizeof no_table - 1) == 0;
    if (!table && strncmp(message, no_column, sizeof no_column - 1) != 0)
        return NULL;
    const char *name = message + (table ? sizeof no_table : sizeof no_column) - 1;
    const char *end = strstr(name, "; "), *dot; /* behind it is what the column store says */
    size_t left = end != NULL ? (size_t)(end - name) : strlen(name);
    if ((dot = memrchr(name, '.', left)) != NULL) {
        left -= (size_t)(dot + 1 - name);
        name = dot + 1;
    }
    *length = left;
    return left > 0 ? name : NULL;
}

size_t rh_place_of_name(const char *sql, size_t length, const char *name, size_t name_length)
{
    for (size_t at = 0; at < length;) {
        struct rh_token token = rh_lex(sql, length, at);
        if (token.kind == RH_TOKEN_END)
            break;
        size_t quote = token.kind == RH_TOKEN_NAME && token.length > 1;
        bool may = token.kind == RH_TOKEN_NAME || token.kind == RH_TOKEN_WORD;
        if (may && rh_same_name(sql + at + quote, token.length - 2 * quote, name, name_length))
            return at;
        at += token.length;
    }
    return SIZE_MAX;
}

struct names {
    const char **list;
    int count;
};

static void add_name(struct names *names, const char *name)
{
    names->list = rh_reallocate(names->list, ((size_t)names->count + 1) * sizeof *names->list);
    names->list[names->count++] = name;
}

static void add_columns(struct names *names, const struct rhei_catalog_table *table)
{
    for (uint32_t at = 0; at < table->column_count; at++)
        add_name(names, table->columns[at]->name);
}

static void gather(struct names *names, const struct rhei_catalog *catalog, bool columns, const char *sql,
                   size_t length)
{
    for (uint32_t at = 0; at < catalog->table_count; at++) {
        const struct rhei_catalog_table *table = catalog->tables[at];
        if (!columns)
            add_name(names, table->name);
        else if (sql != NULL && rh_place_of_name(sql, length, table->name, strlen(table->name)) != SIZE_MAX)
            add_columns(names, table);
    }
}

void rh_add_suggestion(const struct rh_tool *tool, const char *message, const char *sql, size_t length,
                       struct rh_buffer *out)
{
    const struct rhei_call_options limits = {.struct_size = sizeof limits, .timeout_ms = 2000};
    struct rhei_catalog *catalog = NULL;
    struct names names = {0};
    size_t name_length = 0;
    const char *name = rh_missing_name(message, &name_length);
    if (name == NULL || tool->db == NULL || rhei_catalog_read(tool->db, NULL, &limits, &catalog, NULL) != RHEI_OK) {
        rh_buffer_add_text(out, message);
        return;
    }
    char *word = rh_copy_text(name, name_length);
    gather(&names, catalog, message[8] == 'c', sql, length); /* no such column */
    int nearest = rh_nearest_word(word, names.list, names.count);
    rh_buffer_add(out, message, (size_t)(name + name_length - message));
    if (nearest >= 0 && strcmp(names.list[nearest], word) != 0)
        rh_buffer_format(out, ", did you mean %s?", names.list[nearest]);
    rh_buffer_add_text(out, name + name_length);
    free(word);
    free(names.list);
    rhei_catalog_free(&catalog);
}
