/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_sidecar_absent.h"

#include <stdio.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_map.h"
#include "config/config_settings.h"
#include "engine/engine_history.h"
#include "engine/engine_history_parts.h"
#include "engine/engine_shown.h"

enum { TOLD_MOST = 8 };

/* A name as people are told it. */
struct name {
    const char *sidecar, *table;
    bool ready;
};

struct explaining {
    const struct engine_absent_place *places;
    size_t place_count;
    bool local;
    const struct engine_absent *absent;
    struct sync_table_status *tables[TABLE_SOURCES_MOST]; /* of each sidecar */
    struct name *names;                                   /* of every table that may be meant */
    size_t count, capacity;
    size_t meant; /* sidecars that the schema may be of */
    struct rhei_error *error;
};

bool engine_absent_of(const struct rhei_error *error, struct engine_absent *absent)
{
    static const char says[] = "no such table: ";
    const char *at = strstr(error->message, says);
    *absent = (struct engine_absent){0};
    if (at == NULL)
        return strstr(error->message, "no such column: ") != NULL ||
               strstr(error->message, "cannot join using column ") != NULL;
    at += sizeof says - 1;
    const char *dot = strchr(at, '.');
    *absent = (struct engine_absent){.schema = dot == NULL ? NULL : at,
                                     .schema_len = dot == NULL ? 0 : (size_t)(dot - at),
                                     .table = dot == NULL ? at : dot + 1};
    return true;
}

bool engine_absent_may_be_of(const struct engine_absent *absent, const char *sidecar)
{
    return absent->schema == NULL || base_fold_equal(absent->schema, absent->schema_len, sidecar, strlen(sidecar));
}

/* "no such table: NAME: MORE" */
static void say(const struct explaining *now, const char *sidecar, const char *table, const struct base_buffer *more)
{
    int32_t offset = now->error->sql_offset;
    if (more->failed || more->len == 0)
        return;
    error_clear(now->error);
    error_set(now->error, RHEI_SQL, "no such table: %.60s%s%.100s: %s", sidecar, sidecar[0] == '\0' ? "" : ".", table,
              more->data);
    now->error->sql_offset = offset;
}

/* In place of what was said: nothing is wrong with the statement. */
static void say_stale(const struct explaining *now, const struct engine_absent_place *place, const char *why_not)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    int32_t offset = now->error->sql_offset;
    error_set(&why, RHEI_STALE, "%s", why_not);
    error_clear(now->error);
    (void)engine_say_late(place->sidecar, place->sync, RHEI_STALE, &why, false, now->error);
    now->error->sql_offset = offset;
}

static void say_not_loaded(const struct explaining *now, const struct engine_absent_place *place,
                           const struct sync_table_status *table)
{
    char why[sizeof now->error->message];
    (void)snprintf(why, sizeof why, "its table %.100s isn't loaded yet%s%.160s, and eventual waits for nothing",
                   table->name, table->message[0] != '\0' ? ": " : "", table->message);
    say_stale(now, place, why);
}

/* The table is there, and isn't shown; or it is the history of one that keeps none. False: neither. */
static bool explain_known(const struct explaining *now, const struct engine_absent_place *place,
                          const struct sync_table_status *table)
{
    const char *name = now->absent->table;
    struct base_buffer more = {0};
    size_t len = engine_history_name(name);
    bool same = base_fold_compare(table->name, name) == 0;
    bool history = !same && !place->histories && base_fold_equal(table->name, strlen(table->name), name, len);
    if (same && (table->state == SYNC_TABLE_WAITING || table->state == SYNC_TABLE_BUILDING))
        say_not_loaded(now, place, table);
    else if (same && table->state != SYNC_TABLE_READY)
        base_buffer_format(&more, "it isn't mirrored: %s",
                           table->message[0] != '\0' ? table->message : "it can't be loaded");
    else if (history)
        base_buffer_text(&more, "no history is kept here: open it with sync_mode = \"temporal\"");
    say(now, place->sidecar, same ? table->name : name, &more);
    base_buffer_reset(&more);
    return same || history;
}

/* False: what there is to say was said, or there is no memory to. */
static bool note_tables(struct explaining *now, size_t at)
{
    const struct engine_absent_place *place = &now->places[at];
    size_t count = 0;
    if (!engine_absent_may_be_of(now->absent, place->sidecar))
        return true;
    now->meant++;
    if (sync_get_tables(place->sync, &now->tables[at], &count, NULL) != RHEI_OK)
        return false;
    for (size_t t = 0; t < count; t++) {
        const struct sync_table_status *table = &now->tables[at][t];
        if (explain_known(now, place, table) ||
            !base_grow((void **)&now->names, &now->capacity, now->count + 1, sizeof *now->names))
            return false;
        now->names[now->count++] = (struct name){place->sidecar, table->name, table->state == SYNC_TABLE_READY};
    }
    return true;
}

/* Which of the names is meant; the count: none is near enough. */
static size_t nearest(const char *word, const char *const *words, size_t count)
{
    const char *found = config_nearest(word, words, count);
    size_t at = 0;
    while (at < count && words[at] != found)
        at++;
    return at;
}

