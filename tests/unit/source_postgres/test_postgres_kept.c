/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a source beside a position, out of bytes that anything may have happened to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_memory.h"
#include "source_postgres/postgres_kept.h"

enum { MOST = 4000, TABLES = 6, LEAVES = 5 };

struct world {
    struct postgres_leaf leaves[TABLES][LEAVES];
    struct postgres_table tables[TABLES];
    struct postgres_catalog catalog;
    struct postgres_kept kept;
    unsigned char bytes[MOST];
    size_t len;
};

/* Some tables by seed, one of which can't be followed and so isn't kept. */
static void make(struct world *world, unsigned seed)
{
    *world = (struct world){.catalog = {.tables = world->tables, .count = 1 + seed % TABLES},
                            .kept = {.slot = seed % 2 == 0 ? "rhei_app" : "",
                                     .system = "7123456789012345678/1",
                                     .up_since = "817000000000000",
                                     .next_id = 100 + seed}};
    world->kept.mark = (struct postgres_mark){.end = 1000 + seed, .xid = 7, .time_us = -5};
    world->kept.earlier = (struct postgres_mark){.end = 900 + seed, .xid = 6, .time_us = 4};
    world->kept.catalog = &world->catalog;
    for (size_t t = 0; t < world->catalog.count; t++) {
        struct postgres_table *table = &world->tables[t];
        table->shape = (uint64_t)rand_r(&seed) << 32 | (uint64_t)rand_r(&seed);
        table->definition.id = (uint32_t)(t + 1);
        table->reason = t == 2 ? "it is a view" : NULL;
        table->leaves = world->leaves[t];
        table->leaf_count = (uint32_t)(rand_r(&seed) % (LEAVES + 1));
        for (uint32_t l = 0; l < table->leaf_count; l++)
            world->leaves[t][l] = (struct postgres_leaf){.oid = (uint32_t)rand_r(&seed),
                                                         .file = (uint32_t)rand_r(&seed),
                                                         .rewritten = (uint64_t)rand_r(&seed) << 32 | 1};
    }
    void *bytes = NULL;
    assert_int_equal(postgres_kept_write(&world->kept, &bytes, &world->len, NULL), RHEI_OK);
    assert_in_range(world->len, 1, MOST - 8);
    memcpy(world->bytes, bytes, world->len);
    base_free(bytes);
}

/* In memory of that size, so that who reads behind it is seen. */
static struct postgres_catalog *read_bytes(const unsigned char *bytes, size_t len, struct postgres_kept *kept,
                                           char **own)
{
    *own = malloc(len > 0 ? len : 1);
    assert_non_null(*own);
    memcpy(*own, bytes, len);
    *kept = (struct postgres_kept){0};
    assert_int_equal(postgres_kept_read(*own, len, kept, NULL), RHEI_OK);
    return kept->catalog;
}

static bool refuses(const unsigned char *bytes, size_t len)
{
    struct postgres_kept kept;
    char *own = NULL;
    bool refused = read_bytes(bytes, len, &kept, &own) == NULL;
    postgres_catalog_free(&kept.catalog);
    free(own);
    return refused;
}

static void test_s2_what_was_written_is_read_back(void **unused)
{
    (void)unused;
    for (unsigned seed = 0; seed < 50; seed++) {
        struct world world;
        struct postgres_kept kept;
        char *own = NULL;
        make(&world, seed);
        const struct postgres_catalog *read = read_bytes(world.bytes, world.len, &kept, &own);
        assert_non_null(read);
        assert_string_equal(kept.slot, world.kept.slot);
        assert_string_equal(kept.system, world.kept.system);
        assert_string_equal(kept.up_since, world.kept.up_since);
        assert_int_equal(kept.next_id, world.kept.next_id);
        assert_true(kept.mark.end == world.kept.mark.end && kept.mark.xid == 7 && kept.mark.time_us == -5);
        assert_true(kept.earlier.end == world.kept.earlier.end && kept.earlier.xid == 6 && kept.earlier.time_us == 4);
        size_t at = 0;
        for (size_t t = 0; t < world.catalog.count; t++) {
            if (world.tables[t].reason != NULL)
                continue;
            const struct postgres_table *table = &read->tables[at++];
            assert_true(table->shape == world.tables[t].shape && table->leaf_count == world.tables[t].leaf_count);
            assert_int_equal(table->definition.id, world.tables[t].definition.id);
            assert_non_null(table->reason);
            for (uint32_t l = 0; l < table->leaf_count; l++)
                assert_true(table->leaves[l].oid == world.leaves[t][l].oid &&
                            table->leaves[l].file == world.leaves[t][l].file &&
                            table->leaves[l].rewritten == world.leaves[t][l].rewritten);
        }
        assert_int_equal(read->count, at);
        postgres_catalog_free(&kept.catalog);
        free(own);
    }
}

static void test_s2_what_isnt_as_it_was_written_is_refused_as_a_whole(void **unused)
{
    (void)unused;
    for (unsigned seed = 0; seed < 8; seed++) {
        struct world world;
        unsigned chance = seed;
        make(&world, seed);
        assert_false(refuses(world.bytes, world.len));
        for (size_t cut = 0; cut < world.len; cut++)
            assert_true(refuses(world.bytes, cut));
        assert_true(refuses(world.bytes, world.len + 1));
        for (size_t bit = 0; bit < world.len * 8; bit++) {
            world.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_true(refuses(world.bytes, world.len));
            world.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        for (int round = 0; round < 300; round++) {
            unsigned char bytes[MOST];
            for (size_t i = 0; i < world.len; i++)
                bytes[i] = rand_r(&chance) % 3 == 0 ? (unsigned char)rand_r(&chance) : world.bytes[i];
            assert_true(refuses(bytes, (size_t)rand_r(&chance) % (world.len + 1)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s2_what_was_written_is_read_back),
        cmocka_unit_test(test_s2_what_isnt_as_it_was_written_is_refused_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
