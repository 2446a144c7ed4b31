/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B1. Each row is measured once, in the log's order: `to` is the last one that was, `total` the bytes of all that were.
 * B2. A mark says how many bytes came before a row. There is one for each row while there are few rows, and then for each `stride` of them; in
 *     between it is a straight line. So the bytes of what is pruned can be taken off without reading it, or anything, again.
 * B3. A log that isn't where it was (cut beyond `to`, or behind it) is measured anew.
 */
#include "capture/capture_meter.h"

#include <string.h>

enum { METER_MARKS = 256, METER_SLICE = 2000 };

struct meter_mark {
    int64_t seq;
    uint64_t before; /* bytes of the rows before it */
};

struct capture_meter {
    struct oltp *oltp;
    base_mutex lock;
    struct oltp_connection *connection; /* NULL: not opened yet */
    sqlite3_stmt *rows;                 /* lengths of the value columns, from a row on */
    uint32_t columns;                   /* of the log, as `rows` was prepared for */
    int64_t to;                         /* B1 */
    uint64_t total;
    int64_t stride;
    uint32_t mark_count;
    struct meter_mark marks[METER_MARKS]; /* ascending */
};

struct capture_meter *capture_meter_new(struct oltp *oltp)
{
    struct capture_meter *meter = base_alloc_zero(1, sizeof *meter);
    if (meter == NULL)
        return NULL;
    meter->oltp = oltp;
    meter->stride = 1;
    base_mutex_init(&meter->lock);
    return meter;
}

void capture_meter_free(struct capture_meter **slot)
{
    struct capture_meter *meter = *slot;
    if (meter == NULL)
        return;
    *slot = NULL;
    sqlite3_finalize(meter->rows);
    oltp_connection_close(&meter->connection);
    base_mutex_destroy(&meter->lock);
    base_free(meter);
}

/* ---- Marks (B2). ------------------------------------------------------------------------------------------------- */

static void marks_add(struct capture_meter *meter, int64_t seq)
{
    if (meter->mark_count > 0 && seq - meter->marks[meter->mark_count - 1].seq < meter->stride)
        return;
    if (meter->mark_count == METER_MARKS) {
        for (uint32_t i = 0; i < METER_MARKS / 2; i++)
            meter->marks[i] = meter->marks[2 * i];
        meter->mark_count = METER_MARKS / 2;
        meter->stride *= 2;
    }
    meter->marks[meter->mark_count++] = (struct meter_mark){seq, meter->total};
}

/* Those of rows that are gone. */
static void marks_drop(struct capture_meter *meter, int64_t first)
{
    uint32_t gone = 0;
    while (gone + 1 < meter->mark_count && meter->marks[gone + 1].seq <= first)
        gone++;
    meter->mark_count -= gone;
    memmove(meter->marks, meter->marks + gone, meter->mark_count * sizeof *meter->marks);
    if (meter->mark_count <= METER_MARKS / 4 && meter->stride > 1)
        meter->stride /= 2;
}

/* Bytes of the measured rows before `seq`. */
static uint64_t marks_before(const struct capture_meter *meter, int64_t seq)
{
    uint32_t at = 0;
    if (meter->mark_count == 0 || seq > meter->to)
        return meter->total;
    while (at + 1 < meter->mark_count && meter->marks[at + 1].seq <= seq)
        at++;
    bool last = at + 1 == meter->mark_count;
    const struct meter_mark *low = &meter->marks[at];
    struct meter_mark high = last ? (struct meter_mark){meter->to + 1, meter->total} : meter->marks[at + 1];
    if (seq <= low->seq)
        return low->before;
    double part = (double)(seq - low->seq) / (double)(high.seq - low->seq);
    return low->before + (uint64_t)((double)(high.before - low->before) * part);
}

/* ---- Rows. ------------------------------------------------------------------------------------------------------- */

