/* SPDX-License-Identifier: BSD-2-Clause */
/* The state after power-up and after INIT [SDM3 table 9-1]. */
#include "isa/x86/state.h"

#include "base/mem.h"

enum {
    CODE_SEGMENT = X86_SEG_P | X86_SEG_S | X86_SEG_CODE | X86_SEG_WRITABLE | X86_SEG_ACCESSED,
    DATA_SEGMENT = X86_SEG_P | X86_SEG_S | X86_SEG_WRITABLE | X86_SEG_ACCESSED,
    LDT_SEGMENT = X86_SEG_P | 2,
    TSS_SEGMENT = X86_SEG_P | 11,
    APIC_ENABLE = 1 << 11,
    APIC_BSP = 1 << 8,
    APIC_ADDRESS = 0xfee00000,
    FCW_INITIAL = 0x37f,
    MXCSR_INITIAL = 0x1f80,
    LVT_MASKED = 1 << 16,
};

/* What power-up and INIT have in common: everything that runs code. */
static void reset_core(struct x86_state *s)
{
    mem_fill(s->gpr, 0, sizeof s->gpr);
    s->gpr[X86_RDX] = 0x600; /* family 6; the model's CPUID is the authority */
    s->rip = 0xfff0;
    s->rflags = X86_FLAG1;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        s->seg[i] = (struct x86_segment){.limit = 0xffff, .attr = DATA_SEGMENT};
    s->seg[X86_CS] = (struct x86_segment){
        .base = 0xffff0000, .limit = 0xffff, .sel = 0xf000, .attr = CODE_SEGMENT};
    s->ldtr = (struct x86_segment){.limit = 0xffff, .attr = LDT_SEGMENT};
    s->tr = (struct x86_segment){.limit = 0xffff, .attr = TSS_SEGMENT};
    s->gdtr = s->idtr = (struct x86_table){.limit = 0xffff};
    s->cr2 = s->cr3 = s->cr4 = s->cr8 = 0;
    s->efer = 0;
    mem_fill(s->dr, 0, sizeof s->dr);
    mem_fill(s->pdptr, 0, sizeof s->pdptr);
    s->dr6 = 0xffff0ff0;
    s->dr7 = 0x400;
    s->event = (struct x86_event){.kind = X86_EVENT_NONE};
    s->nmi_pending = s->nmi_blocked = 0;
    s->shadow_sti = s->shadow_mov_ss = 0;
    s->sipi_pending = s->init_pending = 0;
}

void x86_state_reset(struct x86_state *s, u32 id, bool bsp)
{
    mem_fill(s, 0, sizeof *s);
    reset_core(s);
    s->cr0 = X86_CR0_CD | X86_CR0_NW | X86_CR0_ET;
    s->xcr0 = 1;
    s->pat = 0x0007040600070406;
    s->misc_enable = 1; /* fast strings */
    s->run_state = bsp ? X86_RUNNING : X86_WAIT_SIPI;
    s->lapic.base = APIC_ADDRESS | APIC_ENABLE | (bsp ? APIC_BSP : 0);
    s->lapic.id = id;
    s->lapic.dfr = 0xffffffff;
    s->lapic.svr = 0xff;
    for (unsigned i = 0; i < sizeof s->lapic.lvt / sizeof s->lapic.lvt[0]; i++)
        s->lapic.lvt[i] = LVT_MASKED;
    /* An all-zero XSTATE_BV means the initial x87 and SSE state; FCW and MXCSR are put there for
     * readers that do not look at it. */
    s->xsave[0] = FCW_INITIAL & 0xff;
    s->xsave[1] = FCW_INITIAL >> 8;
    s->xsave[24] = MXCSR_INITIAL & 0xff;
    s->xsave[25] = MXCSR_INITIAL >> 8;
}

void x86_state_init(struct x86_state *s)
{
    u64 cache_bits = s->cr0 & (X86_CR0_CD | X86_CR0_NW);
    reset_core(s);
    s->cr0 = cache_bits | X86_CR0_ET;
    s->run_state = s->lapic.base & APIC_BSP ? X86_RUNNING : X86_WAIT_SIPI;
}
