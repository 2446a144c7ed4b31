/* SPDX-License-Identifier: Apache-2.0 */
/* Where a store lies and who asks: all that requests and messages are made of. Read-only once made: any thread. */
#ifndef STORE_S3_SITE_H
#define STORE_S3_SITE_H

#include "base/base_buffer.h"
#include "store_s3/s3_profile.h"
#include "store_s3/store_s3.h"

struct s3_site {
    char *shown;    /* "s3://bucket/prefix", for messages */
    char *endpoint; /* "https://host:port" as it is asked; for messages too */
    char *host; /* as it is signed: the bucket in front where it is named so, the port where it isn't the scheme's */
    char *bucket;
    char *prefix; /* "" or with a slash at its end */
    bool by_path;
    struct s3_profile profile; /* with region */
};

rhei_status s3_site_init(const struct store_s3_config *config, struct s3_site *site, struct rhei_error *error);
void s3_site_reset(struct s3_site *site);
/* The path of an address, encoded: of the object of that name behind the prefix, or of the bucket where that is NULL. */
void s3_site_path(const struct s3_site *site, const char *name, struct base_buffer *path);

#endif
