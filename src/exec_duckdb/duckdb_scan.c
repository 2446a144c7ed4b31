/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror_scan: DuckDB's way into a snapshot of the mirror.
 *
 * Invariants
 *  1. bind runs when a statement is prepared and fixes names and types; init runs at every execution and takes the
 *     snapshot from the connection's slot, so all scans of one statement read one snapshot.
 *  2. A bound kind is checked against the column's flags in init: a plan never reads a column that has got another form.
 *  3. What init allocates is counted in slot.scans until DuckDB lets go of it; nobody ends the snapshot before.
 *  4. Every row of a vector whose zones may match is delivered: ranges only ever leave out whole vectors (mirror_scan.h).
 *  5. A chunk's strings point into the segment, which its thread holds for as long as DuckDB may look at the chunk: until the call after the next
 *     at least (DuckDB is done with a chunk when it asks for another one; who keeps strings for longer, copies them).
 *  6. Rows of a segment whose file can't be read are nobody's: the statement fails, whether its damage was found by this scan or before.
 */
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_progress.h"
#include "exec_duckdb/duckdb_internal.h"
#include "mirror/mirror_executor.h"

enum {
    /* Up to about 3 % dead, copying the runs between dead rows is cheaper than gathering row by row; above it isn't. */
    MANY_DEAD = 64,
    VECTORS_PER_THREAD = 8,
};

struct scan_column {
    uint32_t source; /* column of the mirror */
    enum duck_column_kind kind;
};

struct scan_bind {
    struct duck_connection *connection;
    uint32_t table;
    uint32_t scan;
    uint32_t source_count; /* columns of the mirror's table when it was bound */
    uint32_t column_count;
    struct scan_column columns[];
};

/* A column of the output chunk; source UINT32_MAX: nobody looks at it (a virtual one, for count(*) alone). */
struct scan_output {
    uint32_t source;
    enum duck_column_kind kind;
};

struct scan_state {
    const struct duck_api *api;
    struct duck_slot *slot;
    const struct mirror_table_view *view;
    struct mirror_scan *scan;
    uint32_t output_count;
    struct scan_output *outputs;
};

/* ---- Types ------------------------------------------------------------------------------------------------------- */

static enum duck_column_kind kind_of(const struct source_column *column, uint32_t flags, bool native)
{
    static const enum duck_column_kind kinds[] = {
        [MIRROR_FORM_UNREADABLE] = DUCK_UNREADABLE,
        [MIRROR_FORM_INTEGER] = DUCK_INTEGER,
        [MIRROR_FORM_REAL] = DUCK_REAL,
        [MIRROR_FORM_NUMBER] = DUCK_NUMBER,
        [MIRROR_FORM_TEXT] = DUCK_TEXT,
        [MIRROR_FORM_BLOB] = DUCK_BLOB,
    };
    return kinds[mirror_form_of(column, flags, native)];
}

/*
 * The flags that the text was written for: it is right for them, and they hold for its snapshot, whatever newer rows
 * have added. *read: does the text read the column.
 */
static uint32_t flags_of(const struct duck_slot *slot, const struct mirror_table_view *view, uint32_t scan,
                         uint32_t column, bool *read)
{
    for (uint32_t i = 0; i < slot->column_count; i++) {
        if (slot->columns[i].scan == scan && slot->columns[i].column == column) {
            *read = true;
            return slot->columns[i].flags;
        }
    }
    *read = slot->columns == NULL;
    return mirror_view_column_flags(view, column);
}

static duckdb_type type_of(enum duck_column_kind kind)
{
    switch (kind) {
    case DUCK_INTEGER:
        return DUCKDB_TYPE_BIGINT;
    case DUCK_REAL:
    case DUCK_NUMBER:
        return DUCKDB_TYPE_DOUBLE;
    case DUCK_IS_INTEGER:
        return DUCKDB_TYPE_BOOLEAN;
    case DUCK_BLOB:
        return DUCKDB_TYPE_BLOB;
    default:
        return DUCKDB_TYPE_VARCHAR;
    }
}

/* ---- Bind -------------------------------------------------------------------------------------------------------- */

static int64_t bind_integer(const struct duck_api *api, duckdb_bind_info info, idx_t index)
{
    duckdb_value value = api->bind_get_parameter(info, index);
    int64_t integer = api->get_int64(value);
    api->destroy_value(&value);
    return integer;
}

