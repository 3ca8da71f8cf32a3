/* SPDX-License-Identifier: BSD-2-Clause */
/* The sensitive instructions that do not trap on plain hardware show the virtual processor's
 * values; UMIP, IOPL, I/O bitmap, control registers, MSRs, VME. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Values no host has. */
static void odd_tables(struct world *w)
{
    struct x86_state *s = &w->cpu.s;
    s->gdtr.limit = 0x1ff;
    s->idtr = (struct x86_table){.base = 0x1122334455667, .limit = 0x789};
    s->ldtr.sel = 0x6b68;
    s->tr.sel = 0x5a58;
}

static void tables_shown(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 3);
    odd_tables(w);
    struct x86_state *s = &w->cpu.s;
    s->gpr[X86_RBX] = AT_DATA;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0x03), NO_FAULT); /* sgdt [rbx] */
    assert_int_equal(ram_get(w, AT_DATA, 2), 0x1ff);
    assert_int_equal(ram_get(w, AT_DATA + 2, 8), AT_GDT);
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0x0b), NO_FAULT); /* sidt [rbx] */
    assert_int_equal(ram_get(w, AT_DATA, 2), 0x789);
    assert_true(ram_get(w, AT_DATA + 2, 8) == 0x1122334455667);
    s->gpr[X86_RAX] = s->gpr[X86_RCX] = s->gpr[X86_RDX] = ~(u64)0;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x00, 0xc0), NO_FAULT); /* sldt eax */
    assert_int_equal(s->gpr[X86_RAX], 0x6b68);
    assert_int_equal(RUN_FAULT(w, 0x48, 0x0f, 0x00, 0xc9), NO_FAULT); /* str rcx */
    assert_int_equal(s->gpr[X86_RCX], 0x5a58);
    assert_int_equal(RUN_FAULT(w, 0x48, 0x0f, 0x01, 0xe2), NO_FAULT); /* smsw rdx */
    assert_true(s->gpr[X86_RDX] == s->cr0);
    assert_int_equal(RUN_FAULT(w, 0x66, 0x0f, 0x00, 0xc8), NO_FAULT); /* str ax: upper part stays */
    assert_int_equal(s->gpr[X86_RAX], 0x5a58);
    /* UMIP takes them away from rings above 0, and only from those. */
    s->cr4 |= X86_CR4_UMIP;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0x03), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0x0b), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x00, 0xc0), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x00, 0xc8), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0xe0), FAULT(X86_GP, 0));
    world_reset(w);
    world_long(w, 0);
    s->cr4 |= X86_CR4_UMIP;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x00, 0xc0), NO_FAULT);
    /* SLDT and STR do not exist outside protected mode. */
    world_reset(w);
    world_real(w);
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x00, 0xc0), FAULT(X86_UD, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0xe0), NO_FAULT);
}

/* PUSHF shows IF and IOPL of the guest; POPF changes what the level may. */
static void flags(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 3);
    struct x86_state *s = &w->cpu.s;
    s->rflags = X86_FLAG1 | X86_IF | 0x1000; /* IOPL 1 */
    assert_int_equal(RUN_FAULT(w, 0x9c), NO_FAULT);
    assert_int_equal(ram_get(w, AT_STACK3 - 8, 8), X86_FLAG1 | X86_IF | 0x1000);
    ram_put(w, AT_STACK3 - 8, 8, X86_IOPL | X86_CF | X86_TF | X86_NT | X86_VM | X86_RF);
    assert_int_equal(RUN_FAULT(w, 0x9d), NO_FAULT);
    assert_int_equal(s->rflags, X86_FLAG1 | X86_IF | 0x1000 | X86_CF | X86_TF | X86_NT);
    s->rflags = X86_FLAG1;
    assert_int_equal(RUN_FAULT(w, 0xfa), FAULT(X86_GP, 0)); /* cli */
    assert_int_equal(RUN_FAULT(w, 0xfb), FAULT(X86_GP, 0));
    s->rflags |= X86_IOPL;
    assert_int_equal(RUN_FAULT(w, 0xfb), NO_FAULT);
    assert_true(s->rflags & X86_IF);
    /* Ring 3 with protected-mode virtual interrupts. */
    s->rflags = X86_FLAG1 | X86_IF;
    s->cr4 |= X86_CR4_PVI;
    assert_int_equal(RUN_FAULT(w, 0xfb), NO_FAULT);
    assert_int_equal(s->rflags, X86_FLAG1 | X86_IF | X86_VIF);
    assert_int_equal(RUN_FAULT(w, 0xfa), NO_FAULT);
    assert_int_equal(s->rflags, X86_FLAG1 | X86_IF);
    s->rflags |= X86_VIP;
    assert_int_equal(RUN_FAULT(w, 0xfb), FAULT(X86_GP, 0));
}

