/* SPDX-License-Identifier: Apache-2.0 */
/* Databases: options become settings, and the init opens. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adbc_internal.h"

/* ---- Options, all of them kept as text until the init. ----------------------------------------------------------- */

static const struct adbc_handle *handle_of(const struct adbc_object *object)
{
    return ((const struct adbc_database *)object)->handle;
}

static AdbcStatusCode before_the_init(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    (void)value;
    return handle_of(object) == NULL ? ADBC_STATUS_OK
                                     : adbc_fail(error, ADBC_STATUS_INVALID_STATE, "the database is open already");
}

static AdbcStatusCode apply_bool(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    bool yes = false;
    AdbcStatusCode code = before_the_init(object, value, error);
    return code == ADBC_STATUS_OK ? adbc_read_bool(object->setting, value, &yes, error) : code;
}

static AdbcStatusCode apply_number(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    int64_t number = 0;
    AdbcStatusCode code = before_the_init(object, value, error);
    return code == ADBC_STATUS_OK ? adbc_read_int(object->setting, value, 0, UINT32_MAX, &number, error) : code;
}

static AdbcStatusCode apply_freshness(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    AdbcStatusCode code = before_the_init(object, value, error);
    return code == ADBC_STATUS_OK ? adbc_read_freshness(value, &object->query.freshness, error) : code;
}

static AdbcStatusCode apply_mode(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    if (strcmp(value, "destructive") != 0 && strcmp(value, "temporal") != 0)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT,
                         "the option \"rhei.sync_mode\" is destructive or temporal, not \"%s\"", value);
    return before_the_init(object, value, error);
}

static const struct adbc_option options[] = {
    {ADBC_OPTION_URI, NULL, before_the_init, NULL},      {"path", NULL, before_the_init, NULL},
    {"rhei.config_file", NULL, before_the_init, NULL},   {"rhei.olap_path", NULL, before_the_init, NULL},
    {"rhei.sync_mode", "destructive", apply_mode, NULL}, {"rhei.freshness", "default", apply_freshness, NULL},
    {"rhei.read_only", "false", apply_bool, NULL},       {"rhei.must_exist", "false", apply_bool, NULL},
    {"rhei.manual_sync", "false", apply_bool, NULL},     {"rhei.no_auto_register", "false", apply_bool, NULL},
    {"rhei.prefer_olap", "false", apply_bool, NULL},     {"rhei.capture_if_present", "false", apply_bool, NULL},
    {"rhei.threads", "0", apply_number, NULL},           {"rhei.read_pool_size", "0", apply_number, NULL},
    {"rhei.busy_timeout_ms", "0", apply_number, NULL},   {"rhei.sync_interval_ms", "0", apply_number, NULL},
};
_Static_assert(sizeof options / sizeof options[0] <= ADBC_OPTIONS_MOST, "there is a place for each value");

static const char *text(const struct adbc_database *database, const char *key)
{
    for (size_t i = 0; i < database->object.count; i++)
        if (strcmp(options[i].key, key) == 0)
            return database->object.values[i];
    return NULL;
}

static bool yes(const struct adbc_database *database, const char *key)
{
    bool out = false;
    const char *value = text(database, key);
    return value != NULL && adbc_read_bool(key, value, &out, NULL) == ADBC_STATUS_OK && out;
}

static uint32_t number(const struct adbc_database *database, const char *key)
{
    const char *value = text(database, key);
    return value == NULL ? 0 : (uint32_t)strtoul(value, NULL, 10);
}

/* A path as it is, or a URI of it: rhei:///srv/shop.db, file:shop.db. */
static const char *path_of(const struct adbc_database *database)
{
    static const char *const schemes[] = {"rhei://", "rhei:", "file://", "file:"};
    const char *uri = text(database, ADBC_OPTION_URI);
    if (uri == NULL)
        return text(database, "path");
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncmp(uri, schemes[i], strlen(schemes[i])) == 0)
            return uri + strlen(schemes[i]);
    return uri;
}

