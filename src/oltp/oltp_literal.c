/* SPDX-License-Identifier: Apache-2.0 */
/* Literal INSERTs, UPDATEs and DELETEs as cached statements with parameters (sql_literal.h has the rule). */
#include <string.h>

#include "oltp/oltp_internal.h"

static bool literal_key_fits(struct oltp *oltp, const struct sql_literals *lifted)
{
    char *table_name = oltp_token_text(lifted->key_table.text, 0, lifted->key_table.len);
    char *column = oltp_token_text(lifted->key_column.text, 0, lifted->key_column.len);
    bool fits = false;
    if (table_name != NULL && column != NULL)
        fits = oltp->hooks->is_rowid(oltp, table_name, column);
    base_free(table_name);
    base_free(column);
    return fits;
}

bool oltp_lift(const char *sql, size_t len, struct sql_literals *lifted, char *bytes, size_t size)
{
    lifted->bytes = bytes;
    lifted->bytes_size = size;
    return sql_literals_lift(sql, len, lifted) && oltp_is_blank(sql, len, lifted->consumed);
}

bool oltp_is_plain_write(const char *sql, size_t len)
{
    struct sql_literals lifted;
    char bytes[2048];
    return oltp_lift(sql, len, &lifted, bytes, sizeof bytes) && lifted.bare;
}

bool oltp_prepare_lifted(struct oltp *oltp, const struct sql_literals *lifted, struct oltp_statement **statement)
{
    if (oltp_prepare(oltp->writer, lifted->text, lifted->len, statement, NULL) != RHEI_OK)
        return false;
    BASE_INVARIANT((uint32_t)sqlite3_bind_parameter_count((*statement)->stmt) == lifted->count);
    if (lifted->key_column.len == 0)
        return true;
    uint64_t version = oltp->hooks->version(oltp) + 1;
    if ((*statement)->key_version != version) {
        (*statement)->key_is_rowid = literal_key_fits(oltp, lifted);
        (*statement)->key_version = version;
    }
    if (!(*statement)->key_is_rowid) {
        oltp_statement_release(oltp->writer, statement);
        return false;
    }
    return true;
}

rhei_status oltp_prepare_job(struct oltp *oltp, struct oltp_job *job, struct oltp_statement **statement)
{
    if (job->lifted != NULL) {
        if (oltp_prepare_lifted(oltp, job->lifted, statement)) {
            job->params = job->lifted->values;
            job->param_count = job->lifted->count;
            return RHEI_OK;
        }
        job->lifted = NULL;
        job->params = NULL;
        job->param_count = 0;
    }
    return oltp_prepare(oltp->writer, job->sql, job->len, statement, &job->error);
}
