/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages between local APICs, and from I/O APICs and devices to them [SDM3 10.6, 10.11]. One
 * lapic_lock is held at a time, so processors that interrupt each other cannot deadlock. */
#include "vm/x86/lapic_priv.h"

enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };
enum { ICR_WRITABLE = 0xccfff, ICR_LOGICAL = 1 << 11, ICR_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15 };

struct message {
    unsigned mode;
    u8 vector;
    bool assert, trigger_level;
};

/* Logical destinations [SDM3 10.6.2.2, 10.12.10.2]. */
static bool logical_match(const struct x86_lapic *l, u32 dest)
{
    if (lapic_x2(l)) {
        if (dest == 0xffffffff)
            return true;
        return dest >> 16 == l->ldr >> 16 && (dest & l->ldr & 0xffff);
    }
    u32 mine = l->ldr >> 24;
    if (dest == 0xff || dest == 0xffffffff)
        return true;
    if (l->dfr >> 28 == 0xf) /* flat model: a bit each */
        return dest & mine & 0xff;
    return dest >> 4 == mine >> 4 && (dest & mine & 15); /* cluster model */
}

/* No processor here has the ID 255, so it is "all" in x2APIC mode too, where messages of devices
 * have no wider one. */
static bool matches(struct vcpu *v, u32 dest, bool logical)
{
    with_lock(&v->lapic_lock);
    const struct x86_lapic *l = &v->lapic;
    if (!lapic_enabled(l))
        return false;
    if (logical)
        return logical_match(l, dest);
    return dest == l->id || dest == 0xff || dest == 0xffffffff;
}

static void send(struct vcpu *v, const struct message *m)
{
    switch (m->mode) {
    case APIC_FIXED:
    case APIC_LOWEST: {
        with_lock(&v->lapic_lock);
        lapic_accept_locked(v, m->vector, m->trigger_level);
        break;
    }
    case APIC_NMI: vcpu_post(v, VCPU_REQ_NMI); break;
    case APIC_INIT:
        if (m->assert || !m->trigger_level) /* de-assert only synchronised arbitration IDs */
            vcpu_post(v, VCPU_REQ_INIT);
        break;
    case APIC_STARTUP:
        __atomic_store_n(&v->sipi_vector, m->vector, __ATOMIC_RELEASE);
        vcpu_post(v, VCPU_REQ_SIPI);
        break;
    case APIC_EXTINT: vcpu_post(v, VCPU_REQ_INTERRUPT); break;
    default: break; /* SMI: there is no system management mode */
    }
}

static bool takes_fixed(struct vcpu *v)
{
    with_lock(&v->lapic_lock);
    return lapic_software_enabled(&v->lapic);
}

/* One of the processors named: spread by vector, so that a source stays where its data is warm
 * while different ones share the work. Priorities are not compared, as on newer chips. */
static void send_to_one(struct vm *vm, u64 set, const struct message *m)
{
    unsigned n = 0, pick;
    u8 able[VM_CPUS_MAX];
    for (unsigned i = 0; i < vm->cpus; i++)
        if ((set >> i & 1) && takes_fixed(vm->vcpu[i]))
            able[n++] = (u8)i;
    if (!n)
        return;
    pick = m->vector % n;
    send(vm->vcpu[able[pick]], m);
}

static void send_to_set(struct vm *vm, u64 set, const struct message *m)
{
    if (m->mode == APIC_LOWEST)
        return send_to_one(vm, set, m);
    for (unsigned i = 0; i < vm->cpus; i++)
        if (set >> i & 1)
            send(vm->vcpu[i], m);
}

static u64 destinations(struct vm *vm, u32 dest, bool logical)
{
    u64 set = 0;
    for (unsigned i = 0; i < vm->cpus; i++)
        if (vm->vcpu[i] && matches(vm->vcpu[i], dest, logical))
            set |= BIT(i);
    return set;
}

void lapic_deliver(struct vm *vm, u32 dest, bool logical, unsigned mode, u8 vector, bool level,
                   bool trigger_level)
{
    struct message m = {mode, vector, level, trigger_level};
    send_to_set(vm, destinations(vm, dest, logical), &m);
}

void lapic_msi(struct vm *vm, u64 addr, u32 data)
{
    if (addr >> 20 != 0xfee)
        return;
    lapic_deliver(vm, addr >> 12 & 0xff, addr & 4, data >> 8 & 7, (u8)data, data & ICR_ASSERT,
                  data & ICR_LEVEL);
}

/* Records the command; false when its vector is illegal. */
static bool record_icr(struct vcpu *v, u32 icr)
{
    with_lock(&v->lapic_lock);
    v->lapic.icr_low = icr;
    unsigned mode = icr >> 8 & 7;
    if ((mode != APIC_FIXED && mode != APIC_LOWEST) || (icr & 0xff) >= VECTOR_FIRST)
        return true;
    lapic_error_locked(v, ESR_SEND_ILLEGAL);
    return false;
}

void lapic_send_ipi(struct vcpu *v, u32 icr, u32 dest)
{
    struct vm *vm = v->vm;
    icr &= ICR_WRITABLE;
    if (!record_icr(v, icr))
        return;
    struct message m = {
        .mode = icr >> 8 & 7,
        .vector = (u8)icr,
        .assert = icr & ICR_ASSERT,
        /* Fixed interrupts of processors are edges whatever the bit says [SDM3 10.6.1]. */
        .trigger_level = (icr & ICR_LEVEL) && (icr >> 8 & 7) == APIC_INIT,
    };
    u64 self = BIT(v->index), all = mask_low(vm->cpus);
    switch (icr >> 18 & 3) {
    case SHORTHAND_SELF:
        if (m.mode == APIC_FIXED) /* the only mode allowed with it [SDM3 table 10-3] */
            send_to_set(vm, self, &m);
        break;
    case SHORTHAND_ALL: send_to_set(vm, all, &m); break;
    case SHORTHAND_OTHERS: send_to_set(vm, all & ~self, &m); break;
    default: send_to_set(vm, destinations(vm, dest, icr & ICR_LOGICAL), &m); break;
    }
}
