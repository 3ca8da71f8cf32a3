/* SPDX-License-Identifier: BSD-2-Clause */
/* Far CALL, JMP and RET: real and virtual-8086 mode, direct, through call gates, to tasks
 * [SDM3 5.8, SDM2 CALL, JMP, RET]. */
#include "isa/x86/exec/descriptor.h"

#include "isa/x86/exec/place.h"

static u64 mask_offset(u64 off, unsigned size)
{
    return size == 8 ? off : size == 4 ? (u32)off : (u16)off;
}

/* Is the offset inside the code segment that is to be loaded? */
static bool offset_valid(const struct x86_cpu *cpu, const struct x86_descriptor *code, u64 off)
{
    if (cpu->long_mode && (x86_desc_attr(code) & X86_SEG_L))
        return x86_canonical(off);
    return off <= x86_desc_limit(code);
}

/* Checks a code descriptor for a direct transfer or a gate that does not change CPL. */
static int check_code(struct x86_cpu *cpu, unsigned sel, unsigned rpl,
                      const struct x86_descriptor *d)
{
    bool ok = x86_desc_is_code(d) && !x86_desc_bad_long_code(cpu, d);
    if (ok)
        ok = x86_desc_conforming(d) ? x86_desc_dpl(d) <= cpu->cpl
                                    : rpl <= cpu->cpl && x86_desc_dpl(d) == cpu->cpl;
    if (!ok)
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    if (!x86_desc_present(d))
        return x86_selector_fault(cpu, X86_NP, sel, 0);
    return X86_OK;
}

static int enter_code(struct x86_cpu *cpu, unsigned sel, unsigned cpl, struct x86_descriptor *d,
                      u64 off)
{
    cpu->s.seg[X86_CS] = x86_segment_from((sel & 0xfffc) | cpl, d);
    cpu->s.rip = off;
    x86_cpu_derive(cpu);
    return X86_END;
}

static int transfer_real(struct x86_cpu *cpu, unsigned sel, u64 off, unsigned size, bool call)
{
    u64 old_sp = cpu->s.gpr[X86_RSP];
    if (off > (cpu->vm86 ? 0xffff : cpu->s.seg[X86_CS].limit))
        return x86_gp0(cpu);
    if (call) {
        int r = x86_push(cpu, size, cpu->s.seg[X86_CS].sel);
        if (r == X86_OK)
            r = x86_push(cpu, size, cpu->s.rip);
        if (r) {
            cpu->s.gpr[X86_RSP] = old_sp;
            return r;
        }
    }
    x86_segment_load_real(cpu, X86_CS, sel);
    cpu->s.rip = off;
    x86_cpu_derive(cpu);
    return X86_END;
}

/* Pushes the return address on a stack and enters the code. */
static int call_on(struct x86_cpu *cpu, struct x86_stack *st, unsigned size, unsigned sel,
                   unsigned cpl, struct x86_descriptor *code, u64 off)
{
    int r = x86_stack_push(cpu, st, size, cpu->s.seg[X86_CS].sel);
    if (r == X86_OK)
        r = x86_stack_push(cpu, st, size, cpu->s.rip);
    if (r == X86_OK && !offset_valid(cpu, code, off))
        r = x86_gp0(cpu);
    if (r == X86_OK)
        r = x86_descriptor_mark_accessed(cpu, code);
    if (r)
        return r;
    x86_stack_commit(cpu, st);
    return enter_code(cpu, sel, cpl, code, off);
}

static int transfer_direct(struct x86_cpu *cpu, unsigned sel, struct x86_descriptor *d, u64 off,
                           unsigned size, bool call)
{
    int r = check_code(cpu, sel, sel & 3, d);
    if (r)
        return r;
    if (call) {
        struct x86_stack st;
        x86_stack_current(cpu, cpu->cpl, 0, &st);
        return call_on(cpu, &st, size, sel, cpu->cpl, d, off);
    }
    if (!offset_valid(cpu, d, off))
        return x86_gp0(cpu);
    r = x86_descriptor_mark_accessed(cpu, d);
    return r ? r : enter_code(cpu, sel, cpu->cpl, d, off);
}

