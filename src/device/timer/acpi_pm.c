/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI fixed hardware after [ACPI6.4 4.8] with the layout of [ICH9 13.8.3]. */
#include "device/timer/acpi_pm.h"

#include "base/bits.h"
#include "device/timer/ticks.h"

#include <errno.h>

enum { STS_TIMER = 1 << 0, STS_GLOBAL = 1 << 5, STS_POWER_BUTTON = 1 << 8 };
enum { EVENTS = STS_TIMER | STS_GLOBAL | STS_POWER_BUTTON | 1 << 9 | 1 << 10 };
enum { STS_BITS = EVENTS | 1 << 15 }; /* WAK_STS */
enum { CNT_SCI_EN = 1 << 0, CNT_WRITABLE = 0x1c02, CNT_SLP_EN = 1 << 13 };
enum { REG_STATUS = 0, REG_ENABLE = 2, REG_GPE_STATUS = 0x20, REG_GPE_ENABLE = 0x28 };

static struct acpi_pm *pm_of(struct device *d)
{
    return container_of(d, struct acpi_pm, dev);
}

static u64 pm_ticks(const struct acpi_pm *p)
{
    return ticks_at(clock_now_ns(p->clock), ACPI_PM_HZ);
}

/* Half the timer's range: its top bit changes this often [ACPI6.4 4.8.3.3]. */
static u64 pm_half(const struct acpi_pm *p)
{
    return BIT(p->timer_32 ? 31 : 23);
}

/* TMR_STS is set by each change of the top bit. */
static void pm_catch_up(struct acpi_pm *p)
{
    u64 now = pm_ticks(p), half = pm_half(p);
    if (now / half != p->carry_tick / half)
        p->status |= STS_TIMER;
    p->carry_tick = now;
}

static void pm_update(struct acpi_pm *p)
{
    irq_set(&p->sci, (p->status & p->enable & EVENTS) || (p->gpe_status & p->gpe_enable));
    if (p->enable & STS_TIMER) {
        u64 half = pm_half(p);
        vtimer_arm(&p->timer, ticks_to_ns((p->carry_tick / half + 1) * half, ACPI_PM_HZ));
    }
}

static void pm_expired(void *ctx)
{
    struct acpi_pm *p = ctx;
    with_lock(&p->dev.lock);
    pm_catch_up(p);
    pm_update(p);
}

void acpi_pm_press_power(struct acpi_pm *p)
{
    with_lock(&p->dev.lock);
    p->status |= STS_POWER_BUTTON;
    pm_update(p);
}

void acpi_pm_set_gpe(void *pm, unsigned n, bool level)
{
    struct acpi_pm *p = pm;
    if (n > 63)
        return;
    with_lock(&p->dev.lock);
    p->gpe_lines = level ? p->gpe_lines | BIT(n) : p->gpe_lines & ~BIT(n);
    p->gpe_status |= p->gpe_lines;
    pm_update(p);
}

static void pm_write_control(struct acpi_pm *p, u16 v, u16 mask)
{
    u16 writable = CNT_WRITABLE & mask;
    p->control = (p->control & ~writable) | (v & writable);
    if (!(v & mask & CNT_SLP_EN))
        return;
    if (bits_get(v, 10, 3) == ACPI_PM_SLP_S5 && p->power_off)
        p->power_off(p->power_ctx);
}

/* The 8 bytes of registers that begin at base, a multiple of 8. */
static u64 pm_read_word(struct acpi_pm *p, unsigned base)
{
    switch (base) {
    case 0: return p->status | (u64)p->enable << 16 | (u64)p->control << 32;
    case ACPI_PM_TIMER: return pm_ticks(p) & mask_low(p->timer_32 ? 32 : 24);
    case REG_GPE_STATUS: return p->gpe_status;
    case REG_GPE_ENABLE: return p->gpe_enable;
    default: return 0;
    }
}

/* mask has the bytes that are really written. */
static void pm_write_word(struct acpi_pm *p, unsigned base, u64 v, u64 mask)
{
    u64 set = v & mask;
    switch (base) {
    case 0:
        p->status &= ~(u16)set;
        p->enable = (u16)((p->enable & ~(mask >> 16)) | set >> 16) & EVENTS;
        if (mask >> 32)
            pm_write_control(p, (u16)(v >> 32), (u16)(mask >> 32));
        break;
    case REG_GPE_STATUS: p->gpe_status = (p->gpe_status & ~set) | p->gpe_lines; break;
    case REG_GPE_ENABLE: p->gpe_enable = (p->gpe_enable & ~mask) | set; break;
    default: break;
    }
}

