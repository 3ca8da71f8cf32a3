/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands behind /dev/kvm: nothing, a software implementation, or the processor. */
#include "base/bits.h"
#include "engine/kvm/kvm_priv.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int r;
    do {
        r = ioctl(fd, request, arg);
    } while (r < 0 && (errno == EINTR || errno == EAGAIN));
    return r < 0 ? -errno : r;
}

bool kvm_processor_virtualizes(void)
{
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) && c >> 5 & 1)
        return true;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && c >> 2 & 1;
}

static void hint_absent(struct err *e)
{
    if (kvm_processor_virtualizes())
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
        {KVM_CAP_USER_MEMORY, "user memory"},
        {KVM_CAP_IMMEDIATE_EXIT, "immediate exit"},
        {KVM_CAP_SPLIT_IRQCHIP, "split irqchip"},
        {KVM_CAP_XSAVE, "XSAVE state"},
        {KVM_CAP_XCRS, "XCR state"},
        {KVM_CAP_VCPU_EVENTS, "event state"},
        {KVM_CAP_MP_STATE, "run state"},
        {KVM_CAP_SIGNAL_MSI, "MSI"},
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
    close(fd);
    p->kind = kvm_processor_virtualizes() ? KVM_HARDWARE : KVM_SOFTWARE;
    if (p->kind == KVM_SOFTWARE) {
        err_set(e, -ENOTSUP,
                "/dev/kvm is a software implementation: the processor shows neither VMX nor SVM");
        err_hint(e, "for speed, use a host (or a nested guest) with hardware virtualization");
    }
}
