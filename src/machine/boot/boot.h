/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot protocols: what must be in guest memory and in the first processor's registers so that a
 * kernel starts. */
#ifndef MACHINE_BOOT_BOOT_H
#define MACHINE_BOOT_BOOT_H

#include "base/err.h"
#include "base/types.h"

struct guest_memory;
struct x86_state;

enum boot_mode {
    BOOT_AUTO,  /* the quickest way: a bzImage is unpacked by the monitor and entered directly */
    BOOT_PVH,   /* the entry that an ELF note names */
    BOOT_LINUX, /* the Linux/x86 boot protocol: a bzImage unpacks itself */
    BOOT_MULTIBOOT,
};

/* A range of the memory map as firmware reports it [ACPI6.4 15]. */
enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4 };
struct e820_entry {
    u64 start, size;
    u32 type;
};
enum { BOOT_E820_MAX = 32, BOOT_MODULES_MAX = 32 };

struct boot_module {
    const char *path;
    const char *text; /* its command line, or NULL */
};

struct boot_request {
    const char *kernel;
    const char *initrd;  /* or NULL */
    const char *cmdline; /* or NULL */
    enum boot_mode mode;
    const struct boot_module *modules; /* multiboot kernels; an initrd comes before them */
    unsigned module_count;
    /* What the machine tells the kernel. */
    struct e820_entry e820[BOOT_E820_MAX];
    unsigned e820_count;
    u64 rsdp; /* guest physical address of the ACPI root pointer, 0: none */
    /* Told about work that takes a while; NULL: nobody. 1000 ends it. */
    void (*progress)(void *ctx, const char *what, unsigned permille);
    void *progress_ctx;
};

struct boot_plan;
/* Reads and checks everything. The plan keeps what it needs of the files, not the request. */
int boot_prepare(struct boot_plan **out, const struct boot_request *r, struct err *e) must_check;
void boot_plan_destroy(struct boot_plan *p);
/* Writes the plan into guest memory and the entry registers into s, which holds the processor's
 * reset state. fresh: guest memory is known to be zero. */
int boot_apply(struct boot_plan *p, struct guest_memory *m, struct x86_state *s, bool fresh,
               struct err *e) must_check;
/* One line for people: "Linux, 64-bit entry, unpacked on the host (xz, 57 MiB)". */
const char *boot_describe(const struct boot_plan *p);

#endif