static void vm86_flags(void **state)
{
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    world_reset(w);
    world_vm86(w, 3);
    assert_int_equal(RUN_FAULT(w, 0x9c), NO_FAULT);
    assert_int_equal(ram_get(w, AT_DATA + 0xffe, 2), X86_FLAG1 | X86_IOPL);
    world_reset(w);
    world_vm86(w, 0);
    assert_int_equal(RUN_FAULT(w, 0x9c), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0x9d), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0xcf), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0xcd, 0x21), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0xfa), FAULT(X86_GP, 0));
    /* VME: VIF stands for IF, IOPL reads 3. */
    s->cr4 |= X86_CR4_VME;
    assert_int_equal(RUN_FAULT(w, 0xfb), NO_FAULT);
    assert_true(s->rflags & X86_VIF);
    assert_int_equal(RUN_FAULT(w, 0x9c), NO_FAULT);
    assert_int_equal(ram_get(w, AT_DATA + 0xffe, 2), X86_FLAG1 | X86_IOPL | X86_IF);
    /* INT n through the program's own table when the TSS redirects it. */
    ram_put(w, AT_TSS + 0x66, 2, 0x100);
    ram_put(w, 0x21 * 4, 4, (u32)(AT_CODE >> 4) << 16 | 0x500);
    assert_int_equal(RUN_FAULT(w, 0xcd, 0x21), NO_FAULT);
    assert_int_equal(s->rip, 0x500);
    assert_true(w->cpu.vm86);
    assert_false(s->rflags & X86_VIF);
    assert_int_equal(RUN_FAULT(w, 0xcf), NO_FAULT);
    assert_true(s->rflags & X86_VIF);
    ram_put(w, AT_TSS + 0x100 - 32 + 4, 1, 2); /* not redirected: needs IOPL 3 */
    assert_int_equal(RUN_FAULT(w, 0xcd, 0x21), FAULT(X86_GP, 0));
}

/* LAR, LSL, VERR, VERW over the descriptors of the world. */
static void selector_questions(void **state)
{
    static const struct {
        unsigned cpl, sel;
        bool lar, lsl, verr, verw;
        u32 rights, limit;
    } rows[] = {
        {0, 0, false, false, false, false, 0, 0},
        {0, SEL_CODE0, true, true, true, false, 0xc09b00, 0xffffffff},
        {0, SEL_DATA0, true, true, true, true, 0xc09300, 0xffffffff},
        {3, SEL_DATA0, false, false, false, false, 0, 0},
        {3, SEL_DATA3, true, true, true, true, 0xc0f300, 0xffffffff},
        {0, SEL_DATA0 | 3, false, false, false, false, 0, 0},
        {3, SEL_CONFORMING, true, true, true, false, 0xc09f00, 0xffffffff},
        {0, SEL_TSS, true, true, false, false, 0x008b00, 0x1fff},
        {0, SEL_LDT, true, true, false, false, 0x008200, 0xff},
        {0, SEL_FREE, true, false, false, false, 0x00ec00, 0}, /* call gate */
        {0, 0xff8, false, false, false, false, 0, 0},
        {0, 0xc, false, false, false, false, 0, 0},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_reset(w);
        world_protected(w, rows[i].cpl);
        world_descriptor(w, SEL_FREE, (u64)0xec << 40);
        struct x86_state *s = &w->cpu.s;
        s->gpr[X86_RCX] = rows[i].sel;
        s->gpr[X86_RAX] = s->gpr[X86_RDX] = 0x5555;
        assert_int_equal(RUN_FAULT(w, 0x0f, 0x02, 0xc1), NO_FAULT); /* lar eax, ecx */
        bool lar = s->rflags & X86_ZF;
        assert_int_equal(RUN_FAULT(w, 0x0f, 0x03, 0xd1), NO_FAULT); /* lsl edx, ecx */
        bool lsl = s->rflags & X86_ZF;
        assert_int_equal(RUN_FAULT(w, 0x0f, 0x00, 0xe1), NO_FAULT); /* verr cx */
        bool verr = s->rflags & X86_ZF;
        assert_int_equal(RUN_FAULT(w, 0x0f, 0x00, 0xe9), NO_FAULT); /* verw cx */
        bool verw = s->rflags & X86_ZF;
        if (lar != rows[i].lar || lsl != rows[i].lsl || verr != rows[i].verr ||
            verw != rows[i].verw)
            fail_msg("row %zu: lar %d lsl %d verr %d verw %d", i, lar, lsl, verr, verw);
        assert_int_equal(s->gpr[X86_RAX], lar ? rows[i].rights : 0x5555);
        assert_int_equal(s->gpr[X86_RDX], lsl ? rows[i].limit : 0x5555);
    }
}

