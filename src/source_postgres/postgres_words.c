/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_words.h"

#include <errno.h>
#include <string.h>

struct meaning {
    const char *state; /* or its beginning */
    rhei_status status;
    const char *advice;
};

/* The first that fits counts. */
static const struct meaning MEANINGS[] = {
    {"08", RHEI_IO, NULL},
    {"57P", RHEI_IO, NULL},
    {"57014", RHEI_TIMEOUT, NULL},
    {"28", RHEI_CANT_OPEN, "look at user, password and the server's pg_hba.conf"},
    {"42501", RHEI_CANT_OPEN, "grant the role of the source what is missing (the guide has the list)"},
    {"3D000", RHEI_NOT_FOUND, NULL},
    {"3F000", RHEI_NOT_FOUND, NULL},
    {"42P01", RHEI_NOT_FOUND, NULL},
    {"42703", RHEI_NOT_FOUND, NULL},
    {"42704", RHEI_NOT_FOUND, NULL},
    {"42710", RHEI_EXISTS, NULL},
    {"58P01", RHEI_UNSUPPORTED, "the server lacks a file that it needs"},
    {"55006", RHEI_BUSY, "somebody else follows this slot: give each follower a slot of its own"},
    {"53400", RHEI_BUSY, "raise max_replication_slots, or drop one that nobody needs"},
    {"53300", RHEI_BUSY, "the server has no connection left"},
    {"53", RHEI_IO, NULL},
    {"55000", RHEI_UNSUPPORTED, NULL},
    {"55P03", RHEI_BUSY, NULL},
    {"40", RHEI_IO, NULL},
    {"0A", RHEI_UNSUPPORTED, NULL},
};

static const struct meaning *find_meaning(const char *state)
{
    for (size_t i = 0; state != NULL && i < sizeof MEANINGS / sizeof *MEANINGS; i++)
        if (strncmp(state, MEANINGS[i].state, strlen(MEANINGS[i].state)) == 0)
            return &MEANINGS[i];
    return NULL;
}

rhei_status postgres_status_of(const char *state)
{
    const struct meaning *found = find_meaning(state);
    return found != NULL ? found->status : state == NULL ? RHEI_IO : RHEI_SQL;
}

const char *postgres_advice_of(const char *state, const char *words)
{
    if (state != NULL && strcmp(state, "55000") == 0 && strstr(words, "wal_level") != NULL)
        return "set wal_level = logical in the server's settings, and start it again";
    const struct meaning *found = find_meaning(state);
    return found == NULL ? NULL : found->advice;
}

rhei_status postgres_refusal_of(const char *words, const char **advice)
{
    static const struct meaning refusals[] = {
        {"password authentication failed", RHEI_CANT_OPEN, "look at user and password"},
        {"no password supplied", RHEI_CANT_OPEN, "name a password_file or password_env"},
        {", no encryption", RHEI_CANT_OPEN,
         "the server's pg_hba.conf doesn't let this user in from here without TLS, if at all: try sslmode=verify-full"},
        {"pg_hba.conf rejects", RHEI_CANT_OPEN, "the server's pg_hba.conf doesn't let this user in from here"},
        {"no pg_hba.conf entry", RHEI_CANT_OPEN, "the server's pg_hba.conf doesn't let this user in from here"},
        {"must be superuser or replication role", RHEI_CANT_OPEN, "ALTER ROLE ... REPLICATION"},
        {"permission denied to start WAL sender", RHEI_CANT_OPEN, "ALTER ROLE ... REPLICATION"},
        {"CONNECT privilege", RHEI_CANT_OPEN, "GRANT CONNECT ON DATABASE ... TO the role"},
        {"is not permitted to log in", RHEI_CANT_OPEN, "ALTER ROLE ... LOGIN"},
        {"number of requested standby connections", RHEI_BUSY, "raise max_wal_senders on the server"},
        {"too many connections for role", RHEI_BUSY, "ALTER ROLE ... CONNECTION LIMIT, or fewer of the role's others"},
        {"too many", RHEI_BUSY, "the server has no connection left"},
        {"remaining connection slots", RHEI_BUSY, "the server has no connection left"},
        {"valid client certificate", RHEI_CANT_OPEN, "name the user's sslcert and sslkey"},
        {"certificate authentication failed", RHEI_CANT_OPEN, "sslcert is of another name than the user"},
        {"alert certificate expired", RHEI_CANT_OPEN, "sslcert is past its time"},
        {"alert unknown ca", RHEI_CANT_OPEN, "the server doesn't know the authority that signed sslcert"},
        {"but not private key file", RHEI_CONFIG, "name the file of its key as sslkey"},
        {"could not load private key file", RHEI_CONFIG,
         "a key with a pass phrase is of no use here: take one without, which only its user may read"},
        {"private key file", RHEI_CONFIG, NULL},
        {"root certificate file", RHEI_CONFIG,
         "name the certificate of the authority that signed the server's as sslrootcert"},
        {"does not match host name", RHEI_CANT_OPEN,
         "connect by a name that the server's certificate has, or have one made for this name"},
        {"certificate verify failed", RHEI_CANT_OPEN,
         "the server's certificate is past its time, or not signed by the authority of sslrootcert"},
        {"does not exist", RHEI_CANT_OPEN, NULL},
        {"certificate", RHEI_CANT_OPEN, "look at sslmode, sslrootcert, sslcert and sslkey"},
        {"server does not support SSL", RHEI_CANT_OPEN, "the server has TLS off; sslmode asks for it"},
        {"invalid sslmode", RHEI_CONFIG, "it is disable, allow, prefer, require, verify-ca or verify-full"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (strstr(words, refusals[i].state) != NULL) {
            *advice = refusals[i].advice;
            return refusals[i].status;
        }
    *advice = NULL;
    return RHEI_IO;
}

/* libpq has the system's own words for the number of the error, which it doesn't give. */
bool postgres_nobody_listens(const char *words)
{
    static const int numbers[] = {ECONNREFUSED, ENOENT};
    char text[128];
    bool found = false;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !found; i++)
        found = strstr(words, strerror_r(numbers[i], text, sizeof text)) != NULL;
    return found;
}