static enum io_result pm_io(struct device *d, unsigned region, struct io_access *a)
{
    struct acpi_pm *p = pm_of(d);
    (void)region;
    pm_catch_up(p);
    unsigned base = a->off & ~7u, shift = 8 * (a->off & 7);
    u64 mask = mask_low(8 * a->size) << shift;
    if ((a->off & 7) + a->size > 8) /* no register lies across */
        return IO_UNCLAIMED;
    if (a->write)
        pm_write_word(p, base, a->val << shift, mask);
    else
        a->val = (pm_read_word(p, base) & mask) >> shift;
    pm_update(p);
    return IO_OK;
}

static void pm_reset(struct device *d, enum reset_kind kind)
{
    struct acpi_pm *p = pm_of(d);
    (void)kind;
    p->status = p->enable = 0;
    p->control = CNT_SCI_EN;
    p->gpe_status = p->gpe_enable = 0;
    p->carry_tick = pm_ticks(p);
    pm_update(p);
}

static int pm_init(struct device *d, struct err *e)
{
    struct acpi_pm *p = pm_of(d);
    if (!p->clock)
        return err_set(e, -EINVAL, "starting %s: no clock was given", d->id);
    vtimer_init(&p->timer, p->clock, pm_expired, p);
    pm_reset(d, RESET_COLD);
    return 0;
}

static void pm_fini(struct device *d)
{
    vtimer_cancel(&pm_of(d)->timer);
}

static int pm_post_load(struct device *d, struct err *e)
{
    struct acpi_pm *p = pm_of(d);
    (void)e;
    p->status &= STS_BITS;
    p->enable &= EVENTS;
    p->control = (p->control & CNT_WRITABLE) | CNT_SCI_EN;
    p->carry_tick = MIN(p->carry_tick, pm_ticks(p));
    pm_update(p);
    return 0;
}

static const struct opt_desc pm_opts[] = {
    {"timer32", OPT_BOOL, offsetof(struct acpi_pm, timer_32), "on",
     "power management timer of 32 bits instead of 24"},
    {0},
};

static const struct reg_desc pm_regs[] = {
    {"PM1_STS", 0, REG_STATUS, 2, 0, 0, STS_BITS, "ACPI6.4 4.8.3.1.1"},
    {"PM1_EN", 0, REG_ENABLE, 2, 0, EVENTS, 0, "ACPI6.4 4.8.3.1.2"},
    {"PM1_CNT", 0, ACPI_PM1_CONTROL, 2, CNT_SCI_EN, CNT_WRITABLE, 0, "ACPI6.4 4.8.3.2.1"},
    {"PM_TMR", 0, ACPI_PM_TIMER, 4, 0, 0, 0, "ACPI6.4 4.8.3.3"},
    {"GPE0_STS", 0, REG_GPE_STATUS, 8, 0, 0, ~(u64)0, "ACPI6.4 4.8.4.1.1"},
    {"GPE0_EN", 0, REG_GPE_ENABLE, 8, 0, ~(u64)0, 0, "ACPI6.4 4.8.4.1.2"},
    {0},
};

static const struct state_desc pm_state[] = {
    STATE_FIELD(struct acpi_pm, status, STATE_U16),
    STATE_FIELD(struct acpi_pm, enable, STATE_U16),
    STATE_FIELD(struct acpi_pm, control, STATE_U16),
    STATE_FIELD(struct acpi_pm, gpe_status, STATE_U64),
    STATE_FIELD(struct acpi_pm, gpe_enable, STATE_U64),
    STATE_FIELD(struct acpi_pm, gpe_lines, STATE_U64),
    STATE_FIELD(struct acpi_pm, carry_tick, STATE_U64),
    STATE_FIELD(struct acpi_pm, timer, STATE_TIMER),
    STATE_END,
};

const struct device_type acpi_pm_type = {
    .name = "acpi_pm",
    .description = "ACPI power management registers and timer",
    .size = sizeof(struct acpi_pm),
    .opts = pm_opts,
    .regs = pm_regs,
    .state = pm_state,
    .init = pm_init,
    .io = pm_io,
    .reset = pm_reset,
    .post_load = pm_post_load,
    .fini = pm_fini,
};
