/* SPDX-License-Identifier: BSD-2-Clause */
/* Data access: segment limits and types, alignment, MMIO, code pages, read-modify-write, the store
 * buffer. */
#include "world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A segment, an access, and what comes of it: linear offset, or the vector raised. */
static void segment_checks(void **state)
{
    enum { OK = 0, GP = X86_GP, SS = X86_SS_FAULT };
    enum {
        RW = 0x093,
        RO = 0x091,
        DOWN16 = 0x097,
        DOWN32 = 0x497,
        XO = 0x099,
        XR = 0x09b,
        ABSENT = X86_SEG_UNUSABLE
    };
    static const struct {
        unsigned seg, attr;
        u32 limit;
        u64 off;
        u8 size;
        enum x86_access access;
        unsigned want;
    } rows[] = {
        {X86_DS, RW, 0xfff, 0xffc, 4, X86_READ, OK},
        {X86_DS, RW, 0xfff, 0xffd, 4, X86_READ, GP},
        {X86_SS, RW, 0xfff, 0xffd, 4, X86_READ, SS},
        {X86_DS, RW, 0xfff, 0xfff, 1, X86_WRITE, OK},
        {X86_DS, RW, 0xfff, 0x1000, 1, X86_WRITE, GP},
        {X86_DS, RW, 0, 0, 1, X86_READ, OK},
        {X86_DS, RW, 0, 0, 2, X86_READ, GP},
        {X86_DS, RW, 0xffffffff, 0xfffffffc, 4, X86_READ, OK},
        {X86_DS, RO, 0xfff, 0, 4, X86_READ, OK},
        {X86_DS, RO, 0xfff, 0, 4, X86_WRITE, GP},
        {X86_ES, XO, 0xfff, 0, 4, X86_READ, GP},
        {X86_ES, XR, 0xfff, 0, 4, X86_READ, OK},
        {X86_ES, XR, 0xfff, 0, 4, X86_WRITE, GP},
        {X86_DS, ABSENT, 0xffffffff, 0, 1, X86_READ, GP},
        {X86_SS, ABSENT, 0xffffffff, 0, 1, X86_READ, SS},
        {X86_DS, DOWN16, 0xfff, 0xfff, 1, X86_READ, GP},
        {X86_DS, DOWN16, 0xfff, 0x1000, 4, X86_READ, OK},
        {X86_DS, DOWN16, 0xfff, 0xfffe, 2, X86_READ, OK},
        {X86_DS, DOWN16, 0xfff, 0xffff, 2, X86_READ, GP},
        {X86_SS, DOWN32, 0xfff, 0x10000, 2, X86_WRITE, OK},
        {X86_SS, DOWN32, 0xfff, 0x800, 2, X86_WRITE, SS},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_reset(w);
        world_protected(w, 0);
        w->cpu.s.seg[rows[i].seg] = (struct x86_segment){
            .base = 0x1000, .limit = rows[i].limit, .sel = SEL_FREE, .attr = (u16)rows[i].attr};
        x86_cpu_derive(&w->cpu);
        u64 lin = 0;
        int r = x86_linear(&w->cpu, rows[i].seg, rows[i].off, rows[i].size, rows[i].access, &lin);
        if (rows[i].want == OK ? r != X86_OK || lin != (u32)(0x1000 + rows[i].off)
                               : r != X86_EXCEPTION || w->cpu.fault.vector != rows[i].want ||
                                     w->cpu.fault.error != 0)
            fail_msg("row %zu: result %d vector %u lin %llx", i, r, w->cpu.fault.vector,
                     (unsigned long long)lin);
    }
}

/* Real mode: 64 KiB, and #SS with SS as base. */
static void real_mode_limit(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_real(w);
    w->cpu.s.gpr[X86_RBX] = w->cpu.s.gpr[X86_RBP] = 0xffff;
    assert_int_equal(RUN_FAULT(w, 0x8b, 0x07), FAULT(X86_GP, 0));             /* mov ax, [bx] */
    assert_int_equal(RUN_FAULT(w, 0x8b, 0x46, 0x00), FAULT(X86_SS_FAULT, 0)); /* mov ax, [bp] */
    assert_int_equal(RUN_FAULT(w, 0x8a, 0x07), NO_FAULT);                     /* mov al, [bx] */
}

