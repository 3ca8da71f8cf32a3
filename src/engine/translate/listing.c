/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest code and host code for people, line by line. */
#include "engine/translate/translate_priv.h"

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

static void say(const struct vm_trace *to, u64 at, const u8 *p, unsigned n, const char *text)
{
    char hex[HEX], line[HEX + TEXT + 32];
    to_hex(hex, p, n);
    str_format(line, sizeof line, "  %12llx  %-36s %s", (unsigned long long)at, hex, text);
    to->line(to->ctx, line);
}

void listing_guest(const struct translator *t, const struct block *b, u64 rip,
                   const struct vm_trace *to)
{
    struct x86_decode_config cfg = {.mode = t->soft.cpu.mode, .vendor = t->soft.cpu.vendor};
    const u8 *p = guest_memory_ptr(t->soft.svm->vm->memory, gpa(b->pa), b->bytes);
    char head[TEXT];
    str_format(head, sizeof head, "guest code at %#llx, physical %#llx:", (unsigned long long)rip,
               (unsigned long long)b->pa);
    to->line(to->ctx, head);
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
        say(to, rip + off, bytes + off, n, text);
        off += n;
    }
}

static void list_host(const struct translator *t, const struct translation *tr, const u8 *p,
                      const u8 *end, const struct vm_trace *to)
{
    static const struct x86_decode_config cfg = {X86_MODE64, X86_VENDOR_INTEL};
    for (unsigned lines = 0; p < end && lines < HOST_LINES_MAX; lines++) {
        struct x86_insn i;
        char text[TEXT] = "(not decodable)";
        unsigned n = (unsigned)MIN((u64)X86_MAX_INSN, (u64)(end - p));
        if (x86_decode(&i, p, n, cfg) == X86_DECODE_OK) {
            x86_describe(text, sizeof text, &i, (u64)(p - t->code.rx));
            n = i.len;
        } else {
            n = 1;
        }
        if (p == tr->entry)
            to->line(to->ctx, "  entry:");
        say(to, (u64)(p - t->code.rx), p, n, text);
        p += n;
    }
}

void listing_host(const struct translator *t, const struct translation *tr,
                  const struct vm_trace *to)
{
    to->line(to->ctx, "host code:");
    list_host(t, tr, tr->start, tr->end, to);
    to->line(to->ctx, "what seldom runs:");
    list_host(t, tr, tr->rest, tr->rest_end, to);
}

void listing_trace(const struct translator *t, const struct block *b, const struct translation *tr)
{
    const struct vm_trace *to = &t->soft.svm->vm->config.trace;
    u64 rip = t->soft.cpu.s.rip;
    if (rip < to->low || rip > to->high)
        return;
    listing_guest(t, b, rip, to);
    listing_host(t, tr, to);
}
