/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs one vector or x87 instruction: checks in the order of the processor, finds the memory
 * operand, calls the stub. A memory operand inside one page of plain RAM is used where it is; any
 * other goes by a copy, loaded and stored through exec/memory.h. */
#include "isa/x86/exec/vector.h"

static const struct {
    u64 cr0_clear; /* bits that must be clear */
    u64 cr4_set, xcr0_set;
} gates[] = {
    [X86_GATE_X87] = {X86_CR0_EM | X86_CR0_TS, 0, 0},
    [X86_GATE_MMX] = {X86_CR0_EM | X86_CR0_TS, 0, 0},
    [X86_GATE_SSE] = {X86_CR0_EM | X86_CR0_TS, X86_CR4_OSFXSR, 0},
    [X86_GATE_VEX] = {X86_CR0_TS, X86_CR4_OSXSAVE, 0x06},
    [X86_GATE_EVEX] = {X86_CR0_TS, X86_CR4_OSXSAVE, 0xe6},
    [X86_GATE_XSAVE] = {X86_CR0_TS, X86_CR4_OSXSAVE, 0},
    [X86_GATE_FXSR] = {X86_CR0_EM | X86_CR0_TS, 0, 0},
};

/* Which exception a closed gate raises: #UD comes before #NM, and CR0.EM means #NM for x87 and
 * FXSAVE, #UD for all others [SDM3 2.5, Table 9-3; 13.1]. */
static cold int gate_closed(struct x86_cpu *cpu, enum x86_gate gate)
{
    bool x87 = gate == X86_GATE_X87 || gate == X86_GATE_FXSR;
    if ((gates[gate].cr4_set & ~cpu->s.cr4) || (gates[gate].xcr0_set & ~cpu->s.xcr0) ||
        (gates[gate].cr0_clear & cpu->s.cr0 & X86_CR0_EM && !x87))
        return x86_ud(cpu);
    return x86_raise(cpu, X86_NM);
}

int x86_vector_enter(struct x86_cpu *cpu, enum x86_gate gate, bool wait)
{
    if (unlikely((gates[gate].cr0_clear & cpu->s.cr0) | (gates[gate].cr4_set & ~cpu->s.cr4) |
                 (gates[gate].xcr0_set & ~cpu->s.xcr0)))
        return gate_closed(cpu, gate);
    x86_vector_acquire(cpu);
    /* CR0.NE clear asks for an external interrupt (FERR#, IRQ 13) instead; no guest of today
     * relies on it and #MF is raised all the same. */
    if (wait && unlikely(x86_host_fsw() & X86_FSW_ES))
        return x86_raise(cpu, X86_MF);
    return X86_OK;
}

static int call(struct x86_cpu *cpu, const struct x86_stub *st, void *mem)
{
    if (unlikely(cpu->vector_strict) && (st->flags & X86_STUB_SIMD))
        return x86_vector_strict(cpu, st, mem);
    x86_stub_call(cpu, st, mem);
    return X86_OK;
}

/* An x87 store whose operand raised an unmasked exception that is found before the result exists
 * stores nothing [SDM1 8.5]. ES was clear before, so what is unmasked now is new. */
static bool x87_store_suppressed(const struct x86_stub *st)
{
    enum { IE = 1 << 0, OE = 1 << 3, UE = 1 << 4 };
    u16 fcw;
    if (!(st->flags & X86_STUB_X87))
        return false;
    __asm__ volatile("fnstcw %0" : "=m"(fcw));
    return (x86_host_fsw() & ~fcw & (IE | OE | UE)) != 0;
}

/* EFLAGS.AC, which memory.c looks after up to eight bytes. Of wider operands Intel checks none but
 * the x87 format [SDM1 14.9.3, SDM3 table 6-7], AMD up to 16 bytes. */
bool x86_vector_misaligned(const struct x86_cpu *cpu, const struct x86_stub *st, u64 lin)
{
    unsigned to = st->bytes;
    if (likely(!cpu->align_check) || !x86_canonical(lin) || !x86_canonical(lin + st->bytes - 1))
        return false;
    if (to == 10)
        to = 8;
    else if (!is_pow2(to) || (to > 8 && cpu->vendor != X86_VENDOR_AMD))
        return false;
    return lin & (MIN(to, 16u) - 1);
}

static cold int exec_copied(struct x86_cpu *cpu, const struct x86_insn *insn,
                            const struct x86_stub *st, u64 off, u64 lin)
{
    alignas(64) u8 copy[64];
    int r;

    if (x86_vector_misaligned(cpu, st, lin))
        return x86_raise_error(cpu, X86_AC_FAULT, 0);
    if (!(st->access & X86_WR)) {
        r = x86_load_bytes(cpu, insn->seg, off, copy, st->bytes);
        return r ? r : call(cpu, st, copy);
    }
    /* Registers must be as before when the store faults. */
    if (st->flags & X86_STUB_UNDO) {
        r = x86_probe_write(cpu, insn->seg, off, st->bytes);
        if (r)
            return r;
    }
    r = call(cpu, st, copy);
    if (r || x87_store_suppressed(st))
        return r;
    return x86_store_bytes(cpu, insn->seg, off, copy, st->bytes);
}

static int exec_memory(struct x86_cpu *cpu, const struct x86_insn *insn, const struct x86_stub *st,
                       u64 off)
{
    enum x86_access access = st->access & X86_WR ? X86_WRITE : X86_READ;
    u64 lin;
    int r;

    if (unlikely(st->flags & X86_STUB_SPARSE)) {
        /* A limit that lies behind the last selected element is no fault: checked element by
         * element there. */
        if ((cpu->flat & (1u << insn->seg)) || cpu->mode == X86_MODE64) {
            r = x86_linear(cpu, insn->seg, off, st->bytes, access, &lin);
            u8 *host = r ? NULL : x86_tlb_host(cpu, lin, st->bytes, access);
            if (host && !(lin & st->align) && !cpu->vector_strict)
                return call(cpu, st, host);
        }
        return x86_vector_sparse(cpu, insn, st);
    }
    r = x86_linear(cpu, insn->seg, off, st->bytes, access, &lin);
    if (unlikely(r)) /* processors look at the alignment before the limit */
        return (cpu->s.seg[insn->seg].base + off) & st->align ? x86_gp0(cpu) : r;
    if (unlikely(lin & st->align))
        return x86_gp0(cpu);
    u8 *host = x86_tlb_host(cpu, lin, st->bytes, access);
    if (likely(host && !cpu->vector_strict)) {
        x86_stub_call(cpu, st, host);
        return X86_OK;
    }
    return exec_copied(cpu, insn, st, off, lin);
}

int x86_vector_exec(struct x86_cpu *cpu, const struct x86_insn *insn, const struct x86_stub *st)
{
    u64 off = 0;
    int r = x86_vector_enter(cpu, st->gate, st->flags & X86_STUB_WAIT);
    if (unlikely(r))
        return r;
    if (!st->bytes) {
        r = call(cpu, st, NULL);
    } else {
        off = x86_vector_offset(cpu, insn, st);
        r = exec_memory(cpu, insn, st, off);
    }
    if ((st->flags & X86_STUB_X87) && r == X86_OK)
        x87_set_pointers(cpu, insn, off);
    if (unlikely(st->flags & X86_STUB_INIT))
        x87_clear_pointers(cpu);
    return r;
}
