/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel-syntax text for a decoded instruction, from its form. */
#include "base/str.h"
#include "isa/x86/insn.h"
#include "isa/x86/state.h"

/* Text that grows in a bounded buffer. */
struct text {
    char *dst;
    size_t size, n;
};

static void put(struct text *t, const char *fmt, ...) printf_like(2, 3);
static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (t->n < t->size)
        t->n += str_vformat(t->dst + t->n, t->size - t->n, fmt, ap);
    va_end(ap);
}

static const char low8[8][3] = {"al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"};
static const char low16[8][3] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
static const char sreg[8][3] = {"es", "cs", "ss", "ds", "fs", "gs", "?", "?"};
static const char conditions[16][4] = {"o", "no", "b", "ae", "e", "ne", "be", "a",
                                       "s", "ns", "p", "np", "l", "ge", "le", "g"};

static void put_gpr(struct text *t, unsigned number, unsigned bytes, bool rex)
{
    if (number >= 8)
        put(t, "r%u%s", number, bytes == 1 ? "b" : bytes == 2 ? "w" : bytes == 4 ? "d" : "");
    else if (bytes == 1)
        put(t, "%s%s", rex && number >= 4 ? low16[number] : low8[number],
            rex && number >= 4 ? "l" : "");
    else
        put(t, "%s%s", bytes == 8 ? "r" : bytes == 4 ? "e" : "", low16[number]);
}

static void put_vector(struct text *t, unsigned number, unsigned bytes)
{
    put(t, "%cmm%u", bytes <= 16 ? 'x' : bytes == 32 ? 'y' : 'z', number);
}

static const char *size_name(unsigned bytes)
{
    switch (bytes) {
    case 1: return "byte ptr ";
    case 2: return "word ptr ";
    case 4: return "dword ptr ";
    case 6: return "fword ptr ";
    case 8: return "qword ptr ";
    case 10: return "tbyte ptr ";
    case 16: return "xmmword ptr ";
    case 32: return "ymmword ptr ";
    case 64: return "zmmword ptr ";
    default: return "";
    }
}

/* The segment is shown when it is not what the address would use anyway. */
static void put_segment(struct text *t, const struct x86_insn *insn, unsigned usual)
{
    if (insn->seg != usual)
        put(t, "%s:", sreg[insn->seg & 7]);
}

static void put_memory(struct text *t, const struct x86_insn *insn, unsigned n)
{
    const struct x86_opnd *o = &x86_forms[insn->form].opnd[n];
    u64 mask = insn->asz == 8 ? ~(u64)0 : ((u64)1 << insn->asz * 8) - 1;
    bool stack = insn->base == X86_RSP || insn->base == X86_RBP;
    put(t, "%s", size_name(x86_opnd_bytes(insn, n)));
    put_segment(t, insn, stack ? X86_SS : X86_DS);
    put(t, "[");
    if (insn->base == X86_REG_RIP)
        put(t, "%s", insn->asz == 8 ? "rip" : "eip");
    else if (insn->base != X86_NO_REG)
        put_gpr(t, insn->base, insn->asz, false);
    if (insn->index != X86_NO_REG) {
        if (insn->base != X86_NO_REG)
            put(t, "+");
        if (o->kind == X86_OPND_VM)
            put_vector(t, insn->index, insn->vl);
        else
            put_gpr(t, insn->index, insn->asz, false);
        if (insn->scale > 1)
            put(t, "*%u", insn->scale);
    }
    if (insn->base == X86_NO_REG && insn->index == X86_NO_REG)
        put(t, "0x%llx", (unsigned long long)((u64)(i64)insn->disp & mask));
    else if (insn->disp)
        put(t, "%c0x%x", insn->disp < 0 ? '-' : '+',
            insn->disp < 0 ? 0u - (unsigned)insn->disp : (unsigned)insn->disp);
    put(t, "]");
    u32 flags = x86_forms[insn->form].flags;
    if (insn->flags & X86_I_EVEX_B && o->kind == X86_OPND_W) {
        unsigned element = flags & X86_F_BCST64 ? 8 : flags & X86_F_BCST32 ? 4 : 2;
        put(t, "{1to%u}", insn->vl / element);
    }
}

