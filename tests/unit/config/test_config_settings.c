/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "config/config_keys.h"
#include "config/config_settings.h"

static struct config_settings *parse(const char *text)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct config_settings *settings;
    if (config_parse(text, strlen(text), "rhei.toml", &settings, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return settings;
}

static void expect_error(const char *text, const char *message)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct config_settings *settings;
    assert_int_equal(config_parse(text, strlen(text), "rhei.toml", &settings, &error), RHEI_CONFIG);
    assert_null(settings);
    if (strcmp(error.message, message) != 0)
        fail_msg("\"%s\" instead of \"%s\"", error.message, message);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config_settings *settings = parse("");
    const struct config_engine *engine = &settings->engine;
    assert_string_equal(engine->oltp_path, "rhei.db");
    assert_null(engine->olap_path);
    assert_null(engine->rocksdb_cdc_path);
    assert_int_equal(engine->olap_backend, CONFIG_DUCKDB);
    assert_true(engine->olap_memory_limit == base_total_memory() / 2);
    assert_int_equal(engine->sync_mode, CONFIG_DESTRUCTIVE);
    assert_int_equal(engine->sync_interval_ms, 0);
    assert_int_equal(engine->sync_batch_size, 65536);
    assert_true(engine->prune_after_sync);
    assert_true(engine->auto_register);
    assert_true(engine->olap_syntax);
    assert_int_equal(engine->read_pool_size, 4);
    assert_int_equal(engine->threads, base_cpu_count());
    assert_int_equal(engine->freshness.kind, CONFIG_LATEST);
    assert_int_equal(engine->synchronous, CONFIG_SYNC_NORMAL);
    assert_int_equal(engine->log_format, CONFIG_LOG_TEXT);
    assert_int_equal(engine->log_level, BASE_LOG_WARN);
    assert_int_equal(engine->busy_timeout_ms, 5000);
    assert_int_equal(engine->log_limit_rows, 50000000);
    assert_null(engine->flight_listen);
    assert_null(engine->metrics_listen);
    assert_int_equal(settings->storage.mode, CONFIG_STORAGE_MEMORY);
    assert_false(settings->sidecar.present);
    assert_int_equal(settings->table_count, 0);
    config_free(&settings);
    assert_null(settings);
    config_free(NULL);
}

static const char everything[] =
    "[engine]\n"
    "oltp_path = \"shop.db\"\n"
    "olap_backend = \"datafusion\"\n"
    "olap_memory_limit = \"4GiB\"\n"
    "sync_mode = \"scd2\"\n"
    "sync_interval_ms = 250\n"
    "sync_batch_size = 0x100\n"
    "prune_after_sync = false\n"
    "read_pool_size = 8\n"
    "freshness = \"bounded:100\"\n"
    "auto_register = false\n"
    "olap_syntax = false\n"
    "rocksdb_cdc_path = \"buffer\"\n"
    "synchronous = \"full\"\n"
    "threads = 3\n"
    "log_format = \"json\"\n"
    "log_level = \"debug\"\n"
    "flight_listen = \"127.0.0.1:8815\"\n"
    "flight_auth_token = \"s3cr3t-word\"\n"
    "flight_tls_cert = \"c.pem\"\n"
    "flight_tls_key = \"k.pem\"\n"
    "flight_max_connections = 50\n"
    "metrics_listen = \"127.0.0.1:9100\"\n"
    "[engine.datafusion_storage]\n"
    "mode = \"vortex\"\n"
    "url = \"s3://bucket/prefix\"\n"
    "[[tables]]\n"
    "name = \"orders\"\n"
    "columns = [ { name = \"id\", type = \"int64\", nullable = false, primary_key = true },\n"
    "            { name = \"price \\\"net\\\"\", type = \"Decimal(10, 2)\" } ]\n"
    "[[tables]]\n"
    "name = \"users\"\n"
    "ddl = \"CREATE TABLE users (id INTEGER PRIMARY KEY)\"\n"
    "[sidecar]\n"
    "source_type = \"postgres\"\n"
    "source_path = \"postgres://db/shop\"\n"
    "enable_local_oltp = true\n"
    "poll_batch_size = 500\n"
    "load_connections = 3\n"
    "mode = \"logical\"\n"
    "watermark_path = \"marks.db\"\n"
    "[sidecar.delete_detection]\n"
    "mode = \"soft_delete\"\n"
    "column = \"deleted_at\"\n"
    "every_n_cycles = 3\n"
    "[[sidecar.tables]]\n"
    "table_name = \"events\"\n"
    "primary_key = [\"tenant\", \"id\"]\n"
    "created_at_column = \"created\"\n"
    "updated_at_column = \"updated\"\n"
    "columns = [\"tenant\", \"id\", { name = \"at\", type = \"timestamptz\" }]\n"
    "[[sidecar.tables]]\n"
    "table_name = \"users\"\n"
    "primary_key = \"id\"\n";

