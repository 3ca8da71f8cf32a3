/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC bench with 16 KiB of RAM at 0x10000 and KVM's guest interface: for one program,
 * included once. */
#ifndef TESTS_PARA_BENCH_H
#define TESTS_PARA_BENCH_H

#include "../vm/lapic_bench.h"
#include "base/bits.h"
#include "hypercall/kvm/abi.h"
#include "hypercall/kvm/para_kvm.h"

enum { RAM = 0x10000, RAM_SIZE = 0x4000 };

static struct para_kvm *para;
static alignas(4096) u8 ram[RAM_SIZE];
static u64 written; /* bytes that were announced */

static inline void *bench_ptr(struct dma *d, gpa_t addr, u64 len)
{
    (void)d;
    return range_inside(addr.v, len, RAM, RAM_SIZE) ? ram + (addr.v - RAM) : NULL;
}

static inline void bench_written(struct dma *d, gpa_t addr, u64 len)
{
    (void)d;
    (void)addr;
    written += len;
}

static inline int para_start(void)
{
    static const struct dma_ops ops = {bench_ptr, bench_written};
    bench_start();
    bench.vm.config.cpus = BENCH_CPUS;
    bench.vm.dma.ops = &ops;
    memset(ram, 0, sizeof ram);
    written = 0;
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        bench_write(i, 0xf0, 0x1ff);
    struct err e = {0};
    return para_kvm_create(&para, &bench.vm, NULL, &e);
}

static inline void para_stop(void)
{
    para_kvm_destroy(para);
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        lapic_fini(&bench.cpu[i]);
}

static inline int para_wrmsr(unsigned cpu, u32 index, u64 value)
{
    return bench.vm.hypercall->msr(&bench.cpu[cpu], para, index, true, &value);
}

static inline int para_rdmsr(unsigned cpu, u32 index, u64 *value)
{
    return bench.vm.hypercall->msr(&bench.cpu[cpu], para, index, false, value);
}

#endif
