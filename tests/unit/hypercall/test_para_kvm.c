/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's guest ABI: layouts, arithmetic, what is refused, and addresses that are not RAM. */
#include "../cmocka_all.h"
#include "para_bench.h"
#include "vm/vcpu_priv.h"

static int setup(void **state)
{
    (void)state;
    return para_start();
}

static int teardown(void **state)
{
    (void)state;
    para_stop();
    return 0;
}

static void leaves(void **state)
{
    (void)state;
    u32 r[4];
    assert_true(bench.vm.hypercall->cpuid(&bench.cpu[0], para, 0x40000000, 0, r));
    assert_int_equal(r[0], 0x40000001);
    assert_memory_equal(&r[1], "KVMKVMKVM\0\0\0", 12);
    assert_true(bench.vm.hypercall->cpuid(&bench.cpu[0], para, 0x40000001, 0, r));
    assert_int_equal(r[0], 0x01000aeb);
    assert_false(bench.vm.hypercall->cpuid(&bench.cpu[0], para, 0x40000100, 0, r));
}

static u64 ns_of(const struct kvm_system_time *t, u64 tsc)
{
    u64 ticks = tsc - t->tsc;
    ticks = t->shift < 0 ? ticks >> -t->shift : ticks << t->shift;
    return t->system_time + (u64)((u128)ticks * t->mul >> 32);
}

static struct kvm_system_time page_at(u32 offset)
{
    struct kvm_system_time t;
    memcpy(&t, ram + offset, sizeof t);
    return t;
}

static void clock_is_the_machines(void **state)
{
    (void)state;
    static const u32 khz[] = {1000000, 2000000, 2399999, 999999, 100000, 5000001, 3000};
    for (unsigned i = 0; i < ARRAY_LEN(khz); i++) {
        bench.vm.model.tsc_khz = khz[i];
        assert_int_equal(para_wrmsr(1, KVM_MSR_SYSTEM_TIME, (RAM + 0x104) | 1), 0);
        struct kvm_system_time t = page_at(0x104);
        assert_int_equal(t.version & 1, 0);
        assert_int_equal(t.flags, KVM_TIME_STABLE);
        u64 hour = (u64)khz[i] * 1000 * 3600, want = (u64)3600 * 1000000000;
        u64 ns = ns_of(&t, hour), error = ns > want ? ns - want : want - ns;
        assert_true(error <= 2000); /* of an hour: 32 bits of precision */
    }
    u64 v = 0;
    assert_int_equal(para_rdmsr(1, KVM_MSR_SYSTEM_TIME, &v), 0);
    assert_int_equal(v, (RAM + 0x104) | 1);
    assert_int_equal(para_rdmsr(0, KVM_MSR_SYSTEM_TIME, &v), 0);
    assert_int_equal(v, 0);
}

static void moved_tsc_loses_the_stable_bit(void **state)
{
    (void)state;
    para_wrmsr(0, KVM_MSR_SYSTEM_TIME, RAM | 1);
    para_wrmsr(1, KVM_MSR_SYSTEM_TIME_OLD, (RAM + 0x40) | 1);
    struct kvm_system_time before = page_at(0);
    bench.vm.hypercall->tsc_offset(&bench.cpu[1], para, 5000);
    struct kvm_system_time t0 = page_at(0), t1 = page_at(0x40);
    assert_int_equal(t0.flags | t1.flags, 0);
    assert_int_equal(t0.version, before.version + 2);
    assert_int_equal(ns_of(&t0, 2000), ns_of(&t1, 7000));
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        bench.vm.hypercall->tsc_offset(&bench.cpu[i], para, 5000);
    assert_int_equal(page_at(0).flags & page_at(0x40).flags, KVM_TIME_STABLE);
}

static void wall_clock(void **state)
{
    (void)state;
    fake_clock_advance(&bench.clock, 2500000000);
    assert_int_equal(para_wrmsr(0, KVM_MSR_WALL_CLOCK, RAM + 8), 0);
    struct kvm_wall_clock w;
    memcpy(&w, ram + 8, sizeof w);
    assert_int_equal(w.version & 1, 0);
    assert_int_not_equal(w.version, 0);
    assert_int_equal(w.seconds, 1700000000);
    assert_int_equal(w.nanoseconds, 0);
}