static void check_everything(const struct config_settings *settings)
{
    const struct config_engine *engine = &settings->engine;
    assert_string_equal(engine->oltp_path, "shop.db");
    assert_int_equal(engine->olap_backend, CONFIG_DATAFUSION);
    assert_int_equal(engine->olap_format, CONFIG_VORTEX); /* of the storage's mode */
    assert_true(engine->olap_memory_limit == UINT64_C(4) << 30);
    assert_int_equal(engine->sync_mode, CONFIG_TEMPORAL);
    assert_int_equal(engine->sync_interval_ms, 250);
    assert_int_equal(engine->sync_batch_size, 256);
    assert_false(engine->prune_after_sync);
    assert_int_equal(engine->read_pool_size, 8);
    assert_int_equal(engine->freshness.kind, CONFIG_BOUNDED);
    assert_int_equal(engine->freshness.bound_ms, 100);
    assert_false(engine->auto_register);
    assert_false(engine->olap_syntax);
    assert_string_equal(engine->rocksdb_cdc_path, "buffer");
    assert_int_equal(engine->synchronous, CONFIG_SYNC_FULL);
    assert_int_equal(engine->threads, 3);
    assert_int_equal(engine->log_format, CONFIG_LOG_JSON);
    assert_int_equal(engine->log_level, BASE_LOG_DEBUG);
    assert_string_equal(engine->flight_listen, "127.0.0.1:8815");
    assert_string_equal(engine->flight_tls_cert, "c.pem");
    assert_string_equal(engine->flight_tls_key, "k.pem");
    assert_int_equal(engine->flight_max_connections, 50);
    assert_string_equal(engine->metrics_listen, "127.0.0.1:9100");
    assert_int_equal(settings->storage.mode, CONFIG_STORAGE_VORTEX);
    assert_string_equal(settings->storage.url, "s3://bucket/prefix");
    assert_int_equal(settings->table_count, 2);
    const struct config_table *orders = &settings->tables[0];
    assert_string_equal(orders->name, "orders");
    assert_null(orders->ddl);
    assert_string_equal(settings->tables[1].ddl, "CREATE TABLE users (id INTEGER PRIMARY KEY)");
    assert_int_equal(orders->column_count, 2);
    assert_int_equal(orders->columns[0].type, CONFIG_INT64);
    assert_false(orders->columns[0].nullable);
    assert_true(orders->columns[0].primary_key);
    assert_string_equal(orders->columns[1].name, "price \"net\"");
    assert_int_equal(orders->columns[1].type, CONFIG_DECIMAL);
    assert_int_equal(orders->columns[1].precision, 10);
    assert_int_equal(orders->columns[1].scale, 2);
    assert_true(orders->columns[1].nullable);
    assert_false(orders->columns[1].primary_key);
    const struct config_sidecar *sidecar = &settings->sidecar;
    assert_true(sidecar->present);
    assert_int_equal(sidecar->source_type, CONFIG_SOURCE_POSTGRES);
    assert_string_equal(sidecar->source_path, "postgres://db/shop");
    assert_true(sidecar->enable_local_oltp);
    assert_int_equal(sidecar->poll_batch_size, 500);
    assert_int_equal(sidecar->load_connections, 3);
    assert_int_equal(sidecar->mode, CONFIG_SOURCE_LOGICAL);
    assert_string_equal(sidecar->watermark_path, "marks.db");
    assert_int_equal(sidecar->delete_mode, CONFIG_DELETE_SOFT);
    assert_string_equal(sidecar->delete_column, "deleted_at");
    assert_int_equal(sidecar->delete_every_n_cycles, 3);
    assert_int_equal(sidecar->table_count, 2);
    const struct config_sidecar_table *events = &sidecar->tables[0];
    assert_string_equal(events->table_name, "events");
    assert_int_equal(events->primary_key_count, 2);
    assert_string_equal(events->primary_key[1], "id");
    assert_string_equal(events->created_at_column, "created");
    assert_string_equal(events->updated_at_column, "updated");
    assert_int_equal(events->column_count, 3);
    assert_string_equal(events->columns[1].name, "id");
    assert_int_equal(events->columns[1].type, CONFIG_TYPE_UNKNOWN);
    assert_int_equal(events->columns[2].type, CONFIG_TIMESTAMPTZ);
    assert_string_equal(sidecar->tables[1].primary_key[0], "id");
}

