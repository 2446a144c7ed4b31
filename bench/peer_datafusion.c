/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_datafusion.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_report.h"

struct peer_datafusion {
    pid_t child;
    FILE *to, *from; /* it ends with `to` */
};

/* A Python with pyarrow, and the folders of the pinned packages as its path; false: they can't be had. */
static bool find_python(char *python, size_t python_size, char *path, size_t path_size)
{
    FILE *pipe = popen(RHEI_ROOT "/scripts/venv.sh && " RHEI_ROOT "/scripts/fetch.sh --paths datafusion", "r");
    bool found = pipe != NULL && fgets(python, (int)python_size, pipe) != NULL;
    char line[400];
    size_t length = 0;
    while (found && fgets(line, sizeof line, pipe) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (length + strlen(line) + 2 < path_size)
            length += (size_t)snprintf(path + length, path_size - length, "%s%s", length > 0 ? ":" : "", line);
    }
    python[strcspn(python, "\n")] = '\0';
    return pipe != NULL && pclose(pipe) == 0 && found && length > 0;
}

static void run_python(const char *python, const char *path, int threads, int in, int out)
{
    char number[16];
    snprintf(number, sizeof number, "%d", threads);
    dup2(in, 0);
    dup2(out, 1);
    setenv("PYTHONPATH", path, 1);
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    execl(python, python, RHEI_ROOT "/bench/peer_datafusion.py", number, (char *)NULL);
    _exit(127);
}

struct peer_datafusion *peer_datafusion_open(int threads)
{
    static char python[400], path[2000];
    struct peer_datafusion *peer = calloc(1, sizeof *peer);
    int in[2], out[2];
    if (peer == NULL || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        bench_die("DataFusion", "there are no pipes");
    if (!find_python(python, sizeof python, path, sizeof path)) {
        bench_say("DataFusion's own tables are left out: its package can't be fetched (what pip said is above)");
        free(peer);
        return NULL;
    }
    peer->child = fork();
    if (peer->child == 0)
        run_python(python, path, threads, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    peer->to = fdopen(in[1], "w");
    peer->from = fdopen(out[0], "r");
    return peer;
}

/* Its answer, in `line`. */
static void request(struct peer_datafusion *peer, char *line, size_t size, const char *what, const char *first,
                    const char *second)
{
    fprintf(peer->to, "%s %s%s%s\n", what, first, *second != '\0' ? " " : "", second);
    fflush(peer->to);
    if (fgets(line, (int)size, peer->from) == NULL)
        bench_die(first, "DataFusion's own tables: it ended");
}

void peer_datafusion_load(struct peer_datafusion *peer, const char *table, const char *path)
{
    char line[100];
    request(peer, line, sizeof line, "load", table, path);
}

double peer_datafusion_run(struct peer_datafusion *peer, const char *sql, uint64_t *rows)
{
    char line[100];
    unsigned long long ns = 0, count = 0;
    request(peer, line, sizeof line, "run", sql, "");
    if (sscanf(line, "%llu %llu", &ns, &count) != 2)
        bench_die(sql, line);
    *rows = count;
    return (double)ns / 1e9;
}

void peer_datafusion_close(struct peer_datafusion **slot)
{
    struct peer_datafusion *peer = *slot;
    if (peer == NULL)
        return;
    *slot = NULL;
    fclose(peer->to);
    fclose(peer->from);
    waitpid(peer->child, NULL, 0);
    free(peer);
}
