/* SPDX-License-Identifier: Apache-2.0 */
/* What a signal makes of a command that stays where it is: each in a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rh_args.h"
#include "rh_interrupt.h"

/* How it ended; `words`: what it said. */
static int end_by_signal(bool done, char *words, size_t size)
{
    int ends[2], status = 0;
    size_t used = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        rh_interrupt_start();
        if (done)
            rh_interrupt_done();
        kill(getpid(), SIGTERM);
        for (;;)
            pause(); /* it closes, and closes */
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], words + used, size - 1 - used)) > 0; used += (size_t)got)
        continue;
    words[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_q5_a_signal_behind_the_commit_says_that_it_is_done(void **state)
{
    (void)state;
    char words[512];
    assert_int_equal(end_by_signal(false, words, sizeof words), RH_EXIT_ERROR);
    assert_non_null(strstr(words, "CANCELLED"));
    assert_int_equal(end_by_signal(true, words, sizeof words), RH_EXIT_OK);
    assert_non_null(strstr(words, "committed"));
    assert_null(strstr(words, "ancelled"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q5_a_signal_behind_the_commit_says_that_it_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
