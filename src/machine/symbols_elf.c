/* SPDX-License-Identifier: BSD-2-Clause */
/* The symbol table of an ELF file [System V gABI 4]. The two classes differ in field offsets only,
 * so they are data; every field is fetched through the bounds-checked image. */
#include "machine/symbols_priv.h"

#include <errno.h>

enum {
    SHT_SYMTAB = 2,
    SHT_STRTAB = 3,
    SHF_ALLOC = 2,
    SHF_EXECINSTR = 4,
    STT_SECTION = 3,
    STT_FILE = 4,
    SECTIONS_MAX = 65536,
};

struct layout {
    unsigned header_size, shoff, shentsize, shnum;
    unsigned section_size, flags, addr, offset, size, link;
    unsigned symbol_size, info, shndx, value;
};
static const struct layout layout32 = {52, 32, 46, 48, 40, 8, 12, 16, 20, 24, 16, 12, 14, 4};
static const struct layout layout64 = {64, 40, 58, 60, 64, 8, 16, 24, 32, 40, 24, 4, 6, 8};

struct elf {
    const struct image *im;
    const struct layout *l;
    const u8 *sections; /* the table, all of it in the file */
    u64 entry_size, count;
};

static u64 word(const struct elf *f, const u8 *p)
{
    return f->l == &layout64 ? load64(p) : load32(p);
}

static int bad(const char *field, u64 value, const char *why, struct err *e)
{
    err_set(e, -ENOEXEC, "ELF %s %#llx: %s", field, (unsigned long long)value, why);
    err_hint(e, "the file is damaged: fetch or copy it again");
    return -ENOEXEC;
}

static const u8 *section(const struct elf *f, u64 k)
{
    return f->sections + k * f->entry_size;
}

static int read_header(struct elf *f, struct err *e)
{
    const u8 *h = image_at(f->im, 0, layout32.header_size);
    if (!h || (h[4] == 2 && !image_at(f->im, 0, layout64.header_size)))
        return bad("header", f->im->size, "the file is shorter", e);
    if (h[4] != 1 && h[4] != 2)
        return bad("EI_CLASS", h[4], "neither 32-bit nor 64-bit", e);
    if (h[5] != 1)
        return bad("EI_DATA", h[5], "not little-endian", e);
    f->l = h[4] == 2 ? &layout64 : &layout32;
    u64 at = word(f, h + f->l->shoff);
    f->entry_size = load16(h + f->l->shentsize);
    f->count = load16(h + f->l->shnum);
    if (!at)
        return 0; /* it has none, which is said of its symbols */
    if (f->entry_size < f->l->section_size)
        return bad("e_shentsize", f->entry_size, "smaller than a section header", e);
    const u8 *first = image_at(f->im, at, f->entry_size);
    if (first && !f->count) /* the number is in the first one's sh_size */
        f->count = word(f, first + f->l->size);
    if (f->count > SECTIONS_MAX)
        return bad("e_shnum", f->count, "more sections than a kernel has", e);
    f->sections = image_at(f->im, at, f->count * f->entry_size);
    if (!f->sections)
        return bad("e_shoff", at, "section headers beyond the end of the file", e);
    return 0;
}

/* Code ends where its sections do. */
static int add_section_ends(struct symbols *s, const struct elf *f, struct err *e)
{
    enum { CODE = SHF_ALLOC | SHF_EXECINSTR };
    int err = 0;
    for (u64 k = 0; k < f->count && !err; k++) {
        const u8 *p = section(f, k);
        if ((word(f, p + f->l->flags) & CODE) == CODE)
            err = symbols_add(s, word(f, p + f->l->addr) + word(f, p + f->l->size), NULL, 0, e);
    }
    return err;
}

static int add_symbol(struct symbols *s, const struct elf *f, const u8 *p, const u8 *names,
                      u64 names_size, struct err *e)
{
    u64 name = load32(p), in = load16(p + f->l->shndx);
    unsigned type = p[f->l->info] & 15;
    if (!in || in >= f->count || type == STT_SECTION || type == STT_FILE)
        return 0;
    if (name >= names_size)
        return bad("st_name", name, "beyond the end of the names", e);
    u64 flags = word(f, section(f, in) + f->l->flags), addr = word(f, p + f->l->value);
    if (!(flags & SHF_ALLOC))
        return 0;
    size_t n = symbols_name_length(names + name, names_size - name);
    bool code = (flags & SHF_EXECINSTR) && n && n < SYMBOL_NAME_MAX;
    return symbols_add(s, addr, code ? names + name : NULL, n, e);
}

static int read_table(struct symbols *s, const struct elf *f, const u8 *table, struct err *e)
{
    u64 at = word(f, table + f->l->offset), size = word(f, table + f->l->size);
    u32 link = load32(table + f->l->link);
    const u8 *symbols = image_at(f->im, at, size);
    if (!symbols)
        return bad("sh_size", size, "the symbol table ends beyond the end of the file", e);
    if (link >= f->count || load32(section(f, link) + 4) != SHT_STRTAB)
        return bad("sh_link", link, "not the section of the names", e);
    u64 names_at = word(f, section(f, link) + f->l->offset);
    u64 names_size = word(f, section(f, link) + f->l->size);
    const u8 *names = image_at(f->im, names_at, names_size);
    if (!names)
        return bad("sh_size", names_size, "the names end beyond the end of the file", e);
    int err = 0;
    for (u64 k = 0; k < size / f->l->symbol_size && !err; k++)
        err = add_symbol(s, f, symbols + k * f->l->symbol_size, names, names_size, e);
    return err;
}

int symbols_read_elf(struct symbols *s, const struct image *im, struct err *e)
{
    struct elf f = {.im = im};
    int err = read_header(&f, e);
    if (err)
        return err;
    for (u64 k = 0; f.sections && k < f.count; k++)
        if (load32(section(&f, k) + 4) == SHT_SYMTAB) {
            err = add_section_ends(s, &f, e);
            return err ? err : read_table(s, &f, section(&f, k), e);
        }
    err_set(e, -ENOEXEC, "it has no symbol table");
    err_hint(e, "name the System.map of the same kernel, or a vmlinux that is not stripped");
    return -ENOEXEC;
}
