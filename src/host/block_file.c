/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw images. One thread does the blocking calls, in the order of submission; a request is the
 * guest's own pages, so nothing is copied. What lies beyond the end of the file reads as zeroes:
 * the last sector of an image whose size is no multiple of 512, and holes. */
#include "host/block_file.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTOR = 512, VECTORS = 64, ZEROES = 1 << 16 };

struct block_file {
    struct block_backend backend; /* first */
    int fd;
    struct os_thread *thread;
    struct os_mutex lock; /* the fields below */
    struct os_cond work, idle;
    struct block_request *first, **last;
    unsigned in_flight;
    bool stop;
};

static struct block_file *of(struct block_backend *b)
{
    return container_of(b, struct block_file, backend);
}

/* A position in a request's segments. */
struct cursor {
    const struct block_request *r;
    unsigned segment;
    size_t done; /* of that segment */
};

static int fill_vectors(const struct cursor *c, struct iovec *v)
{
    int n = 0;
    size_t skip = c->done;
    for (unsigned i = c->segment; i < c->r->segment_count && n < VECTORS; i++, skip = 0)
        v[n++] = (struct iovec){(u8 *)c->r->segments[i].base + skip, c->r->segments[i].size - skip};
    return n;
}

/* Moves on by n bytes, and over segments of size zero. */
static void advance(struct cursor *c, size_t n)
{
    while (c->segment < c->r->segment_count) {
        size_t left = c->r->segments[c->segment].size - c->done;
        if (n < left) {
            c->done += n;
            return;
        }
        n -= left;
        c->segment++;
        c->done = 0;
    }
}

static void zero_rest(const struct cursor *c)
{
    size_t skip = c->done;
    for (unsigned i = c->segment; i < c->r->segment_count; i++, skip = 0)
        mem_fill((u8 *)c->r->segments[i].base + skip, 0, c->r->segments[i].size - skip);
}

/* syscalls: preadv pwritev */
static int transfer(struct block_file *f, const struct block_request *r)
{
    struct cursor c = {.r = r};
    struct iovec v[VECTORS];
    u64 offset = r->offset;
    advance(&c, 0);
    while (c.segment < r->segment_count) {
        int count = fill_vectors(&c, v);
        ssize_t n = r->op == BLOCK_READ ? preadv(f->fd, v, count, (off_t)offset)
                                        : pwritev(f->fd, v, count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0 && r->op == BLOCK_WRITE)
            return -EIO;
        if (n == 0) {
            zero_rest(&c);
            return 0;
        }
        offset += (u64)n;
        advance(&c, (size_t)n);
    }
    return 0;
}

/* syscalls: fallocate */
static int punch(struct block_file *f, int mode, const struct block_request *r)
{
    int rc;
    do {
        rc = fallocate(f->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)r->offset, (off_t)r->length);
    } while (rc && errno == EINTR);
    return rc ? -errno : 0;
}

