/* SPDX-License-Identifier: BSD-2-Clause */
/* The Multiboot 1 header in a kernel file [Multiboot 0.6.96, 3.1]. */
#ifndef MACHINE_BOOT_MULTIBOOT_H
#define MACHINE_BOOT_MULTIBOOT_H

#include "machine/boot/image.h"

struct multiboot_header {
    u64 offset; /* in the file */
    u32 flags;
    /* With MULTIBOOT_ADDRESSES: where the file's bytes from file_start on go. */
    u64 file_start, file_size, load, mem_size, entry;
};
enum multiboot_flag {
    MULTIBOOT_PAGE_ALIGN = 1 << 0,
    MULTIBOOT_MEMORY = 1 << 1,
    MULTIBOOT_VIDEO = 1 << 2,
    MULTIBOOT_ADDRESSES = 1 << 16, /* the header's addresses instead of an ELF's */
};

int multiboot_parse(const struct image *im, struct multiboot_header *out, struct err *e) must_check;

#endif
