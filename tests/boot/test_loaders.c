/* SPDX-License-Identifier: BSD-2-Clause */
/* Every kernel format from made-up files: what is loaded where, and what a damaged file is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_maker.h"
#include "machine/boot/boot.h"
#include "machine/boot/elf.h"
#include "machine/boot/multiboot.h"
#include "machine/boot/plan.h"
#include "machine/boot/unpack.h"
#include "packers.h"

static u8 buf[1 << 20], packed[1 << 20];
static char folder[] = "/tmp/doppel-boot-XXXXXX";

static const char *write_file(const char *name, const u8 *data, u64 size)
{
    static char path[4][128];
    static unsigned n;
    char *p = path[n++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    FILE *f = fopen(p, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    return p;
}

static struct boot_request request(const char *kernel)
{
    return (struct boot_request){
        .kernel = kernel,
        .cmdline = "console=ttyS0",
        .rsdp = 0xe0000,
        .e820 = {{0, 0x9fc00, E820_RAM},
                 {0xe0000, 0x20000, E820_RESERVED},
                 {MiB, 127 * MiB, E820_RAM}},
        .e820_count = 3,
    };
}

static const struct boot_segment *find(const struct boot_plan *p, const char *what)
{
    for (unsigned i = 0; i < p->segment_count; i++)
        if (!strcmp(p->segment[i].what, what))
            return &p->segment[i];
    return NULL;
}

/* The message names the file and what is wrong with it. */
static void expect_error(const struct boot_request *r, const char *text)
{
    struct boot_plan *p = NULL;
    struct err e = {0};
    int ret = boot_prepare(&p, r, &e);
    if (ret >= 0)
        fail_msg("no error where '%s' was expected", text);
    assert_null(p);
    if (!strstr(e.text, text))
        fail_msg("'%s' is not in '%s'", text, e.text);
    if (!strstr(e.text, folder) && !strstr(e.text, "/nowhere"))
        fail_msg("no file name in '%s'", e.text);
}

static struct boot_plan *expect_plan(const struct boot_request *r)
{
    struct boot_plan *p = NULL;
    struct err e = {0};
    if (boot_prepare(&p, r, &e))
        fail_msg("%s", e.text);
    return p;
}

/* ---- files ---------------------------------------------------------------------------------- */

static void bad_files(void **state)
{
    struct boot_request r = request("/nowhere/vmlinuz");
    expect_error(&r, "No such file");
    r = request(folder);
    expect_error(&r, "directory");
    r = request(write_file("empty", buf, 0));
    expect_error(&r, "empty");
    memset(buf, 'x', 4096);
    r = request(write_file("text", buf, 4096));
    expect_error(&r, "not a kernel");
    buf[0] = 0x1f, buf[1] = 0x8b, buf[2] = 8;
    r = request(write_file("gz", buf, 4096));
    expect_error(&r, "gzip");
    char pipe_path[128];
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    r = request(pipe_path);
    expect_error(&r, "not a regular file");
    u64 n = make_elf(buf, true, true);
    const char *kernel = write_file("vmlinux", buf, n);
    if (geteuid()) { /* root reads everything */
        assert_int_equal(chmod(kernel, 0), 0);
        r = request(kernel);
        expect_error(&r, "Permission denied");
        chmod(kernel, 0600);
    }
    r = request(kernel);
    r.initrd = "/nowhere/initrd";
    expect_error(&r, "No such file");
}

static void initrd_limits(void **state)
{
    u64 n = make_elf(buf, true, true);
    struct boot_request r = request(write_file("vmlinux", buf, n));
    r.mode = BOOT_LINUX;
    r.initrd = write_file("initrd", buf, 5000);
    struct boot_plan *p = expect_plan(&r);
    const struct boot_segment *s = find(p, "initrd");
    assert_int_equal(s->addr, 128 * MiB - 8192); /* as high as RAM goes, on a page */
    assert_int_equal(load32(find(p, "zero page")->data + 0x218), s->addr);
    assert_int_equal(load32(find(p, "zero page")->data + 0x21c), 5000);
    boot_plan_destroy(p);

    char path[128];
    snprintf(path, sizeof path, "%s/huge", folder);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(ftruncate(fd, 1 << 30), 0); /* larger than RAM: not even read */
    r.initrd = path;
    expect_error(&r, "room for");
    assert_int_equal(ftruncate(fd, (127 << 20) - 4096), 0); /* smaller, but the kernel is there */
    expect_error(&r, "beside the kernel");
    close(fd);
    unlink(path);
}

