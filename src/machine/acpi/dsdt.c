/* SPDX-License-Identifier: BSD-2-Clause */
/* The DSDT: sleep states, processors, the PCI host bridge with its windows and interrupt routing,
 * and the devices that no bus can enumerate. */
#include "machine/acpi/dsdt.h"
#include "base/str.h"
#include "device/timer/acpi_pm.h"
#include "machine/pc_map.h"

enum { PCI_SLOTS = 32, PCI_PINS = 4 };

static void add_sleep_states(struct aml *a)
{
    aml_name(a, "\\_S5");
    u32 p = aml_package(a, 4);
    aml_integer(a, ACPI_PM_SLP_S5);
    aml_integer(a, ACPI_PM_SLP_S5);
    aml_integer(a, 0);
    aml_integer(a, 0);
    aml_end(a, p);
}

static void add_processors(struct aml *a, const struct acpi_config *c)
{
    for (unsigned i = 0; i < c->cpus; i++) {
        char name[8];
        str_format(name, sizeof name, "C%03X", i & 0xfff);
        u32 d = aml_device(a, name);
        aml_name(a, "_HID");
        aml_string(a, "ACPI0007");
        aml_name_integer(a, "_UID", i);
        aml_end(a, d);
    }
}

/* What the system board occupies. Linux uses the ECAM window only when it is reserved here (or in
 * the memory map) [PCI Firmware 3.3, 4.1.2]. */
static void add_board(struct aml *a)
{
    u32 d = aml_device(a, "MB");
    aml_name_id(a, "_HID", "PNP0C02");
    aml_name_integer(a, "_UID", 1);
    aml_name(a, "_CRS");
    u32 r = aml_resources(a);
    aml_io(a, PC_PORT_92, 1);
    aml_io(a, PC_PORT_ELCR, 2);
    aml_io(a, PC_PORT_PM, ACPI_PM_SIZE);
    aml_memory32(a, PC_ECAM, PC_ECAM_SIZE);
    aml_memory32(a, PC_IOAPIC, 0x1000);
    aml_memory32(a, PC_LAPIC, 0x1000);
    aml_resources_end(a, r);
    aml_end(a, d);
}

static void add_hpet(struct aml *a)
{
    u32 d = aml_device(a, "HPET");
    aml_name_id(a, "_HID", "PNP0103");
    aml_name(a, "_CRS");
    u32 r = aml_resources(a);
    aml_memory32(a, PC_HPET, 0x400);
    aml_resources_end(a, r);
    aml_end(a, d);
}

static void add_windows(struct aml *a, const struct acpi_config *c)
{
    aml_name(a, "_CRS");
    u32 r = aml_resources(a);
    aml_bus_window(a, 0, 255);
    aml_io(a, PC_PORT_PCI_CONFIG, 8);
    aml_io_window(a, 0, PC_PORT_PCI_CONFIG - 1);
    aml_io_window(a, PC_PORT_PCI_CONFIG + 8, 0xffff);
    aml_memory_window(a, PC_PCI32, PC_PCI32 + PC_PCI32_SIZE - 1);
    aml_memory_window(a, PC_PCI32_B, PC_PCI32_B + PC_PCI32_B_SIZE - 1);
    if (c->pci64)
        aml_memory_window(a, PC_PCI64, PC_PCI64 + PC_PCI64_SIZE - 1);
    aml_resources_end(a, r);
}

/* Each slot's pins are rotated by one against its neighbour's, as the bus wires them. */
static void add_routes(struct aml *a, const char *name, bool apic)
{
    aml_name(a, name);
    u32 table = aml_package(a, PCI_SLOTS * PCI_PINS);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < PCI_PINS; pin++) {
            unsigned line = (slot + pin) % 4;
            u32 row = aml_package(a, 4);
            aml_integer(a, (u64)slot << 16 | 0xffff);
            aml_integer(a, pin);
            aml_integer(a, 0);
            aml_integer(a, apic ? PC_GSI_PIRQ + line : pc_irq_pirq[line]);
            aml_end(a, row);
        }
    }
    aml_end(a, table);
}

/* The operating system says with \_PIC which interrupt controllers it uses. */
static void add_routing(struct aml *a)
{
    add_routes(a, "PRTP", false);
    add_routes(a, "PRTA", true);
    u32 m = aml_method(a, "_PRT", 0);
    u32 i = aml_if(a);
    aml_ref(a, "\\PICF");
    aml_op(a, AML_RETURN);
    aml_ref(a, "PRTA");
    aml_end(a, i);
    aml_op(a, AML_RETURN);
    aml_ref(a, "PRTP");
    aml_end(a, m);
}

/* _OSC [PCI Firmware 3.3, 4.5.1]: of the features the system asks to control it gets the PCI
 * Express capability structures; a foreign UUID is refused. */
