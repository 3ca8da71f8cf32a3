/* SPDX-License-Identifier: BSD-2-Clause */
/* A decoded instruction, and the instruction table it points into. One row of insn.tab describes
 * one encoding ("form"); the decoder, the disassembler, flag liveness, the translator's classes and
 * the test generators all come from these rows. */
#ifndef ISA_X86_INSN_H
#define ISA_X86_INSN_H

#include "base/types.h"
#include "isa/x86/ops.gen.h" /* enum x86_op, enum x86_form_id: generated from insn.tab */

struct x86_cpu;
struct x86_insn;
/* Executes one decoded instruction, see exec/exec.h. */
typedef int (*x86_exec_fn)(struct x86_cpu *cpu, const struct x86_insn *insn);

enum x86_mode { X86_MODE16 = 2, X86_MODE32 = 4, X86_MODE64 = 8 }; /* value: default address size */

enum { X86_MAX_INSN = 15, X86_NO_REG = 0xff, X86_REG_RIP = 0xfe };

enum x86_insn_flags {
    X86_I_LOCK = 1 << 0,  /* F0 */
    X86_I_REP = 1 << 1,   /* F3, when it is a prefix and not part of the opcode */
    X86_I_REPNE = 1 << 2, /* F2, likewise */
    X86_I_66 = 1 << 3,    /* a 66 prefix was present */
    X86_I_67 = 1 << 4,
    X86_I_REX = 1 << 5, /* a REX prefix is in effect: byte registers 4-7 are SPL..DIL */
    X86_I_W = 1 << 6,   /* REX.W, VEX.W, EVEX.W */
    X86_I_VEX = 1 << 7,
    X86_I_EVEX = 1 << 8,
    X86_I_MEM = 1 << 9, /* there is a memory operand described by seg, base, index, scale, disp */
    X86_I_MODRM = 1 << 10,
    X86_I_SEG = 1 << 11,    /* a segment-override prefix is in effect */
    X86_I_EVEX_B = 1 << 12, /* broadcast, rounding or suppress-all-exceptions */
    X86_I_EVEX_Z = 1 << 13, /* zeroing-masking */
};

/* 64 bytes: a cache line in the block cache. */
struct x86_insn {
    x86_exec_fn exec; /* chosen by x86_exec_bind(); NULL from the decoder */
    union {           /* what exec needs beside; NULL from the decoder */
        void *aux;    /* a host stub */
        u16 place[4]; /* byte offsets of register operands in struct x86_cpu (exec/integer.h) */
    };
    u64 imm;   /* first immediate (extended as its operand says), relative displacement
                * (sign-extended), moffs or far offset */
    i32 disp;  /* displacement of the memory operand, EVEX disp8*N applied */
    u16 form;  /* enum x86_form_id: x86_forms[form] */
    u16 op;    /* enum x86_op */
    u16 flags; /* enum x86_insn_flags */
    u16 imm2;  /* far selector, ENTER level, second immediate byte */
    u8 len;
    u8 mode; /* enum x86_mode: the code size it was decoded for */
    u8 osz;  /* effective operand size: 2, 4, 8; 1 in byte forms */
    u8 asz;  /* effective address size: 2, 4, 8 */
    u8 seg;  /* segment of the memory operand, defaults and overrides applied; string source too */
    u8 mod, reg, rm; /* ModRM, reg and rm extended by REX/VEX/EVEX (0-15, vectors 0-31); rm valid if
                        mod == 3 */
    u8 base, index, scale; /* registers or X86_NO_REG, X86_REG_RIP; scale 1, 2, 4, 8. VSIB: index is
                              a vector register */
    u8 vvvv;               /* VEX/EVEX.vvvv register, 0 when there is none */
    u8 vl;                 /* vector length in bytes: 16, 32, 64; 0 when there is none */
    u8 aaa;                /* EVEX opmask register */
    u8 ll;                 /* EVEX.L'L raw (rounding mode when EVEX_B and a register form) */
    u8 map, opcode,
        modrm; /* map 0: one-byte, 1: 0F, 2: 0F38, 3: 0F3A, 5, 6: EVEX maps; 15: 3DNow! */
    u8 off_opcode, off_modrm, off_disp, off_imm; /* byte offsets in the encoding, 0 when absent */
    u16 at; /* for an engine: where it lies in its page; 0 from the decoder */
};
_Static_assert(sizeof(struct x86_insn) == 64, "an instruction is one cache line");

