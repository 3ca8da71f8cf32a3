/* SPDX-License-Identifier: BSD-2-Clause */
/* Our decoder beside Zydis: validity, length, mnemonic, operands, address and operand size. */
#include "compare_zydis.h"
#include "decode_exceptions.h"
#include "isa/x86/state.h"
#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long compared, both_invalid, excused[64], unexplained;
static unsigned forms_seen;

/* One kind of difference, with its first examples. */
struct kind {
    char key[96];
    unsigned long count;
    u8 code[3][15], mode[3], vendor[3];
};
static struct kind kinds[4096];
static unsigned kind_count;

static void note(const char *key, const u8 *code, enum x86_mode mode, enum x86_vendor vendor)
{
    unexplained++;
    unsigned i = 0;
    while (i < kind_count && strcmp(kinds[i].key, key) != 0)
        i++;
    if (i == ARRAY_LEN(kinds))
        return;
    if (i == kind_count)
        snprintf(kinds[kind_count++].key, sizeof kinds[i].key, "%s", key);
    struct kind *k = &kinds[i];
    if (k->count < 3) {
        memcpy(k->code[k->count], code, 15);
        k->mode[k->count] = (u8)mode;
        k->vendor[k->count] = (u8)vendor;
    }
    k->count++;
}

static ZydisDecoder *decoder_for(enum x86_mode mode, enum x86_vendor vendor)
{
    static ZydisDecoder dec[3][2];
    static bool made;
    if (!made) {
        static const ZydisMachineMode m[3] = {
            ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_MACHINE_MODE_LONG_64};
        static const ZydisStackWidth w[3] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
                                             ZYDIS_STACK_WIDTH_64};
        for (int i = 0; i < 6; i++) {
            ZydisDecoder *d = &dec[i / 2][i % 2];
            ZydisDecoderInit(d, m[i / 2], w[i / 2]);
            /* The hidden features: MPX and CET encodings are the hint NOPs they fall back to. */
            ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
            ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
            ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
            ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_TRUE);
            ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_AMD_BRANCHES,
                                   i % 2 == X86_VENDOR_AMD ? ZYAN_TRUE : ZYAN_FALSE);
        }
        made = true;
    }
    return &dec[mode == X86_MODE16 ? 0 : mode == X86_MODE32 ? 1 : 2][vendor];
}

/* ---- mnemonics ---- */

static const char cc[16][4] = {"o", "no", "b", "nb", "z", "nz", "be", "nbe",
                               "s", "ns", "p", "np", "l", "nl", "le", "nle"};

/* The name as Zydis spells it. */
static void our_name(char *dst, size_t size, const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    size_t n = strlen(f->name);
    if (insn->op == X86_OP_JCC || insn->op == X86_OP_SETCC || insn->op == X86_OP_CMOVCC) {
        snprintf(dst, size, "%.*s%s", (int)n - 2, f->name, cc[insn->opcode & 15]);
    } else if (f->names) {
        unsigned by = insn->op == X86_OP_JCXZ ? insn->asz : insn->osz;
        const char *p = f->names, *c;
        for (unsigned i = by == 8 ? 2 : by == 4 ? 1 : 0; i && (c = strchr(p, ',')) != NULL; i--)
            p = c + 1;
        snprintf(dst, size, "%.*s", (int)strcspn(p, ","), p);
    } else {
        snprintf(dst, size, "%s", f->name);
    }
}

/* ---- operands ---- */

static unsigned register_number(ZydisRegister r)
{
    if (r >= ZYDIS_REGISTER_AL && r <= ZYDIS_REGISTER_BH)
        return (unsigned)(r - ZYDIS_REGISTER_AL);
    if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B)
        return (unsigned)(r - ZYDIS_REGISTER_SPL) + 4;
    return (unsigned)(u8)ZydisRegisterGetId(r);
}

static unsigned our_base(ZydisRegister r)
{
    if (r == ZYDIS_REGISTER_NONE)
        return X86_NO_REG;
    if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
        return X86_REG_RIP;
    return register_number(r);
}

