/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit switch: every exit becomes a call of the functions that all engines share.
 *
 * A kick must never be lost: kvm_kick sets immediate_exit, which makes the next KVM_RUN return at
 * once even if the signal arrived before it, and run() clears it only after it has looked. */
#include "base/bits.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/kvm/kvm_priv.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>

void kvm_kick(struct vcpu *v)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    if (!k || !k->run)
        return;
    __atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_RELEASE);
    pthread_kill(k->thread,
                 SIGRTMIN); /* interrupts a KVM_RUN under way; its handler does nothing */
}

void kvm_complete_access(struct kvm_vcpu *k)
{
    if (!k->access_pending)
        return;
    k->access_pending = false;
    u8 before = k->run->immediate_exit;
    k->run->immediate_exit = 1;
    ioctl(k->fd, KVM_RUN, 0); /* finishes the instruction and comes back with EINTR */
    __atomic_store_n(&k->run->immediate_exit, before, __ATOMIC_RELEASE);
}

/* One port access, or a repeated one that KVM has batched. Nonzero: leave run(). */
static int exit_io(struct vcpu *v, struct kvm_vcpu *k)
{
    struct kvm_run *run = k->run;
    u8 *data = (u8 *)run + run->io.data_offset;
    int stop = 0;
    for (u32 i = 0; i < run->io.count; i++, data += run->io.size) {
        u32 value = 0;
        if (run->io.direction == KVM_EXIT_IO_OUT)
            mem_copy(&value, data, run->io.size);
        stop |=
            vcpu_io(v, run->io.port, run->io.size, run->io.direction == KVM_EXIT_IO_OUT, &value);
        if (run->io.direction == KVM_EXIT_IO_IN)
            mem_copy(data, &value, run->io.size);
    }
    k->access_pending = true;
    return stop;
}

static int exit_mmio(struct vcpu *v, struct kvm_vcpu *k)
{
    struct kvm_run *run = k->run;
    u64 value = 0;
    unsigned len = MIN(run->mmio.len, 8u);
    if (run->mmio.is_write)
        mem_copy(&value, run->mmio.data, len);
    int stop = vcpu_mmio(v, gpa(run->mmio.phys_addr), len, run->mmio.is_write, &value);
    if (!run->mmio.is_write)
        mem_copy(run->mmio.data, &value, len);
    k->access_pending = true;
    return stop;
}

static int exit_msr(struct vcpu *v, struct kvm_vcpu *k, bool write)
{
    u64 value = k->run->msr.data;
    int r = vcpu_msr(v, k->run->msr.index, write, &value);
    k->run->msr.error = r < 0;
    if (!write)
        k->run->msr.data = value;
    k->access_pending = true;
    return r > 0;
}

static enum vcpu_stop fatal(struct vcpu *v, const char *what, u64 detail)
{
    struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    u64 rip = s && !kvm_get_state(v, s, NULL) ? s->rip : 0;
    mem_free(s);
    err_set(&v->error, -EIO, "processor %u: KVM stopped at 0x%llx: %s (0x%llx)", v->index,
            (unsigned long long)rip, what, (unsigned long long)detail);
    err_hint(&v->error, "--engine interpret runs any guest; the host's kernel log may say more");
    return VCPU_FATAL;
}

/* An interrupt of the PIC goes in by KVM_INTERRUPT when the guest can take it. */
static void inject_extint(struct vcpu *v, struct kvm_vcpu *k)
{
    k->run->request_interrupt_window = 0;
    if (!vcpu_has_interrupt(v))
        return;
    if (!k->run->ready_for_interrupt_injection || !k->run->if_flag) {
        k->run->request_interrupt_window = 1;
        return;
    }
    int vector = vcpu_take_interrupt(v);
    struct kvm_interrupt irq = {.irq = (u32)vector};
    if (vector >= 0)
        kvm_ioctl(k->fd, KVM_INTERRUPT, &irq);
}

/* Handles one exit; true: run() returns *stop. */
static bool handle_exit(struct vcpu *v, struct kvm_vcpu *k, enum vcpu_stop *stop)
{
    struct kvm_run *run = k->run;
    bool go_on = true;
    int leave = 0;
    switch (run->exit_reason) {
    case KVM_EXIT_IO: leave = exit_io(v, k); break;
    case KVM_EXIT_MMIO: leave = exit_mmio(v, k); break;
    case KVM_EXIT_X86_RDMSR: leave = exit_msr(v, k, false); break;
    case KVM_EXIT_X86_WRMSR: leave = exit_msr(v, k, true); break;
    case KVM_EXIT_IOAPIC_EOI:
        vcpu_count(v, EXIT_EOI);
        if (v->vm->eoi)
            v->vm->eoi(v->vm->eoi_ctx, run->eoi.vector);
        break;
    case KVM_EXIT_IRQ_WINDOW_OPEN: vcpu_count(v, EXIT_INTERRUPT_WINDOW); break;
    case KVM_EXIT_INTR: break;
    case KVM_EXIT_SHUTDOWN:
        vcpu_count(v, EXIT_SHUTDOWN);
        *stop = VCPU_SHUTDOWN;
        return true;
    case KVM_EXIT_DEBUG: *stop = VCPU_DEBUG; return true;
    case KVM_EXIT_FAIL_ENTRY:
        *stop = fatal(v, "the processor refused the guest's state",
                      run->fail_entry.hardware_entry_failure_reason);
        return true;
    case KVM_EXIT_INTERNAL_ERROR:
        if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION) {
            *stop = kvm_fallback(v, &go_on);
            return !go_on;
        }
        *stop = fatal(v, "internal error", run->internal.suberror);
        return true;
    default:
        vcpu_count(v, EXIT_OTHER);
        *stop = fatal(v, "unexpected exit", run->exit_reason);
        return true;
    }
    *stop = VCPU_KICKED;
    return leave != 0;
}

enum vcpu_stop kvm_run(struct vcpu *v)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    enum vcpu_stop stop;
    for (;;) {
        /* The requests are looked at after immediate_exit is cleared: a kick that comes later sets
         * it again, one that came before has set its request bit already. */
        __atomic_store_n(&k->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        u32 req = vcpu_requests(v);
        if (req & VCPU_REQ_KICK) {
            vcpu_consume(v, VCPU_REQ_KICK);
            vcpu_count(v, EXIT_KICK);
            return VCPU_KICKED;
        }
        if (req & VCPU_REQ_NMI && vcpu_consume(v, VCPU_REQ_NMI))
            kvm_ioctl(k->fd, KVM_NMI, NULL);
        vcpu_consume(v, VCPU_REQ_INTERRUPT | VCPU_REQ_MEMORY);
        inject_extint(v, k);
        k->access_pending = false; /* this KVM_RUN finishes it */
        int r = ioctl(k->fd, KVM_RUN, 0);
        if (r < 0 && errno != EINTR && errno != EAGAIN) {
            if (errno == EFAULT && k->run->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
                /* fall through to the exit switch */
            } else {
                return fatal(v, err_name(errno), (u64)errno);
            }
        } else if (r < 0) {
            continue;
        }
        if (handle_exit(v, k, &stop))
            return stop;
    }
}
