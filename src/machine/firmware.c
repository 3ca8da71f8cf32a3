/* SPDX-License-Identifier: BSD-2-Clause */
/* What a PC's firmware has done when it starts a kernel: buses configured, tables in memory,
 * processors with memory types and interrupt pins set. The same steps serve a reset. */
#include "base/bits.h"
#include "base/mem.h"
#include "machine/acpi/acpi.h"
#include "machine/boot/boot.h"
#include "machine/machine_priv.h"
#include "machine/pc_map.h"
#include "machine/smbios.h"

#include <errno.h>

int firmware_build_tables(struct machine *m, const struct machine_config *c, struct err *e)
{
    u32 apic_id[VM_CPUS_MAX];
    for (unsigned i = 0; i < c->cpus; i++)
        apic_id[i] = i;
    struct acpi_config a = {
        .apic_id = apic_id,
        .cpus = c->cpus,
        .keyboard = true,
        .hpet = true,
        .hpet_id = hpet_hardware_id(),
        .pm_timer_32 = m->pm->timer_32,
        .pci64 = m->vm->model.physical_bits >= PC_PCI64_ADDRESS_BITS,
    };
    for (unsigned i = 0; i < MACHINE_SERIALS; i++)
        a.uart[i] = m->uart[i];
    m->tables = mem_alloc(PC_TABLES_SIZE);
    if (!m->tables)
        return err_set(e, -ENOMEM, "building the ACPI tables: no memory");
    int r = acpi_build(m->tables, &a, e);
    if (r)
        return r;
    struct smbios_config s = {
        .cpus = c->cpus, .memory = c->memory, .low_memory = memory_map_low(c->memory)};
    return smbios_build(m->tables + (PC_SMBIOS - PC_TABLES), PC_SMBIOS_SIZE, PC_SMBIOS, &s, e);
}

static int configure_pci(struct machine *m, struct err *e)
{
    struct pci_windows w = {
        .io_base = PC_PORT_PCI,
        .io_size = PC_PORT_PCI_SIZE,
        .mem32_base = PC_PCI32,
        .mem32_size = PC_PCI32_SIZE,
    };
    if (m->vm->model.physical_bits >= PC_PCI64_ADDRESS_BITS) {
        w.mem64_base = PC_PCI64;
        w.mem64_size = PC_PCI64_SIZE;
    }
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        w.irq[i] = pc_irq_pirq[i];
    pci_mch_set_ecam(m->mch, PC_ECAM);
    pci_lpc_set_pmbase(m->lpc, PC_PORT_PM);
    enum { PIRQ_ROUTE = 0x60 }; /* [ICH9 13.1.17] */
    os_mutex_lock(&m->lpc->pci.dev.lock);
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        pci_config_write(&m->lpc->pci, PIRQ_ROUTE + i, pc_irq_pirq[i], 1);
    os_mutex_unlock(&m->lpc->pci.dev.lock);
    return pci_assign(&m->pci, &w, e);
}

/* Memory types [SDM3 11.11.2]: everything write-back but the display's window and the PCI hole. */
static void set_memory_types(const struct machine *m, struct x86_state *s)
{
    enum {
        WRITE_BACK = 6,
        UNCACHED = 0,
        FIXED_ENABLE = 1 << 10,
        ENABLE = 1 << 11,
        VALID = 1 << 11,
        A0000_REGISTER = 2
    };
    s->mtrr_def_type = WRITE_BACK | FIXED_ENABLE | ENABLE;
    for (unsigned i = 0; i < ARRAY_LEN(s->mtrr_fix); i++)
        s->mtrr_fix[i] = i == A0000_REGISTER ? 0 : 0x0606060606060606;
    u64 reach = mask_low(m->vm->model.physical_bits);
    s->mtrr_base[0] = PC_LOW_RAM_END | UNCACHED;
    s->mtrr_mask[0] = (reach & ~(PC_RAM_ABOVE_4G - PC_LOW_RAM_END - 1)) | VALID;
}

/* Virtual-wire mode: the PIC reaches the bootstrap processor through LINT0, NMI through LINT1
 * [MP1.4 3.6.2.2]. */
static void set_local_apic(struct x86_state *s, bool bootstrap)
{
    enum {
        SVR_ENABLE = 1 << 8,
        SPURIOUS = 0xff,
        LINT0 = 4,
        LINT1 = 5,
        EXTINT = 7 << 8,
        NMI = 4 << 8
    };
    if (!bootstrap)
        return;
    s->lapic.svr = SVR_ENABLE | SPURIOUS;
    s->lapic.lvt[LINT0] = EXTINT;
    s->lapic.lvt[LINT1] = NMI;
}

static int start_processors(struct machine *m, struct err *e)
{
    auto_free struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    if (!s)
        return err_set(e, -ENOMEM, "starting the processors: no memory");
    for (unsigned i = 0; i < m->vm->cpus; i++) {
        int r = vm_get_state(m->vm, i, s, e);
        if (r)
            return r;
        set_memory_types(m, s);
        set_local_apic(s, i == 0);
        if (i == 0)
            r = boot_apply(m->plan, m->vm->memory, s, !m->started, e);
        if (!r)
            r = vm_set_state(m->vm, i, s, e);
        if (r)
            return r;
    }
    return 0;
}

/* Guest memory is zero before the first start: then most pages of the area need not be touched, and
 * so need no memory. */
static int write_tables(struct machine *m)
{
    enum { PAGE = 4096 };
    static const u8 zero[PAGE];
    int r = 0;
    for (u64 at = 0; at < PC_TABLES_SIZE && !r; at += PAGE)
        if (m->started || mem_compare(m->tables + at, zero, PAGE) != 0)
            r = guest_memory_write(m->vm->memory, gpa(PC_TABLES + at), m->tables + at, PAGE);
    return r;
}

int firmware_start(struct machine *m, struct err *e)
{
    /* Requests in flight would still write to memory that the kernel is loaded into again. */
    for (unsigned i = 0; i < m->device_count && m->started; i++)
        device_quiesce(m->device[i], true);
    for (unsigned i = 0; i < m->device_count; i++)
        device_reset(m->device[i], m->started ? RESET_WARM : RESET_COLD);
    for (unsigned i = 0; i < m->device_count && m->started; i++)
        device_quiesce(m->device[i], false);
    int r = configure_pci(m, e);
    if (!r)
        r = write_tables(m);
    if (!r)
        r = start_processors(m, e);
    m->started = true;
    return r;
}
