/* SPDX-License-Identifier: Apache-2.0 */
/* A statement, between what is set and what runs. */
#ifndef ADBC_STATEMENT_H
#define ADBC_STATEMENT_H

#include "adbc_internal.h"

/* Where rows go; without a table none are taken in. */
struct adbc_target {
    char *table, *schema;
    int32_t mode; /* enum rhei_ingest_mode */
    bool temporary;
};

struct adbc_statement {
    struct adbc_object object;
    struct adbc_connection *connection; /* held */
    char *sql;                          /* NULL: none is set */
    rhei_statement *prepared;      /* `sql`, as it runs in or outside of the transaction; NULL: not looked at yet */
    bool in_session;               /* `prepared` is of the session */
    bool plain;                    /* `sql` can't be prepared, but answered */
    bool control;                  /* BEGIN and the like */
    struct ArrowArrayStream bound; /* released: nothing is bound */
    struct adbc_target target;
    atomic_llong last_rowid, position; /* of the last write */
};

/* Takes in what is bound. */
AdbcStatusCode adbc_ingest(struct adbc_statement *statement, int64_t *affected, struct AdbcError *error);
/* Runs the text. `out` may be NULL. */
AdbcStatusCode adbc_execute(struct adbc_statement *statement, struct ArrowArrayStream *out, int64_t *affected,
                            struct AdbcError *error);
/* Looks at the text, under `work` if a session is there. */
AdbcStatusCode adbc_describe(struct adbc_statement *statement, rhei_cancel *cancel, struct AdbcError *error);
void adbc_forget(struct adbc_statement *statement); /* what was looked at */
AdbcStatusCode adbc_may_write(const struct adbc_connection *connection, struct AdbcError *error);

#endif
