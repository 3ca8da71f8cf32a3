/* SPDX-License-Identifier: BSD-2-Clause */
/* The user's terminal: raw mode, escape keys, and its restoration however the process ends. One
 * terminal a process. */
#ifndef HOST_TERMINAL_H
#define HOST_TERMINAL_H

#include "base/err.h"
#include "base/os.h"

bool terminal_is(int fd);
/* Raw mode on fd (a no-op when it is no terminal). The old mode comes back with terminal_restore,
 * at a normal exit and on SIGSEGV, SIGABRT and their like. */
int terminal_raw(int fd, struct err *e) must_check;
/* Any thread; async-signal-safe; idempotent. */
void terminal_restore(void);
void terminal_size(int fd, u16 *columns, u16 *rows);

/* Escape keys in a stream of input: Ctrl-A x ends the machine, Ctrl-A Ctrl-A sends one Ctrl-A,
 * Ctrl-A h prints help. */
enum terminal_key { TERMINAL_KEY_NONE, TERMINAL_KEY_QUIT, TERMINAL_KEY_HELP };
struct terminal_escape {
    bool armed; /* Ctrl-A was the last byte */
};
/* Removes escape sequences from data in place; returns the bytes left and the key seen. */
size_t terminal_filter(struct terminal_escape *t, u8 *data, size_t n, enum terminal_key *key);

/* Takes the signals of `signals` (ended by 0) from their default action and calls fn on the loop's
 * thread instead. Call before any thread is started. */
struct signal_watch;
int signal_watch_create(struct signal_watch **out, struct os_loop *l, const int *signals,
                        void (*fn)(void *ctx, int signal), void *ctx, struct err *e) must_check;
void signal_watch_destroy(struct signal_watch *w);

#endif
