/* SPDX-License-Identifier: BSD-2-Clause */
/* A boot plan under construction: pieces of guest memory and the entry state. Shared inside this
 * folder. */
#ifndef MACHINE_BOOT_PLAN_H
#define MACHINE_BOOT_PLAN_H

#include "isa/x86/state.h"
#include "machine/boot/boot.h"
#include "machine/boot/image.h"

/* Where the loaders keep their own structures: RAM below 640 KiB that no kernel is loaded to. */
enum boot_address {
    BOOT_GDT = 0x5000,
    BOOT_INFO = 0x6000,        /* PVH start info or multiboot information, with their lists */
    BOOT_PARAMS = 0x7000,      /* Linux "zero page" */
    BOOT_SETUP_DATA = 0x8000,  /* Linux setup_data list */
    BOOT_PAGE_TABLES = 0x9000, /* PML4, PDPT and four page directories */
    BOOT_STACK = 0x10000,      /* grows down from here */
    BOOT_CMDLINE = 0x20000,
    BOOT_CMDLINE_MAX = 0x10000,
    BOOT_LOW_END = 0x9fc00, /* where conventional memory ends */
};

/* Selectors in the boot GDT. */
enum { BOOT_CS = 0x10, BOOT_DS = 0x18, BOOT_GDT_LIMIT = 0x1f };

enum { BOOT_SEGMENTS_MAX = 256, BOOT_BUFFERS_MAX = 16 };

/* mem_size - size bytes after the data are zero. */
struct boot_segment {
    u64 addr;
    const u8 *data;
    u64 size, mem_size;
    const char *what; /* for messages: "initrd" */
};

enum boot_entry {
    BOOT_ENTRY_FLAT32, /* protected mode, flat segments, paging off */
    BOOT_ENTRY_LONG,   /* 64-bit mode, the first 4 GiB mapped one to one */
};

struct boot_plan {
    struct boot_segment segment[BOOT_SEGMENTS_MAX];
    unsigned segment_count;
    void *buffer[BOOT_BUFFERS_MAX]; /* freed with the plan */
    unsigned buffer_count;
    struct e820_entry e820[BOOT_E820_MAX];
    unsigned e820_count;
    /* The files, and a kernel that was unpacked on the host from its payload. After they were
     * written to guest memory their pages go back to the host; for the next start they are made
     * anew, in the same place. */
    struct image file[BOOT_MODULES_MAX + 2];
    unsigned file_count;
    struct {
        u8 *data; /* NULL: there is none */
        const u8 *payload;
        u64 size, payload_size;
    } unpacked;
    bool discarded;
    enum boot_entry entry;
    u64 rip, rax, rbx, rsi;
    u64 seed; /* where fresh random bytes go at every start; 0: nowhere */
    u32 seed_size;
    char text[128];
};

/* Makes the plan own p (from mem_alloc); on failure p is freed. */
int plan_own(struct boot_plan *p, void *buffer, struct err *e) must_check;
/* A zeroed buffer owned by the plan; NULL when the host has no memory (e is set). */
void *plan_buffer(struct boot_plan *p, u64 size, struct err *e);
/* Adds a segment: it must lie in RAM of the memory map and touch no other segment. */
int plan_add(struct boot_plan *p, const char *file, const char *what, u64 addr, const u8 *data,
             u64 size, u64 mem_size, struct err *e) must_check;
/* Is [addr, addr+size) one piece of RAM of the memory map? */
bool plan_is_ram(const struct boot_plan *p, u64 addr, u64 size);
/* The highest (or, with low, lowest) page-aligned place for size bytes of RAM inside [from, to)
 * that touches no segment; 0: there is none. */
u64 plan_find(const struct boot_plan *p, u64 size, u64 from, u64 to, bool low);
/* The end of the highest segment below 4 GiB. */
u64 plan_top(const struct boot_plan *p);
/* The GDT and, for BOOT_ENTRY_LONG, the page tables. After p->entry is set. */
int plan_add_tables(struct boot_plan *p, struct err *e) must_check;
/* Texts one after another at BOOT_CMDLINE, their addresses in addr[]; the first, the kernel's
 * command line, has at most max bytes before its terminator. NULL is an empty text. */
int plan_add_texts(struct boot_plan *p, const char *file, const char *const *text, unsigned count,
                   u64 max, u64 *addr, struct err *e) must_check;
/* A file in free RAM inside [from, to); see plan_find. */
int plan_add_module(struct boot_plan *p, const struct image *im, const char *what, u64 from, u64 to,
                    bool low, u64 *addr, struct err *e) must_check;
u64 plan_ram_size(const struct boot_plan *p);

/* What the protocols get: the request with its files read. An initrd is module 0. */
struct boot_input {
    const struct boot_request *request;
    struct image kernel; /* an ELF file that was unpacked from it replaces a bzImage */
    struct image module[BOOT_MODULES_MAX + 1];
    const char *module_text[BOOT_MODULES_MAX + 1];
    unsigned module_count;
    bool has_initrd;
};

/* Where the command line and the modules of a request have been put. */
struct boot_loaded {
    u64 cmdline;
    struct {
        u64 addr, size, text;
    } module[BOOT_MODULES_MAX + 1];
};
/* The command line and the modules with their texts; the modules from `from` up to 4 GiB, at the
 * low or the high end of what is free. */
int plan_add_request(struct boot_plan *p, const struct boot_input *in, u64 from, bool low,
                     struct boot_loaded *out, struct err *e) must_check;

struct elf_file;
struct bzimage;
/* Linux: the bzImage itself by its 64-bit or 32-bit entry, or a vmlinux entered directly, where
 * header holds the file with the setup header of the bzImage it came from (NULL: a bare vmlinux).
 */
int linux_add_bzimage(struct boot_plan *p, const struct boot_input *in, const struct bzimage *b,
                      struct err *e) must_check;
int linux_add_vmlinux(struct boot_plan *p, const struct boot_input *in, const struct elf_file *elf,
                      const struct image *header, const struct bzimage *b,
                      struct err *e) must_check;
int pvh_add(struct boot_plan *p, const struct boot_input *in, const struct elf_file *elf,
            struct err *e) must_check;
bool multiboot_probe(const struct image *im);
int multiboot_add(struct boot_plan *p, const struct boot_input *in, struct err *e) must_check;

#endif