static void add_column(const struct duck_api *api, duckdb_bind_info info, struct scan_bind *bind, const char *name,
                       uint32_t source, enum duck_column_kind kind)
{
    duckdb_logical_type type = api->create_logical_type(type_of(kind));
    api->bind_add_result_column(info, name, type);
    api->destroy_logical_type(&type);
    bind->columns[bind->column_count++] = (struct scan_column){.source = source, .kind = kind};
}

/* The "__int" columns come behind the table's own. False: no memory, or a column of the table has such a name. */
static bool add_flag_column(const struct duck_api *api, duckdb_bind_info info, struct scan_bind *bind,
                            const struct source_table *table, uint32_t source)
{
    bool taken = false;
    char *name = mirror_flag_name(table, source, &taken);
    if (name != NULL)
        add_column(api, info, bind, name, source, DUCK_IS_INTEGER);
    base_free(name);
    return name != NULL;
}

static bool add_columns(const struct duck_api *api, duckdb_bind_info info, struct scan_bind *bind,
                        const struct mirror_table_view *view)
{
    const struct source_table *table = mirror_view_definition(view);
    const struct duck_slot *slot = &bind->connection->slot;
    bool native = slot->native;
    for (uint32_t i = 0; i < bind->source_count; i++) {
        if (native && table->columns[i].is_rowid)
            continue;
        bool read = false;
        enum duck_column_kind kind = kind_of(&table->columns[i], flags_of(slot, view, bind->scan, i, &read), native);
        add_column(api, info, bind, table->columns[i].name, i, kind);
    }
    uint32_t own = bind->column_count;
    for (uint32_t i = 0; i < own && !native; i++)
        if (bind->columns[i].kind == DUCK_NUMBER && !add_flag_column(api, info, bind, table, bind->columns[i].source))
            return false;
    return true;
}

/* Of tables up to this size the matching rows are counted when a plan is made. */
enum { COUNTED_ROWS = 256 };

/* Of a small table: how many rows are in all ranges of the scan. */
static uint32_t count_matching(const struct duck_slot *slot, const struct mirror_table_view *view, uint32_t scan)
{
    bool out[COUNTED_ROWS] = {false};
    struct mirror_vector rows;
    mirror_view_vector(view, 0, 0, &rows);
    uint32_t matching = 0;
    for (uint32_t i = 0; i < slot->range_count; i++) {
        const struct executor_range *range = &slot->ranges[i];
        if (range->scan != scan || range->column >= mirror_view_column_count(view) || rows.rows == 0)
            continue;
        struct mirror_column_data data;
        struct mirror_hold hold = {NULL};
        mirror_hold(view, 0, &hold);
        mirror_view_column(view, 0, 0, range->column, &data);
        for (uint32_t row = 0; row < rows.rows; row++)
            out[row] = out[row] || !mirror_row_in_range(&data, row, range);
        mirror_hold_end(&hold);
    }
    for (uint32_t row = 0; row < rows.rows; row++)
        matching += !out[row];
    return matching;
}

/* A text of one scan has no joins to put in order. */
static bool has_other_scans(const struct duck_slot *slot, uint32_t scan)
{
    for (uint32_t i = 0; i < slot->column_count; i++)
        if (slot->columns[i].scan != scan)
            return true;
    return false;
}

/*
 * What DuckDB is told of the number of rows. It takes a fifth of it for what a filter leaves, having no statistics of ours;
 * so where a small table's filters are known as ranges, it is told five times what they leave, at most all.
 */
static idx_t estimated_rows(const struct duck_slot *slot, const struct mirror_table_view *view, uint32_t scan)
{
    uint64_t live = mirror_view_row_count(view);
    struct mirror_scan *planned = NULL;
    bool filtered = false;
    for (uint32_t i = 0; i < slot->range_count; i++)
        filtered = filtered || slot->ranges[i].scan == scan;
    if (filtered && mirror_view_segment_count(view) == 1 && mirror_view_segment_rows(view, 0) <= COUNTED_ROWS &&
        has_other_scans(slot, scan)) {
        uint64_t told = (uint64_t)count_matching(slot, view, scan) * 5 + 1;
        return told < live ? told : live;
    }
    if (filtered && mirror_scan_open_for(view, scan, slot->ranges, slot->range_count, &planned, NULL) == RHEI_OK)
        live = mirror_scan_estimate(planned);
    mirror_scan_close(&planned);
    return live;
}

