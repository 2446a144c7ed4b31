/* SPDX-License-Identifier: Apache-2.0 */
/* What PostgreSQL's errors mean to us, and what to do about them. Pure; any thread. */
#ifndef SOURCE_POSTGRES_POSTGRES_WORDS_H
#define SOURCE_POSTGRES_POSTGRES_WORDS_H

#include "rhei/rhei_types.h"

/*
 * Of an SQLSTATE (NULL: there was none, the connection broke). RHEI_IO: the connection or the server is gone, trying later
 * helps. RHEI_BUSY: something is in use or used up. RHEI_CANT_OPEN: rights are missing.
 */
rhei_status postgres_status_of(const char *sqlstate);
/* One clause for the user, to add to the server's words; NULL: those are enough. */
const char *postgres_advice_of(const char *sqlstate, const char *words);
/* The same of the words by which a connection was refused. */
rhei_status postgres_refusal_of(const char *words, const char **advice);
/* Of a connection that failed: nobody listens at the address, as the system says. */
bool postgres_nobody_listens(const char *words);

#endif
