/* SPDX-License-Identifier: Apache-2.0 */
/* S3 servers for unit tests, through s3_server.py: a server ends with the test, however that ends. */
#ifndef SUPPORT_S3_FIXTURE_H
#define SUPPORT_S3_FIXTURE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define S3_TEST_BUCKET "rhei-test"

struct s3_server {
    pid_t helper;
    FILE *to, *from;
    int port; /* 0: there is none on this machine, `missing` says why */
    char key[80], secret[80], missing[300];
};

/* "fake" or "moto", or "tls" with the port behind it and a folder. Says once why there is none; ends the test program where one doesn't come up. */
struct s3_server *s3_server_open(const char *kind, const char *port, const char *folder);
void s3_server_close(struct s3_server **server);
/* Sets the variables by which a store finds it: credentials, and nothing else of the machine's own. */
void s3_server_point(const struct s3_server *server);

#endif