static void segment_moves(void **state)
{
    static const struct {
        unsigned cpl, sel;
        int ds, ss; /* what loading it into DS and SS comes to */
    } rows[] = {
        {0, 0, NO_FAULT, FAULT(X86_GP, 0)},
        {0, SEL_DATA0, NO_FAULT, NO_FAULT},
        {0, SEL_CODE0, NO_FAULT, FAULT(X86_GP, SEL_CODE0)},
        {0, SEL_DATA3, NO_FAULT, FAULT(X86_GP, SEL_DATA3 & ~3)},
        {3, SEL_DATA3, NO_FAULT, NO_FAULT},
        {3, SEL_DATA0, FAULT(X86_GP, SEL_DATA0), FAULT(X86_GP, SEL_DATA0)},
        {3, SEL_CONFORMING, NO_FAULT, FAULT(X86_GP, SEL_CONFORMING)},
        {0, SEL_DATA0 | 3, FAULT(X86_GP, SEL_DATA0), FAULT(X86_GP, SEL_DATA0)}, /* RPL */
        {0, SEL_TSS, FAULT(X86_GP, SEL_TSS), FAULT(X86_GP, SEL_TSS)},
        {0, SEL_FREE, FAULT(X86_NP, SEL_FREE), FAULT(X86_SS_FAULT, SEL_FREE)}, /* not present */
        {0, SEL_FREE + 8, FAULT(X86_GP, SEL_FREE + 8), FAULT(X86_GP, SEL_FREE + 8)}, /* execute */
        {0, 0xff8, FAULT(X86_GP, 0xff8), FAULT(X86_GP, 0xff8)},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned ss = 0; ss < 2; ss++) {
            world_reset(w);
            world_protected(w, rows[i].cpl);
            world_descriptor(w, SEL_FREE, descriptor(0, 0xfffff, 0xc13));
            world_descriptor(w, SEL_FREE + 8, descriptor(0, 0xfffff, 0xc99));
            struct x86_state *s = &w->cpu.s;
            s->gpr[X86_RAX] = rows[i].sel;
            int want = ss ? rows[i].ss : rows[i].ds;
            int got = ss ? RUN_FAULT(w, 0x8e, 0xd0) : RUN_FAULT(w, 0x8e, 0xd8);
            if (got != want)
                fail_msg("row %zu ss %u: %x", i, ss, got);
            assert_int_equal(RUN_FAULT(w, 0x8c, 0xd3), NO_FAULT); /* mov ebx, ss */
            assert_int_equal(s->gpr[X86_RBX], s->seg[X86_SS].sel);
        }
    /* Null data segments fault when they are used. */
    world_reset(w);
    world_protected(w, 0);
    w->cpu.s.gpr[X86_RAX] = 0;
    RUN(w, 0x8e, 0xd8);
    assert_int_equal(RUN_FAULT(w, 0x8b, 0x00), FAULT(X86_GP, 0));
    /* POP and LSS restore nothing halfway. */
    w->cpu.s.gpr[X86_RSP] = AT_STACK0 - 4;
    ram_put(w, AT_STACK0 - 4, 4, SEL_CODE0);
    assert_int_equal(RUN_FAULT(w, 0x17), FAULT(X86_GP, SEL_CODE0)); /* pop ss */
    assert_int_equal(w->cpu.s.gpr[X86_RSP], AT_STACK0 - 4);
    ram_put(w, AT_STACK0 - 4, 4, SEL_DATA0);
    assert_int_equal(RUN_FAULT(w, 0x17), NO_FAULT);
    assert_int_equal(w->cpu.s.gpr[X86_RSP], AT_STACK0);
    assert_false(x86_can_nmi(&w->cpu));
}

