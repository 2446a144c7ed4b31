/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token by token, because no grammar here knows the clauses:
 *
 *   1. A table with a clause becomes a subquery over its two tables of the history (sync_history.c), named as it was: so both engines,
 *      joins, views of plans, parameters and EXPLAIN ROUTE see nothing but ordinary tables.
 *   2. A time is made microseconds before SQLite sees it (engine_history_operand.c).
 *   3. AS OF shows the table's columns as they are now; the other clauses show versions, with the history's own columns.
 *   4. What can't be read as one of these forms is left as it is, and SQLite says what it thinks of it; but who asks for the past of a
 *      table that has none is told so.
 */
#include "engine/engine_history.h"

#include "engine/engine_history_rewrite.h"
#include "engine/engine_sidecar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_map.h"
#include "sql/sql_lexer.h"

/* The name itself, for base_free. */
static char *unquoted(struct sql_token token)
{
    if (!is_quoted(token))
        return base_strndup(token.text, token.length);
    char close = token.text[0] == '[' ? ']' : token.text[0];
    char *name = base_strndup(token.text + 1, token.length > 2 ? token.length - 2 : 0), *to = name;
    for (const char *from = name; name != NULL && *from != '\0'; from++) {
        *to++ = *from;
        if (*from == close && from[1] == close)
            from++;
    }
    if (name != NULL)
        *to = '\0';
    return name;
}

/* ---- What the catalog knows. --------------------------------------------------------------------------------------- */

static bool is_of_file(const struct rewriter *r, const char *name)
{
    return engine_file_table(r->catalog, name) != NULL;
}

static bool is_cte(const struct rewriter *r, const char *name)
{
    for (uint32_t c = 0; c < r->cte_count; c++)
        if (base_fold_equal(r->ctes[c].text, r->ctes[c].length, name, strlen(name)))
            return true;
    return false;
}

/* NAME AS [NOT] [MATERIALIZED] (, or NAME (...) AS ...: a common table, or a window, whose name means no table of ours. */
static void note_ctes(struct rewriter *r)
{
    struct sql_token name = {0}, token = peek(r, r->sql), following;
    int depth = 0;
    bool after_list = false;
    for (; token.code != SQL_LEX_END; token = following) {
        if (is(token, "("))
            depth++;
        if (is(token, ")"))
            depth--;
        struct sql_token next = peek(r, behind(token));
        following = next;
        if (is_name(token) && (is(next, "AS") || is(next, "(")) && !after_list)
            name = token;
        if (!is(token, "AS") || name.length == 0)
            continue;
        while (is(next, "NOT") || is(next, "MATERIALIZED"))
            next = peek(r, behind(next));
        if (is(next, "(") && r->cte_count < MOST_NAMES)
            r->ctes[r->cte_count++] = (struct name){name.text, name.length};
    }
}

/* ---- Subqueries. --------------------------------------------------------------------------------------------------- */

/* Its text is the file's, and of the present. */
static rhei_status of_view(const struct rewriter *r, const char *name)
{
    return error_set(
        r->error, RHEI_UNSUPPORTED,
        "\"%.100s\" is a view, which shows its tables as they are now: ask them as of a time, in the view's own words",
        name);
}

static rhei_status no_history(const struct rewriter *r, const char *name)
{
    const struct capture_table *found = engine_file_table(r->catalog, name);
    const char *clash = found == NULL ? NULL : sync_history_clash(&found->source);
    bool there = found != NULL;
    if (clash != NULL && engine_keeps_history(r->db, name))
        return error_set(r->error, RHEI_UNSUPPORTED,
                         "table \"%.100s\" keeps no history: a history has a column of its own that is named as its "
                         "\"%.60s\": give that another name",
                         name, clash);
    if (there && !engine_keeps_history(r->db, name))
        return error_set(r->error, RHEI_UNSUPPORTED,
                         "table \"%.100s\" keeps no history: give it sync_mode = \"temporal\"", name);
    if (engine_file_has_view(r->catalog, name))
        return of_view(r, name);
    if (engine_disk_is_elsewhere(r->db))
        return engine_disk_history(r->db, r->error);
    if (!there)
        return error_set(r->error, RHEI_SQL, "no such table: %.100s", name);
    return error_set(
        r->error, RHEI_STALE,
        "table \"%.100s\" has no history now: it is being loaded, or isn't mirrored (rh status says which)", name);
}

