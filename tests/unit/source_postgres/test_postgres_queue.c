/* SPDX-License-Identifier: Apache-2.0 */
/* What servers really send, whole, in parts and spoiled, through the pure half of the stream: messages, queue, decoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_memory.h"
#include "source_postgres/postgres_catalog.h"
#include "source_postgres/postgres_decode.h"
#include "source_postgres/postgres_type.h"
#include "tests/support/postgres_fixture.h"

/* Messages as pgoutput made them. */
struct recording {
    char *bytes[4000];
    size_t length[4000];
    size_t count;
    struct postgres_catalog *catalog;
};

static struct recording recordings[2];

static void record(struct recording *recording, struct test_server *server)
{
    PGresult *result = PQexec(
        server->admin, "SELECT data FROM pg_logical_slot_get_binary_changes('s', NULL, NULL, 'proto_version', '2',"
                       " 'publication_names', 'p', 'streaming', 'on')");
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s", PQerrorMessage(server->admin));
    assert_true(PQntuples(result) > 100 && PQntuples(result) < 4000);
    for (int row = 0; row < PQntuples(result); row++) {
        size_t length = 0;
        unsigned char *bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(result, row, 0), &length);
        recording->bytes[row] = malloc(length); /* of just that size: ASan sees the byte behind */
        memcpy(recording->bytes[row], bytes, length);
        recording->length[row] = length;
        PQfreemem(bytes);
        recording->count++;
    }
    PQclear(result);
}

static void read_catalog(struct recording *recording, struct test_server *server)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct postgres_target target = {.conninfo = server->conninfo};
    struct postgres_connection *connection = NULL;
    struct postgres_wanted wanted = {.logical = true, .publication = "p"};
    rhei_status status = postgres_connect(&target, false, NULL, INT64_MAX, &connection, &error);
    if (status == RHEI_OK)
        status = postgres_catalog_read(connection, &wanted, INT64_MAX, &recording->catalog, &error);
    if (status != RHEI_OK)
        fail_msg("%s", error.message);
    postgres_disconnect(&connection);
    for (size_t i = 0; i < recording->catalog->count; i++)
        recording->catalog->tables[i].definition.id = (uint32_t)i + 1;
}

/* Small transactions, a large one that is streamed, one of whose parts is rolled back, and one that is rolled back whole. */
static int make_recordings(void **state)
{
    (void)state;
    static const int versions[] = {15, 18};
    static const char *const settings[] = {"logical_decoding_work_mem=64kB", NULL};
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_server_open(versions[i], settings);
        test_server_sql(
            server,
            "CREATE TABLE t (id int PRIMARY KEY, a text, n numeric(8,2), z text); CREATE TABLE u (id int PRIMARY KEY);"
            "ALTER TABLE t ALTER z SET STORAGE EXTERNAL; ALTER TABLE u REPLICA IDENTITY FULL;"
            "CREATE PUBLICATION p FOR ALL TABLES");
        test_server_sql(server, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
        test_server_sql(server, "INSERT INTO t SELECT n, 'a' || n, n, NULL FROM generate_series(1, 20) n");
        test_server_sql(server, "UPDATE t SET z = repeat('z', 3000) WHERE id < 5; UPDATE t SET a = 'b' WHERE id < 5; "
                                "UPDATE t SET id = 100 WHERE id = 10");
        test_server_sql(server, "DELETE FROM t WHERE id = 3; INSERT INTO u VALUES (1), (2); UPDATE u SET id = 3 WHERE "
                                "id = 2; DELETE FROM u WHERE id = 1");
        test_server_sql(
            server,
            "BEGIN; INSERT INTO t SELECT n, 'large' || n, 1.5, NULL FROM generate_series(1000, 1900) n; SAVEPOINT x;"
            "DELETE FROM t WHERE id >= 1000; ROLLBACK TO x; UPDATE t SET a = 'end' WHERE id = 1500; COMMIT");
        test_server_sql(server, "BEGIN; DELETE FROM t; ROLLBACK; TRUNCATE u");
        test_server_sql(server, "SELECT 1"); /* a connection for what follows */
        record(&recordings[i], server);
        read_catalog(&recordings[i], server);
        test_server_close(&server);
    }
    return 0;
}

static int drop_recordings(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        for (size_t m = 0; m < recordings[i].count; m++)
            free(recordings[i].bytes[m]);
        postgres_catalog_free(&recordings[i].catalog);
    }
    return 0;
}

