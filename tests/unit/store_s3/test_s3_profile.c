/* SPDX-License-Identifier: Apache-2.0 */
#include "store_s3/s3_profile.h"

#include "s3_stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_s3/s3_site.h"

static char folder[64], credentials[100], settings[100];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    static const struct s3_server none;
    s3_server_point(&none);
    (void)snprintf(folder, sizeof folder, "/tmp/rhei-s3-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    (void)snprintf(credentials, sizeof credentials, "%s/credentials", folder);
    (void)snprintf(settings, sizeof settings, "%s/config", folder);
    setenv("AWS_SHARED_CREDENTIALS_FILE", credentials, 1);
    setenv("AWS_CONFIG_FILE", settings, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(credentials);
    (void)unlink(settings);
    return rmdir(folder);
}

static void expect(const char *key_id, const char *secret, const char *token, const char *region, const char *endpoint)
{
    struct s3_profile profile;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (s3_profile_read(&profile, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_string_equal(profile.key_id, key_id);
    assert_string_equal(profile.secret, secret);
    assert_string_equal(profile.token == NULL ? "" : profile.token, token);
    assert_string_equal(profile.region == NULL ? "" : profile.region, region);
    assert_string_equal(profile.endpoint == NULL ? "" : profile.endpoint, endpoint);
    s3_profile_reset(&profile);
    assert_null(profile.secret);
}

static void expect_refusal(const char *part)
{
    struct s3_profile profile;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(s3_profile_read(&profile, &error), RHEI_CANT_OPEN);
    if (strstr(error.message, part) == NULL || strstr(error.message, "geheim") != NULL)
        fail_msg("%s", error.message);
}

static void test_variables_come_first(void **state)
{
    (void)state;
    write_file(credentials, "[default]\naws_access_key_id=FILE\naws_secret_access_key=file\naws_session_token=ftok\n");
    write_file(settings, "[default]\nregion = eu-west-1\nendpoint_url = http://file:1\n");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "env", 1);
    expect("ENV", "env", "", "eu-west-1", "http://file:1"); /* the file's token isn't of this key */
    setenv("AWS_SESSION_TOKEN", "etok", 1);
    setenv("AWS_DEFAULT_REGION", "eu-central-1", 1);
    setenv("AWS_ENDPOINT_URL", "http://all:1", 1);
    expect("ENV", "env", "etok", "eu-central-1", "http://all:1");
    setenv("AWS_REGION", "us-west-2", 1);
    setenv("AWS_ENDPOINT_URL_S3", "http://s3:1", 1);
    expect("ENV", "env", "etok", "us-west-2", "http://s3:1");
}

static void test_profiles_are_read_from_both_files(void **state)
{
    (void)state;
    write_file(credentials, "# a comment\r\n[default]\naws_access_key_id = D\naws_secret_access_key = d\n\n[ other ]\n"
                            "aws_access_key_id=O\naws_secret_access_key=o=/+\n");
    write_file(settings, "[default]\nregion=r-default\n[profile other]\nregion = r-other\ns3 =\n  region = nested\n"
                         "  endpoint_url = http://nested\n; endpoint_url = http://comment\n");
    expect("D", "d", "", "r-default", "");
    setenv("AWS_PROFILE", "other", 1);
    expect("O", "o=/+", "", "r-other", "");
}

static void test_what_is_missing_is_told(void **state)
{
    (void)state;
    expect_refusal("there are no credentials");
    setenv("AWS_PROFILE", "nobody", 1);
    write_file(credentials, "[default]\naws_access_key_id=D\naws_secret_access_key=geheim\n");
    expect_refusal("the profile \"nobody\"");
    setenv("AWS_PROFILE", "single", 1);
    write_file(settings, "[profile single]\nsso_session = geheim\n");
    expect_refusal("from a sign-in, a role or a program");
    unsetenv("AWS_PROFILE");
    setenv("AWS_SECRET_ACCESS_KEY", "geheim", 1);
    write_file(credentials, "");
    expect_refusal("AWS_ACCESS_KEY_ID is missing");
}

/* The end of a line in one of them would begin another line of each request's head. */
static void test_control_characters_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                        "AWS_REGION",        "AWS_DEFAULT_REGION",    "AWS_ENDPOINT_URL_S3",
                                        "AWS_ENDPOINT_URL",  "AWS_CA_BUNDLE",         "AWS_PROFILE"};
    static const char *const values[] = {"geheim\r\nX-Evil: 1", "geheim\n", "\tgeheim", "geheim\x7f"};
    static const char *const keys[] = {
        "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "endpoint_url", "ca_bundle"};
    setenv("AWS_ACCESS_KEY_ID", "K", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            const char *before = getenv(names[i]);
            char kept[8] = "", wanted[80];
            (void)snprintf(kept, sizeof kept, "%s", before == NULL ? "" : before);
            (void)snprintf(wanted, sizeof wanted, "%s has a control character", names[i]);
            setenv(names[i], values[j], 1);
            expect_refusal(wanted);
            setenv(names[i], kept, 1);
        }
    expect("K", "s", "", "", "");
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char text[300], wanted[80];
        (void)snprintf(text, sizeof text,
                       "[default]\n%s = geheim\rX-Evil: 1\naws_access_key_id = K\n"
                       "aws_secret_access_key = s\n",
                       keys[i]);
        (void)snprintf(wanted, sizeof wanted, "%s of the profile", keys[i]);
        write_file(credentials, text);
        expect_refusal(wanted);
    }
    setenv("AWS_ACCESS_KEY_ID", "K", 1); /* what isn't used may be what it likes */
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    write_file(credentials, "[default]\naws_session_token = geheim\rX-Evil: 1\n");
    expect("K", "s", "", "", "");
}