/* SQLite has no form for it, and says no more than that. */
static rhei_status check_no_index(struct rewriter *r)
{
    struct sql_token token = peek(r, r->at), second = peek(r, token.code == SQL_LEX_END ? r->at : behind(token));
    if (is(token, "AS") || is_name(token)) { /* the alias */
        token = peek(r, behind(is(token, "AS") ? second : token));
        second = peek(r, token.code == SQL_LEX_END ? r->at : behind(token));
    }
    if (!(is(token, "NOT") && is(second, "INDEXED")) && !(is(token, "INDEXED") && is(second, "BY")))
        return RHEI_OK;
    r->place = token.text;
    return error_set(r->error, RHEI_SQL,
                     "the past of a table has none of its indexes to choose from or against: leave %s away",
                     is(token, "NOT") ? "NOT INDEXED" : "INDEXED BY and the name");
}

/* Puts a table's past in the place of the text from `from` to r->at. */
static rhei_status replace_by(struct rewriter *r, const char *from, const struct engine_histories *histories,
                              const char *name, const struct source_table *now, const char *shown,
                              const struct engine_past *past)
{
    rhei_status status = check_no_index(r);
    if (status != RHEI_OK)
        return status;
    r->place = r->asked;
    status = engine_histories_say_before(histories, r->db, name, past, r->error);
    if (status != RHEI_OK)
        return status;
    base_buffer_append(&r->out, r->copied, (size_t)(from - r->copied));
    engine_histories_put(histories, name, now, past, &r->out);
    struct sql_token next = peek(r, r->at);
    if (!is(next, "AS") && !is_name(next)) {
        base_buffer_text(&r->out, " AS ");
        base_buffer_identifier(&r->out, shown);
    }
    r->copied = r->at;
    r->any = true;
    return RHEI_OK;
}

/* One of the file. */
static rhei_status replace(struct rewriter *r, const char *from, const char *name, const char *shown,
                           const struct engine_past *past)
{
    const struct capture_table *found = engine_file_table(r->catalog, name);
    const struct source_table *now = found == NULL ? NULL : &found->source;
    bool follows = now != NULL && engine_table_keeps_history(r->db, now);
    if (follows ? !engine_histories_followed(&r->histories, name) : !engine_histories_any(&r->histories, name))
        return no_history(r, name);
    return replace_by(r, from, &r->histories, name, now, shown, past);
}

/* One of a sidecar. */
static rhei_status replace_far(struct rewriter *r, const char *from, const char *name, const char *shown,
                               const struct engine_past *past)
{
    const struct source_table *now = engine_histories_now(&r->far, name);
    if (now != NULL ? engine_histories_followed(&r->far, name) : engine_histories_any(&r->far, name))
        return replace_by(r, from, &r->far, name, now, shown, past);
    const char *clash = now == NULL ? NULL : sync_history_clash(now);
    if (clash != NULL)
        return error_set(
            r->error, RHEI_UNSUPPORTED,
            "table \"%.100s\" keeps no history: a history has a column of its own that is named as its \"%.60s\"", name,
            clash);
    return error_set(r->error, RHEI_STALE,
                     "table \"%.100s\" of a sidecar has no history now: it is being loaded, or isn't mirrored", name);
}

/* ---- Clauses. ------------------------------------------------------------------------------------------------------ */

static bool take_words(struct rewriter *r, const char *const *words)
{
    const char *at = r->at;
    for (; *words != NULL; words++) {
        struct sql_token token = peek(r, at);
        if (!is(token, *words))
            return false;
        at = behind(token);
    }
    r->at = at;
    return true;
}