/* Memory addressed by a fixed register: strings, XLAT, MASKMOV. */
static void put_implicit(struct text *t, const struct x86_insn *insn, unsigned n, unsigned reg)
{
    const struct x86_opnd *o = &x86_forms[insn->form].opnd[n];
    put(t, "%s", size_name(x86_opnd_bytes(insn, n)));
    if (o->kind == X86_OPND_Y)
        put(t, "es:");
    else
        put_segment(t, insn, X86_DS);
    put(t, "[");
    put_gpr(t, reg, insn->asz, false);
    put(t, o->kind == X86_OPND_XLAT ? "+al]" : "]");
}

static void put_fixed(struct text *t, const struct x86_insn *insn, unsigned n)
{
    unsigned reg = x86_forms[insn->form].opnd[n].reg, bytes = x86_opnd_bytes(insn, n);
    if (reg <= X86_FIX_DI)
        put_gpr(t, reg, bytes, true);
    else if (reg <= X86_FIX_GS)
        put(t, "%s", sreg[reg - X86_FIX_ES]);
    else
        put(t, "%s", reg == X86_FIX_ONE ? "1" : reg == X86_FIX_ST0 ? "st0" : "xmm0");
}

/* Immediates are shown at the width they work with: sign-extended ones wrap to the operand size. */
static void put_immediate(struct text *t, const struct x86_insn *insn, unsigned n)
{
    const struct x86_form *f = &x86_forms[insn->form];
    u64 v = f->opnd[n].kind == X86_OPND_I2 ? insn->imm2 : insn->imm;
    unsigned bytes = f->opnd[n].size == X86_SZ_B && n == 0 ? 8 : insn->osz;
    u64 mask = bytes >= 8 ? ~(u64)0 : ((u64)1 << bytes * 8) - 1;
    put(t, "0x%llx", (unsigned long long)(v >> 63 ? v & mask : v));
}

static void put_target(struct text *t, const struct x86_insn *insn, u64 rip)
{
    u64 target = rip + insn->len + insn->imm;
    put(t, "0x%llx",
        (unsigned long long)(insn->osz == 8   ? target
                             : insn->osz == 4 ? (u32)target
                                              : (u16)target));
}

static void put_operand(struct text *t, const struct x86_insn *insn, unsigned n, u64 rip)
{
    const struct x86_opnd *o = &x86_forms[insn->form].opnd[n];
    unsigned bytes = x86_opnd_bytes(insn, n);
    bool rex = insn->flags & X86_I_REX;
    switch (o->kind) {
    case X86_OPND_E:
    case X86_OPND_W:
    case X86_OPND_Q:
    case X86_OPND_KE:
    case X86_OPND_M:
    case X86_OPND_VM:
        if (insn->flags & X86_I_MEM) {
            put_memory(t, insn, n);
            return;
        }
        break;
    }
    switch (o->kind) {
    case X86_OPND_E:
    case X86_OPND_R:
    case X86_OPND_Z: put_gpr(t, insn->rm & 15, bytes ? bytes : insn->osz, rex); break;
    case X86_OPND_G: put_gpr(t, insn->reg & 15, bytes, rex); break;
    case X86_OPND_B: put_gpr(t, insn->vvvv & 15, bytes, rex); break;
    case X86_OPND_FIX: put_fixed(t, insn, n); break;
    case X86_OPND_I:
    case X86_OPND_I2: put_immediate(t, insn, n); break;
    case X86_OPND_J: put_target(t, insn, rip); break;
    case X86_OPND_A: put(t, "0x%x:0x%llx", insn->imm2, (unsigned long long)insn->imm); break;
    case X86_OPND_O:
        put(t, "%s", size_name(bytes));
        put_segment(t, insn, X86_DS);
        put(t, "[0x%llx]", (unsigned long long)insn->imm);
        break;
    case X86_OPND_X: put_implicit(t, insn, n, X86_RSI); break;
    case X86_OPND_Y:
    case X86_OPND_MDI: put_implicit(t, insn, n, X86_RDI); break;
    case X86_OPND_XLAT: put_implicit(t, insn, n, X86_RBX); break;
    case X86_OPND_S: put(t, "%s", sreg[insn->reg & 7]); break;
    case X86_OPND_C: put(t, "cr%u", insn->reg); break;
    case X86_OPND_D: put(t, "dr%u", insn->reg); break;
    case X86_OPND_V: put_vector(t, insn->reg, bytes); break;
    case X86_OPND_W:
    case X86_OPND_U: put_vector(t, insn->rm, bytes); break;
    case X86_OPND_H: put_vector(t, insn->vvvv, bytes); break;
    case X86_OPND_L:
        put_vector(t, insn->imm >> 4 & (insn->mode == X86_MODE64 ? 15 : 7), bytes);
        break;
    case X86_OPND_P: put(t, "mm%u", insn->reg & 7); break;
    case X86_OPND_Q:
    case X86_OPND_N: put(t, "mm%u", insn->rm & 7); break;
    case X86_OPND_ST: put(t, "st%u", insn->rm & 7); break;
    case X86_OPND_KG: put(t, "k%u", insn->reg & 7); break;
    case X86_OPND_KE:
    case X86_OPND_KR: put(t, "k%u", insn->rm & 7); break;
    case X86_OPND_KH: put(t, "k%u", insn->vvvv & 7); break;
    }
}

