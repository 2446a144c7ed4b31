/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what names a PostgreSQL server has a password in it, by libpq's own rules of both its forms. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "config_keys.h"

/* In any letters: libpq knows no such keyword, and what it refuses may be shown. */
static bool is_secret(const char *keyword, size_t length)
{
    static const char *const secrets[] = {"password", "sslpassword"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (strlen(secrets[i]) == length && strncasecmp(secrets[i], keyword, length) == 0)
            return true;
    return false;
}

/* ---- "postgresql://user:password@host/database?name=value&..." ---------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Names may be written in percents, too: ?pass%77ord=... */
static bool is_secret_parameter(const char *at, size_t length)
{
    char name[16];
    size_t len = 0;
    for (size_t i = 0; i < length && len < sizeof name; i++) {
        bool coded = at[i] == '%' && i + 2 < length && hex(at[i + 1]) >= 0 && hex(at[i + 2]) >= 0;
        int decoded = coded ? hex(at[i + 1]) * 16 + hex(at[i + 2]) : at[i];
        name[len++] = (char)decoded;
        i += coded ? 2 : 0;
    }
    return is_secret(name, len);
}

static bool uri_has_password(const char *rest)
{
    size_t user = strcspn(rest, "@/");
    if (rest[user] == '@' && memchr(rest, ':', user) != NULL)
        return true;
    const char *at = strchr(rest, '?');
    while (at != NULL) {
        at++;
        if (is_secret_parameter(at, strcspn(at, "=&")))
            return true;
        at = strchr(at, '&');
    }
    return false;
}

/* ---- "name=value name = 'value'" ---------------------------------------------------------------------------------- */

static const char *skip_spaces(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* Behind the value; NULL: its quote isn't closed. */
static const char *skip_value(const char *at)
{
    bool quoted = *at == '\'';
    at += quoted;
    for (; *at != '\0' && (quoted ? *at != '\'' : !isspace((unsigned char)*at)); at++)
        if (*at == '\\' && at[1] != '\0')
            at++;
    return !quoted ? at : *at == '\'' ? at + 1 : NULL;
}

static bool pairs_have_password(const char *text)
{
    const char *at = skip_spaces(text);
    while (at != NULL && *at != '\0') {
        const char *keyword = at;
        while (*at != '\0' && *at != '=' && !isspace((unsigned char)*at))
            at++;
        size_t length = (size_t)(at - keyword);
        at = skip_spaces(at);
        if (*at != '=')
            break;
        if (is_secret(keyword, length))
            return true;
        at = skip_value(skip_spaces(at + 1));
        at = at == NULL ? NULL : skip_spaces(at);
    }
    /* one that can't be read connects to nothing, but may be shown */
    return (at == NULL || *at != '\0') && strstr(text, "password") != NULL;
}

bool config_has_password(const char *conninfo)
{
    static const char *const schemes[] = {"postgresql://", "postgres://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(conninfo, schemes[i], strlen(schemes[i])) == 0)
            return uri_has_password(conninfo + strlen(schemes[i]));
    return pairs_have_password(conninfo);
}
