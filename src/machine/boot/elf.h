/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF kernels: program headers to load, and the PVH entry note. */
#ifndef MACHINE_BOOT_ELF_H
#define MACHINE_BOOT_ELF_H

#include "machine/boot/image.h"

struct boot_plan;

enum { ELF_LOADS_MAX = 64 };

struct elf_load {
    u64 offset, file_size; /* inside the file, checked */
    u64 addr, mem_size;    /* guest physical; does not wrap, mem_size >= file_size */
    u64 virt;
};

struct elf_file {
    bool is_64;
    u64 entry; /* as the header has it: physical for kernels we enter directly */
    bool has_pvh;
    u32 pvh_entry; /* physical [Xen docs/misc/pvh.pandoc] */
    unsigned load_count;
    struct elf_load load[ELF_LOADS_MAX];
};

/* Is this an ELF file at all? */
bool elf_probe(const struct image *im);
/* Reads an executable for x86 or x86-64. Everything it states is checked against the file. */
int elf_parse(const struct image *im, struct elf_file *out, struct err *e) must_check;
/* Puts the loadable segments where their physical addresses say. */
int elf_add_segments(const struct image *im, const struct elf_file *f, struct boot_plan *p,
                     struct err *e) must_check;

/* The physical address of an entry that is given as a physical or as a virtual one; -ENOEXEC when
 * it lies in no segment. */
int elf_physical(const struct image *im, const struct elf_file *f, u64 addr, u64 *out,
                 struct err *e) must_check;

#endif