static rhei_status feed(struct postgres_queue *queue, const struct recording *recording, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t m = 0; m < recording->count && status == RHEI_OK; m++) {
        bool committed;
        status = postgres_queue_put(queue, recording->bytes[m], recording->length[m], 0, &committed, error);
    }
    return status;
}

struct tally {
    size_t upserts, patches, deletes, clears, calls;
    int64_t first_seq, last_seq;
    uint64_t ids;
};

static void count_batch(const struct change_batch *batch, struct tally *tally)
{
    for (size_t row = 0; row < batch->row_count; row++) {
        tally->upserts += batch->op[row] == CHANGE_UPSERT;
        tally->patches += batch->op[row] == CHANGE_PATCH;
        tally->deletes += batch->op[row] == CHANGE_DELETE;
        tally->clears += batch->op[row] == CHANGE_CLEAR;
        tally->first_seq =
            tally->first_seq == 0 || batch->seq[row] < tally->first_seq ? batch->seq[row] : tally->first_seq;
        tally->last_seq = batch->seq[row] > tally->last_seq ? batch->seq[row] : tally->last_seq;
        if (batch->op[row] != CHANGE_CLEAR)
            tally->ids = tally->ids * 31 + (uint64_t)batch->columns[0][row].as.integer;
        assert_true(row == 0 || batch->seq[row] >= batch->seq[row - 1]);
    }
}

static rhei_status decode(struct postgres_queue *queue, const struct recording *recording, size_t max_rows,
                          uint64_t after, struct tally *tally, struct rhei_error *error)
{
    struct postgres_decoder decoder = {0};
    *tally = (struct tally){0};
    rhei_status status = postgres_decoder_use(&decoder, recording->catalog, error);
    if (status == RHEI_OK)
        status = postgres_decoder_begin(&decoder, queue->first, queue->last, 0, after, error);
    while (status == RHEI_OK) {
        const struct change_batch *batches = NULL;
        size_t count = 0;
        status = postgres_decoder_next(&decoder, max_rows, &batches, &count, error);
        if (status != RHEI_OK || count == 0)
            break;
        for (size_t b = 0; b < count; b++)
            count_batch(&batches[b], tally);
        tally->calls++;
    }
    postgres_decoder_reset(&decoder);
    return status;
}

static void test_s2_what_a_server_sends_is_what_was_committed(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct postgres_queue queue;
        struct tally all, small;
        postgres_queue_init(&queue, 1 << 30, NULL);
        assert_int_equal(feed(&queue, &recordings[i], &error), RHEI_OK);
        assert_null(queue.open);
        assert_int_equal(decode(&queue, &recordings[i], SIZE_MAX, 0, &all, &error), RHEI_OK);
        /* the rolled back parts aren't there; a key's change is a DELETE and an UPSERT */
        assert_int_equal(all.upserts, 20 + 4 + 1 + 2 + 1 + 901 + 1);
        assert_int_equal(all.patches, 4);
        assert_int_equal(all.deletes, 1 + 1 + 1 + 1);
        assert_int_equal(all.clears, 1);
        assert_true(all.last_seq == (int64_t)queue.last->end);
        /* in pieces the same */
        assert_int_equal(decode(&queue, &recordings[i], 7, 0, &small, &error), RHEI_OK);
        assert_true(small.calls > 50 && small.upserts == all.upserts && small.deletes == all.deletes);
        assert_true(small.last_seq == all.last_seq && small.first_seq == all.first_seq);
        /* from behind a transaction only what follows, with what was told of relations before */
        assert_int_equal(decode(&queue, &recordings[i], 7, queue.first->end, &small, &error), RHEI_OK);
        assert_true(small.first_seq > (int64_t)queue.first->end && small.upserts == all.upserts - 20);
        postgres_queue_reset(&queue);
        assert_int_equal(queue.memory, 0);
    }
}