/* A call gate to more privileged code: new stack, old SS:SP, parameters [SDM3 5.8.5]. */
static int call_inner(struct x86_cpu *cpu, const struct x86_descriptor *gate, unsigned size,
                      unsigned sel, struct x86_descriptor *code, u64 off)
{
    unsigned cpl = x86_desc_dpl(code), params = cpu->long_mode ? 0 : gate->low >> 32 & 31;
    struct x86_stack st;
    int r = x86_stack_inner(cpu, cpl, 0, 0, &st);
    if (r == X86_OK)
        r = x86_stack_push(cpu, &st, size, cpu->s.seg[X86_SS].sel);
    if (r == X86_OK)
        r = x86_stack_push(cpu, &st, size, cpu->s.gpr[X86_RSP]);
    for (unsigned i = params; r == X86_OK && i-- > 0;) {
        u64 v;
        r = x86_load(cpu, X86_SS, x86_sp_add(cpu, (i64)i * size), size, &v);
        if (r == X86_OK)
            r = x86_stack_push(cpu, &st, size, v);
    }
    return r ? r : call_on(cpu, &st, size, sel, cpl, code, off);
}

static int transfer_gate(struct x86_cpu *cpu, unsigned gate_sel, const struct x86_descriptor *gate,
                         bool call)
{
    unsigned sel = x86_gate_selector(gate);
    struct x86_descriptor code;
    if (x86_null_selector(sel))
        return x86_gp0(cpu);
    int r = x86_descriptor_load(cpu, sel, X86_GP, 0, &code);
    if (r)
        return r;
    bool ok = x86_desc_is_code(&code) && x86_desc_dpl(&code) <= cpu->cpl;
    if (ok && cpu->long_mode)
        ok = (x86_desc_attr(&code) & (X86_SEG_L | X86_SEG_DB)) == X86_SEG_L;
    if (ok && !call && !x86_desc_conforming(&code))
        ok = x86_desc_dpl(&code) == cpu->cpl;
    if (!ok)
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    if (!x86_desc_present(&code))
        return x86_selector_fault(cpu, X86_NP, sel, 0);
    unsigned size = cpu->long_mode ? 8 : x86_desc_type(gate) == X86_SYS_CALL32 ? 4 : 2;
    u64 off = mask_offset(x86_gate_offset(gate), size);
    if (!call) {
        if (!offset_valid(cpu, &code, off))
            return x86_gp0(cpu);
        r = x86_descriptor_mark_accessed(cpu, &code);
        return r ? r : enter_code(cpu, sel, cpu->cpl, &code, off);
    }
    if (!x86_desc_conforming(&code) && x86_desc_dpl(&code) < cpu->cpl)
        return call_inner(cpu, gate, size, sel, &code, off);
    struct x86_stack st;
    x86_stack_current(cpu, cpu->cpl, 0, &st);
    if (cpu->long_mode && st.width != 8) {
        /* From compatibility mode: the gate leads to 64-bit code, its stack is flat. */
        st.sp += st.ss.base;
        st.width = 8;
    }
    return call_on(cpu, &st, size, sel, cpu->cpl, &code, off);
}

static int transfer_system(struct x86_cpu *cpu, unsigned sel, const struct x86_descriptor *d,
                           bool call)
{
    unsigned type = x86_desc_type(d);
    bool gate = type == X86_SYS_CALL32 || (type == X86_SYS_CALL16 && !cpu->long_mode);
    bool task = !cpu->long_mode &&
                (type == X86_SYS_TSS16 || type == X86_SYS_TSS32 || type == X86_SYS_TASK_GATE);
    if (!gate && !task)
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    if (x86_desc_dpl(d) < cpu->cpl || x86_desc_dpl(d) < (sel & 3))
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    if (!x86_desc_present(d))
        return x86_selector_fault(cpu, X86_NP, sel, 0);
    if (gate)
        return transfer_gate(cpu, sel, d, call);
    enum x86_task_reason reason = call ? X86_TASK_CALL : X86_TASK_JMP;
    if (type == X86_SYS_TASK_GATE)
        return x86_task_gate(cpu, d, reason, 0, NULL);
    return x86_task_switch(cpu, sel, reason, 0, NULL);
}

/* The far pointer of the instruction, then the transfer. */
static int far_transfer(struct x86_cpu *cpu, const struct x86_insn *insn, bool call)
{
    unsigned sel = insn->imm2, size = insn->osz;
    u64 off = insn->imm;
    if (insn->flags & X86_I_MEM) {
        u8 pointer[10] = {0};
        int r = x86_load_bytes(cpu, insn->seg, x86_effective(cpu, insn), pointer, size + 2);
        if (r)
            return r;
        off = load64(pointer);
        sel = load16(pointer + size);
    }
    off = mask_offset(off, size);
    if (cpu->real || cpu->vm86)
        return transfer_real(cpu, sel, off, size, call);
    if (x86_null_selector(sel))
        return x86_gp0(cpu);
    struct x86_descriptor d;
    int r = x86_descriptor_load(cpu, sel, X86_GP, 0, &d);
    if (r)
        return r;
    if (x86_desc_is_system(&d))
        return transfer_system(cpu, sel, &d, call);
    return transfer_direct(cpu, sel, &d, off, size, call);
}

