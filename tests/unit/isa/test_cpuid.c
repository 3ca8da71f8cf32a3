/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU models: what is hidden, dependencies, intersection, and leaves that agree with each other for
 * any number of processors. [SDM2 CPUID] [AMD3 App. E] */
#include "../cmocka_all.h"
#include "base/mem.h"
#include "isa/x86/cpuid.h"
#include "isa/x86/insn.h"
#include "isa/x86/state.h"

#include <errno.h>
#include <string.h>

static struct x86_cpu_model host;
static struct x86_state cpu;

static void leaf(const struct x86_cpu_model *m, u32 n, u32 sub, u32 out[4])
{
    x86_cpuid(m, &cpu, n, sub, out);
}

/* A model with everything, wherever the test runs. */
static void make_full(struct x86_cpu_model *m, u8 vendor)
{
    mem_fill(m, 0, sizeof *m);
    str_copy(m->name, "full", sizeof m->name);
    for (unsigned f = 1; f < X86_FEATURE_COUNT; f++)
        x86_model_set(m, f, true);
    x86_model_set(m, X86_FEATURE_OSXSAVE, false);
    x86_model_set(m, X86_FEATURE_HTT, false);
    x86_model_set(m, X86_FEATURE_CMP_LEGACY, false);
    m->vendor = vendor;
    m->physical_bits = 46;
    m->linear_bits = 48;
    m->tsc_khz = 2600000;
    static const u32 layout[8][2] = {
        {0}, {0}, {256, 576}, {64, 960}, {64, 1024}, {64, 1088}, {512, 1152}, {1024, 1664},
    };
    for (unsigned i = 2; i < 8; i++) {
        m->xsave[i].size = layout[i][0];
        m->xsave[i].offset = layout[i][1];
    }
    x86_model_update(m);
}

static int setup(void **state)
{
    (void)state;
    x86_model_host(&host);
    memset(&cpu, 0, sizeof cpu);
    cpu.xcr0 = 1;
    return 0;
}

static void host_hides(void **state)
{
    (void)state;
    static const u16 hidden[] = {
        X86_FEATURE_CET_SS,  X86_FEATURE_CET_IBT, X86_FEATURE_PKU,     X86_FEATURE_AMX_TILE,
        X86_FEATURE_RTM,     X86_FEATURE_HLE,     X86_FEATURE_MPX,     X86_FEATURE_SGX,
        X86_FEATURE_WAITPKG, X86_FEATURE_UINTR,   X86_FEATURE_MONITOR, X86_FEATURE_VMX,
        X86_FEATURE_SVM,
    };
    for (unsigned i = 0; i < ARRAY_LEN(hidden); i++)
        assert_false(x86_model_has(&host, hidden[i]));
    static const u16 shown[] = {
        X86_FEATURE_X87,    X86_FEATURE_LM,   X86_FEATURE_NX,      X86_FEATURE_APIC,
        X86_FEATURE_X2APIC, X86_FEATURE_SSE2, X86_FEATURE_SYSCALL, X86_FEATURE_CX16,
    };
    for (unsigned i = 0; i < ARRAY_LEN(shown); i++)
        assert_true(x86_model_has(&host, shown[i]));
    assert_in_range(host.physical_bits, 36, 52);
    assert_int_equal(host.linear_bits, 48);
    assert_int_equal(host.cr4_allowed & X86_CR4_LA57, 0);
    assert_int_equal(host.xcr0_allowed & ~(u64)0xe7, 0);
    assert_true(host.xsave_size <= X86_XSAVE_SIZE);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(x86_feature_name(X86_FEATURE_AVX2), "avx2");
    assert_string_equal(x86_feature_name(X86_FEATURE_NONE), "none");
    assert_string_equal(x86_feature_name(99999), "none");
    static const char *const models[] = {
        "host", "common", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4",
    };
    struct x86_cpu_model m;
    for (unsigned i = 0; i < ARRAY_LEN(models); i++) {
        assert_int_equal(x86_model_find(&m, models[i], NULL), 0);
        assert_string_equal(m.name, models[i]);
    }
    struct err e = {0};
    assert_int_equal(x86_model_find(&m, "z80", &e), -ENOENT);
    assert_non_null(strstr(e.text, "z80"));
    assert_non_null(strstr(e.hint, "x86-64-v3"));
}

