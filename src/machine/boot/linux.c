/* SPDX-License-Identifier: BSD-2-Clause */
/* The Linux/x86 boot protocol [Linux Documentation/arch/x86/boot.rst]: the zero page (boot_params)
 * and the entry points. A bzImage is entered at its 64-bit entry (load address + 0x200) or, when it
 * has none, at its 32-bit one; a vmlinux is entered where the bzImage's own unpacker would jump,
 * with the same zero page. */
#include "base/mem.h"
#include "base/str.h"
#include "machine/boot/bzimage.h"
#include "machine/boot/elf.h"
#include "machine/boot/plan.h"

#include <errno.h>

/* Fields of the zero page outside the setup header [Linux zero-page.rst]. */
enum zero_page {
    ZP_ACPI_RSDP = 0x070,
    ZP_EXT_RAMDISK_IMAGE = 0x0c0,
    ZP_EXT_RAMDISK_SIZE = 0x0c4,
    ZP_ALT_MEM_K = 0x1e0,
    ZP_E820_ENTRIES = 0x1e8,
    ZP_E820_TABLE = 0x2d0, /* 20 bytes an entry */
    ZP_SIZE = 4096,
};
enum {
    LOADER_UNKNOWN = 0xff, /* type_of_loader of a loader without an assigned number */
    SETUP_RNG_SEED = 9,
    SEED_SIZE = 32,
    SETUP_DATA_HEADER = 16, /* next, type, length */
    ENTRY_64_OFFSET = 0x200,
    LOW_BASE = 0x100000, /* where a kernel that does not care is loaded */
};

/* What a bare vmlinux, which has no setup header, is taken to support. */
static const struct bzimage vmlinux_defaults = {
    .version = 0x20f,
    .initrd_max = 0x7fffffff,
    .cmdline_max = 2047,
    .initrd_above_4g = true,
};

static void fill_e820(u8 *zp, const struct boot_plan *p)
{
    zp[ZP_E820_ENTRIES] = (u8)p->e820_count;
    for (unsigned i = 0; i < p->e820_count; i++) {
        u8 *entry = zp + ZP_E820_TABLE + i * 20;
        store64(entry, p->e820[i].start);
        store64(entry + 8, p->e820[i].size);
        store32(entry + 16, p->e820[i].type);
        if (p->e820[i].type == E820_RAM && p->e820[i].start == LOW_BASE)
            store32(zp + ZP_ALT_MEM_K, (u32)(p->e820[i].size / KiB));
    }
}

/* As high as the kernel allows: the space above the kernel stays in one piece. */
static int add_initrd(struct boot_plan *p, const struct boot_input *in, const struct bzimage *b,
                      u8 *zp, struct err *e)
{
    const struct image *im = &in->module[0];
    u64 limit = MIN(b->initrd_max + 1, 4 * GiB);
    if (b->initrd_above_4g && !plan_find(p, im->size, LOW_BASE, limit, false))
        limit = ~(u64)0;
    u64 addr;
    int ret = plan_add_module(p, im, "initrd", LOW_BASE, limit, false, &addr, e);
    if (ret)
        return ret;
    store32(zp + HDR_RAMDISK_IMAGE, (u32)addr);
    store32(zp + ZP_EXT_RAMDISK_IMAGE, (u32)(addr >> 32));
    store32(zp + HDR_RAMDISK_SIZE, (u32)im->size);
    store32(zp + ZP_EXT_RAMDISK_SIZE, (u32)(im->size >> 32));
    return 0;
}

/* One node of the setup_data list: a seed for the guest's random numbers, filled in at each start.
 * Kernels that do not know the type skip it. */
static int add_seed(struct boot_plan *p, const struct bzimage *b, u8 *zp, struct err *e)
{
    if (b->version < 0x209)
        return 0;
    u8 *node = plan_buffer(p, SETUP_DATA_HEADER, e);
    if (!node)
        return -ENOMEM;
    store32(node + 8, SETUP_RNG_SEED);
    store32(node + 12, SEED_SIZE);
    store64(zp + HDR_SETUP_DATA, BOOT_SETUP_DATA);
    p->seed = BOOT_SETUP_DATA + SETUP_DATA_HEADER;
    p->seed_size = SEED_SIZE;
    return plan_add(p, "kernel", "setup_data", BOOT_SETUP_DATA, node, SETUP_DATA_HEADER,
                    SETUP_DATA_HEADER + SEED_SIZE, e);
}

