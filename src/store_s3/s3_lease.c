/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One writer at a time, by an object that says who it is. Invariants
 *  L1. The lease is only ever replaced under the ETag it was read with, or created where there is none: of two who want it one gets it.
 *  L2. Each renewal has other bytes, hence another ETag: who read it before a renewal can't take it after that.
 *  L3. Whether another's lease has lapsed is judged by the server's clock alone: its Date minus the object's Last-Modified.
 *  L4. Whether our own needs renewing is judged by whichever of our clocks says so first: the monotonic one stands still while a machine sleeps, and
 *      the wall clock may be set. It counts from before the request that renewed it.
 *  L5. Once another has it, this store writes nothing more.
 *  L6. A holder on this machine since it was started, among the processes that we see, that isn't there any more, has no use for the rest of its time: after a
 *      crash nobody waits.
 * A quarter of the time passes before a renewal, and a request takes less than two thirds of it, so nobody else can have it when one arrives.
 * Sources: C. Gray, D. Cheriton: Leases, SOSP 1989; fencing as in M. Burrows: The Chubby lock service, OSDI 2006.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_log.h"
#include "store_s3/s3_store.h"

#define MARK "RHEI-LEASE 1\n"

enum { LEASE_S = 60, TRIES = 3, GRAIN_S = 1, MACHINE_MAX = 100 };

/* What the object says, and when. */
struct holder {
    bool is_there, is_free;
    char owner[S3_OWNER], host[S3_HOST_MAX], etag[S3_ETAG_MAX];
    char machine[MACHINE_MAX];
    char database[S3_PATH_MAX], database_host[S3_HOST_MAX];
    uint64_t pid, epoch, renewals, seconds;
    int64_t age; /* seconds, by the server's clock; -1: it doesn't say */
};

/* ---- Who we are. ------------------------------------------------------------------------------------------------- */

static void name_host(char host[S3_HOST_MAX])
{
    host[S3_HOST_MAX - 1] = '\0';
    if (gethostname(host, S3_HOST_MAX - 1) != 0 || host[0] == '\0')
        (void)snprintf(host, S3_HOST_MAX, "unknown");
}

/* This run of this machine, and the space that its process numbers are of; "": that can't be told. */
static void name_machine(char machine[MACHINE_MAX])
{
    char boot[40] = "", space[40] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    bool told = file != NULL && fscanf(file, "%39s", boot) == 1;
    if (file != NULL)
        (void)fclose(file);
    told = told && readlink("/proc/self/ns/pid", space, sizeof space - 1) > 0;
    (void)snprintf(machine, MACHINE_MAX, "%s%s%s", told ? boot : "", told ? " " : "", told ? space : "");
}

static bool is_dead(const struct holder *holder)
{
    char machine[MACHINE_MAX];
    name_machine(machine);
    return machine[0] != '\0' && strcmp(machine, holder->machine) == 0 && holder->pid > 0 && holder->pid <= INT32_MAX &&
           kill((pid_t)holder->pid, 0) != 0 && errno == ESRCH;
}

/* ---- Its bytes. -------------------------------------------------------------------------------------------------- */

static void write_lease(const struct s3_lease *lease, bool is_free, struct base_buffer *out)
{
    char host[S3_HOST_MAX], machine[MACHINE_MAX];
    name_machine(machine);
    name_host(host);
    base_buffer_format(out, MARK "state %s\nowner %s\nhost %s\nmachine %s\npid %ld\n", is_free ? "free" : "held",
                       lease->owner, host, machine, (long)getpid());
    base_buffer_format(out, "epoch %" PRIu64 "\nrenewals %" PRIu64 "\nseconds %u\n", lease->epoch, lease->renewals,
                       lease->seconds);
    if (lease->database[0] != '\0')
        base_buffer_format(out, "database %s\ndatabase-host %s\n", lease->database, lease->database_host);
}

static void read_word(const char *text, const char *name, char *word, size_t size)
{
    const char *line = strstr(text, name);
    size_t len = line == NULL ? 0 : strcspn(line + strlen(name), "\n");
    len = len < size ? len : size - 1;
    if (line != NULL)
        memcpy(word, line + strlen(name), len);
    word[len] = '\0';
}

static uint64_t read_count(const char *text, const char *name)
{
    char word[24];
    read_word(text, name, word, sizeof word);
    return strtoull(word, NULL, 10);
}

/* What can't be read is somebody's, for as long as leases are by default. */
static void read_lease(const char *text, struct holder *holder)
{
    char state[8];
    holder->seconds = LEASE_S;
    (void)snprintf(holder->host, sizeof holder->host, "unknown");
    if (text == NULL || strncmp(text, MARK, sizeof MARK - 1) != 0)
        return;
    read_word(text, "\nstate ", state, sizeof state);
    read_word(text, "\nowner ", holder->owner, sizeof holder->owner);
    read_word(text, "\nhost ", holder->host, sizeof holder->host);
    read_word(text, "\nmachine ", holder->machine, sizeof holder->machine);
    read_word(text, "\ndatabase ", holder->database, sizeof holder->database);
    read_word(text, "\ndatabase-host ", holder->database_host, sizeof holder->database_host);
    holder->is_free = strcmp(state, "free") == 0;
    holder->pid = read_count(text, "\npid ");
    holder->epoch = read_count(text, "\nepoch ");
    holder->renewals = read_count(text, "\nrenewals ");
    holder->seconds = read_count(text, "\nseconds ");
    if (holder->seconds == 0 || holder->pid == 0) { /* cut off */
        holder->seconds = LEASE_S;
        holder->is_free = false;
    }
}

