/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants
 *  1. Nothing in the bytes is used before their checksum was found right; and each length and number is bounded all the same, for a checksum
 *     tells damage, not malice.
 *  2. A record that this version doesn't know means that a newer one wrote it: RHEI_TOO_NEW, and nothing is touched.
 *  3. What is applied twice, or in another order, is refused: a delta names its base and its number.
 */
#include "checkpoint_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_words.h"
#include "checkpoint_dead.h"

static const uint64_t first_word = 0x31504b4349454852u; /* "RHEICKP1" */

enum record {
    RECORD_TABLE = 1,
    RECORD_GONE = 2,
    RECORD_SEGMENT = 3,
    RECORD_REMOVED = 4,
    RECORD_PIECE = 5,
    RECORD_DEAD = 6,
    RECORD_SUM = 7,
    RECORD_STATE = 8,
};

/* A format is 1 or, with a second proof in its head, 2; or so much more where files may be packed. */
enum { PLAIN = 1, WITH_ALSO = 2, WITH_PACKED = 2 };

#define NO_TEXT UINT64_MAX

/* ---- Names. -------------------------------------------------------------------------------------------------------- */

void checkpoint_blob_name(uint64_t uid, char name[CHECKPOINT_NAME_BYTES])
{
    bool packed = (uid & CHECKPOINT_PACKED) != 0;
    (void)snprintf(name, CHECKPOINT_NAME_BYTES, "s-%016" PRIx64 ".%s", uid & ~CHECKPOINT_PACKED,
                   packed ? "vortex" : "arrow");
}

bool checkpoint_blob_uid(const char *name, uint64_t *uid)
{
    char same[CHECKPOINT_NAME_BYTES];
    if (sscanf(name, "s-%16" SCNx64 ".", uid) != 1)
        return false;
    for (int packed = 0; packed < 2; packed++, *uid |= CHECKPOINT_PACKED) {
        checkpoint_blob_name(*uid, same);
        if (strcmp(same, name) == 0)
            return true;
    }
    return false;
}

uint32_t checkpoint_blob_mark(uint64_t uid)
{
    return (uint32_t)(base_hash(&uid, sizeof uid, RECORD_SEGMENT) >> 32) | 1;
}

void checkpoint_delta_name(uint64_t base, uint64_t number, char name[CHECKPOINT_NAME_BYTES])
{
    (void)snprintf(name, CHECKPOINT_NAME_BYTES, "d-%016" PRIx64 "-%04" PRIu64, base, number);
}

/* ---- Writing. ------------------------------------------------------------------------------------------------------ */

static void put_bytes(struct base_buffer *out, const void *bytes, size_t len)
{
    static const char zeros[8];
    base_words_put(out, len);
    base_buffer_append(out, bytes, len);
    base_buffer_append(out, zeros, (8 - len % 8) % 8);
}

/* With its NUL, so that it can be used where it lies. */
static void put_text(struct base_buffer *out, const char *text)
{
    if (text == NULL)
        base_words_put(out, NO_TEXT);
    else
        put_bytes(out, text, strlen(text) + 1);
}

static size_t begin(struct base_buffer *out, enum record what)
{
    base_words_put(out, what);
    base_words_put(out, 0);
    return out->len;
}

static void end(struct base_buffer *out, size_t from)
{
    uint64_t len = out->len - from;
    if (!out->failed)
        memcpy(out->data + from - sizeof len, &len, sizeof len);
}

void checkpoint_put_head(struct base_buffer *out, const struct checkpoint_head *head)
{
    base_words_put(out, first_word);
    base_words_put(out, (uint64_t)(head->stamp.also == 0 ? PLAIN : WITH_ALSO) + (head->packed ? WITH_PACKED : 0));
    base_words_put(out, head->kind);
    base_words_put(out, head->base);
    base_words_put(out, head->number);
    base_words_put(out, (uint64_t)head->position);
    base_words_put(out, (uint64_t)head->made_ms);
    base_words_put(out, head->next_uid);
    base_words_put(out, head->stamp.row);
    put_text(out, head->stamp.file);
    if (head->stamp.also != 0)
        base_words_put(out, head->stamp.also);
}

static void put_column(struct base_buffer *out, const struct source_column *column)
{
    put_text(out, column->name);
    put_text(out, column->declared_type);
    put_text(out, column->collation);
    base_words_put(out, (uint64_t)column->affinity | (uint64_t)column->not_null << 8 |
                            (uint64_t)column->is_rowid_alias << 9 | (uint64_t)column->is_rowid << 10 |
                            (uint64_t)column->generated << 11);
}

