/* SPDX-License-Identifier: BSD-2-Clause */
/* Far transfers, call gates, task switches, IRET forms, SYSCALL, SYSRET, SYSENTER, SYSEXIT. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { TARGET = 0x12000 };

static u64 call_gate(unsigned type, unsigned dpl, unsigned sel, u32 offset, unsigned params)
{
    return (offset & 0xffff) | (u64)sel << 16 | (u64)params << 32 |
           (u64)(0x80 | dpl << 5 | type) << 40 | (u64)(offset >> 16) << 48;
}

/* jmp far and call far in 32-bit code: sel:TARGET. */
static int far_jump(struct world *w, unsigned sel, bool call)
{
    u8 code[] = {call ? 0x9a : 0xea, 0, 0x20, 1, 0, (u8)sel, (u8)(sel >> 8)};
    return world_fault(w, code, sizeof code);
}

/* Code segments by privilege: what a direct transfer may enter. */
static void direct(void **state)
{
    enum { CONF = 4 };
    static const struct {
        unsigned cpl, sel, attr; /* attr 0: as in world_gdt */
        int want;
        unsigned new_cs;
    } rows[] = {
        {0, SEL_CODE0, 0, NO_FAULT, SEL_CODE0},
        {0, 0, 0, FAULT(X86_GP, 0), 0},
        {0, 3, 0, FAULT(X86_GP, 0), 0},
        {0, SEL_DATA0, 0, FAULT(X86_GP, SEL_DATA0), 0},
        {0, 0xff8, 0, FAULT(X86_GP, 0xff8), 0},
        {0, 0xc, 0, FAULT(X86_GP, 0xc), 0},                  /* no LDT */
        {0, SEL_CODE3, 0, FAULT(X86_GP, SEL_CODE3 & ~3), 0}, /* DPL 3, CPL 0 */
        {3, SEL_CODE0, 0, FAULT(X86_GP, SEL_CODE0), 0},
        {3, SEL_CODE3, 0, NO_FAULT, SEL_CODE3},
        {3, SEL_CODE3 & ~3, 0, NO_FAULT, SEL_CODE3},        /* RPL 0 is fine, CS gets the CPL */
        {0, SEL_CODE0 | 3, 0, FAULT(X86_GP, SEL_CODE0), 0}, /* RPL above CPL */
        {3, SEL_CONFORMING, 0, NO_FAULT, SEL_CONFORMING | 3},
        {0, SEL_FREE, 0xcff, FAULT(X86_GP, SEL_FREE), 0}, /* conforming, DPL 3 above CPL 0 */
        {0, SEL_FREE, 0xc1b, FAULT(X86_NP, SEL_FREE), 0},
        {0, SEL_FREE, 0x49b, FAULT(X86_GP, 0), 0}, /* the target is beyond the limit */
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned call = 0; call < 2; call++) {
            world_reset(w);
            world_protected(w, rows[i].cpl);
            u64 sp = w->cpu.s.gpr[X86_RSP];
            if (rows[i].attr)
                world_descriptor(
                    w, SEL_FREE,
                    descriptor(0, rows[i].attr & 0x800 ? 0xfffff : 0xfff, rows[i].attr));
            unsigned old_cs = w->cpu.s.seg[X86_CS].sel;
            int got = far_jump(w, rows[i].sel, call);
            if (got != rows[i].want)
                fail_msg("row %zu call %u: %x", i, call, got);
            if (got != NO_FAULT) {
                assert_int_equal(w->cpu.s.rip, AT_CODE);
                assert_int_equal(w->cpu.s.gpr[X86_RSP], sp);
                continue;
            }
            assert_int_equal(w->cpu.s.rip, TARGET);
            assert_int_equal(w->cpu.s.seg[X86_CS].sel, rows[i].new_cs);
            assert_int_equal(w->cpu.cpl, rows[i].cpl);
            if (call) {
                assert_int_equal(w->cpu.s.gpr[X86_RSP], sp - 8);
                assert_int_equal(ram_get(w, sp - 4, 4), old_cs);
                assert_int_equal(ram_get(w, sp - 8, 4), AT_CODE + 7);
            }
        }
}