static void canonical(void **state)
{
    struct world *w = *state;
    u64 v;
    world_reset(w);
    world_long(w, 0);
    assert_int_equal(x86_load(&w->cpu, X86_DS, (u64)1 << 47, 1, &v), X86_EXCEPTION);
    assert_int_equal(w->cpu.fault.vector, X86_GP);
    assert_int_equal(x86_load(&w->cpu, X86_SS, (u64)1 << 47, 1, &v), X86_EXCEPTION);
    assert_int_equal(w->cpu.fault.vector, X86_SS_FAULT);
    /* The last byte counts too. */
    assert_int_equal(x86_load(&w->cpu, X86_DS, ((u64)1 << 47) - 4, 8, &v), X86_EXCEPTION);
    assert_int_equal(w->cpu.fault.vector, X86_GP);
}

static void alignment_check(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 3);
    w->cpu.s.gpr[X86_RBX] = AT_DATA + 1;
    assert_int_equal(RUN_FAULT(w, 0x8b, 0x03), NO_FAULT); /* mov eax, [rbx] */
    w->cpu.s.rflags |= X86_AC;
    w->cpu.s.cr0 |= X86_CR0_AM;
    x86_cpu_derive(&w->cpu);
    assert_int_equal(RUN_FAULT(w, 0x8b, 0x03), FAULT(X86_AC_FAULT, 0));
    assert_int_equal(RUN_FAULT(w, 0x8a, 0x03), NO_FAULT);
    assert_int_equal(RUN_FAULT(w, 0xf0, 0xff, 0x03), FAULT(X86_AC_FAULT, 0)); /* lock inc */
    w->cpu.s.gpr[X86_RBX] = AT_DATA + 4;
    assert_int_equal(RUN_FAULT(w, 0x8b, 0x03), NO_FAULT);
    /* #PF comes before #AC. */
    w->cpu.s.gpr[X86_RBX] = 0x40000001;
    assert_int_equal(RUN_FAULT(w, 0x8b, 0x03), FAULT(X86_PF_FAULT, 4));
    /* Supervisors are not checked. */
    world_reset(w);
    world_long(w, 0);
    w->cpu.s.rflags |= X86_AC;
    w->cpu.s.cr0 |= X86_CR0_AM;
    w->cpu.s.gpr[X86_RBX] = AT_DATA + 1;
    x86_cpu_derive(&w->cpu);
    assert_int_equal(RUN_FAULT(w, 0x8b, 0x03), NO_FAULT);
}

static void mmio(void **state)
{
    struct world *w = *state;
    u64 v;
    world_reset(w);
    world_protected(w, 0);
    w->mmio = 0x1122334455667788;
    assert_int_equal(x86_load(&w->cpu, X86_DS, MMIO_PAGE, 4, &v), X86_OK);
    assert_int_equal(v & 0xffffffff, 0x55667788);
    assert_int_equal(x86_store(&w->cpu, X86_DS, MMIO_PAGE, 2, 0x12345678), X86_OK);
    assert_int_equal(w->mmio, 0x5678);
    assert_int_equal(w->mmio_reads, 1);
    assert_int_equal(w->mmio_writes, 1);
    /* A locked operation is one read and one write, and ends whatever the device answers. */
    w->cpu.s.gpr[X86_RBX] = MMIO_PAGE;
    assert_int_equal(RUN(w, 0xf0, 0xff, 0x03), X86_OK);
    assert_int_equal(w->mmio_reads, 2);
    assert_int_equal(w->mmio_writes, 2);
    assert_int_equal(w->mmio, 0x5679);
}

/* Writes to a page that is watched take the slow way, whatever way they are made. */
static void watched_page(void **state)
{
    struct world *w = *state;
    bool done;
    world_reset(w);
    world_protected(w, 0);
    w->code_page = AT_DATA;
    u64 v;
    assert_int_equal(x86_load(&w->cpu, X86_DS, AT_DATA, 4, &v), X86_OK);
    assert_int_equal(x86_store(&w->cpu, X86_DS, AT_DATA, 4, 5), X86_OK);
    assert_int_equal(w->code_writes, 1);
    struct x86_rmw m;
    assert_int_equal(x86_rmw_begin(&w->cpu, &m, X86_DS, AT_DATA, 4, true), X86_OK);
    assert_int_equal(m.old, 5);
    assert_int_equal(x86_rmw_end(&w->cpu, &m, 6, &done), X86_OK);
    assert_true(done);
    assert_int_equal(w->code_writes, 2);
    assert_int_equal(ram_get(w, AT_DATA, 4), 6);
    /* A page that was direct and becomes watched. */
    w->code_page = 1;
    assert_int_equal(x86_store(&w->cpu, X86_DS, AT_DATA + 0x1000, 4, 7), X86_OK);
    w->code_page = AT_DATA + 0x1000;
    x86_tlb_drop_physical(&w->cpu, AT_DATA + 0x1000, true);
    assert_int_equal(x86_store(&w->cpu, X86_DS, AT_DATA + 0x1000, 4, 8), X86_OK);
    assert_int_equal(w->code_writes, 3);
    /* And back. */
    w->code_page = 1;
    assert_int_equal(x86_store(&w->cpu, X86_DS, AT_DATA + 0x1000, 4, 9), X86_OK);
    assert_int_equal(w->code_writes, 3);
    assert_int_equal(ram_get(w, AT_DATA + 0x1000, 4), 9);
}

