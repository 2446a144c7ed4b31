/* SPDX-License-Identifier: Apache-2.0 */
#include "duckdb_fixture.h"

int main(void)
{
    return executor_scan_tests();
}