#define TAKE(...) take_words(r, (const char *const[]){__VA_ARGS__, NULL})

/* A clause at r->at; *found = false: there is none. */
static rhei_status take_clause(struct rewriter *r, struct engine_past *past, bool *found)
{
    rhei_status status = RHEI_OK;
    *found = true;
    if (TAKE("AS", "OF", "POSITION") || TAKE("FOR", "SYSTEM_TIME", "AS", "OF", "POSITION")) {
        past->kind = PAST_POSITION;
        status = engine_history_operand(r, true, &past->first);
        past->known = r->operand_known;
        past->point = r->operand;
        return status;
    }
    if (!TAKE("FOR", "SYSTEM_TIME")) {
        *found = false;
        return RHEI_OK;
    }
    if (TAKE("ALL")) {
        past->kind = PAST_ALL;
        return RHEI_OK;
    }
    if (TAKE("AS", "OF")) {
        past->kind = PAST_AS_OF;
        status = engine_history_operand(r, false, &past->first);
        past->known = r->operand_known;
        past->point = r->operand;
        past->number = r->operand_number;
        return status;
    }
    bool range = TAKE("FROM");
    if (!range && !TAKE("BETWEEN")) {
        r->place = peek(r, r->at).code == SQL_LEX_END ? r->place : peek(r, r->at).text;
        return error_set(r->error, RHEI_SQL, "behind FOR SYSTEM_TIME stands AS OF, FROM, BETWEEN or ALL");
    }
    past->kind = range ? PAST_RANGE : PAST_BETWEEN;
    status = engine_history_operand(r, false, &past->first);
    past->begin_known = r->operand_known;
    past->begin = r->operand;
    if (status == RHEI_OK && !(range ? TAKE("TO") : TAKE("AND")))
        status = error_set(r->error, RHEI_SQL, "FOR SYSTEM_TIME %s needs a second time",
                           range ? "FROM a TO b" : "BETWEEN a AND b");
    if (status == RHEI_OK)
        status = engine_history_operand(r, false, &past->second);
    past->known = r->operand_known;
    past->point = r->operand;
    past->number = r->operand_number;
    if (status == RHEI_OK && past->begin_known && past->known && past->begin > past->point)
        status = error_set(r->error, RHEI_INVALID,
                           "the first time of FOR SYSTEM_TIME %s is later than the second: exchange them",
                           range ? "FROM a TO b" : "BETWEEN a AND b");
    return status;
}

/* t_history: the name of t, for base_free, if it has a history, or ought to, or may have one elsewhere, and nothing of the file has this name. */
static char *table_of_history(const struct rewriter *r, const char *name)
{
    size_t len = engine_history_name(name);
    if (len == 0 || engine_file_find(r->catalog, name) != ENGINE_FOUND_NOTHING)
        return NULL;
    char *table = base_strndup(name, len);
    if (table == NULL)
        return NULL;
    const struct capture_table *found = engine_file_table(r->catalog, table);
    bool may = found != NULL ? engine_table_keeps_history(r->db, &found->source) : engine_disk_is_elsewhere(r->db);
    if (!may && !engine_histories_any(&r->histories, table)) {
        base_free(table);
        table = NULL;
    }
    return table;
}

/* Of the file as it is, or one that went and has a history. */
static bool is_table(const struct rewriter *r, const char *name)
{
    return is_of_file(r, name) || engine_histories_any(&r->histories, name);
}

