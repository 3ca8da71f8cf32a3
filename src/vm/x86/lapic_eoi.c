/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of an interrupt by memory: paravirtual interfaces let the guest name a word. Bit 0 of it
 * is set when an interrupt goes into service that nobody else has to hear the end of; a guest that
 * finds it set clears it and has ended the interrupt without an exit.
 *
 * The word is the vCPU's own: the guest changes it on the vCPU's thread, and so does this file, or
 * while that thread is outside run(). So the two never race, and what the guest has done is looked
 * up when it matters. Other threads only see that there is an offer, and wake the vCPU. */
#include "vm/x86/lapic_priv.h"

enum { WORD_BYTES = 4, MAY_END = 1 };

static u8 *word(const struct vcpu *v)
{
    return dma_ptr(&v->vm->dma, v->eoi_word.addr, WORD_BYTES);
}

bool lapic_eoi_offer_locked(struct vcpu *v)
{
    v->eoi_word.offered = v->eoi_word.on && !lapic_waiting_locked(&v->lapic) && word(v);
    return v->eoi_word.offered;
}

bool lapic_eoi_settle_locked(struct vcpu *v, bool always)
{
    if (!v->eoi_word.offered)
        return false;
    const u8 *p = word(v);
    bool ended = p && !(*p & MAY_END);
    if (!ended && !always && !lapic_waiting_locked(&v->lapic))
        return false;
    v->eoi_word.offered = false;
    if (ended)
        lapic_finish_locked(v);
    return !ended;
}

void lapic_eoi_mark(struct vcpu *v, bool set)
{
    u8 *p = word(v);
    if (!p)
        return;
    *p = (u8)((*p & ~MAY_END) | (set ? MAY_END : 0));
    dma_written(&v->vm->dma, v->eoi_word.addr, 1);
}

void lapic_eoi_settle(struct vcpu *v, bool always)
{
    if (!v->eoi_word.offered) /* changed by the thread that calls this only */
        return;
    os_mutex_lock(&v->lapic_lock);
    bool withdraw = lapic_eoi_settle_locked(v, always);
    os_mutex_unlock(&v->lapic_lock);
    if (withdraw)
        lapic_eoi_mark(v, false);
}

void lapic_set_eoi_word(struct vcpu *v, bool on, gpa_t addr)
{
    lapic_eoi_settle(v, true);
    with_lock(&v->lapic_lock);
    v->eoi_word.on = on;
    v->eoi_word.addr = addr;
}
