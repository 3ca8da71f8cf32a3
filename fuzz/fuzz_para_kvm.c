/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's guest ABI of four processors: MSRs and calls with any value, interrupts, ends of interrupt
 * in both ways, sleep, resets. Stores may only go to RAM, and no processor may be left with an
 * interrupt that it is not told of. */
#include "../tests/unit/hypercall/para_bench.h"

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

/* Mostly in or around RAM. */
static u64 address(void)
{
    u64 kind = take(1);
    return kind < 0xc0 ? RAM - 64 + take(2) % (RAM_SIZE + 128) : kind < 0xe0 ? take(8) : ~take(1);
}

static void call(struct vcpu *v)
{
    static struct x86_state s;
    static const u8 numbers[] = {KVM_CALL_KICK_CPU, KVM_CALL_CLOCK_PAIRING, KVM_CALL_SEND_IPI, 3};
    u64 how = take(1);
    s.efer = X86_EFER_LMA;
    s.seg[X86_CS].attr = how & 4 ? X86_SEG_L : X86_SEG_DB;
    s.seg[X86_SS].attr = how & 0x80 ? X86_SEG_S | 3 << X86_SEG_DPL_SHIFT : X86_SEG_S;
    s.gpr[X86_RAX] = numbers[how & 3];
    s.gpr[X86_RBX] = how & 8 ? take(8) : address();
    s.gpr[X86_RCX] = take(how & 16 ? 8 : 1);
    s.gpr[X86_RDX] = take(how & 32 ? 8 : 1);
    s.gpr[X86_RSI] = take(how & 64 ? 4 : 2);
    if (bench.vm.hypercall->call(v, para, &s))
        abort();
}

/* A vector that nothing in service holds back has a request pending, whatever was done by memory.
 */
static void check(struct vcpu *v)
{
    u32 told = v->request; /* looking makes it right */
    if (lapic_pending(v) && !(told & VCPU_REQ_INTERRUPT))
        abort();
}

/* The guest's own stores: the end of its interrupt, or anything. */
static void guest_store(const struct vcpu *v, bool end)
{
    u8 *word = bench_ptr(&bench.vm.dma, v->eoi_word.addr, 4);
    if (end && word)
        *word &= 0xfe;
    else
        ram[take(2) % RAM_SIZE] = (u8)take(1);
}

static void step(void)
{
    static const u32 msrs[] = {KVM_MSR_WALL_CLOCK, KVM_MSR_SYSTEM_TIME, KVM_MSR_STEAL_TIME,
                               KVM_MSR_EOI, KVM_MSR_SYSTEM_TIME_OLD};
    const struct hypercall_ops *ops = bench.vm.hypercall;
    u8 op = (u8)take(1);
    struct vcpu *v = &bench.cpu[op >> 4 & 3];
    u64 value;
    switch (op & 15) {
    case 0:
    case 1:
    case 2:
        value = address();
        value = op & 0x40 ? value & ~(u64)63 : value;
        (void)para_wrmsr(v->index, msrs[take(1) % ARRAY_LEN(msrs)], value | (op >> 7));
        break;
    case 3: (void)para_rdmsr(v->index, msrs[take(1) % ARRAY_LEN(msrs)], &value); break;
    case 4:
    case 5: call(v); break;
    case 6: ops->sleep(v, para, op & 0x40); break;
    case 7: ops->interrupt(v, para); break;
    case 8: ops->tsc_offset(v, para, take(8)); break;
    case 9: ops->reset(v, para); break;
    case 10: fake_clock_advance(&bench.clock, take(2)); break;
    case 11:
    case 12:
        lapic_deliver(&bench.vm, v->index, false, APIC_FIXED, (u8)take(1), true, op & 0x40);
        break;
    case 13: bench_write(v->index, 0xb0, 0); break;
    case 14: guest_store(v, op & 0x40); break;
    default:
        check(v);
        v->request = 0;
        (void)lapic_take(v);
        if (lapic_pending(v)) /* the engine asks again after each delivery */
            v->request |= VCPU_REQ_INTERRUPT;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (para_start())
        return 0;
    at = data;
    left = size < 1024 ? size : 1024;
    while (left)
        step();
    para_stop();
    return 0;
}
