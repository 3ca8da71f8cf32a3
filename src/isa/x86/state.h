/* SPDX-License-Identifier: BSD-2-Clause */
/* The one canonical state of an x86 processor. get_state of every engine fills it completely and
 * set_state of every other engine continues from it; snapshots and migration save nothing else of
 * a vCPU. No pointer, no engine detail, no host detail is in it. */
#ifndef ISA_X86_STATE_H
#define ISA_X86_STATE_H

#include "base/types.h"

enum x86_gpr {
    X86_RAX,
    X86_RCX,
    X86_RDX,
    X86_RBX,
    X86_RSP,
    X86_RBP,
    X86_RSI,
    X86_RDI,
    X86_R8,
    X86_R9,
    X86_R10,
    X86_R11,
    X86_R12,
    X86_R13,
    X86_R14,
    X86_R15,
    X86_GPR_COUNT
};

/* In the order of the sreg field of ModRM [SDM2 2.1.3]. */
enum x86_sreg { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_SREG_COUNT };

/* A segment register with its hidden part. attr is laid out as the descriptor's access bytes:
 * bits 0-3 type, 4 S, 5-6 DPL, 7 P, 8 AVL, 9 L, 10 D/B, 11 G, and 12 "unusable" (a null selector
 * was loaded). limit is in bytes, granularity already applied. [SDM3 3.4.5] */
struct x86_segment {
    u64 base;
    u32 limit;
    u16 sel;
    u16 attr;
};
enum {
    X86_SEG_TYPE = 0x00f,
    X86_SEG_CODE = 0x008,       /* with S: code, else data */
    X86_SEG_CONFORMING = 0x004, /* code; for data: expand-down */
    X86_SEG_WRITABLE = 0x002,   /* data; for code: readable */
    X86_SEG_ACCESSED = 0x001,
    X86_SEG_S = 0x010,
    X86_SEG_DPL_SHIFT = 5,
    X86_SEG_P = 0x080,
    X86_SEG_L = 0x200,
    X86_SEG_DB = 0x400,
    X86_SEG_G = 0x800,
    X86_SEG_UNUSABLE = 0x1000,
};

struct x86_table {
    u64 base;
    u32 limit;
    u32 reserved;
};

/* RFLAGS [SDM1 3.4.3] */
enum {
    X86_CF = 1 << 0,
    X86_FLAG1 = 1 << 1,
    X86_PF = 1 << 2,
    X86_AF = 1 << 4,
    X86_ZF = 1 << 6,
    X86_SF = 1 << 7,
    X86_TF = 1 << 8,
    X86_IF = 1 << 9,
    X86_DF = 1 << 10,
    X86_OF = 1 << 11,
    X86_IOPL = 3 << 12,
    X86_NT = 1 << 14,
    X86_RF = 1 << 16,
    X86_VM = 1 << 17,
    X86_AC = 1 << 18,
    X86_VIF = 1 << 19,
    X86_VIP = 1 << 20,
    X86_ID = 1 << 21,
    X86_STATUS_FLAGS = X86_CF | X86_PF | X86_AF | X86_ZF | X86_SF | X86_OF,
    X86_IOPL_SHIFT = 12,
};

/* Control registers and EFER [SDM3 2.5, 2.2.1] */
#define X86_CR0_PE         ((u64)1 << 0)
#define X86_CR0_MP         ((u64)1 << 1)
#define X86_CR0_EM         ((u64)1 << 2)
#define X86_CR0_TS         ((u64)1 << 3)
#define X86_CR0_ET         ((u64)1 << 4)
#define X86_CR0_NE         ((u64)1 << 5)
#define X86_CR0_WP         ((u64)1 << 16)
#define X86_CR0_AM         ((u64)1 << 18)
#define X86_CR0_NW         ((u64)1 << 29)
#define X86_CR0_CD         ((u64)1 << 30)
#define X86_CR0_PG         ((u64)1 << 31)
#define X86_CR4_VME        ((u64)1 << 0)
#define X86_CR4_PVI        ((u64)1 << 1)
#define X86_CR4_TSD        ((u64)1 << 2)
#define X86_CR4_DE         ((u64)1 << 3)
#define X86_CR4_PSE        ((u64)1 << 4)
#define X86_CR4_PAE        ((u64)1 << 5)
#define X86_CR4_MCE        ((u64)1 << 6)
#define X86_CR4_PGE        ((u64)1 << 7)
#define X86_CR4_PCE        ((u64)1 << 8)
#define X86_CR4_OSFXSR     ((u64)1 << 9)
#define X86_CR4_OSXMMEXCPT ((u64)1 << 10)
#define X86_CR4_UMIP       ((u64)1 << 11)
#define X86_CR4_LA57       ((u64)1 << 12)
#define X86_CR4_FSGSBASE   ((u64)1 << 16)
#define X86_CR4_PCIDE      ((u64)1 << 17)
#define X86_CR4_OSXSAVE    ((u64)1 << 18)
#define X86_CR4_SMEP       ((u64)1 << 20)
#define X86_CR4_SMAP       ((u64)1 << 21)
#define X86_EFER_SCE       ((u64)1 << 0)
#define X86_EFER_LME       ((u64)1 << 8)
#define X86_EFER_LMA       ((u64)1 << 10)
#define X86_EFER_NXE       ((u64)1 << 11)

