/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder: prefixes, opcode, ModRM and SIB, displacement, immediate. Which form an opcode
 * selects, and what that form accepts, are tables made from insn*.tab (gen_insn.py). */
#include "base/bits.h"
#include "isa/x86/insn.h"
#include "isa/x86/state.h"

/* How a form's immediate is encoded (IMM_RULES of gen_insn.py). */
enum imm_rule {
    IMM_NONE,
    IMM_U8,
    IMM_S8,
    IMM_U16,
    IMM_Z,
    IMM_V,
    IMM_FAR,
    IMM_MOFFS,
    IMM_U16_U8,
    IMM_U8_U8,
};

/* How a form's operand size follows from mode and prefixes. */
enum osz_rule {
    OSZ_NORMAL,
    OSZ_BYTE,
    OSZ_DEF64,  /* 64-bit mode: 8, or 2 with a 66 prefix */
    OSZ_NEAR,   /* 64-bit mode: 8; AMD: 2 with a 66 prefix */
    OSZ_FAR,    /* AMD ignores REX.W */
    OSZ_Z,      /* 4 at most */
    OSZ_CR,     /* 8 in 64-bit mode, else 4 */
    OSZ_CRN,    /* 8 in 64-bit mode, else by prefix */
    OSZ_VECTOR, /* 66 is part of the opcode */
    OSZ_RULES
};

/* What a form accepts beside its opcode. */
enum {
    CODE_UNDEFINED = 1u << 0,
    CODE_LOCK = 1u << 1,   /* LOCK with a memory operand */
    CODE_Z = 1u << 2,      /* register in the low bits of the opcode */
    CODE_SEGSRC = 1u << 3, /* memory operand without ModRM, in DS or the override's segment */
    CODE_NOV = 1u << 4,    /* vvvv must be 1111b */
    CODE_VSIB = 1u << 5,
    CODE_MASK = 1u << 6,
    CODE_MASKZ = 1u << 7,
    CODE_MASKREQ = 1u << 8,
    CODE_ZREG = 1u << 9, /* zeroing only into a register */
    CODE_BC32 = 1u << 10,
    CODE_BC64 = 1u << 11,
    CODE_BC16 = 1u << 27,
    CODE_RC = 1u << 12,
    CODE_LIG = 1u << 13,
    CODE_PFX_F3 = 1u << 14,
    CODE_PFX_F2 = 1u << 15, /* part of the opcode */
    CODE_KREG = 1u << 16,
    CODE_KVVVV = 1u << 17, /* opmask in ModRM.reg, in vvvv */
    CODE_SREG = 1u << 18,
    CODE_SREGW = 1u << 19,
    CODE_CR = 1u << 20,
    CODE_DR = 1u << 21,
    CODE_DISTINCT = 1u << 22, /* destination, index and mask of a gather must differ */
    CODE_VECTOR = 1u << 23,   /* has vector operands */
    CODE_VREG = 1u << 24,
    CODE_VRM = 1u << 25,     /* ModRM.reg, ModRM.rm is a vector register */
    CODE_VVVVGPR = 1u << 26, /* vvvv is a general register */
    CODE_APART = 1u << 28,   /* destination must not be a source */
    CODE_REGCHECK = CODE_KREG | CODE_KVVVV | CODE_SREG | CODE_SREGW | CODE_CR | CODE_DR,
};

struct form_code {
    u32 flags;
    u16 op;
    u8 imm;   /* enum imm_rule */
    u8 osz;   /* enum osz_rule */
    u8 scale; /* log2 of disp8*N; 0x10 + k: vector length >> k; 0x20: 4 or 8 by operand size */
};

/* Tables of opcodes, in the generator's order. */
enum space { SPACE_LEGACY, SPACE_3DNOW = 4, SPACE_VEX = 5, SPACE_EVEX = 8, SPACE_EVEX5 = 11 };

/* The rest of a shape is the imm_rule of the opcode's undefined encodings. */
enum { SHAPE_MODRM = 1, SHAPE_MOD3 = 2 /* mod is ignored */, SHAPE_VSIB = 4, SHAPE_IMM_SHIFT = 4 };

#include "isa/x86/decode.gen.h"

