/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptor-table registers and the questions about selectors: SGDT to LTR, VERR, VERW, LAR, LSL,
 * ARPL. Most of these do not trap on plain hardware: what they show must be the guest's. */
#include "isa/x86/exec/descriptor.h"

#include "isa/x86/exec/place.h"

/* User-mode instruction prevention [SDM3 2.5]. */
static int check_umip(struct x86_cpu *cpu)
{
    return (cpu->s.cr4 & X86_CR4_UMIP) && cpu->cpl ? x86_gp0(cpu) : X86_OK;
}

static int store_table(struct x86_cpu *cpu, const struct x86_insn *insn, const struct x86_table *t)
{
    u8 image[10];
    int r = check_umip(cpu);
    if (r)
        return r;
    store16(image, (u16)t->limit);
    store64(image + 2, t->base);
    return x86_store_bytes(cpu, insn->seg, x86_effective(cpu, insn), image,
                           cpu->mode == X86_MODE64 ? 10 : 6);
}

static int load_table(struct x86_cpu *cpu, const struct x86_insn *insn, struct x86_table *t)
{
    u8 image[10] = {0};
    int r = x86_require_cpl0(cpu);
    if (r == X86_OK)
        r = x86_intercept(cpu, X86_ICPT_TABLE);
    if (r == X86_OK)
        r = x86_load_bytes(cpu, insn->seg, x86_effective(cpu, insn), image,
                           cpu->mode == X86_MODE64 ? 10 : 6);
    if (r)
        return r;
    u64 base = load64(image + 2);
    if (cpu->mode == X86_MODE64 && !x86_canonical(base))
        return x86_gp0(cpu);
    t->limit = load16(image);
    /* With a 16-bit operand size the base has 24 bits [SDM2 LGDT]. */
    t->base = insn->osz == 2 ? base & 0xffffff : base;
    return X86_END;
}

int x86_exec_sgdt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return store_table(cpu, insn, &cpu->s.gdtr);
}
int x86_exec_sidt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return store_table(cpu, insn, &cpu->s.idtr);
}
int x86_exec_lgdt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return load_table(cpu, insn, &cpu->s.gdtr);
}
int x86_exec_lidt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return load_table(cpu, insn, &cpu->s.idtr);
}

static int store_selector(struct x86_cpu *cpu, const struct x86_insn *insn, u16 sel)
{
    int r = x86_require_protected(cpu);
    if (r == X86_OK)
        r = check_umip(cpu);
    return r ? r : x86_write_rm16(cpu, insn, sel);
}

int x86_exec_sldt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return store_selector(cpu, insn, cpu->s.ldtr.sel);
}
int x86_exec_str(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return store_selector(cpu, insn, cpu->s.tr.sel);
}

/* Checks common to LLDT and LTR; gives the selector. */
static int load_selector(struct x86_cpu *cpu, const struct x86_insn *insn, u16 *sel)
{
    int r = x86_require_protected(cpu);
    if (r == X86_OK)
        r = x86_require_cpl0(cpu);
    if (r == X86_OK)
        r = x86_intercept(cpu, X86_ICPT_TABLE);
    return r ? r : x86_read_rm16(cpu, insn, sel);
}

int x86_exec_lldt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u16 sel;
    struct x86_descriptor d;
    int r = load_selector(cpu, insn, &sel);
    if (r)
        return r;
    if (x86_null_selector(sel)) {
        cpu->s.ldtr = x86_segment_null(sel, 0);
        return X86_OK;
    }
    if (sel & 4)
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    r = x86_descriptor_load(cpu, sel, X86_GP, 0, &d);
    if (r)
        return r;
    if (!x86_desc_is_system(&d) || x86_desc_type(&d) != X86_SYS_LDT)
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    if (!x86_desc_present(&d))
        return x86_selector_fault(cpu, X86_NP, sel, 0);
    if (!x86_canonical(x86_desc_base(&d)))
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    cpu->s.ldtr = x86_segment_from(sel, &d);
    return X86_OK;
}

int x86_exec_ltr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u16 sel;
    struct x86_descriptor d;
    int r = load_selector(cpu, insn, &sel);
    if (r)
        return r;
    if (x86_null_selector(sel))
        return x86_gp0(cpu);
    if (sel & 4)
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    r = x86_descriptor_load(cpu, sel, X86_GP, 0, &d);
    if (r)
        return r;
    unsigned type = x86_desc_type(&d);
    if (!x86_desc_is_system(&d) ||
        !(type == X86_SYS_TSS32 || (type == X86_SYS_TSS16 && !cpu->long_mode)))
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    if (!x86_desc_present(&d))
        return x86_selector_fault(cpu, X86_NP, sel, 0);
    if (!x86_canonical(x86_desc_base(&d)))
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    r = x86_sys_set_bits(cpu, d.lin + 5, X86_SYS_BUSY);
    if (r)
        return r;
    d.low |= (u64)X86_SYS_BUSY << 40;
    cpu->s.tr = x86_segment_from(sel, &d);
    return X86_OK;
}