static i64 call(unsigned cpu, bool wide, unsigned ring, u64 number, u64 a0, u64 a1, u64 a2, u64 a3)
{
    static struct x86_state s;
    memset(&s, 0, sizeof s);
    s.efer = X86_EFER_LMA;
    s.seg[X86_CS].attr = wide ? X86_SEG_L : X86_SEG_DB;
    s.seg[X86_SS].attr = (u16)(ring << X86_SEG_DPL_SHIFT);
    s.gpr[X86_RAX] = number;
    s.gpr[X86_RBX] = a0;
    s.gpr[X86_RCX] = a1;
    s.gpr[X86_RDX] = a2;
    s.gpr[X86_RSI] = a3;
    assert_int_equal(bench.vm.hypercall->call(&bench.cpu[cpu], para, &s), 0);
    return wide ? (i64)s.gpr[X86_RAX] : (i64)(i32)s.gpr[X86_RAX];
}

static void calls_are_the_kernels(void **state)
{
    (void)state;
    assert_int_equal(call(0, true, 3, KVM_CALL_KICK_CPU, 0, 1, 0, 0), -KVM_EPERM);
    assert_int_equal(bench_requests(1), 0);
    assert_int_equal(call(0, true, 0, 4711, 0, 0, 0, 0), -KVM_ENOSYS);
    assert_int_equal(call(0, false, 0, 4711, 0, 0, 0, 0), -KVM_ENOSYS);
    assert_int_equal(call(0, true, 0, KVM_CALL_KICK_CPU, 0, 1, 0, 0), 0);
    assert_int_equal(bench_requests(1), VCPU_REQ_UNHALT);
    assert_int_equal(call(0, true, 0, KVM_CALL_KICK_CPU, 0, BENCH_CPUS, 0, 0), 0);
}

static u64 taken(void)
{
    u64 set = 0;
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        for (int v = lapic_take(&bench.cpu[i]); v >= 0; v = -1)
            set |= (u64)v << 8 * i;
    return set;
}

static void ipis(void **state)
{
    (void)state;
    assert_int_equal(call(0, true, 0, KVM_CALL_SEND_IPI, 0xa, 0, 0, 0x41), 2);
    assert_int_equal(taken(), 0x41004100);
    /* The second word follows the first: 64 processors on, or 32. */
    assert_int_equal(call(0, true, 0, KVM_CALL_SEND_IPI, 0, 1, 0, 0x52), 0);
    assert_int_equal(call(0, false, 0, KVM_CALL_SEND_IPI, 0, 8, (u32)-34, 0x52), 0);
    assert_int_equal(call(0, true, 0, KVM_CALL_SEND_IPI, 3, 0, 2, 0x52), 2);
    assert_int_equal(taken(), 0x52520000);
    assert_int_equal(call(0, true, 0, KVM_CALL_SEND_IPI, 1, 0, 0, 0x400), 1);
    assert_int_equal(bench_requests(0) & VCPU_REQ_NMI, VCPU_REQ_NMI);
    assert_int_equal(call(0, true, 0, KVM_CALL_SEND_IPI, 1, 0, 0, 0x500), -KVM_EINVAL); /* INIT */
    assert_int_equal(call(0, true, 0, KVM_CALL_SEND_IPI, 1, 0, 0, 0x40041), -KVM_EINVAL);
    assert_int_equal(call(0, true, 0, KVM_CALL_SEND_IPI, ~(u64)0, ~(u64)0, 4, 0x41), 0);
    assert_int_equal(taken(), 0);
}

static void pairing(void **state)
{
    (void)state;
    fake_clock_advance(&bench.clock, 1500000000);
    assert_int_equal(call(0, true, 0, KVM_CALL_CLOCK_PAIRING, RAM, 0, 0, 0), 0);
    struct kvm_clock_pairing p;
    memcpy(&p, ram, sizeof p);
    assert_int_equal(p.seconds, 1700000001);
    assert_int_equal(p.nanoseconds, 500001000);
    assert_int_equal(p.tsc, vcpu_tsc(&bench.cpu[0]));
    assert_int_equal(call(0, true, 0, KVM_CALL_CLOCK_PAIRING, RAM, 1, 0, 0), -KVM_EOPNOTSUPP);
    assert_int_equal(call(0, true, 0, KVM_CALL_CLOCK_PAIRING, RAM - 1, 0, 0, 0), -KVM_EFAULT);
}

static void interrupt(u8 vector, bool level)
{
    lapic_deliver(&bench.vm, 0, false, APIC_FIXED, vector, true, level);
}

static void end_by_word(void **state)
{
    (void)state;
    struct vcpu *v = &bench.cpu[0];
    assert_int_equal(para_wrmsr(0, KVM_MSR_EOI, (RAM + 4) | 3), -1);
    assert_int_equal(para_wrmsr(0, KVM_MSR_EOI, (RAM + 4) | 1), 0);
    interrupt(0x51, false);
    assert_int_equal(lapic_take(v), 0x51);
    assert_int_equal(ram[4], 1);
    ram[4] = 0; /* the guest ends it */
    bench_requests(0);
    interrupt(0x50, false); /* of the same class */
    assert_int_equal(bench_requests(0), VCPU_REQ_INTERRUPT);
    assert_true(lapic_pending(v));
    assert_int_equal(lapic_take(v), 0x50);
    assert_int_equal(v->exits.count[EXIT_EOI], 0);
}

