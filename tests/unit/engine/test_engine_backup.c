/* SPDX-License-Identifier: Apache-2.0 */
/* rhei_backup as a call: what it gives back, what it refuses, who is told, and what is left when memory ends at any allocation. */
#include "tests/support/engine_fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "rhei/rhei_care.h"

struct place {
    struct fixture fixture; /* the first: fixture_tear_down takes it, and its folder has the others */
    char mirror[160], copy[160];
};

static atomic_bool told;

static int tell(void *context, const struct rhei_progress *progress)
{
    (void)context;
    if (strcmp(progress->doing, "copying the database") == 0)
        atomic_store(&told, progress->done >= 0 && strcmp(progress->unit, "bytes") == 0);
    return atomic_load(&told); /* which ends it */
}

/* The work stands at the step that copies pages until somebody was told of it. */
static void wait_there(void *context, const char *point)
{
    (void)context;
    for (int tries = 0; strcmp(point, "backup.copied") == 0 && !atomic_load(&told) && tries < 6000; tries++)
        usleep(10000);
}

static void open_place(struct place *place, const char *mirror)
{
    struct rhei_config config = {.struct_size = sizeof config};
    config.olap_path = mirror;
    config.sync_mode = RHEI_SYNC_TEMPORAL;
    config.fault = wait_there;
    fixture_open(&place->fixture, &config);
    must_be_built(place->fixture.db);
}

static int set_up(void **state)
{
    static struct place place;
    atomic_store(&told, true);
    fixture_init(&place.fixture);
    snprintf(place.mirror, sizeof place.mirror, "%s/mirror", place.fixture.folder);
    snprintf(place.copy, sizeof place.copy, "%s/copy", place.fixture.folder);
    open_place(&place, place.mirror);
    must_execute(place.fixture.db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)");
    must_execute(place.fixture.db, "INSERT INTO t VALUES (1, 'one'), (2, 'two')");
    must_be_built(place.fixture.db);
    must_execute(place.fixture.db, "UPDATE t SET v = 'too' WHERE id = 2");
    *state = &place;
    return 0;
}

static void open_copy(struct place *place)
{
    char path[200], mirror[200];
    struct rhei_config config = {.struct_size = sizeof config, .must_exist = true};
    rhei_close(&place->fixture.db);
    snprintf(path, sizeof path, "%s/rhei.db", place->copy);
    snprintf(mirror, sizeof mirror, "%s/rhei.mirror", place->copy);
    config.olap_path = mirror;
    config.sync_mode = RHEI_SYNC_TEMPORAL;
    assert_int_equal(rhei_open(path, &config, &place->fixture.db, NULL), RHEI_OK);
}

static void test_a9_the_result_tells_what_is_in_the_copy(void **state)
{
    struct place *place = *state;
    struct rhei_backup_result result = {.struct_size = sizeof result};
    struct rhei_error error = RHEI_ERROR_INIT;
    char *before =
        must_rows(place->fixture.db, "SELECT * FROM t_history ORDER BY _rhei_seq, id", NULL, RHEI_ROUTE_OLAP);
    if (rhei_backup(place->fixture.db, place->copy, NULL, &result, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(result.struct_size, sizeof result);
    assert_int_equal(result.position, 3);
    assert_true(result.database_bytes > 0 && result.olap_bytes > 0 && result.duration_us > 0);
    assert_int_equal(result.olap_position, 3); /* nobody wrote meanwhile */
    open_copy(place);
    must_be_built(place->fixture.db);
    must_verify(place->fixture.db);
    char *after = must_rows(place->fixture.db, "SELECT * FROM t_history ORDER BY _rhei_seq, id", NULL, RHEI_ROUTE_OLAP);
    assert_string_equal(before, after);
    rhei_free(before);
    rhei_free(after);
    /* it is another file than the original, so the original's folder isn't its own */
    char path[200];
    rhei_db *mixed = NULL;
    struct rhei_config config = {.struct_size = sizeof config};
    config.olap_path = place->mirror;
    config.sync_mode = RHEI_SYNC_TEMPORAL;
    rhei_close(&place->fixture.db);
    snprintf(path, sizeof path, "%s/rhei.db", place->copy);
    assert_int_equal(rhei_open(path, &config, &mixed, &error), RHEI_EXISTS);
}

static void test_d5_wrong_arguments(void **state)
{
    struct place *place = *state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_call_options options = {.struct_size = 1};
    assert_int_equal(rhei_backup(NULL, place->copy, NULL, NULL, &error), RHEI_INVALID);
    assert_int_equal(rhei_backup(place->fixture.db, NULL, NULL, NULL, &error), RHEI_INVALID);
    assert_int_equal(rhei_backup(place->fixture.db, "", NULL, NULL, NULL), RHEI_INVALID);
    assert_int_equal(rhei_backup(place->fixture.db, place->copy, &options, NULL, &error), RHEI_INVALID);
    assert_int_equal(access(place->copy, F_OK), -1);
    assert_int_equal(rhei_backup(place->fixture.db, place->copy, NULL, NULL, NULL), RHEI_OK); /* nobody wants to know */
    assert_int_equal(rhei_backup(place->fixture.db, place->copy, NULL, NULL, &error), RHEI_EXISTS);
}

static void test_q5_who_is_told_of_it_may_end_it(void **state)
{
    struct place *place = *state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_call_options options = {.struct_size = sizeof options, .progress = tell};
    atomic_store(&told, false);
    assert_int_equal(rhei_backup(place->fixture.db, place->copy, &options, NULL, &error), RHEI_CANCELLED);
    assert_true(atomic_load(&told));
    assert_int_equal(access(place->copy, F_OK), -1);
}

/* The n-th allocation of the calling thread fails, for every n: one error, and nothing left; or it didn't matter. */
static void test_d6_no_memory_at_any_point_leaves_nothing(void **state)
{
    struct place *place = *state;
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", place->copy);
    for (uint64_t n = 1; n <= 150; n++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        base_memory_fail_after(n);
        rhei_status status = rhei_backup(place->fixture.db, place->copy, NULL, NULL, &error);
        base_memory_fail_after(0);
        if (status != RHEI_OK && status != RHEI_NO_MEMORY)
            fail_msg("at %d: %s", (int)n, error.message);
        assert_int_equal(access(place->copy, F_OK), status == RHEI_OK ? 0 : -1);
        if (status == RHEI_OK) /* it was of something that is done again, or less well */
            assert_int_equal(system(command), 0);
    }
    assert_int_equal(rhei_backup(place->fixture.db, place->copy, NULL, NULL, NULL), RHEI_OK);
    open_copy(place);
    must_be_built(place->fixture.db);
    must_verify(place->fixture.db);
    assert_int_equal(must_int64(place->fixture.db, "SELECT count(*) FROM t_history", RHEI_ROUTE_OLAP), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a9_the_result_tells_what_is_in_the_copy, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d5_wrong_arguments, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q5_who_is_told_of_it_may_end_it, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d6_no_memory_at_any_point_leaves_nothing, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
