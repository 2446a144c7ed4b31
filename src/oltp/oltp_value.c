/* SPDX-License-Identifier: Apache-2.0 */
/* How texts lie in the file, and those that no UTF-8 can be. */
#include "oltp/oltp_internal.h"

enum oltp_encoding oltp_encoding(const struct oltp *oltp)
{
    return (enum oltp_encoding)atomic_load_explicit(&oltp->encoding, memory_order_relaxed);
}

/* Surrogates in pairs alone? */
static bool utf16_is_well_formed(const unsigned char *bytes, int length, bool big)
{
    for (int i = 0; i + 1 < length; i += 2) {
        unsigned unit = big ? (unsigned)bytes[i] << 8 | bytes[i + 1] : (unsigned)bytes[i + 1] << 8 | bytes[i];
        if (unit < 0xD800 || unit > 0xDFFF)
            continue;
        i += 2;
        if (unit > 0xDBFF || i + 1 >= length)
            return false;
        unit = big ? (unsigned)bytes[i] << 8 | bytes[i + 1] : (unsigned)bytes[i + 1] << 8 | bytes[i];
        if (unit < 0xDC00 || unit > 0xDFFF)
            return false;
    }
    return length % 2 == 0;
}

bool oltp_odd_text(sqlite3_stmt *stmt, int column, const void **bytes, uint32_t *length)
{
    sqlite3_value *text = sqlite3_column_value(stmt, column);
    if (sqlite3_value_type(text) != SQLITE_TEXT)
        return false;
    int encoding = sqlite3_value_encoding(text);
    if (encoding == SQLITE_UTF8)
        return false;
    *bytes = sqlite3_value_blob(text);
    *length = (uint32_t)sqlite3_value_bytes(text);
    return *bytes != NULL && !utf16_is_well_formed(*bytes, (int)*length, encoding == SQLITE_UTF16BE);
}
