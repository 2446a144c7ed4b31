/* SPDX-License-Identifier: Apache-2.0 */
/* What only a buffer on a disk goes through: long commits, crashes, a full disk, damage, and other people's folders. */
#include "buffer_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_error.h"

/* How often bytes were made durable. They stand in the C library's place, for RocksDB too: meson.build exports them. */
static _Atomic int synced;

__attribute__((visibility("default"))) int fsync(int file)
{
    synced++;
    return (int)syscall(SYS_fsync, file);
}

__attribute__((visibility("default"))) int fdatasync(int file)
{
    synced++;
    return (int)syscall(SYS_fdatasync, file);
}

static struct change_buffer_state state_of(struct change_buffer *buffer)
{
    struct change_buffer_state state;
    buffer->ops->state(buffer, &state);
    return state;
}

static rhei_status try_open(const struct rocksdb_buffer_config *config, struct rhei_error *error)
{
    struct change_buffer *buffer = NULL;
    error_clear(error);
    rhei_status status = rocksdb_buffer_open(config, &buffer, error);
    assert_int_equal(status == RHEI_OK, buffer != NULL);
    if (buffer != NULL)
        buffer->ops->close(&buffer);
    return status;
}

/* The log in SQLite forgets what a commit has, so it survives a power cut; its parts needn't before. */
static void test_a2_a_commit_is_durable_when_its_append_returns(void **unused)
{
    (void)unused;
    const char *folder = fixture_folder();
    struct change_buffer *buffer = fixture_open(folder);
    fixture_append_rows(buffer, 1, 10, 10, 5);
    for (int i = 2; i < 6; i++) {
        struct change_event rows = fixture_rows(1, i * 10 - 9, 10, 5), commit = fixture_commit(i * 10);
        fixture_append(buffer, &rows);
        int before = synced;
        fixture_append(buffer, &commit);
        assert_true(synced > before);
    }
    buffer->ops->close(&buffer);
    fixture_remove(folder);
}

/* A commit longer than a call's rows comes in parts, and its COMMIT last. */
static void test_a_long_commit_is_read_in_parts(void **unused)
{
    (void)unused;
    const char *folder = fixture_folder();
    struct change_buffer *buffer = fixture_open(folder);
    for (int i = 0; i < 40; i++) {
        struct change_event rows = fixture_rows(1, 1 + i * 500, 500, 200);
        fixture_append(buffer, &rows);
    }
    struct change_event commit = fixture_commit(20000);
    fixture_append(buffer, &commit);
    fixture_append_rows(buffer, 1, 20010, 10, 5);
    struct change_reader *reader = fixture_reader(buffer);
    struct change_cursor cursor = {0};
    int64_t next = 1, commits = 0;
    size_t calls = 0, most = 0;
    for (;; calls++) {
        const struct change_event *events = NULL;
        size_t count = 0, rows = 0;
        assert_int_equal(buffer->ops->read(reader, &cursor, 2, 1000, &events, &count, NULL), RHEI_OK);
        if (count == 0)
            break;
        for (size_t e = 0; e < count; e++) {
            commits += events[e].kind == CHANGE_EVENT_COMMIT;
            for (size_t i = 0; events[e].kind == CHANGE_EVENT_ROWS && i < events[e].rows->row_count; i++, rows++) {
                assert_int_equal(events[e].rows->seq[i], next++);
                assert_int_equal(events[e].rows->time_us[i], events[e].rows->seq[i] * 1000);
            }
        }
        most = rows > most ? rows : most;
    }
    assert_int_equal(next, 20011);
    assert_int_equal(commits, 2);
    assert_true(calls > 5 && most < 5000);
    buffer->ops->reader_close(&reader);
    buffer->ops->close(&buffer);
    fixture_remove(folder);
}

/* ---- Folders. ---------------------------------------------------------------------------------------------------- */

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_a_folder_is_one_handles(void **unused)
{
    (void)unused;
    struct rhei_error error = RHEI_ERROR_INIT;
    const char *folder = fixture_folder();
    struct rocksdb_buffer_config config = fixture_config(folder);
    char name[32];
    struct change_buffer *buffer = fixture_open(folder);
    assert_int_equal(try_open(&config, &error), RHEI_BUSY);
    assert_non_null(strstr(error.message, folder));
    assert_int_equal(rocksdb_buffer_set_aside(&config, name, sizeof name, &error), RHEI_BUSY);
    buffer->ops->close(&buffer);
    assert_int_equal(try_open(&config, &error), RHEI_OK);
    fixture_remove(folder);
}