static void test_every_key_is_read(void **state)
{
    (void)state;
    struct config_settings *settings = parse(everything);
    check_everything(settings);
    assert_string_equal(settings->engine.flight_auth_token, "s3cr3t-word");
    assert_string_equal(config_text(settings, "flight_auth_token"), "s3cr3t-word");
    assert_null(config_text(settings, "flight_users_file"));
    assert_null(config_text(settings, "threads"));
    assert_null(config_text(settings, "no_such"));
    config_free(&settings);
}

/* What explain writes gives the same settings again, but for the secret, which it doesn't write. */
static void test_explained_settings_read_back(void **state)
{
    (void)state;
    struct config_settings *settings = parse(everything);
    struct base_buffer text = {0}, again = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(config_explain(settings, &text, &error), RHEI_OK);
    assert_null(strstr(text.data, "s3cr3t"));
    assert_non_null(strstr(text.data, "# flight_auth_token is set, but never shown"));
    assert_non_null(strstr(text.data, "oltp_path = \"shop.db\"                         # rhei.toml:2\n"));
    config_free(&settings);
    settings = parse(text.data);
    check_everything(settings);
    assert_null(settings->engine.flight_auth_token);
    config_free(&settings);

    settings = parse("");
    assert_int_equal(config_explain(settings, &again, &error), RHEI_OK);
    assert_non_null(strstr(again.data, "sync_mode = \"destructive\"                     # default\n"));
    assert_non_null(strstr(again.data, "# olap_path is not set                        # default\n"));
    config_free(&settings);
    base_buffer_reset(&text);
    base_buffer_reset(&again);
}

static void test_sync_mode_aliases(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int mode;
    } cases[] = {
        {"[engine]\nsync_mode = \"mirror\"", CONFIG_DESTRUCTIVE},
        {"[engine]\nsync_mode = \"destructive\"", CONFIG_DESTRUCTIVE},
        {"[engine]\nsync_mode = \"Temporal\"", CONFIG_TEMPORAL},
        {"[engine]\nsync_mode = \"scd2\"", CONFIG_TEMPORAL},
        {"[engine]\nsync_mode = \"scd_type_2\"", CONFIG_TEMPORAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config_settings *settings = parse(cases[i].text);
        assert_int_equal(settings->engine.sync_mode, cases[i].mode);
        config_free(&settings);
    }
}

static void test_unknown_keys_name_line_and_nearest(void **state)
{
    (void)state;
    expect_error("[engine]\n\nolpt_path = \"x\"",
                 "rhei.toml:3: unknown key \"olpt_path\" in [engine]; did you mean \"oltp_path\"?");
    expect_error("[engine]\nsync-mode = \"x\"",
                 "rhei.toml:2: unknown key \"sync-mode\" in [engine]; did you mean \"sync_mode\"?");
    expect_error("[engin]\n", "rhei.toml:1: unknown key \"engin\" in the top level; did you mean \"engine\"?");
    expect_error("freshness = \"latest\"",
                 "rhei.toml:1: unknown key \"freshness\" in the top level; that key belongs in [engine]");
    expect_error("[sidecar]\n[[sidecar.tables]]\nname = 'x'\n",
                 "rhei.toml:3: unknown key \"name\" in [[sidecar.tables]]; the table is its \"table_name\"");
    expect_error("[sidecar]\ndelete_detection = 'full_diff'\n",
                 "rhei.toml:2: delete_detection takes a section of its own, but this is a text: write "
                 "[sidecar.delete_detection] and under it mode = \"full_diff\" (disabled, soft_delete or full_diff)");
    expect_error("zzz = 1", "rhei.toml:1: unknown key \"zzz\" in the top level; it takes engine, tables or sidecar");
    expect_error("[engine.datafusion_storage]\nmod = \"memory\"",
                 "rhei.toml:2: unknown key \"mod\" in [engine.datafusion_storage]; did you mean \"mode\"?");
    expect_error("[[tables]]\nnames = \"x\"",
                 "rhei.toml:2: unknown key \"names\" in [[tables]]; did you mean \"name\"?");
    expect_error("[[tables]]\nname = \"x\"\ncolumns = [\n{ name = \"a\", typ = \"text\" }]",
                 "rhei.toml:4: unknown key \"typ\" in a column; did you mean \"type\"?");
    expect_error("[[sidecar.tables]]\ntable = \"x\"",
                 "rhei.toml:2: unknown key \"table\" in [[sidecar.tables]]; it takes table_name, primary_key, "
                 "created_at_column, updated_at_column or columns");
}

