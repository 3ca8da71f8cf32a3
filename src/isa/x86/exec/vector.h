/* SPDX-License-Identifier: BSD-2-Clause */
/* Vector and x87 instructions run on the host's own units. The guest's registers stay in the
 * host's between instructions (the core itself is compiled without them), and each instruction is
 * a small stub of host code that names the guest's vector registers as they are; only general
 * registers and the memory operand are rewritten. For the vector files of exec/ and translators. */
#ifndef ISA_X86_EXEC_VECTOR_H
#define ISA_X86_EXEC_VECTOR_H

#include "base/mem.h"
#include "isa/x86/exec/exec.h"
#include "isa/x86/exec/memory.h"

/* Which control-register bits an instruction needs [SDM2 2.4, 2.8; SDM3 2.5, 13.1]. */
enum x86_gate {
    X86_GATE_X87,
    X86_GATE_MMX,
    X86_GATE_SSE,
    X86_GATE_VEX,
    X86_GATE_EVEX,
    X86_GATE_XSAVE,
    X86_GATE_FXSR,
};

enum x86_stub_flags {
    X86_STUB_WAIT = 1 << 0,   /* a pending x87 exception comes first: #MF */
    X86_STUB_X87 = 1 << 1,    /* updates the x87 instruction and data pointers */
    X86_STUB_UNDO = 1 << 2,   /* changes registers beside the memory it stores to */
    X86_STUB_SIMD = 1 << 3,   /* may raise SIMD floating-point exceptions */
    X86_STUB_INIT = 1 << 4,   /* FNINIT: clears the pointers */
    X86_STUB_MDI = 1 << 5,    /* the memory operand is implicit at [rDI] */
    X86_STUB_SPARSE = 1 << 6, /* touches only the elements that a mask selects */
    X86_STUB_PACKED = 1 << 7, /* SPARSE: as many elements as are selected, from the first on */
    X86_STUB_SPREAD = 1 << 8, /* SPARSE: elements are repeated over the register */
    X86_STUB_WHOLE = 1 << 9,  /* SPARSE: all of the operand must be writable */
};

enum { X86_STUB_TEXT = 112 };

/* How to run one instruction: shared by all processors and all occurrences, never freed. */
struct x86_stub {
    void (*code)(struct x86_cpu *cpu, void *mem); /* NULL: not in code memory, see _call */
    struct x86_stub *next;                        /* same hash */
    u16 bytes;                                    /* of the memory operand; 0 without one */
    u8 access;                                    /* X86_RD, X86_WR */
    u8 align;   /* required alignment - 1 of the memory operand [SDM1 4.1.1] */
    u16 flags;  /* enum x86_stub_flags */
    u8 gate;    /* enum x86_gate */
    u8 element; /* SPARSE: bytes of one element in memory */
    u8 len;     /* of text */
    u8 text[X86_STUB_TEXT];
};

/* The part of the encoding that struct x86_insn does not keep. */
struct x86_vector_prefix {
    u8 pp; /* mandatory prefix: 0 none, 1 66, 2 F3, 3 F2 */
    u8 l;  /* VEX.L */
};

/* vector_encode.c: the host instruction for a guest's; returns its length, at most 15. Memory
 * operands become [rsi], general registers rax (ModRM.reg), rcx (ModRM.rm), rdx (VEX.vvvv). */
struct x86_vector_prefix x86_vector_prefix(const struct x86_insn *insn, const u8 *code);
unsigned x86_vector_encode(const struct x86_insn *insn, struct x86_vector_prefix prefix,
                           u8 out[16]);
/* Index of the memory operand in the form, or -1. */
int x86_vector_memory_operand(const struct x86_insn *insn);

/* Offset of the memory operand in its segment. */
static always_inline u64 x86_vector_offset(const struct x86_cpu *cpu, const struct x86_insn *insn,
                                           const struct x86_stub *st)
{
    if (likely(!(st->flags & X86_STUB_MDI)))
        return x86_effective(cpu, insn);
    u64 di = cpu->s.gpr[X86_RDI];
    return insn->asz == 8 ? di : insn->asz == 4 ? (u32)di : (u16)di;
}

/* vector_stub.c: fills everything but code and next. */
void x86_stub_build(struct x86_stub *st, const struct x86_insn *insn,
                    struct x86_vector_prefix prefix);
/* The shared copy of a built stub, or NULL when code memory is full. */
const struct x86_stub *x86_stub_intern(struct x86_cpu *cpu, const struct x86_stub *built);
/* The stub of a bound instruction that runs by nothing else; NULL for all others. */
const struct x86_stub *x86_vector_stub(const struct x86_insn *insn);
/* False when the host gives no executable memory: nothing of this can run. */
bool x86_stub_available(void);
/* Runs a stub that found no place, from one slot that all processors share. */
void x86_stub_call_slot(struct x86_cpu *cpu, const struct x86_stub *st, void *mem);
static always_inline void x86_stub_call(struct x86_cpu *cpu, const struct x86_stub *st, void *mem)
{
    if (likely(st->code != NULL))
        st->code(cpu, mem);
    else
        x86_stub_call_slot(cpu, st, mem);
}

