/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_words.h"

/* ---- Stopping. --------------------------------------------------------------------------------------------------- */

rhei_status postgres_stop_init(struct postgres_stop *stop, struct rhei_error *error)
{
    atomic_init(&stop->stopped, false);
    stop->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return stop->fd >= 0 ? RHEI_OK : error_set(error, RHEI_IO, "no event descriptor: %s", strerror(errno));
}

void postgres_stop_reset(struct postgres_stop *stop)
{
    if (stop->fd >= 0)
        close(stop->fd);
    stop->fd = -1;
}

void postgres_stop_now(struct postgres_stop *stop)
{
    atomic_store(&stop->stopped, true);
    uint64_t one = 1;
    ssize_t written = write(stop->fd, &one, sizeof one);
    (void)written; /* a full counter is readable, too */
}

static bool is_stopped(const struct postgres_stop *stop)
{
    return stop != NULL && atomic_load(&stop->stopped);
}

/* ---- Errors. ----------------------------------------------------------------------------------------------------- */

/* C1. */
static void strike_out(const char *secret, char *text)
{
    size_t length = secret == NULL ? 0 : strlen(secret);
    for (char *at = text; length > 0 && (at = strstr(at, secret)) != NULL; at += length)
        memset(at, '*', length);
}

/* Also one that libpq found itself, in its own environment variable or in its passfile. */
static void strike_out_all(const struct postgres_connection *connection, char *text)
{
    strike_out(connection->password, text);
    strike_out(connection->conn == NULL ? NULL : connection->api->pass(connection->conn), text);
}

/* In one line, with a blank for whatever blanks, tabs and ends of lines are between two words. */
static void tidy(const char *words, char *text, size_t size)
{
    size_t length = 0;
    for (const char *at = words == NULL ? "" : words; *at != '\0' && length + 1 < size; at++) {
        bool blank = (unsigned char)*at <= ' ';
        if (!blank || (length > 0 && text[length - 1] != ' '))
            text[length++] = blank ? ' ' : *at;
    }
    length -= length > 0 && text[length - 1] == ' ';
    text[length] = '\0';
}

rhei_status postgres_fail(struct postgres_connection *connection, const char *what, const PGresult *result,
                          struct rhei_error *error)
{
    const struct postgres_api *api = connection->api;
    const char *state = result == NULL ? NULL : api->resultErrorField(result, PG_DIAG_SQLSTATE);
    const char *words = result == NULL ? NULL : api->resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char text[600];
    tidy(words != NULL ? words : api->errorMessage(connection->conn), text, sizeof text);
    strike_out_all(connection, text);
    rhei_status status = postgres_status_of(state);
    const char *advice = postgres_advice_of(state, text);
    bool first = error != NULL && error->code == RHEI_OK;
    if (what == NULL)
        advice = NULL;
    error_set(error, status, "%s%s%s%s%s", what == NULL ? "" : what, what == NULL ? "" : ": ",
              text[0] == '\0' ? "the connection was lost" : text, advice == NULL ? "" : ": ",
              advice == NULL ? "" : advice);
    if (first && state != NULL && strlen(state) == 5)
        memcpy(error->sqlstate, state, sizeof error->sqlstate);
    return status;
}

/* ---- Waiting. ---------------------------------------------------------------------------------------------------- */

static int left_ms(int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX)
        return -1;
    int64_t left = deadline_ns - base_now_ns();
    return left <= 0 ? 0 : left > INT64_C(3600000000000) ? 3600000 : (int)(left / 1000000 + 1);
}

