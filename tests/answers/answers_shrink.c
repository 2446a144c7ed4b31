/* SPDX-License-Identifier: Apache-2.0 */
#include "answers_shrink.h"

#include <ctype.h>
#include <string.h>

#include "answers_data.h"

enum { MOST_TRIES = 1500 };

struct shrink {
    rhei_db *db;
    struct text *sql;
    const struct rhei_value *parameters;
    enum verdict verdict;
    int tries;
};

/* Puts `words` in the place of [start, end) if the engines still differ in the same way. */
static bool try_replace(struct shrink *shrink, size_t start, size_t end, const char *words, size_t length)
{
    if (shrink->tries++ >= MOST_TRIES)
        return false;
    struct text shorter = {0};
    text_bytes(&shorter, shrink->sql->at, start);
    text_bytes(&shorter, words, length);
    text_put(&shorter, shrink->sql->at + end);
    struct pair pair;
    bool kept = shorter.length < shrink->sql->length &&
                run_both(shrink->db, shorter.at, shrink->parameters, &pair) == shrink->verdict;
    if (shorter.length < shrink->sql->length)
        run_free(&pair);
    if (kept) {
        struct text old = *shrink->sql;
        *shrink->sql = shorter;
        shorter = old;
    }
    text_free(&shorter);
    return kept;
}

static size_t quoted_end(const char *sql, size_t at)
{
    const char *end = strchr(sql + at + 1, sql[at]);
    return end != NULL ? (size_t)(end - sql) : strlen(sql) - 1;
}

/* Where the parenthesis that opens here closes; 0: nowhere. */
static size_t closing(const char *sql, size_t at)
{
    int depth = 0;
    for (; sql[at] != '\0'; at++)
        if (sql[at] == '\'' || sql[at] == '"')
            at = quoted_end(sql, at);
        else if (sql[at] == '(')
            depth++;
        else if (sql[at] == ')' && --depth == 0)
            return at;
    return 0;
}

static const char *const starts[] = {
    " WHERE ",  " GROUP BY ", " HAVING ",  " ORDER BY ", " LIMIT ",       " OFFSET ",  " UNION ",  " INTERSECT ",
    " EXCEPT ", " JOIN ",     " LEFT ",    " RIGHT ",    " FULL ",        " INNER ",   " CROSS ",  " NATURAL ",
    " ON ",     " USING ",    " FROM ",    ", ",         " AND ",         " OR ",      " FILTER ", " WHEN ",
    " ELSE ",   " AS c",      " COLLATE ", "DISTINCT ",  "PARTITION BY ", " EXCLUDE ", " ROWS ",   " RANGE ",
    " GROUPS ", " NULLS ",    " DESC",     "NOT ",       "WITH ",         " ESCAPE ",  " + ",      " - ",
    " * ",      " / ",        " || ",      " % ",        " & ",           " | ",
};

static bool starts_part(const char *at)
{
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(at, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

/* Where the part that starts here may end: before the nth next part of its depth, or the parenthesis around it. */
static size_t part_end(const char *sql, size_t at, int parts)
{
    for (at++; sql[at] != '\0' && sql[at] != ')'; at++)
        if (sql[at] == '\'' || sql[at] == '"')
            at = quoted_end(sql, at);
        else if (sql[at] == '(')
            at = closing(sql, at) == 0 ? at : closing(sql, at);
        else if (starts_part(sql + at) && --parts == 0)
            return at;
    return at;
}

static bool drop_part(struct shrink *shrink, size_t at)
{
    size_t before = 0;
    for (int parts = 6; parts > 0; parts--) {
        size_t end = part_end(shrink->sql->at, at, parts);
        if (end != before && try_replace(shrink, at, end, "", 0))
            return true;
        before = end;
    }
    return false;
}

static bool replace_group(struct shrink *shrink, size_t at)
{
    static const char *const simpler[] = {"NULL", "1", "'a'", "0.5"};
    size_t end = closing(shrink->sql->at, at);
    if (end == 0)
        return false;
    size_t start = at;
    while (start > 0 && (isalnum((unsigned char)shrink->sql->at[start - 1]) || shrink->sql->at[start - 1] == '_'))
        start--;
    for (size_t i = 0; i < sizeof simpler / sizeof *simpler; i++)
        if (try_replace(shrink, start, end + 1, simpler[i], strlen(simpler[i])) ||
            (start < at && try_replace(shrink, at, end + 1, simpler[i], strlen(simpler[i]))))
            return true;
    for (size_t inner = at + 1; inner < end; inner++) {
        size_t inner_end = shrink->sql->at[inner] == '(' ? closing(shrink->sql->at, inner) : 0;
        if (inner_end != 0 && inner_end < end) {
            struct text piece = {0};
            text_bytes(&piece, shrink->sql->at + inner, inner_end + 1 - inner);
            bool kept = try_replace(shrink, start, end + 1, piece.at, piece.length);
            text_free(&piece);
            if (kept)
                return true;
            inner = inner_end;
        }
    }
    struct text inside = {0};
    text_bytes(&inside, shrink->sql->at + at + 1, end - at - 1);
    bool kept = try_replace(shrink, start, end + 1, inside.at, inside.length);
    text_free(&inside);
    return kept;
}

/* The first item of a list has its comma behind it. */
static bool drop_first(struct shrink *shrink, size_t at)
{
    const char *sql = shrink->sql->at;
    if (strncmp(sql + at, "SELECT ", 7) != 0)
        return false;
    size_t comma = at + 7;
    while (sql[comma] != '\0' && strncmp(sql + comma, ", ", 2) != 0 && sql[comma] != ')') {
        if (sql[comma] == '(' && closing(sql, comma) != 0)
            comma = closing(sql, comma);
        comma++;
    }
    return sql[comma] == ',' && try_replace(shrink, at + 7, comma + 2, "", 0);
}

static bool pass(struct shrink *shrink)
{
    bool changed = false;
    for (size_t at = 0; at < shrink->sql->length; at++) {
        if (shrink->sql->at[at] == '\'') {
            at = quoted_end(shrink->sql->at, at);
            continue;
        }
        bool here = starts_part(shrink->sql->at + at) && drop_part(shrink, at);
        here = here || (shrink->sql->at[at] == '(' && replace_group(shrink, at));
        here = here || drop_first(shrink, at);
        changed = changed || here;
    }
    return changed;
}

static void replace_parameters(struct shrink *shrink)
{
    for (size_t at = 0; at < shrink->sql->length; at++) {
        if (shrink->sql->at[at] != '?' || !isdigit((unsigned char)shrink->sql->at[at + 1]))
            continue;
        struct text with = {0};
        struct pair pair;
        text_bytes(&with, shrink->sql->at, at);
        data_literal(&with, &shrink->parameters[shrink->sql->at[at + 1] - '1']);
        text_put(&with, shrink->sql->at + at + 2);
        if (run_both(shrink->db, with.at, shrink->parameters, &pair) == shrink->verdict) {
            struct text old = *shrink->sql;
            *shrink->sql = with;
            with = old;
        }
        run_free(&pair);
        text_free(&with);
    }
}

void shrink_statement(rhei_db *db, struct text *sql, const struct rhei_value *parameters, enum verdict verdict)
{
    struct shrink shrink = {db, sql, parameters, verdict, 0};
    replace_parameters(&shrink);
    while (shrink.tries < MOST_TRIES && pass(&shrink)) {
    }
}
