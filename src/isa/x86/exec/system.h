/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside exec: what the system instructions share, and their handlers. */
#ifndef ISA_X86_EXEC_SYSTEM_H
#define ISA_X86_EXEC_SYSTEM_H

#include "isa/x86/exec/exec.h"
#include "isa/x86/exec/memory.h"

/* #GP(0) unless CPL is 0; X86_INTERCEPT when the monitor wants privileged instructions. */
int x86_require_cpl0(struct x86_cpu *cpu);
/* #UD in real and virtual-8086 mode. */
static inline int x86_require_protected(struct x86_cpu *cpu)
{
    return cpu->real || cpu->vm86 ? x86_ud(cpu) : X86_OK;
}
/* X86_INTERCEPT when the monitor wants this kind (X86_ICPT_*). */
static inline int x86_intercept(struct x86_cpu *cpu, u32 kind)
{
    if (likely(!(cpu->intercepts.other & kind)))
        return X86_OK;
    cpu->intercept = kind;
    return X86_INTERCEPT;
}
static inline unsigned x86_iopl(const struct x86_cpu *cpu)
{
    return (cpu->s.rflags & X86_IOPL) >> X86_IOPL_SHIFT;
}

/* Register and memory operands of the few sizes that system instructions have. */
int x86_read_rm16(struct x86_cpu *cpu, const struct x86_insn *insn, u16 *value);
/* A 16-bit value to memory, or zero-extended to a register of the operand size. */
int x86_write_rm16(struct x86_cpu *cpu, const struct x86_insn *insn, u64 value);
void x86_write_gpr(struct x86_cpu *cpu, unsigned reg, unsigned size, u64 value);

/* Tells the engine that translations went away, after dropping our own. */
void x86_flush_all(struct x86_cpu *cpu, bool global_too);
void x86_flush_page(struct x86_cpu *cpu, u64 va);
/* For a CR3 load. */
void x86_flush_switch(struct x86_cpu *cpu, bool keep);

void x86_debug_derive(struct x86_cpu *cpu);
void x86_debug_check_port(struct x86_cpu *cpu, u16 port, unsigned size);
/* #DB when an instruction breakpoint watches lin. */
int x86_debug_check_code(struct x86_cpu *cpu, u64 lin);

/* #GP(0) unless the port may be used: IOPL, else the TSS's bitmap. */
int x86_check_port(struct x86_cpu *cpu, u16 port, unsigned size);

/* Sets RFLAGS bits in mask from value and derives what hangs on them. */
void x86_set_flags(struct x86_cpu *cpu, u64 mask, u64 value);
/* RFLAGS bits that POPF and IRET may change at this CPL and IOPL [SDM2 POPF]. */
u64 x86_writable_flags(const struct x86_cpu *cpu, unsigned osz);

/* MOV CR and the task switch. */
int x86_write_cr0(struct x86_cpu *cpu, u64 value);
int x86_write_cr3(struct x86_cpu *cpu, u64 value);
int x86_write_cr4(struct x86_cpu *cpu, u64 value);
int x86_write_efer(struct x86_cpu *cpu, u64 value);

/* Enters the handler of an event through IVT or IDT, without looking at what faults make together.
 * X86_END, or X86_EXCEPTION. */
int x86_enter_handler(struct x86_cpu *cpu, const struct x86_event *ev);
/* The same through the interrupt vector table at linear address base. */
int x86_enter_ivt(struct x86_cpu *cpu, u64 base, unsigned vector, u64 rip, u64 flags);

/* clang-format cannot settle on a layout of this list. */
/* clang-format off */
#define X86_SYSTEM_HANDLERS(X)                                                                     \
    X(mov_from_cr) X(mov_to_cr) X(mov_from_dr) X(mov_to_dr) X(clts) X(lmsw) X(smsw)                \
    X(rdmsr) X(wrmsr) X(xgetbv) X(xsetbv) X(cpuid) X(rdtsc) X(rdtscp) X(rdpid) X(rdpmc)            \
    X(cache) X(invlpg) X(invpcid) X(hlt) X(cli) X(sti) X(clac) X(stac) X(pushf) X(popf)            \
    X(in_imm) X(in_dx) X(out_imm) X(out_dx) X(ins) X(outs)                                         \
    X(sgdt) X(sidt) X(lgdt) X(lidt) X(sldt) X(lldt) X(str) X(ltr)                                  \
    X(verr) X(verw) X(lar) X(lsl) X(arpl)                                                          \
    X(mov_from_sreg) X(mov_to_sreg) X(push_sreg) X(pop_sreg) X(load_far_pointer)                   \
    X(swapgs) X(rdfsbase) X(rdgsbase) X(wrfsbase) X(wrgsbase)                                      \
    X(syscall) X(sysret) X(sysenter) X(sysexit)                                                    \
    X(far_jmp) X(far_call) X(far_ret) X(iret) X(int) X(int3) X(into) X(int1)                       \
    X(hypercall) X(serialize) X(undefined)
/* clang-format on */
#define X86_DECLARE_HANDLER(name)                                                                  \
    int x86_exec_##name(struct x86_cpu *cpu, const struct x86_insn *insn);
X86_SYSTEM_HANDLERS(X86_DECLARE_HANDLER)
#undef X86_DECLARE_HANDLER

/* The state's word for an MTRR, or NULL; and what WRMSR may put there. */
u64 *x86_mtrr_field(struct x86_state *s, u32 index);
bool x86_mtrr_allows(const struct x86_cpu *cpu, u32 index, u64 value);

#endif
