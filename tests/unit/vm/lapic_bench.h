/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine of processors that run nothing, for local APIC tests: their requests are recorded, time
 * is moved by hand, the TSC runs at 2 GHz. It brings vcpu_post and vcpu_tsc of its own, so
 * vm/vcpu.c is not linked: for one program, included once. */
#ifndef TESTS_LAPIC_BENCH_H
#define TESTS_LAPIC_BENCH_H

#include "../../fake_clock.h"
#include "vm/vm.h"
#include "vm/x86/lapic.h"

#include <string.h>

enum { BENCH_CPUS = 4 };

struct lapic_bench {
    struct fake_clock clock;
    struct vm vm;
    struct vcpu cpu[BENCH_CPUS];
    unsigned eois;
    int last_eoi;
};
static struct lapic_bench bench;

void vcpu_post(struct vcpu *v, u32 bits)
{
    v->request |= bits;
}

u64 vcpu_tsc(struct vcpu *v)
{
    return clock_now_ns(v->vm->clock) * 2;
}

static inline void bench_eoi(void *ctx, u8 vector)
{
    struct lapic_bench *b = ctx;
    b->eois++;
    b->last_eoi = vector;
}

static inline void bench_start(void)
{
    memset(&bench, 0, sizeof bench);
    fake_clock_init(&bench.clock);
    bench.clock.now_ns = 1000;
    bench.last_eoi = -1;
    bench.vm.clock = &bench.clock.clock;
    bench.vm.cpus = BENCH_CPUS;
    bench.vm.eoi = bench_eoi;
    bench.vm.eoi_ctx = &bench;
    bench.vm.model.tsc_khz = 2000000;
    bench.vm.model.physical_bits = 40;
    bench.vm.model.features[X86_FEATURE_X2APIC / 64] |= (u64)1 << X86_FEATURE_X2APIC % 64;
    bench.vm.model.features[X86_FEATURE_TSC_DEADLINE / 64] |= (u64)1
                                                              << X86_FEATURE_TSC_DEADLINE % 64;
    for (unsigned i = 0; i < BENCH_CPUS; i++) {
        bench.vm.vcpu[i] = &bench.cpu[i];
        bench.cpu[i].vm = &bench.vm;
        bench.cpu[i].index = i;
        lapic_init(&bench.cpu[i]);
    }
}

static inline u32 bench_read(unsigned cpu, u32 off)
{
    u64 val = 0;
    lapic_mmio(&bench.cpu[cpu], off, 4, false, &val);
    return (u32)val;
}

static inline void bench_write(unsigned cpu, u32 off, u32 v)
{
    u64 val = v;
    lapic_mmio(&bench.cpu[cpu], off, 4, true, &val);
}

static inline int bench_rdmsr(unsigned cpu, u32 index, u64 *val)
{
    return lapic_msr(&bench.cpu[cpu], index, false, val);
}

static inline int bench_wrmsr(unsigned cpu, u32 index, u64 val)
{
    return lapic_msr(&bench.cpu[cpu], index, true, &val);
}

/* Requests posted since the last call. */
static inline u32 bench_requests(unsigned cpu)
{
    u32 r = bench.cpu[cpu].request;
    bench.cpu[cpu].request = 0;
    return r;
}

#endif
