/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror: SQLite's tables as columns in memory, with snapshots. Pure: no files, no clock, no thread of its own.
 *
 * One writer at a time (apply, attach, drop, compaction's swap, publish, reclaim): the caller serialises it. Any number of
 * readers, which never wait and never make the writer wait. Building a table happens in private, beside the writer.
 */
#ifndef MIRROR_MIRROR_H
#define MIRROR_MIRROR_H

#include "base/base_bin_sum.h"
#include "base/base_log.h"
#include "port/change_batch.h"
#include "port/source_table.h"

enum {
    MIRROR_VECTOR_ROWS = 2048,   /* DuckDB's vector: a segment is a whole number of them */
    MIRROR_SEGMENT_ROWS = 65536, /* row slots of a segment */
    MIRROR_SEGMENT_VECTORS = MIRROR_SEGMENT_ROWS / MIRROR_VECTOR_ROWS,
};

/* What a column may hold in a snapshot. Never too little; too much only until the last row to blame is gone from memory. */
enum mirror_column_flag {
    MIRROR_HAS_NULL = 1 << RHEI_NULL,
    MIRROR_HAS_INTEGER = 1 << RHEI_INTEGER,
    MIRROR_HAS_REAL = 1 << RHEI_REAL,
    MIRROR_HAS_TEXT = 1 << RHEI_TEXT,
    MIRROR_HAS_BLOB = 1 << RHEI_BLOB,
    MIRROR_NON_ASCII = 1 << 8,    /* a text with a byte over 127 */
    MIRROR_NOT_WHOLE = 1 << 9,    /* a REAL with a fraction, or beyond 2^53, or infinite */
    MIRROR_BIG_INTEGER = 1 << 10, /* an integer beyond +-2^53 */
    MIRROR_INVALID_UTF8 = 1 << 11,
    MIRROR_HAS_NUL = 1 << 12,  /* a text with a NUL byte inside */
    MIRROR_INFINITE = 1 << 13, /* +-infinity */
    MIRROR_NEGATIVE_ZERO = 1 << 14,
};
enum { MIRROR_CLASSES = MIRROR_HAS_INTEGER | MIRROR_HAS_REAL | MIRROR_HAS_TEXT | MIRROR_HAS_BLOB };

struct mirror;

struct mirror_config {
    size_t memory_limit; /* bytes; 0: none. At the limit apply and build fail with RHEI_MEMORY_LIMIT, readers go on */
    const struct base_log *log; /* borrowed; may be NULL */
};

rhei_status mirror_open(const struct mirror_config *config, struct mirror **mirror, struct rhei_error *error);
/* No snapshot may be held any more. Accepts NULL. */
void mirror_close(struct mirror **mirror);

/* ---- Snapshots. Any thread. -------------------------------------------------------------------------------------- */

struct mirror_version; /* one published state */
struct mirror_snapshot {
    const struct mirror_version *version;
    void *slot;
};

/* About 20 ns, never waits, never fails once mirror_open succeeded (slots grow on demand; RHEI_NO_MEMORY only then). */
rhei_status mirror_snapshot_take(struct mirror *mirror, struct mirror_snapshot *snapshot);
/* A second hold on the same version; the first must be held meanwhile. */
rhei_status mirror_snapshot_clone(const struct mirror_snapshot *from, struct mirror_snapshot *snapshot);
void mirror_snapshot_release(struct mirror_snapshot *snapshot); /* of zeros: nothing to do */
/* Nothing was published since it was taken. */
bool mirror_snapshot_is_newest(const struct mirror_snapshot *snapshot);
/* Of our own file, source 0; and of any: 0 before its first publish, and for one that can't be. */
int64_t mirror_snapshot_position(const struct mirror_snapshot *snapshot);
int64_t mirror_snapshot_position_of(const struct mirror_snapshot *snapshot, uint32_t source);

/*
 * ---- Reading a snapshot. Any thread; pointers live as long as the snapshot, and what is in a segment as long as a hold on it. -------------
 */

struct mirror_table_view; /* one table of a snapshot */

/* NULL when the snapshot has no such table. `table` is source_table.id. */
const struct mirror_table_view *mirror_view(const struct mirror_snapshot *snapshot, uint32_t table);
/*
 * By source_table.name, without ASCII case; of several the newest, of our own file first. Walks all tables: for planning, not for
 * each row.
 */
const struct mirror_table_view *mirror_view_named(const struct mirror_snapshot *snapshot, const char *name,
                                                  uint32_t *table);
/* The table of the lowest number from *table on, which is set to it; NULL: there is none. */
const struct mirror_table_view *mirror_view_next(const struct mirror_snapshot *snapshot, uint32_t *table);
/* Differs when a table of another source than our own file came or went in the published state. Nanoseconds. */
uint64_t mirror_foreign_generation(const struct mirror *mirror);
uint32_t mirror_view_column_count(const struct mirror_table_view *view);
/* Names and types as they were given to the build; borrowed for the life of the snapshot. */
const struct source_table *mirror_view_definition(const struct mirror_table_view *view);
uint64_t mirror_view_row_count(const struct mirror_table_view *view); /* live rows, exact */
/* enum mirror_column_flag. Read again, they may have widened, which makes neither answer wrong for the snapshot. */
uint32_t mirror_view_column_flags(const struct mirror_table_view *view, uint32_t column);
uint32_t mirror_view_segment_count(const struct mirror_table_view *view);
uint32_t mirror_view_segment_rows(const struct mirror_table_view *view, uint32_t segment);  /* slots in use, dead too */
bool mirror_view_segment_is_remote(const struct mirror_table_view *view, uint32_t segment); /* it lies in a file */
/* Smallest and largest number ever held by the column; false if it held none, or anything but numbers and NULL. */
bool mirror_view_range(const struct mirror_table_view *view, uint32_t column, double *low, double *high);

/*
 * How a segment keeps a column; another segment may keep it in another way. A layout never changes, but EMPTY becomes
 * another one when a first value arrives in the open segment: the rows of a view that came before are NULL either way.
 */
enum mirror_layout {
    MIRROR_LAYOUT_EMPTY = 0,   /* NULL in every row; no data */
    MIRROR_LAYOUT_INTEGER = 1, /* int64_t[] */
    MIRROR_LAYOUT_REAL = 2,    /* double[] */
    MIRROR_LAYOUT_TEXT = 3,    /* struct mirror_string[] */
    MIRROR_LAYOUT_BLOB = 4,    /* struct mirror_string[] */
    MIRROR_LAYOUT_MIXED = 5,   /* union mirror_cell[] and a class byte per row */
};

/* Laid out as DuckDB's string: up to 12 bytes inline, else a 4-byte prefix and a pointer. Unused inline bytes are 0. */
struct mirror_string {
    union {
        struct {
            uint32_t length;
            char bytes[12];
        } inlined;
        struct {
            uint32_t length;
            char prefix[4];
            const char *bytes;
        } pointer;
    } as;
};
union mirror_cell {
    int64_t integer;
    double real;
    struct mirror_string string;
};
const char *mirror_string_bytes(const struct mirror_string *string, uint32_t *length);

/*
 * Keeps a segment's columns in memory while somebody looks at them: one that lies in a file is read when it is wanted, and may go again.
 * Data and cells are looked at with a hold alone; it costs nothing where the segment is resident. {0} is none. A hold is one thread's
 * at a time, and ends before its snapshot.
 */
struct mirror_hold {
    const void *segment;
};
/* In place of what it held before. */
void mirror_hold(const struct mirror_table_view *view, uint32_t segment, struct mirror_hold *hold);
void mirror_hold_end(struct mirror_hold *hold);

enum { MIRROR_MOST_CHUNKS = 128 };
/*
 * Where the long strings of a segment lie, for who points at them instead of copying them: memory that stays as it is for as long as the
 * snapshot. 0: that isn't known of a segment which is appended to, lies in a file, or has too many chunks. A string may lie elsewhere.
 */
uint32_t mirror_view_chunks(const struct mirror_table_view *view, uint32_t segment, const void **chunks,
                            int64_t *lengths);

/* One vector of a segment: which rows live. */
struct mirror_vector {
    uint32_t rows;        /* slots, 1..2048; 0: nothing here */
    uint32_t live;        /* of them alive */
    const uint64_t *dead; /* [32] bit = dead row; NULL when all live */
};
void mirror_view_vector(const struct mirror_table_view *view, uint32_t segment, uint32_t vector,
                        struct mirror_vector *out);

/*
 * One column of that vector. Slots of dead rows hold anything. The layout may be one that the view's flags don't have, where newer
 * rows brought a column's first values into the segment: then every row of the view is NULL there.
 */
struct mirror_column_data {
    uint8_t layout;         /* enum mirror_layout */
    const void *data;       /* at the vector's first slot */
    const uint8_t *classes; /* MIXED only: enum rhei_class per slot */
    bool has_nulls;
    uint64_t valid[MIRROR_VECTOR_ROWS / 64]; /* copied out (bit 1 = not NULL) when has_nulls; else unset */
};
void mirror_view_column(const struct mirror_table_view *view, uint32_t segment, uint32_t vector, uint32_t column,
                        struct mirror_column_data *out);
/*
 * False only if no row of the vector can lie in [low, high] (inclusive, by number; a NULL-class bound is open).
 * vector == UINT32_MAX asks for the whole segment.
 */
bool mirror_view_may_match(const struct mirror_table_view *view, uint32_t segment, uint32_t vector, uint32_t column,
                           const struct rhei_value *low, const struct rhei_value *high);
/* One cell as a value; text and BLOB borrowed. For row readers, tests and verify; scans use vectors. */
void mirror_view_value(const struct mirror_table_view *view, uint32_t segment, uint32_t offset, uint32_t column,
                       struct rhei_value *out);

/* ---- Writing. The writer alone. ---------------------------------------------------------------------------------- */

struct mirror_apply_counts {
    /*
     * Net effect on rows, within the cycle: a row that comes and goes counts nothing, one that is changed twice counts once.
     * A later call of the cycle may take back what an earlier one counted, so give all calls of a cycle the same struct.
     */
    uint64_t inserted, updated, deleted;
};

/*
 * Applies one table's changes in order, in private: nothing is visible before mirror_publish. Adds to *counts (may be NULL).
 * RHEI_NOT_FOUND: no such table. RHEI_STALE: a CHANGE_PATCH has no row to patch, so changes of the table are missing.
 * After this one and RHEI_MEMORY_LIMIT, RHEI_NO_MEMORY, RHEI_TOO_BIG, RHEI_TYPE and RHEI_INVALID the table is unsound and must be
 * dropped (mirror_drop) or rebuilt; other tables are untouched.
 */
rhei_status mirror_apply(struct mirror *mirror, const struct change_batch *batch, struct mirror_apply_counts *counts,
                         struct rhei_error *error);

/*
 * Which rows of a batch the working state has as they are: same[i], for an upsert, that a row of its key is there with the same values,
 * bit for bit; for a delete, that none is. Every key of the batch is in it once, and no row is a patch. RHEI_NOT_FOUND: no such table. After
 * RHEI_NO_MEMORY and RHEI_MEMORY_LIMIT the table is unsound, as after mirror_apply. The writer.
 */
rhei_status mirror_same(struct mirror *mirror, const struct change_batch *batch, bool *same, struct rhei_error *error);
/* A hash of a row's key: the same for equal keys, whatever they are stored as (1 and 1.0). Any thread. */
uint64_t mirror_row_key_hash(const struct source_table *table, const struct rhei_value *const *columns, size_t row,
                             uint64_t seed);

/* ---- Sinks: every row version that ends. The writer alone. --------------------------------------------------------- */

enum { MIRROR_NO_SEQUENCE = -1 };

/* A version of a row that a change ended: it was replaced, patched, deleted, cleared, or overwritten within its own cycle. */
struct mirror_ended {
    uint32_t table;
    uint8_t how; /* enum change_op of the change that ended it */
    uint32_t column_count;
    const struct rhei_value *row; /* [column_count], borrowed until the call returns */
    size_t
        change; /* the change's row in the batch; its values may still be changed, but for the key, if no row is a CHANGE_PATCH */
    int64_t began; /* change_batch.seq of the change that made it; MIRROR_NO_SEQUENCE: before this cycle */
    int64_t ended; /* change_batch.seq of the change that ended it; MIRROR_NO_SEQUENCE: it has none */
};

/* Several of them: those that changes of one batch ended, in order. Arrays of `count`, borrowed until the call returns. */
struct mirror_ended_some {
    uint32_t table, column_count;
    size_t count;
    const struct rhei_value *const *columns; /* [column_count][count] */
    const uint8_t *how;                      /* a CHANGE_PATCH is told as the CHANGE_UPSERT that it comes to */
    /* Columns that no patch of the batch leaves as they were may still be changed there, but for the key. */
    const uint32_t *change;
    /* The row of the batch that made it, where that is of the same call, with its values as they were before the call; else -1. */
    const int64_t *replaced;
};

struct mirror_sink {
    /*
     * Called by mirror_apply for each version, in the order in which they end. Nothing is published yet: if the table
     * becomes unsound in the same cycle, what was handed over for it since the last publish did not happen. Anything but RHEI_OK
     * takes the sink off; the table is not harmed. It may not call the mirror.
     */
    rhei_status (*ended)(void *context, const struct mirror_ended *version);
    /*
     * In its place, for whoever wants neither `began` nor `ended` (no_began has to be set). It may call mirror_apply for tables
     * that have no sink: what it is handed lives on meanwhile.
     */
    rhei_status (*ended_some)(void *context, const struct mirror_ended_some *versions);
    bool
        no_began; /* mirror_ended.began isn't wanted, and needn't be kept for each row: it is always MIRROR_NO_SEQUENCE */
    /* The sink was taken off for this reason: the table's history has a gap. May be NULL. */
    void (*failed)(void *context, uint32_t table, rhei_status status);
    void *context;
};

/*
 * Hands versions of a table that end from now on to `sink` (copied; NULL: to nobody). It goes with the table, when that is
 * dropped or another one is attached in its place. Tables without a sink pay nothing. RHEI_NOT_FOUND: no such table.
 */
rhei_status mirror_set_sink(struct mirror *mirror, uint32_t table, const struct mirror_sink *sink,
                            struct rhei_error *error);

/* The definition of a table of the working state, published or not; NULL: there is none. Lives as long as the table. The writer. */
const struct source_table *mirror_definition(struct mirror *mirror, uint32_t table);
/* The lowest number of a table of the working state from *table on; false: there is none. The writer. */
bool mirror_next_table(struct mirror *mirror, uint32_t *table);
/* The table has a sink. The writer. */
bool mirror_has_sink(struct mirror *mirror, uint32_t table);

/*
 * Every live row of a table's working state, published or not, in no order: `row` is borrowed until take returns, which may end it with
 * anything but RHEI_OK and may not call the mirror. Those of a damaged segment are left out. RHEI_NOT_FOUND, RHEI_NO_MEMORY, RHEI_MEMORY_LIMIT. The writer.
 */
rhei_status mirror_working_each(struct mirror *mirror, uint32_t table,
                                rhei_status (*take)(void *context, const struct rhei_value *row), void *context,
                                struct rhei_error *error);
/*
 * Every live row of the working state of table `from` whose key table `in` hasn't, which has as many key columns; some at a time, column by column,
 * borrowed until take returns, which may apply them to `in`. RHEI_IO: a file of `from` can't be read. Else as above.
 */
rhei_status mirror_working_missing(struct mirror *mirror, uint32_t from, uint32_t in,
                                   rhei_status (*take)(void *context, const struct rhei_value *const *columns,
                                                       size_t count),
                                   void *context, struct rhei_error *error);
/* Smallest and largest number that the column of the working state ever held; false: none. The writer. */
bool mirror_working_range(struct mirror *mirror, uint32_t table, uint32_t column, double *low, double *high);
/* Live rows of a table with everything that was applied so far, published or not; 0: there is no such table. */
uint64_t mirror_rows(struct mirror *mirror, uint32_t table);
/*
 * Makes everything since the last publish visible at once that happened to tables of our own file, source 0, under this
 * position. Never fails for want of memory.
 */
rhei_status mirror_publish(struct mirror *mirror, int64_t position, struct rhei_error *error);
/*
 * The same for one source (source_of_table). What other sources' tables went through stays hidden, however much of it there
 * is, and so do tables of theirs that were attached. Only where another source was published since this one's changes it needs memory:
 * RHEI_MEMORY_LIMIT and RHEI_NO_MEMORY, and nothing is shown then; it may be called again.
 */
rhei_status mirror_publish_source(struct mirror *mirror, uint32_t source, int64_t position, struct rhei_error *error);
/* Takes a table out with the next publish, of any source; snapshots that hold it keep it. No error if it isn't there. */
void mirror_drop(struct mirror *mirror, uint32_t table);

/* ---- Building a table in private. -------------------------------------------------------------------------------- */

struct mirror_build;

/* Copies the definition. `loaders` threads may append at the same time, each with its own number below `loaders`. */
rhei_status mirror_build_begin(struct mirror *mirror, const struct source_table *table, uint32_t loaders,
                               struct mirror_build **build, struct rhei_error *error);
/* Upserts only, and no key twice over all loaders. */
rhei_status mirror_build_append(struct mirror_build *build, uint32_t loader, const struct change_batch *batch,
                                struct rhei_error *error);
/* The writer: shows the table with the next publish, in place of one with the same id. Takes the build, also on error. */
rhei_status mirror_build_attach(struct mirror_build **build, struct rhei_error *error);
void mirror_build_abandon(struct mirror_build **build);

/* ---- Compaction. ------------------------------------------------------------------------------------------------- */

struct mirror_compaction;

/*
 * Any thread (one at a time): looks for the segment that gains most, or rows to move so that row ids can be used again,
 * and copies it in private. *compaction = NULL: nothing worth doing.
 */
rhei_status mirror_compact_prepare(struct mirror *mirror, struct mirror_compaction **compaction,
                                   struct rhei_error *error);
/* The writer: swaps it in (microseconds); visible with the next publish. Takes it, also on error. */
rhei_status mirror_compact_swap(struct mirror *mirror, struct mirror_compaction **compaction, struct rhei_error *error);
void mirror_compact_abandon(struct mirror_compaction **compaction);

/* ---- Giving memory back. ----------------------------------------------------------------------------------------- */

/* The writer: frees what no snapshot holds any more, without a publish. */
void mirror_collect(struct mirror *mirror);
/* Any thread: gives empty blocks back to the system, but for a sixteenth of the whole, which apply will want. Bytes given. */
size_t mirror_trim(struct mirror *mirror);

/* ---- Files that couldn't be read. --------------------------------------------------------------------------------- */

/*
 * A segment in a file is checked when it is first read. What fails reads as 0, empty or NULL, so rows may be handed on only if none of the segments
 * that they were made of is damaged after they were made. Nanoseconds as long as nothing failed. Any thread.
 */
/* How often something failed. Any thread. */
uint64_t mirror_damages(const struct mirror *mirror);
/* Whether this segment is one, once all its columns were read. Any thread. */
bool mirror_view_segment_is_damaged(const struct mirror_table_view *view, uint32_t segment);
/* Whether the view has one. Any thread. */
bool mirror_view_is_damaged(const struct mirror_table_view *view);
/* RHEI_IO: the view has one, and the message names table and file, and says what to do. Any thread. */
rhei_status mirror_view_check(const struct mirror_table_view *view, struct rhei_error *error);
/* Whether a table of the working state has such a segment. The writer. */
bool mirror_table_is_damaged(struct mirror *mirror, uint32_t table);
/* Takes such segments out of the working state. *rows: so many that lived were in them. RHEI_NO_MEMORY: not all went. The writer. */
rhei_status mirror_lose_damaged(struct mirror *mirror, uint32_t table, uint64_t *rows, struct rhei_error *error);

/* ---- Facts for status. Any thread. -------------------------------------------------------------------------------- */

struct mirror_status {
    uint64_t tables, rows, segments, dead_rows;
    size_t memory_bytes; /* all of it: segments, heaps, indexes, bitmaps, garbage not yet freed, pool */
    size_t index_bytes, garbage_bytes, pool_bytes, memory_limit;
    size_t cache_bytes;                    /* of memory_bytes: columns of files that were read */
    uint64_t remote_segments;              /* of `segments`: those that lie in files */
    uint64_t evictions;                    /* segments that were put there */
    uint64_t cache_reads, cache_evictions; /* columns that were read from files, and of them those that went again */
    uint64_t publishes, compactions, snapshots_held;
};
void mirror_status(struct mirror *mirror, struct mirror_status *status);
/* How often something was published: what is shown may differ where this does. Nanoseconds. */
uint64_t mirror_publishes(const struct mirror *mirror);
/*
 * Bytes that the rows of a view take, dead ones too, about: slots of its columns in memory, and long strings extrapolated from some rows. Without key index,
 * bitmaps, and columns that lie in files. Any thread.
 */
size_t mirror_view_bytes(const struct mirror_table_view *view);
/* Two of them without a walk over all tables. */
size_t mirror_memory_bytes(const struct mirror *mirror);
size_t mirror_memory_limit(const struct mirror *mirror);
/* Bytes of rows that were applied since the opening, about. */
uint64_t mirror_written_bytes(const struct mirror *mirror);
size_t mirror_garbage_bytes(const struct mirror *mirror);
/* Bytes that are free under the limit, or that nobody need be refused for; SIZE_MAX without one. */
size_t mirror_room(const struct mirror *mirror);
/* Full segments go to files when memory is short, so that rows needn't fit. */
bool mirror_spills(const struct mirror *mirror);

/* ---- Ranges and whole-table aggregates. Any thread. ---------------------------------------------------------------- */

/* Rows whose number in `column` is within; NULL, text and BLOB never are. An end of class RHEI_NULL is open. */
struct mirror_range {
    uint32_t column;
    struct rhei_value low, high; /* INTEGER or REAL, compared exactly with either */
    bool above_low, below_high;  /* the end itself isn't within */
};
enum { MIRROR_MOST_RANGES = 8 };

/* May end work on the way: anything but RHEI_OK is handed to the caller. check == NULL: never. */
struct mirror_stop {
    rhei_status (*check)(void *context);
    void *context;
};

/* What the values of one column come to; base_bin_sum_reset its `reals`. */
struct mirror_total {
    uint32_t column;
    bool numbers;     /* asked for: more than `count`. The column must have held INTEGERs alone or REALs alone */
    uint64_t count;   /* not NULL */
    uint64_t sum_low; /* of INTEGERs: 128 bits, two's complement */
    int64_t sum_high;
    struct base_bin_sum reals;   /* of REALs */
    struct rhei_value low, high; /* smallest and largest, RHEI_NULL if there is none */
};

/*
 * Totals over the live rows within all ranges; `totals` come with column and `numbers` set, the rest zero. *rows: how many
 * rows. What a vector comes to is kept beside it, so only vectors that changed, or that a range cuts through, are read.
 * RHEI_UNSUPPORTED: ranges cut through more than `most_cut` vectors, which several threads read faster; error stays unset.
 */
rhei_status mirror_aggregate(struct mirror *mirror, const struct mirror_table_view *view, struct mirror_total *totals,
                             uint32_t total_count, const struct mirror_range *ranges, uint32_t range_count,
                             uint32_t most_cut, const struct mirror_stop *stop, uint64_t *rows,
                             struct rhei_error *error);

/* ---- Groups. Any thread. ------------------------------------------------------------------------------------------- */

struct mirror_group_column { /* what is asked of a column's values in each group; with neither, how many aren't NULL */
    uint32_t column;
    bool sums, extremes; /* the column must have held INTEGERs alone or REALs alone */
};

struct mirror_grouping {
    uint32_t key; /* column whose values make the groups: it has held INTEGERs alone or TEXT alone. NULL is a group */
    const struct mirror_group_column *columns;
    uint32_t column_count;
    const struct mirror_range *ranges; /* at most MIRROR_MOST_RANGES */
    uint32_t range_count;
    uint32_t most_groups;
    struct mirror_stop stop;
};

struct mirror_groups; /* plain memory, but for texts of keys, which live as long as the view's snapshot */

/*
 * The groups of the live rows within all ranges, in the order in which they are met. RHEI_UNSUPPORTED, error unset: there are
 * more than most_groups, or a class is met that isn't as asked; an executor has to answer.
 */
rhei_status mirror_group(const struct mirror_table_view *view, const struct mirror_grouping *grouping,
                         struct mirror_groups **groups, struct rhei_error *error);
uint32_t mirror_groups_count(const struct mirror_groups *groups);
void mirror_groups_key(const struct mirror_groups *groups, uint32_t group, struct rhei_value *key);
uint64_t mirror_groups_rows(const struct mirror_groups *groups, uint32_t group);
/* `column` of the grouping. The total borrows from the groups: it is not to be reset. */
void mirror_groups_total(const struct mirror_groups *groups, uint32_t group, uint32_t column,
                         struct mirror_total *total);
void mirror_groups_free(struct mirror_groups **groups);

/* ---- Whole-table export. Any thread. ------------------------------------------------------------------------------ */

/*
 * The live rows of some columns as an Arrow stream, a batch per run of a segment, without copying where a vector is clean of
 * dead rows and the layout is numeric, or views of strings. Holds a snapshot of its own until released. A column whose
 * values (within the ranges) differ in class becomes a dense union (integer, real, text, blob), and so does one with text
 * that isn't UTF-8, which leaves as blob. A column without a value goes by its declared type (arrow_usual_class).
 *
 * A batch that can't be made is an errno code: ENOMEM, ECANCELED when `stop` said so, EFBIG when one row is beyond most_bytes.
 */
struct mirror_export_options {
    bool strings_view;    /* utf8view instead of utf8 */
    const char *metadata; /* Arrow-encoded schema metadata, copied; may be NULL */
    size_t metadata_len;
    uint64_t max_rows;                 /* 0: all */
    const struct mirror_range *ranges; /* copied; at most MIRROR_MOST_RANGES */
    uint32_t range_count;
    uint64_t most_bytes;     /* of a batch: 8 a number, the length of a text or BLOB; 0: no limit but Arrow's own */
    struct mirror_stop stop; /* its context lives as long as the stream */
};
rhei_status mirror_export(struct mirror *mirror, const struct mirror_snapshot *snapshot, uint32_t table,
                          const uint32_t *columns, const char *const *names, uint32_t column_count,
                          const struct mirror_export_options *options, struct ArrowArrayStream *stream,
                          struct rhei_error *error);

#endif
