/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a table in the order of their rowids, straight from the pages of its b-tree, as the connection's read transaction shows
 * them. A row costs a tenth of what a statement's step and its columns do. Owner thread.
 *
 * Whatever isn't as expected (a page of another kind, a record that goes beyond its page, no memory) is UNFIT: the caller goes on
 * with a statement, which says what is wrong, if anything is.
 */
#ifndef CAPTURE_CAPTURE_PAGES_H
#define CAPTURE_CAPTURE_PAGES_H

#include "capture/capture_internal.h"

struct capture_pages; /* opaque */

enum capture_pages_result { CAPTURE_PAGES_ROW, CAPTURE_PAGES_END, CAPTURE_PAGES_UNFIT };

/* NULL: this SQLite doesn't show its pages, the file's texts aren't in UTF-8, or there is no memory. */
struct capture_pages *capture_pages_new(struct oltp_connection *connection);
void capture_pages_free(struct capture_pages **pages);
/* The table's root page, 0: there is none that can be read so. */
void capture_pages_root(struct capture_pages *pages, uint32_t root);

/* In a read transaction: on the first row whose number is `rowid` or higher. Bytes of rows go to the arena, page by page. */
enum capture_pages_result capture_pages_seek(struct capture_pages *pages, int64_t rowid, struct base_arena *arena);
enum capture_pages_result capture_pages_next(struct capture_pages *pages);
/* The arena was cleared: the row that the reader stands on will be put there again. */
void capture_pages_cleared(struct capture_pages *pages);
/* Lets go of the pages. Before the transaction ends. */
void capture_pages_reset(struct capture_pages *pages);

/* Of the rows on which the reader stood since the seek. */
int64_t capture_pages_bytes(const struct capture_pages *pages);
int64_t capture_pages_rowid(const struct capture_pages *pages);
/*
 * The first `count` columns of the row, if they weren't read yet; `count` may grow from call to call. NULL: UNFIT. A column that the
 * record doesn't have is NULL, as one without a default is; the rowid's own column is NULL too. The bytes live as long as the arena's.
 */
const struct rhei_value *capture_pages_columns(struct capture_pages *pages, uint32_t count);

#endif
