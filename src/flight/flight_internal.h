/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the service share: the server, and the work of one call. `struct flight_work` is its call's owner's; the server's lists
 * have locks of their own. Lock order: handles, then a transaction's; `running` is taken alone.
 */
#ifndef FLIGHT_INTERNAL_H
#define FLIGHT_INTERNAL_H

#include <stdatomic.h>

#include "base/base_arena.h"
#include "base/base_log.h"
#include "base/base_map.h"
#include "base/base_thread.h"
#include "flight_column.h"
#include "flight_connections.h"
#include "flight_message.h"
#include "flight_seal.h"
#include "flight_tls.h"
#include "flight_transport.h"
#include "flight_users.h"
#include "rhei/rhei_doors.h"
#include "rhei/rhei_flight.h"

enum {
    FLIGHT_TICKET_MS = 600000,   /* from GetFlightInfo to DoGet */
    FLIGHT_BEARER_MS = 86400000, /* from Handshake on */
    FLIGHT_HANDLES = 1000,       /* prepared statements of one user, and as many transactions */
    FLIGHT_HANDLE_IDLE_MS = 3600000,
    FLIGHT_NONCES = 65536, /* tickets that were cancelled, or whose statement wrote */
};

/* Parameters that were bound; never changed, so that a call that runs with them needs no lock. */
struct flight_params {
    atomic_int references;
    struct base_arena arena;
    struct rhei_value *values; /* [rows][columns] */
    size_t rows, columns;
};

/* What a client holds by a handle begins with this. */
struct flight_held {
    uint64_t id;
    char *user;
    int64_t used_ns;
};

struct flight_prepared {
    struct flight_held held;
    char *sql;
    struct base_buffer transaction; /* its sealed handle; empty: none */
    uint64_t transaction_id;
    char *orphan_of;              /* the peer that ended its transaction; NULL: it wasn't ended */
    struct flight_params *params; /* NULL: none are bound */
    uint64_t generation;          /* another one with each binding */
    uint32_t parameters;
};

struct flight_transaction {
    struct flight_held held;
    rhei_session *session; /* NULL: nothing was written yet, and it holds nothing */
    bool busy, ended;
    uint64_t *savepoints; /* those that live, in order */
    size_t savepoint_count, savepoint_capacity;
    uint64_t next_savepoint;
};

struct rhei_flight {
    rhei_db *db;
    struct flight_users users;
    struct flight_tls certificate; /* the sweep's, once it runs */
    struct flight_seal seal;
    struct flight_transport *transport;
    struct base_log log;
    int port;
    bool tls;
    int64_t most_ms, transaction_ns;
    uint64_t most_rows;
    size_t most_connections;
    struct flight_connections connections; /* the sweep's */

    base_mutex lock;
    base_cond released;                                /* a transaction isn't busy any more */
    struct base_map *prepared, *transactions, *nonces; /* by id, 8 bytes; by nonce */
    uint64_t next_id;
    bool sweeping, stopping;
    base_mutex password_lock; /* one argon2id at a time: it takes 64 MiB */

    base_mutex running_lock;
    base_cond no_frames;
    struct flight_work *running; /* DoGets that may be cancelled by their ticket */
    atomic_int frames;           /* messages whose bytes gRPC still holds */
};

/* How a call wants its answers; from the session's cookie, over it from headers. */
struct flight_wishes {
    int32_t route;
    struct rhei_freshness freshness;
    int32_t codec; /* enum arrow_ipc_codec */
};

struct flight_stream;
struct flight_work {
    struct rhei_flight *server;
    struct flight_call *call;
    const struct flight_user *user;
    struct flight_wishes wishes;
    struct base_arena arena;
    struct base_arena step; /* of one message that is sent */
    rhei_cancel *cancel;
    int64_t started_ns;
    const char *doing; /* "DoGet CommandStatementQuery", for the audit */
    const char *sql;   /* NULL: it isn't about a statement */
    int64_t rows;      /* sent, or changed; -1: unknown */
    char nonce[FLIGHT_SEAL_NONCE];
    bool has_nonce, cancelled_by_ticket;
    struct flight_transaction *transaction; /* which it made busy */
    struct flight_stream *stream;
    struct flight_params *params;             /* which the stream borrows */
    struct flight_work *next, *previous;      /* running */
    void (*let_go)(struct flight_work *work); /* of all that it holds */
    struct rhei_error error;
};

/* ---- flight_work.c ---- */
/* Ends the call with what work->error says, or well; the audit's line is written. `last`: a message that goes with it. */
void flight_work_end(struct flight_work *work, rhei_status status, const struct flight_piece *last, size_t last_count);
/* Well, with two messages. */
void flight_work_end_with_two(struct flight_work *work, const struct flight_piece *first, size_t first_count,
                              const struct flight_piece *last, size_t last_count);
/* Sends one message and ends the call. */
void flight_work_answer(struct flight_work *work, struct base_buffer *message);
/* Ends an action with one result. */
void flight_action_answer(struct flight_work *work, struct base_buffer *message);
/* A NUL-terminated copy for as long as the work; NULL: no memory, which the error says. */
const char *flight_text(struct flight_work *work, struct flight_bytes bytes);
/* The words of an Any: the command's name ("CommandStatementQuery") and its bytes. */
rhei_status flight_command(struct flight_work *work, struct flight_bytes any, const char **name,
                           struct flight_bytes *value);