static const char *memory_differs(const struct x86_insn *insn, unsigned n,
                                  const ZydisDecodedOperand *z, ZydisMachineMode mode)
{
    const ZydisDecodedOperandMem *m = &z->mem;
    unsigned bytes = x86_opnd_bytes(insn, n);
    if (our_base(m->base) != insn->base)
        return "base";
    if (our_base(m->index) != insn->index)
        return "index";
    if (insn->index != X86_NO_REG && m->scale != insn->scale)
        return "scale";
    i64 disp = m->disp.has_displacement ? m->disp.value : 0;
    if ((insn->asz == 2 ? (i64)(i16)disp : (i64)(i32)disp) !=
        (insn->asz == 2 ? (i64)(i16)insn->disp : (i64)insn->disp))
        return "disp";
    /* LEA names no segment: Zydis drops the override. */
    if (insn->op != X86_OP_LEA && m->segment != ZYDIS_REGISTER_NONE &&
        register_number(m->segment) != insn->seg)
        return "segment";
    if (bytes && z->size && bytes * 8 != z->size)
        return "memory size";
    return NULL;
}

static const char *vector_differs(const struct x86_insn *insn, unsigned n, unsigned number,
                                  const ZydisDecodedOperand *z)
{
    unsigned bytes = x86_opnd_bytes(insn, n), width = bytes <= 16 ? 16 : bytes;
    ZydisRegisterClass c = ZydisRegisterGetClass(z->reg.value);
    if (c != (width == 16   ? ZYDIS_REGCLASS_XMM
              : width == 32 ? ZYDIS_REGCLASS_YMM
                            : ZYDIS_REGCLASS_ZMM))
        return "vector register class";
    return register_number(z->reg.value) == number ? NULL : "vector register number";
}

static const char *class_differs(unsigned number, const ZydisDecodedOperand *z,
                                 ZydisRegisterClass c)
{
    if (ZydisRegisterGetClass(z->reg.value) != c)
        return "register class";
    return register_number(z->reg.value) == number ? NULL : "register number";
}

static const char *gpr_differs(const struct x86_insn *insn, unsigned n, unsigned number,
                               const ZydisDecodedOperand *z, ZydisMachineMode mode)
{
    unsigned bytes = x86_opnd_bytes(insn, n);
    ZydisRegister r = z->reg.value;
    ZydisRegisterClass c = ZydisRegisterGetClass(r);
    if (c != ZYDIS_REGCLASS_GPR8 && c != ZYDIS_REGCLASS_GPR16 && c != ZYDIS_REGCLASS_GPR32 &&
        c != ZYDIS_REGCLASS_GPR64)
        return "not a general register";
    if (register_number(r) != number)
        return "register number";
    if (bytes == 1 && number >= 4 && number < 8 &&
        (insn->flags & X86_I_REX ? r <= ZYDIS_REGISTER_BH : r > ZYDIS_REGISTER_BH))
        return "high byte";
    if (bytes && bytes * 8 != ZydisRegisterGetWidth(mode, r))
        return "register width";
    return NULL;
}

static u64 offset_mask(const struct x86_insn *insn)
{
    return insn->asz == 8 ? ~(u64)0 : ((u64)1 << insn->asz * 8) - 1;
}