static void test_bad_values_say_what_is_taken(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[engine]\nsync_batch_size = 0",
         "rhei.toml:2: sync_batch_size can't be \"0\": it takes rows: a whole number from 1 to 16777216"},
        {"[engine]\nsync_interval_ms = -1",
         "rhei.toml:2: sync_interval_ms can't be \"-1\": it takes milliseconds: a whole number from 0 to 86400000"},
        {"[engine]\nsync_batch_size = \"10\"",
         "rhei.toml:2: sync_batch_size takes a whole number from 1 to 16777216, but this is a text: 10"},
        {"[engine]\nthreads = 1.5",
         "rhei.toml:2: threads takes a whole number from 1 to 1024, but this is a float: 1.5"},
        {"[engine]\nolap_backend = \"sqlite\"",
         "rhei.toml:2: olap_backend can't be \"sqlite\": it takes duckdb, datafusion or none"},
        {"[engine]\nlog_level = 3", "rhei.toml:2: log_level takes a text in quotes: error, warn, warning, info or "
                                    "debug, but this is an integer: 3"},
        {"[engine]\nsync_mode = \"\"", "rhei.toml:2: sync_mode can't be empty"},
        {"[engine]\noltp_path = \"a\\u0000b\"", "rhei.toml:2: oltp_path can't be a text with a NUL in it"},
        {"[engine]\nprune_after_sync = \"yes\"",
         "rhei.toml:2: prune_after_sync takes true or false, but this is a text: yes"},
        {"[engine]\nfreshness = \"bounded\"",
         "rhei.toml:2: freshness can't be \"bounded\": it takes latest, bounded:MILLISECONDS or eventual"},
        {"[engine]\nolap_memory_limit = \"4 apples\"", "rhei.toml:2: olap_memory_limit can't be \"4 apples\": it takes "
                                                       "a size such as \"4GB\", \"512MiB\", \"50%\" or "
                                                       "\"half\" of the machine, from 64MiB to 1024TiB"},
        {"[engine]\nflight_auth_token = \"\"", "rhei.toml:2: flight_auth_token can't be empty"},
        {"engine = 1", "rhei.toml:1: [engine] takes a table of keys, but this is an integer"},
        {"[tables]\nname = \"x\"", "rhei.toml:1: tables takes [[tables]] sections, but this is a table"},
        {"[[tables]]\nddl = \"x\"", "rhei.toml:1: this [[tables]] section has no name"},
        {"[[tables]]\nname = \"x\"\n[[tables]]\nname = \"x\"", "rhei.toml:3: table \"x\" has two [[tables]] sections"},
        {"[[tables]]\nname = \"x\"\nsync_mode = \"always\"",
         "rhei.toml:3: sync_mode can't be \"always\": it takes destructive, mirror, temporal, scd2 or scd_type_2"},
        {"[[sidecar]]\nsource_path = \"p\"\n[[sidecar.tables]]\ntable_name = \"t\"\n[[sidecar.tables]]\ntable_name = "
         "\"T\"",
         "rhei.toml:1: [sidecar] \"source\" has two [[sidecar.tables]] sections for table \"T\": keep one of them"},
        {"[[sidecar]]\nsource_path = \"p\"\nwatermark_path = \"w\"\n[[sidecar]]\nname = \"b\"\nsource_path = "
         "\"q\"\nwatermark_path = \"w\"",
         "rhei.toml:7: two sidecars have the watermark_path \"w\": give each one a folder of its own"},
        {"[[tables]]\nname = \"x\"\ncolumns = [\"a\", \"a\"]", "rhei.toml:3: column \"a\" is named twice"},
        {"[[tables]]\nname = \"x\"\ncolumns = [{type = \"text\"}]", "rhei.toml:3: a column has no name"},
        {"[[tables]]\nname = \"x\"\ncolumns = []", "rhei.toml:3: columns names no column"},
        {"[[tables]]\ncolumns = [\"a\"]\nname = \"x\"\nddl = \"CREATE TABLE x (a)\"",
         "rhei.toml:2: table \"x\" has ddl and columns, which both say how it is made: keep one of them"},
        {"[[sidecar.tables]]\ntable_name = \"t\"\nprimary_key = []", "rhei.toml:3: primary_key names no column"},
        {"[sidecar]\nmode = \"poll\"", "rhei.toml:1: [sidecar] needs source_path, the database to follow"},
        {"[sidecar]\nsource_path = \"a.db\"\nmode = \"logical\"",
         "rhei.toml:3: [sidecar] mode \"logical\" is for source_type \"postgres\" only"},
        {"[sidecar]\nsource_path = \"a.db\"\n[sidecar.delete_detection]\nmode = \"soft_delete\"",
         "rhei.toml:4: [sidecar.delete_detection] mode \"soft_delete\" needs column"},
        {"[sidecar]\nsource_path = \"a.db\"\n[sidecar.delete_detection]\ncolumn = \"gone\"",
         "rhei.toml:4: [sidecar.delete_detection] column is for mode \"soft_delete\" only"},
        {"[sidecar]\nsource_path = \"a.db\"\nname = \"Main\"",
         "rhei.toml:3: [sidecar] name can't be \"Main\", which has another meaning"},
        {"[[sidecar]]\nsource_path = \"a.db\"\n[[sidecar]]\nsource_path = \"b.db\"",
         "rhei.toml:3: two [[sidecar]] sections have the name \"source\", the schema of their tables: give each one of "
         "its "
         "own"},
        {"[sidecar]\nsource_path = \"a.db\"\n[engine]\noltp_path = \"mine.db\"",
         "rhei.toml:4: oltp_path is of no use beside [sidecar] without enable_local_oltp = true: set that, or leave "
         "oltp_path out"},
        {"[sidecar]\nsource_type = \"postgres\"\nsource_path = \"x\"\nmode = \"poll\"\nslot = \"s\"",
         "rhei.toml:1: [sidecar] publication and slot are for mode \"logical\" only"},
        {"[sidecar]\nsource_type = \"postgres\"\nsource_path = \"x\"\nmode = \"snapshot\"",
         "rhei.toml:4: [sidecar] mode \"snapshot\" is for source_type \"sqlite\" only"},
        {"[engine]\nflight_tls_cert = \"c.pem\"",
         "rhei.toml:2: flight_tls_cert and flight_tls_key go together; flight_tls_key is missing"},
        {"[engine]\nflight_auth_token = \"a\"\nflight_auth_token_file = \"b\"",
         "rhei.toml:3: flight_auth_token and flight_auth_token_file are both set; keep one of them"},
        {"[engine.datafusion_storage]\nmode = \"vortex\"",
         "rhei.toml:2: [engine.datafusion_storage] mode \"vortex\" needs one of path and url"},
        {"[engine]\nlog_limit_policy = \"block\"\nprune_after_sync = false",
         "rhei.toml:2: log_limit_policy \"block\" and prune_after_sync = false don't go together: the log would fill "
         "up "
         "once, and every write fail from then on; take \"detach\", which keeps as much as the limits allow"},
        {"[engine]\nlog_limit_policy = \"drop\"",
         "rhei.toml:2: log_limit_policy can't be \"drop\": it takes detach, grow or block"},
        {"[engine]\noltp_path = x", "rhei.toml:2: what is given for \"oltp_path\" is no value; put a text in quotes"},
        {"[engine]\nflight_auth_token = S3CRETunquoted",
         "rhei.toml:2: what is given for \"flight_auth_token\" is no value; put a text in quotes"},
        {"[engine]\nflight_auth_token = [S3CRETunquoted]",
         "rhei.toml:2: what is given for \"flight_auth_token\" is no value; put a text in quotes"},
        {"[engine]\nfligt_auth_tokn = S3CRETunquoted",
         "rhei.toml:2: what is given for \"fligt_auth_tokn\" is no value; put a text in quotes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_error(cases[i][0], cases[i][1]);
}

