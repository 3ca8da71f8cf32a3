/* SPDX-License-Identifier: BSD-2-Clause */
/* The OCI runtime's command line, with runc's and crun's syntax. */
#ifndef CLI_OCI_H
#define CLI_OCI_H

/* argv[0] is the program's name; all is what the process was started with (to start it again). */
int oci_main(int argc, char **argv, char **all);

#endif