/* syscalls: pwrite64 */
static int write_zeroes(struct block_file *f, const struct block_request *r)
{
    static u8 zeroes[ZEROES]; /* only read */
    if (punch(f, FALLOC_FL_ZERO_RANGE, r) == 0 || punch(f, FALLOC_FL_PUNCH_HOLE, r) == 0)
        return 0;
    for (u64 done = 0; done < r->length;) {
        ssize_t n =
            pwrite(f->fd, zeroes, MIN(r->length - done, (u64)ZEROES), (off_t)(r->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        done += (u64)n;
    }
    return 0;
}

/* syscalls: fdatasync */
static int perform(struct block_file *f, const struct block_request *r)
{
    bool changes = r->op != BLOCK_READ && r->op != BLOCK_FLUSH;
    if (changes && f->backend.read_only)
        return -EROFS;
    switch (r->op) {
    case BLOCK_READ:
    case BLOCK_WRITE: return transfer(f, r);
    case BLOCK_FLUSH: return f->backend.read_only || !fdatasync(f->fd) ? 0 : -errno;
    case BLOCK_DISCARD:
        /* Advice: a file system that cannot make holes loses nothing by keeping the bytes. */
        if (r->length)
            punch(f, FALLOC_FL_PUNCH_HOLE, r);
        return 0;
    case BLOCK_WRITE_ZEROES: return r->length ? write_zeroes(f, r) : 0;
    }
    return -EOPNOTSUPP;
}

static struct block_request *next_request(struct block_file *f)
{
    with_lock(&f->lock);
    while (!f->first && !f->stop)
        os_cond_wait(&f->work, &f->lock);
    struct block_request *r = f->first;
    if (r && !(f->first = r->next))
        f->last = &f->first;
    return r;
}

static void *worker(void *ctx)
{
    struct block_file *f = ctx;
    for (struct block_request *r; (r = next_request(f));) {
        r->result = perform(f, r);
        if (r->result && r->op != BLOCK_READ)
            log_warn("block", "%s: writing: %s", f->backend.id, err_name(r->result));
        r->done(r);
        with_lock(&f->lock);
        if (!--f->in_flight)
            os_cond_broadcast(&f->idle);
    }
    return NULL;
}

static void file_submit(struct block_backend *b, struct block_request *r)
{
    struct block_file *f = of(b);
    with_lock(&f->lock);
    r->next = NULL;
    *f->last = r;
    f->last = &r->next;
    f->in_flight++;
    os_cond_signal(&f->work);
}

static void file_drain(struct block_backend *b)
{
    struct block_file *f = of(b);
    with_lock(&f->lock);
    while (f->in_flight)
        os_cond_wait(&f->idle, &f->lock);
}

static void file_destroy(struct block_backend *b)
{
    struct block_file *f = of(b);
    file_drain(b);
    os_mutex_lock(&f->lock);
    f->stop = true;
    os_cond_broadcast(&f->work);
    os_mutex_unlock(&f->lock);
    os_thread_join(f->thread);
    close(f->fd);
    mem_free(f);
}

static const struct block_ops file_ops = {
    .submit = file_submit,
    .drain = file_drain,
    .destroy = file_destroy,
};

/* An open file description lock: it also keeps two disks of one process apart. */
static int lock_for_writing(int fd, const char *path, struct err *e)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (!fcntl(fd, F_OFD_SETLK, &l))
        return 0;
    if (errno != EAGAIN && errno != EACCES) {
        log_warn("block", "%s: cannot be locked: %s", path, err_name(errno));
        return 0;
    }
    err_set(e, -EBUSY, "opening disk %s for writing: another machine or disk is writing to it",
            path);
    err_hint(e, "add readonly=on to all but one of its users, or use a copy");
    return -EBUSY;
}

static int find_size(struct block_file *f, const char *path, struct err *e)
{
    struct stat st;
    u64 size = 0;
    int sector = SECTOR;
    if (fstat(f->fd, &st))
        return err_set(e, -errno, "opening disk %s: %s", path, err_name(errno));
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(f->fd, BLKGETSIZE64, &size) || ioctl(f->fd, BLKSSZGET, &sector))
            return err_set(e, -errno, "asking the size of %s: %s", path, err_name(errno));
    } else if (S_ISREG(st.st_mode)) {
        size = (u64)st.st_size;
    } else {
        err_set(e, -EINVAL, "opening disk %s: neither a file nor a block device", path);
        err_hint(e, "name a raw image; truncate -s 1G FILE makes an empty one");
        return -EINVAL;
    }
    if (!size) {
        err_set(e, -EINVAL, "opening disk %s: it is empty", path);
        err_hint(e, "give it a size: truncate -s 1G %s", path);
        return -EINVAL;
    }
    f->backend.size = align_up(size, SECTOR);
    f->backend.block_size = sector == 4096 ? 4096 : SECTOR;
    return 0;
}

static int open_image(struct block_file *f, const char *path, struct err *e)
{
    bool ro = f->backend.read_only;
    f->fd = open(path, (ro ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (f->fd < 0) {
        int rc = -errno;
        err_set(e, rc, "opening disk %s: %s", path, err_name(rc));
        if (!ro && (rc == -EACCES || rc == -EROFS || rc == -EPERM) && !access(path, R_OK))
            err_hint(e, "readonly=on needs only permission to read");
        return rc;
    }
    int rc = find_size(f, path, e);
    return rc || ro ? rc : lock_for_writing(f->fd, path, e);
}

int block_file_create(struct block_backend **out, const char *path, bool read_only,
                      const char *serial, struct err *e)
{
    struct block_file *f = mem_alloc(sizeof *f);
    if (!f)
        return err_set(e, -ENOMEM, "opening disk %s: out of memory", path);
    f->backend.ops = &file_ops;
    f->backend.read_only = read_only;
    f->last = &f->first;
    str_copy(f->backend.id, serial ? serial : "", sizeof f->backend.id);
    int rc = open_image(f, path, e);
    if (!rc)
        rc = os_thread_create(&f->thread, "block", worker, f, e);
    if (rc) {
        if (f->fd >= 0)
            close(f->fd);
        mem_free(f);
        return rc;
    }
    *out = &f->backend;
    return 0;
}
