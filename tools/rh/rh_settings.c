/* SPDX-License-Identifier: Apache-2.0 */
/* rh settings: the engine's own table of settings. */
#include "rh_pager.h"
#include "rh_statements.h"
#include "rh_writer.h"

#include <string.h>

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
    struct rh_pager *pager = rh_pager_for(&tool->out);
    struct rh_writer *writer = rh_writer_open(rh_sentence_format(tool), rh_pager_file(pager), &output, names, 8);
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
            rh_text_or_null(setting.unit),
            rh_text_or_null(setting.range),
            rh_text_or_null(setting.initial),
            rh_text_or_null(setting.field),
            rhei_text(setting.since),
            rhei_text(setting.effect),
        };
        rh_writer_row(writer, row);
    }
    rh_writer_close(&writer);
    (void)rh_pager_close(&pager);
    if (status == RHEI_DONE)
        return rh_finish_output(tool, RH_EXIT_OK);
    rh_tell_error(tool, &error);
    return RH_EXIT_ERROR;
}
