/* SPDX-License-Identifier: BSD-2-Clause */
/* Character back-ends over file descriptors: standard input and output, files, pseudo-terminals. */
#ifndef HOST_CHARDEV_FD_H
#define HOST_CHARDEV_FD_H

#include "base/os.h"
#include "host/chardev_if.h"

struct chardev_fd_config {
    int in;     /* -1: no input */
    int out;    /* -1: output vanishes */
    bool owned; /* close them in destroy */
    /* Sees keys as they are typed, whether the front-end has room or not, and may shorten them in
     * place (escape keys); NULL: none. Called on the loop's thread. */
    size_t (*filter)(void *ctx, u8 *data, size_t n);
    /* Input ended, after the front-end was told; NULL: nobody else wants to know. Loop's thread. */
    void (*ended)(void *ctx);
    /* Output failed for good (closed pipe, full disk): called once, on any thread. */
    void (*broken)(void *ctx, int error);
    void *ctx;
};

/* Descriptors stay in the blocking mode they were in: they may be shared with the user's shell. */
int chardev_fd_create(struct chardev **out, struct os_loop *loop, const struct chardev_fd_config *c,
                      struct err *e) must_check;
/* "none" (NULL), "null", "file:PATH", "pty" (its name is logged). */
int chardev_open(struct chardev **out, struct os_loop *loop, const char *spec,
                 struct err *e) must_check;

#endif
