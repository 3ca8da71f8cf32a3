/* SPDX-License-Identifier: BSD-2-Clause */
/* The bzImage file format: a real-mode setup part with the setup header, then the protected-mode
 * kernel [Linux Documentation/arch/x86/boot.rst]. */
#ifndef MACHINE_BOOT_BZIMAGE_H
#define MACHINE_BOOT_BZIMAGE_H

#include "machine/boot/image.h"

/* Offsets of the setup header's fields; the same in the file and in the zero page. */
enum setup_header {
    HDR_SETUP_SECTS = 0x1f1,
    HDR_SYSSIZE = 0x1f4,
    HDR_BOOT_FLAG = 0x1fe,
    HDR_JUMP = 0x200, /* a short jump; its target is the end of the header */
    HDR_MAGIC = 0x202,
    HDR_VERSION = 0x206,
    HDR_TYPE_OF_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_CODE32_START = 0x214,
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_HEAP_END_PTR = 0x224,
    HDR_CMD_LINE_PTR = 0x228,
    HDR_INITRD_ADDR_MAX = 0x22c,
    HDR_KERNEL_ALIGNMENT = 0x230,
    HDR_RELOCATABLE = 0x234,
    HDR_XLOADFLAGS = 0x236,
    HDR_CMDLINE_SIZE = 0x238,
    HDR_PAYLOAD_OFFSET = 0x248,
    HDR_PAYLOAD_LENGTH = 0x24c,
    HDR_SETUP_DATA = 0x250,
    HDR_PREF_ADDRESS = 0x258,
    HDR_INIT_SIZE = 0x260,
    HDR_END_MAX = 0x290, /* where the zero page's next field is */
};
enum {
    HDR_MAGIC_VALUE = 0x53726448, /* "HdrS" */
    LOADFLAGS_LOADED_HIGH = 1 << 0,
    LOADFLAGS_CAN_USE_HEAP = 1 << 7,
    XLF_KERNEL_64 = 1 << 0,
    XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1,
};

/* The header's fields that decide how to load, with the defaults of older protocol versions. */
struct bzimage {
    u16 version;
    u64 header_size;           /* bytes from HDR_SETUP_SECTS on */
    u64 kernel, kernel_size;   /* the protected-mode part: where in the file */
    u64 payload, payload_size; /* compressed vmlinux: where in the file; size 0: none stated */
    u64 unpacked_size;         /* of the payload, as its last four bytes state */
    u64 code32_start, pref_address, init_size, kernel_alignment;
    u64 initrd_max; /* highest address an initrd may occupy */
    u64 cmdline_max;
    bool relocatable, has_64, initrd_above_4g;
};

bool bzimage_probe(const struct image *im);
int bzimage_parse(const struct image *im, struct bzimage *out, struct err *e) must_check;

#endif
