/* SPDX-License-Identifier: BSD-2-Clause */
/* Delivering events: IVT, 16- and 32-bit gates, 64-bit gates with IST, stack switches, error codes,
 * virtual-8086 mode, what faults make together, task gates. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { HANDLER = 0x11000, VECTOR = 0x40 };

static struct x86_event external(unsigned vector)
{
    return (struct x86_event){.kind = X86_EVENT_INTERRUPT, .vector = (u8)vector};
}
static struct x86_event exception(unsigned vector, u32 error)
{
    bool has = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
    return (struct x86_event){
        .kind = X86_EVENT_EXCEPTION, .vector = (u8)vector, .has_error = has, .error = error};
}

static void real_mode(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_real(w);
    struct x86_state *s = &w->cpu.s;
    ram_put(w, VECTOR * 4, 2, 0x1234);
    ram_put(w, VECTOR * 4 + 2, 2, 0x1000);
    s->rip = 0x77;
    s->rflags |= X86_IF | X86_TF | X86_CF;
    struct x86_event ev = external(VECTOR);
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    assert_int_equal(s->seg[X86_CS].sel, 0x1000);
    assert_int_equal(s->seg[X86_CS].base, 0x10000);
    assert_int_equal(s->rip, 0x1234);
    assert_int_equal(s->rflags, X86_FLAG1 | X86_CF);
    assert_int_equal(s->gpr[X86_RSP], 0xffa);
    assert_int_equal(ram_get(w, 0x20ffa, 2), 0x77);
    assert_int_equal(ram_get(w, 0x20ffc, 2), AT_CODE >> 4);
    assert_int_equal(ram_get(w, 0x20ffe, 2), X86_FLAG1 | X86_IF | X86_TF | X86_CF);
}

static void expect_frame(struct world *w, u64 at, unsigned size, const u64 *want, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (ram_get(w, at + i * size, size) != want[i])
            fail_msg("word %u of the frame: %llx, not %llx", i,
                     (unsigned long long)ram_get(w, at + i * size, size),
                     (unsigned long long)want[i]);
}

static void same_level(void **state)
{
    static const unsigned types[] = {14, 15, 6, 7};
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        world_reset(w);
        world_protected(w, 0);
        struct x86_state *s = &w->cpu.s;
        world_gate(w, VECTOR, types[i], 0, SEL_CODE0, 0x9000, 0);
        s->rflags |= X86_IF | X86_TF | X86_NT;
        u64 flags = s->rflags;
        struct x86_event ev = external(VECTOR);
        assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
        assert_int_equal(s->rip, 0x9000);
        /* Only an interrupt gate clears IF. */
        assert_int_equal(s->rflags, X86_FLAG1 | (types[i] & 1 ? X86_IF : 0));
        unsigned size = types[i] & 8 ? 4 : 2;
        assert_int_equal(s->gpr[X86_RSP], AT_STACK0 - 3 * size);
        u64 want[] = {size == 4 ? AT_CODE : (u16)AT_CODE, SEL_CODE0, flags};
        expect_frame(w, AT_STACK0 - 3 * size, size, want, 3);
    }
}

static void inner_level(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 3);
    struct x86_state *s = &w->cpu.s;
    world_gate(w, X86_GP, 14, 0, SEL_CODE0, HANDLER, 0);
    u64 flags = s->rflags;
    struct x86_event ev = exception(X86_GP, 0xabc);
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    assert_int_equal(w->cpu.cpl, 0);
    assert_int_equal(s->seg[X86_SS].sel, SEL_DATA0);
    u64 want[] = {0xabc, AT_CODE, SEL_CODE3, flags | X86_RF, AT_STACK3, SEL_DATA3};
    expect_frame(w, AT_STACK0 - 24, 4, want, 6);
    /* To ring 1, from another gate. */
    world_reset(w);
    world_protected(w, 3);
    world_gate(w, VECTOR, 14, 3, SEL_CODE1, HANDLER, 0);
    ev = external(VECTOR);
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    assert_int_equal(w->cpu.cpl, 1);
    assert_int_equal(s->seg[X86_CS].sel, SEL_CODE1);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK1 - 20);
    /* A conforming handler stays at the interrupted level. */
    world_reset(w);
    world_protected(w, 3);
    world_gate(w, VECTOR, 14, 3, SEL_CONFORMING, HANDLER, 0);
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    assert_int_equal(w->cpu.cpl, 3);
    assert_int_equal(s->seg[X86_CS].sel, SEL_CONFORMING | 3);
}

