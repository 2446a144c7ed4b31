/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rh_args.h"
#include "rh_memory.h"

static bool read_line(struct rh_args *args, struct rh_buffer *why, const char *const *words)
{
    static char storage[16][64];
    char *argv[17] = {storage[0]};
    int argc = 1;
    strcpy(storage[0], "rh");
    for (; words[argc - 1] != NULL; argc++) {
        strncpy(storage[argc], words[argc - 1], sizeof storage[argc] - 1);
        argv[argc] = storage[argc];
    }
    return rh_args_read(args, argc, argv, false, why);
}

#define READ(args, why, ...) read_line(args, why, (const char *const[]){__VA_ARGS__, NULL})

static void refuse(const char *part, const char *const *words)
{
    struct rh_args args;
    struct rh_buffer why = {0};
    assert_false(read_line(&args, &why, words));
    if (strstr(why.bytes, part) == NULL)
        fail_msg("'%s' does not say '%s'", why.bytes, part);
    rh_args_free(&args);
    rh_buffer_free(&why);
}
#define REFUSE(part, ...) refuse(part, (const char *const[]){__VA_ARGS__, NULL})

static void test_query_takes_its_options_in_any_order(void **state)
{
    struct rh_args args;
    struct rh_buffer why = {0};
    (void)state;
    assert_true(READ(&args, &why, "--db", "a.db", "query", "--route", "olap", "SELECT ?", "--param", "7", "--freshness",
                     "bounded:50", "--format=json", "--timeout", "100", "--stats"));
    assert_int_equal(args.command, RH_COMMAND_QUERY);
    assert_string_equal(args.db, "a.db");
    assert_string_equal(args.sql, "SELECT ?");
    assert_int_equal(args.route, RHEI_ROUTE_OLAP);
    assert_int_equal(args.freshness.mode, RHEI_FRESHNESS_BOUNDED);
    assert_int_equal(args.freshness.max_age_ms, 50);
    assert_int_equal(args.format, RH_FORMAT_JSON);
    assert_int_equal(args.timeout_ms, 100);
    assert_true(args.stats);
    assert_int_equal(args.params.count, 1);
    rh_args_free(&args);
    assert_true(READ(&args, &why, "query", "--", "-- comment"));
    assert_string_equal(args.sql, "-- comment");
    rh_args_free(&args);
    assert_true(READ(&args, &why, "exec", "-f", "x.sql"));
    assert_string_equal(args.file, "x.sql");
    rh_args_free(&args);
    rh_buffer_free(&why);
}

static void test_parameters_have_types(void **state)
{
    struct rh_args args;
    struct rh_buffer why = {0};
    (void)state;
    assert_true(READ(&args, &why, "query", "x", "--param", "7", "--param", "1.5", "--param", "007", "--param", "int:-1",
                     "--param", "real:2", "--param", "text:7"));
    const struct rhei_value *values = args.params.values;
    assert_int_equal(values[0].type, RHEI_INTEGER);
    assert_int_equal(values[1].type, RHEI_REAL);
    assert_int_equal(values[2].type, RHEI_TEXT);
    assert_int_equal(values[3].type, RHEI_INTEGER);
    assert_true(values[3].as.integer == -1);
    assert_int_equal(values[4].type, RHEI_REAL);
    assert_int_equal(values[5].type, RHEI_TEXT);
    assert_int_equal(values[5].length, 1);
    rh_args_free(&args);
    assert_true(READ(&args, &why, "query", "x", "--param", "blob:00ff", "--param", "null", "--param", "text:null",
                     "--param", "", "--param", "http://x"));
    values = args.params.values;
    assert_int_equal(values[0].type, RHEI_BLOB);
    assert_int_equal(values[0].length, 2);
    assert_int_equal(values[1].type, RHEI_NULL);
    assert_int_equal(values[2].type, RHEI_TEXT);
    assert_int_equal(values[3].type, RHEI_TEXT);
    assert_int_equal(values[4].type, RHEI_TEXT);
    rh_args_free(&args);
    rh_buffer_free(&why);
}

static void test_parameters_have_names(void **state)
{
    struct rh_args args;
    struct rh_buffer why = {0};
    (void)state;
    assert_true(READ(&args, &why, "query", "x", "--param", ":id=7", "--param", "@who=text:null", "--param",
                     "$b=blob:00", "--param", ":=1", "--param", "id=7"));
    const struct rhei_value *values = args.params.values;
    assert_int_equal(args.params.count, 8);
    assert_int_equal(values[0].type, RHEI_NAME);
    assert_string_equal(values[0].as.bytes, ":id");
    assert_int_equal(values[1].type, RHEI_INTEGER);
    assert_string_equal(values[2].as.bytes, "@who");
    assert_int_equal(values[3].length, 4);
    assert_int_equal(values[5].type, RHEI_BLOB);
    assert_int_equal(values[6].length, 3); /* no name: it is a text, and so is the last */
    assert_int_equal(values[7].length, 4);
    assert_true(rh_params_check(&args.params, "SELECT ':id', :idx, id", 22, &why));
    assert_false(rh_params_check(&args.params, "SELECT $id", 10, &why));
    rh_args_free(&args);
    rh_buffer_free(&why);
}

