/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"
#include "flight_seal.h"

enum { FILE_MOST = 1 << 20, LEAST_TOKEN = 8 };

static rhei_status read_file(const char *path, struct base_buffer *out, struct rhei_error *error)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return error_set(error, RHEI_CANT_OPEN, "the file %s can't be read: %s", path, strerror(errno));
    char part[4096];
    size_t got;
    while ((got = fread(part, 1, sizeof part, file)) > 0 && out->len <= FILE_MOST)
        base_buffer_append(out, part, got);
    bool bad = ferror(file) != 0;
    (void)fclose(file);
    flight_wipe(part, sizeof part);
    if (bad)
        return error_set(error, RHEI_CANT_OPEN, "the file %s can't be read", path);
    if (out->len > FILE_MOST)
        return error_set(error, RHEI_CONFIG, "the file %s has over 1 MiB: it is none of secrets", path);
    return out->failed ? error_no_memory(error) : RHEI_OK;
}

static void forget(struct base_buffer *text)
{
    flight_wipe(text->data, text->len);
    base_buffer_reset(text);
}

/* ---- The token ---------------------------------------------------------------------------------------------------- */

rhei_status flight_users_token(struct flight_users *users, const char *token, struct rhei_error *error)
{
    if (strlen(token) < LEAST_TOKEN)
        return error_set(error, RHEI_CONFIG, "the token of the Flight door has %zu characters: it takes at least %d",
                         strlen(token), LEAST_TOKEN);
    for (const char *at = token; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~')
            return error_set(
                error, RHEI_CONFIG,
                "the token of the Flight door has a character that no header can carry: it takes printable "
                "ASCII without blanks");
    users->token = base_arena_text(&users->arena, token);
    users->token_user = (struct flight_user){.name = "(token)"};
    return users->token == NULL ? error_no_memory(error) : RHEI_OK;
}

rhei_status flight_users_token_file(struct flight_users *users, const char *path, struct rhei_error *error)
{
    struct base_buffer text = {0};
    rhei_status status = read_file(path, &text, error);
    if (status == RHEI_OK) {
        char *begin = text.data == NULL ? NULL : text.data + strspn(text.data, " \t\r\n");
        if (begin != NULL)
            begin[strcspn(begin, "\r\n")] = '\0';
        for (size_t len = begin == NULL ? 0 : strlen(begin); len > 0 && begin[len - 1] <= ' '; len--)
            begin[len - 1] = '\0';
        status = begin == NULL || begin[0] == '\0'
                     ? error_set(error, RHEI_CONFIG, "the file %s is empty: an empty token lets nobody in", path)
                     : flight_users_token(users, begin, error);
    }
    forget(&text);
    return status;
}

/* ---- The file of users -------------------------------------------------------------------------------------------- */

static bool take_count(const char *word, size_t len, const char *name, uint64_t *count)
{
    char digits[24], *end = NULL;
    size_t name_len = strlen(name);
    if (len <= name_len || len - name_len >= sizeof digits || strncmp(word, name, name_len) != 0)
        return false;
    memcpy(digits, word + name_len, len - name_len);
    digits[len - name_len] = '\0';
    errno = 0;
    *count = strtoull(digits, &end, 10);
    return digits[0] >= '0' && digits[0] <= '9' && *end == '\0' && errno == 0 && *count > 0 &&
           *count < INT64_MAX / 1000;
}

static bool take_words(struct flight_user *user, const char *words)
{
    while (*words != '\0') {
        size_t len = strcspn(words, ",");
        uint64_t seconds = 0;
        if (len == 9 && strncmp(words, "read_only", len) == 0)
            user->read_only = true;
        else if (take_count(words, len, "seconds=", &seconds))
            user->most_ms = (int64_t)seconds * 1000;
        else if (!take_count(words, len, "rows=", &user->most_rows))
            return false;
        words += len + (words[len] == ',');
    }
    return true;
}

static rhei_status take_line(struct flight_users *users, char *line, const char *path, int number,
                             struct rhei_error *error)
{
    char *hash = strchr(line, ':');
    char *words = hash == NULL ? NULL : strchr(hash + 1, ':');
    if (hash == NULL || hash == line)
        return error_set(error, RHEI_CONFIG, "%s, line %d: it isn't NAME:HASH or NAME:HASH:WORDS", path, number);
    *hash++ = '\0';
    if (words != NULL)
        *words++ = '\0';
    if (!base_utf8_valid(line, strlen(line)) || strlen(line) > 200 || line[0] == '(')
        return error_set(error, RHEI_CONFIG,
                         "%s, line %d: a name is UTF-8 of up to 200 bytes, and begins with no \"(\"", path, number);
    if (strncmp(hash, "$argon2id$", 10) != 0)
        return error_set(
            error, RHEI_CONFIG,
            "%s, line %d: the password of \"%s\" isn't an argon2id hash; rh serve --make-user %s makes one", path,
            number, line, line);
    if (flight_users_find(users, line) != NULL)
        return error_set(error, RHEI_CONFIG, "%s, line %d: there are two users \"%s\"", path, number, line);
    struct flight_user *user = base_arena_zero(&users->arena, 1, sizeof *user);
    if (user == NULL)
        return error_no_memory(error);
    user->name = base_arena_text(&users->arena, line);
    user->hash = base_arena_text(&users->arena, hash);
    if (user->name == NULL || user->hash == NULL)
        return error_no_memory(error);
    if (words != NULL && !take_words(user, words))
        return error_set(error, RHEI_CONFIG, "%s, line %d: \"%s\" isn't read_only, rows=N or seconds=N", path, number,
                         words);
    user->next = users->first;
    users->first = user;
    return RHEI_OK;
}

rhei_status flight_users_parse(struct flight_users *users, const char *text, size_t len, const char *path,
                               struct rhei_error *error)
{
    struct base_buffer copy = {0};
    rhei_status status = RHEI_OK;
    int number = 0;
    base_buffer_append(&copy, text, len);
    if (copy.failed)
        status = error_no_memory(error);
    if (len > 0 && memchr(text, '\0', len) != NULL)
        status = error_set(error, RHEI_CONFIG, "%s has a NUL in it: it is no text", path);
    for (char *line = copy.data, *next; status == RHEI_OK && line != NULL && *line != '\0'; line = next) {
        size_t width = strcspn(line, "\n");
        next = line + width + (line[width] == '\n');
        line[width] = '\0';
        if (width > 0 && line[width - 1] == '\r')
            line[width - 1] = '\0';
        number++;
        if (line[0] != '\0' && line[0] != '#')
            status = take_line(users, line, path, number, error);
    }
    if (status == RHEI_OK && users->first == NULL)
        status = error_set(error, RHEI_CONFIG, "there is no user in %s: nobody could come in", path);
    forget(&copy);
    return status;
}

rhei_status flight_users_load(struct flight_users *users, const char *path, struct rhei_error *error)
{
    struct base_buffer text = {0};
    rhei_status status = read_file(path, &text, error);
    if (status == RHEI_OK)
        status = flight_users_parse(users, text.data == NULL ? "" : text.data, text.len, path, error);
    forget(&text);
    return status;
}

const struct flight_user *flight_users_find(const struct flight_users *users, const char *name)
{
    for (const struct flight_user *user = users->first; user != NULL; user = user->next)
        if (strcmp(user->name, name) == 0)
            return user;
    return users->token != NULL && strcmp(name, users->token_user.name) == 0 ? &users->token_user
           : users->open && name[0] == '\0'                                  ? &users->anybody
                                                                             : NULL;
}

char *flight_users_split(struct base_buffer *plain)
{
    char *colon = plain->len == 0 ? NULL : memchr(plain->data, ':', plain->len);
    if (colon == NULL || memchr(plain->data, '\0', (size_t)(colon - plain->data)) != NULL)
        return NULL;
    *colon = '\0';
    return colon + 1;
}

const struct flight_user *flight_users_enter(const struct flight_users *users, const char *name, const char *password,
                                             size_t len)
{
    const struct flight_user *user = flight_users_find(users, name);
    const char *hash = user == NULL ? NULL : user->hash;
    return flight_password_fits(hash, password, len) ? user : NULL;
}

void flight_users_reset(struct flight_users *users)
{
    if (users->token != NULL)
        flight_wipe(users->token, strlen(users->token));
    base_arena_reset(&users->arena);
    *users = (struct flight_users){0};
}

rhei_status flight_users_named(const struct rhei_flight_options *options, struct rhei_error *error)
{
    bool secret = options->token != NULL || options->token_file != NULL || options->users_file != NULL;
    if (secret && options->no_auth)
        return error_set(
            error, RHEI_CONFIG,
            "either there are a token or users, or nobody has to say who he is: --no-auth goes with neither "
            "--token-file nor --users-file");
    if (!secret && !options->no_auth)
        return error_set(
            error, RHEI_CONFIG,
            "there is neither a token nor a user: name a file of one of them (--token-file, --users-file), or say that "
            "nobody has to say who he is (--no-auth)");
    return RHEI_OK;
}

rhei_status flight_users_from(struct flight_users *users, const struct rhei_flight_options *options, const char **field,
                              struct rhei_error *error)
{
    const struct {
        const char *field, *value;
        rhei_status (*take)(struct flight_users *users, const char *value, struct rhei_error *error);
    } all[] = {{"token", options->token, flight_users_token},
               {"token_file", options->token_file, flight_users_token_file},
               {"users_file", options->users_file, flight_users_load}};
    rhei_status status = RHEI_OK;
    users->open = options->no_auth;
    users->anybody = (struct flight_user){.name = ""};
    *field = NULL;
    for (size_t i = 0; status == RHEI_OK && i < sizeof all / sizeof all[0]; i++) {
        if (all[i].value == NULL)
            continue;
        status = all[i].take(users, all[i].value, error);
        *field = status == RHEI_OK ? NULL : all[i].field;
    }
    return status;
}