/* [engine.datafusion_storage] and olap_path with olap_format say the same: both can't. */
static void test_storage_is_said_once(void **state)
{
    (void)state;
#define BOTH "[engine.datafusion_storage] mode \"vortex\" says how the column store is kept, and so does "
    expect_error("[engine]\nolap_path = \"a\"\n[engine.datafusion_storage]\nmode = \"vortex\"\npath = \"b\"",
                 "rhei.toml:4: " BOTH "olap_path (rhei.toml:2): keep one of them");
    expect_error(
        "[engine]\nolap_format = \"arrow\"\n[engine.datafusion_storage]\nmode = \"vortex\"\nurl = \"s3://b/p\"",
        "rhei.toml:4: " BOTH "olap_format (rhei.toml:2): keep one of them");
    expect_error("[engine.datafusion_storage]\nurl = \"s3://b/p\"",
                 "rhei.toml:2: [engine.datafusion_storage] url is for mode \"vortex\" only");
    struct config_settings *settings = parse("[engine]\nolap_path = 'mirror'\nolap_format = \"vortex\"\n"
                                             "[engine.datafusion_storage]\nmode = \"memory\"\n");
    assert_string_equal(settings->engine.olap_path, "mirror");
    assert_int_equal(settings->engine.olap_format, CONFIG_VORTEX);
    config_free(&settings);
}

