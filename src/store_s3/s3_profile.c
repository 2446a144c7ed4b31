/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of the files: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html. Sections are [name] in credentials and [profile name] in
 * config ([default] in both); what is indented below a key belongs to that key, and is passed over.
 */
#include "store_s3/s3_profile.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum { FILE_BYTES_MAX = 1 << 20 };

/* What files say of one profile. */
struct reading {
    struct s3_profile *profile;
    const char *name;
    bool found;      /* the profile is in one of the files */
    bool indirect;   /* it names credentials of a kind that isn't offered */
    bool failed;     /* no memory */
    const char *bad; /* the name of what is used and has a control character in it; NULL: nothing */
};

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static void wipe(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    base_free(*text);
    *text = NULL;
}

void s3_profile_reset(struct s3_profile *profile)
{
    wipe(&profile->key_id);
    wipe(&profile->secret);
    wipe(&profile->token);
    base_free(profile->region);
    base_free(profile->endpoint);
    base_free(profile->ca_file);
    *profile = (struct s3_profile){0};
}

/* All of these end up in lines of a request's head, where a line's end would begin another one. */
static bool has_control(const char *value)
{
    for (const char *at = value; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == '\x7f')
            return true;
    return false;
}

/* What is there already stays: who comes first is believed. `name` NULL: whether it is used isn't known yet. */
static void take(struct reading *reading, char **member, const char *name, const char *value)
{
    if (*member != NULL || value == NULL || value[0] == '\0')
        return;
    if (reading->bad == NULL && name != NULL && has_control(value))
        reading->bad = name;
    *member = base_strdup(value);
    reading->failed |= *member == NULL;
}

static void take_variable(struct reading *reading, char **member, const char *name)
{
    take(reading, member, name, variable(name));
}

/* ---- A file. ----------------------------------------------------------------------------------------------------- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

/* [name], [profile name]; the line is changed. */
static bool heads_profile(char *line, const char *name)
{
    char *end = strchr(line, ']');
    if (end == NULL)
        return false;
    *end = '\0';
    char *found = trim(line + 1);
    if (strncmp(found, "profile", 7) == 0 && isspace((unsigned char)found[7]))
        found = trim(found + 7);
    return strcmp(found, name) == 0;
}

static void take_pair(struct reading *reading, const char *key, const char *value)
{
    static const char *const kinds[] = {"credential_process", "sso_session",    "sso_start_url",
                                        "role_arn",           "source_profile", "login_session"};
    struct s3_profile *profile = reading->profile;
    if (strcmp(key, "region") == 0)
        take(reading, &profile->region, NULL, value);
    else if (strcmp(key, "endpoint_url") == 0)
        take(reading, &profile->endpoint, NULL, value);
    else if (strcmp(key, "ca_bundle") == 0)
        take(reading, &profile->ca_file, NULL, value);
    else if (strcmp(key, "aws_access_key_id") == 0)
        take(reading, &profile->key_id, NULL, value);
    else if (strcmp(key, "aws_secret_access_key") == 0)
        take(reading, &profile->secret, NULL, value);
    else if (strcmp(key, "aws_session_token") == 0)
        take(reading, &profile->token, NULL, value);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        reading->indirect |= strcmp(key, kinds[i]) == 0;
}

static void read_text(struct reading *reading, char *text)
{
    bool inside = false;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        bool nested = isspace((unsigned char)line[0]);
        line = trim(line);
        char *sign = strchr(line, '=');
        if (line[0] == '[') {
            inside = heads_profile(line, reading->name);
            reading->found |= inside;
        } else if (inside && !nested && sign != NULL && line[0] != '#' && line[0] != ';') {
            *sign = '\0';
            take_pair(reading, trim(line), trim(sign + 1));
        }
    }
}

/* One that isn't there says nothing. */
static rhei_status read_file(struct reading *reading, const char *variable_name, const char *below_home,
                             struct rhei_error *error)
{
    struct base_buffer path = {0}, text = {0};
    const char *named = variable(variable_name), *home = variable("HOME");
    if (named == NULL && home == NULL)
        return RHEI_OK;
    base_buffer_format(&path, "%s%s", named != NULL ? named : home, named != NULL ? "" : below_home);
    rhei_status status = path.failed ? error_no_memory(error) : RHEI_OK;
    FILE *file = status == RHEI_OK ? fopen(path.data, "re") : NULL;
    if (status == RHEI_OK && file == NULL && errno != ENOENT && errno != ENOTDIR)
        status =
            error_set(error, RHEI_CANT_OPEN, "the file \"%s\" of credentials and settings can't be read", path.data);
    char *room = file == NULL ? NULL : base_buffer_extend(&text, FILE_BYTES_MAX);
    if (room != NULL) {
        room[fread(room, 1, FILE_BYTES_MAX - 1, file)] = '\0';
        read_text(reading, room);
        explicit_bzero(text.data, text.len);
    }
    if (file != NULL)
        (void)fclose(file);
    if (status == RHEI_OK && (text.failed || reading->failed))
        status = error_no_memory(error);
    base_buffer_reset(&text);
    base_buffer_reset(&path);
    return status;
}

