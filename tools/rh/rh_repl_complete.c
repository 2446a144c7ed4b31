/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion from the schema. It looks at tokens, for what is being typed rarely parses: tables that the statement names anywhere give the
 * columns, a name before a dot is an alias, a table or a schema, and FROM, JOIN, INTO, UPDATE and TABLE want a table.
 */
#include "rh_lex.h"
#include "rh_repl.h"
#include "rh_text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MOST_CHOICES = 500, MOST_TABLES = 32 };

/* A table that the statement names, with its alias or without. */
struct source {
    const struct rhei_catalog_table *table;
    const char *alias;
    size_t alias_length;
};
struct view {
    struct rh_repl *repl;
    const char *text;
    size_t length, cursor;
    size_t begin, end; /* of the statement */
    struct line_menu *menu;
    const char *typed;
    size_t typed_length;
    struct source sources[MOST_TABLES];
    size_t source_count;
    bool select, from; /* these words are before what is typed */
};

void rh_repl_forget_names(struct rh_repl *repl)
{
    rhei_catalog_free(&repl->catalog);
}

static void read_functions(struct rh_repl *repl)
{
    rhei_rows *rows = NULL;
    size_t capacity = 0;
    if (repl->functions != NULL ||
        rhei_oltp_query(repl->tool->db,
                        "SELECT DISTINCT lower(name) FROM pragma_function_list WHERE name GLOB '[a-zA-Z]*' ORDER BY 1",
                        NULL, &rows, NULL) != RHEI_OK)
        return;
    while (rhei_rows_next(rows, NULL) == RHEI_ROW) {
        const char *name = rhei_rows_text(rows, 0);
        if (repl->function_count == capacity) {
            capacity = capacity == 0 ? 128 : capacity * 2;
            repl->functions = rh_reallocate(repl->functions, capacity * sizeof *repl->functions);
        }
        repl->functions[repl->function_count++] = rh_copy_text(name, strlen(name));
    }
    rhei_rows_close(&rows);
}

static void read_names(struct rh_repl *repl)
{
    const struct rhei_call_options limits = {.struct_size = sizeof limits, .timeout_ms = 2000};
    if (repl->catalog == NULL && rhei_catalog_read(repl->tool->db, NULL, &limits, &repl->catalog, NULL) != RHEI_OK)
        repl->catalog = NULL;
    read_functions(repl);
}

static bool matches(const struct view *view, const char *name)
{
    return strncasecmp(name, view->typed, view->typed_length) == 0;
}

static void add(struct view *view, const char *word)
{
    if (view->menu->count < MOST_CHOICES)
        line_menu_add(view->menu, word, strlen(word));
}

