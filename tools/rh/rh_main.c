/* SPDX-License-Identifier: Apache-2.0 */
/* rh: Rhei from the command line. */
#include "rh_agent.h"
#include "rh_interrupt.h"
#include "rh_tool.h"

#include <locale.h>
#include <stdio.h>
#include <unistd.h>

static int run_help(const struct rh_args *args, int argc)
{
    fputs(rh_help_text(args->help_of), argc > 1 ? stdout : stderr);
    return argc > 1 ? RH_EXIT_OK : RH_EXIT_USAGE;
}

static int run_version(void)
{
    printf("rh %s\n", rhei_version());
    return RH_EXIT_OK;
}

static int run(struct rh_tool *tool, int argc)
{
    switch (tool->args->command) {
    case RH_COMMAND_EXEC:
        return rh_exec_command(tool);
    case RH_COMMAND_QUERY:
        return rh_query_command(tool);
    case RH_COMMAND_SYNC:
        return rh_sync_command(tool);
    case RH_COMMAND_STATUS:
        return rh_status_command(tool);
    case RH_COMMAND_INFO:
        return rh_info_command(tool);
    case RH_COMMAND_IMPORT:
        return rh_import_command(tool);
    case RH_COMMAND_EXPORT:
        return rh_export_command(tool);
    case RH_COMMAND_VERIFY:
        return rh_verify_command(tool);
    case RH_COMMAND_REPAIR:
        return rh_repair_command(tool);
    case RH_COMMAND_BACKUP:
        return rh_backup_command(tool);
    case RH_COMMAND_DETACH:
        return rh_detach_command(tool);
    case RH_COMMAND_CHANGES:
        return rh_changes_command(tool);
    case RH_COMMAND_SETTINGS:
        return rh_settings_command(tool);
    case RH_COMMAND_CONFIG:
        return rh_config_command(tool);
    case RH_COMMAND_SERVE:
        return rh_serve_command(tool);
    case RH_COMMAND_REPL:
        return rh_repl_command(tool);
    case RH_COMMAND_MCP:
        return rh_mcp_command(tool);
    case RH_COMMAND_AGENT:
        return rh_agent_command(tool);
    case RH_COMMAND_DASHBOARD:
        return rh_dashboard_command(tool);
    case RH_COMMAND_VERSION:
        return run_version();
    default:
        return run_help(tool->args, argc);
    }
}

int main(int argc, char **argv)
{
    struct rh_args args;
    struct rh_buffer why = {0};
    setlocale(LC_CTYPE, ""); /* only characters: numbers keep their point */
    struct rh_tool tool = {.args = &args, .out = rh_terminal_of(stdout), .err = rh_terminal_of(stderr)};
    int code;
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (rh_args_read(&args, argc, argv, terminal, &why)) {
        rh_interrupt_start();
        code = rh_finish_output(&tool, run(&tool, argc));
    } else {
        code = RH_EXIT_USAGE;
        bool known = args.command < RH_COMMAND_HELP;
        rh_tell(&tool, "%s (rh help%s%s tells more)", why.bytes, known ? " " : "",
                known ? rh_command_names[args.command] : "");
    }
    rh_args_free(&args);
    rh_buffer_free(&why);
    return code;
}
