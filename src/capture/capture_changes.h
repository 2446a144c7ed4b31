/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change log for consumers (docs/design/change-feed.md): named readers with positions of their own. One thread at a time for each reader; what
 * only takes a handle may be called by any thread.
 */
#ifndef CAPTURE_CAPTURE_CHANGES_H
#define CAPTURE_CAPTURE_CHANGES_H

#include "base/base_buffer.h"
#include "oltp/oltp.h"
#include "port/change_buffer.h"
#include "port/source_table.h"

struct capture_changes;

enum capture_change_kind {
    CAPTURE_CHANGE_TABLE = 1, /* a definition: rows of this version may follow */
    CAPTURE_CHANGE_GONE,      /* there is no such version any more */
    CAPTURE_CHANGE_INSERT,
    CAPTURE_CHANGE_UPDATE,
    CAPTURE_CHANGE_DELETE, /* only the key columns are set; `before` may have the row */
    CAPTURE_CHANGE_LOST,   /* what happened isn't known; `name` NULL: to any table */
    CAPTURE_CHANGE_COMMIT, /* all that was committed up to `position` was told */
};

/* Everything is borrowed until the next call. */
struct capture_change {
    enum capture_change_kind kind;
    int64_t position;
    int64_t time_us;                  /* since 1970; of LOST and definitions 0 */
    uint32_t number;                  /* of the table's version; 0: none */
    const char *name;                 /* of the table; NULL of COMMIT, and of LOST where it means all */
    const struct source_table *table; /* TABLE and rows */
    const struct rhei_value *values;  /* rows: [table->column_count] */
    const struct rhei_value
        *before;        /* rows: what the events before it left under its key, whole; NULL: nothing, or it isn't kept */
    const char *reason; /* LOST: for people */
};

struct capture_changes_config {
    const char *consumer; /* NULL: none is kept, `after` says where to begin */
    bool oldest;          /* a new consumer begins with the oldest change of the log, instead of behind the newest */
    int64_t after;        /* without a consumer: the first change told is the one behind; below 0: as a new consumer */
    int64_t keep_ms;      /* how long the consumer pins the log after it was last seen */
    size_t most_rows;     /* read at a time */
    /* Beside the log: what that has forgotten is told from here, and a consumer pins this instead of the log. NULL: there is none. Borrowed. */
    struct change_buffer *buffer;
    void (*damaged)(void *context); /* it is, as a reader found; may be NULL */
    void *damaged_context;
    /* Of one that is set and can't be opened, for people: its folder (NULL: none is set) and why. Borrowed. */
    const char *buffer_folder, *buffer_why;
    rhei_status buffer_status;
};

/* RHEI_READ_ONLY where nothing is captured. */
rhei_status capture_changes_open(struct oltp *oltp, const struct capture_changes_config *config,
                                 struct capture_changes **changes, struct rhei_error *error);
void capture_changes_close(struct capture_changes **changes);
/* RHEI_ROW, or RHEI_DONE: there is nothing new now. `peek` leaves it where it is: nothing counts as told by that. */
rhei_status capture_changes_peek(struct capture_changes *changes, const struct capture_change **change,
                                 struct rhei_error *error);
rhei_status capture_changes_next(struct capture_changes *changes, const struct capture_change **change,
                                 struct rhei_error *error);
/* The position of a COMMIT that was told. RHEI_NOT_FOUND: the consumer was dropped. */
rhei_status capture_changes_acknowledge(struct capture_changes *changes, int64_t position, struct rhei_error *error);
/* False only if nothing was committed since the last look. */
bool capture_changes_news(const struct capture_changes *changes);
/* Where the next unit begins. */
int64_t capture_changes_position(const struct capture_changes *changes);
/* RHEI_NOT_FOUND: there is no such consumer. */
rhei_status capture_consumer_drop(struct oltp *oltp, const char *consumer, struct rhei_error *error);

/* ---- capture_consumer.c ---- */

/*
 * C4: an error where the log has forgotten what is behind `after`, and a buffer beside it that isn't open here may have it. In a transaction of the
 * connection.
 */
rhei_status capture_consumer_can_read(struct oltp_connection *connection, const struct capture_changes_config *config,
                                      int64_t after, struct rhei_error *error);

/*
 * Where one begins that has no position yet: with what comes from now on, or with the oldest change (config->oldest). In the writer's transaction, or a
 * read transaction.
 */
rhei_status capture_consumer_begin(struct oltp_connection *connection, const struct capture_changes_config *config,
                                   int64_t *position, struct rhei_error *error);
/* Registers or finds it; *position: where it goes on; appended to `known`: what was kept with that by capture_consumer_move. */
rhei_status capture_consumer_open(struct oltp *oltp, const struct capture_changes_config *config, int64_t *position,
                                  struct base_buffer *known, struct rhei_error *error);
/* `known` NULL: what is kept stays. */
rhei_status capture_consumer_move(struct oltp *oltp, const char *consumer, int64_t position,
                                  const struct base_buffer *known, struct rhei_error *error);

#endif
