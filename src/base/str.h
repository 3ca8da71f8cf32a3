/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatting into bounded buffers for code that may not include <stdio.h>. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/types.h"
#include <stdarg.h>

/* As snprintf, but returns the number of bytes stored (without the terminator). */
size_t str_format(char *dst, size_t size, const char *fmt, ...) printf_like(3, 4);
size_t str_vformat(char *dst, size_t size, const char *fmt, va_list ap) printf_like(3, 0);
/* Heap copy of a string, or of a formatted one; NULL when the host has no memory. Free with
 * mem_free. */
char *str_dup(const char *s);
char *str_print(const char *fmt, ...) printf_like(1, 2);

/* Parses an unsigned number (0x, decimal) that must be the whole string: 0 or -EINVAL, -ERANGE. */
int str_to_u64(const char *s, u64 *out) must_check;
/* As above with an optional suffix K, M, G, T (binary; also KiB, MiB ...). */
int str_to_size(const char *s, u64 *out) must_check;

#endif
