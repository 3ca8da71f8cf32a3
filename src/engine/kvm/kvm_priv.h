/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of engine/kvm only. */
#ifndef ENGINE_KVM_KVM_PRIV_H
#define ENGINE_KVM_KVM_PRIV_H

#include "base/os.h"
#include "engine/kvm/kvm.h"
#include "isa/x86/state.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

#include <linux/kvm.h>
#include <pthread.h>

enum { KVM_SLOTS_MAX = 32, KVM_PINS = 24 };

struct kvm_slot {
    u64 start, size;
    void *host;
    bool used, read_only, log;
};

struct kvm_vm {
    int dev, fd;
    struct os_mutex lock; /* slots and routes */
    struct kvm_slot slot[KVM_SLOTS_MAX];
    struct kvm_irq_routing_entry route[KVM_PINS];
    bool routed[KVM_PINS];
};

struct kvm_vcpu {
    int fd;
    struct kvm_run *run;
    size_t run_size;
    pthread_t thread;
    /* An exit for port or memory-mapped I/O is finished inside the next KVM_RUN: state read before
     * that would be from the middle of an instruction. */
    bool access_pending;
    struct kvm_fallback *fallback; /* made when first needed */
};

static inline struct kvm_vm *kvm_vm_of(struct vm *vm)
{
    return vm->engine_data;
}
static inline struct kvm_vcpu *kvm_vcpu_of(struct vcpu *v)
{
    return v->engine;
}

/* ioctl with EINTR and EAGAIN tried again: 0 or positive result, or -errno. */
int kvm_ioctl(int fd, unsigned long request, void *arg);
/* Opens /dev/kvm and checks its version: a descriptor or -errno with reason and cure. */
int kvm_open(struct err *e);
/* engine_ops.quirks: runs a small guest that shows them. */
void kvm_quirks(engine_quirk_fn tell, void *ctx);

void kvm_sample(struct vcpu *v, const struct os_sample *s, struct guest_place *at);
int kvm_get_state(struct vcpu *v, struct x86_state *s, struct err *e);
int kvm_set_state(struct vcpu *v, const struct x86_state *s, struct err *e);
/* After one instruction of exec: leaves alone what other threads and the clock change meanwhile,
 * the local APIC, pending NMIs and the time-stamp counter. */
int kvm_set_instruction_state(struct vcpu *v, const struct x86_state *s, struct err *e);
/* Lets KVM finish an access that run() has handled. */
void kvm_complete_access(struct kvm_vcpu *k);
int kvm_model(struct x86_cpu_model *m, struct err *e);
/* VMX or SVM in CPUID: without either, KVM can't be running on the processor's own support. */
bool kvm_processor_virtualizes(void);
/* The leaves of the paravirtual interface that the host's KVM has: signature and features. Two, or
 * none; none of a software implementation, where a hypercall may never return. */
unsigned kvm_para_leaves(int dev, struct kvm_cpuid_entry2 out[2]);
enum vcpu_stop kvm_run(struct vcpu *v);
void kvm_kick(struct vcpu *v);

/* Finishes the instruction at the guest's rip with isa/x86/exec. */
enum vcpu_stop kvm_fallback(struct vcpu *v, bool *go_on);
void kvm_fallback_fini(struct kvm_vcpu *k);

#endif
