/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine interface: a technique is a way to run a virtual CPU until it needs the monitor. */
#ifndef VM_ENGINE_H
#define VM_ENGINE_H

#include "base/err.h"
#include "base/types.h"
#include "memory/memory.h"

struct vm;
struct vcpu;
struct os_sample;
struct guest_place;
struct x86_state;
struct x86_cpu_model;

enum engine_caps {
    ENGINE_SMP = 1 << 0,
    ENGINE_LAPIC = 1 << 1, /* has the local APIC itself; HALT never leaves run() */
    ENGINE_SINGLE_STEP = 1 << 2,
    ENGINE_INTERCEPT = 1 << 3, /* honours vcpu->intercepts */
    ENGINE_STORE_BUFFER = 1 << 4,
    ENGINE_NATIVE_TSC = 1 << 5, /* the guest's RDTSC never exits */
    ENGINE_PARA = 1 << 6,       /* can show a paravirtual interface of its own (engine_para) */
    ENGINE_LOCKSTEP = 1 << 7,   /* can compare itself with the interpreter, on one vCPU */
};

/* Why run() came back: control only. Data accesses happen inside run() by calling vm/vcpu.h. */
enum vcpu_stop {
    VCPU_HALT,   /* HLT, from engines without a local APIC of their own */
    VCPU_KICKED, /* asked to by kick(), or an event the loop must look at */
    VCPU_RESET,
    VCPU_SHUTDOWN, /* triple fault */
    VCPU_DEBUG,    /* an intercept was hit */
    VCPU_FATAL,    /* vcpu->error says why; the machine stops */
};

/* Told of one quirk: a keyword for programs and a sentence for people. */
typedef void (*engine_quirk_fn)(void *ctx, const char *keyword, const char *text);

/* Told of one of an engine's own counters: "callouts by instruction", "rdtsc", 12. */
typedef void (*engine_count_fn)(void *ctx, const char *group, const char *name, u64 value);

struct engine_ops {
    const char *name;
    const char *description;
    u64 caps;
    /* What this host offers: 0, or -errno with the reason and the likely cure. Touches nothing. */
    int (*probe)(struct err *);
    /* NULL, or tells what guests on this host see differently from a processor, as found by trying.
     */
    void (*quirks)(engine_quirk_fn tell, void *ctx);
    /* The processor model it can run at most. */
    int (*model)(struct x86_cpu_model *, struct err *);
    /* vm/ then repeats MEMORY_MAP for every block. */
    int (*vm_init)(struct vm *, struct err *);
    /* On the vCPU's thread. */
    int (*vcpu_init)(struct vcpu *, struct err *);
    /* Runs on the vCPU's thread. EINTR and EAGAIN of the host are no errors. */
    enum vcpu_stop (*run)(struct vcpu *);
    /* Makes run() return soon with KICKED or take a pending interrupt: any thread,
     * async-signal-safe, idempotent, never lost. */
    void (*kick)(struct vcpu *);
    /* Only while run() is not running and the last access is complete. */
    int (*get_state)(struct vcpu *, struct x86_state *, struct err *);
    int (*set_state)(struct vcpu *, const struct x86_state *, struct err *);
    /* On the thread that caused it, any; the engine takes it to its vCPUs. */
    void (*memory_event)(struct vm *, const struct memory_event *);
    /* For engines with ENGINE_LAPIC: a message-signalled interrupt, and lines that feed LINT0. */
    int (*msi)(struct vm *, u64 addr, u32 data);
    /* NULL, or told of every change of an I/O APIC entry: an engine whose own local APIC must know
     * which vectors end with a broadcast to the I/O APIC. */
    void (*route)(struct vm *, unsigned pin, u64 addr, u32 data);
    /* NULL, or tells what the engine counts beside exits. Any thread, while the vCPU runs too. */
    void (*counters)(const struct vcpu *, engine_count_fn tell, void *ctx);
    /* NULL, or finds out where the guest is, and in which tier, at a sample of the vCPU's thread
     * (vm/profile.h). In a signal handler, at any place between vcpu_init and vcpu_fini. */
    void (*sample)(struct vcpu *, const struct os_sample *, struct guest_place *);
    void (*vcpu_fini)(struct vcpu *);
    void (*vm_fini)(struct vm *);
};

#endif