/* The sidecar that the name is of, into r->far; *table: t of t_history, for base_free. False: it is of none. */
static rhei_status find_far(struct rewriter *r, const char *schema, const char *name, bool *found, char **table)
{
    uint32_t number = 0;
    const char *sidecar = NULL, *shown = NULL;
    size_t len = engine_history_name(name);
    *found = false;
    if (schema == NULL && (is_cte(r, name) || engine_file_find(r->catalog, name) != ENGINE_FOUND_NOTHING ||
                           engine_histories_any(&r->histories, name)))
        return RHEI_OK;
    while (!*found && (number = engine_sidecars_next(r->db, number, &sidecar, &shown)) != 0) {
        if (schema != NULL && base_fold_compare(schema, sidecar) != 0)
            continue;
        engine_histories_close(&r->far);
        rhei_status status = engine_histories_open_of(r->db, r->state, number, shown, &r->far, r->error);
        if (status != RHEI_OK)
            return status;
        r->far.sidecar = engine_sidecars_named(r->db, number, &r->far.kept);
        *found = engine_histories_now(&r->far, name) != NULL || engine_histories_any(&r->far, name);
        if (*found || len == 0)
            continue;
        *table = base_strndup(name, len);
        if (*table == NULL)
            return error_no_memory(r->error);
        *found = engine_histories_any(&r->far, *table);
        if (!*found) {
            base_free(*table);
            *table = NULL;
        }
    }
    return RHEI_OK;
}

/* The number of the sidecar of that name; 0: it is none's. */
static uint32_t number_far(const struct rewriter *r, const char *schema)
{
    uint32_t number = 0;
    const char *sidecar = NULL, *shown = NULL;
    while ((number = engine_sidecars_next(r->db, number, &sidecar, &shown)) != 0)
        if (base_fold_compare(schema, sidecar) == 0)
            break;
    return number;
}

/* What --as-of asks for. */
static void set_as_of(const struct rewriter *r, struct engine_past *past)
{
    past->kind = PAST_AS_OF;
    past->known = true;
    past->point = r->as_of_us;
    past->number = r->as_of_number;
    base_buffer_text(&past->first, r->as_of);
}

/* *taken: the name is a sidecar's, and what there is to do about it is done. `clause`: there was one. */
static rhei_status take_far(struct rewriter *r, const char *from, const char *schema, const char *name, bool clause,
                            struct engine_past *past, bool *taken)
{
    char *table = NULL;
    *taken = false;
    if (r->db->sidecars == NULL || (schema != NULL && base_fold_compare(schema, "main") == 0))
        return RHEI_OK;
    rhei_status status = find_far(r, schema, name, taken, &table);
    if (status == RHEI_OK && *taken && r->far.schema == NULL && (clause || r->as_of != NULL))
        return error_set(r->error, RHEI_UNSUPPORTED, "table \"%.100s\" is of a sidecar that keeps no history", name);
    if (status == RHEI_OK && !*taken && schema != NULL && (clause || r->as_of != NULL))
        status = engine_sidecars_past(r->db, number_far(r, schema), r->error); /* nothing of it was waited for */
    if (status == RHEI_OK && *taken && (clause || r->as_of != NULL || table != NULL))
        status = engine_sidecars_past(r->db, r->far.source & (TABLE_HISTORY - 1), r->error);
    if (status != RHEI_OK) {
        base_free(table);
        return status;
    }
    if (status == RHEI_OK && *taken && table != NULL && !clause) {
        past->kind = PAST_ALL;
        status = replace_far(r, from, table, name, past);
    } else if (status == RHEI_OK && *taken && clause) {
        status = replace_far(r, from, name, name, past);
    } else if (status == RHEI_OK && *taken && r->as_of != NULL) {
        set_as_of(r, past);
        status = replace_far(r, from, name, name, past);
    }
    base_free(table);
    return status;
}

