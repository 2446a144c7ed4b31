/* SPDX-License-Identifier: Apache-2.0 */
/* The change feed: "changes_open", "changes_next" event by event, "changes_arrow" with batches as Arrow IPC streams, "changes_acknowledge". */
#include "driver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

rhei_status changes_open(struct lane *lane, struct words *words, struct rhei_error *error)
{
    char *name = words->count > 1 ? words->word[1] : NULL;
    struct rhei_changes_options options = {.struct_size = sizeof options,
                                           .start = (int32_t)words_number(words, "start", RHEI_CHANGES_NEW),
                                           .after = words_number(words, "after", 0),
                                           .cancel = lane->driver->cancel};
    if (name != NULL && strcmp(name, "-") != 0) {
        unhex(name);
        options.consumer = name;
    }
    rhei_status status = rhei_changes_open(lane->driver->db, &options, &lane->changes, error);
    if (status == RHEI_OK)
        text_print(&lane->reply, "%s ok\n", lane->name);
    return status;
}

static void add_name(struct text *reply, const char *name)
{
    text_add(reply, " ", 1);
    text_value(reply, name == NULL ? rhei_null() : rhei_text(name));
}

static void add_values(struct text *reply, const struct rhei_value *values, uint32_t count)
{
    text_print(reply, " i%d", values != NULL);
    for (uint32_t c = 0; values != NULL && c < count; c++) {
        text_add(reply, " ", 1);
        text_value(reply, values[c]);
    }
}

/* kind, position, time, table, number, reason, key columns, column names, whether values and they, whether a row before and it */
static void say_change(struct lane *lane, const struct rhei_change *change)
{
    struct text *reply = &lane->reply;
    text_print(reply, "%s row i%" PRId32 " i%" PRId64 " i%" PRId64, lane->name, change->kind, change->position,
               change->time_us);
    add_name(reply, change->table);
    text_print(reply, " i%" PRIu32, change->table_number);
    add_name(reply, change->reason);
    text_print(reply, " i%" PRIu32, change->key_count);
    for (uint32_t k = 0; k < change->key_count; k++)
        text_print(reply, " i%" PRIu32, change->key_columns[k]);
    text_print(reply, " i%" PRIu32, change->column_count);
    for (uint32_t c = 0; c < change->column_count; c++)
        add_name(reply, change->columns[c]);
    add_values(reply, change->values, change->column_count);
    add_values(reply, change->before, change->column_count);
}

rhei_status changes_next(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_change change = {.struct_size = sizeof change};
    rhei_status status = RHEI_ROW;
    for (long left = words_number(words, "count", 1); left > 0 && status == RHEI_ROW; left--) {
        status = rhei_changes_next(lane->changes, &change, error);
        if (status == RHEI_ROW) {
            say_change(lane, &change);
            text_add(&lane->reply, "\n", 1);
        }
    }
    if (status != RHEI_ROW && status != RHEI_DONE)
        return status;
    text_print(&lane->reply, "%s ok\n", lane->name);
    return RHEI_OK;
}

/* ---- A batch as a stream of one. --------------------------------------------------------------------------------- */

struct one_batch {
    struct ArrowSchema schema;
    struct ArrowArray array;
};

static int one_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct one_batch *one = stream->private_data;
    *out = one->schema;
    one->schema.release = NULL;
    return out->release == NULL ? EINVAL : 0;
}

static int one_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    struct one_batch *one = stream->private_data;
    *out = one->array; /* released: there is no other */
    one->array.release = NULL;
    return 0;
}

static const char *one_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return "the schema is asked for once";
}

static void one_release(struct ArrowArrayStream *stream)
{
    struct one_batch *one = stream->private_data;
    if (one->schema.release != NULL)
        one->schema.release(&one->schema);
    if (one->array.release != NULL)
        one->array.release(&one->array);
    stream->release = NULL;
}

static rhei_status take_bytes(void *context, const void *bytes, size_t length, struct rhei_error *error)
{
    (void)error;
    text_hex(context, bytes, length);
    return RHEI_OK;
}

rhei_status changes_arrow(struct lane *lane, struct words *words, struct rhei_error *error)
{
    struct rhei_change change = {.struct_size = sizeof change};
    struct one_batch one;
    (void)words;
    rhei_status status = rhei_changes_next_arrow(lane->changes, &change, &one.schema, &one.array, error);
    if (status == RHEI_ROW) {
        say_change(lane, &change);
        text_add(&lane->reply, " b", 2);
        if (one.array.release != NULL) {
            struct ArrowArrayStream stream = {.get_schema = one_schema,
                                              .get_next = one_next,
                                              .get_last_error = one_error,
                                              .release = one_release,
                                              .private_data = &one};
            status = rhei_arrow_write(&stream, NULL, take_bytes, &lane->reply, error);
            if (status != RHEI_OK)
                return status;
        }
        text_add(&lane->reply, "\n", 1);
    } else if (status != RHEI_DONE) {
        return status;
    }
    text_print(&lane->reply, "%s ok\n", lane->name);
    return RHEI_OK;
}

rhei_status changes_acknowledge(struct lane *lane, struct words *words, struct rhei_error *error)
{
    rhei_status status = rhei_changes_acknowledge(lane->changes, words_number(words, "position", -1), error);
    if (status == RHEI_OK)
        text_print(&lane->reply, "%s ok\n", lane->name);
    return status;
}

rhei_status changes_close(struct lane *lane, struct words *words, struct rhei_error *error)
{
    (void)words;
    (void)error;
    rhei_changes_close(&lane->changes);
    text_print(&lane->reply, "%s ok\n", lane->name);
    return RHEI_OK;
}

rhei_status changes_drop(struct lane *lane, struct words *words, struct rhei_error *error)
{
    char *name = words->count > 1 ? words->word[1] : NULL;
    if (name != NULL)
        unhex(name);
    rhei_status status = rhei_changes_drop(lane->driver->db, name, error);
    if (status == RHEI_OK)
        text_print(&lane->reply, "%s ok\n", lane->name);
    return status;
}
