/* SPDX-License-Identifier: BSD-2-Clause */
/* BT BTS BTR BTC, BSF BSR, TZCNT LZCNT POPCNT. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_host.h"

#define host_bt_asm(s, m)  HOST_BINARY_FLAGS_ASM("bt", s, m)
#define host_bts_asm(s, m) HOST_BINARY_FLAGS_ASM("bts", s, m)
#define host_btr_asm(s, m) HOST_BINARY_FLAGS_ASM("btr", s, m)
#define host_btc_asm(s, m) HOST_BINARY_FLAGS_ASM("btc", s, m)
HOST_BINARY_FLAGS(host_bt, HOST_BY_SIZE_NO8)
HOST_BINARY_FLAGS(host_bts, HOST_BY_SIZE_NO8)
HOST_BINARY_FLAGS(host_btr, HOST_BY_SIZE_NO8)
HOST_BINARY_FLAGS(host_btc, HOST_BY_SIZE_NO8)

/* With a register the bit number is a signed offset from the operand's address, in whole operands
 * [SDM2 BT]. */
static always_inline int bit_string(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                    integer_fn fn, bool keep)
{
    u64 bit = integer_get(cpu, i->place[1], size);
    i64 operand = (i64)sign_extend(bit, size * 8) >> (size == 2 ? 4 : size == 4 ? 5 : 6);
    u64 off = integer_ea(cpu, i) + (u64)operand * size;
    off = i->asz == 8 ? off : i->asz == 4 ? (u32)off : (u16)off;
    if (keep)
        return integer_rmw(cpu, i, off, size, fn, bit);
    u64 a;
    int r = x86_load(cpu, i->seg, off, size, &a);
    if (unlikely(r))
        return r;
    fn(a, bit, size, &cpu->s.rflags);
    return X86_OK;
}

#define BIT_SIZE(name, n, fn, keep)                                                                \
    INTEGER_HANDLER(name##n##_rr, integer_rr(cpu, i, n, fn, keep))                                 \
    INTEGER_HANDLER(name##n##_ri, integer_ri(cpu, i, n, fn, keep))                                 \
    INTEGER_HANDLER(name##n##_mr, bit_string(cpu, i, n, fn, keep))                                 \
    INTEGER_HANDLER(name##n##_mi, integer_mi(cpu, i, n, fn, keep))
#define BIT_HANDLERS(name, fn, keep)                                                               \
    BIT_SIZE(name, 2, fn, keep)                                                                    \
    BIT_SIZE(name, 4, fn, keep)                                                                    \
    BIT_SIZE(name, 8, fn, keep)                                                                    \
    static const struct integer_handlers name = {{[INTEGER_RR] = BIT_BY_SIZE(name, _rr),           \
                                                  [INTEGER_RI] = BIT_BY_SIZE(name, _ri),           \
                                                  [INTEGER_MR] = BIT_BY_SIZE(name, _mr),           \
                                                  [INTEGER_MI] = BIT_BY_SIZE(name, _mi)}};
#define BIT_BY_SIZE(name, suffix)                                                                  \
    {                                                                                              \
        NULL, name##2##suffix, name##4##suffix, name##8##suffix                                    \
    }
BIT_HANDLERS(bt, host_bt, false)
BIT_HANDLERS(bts, host_bts, true)
BIT_HANDLERS(btr, host_btr, true)
BIT_HANDLERS(btc, host_btc, true)

/* --- Scans and counts --- */

/* The destination goes in: BSF and BSR of zero leave it alone, upper half included. */
#define host_bsf_asm(s, m)    HOST_BINARY_FLAGS_ASM("bsf", s, m)
#define host_bsr_asm(s, m)    HOST_BINARY_FLAGS_ASM("bsr", s, m)
#define host_tzcnt_asm(s, m)  HOST_BINARY_FLAGS_ASM("tzcnt", s, m)
#define host_lzcnt_asm(s, m)  HOST_BINARY_FLAGS_ASM("lzcnt", s, m)
#define host_popcnt_asm(s, m) HOST_BINARY_FLAGS_ASM("popcnt", s, m)
HOST_BINARY_FLAGS(host_bsf, HOST_BY_SIZE_NO8)
HOST_BINARY_FLAGS(host_bsr, HOST_BY_SIZE_NO8)
HOST_BINARY_FLAGS(host_tzcnt, HOST_BY_SIZE_NO8)
HOST_BINARY_FLAGS(host_lzcnt, HOST_BY_SIZE_NO8)
HOST_BINARY_FLAGS(host_popcnt, HOST_BY_SIZE_NO8)

static always_inline int scan(struct x86_cpu *cpu, const struct x86_insn *i, u64 src, unsigned size,
                              integer_fn fn)
{
    /* All 64 bits of the register take part, so that the host decides what becomes of them. */
    u64 v = fn(integer_get(cpu, i->place[0], 8), src, size, &cpu->s.rflags);
    integer_put(cpu, i->place[0], 8, v);
    return X86_OK;
}

static always_inline int scan_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                integer_fn fn)
{
    u64 src;
    int r = integer_load_operand(cpu, i, size, &src);
    return unlikely(r) ? r : scan(cpu, i, src, size, fn);
}

#define SCAN_SIZE(name, n, fn)                                                                     \
    INTEGER_HANDLER(name##n##_r, scan(cpu, i, integer_get(cpu, i->place[1], n), n, fn))            \
    INTEGER_HANDLER(name##n##_m, scan_m(cpu, i, n, fn))
#define SCAN_HANDLERS(name, fn)                                                                    \
    SCAN_SIZE(name, 2, fn)                                                                         \
    SCAN_SIZE(name, 4, fn)                                                                         \
    SCAN_SIZE(name, 8, fn)                                                                         \
    static const x86_exec_fn name[2][4] = {BIT_BY_SIZE(name, _r), BIT_BY_SIZE(name, _m)};
SCAN_HANDLERS(bsf, host_bsf)
SCAN_HANDLERS(bsr, host_bsr)
SCAN_HANDLERS(tzcnt, host_tzcnt)
SCAN_HANDLERS(lzcnt, host_lzcnt)
SCAN_HANDLERS(popcnt, host_popcnt)

x86_exec_fn integer_bind_bit(const struct x86_insn *i)
{
    unsigned size = integer_size_index(i->osz);
    bool memory = i->flags & X86_I_MEM;

    switch (i->op) {
    case X86_OP_BT: return integer_pick(&bt, i);
    case X86_OP_BTS: return integer_pick(&bts, i);
    case X86_OP_BTR: return integer_pick(&btr, i);
    case X86_OP_BTC: return integer_pick(&btc, i);
    case X86_OP_BSF: return bsf[memory][size];
    case X86_OP_BSR: return bsr[memory][size];
    case X86_OP_TZCNT: return tzcnt[memory][size];
    case X86_OP_LZCNT: return lzcnt[memory][size];
    case X86_OP_POPCNT: return popcnt[memory][size];
    }
    return NULL;
}