/* A name that is no sidecar's. */
static rhei_status take_own(struct rewriter *r, const char *from, const char *schema, const char *name, bool clause,
                            struct engine_past *past)
{
    bool here = schema == NULL || base_fold_compare(schema, "main") == 0;
    bool meant = r->as_of != NULL && here && !is_cte(r, name);
    char *of = NULL;
    rhei_status status = RHEI_OK;
    if (r->deletes) { /* SQLite says what it thinks of the name alone */
        if (clause || r->as_of != NULL)
            status = error_set(r->error, RHEI_READ_ONLY,
                               "what was can only be read: rows are deleted from the table as it is");
    } else if (clause && !here) {
        status = error_set(r->error, RHEI_UNSUPPORTED, "tables of schema \"%.60s\" keep no history", schema);
    } else if (clause) {
        status = replace(r, from, name, name, past);
    } else if ((here || base_fold_compare(schema, ENGINE_HISTORY) == 0) && (of = table_of_history(r, name)) != NULL) {
        past->kind = PAST_ALL;
        status = replace(r, from, of, name, past);
    } else if (meant && engine_file_has_view(r->catalog, name)) {
        status = of_view(r, name);
    } else if (meant && is_table(r, name)) {
        set_as_of(r, past);
        status = replace(r, from, name, name, past);
    }
    base_free(of);
    return status;
}

/* A table's name, perhaps behind a schema's, at `from`; r->at is behind it. */
static rhei_status take_table(struct rewriter *r, const char *from, const char *schema, const char *name)
{
    struct engine_past past = {0};
    bool found = false, far = false;
    rhei_status status = take_clause(r, &past, &found);
    r->asked = r->place;
    if (status == RHEI_OK) /* what may be wrong from here on is the table */
        r->place = from;
    if (status == RHEI_OK && !r->deletes)
        status = take_far(r, from, schema, name, found, &past, &far);
    if (status == RHEI_OK && !far)
        status = take_own(r, from, schema, name, found, &past);
    base_buffer_reset(&past.first);
    base_buffer_reset(&past.second);
    return status;
}

static rhei_status take_name(struct rewriter *r, struct sql_token first)
{
    struct sql_token dot = peek(r, behind(first)), second = {0};
    char *schema = NULL, *name = NULL;
    r->at = behind(first);
    r->place = first.text;
    if (is(dot, ".")) {
        second = peek(r, behind(dot));
        schema = unquoted(first);
        r->at = behind(second);
    }
    name = unquoted(schema != NULL ? second : first);
    rhei_status status = name == NULL ? error_no_memory(r->error) : RHEI_OK;
    if (status == RHEI_OK && !is(peek(r, r->at), "(")) /* a table-valued function */
        status = take_table(r, first.text, schema, name);
    base_free(schema);
    base_free(name);
    return status;
}

/* A clause that no name of a table stands before: SQLite would point at a word of it and say no more. */
static rhei_status check_misplaced(struct rewriter *r, struct sql_token token)
{
    if (!is(token, "FOR") && !is(token, "AS"))
        return RHEI_OK;
    struct sql_token second = peek(r, r->at), third = peek(r, second.code == SQL_LEX_END ? r->at : behind(second));
    bool time = is(token, "FOR") && (is(second, "SYSTEM_TIME") || (is(second, "SYSTEM") && is(third, "TIME")));
    bool position = is(token, "AS") && is(second, "OF") && is(third, "POSITION");
    bool constant = is(token, "AS") && is(second, "OF") && third.code != SQL_LEX_END &&
                    (strchr("'?:@$0123456789", third.text[0]) != NULL || is(third, "TIMESTAMP"));
    if (!time && !position && !constant)
        return RHEI_OK;
    r->place = token.text;
    if (constant || (time && is(second, "SYSTEM")))
        return error_set(r->error, RHEI_SQL,
                         "a table as of a time is FROM t FOR SYSTEM_TIME AS OF '2026-11-27T10:00:00Z', and as of a "
                         "position of the change log FROM t AS OF POSITION 7");
    return error_set(r->error, RHEI_SQL,
                     "%s stands directly behind the name of a table that is read, before its alias and whatever else "
                     "follows: FROM t %s AS x",
                     time ? "FOR SYSTEM_TIME" : "AS OF POSITION", time ? "FOR SYSTEM_TIME ALL" : "AS OF POSITION 7");
}

/* ---- The walk. ----------------------------------------------------------------------------------------------------- */

