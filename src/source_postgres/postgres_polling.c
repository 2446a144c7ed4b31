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
    *source = NULL;
    if (polling == NULL)
        return error_no_memory(error);
    polling->config = *config;
    polling->names = base_alloc_zero(config->table_count + 1, sizeof *polling->names);
    rhei_status status = postgres_stop_init(&polling->stop, error);
    if (status == RHEI_OK && polling->names == NULL)
        status = error_no_memory(error);
    if (status != RHEI_OK) {
        close_polling(polling);
        return status;
    }
    for (size_t t = 0; t < config->table_count; t++)
        polling->names[t] = config->tables[t].name;
    polling->wanted = (struct postgres_wanted){polling->names, config->table_count, false, NULL};
    polling->wishes = (struct postgres_wishes){config->tables, config->table_count, config->soft_delete};
    const struct poll_config poll = {.open = postgres_reader_open,
                                     .close = close_polling,
                                     .interrupt = interrupt_polling,
                                     .context = polling,
                                     .log = config->log,
                                     .page_rows = config->page_rows,
                                     .deletes = config->full_diff,
                                     .every = config->full_diff ? config->every : 0};
    return poll_source_open(&poll, source, error);
}
