/* SPDX-License-Identifier: BSD-2-Clause */
/* The canonical state, in and out of KVM. */
#include "base/bits.h"
#include "base/mem.h"
#include "engine/kvm/kvm_priv.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <time.h>

/* MSRs with a field of their own in the canonical state. */
static const struct {
    u32 index;
    u32 offset;
} field_msrs[] = {
#define F(index, field)                                                                            \
    {                                                                                              \
        index, offsetof(struct x86_state, field)                                                   \
    }
    F(0x174, sysenter_cs),  F(0x175, sysenter_esp), F(0x176, sysenter_eip),
    F(0x277, pat),          F(0xc0000081, star),    F(0xc0000082, lstar),
    F(0xc0000083, cstar),   F(0xc0000084, sfmask),  F(0xc0000102, kernel_gs_base),
    F(0xc0000103, tsc_aux), F(0x1a0, misc_enable),  F(0x1d9, debugctl),
    F(0x48, spec_ctrl),     F(0x3b, tsc_adjust),    F(0x2ff, mtrr_def_type),
    F(0xda0, xss),          F(0x250, mtrr_fix[0]),  F(0x258, mtrr_fix[1]),
    F(0x259, mtrr_fix[2]),  F(0x268, mtrr_fix[3]),  F(0x269, mtrr_fix[4]),
    F(0x26a, mtrr_fix[5]),  F(0x26b, mtrr_fix[6]),  F(0x26c, mtrr_fix[7]),
    F(0x26d, mtrr_fix[8]),  F(0x26e, mtrr_fix[9]),  F(0x26f, mtrr_fix[10]),
#undef F
};
enum { MSR_TSC = 0x10, MSR_TSC_ADJUST = 0x3b, MSR_TSC_DEADLINE = 0x6e0 };

static void segment_in(struct x86_segment *d, const struct kvm_segment *k)
{
    d->base = k->base;
    d->limit = k->limit;
    d->sel = k->selector;
    d->attr = (u16)((k->type & 15) | (k->s & 1) << 4 | (k->dpl & 3) << 5 | (k->present & 1) << 7 |
                    (k->avl & 1) << 8 | (k->l & 1) << 9 | (k->db & 1) << 10 | (k->g & 1) << 11 |
                    (k->unusable ? X86_SEG_UNUSABLE : 0));
}

static void segment_out(struct kvm_segment *k, const struct x86_segment *d)
{
    *k = (struct kvm_segment){
        .base = d->base,
        .limit = d->limit,
        .selector = d->sel,
        .type = d->attr & 15,
        .s = d->attr >> 4 & 1,
        .dpl = d->attr >> 5 & 3,
        .present = d->attr >> 7 & 1,
        .avl = d->attr >> 8 & 1,
        .l = d->attr >> 9 & 1,
        .db = d->attr >> 10 & 1,
        .g = d->attr >> 11 & 1,
        .unusable = d->attr & X86_SEG_UNUSABLE ? 1 : 0,
    };
}

static u64 *gpr_pointer(struct kvm_regs *r, unsigned i)
{
    u64 *const p[X86_GPR_COUNT] = {(u64 *)&r->rax, (u64 *)&r->rcx, (u64 *)&r->rdx, (u64 *)&r->rbx,
                                   (u64 *)&r->rsp, (u64 *)&r->rbp, (u64 *)&r->rsi, (u64 *)&r->rdi,
                                   (u64 *)&r->r8,  (u64 *)&r->r9,  (u64 *)&r->r10, (u64 *)&r->r11,
                                   (u64 *)&r->r12, (u64 *)&r->r13, (u64 *)&r->r14, (u64 *)&r->r15};
    return p[i];
}

