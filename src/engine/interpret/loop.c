/* SPDX-License-Identifier: BSD-2-Clause */
/* run(): what is due between instructions, and what becomes of the results. */
#include "engine/interpret/interpret_priv.h"

#include "base/log.h"

/* INIT and SIPI change the processor under the interpreter. */
static void start_up(struct interpret *iv, u32 bits)
{
    struct x86_cpu *cpu = &iv->cpu;
    if (!vcpu_apply_startup(iv->vcpu, bits, &cpu->s))
        return;
    x86_cpu_derive(cpu);
    x86_tlb_flush(cpu, true);
    iv->epoch++;
}

/* True: leave run() with *stop. */
static bool serve_requests(struct interpret *iv, enum vcpu_stop *stop)
{
    struct x86_cpu *cpu = &iv->cpu;
    struct vcpu *v = iv->vcpu;
    u32 bits = __atomic_load_n(&cpu->request, __ATOMIC_ACQUIRE);
    if (!bits)
        return false;
    x86_vector_release(cpu);
    if (bits & VCPU_REQ_MEMORY) {
        vcpu_consume(v, VCPU_REQ_MEMORY);
        exclusive_safe_point(iv);
        code_queue_run(iv);
    }
    if (bits & VCPU_REQ_INTERRUPT) {
        vcpu_consume(v, VCPU_REQ_INTERRUPT);
        iv->irq_maybe = true;
    }
    if (bits & VCPU_REQ_TLB) {
        vcpu_consume(v, VCPU_REQ_TLB);
        x86_tlb_flush(cpu, true);
        iv->epoch++;
    }
    if (bits & VCPU_REQ_UNHALT) {
        vcpu_consume(v, VCPU_REQ_UNHALT);
        v->unhalted = true;
    }
    if (bits & VCPU_REQ_NMI) {
        vcpu_consume(v, VCPU_REQ_NMI);
        cpu->s.nmi_pending = 1;
    }
    if (bits & (VCPU_REQ_INIT | VCPU_REQ_SIPI))
        start_up(iv, vcpu_consume(v, VCPU_REQ_INIT | VCPU_REQ_SIPI));
    if (!(bits & (VCPU_REQ_KICK | X86_REQUEST_STOP)))
        return false;
    __atomic_and_fetch(&cpu->request, ~X86_REQUEST_STOP, __ATOMIC_RELAXED);
    *stop = VCPU_KICKED;
    return true;
}

static bool interrupt_is_due(struct interpret *iv)
{
    if (!iv->irq_maybe || !x86_can_interrupt(&iv->cpu))
        return false;
    x86_vector_release(&iv->cpu);
    iv->irq_maybe = vcpu_has_interrupt(iv->vcpu);
    return iv->irq_maybe;
}

static bool nmi_is_due(const struct interpret *iv)
{
    return iv->cpu.s.nmi_pending && x86_can_nmi(&iv->cpu);
}

/* True: it does not execute; leave run() with *stop. */
static bool is_idle(struct interpret *iv, enum vcpu_stop *stop)
{
    struct x86_state *s = &iv->cpu.s;
    switch (s->run_state) {
    case X86_RUNNING:
        return false;
    case X86_HALTED:
        *stop = VCPU_HALT;
        if (!iv->vcpu->unhalted && !nmi_is_due(iv) && !interrupt_is_due(iv))
            return true;
        iv->vcpu->unhalted = false;
        s->run_state = X86_RUNNING;
        return false;
    case X86_SHUTDOWN:
        *stop = VCPU_SHUTDOWN;
        return true;
    default:
        *stop = VCPU_HALT; /* only INIT and SIPI help */
        return true;
    }
}

/* Delivers what is due before the next instruction; X86_OK when there was nothing or all went well. */
static int deliver_events(struct interpret *iv)
{
    struct x86_cpu *cpu = &iv->cpu;
    if (cpu->s.event.kind != X86_EVENT_NONE) {
        struct x86_event ev = cpu->s.event;
        cpu->s.event.kind = X86_EVENT_NONE;
        return x86_deliver(cpu, &ev);
    }
    if (nmi_is_due(iv)) {
        cpu->s.nmi_pending = 0;
        cpu->s.nmi_blocked = 1;
        return x86_deliver(cpu, &(struct x86_event){.kind = X86_EVENT_NMI, .vector = X86_NMI});
    }
    if (!interrupt_is_due(iv))
        return X86_OK;
    int vector = vcpu_take_interrupt(iv->vcpu);
    if (vector < 0)
        return X86_OK;
    return x86_deliver(cpu, &(struct x86_event){.kind = X86_EVENT_INTERRUPT, .vector = (u8)vector});
}

/* One instruction with everything that may hang on it, or as many as run without. */
static int run_some(struct interpret *iv)
{
    struct x86_cpu *cpu = &iv->cpu;
    bool shadow = cpu->s.shadow_sti || cpu->s.shadow_mov_ss;
    if (x86_wants_step(cpu) || (shadow && (iv->irq_maybe || cpu->s.nmi_pending))) {
        cpu->retired++;
        return x86_step(cpu);
    }
    cpu->s.shadow_sti = cpu->s.shadow_mov_ss = 0;
    return interpret_blocks(iv);
}

/* True: leave run() with *stop. */
static bool judge(struct interpret *iv, int r, enum vcpu_stop *stop)
{
    struct x86_cpu *cpu = &iv->cpu;
    if (r == X86_EXCEPTION)
        r = x86_deliver(cpu, &cpu->fault);
    switch (r) {
    case X86_HALT:
        cpu->s.run_state = X86_HALTED;
        return false;
    case X86_TRIPLE:
        cpu->s.run_state = X86_SHUTDOWN;
        return false;
    case X86_STOP:
        *stop = VCPU_KICKED;
        return true;
    case X86_INTERCEPT:
        iv->vcpu->intercepted = cpu->intercept;
        iv->vcpu->intercepted_event = cpu->fault;
        *stop = VCPU_DEBUG;
        return true;
    default:
        return false;
    }
}

enum vcpu_stop interpret_run(struct vcpu *v)
{
    struct interpret *iv = v->engine;
    enum vcpu_stop stop;
    iv->cpu.intercepts = (struct x86_intercepts){v->intercept_exceptions, v->intercept_other};
    exclusive_enter(iv);
    for (;;) {
        if (serve_requests(iv, &stop) || is_idle(iv, &stop))
            break;
        if (judge(iv, deliver_events(iv), &stop))
            break;
        if (iv->cpu.s.run_state == X86_RUNNING && judge(iv, run_some(iv), &stop))
            break;
    }
    x86_vector_release(&iv->cpu);
    v->exits.instructions = iv->cpu.retired;
    exclusive_leave(iv);
    return stop;
}
