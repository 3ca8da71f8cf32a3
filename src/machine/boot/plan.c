/* SPDX-License-Identifier: BSD-2-Clause */
/* Collects the pieces of a boot plan and keeps them inside RAM and apart. */
#include "machine/boot/plan.h"
#include "base/mem.h"

#include <errno.h>

enum {
    PAGE = 4096,
    PTE_PRESENT = 1 << 0,
    PTE_WRITABLE = 1 << 1,
    PDE_LARGE = 1 << 7, /* a page directory entry maps 2 MiB [SDM3 4.5.4] */
    GDT_ENTRIES = 4,
};

int plan_own(struct boot_plan *p, void *buffer, struct err *e)
{
    if (p->buffer_count == BOOT_BUFFERS_MAX) {
        mem_free(buffer);
        return err_set(e, -E2BIG, "preparing the boot: too many pieces");
    }
    p->buffer[p->buffer_count++] = buffer;
    return 0;
}

void *plan_buffer(struct boot_plan *p, u64 size, struct err *e)
{
    void *b = mem_alloc(size);
    if (!b) {
        err_set(e, -ENOMEM, "preparing the boot: no memory for %llu bytes",
                (unsigned long long)size);
        return NULL;
    }
    return plan_own(p, b, e) ? NULL : b;
}

bool plan_is_ram(const struct boot_plan *p, u64 addr, u64 size)
{
    for (unsigned i = 0; i < p->e820_count; i++) {
        const struct e820_entry *r = &p->e820[i];
        if (r->type == E820_RAM && range_inside(addr, size, r->start, r->size))
            return true;
    }
    return false;
}

static const struct boot_segment *find_overlap(const struct boot_plan *p, u64 addr, u64 size)
{
    for (unsigned i = 0; i < p->segment_count; i++) {
        const struct boot_segment *s = &p->segment[i];
        if (addr < s->addr + s->mem_size && s->addr < addr + size)
            return s;
    }
    return NULL;
}

int plan_add(struct boot_plan *p, const char *file, const char *what, u64 addr, const u8 *data,
             u64 size, u64 mem_size, struct err *e)
{
    if (!mem_size)
        return 0;
    if (size > mem_size)
        return err_set(e, -EINVAL, "loading %s: %s: file size %#llx exceeds memory size %#llx",
                       file, what, (unsigned long long)size, (unsigned long long)mem_size);
    if (!plan_is_ram(p, addr, mem_size)) {
        int ret =
            err_set(e, -ENOSPC, "loading %s: %s needs RAM at %#llx, %#llx bytes: there is none",
                    file, what, (unsigned long long)addr, (unsigned long long)mem_size);
        err_hint(e, "give the machine more memory (--memory)");
        return ret;
    }
    const struct boot_segment *other = find_overlap(p, addr, mem_size);
    if (other)
        return err_set(e, -EINVAL, "loading %s: %s at %#llx overlaps the %s at %#llx", file, what,
                       (unsigned long long)addr, other->what, (unsigned long long)other->addr);
    if (p->segment_count == BOOT_SEGMENTS_MAX)
        return err_set(e, -E2BIG, "loading %s: more than %d segments", file, BOOT_SEGMENTS_MAX);
    p->segment[p->segment_count++] = (struct boot_segment){
        .addr = addr, .data = data, .size = size, .mem_size = mem_size, .what = what};
    return 0;
}

/* Walks from one end of a RAM range towards the other, past each segment in the way. */
static u64 find_in_range(const struct boot_plan *p, u64 size, u64 from, u64 to, bool low)
{
    if (size > to || from > to - size)
        return 0;
    u64 at = low ? align_up(from, PAGE) : align_down(to - size, PAGE);
    while (at >= from && at <= to - size) {
        const struct boot_segment *s = find_overlap(p, at, size);
        if (!s)
            return at;
        if (!low && s->addr < size)
            return 0;
        at = low ? align_up(s->addr + s->mem_size, PAGE) : align_down(s->addr - size, PAGE);
    }
    return 0;
}

u64 plan_find(const struct boot_plan *p, u64 size, u64 from, u64 to, bool low)
{
    u64 best = 0;
    for (unsigned i = 0; i < p->e820_count; i++) {
        const struct e820_entry *r = &p->e820[i];
        if (r->type != E820_RAM)
            continue;
        u64 at = find_in_range(p, size, MAX(from, r->start), MIN(to, r->start + r->size), low);
        if (at && (!best || (low ? at < best : at > best)))
            best = at;
    }
    return best;
}

u64 plan_top(const struct boot_plan *p)
{
    u64 top = 0;
    for (unsigned i = 0; i < p->segment_count; i++) {
        u64 end = p->segment[i].addr + p->segment[i].mem_size;
        if (end <= 4 * GiB)
            top = MAX(top, end);
    }
    return top;
}

/* Linux's protocol wants its code segment at selector 0x10 and data at 0x18 [Linux
 * Documentation/arch/x86/boot.rst]; the other protocols load a GDT of their own before they load
 * a segment register. */
