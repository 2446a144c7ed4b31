/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_relay.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, SEEN_MAX = 600, SEEN_LEN = 2000 };

struct s3_relay {
    int listener, port, backend;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closing;
    int serving, flying, most, matched;
    struct s3_rule rule;
    int seen_count;
    char (*seen)[SEEN_LEN];
};

struct serving {
    struct s3_relay *relay;
    int socket;
};

struct bytes {
    char *data;
    size_t len, head, room; /* head: with the empty line */
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- Bytes. ------------------------------------------------------------------------------------------------------ */

static bool more(int from, struct bytes *bytes)
{
    if (bytes->room < bytes->len + 65537) {
        bytes->room = 2 * bytes->room + 65537;
        bytes->data = realloc(bytes->data, bytes->room);
    }
    ssize_t got = bytes->data == NULL ? -1 : recv(from, bytes->data + bytes->len, 65536, 0);
    if (got <= 0)
        return false;
    bytes->len += (size_t)got;
    bytes->data[bytes->len] = '\0';
    return true;
}

static bool send_all(int to, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(to, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool read_head(int from, struct bytes *bytes)
{
    char *end = NULL;
    while (end == NULL) {
        if (!more(from, bytes))
            return false;
        end = strstr(bytes->data, "\r\n\r\n");
    }
    bytes->head = (size_t)(end - bytes->data) + 4;
    return true;
}

static bool read_request(int from, struct bytes *bytes)
{
    if (!read_head(from, bytes))
        return false;
    const char *length = strcasestr(bytes->data, "\r\ncontent-length:");
    size_t wanted = bytes->head;
    if (length != NULL && length < bytes->data + bytes->head)
        wanted += strtoul(length + 17, NULL, 10);
    while (bytes->len < wanted)
        if (!more(from, bytes))
            return false;
    return true;
}

static int reach(const struct s3_relay *relay)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)relay->backend)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (to >= 0 && connect(to, (struct sockaddr *)&address, sizeof address) != 0) {
        close(to);
        return -1;
    }
    return to;
}

/* The connection is for one request, so that an answer ends where it does. */
static bool ask(const struct s3_relay *relay, const struct bytes *request, struct bytes *answer)
{
    static const char close_line[] = "Connection: close\r\n";
    int to = reach(relay);
    size_t line = (size_t)(strstr(request->data, "\r\n") - request->data) + 2;
    bool good = to >= 0 && send_all(to, request->data, line) && send_all(to, close_line, sizeof close_line - 1) &&
                send_all(to, request->data + line, request->len - line) && read_head(to, answer);
    while (good && more(to, answer))
        continue;
    if (to >= 0)
        close(to);
    return good;
}

static void strip(struct bytes *request, const char *name)
{
    char *line = strcasestr(request->data, name);
    if (line == NULL || line > request->data + request->head)
        return;
    size_t len = (size_t)(strstr(line, "\r\n") - line) + 2,
           behind = request->len - (size_t)(line - request->data) - len;
    memmove(line, line + len, behind + 1);
    request->len -= len;
    request->head -= len;
}

/* ---- Trouble. ---------------------------------------------------------------------------------------------------- */

static bool is_of(const char *head, const char *method, const char *part)
{
    return (method == NULL || strncmp(head, method, strlen(method)) == 0) &&
           (part == NULL || strstr(head, part) != NULL);
}

static struct s3_rule rule_for(struct s3_relay *relay, const struct bytes *request)
{
    struct s3_rule rule = {0};
    char head[HEAD_MAX];
    snprintf(head, sizeof head, "%.*s", (int)(request->head < sizeof head ? request->head : sizeof head - 1),
             request->data);
    pthread_mutex_lock(&relay->lock);
    snprintf(relay->seen[relay->seen_count++ % SEEN_MAX], SEEN_LEN, "%.*s", SEEN_LEN - 1, head);
    relay->flying++;
    relay->most = relay->flying > relay->most ? relay->flying : relay->most;
    if (relay->rule.trouble != S3_NO_TROUBLE && is_of(head, relay->rule.method, relay->rule.part)) {
        int number = relay->matched++ - relay->rule.skip;
        if (number >= 0 && (relay->rule.count == 0 || number < relay->rule.count))
            rule = relay->rule;
    }
    pthread_mutex_unlock(&relay->lock);
    return rule;
}

static void hang(struct s3_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    while (!relay->closing)
        pthread_cond_wait(&relay->changed, &relay->lock);
    pthread_mutex_unlock(&relay->lock);
}

/* How much of the answer comes. */
static size_t cut_at(const struct bytes *answer, const struct s3_rule *rule)
{
    if (rule->trouble == S3_SHORT)
        return answer->head + (answer->len - answer->head) / 2;
    if (rule->trouble != S3_SHORT_HEAD)
        return answer->len;
    const char *line = rule->text == NULL ? NULL : strcasestr(answer->data, rule->text);
    if (line != NULL && line < answer->data + answer->head)
        return (size_t)(line - answer->data);
    return (size_t)(strstr(answer->data, "\r\n") - answer->data) + 2; /* the status alone */
}