static bool ends_from(struct sql_token token)
{
    static const char *const words[] = {"SELECT", "WHERE", "GROUP",  "ORDER",     "HAVING", "LIMIT",     "WINDOW",
                                        "UNION",  "SET",   "EXCEPT", "INTERSECT", "VALUES", "RETURNING", ";"};
    for (size_t w = 0; w < sizeof words / sizeof words[0] && !is_no_keyword(token); w++)
        if (is(token, words[w]))
            return true;
    return false;
}

static rhei_status walk(struct rewriter *r)
{
    bool from[MOST_DEPTH] = {false}, wanted = false; /* wanted: a table's name may come now */
    int depth = 0;
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK) {
        struct sql_token token = peek(r, r->at);
        if (token.code == SQL_LEX_END)
            break;
        r->at = behind(token);
        uint32_t number = engine_history_parameter(r, token);
        if (number != 0)
            r->is_other[number - 1] = true;
        bool table = wanted && is_name(token);
        status = check_misplaced(r, token);
        if (status != RHEI_OK)
            return status;
        if (is(token, "(")) {
            depth++;
            if (depth >= MOST_DEPTH)
                return error_set(r->error, RHEI_TOO_BIG, "a question about the past is nested too deeply");
            from[depth] = wanted; /* (a JOIN b), or a subquery, whose SELECT ends it */
            continue;
        }
        if (table)
            status = take_name(r, token);
        if (is(token, ")") && depth > 0)
            depth--;
        else if (is(token, "FROM"))
            from[depth] = true;
        else if (ends_from(token))
            from[depth] = false;
        wanted = from[depth] && (is(token, "FROM") || is(token, "JOIN") || is(token, ","));
        r->deletes = is(token, "DELETE") || (r->deletes && is(token, "FROM"));
    }
    return status;
}

/* What SQLite finds missing of the text that was put in. */
static void explain_rowid(struct rhei_error *error)
{
    static const char says[] = "no such column: ";
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    const char *name = strstr(error->message, says);
    name = name == NULL ? "" : name + sizeof says - 1;
    name = strrchr(name, '.') != NULL ? strrchr(name, '.') + 1 : name;
    size_t len = strlen(error->message);
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
        if (base_fold_compare(name, names[n]) == 0)
            (void)snprintf(error->message + len, sizeof error->message - len,
                           ": rows of the past have none: name the columns of the table's key, or of versions (FOR "
                           "SYSTEM_TIME ALL) _rhei_seq");
}

void engine_history_place(const char *sql, const char *made, struct rhei_error *error)
{
    if (error == NULL || made == NULL)
        return;
    explain_rowid(error);
    if (error->sql_offset < 0)
        return;
    size_t len = strlen(sql), made_len = strlen(made), before = 0, behind = 0, at = (size_t)error->sql_offset;
    while (before < len && sql[before] == made[before])
        before++;
    while (behind < len - before && behind < made_len - before && sql[len - behind - 1] == made[made_len - behind - 1])
        behind++;
    if (at >= before)
        error->sql_offset = at <= made_len && made_len - at <= behind ? (int32_t)(len - (made_len - at)) : -1;
}

/* Does a word of the text end so? In quotes, too. */
static bool has_ending(const char *sql, const char *ending)
{
    size_t len = strlen(ending);
    for (const char *at = strcasestr(sql, ending); at != NULL; at = strcasestr(at + len, ending))
        if (!sql_is_name_byte((unsigned char)at[len]))
            return true;
    return false;
}

static bool may_be_rewritten(const char *sql, const char *as_of)
{
    return as_of != NULL || has_ending(sql, "system_time") || has_ending(sql, "_history") ||
           has_ending(sql, "position") || strcasestr(sql, " as of ") != NULL;
}

/* What is asked of the schema by its own tables stays as it is, but is to be known, too. */
bool engine_history_may_be(const char *sql, const char *as_of)
{
    return may_be_rewritten(sql, as_of) || has_ending(sql, "history");
}