enum prefix_class { PFX_NONE, PFX_SEG, PFX_66, PFX_67, PFX_LOCK, PFX_F3, PFX_F2, PFX_REX };
static const u8 prefix_class[256] = {
    [0x26] = PFX_SEG, [0x2e] = PFX_SEG, [0x36] = PFX_SEG, [0x3e] = PFX_SEG,  [0x64] = PFX_SEG,
    [0x65] = PFX_SEG, [0x66] = PFX_66,  [0x67] = PFX_67,  [0xf0] = PFX_LOCK, [0xf2] = PFX_F2,
    [0xf3] = PFX_F3,  [0x40] = PFX_REX, [0x41] = PFX_REX, [0x42] = PFX_REX,  [0x43] = PFX_REX,
    [0x44] = PFX_REX, [0x45] = PFX_REX, [0x46] = PFX_REX, [0x47] = PFX_REX,  [0x48] = PFX_REX,
    [0x49] = PFX_REX, [0x4a] = PFX_REX, [0x4b] = PFX_REX, [0x4c] = PFX_REX,  [0x4d] = PFX_REX,
    [0x4e] = PFX_REX, [0x4f] = PFX_REX,
};

/* Registers of 16-bit addressing [SDM2 Table 2-1]. */
static const u8 base16[8] = {X86_RBX, X86_RBX, X86_RBP, X86_RBP,
                             X86_RSI, X86_RDI, X86_RBP, X86_RBX};
static const u8 index16[8] = {X86_RSI,    X86_RDI,    X86_RSI,    X86_RDI,
                              X86_NO_REG, X86_NO_REG, X86_NO_REG, X86_NO_REG};

/* The encoding's fields that several steps share. */
struct decoder {
    struct x86_insn *insn;
    const u8 *start, *p, *end;
    unsigned n;
    u32 flags; /* enum x86_insn_flags */
    u8 mode, amd;
    u8 seg; /* override, or X86_NO_REG */
    u8 pfx; /* mandatory prefix as the tables count: 0 none, 1 66, 2 F3, 3 F2 */
    u8 space, opcode;
    u8 r, x, b; /* register extensions: 0 or 8 */
    u8 r2, v2;  /* EVEX.R' and V': 0 or 16 */
    u8 w, l;
    u8 vvvv;  /* with V', not inverted any more */
    u8 p2;    /* EVEX: third payload byte */
    bool bad; /* undefined, but its length comes first: a sixteenth byte is #GP [SDM3 6.15] */
};

static int ran_out(const struct decoder *d)
{
    return d->n >= X86_MAX_INSN ? X86_DECODE_LONG : X86_DECODE_MORE;
}

static int undefined(struct decoder *d)
{
    d->insn->form = X86_FORM_UNDEFINED;
    d->insn->op = X86_OP_UNDEFINED;
    d->insn->len = (u8)(d->p - d->start);
    return X86_DECODE_UD;
}

static always_inline bool have(const struct decoder *d, unsigned n)
{
    return likely((size_t)(d->end - d->p) >= n);
}

/* One legacy prefix. Of F2 and F3 the last counts; ES, CS, SS and DS mean nothing in 64-bit mode
 * [SDM2 2.1.1, 2.2.1]. */
static always_inline void legacy_prefix(struct decoder *d, u8 byte, unsigned class)
{
    switch (class) {
    case PFX_SEG:
        if (byte >= 0x64)
            d->seg = (u8)(X86_FS + (byte & 1));
        else if (d->mode != X86_MODE64)
            d->seg = byte >> 3 & 3;
        break;
    case PFX_66: d->flags |= X86_I_66; break;
    case PFX_67: d->flags |= X86_I_67; break;
    case PFX_LOCK: d->flags |= X86_I_LOCK; break;
    case PFX_F3: d->flags = (d->flags & ~(u32)X86_I_REPNE) | X86_I_REP; break;
    default: d->flags = (d->flags & ~(u32)X86_I_REP) | X86_I_REPNE; break;
    }
}

/* VEX and EVEX name the mandatory prefix themselves: with one before them, LOCK or REX: #UD. */
static always_inline bool vex_allowed(const struct decoder *d, u8 rex)
{
    return !rex && !(d->flags & (X86_I_66 | X86_I_REP | X86_I_REPNE | X86_I_LOCK));
}