/* A name as SQL has to have it. */
static void add_name(struct view *view, const char *name)
{
    struct rh_buffer quoted = {0};
    bool plain = name[0] != '\0' && !(name[0] >= '0' && name[0] <= '9') && !rh_is_keyword(name, strlen(name));
    for (const char *at = name; *at != '\0' && plain; at++)
        plain = (*at & 0x80) != 0 || *at == '_' || (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') ||
                (*at >= 'A' && *at <= 'Z');
    rh_add_identifier(&quoted, name);
    if (matches(view, name))
        add(view, plain ? name : quoted.bytes);
    rh_buffer_free(&quoted);
}

/* A word of SQL, in the case in which it is typed. */
static void add_word(struct view *view, const char *word)
{
    struct rh_buffer cased = {0};
    bool small = view->typed_length > 0 && view->typed[0] >= 'a' && view->typed[0] <= 'z';
    if (!matches(view, word))
        return;
    for (; *word != '\0'; word++)
        rh_buffer_add_char(&cased, small && *word >= 'A' && *word <= 'Z' ? (char)(*word + 32) : *word);
    add(view, cased.bytes);
    rh_buffer_free(&cased);
}

static const struct rhei_catalog_table *table_of(const struct view *view, const char *name, size_t length)
{
    const struct rhei_catalog *catalog = view->repl->catalog;
    for (uint32_t at = 0; catalog != NULL && at < catalog->table_count; at++)
        if (rh_same_name(catalog->tables[at]->name, strlen(catalog->tables[at]->name), name, length))
            return catalog->tables[at];
    return NULL;
}

static struct rh_token next_token(const struct view *view, size_t *at)
{
    struct rh_token token;
    do {
        token = rh_lex(view->text, view->end, *at);
        *at += token.length;
    } while (token.kind == RH_TOKEN_BLANK || token.kind == RH_TOKEN_COMMENT);
    return token;
}

/* The name that a token is, without its quotes. */
static const char *name_of(const struct view *view, const struct rh_token *token, size_t *length)
{
    size_t quote = token->kind == RH_TOKEN_NAME, behind = quote && !token->open;
    *length = token->length - quote - behind;
    return view->text + token->start + quote;
}

static bool is_name(const struct view *view, const struct rh_token *token)
{
    return token->kind == RH_TOKEN_NAME ||
           (token->kind == RH_TOKEN_WORD && !rh_is_keyword(view->text + token->start, token->length));
}

static bool is_word(const struct view *view, const struct rh_token *token, const char *word)
{
    return token->kind == RH_TOKEN_WORD && rh_same_name(view->text + token->start, token->length, word, strlen(word));
}

/* The tables that the statement names, each with the alias behind it. What is being typed is none. */
static void find_sources(struct view *view)
{
    size_t at = view->begin;
    for (struct rh_token token = next_token(view, &at);
         token.kind != RH_TOKEN_END && view->source_count < MOST_TABLES;) {
        size_t length;
        const char *name = name_of(view, &token, &length);
        bool typed = token.start + token.length == view->cursor && token.kind == RH_TOKEN_WORD;
        const struct rhei_catalog_table *table = is_name(view, &token) && !typed ? table_of(view, name, length) : NULL;
        token = next_token(view, &at);
        if (table == NULL || (token.kind == RH_TOKEN_SIGN && view->text[token.start] == '.'))
            continue;
        struct source *source = &view->sources[view->source_count++];
        *source = (struct source){.table = table};
        if (is_word(view, &token, "AS"))
            token = next_token(view, &at);
        if (is_name(view, &token) && token.start + token.length != view->cursor)
            source->alias = name_of(view, &token, &source->alias_length);
    }
}

static void find_statement(struct view *view)
{
    view->end = view->length;
    for (size_t at = 0; at < view->length;) {
        struct rh_token token = rh_lex(view->text, view->length, at);
        at += token.length;
        if (token.kind != RH_TOKEN_SIGN || view->text[token.start] != ';')
            continue;
        if (at > view->cursor) {
            view->end = token.start;
            return;
        }
        view->begin = at;
    }
}

static void add_columns(struct view *view, const struct rhei_catalog_table *table)
{
    for (uint32_t at = 0; at < table->column_count; at++)
        if (!table->columns[at]->hidden)
            add_name(view, table->columns[at]->name);
}

static void add_tables(struct view *view, const char *schema, size_t schema_length)
{
    const struct rhei_catalog *catalog = view->repl->catalog;
    for (uint32_t at = 0; catalog != NULL && at < catalog->table_count; at++) {
        const struct rhei_catalog_table *table = catalog->tables[at];
        bool main = strcmp(table->schema, "main") == 0;
        if (schema != NULL ? rh_same_name(table->schema, strlen(table->schema), schema, schema_length) : main)
            add_name(view, table->name);
        else if (schema == NULL)
            add_name(view, table->schema);
    }
}

/* Behind "name.": the columns of an alias or a table, or the tables of a schema. */
static void add_members(struct view *view, const char *name, size_t length)
{
    for (size_t at = 0; at < view->source_count; at++) {
        const struct source *source = &view->sources[at];
        if (source->alias != NULL && rh_same_name(source->alias, source->alias_length, name, length)) {
            add_columns(view, source->table);
            return;
        }
    }
    const struct rhei_catalog_table *table = table_of(view, name, length);
    if (table != NULL)
        add_columns(view, table);
    else
        add_tables(view, name, length);
}

/* Of every table, where the statement doesn't name one yet: SELECT is typed before FROM. */
static void add_all_columns(struct view *view)
{
    const struct rhei_catalog *catalog = view->repl->catalog;
    for (uint32_t at = 0; catalog != NULL && at < catalog->table_count; at++)
        add_columns(view, catalog->tables[at]);
}

/* Words that join tables stand behind FROM alone. */
static bool has_place(const struct view *view, const char *keyword)
{
    static const char *const joining[] = {"NATURAL", "CROSS", "INNER", "OUTER", "LEFT",
                                          "RIGHT",   "FULL",  "JOIN",  "USING"};
    for (size_t at = 0; at < sizeof joining / sizeof *joining && !view->from; at++)
        if (strcmp(keyword, joining[at]) == 0)
            return false;
    return true;
}

static void add_anything(struct view *view)
{
    if (view->source_count == 0 && view->select && !view->from)
        add_all_columns(view);
    for (size_t at = 0; at < view->source_count; at++)
        add_columns(view, view->sources[at].table);
    for (size_t at = 0; at < view->source_count; at++) {
        struct rh_buffer alias = {0};
        if (view->sources[at].alias == NULL)
            continue;
        rh_buffer_add(&alias, view->sources[at].alias, view->sources[at].alias_length);
        add_name(view, alias.bytes);
        rh_buffer_free(&alias);
    }
    if (view->source_count == 0 || view->typed_length > 0)
        add_tables(view, NULL, 0);
    if (view->typed_length == 0)
        return;
    for (size_t at = 0; rh_keywords[at] != NULL; at++)
        if (has_place(view, rh_keywords[at]))
            add_word(view, rh_keywords[at]);
    for (size_t at = 0; at < view->repl->function_count; at++) {
        struct rh_buffer call = {0};
        rh_buffer_format(&call, "%s(", view->repl->functions[at]);
        add_word(view, call.bytes);
        rh_buffer_free(&call);
    }
}

static void complete_sql(struct view *view)
{
    static const char *const before_tables[] = {"FROM", "JOIN", "INTO", "UPDATE", "TABLE"};
    struct rh_token last[3] = {{0}}, token = {0}; /* behind one another, before what is typed */
    size_t at;
    find_statement(view);
    for (at = view->begin; at < view->cursor; at += token.length) {
        token = rh_lex(view->text, view->cursor, at);
        bool blank = token.kind == RH_TOKEN_BLANK || token.kind == RH_TOKEN_COMMENT;
        if (token.open && token.kind != RH_TOKEN_NAME)
            return; /* within a string or a comment there are no names */
        if (!blank) {
            view->select = view->select || is_word(view, &token, "SELECT");
            view->from = view->from || is_word(view, &token, "FROM");
            last[0] = last[1];
            last[1] = last[2];
            last[2] = token;
        }
    }
    bool typing = token.start + token.length == view->cursor &&
                  (token.kind == RH_TOKEN_WORD || (token.kind == RH_TOKEN_NAME && token.open));
    const struct rh_token *before = typing ? &last[1] : &last[2], *before_that = typing ? &last[0] : &last[1];
    view->menu->start = typing ? token.start : view->cursor;
    view->typed = view->text + view->menu->start;
    view->typed_length = view->cursor - view->menu->start;
    if (typing && token.kind == RH_TOKEN_NAME) {
        view->typed++;
        view->typed_length--;
    }
    read_names(view->repl);
    find_sources(view);
    if (before->kind == RH_TOKEN_SIGN && view->text[before->start] == '.' && is_name(view, before_that)) {
        size_t length;
        const char *name = name_of(view, before_that, &length);
        add_members(view, name, length);
        return;
    }
    for (size_t word = 0; word < sizeof before_tables / sizeof *before_tables; word++)
        if (is_word(view, before, before_tables[word])) {
            add_tables(view, NULL, 0);
            return;
        }
    add_anything(view);
}

/* Names of files that begin as what is typed does; those that begin with a dot only if it does. */
static void add_files(struct view *view)
{
    struct rh_buffer folder = {0}, path = {0};
    const char *slash = memrchr(view->typed, '/', view->typed_length);
    size_t kept = slash != NULL ? (size_t)(slash - view->typed) + 1 : 0, name_length = view->typed_length - kept;
    rh_buffer_add(&folder, view->typed, kept);
    DIR *open = opendir(kept > 0 ? folder.bytes : ".");
    for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL && view->menu->count < MOST_CHOICES;) {
        struct stat about;
        if (strncmp(entry->d_name, view->typed + kept, name_length) != 0 ||
            (entry->d_name[0] == '.' &&
             (name_length == 0 || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)) ||
            strpbrk(entry->d_name, " \t\n'\"") != NULL ||
            rh_utf8_valid(entry->d_name, strlen(entry->d_name)) < strlen(entry->d_name))
            continue;
        rh_buffer_clear(&path);
        rh_buffer_add(&path, view->typed, kept);
        rh_buffer_add_text(&path, entry->d_name);
        if (stat(path.bytes, &about) == 0 && S_ISDIR(about.st_mode))
            rh_buffer_add_char(&path, '/');
        add(view, path.bytes);
    }
    if (open != NULL)
        closedir(open);
    rh_buffer_free(&folder);
    rh_buffer_free(&path);
}

