/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building a table in private, by several loaders at a time.
 *
 * Each loader fills segments of its own, with numbers from a shared counter. The index is shared: pages are found and added
 * under a lock, but a loader remembers its page and fills cells without one (no key comes twice, so no cell does);
 * hash partitions have a lock each. Attaching stitches the segments together, which takes microseconds.
 *
 * Lock order: page lock and partition locks are leaves; nobody holds two.
 */
#include "mirror_internal.h"

#include <math.h>
#include <string.h>

#include "base/base_error.h"
#include "mirror_image.h"

struct loader {
    _Alignas(64) struct mirror_tail tail; /* loaders write their own cache lines */
    struct mirror_segment *sealed;        /* linked by next_empty */
    struct mirror_column_seen *seen;
    uint32_t targets[MIRROR_CHUNK_ROWS];
    int64_t page_number;
    struct mirror_page *page; /* NULL: none in hand */
    uint32_t page_used;       /* cells filled in it that it doesn't count yet */
};

struct mirror_build {
    struct mirror *mirror;
    struct mirror_table *table;
    uint32_t column_count, loader_count;
    struct mirror_run run; /* holds the loaders */
    struct loader *loader;
    _Atomic uint32_t next_number;
    _Atomic uint64_t hashed;
    atomic_bool failed; /* some append did: rows may be missing */
    base_mutex page_lock;
    base_mutex partition_lock[MIRROR_PARTITIONS];
};

/* ---- Begin, abandon. ------------------------------------------------------------------------------------------------ */

static rhei_status loaders_new(struct mirror_build *build, uint32_t loaders)
{
    struct mirror *mirror = build->mirror;
    uint32_t columns = mirror_table_columns(build->table);
    rhei_status status = mirror_run_alloc(&mirror->memory, loaders * sizeof(struct loader), &build->run);
    if (status != RHEI_OK)
        return status;
    build->loader = build->run.data;
    memset(build->loader, 0, loaders * sizeof(struct loader));
    for (uint32_t i = 0; i < loaders && status == RHEI_OK; i++) {
        void *seen = NULL;
        status = mirror_tail_init(mirror, &build->loader[i].tail, columns);
        if (status != RHEI_OK)
            break;
        build->loader_count = i + 1;
        status = mirror_memory_alloc_zero(&mirror->memory, columns * sizeof(struct mirror_column_seen), &seen);
        build->loader[i].seen = seen;
        for (uint32_t c = 0; status == RHEI_OK && c < columns; c++)
            build->loader[i].seen[c] = (struct mirror_column_seen){.low = INFINITY, .high = -INFINITY};
    }
    return status;
}

static void free_sealed(struct mirror *mirror, struct loader *loader)
{
    while (loader->sealed != NULL) {
        struct mirror_segment *segment = loader->sealed;
        loader->sealed = segment->next_empty;
        mirror_segment_free(mirror, segment);
    }
}

void mirror_build_abandon(struct mirror_build **handle)
{
    struct mirror_build *build = *handle;
    if (build == NULL)
        return;
    struct mirror *mirror = build->mirror;
    uint32_t columns = build->column_count;
    for (uint32_t i = 0; i < build->loader_count; i++) {
        struct loader *loader = &build->loader[i];
        free_sealed(mirror, loader);
        mirror_segment_free(mirror, loader->tail.segment);
        mirror_tail_reset(mirror, &loader->tail, columns);
        mirror_memory_free(&mirror->memory, loader->seen, columns * sizeof *loader->seen);
    }
    mirror_run_free(&mirror->memory, &build->run);
    if (build->table != NULL)
        mirror_table_free(build->table);
    base_mutex_destroy(&build->page_lock);
    for (uint32_t p = 0; p < MIRROR_PARTITIONS; p++)
        base_mutex_destroy(&build->partition_lock[p]);
    mirror_memory_free(&mirror->memory, build, sizeof *build);
    *handle = NULL;
}