/* [SDM2 2.3.5]: payload after C4 or C5. d->p is past the C4/C5 byte. */
static int vex_prefix(struct decoder *d, bool three)
{
    u8 b1 = d->p[0], b2 = 0;
    if (three) {
        if (!have(d, 3))
            return ran_out(d);
        b2 = d->p[1];
        d->p += 2;
    } else {
        if (!have(d, 2))
            return ran_out(d);
        b2 = b1 & 0x7f;
        b1 = (b1 & 0x80) | 0x61; /* X and B absent, map 1 */
        d->p += 1;
    }
    unsigned map = b1 & 0x1f;
    d->flags |= X86_I_VEX;
    d->w = b2 >> 7;
    d->l = b2 >> 2 & 1;
    d->pfx = (u8[]){0, 1, 2, 3}[b2 & 3];
    d->vvvv = ~b2 >> 3 & 15;
    if (d->mode == X86_MODE64) {
        d->r = ~b1 >> 4 & 8;
        d->x = ~b1 >> 3 & 8;
        d->b = ~b1 >> 2 & 8;
    }
    d->opcode = *d->p++;
    if (map < 1 || map > 3) { /* with ModRM, as all of map 2 */
        d->bad = true;
        map = 2;
    }
    d->insn->map = (u8)map;
    d->space = (u8)(SPACE_VEX - 1 + map);
    return X86_DECODE_OK;
}

/* [SDM2 2.7.1]: payload after 62. */
static int evex_prefix(struct decoder *d)
{
    if (!have(d, 4))
        return ran_out(d);
    u8 p0 = d->p[0], p1 = d->p[1], p2 = d->p[2];
    d->p += 3;
    unsigned map = p0 & 7;
    d->flags |= X86_I_EVEX;
    d->w = p1 >> 7;
    d->l = p2 >> 5 & 3;
    d->pfx = p1 & 3;
    d->vvvv = ~p1 >> 3 & 15;
    d->p2 = p2;
    if (d->mode == X86_MODE64) {
        d->r = ~p0 >> 4 & 8;
        d->x = ~p0 >> 3 & 8;
        d->b = ~p0 >> 2 & 8;
        d->r2 = ~p0 & 16;
        d->v2 = p2 & 8 ? 0 : 16;
        d->vvvv |= d->v2;
    } else if (!(p2 & 8)) {
        d->bad = true;
    }
    d->opcode = *d->p++;
    if ((p0 & 8) || !(p1 & 4))
        d->bad = true;
    if (map < 1 || map == 4 || map == 7) {
        d->bad = true;
        map = 2;
    }
    d->insn->map = (u8)map;
    d->space = (u8)(map <= 3 ? SPACE_EVEX - 1 + map : SPACE_EVEX5 - 5 + map);
    return X86_DECODE_OK;
}

/* Prefixes and opcode. */
static always_inline int opcode(struct decoder *d)
{
    u8 byte, rex = 0;
    for (;;) {
        if (!have(d, 1))
            return ran_out(d);
        byte = *d->p++;
        unsigned class = prefix_class[byte];
        if (likely(class == PFX_NONE))
            break;
        if (class == PFX_REX) {
            if (d->mode != X86_MODE64)
                break;
            rex = byte;
        } else {
            rex = 0; /* REX counts only right before the opcode */
            legacy_prefix(d, byte, class);
        }
    }
    if (byte == 0xc4 || byte == 0xc5 || byte == 0x62) {
        if (!have(d, 1))
            return ran_out(d);
        /* Outside 64-bit mode LES, LDS and BOUND have a memory operand there. */
        if (d->mode == X86_MODE64 || *d->p >= 0xc0) {
            d->bad = !vex_allowed(d, rex);
            return byte == 0x62 ? evex_prefix(d) : vex_prefix(d, byte == 0xc4);
        }
    }
    if (rex) {
        d->flags |= X86_I_REX;
        d->w = rex >> 3 & 1;
        d->r = (u8)(rex << 1) & 8;
        d->x = (u8)(rex << 2) & 8;
        d->b = (u8)(rex << 3) & 8;
    }
    d->pfx = d->flags & X86_I_REPNE ? 3 : d->flags & X86_I_REP ? 2 : d->flags & X86_I_66 ? 1 : 0;
    if (byte == 0x0f) {
        if (!have(d, 1))
            return ran_out(d);
        byte = *d->p++;
        d->space = 1;
        if (byte == 0x38 || byte == 0x3a) {
            d->space = byte == 0x38 ? 2 : 3;
            if (!have(d, 1))
                return ran_out(d);
            byte = *d->p++;
        } else if (byte == 0x0f && d->amd) {
            d->space = SPACE_3DNOW;
        }
    }
    d->insn->map = d->space == SPACE_3DNOW ? 15 : d->space;
    d->opcode = byte;
    return X86_DECODE_OK;
}