void checkpoint_put_table(struct base_buffer *out, const struct source_table *table)
{
    size_t from = begin(out, RECORD_TABLE);
    base_words_put(out, table->id);
    base_words_put(out, table->column_count);
    base_words_put(out, table->key_count);
    base_words_put(out, (uint64_t)table->key_is_integer | (uint64_t)table->without_rowid << 1);
    base_words_put(out, (uint64_t)table->estimated_rows);
    put_text(out, table->name);
    for (uint32_t c = 0; c < table->column_count; c++)
        put_column(out, &table->columns[c]);
    for (uint32_t k = 0; k < table->key_count; k++)
        base_words_put(out, table->key_columns[k]);
    end(out, from);
}

void checkpoint_put_gone(struct base_buffer *out, uint32_t table)
{
    size_t from = begin(out, RECORD_GONE);
    base_words_put(out, table);
    end(out, from);
}

/* What was put as a head says that there may be one. */
static void say_packed(struct base_buffer *out)
{
    uint64_t format;
    if (out->failed)
        return;
    memcpy(&format, out->data + sizeof format, sizeof format);
    format += format <= WITH_ALSO ? WITH_PACKED : 0;
    memcpy(out->data + sizeof format, &format, sizeof format);
}

void checkpoint_put_segment(struct base_buffer *out, uint32_t table, uint64_t uid, uint32_t rows, bool in_pieces)
{
    if ((uid & CHECKPOINT_PACKED) != 0)
        say_packed(out);
    size_t from = begin(out, RECORD_SEGMENT);
    base_words_put(out, table);
    base_words_put(out, uid);
    base_words_put(out, rows);
    base_words_put(out, in_pieces);
    end(out, from);
}

void checkpoint_put_sum(struct base_buffer *out, uint32_t table, uint64_t uid, uint64_t sum)
{
    if (sum == 0)
        return;
    size_t from = begin(out, RECORD_SUM);
    base_words_put(out, table);
    base_words_put(out, uid);
    base_words_put(out, sum);
    end(out, from);
}

void checkpoint_put_removed(struct base_buffer *out, uint32_t table, uint64_t uid)
{
    size_t from = begin(out, RECORD_REMOVED);
    base_words_put(out, table);
    base_words_put(out, uid);
    end(out, from);
}

void checkpoint_put_piece(struct base_buffer *out, uint32_t table, uint64_t uid, uint32_t first, uint32_t rows,
                          const void *bytes, size_t len)
{
    size_t from = begin(out, RECORD_PIECE);
    base_words_put(out, table);
    base_words_put(out, uid);
    base_words_put(out, first);
    base_words_put(out, rows);
    put_bytes(out, bytes, len);
    end(out, from);
}

void checkpoint_put_dead(struct base_buffer *out, uint32_t table, const void *bytes, size_t len)
{
    size_t from = begin(out, RECORD_DEAD);
    base_words_put(out, table);
    put_bytes(out, bytes, len);
    end(out, from);
}

void checkpoint_put_state(struct base_buffer *out, const void *bytes, size_t len)
{
    size_t from = begin(out, RECORD_STATE);
    put_bytes(out, bytes, len);
    end(out, from);
}

void checkpoint_put_end(struct base_buffer *out)
{
    base_words_put(out, out->failed ? 0 : base_checksum(out->data, out->len));
}

/* ---- Reading. ------------------------------------------------------------------------------------------------------ */

struct reader {
    const char *at, *end;
    bool wrong, no_memory;
    struct checkpoint_model *model;
};

static uint64_t get_word(struct reader *reader)
{
    return base_words_take(&reader->at, reader->end, &reader->wrong);
}

/* A number of at most `most`. */
static uint32_t get_number(struct reader *reader, uint32_t most)
{
    uint64_t word = get_word(reader);
    reader->wrong |= word > most;
    return reader->wrong ? 0 : (uint32_t)word;
}

static const void *get_bytes(struct reader *reader, size_t *len)
{
    uint64_t word = get_word(reader), left = (uint64_t)(reader->end - reader->at);
    const void *bytes = reader->at;
    if (reader->wrong || word > left || (word + 7) / 8 * 8 > left) {
        reader->wrong = true;
        *len = 0;
        return NULL;
    }
    reader->at += (word + 7) / 8 * 8;
    *len = (size_t)word;
    return bytes;
}

