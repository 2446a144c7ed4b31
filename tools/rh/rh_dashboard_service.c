/* SPDX-License-Identifier: Apache-2.0 */
/* A running rh serve, asked for its status over the socket beside the file (docs/guide/dashboard.md). Its JSON is read by SQLite. */
#include "rh_dashboard.h"

#include "rh_advice.h"
#include "rh_number.h"
#include "rh_text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, MOST_ANSWER = 64 << 20 };

struct rh_attached {
    struct rh_tool *tool;
    char *folder, *name; /* of the socket */
    int stop, fd;        /* fd -1: not connected */
    bool closed;         /* the last call met the end of the connection, rather than of patience */
    int64_t log_us;      /* the newest line of its log that was taken */
    struct rh_buffer answer;
    size_t body; /* where it begins in the answer */
};

/* ---- The connection ----------------------------------------------------------------------------------------------- */

struct rh_attached *rh_attached_new(struct rh_tool *tool, int stop)
{
    struct rh_attached *service = rh_allocate(sizeof *service);
    struct rh_buffer path = {0};
    *service = (struct rh_attached){.tool = tool, .stop = stop, .fd = -1};
    char *real = rh_tool_ask_info(tool, "$.oltp.path", &path) ? realpath(path.bytes, NULL) : NULL;
    char *slash = real == NULL ? NULL : strrchr(real, '/');
    if (slash != NULL) {
        struct rh_buffer name = {0};
        rh_buffer_format(&name, "%s-serve.sock", slash + 1);
        service->folder = rh_copy_text(real, slash == real ? 1 : (size_t)(slash - real));
        service->name = name.bytes;
    }
    free(real);
    rh_buffer_free(&path);
    return service;
}

static void disconnect(struct rh_attached *service)
{
    if (service->fd >= 0)
        close(service->fd);
    service->fd = -1;
}

void rh_attached_free(struct rh_attached **service)
{
    if (*service == NULL)
        return;
    disconnect(*service);
    free((*service)->folder);
    free((*service)->name);
    rh_buffer_free(&(*service)->answer);
    free(*service);
    *service = NULL;
}

/* By its folder, for an address has no room for a long path. */
bool rh_attached_is_there(struct rh_attached *service)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (service->fd >= 0)
        return true;
    int folder = service->name == NULL ? -1 : open(service->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder, service->name);
    int fd =
        (size_t)length < sizeof address.sun_path ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    close(folder);
    service->fd = fd;
    return fd >= 0;
}

static bool fail(struct rhei_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct rhei_error *error, const char *format, ...)
{
    va_list arguments;
    error->code = RHEI_IO;
    (void)snprintf(error->sqlstate, sizeof error->sqlstate, "58030");
    va_start(arguments, format);
    (void)vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return false;
}

static bool end_connection(struct rh_attached *service, struct rhei_error *error)
{
    service->closed = true;
    return fail(error, "the service is gone");
}

/* Until the socket can be used, or the end is asked for. */
static bool wait_for(struct rh_attached *service, short events, struct rhei_error *error)
{
    struct pollfd fds[] = {{.fd = service->fd, .events = events}, {.fd = service->stop, .events = POLLIN}};
    int ready;
    do
        ready = poll(fds, 2, PATIENCE_MS);
    while (ready < 0 && errno == EINTR);
    if (ready > 0 && fds[1].revents == 0)
        return true;
    return fail(error, "the service doesn't answer");
}

/* Bytes of the body, once the head is whole: -1 none yet. */
static int64_t body_length(struct rh_attached *service)
{
    const char *text = service->answer.bytes, *end = text == NULL ? NULL : strstr(text, "\r\n\r\n");
    if (end == NULL)
        return -1;
    service->body = (size_t)(end - text) + 4;
    for (const char *line = text; line != NULL && line < end; line = strstr(line + 1, "\r\n"))
        if (strncasecmp(line, "\r\nContent-Length:", 17) == 0)
            return strtoll(line + 17, NULL, 10);
    return 0;
}

static bool send_all(struct rh_attached *service, const char *text, struct rhei_error *error)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t sent = send(service->fd, text, left, MSG_NOSIGNAL);
        if (sent > 0) {
            text += sent;
            left -= (size_t)sent;
        } else if (errno == EAGAIN) {
            if (!wait_for(service, POLLOUT, error))
                return false;
        } else if (errno != EINTR) {
            return end_connection(service, error);
        }
    }
    return true;
}