static void list_names(const struct explaining *now, struct base_buffer *more)
{
    size_t told = 0, left = 0;
    for (size_t n = 0; n < now->count; n++) {
        left += now->names[n].ready && told == TOLD_MOST;
        if (!now->names[n].ready || told == TOLD_MOST)
            continue;
        base_buffer_format(more, "%s%s.%s", told == 0 ? "tables here: " : ", ", now->names[n].sidecar,
                           now->names[n].table);
        told++;
    }
    if (left > 0)
        base_buffer_format(more, " and %zu more", left);
}

/* A source that is named hasn't been had since the opening, so that nobody knows which tables it has. False: it was. */
static bool say_unknown(const struct explaining *now)
{
    struct sync_status status;
    for (size_t p = 0; now->absent->schema != NULL && p < now->place_count; p++) {
        sync_get_status(now->places[p].sync, &status);
        if (status.tables > 0 || sync_is_primed(now->places[p].sync) ||
            !engine_absent_may_be_of(now->absent, now->places[p].sidecar))
            continue;
        say_stale(now, &now->places[p], "nothing of it was had since the opening, and eventual waits for nothing");
        return true;
    }
    return false;
}

/* A name alone may be anybody's: who might have it, and why that isn't known. */
static void say_away(const struct explaining *now, struct base_buffer *more)
{
    struct sync_status status;
    for (size_t p = 0; more->len == 0 && p < now->place_count; p++) {
        sync_get_status(now->places[p].sync, &status);
        if (!engine_absent_may_be_of(now->absent, now->places[p].sidecar))
            continue;
        if (status.away_why[0] != '\0')
            base_buffer_format(more, "source \"%s\" is away: %s", now->places[p].sidecar, status.away_why);
        else if (now->count == 0 && sync_is_primed(now->places[p].sync))
            base_buffer_format(more, "source \"%s\" has no tables", now->places[p].sidecar);
        else if (status.tables == 0)
            base_buffer_format(more, "nothing of source \"%s\" is loaded yet, and eventual waits for nothing",
                               now->places[p].sidecar);
    }
}

/* A view has no rows that anything tells of, and no source lists those that nobody named. */
static void say_views(const struct explaining *now, struct base_buffer *more)
{
    if (now->absent->schema != NULL && more->len > 0)
        base_buffer_text(more, "; tables that [[sidecar.tables]] leaves out aren't followed, and views aren't "
                               "mirrored: ask the tables that "
                               "they read");
}

/* Of the tables that there are, which is meant, or all. */
static void explain_by_names(const struct explaining *now, const char *schema)
{
    struct base_buffer more = {0};
    const char **words = base_alloc_zero(now->count + 1, sizeof *words);
    for (size_t n = 0; words != NULL && n < now->count; n++)
        words[n] = now->names[n].table;
    size_t found = words == NULL ? now->count : nearest(now->absent->table, words, now->count);
    if (found < now->count)
        base_buffer_format(&more, "did you mean %s.%s?", now->names[found].sidecar, now->names[found].table);
    else if (now->absent->schema != NULL || !now->local)
        list_names(now, &more);
    if (found == now->count)
        say_views(now, &more);
    if (more.len > 0 || !say_unknown(now)) {
        if (more.len == 0)
            say_away(now, &more);
        say(now, schema, now->absent->table, &more);
    }
    base_free(words);
    base_buffer_reset(&more);
}

/* There is no sidecar of that name; what SQLite itself has under it, it speaks of. */
static void explain_schema(const struct explaining *now, const char *schema)
{
    static const char *const others[] = {"main", "temp", ENGINE_HISTORY};
    const char *names[TABLE_SOURCES_MOST];
    struct base_buffer more = {0};
    for (size_t o = 0; o < sizeof others / sizeof others[0]; o++)
        if (base_fold_compare(schema, others[o]) == 0)
            return;
    size_t count = now->place_count;
    for (size_t p = 0; p < count; p++)
        names[p] = now->places[p].sidecar;
    size_t found = nearest(schema, names, count);
    base_buffer_format(&more, "there is no sidecar \"%.60s\"", schema);
    if (found < count)
        base_buffer_format(&more, ": did you mean \"%s\"?", names[found]);
    for (size_t s = 0; found == count && s < count; s++)
        base_buffer_format(&more, "%s\"%s\"", s == 0 ? "; sidecars here: " : ", ", names[s]);
    say(now, schema, now->absent->table, &more);
    base_buffer_reset(&more);
}

void engine_absent_explain(const struct engine_absent_place *places, size_t count, bool local,
                           const struct engine_absent *absent, struct rhei_error *error)
{
    struct explaining now = {.places = places, .place_count = count, .local = local, .absent = absent, .error = error};
    char schema[64] = "";
    bool goes_on = true;
    if (absent->schema_len >= sizeof schema)
        return;
    (void)snprintf(schema, sizeof schema, "%.*s", (int)absent->schema_len,
                   absent->schema == NULL ? "" : absent->schema);
    for (size_t p = 0; goes_on && p < count; p++)
        goes_on = note_tables(&now, p);
    if (goes_on && now.meant > 0)
        explain_by_names(&now, schema);
    else if (goes_on)
        explain_schema(&now, schema);
    for (size_t p = 0; p < count; p++)
        base_free(now.tables[p]);
    base_free(now.names);
}
