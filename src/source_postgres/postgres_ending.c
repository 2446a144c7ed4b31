/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_ending.h"

#include "base/base_clock.h"

enum { QUESTIONS = 3 };

#define KNOCK_NS INT64_C(2000000000)  /* that the server may take to let somebody in, or not */
#define AGAIN_NS INT64_C(10000000000) /* after it did let him in */

void postgres_ending_asked(struct postgres_ending *ending, uint64_t end)
{
    ending->questions = end == ending->end ? ending->questions + 1 : 1;
    ending->end = end;
}

void postgres_ending_changed(struct postgres_ending *ending)
{
    ending->questions = 0;
}

bool postgres_ending_is_sure(struct postgres_ending *ending, bool doubted, const struct postgres_target *target,
                             struct postgres_stop *stop)
{
    struct postgres_connection *connection = NULL;
    int64_t now = base_now_ns();
    if (ending->since_ns != 0 || (ending->questions < QUESTIONS && !doubted) || now < ending->again_ns)
        return ending->since_ns != 0;
    rhei_status status = postgres_connect(target, false, stop, now + KNOCK_NS, &connection, NULL);
    postgres_disconnect(&connection);
    now = base_now_ns();
    ending->questions = 0;
    ending->again_ns = now + AGAIN_NS;
    if (status == RHEI_IO)
        ending->since_ns = now;
    return status == RHEI_IO;
}
