/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's story over a database that `rh import` filled with nycflights13: open, questions beside writers, the same
 * questions in quiet with every value compared, proof, summary. Nothing is prepared and nothing is left out: where SQLite
 * answers it says so, with the router's reason.
 */
#include "demo.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3, QUIET_RUNS = 3, SHOWN_ROWS = 4, SAMPLES = 256 };

struct story {
    rhei_db *db;
    int64_t flights;
    struct demo_writers *writers;
    int64_t ages[SAMPLES];
    size_t age_count;
    double speed_ups[SAMPLES]; /* of the quiet comparison, where the column store answered */
    size_t speed_up_count;
    uint64_t transactions;
    struct rhei_sync_status before;
    bool all_equal, engine_loaded;
};

static struct rhei_sync_status status_of(rhei_db *db)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_sync_status status = {.struct_size = sizeof status};
    if (rhei_sync_status(db, &status, &error) != RHEI_OK)
        demo_fail("the sync status can't be read", &error);
    return status;
}

static double metric(rhei_db *db, const char *name)
{
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    double value = 0;
    if (rhei_metric_list(db, &metrics, &count, NULL) == RHEI_OK)
        for (size_t at = 0; at < count; at++)
            if (strcmp(metrics[at]->name, name) == 0)
                value = metrics[at]->value;
    rhei_free(metrics);
    return value;
}

static const char *who(const struct demo_answer *answer)
{
    return demo_by_column_store(answer) ? "column store" : "SQLite";
}

/* ---- 1. Open ---- */

static void tell_first_answer(struct story *story)
{
    static const char sql[] = "SELECT count(*) AS flights, count(DISTINCT dest) AS airports FROM flights";
    struct demo_answer answer = demo_ask(story->db, sql, false);
    story->flights = answer.values[0].as.integer;
    demo_say("Opened in a moment, and asked at once: %s flights to %s airports, answered by %s in %s (rule %s).",
             demo_count((uint64_t)answer.values[0].as.integer), demo_count((uint64_t)answer.values[1].as.integer),
             who(&answer), demo_time(answer.elapsed_us), answer.rule);
    if (!demo_by_column_store(&answer))
        demo_say(
            "That was SQLite, because the column store was still being filled in the background. Nobody has to wait "
            "for it.");
    demo_answer_free(&answer);
}

static void open_and_fill(struct story *story, const char *path)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    demo_heading("1. Open the database");
    int64_t started = demo_now_us();
    if (rhei_open(path, NULL, &story->db, &error) != RHEI_OK)
        demo_fail("the database can't be opened", &error);
    tell_first_answer(story);
    if (rhei_initial_sync(story->db, 0, &error) != RHEI_OK)
        demo_fail("the column store can't be built", &error);
    int64_t elapsed = demo_now_us() - started;
    struct rhei_sync_status status = status_of(story->db);
    demo_say("Now the column store holds %s of %s tables, %s rows in %.0f MiB of memory, %s after the call to open.",
             demo_count(status.tables_ready), demo_count(status.tables),
             demo_count((uint64_t)metric(story->db, "rhei_mirror_rows")),
             metric(story->db, "rhei_mirror_bytes") / (1 << 20), demo_time(elapsed));
}

/* ---- 2. Questions beside writers ---- */

static void note_age(struct story *story, const struct demo_answer *answer)
{
    if (story->age_count < SAMPLES)
        story->ages[story->age_count++] = answer->age_us;
}

static double ratio_of(int64_t slow_us, int64_t fast_us)
{
    return (double)slow_us / (double)(fast_us > 0 ? fast_us : 1);
}

/* The analytical engine's library is loaded when it is first needed, and the first answer pays for it. */
static const char *first_note(struct story *story, const struct demo_answer *answer)
{
    bool first = demo_by_column_store(answer) && !story->engine_loaded;
    story->engine_loaded = story->engine_loaded || first;
    return first ? " (with loading the analytical engine, once)" : "";
}

