/* SPDX-License-Identifier: BSD-2-Clause */
/* What an engine must bring to the monitor beside ports and MMIO, on each engine that works here:
 * ends of level interrupts to the I/O APIC, stores to read-only memory, registers that only the
 * monitor knows. */
#include "../unit/cmocka_all.h"

#include "rig.h"

#include "device/irq/ioapic.h"
#include "engine/interpret/interpret.h"
#include "engine/kvm/kvm.h"
#include "engine/translate/translate.h"
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct engine_ops *const engines[] = {&engine_interpret, &engine_translate,
                                                   &engine_kvm};

static void check(int result, const struct err *e)
{
    if (result)
        fail_msg("%s (%d)", e->text, result);
}

static void on_every_engine(void (*test)(const struct engine_ops *engine))
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        struct err e = {0};
        if (engines[i]->probe && engines[i]->probe(&e)) {
            print_message("  not on %s: %s\n", engines[i]->name, e.text);
            continue;
        }
        print_message("  on %s\n", engines[i]->name);
        test(engines[i]);
    }
}

/* --- Level interrupts ------------------------------------------------------------------------ */

struct line_port {
    struct device dev;
    struct ioapic *ioapic;
};

static enum io_result line_io(struct device *d, unsigned region, struct io_access *a)
{
    (void)region;
    if (a->write)
        ioapic_set_irq(((struct line_port *)d)->ioapic, 16, a->val & 1);
    return IO_OK;
}
static const struct device_type line_type = {.name = "test-line",
                                             .description = "asserts an interrupt line",
                                             .size = sizeof(struct line_port),
                                             .io = line_io};

static void level_interrupt_comes_until_released(const struct engine_ops *engine)
{
    struct rig r;
    struct err e = {0};
    rig_open(&r, engine, 1, true, GUEST_OF(guest_level, false));
    struct device *d = device_alloc(&ioapic_type, "ioapic"),
                  *line = device_alloc(&line_type, "line");
    struct ioapic *io = container_of(d, struct ioapic, dev);
    io->msi = (struct msi_sink){vm_msi, r.vm};
    io->route_changed = vm_route_changed;
    io->route_ctx = r.vm;
    ((struct line_port *)line)->ioapic = io;
    r.vm->eoi = ioapic_eoi;
    r.vm->eoi_ctx = io;
    check(device_init(d, &e), &e);
    check(device_init(line, &e), &e);
    check(bus_map(r.vm->mmio, 0xfec00000, IOAPIC_SIZE, d, 0, &e), &e);
    check(bus_map(r.vm->pio, 0xe0, 1, line, 0, &e), &e);
    rig_start(&r);
    assert_int_equal(rig_wait(&r), 2);
    rig_close(&r);
    device_destroy(line);
    device_destroy(d);
}

/* --- Read-only memory ------------------------------------------------------------------------ */

static void stores_to_rom_vanish(const struct engine_ops *engine)
{
    static const u8 rom[16] = {0xb0, 0x21, 0xc3, 0,    0,    0,    0,    0,
                               0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    struct rig r;
    struct err e = {0};
    rig_open(&r, engine, 1, true, GUEST_OF(guest_rom, false));
    check(guest_memory_add(r.vm->memory, "rom", 64 << 20, 4096, true, &e), &e);
    check(guest_memory_write(r.vm->memory, gpa(64 << 20), rom, sizeof rom), &e);
    rig_start(&r);
    assert_int_equal(rig_wait(&r), 0x21);
    assert_memory_equal(guest_memory_ptr(r.vm->memory, gpa(64 << 20), sizeof rom), rom, sizeof rom);
    rig_close(&r);
}

/* --- Registers of the monitor ---------------------------------------------------------------- */

static u64 kept;

static int own_msr(struct vcpu *v, void *ctx, u32 index, bool write, u64 *value)
{
    (void)v;
    (void)ctx;
    if (index != 0x12345678)
        return 1;
    if (write)
        kept = *value + 1;
    else
        *value = kept;
    return 0;
}
static const struct hypercall_ops own_registers = {.name = "test", .msr = own_msr};

static bool tells_of_registers(const struct engine_ops *engine)
{
    if (engine != &engine_kvm)
        return true;
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int has = fd < 0 ? 0 : ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_USER_SPACE_MSR);
    close(fd);
    return has > 0;
}

static void registers_reach_the_monitor(const struct engine_ops *engine)
{
    struct rig r;
    struct exit_counters c;
    if (!tells_of_registers(engine)) {
        print_message("  left out: this KVM does not tell of unknown registers\n");
        return;
    }
    rig_open(&r, engine, 1, true, GUEST_OF(guest_msr, false));
    r.vm->hypercall = &own_registers;
    rig_start(&r);
    assert_int_equal(rig_wait(&r), 13);
    vm_exit_counters(r.vm, &c);
    assert_int_equal(c.count[EXIT_MSR_WRITE], 1);
    assert_int_equal(c.count[EXIT_MSR_READ], 2);
    assert_int_equal(c.count[EXIT_UNKNOWN_MSR], 1);
    rig_close(&r);
}

#define ON_EVERY_ENGINE(name)                                                                      \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        on_every_engine(name);                                                                     \
    }
ON_EVERY_ENGINE(level_interrupt_comes_until_released)
ON_EVERY_ENGINE(stores_to_rom_vanish)
ON_EVERY_ENGINE(registers_reach_the_monitor)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_interrupt_comes_until_released),
        cmocka_unit_test(test_stores_to_rom_vanish),
        cmocka_unit_test(test_registers_reach_the_monitor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
