/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine: what the user asked for, put together from memory, devices, a boot protocol and an
 * engine. The command line fills a struct machine_config and owns what it points to until
 * machine_destroy; one process may hold several machines. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "base/err.h"
#include "base/types.h"
#include "host/block_if.h"
#include "host/chardev_if.h"
#include "machine/boot/boot.h"
#include "vm/vm.h"

enum { MACHINE_SERIALS = 4, MACHINE_DISKS = 16, MACHINE_PORTS = 16, MACHINE_MODULES = 16 };

struct machine_disk {
    const char *path;
    bool read_only;
    const char *serial; /* NULL: made from the index */
};

/* A port of the virtio console. name NULL: the port is a console (hvcN). */
struct machine_port {
    const char *name;
    struct chardev *backend;
};

struct machine_config {
    const char *engine; /* "auto" or a name */
    const char *cpu;    /* processor model: "host", "common", ... */
    const char *para;   /* paravirtual interface: "kvm" (also NULL), "kvm,PART=off"
                         * (hypercall/kvm/para_kvm.h) or "none" */
    unsigned cpus;
    u64 memory;     /* bytes */
    u64 code_cache; /* bytes the engine may use for decoded and translated code; 0: its default */
    unsigned code_drop; /* debugging: it is dropped at one in so many safe points; 0: never */
    unsigned code_hot;  /* debugging: it is translated when it ran so often; 0: default */
    const char *kernel, *initrd, *append;
    const char *module[MACHINE_MODULES]; /* multiboot: "file arguments" */
    unsigned modules;
    enum boot_mode boot;
    struct chardev *serial[MACHINE_SERIALS]; /* NULL: the port is not there; COM1 always is */
    struct machine_disk disk[MACHINE_DISKS];
    unsigned disks;
    struct machine_port port[MACHINE_PORTS];
    unsigned ports;
    bool no_reboot;
    bool time_exits;
    bool sample;                         /* find out where the vCPUs' time goes (vm/profile.h) */
    const struct guest_symbols *symbols; /* by these; may be NULL */
    struct vm_trace trace;
    bool lockstep; /* compare engine translate with the interpreter */
    /* Called with a short text ("unpacking the kernel") and a share of 0 to 1000 while something
     * slow happens; may be NULL. */
    void (*progress)(void *ctx, const char *what, unsigned permille);
    void *progress_ctx;
};

struct machine;

/* Builds everything up to the first instruction. Nothing is left behind on failure. */
int machine_create(struct machine **out, const struct machine_config *c, struct err *e) must_check;
void machine_destroy(struct machine *m);
struct vm *machine_vm(struct machine *m);
/* One line: the engine chosen and why ("interpret: /dev/kvm is not there"). */
const char *machine_engine_reason(const struct machine *m);
/* One line: how the kernel is entered ("vmlinux unpacked from bzImage (xz), entered by PVH"). */
const char *machine_boot_description(const struct machine *m);

/* The engines of this build, best first; ended by NULL. */
const struct engine_ops *const *machine_engines(void);
/* Resolves "auto" or a name: 0, the engine and one line that says why. */
int machine_choose_engine(const char *name, const struct engine_ops **out, char *reason,
                          size_t reason_size, struct err *e) must_check;

/* Every device type of this build, sorted by name; ended by NULL. */
const struct device_type *const *machine_device_types(void);

#endif
