/* SPDX-License-Identifier: Apache-2.0 */
#include "answers_replay.h"

#include <stdlib.h>
#include <string.h>

static bool open_empty(rhei_db **db, int32_t backend)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {
        .struct_size = sizeof config, .prefer_olap = true, .olap_backend = backend, .threads = 2};
    rhei_close(db);
    if (rhei_open(":memory:", &config, db, &error) == RHEI_OK)
        return true;
    printf("can't open: %s\n", error.message);
    return false;
}

static bool is_question(const char *line)
{
    return strncmp(line, "SELECT", 6) == 0 || strncmp(line, "WITH", 4) == 0 || strncmp(line, "VALUES", 6) == 0;
}

/* Returns 1 if the engines differ. */
static int replay_question(rhei_db *db, const char *sql, bool synced, uint32_t *on_olap)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct pair pair;
    if (!synced && rhei_initial_sync(db, 60000, &error) != RHEI_OK) {
        printf("no sync: %s\n", error.message);
        return 1;
    }
    enum verdict verdict = run_both(db, sql, NULL, &pair);
    *on_olap += strcmp(pair.automatic.route, "olap") == 0;
    if (run_is_difference(verdict)) {
        printf("-- differs: %s\n%s;\n", run_verdict_name(verdict), sql);
        run_print(&pair, stdout);
    }
    run_free(&pair);
    return run_is_difference(verdict) ? 1 : 0;
}

int replay_file(const char *path, int32_t backend, uint32_t *statements, uint32_t *on_olap)
{
    FILE *file = fopen(path, "r");
    rhei_db *db = NULL;
    if (file == NULL || !open_empty(&db, backend)) {
        printf("can't replay %s\n", path);
        if (file != NULL)
            fclose(file);
        return -1;
    }
    char *line = NULL;
    size_t capacity = 0;
    bool synced = false;
    int differences = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, file)) > 0) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == ';'))
            line[--length] = '\0';
        struct rhei_error error = RHEI_ERROR_INIT;
        if (strcmp(line, "-- new") == 0) {
            synced = false;
            differences += open_empty(&db, backend) ? 0 : 1;
        } else if (is_question(line)) {
            (*statements)++;
            differences += replay_question(db, line, synced, on_olap);
            synced = true;
        } else if (length > 0 && strncmp(line, "--", 2) != 0 && rhei_execute(db, line, NULL, NULL, &error) != RHEI_OK) {
            printf("%s\n-- %s\n", line, error.message);
            differences++;
        }
    }
    free(line);
    fclose(file);
    rhei_close(&db);
    return differences;
}
