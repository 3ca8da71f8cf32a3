/* SPDX-License-Identifier: BSD-2-Clause */
/* A small world for one processor: flat RAM, a page of MMIO, recorded ports, and tables of
 * descriptors, gates and pages to stand on. */
#ifndef TESTS_ISA_WORLD_H
#define TESTS_ISA_WORLD_H

#include "isa/x86/exec/exec.h"
#include "isa/x86/exec/memory.h"
#include "isa/x86/exec/store_buffer.h"

enum {
    RAM_SIZE = 4 << 20,
    MMIO_PAGE = 0x10000000, /* the only physical page outside RAM that answers */

    /* Where things are. */
    AT_GDT = 0x1000,
    AT_IDT = 0x2000,
    AT_TSS = 0x3000,
    AT_LDT = 0x4000,
    AT_TSS2 = 0x5000,
    AT_CODE = 0x10000,
    AT_STACK0 = 0x20000, /* tops of stacks */
    AT_STACK1 = 0x22000,
    AT_STACK3 = 0x24000,
    AT_STACK_IST = 0x26000,
    AT_DATA = 0x30000,
    AT_PAGES = 0x100000, /* page tables */

    /* Selectors of world_gdt(). */
    SEL_CODE0 = 0x08,
    SEL_DATA0 = 0x10,
    SEL_CODE3 = 0x1b,
    SEL_DATA3 = 0x23,
    SEL_CODE64_0 = 0x28,
    SEL_CODE64_3 = 0x33,
    SEL_TSS = 0x38, /* two slots */
    SEL_CODE1 = 0x49,
    SEL_DATA1 = 0x51,
    SEL_CODE16 = 0x58,
    SEL_CONFORMING = 0x60,
    SEL_LDT = 0x68, /* two slots */
    SEL_TSS2 = 0x78,
    SEL_FREE = 0x80, /* tests put their own here and after it */
    GDT_SLOTS = 64,

    /* Descriptor attributes: the access byte, AVL..G from bit 8. */
    D_CODE0 = 0xc9b,
    D_DATA0 = 0xc93,
    D_CODE3 = 0xcfb,
    D_DATA3 = 0xcf3,
    D_CODE64_0 = 0xa9b,
    D_CODE64_3 = 0xafb,
};

struct world {
    struct x86_cpu cpu;
    struct x86_cpu_model model;
    const struct x86_cpu_model *given; /* model to go back to */
    bool ram_owned;
    u8 *ram;
    u64 mmio; /* the word at MMIO_PAGE */
    unsigned mmio_reads, mmio_writes;
    unsigned outside; /* accesses to no memory at all */
    u16 port;         /* the last port access */
    u8 port_size;
    u32 port_value; /* written, or given to reads */
    unsigned port_reads, port_writes, flushes;
    int port_result;
    u64 code_page; /* a RAM page whose writes must be seen */
    unsigned code_writes;
    unsigned calls, calls_max; /* physical accesses that left the fast path; at calls_max, if any, a
                                  request is raised: long string instructions stop */
};

struct world *world_create(void);
void world_destroy(struct world *w);
/* A world as the state of a group of tests. */
int world_setup(void **state);
int world_teardown(void **state);
/* The same on RAM that the caller keeps, for processors of this model (NULL: one with everything).
 */
struct world *world_create_on(u8 *ram, const struct x86_cpu_model *model);
/* Back to power-up: RAM zero, everything forgotten. */
void world_reset(struct world *w);
/* Modes with flat segments at privilege cpl, tables loaded, no paging but in long mode, where the
 * first 1 GiB is mapped to itself (user, writable, 2 MiB pages). rip is AT_CODE. */
void world_real(struct world *w);
void world_protected(struct world *w, unsigned cpl);
void world_long(struct world *w, unsigned cpl);
/* Virtual-8086 mode with IOPL; code at AT_CODE. */
void world_vm86(struct world *w, unsigned iopl);

u64 descriptor(u32 base, u32 limit, unsigned attr);
void world_descriptor(struct world *w, unsigned sel, u64 low);
/* A gate in the IDT; type 5, 6, 7, 14, 15. In long mode with ist. */
void world_gate(struct world *w, unsigned vector, unsigned type, unsigned dpl, unsigned sel,
                u64 offset, unsigned ist);

/* Puts code at rip and runs one instruction. */
int world_run(struct world *w, const void *code, unsigned n);
#define RUN(w, ...)                                                                                \
    ({                                                                                             \
        static const u8 code_[] = {__VA_ARGS__};                                                   \
        world_run((w), code_, sizeof code_);                                                       \
    })
/* The same with exceptions sent to us: the exception as FAULT(vector, error), or NO_FAULT. The
 * state is then as before the instruction. */
enum { NO_FAULT = -1 };
#define FAULT(vector, error) ((int)((vector) << 16 | (error)))
int world_fault(struct world *w, const void *code, unsigned n);
#define RUN_FAULT(w, ...)                                                                          \
    ({                                                                                             \
        static const u8 code_[] = {__VA_ARGS__};                                                   \
        world_fault((w), code_, sizeof code_);                                                     \
    })

static inline u64 ram_get(const struct world *w, u64 at, unsigned size)
{
    u64 v = 0;
    __builtin_memcpy(&v, w->ram + at, size);
    return v;
}
static inline void ram_put(struct world *w, u64 at, unsigned size, u64 v)
{
    __builtin_memcpy(w->ram + at, &v, size);
}

#endif
