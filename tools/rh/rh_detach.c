/* SPDX-License-Identifier: Apache-2.0 */
/* rh detach: takes change capture out of a file. */
#include "rh_interrupt.h"
#include "rh_tool.h"
#include "rh_waiting.h"

int rh_detach_command(struct rh_tool *tool)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = rhei_cancel_create(&tool->cancel, &error);
    struct rhei_call_options limits = rh_tool_limits(tool);
    rh_interrupt_guard(tool->cancel);
    rh_waiting_start(tool->out, tool->err, "removing change capture");
    if (status == RHEI_OK)
        status = rhei_detach_with(tool->args->db, tool->args->config, &limits, &error);
    rh_tool_close(tool);
    if (status != RHEI_OK) {
        rh_tell_error(tool, &error);
        return RH_EXIT_ERROR;
    }
    puts("Nothing of Rhei's is in the file any more.");
    return rh_finish_output(tool, RH_EXIT_OK);
}