static rhei_status check_definition(const struct source_table *table, uint32_t loaders, struct rhei_error *error)
{
    bool right = table->column_count > 0 && table->key_count > 0 && loaders > 0 && loaders <= 64;
    for (uint32_t k = 0; right && k < table->key_count; k++)
        right = table->key_columns[k] < table->column_count;
    if (right)
        return RHEI_OK;
    return error_set(error, RHEI_INVALID, "table \"%s\" needs columns, a key among them and 1 to 64 loaders",
                     table->name == NULL ? "" : table->name);
}

rhei_status mirror_build_begin(struct mirror *mirror, const struct source_table *table, uint32_t loaders,
                               struct mirror_build **out, struct rhei_error *error)
{
    *out = NULL;
    rhei_status status = check_definition(table, loaders, error);
    if (status != RHEI_OK)
        return status;
    void *memory;
    status = mirror_memory_alloc_zero(&mirror->memory, sizeof(struct mirror_build), &memory);
    if (status != RHEI_OK)
        return mirror_memory_error(&mirror->memory, status, error);
    struct mirror_build *build = memory;
    build->mirror = mirror;
    build->column_count = table->column_count;
    base_mutex_init(&build->page_lock);
    for (uint32_t p = 0; p < MIRROR_PARTITIONS; p++)
        base_mutex_init(&build->partition_lock[p]);
    status = mirror_table_new(mirror, table, &build->table);
    if (status == RHEI_OK)
        status = loaders_new(build, loaders);
    if (status != RHEI_OK) {
        mirror_build_abandon(&build);
        return mirror_memory_error(&mirror->memory, status, error);
    }
    *out = build;
    return RHEI_OK;
}

/* ---- Index. ---------------------------------------------------------------------------------------------------------- */

static rhei_status fill_hash(struct mirror_build *build, uint64_t hash, uint32_t row_id)
{
    uint32_t p = mirror_hash_partition(hash);
    uint32_t *cell;
    base_mutex_lock(&build->partition_lock[p]);
    rhei_status status = mirror_hash_add(&build->mirror->memory, &build->table->index.partition[p], hash, &cell);
    if (status == RHEI_OK)
        *cell = row_id + 1;
    base_mutex_unlock(&build->partition_lock[p]);
    if (status == RHEI_OK)
        atomic_fetch_add_explicit(&build->hashed, 1, memory_order_relaxed);
    return status;
}

/* Holding the page lock. */
static void put_page_back(struct mirror_build *build, struct loader *loader)
{
    if (loader->page == NULL)
        return;
    loader->page->used += loader->page_used;
    build->table->index.radix.keys += loader->page_used;
    loader->page = NULL;
    loader->page_used = 0;
}

static rhei_status change_page(struct mirror_build *build, struct loader *loader, int64_t number)
{
    struct mirror_radix *radix = &build->table->index.radix;
    rhei_status status = RHEI_OK;
    base_mutex_lock(&build->page_lock);
    put_page_back(build, loader);
    uint64_t keys = radix->keys + atomic_load_explicit(&build->hashed, memory_order_relaxed);
    loader->page = mirror_radix_page(radix, number);
    if (loader->page == NULL)
        status = mirror_radix_page_add(&build->mirror->memory, radix, keys, number, &loader->page);
    loader->page_number = number;
    base_mutex_unlock(&build->page_lock);
    return status;
}

static rhei_status index_integer(struct mirror_build *build, struct loader *loader, const struct change_batch *batch,
                                 size_t row, uint32_t row_id)
{
    int64_t key = batch->columns[build->table->definition.key_columns[0]][row].as.integer;
    int64_t number = key >> MIRROR_PAGE_BITS;
    if (loader->page == NULL || loader->page_number != number) {
        rhei_status status = change_page(build, loader, number);
        if (status != RHEI_OK)
            return status;
    }
    if (loader->page == NULL)
        return fill_hash(build, mirror_key_hash(build->table, batch->columns, row), row_id);
    loader->page->cell[key & (MIRROR_PAGE_KEYS - 1)] = row_id + 1;
    loader->page_used++;
    return RHEI_OK;
}

static rhei_status index_rows(struct mirror_build *build, struct loader *loader, const struct change_batch *batch,
                              size_t first, size_t count, uint32_t row_id)
{
    rhei_status status = RHEI_OK;
    bool by_integer = build->table->index.by_integer;
    for (size_t i = 0; i < count && status == RHEI_OK; i++) {
        uint32_t id = row_id + (uint32_t)i;
        if (by_integer)
            status = index_integer(build, loader, batch, first + i, id);
        else
            status = fill_hash(build, mirror_key_hash(build->table, batch->columns, first + i), id);
    }
    return status;
}