static void test_a10_what_is_somebody_elses_is_left_alone(void **unused)
{
    (void)unused;
    struct rhei_error error = RHEI_ERROR_INIT;
    const char *folder = fixture_folder();
    struct rocksdb_buffer_config config = fixture_config(folder);
    write_file(folder, "letters.txt", "mine");
    assert_int_equal(try_open(&config, &error), RHEI_INVALID);
    assert_non_null(strstr(error.message, "other things"));
    char path[256];
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    char why[256];
    assert_int_equal(rocksdb_buffer_peek(&config, why, sizeof why), 0);
    assert_non_null(strstr(why, "other things"));
    assert_int_not_equal(access(path, F_OK), 0); /* nothing was made in it */
    write_file(folder, "identity", "something else of that name\n");
    assert_int_equal(try_open(&config, &error), RHEI_INVALID);
    write_file(folder, "identity", "rhei change buffer 99\nfile x\nbuffer 0\n");
    assert_int_equal(try_open(&config, &error), RHEI_TOO_NEW);
    assert_int_equal(rocksdb_buffer_peek(&config, why, sizeof why), 0);
    assert_non_null(strstr(why, "newer version"));
    fixture_remove(folder);

    folder = fixture_folder();
    config = fixture_config(folder);
    struct change_buffer *buffer = fixture_open(folder);
    fixture_append_rows(buffer, 1, 10, 10, 5);
    buffer->ops->close(&buffer);
    assert_true(rocksdb_buffer_peek(&config, why, sizeof why) > 0);
    assert_string_equal(why, "");
    config.file = "another file";
    assert_int_equal(rocksdb_buffer_peek(&config, why, sizeof why), 0);
    assert_non_null(strstr(why, "another database"));
    assert_int_equal(try_open(&config, &error), RHEI_EXISTS);
    assert_non_null(strstr(error.message, "another database"));
    buffer = fixture_open(folder);
    assert_int_equal(state_of(buffer).position, 10);
    buffer->ops->close(&buffer);
    fixture_remove(folder);

    config.folder = "/proc/rhei/buffer";
    assert_int_equal(rocksdb_buffer_peek(&config, why, sizeof why), 0);
    assert_string_equal(why, "there is no such folder yet");
    assert_true(try_open(&config, &error) != RHEI_OK);
}

static size_t read_identity(const char *folder, char *text, size_t size)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/identity", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, size - 1, file);
    assert_int_equal(fclose(file), 0);
    text[len] = '\0';
    return len;
}

/* Whatever became of its bytes, the folder is refused as damaged, with what to do, and what is in it stays; but for a cut that leaves all but the check. */
static void test_a10_a_damaged_identity_is_told_as_damage(void **unused)
{
    (void)unused;
    struct rhei_error error = RHEI_ERROR_INIT;
    const char *folder = fixture_folder();
    struct rocksdb_buffer_config config = fixture_config(folder);
    struct change_buffer *buffer = fixture_open(folder);
    uint64_t id = rocksdb_buffer_id(buffer);
    char whole[256], text[256], why[512];
    fixture_append_rows(buffer, 1, 10, 10, 5);
    buffer->ops->close(&buffer);
    size_t len = read_identity(folder, whole, sizeof whole), lines = (size_t)(strstr(whole, "check ") - whole);
    for (size_t at = 0; at < len; at++) {
        memcpy(text, whole, len + 1);
        text[at] = (char)(text[at] ^ (1 << (at % 7)));
        write_file(folder, "identity", text);
        assert_int_equal(try_open(&config, &error), RHEI_INVALID);
        assert_non_null(strstr(error.message, "is damaged: the file \"identity\""));
        assert_int_equal(rocksdb_buffer_peek(&config, why, sizeof why), 0);
        assert_non_null(strstr(why, "is damaged"));
    }
    for (size_t at = 0; at < len; at++) {
        memcpy(text, whole, len + 1);
        text[at] = '\0';
        write_file(folder, "identity", text);
        bool readable = at == lines; /* as older programs wrote it */
        assert_int_equal(try_open(&config, &error), readable ? RHEI_OK : RHEI_INVALID);
        assert_true(readable || strstr(error.message, "is damaged") != NULL);
    }
    write_file(folder, "identity", whole);
    buffer = fixture_open(folder);
    assert_int_equal(rocksdb_buffer_id(buffer), id);
    assert_int_equal(state_of(buffer).position, 10);
    buffer->ops->close(&buffer);
    char path[256];
    (void)snprintf(path, sizeof path, "%s/identity", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_open(&config, &error), RHEI_INVALID);
    assert_non_null(strstr(error.message, "is damaged"));
    fixture_remove(folder);
}

