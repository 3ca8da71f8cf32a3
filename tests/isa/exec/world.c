/* SPDX-License-Identifier: BSD-2-Clause */
/* The small world: operations on a RAM array, and the modes to start from. */
#include "world.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static struct world *of(struct x86_cpu *cpu)
{
    return cpu->owner;
}

static void count_call(struct world *w)
{
    if (++w->calls == w->calls_max)
        w->cpu.request |= 1;
}

static u8 *page(struct x86_cpu *cpu, u64 pa, bool for_write, bool *writable)
{
    struct world *w = of(cpu);
    count_call(w);
    *writable = (pa & ~(u64)0xfff) != w->code_page;
    return pa < RAM_SIZE ? w->ram + (pa & ~(u64)0xfff) : NULL;
}

static int phys_read(struct x86_cpu *cpu, u64 pa, unsigned size, u64 *value)
{
    struct world *w = of(cpu);
    count_call(w);
    *value = 0;
    if (pa < RAM_SIZE) {
        memcpy(value, w->ram + pa, size);
    } else if ((pa & ~(u64)0xfff) == MMIO_PAGE) {
        w->mmio_reads++;
        *value = w->mmio;
    } else {
        w->outside++;
        *value = ~(u64)0;
    }
    return X86_OK;
}

static int phys_write(struct x86_cpu *cpu, u64 pa, unsigned size, u64 value)
{
    struct world *w = of(cpu);
    count_call(w);
    if (pa < RAM_SIZE) {
        memcpy(w->ram + pa, &value, size);
        w->code_writes += (pa & ~(u64)0xfff) == w->code_page;
    } else if ((pa & ~(u64)0xfff) == MMIO_PAGE) {
        w->mmio_writes++;
        w->mmio = value;
    } else {
        w->outside++;
    }
    return X86_OK;
}

static int phys_cmpxchg(struct x86_cpu *cpu, u64 pa, unsigned size, u64 expect, u64 value,
                        u64 *seen)
{
    phys_read(cpu, pa, size, seen);
    *seen &= ~(u64)0 >> (64 - 8 * size);
    if (*seen == expect)
        phys_write(cpu, pa, size, value);
    return X86_OK;
}

static int port_read(struct x86_cpu *cpu, u16 port, unsigned size, u32 *value)
{
    struct world *w = of(cpu);
    w->port = port;
    w->port_size = (u8)size;
    w->port_reads++;
    *value = w->port_value;
    return w->port_result;
}

static int port_write(struct x86_cpu *cpu, u16 port, unsigned size, u32 value)
{
    struct world *w = of(cpu);
    w->port = port;
    w->port_size = (u8)size;
    w->port_writes++;
    w->port_value = value;
    return w->port_result;
}

static u64 tsc(struct x86_cpu *cpu)
{
    return 0x123456789a;
}

static void tlb_flushed(struct x86_cpu *cpu, bool all, u64 va)
{
    of(cpu)->flushes++;
}

static const struct x86_ops ops = {
    .phys_page = page,
    .phys_read = phys_read,
    .phys_write = phys_write,
    .phys_cmpxchg = phys_cmpxchg,
    .port_read = port_read,
    .port_write = port_write,
    .tsc = tsc,
    .tlb_flushed = tlb_flushed,
};

static void everything(struct x86_cpu_model *m)
{
    memset(m, 0, sizeof *m);
    m->vendor = X86_VENDOR_INTEL;
    m->physical_bits = 40;
    m->linear_bits = 48;
    memset(m->features, 0xff, sizeof m->features);
    m->xcr0_allowed = 7;
    m->efer_allowed = X86_EFER_SCE | X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE;
    m->cr4_allowed = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
                     X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |
                     X86_CR4_OSXMMEXCPT | X86_CR4_UMIP | X86_CR4_FSGSBASE | X86_CR4_PCIDE |
                     X86_CR4_OSXSAVE | X86_CR4_SMEP | X86_CR4_SMAP;
    m->xsave_size = 832;
}

void world_reset(struct world *w)
{
    u8 *ram = w->ram;
    bool owned = w->ram_owned;
    const struct x86_cpu_model *given = w->given;
    memset(w, 0, sizeof *w);
    w->ram = ram;
    w->ram_owned = owned;
    w->given = given;
    memset(ram, 0, RAM_SIZE);
    w->code_page = 1;
    if (given)
        w->model = *given;
    else
        everything(&w->model);
    x86_cpu_init(&w->cpu, &ops, w, &w->model, 0, true);
}