/* Exception vectors [SDM3 6.15] */
enum x86_vector {
    X86_DE = 0,
    X86_DB = 1,
    X86_NMI = 2,
    X86_BP = 3,
    X86_OF_TRAP = 4,
    X86_BR = 5,
    X86_UD = 6,
    X86_NM = 7,
    X86_DF_ABORT = 8,
    X86_TS = 10,
    X86_NP = 11,
    X86_SS_FAULT = 12,
    X86_GP = 13,
    X86_PF_FAULT = 14,
    X86_MF = 16,
    X86_AC_FAULT = 17,
    X86_MC = 18,
    X86_XM = 19,
};

enum x86_run_state {
    X86_RUNNING,
    X86_HALTED,    /* HLT; an unmasked interrupt, NMI or INIT wakes it */
    X86_WAIT_SIPI, /* an application processor after INIT */
    X86_SHUTDOWN,  /* triple fault; only INIT or reset leave it */
};

/* An event on its way to the guest: an exception, interrupt or NMI that has been recognised and
 * not yet delivered. */
enum x86_event_kind {
    X86_EVENT_NONE,
    X86_EVENT_INTERRUPT, /* external, vector acknowledged already */
    X86_EVENT_NMI,
    X86_EVENT_EXCEPTION, /* hardware exception */
    X86_EVENT_SOFT_INT,  /* INT n: rip is saved past the instruction, DPL of the gate is checked */
    X86_EVENT_SOFT_EXC,  /* INT3, INTO */
    X86_EVENT_PRIV_EXC,  /* INT1 */
};
struct x86_event {
    u8 kind; /* enum x86_event_kind */
    u8 vector;
    u8 has_error;
    u8 insn_len; /* software events: bytes to step over for the saved rip */
    u32 error;
    u64 payload; /* #PF: the address for CR2; #DB: DR6 bits to set */
};

/* The local APIC's registers as the guest reads them [SDM3 10.4], but for id, which is the plain
 * number in both modes; the model is vm/x86/lapic. */
struct x86_lapic {
    u64 base; /* IA32_APIC_BASE: address, BSP, x2APIC and enable bits */
    u32 id, ldr, dfr, tpr, svr, esr, esr_pending;
    u32 isr[8], tmr[8], irr[8];
    u32 lvt[7]; /* CMCI, timer, thermal, performance, LINT0, LINT1, error */
    u32 icr_low, icr_high;
    u32 timer_initial, timer_divide;
    u64 timer_start_ns; /* virtual time at which timer_initial began to count; 0: stopped */
    u64 tsc_deadline;   /* IA32_TSC_DEADLINE; 0: disarmed */
};

/* Size of the XSAVE area kept for a vCPU: x87, SSE, AVX, AVX-512 in the standard (not compacted)
 * format of CPUID leaf 0xD; components that the host places beyond it are not offered. */
enum { X86_XSAVE_SIZE = 4096 };

/* One entry of the open list of MSRs that have no field of their own. */
struct x86_msr {
    u32 index;
    u32 reserved;
    u64 value;
};
enum { X86_MSR_EXTRA_MAX = 64 };

struct x86_state {
    u64 gpr[X86_GPR_COUNT];
    u64 rip;
    u64 rflags;
    struct x86_segment seg[X86_SREG_COUNT];
    struct x86_segment ldtr, tr;
    struct x86_table gdtr, idtr;
    u64 cr0, cr2, cr3, cr4, cr8;
    u64 efer;
    u64 xcr0, xss;
    u64 dr[4], dr6, dr7;
    u64 pdptr[4]; /* PAE: the page-directory-pointer entries loaded with CR3 [SDM3 4.4.1] */

    u64 star, lstar, cstar, sfmask, kernel_gs_base;
    u64 sysenter_cs, sysenter_esp, sysenter_eip;
    u64 pat, tsc_aux, misc_enable, debugctl, spec_ctrl;
    u64 mtrr_def_type, mtrr_fix[11], mtrr_base[8], mtrr_mask[8];
    u64 tsc_offset; /* guest TSC = virtual time in TSC ticks + tsc_offset */
    u64 tsc_adjust;

    struct x86_event event;       /* recognised, not yet delivered */
    u8 run_state;                 /* enum x86_run_state */
    u8 nmi_pending, nmi_blocked;  /* blocked from delivery of an NMI until IRET */
    u8 shadow_sti, shadow_mov_ss; /* interrupt shadow: one instruction [SDM3 6.8.3] */
    u8 sipi_vector, sipi_pending, init_pending;

    struct x86_lapic lapic;

    u32 msr_count;
    u32 reserved;
    struct x86_msr msr[X86_MSR_EXTRA_MAX];

    alignas(64) u8 xsave[X86_XSAVE_SIZE];
};

/* State after power-up or INIT [SDM3 Table 9-1]; RAM and devices are not its business. INIT keeps
 * the vector state, CR0.CD/NW and the TSC. id is the local APIC ID; the bootstrap processor (bsp)
 * starts, others wait for SIPI. */
void x86_state_reset(struct x86_state *s, u32 id, bool bsp);
void x86_state_init(struct x86_state *s);

#endif
