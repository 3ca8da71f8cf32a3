/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's state as bytes, by its table: fields in order, little-endian, no padding. A timer is a
 * byte (armed) and its deadline in virtual time. */
#include "vm/device.h"

#include "base/bits.h"
#include "base/mem.h"

#include <errno.h>

enum { TIMER_BYTES = 9 };

static size_t field_bytes(const struct state_desc *s)
{
    static const u8 unit[] = {
        [STATE_U8] = 1,
        [STATE_U16] = 2,
        [STATE_U32] = 4,
        [STATE_U64] = 8,
        [STATE_BOOL] = 1,
        [STATE_BYTES] = 1,
        [STATE_TIMER] = TIMER_BYTES,
    };
    return (size_t)unit[s->kind] * s->count;
}

static size_t state_bytes(const struct device_type *t)
{
    size_t n = 0;
    for (const struct state_desc *s = t->state; s && s->name; s++)
        n += field_bytes(s);
    return n;
}

static void save_timers(u8 *to, const struct vtimer *t, u32 count)
{
    for (u32 i = 0; i < count; i++, to += TIMER_BYTES) {
        to[0] = t[i].armed;
        store64(to + 1, t[i].armed ? t[i].deadline_ns : 0);
    }
}

size_t device_save(struct device *d, u8 *buf, size_t size)
{
    size_t need = state_bytes(d->type);
    if (size < need)
        return need;
    with_lock(&d->lock);
    for (const struct state_desc *s = d->type->state; s && s->name; s++) {
        const u8 *from = (u8 *)d + s->offset;
        if (s->kind == STATE_TIMER)
            save_timers(buf, (const struct vtimer *)(const void *)from, s->count);
        else
            mem_copy(buf, from, field_bytes(s));
        buf += field_bytes(s);
    }
    return need;
}

/* A bool that is neither 0 nor 1 would be undefined behaviour to read. */
static int load_field(u8 *to, const struct state_desc *s, const u8 *from)
{
    for (u32 i = 0; s->kind == STATE_BOOL && i < s->count; i++)
        if (from[i] > 1)
            return -EINVAL;
    for (u32 i = 0; s->kind == STATE_TIMER && i < s->count; i++)
        if (from[i * TIMER_BYTES] > 1)
            return -EINVAL;
    if (s->kind != STATE_TIMER)
        mem_copy(to, from, field_bytes(s));
    return 0;
}

/* Without the device's lock: cancelling waits for the timer's function, which takes it. */
static void load_timers(struct device *d, const u8 *from)
{
    for (const struct state_desc *s = d->type->state; s && s->name;
         s++, from += field_bytes(s - 1)) {
        struct vtimer *t = (struct vtimer *)(void *)((u8 *)d + s->offset);
        for (u32 i = 0; s->kind == STATE_TIMER && i < s->count; i++) {
            vtimer_cancel(&t[i]);
            if (from[i * TIMER_BYTES])
                vtimer_arm(&t[i], load64(from + i * TIMER_BYTES + 1));
        }
    }
}

static int load_fields(struct device *d, const u8 *from, struct err *e)
{
    with_lock(&d->lock);
    for (const struct state_desc *s = d->type->state; s && s->name; s++) {
        if (load_field((u8 *)d + s->offset, s, from))
            return err_set(e, -EINVAL, "loading the state of %s: %s is not 0 or 1", d->id, s->name);
        from += field_bytes(s);
    }
    return d->type->post_load ? d->type->post_load(d, e) : 0;
}

int device_load(struct device *d, const u8 *buf, size_t size, struct err *e)
{
    if (size != state_bytes(d->type))
        return err_set(e, -EINVAL, "loading the state of %s: %zu bytes instead of %zu", d->id, size,
                       state_bytes(d->type));
    int r = load_fields(d, buf, e);
    if (r) {
        device_reset(d, RESET_COLD); /* half-loaded fields must not stay */
        return r;
    }
    load_timers(d, buf);
    return 0;
}
