/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside exec: segment and gate descriptors [SDM3 3.4.5, 5.8, 6.11]. */
#ifndef ISA_X86_EXEC_DESCRIPTOR_H
#define ISA_X86_EXEC_DESCRIPTOR_H

#include "isa/x86/exec/system.h"

struct x86_descriptor {
    u64 low, high; /* high: second half of a system descriptor in long mode, else 0 */
    u64 lin;       /* where it is */
};

/* Types of system descriptors (S clear). */
enum {
    X86_SYS_TSS16 = 1,
    X86_SYS_LDT = 2,
    X86_SYS_TSS16_BUSY = 3,
    X86_SYS_CALL16 = 4,
    X86_SYS_TASK_GATE = 5,
    X86_SYS_INT16 = 6,
    X86_SYS_TRAP16 = 7,
    X86_SYS_TSS32 = 9,
    X86_SYS_TSS32_BUSY = 11,
    X86_SYS_CALL32 = 12,
    X86_SYS_INT32 = 14,
    X86_SYS_TRAP32 = 15,
    X86_SYS_BUSY = 2,
};

/* Bits of an error code that names a selector [SDM3 6.13]. */
enum { X86_ERR_EXT = 1, X86_ERR_IDT = 2 };

static inline u16 x86_desc_attr(const struct x86_descriptor *d)
{
    return (u16)((d->low >> 40 & 0xff) | (d->low >> 52 & 0xf) << 8);
}
static inline u64 x86_desc_base(const struct x86_descriptor *d)
{
    return (d->low >> 16 & 0xffffff) | (d->low >> 56) << 24 | d->high << 32;
}
static inline u32 x86_desc_limit(const struct x86_descriptor *d)
{
    u32 limit = (u32)((d->low & 0xffff) | (d->low >> 32 & 0xf0000));
    return d->low >> 55 & 1 ? limit << 12 | 0xfff : limit;
}
static inline unsigned x86_desc_dpl(const struct x86_descriptor *d)
{
    return d->low >> 45 & 3;
}
static inline unsigned x86_desc_type(const struct x86_descriptor *d)
{
    return d->low >> 40 & 15;
}
static inline bool x86_desc_present(const struct x86_descriptor *d)
{
    return d->low >> 47 & 1;
}
static inline bool x86_desc_is_system(const struct x86_descriptor *d)
{
    return !(d->low >> 44 & 1);
}
static inline bool x86_desc_is_code(const struct x86_descriptor *d)
{
    return (d->low >> 43 & 3) == 3;
}
static inline bool x86_desc_conforming(const struct x86_descriptor *d)
{
    return d->low >> 42 & 1;
}
static inline bool x86_desc_is_writable_data(const struct x86_descriptor *d)
{
    return (d->low >> 41 & 0xd) == 9; /* S, not code, W */
}
/* Code with L and D both set is reserved in long mode. */
static inline bool x86_desc_bad_long_code(const struct x86_cpu *cpu, const struct x86_descriptor *d)
{
    return cpu->long_mode && (d->low >> 53 & 3) == 3;
}
static inline unsigned x86_gate_selector(const struct x86_descriptor *d)
{
    return d->low >> 16 & 0xffff;
}
static inline u64 x86_gate_offset(const struct x86_descriptor *d)
{
    return (d->low & 0xffff) | (d->low >> 48) << 16 | d->high << 32;
}
static inline bool x86_null_selector(unsigned sel)
{
    return !(sel & 0xfffc);
}
/* Raises vector with an error code that names sel. */
static inline int x86_selector_fault(struct x86_cpu *cpu, unsigned vector, unsigned sel,
                                     unsigned ext)
{
    return x86_raise_error(cpu, vector, (sel & 0xfffc) | ext);
}

/* Linear address of the descriptor; false when it is outside its table or there is none. bytes: 8,
 * or 16 for system descriptors in long mode. */
bool x86_descriptor_find(const struct x86_cpu *cpu, unsigned sel, unsigned bytes, u64 *lin);
/* Reads the descriptor of a selector that is not null; raises vector(sel | ext) when it is outside
 * its table. In long mode a system descriptor is read whole. */
int x86_descriptor_load(struct x86_cpu *cpu, unsigned sel, unsigned vector, unsigned ext,
                        struct x86_descriptor *d);
/* Sets the accessed bit in memory and in d. */
int x86_descriptor_mark_accessed(struct x86_cpu *cpu, struct x86_descriptor *d);

/* The hidden part that a descriptor gives. */
struct x86_segment x86_segment_from(unsigned sel, const struct x86_descriptor *d);
/* What a null selector leaves, with the privilege kept in DPL. */
struct x86_segment x86_segment_null(unsigned sel, unsigned dpl);
/* A segment of real or virtual-8086 mode. */
void x86_segment_load_real(struct x86_cpu *cpu, unsigned seg, unsigned sel);

/* Loads a data or stack segment register in any mode: MOV, POP, LDS, far returns. cpl is the
 * privilege for the checks; vector is #GP, or #TS in task switches. Does not derive. */
int x86_segment_load(struct x86_cpu *cpu, unsigned seg, unsigned sel, unsigned cpl, unsigned vector,
                     unsigned ext);
/* Checks a stack selector for privilege cpl and gives its segment without loading it. */
int x86_segment_check_stack(struct x86_cpu *cpu, unsigned sel, unsigned cpl, unsigned vector,
                            unsigned ext, bool null_allowed, struct x86_segment *ss);
/* Drops data segments that the new, outer CPL may not use [SDM2 RET]. */
void x86_segments_drop_inner(struct x86_cpu *cpu, unsigned cpl);

/* A stack that is not in SS yet. */
struct x86_stack {
    struct x86_segment ss;
    u64 sp;
    u8 width;  /* 2, 4, 8: of SP */
    u8 index;  /* enum x86_tlb_index */
    u32 error; /* for #SS */
};
/* The current one, at the privilege cpl. */
void x86_stack_current(const struct x86_cpu *cpu, unsigned cpl, unsigned ext, struct x86_stack *st);
/* The one that the TSS names for level cpl, or for ist 1..7 in long mode. */
int x86_stack_inner(struct x86_cpu *cpu, unsigned cpl, unsigned ist, unsigned ext,
                    struct x86_stack *st);
int x86_stack_push(struct x86_cpu *cpu, struct x86_stack *st, unsigned size, u64 value);
/* Makes it the current stack (SS and rSP). */
void x86_stack_commit(struct x86_cpu *cpu, const struct x86_stack *st);

/* Task switches [SDM3 7.3]. */
enum x86_task_reason { X86_TASK_JMP, X86_TASK_CALL, X86_TASK_IRET, X86_TASK_EVENT };
/* sel names a TSS (checked here). X86_END, or X86_EXCEPTION in the old or the new task; in the new
 * one cpu->fault_rip is already its rip. error: pushed on the new stack when not NULL. */
int x86_task_switch(struct x86_cpu *cpu, unsigned sel, enum x86_task_reason reason, unsigned ext,
                    const u32 *error);
/* The same through a task gate whose privilege has been checked. */
int x86_task_gate(struct x86_cpu *cpu, const struct x86_descriptor *gate,
                  enum x86_task_reason reason, unsigned ext, const u32 *error);

#endif
