/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's payload formats, by the usual libraries. Each decoder gets an output buffer of the
 * size the image states and never more: the bound on a bomb is the buffer itself. */
#include "machine/boot/unpack.h"
#include "base/bits.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    STEP = 1 << 20, /* input given to a decoder between two progress reports */
    LZ4_LEGACY_MAGIC = 0x184c2102,
    LZ4_LEGACY_BLOCK = 8 << 20, /* a block's unpacked size at most */
};
/* xz -9 needs a 64 MiB dictionary; the kernel's build uses 32 MiB. */
#define XZ_MEMORY_LIMIT (256 * MiB)

struct job {
    const char *file;
    const u8 *in;
    u64 in_size;
    u8 *out;
    u64 out_size;
    const struct unpack_progress *progress;
    const char *format;
};

static void report(const struct job *j, u64 consumed)
{
    if (j->progress && j->progress->report)
        j->progress->report(j->progress->ctx, "unpacking the kernel",
                            (unsigned)MIN(consumed * 1000 / j->in_size, (u64)999));
}

static int corrupt(const struct job *j, const char *why, struct err *e)
{
    return err_set(e, -EBADMSG, "unpacking %s: %s payload: %s", j->file, j->format, why);
}

static int too_long(const struct job *j, struct err *e)
{
    return err_set(e, -E2BIG,
                   "unpacking %s: %s payload unpacks to more than the %llu bytes the image states",
                   j->file, j->format, (unsigned long long)j->out_size);
}

static int too_short(const struct job *j, u64 got, struct err *e)
{
    return err_set(e, -EBADMSG,
                   "unpacking %s: %s payload unpacks to %llu bytes, the image states %llu", j->file,
                   j->format, (unsigned long long)got, (unsigned long long)j->out_size);
}

static int unpack_xz(const struct job *j, struct err *e)
{
    lzma_stream s = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&s, XZ_MEMORY_LIMIT, 0) != LZMA_OK)
        return err_set(e, -ENOMEM, "unpacking %s: xz: no memory", j->file);
    s.next_in = j->in;
    s.next_out = j->out;
    s.avail_out = j->out_size;
    lzma_ret r = LZMA_OK;
    u64 left = j->in_size;
    while (r == LZMA_OK) {
        if (!s.avail_in) {
            s.avail_in = MIN(left, (u64)STEP);
            left -= s.avail_in;
            report(j, s.total_in);
        }
        r = lzma_code(&s, left || s.avail_in ? LZMA_RUN : LZMA_FINISH);
        if (r == LZMA_OK && !s.avail_out && !s.avail_in && !left)
            r = LZMA_BUF_ERROR;
    }
    u64 got = s.total_out;
    bool full = !s.avail_out;
    lzma_end(&s);
    if (r == LZMA_STREAM_END)
        return got == j->out_size ? 0 : too_short(j, got, e);
    if (r == LZMA_MEMLIMIT_ERROR)
        return corrupt(j, "its dictionary is larger than 256 MiB", e);
    if (r == LZMA_BUF_ERROR)
        return full ? too_long(j, e) : corrupt(j, "it ends early", e);
    return corrupt(j, r == LZMA_DATA_ERROR ? "the data are corrupt" : "the decoder refuses it", e);
}

static int unpack_gzip(const struct job *j, struct err *e)
{
    z_stream s = {.next_in = (u8 *)(uintptr_t)j->in};
    if (inflateInit2(&s, 15 + 16) != Z_OK) /* largest window, gzip header */
        return err_set(e, -ENOMEM, "unpacking %s: gzip: no memory", j->file);
    u64 left = j->in_size, room = j->out_size;
    s.next_out = j->out;
    int r = Z_OK;
    while (r == Z_OK) {
        if (!s.avail_in) {
            s.avail_in = (uInt)MIN(left, (u64)STEP);
            left -= s.avail_in;
            report(j, s.total_in);
        }
        if (!s.avail_out) {
            s.avail_out = (uInt)MIN(room, (u64)1 << 30);
            room -= s.avail_out;
        }
        r = inflate(&s, Z_NO_FLUSH);
    }
    u64 got = s.total_out;
    bool full = !s.avail_out && !room;
    inflateEnd(&s);
    if (r == Z_STREAM_END)
        return got == j->out_size ? 0 : too_short(j, got, e);
    if (r == Z_BUF_ERROR)
        return full ? too_long(j, e) : corrupt(j, "it ends early", e);
    return corrupt(j, "the data are corrupt", e);
}

