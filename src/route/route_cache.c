/* SPDX-License-Identifier: Apache-2.0 */
/* Statements by text, the most recently used ones kept. */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "route/route_cost.h"

enum { LASTING_TEXT_MAX = 4096 };

rhei_status route_open(const struct route_config *config, struct route **route, struct rhei_error *error)
{
    struct route *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->config = *config;
    if (made->config.cached_statements == 0)
        made->config.cached_statements = ROUTE_CACHE_DEFAULT;
    made->by_text = base_map_new(false);
    made->by_template = base_map_new(false);
    made->sampler = route_sampler_new();
    if (made->by_text == NULL || made->by_template == NULL || made->sampler == NULL) {
        route_sampler_free(&made->sampler);
        base_map_free(&made->by_text);
        base_map_free(&made->by_template);
        base_free(made);
        return error_no_memory(error);
    }
    base_mutex_init(&made->lock);
    *route = made;
    return RHEI_OK;
}

static void statement_destroy(struct route_statement *statement)
{
    for (size_t i = 0; i < ROUTE_PLANS_KEPT; i++)
        route_plan_release(&statement->plans[i]);
    if (statement->model == NULL)
        oltp_facts_reset(&statement->facts);
    route_statement_release(&statement->model);
    base_buffer_reset(&statement->template);
    sql_normal_reset(&statement->normal);
    sql_tree_free(&statement->tree);
    base_free(statement->oltp_plan.text);
    route_work_free(&statement->work);
    base_free(statement->tables);
    base_free(statement->classes);
    base_free(statement->text);
    base_mutex_destroy(&statement->lock);
    base_free(statement);
}

void route_statement_release(struct route_statement **statement)
{
    if (*statement != NULL && atomic_fetch_sub_explicit(&(*statement)->references, 1, memory_order_acq_rel) == 1)
        statement_destroy(*statement);
    *statement = NULL;
}

static void list_unlink(struct route *route, struct route_statement *statement)
{
    if (statement->newer != NULL)
        statement->newer->older = statement->older;
    else
        route->newest = statement->older;
    if (statement->older != NULL)
        statement->older->newer = statement->newer;
    else
        route->oldest = statement->newer;
    statement->newer = statement->older = NULL;
}

static void list_push(struct route *route, struct route_statement *statement)
{
    statement->older = route->newest;
    if (route->newest != NULL)
        route->newest->newer = statement;
    route->newest = statement;
    if (route->oldest == NULL)
        route->oldest = statement;
}

static size_t bytes_of(const struct route_statement *statement)
{
    return sizeof *statement + statement->len * ROUTE_TREE_BYTES;
}

static void cache_drop(struct route *route, struct route_statement *statement)
{
    route->cached_bytes -= bytes_of(statement);
    base_map_remove(route->by_text, statement->text, statement->len);
    const struct base_buffer *template = &statement->template;
    if (template->len > 0 && base_map_find(route->by_template, template->data, template->len) == statement)
        base_map_remove(route->by_template, template->data, template->len);
    list_unlink(route, statement);
    route_statement_release(&statement);
}

void route_close(struct route **route)
{
    struct route *closing = *route;
    if (closing == NULL)
        return;
    while (closing->newest != NULL)
        cache_drop(closing, closing->newest);
    base_map_free(&closing->by_text);
    base_map_free(&closing->by_template);
    route_sampler_free(&closing->sampler);
    base_mutex_destroy(&closing->lock);
    base_free(closing);
    *route = NULL;
}

/* Kept for the caller, and longest in the cache. */
static void cache_use(struct route *route, struct route_statement *statement)
{
    if (route->newest != statement) {
        list_unlink(route, statement);
        list_push(route, statement);
    }
    route_statement_share(statement);
}

