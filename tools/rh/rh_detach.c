/* SPDX-License-Identifier: Apache-2.0 */
/* rh detach: takes change capture out of a file. */
#include "rh_tool.h"

int rh_detach_command(struct rh_tool *tool)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_detach(tool->args->db, tool->args->config, &error) != RHEI_OK) {
        rh_tell_error(tool, &error);
        return RH_EXIT_ERROR;
    }
    puts("Nothing of Rhei's is in the file any more.");
    return rh_finish_output(tool, RH_EXIT_OK);
}
