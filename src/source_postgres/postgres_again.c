/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_again.h"

#include "base/base_clock.h"
#include "base/base_error.h"
#include "source_postgres/postgres_words.h"

#define LISTENS_NS INT64_C(1000000000) /* A2 */

int64_t postgres_again_ms(unsigned failures)
{
    enum { MOST = 4 };
    return postgres_backoff_ms(failures > MOST ? MOST : failures);
}

/* A2. */
static rhei_status judge(struct postgres_again *again, rhei_status status, const struct rhei_error *why)
{
    bool listens = status != RHEI_IO || !postgres_nobody_listens(why->message);
    again->met = again->met || (listens && status != RHEI_TIMEOUT);
    return again->met || listens || base_now_ns() - again->first_ns < LISTENS_NS ? status : RHEI_CANT_OPEN;
}

rhei_status postgres_connect_again(struct postgres_again *again, const struct postgres_target *target,
                                   struct postgres_stop *stop, int64_t deadline_ns,
                                   struct postgres_connection **connection, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    int64_t now = base_now_ns();
    *connection = NULL;
    if (again->failures > 0 && now < again->until_ns)
        return error_set(error, again->why.code, "%s", again->why.message);
    rhei_status status = postgres_connect(target, false, stop, deadline_ns, connection, &why);
    if (status == RHEI_OK) {
        *again = (struct postgres_again){.met = true};
        return RHEI_OK;
    }
    if (status == RHEI_CANCELLED)
        return error_set(error, status, "%s", why.message);
    if (again->failures == 0)
        again->first_ns = now;
    status = judge(again, status, &why);
    bool final = status == RHEI_CANT_OPEN || status == RHEI_CONFIG; /* nobody waits: who asks next may have mended it */
    again->until_ns = base_now_ns() + postgres_again_ms(final ? 0 : again->failures) * 1000000;
    again->failures++;
    again->why = why;
    again->why.code = status;
    return error_set(error, status, "%s", why.message);
}