static void long_mode(void **state)
{
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    /* Same level, no IST: the stack is aligned to 16, SS:RSP is always saved. */
    world_reset(w);
    world_long(w, 0);
    s->gpr[X86_RSP] = AT_STACK0 - 5;
    world_gate(w, X86_PF_FAULT, 14, 0, SEL_CODE64_0, HANDLER, 0);
    struct x86_event ev = exception(X86_PF_FAULT, 6);
    ev.payload = 0xdeadbeef;
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    u64 want[] = {6, AT_CODE, SEL_CODE64_0, X86_FLAG1 | X86_RF, AT_STACK0 - 5, SEL_DATA0};
    expect_frame(w, AT_STACK0 - 16 - 48, 8, want, 6);
    assert_int_equal(s->cr2, 0xdeadbeef);
    assert_int_equal(s->seg[X86_SS].sel, SEL_DATA0);
    /* From user: null SS with the new level. */
    world_reset(w);
    world_long(w, 3);
    world_gate(w, VECTOR, 14, 0, SEL_CODE64_0, HANDLER, 0);
    ev = external(VECTOR);
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    assert_int_equal(w->cpu.cpl, 0);
    assert_int_equal(s->seg[X86_SS].sel, 0);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK0 - 40);
    /* IST is used at any level. */
    world_reset(w);
    world_long(w, 0);
    world_gate(w, X86_NMI, 14, 0, SEL_CODE64_0, HANDLER, 1);
    ev = (struct x86_event){.kind = X86_EVENT_NMI, .vector = X86_NMI};
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK_IST - 40);
    assert_int_equal(s->seg[X86_SS].sel, SEL_DATA0); /* null only when the level changes */
    assert_false(x86_can_nmi(&w->cpu));
    assert_int_equal(RUN(w, 0x48, 0xcf), X86_OK); /* iretq */
    assert_true(x86_can_nmi(&w->cpu));
    assert_int_equal(s->rip, AT_CODE);
}

static void vm86(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_vm86(w, 3);
    struct x86_state *s = &w->cpu.s;
    u64 flags = s->rflags, seg = AT_DATA >> 4;
    world_gate(w, VECTOR, 14, 0, SEL_CODE0, HANDLER, 0);
    struct x86_event ev = external(VECTOR);
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    u64 want[] = {0, AT_CODE >> 4, flags, 0x1000, seg, seg, seg, seg, seg};
    expect_frame(w, AT_STACK0 - 36, 4, want, 9);
    assert_int_equal(w->cpu.cpl, 0);
    assert_false(w->cpu.vm86);
    assert_int_equal(s->seg[X86_DS].sel, 0);
    /* And back. */
    s->rip = AT_CODE + 0x100;
    assert_int_equal(RUN(w, 0xcf), X86_OK); /* iretd */
    assert_true(w->cpu.vm86);
    assert_int_equal(s->rflags, flags);
    assert_int_equal(s->seg[X86_GS].base, AT_DATA);
    assert_int_equal(s->gpr[X86_RSP], 0x1000);
    /* A handler of another level than 0 is refused. */
    world_gate(w, VECTOR, 14, 0, SEL_CODE1, HANDLER, 0);
    world_gate(w, X86_GP, 14, 0, SEL_CODE0, HANDLER + 8, 0);
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    assert_int_equal(s->rip, HANDLER + 8);
    assert_int_equal(ram_get(w, AT_STACK0 - 40, 4), (SEL_CODE1 & ~3) + 1);
}

