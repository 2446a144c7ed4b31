/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of a native text's parameters: `?2` may stand without a ?1, and DuckDB takes no value for it then. */
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"
#include "sql/sql_parameters.h"

/* A number as it is written, with its sign. */
struct written {
    size_t at, length;
    uint32_t number;
};

struct numbers {
    struct written *list;
    size_t count, room;
    bool *used; /* by number */
    uint32_t largest;
};

static bool add_written(struct numbers *numbers, struct written written)
{
    if (numbers->count == numbers->room) {
        size_t room = numbers->room * 2 + 8;
        struct written *grown = base_realloc(numbers->list, room * sizeof *grown);
        if (grown == NULL)
            return false;
        numbers->list = grown;
        numbers->room = room;
    }
    numbers->list[numbers->count++] = written;
    return true;
}

/* False without memory. A text with names or with numbers that nobody has is left as it is: largest is 0 then. */
static bool gather(const char *sql, struct numbers *numbers)
{
    struct sql_native_parameter parameter;
    const char *end = sql + strlen(sql);
    for (const char *at = sql; sql_native_parameter_next(&at, end, &parameter);) {
        bool written = parameter.length > 1;
        uint32_t number = written ? parameter.number : numbers->largest + 1;
        if (number == 0 || number > SQL_PARAMETER_NUMBER_MAX) {
            numbers->largest = 0;
            return true;
        }
        if (written &&
            !add_written(numbers, (struct written){(size_t)(parameter.text - sql), parameter.length, number}))
            return false;
        numbers->used[number] = true;
        numbers->largest = number > numbers->largest ? number : numbers->largest;
    }
    return true;
}

/* A `?` without a number needs no other words: it is one more than the largest before it, which stays so. */
static rhei_status close_gaps(const char *sql, const struct numbers *numbers, struct duck_numbering *out,
                              struct rhei_error *error)
{
    uint32_t *rank = base_alloc_zero((size_t)numbers->largest + 1, sizeof *rank);
    out->sql = base_strdup(sql);
    out->numbers = base_alloc_zero((size_t)numbers->largest + 1, sizeof *out->numbers);
    if (rank == NULL || out->sql == NULL || out->numbers == NULL) {
        base_free(rank);
        return error_no_memory(error);
    }
    for (uint32_t n = 1; n <= numbers->largest; n++) {
        if (numbers->used[n]) {
            out->numbers[out->count++] = n;
            rank[n] = out->count;
        }
    }
    for (size_t i = 0; i < numbers->count; i++) {
        const struct written *written = &numbers->list[i];
        char text[16];
        int length = snprintf(text, sizeof text, "$%u", rank[written->number]);
        memset(out->sql + written->at, ' ', written->length); /* a rank isn't longer than its number */
        memcpy(out->sql + written->at, text, (size_t)length);
    }
    base_free(rank);
    return RHEI_OK;
}

rhei_status duck_numbering_make(const char *sql, struct duck_numbering *out, struct rhei_error *error)
{
    *out = (struct duck_numbering){0};
    if (strpbrk(sql, "?$") == NULL)
        return RHEI_OK;
    struct numbers numbers = {.used = base_alloc_zero(SQL_PARAMETER_NUMBER_MAX + 1, sizeof *numbers.used)};
    rhei_status status = RHEI_OK;
    if (numbers.used == NULL || !gather(sql, &numbers))
        status = error_no_memory(error);
    uint32_t distinct = 0;
    for (uint32_t n = 1; status == RHEI_OK && n <= numbers.largest; n++)
        distinct += numbers.used[n];
    if (status == RHEI_OK && distinct < numbers.largest)
        status = close_gaps(sql, &numbers, out, error);
    base_free(numbers.list);
    base_free(numbers.used);
    return status;
}

void duck_numbering_reset(struct duck_numbering *numbering)
{
    base_free(numbering->sql);
    base_free(numbering->numbers);
    *numbering = (struct duck_numbering){0};
}
