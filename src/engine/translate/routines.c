/* SPDX-License-Identifier: BSD-2-Clause */
/* The routines at the start of code memory: into translated code, out of it, and callouts, which
 * run on the monitor's stack so that translated code needs only a small one of its own. */
#include "engine/translate/lower.h"

/* Guest registers that live in the host register of the same name. */
static const u8 same[] = {X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RBP, X86_RSI,
                          X86_RDI, X86_R8,  X86_R9,  X86_R12, X86_R13, X86_R14};

/* pushed: bytes between rsp and the struct. Leaves rax and the flags to be used. */
static void save_registers(struct emit *e, i32 pushed)
{
    for (unsigned k = 0; k < ARRAY_LEN(same); k++)
        emit_store(e, same[k], pushed + AT_GPR(same[k]));
    emit_store(e, GUEST_SP, pushed + AT_GPR(X86_RSP));
    EMIT(e, 0x9f, 0x0f, 0x90, 0xc0, 0x66); /* lahf; seto al; mov [flags], ax */
    emit_state(e, 0, 0x89, X86_RAX, pushed + AT(flags));
}

static void load_registers(struct emit *e, i32 pushed)
{
    emit8(e, 0x0f); /* movzx eax, word [flags] */
    emit_state(e, 0, 0xb7, X86_RAX, pushed + AT(flags));
    EMIT(e, 0x04, 0x7f, 0x9e); /* add al, 127: OF; sahf */
    for (unsigned k = 0; k < ARRAY_LEN(same); k++)
        emit_load(e, same[k], pushed + AT_GPR(same[k]));
    emit_load(e, GUEST_SP, pushed + AT_GPR(X86_RSP));
}

static void emit_enter(struct translator *t, struct emit *e)
{
    t->enter = (void (*)(struct translator *, const u8 *))(uintptr_t)emit_rx(e, e->p);
    /* push rbx, rbp, r12-r15; sub rsp, 8 */
    EMIT(e, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, 0x48, 0x83, 0xec, 0x08);
    EMIT(e, 0x48, 0x89, 0xa7); /* mov [rdi + host_sp], rsp */
    emit32(e, (u32)offsetof(struct translator, host_sp));
    EMIT(e, 0x48, 0x8d, 0xa7); /* lea rsp, [rdi + RSP_AT] */
    emit32(e, RSP_AT);
    emit_move(e, T0, X86_RSI);
    load_registers(e, 0);
    EMIT(e, 0x41, 0xff, 0xe2); /* jmp r10 */
}

static void emit_return(struct emit *e)
{
    emit_load(e, X86_RSP, AT(host_sp));
    EMIT(e, 0x48, 0x83, 0xc4, 0x08, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b,
         0xc3);
}

/* Registers that a function in C may spoil, but for the scratch registers. */
static const u8 spoiled[] = {X86_RAX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_R8, X86_R9};

/* pushed: bytes between rsp and the struct. Called with the address in T0, which stays, and what is
 * wanted in T1; comes back with ZF clear if the check is to be made again. The host's flags hold
 * nothing. */
static const u8 *emit_refill(struct emit *e, i32 pushed)
{
    const u8 *here = emit_rx(e, e->p);
    for (unsigned k = 0; k < ARRAY_LEN(spoiled); k++)
        emit_store(e, spoiled[k], pushed + AT_GPR(spoiled[k]));
    emit_store(e, X86_RBX, pushed + AT_GPR(X86_RBX));
    emit_store(e, T0, pushed + AT(refilled));
    EMIT(e, 0x48, 0x8d, 0x7c, 0x24); /* lea rdi, [rsp + pushed - RSP_AT] */
    emit8(e, (u8)(pushed - RSP_AT));
    emit_move(e, X86_RSI, T0);
    emit_rr(e, 0, 0x8b, X86_RDX, T1);
    EMIT(e, 0x48, 0x89, 0xe3); /* mov rbx, rsp */
    EMIT(e, 0x48, 0x8b, 0xa7); /* mov rsp, [rdi + host_sp] */
    emit32(e, (u32)offsetof(struct translator, host_sp));
    EMIT(e, 0xff, 0x97); /* call [rdi + refill] */
    emit32(e, (u32)offsetof(struct translator, refill));
    EMIT(e, 0x48, 0x89, 0xdc, 0x85, 0xc0); /* mov rsp, rbx; test eax, eax */
    emit_load(e, X86_RBX, pushed + AT_GPR(X86_RBX));
    emit_load(e, T0, pushed + AT(refilled));
    for (unsigned k = 0; k < ARRAY_LEN(spoiled); k++)
        emit_load(e, spoiled[k], pushed + AT_GPR(spoiled[k]));
    EMIT(e, 0xc3); /* ret */
    return here;
}