/* ---- Rows. ----------------------------------------------------------------------------------------------------------- */

static void seal(struct mirror_build *build, struct loader *loader)
{
    struct mirror_segment *segment = loader->tail.segment;
    if (segment == NULL)
        return;
    segment->live_rows = loader->tail.rows;
    mirror_tail_seal(build->mirror, &loader->tail);
    segment = mirror_spill_built(build->mirror, &build->table->definition, segment);
    segment->next_empty = loader->sealed;
    loader->sealed = segment;
}

/* The estimate may be wrong by far, so it may cost little; rows that came are to be believed. */
static uint32_t first_slots(const struct mirror_build *build, const struct loader *loader)
{
    enum { BELIEVED_BYTES = 256 << 10 };
    const struct mirror_tail *tail = &loader->tail;
    int64_t estimate = build->table->definition.estimated_rows;
    uint32_t columns = mirror_table_columns(build->table);
    if (tail->passed > 0)
        return mirror_tail_slots(build->mirror, tail, columns, tail->passed / 2, SIZE_MAX);
    return mirror_tail_slots(build->mirror, tail, columns, estimate > 0 ? (uint64_t)estimate : 0, BELIEVED_BYTES);
}

static rhei_status open_segment(struct mirror_build *build, struct loader *loader)
{
    seal(build, loader);
    uint32_t number = atomic_fetch_add_explicit(&build->next_number, 1, memory_order_relaxed);
    if (number >= build->mirror->max_segments) {
        atomic_fetch_sub_explicit(&build->next_number, 1, memory_order_relaxed);
        return RHEI_TOO_BIG;
    }
    uint32_t columns = mirror_table_columns(build->table);
    return mirror_tail_open(build->mirror, &loader->tail, columns, number, first_slots(build, loader));
}

/* The tail is full. */
static rhei_status extend(struct mirror_build *build, struct loader *loader)
{
    struct mirror_segment *outgrown;
    uint32_t more = mirror_tail_more(build->mirror, &loader->tail, mirror_table_columns(build->table));
    if (more == loader->tail.segment->capacity)
        return open_segment(build, loader);
    rhei_status status = mirror_tail_grow(build->mirror, &loader->tail, more, &outgrown);
    if (status == RHEI_OK)
        mirror_segment_free(build->mirror, outgrown);
    return status;
}

static void see(struct mirror_column_seen *all, const struct mirror_column_seen *seen)
{
    all->flags |= seen->flags;
    all->low = seen->low < all->low ? seen->low : all->low;
    all->high = seen->high > all->high ? seen->high : all->high;
}

static rhei_status write_rows(struct mirror_build *build, struct loader *loader, const struct change_batch *batch,
                              size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        loader->targets[i] = loader->tail.rows + (uint32_t)i;
    for (uint32_t c = 0; c < batch->column_count; c++) {
        struct mirror_column_seen seen;
        rhei_status status = mirror_segment_write(build->mirror, loader->tail.segment, c, &batch->columns[c][first],
                                                  loader->targets, count, &seen);
        if (status != RHEI_OK)
            return status;
        see(&loader->seen[c], &seen);
    }
    return RHEI_OK;
}

static rhei_status check_rows(const struct mirror_build *build, const struct change_batch *batch)
{
    if (batch->op != NULL)
        for (size_t i = 0; i < batch->row_count; i++)
            if (batch->op[i] != CHANGE_UPSERT)
                return RHEI_INVALID;
    if (!build->table->index.by_integer)
        return RHEI_OK;
    const struct rhei_value *keys = batch->columns[build->table->definition.key_columns[0]];
    for (size_t i = 0; i < batch->row_count; i++)
        if (keys[i].type != RHEI_INTEGER)
            return RHEI_TYPE;
    return RHEI_OK;
}