static rhei_status open_handle(const struct adbc_database *database, rhei_db **db, struct rhei_error *error)
{
    const char *mode = text(database, "rhei.sync_mode");
    struct rhei_config config = {
        .struct_size = sizeof config,
        .config_file = text(database, "rhei.config_file"),
        .olap_path = text(database, "rhei.olap_path"),
        .sync_mode = mode != NULL && strcmp(mode, "temporal") == 0 ? RHEI_SYNC_TEMPORAL : RHEI_SYNC_DESTRUCTIVE,
        .freshness = database->object.query.freshness,
        .read_only = yes(database, "rhei.read_only"),
        .must_exist = yes(database, "rhei.must_exist"),
        .manual_sync = yes(database, "rhei.manual_sync"),
        .no_auto_register = yes(database, "rhei.no_auto_register"),
        .prefer_olap = yes(database, "rhei.prefer_olap"),
        .capture_if_present = yes(database, "rhei.capture_if_present"),
        .threads = number(database, "rhei.threads"),
        .read_pool_size = number(database, "rhei.read_pool_size"),
        .busy_timeout_ms = number(database, "rhei.busy_timeout_ms"),
        .sync_interval_ms = number(database, "rhei.sync_interval_ms"),
    };
    return rhei_open(path_of(database), &config, db, error);
}

/* ---- The calls. -------------------------------------------------------------------------------------------------- */

static AdbcStatusCode database_of(struct AdbcDatabase *from, struct adbc_database **out, struct AdbcError *error)
{
    *out = from == NULL ? NULL : from->private_data;
    return *out != NULL ? ADBC_STATUS_OK : adbc_fail(error, ADBC_STATUS_INVALID_STATE, "there is no such database");
}

static AdbcStatusCode database_new(struct AdbcDatabase *out, struct AdbcError *error)
{
    struct adbc_database *database = calloc(1, sizeof *database);
    if (database == NULL)
        return adbc_no_memory(error);
    adbc_object_init(&database->object, options, sizeof options / sizeof options[0]);
    out->private_data = database;
    return ADBC_STATUS_OK;
}

static AdbcStatusCode database_init(struct AdbcDatabase *from, struct AdbcError *error)
{
    struct adbc_database *database = NULL;
    struct rhei_error failure = RHEI_ERROR_INIT;
    AdbcStatusCode code = database_of(from, &database, error);
    if (code != ADBC_STATUS_OK)
        return code;
    if (database->handle != NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE, "the database is open already");
    struct adbc_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL)
        return adbc_no_memory(error);
    atomic_init(&handle->holders, 1);
    handle->process = getpid();
    if (open_handle(database, &handle->db, &failure) != RHEI_OK) {
        free(handle);
        return adbc_fail_with(error, &failure);
    }
    database->handle = handle;
    return ADBC_STATUS_OK;
}

static AdbcStatusCode database_release(struct AdbcDatabase *from, struct AdbcError *error)
{
    struct adbc_database *database = NULL;
    AdbcStatusCode code = database_of(from, &database, error);
    if (code != ADBC_STATUS_OK)
        return code;
    adbc_handle_release(database->handle);
    adbc_object_reset(&database->object);
    free(database);
    from->private_data = NULL;
    return ADBC_STATUS_OK;
}

/* Also before the init, and not in a child. */
static AdbcStatusCode options_of(struct AdbcDatabase *from, struct adbc_database **out, struct AdbcError *error)
{
    AdbcStatusCode code = database_of(from, out, error);
    return code == ADBC_STATUS_OK && (*out)->handle != NULL ? adbc_handle_check((*out)->handle, error) : code;
}

ADBC_OPTION_CALLS(struct AdbcDatabase, struct adbc_database, options_of)

void adbc_database_table(struct AdbcDriver *driver)
{
    driver->DatabaseNew = database_new;
    driver->DatabaseInit = database_init;
    driver->DatabaseRelease = database_release;
    driver->DatabaseSetOption = set_text;
}

void adbc_database_table_1_1(struct AdbcDriver *driver)
{
    ADBC_OPTION_TABLE(driver, Database);
}