void s3_lease_text(const struct store_s3 *store, struct base_buffer *text)
{
    write_lease(&store->lease, false, text);
}

static rhei_status look(struct store_s3 *store, struct holder *holder, struct rhei_error *error)
{
    struct s3_request request = {.method = "GET", .what = "read", .name = S3_LEASE};
    rhei_status status = s3_client_run(store->client, &request, 1, NULL);
    *holder = (struct holder){.age = -1};
    if (status == RHEI_OK) {
        holder->is_there = true;
        read_lease(request.answer.data, holder);
        memcpy(holder->etag, request.etag, sizeof holder->etag);
        if (request.date != 0 && request.modified != 0)
            holder->age = request.date - request.modified;
    }
    bool absent = request.http == 404 && !request.no_bucket;
    s3_request_reset(&request);
    return status == RHEI_OK || absent ? RHEI_OK : s3_request_failed(&request, error);
}

/* ---- Writing it. ------------------------------------------------------------------------------------------------- */

/* `etag` NULL: creates it. *lost: it isn't what it was any more. */
static rhei_status put_lease(struct store_s3 *store, const char *etag, bool is_free, bool *lost,
                             struct rhei_error *error)
{
    struct s3_lease *lease = &store->lease;
    struct base_buffer text = {0};
    int64_t now_ns = base_now_ns(), now_ms = base_wall_ms();
    write_lease(lease, is_free, &text);
    if (text.failed) {
        base_buffer_reset(&text);
        return error_no_memory(error);
    }
    struct s3_request request = {
        .method = "PUT", .what = "write", .name = S3_LEASE, .body = text.data, .body_len = text.len, .last = is_free};
    s3_request_header(&request, etag == NULL ? "if-none-match" : "if-match", etag == NULL ? "*" : etag);
    rhei_status status = s3_client_run(store->client, &request, 1, NULL);
    *lost = request.http == 412 || (etag != NULL && request.http == 404);
    if (status == RHEI_OK && request.etag[0] == '\0')
        status = error_set(&request.error, RHEI_UNSUPPORTED,
                           "the server at %s tells no ETag of what is written, by which "
                           "two writers are told apart",
                           store->site.endpoint);
    if (status == RHEI_OK) {
        memcpy(lease->etag, request.etag, sizeof lease->etag);
        lease->confirmed_ns = now_ns;
        lease->confirmed_ms = now_ms;
        lease->held = !is_free;
    }
    s3_request_reset(&request);
    base_buffer_reset(&text);
    return status == RHEI_OK || *lost ? RHEI_OK : s3_request_failed(&request, error);
}

static void name_owner(char owner[S3_OWNER])
{
    (void)snprintf(owner, S3_OWNER, "%016" PRIx64 "%016" PRIx64, base_random_u64(), base_random_u64());
}

static rhei_status say_held(const struct store_s3 *store, const struct holder *holder, struct rhei_error *error)
{
    int64_t left = (int64_t)holder->seconds + GRAIN_S + 1 - holder->age;
    char who[S3_HOST_MAX + 120], ends[60] = "";
    if (holder->pid == 0 || holder->host[0] == '\0')
        (void)snprintf(who, sizeof who, "\"" S3_LEASE "\" can't be read, which says who writes: somebody may write");
    else
        (void)snprintf(who, sizeof who, "process %" PRIu64 " on %s writes", holder->pid, holder->host);
    if (holder->age >= 0)
        (void)snprintf(ends, sizeof ends, "; if it is gone, its lease ends in %" PRId64 " s", left > 0 ? left : 1);
    return error_set(error, RHEI_BUSY, "%s to \"%s\": close it there first%s", who, store->site.shown, ends);
}

/* Both of the server's times are whole seconds. */
static bool has_lapsed(const struct holder *holder)
{
    return holder->is_free || is_dead(holder) || (holder->age >= 0 && holder->age > (int64_t)holder->seconds + GRAIN_S);
}

