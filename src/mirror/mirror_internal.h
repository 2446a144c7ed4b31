/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the mirror share. README.md explains the whole; mirror_store.c opens with the invariants.
 *
 * "B" in comments is the epoch being built: mirror_building(). Whatever was born in B has been seen by no reader.
 */
#ifndef MIRROR_MIRROR_INTERNAL_H
#define MIRROR_MIRROR_INTERNAL_H

#include "base/base_invariant.h"
#include "mirror.h"
#include "mirror_image.h"
#include "mirror_index.h"
#include "mirror_memory.h"
#include "mirror_reclaim.h"
#include "mirror_segment.h"
#include "mirror_trie.h"

enum {
    MIRROR_CHUNK_ROWS = 1024, /* changes that go through the two passes of apply together */
    MIRROR_SLOTS_PER_BLOCK = 64,
    MIRROR_FIRST_ROWS = 64,
    MIRROR_WEIGH_BYTES = 512 << 10,
    MIRROR_MAX_SEGMENTS = 65535, /* logical segments of a table: row ids are 32 bits, and 0xffffffff is not used */
};

/* ---- Deletions (mirror_delete.c): immutable once published. ------------------------------------------------------- */

struct mirror_bitmap {
    struct mirror_garbage garbage;
    uint32_t dead;
    uint64_t word[MIRROR_VECTOR_ROWS / 64];
};

struct mirror_deletions {
    struct mirror_garbage garbage;
    uint32_t dead; /* in the whole segment */
    struct mirror_bitmap *vector[MIRROR_SEGMENT_VECTORS];
};

/* ---- Tables (mirror_table.c). -------------------------------------------------------------------------------------- */

/* One published state of a table: what a reader sees. Immutable once published, but for gone_at. */
struct mirror_table_view {
    struct mirror_garbage garbage;
    struct mirror_table *table;
    struct mirror_trie segments;     /* struct mirror_segment * by logical number; numbers may be unused */
    struct mirror_trie deletions;    /* struct mirror_deletions * by the same number */
    uint32_t segment_count;          /* numbers in use are below it */
    uint32_t tail_number, tail_rows; /* the open segment, or UINT32_MAX */
    uint64_t live, dead;
    struct mirror_facts *facts; /* admit every value that this view shows */
    _Atomic uint64_t gone_at;   /* first epoch in which the table is dropped; the drop itself needs no memory */
};

/* What a column holds: shared with readers, only ever widened, relaxed (mirror_facts.c). */
struct mirror_column_facts {
    _Atomic uint32_t flags;
    _Atomic double low, high; /* rounded outward; low > high: no number yet */
};

struct mirror_facts {
    struct mirror_garbage garbage;
    uint32_t column_count;
    struct mirror_column_facts column[];
};

/* Of one column, the writer's: how many segments stand for each class. */
struct mirror_holders {
    uint32_t segments[5];
    bool narrow; /* the column's facts may say too much */
};

/* Where rows are appended: a table's tail, or one loader's. Owner thread. */
struct mirror_tail {
    struct mirror_segment *segment; /* NULL: none is open */
    uint32_t number;
    uint32_t rows;
    uint8_t *plan;      /* [column] layout that the next segment starts with; MIXED until the classes part again */
    uint32_t *classes;  /* [column] scratch: classes that a chunk brings */
    uint64_t passed;    /* rows of closed segments so far */
    uint32_t last_rows; /* of the one closed last */
    size_t weigh_at;    /* bytes in the heap at which to look what live rows need of them */
    bool overwritten;   /* a row was, in place: the heap has bytes that nobody points to */
};

struct mirror_begun_entry {
    int64_t seq;
    uint32_t cell; /* row id + 1; 0: empty */
};

struct mirror_begun {
    struct mirror_begun_entry *entries;
    uint32_t bits; /* 2^bits entries */
    size_t count;
};

struct mirror_table {
    struct mirror_garbage garbage;
    struct mirror *mirror;
    uint64_t serial; /* never reused, unlike the address */
    struct source_table definition;
    void *definition_memory;
    size_t definition_size;

