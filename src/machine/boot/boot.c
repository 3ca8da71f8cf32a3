/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses the protocol by what the file is and what was asked for, and puts a finished plan into a
 * machine. Entering an unpacked vmlinux directly saves a guest the billions of instructions in
 * which a bzImage unpacks itself. */
#include "machine/boot/boot.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "machine/boot/bzimage.h"
#include "machine/boot/elf.h"
#include "machine/boot/plan.h"
#include "machine/boot/unpack.h"
#include "memory/memory.h"

#include <errno.h>

#define KERNEL_FILE_MAX (1 * GiB)

/* Replaces in->kernel, a bzImage, by the ELF file inside it. The bzImage's bytes stay with the
 * plan: the setup header is copied from them. */
static int unpack_kernel(struct boot_plan *p, struct boot_input *in, const struct bzimage *b,
                         struct err *e)
{
    const u8 *payload = in->kernel.data + b->payload;
    const char *format = unpack_format(payload, b->payload_size);
    u64 ram = plan_ram_size(p);
    if (b->unpacked_size > ram)
        return err_set(
            e, -ENOSPC,
            "loading %s: the kernel unpacks to %llu MiB, the machine has %llu MiB of RAM",
            in->kernel.path, (unsigned long long)(b->unpacked_size / MiB),
            (unsigned long long)(ram / MiB));
    u8 *vmlinux = plan_buffer(p, b->unpacked_size, e);
    if (!vmlinux)
        return -ENOMEM;
    struct unpack_progress progress = {in->request->progress, in->request->progress_ctx};
    int ret =
        unpack(in->kernel.path, payload, b->payload_size, vmlinux, b->unpacked_size, &progress, e);
    if (ret)
        return ret;
    p->unpacked.data = vmlinux;
    p->unpacked.size = b->unpacked_size;
    p->unpacked.payload = payload;
    p->unpacked.payload_size = b->payload_size;
    in->kernel.data = vmlinux;
    in->kernel.size = b->unpacked_size;
    log_info("boot", "%s: unpacked %s payload to %llu KiB", in->kernel.path, format,
             (unsigned long long)(b->unpacked_size / KiB));
    return 0;
}

static int add_from_bzimage(struct boot_plan *p, struct boot_input *in, struct err *e)
{
    struct bzimage b;
    int ret = bzimage_parse(&in->kernel, &b, e);
    if (ret)
        return ret;
    enum boot_mode mode = in->request->mode;
    const char *format =
        b.payload_size ? unpack_format(in->kernel.data + b.payload, b.payload_size) : NULL;
    /* A program that only borrows the file format (memtest86+) has no payload. */
    if (mode == BOOT_LINUX || (mode == BOOT_AUTO && !unpack_supported(format)))
        return linux_add_bzimage(p, in, &b, e);
    if (!format)
        return err_set(e, -ENOEXEC,
                       "loading %s: setup header payload_offset: no compressed kernel there",
                       in->kernel.path);
    struct image header = in->kernel;
    ret = unpack_kernel(p, in, &b, e);
    struct elf_file elf;
    if (!ret)
        ret = elf_parse(&in->kernel, &elf, e);
    if (!ret)
        ret = mode == BOOT_PVH ? pvh_add(p, in, &elf, e)
                               : linux_add_vmlinux(p, in, &elf, &header, &b, e);
    if (ret)
        return ret;
    u64 n = str_length(p->text);
    str_format(p->text + n, sizeof p->text - n, ", unpacked on the host (%s, %llu MiB)", format,
               (unsigned long long)(b.unpacked_size / MiB));
    return 0;
}

static int add_from_elf(struct boot_plan *p, const struct boot_input *in, struct err *e)
{
    struct elf_file elf;
    int ret = elf_parse(&in->kernel, &elf, e);
    if (ret)
        return ret;
    enum boot_mode mode = in->request->mode;
    if (mode == BOOT_PVH || (mode == BOOT_AUTO && elf.has_pvh))
        return pvh_add(p, in, &elf, e);
    if (mode == BOOT_AUTO && multiboot_probe(&in->kernel))
        return multiboot_add(p, in, e);
    return linux_add_vmlinux(p, in, &elf, NULL, NULL, e);
}

