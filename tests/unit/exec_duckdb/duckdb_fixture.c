/* SPDX-License-Identifier: Apache-2.0 */
#include "duckdb_fixture.h"

const struct executor_words fixture_words = {
    .type_of = "typeof",
    .integer = "BIGINT",
    .real = "DOUBLE",
    .text = "VARCHAR",
    .blob = "BLOB",
    .long_blob = "'\\x00 a BLOB that is longer than what lies inline'::BLOB",
    .endless = "SELECT sum(i % 7) FROM range(100000000000) t(i)",
    .endless_sort = "SELECT * FROM (SELECT hash(i) h FROM range(400000000) t(i)) ORDER BY h LIMIT 5 OFFSET 1000000",
    .values = {"prm_int(0)", "prm_int(1)"},
    .text_value = "prm_text(0)",
    .recursive =
        "WITH RECURSIVE r(n, v) AS (SELECT 1, (SELECT max(version) FROM mirror_scan(1, 0)) UNION ALL SELECT n + 1, "
        "(SELECT min(version) FROM mirror_scan(2, 1) m WHERE m.id < 6000 + r.n) FROM r WHERE n < 5) "
        "SELECT count(DISTINCT v), 5995 + count(*) FROM r",
};

void fixture_open_executor(struct fixture *fixture, const struct duckdb_executor_config *config)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (fixture->executor != NULL)
        fixture->executor->ops->close(&fixture->executor);
    must(duckdb_executor_open(config, &fixture->executor, &error), &error);
}

int fixture_set_up(void **state)
{
    struct fixture *fixture = fixture_begin();
    struct duckdb_executor_config config = {.threads = 2, .memory_limit = (size_t)1 << 30};
    fixture_open_executor(fixture, &config);
    *state = fixture;
    return 0;
}
