/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the dialect's forms, and the refusal that ends them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "translate/translate_internal.h"

enum { ARENA_MAX = 1 << 26, ONCE_FROM = 200 };

void translate_refuse(struct translator *t, uint32_t offset, const char *construct, const char *reason)
{
    BASE_INVARIANT(!t->out->translated); /* 2: nothing of a refused text is shown */
    if (t->refused)
        return;
    t->refused = true;
    t->out->refusal = (struct translate_refusal){construct, reason, offset, t->view};
}

static bool too_large(struct translator *t, size_t size)
{
    if (size <= t->text_limit && sql_arena_size(t->arena) <= ARENA_MAX)
        return false;
    translate_refuse(t, 0, "size", "the translated text would be too long");
    return true;
}

enum { PARTS = 4 };

static size_t form_size(const char *template, const char *const parts[PARTS])
{
    size_t size = 0;
    for (const char *p = template; *p; p++)
        if (*p != '%' || *++p == '%')
            size++;
        else if (parts[*p - '1'])
            size += strlen(parts[*p - '1']);
    return size;
}

static void form_write(const char *template, const char *const parts[PARTS], char *out)
{
    for (const char *p = template; *p; p++) {
        if (*p != '%' || *++p == '%') {
            *out++ = *p;
            continue;
        }
        const char *part = parts[*p - '1'] ? parts[*p - '1'] : "";
        size_t length = strlen(part);
        memcpy(out, part, length);
        out += length;
    }
    *out = '\0';
}

const char *translate_emit4(struct translator *t, enum translate_form form, const char *a, const char *b, const char *c,
                            const char *d)
{
    const char *const parts[PARTS] = {a, b, c, d};
    BASE_INVARIANT(form < TRANSLATE_FORMS && t->forms[form]);
    size_t size = form_size(t->forms[form], parts);
    if (t->refused || too_large(t, size))
        return t->forms[TRANSLATE_FORM_NULL];
    char *text = sql_arena_alloc(t->arena, size + 1);
    if (!text) {
        t->failed = true;
        return t->forms[TRANSLATE_FORM_NULL];
    }
    form_write(t->forms[form], parts, text);
    BASE_INVARIANT(text[size] == '\0' && (size == 0 || text[size - 1] != '\0'));
    return text;
}

const char *translate_emit(struct translator *t, enum translate_form form, const char *a, const char *b, const char *c)
{
    return translate_emit4(t, form, a, b, c, NULL);
}

void translate_put(struct translator *t, struct base_buffer *out, enum translate_form form, const char *a,
                   const char *b)
{
    const char *const parts[PARTS] = {a, b, NULL, NULL};
    const char *template = t->forms[form];
    BASE_INVARIANT(template);
    for (const char *p = template, *run = template;; p++) {
        if (*p && *p != '%')
            continue;
        if (p > run)
            base_buffer_append(out, run, (size_t)(p - run));
        if (!*p)
            return;
        p++;
        if (*p != '%' && parts[*p - '1'])
            base_buffer_text(out, parts[*p - '1']);
        run = *p == '%' ? p : p + 1;
    }
}

void translate_put_item(struct translator *t, struct base_buffer *list, const char *item)
{
    if (list->len)
        base_buffer_text(list, t->forms[TRANSLATE_FORM_COMMA]);
    base_buffer_text(list, item);
}

bool translate_is_null_text(const struct translator *t, const char *text)
{
    return strcmp(text, t->forms[TRANSLATE_FORM_NULL]) == 0;
}

/* What the column store names its operand twice for, and so would what holds it. */
static bool is_long(const struct translator *t, const char *part)
{
    return part && (strnlen(part, ONCE_FROM) == ONCE_FROM || strstr(part, t->forms[TRANSLATE_FORM_NAMED_TWICE]));
}

const char *translate_emit_once(struct translator *t, enum translate_form form, const char *a, const char *b,
                                const char *c)
{
    BASE_INVARIANT(form + 1 < TRANSLATE_FORMS);
    bool once = is_long(t, a) || is_long(t, b);
    return translate_emit(t, once ? (enum translate_form)(form + 1) : form, a, b, c);
}

const char *translate_format(struct translator *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (t->refused || length < 0 || too_large(t, (size_t)length))
        return t->forms[TRANSLATE_FORM_NULL];
    char *text = sql_arena_alloc(t->arena, (size_t)length + 1);
    if (!text) {
        t->failed = true;
        return t->forms[TRANSLATE_FORM_NULL];
    }
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

const char *translate_keep(struct translator *t, struct base_buffer *buffer)
{
    const char *text = t->forms[TRANSLATE_FORM_NULL];
    if (buffer->failed)
        t->failed = true;
    else if (!too_large(t, buffer->len))
        text = sql_arena_text(t->arena, buffer->data ? buffer->data : "", buffer->len);
    base_buffer_reset(buffer);
    if (!text)
        t->failed = true;
    return text ? text : t->forms[TRANSLATE_FORM_NULL];
}

/* Between quotes, with those inside doubled. */
static const char *quoted(struct translator *t, char quote, const char *text, size_t len)
{
    struct base_buffer buffer = {0};
    base_buffer_char(&buffer, quote);
    for (const char *from = text, *end = text + len; from < end;) {
        const char *found = memchr(from, quote, (size_t)(end - from)), *to = found ? found + 1 : end;
        base_buffer_append(&buffer, from, (size_t)(to - from));
        if (found)
            base_buffer_char(&buffer, quote);
        from = to;
    }
    base_buffer_char(&buffer, quote);
    return translate_keep(t, &buffer);
}

const char *translate_identifier(struct translator *t, const char *name)
{
    return quoted(t, t->forms[TRANSLATE_FORM_QUOTE_NAME][0], name, strlen(name));
}

const char *translate_text_literal(struct translator *t, const char *text, size_t len)
{
    return quoted(t, t->forms[TRANSLATE_FORM_QUOTE_TEXT][0], text, len);
}

const char *translate_label(struct translator *t, char kind)
{
    return translate_format(t, "%c%u", kind, ++t->labels);
}
