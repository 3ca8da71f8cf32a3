/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor as the instruction semantics see it: the canonical state, what is derived from it,
 * a software TLB, and the operations it reaches the world by. The interpreter loops over it, the
 * translator calls it for rare instructions, KVM finishes instructions on it, tests and fuzzers
 * drive it alone. One thread uses a struct x86_cpu at a time. */
#ifndef ISA_X86_EXEC_CPU_H
#define ISA_X86_EXEC_CPU_H

#include "isa/x86/cpuid.h"
#include "isa/x86/insn.h"
#include "isa/x86/state.h"

struct x86_cpu;

/* What an operation, or an instruction, came to. */
enum x86_result {
    X86_OK = 0,
    X86_BRANCH,    /* done; rip was set by a near transfer in the same mode */
    X86_END,       /* done; mode, paging, interrupt flag or shadow may have changed: look around */
    X86_EXCEPTION, /* cpu->fault is set, architectural state is as before the instruction
                      (completed iterations of a string instruction excepted) */
    X86_REPEAT,    /* a string instruction stopped between iterations for an event; run it again */
    X86_HALT,      /* HLT retired */
    X86_TRIPLE,    /* shutdown */
    X86_INTERCEPT, /* cpu->intercept was hit: nothing was changed */
    X86_STOP,      /* the monitor wants the engine to leave run() after this instruction */
};

enum x86_access { X86_READ, X86_WRITE, X86_EXEC };

/* The world outside the processor. The msr, tpr, hypercall, tlb_flushed and exclusive functions may
 * be NULL (nothing there, nobody listens, one processor). Physical accesses never cross a page
 * boundary; sizes are 1, 2, 4 or 8. All functions may be called with the guest's vector state live
 * in the host's registers and must call x86_vector_release(cpu) before they run code that may use
 * vector registers. */
struct x86_ops {
    /* Host address of the page of RAM that holds pa (page-aligned result), or NULL when it is not
     * RAM; *writable is false for ROM and for pages whose writes must be seen (dirty log, decoded
     * code): those go through phys_write. */
    u8 *(*phys_page)(struct x86_cpu *, u64 pa, bool for_write, bool *writable);
    /* RAM or MMIO of any kind. X86_OK, or X86_STOP. Reads of nothing give all ones. */
    int (*phys_read)(struct x86_cpu *, u64 pa, unsigned size, u64 *value);
    int (*phys_write)(struct x86_cpu *, u64 pa, unsigned size, u64 value);
    /* Atomic on RAM: X86_OK and *seen == *expect on success. size 1..8. */
    int (*phys_cmpxchg)(struct x86_cpu *, u64 pa, unsigned size, u64 expect, u64 value, u64 *seen);
    int (*port_read)(struct x86_cpu *, u16 port, unsigned size, u32 *value);
    int (*port_write)(struct x86_cpu *, u16 port, unsigned size, u32 value);
    /* MSRs without a field in the canonical state that exec handles itself; -1: #GP. */
    int (*msr_read)(struct x86_cpu *, u32 index, u64 *value);
    int (*msr_write)(struct x86_cpu *, u32 index, u64 value);
    /* NULL: x86_cpuid() of the model. */
    void (*cpuid)(struct x86_cpu *, u32 leaf, u32 subleaf, u32 out[4]);
    u64 (*tsc)(struct x86_cpu *); /* without the state's tsc_offset, which exec adds */
    void (*tsc_changed)(
        struct x86_cpu *); /* the guest wrote its TSC: another tsc_offset; or NULL */
    /* CR8 / TPR changed by the guest (the local APIC listens); read back through tpr_read. */
    void (*tpr_write)(struct x86_cpu *, u64 cr8);
    u64 (*tpr_read)(struct x86_cpu *);
    /* VMCALL / VMMCALL; -1: #UD. */
    int (*hypercall)(struct x86_cpu *);
    /* The guest changed paging (CR0, CR3, CR4, EFER, INVLPG ...): the engine's own caches. What
     * they know of cpu->space and cpu->global_space is void when these are other numbers now. */
    void (*tlb_flushed)(struct x86_cpu *, bool all, u64 va);
    /* A locked access that crosses a page or is not naturally atomic: run alone. */
    void (*exclusive_begin)(struct x86_cpu *);
    void (*exclusive_end)(struct x86_cpu *);
};

/* One page of the software TLB. A tag is the linear page address when the access is allowed and
 * the page is plain RAM, else x86_tlb_no_tag(), which is the address of a page that no address
 * looked up here is in or next to: so that lin - tag < 4096 too finds out about a match. */
