/* SPDX-License-Identifier: BSD-2-Clause */
/* doppel-oci as a program of its own: the runtime without the machine, small enough to start in a
 * third of a millisecond. `doppel oci` is the same commands. */
#include "cli/oci.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the write that meets it */
    int status = oci_main(argc, argv, argv);
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "doppel-oci: writing to standard output: %s\n", strerror(errno));
        return status ? status : 1;
    }
    return status;
}
