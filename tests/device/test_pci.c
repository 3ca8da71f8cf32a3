/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI: the two configuration mechanisms, masks, sizing, decoding, MSI-X, interrupt routing. */
#include "../unit/cmocka_all.h"

#include <string.h>

#include "pci_machine.h"

enum { SLOT = PCI_DEVFN(5, 0), MSIX_BAR = 4, VECTORS = 3 };

/* A function with one BAR of each kind that remembers the last access. */
struct probe {
    struct pci_function pci;
    unsigned region;
    struct io_access last;
};

static enum io_result probe_io(struct device *d, unsigned region, struct io_access *a)
{
    struct probe *p = container_of(d, struct probe, pci.dev);
    if (region == MSIX_BAR)
        return pci_msix_io(&p->pci, a);
    p->region = region;
    if (!a->write)
        a->val = 0x1234;
    p->last = *a;
    return IO_OK;
}

static void probe_reset(struct device *d, enum reset_kind kind)
{
    pci_function_reset(container_of(d, struct pci_function, dev));
}

static int probe_post_load(struct device *d, struct err *e)
{
    return pci_function_post_load(container_of(d, struct pci_function, dev), e);
}

static const struct state_desc probe_state[] = {PCI_FUNCTION_STATE, STATE_END};
static const struct device_type probe_type = {
    .name = "probe",
    .size = sizeof(struct probe),
    .state = probe_state,
    .io = probe_io,
    .reset = probe_reset,
    .post_load = probe_post_load,
};

struct world {
    struct pci_machine *m;
    struct probe *p;
};

static int setup(void **state)
{
    static struct world w;
    static const struct pci_identity id = {0x1234, 0x5678, 0x9abc, 0xdef0, 0x0c0330, 7, 1};
    w.m = pci_machine_create();
    w.p = (struct probe *)device_alloc(&probe_type, "probe");
    assert_int_equal(device_init(&w.p->pci.dev, NULL), 0);
    assert_int_equal(pci_function_init(&w.p->pci, &w.m->bus, SLOT, &id, NULL, NULL), 0);
    pci_add_bar(&w.p->pci, 0, PCI_BAR_KIND_IO, false, 32);
    pci_add_bar(&w.p->pci, 1, PCI_BAR_KIND_MEM32, false, 0x2000);
    pci_add_bar(&w.p->pci, 2, PCI_BAR_KIND_MEM64, true, 0x200000000);
    pci_add_msix(&w.p->pci, MSIX_BAR, VECTORS);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    pci_function_fini(&w->p->pci);
    device_destroy(&w->p->pci.dev);
    pci_machine_destroy(w->m);
    return 0;
}

static void test_identity(void **state)
{
    struct world *w = *state;
    assert_int_equal(test_config_read(w->m, 0, 0, 4), 0x29c08086);
    assert_int_equal(test_config_read(w->m, PCI_DEVFN(31, 0), 0, 4), 0x29188086);
    assert_int_equal(test_config_read(w->m, SLOT, 0, 4), 0x56781234);
    assert_int_equal(test_config_read(w->m, SLOT, 8, 4), 0x0c033007);
    assert_int_equal(test_config_read(w->m, SLOT, 0x2c, 4), 0xdef09abc);
    assert_int_equal(test_config_read(w->m, SLOT, 0x0e, 1), 0);
    /* Bytes and words of a doubleword. */
    assert_int_equal(test_config_read(w->m, SLOT, 2, 2), 0x5678);
    assert_int_equal(test_config_read(w->m, SLOT, 3, 1), 0x56);
    /* Nobody there. */
    assert_int_equal(test_config_read(w->m, PCI_DEVFN(6, 0), 0, 4), 0xffffffff);
}

static void test_mechanism_1(void **state)
{
    struct world *w = *state;
    test_port_write(w->m, 0xcf8, 4, 0xffffffff);
    assert_int_equal(test_port_read(w->m, 0xcf8, 4), 0x80fffffc);
    /* Bytes do not reach the address register; bus 255 is empty. */
    test_port_write(w->m, 0xcf8, 1, 0);
    assert_int_equal(test_port_read(w->m, 0xcf8, 4), 0x80fffffc);
    assert_int_equal(test_port_read(w->m, 0xcfc, 4), 0xffffffff);
    /* Without the enable bit the data port is not there. */
    test_port_write(w->m, 0xcf8, 4, 0);
    assert_int_equal(test_port_read(w->m, 0xcfc, 4), 0xffffffff);
    test_port_write(w->m, 0xcf8, 4, 0x80000000);
    assert_int_equal(test_port_read(w->m, 0xcfe, 2), 0x29c0);
    /* A doubleword that leaves the ports. */
    assert_int_equal(test_port_read(w->m, 0xcfe, 4), 0xffffffff);
}

