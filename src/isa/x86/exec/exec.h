/* SPDX-License-Identifier: BSD-2-Clause */
/* Running instructions on a struct x86_cpu: fetch and decode, bind to a handler, execute, deliver
 * exceptions and interrupts. Data access helpers for handlers are in exec/memory.h. */
#ifndef ISA_X86_EXEC_EXEC_H
#define ISA_X86_EXEC_EXEC_H

#include "isa/x86/exec/cpu.h"

/* Chooses insn->exec (and aux) for a decoded instruction on this cpu's model; an instruction that
 * the model's CPUID does not show gets the #UD handler. code is the encoding, insn->len bytes.
 * Never fails.
 *
 * A handler is entered with cpu->s.rip already past the instruction (masked to the mode) and
 * cpu->fault_rip at it, and returns enum x86_result; on X86_EXCEPTION, X86_INTERCEPT and X86_REPEAT
 * the caller puts rip back. Before each instruction the caller clears the two interrupt shadows (a
 * handler that sets one returns X86_END) and EFLAGS.RF (put back on X86_EXCEPTION). */
void x86_exec_bind(struct x86_cpu *cpu, struct x86_insn *insn, const u8 *code);

/* The groups bind chains through; each returns the handler or NULL when the op is not its own. */
x86_exec_fn x86_bind_integer(struct x86_cpu *cpu, struct x86_insn *insn);
x86_exec_fn x86_bind_system(struct x86_cpu *cpu, struct x86_insn *insn);
x86_exec_fn x86_bind_vector(struct x86_cpu *cpu, struct x86_insn *insn, const u8 *code);

/* Fetches and decodes the instruction at cs:rip with all checks (limit, canonical, paging, NX,
 * SMEP, length): X86_OK or X86_EXCEPTION. bytes gets the encoding. */
int x86_fetch(struct x86_cpu *cpu, struct x86_insn *insn, u8 bytes[16]);

/* Fetch, decode, bind, execute one instruction, deliver what it raised, then single-step and
 * breakpoint traps: everything but external interrupts. Slow and complete: used by KVM's fall-back
 * and by tests. Returns X86_OK, X86_HALT, X86_TRIPLE, X86_STOP or X86_INTERCEPT. */
int x86_step(struct x86_cpu *cpu);

/* True when the next instruction must go through x86_step: single step, an instruction breakpoint,
 * a data breakpoint, EFLAGS.RF, or a trap that waits. Only handlers that return X86_END make it
 * true. */
static inline bool x86_wants_step(const struct x86_cpu *cpu)
{
    return (cpu->s.rflags & (X86_TF | X86_RF)) || cpu->code_breaks || cpu->data_breaks ||
           cpu->trap_pending;
}

/* Delivers an event through the IDT (real mode: IVT), with double and triple faults:
 * X86_OK, X86_TRIPLE or X86_INTERCEPT. */
int x86_deliver(struct x86_cpu *cpu, const struct x86_event *ev);
/* True when an external interrupt (an NMI) may be delivered now: IF, shadows, nmi_blocked. */
bool x86_can_interrupt(const struct x86_cpu *cpu);
bool x86_can_nmi(const struct x86_cpu *cpu);

/* Translates a linear address for a debugger or the monitor: no faults, no A/D update.
 * 0 and *pa, or -EFAULT. */
int x86_translate_quiet(struct x86_cpu *cpu, u64 va, u64 *pa);

#endif