static void ports(void **state)
{
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    world_reset(w);
    world_protected(w, 3);
    ram_put(w, AT_TSS + 0x66, 2, 0x68);
    for (unsigned i = 0; i < 0x400; i++)
        ram_put(w, AT_TSS + 0x68 + i, 1, 0xff);
    ram_put(w, AT_TSS + 0x68 + 0x3f8 / 8, 1, 0xf0); /* 3f8..3fb allowed */
    w->port_value = 0x11223344;
    s->gpr[X86_RDX] = 0x3f8;
    s->gpr[X86_RAX] = ~(u64)0;
    assert_int_equal(RUN_FAULT(w, 0xed), NO_FAULT); /* in eax, dx */
    assert_int_equal(s->gpr[X86_RAX], 0x11223344);
    assert_int_equal(w->port_size, 4);
    s->gpr[X86_RDX] = 0x3f9;
    assert_int_equal(RUN_FAULT(w, 0xed), FAULT(X86_GP, 0)); /* 3fc is not */
    assert_int_equal(RUN_FAULT(w, 0xec), NO_FAULT);
    assert_int_equal(s->gpr[X86_RAX], 0x11223344);
    assert_int_equal(RUN_FAULT(w, 0xe6, 0x80), FAULT(X86_GP, 0));
    /* The map ends with the limit. */
    w->cpu.s.tr.limit = 0x68 + 0x3f8 / 8;
    assert_int_equal(RUN_FAULT(w, 0xec), FAULT(X86_GP, 0));
    s->rflags |= X86_IOPL;
    assert_int_equal(RUN_FAULT(w, 0xec), NO_FAULT);
    /* REP INS: completed iterations stay when a page is missing; the device is not read for the
     * one that cannot be stored. */
    world_reset(w);
    world_long(w, 0);
    /* The length comes before what is undefined: LOCK ADD with a register destination. */
    assert_int_equal(RUN_FAULT(w, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                               0xf0, 0x83, 0xc0, 0x01),
                     FAULT(X86_UD, 0));
    assert_int_equal(RUN_FAULT(w, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                               0x66, 0xf0, 0x83, 0xc0, 0x01),
                     FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                               0x66, 0xc5, 0xf8, 0x58, 0xc1), /* 66 before VEX */
                     FAULT(X86_GP, 0));
    u64 table = AT_PAGES + 0x3000;
    ram_put(w, AT_PAGES + 0x2000 + 8 * 6, 8, table | 7);
    ram_put(w, table, 8, 0x200007);
    w->port_value = 0xab;
    s->gpr[X86_RDX] = 0x1f0;
    s->gpr[X86_RDI] = 0xc00ffd;
    s->gpr[X86_RCX] = 10;
    assert_int_equal(RUN_FAULT(w, 0xf3, 0x6c), FAULT(X86_PF_FAULT, 2));
    assert_int_equal(s->gpr[X86_RCX], 7);
    assert_int_equal(s->gpr[X86_RDI], 0xc01000);
    assert_int_equal(s->rip, AT_CODE);
    assert_int_equal(w->port_reads, 3);
    assert_int_equal(ram_get(w, 0x200ffd, 3), 0xababab);
    /* REP OUTS downward; a stop between iterations keeps the place. */
    s->rflags |= X86_DF;
    s->gpr[X86_RSI] = AT_DATA + 2;
    s->gpr[X86_RCX] = 2;
    ram_put(w, AT_DATA + 1, 2, 0xbbaa);
    w->port_result = X86_STOP;
    assert_int_equal(RUN(w, 0xf3, 0x6e), X86_STOP);
    assert_int_equal(w->port_value, 0xbb);
    assert_int_equal(s->gpr[X86_RCX], 1);
    assert_int_equal(s->rip, AT_CODE);
    assert_int_equal(RUN(w, 0xf3, 0x6e), X86_STOP);
    assert_int_equal(w->port_value, 0xaa);
    assert_int_equal(s->gpr[X86_RCX], 0);
    assert_int_equal(s->rip, AT_CODE + 2);
}

