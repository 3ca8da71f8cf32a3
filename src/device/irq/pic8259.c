/* SPDX-License-Identifier: BSD-2-Clause */
/* 8259A pair after the Intel data sheet [8259A] and the ICH9 data book for ELCR [ICH9 13.4].
 * An edge stays in IRR when the line drops again: devices pulse their lines, and losing such an
 * edge to the data sheet's spurious IR7 helps no guest. */
#include "device/irq/pic8259.h"

#include "base/bits.h"
#include "base/mem.h"

#include <errno.h>

enum { CASCADE = 2 };
/* System timer, keyboard, cascade, RTC and FPU are always edge-triggered [ICH9 13.4.9]. */
static const u8 elcr_writable[2] = {0xf8, 0xde};

static struct pic8259 *pic_of(struct device *d)
{
    return container_of(d, struct pic8259, dev);
}

/* Rank of the set bit that is first in priority order: 0 is the highest, 8 means none. */
static unsigned first_rank(const struct pic_chip *c, u8 set)
{
    unsigned rank = 0;
    while (rank < 8 && !(set >> ((c->lowest + 1 + rank) & 7) & 1))
        rank++;
    return rank;
}

/* The input that asks for service now, or -1. */
static int chip_pending(const struct pic_chip *c, bool master)
{
    unsigned rank = first_rank(c, c->irr & ~c->imr);
    if (rank == 8)
        return -1;
    u8 serving = c->isr;
    if (c->special_mask) /* [8259A] OCW3: masked levels in service do not inhibit lower ones */
        serving &= ~c->imr;
    if (c->special_nested && master) /* the slave may interrupt itself through the cascade */
        serving &= ~(1 << CASCADE);
    return rank < first_rank(c, serving) ? (int)((c->lowest + 1 + rank) & 7) : -1;
}

/* Carries the slave's output to the master's IR2 and the master's to the processor. */
static void pic_update(struct pic8259 *p)
{
    struct pic_chip *m = &p->chip[0];
    bool slave = chip_pending(&p->chip[1], false) >= 0;
    m->irr = (u8)(slave ? m->irr | 1 << CASCADE : m->irr & ~(1 << CASCADE));
    irq_set(&p->intr, chip_pending(m, true) >= 0);
}

void pic8259_set_irq(void *pic, unsigned n, bool level)
{
    struct pic8259 *p = pic;
    if (n > 15 || n == CASCADE)
        return;
    with_lock(&p->dev.lock);
    struct pic_chip *c = &p->chip[n >> 3];
    u8 bit = (u8)(1 << (n & 7));
    if (c->elcr & bit)
        c->irr = level ? c->irr | bit : c->irr & ~bit;
    else if (level && !(c->lines & bit))
        c->irr |= bit;
    c->lines = level ? c->lines | bit : c->lines & ~bit;
    pic_update(p);
}

static void chip_acknowledge(struct pic_chip *c, int n)
{
    u8 bit = (u8)(1 << n);
    if (!(c->elcr & bit))
        c->irr &= ~bit;
    if (!c->auto_eoi)
        c->isr |= bit;
    else if (c->rotate_auto_eoi)
        c->lowest = (u8)n;
}

int pic8259_acknowledge(void *pic)
{
    struct pic8259 *p = pic;
    with_lock(&p->dev.lock);
    struct pic_chip *c = &p->chip[0];
    int n = chip_pending(c, true);
    if (n < 0)
        return -1;
    chip_acknowledge(c, n);
    if (n == CASCADE) {
        c = &p->chip[1];
        n = chip_pending(c, false);
        if (n >= 0)
            chip_acknowledge(c, n);
        else
            n = 7; /* [8259A] the request went away: IR7 without a bit in ISR */
    }
    pic_update(p);
    return c->vector_base + n;
}

