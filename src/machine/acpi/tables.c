/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI tables but the DSDT's contents. Tables are laid one after another into the block at
 * PC_TABLES; the RSDP is first, where a guest that searches the BIOS area finds it too. */
#include "base/bits.h"
#include "base/mem.h"
#include "device/misc/reset_port.h"
#include "device/timer/acpi_pm.h"
#include "device/timer/rtc_cmos.h"
#include "machine/acpi/acpi.h"
#include "machine/acpi/dsdt.h"
#include "machine/pc_map.h"

#include <errno.h>

enum {
    HEADER_SIZE = 36,
    RSDP_SIZE = 36,
    FADT_SIZE = 276,
    FACS_SIZE = 64,
    HPET_SIZE = 56,
    MCFG_SIZE = 60,
    XSDT_TABLES = 4
};

static void put64(struct aml *a, u64 v)
{
    if (a->room - a->size < 8) {
        a->overflow = true;
        return;
    }
    store64(a->data + a->size, v);
    a->size += 8;
}

static u8 checksum(const u8 *p, u32 n)
{
    u8 sum = 0;
    for (u32 i = 0; i < n; i++)
        sum = (u8)(sum + p[i]);
    return (u8)-sum;
}

/* size zeroed bytes on an align boundary; NULL, and overflow set, when there is no room. */
static u8 *reserve(struct aml *a, u32 size, u32 align)
{
    u32 at = (u32)align_up(a->size, align);
    if (at > a->room || size > a->room - at) {
        a->overflow = true;
        return NULL;
    }
    a->size = at + size;
    return a->data + at;
}

static u64 address(const struct aml *a, const u8 *table)
{
    return table ? PC_TABLES + (u64)(table - a->data) : 0;
}

/* The common header [ACPI6.4 5.2.6]; the checksum comes last. */
static void finish(u8 *t, const char *signature, u32 size, u8 revision)
{
    if (!t)
        return;
    mem_copy(t, signature, 4);
    store32(t + 4, size);
    t[8] = revision;
    mem_copy(t + 10, "DOPPEL", 6);
    mem_copy(t + 16, "DOPPELPC", 8);
    store32(t + 24, 1);
    mem_copy(t + 28, "DOPL", 4);
    store32(t + 32, 1);
    t[9] = 0;
    t[9] = checksum(t, size);
}

/* A generic address [5.2.3.2]: access 1 byte, 2 word, 3 double word. */
static void gas(u8 *p, bool port, u8 bits, u8 access, u64 addr)
{
    p[0] = port;
    p[1] = bits;
    p[3] = access;
    store64(p + 4, addr);
}

static u64 add_dsdt(struct aml *a, const struct acpi_config *c)
{
    u8 *t = reserve(a, HEADER_SIZE, 8);
    if (!t)
        return 0;
    u32 start = (u32)(t - a->data);
    dsdt_add(a, c);
    finish(t, "DSDT", a->size - start, 2);
    return address(a, t);
}

static u64 add_facs(struct aml *a)
{
    u8 *t = reserve(a, FACS_SIZE, 64);
    if (!t)
        return 0;
    mem_copy(t, "FACS", 4);
    store32(t + 4, FACS_SIZE);
    t[32] = 2; /* version */
    return address(a, t);
}

/* Fixed ACPI description table [5.2.9]. Always in ACPI mode: no SMI command port. */
static u64 add_fadt(struct aml *a, const struct acpi_config *c, u64 dsdt, u64 facs)
{
    enum {
        WBINVD = 1 << 0,
        PROC_C1 = 1 << 2,
        NO_SLEEP_BUTTON = 1 << 5,
        RTC_NOT_FIXED = 1 << 6,
        TIMER_32 = 1 << 8,
        RESET_REG = 1 << 10,
        LEGACY_DEVICES = 1 << 0,
        HAS_8042 = 1 << 1,
        NO_VGA = 1 << 2,
    };
    enum {
        EVENT = PC_PORT_PM + ACPI_PM1_EVENT,
        CONTROL = PC_PORT_PM + ACPI_PM1_CONTROL,
        TIMER = PC_PORT_PM + ACPI_PM_TIMER,
        GPE0 = PC_PORT_PM + ACPI_PM_GPE0
    };
    u8 *t = reserve(a, FADT_SIZE, 8);
    if (!t)
        return 0;
    store32(t + 36, (u32)facs);
    store32(t + 40, (u32)dsdt);
    t[45] = 0; /* profile: unspecified */
    store16(t + 46, PC_IRQ_SCI);
    store32(t + 56, EVENT);
    store32(t + 64, CONTROL);
    store32(t + 76, TIMER);
    store32(t + 80, GPE0);
    t[88] = 4; /* lengths */
    t[89] = 2;
    t[91] = 4;
    t[92] = ACPI_PM_GPE0_SIZE;
    store16(t + 96, 0xfff); /* C2, C3 latencies: not supported */
    store16(t + 98, 0xfff);
    t[108] = CMOS_CENTURY;
    store16(t + 109, (u16)(LEGACY_DEVICES | NO_VGA | (c->keyboard ? HAS_8042 : 0)));
    store32(t + 112, WBINVD | PROC_C1 | NO_SLEEP_BUTTON | RTC_NOT_FIXED | RESET_REG |
                         (c->pm_timer_32 ? TIMER_32 : 0));
    gas(t + 116, true, 8, 1, PC_PORT_RESET);
    t[128] = RESET_PORT_VALUE;
    t[131] = 4; /* minor version: 6.4 */
    store64(t + 140, dsdt);
    gas(t + 148, true, 32, 2, EVENT);
    gas(t + 172, true, 16, 2, CONTROL);
    gas(t + 208, true, 32, 3, TIMER);
    gas(t + 220, true, ACPI_PM_GPE0_SIZE * 8, 1, GPE0);
    finish(t, "FACP", FADT_SIZE, 6);
    return address(a, t);
}

