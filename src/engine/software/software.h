/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engines share that run the guest by isa/x86/exec: vCPUs, decoded blocks, code pages,
 * running alone, the loop around it. An engine of this kind adds how blocks are run. */
#ifndef ENGINE_SOFTWARE_SOFTWARE_H
#define ENGINE_SOFTWARE_SOFTWARE_H

#include "base/os.h"
#include "isa/x86/exec/exec.h"
#include "isa/x86/exec/memory.h"
#include "vm/vm.h"

enum {
    PAGE_SIZE = 4096,
    GRANULE = 64, /* bytes of a page that one bit of code_page.granules stands for */
    BLOCK_INSNS_MAX = 48,
    BLOCK_HASH_SIZE = 1 << 17,
    CODE_SEEN_BITS = 18,
    CODE_SEEN_MAX = 1 << 13,
    JUMP_CACHE_SIZE = 1 << 12,
    CODE_QUEUE_SIZE = 64,
};
/* Bytes for blocks and translations: of a machine, if nothing else is asked for; what a translating
 * engine begins with; bounds of one vCPU's part; the most for blocks alone. */
#define CACHE_DEFAULT (512 * MiB)
#define CACHE_START   (32 * MiB)
#define CACHE_MIN     (2 * MiB)
#define CACHE_MAX     (1 * GiB)
#define ARENA_MAX     (512 * MiB)
enum { PATIENCE = 12 }; /* a start fills the part of one vCPU about as often */

struct soft;

/* Instructions that run one after the other unless a branch is taken, decoded from one physical
 * place in one mode. The array ends with an instruction of length 0 that leads to the next block.
 */
struct block;
struct block_ref { /* in the list of a code page */
    struct block_ref *next;
    struct block *block;
};
struct block {
    u32 space; /* that it takes in the arena */
    u16 bytes; /* 0: this is a hole */
    u8 turn;   /* link to replace next */
    bool dead; /* its bytes were overwritten, or it is to go */
    /* For the engine: how often it ran before it was worth more than decoding, or its translation
     * before that was not good enough. */
    u16 heat;
    u8 ways;
    bool crosses;    /* what it accesses is often in two pages, or none that can be accessed */
    u64 pa;          /* of its first byte */
    u64 second_page; /* physical page where its only instruction goes on; 0: it does not */
    u64 key;         /* context_key() it was decoded for */
    struct translation *translation; /* the engine's own, or NULL */
    u64 seen; /* granules of its page that the translation depends on beside its bytes */
    struct block *hash_next;
    struct block_ref ref[2]; /* of its page, of second_page */
    struct {
        u64 rip, epoch;
        struct block *to;
    } link[2]; /* where it went before; valid in the epoch it was made in */
    alignas(64) struct x86_insn insn[];
};

/* Where blocks are. New ones are put at `at`, in what was a hole. */
struct arena {
    u8 *base, *at, *end;
    void *memory;
    struct block *hole;            /* list of the following ones, by hash_next */
    unsigned patience;             /* how often it is full before it grows: a start is soon over */
    u64 size, code_size, size_max; /* bytes for blocks, for translations; each at most */
};

/* Blocks by linear address. */
struct jump {
    u64 rip, key, epoch;
    struct block *to;
};

/* Which vCPUs have blocks from a page of RAM, and from which of its granules. Written under
 * code_lock (granules: raised without), read without. */
struct code_page {
    u64 granules, vcpus;
};

/* A part of the RAM, pages numbered from first_page on over all parts. */
struct ram_part {
    u64 start, size, first_page;
};

struct soft_vm {
    struct vm *vm;
    const struct soft_engine *engine;
    struct os_mutex code_lock;
    u64 pages;
    struct code_page *page;
    unsigned parts;
    struct ram_part part[GUEST_MEMORY_BLOCKS_MAX];
    unsigned claims; /* pages marked whose write tags are not all dropped yet; under code_lock */
    u64 marks;       /* atomic: how often write tags were dropped */

    /* exclusive.c */
    struct os_mutex lock;
    struct os_cond changed;
    const void *owner; /* who runs alone, or wants to */
    unsigned running;  /* vCPUs inside run() and not at a safe point */
};

struct code_write {
    u64 start, size;
};

