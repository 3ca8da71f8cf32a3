/* SPDX-License-Identifier: BSD-2-Clause */
/* A PCI bus and the functions on it. A device on the bus begins with a struct pci_function, calls
 * pci_function_init and the pci_add_* calls in its own init, and answers in its io() for the
 * regions numbered as its base address registers. */
#ifndef DEVICE_PCI_PCI_H
#define DEVICE_PCI_PCI_H

#include "device/pci/regs.h"
#include "vm/bus.h"
#include "vm/device.h"

#define PCI_DEVFN(slot, function) ((u8)((slot) << 3 | (function)))

enum { PCI_FUNCTIONS = 256, PCI_PIRQS = 4, PCI_MSIX_VECTORS = 64 };

struct pci_function;

/* One bus segment: who sits where, and where interrupt pins end. */
struct pci_bus {
    struct bus *pio, *mmio; /* where base address registers decode */
    struct pci_function *function[PCI_FUNCTIONS];
    struct msi_sink msi;

    struct os_mutex irq_lock;        /* the fields below */
    u16 asserted[PCI_PIRQS];         /* how many functions hold the line */
    u8 route[PCI_PIRQS];             /* ISA interrupt, or bit 7: not routed [ICH9 13.1.17] */
    struct irq_line pirq[PCI_PIRQS]; /* I/O APIC pins */
    struct irq_line isa[16];         /* for guests without an I/O APIC */
};

void pci_bus_init(struct pci_bus *bus, struct bus *pio, struct bus *mmio);
/* The routing register of PIRQ n as the LPC bridge holds it. */
void pci_bus_route_pirq(struct pci_bus *bus, unsigned n, u8 route);
/* Which of the four lines pin (1..4 for INTA..INTD) of a slot drives: the _PRT says the same. */
static inline unsigned pci_intx_pirq(unsigned slot, unsigned pin)
{
    return (slot + pin - 1) % PCI_PIRQS;
}

struct pci_identity {
    u16 vendor, device, subsystem_vendor, subsystem;
    u32 class_code; /* class, sub-class, interface: 0x010000 */
    u8 revision;
    u8 pin; /* 1..4: INTA..INTD; 0: none */
};

struct pci_function_ops {
    /* After the guest changed [off, off+size). Under the function's lock. May be NULL. */
    void (*config_written)(struct pci_function *f, unsigned off, unsigned size);
    /* Before the guest reads it: registers that are windows onto something else. May be NULL. */
    void (*config_reading)(struct pci_function *f, unsigned off, unsigned size);
};

enum pci_bar_kind { PCI_BAR_KIND_NONE, PCI_BAR_KIND_IO, PCI_BAR_KIND_MEM32, PCI_BAR_KIND_MEM64 };
struct pci_bar {
    enum pci_bar_kind kind;
    bool prefetch;
    bool mapped;
    u64 size;
    u64 mapped_at; /* meaningful while mapped */
};

struct pci_msix {
    u8 cap; /* offset of the capability; 0: the function has none */
    u8 bar;
    u16 vectors;
    u8 table[PCI_MSIX_VECTORS * PCI_MSIX_ENTRY_SIZE];
    u64 pending;
};

struct pci_function {
    struct device dev; /* first; its lock protects all of this */
    struct pci_bus *bus;
    u8 devfn;
    const struct pci_function_ops *ops;
    u8 config[PCI_CONFIG_SIZE];
    u8 reset_config[PCI_CONFIG_SIZE];
    u8 writable[PCI_CONFIG_SIZE];
    u8 clear_by_one[PCI_CONFIG_SIZE];
    struct pci_bar bar[PCI_BARS];
    u8 last_cap, next_cap;
    struct pci_msix msix;
    bool intx;        /* the function wants its pin asserted */
    bool intx_driven; /* and the bus counts it */
};

/* Rows for the state table of a type whose instance begins with a struct pci_function. */
#define PCI_FUNCTION_STATE                                                                         \
    {"pci.config", STATE_BYTES, offsetof(struct pci_function, config), PCI_CONFIG_SIZE},           \
        {"pci.msix.table", STATE_BYTES, offsetof(struct pci_function, msix.table),                 \
         PCI_MSIX_VECTORS * PCI_MSIX_ENTRY_SIZE},                                                  \
        {"pci.msix.pending", STATE_U64, offsetof(struct pci_function, msix.pending), 1},           \
    {                                                                                              \
        "pci.intx", STATE_BOOL, offsetof(struct pci_function, intx), 1                             \
    }

