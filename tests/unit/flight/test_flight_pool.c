/* SPDX-License-Identifier: Apache-2.0 */
/* Threads as they are needed, and no job lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "base/base_clock.h"
#include "base/base_thread.h"
#include "flight/flight_pool.h"

enum { JOBS = 1000, MOST = 8 };

static atomic_int done, at_once, most_at_once, go;

static void count(void *argument)
{
    (void)argument;
    int now = atomic_fetch_add(&at_once, 1) + 1, most = atomic_load(&most_at_once);
    while (now > most && !atomic_compare_exchange_weak(&most_at_once, &most, now))
        ;
    while (atomic_load(&go) == 0)
        base_fence();
    atomic_fetch_sub(&at_once, 1);
    atomic_fetch_add(&done, 1);
}

static void test_jobs_that_wait_for_each_other_have_threads_up_to_the_limit(void **state)
{
    (void)state;
    static struct flight_job jobs[JOBS];
    struct flight_pool *pool = NULL;
    assert_int_equal(flight_pool_new(MOST, &pool, NULL), RHEI_OK);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct flight_job){.run = count};
        assert_true(flight_pool_give(pool, &jobs[i]));
    }
    int64_t deadline_ns = base_now_ns() + INT64_C(30000000000);
    while (atomic_load(&most_at_once) < MOST && base_now_ns() < deadline_ns)
        base_fence();
    assert_int_equal(atomic_load(&most_at_once), MOST);
    assert_true(flight_pool_is_full(pool));
    atomic_store(&go, 1);
    flight_pool_free(&pool);
    assert_null(pool);
    assert_int_equal(atomic_load(&done), JOBS);
    assert_int_equal(atomic_load(&most_at_once), MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_that_wait_for_each_other_have_threads_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