/* Faults of the delivery itself: vector and error code, for external and software interrupts. */
static void gate_faults(void **state)
{
    enum trouble {
        LIMIT,
        TYPE,
        ABSENT,
        NULL_CODE,
        NOT_CODE,
        CODE_ABSENT,
        OUTSIDE_GDT,
        TSS_LIMIT,
        BAD_SS
    };
    static const struct {
        enum trouble trouble;
        u8 vector;
        u16 error;
    } rows[] = {
        {LIMIT, X86_GP, VECTOR * 8 + 2},  {TYPE, X86_GP, VECTOR * 8 + 2},
        {ABSENT, X86_NP, VECTOR * 8 + 2}, {NULL_CODE, X86_GP, 0},
        {NOT_CODE, X86_GP, SEL_DATA0},    {CODE_ABSENT, X86_NP, SEL_FREE},
        {OUTSIDE_GDT, X86_GP, 0xff8},     {TSS_LIMIT, X86_TS, SEL_TSS},
        {BAD_SS, X86_TS, SEL_CODE0},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned software = 0; software < 2; software++) {
            world_reset(w);
            world_protected(w, 3);
            unsigned sel = SEL_CODE0, type = 14;
            switch (rows[i].trouble) {
            case LIMIT: w->cpu.s.idtr.limit = VECTOR * 8 + 6; break;
            case TYPE: type = 12; break;
            case ABSENT: break;
            case NULL_CODE: sel = 0; break;
            case NOT_CODE: sel = SEL_DATA0; break;
            case CODE_ABSENT:
                sel = SEL_FREE;
                world_descriptor(w, SEL_FREE, descriptor(0, 0xfffff, D_CODE0 & ~0x80));
                break;
            case OUTSIDE_GDT: sel = 0xff8; break;
            case TSS_LIMIT: w->cpu.s.tr.limit = 8; break;
            case BAD_SS: ram_put(w, AT_TSS + 8, 4, SEL_CODE0); break;
            }
            world_gate(w, VECTOR, type, 3, sel, HANDLER, 0);
            if (rows[i].trouble == ABSENT)
                ram_put(w, AT_IDT + VECTOR * 8 + 5, 1, 0x60 | 14);
            w->cpu.intercepts.exceptions = ~(u32)0;
            struct x86_event ev = external(VECTOR);
            int r = software ? RUN(w, 0xcd, VECTOR) : x86_deliver(&w->cpu, &ev);
            assert_int_equal(r, X86_INTERCEPT);
            if (w->cpu.fault.vector != rows[i].vector ||
                w->cpu.fault.error != rows[i].error + (u32)!software)
                fail_msg("row %zu software %u: vector %u error %x", i, software,
                         w->cpu.fault.vector, w->cpu.fault.error);
            assert_int_equal(w->cpu.s.rip, AT_CODE);
            assert_int_equal(w->cpu.cpl, 3);
        }
}

/* INT n checks the gate's DPL; INT3 too; hardware exceptions do not. */
static void gate_privilege(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 3);
    world_gate(w, VECTOR, 14, 0, SEL_CODE0, HANDLER, 0);
    world_gate(w, X86_BP, 14, 0, SEL_CODE0, HANDLER, 0);
    world_gate(w, X86_DB, 14, 0, SEL_CODE0, HANDLER, 0);
    assert_int_equal(RUN_FAULT(w, 0xcd, VECTOR), FAULT(X86_GP, VECTOR * 8 + 2));
    w->cpu.intercepts.exceptions = 1 << X86_GP;
    assert_int_equal(RUN(w, 0xcc), X86_INTERCEPT);
    assert_int_equal(w->cpu.fault.error, X86_BP * 8 + 2);
    w->cpu.intercepts.exceptions = 0;
    assert_int_equal(RUN(w, 0xf1), X86_OK); /* int1: as hardware */
    assert_int_equal(w->cpu.s.rip, HANDLER);
    assert_int_equal(ram_get(w, AT_STACK0 - 20, 4), AT_CODE + 1);
}

