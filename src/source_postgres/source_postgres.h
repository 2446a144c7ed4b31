/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PostgreSQL database as a source of changes (port/change_source.h). Any thread for what is declared here, one call at a time for each
 * source, but for those functions that say otherwise.
 */
#ifndef SOURCE_POSTGRES_SOURCE_POSTGRES_H
#define SOURCE_POSTGRES_SOURCE_POSTGRES_H

#include "base/base_log.h"
#include "port/change_source.h"

/* Where the server is and who asks. Everything is borrowed for as long as the source is open; what is NULL is left to `conninfo`, then to libpq. */
struct postgres_target {
    const char *conninfo; /* "host=... dbname=..." or "postgresql://user@host/db?sslmode=verify-full" */
    const char *host, *port, *database, *user;
    const char *password_file; /* whose first line is the password; open to its owner alone */
    const char *password_env;  /* name of the environment variable that holds it */
    const char *sslmode, *sslrootcert, *sslcert, *sslkey;
};

#endif
