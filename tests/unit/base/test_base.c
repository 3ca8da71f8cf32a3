/* SPDX-License-Identifier: BSD-2-Clause */
/* base/: numbers, sizes, ranges, strings, errors. */
#include "../cmocka_all.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <string.h>

static void numbers_parse_whole_strings_only(void **state)
{
    u64 v = 7;
    assert_int_equal(str_to_u64("0x1F", &v), 0);
    assert_int_equal(v, 31);
    assert_int_equal(str_to_u64("18446744073709551615", &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(str_to_u64("18446744073709551616", &v), -ERANGE);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x", "12a", "0xg"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        v = 99;
        assert_int_equal(str_to_u64(bad[i], &v), -EINVAL);
        assert_int_equal(v, 99); /* outputs only on success */
    }
}

static void sizes_take_binary_suffixes(void **state)
{
    u64 v;
    assert_int_equal(str_to_size("512", &v), 0);
    assert_int_equal(v, 512);
    assert_int_equal(str_to_size("2G", &v), 0);
    assert_true(v == 2 * GiB);
    assert_int_equal(str_to_size("3MiB", &v), 0);
    assert_true(v == 3 * MiB);
    assert_int_equal(str_to_size("17179869184G", &v), -ERANGE);
    assert_int_equal(str_to_size("1X", &v), -EINVAL);
    assert_int_equal(str_to_size("1MM", &v), -EINVAL);
}

static void ranges_do_not_wrap(void **state)
{
    assert_true(range_inside(0x1000, 0x1000, 0x1000, 0x1000));
    assert_false(range_inside(0x1000, 0x1001, 0x1000, 0x1000));
    assert_false(range_inside(UINT64_MAX, 2, 0x1000, 0x1000));
    assert_false(range_inside(0x1800, UINT64_MAX, 0x1000, 0x1000));
    assert_true(sign_extend(0x80, 8) == UINT64_MAX - 0x7f);
    assert_true(mask_low(64) == UINT64_MAX && mask_low(0) == 0);
}

static void strings_are_bounded(void **state)
{
    char small[4];
    str_copy(small, "abcdef", sizeof small);
    assert_string_equal(small, "abc");
    assert_int_equal(str_format(small, sizeof small, "%d", 123456), 3);
    assert_string_equal(small, "123");
    assert_true(str_equal("a", "a") && !str_equal("a", "ab") && !str_equal("ab", "a"));
    assert_true(mem_compare("\xff", "\x01", 1) > 0);
    assert_null(mem_alloc_array(SIZE_MAX / 2, 3));
}

static void errors_are_wrapped_once_a_layer(void **state)
{
    struct err e = {0};
    assert_int_equal(err_set(&e, ENOENT, "opening %s: %s", "x", err_name(ENOENT)), -ENOENT);
    assert_int_equal(err_wrap(&e, "loading the kernel"), -ENOENT);
    assert_string_equal(e.text, "loading the kernel: opening x: No such file or directory");
    assert_int_equal(err_set(NULL, -EIO, "nobody listens"), -EIO);
    for (int i = 0; i < 100; i++)
        err_wrap(&e, "a long prefix that is added again and again");
    assert_true(strlen(e.text) < sizeof e.text);
}

static void lists_link_and_unlink(void **state)
{
    struct list head, a, b;
    list_init(&head);
    list_push_back(&head, &a);
    list_push_front(&head, &b);
    assert_ptr_equal(head.next, &b);
    list_remove(&b);
    assert_true(list_empty(&b));
    assert_ptr_equal(head.next, &a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_parse_whole_strings_only),
        cmocka_unit_test(sizes_take_binary_suffixes),
        cmocka_unit_test(ranges_do_not_wrap),
        cmocka_unit_test(strings_are_bounded),
        cmocka_unit_test(errors_are_wrapped_once_a_layer),
        cmocka_unit_test(lists_link_and_unlink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