static void add_choices(struct view *view, const char *choices)
{
    while (*choices != '\0') {
        size_t length = strcspn(choices, " ");
        if (length >= view->typed_length && strncmp(choices, view->typed, view->typed_length) == 0)
            line_menu_add(view->menu, choices, length);
        choices += length + (choices[length] == ' ');
    }
}

static const struct rh_repl_command *command_at(const char *text, size_t length)
{
    for (size_t at = 0; at < rh_repl_command_count; at++)
        if (strlen(rh_repl_commands[at].name) == length && strncmp(rh_repl_commands[at].name, text, length) == 0)
            return &rh_repl_commands[at];
    return NULL;
}

static void complete_argument(struct view *view, const struct rh_repl_command *command, size_t number)
{
    if (command->choices != NULL && strcmp(command->choices, "FILE") == 0 && number == 1)
        add_files(view);
    else if (command->choices != NULL && strcmp(command->choices, "COMMAND") == 0 && number == 1)
        for (size_t at = 0; at < rh_repl_command_count; at++)
            add_choices(view, rh_repl_commands[at].name);
    else if (number == 1 ? command->choices != NULL && strcmp(command->choices, "TABLE") == 0
                         : number == 2 && command->choices != NULL && strcmp(command->choices, "FILE") == 0) {
        read_names(view->repl);
        add_tables(view, NULL, 0);
    } else if (command->choices != NULL && number == 1) {
        add_choices(view, command->choices);
    }
}