static void levels_nest(void **state)
{
    (void)state;
    struct x86_cpu_model v1, v2;
    assert_int_equal(x86_model_find(&v1, "x86-64", NULL), 0);
    assert_int_equal(x86_model_find(&v2, "x86-64-v2", NULL), 0);
    assert_false(x86_model_has(&v1, X86_FEATURE_SSE3));
    assert_true(x86_model_has(&v2, X86_FEATURE_SSE42));
    assert_false(x86_model_has(&v2, X86_FEATURE_AVX));
    assert_int_equal(x86_model_find(&v1, "common", NULL), 0);
    assert_true(x86_model_has(&v1, X86_FEATURE_AVX2));
    assert_false(x86_model_has(&v1, X86_FEATURE_AVX512F)); /* no layout both vendors share */
    assert_int_equal(x86_model_find(&v1, "x86-64", NULL), 0);
    assert_int_equal(x86_model_intersect(&v1, &v2, true, NULL), 0);
    struct err e = {0};
    assert_int_equal(x86_model_find(&v1, "x86-64", NULL), 0);
    assert_int_equal(x86_model_intersect(&v2, &v1, true, &e), -ENOTSUP);
    assert_non_null(strstr(e.text, "sse3"));
}

/* A named model does not fail for what it never promised. */
static void strict_but_for_comforts(void **state)
{
    (void)state;
    struct x86_cpu_model offer, m;
    make_full(&offer, X86_VENDOR_AMD);
    x86_model_set(&offer, X86_FEATURE_SRSO_NO, false);
    x86_model_set(&offer, X86_FEATURE_PCID, false);
    assert_int_equal(x86_model_find(&m, "common", NULL), 0);
    assert_int_equal(x86_model_intersect(&m, &offer, true, NULL), 0);
    assert_false(x86_model_has(&m, X86_FEATURE_PCID));
    assert_int_equal(m.cr4_allowed & X86_CR4_PCIDE, 0);
    x86_model_set(&offer, X86_FEATURE_NX, false);
    assert_int_equal(x86_model_find(&m, "common", NULL), 0);
    assert_int_equal(x86_model_intersect(&m, &offer, true, NULL), -ENOTSUP);
}

static void dependencies(void **state)
{
    (void)state;
    struct x86_cpu_model m;
    make_full(&m, X86_VENDOR_INTEL);
    assert_int_equal(m.xcr0_allowed, 0xe7);
    assert_int_equal(m.xsave_size, 2688);
    x86_model_set(&m, X86_FEATURE_AVX, false);
    x86_model_update(&m);
    assert_false(x86_model_has(&m, X86_FEATURE_FMA));
    assert_false(x86_model_has(&m, X86_FEATURE_AVX512_VBMI2));
    assert_int_equal(m.xcr0_allowed, 3);
    assert_int_equal(m.xsave_size, 576);
    make_full(&m, X86_VENDOR_INTEL);
    x86_model_set(&m, X86_FEATURE_XSAVE, false);
    x86_model_update(&m);
    assert_false(x86_model_has(&m, X86_FEATURE_AVX));
    assert_int_equal(m.xcr0_allowed, 0);
    assert_int_equal(m.cr4_allowed & X86_CR4_OSXSAVE, 0);
    make_full(&m, X86_VENDOR_INTEL);
    m.xsave[6].offset = 4000; /* does not fit the area we keep */
    x86_model_update(&m);
    assert_int_equal(m.xcr0_allowed, 7);
    assert_false(x86_model_has(&m, X86_FEATURE_AVX512F));
}