/* Base, index and displacement of a memory operand. 0, or the result to return. */
static always_inline int memory_operand(struct decoder *d, unsigned shape)
{
    struct x86_insn *insn = d->insn;
    unsigned mod = insn->mod, rm = insn->modrm & 7, disp = mod == 2 ? 4 : mod;
    bool stack = false;
    insn->scale = 1;
    if (unlikely(insn->asz == 2)) {
        disp = mod == 0 && rm == 6 ? 2 : mod;
        insn->base = mod == 0 && rm == 6 ? X86_NO_REG : base16[rm];
        insn->index = index16[rm];
        stack = insn->base == X86_RBP;
        if (unlikely(shape & SHAPE_VSIB))
            d->bad = true;
    } else if (rm == 4) {
        if (!have(d, 1))
            return ran_out(d);
        unsigned sib = *d->p++;
        unsigned index = (sib >> 3 & 7) | d->x;
        insn->scale = (u8)(1u << (sib >> 6));
        if (unlikely(shape & SHAPE_VSIB))
            insn->index = (u8)(index | d->v2);
        else if (index != 4)
            insn->index = (u8)index;
        if ((sib & 7) == 5 && mod == 0) {
            disp = 4;
        } else {
            insn->base = (u8)((sib & 7) | d->b);
            stack = insn->base == X86_RSP || insn->base == X86_RBP;
        }
    } else {
        if (unlikely(shape & SHAPE_VSIB))
            d->bad = true;
        if (rm == 5 && mod == 0) {
            disp = 4;
            if (d->mode == X86_MODE64)
                insn->base = X86_REG_RIP;
        } else {
            insn->base = (u8)(rm | d->b);
            stack = insn->base == X86_RBP;
        }
    }
    insn->seg = d->seg != X86_NO_REG ? d->seg : stack ? X86_SS : X86_DS;
    if (disp) {
        if (!have(d, disp))
            return ran_out(d);
        insn->off_disp = (u8)(d->p - d->start);
        insn->disp = disp == 1 ? (i8)*d->p : disp == 2 ? (i16)load16(d->p) : (i32)load32(d->p);
        d->p += disp;
    }
    d->flags |= X86_I_MEM;
    return X86_DECODE_OK;
}

static always_inline int modrm(struct decoder *d, unsigned shape)
{
    struct x86_insn *insn = d->insn;
    if (!have(d, 1))
        return ran_out(d);
    insn->off_modrm = (u8)(d->p - d->start);
    u8 byte = *d->p++;
    insn->modrm = byte;
    insn->reg = (byte >> 3 & 7) | d->r;
    insn->mod = byte >> 6;
    d->flags |= X86_I_MODRM;
    if (byte >= 0xc0 || unlikely(shape & SHAPE_MOD3)) {
        insn->mod = 3;
        insn->rm = (byte & 7) | d->b;
        return X86_DECODE_OK;
    }
    return memory_operand(d, shape);
}

