/* SPDX-License-Identifier: Apache-2.0 */
/* Flight's tokens and users for another door: rhei_flight_guard_open() and what follows from it. */
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "flight_seal.h"
#include "flight_users.h"
#include "rhei/rhei_flight.h"

struct rhei_flight_guard {
    struct flight_users users;
    base_mutex lock; /* one password at a time: each takes memory and time on purpose */
};

rhei_status rhei_flight_guard_open(const struct rhei_flight_options *options, rhei_flight_guard **guard,
                                   struct rhei_error *error)
{
    error_clear(error);
    if (options == NULL || options->struct_size < sizeof *options || guard == NULL)
        return error_set(error, RHEI_INVALID, "rhei_flight_guard_open needs options and a place for the guard");
    *guard = NULL;
    const char *field;
    rhei_status status = flight_users_named(options, error);
    if (status != RHEI_OK)
        return status;
    rhei_flight_guard *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    base_mutex_init(&made->lock);
    status = flight_users_from(&made->users, options, &field, error);
    if (status == RHEI_OK)
        *guard = made;
    else
        rhei_flight_guard_close(&made);
    return status;
}

/* What is behind "Bearer " or "Basic ", in any case. */
static bool is_scheme(const char *text, size_t length, const char *scheme)
{
    size_t at = 0;
    while (scheme[at] != '\0' && at < length && (text[at] | 0x20) == (scheme[at] | 0x20))
        at++;
    return scheme[at] == '\0';
}

static const struct flight_user *enter_basic(rhei_flight_guard *guard, const char *text, size_t length)
{
    struct base_buffer plain = {0};
    const struct flight_user *user = NULL;
    char *password = flight_base64_decode(text, length, false, &plain) ? flight_users_split(&plain) : NULL;
    if (password != NULL) {
        base_mutex_lock(&guard->lock);
        user = flight_users_enter(&guard->users, plain.data, password, plain.len - (size_t)(password - plain.data));
        base_mutex_unlock(&guard->lock);
    }
    flight_wipe(plain.data, plain.len);
    base_buffer_reset(&plain);
    return user;
}

rhei_status rhei_flight_guard_enter(rhei_flight_guard *guard, const char *authorization, size_t length,
                                    struct rhei_flight_visitor *visitor, struct rhei_error *error)
{
    error_clear(error);
    if (guard == NULL || visitor == NULL || visitor->struct_size < sizeof *visitor)
        return error_set(error, RHEI_INVALID, "rhei_flight_guard_enter needs a guard and a place for the visitor");
    const struct flight_users *users = &guard->users;
    const struct flight_user *user = users->open ? &users->anybody : NULL;
    if (user == NULL && authorization != NULL && is_scheme(authorization, length, "Bearer ")) {
        if (users->token != NULL &&
            flight_same_secret(users->token, strlen(users->token), authorization + 7, length - 7))
            user = &users->token_user;
    } else if (user == NULL && authorization != NULL && is_scheme(authorization, length, "Basic ")) {
        user = enter_basic(guard, authorization + 6, length - 6);
    }
    if (user == NULL)
        return error_set(error, RHEI_INVALID, "%s",
                         authorization == NULL ? "who asks isn't known: send a bearer token, or name and password"
                         : is_scheme(authorization, length, "Bearer ") ? "the token is wrong"
                         : is_scheme(authorization, length, "Basic ")
                             ? "name or password is wrong"
                             : "the Authorization header is neither Bearer nor Basic");
    visitor->read_only = user->read_only;
    visitor->max_rows = user->most_rows;
    visitor->timeout_ms = user->most_ms;
    snprintf(visitor->name, sizeof visitor->name, "%s", user->name);
    return RHEI_OK;
}

void rhei_flight_guard_close(rhei_flight_guard **guard)
{
    if (guard == NULL || *guard == NULL)
        return;
    flight_users_reset(&(*guard)->users);
    base_mutex_destroy(&(*guard)->lock);
    base_free(*guard);
    *guard = NULL;
}
