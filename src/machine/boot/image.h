/* SPDX-License-Identifier: BSD-2-Clause */
/* A file in host memory, and bounds-checked views of it. */
#ifndef MACHINE_BOOT_IMAGE_H
#define MACHINE_BOOT_IMAGE_H

#include "base/bits.h"
#include "base/err.h"

struct image {
    const char *path; /* for messages; the owner keeps it alive */
    u8 *data;
    u64 size;
    int fd; /* open while data is there, for image_reload() */
};

/* Reads a regular file of 1 to max bytes. A directory, a device, an empty or larger file is an
 * error that says so; the size is what was read, not what the file system claims. */
int image_load(struct image *out, const char *path, u64 max, struct err *e) must_check;
/* Frees the bytes; a zeroed image is allowed. */
void image_unload(struct image *im);
/* Gives the memory back to the host; the bytes are undefined until they are read again, to the same
 * place. A file that became shorter is an error; one that was replaced is not noticed. */
void image_discard(struct image *im);
int image_reload(struct image *im, struct err *e) must_check;

/* The bytes [off, off+len) when all of them are in the file, else NULL. */
static inline const u8 *image_at(const struct image *im, u64 off, u64 len)
{
    return range_inside(off, len, 0, im->size) ? im->data + off : NULL;
}

#endif
