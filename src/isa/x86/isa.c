/* SPDX-License-Identifier: BSD-2-Clause */
/* The opaque view of a processor's state that vm/ uses. */
#include "isa/isa.h"
#include "base/mem.h"
#include "base/str.h"
#include "isa/x86/insn.h"
#include "isa/x86/state.h"

static u64 state_pc(const void *state)
{
    const struct x86_state *s = state;
    return s->seg[X86_CS].base + s->rip;
}

static unsigned state_describe(const void *state, u64 pc, const u8 *code, unsigned n, char *text,
                               size_t size)
{
    const struct x86_state *s = state;
    u16 attr = s->seg[X86_CS].attr;
    struct x86_decode_config cfg = {.vendor = X86_VENDOR_INTEL};
    struct x86_insn insn;
    cfg.mode = s->efer & X86_EFER_LMA && attr & X86_SEG_L ? X86_MODE64
               : attr & X86_SEG_DB                        ? X86_MODE32
                                                          : X86_MODE16;
    if (x86_decode(&insn, code, MIN(n, (unsigned)X86_MAX_INSN), cfg) != X86_DECODE_OK) {
        str_copy(text, "(bad)", size);
        return 0;
    }
    x86_describe(text, size, &insn, pc);
    return insn.len;
}

static size_t state_dump(const void *state, char *text, size_t size)
{
    static const char gpr[X86_GPR_COUNT][4] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                               "rsi", "rdi", "r8",  "r9",  "r10", "r11",
                                               "r12", "r13", "r14", "r15"};
    static const char sreg[X86_SREG_COUNT][3] = {"es", "cs", "ss", "ds", "fs", "gs"};
    const struct x86_state *s = state;
    size_t n = str_format(text, size, "rip %016llx rflags %08llx\n", (unsigned long long)s->rip,
                          (unsigned long long)s->rflags);
    for (unsigned i = 0; i < X86_GPR_COUNT; i++)
        n += str_format(text + n, size - n, "%-3s %016llx%c", gpr[i], (unsigned long long)s->gpr[i],
                        i % 4 == 3 ? '\n' : ' ');
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        n += str_format(text + n, size - n, "%s %04x base %016llx limit %08x attr %04x\n", sreg[i],
                        s->seg[i].sel, (unsigned long long)s->seg[i].base, s->seg[i].limit,
                        s->seg[i].attr);
    n += str_format(text + n, size - n,
                    "cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx efer %llx\n"
                    "gdt %016llx:%04x idt %016llx:%04x tr %04x ldt %04x\n",
                    (unsigned long long)s->cr0, (unsigned long long)s->cr2,
                    (unsigned long long)s->cr3, (unsigned long long)s->cr4,
                    (unsigned long long)s->efer, (unsigned long long)s->gdtr.base, s->gdtr.limit,
                    (unsigned long long)s->idtr.base, s->idtr.limit, s->tr.sel, s->ldtr.sel);
    return n;
}

const struct isa_ops isa_x86 = {
    .name = "x86",
    .state_size = sizeof(struct x86_state),
    .pc = state_pc,
    .describe = state_describe,
    .dump = state_dump,
};