static const u64 gdt_flat32[GDT_ENTRIES] = {
    [BOOT_CS / 8] = 0x00cf9b000000ffff, /* 32-bit code, base 0, limit 4 GiB */
    [BOOT_DS / 8] = 0x00cf93000000ffff, /* data, base 0, limit 4 GiB */
};
static const u64 gdt_long[GDT_ENTRIES] = {
    [BOOT_CS / 8] = 0x00af9b000000ffff, /* 64-bit code */
    [BOOT_DS / 8] = 0x00cf93000000ffff,
};

static int add_page_tables(struct boot_plan *p, struct err *e)
{
    u64 *t = plan_buffer(p, 6 * PAGE, e);
    if (!t)
        return -ENOMEM;
    u64 *pml4 = t, *pdpt = t + 512, *pd = t + 1024;
    pml4[0] = (BOOT_PAGE_TABLES + PAGE) | PTE_PRESENT | PTE_WRITABLE;
    for (u64 i = 0; i < 4; i++)
        pdpt[i] = (BOOT_PAGE_TABLES + (2 + i) * PAGE) | PTE_PRESENT | PTE_WRITABLE;
    for (u64 i = 0; i < 4 * 512; i++)
        pd[i] = i * 2 * MiB | PDE_LARGE | PTE_PRESENT | PTE_WRITABLE;
    return plan_add(p, "kernel", "page tables", BOOT_PAGE_TABLES, (u8 *)t, 6 * PAGE, 6 * PAGE, e);
}

int plan_add_tables(struct boot_plan *p, struct err *e)
{
    const u64 *gdt = p->entry == BOOT_ENTRY_LONG ? gdt_long : gdt_flat32;
    int ret = plan_add(p, "kernel", "GDT", BOOT_GDT, (const u8 *)gdt, sizeof gdt_long,
                       sizeof gdt_long, e);
    if (!ret && p->entry == BOOT_ENTRY_LONG)
        ret = add_page_tables(p, e);
    return ret;
}

int plan_add_texts(struct boot_plan *p, const char *file, const char *const *text, unsigned count,
                   u64 max, u64 *addr, struct err *e)
{
    u64 size = 0;
    for (unsigned i = 0; i < count; i++) {
        u64 length = text[i] ? str_length(text[i]) : 0;
        if (!i && length > max)
            return err_set(e, -E2BIG,
                           "loading %s: the command line has %llu bytes, the kernel takes %llu",
                           file, (unsigned long long)length, (unsigned long long)max);
        size += length + 1;
    }
    if (size > BOOT_CMDLINE_MAX)
        return err_set(e, -E2BIG, "loading %s: %llu bytes of command lines, there is room for %d",
                       file, (unsigned long long)size, BOOT_CMDLINE_MAX);
    u8 *copy = plan_buffer(p, size, e);
    if (!copy)
        return -ENOMEM;
    u64 at = 0;
    for (unsigned i = 0; i < count; i++) {
        u64 length = text[i] ? str_length(text[i]) : 0;
        if (length)
            mem_copy(copy + at, text[i], length);
        addr[i] = BOOT_CMDLINE + at;
        at += length + 1;
    }
    return plan_add(p, file, "command line", BOOT_CMDLINE, copy, size, size, e);
}

int plan_add_module(struct boot_plan *p, const struct image *im, const char *what, u64 from, u64 to,
                    bool low, u64 *addr, struct err *e)
{
    *addr = plan_find(p, im->size, from, to, low);
    if (!*addr) {
        int ret = err_set(e, -ENOSPC,
                          "loading %s: no %llu KiB of RAM are free for the %s beside the kernel",
                          im->path, (unsigned long long)((im->size + KiB - 1) / KiB), what);
        err_hint(e, "give the machine more memory (--memory)");
        return ret;
    }
    return plan_add(p, im->path, what, *addr, im->data, im->size, im->size, e);
}

int plan_add_request(struct boot_plan *p, const struct boot_input *in, u64 from, bool low,
                     struct boot_loaded *out, struct err *e)
{
    const char *text[BOOT_MODULES_MAX + 2] = {in->request->cmdline};
    u64 text_addr[BOOT_MODULES_MAX + 2];
    for (unsigned i = 0; i < in->module_count; i++)
        text[i + 1] = in->module_text[i];
    int ret = plan_add_texts(p, in->kernel.path, text, in->module_count + 1, BOOT_CMDLINE_MAX - 1,
                             text_addr, e);
    out->cmdline = text_addr[0];
    for (unsigned i = 0; i < in->module_count && !ret; i++) {
        out->module[i].text = text_addr[i + 1];
        out->module[i].size = in->module[i].size;
        ret = plan_add_module(p, &in->module[i], i || !in->has_initrd ? "module" : "initrd", from,
                              4 * GiB, low, &out->module[i].addr, e);
    }
    return ret;
}

u64 plan_ram_size(const struct boot_plan *p)
{
    u64 size = 0;
    for (unsigned i = 0; i < p->e820_count; i++)
        if (p->e820[i].type == E820_RAM)
            size += p->e820[i].size;
    return size;
}