static bool receive(struct rh_attached *service, struct rhei_error *error)
{
    int64_t length = -1;
    rh_buffer_clear(&service->answer);
    while (length < 0 || service->answer.length < service->body + (size_t)length) {
        rh_buffer_reserve(&service->answer, 1 << 16);
        ssize_t got = recv(service->fd, service->answer.bytes + service->answer.length, 1 << 16, 0);
        if (got > 0) {
            service->answer.length += (size_t)got;
            service->answer.bytes[service->answer.length] = '\0';
            length = length < 0 ? body_length(service) : length;
            if (length > MOST_ANSWER || service->answer.length > MOST_ANSWER)
                return fail(error, "what listens at %s/%s is no rh serve", service->folder, service->name);
        } else if (got == 0) {
            return end_connection(service, error);
        } else if (errno == EAGAIN) {
            if (!wait_for(service, POLLIN, error))
                return false;
        } else if (errno != EINTR) {
            return end_connection(service, error);
        }
    }
    return true;
}

static bool ask_once(struct rh_attached *service, const char *request, struct rhei_error *error)
{
    service->closed = false;
    if (!rh_attached_is_there(service))
        return fail(error, "the service is gone");
    if (send_all(service, request, error) && receive(service, error))
        return true;
    disconnect(service);
    return false;
}

/* The reason that the service gives in its own words, if it does. */
static bool check_answer(struct rh_attached *service, struct rhei_error *error)
{
    rhei_rows *rows = NULL;
    const char *status = service->answer.bytes;
    if (strncmp(status, "HTTP/1.1 200", 12) == 0)
        return true;
    (void)fail(error, "the service says %.*s", (int)strcspn(status, "\r\n"), status);
    if (rhei_oltp_query(service->tool->db, "SELECT json_extract(?, '$.error.message')",
                        RHEI_PARAMS(rhei_text(status + service->body)), &rows, NULL) == RHEI_OK &&
        rhei_rows_next(rows, NULL) == RHEI_ROW && rhei_rows_text(rows, 0) != NULL)
        (void)fail(error, "%s", rhei_rows_text(rows, 0));
    rhei_rows_close(&rows);
    return false;
}

/* An idle connection is closed by the service, which is seen when it is used again. */
static bool ask(struct rh_attached *service, const char *request, struct rhei_error *error)
{
    bool kept = service->fd >= 0;
    bool good = ask_once(service, request, error) || (kept && service->closed && ask_once(service, request, error));
    return good && check_answer(service, error);
}

/* ---- Its answers -------------------------------------------------------------------------------------------------- */

struct reading {
    struct rh_attached *service;
    struct dashboard_sample *sample;
    struct dashboard_journal *news;
    int64_t log_us;
};

static double number(rhei_rows *rows, uint32_t column)
{
    return rhei_rows_is_null(rows, column) ? NAN : rhei_rows_double(rows, column);
}

static double seconds(rhei_rows *rows, uint32_t column)
{
    double us = number(rows, column);
    return us < 0 ? NAN : us / 1e6;
}

static void copy(char *to, size_t size, rhei_rows *rows, uint32_t column)
{
    const char *text = rhei_rows_text(rows, column);
    (void)snprintf(to, size, "%s", text == NULL ? "" : text);
}

static void take_metric(struct reading *reading, rhei_rows *rows)
{
    char name[128], labels[256];
    copy(name, sizeof name, rows, 0);
    copy(labels, sizeof labels, rows, 1);
    if (!rhei_rows_is_null(rows, 2))
        dashboard_sample_metric(reading->sample, name, labels, rhei_rows_double(rows, 2));
}

static void take_table(struct reading *reading, rhei_rows *rows)
{
    static const char *const states[] = {"waiting", "building", "ready", "failed", "unmirrored"};
    struct dashboard_sample *sample = reading->sample;
    char state[16];
    sample->tables = rh_reallocate(sample->tables, (sample->table_count + 1) * sizeof *sample->tables);
    struct dashboard_table *table = &sample->tables[sample->table_count++];
    *table = (struct dashboard_table){.rows = number(rows, 2), .rows_expected = number(rows, 4), .bytes = NAN};
    copy(table->name, sizeof table->name, rows, 0);
    copy(state, sizeof state, rows, 1);
    for (int at = 0; at < 5; at++)
        if (strcmp(state, states[at]) == 0)
            table->state = (enum dashboard_state)at;
    if (table->state == DASHBOARD_BUILDING)
        table->rows = number(rows, 3);
    copy(table->message, sizeof table->message, rows, 5);
}

