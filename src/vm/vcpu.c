/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU's thread: makes the engine's part, then runs, sleeps and stops as it is told. */
#include "vm/vcpu_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "vm/vm_priv.h"
#include "vm/x86/lapic.h"

#include <errno.h>

struct vcpu *vcpu_alloc(struct vm *vm, unsigned index)
{
    struct vcpu *v = mem_alloc_aligned(64, sizeof *v);
    struct vcpu_priv *p = mem_alloc(sizeof *p);
    if (!v || !p) {
        mem_free(v);
        mem_free(p);
        return NULL;
    }
    v->vm = vm;
    v->index = index;
    v->priv = p;
    return v;
}

void vcpu_post(struct vcpu *v, u32 bits)
{
    __atomic_fetch_or(&v->request, bits, __ATOMIC_SEQ_CST);
    if (v->request_mirror)
        __atomic_fetch_or(v->request_mirror, bits, __ATOMIC_SEQ_CST);
    /* Pairs with vcpu_sleep(): either it sees the bit or we see that it sleeps. */
    if (!__atomic_load_n(&v->priv->sleeping, __ATOMIC_SEQ_CST)) {
        v->vm->engine->kick(v);
        return;
    }
    with_lock(&v->priv->lock);
    os_cond_signal(&v->priv->wake);
}

u32 vcpu_consume(struct vcpu *v, u32 bits)
{
    u32 old = __atomic_fetch_and(&v->request, ~bits, __ATOMIC_SEQ_CST);
    if (v->request_mirror) {
        __atomic_fetch_and(v->request_mirror, ~bits, __ATOMIC_SEQ_CST);
        /* A bit posted between the two must not be lost in the mirror. */
        u32 now = vcpu_requests(v);
        if (now & bits)
            __atomic_fetch_or(v->request_mirror, now & bits, __ATOMIC_SEQ_CST);
    }
    return old & bits;
}

/* Until something is asked of it. */
static void vcpu_sleep(struct vcpu *v)
{
    struct vcpu_priv *p = v->priv;
    with_lock(&p->lock);
    __atomic_store_n(&p->sleeping, true, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&v->request, __ATOMIC_SEQ_CST))
        os_cond_wait(&p->wake, &p->lock);
    __atomic_store_n(&p->sleeping, false, __ATOMIC_RELEASE);
}

static void vcpu_shutdown(struct vcpu *v)
{
    vcpu_count(v, EXIT_SHUTDOWN);
    log_info("vm", "vCPU %u: triple fault", v->index);
    if (v->vm->config.no_reboot)
        vm_request_end(v->vm, VM_CRASHED, 0);
    else
        vm_request_reset(v->vm);
}

static void vcpu_intercepted(struct vcpu *v)
{
    struct vm *vm = v->vm;
    if (vm->intercepted && vm->intercepted(vm->intercepted_ctx, v))
        return;
    err_set(&v->error, -ENOTSUP, "running vCPU %u: an event was intercepted and nobody takes it",
            v->index);
    vm_request_failure(vm, &v->error);
}

static void vcpu_loop(struct vcpu *v)
{
    const struct engine_ops *engine = v->vm->engine;
    while (vm_gate(v)) {
        v->tier = TIER_GUEST;
        enum vcpu_stop stop = engine->run(v);
        v->tier = TIER_MONITOR;
        switch (stop) {
        case VCPU_HALT:
            vcpu_count(v, EXIT_HALT);
            vcpu_para_sleep(v, true);
            vcpu_sleep(v);
            vcpu_para_sleep(v, false);
            break;
        case VCPU_KICKED: vcpu_count(v, EXIT_KICK); break;
        case VCPU_DEBUG: vcpu_intercepted(v); break;
        case VCPU_RESET: vm_request_reset(v->vm); break;
        case VCPU_SHUTDOWN: vcpu_shutdown(v); break;
        case VCPU_FATAL: vm_request_failure(v->vm, &v->error); break;
        }
        vcpu_consume(v, VCPU_REQ_KICK); /* before the gate looks at what it was for */
    }
}

static void *vcpu_main(void *ctx)
{
    struct vcpu *v = ctx;
    struct vcpu_priv *p = v->priv;
    int r = v->vm->engine->vcpu_init(v, &v->error);
    if (!r)
        profile_start(v);
    os_mutex_lock(&p->lock);
    p->init_done = true;
    p->init_result = r;
    os_cond_broadcast(&p->wake);
    os_mutex_unlock(&p->lock);
    if (!r)
        vcpu_loop(v);
    profile_stop(v);
    return NULL;
}

int vcpu_start_thread(struct vcpu *v, struct err *e)
{
    struct vcpu_priv *p = v->priv;
    vcpu_msr_reset(v);
    lapic_init(v);
    char name[16];
    str_format(name, sizeof name, "vcpu%u", v->index);
    int r = os_thread_create(&p->thread, name, vcpu_main, v, e);
    if (r)
        return r;
    with_lock(&p->lock);
    while (!p->init_done)
        os_cond_wait(&p->wake, &p->lock);
    if (p->init_result) {
        if (e)
            *e = v->error;
        return p->init_result;
    }
    return 0;
}

void vcpu_destroy(struct vcpu *v)
{
    if (!v)
        return;
    struct vcpu_priv *p = v->priv;
    os_thread_join(p->thread);
    if (p->init_done && !p->init_result && v->vm->engine->vcpu_fini)
        v->vm->engine->vcpu_fini(v);
    lapic_fini(v);
    profile_free(v);
    mem_free(p);
    mem_free(v);
}