rhei_status postgres_wait(struct postgres_connection *connection, bool for_write, int wake_fd, int64_t deadline_ns,
                          struct rhei_error *error)
{
    struct pollfd fds[3] = {
        {.fd = connection->api->socket(connection->conn), .events = (short)(for_write ? POLLOUT | POLLIN : POLLIN)},
        {.fd = connection->stop == NULL ? -1 : connection->stop->fd, .events = POLLIN},
        {.fd = wake_fd, .events = POLLIN}};
    if (is_stopped(connection->stop))
        return error_ended(error, RHEI_CANCELLED);
    if (fds[0].fd < 0)
        return error_set(error, RHEI_IO, "the connection is closed");
    int ready = poll(fds, 3, left_ms(deadline_ns));
    if (is_stopped(connection->stop))
        return error_ended(error, RHEI_CANCELLED);
    if (ready < 0 && errno != EINTR)
        return error_set(error, RHEI_IO, "waiting for the server: %s", strerror(errno));
    return ready == 0 && base_now_ns() >= deadline_ns ? RHEI_TIMEOUT : RHEI_OK;
}

static rhei_status timed_out(const char *what, struct rhei_error *error)
{
    return error_set(error, RHEI_TIMEOUT, "%s%sthe server gave no answer in time", what == NULL ? "" : what,
                     what == NULL ? "" : ": ");
}

/* ---- Connecting. ------------------------------------------------------------------------------------------------- */

enum { PARTS_MOST = 64 };

/* Keywords and values as PQconnectStartParams takes them; later ones win. */
struct parts {
    const char *names[PARTS_MOST + 1], *values[PARTS_MOST + 1];
    size_t count;
};

static void put_part(struct parts *parts, const char *name, const char *value)
{
    if (value == NULL)
        return;
    size_t at = 0;
    while (at < parts->count && strcmp(parts->names[at], name) != 0)
        at++;
    if (at == parts->count && at == PARTS_MOST)
        return; /* libpq knows about forty */
    parts->names[at] = name;
    parts->values[at] = value;
    parts->count += at == parts->count;
}

static const char *find_part(const struct parts *parts, const char *name)
{
    for (size_t i = 0; i < parts->count; i++)
        if (strcmp(parts->names[i], name) == 0)
            return parts->values[i];
    return NULL;
}

