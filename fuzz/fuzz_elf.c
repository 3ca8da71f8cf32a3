/* SPDX-License-Identifier: BSD-2-Clause */
/* The ELF reader and the PVH and Linux loaders behind it. The identification is put right, so that
 * every input gets past the first check. */
#include "fuzz_boot.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 0x290)
        return 0;
    u8 *file = malloc(size);
    if (!file)
        return 0;
    memcpy(file, data, size);
    store32(file, 0x464c457f);
    file[4] = 1 + (file[4] & 1);
    file[5] = 1;
    store16(file + 16, 2);
    store16(file + 18, 62);
    store16(file + (file[4] == 2 ? 54 : 42), file[4] == 2 ? 56 : 32);
    boot_one(file, size, (enum boot_mode)(data[1] % 4));
    free(file);
    return 0;
}