/* The cached statement, kept for the caller; NULL if there is none for this schema. */
static struct route_statement *cache_find(struct route *route, const char *sql, size_t len, uint64_t schema_version)
{
    base_mutex_lock(&route->lock);
    struct route_statement *found = route->newest; /* which is asked again more often than not: no hash for it */
    if (found == NULL || found->len != len || memcmp(found->text, sql, len) != 0)
        found = base_map_find(route->by_text, sql, len);
    if (found != NULL && found->schema_version != schema_version) {
        cache_drop(route, found);
        found = NULL;
    }
    if (found != NULL)
        cache_use(route, found);
    base_mutex_unlock(&route->lock);
    return found;
}

/* The statement that was made last for this template, kept for the caller. */
static struct route_statement *template_find(struct route *route, const struct base_buffer *template,
                                             uint64_t schema_version)
{
    if (template->len == 0)
        return NULL;
    base_mutex_lock(&route->lock);
    struct route_statement *found = base_map_find(route->by_template, template->data, template->len);
    if (found != NULL && found->schema_version != schema_version)
        found = NULL;
    if (found != NULL)
        cache_use(route, found);
    base_mutex_unlock(&route->lock);
    return found;
}

static bool shares_plans(const struct route_statement *statement)
{
    return statement->model == NULL && statement->template.len > 0 && !statement->native &&
           !statement->facts.has_tail && statement->target == ROUTE_TO_OLAP;
}

/* Those that weren't used for longest go where there are too many or too large ones. */
static void cache_add(struct route *route, struct route_statement *statement)
{
    if (bytes_of(statement) > ROUTE_CACHE_BYTES / 8)
        return;
    base_mutex_lock(&route->lock);
    struct route_statement *old = base_map_find(route->by_text, statement->text, statement->len);
    if (old != NULL)
        cache_drop(route, old);
    if (base_map_put(route->by_text, statement->text, statement->len, statement, NULL)) {
        list_push(route, route_statement_share(statement));
        route->cached_bytes += bytes_of(statement);
        if (shares_plans(statement))
            base_map_put(route->by_template, statement->template.data, statement->template.len, statement, NULL);
    }
    while (route->oldest != NULL && (base_map_count(route->by_text) > route->config.cached_statements ||
                                     route->cached_bytes > ROUTE_CACHE_BYTES))
        cache_drop(route, route->oldest);
    base_mutex_unlock(&route->lock);
}

/* Uses what is known of another text that differs in free literals only. */
static bool become_light(struct route *route, struct route_statement *statement, uint64_t schema_version)
{
    struct route_statement *model = template_find(route, &statement->template, schema_version);
    if (model == NULL)
        return false;
    statement->holds_literals = true;
    if (route_model_fits(model, statement))
        route_light_make(statement, model);
    bool light = statement->model != NULL;
    if (!light && atomic_load_explicit(&model->hold_off, memory_order_relaxed))
        atomic_store_explicit(&statement->hold_off, true, memory_order_relaxed);
    route_statement_release(&model);
    return light;
}

/* Of the text, and nothing else yet. NULL without memory. */
static struct route_statement *statement_new(const char *sql, size_t len)
{
    struct route_statement *statement = base_alloc_zero(1, sizeof *statement);
    if (statement == NULL)
        return NULL;
    base_mutex_init(&statement->lock);
    atomic_init(&statement->references, 1);
    statement->rule_offset = -1;
    statement->len = len;
    statement->text = base_strndup(sql, len);
    if (statement->text != NULL)
        return statement;
    statement_destroy(statement);
    return NULL;
}