static void take_sidecar(struct reading *reading, rhei_rows *rows)
{
    struct dashboard_sample *sample = reading->sample;
    sample->sidecars = rh_reallocate(sample->sidecars, (sample->sidecar_count + 1) * sizeof *sample->sidecars);
    struct dashboard_sidecar *sidecar = &sample->sidecars[sample->sidecar_count++];
    *sidecar = (struct dashboard_sidecar){.away = rhei_rows_int64(rows, 3) != 0,
                                          .lag_seconds = seconds(rows, 5),
                                          .lag_bytes = NAN,
                                          .tables = number(rows, 6),
                                          .tables_ready = number(rows, 7),
                                          .away_seconds = seconds(rows, 8)};
    copy(sidecar->name, sizeof sidecar->name, rows, 0);
    copy(sidecar->source, sizeof sidecar->source, rows, 1);
    copy(sidecar->mode, sizeof sidecar->mode, rows, 2);
    copy(sidecar->message, sizeof sidecar->message, rows, 4);
}

static struct dashboard_statement *add_first(struct dashboard_statement **list, size_t *count)
{
    *list = rh_reallocate(*list, (*count + 1) * sizeof **list);
    memmove(&(*list)[1], &(*list)[0], (*count)++ * sizeof **list);
    (*list)[0] = (struct dashboard_statement){.seconds = NAN, .rows = NAN};
    return *list;
}

/* What follows a name of the door's log, as in `status=OK ms=4.1 rows=1 sql="SELECT ..."`; NULL: it isn't there. */
static const char *member(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    return at == NULL ? NULL : at + strlen(name);
}

/* A call of a door of the network that gave rows, or was to. */
static void take_call(struct dashboard_sample *sample, const char *door, const char *line, int64_t time_us)
{
    const char *ms = member(line, " ms="), *rows = member(line, " rows="), *sql = member(line, " sql=\"");
    const char *status = member(line, " status=");
    bool failed = status != NULL && strncmp(status, "OK ", 3) != 0;
    if (ms == NULL || sql == NULL || (rows == NULL && !failed))
        return;
    struct dashboard_statement *last = add_first(&sample->last, &sample->last_count);
    last->number = time_us;
    last->seconds = strtod(ms, NULL) / 1e3;
    last->rows = rows == NULL ? NAN : strtod(rows, NULL);
    last->failed = failed;
    last->by_door = true;
    (void)snprintf(last->route, sizeof last->route, "%.15s", door);
    /* of an ingest the log has the table's name alone */
    (void)snprintf(last->text, sizeof last->text, "%s%s",
                   strstr(line, " call=DoPut/CommandStatementIngest ") != NULL ? "ingest into " : "", sql);
    size_t length = strlen(last->text);
    if (length > 0 && last->text[length - 1] == '"')
        last->text[length - 1] = '\0';
}

static void tell_line(struct reading *reading, int64_t time_us, const char *level, const char *room,
                      const char *message)
{
    struct rh_buffer text = {0};
    rh_buffer_format(&text, "%s: %s", room, message);
    dashboard_journal_add_at(reading->news, (time_t)(time_us / 1000000),
                             strcmp(level, "error") == 0  ? DASHBOARD_BAD
                             : strcmp(level, "warn") == 0 ? DASHBOARD_ODD
                                                          : DASHBOARD_USUAL,
                             text.bytes);
    rh_buffer_free(&text);
}

/* Lines of the room "slow" and the usual ones of the doors are statements, of which there are lists; others are news once. */
static void take_line(struct reading *reading, rhei_rows *rows)
{
    struct dashboard_sample *sample = reading->sample;
    int64_t time_us = rhei_rows_int64(rows, 0);
    char level[8], room[32], message[2 * DASHBOARD_LINE];
    copy(level, sizeof level, rows, 1);
    copy(room, sizeof room, rows, 2);
    copy(message, sizeof message, rows, 3);
    bool slow = strcmp(room, "slow") == 0, door = strcmp(room, "flight") == 0 || strcmp(room, "http") == 0;
    bool call = door && strstr(message, " call=") != NULL;
    if (slow) {
        struct dashboard_statement *statement = add_first(&sample->slow, &sample->slow_count);
        statement->number = time_us;
        (void)snprintf(statement->text, sizeof statement->text, "%.*s", DASHBOARD_LINE - 1, message);
    }
    if (call)
        take_call(sample, room, message, time_us);
    if (!slow && !call && time_us > reading->service->log_us)
        tell_line(reading, time_us, level, room, message);
    reading->log_us = time_us > reading->log_us ? time_us : reading->log_us;
}

