/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot 1 [Multiboot 0.6.96]: small kernels as ELF32 files, or in any format whose header
 * states the addresses itself. */
#include "machine/boot/multiboot.h"
#include "base/mem.h"
#include "base/str.h"
#include "machine/boot/elf.h"
#include "machine/boot/plan.h"

#include <errno.h>

enum {
    HEADER_MAGIC = 0x1badb002,
    LOADER_MAGIC = 0x2badb002, /* in EAX at the entry */
    SEARCH_SIZE = 8192,        /* the header is inside the first 8 KiB, on a 4-byte boundary */
    FLAGS_REQUIRED = 0xffff,   /* features a loader must provide or refuse */
};

/* The information structure [3.3]; offsets of what we provide. */
enum info_field {
    MBI_FLAGS = 0,
    MBI_MEM_LOWER = 4,
    MBI_MEM_UPPER = 8,
    MBI_CMDLINE = 16,
    MBI_MODS_COUNT = 20,
    MBI_MODS = 24,
    MBI_MMAP_LENGTH = 44,
    MBI_MMAP = 48,
    MBI_LOADER_NAME = 64,
    MBI_SIZE = 120,
};
enum {
    MBI_HAS_MEM = 1 << 0,
    MBI_HAS_CMDLINE = 1 << 2,
    MBI_HAS_MODS = 1 << 3,
    MBI_HAS_MMAP = 1 << 6,
    MBI_HAS_NAME = 1 << 9,
    MOD_SIZE = 16,  /* start, end, string, reserved */
    MMAP_SIZE = 24, /* size of the rest, base, length, type */
    NAME_AT = BOOT_INFO + MBI_SIZE,
    MODS_AT = NAME_AT + 8,
    MMAP_AT = MODS_AT + MOD_SIZE * (BOOT_MODULES_MAX + 1),
    INFO_SIZE = MMAP_AT + MMAP_SIZE * BOOT_E820_MAX - BOOT_INFO,
};
_Static_assert((int)INFO_SIZE <= (int)BOOT_PARAMS - (int)BOOT_INFO,
               "the information fits its page");

static const u8 *find_header(const struct image *im, u64 *off)
{
    for (u64 at = 0; at + 12 <= MIN(im->size, (u64)SEARCH_SIZE); at += 4) {
        const u8 *h = im->data + at;
        if (load32(h) == HEADER_MAGIC && load32(h) + load32(h + 4) + load32(h + 8) == 0) {
            *off = at;
            return h;
        }
    }
    return NULL;
}

bool multiboot_probe(const struct image *im)
{
    u64 off;
    return find_header(im, &off);
}

static int bad(const struct image *im, const char *field, u64 value, const char *why, struct err *e)
{
    return err_set(e, -ENOEXEC, "loading %s: multiboot header %s %#llx: %s", im->path, field,
                   (unsigned long long)value, why);
}

/* The address fields [3.1.3]: load_end 0 means the rest of the file, bss_end 0 no bss. */
static int read_addresses(const struct image *im, const u8 *h, struct multiboot_header *m,
                          struct err *e)
{
    u64 header = load32(h + 12), load = load32(h + 16), load_end = load32(h + 20);
    u64 bss_end = load32(h + 24);
    m->entry = load32(h + 28);
    if (load > header || header - load > m->offset)
        return bad(im, "load_addr", load, "does not fit header_addr and the header's place", e);
    m->file_start = m->offset - (header - load);
    u64 in_file = im->size - m->file_start;
    if (load_end && (load_end <= load || load_end - load > in_file))
        return bad(im, "load_end_addr", load_end, "beyond the end of the file, or below load_addr",
                   e);
    m->load = load;
    m->file_size = load_end ? load_end - load : in_file;
    if (bss_end && bss_end < load + m->file_size)
        return bad(im, "bss_end_addr", bss_end, "below the end of the loaded bytes", e);
    m->mem_size = bss_end ? bss_end - load : m->file_size;
    if (!range_inside(m->entry, 1, load, m->mem_size))
        return bad(im, "entry_addr", m->entry, "outside what is loaded", e);
    return 0;
}