static void intersect(void **state)
{
    (void)state;
    struct x86_cpu_model a, b;
    make_full(&a, X86_VENDOR_AMD);
    make_full(&b, X86_VENDOR_AMD);
    x86_model_set(&b, X86_FEATURE_AVX512F, false);
    b.physical_bits = 40;
    x86_model_update(&b);
    a.tsc_khz = 0;
    assert_int_equal(x86_model_intersect(&a, &b, false, NULL), 0);
    assert_false(x86_model_has(&a, X86_FEATURE_AVX512BW));
    assert_int_equal(a.xcr0_allowed, 7);
    assert_int_equal(a.physical_bits, 40);
    assert_int_equal(a.tsc_khz, 2600000);
}

static void only_avx(void *ctx, u32 n, u32 sub, u32 out[4])
{
    x86_cpuid(ctx, &cpu, n, sub, out);
    if (n == 7)
        out[1] &= ~(1u << 16);
    if (n == 1)
        out[2] &= ~(1u << 31);
}

static void keep(void **state)
{
    (void)state;
    struct x86_cpu_model a, b;
    make_full(&a, X86_VENDOR_INTEL);
    b = a;
    x86_model_build_leaves(&b, 1, true);
    x86_model_keep(&a, only_avx, &b);
    assert_true(x86_model_has(&a, X86_FEATURE_AVX2));
    assert_false(x86_model_has(&a, X86_FEATURE_AVX512F));
    assert_false(x86_model_has(&a, X86_FEATURE_AVX512VL));
    assert_true(x86_model_has(&a, X86_FEATURE_HYPERVISOR)); /* ours to show */
    assert_int_equal(a.xcr0_allowed, 7);
}

static void check_vendor(const struct x86_cpu_model *m)
{
    u32 r[4];
    char vendor[13] = "";
    leaf(m, 0, 0, r);
    memcpy(vendor, &r[1], 4);
    memcpy(vendor + 4, &r[3], 4);
    memcpy(vendor + 8, &r[2], 4);
    assert_string_equal(vendor, m->vendor == X86_VENDOR_AMD ? "AuthenticAMD" : "GenuineIntel");
}

/* The numbers that systems derive the processor count from, on either vendor. */
static void check_topology(const struct x86_cpu_model *m, unsigned cpus)
{
    u32 r[4];
    leaf(m, 1, 0, r);
    assert_true((r[1] >> 16 & 0xff) >= cpus);
    assert_int_equal(r[3] >> 28 & 1, cpus > 1);
    leaf(m, 0xb, 0, r);
    assert_int_equal(r[0], 0);
    assert_int_equal(r[1], 1);
    assert_int_equal(r[2], 0x100);
    leaf(m, 0xb, 1, r);
    assert_true(1u << r[0] >= cpus);
    assert_true(cpus == 1 || 1u << (r[0] - 1) < cpus);
    assert_int_equal(r[1], cpus);
    assert_int_equal(r[2], 0x201);
    assert_int_equal(r[3], cpu.lapic.id);
    leaf(m, 0xb, 2, r);
    assert_int_equal(r[1], 0);
    assert_int_equal(r[2], 2);
    if (m->vendor == X86_VENDOR_AMD) {
        leaf(m, 0x80000008, 0, r);
        assert_int_equal((r[2] & 0xff) + 1, cpus);
        assert_true(1u << (r[2] >> 12 & 15) >= cpus);
        leaf(m, 0x80000001, 0, r);
        assert_int_equal(r[2] >> 1 & 1, cpus > 1);
        leaf(m, 0x8000001e, 0, r);
        assert_int_equal(r[0], cpu.lapic.id);
        assert_int_equal(r[1], cpu.lapic.id); /* a core each, of one thread */
    } else {
        leaf(m, 4, 0, r);
        assert_true((r[0] >> 26) + 1 >= cpus);
        assert_int_equal(r[0] >> 14 & 0xfff, 0); /* L1 is not shared */
    }
}

static void leaves(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 3, 4, 7, 8, 64};
    for (unsigned vendor = 0; vendor < 2; vendor++) {
        for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
            struct x86_cpu_model m;
            make_full(&m, (u8)vendor);
            x86_model_build_leaves(&m, counts[i], true);
            assert_true(m.leaf_count < X86_CPUID_LEAVES_MAX);
            cpu.lapic.id = counts[i] - 1;
            check_vendor(&m);
            check_topology(&m, counts[i]);
        }
    }
}

