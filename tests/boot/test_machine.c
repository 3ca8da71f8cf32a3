/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole machines with kernels of a few bytes: every way to reset, switch off and crash, and every
 * configuration that is refused. `test_machine ENGINE`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image_maker.h"
#include "machine/machine.h"

static const char *engine = "interpret";
static char folder[] = "/tmp/doppel-machine-XXXXXX";

/* ---- programs in 32-bit code ---------------------------------------------------------------- */

struct program {
    u8 code[128];
    unsigned size;
};

static void add(struct program *p, const char *bytes, unsigned n)
{
    assert_true(p->size + n <= sizeof p->code);
    memcpy(p->code + p->size, bytes, n);
    p->size += n;
}
#define ADD(p, text) add((p), (text), sizeof(text) - 1)

/* mov dx, port; mov ax, value; out dx, al or ax */
static void add_out(struct program *p, u16 port, u16 value, bool word)
{
    const u8 code[] = {0x66, 0xba, (u8)port,  (u8)(port >> 8),
                       0x66, 0xb8, (u8)value, (u8)(value >> 8)};
    add(p, (const char *)code, sizeof code);
    if (word)
        ADD(p, "\x66\xef");
    else
        ADD(p, "\xee");
}

/* A multiboot kernel at 2 MiB that starts with the program. */
static const char *write_kernel(const struct program *p)
{
    static char path[128];
    u8 image[512];
    u64 n = make_multiboot(image);
    memcpy(image + 0x80, p->code, p->size);
    snprintf(path, sizeof path, "%s/kernel", folder);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(image, 1, n, f);
    fclose(f);
    return path;
}

static enum vm_end run(const struct program *p, bool no_reboot, int *status)
{
    struct machine_config c = {.engine = engine,
                               .cpu = "host",
                               .cpus = 1,
                               .memory = 16 * MiB,
                               .kernel = write_kernel(p),
                               .no_reboot = no_reboot};
    struct machine *m = NULL;
    struct err e = {0};
    if (machine_create(&m, &c, &e))
        fail_msg("%s", e.text);
    assert_int_equal(vm_start(machine_vm(m), &e), 0);
    enum vm_end end = vm_wait(machine_vm(m), status, &e);
    if (end == VM_FAILED)
        fail_msg("%s", e.text);
    machine_destroy(m);
    return end;
}

/* Counts its starts in RAM that no reset clears; the second one ends the machine with 42. */
static void begin_twice(struct program *p)
{
    ADD(p, "\xff\x05\x00\x00\x30\x00");     /* inc dword [0x300000] */
    ADD(p, "\x83\x3d\x00\x00\x30\x00\x02"); /* cmp dword [0x300000], 2 */
    ADD(p, "\x72\x0b");                     /* jb over the next 11 bytes */
    add_out(p, 0xf4, 42, false);
    ADD(p, "\xeb\xfe"); /* jmp $ */
}

enum way { CF9, PORT_92, KEYBOARD, TRIPLE_FAULT, JUMP_NOWHERE, JUMP_IOAPIC, WAYS };

static void add_way(struct program *p, enum way way)
{
    switch (way) {
    case CF9: add_out(p, 0xcf9, 6, false); break;
    case PORT_92: add_out(p, 0x92, 1, false); break;
    case KEYBOARD: add_out(p, 0x64, 0xfe, false); break;
    case TRIPLE_FAULT: ADD(p, "\xcc"); break;                         /* the IDT is empty */
    case JUMP_NOWHERE: ADD(p, "\xb8\x00\x00\x00\xd0\xff\xe0"); break; /* jmp 0xd0000000 */
    case JUMP_IOAPIC: ADD(p, "\xb8\x00\x00\xc0\xfe\xff\xe0"); break;
    default: break;
    }
    ADD(p, "\xeb\xfe");
}

static void every_reset(void **state)
{
    for (enum way w = 0; w <= TRIPLE_FAULT; w++) {
        struct program p = {0};
        begin_twice(&p);
        add_way(&p, w);
        int status = -1;
        assert_int_equal(run(&p, false, &status), VM_EXITED);
        assert_int_equal(status, 42);
    }
}

static void resets_that_end(void **state)
{
    for (enum way w = 0; w < TRIPLE_FAULT; w++) {
        struct program p = {0};
        add_way(&p, w);
        int status = 0;
        assert_int_equal(run(&p, true, &status), VM_RESET);
    }
}

static void crashes(void **state)
{
    for (enum way w = TRIPLE_FAULT; w < WAYS; w++) {
        if (w != TRIPLE_FAULT && strcmp(engine, "interpret") != 0)
            continue; /* KVM stops at code outside memory */
        struct program p = {0};
        add_way(&p, w);
        int status = 0;
        assert_int_equal(run(&p, true, &status), VM_CRASHED);
    }
}

