/* SPDX-License-Identifier: Apache-2.0 */
/* rh config: every setting that a service would have, and where it is from; with --explain what each does, too. */
#include "rh_pager.h"
#include "rh_serve_settings.h"
#include "rh_statements.h"
#include "rh_writer.h"

#include <string.h>

int rh_config_command(struct rh_tool *tool)
{
    static const char *const names[] = {"setting", "value", "origin", "meaning"};
    struct rh_service_settings settings;
    struct rh_output output = {.terminal = tool->out,
                               .null_text = "",
                               .no_header = tool->args->import.no_header,
                               .width = (size_t)tool->args->width};
    if (!rh_check_format(tool) || !rh_service_settings_read(tool, &settings))
        return RH_EXIT_ERROR;
    enum rh_format format = tool->args->explain ? rh_sentence_format(tool) : rh_effective_format(tool);
    struct rh_pager *pager = rh_pager_for(&tool->out);
    struct rh_writer *writer =
        rh_writer_open(format, rh_pager_file(pager), &output, names, tool->args->explain ? 4 : 3);
    for (size_t at = 0; at < settings.count; at++) {
        const struct rhei_effective *setting = settings.list[at];
        struct rh_buffer name = {0};
        bool engine = strcmp(setting->section, "engine") == 0;
        rh_buffer_format(&name, "%s%s%s", engine ? "" : setting->section, engine ? "" : ".", setting->name);
        const struct rhei_value row[] = {
            rhei_text(name.bytes),
            rh_text_or_null(setting->value),
            rhei_text(setting->origin),
            rh_text_or_null(setting->effect),
        };
        rh_writer_row(writer, row);
        rh_buffer_free(&name);
    }
    rh_writer_close(&writer);
    (void)rh_pager_close(&pager);
    rh_service_settings_free(&settings);
    return rh_finish_output(tool, RH_EXIT_OK);
}
