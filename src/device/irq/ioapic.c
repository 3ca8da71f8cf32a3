/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O APIC after the 82093AA data sheet [82093AA] and, for the EOI register of version 20h, the
 * ICH9 data book [ICH9 13.5]. */
#include "device/irq/ioapic.h"

#include "base/bits.h"

enum { MMIO_SELECT = 0x00, MMIO_WINDOW = 0x10, MMIO_EOI = 0x40 };
enum { REG_ID = 0, REG_VERSION = 1, REG_ARBITRATION = 2, REG_TABLE = 0x10 };
enum { VERSION = 0x20 | (IOAPIC_PINS - 1) << 16 };
#define RTE_LOGICAL    BIT(11)
#define RTE_REMOTE_IRR BIT(14)
#define RTE_LEVEL      BIT(15)
#define RTE_MASKED     BIT(16)
#define RTE_WRITABLE   (0xff00000000000000u | 0x1afff) /* all but delivery status, remote IRR */

static struct ioapic *ioapic_of(struct device *d)
{
    return container_of(d, struct ioapic, dev);
}

static u64 rte_address(u64 rte)
{
    return 0xfee00000 | bits_get(rte, 56, 8) << 12 | (rte & RTE_LOGICAL ? 4 : 0);
}

/* Vector, delivery mode, assert, trigger mode in the places of MSI data [SDM3 10.11.2]. */
static u32 rte_data(u64 rte)
{
    return (u32)((rte & 0x7ff) | BIT(14) | (rte & RTE_LEVEL));
}

/* A level-triggered pin sends once, then waits for the EOI that clears remote IRR. */
static void ioapic_service_level(struct ioapic *io, unsigned pin)
{
    u64 *rte = &io->entry[pin];
    if (!(io->lines >> pin & 1) || !(*rte & RTE_LEVEL) || (*rte & (RTE_MASKED | RTE_REMOTE_IRR)))
        return;
    *rte |= RTE_REMOTE_IRR;
    msi_send(&io->msi, rte_address(*rte), rte_data(*rte));
}

void ioapic_set_irq(void *ioapic, unsigned n, bool asserted)
{
    struct ioapic *io = ioapic;
    if (n >= IOAPIC_PINS)
        return;
    with_lock(&io->dev.lock);
    bool was = io->lines >> n & 1;
    io->lines = (u32)(asserted ? io->lines | BIT(n) : io->lines & ~BIT(n));
    u64 rte = io->entry[n];
    if (rte & RTE_LEVEL)
        ioapic_service_level(io, n);
    else if (asserted && !was && !(rte & RTE_MASKED)) /* a masked edge is lost [82093AA 3.2.4] */
        msi_send(&io->msi, rte_address(rte), rte_data(rte));
}

static void ioapic_eoi_locked(struct ioapic *io, u8 vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        u64 *rte = &io->entry[pin];
        if ((*rte & RTE_REMOTE_IRR) && (u8)*rte == vector) {
            *rte &= ~RTE_REMOTE_IRR;
            ioapic_service_level(io, pin);
        }
    }
}

void ioapic_eoi(void *ioapic, u8 vector)
{
    struct ioapic *io = ioapic;
    with_lock(&io->dev.lock);
    ioapic_eoi_locked(io, vector);
}

static void ioapic_tell_route(struct ioapic *io, unsigned pin)
{
    u64 rte = io->entry[pin];
    if (io->route_changed)
        io->route_changed(io->route_ctx, pin, rte_address(rte), rte_data(rte), rte & RTE_MASKED);
}

static void ioapic_write_entry(struct ioapic *io, unsigned pin, unsigned high, u32 v)
{
    u64 *rte = &io->entry[pin];
    u64 value = bits_set(*rte, high ? 32 : 0, 32, v);
    *rte = (*rte & ~RTE_WRITABLE) | (value & RTE_WRITABLE);
    /* An edge-triggered entry has no remote IRR; systems without the EOI register clear a stuck
     * one by switching the entry to edge and back. */
    if (!(*rte & RTE_LEVEL))
        *rte &= ~RTE_REMOTE_IRR;
    ioapic_tell_route(io, pin);
    ioapic_service_level(io, pin);
}

