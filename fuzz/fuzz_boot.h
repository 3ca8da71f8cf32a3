/* SPDX-License-Identifier: BSD-2-Clause */
/* Boots a machine of 64 MiB, as far as a plan, from bytes in memory. */
#ifndef FUZZ_BOOT_H
#define FUZZ_BOOT_H

#include "base/bits.h"
#include "machine/boot/boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static inline void boot_one(const u8 *file, size_t size, enum boot_mode mode)
{
    int fd = memfd_create("kernel", MFD_CLOEXEC);
    if (fd < 0 || write(fd, file, size) != (ssize_t)size)
        abort();
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct boot_request r = {
        .kernel = path,
        .initrd = path,
        .cmdline = "quiet",
        .mode = mode,
        .rsdp = 0xe0000,
        .e820 = {{0, 0x9fc00, E820_RAM}, {MiB, 63 * MiB, E820_RAM}},
        .e820_count = 2,
    };
    struct boot_plan *p = NULL;
    struct err e = {0};
    if (!boot_prepare(&p, &r, &e))
        boot_plan_destroy(p);
    else if (!e.text[0])
        abort(); /* a failure without a message */
    close(fd);
}

#endif