/* MOV CR: what is refused. */
static void control_registers(void **state)
{
    enum { TO_CR0 = 0xc0, TO_CR3 = 0xd8, TO_CR4 = 0xe0 };
    static const struct {
        unsigned modrm;
        u64 value;
        int want;
    } rows[] = {
        {TO_CR0, X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, NO_FAULT},
        {TO_CR0, X86_CR0_PG, FAULT(X86_GP, 0)},
        {TO_CR0, X86_CR0_PE, FAULT(X86_GP, 0)}, /* clearing PG in 64-bit mode */
        {TO_CR0, X86_CR0_PE | X86_CR0_PG | X86_CR0_NW, FAULT(X86_GP, 0)},
        {TO_CR0, X86_CR0_PE | X86_CR0_PG | X86_CR0_NW | X86_CR0_CD, NO_FAULT},
        {TO_CR0, X86_CR0_PE | X86_CR0_PG | (u64)1 << 32, FAULT(X86_GP, 0)},
        {TO_CR3, AT_PAGES | (u64)1 << 40, FAULT(X86_GP, 0)},
        {TO_CR3, AT_PAGES | 0x18, NO_FAULT},
        {TO_CR4, 0, FAULT(X86_GP, 0)}, /* clearing PAE in long mode */
        {TO_CR4, X86_CR4_PAE | X86_CR4_LA57, FAULT(X86_GP, 0)},
        {TO_CR4, X86_CR4_PAE | (u64)1 << 40, FAULT(X86_GP, 0)},
        {TO_CR4, X86_CR4_PAE | X86_CR4_SMEP | X86_CR4_UMIP, NO_FAULT},
    };
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_reset(w);
        world_long(w, 0);
        /* The page tables are user pages: SMEP would take the code away. */
        for (unsigned k = 0; k < 512; k++)
            ram_put(w, AT_PAGES + 0x2000 + 8 * k, 8, (u64)k << 21 | 0x83);
        s->gpr[X86_RAX] = rows[i].value;
        u8 code[] = {0x0f, 0x22, (u8)rows[i].modrm};
        int got = world_fault(w, code, sizeof code);
        if (got != rows[i].want)
            fail_msg("row %zu: %x", i, got);
    }
    world_reset(w);
    world_long(w, 3);
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xc0), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x20, 0xc0), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x20, 0xc8), FAULT(X86_UD, 0)); /* CR1 */
    /* CR8 has four bits. */
    world_reset(w);
    world_long(w, 0);
    s->gpr[X86_RAX] = 16;
    assert_int_equal(RUN_FAULT(w, 0x44, 0x0f, 0x22, 0xc0), FAULT(X86_GP, 0));
    s->gpr[X86_RAX] = 9;
    assert_int_equal(RUN_FAULT(w, 0x44, 0x0f, 0x22, 0xc0), NO_FAULT);
    assert_int_equal(RUN_FAULT(w, 0x44, 0x0f, 0x20, 0xc3), NO_FAULT);
    assert_int_equal(s->gpr[X86_RBX], 9);
}