static struct duck_connection *binding_connection(const struct duck_api *api, duckdb_bind_info info)
{
    struct duck_database *database = api->bind_get_extra_info(info);
    duckdb_client_context context = NULL;
    api->table_function_get_client_context(info, &context);
    idx_t id = api->client_context_get_connection_id(context);
    api->destroy_client_context(&context);
    return duck_connection_find(database, id);
}

static const uint32_t no_table = UINT32_MAX;

/* mirror_scan's first argument. */
static uint32_t table_by_number(const struct duck_api *api, duckdb_bind_info info)
{
    int64_t table = bind_integer(api, info, 0);
    return table >= 0 && table < UINT32_MAX ? (uint32_t)table : no_table;
}

/* mirror_table's: a name as a native text writes it. */
static uint32_t table_by_name(const struct duck_api *api, duckdb_bind_info info, const struct duck_slot *slot)
{
    duckdb_value value = api->bind_get_parameter(info, 0);
    char *name = api->get_varchar(value);
    uint32_t table = no_table;
    if (!slot->native || mirror_view_named(slot->snapshot, name, &table) == NULL) {
        struct base_buffer message = {0};
        base_buffer_format(&message, "there is no table \"%s\" in the column store", name);
        api->bind_set_error(info, message.failed ? "no such table" : message.data);
        base_buffer_reset(&message);
    }
    api->free(name);
    api->destroy_value(&value);
    return table;
}

static void bind_table(const struct duck_api *api, duckdb_bind_info info, struct duck_connection *connection,
                       uint32_t table, uint32_t scan)
{
    struct duck_slot *slot = &connection->slot;
    const struct mirror_table_view *view = table != no_table ? mirror_view(slot->snapshot, table) : NULL;
    if (view == NULL) {
        api->bind_set_error(info, "the mirror has no such table at this position");
        return;
    }
    uint32_t columns = mirror_view_column_count(view);
    struct scan_bind *bind = base_alloc_zero(1, sizeof *bind + 2 * columns * sizeof *bind->columns);
    if (bind == NULL) {
        api->bind_set_error(info, "out of memory");
        return;
    }
    bind->connection = connection;
    bind->table = table;
    bind->scan = scan;
    bind->source_count = columns;
    api->bind_set_bind_data(info, bind, base_free);
    if (!add_columns(api, info, bind, view)) {
        api->bind_set_error(info, "a column's name ends in __int, which is needed for a column beside it");
        return;
    }
    api->bind_set_cardinality(info, estimated_rows(slot, view, scan), false);
    if (slot->binding != NULL)
        duck_plan_note_table(slot->binding, table, mirror_view_row_count(view));
}

static void scan_bind(duckdb_bind_info info)
{
    const struct duck_api *api = duck_api();
    struct duck_connection *connection = binding_connection(api, info);
    int64_t scan = bind_integer(api, info, 1);
    if (connection == NULL || connection->slot.snapshot == NULL)
        api->bind_set_error(info, "mirror_scan is read by Rhei's own statements only");
    else if (scan < 0 || scan >= UINT32_MAX)
        api->bind_set_error(info, "mirror_scan's second argument is the scan's number");
    else
        bind_table(api, info, connection, table_by_number(api, info), (uint32_t)scan);
}

static void scan_bind_name(duckdb_bind_info info)
{
    const struct duck_api *api = duck_api();
    struct duck_connection *connection = binding_connection(api, info);
    if (connection == NULL || connection->slot.snapshot == NULL) {
        api->bind_set_error(info, "tables of the mirror are read by Rhei's own statements only");
        return;
    }
    uint32_t table = table_by_name(api, info, &connection->slot);
    if (table != no_table)
        bind_table(api, info, connection, table, UINT32_MAX);
}

/* ---- Init -------------------------------------------------------------------------------------------------------- */

static void scan_state_free(void *context)
{
    struct scan_state *state = context;
    struct duck_slot *slot = state->slot;
    atomic_load_explicit(&slot->calls, memory_order_acquire);
    mirror_scan_close(&state->scan);
    base_free(state->outputs);
    base_free(state);
    atomic_fetch_sub_explicit(&slot->scans, 1, memory_order_release);
}

