/* SPDX-License-Identifier: BSD-2-Clause */
/* Page walks: every combination of rights at two levels, privilege, access and control bit, in all
 * paging modes and page sizes, against the rules of [SDM3 4.6, 4.7]; reserved bits, A and D,
 * invalidation. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define NX ((u64)1 << 63)

enum mode { LEGACY, PAE, FOUR_LEVEL };

/* One page under test at linear LIN, mapped to FRAME by a leaf entry below an upper one. */
enum { LIN = 0x00c00000 };

struct shape {
    const char *name;
    enum mode mode;
    unsigned leaf_level; /* 1: 4 KiB, 2: 2 or 4 MiB, 3: 1 GiB */
};
static const struct shape shapes[] = {
    {"32-bit 4K", LEGACY, 1},
    {"32-bit 4M", LEGACY, 2},
    {"PAE 4K", PAE, 1},
    {"PAE 2M", PAE, 2},
    {"4-level 4K", FOUR_LEVEL, 1},
    {"4-level 2M", FOUR_LEVEL, 2},
    {"4-level 1G", FOUR_LEVEL, 3},
};

struct tables {
    u64 upper_at, leaf_at; /* physical addresses of the two entries; upper 0: there is none */
    u64 lin;
    unsigned size; /* of an entry */
};

/* Builds tables whose two lowest entries are given rights; levels above allow everything. */
static struct tables build(struct world *w, const struct shape *s, u64 upper, u64 leaf)
{
    struct x86_state *st = &w->cpu.s;
    struct tables t = {.lin = LIN, .size = s->mode == LEGACY ? 4 : 8};
    u64 table = AT_PAGES;
    unsigned bits = s->mode == LEGACY ? 10 : 9;
    unsigned levels = s->mode == FOUR_LEVEL ? 4 : 2;
    for (unsigned i = 0; i < 6; i++)
        for (unsigned k = 0; k < 0x1000; k += 8)
            ram_put(w, AT_PAGES + i * 0x1000 + k, 8, 0);
    st->cr3 = table;
    if (s->mode == PAE) {
        for (unsigned i = 0; i < 4; i++)
            st->pdptr[i] = (AT_PAGES + 0x1000) | P;
        table = AT_PAGES + 0x1000;
    }
    for (unsigned level = levels; level >= s->leaf_level; level--) {
        unsigned shift = 12 + bits * (level - 1);
        u64 at = table + (t.lin >> shift & ((1u << bits) - 1)) * t.size;
        u64 next = table + 0x1000;
        if (level == s->leaf_level) {
            u64 frame = level == 1 ? 0x200000 : 0;
            ram_put(w, at, t.size, leaf | frame | (level > 1 ? PS : 0));
            t.leaf_at = at;
        } else if (level == s->leaf_level + 1) {
            ram_put(w, at, t.size, upper | next);
            t.upper_at = at;
        } else {
            ram_put(w, at, t.size, next | P | W | U);
        }
        table = next;
    }
    return t;
}

static void set_mode(struct world *w, enum mode m, bool wp, bool smep, bool smap, bool nxe)
{
    struct x86_state *s = &w->cpu.s;
    s->cr0 = X86_CR0_PE | X86_CR0_PG | (wp ? X86_CR0_WP : 0);
    s->cr4 = (m == LEGACY ? X86_CR4_PSE : X86_CR4_PAE) | (smep ? X86_CR4_SMEP : 0) |
             (smap ? X86_CR4_SMAP : 0);
    s->efer = (nxe ? X86_EFER_NXE : 0) | (m == FOUR_LEVEL ? X86_EFER_LME | X86_EFER_LMA : 0);
    w->cpu.long_mode = m == FOUR_LEVEL;
    w->cpu.real = 0;
}