/* Puts f on the bus at devfn. -EEXIST names the slot. */
int pci_function_init(struct pci_function *f, struct pci_bus *bus, u8 devfn,
                      const struct pci_identity *id, const struct pci_function_ops *ops,
                      struct err *e) must_check;
void pci_function_fini(struct pci_function *f);
/* The parts of a device's own reset and post_load that are the function's. */
void pci_function_reset(struct pci_function *f);
int pci_function_post_load(struct pci_function *f, struct err *e) must_check;

/* Size is a power of two, at least 16 for ports and 4096 for memory. A 64-bit one takes the next
 * register too. */
void pci_add_bar(struct pci_function *f, unsigned n, enum pci_bar_kind kind, bool prefetch,
                 u64 size);
/* Appends a capability of size bytes (with its two-byte header) and returns its offset. */
u8 pci_add_capability(struct pci_function *f, u8 id, u8 size);
/* Table at the start of BAR `bar`, pending bits at 0x800; the BAR is made here: 4 KiB. */
void pci_add_msix(struct pci_function *f, unsigned bar, unsigned vectors);
/* Declares further registers: reset value and masks. */
void pci_add_regs(struct pci_function *f, const struct reg_desc *regs);

/* Configuration accesses; off + size beyond the space reads all ones. Under the function's lock. */
u32 pci_config_read(struct pci_function *f, unsigned off, unsigned size);
void pci_config_write(struct pci_function *f, unsigned off, u32 value, unsigned size);

/* Maps and unmaps base address registers after they or the command register changed. */
void pci_bars_update(struct pci_function *f);
u64 pci_bar_address(const struct pci_function *f, unsigned n);
void pci_bar_set_address(struct pci_function *f, unsigned n, u64 address);

/* The function's interrupt pin. Under its lock. */
void pci_function_set_intx(struct pci_function *f, bool level);

bool pci_msix_enabled(const struct pci_function *f);
/* Sends vector n, or remembers it while it is masked. */
void pci_msix_raise(struct pci_function *f, unsigned n);
/* An access to the MSI-X BAR. */
enum io_result pci_msix_io(struct pci_function *f, struct io_access *a);
void pci_msix_control_written(struct pci_function *f);

/* The host's side: configuration mechanism 1, ECAM, and the reset control register among them. */
enum { PCI_HOST_PORTS, PCI_HOST_ECAM };
enum { PCI_HOST_PORT_BASE = 0xcf8, PCI_HOST_PORT_COUNT = 8 };
extern const struct device_type pci_host_type;
struct pci_host {
    struct device dev;
    struct pci_bus *bus;
    void (*reset_request)(void *ctx); /* a write to port 0xcf9 asked for a reset; may be NULL */
    void *reset_ctx;
    u32 address; /* port 0xcf8 */
    u8 reset_control;
};

/* 8086:29c0 at 00:00.0. */
extern const struct device_type pci_mch_type;
struct pci_mch {
    struct pci_function pci;
    struct pci_bus *bus;   /* given before init */
    struct pci_host *host; /* given before init: whose ECAM region PCIEXBAR places */
    bool ecam_mapped;
};
/* What firmware would do: ECAM for 256 buses at base (a multiple of 256 MiB below 64 GiB). */
void pci_mch_set_ecam(struct pci_mch *m, u64 base);

/* 8086:2918 at 00:1f.0. */
extern const struct device_type pci_lpc_type;
struct pci_lpc {
    struct pci_function pci;
    struct pci_bus *bus; /* given before init */
    struct device *pm;   /* given before init: answers in the 128 ports at PMBASE; may be NULL */
    unsigned pm_region;
    bool pm_mapped;
};
void pci_lpc_set_pmbase(struct pci_lpc *l, u16 base);

/* Windows that base address registers are placed in, and the interrupt line register's values. */
struct pci_windows {
    u64 io_base, io_size;
    u64 mem32_base, mem32_size;
    u64 mem64_base, mem64_size; /* size 0: everything goes below 4 GiB */
    u8 irq[PCI_PIRQS];
};
/* Gives every base address register an address, largest first, by slot; the same machine always
 * gets the same map. Switches decoding on. -ENOSPC names the device. */
int pci_assign(struct pci_bus *bus, const struct pci_windows *w, struct err *e) must_check;

#endif