static struct scan_state *scan_state_new(const struct duck_api *api, struct duck_slot *slot)
{
    struct scan_state *state = base_alloc_zero(1, sizeof *state);
    if (state != NULL) {
        state->api = api;
        state->slot = slot;
        atomic_fetch_add_explicit(&slot->scans, 1, memory_order_relaxed);
    }
    return state;
}

/* What a thread of a scan holds: the segment of its chunk, and that of the one before. */
struct scan_thread {
    struct duck_slot *slot;
    struct mirror_hold now, before;
    uint32_t segment;
};

static void scan_thread_free(void *context)
{
    struct scan_thread *thread = context;
    struct duck_slot *slot = thread->slot;
    mirror_hold_end(&thread->now);
    mirror_hold_end(&thread->before);
    base_free(thread);
    atomic_fetch_sub_explicit(&slot->scans, 1, memory_order_release);
}

static void hold_segment(const struct scan_state *state, const struct mirror_scan_batch *batch,
                         struct scan_thread *thread)
{
    if (thread->segment == batch->segment)
        return;
    mirror_hold_end(&thread->before);
    thread->before = thread->now;
    thread->now.segment = NULL;
    thread->segment = batch->segment;
    mirror_scan_hold(state->scan, batch, &thread->now);
}

/* Fails the statement; its plan is made anew if that can help. */
static void refuse(const struct duck_api *api, duckdb_init_info info, struct duck_slot *slot, bool stale,
                   const char *message)
{
    if (stale)
        atomic_store_explicit(&slot->stale, true, memory_order_release);
    api->init_set_error(info, message);
}

/* A plan may rest on a column's type without scanning the column: all that the text reads are looked at. */
static bool types_still_hold(const struct scan_bind *bind, const struct scan_state *state)
{
    const struct source_table *table = mirror_view_definition(state->view);
    for (uint32_t i = 0; i < bind->column_count; i++) {
        struct scan_column bound = bind->columns[i];
        bool read = false;
        uint32_t flags = flags_of(state->slot, state->view, bind->scan, bound.source, &read);
        enum duck_column_kind now = kind_of(&table->columns[bound.source], flags, state->slot->native);
        if (read && now != (bound.kind == DUCK_IS_INTEGER ? DUCK_NUMBER : bound.kind))
            return false;
    }
    return true;
}

static void refuse_unreadable(const struct duck_api *api, duckdb_init_info info, const struct scan_state *state,
                              uint32_t column)
{
    const struct source_table *table = mirror_view_definition(state->view);
    struct base_buffer message = {0};
    base_buffer_format(
        &message,
        "column \"%s\" of \"%s\" holds values that have no one type: of mixed classes, or text that is not "
        "UTF-8 or has a NUL in it",
        table->columns[column].name, table->name);
    refuse(api, info, state->slot, false,
           message.failed ? "a column holds values that have no one type" : message.data);
    base_buffer_reset(&message);
}

/* DuckDB asks for a table's first column where the text only counts rows; what is in it then doesn't matter. */
static bool is_read(const struct scan_bind *bind, const struct scan_state *state, uint32_t source)
{
    bool read = false;
    (void)flags_of(state->slot, state->view, bind->scan, source, &read);
    return read;
}

static bool choose_outputs(const struct duck_api *api, duckdb_init_info info, const struct scan_bind *bind,
                           struct scan_state *state)
{
    state->output_count = (uint32_t)api->init_get_column_count(info);
    state->outputs = base_alloc_zero(state->output_count + 1, sizeof *state->outputs);
    if (state->outputs == NULL) {
        refuse(api, info, state->slot, false, "out of memory");
        return false;
    }
    for (uint32_t i = 0; i < state->output_count; i++) {
        idx_t index = api->init_get_column_index(info, i);
        state->outputs[i].source = UINT32_MAX;
        if (index >= bind->column_count)
            continue;
        if (bind->columns[index].kind == DUCK_UNREADABLE) {
            state->outputs[i].kind = DUCK_UNREADABLE;
            if (!is_read(bind, state, bind->columns[index].source))
                continue;
            refuse_unreadable(api, info, state, bind->columns[index].source);
            return false;
        }
        state->outputs[i] =
            (struct scan_output){.source = bind->columns[index].source, .kind = bind->columns[index].kind};
    }
    return true;
}

