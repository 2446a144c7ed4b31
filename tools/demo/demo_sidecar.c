/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The story of `./dev demo --sidecar`: a PostgreSQL database that pgbench writes to is followed from the side. Each second one question is asked
 * over all four tables; their sums are equal in every state that a transaction leaves, so an answer from the midst of one would show.
 * When the writers have ended scripts/demo_sidecar.py hands over the server's own answer in one line, and every value is compared.
 */
#include "demo.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECOND_US = 1000000, SAMPLES = 4096, SUMS = 5 };

/* One statement, so one state of the source. */
static const char sums_sql[] = "SELECT (SELECT sum(abalance) FROM bank.pgbench_accounts) AS accounts,\n"
                               " (SELECT sum(tbalance) FROM bank.pgbench_tellers) AS tellers,\n"
                               " (SELECT sum(bbalance) FROM bank.pgbench_branches) AS branches,\n"
                               " (SELECT coalesce(sum(delta), 0) FROM bank.pgbench_history) AS history,\n"
                               " (SELECT count(*) FROM bank.pgbench_history) AS transactions";
static const char branches_sql[] =
    "SELECT b.bid AS branch, count(DISTINCT a.aid) AS accounts_moved, count(*) AS moves,\n"
    " sum(abs(h.delta)) AS moved, max(h.mtime) AS newest FROM bank.pgbench_history h\n"
    " JOIN bank.pgbench_accounts a ON a.aid = h.aid\n"
    " JOIN bank.pgbench_branches b ON b.bid = a.bid\n"
    " GROUP BY b.bid ORDER BY moved DESC LIMIT 4";

struct story {
    rhei_db *db;
    int64_t answers_us[SAMPLES];
    size_t samples;
};

static struct demo_answer ask_sums(struct story *story, int64_t sums[SUMS])
{
    struct demo_answer answer = demo_ask(story->db, sums_sql, false);
    if (answer.row_count != 1 || answer.column_count != SUMS)
        demo_fail("the question about the sums has no answer of one row", NULL);
    for (uint32_t at = 0; at < SUMS; at++)
        sums[at] = answer.values[at].as.integer;
    return answer;
}

static bool one_state(const int64_t sums[SUMS])
{
    return sums[0] == sums[1] && sums[1] == sums[2] && sums[2] == sums[3];
}

static void open_and_load(struct story *story, const char *config_file)
{
    struct rhei_config config = {.struct_size = sizeof config, .config_file = config_file};
    struct rhei_error error = RHEI_ERROR_INIT;
    demo_heading("1. Follow it");
    int64_t started = demo_now_us();
    if (rhei_open(NULL, &config, &story->db, &error) != RHEI_OK)
        demo_fail("the sidecar can't be opened", &error);
    static const char sql[] = "SELECT count(*) FROM bank.pgbench_accounts";
    struct demo_answer answer = demo_ask(story->db, sql, false);
    int64_t elapsed = demo_now_us() - started;
    demo_say("Opened, loaded and asked in %s: %s accounts, read from one snapshot beside the writers. From here on the "
             "server tells of every commit.",
             demo_time(elapsed), demo_count((uint64_t)answer.values[0].as.integer));
    demo_answer_free(&answer);
}

static bool writers_ended(int64_t wait_us)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, (int)(wait_us / 1000)) > 0;
}

/* Until the writers end. */
static void watch(struct story *story)
{
    demo_heading("2. Ask while it is written to");
    demo_say("Every transaction moves the same amount in an account, its teller and its branch, and notes it in the "
             "history. So the four sums are equal in every state that was ever committed, and in no other. Each answer "
             "is of "
             "what was committed before it was asked for, and its time has the wait for that in it:");
    demo_show_sql(sums_sql);
    printf("  %s\n", demo_dim("  second   transactions    a second    each of the sums   answered in"));
    int64_t started = demo_now_us(), before = 0, last = 0, next = started;
    do {
        int64_t sums[SUMS];
        struct demo_answer answer = ask_sums(story, sums);
        if (!one_state(sums))
            demo_fail("the sums differ: this answer is of no state that was committed", NULL);
        if (story->samples < SAMPLES)
            story->answers_us[story->samples++] = answer.elapsed_us;
        int64_t now = demo_now_us();
        printf("    %6.1f %14s %11s %19lld   %s\n", (double)(now - started) / SECOND_US, demo_count((uint64_t)sums[4]),
               last == 0 ? "" : demo_count((uint64_t)((sums[4] - before) * SECOND_US / (now - last))),
               (long long)sums[0], demo_time(answer.elapsed_us));
        last = now;
        demo_answer_free(&answer);
        before = sums[4];
        next += SECOND_US;
    } while (!writers_ended(next > demo_now_us() ? next - demo_now_us() : 0));
    demo_say("And what somebody would want to know, a join of three of the tables:");
    demo_show_sql(branches_sql);
    struct demo_answer answer = demo_ask(story->db, branches_sql, false);
    demo_show_rows(&answer, 4);
    demo_say("Answered by %s in %s.", demo_by_column_store(&answer) ? "the column store" : "SQLite",
             demo_time(answer.elapsed_us));
    demo_answer_free(&answer);
}

/* A line of the server's five sums, and how many microseconds it took it to tell them. */
static bool prove(struct story *story)
{
    static const char *const names[SUMS] = {"accounts", "tellers", "branches", "history", "transactions"};
    char line[512];
    int64_t server[SUMS + 1], here[SUMS];
    demo_heading("3. Proof: the writers have ended, and both sides are asked");
    if (fgets(line, sizeof line, stdin) == NULL)
        demo_fail("the server's answer didn't come", NULL);
    char *at = line;
    for (uint32_t n = 0; n < SUMS + 1; n++)
        server[n] = strtoll(at, &at, 10);
    struct demo_answer answer = ask_sums(story, here);
    bool equal = true;
    for (uint32_t n = 0; n < SUMS; n++) {
        bool same = here[n] == server[n];
        equal = equal && same;
        printf("    %-14s PostgreSQL %14lld   here %14lld   %s\n", names[n], (long long)server[n], (long long)here[n],
               same ? "equal" : "DIFFERENT");
    }
    printf("    %-14s PostgreSQL %14s   here %14s   %s\n", "answered in", demo_time(server[SUMS]),
           demo_time(answer.elapsed_us),
           demo_ratio((double)server[SUMS] / (double)(answer.elapsed_us > 0 ? answer.elapsed_us : 1)));
    demo_answer_free(&answer);
    return equal;
}

int main(int argc, char **argv)
{
    struct story story = {0};
    demo_screen_start();
    if (argc != 2) {
        fprintf(stderr, "usage: rhei_demo_sidecar CONFIG (./dev demo --sidecar makes it)\n");
        return 2;
    }
    open_and_load(&story, argv[1]);
    watch(&story);
    bool equal = prove(&story);
    demo_heading("Summary");
    printf("    %-30s %s\n", "median time of an answer",
           demo_bold(demo_time(demo_median(story.answers_us, story.samples))));
    printf("    %-30s %s\n\n", "both sides", equal ? "equal, every value" : demo_bold("DIFFERENT"));
    rhei_close(&story.db);
    return equal ? 0 : 1;
}
