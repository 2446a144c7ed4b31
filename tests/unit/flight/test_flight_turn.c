/* SPDX-License-Identifier: Apache-2.0 */
/* One of two threads leads, whatever the other is at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "base/base_clock.h"
#include "base/base_thread.h"
#include "flight/flight_turn.h"

enum { ROUNDS = 2000, LONG_ROUNDS = 20 };
enum work { SHORT, LONG, GIVES };

static struct flight_turn turn;
static enum work kind;
static int most; /* works */
static atomic_int leading, works, refused, lost;

/* Who leads and doesn't work itself is the only one. */
static void comes(void)
{
    assert_int_equal(atomic_fetch_add(&leading, 1), 0);
}

static void goes(void)
{
    assert_int_equal(atomic_fetch_sub(&leading, 1), 1);
}

static void work_itself(void)
{
    int seen = atomic_load(&refused);
    int64_t deadline_ns = base_now_ns() + INT64_C(60000000000);
    if (kind == GIVES)
        flight_turn_give(&turn);
    while (kind == LONG && atomic_load(&refused) == seen && atomic_load(&works) < most && base_now_ns() < deadline_ns)
        base_fence(); /* until the other leads, and may not work itself meanwhile */
}

/* False: the turn is lost. */
static bool round_of(void)
{
    goes();
    if (!flight_turn_begin(&turn)) {
        comes();
        atomic_fetch_add(&refused, 1);
        return true;
    }
    atomic_fetch_add(&works, 1);
    work_itself();
    if (!flight_turn_end(&turn)) {
        atomic_fetch_add(&lost, 1);
        return false;
    }
    comes();
    return true;
}

static void take_turns(void *argument)
{
    (void)argument;
    while (flight_turn_wait(&turn)) {
        comes();
        while (atomic_load(&works) < most && round_of())
            ;
        if (atomic_load(&works) < most)
            continue;
        flight_turn_close(&turn);
        return;
    }
}

static void run_two(enum work of_kind)
{
    base_thread threads[2];
    kind = of_kind;
    most = kind == LONG ? LONG_ROUNDS : ROUNDS;
    atomic_int *all[] = {&leading, &works, &refused, &lost};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        atomic_store(all[i], 0);
    flight_turn_init(&turn);
    for (int i = 0; i < 2; i++)
        assert_int_equal(base_thread_start(&threads[i], "turn", take_turns, NULL, NULL), RHEI_OK);
    for (int i = 0; i < 2; i++)
        base_thread_join(&threads[i]);
    flight_turn_destroy(&turn);
}

static void test_one_leads_while_it_works_itself_now_and_then(void **state)
{
    (void)state;
    run_two(SHORT);
    assert_true(atomic_load(&works) >= ROUNDS);
}

static void test_long_work_loses_its_turn_and_none_is_begun_unguarded(void **state)
{
    (void)state;
    run_two(LONG);
    assert_true(atomic_load(&lost) >= LONG_ROUNDS - 1 && atomic_load(&refused) >= LONG_ROUNDS - 1);
}

static void test_a_turn_that_is_given_away_is_led_on_at_once(void **state)
{
    (void)state;
    run_two(GIVES);
    assert_true(atomic_load(&lost) >= ROUNDS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_leads_while_it_works_itself_now_and_then),
        cmocka_unit_test(test_long_work_loses_its_turn_and_none_is_begun_unguarded),
        cmocka_unit_test(test_a_turn_that_is_given_away_is_led_on_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
