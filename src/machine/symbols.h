/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of a kernel's code: from its System.map, or from the symbol table of its vmlinux. */
#ifndef MACHINE_SYMBOLS_H
#define MACHINE_SYMBOLS_H

#include "base/err.h"
#include "vm/profile.h"

struct symbols;

/* The file is hostile: everything it states is checked, and names have printable characters only.
 */
int symbols_load(struct symbols **out, const char *path, struct err *e) must_check;
/* NULL is allowed. */
void symbols_free(struct symbols *s);
/* Lives as long as s. */
const struct guest_symbols *symbols_table(const struct symbols *s);

#endif