/* Each key of a number, each way of writing one that can't be right: name, value, range and line are told. */
static void test_d5_numbers_are_checked_where_they_stand(void **state)
{
    (void)state;
    static const char *const never[] = {"-1",
                                        "-9223372036854775808",
                                        "1.5",
                                        "1e3",
                                        "inf",
                                        "99999999999999999999",
                                        "9223372036854775807",
                                        "\"\"",
                                        "\" 5\"",
                                        "\"5 \"",
                                        "\"0x10\"",
                                        "true",
                                        "[]",
                                        "1979-05-27"};
    struct config_row row;
    int numbers = 0;
    for (size_t i = 0; config_row(i, &row); i++) {
        bool number = strcmp(row.type, "number") == 0;
        if ((!number && strcmp(row.type, "size") != 0) || strcmp(row.section, "engine") != 0)
            continue;
        numbers++;
        for (size_t j = 0; j < sizeof never / sizeof never[0]; j++) {
            char text[200];
            struct rhei_error error = RHEI_ERROR_INIT;
            struct config_settings *settings;
            snprintf(text, sizeof text, "[engine]\n\n%s = %s", row.name, never[j]);
            assert_int_equal(config_parse(text, strlen(text), "rhei.toml", &settings, &error), RHEI_CONFIG);
            if (strncmp(error.message, "rhei.toml:3: ", 13) != 0 || strstr(error.message, row.name) == NULL)
                fail_msg("%s: %s", text, error.message);
            if (strcmp(never[j], "\"\"") != 0 && strstr(error.message, row.range) == NULL)
                fail_msg("%s: %s", text, error.message);
        }
    }
    assert_int_equal(numbers, 18);
}

/* What a range says is what is taken: its ends are, what is next to them isn't. */
static void test_d5_a_range_is_what_is_taken(void **state)
{
    (void)state;
    struct config_row row;
    for (size_t i = 0; config_row(i, &row); i++) {
        uint64_t least, most;
        struct rhei_error error = RHEI_ERROR_INIT;
        if (strcmp(row.section, "engine") != 0 || !config_limits(row.name, &least, &most))
            continue;
        struct config_settings *settings = parse("");
        char text[32];
        const struct {
            uint64_t value;
            rhei_status status;
        } cases[] = {{least, RHEI_OK}, {most, RHEI_OK}, {most + 1, RHEI_CONFIG}, {least - 1, RHEI_CONFIG}};
        for (size_t c = 0; c < 4; c++) {
            snprintf(text, sizeof text, "%" PRIu64, cases[c].value);
            if (config_set(settings, row.name, text, "--set", &error) != cases[c].status)
                fail_msg("%s = %s: %s", row.name, text, error.message);
        }
        if (strcmp(row.type, "number") == 0) {
            snprintf(text, sizeof text, "%" PRIu64 " to %" PRIu64, least, most);
            assert_string_equal(row.range, text);
        } else {
            char *end = strstr(row.range, " to ");
            assert_non_null(end);
            assert_int_equal(config_set(settings, row.name, end + 4, "--set", &error), RHEI_OK);
            *end = '\0';
            assert_int_equal(config_set(settings, row.name, row.range, "--set", &error), RHEI_OK);
        }
        config_free(&settings);
    }
}

static void expect_unoffered(const char *text, const char *message)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct config_settings *settings = parse(text);
    assert_int_equal(config_offered(settings, &error), RHEI_UNSUPPORTED);
    if (strcmp(error.message, message) != 0)
        fail_msg("\"%s\" instead of \"%s\"", error.message, message);
    config_free(&settings);
}