static rhei_status append_chunk(struct mirror_build *build, struct loader *loader, const struct change_batch *batch,
                                size_t first, size_t end)
{
    bool conflict;
    mirror_tail_classify(&loader->tail, batch, first, end);
    rhei_status status =
        mirror_tail_prepare(build->mirror, &loader->tail, mirror_table_columns(build->table), &conflict);
    if (status == RHEI_OK && (conflict || loader->tail.segment == NULL))
        status = open_segment(build, loader);
    while (first < end && status == RHEI_OK) {
        BASE_INVARIANT(loader->tail.rows <= loader->tail.segment->capacity);
        size_t room = loader->tail.segment->capacity - loader->tail.rows;
        size_t count = room < end - first ? room : end - first;
        uint32_t row_id = loader->tail.number << 16 | loader->tail.rows;
        status = index_rows(build, loader, batch, first, count, row_id);
        if (status == RHEI_OK)
            status = write_rows(build, loader, batch, first, count);
        if (status != RHEI_OK)
            return status;
        BASE_INVARIANT(count <= MIRROR_CHUNK_ROWS);
        loader->tail.rows += (uint32_t)count;
        first += count;
        if (mirror_tail_is_portion(build->mirror, &loader->tail))
            status = open_segment(build, loader);
        else if (first < end)
            status = extend(build, loader);
    }
    return status;
}

static rhei_status build_error(const struct mirror_build *build, rhei_status status, struct rhei_error *error)
{
    if (status == RHEI_TYPE)
        (void)error_set(error, status, "the key must be an integer");
    else if (status == RHEI_INVALID)
        (void)error_set(error, status, "a build takes rows only, no deletions");
    else if (status == RHEI_TOO_BIG)
        (void)error_set(error, status,
                        "more rows than the column store can number (2^32); SQLite answers for this table");
    else
        (void)mirror_memory_error(&build->mirror->memory, status, error);
    error_context(error, "table \"%s\": ", build->table->definition.name);
    return status;
}

rhei_status mirror_build_append(struct mirror_build *build, uint32_t number, const struct change_batch *batch,
                                struct rhei_error *error)
{
    if (number >= build->loader_count || batch->column_count != mirror_table_columns(build->table))
        return error_set(error, RHEI_INVALID,
                         "table \"%s\": a batch of %u columns from loader %u doesn't fit the build",
                         build->table->definition.name, batch->column_count, number);
    struct loader *loader = &build->loader[number];
    rhei_status status = check_rows(build, batch);
    for (size_t first = 0; first < batch->row_count && status == RHEI_OK; first += MIRROR_CHUNK_ROWS) {
        size_t end = batch->row_count - first < MIRROR_CHUNK_ROWS ? batch->row_count : first + MIRROR_CHUNK_ROWS;
        status = append_chunk(build, loader, batch, first, end);
    }
    if (status == RHEI_OK)
        return RHEI_OK;
    atomic_store_explicit(&build->failed, true, memory_order_relaxed);
    return build_error(build, status, error);
}

/* ---- Segments as they are. ------------------------------------------------------------------------------------------- */

/* Keys of the places [first, end), none of them dead, into the index. */
static rhei_status index_places(struct mirror_build *build, struct loader *loader, struct mirror_segment *segment,
                                uint32_t first, uint32_t end, struct rhei_value *values)
{
    const struct source_table *definition = &build->table->definition;
    const struct rhei_value **columns = (const struct rhei_value **)(void *)(values + definition->key_count * 64u);
    for (uint32_t k = 0; k < definition->key_count; k++) {
        uint32_t column = definition->key_columns[k];
        columns[column] = values + k * 64u;
        for (uint32_t place = first; place < end; place++)
            mirror_segment_value(segment, column, place, &values[k * 64u + place - first]);
    }
    struct change_batch batch = {
        .row_count = end - first, .column_count = definition->column_count, .columns = columns};
    rhei_status status = check_rows(build, &batch);
    if (status != RHEI_OK)
        return status;
    return index_rows(build, loader, &batch, 0, end - first, segment->number << 16 | first);
}

