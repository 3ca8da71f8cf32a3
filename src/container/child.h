/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a child process. A forked child shares the parent's stack of callers and buffers: it
 * must never return into them, so here alone, outside the cli, a process may end itself. */
#ifndef CONTAINER_CHILD_H
#define CONTAINER_CHILD_H

_Noreturn void child_exit(int status);
/* A signal ends it as a shell tells it: with 128 and its number. */
void child_exit_on(int signal);

#endif
