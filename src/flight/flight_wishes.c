/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a client wants its answers. A session has no state here: its options are in the cookie that the client brings, sealed for its user. Headers
 * of one call win over them.
 */
#include <stdlib.h>
#include <string.h>

#include "arrow/arrow_ipc.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "flight_internal.h"

static const char cookie_name[] = "rhei_session";
static const char *const wish_names[] = {"freshness", "route", "compression", NULL};

static bool take_freshness(struct flight_wishes *wishes, const char *value)
{
    char *end = NULL;
    if (strcmp(value, "latest") == 0)
        wishes->freshness = rhei_latest();
    else if (strcmp(value, "eventual") == 0)
        wishes->freshness = rhei_eventual();
    else if (strncmp(value, "bounded:", 8) == 0 && value[8] >= '0' && value[8] <= '9' && strlen(value) < 8 + 18) {
        wishes->freshness = rhei_bounded_ms(strtoll(value + 8, &end, 10));
        return *end == '\0';
    } else
        return false;
    return true;
}

static bool take_word(int32_t *wish, const char *value, const char *const words[3])
{
    for (int32_t i = 0; i < 3; i++) {
        if (strcmp(value, words[i]) == 0) {
            *wish = i;
            return true;
        }
    }
    return false;
}

rhei_status flight_wish(struct flight_wishes *wishes, const char *name, const char *value, struct rhei_error *error)
{
    static const char *const routes[] = {"auto", "oltp", "olap"}, *const codecs[] = {"none", "lz4", "zstd"};
    _Static_assert(RHEI_ROUTE_OLAP == 2 && ARROW_IPC_ZSTD == 2, "the words stand in the order of the numbers");
    if (strcmp(name, "freshness") == 0)
        return take_freshness(wishes, value)
                   ? RHEI_OK
                   : error_set(error, RHEI_INVALID, "freshness \"%s\" isn't latest, bounded:MS or eventual", value);
    if (strcmp(name, "route") == 0)
        return take_word(&wishes->route, value, routes)
                   ? RHEI_OK
                   : error_set(error, RHEI_INVALID, "route \"%s\" isn't auto, oltp or olap", value);
    if (strcmp(name, "compression") == 0)
        return take_word(&wishes->codec, value, codecs)
                   ? RHEI_OK
                   : error_set(error, RHEI_INVALID, "compression \"%s\" isn't none, lz4 or zstd", value);
    return error_set(error, RHEI_NOT_FOUND,
                     "there is no session option \"%s\": they are freshness, route and compression", name);
}

/* ---- The cookie --------------------------------------------------------------------------------------------------- */

/* Its body: "name=value\n" for each option that was set. */
static bool find_cookie(struct flight_work *work, struct base_buffer *body)
{
    size_t name_len = sizeof cookie_name - 1;
    for (size_t n = 0;; n++) {
        struct flight_bytes header = flight_call_header(work->call, "cookie", n);
        if (!header.there)
            return false;
        const char *at = header.bytes, *end = at + header.len;
        while (at < end) {
            at += *at == ' ' || *at == ';';
            const char *stop = memchr(at, ';', (size_t)(end - at));
            size_t len = (size_t)((stop == NULL ? end : stop) - at);
            bool quoted = len > name_len + 2 && at[name_len + 1] == '"';
            if (len > name_len && memcmp(at, cookie_name, name_len) == 0 && at[name_len] == '=') {
                struct base_buffer sealed = {0};
                bool good = flight_base64_decode(at + name_len + 1 + quoted, len - name_len - 1 - 2 * (size_t)quoted,
                                                 true, &sealed) &&
                            flight_seal_open(&work->server->seal, FLIGHT_SEAL_SESSION, work->user->name,
                                             (struct flight_bytes){sealed.data, sealed.len, true}, body);
                base_buffer_reset(&sealed);
                return good;
            }
            at += len + (len == 0);
        }
    }
}

static rhei_status read_options(struct flight_wishes *wishes, char *text, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (char *line = text, *next; status == RHEI_OK && line != NULL && *line != '\0'; line = next) {
        char *end = strchr(line, '\n'), *equals = strchr(line, '=');
        if (end == NULL || equals == NULL)
            break;
        next = end + 1;
        *end = '\0';
        *equals = '\0';
        status = flight_wish(wishes, line, equals + 1, error);
        *end = '\n';
        *equals = '=';
    }
    return status;
}

/* A header of ours that nobody reads is a slip: the wish would be passed over without a word. */
static rhei_status check_names(struct flight_work *work)
{
    static const char prefix[] = "x-rhei-";
    struct flight_bytes name;
    for (size_t i = 0; (name = flight_call_header_name(work->call, i)).there; i++) {
        const char *text = name.len < sizeof prefix - 1 || memcmp(name.bytes, prefix, sizeof prefix - 1) != 0
                               ? NULL
                               : flight_text(work, name);
        bool known = text == NULL;
        for (const char *const *wish = wish_names; !known && *wish != NULL; wish++)
            known = strcmp(text + sizeof prefix - 1, *wish) == 0;
        if (!known)
            return error_set(&work->error, RHEI_INVALID,
                             "there is no header \"%s\": they are x-rhei-freshness, x-rhei-route and "
                             "x-rhei-compression",
                             text);
    }
    return RHEI_OK;
}

