/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM, in huge pages if the host gives any: a guest that computes misses in the host's TLB as
 * often as in its own. Most hosts give them to anonymous memory that asks, but not to memory files,
 * which processes can share. */
#include "host/ram.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* The setting in effect is in brackets. */
static bool memory_files_have_huge_pages(void)
{
    char text[128] = "";
    int f = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_RDONLY | O_CLOEXEC);
    if (f < 0)
        return false;
    ssize_t n = read(f, text, sizeof text - 1);
    close(f);
    return n > 0 && !strstr(text, "[never]") && !strstr(text, "[deny]");
}

static int map_failed(const char *name, u64 size, int err, struct err *e)
{
    return err_set(e, -err, "mapping %llu MiB of guest memory for %s: %s",
                   (unsigned long long)(size >> 20), name, err_name(err));
}

static int map_file(const char *name, u64 size, u8 **host, int *fd, struct err *e)
{
    int f = memfd_create(name, MFD_CLOEXEC);
    if (f < 0)
        return err_set(e, -errno, "creating a memory file for %s: %s", name, err_name(errno));
    void *p = MAP_FAILED;
    if (ftruncate(f, (off_t)size) == 0)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, f, 0);
    if (p == MAP_FAILED) {
        int err = errno;
        close(f);
        return map_failed(name, size, err, e);
    }
    madvise(p, size, MADV_HUGEPAGE); /* refusal is harmless */
    *host = p;
    *fd = f;
    return 0;
}

static int map_anonymous(const char *name, u64 size, u8 **host, int *fd, struct err *e)
{
    *host = mem_map(size);
    if (!*host)
        return map_failed(name, size, ENOMEM, e);
    *fd = -1;
    return 0;
}

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
    int r = memory_files_have_huge_pages() ? map_file(name, size, host, fd, e)
                                           : map_anonymous(name, size, host, fd, e);
    if (r)
        return r;
    madvise(*host, size, MADV_DONTDUMP);
    /* For who looks at /proc/PID/maps; kernels without this say EINVAL. */
    prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, *host, size, "doppel guest memory");
    return 0;
}

void host_ram_release(u8 *host, u64 size, int fd)
{
    if (fd >= 0) {
        munmap(host, size);
        close(fd);
    } else {
        mem_unmap(host, size);
    }
}
