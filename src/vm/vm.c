/* SPDX-License-Identifier: BSD-2-Clause */
/* Making and unmaking a machine, the state of its vCPUs, and interrupts that come from outside. */
#include "vm/vm.h"

#include "base/mem.h"
#include "vm/vcpu_priv.h"
#include "vm/vm_priv.h"
#include "vm/x86/lapic.h"

#include <errno.h>

static bool engine_has_lapic(const struct vm *vm)
{
    return vm->engine->caps & ENGINE_LAPIC;
}

static void forward_memory_event(void *ctx, const struct memory_event *ev)
{
    struct vm *vm = ctx;
    if (vm->priv->engine_ready && vm->engine->memory_event)
        vm->engine->memory_event(vm, ev);
}

int vm_create(struct vm **out, const struct vm_config *c, struct err *e)
{
    if (!c->cpus || c->cpus > VM_CPUS_MAX)
        return err_set(e, -EINVAL, "making a machine of %u CPUs: 1 to %d are possible", c->cpus,
                       VM_CPUS_MAX);
    if (c->cpus > 1 && !(c->engine->caps & ENGINE_SMP))
        return err_set(e, -EINVAL, "making a machine of %u CPUs: engine %s runs only one", c->cpus,
                       c->engine->name);
    struct vm *vm = mem_alloc(sizeof *vm);
    struct vm_priv *p = mem_alloc(sizeof *p);
    if (!vm || !p) {
        mem_free(vm);
        mem_free(p);
        return err_set(e, -ENOMEM, "making a machine: out of memory");
    }
    vm->priv = p;
    vm->config = *c;
    vm->engine = c->engine;
    vm->model = *c->model;
    vm->config.model = &vm->model;
    vm->dma.ops = &vm_dma_ops;
    p->hold = HOLD_START;
    int r = guest_memory_create(&vm->memory, c->ram, e);
    if (!r)
        r = bus_create(&vm->pio, "port", e);
    if (!r)
        r = bus_create(&vm->mmio, "memory", e);
    if (!r)
        r = os_loop_create(&vm->loop, e);
    if (!r && !c->clock)
        r = clock_create(&p->own_clock, vm->loop, e);
    if (r) {
        vm_destroy(vm);
        return r;
    }
    vm->clock = c->clock ? c->clock : p->own_clock;
    vm_tsc_sample(vm);
    guest_memory_set_listener(vm->memory, &(struct memory_listener){forward_memory_event, vm});
    *out = vm;
    return 0;
}

void vm_destroy(struct vm *vm)
{
    if (!vm)
        return;
    struct vm_priv *p = vm->priv;
    vm_request_end(vm, VM_STOPPED, 0);
    for (unsigned i = 0; i < vm->cpus; i++)
        vcpu_destroy(vm->vcpu[i]);
    if (p->io) {
        os_loop_stop(vm->loop);
        os_thread_join(p->io);
    }
    if (p->engine_ready && vm->engine->vm_fini)
        vm->engine->vm_fini(vm);
    clock_destroy(p->own_clock);
    os_loop_destroy(vm->loop);
    bus_destroy(vm->pio);
    bus_destroy(vm->mmio);
    guest_memory_destroy(vm->memory);
    mem_free(p);
    mem_free(vm);
}

static int init_engine(struct vm *vm, struct err *e)
{
    int r = vm->engine->vm_init ? vm->engine->vm_init(vm, e) : 0;
    if (r)
        return r;
    vm->priv->engine_ready = true;
    const struct ram_block *b;
    unsigned n = guest_memory_blocks(vm->memory, &b);
    for (unsigned i = 0; i < n; i++)
        forward_memory_event(vm, &(struct memory_event){MEMORY_MAP, b[i].start, b[i].size,
                                                        b[i].host, b[i].read_only});
    return 0;
}

