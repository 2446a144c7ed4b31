/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "S3 server of the test: %s\n", what);
    exit(1);
}

static void run_helper(const char *kind, const char *port, const char *folder, int in, int out)
{
    const char *arguments[] = {"python3", RHEI_S3_SERVER, kind, port, folder, NULL};
    dup2(in, 0);
    dup2(out, 1);
    execvp("python3", (char *const *)arguments);
    _exit(127);
}

static void take_answer(struct s3_server *server)
{
    char line[400] = "";
    if (fgets(line, sizeof line, server->from) == NULL)
        die("none came up (its words are above)");
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "ok %d %79s %79s", &server->port, server->key, server->secret) == 3)
        return;
    if (strncmp(line, "missing ", 8) != 0)
        die(line);
    snprintf(server->missing, sizeof server->missing, "%.299s", line + 8);
    printf("# skipped: %s\n", server->missing);
}

struct s3_server *s3_server_open(const char *kind, const char *port, const char *folder)
{
    struct s3_server *server = calloc(1, sizeof *server);
    int in[2], out[2];
    if (server == NULL || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        die("no pipes");
    server->helper = fork();
    if (server->helper == 0)
        run_helper(kind, port, folder, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    server->to = fdopen(in[1], "w");
    server->from = fdopen(out[0], "r");
    take_answer(server);
    return server;
}

void s3_server_close(struct s3_server **slot)
{
    struct s3_server *server = *slot;
    if (server == NULL)
        return;
    fclose(server->to); /* at the end of its input it ends the server */
    fclose(server->from);
    waitpid(server->helper, NULL, 0);
    free(server);
    *slot = NULL;
}

void s3_server_point(const struct s3_server *server)
{
    static const char *const others[] = {"AWS_SESSION_TOKEN",   "AWS_REGION",       "AWS_DEFAULT_REGION",
                                         "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE",
                                         "AWS_CA_BUNDLE",       "http_proxy",       "https_proxy",
                                         "all_proxy",           "HTTPS_PROXY",      "ALL_PROXY"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        unsetenv(others[i]);
    setenv("AWS_ACCESS_KEY_ID", server->key, 1);
    setenv("AWS_SECRET_ACCESS_KEY", server->secret, 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
}
