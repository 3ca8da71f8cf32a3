/* SPDX-License-Identifier: BSD-2-Clause */
/* Reset and INIT, states that are refused, intercepts, HLT. */
#include "world.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The first instruction after power-up is at ffff:fff0 [SDM3 9.1.4]. */
static void reset(void **state)
{
    struct world *w = *state;
    world_reset(w);
    struct x86_state *s = &w->cpu.s;
    assert_int_equal(s->seg[X86_CS].base + s->rip, 0xfffffff0);
    assert_int_equal(w->cpu.mode, X86_MODE16);
    assert_true(w->cpu.real);
    assert_int_equal(s->cr0, 0x60000010);
    assert_int_equal(s->rflags, 2);
    assert_int_equal(s->dr7, 0x400);
    assert_int_equal(s->run_state, X86_RUNNING);
    assert_int_equal(x86_state_validate(s, NULL), 0);
    static struct x86_state other;
    x86_state_reset(&other, 3, false);
    assert_int_equal(other.run_state, X86_WAIT_SIPI);
    assert_int_equal(other.lapic.id, 3);
}

/* INIT keeps the vector state, the cache bits, the TSC and MSRs [SDM3 table 9-1]. */
static void init(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    struct x86_state *s = &w->cpu.s;
    s->xsave[160] = 0x77;
    s->cr0 |= X86_CR0_CD;
    s->tsc_offset = 99;
    s->lstar = 0x1234;
    s->gpr[X86_RBX] = 5;
    x86_state_init(s);
    assert_int_equal(s->xsave[160], 0x77);
    assert_int_equal(s->cr0, X86_CR0_CD | X86_CR0_ET);
    assert_int_equal(s->tsc_offset, 99);
    assert_int_equal(s->lstar, 0x1234);
    assert_int_equal(s->gpr[X86_RBX], 0);
    assert_int_equal(s->efer, 0);
    assert_int_equal(s->cr4, 0);
    assert_int_equal(x86_state_validate(s, NULL), 0);
}

static struct x86_state *tried;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct err e = {0};                                                                        \
        world_reset(w);                                                                            \
        world_long(w, 3);                                                                          \
        tried = &w->cpu.s;                                                                         \
        assert_int_equal(x86_state_validate(tried, &e), 0);                                        \
        change;                                                                                    \
        if (!x86_state_validate(tried, &e) || !e.text[0])                                          \
            fail_msg("accepted: %s", #change);                                                     \
    } while (0)

static void refused(void **state)
{
    struct world *w = *state;
    REFUSED(tried->cr0 &= ~X86_CR0_PE);
    REFUSED(tried->cr0 |= X86_CR0_NW);
    REFUSED(tried->cr0 |= (u64)1 << 40);
    REFUSED(tried->cr4 &= ~X86_CR4_PAE);
    REFUSED(tried->cr4 |= X86_CR4_LA57);
    REFUSED(tried->efer &= ~X86_EFER_LMA);
    REFUSED(tried->efer &= ~X86_EFER_LME);
    REFUSED(tried->cr3 |= (u64)1 << 60);
    REFUSED(tried->cr8 = 16);
    REFUSED(tried->rflags &= ~(u64)X86_FLAG1);
    REFUSED(tried->rflags |= X86_VM);
    REFUSED(tried->rflags |= 8);
    REFUSED(tried->rip = (u64)1 << 47);
    REFUSED(tried->seg[X86_CS].attr |= X86_SEG_DB);
    REFUSED(tried->seg[X86_CS].attr &= ~X86_SEG_CODE);
    REFUSED(tried->seg[X86_SS].attr &= ~0x60);
    REFUSED(tried->seg[X86_FS].base = (u64)1 << 47);
    REFUSED(tried->seg[X86_DS].base = (u64)1 << 32);
    REFUSED(tried->seg[X86_DS].attr |= 0x8000);
    REFUSED(tried->gdtr.base = (u64)1 << 63);
    REFUSED(tried->idtr.limit = 0x10000);
    REFUSED(tried->tr.base = (u64)1 << 50);
    REFUSED(tried->lstar = (u64)1 << 47);
    REFUSED(tried->kernel_gs_base = (u64)1 << 47);
    REFUSED(tried->dr7 |= (u64)1 << 32);
    REFUSED(tried->xcr0 = 0);
    REFUSED(tried->xcr0 = 5);
    REFUSED(tried->run_state = 9);
    REFUSED(tried->event.kind = 9);
    REFUSED(tried->msr_count = X86_MSR_EXTRA_MAX + 1);
}

/* Each kind of intercept stops the instruction with nothing changed. */
static void intercepts(void **state)
{
    static const struct {
        u32 kind;
        u8 n, code[4];
    } rows[] = {
        {X86_ICPT_SYSCALL, 2, {0x0f, 0x05}},
        {X86_ICPT_INT, 2, {0xcd, 0x80}},
        {X86_ICPT_INT, 1, {0xcc}},
        {X86_ICPT_IRET, 2, {0x48, 0xcf}},
        {X86_ICPT_PRIVILEGED, 3, {0x0f, 0x20, 0xc0}},
        {X86_ICPT_PRIVILEGED, 1, {0xf4}},
        {X86_ICPT_PRIVILEGED, 2, {0x0f, 0x32}},
        {X86_ICPT_TABLE, 3, {0x0f, 0x01, 0x10}},
        {X86_ICPT_TABLE, 3, {0x0f, 0x00, 0xd8}},
    };
    static struct x86_state before;
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_reset(w);
        world_long(w, 0);
        w->cpu.intercepts.other = rows[i].kind;
        before = w->cpu.s;
        if (world_run(w, rows[i].code, rows[i].n) != X86_INTERCEPT)
            fail_msg("row %zu was not intercepted", i);
        assert_int_equal(w->cpu.intercept, rows[i].kind);
        assert_memory_equal(&w->cpu.s, &before, sizeof before);
    }
    /* Exceptions by vector, before CR2 or DR6 are touched. */
    world_reset(w);
    world_long(w, 0);
    w->cpu.intercepts.exceptions = 1 << X86_PF_FAULT;
    w->cpu.s.gpr[X86_RBX] = 0x123456789;
    before = w->cpu.s;
    assert_int_equal(RUN(w, 0x8b, 0x03), X86_INTERCEPT);
    assert_int_equal(w->cpu.intercept, (u32)X86_ICPT_EXCEPTION);
    assert_int_equal(w->cpu.fault.payload, 0x123456789);
    assert_memory_equal(&w->cpu.s, &before, sizeof before);
}

static void halt(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    world_gate(w, 0x40, 14, 0, SEL_CODE64_0, 0x11000, 0);
    assert_int_equal(RUN(w, 0xf4), X86_HALT);
    assert_int_equal(w->cpu.s.run_state, X86_HALTED);
    assert_int_equal(w->cpu.s.rip, AT_CODE + 1);
    struct x86_event ev = {.kind = X86_EVENT_INTERRUPT, .vector = 0x40};
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    assert_int_equal(w->cpu.s.run_state, X86_RUNNING);
    world_reset(w);
    world_long(w, 3);
    assert_int_equal(RUN_FAULT(w, 0xf4), FAULT(X86_GP, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reset),      cmocka_unit_test(init), cmocka_unit_test(refused),
        cmocka_unit_test(intercepts), cmocka_unit_test(halt),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
