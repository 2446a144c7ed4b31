/* SPDX-License-Identifier: Apache-2.0 */
/* ./dev bench: how fast, beside bare SQLite and bare DuckDB in the same run, and which figures fall short. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_rhei.h"

static void usage(FILE *to)
{
    fputs("usage: rhei_bench [--rows N] [--runs N] [--threads N] [--only "
          "shapes|write|ingest|doors|sync|history|face|tables|read|auto|disk|bucket|buffer|feed|sidecar|tpch|"
          "datafusion]\n"
          "                  [--json FILE] [--disk-rows N]\n"
          "                  [--scale X] [--query N] [--tpch-file FILE]\n"
          "  --rows N     rows of the big table (default 1000000)\n"
          "  --runs N     runs of each comparison, interleaved (default 7, at least 5 to quote)\n"
          "  --threads N  of the analytical engines (default 1; TPC-H runs on one and on two)\n"
          "  --scale X    scale factor of TPC-H (default 1)\n"
          "  --query N    of TPC-H, this one only\n"
          "  --tpch-file  the database to use for TPC-H, or to make and keep (default: a new one, removed at the end)\n"
          "  --disk-rows  of the table in a folder (default 1000000; 10000000 are about ten times the least memory, "
          "and take 2 GB of /tmp)\n"
          "  --json FILE  the figures as JSON too\n",
          to);
}

static const char *argument(int *at, int count, char **values)
{
    if (*at + 1 >= count) {
        usage(stderr);
        exit(2);
    }
    return values[++*at];
}

int main(int count, char **values)
{
    static struct report report;
    struct bench bench = {
        .rows = 1000000, .disk_rows = 1000000, .runs = 7, .threads = 1, .scale = 1, .report = &report};
    const char *only = "", *json = NULL;
    for (int i = 1; i < count; i++) {
        if (strcmp(values[i], "--rows") == 0)
            bench.rows = atoll(argument(&i, count, values));
        else if (strcmp(values[i], "--disk-rows") == 0)
            bench.disk_rows = atoll(argument(&i, count, values));
        else if (strcmp(values[i], "--runs") == 0)
            bench.runs = atoi(argument(&i, count, values));
        else if (strcmp(values[i], "--threads") == 0)
            bench.threads = atoi(argument(&i, count, values));
        else if (strcmp(values[i], "--scale") == 0)
            bench.scale = atof(argument(&i, count, values));
        else if (strcmp(values[i], "--query") == 0)
            bench.query = atoi(argument(&i, count, values));
        else if (strcmp(values[i], "--tpch-file") == 0)
            bench.tpch_file = argument(&i, count, values);
        else if (strcmp(values[i], "--only") == 0)
            only = argument(&i, count, values);
        else if (strcmp(values[i], "--json") == 0)
            json = argument(&i, count, values);
        else {
            usage(strcmp(values[i], "--help") == 0 ? stdout : stderr);
            return strcmp(values[i], "--help") == 0 ? 0 : 2;
        }
    }
    if (bench.rows < 1000 || bench.disk_rows < 200000 || bench.runs < 1 || bench.runs > 1000 || bench.threads < 1 ||
        !(bench.scale > 0) || bench.query < 0 || bench.query > 22) {
        usage(stderr);
        return 2;
    }
    char folder[] = "/tmp/rhei-bench-XXXXXX";
    bench.folder = mkdtemp(folder);
    if (bench.folder == NULL)
        bench_die("a private folder", "could not be made in /tmp");
    if (*only == '\0' || strcmp(only, "shapes") == 0)
        figures_shapes(&bench);
    if (*only == '\0' || strcmp(only, "write") == 0)
        figures_write(&bench);
    if (*only == '\0' || strcmp(only, "ingest") == 0)
        figures_ingest(&bench);
    if (*only == '\0' || strcmp(only, "doors") == 0)
        figures_doors(&bench);
    if (*only == '\0' || strcmp(only, "sync") == 0)
        figures_sync(&bench);
    if (*only == '\0' || strcmp(only, "history") == 0)
        figures_history(&bench);
    if (*only == '\0' || strcmp(only, "face") == 0)
        figures_face(&bench);
    if (*only == '\0' || strcmp(only, "tables") == 0)
        figures_tables(&bench);
    if (*only == '\0' || strcmp(only, "read") == 0)
        figures_read(&bench);
    if (*only == '\0' || strcmp(only, "auto") == 0)
        figures_auto(&bench);
    if (*only == '\0' || strcmp(only, "disk") == 0)
        figures_disk(&bench);
    if (*only == '\0' || strcmp(only, "bucket") == 0)
        figures_bucket(&bench);
    if (*only == '\0' || strcmp(only, "buffer") == 0)
        figures_buffer(&bench);
    if (*only == '\0' || strcmp(only, "feed") == 0)
        figures_feed(&bench);
    if (*only == '\0' || strcmp(only, "sidecar") == 0)
        figures_sidecar(&bench);
    if (*only == '\0' || strcmp(only, "tpch") == 0)
        figures_tpch(&bench);
    if (*only == '\0' || strcmp(only, "datafusion") == 0)
        figures_datafusion(&bench);
    bench_remove_folder(bench.folder);
    report_print(&report);
    if (json != NULL && !report_write_json(&report, json))
        bench_die(json, "could not be written");
    return 0;
}
