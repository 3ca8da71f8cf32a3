/* SPDX-License-Identifier: BSD-2-Clause */
/* What running an instruction takes beyond its operands: which control bits, alignment, whether
 * x87 exceptions are waited for, and which elements of its memory operand a mask selects. */
#include "isa/x86/exec/vector.h"

/* Register files an instruction names. */
enum { FILE_VECTOR = 1, FILE_MMX = 2, FILE_OPMASK = 4 };

static unsigned register_files(const struct x86_form *f)
{
    unsigned files = 0;
    for (int n = 0; n < X86_OPND_MAX; n++) {
        switch (f->opnd[n].kind) {
        case X86_OPND_V:
        case X86_OPND_W:
        case X86_OPND_U:
        case X86_OPND_H:
        case X86_OPND_L:
        case X86_OPND_VM: files |= FILE_VECTOR; break;
        case X86_OPND_P:
        case X86_OPND_Q:
        case X86_OPND_N: files |= FILE_MMX; break;
        case X86_OPND_KG:
        case X86_OPND_KE:
        case X86_OPND_KR:
        case X86_OPND_KH: files |= FILE_OPMASK; break;
        default: break;
        }
    }
    return files;
}

static u8 gate_of(const struct x86_insn *insn, unsigned files)
{
    if (insn->map == 0)
        return X86_GATE_X87;
    if ((insn->flags & X86_I_EVEX) || (files & FILE_OPMASK))
        return X86_GATE_EVEX;
    if (insn->flags & X86_I_VEX)
        return X86_GATE_VEX;
    return files & FILE_VECTOR ? X86_GATE_SSE : X86_GATE_MMX;
}

static u16 x87_flags(const struct x86_insn *insn, u8 access)
{
    switch (insn->op) {
    case X86_OP_FNINIT: return X86_STUB_INIT;
    case X86_OP_FNSTCW:
    case X86_OP_FNSTSW:
    case X86_OP_FNCLEX:
    case X86_OP_FNENI:
    case X86_OP_FNDISI:
    case X86_OP_FNSETPM: return 0;
    case X86_OP_FLDCW: return X86_STUB_WAIT;
    default: return X86_STUB_WAIT | X86_STUB_X87 | (access & X86_WR ? X86_STUB_UNDO : 0);
    }
}

static bool starts(const char *s, const char *prefix)
{
    while (*prefix)
        if (*s++ != *prefix++)
            return false;
    return true;
}

static bool ends(const char *s, const char *suffix)
{
    size_t n = str_length(s), m = str_length(suffix);
    return n >= m && str_equal(s + n - m, suffix);
}

/* EVEX instructions whose elements of source and destination do not correspond: they read their
 * whole operand whatever the mask says [SDM2 2.8, types E4NF, E5NF, E6NF]. */
static bool reads_all(const struct x86_insn *insn, const char *name)
{
    static const char *const prefix[] = {
        "vpack",        "vpunpck",   "vunpck",   "vperm",        "vpshufb",  "vpshufd",
        "vpshufh",      "vpshufl",   "vshuf",    "valign",       "vpalignr", "vdbpsadbw",
        "vpmultishift", "vpmaddub",  "vpmaddwd", "vgf2p8affine", "vcvtne2",  "vmovddup",
        "vmovshdup",    "vmovsldup", "vinsert",  "vpconflict",
    };
    for (size_t n = 0; n < ARRAY_LEN(prefix); n++)
        if (starts(name, prefix[n]) && !starts(name, "vpshufbitqmb"))
            return true;
    /* Shifts by a count in memory: 128 bits of it, not a vector. */
    if (starts(name, "vpsll") || starts(name, "vpsrl") || starts(name, "vpsra")) {
        const struct x86_form *f = &x86_forms[insn->form];
        return f->opnd[2].kind == X86_OPND_W && f->opnd[2].size == X86_SZ_DQ &&
               !(f->flags & (X86_F_BCST32 | X86_F_BCST64)) && !ends(name, "vw");
    }
    return false;
}

