/* SPDX-License-Identifier: BSD-2-Clause */
/* Lowering one block: what the files that emit code for its instructions share. */
#ifndef ENGINE_TRANSLATE_LOWER_H
#define ENGINE_TRANSLATE_LOWER_H

#include "engine/translate/emit.h"

enum { LOOP_ALIGN = 32 };
enum { SLOWS_MAX = 2 * 5 * BLOCK_INSNS_MAX, EXITS_MAX = 2 * (BLOCK_INSNS_MAX + 1) };

/* The ways to lower a block. Where accesses share a check there are two copies of it: COPY_QUICK
 * knows at each instruction that all before went the quick way, and goes on in COPY_SLOW, at the
 * same instruction, when one can't. COPY_SLOW has the guest's flags in the host's register between
 * instructions. */
enum copy { COPY_ONLY, COPY_QUICK, COPY_SLOW };

/* An access to memory of an instruction: to its operand, to the stack. */
enum { ACCESS_OPERAND, ACCESS_STACK, ACCESSES };
struct access {
    u16 size; /* 0: there is none */
    u8 align;
    bool write, stack;
    bool partly; /* a store of the elements that a mask selects, which may be none */
    u8 base;     /* of the stack's: register and displacement */
    i32 disp;

    i8 group;   /* that it shares a check with; -1: none */
    bool leads; /* it makes the check */
    bool group_writes;
    u16 span; /* what the check covers */
    i32 from_first, from_low;
};

struct lower {
    struct emit e;
    struct translator *t;
    struct block *b;
    u8 env, entry_env; /* here, where STAC and CLAC have changed it; at the block's start */
    unsigned word;     /* bytes of an address and of a place on the stack: 8 or 4 */

    /* The running instruction, decoded afresh from bytes that nobody can change meanwhile. */
    const struct x86_insn *i;
    const struct x86_insn *bound; /* the same in the block: exec and aux */
    const u8 *code;
    unsigned offset, next; /* in the page: of it, behind it */
    unsigned index;        /* in the block */
    enum copy copy;
    bool lazy;                  /* there is no COPY_SLOW: where COPY_QUICK can't go on it leaves */
    i32 place;                  /* its operand is at [T0 + place] once it was checked */
    i8 in_t0;                   /* the group whose lowest address T0 holds, or -1 */
    i32 bias;                   /* what lower_offset() adds */
    u8 *again[BLOCK_INSNS_MAX]; /* instructions in COPY_SLOW */
    struct access access[BLOCK_INSNS_MAX][ACCESSES];
    bool called_out[BLOCK_INSNS_MAX];
    /* share.c: registers that are changed by small constants only (stepped: they are) up to
     * instruction near_end, the block's last or one that branches to its start; those that hold
     * no more than a byte before each instruction. */
    u32 steady, stepped;
    u16 narrow[BLOCK_INSNS_MAX];
    unsigned near_end;
    bool loops;
    bool near; /* the check to be made is one for slot.c, of the stack */
    bool near_stack;
    bool partly; /* ... is one that must not mark the page as dirty */
    unsigned misses;
    struct miss {
        u8 *site, *back;
        i32 offset; /* of the slot from the first */
        u16 size, slow;
        u8 class, sizes;
    } miss[2 * BLOCK_INSNS_MAX];
    u32 live_after;      /* flags that are used behind the running instruction */
    bool is_last, ended; /* by a branch that is always taken */
    enum { FLAGS_UNTOUCHED, FLAGS_SPOILED, FLAGS_USED } first_use; /* of flags from before it */
    bool flags_live;   /* a flag of before it is used later, or by itself */
    bool uses_flags;   /* it needs the host's flags to be the guest's */
    bool sets_flags;   /* all that are used later are in the host's behind it */
    bool flags_saved;  /* they are in flags_check, not in the host's register */
    bool vector_known; /* the guest's vector registers are in the host's here */

    /* Out of line, behind the block: callouts of instructions whose quick way is closed. */
    unsigned slows;
    struct slow {
        u8 *site, *resume; /* resume NULL: in COPY_SLOW, at instruction index */
        u8 *retry;         /* of a check: where it begins; NULL: it is none */
        u32 refill;        /* what translate_refill() is told */
        i32 tag;           /* displacement of the tags that it looks in */
        u32 name;
        u8 index;
        bool flags_saved, resume_saved;
    } slow[SLOWS_MAX];
    /* Direct branches: jumps with an open rel32. */
    unsigned exits;
    struct {
        u8 *site;
        i64 target; /* offset from the page */
        u32 name;   /* of the instruction that branches */
        u8 env;
        bool flags_saved;
    } exit[EXITS_MAX];
    /* Far branches: what leaves when the page is another one. */
    unsigned fars;
    struct {
        u8 *site[2], *jump; /* open, of the branch itself */
        unsigned offset;    /* of the target in its page */
        u32 name;
        u8 env;
    } far[EXITS_MAX];
    /* Of each copy of a block whose only instruction goes on in the next page: what leaves
     * when that is another one. */
    unsigned torns;
    struct {
        u8 *site[2];
        bool flags_saved;
    } torn[2];
    /* Of the call or return that ends each copy, open: the landing's place in the code that notes
     * it, and its way on; the branch when it is not where the newest call came from. */
    struct returning {
        u8 *landing, *landed, *astray;
    } returning[2], *returns;
};

static inline bool is_in_page(i64 offset)
{
    return offset >= 0 && offset < PAGE_SIZE;
}

/* Each emits code for the running instruction, or returns false having emitted nothing: then it is
 * called out. lower_control() is for what ends with a branch. */
