/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a TOML text: blanks, keys, strings, numbers. For config_toml.c. Owner thread. */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include "base/base_buffer.h"
#include "config_toml.h"

struct toml_scanner {
    const char *at;
    const char *end;
    const char *name;
    int line;
    const char *key; /* whose value is read, for errors: that isn't shown, it may be a secret; NULL: none yet */
    struct rhei_error *error;
};

rhei_status scan_error(struct toml_scanner *scanner, const char *format, ...) RHEI_PRINTF(2, 3);
/* -1 at the end. */
int scan_peek(const struct toml_scanner *scanner, size_t ahead);
bool scan_starts(const struct toml_scanner *scanner, const char *text);
void scan_blanks(struct toml_scanner *scanner); /* spaces and tabs */
/* Blanks and a comment up to the end of the line, which is passed; anything else there is an error. */
rhei_status scan_line_end(struct toml_scanner *scanner);
/* Blanks, comments and ends of lines, as inside an array. */
rhei_status scan_gap(struct toml_scanner *scanner);
/* One part of a key, bare or quoted, into `out`. */
rhei_status scan_key(struct toml_scanner *scanner, struct base_buffer *out);
/* A string of any of the four forms into `out`. */
rhei_status scan_string(struct toml_scanner *scanner, struct base_buffer *out);
/* A number, boolean or date; sets kind, integer, boolean of `node`, and appends the text of it to `out`. */
rhei_status scan_scalar(struct toml_scanner *scanner, struct toml_node *node, struct base_buffer *out);

#endif
