/* SPDX-License-Identifier: BSD-2-Clause */
/* What reaches a vCPU from outside: interrupts, INIT, start-up. */
#include "vm/vcpu_priv.h"

#include "vm/vm_priv.h"
#include "vm/x86/lapic.h"

static bool has_lapic(const struct vcpu *v)
{
    return v->vm->engine->caps & ENGINE_LAPIC;
}

/* The PIC's output is high and reaches this processor. An engine with its own local APIC routes it
 * to the bootstrap processor by itself. */
static bool extint_waits(struct vcpu *v)
{
    return v->index == 0 && __atomic_load_n(&v->vm->priv->extint, __ATOMIC_ACQUIRE) &&
           (has_lapic(v) || lapic_accepts_extint(v));
}

bool vcpu_has_interrupt(struct vcpu *v)
{
    return (!has_lapic(v) && lapic_pending(v)) || extint_waits(v);
}

int vcpu_take_interrupt(struct vcpu *v)
{
    int vector = has_lapic(v) ? -1 : lapic_take(v);
    if (vector < 0 && extint_waits(v) && v->vm->pic_acknowledge)
        vector = v->vm->pic_acknowledge(v->vm->pic_ctx);
    if (vector >= 0) {
        vcpu_count(v, EXIT_INTERRUPT);
        vcpu_para_interrupt(v);
    }
    return vector;
}

void vcpu_set_tpr(struct vcpu *v, u64 cr8)
{
    lapic_set_tpr(v, cr8);
}

u64 vcpu_get_tpr(struct vcpu *v)
{
    return lapic_get_tpr(v);
}

/* The vector gives the page where an application processor starts [SDM3 10.4.4.1]. */
static void start_at(struct x86_state *s, u8 vector)
{
    s->seg[X86_CS].sel = (u16)(vector << 8);
    s->seg[X86_CS].base = (u64)vector << 12;
    s->rip = 0;
    s->run_state = X86_RUNNING;
}

bool vcpu_apply_startup(struct vcpu *v, u32 bits, struct x86_state *s)
{
    bool changed = false;
    if (bits & VCPU_REQ_INIT) {
        x86_state_init(s);
        lapic_reset_by_init(v);
        vcpu_para_reset(v);
        vcpu_consume(v, VCPU_REQ_NMI | VCPU_REQ_INTERRUPT | VCPU_REQ_UNHALT);
        v->unhalted = false;
        s->run_state = v->index ? X86_WAIT_SIPI : X86_RUNNING;
        changed = true;
    }
    if (bits & VCPU_REQ_SIPI && s->run_state == X86_WAIT_SIPI) {
        start_at(s, __atomic_load_n(&v->sipi_vector, __ATOMIC_ACQUIRE));
        changed = true;
    }
    return changed;
}
