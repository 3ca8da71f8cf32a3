/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the translator.
 *
 * While translated code runs, rsp points at the vCPU's struct (a small stack for signal frames and
 * calls lies directly below it), guest registers are in the host registers of the same name, and
 * these have other uses: r10 and r11 are scratch, r15 holds the guest's rsp. Guest r10, r11 and r15
 * stay in the struct. The arithmetic flags are the guest's; DF is always clear. */
#ifndef ENGINE_TRANSLATE_TRANSLATE_PRIV_H
#define ENGINE_TRANSLATE_TRANSLATE_PRIV_H

#include "base/log.h"
#include "engine/software/software.h"

enum {
    T0 = X86_R10,
    T1 = X86_R11,               /* scratch */
    GUEST_SP = X86_R15,         /* where the guest's rsp is */
    LOW_STACK = 64 * 1024,      /* below the struct */
    BLOCK_CODE_MAX = 64 * 1024, /* what one block's code can't exceed, nor the rest of it */
    CODE_CHUNK = 256 * 1024,
    REPLACED_BITS = 10,
    RETURNS = 32,
    WAY_NEAR = 1,
    WAY_BACK = 2,       /* how a block was reached: by a branch forward or backward in its page, */
    WAY_FAR = 4,        /* or from elsewhere */
    SLOW_RUNS_MAX = 16, /* failed checks of a block that make a slow copy worth having */
    LINKS_MAX = 1 << 20,
    FAR_BITS = 14,        /* of the tables of code pages that far branches look in */
    INDIRECT_BITS = 16,   /* an indirect branch looks up the low bits of its target */
    PHYSICAL_BITS = 16,   /* and what is not there by its physical address */
    CHECK_GROUPS_MAX = 8, /* accesses of a block that share a check */
    HOT = 64,             /* runs before a block is translated */
};

/* Why translated code came back. */
enum exit_kind {
    EXIT_LINK,   /* a direct branch that is not patched yet: arg is its link */
    EXIT_AT,     /* at a block's start: arg is its offset from the code page */
    EXIT_JUMP,   /* an indirect branch that found nothing: arg is the target */
    EXIT_RESULT, /* a callout ended the block: result */
    EXIT_FAR,    /* a far branch found another page, or none: arg is its target, target its link */
    EXIT_SLOW, /* a shared check failed before the instruction named by arg: target is its block */
    EXIT_KINDS
};

/* How translated code goes on after a callout. */
enum callout_end {
    CALLOUT_NEXT,   /* behind it */
    CALLOUT_LEAVE,  /* not at all: EXIT_RESULT */
    CALLOUT_ONWARD, /* at cpu->s.rip, by the indirect table */
};

/* What translations depend on beside a block's bytes and key; part of the indirect table's tag. */
enum {
    ENV_TLB = 3, /* enum x86_tlb_index of data accesses; X86_TLB_CHECKED: nothing is translated */
    ENV_32 = 1 << 2, /* 32-bit code in flat segments */
    ENV_SSE = 1 << 3,
    ENV_VEX = 1 << 4,
    ENV_EVEX = 1 << 5, /* vector instructions are enabled */
    ENV_CPL_SHIFT = 6,
};
_Static_assert(X86_TLB_COUNT - 1 == ENV_TLB, "it has two bits");

/* What is not translated, and why. */
#define GIVE_UPS(X)                                                                                \
    X(SENSITIVE, "instruction: sensitive")                                                         \
    X(STRING, "instruction: string")                                                               \
    X(X87, "instruction: x87 or MMX")                                                              \
    X(VECTOR, "instruction: vector, of a form or state that does not run as it is")                \
    X(CONTROL, "instruction: far, or a rare branch")                                               \
    X(ADDRESS, "instruction: address of a rare form")                                              \
    X(OTHER, "instruction: other")                                                                 \
    X(TWO_PAGES, "block: crosses to a page far up in memory")                                      \
    X(CHECKED, "block: run while every access is looked at")                                       \
    X(NO_ROOM, "block: no room for code")                                                          \
    X(CHANGED, "block: its bytes were being written")
enum give_up {
#define X(id, text) GIVE_UP_##id,
    GIVE_UPS(X)
#undef X
        GIVE_UP_COUNT
};

struct translation {
    const u8 *entry; /* for links forward */
    /* NULL: ways.c makes them when they are needed. */
    const u8 *entry_poll; /* for links backward: looks at requests first */
    const u8 *entry_indirect;
    const u8 *entry_far;       /* of which the flags are in flags_check, and the page is known */
    const u8 *dead, *dead_far; /* leave at the block's start; flags as for entry_far */
    const u8 *start, *end;
    const u8 *rest, *rest_end; /* what seldom runs */
    u16 offset;                /* of the block in its page */
    u8 env;
    bool sensitive;  /* it holds instructions of X86_CLASS_SENSITIVE */
    bool vectors;    /* ... that use vector or x87 state */
    bool flags_live; /* it uses arithmetic flags from before it */
};

/* A translation that is not used any more, though branches still lead to it: from where its entries
 * were to the way out, until the same code is translated again. */
