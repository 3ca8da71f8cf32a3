/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing x86-64 instructions. Memory operands are [rsp + disp32] (a field of struct translator),
 * [rsp + T1 + disp32] (an entry of a table in it) or [T0] (guest memory that was checked). */
#ifndef ENGINE_TRANSLATE_EMIT_H
#define ENGINE_TRANSLATE_EMIT_H

#include "base/bits.h"
#include "engine/translate/translate_priv.h"

struct emit {
    u8 *p;     /* in the writable mapping */
    i64 to_rx; /* from there to where it runs */
};

static inline const u8 *emit_rx(const struct emit *e, const u8 *p)
{
    return p + e->to_rx;
}
static inline void emit8(struct emit *e, unsigned b)
{
    *e->p++ = (u8)b;
}
static inline void emit32(struct emit *e, u32 v)
{
    store32(e->p, v);
    e->p += 4;
}
#define EMIT(e, ...)                                                                               \
    do {                                                                                           \
        static const u8 emit_b_[] = {__VA_ARGS__};                                                 \
        for (unsigned emit_k_ = 0; emit_k_ < sizeof emit_b_; emit_k_++)                            \
            emit8(e, emit_b_[emit_k_]);                                                            \
    } while (0)

enum { REX_W = 8 };

/* Up to a multiple of n, with instructions that never run. */
static inline void emit_align(struct emit *e, unsigned n)
{
    while ((uintptr_t)emit_rx(e, e->p) & (n - 1))
        emit8(e, 0xcc);
}

/* opcode reg, [rsp + disp] */
static inline void emit_state(struct emit *e, unsigned w, unsigned opcode, unsigned reg, i32 disp)
{
    unsigned rex = w | (reg >> 3) << 2;
    if (rex)
        emit8(e, 0x40 | rex);
    bool small = disp == (i8)disp;
    emit8(e, opcode);
    emit8(e, (small ? 0x44 : 0x84) | (reg & 7) << 3);
    emit8(e, 0x24);
    if (small)
        emit8(e, (u8)disp);
    else
        emit32(e, (u32)disp);
}
static inline void emit_load(struct emit *e, unsigned reg, i32 disp)
{
    emit_state(e, REX_W, 0x8b, reg, disp);
}
static inline void emit_store(struct emit *e, unsigned reg, i32 disp)
{
    emit_state(e, REX_W, 0x89, reg, disp);
}

/* opcode reg, [rsp + index << scale + disp]; 64-bit */
static inline void emit_indexed(struct emit *e, unsigned opcode, unsigned reg, unsigned index,
                                unsigned scale, i32 disp)
{
    emit8(e, 0x40 | REX_W | (reg >> 3) << 2 | (index >> 3) << 1);
    emit8(e, opcode);
    emit8(e, 0x84 | (reg & 7) << 3);
    emit8(e, scale << 6 | (index & 7) << 3 | 4);
    emit32(e, (u32)disp);
}
static inline void emit_table(struct emit *e, unsigned opcode, unsigned reg, unsigned scale,
                              i32 disp)
{
    emit_indexed(e, opcode, reg, T1, scale, disp);
}

/* opcode reg, rm */
static inline void emit_rr(struct emit *e, unsigned w, unsigned opcode, unsigned reg, unsigned rm)
{
    unsigned rex = w | (reg >> 3) << 2 | rm >> 3;
    if (rex)
        emit8(e, 0x40 | rex);
    emit8(e, opcode);
    emit8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}
static inline void emit_move(struct emit *e, unsigned to, unsigned from)
{
    emit_rr(e, REX_W, 0x8b, to, from);
}

/* ModRM and displacement of reg, [base + disp]; base is not rsp, rbp, r12 or r13 */
static inline void emit_modrm_memory(struct emit *e, unsigned reg, unsigned base, i32 disp)
{
    unsigned mod = disp == 0 ? 0 : disp == (i8)disp ? 1 : 2;
    emit8(e, mod << 6 | (reg & 7) << 3 | (base & 7));
    if (mod == 1)
        emit8(e, (u8)disp);
    else if (mod == 2)
        emit32(e, (u32)disp);
}

/* opcode reg, [T0 + disp] */
static inline void emit_guest(struct emit *e, unsigned w, unsigned opcode, unsigned reg, i32 disp)
{
    emit8(e, 0x40 | w | (reg >> 3) << 2 | T0 >> 3);
    emit8(e, opcode);
    emit_modrm_memory(e, reg, T0, disp);
}

/* lea to, [base + disp]; base is not rsp or r12 */
static inline void emit_lea(struct emit *e, unsigned w, unsigned to, unsigned base, i32 disp)
{
    bool small = disp == (i8)disp;
    emit8(e, 0x40 | w | (to >> 3) << 2 | base >> 3);
    emit8(e, 0x8d);
    emit8(e, (small ? 0x40 : 0x80) | (to & 7) << 3 | (base & 7));
    if (small)
        emit8(e, (u8)disp);
    else
        emit32(e, (u32)disp);
}

/* Jumps: to a known place; or open, giving the place of the rel32 for emit_land(). */
static inline void patch_rel32(u8 *site, const u8 *site_rx, const u8 *target_rx)
{
    store32(site, (u32)(target_rx - (site_rx + 4)));
}
static inline u8 *emit_jump_open(struct emit *e)
{
    emit8(e, 0xe9);
    emit32(e, 0);
    return e->p - 4;
}
static inline u8 *emit_jcc_open(struct emit *e, unsigned cc)
{
    emit8(e, 0x0f);
    emit8(e, 0x80 | cc);
    emit32(e, 0);
    return e->p - 4;
}
static inline void emit_land(struct emit *e, u8 *site)
{
    store32(site, (u32)(e->p - (site + 4)));
}
static inline void emit_jump(struct emit *e, const u8 *target_rx)
{
    u8 *site = emit_jump_open(e);
    patch_rel32(site, emit_rx(e, site), target_rx);
}
static inline void emit_jcc(struct emit *e, unsigned cc, const u8 *target_rx)
{
    u8 *site = emit_jcc_open(e, cc);
    patch_rel32(site, emit_rx(e, site), target_rx);
}
static inline void emit_call(struct emit *e, const u8 *target_rx)
{
    emit8(e, 0xe8);
    emit32(e, 0);
    patch_rel32(e->p - 4, emit_rx(e, e->p - 4), target_rx);
}
/* To the target in T0 by the indirect table, with T1 = 4 * its slot. */
static inline void emit_through_table(struct emit *e)
{
    _Static_assert(sizeof(struct indirect) == 32 && INDIRECT_BITS == 16, "see the next two");
    EMIT(e, 0x45, 0x0f, 0xb7, 0xda);             /* movzx r11d, r10w */
    EMIT(e, 0x4e, 0x8d, 0x1c, 0x9d, 0, 0, 0, 0); /* lea r11, [r11 * 4] */
    EMIT(e, 0x42, 0xff, 0xa4, 0xdc);             /* jmp [rsp + r11 * 8 + disp32] */
    emit32(e, (u32)(AT(indirect) + (i32)offsetof(struct indirect, host)));
}
/* For exit_at and the like. */
static inline void emit_set_arg(struct emit *e, u32 arg)
{
    EMIT(e, 0x49, 0xc7, 0xc2); /* mov r10, simm32 */
    emit32(e, arg);
}
enum { CC_B = 2, CC_AE = 3, CC_E = 4, CC_NE = 5, CC_BE = 6, CC_A = 7 };

#endif
