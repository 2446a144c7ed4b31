/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file page_answer.h
 * The web page of rh serve, from memory: three files that hold no data.
 */
#ifndef PAGE_ANSWER_H
#define PAGE_ANSWER_H

#include "http_server.h"

/** What the build made of the files of this room. */
extern const unsigned char page_html[], page_js[], page_css[];
extern const size_t page_html_size, page_js_size, page_css_size;

/** One of the files, for as long as the program runs. */
struct page_file {
    const char *path, *type;
    const unsigned char *bytes;
    size_t length;
};

/** The file of this path, "/", "/page.js" or "/page.css"; false: there is none. Any thread. */
bool page_find(struct http_text path, struct page_file *file);
/** The headers that come with each of them, lines that end with "\r\n". */
const char *page_headers(void);
/** Answers who asks for one of them, by GET and HEAD alone. False: it is another path, and nothing was answered. Any thread. */
bool page_answer(const struct http_request *request, struct http_exchange *exchange);

#endif