static void sregs_in(struct x86_state *s, const struct kvm_sregs *k)
{
    const struct kvm_segment *const seg[X86_SREG_COUNT] = {&k->es, &k->cs, &k->ss,
                                                           &k->ds, &k->fs, &k->gs};
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        segment_in(&s->seg[i], seg[i]);
    segment_in(&s->ldtr, &k->ldt);
    segment_in(&s->tr, &k->tr);
    s->gdtr = (struct x86_table){.base = k->gdt.base, .limit = k->gdt.limit};
    s->idtr = (struct x86_table){.base = k->idt.base, .limit = k->idt.limit};
    s->cr0 = k->cr0;
    s->cr2 = k->cr2;
    s->cr3 = k->cr3;
    s->cr4 = k->cr4;
    s->cr8 = k->cr8;
    s->efer = k->efer;
    s->lapic.base = k->apic_base;
}

static void sregs_out(struct kvm_sregs *k, const struct x86_state *s)
{
    struct kvm_segment *const seg[X86_SREG_COUNT] = {&k->es, &k->cs, &k->ss,
                                                     &k->ds, &k->fs, &k->gs};
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        segment_out(seg[i], &s->seg[i]);
    segment_out(&k->ldt, &s->ldtr);
    segment_out(&k->tr, &s->tr);
    k->gdt = (struct kvm_dtable){.base = s->gdtr.base, .limit = (u16)s->gdtr.limit};
    k->idt = (struct kvm_dtable){.base = s->idtr.base, .limit = (u16)s->idtr.limit};
    k->cr0 = s->cr0;
    bool page_fault = s->event.kind == X86_EVENT_EXCEPTION && s->event.vector == X86_PF_FAULT;
    k->cr2 = page_fault ? s->event.payload : s->cr2;
    k->cr3 = s->cr3;
    k->cr4 = s->cr4;
    k->cr8 = s->cr8;
    k->efer = s->efer;
    k->apic_base = s->lapic.base;
}

/* KVM shows the loaded PDPTRs only since Linux 5.14; what memory holds is the same for every guest
 * that reloads CR3 after changing them. */
static void pdptrs_in(struct vcpu *v, struct x86_state *s)
{
    bool pae = (s->cr0 & X86_CR0_PG) && (s->cr4 & X86_CR4_PAE) && !(s->efer & X86_EFER_LMA);
    const u8 *p = pae ? guest_memory_ptr(v->vm->memory, gpa(s->cr3 & 0xffffffe0), 32) : NULL;
    for (unsigned i = 0; p && i < 4; i++)
        s->pdptr[i] = load64(p + 8 * i);
}

/* Registers of the local APIC by their offset in its page; arrays of eight are 0x10 apart. */
static u32 apic_get(const struct kvm_lapic_state *k, unsigned off)
{
    return load32(k->regs + off);
}

static void apic_set(struct kvm_lapic_state *k, unsigned off, u32 v)
{
    store32(k->regs + off, v);
}

static const u16 lvt_offset[7] = {0x2f0, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370};

/* The divide register as a power of two [SDM3 10.5.4]. */
static unsigned timer_shift(const struct x86_lapic *l)
{
    return (((l->timer_divide & 3) | (l->timer_divide >> 1 & 4)) + 1) & 7;
}

static void lapic_in(struct vcpu *v, struct x86_lapic *l, const struct kvm_lapic_state *k)
{
    l->id = l->base & BIT(10) ? apic_get(k, 0x20) : apic_get(k, 0x20) >> 24;
    l->tpr = apic_get(k, 0x80);
    l->ldr = apic_get(k, 0xd0);
    l->dfr = apic_get(k, 0xe0);
    l->svr = apic_get(k, 0xf0);
    l->esr = apic_get(k, 0x280);
    for (unsigned i = 0; i < 8; i++) {
        l->isr[i] = apic_get(k, 0x100 + i * 16);
        l->tmr[i] = apic_get(k, 0x180 + i * 16);
        l->irr[i] = apic_get(k, 0x200 + i * 16);
    }
    for (unsigned i = 0; i < 7; i++)
        l->lvt[i] = apic_get(k, lvt_offset[i]);
    l->icr_low = apic_get(k, 0x300);
    l->icr_high = apic_get(k, 0x310);
    l->timer_initial = apic_get(k, 0x380);
    l->timer_divide = apic_get(k, 0x3e0);
    /* KVM tells how much is left; our form is when it began. The timer counts at 1 GHz. */
    u32 left = apic_get(k, 0x390);
    u64 elapsed = (u64)(l->timer_initial - left) << timer_shift(l);
    u64 now = clock_now_ns(v->vm->clock);
    l->timer_start_ns = l->timer_initial && left ? MAX(now - MIN(now, elapsed), (u64)1) : 0;
}

