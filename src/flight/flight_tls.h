/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate's files: read at the start, and again when they are other ones. One thread at a time. */
#ifndef FLIGHT_TLS_H
#define FLIGHT_TLS_H

#include "flight_transport.h"
#include "rhei/rhei_flight.h"

enum { FLIGHT_TLS_FILES = 3 };

struct flight_tls {
    char *paths[FLIGHT_TLS_FILES]; /* certificate, key, certificates of clients' certificates; NULL: none */
    uint64_t read, seen;           /* what the files were when they were read last, and when they were looked at */
};

rhei_status flight_tls_init(struct flight_tls *tls, const struct rhei_flight_options *options,
                            struct rhei_error *error);
void flight_tls_reset(struct flight_tls *tls);
/* PEM texts, for flight_tls_forget(). *which, which may be NULL, is the place in `paths` of the file that is wrong. */
rhei_status flight_tls_read(struct flight_tls *tls, struct flight_certificate *certificate, int *which,
                            struct rhei_error *error);
void flight_tls_forget(struct flight_certificate *certificate);
/* Whether they aren't what was read, and have been as they are since the look before: who changes one of two files is given the time. */
bool flight_tls_changed(struct flight_tls *tls);

#endif