struct rhei_call_options flight_limits(const struct flight_work *work);
/* Rows that a result may have for who asks; 0: any. */
uint64_t flight_most_rows(const struct flight_work *work);
struct rhei_query_options flight_query_options(const struct flight_work *work);
enum flight_code flight_code_of(rhei_status status);

/* ---- flight_wishes.c ---- */
rhei_status flight_wishes_read(struct flight_work *work);
rhei_status flight_wish(struct flight_wishes *wishes, const char *name, const char *value, struct rhei_error *error);
void flight_session_action(struct flight_work *work, const char *type, struct flight_bytes body);

/* ---- flight_handles.c ---- */
rhei_status flight_seal_id(struct flight_work *work, enum flight_seal_use use, const uint64_t *ids, size_t count,
                           struct base_buffer *out);
bool flight_open_ids(struct flight_work *work, enum flight_seal_use use, struct flight_bytes sealed, uint64_t *ids,
                     size_t count);
rhei_status flight_prepared_add(struct flight_work *work, const char *sql, uint32_t parameters,
                                struct flight_bytes transaction, struct base_buffer *handle);
/* What a run needs of it, copied into the work's arena; *params is a reference, or NULL. */
struct flight_prepared_run {
    const char *sql;
    struct flight_bytes transaction;
    struct flight_params *params;
    uint64_t generation;
    uint32_t parameters;
};
rhei_status flight_prepared_take(struct flight_work *work, struct flight_bytes handle, struct flight_prepared_run *run);
/* Takes the parameters. */
rhei_status flight_prepared_bind(struct flight_work *work, struct flight_bytes handle, struct flight_params *params);
void flight_prepared_close(struct flight_work *work, struct flight_bytes handle);
void flight_params_unref(struct flight_params **params);

rhei_status flight_transaction_begin(struct flight_work *work, struct base_buffer *handle);
/*
 * Makes it the work's own until flight_transaction_leave(). With `writes` its session is there and within a transaction after it; without, the
 * session is NULL as long as nothing was written.
 */
rhei_status flight_transaction_enter(struct flight_work *work, struct flight_bytes handle, bool writes);
void flight_transaction_leave(struct flight_work *work);
rhei_status flight_transaction_end(struct flight_work *work, struct flight_bytes handle, bool commit);
rhei_status flight_savepoint_begin(struct flight_work *work, struct flight_bytes transaction,
                                   struct base_buffer *handle);
rhei_status flight_savepoint_end(struct flight_work *work, struct flight_bytes handle, bool release);
/* What wasn't used for too long goes; on a worker. */
void flight_handles_sweep(struct rhei_flight *server, bool all);
/* Remembers a ticket's nonce; RHEI_EXISTS: it is known already. */
rhei_status flight_nonce_add(struct flight_work *work, const char nonce[FLIGHT_SEAL_NONCE]);
bool flight_nonce_known(struct rhei_flight *server, const char nonce[FLIGHT_SEAL_NONCE]);

/* ---- flight_send.c ---- */
/* Sends the whole of a stream and ends the call; takes it. */
void flight_send(struct flight_work *work, struct ArrowArrayStream *source);
void flight_stream_free(struct flight_stream **stream);
/* A schema as an encapsulated IPC message. */
rhei_status flight_schema_bytes(const struct ArrowSchema *schema, struct base_buffer *out, struct rhei_error *error);

/* ---- flight_receive.c ---- */
/* The Arrow stream that the call's FlightData are, of which `first` is the first; its schema has to be there. */
rhei_status flight_receive(struct flight_work *work, const struct flight_data *first, struct ArrowArrayStream *stream);
/* All rows of it as parameters; takes the stream. */
rhei_status flight_receive_params(struct flight_work *work, struct ArrowArrayStream *stream,
                                  struct flight_params **params);

/* ---- flight_query.c, flight_put.c, flight_action.c, flight_catalog.c, flight_sql_info.c ---- */
void flight_get_info(struct flight_work *work, struct flight_bytes message);
void flight_get_schema(struct flight_work *work, struct flight_bytes message);
void flight_do_get(struct flight_work *work, struct flight_bytes message);
void flight_do_put(struct flight_work *work, struct flight_bytes message);
void flight_do_action(struct flight_work *work, struct flight_bytes message);
void flight_list_actions(struct flight_work *work);
/* What can be known of a statement before it runs. `schema` is empty where nobody knows, or it isn't `settled` and that was asked for. */
struct flight_described {
    uint32_t parameters;
    bool read_only, settled, known;
    struct base_buffer schema, parameter_schema;
};
rhei_status flight_describe(struct flight_work *work, const char *sql, struct flight_bytes transaction,
                            struct flight_described *described);
void flight_described_reset(struct flight_described *described);
/* BEGIN, COMMIT and the like: a transaction of this door's is its driver's to end, so its session must have none. */
bool flight_is_control(struct flight_work *work, const char *sql);
/* RHEI_READ_ONLY for a user who may not write. */
rhei_status flight_may_write(struct flight_work *work);

/* A command whose answer is no statement's. NULL: there is none of that name. */
struct flight_metadata {
    const char *name;
    const struct flight_type *types;
    rhei_status (*fill)(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows);
};
const struct flight_metadata *flight_metadata_find(const char *name);
/* GetTables has two schemas. */
const struct flight_type *flight_metadata_types(struct flight_work *work, const struct flight_metadata *metadata,
                                                struct flight_bytes command);
rhei_status flight_fill_sql_info(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows);
rhei_status flight_fill_type_info(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows);
extern const struct flight_type flight_sql_info_types[], flight_type_info_types[];

#endif