/* What is left of the timer's count; 0 when it has stopped. */
static u32 timer_left(struct vcpu *v, const struct x86_lapic *l)
{
    if (!l->timer_start_ns || !l->timer_initial)
        return 0;
    u64 now = clock_now_ns(v->vm->clock);
    u64 counted = (now > l->timer_start_ns ? now - l->timer_start_ns : 0) >> timer_shift(l);
    bool periodic = (l->lvt[1] >> 17 & 3) == 1;
    if (counted >= l->timer_initial)
        return periodic ? l->timer_initial - (u32)(counted % l->timer_initial) : 1;
    return l->timer_initial - (u32)counted;
}

static void lapic_out(struct vcpu *v, struct kvm_lapic_state *k, const struct x86_lapic *l)
{
    mem_fill(k, 0, sizeof *k);
    apic_set(k, 0x20, l->base & BIT(10) ? l->id : l->id << 24);
    apic_set(k, 0x30, 0x50014);
    apic_set(k, 0x80, l->tpr);
    apic_set(k, 0xd0, l->ldr);
    apic_set(k, 0xe0, l->dfr);
    apic_set(k, 0xf0, l->svr);
    apic_set(k, 0x280, l->esr);
    for (unsigned i = 0; i < 8; i++) {
        apic_set(k, 0x100 + i * 16, l->isr[i]);
        apic_set(k, 0x180 + i * 16, l->tmr[i]);
        apic_set(k, 0x200 + i * 16, l->irr[i]);
    }
    for (unsigned i = 0; i < 7; i++)
        apic_set(k, lvt_offset[i], l->lvt[i]);
    apic_set(k, 0x300, l->icr_low);
    apic_set(k, 0x310, l->icr_high);
    /* KVM starts the timer with what is left of the count, and one that has expired would fire
     * again: it gets no count at all. */
    u32 left = timer_left(v, l);
    apic_set(k, 0x380, left ? l->timer_initial : 0);
    apic_set(k, 0x390, left);
    apic_set(k, 0x3e0, l->timer_divide);
}

static void events_in(struct x86_state *s, const struct kvm_vcpu_events *k)
{
    s->event = (struct x86_event){0};
    if (k->exception.injected || k->exception.pending) {
        s->event.kind = X86_EVENT_EXCEPTION;
        s->event.vector = k->exception.nr;
        s->event.has_error = k->exception.has_error_code;
        s->event.error = k->exception.error_code;
        s->event.payload = k->exception_has_payload ? k->exception_payload : s->cr2;
    } else if (k->nmi.injected) {
        s->event.kind = X86_EVENT_NMI;
        s->event.vector = X86_NMI;
    } else if (k->interrupt.injected) {
        s->event.kind = k->interrupt.soft ? X86_EVENT_SOFT_INT : X86_EVENT_INTERRUPT;
        s->event.vector = k->interrupt.nr;
    }
    s->nmi_pending = k->nmi.pending;
    s->nmi_blocked = k->nmi.masked;
    s->shadow_sti = (k->interrupt.shadow & KVM_X86_SHADOW_INT_STI) != 0;
    s->shadow_mov_ss = (k->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS) != 0;
    s->sipi_vector = (u8)k->sipi_vector;
}