/* As libpq asks of its own passfile: whoever else may read it has the password by now. */
static rhei_status check_secret(const char *path, FILE *file, struct rhei_error *error)
{
    struct stat info;
    if (fstat(fileno(file), &info) != 0)
        return error_set(error, RHEI_CONFIG, "the password file %s can't be looked at: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return error_set(error, RHEI_CONFIG, "the password file %s is no file", path);
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return error_set(error, RHEI_CONFIG,
                         "the password file %s is open to others (mode %04o): chmod 600 it, and change the password if "
                         "they may have seen it",
                         path, (unsigned)(info.st_mode & 07777));
    return RHEI_OK;
}

static void free_password(char *password)
{
    if (password != NULL)
        explicit_bzero(password, strlen(password));
    base_free(password);
}

static rhei_status read_password(const struct postgres_target *target, char **password, struct rhei_error *error)
{
    char line[1024];
    if (target->password_env != NULL) {
        const char *value = getenv(target->password_env);
        if (value == NULL)
            return error_set(error, RHEI_CONFIG,
                             "the environment variable %s, which is to hold the password, isn't set",
                             target->password_env);
        *password = base_strdup(value);
        return *password != NULL ? RHEI_OK : error_no_memory(error);
    }
    FILE *file = fopen(target->password_file, "re");
    if (file == NULL)
        return error_set(error, RHEI_CONFIG, "the password file %s can't be read: %s", target->password_file,
                         strerror(errno));
    rhei_status status = check_secret(target->password_file, file, error);
    char *got = status == RHEI_OK ? fgets(line, sizeof line, file) : NULL;
    fclose(file);
    if (status != RHEI_OK)
        return status;
    if (got == NULL)
        return error_set(error, RHEI_CONFIG, "the password file %s is empty", target->password_file);
    line[strcspn(line, "\r\n")] = '\0';
    *password = base_strdup(line);
    return *password != NULL ? RHEI_OK : error_no_memory(error);
}

/* C3. What the settings of role, database and server could change of what we read. */
#define PINNED                                                                                                        \
    "-c datestyle=ISO -c timezone=UTC -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex "         \
    "-c lc_monetary=C -c lc_numeric=C -c xmlbinary=base64 -c quote_all_identifiers=off -c search_path= "              \
    "-c row_security=off -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 "          \
    "-c default_transaction_read_only=on -c default_transaction_isolation=read\\ committed -c synchronous_commit=on " \
    "-c standard_conforming_strings=on -c jit=off"

/* One that servers before 17 don't know, and would refuse the connection for. */
static const char PINNED_FROM_17[] = "SET transaction_timeout = 0";

static void add_parts(struct parts *parts, const struct postgres_target *target, const char *password, bool replication,
                      char *options, size_t options_size)
{
    const char *given = find_part(parts, "options");
    snprintf(options, options_size, "%s%s" PINNED, given == NULL ? "" : given, given == NULL ? "" : " ");
    put_part(parts, "host", target->host);
    put_part(parts, "port", target->port);
    put_part(parts, "dbname", target->database);
    put_part(parts, "user", target->user);
    put_part(parts, "password", password);
    put_part(parts, "sslmode", target->sslmode);
    put_part(parts, "sslrootcert", target->sslrootcert);
    put_part(parts, "sslcert", target->sslcert);
    put_part(parts, "sslkey", target->sslkey);
    if (find_part(parts, "sslpassword") == NULL)
        put_part(parts, "sslpassword", "none"); /* else OpenSSL asks the terminal for that of a key that is locked */
    put_part(parts, "client_encoding", "UTF8");
    put_part(parts, "options", options);
    put_part(parts, "replication", replication ? "database" : NULL);
    if (find_part(parts, "application_name") == NULL)
        put_part(parts, "application_name", "rhei");
    static const char *const quiet[][2] = {{"keepalives_idle", "30"},
                                           {"keepalives_interval", "10"},
                                           {"keepalives_count", "3"},
                                           {"tcp_user_timeout", "60000"}};
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
        if (find_part(parts, quiet[i][0]) == NULL)
            put_part(parts, quiet[i][0], quiet[i][1]);
    parts->names[parts->count] = NULL;
    parts->values[parts->count] = NULL;
}

static rhei_status poll_open(struct postgres_connection *connection, int64_t deadline_ns, struct rhei_error *error)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK && next != PGRES_POLLING_OK) {
        status = postgres_wait(connection, next == PGRES_POLLING_WRITING, -1, deadline_ns, error);
        if (status == RHEI_TIMEOUT)
            return timed_out("connecting", error);
        if (status == RHEI_OK)
            next = connection->api->connectPoll(connection->conn);
        if (next == PGRES_POLLING_FAILED)
            return RHEI_CANT_OPEN;
    }
    return status;
}

/* libpq gives no SQLSTATE here, only words. */
static rhei_status refused(struct postgres_connection *connection, struct rhei_error *error)
{
    char text[700];
    tidy(connection->api->errorMessage(connection->conn), text, sizeof text);
    strike_out_all(connection, text);
    char *weaker = strstr(text, " Either provide the file"); /* "... or change sslmode": nobody should */
    if (weaker != NULL)
        *weaker = '\0';
    const char *advice = NULL;
    rhei_status status = postgres_refusal_of(text, &advice);
    return error_set(error, status, "%s%s%s", text, advice == NULL ? "" : ": ", advice == NULL ? "" : advice);
}

static bool wants_tls(const char *sslmode)
{
    return sslmode != NULL && (strcmp(sslmode, "require") == 0 || strcmp(sslmode, "verify-ca") == 0 ||
                               strcmp(sslmode, "verify-full") == 0);
}

