/* SPDX-License-Identifier: BSD-2-Clause */
/* Ending a child process. */
#include "container/child.h"

#include <signal.h>
#include <unistd.h>

void child_exit(int status)
{
    _exit(status);
}

static void end(int signal)
{
    _exit(128 + signal);
}

void child_exit_on(int number)
{
    signal(number, end);
}