    /* The rest is the writer's. */
    struct mirror_facts *facts;       /* what the next publish shows */
    struct mirror_facts *spare_facts; /* room for narrower ones */
    struct mirror_holders *holders;   /* [column] */
    bool narrow;                      /* of some column */
    struct mirror_trie segments, deletions;
    uint32_t segment_count, used_segments, free_hint;
    uint32_t sealed; /* segments closed since it was looked whether they should go to files (mirror_spill.c) */
    struct mirror_tail tail;
    uint32_t published_number, published_rows; /* rows of this segment from there on are unpublished */
    uint64_t live, dead;
    struct mirror_table_view *view; /* the catalog's: published, or the one that the next publish fills */
    bool dirty;                     /* view is of B and the table is on the mirror's dirty list */
    bool held;           /* it was dirty when another source was published, and is on the mirror's list of those */
    bool shown;          /* some version shows it, or did */
    atomic_bool unsound; /* the compactor looks at it, and at the next */
    atomic_bool moves_blocked; /* no segment number and no slot is free to move rows to */
    bool dropped;
    struct mirror_table *next_dirty, *next_zombie; /* next_dirty: of the held ones, too */
    struct mirror_garbage_list retired;            /* still shown by the published view until the next publish */
    uint32_t unindexed;                            /* segments whose keys aren't in the index yet */
    struct mirror_segment *empties;                /* sealed segments without a live row, to be taken out */
    struct mirror_index index;
    struct mirror_sink sink;   /* neither ended nor ended_some: none */
    struct mirror_begun begun; /* with a sink: when unpublished rows began */
};

static inline bool mirror_table_has_sink(const struct mirror_table *table)
{
    return table->sink.ended != NULL || table->sink.ended_some != NULL;
}

static inline uint32_t mirror_table_columns(const struct mirror_table *table)
{
    return table->definition.column_count;
}

static inline bool mirror_table_is_unsound(const struct mirror_table *table)
{
    return atomic_load_explicit(&table->unsound, memory_order_relaxed);
}

/* Copies the definition. Freed by mirror_table_free, with everything the writer's side reaches. */
rhei_status mirror_table_new(struct mirror *mirror, const struct source_table *definition, struct mirror_table **table);
void mirror_table_free(struct mirror_table *table);
/* Before the first change of a cycle: gives the catalog a view of B. */
rhei_status mirror_table_touch(struct mirror_table *table);
/* Out of the catalog already: view and table go when no snapshot shows them. */
void mirror_table_retire(struct mirror_table *table);
/* It is dirty, and another source than its own is published: off the dirty list, by the caller, and among the held ones. */
void mirror_table_hold(struct mirror_table *table);
void mirror_table_unhold(struct mirror_table *table);
/* Fills the view of B from the writer's state. */
void mirror_table_freeze(struct mirror_table *table);
/* NULL: no such table, or it is being dropped. */
struct mirror_table *mirror_table_find(struct mirror *mirror, uint32_t id);

/* Tail (mirror_tail.c). Table-wide numbers come from the table, or in a build from a shared counter. */
rhei_status mirror_tail_init(struct mirror *mirror, struct mirror_tail *tail, uint32_t columns);
void mirror_tail_reset(struct mirror *mirror, struct mirror_tail *tail, uint32_t columns);
/* Slots for a new segment of which about so many rows may be expected; beyond the least only while they take `bytes`. */
uint32_t mirror_tail_slots(const struct mirror *mirror, const struct mirror_tail *tail, uint32_t columns, uint64_t rows,
                           size_t bytes);
/* Most slots of a segment: fewer for a wide table. */
uint32_t mirror_tail_most(const struct mirror *mirror, const struct mirror_tail *tail, uint32_t columns);
/* Slots that a full one should grow to; what it has: it can't. */
uint32_t mirror_tail_more(const struct mirror *mirror, const struct mirror_tail *tail, uint32_t columns);
/* A new open segment with the layouts of the plan; the one before must have been sealed. */
rhei_status mirror_tail_open(struct mirror *mirror, struct mirror_tail *tail, uint32_t columns, uint32_t number,
                             uint32_t slots);
/*
 * The segment is as big as one should get that will go from memory some day: a thirty-second of the limit, strings and all. Never
 * where nothing makes segments go.
 */
bool mirror_tail_is_portion(const struct mirror *mirror, const struct mirror_tail *tail);
/* Moves the rows into a bigger segment, places and number unchanged. The one before is the caller's. */
rhei_status mirror_tail_grow(struct mirror *mirror, struct mirror_tail *tail, uint32_t slots,
                             struct mirror_segment **outgrown);
/* Its segment goes as a whole: none is open then, and the next one starts without layouts. */
void mirror_tail_drop(struct mirror_tail *tail, uint32_t columns);
/* The segment's rows are final from here on; none is open then. */
void mirror_tail_seal(struct mirror *mirror, struct mirror_tail *tail);
/* Classes of the rows [first, end) that are upserts (op NULL: all) into tail->classes. */
void mirror_tail_classify(struct mirror_tail *tail, const struct change_batch *batch, size_t first, size_t end);
/*
 * Makes the tail fit for values of tail->classes. *conflict: the open segment cannot take them, and the caller must open
 * a new one, for which the plan is ready.
 */