static rhei_status meter_prepare(struct capture_meter *meter, struct rhei_error *error)
{
    struct oltp_schema *schema = capture_schema_hold(meter->oltp);
    uint32_t columns = schema == NULL ? 0 : schema->log_columns;
    capture_schema_release(schema);
    rhei_status status = RHEI_OK;
    if (meter->connection == NULL)
        status = oltp_connection_open(meter->oltp, OLTP_SOURCE, &meter->connection, error);
    if (status != RHEI_OK || (meter->rows != NULL && meter->columns == columns))
        return status;
    sqlite3_finalize(meter->rows);
    meter->rows = NULL;
    /* octet_length reads no page that a long value overflows to; SQLite has it since 3.43 */
    bool octets = sqlite3_libversion_number() >= 3043000;
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "SELECT seq");
    for (uint32_t i = 1; i <= columns; i++)
        base_buffer_format(&sql, octets ? ",octet_length(c%u)" : ",length(CAST(c%u AS BLOB))", i);
    base_buffer_text(&sql, " FROM main." OLTP_LOG " WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq");
    int rc = sql.failed ? SQLITE_NOMEM
                        : sqlite3_prepare_v3(meter->connection->db, sql.data, -1, SQLITE_PREPARE_PERSISTENT,
                                             &meter->rows, NULL);
    base_buffer_reset(&sql);
    meter->columns = columns;
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(meter->connection, rc, NULL, error);
}

/* Rows behind `to` up to `until`. */
static rhei_status meter_slice(struct capture_meter *meter, int64_t until, struct rhei_error *error)
{
    int rc = sqlite3_bind_int64(meter->rows, 1, meter->to + 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(meter->rows, 2, until);
    while (rc == SQLITE_OK && (rc = sqlite3_step(meter->rows)) == SQLITE_ROW) {
        int64_t seq = sqlite3_column_int64(meter->rows, 0);
        marks_add(meter, seq);
        for (int i = 1; i <= (int)meter->columns; i++)
            meter->total += (uint64_t)sqlite3_column_int64(meter->rows, i);
        meter->total += CAPTURE_METER_ROW;
        meter->to = seq;
        rc = SQLITE_OK;
    }
    rhei_status status =
        rc == SQLITE_OK || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(meter->connection, rc, NULL, error);
    sqlite3_reset(meter->rows);
    meter->to = status == RHEI_OK ? until : meter->to; /* rows that are gone meanwhile have nothing */
    return status;
}

static rhei_status meter_advance(struct capture_meter *meter, int64_t first, int64_t last, uint64_t budget,
                                 struct rhei_error *error)
{
    if (meter->to > last || meter->to < first - 1) { /* B3 */
        meter->to = first - 1;
        meter->total = 0;
        meter->mark_count = 0;
        meter->stride = 1;
    }
    marks_drop(meter, first);
    int64_t until = (uint64_t)(last - meter->to) <= budget ? last : meter->to + (int64_t)budget;
    rhei_status status = meter->to < until ? meter_prepare(meter, error) : RHEI_OK;
    while (status == RHEI_OK && meter->to < until)
        status = meter_slice(meter, until - meter->to > METER_SLICE ? meter->to + METER_SLICE : until, error);
    return status;
}

rhei_status capture_meter_measure(struct capture_meter *meter, int64_t first, int64_t last, uint64_t budget,
                                  uint64_t *bytes, struct rhei_error *error)
{
    *bytes = 0;
    if (last < first || last == 0)
        return RHEI_OK;
    base_mutex_lock(&meter->lock);
    rhei_status status = meter_advance(meter, first, last, budget, error);
    if (status == RHEI_OK) {
        uint64_t measured = meter->total - marks_before(meter, first);
        int64_t rows = meter->to - first + 1;
        *bytes = rows > 0 && meter->to < last ? (uint64_t)((double)measured / (double)rows * (double)(last - first + 1))
                                              : measured;
    }
    base_mutex_unlock(&meter->lock);
    return status;
}

int64_t capture_meter_cut(struct capture_meter *meter, int64_t first, int64_t last, uint64_t bytes)
{
    int64_t low = first - 1, high = last;
    base_mutex_lock(&meter->lock);
    while (low < high) { /* the least one behind which little enough is left */
        int64_t middle = low + (high - low) / 2;
        if (meter->total - marks_before(meter, middle + 1) <= bytes)
            high = middle;
        else
            low = middle + 1;
    }
    base_mutex_unlock(&meter->lock);
    return low;
}
