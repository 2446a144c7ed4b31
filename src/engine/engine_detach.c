/* SPDX-License-Identifier: Apache-2.0 */
/* Taking Rhei out of a file. */
#include "config/config_settings.h"
#include "engine/engine_internal.h"

static rhei_status detach(const char *path, const char *config_file, const struct oltp_stop *stop,
                          struct rhei_error *error)
{
    if (path != NULL || config_file == NULL)
        return capture_detach(path == NULL ? "rhei.db" : path, stop, error);
    struct config_settings *settings = NULL;
    rhei_status status = config_load(config_file, &settings, error);
    if (status == RHEI_OK)
        status = config_offered(settings, error);
    if (status == RHEI_OK && !config_has_local(settings))
        status =
            error_set(error, RHEI_UNSUPPORTED,
                      "the settings name sidecars alone, so there is no file of one's own that change capture could "
                      "be taken out of; nothing is ever put into a source");
    if (status == RHEI_OK)
        status = capture_detach(settings->engine.oltp_path, stop, error);
    config_free(&settings);
    return status;
}

rhei_status rhei_detach(const char *path, const char *config_file, struct rhei_error *error)
{
    return rhei_detach_with(path, config_file, NULL, error);
}

rhei_status rhei_detach_with(const char *path, const char *config_file, const struct rhei_call_options *options,
                             struct rhei_error *error)
{
    struct engine_limits limits;
    struct engine_ticker *ticker = NULL; /* there is no handle that has one */
    error_clear(error);
    rhei_status status = engine_ticker_open(&ticker, error);
    if (status == RHEI_OK)
        status = engine_limits_of_call(ticker, &limits, options, error);
    if (status == RHEI_OK) {
        struct oltp_stop stop;
        const struct oltp_stop *given = engine_stop(&limits, &stop);
        base_progress_step(engine_limits_counts(&limits), "removing change capture", NULL, BASE_PROGRESS_STEPS, -1);
        status = detach(path, config_file, given, error);
        engine_limits_reset(&limits);
    }
    engine_ticker_close(&ticker);
    return status;
}