struct x86_tlb_entry {
    u64 tag[3]; /* by enum x86_access */
    u64 addend; /* host address - linear address */
    u64 pa;     /* physical page, valid when any tag matches or slow is set */
    u64 slow;   /* linear page | BIT(access) of what is allowed, whatever the page is; NONE: nothing
                 */
    u64 info;   /* X86_TLB_GLOBAL, size of the guest's page as a shift */
    u64 host;   /* the page's host address: addend + linear page */
};
enum { X86_TLB_GLOBAL = 0x100, X86_TLB_SHIFT = 0x3f };
enum { X86_TLB_BITS = 12, X86_TLB_SIZE = 1 << X86_TLB_BITS };
#define X86_TLB_NONE ((u64)1) /* in slow: not page-aligned, never equals a page address */
static inline u64 x86_tlb_no_tag(unsigned slot)
{
    return (u64)(slot ^ 2) << 12;
}

/* A walk remembered behind the TLB, so that a process that comes back is not walked again. */
struct x86_tlb_walk {
    u64 key;   /* linear page | index, or NONE | ... */
    u64 space; /* it holds in: cpu->space or cpu->global_space of its time */
    u64 pa;
    u8 rights, shift;
};
enum { X86_TLB_WALKS = 1 << 13, X86_PCID_COUNT = 1 << 12 };

/* Translations by privilege, so that CPL changes flush nothing. */
enum x86_tlb_index {
    X86_TLB_USER,
    X86_TLB_KERNEL,
    X86_TLB_KERNEL_AC, /* SMAP lifted by EFLAGS.AC */
    X86_TLB_FILLED,    /* number of the above */
    /* Never holds a tag, so that every access takes the slow path: in use while each access must be
     * looked at (alignment checks, data breakpoints, a store buffer). */
    X86_TLB_CHECKED = X86_TLB_FILLED,
    X86_TLB_COUNT,
};

/* Events that can be sent to the monitor instead of the guest. */
struct x86_intercepts {
    u32 exceptions; /* by vector */
    u32 other;      /* X86_ICPT_* */
};
enum {
    X86_ICPT_SYSCALL = 1 << 0,
    X86_ICPT_INT = 1 << 1,
    X86_ICPT_IRET = 1 << 2,
    X86_ICPT_PRIVILEGED = 1 << 3,
    X86_ICPT_TABLE = 1 << 4,
    X86_ICPT_SINGLE_STEP = 1 << 5, /* traps of TF and data breakpoints: the instruction is done, the
                                      #DB that is due is in cpu->fault */
    X86_ICPT_EXCEPTION = 1 << 31,  /* in cpu->intercept: cpu->fault was to be delivered */
};

/* Bits of cpu->request that exec itself sets; the others belong to the engine. */
#define X86_REQUEST_STOP                                                                           \
    ((u32)1 << 31) /* an operation returned X86_STOP: leave after the instruction */

struct x86_cpu {
    struct x86_state s; /* first: generated stubs address it from the cpu pointer */
    u64 zero;           /* always 0: what an absent base or index register reads as */

    const struct x86_ops *ops;
    void *owner; /* the engine's vCPU */
    const struct x86_cpu_model
        *model; /* CPUID, feature set, MSR set: fixed before the first instruction */
    u8 vendor;  /* enum x86_vendor, from the model */

    /* Derived from s by x86_cpu_derive(); handlers that change their source call it. */
    u8 mode; /* enum x86_mode: code size */
    u8 cpl;
    u8 long_mode; /* EFER.LMA: 64-bit or compatibility */
    u8 vm86;
    u8 real;        /* CR0.PE clear */
    u8 stack_size;  /* 2, 4, 8: width of SP */
    u8 tlb_index;   /* enum x86_tlb_index the fast path looks in: privilege, or X86_TLB_CHECKED */
    u8 privilege;   /* enum x86_tlb_index of data accesses at the current CPL and EFLAGS.AC */
    u8 align_check; /* #AC is armed: CR0.AM, EFLAGS.AC, CPL 3 */
    u8 data_breaks; /* bit per debug register that watches data or ports */
    u8 code_breaks; /* bit per debug register that watches execution */
    u8 unlimited;   /* bit per x86_sreg: no limit or attribute check needed for data access */
    u8 flat;        /* the same with base 0 */
    u64 rip_mask;   /* 0xffffffff outside 64-bit mode */

    struct x86_event fault; /* set with X86_EXCEPTION */
    u64 fault_rip;          /* of the running instruction */
    struct x86_intercepts intercepts;
    u32 intercept; /* with X86_INTERCEPT: the X86_ICPT_* bit that was hit */

    /* Set from other threads or by ops when something may be pending; polled between
     * instructions and by long string instructions. */
    u32 request;

    u8 vector_live; /* the guest's vector and x87 state is in the host's registers, s.xsave is stale
                     */
    u8 vector_strict; /* while live: MXCSR leaves an exception unmasked (exec/vector_strict.c) */
    u8 trap_pending;  /* single step or data breakpoint: #DB after the instruction, bits in
                         dr6_pending */
    u64 dr6_pending;

