/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes instructions of a wanted form. The encodings are not written down a second time: every
 * combination of map, prefix, opcode and ModRM is shown to the decoder once, and the ones it takes
 * are templates of the form it says they are. A case varies a template's free bytes and its
 * prefixes; aim.c then chooses registers. */
#include <stdlib.h>
#include <string.h>

#include "native.h"

/* The fixed part of an encoding. */
struct template
{
    u8 kind;   /* enum template_kind */
    u8 prefix; /* 0, 66, F3, F2: legacy mandatory prefix, or pp */
    u8 map, opcode, modrm;
    u8 w, l;
    u8 b;    /* REX.B */
    u8 mask; /* EVEX: an opmask may be named */
};
enum template_kind { LEGACY, VEX, EVEX };
enum { TEMPLATES_MAX = 24 };

struct form_templates {
    unsigned count, seen;
    struct template t[TEMPLATES_MAX];
};
static struct form_templates *templates[3]; /* by mode, X86_FORM_COUNT each */

static unsigned mode_index(enum x86_mode mode)
{
    return mode == X86_MODE16 ? 0 : mode == X86_MODE32 ? 1 : 2;
}

int native_decode(struct x86_insn *insn, const u8 *code, enum x86_mode mode)
{
    static u32 vendor;
    if (!vendor)
        __asm__("cpuid" : "=b"(vendor) : "a"(0), "c"(0) : "edx");
    struct x86_decode_config config = {
        .mode = (u8)mode,
        .vendor = vendor == 0x68747541 /* "Auth" */ ? X86_VENDOR_AMD : X86_VENDOR_INTEL};
    return x86_decode(insn, code, X86_MAX_INSN, config);
}

/* --- Encoding --- */

struct variation {
    u8 legacy[6]; /* prefixes before everything */
    u8 legacy_count;
    u8 rex; /* R X B bits */
    u8 vvvv, aaa, z, b, r2, v2;
    u8 modrm, sib;
    u8 tail[12]; /* displacement and immediates */
};

static unsigned put_legacy(u8 *p, const struct template *t, const struct variation *v,
                           enum x86_mode mode)
{
    static const u8 mandatory[] = {0, 0x66, 0xf3, 0xf2};
    unsigned n = 0;
    if (t->prefix)
        p[n++] = mandatory[t->prefix];
    if (mode == X86_MODE64 && (t->w || t->b || v->rex))
        p[n++] = (u8)(0x40 | t->w << 3 | (v->rex & 7) | t->b);
    if (t->map) {
        p[n++] = 0x0f;
        if (t->map >= 2)
            p[n++] = t->map == 2 ? 0x38 : 0x3a;
    }
    p[n++] = t->opcode;
    return n;
}

static unsigned put_vex(u8 *p, const struct template *t, const struct variation *v)
{
    p[0] = 0xc4;
    p[1] = (u8)((~v->rex & 7) << 5 | t->map);
    p[2] = (u8)(t->w << 7 | (~v->vvvv & 15) << 3 | (t->l & 1) << 2 | t->prefix);
    p[3] = t->opcode;
    return 4;
}

static unsigned put_evex(u8 *p, const struct template *t, const struct variation *v)
{
    p[0] = 0x62;
    p[1] = (u8)((~v->rex & 7) << 5 | !v->r2 << 4 | t->map);
    p[2] = (u8)(t->w << 7 | (~v->vvvv & 15) << 3 | 4 | t->prefix);
    p[3] = (u8)(v->z << 7 | t->l << 5 | v->b << 4 | !v->v2 << 3 | v->aaa);
    p[4] = t->opcode;
    return 5;
}

/* 15 bytes of which the decoder takes what it needs. */
static void encode(u8 code[16], const struct template *t, const struct variation *v,
                   enum x86_mode mode)
{
    u8 bytes[32];
    unsigned n = v->legacy_count;
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, v->legacy, n);
    n += t->kind == LEGACY ? put_legacy(bytes + n, t, v, mode)
         : t->kind == VEX  ? put_vex(bytes + n, t, v)
                           : put_evex(bytes + n, t, v);
    bytes[n++] = v->modrm;
    if ((v->modrm & 7) == 4 && v->modrm < 0xc0)
        bytes[n++] = v->sib;
    memcpy(bytes + n, v->tail, sizeof(v->tail));
    memcpy(code, bytes, 15);
    code[15] = 0;
}

