/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls: the number is in RAX, arguments in RBX, RCX, RDX and RSI, the result in RAX. */
#include "base/bits.h"
#include "hypercall/kvm/para_priv.h"
#include "vm/x86/lapic.h"

/* Interrupts to the processors whose APIC IDs are min + the numbers of the bits; how many there
 * were. icr is what the guest would have written to the APIC: vector and delivery mode. */
static i64 send_ipis(struct para_kvm *p, const u64 bitmap[2], unsigned width, u64 min, u64 icr)
{
    enum { ICR_LOGICAL = 1 << 11, ICR_SHORTHAND = 3 << 18 };
    unsigned mode = icr >> 8 & 7;
    if ((icr & (ICR_LOGICAL | ICR_SHORTHAND)) ||
        (mode != APIC_FIXED && mode != APIC_LOWEST && mode != APIC_NMI))
        return -KVM_EINVAL;
    i64 sent = 0;
    for (unsigned i = 0; i < p->vm->cpus; i++) {
        u64 bit = i - min; /* wraps to a large one below min */
        if (bit >= 2 * width || !(bitmap[bit / width] >> bit % width & 1))
            continue;
        lapic_deliver(p->vm, i, false, mode, (u8)icr, true, false);
        sent++;
    }
    return sent;
}

/* Wakes a processor that halted waiting for a lock; no interrupt is left behind. */
static i64 kick(struct para_kvm *p, u64 apic_id)
{
    if (apic_id < p->vm->cpus)
        vcpu_post(p->vm->vcpu[apic_id], VCPU_REQ_UNHALT);
    return 0;
}

static i64 do_call(struct para_kvm *p, struct vcpu *v, u64 number, const u64 a[4], unsigned width)
{
    switch (number) {
    case KVM_CALL_KICK_CPU: return kick(p, a[1]);
    case KVM_CALL_CLOCK_PAIRING: return para_pair_clocks(p, v, a[0], a[1]);
    case KVM_CALL_SEND_IPI: return send_ipis(p, a, width, a[2], a[3]);
    default: return -KVM_ENOSYS;
    }
}

int para_call(struct vcpu *v, void *para, struct x86_state *s)
{
    bool wide = (s->efer & X86_EFER_LMA) && (s->seg[X86_CS].attr & X86_SEG_L);
    u64 mask = wide ? ~(u64)0 : 0xffffffff;
    const u64 a[4] = {s->gpr[X86_RBX] & mask, s->gpr[X86_RCX] & mask, s->gpr[X86_RDX] & mask,
                      s->gpr[X86_RSI] & mask};
    unsigned privilege = s->seg[X86_SS].attr >> X86_SEG_DPL_SHIFT & 3;
    i64 r = privilege ? -KVM_EPERM : do_call(para, v, s->gpr[X86_RAX] & mask, a, wide ? 64 : 32);
    s->gpr[X86_RAX] = (u64)r & mask;
    return 0;
}
