/* SPDX-License-Identifier: BSD-2-Clause */
/* Where KVM's own emulator gives up on an instruction, that one instruction is executed by
 * isa/x86/exec on the same memory and the same devices, and counted. The state goes out of KVM and
 * back in, which costs tens of microseconds: what gives up often shows in the exit counters. */
#include "base/bits.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/kvm/kvm_priv.h"
#include "isa/x86/exec/exec.h"

#include <errno.h>

struct kvm_fallback {
    struct x86_cpu cpu;
    /* Everything this host executes: an instruction that the machine's model hides works under
     * hardware virtualization as well, and a KVM that shows the host's CPUID makes guests use it.
     */
    struct x86_cpu_model model;
};

static struct vcpu *vcpu_of(struct x86_cpu *c)
{
    return c->owner;
}

static u8 *phys_page(struct x86_cpu *c, u64 pa, bool for_write, bool *writable)
{
    struct vm *vm = vcpu_of(c)->vm;
    const struct ram_block *b = guest_memory_find(vm->memory, gpa(pa));
    *writable = b && !b->read_only && !guest_memory_logging(vm->memory);
    return b ? b->host + (align_down(pa, 4096) - b->start) : NULL;
}

static int stop_if(int r)
{
    return r > 0 ? X86_STOP : X86_OK;
}

static int phys_read(struct x86_cpu *c, u64 pa, unsigned size, u64 *value)
{
    struct vcpu *v = vcpu_of(c);
    const u8 *p = guest_memory_ptr(v->vm->memory, gpa(pa), size);
    *value = 0;
    if (p) {
        mem_copy(value, p, size);
        return X86_OK;
    }
    x86_vector_release(c);
    return stop_if(vcpu_mmio(v, gpa(pa), size, false, value));
}

static int phys_write(struct x86_cpu *c, u64 pa, unsigned size, u64 value)
{
    struct vcpu *v = vcpu_of(c);
    const struct ram_block *b = guest_memory_find(v->vm->memory, gpa(pa));
    if (b) {
        if (!b->read_only)
            guest_memory_write(v->vm->memory, gpa(pa), &value, size);
        return X86_OK;
    }
    x86_vector_release(c);
    return stop_if(vcpu_mmio(v, gpa(pa), size, true, &value));
}

static int phys_cmpxchg(struct x86_cpu *c, u64 pa, unsigned size, u64 expect, u64 value, u64 *seen)
{
    struct vcpu *v = vcpu_of(c);
    void *p = guest_memory_ptr(v->vm->memory, gpa(pa), size);
    if (!p) {
        int r = phys_read(c, pa, size, seen);
        if (*seen == expect && !r)
            r = phys_write(c, pa, size, value);
        return r;
    }
#define EXCHANGE(type)                                                                             \
    {                                                                                              \
        type was = (type)expect;                                                                   \
        __atomic_compare_exchange_n((type *)p, &was, (type)value, false, __ATOMIC_SEQ_CST,         \
                                    __ATOMIC_SEQ_CST);                                             \
        *seen = was;                                                                               \
    }
    switch (size) {
    case 1: EXCHANGE(u8) break;
    case 2: EXCHANGE(u16) break;
    case 4: EXCHANGE(u32) break;
    default: EXCHANGE(u64) break;
    }
#undef EXCHANGE
    guest_memory_written(v->vm->memory, gpa(pa), size);
    return X86_OK;
}

static int port_read(struct x86_cpu *c, u16 port, unsigned size, u32 *value)
{
    x86_vector_release(c);
    return stop_if(vcpu_io(vcpu_of(c), port, size, false, value));
}

static int port_write(struct x86_cpu *c, u16 port, unsigned size, u32 value)
{
    x86_vector_release(c);
    return stop_if(vcpu_io(vcpu_of(c), port, size, true, &value));
}

static int msr_read(struct x86_cpu *c, u32 index, u64 *value)
{
    x86_vector_release(c);
    return vcpu_msr(vcpu_of(c), index, false, value) < 0 ? -1 : 0;
}

static int msr_write(struct x86_cpu *c, u32 index, u64 value)
{
    x86_vector_release(c);
    return vcpu_msr(vcpu_of(c), index, true, &value) < 0 ? -1 : 0;
}

