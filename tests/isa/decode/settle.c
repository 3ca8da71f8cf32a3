/* SPDX-License-Identifier: BSD-2-Clause */
/* Settles a disagreement by hand: settle MODE HEX... runs each encoding on this host's processor
 * and prints what came of it beside what our decoder says. MODE is 16, 32 or 64. */
#include "native.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned parse(u8 code[16], const char *hex)
{
    unsigned n = 0;
    for (unsigned v; n < 15 && sscanf(hex + 2 * n, "%2x", &v) == 1; n++)
        code[n] = (u8)v;
    return n;
}

int main(int argc, char **argv)
{
    enum x86_mode mode = argc > 1 ? (enum x86_mode)(atoi(argv[1]) / 8) : 0;
    if (mode != X86_MODE16 && mode != X86_MODE32 && mode != X86_MODE64) {
        fprintf(stderr, "usage: settle 16|32|64 HEX...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        u8 code[16] = {0};
        unsigned n = parse(code, argv[i]);
        struct native r;
        struct x86_insn insn;
        char text[96] = "";
        int ours = x86_decode(&insn, code, n, (struct x86_decode_config){(u8)mode, X86_VENDOR_AMD});
        if (ours == X86_DECODE_OK)
            x86_describe(text, sizeof text, &insn, 0);
        if (native_run(&r, code, n, mode)) {
            printf("%s: cannot run\n", argv[i]);
            continue;
        }
        printf("%-32s native: %s length %u signal %d trap %d error %lx address end%+ld rip+%ld | "
               "ours: %d length %u %s\n",
               argv[i], r.undefined ? "#UD" : "runs", r.len, r.signal, r.trap, r.error,
               (long)r.address, (long)r.rip, ours, insn.len, text);
    }
    return 0;
}