/* [SDM3 table 6-5]: first, second, what comes of them. */
static void double_faults(void **state)
{
    enum { SERIAL, DOUBLE, SHUTDOWN };
    static const u8 first[] = {X86_DB, X86_UD,       X86_DE,       X86_GP,       X86_NP,
                               X86_TS, X86_SS_FAULT, X86_PF_FAULT, X86_DF_ABORT, VECTOR};
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        for (unsigned second = 0; second < 2; second++) { /* #NP of the gate, #PF of the IDT */
            bool contributory = first[i] == X86_DE || (first[i] >= X86_TS && first[i] <= X86_GP);
            int want = first[i] == X86_DF_ABORT   ? SHUTDOWN
                       : first[i] == X86_PF_FAULT ? DOUBLE
                       : contributory && !second  ? DOUBLE
                                                  : SERIAL;
            world_reset(w);
            world_long(w, 0);
            for (unsigned v = 0; v < 32; v++)
                world_gate(w, v, 14, 0, SEL_CODE64_0, HANDLER + v, 0);
            world_gate(w, VECTOR, 14, 0, SEL_CODE64_0, HANDLER + VECTOR, 0);
            if (!second) {
                ram_put(w, AT_IDT + 16 * first[i] + 5, 1, 14); /* not present */
            } else {
                /* The stack's page is missing: #PF, whose own gate has IST 1. */
                w->cpu.s.gpr[X86_RSP] = 0x80000000;
                world_gate(w, X86_PF_FAULT, 14, 0, SEL_CODE64_0, HANDLER + X86_PF_FAULT,
                           first[i] == X86_PF_FAULT ? 0 : 1);
                if (first[i] != X86_DF_ABORT)
                    world_gate(w, X86_DF_ABORT, 14, 0, SEL_CODE64_0, HANDLER + X86_DF_ABORT, 1);
            }
            struct x86_event ev = first[i] == VECTOR ? external(VECTOR) : exception(first[i], 0);
            int r = x86_deliver(&w->cpu, &ev);
            unsigned next = second ? X86_PF_FAULT : X86_NP;
            if (want == SHUTDOWN
                    ? r != X86_TRIPLE || w->cpu.s.run_state != X86_SHUTDOWN
                    : r != X86_OK || w->cpu.s.rip != HANDLER + (want == DOUBLE ? 8 : next))
                fail_msg("first %u second %u: result %d, rip %llx", first[i], next, r,
                         (unsigned long long)w->cpu.s.rip);
            if (want == DOUBLE)
                assert_int_equal(ram_get(w, w->cpu.s.gpr[X86_RSP], 8), 0);
        }
}

static void triple_fault(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 0);
    w->cpu.s.idtr.limit = 0;
    assert_int_equal(RUN(w, 0x0f, 0x0b), X86_TRIPLE);
    assert_int_equal(w->cpu.s.run_state, X86_SHUTDOWN);
}

static void shadows(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 0);
    assert_false(x86_can_interrupt(&w->cpu));
    assert_int_equal(RUN(w, 0xfb), X86_OK); /* sti */
    assert_false(x86_can_interrupt(&w->cpu));
    assert_int_equal(RUN(w, 0x90), X86_OK);
    assert_true(x86_can_interrupt(&w->cpu));
    assert_int_equal(RUN(w, 0xfb), X86_OK); /* already set: no shadow */
    assert_true(x86_can_interrupt(&w->cpu));
    w->cpu.s.gpr[X86_RAX] = SEL_DATA0;
    assert_int_equal(RUN(w, 0x8e, 0xd0), X86_OK); /* mov ss, ax */
    assert_false(x86_can_interrupt(&w->cpu));
    assert_false(x86_can_nmi(&w->cpu));
    assert_int_equal(RUN(w, 0x90), X86_OK);
    assert_true(x86_can_interrupt(&w->cpu));
}

