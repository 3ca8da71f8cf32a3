/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor's way out: physical memory, ports, registers of the machine. Vector state goes back
 * to the guest's area before any code runs that may use the host's vector registers. */
#include "engine/software/software.h"

static struct guest_memory *memory_of(struct x86_cpu *cpu)
{
    return soft_of(cpu)->svm->vm->memory;
}

static u8 *world_page(struct x86_cpu *cpu, u64 pa, bool for_write, bool *writable)
{
    const struct guest_memory *m = memory_of(cpu);
    const struct ram_block *b = guest_memory_find(m, gpa(pa));
    if (!b)
        return NULL;
    *writable = !b->read_only && guest_memory_store_is_free(m, pa);
    return b->host + (pa - b->start);
}

static u64 host_load(const u8 *p, unsigned size)
{
    switch (size) {
    case 1: return __atomic_load_n(p, __ATOMIC_RELAXED);
    case 2: return __atomic_load_n((const u16 *)(const void *)p, __ATOMIC_RELAXED);
    case 4: return __atomic_load_n((const u32 *)(const void *)p, __ATOMIC_RELAXED);
    default: return __atomic_load_n((const u64 *)(const void *)p, __ATOMIC_RELAXED);
    }
}

static void host_store(u8 *p, unsigned size, u64 v)
{
    switch (size) {
    case 1: __atomic_store_n(p, (u8)v, __ATOMIC_RELAXED); break;
    case 2: __atomic_store_n((u16 *)(void *)p, (u16)v, __ATOMIC_RELAXED); break;
    case 4: __atomic_store_n((u32 *)(void *)p, (u32)v, __ATOMIC_RELAXED); break;
    default: __atomic_store_n((u64 *)(void *)p, v, __ATOMIC_RELAXED); break;
    }
}

/* After a store that did not go through a TLB tag: code that was made from the bytes, then the
 * dirty log and the other vCPUs. */
static void stored(struct x86_cpu *cpu, u64 pa, unsigned size)
{
    x86_vector_release(cpu);
    code_written_by_self(soft_of(cpu), pa, size);
    guest_memory_written(memory_of(cpu), gpa(pa), size);
}

static int mmio(struct x86_cpu *cpu, u64 pa, unsigned size, bool write, u64 *value)
{
    x86_vector_release(cpu);
    return vcpu_mmio(soft_of(cpu)->vcpu, gpa(pa), size, write, value) ? X86_STOP : X86_OK;
}

static int world_read(struct x86_cpu *cpu, u64 pa, unsigned size, u64 *value)
{
    const u8 *p = guest_memory_ptr(memory_of(cpu), gpa(pa), size);
    if (!p)
        return mmio(cpu, pa, size, false, value);
    *value = host_load(p, size);
    return X86_OK;
}

static int world_write(struct x86_cpu *cpu, u64 pa, unsigned size, u64 value)
{
    const struct ram_block *b = guest_memory_find(memory_of(cpu), gpa(pa));
    if (!b)
        return mmio(cpu, pa, size, true, &value);
    if (b->read_only)
        return X86_OK;
    host_store(b->host + (pa - b->start), size, value);
    stored(cpu, pa, size);
    return X86_OK;
}

/* Devices have no atomic operations: a read and a write [SDM3 8.1.2.2]. */
static int mmio_cmpxchg(struct x86_cpu *cpu, u64 pa, unsigned size, u64 expect, u64 value,
                        u64 *seen)
{
    int r = mmio(cpu, pa, size, false, seen);
    if (*seen == expect)
        r |= mmio(cpu, pa, size, true, &value);
    return r;
}

