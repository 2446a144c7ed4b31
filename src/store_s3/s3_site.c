/* SPDX-License-Identifier: Apache-2.0 */
#include "store_s3/s3_site.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "store_s3/s3_url.h"

static char *joined(const char *a, const char *b, const char *c, const char *d)
{
    struct base_buffer text = {0};
    base_buffer_format(&text, "%s%s%s%s", a, b, c, d);
    return base_buffer_take(&text);
}

static rhei_status choose_region(const struct store_s3_config *config, struct s3_site *site, struct rhei_error *error)
{
    const char *wanted = config->region != NULL         ? config->region
                         : site->profile.region != NULL ? site->profile.region
                                                        : "us-east-1";
    if (wanted[0] == '\0' || strspn(wanted, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(wanted))
        return error_set(error, RHEI_INVALID, "\"%.100s\" can't be the name of a region", wanted);
    char *region = base_strdup(wanted);
    base_free(site->profile.region);
    site->profile.region = region;
    return region == NULL ? error_no_memory(error) : RHEI_OK;
}

/* A signature names the host as the request does, and clients leave out a port that is the scheme's own. */
static size_t without_port(const char *host, size_t len, bool is_tls)
{
    const char *port = is_tls ? ":443" : ":80";
    size_t port_len = strlen(port);
    return len > port_len && strncmp(host + len - port_len, port, port_len) == 0 ? len - port_len : len;
}

static rhei_status choose_endpoint(const struct store_s3_config *config, struct s3_site *site, struct rhei_error *error)
{
    size_t scheme = 0, len = 0;
    const char *region = site->profile.region;
    const char *wanted = config->endpoint != NULL ? config->endpoint : site->profile.endpoint;
    struct base_buffer amazon = {0}, endpoint = {0}, host = {0};
    base_buffer_format(&amazon, "https://s3.%s.amazonaws.com%s", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    if (amazon.failed) {
        base_buffer_reset(&amazon);
        return error_no_memory(error);
    }
    site->by_path = config->style == STORE_S3_STYLE_PATH ||
                    (config->style == STORE_S3_STYLE_AUTO && (wanted != NULL || strchr(site->bucket, '.') != NULL));
    wanted = wanted == NULL ? amazon.data : wanted;
    rhei_status status = s3_url_check_endpoint(wanted, &scheme, &len, error);
    if (status == RHEI_OK) {
        size_t named = without_port(wanted + scheme, len, scheme == 8);
        const char *front = site->by_path ? "" : site->bucket, *dot = site->by_path ? "" : ".";
        base_buffer_format(&endpoint, "%.*s%s%s%.*s", (int)scheme, wanted, front, dot, (int)len, wanted + scheme);
        base_buffer_format(&host, "%s%s%.*s", front, dot, (int)named, wanted + scheme);
        site->endpoint = base_buffer_take(&endpoint);
        site->host = base_buffer_take(&host);
        status = site->endpoint == NULL || site->host == NULL ? error_no_memory(error) : RHEI_OK;
    }
    base_buffer_reset(&amazon);
    return status;
}

rhei_status s3_site_init(const struct store_s3_config *config, struct s3_site *site, struct rhei_error *error)
{
    struct store_s3_place place;
    *site = (struct s3_site){0};
    rhei_status status = store_s3_parse(config->url, &place, error);
    if (status != RHEI_OK)
        return status;
    const char *slash = place.prefix[0] == '\0' ? "" : "/";
    site->shown = joined("s3://", place.bucket, slash, place.prefix);
    site->prefix = joined(place.prefix, slash, "", "");
    site->bucket = base_strdup(place.bucket);
    status = site->shown == NULL || site->prefix == NULL || site->bucket == NULL ? error_no_memory(error) : RHEI_OK;
    if (status == RHEI_OK)
        status = s3_profile_read(&site->profile, error);
    if (status == RHEI_OK)
        status = choose_region(config, site, error);
    if (status == RHEI_OK)
        status = choose_endpoint(config, site, error);
    if (status != RHEI_OK)
        s3_site_reset(site);
    return status;
}

void s3_site_reset(struct s3_site *site)
{
    base_free(site->shown);
    base_free(site->endpoint);
    base_free(site->host);
    base_free(site->bucket);
    base_free(site->prefix);
    s3_profile_reset(&site->profile);
    *site = (struct s3_site){0};
}

void s3_site_path(const struct s3_site *site, const char *name, struct base_buffer *path)
{
    base_buffer_char(path, '/');
    if (site->by_path)
        base_buffer_text(path, site->bucket);
    if (name == NULL)
        return;
    if (site->by_path)
        base_buffer_char(path, '/');
    s3_url_encode(path, site->prefix, true);
    s3_url_encode(path, name, true);
}