/* A setting without effect is refused with its place, whichever it is. */
static void test_d5_what_has_no_effect_is_refused_by_name(void **state)
{
    (void)state;
    expect_unoffered(
        "[engine]\nsynchronous = \"extra\"",
        "rhei.toml:2: synchronous = \"extra\" isn't offered by this version: it takes normal, full or off");
    struct config_row row;
    for (size_t i = 0; config_row(i, &row); i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct config_settings *settings = parse("");
        char name[80];
        snprintf(name, sizeof name, "%s.%s", row.section, row.name);
        const char *value = row.initial != NULL               ? row.initial
                            : strcmp(row.type, "number") == 0 ? "1"
                            : strcmp(row.type, "size") == 0   ? "1GiB"
                                                              : "x";
        assert_int_equal(config_set(settings, name, value, "--set", &error), RHEI_OK);
        assert_int_equal(config_offered(settings, &error), row.offered ? RHEI_OK : RHEI_UNSUPPORTED);
        config_free(&settings);
    }
}

static void test_bad_column_type(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct config_settings *settings;
    const char *text = "[[tables]]\nname = \"x\"\ncolumns = [{ name = \"a\", type = \"int128\" }]";
    assert_int_equal(config_parse(text, strlen(text), "rhei.toml", &settings, &error), RHEI_CONFIG);
    assert_non_null(strstr(error.message, "rhei.toml:3: unknown column type \"int128\"; types are int8"));
}

static void test_set_from_the_command_line(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct base_buffer text = {0};
    struct config_settings *settings = parse("[engine]\nfreshness = \"eventual\"");
    assert_int_equal(config_set(settings, "freshness", "bounded:5", "--freshness", &error), RHEI_OK);
    assert_int_equal(config_set(settings, "engine.threads", "2", "--set", &error), RHEI_OK);
    assert_int_equal(config_set(settings, "sidecar.source_path", "a.db", "--source", &error), RHEI_OK);
    assert_int_equal(settings->engine.freshness.bound_ms, 5);
    assert_int_equal(settings->engine.threads, 2);
    assert_true(settings->sidecar.present);
    assert_int_equal(config_explain(settings, &text, &error), RHEI_OK);
    assert_non_null(strstr(text.data, "freshness = \"bounded:5\"                       # --freshness\n"));
    base_buffer_reset(&text);

    assert_int_equal(config_set(settings, "freshnes", "latest", "--set", &error), RHEI_CONFIG);
    assert_string_equal(error.message, "--set: unknown setting \"freshnes\"; did you mean \"freshness\"?");
    struct rhei_error second = RHEI_ERROR_INIT;
    assert_int_equal(config_set(settings, "threads", "many", "--threads", &second), RHEI_CONFIG);
    assert_string_equal(second.message,
                        "--threads: threads can't be \"many\": it takes threads: a whole number from 1 to 1024");
    assert_int_equal(settings->engine.threads, 2);
    struct rhei_error third = RHEI_ERROR_INIT;
    assert_int_equal(config_set(settings, "flight_auth_token", "", "--token", &third), RHEI_CONFIG);
    assert_non_null(strstr(third.message, "a text that isn't empty"));
    config_free(&settings);
}

static void test_files(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct config_settings *settings;
    assert_int_equal(config_load("no/such/rhei.toml", &settings, &error), RHEI_CANT_OPEN);
    assert_null(settings);
    assert_string_equal(error.message,
                        "the settings file \"no/such/rhei.toml\" can't be opened: No such file or directory");
    struct rhei_error second = RHEI_ERROR_INIT;
    assert_int_equal(config_load("/", &settings, &second), RHEI_CANT_OPEN);

    char path[] = "/tmp/rhei-test-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, everything, strlen(everything)), strlen(everything));
    close(fd);
    struct rhei_error third = RHEI_ERROR_INIT;
    assert_int_equal(config_load(path, &settings, &third), RHEI_OK);
    unlink(path);
    check_everything(settings);
    config_free(&settings);
}

