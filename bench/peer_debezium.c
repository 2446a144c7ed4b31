/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_debezium.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_report.h"

struct peer_debezium {
    pid_t child;
    int to; /* it ends with this */
    FILE *from;
};

/* The folders of the pinned jars, as a class path; false: they can't be had. */
static bool class_path(char *path, size_t size)
{
    FILE *pipe = popen(RHEI_ROOT "/scripts/fetch.sh --paths tests && " RHEI_ROOT "/scripts/fetch.sh --paths peer", "r");
    char line[400];
    size_t length = 0;
    while (pipe != NULL && fgets(line, sizeof line, pipe) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (length + strlen(line) + 4 < size)
            length += (size_t)snprintf(path + length, size - length, "%s/*:", line);
    }
    return pipe != NULL && pclose(pipe) == 0 && length > 0;
}

static void run_java(const char *path, const char *port, const char *tables, int in, int out)
{
    int silent = open("/dev/null", O_WRONLY);
    dup2(in, 0);
    dup2(out, 1);
    if (getenv("RHEI_BENCH_ALL") == NULL)
        dup2(silent, 2);
    execlp("java", "java", "-Xmx1g", "-cp", path, RHEI_ROOT "/bench/peer_debezium/DebeziumPeer.java", port, tables,
           (char *)NULL);
    _exit(127);
}

static bool ended(const struct peer_debezium *peer)
{
    return waitpid(peer->child, NULL, WNOHANG) != 0;
}

/* Until it follows: up to two minutes, in which it is translated, too. */
static bool follows(const struct peer_debezium *peer, struct test_server *server)
{
    for (int tries = 0; tries < 1200 && !ended(peer); tries++) {
        if (atoi(test_server_sql(server, "SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name ="
                                         " 'debezium_peer'")) == 1)
            return true;
        usleep(100000);
    }
    return false;
}

struct peer_debezium *peer_debezium_open(struct test_server *server, const char *tables)
{
    static char path[16384];
    char port[16];
    struct peer_debezium *peer = calloc(1, sizeof *peer);
    int in[2], out[2];
    if (peer == NULL || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        bench_die("Debezium", "there are no pipes");
    if (!class_path(path, sizeof path)) {
        bench_say("Debezium is left out: its jars can't be fetched (what Maven said is above)");
        free(peer);
        return NULL;
    }
    snprintf(port, sizeof port, "%d", server->port);
    peer->child = fork();
    if (peer->child == 0)
        run_java(path, port, tables, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    peer->to = in[1];
    peer->from = fdopen(out[0], "r");
    if (follows(peer, server))
        return peer;
    bench_say("Debezium is left out: it didn't come to follow the server (java of 17 or later; RHEI_BENCH_ALL=1 shows "
              "its words)");
    peer_debezium_close(&peer);
    return NULL;
}

double peer_debezium_await(struct peer_debezium *peer, int64_t n)
{
    long long seen = 0, at_ns = 0, records = 0;
    while (seen < n)
        if (fscanf(peer->from, "%lld %lld %lld", &seen, &at_ns, &records) != 3)
            bench_die("Debezium", "it ended");
    return (double)at_ns / 1e9;
}

void peer_debezium_close(struct peer_debezium **slot)
{
    struct peer_debezium *peer = *slot;
    if (peer == NULL)
        return;
    *slot = NULL;
    close(peer->to);
    fclose(peer->from);
    waitpid(peer->child, NULL, 0);
    free(peer);
}