static int unpack_zstd(const struct job *j, struct err *e)
{
    /* The stated size follows the frame: find where the frame ends. */
    size_t frame = ZSTD_findFrameCompressedSize(j->in, j->in_size);
    if (ZSTD_isError(frame))
        return corrupt(j, ZSTD_getErrorName(frame), e);
    report(j, 0);
    size_t got = ZSTD_decompress(j->out, j->out_size, j->in, frame);
    if (ZSTD_isError(got))
        return ZSTD_getErrorCode(got) == ZSTD_error_dstSize_tooSmall
                   ? too_long(j, e)
                   : corrupt(j, ZSTD_getErrorName(got), e);
    return got == j->out_size ? 0 : too_short(j, got, e);
}

/* Legacy frame: the magic, then blocks, each a size and that many bytes, to the end of the data.
 * The kernel's build appends the unpacked size, so "the end" is when the output is complete. */
static int unpack_lz4(const struct job *j, struct err *e)
{
    u64 at = 4, got = 0;
    while (got < j->out_size) {
        if (j->in_size - at < 4)
            return corrupt(j, "it ends early", e);
        u64 n = load32(j->in + at);
        at += 4;
        if (n == LZ4_LEGACY_MAGIC) /* frames may follow each other */
            continue;
        if (!n || n > j->in_size - at || n > (u64)LZ4_COMPRESSBOUND(LZ4_LEGACY_BLOCK))
            return corrupt(j, "a block's size runs past the end", e);
        int room = (int)MIN(j->out_size - got, (u64)LZ4_LEGACY_BLOCK);
        int r = LZ4_decompress_safe((const char *)j->in + at, (char *)j->out + got, (int)n, room);
        if (r < 0)
            return corrupt(j, "a block is corrupt or longer than the image states", e);
        if (!r)
            return corrupt(j, "an empty block", e);
        got += (u64)r;
        at += n;
        report(j, at);
    }
    /* More than the appended size and a partial word after it: the stream goes on. */
    return j->in_size - at > 8 ? too_long(j, e) : 0;
}

static const struct format {
    const char *name;
    u8 magic[6];
    u8 length;
    int (*unpack)(const struct job *, struct err *);
} formats[] = {
    {"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6, unpack_xz},
    {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, unpack_zstd},
    {"gzip", {0x1f, 0x8b, 8}, 3, unpack_gzip},
    {"lz4", {0x02, 0x21, 0x4c, 0x18}, 4, unpack_lz4},
    {"bzip2", {'B', 'Z', 'h'}, 3, NULL},
    {"lzma", {0x5d, 0, 0}, 3, NULL},
    {"lzo", {0x89, 'L', 'Z', 'O'}, 4, NULL},
};

static const struct format *find_format(const u8 *data, u64 size)
{
    for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
        if (size >= formats[i].length && !mem_compare(data, formats[i].magic, formats[i].length))
            return &formats[i];
    return NULL;
}

const char *unpack_format(const u8 *data, u64 size)
{
    const struct format *f = find_format(data, size);
    return f ? f->name : NULL;
}

bool unpack_supported(const char *format)
{
    for (unsigned i = 0; format && i < ARRAY_LEN(formats); i++)
        if (str_equal(formats[i].name, format))
            return formats[i].unpack;
    return false;
}

int unpack(const char *file, const u8 *data, u64 size, u8 *out, u64 out_size,
           const struct unpack_progress *progress, struct err *e)
{
    const struct format *f = find_format(data, size);
    if (!f)
        return err_set(e, -ENOTSUP, "unpacking %s: payload of an unknown format", file);
    if (!f->unpack) {
        int ret = err_set(e, -ENOTSUP, "unpacking %s: %s payloads are not supported on the host",
                          file, f->name);
        err_hint(e, "let the kernel unpack itself: --boot linux");
        return ret;
    }
    struct job j = {.file = file,
                    .in = data,
                    .in_size = size,
                    .out = out,
                    .out_size = out_size,
                    .progress = progress,
                    .format = f->name};
    int ret = f->unpack(&j, e);
    if (progress && progress->report)
        progress->report(progress->ctx, "unpacking the kernel", 1000);
    return ret;
}
