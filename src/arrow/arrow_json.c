/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nested cells as JSON (RFC 8259): lists as arrays, structs and maps with text keys as objects, other maps as arrays of
 * [key, value]. Integers and decimals are numbers with all their digits; NaN and infinities, which JSON doesn't have,
 * are texts; BLOBs are base64.
 */
#include <string.h>

#include "arrow_node.h"
#include "base/base_utf8.h"

static void json_text(struct base_buffer *out, const char *text, size_t len)
{
    base_buffer_char(out, '"');
    for (size_t i = 0; i < len;) {
        unsigned char byte = (unsigned char)text[i];
        size_t size = base_utf8_character(text + i, len - i);
        if (size == 0)
            base_buffer_text(out, "\\ufffd");
        else if (byte == '"' || byte == '\\')
            base_buffer_format(out, "\\%c", byte);
        else if (byte < 0x20)
            base_buffer_format(out, "\\u%04x", byte);
        else
            base_buffer_append(out, text + i, size);
        i += size == 0 ? 1 : size;
    }
    base_buffer_char(out, '"');
}

static void json_base64(struct base_buffer *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    base_buffer_char(out, '"');
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= i + 2 < len ? bytes[i + 2] : 0U;
        char text[4] = {digits[group >> 18], digits[group >> 12 & 63], i + 1 < len ? digits[group >> 6 & 63] : '=',
                        i + 2 < len ? digits[group & 63] : '='};
        base_buffer_append(out, text, sizeof text);
    }
    base_buffer_char(out, '"');
}

static bool is_number(enum ArrowType type)
{
    return type == NANOARROW_TYPE_UINT64 || type == NANOARROW_TYPE_DECIMAL32 || type == NANOARROW_TYPE_DECIMAL64 ||
           type == NANOARROW_TYPE_DECIMAL128 || type == NANOARROW_TYPE_DECIMAL256;
}

static rhei_status json_list(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t from, int64_t to,
                             struct base_buffer *out, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    base_buffer_char(out, '[');
    for (int64_t i = from; status == RHEI_OK && i < to; i++) {
        if (i > from)
            base_buffer_char(out, ',');
        status = arrow_format_json(&node->children[0], view->children[0], i, out, error);
    }
    base_buffer_char(out, ']');
    return status;
}

static rhei_status json_struct(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t row,
                               struct base_buffer *out, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    base_buffer_char(out, '{');
    for (uint32_t i = 0; status == RHEI_OK && i < node->child_count; i++) {
        const char *name = node->children[i].type.schema->name;
        if (i > 0)
            base_buffer_char(out, ',');
        json_text(out, name == NULL ? "" : name, name == NULL ? 0 : strlen(name));
        base_buffer_char(out, ':');
        status = arrow_format_json(&node->children[i], view->children[i], view->offset + row, out, error);
    }
    base_buffer_char(out, '}');
    return status;
}

/* A map is a list of structs of key and value. */
static rhei_status json_map(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t from, int64_t to,
                            struct base_buffer *out, struct rhei_error *error)
{
    const struct arrow_node *entry = &node->children[0];
    const struct ArrowArrayView *entries = view->children[0];
    enum ArrowType key_type = entry->children[0].type.type;
    bool object = entry->children[0].dictionary == NULL &&
                  (key_type == NANOARROW_TYPE_STRING || key_type == NANOARROW_TYPE_LARGE_STRING ||
                   key_type == NANOARROW_TYPE_STRING_VIEW);
    rhei_status status = RHEI_OK;
    base_buffer_char(out, object ? '{' : '[');
    for (int64_t i = from; status == RHEI_OK && i < to; i++) {
        base_buffer_text(out, i > from ? "," : "");
        base_buffer_text(out, object ? "" : "[");
        int64_t row = entries->offset + i;
        status = arrow_format_json(&entry->children[0], entries->children[0], row, out, error);
        base_buffer_char(out, object ? ':' : ',');
        if (status == RHEI_OK)
            status = arrow_format_json(&entry->children[1], entries->children[1], row, out, error);
        base_buffer_text(out, object ? "" : "]");
    }
    base_buffer_char(out, object ? '}' : ']');
    return status;
}

static rhei_status json_nested(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t row,
                               struct base_buffer *out, struct rhei_error *error)
{
    if (node->type.type == NANOARROW_TYPE_STRUCT)
        return json_struct(node, view, row, out, error);
    int64_t from, to;
    if (node->type.type == NANOARROW_TYPE_FIXED_SIZE_LIST) {
        from = (view->offset + row) * node->type.fixed_size;
        to = from + node->type.fixed_size;
    } else {
        from = ArrowArrayViewListChildOffset(view, view->offset + row);
        to = ArrowArrayViewListChildOffset(view, view->offset + row + 1);
    }
    if (node->type.type == NANOARROW_TYPE_MAP)
        return json_map(node, view, from, to, out, error);
    return json_list(node, view, from, to, out, error);
}

static bool holds_list(enum ArrowType type)
{
    return type == NANOARROW_TYPE_LIST || type == NANOARROW_TYPE_LARGE_LIST || type == NANOARROW_TYPE_FIXED_SIZE_LIST ||
           type == NANOARROW_TYPE_STRUCT || type == NANOARROW_TYPE_MAP;
}

rhei_status arrow_format_json(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t row,
                              struct base_buffer *out, struct rhei_error *error)
{
    enum ArrowType type = node->type.type;
    if (node->dictionary == NULL && holds_list(type)) {
        if (!ArrowArrayViewIsNull(view, row))
            return json_nested(node, view, row, out, error);
        base_buffer_text(out, "null");
        return RHEI_OK;
    }
    struct base_buffer scratch = {0};
    struct rhei_value value;
    rhei_status status = arrow_node_value(node, view, row, &scratch, &value, error);
    if (status != RHEI_OK || value.type == RHEI_NULL)
        base_buffer_text(out, "null");
    else if (value.type == RHEI_INTEGER && type == NANOARROW_TYPE_BOOL)
        base_buffer_text(out, value.as.integer != 0 ? "true" : "false");
    else if (value.type == RHEI_INTEGER)
        base_buffer_format(out, "%lld", (long long)value.as.integer);
    else if (value.type == RHEI_REAL && value.as.real - value.as.real == 0)
        base_buffer_real(out, value.as.real);
    else if (value.type == RHEI_REAL)
        base_buffer_text(out, value.as.real != value.as.real ? "\"NaN\""
                              : value.as.real > 0            ? "\"Infinity\""
                                                             : "\"-Infinity\"");
    else if (value.type == RHEI_BLOB)
        json_base64(out, value.as.bytes, value.length);
    else if (is_number(type))
        base_buffer_append(out, value.as.bytes, value.length);
    else
        json_text(out, value.as.bytes, value.length);
    base_buffer_reset(&scratch);
    return status;
}
