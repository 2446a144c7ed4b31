/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates as gRPC's C core takes them: tried before they are used, and changed from one handshake to the next. */
#ifndef FLIGHT_GRPC_TLS_H
#define FLIGHT_GRPC_TLS_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "base/base_thread.h"
#include "flight_transport.h"

struct flight_grpc_tls {
    base_mutex lock;
    grpc_ssl_server_certificate_config *next; /* under the lock: for the next handshake; NULL: the one before */
};

void flight_grpc_tls_init(struct flight_grpc_tls *tls);
/* When no server asks for a certificate any more. */
void flight_grpc_tls_reset(struct flight_grpc_tls *tls);
/* RHEI_CONFIG: it is none that gRPC can use. */
rhei_status flight_grpc_tls_check(const struct flight_certificate *certificate, struct rhei_error *error);
/* Of a certificate that was checked; `tls` has to outlive the server. Without TLS where there is none. */
grpc_server_credentials *flight_grpc_tls_credentials(struct flight_grpc_tls *tls,
                                                     const struct flight_certificate *certificate);
/* For the handshakes that come; after an error the one before goes on. Any thread. */
rhei_status flight_grpc_tls_change(struct flight_grpc_tls *tls, const struct flight_certificate *certificate,
                                   struct rhei_error *error);

#endif
