/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror's tables that no row store has, as port/table_reader.h wants them. Any thread, but for naming sources.
 */
#ifndef MIRROR_MIRROR_TABLE_READER_H
#define MIRROR_MIRROR_TABLE_READER_H

#include "mirror/mirror.h"
#include "port/table_reader.h"

struct mirror_table_reader_config {
    struct mirror *mirror; /* borrowed */
    /* Waits until the mirror is as fresh as asked. May be NULL: it always is. */
    rhei_status (*fresh)(void *context, const struct table_freshness *freshness, struct rhei_error *error);
    void (*damaged)(void *context); /* something couldn't be read from its file; once for each cursor. May be NULL */
    void *context;
};
rhei_status mirror_table_reader_open(const struct mirror_table_reader_config *config, struct table_reader **reader,
                                     struct rhei_error *error);
/* No pin may be held. Accepts NULL. */
void mirror_table_reader_close(struct table_reader **reader);
/* The state that a pin of such a reader is, as long as it is held. */
const struct mirror_snapshot *mirror_table_reader_state(const struct table_pin *pin);
/* Shows the tables of source `number` (below TABLE_SOURCES_MOST, but for histories) under this name (copied). Before anybody pins; a name is for good. */
rhei_status mirror_table_reader_name(struct table_reader *reader, uint8_t number, const char *name,
                                     struct rhei_error *error);

#endif