struct world *world_create_on(u8 *ram, const struct x86_cpu_model *model)
{
    struct world *w = aligned_alloc(64, sizeof *w);
    if (!w)
        abort();
    memset(w, 0, sizeof *w);
    w->ram = ram;
    w->given = model;
    world_reset(w);
    return w;
}

struct world *world_create(void)
{
    u8 *ram = aligned_alloc(4096, RAM_SIZE);
    if (!ram)
        abort();
    struct world *w = world_create_on(ram, NULL);
    w->ram_owned = true;
    return w;
}

void world_destroy(struct world *w)
{
    if (w->ram_owned)
        free(w->ram);
    free(w);
}

int world_setup(void **state)
{
    *state = world_create();
    return 0;
}

int world_teardown(void **state)
{
    world_destroy(*state);
    return 0;
}

u64 descriptor(u32 base, u32 limit, unsigned attr)
{
    return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)(attr & 0xff) << 40 |
           (u64)(limit >> 16 & 0xf) << 48 | (u64)(attr >> 8 & 0xf) << 52 | (u64)(base >> 24) << 56;
}

void world_descriptor(struct world *w, unsigned sel, u64 low)
{
    ram_put(w, AT_GDT + (sel & 0xfff8), 8, low);
}

void world_gate(struct world *w, unsigned vector, unsigned type, unsigned dpl, unsigned sel,
                u64 offset, unsigned ist)
{
    u64 low = (offset & 0xffff) | (u64)sel << 16 | (u64)ist << 32 |
              (u64)(0x80 | dpl << 5 | type) << 40 | (offset >> 16 & 0xffff) << 48;
    if (w->cpu.long_mode) {
        ram_put(w, AT_IDT + 16 * vector, 8, low);
        ram_put(w, AT_IDT + 16 * vector + 8, 8, offset >> 32);
    } else {
        ram_put(w, AT_IDT + 8 * vector, 8, low);
    }
}

static void set_segment(struct world *w, unsigned seg, unsigned sel)
{
    u64 d = ram_get(w, AT_GDT + (sel & 0xfff8), 8);
    u32 limit = (u32)((d & 0xffff) | (d >> 32 & 0xf0000));
    w->cpu.s.seg[seg] = (struct x86_segment){
        .base = (d >> 16 & 0xffffff) | (d >> 56) << 24,
        .limit = d >> 55 & 1 ? limit << 12 | 0xfff : limit,
        .sel = (u16)sel,
        .attr = (u16)((d >> 40 & 0xff) | (d >> 52 & 0xf) << 8),
    };
}

static void tables(struct world *w, unsigned tss_type)
{
    struct x86_state *s = &w->cpu.s;
    static const struct {
        unsigned sel, attr;
    } segments[] = {
        {SEL_CODE0, D_CODE0},    {SEL_DATA0, D_DATA0},       {SEL_CODE3, D_CODE3},
        {SEL_DATA3, D_DATA3},    {SEL_CODE64_0, D_CODE64_0}, {SEL_CODE64_3, D_CODE64_3},
        {SEL_CODE1, 0xcbb},      {SEL_DATA1, 0xcb3},         {SEL_CODE16, 0x89b},
        {SEL_CONFORMING, 0xc9f},
    };
    for (unsigned i = 0; i < ARRAY_LEN(segments); i++)
        world_descriptor(w, segments[i].sel, descriptor(0, 0xfffff, segments[i].attr));
    world_descriptor(w, SEL_CODE16, descriptor(0, 0xffff, 0x09b));
    world_descriptor(w, SEL_TSS, descriptor(AT_TSS, 0x1fff, 0x80 | tss_type | 2));
    world_descriptor(w, SEL_LDT, descriptor(AT_LDT, 0xff, 0x82));
    world_descriptor(w, SEL_TSS2, descriptor(AT_TSS2, 0x1fff, 0x80 | tss_type));
    s->gdtr = (struct x86_table){.base = AT_GDT, .limit = GDT_SLOTS * 8 - 1};
    s->idtr = (struct x86_table){.base = AT_IDT, .limit = 0xfff};
    s->tr = (struct x86_segment){
        .base = AT_TSS, .limit = 0x1fff, .sel = SEL_TSS, .attr = (u16)(0x80 | tss_type | 2)};
    s->ldtr = (struct x86_segment){.attr = X86_SEG_UNUSABLE};
}

