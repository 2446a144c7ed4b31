/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes decide what the mirror goes through. LLVMFuzzerTestOneInput is the entry for a fuzzer; here it runs over random
 * inputs, half of them with runs of one byte, which random bytes alone never make.
 */
#include "base/base_clock.h"
#include "mirror_driver.h"

enum { INPUTS = 250, INPUT_BYTES = 50000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 16)
        return 0;
    struct driver_options options = {
        .bytes = data + 1, .size = size - 1, .operations = 50000, .failing_memory = data[0] % 2 == 1};
    (void)driver_run(&options);
    return 0;
}

static void test_random_bytes_break_nothing(void **state)
{
    (void)state;
    static uint8_t input[INPUT_BYTES];
    struct model_random random = {.state = base_random_u64() >> 16};
    for (uint32_t i = 0; i < INPUTS; i++) {
        print_message("# seed %llu\n", (unsigned long long)random.state);
        size_t size = 100 + model_below(&random, INPUT_BYTES - 100);
        uint8_t byte = 0;
        uint64_t left = 0;
        for (size_t b = 0; b<size; b++, left -= left> 0) {
            if (left == 0) {
                byte = (uint8_t)model_next(&random);
                left = i % 2 == 0 ? 1 : 1 + model_below(&random, 40);
            }
            input[b] = byte;
        }
        assert_int_equal(LLVMFuzzerTestOneInput(input, size), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_bytes_break_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