static void flip_answer(struct bytes *answer, const char *text)
{
    char *body = answer->data + answer->head;
    size_t len = answer->len - answer->head;
    char *at = text == NULL ? body + len / 2 : memmem(body, len, text, strlen(text));
    if (at != NULL)
        at[text == NULL ? 0 : strlen(text) - 1] ^= 1;
}

static void pass_on(struct s3_relay *relay, int client, struct bytes *request, const struct s3_rule *rule)
{
    struct bytes answer = {0};
    if (rule->trouble == S3_STRIP)
        strip(request, rule->text);
    if (rule->trouble == S3_FLIP_REQUEST && request->len > request->head)
        request->data[request->head + (request->len - request->head) / 2] ^= 1;
    if (rule->trouble == S3_LATE) {
        long ms = strtol(rule->text, NULL, 10);
        nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    }
    if (ask(relay, request, &answer) && rule->trouble != S3_DEAF) {
        if (rule->trouble == S3_FLIP_ANSWER && answer.len > answer.head)
            flip_answer(&answer, rule->text);
        send_all(client, answer.data, cut_at(&answer, rule));
    }
    free(answer.data);
}

static void *serve(void *argument)
{
    struct serving *serving = argument;
    struct s3_relay *relay = serving->relay;
    struct bytes request = {0};
    if (read_request(serving->socket, &request)) {
        struct s3_rule rule = rule_for(relay, &request);
        if (rule.trouble == S3_HANG)
            hang(relay);
        else if (rule.trouble == S3_ANSWER)
            send_all(serving->socket, rule.text, strlen(rule.text));
        else if (rule.trouble != S3_CUT)
            pass_on(relay, serving->socket, &request, &rule);
        pthread_mutex_lock(&relay->lock);
        relay->flying--;
        pthread_mutex_unlock(&relay->lock);
    }
    shutdown(serving->socket, SHUT_RDWR);
    close(serving->socket);
    free(request.data);
    free(serving);
    pthread_mutex_lock(&relay->lock);
    relay->serving--;
    pthread_cond_broadcast(&relay->changed);
    pthread_mutex_unlock(&relay->lock);
    return NULL;
}

/* ---- All of it. -------------------------------------------------------------------------------------------------- */

static void *accept_all(void *argument)
{
    struct s3_relay *relay = argument;
    for (int client; (client = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        pthread_t thread;
        struct serving *serving = malloc(sizeof *serving);
        if (serving == NULL)
            die("memory");
        *serving = (struct serving){relay, client};
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){30, 0}, sizeof(struct timeval));
        pthread_mutex_lock(&relay->lock);
        relay->serving++;
        pthread_mutex_unlock(&relay->lock);
        if (pthread_create(&thread, NULL, serve, serving) != 0)
            die("thread");
        pthread_detach(thread);
    }
    return NULL;
}

struct s3_relay *s3_relay_open(int port)
{
    struct s3_relay *relay = calloc(1, sizeof *relay);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (relay == NULL || (relay->seen = calloc(SEEN_MAX, SEEN_LEN)) == NULL)
        die("memory");
    relay->backend = port;
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (relay->listener < 0 || bind(relay->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(relay->listener, 64) != 0 || getsockname(relay->listener, (struct sockaddr *)&address, &len) != 0)
        die("relay");
    relay->port = ntohs(address.sin_port);
    pthread_mutex_init(&relay->lock, NULL);
    pthread_cond_init(&relay->changed, NULL);
    if (pthread_create(&relay->thread, NULL, accept_all, relay) != 0)
        die("thread");
    return relay;
}

void s3_relay_close(struct s3_relay **slot)
{
    struct s3_relay *relay = *slot;
    if (relay == NULL)
        return;
    shutdown(relay->listener, SHUT_RDWR);
    pthread_join(relay->thread, NULL);
    close(relay->listener);
    pthread_mutex_lock(&relay->lock);
    relay->closing = true;
    pthread_cond_broadcast(&relay->changed);
    while (relay->serving > 0)
        pthread_cond_wait(&relay->changed, &relay->lock);
    pthread_mutex_unlock(&relay->lock);
    pthread_cond_destroy(&relay->changed);
    pthread_mutex_destroy(&relay->lock);
    free(relay->seen);
    free(relay);
    *slot = NULL;
}

int s3_relay_port(const struct s3_relay *relay)
{
    return relay->port;
}

void s3_relay_rule(struct s3_relay *relay, const struct s3_rule *rule)
{
    pthread_mutex_lock(&relay->lock);
    relay->rule = rule == NULL ? (struct s3_rule){0} : *rule;
    relay->matched = relay->seen_count = relay->most = 0;
    pthread_mutex_unlock(&relay->lock);
}

int s3_relay_seen(struct s3_relay *relay, const char *method, const char *part)
{
    int count = 0;
    pthread_mutex_lock(&relay->lock);
    for (int i = 0; i < relay->seen_count && i < SEEN_MAX; i++)
        count += is_of(relay->seen[i], method, part);
    pthread_mutex_unlock(&relay->lock);
    return count;
}

int s3_relay_most(struct s3_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    int most = relay->most;
    pthread_mutex_unlock(&relay->lock);
    return most;
}
