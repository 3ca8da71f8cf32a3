/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounded formatting and number parsing. */
#include "base/str.h"

#include "base/mem.h"
#include <errno.h>
#include <stdio.h>

size_t str_vformat(char *dst, size_t size, const char *fmt, va_list ap)
{
    if (!size)
        return 0;
    int n = vsnprintf(dst, size, fmt, ap);
    if (n < 0) {
        dst[0] = '\0';
        return 0;
    }
    return (size_t)n < size ? (size_t)n : size - 1;
}

size_t str_format(char *dst, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t n = str_vformat(dst, size, fmt, ap);
    va_end(ap);
    return n;
}

char *str_dup(const char *s)
{
    size_t n = str_length(s) + 1;
    char *p = mem_alloc(n);
    if (p)
        mem_copy(p, s, n);
    return p;
}

char *str_print(const char *fmt, ...)
{
    va_list ap;
    char *p = NULL;
    va_start(ap, fmt);
    int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : p;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

/* Reads digits from *s, moving it past them. */
static int parse_digits(const char **s, u64 *out)
{
    const char *p = *s;
    int base = 10;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
        base = 16;
        p += 2;
    }
    if (digit_of(*p) >= base)
        return -EINVAL;
    u64 v = 0;
    for (; digit_of(*p) < base; p++)
        if (__builtin_mul_overflow(v, (u64)base, &v) ||
            __builtin_add_overflow(v, (u64)digit_of(*p), &v))
            return -ERANGE;
    *s = p;
    *out = v;
    return 0;
}

int str_to_u64(const char *s, u64 *out)
{
    u64 v;
    int err = parse_digits(&s, &v);
    if (err)
        return err;
    if (*s)
        return -EINVAL;
    *out = v;
    return 0;
}

int str_to_size(const char *s, u64 *out)
{
    static const char units[] = "KMGT";
    u64 v;
    int err = parse_digits(&s, &v);
    if (err)
        return err;
    for (unsigned i = 0; *s && units[i]; i++) {
        if ((*s & ~0x20) != units[i])
            continue;
        s++;
        if (__builtin_mul_overflow(v, (u64)1 << (10 * (i + 1)), &v))
            return -ERANGE;
        if (str_equal(s, "iB") || str_equal(s, "B"))
            s = "";
        break;
    }
    if (*s)
        return -EINVAL;
    *out = v;
    return 0;
}
