/* SPDX-License-Identifier: BSD-2-Clause */
/* The bzImage reader and the Linux loader behind it. The magic numbers are put right, so that every
 * input gets past the first check. */
#include "fuzz_boot.h"
#include "machine/boot/bzimage.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 0x290)
        return 0;
    u8 *file = malloc(size);
    if (!file)
        return 0;
    memcpy(file, data, size);
    store16(file + HDR_BOOT_FLAG, 0xaa55);
    store32(file + HDR_MAGIC, HDR_MAGIC_VALUE);
    store16(file + HDR_VERSION, (u16)(0x202 + file[0] % 16));
    file[HDR_LOADFLAGS] |= LOADFLAGS_LOADED_HIGH;
    boot_one(file, size, (enum boot_mode)(data[1] % 4));
    free(file);
    return 0;
}
