/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_checking.h"

#include <stdio.h>

static void note_damaged(void *context, const char *file)
{
    struct engine_checking *checking = context;
    if (checking->first[0] == '\0')
        (void)snprintf(checking->first, sizeof checking->first, "%s", file);
}

static rhei_status goes_on(void *context, uint32_t rows, struct rhei_error *error)
{
    return engine_pace_keep(((struct engine_checking *)context)->pace, rows, error);
}

struct checkpoint_checking engine_checking_how(struct engine_checking *checking, bool condemn)
{
    return (struct checkpoint_checking){note_damaged, goes_on, checking, condemn};
}
