/* SPDX-License-Identifier: Apache-2.0 */
#include "page_answer.h"

#include <string.h>

bool page_find(struct http_text path, struct page_file *file)
{
    const struct page_file files[] = {
        {"/", "text/html; charset=utf-8", page_html, page_html_size},
        {"/page.js", "text/javascript; charset=utf-8", page_js, page_js_size},
        {"/page.css", "text/css; charset=utf-8", page_css, page_css_size},
    };
    for (size_t at = 0; at < sizeof files / sizeof files[0]; at++) {
        if (!http_same(path, files[at].path))
            continue;
        *file = files[at];
        return true;
    }
    return false;
}

/* What the page may do is what it does: its own script and styles, and questions to where it came from. Every answer of the server has nosniff and no-store. */
const char *page_headers(void)
{
    return "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
           "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"
           "X-Frame-Options: DENY\r\n"
           "Referrer-Policy: no-referrer\r\n"
           "Cross-Origin-Resource-Policy: same-origin\r\n"
           "Cross-Origin-Opener-Policy: same-origin\r\n";
}

bool page_answer(const struct http_request *request, struct http_exchange *exchange)
{
    static const char how[] =
        "{\"error\":{\"code\":\"INVALID\",\"sqlstate\":\"22023\",\"message\":\"the page is asked for by GET\"}}\n";
    struct page_file file;
    if (!page_find(request->path, &file))
        return false;
    if (http_same(request->method, "GET") || http_same(request->method, "HEAD"))
        http_answer(exchange, 200, file.type, page_headers(), file.bytes, file.length);
    else
        http_answer(exchange, 405, "application/json", "Allow: GET, HEAD\r\n", how, sizeof how - 1);
    return true;
}