/* By words of the bitmap of dead rows: runs of living ones. */
static rhei_status index_segment(struct mirror_build *build, struct loader *loader, struct mirror_segment *segment)
{
    const struct source_table *definition = &build->table->definition;
    size_t size = definition->key_count * 64u * sizeof(struct rhei_value) + definition->column_count * sizeof(void *);
    void *scratch;
    rhei_status status = mirror_memory_alloc_zero(&build->mirror->memory, size, &scratch);
    for (uint32_t first = 0; status == RHEI_OK && first < segment->rows; first += 64) {
        uint32_t end = segment->rows - first < 64 ? segment->rows : first + 64;
        uint64_t dead = segment->dead == NULL ? 0 : segment->dead[first / 64];
        for (uint32_t from = first, to; status == RHEI_OK && from < end; from = to + 1) {
            for (to = from; to < end && (dead >> (to & 63) & 1) == 0;)
                to++;
            if (to > from)
                status = index_places(build, loader, segment, from, to, scratch);
        }
    }
    mirror_memory_free(&build->mirror->memory, scratch, size);
    return status;
}

static rhei_status adopt(struct mirror_build *build, struct loader *loader, const struct segment_image *image,
                         const uint64_t *dead, struct mirror_owner *owner, enum mirror_adoption how,
                         struct rhei_error *error)
{
    struct mirror_segment *segment = NULL;
    bool lazily = how != MIRROR_ADOPT_CHECKED;
    rhei_status status = mirror_adopt_check(image, mirror_table_columns(build->table), how, error);
    if (status != RHEI_OK)
        return status;
    status = mirror_adopt_segment(build->mirror, image, dead, owner, how, &segment);
    if (status == RHEI_IO)
        return error_set(error, status, "a segment is damaged: the classes of a column can't be read");
    if (status != RHEI_OK) {
        atomic_store_explicit(&build->failed, true, memory_order_relaxed);
        return build_error(build, status, error);
    }
    segment->unindexed = lazily;
    segment->number = atomic_fetch_add_explicit(&build->next_number, 1, memory_order_relaxed);
    if (segment->number >= build->mirror->max_segments) {
        atomic_fetch_sub_explicit(&build->next_number, 1, memory_order_relaxed);
        status = RHEI_TOO_BIG;
    }
    if (status == RHEI_OK && !lazily)
        status = index_segment(build, loader, segment);
    if (status != RHEI_OK) {
        mirror_segment_free(build->mirror, segment);
        atomic_store_explicit(&build->failed, true, memory_order_relaxed); /* the index may have some of its rows */
        return build_error(build, status, error);
    }
    for (uint32_t c = 0; c < image->column_count; c++) {
        struct mirror_column_seen seen;
        mirror_adopt_seen(segment, c, &seen);
        see(&loader->seen[c], &seen);
    }
    loader->tail.passed += segment->rows;
    segment->next_empty = loader->sealed;
    loader->sealed = segment;
    return RHEI_OK;
}

static rhei_status adopt_kept(struct mirror_build *build, uint32_t number, const struct segment_image *image,
                              const uint64_t *dead, const struct mirror_keeper *keeper, enum mirror_adoption how,
                              struct rhei_error *error)
{
    struct mirror_owner *owner;
    rhei_status status = mirror_owner_new(&build->mirror->memory, keeper->release, keeper->context, &owner);
    if (status != RHEI_OK) {
        if (keeper->release != NULL)
            keeper->release(keeper->context);
        atomic_store_explicit(&build->failed, true, memory_order_relaxed);
        return build_error(build, status, error);
    }
    owner->damaged = keeper->damaged;
    owner->read = keeper->read;
    owner->name = keeper->name;
    if (number >= build->loader_count)
        status = error_set(error, RHEI_INVALID, "table \"%s\": there is no loader %u in the build",
                           build->table->definition.name, number);
    else
        status = adopt(build, &build->loader[number], image, dead, owner, how, error);
    mirror_owner_drop(&build->mirror->memory, owner);
    return status;
}

rhei_status mirror_segment_adopt(struct mirror_build *build, uint32_t number, const struct segment_image *image,
                                 const uint64_t *dead, void (*release)(void *context), void *context,
                                 struct rhei_error *error)
{
    const struct mirror_keeper keeper = {.release = release, .context = context};
    return adopt_kept(build, number, image, dead, &keeper, MIRROR_ADOPT_CHECKED, error);
}

