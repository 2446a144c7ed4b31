/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks of a handle of which nobody asked for more than SQLite: nothing is known of the schema, and nothing is captured. */
#include "oltp/oltp_internal.h"

static rhei_status unhooked_do(struct oltp *oltp, struct rhei_error *error)
{
    (void)oltp;
    (void)error;
    return RHEI_OK;
}

static void unhooked_end(struct oltp *oltp)
{
    (void)oltp;
}

static rhei_status unhooked_check_names(struct oltp_connection *connection, struct rhei_error *error)
{
    (void)connection;
    (void)error;
    return RHEI_OK;
}

static rhei_status unhooked_is_captured(struct oltp_connection *connection, bool *captured, struct rhei_error *error)
{
    (void)connection;
    (void)error;
    *captured = false;
    return RHEI_OK;
}

static rhei_status unhooked_status(struct oltp *oltp, struct oltp_status *status, struct rhei_error *error)
{
    (void)oltp;
    (void)status;
    (void)error;
    return RHEI_OK;
}

static uint64_t unhooked_version(const struct oltp *oltp)
{
    (void)oltp;
    return 0;
}

static uint64_t unhooked_version_of(struct oltp *oltp, int64_t cookie)
{
    (void)oltp;
    (void)cookie;
    return 0;
}

static rhei_status unhooked_settle(struct oltp *oltp, struct rhei_error *error)
{
    (void)oltp;
    return error_set(error, RHEI_UNSUPPORTED, "this handle doesn't know its schema");
}

static struct oltp_schema *unhooked_hold(struct oltp *oltp, int64_t cookie)
{
    (void)oltp;
    (void)cookie;
    return NULL;
}

static void unhooked_release(struct oltp_schema *schema)
{
    (void)schema;
}

static uint64_t unhooked_schema_version(const struct oltp_schema *schema)
{
    (void)schema;
    return 0;
}

static bool unhooked_names_view(const struct oltp_schema *schema, const char *sql, size_t len)
{
    (void)schema;
    (void)sql;
    (void)len;
    return true;
}

static uint8_t unhooked_column_class(struct oltp_schema *schema, const char *table, const char *column)
{
    (void)schema;
    (void)table;
    (void)column;
    return RHEI_NULL;
}

static bool unhooked_is_rowid(struct oltp *oltp, const char *table, const char *column)
{
    (void)oltp;
    (void)table;
    (void)column;
    return false;
}

static bool unhooked_inserts_plainly(struct oltp *oltp, const char *table)
{
    (void)oltp;
    (void)table;
    return false;
}

static rhei_status unhooked_refresh(struct oltp *oltp, bool by_others, struct rhei_error *error)
{
    (void)by_others;
    return unhooked_do(oltp, error);
}

static rhei_status unhooked_before_ddl(struct oltp *oltp, struct oltp_schema *made, const struct oltp_ddl *ddl,
                                       struct oltp_schema **base, struct rhei_error *error)
{
    (void)made;
    (void)ddl;
    *base = NULL;
    return unhooked_do(oltp, error);
}

static rhei_status unhooked_after_ddl(struct oltp *oltp, const struct oltp_ddl *ddl, struct oltp_schema *base,
                                      struct oltp_schema **made, struct rhei_error *error)
{
    (void)ddl;
    (void)base;
    (void)made;
    return unhooked_do(oltp, error);
}

static void unhooked_publish(struct oltp *oltp, struct oltp_schema *made)
{
    (void)oltp;
    (void)made;
}

static bool unhooked_follows(const struct oltp *oltp)
{
    (void)oltp;
    return false;
}

static bool unhooked_pin_frames(struct oltp *oltp, struct oltp_connection *connection)
{
    (void)oltp;
    (void)connection;
    return false;
}

static void unhooked_upkeep(struct oltp *oltp, unsigned due)
{
    (void)oltp;
    (void)due;
}

const struct oltp_hooks oltp_no_hooks = {
    .open = unhooked_do,
    .begin = unhooked_do,
    .end = unhooked_end,
    .check_names = unhooked_check_names,
    .is_captured = unhooked_is_captured,
    .status = unhooked_status,
    .version = unhooked_version,
    .version_of = unhooked_version_of,
    .settle = unhooked_settle,
    .hold = unhooked_hold,
    .release = unhooked_release,
    .schema_version = unhooked_schema_version,
    .names_view = unhooked_names_view,
    .column_class = unhooked_column_class,
    .is_rowid = unhooked_is_rowid,
    .inserts_plainly = unhooked_inserts_plainly,
    .refresh = unhooked_refresh,
    .before_ddl = unhooked_before_ddl,
    .after_ddl = unhooked_after_ddl,
    .publish = unhooked_publish,
    .publish_if_current = unhooked_publish,
    .follows = unhooked_follows,
    .pin_frames = unhooked_pin_frames,
    .upkeep = unhooked_upkeep,
};
