/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of the two formats share. */
#ifndef MACHINE_SYMBOLS_PRIV_H
#define MACHINE_SYMBOLS_PRIV_H

#include "machine/boot/image.h"
#include "machine/symbols.h"

enum { SYMBOL_NAME_MAX = 512 };

/* One that begins at addr; name NULL: no code begins there. Names may be the file's bytes. */
int symbols_add(struct symbols *s, u64 addr, const u8 *name, size_t length,
                struct err *e) must_check;
/* How many of the bytes, SYMBOL_NAME_MAX at most, are a name's. */
size_t symbols_name_length(const u8 *p, u64 left);

/* symbols_elf.c */
int symbols_read_elf(struct symbols *s, const struct image *im, struct err *e) must_check;

#endif