struct replaced {
    struct translation *translation; /* NULL: none */
    u64 pa, key;
};

/* A direct branch, from its jump instruction to its target. One inside a page may go wherever that
 * page's translations are. A far one has looked before whether its target's page is the physical
 * one that it was patched for. */
struct link {
    u8 *site;  /* of the rel32 to patch */
    u64 pa;    /* physical address of the target; of a far one: unused */
    i32 delta; /* of the target from the linear address of the code page; likewise */
    u8 env;
    bool backward;
    bool landing; /* from a landing, see struct return_to */
};

/* Where calls came from, to be returned to: a ring for each TLB, that is for each privilege and
 * EFLAGS.AC. Its entries hold for one address space and environment. A landing is behind its call:
 * it notes the page and goes on as far branches do. */
struct return_to {
    u64 rip;
    const u8 *landing;
};

/* Number of the physical page of a far branch that was not joined yet; the number's place before
 * the link's rel32: it, JNE, the store of the page, and the opcode of the jump. */
enum { FAR_NOWHERE = -1, FAR_NUMBER = 4 + 6 + 5 + 1 };

/* The code pages that far branches found, by linear page. */
struct far_page {
    u64 linear, number; /* of its physical page */
};
enum { FAR_NONE = 1 }; /* linear, while there is none: not the address of a page */

/* Where an indirect branch may go; valid when rip and context are the same. */
struct indirect {
    const u8 *host;
    u64 rip, context;
    u64 unused;
};

/* The same by physical address, for all address spaces. */
enum { GENERATION_SHIFT = 54 };
struct physical {
    u64 tag;                  /* generation | pa << 8 | env of what begins there */
    const u8 *far, *indirect; /* its entries */
    u64 unused;
};

/* The page that accesses of one kind went to last: cheaper to ask than the TLB, which it is a copy
 * of, by code that is expected to stay there. By privilege, right and bytes, so that nothing but
 * the address has to match. limit is 0 while it is void: no offset is below it. */
struct page_slot {
    u64 tag, limit, host;
    u64 valid_limit; /* what limit is otherwise: the last access ends with the page */
};
enum {
    SLOTS = 8,
    SLOT_SIZES = 5, /* 8, 16, 32, 64, 256 bytes */
    SLOT_CLASSES = 2 * X86_TLB_FILLED,
};

/* An index of what there is for the kernel and for user code: env's. */
static inline unsigned is_user(u8 env)
{
    return env >> ENV_CPL_SHIFT == 3;
}

struct translator {
    /* Below what rsp points at, where a byte says how far: a tenth of the instructions that large
     * programs run are for these fields, and such programs wait for bytes of code. Signal frames
     * leave the 128 bytes below rsp alone [psABI 3.2.2], so they reach no further. */
    u64 checked[CHECK_GROUPS_MAX]; /* host addresses that the running block has checked */
    u64 page;                      /* linear address of the page the running code is in */
    u64 context;                   /* epoch and env: tag of the indirect table */
    u64 target;
    u16 flags;                     /* AH of LAHF and AL of SETO, across exits */
    u16 flags_check;               /* the same across a TLB check */
    u8 return_top[X86_TLB_FILLED]; /* 8 * index of the newest */
    u64 pushed[4];                 /* over by translated code and the routines it calls */

    struct soft soft; /* its cpu is what rsp points at */
    u64 host_sp;      /* of the monitor, while translated code runs */
    u64 arg;
    u32 kind;          /* enum exit_kind */
    u32 result;        /* enum x86_result of EXIT_RESULT */
    u32 last_indirect; /* the running indirect branch, as translate_callout() takes it */
    u64 refilled;      /* the address, while do_refill runs */
    u64 generation;    /* of code memory, as tags in `physical` have it */
    /* Called from translated code. */
    int (*callout)(struct translator *, u32);
    int (*refill)(struct translator *, u64, u32);

    /* Made; bytes of host code, and of what seldom runs; runs from outside. */
    u64 translations, code_bytes, code_rest_bytes, entries;
    u64 came_out[EXIT_KINDS];    /* by enum exit_kind */
    u64 given_up[GIVE_UP_COUNT]; /* by enum give_up */
    u64 calls[X86_OP_COUNT];     /* callouts */

    volatile bool inside;      /* translated code runs, or what it calls; for samples */
    struct places *places;     /* NULL: nobody takes samples */
    struct lockstep *lockstep; /* NULL: translations run alone, joined to each other */
    unsigned hot;              /* runs before a block is translated */