static void accessed_bit(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 0);
    world_descriptor(w, SEL_FREE, descriptor(0, 0xfffff, 0xc9a));
    assert_int_equal(far_jump(w, SEL_FREE, false), NO_FAULT);
    assert_int_equal(ram_get(w, AT_GDT + SEL_FREE + 5, 1), 0x9b);
    world_descriptor(w, SEL_FREE, descriptor(0, 0xfffff, 0xc92));
    w->cpu.s.gpr[X86_RAX] = SEL_FREE;
    assert_int_equal(RUN_FAULT(w, 0x8e, 0xd8), NO_FAULT); /* mov ds, ax */
    assert_int_equal(ram_get(w, AT_GDT + SEL_FREE + 5, 1), 0x93);
}

static void real_mode(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_real(w);
    struct x86_state *s = &w->cpu.s;
    assert_int_equal(RUN(w, 0x9a, 0x34, 0x12, 0x00, 0x15), X86_OK); /* call 1500:1234 */
    assert_int_equal(s->rip, 0x1234);
    assert_int_equal(s->seg[X86_CS].base, 0x15000);
    assert_int_equal(ram_get(w, 0x20ffc, 2), 5);
    assert_int_equal(ram_get(w, 0x20ffe, 2), AT_CODE >> 4);
    assert_int_equal(RUN(w, 0xca, 0x02, 0x00), X86_OK); /* retf 2 */
    assert_int_equal(s->rip, 5);
    assert_int_equal(s->gpr[X86_RSP], 0x1002);
}

static void gates(void **state)
{
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    /* From ring 3 to ring 0 with two parameters, and back. */
    world_reset(w);
    world_protected(w, 3);
    world_descriptor(w, SEL_FREE, call_gate(12, 3, SEL_CODE0, TARGET, 2));
    s->gpr[X86_RSP] = AT_STACK3 - 8;
    ram_put(w, AT_STACK3 - 8, 4, 0x1111);
    ram_put(w, AT_STACK3 - 4, 4, 0x2222);
    assert_int_equal(far_jump(w, SEL_FREE | 3, true), NO_FAULT);
    assert_int_equal(w->cpu.cpl, 0);
    assert_int_equal(s->rip, TARGET);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK0 - 24);
    static const u32 frame[] = {AT_CODE + 7, SEL_CODE3, 0x1111, 0x2222, AT_STACK3 - 8, SEL_DATA3};
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(ram_get(w, AT_STACK0 - 24 + 4 * i, 4), frame[i]);
    s->gpr[X86_RAX] = SEL_DATA0;
    RUN(w, 0x8e, 0xd8); /* mov ds, ax: may not survive the return */
    assert_int_equal(RUN(w, 0xca, 8, 0), X86_OK);
    assert_int_equal(w->cpu.cpl, 3);
    assert_int_equal(s->rip, AT_CODE + 7);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK3);
    assert_int_equal(s->seg[X86_DS].sel, 0);
    assert_int_equal(s->seg[X86_ES].sel, SEL_DATA3);
    /* Privilege of the gate; JMP may not change the level; 16-bit gates push words. */
    world_reset(w);
    world_protected(w, 3);
    world_descriptor(w, SEL_FREE, call_gate(12, 2, SEL_CODE0, TARGET, 0));
    assert_int_equal(far_jump(w, SEL_FREE, true), FAULT(X86_GP, SEL_FREE));
    world_descriptor(w, SEL_FREE, call_gate(12, 3, SEL_CODE0, TARGET, 0));
    assert_int_equal(far_jump(w, SEL_FREE, false), FAULT(X86_GP, SEL_CODE0));
    world_descriptor(w, SEL_FREE, call_gate(12, 3, SEL_CODE0, TARGET, 0) & ~((u64)0x80 << 40));
    assert_int_equal(far_jump(w, SEL_FREE, true), FAULT(X86_NP, SEL_FREE));
    world_descriptor(w, SEL_FREE, call_gate(4, 3, SEL_CODE3, 0x2000, 0));
    assert_int_equal(far_jump(w, SEL_FREE, true), NO_FAULT);
    assert_int_equal(s->rip, 0x2000);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK3 - 4);
    /* Long mode: 16-byte gate to 64-bit code, through memory (there is no direct form). */
    world_reset(w);
    world_long(w, 3);
    world_descriptor(w, SEL_FREE, call_gate(12, 3, SEL_CODE64_0, TARGET, 0));
    world_descriptor(w, SEL_FREE + 8, 0);
    ram_put(w, AT_DATA + 4, 2, SEL_FREE | 3);
    s->gpr[X86_RBX] = AT_DATA;
    assert_int_equal(RUN_FAULT(w, 0xff, 0x1b), NO_FAULT); /* call far [rbx] */
    assert_int_equal(w->cpu.cpl, 0);
    assert_int_equal(s->seg[X86_SS].sel, 0);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK0 - 32);
    assert_int_equal(ram_get(w, AT_STACK0 - 32, 8), AT_CODE + 2);
    assert_int_equal(ram_get(w, AT_STACK0 - 8, 8), SEL_DATA3);
    assert_int_equal(RUN_FAULT(w, 0x48, 0xcb), NO_FAULT); /* retfq */
    assert_int_equal(w->cpu.cpl, 3);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK3);
}