rhei_status mirror_tail_prepare(struct mirror *mirror, struct mirror_tail *tail, uint32_t columns, bool *conflict);

/* Facts (mirror_facts.c). */
rhei_status mirror_facts_new(struct mirror *mirror, uint32_t columns, struct mirror_facts **out);
void mirror_facts_free(struct mirror *mirror, struct mirror_facts *facts);
void mirror_facts_widen(struct mirror_column_facts *facts, const struct mirror_column_seen *seen);
/* After each change of a cycle, and at its publish: puts narrower facts in place where a class has lost its last holder. */
void mirror_facts_prepare(struct mirror_table *table);
void mirror_facts_narrow(struct mirror_table *table);
/* The segment stands for what its columns hold now: after a layout was given, after values were written. */
void mirror_holders_refresh(struct mirror_table *table, struct mirror_segment *segment);
/* The segment leaves the table. */
void mirror_holders_remove(struct mirror_table *table, struct mirror_segment *segment);
/* The row at this place died; its values must have been written. */
void mirror_holders_kill(struct mirror_table *table, struct mirror_segment *segment, uint32_t place);
/* A copy of its live rows takes the place of a segment. */
void mirror_holders_swapped(struct mirror_table *table, const struct mirror_segment *old,
                            const struct mirror_segment *copy);

/* Opens a new tail segment under a free number; seals the one before. RHEI_TOO_BIG: no number is free. */
rhei_status mirror_table_open_tail(struct mirror_table *table);
/* The tail is full: room for more rows in it, or in a new one. */
rhei_status mirror_table_extend_tail(struct mirror_table *table);
/* Seals the tail; none is open then. */
void mirror_table_close_tail(struct mirror_table *table);
/* Is most of the tail dead, and enough to be worth it: closed, it can be compacted or goes. All its rows must be written. */
bool mirror_table_tail_is_hollow(struct mirror_table *table);
/* Where memory is short: full segments that came in this cycle go to files. Nothing may borrow their rows' strings. */
void mirror_spill_applied(struct mirror_table *table);
void mirror_table_note_empty(struct mirror_table *table, struct mirror_segment *segment);
/* Takes every row out, segment by segment. On failure the table must become unsound. */
rhei_status mirror_table_clear(struct mirror_table *table);

/* Sequence numbers at which unpublished rows of a table with a sink began (mirror_begun.c); MIRROR_NO_SEQUENCE: not known. */
int64_t mirror_begun_find(const struct mirror_table *table, uint32_t row_id);
/* Without memory the table loses its sink. */
void mirror_begun_set(struct mirror_table *table, uint32_t row_id, int64_t seq);
void mirror_begun_published(struct mirror_table *table);
void mirror_begun_free(struct mirror_table *table);
/* Takes the sink off, and tells it (mirror_before.c). */
void mirror_sink_fail(struct mirror_table *table, rhei_status status);

/* Apply (mirror_apply.c): moves up to max_rows rows of a sealed segment to the tail, so that its number can be reused. */
rhei_status mirror_table_move_rows(struct mirror_table *table, uint32_t number, uint32_t max_rows, uint32_t *moved);
/* Takes segments without live rows out of the table. Failing is harmless: the next call tries again. */
rhei_status mirror_table_drop_empties(struct mirror_table *table);

/* Deletions. Marks a row dead, in place if its bitmap is of B. */
rhei_status mirror_kill_at(struct mirror_table *table, uint32_t number, struct mirror_segment *segment, uint32_t place);
static inline bool mirror_is_dead(const struct mirror_deletions *deletions, uint32_t place)
{
    const struct mirror_bitmap *bitmap = deletions == NULL ? NULL : deletions->vector[place / MIRROR_VECTOR_ROWS];
    uint32_t bit = place % MIRROR_VECTOR_ROWS;
    return bitmap != NULL && (bitmap->word[bit >> 6] >> (bit & 63) & 1) != 0;
}
void mirror_deletions_free(struct mirror *mirror, struct mirror_deletions *deletions);

/* ---- Versions and snapshots (mirror_snapshot.c). ------------------------------------------------------------------- */

/* Type-stable: never freed before the mirror closes, so a reader may look at a stale one while it makes sure. */
struct mirror_version {
    struct mirror_garbage garbage;
    uint64_t epoch; /* apart from the list link, because the writer reads it through slots that may be stale */
    int64_t position[TABLE_SOURCES_MOST]; /* by source */
    uint64_t foreign;                     /* mirror_foreign_generation of its tables */
    struct mirror_trie catalog;           /* struct mirror_table_view * by table id */
    struct mirror *mirror;
};

