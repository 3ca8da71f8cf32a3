/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors: a function that can fail returns 0 or -errno and takes a struct err * as its last
 * parameter (NULL allowed). The message says what was being done, to what, why it failed; the hint
 * says what to try next. Outputs are written only on success. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/types.h"
#include <stdarg.h>

struct err {
    int code;       /* -errno, 0 while nothing failed */
    char text[384]; /* "doing what: to which object: why" */
    char hint[192]; /* empty, or one sentence: the likely cure */
};

/* Records code (a negative errno) and the message, and returns code. */
int err_set(struct err *e, int code, const char *fmt, ...) printf_like(3, 4);
/* Adds "prefix: " before the present message; returns its code. One call a layer at most. */
int err_wrap(struct err *e, const char *fmt, ...) printf_like(2, 3);
void err_hint(struct err *e, const char *fmt, ...) printf_like(2, 3);
/* Text of a positive or negative errno value. */
const char *err_name(int code);

#endif