static void test_import_has_defaults(void **state)
{
    struct rh_args args;
    struct rh_buffer why = {0};
    (void)state;
    assert_true(READ(&args, &why, "import", "a.csv", "t"));
    assert_int_equal(args.import.delimiter, ',');
    assert_string_equal(args.import.null_text, "");
    assert_false(args.import.no_header || args.import.create);
    rh_args_free(&args);
    assert_true(READ(&args, &why, "import", "-", "t", "--create", "--key", "a,b", "--delimiter", "\\t", "--no-header",
                     "--null", "NA", "--batch", "10", "--reject", "bad.csv"));
    assert_int_equal(args.import.delimiter, '\t');
    assert_int_equal(args.import.batch, 10);
    assert_true(args.import.no_header && args.import.create);
    rh_args_free(&args);
    rh_buffer_free(&why);
}

static void test_help_and_version(void **state)
{
    struct rh_args args;
    struct rh_buffer why = {0};
    (void)state;
    assert_true(READ(&args, &why, "help", "query"));
    assert_int_equal(args.command, RH_COMMAND_HELP);
    assert_int_equal(args.help_of, RH_COMMAND_QUERY);
    rh_args_free(&args);
    assert_true(READ(&args, &why, "import", "--help", "--nonsense"));
    assert_int_equal(args.help_of, RH_COMMAND_IMPORT);
    rh_args_free(&args);
    assert_true(READ(&args, &why, "--version"));
    assert_int_equal(args.command, RH_COMMAND_VERSION);
    rh_args_free(&args);
    rh_buffer_free(&why);
}

static void test_a_table_is_called_as_its_file(void **state)
{
    static const char *const files[][2] = {{"orders.csv", "orders"},
                                           {"/a.b/orders.2024.json.gz", "orders.2024"},
                                           {"../my file", "my file"},
                                           {"x.GZ", "x"}};
    struct rh_args args;
    struct rh_buffer why = {0};
    (void)state;
    for (size_t at = 0; at < sizeof files / sizeof *files; at++) {
        assert_true(READ(&args, &why, "import", files[at][0], "--decimal", ","));
        assert_string_equal(args.import.table, files[at][1]);
        assert_int_equal(args.import.decimal, ',');
        rh_args_free(&args);
    }
    assert_true(READ(&args, &why, "import", "orders.csv", "t"));
    assert_string_equal(args.import.table, "t");
    rh_args_free(&args);
}

static void test_d5_wrong_use_is_one_sentence_that_helps(void **state)
{
    (void)state;
    REFUSE("did you mean rh query?", "qurey", "SELECT 1");
    REFUSE("did you mean --format?", "query", "x", "--fromat", "json");
    REFUSE("there is no option -x", "query", "-x");
    REFUSE("--route needs a value", "query", "x", "--route");
    REFUSE("auto, oltp or olap", "query", "x", "--route", "fast");
    REFUSE("bounded:MS", "query", "x", "--freshness", "bounded:x");
    REFUSE("at least 1", "query", "x", "--timeout", "0");
    REFUSE("table, vertical, csv, tsv, json", "query", "x", "--format", "xml");
    REFUSE("belongs to rh query", "exec", "x", "--route", "olap");
    REFUSE("64 bits", "query", "x", "--param", "int:x");
    REFUSE("text:blob:zz", "query", "x", "--param", "blob:zz");
    REFUSE("and the statement has :id: write --param ':id=7'", "export", "x.csv", "SELECT :id", "--param", "id=7");
    REFUSE("64 bits", "query", "x", "--param", ":id=int:x");
    REFUSE("one argument, in quotes", "query", "SELECT", "1");
    REFUSE("given twice", "query", "x", "-f", "y");
    REFUSE("did you mean --create?", "import", "a.csv", "t", "--crate"); /* and not --rate, which is another's */
    REFUSE("did you mean --db?", "query", "--dbb", "x");
    REFUSE("there is no option --ratex", "import", "--ratex");
    REFUSE("needs a file", "import");
    REFUSE("needs a table", "import", "-");
    REFUSE("empty name", "import", ".csv");
    REFUSE("it is , or .", "import", "a.csv", "--decimal", ";");
    REFUSE("goes with --create", "import", "a.csv", "t", "--key", "a");
    REFUSE("one ASCII character", "import", "a.csv", "t", "--delimiter", "::");
    REFUSE("a command is missing", "--db", "x");
}

static void test_a_database_in_place_of_a_command_opens_the_repl(void **state)
{
    struct rh_args args;
    struct rh_buffer why = {0};
    char *plain[] = {"rh", "--db", "x.db"};
    (void)state;
    assert_true(READ(&args, &why, "shop.db", "--capture"));
    assert_int_equal(args.command, RH_COMMAND_REPL);
    assert_string_equal(args.db, "shop.db");
    assert_true(args.capture);
    rh_args_free(&args);
    assert_true(READ(&args, &why, "repl", "--db", "a.db", "--format", "box", "--route", "olap"));
    assert_int_equal(args.format, RH_FORMAT_BOX);
    rh_args_free(&args);
    assert_true(rh_args_read(&args, 3, plain, true, &why)); /* on a terminal */
    assert_int_equal(args.command, RH_COMMAND_REPL);
    rh_args_free(&args);
    REFUSE("a command is missing", "--db", "x.db");
    REFUSE("did you mean rh repl", "reol");
    REFUSE("there is no command", "SELECT 1.5;");
    REFUSE("given twice", "shop.db", "--db", "other.db");
    REFUSE("one argument too many for rh repl", "shop.db", "other.db");
    rh_buffer_free(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_database_in_place_of_a_command_opens_the_repl),
        cmocka_unit_test(test_query_takes_its_options_in_any_order),
        cmocka_unit_test(test_parameters_have_types),
        cmocka_unit_test(test_parameters_have_names),
        cmocka_unit_test(test_import_has_defaults),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_a_table_is_called_as_its_file),
        cmocka_unit_test(test_d5_wrong_use_is_one_sentence_that_helps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