struct mirror_slot {
    _Alignas(64) _Atomic(struct mirror_version *) version; /* NULL: free */
};

/* A block brings as many versions as slots, so that a publish always finds a version that nobody holds. */
struct mirror_slot_block {
    struct mirror_slot slot[MIRROR_SLOTS_PER_BLOCK];
    struct mirror_version version[MIRROR_SLOTS_PER_BLOCK];
    _Atomic(struct mirror_slot_block *) next;
};

rhei_status mirror_slots_init(struct mirror *mirror);
void mirror_slots_reset(struct mirror *mirror);
/* Writer. Never NULL. */
struct mirror_version *mirror_version_new(struct mirror *mirror);

/* ---- The mirror. --------------------------------------------------------------------------------------------------- */

struct mirror {
    struct mirror_memory memory;
    const struct base_log *log;

    /* Readers. */
    _Alignas(64) _Atomic(struct mirror_version *) current;
    _Atomic uint64_t clones; /* how often a hold was copied: a reclaim that saw it change proves nothing */
    _Atomic(struct mirror_slot_block *) slot_hint;
    _Atomic uint64_t foreign_shown; /* of the current version */
    _Atomic uint64_t damages;       /* columns of files that couldn't be used */
    struct mirror_slot_block *slots;
    base_mutex slots_mutex; /* growing only */

    /* Columns of files that are in memory (mirror_cache.c). */
    base_mutex cache_lock;
    struct mirror_foreign *cache_hand; /* NULL: there is none */
    size_t cache_columns;
    base_mutex spill_lock; /* a leaf: of the next two */
    base_cond spill_ends;
    struct mirror_spill spill[TABLE_SOURCES_MOST]; /* by source */
    uint32_t spilling[TABLE_SOURCES_MOST];         /* calls of it that are under way */
    atomic_size_t cache_bytes;
    _Atomic uint64_t cache_reads, cache_evictions;

    /* The compactor's: where it looks next. */
    uint32_t compact_table, compact_number;

    /* Counters for status, written by the writer, relaxed. */
    _Alignas(64) _Atomic uint64_t publishes, compactions, evictions, written_bytes;
    atomic_size_t garbage_bytes;

    /* Writer. */
    _Alignas(64) uint64_t epoch; /* of the current version */
    uint64_t foreign;            /* grows when a table of another source than our own file comes or goes */
    struct mirror_trie catalog;  /* of the version being built */
    struct mirror_table *dirty, *held, *zombies;
    struct mirror_segment *held_segments; /* mirror_writer_hold's */
    uint32_t held_count;
    struct mirror_garbage_list retired;
    const struct mirror_garbage_care *care; /* [MIRROR_KINDS], of those from MIRROR_KIND_SMALL on */
    size_t reclaim_at, reclaim_at_bytes;    /* garbage at which the next pass is due, by either measure */
    struct mirror_garbage *small[MIRROR_KIND_SMALL];
    uint32_t small_count[MIRROR_KIND_SMALL];
    struct mirror_version *free_versions;
    struct mirror_slot_block *last_claimed; /* whose versions are on the free list already */
    struct mirror_version base_version[2];
    _Atomic uint64_t serial;             /* of tables and segments; any thread */
    uint32_t targets[MIRROR_CHUNK_ROWS]; /* of the rows of a chunk */
    uint64_t hashes[MIRROR_CHUNK_ROWS];
    uint32_t pending_rows[MIRROR_CHUNK_ROWS]; /* struct mirror_pending's */
    uint32_t killed[MIRROR_CHUNK_ROWS]; /* offsets in the tail of rows that the chunk killed before they were written */

    /* Settled at open; tests make them small. */
    uint32_t max_segments;
    uint32_t first_rows;   /* slots of a new table's first segment: whole words of 64 */
    uint32_t segment_rows; /* most slots of a segment */
};

/* The writer: a table came or went. */
void mirror_note_table(struct mirror *mirror, uint32_t table);

static inline uint64_t mirror_building(const struct mirror *mirror)
{
    return mirror->epoch + 1;
}

static inline struct mirror_segment *mirror_table_segment(const struct mirror_table *table, uint32_t number)
{
    return mirror_trie_get(&table->segments, number);
}

/* Rows of a segment in a view: the tail's count is in the view alone. */
static inline uint32_t mirror_view_rows_of(const struct mirror_table_view *view, uint32_t number,
                                           const struct mirror_segment *segment)
{
    return number == view->tail_number ? view->tail_rows : segment->rows;
}

#endif