/* C4. As it is in force: it may also come from libpq's environment or its file of services. */
static rhei_status check_tls(struct postgres_connection *connection, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    PQconninfoOption *options = connection->api->conninfo(connection->conn);
    if (options == NULL)
        return error_no_memory(error);
    for (PQconninfoOption *option = options; option->keyword != NULL && status == RHEI_OK; option++)
        if (strcmp(option->keyword, "sslmode") == 0 && wants_tls(option->val) &&
            !connection->api->sslInUse(connection->conn))
            status = error_set(
                error, RHEI_CANT_OPEN,
                "sslmode is %s, but this connection has no TLS: over a socket file there is none, so name a host",
                option->val);
    connection->api->conninfoFree(options);
    return status;
}

/*
 * Such a server turns no text into UTF-8, and the first one that isn't any, in whichever table, ends the stream: nobody knows what its bytes mean.
 */
static rhei_status check_encoding(struct postgres_connection *connection, struct rhei_error *error)
{
    const char *encoding = connection->api->parameterStatus(connection->conn, "server_encoding");
    if (encoding == NULL || strcmp(encoding, "SQL_ASCII") != 0)
        return RHEI_OK;
    return error_set(
        error, RHEI_UNSUPPORTED,
        "the database's encoding is SQL_ASCII, so nothing says which characters the bytes of its texts are: "
        "dump it, and restore it into a database with an ENCODING (UTF8)");
}

static rhei_status check_open(struct postgres_connection *connection, struct rhei_error *error)
{
    rhei_status status = check_tls(connection, error);
    if (status != RHEI_OK)
        return status;
    connection->version = connection->api->serverVersion(connection->conn);
    if (connection->version < 140000)
        return error_set(error, RHEI_UNSUPPORTED, "the server is PostgreSQL %d: 14 is the oldest that Rhei follows",
                         connection->version / 10000);
    if (connection->api->setnonblocking(connection->conn, 1) != 0)
        return error_no_memory(error);
    return check_encoding(connection, error);
}

/* What the server says by the way isn't printed by a library. */
static void take_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

static rhei_status open_parts(struct postgres_connection *connection, const struct postgres_target *target,
                              struct parts *parts, bool replication, int64_t deadline_ns, struct rhei_error *error)
{
    char options[2048];
    add_parts(parts, target, connection->password, replication, options, sizeof options);
    if (connection->password == NULL && find_part(parts, "password") != NULL) {
        connection->password = base_strdup(find_part(parts, "password"));
        if (connection->password == NULL)
            return error_no_memory(error);
    }
    connection->conn = connection->api->connectStartParams(parts->names, parts->values, 0);
    if (connection->conn == NULL)
        return error_no_memory(error);
    connection->api->setNoticeReceiver(connection->conn, take_notice, NULL);
    if (connection->api->status(connection->conn) == CONNECTION_BAD)
        return refused(connection, error);
    rhei_status status = poll_open(connection, deadline_ns, error);
    if (status == RHEI_CANT_OPEN)
        return refused(connection, error);
    if (status == RHEI_OK)
        status = check_open(connection, error);
    if (status == RHEI_OK && connection->version >= 170000)
        status = postgres_run(connection, "setting up a connection", PINNED_FROM_17, deadline_ns, error);
    return status;
}

/*
 * C1. What libpq puts in quotes may be any part of the text, so it is shown only where the text has no place for a password: neither names one, nor
 * has one before the host, nor writes anything in percents.
 */
static bool may_show(const char *conninfo)
{
    const char *host = strrchr(conninfo, '@'), *scheme = strstr(conninfo, "://");
    bool user = scheme != NULL && host != NULL && memchr(scheme + 3, ':', (size_t)(host - conninfo)) != NULL;
    return strcasestr(conninfo, "pass") == NULL && strchr(conninfo, '%') == NULL && !user;
}

