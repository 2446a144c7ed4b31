/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the schema says, which changes are captured, and the change log as a source: over a handle of the row store. Any thread, unless
 * a line says otherwise.
 */
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include "oltp/oltp.h"
#include "port/change_source.h"
#include "port/source_table.h"

/* oltp_open with the hooks of this room: config->hooks is its own affair. Close with oltp_close. */
rhei_status capture_open(const struct oltp_config *config, struct oltp **oltp, struct rhei_error *error);
/* Takes everything of Rhei's out of a file. RHEI_BUSY while engines are alive on it. `stop` may be NULL. */
rhei_status capture_detach(const char *path, const struct oltp_stop *stop, struct rhei_error *error);

/* Raised whenever the schema that this handle knows changed (by whomever). */
uint64_t capture_schema_version(const struct oltp *oltp);
struct capture_table {
    struct source_table source; /* source.id = 0: not captured, see source.unmirrored_reason */
    bool captured;
    const char *schema; /* NULL: main; else of a table that lives elsewhere (oltp_show_tables), which is `captured` */
    bool strict;
    /* Unique keys apart from the primary one: column numbers, -1 ended. For tie-breaking and the router. */
    const int32_t *const *unique_keys;
    uint32_t unique_key_count;
};
struct capture_view {
    const char *name;
    const char *sql;
};
struct capture_catalog { /* immutable, reference-counted */
    uint64_t schema_version;
    const struct capture_table *tables;
    uint32_t table_count;
    const struct capture_view *views;
    uint32_t view_count;
    bool joined; /* of more than the file's own tables: how it is released */
};
/* The catalog as of now (the current one is kept, so this costs nanoseconds when nothing changed). */
rhei_status capture_catalog_take(struct oltp *oltp, const struct capture_catalog **catalog, struct rhei_error *error);
/* The same without ever waiting for a writer: RHEI_BUSY if one holds back what a changed schema needs first. */
rhei_status capture_catalog_try(struct oltp *oltp, const struct capture_catalog **catalog, struct rhei_error *error);
void capture_catalog_release(const struct capture_catalog **catalog);

/* Starts or stops capture of one table. Registering twice is no error. `stop` may be NULL. */
rhei_status capture_register_table(struct oltp *oltp, const char *table, const struct oltp_stop *stop,
                                   struct rhei_error *error);
rhei_status capture_release_table(struct oltp *oltp, const char *table, const struct oltp_stop *stop,
                                  struct rhei_error *error);

/*
 * Has the rows of these keys (each an array of the table's key cells) taken again, as they are, by all that follow the log. Of a handle that
 * captures. RHEI_STALE: the table isn't that one any more. `stop` may be NULL. Any thread.
 */
rhei_status capture_look_again(struct oltp *oltp, const struct source_table *table,
                               const struct rhei_value *const *keys, size_t count, const struct oltp_stop *stop,
                               struct rhei_error *error);

/*
 * Makes the triggers of new tables that wait for them (I12 of the README), so that the next cycle has them. Waits for the writer;
 * `deadline_ns` as base_now_ns, 0: as long as the busy time-out; `stop` may be NULL. RHEI_BUSY. Nothing to do on a handle without capture. Any thread.
 */
rhei_status capture_finish_tables(struct oltp *oltp, int64_t deadline_ns, const struct oltp_stop *stop,
                                  struct rhei_error *error);

/*
 * The change log as a source, borrowed from the handle (its close does nothing but let go). Of a handle without capture:
 * the file's states, each making the tables of the one before "lost". One at a time.
 */
rhei_status capture_change_source(struct oltp *oltp, struct change_source **source, struct rhei_error *error);

#endif