static void take_rest(struct reading *reading, rhei_rows *rows)
{
    struct dashboard_sample *sample = reading->sample;
    double *values = sample->values;
    values[DASHBOARD_POSITION] = number(rows, 0);
    values[DASHBOARD_LAST_CYCLE_SECONDS] = seconds(rows, 1);
    copy(sample->texts[DASHBOARD_LAST_ERROR], DASHBOARD_LINE, rows, 2);
    copy(sample->texts[DASHBOARD_LOG_MESSAGE], DASHBOARD_LINE, rows, 3);
    copy(sample->texts[DASHBOARD_DISK_MESSAGE], DASHBOARD_LINE, rows, 4);
    dashboard_sample_text(sample, DASHBOARD_SEEN_BY, "the service of process %" PRId64 " on %s",
                          rhei_rows_int64(rows, 5), sample->texts[DASHBOARD_PATH]);
}

static bool each(struct reading *reading, const char *sql, void (*take)(struct reading *reading, rhei_rows *rows),
                 struct rhei_error *error)
{
    const char *json = reading->service->answer.bytes + reading->service->body;
    rhei_rows *rows = NULL;
    rhei_status status = rhei_oltp_query(reading->service->tool->db, sql, RHEI_PARAMS(rhei_text(json)), &rows, error);
    while (status == RHEI_OK || status == RHEI_ROW) {
        status = rhei_rows_next(rows, error);
        if (status == RHEI_ROW)
            take(reading, rows);
    }
    rhei_rows_close(&rows);
    return status == RHEI_DONE;
}

bool rh_attached_take(struct rh_attached *service, struct dashboard_sample *sample, struct dashboard_journal *news,
                      struct rhei_error *error)
{
    struct reading reading = {.service = service, .sample = sample, .news = news};
    if (!ask(service, "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n", error))
        return false;
    rh_dashboard_take_info(service->tool, service->answer.bytes + service->body, "$.info", sample);
    bool good =
        each(&reading, "SELECT value ->> 'name', value ->> 'labels', value ->> 'value' FROM json_each(?, '$.metrics')",
             take_metric, error) &&
        each(&reading,
             "SELECT value ->> 'name', value ->> 'state', value ->> 'rows', value ->> 'rows_built', "
             "value ->> 'rows_expected', value ->> 'message' FROM json_each(?, '$.tables')",
             take_table, error) &&
        each(&reading,
             "SELECT value ->> 'name', value ->> 'source_type', value ->> 'mode', value ->> 'away', "
             "value ->> 'message', value ->> 'lag_us', value ->> 'tables', value ->> 'tables_ready', "
             "value ->> 'away_us' FROM json_each(?, '$.sidecars')",
             take_sidecar, error) &&
        each(&reading,
             "SELECT value ->> 'time_us', value ->> 'level', value ->> 'room', value ->> 'message' "
             "FROM json_each(?, '$.log')",
             take_line, error) &&
        each(&reading,
             "SELECT json_extract(j, '$.sync.position'), json_extract(j, '$.sync.last_cycle_us'), "
             "json_extract(j, '$.sync.last_error'), json_extract(j, '$.sync.log_message'), "
             "json_extract(j, '$.info.disk.message'), json_extract(j, '$.service.pid') FROM (SELECT ? AS j)",
             take_rest, error);
    rh_dashboard_take_table_bytes(service->tool, service->answer.bytes + service->body, "$.info", sample);
    service->log_us = reading.log_us > service->log_us ? reading.log_us : service->log_us;
    sample->can_sync = true;
    return good;
}

bool rh_attached_sync(struct rh_attached *service, struct rh_buffer *text, struct rhei_error *error)
{
    rhei_rows *rows = NULL;
    if (!ask(service, "POST /sync HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", error))
        return false;
    bool good =
        rhei_oltp_query(service->tool->db,
                        "SELECT json_extract(j, '$.events'), json_extract(j, '$.duration_us') FROM (SELECT ? AS j)",
                        RHEI_PARAMS(rhei_text(service->answer.bytes + service->body)), &rows, error) == RHEI_OK &&
        rhei_rows_next(rows, error) == RHEI_ROW;
    if (good) {
        rh_add_count(text, (uint64_t)rhei_rows_int64(rows, 0));
        rh_buffer_add_text(text, rhei_rows_int64(rows, 0) == 1 ? " change in " : " changes in ");
        rh_add_duration(text, rhei_rows_int64(rows, 1));
    }
    rhei_rows_close(&rows);
    return good;
}
