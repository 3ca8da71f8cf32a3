/* SPDX-License-Identifier: BSD-2-Clause */
/* Random byte strings through both decoders: decode_zydis COUNT [SEED]. */
#include "compare_zydis.h"
#include "random_code.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 300000;
    u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    static const enum x86_mode modes[] = {X86_MODE64, X86_MODE32, X86_MODE64, X86_MODE16};
    printf("seed %llu, %lu byte strings\n", (unsigned long long)seed, count);
    random_code_seed(seed);
    for (unsigned long i = 0; i < count; i++) {
        u8 code[16];
        random_code(code);
        compare_one(code, 15, modes[i & 3], i >> 2 & 1 ? X86_VENDOR_AMD : X86_VENDOR_INTEL);
    }
    return compare_report("random byte strings") != 0;
}