static void add_osc(struct aml *a)
{
    static const u8 uuid[16] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
                                0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66};
    enum { GRANT = 0x10, MASKED = 0x10, UNKNOWN_UUID = 0x04 };
    u32 m = aml_method(a, "_OSC", 4);
    aml_op(a, AML_DWORD_FIELD);
    aml_op(a, AML_ARG3);
    aml_integer(a, 0);
    aml_ref(a, "CDW1");
    u32 i = aml_if(a);
    aml_op(a, AML_EQUAL);
    aml_op(a, AML_ARG0);
    aml_buffer(a, uuid, sizeof uuid);
    aml_op(a, AML_DWORD_FIELD);
    aml_op(a, AML_ARG3);
    aml_integer(a, 8);
    aml_ref(a, "CDW3");
    aml_op(a, AML_AND);
    aml_ref(a, "CDW3");
    aml_integer(a, GRANT);
    aml_op(a, AML_LOCAL0);
    u32 masked = aml_if(a);
    aml_op(a, AML_NOT);
    aml_op(a, AML_EQUAL);
    aml_op(a, AML_LOCAL0);
    aml_ref(a, "CDW3");
    aml_op(a, AML_OR);
    aml_ref(a, "CDW1");
    aml_integer(a, MASKED);
    aml_ref(a, "CDW1");
    aml_end(a, masked);
    aml_op(a, AML_STORE);
    aml_op(a, AML_LOCAL0);
    aml_ref(a, "CDW3");
    aml_end(a, i);
    u32 e = aml_else(a);
    aml_op(a, AML_OR);
    aml_ref(a, "CDW1");
    aml_integer(a, UNKNOWN_UUID);
    aml_ref(a, "CDW1");
    aml_end(a, e);
    aml_op(a, AML_RETURN);
    aml_op(a, AML_ARG3);
    aml_end(a, m);
}

/* One ISA device: ports and interrupt. size2 0: one range; irq -1: none. */
static void add_isa(struct aml *a, const char *name, const char *id, unsigned uid, u16 port,
                    u8 size, u16 port2, u8 size2, int irq)
{
    u32 d = aml_device(a, name);
    aml_name_id(a, "_HID", id);
    aml_name_integer(a, "_UID", uid);
    aml_name_integer(a, "_STA", 0xf);
    aml_name(a, "_CRS");
    u32 r = aml_resources(a);
    if (size)
        aml_io(a, port, size);
    if (size2)
        aml_io(a, port2, size2);
    if (irq >= 0)
        aml_irq(a, (unsigned)irq);
    aml_resources_end(a, r);
    aml_end(a, d);
}

static void add_lpc(struct aml *a, const struct acpi_config *c)
{
    u32 d = aml_device(a, "LPC");
    aml_name_integer(a, "_ADR", PC_SLOT_LPC << 16);
    add_isa(a, "TMR", "PNP0100", 0, PC_PORT_PIT, 4, 0, 0, PC_IRQ_PIT);
    add_isa(a, "RTC", "PNP0B00", 0, PC_PORT_RTC, 4, 0, 0, PC_IRQ_RTC);
    if (c->keyboard)
        add_isa(a, "KBD", "PNP0303", 0, PC_PORT_I8042, 1, PC_PORT_I8042 + 4, 1, PC_IRQ_KEYBOARD);
    if (c->mouse)
        add_isa(a, "MOU", "PNP0F13", 0, 0, 0, 0, 0, PC_IRQ_MOUSE);
    for (unsigned i = 0; i < 4; i++) {
        char name[8];
        str_format(name, sizeof name, "COM%u", i + 1);
        if (c->uart[i])
            add_isa(a, name, "PNP0501", i + 1, pc_port_uart[i], 8, 0, 0, pc_irq_uart[i]);
    }
    aml_end(a, d);
}

static void add_pci(struct aml *a, const struct acpi_config *c)
{
    u32 d = aml_device(a, "PCI0");
    aml_name_id(a, "_HID", "PNP0A08");
    aml_name_id(a, "_CID", "PNP0A03");
    aml_name_integer(a, "_SEG", 0);
    aml_name_integer(a, "_BBN", 0);
    aml_name_integer(a, "_UID", 0);
    add_windows(a, c);
    add_routing(a);
    add_osc(a);
    add_lpc(a, c);
    aml_end(a, d);
}

void dsdt_add(struct aml *a, const struct acpi_config *c)
{
    aml_name_integer(a, "\\PICF", 0);
    u32 m = aml_method(a, "\\_PIC", 1);
    aml_op(a, AML_STORE);
    aml_op(a, AML_ARG0);
    aml_ref(a, "\\PICF");
    aml_end(a, m);
    add_sleep_states(a);
    u32 sb = aml_scope(a, "\\_SB");
    add_processors(a, c);
    add_board(a);
    if (c->hpet)
        add_hpet(a);
    add_pci(a, c);
    aml_end(a, sb);
}
