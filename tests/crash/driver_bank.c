/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers between accounts of two tables, each with a journal row of its own number, in every way that a write can go:
 * a script, a session's transaction, one statement whose trigger does the rest. The sum of all balances never changes.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

enum { BANK_ACCOUNTS = 50, BANK_MAX_WRITERS = 32 };

struct bank_writer {
    struct lane *lane;
    pthread_t thread;
    int64_t first;
    long count;
    unsigned seed;
};

static rhei_status by_script(rhei_db *db, int64_t id, int from, int to, int amount, struct rhei_error *error)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "UPDATE checking SET balance = balance - %d WHERE id = %d;"
             "UPDATE savings SET balance = balance + %d WHERE name = 'account %d';"
             "INSERT INTO journal VALUES (%" PRId64 ", %d, %d, %d, 'script')",
             amount, from, amount, to, id, from, to, amount);
    return rhei_execute_script(db, sql, NULL, error);
}

static rhei_status by_trigger(rhei_db *db, int64_t id, int from, int to, int amount, struct rhei_error *error)
{
    struct rhei_value values[4] = {rhei_integer(id), rhei_integer(from), rhei_integer(to), rhei_integer(amount)};
    struct rhei_params params = {values, 4};
    return rhei_execute(db, "INSERT OR REPLACE INTO wire VALUES (1 + ?1 % 20, ?1, ?2, ?3, ?4)", &params, NULL, error);
}

static rhei_status in_transaction(rhei_session *session, int64_t id, int from, int to, int amount,
                                  struct rhei_error *error)
{
    struct rhei_value take[2] = {rhei_integer(amount), rhei_integer(from)};
    char name[32];
    snprintf(name, sizeof name, "account %d", to);
    struct rhei_value give[2] = {rhei_integer(amount), rhei_text(name)};
    struct rhei_value note[4] = {rhei_integer(id), rhei_integer(from), rhei_integer(to), rhei_integer(amount)};
    struct rhei_params taking = {take, 2}, giving = {give, 2}, noting = {note, 4};
    rhei_status status = rhei_session_execute(session, "BEGIN", NULL, NULL, error);
    if (status != RHEI_OK)
        return status;
    status =
        rhei_session_execute(session, "UPDATE checking SET balance = balance - ? WHERE id = ?", &taking, NULL, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "UPDATE savings SET balance = balance + ? WHERE name = ?", &giving, NULL,
                                      error);
    if (status == RHEI_OK)
        status =
            rhei_session_execute(session, "INSERT INTO journal VALUES (?, ?, ?, ?, 'session')", &noting, NULL, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "COMMIT", NULL, NULL, error);
    if (status != RHEI_OK && rhei_session_in_transaction(session))
        rhei_session_execute(session, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static rhei_status transfer(struct bank_writer *writer, rhei_session *session, int64_t id, struct rhei_error *error)
{
    int from = 1 + rand_r(&writer->seed) % BANK_ACCOUNTS, to = 1 + rand_r(&writer->seed) % BANK_ACCOUNTS;
    int amount = rand_r(&writer->seed) % 100;
    switch (rand_r(&writer->seed) % 3) {
    case 0:
        return by_script(writer->lane->driver->db, id, from, to, amount, error);
    case 1:
        return by_trigger(writer->lane->driver->db, id, from, to, amount, error);
    default:
        return in_transaction(session, id, from, to, amount, error);
    }
}

/* Whoever reads "ack" knows that the transfer is kept; "nack": that it isn't. */
static void acknowledge(struct lane *lane, int64_t id, rhei_status status, const struct rhei_error *error)
{
    struct text line = {0};
    text_print(&line, "%s %s %" PRId64 " %d ", lane->name, status == RHEI_OK ? "ack" : "nack", id, (int)status);
    text_hex(&line, error->message, strlen(error->message));
    text_add(&line, "\n", 1);
    driver_say(lane->driver, line.data, line.length);
    free(line.data);
}

static void *writer_main(void *context)
{
    struct bank_writer *writer = context;
    rhei_session *session = NULL;
    if (rhei_session_open(writer->lane->driver->db, &session, NULL) != RHEI_OK)
        driver_die("no session");
    for (long n = 0; n < writer->count; n++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = transfer(writer, session, writer->first + n, &error);
        acknowledge(writer->lane, writer->first + n, status, &error);
    }
    rhei_session_close(&session);
    return NULL;
}

rhei_status bank_run(struct lane *lane, const struct words *words, struct rhei_error *error)
{
    (void)error;
    struct bank_writer writers[BANK_MAX_WRITERS];
    long count = words_number(words, "writers", 1);
    if (count > BANK_MAX_WRITERS)
        driver_die("more writers than %d", BANK_MAX_WRITERS);
    for (long w = 0; w < count; w++) {
        writers[w] = (struct bank_writer){
            .lane = lane,
            .first = words_number(words, "first", 0) + w * 1000000,
            .count = words_number(words, "count", 1),
            .seed = (unsigned)(words_number(words, "seed", 0) * 100 + w),
        };
        if (pthread_create(&writers[w].thread, NULL, writer_main, &writers[w]) != 0)
            driver_die("no thread for a writer");
    }
    for (long w = 0; w < count; w++)
        pthread_join(writers[w].thread, NULL);
    return RHEI_OK;
}
