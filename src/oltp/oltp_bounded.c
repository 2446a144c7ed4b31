/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite's functions whose one call takes the product of two lengths: hours, where two texts of a megabyte are alike. SQLite asks whether a statement is to end
 * between the steps of its machine, so not within a call. These are the same (src/func.c of SQLite 3.54: instrFunc, trimFunc, replaceFunc) and ask.
 */
#include <stdatomic.h>
#include <string.h>

#include "oltp/oltp_internal.h"

enum { LOOK_EVERY = 1 << 22 }; /* bytes compared between two times that it is asked: some milliseconds */
enum trim_side { TRIM_LEFT = 1, TRIM_RIGHT = 2 };

struct bounded {
    sqlite3_context *context;
    struct oltp_connection *connection;
    size_t spent;
};

/* False: the statement is to end, and the call has said so. */
static bool goes_on(struct bounded *call, size_t compared)
{
    const struct oltp_stop *stop = call->connection->stop;
    call->spent += compared + 1;
    if (call->spent < LOOK_EVERY || stop == NULL || stop->check == NULL)
        return true;
    call->spent = 0;
    call->connection->stopped = stop->check(stop->context);
    if (call->connection->stopped == RHEI_OK)
        return true;
    sqlite3_result_error_code(call->context, SQLITE_INTERRUPT);
    return false;
}

struct piece {
    const unsigned char *bytes;
    size_t length;
};

/* Where in `text` it is, counted from 1 in bytes or characters; 0: nowhere. False: the statement is to end. */
static bool find(struct bounded *call, struct piece text, struct piece wanted, bool characters, int *place)
{
    for (*place = 1; wanted.length <= text.length; ++*place) {
        bool may_be = text.bytes[0] == wanted.bytes[0];
        if (may_be && memcmp(text.bytes, wanted.bytes, wanted.length) == 0)
            return true;
        if (!goes_on(call, may_be ? wanted.length : 0))
            return false;
        do {
            text = (struct piece){text.bytes + 1, text.length - 1};
        } while (characters && text.length > 0 && (text.bytes[0] & 0xC0) == 0x80);
    }
    *place = 0;
    return true;
}

static struct piece text_of(sqlite3_value *value)
{
    struct piece text = {.bytes = sqlite3_value_text(value)};
    text.length = (size_t)sqlite3_value_bytes(value);
    return text;
}

static void run_instr(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct bounded call = {.context = context, .connection = sqlite3_user_data(context)};
    int left = sqlite3_value_type(values[0]), right = sqlite3_value_type(values[1]), place = 1;
    bool blobs = left == SQLITE_BLOB && right == SQLITE_BLOB, one = left == SQLITE_BLOB || right == SQLITE_BLOB;
    (void)count;
    if (left == SQLITE_NULL || right == SQLITE_NULL)
        return;
    /* where one is a BLOB, copies are read as text: reading changes what a value is */
    sqlite3_value *copies[2] = {NULL, NULL};
    for (int at = 0; at < 2 && one && !blobs; at++)
        copies[at] = sqlite3_value_dup(values[at]);
    struct piece pieces[2];
    bool good = true;
    for (int at = 0; at < 2; at++) {
        sqlite3_value *value = one && !blobs ? copies[at] : values[at];
        if (value == NULL) {
            good = false;
            pieces[at] = (struct piece){NULL, 0};
        } else if (blobs) {
            pieces[at].bytes = sqlite3_value_blob(value);
            pieces[at].length = (size_t)sqlite3_value_bytes(value);
        } else {
            pieces[at] = text_of(value);
        }
        good = good && (pieces[at].bytes != NULL || pieces[at].length == 0);
    }
    if (!good)
        sqlite3_result_error_nomem(context);
    else if (pieces[1].length == 0 || find(&call, pieces[0], pieces[1], !blobs, &place))
        sqlite3_result_int(context, place);
    sqlite3_value_free(copies[0]);
    sqlite3_value_free(copies[1]);
}

static size_t character_length(const unsigned char *at)
{
    size_t length = 1;
    if (at[0] >= 0xC0)
        while ((at[length] & 0xC0) == 0x80)
            length++;
    return length;
}

/* The length of the character of `set`, which ends with a NUL, that is at this end of the text; 0: none. False: the statement is to end. */
static bool match_end(struct bounded *call, struct piece text, const unsigned char *set, bool right, size_t *length)
{
    for (; *set != '\0'; set += *length) {
        *length = character_length(set);
        size_t at = right && *length <= text.length ? text.length - *length : 0;
        if (*length <= text.length && memcmp(text.bytes + at, set, *length) == 0)
            return true;
        if (!goes_on(call, 0))
            return false;
    }
    *length = 0;
    return true;
}

/* False: the statement is to end. */
static bool trim_end(struct bounded *call, struct piece *text, const unsigned char *set, bool right)
{
    for (size_t length = 1; text->length > 0; text->length -= length) {
        if (!match_end(call, *text, set, right, &length))
            return false;
        if (length == 0)
            break;
        text->bytes += right ? 0 : length;
    }
    return true;
}

