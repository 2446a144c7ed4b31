/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for the stream, by itself: the server is a thread that only answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "source_postgres/postgres_stream.h"

struct answering {
    struct postgres_stream *stream;
    uint64_t asked;  /* under the stream's lock */
    uint64_t end_at; /* after so many questions everything has come; 0: never */
    bool over;
};

/* Answers at once, as one does that takes turns with who asks, and comes to nothing else meanwhile. */
static void answer(void *context)
{
    struct answering *answering = context;
    struct postgres_stream *stream = answering->stream;
    bool over = false;
    while (!over) {
        struct pollfd fd = {.fd = stream->wake_fd, .events = POLLIN};
        poll(&fd, 1, -1);
        uint64_t count = 0;
        assert_true(read(stream->wake_fd, &count, sizeof count) >= 0 || count == 0);
        base_mutex_lock(&stream->lock);
        over = answering->over;
        if (stream->ping) {
            stream->ping = false;
            stream->keepalives++;
            answering->asked++;
            if (answering->end_at != 0 && answering->asked >= answering->end_at)
                stream->seen = 100;
            base_cond_broadcast(&stream->changed);
        }
        base_mutex_unlock(&stream->lock);
    }
}

static bool is_busy(void *context, int backend, int64_t *clock_us)
{
    (void)context;
    (void)backend;
    (void)clock_us;
    return false;
}

static rhei_status reach(uint64_t end_at, int64_t limit_ns, uint64_t *asked)
{
    static const struct source_postgres_config config = {.memory = 1 << 20};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct postgres_stream stream;
    struct answering answering = {.stream = &stream, .end_at = end_at};
    base_thread thread;
    assert_int_equal(postgres_stream_init(&stream, &config, &error), RHEI_OK);
    stream.connected = true;
    assert_int_equal(base_thread_start(&thread, "answering", answer, &answering, &error), RHEI_OK);
    rhei_status status = postgres_stream_reach(&stream, (struct postgres_moment){.position = 100},
                                               base_now_ns() + limit_ns, is_busy, NULL, &error);
    base_mutex_lock(&stream.lock);
    *asked = answering.asked;
    answering.over = true;
    base_mutex_unlock(&stream.lock);
    postgres_stream_wake(&stream);
    base_thread_join(&thread);
    postgres_stream_reset(&stream);
    return status;
}

/* R6. A server that is asked again as soon as it has answered comes to nothing else. */
static void test_s1_a_server_that_is_not_there_yet_is_left_time_between_questions(void **unused)
{
    (void)unused;
    uint64_t asked = 0;
    assert_int_equal(reach(0, INT64_C(500000000), &asked), RHEI_TIMEOUT);
    assert_in_range(asked, 2, 60);
}

/* Where there is nothing to be sent that is known without waiting. */
static void test_the_first_questions_are_asked_at_once(void **unused)
{
    (void)unused;
    int64_t least = INT64_MAX;
    for (int tries = 0; tries < 50; tries++) {
        uint64_t asked = 0;
        int64_t begun = base_now_ns();
        assert_int_equal(reach(3, INT64_C(60000000000), &asked), RHEI_OK);
        assert_int_equal(asked, 3);
        least = base_now_ns() - begun < least ? base_now_ns() - begun : least;
    }
    assert_true(least < 20000000); /* three pauses of the longest kind are three times that */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_a_server_that_is_not_there_yet_is_left_time_between_questions),
        cmocka_unit_test(test_the_first_questions_are_asked_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