/* What the manual says: -1 allowed, else the error code. */
static int expected(const struct shape *s, u64 upper, u64 leaf, bool has_upper,
                    enum x86_access access, unsigned index, bool wp, bool smep, bool smap, bool nxe)
{
    bool user_access = index == X86_TLB_USER;
    bool has_nx = s->mode != LEGACY;
    int code = (access == X86_WRITE ? 2 : 0) | (user_access ? 4 : 0);
    /* The fetch bit appears when NX or SMEP can matter. */
    if (access == X86_EXEC && ((nxe && has_nx) || smep))
        code |= 16;
    if (has_upper) {
        if (!(upper & P))
            return code;
        if (has_nx && !nxe && (upper & NX))
            return code | 1 | 8;
    }
    if (!(leaf & P))
        return code;
    if (has_nx && !nxe && (leaf & NX))
        return code | 1 | 8;
    bool user_page = (leaf & U) && (!has_upper || (upper & U));
    bool writable = (leaf & W) && (!has_upper || (upper & W));
    bool nx = has_nx && ((leaf & NX) || (has_upper && (upper & NX)));
    bool bad;
    if (user_access)
        bad = !user_page || (access == X86_WRITE && !writable) || (access == X86_EXEC && nx);
    else if (access == X86_EXEC)
        bad = nx || (smep && user_page);
    else
        bad = (smap && user_page && index != X86_TLB_KERNEL_AC) ||
              (access == X86_WRITE && wp && !writable);
    return bad ? code | 1 : -1;
}

static u64 rights(unsigned bits, enum mode m)
{
    return (bits & 1 ? P : 0) | (bits & 2 ? W : 0) | (bits & 4 ? U : 0) |
           (bits & 8 && m != LEGACY ? NX : 0);
}

static void check_one(struct world *w, const struct shape *s, u64 upper, u64 leaf,
                      enum x86_access access, unsigned index, unsigned control)
{
    bool wp = control & 1, smep = control & 2, smap = control & 4, nxe = control & 8;
    set_mode(w, s->mode, wp, smep, smap, nxe);
    struct tables t = build(w, s, upper, leaf);
    x86_tlb_flush(&w->cpu, true);
    u64 pa = 0;
    int want = expected(s, upper, leaf, t.upper_at != 0, access, index, wp, smep, smap, nxe);
    int r = x86_translate(&w->cpu, t.lin | 0x123, access, index, &pa);
    int got = r == X86_OK ? -1 : (int)w->cpu.fault.error;
    if (got != want)
        fail_msg("%s upper %llx leaf %llx access %d index %u control %x: error %d, not %d", s->name,
                 (unsigned long long)upper, (unsigned long long)leaf, access, index, control, got,
                 want);
    u64 after = ram_get(w, t.leaf_at, t.size);
    if (r == X86_OK) {
        assert_true(after & A);
        assert_int_equal((after & D) != 0, access == X86_WRITE);
        assert_int_equal(pa, s->leaf_level == 1 ? 0x200123
                                                : (t.lin & ((s->leaf_level == 3  ? 1u << 30
                                                             : s->mode == LEGACY ? 1u << 22
                                                                                 : 1u << 21) -
                                                            1)) |
                                                      0x123);
        if (t.upper_at) {
            u64 up = ram_get(w, t.upper_at, t.size);
            assert_true(up & A);
            assert_false((up ^ upper) & D);
        }
    } else {
        assert_int_equal(w->cpu.fault.vector, X86_PF_FAULT);
        assert_int_equal(w->cpu.fault.payload, t.lin | 0x123);
        assert_false(after & D);
    }
}

static void permission_matrix(void **state)
{
    struct world *w = *state;
    world_reset(w);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        for (unsigned upper = 0; upper < 16; upper++)
            for (unsigned leaf = 0; leaf < 16; leaf++)
                for (unsigned access = X86_READ; access <= X86_EXEC; access++)
                    for (unsigned index = 0; index < X86_TLB_FILLED; index++)
                        for (unsigned control = 0; control < 16; control += upper == 7 ? 1 : 5)
                            check_one(w, &shapes[i], rights(upper, shapes[i].mode),
                                      rights(leaf, shapes[i].mode), access, index, control);
}