/* Bytes of one element in memory, by the mnemonic's ending. */
static unsigned named_element(const char *name)
{
    size_t n = str_length(name);
    if (ends(name, "x2") || ends(name, "x4") || ends(name, "x8"))
        n -= 2;
    char last = name[n - 1], before = name[n - 2];

    if (starts(name, "vpmovzx") || starts(name, "vpmovsx"))
        last = before, before = 0; /* "bw": from bytes */
    if (starts(name, "vcvtph2ps") || starts(name, "vcvtps2ph"))
        return 2;
    switch (last) {
    case 'b':
    case '8': return 1;
    case 'w':
    case '6': return 2;
    case 's':
    case '2': return 4;
    case 'q':
    case '4': return 8;
    default:
        return starts(name, "vp") || starts(name, "vmovd") ? 4 : 8; /* integer d, or pd and sd */
    }
}

static void classify_sparse(struct x86_stub *st, const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    const char *name = f->name;
    bool masked = (insn->flags & X86_I_EVEX) && insn->aaa && (f->flags & X86_F_MASK);
    bool by_vector = starts(name, "vmaskmovp") || starts(name, "vpmaskmov");

    if (st->flags & X86_STUB_MDI) {
        st->flags |= X86_STUB_SPARSE;
        st->element = 1;
        return;
    }
    if (!by_vector && (!masked || reads_all(insn, name)))
        return;
    st->flags |= X86_STUB_SPARSE;
    if (starts(name, "vcompress") || starts(name, "vpcompress") || starts(name, "vexpand") ||
        starts(name, "vpexpand"))
        st->flags |= X86_STUB_PACKED;
    if (starts(name, "vbroadcast") || starts(name, "vpbroadcast") || (insn->flags & X86_I_EVEX_B))
        st->flags |= X86_STUB_SPREAD;
    if (starts(name, "vextract"))
        st->flags |= X86_STUB_WHOLE; /* type E6NF, yet only selected elements are written */
    if (insn->flags & X86_I_EVEX_B)
        st->element = (u8)st->bytes;
    else if (f->flags & X86_F_BCST32)
        st->element = 4;
    else if (f->flags & X86_F_BCST64)
        st->element = 8;
    else if (!(st->flags & X86_STUB_PACKED) && (ends(name, "ss") || ends(name, "sd")))
        st->element = (u8)st->bytes; /* scalar */
    else
        st->element = (u8)named_element(name);
    if (st->element > st->bytes)
        st->element = (u8)st->bytes;
}

void x86_vector_classify(struct x86_stub *st, const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    unsigned files = register_files(f);
    int m = x86_vector_memory_operand(insn);

    if (m >= 0) {
        st->bytes = (u16)x86_opnd_bytes(insn, (unsigned)m);
        if ((insn->flags & X86_I_EVEX) && (insn->flags & X86_I_EVEX_B))
            st->bytes = f->flags & X86_F_BCST32 ? 4 : 8;
        st->access = f->opnd[m].access;
        if (f->flags & X86_F_ALIGN)
            st->align = (u8)(st->bytes - 1);
        if (f->opnd[m].kind == X86_OPND_MDI) {
            st->flags |= X86_STUB_MDI;
            st->access = X86_WR;
        }
    }
    st->gate = gate_of(insn, files);
    if (st->gate == X86_GATE_X87) {
        st->flags |= x87_flags(insn, st->access);
        return;
    }
    if ((files & FILE_MMX) || st->gate == X86_GATE_MMX)
        st->flags |= X86_STUB_WAIT | (st->access & X86_WR ? X86_STUB_UNDO : 0);
    unsigned type = f->faults & 0x7f;
    bool suppressed = (insn->flags & X86_I_EVEX_B) && !(insn->flags & X86_I_MEM); /* {sae}, {er} */
    if (suppressed)
        type = 0;
    if (type == 2 || type == 3 || type == 11 || (files == (FILE_MMX | FILE_VECTOR)))
        st->flags |= X86_STUB_SIMD | (st->access & X86_WR ? X86_STUB_UNDO : 0);
    if (m >= 0)
        classify_sparse(st, insn);
}
