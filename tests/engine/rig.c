/* SPDX-License-Identifier: BSD-2-Clause */
/* See rig.h. */
#include "../unit/cmocka_all.h"

#include "rig.h"

#include "base/bits.h"
#include "base/mem.h"
#include "host/ram.h"
#include <stdio.h>
#include <string.h>

struct port {
    struct device dev;
    struct rig *rig;
};
enum { REGION_PRINT, REGION_EXIT };

static enum io_result port_io(struct device *d, unsigned region, struct io_access *a)
{
    struct rig *r = ((struct port *)d)->rig;
    if (!a->write)
        return IO_UNCLAIMED;
    if (region == REGION_EXIT)
        vm_request_end(r->vm, VM_EXITED, (int)(a->val & 0xff));
    else if (r->length < sizeof r->text - 1)
        r->text[r->length++] = (char)a->val;
    return IO_OK;
}
static const struct device_type port_type = {.name = "test-port",
                                             .description = "prints and exits",
                                             .size = sizeof(struct port),
                                             .io = port_io};

static void check(int result, const struct err *e)
{
    if (result)
        fail_msg("%s (%d)", e->text, result);
}

/* The first 4 GiB, identity-mapped by 2 MiB pages: PML4 0x2000, PDPT 0x3000, directories
 * 0x4000-0x7fff. */
static void write_tables(struct rig *r)
{
    rig_poke(r, 0x2000, 0x3000 | 7);
    for (unsigned i = 0; i < 4; i++)
        rig_poke(r, 0x3000 + 8 * i, (0x4000 + 0x1000 * i) | 7);
    for (u64 i = 0; i < 2048; i++)
        rig_poke(r, 0x4000 + 8 * i, i << 21 | 0x87);
    rig_poke(r, 0x1008, 0x00209b0000000000); /* 64-bit code */
    rig_poke(r, 0x1010, 0x00cf93000000ffff); /* data */
}

void rig_entry(struct rig *r, struct guest g, struct x86_state *s)
{
    (void)r;
    x86_state_reset(s, 0, true);
    if (g.real_mode) {
        s->seg[X86_CS].sel = RIG_CODE >> 4;
        s->seg[X86_CS].base = RIG_CODE;
        s->rip = 0;
        s->gpr[X86_RSP] = 0x8000;
        return;
    }
    s->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP;
    s->cr4 = X86_CR4_PAE;
    s->cr3 = 0x2000;
    s->efer = X86_EFER_LME | X86_EFER_LMA;
    s->gdtr = (struct x86_table){.base = 0x1000, .limit = 0x1f};
    s->seg[X86_CS] = (struct x86_segment){.sel = 8, .limit = 0xffffffff, .attr = 0xa9b};
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        if (i != X86_CS)
            s->seg[i] = (struct x86_segment){.sel = 16, .limit = 0xffffffff, .attr = 0xc93};
    s->rip = RIG_CODE;
    s->gpr[X86_RSP] = 0x8000;
}

void rig_open(struct rig *r, const struct engine_ops *engine, unsigned cpus, bool no_reboot,
              struct guest g)
{
    struct err e = {0};
    r->lockstep = false;
    check(engine->model(&r->model, &e), &e);
    rig_open_model(r, engine, cpus, no_reboot, g);
}

void rig_open_model(struct rig *r, const struct engine_ops *engine, unsigned cpus, bool no_reboot,
                    struct guest g)
{
    static const struct ram_provider ram = {host_ram_allocate, host_ram_release};
    struct err e = {0};
    struct x86_cpu_model model = r->model;
    bool lockstep = r->lockstep;
    memset(r, 0, sizeof *r);
    r->model = model;
    r->lockstep = lockstep;
    x86_model_build_leaves(&r->model, cpus, true);
    struct vm_config c = {.cpus = cpus,
                          .engine = engine,
                          .model = &r->model,
                          .ram = &ram,
                          .no_reboot = no_reboot,
                          .lockstep = lockstep,
                          .code_hot = 12};
    check(vm_create(&r->vm, &c, &e), &e);
    check(guest_memory_add(r->vm->memory, "ram", 0, RIG_RAM, false, &e), &e);
    r->port = device_alloc(&port_type, "port0");
    ((struct port *)r->port)->rig = r;
    check(device_init(r->port, &e), &e);
    check(bus_map(r->vm->pio, 0xe9, 1, r->port, REGION_PRINT, &e), &e);
    check(bus_map(r->vm->pio, 0xf4, 1, r->port, REGION_EXIT, &e), &e);
    check(vm_create_vcpus(r->vm, &e), &e);
    write_tables(r);
    check(guest_memory_write(r->vm->memory, gpa(RIG_CODE), g.start, (u64)(g.end - g.start)), &e);
    struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    assert_non_null(s);
    rig_entry(r, g, s);
    check(vm_set_state(r->vm, 0, s, &e), &e);
    mem_free(s);
}

void rig_start(struct rig *r)
{
    struct err e = {0};
    check(vm_start(r->vm, &e), &e);
}

int rig_wait(struct rig *r)
{
    struct err e = {0};
    int status = 0;
    enum vm_end why = vm_wait(r->vm, &status, &e);
    if (why == VM_FAILED)
        fail_msg("%s", e.text);
    return why == VM_EXITED ? status : -(int)why;
}

u64 rig_peek(struct rig *r, u64 pa)
{
    return __atomic_load_n((u64 *)guest_memory_ptr(r->vm->memory, gpa(pa), 8), __ATOMIC_ACQUIRE);
}

void rig_poke(struct rig *r, u64 pa, u64 value)
{
    struct err e = {0};
    check(guest_memory_write(r->vm->memory, gpa(pa), &value, 8), &e);
}

void rig_close(struct rig *r)
{
    struct vm *vm = r->vm;
    vm_request_end(vm, VM_STOPPED, 0);
    vm_wait(vm, NULL, NULL);
    struct device *port = r->port;
    vm_destroy(vm);
    device_destroy(port);
}

void rig_check_dirty_log(const struct engine_ops *engine, struct guest counts)
{
    struct rig r;
    rig_open(&r, engine, 1, true, counts);
    rig_start(&r);
    while (!rig_peek(&r, RIG_COUNTER))
        ;
    assert_int_equal(guest_memory_log_start(r.vm->memory, NULL), 0);
    const struct ram_block *block;
    guest_memory_blocks(r.vm->memory, &block);
    static u64 bits[RIG_RAM / 4096 / 64];
    for (int i = 0; i < 5; i++) {
        u64 seen = rig_peek(&r, RIG_COUNTER);
        while (rig_peek(&r, RIG_COUNTER) < seen + 2)
            ;
        guest_memory_log_fetch(r.vm->memory, block, bits);
        assert_true(bits[0] & 1 << (RIG_COUNTER / 4096));
    }
    guest_memory_log_stop(r.vm->memory);
    rig_close(&r);
}