/* Reserved bits: the error says P and RSVD. */
static void reserved_bits(void **state)
{
    static const struct {
        unsigned shape;
        u64 upper, leaf; /* added to P W U */
        bool bad;
    } rows[] = {
        {0, 0, 0, false},
        {1, 0, (u64)1 << 21, true},  /* 4 MiB page: bit 21 */
        {1, 0, (u64)1 << 13, false}, /* PSE-36: physical bit 32 */
        {1, 0, (u64)1 << 20, false}, /* bit 39: the last one of 40 */
        {2, 0, (u64)1 << 40, true},  /* beyond MAXPHYADDR */
        {2, (u64)1 << 45, 0, true},
        {2, 0, (u64)1 << 55, true},  /* PAE: 62:52 reserved */
        {4, 0, (u64)1 << 55, false}, /* 4-level: ignored */
        {4, 0, (u64)1 << 51, true},
        {5, 0, (u64)1 << 13, true},  /* 2 MiB page: 20:13 */
        {5, 0, (u64)1 << 12, false}, /* PAT */
        {5, 0, (u64)1 << 20, true},
        {6, 0, (u64)1 << 29, true}, /* 1 GiB page: 29:13 */
        {6, PS, 0, true},           /* PML4 entry with PS */
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct shape *s = &shapes[rows[i].shape];
        world_reset(w);
        set_mode(w, s->mode, true, false, false, true);
        build(w, s, P | W | U | rows[i].upper, P | W | U | rows[i].leaf);
        u64 pa;
        int r = x86_translate(&w->cpu, LIN, X86_READ, X86_TLB_KERNEL, &pa);
        if ((r == X86_EXCEPTION) != rows[i].bad)
            fail_msg("row %zu: result %d", i, r);
        if (rows[i].bad)
            assert_int_equal(w->cpu.fault.error, 1 | 8);
    }
    /* 1 GiB pages that the model does not have make PS reserved. */
    world_reset(w);
    w->model.features[X86_FEATURE_PAGE1GB / 64] &= ~((u64)1 << X86_FEATURE_PAGE1GB % 64);
    set_mode(w, FOUR_LEVEL, true, false, false, true);
    build(w, &shapes[6], P | W | U, P | W | U);
    u64 pa;
    assert_int_equal(x86_translate(&w->cpu, LIN, X86_READ, X86_TLB_KERNEL, &pa), X86_EXCEPTION);
    assert_int_equal(w->cpu.fault.error, 1 | 8);
}

/* PDPTRs are checked when CR3 is loaded. */
static void pae_pointers(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 0);
    struct x86_state *s = &w->cpu.s;
    s->cr0 |= X86_CR0_PG;
    s->cr4 = X86_CR4_PAE;
    ram_put(w, AT_PAGES, 8, 0x103000 | P);
    for (unsigned i = 0; i < 512; i++)
        ram_put(w, 0x103000 + 8 * i, 8, (u64)i << 21 | P | W | U | PS);
    s->pdptr[0] = 0x103000 | P;
    s->gpr[X86_RAX] = AT_PAGES;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xd8), NO_FAULT); /* mov cr3, eax */
    assert_int_equal(s->pdptr[0], 0x103000 | P);
    ram_put(w, AT_PAGES + 8, 8, 0x103000 | P | W); /* W is reserved here */
    s->gpr[X86_RAX] = AT_PAGES;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xd8), FAULT(X86_GP, 0));
    assert_int_equal(s->pdptr[1], 0);
    ram_put(w, AT_PAGES + 8, 8, W); /* not present: not looked at */
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xd8), NO_FAULT);
}

static u64 loaded(struct world *w, u64 lin)
{
    u64 v = 0;
    assert_int_equal(x86_sys_load(&w->cpu, lin, 8, &v), X86_OK);
    return v;
}

/* What stays and what goes when the TLB is flushed, observed through changed tables. */
static void invalidation(void **state)
{
    enum { A_PAGE = 0x200000, B_PAGE = 0x201000, GLOBAL = 0x00c00000, LOCAL = 0x00c01000 };
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    struct x86_state *s = &w->cpu.s;
    s->cr4 |= X86_CR4_PGE;
    u64 table = AT_PAGES + 0x3000;
    ram_put(w, AT_PAGES + 0x2000 + 8 * (GLOBAL >> 21), 8, table | P | W | U);
    ram_put(w, table, 8, A_PAGE | P | W | U | G);
    ram_put(w, table + 8, 8, A_PAGE | P | W | U);
    ram_put(w, A_PAGE, 8, 0xaaaa);
    ram_put(w, B_PAGE, 8, 0xbbbb);
    assert_int_equal(loaded(w, GLOBAL), 0xaaaa);
    assert_int_equal(loaded(w, LOCAL), 0xaaaa);
    ram_put(w, table, 8, B_PAGE | P | W | U | G);
    ram_put(w, table + 8, 8, B_PAGE | P | W | U);
    assert_int_equal(loaded(w, LOCAL), 0xaaaa); /* stale until told */
    s->gpr[X86_RAX] = AT_PAGES;
    RUN(w, 0x0f, 0x22, 0xd8); /* mov cr3, rax */
    assert_int_equal(loaded(w, LOCAL), 0xbbbb);
    assert_int_equal(loaded(w, GLOBAL), 0xaaaa); /* global pages stay */
    s->gpr[X86_RAX] = GLOBAL;
    RUN(w, 0x0f, 0x01, 0x38); /* invlpg [rax] */
    assert_int_equal(loaded(w, GLOBAL), 0xbbbb);
    ram_put(w, table, 8, A_PAGE | P | W | U | G);
    s->gpr[X86_RAX] = s->cr4 & ~X86_CR4_PGE;
    RUN(w, 0x0f, 0x22, 0xe0); /* mov cr4, rax: clearing PGE drops all */
    assert_int_equal(loaded(w, GLOBAL), 0xaaaa);
}

