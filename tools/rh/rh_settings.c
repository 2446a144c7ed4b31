/* SPDX-License-Identifier: Apache-2.0 */
/* rh settings: the engine's own table of settings. */
#include "rh_statements.h"
#include "rh_writer.h"

#include <string.h>

static struct rhei_value text_or_null(const char *text)
{
    return text[0] == '\0' ? rhei_null() : rhei_text(text);
}

int rh_settings_command(struct rh_tool *tool)
{
    static const char *const names[] = {"setting", "type",        "unit",  "range",
                                        "default", "rhei_config", "since", "effect"};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_output output = {.terminal = tool->out,
                               .null_text = "",
                               .no_header = tool->args->import.no_header,
                               .width = (size_t)tool->args->width};
    if (!rh_check_format(tool))
        return RH_EXIT_ERROR;
    /* sentences: a table of them is wider than most terminals */
    bool lines = tool->args->format == RH_FORMAT_DEFAULT && tool->out.present && tool->args->width == 0;
    enum rh_format format = lines ? RH_FORMAT_VERTICAL : rh_effective_format(tool);
    struct rh_writer *writer = rh_writer_open(format, stdout, &output, names, 8);
    struct rhei_setting setting = {.struct_size = sizeof setting};
    rhei_status status = RHEI_OK;
    for (size_t at = 0; (status = rhei_setting_at(at, &setting, &error)) == RHEI_OK; at++) {
        if (!setting.offered)
            continue;
        char name[80];
        bool engine = strcmp(setting.section, "engine") == 0;
        snprintf(name, sizeof name, "%s%s%s", engine ? "" : setting.section, engine ? "" : ".", setting.name);
        const struct rhei_value row[] = {
            rhei_text(name),
            rhei_text(setting.type),
            text_or_null(setting.unit),
            text_or_null(setting.range),
            text_or_null(setting.initial),
            text_or_null(setting.field),
            rhei_text(setting.since),
            rhei_text(setting.effect),
        };
        rh_writer_row(writer, row);
    }
    rh_writer_close(&writer);
    if (status == RHEI_DONE)
        return rh_finish_output(tool, RH_EXIT_OK);
    rh_tell_error(tool, &error);
    return RH_EXIT_ERROR;
}