/* ---- ELF ------------------------------------------------------------------------------------ */

static void elf_pvh(void **state)
{
    u64 n = make_elf(buf, true, true);
    struct boot_request r = request(write_file("vmlinux", buf, n));
    r.initrd = write_file("initrd", buf, 100);
    struct boot_plan *p = expect_plan(&r);
    assert_int_equal(p->entry, BOOT_ENTRY_FLAT32);
    assert_int_equal(p->rip, ELF_PHYS + 0x10);
    assert_int_equal(find(p, "ELF segment")->addr, ELF_PHYS);
    assert_int_equal(find(p, "ELF segment")->mem_size, ELF_MEM_SIZE);
    const u8 *si = find(p, "PVH start info")->data;
    assert_int_equal(p->rbx, find(p, "PVH start info")->addr);
    assert_int_equal(load32(si), 0x336ec578);
    assert_int_equal(load32(si + 12), 1);
    assert_int_equal(load64(si + 32), 0xe0000);
    assert_int_equal(load32(si + 48), 3);
    assert_string_equal((const char *)find(p, "command line")->data, "console=ttyS0");
    u64 module = load64(si + 16) - p->rbx, map = load64(si + 40) - p->rbx;
    assert_int_equal(load64(si + module), find(p, "initrd")->addr);
    assert_int_equal(load64(si + module + 8), 100);
    assert_int_equal(load64(si + map + 2 * 24), MiB);
    boot_plan_destroy(p);
}

static void elf_linux(void **state)
{
    for (int is_64 = 0; is_64 < 2; is_64++) {
        u64 n = make_elf(buf, is_64, false);
        struct boot_request r = request(write_file("vmlinux", buf, n));
        struct boot_plan *p = expect_plan(&r);
        assert_int_equal(p->entry, is_64 ? BOOT_ENTRY_LONG : BOOT_ENTRY_FLAT32);
        assert_int_equal(p->rip, ELF_PHYS);
        assert_int_equal(p->rsi, find(p, "zero page")->addr);
        const u8 *zp = find(p, "zero page")->data;
        assert_int_equal(zp[0x1e8], 3);
        assert_int_equal(load64(zp + 0x70), 0xe0000);
        assert_int_equal(load64(zp + 0x2d0 + 40), MiB);
        assert_int_equal(!!find(p, "page tables"), is_64);
        boot_plan_destroy(p);
        r.mode = BOOT_PVH;
        expect_error(&r, "no PVH entry");
    }
}

static void elf_entry_is_virtual(void **state)
{
    u64 n = make_elf(buf, true, false);
    store64(buf + 24, 0xffffffff81000040);      /* e_entry */
    store64(buf + 64 + 16, 0xffffffff81000000); /* p_vaddr */
    struct boot_request r = request(write_file("vmlinux", buf, n));
    struct boot_plan *p = expect_plan(&r);
    assert_int_equal(p->rip, ELF_PHYS + 0x40);
    boot_plan_destroy(p);
    store64(buf + 24, 0x42);
    r = request(write_file("vmlinux", buf, n));
    expect_error(&r, "entry 0x42");
}

