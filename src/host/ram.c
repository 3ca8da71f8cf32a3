/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM from memfd. */
#include "host/ram.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

int host_ram_allocate(const char *name, u64 size, u8 **host, int *fd, struct err *e)
{
    struct sysinfo si;
    if (sysinfo(&si) == 0 && size > ((u64)si.totalram + si.totalswap) * si.mem_unit) {
        err_set(e, -ENOMEM, "allocating %llu MiB of guest memory: the host has %llu MiB",
                (unsigned long long)(size >> 20),
                (unsigned long long)(((u64)si.totalram * si.mem_unit) >> 20));
        err_hint(e, "choose a smaller --memory");
        return -ENOMEM;
    }
    int f = memfd_create(name, MFD_CLOEXEC);
    if (f < 0)
        return err_set(e, -errno, "creating a memory file for %s: %s", name, err_name(errno));
    void *p = MAP_FAILED;
    if (ftruncate(f, (off_t)size) == 0)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, f, 0);
    if (p == MAP_FAILED) {
        int err = errno;
        close(f);
        return err_set(e, -err, "mapping %llu MiB of guest memory for %s: %s",
                       (unsigned long long)(size >> 20), name, err_name(err));
    }
    madvise(p, size, MADV_HUGEPAGE); /* fewer host page faults; refusal is harmless */
    madvise(p, size, MADV_DONTDUMP);
    *host = p;
    *fd = f;
    return 0;
}

void host_ram_release(u8 *host, u64 size, int fd)
{
    munmap(host, size);
    close(fd);
}