static void test_a_buffer_set_aside_begins_anew_with_another_number(void **unused)
{
    (void)unused;
    struct rhei_error error = RHEI_ERROR_INIT;
    const char *folder = fixture_folder();
    struct rocksdb_buffer_config config = fixture_config(folder);
    uint64_t id = 0;
    for (int i = 1; i <= 2; i++) {
        char name[32] = "", wanted[32], path[256];
        struct change_buffer *buffer = fixture_open(folder);
        assert_int_equal(state_of(buffer).last, 0);
        assert_int_not_equal(rocksdb_buffer_id(buffer), id);
        id = rocksdb_buffer_id(buffer);
        fixture_append_rows(buffer, 1, 10, 10, 5);
        buffer->ops->close(&buffer);
        assert_int_equal(rocksdb_buffer_set_aside(&config, name, sizeof name, &error), RHEI_OK);
        (void)snprintf(wanted, sizeof wanted, "aside-%d", i);
        assert_string_equal(name, wanted);
        (void)snprintf(path, sizeof path, "%s/%s/CURRENT", folder, name);
        assert_int_equal(access(path, F_OK), 0);
    }
    struct change_buffer *buffer = fixture_open(folder);
    id = rocksdb_buffer_id(buffer);
    assert_int_equal(rocksdb_buffer_renew(buffer, "this file", &error), RHEI_OK);
    assert_int_not_equal(rocksdb_buffer_id(buffer), id);
    buffer->ops->close(&buffer);
    fixture_remove(folder);
}

/* ---- In processes of their own. ---------------------------------------------------------------------------------- */

static void without_library(const char *folder, int argument);
static void write_and_die(const char *folder, int argument);
static void fill_the_disk(const char *folder, int argument);
static void read_damaged(const char *folder, int argument);

static const struct child_run {
    const char *name;
    void (*run)(const char *folder, int argument);
} RUNS[] = {{"without_library", without_library},
            {"write_and_die", write_and_die},
            {"fill_the_disk", fill_the_disk},
            {"read_damaged", read_damaged}};

/*
 * Runs it in this program begun anew, as the library's threads, which stay in this process, wouldn't come along with a fork alone. Returns how it
 * ended, as waitpid says.
 */
