/* SPDX-License-Identifier: BSD-2-Clause */
/* A fixed number of slots, each a file that begins with the whole profile it was compiled from:
 * what decides is that text, never a hash of it. */
#include "container/seccomp_cache.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>

enum { SLOTS = 256, MAX_SIZE = 4 << 20 };
/* No id of a container has an @. */
static const char folder[] = "@seccomp";

struct head {
    char magic[8];
    u32 key_size, flags, count, reserved;
};
static const char magic[8] = "doppel2";

/* All that the result depends on. */
static char *make_key(json_t *section)
{
    struct utsname host;
    const struct scmp_version *v = seccomp_version();
    auto_c_free char *profile = json_dumps(section, JSON_COMPACT);
    if (!profile || !v || uname(&host))
        return NULL;
    return print_new("%s libseccomp %u.%u.%u linux %s %s %s", DOPPEL_VERSION, v->major, v->minor,
                     v->micro, host.release, host.machine, profile);
}

static unsigned slot_of(const char *key)
{
    u64 h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *key; key++)
        h = (h ^ (u8)*key) * 0x100000001b3u;
    return (unsigned)(h >> 32) % SLOTS;
}

/* Nobody else may have written what we load. */
static bool is_ours(int fd, mode_t type)
{
    struct stat st;
    return !fstat(fd, &st) && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
           !(st.st_mode & 022);
}

static bool find(int dir, const char *name, const char *key, struct seccomp_program *out)
{
    struct head h;
    struct stat st;
    size_t key_size = strlen(key);
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || !is_ours(fd, S_IFREG) || fstat(fd, &st) || st.st_size > MAX_SIZE ||
        st.st_size < (off_t)sizeof h)
        return false;
    size_t size = (size_t)st.st_size;
    auto_c_free u8 *all = malloc(size);
    if (!all || read(fd, all, size) != (ssize_t)size)
        return false;
    memcpy(&h, all, sizeof h);
    size_t code = (size_t)h.count * sizeof(struct sock_filter);
    if (memcmp(h.magic, magic, sizeof magic) || h.key_size != key_size || !h.count ||
        h.count > BPF_MAXINSNS || size != sizeof h + key_size + code ||
        memcmp(all + sizeof h, key, key_size))
        return false;
    void *copy = malloc(code);
    if (!copy)
        return false;
    memcpy(copy, all + sizeof h + key_size, code);
    *out = (struct seccomp_program){.code = copy, .count = h.count, .flags = h.flags};
    return true;
}

static void keep(int dir, const char *name, const char *key, const struct seccomp_program *p)
{
    char temporary[16];
    size_t key_size = strlen(key);
    struct head h = {.key_size = (u32)key_size, .flags = p->flags, .count = (u32)p->count};
    memcpy(h.magic, magic, sizeof magic);
    struct iovec io[] = {
        {&h, sizeof h}, {(void *)key, key_size}, {p->code, p->count * sizeof(struct sock_filter)}};
    snprintf(temporary, sizeof temporary, "%s.new", name);
    auto_close int fd =
        openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t all = (ssize_t)(io[0].iov_len + io[1].iov_len + io[2].iov_len);
    /* Somebody else's, or what a killed runtime left: the next one finds the place free. */
    if (fd < 0 || writev(fd, io, 3) != all || renameat(dir, temporary, dir, name))
        unlinkat(dir, temporary, 0);
}

int seccomp_cache_compile(int root, json_t *section, struct seccomp_program *out, struct err *e)
{
    char name[8];
    /* With a listener the result has more parts, and speed is not what such a profile is for. */
    auto_c_free char *key = json_object_get(section, "listenerPath") ? NULL : make_key(section);
    auto_close int dir =
        key ? openat(root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (key)
        snprintf(name, sizeof name, "%02x", slot_of(key));
    if (dir >= 0 && is_ours(dir, S_IFDIR) && find(dir, name, key, out))
        return 0;
    int r = seccomp_program_compile(section, out, e);
    if (r || !key || out->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)
        return r;
    if (dir < 0 && !mkdirat(root, folder, 0700))
        dir = openat(root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir >= 0 && is_ours(dir, S_IFDIR))
        keep(dir, name, key, out);
    return 0;
}
