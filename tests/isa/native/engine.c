/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine in a world of the same shape as the native address space: a little RAM, page tables
 * that map it for user mode at the addresses of native.h, and the segments Linux gives a process.
 */
#include <stdlib.h>
#include <string.h>

#include "native.h"

/* Physical layout, by page: four levels of tables, code, data, the read-only page. */
enum {
    PAGE_PML4 = 1,
    PAGE_PDPT = 2,
    PAGE_PD = 3,
    PAGE_PT_CODE = 4,
    PAGE_PT_DATA = 5,
    PAGE_CODE = 16,
    PAGE_DATA = 32,
    PAGE_READ_ONLY = PAGE_DATA + 16,
    PAGES = 64,
};
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40 };

static u8 ram[PAGES * 4096] __attribute__((aligned(4096)));
static struct x86_cpu *cpu;
static struct x86_cpu_model model;

struct x86_cpu *native_engine_cpu(void)
{
    return cpu;
}

u8 *native_engine_data(void)
{
    return ram + PAGE_DATA * 4096;
}

/* --- The world --- */

/* Code is the memory that runs natively too: both read the same bytes through CS. */
static u8 *world_host(u64 pa)
{
    u64 code = pa - PAGE_CODE * 4096;
    if (code < NATIVE_CODE_SIZE)
        return (u8 *)(NATIVE_CODE + code);
    return pa < sizeof(ram) ? ram + pa : NULL;
}

static u8 *world_page(struct x86_cpu *c, u64 pa, bool for_write, bool *writable)
{
    *writable = true;
    return world_host(pa & ~(u64)4095);
}

static int world_read(struct x86_cpu *c, u64 pa, unsigned size, u64 *value)
{
    *value = ~(u64)0;
    if (world_host(pa))
        memcpy(value, world_host(pa), size);
    return X86_OK;
}

static int world_write(struct x86_cpu *c, u64 pa, unsigned size, u64 value)
{
    if (world_host(pa))
        memcpy(world_host(pa), &value, size);
    return X86_OK;
}

static int world_cmpxchg(struct x86_cpu *c, u64 pa, unsigned size, u64 expect, u64 value, u64 *seen)
{
    world_read(c, pa, size, seen);
    *seen &= mask_low(size * 8);
    if (*seen == expect)
        world_write(c, pa, size, value);
    return X86_OK;
}

static int world_port_read(struct x86_cpu *c, u16 port, unsigned size, u32 *value)
{
    *value = ~(u32)0;
    return X86_OK;
}

static int world_port_write(struct x86_cpu *c, u16 port, unsigned size, u32 value)
{
    return X86_OK;
}

static int world_msr_read(struct x86_cpu *c, u32 index, u64 *value)
{
    return -1;
}

static int world_msr_write(struct x86_cpu *c, u32 index, u64 value)
{
    return -1;
}

static void world_cpuid(struct x86_cpu *c, u32 leaf, u32 subleaf, u32 out[4])
{
    memset(out, 0, 16);
}

static u64 world_tsc(struct x86_cpu *c)
{
    return 0;
}

static void world_tpr_write(struct x86_cpu *c, u64 cr8)
{
}

static u64 world_tpr_read(struct x86_cpu *c)
{
    return 0;
}

static int world_hypercall(struct x86_cpu *c)
{
    return -1;
}

static void world_tlb_flushed(struct x86_cpu *c, bool all, u64 va)
{
}

static void world_exclusive(struct x86_cpu *c)
{
}

static const struct x86_ops world = {
    .phys_page = world_page,
    .phys_read = world_read,
    .phys_write = world_write,
    .phys_cmpxchg = world_cmpxchg,
    .port_read = world_port_read,
    .port_write = world_port_write,
    .msr_read = world_msr_read,
    .msr_write = world_msr_write,
    .cpuid = world_cpuid,
    .tsc = world_tsc,
    .tpr_write = world_tpr_write,
    .tpr_read = world_tpr_read,
    .hypercall = world_hypercall,
    .tlb_flushed = world_tlb_flushed,
    .exclusive_begin = world_exclusive,
    .exclusive_end = world_exclusive,
};

/* --- Page tables and segments --- */

static void map_page(unsigned table, unsigned index, unsigned page, u64 flags)
{
    store64(ram + table * 4096 + index * 8, (u64)page * 4096 | flags);
}

static void make_page_tables(void)
{
    u64 user = PTE_P | PTE_W | PTE_U | PTE_A;

    map_page(PAGE_PML4, 0, PAGE_PDPT, user);
    map_page(PAGE_PDPT, 0, PAGE_PD, user);
    map_page(PAGE_PD, NATIVE_CODE >> 21, PAGE_PT_CODE, user);
    map_page(PAGE_PD, NATIVE_DATA >> 21, PAGE_PT_DATA, user);
    for (unsigned n = 0; n < 16; n++) {
        map_page(PAGE_PT_CODE, n, PAGE_CODE + n, PTE_P | PTE_U | PTE_A);
        map_page(PAGE_PT_DATA, n, PAGE_DATA + n, user | PTE_D);
    }
    map_page(PAGE_PT_DATA, 16, PAGE_READ_ONLY, PTE_P | PTE_U | PTE_A);
}