/* From real mode to long mode and back out, as a boot loader does it. */
static void mode_switches(void **state)
{
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    world_reset(w);
    world_long(w, 0); /* builds the tables */
    world_real(w);
    s->cr0 = X86_CR0_ET;
    s->cr4 = 0;
    s->efer = 0;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        s->seg[i] = (struct x86_segment){.limit = 0xffff, .attr = 0x93};
    s->seg[X86_CS] =
        (struct x86_segment){.base = AT_CODE, .sel = AT_CODE >> 4, .limit = 0xffff, .attr = 0x9b};
    s->rip = 0;
    x86_cpu_derive(&w->cpu);
    assert_int_equal(w->cpu.mode, X86_MODE16);
    s->gpr[X86_RAX] = X86_CR0_PE;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xc0), NO_FAULT);
    assert_int_equal(w->cpu.cpl, 0);
    assert_int_equal(w->cpu.mode, X86_MODE16);
    /* jmp CODE0:12000 with a 32-bit operand */
    assert_int_equal(RUN_FAULT(w, 0x66, 0xea, 0, 0x20, 1, 0, SEL_CODE0, 0), NO_FAULT);
    assert_int_equal(w->cpu.mode, X86_MODE32);
    s->gpr[X86_RAX] = X86_CR4_PAE;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xe0), NO_FAULT);
    s->gpr[X86_RCX] = 0xc0000080;
    s->gpr[X86_RAX] = X86_EFER_LME;
    s->gpr[X86_RDX] = 0;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x30), NO_FAULT); /* wrmsr */
    s->gpr[X86_RAX] = X86_CR0_PE | X86_CR0_PG;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xc0), NO_FAULT);
    assert_true(s->efer & X86_EFER_LMA);
    assert_int_equal(w->cpu.mode, X86_MODE32); /* compatibility mode */
    s->gpr[X86_RAX] = 0;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x30), FAULT(X86_GP, 0)); /* LME under PG */
    assert_int_equal(RUN_FAULT(w, 0xea, 0, 0x20, 1, 0, SEL_CODE64_0, 0), NO_FAULT);
    assert_int_equal(w->cpu.mode, X86_MODE64);
    /* Back: compatibility mode, paging off. */
    ram_put(w, AT_DATA, 4, 0x12100);
    ram_put(w, AT_DATA + 4, 2, SEL_CODE0);
    s->gpr[X86_RBX] = AT_DATA;
    assert_int_equal(RUN_FAULT(w, 0xff, 0x2b), NO_FAULT); /* jmp far [rbx] */
    assert_int_equal(w->cpu.mode, X86_MODE32);
    s->gpr[X86_RAX] = X86_CR0_PE;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x22, 0xc0), NO_FAULT);
    assert_false(s->efer & X86_EFER_LMA);
    assert_true(s->efer & X86_EFER_LME);
    assert_false(w->cpu.long_mode);
    /* LMSW sets PE and cannot clear it. */
    s->gpr[X86_RAX] = 0;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0xf0), NO_FAULT);
    assert_true(s->cr0 & X86_CR0_PE);
}

