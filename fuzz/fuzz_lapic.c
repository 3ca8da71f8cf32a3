/* SPDX-License-Identifier: BSD-2-Clause */
/* Local APICs of four processors: registers in both modes, messages, acknowledges, time, and states
 * made of noise. No vector below 16 may ever be taken. */
#include "../tests/unit/vm/lapic_bench.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const u8 *at;
static size_t left;

static u64 take(unsigned bytes)
{
    u64 v = 0;
    for (unsigned i = 0; i < bytes && left; i++, left--)
        v |= (u64)*at++ << 8 * i;
    return v;
}

static void message(void)
{
    u64 a = take(1), b = take(2);
    lapic_deliver(&bench.vm, a & 0x80 ? 0xff : a & 7, a & 0x40, b >> 8 & 7, (u8)b, b >> 14 & 1,
                  b >> 15 & 1);
}

static void load_noise(struct vcpu *v)
{
    struct x86_lapic s;
    lapic_save(v, &s);
    for (unsigned flips = take(1) & 15; flips; flips--) {
        size_t where = take(2) % sizeof s;
        ((u8 *)&s)[where] ^= (u8)take(1);
    }
    lapic_load(v, &s);
}

static void step(void)
{
    u8 op = (u8)take(1);
    struct vcpu *v = &bench.cpu[op >> 4 & 3];
    u64 val;
    switch (op & 15) {
    case 0:
    case 1:
    case 2: {
        u32 off = (u32)(take(1) << 4);
        val = take(op & 1 ? 1 : 4);
        lapic_mmio(v, off, 4, true, &val);
        break;
    }
    case 3: lapic_mmio(v, take(2) & 0xfff, 1u << (op >> 6), false, &val); break;
    case 4:
    case 5: {
        u32 index = 0x800 | (u32)take(1);
        val = take(op & 1 ? 1 : 8);
        (void)lapic_msr(v, index, true, &val);
        break;
    }
    case 6: (void)lapic_msr(v, 0x800 | (u32)take(1), false, &val); break;
    case 7:
        val = 0xfee00000 | (take(1) & 0xf) << 8;
        (void)lapic_msr(v, 0x1b, true, &val);
        break;
    case 8:
        val = vcpu_tsc(v) + take(3);
        (void)lapic_msr(v, 0x6e0, true, &val);
        break;
    case 9: message(); break;
    case 10: lapic_msi(&bench.vm, 0xfee00000 | take(3), (u32)take(2)); break;
    case 11: fake_clock_advance(&bench.clock, take(op & 0x40 ? 3 : 2)); break;
    case 12: lapic_lint(v, op >> 6, true); break;
    case 13: load_noise(v); break;
    case 14: lapic_set_tpr(v, take(1)); break;
    default: {
        bool pending = lapic_pending(v);
        int vector = lapic_take(v);
        if (pending != (vector >= 0) || (vector >= 0 && vector < 16))
            abort();
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bench_start();
    at = data;
    left = size < 1024 ? size : 1024;
    while (left)
        step();
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        lapic_fini(&bench.cpu[i]);
    return 0;
}