/* What makes an engine of all this. killed and emptied may be NULL. */
struct soft_engine {
    /* Runs blocks until something other than the next instruction is due; enum x86_result. */
    int (*run_blocks)(struct soft *sv);
    /* A block's bytes were overwritten: it may be running. */
    void (*killed)(struct soft *sv, struct block *b);
    /* All blocks are gone; only between blocks. */
    void (*emptied)(struct soft *sv);
    bool translates; /* what has no translation by and by is seldom run */
};

/* A vCPU. */
struct soft {
    struct x86_cpu cpu; /* first: ops find the rest from it */
    struct vcpu *vcpu;
    struct soft_vm *svm;
    const struct soft_engine *engine;
    bool irq_maybe; /* the local APIC or the PIC may have a vector that the guest could not take */
    bool in_run;    /* under svm->lock */
    bool places_moved; /* write tags were dropped while it waited to run alone */

    /* Context of the running code, kept by context_update(). */
    u64 key, cs_base;
    u32 cs_limit;
    /* Where linear addresses lead: what was found under another number (of cpu->spaces) holds no
     * more, or not here. User code has its address space's; the kernel's stays over changes of the
     * address space while all code it ran is in global pages of the upper half. */
    u64 epoch;
    u64 kernel_epoch, based_epoch; /* the latter for code segments that are not flat */
    u64 seen_space, seen_global;   /* that these numbers were made for */
    bool kernel_local;             /* it ran other code */
    u64 kills;                     /* how many blocks died: the running one may be among them */
    /* Linear pages that code was looked up in, by hash: INVLPG of others concerns no code. */
    u64 code_seen[(1 << CODE_SEEN_BITS) / 64];
    u64 code_large[8]; /* GiB modulo 512 with code in large pages */
    unsigned code_seen_count;

    struct arena arena;
    u64 chance;                    /* of drop_at_random() */
    struct block **hash;           /* BLOCK_HASH_SIZE chains by pa and key */
    struct block_ref **page_first; /* by page of RAM */
    struct jump jump[JUMP_CACHE_SIZE];

    u64 blocks_made, blocks_dropped, emptied;

    /* Stores by others into pages this vCPU has blocks from; under queue_lock. */
    struct os_mutex queue_lock;
    struct code_write queue[CODE_QUEUE_SIZE];
    unsigned queued;
    bool queue_overflow; /* drop everything */
};

static inline struct soft *soft_of(struct x86_cpu *cpu)
{
    return (struct soft *)(void *)cpu;
}

/* world.c: the processor's way to memory, ports and the rest. */
extern const struct x86_ops soft_world;

/* block.c: the block at cs:rip, decoding it if needed. NULL: *result is X86_EXCEPTION, or X86_OK
 * when this instruction must go through x86_step(). */
struct block *block_find(struct soft *sv, int *result);
/* The block that begins there, for the running context; NULL: none, or one that crosses a page. */
struct block *block_at(struct soft *sv, u64 pa);
/* Drops blocks that overlap the granules of [start, start+size); true when there were any. */
bool block_drop_range(struct soft *sv, u64 start, u64 size);
void block_drop_all(struct soft *sv);
/* There is no room for translations: lets the cache grow, or drops everything. Between blocks. */
void block_cache_full(struct soft *sv);
int block_cache_init(struct soft *sv, struct err *e) must_check;
void block_cache_fini(struct soft *sv);

/* arena.c */
int arena_init(struct soft *sv, struct err *e) must_check;
void arena_fini(struct arena *a);
/* Nothing is in it any more. */
void arena_reset(struct arena *a);
/* There is no room: is it too early to grow? */
bool arena_is_patient(struct arena *a);
/* True when there is more room now. */
bool arena_extend(struct arena *a);
/* The next block or hole behind b, the first if b is NULL; NULL at the end. */
struct block *arena_next(const struct arena *a, const struct block *b);
/* Room for a block of this size at a->at; NULL: collect first. */
void *arena_place(struct arena *a, u64 space);
/* Dead blocks become holes; how many bytes there are in holes. */
u64 arena_collect(struct arena *a);
/* Bytes for translations at present. */
u64 cache_translation_share(const struct soft *sv);
/* True when there are more. */
bool cache_extend_code(struct soft *sv);