/* `schema_version`: as it is known; SQLite, where it is asked, may know a later one. */
static rhei_status statement_make(struct route *route, const char *sql, size_t len, uint64_t schema_version,
                                  const struct executor_stop *stop, struct route_statement **out,
                                  struct rhei_error *error)
{
    struct route_statement *statement = statement_new(sql, len);
    if (statement == NULL)
        return error_no_memory(error);
    rhei_status status = route_template_make(statement, error);
    if (status == RHEI_OK && become_light(route, statement, schema_version)) {
        *out = statement;
        return RHEI_OK;
    }
    if (status == RHEI_OK) {
        struct rhei_error refusal = RHEI_ERROR_INIT;
        status = oltp_describe(route->config.oltp, sql, len, &statement->facts, &refusal);
        if (status == RHEI_SQL && route_is_native(route, statement, false, stop, &refusal)) {
            statement->native = true;
            statement->schema_version = schema_version;
            refusal.code = status = RHEI_OK;
        } else if (status != RHEI_OK && error != NULL && error->code == RHEI_OK) {
            *error = refusal;
        } else {
            statement->schema_version = statement->facts.schema_version;
        }
        if (status == RHEI_SQL) /* or the caller's end of asking the column store about it */
            status = (rhei_status)refusal.code;
    }
    if (status == RHEI_OK && !statement->native && statement->facts.kind == OLTP_SELECT) {
        /* A text that SQLite prepares but sql/ can't parse is no error: SQLite answers it. */
        rhei_status parsed = sql_parse(sql, len, &statement->tree, NULL);
        if (parsed == RHEI_NO_MEMORY)
            status = error_no_memory(error);
    }
    if (status != RHEI_OK) {
        statement_destroy(statement);
        return status;
    }
    route_structure(statement);
    *out = statement;
    return RHEI_OK;
}

rhei_status route_statement_native(struct route *route, const char *sql, size_t len, const struct executor_stop *stop,
                                   struct route_statement **out, struct rhei_error *error)
{
    struct rhei_error refusal = *error;
    struct route_statement *statement = statement_new(sql, len);
    if (statement == NULL)
        return error_no_memory(error);
    if (!route_is_native(route, statement, true, stop, &refusal)) {
        statement_destroy(statement);
        *error = refusal;
        return (rhei_status)refusal.code;
    }
    statement->native = true;
    statement->schema_version = capture_schema_version(route->config.oltp);
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    route_structure(statement);
    *out = statement;
    return RHEI_OK;
}

rhei_status route_statement_get(struct route *route, const char *sql, size_t len, struct route_statement **statement,
                                struct rhei_error *error)
{
    return route_statement_get_while(route, sql, len, NULL, statement, error);
}

bool route_statement_is(const struct route_statement *statement, const char *sql, size_t len, uint64_t schema_version)
{
    return statement->len == len && memcmp(statement->text, sql, len) == 0 &&
           statement->schema_version == schema_version;
}

rhei_status route_statement_get_at(struct route *route, const char *sql, size_t len, uint64_t schema_version,
                                   const struct executor_stop *stop, struct route_statement **statement,
                                   struct rhei_error *error)
{
    *statement = cache_find(route, sql, len, schema_version);
    if (*statement != NULL)
        return RHEI_OK;
    rhei_status status = statement_make(route, sql, len, schema_version, stop, statement, error);
    bool settled = status == RHEI_OK && (*statement)->schema_version != 0;
    /* a light statement is as quickly made as found, unless its tree is needed each time */
    bool kept = settled && ((*statement)->model == NULL || (*statement)->direct);
    if (kept && !(*statement)->facts.is_ddl)
        cache_add(route, *statement);
    return status;
}

rhei_status route_statement_get_while(struct route *route, const char *sql, size_t len,
                                      const struct executor_stop *stop, struct route_statement **statement,
                                      struct rhei_error *error)
{
    return route_statement_get_at(route, sql, len, capture_schema_version(route->config.oltp), stop, statement, error);
}

bool route_statement_is_lasting(const struct route_statement *statement)
{
    return statement->len <= LASTING_TEXT_MAX && !statement->native && statement->schema_version != 0 &&
           !statement->facts.is_ddl;
}

const struct oltp_facts *route_statement_facts(const struct route_statement *statement)
{
    return &statement->facts;
}

bool route_statement_is_native(const struct route_statement *statement)
{
    return statement->native;
}

size_t route_statements_cached(struct route *route)
{
    base_mutex_lock(&route->lock);
    size_t count = base_map_count(route->by_text);
    base_mutex_unlock(&route->lock);
    return count;
}