static void offer_is_withdrawn(void **state)
{
    (void)state;
    struct vcpu *v = &bench.cpu[0];
    para_wrmsr(0, KVM_MSR_EOI, RAM | 1);
    interrupt(0x51, false);
    lapic_take(v);
    assert_false(lapic_pending(v));
    assert_int_equal(ram[0], 1); /* nothing waits: it stands */
    interrupt(0x52, false);
    assert_false(lapic_pending(v));
    assert_int_equal(ram[0], 0); /* the guest has to end it in the open */
    bench_write(0, 0xb0, 0);
    assert_int_equal(lapic_take(v), 0x52);
    assert_int_equal(ram[0], 1);
    interrupt(0x61, false);
    assert_int_equal(lapic_take(v), 0x61); /* nested: not alone */
    assert_int_equal(ram[0], 0);
    bench_write(0, 0xb0, 0);
    bench_write(0, 0xb0, 0);
    interrupt(0x61, true); /* the I/O APIC waits for it */
    assert_int_equal(lapic_take(v), 0x61);
    assert_int_equal(ram[0], 0);
    bench_write(0, 0xb0, 0);
    assert_int_equal(bench.last_eoi, 0x61);
    /* The state that is saved has no offer in it. */
    interrupt(0x55, false);
    assert_int_equal(lapic_take(v), 0x55);
    struct x86_lapic saved;
    lapic_save(v, &saved);
    assert_int_equal(ram[0], 0);
    assert_int_equal(saved.isr[2], 1u << 0x15);
}

static void sleeping_processor_is_left_a_note(void **state)
{
    (void)state;
    struct kvm_steal_time *s = (struct kvm_steal_time *)(void *)(ram + 0x80);
    const struct hypercall_ops *ops = bench.vm.hypercall;
    assert_int_equal(para_wrmsr(2, KVM_MSR_STEAL_TIME, (RAM + 0x80) | 3), -1);
    assert_int_equal(para_wrmsr(2, KVM_MSR_STEAL_TIME, (RAM + 0x80) | 1), 0);
    assert_int_equal(s->version & 1, 0);
    u32 version = s->version;
    ops->sleep(&bench.cpu[2], para, true);
    assert_int_equal(s->preempted, KVM_PREEMPTED);
    ops->sleep(&bench.cpu[2], para, false);
    assert_int_equal(s->preempted, 0);
    assert_int_equal(s->version, version + 2);
    assert_int_equal(bench_requests(2), 0);
    ops->sleep(&bench.cpu[2], para, true);
    s->preempted |= KVM_FLUSH_WANTED;
    ops->sleep(&bench.cpu[2], para, false);
    assert_int_equal(bench_requests(2), VCPU_REQ_TLB);
    ops->sleep(&bench.cpu[1], para, true); /* which asked for nothing */
    ops->sleep(&bench.cpu[1], para, false);
}

/* Every feature on, at one address. */
static void use_all(u64 addr)
{
    const struct hypercall_ops *ops = bench.vm.hypercall;
    para_wrmsr(0, KVM_MSR_WALL_CLOCK, addr);
    para_wrmsr(0, KVM_MSR_SYSTEM_TIME, addr | 1);
    para_wrmsr(0, KVM_MSR_STEAL_TIME, (addr & ~(u64)0x3f) | 1);
    para_wrmsr(0, KVM_MSR_EOI, (addr & ~(u64)3) | 1);
    interrupt(0x51, false);
    lapic_take(&bench.cpu[0]);
    bench_write(0, 0xb0, 0);
    ops->interrupt(&bench.cpu[0], para);
    ops->sleep(&bench.cpu[0], para, true);
    ops->sleep(&bench.cpu[0], para, false);
    ops->tsc_offset(&bench.cpu[0], para, 1);
    ops->tsc_offset(&bench.cpu[0], para, 0);
    call(0, true, 0, KVM_CALL_CLOCK_PAIRING, addr, 0, 0, 0);
}

static void only_ram_is_written(void **state)
{
    (void)state;
    static const u64 bad[] = {0, RAM - 4096, RAM + RAM_SIZE, 0xfee00000, ~(u64)0xfff, ~(u64)0x3f};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        use_all(bad[i]);
    assert_int_equal(written, 0);
    use_all(RAM + RAM_SIZE - 4); /* only the EOI word fits; the aligned steal record too */
    assert_int_equal(page_at(RAM_SIZE - 32).mul, 0);
    static const u8 nothing[64];
    assert_memory_equal(ram, nothing, sizeof nothing);
}

