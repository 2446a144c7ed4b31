/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may come in: a token that every bearer of it shares, and users of a file, each a line
 *
 *   NAME:HASH[:WORD,WORD...]     HASH of argon2id as libsodium writes it; WORD read_only, rows=N or seconds=N
 *
 * with blank lines and lines that begin with #. Nothing changes after loading: any thread.
 */
#ifndef FLIGHT_USERS_H
#define FLIGHT_USERS_H

#include "base/base_arena.h"
#include "flight_wire.h"
#include "rhei/rhei_flight.h"

struct flight_user {
    const char *name; /* "" where nobody has to say who he is */
    const char *hash; /* NULL: of the token, or of nobody */
    bool read_only;
    uint64_t most_rows; /* of one result; 0: no limit */
    int64_t most_ms;    /* of one statement; 0: no limit */
    struct flight_user *next;
};

struct flight_users {
    struct base_arena arena;
    struct flight_user *first;
    struct flight_user token_user, anybody;
    char *token; /* NULL: there is none */
    bool open;   /* nobody has to say who he is */
};

/* The first line of a file, without the blanks around it. RHEI_CANT_OPEN, RHEI_CONFIG where there is nothing in it. */
rhei_status flight_users_token_file(struct flight_users *users, const char *path, struct rhei_error *error);
rhei_status flight_users_token(struct flight_users *users, const char *token, struct rhei_error *error);
rhei_status flight_users_load(struct flight_users *users, const char *path, struct rhei_error *error);
/* The same from text; errors name the line, never what a secret is. */
rhei_status flight_users_parse(struct flight_users *users, const char *text, size_t len, const char *path,
                               struct rhei_error *error);
/* Whether the options name who may come in, or say that nobody is asked, and not both. */
rhei_status flight_users_named(const struct rhei_flight_options *options, struct rhei_error *error);
/* All that the options say of who may come in. *field is the option that is wrong; NULL: none is. */
rhei_status flight_users_from(struct flight_users *users, const struct rhei_flight_options *options, const char **field,
                              struct rhei_error *error);
/* By name; NULL: there is none. */
const struct flight_user *flight_users_find(const struct flight_users *users, const char *name);
/*
 * The password behind a name and its colon, both NUL-terminated; NULL: it isn't that. A name with a NUL in it would be looked up as
 * what is in front of it, so it is none.
 */
char *flight_users_split(struct base_buffer *plain);
/* Takes as long for a name that there isn't as for a wrong password. */
const struct flight_user *flight_users_enter(const struct flight_users *users, const char *name, const char *password,
                                             size_t len);
void flight_users_reset(struct flight_users *users);

#endif
