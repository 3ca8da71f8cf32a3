/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kernel does all the time beside computing: interrupts off and on, user memory open and
 * shut, the bases of FS and GS, flags to the stack. In 64-bit mode and, but for the bases and the
 * flags, at privilege 0; all else is called out. */
#include "engine/translate/lower.h"

#include "isa/x86/exec/system.h"

/* Byte of a field that holds bit, and the bit in it. */
#define BYTE_AT(field, bit) (AT(field) + __builtin_ctzll(bit) / 8)
#define BYTE_BIT(bit)       ((u8)((u64)(bit) >> __builtin_ctzll(bit) / 8 * 8))

static i32 base_at(unsigned seg)
{
    return AT(soft.cpu.s.seg[0].base) + (i32)(seg * sizeof(struct x86_segment));
}

/* opcode /digit of a byte field with an immediate: AND, OR, CMP are 80, TEST is F6, MOV is C6. */
static void emit_byte(struct lower *l, unsigned opcode, unsigned digit, i32 at, u8 imm)
{
    emit_state(&l->e, 0, opcode, digit, at);
    emit8(&l->e, imm);
}
enum { OP_OR = 1, OP_AND = 4, OP_CMP = 7 };

static bool cli(struct lower *l)
{
    lower_spoil_flags(l);
    emit_byte(l, 0x80, OP_AND, BYTE_AT(soft.cpu.s.rflags, X86_IF), (u8)~BYTE_BIT(X86_IF));
    return true;
}

/* Nothing may come between STI and the next instruction: that is so when it is in this block, and
 * nothing that is pending already is waiting for it. */
static bool sti(struct lower *l)
{
    if (l->is_last || l->t->lockstep) /* the interpreter leaves its block here */
        return false;
    lower_spoil_flags(l);
    emit_state(&l->e, 0, 0x83, OP_CMP, AT(soft.cpu.request));
    emit8(&l->e, 0);
    lower_slow(l, CC_NE);
    emit_byte(l, 0x80, OP_CMP, AT(soft.irq_maybe), 0);
    lower_slow(l, CC_NE);
    emit_byte(l, 0x80, OP_OR, BYTE_AT(soft.cpu.s.rflags, X86_IF), BYTE_BIT(X86_IF));
    return true;
}

/* STAC and CLAC: the code behind them looks in another TLB. */
static bool set_ac(struct lower *l, bool on)
{
    unsigned index = on ? X86_TLB_KERNEL_AC : X86_TLB_KERNEL;
    _Static_assert(offsetof(struct x86_cpu, privilege) == offsetof(struct x86_cpu, tlb_index) + 1,
                   "one word");
    if (l->t->lockstep) /* as for STI */
        return false;
    lower_spoil_flags(l);
    emit_byte(l, 0xf6, 0, BYTE_AT(soft.cpu.s.cr4, X86_CR4_SMAP), BYTE_BIT(X86_CR4_SMAP));
    lower_slow(l, CC_E);
    emit_byte(l, 0x80, on ? OP_OR : OP_AND, BYTE_AT(soft.cpu.s.rflags, X86_AC),
              on ? BYTE_BIT(X86_AC) : (u8)~BYTE_BIT(X86_AC));
    l->env = (u8)((l->env & ~ENV_TLB) | index);
    emit_byte(l, 0xc6, 0, AT(soft.cpu.tlb_index), (u8)index);
    emit_byte(l, 0xc6, 0, AT(soft.cpu.privilege), (u8)index);
    emit_byte(l, 0xc6, 0, AT(soft.key) + SOFT_KEY_TLB_BYTE, (u8)index);
    emit_byte(l, 0xc6, 0, AT(context), l->env);
    return true;
}

static bool swapgs(struct lower *l)
{
    emit_load(&l->e, T0, base_at(X86_GS));
    emit_load(&l->e, T1, AT(soft.cpu.s.kernel_gs_base));
    emit_store(&l->e, T1, base_at(X86_GS));
    emit_store(&l->e, T0, AT(soft.cpu.s.kernel_gs_base));
    return true;
}

static void check_fsgsbase(struct lower *l)
{
    lower_spoil_flags(l);
    emit_byte(l, 0xf6, 0, BYTE_AT(soft.cpu.s.cr4, X86_CR4_FSGSBASE), BYTE_BIT(X86_CR4_FSGSBASE));
    lower_slow(l, CC_E);
}

