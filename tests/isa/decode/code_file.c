/* SPDX-License-Identifier: BSD-2-Clause */
/* Executable sections by the section table of an ELF file [System V gABI 4]. */
#include "code_file.h"
#include "base/mem.h"
#include "machine/boot/bzimage.h"
#include "machine/boot/unpack.h"
#include <elf.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 512 << 20 };

static void add_section(struct code_file *f, u64 flags, u32 type, u64 offset, u64 size)
{
    if (type == SHT_PROGBITS && flags & SHF_EXECINSTR && range_inside(offset, size, 0, f->size) &&
        f->sections < ARRAY_LEN(f->section)) {
        f->section[f->sections].code = f->data + offset;
        f->section[f->sections++].size = size;
    }
}

/* The two classes differ in field widths only. */
#define READ_SECTIONS(f, bits)                                                                     \
    do {                                                                                           \
        const Elf##bits##_Ehdr *h = (const void *)(f)->data;                                       \
        for (unsigned i = 0; i < h->e_shnum; i++) {                                                \
            const Elf##bits##_Shdr *s = (const void *)((f)->data + h->e_shoff + i * sizeof *s);    \
            if (!range_inside(h->e_shoff + i * sizeof *s, sizeof *s, 0, (f)->size))                \
                break;                                                                             \
            add_section(f, s->sh_flags, s->sh_type, s->sh_offset, s->sh_size);                     \
        }                                                                                          \
    } while (0)

static int read_elf(struct code_file *f, const char *path)
{
    if (f->size < sizeof(Elf64_Ehdr) || memcmp(f->data, ELFMAG, SELFMAG) != 0) {
        printf("%s: no ELF file\n", path);
        return -1;
    }
    if (f->data[EI_CLASS] == ELFCLASS64) {
        f->mode = X86_MODE64;
        READ_SECTIONS(f, 64);
    } else {
        f->mode = X86_MODE32;
        READ_SECTIONS(f, 32);
    }
    if (!f->sections)
        printf("%s: no executable sections\n", path);
    return f->sections ? 0 : -1;
}

static int unpack_kernel(struct code_file *f, const struct image *im)
{
    struct bzimage bz;
    struct err e = {0};
    if (bzimage_parse(im, &bz, &e))
        return -1;
    f->data = mem_alloc(bz.unpacked_size);
    f->size = bz.unpacked_size;
    if (!f->data)
        return -1;
    return unpack(im->path, im->data + bz.payload, bz.payload_size, f->data, f->size, NULL, &e);
}

int code_file_open(struct code_file *f, const char *path)
{
    struct image im;
    struct err e = {0};
    *f = (struct code_file){0};
    if (image_load(&im, path, FILE_MAX, &e)) {
        printf("%s: cannot be read\n", path);
        return -1;
    }
    if (bzimage_probe(&im)) {
        int r = unpack_kernel(f, &im);
        image_unload(&im);
        if (r) {
            printf("%s: cannot be unpacked\n", path);
            code_file_close(f);
            return -1;
        }
    } else {
        f->data = im.data;
        f->size = im.size;
    }
    int r = read_elf(f, path);
    if (r)
        code_file_close(f);
    return r;
}

void code_file_close(struct code_file *f)
{
    mem_free(f->data);
    f->data = NULL;
}
