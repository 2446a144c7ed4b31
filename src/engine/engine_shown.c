/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of other sources: who reads them for SQLite, and how long to wait until they are fresh. */
#include "engine/engine_shown.h"

#include <string.h>

#include "mirror/mirror_table_reader.h"

struct engine_shown {
    struct table_reader *reader;
    struct engine_source sources[256];
    uint32_t count;
};

static rhei_status wait_for_all(void *context, const struct table_freshness *freshness, struct rhei_error *error)
{
    const struct engine_shown *shown = context;
    rhei_status status = RHEI_OK;
    for (uint32_t s = 0; s < shown->count && status == RHEI_OK; s++) {
        const struct engine_source *source = &shown->sources[s];
        if (source->fresh != NULL)
            status = source->fresh(source->context, freshness, error);
    }
    return status;
}

static rhei_status shown_open(struct rhei_db *db, struct rhei_error *error)
{
    struct engine_shown *shown = base_alloc_zero(1, sizeof *shown);
    if (shown == NULL)
        return error_no_memory(error);
    struct mirror_table_reader_config config = {.mirror = db->mirror, .fresh = wait_for_all, .context = shown};
    rhei_status status = mirror_table_reader_open(&config, &shown->reader, error);
    if (status == RHEI_OK)
        status = oltp_show_tables(db->oltp, shown->reader, error);
    if (status != RHEI_OK) {
        mirror_table_reader_close(&shown->reader);
        base_free(shown);
        return status;
    }
    db->shown = shown;
    return RHEI_OK;
}

rhei_status engine_show_source(struct rhei_db *db, const struct engine_source *source, struct rhei_error *error)
{
    if (db->mirror == NULL)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "tables of source \"%s\" live in the column store, and this handle keeps none", source->name);
    rhei_status status = db->shown == NULL ? shown_open(db, error) : RHEI_OK;
    if (status == RHEI_OK)
        status = mirror_table_reader_name(db->shown->reader, source->number, source->name, error);
    if (status == RHEI_OK)
        db->shown->sources[db->shown->count++] = *source;
    return status;
}

void engine_shown_close(struct rhei_db *db)
{
    if (db->shown == NULL)
        return;
    mirror_table_reader_close(&db->shown->reader);
    base_free(db->shown);
    db->shown = NULL;
}

int64_t engine_most_age_ms(const struct engine_ask *ask)
{
    switch (ask->freshness.mode) {
    case RHEI_FRESHNESS_EVENTUAL:
        return -1;
    case RHEI_FRESHNESS_BOUNDED:
        return ask->freshness.max_age_ms;
    default:
        return 0;
    }
}

rhei_status engine_wait_shown(struct rhei_db *db, const struct oltp_facts *facts, int64_t most_age_ms,
                              const struct engine_limits *limits, struct rhei_error *error)
{
    if (db->shown == NULL || !facts->reads_elsewhere || most_age_ms < 0)
        return RHEI_OK;
    struct table_freshness freshness = {most_age_ms, engine_limits_check, (void *)(uintptr_t)limits};
    return wait_for_all(db->shown, &freshness, error);
}

rhei_status engine_wait_shown_text(struct rhei_db *db, const char *sql, const struct engine_limits *limits,
                                   struct rhei_error *error)
{
    size_t len = strlen(sql);
    struct oltp_facts facts;
    if (db->shown == NULL || oltp_is_plain_write(sql, len) ||
        oltp_describe(db->oltp, sql, len, &facts, NULL) != RHEI_OK)
        return RHEI_OK; /* what is wrong with it is said when it runs */
    rhei_status status = engine_wait_shown(db, &facts, 0, limits, error);
    oltp_facts_reset(&facts);
    return status;
}
