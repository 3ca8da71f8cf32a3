/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder beside the host's processor: what it calls #UD must be #UD there, and what it calls
 * an unprivileged instruction of a feature the host has must run with exactly that many bytes:
 * decode_native COUNT [SEED]. */
#include "isa/x86/features.gen.h"
#include "native.h"
#include "random_code.h"
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has[X86_FEATURE_COUNT];
static enum x86_vendor vendor;

static void read_host(void)
{
    unsigned r[4] = {0};
    has[X86_FEATURE_NONE] = true;
#define READ(name, text, leaf, subleaf, reg, bit)                                                  \
    if (__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]))                              \
        has[X86_FEATURE_##name] = r[reg] >> bit & 1;
    X86_FEATURE_LIST(READ)
    __get_cpuid(0, &r[0], &r[1], &r[2], &r[3]);
    vendor = r[1] == signature_AMD_ebx ? X86_VENDOR_AMD : X86_VENDOR_INTEL;
}

static bool offered(const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    return has[f->feature] && has[f->feature2] &&
           (!(f->flags & X86_F_VL) || insn->vl == 64 || has[X86_FEATURE_AVX512VL]);
}

static bool skipped(const struct x86_insn *insn)
{
    /* Those that the monitor handles need privilege or the kernel's consent. */
    return x86_forms[insn->form].cls == X86_CLASS_SENSITIVE;
}

static unsigned count_prefixes(const u8 *code, enum x86_mode mode)
{
    unsigned n = 0;
    while (n < 15 &&
           ((code[n] && strchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", code[n])) ||
            (mode == X86_MODE64 && code[n] >> 4 == 4)))
        n++;
    return n;
}

/* Where host and decoder differ on purpose. */
static bool excused(const u8 *code, enum x86_mode mode, const struct x86_insn *insn,
                    const struct native *r)
{
    /* The processor finds the length before it finds anything undefined, so that #GP for a
     * sixteenth byte comes first. How long it takes the undefined ones of VEX, EVEX and XOP for is
     * its secret: the decoder guesses. */
    unsigned prefixes = count_prefixes(code, mode);
    if (r->trap == 13 && prefixes >= 2 && prefixes < 15 &&
        strchr("\x62\x8f\xc4\xc5", code[prefixes]))
        return true;
    /* SYSEXIT at privilege 3 is #GP even where it is invalid at 0. */
    if (mode == X86_MODE64 && vendor == X86_VENDOR_AMD && r->trap == 13 && insn->map == 1 &&
        insn->opcode == 0x35)
        return true;
    /* Zen 5 runs these against the manual: LOCK VERW [AMD3 1.2.5], VPERMQ and VPERMPD with W 0. */
    return vendor == X86_VENDOR_AMD && ((insn->map == 1 && insn->opcode == 0 && insn->reg == 5) ||
                                        (insn->map == 3 && insn->opcode <= 1));
}

static void show(const char *what, const u8 *code, enum x86_mode mode, const struct x86_insn *insn,
                 int ours, const struct native *r)
{
    char text[96] = "";
    if (ours == X86_DECODE_OK)
        x86_describe(text, sizeof text, insn, 0);
    printf("%s: %u-bit ", what, mode * 8u);
    for (unsigned i = 0; i < 15; i++)
        printf("%02x", code[i]);
    printf(" ours %d length %u %s, native signal %d trap %d error %lx length %u%s\n", ours,
           insn->len, text, r->signal, r->trap, r->error, r->len, r->more ? "+" : "");
}

/* 1 when host and decoder disagree. */
static int check(const u8 *code, enum x86_mode mode)
{
    struct x86_insn insn;
    struct native r;
    int ours = x86_decode(&insn, code, 15, (struct x86_decode_config){(u8)mode, (u8)vendor});
    if (ours == X86_DECODE_OK && skipped(&insn))
        return 0;
    /* What CPUID does not show may run all the same where a hypervisor hides it. */
    if (ours == X86_DECODE_OK && !offered(&insn))
        return 0;
    bool undefined = ours == X86_DECODE_UD;
    if (native_once(&r, code, undefined ? 15 : insn.len, mode))
        return 0;
    if (ours == X86_DECODE_LONG) {
        if (r.trap == 13 || r.more)
            return 0;
        show("too long", code, mode, &insn, ours, &r);
        return 1;
    }
    if (undefined && excused(code, mode, &insn, &r))
        return 0;
    if (r.undefined != undefined || r.more) {
        show(undefined ? "#UD" : "valid", code, mode, &insn, ours, &r);
        return 1;
    }
    if (undefined || insn.len == 1)
        return 0;
    if (!native_once(&r, code, insn.len - 1u, mode) && !r.more) {
        show("shorter", code, mode, &insn, ours, &r);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 2000;
    u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    static const enum x86_mode modes[] = {X86_MODE64, X86_MODE32, X86_MODE64, X86_MODE16};
    unsigned long bad = 0;
    bool runs[X86_MODE64 + 1] = {false};
    read_host();
    for (unsigned m = 0; m < 4; m++) {
        struct native r = {0};
        runs[modes[m]] = !native_once(&r, (const u8[]){0x90}, 1, modes[m]) && r.signal == SIGTRAP;
        if (!runs[modes[m]])
            printf("%u-bit code left out: this host does not run it\n", modes[m] * 8);
    }
    if (!runs[X86_MODE64] && !runs[X86_MODE32] && !runs[X86_MODE16])
        return 77;
    printf("seed %llu, %lu byte strings, rules of %s\n", (unsigned long long)seed, count,
           vendor == X86_VENDOR_AMD ? "AMD" : "Intel");
    random_code_seed(seed);
    for (unsigned long i = 0; i < count; i++) {
        u8 code[16];
        random_code(code);
        if (!runs[modes[i & 3]])
            continue;
        bad += (unsigned long)check(code, modes[i & 3]);
    }
    printf("%lu disagreements\n", bad);
    return bad != 0;
}
