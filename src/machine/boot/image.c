/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads files for the loaders. Files are read, not mapped: a file that shrinks while mapped would
 * kill the monitor. */
#include "machine/boot/image.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_kind(int fd, const char *path, u64 max, u64 *size, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st))
        return err_set(e, -errno, "reading %s: %s", path, err_name(errno));
    if (S_ISDIR(st.st_mode))
        return err_set(e, -EISDIR, "reading %s: it is a directory", path);
    if (!S_ISREG(st.st_mode)) {
        err_set(e, -EINVAL, "reading %s: it is not a regular file", path);
        err_hint(e, "copy what it gives into a file first");
        return -EINVAL;
    }
    if (!st.st_size) {
        err_set(e, -EINVAL, "reading %s: the file is empty", path);
        err_hint(e, "fetch or copy it again");
        return -EINVAL;
    }
    if ((u64)st.st_size > max)
        return err_set(
            e, -EFBIG, "reading %s: its %llu MiB are more than the %llu MiB there is room for",
            path, (unsigned long long)((u64)st.st_size / MiB), (unsigned long long)(max / MiB));
    *size = (u64)st.st_size;
    return 0;
}

/* Fills data; fewer bytes than size are left when the file shrank meanwhile. */
static int read_all(int fd, const char *path, u8 *data, u64 size, u64 *got, struct err *e)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = read(fd, data + *got, MIN(size - *got, 16 * MiB));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, -errno, "reading %s: %s", path, err_name(errno));
        if (n == 0)
            break;
        *got += (u64)n;
    }
    return 0;
}

int image_load(struct image *out, const char *path, u64 max, struct err *e)
{
    /* O_NONBLOCK: opening a named pipe without a writer must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(e, -errno, "opening %s: %s", path, err_name(errno));
    u64 size = 0, got;
    u8 *data = NULL;
    int ret = check_kind(fd, path, max, &size, e);
    if (ret)
        goto undo_open;
    data = mem_alloc(size);
    if (!data) {
        ret = err_set(e, -ENOMEM, "reading %s: no memory for %llu bytes", path,
                      (unsigned long long)size);
        goto undo_open;
    }
    ret = read_all(fd, path, data, size, &got, e);
    if (ret) {
        mem_free(data);
        goto undo_open;
    }
    *out = (struct image){.path = path, .data = data, .size = got, .fd = fd};
    return 0;
undo_open:
    close(fd);
    return ret;
}

void image_discard(struct image *im)
{
    mem_discard(im->data, im->size);
}

/* syscalls: pread64 */
int image_reload(struct image *im, struct err *e)
{
    for (u64 at = 0; at < im->size;) {
        ssize_t n = pread(im->fd, im->data + at, MIN(im->size - at, 16 * MiB), (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, -errno, "reading the kernel's files again: %s", err_name(errno));
        if (n == 0)
            return err_set(e, -EIO, "reading the kernel's files again: one has become shorter");
        at += (u64)n;
    }
    return 0;
}

void image_unload(struct image *im)
{
    if (im->data)
        close(im->fd);
    mem_free(im->data);
    im->data = NULL;
    im->size = 0;
}