/* --- Templates --- */

/* Bytes that are prefixes, or lead to another map, where an opcode is expected. */
static bool is_opcode(enum x86_mode mode, const struct template *t)
{
    static const u8 prefixes[] = {0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66,
                                  0x67, 0xf0, 0xf2, 0xf3, 0x62, 0xc4, 0xc5};
    if (t->kind != LEGACY || t->map)
        return true;
    if (mode == X86_MODE64 && (t->opcode & 0xf0) == 0x40)
        return false;
    /* BOUND, LES, LDS: the last three, with memory operands, outside 64-bit mode */
    size_t count = ARRAY_LEN(prefixes) - (mode == X86_MODE64 || t->modrm >= 0xc0 ? 0 : 3);
    for (size_t n = 0; n < count; n++) {
        if (t->opcode == prefixes[n])
            return false;
    }
    return true;
}

static void offer(enum x86_mode mode, const struct template *t)
{
    struct variation v = {.modrm = t->modrm, .sib = 0x24, .aaa = t->mask};
    struct x86_insn insn;
    u8 code[16];

    if (!is_opcode(mode, t))
        return;
    encode(code, t, &v, mode);
    if (native_decode(&insn, code, mode) != X86_DECODE_OK)
        return;
    struct form_templates *f = &templates[mode_index(mode)][insn.form];
    f->seen++;
    if (f->count < TEMPLATES_MAX)
        f->t[f->count++] = *t;
    else if (f->seen % 7 == 0) /* a spread over all encodings rather than the first ones */
        f->t[(f->seen / 7) % TEMPLATES_MAX] = *t;
}

/* Every ModRM byte that can matter to the choice of a form: reg, memory or register, rm. */
static void offer_modrm(enum x86_mode mode, struct template t)
{
    for (unsigned reg = 0; reg < 8; reg++) {
        t.modrm = (u8)(reg << 3 | 3); /* memory without SIB in all address sizes */
        offer(mode, &t);
        t.modrm = (u8)(reg << 3 | 4); /* with SIB: what a vector index needs */
        offer(mode, &t);
        for (unsigned rm = 0; rm < 8; rm++) {
            t.modrm = (u8)(0xc0 | reg << 3 | rm);
            offer(mode, &t);
        }
    }
}

void native_generate_init(enum x86_mode mode)
{
    unsigned index = mode_index(mode);
    if (templates[index])
        return;
    templates[index] = calloc(X86_FORM_COUNT, sizeof(struct form_templates));
    if (!templates[index])
        abort();
    for (unsigned kind = LEGACY; kind <= EVEX; kind++) {
        unsigned maps = kind == LEGACY ? 4 : kind == VEX ? 4 : 7;
        unsigned lengths = kind == LEGACY ? 1 : kind == VEX ? 2 : 4;
        for (unsigned map = kind == LEGACY ? 0 : 1; map < maps; map++) {
            for (unsigned n = 0; n < 256 * 4 * 2 * lengths; n++) {
                struct template t = {.kind = (u8)kind, .map = (u8)map};
                t.opcode = (u8)n;
                t.prefix = n >> 8 & 3;
                t.w = n >> 10 & 1;
                t.l = (u8)(n >> 11);
                if (kind != LEGACY || !t.w || mode == X86_MODE64)
                    offer_modrm(mode, t);
                t.b = kind == LEGACY && !t.w && mode == X86_MODE64;
                t.mask = kind == EVEX;
                if (t.b || t.mask)
                    offer_modrm(mode, t);
            }
        }
    }
}

bool native_generate_has(enum x86_mode mode, unsigned form)
{
    return templates[mode_index(mode)][form].count != 0;
}

/* --- Variation --- */

