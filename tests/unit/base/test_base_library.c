/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign libraries as tables of functions: found, absent, and without a function. The C library is the one that is surely there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base_error.h"
#include "base/base_library.h"

struct table {
    int (*absolute)(int);
    size_t (*length)(const char *);
};

static const struct base_symbol symbols[] = {
    {"abs", offsetof(struct table, absolute)},
    {"strlen", offsetof(struct table, length)},
    {"no_such_function_anywhere", 0},
};

static struct base_library library_of(const char *const *names, struct table *table, size_t count)
{
    return (struct base_library){.names = names,
                                 .variable = "RHEI_TEST_LIBRARY",
                                 .absent = "it isn't here",
                                 .file = "libc",
                                 .older = "it is too old",
                                 .symbols = symbols,
                                 .symbol_count = count,
                                 .table = table,
                                 .mutex = PTHREAD_MUTEX_INITIALIZER};
}

static void test_the_first_name_that_is_there_fills_the_table(void **state)
{
    static const char *const names[] = {"libnowhere.so.1", "libc.so.6", NULL};
    struct table table = {0};
    struct base_library library = library_of(names, &table, 2);
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(base_library_load(&library, NULL), RHEI_OK);
    assert_int_equal(table.absolute(-3), 3);
    assert_int_equal(table.length("abc"), 3);
}

static void test_d5_a_library_that_is_absent_is_told_and_looked_for_again(void **state)
{
    static const char *const names[] = {"libc.so.6", NULL};
    struct table table = {0};
    struct base_library library = library_of(names, &table, 2);
    struct rhei_error error = RHEI_ERROR_INIT;
    (void)state;
    setenv("RHEI_TEST_LIBRARY", "/nowhere/libc.so.6", 1);
    assert_int_equal(base_library_load(&library, &error), RHEI_UNSUPPORTED);
    assert_non_null(strstr(error.message, "it isn't here (/nowhere/libc.so.6: "));
    unsetenv("RHEI_TEST_LIBRARY");
    assert_int_equal(base_library_load(&library, NULL), RHEI_OK);
}

static void assert_no_library(const char *bytes, size_t length, const char *word)
{
    static const char *const names[] = {"libc.so.6", NULL};
    struct table table = {0};
    struct base_library library = library_of(names, &table, 2);
    struct rhei_error error = RHEI_ERROR_INIT;
    char path[64];
    snprintf(path, sizeof path, "/tmp/rhei_no_library_%ld.so", (long)getpid());
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    setenv("RHEI_TEST_LIBRARY", path, 1);
    assert_int_equal(base_library_load(&library, &error), RHEI_UNSUPPORTED);
    assert_int_equal(unlink(path), 0);
    unsetenv("RHEI_TEST_LIBRARY");
    assert_non_null(strstr(error.message, "which RHEI_TEST_LIBRARY names, can't be loaded"));
    assert_non_null(strstr(error.message, word));
}

/* A text, and half a copy, which the loader would map beyond its end. */
static void test_d5_a_file_that_is_no_library_is_told(void **state)
{
    static char half[4096];
    (void)state;
    assert_no_library("text", 4, "too short");
    FILE *whole = fopen("/proc/self/exe", "rb");
    assert_non_null(whole);
    assert_int_equal(fread(half, sizeof half, 1, whole), 1);
    assert_int_equal(fclose(whole), 0);
    assert_no_library(half, sizeof half, "ends too early");
}

static void test_d5_a_library_without_a_function_is_told(void **state)
{
    static const char *const names[] = {"libc.so.6", NULL};
    struct table table = {0};
    struct base_library library = library_of(names, &table, 3);
    struct rhei_error error = RHEI_ERROR_INIT;
    (void)state;
    assert_int_equal(base_library_load(&library, &error), RHEI_UNSUPPORTED);
    assert_string_equal(error.message, "libc has no function no_such_function_anywhere: it is too old");
    error = (struct rhei_error)RHEI_ERROR_INIT;
    setenv("RHEI_TEST_LIBRARY", "libm.so.6", 1); /* the one that was named is told of */
    assert_int_equal(base_library_load(&library, &error), RHEI_UNSUPPORTED);
    unsetenv("RHEI_TEST_LIBRARY");
    assert_memory_equal(error.message, "libm.so.6 has no function ", 26);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_name_that_is_there_fills_the_table),
        cmocka_unit_test(test_d5_a_library_that_is_absent_is_told_and_looked_for_again),
        cmocka_unit_test(test_d5_a_file_that_is_no_library_is_told),
        cmocka_unit_test(test_d5_a_library_without_a_function_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