static void events_out(struct kvm_vcpu_events *k, const struct x86_state *s)
{
    *k = (struct kvm_vcpu_events){.flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
                                           KVM_VCPUEVENT_VALID_SIPI_VECTOR |
                                           KVM_VCPUEVENT_VALID_SHADOW,
                                  .sipi_vector = s->sipi_vector};
    const struct x86_event *ev = &s->event;
    switch (ev->kind) {
    case X86_EVENT_EXCEPTION:
    case X86_EVENT_SOFT_EXC:
    case X86_EVENT_PRIV_EXC:
        k->exception.injected = 1;
        k->exception.nr = ev->vector;
        k->exception.has_error_code = ev->has_error;
        k->exception.error_code = ev->error;
        break;
    case X86_EVENT_NMI: k->nmi.injected = 1; break;
    case X86_EVENT_INTERRUPT:
    case X86_EVENT_SOFT_INT:
        k->interrupt.injected = 1;
        k->interrupt.nr = ev->vector;
        k->interrupt.soft = ev->kind == X86_EVENT_SOFT_INT;
        break;
    default: break;
    }
    k->nmi.pending = s->nmi_pending;
    k->nmi.masked = s->nmi_blocked;
    k->interrupt.shadow = (u8)((s->shadow_sti ? KVM_X86_SHADOW_INT_STI : 0) |
                               (s->shadow_mov_ss ? KVM_X86_SHADOW_INT_MOV_SS : 0));
}

/* One MSR at a time: an older KVM that lacks one of them must not hide the others. */
static int get_msr(struct kvm_vcpu *k, u32 index, u64 *value)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry[1];
    } m = {.head.nmsrs = 1, .entry = {{.index = index}}};
    if (kvm_ioctl(k->fd, KVM_GET_MSRS, &m) != 1)
        return -EINVAL;
    *value = m.entry[0].data;
    return 0;
}

static int set_msr(struct kvm_vcpu *k, u32 index, u64 value)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry[1];
    } m = {.head.nmsrs = 1, .entry = {{.index = index, .data = value}}};
    return kvm_ioctl(k->fd, KVM_SET_MSRS, &m) == 1 ? 0 : -EINVAL;
}

static void msrs_in(struct vcpu *v, struct x86_state *s)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    u64 value;
    for (size_t i = 0; i < ARRAY_LEN(field_msrs); i++)
        if (!get_msr(k, field_msrs[i].index, &value))
            store64((u8 *)s + field_msrs[i].offset, value);
    for (unsigned i = 0; i < 16; i++)
        (void)get_msr(k, 0x200 + i, i & 1 ? &s->mtrr_mask[i / 2] : &s->mtrr_base[i / 2]);
    (void)get_msr(k, MSR_TSC_DEADLINE, &s->lapic.tsc_deadline);
    if (!get_msr(k, MSR_TSC, &value))
        s->tsc_offset = value - vcpu_tsc(v);
}

/* The registers of KVM's own guest interface: clock, page faults, steal time, end of interrupt,
 * polling. Zero when the guest has asked for nothing, and after a reset, so that KVM does not go on
 * writing into the next kernel's memory. */
static const u32 para_msrs[] = {MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_ASYNC_PF_INT, MSR_KVM_ASYNC_PF_EN,
                                MSR_KVM_STEAL_TIME, MSR_KVM_PV_EOI_EN};

static void para_in(struct kvm_vcpu *k, struct x86_state *s)
{
    u64 value;
    for (size_t i = 0; i < ARRAY_LEN(para_msrs); i++)
        if (!get_msr(k, para_msrs[i], &value) && value)
            s->msr[s->msr_count++] = (struct x86_msr){.index = para_msrs[i], .value = value};
}

