/* SPDX-License-Identifier: BSD-2-Clause */
/* What firmware does on a real machine: an address for every base address register. */
#include "base/bits.h"
#include "device/pci/pci.h"
#include <errno.h>

struct window {
    const char *name;
    u64 next, end;
};

static bool take(struct window *w, u64 size, u64 *at)
{
    u64 base = align_up(w->next, size);
    if (base < w->next || base > w->end || size > w->end - base)
        return false;
    *at = base;
    w->next = base + size;
    return true;
}

enum { WINDOW_IO, WINDOW_MEM32, WINDOW_MEM64, WINDOWS };

/* As behind a bridge: only prefetchable 64-bit memory may live above 4 GiB. */
static unsigned window_of(const struct pci_bar *b, const struct pci_windows *w)
{
    if (b->kind == PCI_BAR_KIND_IO)
        return WINDOW_IO;
    return b->kind == PCI_BAR_KIND_MEM64 && b->prefetch && w->mem64_size ? WINDOW_MEM64
                                                                         : WINDOW_MEM32;
}

static int assign_function(struct pci_function *f, const struct pci_windows *w,
                           struct window windows[WINDOWS], u64 size, struct err *e)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        struct pci_bar *b = &f->bar[n];
        u64 at;
        if (b->kind == PCI_BAR_KIND_NONE || b->size != size)
            continue;
        struct window *win = &windows[window_of(b, w)];
        if (!take(win, size, &at))
            return err_set(e, -ENOSPC, "placing BAR %u of %s: %s window: no room for %llu bytes", n,
                           f->dev.id, win->name, (unsigned long long)size);
        pci_bar_set_address(f, n, at);
    }
    return 0;
}

static void enable_function(struct pci_function *f, const struct pci_windows *w)
{
    u16 command = 0;
    u8 pin = f->config[PCI_INTERRUPT_PIN];
    for (unsigned n = 0; n < PCI_BARS; n++) {
        if (f->bar[n].kind == PCI_BAR_KIND_IO)
            command |= PCI_COMMAND_IO;
        else if (f->bar[n].kind != PCI_BAR_KIND_NONE)
            command |= PCI_COMMAND_MEMORY;
    }
    if (pin)
        pci_config_write(f, PCI_INTERRUPT_LINE, w->irq[pci_intx_pirq(f->devfn >> 3, pin)], 1);
    pci_config_write(f, PCI_COMMAND, command, 2);
}

int pci_assign(struct pci_bus *bus, const struct pci_windows *w, struct err *e)
{
    struct window windows[WINDOWS] = {
        {"port", w->io_base, w->io_base + w->io_size},
        {"32-bit memory", w->mem32_base, w->mem32_base + w->mem32_size},
        {"64-bit memory", w->mem64_base, w->mem64_base + w->mem64_size},
    };
    /* Largest first leaves no holes: every size is a power of two. */
    for (unsigned shift = 63; shift >= 2; shift--) {
        for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
            struct pci_function *f = bus->function[i];
            if (!f)
                continue;
            with_lock(&f->dev.lock);
            int rc = assign_function(f, w, windows, BIT(shift), e);
            if (rc)
                return rc;
        }
    }
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
        struct pci_function *f = bus->function[i];
        if (!f)
            continue;
        with_lock(&f->dev.lock);
        enable_function(f, w);
    }
    return 0;
}