static void tell_answer(struct story *story, const struct demo_question *question, const struct demo_answer *answer,
                        const struct demo_answer *plain)
{
    printf("    answered by %s in %s%s, at position %s, age %s\n", demo_bold(who(answer)),
           demo_bold(demo_time(answer->elapsed_us)), first_note(story, answer), demo_count((uint64_t)answer->position),
           demo_time(answer->age_us));
    if (demo_by_column_store(answer))
        printf("    plain SQLite just after: %s, %s as long\n", demo_time(plain->elapsed_us),
               demo_bold(demo_ratio(ratio_of(plain->elapsed_us, answer->elapsed_us))));
    else
        printf("    why SQLite: %s\n", demo_reason(story->db, question->sql));
}

static void first_round(struct story *story)
{
    for (int at = 0; at < demo_question_count; at++) {
        const struct demo_question *question = &demo_questions[at];
        struct demo_answer answer = demo_ask(story->db, question->sql, false);
        struct demo_answer plain = demo_ask(story->db, question->sql, true);
        printf("\n  %s\n", demo_bold(question->words));
        demo_show_sql(question->sql);
        demo_show_rows(&answer, SHOWN_ROWS);
        tell_answer(story, question, &answer, &plain);
        note_age(story, &answer);
        demo_answer_free(&answer);
        demo_answer_free(&plain);
    }
}

static void short_round(struct story *story, int round)
{
    printf("\n  Round %d, %s transactions later\n", round, demo_count(demo_writers_transactions(story->writers)));
    printf("  %s\n",
           demo_dim("  question           answered by    in          position     age         plain SQLite   ratio"));
    for (int at = 0; at < demo_question_count; at++) {
        const struct demo_question *question = &demo_questions[at];
        struct demo_answer answer = demo_ask(story->db, question->sql, false);
        struct demo_answer plain = demo_ask(story->db, question->sql, true);
        printf("    %-18s %-14s %-11s %-12s %-11s %-14s %s\n", question->label, who(&answer),
               demo_time(answer.elapsed_us), demo_count((uint64_t)answer.position), demo_time(answer.age_us),
               demo_time(plain.elapsed_us),
               demo_by_column_store(&answer) ? demo_ratio(ratio_of(plain.elapsed_us, answer.elapsed_us))
                                             : "the same engine");
        note_age(story, &answer);
        demo_answer_free(&answer);
        demo_answer_free(&plain);
    }
}

static void ask_beside_writers(struct story *story)
{
    demo_heading("2. Questions, while four writers change the data");
    demo_say(
        "From here on one thread delays flights, one cancels them, one adds extra flights and one swaps the aircraft "
        "of two flights in one transaction. Every question sees every transaction that was committed before it was "
        "asked. Position is the number of the last change it saw; age 0 means that nothing newer was committed when it "
        "was read. Beside it stands the same SQL on plain SQLite.");
    story->before = status_of(story->db);
    story->writers = demo_writers_start(story->db, story->flights);
    first_round(story);
    for (int round = 2; round <= ROUNDS; round++)
        short_round(story, round);
}

/* ---- 3. The same in quiet ---- */

static void compare(struct story *story, const struct demo_question *question)
{
    int64_t routed[QUIET_RUNS], plain[QUIET_RUNS];
    bool equal = true, by_column_store = false;
    uint64_t rows = 0;
    for (int run = 0; run < QUIET_RUNS; run++) {
        struct demo_answer answer = demo_ask(story->db, question->sql, false);
        struct demo_answer sqlite = demo_ask(story->db, question->sql, true);
        routed[run] = answer.elapsed_us;
        plain[run] = sqlite.elapsed_us;
        rows = answer.row_count;
        by_column_store = demo_by_column_store(&answer);
        equal = equal && demo_same(&answer, &sqlite);
        demo_answer_free(&answer);
        demo_answer_free(&sqlite);
    }
    int64_t fast = demo_median(routed, QUIET_RUNS), slow = demo_median(plain, QUIET_RUNS);
    double ratio = ratio_of(slow, fast);
    if (by_column_store && story->speed_up_count < SAMPLES)
        story->speed_ups[story->speed_up_count++] = ratio;
    story->all_equal = story->all_equal && equal;
    printf("    %-18s %-14s %-11s %-14s %-16s %5s  %s\n", question->label, by_column_store ? "column store" : "SQLite",
           demo_time(fast), demo_time(slow), by_column_store ? demo_ratio(ratio) : "the same engine", demo_count(rows),
           equal ? "equal" : "DIFFERENT");
}