static const char *get_text(struct reader *reader, bool may_be_null)
{
    uint64_t peek = 0;
    size_t len = 0;
    if (reader->end - reader->at >= (ptrdiff_t)sizeof peek)
        memcpy(&peek, reader->at, sizeof peek);
    if (may_be_null && peek == NO_TEXT) {
        reader->at += sizeof peek;
        return NULL;
    }
    const char *text = get_bytes(reader, &len);
    if (text == NULL || len == 0 || text[len - 1] != '\0') {
        reader->wrong = true;
        return "";
    }
    return text;
}

static void *own(struct reader *reader, size_t count, size_t size)
{
    void *memory = base_arena_zero(&reader->model->arena, count + 1, size);
    reader->no_memory |= memory == NULL;
    return memory;
}

static struct checkpoint_table *find_table(const struct checkpoint_model *model, uint32_t id)
{
    struct checkpoint_table *table = model->tables;
    while (table != NULL && table->definition->id != id)
        table = table->next;
    return table;
}

static struct checkpoint_segment *find_segment(const struct checkpoint_table *table, uint64_t uid)
{
    struct checkpoint_segment *segment = table->segments;
    while (segment != NULL && segment->uid != uid)
        segment = segment->next;
    return segment;
}

/* The table and segment that a record is about; NULL, and wrong, where there is none. */
static struct checkpoint_table *get_table(struct reader *reader)
{
    struct checkpoint_table *table = find_table(reader->model, get_number(reader, UINT32_MAX));
    reader->wrong |= table == NULL;
    return table;
}

static struct checkpoint_segment *get_segment(struct reader *reader, const struct checkpoint_table *table)
{
    uint64_t uid = get_word(reader);
    struct checkpoint_segment *segment = table == NULL ? NULL : find_segment(table, uid);
    reader->wrong |= segment == NULL;
    return segment;
}

static void get_column(struct reader *reader, struct source_column *column)
{
    column->name = get_text(reader, false);
    column->declared_type = get_text(reader, true);
    column->collation = get_text(reader, true);
    uint32_t flags = get_number(reader, 0xfff);
    column->affinity = (uint8_t)(flags & 0xff);
    column->not_null = (flags >> 8 & 1) != 0;
    column->is_rowid_alias = (flags >> 9 & 1) != 0;
    column->is_rowid = (flags >> 10 & 1) != 0;
    column->generated = (flags >> 11 & 1) != 0;
}

static void read_table(struct reader *reader)
{
    struct source_table *definition = own(reader, 1, sizeof *definition);
    if (definition == NULL)
        return;
    definition->id = get_number(reader, UINT32_MAX);
    definition->column_count = get_number(reader, SEGMENT_MOST_COLUMNS);
    definition->key_count = get_number(reader, SEGMENT_MOST_COLUMNS);
    uint32_t flags = get_number(reader, 3);
    definition->key_is_integer = (flags & 1) != 0;
    definition->without_rowid = (flags & 2) != 0;
    definition->estimated_rows = (int64_t)get_word(reader);
    definition->name = get_text(reader, false);
    struct source_column *columns = own(reader, definition->column_count, sizeof *columns);
    uint32_t *keys = own(reader, definition->key_count, sizeof *keys);
    struct checkpoint_table *table = own(reader, 1, sizeof *table);
    if (reader->no_memory || reader->wrong)
        return;
    for (uint32_t c = 0; c < definition->column_count; c++)
        get_column(reader, &columns[c]);
    for (uint32_t k = 0; k < definition->key_count; k++)
        keys[k] = get_number(reader, definition->column_count - 1);
    definition->columns = columns;
    definition->key_columns = keys;
    reader->wrong |= definition->column_count == 0 || definition->key_count == 0 ||
                     find_table(reader->model, definition->id) != NULL;
    table->definition = definition;
    table->next = reader->model->tables;
    reader->model->tables = table;
}

static void read_gone(struct reader *reader)
{
    struct checkpoint_table *table = get_table(reader);
    for (struct checkpoint_table **at = &reader->model->tables; table != NULL && *at != NULL; at = &(*at)->next)
        if (*at == table) {
            *at = table->next;
            return;
        }
}

static void read_segment(struct reader *reader)
{
    struct checkpoint_table *table = get_table(reader);
    struct checkpoint_segment *segment = own(reader, 1, sizeof *segment);
    if (table == NULL || segment == NULL)
        return;
    segment->uid = get_word(reader);
    segment->rows = get_number(reader, SEGMENT_MOST_ROWS);
    segment->in_pieces = get_number(reader, 1) != 0;
    uint64_t number = reader->model->head.packed ? segment->uid & ~CHECKPOINT_PACKED : segment->uid;
    reader->wrong |= find_segment(table, segment->uid) != NULL || number >= reader->model->head.next_uid ||
                     (!segment->in_pieces && segment->rows == 0);
    struct checkpoint_segment **at = table->last == NULL ? &table->segments : &table->last->next;
    *at = table->last = segment;
}

