/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose name is whose in the book.
 *
 *   1. A line is one table, whatever its columns and its name became: the generations that went on with each other. All of them are under
 *      the name that it has now, or had when it went.
 *   2. At every time one line is behind a name: one that went has it until then, and the next one, which may have had another name
 *      meanwhile, from then on (from_us, from_seq). So a table that takes a name doesn't change what was behind it before.
 *   3. In a line a name is one column, in every generation that has it: a renamed column has its new name in all of them, and one that went
 *      gets another one as soon as a column takes its name.
 *   4. In a book from before there were lines, generations of one name are of one line up to that of a table that went. Whether that is so nobody knows
 *      where several went, so of before the last of them went nothing is told; nor which of two columns of one name in a generation is the
 *      table's, so neither is.
 */
#include <inttypes.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "sync_book.h"

/* ---- Tables. ------------------------------------------------------------------------------------------------------- */

static bool set_text(char **text, const char *to)
{
    char *copy = base_strdup(to);
    if (!copy)
        return false;
    base_free(*text);
    *text = copy;
    return true;
}

bool sync_book_name_line(struct sync *sync, uint32_t line, const char *table)
{
    bool ok = true;
    for (size_t g = 0; g < sync->book.count && ok; g++) {
        struct sync_generation *generation = sync->book.generations[g];
        if (generation->line != line)
            continue;
        if (base_fold_compare(generation->table, table) != 0) /* who had the new name says since when it has it */
            generation->from_us = generation->from_seq = 0;
        ok = set_text(&generation->table, table);
    }
    return ok;
}

/* When the table of the line went; INT64_MAX: it didn't. */
static int64_t gone_of(const struct sync_book *book, uint32_t line)
{
    for (size_t g = 0; g < book->count; g++)
        if (book->generations[g]->line == line && book->generations[g]->current && book->generations[g]->gone_us != 0)
            return book->generations[g]->gone_us;
    return INT64_MAX;
}

/* 2. And longer than it is known of the generation. */
static bool had_name_before(const struct sync_book *book, const struct sync_generation *gone,
                            const struct sync_generation *generation)
{
    if (gone->line == generation->line || base_fold_compare(gone->table, generation->table) != 0 ||
        (gone->gone_us <= generation->from_us && gone->gone_seq <= generation->from_seq))
        return false;
    int64_t until = gone_of(book, generation->line);
    return gone->gone_us < until || (gone->gone_us == until && gone->line < generation->line);
}

rhei_status sync_book_settle_names(struct sync *sync, struct rhei_error *error)
{
    struct sync_book *book = &sync->book;
    rhei_status status = RHEI_OK;
    for (size_t m = 0; m < book->count; m++) {
        const struct sync_generation *gone = book->generations[m];
        for (size_t g = 0; gone->current && gone->gone_us != 0 && g < book->count && status == RHEI_OK; g++) {
            struct sync_generation *generation = book->generations[g];
            if (!had_name_before(book, gone, generation))
                continue;
            generation->from_us = gone->gone_us > generation->from_us ? gone->gone_us : generation->from_us;
            generation->from_seq = gone->gone_seq > generation->from_seq ? gone->gone_seq : generation->from_seq;
            status = sync_book_store(sync, generation, error);
        }
    }
    return status;
}

/* ---- Columns. ------------------------------------------------------------------------------------------------------ */

static bool is_taken(const struct sync_book *book, uint32_t line, const struct source_column *columns, uint32_t count,
                     const char *name)
{
    for (uint32_t c = 0; c < count; c++)
        if (base_fold_compare(columns[c].name, name) == 0)
            return true;
    for (size_t g = 0; g < book->count; g++)
        for (uint32_t n = 0; book->generations[g]->line == line && n < book->generations[g]->name_count; n++)
            if (base_fold_compare(book->generations[g]->names[n], name) == 0)
                return true;
    return false;
}

/* A name for a column that went, which nothing in the line has. NULL: no memory. */
static char *dropped_name(const struct sync_book *book, uint32_t line, const struct source_column *columns,
                          uint32_t count, const char *name)
{
    struct base_buffer made = {0};
    uint32_t number = 1;
    do {
        base_buffer_clear(&made);
        base_buffer_format(&made, "%s_dropped", name);
        if (number > 1)
            base_buffer_format(&made, "_%" PRIu32, number);
        number++;
    } while (!made.failed && is_taken(book, line, columns, count, made.data));
    return base_buffer_take(&made);
}