static int add_kernel(struct boot_plan *p, struct boot_input *in, struct err *e)
{
    const struct image *im = &in->kernel;
    if (in->request->mode == BOOT_MULTIBOOT)
        return multiboot_add(p, in, e);
    if (bzimage_probe(im))
        return add_from_bzimage(p, in, e);
    if (elf_probe(im))
        return add_from_elf(p, in, e);
    if (multiboot_probe(im))
        return multiboot_add(p, in, e);
    const char *format = unpack_format(im->data, im->size);
    if (format) {
        int ret = err_set(e, -ENOEXEC, "loading %s: a %s file, not a kernel", im->path, format);
        err_hint(e, "unpack it first");
        return ret;
    }
    int ret = err_set(e, -ENOEXEC, "loading %s: not a kernel: no bzImage, ELF or multiboot header",
                      im->path);
    err_hint(e, "--kernel takes a vmlinuz (bzImage), a vmlinux or a multiboot kernel");
    return ret;
}

static int read_module(struct boot_plan *p, struct boot_input *in, const char *path,
                       const char *text, struct err *e)
{
    struct image *im = &in->module[in->module_count];
    int ret = image_load(im, path, plan_ram_size(p), e);
    if (ret == -EFBIG)
        err_hint(e, "give the machine more memory (--memory)");
    if (ret)
        return ret;
    in->module_text[in->module_count++] = text;
    p->file[p->file_count++] = *im;
    return 0;
}

static int read_files(struct boot_plan *p, struct boot_input *in, struct err *e)
{
    const struct boot_request *r = in->request;
    int ret = image_load(&in->kernel, r->kernel, KERNEL_FILE_MAX, e);
    if (!ret)
        p->file[p->file_count++] = in->kernel;
    if (!ret && r->initrd) {
        in->has_initrd = true;
        ret = read_module(p, in, r->initrd, NULL, e);
    }
    for (unsigned i = 0; i < r->module_count && !ret; i++)
        ret = read_module(p, in, r->modules[i].path, r->modules[i].text, e);
    return ret;
}

int boot_prepare(struct boot_plan **out, const struct boot_request *r, struct err *e)
{
    if (r->module_count > BOOT_MODULES_MAX || r->e820_count > BOOT_E820_MAX)
        return err_set(e, -E2BIG, "preparing the boot: more than %d modules", BOOT_MODULES_MAX);
    struct boot_plan *p = mem_alloc(sizeof *p);
    if (!p)
        return err_set(e, -ENOMEM, "preparing the boot: no memory");
    p->e820_count = r->e820_count;
    mem_copy(p->e820, r->e820, sizeof p->e820);
    struct boot_input in = {.request = r};
    int ret = read_files(p, &in, e);
    if (!ret)
        ret = add_kernel(p, &in, e);
    if (ret) {
        boot_plan_destroy(p);
        return ret;
    }
    *out = p;
    return 0;
}

void boot_plan_destroy(struct boot_plan *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->buffer_count; i++)
        mem_free(p->buffer[i]);
    for (unsigned i = 0; i < p->file_count; i++)
        image_unload(&p->file[i]);
    mem_free(p);
}

const char *boot_describe(const struct boot_plan *p)
{
    return p->text;
}

static struct x86_segment flat(u16 sel, u16 attr)
{
    return (struct x86_segment){.base = 0, .limit = ~(u32)0, .sel = sel, .attr = attr};
}

