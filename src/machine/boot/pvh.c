/* SPDX-License-Identifier: BSD-2-Clause */
/* The PVH direct boot protocol [Xen docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/
 * start_info.h]: 32-bit protected mode at the address an ELF note names, EBX points to the start
 * info. */
#include "base/mem.h"
#include "base/str.h"
#include "machine/boot/elf.h"
#include "machine/boot/plan.h"

#include <errno.h>

/* struct hvm_start_info, version 1. */
enum start_info {
    SI_MAGIC = 0,
    SI_VERSION = 4,
    SI_MODULE_COUNT = 12,
    SI_MODULES = 16,
    SI_CMDLINE = 24,
    SI_RSDP = 32,
    SI_MEMMAP = 40,
    SI_MEMMAP_COUNT = 48,
    SI_SIZE = 56,
};
enum {
    SI_MAGIC_VALUE = 0x336ec578,
    MODULE_SIZE = 32, /* address, size, command line, reserved */
    MEMMAP_SIZE = 24, /* address, size, type, reserved */
    MODULES_AT = BOOT_INFO + 64,
    MEMMAP_AT = MODULES_AT + MODULE_SIZE * (BOOT_MODULES_MAX + 1),
    INFO_SIZE = MEMMAP_AT + MEMMAP_SIZE * BOOT_E820_MAX - BOOT_INFO,
};
_Static_assert((int)INFO_SIZE <= (int)BOOT_PARAMS - (int)BOOT_INFO, "the start info fits its page");

static void fill_modules(const struct boot_input *in, const struct boot_loaded *loaded, u8 *info)
{
    for (unsigned i = 0; i < in->module_count; i++) {
        u8 *m = info + (MODULES_AT - BOOT_INFO) + i * MODULE_SIZE;
        store64(m, loaded->module[i].addr);
        store64(m + 8, loaded->module[i].size);
        store64(m + 16, loaded->module[i].text);
    }
}

int pvh_add(struct boot_plan *p, const struct boot_input *in, const struct elf_file *elf,
            struct err *e)
{
    if (!elf->has_pvh) {
        int ret =
            err_set(e, -ENOEXEC, "loading %s: the kernel has no PVH entry note", in->kernel.path);
        err_hint(e, "the kernel needs CONFIG_PVH; --boot linux does without it");
        return ret;
    }
    int ret = elf_add_segments(&in->kernel, elf, p, e);
    if (ret)
        return ret;
    u8 *info = plan_buffer(p, INFO_SIZE, e);
    if (!info)
        return -ENOMEM;
    struct boot_loaded loaded;
    ret = plan_add_request(p, in, MiB, false, &loaded, e);
    if (ret)
        return ret;
    fill_modules(in, &loaded, info);
    store32(info + SI_MAGIC, SI_MAGIC_VALUE);
    store32(info + SI_VERSION, 1);
    store32(info + SI_MODULE_COUNT, in->module_count);
    store64(info + SI_MODULES, in->module_count ? MODULES_AT : 0);
    store64(info + SI_CMDLINE, loaded.cmdline);
    store64(info + SI_RSDP, in->request->rsdp);
    store64(info + SI_MEMMAP, MEMMAP_AT);
    store32(info + SI_MEMMAP_COUNT, p->e820_count);
    for (unsigned i = 0; i < p->e820_count; i++) {
        u8 *r = info + (MEMMAP_AT - BOOT_INFO) + i * MEMMAP_SIZE;
        store64(r, p->e820[i].start);
        store64(r + 8, p->e820[i].size);
        store32(r + 16, p->e820[i].type);
    }
    p->entry = BOOT_ENTRY_FLAT32;
    p->rip = elf->pvh_entry;
    p->rbx = BOOT_INFO;
    str_copy(p->text, "PVH entry", sizeof p->text);
    ret = plan_add(p, in->kernel.path, "PVH start info", BOOT_INFO, info, INFO_SIZE, INFO_SIZE, e);
    return ret ? ret : plan_add_tables(p, e);
}