/* The form among those that share the opcode. */
static always_inline unsigned select_form(const struct decoder *d)
{
    unsigned next = roots[d->space][d->opcode];
    if (next & 0x8000) {
        const struct x86_insn *insn = d->insn;
        u32 q = d->mode == X86_MODE64;
        /* With static rounding or SAE, L'L is no vector length: 512 bits are implied. */
        u32 l = (d->flags & X86_I_EVEX) && (d->p2 & 0x10) && insn->mod == 3 ? 2 : d->l;
        u32 sel = (insn->modrm & 63u) << SEL_RM | (u32)(insn->mod == 3) << SEL_MOD3 |
                  (u32)d->pfx << SEL_PFX | (u32)d->w << SEL_W | l << SEL_L | q << SEL_M64 |
                  (u32)d->amd << SEL_AMD | (u32)(d->b >> 3) << SEL_REXB | (q & d->w) << SEL_Q;
        do {
            const u16 *node = &nodes[next & 0x7fff];
            next = node[1 + (sel >> (node[0] & 0xff) & (unsigned)node[0] >> 8)];
        } while (next & 0x8000);
    }
    return next;
}

/* Operand size by rule; within a row 16-, 32- and 64-bit mode, each without and with 66, then the
 * same with W, which only 64-bit mode has. */
#define SIZES_OUTSIDE_64 2, 4, 2, 4, 4, 2, 4, 2
static const u8 operand_sizes[2][OSZ_RULES][12] =
    {
        [X86_VENDOR_INTEL] =
            {
                [OSZ_NORMAL] = {SIZES_OUTSIDE_64, 4, 2, 8, 8},
                [OSZ_BYTE] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                [OSZ_DEF64] = {SIZES_OUTSIDE_64, 8, 2, 8, 8},
                [OSZ_NEAR] = {SIZES_OUTSIDE_64, 8, 8, 8, 8},
                [OSZ_FAR] = {SIZES_OUTSIDE_64, 4, 2, 8, 8},
                [OSZ_Z] = {SIZES_OUTSIDE_64, 4, 2, 4, 4},
                [OSZ_CR] = {4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8},
                [OSZ_CRN] = {SIZES_OUTSIDE_64, 8, 8, 8, 8},
                [OSZ_VECTOR] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8},
            },
        [X86_VENDOR_AMD] =
            {
                [OSZ_NORMAL] = {SIZES_OUTSIDE_64, 4, 2, 8, 8},
                [OSZ_BYTE] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                [OSZ_DEF64] = {SIZES_OUTSIDE_64, 8, 2, 8, 8},
                [OSZ_NEAR] = {SIZES_OUTSIDE_64, 8, 2, 8, 8},
                [OSZ_FAR] = {SIZES_OUTSIDE_64, 4, 2, 4, 2},
                [OSZ_Z] = {SIZES_OUTSIDE_64, 4, 2, 4, 4},
                [OSZ_CR] = {4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8},
                [OSZ_CRN] = {SIZES_OUTSIDE_64, 8, 8, 8, 8},
                [OSZ_VECTOR] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8},
            },
};

static always_inline unsigned operand_size(const struct decoder *d, unsigned rule)
{
    unsigned prefixes = (d->flags / X86_I_66 & 1) | (unsigned)d->w << 1;
    return operand_sizes[d->amd][rule][(d->mode & 12u) | prefixes];
}

static always_inline int immediate(struct decoder *d, unsigned rule)
{
    struct x86_insn *insn = d->insn;
    if (rule == IMM_NONE)
        return X86_DECODE_OK;
    unsigned z = insn->osz == 2 ? 2 : 4;
    static const u8 fixed[] = {
        [IMM_U8] = 1, [IMM_S8] = 1, [IMM_U16] = 2, [IMM_U16_U8] = 3, [IMM_U8_U8] = 2};
    unsigned size = rule == IMM_Z       ? z
                    : rule == IMM_V     ? insn->osz
                    : rule == IMM_FAR   ? z + 2
                    : rule == IMM_MOFFS ? insn->asz
                                        : fixed[rule];
    if (!have(d, size))
        return ran_out(d);
    const u8 *p = d->p;
    insn->off_imm = (u8)(p - d->start);
    d->p += size;
    switch (rule) {
    case IMM_U8: insn->imm = *p; break;
    case IMM_S8: insn->imm = (u64)(i64)(i8)*p; break;
    case IMM_U16: insn->imm = load16(p); break;
    case IMM_Z: insn->imm = z == 2 ? (u64)(i64)(i16)load16(p) : (u64)(i64)(i32)load32(p); break;
    case IMM_V:
    case IMM_MOFFS: insn->imm = size == 2 ? load16(p) : size == 4 ? load32(p) : load64(p); break;
    case IMM_FAR:
        insn->imm = z == 2 ? load16(p) : load32(p);
        insn->imm2 = load16(p + z);
        break;
    case IMM_U16_U8:
        insn->imm = load16(p);
        insn->imm2 = p[2];
        break;
    default:
        insn->imm = p[0];
        insn->imm2 = p[1];
        break;
    }
    return X86_DECODE_OK;
}

