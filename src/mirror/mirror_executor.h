/* SPDX-License-Identifier: Apache-2.0 */
/* A table as every executor sees it (port/executor.h): in what form its columns leave, and which rows a text asks for. Any thread. */
#ifndef MIRROR_MIRROR_EXECUTOR_H
#define MIRROR_MIRROR_EXECUTOR_H

#include "mirror/mirror_scan.h"
#include "port/executor.h"

enum mirror_form {
    MIRROR_FORM_UNREADABLE, /* it has no one type: whoever reads it gets an error */
    MIRROR_FORM_INTEGER,
    MIRROR_FORM_REAL,
    MIRROR_FORM_NUMBER, /* REALs of integers and REALs, with a column beside it that tells them apart */
    MIRROR_FORM_TEXT,
    MIRROR_FORM_BLOB,
};

/* By flags of enum mirror_column_flag. `native`: for a text of the user's own, to which a column without values has its declared type. */
enum mirror_form mirror_form_of(const struct source_column *column, uint32_t flags, bool native);

/* The name of the column beside a MIRROR_FORM_NUMBER; NULL: *taken, the table has a column of that name, or no memory. base_free. */
char *mirror_flag_name(const struct source_table *table, uint32_t column, bool *taken);

/* Of numbers: by such a range rows may be left out; those of texts only tell how many rows to expect. */
bool mirror_is_number_range(const struct executor_range *range);
/* A scan of the view, which is number `scan_number` in the text, with the ranges of numbers that are its. As mirror_scan_open. */
rhei_status mirror_scan_open_for(const struct mirror_table_view *view, uint32_t scan_number,
                                 const struct executor_range *ranges, uint32_t range_count, struct mirror_scan **scan,
                                 struct rhei_error *error);

/* A row of a vector within a range of numbers or texts; true where nobody can tell. */
bool mirror_row_in_range(const struct mirror_column_data *data, uint32_t row, const struct executor_range *range);
/* About how many live rows of the view are in all ranges of the scan, by a look at a few thousand. */
uint64_t mirror_rows_expected(const struct mirror_table_view *view, uint32_t scan_number,
                              const struct executor_range *ranges, uint32_t range_count);

#endif
