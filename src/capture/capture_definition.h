/* SPDX-License-Identifier: Apache-2.0 */
/* What the schema says of one table or view. Immutable, shared by all schemas in which its texts are the same. */
#ifndef CAPTURE_CAPTURE_DEFINITION_H
#define CAPTURE_CAPTURE_DEFINITION_H

#include "capture/capture_internal.h"

struct capture_definition {
    atomic_uint references;
    struct base_arena arena;
    uint64_t hash; /* of the folded name */
    const char *name;
    const struct capture_object *main;    /* the table or view itself, one of objects */
    const struct capture_object *objects; /* all of its tbl_name but our triggers, in the order of sqlite_schema */
    uint32_t object_count;
    const char *const *acts_on; /* tables that its foreign keys act on: their changes may change rows here */
    uint32_t acts_on_count;
    bool fails;                        /* one of its triggers says FAIL */
    struct capture_table_schema table; /* of a table: everything but what the registry decides */
};

/* Our triggers of one table. Immutable, shared as definitions are. */
struct capture_own {
    atomic_uint references;
    struct base_arena arena;
    const struct capture_object *triggers;
    uint32_t trigger_count;
};
/* One reference, the objects copied; NULL without memory. */
struct capture_own *capture_own_new(const struct capture_object *triggers, uint32_t count);
void capture_own_release(struct capture_own *own);

/*
 * What keeps definitions and triggers: a reference to each, or to those that came since another shelf and to that one. So a schema that
 * differs in one table from the one before touches no other's counter. Beside them the words that were found for tables while the
 * shelf's schema was settled.
 */
struct capture_shelf {
    atomic_uint references;
    uint32_t depth; /* shelves below */
    struct capture_shelf *below;
    uint32_t definition_count, own_count;
    struct capture_definition **definitions;
    struct capture_own **owns;
    struct base_arena reasons; /* why tables aren't mirrored */
};
/* With room for so many; takes the reference to `below` (may be NULL). NULL without memory, and then `below` is given back. */
struct capture_shelf *capture_shelf_new(struct capture_shelf *below, uint32_t definitions, uint32_t owns);
void capture_shelf_release(struct capture_shelf *shelf);
/* Whether the text of a CREATE TABLE is of a virtual one. */
bool capture_text_is_virtual(const char *sql);
bool capture_object_is_ours(const struct capture_object *object);

/* Reads definitions over one connection, with its statements kept from one to the next. Owner thread. */
struct capture_definer {
    struct oltp_connection *connection;
    struct rhei_error *error;
    rhei_status status; /* first failure */
    sqlite3_stmt *columns, *indexes, *index_columns, *parents;
    struct base_arena *arena; /* of the definition in work */
};
void capture_definer_init(struct capture_definer *definer, struct oltp_connection *connection,
                          struct rhei_error *error);
void capture_definer_reset(struct capture_definer *definer);

/* How SQLite lists a table: virtual, shadow, WITHOUT ROWID, STRICT. */
struct capture_table_kind {
    bool is_virtual, is_shadow, without_rowid, strict;
};
/*
 * The definition of what these objects say; one reference. `objects` are copied. NULL after a failure, which is in
 * definer->status, and if there is neither a table nor a view among them.
 */
struct capture_definition *capture_definition_new(struct capture_definer *definer, const struct capture_object *objects,
                                                  uint32_t count, const struct capture_table_kind *kind);
void capture_definition_release(struct capture_definition *definition);
uint64_t capture_name_hash(const char *name, size_t len);

#endif
