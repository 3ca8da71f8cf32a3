/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands behind /dev/kvm: nothing, a software implementation, or the processor. */
#include "base/bits.h"
#include "engine/kvm/kvm_priv.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int r;
    do {
        r = ioctl(fd, request, arg);
    } while (r < 0 && (errno == EINTR || errno == EAGAIN));
    return r < 0 ? -errno : r;
}

/* VMX or SVM in CPUID: without either, KVM can't be running on the processor's own support. */
static bool processor_virtualizes(void)
{
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) && c >> 5 & 1)
        return true;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && c >> 2 & 1;
}

static void hint_absent(struct err *e)
{
    if (processor_virtualizes())
        err_hint(e, "load the module: modprobe kvm_intel or kvm_amd; in a container pass "
                    "--device /dev/kvm");
    else
        err_hint(e, "the processor shows neither VMX nor SVM: enable it in the firmware, or nested "
                    "virtualization where this machine is itself a guest");
}

int kvm_open(struct err *e)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        int err = errno;
        if (err == EACCES || err == EPERM) {
            err_set(e, -err, "/dev/kvm: no permission to open it");
            err_hint(e, "join its group (usermod -aG kvm $USER) and log in again");
        } else {
            err_set(e, -err, "/dev/kvm: %s", err == ENOENT ? "is not there" : err_name(err));
            hint_absent(e);
        }
        return -err;
    }
    int version = ioctl(fd, KVM_GET_API_VERSION, 0);
    static const struct {
        int cap;
        const char *name;
    } needed[] = {
        {KVM_CAP_USER_MEMORY, "user memory"},     {KVM_CAP_IMMEDIATE_EXIT, "immediate exit"},
        {KVM_CAP_SPLIT_IRQCHIP, "split irqchip"}, {KVM_CAP_XSAVE, "XSAVE state"},
        {KVM_CAP_XCRS, "XCR state"},              {KVM_CAP_VCPU_EVENTS, "event state"},
        {KVM_CAP_MP_STATE, "run state"},          {KVM_CAP_SIGNAL_MSI, "MSI"},
    };
    const char *missing = version == KVM_API_VERSION ? NULL : "API version 12";
    for (size_t i = 0; !missing && i < ARRAY_LEN(needed); i++)
        if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
            missing = needed[i].name;
    if (missing) {
        close(fd);
        err_set(e, -ENOTSUP, "/dev/kvm: lacks %s", missing);
        err_hint(e, "doppel needs the KVM of Linux 4.12 or later");
        return -ENOTSUP;
    }
    return fd;
}

enum { LEAK_CODE = 0x3000, LEAK_STACK = 0x3800, LEAK_OUT = 0x3900, LEAK_IDT_LIMIT = 0x357 };

/* Identity-mapped page tables in the first three pages, code at LEAK_CODE, all user-accessible. */
static void fill_leak_guest(u8 *ram)
{
    enum { P = 1, RW = 2, US = 4, PS = 0x80 };
    store_le(u64, ram, 0x1000 | P | RW | US);
    store_le(u64, ram + 0x1000, 0x2000 | P | RW | US);
    store_le(u64, ram + 0x2000, P | RW | US | PS);
    static const u8 code[] = {
        0x0f, 0x01, 0x0c, 0x25, LEAK_OUT & 0xff, LEAK_OUT >> 8, 0, 0, /* sidt [LEAK_OUT] */
        0xe6, 0x80,                                                   /* out 0x80, al */
        0xf4,
    };
    for (size_t i = 0; i < sizeof code; i++)
        ram[LEAK_CODE + i] = code[i];
}

static int run_leak_guest(int vcpu, struct kvm_run *run)
{
    struct kvm_sregs s;
    struct kvm_regs r = {.rip = LEAK_CODE, .rsp = LEAK_STACK, .rflags = 0x3002 /* IOPL 3 */};
    int err = kvm_ioctl(vcpu, KVM_GET_SREGS, &s);
    if (err < 0)
        return err;
    struct kvm_segment code = {.limit = ~0u, .selector = 0x33, .type = 11, .present = 1, .dpl = 3,
                               .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {.limit = ~0u, .selector = 0x2b, .type = 3, .present = 1, .dpl = 3,
                               .s = 1, .db = 1, .g = 1};
    s.cs = code;
    s.ds = s.es = s.ss = s.fs = s.gs = data;
    s.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP;
    s.cr3 = 0;
    s.cr4 = X86_CR4_PAE;
    s.efer = X86_EFER_LME | X86_EFER_LMA;
    s.idt.base = 0x3400;
    s.idt.limit = LEAK_IDT_LIMIT;
    err = kvm_ioctl(vcpu, KVM_SET_SREGS, &s);
    if (err >= 0)
        err = kvm_ioctl(vcpu, KVM_SET_REGS, &r);
    if (err >= 0)
        err = kvm_ioctl(vcpu, KVM_RUN, NULL);
    if (err < 0)
        return err;
    return run->exit_reason == KVM_EXIT_IO ? 0 : -EIO;
}

int kvm_probe_leak(int dev)
{
    enum { SIZE = 0x4000 };
    int result = -EIO;
    int vm = kvm_ioctl(dev, KVM_CREATE_VM, NULL);
    int run_size = kvm_ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, NULL);
    if (vm < 0 || run_size <= 0)
        return vm < 0 ? vm : run_size;
    int vcpu = -1;
    struct kvm_run *run = MAP_FAILED;
    u8 *ram = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {.memory_size = SIZE,
                                                 .userspace_addr = (u64)(uintptr_t)ram};
    if (ram == MAP_FAILED || kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        goto out;
    vcpu = kvm_ioctl(vm, KVM_CREATE_VCPU, NULL);
    if (vcpu < 0)
        goto out;
    run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED)
        goto out;
    fill_leak_guest(ram);
    result = run_leak_guest(vcpu, run);
    if (!result)
        result = load_le(u16, ram + LEAK_OUT) != LEAK_IDT_LIMIT;
out:
    if (run != MAP_FAILED)
        munmap(run, (size_t)run_size);
    if (vcpu >= 0)
        close(vcpu);
    if (ram != MAP_FAILED)
        munmap(ram, SIZE);
    close(vm);
    return result;
}

void kvm_probe_host(struct kvm_probe *p, struct err *e)
{
    *p = (struct kvm_probe){.kind = KVM_ABSENT};
    int fd = kvm_open(e);
    if (fd < 0)
        return;
    int vm = kvm_ioctl(fd, KVM_CREATE_VM, NULL);
    if (vm < 0) {
        err_set(e, vm, "/dev/kvm: creating a virtual machine: %s", err_name(vm));
        if (vm == -EBUSY)
            err_hint(e, "another hypervisor holds the processor's virtualization extension");
        close(fd);
        return;
    }
    close(vm);
    p->kind = processor_virtualizes() ? KVM_HARDWARE : KVM_SOFTWARE;
    p->leaks = kvm_probe_leak(fd) == 1;
    close(fd);
    if (p->kind == KVM_SOFTWARE) {
        err_set(e, -ENOTSUP,
                "/dev/kvm is a software implementation: the processor shows neither VMX nor SVM%s",
                p->leaks ? "; guest user code sees the host's SIDT, SGDT, SLDT, STR and SMSW values"
                         : "");
        err_hint(e, "for speed, use a host (or a nested guest) with hardware virtualization");
    } else if (p->leaks) {
        err_set(e, -ENOTSUP, "this KVM lets guest user code see the host's descriptor tables");
    }
}
