/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many rows by few statements: INSERT INTO t(...) VALUES (?, ?) for 1,000 rows runs as one with VALUES of 50 rows, 20 times.
 *
 * SQLite keeps a journal of every statement that has a trigger and may fail within a transaction: copies of all pages
 * that it touches, which costs more than the insert itself. One statement for many rows makes those copies once.
 *
 * It is done only where nobody can tell the difference: the text is a plain INSERT or REPLACE of parameters, perhaps with an upsert that
 * takes the new row's values; all is taken back
 * anyway if a row fails; foreign keys are off (their debt is counted at a statement's end); no trigger but ours and no
 * function in a default could ask changes().
 */
#include <string.h>

#include "oltp/oltp_internal.h"

enum {
    WIDE_ROWS = 50,
    WIDE_PARAMS = 4000,
    WIDE_BYTES = 65536, /* SQLite keeps the rows of a statement aside before it inserts them: only small ones */
};

/* ---- The text. --------------------------------------------------------------------------------------------------- */

struct wide_text {
    const char *sql;
    size_t len, at, start, end;
    enum oltp_token token;
};

static void wide_next(struct wide_text *text)
{
    text->token = oltp_next_token(text->sql, text->len, &text->at, &text->start, &text->end);
}

static bool wide_word(const struct wide_text *text, const char *word)
{
    return text->token == OLTP_TOKEN_NAME && oltp_token_is(text->sql, text->start, text->end, word);
}

static bool wide_sign(const struct wide_text *text, char sign)
{
    return text->token == OLTP_TOKEN_OTHER && text->end == text->start + 1 && text->sql[text->start] == sign;
}

static bool wide_name(const struct wide_text *text)
{
    return text->token == OLTP_TOKEN_NAME || text->token == OLTP_TOKEN_QUOTED;
}

/* INSERT [OR x] INTO or REPLACE INTO; the next token is then the table. */
static bool wide_read_verb(struct wide_text *text)
{
    wide_next(text);
    bool replace = wide_word(text, "REPLACE");
    if (!replace && !wide_word(text, "INSERT"))
        return false;
    wide_next(text);
    if (!replace && wide_word(text, "OR")) {
        wide_next(text);
        wide_next(text);
    }
    bool into = wide_word(text, "INTO");
    wide_next(text);
    return into && wide_name(text);
}

/* [main.]table; the table's name as a text of its own, NULL if there is none. */
static char *wide_read_table(struct wide_text *text)
{
    size_t start = text->start, end = text->end;
    wide_next(text);
    if (wide_sign(text, '.')) {
        bool main = oltp_token_is(text->sql, start, end, "main");
        wide_next(text);
        start = text->start;
        end = text->end;
        if (!main || !wide_name(text))
            return NULL;
        wide_next(text);
    }
    return oltp_token_text(text->sql, start, end);
}

/* ON CONFLICT [(a, b)] DO NOTHING or DO UPDATE SET a = excluded.a, b = excluded.b; the token is ON. */
static bool wide_read_conflict(struct wide_text *text)
{
    wide_next(text);
    if (!wide_word(text, "CONFLICT"))
        return false;
    wide_next(text);
    if (wide_sign(text, '(')) {
        do
            wide_next(text);
        while (wide_name(text) || wide_sign(text, ','));
        if (!wide_sign(text, ')'))
            return false;
        wide_next(text);
    }
    if (!wide_word(text, "DO"))
        return false;
    wide_next(text);
    if (wide_word(text, "NOTHING"))
        return oltp_is_blank(text->sql, text->len, text->at);
    bool updates = wide_word(text, "UPDATE");
    wide_next(text);
    if (!updates || !wide_word(text, "SET"))
        return false;
    do {
        static const char signs[] = {0, '=', 0, '.', 0}; /* 0: a name; the third of them says whose the value is */
        for (size_t i = 0; i < sizeof signs; i++) {
            wide_next(text);
            if (signs[i] == 0 ? !wide_name(text) : !wide_sign(text, signs[i]))
                return false;
            if (i == 2 && !wide_word(text, "excluded"))
                return false;
        }
        if (oltp_is_blank(text->sql, text->len, text->at))
            return true;
        wide_next(text);
    } while (wide_sign(text, ','));
    return false;
}

/* Nothing, or an upsert. *end: of the values before it. */
static bool wide_read_end(struct wide_text *text, size_t *end)
{
    *end = text->end;
    if (oltp_is_blank(text->sql, text->len, text->at))
        return true;
    wide_next(text);
    return wide_word(text, "ON") && wide_read_conflict(text);
}

/* [(a, b)] VALUES (?, ?) and what is behind it; returns the number of parameters or 0. *end: of the values. */
static uint32_t wide_read_values(struct wide_text *text, size_t *end)
{
    uint32_t count = 0;
    if (wide_sign(text, '(')) {
        do {
            wide_next(text);
        } while (wide_name(text) || wide_sign(text, ','));
        if (!wide_sign(text, ')'))
            return 0;
        wide_next(text);
    }
    if (!wide_word(text, "VALUES"))
        return 0;
    wide_next(text);
    for (bool open = wide_sign(text, '('); open; open = wide_sign(text, ',')) {
        wide_next(text);
        if (!wide_sign(text, '?'))
            return 0;
        count++;
        wide_next(text); /* a number behind the sign is neither comma nor bracket */
    }
    return wide_sign(text, ')') && wide_read_end(text, end) ? count : 0;
}

/* ---- What else must be so. --------------------------------------------------------------------------------------- */

/* A temporary table may hide the one that was meant, and a temporary trigger may ask what it likes. */
static bool wide_no_temporary(struct oltp *oltp)
{
    static const char sql[] = "SELECT 1 FROM sqlite_temp_master LIMIT 1";
    struct oltp_statement *statement = NULL;
    if (oltp_prepare(oltp->writer, sql, sizeof sql - 1, &statement, NULL) != RHEI_OK)
        return false;
    bool none = sqlite3_step(statement->stmt) == SQLITE_DONE;
    oltp_statement_release(oltp->writer, &statement);
    return none;
}

/* ---- The statement. ---------------------------------------------------------------------------------------------- */

static uint32_t wide_rows(struct oltp *oltp, uint32_t params)
{
    uint32_t limit = (uint32_t)sqlite3_limit(oltp->writer->db, SQLITE_LIMIT_VARIABLE_NUMBER, -1);
    limit = limit < WIDE_PARAMS ? limit : WIDE_PARAMS;
    return params > limit / WIDE_ROWS ? limit / params : WIDE_ROWS;
}

/* More rows behind the first one's values, which end at `end`. */
static struct oltp_statement *wide_make(struct oltp *oltp, const struct oltp_statement *statement, size_t end,
                                        uint32_t params, uint32_t rows)
{
    struct base_buffer text = {0};
    base_buffer_append(&text, statement->sql, end);
    for (uint32_t row = 1; row < rows; row++) {
        for (uint32_t i = 0; i < params; i++)
            base_buffer_text(&text, i == 0 ? ",(?" : ",?");
        base_buffer_char(&text, ')');
    }
    base_buffer_append(&text, statement->sql + end, statement->len - end);
    size_t text_len = text.len;
    char *copy = base_buffer_take(&text);
    struct oltp_statement *wide = base_alloc_zero(1, sizeof *wide);
    if (copy == NULL || wide == NULL ||
        oltp_prepare_text(oltp->writer, copy, text_len, SQLITE_PREPARE_PERSISTENT, &wide->stmt, NULL) != SQLITE_OK) {
        base_free(wide);
        wide = NULL;
    }
    base_free(copy);
    return wide;
}

/* What the text allows as long as the schema is this one. */
static void wide_decide(struct oltp *oltp, struct oltp_statement *statement)
{
    struct wide_text text = {.sql = statement->sql, .len = statement->len};
    oltp_wide_free(statement);
    char *table = wide_read_verb(&text) ? wide_read_table(&text) : NULL;
    size_t end = 0;
    uint32_t params = table == NULL ? 0 : wide_read_values(&text, &end);
    uint32_t rows = params == 0 ? 0 : wide_rows(oltp, params);
    if (rows > 1 && oltp->hooks->inserts_plainly(oltp, table)) {
        statement->wide = wide_make(oltp, statement, end, params, rows);
        statement->wide_rows = rows;
    }
    base_free(table);
}

void oltp_wide_free(struct oltp_statement *statement)
{
    if (statement->wide != NULL) {
        sqlite3_finalize(statement->wide->stmt);
        base_free(statement->wide);
        statement->wide = NULL;
    }
}

struct oltp_statement *oltp_wide_take(struct oltp *oltp, struct oltp_statement *statement, const struct oltp_job *job)
{
    if (!job->many || job->cursor != NULL || job->params == NULL || job->rows < 8 || oltp->foreign_keys)
        return NULL;
    uint64_t version = oltp->hooks->version(oltp) + 1;
    if (statement->wide_version != version) {
        wide_decide(oltp, statement);
        statement->wide_version = version;
    }
    bool fits =
        statement->wide != NULL && job->rows >= statement->wide_rows &&
        (uint32_t)sqlite3_bind_parameter_count(statement->wide->stmt) == statement->wide_rows * job->param_count;
    return fits && wide_no_temporary(oltp) ? statement->wide : NULL;
}

size_t oltp_wide_count(const struct oltp_statement *statement, const struct oltp_job *job, size_t row)
{
    BASE_INVARIANT(statement->wide_rows > 1 && row < job->rows);
    size_t bytes = 0;
    if (job->rows - row < statement->wide_rows)
        return 1;
    const struct rhei_value *values = job->params + row * job->param_count;
    for (size_t i = 0; i < (size_t)statement->wide_rows * job->param_count; i++)
        bytes += values[i].type >= RHEI_TEXT ? values[i].length : 0;
    return bytes <= WIDE_BYTES ? statement->wide_rows : 1;
}
