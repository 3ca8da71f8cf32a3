/* SPDX-License-Identifier: BSD-2-Clause */
/* Decompression of a kernel's payload: xz, zstd, gzip and lz4 (legacy frames). */
#ifndef MACHINE_BOOT_UNPACK_H
#define MACHINE_BOOT_UNPACK_H

#include "base/err.h"
#include "base/types.h"

/* Name of the format by its magic bytes ("xz"), or NULL: not compressed as far as we know. */
const char *unpack_format(const u8 *data, u64 size);
/* Can unpack() do it? The kernel's other choices (bzip2, lzma, lzo) are known by name only. */
bool unpack_supported(const char *format);

struct unpack_progress {
    void (*report)(void *ctx, const char *what, unsigned permille);
    void *ctx;
};

/* Unpacks data into out, exactly out_size bytes: a stream that would give more (a decompression
 * bomb) or less is an error. Memory for the decoder's window is bounded too. Bytes after the end of
 * the compressed stream are ignored. file is for messages. */
int unpack(const char *file, const u8 *data, u64 size, u8 *out, u64 out_size,
           const struct unpack_progress *progress, struct err *e) must_check;

#endif
