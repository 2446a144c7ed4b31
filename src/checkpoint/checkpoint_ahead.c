/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint_ahead.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

rhei_status checkpoint_ahead_add(struct checkpoint_ahead *ahead, const char *name, struct rhei_error *error)
{
    if (!base_grow((void **)&ahead->names, &ahead->capacity, ahead->count + 1, sizeof *ahead->names))
        return error_no_memory(error);
    memcpy(ahead->names[ahead->count], name, strlen(name) + 1);
    ahead->count++;
    return RHEI_OK;
}

/* The next ones, from that one on. */
static bool ask(struct checkpoint_ahead *ahead, size_t first)
{
    if (ahead->bytes == NULL)
        ahead->bytes = base_alloc(CHECKPOINT_AHEAD_MOST * ahead->room);
    if (ahead->bytes == NULL)
        return false;
    ahead->first = first;
    ahead->asked = ahead->count - first < CHECKPOINT_AHEAD_MOST ? ahead->count - first : (size_t)CHECKPOINT_AHEAD_MOST;
    for (size_t i = 0; i < ahead->asked; i++)
        ahead->tails[i] = (struct blob_tail){
            .name = ahead->names[first + i], .bytes = ahead->bytes + i * ahead->room, .room = ahead->room};
    blob_store_tails(ahead->store, ahead->tails, ahead->asked);
    return true;
}

const struct blob_tail *checkpoint_ahead_find(struct checkpoint_ahead *ahead, const char *name)
{
    for (size_t i = ahead->first; i < ahead->count; i++) {
        if (strcmp(ahead->names[i], name) != 0)
            continue;
        if (i >= ahead->first + ahead->asked && !ask(ahead, i))
            return NULL;
        return &ahead->tails[i - ahead->first];
    }
    return NULL;
}

rhei_status checkpoint_ahead_status(const struct blob_tail *tail, uint64_t *size, struct rhei_error *error)
{
    *size = tail->size;
    if (tail->status != RHEI_OK && error != NULL)
        *error = tail->error;
    return tail->status;
}

void checkpoint_ahead_reset(struct checkpoint_ahead *ahead)
{
    base_free(ahead->names);
    base_free(ahead->bytes);
    *ahead = (struct checkpoint_ahead){.store = ahead->store, .room = ahead->room};
}