/* JMP to a TSS: the old task is not busy any more and can be jumped back to. */
static void task_jump(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 0);
    struct x86_state *s = &w->cpu.s;
    ram_put(w, AT_TSS2 + 0x20, 4, TARGET);
    ram_put(w, AT_TSS2 + 0x24, 4, X86_FLAG1);
    ram_put(w, AT_TSS2 + 0x34, 4, 77); /* ebx */
    ram_put(w, AT_TSS2 + 0x38, 4, AT_STACK0 - 0x100);
    for (unsigned i = 0; i < 6; i++)
        ram_put(w, AT_TSS2 + 0x48 + 4 * i, 2, i == 1 ? SEL_CODE0 : SEL_DATA0);
    s->gpr[X86_RBX] = 55;
    assert_int_equal(far_jump(w, SEL_TSS2, false), NO_FAULT);
    assert_int_equal(s->rip, TARGET);
    assert_int_equal(s->gpr[X86_RBX], 77);
    assert_false(s->rflags & X86_NT);
    assert_int_equal(ram_get(w, AT_GDT + SEL_TSS + 5, 1), 0x89);
    assert_int_equal(far_jump(w, SEL_TSS, false), NO_FAULT);
    assert_int_equal(s->rip, AT_CODE + 7);
    assert_int_equal(s->gpr[X86_RBX], 55);
    /* To a busy one, a short one, an absent one. */
    assert_int_equal(far_jump(w, SEL_TSS, false), FAULT(X86_GP, SEL_TSS));
    world_descriptor(w, SEL_TSS2, descriptor(AT_TSS2, 0x66, 0x89));
    assert_int_equal(far_jump(w, SEL_TSS2, false), FAULT(X86_TS, SEL_TSS2));
    world_descriptor(w, SEL_TSS2, descriptor(AT_TSS2, 0x67, 0x09));
    assert_int_equal(far_jump(w, SEL_TSS2, false), FAULT(X86_NP, SEL_TSS2));
    /* A bad segment faults in the new task. */
    world_descriptor(w, SEL_TSS2, descriptor(AT_TSS2, 0x67, 0x89));
    ram_put(w, AT_TSS2 + 0x54, 2, SEL_TSS);
    ram_put(w, AT_TSS2 + 0x20, 4, TARGET);
    assert_int_equal(far_jump(w, SEL_TSS2, false), FAULT(X86_TS, SEL_TSS));
    assert_int_equal(s->rip, TARGET);
    assert_int_equal(s->tr.sel, SEL_TSS2);
}

