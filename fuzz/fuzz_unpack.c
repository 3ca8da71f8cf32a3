/* SPDX-License-Identifier: BSD-2-Clause */
/* The decompressors of kernel payloads: the first byte chooses the magic number, so that inputs
 * reach the libraries. */
#include "base/types.h"
#include "machine/boot/unpack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const u8 magic[4][6] = {{0xfd, '7', 'z', 'X', 'Z', 0},
                                   {0x28, 0xb5, 0x2f, 0xfd},
                                   {0x1f, 0x8b, 8},
                                   {2, 0x21, 0x4c, 0x18}};
    static const u8 length[4] = {6, 4, 3, 4};
    if (size < 8)
        return 0;
    u8 *in = malloc(size);
    u64 room = data[1] * 64u + 1;
    u8 *out = malloc(room);
    if (in && out) {
        memcpy(in, data, size);
        memcpy(in, magic[data[0] % 4], length[data[0] % 4]);
        struct err e = {0};
        if (unpack("input", in, size, out, room, NULL, &e) && !e.text[0])
            abort();
    }
    free(in);
    free(out);
    return 0;
}
