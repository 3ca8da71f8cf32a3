/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands behind /dev/kvm: nothing, a software implementation, or the processor. */
#include "base/bits.h"
#include "base/str.h"
#include "engine/kvm/kvm_priv.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
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

/* Whose mode bits are in the way, and so whose help is needed. */
static void hint_forbidden(struct err *e, int err)
{
    struct stat st;
    char name[64] = "", buffer[1024];
    struct group g, *found = NULL;
    if (err == EPERM) /* not the mode's word: a device policy or a security module */
        err_hint(e, "in a container pass --device /dev/kvm; a security policy of the host may "
                    "forbid it too");
    else if (stat("/dev/kvm", &st) || (st.st_mode & 0060) != 0060 || !st.st_gid)
        err_hint(e, "no group may open it; as root: chgrp kvm /dev/kvm; chmod 660 /dev/kvm; "
                    "usermod -aG kvm USER; then log in again");
    else {
        if (!getgrgid_r(st.st_gid, &g, buffer, sizeof buffer, &found) && found)
            str_format(name, sizeof name, "%s", g.gr_name);
        else
            str_format(name, sizeof name, "%u", st.st_gid);
        err_hint(e, "join its group (as root: usermod -aG %s USER) and log in again", name);
    }
}

static int open_error(int err, struct err *e)
{
    switch (err) {
    case EACCES:
    case EPERM:
        err_set(e, -err, "/dev/kvm: no permission to open it");
        hint_forbidden(e, err);
        break;
    case ENOENT:
    case ENODEV:
    case ENXIO: /* a node without its driver */
        err_set(e, -err, "/dev/kvm: %s",
                err == ENOENT ? "is not there" : "nothing in the kernel stands behind it");
        hint_absent(e);
        break;
    case EMFILE:
    case ENFILE:
        err_set(e, -err, "/dev/kvm: %s", err_name(err));
        err_hint(e, "raise the limit of open files: ulimit -n");
        break;
    default:
        err_set(e, -err, "/dev/kvm: %s", err_name(err));
        err_hint(e, "it should be a character device, 10:232");
    }
    return -err;
}

int kvm_open(struct err *e)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return open_error(errno, e);
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
    if (version < 0) {
        int err = errno;
        close(fd);
        err_set(e, -ENOTSUP, "/dev/kvm: is not KVM: %s", err_name(err));
        err_hint(e, "it should be a character device, 10:232");
        return -ENOTSUP;
    }
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
        err_hint(e, vm == -EBUSY
                        ? "another hypervisor holds the processor's virtualization extension"
                    : vm == -ENOMEM ? "end other programs or machines"
                                    : "the host's kernel log may say more");
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