/* IRETQ frames from 64-bit ring 0. */
static void iret_long(void **state)
{
    static const struct {
        u64 rip;
        unsigned cs, ss;
        int want;
    } rows[] = {
        {TARGET, SEL_CODE64_3, SEL_DATA3, NO_FAULT},
        {TARGET, SEL_CODE3, SEL_DATA3, NO_FAULT}, /* compatibility mode */
        {TARGET, SEL_CODE64_0, 0, NO_FAULT},      /* null SS in ring 0 */
        {TARGET, SEL_CODE64_0, SEL_DATA0, NO_FAULT},
        {TARGET, SEL_CODE64_3, 0, FAULT(X86_GP, 0)},
        {TARGET, SEL_CODE64_3, 3, FAULT(X86_GP, 0)},
        {TARGET, SEL_CODE64_3, SEL_DATA0, FAULT(X86_GP, SEL_DATA0)},
        {TARGET, 0, SEL_DATA0, FAULT(X86_GP, 0)},
        {TARGET, SEL_DATA3, SEL_DATA3, FAULT(X86_GP, SEL_DATA3 & ~3)},
        {(u64)1 << 47, SEL_CODE64_3, SEL_DATA3, FAULT(X86_GP, 0)},
        {(u64)1 << 32, SEL_CODE3, SEL_DATA3, FAULT(X86_GP, 0)}, /* beyond the limit */
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_reset(w);
        world_long(w, 0);
        struct x86_state *s = &w->cpu.s;
        u64 frame[] = {rows[i].rip, rows[i].cs, X86_FLAG1 | X86_IF | X86_IOPL | X86_CF, 0x5678,
                       rows[i].ss};
        s->gpr[X86_RSP] = AT_STACK0 - 40;
        for (unsigned k = 0; k < 5; k++)
            ram_put(w, AT_STACK0 - 40 + 8 * k, 8, frame[k]);
        int got = RUN_FAULT(w, 0x48, 0xcf);
        if (got != rows[i].want)
            fail_msg("row %zu: %x", i, got);
        if (got != NO_FAULT) {
            assert_int_equal(s->gpr[X86_RSP], AT_STACK0 - 40);
            continue;
        }
        assert_int_equal(s->rip, rows[i].rip);
        assert_int_equal(w->cpu.cpl, rows[i].cs & 3);
        assert_int_equal(s->gpr[X86_RSP], 0x5678);
        assert_int_equal(s->seg[X86_SS].sel, rows[i].ss);
        assert_int_equal(s->rflags, frame[2]);
    }
    /* NT in long mode: #GP(0). */
    world_reset(w);
    world_long(w, 0);
    w->cpu.s.rflags |= X86_NT;
    assert_int_equal(RUN_FAULT(w, 0x48, 0xcf), FAULT(X86_GP, 0));
}

/* The flags a ring-3 IRET may change. */
static void iret_flags(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 3);
    struct x86_state *s = &w->cpu.s;
    s->gpr[X86_RSP] -= 12;
    ram_put(w, AT_STACK3 - 12, 4, TARGET);
    ram_put(w, AT_STACK3 - 8, 4, SEL_CODE3);
    ram_put(w, AT_STACK3 - 4, 4, X86_IF | X86_IOPL | X86_AC | X86_ID | X86_ZF | X86_VIF);
    assert_int_equal(RUN_FAULT(w, 0xcf), NO_FAULT);
    assert_int_equal(s->rflags, X86_FLAG1 | X86_AC | X86_ID | X86_ZF);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK3);
}

/* A return never leads inward. */
static void return_inward(void **state)
{
    struct world *w = *state;
    for (unsigned far_ret = 0; far_ret < 2; far_ret++) {
        world_reset(w);
        world_protected(w, 3);
        w->cpu.s.gpr[X86_RSP] -= 12;
        ram_put(w, AT_STACK3 - 12, 4, TARGET);
        ram_put(w, AT_STACK3 - 8, 4, SEL_CODE0);
        ram_put(w, AT_STACK3 - 4, 4, X86_FLAG1);
        int got = far_ret ? RUN_FAULT(w, 0xcb) : RUN_FAULT(w, 0xcf);
        assert_int_equal(got, FAULT(X86_GP, SEL_CODE0));
        assert_int_equal(w->cpu.cpl, 3);
    }
}