/* How many threads the scan is worth. */
static idx_t threads_for(const struct scan_state *state, int threads)
{
    uint64_t rows = mirror_scan_slots(state->scan);
    uint64_t most = rows / (VECTORS_PER_THREAD * MIRROR_VECTOR_ROWS) + 1;
    return rows < DUCK_PARALLEL_ROWS ? 1 : (idx_t)(most < (uint64_t)threads ? most : (uint64_t)threads);
}

static void scan_init(duckdb_init_info info)
{
    const struct duck_api *api = duck_api();
    const struct scan_bind *bind = api->init_get_bind_data(info);
    struct duck_slot *slot = &bind->connection->slot;
    atomic_load_explicit(&slot->stopped, memory_order_acquire);
    struct scan_state *state = scan_state_new(api, slot);
    if (state == NULL) {
        refuse(api, info, slot, false, "out of memory");
        return;
    }
    api->init_set_init_data(info, state, scan_state_free);
    state->view = slot->snapshot != NULL ? mirror_view(slot->snapshot, bind->table) : NULL;
    if (state->view == NULL || mirror_view_column_count(state->view) != bind->source_count) {
        refuse(api, info, slot, true, "the mirror has no such table at this position");
        return;
    }
    if (!types_still_hold(bind, state)) {
        refuse(api, info, slot, true, "a column has got values of another class since this was planned");
        return;
    }
    if (mirror_scan_open_for(state->view, bind->scan, slot->ranges, slot->range_count, &state->scan, NULL) != RHEI_OK) {
        refuse(api, info, slot, false, "out of memory");
        return;
    }
    base_progress_expect(slot->stop.progress, BASE_PROGRESS_ROWS, (int64_t)mirror_scan_slots(state->scan));
    if (choose_outputs(api, info, bind, state))
        api->init_set_max_threads(info, threads_for(state, bind->connection->database->executor->threads));
}

static void scan_thread_init(duckdb_init_info info)
{
    const struct duck_api *api = duck_api();
    const struct scan_bind *bind = api->init_get_bind_data(info);
    struct duck_slot *slot = &bind->connection->slot;
    struct scan_thread *thread = base_alloc_zero(1, sizeof *thread);
    if (thread == NULL) {
        refuse(api, info, slot, false, "out of memory");
        return;
    }
    atomic_fetch_add_explicit(&slot->scans, 1, memory_order_relaxed);
    thread->slot = slot;
    thread->segment = UINT32_MAX;
    api->init_set_init_data(info, thread, scan_thread_free);
}

/* ---- Scan -------------------------------------------------------------------------------------------------------- */

/*
 * The rows of a vector, as runs; or by their numbers, where there are many holes. They leave as a flat vector either way: over a selection
 * DuckDB's aggregates take several times as long as what a copy costs.
 */
struct scan_rows {
    struct mirror_scan_batch batch;
    uint32_t run_count; /* 0: the runs aren't found yet */
    bool numbered;      /* the numbers are */
    struct mirror_slot_run runs[MIRROR_MOST_RUNS];
    uint16_t numbers[MIRROR_VECTOR_ROWS];
};

static bool copy_runs(struct duck_target *target, enum duck_column_kind kind, const struct mirror_column_data *data,
                      struct scan_rows *rows)
{
    uint32_t to = 0;
    if (rows->run_count == 0)
        rows->run_count = mirror_scan_runs(&rows->batch, rows->runs);
    for (uint32_t i = 0; i < rows->run_count; i++) {
        if (!duck_copy_rows(target, kind, data, rows->runs[i].from, to, rows->runs[i].count))
            return false;
        to += rows->runs[i].count;
    }
    return true;
}

static const uint16_t *row_numbers(struct scan_rows *rows)
{
    uint16_t *number = rows->numbers;
    for (uint32_t first = 0; first < rows->batch.rows && !rows->numbered; first += 64) {
        uint32_t most = rows->batch.rows - first < 64 ? rows->batch.rows - first : 64;
        uint64_t skip = rows->batch.skip[first / 64];
        for (uint32_t i = 0; i < most; i++) {
            *number = (uint16_t)(first + i);
            number += ~skip & 1;
            skip >>= 1;
        }
    }
    rows->numbered = true;
    return rows->numbers;
}