static int in_child(const char *name, const char *folder, int argument)
{
    char number[16];
    int status = 0;
    (void)snprintf(number, sizeof number, "%d", argument);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl("/proc/self/exe", "test_rocksdb_buffer", name, folder, number, (char *)NULL);
        _exit(9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int run_as_child(const char *name, const char *folder, const char *argument)
{
    for (size_t i = 0; i < sizeof RUNS / sizeof *RUNS; i++) {
        if (strcmp(RUNS[i].name, name) != 0)
            continue;
        RUNS[i].run(folder, atoi(argument));
        return 0;
    }
    return 8;
}

static void die(int code)
{
    if (code != 0)
        _exit(code);
}

static struct change_buffer *child_open(const struct rocksdb_buffer_config *config)
{
    struct change_buffer *buffer = NULL;
    if (rocksdb_buffer_open(config, &buffer, NULL) != RHEI_OK)
        _exit(10);
    return buffer;
}

static void without_library(const char *folder, int argument)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rocksdb_buffer_config config = fixture_config(folder);
    struct change_buffer *buffer = NULL;
    (void)argument;
    setenv("RHEI_ROCKSDB", "/nowhere/librocksdb.so", 1);
    die(rocksdb_buffer_open(&config, &buffer, &error) == RHEI_UNSUPPORTED ? 0 : 1);
    die(buffer == NULL && strstr(error.message, "rocksdb_cdc_path") != NULL ? 0 : 2);
    die(rmdir(folder) == 0 ? 0 : 3); /* nothing was made in it */
}

static void test_d5_without_the_library_there_is_a_clear_error(void **unused)
{
    (void)unused;
    assert_int_equal(in_child("without_library", fixture_folder(), 0), 0);
}

struct death {
    const char *point;
    int left;
};

static void at_point(void *context, const char *point)
{
    struct death *death = context;
    if (strcmp(point, death->point) == 0 && --death->left == 0)
        kill(getpid(), SIGKILL);
}

static const char *const POINTS[] = {"buffer.opened",        "buffer.part.written",  "buffer.commit.begun",
                                     "buffer.commit.synced", "buffer.prune.written", "buffer.prune.done",
                                     "buffer.cleared"};
enum { POINT_COUNT = sizeof POINTS / sizeof *POINTS };

/* What was acknowledged goes to a file, a number a line. */
static void acknowledge(const char *folder, uint64_t number)
{
    char path[256], text[32];
    (void)snprintf(path, sizeof path, "%s.acknowledged", folder);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int len = snprintf(text, sizeof text, "%" PRIu64 "\n", number);
    if (file < 0 || write(file, text, (size_t)len) != len)
        _exit(11);
    close(file);
}

static void write_and_die(const char *folder, int argument)
{
    struct death death = {.point = POINTS[argument % POINT_COUNT], .left = 1 + argument / POINT_COUNT};
    struct rocksdb_buffer_config config = fixture_config(folder);
    config.fault = at_point;
    config.fault_context = &death;
    struct change_buffer *buffer = child_open(&config);
    struct change_buffer_state state;
    for (int i = 0; i < 12; i++) {
        uint64_t pruned;
        buffer->ops->state(buffer, &state);
        int64_t position = state.position;
        for (int part = 0; part < 3; part++) {
            struct change_event rows = fixture_rows(1, position + 1 + part * 100, 100, 4000);
            die(buffer->ops->append(buffer, &rows, 1, NULL) == RHEI_OK ? 0 : 12);
        }
        struct change_event commit = fixture_commit(position + 300);
        die(buffer->ops->append(buffer, &commit, 1, NULL) == RHEI_OK ? 0 : 13);
        acknowledge(folder, state.last + 1);
        if (i % 3 == 2)
            die(buffer->ops->prune(buffer, position, &pruned, NULL) == RHEI_OK ? 0 : 14);
        if (i == 10)
            die(buffer->ops->clear(buffer, NULL) == RHEI_OK ? 0 : 15);
    }
    kill(getpid(), SIGKILL);
}

static uint64_t acknowledged(const char *folder)
{
    char path[256];
    unsigned long long number = 0;
    (void)snprintf(path, sizeof path, "%s.acknowledged", folder);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    assert_int_equal(fscanf(file, "%llu", &number), 1);
    fclose(file);
    return number;
}

/* Every row of what is kept is there, in order. */
static void check_rows(struct change_buffer *buffer)
{
    struct change_buffer_state state = state_of(buffer);
    struct change_reader *reader = fixture_reader(buffer);
    struct change_cursor cursor = {.number = state.pruned};
    int64_t next = 0;
    for (;;) {
        const struct change_event *events = NULL;
        size_t count = 0;
        assert_int_equal(buffer->ops->read(reader, &cursor, UINT64_MAX, 100, &events, &count, NULL), RHEI_OK);
        if (count == 0)
            break;
        for (size_t e = 0; e < count; e++)
            for (size_t i = 0; events[e].kind == CHANGE_EVENT_ROWS && i < events[e].rows->row_count; i++) {
                next = next == 0 ? events[e].rows->seq[i] : next;
                assert_int_equal(events[e].rows->seq[i], next++);
            }
    }
    assert_true(next == 0 || next == state.position + 1);
    assert_int_equal(cursor.number, state.last);
    buffer->ops->reader_close(&reader);
}

static void test_a2_kill_at_every_step(void **unused)
{
    (void)unused;
    const char *folder = fixture_folder();
    for (int life = 0; life < 3 * POINT_COUNT; life++) {
        uint64_t before = acknowledged(folder);
        int ended = in_child("write_and_die", folder, life);
        if (!WIFSIGNALED(ended) || WTERMSIG(ended) != SIGKILL)
            fail_msg("life %d ended with %x", life, (unsigned)ended);
        struct change_buffer *buffer = fixture_open(folder);
        uint64_t last = state_of(buffer).last, said = acknowledged(folder);
        assert_true(said >= before && last >= said && last <= said + 1);
        check_rows(buffer);
        buffer->ops->close(&buffer);
    }
    char path[256];
    (void)snprintf(path, sizeof path, "%s.acknowledged", folder);
    (void)remove(path);
    fixture_remove(folder);
}

/* Appends fail once no file may grow, and go on when they may again; nothing that was durable is lost. */
static void fill_the_disk(const char *folder, int argument)
{
    struct rocksdb_buffer_config config = fixture_config(folder);
    struct rlimit limit;
    (void)argument;
    signal(SIGXFSZ, SIG_IGN);
    struct change_buffer *buffer = child_open(&config);
    fixture_append_rows(buffer, 1, 100, 100, 100);
    getrlimit(RLIMIT_FSIZE, &limit);
    struct rlimit small = {.rlim_cur = 1 << 20, .rlim_max = limit.rlim_max};
    die(setrlimit(RLIMIT_FSIZE, &small) == 0 ? 0 : 2);
    int failed = 0;
    struct change_buffer_state state;
    for (int i = 0; i < 40 && failed < 3; i++) {
        buffer->ops->state(buffer, &state);
        struct change_event rows = fixture_rows(1, state.position + 1, 100, 1000),
                            commit = fixture_commit(state.position + 100);
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = buffer->ops->append(buffer, &rows, 1, &error);
        if (status == RHEI_OK)
            status = buffer->ops->append(buffer, &commit, 1, &error);
        if (status != RHEI_OK) {
            failed++;
            die(status == RHEI_FULL || status == RHEI_IO ? 0 : 3);
            buffer->ops->rollback(buffer);
        }
    }
    die(failed == 3 ? 0 : 4);
    die(setrlimit(RLIMIT_FSIZE, &limit) == 0 ? 0 : 5);
    buffer->ops->state(buffer, &state);
    int64_t position = state.position;
    for (int i = 1; i <= 20; i++)
        fixture_append_rows(buffer, 1, position + i * 100, 100, 1000);
    check_rows(buffer);
    acknowledge(folder, (uint64_t)position + 2000);
    kill(getpid(), SIGKILL);
}

static void test_a2_a_full_disk_costs_what_met_it_alone(void **unused)
{
    (void)unused;
    const char *folder = fixture_folder();
    int ended = in_child("fill_the_disk", folder, 0);
    if (!WIFSIGNALED(ended) || WTERMSIG(ended) != SIGKILL)
        fail_msg("it ended with %x", (unsigned)ended);
    struct change_buffer *buffer = fixture_open(folder);
    assert_int_equal(state_of(buffer).position, acknowledged(folder));
    check_rows(buffer);
    buffer->ops->close(&buffer);
    char path[256];
    (void)snprintf(path, sizeof path, "%s.acknowledged", folder);
    (void)remove(path);
    fixture_remove(folder);
}

/* ---- Damage. ----------------------------------------------------------------------------------------------------- */

/* With a bit turned at `flip`, or cut off at `cut`; -1: neither. */
static void copy_file(const char *from, const char *to, int64_t flip, int64_t cut)
{
    static char bytes[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t got;
    assert_true(in != NULL && out != NULL);
    for (int64_t at = 0; (got = fread(bytes, 1, sizeof bytes, in)) > 0; at += (int64_t)got) {
        if (flip >= at && flip < at + (int64_t)got)
            bytes[flip - at] ^= 0x10;
        size_t kept = cut < 0 || cut >= at + (int64_t)got ? got : cut > at ? (size_t)(cut - at) : 0;
        assert_int_equal(fwrite(bytes, 1, kept, out), kept);
    }
    fclose(in);
    fclose(out);
}

static int64_t size_of(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (int64_t)facts.st_size : 0;
}

/* A copy of the folder in which one file is damaged; false: there is no such file. */
static bool copy_damaged(const char *from, const char *to, int which, uint64_t random)
{
    char source[512], target[512];
    int number = 0;
    bool found = false;
    (void)snprintf(target, sizeof target, "%s/db", to);
    assert_int_equal(mkdir(target, 0700), 0);
    (void)snprintf(source, sizeof source, "%s/identity", from);
    (void)snprintf(target, sizeof target, "%s/identity", to);
    copy_file(source, target, -1, -1);
    (void)snprintf(source, sizeof source, "%s/db", from);
    DIR *listing = opendir(source);
    assert_non_null(listing);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, "LOG", 3) == 0 || strcmp(entry->d_name, "LOCK") == 0)
            continue;
        (void)snprintf(source, sizeof source, "%s/db/%s", from, entry->d_name);
        (void)snprintf(target, sizeof target, "%s/db/%s", to, entry->d_name);
        bool victim = number++ == which;
        int64_t size = size_of(source), at = size > 0 ? (int64_t)(random % (uint64_t)size) : 0;
        found = found || victim;
        copy_file(source, target, victim && random % 3 > 0 ? at : -1, victim && random % 3 == 0 ? at : -1);
    }
    closedir(listing);
    return found;
}

