/* SPDX-License-Identifier: Apache-2.0 */
/* A source that polls: `poll` over readers of the database. */
#include "base/base_error.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_reader.h"

static void close_polling(void *context)
{
    struct postgres_polling *polling = context;
    postgres_stop_reset(&polling->stop);
    base_free(polling->names);
    base_free(polling);
}

static void interrupt_polling(void *context)
{
    struct postgres_polling *polling = context;
    postgres_stop_now(&polling->stop);
}

rhei_status source_postgres_poll(const struct source_postgres_polling *config, struct change_source **source,
                                 struct rhei_error *error)
{
    struct postgres_polling *polling = base_alloc_zero(1, sizeof *polling);
    const struct poll_wishes *wishes = &config->wishes;
    *source = NULL;
    if (polling == NULL)
        return error_no_memory(error);
    polling->config = *config;
    polling->names = base_alloc_zero(wishes->table_count + 1, sizeof *polling->names);
    rhei_status status = postgres_stop_init(&polling->stop, error);
    if (status == RHEI_OK && polling->names == NULL)
        status = error_no_memory(error);
    if (status != RHEI_OK) {
        close_polling(polling);
        return status;
    }
    for (size_t t = 0; t < wishes->table_count; t++)
        polling->names[t] = wishes->tables[t].name;
    polling->wanted = (struct postgres_wanted){polling->names, wishes->table_count, false, NULL};
    const struct poll_config poll = {.open = postgres_reader_open,
                                     .close = close_polling,
                                     .interrupt = interrupt_polling,
                                     .context = polling,
                                     .log = config->log,
                                     .page_rows = wishes->page_rows,
                                     .deletes = wishes->full_diff,
                                     .seldom = wishes->seldom,
                                     .every = wishes->full_diff ? wishes->every : 0};
    return poll_source_open(&poll, source, error);
}
