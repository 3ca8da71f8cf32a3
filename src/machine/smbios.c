/* SPDX-License-Identifier: BSD-2-Clause */
/* SMBIOS 3.4 with a 64-bit entry point: BIOS, system, chassis, one structure a processor, and the
 * memory. A structure is its fixed fields, then its texts, each ended by a zero, and one more zero;
 * fields name texts by number. */
#include "machine/smbios.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>

enum {
    ENTRY_SIZE = 24,
    TYPE_BIOS = 0,
    TYPE_SYSTEM = 1,
    TYPE_CHASSIS = 3,
    TYPE_PROCESSOR = 4,
    TYPE_MEMORY_ARRAY = 16,
    TYPE_MEMORY_DEVICE = 17,
    TYPE_MEMORY_MAPPED = 19,
    TYPE_BOOT = 32,
    TYPE_END = 127,
    HANDLE_CHASSIS = 0x300,
    HANDLE_PROCESSOR = 0x400,
    HANDLE_ARRAY = 0x1000,
    HANDLE_DEVICE = 0x1100,
    HANDLE_MAPPED = 0x1300,
    NO_HANDLE = 0xffff,
};

struct writer {
    u8 *data;
    u32 size, room;
    bool overflow;
};

static u8 *take(struct writer *w, u32 n)
{
    if (n > w->room - w->size) {
        w->overflow = true;
        return NULL;
    }
    w->size += n;
    return w->data + w->size - n;
}

/* Appends a structure; fixed holds its fields from offset 4 on, texts are separated by newlines.
 * Two zeros end it, also when it has no texts. */
static void add(struct writer *w, u8 type, u16 handle, const u8 *fixed, u8 length,
                const char *texts)
{
    u32 n = (u32)str_length(texts);
    u8 *p = take(w, length + n + 2);
    if (!p)
        return;
    p[0] = type;
    p[1] = length;
    store16(p + 2, handle);
    mem_copy(p + 4, fixed + 4, length - 4u);
    for (u32 i = 0; i < n; i++)
        p[length + i] = texts[i] == '\n' ? 0 : (u8)texts[i];
}

static void add_identity(struct writer *w)
{
    u8 bios[26] = {[4] = 1,
                   [5] = 2,
                   [8] = 3,
                   [10] = 1 << 3 /* no characteristics are given */,
                   [19] = 1 << 4 /* but this: a virtual machine */,
                   [22] = 0xff,
                   [23] = 0xff};
    add(w, TYPE_BIOS, 0, bios, sizeof bios, "doppel\n" DOPPEL_VERSION "\n01/01/2026");
    u8 system[27] = {[4] = 1, [5] = 2, [6] = 3, [24] = 6 /* power switch */};
    add(w, TYPE_SYSTEM, 0x100, system, sizeof system, "doppel\nVirtual Machine\n" DOPPEL_VERSION);
    u8 chassis[22] = {[4] = 1, [5] = 1 /* other */, [9] = 3, [10] = 3, [11] = 3, [12] = 2};
    add(w, TYPE_CHASSIS, HANDLE_CHASSIS, chassis, sizeof chassis, "doppel");
}

static void add_processors(struct writer *w, const struct smbios_config *c)
{
    for (unsigned i = 0; i < c->cpus; i++) {
        char text[32];
        str_format(text, sizeof text, "CPU %u\ndoppel", i);
        u8 p[48] = {[4] = 1,
                    [5] = 3 /* central */,
                    [6] = 2 /* see family 2 */,
                    [7] = 2,
                    [24] = 0x41 /* present, enabled */,
                    [25] = 1,
                    [35] = 1,
                    [36] = 1,
                    [37] = 1,
                    [38] = 1 << 2 /* 64-bit */};
        store16(p + 26, NO_HANDLE); /* caches */
        store16(p + 28, NO_HANDLE);
        store16(p + 30, NO_HANDLE);
        add(w, TYPE_PROCESSOR, (u16)(HANDLE_PROCESSOR + i), p, sizeof p, text);
    }
}

static void add_mapping(struct writer *w, u16 handle, u64 start, u64 size)
{
    u8 m[31] = {[14] = 1};
    store32(m + 4, ~(u32)0); /* extended addresses count */
    store32(m + 8, ~(u32)0);
    store16(m + 12, HANDLE_ARRAY);
    store64(m + 15, start);
    store64(m + 23, start + size - 1);
    add(w, TYPE_MEMORY_MAPPED, handle, m, sizeof m, "");
}

static void add_memory(struct writer *w, const struct smbios_config *c)
{
    u8 array[23] = {[4] = 1, [5] = 3 /* system memory */, [6] = 6 /* multi-bit ECC */};
    store32(array + 7, 0x80000000); /* extended maximum counts */
    store16(array + 11, NO_HANDLE);
    store16(array + 13, 1);
    store64(array + 15, c->memory);
    add(w, TYPE_MEMORY_ARRAY, HANDLE_ARRAY, array, sizeof array, "");
    u8 device[40] = {[14] = 9 /* DIMM */, [16] = 1, [17] = 0, [18] = 7 /* RAM */, [19] = 2};
    store16(device + 4, HANDLE_ARRAY);
    store16(device + 6, NO_HANDLE);
    store16(device + 8, 0xffff); /* widths unknown */
    store16(device + 10, 0xffff);
    store16(device + 12, 0x7fff); /* extended size counts */
    store32(device + 28, (u32)(c->memory / MiB));
    add(w, TYPE_MEMORY_DEVICE, HANDLE_DEVICE, device, sizeof device, "DIMM 0");
    add_mapping(w, HANDLE_MAPPED, 0, c->low_memory);
    if (c->memory > c->low_memory)
        add_mapping(w, HANDLE_MAPPED + 1, 4 * GiB, c->memory - c->low_memory);
}

static void add_end(struct writer *w)
{
    static const u8 boot[11];
    add(w, TYPE_BOOT, 0x2000, boot, sizeof boot, "");
    static const u8 end[4];
    add(w, TYPE_END, 0x7f00, end, sizeof end, "");
}

int smbios_build(u8 *out, u32 size, u64 addr, const struct smbios_config *c, struct err *e)
{
    struct writer w = {.data = out, .room = size};
    u8 *entry = take(&w, align_up(ENTRY_SIZE, 16));
    u32 start = w.size;
    add_identity(&w);
    add_processors(&w, c);
    add_memory(&w, c);
    add_end(&w);
    if (w.overflow)
        return err_set(e, -ENOSPC, "building the SMBIOS tables: they do not fit %u KiB",
                       size / 1024);
    mem_copy(entry, "_SM3_", 5);
    entry[6] = ENTRY_SIZE;
    entry[7] = 3; /* version 3.4 */
    entry[8] = 4;
    entry[10] = 1; /* entry point revision */
    store32(entry + 12, w.size - start);
    store64(entry + 16, addr + start);
    for (u32 i = 0; i < ENTRY_SIZE; i++)
        entry[5] = (u8)(entry[5] - (i == 5 ? 0 : entry[i]));
    return 0;
}