static void elf_damaged(void **state)
{
    struct {
        unsigned at, size;
        u64 value;
        const char *text;
    } row[] = {
        {4, 1, 3, "EI_CLASS"},
        {5, 1, 2, "EI_DATA"},
        {16, 2, 1, "e_type"},
        {18, 2, 40, "e_machine"},
        {32, 8, 1 << 30, "e_phoff"},
        {32, 8, ~0ull - 8, "e_phoff"},
        {54, 2, 8, "e_phentsize"},
        {56, 2, 0, "e_phnum"},
        {56, 2, 65535, "e_phnum"},
        {64 + 8, 8, 0x10000, "p_filesz"}, /* p_offset */
        {64 + 8, 8, ~0ull - 4, "p_filesz"},
        {64 + 32, 8, 1ull << 62, "p_filesz"},
        {64 + 40, 8, 1, "p_memsz"},
        {64 + 40, 8, ~0ull - 100, "wraps"},
        {64 + 40, 8, 1ull << 40, "needs RAM"},
        {64 + 24, 8, 0xa0000, "needs RAM"}, /* p_paddr in the VGA hole */
        {64 + 24, 8, 0x5000, "overlaps"},   /* where the loader's own tables are */
        {120 + 8, 8, 0x100000, "note p_offset"},
        {0x180, 4, 0xfffffff0, "note size"},
        {0x184, 4, 0xfffffff0, "note size"},
        {0x184, 4, 3, "PVH note size"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        u64 n = make_elf(buf, true, true);
        memcpy(buf + row[i].at, &row[i].value, row[i].size);
        struct boot_request r = request(write_file("vmlinux", buf, n));
        expect_error(&r, row[i].text);
    }
    for (u64 n = 4; n < ELF_CODE_AT + ELF_CODE_SIZE; n++) {
        make_elf(buf, n & 1, true);
        struct boot_request r = request(write_file("short", buf, n));
        expect_error(&r, "ELF");
    }
}

/* ---- bzImage -------------------------------------------------------------------------------- */

static void bzimage_protocol(void **state)
{
    u64 n = make_bzimage(buf, NULL, 0, 0);
    struct boot_request r = request(write_file("vmlinuz", buf, n));
    struct boot_plan *p = expect_plan(&r);
    assert_int_equal(p->entry, BOOT_ENTRY_LONG);
    assert_int_equal(p->rip, 0x1000200);
    assert_int_equal(find(p, "kernel")->mem_size, 0x10000);
    const u8 *zp = find(p, "zero page")->data;
    assert_int_equal(load32(zp + HDR_MAGIC), HDR_MAGIC_VALUE);
    assert_int_equal(zp[HDR_TYPE_OF_LOADER], 0xff);
    assert_int_equal(load32(zp + HDR_CMD_LINE_PTR), find(p, "command line")->addr);
    assert_int_equal(load64(zp + HDR_SETUP_DATA), find(p, "setup_data")->addr);
    boot_plan_destroy(p);

    store16(buf + HDR_XLOADFLAGS, 0); /* 32-bit only, where it stands */
    buf[HDR_RELOCATABLE] = 0;
    r = request(write_file("vmlinuz", buf, n));
    p = expect_plan(&r);
    assert_int_equal(p->entry, BOOT_ENTRY_FLAT32);
    assert_int_equal(p->rip, 0x100000);
    boot_plan_destroy(p);
    r.mode = BOOT_PVH;
    expect_error(&r, "payload_offset");
}

static void bzimage_damaged(void **state)
{
    struct {
        unsigned at, size;
        u64 value;
        const char *text;
    } row[] = {
        {HDR_VERSION, 2, 0x0201, "version"},
        {HDR_VERSION, 2, 0xffff, "version"},
        {HDR_LOADFLAGS, 1, 0, "loadflags"},
        {HDR_SETUP_SECTS, 1, 200, "setup_sects"},
        {HDR_SYSSIZE, 4, 0x100000, "truncated"},
        {HDR_SYSSIZE, 4, 0xffffffff, "truncated"},
        {HDR_KERNEL_ALIGNMENT, 4, 3, "kernel_alignment"},
        {HDR_PREF_ADDRESS, 8, 0x1000001, "pref_address"},
        {HDR_PREF_ADDRESS, 8, ~0ull, "pref_address"},
        {HDR_PREF_ADDRESS, 8, 0xc0000000, "needs RAM"},
        {HDR_INIT_SIZE, 4, 0xf0000000, "needs RAM"},
        {HDR_PAYLOAD_OFFSET, 4, 0xfffffff0, "payload_length"},
        {HDR_PAYLOAD_LENGTH, 4, 0xfffffff0, "payload_length"},
        {HDR_PAYLOAD_LENGTH, 4, 7, "payload_length"},
        {HDR_CMDLINE_SIZE, 4, 5, "command line"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        u64 n = make_bzimage(buf, packed, 100, 1000);
        memcpy(buf + row[i].at, &row[i].value, row[i].size);
        struct boot_request r = request(write_file("vmlinuz", buf, n));
        r.mode = BOOT_LINUX;
        expect_error(&r, row[i].text);
    }
    u64 n = make_bzimage(buf, packed, 100, 0xfffffff0);
    struct boot_request r = request(write_file("vmlinuz", buf, n));
    expect_error(&r, "unpacked size");
    make_bzimage(buf, NULL, 0, 0);
    r = request(write_file("short", buf, 700));
    expect_error(&r, "setup_sects");
    r = request(write_file("short", buf, HDR_MAGIC + 4));
    expect_error(&r, "truncated setup header");
}

/* ---- payloads ------------------------------------------------------------------------------- */

static void payload_formats(void **state)
{
    for (unsigned i = 0; i < ARRAY_LEN(packers); i++) {
        u8 elf[0x400];
        u64 n = make_elf(elf, true, true);
        u64 size = packers[i].pack(elf, n, packed, sizeof packed);
        u64 total = make_bzimage(buf, packed, size, (u32)n);
        struct boot_request r = request(write_file("vmlinuz", buf, total));
        struct boot_plan *p = expect_plan(&r);
        assert_int_equal(p->rip, ELF_PHYS);
        assert_int_equal(p->entry, BOOT_ENTRY_LONG);
        assert_non_null(strstr(boot_describe(p), packers[i].name));
        const struct boot_segment *s = find(p, "ELF segment");
        assert_memory_equal(s->data, elf + ELF_CODE_AT, ELF_CODE_SIZE);
        assert_int_equal(load16(find(p, "zero page")->data + HDR_VERSION), 0x20f);
        boot_plan_destroy(p);
        r.mode = BOOT_PVH;
        p = expect_plan(&r);
        assert_int_equal(p->rip, ELF_PHYS + 0x10);
        boot_plan_destroy(p);
        r.mode = BOOT_LINUX;
        p = expect_plan(&r);
        assert_int_equal(p->rip, 0x1000200);
        boot_plan_destroy(p);
    }
}

static void payload_damaged(void **state)
{
    static u8 zeros[600000];
    for (unsigned i = 0; i < ARRAY_LEN(packers); i++) {
        u64 size = packers[i].pack(zeros, sizeof zeros, packed, sizeof packed);
        u8 *out = malloc(sizeof zeros);
        struct err e = {0};
        assert_int_equal(unpack("f", packed, size, out, sizeof zeros, NULL, &e), 0);
        /* A bomb: it unpacks to more than stated; and the other way round. */
        assert_true(unpack("f", packed, size, out, 1000, NULL, &e) < 0);
        u8 *large = malloc(sizeof zeros + 4096);
        assert_true(unpack("f", packed, size, large, sizeof zeros + 4096, NULL, &e) < 0);
        free(large);
        for (u64 n = 6; n < size - 8; n += 1 + size / 50)
            assert_true(unpack("f", packed, n, out, sizeof zeros, NULL, &e) < 0);
        free(out);
    }
    u8 bz[] = {'B', 'Z', 'h', '9', 0, 0, 0, 0};
    struct err e = {0};
    assert_int_equal(unpack("f", bz, sizeof bz, buf, 10, NULL, &e), -ENOTSUP);
    assert_non_null(strstr(e.text, "bzip2"));
    u64 n = make_bzimage(buf, bz, sizeof bz, 100);
    struct boot_request r = request(write_file("vmlinuz", buf, n));
    struct boot_plan *p = expect_plan(&r); /* auto: the kernel can do it itself */
    assert_int_equal(p->rip, 0x1000200);
    boot_plan_destroy(p);
    r.mode = BOOT_PVH;
    expect_error(&r, "bzip2");
    n = make_bzimage(buf, packed, pack_xz(zeros, 60000, packed, sizeof packed), 500 << 20);
    r = request(write_file("vmlinuz", buf, n));
    expect_error(&r, "unpacks to 500 MiB");
}

/* ---- multiboot ------------------------------------------------------------------------------ */

static void multiboot_kernel(void **state)
{
    u64 n = make_multiboot(buf);
    struct boot_request r = request(write_file("kernel", buf, n));
    struct boot_module m[] = {{write_file("module", buf, 77), "first arg"},
                              {write_file("module2", buf, 5000), NULL}};
    r.modules = m;
    r.module_count = 2;
    struct boot_plan *p = expect_plan(&r);
    assert_int_equal(p->rax, 0x2badb002);
    assert_int_equal(p->rip, 0x200080);
    assert_int_equal(find(p, "kernel")->addr, 0x200000);
    assert_int_equal(find(p, "kernel")->mem_size, 0x1000);
    const u8 *info = find(p, "multiboot information")->data;
    assert_int_equal(load32(info + 4), 639);
    assert_int_equal(load32(info + 8), 127 * 1024);
    assert_int_equal(load32(info + 20), 2);
    const u8 *mod = info + (load32(info + 24) - p->rbx);
    assert_int_equal(load32(mod), 0x201000);
    assert_int_equal(load32(mod + 4), 0x201000 + 77);
    const struct boot_segment *texts = find(p, "command line");
    assert_string_equal((const char *)texts->data + (load32(mod + 8) - texts->addr), "first arg");
    assert_int_equal(load32(mod + 16), 0x202000);
    boot_plan_destroy(p);

    n = make_elf(buf, false, false); /* ELF32 with a header among its bytes */
    store32(buf + ELF_CODE_AT, 0x1badb002);
    store32(buf + ELF_CODE_AT + 4, 0);
    store32(buf + ELF_CODE_AT + 8, 0u - 0x1badb002u);
    r = request(write_file("kernel", buf, n));
    p = expect_plan(&r);
    assert_int_equal(p->rax, 0x2badb002);
    assert_int_equal(p->rip, ELF_PHYS);
    boot_plan_destroy(p);
}

static void multiboot_damaged(void **state)
{
    struct {
        unsigned at;
        u32 value;
        const char *text;
    } row[] = {
        {20, 1 << 16 | 1 << 9, "flags"}, {32, 0x200020, "load_addr"},
        {32, 0x100000, "load_addr"},     {36, 0x300000, "load_end_addr"},
        {36, 0x100000, "load_end_addr"}, {40, 0x200001, "bss_end_addr"},
        {40, 0xfffff000, "needs RAM"},   {44, 0x100, "entry_addr"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        u64 n = make_multiboot(buf);
        store32(buf + row[i].at, row[i].value);
        store32(buf + 24, 0u - load32(buf + 16) - load32(buf + 20));
        struct boot_request r = request(write_file("kernel", buf, n));
        expect_error(&r, row[i].text);
    }
    make_multiboot(buf);
    struct boot_request r = request(write_file("kernel", buf, 40));
    expect_error(&r, "truncated");
    r = request(write_file("kernel", buf, 20));
    r.mode = BOOT_MULTIBOOT;
    expect_error(&r, "no multiboot header");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files),
        cmocka_unit_test(initrd_limits),
        cmocka_unit_test(elf_pvh),
        cmocka_unit_test(elf_linux),
        cmocka_unit_test(elf_entry_is_virtual),
        cmocka_unit_test(elf_damaged),
        cmocka_unit_test(bzimage_protocol),
        cmocka_unit_test(bzimage_damaged),
        cmocka_unit_test(payload_formats),
        cmocka_unit_test(payload_damaged),
        cmocka_unit_test(multiboot_kernel),
        cmocka_unit_test(multiboot_damaged),
    };
    if (!mkdtemp(folder))
        return 1;
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) || bad;
}
