/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual processor: a host thread, an engine's private part, its local APIC and what is pending
 * for it. Engines call the vcpu_* access functions from inside run(); each is counted. */
#ifndef VM_VCPU_H
#define VM_VCPU_H

#include "base/os.h"
#include "isa/x86/state.h"
#include "vm/clock.h"
#include "vm/engine.h"
#include "vm/profile.h"
#include "vm/stats.h"

struct vm;
struct x86_cpu;
struct vcpu_profile;

/* vcpu->request: set by any thread, looked at by the engine between instructions. */
enum vcpu_request {
    VCPU_REQ_KICK = 1 << 0,      /* leave run() with VCPU_KICKED */
    VCPU_REQ_INTERRUPT = 1 << 1, /* the local APIC or PIC may have a vector: vcpu_take_interrupt */
    VCPU_REQ_NMI = 1 << 2,
    VCPU_REQ_INIT = 1 << 3,
    VCPU_REQ_SIPI = 1 << 4,
    VCPU_REQ_MEMORY = 1 << 5, /* mappings or code changed: the engine looks at its own queue */
    VCPU_REQ_TLB = 1 << 6,    /* drop every translation of guest virtual addresses */
    VCPU_REQ_UNHALT = 1 << 7, /* the HLT under way, or the next one, ends without an interrupt */
};

struct vcpu {
    struct vm *vm;
    unsigned index;         /* and local APIC ID */
    void *engine;           /* the engine's private part */
    struct x86_lapic lapic; /* the live local APIC while the engine has none of its own */
    struct os_mutex lapic_lock;
    struct vtimer lapic_timer; /* fires when lapic's timer may have expired */
    u64 tsc_offset; /* copy of the state's, for TSC-deadline: lapic_set_tsc_offset; lapic_lock */
    u8 sipi_vector; /* atomic, stored before VCPU_REQ_SIPI */
    /* End of interrupt by memory (x86/lapic_eoi.c): where the guest wants it, and whether the
     * interrupt in service may be ended that way. lapic_lock. */
    struct {
        gpa_t addr;
        bool on, offered;
    } eoi_word;
    bool unhalted; /* VCPU_REQ_UNHALT was taken and no HLT has used it yet; the engine's */
    /* Exceptions by vector, and X86_ICPT_* bits, that go to vm->intercepted instead of the guest
     * (engines with ENGINE_INTERCEPT). Changed while the vCPU is outside run(). */
    u32 intercept_exceptions, intercept_other;
    u32 intercepted; /* with VCPU_DEBUG: the X86_ICPT_* bit; nothing of the event has happened */
    struct x86_event intercepted_event; /* of X86_ICPT_EXCEPTION */
    u32 request;                        /* enum vcpu_request, atomic */
    u32 *request_mirror; /* an engine may point this at a word its fast path polls; set with request
                          */
    /* enum vcpu_tier: what the thread does, told by who does something seldom; TIER_GUEST: the
     * engine knows. Read by a signal handler of the thread. */
    volatile u8 tier;
    struct exit_counters exits;   /* written by the vCPU's thread */
    struct err error;             /* with VCPU_FATAL */
    struct vcpu_profile *profile; /* NULL: it is not sampled */
    /* The rest belongs to vm/ (vcpu_priv.h). */
    struct vcpu_priv *priv;
};

/* Accesses from inside run(). They return 0, or 1 when the engine must leave run() with
 * VCPU_KICKED after completing the instruction (reset, power-off, pause asked for by a device). */
int vcpu_io(struct vcpu *v, u16 port, unsigned size, bool write, u32 *value);
int vcpu_mmio(struct vcpu *v, gpa_t addr, unsigned size, bool write, u64 *value);
/* 0, 1 as above, or -1: the guest gets #GP. */
int vcpu_msr(struct vcpu *v, u32 index, bool write, u64 *value);
void vcpu_cpuid(struct vcpu *v, const struct x86_state *s, u32 leaf, u32 subleaf, u32 out[4]);
/* -1: the guest gets #UD. Arguments in the state's registers, result in rax. */
int vcpu_hypercall(struct vcpu *v, struct x86_state *s);

/* For engines without ENGINE_LAPIC, on the vCPU's thread when the guest can take an interrupt:
 * acknowledges the best pending vector (local APIC, then the PIC through LINT0); -1: none. */
int vcpu_take_interrupt(struct vcpu *v);
/* True when vcpu_take_interrupt would give a vector. */
bool vcpu_has_interrupt(struct vcpu *v);
/* For engines without ENGINE_LAPIC: applies VCPU_REQ_INIT and VCPU_REQ_SIPI (bits, consumed by the
 * caller) to the processor's state. True when it changed. */
bool vcpu_apply_startup(struct vcpu *v, u32 bits, struct x86_state *s);
/* Task-priority register as CR8 shows it. */
void vcpu_set_tpr(struct vcpu *v, u64 cr8);
u64 vcpu_get_tpr(struct vcpu *v);
/* Guest TSC now, without the offset of the state. */
u64 vcpu_tsc(struct vcpu *v);
/* The state's offset changed, or may have: the deadline timer counts with it. */
void vcpu_set_tsc_offset(struct vcpu *v, u64 offset);

/* Sets request bits and kicks. Any thread. */
void vcpu_post(struct vcpu *v, u32 bits);
static inline u32 vcpu_requests(struct vcpu *v)
{
    return __atomic_load_n(&v->request, __ATOMIC_ACQUIRE);
}
/* Clears bits and returns those that were set. */
u32 vcpu_consume(struct vcpu *v, u32 bits);

struct tier_scope_ {
    struct vcpu *v;
    u8 before;
};
static inline struct tier_scope_ tier_enter_(struct vcpu *v, enum vcpu_tier tier)
{
    struct tier_scope_ s = {v, v->tier};
    v->tier = (u8)tier;
    return s;
}
static inline void tier_leave_(struct tier_scope_ *s)
{
    s->v->tier = s->before;
}
/* What follows in the enclosing scope is work of that tier. */
#define vcpu_in_tier(v, tier)                                                                      \
    struct tier_scope_ tier_scope_ __attribute__((cleanup(tier_leave_), unused)) =                 \
        tier_enter_(v, tier)

static inline void vcpu_count(struct vcpu *v, enum exit_reason r)
{
    v->exits.count[r]++;
}

#endif