    /* Code memory, by its writable mapping. What seldom runs is kept apart, chunk by chunk, so that
     * what runs is close together: large programs wait for their instructions. */
    struct os_code code;
    struct code_part {
        u8 *at, *end; /* of the chunk that is being filled */
    } code_main, code_rest;
    /* The first chunk, behind the routines below, NULL until they are made; the next free one. */
    u8 *code_first, *code_next;
    u8 *scratch; /* BLOCK_CODE_MAX bytes for code that nobody runs */
    struct link *links;
    unsigned link_count;
    void *memory; /* that all this lies in */
    void (*enter)(struct translator *, const u8 *host);
    const u8 *do_refill, *do_refill_for_slot, *do_callout, *exit_link, *exit_at, *exit_jump,
        *exit_far, *exit_landing, *exit_slow;
    const u8 *fill_slot[SLOT_CLASSES]
                       [SLOT_SIZES]; /* page of T0 into the slot T1; T0 = offset, or large */
    u64 slots_at;                    /* cpu.tlb_changes when the slots were voided last */
    u8 last_slot[SLOT_CLASSES][SLOT_SIZES];
    /* From here on all is zero, and without memory, until code is translated: a page of memory that
     * the host has to find can take half of the time that a guest needs to start. */
    alignas(64) struct page_slot slot[SLOT_CLASSES][SLOT_SIZES][SLOTS];
    struct replaced replaced[1 << REPLACED_BITS];
    /* For the kernel, for user code: each of one number of soft.epoch. */
    alignas(64) struct far_page far[2][1 << FAR_BITS];
    u64 far_epoch[2];
    u8 far_env[2]; /* but for the TLB: returns[] hold for it */
    alignas(64) struct return_to returns[X86_TLB_FILLED][RETURNS];
    unsigned far_used[2];
    u16 far_slot[2][1 << FAR_BITS]; /* those in use */
    alignas(64) struct indirect indirect[1 << INDIRECT_BITS];
    alignas(64) struct physical physical[1 << PHYSICAL_BITS];
};

enum { RSP_AT = offsetof(struct translator, soft) };
_Static_assert(RSP_AT == 128 && offsetof(struct translator, pushed) == RSP_AT - 32,
               "a byte reaches what is below");

static inline struct translator *translator_of(struct soft *sv)
{
    return (struct translator *)(void *)((u8 *)sv - RSP_AT);
}
static inline const struct translator *translator_of_const(const struct soft *sv)
{
    return (const struct translator *)(const void *)((const u8 *)sv - RSP_AT);
}

/* Offset from rsp of a field of struct translator, of a guest register. */
#define AT(field) ((i32)offsetof(struct translator, field) - RSP_AT)
#define AT_GPR(r) (AT(soft.cpu.s.gpr) + 8 * (i32)(r))

/* An instruction as a callout names it: its place in the arena. */
static inline u32 callout_name(const struct translator *t, const struct x86_insn *i)
{
    return (u32)((u64)((const u8 *)i - t->soft.arena.base) / sizeof *i);
}
static inline const struct x86_insn *named_insn(const struct translator *t, u32 name)
{
    return (const struct x86_insn *)(const void *)t->soft.arena.base + name;
}
_Static_assert(ARENA_MAX / 64 <= 1u << 31, "the name of an instruction is a positive number");

/* routines.c: the code that all translations share. */
void translate_routines(struct translator *t);

/* block.c: makes b's translation; NULL when there is no room left. */
struct translation *translate_block(struct translator *t, struct block *b, u8 env);

/* ways.c: ways into a translation, made if they are not there. */
const u8 *way_back(struct translator *t, struct translation *tr);
const u8 *way_far(struct translator *t, struct translation *tr);
const u8 *way_indirect(struct translator *t, struct translation *tr);

/* counters.c */
void translate_counters(const struct vcpu *v, engine_count_fn tell, void *ctx);
bool uses_vectors(const struct x86_insn *i);
enum give_up give_up_reason(const struct x86_insn *i);

/* listing.c: code for people. rip: of the block. listing_trace() shows the block at cpu.s.rip and
 * its new translation, if the machine's trace wants it. */
void listing_guest(const struct translator *t, const struct block *b, u64 rip,
                   const struct vm_trace *to);
void listing_host(const struct translator *t, const struct translation *tr,
                  const struct vm_trace *to);
void listing_trace(const struct translator *t, const struct block *b, const struct translation *tr);

/* sample.c: which block host code was made from; nothing without samples. */
int places_create(struct translator *t, struct err *e) must_check;
void places_destroy(struct translator *t);
void places_forget(struct translator *t);
/* tr has been made. */
void places_note(struct translator *t, const struct translation *tr);
/* So has a way into it, [start, end), later. indirect: it is entered by way of the table. */
void places_note_way(struct translator *t, const struct translation *tr, const u8 *start,
                     const u8 *end, bool indirect);
void translate_sample(struct vcpu *v, const struct os_sample *s, struct guest_place *at);

/* slot.c: before translated code runs again. */
void translate_void_slots(struct translator *t);
static inline void translate_settle(struct translator *t)
{
    if (unlikely(t->slots_at != t->soft.cpu.tlb_changes))
        translate_void_slots(t);
}

/* run.c */
/* Makes [lin, lin + size) direct for an access through a TLB; 0: it isn't, the instruction must be
 * called out. */
int translate_refill(struct translator *t, u64 lin, u32 refill);
static inline u32 refill_of(unsigned size, enum x86_access access, unsigned index)
{
    return size << 4 | index << 2 | access;
}
int translate_blocks(struct soft *sv);
int translate_callout(struct translator *t, u32 name);
void translate_killed(struct soft *sv, struct block *b);
void translate_emptied(struct soft *sv);

#endif
