/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine with nothing but a PCI bus. */
#include "pci_machine.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"

static void *ram_ptr(struct dma *d, gpa_t addr, u64 len)
{
    struct pci_machine *m = container_of(d, struct pci_machine, dma);
    u64 half = TEST_RAM_SEAM - TEST_RAM_BASE;
    if (range_inside(addr.v, len, TEST_RAM_BASE, half) ||
        range_inside(addr.v, len, TEST_RAM_SEAM, TEST_RAM_SIZE - half))
        return m->ram + (addr.v - TEST_RAM_BASE);
    return NULL;
}

static void ram_written(struct dma *d, gpa_t addr, u64 len)
{
    struct pci_machine *m = container_of(d, struct pci_machine, dma);
    /* A device must never report what is not RAM. */
    if (!range_inside(addr.v, len, TEST_RAM_BASE, TEST_RAM_SIZE))
        abort();
    __atomic_fetch_add(&m->dma_written_bytes, len, __ATOMIC_RELAXED);
}

static void record_level(void *ctx, unsigned n, bool level)
{
    ((bool *)ctx)[n] = level;
}

static void record_msi(void *ctx, u64 addr, u32 data)
{
    struct pci_machine *m = ctx;
    m->msi_data[m->msi_count % TEST_MSI_MAX] = data;
    /* Only the device's lock holder comes here; the tests' threads watch the count. */
    __atomic_store_n(&m->msi_count, m->msi_count + 1, __ATOMIC_RELEASE);
}

static void record_reset(void *ctx)
{
    ((struct pci_machine *)ctx)->resets++;
}

static void must(int rc, const struct err *e)
{
    if (rc) {
        fprintf(stderr, "test machine: %s\n", e->text);
        exit(1);
    }
}

struct pci_machine *pci_machine_create(void)
{
    static const struct dma_ops ops = {.ptr = ram_ptr, .written = ram_written};
    struct pci_machine *m = calloc(1, sizeof *m);
    struct err e;
    m->dma.ops = &ops;
    must(bus_create(&m->pio, "port", &e), &e);
    must(bus_create(&m->mmio, "memory", &e), &e);
    pci_bus_init(&m->bus, m->pio, m->mmio);
    m->bus.msi = (struct msi_sink){record_msi, m};
    for (unsigned n = 0; n < PCI_PIRQS; n++)
        m->bus.pirq[n] = (struct irq_line){record_level, m->pirq, n};
    for (unsigned n = 0; n < 16; n++)
        m->bus.isa[n] = (struct irq_line){record_level, m->isa, n};
    m->host = (struct pci_host *)device_alloc(&pci_host_type, "host");
    m->host->bus = &m->bus;
    m->host->reset_request = record_reset;
    m->host->reset_ctx = m;
    must(device_init(&m->host->dev, &e), &e);
    must(
        bus_map(m->pio, PCI_HOST_PORT_BASE, PCI_HOST_PORT_COUNT, &m->host->dev, PCI_HOST_PORTS, &e),
        &e);
    m->mch = (struct pci_mch *)device_alloc(&pci_mch_type, "mch");
    m->mch->bus = &m->bus;
    m->mch->host = m->host;
    must(device_init(&m->mch->pci.dev, &e), &e);
    m->lpc = (struct pci_lpc *)device_alloc(&pci_lpc_type, "lpc");
    m->lpc->bus = &m->bus;
    must(device_init(&m->lpc->pci.dev, &e), &e);
    return m;
}

void pci_machine_destroy(struct pci_machine *m)
{
    device_destroy(&m->lpc->pci.dev);
    device_destroy(&m->mch->pci.dev);
    device_destroy(&m->host->dev);
    bus_destroy(m->pio);
    bus_destroy(m->mmio);
    free(m);
}

void pci_machine_assign(struct pci_machine *m)
{
    static const struct pci_windows w = {
        .io_base = 0xc000,
        .io_size = 0x1000,
        .mem32_base = 0xe0000000,
        .mem32_size = 0x1000000,
        .mem64_base = 0x800000000,
        .mem64_size = 0x400000000,
        .irq = {10, 11, 10, 11},
    };
    struct err e;
    must(pci_assign(&m->bus, &w, &e), &e);
}

u8 *test_ram(struct pci_machine *m, u64 addr)
{
    return m->ram + (addr - TEST_RAM_BASE);
}

enum io_result test_mmio(struct pci_machine *m, u64 addr, unsigned size, bool write, u64 *value)
{
    struct io_access a = {.val = write ? *value : 0, .size = (u8)size, .write = write};
    enum io_result r = bus_access(m->mmio, addr, &a);
    *value = a.val & mask_low(8 * size);
    return r;
}

u64 test_mmio_read(struct pci_machine *m, u64 addr, unsigned size)
{
    u64 v = 0;
    test_mmio(m, addr, size, false, &v);
    return v;
}

void test_mmio_write(struct pci_machine *m, u64 addr, unsigned size, u64 value)
{
    test_mmio(m, addr, size, true, &value);
}

u64 test_port_read(struct pci_machine *m, u16 port, unsigned size)
{
    struct io_access a = {.size = (u8)size};
    bus_access(m->pio, port, &a);
    return a.val & mask_low(8 * size);
}

void test_port_write(struct pci_machine *m, u16 port, unsigned size, u64 value)
{
    struct io_access a = {.val = value, .size = (u8)size, .write = true};
    bus_access(m->pio, port, &a);
}

u32 test_config_read(struct pci_machine *m, u8 devfn, unsigned reg, unsigned size)
{
    test_port_write(m, 0xcf8, 4, 0x80000000u | (u32)devfn << 8 | (reg & 0xfc));
    return (u32)test_port_read(m, (u16)(0xcfc + (reg & 3)), size);
}

void test_config_write(struct pci_machine *m, u8 devfn, unsigned reg, unsigned size, u32 value)
{
    test_port_write(m, 0xcf8, 4, 0x80000000u | (u32)devfn << 8 | (reg & 0xfc));
    test_port_write(m, (u16)(0xcfc + (reg & 3)), size, value);
}