static void wide_access(void **state)
{
    struct world *w = *state;
    u8 in[64], out[64];
    world_reset(w);
    world_long(w, 0);
    for (unsigned i = 0; i < 64; i++)
        in[i] = (u8)(i * 7 + 1);
    for (unsigned i = 0; i < 64; i++) { /* at every place around a page's end */
        u64 at = AT_DATA + 0x1000 - i;
        memset(out, 0, sizeof out);
        assert_int_equal(x86_store_bytes(&w->cpu, X86_DS, at, in, 64), X86_OK);
        assert_memory_equal(w->ram + at, in, 64);
        assert_int_equal(x86_load_bytes(&w->cpu, X86_DS, at, out, 64), X86_OK);
        assert_memory_equal(out, in, 64);
    }
    /* The second page is missing: nothing is written. */
    u64 table = AT_PAGES + 0x3000, before = ram_get(w, 0x200ff0, 8);
    ram_put(w, AT_PAGES + 0x2000 + 8 * 6, 8, table | 7);
    ram_put(w, table, 8, 0x200007);
    assert_int_equal(x86_store_bytes(&w->cpu, X86_DS, 0xc00ff0, in, 32), X86_EXCEPTION);
    assert_int_equal(w->cpu.fault.payload, 0xc01000);
    assert_true(ram_get(w, 0x200ff0, 8) == before);
}

static void store_buffer(void **state)
{
    static struct x86_store_buffer b;
    struct world *w = *state;
    u64 v;
    world_reset(w);
    world_long(w, 0);
    ram_put(w, AT_DATA, 8, 0x1111111111111111);
    w->cpu.stores = &b;
    x86_cpu_derive(&w->cpu);
    assert_int_equal(x86_store(&w->cpu, X86_DS, AT_DATA + 2, 2, 0xbeef), X86_OK);
    assert_int_equal(x86_store(&w->cpu, X86_DS, AT_DATA + 6, 4, 0xcafef00d), X86_OK);
    assert_true(ram_get(w, AT_DATA, 8) == 0x1111111111111111);
    assert_int_equal(x86_load(&w->cpu, X86_DS, AT_DATA, 8, &v), X86_OK);
    assert_true(v == 0xf00d1111beef1111);
    assert_int_equal(x86_load(&w->cpu, X86_DS, AT_DATA + 7, 1, &v), X86_OK);
    assert_int_equal(v, 0xf0);
    /* Locked operations and wide stores too, and A/D bits of the walks. */
    w->cpu.s.gpr[X86_RBX] = AT_DATA + 0x40;
    assert_int_equal(RUN(w, 0xf0, 0x48, 0xff, 0x03), X86_OK);
    assert_int_equal(ram_get(w, AT_DATA + 0x40, 8), 0);
    assert_int_equal(x86_load(&w->cpu, X86_DS, AT_DATA + 0x40, 8, &v), X86_OK);
    assert_int_equal(v, 1);
    assert_int_equal(ram_get(w, AT_PAGES, 8) & 0x20, 0);
    assert_false(b.overflow);
    /* Full: it says so and stays in bounds. */
    for (unsigned i = 0; i < 2 * X86_STORE_SLOTS; i++)
        x86_store_buffer_write(&b, 8 * i, 8, i);
    assert_true(b.overflow);
    x86_store_buffer_clear(&b);
    assert_int_equal(b.count, 0);
    assert_int_equal(x86_load(&w->cpu, X86_DS, AT_DATA + 2, 2, &v), X86_OK);
    assert_int_equal(v, 0x1111);
}

static unsigned begun, ended;
static void exclusive_begin(struct x86_cpu *cpu)
{
    begun++;
}
static void exclusive_end(struct x86_cpu *cpu)
{
    ended++;
}

