/* SPDX-License-Identifier: Apache-2.0 */
/* What the variables and files say that every program for S3 reads. Any thread, as far as nobody sets variables meanwhile. */
#ifndef STORE_S3_PROFILE_H
#define STORE_S3_PROFILE_H

#include "rhei/rhei_types.h"

/* Each may be NULL. */
struct s3_profile {
    char *key_id, *secret, *token;
    char *region, *endpoint;
    char *ca_file; /* certificates in place of the machine's */
};

/* RHEI_CANT_OPEN: no credentials, half of them, a profile that isn't there, or a kind that isn't offered; no message has any of them in it. */
rhei_status s3_profile_read(struct s3_profile *profile, struct rhei_error *error);
/* Secrets are overwritten. */
void s3_profile_reset(struct s3_profile *profile);

#endif