static void chip_icw1(struct pic_chip *c, u8 v)
{
    /* [8259A ICW1]: edge sense and IMR cleared, IR7 lowest, special mask off, IRR to be read.
     * LTIM is ignored: the south bridge has ELCR instead [ICH9 13.4.2]. */
    c->irr = c->elcr & c->lines;
    c->isr = c->imr = 0;
    c->lowest = 7;
    c->special_mask = c->read_isr = c->poll = false;
    c->auto_eoi = c->special_nested = c->rotate_auto_eoi = false;
    c->single = v & 2;
    c->icw4_needed = v & 1;
    c->icw_step = 2;
}

/* In special mask mode a non-specific EOI passes over masked levels [8259A]. */
static int chip_highest_in_service(const struct pic_chip *c)
{
    unsigned rank = first_rank(c, c->special_mask ? c->isr & ~c->imr : c->isr);
    return rank == 8 ? -1 : (int)((c->lowest + 1 + rank) & 7);
}

static void chip_ocw2(struct pic_chip *c, u8 v)
{
    int level = v & 7;
    switch (v >> 5) {
    case 0: c->rotate_auto_eoi = false; break;
    case 4: c->rotate_auto_eoi = true; break;
    case 6: c->lowest = (u8)level; break;
    case 1: /* non-specific EOI, and with rotation */
    case 5:
        level = chip_highest_in_service(c);
        if (level < 0)
            break;
        c->isr &= ~(1 << level);
        if (v >> 5 == 5)
            c->lowest = (u8)level;
        break;
    case 3: c->isr &= ~(1 << level); break;
    case 7:
        c->isr &= ~(1 << level);
        c->lowest = (u8)level;
        break;
    default: break;
    }
}

static void chip_ocw3(struct pic_chip *c, u8 v)
{
    if (v & 4)
        c->poll = true;
    else if (v & 2)
        c->read_isr = v & 1;
    if (v & 0x40)
        c->special_mask = v & 0x20;
}

static void chip_write_odd(struct pic_chip *c, u8 v)
{
    switch (c->icw_step) {
    case 2:
        c->vector_base = v & 0xf8;
        c->icw_step = c->single ? (c->icw4_needed ? 4 : 0) : 3;
        break;
    case 3: /* the wiring of the cascade is fixed */ c->icw_step = c->icw4_needed ? 4 : 0; break;
    case 4:
        c->auto_eoi = v & 2;
        c->special_nested = v & 0x10;
        c->icw_step = 0;
        break;
    default: c->imr = v; break;
    }
}

static void chip_write(struct pic_chip *c, unsigned off, u8 v)
{
    if (off)
        chip_write_odd(c, v);
    else if (v & 0x10)
        chip_icw1(c, v);
    else if (v & 8)
        chip_ocw3(c, v);
    else
        chip_ocw2(c, v);
}

static u8 chip_read(struct pic_chip *c, unsigned off, bool master)
{
    if (c->poll) { /* [8259A] poll command: the read is the acknowledge */
        c->poll = false;
        int n = chip_pending(c, master);
        if (n < 0)
            return 0;
        chip_acknowledge(c, n);
        return (u8)(0x80 | n);
    }
    return off ? c->imr : c->read_isr ? c->isr : c->irr;
}

static void elcr_write(struct pic8259 *p, unsigned i, u8 v)
{
    struct pic_chip *c = &p->chip[i];
    u8 old = c->elcr;
    c->elcr = v & elcr_writable[i];
    /* A line that became level-triggered asks as long as it is high, and only then. */
    u8 now_level = c->elcr & ~old;
    c->irr = (c->irr & ~now_level) | (c->lines & now_level);
}

static enum io_result pic_io(struct device *d, unsigned region, struct io_access *a)
{
    struct pic8259 *p = pic_of(d);
    if (region > PIC_ELCR || a->size > 2)
        return IO_UNCLAIMED;
    u64 val = 0;
    for (unsigned i = 0; i < a->size; i++) {
        unsigned off = (a->off + i) & 1;
        u8 v = (u8)(a->val >> 8 * i);
        if (region == PIC_ELCR && a->write)
            elcr_write(p, off, v);
        else if (region == PIC_ELCR)
            val |= (u64)p->chip[off].elcr << 8 * i;
        else if (a->write)
            chip_write(&p->chip[region], off, v);
        else
            val |= (u64)chip_read(&p->chip[region], off, region == PIC_MASTER) << 8 * i;
    }
    if (!a->write)
        a->val = val;
    pic_update(p);
    return IO_OK;
}