/* With as little room between two ends as there can be: numbers are shared, and a number never lies in two calls. */
static void test_s2_a_change_number_is_never_in_two_calls(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct postgres_queue queue;
    struct postgres_decoder decoder = {0};
    postgres_queue_init(&queue, 1 << 30, NULL);
    assert_int_equal(feed(&queue, &recordings[0], &error), RHEI_OK);
    uint64_t end = 1000;
    for (struct postgres_transaction *t = queue.first; t != NULL; t = t->next)
        t->end = end += 40;
    assert_int_equal(postgres_decoder_use(&decoder, recordings[0].catalog, &error), RHEI_OK);
    assert_int_equal(postgres_decoder_begin(&decoder, queue.first, queue.last, 1000, 0, &error), RHEI_OK);
    int64_t last = 1000;
    size_t count = 1, rows = 0;
    while (count > 0) {
        const struct change_batch *batches = NULL;
        int64_t most = 0;
        assert_int_equal(postgres_decoder_next(&decoder, 10, &batches, &count, &error), RHEI_OK);
        for (size_t b = 0; b < count; b++) {
            assert_true(batches[b].row_count == 0 || batches[b].seq[0] > last);
            rows += batches[b].row_count;
            if (batches[b].row_count > 0 && batches[b].seq[batches[b].row_count - 1] > most)
                most = batches[b].seq[batches[b].row_count - 1];
        }
        last = most > last ? most : last;
    }
    assert_true(rows > 900 && last == (int64_t)end);
    postgres_decoder_reset(&decoder);
    postgres_queue_reset(&queue);
}

static void test_s2_large_transactions_go_to_a_file_and_come_back(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct postgres_queue queue, plain;
    struct tally spilled, kept;
    /* as one transaction of many megabytes */
    struct recording large = recordings[0];
    postgres_queue_init(&queue, 1, "/tmp");
    postgres_queue_init(&plain, (size_t)1 << 40, NULL);
    for (int copy = 0; copy < 2; copy++) {
        struct postgres_queue *to = copy ? &plain : &queue;
        bool committed, begun = false;
        for (int round = 0; round < 1500; round++)
            for (size_t m = 0; m < large.count; m++) {
                char kind = large.bytes[m][0];
                if (strchr("RIUD", kind) == NULL && !(kind == 'B' && !begun))
                    continue;
                struct postgres_message message;
                if (!postgres_message_read(large.bytes[m], large.length[m], false, &message))
                    continue; /* of a block: it has a transaction's number more */
                begun = true;
                assert_int_equal(postgres_queue_put(to, large.bytes[m], large.length[m], 0, &committed, &error),
                                 RHEI_OK);
            }
        static const char commit[] = "C\0\0\0\0\0\0\0\0\1\0\0\0\0\0\xff\xff\xff\0\0\0\0\0\0\0";
        assert_int_equal(postgres_queue_put(to, commit, 26, 0, &committed, &error), RHEI_OK);
        assert_true(committed);
    }
    assert_true(plain.first->memory.len > 1 << 20);
    assert_true(queue.first->file >= 0 &&
                queue.first->file_length + queue.first->memory.len == plain.first->memory.len);
    assert_true(queue.memory < 2 << 20);
    assert_int_equal(decode(&queue, &large, 100, 0, &spilled, &error), RHEI_OK);
    assert_int_equal(decode(&plain, &large, 100, 0, &kept, &error), RHEI_OK);
    assert_true(spilled.upserts > 1000 && spilled.ids == kept.ids && spilled.upserts == kept.upserts &&
                spilled.deletes == kept.deletes);
    postgres_queue_reset(&queue);
    postgres_queue_reset(&plain);
}

/* Bytes that were changed, cut or are out of order end in an error or in other values, never in a crash. */
static void test_s2_spoiled_bytes_are_an_error(void **state)
{
    (void)state;
    uint64_t seed = 20261128; /* RHEI_SEED=N for other ones */
    const char *again = getenv("RHEI_SEED");
    seed = again ? strtoull(again, NULL, 10) : seed;
    print_message("# RHEI_SEED=%llu\n", (unsigned long long)seed);
    size_t refused = 0;
    for (int round = 0; round < 300; round++) {
        const struct recording *from = &recordings[round % 2];
        struct rhei_error error = RHEI_ERROR_INIT;
        struct postgres_queue queue;
        struct tally tally;
        postgres_queue_init(&queue, round % 3 ? 1 << 30 : 1, "/tmp");
        rhei_status status = RHEI_OK;
        size_t first = round % 5 == 0 ? (size_t)(seed >> 40) % from->count : 0;
        for (size_t m = first; m < from->count && status == RHEI_OK; m++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bool spoil = (seed >> 33) % 200 == 0, committed;
            size_t length = from->length[m];
            if (spoil && (seed >> 50) % 3 == 0)
                length = (seed >> 20) % (length + 1);
            char *bytes = malloc(length ? length : 1);
            memcpy(bytes, from->bytes[m], length);
            if (spoil && length > 0)
                bytes[(seed >> 12) % length] = (char)(seed >> 56);
            status = postgres_queue_put(&queue, bytes, length, 0, &committed, &error);
            free(bytes);
        }
        refused += status != RHEI_OK;
        assert_true(status == RHEI_OK || status == RHEI_NOT_A_DATABASE);
        status = decode(&queue, from, 50, 0, &tally, &error);
        postgres_queue_reset(&queue);
    }
    assert_true(refused > 50);
}