/* Whatever is read is what was written, up to where it was damaged. */
static void read_damaged(const char *folder, int argument)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rocksdb_buffer_config config = fixture_config(folder);
    struct change_buffer *buffer = NULL;
    struct change_reader *reader = NULL;
    (void)argument;
    rhei_status status = rocksdb_buffer_open(&config, &buffer, &error);
    if (status != RHEI_OK)
        _exit(status == RHEI_NOT_A_DATABASE || status == RHEI_IO ? 100 : 1);
    struct change_cursor cursor = {.number = state_of(buffer).pruned};
    int64_t next = cursor.number == 0 ? 1 : 0;
    die(buffer->ops->reader_open(buffer, &reader, NULL) == RHEI_OK ? 0 : 2);
    for (;;) {
        const struct change_event *events = NULL;
        size_t count = 0;
        status = buffer->ops->read(reader, &cursor, UINT64_MAX, 1000, &events, &count, &error);
        if (status != RHEI_OK)
            _exit(status == RHEI_NOT_A_DATABASE || status == RHEI_IO ? 101 : 3);
        if (count == 0)
            break;
        for (size_t e = 0; e < count; e++)
            for (size_t i = 0; events[e].kind == CHANGE_EVENT_ROWS && i < events[e].rows->row_count; i++) {
                next = next == 0 ? events[e].rows->seq[i] : next;
                die(events[e].rows->seq[i] == next++ ? 0 : 4);
            }
    }
    buffer->ops->reader_close(&reader);
    buffer->ops->close(&buffer);
}