/* Registers that do not exist; with REX or EVEX extension the number may be too large. */
static bool registers_exist(const struct decoder *d, const struct form_code *c)
{
    const struct x86_insn *insn = d->insn;
    unsigned reg = insn->reg | d->r2;
    if (c->flags & CODE_KREG && reg > 7)
        return false;
    if (c->flags & CODE_KVVVV && d->mode == X86_MODE64 && d->vvvv > 7)
        return false;
    if (c->flags & (CODE_SREG | CODE_SREGW) && (reg & 7) > X86_GS)
        return false;
    if (c->flags & CODE_SREGW && (reg & 7) == X86_CS)
        return false;
    if (c->flags & CODE_CR && !(0x11d >> reg & 1))
        return false;
    return !(c->flags & CODE_DR && reg > 7);
}

/* Destination, index and (VEX) mask of a gather must be three registers [SDM2 2.3.12]. */
static bool gather_distinct(const struct x86_insn *insn, bool vex)
{
    if (insn->reg == insn->index)
        return false;
    return !vex || (insn->vvvv != insn->reg && insn->vvvv != insn->index);
}

/* What VEX and EVEX forms demand beside their opcode, and the fields only they have. */
static int vector_fields(struct decoder *d, const struct form_code *c)
{
    struct x86_insn *insn = d->insn;
    bool reg_form = insn->mod == 3;
    insn->vvvv = d->mode == X86_MODE64 ? d->vvvv : d->vvvv & 7; /* else the top bit is ignored */
    insn->ll = d->l;
    if (c->flags & CODE_VECTOR)
        insn->vl = c->flags & CODE_LIG ? 16 : (u8)(16u << (d->l & 3));
    if (d->flags & X86_I_EVEX) {
        bool bit_b = d->p2 & 0x10, bit_z = d->p2 & 0x80;
        insn->aaa = d->p2 & 7;
        if (c->flags & CODE_VREG)
            insn->reg |= d->r2;
        else if (d->r2 && !(c->flags & CODE_KREG))
            return undefined(d);
        if (reg_form && c->flags & CODE_VRM)
            insn->rm |= (u8)(d->x << 1);
        if (insn->aaa && !(c->flags & CODE_MASK))
            return undefined(d);
        if (!insn->aaa && c->flags & CODE_MASKREQ)
            return undefined(d);
        if (bit_z) {
            if (!insn->aaa || !(c->flags & CODE_MASKZ) || (c->flags & CODE_ZREG && !reg_form))
                return undefined(d);
            d->flags |= X86_I_EVEX_Z;
        }
        if (bit_b) {
            if (!(c->flags & (reg_form ? CODE_RC : CODE_BC16 | CODE_BC32 | CODE_BC64)))
                return undefined(d);
            d->flags |= X86_I_EVEX_B;
            if (reg_form && !(c->flags & CODE_LIG))
                insn->vl = 64;
        }
        if (insn->mod == 1) {
            unsigned scale = bit_b             ? (c->flags & CODE_BC64   ? 3
                                                  : c->flags & CODE_BC32 ? 2
                                                                         : 1)
                             : c->scale & 0x20 ? (insn->osz == 8 ? 3 : 2)
                             : c->scale & 0x10 ? (unsigned)__builtin_ctz(insn->vl) - (c->scale & 15)
                                               : c->scale;
            insn->disp = (i32)((u32)insn->disp << scale);
        }
    }
    if (c->flags & CODE_NOV && d->vvvv & (c->flags & CODE_VSIB ? 15 : 31))
        return undefined(d);
    if (c->flags & CODE_VVVVGPR && d->v2)
        return undefined(d);
    if (c->flags & CODE_DISTINCT && !gather_distinct(insn, d->flags & X86_I_VEX))
        return undefined(d);
    if (c->flags & CODE_APART && (insn->reg == insn->vvvv || (reg_form && insn->reg == insn->rm)))
        return undefined(d);
    return X86_DECODE_OK;
}

