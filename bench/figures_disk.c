/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The column store in a folder: what checkpoints cost writers, how soon an opening answers, and how fast a table is scanned that is
 * bigger than the memory it may have, beside the disk itself.
 */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench_rhei.h"
#include "rhei/rhei_care.h"

enum {
    SCRUB_RATE = 300000,
    BATCHES = 200,
    BESIDE_BATCHES = 2000,
    ROW_BYTES = 36,
    BIG_RUNS = 3,
    LEAST_LIMIT = 64 << 20
};

/* Every value that a scan of all columns reads. */
static const char *const scan_all =
    "SELECT count(*), sum(id), sum(amount), sum(ts), max(length(customer)), max(length(status)) FROM orders";
static const char *const wake = "SELECT count(*) FROM orders WHERE id < 0";

static void add(struct bench *bench, const char *name, const char *unit, struct samples *samples, const char *peer,
                double peer_value, double compared, const char *text, double target, enum figure_sense sense)
{
    struct figure figure = {.name = name,
                            .unit = unit,
                            .peer = peer,
                            .peer_value = peer_value,
                            .compared = compared,
                            .target_text = text,
                            .target = target,
                            .sense = sense};
    report_add_samples(bench->report, &figure, samples);
}

static rhei_db *open_on_disk(const char *path, const char *folder, uint32_t interval_ms, uint64_t limit)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config,
                                 .olap_path = folder,
                                 .checkpoint_interval_ms = interval_ms,
                                 .olap_memory_limit = limit};
    rhei_db *db = NULL;
    if (rhei_open(path, &config, &db, &error) != RHEI_OK)
        bench_die(path, error.message);
    return db;
}

/* ---- Beside writers. ----------------------------------------------------------------------------------------------- */

static void beside_writers(struct bench *bench)
{
    struct samples with = {0}, without = {0}, ratio = {0}, written = {0};
    char path[256], folder[300];
    bench_path(path, sizeof path, bench, "disk-write");
    snprintf(folder, sizeof folder, "%s/disk-write", bench->folder);
    for (int run = 0; run < bench->runs; run++) {
        double rate[2];
        for (int disk = 0; disk < 2; disk++) {
            rhei_db *db = open_on_disk(path, disk ? folder : NULL, 250, 0);
            bench_execute(db, "DROP TABLE IF EXISTS orders");
            bench_execute(db, bench_orders);
            bench_sync(db);
            rate[disk] = bench_write(db, BESIDE_BATCHES); /* for a second and more: several checkpoints */
            bench_sync(db);
            if (disk) /* what the last checkpoint adds is the close's */
                samples_add(&written, bench_metric(db, "rhei_disk_written_bytes_total") /
                                          ((double)BENCH_BATCH * BESIDE_BATCHES * ROW_BYTES));
            rhei_close(&db);
        }
        samples_add(&without, rate[0]);
        samples_add(&with, rate[1]);
        samples_add(&ratio, rate[1] / rate[0]);
    }
    double most = samples_median(&without);
    add(bench, "rows written beside checkpoints each 250 ms", "/s", &with, "in memory", most, samples_median(&ratio),
        ">= 0.9", 0.9, AT_LEAST);
    add(bench, "bytes written to the folder for a byte of new rows", "x", &written, NULL, 0, samples_median(&written),
        "<= 4", 4, AT_MOST);
}

/* ---- Files. -------------------------------------------------------------------------------------------------------- */