/* How an operand is encoded (letters as in SDM2 appendix A). */
enum x86_opnd_kind {
    X86_OPND_NONE,
    X86_OPND_E,    /* general register or memory by ModRM.rm */
    X86_OPND_G,    /* general register by ModRM.reg */
    X86_OPND_R,    /* general register by ModRM.rm, never memory */
    X86_OPND_M,    /* memory by ModRM.rm, never a register */
    X86_OPND_B,    /* general register by VEX.vvvv */
    X86_OPND_Z,    /* general register by the low three bits of the opcode (+REX.B); in insn->rm */
    X86_OPND_FIX,  /* a fixed register or the constant 1: opnd.reg says which (enum x86_fixed) */
    X86_OPND_I,    /* immediate insn->imm */
    X86_OPND_I2,   /* second immediate insn->imm2 */
    X86_OPND_J,    /* relative branch target: next rip + insn->imm */
    X86_OPND_A,    /* far pointer imm2:imm */
    X86_OPND_O,    /* memory at absolute offset insn->imm */
    X86_OPND_X,    /* memory at seg:rSI */
    X86_OPND_Y,    /* memory at ES:rDI */
    X86_OPND_XLAT, /* memory at seg:rBX+AL */
    X86_OPND_MDI,  /* memory at seg:rDI (MASKMOVQ, MASKMOVDQU) */
    X86_OPND_S,    /* segment register by ModRM.reg */
    X86_OPND_C,    /* control register by ModRM.reg */
    X86_OPND_D,    /* debug register by ModRM.reg */
    X86_OPND_V,    /* vector register by ModRM.reg */
    X86_OPND_W,    /* vector register or memory by ModRM.rm */
    X86_OPND_U,    /* vector register by ModRM.rm */
    X86_OPND_H,    /* vector register by VEX.vvvv */
    X86_OPND_L,    /* vector register by imm8[7:4] */
    X86_OPND_VM,   /* memory with a vector index (VSIB) */
    X86_OPND_P,    /* MMX register by ModRM.reg */
    X86_OPND_Q,    /* MMX register or memory by ModRM.rm */
    X86_OPND_N,    /* MMX register by ModRM.rm */
    X86_OPND_ST,   /* ST(i) by ModRM.rm; FIX gives ST(0) */
    X86_OPND_KG,
    X86_OPND_KE,
    X86_OPND_KR,
    X86_OPND_KH, /* opmask by reg, rm or memory, rm, vvvv */
};

enum x86_fixed {
    X86_FIX_AX, /* AL/AX/EAX/RAX by the operand's size */
    X86_FIX_CX,
    X86_FIX_DX,
    X86_FIX_BX,
    X86_FIX_SP,
    X86_FIX_BP,
    X86_FIX_SI,
    X86_FIX_DI,
    X86_FIX_ES,
    X86_FIX_CS,
    X86_FIX_SS,
    X86_FIX_DS,
    X86_FIX_FS,
    X86_FIX_GS,
    X86_FIX_ONE,
    X86_FIX_ST0,
    X86_FIX_XMM0,
};

/* Operand sizes. */
enum x86_opnd_size {
    X86_SZ_NONE,
    X86_SZ_B,
    X86_SZ_W,
    X86_SZ_D,
    X86_SZ_Q, /* 1, 2, 4, 8 bytes */
    X86_SZ_V, /* 2, 4, 8 by operand size */
    X86_SZ_Z, /* 2, 4 (4 also for 64-bit operand size) */
    X86_SZ_Y, /* 4, 8 */
    X86_SZ_P, /* far pointer: 2 + operand size */
    X86_SZ_S, /* descriptor-table register: 6 or 10 */
    X86_SZ_A, /* BOUND: two of operand size */
    X86_SZ_T, /* 10: x87 extended or packed BCD */
    X86_SZ_DQ,
    X86_SZ_QQ,
    X86_SZ_OO, /* 16, 32, 64 */
    X86_SZ_X,  /* the vector length */
    X86_SZ_HX,
    X86_SZ_QX,
    X86_SZ_EX,    /* half, quarter, eighth of it */
    X86_SZ_ENV,   /* x87 environment: 14 or 28 */
    X86_SZ_FSAVE, /* 94 or 108 */
    X86_SZ_FX,    /* 512 */
    X86_SZ_XSAVE, /* by XCR0 */
    X86_SZ_ADDR,  /* a register of the address size */
    X86_SZ_ANY,   /* no access of defined size: LEA, INVLPG, prefetch, NOP Ev */
};

enum { X86_RD = 1, X86_WR = 2, X86_RW = 3 };

/* With merge-masking (aaa, no zeroing) a written operand is read too. */
struct x86_opnd {
    u8 kind, size, reg, access;
};
enum { X86_OPND_MAX = 5 };

