/* SPDX-License-Identifier: BSD-2-Clause */
/* Start, pause, reset and end: all of them keep vCPU threads at one gate. */
#include "vm/vm_priv.h"

#include "base/mem.h"
#include "vm/vcpu_priv.h"
#include "vm/x86/lapic.h"

#include <errno.h>

void vm_hold(struct vm *vm, enum vm_hold why)
{
    struct vm_priv *p = vm->priv;
    os_mutex_lock(&p->lock);
    __atomic_store_n(&p->hold, p->hold | why, __ATOMIC_RELEASE);
    os_cond_broadcast(&p->changed);
    os_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < vm->cpus; i++)
        vcpu_post(vm->vcpu[i], VCPU_REQ_KICK);
}

/* With the lock held. */
static void release_hold(struct vm_priv *p, enum vm_hold why)
{
    __atomic_store_n(&p->hold, p->hold & ~(u32)why, __ATOMIC_RELEASE);
    os_cond_broadcast(&p->changed);
}

/* Every vCPU as after power-up; then the machine resets devices and sets up vCPU 0. */
static int reset_machine(struct vm *vm, struct err *e)
{
    auto_free struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    if (!s)
        return err_set(e, -ENOMEM, "resetting the machine: out of memory");
    for (unsigned i = 0; i < vm->cpus; i++) {
        vcpu_consume(vm->vcpu[i], ~(u32)VCPU_REQ_KICK);
        x86_state_reset(s, i, i == 0);
        vcpu_msr_reset(vm->vcpu[i]);
        vm->vcpu[i]->unhalted = false;
        vcpu_para_reset(vm->vcpu[i]);
        vcpu_para_tsc_offset(vm->vcpu[i], s->tsc_offset);
        if (!(vm->engine->caps & ENGINE_LAPIC)) {
            lapic_reset(vm->vcpu[i]);
            lapic_set_tsc_offset(vm->vcpu[i], s->tsc_offset);
            lapic_save(vm->vcpu[i], &s->lapic);
        }
        int r = vm->engine->set_state(vm->vcpu[i], s, e);
        if (r)
            return r;
    }
    return vm->machine_reset(vm->machine_ctx, e);
}

bool vm_gate(struct vcpu *v)
{
    struct vm *vm = v->vm;
    struct vm_priv *p = vm->priv;
    if (likely(!vm_held(vm)))
        return true;
    with_lock(&p->lock);
    p->parked++;
    os_cond_broadcast(&p->changed);
    while (p->hold && !(p->hold & HOLD_END)) {
        if (v->index != 0 || p->hold != HOLD_RESET || p->parked != vm->cpus) {
            os_cond_wait(&p->changed, &p->lock);
            continue;
        }
        p->resetting = true;
        os_mutex_unlock(&p->lock);
        struct err e = {0};
        if (reset_machine(vm, &e))
            vm_request_failure(vm, &e);
        os_mutex_lock(&p->lock);
        p->resetting = false;
        release_hold(p, HOLD_RESET);
    }
    if (p->hold & HOLD_END)
        return false; /* it stays parked */
    p->parked--;
    return true;
}

static void *io_main(void *ctx)
{
    struct vm *vm = ctx;
    int r = os_loop_run(vm->loop);
    if (r) {
        struct err e = {0};
        err_set(&e, r, "running the event loop: %s", err_name(r));
        vm_request_failure(vm, &e);
    }
    return NULL;
}

static void run_clock(struct vm *vm, bool run)
{
    if (vm->priv->own_clock)
        clock_run(vm->clock, run);
    vm_tsc_run(vm, run);
}

int vm_start(struct vm *vm, struct err *e)
{
    struct vm_priv *p = vm->priv;
    int r = os_thread_create(&p->io, "io", io_main, vm, e);
    if (r)
        return r;
    run_clock(vm, true);
    with_lock(&p->lock);
    release_hold(p, HOLD_START);
    return 0;
}

void vm_pause(struct vm *vm)
{
    struct vm_priv *p = vm->priv;
    os_mutex_lock(&p->lock);
    bool first = p->pauses++ == 0;
    os_mutex_unlock(&p->lock);
    if (first)
        vm_hold(vm, HOLD_PAUSE);
    os_mutex_lock(&p->lock);
    while (p->parked != vm->cpus || p->resetting)
        os_cond_wait(&p->changed, &p->lock);
    os_mutex_unlock(&p->lock);
    if (first)
        run_clock(vm, false);
}

void vm_resume(struct vm *vm)
{
    struct vm_priv *p = vm->priv;
    os_mutex_lock(&p->lock);
    bool last = p->pauses == 1;
    os_mutex_unlock(&p->lock);
    if (last)
        run_clock(vm, true);
    with_lock(&p->lock);
    if (--p->pauses == 0)
        release_hold(p, HOLD_PAUSE);
}

void vm_request_end(struct vm *vm, enum vm_end why, int status)
{
    struct vm_priv *p = vm->priv;
    os_mutex_lock(&p->lock);
    if (p->end == VM_RUNNING) {
        p->end = why;
        p->status = status;
    }
    os_mutex_unlock(&p->lock);
    vm_hold(vm, HOLD_END);
}

void vm_request_failure(struct vm *vm, const struct err *why)
{
    struct vm_priv *p = vm->priv;
    os_mutex_lock(&p->lock);
    if (p->end == VM_RUNNING)
        p->error = *why;
    os_mutex_unlock(&p->lock);
    vm_request_end(vm, VM_FAILED, 0);
}

void vm_request_reset(struct vm *vm)
{
    if (vm->config.no_reboot || !vm->machine_reset)
        vm_request_end(vm, VM_RESET, 0);
    else
        vm_hold(vm, HOLD_RESET);
}

enum vm_end vm_wait(struct vm *vm, int *status, struct err *e)
{
    struct vm_priv *p = vm->priv;
    with_lock(&p->lock);
    while (p->end == VM_RUNNING || p->parked != vm->cpus || p->resetting)
        os_cond_wait(&p->changed, &p->lock);
    if (status)
        *status = p->status;
    if (e && p->end == VM_FAILED)
        *e = p->error;
    return p->end;
}