/* All segments: dropped from the page cache, or read in order. Bytes. */
static double each_file(const char *folder, bool drop)
{
    static char buffer[1 << 20];
    double bytes = 0;
    DIR *entries = opendir(folder);
    if (entries == NULL)
        bench_die(folder, "could not be listed");
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char name[800];
        if (strncmp(entry->d_name, "b-s-", 4) != 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        int file = open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            continue;
        struct stat facts;
        if (drop && fstat(file, &facts) == 0)
            bytes += (double)facts.st_size;
        if (drop)
            (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        for (ssize_t got; !drop && (got = read(file, buffer, sizeof buffer)) > 0;)
            bytes += (double)got;
        close(file);
    }
    closedir(entries);
    return bytes;
}

static double resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (file != NULL)
        fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* ---- Reopening. ---------------------------------------------------------------------------------------------------- */

static void reopening(struct bench *bench, const char *path, const char *folder)
{
    struct samples cold = {0}, warm = {0};
    for (int run = 0; run < bench->runs; run++)
        for (int c = 0; c < 2; c++) {
            if (c == 0)
                each_file(folder, true);
            double start = bench_now_s();
            rhei_db *db = open_on_disk(path, folder, 0, 0);
            bench_query(db, wake, RHEI_ROUTE_OLTP);
            bench_sync(db);
            samples_add(c == 0 ? &cold : &warm, (bench_now_s() - start) * 1e3);
            if (bench_metric(db, "rhei_disk_segments") == 0)
                bench_die(folder, "was not taken over");
            rhei_close(&db);
        }
    add(bench, "opening with the folder's tables (page cache)", "ms", &warm, NULL, 0, samples_median(&warm),
        "<= 200 ms", 200, AT_MOST);
    add(bench, "opening with the folder's tables (from the disk)", "ms", &cold, NULL, 0, samples_median(&cold),
        "<= 200 ms", 200, AT_MOST);
}

/* ---- Comparing, mending, building again. ------------------------------------------------------------------------- */

static void verifying(struct bench *bench, const char *path, const char *folder)
{
    struct samples compared = {0}, repaired = {0}, built = {0};
    rhei_db *db = open_on_disk(path, folder, 0, 0);
    bench_sync(db);
    for (int run = 0; run < bench->runs; run++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct rhei_repair_result result = {.struct_size = sizeof result};
        uint64_t rows = 0;
        double start = bench_now_s();
        if (rhei_verify(db, "orders", &rows, &error) != RHEI_OK)
            bench_die("verify", error.message);
        samples_add(&compared, (double)rows / (bench_now_s() - start));
        start = bench_now_s();
        if (rhei_repair(db, "orders", NULL, &result, &error) != RHEI_OK)
            bench_die("repair", error.message);
        samples_add(&repaired, (double)result.rows / (bench_now_s() - start));
        start = bench_now_s();
        if (rhei_rebuild(db, "orders", &error) != RHEI_OK || rhei_initial_sync(db, 0, &error) != RHEI_OK)
            bench_die("rebuild", error.message);
        samples_add(&built, (double)rows / (bench_now_s() - start));
    }
    rhei_close(&db);
    add(bench, "rows compared by rhei_verify", "/s", &compared, NULL, 0, samples_median(&compared), NULL, NAN,
        AT_LEAST);
    add(bench, "  the same piece by piece, by rhei_repair", "/s", &repaired, NULL, 0, samples_median(&repaired), NULL,
        NAN, AT_LEAST);
    add(bench, "rows of a table that is built again", "/s", &built, NULL, 0, samples_median(&built), NULL, NAN,
        AT_LEAST);
}

/* Writes while `orders` is scrubbed over and over (each round begins a second after the last), and while it isn't. */
static void scrubbing(struct bench *bench, const char *path)
{
    struct samples with = {0}, without = {0}, ratio = {0}, rows = {0};
    for (int run = 0; run < bench->runs; run++) {
        double rate[2];
        for (int scrubbed = 0; scrubbed < 2; scrubbed++) {
            struct rhei_error error = RHEI_ERROR_INIT;
            const struct rhei_config config = {
                .struct_size = sizeof config, .scrub_interval_s = (uint32_t)scrubbed, .scrub_rate = SCRUB_RATE};
            rhei_db *db = NULL;
            if (rhei_open(path, &config, &db, &error) != RHEI_OK)
                bench_die(path, error.message);
            bench_build(db);
            while (scrubbed && bench_metric(db, "rhei_scrub_rows_total") == 0)
                usleep(10000);
            bench_write(db, BATCHES);
            double before = scrubbed ? bench_metric(db, "rhei_scrub_rows_total") : 0, start = bench_now_s();
            double written = 0;
            for (; bench_now_s() - start < 3; written += (double)BENCH_BATCH * BATCHES)
                bench_write(db, BATCHES);
            rate[scrubbed] = written / (bench_now_s() - start);
            if (scrubbed)
                samples_add(&rows, (bench_metric(db, "rhei_scrub_rows_total") - before) / (bench_now_s() - start));
            rhei_close(&db);
        }
        samples_add(&without, rate[0]);
        samples_add(&with, rate[1]);
        samples_add(&ratio, rate[1] / rate[0]);
    }
    add(bench, "rows written beside a scrub of 300,000 rows/s", "/s", &with, "without", samples_median(&without),
        samples_median(&ratio), NULL, NAN, AT_LEAST);
    add(bench, "  rows that the scrub compared meanwhile", "/s", &rows, NULL, 0, samples_median(&rows), NULL, NAN,
        AT_LEAST);
}

/* ---- Scanning what isn't in memory. -------------------------------------------------------------------------------- */

static double processor_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Seconds; *processor (may be NULL): of all threads. */
static double scan(rhei_db *db, double *processor)
{
    double start = bench_now_s(), used = processor_s();
    bench_query(db, scan_all, RHEI_ROUTE_OLAP);
    if (processor != NULL)
        *processor = processor_s() - used;
    return bench_now_s() - start;
}

static void evicted(struct bench *bench, const char *path, const char *folder)
{
    struct samples cold = {0}, cached = {0}, disk = {0}, page_cache = {0}, held = {0}, resident = {0}, times = {0};
    char name[2][96];
    rhei_db *all = open_on_disk(path, folder, 0, 0);
    bench_sync(all);
    scan(all, NULL);
    double whole = bench_metric(all, "rhei_mirror_bytes");
    struct samples fits = {0};
    for (int run = 0; run < BIG_RUNS; run++) {
        double used;
        scan(all, &used);
        samples_add(&fits, used);
    }
    rhei_close(&all);
    double before = resident_bytes();
    rhei_db *db = open_on_disk(path, folder, 0, LEAST_LIMIT);
    bench_sync(db);
    double limit = LEAST_LIMIT / 5.0 * 3;
    for (int run = 0; run < BIG_RUNS; run++) {
        double bytes = each_file(folder, true), start = bench_now_s();
        each_file(folder, false);
        samples_add(&disk, bytes / (bench_now_s() - start));
        start = bench_now_s();
        each_file(folder, false);
        samples_add(&page_cache, bytes / (bench_now_s() - start));
        each_file(folder, true);
        samples_add(&cold, bytes / scan(db, NULL));
        double used, warm = scan(db, &used);
        samples_add(&cached, bytes / warm);
        samples_add(&times, used / samples_median(&fits));
        samples_add(&held, bench_metric(db, "rhei_mirror_bytes"));
        samples_add(&resident, resident_bytes() - before);
    }
    rhei_close(&db);
    snprintf(name[0], sizeof name[0], "scan of %.1f times the mirror's memory, cold", whole / limit);
    double peer = samples_median(&disk), cache = samples_median(&page_cache);
    static char kept[2][96];
    memcpy(kept, name, sizeof kept);
    add(bench, kept[0], "B/s", &cold, "the disk", peer, samples_median(&cold) / peer, ">= 0.5", 0.5, AT_LEAST);
    add(bench, "  the same from the page cache", "B/s", &cached, "read()", cache, samples_median(&cached) / cache, NULL,
        NAN, AT_LEAST);
    add(bench, "  processor time beside the scan with room for all", "x", &times, NULL, 0, samples_median(&times), NULL,
        NAN, AT_MOST);
    add(bench, "  memory of the mirror there, of what it may have", "B", &held, "limit", limit,
        samples_median(&held) / limit, "<= 1.25", 1.25, AT_MOST);
    add(bench, "  resident memory that came with it", "B", &resident, "olap_memory_limit", LEAST_LIMIT,
        samples_median(&resident) / LEAST_LIMIT, NULL, NAN, AT_MOST);
}

void figures_disk(struct bench *bench)
{
    char path[256], folder[300];
    bench_say("checkpoints beside writers");
    beside_writers(bench);
    bench_path(path, sizeof path, bench, "disk");
    snprintf(folder, sizeof folder, "%s/disk-folder", bench->folder);
    bench_say("a table of %lld rows in a folder", (long long)bench->disk_rows);
    rhei_db *db = open_on_disk(path, folder, 0, 0);
    bench_execute(db, bench_orders);
    bench_fill(db, bench->disk_rows);
    bench_build(db);
    rhei_close(&db);
    bench_say("a backup of it");
    db = open_on_disk(path, folder, 0, 0);
    figures_backup(bench, db);
    rhei_close(&db);
    reopening(bench, path, folder);
    bench_say("comparing it with its mirror");
    verifying(bench, path, folder);
    evicted(bench, path, folder);
    bench_say("writing beside a scrub");
    scrubbing(bench, path);
    bench_remove_folder(folder);
}
