/* SPDX-License-Identifier: Apache-2.0 */
/* The page's three files: which paths they have, that they are whole, and what comes with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "page_answer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http_text text(const char *bytes)
{
    return (struct http_text){bytes, strlen(bytes)};
}

static bool begins(const struct page_file *file, const char *words)
{
    return file->length >= strlen(words) && memcmp(file->bytes, words, strlen(words)) == 0;
}

static bool ends(const struct page_file *file, const char *words)
{
    size_t length = strlen(words);
    return file->length >= length && memcmp(file->bytes + file->length - length, words, length) == 0;
}

static void test_files_are_whole(void **state)
{
    struct page_file file;
    (void)state;
    assert_true(page_find(text("/"), &file));
    assert_true(begins(&file, "<!doctype html>\n") && ends(&file, "</html>\n"));
    assert_string_equal(file.type, "text/html; charset=utf-8");
    assert_true(page_find(text("/page.js"), &file));
    assert_true(begins(&file, "// SPDX-License-Identifier: Apache-2.0\n") && ends(&file, "\ngoIn();\n"));
    assert_string_equal(file.type, "text/javascript; charset=utf-8");
    assert_true(page_find(text("/page.css"), &file));
    assert_true(begins(&file, "/* SPDX-License-Identifier: Apache-2.0 */\n") && ends(&file, "}\n"));
    assert_string_equal(file.type, "text/css; charset=utf-8");
}

static void test_other_paths_are_not_there(void **state)
{
    static const char *const paths[] = {"",          "//",          "/page",        "/page.JS",   "/page.js/",
                                        "/page.jsx", "/index.html", "/../page.css", "/page.css ", "/sql"};
    struct page_file file;
    (void)state;
    for (size_t at = 0; at < sizeof paths / sizeof paths[0]; at++)
        assert_false(page_find(text(paths[at]), &file));
}

/* A line that isn't a header's would end the head, or begin another one. */
static void test_headers_are_lines(void **state)
{
    const char *headers = page_headers();
    (void)state;
    assert_non_null(strstr(headers, "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
                                    "connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; "
                                    "form-action 'none'\r\n"));
    assert_non_null(strstr(headers, "Referrer-Policy: no-referrer\r\n"));
    assert_null(strstr(headers, "unsafe-"));
    for (const char *line = headers; line[0] != '\0';) {
        const char *end = strstr(line, "\r\n");
        assert_non_null(end);
        const char *colon = memchr(line, ':', (size_t)(end - line));
        assert_non_null(colon);
        assert_null(memchr(line, ' ', (size_t)(colon - line)));
        line = end + 2;
    }
}

/* Nothing from elsewhere, and nothing that would be run: what the room's README promises of the files. */
static void test_files_name_nothing_from_elsewhere(void **state)
{
    static const char *const paths[] = {"/", "/page.js", "/page.css"};
    static const char *const words[] = {"https://",       "innerHTML",       "outerHTML", "insertAdjacentHTML",
                                        "document.write", "eval(",           "Function(", "@import",
                                        "url(",           "document.cookie", " style=",   " onclick=",
                                        "localStorage"};
    struct page_file file;
    (void)state;
    for (size_t at = 0; at < 3; at++) {
        assert_true(page_find(text(paths[at]), &file));
        for (size_t word = 0; word < sizeof words / sizeof words[0]; word++)
            if (memmem(file.bytes, file.length, words[word], strlen(words[word])) != NULL)
                fail_msg("%s has %s in it", paths[at], words[word]);
    }
}

/* ---- Asked -------------------------------------------------------------------------------------------------------- */

static void handle(void *context, const struct http_request *request, struct http_exchange *exchange)
{
    (void)context;
    if (!page_answer(request, exchange))
        http_answer(exchange, 404, "text/plain", NULL, "no\n", 3);
}

/* The beginning of what it says. */
static void ask(const struct http_server *server, const char *method, const char *path, char *answer, size_t size)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server))};
    char request[200];
    size_t length = 0;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    int said = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                        method, path);
    assert_int_equal(write(fd, request, (size_t)said), said);
    for (ssize_t got = 1; got > 0 && length + 1 < size; length += got > 0 ? (size_t)got : 0)
        got = read(fd, answer + length, size - length - 1);
    answer[length] = '\0';
    close(fd);
}

static void test_it_is_asked_for_by_get_and_head(void **state)
{
    const struct http_options options = {.listen = "127.0.0.1:0", .handle = handle};
    struct http_server *server = NULL;
    char why[300] = "", answer[4000];
    (void)state;
    if (!http_start(&options, &server, why, sizeof why))
        fail_msg("%s", why);
    ask(server, "GET", "/?x=1", answer, sizeof answer);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
    assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'none'"));
    assert_non_null(strstr(answer, "\r\n\r\n<!doctype html>\n"));
    ask(server, "HEAD", "/page.css", answer, sizeof answer);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    ask(server, "POST", "/page.js", answer, sizeof answer);
    assert_int_equal(strncmp(answer, "HTTP/1.1 405 ", 13), 0);
    assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
    ask(server, "GET", "/other", answer, sizeof answer);
    assert_int_equal(strncmp(answer, "HTTP/1.1 404 ", 13), 0);
    http_stop(&server, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_whole),
        cmocka_unit_test(test_other_paths_are_not_there),
        cmocka_unit_test(test_headers_are_lines),
        cmocka_unit_test(test_files_name_nothing_from_elsewhere),
        cmocka_unit_test(test_it_is_asked_for_by_get_and_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
