/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests, several at a time, over kept connections, and again where that may help. A thread of its own speaks to the server: signals are blocked in it
 * (base_thread.h), so that a connection that breaks under TLS, which is written to by plain write(), ends no process by SIGPIPE.
 */
#ifndef STORE_S3_CLIENT_H
#define STORE_S3_CLIENT_H

#include "store_s3/s3_request.h"
#include "store_s3/s3_site.h"

/* Small ones wait for the server, large ones for the line. */
enum { S3_PARALLEL = 16, S3_PARALLEL_LARGE = 6 };

struct s3_client;

/* The site must outlive it. RHEI_UNSUPPORTED, RHEI_NO_MEMORY. */
rhei_status s3_client_open(const struct store_s3_config *config, const struct s3_site *site, struct s3_client **client,
                           struct rhei_error *error);
/* No run may be under way. */
void s3_client_close(struct s3_client **client);
/*
 * Asks all of them and waits for all. Each has its own status; the first one that isn't RHEI_OK is returned, with its error. Connection errors, time-outs,
 * 5xx, 429 and conflicts are tried again, later each time, until the time is over, or a patience; what else the server refuses isn't. Any thread.
 */
rhei_status s3_client_run(struct s3_client *client, struct s3_request *requests, size_t count,
                          struct rhei_error *error);
/* For the runs that follow. None may be under way. */
void s3_client_give_time(struct s3_client *client, uint32_t timeout_ms);
const struct s3_crypto *s3_client_crypto(const struct s3_client *client);

#endif