/* Crossing lines and pages works, and asks for the world to stand still exactly then. */
static void rmw_places(void **state)
{
    static const struct {
        unsigned off;
        bool exclusive;
    } rows[] = {{0, false}, {8, false}, {56, false},    {57, true},
                {60, true}, {63, true}, {0xff8, false}, {0xffc, true}};
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    static struct x86_ops ops;
    ops = *w->cpu.ops;
    ops.exclusive_begin = exclusive_begin;
    ops.exclusive_end = exclusive_end;
    w->cpu.ops = &ops;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct x86_rmw m;
        bool done;
        u64 at = AT_DATA + rows[i].off;
        begun = ended = 0;
        ram_put(w, at, 8, 0x0102030405060708);
        assert_int_equal(x86_rmw_begin(&w->cpu, &m, X86_DS, at, 8, true), X86_OK);
        assert_true(m.old == 0x0102030405060708);
        ram_put(w, at + 3, 1, 0xee); /* somebody else */
        assert_int_equal(x86_rmw_end(&w->cpu, &m, 1, &done), X86_OK);
        assert_false(done);
        assert_true(m.old == 0x01020304ee060708);
        assert_int_equal(x86_rmw_end(&w->cpu, &m, 0x99, &done), X86_OK);
        assert_true(done);
        assert_int_equal(ram_get(w, at, 8), 0x99);
        if ((begun != 0) != rows[i].exclusive || begun != ended)
            fail_msg("offset %x: %u exclusive sections", rows[i].off, begun);
    }
}

enum { ROUNDS = 20000 };
struct racer {
    struct world *w;
    u32 at;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct x86_rmw m;
        bool done = false;
        if (x86_rmw_begin(&r->w->cpu, &m, X86_DS, r->at, 8, true))
            return NULL;
        while (!done)
            x86_rmw_end(&r->w->cpu, &m, m.old + 1, &done);
    }
    return NULL;
}

/* Two processors on one memory lose no increment. */
static void rmw_atomic(void **state)
{
    struct world *a = *state;
    world_reset(a);
    struct world *b = world_create_on(a->ram, NULL);
    world_protected(a, 0);
    world_protected(b, 0);
    ram_put(a, AT_DATA, 8, 0);
    struct racer ra = {a, AT_DATA}, rb = {b, AT_DATA};
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, race, &rb), 0);
    race(&ra);
    pthread_join(other, NULL);
    assert_int_equal(ram_get(a, AT_DATA, 8), 2 * ROUNDS);
    world_destroy(b);
}

static void cmpxchg16(void **state)
{
    struct world *w = *state;
    u64 expect[2] = {1, 2}, desired[2] = {3, 4}, seen[2];
    bool equal;
    world_reset(w);
    world_long(w, 0);
    ram_put(w, AT_DATA, 8, 1);
    ram_put(w, AT_DATA + 8, 8, 2);
    assert_int_equal(
        x86_cmpxchg16(&w->cpu, X86_DS, AT_DATA + 8, expect, desired, true, seen, &equal),
        X86_EXCEPTION);
    assert_int_equal(w->cpu.fault.vector, X86_GP);
    for (unsigned direct = 0; direct < 2; direct++) {
        w->code_page = direct ? 1 : AT_DATA;
        ram_put(w, AT_DATA, 8, 1);
        ram_put(w, AT_DATA + 8, 8, 2);
        x86_tlb_flush(&w->cpu, true);
        assert_int_equal(
            x86_cmpxchg16(&w->cpu, X86_DS, AT_DATA, expect, desired, true, seen, &equal), X86_OK);
        assert_true(equal);
        assert_int_equal(ram_get(w, AT_DATA, 8), 3);
        assert_int_equal(ram_get(w, AT_DATA + 8, 8), 4);
        assert_int_equal(
            x86_cmpxchg16(&w->cpu, X86_DS, AT_DATA, expect, desired, true, seen, &equal), X86_OK);
        assert_false(equal);
        assert_int_equal(seen[0], 3);
        assert_int_equal(seen[1], 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_checks), cmocka_unit_test(real_mode_limit),
        cmocka_unit_test(canonical),      cmocka_unit_test(alignment_check),
        cmocka_unit_test(mmio),           cmocka_unit_test(watched_page),
        cmocka_unit_test(wide_access),    cmocka_unit_test(store_buffer),
        cmocka_unit_test(rmw_places),     cmocka_unit_test(rmw_atomic),
        cmocka_unit_test(cmpxchg16),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