static void power_off(void **state)
{
    struct program p = {0};
    add_out(&p, 0x604, 1 << 13 | 7 << 10, true); /* SLP_EN, SLP_TYP of \_S5 */
    ADD(&p, "\xeb\xfe");
    int status = 0;
    assert_int_equal(run(&p, false, &status), VM_POWEROFF);
}

/* The loaded image is there again after a reset, whatever the guest did to it. */
static void reset_reloads(void **state)
{
    struct program p = {0};
    begin_twice(&p);
    ADD(&p, "\xc6\x05\x80\x00\x20\x00\xf4"); /* mov byte [entry], hlt */
    add_way(&p, CF9);
    int status = -1;
    assert_int_equal(run(&p, false, &status), VM_EXITED);
    assert_int_equal(status, 42);
}

/* ---- configurations that are refused -------------------------------------------------------- */

static void refused(struct machine_config c, const char *text)
{
    struct machine *m = NULL;
    struct err e = {0};
    if (machine_create(&m, &c, &e) >= 0)
        fail_msg("accepted, where '%s' was expected", text);
    assert_null(m);
    if (!strstr(e.text, text))
        fail_msg("'%s' is not in '%s'", text, e.text);
}

static void refused_configurations(void **state)
{
    struct program p = {0};
    add_way(&p, TRIPLE_FAULT);
    const struct machine_config good = {
        .engine = engine, .cpu = "host", .cpus = 1, .memory = 16 * MiB, .kernel = write_kernel(&p)};
    struct machine_config c = good;
    c.engine = "abacus";
    refused(c, "abacus");
    c = good;
    c.cpu = "z80";
    refused(c, "z80");
    c = good;
    c.cpus = 0;
    refused(c, "CPUs");
    c.cpus = VM_CPUS_MAX + 1;
    refused(c, "CPUs");
    c = good;
    c.memory = 1 * MiB;
    refused(c, "2 MiB");
    c.memory = (u64)1 << 50;
    refused(c, "reach");
    c = good;
    c.kernel = NULL;
    refused(c, "nothing to start");
    c.kernel = "/nowhere/kernel";
    refused(c, "/nowhere/kernel");
    c = good;
    c.modules = 1;
    c.module[0] = "/nowhere/module with arguments";
    refused(c, "opening /nowhere/module:");
    c = good;
    c.disks = 1;
    c.disk[0].path = "/nowhere/disk";
    refused(c, "/nowhere/disk");
}

static void largest_machine(void **state)
{
    struct program p = {0};
    add_out(&p, 0xf4, 7, false);
    ADD(&p, "\xeb\xfe");
    struct machine_config c = {
        .engine = engine, .cpu = "host", .cpus = 4, .memory = 5 * GiB, .kernel = write_kernel(&p)};
    char disk[MACHINE_DISKS][64];
    for (unsigned i = 0; i < MACHINE_DISKS; i++) {
        snprintf(disk[i], sizeof disk[i], "%s/disk%u", folder, i);
        FILE *f = fopen(disk[i], "wb");
        assert_non_null(f);
        assert_int_equal(ftruncate(fileno(f), 1 << 20), 0);
        fclose(f);
        c.disk[c.disks++].path = disk[i];
    }
    for (unsigned i = 0; i < MACHINE_PORTS; i++)
        c.port[c.ports++].name = i ? "port" : NULL;
    struct machine *m = NULL;
    struct err e = {0};
    if (machine_create(&m, &c, &e))
        fail_msg("%s", e.text);
    assert_int_equal(vm_start(machine_vm(m), &e), 0);
    int status = -1;
    assert_int_equal(vm_wait(machine_vm(m), &status, &e), VM_EXITED);
    assert_int_equal(status, 7);
    machine_destroy(m);
}

/* Sorted, without doubles, and each with a line of help. */
static void device_table(void **state)
{
    const struct device_type *const *t = machine_device_types();
    for (unsigned i = 0; t[i]; i++) {
        assert_true(t[i]->description && t[i]->description[0]);
        if (t[i + 1] && strcmp(t[i]->name, t[i + 1]->name) >= 0)
            fail_msg("%s before %s", t[i]->name, t[i + 1]->name);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        engine = argv[1];
    const struct engine_ops *ops;
    char reason[256];
    struct err e = {0};
    if (machine_choose_engine(engine, &ops, reason, sizeof reason, &e)) {
        printf("skipped: %s\n", e.text);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reset),     cmocka_unit_test(resets_that_end),
        cmocka_unit_test(crashes),         cmocka_unit_test(power_off),
        cmocka_unit_test(reset_reloads),   cmocka_unit_test(refused_configurations),
        cmocka_unit_test(largest_machine), cmocka_unit_test(device_table),
    };
    if (!mkdtemp(folder))
        return 1;
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) || bad;
}