static void para_out(struct kvm_vcpu *k, const struct x86_state *s)
{
    for (size_t i = 0; i < ARRAY_LEN(para_msrs); i++) {
        u64 value = 0;
        for (u32 n = 0; n < MIN(s->msr_count, (u32)X86_MSR_EXTRA_MAX); n++)
            if (s->msr[n].index == para_msrs[i])
                value = s->msr[n].value;
        (void)set_msr(k, para_msrs[i], value); /* one that this KVM does not have stays zero */
    }
}

/* KVM takes a write of the TSC MSR that is within a second of its own count for an attempt to keep
 * processors together, and ignores it. The offset it adds to the host's counter can be set exactly
 * (Linux 5.16). */
static int set_tsc(struct vcpu *v, u64 offset)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    u64 kvm_offset, now;
    struct kvm_device_attr attr = {.group = KVM_VCPU_TSC_CTRL,
                                   .attr = KVM_VCPU_TSC_OFFSET,
                                   .addr = (u64)(uintptr_t)&kvm_offset};
    bool exact = kvm_ioctl(k->fd, KVM_GET_DEVICE_ATTR, &attr) >= 0 && !get_msr(k, MSR_TSC, &now);
    u64 want = vcpu_tsc(v) + offset;
    if (exact) {
        kvm_offset += want - now;
        if (kvm_ioctl(k->fd, KVM_SET_DEVICE_ATTR, &attr) >= 0)
            return 0;
    }
    return set_msr(k, MSR_TSC, want);
}

static int msrs_out(struct vcpu *v, const struct x86_state *s, struct err *e)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    for (size_t i = 0; i < ARRAY_LEN(field_msrs); i++) {
        u64 value = load64((const u8 *)s + field_msrs[i].offset);
        /* One that this KVM does not have matters only if the guest has given it a value. */
        if (set_msr(k, field_msrs[i].index, value) && value && field_msrs[i].index != 0x1a0)
            return err_set(e, -ENOTSUP,
                           "loading a processor's state: KVM refuses MSR 0x%x = 0x%llx",
                           field_msrs[i].index, (unsigned long long)value);
    }
    for (unsigned i = 0; i < 16; i++)
        (void)set_msr(k, 0x200 + i, i & 1 ? s->mtrr_mask[i / 2] : s->mtrr_base[i / 2]);
    return 0;
}

/* After the local APIC, whose timer mode decides what TSC_DEADLINE accepts. */
static int time_out(struct vcpu *v, const struct x86_state *s, struct err *e)
{
    int err = set_tsc(v, s->tsc_offset);
    /* Setting the TSC moves TSC_ADJUST on some kernels. */
    (void)set_msr(kvm_vcpu_of(v), MSR_TSC_ADJUST, s->tsc_adjust);
    if (!err && s->lapic.tsc_deadline)
        err = set_msr(kvm_vcpu_of(v), MSR_TSC_DEADLINE, s->lapic.tsc_deadline);
    return err ? err_set(e, err, "loading a processor's state: KVM refuses the time-stamp counter")
               : 0;
}

static const u8 mp_states[] = {
    [X86_RUNNING] = KVM_MP_STATE_RUNNABLE,
    [X86_HALTED] = KVM_MP_STATE_HALTED,
    [X86_WAIT_SIPI] = KVM_MP_STATE_INIT_RECEIVED,
    [X86_SHUTDOWN] = KVM_MP_STATE_RUNNABLE,
};

static u8 run_state_of(u32 mp_state)
{
    switch (mp_state) {
    case KVM_MP_STATE_HALTED: return X86_HALTED;
    case KVM_MP_STATE_UNINITIALIZED:
    case KVM_MP_STATE_INIT_RECEIVED: return X86_WAIT_SIPI;
    default: return X86_RUNNING;
    }
}

/* A timer that has expired since the last KVM_RUN is known to KVM but not yet in the local APIC: it
 * gets there on the way into the guest. A signal that waits makes KVM_RUN turn back at the door. */