int x86_exec_far_jmp(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return far_transfer(cpu, insn, false);
}

int x86_exec_far_call(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return far_transfer(cpu, insn, true);
}

/* Loads the n-th stack word above SP. */
static int peek(struct x86_cpu *cpu, unsigned n, unsigned size, u64 *v)
{
    return x86_load(cpu, X86_SS, x86_sp_add(cpu, (i64)n * size), size, v);
}

static int ret_real(struct x86_cpu *cpu, u64 off, unsigned sel, unsigned size, u64 release)
{
    if (off > (cpu->vm86 ? 0xffff : cpu->s.seg[X86_CS].limit))
        return x86_gp0(cpu);
    x86_set_sp(cpu, x86_sp_add(cpu, (i64)(2 * size + release)));
    x86_segment_load_real(cpu, X86_CS, sel);
    cpu->s.rip = off;
    x86_cpu_derive(cpu);
    return X86_END;
}

/* Return to an outer level: the outer stack lies above the parameters. */
static int ret_outer(struct x86_cpu *cpu, u64 off, unsigned sel, struct x86_descriptor *code,
                     unsigned size, u64 release)
{
    unsigned rpl = sel & 3;
    u64 sp, ss_sel, base = x86_sp_add(cpu, (i64)(2 * size + release));
    struct x86_segment ss;
    int r = x86_load(cpu, X86_SS, base, size, &sp);
    if (r == X86_OK)
        r = x86_load(cpu, X86_SS, x86_sp_add(cpu, (i64)(3 * size + release)), size, &ss_sel);
    if (r)
        return r;
    bool to64 = cpu->long_mode && (x86_desc_attr(code) & X86_SEG_L);
    r = x86_segment_check_stack(cpu, (u16)ss_sel, rpl, X86_GP, 0, to64, &ss);
    if (r == X86_OK && !offset_valid(cpu, code, off))
        r = x86_gp0(cpu);
    if (r == X86_OK)
        r = x86_descriptor_mark_accessed(cpu, code);
    if (r)
        return r;
    cpu->s.seg[X86_SS] = ss;
    enter_code(cpu, sel, rpl, code, off);
    x86_set_sp(cpu, sp);
    x86_set_sp(cpu, x86_sp_add(cpu, (i64)release));
    x86_segments_drop_inner(cpu, rpl);
    x86_cpu_derive(cpu);
    return X86_END;
}

int x86_exec_far_ret(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->osz;
    u64 off, sel64, release = (u16)insn->imm;
    struct x86_descriptor code;
    if (!insn->off_imm)
        release = 0;
    int r = peek(cpu, 0, size, &off);
    if (r == X86_OK)
        r = peek(cpu, 1, size, &sel64);
    if (r)
        return r;
    unsigned sel = (u16)sel64, rpl = sel & 3;
    if (cpu->real || cpu->vm86)
        return ret_real(cpu, off, sel, size, release);
    if (x86_null_selector(sel))
        return x86_gp0(cpu);
    r = x86_descriptor_load(cpu, sel, X86_GP, 0, &code);
    if (r)
        return r;
    bool ok =
        x86_desc_is_code(&code) && !x86_desc_bad_long_code(cpu, &code) && rpl >= cpu->cpl &&
        (x86_desc_conforming(&code) ? x86_desc_dpl(&code) <= rpl : x86_desc_dpl(&code) == rpl);
    if (!ok)
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    if (!x86_desc_present(&code))
        return x86_selector_fault(cpu, X86_NP, sel, 0);
    if (rpl > cpu->cpl)
        return ret_outer(cpu, off, sel, &code, size, release);
    if (!offset_valid(cpu, &code, off))
        return x86_gp0(cpu);
    r = x86_descriptor_mark_accessed(cpu, &code);
    if (r)
        return r;
    x86_set_sp(cpu, x86_sp_add(cpu, (i64)(2 * size + release)));
    return enter_code(cpu, sel, cpu->cpl, &code, off);
}
