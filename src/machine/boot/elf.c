/* SPDX-License-Identifier: BSD-2-Clause */
/* The ELF reader for kernels [System V gABI 4, 5]. The two classes differ in field offsets only,
 * so they are data; every field is fetched through the bounds-checked image. */
#include "machine/boot/elf.h"
#include "base/mem.h"
#include "machine/boot/plan.h"

#include <errno.h>

enum {
    ET_EXEC = 2,
    ET_DYN = 3,
    EM_386 = 3,
    EM_X86_64 = 62,
    PT_LOAD = 1,
    PT_NOTE = 4,
    XEN_ELFNOTE_PHYS32_ENTRY = 18, /* [Xen xen/include/public/elfnote.h] */
};

/* Where a class keeps what we need: offsets in the file header and in a program header. */
struct elf_layout {
    unsigned header_size, entry, phoff, phentsize, phnum;
    unsigned ph_size, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz;
};
static const struct elf_layout layout32 = {52, 24, 28, 42, 44, 32, 4, 8, 12, 16, 20};
static const struct elf_layout layout64 = {64, 24, 32, 54, 56, 56, 8, 16, 24, 32, 40};

static u64 word(const struct elf_file *f, const u8 *p)
{
    return f->is_64 ? load64(p) : load32(p);
}

bool elf_probe(const struct image *im)
{
    const u8 *h = image_at(im, 0, 4);
    return h && load32(h) == 0x464c457f; /* 7f 'E' 'L' 'F' */
}

static int bad(const struct image *im, const char *field, u64 value, const char *why, struct err *e)
{
    return err_set(e, -ENOEXEC, "loading %s: ELF %s %#llx: %s", im->path, field,
                   (unsigned long long)value, why);
}

/* Notes: name size, descriptor size, type, then both padded to 4 bytes. */
static int read_notes(const struct image *im, u64 off, u64 size, struct elf_file *out,
                      struct err *e)
{
    const u8 *notes = image_at(im, off, size);
    if (!notes)
        return bad(im, "note p_offset", off, "beyond the end of the file", e);
    for (u64 at = 0; size - at >= 12;) {
        u64 name_size = load32(notes + at), desc_size = load32(notes + at + 4);
        u32 type = load32(notes + at + 8);
        u64 name = at + 12, desc = name + align_up(name_size, 4);
        u64 next = desc + align_up(desc_size, 4);
        if (desc + desc_size > size || next < at)
            return bad(im, "note size", MAX(name_size, desc_size), "runs past its segment", e);
        if (name_size == 4 && load32(notes + name) == 0x006e6558 /* "Xen" */ &&
            type == XEN_ELFNOTE_PHYS32_ENTRY) {
            if (desc_size != 4 && desc_size != 8)
                return bad(im, "PVH note size", desc_size, "neither 4 nor 8", e);
            u64 entry = desc_size == 8 ? load64(notes + desc) : load32(notes + desc);
            if (entry >> 32)
                return bad(im, "PVH entry", entry, "not a 32-bit address", e);
            out->has_pvh = true;
            out->pvh_entry = (u32)entry;
        }
        if (next >= size)
            break;
        at = next;
    }
    return 0;
}

static int read_load(const struct image *im, const struct elf_layout *l, const u8 *ph,
                     struct elf_file *out, struct err *e)
{
    struct elf_load s = {
        .offset = word(out, ph + l->p_offset),
        .file_size = word(out, ph + l->p_filesz),
        .addr = word(out, ph + l->p_paddr),
        .mem_size = word(out, ph + l->p_memsz),
        .virt = word(out, ph + l->p_vaddr),
    };
    if (!s.mem_size && !s.file_size)
        return 0;
    if (s.file_size && !image_at(im, s.offset, s.file_size))
        return bad(im, "p_filesz", s.file_size, "the segment ends beyond the end of the file", e);
    if (s.file_size > s.mem_size)
        return bad(im, "p_memsz", s.mem_size, "smaller than p_filesz", e);
    if (s.addr + s.mem_size < s.addr)
        return bad(im, "p_memsz", s.mem_size, "the segment wraps around the address space", e);
    if (out->load_count == ELF_LOADS_MAX)
        return bad(im, "PT_LOAD count", ELF_LOADS_MAX + 1, "more than a kernel has", e);
    out->load[out->load_count++] = s;
    return 0;
}

