/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "flight_seal.h"

enum { PEM_MOST = 1 << 20 };

static rhei_status read_pem(const char *path, const char *what, char **text, struct rhei_error *error)
{
    struct base_buffer bytes = {0};
    char part[4096];
    size_t got;
    *text = NULL;
    if (path == NULL)
        return RHEI_OK;
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return error_set(error, RHEI_CANT_OPEN, "the %s %s can't be read: %s", what, path, strerror(errno));
    while ((got = fread(part, 1, sizeof part, file)) > 0 && bytes.len <= PEM_MOST)
        base_buffer_append(&bytes, part, got);
    bool bad = ferror(file) != 0 || bytes.len > PEM_MOST;
    (void)fclose(file);
    flight_wipe(part, sizeof part);
    if (bad || bytes.data == NULL || strstr(bytes.data, "-----BEGIN ") == NULL) {
        base_buffer_reset(&bytes);
        return error_set(error, RHEI_CONFIG, "the %s %s is no PEM file", what, path);
    }
    *text = base_buffer_take(&bytes);
    return *text == NULL ? error_no_memory(error) : RHEI_OK;
}

/* What the files are, without reading them: another file, length or time is another one. */
static uint64_t mark_of(const struct flight_tls *tls)
{
    uint64_t mark = 0;
    for (int i = 0; i < FLIGHT_TLS_FILES; i++) {
        struct stat about = {0};
        if (tls->paths[i] == NULL || stat(tls->paths[i], &about) != 0)
            continue;
        const uint64_t facts[] = {(uint64_t)i, about.st_ino, (uint64_t)about.st_size, (uint64_t)about.st_mtim.tv_sec,
                                  (uint64_t)about.st_mtim.tv_nsec};
        mark = base_hash(facts, sizeof facts, mark);
    }
    return mark;
}

rhei_status flight_tls_init(struct flight_tls *tls, const struct rhei_flight_options *options, struct rhei_error *error)
{
    const char *const given[FLIGHT_TLS_FILES] = {options->tls_cert, options->tls_key, options->tls_client_ca};
    *tls = (struct flight_tls){0};
    for (int i = 0; i < FLIGHT_TLS_FILES; i++) {
        tls->paths[i] = given[i] == NULL ? NULL : base_strdup(given[i]);
        if (given[i] != NULL && tls->paths[i] == NULL)
            return error_no_memory(error);
    }
    return RHEI_OK;
}

void flight_tls_reset(struct flight_tls *tls)
{
    for (int i = 0; i < FLIGHT_TLS_FILES; i++)
        base_free(tls->paths[i]);
    *tls = (struct flight_tls){0};
}

rhei_status flight_tls_read(struct flight_tls *tls, struct flight_certificate *certificate, int *which,
                            struct rhei_error *error)
{
    static const char *const called[FLIGHT_TLS_FILES] = {"certificate", "key of the certificate",
                                                         "certificate of clients' certificates"};
    char **const texts[FLIGHT_TLS_FILES] = {&certificate->certificate, &certificate->key, &certificate->client_ca};
    rhei_status status = RHEI_OK;
    *certificate = (struct flight_certificate){0};
    tls->read = tls->seen = mark_of(tls); /* before them: what is changed meanwhile is read again */
    for (int i = 0; i < FLIGHT_TLS_FILES && status == RHEI_OK; i++) {
        status = read_pem(tls->paths[i], called[i], texts[i], error);
        if (which != NULL)
            *which = i;
    }
    if (status != RHEI_OK)
        flight_tls_forget(certificate);
    return status;
}

void flight_tls_forget(struct flight_certificate *certificate)
{
    if (certificate->key != NULL)
        flight_wipe(certificate->key, strlen(certificate->key));
    base_free(certificate->certificate);
    base_free(certificate->key);
    base_free(certificate->client_ca);
    *certificate = (struct flight_certificate){0};
}

bool flight_tls_changed(struct flight_tls *tls)
{
    uint64_t mark = mark_of(tls), before = tls->seen;
    tls->seen = mark;
    return mark != tls->read && mark == before;
}