static bool emit_column(struct scan_state *state, const struct scan_output *output, struct scan_rows *rows,
                        duckdb_vector out)
{
    struct mirror_column_data data;
    mirror_scan_column(state->scan, &rows->batch, output->source, &data);
    struct duck_target target = {.api = state->api, .vector = out, .data = state->api->vector_get_data(out)};
    uint32_t dead = rows->batch.rows - rows->batch.count;
    if (dead <= MANY_DEAD || !duck_gathers(output->kind, data.layout))
        return copy_runs(&target, output->kind, &data, rows);
    duck_gather_rows(&target, output->kind, &data, row_numbers(rows), rows->batch.count);
    return true;
}

static bool emit_vector(struct scan_state *state, struct scan_rows *rows, duckdb_data_chunk chunk)
{
    rows->run_count = 0;
    rows->numbered = false;
    bool emitted = true;
    for (uint32_t i = 0; i < state->output_count && emitted; i++) {
        duckdb_vector out = state->api->data_chunk_get_vector(chunk, i);
        if (state->outputs[i].source != UINT32_MAX)
            emitted = emit_column(state, &state->outputs[i], rows, out);
        else if (state->outputs[i].kind == DUCK_UNREADABLE) /* empty strings: a join may carry them along */
            memset(state->api->vector_get_data(out), 0, rows->batch.count * sizeof(duckdb_string_t));
    }
    state->api->data_chunk_set_size(chunk, rows->batch.count);
    return emitted;
}

static void scan_run(duckdb_function_info info, duckdb_data_chunk chunk)
{
    const struct duck_api *api = duck_api();
    struct scan_state *state = api->function_get_init_data(info);
    struct scan_thread *thread = api->function_get_local_init_data(info);
    struct scan_rows rows;
    if (duck_slot_check(state->slot) != RHEI_OK) {
        api->data_chunk_set_size(chunk, 0);
        api->function_set_error(info, "stopped");
    } else if (!mirror_scan_next(state->scan, &rows.batch)) {
        api->data_chunk_set_size(chunk, 0);
    } else if (hold_segment(state, &rows.batch, thread), !emit_vector(state, &rows, chunk)) {
        atomic_store_explicit(&state->slot->stale, true, memory_order_release);
        api->function_set_error(info, "a column holds values of another class than was planned");
    } else if (mirror_view_segment_is_damaged(state->view, rows.batch.segment)) { /* 6. */
        atomic_store_explicit(&state->slot->damaged, state->view, memory_order_release);
        api->data_chunk_set_size(chunk, 0);
        api->function_set_error(info, "a file of the column store is damaged");
    } else {
        base_progress_add(state->slot->stop.progress, BASE_PROGRESS_ROWS, rows.batch.rows);
    }
    atomic_fetch_add_explicit(&state->slot->calls, 1, memory_order_release);
}

static rhei_status register_one(struct duck_database *database, const char *name, duckdb_type first, duckdb_type second,
                                duckdb_table_function_bind_t bind, struct rhei_error *error)
{
    const struct duck_api *api = database->executor->api;
    duckdb_table_function function = api->create_table_function();
    duckdb_type parameters[] = {first, second};
    api->table_function_set_name(function, name);
    for (int i = 0; i < 2 && parameters[i] != DUCKDB_TYPE_INVALID; i++) {
        duckdb_logical_type type = api->create_logical_type(parameters[i]);
        api->table_function_add_parameter(function, type);
        api->destroy_logical_type(&type);
    }
    api->table_function_set_extra_info(function, database, NULL);
    api->table_function_supports_projection_pushdown(function, true);
    api->table_function_set_bind(function, bind);
    api->table_function_set_init(function, scan_init);
    api->table_function_set_local_init(function, scan_thread_init);
    api->table_function_set_function(function, scan_run);
    duckdb_state state = api->register_table_function(database->admin, function);
    api->destroy_table_function(&function);
    return state == DuckDBSuccess ? RHEI_OK
                                  : error_set(error, RHEI_INTERNAL, "DuckDB did not accept the function %s", name);
}

rhei_status duck_scan_register(struct duck_database *database, struct rhei_error *error)
{
    rhei_status status =
        register_one(database, "mirror_scan", DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_BIGINT, scan_bind, error);
    if (status == RHEI_OK)
        status =
            register_one(database, "mirror_table", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_INVALID, scan_bind_name, error);
    return status;
}
