/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random statements over random databases, each asked of SQLite and, where the router lets it, of the column store. Rows,
 * classes, bits, order, names and failures have to be the same.
 *
 *   answers_fuzz [--seed N] [--count N] [--minutes N] [--database N] [--stop N] [--quiet] [--verbose] [--replay FILE]
 *                [--engines NAME,NAME]
 *
 * A seed repeats a run; --database asks the statements of one of its databases alone; --stop ends after that many
 * differences; --replay asks the statements of a file instead; --engines names the executors of column stores that are
 * asked, each over a database of its own with the same history. Ends with 0 if there was no difference, else with 1.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answers_engine.h"
#include "answers_replay.h"
#include "answers_select.h"
#include "answers_shrink.h"

enum { STATEMENTS_A_DATABASE = 250, HANG_SECONDS = 120 };

struct run {
    uint64_t seed, database;
    int64_t count, only, stop;
    double minutes;
    bool quiet, verbose;
    const char *replay, *named;
    struct engines engines;
    int64_t statements, differences, changes;
    time_t started;
};

static struct text now; /* the statement that runs, for the signal handler */

static void hang(int number)
{
    (void)number;
    static const char words[] = "a statement hangs:\n";
    (void)!write(STDOUT_FILENO, words, sizeof words - 1);
    (void)!write(STDOUT_FILENO, now.at, now.length);
    (void)!write(STDOUT_FILENO, "\n", 1);
    _exit(2);
}

static void print_schema(const struct schema *schema, const char *sql)
{
    bool all = strstr(sql, "v0") != NULL || strstr(sql, "v1") != NULL;
    for (size_t i = 0; i < schema->statement_count; i++) {
        bool wanted = all;
        for (uint32_t t = 0; t < schema->relation_count && !wanted; t++) {
            char word[40];
            snprintf(word, sizeof word, " %s ", schema->relations[t].name);
            char usual[40];
            snprintf(usual, sizeof usual, "%s", schema->relations[t].name);
            wanted = strstr(schema->statements[i], word) != NULL && strstr(sql, usual) != NULL;
        }
        if (wanted)
            printf("%s;\n", schema->statements[i]);
    }
}

static void report(struct run *run, const struct engine *engine, const struct schema *schema,
                   const struct generator *generator, const struct text *sql, enum verdict verdict, int64_t number)
{
    struct rhei_value values[MOST_PARAMETERS];
    struct text shorter = {0};
    struct pair pair;
    for (uint32_t i = 0; i < generator->parameter_count; i++)
        values[i] = generator->parameters[i].value;
    text_put(&shorter, sql->at);
    shrink_statement(engine->db, &shorter, values, verdict);
    printf("-- ==== differs%s%s: %s; --seed %llu --database %llu, statement %lld\n",
           *engine->name != '\0' ? " by " : "", engine->name, run_verdict_name(verdict), (unsigned long long)run->seed,
           (unsigned long long)run->database, (long long)number);
    if (!run->quiet)
        print_schema(schema, shorter.at);
    printf("-- was: %s;\n", sql->at);
    for (uint32_t i = 0; i < generator->parameter_count; i++) {
        struct text literal = {0};
        data_literal(&literal, &values[i]);
        printf("-- ?%u = %s\n", i + 1, literal.at);
        text_free(&literal);
    }
    printf("%s;\n", shorter.at);
    run_both(engine->db, shorter.at, values, &pair);
    run_print(&pair, stdout);
    run_free(&pair);
    text_free(&shorter);
    fflush(stdout);
}

/* Why the router chose as it did. */
static void print_route(rhei_db *db, const char *sql, const struct rhei_value *values, size_t count)
{
    struct text explain = {0};
    struct rhei_params params = {values, count};
    rhei_rows *rows = NULL;
    text_put(&explain, "EXPLAIN ROUTE ");
    text_put(&explain, sql);
    if (rhei_query(db, explain.at, &params, NULL, &rows, NULL) == RHEI_OK) {
        while (rhei_rows_next(rows, NULL) == RHEI_ROW) {
            const char *item = rhei_rows_text(rows, 0);
            if (strcmp(item, "reason") == 0 || strcmp(item, "at") == 0 || strcmp(item, "column store SQL") == 0)
                printf("  %s: %s\n", item, rhei_rows_text(rows, 1));
        }
    }
    rhei_rows_close(&rows);
    text_free(&explain);
}

