/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change source that looks: it asks a foreign database for pages of rows, again and again, and tells what they say. What can be read, and how,
 * is the reader's; what is read when, and what that means, is decided here, once for every kind of database. docs/design/sidecar.md
 * gives the reasons.
 *
 *   1. A row arrives, whatever its timestamps: pages by timestamp make it quick, sweeps of all rows make it sure.
 *   2. Nothing is remembered of single rows. What the mirror has already, it leaves out itself (change_batch.repeats).
 *   3. A position is the number of a look. Where the next look begins is moved on only by one whose rows were published.
 *   4. A table that can't be read is set aside with its reason; the others go on.
 *   5. A source that goes on from what was kept of it (poll_resume.c) sweeps every table with its first look, and what is gone goes, whatever the settings:
 *      so nothing that happened while nobody looked is missed, and no mark has to be kept.
 */
#ifndef POLL_POLL_H
#define POLL_POLL_H

#include "base/base_arena.h"
#include "base/base_log.h"
#include "port/change_source.h"

enum { POLL_STAMPS_MOST = 3, POLL_KEYS_MOST = 64, POLL_IDENTITY = 96 };

/* What the settings say of a table. */
struct poll_wanted {
    const char *name;
    const char *const *key; /* [key_count]; none: the table's own */
    size_t key_count;
    const char *created_at, *updated_at; /* NULL: none; updated_at: a column of that name, if there is one */
    const char *const *columns;          /* [column_count]; none: all */
    size_t column_count;
};

/* What the settings say of a source that is looked at. */
struct poll_wishes {
    const struct poll_wanted *tables; /* [table_count]; none: every table */
    size_t table_count;
    const char *soft_delete; /* column of every table that has one of that name; NULL: none */
    size_t page_rows;        /* 0: the default */
    bool full_diff;          /* rows that a sweep of all rows doesn't find are gone */
    uint32_t every;          /* full_diff: with every so many looks that found something changed */
    bool seldom;             /* as poll_config's */
};

/* What is said of a table that hasn't got the column soft_delete, as a text in the arena; NULL: none is named, or no memory. `all`: every look reads all rows. */
const char *poll_unseen(const struct poll_wishes *wishes, bool all, struct base_arena *arena);

/* A table as a reader describes it. */
struct poll_table {
    struct source_table definition; /* id is given here; unmirrored_reason: why it can't be followed, for people */
    /* Columns by which changed rows are found, in the order of the database's own comparison; the first tells when a row changed. */
    uint32_t stamps[POLL_STAMPS_MOST];
    uint32_t stamp_count; /* 0: only sweeps find what changed */
    int32_t gone;         /* column that says that a row is deleted (not NULL, 0, false or empty); -1: none does */
    uint64_t identity;    /* where its rows lie; where that changes, they may have come and gone by no statement */
    const char *unseen;   /* what the settings ask for and no look can see, for people; NULL: nothing */
    const char *advice;   /* what makes looks at it slow, for people; NULL: nothing */
};

enum poll_order {
    POLL_BY_KEY = 0,        /* every row */
    POLL_BY_STAMP = 1,      /* rows whose stamp isn't NULL, by stamp and key */
    POLL_WITHOUT_STAMP = 2, /* rows whose stamp is NULL, by key */
    POLL_SINCE = 3, /* in any order: every row that was written by what wasn't over at a horizon, and maybe more */
};

struct poll_page {
    size_t table; /* of the last tables() */
    uint8_t order;
    uint32_t stamp; /* column */
    /*
     * first: from the beginning; of POLL_BY_STAMP from all rows of the stamp from[0] on, or from the beginning if that is NULL. Else behind the
     * row whose stamp (of POLL_BY_STAMP) and key columns these are.
     */
    bool first;
    const struct rhei_value *from;
    /*
     * Of POLL_SINCE: the horizon. Of pages by stamp: a moment; rows that are as they were then may be left out, and where that leaves less than `most`,
     * they come in any order. 0: none.
     */
    int64_t since;
    size_t most; /* rows */
};

/* Lives until the reader's next call. */
struct poll_rows {
    size_t count; /* less than `most`: there are no more */
    const struct rhei_value *const *columns;
};