static void read_sum(struct reader *reader)
{
    struct checkpoint_table *table = get_table(reader);
    uint64_t uid = get_word(reader), sum = get_word(reader);
    bool is_last = table != NULL && table->last != NULL && table->last->uid == uid && !table->last->in_pieces;
    reader->wrong |= !is_last || sum == 0;
    if (is_last)
        table->last->sum = sum;
}

static void read_removed(struct reader *reader)
{
    struct checkpoint_table *table = get_table(reader);
    struct checkpoint_segment *segment = get_segment(reader, table);
    if (segment == NULL)
        return;
    struct checkpoint_segment **at = &table->segments, *before = NULL;
    for (; *at != segment; at = &before->next)
        before = *at;
    *at = segment->next;
    if (table->last == segment)
        table->last = before;
}

static void read_piece(struct reader *reader)
{
    struct checkpoint_table *table = get_table(reader);
    struct checkpoint_segment *segment = get_segment(reader, table);
    struct checkpoint_piece *piece = own(reader, 1, sizeof *piece);
    if (segment == NULL || piece == NULL)
        return;
    piece->first = get_number(reader, SEGMENT_MOST_ROWS);
    piece->rows = get_number(reader, SEGMENT_MOST_ROWS);
    piece->bytes = get_bytes(reader, &piece->len);
    reader->wrong |= !segment->in_pieces || piece->rows == 0 || piece->first > segment->rows ||
                     piece->first % SEGMENT_VECTOR_ROWS != 0 || piece->rows > SEGMENT_MOST_ROWS - piece->first;
    segment->rows = piece->first + piece->rows;
    piece->next = segment->pieces;
    segment->pieces = piece;
}

struct killing {
    struct reader *reader;
    const struct checkpoint_table *table;
    struct checkpoint_segment *segment; /* of the row before */
};

static rhei_status kill(void *context, uint64_t uid, uint32_t place, struct rhei_error *error)
{
    struct killing *killing = context;
    if (killing->segment == NULL || killing->segment->uid != uid)
        killing->segment = find_segment(killing->table, uid);
    struct checkpoint_segment *segment = killing->segment;
    if (segment == NULL || place >= segment->rows)
        return error_set(error, RHEI_IO, "a deleted row is of no segment");
    if (segment->dead == NULL)
        segment->dead = own(killing->reader, CHECKPOINT_DEAD_WORDS, sizeof *segment->dead);
    if (segment->dead == NULL)
        return error_no_memory(error);
    segment->dead[place >> 6] |= UINT64_C(1) << (place & 63);
    return RHEI_OK;
}

static void read_dead(struct reader *reader)
{
    struct killing killing = {.reader = reader, .table = get_table(reader)};
    size_t len = 0;
    const void *bytes = get_bytes(reader, &len);
    if (!reader->wrong && checkpoint_dead_read(bytes, len, kill, &killing, NULL) != RHEI_OK)
        reader->wrong = !reader->no_memory;
}

/* False: a kind of record that isn't known. */
static bool read_record(struct reader *reader)
{
    uint64_t what = get_word(reader), len = get_word(reader);
    if (reader->wrong || len > (uint64_t)(reader->end - reader->at) || len % 8 != 0) {
        reader->wrong = true;
        return true;
    }
    const char *end_of_all = reader->end;
    reader->end = reader->at + len;
    switch (what) {
    case RECORD_TABLE:
        read_table(reader);
        break;
    case RECORD_GONE:
        read_gone(reader);
        break;
    case RECORD_SEGMENT:
        read_segment(reader);
        break;
    case RECORD_SUM:
        read_sum(reader);
        break;
    case RECORD_STATE:
        reader->model->state = get_bytes(reader, &reader->model->state_len);
        break;
    case RECORD_REMOVED:
        read_removed(reader);
        break;
    case RECORD_PIECE:
        read_piece(reader);
        break;
    case RECORD_DEAD:
        read_dead(reader);
        break;
    default:
        return false;
    }
    reader->wrong |= reader->at != reader->end;
    reader->end = end_of_all;
    return true;
}