/* What the translator may do with an instruction. */
enum x86_class {
    X86_CLASS_COPY,      /* runs verbatim on the host (memory operands rewritten) */
    X86_CLASS_CONTROL,   /* near control flow */
    X86_CLASS_SENSITIVE, /* shows or changes what belongs to the monitor: never native */
};

enum x86_form_flags {
    X86_F_PRIV = 1 << 0,     /* CPL 0 only */
    X86_F_LOCKABLE = 1 << 1, /* LOCK allowed with a memory destination */
    X86_F_NO64 = 1 << 2,
    X86_F_ONLY64 = 1 << 3,
    X86_F_DEF64 = 1 << 4,   /* operand size defaults to 64 in 64-bit mode (push, near call ...) */
    X86_F_FORCE64 = 1 << 5, /* 64 in 64-bit mode (AMD near branches: 16 with 66) */
    X86_F_BRANCH = 1 << 6,  /* may change rip */
    X86_F_IOPL = 1 << 7,    /* IOPL-sensitive */
    X86_F_ALIGN = 1 << 8,   /* memory operand must be aligned to its size: #GP */
    X86_F_REP = 1 << 9,     /* F3/F2 mean repetition */
    X86_F_END = 1 << 10,    /* ends a decoded block: changes mode, TLB, interruptibility */
    X86_F_BCST32 = 1 << 11,
    X86_F_BCST64 = 1 << 12, /* EVEX.b broadcast allowed */
    X86_F_BCST16 = 1 << 20,
    X86_F_ER = 1 << 13, /* EVEX static rounding */
    X86_F_SAE = 1 << 14,
    X86_F_MASK = 1 << 15,
    X86_F_MASKZ = 1 << 16,    /* EVEX opmask, zeroing allowed */
    X86_F_MASK_REQ = 1 << 17, /* aaa must not be 0 (gathers, scatters) */
    X86_F_PROT = 1 << 18,     /* #UD in real and virtual-8086 mode */
    X86_F_VL = 1 << 19,       /* needs AVX512VL too when the vector is shorter than 64 bytes */
};

struct x86_form {
    const char *name; /* mnemonic, lower case */
    const char *spec; /* specification key, e.g. "SDM2 ADD" */
    struct x86_opnd opnd[X86_OPND_MAX];
    u16 op;                /* enum x86_op */
    u16 feature, feature2; /* enum x86_feature: all that CPUID must show, 0: none */
    /* X86_CF ... (bits above 15 do not occur). A flag that may stay as it was (shift by a count of
     * 0, REP with a count of 0) is both written and read; one that is defined for some counts only
     * is both written and undefined. */
    u16 flags_read, flags_written, flags_undefined;
    u8 cls;            /* enum x86_class */
    u8 faults;         /* exception-class number of SDM2 2.4 and 2.8 (0 none, 1..13, EVEX: |0x80) */
    u32 flags;         /* enum x86_form_flags */
    const char *names; /* "cbw,cwde,cdqe": text by operand size, jCXZ by address size; or NULL */
};
extern const struct x86_form x86_forms[];

/* Vendors differ in a few encodings: operand-size prefix on near branches, legacy SYSENTER in
 * 64-bit mode, 3DNow!, LZCNT as BSR ... */
enum x86_vendor { X86_VENDOR_INTEL, X86_VENDOR_AMD };

struct x86_decode_config {
    u8 mode;   /* enum x86_mode */
    u8 vendor; /* enum x86_vendor */
};

enum x86_decode_result {
    X86_DECODE_OK = 0,
    X86_DECODE_UD = -1,   /* invalid encoding; insn->len is the number of bytes consumed */
    X86_DECODE_MORE = -2, /* ran out of bytes: n < 15 and the instruction goes on */
    X86_DECODE_LONG = -3, /* longer than 15 bytes: #GP */
};

/* Decodes one instruction from code[0..n), n <= 15. CPUID features are not looked at here: the
 * caller compares x86_forms[insn->form].feature with the machine's CPU model. */
int x86_decode(struct x86_insn *insn, const u8 *code, unsigned n, struct x86_decode_config cfg);

/* Writes Intel-syntax text ("add eax, dword ptr [rbx+0x8]") for an instruction located at rip;
 * returns the length without the terminator. */
size_t x86_describe(char *dst, size_t size, const struct x86_insn *insn, u64 rip);

/* Size in bytes of operand n of this decoded instruction (0 for X86_SZ_ANY and none). */
unsigned x86_opnd_bytes(const struct x86_insn *insn, unsigned n);

#endif