static void emit_callout(struct translator *t, struct emit *e)
{
    enum { PUSHED = 16 }; /* the name, the return address */
    t->do_callout = emit_rx(e, e->p);
    save_registers(e, PUSHED);
    emit_state(e, 0, 0x8b, X86_RSI, 8);
    EMIT(e, 0x48, 0x89, 0xe3);                              /* mov rbx, rsp */
    EMIT(e, 0x48, 0x8d, 0x7c, 0x24, (u8)(PUSHED - RSP_AT)); /* lea rdi, [rsp + ..] */
    EMIT(e, 0x48, 0x8b, 0xa7);                              /* mov rsp, [rdi + host_sp] */
    emit32(e, (u32)offsetof(struct translator, host_sp));
    EMIT(e, 0xff, 0x97); /* call [rdi + callout] */
    emit32(e, (u32)offsetof(struct translator, callout));
    EMIT(e, 0x48, 0x89, 0xdc, 0x85, 0xc0); /* mov rsp, rbx; test eax, eax */
    u8 *away = emit_jcc_open(e, CC_NE);
    load_registers(e, PUSHED);
    EMIT(e, 0xc2, 0x08, 0x00); /* ret 8 */
    emit_land(e, away);
    EMIT(e, 0x48, 0x83, 0xc4, PUSHED);  /* add rsp, 16 */
    EMIT(e, 0x83, 0xf8, CALLOUT_LEAVE); /* cmp eax, .. */
    u8 *leave = emit_jcc_open(e, CC_E);
    load_registers(e, 0);
    emit_load(e, T0, AT(soft.cpu.s.rip));
    emit_through_table(e);
    emit_land(e, leave);
    emit_return(e);
}

static const u8 *emit_exit(struct emit *e, enum exit_kind kind, const u8 *common)
{
    const u8 *here = emit_rx(e, e->p);
    emit_state(e, 0, 0xc7, 0, AT(kind));
    emit32(e, kind);
    emit_jump(e, common);
    return here;
}

/* T1 = (eax >> right & mask) << left */
static void emit_index(struct emit *e, unsigned right, u32 mask, unsigned left)
{
    emit_rr(e, 0, 0x8b, T1, X86_RAX);
    EMIT(e, 0x41, 0xc1, 0xeb); /* shr r11d, imm8 */
    emit8(e, right - left);
    EMIT(e, 0x41, 0x81, 0xe3); /* and r11d, imm32 */
    emit32(e, mask << left);
}