/* What is kept in the file is for every program that reads it, and the past is in the column store alone. */
static rhei_status check_kept(const struct rewriter *r)
{
    struct sql_token token = peek(r, r->sql);
    if (!r->any || !is(token, "CREATE"))
        return RHEI_OK;
    do
        token = peek(r, behind(token));
    while (is(token, "TEMP") || is(token, "TEMPORARY") || is(token, "OR") || is(token, "REPLACE"));
    if (!is(token, "VIEW") && !is(token, "TRIGGER"))
        return RHEI_OK;
    return error_set(
        r->error, RHEI_UNSUPPORTED,
        "the past can't be read in a %s, which other programs would see, too: ask for it in a statement of its own",
        is(token, "VIEW") ? "view" : "trigger");
}

static rhei_status check_parameters(struct rewriter *r)
{
    for (uint32_t p = 0; p < r->parameter_count; p++)
        if (r->is_time[p] && r->is_other[p])
            return error_set(r->error, RHEI_UNSUPPORTED,
                             "parameter %" PRIu32
                             " is a time of a question about the past and something else, too: give each its own",
                             p + 1);
    return RHEI_OK;
}

rhei_status engine_history_rewrite(const struct engine_history_text *text, char **made, struct rhei_value **own,
                                   struct rhei_error *error)
{
    struct rhei_db *db = text->db;
    const char *sql = text->sql, *as_of = text->as_of;
    *made = NULL;
    *own = NULL;
    if (!db->keeps_history && as_of != NULL) {
        char words[ENGINE_NO_HISTORY_BYTES];
        engine_disk_no_history(db, words);
        return error_set(error, RHEI_UNSUPPORTED, "%s", words);
    }
    if (!db->keeps_history || !may_be_rewritten(sql, as_of))
        return RHEI_OK;
    struct rewriter *r = base_alloc(sizeof *r); /* zeroed below */
    struct base_buffer time = {0};
    int64_t micros = 0;
    if (r == NULL)
        return error_no_memory(error);
    *r = (struct rewriter){.db = db,
                           .state = engine_session_state(text->session),
                           .sql = sql,
                           .end = sql + text->len,
                           .at = sql,
                           .copied = sql,
                           .error = error,
                           .values = text->values,
                           .value_count = text->value_count};
    rhei_status status = as_of == NULL ? RHEI_OK : engine_time_text(as_of, strlen(as_of), &micros, error);
    if (status == RHEI_OK && as_of != NULL) {
        base_buffer_format(&time, "%" PRId64, micros);
        r->as_of = time.data;
        r->as_of_us = micros;
        r->as_of_number = engine_time_is_number(
            &(struct rhei_value){.type = RHEI_TEXT, .as.bytes = as_of, .length = (uint32_t)strlen(as_of)});
    }
    if (status == RHEI_OK)
        status = capture_catalog_take(db->oltp, &r->catalog, error);
    if (status == RHEI_OK)
        status = engine_histories_open(db, r->state, &r->histories, error);
    if (status == RHEI_OK) {
        note_ctes(r);
        status = walk(r);
    }
    if (status != RHEI_OK && error != NULL && r->place != NULL && r->place - sql <= INT32_MAX)
        error->sql_offset = (int32_t)(r->place - sql);
    if (status == RHEI_OK)
        status = check_kept(r);
    if (status == RHEI_OK)
        status = check_parameters(r);
    if (status == RHEI_OK && r->any) {
        base_buffer_append(&r->out, r->copied, (size_t)(r->end - r->copied));
        *made = base_buffer_take(&r->out);
        *own = r->own;
        r->own = NULL;
        status = *made == NULL ? error_no_memory(error) : RHEI_OK;
    }
    capture_catalog_release(&r->catalog);
    engine_histories_close(&r->histories);
    engine_histories_close(&r->far);
    base_buffer_reset(&r->out);
    base_buffer_reset(&time);
    base_free(r->own);
    base_free(r);
    return status;
}