static void vary_prefixes(struct variation *v, const struct template *t, struct native_random *r,
                          const struct x86_form *form)
{
    u8 *n = &v->legacy_count;
    if (native_random_chance(r, 4))
        v->legacy[(*n)++] = 0x67;
    if (native_random_chance(r, 6)) /* FS belongs to libc in 64-bit mode */
        v->legacy[(*n)++] = 0x65;
    else if (native_random_chance(r, 4))
        v->legacy[(*n)++] = (u8)(0x26 | native_random_below(r, 4) << 3);
    if (t->kind != LEGACY)
        return;
    if (!t->prefix && native_random_chance(r, 33))
        v->legacy[(*n)++] = 0x66;
    if ((form->flags & X86_F_LOCKABLE) && native_random_chance(r, 25))
        v->legacy[(*n)++] = 0xf0;
    if (!t->prefix && native_random_chance(r, form->flags & X86_F_REP ? 60 : 2))
        v->legacy[(*n)++] = native_random_chance(r, 50) ? 0xf3 : 0xf2;
}

static void vary(struct variation *v, const struct template *t, struct native_random *r,
                 enum x86_mode mode, const struct x86_form *form)
{
    u64 bits = native_random_next(r);
    memset(v, 0, sizeof(*v));
    vary_prefixes(v, t, r, form);
    if (mode == X86_MODE64) {
        v->rex = bits & 7;
        v->r2 = bits >> 3 & 1;
        v->v2 = bits >> 4 & 1;
    }
    v->vvvv = native_random_chance(r, 85) ? bits >> 5 & 15 : 0;
    if (mode != X86_MODE64)
        v->vvvv &= 7;
    v->aaa = t->mask ? bits >> 9 & 7 : 0;
    v->z = v->aaa && native_random_chance(r, 20);
    v->b = native_random_chance(r, 15);
    /* reg and rm are free, or not, as the decoder will say. */
    v->modrm = t->modrm;
    if (native_random_chance(r, 70)) {
        v->modrm = (u8)((t->modrm & 0xf8) | (bits >> 12 & 7));
        if (t->modrm < 0xc0)
            v->modrm = (u8)((v->modrm & 0x3f) | (bits >> 15) % 3 << 6);
    }
    if (native_random_chance(r, 70))
        v->modrm = (u8)((v->modrm & 0xc7) | (bits >> 18 & 7) << 3);
    v->sib = bits >> 24 & 0xff;
    for (unsigned n = 0; n < sizeof(v->tail); n++)
        v->tail[n] = (u8)native_random_value(r);
}

static bool decode_as(struct native_case *c, enum x86_mode mode, unsigned form)
{
    return native_decode(&c->insn, c->code, mode) == X86_DECODE_OK && c->insn.form == form;
}

/* What is left to processors, or would harm us. */
static bool unspecified(const struct native_case *c)
{
    const struct x86_insn *i = &c->insn;
    /* REP and REPNE are reserved on LOOPE and LOOPNE [SDM2 2.1.1]: some processors take the
     * condition from them. */
    if ((i->op == X86_OP_LOOPE || i->op == X86_OP_LOOPNE) && (i->flags & (X86_I_REP | X86_I_REPNE)))
        return true;
    /* INS and OUTS of no element: whether the ports are looked at differs. */
    if ((x86_forms[i->form].flags & (X86_F_REP | X86_F_IOPL)) == (X86_F_REP | X86_F_IOPL) &&
        !(c->regs.gpr[X86_RCX] & mask_low(i->asz * 8u)))
        return true;
    return c->mode == X86_MODE64 && i->seg == X86_FS; /* libc's thread pointer */
}

bool native_generate(struct native_case *c, struct native_random *r, enum x86_mode mode,
                     unsigned form)
{
    const struct form_templates *f = &templates[mode_index(mode)][form];
    const struct template *t = &f->t[native_random_below(r, f->count)];
    struct variation v;

    c->mode = (u8)mode;
    vary(&v, t, r, mode, &x86_forms[form]);
    encode(c->code, t, &v, mode);
    if (!decode_as(c, mode, form)) {
        v.modrm = t->modrm; /* the free bits were not free */
        encode(c->code, t, &v, mode);
        if (!decode_as(c, mode, form))
            return false;
    }
    native_aim(c, r);
    return c->insn.form == form && !unspecified(c);
}
