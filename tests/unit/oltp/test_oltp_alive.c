/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of engines (oltp_alive.h): which are known to be gone, and of which that is never said. */
#include "oltp_test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oltp/oltp_alive.h"

static void test_a8_an_open_handle_is_there_and_a_closed_one_is_gone(void **state)
{
    (void)state;
    int64_t one = oltp_alive_new(), other = oltp_alive_new();
    assert_true(one > 0 && other > 0 && one != other);
    assert_false(oltp_alive_is_gone(one));
    oltp_alive_drop(one);
    assert_true(oltp_alive_is_gone(one));
    assert_false(oltp_alive_is_gone(other));
    oltp_alive_drop(other);
    assert_true(oltp_alive_is_gone(other));
}

static void test_a8_every_handle_has_a_number_of_its_own(void **state)
{
    (void)state;
    enum { MANY = 9000 }; /* more than a process has numbers of its own for: the rest are never said to be gone */
    int64_t *numbers = calloc(MANY, sizeof *numbers);
    assert_non_null(numbers);
    for (int i = 0; i < MANY; i++)
        numbers[i] = oltp_alive_new();
    for (int i = 0; i < MANY; i++)
        assert_false(oltp_alive_is_gone(numbers[i]));
    for (int i = 0; i < MANY; i++)
        oltp_alive_drop(numbers[i]);
    assert_true(oltp_alive_is_gone(numbers[0]));
    assert_false(oltp_alive_is_gone(numbers[MANY - 1]));
    assert_int_equal(oltp_alive_process(numbers[0]), getpid());
    assert_int_equal(oltp_alive_process(numbers[MANY - 1]), 0);
    free(numbers);
}

static void test_a8_a_process_that_ended_is_gone_before_its_parent_looks(void **state)
{
    (void)state;
    int ends[2], ask[2];
    int64_t number = 0;
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(ask), 0);
    pid_t child = fork();
    if (child == 0) {
        int64_t own = oltp_alive_new();
        bool told = write(ends[1], &own, sizeof own) == (ssize_t)sizeof own;
        close(ask[1]);
        while (read(ask[0], &byte, 1) > 0)
            continue;
        _exit(told ? 0 : 1);
    }
    assert_true(child > 0);
    close(ask[0]);
    assert_int_equal(read(ends[0], &number, sizeof number), sizeof number);
    assert_int_equal(oltp_alive_process(number), child);
    assert_false(oltp_alive_is_gone(number));
    oltp_alive_drop(number); /* not ours: nothing happens */
    assert_false(oltp_alive_is_gone(number));
    close(ask[1]);
    siginfo_t info = {0};
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT),
                     0); /* it ended, and its number is still taken */
    assert_true(oltp_alive_is_gone(number));
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(oltp_alive_is_gone(number));
    close(ends[0]);
    close(ends[1]);
}

static void test_a8_of_a_number_from_elsewhere_nothing_is_said(void **state)
{
    (void)state;
    int64_t number = oltp_alive_new();
    oltp_alive_drop(number);
    assert_true(oltp_alive_is_gone(number));
    assert_false(oltp_alive_is_gone(number ^ (INT64_C(1) << 50))); /* another machine's */
    assert_false(oltp_alive_is_gone(0));
    assert_false(oltp_alive_is_gone(-1));
    assert_false(oltp_alive_is_gone(INT64_MIN));
    assert_false(oltp_alive_is_gone(77));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a8_an_open_handle_is_there_and_a_closed_one_is_gone),
        cmocka_unit_test(test_a8_every_handle_has_a_number_of_its_own),
        cmocka_unit_test(test_a8_a_process_that_ended_is_gone_before_its_parent_looks),
        cmocka_unit_test(test_a8_of_a_number_from_elsewhere_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