static void syscalls(void **state)
{
    struct world *w = *state;
    for (unsigned vendor = X86_VENDOR_INTEL; vendor <= X86_VENDOR_AMD; vendor++) {
        bool amd = vendor == X86_VENDOR_AMD;
        world_reset(w);
        world_long(w, 3);
        w->cpu.vendor = (u8)vendor;
        struct x86_state *s = &w->cpu.s;
        s->star = (u64)SEL_CODE64_0 << 32 | (u64)0x23 << 48;
        s->lstar = TARGET;
        s->cstar = TARGET + 0x100;
        s->sfmask = X86_IF | X86_TF | X86_AC;
        s->rflags |= X86_IF | X86_AC | X86_CF;
        u64 flags = s->rflags;
        assert_int_equal(RUN_FAULT(w, 0x0f, 0x05), NO_FAULT);
        assert_int_equal(s->rip, TARGET);
        assert_int_equal(s->gpr[X86_RCX], AT_CODE + 2);
        assert_int_equal(s->gpr[X86_R11], flags);
        assert_int_equal(s->rflags, X86_FLAG1 | X86_CF);
        assert_int_equal(w->cpu.cpl, 0);
        assert_int_equal(s->seg[X86_CS].sel, SEL_CODE64_0);
        assert_int_equal(s->seg[X86_SS].sel, SEL_CODE64_0 + 8);
        assert_int_equal(s->gpr[X86_RSP], AT_STACK3);
        /* And back. */
        assert_int_equal(RUN_FAULT(w, 0x48, 0x0f, 0x07), NO_FAULT); /* sysretq */
        assert_int_equal(s->rip, AT_CODE + 2);
        assert_int_equal(s->rflags, flags);
        assert_int_equal(w->cpu.cpl, 3);
        assert_int_equal(w->cpu.mode, X86_MODE64);
        assert_int_equal(s->seg[X86_CS].sel, 0x33);
        assert_int_equal(s->seg[X86_SS].sel, 0x2b);
        /* Ring 3 may not return. */
        assert_int_equal(RUN_FAULT(w, 0x48, 0x0f, 0x07), FAULT(X86_GP, 0));
        /* A non-canonical target: Intel faults in ring 0, AMD at the target in ring 3. */
        RUN(w, 0x0f, 0x05);
        s->gpr[X86_RCX] = (u64)1 << 47;
        int got = RUN_FAULT(w, 0x48, 0x0f, 0x07);
        assert_int_equal(got, amd ? NO_FAULT : FAULT(X86_GP, 0));
        assert_int_equal(w->cpu.cpl, amd ? 3 : 0);
        if (amd) {
            w->cpu.intercepts.exceptions = ~(u32)0;
            assert_int_equal(x86_step(&w->cpu), X86_INTERCEPT);
            assert_int_equal(w->cpu.fault.vector, X86_GP);
        }
        /* From compatibility mode: AMD takes CSTAR, Intel #UD. */
        world_reset(w);
        world_long(w, 3);
        w->cpu.vendor = (u8)vendor;
        s->star = (u64)SEL_CODE64_0 << 32;
        s->cstar = TARGET + 0x100;
        s->seg[X86_CS].attr = D_CODE3;
        s->seg[X86_CS].sel = SEL_CODE3;
        x86_cpu_derive(&w->cpu);
        assert_int_equal(RUN_FAULT(w, 0x0f, 0x05), amd ? NO_FAULT : FAULT(X86_UD, 0));
        if (amd)
            assert_int_equal(s->rip, TARGET + 0x100);
        /* SYSENTER in long mode is Intel's only. */
        world_reset(w);
        world_long(w, 3);
        w->cpu.vendor = (u8)vendor;
        s->sysenter_cs = SEL_CODE64_0;
        s->sysenter_eip = TARGET;
        s->sysenter_esp = AT_STACK1;
        assert_int_equal(RUN_FAULT(w, 0x0f, 0x34), amd ? FAULT(X86_UD, 0) : NO_FAULT);
        if (!amd) {
            assert_int_equal(s->rip, TARGET);
            assert_int_equal(s->gpr[X86_RSP], AT_STACK1);
            assert_int_equal(w->cpu.cpl, 0);
        }
    }
    /* Without EFER.SCE there is no SYSCALL. */
    world_reset(w);
    world_long(w, 3);
    w->cpu.s.efer &= ~X86_EFER_SCE;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x05), FAULT(X86_UD, 0));
}

static void sysenter_legacy(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 3);
    struct x86_state *s = &w->cpu.s;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x34), FAULT(X86_GP, 0)); /* SYSENTER_CS is null */
    s->sysenter_cs = SEL_CODE0;
    s->sysenter_eip = TARGET;
    s->sysenter_esp = AT_STACK0;
    s->rflags |= X86_IF;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x34), NO_FAULT);
    assert_int_equal(s->seg[X86_CS].sel, SEL_CODE0);
    assert_int_equal(s->seg[X86_SS].sel, SEL_DATA0);
    assert_int_equal(s->rflags & X86_IF, 0);
    s->gpr[X86_RDX] = AT_CODE;
    s->gpr[X86_RCX] = AT_STACK3;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x35), NO_FAULT);
    assert_int_equal(s->seg[X86_CS].sel, SEL_CODE3);
    assert_int_equal(s->seg[X86_SS].sel, SEL_DATA3);
    assert_int_equal(w->cpu.cpl, 3);
    assert_int_equal(s->rip, AT_CODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(direct),     cmocka_unit_test(accessed_bit),
        cmocka_unit_test(real_mode),  cmocka_unit_test(gates),
        cmocka_unit_test(task_jump),  cmocka_unit_test(iret_long),
        cmocka_unit_test(iret_flags), cmocka_unit_test(return_inward),
        cmocka_unit_test(syscalls),   cmocka_unit_test(sysenter_legacy),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
