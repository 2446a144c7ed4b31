/* SPDX-License-Identifier: Apache-2.0 */
#include "store_s3/s3_xml.h"

#include "s3_stores.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"

static struct s3_xml of(const char *text)
{
    return (struct s3_xml){text, text + strlen(text)};
}

static void test_elements_are_found_by_their_whole_name(void **state)
{
    (void)state;
    char text[20];
    struct s3_xml xml = of("<?xml version=\"1.0\"?><R "
                           "xmlns=\"x/\"><KeyCount>2</KeyCount><C><Key>a</Key></C><C><Key>b</Key></C><E/></R>"),
                  one;
    assert_true(s3_xml_text(xml, "Key", text, sizeof text));
    assert_string_equal(text, "a");
    assert_true(s3_xml_next(&xml, "C", &one));
    assert_true(s3_xml_next(&xml, "C", &one));
    assert_true(s3_xml_text(one, "Key", text, sizeof text));
    assert_string_equal(text, "b");
    assert_false(s3_xml_next(&xml, "C", &one));
    assert_true(s3_xml_text(xml, "E", text, sizeof text));
    assert_string_equal(text, "");
    assert_false(s3_xml_text(xml, "None", text, sizeof text));
}

static void test_entities_are_resolved(void **state)
{
    (void)state;
    char text[20];
    assert_true(s3_xml_text(of("<K>a&amp;b&lt;&#34;&#x2F;&quot;&apos;&gt;&</K>"), "K", text, sizeof text));
    assert_string_equal(text, "a&b<\"/\"'>&");
    assert_false(s3_xml_text(of("<K>0123456789012345678901234</K>"), "K", text, sizeof text));
    assert_string_equal(text, "");
}

static void test_times_are_read(void **state)
{
    (void)state;
    assert_int_equal(s3_xml_time("2013-05-24T00:00:00.000Z"), 1369353600);
    assert_int_equal(s3_xml_time("2024-02-29T23:59:59Z"), 1709251199);
    assert_int_equal(s3_xml_time("yesterday"), 0);
}

/* Whatever bytes come: nothing is read that isn't there (the sanitizers look), and nothing hangs. */
static void test_any_bytes_are_survived(void **state)
{
    (void)state;
    static const char *const pieces[] = {"<", ">",   "</",   "/>",  "K", "&", "&#",
                                         ";", "<K>", "</K>", "&#x", "1", " ", "&amp;"};
    uint64_t seed = base_random_u64();
    print_message("# seed %llu\n", (unsigned long long)seed);
    srandom((unsigned)seed);
    for (int i = 0; i < 20000; i++) {
        char bytes[100] = "";
        for (int n = (int)(random() % 15); n > 0; n--)
            strcat(bytes, pieces[(size_t)random() % (sizeof pieces / sizeof *pieces)]);
        size_t len = strlen(bytes);
        char *copy = malloc(len + 1), text[5]; /* so that a byte behind is seen */
        memcpy(copy, bytes, len);
        struct s3_xml xml = {copy, copy + len}, inside;
        (void)s3_xml_text(xml, "K", text, sizeof text);
        while (s3_xml_next(&xml, "K", &inside))
            assert_true(inside.at <= inside.end && inside.end <= copy + len);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements_are_found_by_their_whole_name),
        cmocka_unit_test(test_entities_are_resolved),
        cmocka_unit_test(test_times_are_read),
        cmocka_unit_test(test_any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
