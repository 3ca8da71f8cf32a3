/* SPDX-License-Identifier: BSD-2-Clause */
/* Every instruction of the named files, swept linearly, through both decoders:
 * decode_binaries FILE... ; files that are not there are skipped. DOPPEL_TEST_KERNEL names one
 * more. */
#include "code_file.h"
#include "compare_zydis.h"
#include <stdio.h>
#include <stdlib.h>
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

/* 1 when it was swept, 0 when it is not there, -1 when it is no program. */
static int sweep_file(const char *path)
{
    struct code_file f;
    if (access(path, R_OK)) {
        printf("%s: not there\n", path);
        return 0;
    }
    if (code_file_open(&f, path))
        return -1;
    printf("%s: %u-bit, %u sections", path, f.mode * 8u, f.sections);
    printf(", %lu instructions\n", sweep(&f));
    code_file_close(&f);
    return 1;
}

int main(int argc, char **argv)
{
    const char *kernel = getenv("DOPPEL_TEST_KERNEL");
    int done = kernel ? sweep_file(kernel) : 0, bad = done < 0;
    for (int i = 1; i < argc; i++) {
        int r = sweep_file(argv[i]);
        bad |= r < 0;
        done |= r > 0;
    }
    if (bad)
        return 1;
    if (!done) {
        printf("skipped: none of the files is there (tools/fetch-kernel fills cache/)\n");
        return 77;
    }
    return compare_report("real binaries") != 0;
}