/* A dot command: its name, or its words. SQL behind it is completed as SQL; false then. */
static bool complete_command(struct view *view)
{
    size_t name = strcspn(view->text, " \t\n"), word = view->cursor, number = 0;
    while (word > 0 && strchr(" \t\n", view->text[word - 1]) == NULL)
        word--;
    view->menu->start = word;
    view->typed = view->text + word;
    view->typed_length = view->cursor - word;
    if (view->cursor <= name) {
        for (size_t at = 0; at < rh_repl_command_count; at++)
            add_choices(view, rh_repl_commands[at].name);
        return true;
    }
    const struct rh_repl_command *command = command_at(view->text, name);
    for (size_t at = name; at < view->cursor; at++)
        number += strchr(" \t", view->text[at]) != NULL && strchr(" \t", view->text[at - 1]) == NULL;
    if (command == NULL)
        return true;
    complete_argument(view, command, number);
    bool sql = command->most < 0 && strcmp(command->name, ".import") != 0;
    if (view->menu->count > 0 || !sql)
        return true;
    view->begin = name;
    return false;
}

void rh_repl_complete(void *repl, const char *text, size_t length, size_t cursor, struct line_menu *menu)
{
    struct view view = {.repl = repl, .text = text, .length = length, .cursor = cursor, .menu = menu};
    if (text[0] != '.' || !complete_command(&view))
        complete_sql(&view);
}