/* What a transaction empties is told once it has committed: until then no catalogue shows it, and who looks would think that it had seen it. */
static void test_s2_a_truncate_is_told_with_its_commit(void **state)
{
    (void)state;
    static const char start[] = "S\0\0\0\7\1", truncate[] = "T\0\0\0\7\0\0\0\1\0\0\0\0\x2a", stop[] = "E";
    static const char abort_all[] = "A\0\0\0\7\0\0\0\7";
    static const char commit[] = "c\0\0\0\7\0"
                                 "\0\0\0\0\0\0\0\1"
                                 "\0\0\0\0\0\0\0\2"
                                 "\0\0\0\0\0\0\0\3";
    struct postgres_queue queue;
    struct rhei_error error = RHEI_ERROR_INIT;
    postgres_queue_init(&queue, 1 << 20, NULL);
    for (int commits = 0; commits < 2; commits++) {
        bool committed = false;
        assert_int_equal(postgres_queue_put(&queue, start, sizeof start - 1, 0, &committed, &error), RHEI_OK);
        assert_int_equal(postgres_queue_put(&queue, truncate, sizeof truncate - 1, 0, &committed, &error), RHEI_OK);
        assert_int_equal(postgres_queue_put(&queue, stop, sizeof stop - 1, 0, &committed, &error), RHEI_OK);
        assert_int_equal(queue.truncated_count, 0);
        const char *end = commits ? commit : abort_all;
        size_t len = commits ? sizeof commit - 1 : sizeof abort_all - 1;
        assert_int_equal(postgres_queue_put(&queue, end, len, 0, &committed, &error), RHEI_OK);
        assert_int_equal(committed, commits);
        assert_int_equal(queue.truncated_count, commits);
    }
    assert_true(queue.truncated[0].relation == 42 && queue.truncated[0].xid == 7);
    postgres_queue_reset(&queue);
}

/* Q5. ORIGIN comes behind a transaction's beginning, in a block without its number. */
static void test_a9_what_the_server_received_has_the_time_when_it_was_told(void **state)
{
    (void)state;
    static const char begin[] = "B\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\7", start[] = "S\0\0\0\7\1", stop[] = "E";
    static const char origin[] = "O\0\0\0\0\0\0\0\1o";
#define COMMIT_AT(end) "\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0" end "\0\0\0\0\0\0\0\5"
    static const char own[] = "C" COMMIT_AT("\2"), received[] = "C" COMMIT_AT("\3"),
                      streamed[] = "c\0\0\0\7" COMMIT_AT("\4");
    const struct {
        const char *bytes;
        size_t length;
        int64_t time_us;
    } messages[] = {
        {begin, sizeof begin - 1, 0},
        {own, sizeof own - 1, POSTGRES_EPOCH_US + 5},
        {begin, sizeof begin - 1, 0},
        {origin, sizeof origin, 0},
        {received, sizeof received - 1, 1000},
        {start, sizeof start - 1, 0},
        {origin, sizeof origin, 0},
        {stop, sizeof stop - 1, 0},
        {streamed, sizeof streamed - 1, 1000},
    };
    struct postgres_queue queue;
    struct rhei_error error = RHEI_ERROR_INIT;
    postgres_queue_init(&queue, 1 << 20, NULL);
    for (size_t m = 0; m < sizeof messages / sizeof *messages; m++) {
        bool committed = false;
        assert_int_equal(postgres_queue_put(&queue, messages[m].bytes, messages[m].length, 1000, &committed, &error),
                         RHEI_OK);
        assert_int_equal(committed, messages[m].time_us != 0);
        if (committed)
            assert_true(queue.last->time_us == messages[m].time_us && queue.last->stamp_us == POSTGRES_EPOCH_US + 5);
    }
    postgres_queue_reset(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s2_what_a_server_sends_is_what_was_committed),
        cmocka_unit_test(test_s2_a_change_number_is_never_in_two_calls),
        cmocka_unit_test(test_s2_large_transactions_go_to_a_file_and_come_back),
        cmocka_unit_test(test_s2_spoiled_bytes_are_an_error),
        cmocka_unit_test(test_s2_a_truncate_is_told_with_its_commit),
        cmocka_unit_test(test_a9_what_the_server_received_has_the_time_when_it_was_told),
    };
    return cmocka_run_group_tests(tests, make_recordings, drop_recordings);
}