rhei_status s3_lease_take(struct store_s3 *store, struct rhei_error *error)
{
    struct s3_lease *lease = &store->lease;
    struct holder holder = {0};
    rhei_status status = RHEI_OK;
    bool lost = true;
    lease->seconds = lease->seconds == 0 ? LEASE_S : lease->seconds;
    name_owner(lease->owner);
    for (int i = 0; status == RHEI_OK && lost && i < TRIES; i++) {
        status = look(store, &holder, error);
        bool ours = status == RHEI_OK && holder.is_there && strcmp(holder.owner, lease->owner) == 0;
        if (status == RHEI_OK && holder.is_there && !ours && !has_lapsed(&holder))
            return say_held(store, &holder, error);
        if (status != RHEI_OK)
            break;
        memcpy(lease->database, holder.database, sizeof lease->database);
        memcpy(lease->database_host, holder.database_host, sizeof lease->database_host);
        lease->epoch = ours ? holder.epoch : holder.epoch + 1;
        lease->renewals = ours ? holder.renewals + 1 : 0;
        status = put_lease(store, holder.is_there ? holder.etag : NULL, false, &lost, error);
    }
    if (status == RHEI_OK && lost)
        return error_set(error, RHEI_BUSY, "another one is just opening \"%s\": try it again", store->site.shown);
    if (status == RHEI_OK && holder.is_there && !holder.is_free)
        base_log_write(store->log, BASE_LOG_WARN, "store_s3",
                       "the lease of \"%s\", which process %" PRIu64 " on %s had, is over: taken", store->site.shown,
                       holder.pid, holder.host);
    s3_fault(store, "store.lease.taken");
    return status;
}

static bool is_fresh(const struct s3_lease *lease)
{
    int64_t limit_ms = (int64_t)lease->seconds * 250, by_wall = base_wall_ms() - lease->confirmed_ms;
    return (base_now_ns() - lease->confirmed_ns) / 1000000 < limit_ms && by_wall < limit_ms && by_wall >= 0;
}

static rhei_status say_fenced(const struct store_s3 *store, const struct holder *holder, struct rhei_error *error)
{
    if (holder == NULL || !holder->is_there)
        return error_set(error, RHEI_BUSY,
                         "the lease of \"%s\" is another's by now: nothing more is written to it; open it again",
                         store->site.shown);
    return error_set(error, RHEI_BUSY,
                     "process %" PRIu64
                     " on %s has taken over \"%s\": nothing more is written to it from here; close it there, "
                     "and open it again",
                     holder->pid, holder->host, store->site.shown);
}

rhei_status s3_lease_confirm(struct store_s3 *store, struct rhei_error *error)
{
    struct s3_lease *lease = &store->lease;
    struct holder holder = {0};
    if (lease->fenced)
        return say_fenced(store, NULL, error);
    if (is_fresh(lease))
        return RHEI_OK;
    bool lost = false;
    lease->renewals++;
    rhei_status status = put_lease(store, lease->etag, false, &lost, error);
    if (status != RHEI_OK || !lost)
        return status;
    /* a renewal whose answer never came is one of ours, too */
    status = look(store, &holder, error);
    if (status == RHEI_OK && holder.is_there && strcmp(holder.owner, lease->owner) == 0) {
        lease->renewals++;
        status = put_lease(store, holder.etag, false, &lost, error);
    }
    if (status != RHEI_OK || !lost)
        return status;
    lease->fenced = true;
    lease->held = false;
    return say_fenced(store, &holder, error);
}

rhei_status s3_lease_read(struct store_s3 *store, struct rhei_error *error)
{
    struct holder holder = {0};
    return look(store, &holder, error);
}

rhei_status s3_lease_look(struct store_s3 *store, struct rhei_error *error)
{
    struct holder holder = {0};
    rhei_status status = look(store, &holder, error);
    return status != RHEI_OK || !holder.is_there || has_lapsed(&holder) ? status : say_held(store, &holder, error);
}

/* ---- Whose the place is. ----------------------------------------------------------------------------------------- */

void s3_lease_owner(struct store_s3 *store, char *path, size_t size, bool *here)
{
    struct holder holder = {0};
    char host[S3_HOST_MAX];
    const char *database = store->lease.database, *on = store->lease.database_host;
    if (store->read_only && look(store, &holder, NULL) == RHEI_OK) {
        database = holder.database;
        on = holder.database_host;
    }
    name_host(host);
    *here = strcmp(on, host) == 0;
    (void)snprintf(path, size, "%s", database);
}

void s3_lease_claim(struct store_s3 *store, const char *path)
{
    struct s3_lease *lease = &store->lease;
    char host[S3_HOST_MAX];
    bool lost = false;
    name_host(host);
    bool same = strcmp(lease->database, path) == 0 && strcmp(lease->database_host, host) == 0;
    if (same || !lease->held || strlen(path) >= sizeof lease->database || strchr(path, '\n') != NULL)
        return;
    (void)snprintf(lease->database, sizeof lease->database, "%s", path);
    (void)snprintf(lease->database_host, sizeof lease->database_host, "%s", host);
    lease->renewals++;
    (void)put_lease(store, lease->etag, false, &lost, NULL);
}

void s3_lease_give_back(struct store_s3 *store, bool remove)
{
    bool lost = false;
    struct s3_request request = {.method = "DELETE", .what = "remove", .name = S3_LEASE, .last = true};
    if (!store->lease.held)
        return;
    if (!remove) {
        store->lease.renewals++;
        (void)put_lease(store, store->lease.etag, true, &lost, NULL);
    } else {
        (void)s3_client_run(store->client, &request, 1, NULL);
        s3_request_reset(&request);
    }
    store->lease.held = false;
}
