/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_postgres.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_report.h"

#define PROGRAMS "/usr/lib/postgresql/15/bin/"

enum { COPIES_MOST = 8 };

struct test_server *peer_server_open(void)
{
    static const char *const settings[] = {"shared_buffers=256MB", "wal_sender_timeout=0", "max_wal_size=4GB", NULL};
    if (access(PROGRAMS "postgres", X_OK) == 0 && access(PROGRAMS "pgbench", X_OK) == 0)
        return test_server_open(15, settings);
    bench_say("the figures of PostgreSQL are left out: there is no " PROGRAMS
              "postgres (apt-get install postgresql, or ./dev setup tests)");
    return NULL;
}

struct copy {
    const char *conninfo;
    char sql[200];
};

static void *copy_main(void *argument)
{
    const struct copy *copy = argument;
    PGconn *connection = PQconnectdb(copy->conninfo);
    PGresult *result = PQexec(connection, copy->sql);
    if (PQresultStatus(result) != PGRES_COPY_OUT)
        bench_die("COPY", PQerrorMessage(connection));
    PQclear(result);
    char *row = NULL;
    while (PQgetCopyData(connection, &row, 0) > 0)
        PQfreemem(row);
    PQfinish(connection);
    return NULL;
}

double peer_copy(struct test_server *server, const char *table, int connections)
{
    struct copy copies[COPIES_MOST];
    pthread_t threads[COPIES_MOST];
    long long pages =
        atoll(test_server_sql(server, "SELECT pg_relation_size('%s') / current_setting('block_size')::int", table));
    double start = bench_now_s();
    for (int i = 0; i < connections; i++) {
        copies[i].conninfo = server->conninfo;
        snprintf(copies[i].sql, sizeof copies[i].sql,
                 "COPY (SELECT * FROM %s WHERE ctid >= '(%lld,0)' AND ctid < '(%lld,0)') TO STDOUT (FORMAT binary)",
                 table, pages * i / connections, pages * (i + 1) / connections);
        if (pthread_create(&threads[i], NULL, copy_main, &copies[i]) != 0)
            bench_die("COPY", "there is no thread for it");
    }
    for (int i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    return bench_now_s() - start;
}

/* ---- Who writes. ------------------------------------------------------------------------------------------------- */

static pid_t run_pgbench(struct test_server *server, const char *const *arguments)
{
    char port[16];
    const char *all[24] = {PROGRAMS "pgbench", "-h", "127.0.0.1", "-U", "postgres", "-p", port};
    size_t count = 7;
    snprintf(port, sizeof port, "%d", server->port);
    while (*arguments != NULL && count < 22)
        all[count++] = *arguments++;
    all[count++] = "postgres";
    pid_t child = fork();
    if (child != 0)
        return child;
    if (freopen("/dev/null", "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL)
        execv(all[0], (char *const *)all);
    _exit(127);
}

void peer_load_prepare(struct test_server *server, int scale)
{
    char text[16];
    int status = 0;
    snprintf(text, sizeof text, "%d", scale);
    waitpid(run_pgbench(server, (const char *const[]){"-i", "-q", "-s", text, NULL}), &status, 0);
    if (status != 0)
        bench_die("pgbench", "could not make its tables");
}

pid_t peer_load_begin(struct test_server *server, int rate)
{
    char text[16];
    snprintf(text, sizeof text, "%d", rate);
    return run_pgbench(server, (const char *const[]){"-n", "-c", "4", "-T", "3600", "-R", text, NULL});
}

void peer_load_end(pid_t load)
{
    kill(load, SIGTERM);
    waitpid(load, NULL, 0);
}

/* ---- Who is told. ------------------------------------------------------------------------------------------------ */

pid_t peer_sender_hold(struct test_server *server, bool debezium)
{
    int pid = atoi(test_server_sql(server,
                                   "SELECT active_pid FROM pg_replication_slots"
                                   " WHERE active AND (slot_name = 'debezium_peer') = %s",
                                   debezium ? "true" : "false"));
    if (pid <= 1 || kill(pid, SIGSTOP) != 0)
        bench_die("the server's sender", "it can't be stopped");
    return pid;
}

void peer_sender_release(pid_t sender)
{
    if (kill(sender, SIGCONT) != 0)
        bench_die("the server's sender", "it is gone");
}