static void read_head(struct reader *reader, uint64_t format, struct checkpoint_head *head)
{
    head->kind = (uint8_t)get_number(reader, UINT8_MAX);
    head->base = get_word(reader);
    head->number = get_word(reader);
    head->position = (int64_t)get_word(reader);
    head->made_ms = (int64_t)get_word(reader);
    head->next_uid = get_word(reader);
    head->stamp.row = get_word(reader);
    const char *file = get_text(reader, false);
    reader->wrong |= strlen(file) >= sizeof head->stamp.file;
    if (!reader->wrong)
        memcpy(head->stamp.file, file, strlen(file) + 1);
    head->packed = format > WITH_ALSO;
    head->stamp.also = format % WITH_PACKED == 0 ? get_word(reader) : 0;
}

bool checkpoint_same_row(const struct change_stamp *kept, const struct change_stamp *now)
{
    return kept->row == now->row || (kept->also != 0 && (kept->also == now->row || kept->also == now->also)) ||
           (now->also != 0 && now->also == kept->row);
}

/* Whether it is what comes next. Its position may be lower: versions before this one wrote deltas so after the file was replaced by an older copy. */
static bool goes_on(const struct checkpoint_head *before, const struct checkpoint_head *head)
{
    if (before->base == 0)
        return head->kind == CHECKPOINT_BASE && head->base != 0 && head->number == 0 && head->position >= 0;
    return head->kind == CHECKPOINT_DELTA && head->base == before->base && head->number == before->number + 1 &&
           head->position >= 0 && head->next_uid >= before->next_uid;
}

static rhei_status damaged(struct rhei_error *error)
{
    return error_set(error, RHEI_IO, "it is damaged, cut off or not a checkpoint of the mirror");
}

static rhei_status too_new(struct rhei_error *error)
{
    return error_set(error, RHEI_TOO_NEW,
                     "the checkpoint was written by a newer Rhei: use that version, or name another folder");
}

/* Checks all of it, and puts the reader behind the head, which becomes *head. */
static rhei_status open_bytes(struct reader *reader, const void *bytes, size_t len, struct checkpoint_head *head,
                              struct rhei_error *error)
{
    uint64_t sum = 0;
    struct checkpoint_head found = {0};
    reader->at = bytes;
    if (len < 3 * sizeof sum || len % 8 != 0)
        return damaged(error);
    reader->end = reader->at + len - sizeof sum;
    memcpy(&sum, reader->end, sizeof sum);
    if (get_word(reader) != first_word || base_checksum(bytes, len - sizeof sum) != sum)
        return damaged(error);
    uint64_t format = get_word(reader);
    if (format == 0 || format > CHECKPOINT_FORMAT)
        return format > CHECKPOINT_FORMAT ? too_new(error) : damaged(error);
    read_head(reader, format, &found);
    if (reader->wrong || !goes_on(head, &found))
        return damaged(error);
    *head = found;
    return RHEI_OK;
}

rhei_status checkpoint_read_head(const void *bytes, size_t len, struct checkpoint_head *head, struct rhei_error *error)
{
    struct reader reader = {.model = NULL};
    return open_bytes(&reader, bytes, len, head, error);
}

rhei_status checkpoint_put_again(struct base_buffer *out, const void *bytes, size_t len, struct checkpoint_head *head,
                                 const struct change_stamp *stamp, struct rhei_error *error)
{
    struct reader reader = {.model = NULL};
    rhei_status status = open_bytes(&reader, bytes, len, head, error);
    if (status != RHEI_OK)
        return status;
    struct checkpoint_head again = *head;
    again.stamp = *stamp;
    checkpoint_put_head(out, &again);
    base_buffer_append(out, reader.at, (size_t)(reader.end - reader.at));
    checkpoint_put_end(out);
    return out->failed ? error_no_memory(error) : RHEI_OK;
}

rhei_status checkpoint_apply(struct checkpoint_model *model, const void *bytes, size_t len, struct rhei_error *error)
{
    struct reader reader = {.model = model};
    rhei_status status = open_bytes(&reader, bytes, len, &model->head, error);
    if (status != RHEI_OK)
        return status;
    bool known = true;
    while (reader.at < reader.end && known && !reader.wrong && !reader.no_memory)
        known = read_record(&reader);
    if (reader.no_memory)
        return error_no_memory(error);
    return !known ? too_new(error) : reader.wrong ? damaged(error) : RHEI_OK;
}

void checkpoint_model_reset(struct checkpoint_model *model)
{
    base_arena_reset(&model->arena);
    *model = (struct checkpoint_model){.tables = NULL};
}