/* vector_kind.c: what the tables know of an instruction beyond its operands. */
void x86_vector_classify(struct x86_stub *st, const struct x86_insn *insn);

/* vector_run.c */
int x86_vector_exec(struct x86_cpu *cpu, const struct x86_insn *insn, const struct x86_stub *st);
/* Checks of the control registers and of pending x87 exceptions, then acquires the state. */
int x86_vector_enter(struct x86_cpu *cpu, enum x86_gate gate, bool wait);

/* vector_strict.c: runs a stub with the guest's unmasked SIMD exceptions honoured. */
int x86_vector_strict(struct x86_cpu *cpu, const struct x86_stub *st, void *mem);

/* vector_run.c: would this operand raise #AC? */
bool x86_vector_misaligned(const struct x86_cpu *cpu, const struct x86_stub *st, u64 lin);

/* vector_mask.c: a masked operand that is not in one plain page. */
int x86_vector_sparse(struct x86_cpu *cpu, const struct x86_insn *insn, const struct x86_stub *st);

/* vector_state.c: positions of the XSAVE components in s.xsave (standard format). */
enum x86_component {
    X86_XC_X87,
    X86_XC_SSE,
    X86_XC_AVX,
    X86_XC_OPMASK = 5,
    X86_XC_ZMM_HI256,
    X86_XC_HI16_ZMM,
    X86_XC_COUNT
};
struct x86_xsave_layout {
    u16 offset[X86_XC_COUNT], size[X86_XC_COUNT];
};
const struct x86_xsave_layout *x86_xsave_layout(void);
enum {
    X86_FX_FCW = 0,
    X86_FX_FSW = 2,
    X86_FX_FTW = 4,
    X86_FX_FOP = 6,
    X86_FX_FIP = 8,
    X86_FX_FDP = 16,
    X86_FX_MXCSR = 24,
    X86_FX_MXCSR_MASK = 28,
    X86_FX_ST = 32,
    X86_FX_XMM = 160,
    X86_XSAVE_BV = 512,
    X86_XSAVE_COMP = 520,
    X86_XSAVE_LEGACY = 512,
    X86_XSAVE_EXTENDED = 576,
};
enum { X86_MXCSR_FLAGS = 0x3f, X86_MXCSR_MASKS = 0x1f80, X86_MXCSR_VALID = 0xffff };

/* Every component of the guest in s.xsave, initial ones spelled out; the state is released. */
u8 *x86_vector_image(struct x86_cpu *cpu);
/* The guest's MXCSR while the state is live. */
u32 x86_vector_mxcsr(const struct x86_cpu *cpu);
void x86_vector_set_mxcsr(struct x86_cpu *cpu, u32 value);
/* Remembers the state for x86_vector_undo; both leave it live. */
void x86_vector_snapshot(struct x86_cpu *cpu);
void x86_vector_undo(struct x86_cpu *cpu);
/* One vector register of an image, 64 bytes; parts that the processor lacks read as zero. */
void x86_image_get(struct x86_cpu *cpu, unsigned reg, u8 value[64]);
void x86_image_put(struct x86_cpu *cpu, unsigned reg, const u8 value[64]);
u64 x86_image_opmask(struct x86_cpu *cpu, unsigned k);
void x86_image_set_opmask(struct x86_cpu *cpu, unsigned k, u64 value);
/* XCR0 components this processor can have. */
u64 x86_vector_components(const struct x86_cpu *cpu);

static inline u32 x86_host_mxcsr(void)
{
    u32 v;
    __asm__ volatile("stmxcsr %0" : "=m"(v));
    return v;
}
static inline void x86_host_set_mxcsr(u32 v)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(v));
}
static inline u16 x86_host_fsw(void)
{
    u16 v;
    __asm__ volatile("fnstsw %0" : "=a"(v));
    return v;
}
enum { X86_FSW_ES = 0x80 };

/* x87.c, x87_env.c */
void x87_set_pointers(struct x86_cpu *cpu, const struct x86_insn *insn, u64 off);
void x87_clear_pointers(struct x86_cpu *cpu);
int x87_exec_store_env(struct x86_cpu *cpu, const struct x86_insn *insn);
int x87_exec_load_env(struct x86_cpu *cpu, const struct x86_insn *insn);

/* Instructions with a handler in C; NULL for all others. */
x86_exec_fn x86_bind_xsave(const struct x86_insn *insn);  /* xsave.c */
x86_exec_fn x86_bind_gather(const struct x86_insn *insn); /* vector_gather.c */
x86_exec_fn x86_bind_zero(const struct x86_insn *insn);   /* vector_zero.c */
x86_exec_fn x86_bind_x87(const struct x86_insn *insn);    /* x87.c */

#endif
