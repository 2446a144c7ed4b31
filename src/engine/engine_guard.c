/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the column store leave only while the files that they are of are whole: a segment in a file is checked when it is first read, in the
 * middle of an answer, and reads as nothing if it is damaged. So tables are looked at after they were read, here for what is answered without an
 * executor, which looks by itself. Then what was found is mended, and SQLite answers, or, where rows are out already or nobody else has
 * them, the caller is told.
 */
#include "engine/engine_internal.h"

rhei_status engine_guard_check(const struct rhei_rows *rows, uint32_t table, struct rhei_error *error)
{
    if (rows->db->checkpoint == NULL || rows->state.snapshot.slot == NULL || mirror_damages(rows->db->mirror) == 0)
        return RHEI_OK; /* nothing of it is in a file, or all files are whole */
    const struct mirror_table_view *view = mirror_view(&rows->state.snapshot, table);
    return view == NULL ? RHEI_OK : mirror_view_check(view, error);
}
