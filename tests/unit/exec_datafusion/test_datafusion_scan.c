/* SPDX-License-Identifier: Apache-2.0 */
#include "datafusion_fixture.h"

#include <math.h>

/* F6. Neither may enter a plan: their columns fail whoever reads them, and nobody else. */
static void test_q2_a_negative_zero_or_an_infinity_is_never_read(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "id I, zero R, beyond R, mixed N");
    struct rows rows = {0};
    rows_add(&rows, (struct rhei_value[]){value_int(1), value_real(-0.0), value_real(1.5), value_int(4)}, 4);
    rows_add(&rows,
             (struct rhei_value[]){value_int(2), value_real(2.5), value_real((double)INFINITY), value_real(-0.0)}, 4);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    assert_answer(fixture, "SELECT count(*), sum(id) FROM mirror_scan(1, 0)", "2|3");
    assert_fails(fixture, "SELECT zero FROM mirror_scan(1, 0)", RHEI_SQL, "\"zero\"");
    assert_fails(fixture, "SELECT min(beyond) FROM mirror_scan(1, 0)", RHEI_SQL, "infinity");
    assert_fails(fixture, "SELECT mixed FROM mirror_scan(1, 0)", RHEI_SQL, "negative zero");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q2_a_negative_zero_or_an_infinity_is_never_read, fixture_set_up,
                                        fixture_tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + executor_scan_tests();
}
