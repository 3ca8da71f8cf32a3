/* SPDX-License-Identifier: BSD-2-Clause */
/* Error objects: formatting and wrapping of messages. */
#include "base/err.h"

#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (code > 0)
        code = -code;
    if (!code)
        code = -EINVAL; /* a failure without a reason is still a failure */
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        e->code = code;
        e->hint[0] = '\0';
        str_vformat(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
    }
    return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    if (!e)
        return -EIO;
    char old[sizeof e->text];
    str_copy(old, e->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    size_t n = str_vformat(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    str_format(e->text + n, sizeof e->text - n, ": %s", old);
    return e->code;
}

void err_hint(struct err *e, const char *fmt, ...)
{
    if (!e)
        return;
    va_list ap;
    va_start(ap, fmt);
    str_vformat(e->hint, sizeof e->hint, fmt, ap);
    va_end(ap);
}

const char *err_name(int code)
{
    const char *s = strerrordesc_np(code < 0 ? -code : code);
    return s ? s : "unknown error";
}