static int check_ident(const struct image *im, struct elf_file *out, struct err *e)
{
    const u8 *h = image_at(im, 0, 52);
    if (!h)
        return err_set(e, -ENOEXEC, "loading %s: truncated ELF header (%llu bytes)", im->path,
                       (unsigned long long)im->size);
    if (h[4] != 1 && h[4] != 2)
        return bad(im, "EI_CLASS", h[4], "neither 32-bit nor 64-bit", e);
    out->is_64 = h[4] == 2;
    if (h[5] != 1)
        return bad(im, "EI_DATA", h[5], "not little-endian", e);
    u16 type = load16(h + 16), machine = load16(h + 18);
    if (type != ET_EXEC && type != ET_DYN)
        return bad(im, "e_type", type, "not an executable", e);
    if (machine != EM_386 && machine != EM_X86_64)
        return bad(im, "e_machine", machine, "not a kernel for x86", e);
    return 0;
}

int elf_parse(const struct image *im, struct elf_file *out, struct err *e)
{
    if (!elf_probe(im))
        return err_set(e, -ENOEXEC, "loading %s: not an ELF file", im->path);
    struct elf_file f = {0};
    int ret = check_ident(im, &f, e);
    if (ret)
        return ret;
    const struct elf_layout *l = f.is_64 ? &layout64 : &layout32;
    const u8 *h = image_at(im, 0, l->header_size);
    if (!h)
        return err_set(e, -ENOEXEC, "loading %s: truncated ELF header (%llu bytes)", im->path,
                       (unsigned long long)im->size);
    f.entry = word(&f, h + l->entry);
    u64 phoff = word(&f, h + l->phoff);
    u16 phentsize = load16(h + l->phentsize), phnum = load16(h + l->phnum);
    if (phentsize < l->ph_size)
        return bad(im, "e_phentsize", phentsize, "smaller than a program header", e);
    if (!phnum || phnum > 512)
        return bad(im, "e_phnum", phnum, "no program headers, or absurdly many", e);
    if (!image_at(im, phoff, (u64)phnum * phentsize))
        return bad(im, "e_phoff", phoff, "program headers beyond the end of the file", e);
    for (unsigned i = 0; i < phnum && !ret; i++) {
        const u8 *ph = im->data + phoff + (u64)i * phentsize;
        u32 type = load32(ph);
        if (type == PT_LOAD)
            ret = read_load(im, l, ph, &f, e);
        else if (type == PT_NOTE)
            ret = read_notes(im, word(&f, ph + l->p_offset), word(&f, ph + l->p_filesz), &f, e);
    }
    if (ret)
        return ret;
    if (!f.load_count)
        return err_set(e, -ENOEXEC, "loading %s: ELF file without a loadable segment", im->path);
    *out = f;
    return 0;
}

int elf_add_segments(const struct image *im, const struct elf_file *f, struct boot_plan *p,
                     struct err *e)
{
    for (unsigned i = 0; i < f->load_count; i++) {
        const struct elf_load *s = &f->load[i];
        int ret = plan_add(p, im->path, "ELF segment", s->addr,
                           image_at(im, s->offset, s->file_size), s->file_size, s->mem_size, e);
        if (ret)
            return ret;
    }
    return 0;
}

int elf_physical(const struct image *im, const struct elf_file *f, u64 addr, u64 *out,
                 struct err *e)
{
    for (unsigned i = 0; i < f->load_count; i++) {
        const struct elf_load *s = &f->load[i];
        if (range_inside(addr, 1, s->addr, s->mem_size)) {
            *out = addr;
            return 0;
        }
    }
    for (unsigned i = 0; i < f->load_count; i++) {
        const struct elf_load *s = &f->load[i];
        if (range_inside(addr, 1, s->virt, s->mem_size)) {
            *out = addr - s->virt + s->addr;
            return 0;
        }
    }
    return bad(im, "entry", addr, "in no loadable segment", e);
}