static void put_prefixes(struct text *t, const struct x86_insn *insn)
{
    if (insn->flags & X86_I_LOCK)
        put(t, "lock ");
    if (x86_forms[insn->form].flags & X86_F_REP && insn->flags & (X86_I_REP | X86_I_REPNE)) {
        bool compares = insn->op == X86_OP_CMPS || insn->op == X86_OP_SCAS;
        put(t, "%s", !compares ? "rep " : insn->flags & X86_I_REP ? "repe " : "repne ");
    }
}

static void put_mnemonic(struct text *t, const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    switch (insn->op) {
    case X86_OP_JCC: put(t, "j%s", conditions[insn->opcode & 15]); return;
    case X86_OP_SETCC: put(t, "set%s", conditions[insn->opcode & 15]); return;
    case X86_OP_CMOVCC: put(t, "cmov%s", conditions[insn->opcode & 15]); return;
    }
    const char *name = f->names ? f->names : f->name;
    unsigned by = insn->op == X86_OP_JCXZ ? insn->asz : insn->osz, skip = by >> 2;
    while (f->names && skip && *name)
        skip -= *name++ == ',';
    size_t n = 0;
    while (name[n] && name[n] != ',')
        n++;
    put(t, "%.*s", (int)n, name);
}

/* Rounding of a register form with EVEX.b. */
static void put_rounding(struct text *t, const struct x86_insn *insn)
{
    static const char rounding[4][8] = {"rn-sae", "rd-sae", "ru-sae", "rz-sae"};
    if (insn->flags & X86_I_EVEX_B && insn->mod == 3)
        put(t, ", {%s}", x86_forms[insn->form].flags & X86_F_ER ? rounding[insn->ll & 3] : "sae");
}

size_t x86_describe(char *dst, size_t size, const struct x86_insn *insn, u64 rip)
{
    struct text t = {dst, size, 0};
    if (size)
        dst[0] = 0;
    if (insn->form >= X86_FORM_COUNT)
        return 0;
    const struct x86_form *f = &x86_forms[insn->form];
    put_prefixes(&t, insn);
    put_mnemonic(&t, insn);
    for (unsigned n = 0; n < X86_OPND_MAX && f->opnd[n].kind != X86_OPND_NONE; n++) {
        put(&t, n ? ", " : " ");
        put_operand(&t, insn, n, rip);
        if (n == 0 && insn->aaa)
            put(&t, "{k%u}", insn->aaa);
        if (n == 0 && insn->flags & X86_I_EVEX_Z)
            put(&t, "{z}");
    }
    put_rounding(&t, insn);
    return t.n;
}
