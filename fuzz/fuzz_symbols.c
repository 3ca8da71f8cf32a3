/* SPDX-License-Identifier: BSD-2-Clause */
/* The readers of symbols. Half of the inputs become ELF files with a header that is right and a
 * first section that is a symbol table, so that they get past the first checks. */
#include "base/bits.h"
#include "machine/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void make_elf(u8 *file)
{
    enum { SHT_SYMTAB = 2, SHT_STRTAB = 3 };
    bool is_64 = file[4] & 1;
    unsigned section = is_64 ? 64 : 40;
    store32(file, 0x464c457f);
    file[4] = is_64 ? 2 : 1;
    file[5] = 1;
    store16(file + (is_64 ? 58 : 46), (u16)section);
    store16(file + (is_64 ? 60 : 48), 3);
    if (is_64)
        store64(file + 40, 64);
    else
        store32(file + 32, 64);
    store32(file + 64 + 4, SHT_SYMTAB);
    store32(file + 64 + (is_64 ? 40 : 24), 1); /* its names are in the next one */
    store32(file + 64 + section + 4, SHT_STRTAB);
    for (unsigned k = 0; k < 2; k++) { /* in the file, more often than not */
        u8 *at = file + 64 + k * section + (is_64 ? 24 : 16);
        for (unsigned n = 1; n < (is_64 ? 8u : 4u); n++)
            at[n] = at[(is_64 ? 8 : 4) + n] = 0;
    }
}

static void check(const struct guest_symbols *t)
{
    for (u32 k = 0; k < t->count; k++) {
        if (k && t->start[k - 1] >= t->start[k])
            abort();
        for (const char *c = t->name[k]; c && *c; c++)
            if (*c <= ' ' || *c == 0x7f)
                abort();
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 256)
        return 0;
    u8 *file = malloc(size);
    int fd = memfd_create("symbols", MFD_CLOEXEC);
    if (!file || fd < 0)
        abort();
    memcpy(file, data, size);
    if (data[0] & 1)
        make_elf(file);
    if (write(fd, file, size) != (ssize_t)size)
        abort();
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct symbols *s = NULL;
    struct err e = {0};
    if (!symbols_load(&s, path, &e))
        check(symbols_table(s));
    else if (!e.text[0])
        abort(); /* a failure without a message */
    symbols_free(s);
    close(fd);
    free(file);
    return 0;
}