static void task_gate(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_protected(w, 3);
    struct x86_state *s = &w->cpu.s;
    ram_put(w, AT_TSS2 + 0x20, 4, HANDLER);
    ram_put(w, AT_TSS2 + 0x24, 4, X86_FLAG1);
    ram_put(w, AT_TSS2 + 0x38, 4, AT_STACK0);
    for (unsigned i = 0; i < 6; i++)
        ram_put(w, AT_TSS2 + 0x48 + 4 * i, 2, i == 1 ? SEL_CODE0 : SEL_DATA0);
    world_gate(w, X86_DF_ABORT, 5, 0, SEL_TSS2, 0, 0);
    s->gpr[X86_RBX] = 0x1234;
    struct x86_event ev = exception(X86_DF_ABORT, 0);
    assert_int_equal(x86_deliver(&w->cpu, &ev), X86_OK);
    assert_int_equal(s->rip, HANDLER);
    assert_int_equal(s->tr.sel, SEL_TSS2);
    assert_true(s->rflags & X86_NT);
    assert_true(s->cr0 & X86_CR0_TS);
    assert_int_equal(ram_get(w, AT_TSS2, 2), SEL_TSS); /* link */
    assert_int_equal(ram_get(w, AT_TSS + 0x34, 4), 0x1234);
    assert_int_equal(ram_get(w, AT_TSS + 0x20, 4), AT_CODE);
    assert_int_equal(s->gpr[X86_RSP], AT_STACK0 - 4); /* the error code */
    assert_int_equal(ram_get(w, AT_GDT + SEL_TSS2 + 5, 1), 0x8b);
    assert_int_equal(ram_get(w, AT_GDT + SEL_TSS + 5, 1), 0x8b); /* both busy: nested */
    /* IRET with NT goes back. */
    assert_int_equal(RUN(w, 0xcf), X86_OK);
    assert_int_equal(s->tr.sel, SEL_TSS);
    assert_int_equal(s->rip, AT_CODE);
    assert_int_equal(w->cpu.cpl, 3);
    assert_int_equal(s->gpr[X86_RBX], 0x1234);
    assert_int_equal(ram_get(w, AT_GDT + SEL_TSS2 + 5, 1), 0x89);
    assert_false(ram_get(w, AT_TSS2 + 0x24, 4) & X86_NT);
}

