/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL texts as SQLite reads them: one statement to a tree, what the tree is made of, the statements of a script, a key
 * for caches, and the tree back as text. Pure: no files, no clock, no engine. Every function may be called from any
 * thread; a tree is read-only once it is made, so any number of threads may read it.
 *
 * The grammar is that of SQLite 3.54 for SELECT, VALUES, INSERT, REPLACE, UPDATE, DELETE, CREATE VIEW and EXPLAIN. Every
 * other statement is told by its kind alone. SQLite's own word on a text comes first: what SQLite refuses may parse
 * here, what SQLite accepts must.
 */
#ifndef SQL_SQL_H
#define SQL_SQL_H

#include "base/base_buffer.h"
#include "sql/sql_ast.h"

enum {
    SQL_MAX_DEPTH = 1000,        /* of an expression or of nested SELECTs, SQLite's own limit */
    SQL_MAX_LENGTH = 1000000000, /* bytes of a statement, SQLite's own limit */
};

/* ---- One statement. ---------------------------------------------------------------------------------------------- */

/*
 * Parses the first statement of `len` bytes (a NUL byte ends the text, as it does for SQLite). *tree is the caller's
 * (sql_tree_free), NULL on error. The text is copied: it may go away.
 *
 * RHEI_SQL: not a statement; sql_offset is the byte. RHEI_TOO_BIG: nested deeper than SQL_MAX_DEPTH, or too long.
 * A text of blanks and comments alone is a tree of kind SQL_KIND_EMPTY.
 */
rhei_status sql_parse(const char *text, size_t len, struct sql_tree **tree, struct rhei_error *error);
void sql_tree_free(struct sql_tree **tree);

/*
 * True if something other than blanks, comments and semicolons follows the tree's statement in `text`, the text that was
 * parsed: the caller handed in more than one statement.
 */
bool sql_has_more(const struct sql_tree *tree, const char *text, size_t len);

/* "SELECT", "CREATE"... Static storage. */
const char *sql_kind_name(enum sql_kind kind);

/*
 * The construct of the column store's own dialect ("QUALIFY") at which SQLite's grammar ends the text; NULL: there is none,
 * so what SQLite says of the text stands. Static storage. Only reading statements have one.
 */
const char *sql_olap_construct(const char *text, size_t len);
/* A list somewhere in the text has a comma behind its last item, as in `SELECT a, FROM t`: a typo, though DuckDB reads over it. */
bool sql_ends_in_comma(const char *text, size_t len);

/* ---- The statements of a script. --------------------------------------------------------------------------------- */

enum sql_split_state {
    SQL_SPLIT_STATEMENT, /* a statement with its semicolon */
    SQL_SPLIT_REST,      /* a statement without one: the end of the script, or text that wants more lines */
    SQL_SPLIT_END,       /* nothing but blanks and comments is left */
};

/*
 * The next statement at or after *position, which moves behind it. *offset and *length bound its text without leading
 * blanks and comments. Semicolons in strings, quoted names, comments and trigger bodies end nothing. `open_quote`
 * (may be NULL) is true with SQL_SPLIT_REST when a quote or comment isn't closed.
 */
enum sql_split_state sql_split(const char *text, size_t len, size_t *position, size_t *offset, size_t *length,
                               bool *open_quote);

/* ---- What a statement is made of. -------------------------------------------------------------------------------- */

/* A table as the text names it. CTE names are not tables; a view is, until somebody knows better. */
struct sql_table_fact {
    const char *schema; /* NULL when not written */
    const char *name;
    const char *alias; /* NULL when not written */
    uint32_t offset;   /* byte of the name in the text */
    bool written;      /* target of INSERT, UPDATE or DELETE */
    bool called;       /* a table-valued function: name(...) */
};

struct sql_function_fact {
    const char *name; /* as written */
    uint32_t offset;
    uint32_t argument_count;
    bool window;
    bool aggregate; /* one of SQLite's aggregates, used as one */
};

struct sql_facts {
    bool aggregate; /* anywhere, also inside other calls: round(avg(x), 2) */
    bool group_by;
    bool having;
    bool join;     /* comma joins too */
    bool subquery; /* in FROM or in an expression */
    bool cte;
    bool recursive_cte; /* the word RECURSIVE is there */
    bool window;
    bool set_operation; /* UNION, INTERSECT, EXCEPT */
    bool distinct;
    bool order_by;    /* of the outermost SELECT */
    bool limit;       /* of the outermost SELECT */
    bool values_rows; /* VALUES */
    bool where;       /* of the outermost SELECT, UPDATE or DELETE */
    bool returning;
    bool star;
    const struct sql_table_fact *tables;
    uint32_t table_count;
    const struct sql_function_fact *functions;
    uint32_t function_count;
};

/* Made with the tree, owned by it; borrowed for the tree's life. Never NULL: statements without a tree have empty facts. */
const struct sql_facts *sql_tree_facts(const struct sql_tree *tree);

/* ---- A key for caches. ------------------------------------------------------------------------------------------- */

/* A literal that was taken out of the text. Text and BLOB values are in `bytes` of the key (see sql_normal). */
struct sql_literal {
    uint32_t offset; /* in the original text */
    uint32_t length;
    struct rhei_value value; /* text and BLOB point into the sql_normal's own memory */
};

/*
 * The text without what doesn't change its meaning: keywords and bare names in lower case, one blank between tokens, no
 * comments, no final semicolons; each literal replaced by a mark of its class. Two texts with equal keys
 * differ in literals alone. Literals whose value changes the meaning of the text itself (in ORDER BY and GROUP BY, where
 * an integer is a column's number) are kept by the translator's own check, not here.
 */
struct sql_normal {
    struct base_buffer key;
    struct sql_literal *literals;
    uint32_t literal_count;
    struct base_buffer bytes; /* decoded text and BLOB literals */
    size_t capacity;
};
/* RHEI_SQL: a token that SQLite doesn't have. `normal` starts zeroed or reset, and may be used again for another text. */
rhei_status sql_normalise(const char *text, size_t len, struct sql_normal *normal, struct rhei_error *error);
void sql_normal_reset(struct sql_normal *normal);

/* ---- Back to text. ----------------------------------------------------------------------------------------------- */

/*
 * The parser's oracle in its tests, which parse what is printed again and ask SQLite for both: the tree as SQLite's SQL: the same meaning, other blanks and brackets. RHEI_UNSUPPORTED for kinds without a tree.
 * `out` is appended to.
 */
rhei_status sql_print(const struct sql_tree *tree, struct base_buffer *out, struct rhei_error *error);

#endif