static void ask_in_quiet(struct story *story)
{
    demo_heading("3. The same questions in quiet, compared");
    demo_writers_pause(story->writers);
    demo_say(
        "The writers stand still for a moment, so both engines must give the same rows: every value is compared, in "
        "class and bits. Times are medians of %d.",
        QUIET_RUNS);
    printf("  %s\n", demo_dim("  question           answered by    in          plain SQLite   ratio             rows"));
    story->all_equal = true;
    for (int at = 0; at < demo_question_count; at++)
        compare(story, &demo_questions[at]);
    demo_writers_go(story->writers);
}

/* ---- 4. Proof ---- */

static bool verify(struct story *story)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_table_status **tables = NULL;
    size_t count = 0;
    bool good = true;
    demo_heading("4. Proof: the column store equals the tables");
    demo_say("Each table is compared with its mirror by count and by a checksum over every cell. The writers were "
             "ended only "
             "now, with their last changes just committed.");
    if (rhei_table_list(story->db, &tables, &count, &error) != RHEI_OK)
        demo_fail("the tables can't be listed", &error);
    for (size_t at = 0; at < count; at++) {
        uint64_t rows = 0;
        rhei_status status = rhei_verify(story->db, tables[at]->name, &rows, &error);
        if (status == RHEI_OK)
            demo_good("    %-10s %9s rows, equal", tables[at]->name, demo_count(rows));
        else if (status != RHEI_STALE)
            demo_fail(tables[at]->name, &error);
        else
            printf("    %-10s DIFFERENT: %s\n", tables[at]->name, error.message);
        good = good && status == RHEI_OK;
    }
    rhei_free(tables);
    return good && count > 0;
}

/* ---- 5. Summary ---- */

static int by_ratio(const void *a, const void *b)
{
    const double *first = a, *second = b;
    return (*first > *second) - (*first < *second);
}

static void summarize(struct story *story, const struct demo_writes *writes, int64_t started_us)
{
    struct rhei_sync_status after = status_of(story->db);
    uint64_t transactions = writes->delays + writes->cancellations + writes->extra_flights + writes->swaps;
    qsort(story->speed_ups, story->speed_up_count, sizeof *story->speed_ups, by_ratio);
    demo_heading("Summary");
    printf("    %-30s %s (%s delays, %s cancellations, %s extra flights, %s swaps)\n", "transactions committed",
           demo_bold(demo_count(transactions)), demo_count(writes->delays), demo_count(writes->cancellations),
           demo_count(writes->extra_flights), demo_count(writes->swaps));
    printf("    %-30s %s in %s cycles\n", "changes synced meanwhile",
           demo_bold(demo_count(after.events - story->before.events)), demo_count(after.cycles - story->before.cycles));
    printf("    %-30s %s\n", "median age of an answer",
           demo_bold(demo_time(demo_median(story->ages, story->age_count))));
    if (story->speed_up_count > 0)
        printf("    %-30s %s as fast as plain SQLite, over %zu questions that the column store answered\n",
               "median speed-up", demo_bold(demo_ratio(story->speed_ups[story->speed_up_count / 2])),
               story->speed_up_count);
    else
        printf("    %-30s none: SQLite answered every question\n", "median speed-up");
    printf("    %-30s %s\n", "answers of both engines",
           story->all_equal ? "equal, every value" : demo_bold("DIFFERENT"));
    printf("    %-30s %s\n\n", "time of this demo", demo_time(demo_now_us() - started_us));
}

int main(int argc, char **argv)
{
    struct story story = {0};
    demo_screen_start();
    if (argc != 2) {
        fprintf(stderr, "usage: rhei_demo DATABASE (with the tables of nycflights13; ./dev demo makes it)\n");
        return 2;
    }
    int64_t started = demo_now_us();
    open_and_fill(&story, argv[1]);
    ask_beside_writers(&story);
    ask_in_quiet(&story);
    struct demo_writes writes = demo_writers_stop(&story.writers);
    bool verified = verify(&story);
    summarize(&story, &writes, started);
    rhei_close(&story.db);
    return verified && story.all_equal ? 0 : 1;
}