/* What the column of that name is called now; NULL: as before. */
static const char *name_of_now(const struct source_column *columns, const char *const *was, char *const *others,
                               uint32_t count, const char *name)
{
    for (uint32_t c = 0; c < count; c++)
        if (was[c] && base_fold_compare(was[c], name) == 0)
            return columns[c].name;
    for (uint32_t c = 0; c < count; c++)
        if (base_fold_compare(columns[c].name, name) == 0)
            return others[c];
    return NULL;
}

bool sync_book_name_columns(struct sync *sync, uint32_t line, uint32_t but, const struct source_column *columns,
                            const char *const *was, uint32_t count)
{
    struct sync_book *book = &sync->book;
    char **others = base_alloc_zero((size_t)count + 1, sizeof *others); /* of columns that went and had the name */
    bool ok = others;
    for (uint32_t c = 0; c < count && ok; c++) { /* all first, as the line has them before */
        if (was[c] && base_fold_compare(was[c], columns[c].name) == 0)
            continue;
        others[c] = dropped_name(book, line, columns, count, columns[c].name);
        ok = others[c];
    }
    for (size_t g = 0; g < book->count && ok; g++) {
        struct sync_generation *generation = book->generations[g];
        for (uint32_t n = 0; generation->line == line && generation->number != but && n < generation->name_count && ok;
             n++) {
            const char *name = name_of_now(columns, was, others, count, generation->names[n]);
            ok = !name || set_text(&generation->names[n], name);
        }
    }
    for (uint32_t c = 0; others && c < count; c++)
        base_free(others[c]);
    base_free(others);
    return ok;
}

/* ---- Books from before there were lines (4.). ---------------------------------------------------------------------- */

static bool part_names(const struct sync_book *book, struct sync_generation *generation)
{
    bool ok = true;
    for (uint32_t n = 0; n < generation->name_count && ok; n++)
        for (uint32_t o = n + 1; o < generation->name_count && ok; o++)
            if (base_fold_compare(generation->names[o], generation->names[n]) == 0) {
                char *one = dropped_name(book, generation->line, NULL, 0, generation->names[n]);
                ok = one && set_text(&generation->names[n], one);
                char *two = ok ? dropped_name(book, generation->line, NULL, 0, generation->names[o]) : NULL;
                ok = two && set_text(&generation->names[o], two);
                base_free(one);
                base_free(two);
            }
    return ok;
}

void sync_book_raise_kept(struct sync_generation *generation, int64_t us, int64_t seq)
{
    bool never = generation->kept_us == HISTORY_KEPT_NEVER; /* until now */
    generation->kept_us = us > generation->kept_us || never ? us : generation->kept_us;
    generation->kept_seq = seq > generation->kept_seq || never ? seq : generation->kept_seq;
}

static void tell_from(struct sync_book *book, const char *table, int64_t us, int64_t seq)
{
    for (size_t g = 0; g < book->count; g++) {
        struct sync_generation *generation = book->generations[g];
        if (base_fold_compare(generation->table, table) == 0 && generation->kept_us != HISTORY_KEPT_NEVER)
            sync_book_raise_kept(generation, us, seq);
    }
}

static void join(struct sync_book *book, struct sync_generation *generation, uint32_t line)
{
    for (size_t g = 0; g < book->count; g++)
        if (book->generations[g]->line == line)
            book->generations[g]->line = generation->number;
}

/* What went on with a generation has a higher number. */
bool sync_book_find_lines(struct sync_book *book, bool *old)
{
    bool ok = true;
    *old = false;
    for (size_t g = book->count; g-- > 0;) {
        struct sync_generation *generation = book->generations[g], *heir = NULL;
        if (generation->line != 0)
            continue;
        *old = true;
        generation->line = generation->number;
        for (size_t o = g + 1; o < book->count && !heir; o++)
            if (base_fold_compare(book->generations[o]->table, generation->table) == 0)
                heir = book->generations[o];
        if (heir && !generation->current)
            join(book, generation, heir->line);
        else if (heir)
            tell_from(book, generation->table, generation->gone_us ? generation->gone_us : heir->began_us,
                      generation->gone_seq);
    }
    for (size_t g = 0; g < book->count && *old && ok; g++)
        ok = part_names(book, book->generations[g]);
    return ok;
}
