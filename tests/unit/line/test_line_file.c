/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "line_file.h"

struct place {
    char folder[64];
    struct rh_buffer path;
};

static int begin(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    strcpy(place->folder, "/tmp/rhei-line-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    setenv("XDG_STATE_HOME", place->folder, 1);
    assert_true(line_file_path(&place->path, "rh"));
    *state = place;
    return 0;
}

static int end(void **state)
{
    struct place *place = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", place->folder);
    assert_int_equal(system(command), 0);
    rh_buffer_free(&place->path);
    free(place);
    return 0;
}

static void append(const char *path, const char *text)
{
    assert_int_equal(line_file_append(path, text, strlen(text)), 0);
}

static void test_entries_of_several_lines_come_back_as_they_were(void **state)
{
    struct place *place = *state;
    struct line_history history = {0};
    struct stat about;
    append(place->path.bytes, "select 1\n  from \"a\\n\";");
    append(place->path.bytes, "select '\xE6\x97\xA5';");
    assert_int_equal(line_file_read(place->path.bytes, &history), 0);
    assert_int_equal(history.count, 2);
    assert_string_equal(history.entries[0], "select 1\n  from \"a\\n\";");
    assert_string_equal(history.entries[1], "select '\xE6\x97\xA5';");
    assert_int_equal(stat(place->path.bytes, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    line_history_free(&history);
}

static void test_what_is_no_entry_is_passed_over(void **state)
{
    static const char bytes[] =
        "good;\n\xFF\xFE broken\n\n a blank\nzero\0byte\n\033[2J\nlast of a session that was ki";
    struct place *place = *state;
    struct line_history history = {0};
    FILE *file = fopen(place->path.bytes, "wb");
    fwrite(bytes, 1, sizeof bytes - 1, file);
    fclose(file);
    append(place->path.bytes, "next;");
    assert_int_equal(line_file_read(place->path.bytes, &history), 0);
    assert_int_equal(history.count, 3);
    assert_string_equal(history.entries[0], "good;");
    assert_string_equal(history.entries[1], "last of a session that was ki");
    assert_string_equal(history.entries[2], "next;");
    line_history_free(&history);
}

static void test_a_path_that_is_no_file_is_an_error(void **state)
{
    struct place *place = *state;
    struct line_history history = {0};
    assert_int_equal(line_file_read("/nowhere/at/all", &history), 0); /* not there: no history yet */
    assert_true(line_file_append("/nowhere/at/all", "x", 1) != 0);
    assert_true(line_file_read(place->folder, &history) != 0);
    assert_int_equal(mkfifo(place->path.bytes, 0600), 0);
    assert_true(line_file_append(place->path.bytes, "x", 1) != 0); /* and nobody waits for a reader */
    assert_int_equal(history.count, 0);
}

static void write_in_another_process(const char *path, char letter, int count)
{
    if (fork() != 0)
        return;
    for (int at = 0; at < count; at++) {
        char text[256];
        int length = snprintf(text, sizeof text, "%c %d %0*d;", letter, at, 100, 0);
        if (line_file_append(path, text, (size_t)length) != 0)
            _exit(1);
        if (at % 100 == 0) {
            struct line_history history = {0};
            (void)line_file_read(path, &history);
            line_history_free(&history);
        }
    }
    _exit(0);
}

static void test_sessions_beside_one_another_lose_nothing(void **state)
{
    enum { WRITERS = 4, ENTRIES = 300 };
    struct place *place = *state;
    struct line_history history = {0};
    int status, counts[WRITERS] = {0};
    for (int at = 0; at < WRITERS; at++)
        write_in_another_process(place->path.bytes, (char)('a' + at), ENTRIES);
    for (int at = 0; at < WRITERS; at++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(line_file_read(place->path.bytes, &history), 0);
    assert_int_equal(history.count, WRITERS * ENTRIES);
    for (size_t at = 0; at < history.count; at++) /* each writer's in their order */
        assert_int_equal(atoi(history.entries[at] + 2), counts[history.entries[at][0] - 'a']++);
    line_history_free(&history);
}

static void test_a_long_file_is_cut_to_the_newest(void **state)
{
    struct place *place = *state;
    struct line_history history = {0}, again = {0};
    struct stat about;
    FILE *file = fopen(place->path.bytes, "wb");
    for (int at = 0; at < 50000; at++)
        fprintf(file, "select %d, '%0*d';\n", at, 100, 0);
    fclose(file);
    assert_int_equal(line_file_read(place->path.bytes, &history), 0);
    assert_int_equal(stat(place->path.bytes, &about), 0);
    assert_true(about.st_size < LINE_FILE_LIMIT);
    append(place->path.bytes, "after;");
    assert_int_equal(line_file_read(place->path.bytes, &again), 0);
    assert_string_equal(again.entries[again.count - 1], "after;");
    assert_string_equal(again.entries[again.count - 2], history.entries[history.count - 1]);
    assert_int_equal(history.count, LINE_HISTORY_LIMIT);
    line_history_free(&history);
    line_history_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_entries_of_several_lines_come_back_as_they_were, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_no_entry_is_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(test_a_path_that_is_no_file_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(test_sessions_beside_one_another_lose_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_a_long_file_is_cut_to_the_newest, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
