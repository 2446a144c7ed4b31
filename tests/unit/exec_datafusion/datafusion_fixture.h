/* SPDX-License-Identifier: Apache-2.0 */
/* A real mirror with a real DataFusion over it. */
#ifndef TESTS_DATAFUSION_FIXTURE_H
#define TESTS_DATAFUSION_FIXTURE_H

#include "exec_datafusion/datafusion_executor.h"
#include "tests/support/executor_fixture.h"

void fixture_open_executor(struct fixture *fixture, const struct datafusion_executor_config *config);

#endif