/* What makes the encoding undefined has been seen, its end not yet. */
static cold int undefined_to_the_end(struct decoder *d, unsigned form, unsigned shape)
{
    d->insn->osz = (u8)operand_size(d, codes[form].osz);
    int result =
        immediate(d, form != X86_FORM_UNDEFINED ? codes[form].imm : shape >> SHAPE_IMM_SHIFT);
    return result ? result : undefined(d);
}

/* Word by word: without vector registers the compiler makes a slow REP STOS of an assignment. */
static always_inline void clear(struct x86_insn *insn)
{
    u64 *word = (u64 *)(void *)insn;
    word[0] = word[1] = word[2] = word[3] = word[4] = word[5] = word[6] = word[7] = 0;
}

int x86_decode(struct x86_insn *insn, const u8 *code, unsigned n, struct x86_decode_config cfg)
{
    struct decoder d = {
        .insn = insn,
        .start = code,
        .p = code,
        .n = n,
        .end = code + (n < X86_MAX_INSN ? n : X86_MAX_INSN),
        .mode = cfg.mode,
        .amd = cfg.vendor == X86_VENDOR_AMD,
        .seg = X86_NO_REG,
    };
    clear(insn);
    insn->mode = cfg.mode;
    insn->base = insn->index = X86_NO_REG;
    int result = opcode(&d);
    if (unlikely(result))
        return result;
    insn->opcode = d.opcode;
    insn->off_opcode = (u8)(d.p - d.start - 1);
    insn->asz = cfg.mode;
    if (unlikely(d.flags & X86_I_67))
        insn->asz = cfg.mode == X86_MODE32 ? 2 : 4;

    unsigned shape = shapes[d.space][d.opcode];
    if (shape & SHAPE_MODRM) {
        result = modrm(&d, shape);
        if (unlikely(result))
            return result;
    }
    if (unlikely(d.space == SPACE_3DNOW)) {
        if (!have(&d, 1))
            return ran_out(&d);
        insn->opcode = d.opcode = *d.p++;
        insn->off_opcode = (u8)(d.p - d.start - 1);
    }

    unsigned form = select_form(&d);
    const struct form_code *c = &codes[form];
    if (unlikely(form == X86_FORM_UNDEFINED || d.bad))
        return undefined_to_the_end(&d, form, shape);
    insn->osz = (u8)operand_size(&d, c->osz);
    result = immediate(&d, c->imm);
    if (unlikely(result))
        return result;

    if (d.flags & (X86_I_LOCK | X86_I_REP | X86_I_REPNE)) {
        if (d.flags & X86_I_LOCK && c->flags & CODE_CR && d.amd && insn->reg == 0)
            insn->reg = 8; /* CR8 without REX [AMD2 3.1.5] */
        else if (d.flags & X86_I_LOCK && !(c->flags & CODE_LOCK && d.flags & X86_I_MEM))
            return undefined(&d);
        if (c->flags & CODE_PFX_F3)
            d.flags &= ~(u32)X86_I_REP;
        if (c->flags & CODE_PFX_F2)
            d.flags &= ~(u32)X86_I_REPNE;
    }
    if (c->flags & CODE_Z)
        insn->rm = (d.opcode & 7) | d.b;
    if (c->flags & CODE_SEGSRC)
        insn->seg = d.seg != X86_NO_REG ? d.seg : X86_DS;
    if (unlikely(c->flags & CODE_REGCHECK) && !registers_exist(&d, c))
        return undefined(&d);
    if (c->flags & (CODE_SREG | CODE_SREGW))
        insn->reg &= 7; /* REX.R is ignored */
    if (d.flags & (X86_I_VEX | X86_I_EVEX)) {
        result = vector_fields(&d, c);
        if (unlikely(result))
            return result;
    }
    if (d.seg != X86_NO_REG)
        d.flags |= X86_I_SEG;
    if (d.w)
        d.flags |= X86_I_W;
    insn->form = (u16)form;
    insn->op = c->op;
    insn->flags = (u16)d.flags;
    insn->len = (u8)(d.p - d.start);
    return X86_DECODE_OK;
}