static void test_ecam(void **state)
{
    struct world *w = *state;
    const u64 base = 0xb0000000;
    assert_int_equal(test_mmio_read(w->m, base, 4), 0xffffffff);
    pci_mch_set_ecam(w->m->mch, base);
    assert_int_equal(test_mmio_read(w->m, base, 4), 0x29c08086);
    assert_int_equal(test_mmio_read(w->m, base + (SLOT << 12), 4), 0x56781234);
    assert_int_equal(test_mmio_read(w->m, base + (SLOT << 12) + 256, 4), 0xffffffff);
    assert_int_equal(test_mmio_read(w->m, base + (1 << 20), 4), 0xffffffff);
    test_mmio_write(w->m, base + (SLOT << 12) + 0x3c, 1, 0x5a);
    assert_int_equal(test_config_read(w->m, SLOT, 0x3c, 2), 0x015a);
    /* The guest moves the window, then shrinks it to 64 buses, then switches it off. */
    test_config_write(w->m, 0, 0x60, 4, 0xc0000001);
    assert_int_equal(test_mmio_read(w->m, base, 4), 0xffffffff);
    assert_int_equal(test_mmio_read(w->m, 0xc0000000, 4), 0x29c08086);
    test_config_write(w->m, 0, 0x60, 4, 0xc0000005);
    struct io_access a = {.size = 4};
    assert_int_equal(bus_access(w->m->mmio, 0xc4000000, &a), IO_UNCLAIMED);
    test_config_write(w->m, 0, 0x60, 4, 0xc0000000);
    assert_int_equal(test_mmio_read(w->m, 0xc0000000, 4), 0xffffffff);
}

static void test_read_only_bits(void **state)
{
    struct world *w = *state;
    for (unsigned reg = 0; reg < 256; reg += 4)
        test_config_write(w->m, SLOT, reg, 4, 0xffffffff);
    assert_int_equal(test_config_read(w->m, SLOT, 0, 4), 0x56781234);
    assert_int_equal(test_config_read(w->m, SLOT, 4, 2), 0x0547);
    assert_int_equal(test_config_read(w->m, SLOT, 8, 4), 0x0c033007);
    assert_int_equal(test_config_read(w->m, SLOT, 0x34, 1), 0x40);
    assert_int_equal(test_config_read(w->m, SLOT, 0x3c, 4), 0x01ff);
    assert_int_equal(test_config_read(w->m, SLOT, 0x30, 4), 0);
}

static void test_sizing(void **state)
{
    struct world *w = *state;
    for (unsigned n = 0; n < 6; n++)
        test_config_write(w->m, SLOT, 0x10 + 4 * n, 4, 0xffffffff);
    assert_int_equal(test_config_read(w->m, SLOT, 0x10, 4), 0xffe1);
    assert_int_equal(test_config_read(w->m, SLOT, 0x14, 4), 0xffffe000);
    assert_int_equal(test_config_read(w->m, SLOT, 0x18, 4), 0x0000000c);
    assert_int_equal(test_config_read(w->m, SLOT, 0x1c, 4), 0xfffffffe);
    assert_int_equal(test_config_read(w->m, SLOT, 0x20, 4), 0xfffff000);
    assert_int_equal(test_config_read(w->m, SLOT, 0x24, 4), 0);
}

