/* SPDX-License-Identifier: Apache-2.0 */
#include "answers_engine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name;
    int32_t backend;
} known[] = {{"duckdb", RHEI_OLAP_DUCKDB}, {"datafusion", RHEI_OLAP_DATAFUSION}};

static bool add(struct engines *engines, const char *name, size_t length)
{
    for (size_t k = 0; k < sizeof known / sizeof *known && engines->count < MOST_ENGINES; k++)
        if (strlen(known[k].name) == length && memcmp(known[k].name, name, length) == 0) {
            engines->of[engines->count++] = (struct engine){.name = known[k].name, .backend = known[k].backend};
            return true;
        }
    return false;
}

bool engines_named(const char *names, struct engines *engines)
{
    *engines = (struct engines){.of[0].name = "", .count = 1};
    if (names == NULL)
        return true;
    unsetenv("RHEI_BACKEND"); /* which would have its say on duckdb */
    engines->count = 0;
    bool fine = true;
    while (fine && names != NULL) {
        size_t length = strcspn(names, ",");
        fine = add(engines, names, length);
        names = names[length] == ',' ? names + length + 1 : NULL;
    }
    return fine;
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
static rhei_status open_one(struct engine *engine, uint64_t number, struct rhei_error *error)
{
    struct rhei_config config = {.struct_size = sizeof config,
                                 .prefer_olap = true,
                                 .olap_backend = engine->backend,
                                 .threads = 1 + (uint32_t)(number & 1)};
    snprintf(engine->file, sizeof engine->file, ":memory:");
    if (number % 2 == 1) {
        const char *folder = getenv("TMPDIR");
        snprintf(engine->file, sizeof engine->file, "%.60s/answers_%ld%s.db", folder != NULL ? folder : "/tmp",
                 (long)getpid(), engine->name);
        remove_files(engine->file);
        if (number % 4 == 3 && !write_empty(engine->file, number % 8 == 3 ? 2 : 3))
            return RHEI_CANT_OPEN;
    }
    return rhei_open(engine->file, &config, &engine->db, error);
}

bool engines_open(struct engines *engines, uint64_t number)
{
    for (uint32_t e = 0; e < engines->count; e++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        if (open_one(&engines->of[e], number, &error) != RHEI_OK) {
            printf("can't open: %s\n", error.message);
            engines_close(engines);
            return false;
        }
    }
    return true;
}

void engines_close(struct engines *engines)
{
    for (uint32_t e = 0; e < engines->count; e++) {
        rhei_close(&engines->of[e].db);
        if (engines->of[e].file[0] != ':' && engines->of[e].file[0] != '\0')
            remove_files(engines->of[e].file);
    }
}

void engines_apply(struct engines *engines, const struct schema *schema, size_t first)
{
    for (uint32_t e = 0; e < engines->count; e++)
        for (size_t i = first; i < schema->statement_count; i++)
            rhei_execute(engines->of[e].db, schema->statements[i], NULL, NULL, NULL);
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

bool engines_alter(struct engines *engines, const char *sql, bool foreign, bool *agree)
{
    uint32_t made = 0;
    struct text script = {0};
    text_format(&script, "BEGIN; %s; COMMIT", sql);
    for (uint32_t e = 0; e < engines->count; e++) {
        struct engine *engine = &engines->of[e];
        bool fine =
            foreign ? shell(engine->file, script.at) : rhei_execute_script(engine->db, sql, NULL, NULL) == RHEI_OK;
        made += fine ? 1 : 0;
    }
    text_free(&script);
    *agree = made == 0 || made == engines->count;
    return made == engines->count;
}

bool engines_in_files(const struct engines *engines)
{
    return engines->of[0].file[0] != ':';
}

bool engines_sync(struct engines *engines, struct rhei_error *error)
{
    bool fine = true;
    for (uint32_t e = 0; e < engines->count && fine; e++)
        fine = rhei_initial_sync(engines->of[e].db, 60000, error) == RHEI_OK;
    return fine;
}

/* The background may just be building a table anew, after a schema change from the other side: then its build is awaited. */
static bool verify_when_built(rhei_db *db, struct rhei_error *error)
{
    uint64_t rows = 0;
    rhei_status status = RHEI_OLAP_UNAVAILABLE;
    for (int tries = 0; tries < 20 && status == RHEI_OLAP_UNAVAILABLE; tries++) {
        status = rhei_initial_sync(db, 30000, error);
        if (status == RHEI_OK)
            status = rhei_verify(db, NULL, &rows, error);
    }
    return status == RHEI_OK;
}

bool engines_verify(struct engines *engines, struct rhei_error *error)
{
    bool fine = true;
    for (uint32_t e = 0; e < engines->count && fine; e++)
        fine = verify_when_built(engines->of[e].db, error);
    return fine;
}
