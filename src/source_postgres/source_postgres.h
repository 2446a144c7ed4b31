/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PostgreSQL database as a source of changes (port/change_source.h). Any thread for what is declared here, one call at a time for each
 * source, but for those functions that say otherwise.
 */
#ifndef SOURCE_POSTGRES_SOURCE_POSTGRES_H
#define SOURCE_POSTGRES_SOURCE_POSTGRES_H

#include "base/base_log.h"
#include "poll/poll.h"
#include "port/change_source.h"

/* Where the server is and who asks. Everything is borrowed for as long as the source is open; what is NULL is left to `conninfo`, then to libpq. */
struct postgres_target {
    const char *conninfo; /* "host=... dbname=..." or "postgresql://user@host/db?sslmode=verify-full" */
    const char *host, *port, *database, *user;
    const char *password_file; /* whose first line is the password; open to its owner alone */
    const char *password_env;  /* name of the environment variable that holds it */
    const char *sslmode, *sslrootcert, *sslcert, *sslkey;
};

/*
 * What can be told of a target without its server: RHEI_CONFIG where its conninfo can't be parsed, or the password can't be had from where it is to be; *key: which
 * field is wrong. Where libpq isn't here nothing is known of conninfo: the first cycle says so.
 */
rhei_status source_postgres_check(const struct postgres_target *target, const char **key, struct rhei_error *error);

struct source_postgres_config {
    struct postgres_target target;
    const char *const
        *tables; /* "orders", "sales.orders", "sales.Order Items"; none: every table that the role may read */
    size_t table_count;
    /*
     * Made where it isn't there and the role may: of the tables named, or of all. NULL: "rhei".
     */
    const char *publication;
    /*
     * Made where it isn't there. NULL: one that goes with the connection, so that nothing is left behind; where a connection breaks, every table is
     * loaded again.
     */
    const char *slot;
    bool seldom;          /* it is opened for a command or so: which tables aren't followed isn't a warning of each */
    int64_t held_warning; /* bytes of WAL that a slot keeps, above which the log says so; 0: 1 GiB */
    /* Positions are kept somewhere: nothing is confirmed to the server before source_postgres_keep() names it. Needs a slot of that name. */
    bool durable;
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t fresh_timeout_ms;   /* how long begin() waits to have what the server had when it was called; 0: 5 s */
    int64_t look_ms;            /* between two looks at the catalogue; 0: 1 s */
    size_t
        memory; /* bytes of changes in memory, above which the server waits or large transactions go to a file; 0: 256 MiB */
    const char *spill_folder;   /* NULL: /tmp */
    const struct base_log *log; /* borrowed; may be NULL */
    /* Changes are there, or the connection's state changed. From a thread of the source, with no lock held. May be NULL. */
    void (*wake)(void *context);
    void *wake_context;
    /* Tests: "postgres.looked", between the look at the catalogue and the state that a cycle pins. May be NULL. */
    void (*fault)(void *context, const char *point);
    void *fault_context;
};

/*
 * Opens a source that follows the database by logical decoding. Nothing is asked of the server yet: a server that is away fails the first cycle, and
 * is tried again. The strings of the config are borrowed until it is closed. RHEI_CONFIG: what can't be right.
 */
rhei_status source_postgres_open(const struct source_postgres_config *config, struct change_source **source,
                                 struct rhei_error *error);

/* What is looked for, and where. Everything is borrowed for as long as the source is open. */
struct source_postgres_polling {
    struct postgres_target target;
    struct poll_wishes wishes;  /* tables named as above; none: every table that the role may read */
    int64_t connect_timeout_ms; /* 0: 10 s */
    const struct base_log *log; /* may be NULL */
};

/* Opens a source that looks for what was committed (poll/poll.h), which needs no rights but to read. Nothing is asked of the server yet. */
rhei_status source_postgres_poll(const struct source_postgres_polling *config, struct change_source **source,
                                 struct rhei_error *error);

/*
 * Of one that follows the stream. Positions are kept somewhere, with what they are positions of, up to this one by now: nothing behind it is confirmed to the server from now on. First
 * before the first cycle, with 0. Needs a slot of a name. Any thread.
 */
void source_postgres_keep(struct change_source *source, int64_t position);

/*
 * The same: a server that shuts down waits until what it told is confirmed, but for no longer than a second. So what is published by now is wished to be kept at once: the number of
 * the newest such wish, 0: there was none. Who kept it, or can't, says so behind source_postgres_keep(), and the server is kept waiting no longer. Any thread.
 */
uint64_t source_postgres_wishes(struct change_source *source);
void source_postgres_fulfil(struct change_source *source, uint64_t wish);

/*
 * Of one that follows the stream, before its first cycle: its slot is somebody else's, who has the positions. It isn't made, read, confirmed or dropped, and this source takes one
 * that goes with its connection; of the one with the name people are told.
 */
void source_postgres_leave_slot(struct change_source *source);

/*
 * Of both kinds. Ends every wait for the server, for good, and the thread that calls `wake`. Before those who run cycles and loads are told to end; close does it,
 * too, but comes behind them. Once; beside cycles and loads.
 */
void source_postgres_interrupt(struct change_source *source);

/* What the server keeps for a reader, as of the last look. */
struct source_postgres_slot {
    char name[64];
    char wal_status[16];  /* "reserved", "extended", "unreserved", "lost"; "": not told */
    char invalidated[40]; /* why it is lost; "": it isn't, or the server is older than 17 */
    bool own, active;     /* own: this source's; else one of a name like ours that nobody reads */
    int64_t held_bytes;   /* of WAL */
    int64_t safe_bytes;   /* that may still be written before it may be lost; -1: no limit */
    int64_t idle_ms;      /* since it was last read; -1: it is, or not told */
};
enum { SOURCE_POSTGRES_SLOTS_MOST = 8 };

/* For people, of a source that follows by logical decoding; of another nothing. Any thread. */
struct source_postgres_state {
    bool connected;
    int server_version;    /* 150018; 0: not known yet */
    int64_t position;      /* everything up to here has arrived */
    int64_t queued_bytes;  /* of changes in memory */
    uint64_t queued;       /* transactions that aren't forgotten */
    uint64_t asked;        /* how often the server said where it is */
    struct rhei_error why; /* why it isn't connected */
    int64_t lag_bytes;     /* of WAL, as of when the server was last asked; -1: it never was */
    int64_t lag_us;        /* by the server's clock, since everything of a moment was here; -1: it never was */
    uint64_t reloads;      /* times that changes were gone at the server, so that every table was loaded again */
    char reloaded[200];    /* why, the last time; "": never */
    struct source_postgres_slot slots[SOURCE_POSTGRES_SLOTS_MOST]; /* its own first */
    size_t slot_count;
};
void source_postgres_state(struct change_source *source, struct source_postgres_state *state);

#endif