int multiboot_parse(const struct image *im, struct multiboot_header *out, struct err *e)
{
    struct multiboot_header m = {0};
    const u8 *h = find_header(im, &m.offset);
    if (!h)
        return err_set(e, -ENOEXEC, "loading %s: no multiboot header", im->path);
    m.flags = load32(h + 4);
    u32 unknown = m.flags & FLAGS_REQUIRED &
                  ~(u32)(MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY | MULTIBOOT_VIDEO);
    if (unknown)
        return bad(im, "flags", m.flags, "requires features that do not exist", e);
    if (m.flags & MULTIBOOT_ADDRESSES) {
        if (!image_at(im, m.offset, 32))
            return bad(im, "addresses", m.offset, "truncated", e);
        int ret = read_addresses(im, h, &m, e);
        if (ret)
            return ret;
    }
    *out = m;
    return 0;
}

static int add_kernel(struct boot_plan *p, const struct image *im, const struct multiboot_header *m,
                      struct err *e)
{
    if (m->flags & MULTIBOOT_ADDRESSES) {
        p->rip = m->entry;
        return plan_add(p, im->path, "kernel", m->load, im->data + m->file_start, m->file_size,
                        m->mem_size, e);
    }
    struct elf_file elf;
    int ret = elf_parse(im, &elf, e);
    if (ret)
        return ret;
    if (elf.is_64)
        return err_set(e, -ENOEXEC, "loading %s: ELF EI_CLASS 2: multiboot kernels are 32-bit ELF",
                       im->path);
    ret = elf_physical(im, &elf, elf.entry, &p->rip, e);
    return ret ? ret : elf_add_segments(im, &elf, p, e);
}

static void fill_modules(const struct boot_input *in, const struct boot_loaded *loaded, u8 *info)
{
    for (unsigned i = 0; i < in->module_count; i++) {
        u8 *m = info + (MODS_AT - BOOT_INFO) + i * MOD_SIZE;
        store32(m, (u32)loaded->module[i].addr);
        store32(m + 4, (u32)(loaded->module[i].addr + loaded->module[i].size));
        store32(m + 8, (u32)loaded->module[i].text);
    }
}

static void fill_memory(const struct boot_plan *p, u8 *info)
{
    for (unsigned i = 0; i < p->e820_count; i++) {
        const struct e820_entry *r = &p->e820[i];
        u8 *m = info + (MMAP_AT - BOOT_INFO) + i * MMAP_SIZE;
        store32(m, MMAP_SIZE - 4);
        store64(m + 4, r->start);
        store64(m + 12, r->size);
        store32(m + 20, r->type);
        if (r->type == E820_RAM && r->start == 0)
            store32(info + MBI_MEM_LOWER, (u32)(MIN(r->size, 640 * KiB) / KiB));
        if (r->type == E820_RAM && r->start == MiB)
            store32(info + MBI_MEM_UPPER, (u32)(r->size / KiB));
    }
    store32(info + MBI_MMAP, MMAP_AT);
    store32(info + MBI_MMAP_LENGTH, MMAP_SIZE * p->e820_count);
}

int multiboot_add(struct boot_plan *p, const struct boot_input *in, struct err *e)
{
    struct multiboot_header header;
    int ret = multiboot_parse(&in->kernel, &header, e);
    if (!ret)
        ret = add_kernel(p, &in->kernel, &header, e);
    if (ret)
        return ret;
    u8 *info = plan_buffer(p, INFO_SIZE, e);
    if (!info)
        return -ENOMEM;
    struct boot_loaded loaded;
    ret = plan_add_request(p, in, MAX(plan_top(p), MiB), true, &loaded, e);
    if (ret)
        return ret;
    fill_modules(in, &loaded, info);
    store32(info + MBI_FLAGS,
            MBI_HAS_MEM | MBI_HAS_CMDLINE | MBI_HAS_MODS | MBI_HAS_MMAP | MBI_HAS_NAME);
    store32(info + MBI_CMDLINE, (u32)loaded.cmdline);
    store32(info + MBI_MODS_COUNT, in->module_count);
    store32(info + MBI_MODS, MODS_AT);
    store32(info + MBI_LOADER_NAME, NAME_AT);
    mem_copy(info + (NAME_AT - BOOT_INFO), "doppel", 7);
    fill_memory(p, info);
    p->entry = BOOT_ENTRY_FLAT32;
    p->rax = LOADER_MAGIC;
    p->rbx = BOOT_INFO;
    str_copy(p->text, "multiboot 1", sizeof p->text);
    ret = plan_add(p, in->kernel.path, "multiboot information", BOOT_INFO, info, INFO_SIZE,
                   INFO_SIZE, e);
    return ret ? ret : plan_add_tables(p, e);
}