static void reset_forgets(void **state)
{
    (void)state;
    use_all(RAM + 0x1000);
    bench.vm.hypercall->reset(&bench.cpu[0], para);
    memset(ram, 0, sizeof ram);
    written = 0;
    bench.vm.hypercall->tsc_offset(&bench.cpu[0], para, 77);
    bench.vm.hypercall->sleep(&bench.cpu[0], para, true);
    bench.vm.hypercall->sleep(&bench.cpu[0], para, false);
    interrupt(0x51, false);
    lapic_take(&bench.cpu[0]);
    assert_int_equal(written, 0);
    u64 v = 1;
    for (const u32 *i = bench.vm.hypercall->msrs; *i; i++) {
        assert_int_equal(para_rdmsr(0, *i, &v), 0);
        assert_int_equal(v, 0);
    }
}

/* What is saved on one machine goes on on another: the clock page is written there, interrupts are
 * offered to be ended in the same word, the steal record is kept up. */
static void state_moves(void **state)
{
    (void)state;
    static struct x86_state s;
    struct vcpu *v = &bench.cpu[1];
    para_wrmsr(1, KVM_MSR_SYSTEM_TIME, (RAM + 0x100) | 1);
    para_wrmsr(1, KVM_MSR_STEAL_TIME, (RAM + 0x200) | 1);
    para_wrmsr(1, KVM_MSR_EOI, (RAM + 0x300) | 1);
    memset(&s, 0, sizeof s);
    vcpu_para_save(v, &s);
    assert_int_equal(s.msr_count, 3);

    para_stop();
    assert_int_equal(para_start(), 0); /* memory is empty */
    vcpu_para_load(v, &s);
    u64 value = 0;
    for (unsigned i = 0; i < s.msr_count; i++) {
        assert_int_equal(para_rdmsr(1, s.msr[i].index, &value), 0);
        assert_int_equal(value, s.msr[i].value);
    }
    assert_true(page_at(0x100).mul != 0);
    bench.vm.hypercall->sleep(v, para, true);
    assert_int_equal(ram[0x200 + offsetof(struct kvm_steal_time, preempted)], KVM_PREEMPTED);
    lapic_deliver(&bench.vm, 1, false, APIC_FIXED, 0x51, true, false);
    lapic_take(v);
    assert_int_equal(ram[0x300], 1);

    /* A state without them turns them off; values that are refused leave them off. */
    memset(&s, 0, sizeof s);
    vcpu_para_load(v, &s);
    vcpu_para_save(v, &s);
    assert_int_equal(s.msr_count, 0);
    s.msr[s.msr_count++] = (struct x86_msr){.index = KVM_MSR_STEAL_TIME, .value = RAM | 3};
    s.msr[s.msr_count++] = (struct x86_msr){.index = KVM_MSR_EOI, .value = RAM | 2};
    vcpu_para_load(v, &s);
    memset(&s, 0, sizeof s);
    vcpu_para_save(v, &s);
    assert_int_equal(s.msr_count, 0);
}

static u32 features_of(const char *spec)
{
    struct err e = {0};
    u32 r[4] = {0};
    para_kvm_destroy(para);
    para = NULL;
    if (para_kvm_create(&para, &bench.vm, spec, &e))
        return 0;
    bench.vm.hypercall->cpuid(&bench.cpu[0], para, 0x40000001, 0, r);
    return r[0];
}

static void parts_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(features_of("kvm"), 0x01000aeb);
    assert_int_equal(features_of("kvm,eoi=off"), 0x01000aab);
    assert_int_equal(features_of("kvm,clock=off,ipi=off"), 0x2e2);
    static const char *const bad[] = {"xen",          "kvmx",         "kvm,",       "kvm,eoi",
                                      "kvm,eoi=off,", "kvm,eoi=offx", "kvm,foo=off"};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(features_of(bad[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(clock_is_the_machines, setup, teardown),
        cmocka_unit_test_setup_teardown(moved_tsc_loses_the_stable_bit, setup, teardown),
        cmocka_unit_test_setup_teardown(wall_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_are_the_kernels, setup, teardown),
        cmocka_unit_test_setup_teardown(ipis, setup, teardown),
        cmocka_unit_test_setup_teardown(pairing, setup, teardown),
        cmocka_unit_test_setup_teardown(end_by_word, setup, teardown),
        cmocka_unit_test_setup_teardown(offer_is_withdrawn, setup, teardown),
        cmocka_unit_test_setup_teardown(sleeping_processor_is_left_a_note, setup, teardown),
        cmocka_unit_test_setup_teardown(only_ram_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(state_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(parts_are_left_out, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
