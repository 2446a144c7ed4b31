/* SPDX-License-Identifier: Apache-2.0 */
#include "datafusion_fixture.h"

void fixture_open_executor(struct fixture *fixture, const struct datafusion_executor_config *config)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (fixture->executor != NULL)
        fixture->executor->ops->close(&fixture->executor);
    must(datafusion_executor_open(config, &fixture->executor, &error), &error);
}

int fixture_set_up(void **state)
{
    struct fixture *fixture = fixture_begin();
    struct datafusion_executor_config config = {.threads = 2, .memory_limit = (size_t)1 << 30};
    fixture_open_executor(fixture, &config);
    *state = fixture;
    return 0;
}
