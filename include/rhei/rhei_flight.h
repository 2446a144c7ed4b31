/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei_flight.h
 * The network door: an Arrow Flight SQL server over a handle, of librhei_flight (which needs gRPC and libsodium; librhei needs
 * neither). docs/guide/flight.md tells what a client sees. The rules of rhei.h hold.
 *
 * @code
 * struct rhei_flight_options options = {
 *     .struct_size = sizeof options, .listen = "127.0.0.1:31337", .token_file = "/etc/rhei/token"};
 * rhei_flight *flight = NULL;
 * if (rhei_flight_start(db, &options, &flight, &error) == RHEI_OK)
 *     printf("listening on %d\n", rhei_flight_port(flight));
 * ...
 * rhei_flight_stop(&flight);
 * rhei_close(&db);
 * @endcode
 */
#ifndef RHEI_FLIGHT_H
#define RHEI_FLIGHT_H

#include "rhei/rhei.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A server that runs. From rhei_flight_start() to rhei_flight_stop(). */
typedef struct rhei_flight rhei_flight;

/** Where a server listens, who may come in, and how much each may take. Zero is the default of every field. */
struct rhei_flight_options {
    size_t struct_size;
    const char *listen;          /**< "HOST:PORT", "[::1]:PORT"; port 0: any free one */
    const char *token;           /**< a secret that every client may show as a bearer token; NULL: there is none */
    const char *token_file;      /**< the same, the first line of a file */
    const char *users_file;      /**< lines NAME:HASH[:WORDS]; docs/guide/flight.md */
    bool no_auth;                /**< nobody has to say who he is; on a loopback address only */
    const char *tls_cert;        /**< PEM file of the certificate, with those that it is signed by; NULL: no TLS */
    const char *tls_key;         /**< PEM file of its key */
    const char *tls_client_ca;   /**< PEM file: clients have to show a certificate that it signed; NULL: they needn't */
    uint32_t max_calls;          /**< at a time; 0: 1,000 */
    uint32_t max_threads;        /**< that run statements; 0: 256 */
    uint64_t max_message;        /**< bytes of one message from a client; 0: 64 MiB */
    uint64_t max_rows;           /**< of one result; 0: no limit */
    int64_t timeout_ms;          /**< of one statement, its last row sent; 0: none */
    int64_t transaction_idle_ms; /**< after which a transaction that wrote is rolled back; 0: 60,000 */
    int64_t read_ms;             /**< for the next message of a client that has to send one; 0: 30,000 */
    int64_t send_ms;             /**< for a client to take one message; 0: 300,000 */
    rhei_log_function log; /**< gets a line for each statement and each refusal, at RHEI_LOG_INFO and RHEI_LOG_WARN */
    void *log_context;
    uint32_t max_connections; /**< at a time; within a second or two those that came last are ended. 0: 1,000 */
};

/**
 * Starts a server over a handle, which has to be opened with rhei_config.no_files and stay open until rhei_flight_stop(). Files are read here, and the certificate's again when they are changed. A handle that is read_only makes a
 * door that can't write.
 *
 * Fails closed: not over a handle whose statements may name files; without a token, users or `no_auth` it doesn't start, and on an address that isn't a loopback one not without TLS and
 * one of the first two.
 *
 * The caller owns *flight, NULL after an error. Errors: RHEI_CONFIG (what can't go together, an empty or unreadable secret, a certificate
 * that can't be used), RHEI_CANT_OPEN (a file, or the address). Any thread.
 */
RHEI_API rhei_status rhei_flight_start(rhei_db *db, const struct rhei_flight_options *options, rhei_flight **flight,
                                       struct rhei_error *error);
/**
 * What rhei_flight_start() would say of the options, without a handle and without listening: what may go together, the files of secrets, the certificate. Where
 * `listen` is NULL only who may come in is looked at, as rhei_flight_guard_open() does. *field, which may be NULL, is the name of the option that is wrong, in
 * static storage; NULL where it is none by itself. Any thread.
 */
RHEI_API rhei_status rhei_flight_check(const struct rhei_flight_options *options, const char **field,
                                       struct rhei_error *error);
/** The port it listens on. Any thread. */
RHEI_API int rhei_flight_port(const rhei_flight *flight);
/** How many calls run. Accepts NULL. Any thread. */
RHEI_API uint32_t rhei_flight_calls(const rhei_flight *flight);
/**
 * Takes no more calls, gives those that run `drain_ms` to end and cancels the others; transactions that are open are rolled back. Accepts
 * NULL. Owner thread.
 */
RHEI_API void rhei_flight_stop(rhei_flight **flight, int64_t drain_ms);
/**
 * A line of a users' file for a user with this password; the caller frees it with rhei_free(). Errors: RHEI_INVALID (a name with a
 * colon, an empty password). Any thread.
 */
RHEI_API rhei_status rhei_flight_user_line(const char *name, const char *password, char **line,
                                           struct rhei_error *error);

/** @name The same credentials at another door
 * @{ */

/** Who may come in. From rhei_flight_guard_open() to rhei_flight_guard_close(). */
typedef struct rhei_flight_guard rhei_flight_guard;
/** Who came in, and what he may. */
struct rhei_flight_visitor {
    size_t struct_size; /**< set it to sizeof before the call */
    bool read_only;
    uint64_t max_rows;  /**< of one result; 0: no limit */
    int64_t timeout_ms; /**< of one statement; 0: no limit */
    char name[256];     /**< "" of a token, and where nobody is asked */
};
/**
 * Reads token, token_file, users_file and no_auth of the options, and nothing else of them. Fails closed: without credentials only with no_auth. The caller
 * owns *guard, NULL after an error. Errors: RHEI_CONFIG, RHEI_CANT_OPEN. Any thread.
 */
RHEI_API rhei_status rhei_flight_guard_open(const struct rhei_flight_options *options, rhei_flight_guard **guard,
                                            struct rhei_error *error);
/**
 * Looks at the value of an Authorization header ("Bearer SECRET", "Basic BASE64"; NULL: there is none), `length` bytes. RHEI_INVALID: it is nobody's, and *visitor
 * isn't filled. A wrong secret takes as long as a right one. Any thread.
 */
RHEI_API rhei_status rhei_flight_guard_enter(rhei_flight_guard *guard, const char *authorization, size_t length,
                                             struct rhei_flight_visitor *visitor, struct rhei_error *error);
/** Accepts NULL. Owner thread. */
RHEI_API void rhei_flight_guard_close(rhei_flight_guard **guard);
/** @} */

#ifdef __cplusplus
}
#endif
#endif
