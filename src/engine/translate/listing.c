/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest code and host code for people, line by line to the log. */
#include "engine/translate/translate_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum { HEX = 3 * X86_MAX_INSN + 1, TEXT = 96, HOST_LINES_MAX = 1000 };

static void to_hex(char *hex, const u8 *p, unsigned n)
{
    size_t at = 0;
    hex[0] = '\0';
    for (unsigned k = 0; k < n; k++)
        at += str_format(hex + at, HEX - at, "%02x ", p[k]);
}

static void say(enum log_level level, u64 at, const u8 *p, unsigned n, const char *text)
{
    char hex[HEX];
    to_hex(hex, p, n);
    log_at(level, "lockstep", "  %12llx  %-36s %s", (unsigned long long)at, hex, text);
}

void listing_guest(const struct translator *t, const struct block *b, u64 rip, enum log_level level)
{
    struct x86_decode_config cfg = {.mode = t->soft.cpu.mode, .vendor = t->soft.cpu.vendor};
    const u8 *p = guest_memory_ptr(t->soft.svm->vm->memory, gpa(b->pa), b->bytes);
    log_at(level, "lockstep", "guest code at %#llx, physical %#llx:", (unsigned long long)rip,
           (unsigned long long)b->pa);
    if (!p)
        return;
    u8 bytes[X86_MAX_INSN * BLOCK_INSNS_MAX];
    unsigned size = MIN((unsigned)b->bytes, (unsigned)sizeof bytes);
    mem_copy(bytes, p, size);
    for (unsigned off = 0; off < size;) {
        struct x86_insn i;
        char text[TEXT] = "(not decodable)";
        unsigned n = MIN((unsigned)X86_MAX_INSN, size - off);
        if (x86_decode(&i, bytes + off, n, cfg) == X86_DECODE_OK) {
            x86_describe(text, sizeof text, &i, rip + off);
            n = i.len;
        }
        say(level, rip + off, bytes + off, n, text);
        off += n;
    }
}

void listing_host(const struct translator *t, const struct translation *tr, enum log_level level)
{
    static const struct x86_decode_config cfg = {X86_MODE64, X86_VENDOR_INTEL};
    log_at(level, "lockstep", "host code:");
    const u8 *p = tr->entry_indirect;
    for (unsigned lines = 0; p < tr->end && lines < HOST_LINES_MAX; lines++) {
        struct x86_insn i;
        char text[TEXT] = "(not decodable)";
        unsigned n = (unsigned)MIN((u64)X86_MAX_INSN, (u64)(tr->end - p));
        if (x86_decode(&i, p, n, cfg) == X86_DECODE_OK) {
            x86_describe(text, sizeof text, &i, (u64)(p - t->code.rx));
            n = i.len;
        } else {
            n = 1;
        }
        if (p == tr->entry)
            log_at(level, "lockstep", "  entry:");
        say(level, (u64)(p - t->code.rx), p, n, text);
        p += n;
    }
}