/* Counts what came of it; a difference is reported with a shorter statement, in whose place `now` is looked at meanwhile. */
static void judge(struct run *run, struct engine *engine, const struct schema *schema,
                  const struct generator *generator, const struct rhei_value *values, int64_t number)
{
    struct pair pair;
    alarm(HANG_SECONDS);
    enum verdict verdict = run_both(engine->db, now.at, values, &pair);
    engine->on_olap += strcmp(pair.automatic.route, "olap") == 0;
    engine->failures += pair.oltp.status != RHEI_OK;
    engine->slow += verdict == VERDICT_SLOW;
    engine->excused += verdict == VERDICT_EXCUSED;
    if (run->verbose) {
        printf("  %s %s %s %s %s\n", engine->name, run_verdict_name(verdict), pair.automatic.route, pair.automatic.rule,
               pair.oltp.message);
        print_route(engine->db, now.at, values, generator->parameter_count);
    }
    if (verdict == VERDICT_SLOW && !run->quiet)
        printf("-- slow, database %llu, oltp %s, auto %s: %s;\n", (unsigned long long)run->database,
               rhei_status_name(pair.oltp.status), rhei_status_name(pair.automatic.status), now.at);
    run_free(&pair);
    if (run_is_difference(verdict)) {
        run->differences++;
        engine->differences++;
        alarm(10 * HANG_SECONDS);
        struct text sql = now;
        now = (struct text){0};
        text_put(&now, sql.at);
        report(run, engine, schema, generator, &sql, verdict, number);
        text_free(&now);
        now = sql;
    }
    alarm(0);
}

static void ask_one(struct run *run, const struct schema *schema, int64_t number)
{
    struct generator generator = {.schema = schema};
    struct rhei_value values[MOST_PARAMETERS];
    generator.random = random_of(run->seed, run->database << 20 | (uint64_t)number);
    text_clear(&now);
    select_make(&generator, &now);
    for (uint32_t i = 0; i < generator.parameter_count; i++)
        values[i] = generator.parameters[i].value;
    if (run->verbose) {
        printf("%lld: %s;\n", (long long)number, now.at);
        fflush(stdout);
    }
    run->statements++;
    for (uint32_t e = 0; e < run->engines.count; e++)
        judge(run, &run->engines.of[e], schema, &generator, values, number);
}

static bool finished(const struct run *run)
{
    if (run->stop > 0 && run->differences >= run->stop)
        return true;
    if (run->minutes > 0)
        return difftime(time(NULL), run->started) > run->minutes * 60;
    return run->statements >= run->count;
}

/* One change of the schema, by us or by another program. A refused one changes nothing. */
static void alter(struct run *run, struct random *random, struct schema *schema, uint32_t number)
{
    struct alter made;
    data_alter(random, schema, number, &made);
    bool foreign = engines_in_files(&run->engines) && random_chance(random, 50);
    if (made.sql.length > 0) {
        bool agree, fine = engines_alter(&run->engines, made.sql.at, foreign, &agree);
        if (fine)
            data_altered(schema, &made);
        if (run->verbose || !agree)
            printf("-- %s, %s: %s;\n", foreign ? "foreign" : "own",
                   fine    ? "made"
                   : agree ? "refused"
                           : "made by some engines only",
                   made.sql.at);
        run->changes += fine;
        run->differences += agree ? 0 : 1;
    }
    text_free(&made.sql);
    if (random_chance(random, 50))
        engines_sync(&run->engines, NULL);
}