/* Single step, breakpoints. */
static void debug_traps(void **state)
{
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    world_reset(w);
    world_protected(w, 0);
    world_gate(w, X86_DB, 14, 0, SEL_CODE0, HANDLER, 0);
    s->rflags |= X86_TF;
    assert_int_equal(RUN(w, 0x90), X86_OK);
    assert_int_equal(s->rip, HANDLER);
    assert_true(s->dr6 & (1 << 14));
    assert_int_equal(ram_get(w, AT_STACK0 - 12, 4), AT_CODE + 1);
    assert_false(s->rflags & X86_TF);
    /* The monitor may have it instead. */
    s->rip = AT_CODE;
    s->rflags |= X86_TF;
    w->cpu.intercepts.other = X86_ICPT_SINGLE_STEP;
    assert_int_equal(RUN(w, 0x90), X86_INTERCEPT);
    assert_int_equal(w->cpu.intercept, X86_ICPT_SINGLE_STEP);
    assert_int_equal(w->cpu.fault.payload, 1 << 14);
    assert_int_equal(s->rip, AT_CODE + 1);
    w->cpu.intercepts.other = 0;
    /* INT1 leaves DR6 alone. */
    s->rflags &= ~(u64)X86_TF;
    s->dr6 |= 5;
    assert_int_equal(RUN(w, 0xf1), X86_OK);
    assert_int_equal(s->rip, HANDLER);
    assert_int_equal(s->dr6 & 15, 5);
    s->gpr[X86_RSP] = AT_STACK0;
    /* After MOV SS the trap waits for one more instruction. */
    s->rip = AT_CODE;
    s->rflags |= X86_TF;
    s->gpr[X86_RAX] = SEL_DATA0;
    assert_int_equal(RUN(w, 0x8e, 0xd0), X86_OK);
    assert_int_equal(s->rip, AT_CODE + 2);
    assert_int_equal(RUN(w, 0x90), X86_OK);
    assert_int_equal(s->rip, HANDLER);
    /* Instruction breakpoint: a fault, not taken again with RF. */
    world_reset(w);
    world_protected(w, 0);
    world_gate(w, X86_DB, 14, 0, SEL_CODE0, HANDLER, 0);
    s->dr[0] = AT_CODE;
    s->dr7 = 0x401;
    x86_cpu_derive(&w->cpu);
    assert_true(x86_wants_step(&w->cpu));
    assert_int_equal(RUN(w, 0x90), X86_OK);
    assert_int_equal(s->rip, HANDLER);
    assert_int_equal(s->dr6 & 15, 1);
    assert_int_equal(ram_get(w, AT_STACK0 - 12, 4), AT_CODE);
    s->rip = AT_CODE;
    s->rflags |= X86_RF;
    assert_int_equal(RUN(w, 0x90), X86_OK);
    assert_int_equal(s->rip, AT_CODE + 1);
    assert_false(s->rflags & X86_RF);
    /* On a repeated instruction it hits once, however often that is interrupted. */
    s->rip = AT_CODE;
    s->rflags |= X86_RF;
    s->gpr[X86_RCX] = 3;
    s->gpr[X86_RSI] = AT_DATA;
    for (unsigned left = 2; left > 0; left--) {
        x86_request_stop(&w->cpu);
        assert_int_equal(RUN(w, 0xf3, 0xac), X86_STOP); /* rep lodsb */
        assert_int_equal(s->gpr[X86_RCX], left);
        assert_int_equal(s->rip, AT_CODE);
        assert_true(s->rflags & X86_RF);
    }
    assert_int_equal(RUN(w, 0xf3, 0xac), X86_OK);
    assert_int_equal(s->rip, AT_CODE + 2);
    assert_false(s->rflags & X86_RF);
    /* Data breakpoint on writes of four bytes: a trap. */
    s->dr[1] = AT_DATA;
    s->dr7 = 0x400 | 4 | 0xd00000;
    x86_cpu_derive(&w->cpu);
    s->gpr[X86_RBX] = AT_DATA + 2;
    s->rip = AT_CODE;
    assert_int_equal(RUN(w, 0x8a, 0x03), X86_OK); /* mov al, [ebx]: reads do not hit */
    assert_int_equal(s->rip, AT_CODE + 2);
    assert_int_equal(RUN(w, 0x88, 0x03), X86_OK); /* mov [ebx], al */
    assert_int_equal(s->rip, HANDLER);
    assert_int_equal(s->dr6 & 15, 2);
    /* DR7.GD guards the registers; the handler may use them. */
    s->rip = AT_CODE;
    s->dr7 = 0x2400;
    x86_cpu_derive(&w->cpu);
    assert_int_equal(RUN(w, 0x0f, 0x21, 0xf8), X86_OK); /* mov eax, dr7 */
    assert_int_equal(s->rip, HANDLER);
    assert_true(s->dr6 & (1 << 13));
    assert_false(s->dr7 & 0x2000);
}

/* MOV DR: privilege, aliases, reserved halves, fixed bits. */
static void debug_registers(void **state)
{
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    world_reset(w);
    world_long(w, 0);
    s->gpr[X86_RAX] = (u64)1 << 32;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x23, 0xf8), FAULT(X86_GP, 0)); /* mov dr7, rax */
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x23, 0xf0), FAULT(X86_GP, 0)); /* mov dr6, rax */
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x23, 0xc0), NO_FAULT);
    assert_true(s->dr[0] == (u64)1 << 32);
    s->gpr[X86_RAX] = 0;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x23, 0xe8), NO_FAULT); /* dr5 is dr7 */
    assert_int_equal(s->dr7, 0x400);
    s->cr4 |= X86_CR4_DE;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x23, 0xe8), FAULT(X86_UD, 0));
    world_reset(w);
    world_long(w, 3);
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x21, 0xf8), FAULT(X86_GP, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_mode),
        cmocka_unit_test(same_level),
        cmocka_unit_test(inner_level),
        cmocka_unit_test(long_mode),
        cmocka_unit_test(vm86),
        cmocka_unit_test(gate_faults),
        cmocka_unit_test(gate_privilege),
        cmocka_unit_test(double_faults),
        cmocka_unit_test(triple_fault),
        cmocka_unit_test(shadows),
        cmocka_unit_test(task_gate),
        cmocka_unit_test(debug_traps),
        cmocka_unit_test(debug_registers),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