/* INVLPG on any address of a large page drops all of its pieces. */
static void invlpg_large(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    u64 pde = AT_PAGES + 0x2000 + 8 * 4; /* 8 MiB .. 10 MiB */
    ram_put(w, pde, 8, P | W | U | PS);
    ram_put(w, 0x30000, 8, 0x11);
    ram_put(w, 0x230000, 8, 0x22);
    assert_int_equal(loaded(w, 0x830000), 0x11);
    assert_int_equal(loaded(w, 0x8ff000), 0);
    ram_put(w, pde, 8, 0x200000 | P | W | U | PS);
    w->cpu.s.gpr[X86_RAX] = 0x9ff123;
    RUN(w, 0x0f, 0x01, 0x38);
    assert_int_equal(loaded(w, 0x830000), 0x22);
}

/* PCID: NOFLUSH keeps the current context's entries only when the PCID stays. */
static void pcid(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    struct x86_state *s = &w->cpu.s;
    s->gpr[X86_RAX] = s->cr4 | X86_CR4_PCIDE;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xe0), NO_FAULT);
    u64 table = AT_PAGES + 0x3000, pde = AT_PAGES + 0x2000 + 8 * 6;
    ram_put(w, pde, 8, table | P | W | U);
    ram_put(w, table, 8, 0x200000 | P | W | U);
    ram_put(w, 0x200000, 8, 1);
    ram_put(w, 0x201000, 8, 2);
    assert_int_equal(loaded(w, 0xc00000), 1);
    ram_put(w, table, 8, 0x201000 | P | W | U);
    s->gpr[X86_RAX] = AT_PAGES | (u64)1 << 63;
    RUN(w, 0x0f, 0x22, 0xd8);
    assert_int_equal(s->cr3, AT_PAGES);
    s->gpr[X86_RAX] = (AT_PAGES + 5) | (u64)1 << 63; /* another PCID */
    RUN(w, 0x0f, 0x22, 0xd8);
    assert_int_equal(s->cr3, AT_PAGES + 5);
    assert_int_equal(loaded(w, 0xc00000), 2);
    /* Without PCIDE bit 63 is reserved; PCIDE needs a PCID of 0 to be set. */
    s->gpr[X86_RAX] = s->cr4 & ~X86_CR4_PCIDE;
    RUN(w, 0x0f, 0x22, 0xe0);
    s->gpr[X86_RAX] = AT_PAGES | (u64)1 << 63;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xd8), FAULT(X86_GP, 0));
    s->gpr[X86_RAX] = s->cr4 | X86_CR4_PCIDE;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xe0), FAULT(X86_GP, 0));
}

/* An access that crosses pages faults with the address of the part that is missing, before it has
 * written anything. */