/* ---- All of it. -------------------------------------------------------------------------------------------------- */

static rhei_status judge(const struct reading *reading, struct rhei_error *error)
{
    const struct s3_profile *profile = reading->profile;
    if (reading->bad != NULL)
        return error_set(error, RHEI_CANT_OPEN,
                         "%s has a control character in it (the end of a line, for one): set it again without",
                         reading->bad);
    if (variable("AWS_PROFILE") != NULL && !reading->found && profile->key_id == NULL)
        return error_set(error, RHEI_CANT_OPEN,
                         "the profile \"%.100s\", which AWS_PROFILE names, is in neither file of "
                         "credentials and settings (~/.aws/credentials, ~/.aws/config)",
                         reading->name);
    if ((profile->key_id == NULL) != (profile->secret == NULL))
        return error_set(error, RHEI_CANT_OPEN, "the credentials are half there: %s is missing",
                         profile->secret == NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    if (profile->key_id == NULL && reading->indirect)
        return error_set(error, RHEI_CANT_OPEN,
                         "the profile \"%.100s\" has its credentials from a sign-in, a role or a program, "
                         "which isn't offered: export them first (aws configure export-credentials)",
                         reading->name);
    if (profile->key_id == NULL)
        return error_set(error, RHEI_CANT_OPEN,
                         "there are no credentials for the bucket: set AWS_ACCESS_KEY_ID and "
                         "AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials");
    return RHEI_OK;
}

/* Key, secret and token are of one place: a token of another would make both wrong. */
static void take_variables(struct reading *reading)
{
    struct s3_profile *profile = reading->profile;
    take_variable(reading, &profile->key_id, "AWS_ACCESS_KEY_ID");
    take_variable(reading, &profile->secret, "AWS_SECRET_ACCESS_KEY");
    if (profile->key_id != NULL)
        take_variable(reading, &profile->token, "AWS_SESSION_TOKEN");
    take_variable(reading, &profile->region, "AWS_REGION");
    take_variable(reading, &profile->region, "AWS_DEFAULT_REGION");
    take_variable(reading, &profile->endpoint, "AWS_ENDPOINT_URL_S3");
    take_variable(reading, &profile->endpoint, "AWS_ENDPOINT_URL");
    take_variable(reading, &profile->ca_file, "AWS_CA_BUNDLE");
}

#define OF_PROFILE " of the profile (~/.aws/credentials, ~/.aws/config)"

/* What files say of credentials counts only where the variables name none. */
static rhei_status take_files(struct reading *reading, struct rhei_error *error)
{
    struct s3_profile *profile = reading->profile, files = {0};
    reading->profile = &files;
    rhei_status status = read_file(reading, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", error);
    if (status == RHEI_OK)
        status = read_file(reading, "AWS_CONFIG_FILE", "/.aws/config", error);
    reading->profile = profile;
    if (status == RHEI_OK && profile->key_id == NULL && profile->secret == NULL) {
        take(reading, &profile->key_id, "aws_access_key_id" OF_PROFILE, files.key_id);
        take(reading, &profile->secret, "aws_secret_access_key" OF_PROFILE, files.secret);
        take(reading, &profile->token, "aws_session_token" OF_PROFILE, files.token);
    }
    take(reading, &profile->region, "region" OF_PROFILE, files.region);
    take(reading, &profile->endpoint, "endpoint_url" OF_PROFILE, files.endpoint);
    take(reading, &profile->ca_file, "ca_bundle" OF_PROFILE, files.ca_file);
    s3_profile_reset(&files);
    return status;
}

rhei_status s3_profile_read(struct s3_profile *profile, struct rhei_error *error)
{
    const char *name = variable("AWS_PROFILE");
    struct reading reading = {.profile = profile, .name = name != NULL ? name : "default"};
    *profile = (struct s3_profile){0};
    if (name != NULL && has_control(name))
        reading.bad = "AWS_PROFILE";
    take_variables(&reading);
    rhei_status status = take_files(&reading, error);
    if (status == RHEI_OK)
        status = reading.failed ? error_no_memory(error) : judge(&reading, error);
    if (status != RHEI_OK)
        s3_profile_reset(profile);
    return status;
}