static void enter(struct world *w, unsigned code, unsigned data, u64 stack)
{
    struct x86_state *s = &w->cpu.s;
    set_segment(w, X86_CS, code);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        if (i != X86_CS)
            set_segment(w, i, data);
    s->rip = AT_CODE;
    s->gpr[X86_RSP] = stack;
    x86_cpu_derive(&w->cpu);
    x86_tlb_flush(&w->cpu, true);
}

void world_real(struct world *w)
{
    struct x86_state *s = &w->cpu.s;
    s->seg[X86_CS].sel = AT_CODE >> 4;
    s->seg[X86_CS].base = AT_CODE;
    s->seg[X86_SS].sel = 0x2000;
    s->seg[X86_SS].base = 0x20000;
    s->rip = 0;
    s->gpr[X86_RSP] = 0x1000;
    s->idtr = (struct x86_table){.base = 0, .limit = 0x3ff};
    x86_cpu_derive(&w->cpu);
}

void world_protected(struct world *w, unsigned cpl)
{
    static const u16 code[] = {SEL_CODE0, SEL_CODE1, 0, SEL_CODE3};
    static const u16 data[] = {SEL_DATA0, SEL_DATA1, 0, SEL_DATA3};
    static const u32 stack[] = {AT_STACK0, AT_STACK1, 0, AT_STACK3};
    w->cpu.s.cr0 = X86_CR0_PE | X86_CR0_ET;
    tables(w, 9);
    ram_put(w, AT_TSS + 4, 4, AT_STACK0);
    ram_put(w, AT_TSS + 8, 4, SEL_DATA0);
    ram_put(w, AT_TSS + 12, 4, AT_STACK1);
    ram_put(w, AT_TSS + 16, 4, SEL_DATA1);
    ram_put(w, AT_TSS + 0x66, 2, 0x2000);
    enter(w, code[cpl], data[cpl], stack[cpl]);
}

void world_long(struct world *w, unsigned cpl)
{
    struct x86_state *s = &w->cpu.s;
    ram_put(w, AT_PAGES, 8, (AT_PAGES + 0x1000) | 7);
    ram_put(w, AT_PAGES + 0x1000, 8, (AT_PAGES + 0x2000) | 7);
    for (u64 i = 0; i < 512; i++)
        ram_put(w, AT_PAGES + 0x2000 + 8 * i, 8, i << 21 | 0x87);
    s->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_ET | X86_CR0_WP;
    s->cr3 = AT_PAGES;
    s->cr4 = X86_CR4_PAE;
    s->efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE | X86_EFER_SCE;
    tables(w, 9);
    ram_put(w, AT_TSS + 4, 8, AT_STACK0);
    ram_put(w, AT_TSS + 12, 8, AT_STACK1);
    ram_put(w, AT_TSS + 0x24, 8, AT_STACK_IST);
    ram_put(w, AT_TSS + 0x66, 2, 0x2000);
    enter(w, cpl == 3 ? SEL_CODE64_3 : SEL_CODE64_0, cpl == 3 ? SEL_DATA3 : SEL_DATA0,
          cpl == 3 ? AT_STACK3 : AT_STACK0);
}

void world_vm86(struct world *w, unsigned iopl)
{
    struct x86_state *s = &w->cpu.s;
    world_protected(w, 0);
    s->rflags = X86_FLAG1 | X86_VM | (u64)iopl << X86_IOPL_SHIFT;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        s->seg[i] = (struct x86_segment){
            .base = AT_DATA, .sel = AT_DATA >> 4, .limit = 0xffff, .attr = 0xf3};
    s->seg[X86_CS].base = AT_CODE;
    s->seg[X86_CS].sel = AT_CODE >> 4;
    s->rip = 0;
    s->gpr[X86_RSP] = 0x1000;
    x86_cpu_derive(&w->cpu);
}

int world_run(struct world *w, const void *code, unsigned n)
{
    u64 lin = w->cpu.s.rip;
    if (w->cpu.mode != X86_MODE64)
        lin += w->cpu.s.seg[X86_CS].base;
    memcpy(w->ram + lin % RAM_SIZE, code, n);
    return x86_step(&w->cpu);
}

int world_fault(struct world *w, const void *code, unsigned n)
{
    w->cpu.intercepts.exceptions = ~(u32)0;
    int r = world_run(w, code, n);
    w->cpu.intercepts.exceptions = 0;
    if (r != X86_INTERCEPT)
        return NO_FAULT;
    return FAULT(w->cpu.fault.vector, w->cpu.fault.error);
}