static void trim(sqlite3_context *context, sqlite3_value **values, unsigned sides)
{
    struct bounded call = {.context = context, .connection = sqlite3_user_data(context)};
    if (sqlite3_value_type(values[0]) == SQLITE_NULL)
        return;
    struct piece text = text_of(values[0]);
    const unsigned char *set = text.bytes == NULL ? NULL : sqlite3_value_text(values[1]);
    if (set == NULL)
        return; /* NULL, or without memory, as SQLite notes by itself */
    if ((sides & TRIM_LEFT) != 0 && !trim_end(&call, &text, set, false))
        return;
    if ((sides & TRIM_RIGHT) != 0 && !trim_end(&call, &text, set, true))
        return;
    sqlite3_result_text64(context, (const char *)text.bytes, text.length, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static void run_trim(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    trim(context, values, TRIM_LEFT | TRIM_RIGHT);
}

static void run_ltrim(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    trim(context, values, TRIM_LEFT);
}

static void run_rtrim(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    trim(context, values, TRIM_RIGHT);
}

struct output {
    char *bytes;
    size_t length, capacity, most;
};

/* False: it is too long, or there is no memory, and the call has said so. */
static bool add(struct bounded *call, struct output *out, struct piece more)
{
    if (out->capacity - out->length < more.length) {
        size_t wanted = out->length + more.length;
        if (wanted > out->most) {
            sqlite3_result_error_toobig(call->context);
            return false;
        }
        size_t capacity = wanted < out->most / 2 ? wanted * 2 : out->most;
        char *bytes = sqlite3_realloc64(out->bytes, capacity);
        if (bytes == NULL) {
            sqlite3_result_error_nomem(call->context);
            return false;
        }
        out->bytes = bytes;
        out->capacity = capacity;
    }
    if (more.length > 0)
        memcpy(out->bytes + out->length, more.bytes, more.length);
    out->length += more.length;
    return true;
}

/* False: the call has said why. */
static bool replace_all(struct bounded *call, struct piece text, struct piece wanted, struct piece by,
                        struct output *out)
{
    while (text.length >= wanted.length) {
        const unsigned char *may_be = memchr(text.bytes, wanted.bytes[0], text.length - wanted.length + 1);
        if (may_be == NULL)
            break;
        bool is = memcmp(may_be, wanted.bytes, wanted.length) == 0;
        size_t before = (size_t)(may_be - text.bytes), gone = is ? wanted.length : 1;
        struct piece in_place = is ? by : (struct piece){may_be, 1};
        if (!goes_on(call, before + wanted.length) || !add(call, out, (struct piece){text.bytes, before}) ||
            !add(call, out, in_place))
            return false;
        text = (struct piece){may_be + gone, text.length - before - gone};
    }
    return add(call, out, text);
}

/*
 * What replace() gives of a number where nothing is to be replaced: its text, in older versions of SQLite itself. A database of its own is asked
 * once: where our functions are, SQLite's are no more, and to prepare anything there would read the schema.
 */
static bool keeps_class(void)
{
    enum { UNKNOWN, KEEPS, MAKES_TEXT };
    static atomic_int known = UNKNOWN;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer != UNKNOWN)
        return answer == KEEPS;
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_open(":memory:", &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT typeof(replace(5, '', ''))", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        answer = strcmp((const char *)sqlite3_column_text(stmt, 0), "integer") == 0 ? KEEPS : MAKES_TEXT;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return answer == KEEPS;
}

static void run_replace(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct bounded call = {.context = context, .connection = sqlite3_user_data(context)};
    struct piece pieces[3];
    (void)count;
    for (int at = 0; at < 3; at++) {
        pieces[at] = text_of(values[at]);
        if (pieces[at].bytes == NULL)
            return; /* NULL, or without memory, as SQLite notes by itself */
        if (at == 1 && pieces[1].bytes[0] == '\0' && keeps_class())
            sqlite3_result_value(context, values[0]);
        else if (at == 1 && pieces[1].bytes[0] == '\0')
            sqlite3_result_text64(context, (const char *)pieces[0].bytes, pieces[0].length, SQLITE_TRANSIENT,
                                  SQLITE_UTF8);
        if (at == 1 && pieces[1].bytes[0] == '\0')
            return;
    }
    struct output out = {.capacity = pieces[0].length + 1,
                         .most = (size_t)sqlite3_limit(call.connection->db, SQLITE_LIMIT_LENGTH, -1)};
    out.bytes = sqlite3_malloc64(out.capacity);
    if (out.bytes == NULL)
        sqlite3_result_error_nomem(context);
    else if (replace_all(&call, pieces[0], pieces[1], pieces[2], &out))
        sqlite3_result_text64(context, out.bytes, out.length, sqlite3_free, SQLITE_UTF8);
    else
        sqlite3_free(out.bytes);
}

int oltp_bounded_register(struct oltp_connection *connection)
{
    static const struct {
        const char *name;
        int arguments;
        void (*run)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {{"instr", 2, run_instr},
                     {"trim", 2, run_trim},
                     {"ltrim", 2, run_ltrim},
                     {"rtrim", 2, run_rtrim},
                     {"replace", 3, run_replace}};
    int rc = SQLITE_OK;
    for (size_t at = 0; at < sizeof functions / sizeof functions[0] && rc == SQLITE_OK; at++)
        rc = sqlite3_create_function(connection->db, functions[at].name, functions[at].arguments,
                                     SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, connection,
                                     functions[at].run, NULL, NULL);
    return rc;
}
