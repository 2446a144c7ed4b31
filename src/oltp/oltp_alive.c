/* SPDX-License-Identifier: Apache-2.0 */
#include "oltp/oltp_alive.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_checksum.h"
#include "base/base_clock.h"
#include "base/base_invariant.h"

/* From the top: the place, never 0; the process; the low bits of when it began, in ticks since the boot; the handle. */
enum { PLACE_BITS = 20, PROCESS_BITS = 22, BEGAN_BITS = 8, HANDLE_BITS = 13 };
enum { HANDLES = 1 << HANDLE_BITS, WORD_BITS = 64 };
_Static_assert(PLACE_BITS + PROCESS_BITS + BEGAN_BITS + HANDLE_BITS == 63, "a number is above 0");

/* The handles of this process that are open: one bit each. */
static atomic_uint_fast64_t open_handles[HANDLES / WORD_BITS];
static atomic_uint next_handle;

static uint64_t low_bits(uint64_t value, int bits)
{
    return value & ((UINT64_C(1) << bits) - 1);
}

/* What can be read at once of a small file of /proc, as text; false: nothing. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;
    if (fd < 0)
        return false;
    do
        got = read(fd, text, size - 1);
    while (got < 0 && errno == EINTR);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static bool read_name(const char *path, char *text, size_t size)
{
    ssize_t got = readlink(path, text, size - 1);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Where numbers of processes mean what they mean here; 0: it can't be told. */
static uint64_t place(void)
{
    char boot[64], self[32], processes[64], times[64], all[256];
    bool known = read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot) &&
                 read_name("/proc/self", self, sizeof self) && strtol(self, NULL, 10) == (long)getpid() &&
                 read_name("/proc/self/ns/pid", processes, sizeof processes);
    if (!known)
        return 0;
    if (!read_name("/proc/self/ns/time", times, sizeof times)) /* there were none before Linux 5.6 */
        times[0] = '\0';
    int length = snprintf(all, sizeof all, "%s %s %s", boot, processes, times);
    uint64_t hash = low_bits(base_checksum(all, (size_t)length), PLACE_BITS);
    return hash == 0 ? 1 : hash;
}

/* When the process began; false: it can't be told, or (*ended) it has ended, though its number may still be taken. */
static bool began(long process, uint64_t *ticks, bool *ended)
{
    enum { STATE = 3 /* behind the name in brackets */, THREADS = 20, BEGAN = 22 };
    long threads = 0;
    char path[48], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", process);
    *ended = false;
    if (!read_text(path, text, sizeof text))
        return false;
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ')
        return false;
    at += 2;
    bool dead = *at == 'Z' || *at == 'X'; /* its first thread, at least */
    for (int field = STATE; field < BEGAN && at != NULL; field++) {
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
        threads = at != NULL && field + 1 == THREADS ? strtol(at, NULL, 10) : threads;
    }
    *ticks = at == NULL ? 0 : strtoull(at, NULL, 10);
    *ended = at != NULL && dead && threads <= 1;
    return at != NULL && !*ended;
}

static uint64_t number_of(uint64_t where, uint64_t process, uint64_t ticks)
{
    return ((where << PROCESS_BITS | process) << BEGAN_BITS | low_bits(ticks, BEGAN_BITS)) << HANDLE_BITS;
}

/* One that isn't taken; HANDLES: all are. */
static unsigned take_handle(void)
{
    unsigned from = atomic_fetch_add(&next_handle, 1);
    for (unsigned i = 0; i < HANDLES; i++) {
        unsigned handle = (from + i) % HANDLES;
        uint64_t bit = UINT64_C(1) << handle % WORD_BITS;
        if ((atomic_fetch_or(&open_handles[handle / WORD_BITS], bit) & bit) == 0)
            return handle;
    }
    return HANDLES;
}

int64_t oltp_alive_new(void)
{
    uint64_t ticks = 0, where = place(), process = (uint64_t)getpid();
    bool ended;
    bool known = where != 0 && process >> PROCESS_BITS == 0 && began((long)process, &ticks, &ended);
    unsigned handle = known ? take_handle() : HANDLES;
    if (handle == HANDLES) /* of no place, so nobody takes it for gone */
        return (int64_t)low_bits(base_random_u64(), 63 - PLACE_BITS) + 1;
    int64_t number = (int64_t)(number_of(where, process, ticks) | handle);
    BASE_INVARIANT(number > 0 && !oltp_alive_is_gone(number));
    return number;
}

static bool is_ours(int64_t number)
{
    uint64_t ticks = 0, where = place(), process = (uint64_t)getpid();
    bool ended;
    return number > 0 && where != 0 && began((long)process, &ticks, &ended) &&
           (uint64_t)number >> HANDLE_BITS == number_of(where, process, ticks) >> HANDLE_BITS;
}

void oltp_alive_drop(int64_t number)
{
    unsigned handle = (unsigned)low_bits((uint64_t)number, HANDLE_BITS);
    if (is_ours(number))
        atomic_fetch_and(&open_handles[handle / WORD_BITS], ~(UINT64_C(1) << handle % WORD_BITS));
}

long oltp_alive_process(int64_t number)
{
    uint64_t value = (uint64_t)number, where = place();
    bool here = number > 0 && where != 0 && value >> (63 - PLACE_BITS) == where;
    return here ? (long)low_bits(value >> (HANDLE_BITS + BEGAN_BITS), PROCESS_BITS) : 0;
}

bool oltp_alive_is_gone(int64_t number)
{
    if (number <= 0)
        return false;
    uint64_t value = (uint64_t)number, ticks = 0, where = place();
    uint64_t process = low_bits(value >> (HANDLE_BITS + BEGAN_BITS), PROCESS_BITS);
    bool ended = false;
    if (where == 0 || value >> (63 - PLACE_BITS) != where || process == 0)
        return false;
    if (kill((pid_t)process, 0) != 0 && errno == ESRCH)
        return true;
    if (!began((long)process, &ticks, &ended))
        return ended;
    if (low_bits(ticks, BEGAN_BITS) != low_bits(value >> HANDLE_BITS, BEGAN_BITS)) /* another one has its number */
        return true;
    unsigned handle = (unsigned)low_bits(value, HANDLE_BITS);
    uint64_t bit = UINT64_C(1) << handle % WORD_BITS;
    return process == (uint64_t)getpid() && (atomic_load(&open_handles[handle / WORD_BITS]) & bit) == 0;
}

static void run_gone(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_int(context, oltp_alive_is_gone(sqlite3_value_int64(values[0])));
}

static void run_process(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    long process = oltp_alive_process(sqlite3_value_int64(values[0]));
    if (process > 0)
        sqlite3_result_int64(context, process);
}

int oltp_alive_register(sqlite3 *db)
{
    int rc = sqlite3_create_function_v2(db, "_rhei_process", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, run_process,
                                        NULL, NULL, NULL);
    return rc != SQLITE_OK ? rc
                           : sqlite3_create_function_v2(db, "_rhei_gone", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
                                                        run_gone, NULL, NULL, NULL);
}
