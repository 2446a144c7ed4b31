/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns a file of JSON fills: every object may have others, so all of it is read once before any of it goes in. */
#include "rh_import.h"
#include "rh_interrupt.h"
#include "rh_text.h"

#include <stdlib.h>
#include <string.h>

static struct rh_import_column *column_of(struct rh_import *import, size_t hint, const struct rh_json_member *member)
{
    for (size_t at = 0; at <= import->column_count; at++) {
        size_t number = at == 0 ? hint : at - 1;
        if (number >= import->column_count)
            continue;
        struct rh_import_column *column = &import->columns[number];
        if (rh_same_name(column->source, strlen(column->source), member->name, member->name_length))
            return column;
    }
    return NULL;
}

/* False: told. */
static bool note_member(struct rh_import *import, size_t number, const struct rh_json_member *member, bool *used)
{
    static const struct rh_import_column none = {.affinity = RH_AFFINITY_NONE};
    struct rh_import_column *column = column_of(import, number, member);
    if (column == NULL) {
        bool named = member->name_length > 0;
        if (!rh_import_add_column(import, named ? member->name : "column", named ? member->name_length : 6,
                                  import->column_count + 1, used))
            return false;
        column = &import->columns[import->column_count - 1];
        column->source = rh_copy_text(member->name, member->name_length);
    }
    struct rhei_value value;
    struct rh_buffer why = {0};
    if (rh_json_value(member, &none, true, &value, &why) && value.type != RHEI_NULL)
        column->classes |= 1U << value.type;
    rh_buffer_free(&why);
    return true;
}

bool rh_import_json_columns(struct rh_import *import)
{
    bool *used = rh_allocate((import->args->rename_count + 1) * sizeof *used);
    enum rh_csv_result result = RH_CSV_END;
    struct rh_progress progress;
    uint64_t rows = 0;
    bool good = rh_import_rewind(import, false);
    rh_progress_start(&progress, stderr, import->tool->err, "reading  ", import->input.size, rh_now_us());
    while (good && !rh_interrupted() && (result = rh_json_next(&import->json)) != RH_CSV_END) {
        good = result == RH_CSV_RECORD || (result == RH_CSV_BAD && import->args->reject != NULL && !import->json.lost);
        for (size_t at = 0; good && at < import->json.count && result == RH_CSV_RECORD; at++)
            if (!note_member(import, at, &import->json.members[at], used)) {
                free(used);
                rh_progress_end(&progress);
                return false;
            }
        if (++rows % 4096 == 0)
            rh_progress_update(&progress, rh_input_done(&import->input), rows, rh_now_us());
    }
    rh_progress_end(&progress);
    good = good && !rh_interrupted();
    if (!good && !import->input.told)
        rh_import_no_record(import, result);
    else if (good && import->column_count == 0)
        good = rh_import_refuse(import, rows == 0 ? "there is no object in it" : "its objects are empty");
    good = good && rh_import_check_renames(import, used);
    free(used);
    return good;
}