/* The word that libpq stumbled over, as it quotes it, whatever language it speaks; a "=" that it quotes is the one it misses. */
static void add_stumble(const char *conninfo, const char *words, char *text, size_t size)
{
    const char *quote = words == NULL ? NULL : strchr(words, '"');
    if (quote != NULL && strncmp(quote, "\"=\"", 3) == 0)
        quote = strchr(quote + 3, '"');
    size_t length = quote == NULL ? 0 : strcspn(quote + 1, "\"");
    text[0] = '\0';
    if (length > 0 && may_show(conninfo))
        snprintf(text, size, " at \"%.*s\"", (int)(length < 60 ? length : 60), quote + 1);
}

/* The caller frees *parsed (conninfoFree). */
static rhei_status parse_conninfo(const struct postgres_api *api, const char *conninfo, PQconninfoOption **parsed,
                                  struct rhei_error *error)
{
    char *words = NULL, stumble[80];
    *parsed = api->conninfoParse(conninfo == NULL ? "" : conninfo, &words);
    add_stumble(conninfo == NULL ? "" : conninfo, words, stumble, sizeof stumble);
    if (words != NULL)
        api->freemem(words);
    if (*parsed != NULL)
        return RHEI_OK;
    return error_set(error, RHEI_CONFIG,
                     "what names the PostgreSQL server can't be read%s: it is \"host=... dbname=... user=...\" or "
                     "\"postgresql://user@host:port/database?sslmode=...\"",
                     stumble);
}

rhei_status source_postgres_check(const struct postgres_target *target, const char **key, struct rhei_error *error)
{
    const struct postgres_api *api;
    char *password = NULL;
    rhei_status status = RHEI_OK;
    *key = "source_path";
    if (postgres_api_load(&api, NULL) == RHEI_OK) {
        PQconninfoOption *parsed = NULL;
        status = parse_conninfo(api, target->conninfo, &parsed, error);
        if (status == RHEI_OK)
            api->conninfoFree(parsed);
    }
    if (status != RHEI_OK || (target->password_env == NULL && target->password_file == NULL))
        return status;
    *key = target->password_env != NULL ? "password_env" : "password_file";
    status = read_password(target, &password, error);
    free_password(password);
    return status;
}

static rhei_status open_target(struct postgres_connection *connection, const struct postgres_target *target,
                               bool replication, int64_t deadline_ns, struct rhei_error *error)
{
    PQconninfoOption *given = NULL;
    if (parse_conninfo(connection->api, target->conninfo, &given, error) != RHEI_OK)
        return RHEI_CONFIG;
    struct parts parts = {0};
    for (PQconninfoOption *option = given; option->keyword != NULL; option++)
        put_part(&parts, option->keyword, option->val);
    rhei_status status = RHEI_OK;
    if (target->password_env != NULL || target->password_file != NULL)
        status = read_password(target, &connection->password, error);
    if (status == RHEI_OK)
        status = open_parts(connection, target, &parts, replication, deadline_ns, error);
    connection->api->conninfoFree(given);
    return status;
}

rhei_status postgres_connect(const struct postgres_target *target, bool replication, struct postgres_stop *stop,
                             int64_t deadline_ns, struct postgres_connection **result, struct rhei_error *error)
{
    struct postgres_connection *connection = base_alloc_zero(1, sizeof *connection);
    *result = NULL;
    if (connection == NULL)
        return error_no_memory(error);
    connection->stop = stop;
    rhei_status status = postgres_api_load(&connection->api, error);
    if (status == RHEI_OK)
        status = open_target(connection, target, replication, deadline_ns, error);
    if (status != RHEI_OK) {
        postgres_disconnect(&connection);
        return status;
    }
    *result = connection;
    return RHEI_OK;
}

void postgres_disconnect(struct postgres_connection **slot)
{
    struct postgres_connection *connection = *slot;
    if (connection == NULL)
        return;
    *slot = NULL;
    if (connection->conn != NULL)
        connection->api->finish(connection->conn);
    free_password(connection->password);
    base_free(connection);
}

/* ---- Asking. ----------------------------------------------------------------------------------------------------- */

