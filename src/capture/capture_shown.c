/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog of a handle that shows tables of other sources: the file's own, and those beside them. */
#include <string.h>

#include "capture/capture_internal.h"

struct capture_joined {
    struct capture_catalog catalog; /* first: it is released through it */
    atomic_uint references;
    struct oltp_schema *schema;
    struct oltp_shown *shown;
    struct capture_table tables[];
};

void capture_joined_release(struct capture_joined *joined)
{
    if (joined == NULL || atomic_fetch_sub_explicit(&joined->references, 1, memory_order_acq_rel) != 1)
        return;
    capture_schema_release(joined->schema);
    oltp_shown_release(joined->shown);
    base_free(joined);
}

/* Takes the reference to `shown`, one of its own to the schema. NULL: no memory. */
static struct capture_joined *join(struct oltp_schema *schema, struct oltp_shown *shown)
{
    uint32_t count = schema->catalog.table_count;
    size_t room = (size_t)count + oltp_shown_count(shown);
    struct capture_joined *joined = base_alloc_zero(1, sizeof *joined + room * sizeof joined->tables[0]);
    if (joined == NULL) {
        oltp_shown_release(shown);
        return NULL;
    }
    joined->catalog = schema->catalog;
    joined->catalog.schema_version = oltp_version_with(schema->catalog.schema_version, oltp_shown_version(shown));
    joined->catalog.joined = true;
    joined->catalog.tables = joined->tables;
    if (count > 0)
        memcpy(joined->tables, schema->catalog.tables, count * sizeof joined->tables[0]);
    for (uint32_t t = 0; t < oltp_shown_count(shown); t++) {
        const char *name = NULL;
        const struct source_table *table = oltp_shown_table(shown, t, &name);
        if (table != NULL) {
            BASE_INVARIANT(count < room);
            joined->tables[count++] = (struct capture_table){.source = *table, .captured = true, .schema = name};
        }
    }
    joined->catalog.table_count = count;
    atomic_init(&joined->references, 1);
    atomic_fetch_add_explicit(&schema->references, 1, memory_order_relaxed);
    joined->schema = schema;
    joined->shown = shown;
    return joined;
}

static struct capture_joined *joined_hold(struct capture_state *capture, const struct oltp_schema *schema,
                                          uint64_t version)
{
    base_mutex_lock(&capture->schema_lock);
    struct capture_joined *joined = capture->joined;
    if (joined != NULL && (joined->schema != schema || oltp_shown_version(joined->shown) != version))
        joined = NULL;
    if (joined != NULL)
        atomic_fetch_add_explicit(&joined->references, 1, memory_order_relaxed);
    base_mutex_unlock(&capture->schema_lock);
    return joined;
}

rhei_status capture_catalog_join(struct oltp *oltp, struct oltp_schema *schema, const struct capture_catalog **catalog,
                                 struct rhei_error *error)
{
    struct capture_state *capture = capture_of(oltp);
    uint64_t version = oltp_shown_look(oltp);
    *catalog = &schema->catalog;
    if (version == 0)
        return RHEI_OK;
    struct capture_joined *joined = joined_hold(capture, schema, version);
    if (joined == NULL) {
        joined = join(schema, oltp_shown_take(oltp));
        if (joined == NULL) {
            capture_schema_release(schema);
            *catalog = NULL;
            return error_no_memory(error);
        }
        atomic_fetch_add_explicit(&joined->references, 1, memory_order_relaxed);
        base_mutex_lock(&capture->schema_lock);
        struct capture_joined *old = capture->joined;
        capture->joined = joined;
        base_mutex_unlock(&capture->schema_lock);
        capture_joined_release(old);
    }
    capture_schema_release(schema);
    *catalog = &joined->catalog;
    return RHEI_OK;
}
