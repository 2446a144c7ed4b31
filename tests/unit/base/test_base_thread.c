/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_clock.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "base/base_thread.h"

#define MILLISECOND INT64_C(1000000)

struct gate {
    base_mutex mutex;
    base_cond cond;
    bool open;
    bool signals_blocked;
    char name[16];
};

static void gate_init(struct gate *gate)
{
    *gate = (struct gate){0};
    base_mutex_init(&gate->mutex);
    base_cond_init(&gate->cond);
}

static void gate_destroy(struct gate *gate)
{
    base_cond_destroy(&gate->cond);
    base_mutex_destroy(&gate->mutex);
}

static void open_gate(void *argument)
{
    struct gate *gate = argument;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    base_mutex_lock(&gate->mutex);
    gate->signals_blocked = sigismember(&blocked, SIGINT) == 1 && sigismember(&blocked, SIGTERM) == 1;
    pthread_getname_np(pthread_self(), gate->name, sizeof gate->name);
    gate->open = true;
    base_cond_broadcast(&gate->cond);
    base_mutex_unlock(&gate->mutex);
}

static void test_wait_ends_at_the_deadline(void **state)
{
    (void)state;
    struct gate gate;
    gate_init(&gate);
    base_mutex_lock(&gate.mutex);
    int64_t deadline = base_now_ns() + 20 * MILLISECOND;
    while (base_cond_wait_until(&gate.cond, &gate.mutex, deadline))
        assert_true(base_now_ns() < deadline + 10000 * MILLISECOND); /* a wake-up without a signal is allowed */
    assert_true(base_now_ns() >= deadline);
    /* A deadline that has passed does not wait. */
    assert_false(base_cond_wait_until(&gate.cond, &gate.mutex, base_now_ns() - 1));
    assert_false(base_cond_wait_until(&gate.cond, &gate.mutex, INT64_MIN));
    base_mutex_unlock(&gate.mutex);
    gate_destroy(&gate);
}

static void run_and_wait(int64_t deadline_ns)
{
    struct gate gate;
    gate_init(&gate);
    struct rhei_error error = RHEI_ERROR_INIT;
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "gate-with-a-long-name", open_gate, &gate, &error), RHEI_OK);
    base_mutex_lock(&gate.mutex);
    while (!gate.open)
        assert_true(base_cond_wait_until(&gate.cond, &gate.mutex, deadline_ns));
    base_mutex_unlock(&gate.mutex);
    base_thread_join(&thread);
    assert_true(gate.signals_blocked);
    assert_string_equal(gate.name, "gate-with-a-lon");
    gate_destroy(&gate);
}

static void test_signal_ends_the_wait_before_the_deadline(void **state)
{
    (void)state;
    run_and_wait(base_now_ns() + 60000 * MILLISECOND);
}

static void test_wait_without_limit(void **state)
{
    (void)state;
    run_and_wait(INT64_MAX);
}

static void test_starting_leaves_the_callers_signals(void **state)
{
    (void)state;
    sigset_t before, after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    run_and_wait(INT64_MAX);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int signal_number = 1; signal_number < 32; signal_number++)
        assert_int_equal(sigismember(&before, signal_number), sigismember(&after, signal_number));
}

static void test_start_without_memory(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    base_thread thread;
    base_memory_fail_after(1);
    assert_int_equal(base_thread_start(&thread, "x", open_gate, NULL, &error), RHEI_NO_MEMORY);
    assert_int_equal(error.code, RHEI_NO_MEMORY);
}

static void test_the_machine_is_described(void **state)
{
    (void)state;
    assert_in_range(base_cpu_count(), 1, 100000);
    assert_true(base_total_memory() >= UINT64_C(16) << 20);
    assert_true(base_total_memory() <= UINT64_C(1) << 50);
}

static void test_clocks_and_randomness(void **state)
{
    (void)state;
    int64_t first = base_now_ns();
    assert_true(base_now_ns() >= first);
    assert_true(base_wall_ms() > INT64_C(1700000000000));
    uint64_t seen = 0, common = UINT64_MAX;
    for (int i = 0; i < 100; i++) {
        uint64_t random = base_random_u64();
        seen |= random;
        common &= random;
    }
    assert_true(seen == UINT64_MAX);
    assert_true(common == 0);
}

struct log_line {
    int level;
    int count;
    char room[16];
    char message[64];
};

static void keep_line(void *context, int level, const char *room, const char *message)
{
    struct log_line *line = context;
    line->level = level;
    line->count++;
    strncpy(line->room, room, sizeof line->room - 1);
    strncpy(line->message, message, sizeof line->message - 1);
}

static void test_log_levels(void **state)
{
    (void)state;
    struct log_line line = {0};
    struct base_log log = {.write = keep_line, .context = &line, .level = BASE_LOG_WARN};
    base_log_write(&log, BASE_LOG_INFO, "sync", "not wanted");
    assert_int_equal(line.count, 0);
    base_log_write(&log, BASE_LOG_WARN, "sync", "table \"%s\": %d changes", "a\xFF", 3);
    assert_int_equal(line.count, 1);
    assert_int_equal(line.level, BASE_LOG_WARN);
    assert_string_equal(line.room, "sync");
    assert_string_equal(line.message, "table \"a?\": 3 changes");
    base_log_write(&(struct base_log){0}, BASE_LOG_ERROR, "sync", "nobody listens");
    base_log_write(NULL, BASE_LOG_ERROR, "sync", "nobody listens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_ends_at_the_deadline),
        cmocka_unit_test(test_signal_ends_the_wait_before_the_deadline),
        cmocka_unit_test(test_wait_without_limit),
        cmocka_unit_test(test_starting_leaves_the_callers_signals),
        cmocka_unit_test(test_start_without_memory),
        cmocka_unit_test(test_the_machine_is_described),
        cmocka_unit_test(test_clocks_and_randomness),
        cmocka_unit_test(test_log_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