/* code.c */
int code_map_init(struct soft_vm *svm, struct err *e) must_check;
void code_map_fini(struct soft_vm *svm);
/* Index of the page of RAM that holds pa; false: not RAM. */
bool code_page_index(const struct soft_vm *svm, u64 pa, u64 *index);
/* Before sv decodes from a page: afterwards no store to it goes unseen. */
void code_page_claim(struct soft *sv, u64 page_pa);
void code_page_cover(struct soft *sv, u64 pa, u64 size);
/* sv has no block of the page any more; or only those that cover granules. */
void code_page_release(struct soft *sv, u64 page_pa);
void code_page_narrow(struct soft *sv, u64 page_pa, u64 granules);
/* sv itself stored into RAM that is not free for stores. */
void code_written_by_self(struct soft *sv, u64 pa, u64 size);
/* Anybody did: tells the vCPUs concerned. */
void code_written(struct soft_vm *svm, u64 start, u64 size);
/* On the vCPU's thread, between blocks. */
void code_queue_run(struct soft *sv);
u64 code_granules(u64 pa, u64 size);

/* exclusive.c: running alone. sv is NULL for a thread that is no vCPU. */
void exclusive_enter(struct soft *sv);
void exclusive_leave(struct soft *sv);
void exclusive_safe_point(struct soft *sv);
void exclusive_begin(struct soft_vm *svm, struct soft *sv);
void exclusive_end(struct soft_vm *svm);

/* loop.c: enum vcpu_stop run() of struct engine_ops. */
enum vcpu_stop soft_run(struct vcpu *v);

/* context.c */
enum { SOFT_KEY_TLB_BYTE = 6 }; /* of key: cpu->tlb_index */
void soft_context_update(struct soft *sv);
/* Code was looked up at lin. */
void soft_note_code(struct soft *sv, u64 lin, const struct x86_tlb_entry *t);
/* The guest flushed the translation of va alone. */
void soft_page_flushed(struct soft *sv, u64 va);
/* After X86_END: true when nothing but the next instruction is due. */
bool soft_is_quiet(struct soft *sv);
/* Finds the block at rip and remembers it as a successor of `from`. */
struct block *soft_link(struct soft *sv, struct block *from, int *result);
int soft_block_end(struct x86_cpu *cpu, const struct x86_insn *insn);
int soft_stale(struct x86_cpu *cpu, const struct x86_insn *insn);

static always_inline struct block *soft_follow(const struct soft *sv, const struct block *b,
                                               u64 rip)
{
    for (unsigned k = 0; k < 2; k++)
        if (b->link[k].rip == rip && b->link[k].epoch == sv->epoch && !b->link[k].to->dead)
            return b->link[k].to;
    return NULL;
}

/* Interprets a block from its instruction `first` at rip on: what the last executed one came to. */
static always_inline int soft_interpret_from(struct soft *sv, const struct x86_insn *first)
{
    struct x86_cpu *cpu = &sv->cpu;
    const struct x86_insn *i = first;
    u64 rip = cpu->s.rip;
    int r;
    do {
        cpu->fault_rip = rip;
        rip += i->len;
        cpu->s.rip = rip;
        r = i->exec(cpu, i);
        i++;
    } while (likely(r == X86_OK));
    cpu->retired += (u64)(i - first);
    if (unlikely(r == X86_EXCEPTION || r == X86_REPEAT || r == X86_INTERCEPT)) {
        cpu->s.rip = cpu->fault_rip;
        cpu->retired--;
    }
    return r;
}

static always_inline int soft_interpret(struct soft *sv, const struct block *b)
{
    return soft_interpret_from(sv, b->insn);
}

/* engine.c: the parts of struct engine_ops that are the same for all. */
int soft_vm_init(struct vm *vm, const struct soft_engine *engine, struct err *e) must_check;
void soft_vm_fini(struct vm *vm);
/* For a zeroed struct soft in memory of the engine's own. */
int soft_vcpu_init(struct soft *sv, struct vcpu *v, struct err *e) must_check;
void soft_vcpu_fini(struct soft *sv);
void soft_kick(struct vcpu *v);
int soft_get_state(struct vcpu *v, struct x86_state *s, struct err *e);
int soft_set_state(struct vcpu *v, const struct x86_state *s, struct err *e);
/* What the interpreter does: the tier is TIER_INTERPRETED. */
void soft_sample(struct vcpu *v, const struct os_sample *s, struct guest_place *at);
void soft_counters(const struct vcpu *v, engine_count_fn tell, void *ctx);
void soft_memory_event(struct vm *vm, const struct memory_event *ev);

#endif