static void cpuid(struct x86_cpu *c, u32 leaf, u32 subleaf, u32 out[4])
{
    x86_vector_release(c);
    vcpu_cpuid(vcpu_of(c), &c->s, leaf, subleaf, out);
}

static u64 tsc(struct x86_cpu *c)
{
    x86_vector_release(c);
    return vcpu_tsc(vcpu_of(c));
}

/* The local APIC is KVM's: the task priority travels in the state. */
static void tpr_write(struct x86_cpu *c, u64 cr8)
{
    c->s.cr8 = cr8;
}

static u64 tpr_read(struct x86_cpu *c)
{
    return c->s.cr8;
}

static int hypercall(struct x86_cpu *c)
{
    x86_vector_release(c);
    return vcpu_hypercall(vcpu_of(c), &c->s);
}

static void tlb_flushed(struct x86_cpu *c, bool all, u64 va)
{
    /* set_state makes KVM drop its translations. */
}

static void exclusive(struct x86_cpu *c)
{
    /* Other processors may be inside KVM: a locked access that KVM's emulator gives up on and that
     * crosses a page is as atomic as that emulator makes it. */
}

static const struct x86_ops fallback_ops = {
    .phys_page = phys_page,
    .phys_read = phys_read,
    .phys_write = phys_write,
    .phys_cmpxchg = phys_cmpxchg,
    .port_read = port_read,
    .port_write = port_write,
    .msr_read = msr_read,
    .msr_write = msr_write,
    .cpuid = cpuid,
    .tsc = tsc,
    .tpr_write = tpr_write,
    .tpr_read = tpr_read,
    .hypercall = hypercall,
    .tlb_flushed = tlb_flushed,
    .exclusive_begin = exclusive,
    .exclusive_end = exclusive,
};

static enum vcpu_stop give_up(struct vcpu *v, const struct x86_state *s, const char *why)
{
    err_set(&v->error, -EIO, "processor %u: KVM could not run the instruction at 0x%llx and %s",
            v->index, (unsigned long long)s->rip, why);
    err_hint(&v->error, "--engine interpret runs it without KVM");
    return VCPU_FATAL;
}

enum vcpu_stop kvm_fallback(struct vcpu *v, bool *go_on)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    *go_on = false;
    vcpu_count(v, EXIT_EMULATION_FALLBACK);
    if (!k->fallback) {
        k->fallback = mem_alloc_aligned(64, sizeof *k->fallback);
        if (!k->fallback) {
            err_set(&v->error, -ENOMEM, "finishing an instruction for KVM: out of memory");
            return VCPU_FATAL;
        }
        x86_model_host(&k->fallback->model);
        x86_cpu_init(&k->fallback->cpu, &fallback_ops, v, &k->fallback->model, v->index,
                     v->index == 0);
    }
    struct x86_cpu *c = &k->fallback->cpu;
    if (kvm_get_state(v, &c->s, &v->error))
        return VCPU_FATAL;
    u64 rip = c->s.rip;
    /* A KVM that can't only exit has queued the #UD as well, for monitors that go on regardless. */
    if (c->s.event.kind == X86_EVENT_EXCEPTION && c->s.event.vector == X86_UD)
        c->s.event = (struct x86_event){0};
    x86_cpu_derive(c);
    x86_tlb_flush(c, true);
    int r = x86_step(c);
    x86_vector_release(c);
    if (r == X86_TRIPLE)
        return VCPU_SHUTDOWN;
    if (r == X86_INTERCEPT)
        return give_up(v, &c->s, "it was intercepted");
    if (r == X86_HALT)
        c->s.run_state = X86_HALTED;
    if (kvm_set_instruction_state(v, &c->s, &v->error))
        return VCPU_FATAL;
    log_trace("kvm", "finished the instruction at 0x%llx", (unsigned long long)rip);
    *go_on = r != X86_STOP;
    return VCPU_KICKED;
}

void kvm_fallback_fini(struct kvm_vcpu *k)
{
    mem_free(k->fallback);
    k->fallback = NULL;
}
