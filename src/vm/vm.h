/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual machine: guest memory, buses, a clock, vCPUs and the engine that runs them. machine/
 * puts devices into it; cli/ and debug/ start, pause and stop it. */
#ifndef VM_VM_H
#define VM_VM_H

#include "isa/x86/cpuid.h"
#include "memory/memory.h"
#include "vm/bus.h"
#include "vm/clock.h"
#include "vm/engine.h"
#include "vm/vcpu.h"

enum { VM_CPUS_MAX = 64 };

/* Why a machine ended. */
enum vm_end {
    VM_RUNNING,
    VM_POWEROFF, /* S5 */
    VM_EXITED,   /* the guest wrote a status to the exit port */
    VM_RESET,    /* reset requested and --no-reboot */
    VM_CRASHED,  /* triple fault with --no-reboot */
    VM_STOPPED,  /* by the user or a signal */
    VM_FAILED,   /* host or engine failure; vm_end_error */
};

/* Where an engine shows code that it translates, line by line: guest addresses [low, high]. */
struct vm_trace {
    void (*line)(void *ctx, const char *text); /* NULL: nothing is shown */
    void *ctx;
    u64 low, high;
};

struct vm_config {
    unsigned cpus;
    const struct engine_ops *engine;
    const struct x86_cpu_model *model; /* copied */
    const struct ram_provider *ram;
    struct clock *clock; /* NULL: real time; tests hand in theirs, which stays theirs */
    bool no_reboot;      /* a reset or triple fault ends the machine */
    bool time_exits;
    u64 sample_ns; /* period of the vCPUs' samples (profile.h); 0: there are none */
    const struct guest_symbols *symbols; /* that they are counted by, or NULL; stays its owner's */
    struct vm_trace trace;
    bool lockstep;  /* an engine with ENGINE_LOCKSTEP compares itself with the interpreter */
    u64 code_cache; /* bytes for decoded and translated code, of engines that have any; 0: default
                     */
    unsigned code_drop; /* debugging: they are dropped at one in so many safe points; 0: never */
    unsigned code_hot;  /* debugging: runs before code is translated; 0: the engine's own number */
    bool engine_para; /* an engine with ENGINE_PARA shows the guest its own paravirtual interface */
};

struct vm {
    struct vm_config config;
    const struct engine_ops *engine;
    void *engine_data; /* the engine's */
    struct x86_cpu_model model;
    struct guest_memory *memory;
    struct bus *pio, *mmio;
    struct clock *clock;  /* virtual time */
    struct dma dma;       /* for devices */
    struct os_loop *loop; /* the I/O thread's event loop */
    struct vcpu *vcpu[VM_CPUS_MAX];
    unsigned cpus;
    /* Wired by the machine: acknowledge of the PIC (INTA cycle; -1 none) for LINT0/ExtINT, and
     * end-of-interrupt broadcasts of level interrupts to the I/O APIC. */
    int (*pic_acknowledge)(void *ctx);
    void *pic_ctx;
    void (*eoi)(void *ctx, u8 vector);
    void *eoi_ctx;
    /* A machine's reset: devices and RAM contents that firmware or a boot protocol needs again,
     * then the state of vCPU 0. */
    int (*machine_reset)(void *ctx, struct err *e);
    void *machine_ctx;
    /* Takes intercepted events on the vCPU's thread, outside run(), where it may get and set that
     * vCPU's state. False: stop the machine. */
    bool (*intercepted)(void *ctx, struct vcpu *v);
    void *intercepted_ctx;
    /* Paravirtual interface, or NULL. */
    const struct hypercall_ops *hypercall;
    void *hypercall_ctx;
    struct vm_priv *priv;
};

/* A paravirtual interface. All but name may be NULL; all are called on the vCPU's thread, reset,
 * tsc_offset and saved MSRs also on another one while the vCPU is outside run(). */
struct hypercall_ops {
    const char *name;
    int (*call)(struct vcpu *, void *ctx, struct x86_state *);
    /* CPUID leaves 0x40000000.. ; false: not its own. */
    bool (*cpuid)(struct vcpu *, void *ctx, u32 leaf, u32 subleaf, u32 out[4]);
    int (*msr)(struct vcpu *, void *ctx, u32 index, bool write, u64 *value); /* 1: not its own */
    const u32 *msrs; /* those that are state, in the order of loading; ended by 0 */
    void (*reset)(struct vcpu *, void *ctx); /* INIT too: the guest forgot what it has asked for */
    void (*sleep)(struct vcpu *, void *ctx, bool asleep);     /* a HLT begins, and is over */
    void (*interrupt)(struct vcpu *, void *ctx);              /* one is about to be delivered */
    void (*tsc_offset)(struct vcpu *, void *ctx, u64 offset); /* its guest's TSC was changed */
};

/* Makes a machine with empty memory (see guest_memory_add), empty buses and no vCPU. */
int vm_create(struct vm **out, const struct vm_config *c, struct err *e) must_check;
void vm_destroy(struct vm *vm);
/* Makes the vCPUs on their threads, in reset state, waiting. After the memory map and the model are
 * final. */
int vm_create_vcpus(struct vm *vm, struct err *e) must_check;
/* Sets the state a vCPU starts with (before vm_start or while paused). */
int vm_set_state(struct vm *vm, unsigned cpu, const struct x86_state *s, struct err *e) must_check;
int vm_get_state(struct vm *vm, unsigned cpu, struct x86_state *s, struct err *e) must_check;

/* Starts the I/O thread and the clock, and lets the vCPUs go. Once. */
int vm_start(struct vm *vm, struct err *e) must_check;
/* Returns when every vCPU is outside run(). Any thread but a vCPU's or the loop's. */
void vm_pause(struct vm *vm);
/* Undoes one vm_pause. */
void vm_resume(struct vm *vm);

/* Requests from devices and the monitor; any thread; the first end wins. */
void vm_request_end(struct vm *vm, enum vm_end why, int status);
void vm_request_reset(struct vm *vm);
void vm_request_failure(struct vm *vm, const struct err *why);
/* Sum of the vCPUs' counters; exact while paused or ended. */
void vm_exit_counters(const struct vm *vm, struct exit_counters *out);
/* Waits for the end and for every vCPU to be outside run(); returns why, the exit status for
 * VM_EXITED, and what failed for VM_FAILED. */
enum vm_end vm_wait(struct vm *vm, int *status, struct err *e);

/* Interrupt delivery into local APICs. */
void vm_msi(void *vm, u64 addr, u32 data);
/* The PIC's INTR output changed (LINT0 of the bootstrap processor in virtual-wire mode). */
void vm_set_extint(void *vm, unsigned n, bool level);
void vm_nmi(struct vm *vm, unsigned cpu);
/* An I/O APIC entry changed; passed on to engines that want to know. */
void vm_route_changed(void *vm, unsigned pin, u64 addr, u32 data, bool masked);

/* The frequency of the guest's TSC on every engine that computes it. */
static inline u32 vm_tsc_khz(const struct vm *vm)
{
    return vm->model.tsc_khz ? vm->model.tsc_khz : 1000000;
}

#endif