/* ---- And what is made of it. ------------------------------------------------------------------------------------- */

static void expect_site(const struct store_s3_config *config, const char *endpoint, const char *host, const char *path)
{
    struct s3_site site;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct base_buffer found = {0};
    if (s3_site_init(config, &site, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    s3_site_path(&site, "b-x", &found);
    assert_string_equal(site.endpoint, endpoint);
    assert_string_equal(site.host, host);
    assert_string_equal(found.data, path);
    base_buffer_reset(&found);
    s3_site_reset(&site);
}

static void test_a_site_is_named_as_servers_want_it(void **state)
{
    (void)state;
    setenv("AWS_ACCESS_KEY_ID", "K", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    struct store_s3_config config = {.url = "s3://bucket/a b"};
    expect_site(&config, "https://bucket.s3.us-east-1.amazonaws.com", "bucket.s3.us-east-1.amazonaws.com",
                "/a%20b/b-x");
    config.region = "cn-north-1";
    expect_site(&config, "https://bucket.s3.cn-north-1.amazonaws.com.cn", "bucket.s3.cn-north-1.amazonaws.com.cn",
                "/a%20b/b-x");
    config = (struct store_s3_config){.url = "s3://my.bucket", .style = STORE_S3_STYLE_AUTO};
    expect_site(&config, "https://s3.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com", "/my.bucket/b-x");
    config = (struct store_s3_config){.url = "s3://bucket", .endpoint = "https://minio:443/"};
    expect_site(&config, "https://minio:443", "minio", "/bucket/b-x");
    config.style = STORE_S3_STYLE_HOST;
    config.endpoint = "http://minio:9000";
    expect_site(&config, "http://bucket.minio:9000", "bucket.minio:9000", "/b-x");
    setenv("AWS_ENDPOINT_URL_S3", "http://env:80", 1);
    config = (struct store_s3_config){.url = "s3://bucket"};
    expect_site(&config, "http://env:80", "env", "/bucket/b-x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_variables_come_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_profiles_are_read_from_both_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_missing_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_control_characters_are_refused_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_site_is_named_as_servers_want_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