int vm_create_vcpus(struct vm *vm, struct err *e)
{
    int r = init_engine(vm, e);
    if (r)
        return r;
    auto_free struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    if (!s)
        return err_set(e, -ENOMEM, "making vCPUs: out of memory");
    for (unsigned i = 0; i < vm->config.cpus; i++) {
        struct vcpu *v = vcpu_alloc(vm, i);
        if (!v)
            return err_set(e, -ENOMEM, "making vCPU %u: out of memory", i);
        r = vcpu_start_thread(v, e);
        if (r) {
            vcpu_destroy(v);
            return r;
        }
        vm->vcpu[vm->cpus++] = v;
        x86_state_reset(s, i, i == 0);
        if (!engine_has_lapic(vm))
            lapic_save(v, &s->lapic);
        r = vm->engine->set_state(v, s, e);
        if (r)
            return r;
    }
    return 0;
}

int vm_set_state(struct vm *vm, unsigned cpu, const struct x86_state *s, struct err *e)
{
    struct vcpu *v = vm->vcpu[cpu];
    int r = vcpu_msr_load(v, s, e);
    if (!r)
        r = vm->engine->set_state(v, s, e);
    if (r)
        return err_wrap(e, "setting the state of vCPU %u", cpu);
    if (!engine_has_lapic(vm)) {
        vcpu_set_tsc_offset(v, s->tsc_offset);
        lapic_load(v, &s->lapic);
    }
    vcpu_para_load(v, s);
    /* Whatever is pending in the local APIC must be seen by the engine that runs next. */
    vcpu_post(v, VCPU_REQ_INTERRUPT);
    return 0;
}

int vm_get_state(struct vm *vm, unsigned cpu, struct x86_state *s, struct err *e)
{
    struct vcpu *v = vm->vcpu[cpu];
    int r = vm->engine->get_state(v, s, e);
    if (r)
        return err_wrap(e, "reading the state of vCPU %u", cpu);
    if (!engine_has_lapic(vm))
        lapic_save(v, &s->lapic);
    u32 requests = vcpu_requests(v);
    s->nmi_pending |= (requests & VCPU_REQ_NMI) != 0;
    s->init_pending |= (requests & VCPU_REQ_INIT) != 0;
    if (requests & VCPU_REQ_SIPI) {
        s->sipi_pending = 1;
        s->sipi_vector = __atomic_load_n(&v->sipi_vector, __ATOMIC_ACQUIRE);
    }
    vcpu_msr_save(v, s);
    vcpu_para_save(v, s);
    return 0;
}

void vm_exit_counters(const struct vm *vm, struct exit_counters *out)
{
    *out = (struct exit_counters){0};
    for (unsigned i = 0; i < vm->cpus; i++) {
        const struct exit_counters *c = &vm->vcpu[i]->exits;
        for (unsigned n = 0; n < EXIT_REASON_COUNT; n++) {
            out->count[n] += c->count[n];
            out->ns[n] += c->ns[n];
        }
        out->instructions += c->instructions;
    }
}

void vm_msi(void *ctx, u64 addr, u32 data)
{
    struct vm *vm = ctx;
    if (engine_has_lapic(vm))
        vm->engine->msi(vm, addr, data);
    else
        lapic_msi(vm, addr, data);
}

void vm_set_extint(void *ctx, unsigned n, bool level)
{
    struct vm *vm = ctx;
    __atomic_store_n(&vm->priv->extint, level, __ATOMIC_RELEASE);
    if (!vm->cpus)
        return;
    if (!engine_has_lapic(vm))
        lapic_lint(vm->vcpu[0], 0, level);
    else if (level)
        vcpu_post(vm->vcpu[0], VCPU_REQ_INTERRUPT);
}

void vm_route_changed(void *ctx, unsigned pin, u64 addr, u32 data, bool masked)
{
    /* A masked entry stays known: an interrupt it sent before may still be in service. */
    struct vm *vm = ctx;
    if (vm->engine->route)
        vm->engine->route(vm, pin, addr, data);
}

void vm_nmi(struct vm *vm, unsigned cpu)
{
    if (cpu < vm->cpus)
        vcpu_post(vm->vcpu[cpu], VCPU_REQ_NMI);
}