#define EXCHANGE(type)                                                                             \
    do {                                                                                           \
        type old = (type)expect;                                                                   \
        done = __atomic_compare_exchange_n((type *)(void *)p, &old, (type)value, false,            \
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                    \
        *seen = old;                                                                               \
    } while (0)

static int world_cmpxchg(struct x86_cpu *cpu, u64 pa, unsigned size, u64 expect, u64 value,
                         u64 *seen)
{
    const struct ram_block *b = guest_memory_find(memory_of(cpu), gpa(pa));
    if (!b)
        return mmio_cmpxchg(cpu, pa, size, expect, value, seen);
    u8 *p = b->host + (pa - b->start);
    bool done;
    if (b->read_only) {
        *seen = host_load(p, size); /* the write vanishes */
        return X86_OK;
    }
    switch (size) {
    case 1: EXCHANGE(u8); break;
    case 2: EXCHANGE(u16); break;
    case 4: EXCHANGE(u32); break;
    default: EXCHANGE(u64); break;
    }
    if (done)
        stored(cpu, pa, size);
    return X86_OK;
}

static int world_port_read(struct x86_cpu *cpu, u16 port, unsigned size, u32 *value)
{
    x86_vector_release(cpu);
    return vcpu_io(soft_of(cpu)->vcpu, port, size, false, value) ? X86_STOP : X86_OK;
}

static int world_port_write(struct x86_cpu *cpu, u16 port, unsigned size, u32 value)
{
    x86_vector_release(cpu);
    return vcpu_io(soft_of(cpu)->vcpu, port, size, true, &value) ? X86_STOP : X86_OK;
}

/* A register whose write wants the engine to leave run() lets the loop find out by itself. */
static int msr(struct x86_cpu *cpu, u32 index, bool write, u64 *value)
{
    struct vcpu *v = soft_of(cpu)->vcpu;
    x86_vector_release(cpu);
    vcpu_set_tsc_offset(v, cpu->s.tsc_offset);
    return vcpu_msr(v, index, write, value) < 0 ? -1 : 0;
}

static int world_msr_read(struct x86_cpu *cpu, u32 index, u64 *value)
{
    return msr(cpu, index, false, value);
}

static int world_msr_write(struct x86_cpu *cpu, u32 index, u64 value)
{
    return msr(cpu, index, true, &value);
}

static void world_cpuid(struct x86_cpu *cpu, u32 leaf, u32 subleaf, u32 out[4])
{
    x86_vector_release(cpu);
    vcpu_cpuid(soft_of(cpu)->vcpu, &cpu->s, leaf, subleaf, out);
}

static u64 world_tsc(struct x86_cpu *cpu)
{
    x86_vector_release(cpu);
    return vcpu_tsc(soft_of(cpu)->vcpu);
}

static void world_tsc_changed(struct x86_cpu *cpu)
{
    x86_vector_release(cpu);
    vcpu_set_tsc_offset(soft_of(cpu)->vcpu, cpu->s.tsc_offset);
}

static void world_tpr_write(struct x86_cpu *cpu, u64 cr8)
{
    x86_vector_release(cpu);
    vcpu_set_tpr(soft_of(cpu)->vcpu, cr8);
}

static u64 world_tpr_read(struct x86_cpu *cpu)
{
    x86_vector_release(cpu);
    return vcpu_get_tpr(soft_of(cpu)->vcpu);
}

static int world_hypercall(struct x86_cpu *cpu)
{
    x86_vector_release(cpu);
    return vcpu_hypercall(soft_of(cpu)->vcpu, &cpu->s);
}

static void world_tlb_flushed(struct x86_cpu *cpu, bool all, u64 va)
{
    if (all)
        soft_context_update(soft_of(cpu));
    else
        soft_page_flushed(soft_of(cpu), va);
}

/* A place found before the wait may have become code, or clean under the dirty log, during it: its
 * store goes unreported, so everything counts as stored to. */
static void world_exclusive_begin(struct x86_cpu *cpu)
{
    struct soft *sv = soft_of(cpu);
    u64 marks = __atomic_load_n(&sv->svm->marks, __ATOMIC_SEQ_CST);
    x86_vector_release(cpu);
    exclusive_begin(sv->svm, sv);
    sv->places_moved = marks != __atomic_load_n(&sv->svm->marks, __ATOMIC_SEQ_CST);
}

static void world_exclusive_end(struct x86_cpu *cpu)
{
    struct soft *sv = soft_of(cpu);
    if (unlikely(sv->places_moved)) {
        const struct ram_block *b;
        unsigned n = guest_memory_blocks(memory_of(cpu), &b);
        for (unsigned i = 0; i < n; i++)
            guest_memory_written(memory_of(cpu), gpa(b[i].start), b[i].size);
    }
    exclusive_end(sv->svm);
}

const struct x86_ops soft_world = {
    .phys_page = world_page,
    .phys_read = world_read,
    .phys_write = world_write,
    .phys_cmpxchg = world_cmpxchg,
    .port_read = world_port_read,
    .port_write = world_port_write,
    .msr_read = world_msr_read,
    .msr_write = world_msr_write,
    .cpuid = world_cpuid,
    .tsc = world_tsc,
    .tsc_changed = world_tsc_changed,
    .tpr_write = world_tpr_write,
    .tpr_read = world_tpr_read,
    .hypercall = world_hypercall,
    .tlb_flushed = world_tlb_flushed,
    .exclusive_begin = world_exclusive_begin,
    .exclusive_end = world_exclusive_end,
};
