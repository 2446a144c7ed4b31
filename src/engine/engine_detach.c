/* SPDX-License-Identifier: Apache-2.0 */
/* Taking Rhei out of a file. */
#include "config/config_settings.h"
#include "engine/engine_internal.h"

rhei_status rhei_detach(const char *path, const char *config_file, struct rhei_error *error)
{
    error_clear(error);
    if (path != NULL || config_file == NULL)
        return capture_detach(path == NULL ? "rhei.db" : path, error);
    struct config_settings *settings = NULL;
    rhei_status status = config_load(config_file, &settings, error);
    if (status == RHEI_OK)
        status = config_offered(settings, error);
    if (status == RHEI_OK)
        status = capture_detach(settings->engine.oltp_path, error);
    config_free(&settings);
    return status;
}
