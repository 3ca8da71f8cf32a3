/* SPDX-License-Identifier: BSD-2-Clause */
/* Port and memory-mapped accesses of a vCPU: counted, timed when that is on, sent to the bus. */
#include "vm/vcpu_priv.h"

#include "base/log.h"
#include "vm/vm_priv.h"
#include "vm/x86/lapic.h"

static u64 time_begin(const struct vcpu *v)
{
    return v->vm->config.time_exits ? os_clock_ns() : 0;
}

static void time_end(struct vcpu *v, enum exit_reason r, u64 begun)
{
    if (begun)
        v->exits.ns[r] += os_clock_ns() - begun;
}

int vcpu_io(struct vcpu *v, u16 port, unsigned size, bool write, u32 *value)
{
    vcpu_in_tier(v, TIER_MONITOR);
    enum exit_reason why = write ? EXIT_PORT_OUT : EXIT_PORT_IN;
    u64 begun = time_begin(v);
    vcpu_count(v, why);
    struct io_access a = {.val = write ? *value : 0, .size = (u8)size, .write = write};
    if (bus_access(v->vm->pio, port, &a) == IO_UNCLAIMED) {
        vcpu_count(v, EXIT_UNCLAIMED_PORT);
        log_guest("port", "nobody at %#x for a %s of %u", port, write ? "write" : "read", size);
    }
    if (!write)
        *value = (u32)a.val;
    time_end(v, why, begun);
    return vm_held(v->vm);
}

/* The register page of the processor's own local APIC comes before the bus [SDM3 10.4.1]. */
static bool own_lapic(struct vcpu *v, u64 addr)
{
    return !(v->vm->engine->caps & ENGINE_LAPIC) && lapic_has_mmio(v) &&
           (addr ^ v->lapic.base) >> 12 == 0;
}

int vcpu_mmio(struct vcpu *v, gpa_t addr, unsigned size, bool write, u64 *value)
{
    vcpu_in_tier(v, TIER_MONITOR);
    enum exit_reason why = write ? EXIT_MMIO_WRITE : EXIT_MMIO_READ;
    u64 begun = time_begin(v);
    vcpu_count(v, why);
    if (own_lapic(v, addr.v)) {
        lapic_mmio(v, addr.v & 0xfff, size, write, value);
    } else {
        struct io_access a = {.val = write ? *value : 0, .size = (u8)size, .write = write};
        if (bus_access(v->vm->mmio, addr.v, &a) == IO_UNCLAIMED) {
            vcpu_count(v, EXIT_UNCLAIMED_MMIO);
            log_guest("mmio", "nobody at %#llx for a %s of %u", (unsigned long long)addr.v,
                      write ? "write" : "read", size);
        }
        if (!write)
            *value = a.val;
    }
    time_end(v, why, begun);
    return vm_held(v->vm);
}
