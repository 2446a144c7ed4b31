/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping: rhei_flight.h. A server that could be open to who shouldn't doesn't start. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "flight_service.h"

enum { FRAMES_NS = 1000000000 };

/* ---- What may go together ----------------------------------------------------------------------------------------- */

/* A number that begins with 127, not a name that does. */
static bool is_loopback(const char *listen)
{
    char host[64];
    struct in_addr address;
    size_t len = (size_t)(strrchr(listen, ':') - listen);
    if (len >= sizeof host)
        return false;
    memcpy(host, listen, len);
    host[len] = '\0';
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static rhei_status check_address(const char *listen, struct rhei_error *error)
{
    const char *colon = listen == NULL ? NULL : strrchr(listen, ':');
    char *end = NULL;
    long port = colon == NULL ? -1 : strtol(colon + 1, &end, 10);
    bool digits = colon != NULL && colon[1] >= '0' && colon[1] <= '9' && *end == '\0';
    bool bracketed = listen != NULL && (listen[0] != '[' || (colon > listen && colon[-1] == ']'));
    bool plain = listen != NULL && (listen[0] == '[' || strchr(listen, ':') == colon);
    if (colon == NULL || colon == listen || !digits || port > 65535 || !bracketed || !plain ||
        strchr(listen, '/') != NULL)
        return error_set(error, RHEI_CONFIG,
                         "\"%s\" is no address to listen on: it is HOST:PORT, as 127.0.0.1:31337 or "
                         "[::1]:31337",
                         listen == NULL ? "" : listen);
    return RHEI_OK;
}

static rhei_status check_tls(const struct rhei_flight_options *options, const char **field, struct rhei_error *error)
{
    if ((options->tls_cert == NULL) != (options->tls_key == NULL)) {
        *field = options->tls_cert == NULL ? "tls_key" : "tls_cert";
        return error_set(
            error, RHEI_CONFIG,
            "certificate and key of TLS go together, and the %s is missing: --tls-cert and --tls-key of rh serve",
            options->tls_cert == NULL ? "certificate" : "key");
    }
    if (options->tls_client_ca != NULL && options->tls_cert == NULL) {
        *field = "tls_client_ca";
        return error_set(error, RHEI_CONFIG,
                         "certificates of clients (--tls-client-ca) are for TLS, which needs a certificate of the "
                         "server: --tls-cert "
                         "and --tls-key");
    }
    return RHEI_OK;
}

/* *field is the option that is wrong, NULL where it is none by itself. */
static rhei_status check(const struct rhei_flight_options *options, const char **field, struct rhei_error *error)
{
    bool secret = options->token != NULL || options->token_file != NULL || options->users_file != NULL;
    *field = "listen";
    rhei_status status = check_address(options->listen, error);
    if (status != RHEI_OK)
        return status;
    *field = NULL;
    if (options->token != NULL && options->token_file != NULL)
        return error_set(error, RHEI_CONFIG, "the token of the Flight door is given twice: by itself, and by a file");
    status = check_tls(options, field, error);
    if (status == RHEI_OK)
        status = flight_users_named(options, error);
    if (status != RHEI_OK)
        return status;
    *field = "listen";
    if (!is_loopback(options->listen) && (!secret || options->tls_cert == NULL))
        return error_set(
            error, RHEI_CONFIG,
            "%s can be reached from other machines, so it needs TLS (--tls-cert, --tls-key) and a token or users "
            "(--token-file, --users-file): the %s missing; or listen on 127.0.0.1",
            options->listen,
            secret                      ? "certificate is"
            : options->tls_cert == NULL ? "certificate and the credentials are"
                                        : "credentials are");
    *field = NULL;
    return RHEI_OK;
}

/* ---- Who may come in -------------------------------------------------------------------------------------------------------- */

/* Not refused: a secret that is mounted into a container often is so. */
static void tell_of_open_file(const struct rhei_flight *server, const char *path)
{
    struct stat about;
    if (path != NULL && stat(path, &about) == 0 && (about.st_mode & (S_IROTH | S_IWOTH)) != 0)
        base_log_write(&server->log, BASE_LOG_WARN, "flight", "%s can be %s by everybody on this machine: chmod 600 it",
                       path, (about.st_mode & S_IWOTH) != 0 ? "written" : "read");
}

/* ---- Life --------------------------------------------------------------------------------------------------------- */

static uint64_t or_else(uint64_t value, uint64_t usual)
{
    return value > 0 ? value : usual;
}

static rhei_status start_transport(struct rhei_flight *server, const struct rhei_flight_options *options,
                                   struct rhei_error *error)
{
    struct flight_certificate certificate = {0};
    struct flight_service service;
    struct flight_transport *transport = NULL;
    rhei_status status = flight_tls_init(&server->certificate, options, error);
    if (status == RHEI_OK)
        status = flight_tls_read(&server->certificate, &certificate, NULL, error);
    if (status == RHEI_OK) {
        const struct flight_transport_options asked = {
            .listen = options->listen,
            .certificate = &certificate,
            .most_calls = (uint32_t)or_else(options->max_calls, 1000),
            .most_threads = (uint32_t)or_else(options->max_threads, 256),
            .most_message = or_else(options->max_message, 64 << 20),
            .read_ms = (int64_t)or_else((uint64_t)options->read_ms, 30000),
            .send_ms = (int64_t)or_else((uint64_t)options->send_ms, 300000),
        };
        flight_service_make(server, &service);
        status = flight_transport_start(&asked, &service, &transport, &server->port, error);
    }
    base_mutex_lock(&server->lock);
    server->transport = transport;
    base_mutex_unlock(&server->lock);
    flight_tls_forget(&certificate);
    return status;
}

static void server_free(struct rhei_flight *server)
{
    base_map_free(&server->prepared);
    base_map_free(&server->transactions);
    base_map_free(&server->nonces);
    flight_users_reset(&server->users);
    flight_tls_reset(&server->certificate);
    flight_connections_reset(&server->connections);
    flight_seal_reset(&server->seal);
    base_cond_destroy(&server->no_frames);
    base_cond_destroy(&server->released);
    base_mutex_destroy(&server->running_lock);
    base_mutex_destroy(&server->password_lock);
    base_mutex_destroy(&server->lock);
    base_free(server);
}

static struct rhei_flight *server_new(rhei_db *db, const struct rhei_flight_options *options)
{
    struct rhei_flight *server = base_alloc_zero(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->db = db;
    server->log = (struct base_log){options->log, options->log_context, BASE_LOG_INFO};
    server->tls = options->tls_cert != NULL;
    server->most_ms = options->timeout_ms;
    server->most_rows = options->max_rows;
    server->most_connections = (size_t)or_else(options->max_connections, 1000);
    server->transaction_ns = (int64_t)or_else((uint64_t)options->transaction_idle_ms, 60000) * 1000000;
    base_mutex_init(&server->lock);
    base_mutex_init(&server->password_lock);
    base_mutex_init(&server->running_lock);
    base_cond_init(&server->released);
    base_cond_init(&server->no_frames);
    server->prepared = base_map_new(false);
    server->transactions = base_map_new(false);
    server->nonces = base_map_new(false);
    if (server->prepared == NULL || server->transactions == NULL || server->nonces == NULL) {
        server_free(server);
        return NULL;
    }
    return server;
}

static rhei_status copy_options(struct rhei_flight_options *known, const struct rhei_flight_options *given,
                                struct rhei_error *error)
{
    *known = (struct rhei_flight_options){0};
    if (given == NULL || given->struct_size <= sizeof given->struct_size || given->struct_size > 65536)
        return error_set(error, RHEI_INVALID, "the Flight door needs options whose struct_size is set");
    memcpy(known, given, given->struct_size < sizeof *known ? given->struct_size : sizeof *known);
    if (known->timeout_ms < 0 || known->transaction_idle_ms < 0 || known->read_ms < 0 || known->send_ms < 0 ||
        known->max_message > INT32_MAX)
        return error_set(error, RHEI_INVALID, "a time of the Flight door is below 0, or a message's size over 2 GiB");
    return RHEI_OK;
}

/* The engine's own word: what it lets be prepared it would run. */
static rhei_status check_handle(rhei_db *db, struct rhei_error *error)
{
    struct rhei_error refusal = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    rhei_status status = rhei_prepare(db, "ATTACH 'a file' AS a_file", &statement, &refusal);
    rhei_statement_close(&statement);
    return status == RHEI_UNSUPPORTED
               ? RHEI_OK
               : error_set(error, RHEI_CONFIG,
                           "statements of this handle may name files of this machine, and those of a door come from "
                           "others: open it with rhei_config.no_files");
}

static rhei_status check_certificate(const struct rhei_flight_options *options, const char **field,
                                     struct rhei_error *error)
{
    static const char *const fields[FLIGHT_TLS_FILES] = {"tls_cert", "tls_key", "tls_client_ca"};
    struct flight_certificate certificate = {0};
    struct flight_tls files = {0};
    int which = 0;
    rhei_status status = flight_tls_init(&files, options, error);
    if (status == RHEI_OK) {
        status = flight_tls_read(&files, &certificate, &which, error);
        *field = fields[which];
    }
    if (status == RHEI_OK) {
        status = flight_transport_try(&certificate, error);
        *field = "tls_cert";
    }
    flight_tls_forget(&certificate);
    flight_tls_reset(&files);
    return status;
}

rhei_status rhei_flight_check(const struct rhei_flight_options *given, const char **field, struct rhei_error *error)
{
    struct rhei_flight_options options;
    struct flight_users users = {0};
    const char *unused, **wrong = field != NULL ? field : &unused;
    error_clear(error);
    *wrong = NULL;
    rhei_status status = copy_options(&options, given, error);
    if (status != RHEI_OK)
        return status;
    bool credentials_alone = options.listen == NULL;
    status = credentials_alone ? flight_users_named(&options, error) : check(&options, wrong, error);
    if (status == RHEI_OK)
        status = flight_users_from(&users, &options, wrong, error);
    flight_users_reset(&users);
    return status == RHEI_OK && !credentials_alone && options.tls_cert != NULL
               ? check_certificate(&options, wrong, error)
               : status;
}

rhei_status rhei_flight_start(rhei_db *db, const struct rhei_flight_options *given, rhei_flight **flight,
                              struct rhei_error *error)
{
    struct rhei_flight_options options;
    const char *field;
    error_clear(error);
    if (db == NULL || flight == NULL)
        return error_set(error, RHEI_INVALID, "rhei_flight_start needs a handle and a place for the server");
    *flight = NULL;
    rhei_status status = copy_options(&options, given, error);
    if (status == RHEI_OK)
        status = check(&options, &field, error);
    if (status == RHEI_OK)
        status = check_handle(db, error);
    if (status != RHEI_OK)
        return status;
    struct rhei_flight *server = server_new(db, &options);
    if (server == NULL)
        return error_no_memory(error);
    status = flight_seal_init(&server->seal, error);
    if (status == RHEI_OK)
        status = flight_users_from(&server->users, &options, &field, error);
    const char *const secrets[] = {options.token_file, options.users_file, options.tls_key};
    for (size_t i = 0; status == RHEI_OK && i < sizeof secrets / sizeof secrets[0]; i++)
        tell_of_open_file(server, secrets[i]);
    if (status == RHEI_OK)
        status = start_transport(server, &options, error);
    if (status != RHEI_OK) {
        server_free(server);
        return status;
    }
    *flight = server;
    return RHEI_OK;
}

int rhei_flight_port(const rhei_flight *flight)
{
    return flight == NULL ? 0 : flight->port;
}

uint32_t rhei_flight_calls(const rhei_flight *flight)
{
    return flight == NULL ? 0 : flight_transport_calls(flight->transport);
}

void rhei_flight_stop(rhei_flight **flight, int64_t drain_ms)
{
    if (flight == NULL || *flight == NULL)
        return;
    struct rhei_flight *server = *flight;
    base_mutex_lock(&server->lock);
    server->stopping = true;
    base_mutex_unlock(&server->lock);
    flight_transport_stop(&server->transport, drain_ms);
    flight_handles_sweep(server, true);
    /* batches may not outlive the handle, and what was sent last may be in gRPC's hands still */
    base_mutex_lock(&server->running_lock);
    int64_t deadline_ns = base_now_ns() + 10 * (int64_t)FRAMES_NS;
    while (atomic_load(&server->frames) > 0 &&
           base_cond_wait_until(&server->no_frames, &server->running_lock, deadline_ns))
        ;
    bool free_now = atomic_load(&server->frames) == 0;
    base_mutex_unlock(&server->running_lock);
    if (free_now)
        server_free(server);
    *flight = NULL;
}

rhei_status rhei_flight_user_line(const char *name, const char *password, char **line, struct rhei_error *error)
{
    struct base_buffer out = {0};
    error_clear(error);
    if (name == NULL || password == NULL || line == NULL)
        return error_set(error, RHEI_INVALID,
                         "rhei_flight_user_line needs a name, a password and a place for the line");
    *line = NULL;
    if (name[0] == '\0' || name[0] == '#' || name[0] == '(' || strpbrk(name, ":\r\n") != NULL)
        return error_set(
            error, RHEI_INVALID,
            "\"%s\" can't be the name of a user: it has no colon and no line end, and begins with neither # nor (",
            name);
    if (strlen(password) < 8)
        return error_set(error, RHEI_INVALID, "the password has less than 8 characters");
    base_buffer_format(&out, "%s:", name);
    rhei_status status = flight_password_hash(password, &out, error);
    *line = status == RHEI_OK ? base_buffer_take(&out) : NULL;
    base_buffer_reset(&out);
    return status == RHEI_OK && *line == NULL ? error_no_memory(error) : status;
}
