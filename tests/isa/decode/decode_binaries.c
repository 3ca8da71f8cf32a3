/* SPDX-License-Identifier: BSD-2-Clause */
/* Every instruction of the named files, swept linearly, through both decoders:
 * decode_binaries FILE... ; files that are not there are skipped. */
#include "code_file.h"
#include "compare_zydis.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned long sweep(const struct code_file *f)
{
    unsigned long count = 0;
    for (unsigned s = 0; s < f->sections; s++) {
        const u8 *p = f->section[s].code, *end = p + f->section[s].size;
        while (p < end) {
            u8 code[16] = {0};
            size_t n = (size_t)(end - p) < 15 ? (size_t)(end - p) : 15;
            memcpy(code, p, n);
            unsigned len = compare_one(code, (unsigned)n, f->mode, X86_VENDOR_INTEL);
            p += len ? len : 1;
            count++;
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    unsigned done = 0;
    for (int i = 1; i < argc; i++) {
        struct code_file f;
        if (access(argv[i], R_OK)) {
            printf("%s: not there\n", argv[i]);
            continue;
        }
        if (code_file_open(&f, argv[i]))
            return 1;
        printf("%s: %u-bit, %u sections", argv[i], f.mode * 8u, f.sections);
        printf(", %lu instructions\n", sweep(&f));
        code_file_close(&f);
        done++;
    }
    if (!done) {
        printf("skipped: none of the files is there (tools fetch kernels into cache/)\n");
        return 77;
    }
    return compare_report("real binaries") != 0;
}
