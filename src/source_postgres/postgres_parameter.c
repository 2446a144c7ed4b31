/* SPDX-License-Identifier: Apache-2.0 */
/* Values on their way back to the server, as texts that its types' input functions read. */
#include <inttypes.h>
#include <string.h>

#include "base/base_buffer.h"
#include "source_postgres/postgres_reader.h"

static void put_integer(struct base_buffer *out, enum postgres_form form, int64_t integer)
{
    if (form == POSTGRES_BOOL)
        base_buffer_text(out, integer != 0 ? "t" : "f");
    else if (form != POSTGRES_MONEY)
        base_buffer_format(out, "%" PRId64, integer);
    else { /* hundredths, in the locale that sessions have */
        uint64_t size = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
        base_buffer_format(out, "%s%" PRIu64 ".%02" PRIu64, integer < 0 ? "-" : "", size / 100, size % 100);
    }
}

static void put_bytes(struct base_buffer *out, const unsigned char *bytes, size_t length)
{
    base_buffer_text(out, "\\x");
    for (size_t i = 0; i < length; i++)
        base_buffer_format(out, "%02x", bytes[i]);
}

bool postgres_parameter(enum postgres_form form, const struct rhei_value *value, struct base_arena *arena,
                        const char **text)
{
    struct base_buffer out = {0};
    *text = NULL;
    switch (value->type) {
    case RHEI_NULL:
        return true;
    case RHEI_INTEGER:
        put_integer(&out, form, value->as.integer);
        break;
    case RHEI_REAL: /* the fewest digits, which are a numeric's own */
        base_buffer_real(&out, value->as.real);
        break;
    case RHEI_BLOB:
        put_bytes(&out, value->as.bytes, value->length);
        break;
    default:
        base_buffer_append(&out, value->as.bytes, value->length);
        break;
    }
    *text = out.failed ? NULL : base_arena_text(arena, out.data);
    base_buffer_reset(&out);
    return *text != NULL;
}
