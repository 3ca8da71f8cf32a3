/* SPDX-License-Identifier: BSD-2-Clause */
/* Executable memory mapped twice: bytes are written at one address and run at another, so no page
 * is ever writable and executable at once. */
#include "host/code.h"

#include "base/os.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RANGES_MAX = 128 };
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

int os_code_create(struct os_code *c, size_t size, struct err *e)
{
    int fd = memfd_create("doppel-code", MFD_CLOEXEC);
    if (fd < 0)
        return err_set(e, -errno, "creating code memory of %zu bytes: %s", size, err_name(errno));
    void *rw = MAP_FAILED, *rx = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0)
        rw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (rw != MAP_FAILED)
        rx = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    int err = errno;
    close(fd);
    if (rx == MAP_FAILED) {
        if (rw != MAP_FAILED)
            munmap(rw, size);
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
    munmap(c->rw, c->size);
    munmap(c->rx, c->size);
    *c = (struct os_code){0};
}