static void set_segment(unsigned seg, u16 sel, u64 base, u32 limit, u16 attr)
{
    cpu->s.seg[seg] = (struct x86_segment){.base = base, .limit = limit, .sel = sel, .attr = attr};
}

enum {
    DATA = X86_SEG_P | 3 << X86_SEG_DPL_SHIFT | X86_SEG_S | X86_SEG_WRITABLE | X86_SEG_ACCESSED,
    CODE = DATA | X86_SEG_CODE,
    FLAT = X86_SEG_DB | X86_SEG_G,
};

static void set_mode(enum x86_mode mode)
{
    u16 data = native_host_data_selector(mode), sel = native_host_code_selector(mode);
    bool wide = mode != X86_MODE16;

    if (mode == X86_MODE64)
        set_segment(X86_CS, sel, 0, 0xffffffff, CODE | X86_SEG_L | X86_SEG_G);
    else
        set_segment(X86_CS, sel, wide ? 0 : NATIVE_CODE, wide ? 0xffffffff : 0xffff,
                    wide ? CODE | FLAT : CODE);
    for (unsigned seg = X86_ES; seg <= X86_DS; seg++) {
        if (seg != X86_CS)
            set_segment(seg, data, wide ? 0 : NATIVE_DATA, wide ? 0xffffffff : 0xffff,
                        wide ? DATA | FLAT : DATA);
    }
    set_segment(X86_FS, 0, 0, 0, X86_SEG_UNUSABLE);
    if (mode == X86_MODE64)
        set_segment(X86_GS, 0, NATIVE_DATA, 0, X86_SEG_UNUSABLE);
    else /* the third LDT entry */
        set_segment(X86_GS, 2 << 3 | 7, NATIVE_DATA, 0xffff, DATA);
    x86_cpu_derive(cpu);
}

void native_engine_init(void)
{
    cpu = aligned_alloc(64, align_up(sizeof(*cpu), 64));
    if (!cpu)
        abort();
    memset(cpu, 0, sizeof(*cpu));
    make_page_tables();
    x86_model_host(&model);
    x86_cpu_init(cpu, &world, NULL, &model, 0, true);
    cpu->s.cr0 =
        X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_PG;
    cpu->s.cr3 = PAGE_PML4 * 4096;
    cpu->s.cr4 =
        X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_OSXSAVE | X86_CR4_FSGSBASE;
    cpu->s.efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE | X86_EFER_SCE;
    cpu->s.xcr0 = native_host_xcr0();
    /* A task-state segment too short for an I/O permission map: user code has no ports. */
    cpu->s.tr = (struct x86_segment){.sel = 0x40, .limit = 0x67 - 1, .attr = X86_SEG_P | 0xb};
    set_mode(X86_MODE64);
    x86_tlb_flush(cpu, true);
}

/* --- Running --- */

/* Natively a branch into the instruction itself, or into the exit behind it, would run on. */
static bool leads_astray(const struct native_case *c, u64 start)
{
    u64 rip = cpu->s.rip, stub = NATIVE_CODE + NATIVE_EXIT;
    u64 linear = c->mode == X86_MODE16 ? rip + NATIVE_CODE : rip;
    return (rip >= start && rip < start + c->insn.len + 8 && rip != start + c->insn.len) ||
           (linear >= stub && linear < stub + 16);
}

void native_engine_run(const struct native_case *c, struct native_result *r)
{
    struct x86_insn insn = c->insn;
    u64 start = NATIVE_CODE + NATIVE_IP - (c->mode == X86_MODE16 ? NATIVE_CODE : 0);
    int result;

    if (cpu->mode != c->mode)
        set_mode(c->mode);
    cpu->s.seg[X86_GS].base = NATIVE_DATA; /* WRGSBASE may have been the last case */
    memcpy(cpu->s.gpr, c->regs.gpr, sizeof(cpu->s.gpr));
    cpu->s.rflags = c->regs.rflags;
    x86_cpu_derive_privilege(cpu); /* AC */
    cpu->request = c->interrupted;
    cpu->s.rip = start + insn.len;
    cpu->fault_rip = start;
    cpu->fault = (struct x86_event){0};
    if (c->vector)
        memcpy(cpu->s.xsave, c->xsave, sizeof(c->xsave));

    x86_exec_bind(cpu, &insn, c->code);
    do {
        result = insn.exec(cpu, &insn);
    } while (result == X86_REPEAT);
    x86_vector_release(cpu);
    if (result == X86_EXCEPTION)
        cpu->s.rip = start;

    r->skip = leads_astray(c, start) && result != X86_EXCEPTION;
    memcpy(r->regs.gpr, cpu->s.gpr, sizeof(cpu->s.gpr));
    r->regs.rip = cpu->s.rip;
    r->regs.rflags = cpu->s.rflags;
    r->vector = result == X86_EXCEPTION ? cpu->fault.vector : NATIVE_NO_VECTOR;
    r->error = result == X86_EXCEPTION && cpu->fault.has_error ? cpu->fault.error : 0;
    r->address = result == X86_EXCEPTION ? cpu->fault.payload : 0;
    if (c->vector)
        memcpy(r->xsave, cpu->s.xsave, sizeof(r->xsave));
}
