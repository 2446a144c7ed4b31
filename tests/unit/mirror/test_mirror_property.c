/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror against a naive model: every key kind, every class, snapshots held and read again, compaction, drops and
 * rebuilds, failing memory. RHEI_MIRROR_OPERATIONS makes it longer, RHEI_MIRROR_SEED repeats one seed.
 */
#include "base/base_clock.h"
#include "mirror_driver.h"

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL || *text == '\0' ? otherwise : strtoull(text, NULL, 10);
}

static void run(bool failing_memory, uint64_t operations)
{
    uint64_t seed = number_from("RHEI_MIRROR_SEED", 0), wanted = number_from("RHEI_MIRROR_OPERATIONS", operations);
    bool once = seed != 0;
    struct driver_result all = {0};
    uint64_t next = once ? seed : base_random_u64() >> 16;
    do {
        print_message("# seed %llu\n", (unsigned long long)next);
        struct driver_options options = {.seed = next, .operations = 60000, .failing_memory = failing_memory};
        struct driver_result result = driver_run(&options);
        all.operations += result.operations;
        all.publishes += result.publishes;
        all.snapshots += result.snapshots;
        all.compactions += result.compactions;
        all.rebuilds += result.rebuilds;
        all.failures += result.failures;
        next++;
    } while (!once && all.operations < wanted);
    print_message("# %llu changes, %llu publishes, %llu snapshots read, %llu swaps, %llu rebuilds, %llu failed calls\n",
                  (unsigned long long)all.operations, (unsigned long long)all.publishes,
                  (unsigned long long)all.snapshots, (unsigned long long)all.compactions,
                  (unsigned long long)all.rebuilds, (unsigned long long)all.failures);
    assert_true(all.publishes > 0);
}

static void test_a1_mirror_equals_model(void **state)
{
    (void)state;
    run(false, 2500000);
}

static void test_d6_failing_memory_harms_nothing(void **state)
{
    (void)state;
    run(true, 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a1_mirror_equals_model),
        cmocka_unit_test(test_d6_failing_memory_harms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
