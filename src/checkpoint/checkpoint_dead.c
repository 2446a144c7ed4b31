/* SPDX-License-Identifier: Apache-2.0 */
/* libroaring of Debian 12 has no bitmaps of 64 bits in C, but their portable form is a count and bitmaps of 32 bits with their upper halves. */
#include "checkpoint_dead.h"

#include <roaring/roaring.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

enum { PLACE_BITS = 16, COUNT_BYTES = 8, UPPER_BYTES = 4 };

struct part { /* one upper half */
    uint32_t upper;
    roaring_bitmap_t *rows;
};

struct checkpoint_dead {
    struct part *parts; /* by upper half */
    size_t count, capacity;
    uint32_t ids[64 * 64];
};

rhei_status checkpoint_dead_new(struct checkpoint_dead **dead, struct rhei_error *error)
{
    *dead = base_alloc_zero(1, sizeof **dead);
    return *dead == NULL ? error_no_memory(error) : RHEI_OK;
}

void checkpoint_dead_free(struct checkpoint_dead **dead)
{
    if (*dead == NULL)
        return;
    for (size_t i = 0; i < (*dead)->count; i++)
        roaring_bitmap_free((*dead)->parts[i].rows);
    base_free((*dead)->parts);
    base_free(*dead);
    *dead = NULL;
}

bool checkpoint_dead_is_empty(const struct checkpoint_dead *dead)
{
    return dead->count == 0;
}

/* NULL: no memory. */
static roaring_bitmap_t *part_of(struct checkpoint_dead *dead, uint32_t upper)
{
    size_t at = dead->count;
    while (at > 0 && dead->parts[at - 1].upper >= upper)
        at--;
    if (at < dead->count && dead->parts[at].upper == upper)
        return dead->parts[at].rows;
    if (!base_grow((void **)&dead->parts, &dead->capacity, dead->count + 1, sizeof *dead->parts))
        return NULL;
    roaring_bitmap_t *made = roaring_bitmap_create();
    if (made == NULL)
        return NULL;
    memmove(dead->parts + at + 1, dead->parts + at, (dead->count - at) * sizeof *dead->parts);
    dead->parts[at] = (struct part){upper, made};
    dead->count++;
    return made;
}

rhei_status checkpoint_dead_add(struct checkpoint_dead *dead, uint64_t uid, const uint64_t *words, uint32_t word_count,
                                struct rhei_error *error)
{
    roaring_bitmap_t *rows = NULL;
    size_t count = 0;
    uint32_t base = (uint32_t)(uid << PLACE_BITS);
    for (uint32_t w = 0; w < word_count; w++) {
        for (uint64_t word = words[w]; word != 0; word &= word - 1)
            dead->ids[count++] = base + w * 64 + (uint32_t)__builtin_ctzll(word);
        bool full = count + 64 > sizeof dead->ids / sizeof dead->ids[0];
        if (count == 0 || (!full && w + 1 < word_count))
            continue;
        rows = rows == NULL ? part_of(dead, (uint32_t)(uid >> PLACE_BITS)) : rows;
        if (rows == NULL)
            return error_no_memory(error);
        roaring_bitmap_add_many(rows, count, dead->ids);
        count = 0;
    }
    return RHEI_OK;
}

rhei_status checkpoint_dead_write(struct checkpoint_dead *dead, struct base_buffer *out, struct rhei_error *error)
{
    uint64_t count = dead->count;
    base_buffer_append(out, &count, sizeof count);
    for (size_t i = 0; i < dead->count; i++) {
        struct part *part = &dead->parts[i];
        (void)roaring_bitmap_run_optimize(part->rows);
        size_t size = roaring_bitmap_portable_size_in_bytes(part->rows);
        char *bytes = base_alloc(size);
        if (bytes == NULL)
            return error_no_memory(error);
        base_buffer_append(out, &part->upper, sizeof part->upper);
        base_buffer_append(out, bytes, roaring_bitmap_portable_serialize(part->rows, bytes));
        base_free(bytes);
    }
    return out->failed ? error_no_memory(error) : RHEI_OK;
}

/* ---- Reading. ------------------------------------------------------------------------------------------------------ */

struct reading {
    uint32_t upper;
    rhei_status (*take)(void *context, uint64_t uid, uint32_t place, struct rhei_error *error);
    void *context;
    struct rhei_error *error;
    rhei_status status;
};

static bool read_one(uint32_t id, void *argument)
{
    struct reading *reading = argument;
    uint64_t uid = (uint64_t)reading->upper << PLACE_BITS | id >> PLACE_BITS;
    reading->status = reading->take(reading->context, uid, id & UINT16_MAX, reading->error);
    return reading->status == RHEI_OK;
}

static rhei_status read_part(struct reading *reading, const char *bytes, size_t len, size_t *used)
{
    *used = roaring_bitmap_portable_deserialize_size(bytes, len);
    roaring_bitmap_t *rows = *used == 0 ? NULL : roaring_bitmap_portable_deserialize_safe(bytes, len);
    if (rows == NULL)
        return error_set(reading->error, RHEI_IO, "a set of deleted rows is damaged");
    (void)roaring_iterate(rows, read_one, reading);
    roaring_bitmap_free(rows);
    return reading->status;
}

rhei_status checkpoint_dead_read(const void *bytes, size_t len,
                                 rhei_status (*take)(void *context, uint64_t uid, uint32_t place,
                                                     struct rhei_error *error),
                                 void *context, struct rhei_error *error)
{
    struct reading reading = {.take = take, .context = context, .error = error};
    const char *at = bytes;
    uint64_t count = 0;
    if (len < COUNT_BYTES)
        return error_set(error, RHEI_IO, "a set of deleted rows is cut off");
    memcpy(&count, at, sizeof count);
    at += COUNT_BYTES;
    len -= COUNT_BYTES;
    rhei_status status = RHEI_OK;
    for (; count > 0 && status == RHEI_OK; count--) {
        size_t used = 0;
        if (len < UPPER_BYTES)
            return error_set(error, RHEI_IO, "a set of deleted rows is cut off");
        memcpy(&reading.upper, at, sizeof reading.upper);
        at += UPPER_BYTES;
        len -= UPPER_BYTES;
        status = read_part(&reading, at, len, &used);
        at += used;
        len -= used;
    }
    return status;
}