    /* When not NULL every store of the guest (and A/D updates) goes to it instead of memory, and
     * loads see it: lockstep runs a block here before the other engine runs it for real. Call
     * x86_cpu_derive after changing it. */
    struct x86_store_buffer *stores;

    u64 retired; /* instructions, kept by the loop that drives exec */
    struct {     /* how often */
        u64 fills, flushes, page_flushes;
    } tlb_events;

    /* Which entries hold something, by whether the translation is global: a flush costs what was
     * filled, not the size of the TLB. Which GiB (modulo 512) hold parts of large pages: INVLPG
     * elsewhere has one entry to drop. */
    u64 tlb_used[X86_TLB_FILLED][2][X86_TLB_SIZE / 64];
    u64 tlb_changes; /* how often something was taken away: copies of entries are void then */
    u64 tlb_large[8];
    /* Address spaces are numbers that are used once: what was learnt under a number that is not
     * current holds no more, or not here. */
    u64 space;        /* of the running PCID */
    u64 global_space; /* of global pages */
    u64 spaces;       /* the last number given */
    u64 spaces_void;  /* of PCIDs: those up to here were flushed */
    u64 pcid_space[X86_PCID_COUNT];
    struct x86_tlb_walk tlb_walk[X86_TLB_WALKS];
    alignas(64) struct x86_tlb_entry tlb[X86_TLB_COUNT][X86_TLB_SIZE];
};

/* Puts cpu into the state of x86_state_reset and derives. */
void x86_cpu_init(struct x86_cpu *cpu, const struct x86_ops *ops, void *owner,
                  const struct x86_cpu_model *model, u32 id, bool bsp);
/* Recomputes every derived field from cpu->s (after set_state, mode switches). Does not flush. */
void x86_cpu_derive(struct x86_cpu *cpu);
/* The part of it that EFLAGS.AC and CPL decide. */
void x86_cpu_derive_privilege(struct x86_cpu *cpu);
/* Selectors, hidden parts and control registers that no sequence of instructions could have made
 * are refused: 0 or -EINVAL with the field's name. Used on state that comes from outside. */
struct err;
int x86_state_validate(const struct x86_state *s, struct err *e);

/* For all PCIDs. */
void x86_tlb_flush(struct x86_cpu *cpu, bool global_too);
/* CR3 was loaded: keep tells that what is known of its PCID still holds. */
void x86_tlb_switch(struct x86_cpu *cpu, bool keep);
/* What is known of a PCID that is not the running one. */
void x86_tlb_flush_pcid(struct x86_cpu *cpu, unsigned pcid);
/* New numbers for the running address space, or for all and what is global; the TLB stays. */
void x86_tlb_renew(struct x86_cpu *cpu, bool all);
void x86_tlb_flush_page(struct x86_cpu *cpu, u64 va);
/* Drops what was filled while b was in use: entries whose A and D bits were set in b only. */
void x86_tlb_forget(struct x86_cpu *cpu, const struct x86_store_buffer *b);
/* Physical page pa no longer may be written (or read) directly: drops the matching tags. */
void x86_tlb_drop_physical(struct x86_cpu *cpu, u64 pa, bool writes_only);

/* Guest vector and x87 state: _acquire loads s.xsave into the host's registers, _release stores it
 * back and leaves the host's control words at their defaults. Both are cheap when there is nothing
 * to do. Handlers of vector instructions acquire; everything that leaves the core releases. */
void x86_vector_acquire(struct x86_cpu *cpu);
void x86_vector_release(struct x86_cpu *cpu);
/* Makes the executable memory that vector instructions need, which is otherwise made by the first
 * of them: for processes that will map none later. False: there is none, they will raise #UD. */
bool x86_vector_prepare(void);

/* Asks the engine to leave after the running instruction. */
static inline void x86_request_stop(struct x86_cpu *cpu)
{
    __atomic_or_fetch(&cpu->request, X86_REQUEST_STOP, __ATOMIC_RELAXED);
}

/* True for an address whose bits 63:47 are equal. */
static inline bool x86_canonical(u64 va)
{
    return (u64)((i64)(va << 16) >> 16) == va;
}

/* Raises an exception: fills cpu->fault and returns X86_EXCEPTION. */
int x86_raise(struct x86_cpu *cpu, unsigned vector);
int x86_raise_error(struct x86_cpu *cpu, unsigned vector, u32 error);
static inline int x86_gp0(struct x86_cpu *cpu)
{
    return x86_raise_error(cpu, X86_GP, 0);
}
static inline int x86_ud(struct x86_cpu *cpu)
{
    return x86_raise(cpu, X86_UD);
}

#endif
