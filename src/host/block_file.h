/* SPDX-License-Identifier: BSD-2-Clause */
/* A raw disk image: a regular file or a block device. */
#ifndef HOST_BLOCK_FILE_H
#define HOST_BLOCK_FILE_H

#include "base/err.h"
#include "host/block_if.h"

/* Opens path. For writing it is locked: a second writer, in this or another process, is refused.
 * A read-only user takes no lock and sees what a writer writes. `serial` names the disk to the
 * guest (20 characters at most count). Destroy with its ops->destroy. */
int block_file_create(struct block_backend **out, const char *path, bool read_only,
                      const char *serial, struct err *e) must_check;

#endif