rhei_status mirror_segment_adopt_lazily(struct mirror_build *build, uint32_t number, const struct segment_image *image,
                                        const uint64_t *dead, const struct mirror_keeper *keeper,
                                        struct rhei_error *error)
{
    enum mirror_adoption how = keeper->read == NULL ? MIRROR_ADOPT_LAZILY : MIRROR_ADOPT_REMOTE;
    return adopt_kept(build, number, image, dead, keeper, how, error);
}

uint64_t mirror_build_adopted(const struct mirror_build *build, uint32_t number)
{
    const struct mirror_segment *segment = build->loader[number].sealed;
    return segment == NULL ? 0 : segment->lineage + 1;
}

/* ---- Attach. --------------------------------------------------------------------------------------------------------- */

/* The loader with most room left goes on as the table's tail. */
static struct loader *choose_tail(struct mirror_build *build)
{
    struct loader *best = NULL;
    uint32_t most = 0;
    for (uint32_t i = 0; i < build->loader_count; i++) {
        const struct mirror_tail *tail = &build->loader[i].tail;
        if (tail->segment == NULL || tail->segment->capacity - tail->rows < most)
            continue;
        most = tail->segment->capacity - tail->rows;
        best = &build->loader[i];
    }
    return best;
}

static void merge_plans(struct mirror_build *build)
{
    struct mirror_tail *tail = &build->table->tail;
    for (uint32_t i = 0; i < build->loader_count; i++) {
        const struct mirror_tail *from = &build->loader[i].tail;
        tail->passed += from->passed;
        tail->last_rows = from->last_rows > tail->last_rows ? from->last_rows : tail->last_rows;
        for (uint32_t c = 0; c < mirror_table_columns(build->table); c++) {
            if (from->plan[c] == MIRROR_LAYOUT_EMPTY || from->plan[c] == tail->plan[c])
                continue;
            tail->plan[c] = tail->plan[c] == MIRROR_LAYOUT_EMPTY ? from->plan[c] : (uint8_t)MIRROR_LAYOUT_MIXED;
        }
    }
}

/* The dead rows of an adopted segment. */
static rhei_status stitch_dead(struct mirror_table *table, struct mirror_segment *segment)
{
    struct mirror_deletions *deletions = NULL;
    rhei_status status = mirror_small_new(table->mirror, MIRROR_KIND_DELETIONS, &deletions);
    for (uint32_t w = 0; status == RHEI_OK && w < (segment->rows + 63) / 64; w++) {
        struct mirror_bitmap **bitmap = &deletions->vector[w / (MIRROR_VECTOR_ROWS / 64)];
        if (segment->dead[w] == 0)
            continue;
        if (*bitmap == NULL)
            status = mirror_small_new(table->mirror, MIRROR_KIND_BITMAP, bitmap);
        if (status != RHEI_OK)
            break;
        uint32_t dead = (uint32_t)__builtin_popcountll(segment->dead[w]);
        (*bitmap)->word[w % (MIRROR_VECTOR_ROWS / 64)] = segment->dead[w];
        (*bitmap)->dead += dead;
        deletions->dead += dead;
    }
    if (status == RHEI_OK)
        status = mirror_trie_put(table->mirror, &table->retired, &table->deletions, segment->number, deletions);
    if (status == RHEI_OK)
        table->dead += deletions->dead;
    else if (deletions != NULL)
        mirror_deletions_free(table->mirror, deletions);
    return status;
}

static rhei_status stitch_segment(struct mirror_table *table, struct mirror_segment *segment)
{
    rhei_status status = segment->dead == NULL ? RHEI_OK : stitch_dead(table, segment);
    if (status == RHEI_OK)
        status = mirror_trie_put(table->mirror, &table->retired, &table->segments, segment->number, segment);
    if (status != RHEI_OK)
        return status;
    segment->garbage.born = mirror_building(table->mirror);
    table->unindexed += segment->unindexed;
    segment->opened = 0; /* rows of a load count as published: nothing counted them as inserted */
    mirror_holders_refresh(table, segment);
    table->live += segment->live_rows;
    table->used_segments++;
    if (segment->number >= table->segment_count)
        table->segment_count = segment->number + 1;
    return RHEI_OK;
}

