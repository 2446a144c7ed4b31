/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a handle: the configuration file first, the caller's fields over it. */
#include "engine/engine_internal.h"

rhei_status engine_config_load(struct rhei_db *db, const char *path, struct rhei_error *error)
{
    db->path = base_strdup(path != NULL ? path : "rhei.db");
    if (db->config.olap_path != NULL)
        db->olap_path = base_strdup(db->config.olap_path);
    if (db->path == NULL || (db->config.olap_path != NULL && db->olap_path == NULL))
        return error_no_memory(error);
    db->config.olap_path = db->olap_path;
    return RHEI_OK;
}