/* The descriptor that sel names, if a question about it may be answered at all: not null, inside
 * its table. Only the table's own page can fault. */
static int find(struct x86_cpu *cpu, unsigned sel, struct x86_descriptor *d, bool *found)
{
    *found = !x86_null_selector(sel) && x86_descriptor_find(cpu, sel, 8, &d->lin);
    d->high = 0;
    return *found ? x86_sys_load(cpu, d->lin, 8, &d->low) : X86_OK;
}

static bool reachable(const struct x86_cpu *cpu, unsigned sel, const struct x86_descriptor *d)
{
    if (x86_desc_is_code(d) && x86_desc_conforming(d))
        return true;
    return cpu->cpl <= x86_desc_dpl(d) && (sel & 3) <= x86_desc_dpl(d);
}

static int answer(struct x86_cpu *cpu, bool yes)
{
    cpu->s.rflags = yes ? cpu->s.rflags | X86_ZF : cpu->s.rflags & ~(u64)X86_ZF;
    return X86_OK;
}

static int verify(struct x86_cpu *cpu, const struct x86_insn *insn, bool write)
{
    u16 sel;
    bool ok;
    struct x86_descriptor d;
    int r = x86_require_protected(cpu);
    if (r == X86_OK)
        r = x86_read_rm16(cpu, insn, &sel);
    if (r == X86_OK)
        r = find(cpu, sel, &d, &ok);
    if (r)
        return r;
    if (ok) {
        bool rw = x86_desc_type(&d) & X86_SEG_WRITABLE, code = x86_desc_is_code(&d);
        ok = !x86_desc_is_system(&d) && reachable(cpu, sel, &d) &&
             (write ? !code && rw : !code || rw);
    }
    return answer(cpu, ok);
}

int x86_exec_verr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return verify(cpu, insn, false);
}
int x86_exec_verw(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return verify(cpu, insn, true);
}

/* System descriptor types that LAR and LSL accept, by bit; in long mode fewer [SDM2 LAR, LSL]. */
enum {
    LAR_TYPES = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 11 | 1 << 12,
    LAR_TYPES_LONG = 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12,
    LSL_TYPES = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11,
    LSL_TYPES_LONG = 1 << 2 | 1 << 9 | 1 << 11,
};

static int ask(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned types,
               struct x86_descriptor *d, bool *ok)
{
    u16 sel;
    int r = x86_require_protected(cpu);
    if (r == X86_OK)
        r = x86_read_rm16(cpu, insn, &sel);
    if (r == X86_OK)
        r = find(cpu, sel, d, ok);
    if (r || !*ok)
        return r;
    *ok = reachable(cpu, sel, d) && (!x86_desc_is_system(d) || (types >> x86_desc_type(d) & 1));
    return X86_OK;
}

int x86_exec_lar(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x86_descriptor d;
    bool ok;
    int r = ask(cpu, insn, cpu->long_mode ? LAR_TYPES_LONG : LAR_TYPES, &d, &ok);
    if (r)
        return r;
    /* Bits 19:16 are undefined; the vendors differ. */
    u32 mask = cpu->vendor == X86_VENDOR_AMD ? 0x00ffff00 : 0x00f0ff00;
    if (ok)
        x86_write_gpr(cpu, insn->reg, insn->osz, d.low >> 32 & mask);
    return answer(cpu, ok);
}

int x86_exec_lsl(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x86_descriptor d;
    bool ok;
    int r = ask(cpu, insn, cpu->long_mode ? LSL_TYPES_LONG : LSL_TYPES, &d, &ok);
    if (r)
        return r;
    if (ok)
        x86_write_gpr(cpu, insn->reg, insn->osz, x86_desc_limit(&d));
    return answer(cpu, ok);
}

int x86_exec_arpl(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned rpl = cpu->s.gpr[insn->reg] & 3;
    int r = x86_require_protected(cpu);
    if (r)
        return r;
    if (!(insn->flags & X86_I_MEM)) {
        u64 dst = cpu->s.gpr[insn->rm];
        bool raise = (dst & 3) < rpl;
        if (raise)
            x86_write_gpr(cpu, insn->rm, 2, (dst & ~(u64)3) | rpl);
        return answer(cpu, raise);
    }
    u64 off = x86_effective(cpu, insn), dst;
    r = x86_load(cpu, insn->seg, off, 2, &dst);
    if (r)
        return r;
    bool raise = (dst & 3) < rpl;
    if (raise)
        r = x86_store(cpu, insn->seg, off, 2, (dst & ~(u64)3) | rpl);
    return r ? r : answer(cpu, raise);
}