/* The zero page, after the kernel's own segments are placed. header may be NULL. */
static int add_zero_page(struct boot_plan *p, const struct boot_input *in,
                         const struct image *header, const struct bzimage *b, struct err *e)
{
    if (in->module_count > (in->has_initrd ? 1u : 0u))
        return err_set(e, -EINVAL, "loading %s: Linux takes no modules but an initrd",
                       in->kernel.path);
    u8 *zp = plan_buffer(p, ZP_SIZE, e);
    if (!zp)
        return -ENOMEM;
    if (header)
        mem_copy(zp + HDR_SETUP_SECTS, header->data + HDR_SETUP_SECTS, b->header_size);
    store16(zp + HDR_BOOT_FLAG, 0xaa55);
    store32(zp + HDR_MAGIC, HDR_MAGIC_VALUE);
    store16(zp + HDR_VERSION, b->version);
    zp[HDR_TYPE_OF_LOADER] = LOADER_UNKNOWN;
    zp[HDR_LOADFLAGS] |= LOADFLAGS_LOADED_HIGH;
    zp[HDR_LOADFLAGS] &= (u8)~LOADFLAGS_CAN_USE_HEAP;
    store64(zp + ZP_ACPI_RSDP, in->request->rsdp);
    fill_e820(zp, p);

    u64 cmdline;
    int ret =
        plan_add_texts(p, in->kernel.path, &in->request->cmdline, 1, b->cmdline_max, &cmdline, e);
    if (ret)
        return ret;
    store32(zp + HDR_CMD_LINE_PTR, (u32)cmdline);
    ret = add_seed(p, b, zp, e);
    if (!ret && in->has_initrd)
        ret = add_initrd(p, in, b, zp, e);
    if (!ret)
        ret = plan_add_tables(p, e);
    p->rsi = BOOT_PARAMS;
    return ret ? ret
               : plan_add(p, in->kernel.path, "zero page", BOOT_PARAMS, zp, ZP_SIZE, ZP_SIZE, e);
}

int linux_add_bzimage(struct boot_plan *p, const struct boot_input *in, const struct bzimage *b,
                      struct err *e)
{
    const struct image *im = &in->kernel;
    /* A relocatable kernel unpacks itself where it prefers to run when it is loaded there. */
    u64 load = b->relocatable && b->pref_address >= LOW_BASE ? b->pref_address : LOW_BASE;
    if (b->relocatable && (load & (b->kernel_alignment - 1)))
        return err_set(e, -ENOEXEC,
                       "loading %s: setup header pref_address %#llx: not kernel_alignment aligned",
                       im->path, (unsigned long long)load);
    int ret = plan_add(p, im->path, "kernel", load, im->data + b->kernel, b->kernel_size,
                       MAX(b->kernel_size, b->init_size), e);
    if (ret)
        return ret;
    p->entry = b->has_64 ? BOOT_ENTRY_LONG : BOOT_ENTRY_FLAT32;
    p->rip = b->has_64 ? load + ENTRY_64_OFFSET : load;
    str_format(p->text, sizeof p->text, "Linux boot protocol %u.%02u, %s entry", b->version >> 8,
               b->version & 0xff, b->has_64 ? "64-bit" : "32-bit");
    return add_zero_page(p, in, im, b, e);
}

int linux_add_vmlinux(struct boot_plan *p, const struct boot_input *in, const struct elf_file *elf,
                      const struct image *header, const struct bzimage *b, struct err *e)
{
    int ret = elf_physical(&in->kernel, elf, elf->entry, &p->rip, e);
    if (!ret)
        ret = elf_add_segments(&in->kernel, elf, p, e);
    if (ret)
        return ret;
    p->entry = elf->is_64 ? BOOT_ENTRY_LONG : BOOT_ENTRY_FLAT32;
    str_format(p->text, sizeof p->text, "Linux vmlinux, %s entry",
               elf->is_64 ? "64-bit" : "32-bit");
    return add_zero_page(p, in, header, b ? b : &vmlinux_defaults, e);
}