/* One processor: a local APIC structure, or x2APIC where its ID needs more than 8 bits
 * [5.2.12.2, 5.2.12.12]. */
static void add_processor(struct aml *a, u32 uid, u32 apic_id)
{
    bool wide = apic_id >= 255 || uid >= 255;
    u8 *p = reserve(a, wide ? 16 : 8, 1);
    if (!p)
        return;
    p[0] = wide ? 9 : 0;
    p[1] = wide ? 16 : 8;
    if (wide) {
        store32(p + 4, apic_id);
        store32(p + 8, 1); /* enabled */
        store32(p + 12, uid);
    } else {
        p[2] = (u8)uid;
        p[3] = (u8)apic_id;
        store32(p + 4, 1);
    }
}

static void add_override(struct aml *a, u8 source, u32 gsi, u16 flags)
{
    u8 *p = reserve(a, 10, 1);
    if (!p)
        return;
    p[0] = 2;
    p[1] = 10;
    p[3] = source;
    store32(p + 4, gsi);
    store16(p + 8, flags);
}

/* Multiple APIC description table [5.2.12]. */
static u64 add_madt(struct aml *a, const struct acpi_config *c)
{
    enum { PCAT_COMPAT = 1, LEVEL_HIGH = 0xd };
    u8 *t = reserve(a, HEADER_SIZE + 8, 8);
    if (!t)
        return 0;
    u32 start = (u32)(t - a->data);
    store32(t + 36, PC_LAPIC);
    store32(t + 40, PCAT_COMPAT);
    for (unsigned i = 0; i < c->cpus; i++)
        add_processor(a, i, c->apic_id[i]);
    u8 *io = reserve(a, 12, 1);
    if (io) {
        io[0] = 1;
        io[1] = 12;
        store32(io + 4, PC_IOAPIC);
    }
    add_override(a, PC_IRQ_PIT, PC_GSI_PIT, 0);
    add_override(a, PC_IRQ_SCI, PC_IRQ_SCI, LEVEL_HIGH);
    u8 *nmi = reserve(a, 6, 1);
    if (nmi) {
        nmi[0] = 4;
        nmi[1] = 6;
        nmi[2] = 0xff; /* all processors */
        nmi[5] = 1;    /* LINT1 */
    }
    finish(t, "APIC", a->size - start, 5);
    return address(a, t);
}

static u64 add_mcfg(struct aml *a)
{
    u8 *t = reserve(a, MCFG_SIZE, 8);
    if (!t)
        return 0;
    store64(t + 44, PC_ECAM);
    t[55] = (u8)(PC_ECAM_SIZE / MiB - 1); /* last bus: a bus is 1 MiB */
    finish(t, "MCFG", MCFG_SIZE, 1);
    return address(a, t);
}

static u64 add_hpet(struct aml *a, const struct acpi_config *c)
{
    u8 *t = reserve(a, HPET_SIZE, 8);
    if (!t)
        return 0;
    store32(t + 36, c->hpet_id);
    gas(t + 40, false, 64, 0, PC_HPET);
    finish(t, "HPET", HPET_SIZE, 1);
    return address(a, t);
}

int acpi_build(u8 *out, const struct acpi_config *c, struct err *e)
{
    struct aml a = {.data = out, .room = ACPI_SIZE};
    u8 *rsdp = reserve(&a, RSDP_SIZE, 16);
    u64 dsdt = add_dsdt(&a, c), facs = add_facs(&a);
    u64 table[XSDT_TABLES] = {add_fadt(&a, c, dsdt, facs), add_madt(&a, c), add_mcfg(&a),
                              c->hpet ? add_hpet(&a, c) : 0};
    u8 *xsdt = reserve(&a, HEADER_SIZE, 8);
    for (unsigned i = 0; i < XSDT_TABLES; i++)
        if (table[i])
            put64(&a, table[i]);
    if (a.overflow)
        return err_set(e, -ENOSPC, "building the ACPI tables: they do not fit %d KiB",
                       ACPI_SIZE / 1024);
    finish(xsdt, "XSDT", (u32)(a.data + a.size - xsdt), 1);
    mem_copy(rsdp, "RSD PTR ", 8);
    mem_copy(rsdp + 9, "DOPPEL", 6);
    rsdp[15] = 2; /* revision */
    store32(rsdp + 20, RSDP_SIZE);
    store64(rsdp + 24, address(&a, xsdt));
    rsdp[8] = checksum(rsdp, 20); /* of the part that revision 0 had */
    rsdp[32] = checksum(rsdp, RSDP_SIZE);
    return 0;
}