static void msrs(void **state)
{
    static const struct {
        u32 index;
        u64 value;
        bool good;
    } rows[] = {
        {0xc0000082, 0xffffffff81000000, true},
        {0xc0000082, (u64)1 << 47, false}, /* LSTAR */
        {0xc0000100, 0x7fff00001000, true},
        {0xc0000101, (u64)1 << 63, false}, /* FS, GS */
        {0xc0000102, 0xffff888000000000, true},
        {0xc0000084, 0x47700, true},
        {0xc0000103, 5, true},
        {0xc0000103, (u64)1 << 32, false},
        {0x277, 0x0007040600070406, true},
        {0x277, 2, false}, /* PAT */
        {0x174, 0x10, true},
        {0x175, (u64)1 << 48, false},
        {0xc0000080, (u64)1 << 11 | 0x501, true},
        {0xc0000080, (u64)1 << 40, false},
        {0xfe, 0, false},
        {0x2ff, 0xc06, true}, /* MTRRs: types, reserved bits, addresses [SDM3 11.11.2] */
        {0x2ff, 0xc02, false},
        {0x2ff, 0xc07, false},
        {0x2ff, 0x206, false},
        {0x2ff, 0x1000, false},
        {0x200, 0xc0000000, true},
        {0x200, 0xc0000003, false},
        {0x200, 0xc0000106, false},
        {0x20e, (u64)1 << 52, false},
        {0x201, 0xc0000800, true},
        {0x201, 0xc0000400, false},
        {0x20f, (u64)1 << 52, false},
        {0x250, 0x0606060606060606, true},
        {0x26f, 0x0006060600060206, false},
        {0x1d9, 3, true}, /* DEBUGCTL */
        {0x1d9, (u64)1 << 40, false},
        {0x12345, 0, false},
    };
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_reset(w);
        world_long(w, 0);
        s->gpr[X86_RCX] = rows[i].index;
        s->gpr[X86_RAX] = (u32)rows[i].value | (u64)0xdead << 32;
        s->gpr[X86_RDX] = rows[i].value >> 32;
        int got = RUN_FAULT(w, 0x0f, 0x30);
        if (got != (rows[i].good ? NO_FAULT : FAULT(X86_GP, 0)))
            fail_msg("msr %x: %x", rows[i].index, got);
        if (!rows[i].good)
            continue;
        assert_int_equal(RUN_FAULT(w, 0x0f, 0x32), NO_FAULT);
        assert_true((s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32) == rows[i].value);
    }
    /* The TSC can be set and adjusted; CR4.TSD guards RDTSC. */
    world_reset(w);
    world_long(w, 0);
    s->gpr[X86_RCX] = 0x10;
    s->gpr[X86_RAX] = 0x1000;
    s->gpr[X86_RDX] = 0;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x30), NO_FAULT);
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x31), NO_FAULT);
    assert_int_equal(s->gpr[X86_RAX], 0x1000);
    s->gpr[X86_RCX] = 0x3b;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x32), NO_FAULT);
    assert_true((s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32) == 0x1000 - (u64)0x123456789a);
    world_reset(w);
    world_long(w, 3);
    s->cr4 |= X86_CR4_TSD;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x31), FAULT(X86_GP, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x32), FAULT(X86_GP, 0));
}

/* What the model does not show is undefined; UD0 to UD2 always are; bases follow CR4.FSGSBASE. */
static void gating(void **state)
{
    struct world *w = *state;
    world_reset(w);
    world_long(w, 0);
    struct x86_state *s = &w->cpu.s;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x0b), FAULT(X86_UD, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0xb9, 0xc0), FAULT(X86_UD, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0xaa), FAULT(X86_UD, 0));             /* rsm */
    assert_int_equal(RUN_FAULT(w, 0xf3, 0x0f, 0xae, 0xc0), FAULT(X86_UD, 0)); /* rdfsbase */
    s->cr4 |= X86_CR4_FSGSBASE;
    s->seg[X86_FS].base = 0x1234567890;
    assert_int_equal(RUN_FAULT(w, 0xf3, 0x48, 0x0f, 0xae, 0xc0), NO_FAULT);
    assert_true(s->gpr[X86_RAX] == 0x1234567890);
    s->gpr[X86_RAX] = (u64)1 << 47;
    assert_int_equal(RUN_FAULT(w, 0xf3, 0x48, 0x0f, 0xae, 0xd8), FAULT(X86_GP, 0)); /* wrgsbase */
    w->model.features[X86_FEATURE_FSGSBASE / 64] &= ~((u64)1 << X86_FEATURE_FSGSBASE % 64);
    assert_int_equal(RUN_FAULT(w, 0xf3, 0x48, 0x0f, 0xae, 0xc0), FAULT(X86_UD, 0));
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0xc1), FAULT(X86_UD, 0)); /* vmcall: nobody listens */
    s->kernel_gs_base = 0x99;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0xf8), NO_FAULT); /* swapgs */
    assert_int_equal(s->seg[X86_GS].base, 0x99);
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0xd0), FAULT(X86_UD, 0)); /* xgetbv: CR4.OSXSAVE */
    s->cr4 |= X86_CR4_OSXSAVE;
    s->gpr[X86_RCX] = 0;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0xd0), NO_FAULT);
    assert_int_equal(s->gpr[X86_RAX], 1);
    s->gpr[X86_RAX] = 5; /* AVX without SSE */
    s->gpr[X86_RDX] = 0;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0xd1), FAULT(X86_GP, 0));
    s->gpr[X86_RAX] = 7;
    assert_int_equal(RUN_FAULT(w, 0x0f, 0x01, 0xd1), NO_FAULT);
    assert_int_equal(s->xcr0, 7);
    if (!x86_model_has(&w->model, X86_FEATURE_BMI1))
        return;
    /* VEX belongs to protected mode, general registers or not: andn eax, ecx, edx. */
    assert_int_equal(RUN_FAULT(w, 0xc4, 0xe2, 0x70, 0xf2, 0xc2), NO_FAULT);
    world_reset(w);
    world_real(w);
    assert_int_equal(RUN_FAULT(w, 0xc4, 0xe2, 0x70, 0xf2, 0xc2), FAULT(X86_UD, 0));
    world_reset(w);
    world_vm86(w, 3);
    assert_int_equal(RUN_FAULT(w, 0xc4, 0xe2, 0x70, 0xf2, 0xc2), FAULT(X86_UD, 0));
}