static rhei_status stitch_sealed(struct mirror_table *table, struct loader *loader)
{
    while (loader->sealed != NULL) {
        struct mirror_segment *segment = loader->sealed;
        rhei_status status = stitch_segment(table, segment);
        if (status != RHEI_OK)
            return status;
        loader->sealed = segment->next_empty;
        if (segment->live_rows == 0)
            mirror_table_note_empty(table, segment);
    }
    return RHEI_OK;
}

/* A tail whose segment has other layouts than the plan asks for now must not go on: it would take values it can't hold. */
static bool fits_plan(const struct mirror_table *table, const struct mirror_tail *tail)
{
    for (uint32_t c = 0; c < mirror_table_columns(table); c++)
        if (atomic_load_explicit(&tail->segment->column[c].layout, memory_order_relaxed) != table->tail.plan[c] &&
            table->tail.plan[c] != MIRROR_LAYOUT_EMPTY)
            return false;
    return true;
}

static rhei_status stitch_tail(struct mirror_table *table, struct loader *loader)
{
    struct mirror_segment *segment = loader->tail.segment;
    segment->live_rows = loader->tail.rows;
    rhei_status status = stitch_segment(table, segment);
    if (status != RHEI_OK)
        return status;
    table->tail.segment = segment;
    table->tail.number = loader->tail.number;
    table->tail.rows = loader->tail.rows;
    mirror_segment_trim(table->mirror, segment, loader->tail.rows);
    table->tail.weigh_at = loader->tail.weigh_at;
    loader->tail.segment = NULL;
    return RHEI_OK;
}

static rhei_status stitch(struct mirror_build *build)
{
    struct mirror_table *table = build->table;
    struct loader *open = choose_tail(build);
    rhei_status status = RHEI_OK;
    merge_plans(build);
    if (open != NULL && !fits_plan(table, &open->tail))
        open = NULL;
    for (uint32_t i = 0; i < build->loader_count && status == RHEI_OK; i++) {
        struct loader *loader = &build->loader[i];
        put_page_back(build, loader);
        if (loader != open)
            seal(build, loader);
        status = stitch_sealed(table, loader);
        for (uint32_t c = 0; c < mirror_table_columns(table); c++)
            mirror_facts_widen(&table->facts->column[c], &loader->seen[c]);
    }
    if (status == RHEI_OK && open != NULL)
        status = stitch_tail(table, open);
    table->index.hashed = atomic_load_explicit(&build->hashed, memory_order_relaxed);
    table->published_number = table->tail.number;
    table->published_rows = table->tail.rows;
    return status;
}

static void replace_old(struct mirror_table *old)
{
    if (old == NULL)
        return;
    old->dropped = true;
    mirror_index_free(&old->mirror->memory, &old->index);
    mirror_table_retire(old);
}

static rhei_status attach(struct mirror_build *build, struct rhei_error *error)
{
    struct mirror *mirror = build->mirror;
    struct mirror_table *table = build->table;
    const struct mirror_table_view *view = mirror_trie_get(&mirror->catalog, table->definition.id);
    struct mirror_table *old = view == NULL ? NULL : view->table;
    rhei_status status = stitch(build);
    table->garbage.born = mirror_building(mirror);
    if (status == RHEI_OK)
        status = mirror_table_touch(table);
    if (status != RHEI_OK)
        return build_error(build, status, error);
    mirror_table_freeze(table); /* also what is shown if a later change of this cycle fails */
    replace_old(old);
    mirror_note_table(mirror, table->definition.id);
    build->table = NULL;
    return RHEI_OK;
}

rhei_status mirror_build_attach(struct mirror_build **handle, struct rhei_error *error)
{
    struct mirror_build *build = *handle;
    rhei_status status;
    if (atomic_load_explicit(&build->failed, memory_order_relaxed))
        status = error_set(error, RHEI_INVALID,
                           "table \"%s\": rows of the build are missing, because one of its appends failed",
                           build->table->definition.name);
    else
        status = attach(build, error);
    *handle = NULL;
    mirror_build_abandon(&build);
    return status;
}
