/* SPDX-License-Identifier: BSD-2-Clause */
/* 8042 keyboard controller and a PS/2 keyboard, after the IBM PS/2 technical reference [PS2]. */
#include "device/misc/i8042.h"

#include "base/mem.h"

#include <errno.h>

enum {
    ST_OUTPUT_FULL = 0x01,
    ST_SYSTEM = 0x04,
    ST_COMMAND = 0x08,
    ST_UNLOCKED = 0x10,
};
enum {
    CFG_IRQ1 = 0x01,
    CFG_SYSTEM = 0x04,
    CFG_KBD_OFF = 0x10,
    CFG_AUX_OFF = 0x20,
    CFG_XLATE = 0x40,
};
enum { OUT_RESET_N = 0x01, OUT_A20 = 0x02, OUT_FULL = 0x10 };
enum { KBD_ACK = 0xfa, KBD_RESEND = 0xfe, KBD_TEST_PASSED = 0xaa, KBD_ECHO = 0xee };

static struct i8042 *i8042_of(struct device *d)
{
    return container_of(d, struct i8042, dev);
}

/* A byte into the output buffer; an edge of IRQ 1 for each, as the 8259 wants. */
static void put_output(struct i8042 *k, u8 byte)
{
    k->data = byte;
    k->status |= ST_OUTPUT_FULL;
    if (k->ram[0] & CFG_IRQ1) {
        irq_lower(&k->irq);
        irq_raise(&k->irq);
    }
}

/* Moves the keyboard's next byte up when the buffer is free and its clock runs. */
static void pump(struct i8042 *k)
{
    if ((k->status & ST_OUTPUT_FULL) || !k->queue_count || (k->ram[0] & CFG_KBD_OFF))
        return;
    u8 byte = k->queue[k->queue_head];
    k->queue_head = (k->queue_head + 1) % I8042_QUEUE;
    k->queue_count--;
    put_output(k, byte);
}

static void kbd_send(struct i8042 *k, u8 byte)
{
    k->kbd_last = byte;
    if (k->queue_count < I8042_QUEUE)
        k->queue[(k->queue_head + k->queue_count++) % I8042_QUEUE] = byte;
    pump(k);
}

static void kbd_defaults(struct i8042 *k)
{
    k->scancode_set = 2;
    k->kbd_expects = 0;
}

/* The argument of the command in kbd_expects; the LEDs and the repeat rate need no memory. */
static void kbd_argument(struct i8042 *k, u8 v)
{
    u8 command = k->kbd_expects;
    k->kbd_expects = 0;
    kbd_send(k, KBD_ACK);
    if (command != 0xf0)
        return;
    if (v == 0)
        kbd_send(k, k->scancode_set);
    else if (v <= 3)
        k->scancode_set = v;
}

static void kbd_write(struct i8042 *k, u8 v)
{
    if (k->kbd_expects && v < 0xed)
        return kbd_argument(k, v);
    k->kbd_expects = 0;
    switch (v) {
    case 0xed: /* LEDs, scan code set, repeat rate: an argument follows */
    case 0xf0:
    case 0xf3:
        k->kbd_expects = v;
        kbd_send(k, KBD_ACK);
        break;
    case 0xee: kbd_send(k, KBD_ECHO); break;
    case 0xf2: /* identify: an MF2 keyboard */
        kbd_send(k, KBD_ACK);
        kbd_send(k, 0xab);
        kbd_send(k, k->ram[0] & CFG_XLATE ? 0x41 : 0x83); /* the controller translates it too */
        break;
    case 0xf4:
        k->scanning = true;
        kbd_send(k, KBD_ACK);
        break;
    case 0xf5:
    case 0xf6:
        k->scanning = v == 0xf6;
        kbd_defaults(k);
        kbd_send(k, KBD_ACK);
        break;
    case 0xfe: kbd_send(k, k->kbd_last); break;
    case 0xff:
        kbd_defaults(k);
        k->scanning = true;
        kbd_send(k, KBD_ACK);
        kbd_send(k, KBD_TEST_PASSED);
        break;
    default: kbd_send(k, KBD_RESEND); break;
    }
}

static void fire_reset(struct i8042 *k)
{
    if (k->reset)
        k->reset(k->reset_ctx);
}

static void set_output_port(struct i8042 *k, u8 v)
{
    bool resets = (k->output_port & ~v) & OUT_RESET_N;
    k->output_port = v | OUT_RESET_N;
    if (resets)
        fire_reset(k);
}

static void set_command_byte(struct i8042 *k, u8 v)
{
    k->ram[0] = v | CFG_AUX_OFF; /* the second port has nothing to switch on */
    k->status = (u8)((k->status & ~ST_SYSTEM) | (v & CFG_SYSTEM));
    irq_set(&k->irq, (k->status & ST_OUTPUT_FULL) && (v & CFG_IRQ1));
    pump(k);
}

static void controller_argument(struct i8042 *k, u8 v)
{
    u8 command = k->expects;
    k->expects = 0;
    switch (command) {
    case 0x60: set_command_byte(k, v); break;
    case 0xd1: set_output_port(k, v); break;
    case 0xd2: put_output(k, v); break;
    /* As from the second port, without the bit that says so: drivers see that it is not there. */
    case 0xd3: put_output(k, v); break;
    case 0xd4: put_output(k, KBD_RESEND); break;
    default: k->ram[command & 31] = v; break;
    }
}