/* What a reader's begin found, compared with its last begin. */
struct poll_state {
    bool changed;        /* something may have been committed */
    bool schema_changed; /* tables have to be described again */
    bool doubtful;       /* rows may have changed, or gone, by no statement of an application: a restored backup */
    bool lost;           /* it is another database */
    /*
     * Of the pinned state, or an earlier one: POLL_SINCE with it finds whatever was inserted or changed by what this state doesn't show. 0: there is none, so
     * only reading all rows does.
     */
    int64_t horizon;
    /* Of the pinned state, or an earlier one, for this reader's own pages by stamp; a horizon is one for every reader. 0: there is none. */
    int64_t moment;
};

struct poll_reader;
struct poll_reader_ops {
    /*
     * Pins a state until end, where that keeps nobody from writing; else every page is of its own. RHEI_BUSY: now isn't the time; RHEI_CANT_OPEN
     * and others: it is away. Every error names the database.
     */
    rhei_status (*begin)(struct poll_reader *reader, struct poll_state *state, struct rhei_error *error);
    void (*end)(struct poll_reader *reader);
    /* Before begin: its list of tables isn't to be an earlier one, whatever it would put off. NULL: it never is. */
    void (*renew)(struct poll_reader *reader);
    /* Between begin and end. Lives until the next call of it. */
    rhei_status (*tables)(struct poll_reader *reader, const struct poll_table **tables, size_t *count,
                          struct rhei_error *error);
    /* RHEI_SQL, RHEI_NOT_FOUND, RHEI_TYPE, RHEI_TOO_BIG: this table can't be read; any other: none can, now. */
    rhei_status (*page)(struct poll_reader *reader, const struct poll_page *page, struct poll_rows *rows,
                        struct rhei_error *error);
    /* The greatest value of a stamp that `above` rows surpass, in their order; NULL: there are not so many. Lives until the next call. */
    rhei_status (*newest)(struct poll_reader *reader, size_t table, uint32_t stamp, size_t above,
                          struct rhei_value *value, struct rhei_error *error);
    /*
     * A load by several, of the state that is pinned: the table in parts, at most `most`, each read by `part` on a thread of its own until end. *parts 0: it is
     * read by pages. Behind newest(). NULL: always. A part is never more than one state's, so that a row which moves from part to part is in one of them.
     */
    rhei_status (*split)(struct poll_reader *reader, size_t table, uint32_t most, uint32_t *parts,
                         struct rhei_error *error);
    /* Its next rows, at most about `most`, which live until the part's next call; none: there are no more. */
    rhei_status (*part)(struct poll_reader *reader, uint32_t part, size_t most, struct poll_rows *rows,
                        struct rhei_error *error);
    /*
     * Which database it is that the last begin pinned a state of, as a word that no other one has. NULL: nobody knows, and a source that was closed begins
     * anew.
     */
    void (*identity)(const struct poll_reader *reader, char word[POLL_IDENTITY]);
    void (*close)(struct poll_reader **reader);
};
/* First member of every reader. One thread at a time. */
struct poll_reader {
    const struct poll_reader_ops *ops;
};

struct poll_config {
    /* One for cycles, and one for each load. It connects when it begins, not before: a database that is away is no error here. */
    rhei_status (*open)(void *context, struct poll_reader **reader, struct rhei_error *error);
    void (*close)(void *context);     /* with the source; may be NULL */
    void (*interrupt)(void *context); /* ends every wait of its readers, for good, from any thread; may be NULL */
    void *context;
    const struct base_log *log; /* borrowed; may be NULL */
    size_t page_rows;           /* 0: 10,000 */
    bool snapshot;              /* every look that finds something changed is a sweep */
    bool deletes;               /* rows that a sweep doesn't find are gone */
    bool seldom;                /* looks are made when somebody asks, so what makes them slow is no warning */
    uint32_t every;     /* a sweep with every so many looks that found something changed; 0: only now and then */
    int64_t overlap_ms; /* looks begin at what was the newest stamp so long ago; 0: 5,000 */
    int64_t sweep_ms;   /* least time between two sweeps that nobody asked for; 0: 1,000 */
};

/* Takes over what `context` is: closed with the source, or here if this fails. */
rhei_status poll_source_open(const struct poll_config *config, struct change_source **source, struct rhei_error *error);

/* Ends every wait for the database, for good. Beside cycles and loads. */
void poll_source_interrupt(struct change_source *source);

/* When a stamp was, in microseconds since 1970, by its form: seconds to nanoseconds, a Julian day, ISO 8601. False: it isn't a time. */
bool poll_time_of(const struct rhei_value *stamp, int64_t *time_us);

#endif
