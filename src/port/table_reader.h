/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket by which a row store reads tables whose rows live elsewhere: in the mirror alone, or in a list of a test.
 *
 * A *pin* is one state of all tables. Whoever runs a statement takes it before the first row and lets go of it when nothing of the
 * statement is left, so that all scans of a statement read one state. What a pin's calls give lives as long as the pin.
 * No reader shows the tables of our own file. Any thread for the reader; one thread at a time for a pin and its cursors.
 */
#ifndef PORT_TABLE_READER_H
#define PORT_TABLE_READER_H

#include "port/source_table.h"

struct table_reader;
struct table_pin;
struct table_cursor;

struct readable_table {
    const char *source; /* its name: the schema that the table is in. Lives as long as the reader */
    const struct source_table *definition;
};

/* How old the state may be, and what may end the wait for a newer one. */
struct table_freshness {
    int64_t most_age_ms;                 /* 0: everything committed before the call; below 0: any age, and no wait */
    rhei_status (*check)(void *context); /* NULL: nothing ends it */
    void *context;
    uint32_t sources; /* bits of source_bit_of_table: who must be as new as that; the others may be away */
};

enum table_comparison { TABLE_EQ, TABLE_LT, TABLE_LE, TABLE_GT, TABLE_GE, TABLE_IN };

/*
 * Which rows are wanted. Values are compared as they are stored, in SQLite's order of classes, texts byte by byte. The reader may
 * give more rows, never fewer: who asks looks at each row himself.
 */
struct table_constraint {
    uint32_t column;
    uint8_t op;                      /* enum table_comparison */
    uint8_t classes;                 /* bits 1 << enum rhei_class: of no use if the column holds any other but NULL */
    struct rhei_value value;         /* not NULL; borrowed until the seek returns */
    const struct rhei_value *values; /* of TABLE_IN, instead: one of these, none of them NULL; borrowed as well */
    uint32_t value_count;            /* 0: no row */
};

/* The order in which rows are wanted: by these columns, values as above; rows that are equal in all of them come in any. */
struct table_order {
    const uint32_t *columns;
    uint32_t column_count; /* TABLE_MOST_ORDER at most */
    bool descending;       /* in each */
};
enum { TABLE_MOST_ORDER = 8 };

struct table_wish {
    const struct table_constraint *constraints; /* all of them */
    uint32_t constraint_count;
    const struct table_order
        *order; /* NULL: any, which costs nothing; else rows are looked at first, and sorted where they don't lie so */
    /*
     * So many of the rows that meet the constraints are left out, the first ones of the order. Anything but 0 only where comparing values
     * as they are stored is all there is to each constraint: of a column that never holds anything but numbers, with numbers.
     */
    uint64_t skip;
    uint64_t
        most; /* so many rows behind those are looked at, if comparing as above is all there is; the reader may give more */
};
#define TABLE_ALL_ROWS UINT64_MAX

struct table_reader_ops {
    /* Differs whenever the set of tables, or the definition of one, does. Nanoseconds. */
    uint64_t (*generation)(struct table_reader *reader);
    /* RHEI_STALE, or what check says, where the state can't be had; RHEI_NO_MEMORY. freshness NULL: any age. */
    rhei_status (*pin)(struct table_reader *reader, const struct table_freshness *freshness, struct table_pin **pin,
                       struct rhei_error *error);
    void (*unpin)(struct table_pin **pin); /* accepts NULL; its cursors are closed */
    uint64_t (*generation_of)(
        struct table_pin *pin); /* what generation said, or will say, of the pinned state's tables */
    int64_t (*position_of)(struct table_pin *pin, uint32_t source); /* of a source by its number, in the pinned state */
    /* Free *tables with base_free; what they point to is the pin's. */
    rhei_status (*tables)(struct table_pin *pin, struct readable_table **tables, uint32_t *count,
                          struct rhei_error *error);
    /* Rows of a table; false: the state has no such table. */
    bool (*rows)(struct table_pin *pin, uint32_t table, uint64_t *rows);
    /* A cursor before its first row of all. RHEI_NOT_FOUND: the state has no such table. */
    rhei_status (*open)(struct table_pin *pin, uint32_t table, struct table_cursor **cursor, struct rhei_error *error);
    /* Puts it before the first row that is wished for; may be called again and again, which a join does. */
    rhei_status (*seek)(struct table_cursor *cursor, const struct table_wish *wish, struct rhei_error *error);
    bool (*next)(struct table_cursor *cursor); /* false: there is no more row */
    /* A cell of the row at hand; text and BLOB are the pin's. */
    void (*value)(struct table_cursor *cursor, uint32_t column, struct rhei_value *value);
    /*
     * False: something of the table couldn't be read, so rows that came may be missing or have other values than they had. To be asked after each
     * row and each value, before anybody sees them; `why` (may be NULL) says what is to be done then. Nanoseconds. NULL: that can't happen.
     */
    bool (*whole)(struct table_cursor *cursor, struct rhei_error *why);
    void (*close)(struct table_cursor **cursor);
};

/* First member of every implementation's struct. */
struct table_reader {
    const struct table_reader_ops *ops;
};

#endif