static bool read_base(struct lower *l, unsigned seg)
{
    check_fsgsbase(l);
    emit_load(&l->e, T0, base_at(seg));
    if (l->i->osz == 4)
        emit_rr(&l->e, 0, 0x8b, T0, T0);
    lower_set_gpr(l, l->i->rm, T0);
    return true;
}

static bool write_base(struct lower *l, unsigned seg)
{
    bool wide = l->i->osz == 8;
    check_fsgsbase(l);
    emit_rr(&l->e, wide ? REX_W : 0, 0x8b, T0, lower_gpr(l, l->i->rm, T0));
    if (wide) { /* canonical? mov r11, r10; shl r11, 16; sar r11, 16; cmp r11, r10 */
        emit_move(&l->e, T1, T0);
        EMIT(&l->e, 0x49, 0xc1, 0xe3, 0x10, 0x49, 0xc1, 0xfb, 0x10, 0x4d, 0x3b, 0xda);
        lower_slow(l, CC_NE);
    }
    emit_store(&l->e, T0, base_at(seg));
    return true;
}

static bool pushf(struct lower *l)
{
    if (l->i->osz != 8)
        return false;
    lower_spoil_flags(l); /* all are in use */
    emit8(&l->e, 0x44);   /* movzx r11d, byte [flags_check + 1]: SF ZF AF PF 1 CF */
    EMIT(&l->e, 0x0f, 0xb6, 0x9c, 0x24);
    emit32(&l->e, (u32)(AT(flags_check) + 1));
    EMIT(&l->e, 0x44, 0x0f, 0xb6, 0x94, 0x24); /* movzx r10d, byte [flags_check]: OF */
    emit32(&l->e, (u32)AT(flags_check));
    EMIT(&l->e, 0x41, 0xc1, 0xe2, 0x0b, 0x45, 0x0b, 0xda); /* shl r10d, 11; or r11d, r10d */
    emit_state(&l->e, 0, 0x8b, T0, AT(soft.cpu.s.rflags));
    EMIT(&l->e, 0x41, 0x81, 0xe2); /* and r10d, imm32 */
    emit32(&l->e, ~(u32)(X86_STATUS_FLAGS | X86_RF | X86_VM));
    EMIT(&l->e, 0x45, 0x0b, 0xda); /* or r11d, r10d */
    emit_store(&l->e, T1, AT(target));
    lower_stack_word(l, GUEST_SP, -8, X86_WRITE);
    emit_load(&l->e, T1, AT(target));
    emit_guest(&l->e, REX_W, 0x89, T1, l->place);
    lower_sum(l, GUEST_SP, GUEST_SP, -8);
    return true;
}

static bool cld(struct lower *l)
{
    lower_spoil_flags(l);
    emit_byte(l, 0x80, OP_AND, BYTE_AT(soft.cpu.s.rflags, X86_DF), (u8)~BYTE_BIT(X86_DF));
    return true;
}

static bool move_from_cr(struct lower *l)
{
    switch (l->i->reg) {
    case 0: emit_load(&l->e, T0, AT(soft.cpu.s.cr0)); break;
    case 2: emit_load(&l->e, T0, AT(soft.cpu.s.cr2)); break;
    case 3: emit_load(&l->e, T0, AT(soft.cpu.s.cr3)); break;
    case 4: emit_load(&l->e, T0, AT(soft.cpu.s.cr4)); break;
    default: return false;
    }
    lower_set_gpr(l, l->i->rm, T0);
    return true;
}

bool lower_system(struct lower *l)
{
    bool kernel = l->env >> ENV_CPL_SHIFT == 0;
    if (l->word != 8 || l->bound->exec == x86_exec_undefined)
        return false;
    switch (l->i->op) {
    case X86_OP_CLI: return kernel && cli(l);
    case X86_OP_STI: return kernel && sti(l);
    case X86_OP_STAC: return kernel && set_ac(l, true);
    case X86_OP_CLAC: return kernel && set_ac(l, false);
    case X86_OP_SWAPGS: return kernel && swapgs(l);
    case X86_OP_RDFSBASE: return read_base(l, X86_FS);
    case X86_OP_RDGSBASE: return read_base(l, X86_GS);
    case X86_OP_WRFSBASE: return write_base(l, X86_FS);
    case X86_OP_WRGSBASE: return write_base(l, X86_GS);
    case X86_OP_PUSHF: return pushf(l);
    case X86_OP_CLD: return cld(l);
    case X86_OP_MOV: return kernel && l->i->map == 1 && l->i->opcode == 0x20 && move_from_cr(l);
    default: return false;
    }
}