static void page_crossing(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    u64 table = AT_PAGES + 0x3000;
    ram_put(w, AT_PAGES + 0x2000 + 8 * 6, 8, table | P | W | U);
    ram_put(w, table, 8, 0x200000 | P | W | U);
    ram_put(w, table + 8, 8, 0x300000 | P | U); /* not writable */
    ram_put(w, 0x200ff8, 8, 0x1122334455667788);
    ram_put(w, 0x300000, 8, 0x99aabbccddeeff00);
    u64 v = 0;
    assert_int_equal(x86_load(&w->cpu, X86_DS, 0xc00ffc, 8, &v), X86_OK);
    assert_true(v == 0xddeeff0011223344);
    assert_int_equal(x86_store(&w->cpu, X86_DS, 0xc00ffc, 8, 0), X86_EXCEPTION);
    assert_int_equal(w->cpu.fault.payload, 0xc01000);
    assert_int_equal(w->cpu.fault.error, 3);
    assert_true(ram_get(w, 0x200ff8, 8) == 0x1122334455667788);
    ram_put(w, table + 8, 8, 0x300000 | P | W | U);
    x86_tlb_flush(&w->cpu, true);
    assert_int_equal(x86_store(&w->cpu, X86_DS, 0xc00ffc, 8, 0x0102030405060708), X86_OK);
    assert_int_equal(ram_get(w, 0x200ffc, 4), 0x05060708);
    assert_int_equal(ram_get(w, 0x300000, 4), 0x01020304);
}

/* Accesses of the processor itself are supervisor accesses at CPL 3, and AC does not lift SMAP. */
static void implicit_supervisor(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 3);
    u64 v, table = AT_PAGES + 0x3000;
    ram_put(w, AT_PAGES + 0x2000 + 8 * 6, 8, table | P | W | U);
    ram_put(w, table, 8, 0x200000 | P | W); /* supervisor page */
    assert_int_equal(x86_sys_load(&w->cpu, 0xc00000, 8, &v), X86_OK);
    assert_int_equal(x86_load(&w->cpu, X86_DS, 0xc00000, 8, &v), X86_EXCEPTION);
    assert_int_equal(w->cpu.fault.error, 5);
    ram_put(w, table, 8, 0x200000 | P | W | U);
    w->cpu.s.cr4 |= X86_CR4_SMAP;
    w->cpu.s.rflags |= X86_AC;
    x86_cpu_derive(&w->cpu);
    x86_tlb_flush(&w->cpu, true);
    assert_int_equal(x86_load(&w->cpu, X86_DS, 0xc00000, 8, &v), X86_OK);
    assert_int_equal(x86_sys_load(&w->cpu, 0xc00000, 8, &v), X86_EXCEPTION);
    assert_int_equal(w->cpu.fault.error, 1);
}

/* A page that was read first gets D with its first write, and A again after it was cleared. */
static void dirty_later(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    u64 v, table = AT_PAGES + 0x3000;
    ram_put(w, AT_PAGES + 0x2000 + 8 * 6, 8, table | P | W | U);
    ram_put(w, table, 8, 0x200000 | P | W | U);
    assert_int_equal(x86_load(&w->cpu, X86_DS, 0xc00000, 8, &v), X86_OK);
    assert_int_equal(ram_get(w, table, 8) & (A | D), A);
    assert_int_equal(x86_store(&w->cpu, X86_DS, 0xc00000, 8, 1), X86_OK);
    assert_int_equal(ram_get(w, table, 8) & (A | D), A | D);
    ram_put(w, table, 8, 0x200000 | P | W | U);
    x86_tlb_flush_page(&w->cpu, 0xc00000);
    struct x86_rmw m;
    bool done;
    assert_int_equal(x86_rmw_begin(&w->cpu, &m, X86_DS, 0xc00000, 8, true), X86_OK);
    assert_int_equal(x86_rmw_end(&w->cpu, &m, 2, &done), X86_OK);
    assert_int_equal(ram_get(w, table, 8) & (A | D), A | D);
}

static void quiet_walk(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    u64 pa = 0, before = ram_get(w, AT_PAGES + 0x2000, 8);
    assert_int_equal(x86_translate_quiet(&w->cpu, 0x1234, &pa), 0);
    assert_int_equal(pa, 0x1234);
    assert_int_equal(ram_get(w, AT_PAGES + 0x2000, 8), before);
    assert_true(x86_translate_quiet(&w->cpu, (u64)1 << 40, &pa) < 0);
    assert_true(x86_translate_quiet(&w->cpu, (u64)1 << 47, &pa) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permission_matrix), cmocka_unit_test(reserved_bits),
        cmocka_unit_test(pae_pointers),      cmocka_unit_test(invalidation),
        cmocka_unit_test(invlpg_large),      cmocka_unit_test(pcid),
        cmocka_unit_test(page_crossing),     cmocka_unit_test(implicit_supervisor),
        cmocka_unit_test(dirty_later),       cmocka_unit_test(quiet_walk),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
