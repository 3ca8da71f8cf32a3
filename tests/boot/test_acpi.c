/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI tables: structure and checksums, and that iasl disassembles and recompiles them without
 * an error. `test_acpi --write FOLDER` leaves each table in a file for the script beside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "machine/acpi/acpi.h"
#include "machine/acpi/aml.h"
#include "machine/pc_map.h"
#include "machine/smbios.h"

static u8 block[PC_TABLES_SIZE];

static const u8 *at(u64 addr)
{
    assert_true(range_inside(addr, 36, PC_TABLES, PC_TABLES_SIZE));
    return block + (addr - PC_TABLES);
}

static u8 sum(const u8 *p, u32 n)
{
    u8 s = 0;
    while (n--)
        s = (u8)(s + *p++);
    return s;
}

static void smbios(void **state)
{
    static u8 data[PC_SMBIOS_SIZE];
    struct smbios_config c = {.cpus = 64, .memory = 5 * GiB, .low_memory = 3 * GiB};
    struct err e = {0};
    assert_int_equal(smbios_build(data, sizeof data, PC_SMBIOS, &c, &e), 0);
    assert_memory_equal(data, "_SM3_", 5);
    assert_int_equal(sum(data, data[6]), 0);
    u32 at = (u32)(load64(data + 16) - PC_SMBIOS), end = at + load32(data + 12);
    unsigned count[256] = {0};
    while (at < end) {
        u8 type = data[at];
        count[type]++;
        assert_true(data[at + 1] >= 4);
        at += data[at + 1];
        if (data[at] == 0)
            at++; /* no texts */
        else
            while (data[at])
                at += (u32)strlen((char *)data + at) + 1;
        assert_int_equal(data[at++], 0);
        assert_int_equal(type == 127, at == end);
    }
    assert_int_equal(count[4], 64);
    assert_int_equal(count[17], 1);
    assert_int_equal(count[19], 2);
    assert_int_equal(smbios_build(data, 300, PC_SMBIOS, &c, &e), -ENOSPC);
}

static void build(unsigned cpus)
{
    static u32 ids[400];
    for (unsigned i = 0; i < cpus; i++)
        ids[i] = i;
    struct acpi_config c = {.apic_id = ids,
                            .cpus = cpus,
                            .uart = {true, true},
                            .keyboard = true,
                            .mouse = true,
                            .hpet = true,
                            .hpet_id = 0x8086a201,
                            .pci64 = true};
    memset(block, 0, sizeof block);
    struct err e = {0};
    if (acpi_build(block, &c, &e))
        fail_msg("%s", e.text);
}

static const u8 *find(const char *signature)
{
    const u8 *xsdt = at(load64(block + 24));
    for (u32 i = 36; i < load32(xsdt + 4); i += 8) {
        const u8 *t = at(load64(xsdt + i));
        if (!memcmp(t, signature, 4))
            return t;
    }
    return NULL;
}

static void checksums(void **state)
{
    for (unsigned cpus = 1; cpus <= 64; cpus += 21) {
        build(cpus);
        assert_memory_equal(block, "RSD PTR ", 8);
        assert_int_equal(sum(block, 20), 0);
        assert_int_equal(sum(block, 36), 0);
        const u8 *xsdt = at(load64(block + 24));
        assert_int_equal(sum(xsdt, load32(xsdt + 4)), 0);
        assert_int_equal((load32(xsdt + 4) - 36) / 8, 4);
        for (u32 i = 36; i < load32(xsdt + 4); i += 8) {
            const u8 *t = at(load64(xsdt + i));
            assert_int_equal(sum(t, load32(t + 4)), 0);
        }
        const u8 *fadt = find("FACP"), *dsdt = at(load64(fadt + 140));
        assert_int_equal(load32(fadt + 40), load64(fadt + 140));
        assert_memory_equal(dsdt, "DSDT", 4);
        assert_int_equal(sum(dsdt, load32(dsdt + 4)), 0);
        const u8 *facs = at(load32(fadt + 36));
        assert_memory_equal(facs, "FACS", 4);
        assert_int_equal((facs - block) % 64, 0);
    }
}

static void processors(void **state)
{
    build(300);
    const u8 *m = find("APIC");
    unsigned narrow = 0, wide = 0;
    for (u32 i = 44; i < load32(m + 4); i += m[i + 1]) {
        assert_true(m[i + 1] >= 2);
        narrow += m[i] == 0;
        if (m[i] == 9) {
            assert_int_equal(load32(m + i + 4), 255 + wide);
            wide++;
        }
    }
    assert_int_equal(narrow, 255);
    assert_int_equal(wide, 45);
}

static void addresses(void **state)
{
    build(2);
    assert_int_equal(load64(find("MCFG") + 44), PC_ECAM);
    assert_int_equal(find("MCFG")[55], 255);
    assert_int_equal(load64(find("HPET") + 44), PC_HPET);
    const u8 *fadt = find("FACP");
    assert_int_equal(load32(fadt + 56), load64(fadt + 148 + 4));
    assert_int_equal(load32(fadt + 64), load64(fadt + 172 + 4));
    assert_int_equal(load32(fadt + 76), load64(fadt + 208 + 4));
}

/* Lengths around the borders of the length encoding: closed blocks measure what they hold. */
static void aml_lengths(void **state)
{
    static u8 data[2 << 20];
    static const u8 fill[70000];
    for (u32 n = 0; n < 70000; n += n < 80 || (n > 4000 && n < 4200) || n > 65400 ? 1 : 97) {
        struct aml a = {.data = data, .room = sizeof data};
        u32 mark = aml_scope(&a, "\\_SB");
        u32 before = a.size;
        aml_buffer(&a, fill, n);
        u32 body = a.size - before + 5; /* root prefix and name */
        aml_end(&a, mark);
        u32 bytes = data[1] >> 6, length = data[1] & (bytes ? 0xf : 0x3f);
        for (u32 i = 0; i < bytes; i++)
            length |= (u32)data[2 + i] << (4 + 8 * i);
        assert_int_equal(length, body + bytes + 1);
        assert_int_equal(a.size, 1 + length);
        assert_false(a.overflow);
    }
    struct aml small = {.data = data, .room = 20};
    u32 mark = aml_scope(&small, "\\_SB");
    aml_buffer(&small, fill, 100);
    aml_end(&small, mark);
    assert_true(small.overflow);
}

static int write_tables(const char *folder)
{
    static const char *const names[] = {"FACP", "APIC", "MCFG", "HPET"};
    build(4);
    for (unsigned i = 0; i <= ARRAY_LEN(names); i++) {
        const u8 *t = i < ARRAY_LEN(names) ? find(names[i]) : at(load64(find("FACP") + 140));
        char path[256];
        snprintf(path, sizeof path, "%s/%.4s.dat", folder, (const char *)t);
        FILE *f = fopen(path, "wb");
        if (!f)
            return 1;
        fwrite(t, 1, load32(t + 4), f);
        fclose(f);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--write"))
        return write_tables(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums),   cmocka_unit_test(processors), cmocka_unit_test(addresses),
        cmocka_unit_test(aml_lengths), cmocka_unit_test(smbios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
