/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_grpc_tls.h"

#include <stdio.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

/* gRPC ends the process where there are no roots; nobody looks at them while clients aren't asked for a certificate. */
static grpc_ssl_server_certificate_config *config_of(const struct flight_certificate *certificate)
{
    const grpc_ssl_pem_key_cert_pair pair = {certificate->key, certificate->certificate};
    const char *roots = certificate->client_ca != NULL ? certificate->client_ca : certificate->certificate;
    return grpc_ssl_server_certificate_config_create(roots, &pair, 1);
}

/* At the start, and for each handshake. */
static grpc_ssl_certificate_config_reload_status fetch_certificate(void *argument,
                                                                   grpc_ssl_server_certificate_config **config)
{
    struct flight_grpc_tls *tls = argument;
    base_mutex_lock(&tls->lock);
    *config = tls->next;
    tls->next = NULL;
    base_mutex_unlock(&tls->lock);
    return *config == NULL ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

static void set_next(struct flight_grpc_tls *tls, grpc_ssl_server_certificate_config *config)
{
    base_mutex_lock(&tls->lock);
    grpc_ssl_server_certificate_config *old = tls->next;
    tls->next = config;
    base_mutex_unlock(&tls->lock);
    if (old != NULL)
        grpc_ssl_server_certificate_config_destroy(old);
}

static grpc_ssl_client_certificate_request_type wanted_of_clients(const struct flight_certificate *certificate)
{
    return certificate->client_ca == NULL ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                          : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
}

/* Of a certificate that flight_grpc_tls_check() let pass: gRPC ends the process where the first one fails. */
grpc_server_credentials *flight_grpc_tls_credentials(struct flight_grpc_tls *tls,
                                                     const struct flight_certificate *certificate)
{
    if (certificate->certificate == NULL)
        return grpc_insecure_server_credentials_create();
    set_next(tls, config_of(certificate));
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(wanted_of_clients(certificate),
                                                                        fetch_certificate, tls));
}

/* gRPC says whether a pair can be used when a port is opened with it, and nowhere else: this one has no number and takes nobody. */
static bool is_usable(const struct flight_certificate *certificate)
{
    char address[64];
    (void)snprintf(address, sizeof address, "unix-abstract:rhei-flight-%016llx", (unsigned long long)base_random_u64());
    grpc_server_credentials *credentials =
        grpc_ssl_server_credentials_create_with_options(grpc_ssl_server_credentials_create_options_using_config(
            wanted_of_clients(certificate), config_of(certificate)));
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_server *probe = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(probe, queue, NULL);
    bool usable = credentials != NULL && grpc_server_add_http2_port(probe, address, credentials) != 0;
    grpc_server_credentials_release(credentials);
    grpc_server_shutdown_and_notify(probe, queue, probe);
    (void)grpc_completion_queue_pluck(queue, probe, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_server_destroy(probe);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
    return usable;
}

rhei_status flight_grpc_tls_check(const struct flight_certificate *certificate, struct rhei_error *error)
{
    if (certificate->certificate == NULL || is_usable(certificate))
        return RHEI_OK;
    return error_set(error, RHEI_CONFIG,
                     "the certificate or its key is none that can be used, or they don't belong together");
}

rhei_status flight_grpc_tls_change(struct flight_grpc_tls *tls, const struct flight_certificate *certificate,
                                   struct rhei_error *error)
{
    rhei_status status = flight_grpc_tls_check(certificate, error);
    if (status == RHEI_OK)
        set_next(tls, config_of(certificate));
    return status;
}

void flight_grpc_tls_init(struct flight_grpc_tls *tls)
{
    base_mutex_init(&tls->lock);
    tls->next = NULL;
}

void flight_grpc_tls_reset(struct flight_grpc_tls *tls)
{
    set_next(tls, NULL);
    base_mutex_destroy(&tls->lock);
}