bool lower_copy(struct lower *l);
bool lower_vector(struct lower *l);
bool lower_stack(struct lower *l);
bool lower_divide(struct lower *l);
bool lower_system(struct lower *l);
bool lower_control(struct lower *l);

/* W of an instruction that handles an address or a word of the stack. */
static inline unsigned lower_w(const struct lower *l)
{
    return l->word == 8 ? REX_W : 0;
}
/* to = base + disp, as addresses of the mode: those of 32 bits wrap. */
static inline void lower_sum(struct lower *l, unsigned to, unsigned base, i32 disp)
{
    emit_lea(&l->e, lower_w(l), to, base, disp);
}

/* operand.c */
static inline bool is_homed(unsigned guest)
{
    return guest == X86_R10 || guest == X86_R11 || guest == X86_R15;
}
/* Host register that holds the guest's, loaded into scratch if it lives in memory. */
unsigned lower_gpr(struct lower *l, unsigned guest, unsigned scratch);
/* Guest register = host register (scratch, for those that live in memory). */
void lower_set_gpr(struct lower *l, unsigned guest, unsigned host);
/* Can lower_address() do it? */
bool lower_has_address(const struct lower *l);
/* Offset of the memory operand into register to, with W of the lea. */
void lower_offset(struct lower *l, unsigned to, unsigned w);
/* Linear address of the memory operand to T0. */
void lower_address(struct lower *l);
/* From an offset in the running instruction's segment to the linear address, both in T0. */
void lower_add_base(struct lower *l);
/* Checks the memory operand, or size word at [base + disp] on the stack, unless a check that it
 * shares was made: the host's address is T0 + l->place then. */
void lower_operand(struct lower *l, unsigned size, enum x86_access access, unsigned align);
void lower_stack_word(struct lower *l, unsigned base, i32 disp, enum x86_access access);
/* From the linear address in T0 to the host's, when size bytes there may be accessed directly and
 * the address has none of the bits in align; else on to a callout. Uses T1. */
void lower_check(struct lower *l, unsigned size, enum x86_access access, unsigned align);
/* These use T1. Before and behind code that spoils the host's flags: they are saved if they are
 * used later and not saved yet, and restored before the next instruction that needs them. */
void lower_spoil_flags(struct lower *l);
void lower_use_flags(struct lower *l);
void emit_save_flags(struct emit *e);
void emit_restore_flags(struct emit *e);
/* jcc to a callout of the running instruction. */
void lower_slow(struct lower *l, unsigned cc);
void lower_slow_at(struct lower *l, u8 *site);

/* encode.c: the running instruction with other register numbers, its memory operand at [base]. */
struct encode_regs {
    u8 reg, rm, vvvv, base;
};
void lower_encode(struct lower *l, struct encode_regs r);

/* lower_copy.c: which fields of the encoding name general registers (bits ENCODE_*), and which of
 * these operands are written. False when one is of another kind than allowed. */
enum { ENCODE_REG = 1, ENCODE_RM = 2, ENCODE_VVVV = 4 };
struct gpr_fields {
    u8 used, written;
    bool high_byte; /* one is AH, CH, DH or BH */
};
bool lower_fields(const struct lower *l, bool vectors, struct gpr_fields *f);
/* Emits the instruction with its homed registers brought in and out. memory: access and size of the
 * operand in memory; 0: none. */
bool lower_instruction(struct lower *l, const struct gpr_fields *f, unsigned size,
                       enum x86_access access, unsigned align);

/* ways.c: the ways in that were seen, before the block; the ways out from them, behind it. saved:
 * the block wants the flags in flags_check. */
struct ways_in {
    u8 *wanted_far, *wanted_back, *past_save; /* open jumps: of the polls, over the plain way in */
};
void ways_emit(struct lower *l, struct translation *tr, bool saved, struct ways_in *w);
void ways_emit_out(struct lower *l, struct translation *tr, const struct ways_in *w);

/* share.c: finds the accesses that share a check, and steady registers, from l->access and
 * l->called_out as COPY_SLOW left them; false when none share. */
bool share_checks(struct lower *l, const struct x86_insn *insn, unsigned count);

/* slot.c: is the running instruction's operand expected to stay in one page? Then the check by the
 * last page, from T0 = linear address to the host's; what it needs out of line; and its routines.
 */
bool slot_is_near(const struct lower *l);
void slot_check(struct lower *l, unsigned size, enum x86_access access, bool stack);
void slot_emit_misses(struct lower *l);
void slot_routines(struct translator *t, struct emit *e);

/* live.c: arithmetic flags that one instruction uses, and those it sets whatever it does; those
 * used from an offset in the page on; those used from i on, when `after` are used behind it. */
u32 live_flags_used(const struct x86_insn *i);
u32 live_flags_set(const struct x86_insn *i);
/* It leaves arithmetic flags alone although a handler may be called for it. */
bool live_is_transparent(const struct x86_insn *i);
u32 live_at(struct lower *l, i64 offset);
u32 live_before(struct lower *l, const struct x86_insn *i, i64 next, u32 after);

/* lower_control.c: to the target in T0, which may be anywhere. It, and exit_jump, find the flags in
 * flags_check. */
void lower_indirect(struct lower *l, u32 name);
/* To an offset from the page, which may be in another one: name is of the instruction. */
void lower_far(struct lower *l, i64 target, u8 env, u32 name);
/* Is the page where the block's only instruction goes on still the one that it was made for? */
void lower_second_page(struct lower *l);
/* Behind the block. */
void lower_emit_torn(struct lower *l);
void lower_emit_fars(struct lower *l);
void lower_emit_landing(struct lower *l);
void lower_emit_returns(struct lower *l);
void lower_goto(struct lower *l, i64 target, int cc);

#endif