static const char *operand_differs(const struct x86_insn *insn, unsigned n,
                                   const ZydisDecodedOperand *z, ZydisMachineMode mode)
{
    const struct x86_opnd *o = &x86_forms[insn->form].opnd[n];
    unsigned bytes = x86_opnd_bytes(insn, n);
    bool mem = false;
    switch (o->kind) {
    case X86_OPND_E:
    case X86_OPND_W:
    case X86_OPND_Q:
    case X86_OPND_KE: mem = insn->mod != 3; break;
    case X86_OPND_M:
    case X86_OPND_VM:
    case X86_OPND_O: mem = true; break;
    }
    if (mem != (z->type == ZYDIS_OPERAND_TYPE_MEMORY))
        return "memory or not";
    if (o->kind == X86_OPND_O)
        return ((u64)z->mem.disp.value & offset_mask(insn)) == insn->imm &&
                       register_number(z->mem.segment) == insn->seg
                   ? NULL
                   : "moffs";
    if (mem)
        return memory_differs(insn, n, z, mode);
    switch (o->kind) {
    case X86_OPND_I:
    case X86_OPND_J:
    case X86_OPND_I2: {
        if (z->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
            return "not an immediate";
        u64 a = o->kind == X86_OPND_I2 ? insn->imm2 : insn->imm, b = z->imm.value.u;
        u64 m = z->size >= 64 ? ~(u64)0 : ((u64)1 << z->size) - 1;
        if (o->kind == X86_OPND_J)
            m = ~(u64)0;
        return (a & m) == (b & m) ? NULL : "immediate";
    }
    case X86_OPND_A:
        return z->type == ZYDIS_OPERAND_TYPE_POINTER && z->ptr.segment == insn->imm2 &&
                       z->ptr.offset == insn->imm
                   ? NULL
                   : "far pointer";
    }
    if (z->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return "not a register";
    switch (o->kind) {
    case X86_OPND_E:
    case X86_OPND_R:
    case X86_OPND_Z: return gpr_differs(insn, n, insn->rm, z, mode);
    case X86_OPND_G: return gpr_differs(insn, n, insn->reg, z, mode);
    case X86_OPND_B: return gpr_differs(insn, n, insn->vvvv, z, mode);
    case X86_OPND_V: return vector_differs(insn, n, insn->reg, z);
    case X86_OPND_W:
    case X86_OPND_U: return vector_differs(insn, n, insn->rm, z);
    case X86_OPND_H: return vector_differs(insn, n, insn->vvvv, z);
    case X86_OPND_L:
        return vector_differs(insn, n, insn->imm >> 4 & (insn->mode == X86_MODE64 ? 15 : 7), z);
    case X86_OPND_P: return class_differs(insn->reg & 7, z, ZYDIS_REGCLASS_MMX);
    case X86_OPND_Q:
    case X86_OPND_N: return class_differs(insn->rm & 7, z, ZYDIS_REGCLASS_MMX);
    case X86_OPND_ST: return class_differs(insn->rm & 7, z, ZYDIS_REGCLASS_X87);
    case X86_OPND_S: return class_differs(insn->reg & 7, z, ZYDIS_REGCLASS_SEGMENT);
    case X86_OPND_C: return class_differs(insn->reg, z, ZYDIS_REGCLASS_CONTROL);
    case X86_OPND_D: return class_differs(insn->reg, z, ZYDIS_REGCLASS_DEBUG);
    case X86_OPND_KG: return class_differs(insn->reg, z, ZYDIS_REGCLASS_MASK);
    case X86_OPND_KE:
    case X86_OPND_KR: return class_differs(insn->rm & 7, z, ZYDIS_REGCLASS_MASK);
    case X86_OPND_KH: return class_differs(insn->vvvv, z, ZYDIS_REGCLASS_MASK);
    }
    (void)bytes;
    return "unknown operand kind";
}

/* Operands without a place in the encoding; Zydis shows some of them, as it likes. */
static bool fixed_operand(unsigned kind)
{
    return kind == X86_OPND_FIX || kind == X86_OPND_X || kind == X86_OPND_Y ||
           kind == X86_OPND_XLAT || kind == X86_OPND_MDI;
}

static const char *operands_differ(const struct x86_insn *insn, const ZydisDecodedInstruction *zi,
                                   const ZydisDecodedOperand *zo)
{
    const struct x86_form *f = &x86_forms[insn->form];
    unsigned k = 0;
    /* Hint NOPs have no operands that matter; Zydis shows what an assembler would take. */
    if (insn->op == X86_OP_NOP && insn->mod == 3)
        return NULL;
    for (unsigned n = 0; n < X86_OPND_MAX && f->opnd[n].kind != X86_OPND_NONE; n++) {
        if (f->opnd[n].kind == X86_OPND_X || f->opnd[n].kind == X86_OPND_XLAT ||
            f->opnd[n].kind == X86_OPND_MDI) {
            for (unsigned i = 0; i < zi->operand_count; i++)
                if (zo[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
                    zo[i].mem.segment != ZYDIS_REGISTER_ES &&
                    register_number(zo[i].mem.segment) != insn->seg)
                    return "source segment";
        }
        if (fixed_operand(f->opnd[n].kind))
            continue;
        for (;; k++) {
            if (k == zi->operand_count)
                return "operand count";
            if (zo[k].visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
                continue;
            if (zo[k].encoding != ZYDIS_OPERAND_ENCODING_MASK)
                break;
            if (register_number(zo[k].reg.value) != insn->aaa)
                return "mask register";
        }
        const char *why = operand_differs(insn, n, &zo[k], zi->machine_mode);
        if (why)
            return why;
        k++;
    }
    for (; k < zi->operand_count && insn->op != X86_OP_NOP; k++)
        if (zo[k].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT &&
            zo[k].encoding != ZYDIS_OPERAND_ENCODING_MASK)
            return "more operands";
    return NULL;
}

static bool has_vector_length(const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        if (f->opnd[n].size == X86_SZ_X)
            return true;
    return false;
}

static const char *differs(const struct x86_insn *insn, const ZydisDecodedInstruction *zi,
                           const ZydisDecodedOperand *zo)
{
    if (insn->len != zi->length)
        return "length";
    if (insn->asz * 8 != zi->address_width)
        return "address size";
    bool evex = insn->flags & X86_I_EVEX;
    if (evex != (zi->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX))
        return "encoding";
    if (has_vector_length(insn) && insn->vl * 8 != zi->avx.vector_length)
        return "vector length";
    bool to_mask = x86_forms[insn->form].opnd[0].kind == X86_OPND_KG;
    if (evex && !to_mask &&
        (!!(insn->flags & X86_I_EVEX_Z)) != (zi->avx.mask.mode == ZYDIS_MASK_MODE_ZEROING ||
                                             zi->avx.mask.mode == ZYDIS_MASK_MODE_CONTROL_ZEROING))
        return "zeroing";
    return operands_differ(insn, zi, zo);
}

/* What the table says beside the encoding: flags and the access of each operand. */
static const char *table_differs(const struct x86_insn *insn, const ZydisDecodedInstruction *zi,
                                 const ZydisDecodedOperand *zo)
{
    const struct x86_form *f = &x86_forms[insn->form];
    static const ZydisAccessedFlags none;
    const ZydisAccessedFlags *zf = zi->cpu_flags ? zi->cpu_flags : &none;
    /* The monitor's own instructions are run by functions that know their flags. */
    if (f->cls != X86_CLASS_SENSITIVE) {
        unsigned changed =
            (zf->modified | zf->set_0 | zf->set_1 | zf->undefined) & X86_STATUS_FLAGS;
        unsigned ours = (f->flags_written | f->flags_undefined) & X86_STATUS_FLAGS;
        if (zf->tested & X86_STATUS_FLAGS & ~(unsigned)f->flags_read)
            return "flags read";
        if (changed & ~ours)
            return "flags written";
        /* Zydis forgets those that are cleared: PTEST and its like, MCOMMIT. */
        if (ours & ~changed && !(changed & X86_ZF))
            return "flags not written";
    }
    unsigned k = 0;
    for (unsigned n = 0; n < X86_OPND_MAX && f->opnd[n].kind != X86_OPND_NONE; n++) {
        if (fixed_operand(f->opnd[n].kind))
            continue;
        while (k < zi->operand_count && (zo[k].visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT ||
                                         zo[k].encoding == ZYDIS_OPERAND_ENCODING_MASK))
            k++;
        if (k == zi->operand_count)
            break;
        unsigned a = zo[k].actions, access = (a & ZYDIS_OPERAND_ACTION_MASK_READ ? X86_RD : 0) |
                                             (a & ZYDIS_OPERAND_ACTION_MASK_WRITE ? X86_WR : 0);
        /* Merging is not in the table; 3DNow! is imprecise in Zydis; FFREE changes a tag. */
        if (insn->aaa && n == 0)
            access &= ~(unsigned)X86_RD;
        bool imprecise = f->opnd[n].size == X86_SZ_ANY || insn->map == 15 ||
                         insn->op == X86_OP_FFREE || insn->op == X86_OP_FFREEP;
        if (access & ~(unsigned)f->opnd[n].access && !imprecise)
            return "access";
        k++;
    }
    return NULL;
}

static bool same_name(const struct x86_insn *insn, ZydisMnemonic m)
{
    /* Most pairs come again and again. */
    static u8 known[X86_FORM_COUNT][ZYDIS_MNEMONIC_MAX_VALUE + 1];
    u8 *k = &known[insn->form][m];
    if (*k)
        return true;
    char name[32];
    our_name(name, sizeof name, insn);
    const char *theirs = ZydisMnemonicGetString(m);
    bool same = strcmp(name, theirs) == 0 || exception_name(name, theirs);
    /* Names that depend on more than the form are compared each time. */
    *k = same && !x86_forms[insn->form].names && !strstr(x86_forms[insn->form].name, "cc");
    return same;
}

/* Once a form is enough. */
static void check_table(const struct x86_insn *insn, const ZydisDecodedInstruction *zi,
                        const ZydisDecodedOperand *zo, const u8 *code, enum x86_vendor vendor)
{
    static bool seen[X86_FORM_COUNT];
    char key[96];
    if (seen[insn->form])
        return;
    seen[insn->form] = true;
    forms_seen++;
    const char *why = table_differs(insn, zi, zo);
    if (why) {
        snprintf(key, sizeof key, "%s: %s", x86_forms[insn->form].name, why);
        note(key, code, insn->mode, vendor);
    }
}

unsigned compare_one(const u8 *code, unsigned n, enum x86_mode mode, enum x86_vendor vendor)
{
    struct x86_insn insn;
    ZydisDecodedInstruction zi;
    ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT];
    int r = x86_decode(&insn, code, n, (struct x86_decode_config){(u8)mode, (u8)vendor});
    ZyanStatus zs = ZydisDecoderDecodeFull(decoder_for(mode, vendor), code, n, &zi, zo);
    bool ok = r == X86_DECODE_OK, zok = ZYAN_SUCCESS(zs);
    char key[96], name[32];
    compared++;
    if (!ok && !zok) {
        both_invalid++;
        return 0;
    }
    if (ok && zok) {
        const char *why = differs(&insn, &zi, zo);
        bool same = same_name(&insn, zi.mnemonic);
        if (!why && same) {
            check_table(&insn, &zi, zo, code, vendor);
            return insn.len;
        }
        our_name(name, sizeof name, &insn);
        snprintf(key, sizeof key, "%s: ours %s, Zydis %s", why ? why : "name", name,
                 ZydisMnemonicGetString(zi.mnemonic));
    } else if (ok) {
        our_name(name, sizeof name, &insn);
        snprintf(key, sizeof key, "ours %s, Zydis status %x", name, (unsigned)ZYAN_STATUS_CODE(zs));
    } else {
        snprintf(key, sizeof key, "ours %d, Zydis %s %s", r, ZydisMnemonicGetString(zi.mnemonic),
                 ZydisISASetGetString(zi.meta.isa_set));
    }
    int e = exception_find(ok ? &insn : NULL, zok ? &zi : NULL, zo, zs, code, mode, vendor);
    if (e >= 0)
        excused[e]++;
    else
        note(key, code, mode, vendor);
    return ok ? insn.len : 0;
}

static int by_count(const void *a, const void *b)
{
    const struct kind *x = a, *y = b;
    return x->count < y->count ? 1 : x->count > y->count ? -1 : strcmp(x->key, y->key);
}

unsigned long compare_report(const char *title)
{
    printf("%s: %lu compared, %lu invalid for both, %u of %u forms seen, %lu unexplained\n", title,
           compared, both_invalid, forms_seen, X86_FORM_COUNT - 1, unexplained);
    for (unsigned i = 0; i < exception_count; i++)
        if (excused[i])
            printf("  excused %9lu: %s\n", excused[i], exceptions[i].reason);
    qsort(kinds, kind_count, sizeof kinds[0], by_count);
    for (unsigned i = 0; i < kind_count && i < 100; i++) {
        printf("  %9lu %-60s", kinds[i].count, kinds[i].key);
        for (unsigned k = 0; k < 2 && k < kinds[i].count; k++) {
            printf("  %u%s:", kinds[i].mode[k] * 8u, kinds[i].vendor[k] ? "a" : "i");
            for (unsigned b = 0; b < 15; b++)
                printf("%02x", kinds[i].code[k][b]);
        }
        printf("\n");
    }
    return unexplained;
}