static void ioapic_write_register(struct ioapic *io, u32 v)
{
    unsigned reg = io->select;
    if (reg == REG_ID)
        io->id = v >> 24 & 15;
    else if (reg >= REG_TABLE && reg < REG_TABLE + 2 * IOAPIC_PINS)
        ioapic_write_entry(io, (reg - REG_TABLE) / 2, reg & 1, v);
}

static u32 ioapic_read_register(struct ioapic *io)
{
    unsigned reg = io->select;
    if (reg == REG_ID || reg == REG_ARBITRATION)
        return (u32)io->id << 24;
    if (reg == REG_VERSION)
        return VERSION;
    if (reg >= REG_TABLE && reg < REG_TABLE + 2 * IOAPIC_PINS)
        return (u32)(io->entry[(reg - REG_TABLE) / 2] >> (reg & 1 ? 32 : 0));
    return 0;
}

static enum io_result ioapic_io(struct device *d, unsigned region, struct io_access *a)
{
    struct ioapic *io = ioapic_of(d);
    (void)region;
    /* Registers are 32 bits at 16-byte steps; narrower reads give the low part, other offsets 0. */
    u32 v = (u32)a->val;
    if (!a->write) {
        a->val = 0;
        if (a->off == MMIO_SELECT)
            a->val = io->select;
        else if (a->off == MMIO_WINDOW)
            a->val = ioapic_read_register(io) & mask_low(8 * a->size);
    } else if (a->off == MMIO_SELECT) {
        io->select = (u8)v;
    } else if (a->off == MMIO_WINDOW && a->size >= 4) {
        ioapic_write_register(io, v);
    } else if (a->off == MMIO_EOI) {
        ioapic_eoi_locked(io, (u8)v);
    }
    return IO_OK;
}

static void ioapic_reset(struct device *d, enum reset_kind kind)
{
    struct ioapic *io = ioapic_of(d);
    (void)kind;
    io->id = 0;
    io->select = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        io->entry[pin] = RTE_MASKED;
        ioapic_tell_route(io, pin);
    }
}

static int ioapic_init(struct device *d, struct err *e)
{
    (void)e;
    ioapic_reset(d, RESET_COLD);
    return 0;
}

static int ioapic_post_load(struct device *d, struct err *e)
{
    struct ioapic *io = ioapic_of(d);
    (void)e;
    io->id &= 15;
    io->lines &= (u32)mask_low(IOAPIC_PINS);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        io->entry[pin] &= RTE_WRITABLE | RTE_REMOTE_IRR;
        ioapic_tell_route(io, pin);
    }
    return 0;
}

static const struct reg_desc ioapic_regs[] = {
    {"IOREGSEL", 0, MMIO_SELECT, 1, 0, 0xff, 0, "82093AA 3.1.1"},
    {"IOWIN", 0, MMIO_WINDOW, 4, 0, 0x0f000000, 0, "82093AA 3.1.2"},
    {"EOIR", 0, MMIO_EOI, 4, 0, 0, 0, "ICH9 13.5.4"},
    {0},
};

static const struct state_desc ioapic_state[] = {
    STATE_FIELD(struct ioapic, id, STATE_U8),
    STATE_FIELD(struct ioapic, select, STATE_U8),
    STATE_FIELD(struct ioapic, lines, STATE_U32),
    STATE_ARRAY(struct ioapic, entry, STATE_U64),
    STATE_END,
};

const struct device_type ioapic_type = {
    .name = "ioapic",
    .description = "I/O APIC with 24 inputs",
    .size = sizeof(struct ioapic),
    .regs = ioapic_regs,
    .state = ioapic_state,
    .init = ioapic_init,
    .io = ioapic_io,
    .reset = ioapic_reset,
    .post_load = ioapic_post_load,
};
