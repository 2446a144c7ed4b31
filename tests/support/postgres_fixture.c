/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres_fixture.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "PostgreSQL of the test: %s\n", what);
    exit(1);
}

static void take_answer(struct test_server *server)
{
    if (fscanf(server->from, "%d %119s %d", &server->port, server->sockets, &server->pid) != 3)
        die("no server came up (its words are above)");
}

static void run_helper(int version, const char *const *settings, int in, int out)
{
    const char *arguments[40] = {"python3", RHEI_POSTGRES_SERVER, version == 15 ? "15" : "18"};
    for (size_t i = 0; settings && settings[i] && i < 36; i++)
        arguments[3 + i] = settings[i];
    dup2(in, 0);
    dup2(out, 1);
    execvp("python3", (char *const *)arguments);
    _exit(127);
}

struct test_server *test_server_open(int version, const char *const *settings)
{
    struct test_server *server = calloc(1, sizeof *server);
    int in[2], out[2];
    if (!server || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        die("no pipes");
    server->version = version;
    server->helper = fork();
    if (server->helper == 0)
        run_helper(version, settings, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    server->to = fdopen(in[1], "w");
    server->from = fdopen(out[0], "r");
    take_answer(server);
    /* Once: the port stays, and whoever follows the server borrows this text. */
    snprintf(server->conninfo, sizeof server->conninfo, "host=127.0.0.1 port=%d user=postgres dbname=postgres",
             server->port);
    return server;
}

static void leave(struct test_server *server)
{
    if (server->admin)
        PQfinish(server->admin);
    server->admin = NULL;
}

void test_server_close(struct test_server **slot)
{
    struct test_server *server = *slot;
    if (!server)
        return;
    leave(server);
    fclose(server->to); /* at the end of its input it ends the server */
    fclose(server->from);
    waitpid(server->helper, NULL, 0);
    free(server);
    *slot = NULL;
}

struct test_server *test_servers[2];

int test_servers_open(void **state)
{
    (void)state;
    test_servers[0] = test_server_open(15, NULL);
    test_servers[1] = test_server_open(18, NULL);
    return 0;
}

int test_servers_close(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        test_server_close(&test_servers[i]);
    return 0;
}

void test_server_tell(struct test_server *server, const char *command)
{
    if (strncmp(command, "hba", 3) != 0)
        leave(server);
    fprintf(server->to, "%s\n", command);
    fflush(server->to);
    take_answer(server);
}

static const char *run_sql(struct test_server *server, const char *sql)
{
    static char field[4096];
    if (!server->admin)
        server->admin = PQconnectdb(server->conninfo);
    PGresult *result = PQexec(server->admin, sql);
    ExecStatusType kind = PQresultStatus(result);
    if (kind != PGRES_TUPLES_OK && kind != PGRES_COMMAND_OK) {
        fprintf(stderr, "%s\n%s\n", sql, PQerrorMessage(server->admin));
        die("the statement failed");
    }
    bool has = PQntuples(result) > 0 && PQnfields(result) > 0;
    snprintf(field, sizeof field, "%s", has ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return field;
}

const char *test_server_sql(struct test_server *server, const char *format, ...)
{
    char *sql = NULL;
    va_list list;
    va_start(list, format);
    int length = vasprintf(&sql, format, list);
    va_end(list);
    if (length < 0)
        die("no memory");
    const char *field = run_sql(server, sql);
    free(sql);
    return field;
}

void test_server_until(struct test_server *server, const char *query)
{
    for (int tries = 0; tries < 60000; tries++) {
        if (strcmp(run_sql(server, query), "t") == 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fprintf(stderr, "%s\n", query);
    die("that didn't come true within a minute");
}
