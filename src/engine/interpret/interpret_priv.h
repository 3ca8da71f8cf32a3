/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the interpreter, shared by the files of this folder. */
#ifndef ENGINE_INTERPRET_INTERPRET_PRIV_H
#define ENGINE_INTERPRET_INTERPRET_PRIV_H

#include "base/os.h"
#include "isa/x86/exec/exec.h"
#include "isa/x86/exec/memory.h"
#include "vm/vm.h"

enum {
    PAGE_SIZE = 4096,
    GRANULE = 64,             /* bytes of a page that one bit of code_page.granules stands for */
    BLOCK_INSNS_MAX = 48,
    BLOCK_HASH_SIZE = 1 << 15,
    JUMP_CACHE_SIZE = 1 << 12,
    CODE_QUEUE_SIZE = 64,
};
#define ARENA_SIZE (64 * MiB)

/* Instructions that run one after the other unless a branch is taken, decoded from one physical
 * place in one mode. The array ends with an instruction of length 0 that leads to the next block. */
struct block;
struct block_ref { /* in the list of a code page */
    struct block_ref *next;
    struct block *block;
};
struct block {
    u64 pa;          /* of its first byte */
    u64 second_page; /* physical page where its only instruction goes on; 0: it does not */
    u64 key;         /* context_key() it was decoded for */
    u16 bytes;
    u8 turn;         /* link to replace next */
    bool dead;       /* its bytes were overwritten */
    struct block *hash_next;
    struct block_ref ref[2]; /* of its page, of second_page */
    struct {
        u64 rip, epoch;
        struct block *to;
    } link[2];       /* where it went before; valid in the epoch it was made in */
    alignas(64) struct x86_insn insn[];
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

struct interpret_vm {
    struct vm *vm;
    struct os_mutex code_lock;
    u64 pages;
    struct code_page *page;
    unsigned parts;
    struct ram_part part[GUEST_MEMORY_BLOCKS_MAX];
    unsigned claims; /* pages marked whose write tags are not all dropped yet; under code_lock */
    u64 marks; /* atomic: how often write tags were dropped */

    /* exclusive.c */
    struct os_mutex lock;
    struct os_cond changed;
    const void *owner; /* who runs alone, or wants to */
    unsigned running;  /* vCPUs inside run() and not at a safe point */
};

struct code_write {
    u64 start, size;
};

/* A vCPU of this engine. */
struct interpret {
    struct x86_cpu cpu; /* first: ops find the rest from it */
    struct vcpu *vcpu;
    struct interpret_vm *ivm;
    bool irq_maybe;     /* the local APIC or the PIC may have a vector that the guest could not take */
    bool in_run;        /* under ivm->lock */
    bool places_moved;  /* write tags were dropped while it waited to run alone */

    /* Context of the running code, kept by context_update(). */
    u64 key, cs_base;
    u32 cs_limit;
    /* Links and jump-cache entries of earlier epochs are void: the address space changed, or
     * blocks died. */
    u64 epoch;

    u8 *arena;          /* blocks, from the start */
    void *arena_memory;
    u64 arena_used;
    struct block **hash;        /* BLOCK_HASH_SIZE chains by pa and key */
    struct block_ref **page_first; /* by page of RAM */
    struct jump jump[JUMP_CACHE_SIZE];

    /* Stores by others into pages this vCPU has blocks from; under queue_lock. */
    struct os_mutex queue_lock;
    struct code_write queue[CODE_QUEUE_SIZE];
    unsigned queued;
    bool queue_overflow; /* drop everything */
};

static inline struct interpret *interpret_of(struct x86_cpu *cpu)
{
    return (struct interpret *)(void *)cpu;
}

/* world.c: the processor's way to memory, ports and the rest. */
extern const struct x86_ops interpret_world;

/* block.c: the block at cs:rip, decoding it if needed. NULL: *result is X86_EXCEPTION, or X86_OK
 * when this instruction must go through x86_step(). */
struct block *block_find(struct interpret *iv, int *result);
/* Drops blocks that overlap the granules of [start, start+size); true when there were any. */
bool block_drop_range(struct interpret *iv, u64 start, u64 size);
void block_drop_all(struct interpret *iv);
int block_cache_init(struct interpret *iv, struct err *e) must_check;
void block_cache_fini(struct interpret *iv);

/* code.c */
int code_map_init(struct interpret_vm *ivm, struct err *e) must_check;
void code_map_fini(struct interpret_vm *ivm);
/* Index of the page of RAM that holds pa; false: not RAM. */
bool code_page_index(const struct interpret_vm *ivm, u64 pa, u64 *index);
/* Before iv decodes from a page: afterwards no store to it goes unseen. */
void code_page_claim(struct interpret *iv, u64 page_pa);
void code_page_cover(struct interpret *iv, u64 pa, u64 size);
/* iv has no block of the page any more; or only those that cover granules. */
void code_page_release(struct interpret *iv, u64 page_pa);
void code_page_narrow(struct interpret *iv, u64 page_pa, u64 granules);
/* iv itself stored into RAM that is not free for stores. */
void code_written_by_self(struct interpret *iv, u64 pa, u64 size);
/* Anybody did: tells the vCPUs concerned. */
void code_written(struct interpret_vm *ivm, u64 start, u64 size);
/* On the vCPU's thread, between blocks. */
void code_queue_run(struct interpret *iv);
u64 code_granules(u64 pa, u64 size);

/* exclusive.c: running alone. iv is NULL for a thread that is no vCPU. */
void exclusive_enter(struct interpret *iv);
void exclusive_leave(struct interpret *iv);
void exclusive_safe_point(struct interpret *iv);
void exclusive_begin(struct interpret_vm *ivm, struct interpret *iv);
void exclusive_end(struct interpret_vm *ivm);

/* loop.c */
enum vcpu_stop interpret_run(struct vcpu *v);
/* core.c: runs blocks until something other than the next instruction is due; enum x86_result. */
int interpret_blocks(struct interpret *iv);
int interpret_block_end(struct x86_cpu *cpu, const struct x86_insn *insn);
int interpret_stale(struct x86_cpu *cpu, const struct x86_insn *insn);

#endif
