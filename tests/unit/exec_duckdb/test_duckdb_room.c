/* SPDX-License-Identifier: Apache-2.0 */
/* Too little address space for DuckDB is an error, wherever it runs out. This program itself never loads DuckDB. */
#include "duckdb_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_memory.h"

/* A sanitizer ends the program itself where memory runs out: with one, only what is refused beforehand is tried. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LEAST_MIB = 60, MOST_MIB = 60, STEP_MIB = 20 };
#else
enum { LEAST_MIB = 20, MOST_MIB = 520, STEP_MIB = 20 };
#endif

static uint64_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu", &pages), 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* In a child: 0 it answered, 1 it was refused with a reason, 2 anything else. */
static int ask_with_room(struct fixture *fixture, uint64_t room)
{
    struct rlimit limit = {.rlim_cur = address_space() + room, .rlim_max = RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 2;
    struct mirror_snapshot snapshot;
    if (mirror_snapshot_take(fixture->mirror, &snapshot) != RHEI_OK)
        return 2;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    struct executor_query query = {.sql = "SELECT id % 10, count(*) FROM mirror_scan(1, 0) GROUP BY 1 ORDER BY 1",
                                   .snapshot = &snapshot};
    int answered = 0;
    for (int again = 0; again < 3; again++) {
        error = (struct rhei_error)RHEI_ERROR_INIT;
        if (fixture->executor->ops->run(fixture->executor, &query, &stream, &error) == RHEI_OK) {
            answered++;
            stream.release(&stream);
        } else if (error.code == RHEI_OK || error.message[0] == '\0') {
            return 2;
        }
    }
    return answered > 0 ? 0 : 1;
}

static void test_d6_too_little_address_space_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "id I");
    struct rows rows = {0};
    for (int64_t id = 1; id <= 20000; id++) {
        struct rhei_value value = value_int(id);
        rows_add(&rows, &value, 1);
    }
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    int answered = 0, refused = 0;
    for (int mib = LEAST_MIB; mib <= MOST_MIB; mib += STEP_MIB) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(ask_with_room(fixture, (uint64_t)mib << 20));
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
            fail_msg("with %d MiB of address space: status %d", mib, status);
        answered += WEXITSTATUS(status) == 0;
        refused += WEXITSTATUS(status) == 1;
    }
    printf("# %d answered, %d refused\n", answered, refused);
    assert_true(refused > 0);
    assert_true(answered > 0 || MOST_MIB < 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_d6_too_little_address_space_is_an_error, fixture_set_up,
                                        fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
