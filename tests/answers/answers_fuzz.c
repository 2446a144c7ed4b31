/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random statements over random databases, each asked of SQLite and, where the router lets it, of the column store. Rows,
 * classes, bits, order, names and failures have to be the same.
 *
 *   answers_fuzz [--seed N] [--count N] [--minutes N] [--database N] [--stop N] [--quiet] [--verbose] [--replay FILE]
 *
 * A seed repeats a run; --database asks the statements of one of its databases alone; --stop ends after that many
 * differences; --replay asks the statements of a file instead. Ends with 0 if there was no difference, else with 1.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "answers_replay.h"
#include "answers_select.h"
#include "answers_shrink.h"

enum { STATEMENTS_A_DATABASE = 250, HANG_SECONDS = 120 };

struct run {
    uint64_t seed, database;
    int64_t count, only, stop;
    double minutes;
    bool quiet, verbose;
    const char *replay;
    int64_t statements, on_olap, differences, slow, excused, failures, changes;
    time_t started;
    char file[112];
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

static void report(struct run *run, rhei_db *db, const struct schema *schema, const struct generator *generator,
                   const struct text *sql, enum verdict verdict, int64_t number)
{
    struct rhei_value values[MOST_PARAMETERS];
    struct text shorter = {0};
    struct pair pair;
    for (uint32_t i = 0; i < generator->parameter_count; i++)
        values[i] = generator->parameters[i].value;
    text_put(&shorter, sql->at);
    shrink_statement(db, &shorter, values, verdict);
    printf("-- ==== differs: %s; --seed %llu --database %llu, statement %lld\n", run_verdict_name(verdict),
           (unsigned long long)run->seed, (unsigned long long)run->database, (long long)number);
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
    run_both(db, shorter.at, values, &pair);
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

static void ask_one(struct run *run, rhei_db *db, const struct schema *schema, int64_t number)
{
    struct generator generator = {.schema = schema};
    struct rhei_value values[MOST_PARAMETERS];
    struct pair pair;
    generator.random = random_of(run->seed, run->database << 20 | (uint64_t)number);
    text_clear(&now);
    select_make(&generator, &now);
    for (uint32_t i = 0; i < generator.parameter_count; i++)
        values[i] = generator.parameters[i].value;
    if (run->verbose) {
        printf("%lld: %s;\n", (long long)number, now.at);
        fflush(stdout);
    }
    alarm(HANG_SECONDS);
    enum verdict verdict = run_both(db, now.at, values, &pair);
    run->statements++;
    run->on_olap += strcmp(pair.automatic.route, "olap") == 0;
    run->failures += pair.oltp.status != RHEI_OK;
    run->slow += verdict == VERDICT_SLOW;
    run->excused += verdict == VERDICT_EXCUSED;
    if (run->verbose)
        printf("  %s %s %s %s\n", run_verdict_name(verdict), pair.automatic.route, pair.automatic.rule,
               pair.oltp.message);
    if (run->verbose)
        print_route(db, now.at, values, generator.parameter_count);
    if (verdict == VERDICT_SLOW && !run->quiet)
        printf("-- slow, database %llu, oltp %s, auto %s: %s;\n", (unsigned long long)run->database,
               rhei_status_name(pair.oltp.status), rhei_status_name(pair.automatic.status), now.at);
    run_free(&pair);
    if (run_is_difference(verdict)) {
        run->differences++;
        alarm(10 * HANG_SECONDS);
        struct text sql = now;
        now = (struct text){0};
        text_put(&now, sql.at);
        report(run, db, schema, &generator, &sql, verdict, number);
        text_free(&sql);
    }
    alarm(0);
}

static bool finished(const struct run *run)
{
    if (run->stop > 0 && run->differences >= run->stop)
        return true;
    if (run->minutes > 0)
        return difftime(time(NULL), run->started) > run->minutes * 60;
    return run->statements >= run->count;
}

/* Runs the statements from `first` on. Inserts and updates may break a constraint: then the row isn't there, in both. */
static void apply(rhei_db *db, const struct schema *schema, size_t first)
{
    for (size_t i = first; i < schema->statement_count; i++)
        rhei_execute(db, schema->statements[i], NULL, NULL, NULL);
}

/* A database without a table, but with its encoding: SQLite's file of one page. */
static bool write_empty(const char *path, unsigned char encoding)
{
    static unsigned char page[4096];
    memcpy(page, "SQLite format 3", 16);
    page[16] = 0x10; /* 4,096 bytes a page */
    page[18] = page[19] = 1;
    page[21] = 64;
    page[22] = page[23] = 32;
    page[27] = page[31] = 1; /* change counter, pages */
    page[47] = 4;            /* schema format */
    page[59] = encoding;
    page[95] = 1;     /* the size above is of this change */
    page[100] = 0x0d; /* an empty leaf */
    page[105] = 0x10;
    FILE *file = fopen(path, "wb");
    bool fine = file != NULL && fwrite(page, sizeof page, 1, file) == 1;
    return file != NULL && fclose(file) == 0 && fine;
}

static void remove_files(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

/* Every second database is a file, so that others can change its schema; half of those are in UTF-16, of either byte order. */
static rhei_status open_database(struct run *run, const struct rhei_config *config, rhei_db **db,
                                 struct rhei_error *error)
{
    snprintf(run->file, sizeof run->file, ":memory:");
    if (run->database % 2 == 1) {
        const char *folder = getenv("TMPDIR");
        snprintf(run->file, sizeof run->file, "%.80s/answers_%ld.db", folder != NULL ? folder : "/tmp", (long)getpid());
        remove_files(run->file);
        if (run->database % 4 == 3 && !write_empty(run->file, run->database % 8 == 3 ? 2 : 3))
            return RHEI_CANT_OPEN;
    }
    return rhei_open(run->file, config, db, error);
}

static bool shell(const char *path, const char *sql)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execlp("sqlite3", "sqlite3", "-batch", "-bail", "-cmd", ".timeout 20000", path, sql, (char *)NULL);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* One change of the schema, by us or by another program. A refused one changes nothing. */
static void alter(struct run *run, rhei_db *db, struct random *random, struct schema *schema, uint32_t number)
{
    struct alter made;
    data_alter(random, schema, number, &made);
    bool foreign = run->file[0] != ':' && random_chance(random, 50);
    if (made.sql.length > 0) {
        struct text script = {0};
        text_format(&script, "BEGIN; %s; COMMIT", made.sql.at);
        bool fine = foreign ? shell(run->file, script.at) : rhei_execute_script(db, made.sql.at, NULL, NULL) == RHEI_OK;
        if (fine)
            data_altered(schema, &made);
        if (run->verbose)
            printf("-- %s, %s: %s;\n", foreign ? "foreign" : "own", fine ? "made" : "refused", made.sql.at);
        run->changes += fine;
        text_free(&script);
    }
    text_free(&made.sql);
    if (random_chance(random, 50))
        rhei_initial_sync(db, 60000, NULL);
}

/* The background may just be building a table anew, after a schema change from the other side: then its build is awaited. */
static bool verify_when_built(rhei_db *db, uint64_t *rows, struct rhei_error *error)
{
    rhei_status status = RHEI_OLAP_UNAVAILABLE;
    for (int tries = 0; tries < 20 && status == RHEI_OLAP_UNAVAILABLE; tries++) {
        status = rhei_initial_sync(db, 30000, error);
        if (status == RHEI_OK)
            status = rhei_verify(db, NULL, rows, error);
    }
    return status == RHEI_OK;
}

static bool ask_database(struct run *run)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {
        .struct_size = sizeof config, .prefer_olap = true, .threads = 1 + (uint32_t)(run->database & 1)};
    struct random random = random_of(run->seed ^ 0xDA7ABA5E, run->database);
    struct schema schema;
    rhei_db *db = NULL;
    if (open_database(run, &config, &db, &error) != RHEI_OK) {
        printf("can't open: %s\n", error.message);
        return false;
    }
    bool calm = random_chance(&random, 55);
    data_make(&random, calm, random_chance(&random, 4), &schema);
    apply(db, &schema, 0);
    bool fine = rhei_initial_sync(db, 60000, &error) == RHEI_OK;
    for (int64_t n = 0;
         fine && n < (schema.large ? STATEMENTS_A_DATABASE / 3 : STATEMENTS_A_DATABASE) && !finished(run); n++) {
        if (n % 60 == 50) {
            size_t before = schema.statement_count;
            data_change(&random, &schema, 6);
            apply(db, &schema, before);
        }
        if (n % 17 == 13)
            alter(run, db, &random, &schema, (uint32_t)n);
        ask_one(run, db, &schema, n);
    }
    uint64_t rows = 0;
    fine = fine && verify_when_built(db, &rows, &error);
    if (!fine)
        printf("-- --seed %llu --database %llu: %s\n", (unsigned long long)run->seed, (unsigned long long)run->database,
               error.message);
    data_free(&schema);
    rhei_close(&db);
    if (run->file[0] != ':')
        remove_files(run->file);
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
        else
            return false;
    }
    return true;
}

static int replay(const struct run *run)
{
    uint32_t statements = 0, on_olap = 0;
    int differences = replay_file(run->replay, &statements, &on_olap);
    printf("%u statements, %u on olap, %u on oltp, %d differences\n", statements, on_olap, statements - on_olap,
           differences);
    return differences == 0 ? 0 : 1;
}

int main(int count, char **values)
{
    struct run run = {.seed = (uint64_t)time(NULL), .count = 2000, .only = -1, .started = time(NULL)};
    if (!read_options(&run, count, values)) {
        fputs("answers_fuzz [--seed N] [--count N] [--minutes N] [--database N] [--stop N] [--quiet] [--verbose] "
              "[--replay FILE]\n",
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
    printf("seed %llu: %lld statements, %lld on olap, %lld on oltp, %lld failed in both, %lld excused, %lld slow, %lld "
           "schema changes, %lld differences\n",
           (unsigned long long)run.seed, (long long)run.statements, (long long)run.on_olap,
           (long long)(run.statements - run.on_olap), (long long)run.failures, (long long)run.excused,
           (long long)run.slow, (long long)run.changes, (long long)run.differences);
    return fine && run.differences == 0 ? 0 : 1;
}