static void feature_bits_show(void **state)
{
    (void)state;
    struct x86_cpu_model m = host;
    x86_model_build_leaves(&m, 1, true);
    u32 r[4];
    static const struct {
        u16 feature;
        u32 leaf, sub, reg, bit;
    } rows[] = {
        {X86_FEATURE_SSE2, 1, 0, 3, 26},
        {X86_FEATURE_AVX2, 7, 0, 1, 5},
        {X86_FEATURE_LM, 0x80000001, 0, 3, 29},
        {X86_FEATURE_HYPERVISOR, 1, 0, 2, 31},
        {X86_FEATURE_INVARIANT_TSC, 0x80000007, 0, 3, 8},
        {X86_FEATURE_ARAT, 6, 0, 0, 2},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        leaf(&m, rows[i].leaf, rows[i].sub, r);
        assert_int_equal(r[rows[i].reg] >> rows[i].bit & 1, x86_model_has(&m, rows[i].feature));
    }
    x86_model_build_leaves(&m, 1, false);
    leaf(&m, 1, 0, r);
    assert_int_equal(r[2] >> 31, 0);
    leaf(&m, 0x40000000, 0, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
}

static void dynamic_parts(void **state)
{
    (void)state;
    struct x86_cpu_model m;
    u32 r[4];
    make_full(&m, X86_VENDOR_INTEL);
    x86_model_build_leaves(&m, 4, true);
    cpu.lapic.id = 3;
    leaf(&m, 1, 0, r);
    assert_int_equal(r[1] >> 24, 3);
    assert_int_equal(r[2] >> 27 & 1, 0);
    cpu.cr4 = X86_CR4_OSXSAVE;
    leaf(&m, 1, 0, r);
    assert_int_equal(r[2] >> 27 & 1, 1);
    leaf(&m, 0xd, 0, r);
    assert_int_equal(r[0], 0xe7);
    assert_int_equal(r[1], 576);
    assert_int_equal(r[2], 2688);
    cpu.xcr0 = 7;
    leaf(&m, 0xd, 0, r);
    assert_int_equal(r[1], 832);
    cpu.xcr0 = 0xe7;
    leaf(&m, 0xd, 0, r);
    assert_int_equal(r[1], 2688);
    leaf(&m, 0xd, 1, r);
    assert_int_equal(r[1], 576 + 256 + 64 + 512 + 1024);
    leaf(&m, 0xd, 2, r);
    assert_int_equal(r[0], 256);
    assert_int_equal(r[1], 576);
    leaf(&m, 0xd, 9, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
}

/* Linux multiplies the crystal in kHz by the numerator in 32 bits. */
static void frequency(void **state)
{
    (void)state;
    struct x86_cpu_model m;
    u32 r[4];
    make_full(&m, X86_VENDOR_INTEL);
    x86_model_build_leaves(&m, 1, true);
    leaf(&m, 0x15, 0, r);
    assert_int_equal(r[2], 1000000000);
    assert_true((u64)(r[2] / 1000) * r[1] <= UINT32_MAX);
    assert_int_equal((u64)(r[2] / 1000) * r[1] / r[0], 2600000);
    m.tsc_khz = 0; /* unknown: not told */
    x86_model_build_leaves(&m, 1, true);
    leaf(&m, 0x15, 0, r);
    assert_int_equal(r[0] | r[1] | r[2], 0);
}

static void brand(void **state)
{
    (void)state;
    struct x86_cpu_model m = host;
    u32 r[4];
    char text[49] = "";
    x86_model_build_leaves(&m, 1, true);
    for (unsigned i = 0; i < 3; i++) {
        leaf(&m, 0x80000002 + i, 0, r);
        memcpy(text + 16 * i, r, 16);
    }
    assert_string_equal(text, "doppel virtual processor (host)");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(host_hides),        T(names),         T(levels_nest), T(strict_but_for_comforts),
        T(dependencies),      T(intersect),     T(keep),        T(leaves),
        T(feature_bits_show), T(dynamic_parts), T(frequency),   T(brand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