static void test_every_failing_allocation_is_an_error(void **state)
{
    (void)state;
    uint64_t nth = 1;
    for (;; nth++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct config_settings *settings;
        base_memory_fail_after(nth);
        rhei_status status = config_parse(everything, strlen(everything), "rhei.toml", &settings, &error);
        struct base_buffer text = {0};
        if (status == RHEI_OK)
            status = config_explain(settings, &text, &error);
        base_memory_fail_after(0);
        base_buffer_reset(&text);
        config_free(&settings);
        if (status == RHEI_OK)
            break;
        assert_int_equal(status, RHEI_NO_MEMORY);
    }
    assert_true(nth > 100);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"1000", 1000},
        {"4GB", UINT64_C(4000000000)},
        {"4 gb", UINT64_C(4000000000)},
        {"512MiB", UINT64_C(512) << 20},
        {"1KiB", 1024},
        {"2TB", UINT64_C(2000000000000)},
        {"half", 500},
        {"50%", 500},
        {"100%", 1000},
    };
    uint64_t bytes;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(config_parse_bytes(good[i].text, 1000, &bytes));
        assert_true(bytes == good[i].bytes);
    }
    static const char *const bad[] = {
        "", "-1", "4XB", "GB", "1.5GB", "0%", "101%", "99999999999999999999", "9999999TB", "half of it"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(config_parse_bytes(bad[i], 1000, &bytes));
}

static void test_freshness(void **state)
{
    (void)state;
    struct config_freshness freshness;
    assert_true(config_parse_freshness("bounded:0", &freshness));
    assert_int_equal(freshness.bound_ms, 0);
    assert_true(config_parse_freshness("bounded:250ms", &freshness));
    assert_int_equal(freshness.kind, CONFIG_BOUNDED);
    assert_int_equal(freshness.bound_ms, 250);
    assert_true(config_parse_freshness("eventual", &freshness));
    assert_int_equal(freshness.kind, CONFIG_EVENTUAL);
    static const char *const bad[] = {
        "", "bounded", "bounded:", "bounded:-1", "bounded:1s", "newest", "bounded:99999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(config_parse_freshness(bad[i], &freshness));
}

static void test_types(void **state)
{
    (void)state;
    struct config_column column = {0};
    assert_true(config_parse_type("VARCHAR", &column));
    assert_int_equal(column.type, CONFIG_TEXT);
    assert_true(config_parse_type("decimal(38,0)", &column));
    assert_int_equal(column.precision, 38);
    assert_true(config_parse_type("DECIMAL( 9 , 4 )", &column));
    assert_int_equal(column.scale, 4);
    assert_true(config_parse_type("decimal(5)", &column));
    assert_int_equal(column.scale, 0);
    static const char *const bad[] = {"",
                                      "decimal",
                                      "decimal()",
                                      "decimal(39,0)",
                                      "decimal(5,6)",
                                      "decimal(0,0)",
                                      "decimal(5,1",
                                      "decimal(5,1)x",
                                      "int7",
                                      "varchar(10)"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(config_parse_type(bad[i], &column));
}

static void test_s5_a_password_is_found_in_every_form_that_names_a_server(void **state)
{
    (void)state;
    static const char *const with[] = {"password=x",
                                       "host=db password = x",
                                       "host=db\tpassword='x y'",
                                       "host='a\\' b' sslpassword=x",
                                       "host=a\\ b Password=x",
                                       "host=db password='x",
                                       "host='db password=x",
                                       "postgresql://u:x@db",
                                       "postgres://:x@/d",
                                       "postgres://u:x?y@db/d",
                                       "postgresql://db?password=x",
                                       "postgresql://db/d?a=b&sslpassword=x",
                                       "postgresql://db/d?p%61ss%77ord=x"};
    static const char *const without[] = {"",
                                          "host=db dbname=passwords user=u",
                                          "host=db passfile=/etc/password",
                                          "application_name='a password=b' host=db",
                                          "sslrootcert=/etc/password/ca.pem\n",
                                          "postgresql://u@db:5432/password",
                                          "postgresql://db:5432/d?application_name=password",
                                          "postgresql://u%3Ax@db,other:6/d?passfile=/p"};
    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++)
        if (!config_has_password(with[i]))
            fail_msg("%s", with[i]);
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
        if (config_has_password(without[i]))
            fail_msg("%s", without[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s5_a_password_is_found_in_every_form_that_names_a_server),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_key_is_read),
        cmocka_unit_test(test_storage_is_said_once),
        cmocka_unit_test(test_explained_settings_read_back),
        cmocka_unit_test(test_sync_mode_aliases),
        cmocka_unit_test(test_unknown_keys_name_line_and_nearest),
        cmocka_unit_test(test_bad_values_say_what_is_taken),
        cmocka_unit_test(test_d5_numbers_are_checked_where_they_stand),
        cmocka_unit_test(test_d5_a_range_is_what_is_taken),
        cmocka_unit_test(test_d5_what_has_no_effect_is_refused_by_name),
        cmocka_unit_test(test_bad_column_type),
        cmocka_unit_test(test_set_from_the_command_line),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_every_failing_allocation_is_an_error),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_freshness),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
