/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_settings.h
 * What a service is set to: the file of --config, RHEI_... of the environment over it, options of the line over both.
 */
#ifndef RH_SERVE_SETTINGS_H
#define RH_SERVE_SETTINGS_H

#include "rh_tool.h"

enum { RH_OVERRIDES_MOST = 96 };

struct rh_service_settings {
    struct rhei_override overrides[RH_OVERRIDES_MOST];
    char *texts[RH_OVERRIDES_MOST]; /* their origins */
    size_t override_count;
    char max_connections[24];     /* a value that the line gives as a number */
    struct rhei_effective **list; /* of them and the file together */
    size_t count;
};

/** Reads all of it, without opening a database. False: the error was told. */
bool rh_service_settings_read(const struct rh_tool *tool, struct rh_service_settings *settings);
/** The same; the error isn't told. */
rhei_status rh_service_settings_try(const struct rh_tool *tool, struct rh_service_settings *settings,
                                    struct rhei_error *error);
void rh_service_settings_free(struct rh_service_settings *settings);
/** A setting of [engine] as TOML writes it; "" where it isn't set. Borrowed. */
const char *rh_service_setting(const struct rh_service_settings *settings, const char *name);
/** Where it was set: "rhei.toml:7", "--http", "environment RHEI_HTTP_LISTEN"; "default". Borrowed. */
const char *rh_service_origin(const struct rh_service_settings *settings, const char *name);
int64_t rh_service_number(const struct rh_service_settings *settings, const char *name);
/** Tells an error of a setting with its place in front: "rhei.toml:7: http_listen: ...". False, always. */
bool rh_service_refuse(const struct rh_tool *tool, const struct rh_service_settings *settings, const char *name,
                       const char *message, const char *code);
/** A text without its quotes; NULL where it isn't set. The caller frees it. */
char *rh_service_text(const struct rh_service_settings *settings, const char *name);
/** The database file that it says, NULL where there is none (sidecars alone). The caller frees it. */
char *rh_service_database(const struct rh_tool *tool, const struct rh_service_settings *settings);

#endif