static void inject_expired_timer(struct kvm_vcpu *k)
{
    enum { TIMER_LVT = 0x320, INITIAL = 0x380, CURRENT = 0x390 };
    struct kvm_lapic_state lapic;
    struct {
        struct kvm_signal_mask head;
        u64 none_blocked;
    } mask = {.head.len = 8};
    sigset_t kick, before;
    if (kvm_ioctl(k->fd, KVM_GET_LAPIC, &lapic) < 0 || !apic_get(&lapic, INITIAL) ||
        apic_get(&lapic, CURRENT) || (apic_get(&lapic, TIMER_LVT) & BIT(16)))
        return;
    sigemptyset(&kick);
    sigaddset(&kick, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &kick, &before);
    pthread_kill(pthread_self(), SIGRTMIN);
    if (kvm_ioctl(k->fd, KVM_SET_SIGNAL_MASK, &mask) >= 0) {
        u8 immediate = k->run->immediate_exit;
        __atomic_store_n(&k->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        ioctl(k->fd, KVM_RUN, 0);
        if (immediate)
            __atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
        kvm_ioctl(k->fd, KVM_SET_SIGNAL_MASK, NULL);
    }
    sigtimedwait(&kick, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int kvm_get_state(struct vcpu *v, struct x86_state *s, struct err *e)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_xsave xsave;
    struct kvm_xcrs xcrs;
    struct kvm_debugregs debug;
    struct kvm_vcpu_events events;
    struct kvm_mp_state mp;
    struct kvm_lapic_state lapic;
    const struct {
        unsigned long request;
        void *arg;
        const char *what;
    } steps[] = {
        {KVM_GET_MP_STATE, &mp, "run state"},  {KVM_GET_REGS, &regs, "registers"},
        {KVM_GET_SREGS, &sregs, "segments"},   {KVM_GET_XSAVE, &xsave, "vector state"},
        {KVM_GET_XCRS, &xcrs, "XCR0"},         {KVM_GET_DEBUGREGS, &debug, "debug registers"},
        {KVM_GET_LAPIC, &lapic, "local APIC"}, {KVM_GET_VCPU_EVENTS, &events, "events"},
    };
    kvm_complete_access(k);
    inject_expired_timer(k);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int err = kvm_ioctl(k->fd, steps[i].request, steps[i].arg);
        if (err < 0)
            return err_set(e, err, "reading a processor's state: %s: %s", steps[i].what,
                           err_name(err));
    }
    mem_fill(s, 0, sizeof *s);
    for (unsigned i = 0; i < X86_GPR_COUNT; i++)
        s->gpr[i] = *gpr_pointer(&regs, i);
    s->rip = regs.rip;
    s->rflags = regs.rflags;
    sregs_in(s, &sregs);
    pdptrs_in(v, s);
    mem_copy(s->xsave, &xsave, MIN(sizeof xsave, sizeof s->xsave));
    for (unsigned i = 0; i < xcrs.nr_xcrs && i < KVM_MAX_XCRS; i++)
        if (xcrs.xcrs[i].xcr == 0)
            s->xcr0 = xcrs.xcrs[i].value;
    for (unsigned i = 0; i < 4; i++)
        s->dr[i] = debug.db[i];
    s->dr6 = debug.dr6;
    s->dr7 = debug.dr7;
    lapic_in(v, &s->lapic, &lapic);
    events_in(s, &events);
    s->run_state = run_state_of(mp.mp_state);
    if (s->run_state == X86_HALTED)
        s->shadow_sti = s->shadow_mov_ss = 0; /* HLT was the instruction they held for */
    msrs_in(v, s);
    if (v->vm->config.engine_para)
        para_in(k, s);
    return 0;
}

/* The kernel takes MXCSR only with the SSE component, which is marked unused while all XMM
 * registers are zero [SDM1 13.6]. */
static void xsave_out(struct kvm_xsave *k, const u8 *xsave)
{
    enum { MXCSR = 24, XMM = 160, XMM_SIZE = 256, XSTATE_BV = 512, SSE = 2, MXCSR_RESET = 0x1f80 };
    u8 *out = (u8 *)k->region;
    mem_copy(out, xsave, MIN(sizeof k->region, (size_t)X86_XSAVE_SIZE));
    u64 used = load64(out + XSTATE_BV);
    if ((used & SSE) || load32(out + MXCSR) == MXCSR_RESET)
        return;
    mem_fill(out + XMM, 0, XMM_SIZE);
    store64(out + XSTATE_BV, used | SSE);
}

/* What instructions change: all but the local APIC, the run state and the time. */
static int core_out(struct vcpu *v, const struct x86_state *s, struct err *e)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    struct kvm_regs regs = {.rip = s->rip, .rflags = s->rflags};
    struct kvm_sregs sregs = {0};
    struct kvm_xsave xsave = {0};
    struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = s->xcr0}}};
    struct kvm_debugregs debug = {.dr6 = s->dr6, .dr7 = s->dr7};
    for (unsigned i = 0; i < X86_GPR_COUNT; i++)
        *gpr_pointer(&regs, i) = s->gpr[i];
    sregs_out(&sregs, s);
    xsave_out(&xsave, s->xsave);
    for (unsigned i = 0; i < 4; i++)
        debug.db[i] = s->dr[i];
    const struct {
        unsigned long request;
        void *arg;
        const char *what;
    } steps[] = {
        {KVM_SET_SREGS, &sregs, "segments"},
        {KVM_SET_REGS, &regs, "registers"},
        {KVM_SET_XCRS, &xcrs, "XCR0"},
        {KVM_SET_XSAVE, &xsave, "vector state"},
        {KVM_SET_DEBUGREGS, &debug, "debug registers"},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int err = kvm_ioctl(k->fd, steps[i].request, steps[i].arg);
        if (err < 0)
            return err_set(e, err, "loading a processor's state: %s: %s", steps[i].what,
                           err_name(err));
    }
    return msrs_out(v, s, e);
}