/* The state the protocols ask for: interrupts off, flat segments, paging off or one to one. */
static void set_registers(const struct boot_plan *p, struct x86_state *s)
{
    bool lng = p->entry == BOOT_ENTRY_LONG;
    enum { DATA = X86_SEG_WRITABLE | X86_SEG_ACCESSED, CODE = DATA | X86_SEG_CODE };
    enum { PRESENT = X86_SEG_S | X86_SEG_P | X86_SEG_G, TSS_BUSY_32 = 0xb, LDT = 2 };
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        s->seg[i] = flat(BOOT_DS, PRESENT | X86_SEG_DB | DATA);
    s->seg[X86_CS] = flat(BOOT_CS, (u16)(PRESENT | CODE | (lng ? X86_SEG_L : X86_SEG_DB)));
    s->tr = (struct x86_segment){.limit = 0x67, .attr = X86_SEG_P | TSS_BUSY_32};
    s->ldtr = (struct x86_segment){.limit = 0, .attr = X86_SEG_P | LDT};
    s->gdtr = (struct x86_table){.base = BOOT_GDT, .limit = BOOT_GDT_LIMIT};
    s->idtr = (struct x86_table){0};
    s->cr0 = X86_CR0_PE | X86_CR0_ET | (lng ? X86_CR0_PG : 0);
    s->cr3 = lng ? BOOT_PAGE_TABLES : 0;
    s->cr4 = lng ? X86_CR4_PAE : 0;
    s->efer = lng ? X86_EFER_LME | X86_EFER_LMA : 0;
    s->rflags = X86_FLAG1;
    for (unsigned i = 0; i < X86_GPR_COUNT; i++)
        s->gpr[i] = 0;
    s->gpr[X86_RAX] = p->rax;
    s->gpr[X86_RBX] = p->rbx;
    s->gpr[X86_RSI] = p->rsi;
    s->gpr[X86_RSP] = BOOT_STACK;
    s->rip = p->rip;
}

static int zero_memory(struct guest_memory *m, u64 addr, u64 size)
{
    static const u8 zeros[64 * 1024];
    while (size) {
        u64 n = MIN(size, (u64)sizeof zeros);
        int ret = guest_memory_write(m, gpa(addr), zeros, n);
        if (ret)
            return ret;
        addr += n;
        size -= n;
    }
    return 0;
}

static int recover_files(struct boot_plan *p, struct err *e)
{
    int ret = 0;
    if (!p->discarded)
        return 0;
    for (unsigned i = 0; i < p->file_count && !ret; i++)
        ret = image_reload(&p->file[i], e);
    if (!ret && p->unpacked.data)
        ret = unpack("the kernel", p->unpacked.payload, p->unpacked.payload_size, p->unpacked.data,
                     p->unpacked.size, NULL, e);
    p->discarded = ret != 0;
    return ret;
}

static void discard_files(struct boot_plan *p)
{
    for (unsigned i = 0; i < p->file_count; i++)
        image_discard(&p->file[i]);
    if (p->unpacked.data)
        mem_discard(p->unpacked.data, p->unpacked.size);
    p->discarded = true;
}

static int write_segments(const struct boot_plan *p, struct guest_memory *m, bool fresh,
                          struct err *e)
{
    for (unsigned i = 0; i < p->segment_count; i++) {
        const struct boot_segment *g = &p->segment[i];
        int ret = g->size ? guest_memory_write(m, gpa(g->addr), g->data, g->size) : 0;
        if (!ret && !fresh)
            ret = zero_memory(m, g->addr + g->size, g->mem_size - g->size);
        if (ret)
            return err_set(e, ret, "writing the %s to guest memory at %#llx: %s", g->what,
                           (unsigned long long)g->addr, err_name(ret));
    }
    return 0;
}

int boot_apply(struct boot_plan *p, struct guest_memory *m, struct x86_state *s, bool fresh,
               struct err *e)
{
    int r = recover_files(p, e);
    if (!r)
        r = write_segments(p, m, fresh, e);
    if (r)
        return r;
    discard_files(p);
    u8 seed[64];
    if (p->seed && p->seed_size <= sizeof seed && !os_random(seed, p->seed_size)) {
        int ret = guest_memory_write(m, gpa(p->seed), seed, p->seed_size);
        if (ret)
            return err_set(e, ret, "writing the random seed: %s", err_name(ret));
    }
    set_registers(p, s);
    return 0;
}
