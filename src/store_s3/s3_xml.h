/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few elements of an answer that are read, whatever else it holds. No XML library: answers are flat, have no namespaces in front of names and no
 * CDATA, and what is no such answer has none of the elements. Pure; any thread.
 */
#ifndef STORE_S3_XML_H
#define STORE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes. */
struct s3_xml {
    const char *at, *end;
};

/* What is in the next element of that name; `xml`, another one, goes behind it. False: there is none, or it doesn't end. */
bool s3_xml_next(struct s3_xml *xml, const char *name, struct s3_xml *inside);
/* The text of the first element of that name, its entities resolved. False, and "": there is none, or it doesn't fit. */
bool s3_xml_text(struct s3_xml xml, const char *name, char *text, size_t size);
/* 2013-05-24T00:00:00.000Z in seconds since 1970; 0: it isn't that. */
int64_t s3_xml_time(const char *text);

#endif
