/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture_known.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

rhei_status capture_known_add(struct capture_known *known, uint32_t number, const char *name, size_t length,
                              struct capture_known_version **version, struct rhei_error *error)
{
    for (size_t i = 0; i < known->count; i++) {
        if (known->list[i].number == number) {
            *version = &known->list[i];
            return RHEI_OK;
        }
    }
    char *copy = base_strndup(name, length);
    if (copy == NULL || !base_grow((void **)&known->list, &known->room, known->count + 1, sizeof *known->list)) {
        base_free(copy);
        return error_no_memory(error);
    }
    *version = &known->list[known->count++];
    **version = (struct capture_known_version){.number = number, .name = copy};
    known->changed = true;
    return RHEI_OK;
}

void capture_known_gone(struct capture_known *known, uint32_t number)
{
    for (size_t i = 0; i < known->count; i++)
        if (known->list[i].number == number)
            known->list[i].gone = known->changed = true;
}

void capture_known_settle(struct capture_known *known, bool failed)
{
    for (size_t i = known->count; i-- > 0;) {
        struct capture_known_version *version = &known->list[i];
        version->told = version->told && !failed;
        version->gone = version->gone && !failed;
        if (version->gone) {
            base_free(version->name);
            *version = known->list[--known->count];
        }
    }
}

/* "NUMBER LENGTH NAME " for each. */
void capture_known_write(const struct capture_known *known, struct base_buffer *text)
{
    for (size_t i = 0; i < known->count; i++)
        if (!known->list[i].gone)
            base_buffer_format(text, "%u %zu %s ", known->list[i].number, strlen(known->list[i].name),
                               known->list[i].name);
}

rhei_status capture_known_read(struct capture_known *known, const char *text, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    while (text != NULL && *text != '\0' && status == RHEI_OK) {
        char *end = NULL;
        struct capture_known_version *version = NULL;
        unsigned long number = strtoul(text, &end, 10), length = *end == ' ' ? strtoul(end, &end, 10) : 0;
        if (number == 0 || number > UINT32_MAX || length == 0 || *end != ' ' || strlen(end + 1) < length)
            break;
        status = capture_known_add(known, (uint32_t)number, end + 1, length, &version, error);
        text = end + 1 + length + (end[1 + length] == ' ');
    }
    known->changed = false;
    return status;
}

void capture_known_reset(struct capture_known *known)
{
    for (size_t i = 0; i < known->count; i++)
        base_free(known->list[i].name);
    base_free(known->list);
    *known = (struct capture_known){0};
}
