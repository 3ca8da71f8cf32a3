/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor and memory of the vector tests. */
#include "vector_rig.h"

#include <string.h>
#include <sys/mman.h>

enum { TABLES = 0x1000, DATA = 0x100000 };

static u8 ram[DATA + RIG_SIZE] __attribute__((aligned(4096)));

struct x86_cpu rig_cpu;
struct x86_cpu_model rig_model;
struct x86_insn rig_insn;
u8 *rig_memory = ram + DATA;
u64 rig_seed = 1;

u64 rig_random(void)
{
    rig_seed += 0x9e3779b97f4a7c15;
    u64 z = rig_seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static u8 *page(struct x86_cpu *cpu, u64 pa, bool for_write, bool *writable)
{
    if (pa >= sizeof ram || pa >> 12 == (DATA >> 12) + RIG_MMIO)
        return NULL;
    *writable = true;
    return ram + (pa & ~(u64)0xfff);
}

static int read_physical(struct x86_cpu *cpu, u64 pa, unsigned size, u64 *value)
{
    *value = ~(u64)0;
    if (pa + size <= sizeof ram) {
        *value = 0;
        memcpy(value, ram + pa, size);
    }
    return X86_OK;
}

static int write_physical(struct x86_cpu *cpu, u64 pa, unsigned size, u64 value)
{
    if (pa + size <= sizeof ram)
        memcpy(ram + pa, &value, size);
    return X86_OK;
}

static int compare_exchange(struct x86_cpu *cpu, u64 pa, unsigned size, u64 expect, u64 value,
                            u64 *seen)
{
    *seen = 0;
    memcpy(seen, ram + pa, size);
    if (*seen == expect)
        memcpy(ram + pa, &value, size);
    return X86_OK;
}

static const struct x86_ops ops = {
    .phys_page = page,
    .phys_read = read_physical,
    .phys_write = write_physical,
    .phys_cmpxchg = compare_exchange,
};

static void set_entry(unsigned table, unsigned index, u64 value)
{
    memcpy(ram + TABLES * table + 8 * index, &value, 8);
}

void rig_init(unsigned mode)
{
    enum { PRESENT = 7 /* writable, user */ };
    struct x86_cpu *cpu = &rig_cpu;

    x86_model_host(&rig_model);
    x86_cpu_init(cpu, &ops, NULL, &rig_model, 0, true);
    set_entry(1, RIG_BASE >> 39 & 511, TABLES * 2 | PRESENT);
    set_entry(2, RIG_BASE >> 30 & 511, TABLES * 3 | PRESENT);
    set_entry(3, RIG_BASE >> 21 & 511, TABLES * 4 | PRESENT);
    for (unsigned n = 0; n < RIG_PAGES; n++)
        set_entry(4, n, n == RIG_HOLE ? 0 : (DATA + n * 4096) | PRESENT);

    struct x86_state *s = &cpu->s;
    s->cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_PG;
    s->cr3 = TABLES;
    s->cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_OSXSAVE;
    s->efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE;
    s->xcr0 = rig_model.xcr0_allowed;
    s->rflags = X86_FLAG1 | X86_IF;
    for (unsigned n = 0; n < X86_SREG_COUNT; n++)
        s->seg[n] = (struct x86_segment){.limit = 0xffffffff,
                                         .sel = 0x2b,
                                         .attr = X86_SEG_P | X86_SEG_S | 3 << X86_SEG_DPL_SHIFT |
                                                 X86_SEG_WRITABLE | X86_SEG_ACCESSED | X86_SEG_DB |
                                                 X86_SEG_G};
    s->seg[X86_CS].sel = 0x33;
    s->seg[X86_CS].attr = X86_SEG_P | X86_SEG_S | 3 << X86_SEG_DPL_SHIFT | X86_SEG_CODE |
                          X86_SEG_WRITABLE | X86_SEG_ACCESSED | X86_SEG_G |
                          (mode == X86_MODE64 ? X86_SEG_L : X86_SEG_DB);
    x86_cpu_derive(cpu);
    x86_tlb_flush(cpu, true);
}

int rig_map_native(void)
{
    void *p = mmap((void *)(uintptr_t)RIG_BASE, RIG_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != (void *)(uintptr_t)RIG_BASE)
        return -1;
    return mprotect((u8 *)p + RIG_HOLE * 4096, 4096, PROT_NONE);
}

int rig_decode(const u8 *code, unsigned len)
{
    struct x86_decode_config cfg = {.mode = rig_cpu.mode, .vendor = rig_model.vendor};
    if (x86_decode(&rig_insn, code, len, cfg) != X86_DECODE_OK)
        return -2;
    if (!x86_bind_vector(&rig_cpu, &rig_insn, code))
        return -3; /* not of this group */
    x86_exec_bind(&rig_cpu, &rig_insn, code);
    return 0;
}

int rig_run(const u8 *code, unsigned len, u64 rip)
{
    int r = rig_decode(code, len);
    if (r)
        return r;
    rig_cpu.fault_rip = rip;
    rig_cpu.s.rip = rip + rig_insn.len;
    r = rig_insn.exec(&rig_cpu, &rig_insn);
    x86_vector_release(&rig_cpu);
    return r == X86_EXCEPTION ? rig_cpu.fault.vector : -1;
}
