/* SPDX-License-Identifier: BSD-2-Clause */
/* The multiboot reader. Magic and checksum are put right in one place, so that every input gets
 * past the first check. */
#include "fuzz_boot.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 0x290)
        return 0;
    u8 *file = malloc(size);
    if (!file)
        return 0;
    memcpy(file, data, size);
    u32 flags = load32(file + 4) & (1u << 16 | 7);
    store32(file, 0x1badb002);
    store32(file + 4, flags);
    store32(file + 8, 0u - 0x1badb002u - flags);
    boot_one(file, size, (enum boot_mode)(data[1] % 4));
    free(file);
    return 0;
}
