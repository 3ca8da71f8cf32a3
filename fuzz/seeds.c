/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes inputs that the loaders accept, for their fuzz targets to start from: seeds FOLDER STAMP
 * makes FOLDER/TARGET/NAME, and STAMP when all are there. */
#include "../tests/boot/image_maker.h"
#include "../tests/boot/packers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SMALLEST = 0x290 /* what the targets look at */, ROOM = 1 << 16 };

static u8 file[ROOM], packed[ROOM], elf[0x1000];
static const char *folder;
static int bad;

static void put(const char *target, const char *name, const u8 *data, u64 size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, target);
    bad |= mkdir(path, 0777) && errno != EEXIST;
    snprintf(path, sizeof path, "%s/%s/%s", folder, target, name);
    FILE *f = fopen(path, "wb");
    bad |= !f || fwrite(data, 1, size, f) != size;
    bad |= f && fclose(f);
}

/* The ELF target takes the class from the low bit. */
static u64 elf_file(bool is_64, bool pvh)
{
    u64 size = make_elf(file, is_64, pvh);
    file[4] = is_64;
    return size;
}

/* The bzImage target takes the protocol's version from the first byte: 2.15. */
static u64 bzimage_file(const u8 *payload, u64 size, u32 unpacked)
{
    u64 total = make_bzimage(file, payload, size, unpacked);
    file[0] = 13;
    return total;
}

/* The targets take the boot mode from the second byte and put the magic number right themselves. */
static void put_modes(const char *target, const char *name, u64 size)
{
    for (u8 mode = 0; mode < 4; mode++) {
        char full[64];
        snprintf(full, sizeof full, "%s-%u", name, mode);
        u8 was = file[1];
        file[1] = mode;
        put(target, full, file, MAX(size, (u64)SMALLEST));
        file[1] = was;
    }
}

static void put_packed(unsigned i, u64 elf_size)
{
    static const char *const no_room[] = {"xz-small", "zstd-small", "gzip-small", "lz4-small"};
    u64 size = packers[i].pack(elf, elf_size, packed, sizeof packed);
    bad |= !size;
    put_modes("bzimage", packers[i].name, bzimage_file(packed, size, (u32)elf_size));
    packed[0] = (u8)i; /* the format, and the room in 64 bytes */
    packed[1] = 0xff;
    put("unpack", packers[i].name, packed, size);
    packed[1] = 1;
    put("unpack", no_room[i], packed, size);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    folder = argv[1];
    bad |= mkdir(folder, 0777) && errno != EEXIST;
    memset(file, 0, sizeof file);
    put_modes("elf", "elf64-pvh", elf_file(true, true));
    put_modes("elf", "elf64", elf_file(true, false));
    put_modes("elf", "elf32", elf_file(false, false));
    put_modes("bzimage", "plain", bzimage_file(NULL, 0, 0));
    u64 size = make_elf(elf, true, true);
    for (unsigned i = 0; i < ARRAY_LEN(packers); i++)
        put_packed(i, size);
    /* The target wants the header, which says that it is at its place, first. */
    make_multiboot(packed);
    memset(file, 0, sizeof file);
    memcpy(file, packed + 16, 32);
    store32(file + 12, load32(file + 16));
    put_modes("multiboot", "addresses", SMALLEST);
    FILE *stamp = bad ? NULL : fopen(argv[2], "w");
    return !stamp || fclose(stamp);
}
