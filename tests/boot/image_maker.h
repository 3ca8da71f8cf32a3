/* SPDX-License-Identifier: BSD-2-Clause */
/* Made-up kernel files for the loader tests: the smallest valid image of each format, which a test
 * then damages in one field. */
#ifndef TESTS_BOOT_IMAGE_MAKER_H
#define TESTS_BOOT_IMAGE_MAKER_H

#include "base/bits.h"
#include "base/mem.h"
#include "machine/boot/bzimage.h"

enum { ELF_PHYS = 0x1000000, ELF_CODE_SIZE = 64, ELF_MEM_SIZE = 0x3000, ELF_CODE_AT = 0x200 };

/* An ELF64 (or 32) kernel with one PT_LOAD and, with pvh, an entry note. Returns its size. */
static inline u64 make_elf(u8 *b, bool is_64, bool pvh)
{
    mem_fill(b, 0, 0x400);
    store32(b, 0x464c457f);
    b[4] = is_64 ? 2 : 1;
    b[5] = b[6] = 1;
    store16(b + 16, 2);
    store16(b + 18, is_64 ? 62 : 3);
    store32(b + 20, 1);
    unsigned ph = is_64 ? 64 : 52, ph_size = is_64 ? 56 : 32;
    if (is_64) {
        store64(b + 24, ELF_PHYS);
        store64(b + 32, ph);
    } else {
        store32(b + 24, ELF_PHYS);
        store32(b + 28, ph);
    }
    store16(b + (is_64 ? 54 : 42), (u16)ph_size);
    store16(b + (is_64 ? 56 : 44), pvh ? 2 : 1);
    u64 load[] = {ELF_CODE_AT, ELF_PHYS, ELF_PHYS, ELF_CODE_SIZE, ELF_MEM_SIZE};
    u64 note[] = {0x180, 0, 0, 20, 20};
    for (unsigned i = 0; i < 2; i++) {
        u8 *p = b + ph + i * ph_size;
        store32(p, i ? 4 : 1);
        for (unsigned k = 0; k < 5; k++) {
            u64 v = i ? note[k] : load[k];
            if (is_64)
                store64(p + 8 + 8 * k, v);
            else
                store32(p + 4 + 4 * k, (u32)v);
        }
    }
    store32(b + 0x180, 4);
    store32(b + 0x184, 4);
    store32(b + 0x188, 18);
    store32(b + 0x18c, 0x006e6558);
    store32(b + 0x190, ELF_PHYS + 0x10);
    mem_fill(b + ELF_CODE_AT, 0xf4, ELF_CODE_SIZE);
    return ELF_CODE_AT + ELF_CODE_SIZE;
}

/* A bzImage of protocol 2.15 around payload (may be NULL); unpacked is the size it states. */
static inline u64 make_bzimage(u8 *b, const u8 *payload, u64 size, u32 unpacked)
{
    u64 kernel_size = align_up(0x400 + size + 4, 16);
    mem_fill(b, 0, 1024 + kernel_size);
    b[HDR_SETUP_SECTS] = 1;
    store32(b + HDR_SYSSIZE, (u32)(kernel_size / 16));
    store16(b + HDR_BOOT_FLAG, 0xaa55);
    store16(b + HDR_JUMP, 0x6aeb);
    store32(b + HDR_MAGIC, HDR_MAGIC_VALUE);
    store16(b + HDR_VERSION, 0x20f);
    b[HDR_LOADFLAGS] = LOADFLAGS_LOADED_HIGH;
    store32(b + HDR_CODE32_START, 0x100000);
    store32(b + HDR_INITRD_ADDR_MAX, 0x7fffffff);
    store32(b + HDR_KERNEL_ALIGNMENT, 0x200000);
    b[HDR_RELOCATABLE] = 1;
    store16(b + HDR_XLOADFLAGS, XLF_KERNEL_64);
    store32(b + HDR_CMDLINE_SIZE, 2047);
    store64(b + HDR_PREF_ADDRESS, 0x1000000);
    store32(b + HDR_INIT_SIZE, 0x10000);
    if (payload) {
        store32(b + HDR_PAYLOAD_OFFSET, 0x400);
        store32(b + HDR_PAYLOAD_LENGTH, (u32)(size + 4));
        mem_copy(b + 1024 + 0x400, payload, size);
        store32(b + 1024 + 0x400 + size, unpacked);
    }
    return 1024 + kernel_size;
}

/* A multiboot kernel that states its addresses; returns its size. */
static inline u64 make_multiboot(u8 *b)
{
    mem_fill(b, 0, 256);
    u32 flags = 1 << 16 | 1 << 1;
    store32(b + 16, 0x1badb002);
    store32(b + 20, flags);
    store32(b + 24, 0u - 0x1badb002u - flags);
    store32(b + 28, 0x200010); /* header */
    store32(b + 32, 0x200000); /* load */
    store32(b + 36, 0);        /* load end: the whole file */
    store32(b + 40, 0x201000); /* bss end */
    store32(b + 44, 0x200080); /* entry */
    return 256;
}

#endif