int kvm_set_instruction_state(struct vcpu *v, const struct x86_state *s, struct err *e)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    struct kvm_vcpu_events events;
    struct kvm_mp_state halted = {.mp_state = KVM_MP_STATE_HALTED};
    int err = core_out(v, s, e);
    if (err)
        return err;
    events_out(&events, s);
    events.flags = KVM_VCPUEVENT_VALID_SHADOW;
    err = kvm_ioctl(k->fd, KVM_SET_VCPU_EVENTS, &events);
    if (err >= 0 && s->run_state == X86_HALTED)
        err = kvm_ioctl(k->fd, KVM_SET_MP_STATE, &halted);
    return err < 0 ? err_set(e, err, "loading a processor's state: events: %s", err_name(err)) : 0;
}

int kvm_set_state(struct vcpu *v, const struct x86_state *s, struct err *e)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    struct kvm_vcpu_events events;
    struct kvm_mp_state mp = {.mp_state = mp_states[s->run_state & 3]};
    struct kvm_lapic_state lapic;
    kvm_complete_access(k);
    int err = core_out(v, s, e);
    if (err)
        return err;
    lapic_out(v, &lapic, &s->lapic);
    err = kvm_ioctl(k->fd, KVM_SET_LAPIC, &lapic);
    if (err < 0)
        return err_set(e, err, "loading a processor's state: local APIC: %s", err_name(err));
    err = time_out(v, s, e);
    if (err)
        return err;
    if (v->vm->config.engine_para)
        para_out(k, s);
    events_out(&events, s);
    err = kvm_ioctl(k->fd, KVM_SET_VCPU_EVENTS, &events);
    if (err >= 0)
        err = kvm_ioctl(k->fd, KVM_SET_MP_STATE, &mp);
    if (err < 0)
        return err_set(e, err, "loading a processor's state: events: %s", err_name(err));
    return 0;
}