static bool ask_database(struct run *run)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct random random = random_of(run->seed ^ 0xDA7ABA5E, run->database);
    struct schema schema;
    if (!engines_open(&run->engines, run->database))
        return false;
    bool calm = random_chance(&random, 55);
    data_make(&random, calm, random_chance(&random, 4), &schema);
    engines_apply(&run->engines, &schema, 0);
    bool fine = engines_sync(&run->engines, &error);
    for (int64_t n = 0;
         fine && n < (schema.large ? STATEMENTS_A_DATABASE / 3 : STATEMENTS_A_DATABASE) && !finished(run); n++) {
        if (n % 60 == 50) {
            size_t before = schema.statement_count;
            data_change(&random, &schema, 6);
            engines_apply(&run->engines, &schema, before);
        }
        if (n % 17 == 13)
            alter(run, &random, &schema, (uint32_t)n);
        ask_one(run, &schema, n);
    }
    fine = fine && engines_verify(&run->engines, &error);
    if (!fine)
        printf("-- --seed %llu --database %llu: %s\n", (unsigned long long)run->seed, (unsigned long long)run->database,
               error.message);
    data_free(&schema);
    engines_close(&run->engines);
    return fine;
}

static bool read_options(struct run *run, int count, char **values)
{
    for (int i = 1; i < count; i++) {
        const char *name = values[i], *value = i + 1 < count ? values[i + 1] : NULL;
        if (strcmp(name, "--quiet") == 0) {
            run->quiet = true;
            continue;
        }
        if (strcmp(name, "--verbose") == 0) {
            run->verbose = true;
            continue;
        }
        if (value == NULL)
            return false;
        i++;
        if (strcmp(name, "--seed") == 0)
            run->seed = strtoull(value, NULL, 10);
        else if (strcmp(name, "--count") == 0)
            run->count = strtoll(value, NULL, 10);
        else if (strcmp(name, "--minutes") == 0)
            run->minutes = strtod(value, NULL);
        else if (strcmp(name, "--database") == 0)
            run->only = strtoll(value, NULL, 10);
        else if (strcmp(name, "--stop") == 0)
            run->stop = strtoll(value, NULL, 10);
        else if (strcmp(name, "--replay") == 0)
            run->replay = value;
        else if (strcmp(name, "--engines") == 0)
            run->named = value;
        else
            return false;
    }
    return engines_named(run->named, &run->engines);
}

static int replay(const struct run *run)
{
    int all = 0;
    for (uint32_t e = 0; e < run->engines.count; e++) {
        const struct engine *engine = &run->engines.of[e];
        uint32_t statements = 0, on_olap = 0;
        int differences = replay_file(run->replay, engine->backend, &statements, &on_olap);
        printf("%s%s%u statements, %u on olap, %u on oltp, %d differences\n", engine->name,
               *engine->name != '\0' ? ": " : "", statements, on_olap, statements - on_olap, differences);
        all |= differences;
    }
    return all == 0 ? 0 : 1;
}

static void print_engine(const struct run *run, const struct engine *engine)
{
    printf("seed %llu%s%s: %lld statements, %lld on olap, %lld on oltp, %lld failed in both, %lld excused, %lld slow, "
           "%lld "
           "schema changes, %lld differences\n",
           (unsigned long long)run->seed, *engine->name != '\0' ? ", " : "", engine->name, (long long)run->statements,
           (long long)engine->on_olap, (long long)(run->statements - engine->on_olap), (long long)engine->failures,
           (long long)engine->excused, (long long)engine->slow, (long long)run->changes,
           (long long)engine->differences);
}

int main(int count, char **values)
{
    struct run run = {.seed = (uint64_t)time(NULL), .count = 2000, .only = -1, .started = time(NULL)};
    if (!read_options(&run, count, values)) {
        fputs("answers_fuzz [--seed N] [--count N] [--minutes N] [--database N] [--stop N] [--quiet] [--verbose] "
              "[--replay FILE] [--engines duckdb,datafusion]\n",
              stderr);
        return 2;
    }
    if (run.replay != NULL)
        return replay(&run);
    signal(SIGALRM, hang);
    printf("seed %llu\n", (unsigned long long)run.seed);
    run.database = run.only >= 0 ? (uint64_t)run.only : 0;
    bool fine = ask_database(&run);
    while (fine && run.only < 0 && !finished(&run)) {
        run.database++;
        fine = ask_database(&run);
    }
    text_free(&now);
    for (uint32_t e = 0; e < run.engines.count; e++)
        print_engine(&run, &run.engines.of[e]);
    return fine && run.differences == 0 ? 0 : 1;
}
