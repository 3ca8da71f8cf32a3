/* SPDX-License-Identifier: BSD-2-Clause */
/* The compressed forms in which kernels carry their payload, made by the libraries' other halves.
 * Each gives the packed size, 0 when it does not fit. */
#ifndef TESTS_BOOT_PACKERS_H
#define TESTS_BOOT_PACKERS_H

#include "base/bits.h"

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

static inline u64 pack_xz(const u8 *in, u64 size, u8 *out, u64 room)
{
    size_t n = 0;
    lzma_options_lzma opt;
    lzma_lzma_preset(&opt, 6);
    /* As the kernel's build does: x86 branch filter, CRC32. */
    lzma_filter f[] = {
        {LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &opt}, {LZMA_VLI_UNKNOWN, NULL}};
    bool ok =
        lzma_stream_buffer_encode(f, LZMA_CHECK_CRC32, NULL, in, size, out, &n, room) == LZMA_OK;
    return ok ? n : 0;
}

static inline u64 pack_zstd(const u8 *in, u64 size, u8 *out, u64 room)
{
    size_t n = ZSTD_compress(out, room, in, size, 19);
    return ZSTD_isError(n) ? 0 : n;
}

static inline u64 pack_gzip(const u8 *in, u64 size, u8 *out, u64 room)
{
    z_stream s = {.next_in = (u8 *)(uintptr_t)in,
                  .avail_in = (uInt)size,
                  .next_out = out,
                  .avail_out = (uInt)room};
    deflateInit2(&s, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    u64 n = deflate(&s, Z_FINISH) == Z_STREAM_END ? s.total_out : 0;
    deflateEnd(&s);
    return n;
}

static inline u64 pack_lz4(const u8 *in, u64 size, u8 *out, u64 room)
{
    int n = LZ4_compress_default((const char *)in, (char *)out + 8, (int)size, (int)room - 8);
    store32(out, 0x184c2102);
    store32(out + 4, (u32)n);
    return n > 0 ? 8 + (u64)n : 0;
}

static const struct {
    const char *name;
    u64 (*pack)(const u8 *in, u64 size, u8 *out, u64 room);
} packers[] = {{"xz", pack_xz}, {"zstd", pack_zstd}, {"gzip", pack_gzip}, {"lz4", pack_lz4}};

#endif