/* Fetching: limits, the canonical end, 15 bytes, NX, page crossings. */
static void fetching(void **state)
{
    struct world *w = *state;
    struct x86_state *s = &w->cpu.s;
    world_reset(w);
    world_protected(w, 0);
    s->seg[X86_CS].limit = AT_CODE + 1;
    assert_int_equal(RUN_FAULT(w, 0x90), NO_FAULT);
    assert_int_equal(RUN_FAULT(w, 0x90), NO_FAULT);
    assert_int_equal(RUN_FAULT(w, 0x90), FAULT(X86_GP, 0));
    s->rip = AT_CODE + 1;
    assert_int_equal(RUN_FAULT(w, 0xb8, 1, 2, 3, 4), FAULT(X86_GP, 0));
    world_reset(w);
    world_long(w, 0);
    assert_int_equal(RUN_FAULT(w, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                               0x66, 0x66, 0x66, 0x90),
                     NO_FAULT);
    assert_int_equal(RUN_FAULT(w, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                               0x66, 0x66, 0x66, 0x66, 0x90),
                     FAULT(X86_GP, 0));
    u64 table = AT_PAGES + 0x3000, pd = AT_PAGES + 0x2000 + 8 * 6;
    ram_put(w, pd, 8, table | 7);
    ram_put(w, table, 8, 0x200007);
    s->rip = 0xc00ffe;
    ram_put(w, 0x200ffe, 2, 0x01b8); /* mov eax, imm32: goes on in the next page */
    assert_int_equal(RUN_FAULT(w, 0xb8, 0x01), FAULT(X86_PF_FAULT, 0x10));
    assert_int_equal(w->cpu.fault.payload, 0xc01000);
    ram_put(w, table + 8, 8, 0x300007);
    ram_put(w, 0x300000, 4, 0x040302);
    w->cpu.intercepts.exceptions = ~(u32)0;
    assert_int_equal(x86_step(&w->cpu), X86_OK);
    assert_int_equal(s->gpr[X86_RAX], 0x04030201);
    assert_int_equal(s->rip, 0xc01003);
    ram_put(w, table, 8, 0x200007 | (u64)1 << 63);
    x86_tlb_flush(&w->cpu, true);
    s->rip = 0xc00ffe;
    assert_int_equal(x86_step(&w->cpu), X86_INTERCEPT);
    assert_int_equal(w->cpu.fault.vector, X86_PF_FAULT);
    assert_int_equal(w->cpu.fault.error, 0x11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_shown),
        cmocka_unit_test(flags),
        cmocka_unit_test(vm86_flags),
        cmocka_unit_test(selector_questions),
        cmocka_unit_test(segment_moves),
        cmocka_unit_test(ports),
        cmocka_unit_test(control_registers),
        cmocka_unit_test(mode_switches),
        cmocka_unit_test(msrs),
        cmocka_unit_test(gating),
        cmocka_unit_test(fetching),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
