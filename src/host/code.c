/* SPDX-License-Identifier: BSD-2-Clause */
/* Executable memory mapped twice: bytes are written at one address and run at another, so no page
 * is ever writable and executable at once. */
#include "host/code.h"

#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    RANGES_MAX = 128,
    COLLAPSE = 25, /* MADV_COLLAPSE, which is younger than the C library's headers */
};
static struct code_range range[RANGES_MAX]; /* size 0: free */
static struct os_mutex range_lock;

static void note_range(u64 start, u64 size)
{
    with_lock(&range_lock);
    for (unsigned k = 0; k < RANGES_MAX; k++)
        if (!range[k].size) {
            range[k] = (struct code_range){start, size};
            return;
        }
}

static void forget_range(u64 start)
{
    with_lock(&range_lock);
    for (unsigned k = 0; k < RANGES_MAX; k++)
        if (range[k].start == start)
            range[k] = (struct code_range){0};
}

unsigned code_ranges(struct code_range *out, unsigned max)
{
    with_lock(&range_lock);
    unsigned n = 0;
    for (unsigned k = 0; k < RANGES_MAX; k++)
        if (range[k].size && n < max)
            out[n++] = range[k];
    return n;
}

/* Huge pages map only what begins with one: the file takes the place of such memory. */
static void *map(int fd, size_t size, int protection)
{
    u8 *p = mem_map(size);
    if (!p) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    if (mmap(p, size, protection, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
        return p;
    int err = errno;
    mem_unmap(p, size);
    errno = err;
    return MAP_FAILED;
}

/* Translated code is spread over as many pages as it has, and hosts seldom give huge ones to memory
 * files by themselves. Asking for it copies what is there: not before most of a huge page is used,
 * since most guests of a test end long before. Kernels before 6.1 know no such request; small pages
 * are slower, and that is all. */
void os_code_grown(struct os_code *c, size_t used)
{
    while (c->huge + MEM_HUGE_PAGE <= c->size && used >= c->huge + MEM_HUGE_PAGE / 4 * 3) {
        if (madvise(c->rw + c->huge, MEM_HUGE_PAGE, COLLAPSE) == 0)
            madvise(c->rx + c->huge, MEM_HUGE_PAGE, COLLAPSE);
        c->huge += MEM_HUGE_PAGE;
    }
}

int os_code_create(struct os_code *c, size_t size, struct err *e)
{
    int fd = memfd_create("doppel-code", MFD_CLOEXEC);
    if (fd < 0)
        return err_set(e, -errno, "creating code memory of %zu bytes: %s", size, err_name(errno));
    void *rw = MAP_FAILED, *rx = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0)
        rw = map(fd, size, PROT_READ | PROT_WRITE);
    if (rw != MAP_FAILED)
        rx = map(fd, size, PROT_READ | PROT_EXEC);
    int err = errno;
    close(fd);
    if (rx == MAP_FAILED) {
        if (rw != MAP_FAILED)
            mem_unmap(rw, size);
        err_set(e, -err, "mapping %zu bytes of code memory: %s", size, err_name(err));
        if (err == EPERM || err == EACCES)
            err_hint(e, "a security policy forbids executable mappings of memory files here");
        return -err;
    }
    *c = (struct os_code){.rw = rw, .rx = rx, .size = size};
    note_range((u64)(uintptr_t)rx, size);
    return 0;
}

void os_code_destroy(struct os_code *c)
{
    if (!c->size)
        return;
    forget_range((u64)(uintptr_t)c->rx);
    mem_unmap(c->rw, c->size);
    mem_unmap(c->rx, c->size);
    *c = (struct os_code){0};
}
