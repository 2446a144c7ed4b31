/* SPDX-License-Identifier: Apache-2.0 */
#include "datafusion_fixture.h"

const struct executor_words fixture_words = {
    .type_of = "arrow_typeof",
    .integer = "Int64",
    .real = "Float64",
    .text = "Utf8View",
    .blob = "BinaryView",
    .long_blob =
        "arrow_cast(X'00206120424c4f422074686174206973206c6f6e676572207468616e2077686174206c69657320696e6c696e65', "
        "'BinaryView')",
    .endless = "SELECT sum(a.v * b.v % 7) FROM mirror_scan(1, 0) a, mirror_scan(1, 1) b",
    .endless_sort =
        "SELECT a.v * b.v AS h FROM mirror_scan(1, 0) a, mirror_scan(1, 1) b ORDER BY h DESC LIMIT 5 OFFSET "
        "100000000",
    .values = {"$p0", "$p1"},
    .text_value = "$p0",
};

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
