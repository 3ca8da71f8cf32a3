/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder and the text of what it decoded, on every suffix of the input, in all modes. Where
 * the result contradicts itself, the program stops. */
#include "isa/x86/insn.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct x86_insn *insn, int r, const uint8_t *code, unsigned n,
                  struct x86_decode_config cfg)
{
    struct x86_insn again;
    char text[160];
    if (r != X86_DECODE_OK) {
        if (r == X86_DECODE_MORE && n >= X86_MAX_INSN)
            __builtin_trap();
        return;
    }
    if (insn->len == 0 || insn->len > n || insn->form == 0 || insn->form >= X86_FORM_COUNT ||
        insn->op == 0 || insn->op >= X86_OP_COUNT)
        __builtin_trap();
    /* Its own bytes alone give the same, one byte less gives MORE. */
    if (x86_decode(&again, code, insn->len, cfg) != X86_DECODE_OK || again.len != insn->len ||
        again.form != insn->form)
        __builtin_trap();
    if (x86_decode(&again, code, insn->len - 1u, cfg) != X86_DECODE_MORE)
        __builtin_trap();
    if (x86_describe(text, sizeof text, insn, 0) >= sizeof text)
        __builtin_trap();
    for (unsigned i = 0; i < X86_OPND_MAX; i++)
        if (x86_opnd_bytes(insn, i) > 512)
            __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t modes[] = {X86_MODE16, X86_MODE32, X86_MODE64};
    for (size_t off = 0; off < size; off++) {
        unsigned n = size - off < X86_MAX_INSN ? (unsigned)(size - off) : X86_MAX_INSN;
        for (unsigned m = 0; m < 6; m++) {
            struct x86_decode_config cfg = {modes[m / 2], (uint8_t)(m % 2)};
            struct x86_insn insn;
            check(&insn, x86_decode(&insn, data + off, n, cfg), data + off, n, cfg);
        }
    }
    return 0;
}
