/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space by ports and ECAM, and whatever the BARs are moved to. */
#include <stdlib.h>
#include <string.h>

#include "device/virtio/rng.h"
#include "hostile_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fill(struct entropy *s, void *dst, size_t n)
{
    memset(dst, 0x42, n);
    return 0;
}

static const u8 slots[] = {PCI_DEVFN(0, 0), PCI_DEVFN(3, 0), PCI_DEVFN(31, 0), PCI_DEVFN(7, 0)};

static void step(struct pci_machine *m, struct input *in)
{
    static const u64 bases[] = {0xb0000000, 0xe0000000, 0xe0004000, 0, 0xffffffffffff0000};
    u8 devfn = slots[input_take(in, 1) % ARRAY_LEN(slots)];
    unsigned size = 1u << input_take(in, 1) % 4;
    u64 value;
    switch (input_take(in, 1) % 6) {
    case 0:
        test_config_write(m, devfn, (unsigned)input_take(in, 1), size, (u32)input_take(in, 4));
        break;
    case 1: test_config_read(m, devfn, (unsigned)input_take(in, 1), size); break;
    case 2:
        value = input_take(in, 4);
        test_mmio(m, 0xb0000000 + ((u64)devfn << 12) + input_take(in, 2) % 0x1100, size,
                  input_take(in, 1) & 1, &value);
        break;
    case 3:
        test_port_write(m, (u16)(0xcf8 + input_take(in, 1) % 8), size, input_take(in, 4));
        break;
    case 4: test_port_read(m, (u16)(0xcf8 + input_take(in, 1) % 8), size); break;
    case 5:
        value = input_take(in, 4);
        test_mmio(m, bases[input_take(in, 1) % ARRAY_LEN(bases)] + input_take(in, 2), size,
                  input_take(in, 1) & 1, &value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct pci_machine *m = pci_machine_create();
    struct entropy entropy = {.fill = fill};
    struct driver d;
    struct virtio_rng *r = (struct virtio_rng *)device_alloc(&virtio_rng_type, "rng0");
    r->entropy = &entropy;
    if (device_init(&r->virtio.dev, NULL))
        abort();
    driver_attach(&d, m, &r->virtio);
    pci_mch_set_ecam(m->mch, 0xb0000000);
    for (unsigned i = 0; in.size && i < 400; i++)
        step(m, &in);
    /* What identifies a function is never changed. */
    if (test_config_read(m, PCI_DEVFN(3, 0), 0, 4) != 0x10441af4 ||
        test_config_read(m, PCI_DEVFN(31, 0), 0, 4) != 0x29188086)
        abort();
    driver_detach(&d);
    device_destroy(&r->virtio.dev);
    pci_machine_destroy(m);
    return 0;
}
