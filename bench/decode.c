/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions per second of our decoder and of Zydis over a program's code, swept linearly:
 * bench_decode [FILE]. Processor time, best of several rounds that take turns. */
#include "../tests/isa/decode/code_file.h"
#include <Zydis/Zydis.h>
#include <stdio.h>
#include <time.h>

enum { ROUNDS = 7 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static unsigned long ours(const struct code_file *f)
{
    struct x86_decode_config cfg = {(u8)f->mode, X86_VENDOR_INTEL};
    unsigned long count = 0;
    struct x86_insn insn;
    for (unsigned s = 0; s < f->sections; s++) {
        const u8 *p = f->section[s].code, *end = p + f->section[s].size;
        for (; end - p >= X86_MAX_INSN; count++)
            p += x86_decode(&insn, p, X86_MAX_INSN, cfg) == X86_DECODE_OK ? insn.len : 1;
    }
    return count;
}

/* full: with all operands, which is what our decoder gives. */
static unsigned long theirs(const struct code_file *f, bool full)
{
    ZydisDecoder d;
    ZydisDecoderContext context;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    unsigned long count = 0;
    bool m64 = f->mode == X86_MODE64;
    ZydisDecoderInit(&d, m64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
                     m64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    for (unsigned s = 0; s < f->sections; s++) {
        const u8 *p = f->section[s].code, *end = p + f->section[s].size;
        for (; end - p >= X86_MAX_INSN; count++) {
            ZyanStatus r =
                full ? ZydisDecoderDecodeFull(&d, p, X86_MAX_INSN, &insn, operands)
                     : ZydisDecoderDecodeInstruction(&d, &context, p, X86_MAX_INSN, &insn);
            p += ZYAN_SUCCESS(r) ? insn.length : 1;
        }
    }
    return count;
}

static void keep_best(double *best, double start, unsigned long count)
{
    double rate = (double)count / (now() - start) / 1e6;
    if (rate > *best)
        *best = rate;
}

int main(int argc, char **argv)
{
    struct code_file f;
    const char *path = argc > 1 ? argv[1] : "/lib/x86_64-linux-gnu/libc.so.6";
    double best[3] = {0};
    unsigned long count = 0;
    if (code_file_open(&f, path))
        return 77;
    for (int i = 0; i < ROUNDS; i++) {
        double t = now();
        count = ours(&f);
        keep_best(&best[0], t, count);
        t = now();
        keep_best(&best[1], t, theirs(&f, true));
        t = now();
        keep_best(&best[2], t, theirs(&f, false));
    }
    printf("%s: %lu instructions\n", path, count);
    printf("doppel %.1f M/s, Zydis with operands %.1f M/s, without %.1f M/s\n", best[0], best[1],
           best[2]);
    code_file_close(&f);
    return 0;
}
