/* SPDX-License-Identifier: BSD-2-Clause */
/* run(): what is due between instructions, and what becomes of the results. */
#include "engine/software/software.h"

#include "base/log.h"

/* INIT and SIPI change the processor under the engine. */
static void start_up(struct soft *sv, u32 bits)
{
    struct x86_cpu *cpu = &sv->cpu;
    if (!vcpu_apply_startup(sv->vcpu, bits, &cpu->s))
        return;
    x86_cpu_derive(cpu);
    x86_tlb_flush(cpu, true);
}

/* True: leave run() with *stop. */
static bool serve_requests(struct soft *sv, enum vcpu_stop *stop)
{
    struct x86_cpu *cpu = &sv->cpu;
    struct vcpu *v = sv->vcpu;
    u32 bits = __atomic_load_n(&cpu->request, __ATOMIC_ACQUIRE);
    if (!bits)
        return false;
    x86_vector_release(cpu);
    if (bits & VCPU_REQ_MEMORY) {
        vcpu_consume(v, VCPU_REQ_MEMORY);
        exclusive_safe_point(sv);
        code_queue_run(sv);
    }
    if (bits & VCPU_REQ_INTERRUPT) {
        vcpu_consume(v, VCPU_REQ_INTERRUPT);
        sv->irq_maybe = true;
    }
    if (bits & VCPU_REQ_TLB) {
        vcpu_consume(v, VCPU_REQ_TLB);
        x86_tlb_flush(cpu, true);
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
        start_up(sv, vcpu_consume(v, VCPU_REQ_INIT | VCPU_REQ_SIPI));
    if (!(bits & (VCPU_REQ_KICK | X86_REQUEST_STOP)))
        return false;
    __atomic_and_fetch(&cpu->request, ~X86_REQUEST_STOP, __ATOMIC_RELAXED);
    *stop = VCPU_KICKED;
    return true;
}

static bool interrupt_is_due(struct soft *sv)
{
    if (!sv->irq_maybe || !x86_can_interrupt(&sv->cpu))
        return false;
    x86_vector_release(&sv->cpu);
    sv->irq_maybe = vcpu_has_interrupt(sv->vcpu);
    return sv->irq_maybe;
}

static bool nmi_is_due(const struct soft *sv)
{
    return sv->cpu.s.nmi_pending && x86_can_nmi(&sv->cpu);
}

/* True: it does not execute; leave run() with *stop. */
static bool is_idle(struct soft *sv, enum vcpu_stop *stop)
{
    struct x86_state *s = &sv->cpu.s;
    switch (s->run_state) {
    case X86_RUNNING: return false;
    case X86_HALTED:
        *stop = VCPU_HALT;
        if (!sv->vcpu->unhalted && !nmi_is_due(sv) && !interrupt_is_due(sv))
            return true;
        sv->vcpu->unhalted = false;
        s->run_state = X86_RUNNING;
        return false;
    case X86_SHUTDOWN: *stop = VCPU_SHUTDOWN; return true;
    default:
        *stop = VCPU_HALT; /* only INIT and SIPI help */
        return true;
    }
}

/* Delivers what is due before the next instruction; X86_OK when there was nothing or all went well.
 */
static int deliver_events(struct soft *sv)
{
    struct x86_cpu *cpu = &sv->cpu;
    if (cpu->s.event.kind != X86_EVENT_NONE) {
        struct x86_event ev = cpu->s.event;
        cpu->s.event.kind = X86_EVENT_NONE;
        return x86_deliver(cpu, &ev);
    }
    if (nmi_is_due(sv)) {
        cpu->s.nmi_pending = 0;
        cpu->s.nmi_blocked = 1;
        return x86_deliver(cpu, &(struct x86_event){.kind = X86_EVENT_NMI, .vector = X86_NMI});
    }
    if (!interrupt_is_due(sv))
        return X86_OK;
    int vector = vcpu_take_interrupt(sv->vcpu);
    if (vector < 0)
        return X86_OK;
    return x86_deliver(cpu, &(struct x86_event){.kind = X86_EVENT_INTERRUPT, .vector = (u8)vector});
}

/* Debugging: what is kept of code can go at any safe point, and nobody notices. */
static void drop_at_random(struct soft *sv, unsigned one_in)
{
    sv->chance = sv->chance * 0x5851f42d4c957f2du + 0x14057b7ef767814fu + sv->vcpu->index;
    if ((sv->chance >> 33) % one_in)
        return;
    x86_vector_release(&sv->cpu);
    block_drop_all(sv);
}

/* One instruction with everything that may hang on it, or as many as run without. */
static int run_some(struct soft *sv)
{
    struct x86_cpu *cpu = &sv->cpu;
    bool shadow = cpu->s.shadow_sti || cpu->s.shadow_mov_ss;
    if (x86_wants_step(cpu) || (shadow && (sv->irq_maybe || cpu->s.nmi_pending))) {
        cpu->retired++;
        return x86_step(cpu);
    }
    cpu->s.shadow_sti = cpu->s.shadow_mov_ss = 0;
    return sv->engine->run_blocks(sv);
}

/* True: leave run() with *stop. */
static bool judge(struct soft *sv, int r, enum vcpu_stop *stop)
{
    struct x86_cpu *cpu = &sv->cpu;
    if (r == X86_EXCEPTION)
        r = x86_deliver(cpu, &cpu->fault);
    switch (r) {
    case X86_HALT: cpu->s.run_state = X86_HALTED; return false;
    case X86_TRIPLE: cpu->s.run_state = X86_SHUTDOWN; return false;
    case X86_STOP: *stop = VCPU_KICKED; return true;
    case X86_INTERCEPT:
        sv->vcpu->intercepted = cpu->intercept;
        sv->vcpu->intercepted_event = cpu->fault;
        *stop = VCPU_DEBUG;
        return true;
    default: return false;
    }
}

enum vcpu_stop soft_run(struct vcpu *v)
{
    struct soft *sv = v->engine;
    enum vcpu_stop stop;
    sv->cpu.intercepts = (struct x86_intercepts){v->intercept_exceptions, v->intercept_other};
    exclusive_enter(sv);
    for (;;) {
        if (serve_requests(sv, &stop) || is_idle(sv, &stop))
            break;
        if (judge(sv, deliver_events(sv), &stop))
            break;
        if (unlikely(v->vm->config.code_drop))
            drop_at_random(sv, v->vm->config.code_drop);
        if (sv->cpu.s.run_state == X86_RUNNING && judge(sv, run_some(sv), &stop))
            break;
    }
    x86_vector_release(&sv->cpu);
    v->exits.instructions = sv->cpu.retired;
    exclusive_leave(sv);
    return stop;
}
