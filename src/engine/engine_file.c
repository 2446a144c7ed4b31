/* SPDX-License-Identifier: Apache-2.0 */
/* What the file has under a name. */
#include "base/base_map.h"
#include "engine/engine_internal.h"

const struct capture_table *engine_file_table(const struct capture_catalog *catalog, const char *name)
{
    for (uint32_t t = 0; t < catalog->table_count; t++)
        if (catalog->tables[t].schema == NULL && base_fold_compare(catalog->tables[t].source.name, name) == 0)
            return &catalog->tables[t];
    return NULL;
}

bool engine_file_has_view(const struct capture_catalog *catalog, const char *name)
{
    for (uint32_t v = 0; v < catalog->view_count; v++)
        if (base_fold_compare(catalog->views[v].name, name) == 0)
            return true;
    return false;
}

enum engine_found engine_file_find(const struct capture_catalog *catalog, const char *name)
{
    const struct capture_table *found = engine_file_table(catalog, name);
    if (found != NULL)
        return found->captured ? ENGINE_FOUND_CAPTURED : ENGINE_FOUND_TABLE;
    return engine_file_has_view(catalog, name) ? ENGINE_FOUND_OTHER : ENGINE_FOUND_NOTHING;
}