rhei_status flight_wishes_read(struct flight_work *work)
{
    struct base_buffer body = {0};
    rhei_status status = check_names(work);
    if (status == RHEI_OK && find_cookie(work, &body))
        status = read_options(&work->wishes, body.data, &work->error);
    base_buffer_reset(&body);
    for (const char *const *name = wish_names; status == RHEI_OK && *name != NULL; name++) {
        char header[32] = "x-rhei-";
        strncat(header, *name, sizeof header - 8);
        struct flight_bytes value = flight_call_header(work->call, header, 0);
        const char *text = value.there ? flight_text(work, value) : NULL;
        if (text != NULL)
            status = flight_wish(&work->wishes, *name, text, &work->error);
    }
    return status;
}

/* ---- SetSessionOptions, GetSessionOptions, CloseSession ----------------------------------------------------------- */

static void give_cookie(struct flight_work *work, const char *body, size_t len)
{
    struct base_buffer sealed = {0}, value = {0};
    flight_seal_close(&work->server->seal, FLIGHT_SEAL_SESSION, work->user->name, base_wall_ms() + FLIGHT_BEARER_MS,
                      body, len, &sealed);
    base_buffer_format(&value, "%s=", cookie_name);
    if (len > 0)
        (void)flight_base64_encode(sealed.data, sealed.len, true, &value);
    else
        base_buffer_text(&value, "; Max-Age=0");
    if (!value.failed && !sealed.failed)
        flight_call_add_header(work->call, "set-cookie", value.data);
    base_buffer_reset(&sealed);
    base_buffer_reset(&value);
}

/* The options of before, without those of this name. */
static void without(const struct base_buffer *old, const char *name, struct base_buffer *out)
{
    size_t len = strlen(name);
    for (const char *line = old->data; line != NULL && *line != '\0';) {
        size_t width = strcspn(line, "\n") + 1;
        if (strncmp(line, name, len) != 0 || line[len] != '=')
            base_buffer_append(out, line, width);
        line += width;
    }
}

/* 1: no such option, 2: no such value; as SetSessionOptionsResult numbers them. */
static uint64_t set_option(struct flight_work *work, struct flight_bytes entry_bytes, struct base_buffer *options,
                           const char **name)
{
    struct flight_entry entry = {0};
    struct flight_option_value value = {0};
    struct flight_wishes unused = {0};
    struct rhei_error why = RHEI_ERROR_INIT;
    struct base_buffer kept = {0};
    if (flight_decode(&flight_entry_shape, entry_bytes, &entry, &work->arena, &why) != RHEI_OK ||
        flight_decode(&flight_option_value_shape, entry.value, &value, &work->arena, &why) != RHEI_OK)
        return 2;
    *name = flight_text(work, entry.key);
    const char *text = flight_text(work, value.text);
    if (*name == NULL || text == NULL)
        return 3;
    rhei_status status = value.text.there ? flight_wish(&unused, *name, text, &why) : RHEI_OK;
    if (status != RHEI_OK)
        return status == RHEI_NOT_FOUND ? 1 : 2;
    without(options, *name, &kept);
    if (value.text.there) /* without a value it is as if it hadn't been set */
        base_buffer_format(&kept, "%s=%s\n", *name, text);
    base_buffer_reset(options);
    *options = kept;
    return 0;
}

static void set_options(struct flight_work *work, struct flight_bytes body)
{
    struct flight_entries entries = {0};
    struct base_buffer options = {0}, answer = {0}, entry = {0}, number = {0};
    rhei_status status = flight_decode(&flight_entries_shape, body, &entries, &work->arena, &work->error);
    (void)find_cookie(work, &options);
    for (size_t i = 0; status == RHEI_OK && i < entries.entries.count; i++) {
        const char *name = "";
        uint64_t wrong = set_option(work, entries.entries.items[i], &options, &name);
        if (wrong == 0)
            continue;
        wire_put_number(&number, 1, wrong);
        wire_put_text(&entry, 1, name);
        wire_put_message(&entry, 2, &number);
        wire_put_message(&answer, 1, &entry);
    }
    if (status == RHEI_OK) {
        give_cookie(work, options.data == NULL ? "" : options.data, options.len);
        flight_action_answer(work, &answer);
    } else {
        flight_work_end(work, status, NULL, 0);
    }
    base_buffer_reset(&options);
    base_buffer_reset(&answer);
    base_buffer_reset(&entry);
    base_buffer_reset(&number);
}

static void get_options(struct flight_work *work)
{
    struct base_buffer options = {0}, answer = {0}, entry = {0}, value = {0};
    (void)find_cookie(work, &options);
    for (char *line = options.data; line != NULL && *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t name_len = strcspn(line, "="), width = strcspn(line, "\n");
        wire_put_bytes(&value, 1, line + name_len + 1, width - name_len - 1);
        wire_put_bytes(&entry, 1, line, name_len);
        wire_put_message(&entry, 2, &value);
        wire_put_message(&answer, 1, &entry);
    }
    flight_action_answer(work, &answer);
    base_buffer_reset(&options);
    base_buffer_reset(&answer);
    base_buffer_reset(&entry);
    base_buffer_reset(&value);
}

void flight_session_action(struct flight_work *work, const char *type, struct flight_bytes body)
{
    if (strcmp(type, "SetSessionOptions") == 0) {
        set_options(work, body);
    } else if (strcmp(type, "GetSessionOptions") == 0) {
        get_options(work);
    } else {
        struct base_buffer answer = {0};
        give_cookie(work, "", 0);
        wire_put_number(&answer, 1, 1); /* CLOSED */
        flight_action_answer(work, &answer);
        base_buffer_reset(&answer);
    }
}