static void test_decoding(void **state)
{
    struct world *w = *state;
    test_config_write(w->m, SLOT, 0x14, 4, 0xd0000000);
    assert_int_equal(test_mmio_read(w->m, 0xd0000000, 4), 0xffffffff);
    test_config_write(w->m, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    assert_int_equal(test_mmio_read(w->m, 0xd0001ffc, 4), 0x1234);
    assert_int_equal(w->p->last.off, 0x1ffc);
    assert_int_equal(w->p->region, 1);
    /* It moves. */
    test_config_write(w->m, SLOT, 0x14, 4, 0xd0010000);
    assert_int_equal(test_mmio_read(w->m, 0xd0000000, 4), 0xffffffff);
    assert_int_equal(test_mmio_read(w->m, 0xd0010000, 4), 0x1234);
    /* Onto another one's place: the first keeps it, and nothing breaks. */
    test_config_write(w->m, SLOT, 0x20, 4, 0xd0010000);
    assert_int_equal(test_mmio_read(w->m, 0xd0010000, 4), 0x1234);
    /* All ones in a 64-bit register would end beyond the address space. */
    test_config_write(w->m, SLOT, 0x1c, 4, 0xffffffff);
    test_config_write(w->m, SLOT, 0x18, 4, 0xffffffff);
    test_config_write(w->m, SLOT, PCI_COMMAND, 2, 0);
    assert_int_equal(test_mmio_read(w->m, 0xd0010000, 4), 0xffffffff);
    assert_int_equal(test_port_read(w->m, 0xc000, 1), 0xff);
}

static void test_assign(void **state)
{
    struct world *w = *state;
    struct err e;
    pci_machine_assign(w->m);
    assert_int_equal(test_config_read(w->m, SLOT, 0x10, 4), 0xc001);
    assert_int_equal(test_config_read(w->m, SLOT, 0x14, 4), 0xe0000000);
    assert_int_equal(test_config_read(w->m, SLOT, 0x18, 4), 0x0000000c);
    assert_int_equal(test_config_read(w->m, SLOT, 0x1c, 4), 0x8);
    assert_int_equal(test_config_read(w->m, SLOT, 0x20, 4), 0xe0002000);
    assert_int_equal(test_config_read(w->m, SLOT, 0x3c, 1), 11);
    assert_int_equal(test_port_read(w->m, 0xc01f, 1), 0x34);
    assert_int_equal(test_mmio_read(w->m, 0x9ffffffffull, 1), 0x34);
    /* No window for 64 bits, and 8 GiB do not fit below 4. */
    struct pci_windows small = {0xc000, 0x100, 0xe0000000, 0x10000, 0, 0, {0}};
    assert_int_equal(pci_assign(&w->m->bus, &small, &e), -28);
    assert_non_null(strstr(e.text, "probe"));
}

static void test_reset(void **state)
{
    struct world *w = *state;
    pci_machine_assign(w->m);
    device_reset(&w->p->pci.dev, RESET_WARM);
    assert_int_equal(test_config_read(w->m, SLOT, PCI_COMMAND, 2), 0);
    assert_int_equal(test_config_read(w->m, SLOT, 0x18, 4), 0xc);
    assert_int_equal(test_mmio_read(w->m, 0xe0000000, 4), 0xffffffff);
    assert_int_equal(test_config_read(w->m, SLOT, PCI_STATUS, 2), PCI_STATUS_CAPABILITIES);
}

static void raise_vector(struct world *w, unsigned n)
{
    with_lock(&w->p->pci.dev.lock);
    pci_msix_raise(&w->p->pci, n);
}

static void test_msix(void **state)
{
    struct world *w = *state;
    pci_machine_assign(w->m);
    u64 table = test_config_read(w->m, SLOT, 0x20, 4), pba = table + 0x800;
    u8 cap = (u8)test_config_read(w->m, SLOT, PCI_CAPABILITIES, 1);
    assert_int_equal(test_config_read(w->m, SLOT, cap, 1), PCI_CAP_MSIX);
    assert_int_equal(test_config_read(w->m, SLOT, cap + 2u, 2), VECTORS - 1);
    assert_int_equal(test_config_read(w->m, SLOT, cap + 4u, 4), MSIX_BAR);
    /* Every vector comes up masked. */
    assert_int_equal(test_mmio_read(w->m, table + 12, 4), 1);
    for (unsigned n = 0; n < VECTORS; n++) {
        test_mmio_write(w->m, table + 16 * n, 4, 0xfee01000);
        test_mmio_write(w->m, table + 16 * n + 4, 4, 0);
        test_mmio_write(w->m, table + 16 * n + 8, 4, 0x50 + n);
    }
    raise_vector(w, 0); /* not enabled: nothing, and nothing remembered */
    test_config_write(w->m, SLOT, cap + 2u, 2, 0xffff);
    assert_int_equal(test_config_read(w->m, SLOT, cap + 2u, 2), 0xc002);
    raise_vector(w, 1);
    raise_vector(w, 2);
    raise_vector(w, 99);
    assert_int_equal(test_mmio_read(w->m, pba, 4), 6);
    assert_int_equal(test_mmio_read(w->m, pba, 8), 6);
    test_mmio_write(w->m, pba, 8, 0); /* read-only */
    test_mmio_write(w->m, table + 16 + 12, 4, 0);
    assert_int_equal(w->m->msi_count, 0);
    test_config_write(w->m, SLOT, cap + 2u, 2, PCI_MSIX_ENABLE);
    assert_int_equal(w->m->msi_count, 1);
    assert_int_equal(w->m->msi_data[0], 0x51);
    assert_int_equal(test_mmio_read(w->m, pba, 4), 4);
    test_mmio_write(w->m, table + 32 + 8, 8, 0x99);
    assert_int_equal(w->m->msi_count, 2);
    assert_int_equal(w->m->msi_data[1], 0x99);
    raise_vector(w, 2);
    assert_int_equal(w->m->msi_count, 3);
    /* Bytes, misaligned words and what lies between table and pending bits. */
    assert_int_equal(test_mmio_read(w->m, table, 1), 0xff);
    assert_int_equal(test_mmio_read(w->m, table + 2, 4), 0xffffffff);
    assert_int_equal(test_mmio_read(w->m, table + 16 * VECTORS, 4), 0);
    assert_int_equal(test_mmio_read(w->m, table + 16 * VECTORS - 4, 8), ~(u64)0);
}

static void set_pin(struct pci_function *f, bool level)
{
    with_lock(&f->dev.lock);
    pci_function_set_intx(f, level);
}

static void test_intx(void **state)
{
    struct world *w = *state;
    struct pci_machine *m = w->m;
    set_pin(&w->p->pci, true); /* slot 5, INTA: line 1 */
    assert_true(m->pirq[1]);
    assert_false(m->pirq[0]);
    assert_int_equal(test_config_read(m, SLOT, PCI_STATUS, 2) & PCI_STATUS_INTX, PCI_STATUS_INTX);
    test_config_write(m, SLOT, PCI_COMMAND, 2, PCI_COMMAND_INTX_OFF);
    assert_false(m->pirq[1]);
    test_config_write(m, SLOT, PCI_COMMAND, 2, 0);
    assert_true(m->pirq[1]);
    /* To the 8259s when the LPC bridge routes it. */
    assert_false(m->isa[10]);
    test_config_write(m, PCI_DEVFN(31, 0), 0x61, 1, 10);
    assert_true(m->isa[10]);
    test_config_write(m, PCI_DEVFN(31, 0), 0x61, 1, 11);
    assert_false(m->isa[10]);
    assert_true(m->isa[11]);
    /* Two functions on one line: it falls when both are done. */
    static const struct pci_identity id = {.vendor = 1, .pin = 1};
    struct probe *other = (struct probe *)device_alloc(&probe_type, "other");
    assert_int_equal(pci_function_init(&other->pci, &m->bus, SLOT, &id, NULL, NULL), -17);
    assert_int_equal(pci_function_init(&other->pci, &m->bus, PCI_DEVFN(9, 0), &id, NULL, NULL), 0);
    set_pin(&other->pci, true);
    set_pin(&w->p->pci, false);
    assert_true(m->pirq[1]);
    pci_function_fini(&other->pci);
    assert_false(m->pirq[1]);
    assert_false(m->isa[11]);
    device_destroy(&other->pci.dev);
}

static void test_reset_port(void **state)
{
    struct world *w = *state;
    test_port_write(w->m, 0xcf9, 1, 2);
    assert_int_equal(w->m->resets, 0);
    test_port_write(w->m, 0xcf9, 1, 6);
    test_port_write(w->m, 0xcf9, 1, 6);
    assert_int_equal(w->m->resets, 1);
    assert_int_equal(test_port_read(w->m, 0xcf9, 1), 6);
}

static void test_pmbase(void **state)
{
    struct world *w = *state;
    w->m->lpc->pm = &w->p->pci.dev;
    w->m->lpc->pm_region = 7;
    pci_lpc_set_pmbase(w->m->lpc, 0x600);
    assert_int_equal(test_config_read(w->m, PCI_DEVFN(31, 0), 0x40, 4), 0x601);
    assert_int_equal(test_port_read(w->m, 0x608, 4), 0x1234);
    assert_int_equal(w->p->region, 7);
    assert_int_equal(w->p->last.off, 8);
    test_config_write(w->m, PCI_DEVFN(31, 0), 0x44, 1, 0);
    assert_int_equal(test_port_read(w->m, 0x608, 4), 0xffffffff);
    w->m->lpc->pm = NULL;
}

static void test_load(void **state)
{
    struct world *w = *state;
    u8 saved[4096];
    pci_machine_assign(w->m);
    set_pin(&w->p->pci, true);
    size_t n = device_save(&w->p->pci.dev, saved, sizeof saved);
    assert_in_range(n, 256, sizeof saved);
    device_reset(&w->p->pci.dev, RESET_COLD);
    assert_int_equal(device_load(&w->p->pci.dev, saved, n, NULL), 0);
    assert_int_equal(test_mmio_read(w->m, 0xe0000000, 4), 0x1234);
    assert_true(w->m->pirq[1]);
    /* A snapshot from an enemy cannot make a function another one. */
    memset(saved, 1, n);
    assert_int_equal(device_load(&w->p->pci.dev, saved, n, NULL), 0);
    assert_int_equal(test_config_read(w->m, SLOT, 0, 4), 0x56781234);
    assert_int_equal(test_config_read(w->m, SLOT, 0x34, 1), 0x40);
}

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_identity), ROW(test_mechanism_1), ROW(test_ecam),       ROW(test_read_only_bits),
        ROW(test_sizing),   ROW(test_decoding),    ROW(test_assign),     ROW(test_reset),
        ROW(test_msix),     ROW(test_intx),        ROW(test_reset_port), ROW(test_pmbase),
        ROW(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
