/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is asked for in huge pages: what it holds and may do does not depend on getting any.
 */
#include "../cmocka_all.h"
#include "base/mem.h"
#include "base/os.h"

#include <stdio.h>
#include <string.h>

enum { MIB = 1 << 20, RET = 0xc3 };

/* The access rights of the mapping that p is in, as /proc says them; "" for none. */
static void rights_of(const void *p, char rights[5])
{
    char line[512];
    FILE *f = fopen("/proc/self/maps", "re");
    assert_non_null(f);
    rights[0] = '\0';
    while (fgets(line, sizeof line, f)) {
        unsigned long from, to;
        char r[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, r) == 3 && (uintptr_t)p >= from &&
            (uintptr_t)p < to)
            memcpy(rights, r, sizeof r);
    }
    fclose(f);
}

static void mapped_memory_is_zero_aligned_and_goes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4096, 2 * MIB, 5 * MIB + 1};
    char rights[5];
    for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        u8 *p = mem_map(sizes[k]);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (2 * MIB), 0);
        assert_int_equal(p[0] | p[sizes[k] - 1], 0);
        memset(p, 1, sizes[k]);
        mem_unmap(p, sizes[k]);
        rights_of(p, rights);
        assert_string_equal(rights, "");
        rights_of(p + sizes[k] - 1, rights);
        assert_string_equal(rights, "");
    }
    mem_unmap(NULL, 1);
    assert_null(mem_map(SIZE_MAX));
}

/* Code stays what it was when its pages become huge ones, at both addresses, and what is written
 * afterwards is there too. */
static void code_survives_becoming_huge(void **state)
{
    (void)state;
    struct os_code c;
    struct err e = {0};
    char rights[5];
    assert_int_equal(os_code_create(&c, 5 * MIB, &e), 0);
    for (size_t used = 0; used < c.size; used += 256 << 10) {
        os_code_grown(&c, used);
        c.rw[used] = RET;
        c.rw[used + 1] = (u8)(used >> 18);
        ((void (*)(void))(uintptr_t)(c.rx + used))();
    }
    for (size_t used = 0; used < c.size; used += 256 << 10) {
        assert_int_equal(c.rx[used + 1], (u8)(used >> 18));
        ((void (*)(void))(uintptr_t)(c.rx + used))();
        rights_of(c.rw + used, rights);
        assert_string_equal(rights, "rw-s");
        rights_of(c.rx + used, rights);
        assert_string_equal(rights, "r-xs");
    }
    u8 *rx = c.rx;
    os_code_destroy(&c);
    rights_of(rx, rights);
    assert_string_equal(rights, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapped_memory_is_zero_aligned_and_goes_back),
        cmocka_unit_test(code_survives_becoming_huge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
