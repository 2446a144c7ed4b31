/* SPDX-License-Identifier: Apache-2.0 */
/* How fast both stores are copied at one position, beside reading and writing the same files as cp does. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_rhei.h"
#include "rhei/rhei_care.h"

/* Durably, as a backup is. Bytes. */
static double copy_file(const char *from, const char *to)
{
    static char buffer[1 << 20];
    int source = open(from, O_RDONLY | O_CLOEXEC), target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (source < 0 || target < 0)
        bench_die(from, "could not be copied");
    double bytes = 0;
    for (ssize_t got; (got = read(source, buffer, sizeof buffer)) > 0; bytes += (double)got)
        if (write(target, buffer, (size_t)got) != got)
            bench_die(to, "could not be written");
    if (fsync(target) != 0)
        bench_die(to, "could not be made durable");
    close(source);
    close(target);
    return bytes;
}

/* The files of the backup itself, so that both copy the same bytes. */
static double copy_folder(const char *from, const char *to)
{
    char source[1200], target[1200];
    double bytes = 0;
    if (mkdir(to, 0777) != 0)
        bench_die(to, "could not be made");
    DIR *entries = opendir(from);
    if (entries == NULL)
        bench_die(from, "could not be listed");
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        struct stat facts;
        snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
        snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
        if (entry->d_name[0] == '.' || stat(source, &facts) != 0)
            continue;
        bytes += S_ISDIR(facts.st_mode) ? copy_folder(source, target) : copy_file(source, target);
    }
    closedir(entries);
    return bytes;
}

void figures_backup(struct bench *bench, rhei_db *db)
{
    struct samples rate = {0}, peer = {0}, ratio = {0};
    char backup[300], copy[300];
    snprintf(backup, sizeof backup, "%s/backup", bench->folder);
    snprintf(copy, sizeof copy, "%s/copied", bench->folder);
    for (int run = 0; run < bench->runs; run++) {
        struct rhei_backup_result made = {.struct_size = sizeof made};
        struct rhei_error error = RHEI_ERROR_INIT;
        double start = bench_now_s();
        if (rhei_backup(db, backup, NULL, &made, &error) != RHEI_OK)
            bench_die(backup, error.message);
        double took = bench_now_s() - start, bytes = (double)(made.database_bytes + made.olap_bytes);
        start = bench_now_s();
        double copied = copy_folder(backup, copy);
        double other = bench_now_s() - start;
        samples_add(&rate, bytes / took);
        samples_add(&peer, copied / other);
        samples_add(&ratio, bytes / took / (copied / other));
        bench_remove_folder(backup);
        bench_remove_folder(copy);
    }
    struct figure figure = {.name = "backup of database and column store",
                            .unit = "B/s",
                            .peer = "read, write, fsync",
                            .peer_value = samples_median(&peer),
                            .compared = samples_median(&ratio),
                            .target = NAN};
    report_add_samples(bench->report, &figure, &rate);
}