static void pic_reset(struct device *d, enum reset_kind kind)
{
    struct pic8259 *p = pic_of(d);
    (void)kind;
    for (unsigned i = 0; i < 2; i++) {
        u8 lines = p->chip[i].lines;
        mem_fill(&p->chip[i], 0, sizeof p->chip[i]);
        p->chip[i].lines = lines;
        p->chip[i].lowest = 7;
    }
    pic_update(p);
}

static int pic_init(struct device *d, struct err *e)
{
    (void)e;
    pic_reset(d, RESET_COLD);
    return 0;
}

static int pic_post_load(struct device *d, struct err *e)
{
    struct pic8259 *p = pic_of(d);
    for (unsigned i = 0; i < 2; i++) {
        struct pic_chip *c = &p->chip[i];
        if (c->lowest > 7 || c->icw_step > 4)
            return err_set(e, -EINVAL, "loading %s: chip %u has an impossible state", d->id, i);
        c->vector_base &= 0xf8;
        c->elcr &= elcr_writable[i];
    }
    pic_update(p);
    return 0;
}

static const struct reg_desc pic_regs[] = {
    {"master IRR/ISR", PIC_MASTER, 0, 1, 0, 0, 0, "8259A OCW3"},
    {"master IMR", PIC_MASTER, 1, 1, 0, 0xff, 0, "8259A OCW1"},
    {"slave IRR/ISR", PIC_SLAVE, 0, 1, 0, 0, 0, "8259A OCW3"},
    {"slave IMR", PIC_SLAVE, 1, 1, 0, 0xff, 0, "8259A OCW1"},
    {"ELCR1", PIC_ELCR, 0, 1, 0, 0xf8, 0, "ICH9 13.4.9"},
    {"ELCR2", PIC_ELCR, 1, 1, 0, 0xde, 0, "ICH9 13.4.10"},
    {0},
};

#define CHIP_STATE(i)                                                                              \
    STATE_FIELD(struct pic8259, chip[i].irr, STATE_U8),                                            \
        STATE_FIELD(struct pic8259, chip[i].isr, STATE_U8),                                        \
        STATE_FIELD(struct pic8259, chip[i].imr, STATE_U8),                                        \
        STATE_FIELD(struct pic8259, chip[i].lines, STATE_U8),                                      \
        STATE_FIELD(struct pic8259, chip[i].elcr, STATE_U8),                                       \
        STATE_FIELD(struct pic8259, chip[i].vector_base, STATE_U8),                                \
        STATE_FIELD(struct pic8259, chip[i].lowest, STATE_U8),                                     \
        STATE_FIELD(struct pic8259, chip[i].icw_step, STATE_U8),                                   \
        STATE_FIELD(struct pic8259, chip[i].icw4_needed, STATE_BOOL),                              \
        STATE_FIELD(struct pic8259, chip[i].single, STATE_BOOL),                                   \
        STATE_FIELD(struct pic8259, chip[i].auto_eoi, STATE_BOOL),                                 \
        STATE_FIELD(struct pic8259, chip[i].rotate_auto_eoi, STATE_BOOL),                          \
        STATE_FIELD(struct pic8259, chip[i].special_mask, STATE_BOOL),                             \
        STATE_FIELD(struct pic8259, chip[i].special_nested, STATE_BOOL),                           \
        STATE_FIELD(struct pic8259, chip[i].read_isr, STATE_BOOL),                                 \
        STATE_FIELD(struct pic8259, chip[i].poll, STATE_BOOL)

static const struct state_desc pic_state[] = {CHIP_STATE(0), CHIP_STATE(1), STATE_END};

const struct device_type pic8259_type = {
    .name = "pic8259",
    .description = "pair of 8259A interrupt controllers",
    .size = sizeof(struct pic8259),
    .regs = pic_regs,
    .state = pic_state,
    .init = pic_init,
    .io = pic_io,
    .reset = pic_reset,
    .post_load = pic_post_load,
};
