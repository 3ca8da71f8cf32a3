/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a bzImage's setup header. Fields that a protocol version does not have get the values the
 * protocol document gives for kernels of that age. */
#include "machine/boot/bzimage.h"
#include "base/mem.h"

#include <errno.h>

enum { SECTOR = 512 };
/* More than any kernel unpacks to: the bound on what a header can make us allocate. */
#define UNPACKED_MAX (1 * GiB)

bool bzimage_probe(const struct image *im)
{
    const u8 *flag = image_at(im, HDR_BOOT_FLAG, 2), *magic = image_at(im, HDR_MAGIC, 4);
    return flag && magic && load16(flag) == 0xaa55 && load32(magic) == HDR_MAGIC_VALUE;
}

static int bad(const struct image *im, const char *field, u64 value, const char *why, struct err *e)
{
    return err_set(e, -ENOEXEC, "loading %s: setup header %s %#llx: %s", im->path, field,
                   (unsigned long long)value, why);
}

static int read_payload(const struct image *im, const u8 *h, struct bzimage *b, struct err *e)
{
    u64 off = load32(h + HDR_PAYLOAD_OFFSET), length = load32(h + HDR_PAYLOAD_LENGTH);
    if (!length)
        return 0;
    if (!range_inside(off, length, 0, b->kernel_size))
        return bad(im, "payload_length", length, "the payload runs past the end of the kernel", e);
    if (length < 8)
        return bad(im, "payload_length", length, "too small for a compressed kernel", e);
    b->payload = b->kernel + off;
    b->payload_size = length;
    b->unpacked_size = load32(im->data + b->payload + length - 4);
    return 0;
}

static int read_fields(const struct image *im, const u8 *h, struct bzimage *b, struct err *e)
{
    b->code32_start = load32(h + HDR_CODE32_START);
    b->initrd_max = b->version >= 0x203 ? load32(h + HDR_INITRD_ADDR_MAX) : 0x37ffffff;
    b->cmdline_max = b->version >= 0x206 ? load32(h + HDR_CMDLINE_SIZE) : 255;
    b->pref_address = b->code32_start;
    b->kernel_alignment = 1;
    if (b->version >= 0x205) {
        b->relocatable = h[HDR_RELOCATABLE];
        b->kernel_alignment = load32(h + HDR_KERNEL_ALIGNMENT);
        if (b->relocatable && !is_pow2(b->kernel_alignment))
            return bad(im, "kernel_alignment", b->kernel_alignment, "not a power of two", e);
    }
    if (b->version >= 0x20a) {
        b->pref_address = load64(h + HDR_PREF_ADDRESS);
        b->init_size = load32(h + HDR_INIT_SIZE);
        if (b->pref_address > 4 * GiB)
            return bad(im, "pref_address", b->pref_address, "beyond 4 GiB", e);
    }
    if (b->version >= 0x20c) {
        u16 x = load16(h + HDR_XLOADFLAGS);
        b->has_64 = x & XLF_KERNEL_64;
        b->initrd_above_4g = x & XLF_CAN_BE_LOADED_ABOVE_4G;
    }
    return b->version >= 0x208 ? read_payload(im, h, b, e) : 0;
}

int bzimage_parse(const struct image *im, struct bzimage *out, struct err *e)
{
    if (!bzimage_probe(im))
        return err_set(e, -ENOEXEC, "loading %s: not a bzImage", im->path);
    struct bzimage b = {0};
    /* A header shorter than the longest is followed by setup code, so the file has these bytes. */
    const u8 *h = image_at(im, 0, HDR_END_MAX);
    if (!h)
        return err_set(e, -ENOEXEC, "loading %s: truncated setup header (%llu bytes)", im->path,
                       (unsigned long long)im->size);
    b.version = load16(h + HDR_VERSION);
    if (b.version < 0x202 || b.version > 0x2ff)
        return bad(im, "version", b.version, "not a boot protocol from 2.02 on", e);
    if (!(h[HDR_LOADFLAGS] & LOADFLAGS_LOADED_HIGH))
        return bad(im, "loadflags", h[HDR_LOADFLAGS], "a zImage, which loads low, is not supported",
                   e);
    u64 end = HDR_MAGIC + (u64)h[HDR_JUMP + 1];
    b.header_size = MIN(MAX(end, (u64)HDR_CMD_LINE_PTR + 4), (u64)HDR_END_MAX) - HDR_SETUP_SECTS;

    u64 sectors = h[HDR_SETUP_SECTS] ? h[HDR_SETUP_SECTS] : 4;
    b.kernel = (sectors + 1) * SECTOR;
    if (b.kernel >= im->size)
        return bad(im, "setup_sects", sectors, "the file ends inside the setup part", e);
    b.kernel_size = im->size - b.kernel;
    /* syssize counts paragraphs of 16 bytes; signatures may follow what it covers. */
    u64 stated = (u64)load32(h + HDR_SYSSIZE) * 16;
    if (stated > align_up(b.kernel_size, 16))
        return err_set(
            e, -ENOEXEC,
            "loading %s: truncated: setup header syssize states %llu bytes, the file has %llu",
            im->path, (unsigned long long)(b.kernel + stated), (unsigned long long)im->size);
    if (stated)
        b.kernel_size = MIN(b.kernel_size, stated);
    int ret = read_fields(im, h, &b, e);
    if (ret)
        return ret;
    if (b.payload_size && (!b.unpacked_size || b.unpacked_size > UNPACKED_MAX))
        return err_set(e, -EFBIG, "loading %s: the payload states an unpacked size of %llu bytes",
                       im->path, (unsigned long long)b.unpacked_size);
    *out = b;
    return 0;
}