static rhei_status flush_out(struct postgres_connection *connection, const char *what, int64_t deadline_ns,
                             struct rhei_error *error)
{
    int left;
    while ((left = connection->api->flush(connection->conn)) > 0) {
        rhei_status status = postgres_wait(connection, true, -1, deadline_ns, error);
        if (status != RHEI_OK)
            return status == RHEI_TIMEOUT ? timed_out(what, error) : status;
        if (connection->api->consumeInput(connection->conn) == 0)
            return postgres_fail(connection, what, NULL, error);
    }
    return left == 0 ? RHEI_OK : postgres_fail(connection, what, NULL, error);
}

static rhei_status wait_result(struct postgres_connection *connection, const char *what, int64_t deadline_ns,
                               struct rhei_error *error)
{
    while (connection->api->isBusy(connection->conn)) {
        rhei_status status = postgres_wait(connection, false, -1, deadline_ns, error);
        if (status != RHEI_OK) {
            postgres_cancel(connection);
            return status == RHEI_TIMEOUT ? timed_out(what, error) : status;
        }
        if (connection->api->consumeInput(connection->conn) == 0)
            return postgres_fail(connection, what, NULL, error);
    }
    return RHEI_OK;
}

void postgres_clear(struct postgres_connection *connection, PGresult **result)
{
    if (*result != NULL)
        connection->api->clear(*result);
    *result = NULL;
}

/* What follows the first result: nothing, or another error. */
static rhei_status drain(struct postgres_connection *connection, const char *what, int64_t deadline_ns,
                         struct rhei_error *error)
{
    rhei_status status = RHEI_OK, failed = RHEI_OK;
    PGresult *more = NULL;
    do {
        if (more != NULL && connection->api->resultStatus(more) == PGRES_FATAL_ERROR && failed == RHEI_OK)
            failed = postgres_fail(connection, what, more, error);
        postgres_clear(connection, &more);
        status = wait_result(connection, what, deadline_ns, error);
    } while (status == RHEI_OK && (more = connection->api->getResult(connection->conn)) != NULL);
    return status != RHEI_OK ? status : failed;
}

/* Of a command that was sent, or couldn't be. */
static rhei_status take_result(struct postgres_connection *connection, const char *what, int sent, int64_t deadline_ns,
                               PGresult **result, struct rhei_error *error)
{
    const struct postgres_api *api = connection->api;
    *result = NULL;
    if (sent == 0)
        return postgres_fail(connection, what, NULL, error);
    rhei_status status = flush_out(connection, what, deadline_ns, error);
    if (status == RHEI_OK)
        status = wait_result(connection, what, deadline_ns, error);
    if (status != RHEI_OK)
        return status;
    PGresult *got = api->getResult(connection->conn);
    ExecStatusType kind = got == NULL ? PGRES_FATAL_ERROR : api->resultStatus(got);
    if (kind == PGRES_COPY_OUT || kind == PGRES_COPY_BOTH) {
        *result = got; /* what follows is read by others */
        return RHEI_OK;
    }
    if (kind != PGRES_TUPLES_OK && kind != PGRES_COMMAND_OK)
        status = postgres_fail(connection, what, got, error);
    rhei_status drained = got == NULL ? RHEI_OK : drain(connection, what, deadline_ns, error);
    status = status == RHEI_OK ? drained : status;
    if (status != RHEI_OK)
        postgres_clear(connection, &got);
    *result = got;
    return status;
}

rhei_status postgres_query(struct postgres_connection *connection, const char *what, const char *sql, int count,
                           const char *const *parameters, int64_t deadline_ns, PGresult **result,
                           struct rhei_error *error)
{
    const struct postgres_api *api = connection->api;
    int sent = count == 0 ? api->sendQuery(connection->conn, sql)
                          : api->sendQueryParams(connection->conn, sql, count, NULL, parameters, NULL, NULL, 0);
    return take_result(connection, what, sent, deadline_ns, result, error);
}