/* T0 = target: on to it, if its page is known and something that begins there too. */
static void emit_physical(struct emit *e, unsigned user)
{
    i32 far = AT(far) + (i32)(user * sizeof(((struct translator *)0)->far[0]));
    i32 table = AT(physical), near = AT(indirect);
    _Static_assert(sizeof(struct physical) == 32 && sizeof(struct indirect) == 32 &&
                       sizeof(struct far_page) == 16,
                   "see the shifts");
    emit_store(e, X86_RAX, AT(target));
    emit_move(e, X86_RAX, T0);
    EMIT(e, 0x48, 0x25); /* and rax, imm32 */
    emit32(e, ~(u32)(PAGE_SIZE - 1));
    emit_index(e, 12, (1u << FAR_BITS) - 1, 4);
    emit_table(e, 0x3b, X86_RAX, 0, far + (i32)offsetof(struct far_page, linear));
    u8 *no_page = emit_jcc_open(e, CC_NE);
    emit_table(e, 0x8b, X86_RAX, 0, far + (i32)offsetof(struct far_page, number));
    emit_rr(e, 0, 0x8b, T1, T0);
    EMIT(e, 0x41, 0x81, 0xe3); /* and r11d, imm32 */
    emit32(e, PAGE_SIZE - 1);
    EMIT(e, 0x48, 0xc1, 0xe0, 0x0c); /* shl rax, 12 */
    emit_rr(e, REX_W, 0x0b, X86_RAX, T1);
    /* rax = pa; its place in the table, its tag */
    emit_move(e, T1, X86_RAX);
    EMIT(e, 0x49, 0xc1, 0xeb, 0x0c); /* shr r11, 12 */
    emit_rr(e, 0, 0x33, T1, X86_RAX);
    EMIT(e, 0x41, 0x81, 0xe3); /* and r11d, imm32 */
    emit32(e, (1u << PHYSICAL_BITS) - 1);
    EMIT(e, 0x41, 0xc1, 0xe3, 0x05);              /* shl r11d, 5 */
    EMIT(e, 0x48, 0xc1, 0xe0, 0x08);              /* shl rax, 8 */
    emit_state(e, 0, 0x8a, X86_RAX, AT(context)); /* mov al, [..] */
    emit_state(e, REX_W, 0x0b, X86_RAX, AT(generation));
    emit_table(e, 0x3b, X86_RAX, 0, table + (i32)offsetof(struct physical, tag));
    u8 *nothing = emit_jcc_open(e, CC_NE);
    /* The next branch to it finds it in the other table. */
    emit_table(e, 0x8b, X86_RAX, 0, table + (i32)offsetof(struct physical, far));
    emit_store(e, X86_RAX, AT(refilled));
    emit_table(e, 0x8b, X86_RAX, 0, table + (i32)offsetof(struct physical, indirect));
    EMIT(e, 0x45, 0x0f, 0xb7, 0xda, 0x41, 0xc1, 0xe3, 0x05); /* movzx r11d, r10w; shl r11d, 5 */
    emit_table(e, 0x89, X86_RAX, 0, near + (i32)offsetof(struct indirect, host));
    emit_table(e, 0x89, T0, 0, near + (i32)offsetof(struct indirect, rip));
    emit_load(e, X86_RAX, AT(context));
    emit_table(e, 0x89, X86_RAX, 0, near + (i32)offsetof(struct indirect, context));
    EMIT(e, 0x49, 0x81, 0xe2); /* and r10, imm32 */
    emit32(e, ~(u32)(PAGE_SIZE - 1));
    emit_store(e, T0, AT(page));
    emit_load(e, X86_RAX, AT(target));
    emit_state(e, 0, 0xff, 4, AT(refilled)); /* jmp [..] */
    emit_land(e, no_page);
    emit_land(e, nothing);
    emit_load(e, X86_RAX, AT(target));
}

/* Where branches through the table go that found nothing there: the flags are in flags_check. */
static void emit_exit_jump(struct translator *t, struct emit *e, const u8 *leave)
{
    _Static_assert(INDIRECT_BITS == 16, "see MOVZX");
    u8 *jump = e->p;
    emit_state(e, 0, 0x80, 7, AT(context)); /* cmp byte [..], imm8 */
    emit8(e, 3u << ENV_CPL_SHIFT);
    u8 *of_user = emit_jcc_open(e, CC_AE);
    emit_physical(e, 0);
    u8 *kernel_has_none = emit_jump_open(e);
    emit_land(e, of_user);
    emit_physical(e, 1);
    emit_land(e, kernel_has_none);
    emit_restore_flags(e);
    emit_exit(e, EXIT_JUMP, leave);
    t->exit_jump = emit_rx(e, jump);
}

void translate_routines(struct translator *t)
{
    struct emit e = {t->code.rw, t->code.rx - t->code.rw};
    emit_enter(t, &e);
    t->do_refill = emit_refill(&e, 8);
    t->do_refill_for_slot = emit_refill(&e, 24);
    emit_callout(t, &e);
    u8 *leave = e.p;
    emit_store(&e, T0, AT(arg));
    save_registers(&e, 0);
    emit_return(&e);
    t->exit_link = emit_exit(&e, EXIT_LINK, emit_rx(&e, leave));
    t->exit_at = emit_exit(&e, EXIT_AT, emit_rx(&e, leave));
    u8 *far = e.p;
    emit_store(&e, T1, AT(target));
    emit_restore_flags(&e); /* from where branches through the table, and far ones, left them */
    emit_exit(&e, EXIT_FAR, emit_rx(&e, leave));
    t->exit_far = emit_rx(&e, far);
    t->exit_landing = emit_rx(&e, e.p);
    emit_restore_flags(&e);
    emit_jump(&e, t->exit_link);
    emit_exit_jump(t, &e, emit_rx(&e, leave));
    t->exit_slow = emit_rx(&e, e.p);
    emit_store(&e, T1, AT(target));
    emit_exit(&e, EXIT_SLOW, emit_rx(&e, leave));
    slot_routines(t, &e);
    t->code_first = (u8 *)align_up((u64)(uintptr_t)e.p, 64);
}