static void controller_command(struct i8042 *k, u8 v)
{
    k->expects = 0;
    if (v >= 0x20 && v <= 0x3f)
        return put_output(k, k->ram[v & 31]);
    if ((v >= 0x60 && v <= 0x7f) || (v >= 0xd1 && v <= 0xd4)) {
        k->expects = v;
        return;
    }
    if (v >= 0xf0) { /* pulses the output lines whose bits are zero; bit 0 is the CPU's reset */
        if (!(v & OUT_RESET_N))
            fire_reset(k);
        return;
    }
    switch (v) {
    case 0xa7: break; /* second port off, on */
    case 0xa8: break;
    case 0xa9: put_output(k, 0x01); break; /* its clock line is stuck: nothing there */
    case 0xaa:                             /* self test */
        set_command_byte(k, (k->ram[0] | CFG_KBD_OFF | CFG_SYSTEM));
        put_output(k, 0x55);
        break;
    case 0xab: put_output(k, 0x00); break; /* first port: no error */
    case 0xad: set_command_byte(k, k->ram[0] | CFG_KBD_OFF); break;
    case 0xae: set_command_byte(k, k->ram[0] & ~CFG_KBD_OFF); break;
    case 0xc0: put_output(k, 0x80); break; /* input port: keyboard not locked */
    case 0xd0: put_output(k, k->output_port | (k->status & ST_OUTPUT_FULL ? OUT_FULL : 0)); break;
    case 0xdd: k->output_port &= ~OUT_A20; break;
    case 0xdf: k->output_port |= OUT_A20; break;
    default: break;
    }
}

static void write_data(struct i8042 *k, u8 v)
{
    k->status &= ~ST_COMMAND;
    if (k->expects)
        return controller_argument(k, v);
    k->ram[0] &= ~CFG_KBD_OFF; /* sending to the keyboard releases its clock [PS2] */
    kbd_write(k, v);
}

static u8 read_data(struct i8042 *k)
{
    u8 v = k->data;
    k->status &= ~ST_OUTPUT_FULL;
    irq_lower(&k->irq);
    pump(k);
    return v;
}

static enum io_result i8042_io(struct device *d, unsigned region, struct io_access *a)
{
    struct i8042 *k = i8042_of(d);
    if (a->size != 1)
        return IO_UNCLAIMED;
    if (!a->write) {
        a->val = region == I8042_DATA ? read_data(k) : k->status | ST_UNLOCKED;
    } else if (region == I8042_DATA) {
        write_data(k, (u8)a->val);
    } else {
        k->status |= ST_COMMAND;
        controller_command(k, (u8)a->val);
    }
    return IO_OK;
}

static void i8042_reset(struct device *d, enum reset_kind kind)
{
    struct i8042 *k = i8042_of(d);
    (void)kind;
    mem_fill(k->ram, 0, sizeof k->ram);
    k->ram[0] = CFG_SYSTEM | CFG_AUX_OFF | CFG_XLATE;
    k->output_port = OUT_RESET_N | OUT_A20;
    k->data = 0;
    k->status = ST_SYSTEM;
    k->expects = 0;
    k->queue_head = k->queue_count = 0;
    k->kbd_last = 0;
    k->scanning = true;
    kbd_defaults(k);
    irq_lower(&k->irq);
}

static int i8042_init(struct device *d, struct err *e)
{
    (void)e;
    i8042_reset(d, RESET_COLD);
    return 0;
}

static int i8042_post_load(struct device *d, struct err *e)
{
    struct i8042 *k = i8042_of(d);
    if (k->queue_head >= I8042_QUEUE || k->queue_count > I8042_QUEUE)
        return err_set(e, -EINVAL, "loading %s: the keyboard's queue is out of range", d->id);
    irq_set(&k->irq, (k->status & ST_OUTPUT_FULL) && (k->ram[0] & CFG_IRQ1));
    return 0;
}

static const struct reg_desc i8042_regs[] = {
    {"data", I8042_DATA, 0, 1, 0, 0, 0, "PS2 output buffer"},
    {"status/command", I8042_COMMAND, 0, 1, ST_SYSTEM | ST_UNLOCKED, 0, 0, "PS2 status register"},
    {0},
};

static const struct state_desc i8042_state[] = {
    STATE_ARRAY(struct i8042, ram, STATE_BYTES),
    STATE_FIELD(struct i8042, output_port, STATE_U8),
    STATE_FIELD(struct i8042, data, STATE_U8),
    STATE_FIELD(struct i8042, status, STATE_U8),
    STATE_FIELD(struct i8042, expects, STATE_U8),
    STATE_FIELD(struct i8042, kbd_expects, STATE_U8),
    STATE_FIELD(struct i8042, kbd_last, STATE_U8),
    STATE_FIELD(struct i8042, scancode_set, STATE_U8),
    STATE_FIELD(struct i8042, scanning, STATE_BOOL),
    STATE_ARRAY(struct i8042, queue, STATE_BYTES),
    STATE_FIELD(struct i8042, queue_head, STATE_U8),
    STATE_FIELD(struct i8042, queue_count, STATE_U8),
    STATE_END,
};

const struct device_type i8042_type = {
    .name = "i8042",
    .description = "keyboard controller with a keyboard",
    .size = sizeof(struct i8042),
    .regs = i8042_regs,
    .state = i8042_state,
    .init = i8042_init,
    .io = i8042_io,
    .reset = i8042_reset,
    .post_load = i8042_post_load,
};
