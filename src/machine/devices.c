/* SPDX-License-Identifier: BSD-2-Clause */
/* Every device type of this build, sorted by name. */
#include "device/misc/debug_port.h"
#include "device/virtio/blk.h"
#include "device/virtio/console.h"
#include "device/virtio/rng.h"
#include "device/virtio/virtio_pci.h"
#include "machine/machine_priv.h"

/* A line each. */
/* clang-format off */
static const struct device_type *const types[] = {
    &acpi_pm_type,
    &debug_port_type,
    &exit_port_type,
    &hpet_type,
    &i8042_type,
    &pci_lpc_type,
    &ioapic_type,
    &pci_host_type,
    &pic8259_type,
    &pit8254_type,
    &post_port_type,
    &pci_mch_type,
    &reset_port_type,
    &rtc_cmos_type,
    &uart16550_type,
    &virtio_blk_type,
    &virtio_console_type,
    &virtio_pci_type,
    &virtio_rng_type,
    NULL,
};
/* clang-format on */

const struct device_type *const *machine_device_types(void)
{
    return types;
}
