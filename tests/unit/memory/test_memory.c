/* SPDX-License-Identifier: BSD-2-Clause */
/* memory/: the address map, checked copies, code pages and the dirty log. */
#include "../cmocka_all.h"

#include "memory/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int heap_allocate(const char *name, u64 size, u8 **host, int *fd, struct err *e)
{
    (void)name;
    (void)e;
    *host = calloc(1, size);
    *fd = -1;
    return *host ? 0 : -ENOMEM;
}

static void heap_release(u8 *host, u64 size, int fd)
{
    (void)size;
    (void)fd;
    free(host);
}

static struct guest_memory *make(void)
{
    struct ram_provider p = {heap_allocate, heap_release};
    struct guest_memory *m;
    assert_int_equal(guest_memory_create(&m, &p, NULL), 0);
    assert_int_equal(guest_memory_add(m, "high", 0x100000, 0x4000, false, NULL), 0);
    assert_int_equal(guest_memory_add(m, "low", 0, 0x3000, false, NULL), 0);
    assert_int_equal(guest_memory_add(m, "more", 0x3000, 0x1000, false, NULL), 0);
    assert_int_equal(guest_memory_add(m, "rom", 0xf0000, 0x1000, true, NULL), 0);
    return m;
}

static void blocks_are_sorted_and_never_overlap(void **state)
{
    (void)state;
    struct guest_memory *m = make();
    const struct ram_block *b;
    assert_int_equal(guest_memory_blocks(m, &b), 4);
    for (unsigned i = 1; i < 4; i++)
        assert_true(b[i - 1].start < b[i].start);
    assert_true(guest_memory_ram_size(m) == 0x8000);
    struct err e = {0};
    assert_int_equal(guest_memory_add(m, "x", 0x2000, 0x1000, false, &e), -EEXIST);
    assert_non_null(strstr(e.text, "low"));
    assert_int_equal(guest_memory_add(m, "x", 0xff000, 0x2000, false, NULL), -EEXIST);
    assert_int_equal(guest_memory_add(m, "x", 0x200800, 0x1000, false, NULL), -EINVAL);
    assert_int_equal(guest_memory_add(m, "x", 0x200000, 0, false, NULL), -EINVAL);
    assert_int_equal(guest_memory_add(m, "x", ~(u64)0xfff, 0x2000, false, NULL), -EINVAL);
    guest_memory_destroy(m);
}

static void copies_check_the_whole_range_first(void **state)
{
    (void)state;
    struct guest_memory *m = make();
    u8 in[32], out[32] = {0};
    memset(in, 0xa5, sizeof in);
    /* Blocks that touch are one range for copies, and two for pointers. */
    assert_int_equal(guest_memory_write(m, gpa(0x2ff0), in, 32), 0);
    assert_int_equal(guest_memory_read(m, gpa(0x2ff0), out, 32), 0);
    assert_memory_equal(in, out, 32);
    assert_null(guest_memory_ptr(m, gpa(0x2ff0), 32));
    assert_non_null(guest_memory_ptr(m, gpa(0x2ff0), 16));

    assert_int_equal(guest_memory_write(m, gpa(0x3ff0), in, 32), -EFAULT);
    assert_int_equal(guest_memory_read(m, gpa(0x3ff0), out, 16), 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(out[i], 0); /* nothing moved */
    assert_int_equal(guest_memory_read(m, gpa(~(u64)7), out, 16), -EFAULT);
    assert_int_equal(guest_memory_read(m, gpa(0x50000), out, 1), -EFAULT);
    assert_null(guest_memory_ptr(m, gpa(0x1000), ~(u64)0));
    guest_memory_destroy(m);
}

struct heard {
    unsigned events;
    struct memory_event last;
};

static void hear(void *ctx, const struct memory_event *ev)
{
    struct heard *h = ctx;
    h->events++;
    h->last = *ev;
}

static void stores_to_code_pages_are_told(void **state)
{
    (void)state;
    struct guest_memory *m = make();
    struct heard h = {0};
    guest_memory_set_listener(m, &(struct memory_listener){hear, &h});
    guest_memory_written(m, gpa(0x1000), 8);
    assert_int_equal(h.events, 0);
    guest_memory_mark_code(m, 0x1000);
    assert_true(guest_memory_is_code(m, 0x1fff));
    assert_false(guest_memory_is_code(m, 0x2000));
    assert_false(guest_memory_store_is_free(m, 0x1008));
    assert_true(guest_memory_store_is_free(m, 0x2008));
    assert_false(guest_memory_store_is_free(m, 0x50000)); /* no RAM there */
    guest_memory_written(m, gpa(0x2000), 8);
    assert_int_equal(h.events, 0);
    guest_memory_written(m, gpa(0xffc), 8); /* its last bytes reach the page */
    assert_int_equal(h.events, 1);
    assert_int_equal(h.last.kind, MEMORY_CODE_WRITTEN);
    assert_true(h.last.start == 0xffc && h.last.size == 8);
    assert_int_equal(guest_memory_write(m, gpa(0x1800), "x", 1), 0);
    assert_int_equal(h.events, 2);
    guest_memory_clear_code(m, 0x1000);
    guest_memory_written(m, gpa(0x1000), 8);
    assert_int_equal(h.events, 2);
    guest_memory_destroy(m);
}

static void dirty_log_holds_each_written_page_once(void **state)
{
    (void)state;
    struct guest_memory *m = make();
    const struct ram_block *b;
    guest_memory_blocks(m, &b); /* b[0] is low: pages 0..2 */
    u64 bits = ~(u64)0;
    guest_memory_written(m, gpa(0), 1);
    assert_int_equal(guest_memory_log_start(m, NULL), 0);
    assert_false(guest_memory_store_is_free(m, 0x1000));
    guest_memory_written(m, gpa(0x1fff), 2);
    assert_true(guest_memory_store_is_free(m, 0x1000));
    guest_memory_log_fetch(m, &b[0], &bits);
    assert_true(bits == 6);
    assert_false(guest_memory_store_is_free(m, 0x1000)); /* counts again */
    guest_memory_log_fetch(m, &b[0], &bits);
    assert_true(bits == 0);
    guest_memory_log_stop(m);
    guest_memory_written(m, gpa(0x1000), 8);
    assert_int_equal(guest_memory_log_start(m, NULL), 0);
    guest_memory_log_fetch(m, &b[0], &bits);
    assert_true(bits == 0);
    guest_memory_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_sorted_and_never_overlap),
        cmocka_unit_test(copies_check_the_whole_range_first),
        cmocka_unit_test(stores_to_code_pages_are_told),
        cmocka_unit_test(dirty_log_holds_each_written_page_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
