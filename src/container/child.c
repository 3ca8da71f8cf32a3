/* SPDX-License-Identifier: BSD-2-Clause */
/* Ending a child process. */
#include "container/child.h"

#include <unistd.h>

void child_exit(int status)
{
    _exit(status);
}