static void test_a10_damage_is_told_or_harmless(void **unused)
{
    (void)unused;
    const char *folder = fixture_folder();
    struct change_buffer *buffer = fixture_open(folder);
    uint64_t random = base_random_u64() | 1;
    int told = 0, harmless = 0;
    print_message("# seed %" PRIu64 "\n", random);
    for (int i = 1; i <= 40; i++)
        fixture_append_rows(buffer, 1, i * 300, 300, 2000); /* some tables of the database, and a log */
    buffer->ops->close(&buffer);
    for (int i = 0; i < 32; i++) {
        const char *copy = fixture_folder();
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        bool found = copy_damaged(folder, copy, i % 8, random >> 20);
        int ended = in_child("read_damaged", copy, 0);
        if (!WIFEXITED(ended) || (WEXITSTATUS(ended) != 0 && WEXITSTATUS(ended) < 100))
            fail_msg("round %d ended with %x", i, (unsigned)ended);
        told += found && WEXITSTATUS(ended) >= 100;
        harmless += found && WEXITSTATUS(ended) == 0;
        fixture_remove(copy);
    }
    print_message("# %d told, %d harmless\n", told, harmless);
    assert_true(told > 0);
    fixture_remove(folder);
}

int main(int count, char **words)
{
    if (count == 4)
        return run_as_child(words[1], words[2], words[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_d5_without_the_library_there_is_a_clear_error),
        cmocka_unit_test(test_a2_kill_at_every_step),
        cmocka_unit_test(test_a2_a_full_disk_costs_what_met_it_alone),
        cmocka_unit_test(test_a10_damage_is_told_or_harmless),
        cmocka_unit_test(test_a2_a_commit_is_durable_when_its_append_returns),
        cmocka_unit_test(test_a_long_commit_is_read_in_parts),
        cmocka_unit_test(test_a_folder_is_one_handles),
        cmocka_unit_test(test_a10_what_is_somebody_elses_is_left_alone),
        cmocka_unit_test(test_a10_a_damaged_identity_is_told_as_damage),
        cmocka_unit_test(test_a_buffer_set_aside_begins_anew_with_another_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