rhei_status postgres_prepare(struct postgres_connection *connection, const char *what, const char *name,
                             const char *sql, int count, const uint32_t *types, int64_t deadline_ns,
                             struct rhei_error *error)
{
    PGresult *result = NULL;
    int sent = connection->api->sendPrepare(connection->conn, name, sql, count, types);
    rhei_status status = take_result(connection, what, sent, deadline_ns, &result, error);
    postgres_clear(connection, &result);
    return status;
}

rhei_status postgres_execute(struct postgres_connection *connection, const char *what, const char *name, int count,
                             const char *const *parameters, int64_t deadline_ns, PGresult **result,
                             struct rhei_error *error)
{
    int sent = connection->api->sendQueryPrepared(connection->conn, name, count, parameters, NULL, NULL, 1);
    return take_result(connection, what, sent, deadline_ns, result, error);
}

rhei_status postgres_run(struct postgres_connection *connection, const char *what, const char *sql, int64_t deadline_ns,
                         struct rhei_error *error)
{
    PGresult *result = NULL;
    rhei_status status = postgres_query(connection, what, sql, 0, NULL, deadline_ns, &result, error);
    postgres_clear(connection, &result);
    return status;
}

/* The COPY's own last word. */
static rhei_status copy_ended(struct postgres_connection *connection, const char *what, int64_t deadline_ns,
                              struct rhei_error *error)
{
    rhei_status status = wait_result(connection, what, deadline_ns, error);
    if (status != RHEI_OK)
        return status;
    PGresult *result = connection->api->getResult(connection->conn);
    if (result == NULL || connection->api->resultStatus(result) != PGRES_COMMAND_OK)
        status = postgres_fail(connection, what, result, error);
    postgres_clear(connection, &result);
    rhei_status drained = drain(connection, what, deadline_ns, error);
    return status != RHEI_OK ? status : drained;
}

rhei_status postgres_copy_row(struct postgres_connection *connection, const char *what, char **data, size_t *length,
                              int64_t deadline_ns, struct rhei_error *error)
{
    const struct postgres_api *api = connection->api;
    *data = NULL;
    *length = 0;
    int got;
    while ((got = api->getCopyData(connection->conn, data, 1)) == 0) {
        rhei_status status = postgres_wait(connection, false, -1, deadline_ns, error);
        if (status != RHEI_OK) {
            postgres_cancel(connection);
            return status == RHEI_TIMEOUT ? timed_out(what, error) : status;
        }
        if (api->consumeInput(connection->conn) == 0)
            return postgres_fail(connection, what, NULL, error);
    }
    if (got > 0) {
        *length = (size_t)got;
        return RHEI_OK;
    }
    *data = NULL;
    return got == -1 ? copy_ended(connection, what, deadline_ns, error) : postgres_fail(connection, what, NULL, error);
}

/* ---- Positions, and trying again. -------------------------------------------------------------------------------- */

static const char *parse_half(const char *at, uint64_t *half)
{
    int digits = 0;
    *half = 0;
    for (; digits < 9; digits++, at++) {
        char c = *at;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0)
            break;
        *half = *half << 4 | (uint64_t)digit;
    }
    return digits >= 1 && digits <= 8 ? at : NULL;
}

bool postgres_lsn_parse(const char *text, uint64_t *lsn)
{
    uint64_t high, low;
    const char *slash = parse_half(text, &high);
    const char *end = slash != NULL && *slash == '/' ? parse_half(slash + 1, &low) : NULL;
    if (end == NULL || *end != '\0')
        return false;
    *lsn = high << 32 | low;
    return true;
}

void postgres_lsn_text(uint64_t lsn, char text[POSTGRES_LSN_TEXT])
{
    snprintf(text, POSTGRES_LSN_TEXT, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
}

int64_t postgres_backoff_ms(unsigned failures)
{
    int64_t most = failures > 9 ? 30000 : INT64_C(50) << failures;
    most = most > 30000 ? 30000 : most;
    return most - (int64_t)(base_random_u64() % (uint64_t)(most / 2 + 1));
}
